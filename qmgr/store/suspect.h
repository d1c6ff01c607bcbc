/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspect.h - the file DIR/store/SUSPECT: the process that served the store
 * ended in the middle of something that a damaged page can bring about, so the
 * next start looks at every page before LMDB does.  A kill and a power cut
 * leave no such file.
 */
#ifndef MQ_STORE_SUSPECT_H
#define MQ_STORE_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>

/* Leaves the file, if it can; store is DIR/store.  Any thread. */
void store_suspect(const char *store, const char *why);
/* Whether there is one; its text goes to ret_why. */
bool store_is_suspect(const char *dir, char *ret_why, size_t size);
void store_suspect_clear(const char *dir);
/* From now on the file is left when a signal of the processor's or abort()
 * ends the process, unless somebody else takes that signal.  Once. */
void store_suspect_watch(const char *dir);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_files.h - directories of store files that appear whole or not at all:
 * made under another name, flushed, then renamed.  Blocking; every failure has
 * been said on standard error.
 */
#ifndef MQ_QMGR_MODE_FILES_H
#define MQ_QMGR_MODE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* "qmgr: ..." on standard error; returns false. */
/* A directory, of our own and closed to others; not a link to one. */
bool mode_is_own_dir(const char *path);
bool mode_complain(const char *fmt, ...) MQ_PRINTF(1, 2);
/* asprintf(3), which dies without memory. */
char *mode_path(const char *fmt, ...) MQ_PRINTF(1, 2);

/* Makes DIR and DIR/store, and DIR/store/FORMAT as FROM/store has it.  What an
 * earlier try has left there goes first. */
MQ_MUST_CHECK bool mode_make_store(const char *dir, const char *from);
/* Removes what mode_make_store() and LMDB have made. */
void mode_drop_store(const char *dir);

/* Copies FROM/journal/, if there is one, to TO/journal/.  Without flush, the
 * copies and their directory are the caller's to flush. */
MQ_MUST_CHECK bool mode_copy_journal(
    const char *from, const char *to, bool flush);
void mode_drop_journal(const char *dir);

MQ_MUST_CHECK bool mode_copy_file(const char *from, const char *to);
MQ_MUST_CHECK bool mode_write_file(const char *path, const char *text);
MQ_MUST_CHECK bool mode_sync_dir(const char *path);
MQ_MUST_CHECK bool mode_rename(const char *from, const char *to);
uint64_t mode_file_size(const char *path); /* 0: there is none */

/* Looks at DIR/store, and DIR/journal if that is asked for; false after a
 * message if a start could not serve it as a whole. */
MQ_MUST_CHECK bool mode_is_whole(
    const char *dir, bool journal, const char *what);

#endif

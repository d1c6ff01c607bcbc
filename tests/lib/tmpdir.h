/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpdir.h - a directory of the test's own, removed when the test ends in
 * whatever way: by tmpdir_free(), exit, abort or kill -9.
 *
 * A small process of its own waits for the test's end (end of file on a pipe)
 * and removes the tree, so that a crash leaves nothing behind.
 */
#ifndef MQ_TESTS_TMPDIR_H
#define MQ_TESTS_TMPDIR_H

#include <limits.h>

struct tmpdir {
	char path[PATH_MAX]; /* real path */
	int life_fd;         /* its closing starts the removal */
	int gone_fd;         /* end of file: removed */
};

/* Dies (abort) if the directory cannot be made. */
void tmpdir_make(struct tmpdir *ret);
/* Removes the tree and waits until it is gone. */
void tmpdir_free(struct tmpdir *d);

/* Removes what is under the path; the path too if `self`. */
void tmpdir_clear(const char *path, int self);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr_dir.h - a queue manager's directory: where it is, what must be true of
 * it, and the lock that lets one process have it.
 * Blocks on the file system; used at start and stop only.
 */
#ifndef MQ_QMGR_QMGR_DIR_H
#define MQ_QMGR_QMGR_DIR_H

#include <mq/mqi_err.h>
#include <stdbool.h>

#include "base/check.h"

struct qmgr_dir {
	char *root;
	char *path; /* root/<escaped name> */
	char *data; /* path/data, the store's */
	char *run;  /* path/run, the socket's */
	int lock_fd;
};

/*
 * Finds the directory, checks it and locks it.  create: makes what is missing.
 * On failure *ret_why, malloc'd, is a sentence for a person, and *ret is to be
 * given to qmgr_dir_close() all the same.
 * Errors: Q_MGR_NAME (the name is not valid, or it was never created),
 * RUNNING (another process has it), SECURITY (others may read or write it),
 * IO, NO_MEMORY.
 */
MQ_MUST_CHECK enum mqi_err qmgr_dir_open(const char *name, const char *root,
    bool create, struct qmgr_dir *ret, char **ret_why);
/* Releases the lock; removes the socket. */
void qmgr_dir_close(struct qmgr_dir *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr_run.h - runs the qmgr program beside ours for work on a store, which it
 * alone may read, and takes the lines that it writes.  Single-threaded; blocks
 * until the program ends.
 */
#ifndef MQ_ADMIN_QMGR_RUN_H
#define MQ_ADMIN_QMGR_RUN_H

#include <stdbool.h>

#define QMGR_RUN_FIELDS 8u

/* A line, cut at its tabs; absent fields are "". */
typedef void qmgr_run_fn(void *ctx, const char *const fields[QMGR_RUN_FIELDS]);

/* args end with NULL; the program itself is not among them.  Returns its exit
 * status; -1 after a message: it could not be run, or a signal ended it. */
int qmgr_run(const char *const args[], qmgr_run_fn *line, void *ctx);

#endif

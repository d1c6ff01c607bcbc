/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - memory for read-ahead messages: many in one piece, in the order in
 * which they come, since they go in about that order too.
 *
 * Runs belong to a connection, but a message may be freed by any thread and
 * after the connection: mqruns_get() and mqruns_free() are called with the
 * connection's lock held, or by its last user; mqrun_unref() by anybody.
 * Nothing here blocks for longer than it takes to link or malloc(3) a run.
 */
#ifndef MQ_LIBMQ_RUN_H
#define MQ_LIBMQ_RUN_H

#include <stddef.h>

struct mqrun;
struct mqruns;

struct mqruns *mqruns_new(void); /* NULL: no memory */
/* NULL is allowed.  What messages still use goes with the last of them. */
void mqruns_free(struct mqruns *rs);
/* size bytes, aligned for any type, not cleared; *ret_run is for
 * mqrun_unref().  NULL: no memory, or too many bytes for a run. */
void *mqruns_get(struct mqruns *rs, size_t size, struct mqrun **ret_run);
void mqrun_unref(struct mqrun *run);

#endif

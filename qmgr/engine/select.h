/* SPDX-License-Identifier: Apache-2.0 */
/* select.h - getters whose handle has a selector: select.c.  Loop thread only.
 */
#ifndef MQ_ENGINE_SELECT_H
#define MQ_ENGINE_SELECT_H

#include "qmgr/engine/engine_int.h"

/* Of match.c.  Rows behind `from`, for one that is in no line. */
void getter_load(struct getter *g, struct place from);
/* Waits until its session can take more. */
void getter_stall(struct getter *g);

/* A handle's selector.  Errors: those of mqselector_parse(), RESOURCE_PROBLEM
 * (the session has too many), with a sentence. */
MQ_MUST_CHECK enum mqi_err select_open(struct engine_session *s,
    const char *text, struct mqselector **ret, char *ret_why, size_t why_len);
/* A getter begins, and ends, to be one with a selector. */
void select_begin(struct getter *g);
void select_end(struct getter *g);
/* getter_start() for them. */
void select_start(struct getter *g);
/* Walks on.  extra, if not NULL: what a load of its own just showed. */
void select_look(struct getter *g, const struct find_span *extra);
/* A turn begins: walks go on. */
void select_tick(struct engine *e);
/* x has become available.  True: one of them has it. */
bool select_offer(struct queue *q, struct entry *x);
/* x is not available any more. */
void select_gone(const struct entry *x);
void select_serve_again(struct queue *q);
void select_fail_all(struct queue *q, enum mqi_err reason);
/* A handle is watched, or no more. */
void select_watch(struct handle *h, bool on);
/* False: it is not known yet. */
bool select_is_ready(const struct handle *h, bool *ret_ready);
/* An available one: nobody who waits wants it. */
void select_check(const struct entry *x);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a transmission queue read by number; stream.c says how.  For the
 * engine's own files; engine_int.h, which this is a part of, has the structs.
 * Loop thread.
 */
#ifndef MQ_QMGR_ENGINE_STREAM_H
#define MQ_QMGR_ENGINE_STREAM_H

#include "qmgr/engine/engine_int.h"

bool stream_is_claimed(const struct queue *q);
void stream_work(struct queue *q);      /* has messages: tells who sends */
void stream_work_all(struct engine *e); /* at the start */
/* A channel that serves the transmission queue was defined or altered. */
void stream_work_again(struct engine *e, const char *xmitq);
void stream_take(struct getter *g, struct entry *x);
void stream_discards(struct queue *q); /* removes what is acknowledged */
void stream_close(struct handle *h);
/* The unit that was to remove what the handle holds has ended.  removed: what
 * comes next leaves only when pos is durable. */
void stream_unit_ended(
    struct engine_session *s, uint32_t handle, bool removed, uint64_t pos);
void stream_flush_dirty(struct engine *e);
struct stream *stream_free(struct stream *st);
void stream_restart(struct stream *st); /* a new epoch */
void stream_catalog(struct engine *e, const struct record_stream *v);

#endif

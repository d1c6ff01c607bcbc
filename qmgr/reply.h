/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - the engine's replies as frames of the local protocol.
 * Pure but for memory; loop thread only.
 */
#ifndef MQ_QMGR_REPLY_H
#define MQ_QMGR_REPLY_H

#include "base/buf.h"
#include "qmgr/engine/engine.h"

/* Bytes that follow the encoded ones, where they stand: borrowed. */
struct reply_tail {
	struct mqref *ref; /* NULL: nothing follows */
	size_t offset;
	size_t len;
};

/* Appends the reply's frame to b (check b->err), all but the tail.
 * takes_bound_acked: the session has the feature. */
void reply_encode(const struct engine_reply *r, bool takes_bound_acked,
    struct mqbuf *b, struct reply_tail *ret_tail);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duplicate.h - the part of engine_int.h for streaming queues: a copy of each
 * message that is put goes to the queue that STREAMQ names.  Loop thread only.
 */
#ifndef MQ_ENGINE_DUPLICATE_H
#define MQ_ENGINE_DUPLICATE_H

#include "qmgr/engine/engine_int.h"

/* Where the copy of a message that is put goes, and what it is. */
struct duplicate {
	struct queue *q;
	uint8_t rank;
	/* It is the same message in a second place; else m (without its data)
	 * and desc are its own. */
	bool shared;
	struct msg m;
	struct mqbuf desc;
};

/* For a message whose stamped descriptor is in e->scratch and that has the
 * numbers and lengths in m: the copy for the stream queue of q.  u: the unit of
 * work that it is put in, or NULL.  *ret: NULL if there is none;
 * duplicate_free() it.
 * Errors, with STRMQOS(MUSTDUP) alone: why there can be none, as of
 * route_resolve() and fanout_check(); SYNCPOINT_LIMIT. */
MQ_MUST_CHECK enum mqi_err duplicate_find(struct queue *q, const struct msg *m,
    const struct unit *u, struct duplicate **ret);
struct duplicate *duplicate_free(struct duplicate *d); /* NULL, and takes it */

/* Gives a copy of its own the bytes of the body. */
MQ_MUST_CHECK enum mqi_err duplicate_fill(
    struct duplicate *d, const void *body);
/* What it adds to the records of its message's batch, bytes. */
size_t duplicate_room(const struct duplicate *d);
/* Puts m on q and the copy with it, in one batch with room for both: in a unit
 * of records of that number if they are staged.  Takes m and the copy's.
 * Returns m's entry, not offered yet. */
struct entry *duplicate_put(struct queue *q, uint8_t rank, struct msg *m,
    struct duplicate *d, uint32_t number, uint64_t *ret_pos);
/* The same in a unit of work; the copy does not count as a message of it. */
void duplicate_put_in(struct unit *u, struct queue *q, uint8_t rank,
    struct msg *m, struct duplicate *d);

/* Holds the stream queue, and a message's room on it, while pieces come. */
void duplicate_hold(struct duplicate *d);
struct duplicate *duplicate_drop(struct duplicate *d); /* and frees: NULL */

#endif

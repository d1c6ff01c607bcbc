/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_segment.h - small messages packed into segments, in the order in
 * which they came (store_lmdb_segment.c).  The lookups take a cursor on the
 * database "segments" of a transaction of any kind; the others are a
 * writer's.
 */
#ifndef MQ_STORE_LMDB_SEGMENT_H
#define MQ_STORE_LMDB_SEGMENT_H

#include "base/tree.h"
#include "qmgr/store/store_lmdb_env.h"

/* Descriptor and body of a message in a segment, at most. */
#define SEGMENT_MESSAGE_MAX 16384u

struct lmdb_writer;

/* What a lookup has found; data is LMDB's, or the writer's. */
struct segment_found {
	uint64_t segment;
	uint16_t slot;
	struct schema_entry entry;
	const uint8_t *data; /* checked against the entry's checksum */
};

/* The bytes of a row in a segment.  An LMDB code; *ret_ok false: they are
 * missing or wrong. */
MQ_MUST_CHECK int segment_read(MDB_cursor *segments,
    const struct schema_row *row, struct segment_found *ret, bool *ret_ok);
/* Looks for a body; *ret_ok false: no segment has it whole. */
MQ_MUST_CHECK int segment_find(MDB_cursor *segments, uint64_t body_id,
    struct segment_found *ret, bool *ret_ok);

/* ---- a writer's ---- */

/* The segment that is filling. */
struct segment_open {
	uint8_t *bytes; /* MQFRAME_PIECE, or NULL before the first */
	uint64_t key;
	struct schema_segment v;
	uint32_t live; /* of v.n */
};

/* A segment of which messages have gone in this transaction. */
struct segment_live;
RB_HEAD(segment_lives, segment_live);

static inline bool
segment_takes(const struct record_put *put)
{
	return put->n_places == 1 && (put->flags & RECORD_PUT_STAGED) == 0 &&
	       (uint64_t)put->desc_len + put->body_len <= SEGMENT_MESSAGE_MAX;
}

/* Takes the message in, and sets the row's place in a segment. */
MQ_MUST_CHECK enum mqi_err segment_add(struct lmdb_writer *w,
    const struct record_put *put, struct schema_row *row);
/* The message is gone from its segment. */
MQ_MUST_CHECK enum mqi_err segment_drop(
    struct lmdb_writer *w, const struct schema_row *row);
/* The same of a message whose row was damaged: by its body id. */
MQ_MUST_CHECK enum mqi_err segment_drop_body(
    struct lmdb_writer *w, uint64_t body_id);
/* Moves the message into "bodies", unless its bytes are damaged; the row that
 * the caller writes after it says so. */
MQ_MUST_CHECK enum mqi_err segment_move_out(
    struct lmdb_writer *w, struct schema_row *row);
/* Whether the row stands where its message was put. */
MQ_MUST_CHECK enum mqi_err segment_knows_place(struct lmdb_writer *w,
    const struct schema_row *row, const struct record_key *key, bool *ret);
/* Writes what is open and counted; before the commit. */
MQ_MUST_CHECK enum mqi_err segment_flush(struct lmdb_writer *w);
void segment_forget(struct lmdb_writer *w); /* after commit or abort */
void segment_fini(struct lmdb_writer *w);

/* Empties some of the segments of which little is left, if there are many:
 * *ret_n messages were moved; *ret_more: there may be others. */
MQ_MUST_CHECK enum mqi_err segment_sweep(
    struct lmdb_writer *w, unsigned max, unsigned *ret_n, bool *ret_more);

#endif

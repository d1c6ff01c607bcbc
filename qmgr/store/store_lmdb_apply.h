/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_apply.h - what batches do to the databases.  A writer belongs to
 * the thread that writes; after a failure it is only to be freed.
 */
#ifndef MQ_STORE_LMDB_APPLY_H
#define MQ_STORE_LMDB_APPLY_H

#include <sys/queue.h>

#include "base/tree.h"
#include "qmgr/store/store_lmdb_env.h"
#include "qmgr/store/store_lmdb_segment.h"

/* A queue's counters as of the transaction. */
struct lmdb_counter {
	RB_ENTRY(lmdb_counter) entry;
	SLIST_ENTRY(lmdb_counter) dirty_entry;
	uint64_t queue_id;
	struct schema_counters v;
	bool dirty;
	bool deleted; /* its row goes */
	bool purging; /* its rows are gone for everybody but the sweep */
};

RB_HEAD(lmdb_counters, lmdb_counter);

/* What a transaction keeps in memory before it should be committed. */
#define LMDB_TXN_BYTES (UINT64_C(12) << 20)
#define LMDB_PAGE_WORDS 1024u

struct lmdb_writer {
	struct lmdb_env *e;
	struct store_why *why;
	MDB_txn *txn;
	MDB_cursor *rows;
	MDB_cursor *bodies;
	MDB_cursor *ids;
	MDB_cursor *segments;
	struct segment_open open;
	struct segment_lives lives;
	struct lmdb_counters counters;
	SLIST_HEAD(, lmdb_counter) dirty; /* to be written by the commit */
	uint64_t epoch;
	uint64_t last_body_id; /* none in "bodies" has a higher one */
	uint64_t last_segment; /* none has a higher key */
	uint8_t last_row[SCHEMA_ROW_KEY]; /* nor any row */
	uint64_t sweep_at;                /* the next segment */
	uint64_t sweep_base; /* that had lost messages after the last round */
	/* of the transaction: bytes of large values, and pages */
	uint64_t n_bytes;
	uint64_t n_pages;
	uint64_t pages[LMDB_PAGE_WORDS]; /* a bit for some of their addresses */
	uint64_t n_staged;
	bool sweep; /* there may be something to sweep */
};

MQ_MUST_CHECK enum mqi_err lmdb_writer_init(
    struct lmdb_writer *w, struct lmdb_env *e, struct store_why *why);
void lmdb_writer_fini(struct lmdb_writer *w);

/* One transaction: begin, apply once or more, commit. */
MQ_MUST_CHECK enum mqi_err lmdb_writer_begin(struct lmdb_writer *w);
MQ_MUST_CHECK enum mqi_err lmdb_writer_apply(
    struct lmdb_writer *w, const struct store_batch *b);
/* The effect of one record; ctx is the writer. */
MQ_MUST_CHECK enum mqi_err lmdb_writer_record(
    void *ctx, const struct record *r, const uint8_t *bytes);
MQ_MUST_CHECK enum mqi_err lmdb_writer_commit(
    struct lmdb_writer *w, uint64_t last_batch);
void lmdb_writer_abort(struct lmdb_writer *w);
/* Bytes that the transaction keeps in memory, and its commit writes. */
uint64_t lmdb_writer_size(const struct lmdb_writer *w);
/* They are as many as a transaction should have: commit before the next
 * batch. */
bool lmdb_writer_is_full(const struct lmdb_writer *w);

/* One small transaction that deletes some of what only the sweep can see. */
MQ_MUST_CHECK enum mqi_err lmdb_writer_sweep(struct lmdb_writer *w);

/* Deletes what earlier starts had staged or removed. */
MQ_MUST_CHECK enum mqi_err lmdb_apply_start(
    struct lmdb_env *e, struct store_why *why);

/* ---- parts, in store_lmdb_parts.c ---- */

MQ_MUST_CHECK enum mqi_err lmdb_put(struct lmdb_writer *w, enum lmdb_db db,
    MDB_val key, MDB_val val, unsigned flags);
/* Not an error if it is not there. */
MQ_MUST_CHECK enum mqi_err lmdb_del(
    struct lmdb_writer *w, enum lmdb_db db, MDB_val key);
/* ret_val->mv_data is NULL if it is not there. */
MQ_MUST_CHECK enum mqi_err lmdb_get(
    struct lmdb_writer *w, enum lmdb_db db, MDB_val key, MDB_val *ret_val);

MQ_MUST_CHECK enum mqi_err lmdb_counter(
    struct lmdb_writer *w, uint64_t queue_id, struct lmdb_counter **ret);
MQ_MUST_CHECK enum mqi_err lmdb_counters_flush(struct lmdb_writer *w);
void lmdb_counters_free(struct lmdb_writer *w);
/* by: +1 or -1 */
void lmdb_count(struct lmdb_writer *w, struct lmdb_counter *c,
    const struct schema_row *row, int by);
/* It changes: the commit writes it. */
void lmdb_counter_touch(struct lmdb_writer *w, struct lmdb_counter *c);

MQ_MUST_CHECK enum mqi_err lmdb_body_put_piece(struct lmdb_writer *w,
    uint64_t body_id, uint32_t piece, const void *data, uint32_t len);
/* desc and body in one value. */
MQ_MUST_CHECK enum mqi_err lmdb_body_put_whole(
    struct lmdb_writer *w, const struct record_put *put);
/* What a removal has kept: *ret_count 0: nothing that can be read. */
MQ_MUST_CHECK enum mqi_err lmdb_limbo_get(struct lmdb_writer *w,
    uint64_t body_id, uint32_t *ret_count, struct schema_row *ret_row);
MQ_MUST_CHECK enum mqi_err lmdb_limbo_set(
    struct lmdb_writer *w, uint32_t count, const struct schema_row *row);
/* p is in a page that the transaction has, or has had, in memory. */
void lmdb_touched(struct lmdb_writer *w, const void *p);
/* single: there is one piece at most. */
MQ_MUST_CHECK enum mqi_err lmdb_body_delete(
    struct lmdb_writer *w, uint64_t body_id, bool single);
/* One holder less; the last one deletes it. */
MQ_MUST_CHECK enum mqi_err lmdb_body_drop(
    struct lmdb_writer *w, const struct schema_row *row);
/* Whether the pieces are exactly those of a staged message. */
MQ_MUST_CHECK enum mqi_err lmdb_body_is_whole(struct lmdb_writer *w,
    uint64_t body_id, uint32_t desc_len, uint32_t body_len, bool *ret);

/* The row and what points to it; not its counters. */
MQ_MUST_CHECK enum mqi_err lmdb_row_add(struct lmdb_writer *w,
    const struct record_key *key, const struct schema_row *row);
/* *ret_row is what was there.  *ret_found false: nothing was.  *ret_good
 * false: it was damaged, and *ret_row is zeros. */
MQ_MUST_CHECK enum mqi_err lmdb_row_find(struct lmdb_writer *w,
    const struct record_key *key, struct schema_row *ret_row, bool *ret_found,
    bool *ret_good);
MQ_MUST_CHECK enum mqi_err lmdb_row_remove(struct lmdb_writer *w,
    const struct record_key *key, const struct schema_row *row);

/* Writes a row that is there, and nothing else. */
MQ_MUST_CHECK enum mqi_err lmdb_row_rewrite(struct lmdb_writer *w,
    const struct record_key *key, const struct schema_row *row);
/* What was found by its body id before is found by "ids" now. */
MQ_MUST_CHECK enum mqi_err lmdb_row_add_msg_id(struct lmdb_writer *w,
    const struct record_key *key, const struct schema_row *row);

/* Removes rows of a queue, at most max; *ret_done: no more are left. */
MQ_MUST_CHECK enum mqi_err lmdb_purge_some(
    struct lmdb_writer *w, uint64_t queue_id, unsigned max, bool *ret_done);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_apply.c - the effect of records on the databases
 * (store_schema.c has their tables), in one write transaction for one or more
 * batches, with the number of the last batch and the counters of the queues.
 *
 * A message has a row at each of its places and one body.  A place that is
 * removed without release leaves the body to `limbo`.  A body with several
 * places is counted in `shared`; any other has exactly one holder, a row, an
 * entry of limbo or a unit's `staged`.
 *
 * What would make a transaction long is put off: of a purged queue that is
 * deep, rows are left to the sweep, and `purges` hides them from loads; a put
 * to such a queue finishes the purge first.
 *
 * A record that contradicts what is stored (a second message at one place, a
 * body that was not staged) is our own mistake or a lost page: the batch
 * fails, and with it the store, before anything is acknowledged.  The removal
 * of what is not there is nothing: damage has taken it.
 */
#include "qmgr/store/store_lmdb_apply.h"

#include <string.h>

#define PURGE_AT_ONCE 1024u
#define SWEEP_ROWS 512u
#define START_STEP 1024u

/* ---- queues ---- */

/* Before a queue gets a message: nothing hidden may be left of it. */
static enum mqi_err
finish_purge(struct lmdb_writer *w, struct lmdb_counter *c)
{
	uint8_t key[8];
	bool done = false;
	enum mqi_err err;

	if (!c->purging)
		return MQI_OK;
	err = lmdb_purge_some(w, c->queue_id, UINT32_MAX, &done);
	if (err != MQI_OK)
		return err;
	c->purging = false;
	schema_u64(key, c->queue_id);
	return lmdb_del(w, DB_PURGES, lmdb_val(key, 8));
}

static enum mqi_err
apply_purge(struct lmdb_writer *w, uint64_t queue_id)
{
	struct lmdb_counter *c;
	uint8_t key[8];
	bool done = false;
	enum mqi_err err = lmdb_counter(w, queue_id, &c);

	if (err != MQI_OK)
		return err;
	if (c->v.depth != 0 || c->v.bytes != 0 || c->v.np_epoch != 0)
		lmdb_counter_touch(w, c);
	memset(&c->v, 0, sizeof(c->v));
	if (c->purging)
		return MQI_OK;
	err = lmdb_purge_some(w, queue_id, PURGE_AT_ONCE, &done);
	if (err != MQI_OK || done)
		return err;
	c->purging = true;
	w->sweep = true;
	schema_u64(key, queue_id);
	return lmdb_put(w, DB_PURGES, lmdb_val(key, 8), lmdb_val("", 0), 0);
}

/* ---- messages ---- */

static enum mqi_err
add_place(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row)
{
	struct lmdb_counter *c;
	enum mqi_err err = lmdb_counter(w, key->queue_id, &c);

	if (err == MQI_OK)
		err = finish_purge(w, c);
	if (err == MQI_OK)
		err = lmdb_row_add(w, key, row);
	if (err == MQI_OK)
		lmdb_count(w, c, row, 1);
	return err;
}

static enum mqi_err
put_inline(
    struct lmdb_writer *w, const struct record_put *put, struct schema_row *row)
{
	const uint8_t *body = put->body;
	uint32_t n = store_body_pieces(put->body_len);
	enum mqi_err err;

	row->inlined = (uint64_t)put->desc_len + put->body_len <= MQFRAME_PIECE;
	if (segment_takes(put))
		return segment_add(w, put, row);
	if (row->inlined)
		return lmdb_body_put_whole(w, put);
	err = lmdb_body_put_piece(w, put->body_id, 0, put->desc, put->desc_len);
	for (uint32_t i = 0; i < n && err == MQI_OK; i++) {
		uint32_t len = put->body_len - i * MQFRAME_PIECE;

		if (len > MQFRAME_PIECE)
			len = MQFRAME_PIECE;
		err = lmdb_body_put_piece(w, put->body_id, i + 1,
		    body + (size_t)i * MQFRAME_PIECE, len);
	}
	return err;
}

/* The staged pieces become a message's body. */
static enum mqi_err
take_staged(struct lmdb_writer *w, uint32_t unit, const struct record_put *put)
{
	uint8_t key[SCHEMA_STAGED_KEY];
	MDB_val v = {0};
	bool whole = false;
	enum mqi_err err;

	schema_staged_key(unit, put->body_id, key);
	err = lmdb_get(w, DB_STAGED, lmdb_val(key, sizeof(key)), &v);
	if (err == MQI_OK && v.mv_data != NULL)
		err = lmdb_body_is_whole(
		    w, put->body_id, put->desc_len, put->body_len, &whole);
	if (err != MQI_OK)
		return err;
	if (!whole)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record puts a body that was not wholly staged");
	MQ_INVARIANT(w->n_staged > 0);
	w->n_staged--;
	return lmdb_del(w, DB_STAGED, lmdb_val(key, sizeof(key)));
}

static enum mqi_err
put_shared(struct lmdb_writer *w, uint64_t body_id, uint32_t holders)
{
	uint8_t key[8];
	uint8_t value[SCHEMA_SHARED_SIZE];

	schema_u64(key, body_id);
	schema_shared_encode(body_id, holders, value);
	return lmdb_put(w, DB_SHARED, lmdb_val(key, 8),
	    lmdb_val(value, sizeof(value)), MDB_NOOVERWRITE);
}

static enum mqi_err
apply_put(struct lmdb_writer *w, const struct record *r)
{
	const struct record_put *put = &r->u.put;
	struct schema_row row = {
	    .body_id = put->body_id,
	    .backout_count = put->backout_count,
	    .body_crc = put->body_crc,
	    .body_len = put->body_len,
	    .desc_len = put->desc_len,
	    .epoch = w->epoch,
	    .non_persistent = (put->flags & RECORD_PUT_NON_PERSISTENT) != 0,
	    .shared = put->n_places > 1,
	};
	enum mqi_err err;

	if (row.non_persistent && row.epoch <= w->e->dead_epoch)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a non-persistent record came before the epoch was raised");
	memcpy(row.msg_id, put->msg_id, MQI_ID_LEN);
	memcpy(row.correl_id, put->correl_id, MQI_ID_LEN);
	if ((put->flags & RECORD_PUT_STAGED) != 0)
		err = take_staged(w, r->unit, put);
	else
		err = put_inline(w, put, &row);
	if (err == MQI_OK && row.shared)
		err = put_shared(w, put->body_id, put->n_places);
	for (uint32_t i = 0; i < put->n_places && err == MQI_OK; i++) {
		struct record_key key = record_place(put, i);

		err = add_place(w, &key, &row);
	}
	/* a recovery goes on without this record: its bytes must not stay */
	if (err == MQI_E_STORE_FAILED && row.in_segment) {
		enum mqi_err dropped = segment_drop(w, &row);

		if (dropped != MQI_OK)
			return dropped;
	}
	return err;
}

static enum mqi_err
keep_removed(struct lmdb_writer *w, const struct schema_row *row)
{
	struct schema_row kept;
	uint32_t count = 0;
	enum mqi_err err = MQI_OK;

	if (row->shared)
		err = lmdb_limbo_get(w, row->body_id, &count, &kept);
	return err == MQI_OK ? lmdb_limbo_set(w, count + 1, row) : err;
}

static bool
is_dead(const struct lmdb_writer *w, const struct schema_row *row)
{
	return row->non_persistent && row->epoch <= w->e->dead_epoch;
}

/* The body of a row that cannot be read. */
static enum mqi_err
drop_unknown(struct lmdb_writer *w, uint64_t body_id)
{
	enum mqi_err err = lmdb_body_delete(w, body_id, false);

	return err == MQI_OK ? segment_drop_body(w, body_id) : err;
}

static enum mqi_err
apply_remove(struct lmdb_writer *w, const struct record_remove *v)
{
	struct lmdb_counter *c = NULL;
	struct schema_row row;
	bool found = false;
	bool good = false;
	enum mqi_err err = lmdb_counter(w, v->key.queue_id, &c);

	if (err != MQI_OK || c->purging)
		return err;
	err = lmdb_row_find(w, &v->key, &row, &found, &good);
	if (err != MQI_OK || !found || is_dead(w, &row))
		return err;
	if (good && row.body_id != v->body_id)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record removes another message than the one stored");
	err = lmdb_row_remove(w, &v->key, &row);
	if (err != MQI_OK)
		return err;
	lmdb_count(w, c, &row, -1);
	if (!good)
		return drop_unknown(w, v->body_id);
	return (v->flags & RECORD_REMOVE_RELEASE) != 0 ? lmdb_body_drop(w, &row)
						       : keep_removed(w, &row);
}

static enum mqi_err
apply_restore(struct lmdb_writer *w, const struct record_restore *v)
{
	struct schema_row row;
	uint32_t count = 0;
	bool known = true;
	enum mqi_err err = lmdb_limbo_get(w, v->body_id, &count, &row);

	if (err != MQI_OK)
		return err;
	if (count == 0)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record restores a message that was not kept");
	err = lmdb_limbo_set(w, count - 1, &row);
	row.backout_count = v->backout_count;
	/* a segment's message is looked for where it was put */
	if (err == MQI_OK && row.in_segment)
		err = segment_knows_place(w, &row, &v->key, &known);
	if (err == MQI_OK && !known)
		err = segment_move_out(w, &row);
	return err == MQI_OK ? add_place(w, &v->key, &row) : err;
}

static enum mqi_err
apply_release(struct lmdb_writer *w, uint64_t body_id)
{
	struct schema_row row;
	uint32_t count = 0;
	enum mqi_err err = lmdb_limbo_get(w, body_id, &count, &row);

	if (err != MQI_OK || count == 0)
		return err;
	err = lmdb_limbo_set(w, count - 1, &row);
	return err == MQI_OK ? lmdb_body_drop(w, &row) : err;
}

static enum mqi_err
apply_backout(struct lmdb_writer *w, const struct record_backout *v)
{
	struct lmdb_counter *c = NULL;
	struct schema_row row;
	bool found = false;
	bool good = false;
	enum mqi_err err = lmdb_counter(w, v->key.queue_id, &c);

	if (err != MQI_OK || c->purging)
		return err;
	err = lmdb_row_find(w, &v->key, &row, &found, &good);
	if (err != MQI_OK || !good)
		return err;
	row.backout_count = v->count;
	return lmdb_row_rewrite(w, &v->key, &row);
}

/* ---- staged pieces ---- */

static enum mqi_err
replace_piece(struct lmdb_writer *w, uint64_t body_id, uint32_t piece)
{
	uint8_t key[SCHEMA_BODY_KEY];
	MDB_val k;
	MDB_val v;
	int rc;

	schema_body_key(body_id, piece, 0, key);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(w->bodies, &k, &v, MDB_SET_RANGE);
	if (rc == 0 && k.mv_size == sizeof(key) &&
	    memcmp(k.mv_data, key, 12) == 0)
		rc = mdb_cursor_del(w->bodies, 0);
	return rc == 0 || rc == MDB_NOTFOUND
		   ? MQI_OK
		   : store_err_fail(w->why, rc, "staging");
}

static enum mqi_err
apply_stage(struct lmdb_writer *w, const struct record *r)
{
	const struct record_stage *v = &r->u.stage;
	uint8_t key[SCHEMA_STAGED_KEY];
	MDB_val val;
	enum mqi_err err;

	if (v->piece > store_body_pieces(MQI_MAX_BODY) ||
	    v->len > MQFRAME_PIECE)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record stages a piece beyond the limits");
	schema_staged_key(r->unit, v->body_id, key);
	err = lmdb_get(w, DB_STAGED, lmdb_val(key, sizeof(key)), &val);
	if (err == MQI_OK && val.mv_data == NULL) {
		err = lmdb_put(w, DB_STAGED, lmdb_val(key, sizeof(key)),
		    lmdb_val("", 0), 0);
		w->n_staged++;
	} else if (err == MQI_OK) {
		err = replace_piece(w, v->body_id, v->piece);
	}
	if (err == MQI_OK)
		err = lmdb_body_put_piece(
		    w, v->body_id, v->piece, v->data, v->len);
	return err;
}

/* Deletes at most max staged bodies, those of the unit (0: of all). */
static enum mqi_err
drop_staged(struct lmdb_writer *w, uint32_t unit, unsigned max, unsigned *ret_n)
{
	uint8_t key[SCHEMA_STAGED_KEY];
	MDB_cursor *cursor;
	MDB_val k;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	unsigned n = 0;
	int rc = mdb_cursor_open(w->txn, w->e->dbi[DB_STAGED], &cursor);

	if (rc != 0)
		return store_err_fail(w->why, rc, "reading what is staged");
	schema_staged_key(unit, 0, key);
	while (err == MQI_OK && n < max) {
		k = lmdb_val(key, sizeof(key));
		rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
		if (rc != 0 || k.mv_size != sizeof(key) ||
		    (unit != 0 && schema_get_u32(k.mv_data) != unit))
			break;
		err = lmdb_body_delete(
		    w, schema_get_u64((uint8_t *)k.mv_data + 4), false);
		if (err == MQI_OK && (rc = mdb_cursor_del(cursor, 0)) != 0)
			err = store_err_fail(w->why, rc, "deleting");
		n++;
	}
	mdb_cursor_close(cursor);
	if (err == MQI_OK && rc != 0 && rc != MDB_NOTFOUND)
		err = store_err_fail(w->why, rc, "reading what is staged");
	*ret_n = n;
	return err;
}

static enum mqi_err
end_unit(struct lmdb_writer *w, uint32_t unit)
{
	unsigned n = 0;
	enum mqi_err err;

	if (w->n_staged == 0)
		return MQI_OK;
	err = drop_staged(w, unit, UINT32_MAX, &n);
	MQ_INVARIANT(n <= w->n_staged);
	w->n_staged -= n;
	return err;
}

/* ---- small records ---- */

static enum mqi_err
apply_small(struct lmdb_writer *w, enum lmdb_db db, const struct record *r,
    const uint8_t *bytes)
{
	uint8_t key[SCHEMA_SMALL_KEY];
	size_t len = schema_small_key(r, key);

	return lmdb_put(w, db, lmdb_val(key, len), lmdb_val(bytes, r->size), 0);
}

static enum mqi_err
apply_position(
    struct lmdb_writer *w, const struct record *r, const uint8_t *bytes)
{
	uint8_t key[SCHEMA_SMALL_KEY];
	size_t len = schema_small_key(r, key);

	if (r->u.position.fence == 0)
		return lmdb_del(w, DB_POSITIONS, lmdb_val(key, len));
	return apply_small(w, DB_POSITIONS, r, bytes);
}

static enum mqi_err
apply_object(
    struct lmdb_writer *w, const struct record *r, const uint8_t *bytes)
{
	struct lmdb_counter *c;
	enum mqi_err err = MQI_OK;

	if (r->u.object.id != 0) {
		err = lmdb_counter(w, r->u.object.id, &c);
		if (err != MQI_OK)
			return err;
		/* every queue has its row from the start */
		lmdb_counter_touch(w, c);
		c->deleted = false;
	}
	return apply_small(w, DB_OBJECTS, r, bytes);
}

static enum mqi_err
apply_object_delete(struct lmdb_writer *w, const struct record *r)
{
	uint64_t id = r->u.object_delete.id;
	uint8_t key[SCHEMA_SMALL_KEY];
	uint8_t queue[8];
	size_t len = schema_small_key(r, key);
	struct lmdb_counter *c;
	enum mqi_err err = lmdb_del(w, DB_OBJECTS, lmdb_val(key, len));

	if (err != MQI_OK || id == 0)
		return err;
	schema_u64(queue, id);
	err = lmdb_del(w, DB_STREAMS, lmdb_val(queue, 8));
	if (err == MQI_OK)
		err = apply_purge(w, id);
	if (err == MQI_OK)
		err = lmdb_counter(w, id, &c);
	if (err != MQI_OK)
		return err;
	lmdb_counter_touch(w, c);
	c->deleted = true;
	return MQI_OK;
}

enum mqi_err
lmdb_writer_record(void *ctx, const struct record *r, const uint8_t *bytes)
{
	struct lmdb_writer *w = ctx;

	switch ((enum record_type)r->type) {
	case RECORD_PUT:
		return apply_put(w, r);
	case RECORD_REMOVE:
		return apply_remove(w, &r->u.remove);
	case RECORD_RESTORE:
		return apply_restore(w, &r->u.restore);
	case RECORD_STAGE:
		return apply_stage(w, r);
	case RECORD_COMMIT:
	case RECORD_ROLLBACK:
		return end_unit(w, r->unit);
	case RECORD_BACKOUT:
		return apply_backout(w, &r->u.backout);
	case RECORD_RELEASE:
		return apply_release(w, r->u.release.body_id);
	case RECORD_PURGE:
		return apply_purge(w, r->u.purge.queue_id);
	case RECORD_OBJECT:
		return apply_object(w, r, bytes);
	case RECORD_OBJECT_DELETE:
		return apply_object_delete(w, r);
	case RECORD_META:
		(void)store_meta_epoch(&r->u.meta, &w->epoch);
		return apply_small(w, DB_META, r, bytes);
	case RECORD_POSITION:
		return apply_position(w, r, bytes);
	case RECORD_STREAM:
		return apply_small(w, DB_STREAMS, r, bytes);
	case RECORD_PREPARE:
		break; /* store_walk() refuses it */
	}
	MQ_UNREACHABLE();
}

/* ---- transactions ---- */

enum mqi_err
lmdb_writer_begin(struct lmdb_writer *w)
{
	int rc = mdb_txn_begin(w->e->env, NULL, 0, &w->txn);

	if (rc != 0) {
		w->txn = NULL;
		return store_err_fail(w->why, rc, "beginning a transaction");
	}
	w->n_bytes = 0;
	w->n_pages = 0;
	memset(w->pages, 0, sizeof(w->pages));
	rc = mdb_cursor_open(w->txn, w->e->dbi[DB_ROWS], &w->rows);
	if (rc == 0)
		rc = mdb_cursor_open(w->txn, w->e->dbi[DB_BODIES], &w->bodies);
	if (rc == 0)
		rc = mdb_cursor_open(w->txn, w->e->dbi[DB_IDS], &w->ids);
	if (rc == 0)
		rc = mdb_cursor_open(
		    w->txn, w->e->dbi[DB_SEGMENTS], &w->segments);
	if (rc == 0)
		return MQI_OK;
	lmdb_writer_abort(w);
	return store_err_fail(w->why, rc, "opening a cursor");
}

enum mqi_err
lmdb_writer_apply(struct lmdb_writer *w, const struct store_batch *b)
{
	MQ_PRE(w->txn != NULL);
	return store_walk(b, lmdb_writer_record, w, w->why);
}

/* A write transaction closes its cursors itself only in part: before it. */
static void
close_cursors(struct lmdb_writer *w)
{
	MDB_cursor **cursors[] = {&w->rows, &w->bodies, &w->ids, &w->segments};

	for (size_t i = 0; i < MQ_ARRAY_LEN(cursors); i++) {
		if (*cursors[i] != NULL)
			mdb_cursor_close(*cursors[i]);
		*cursors[i] = NULL;
	}
}

uint64_t
lmdb_writer_size(const struct lmdb_writer *w)
{
	return w->n_bytes + w->n_pages * w->e->page_size;
}

bool
lmdb_writer_is_full(const struct lmdb_writer *w)
{
	return lmdb_writer_size(w) >= LMDB_TXN_BYTES;
}

enum mqi_err
lmdb_writer_commit(struct lmdb_writer *w, uint64_t last_batch)
{
	uint8_t number[SCHEMA_NUMBER_SIZE];
	enum mqi_err err = segment_flush(w);
	int rc;

	schema_number_encode("batch", last_batch, number);
	if (err == MQI_OK)
		err = lmdb_counters_flush(w);
	if (err == MQI_OK)
		err = lmdb_put(w, DB_STORE, lmdb_val("batch", 5),
		    lmdb_val(number, sizeof(number)), 0);
	if (err != MQI_OK) {
		lmdb_writer_abort(w);
		return err;
	}
	close_cursors(w);
	segment_forget(w);
	rc = mdb_txn_commit(w->txn);
	w->txn = NULL;
	if (rc != 0)
		return store_err_fail(w->why, rc, "committing a batch");
	w->e->last_batch = last_batch;
	return MQI_OK;
}

void
lmdb_writer_abort(struct lmdb_writer *w)
{
	close_cursors(w);
	segment_forget(w);
	if (w->txn != NULL)
		mdb_txn_abort(w->txn);
	w->txn = NULL;
}

/* ---- the sweep ---- */

/* Non-persistent rows of starts before this one. */
static enum mqi_err
sweep_np(struct lmdb_writer *w, unsigned max, unsigned *ret_n)
{
	MDB_cursor *cursor;
	MDB_val k;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	int rc = mdb_cursor_open(w->txn, w->e->dbi[DB_NP], &cursor);

	if (rc != 0)
		return store_err_fail(w->why, rc, "sweeping");
	*ret_n = 0;
	for (; *ret_n < max && err == MQI_OK; (*ret_n)++) {
		struct record_key key;
		struct schema_row row;
		bool found = false;
		bool good = false;

		rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
		if (rc != 0 || k.mv_size != SCHEMA_NP_KEY ||
		    schema_get_u64(k.mv_data) > w->e->dead_epoch)
			break;
		key = schema_row_key_decode((uint8_t *)k.mv_data + 8);
		rc = mdb_cursor_del(cursor, 0);
		err = rc == 0 ? lmdb_row_find(w, &key, &row, &found, &good)
			      : store_err_fail(w->why, rc, "sweeping");
		if (err == MQI_OK && good && is_dead(w, &row)) {
			err = lmdb_row_remove(w, &key, &row);
			if (err == MQI_OK)
				err = lmdb_body_drop(w, &row);
		}
	}
	mdb_cursor_close(cursor);
	return err;
}

/* The first purged queue, if there is one: *ret_any. */
static enum mqi_err
sweep_purges(struct lmdb_writer *w, unsigned max, bool *ret_any)
{
	struct lmdb_counter *c;
	MDB_cursor *cursor;
	MDB_val k;
	MDB_val v;
	bool empty = false;
	enum mqi_err err;
	int rc = mdb_cursor_open(w->txn, w->e->dbi[DB_PURGES], &cursor);

	if (rc != 0)
		return store_err_fail(w->why, rc, "sweeping");
	rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
	*ret_any = rc == 0;
	if (rc != 0) {
		mdb_cursor_close(cursor);
		return MQI_OK;
	}
	err = lmdb_counter(w, schema_get_u64(k.mv_data), &c);
	mdb_cursor_close(cursor);
	if (err == MQI_OK)
		err = lmdb_purge_some(w, c->queue_id, max, &empty);
	/* the queue may be gone: then so is what is known of it */
	if (err == MQI_OK && empty) {
		if (c->deleted)
			lmdb_counter_touch(w, c);
		err = finish_purge(w, c);
	}
	return err;
}

enum mqi_err
lmdb_writer_sweep(struct lmdb_writer *w)
{
	unsigned n = 0;
	bool purged = false;
	bool more = false;
	enum mqi_err err = lmdb_writer_begin(w);

	if (err != MQI_OK)
		return err;
	err = sweep_np(w, SWEEP_ROWS, &n);
	if (err == MQI_OK && n == 0)
		err = sweep_purges(w, SWEEP_ROWS, &purged);
	if (err == MQI_OK && n == 0 && !purged)
		err = segment_sweep(w, SWEEP_ROWS, &n, &more);
	if (err == MQI_OK && (n > 0 || purged))
		return lmdb_writer_commit(w, w->e->last_batch);
	lmdb_writer_abort(w);
	w->sweep = more;
	return err;
}

/* ---- start ---- */

/* The last keys of tables: what comes behind them is appended. */
static int
find_last(struct lmdb_writer *w)
{
	MDB_val k;
	MDB_val v;
	int rc = mdb_cursor_get(w->bodies, &k, &v, MDB_LAST);

	if (rc == 0)
		w->last_body_id = schema_get_u64(k.mv_data);
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_cursor_get(w->segments, &k, &v, MDB_LAST);
	if (rc == 0)
		w->last_segment = schema_get_u64(k.mv_data);
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_cursor_get(w->rows, &k, &v, MDB_LAST);
	if (rc == 0 && k.mv_size == SCHEMA_ROW_KEY)
		memcpy(w->last_row, k.mv_data, SCHEMA_ROW_KEY);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

enum mqi_err
lmdb_writer_init(
    struct lmdb_writer *w, struct lmdb_env *e, struct store_why *why)
{
	MDB_stat st;
	enum mqi_err err;
	int rc;

	memset(w, 0, sizeof(*w));
	w->e = e;
	w->why = why;
	w->epoch = e->dead_epoch;
	w->sweep = true;
	RB_INIT(&w->counters);
	RB_INIT(&w->lives);
	SLIST_INIT(&w->dirty);
	err = lmdb_writer_begin(w);
	if (err != MQI_OK)
		return err;
	rc = find_last(w);
	if (rc == 0)
		rc = mdb_stat(w->txn, e->dbi[DB_STAGED], &st);
	if (rc == 0)
		w->n_staged = st.ms_entries;
	lmdb_writer_abort(w);
	return rc == 0 ? MQI_OK
		       : store_err_fail(why, rc, "looking into the store");
}

void
lmdb_writer_fini(struct lmdb_writer *w)
{
	lmdb_writer_abort(w);
	segment_fini(w);
	lmdb_counters_free(w);
}

static enum mqi_err
drop_limbo(struct lmdb_writer *w, unsigned max, unsigned *ret_n)
{
	MDB_cursor *cursor;
	MDB_val k;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	unsigned n = 0;
	int rc = mdb_cursor_open(w->txn, w->e->dbi[DB_LIMBO], &cursor);

	if (rc != 0)
		return store_err_fail(w->why, rc, "reading what was removed");
	for (; n < max && err == MQI_OK; n++) {
		struct schema_row row;
		uint64_t body_id;
		uint32_t count = 0;

		rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
		if (rc != 0)
			break;
		body_id = schema_get_u64(k.mv_data);
		if (!schema_limbo_decode(
			body_id, v.mv_data, v.mv_size, &count, &row))
			count = 0;
		for (; count > 0 && err == MQI_OK; count--)
			err = lmdb_body_drop(w, &row);
		if (err == MQI_OK && (rc = mdb_cursor_del(cursor, 0)) != 0)
			err = store_err_fail(w->why, rc, "deleting");
	}
	mdb_cursor_close(cursor);
	if (err == MQI_OK && rc != 0 && rc != MDB_NOTFOUND)
		err = store_err_fail(w->why, rc, "reading what was removed");
	*ret_n = n;
	return err;
}

enum mqi_err
lmdb_apply_start(struct lmdb_env *e, struct store_why *why)
{
	struct lmdb_writer w;
	unsigned staged = 1;
	unsigned removed = 1;
	enum mqi_err err = lmdb_writer_init(&w, e, why);

	while (err == MQI_OK && staged + removed > 0) {
		err = lmdb_writer_begin(&w);
		if (err != MQI_OK)
			break;
		err = drop_staged(&w, 0, START_STEP, &staged);
		if (err == MQI_OK)
			err = drop_limbo(&w, START_STEP, &removed);
		if (err == MQI_OK && staged + removed > 0)
			err = lmdb_writer_commit(&w, e->last_batch);
		else
			lmdb_writer_abort(&w);
	}
	lmdb_writer_fini(&w);
	return err;
}

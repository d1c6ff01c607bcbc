/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_parts.c - the parts that records are applied with
 * (store_lmdb_apply.c): counters, bodies, rows with the indexes that point to
 * them, within the writer's transaction.
 *
 * Every failure of LMDB becomes the writer's reason, once.  What is read here
 * may be damaged: then it is removed by what its key and the record say, and
 * counters stop at zero; what a disk has done to one message must not stop
 * another.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/store/store_lmdb_apply.h"

enum mqi_err
lmdb_put(struct lmdb_writer *w, enum lmdb_db db, MDB_val key, MDB_val val,
    unsigned flags)
{
	int rc = mdb_put(w->txn, w->e->dbi[db], &key, &val, flags);

	if (rc == MDB_KEYEXIST)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record puts a message where one is");
	return rc == 0 ? MQI_OK : store_err_fail(w->why, rc, "writing");
}

enum mqi_err
lmdb_del(struct lmdb_writer *w, enum lmdb_db db, MDB_val key)
{
	int rc = mdb_del(w->txn, w->e->dbi[db], &key, NULL);

	return rc == 0 || rc == MDB_NOTFOUND
		   ? MQI_OK
		   : store_err_fail(w->why, rc, "deleting");
}

enum mqi_err
lmdb_get(struct lmdb_writer *w, enum lmdb_db db, MDB_val key, MDB_val *ret_val)
{
	int rc = mdb_get(w->txn, w->e->dbi[db], &key, ret_val);

	if (rc == MDB_NOTFOUND)
		*ret_val = (MDB_val){0};
	else if (rc != 0)
		return store_err_fail(w->why, rc, "reading");
	return MQI_OK;
}

void
lmdb_touched(struct lmdb_writer *w, const void *p)
{
	/* a page twice: the upper half of a product of its address */
	uint64_t hash =
	    ((uintptr_t)p >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	uint64_t *word = &w->pages[hash / 64 % LMDB_PAGE_WORDS];
	uint64_t bit = UINT64_C(1) << hash % 64;

	if ((*word & bit) != 0)
		return;
	*word |= bit;
	w->n_pages++;
}

/* ---- counters ---- */

static int
counter_cmp(const struct lmdb_counter *a, const struct lmdb_counter *b)
{
	return a->queue_id < b->queue_id ? -1 : a->queue_id > b->queue_id;
}

MQ_RB_GENERATE(lmdb_counters, lmdb_counter, entry, counter_cmp)

enum mqi_err
lmdb_counter(
    struct lmdb_writer *w, uint64_t queue_id, struct lmdb_counter **ret)
{
	struct lmdb_counter like = {.queue_id = queue_id};
	struct lmdb_counter *c = RB_FIND(lmdb_counters, &w->counters, &like);
	uint8_t key[8];
	MDB_val v;
	MDB_val purge;
	enum mqi_err err;

	if (c != NULL) {
		*ret = c;
		return MQI_OK;
	}
	schema_u64(key, queue_id);
	err = lmdb_get(w, DB_QUEUES, lmdb_val(key, 8), &v);
	if (err == MQI_OK)
		err = lmdb_get(w, DB_PURGES, lmdb_val(key, 8), &purge);
	if (err != MQI_OK)
		return err;
	if (v.mv_data != NULL &&
	    !schema_counters_decode(queue_id, v.mv_data, v.mv_size, &like.v))
		return store_fail(w->why, MQI_E_OBJECT_DAMAGED,
		    "the counters of queue %llu are damaged",
		    (unsigned long long)queue_id);
	c = mqmem_alloc(sizeof(*c));
	*c = like;
	c->purging = purge.mv_data != NULL;
	if (c->v.np_epoch <= w->e->dead_epoch) {
		c->v.np_depth = 0;
		c->v.np_bytes = 0;
	}
	(void)RB_INSERT(lmdb_counters, &w->counters, c);
	*ret = c;
	return MQI_OK;
}

static uint64_t
stepped(uint64_t v, uint64_t n, int by)
{
	if (by > 0)
		return v + n;
	return v > n ? v - n : 0;
}

void
lmdb_counter_touch(struct lmdb_writer *w, struct lmdb_counter *c)
{
	if (!c->dirty)
		SLIST_INSERT_HEAD(&w->dirty, c, dirty_entry);
	c->dirty = true;
}

void
lmdb_count(struct lmdb_writer *w, struct lmdb_counter *c,
    const struct schema_row *row, int by)
{
	lmdb_counter_touch(w, c);
	c->deleted = false;
	if (!row->non_persistent) {
		c->v.depth = stepped(c->v.depth, 1, by);
		c->v.bytes = stepped(c->v.bytes, row->body_len, by);
		return;
	}
	MQ_PRE(row->epoch > w->e->dead_epoch);
	if (row->epoch > c->v.np_epoch)
		c->v.np_epoch = row->epoch;
	c->v.np_depth = (uint32_t)stepped(c->v.np_depth, 1, by);
	c->v.np_bytes = stepped(c->v.np_bytes, row->body_len, by);
}

enum mqi_err
lmdb_counters_flush(struct lmdb_writer *w)
{
	uint8_t value[SCHEMA_COUNTERS_SIZE];
	uint8_t key[8];
	struct lmdb_counter *c;
	enum mqi_err err = MQI_OK;

	while ((c = SLIST_FIRST(&w->dirty)) != NULL) {
		SLIST_REMOVE_HEAD(&w->dirty, dirty_entry);
		c->dirty = false;
		schema_u64(key, c->queue_id);
		schema_counters_encode(c->queue_id, &c->v, value);
		if (c->deleted)
			err = lmdb_del(w, DB_QUEUES, lmdb_val(key, 8));
		else
			err = lmdb_put(w, DB_QUEUES, lmdb_val(key, 8),
			    lmdb_val(value, sizeof(value)), 0);
		if (err != MQI_OK)
			return err;
		if (c->deleted && !c->purging) {
			(void)RB_REMOVE(lmdb_counters, &w->counters, c);
			free(c);
		}
	}
	return MQI_OK;
}

void
lmdb_counters_free(struct lmdb_writer *w)
{
	struct lmdb_counter *c;
	struct lmdb_counter *next;

	RB_FOREACH_SAFE (c, lmdb_counters, &w->counters, next) {
		(void)RB_REMOVE(lmdb_counters, &w->counters, c);
		free(c);
	}
}

/* ---- bodies ---- */

/* Points at the first piece from (body_id, piece) on. */
static int
body_seek(struct lmdb_writer *w, uint64_t body_id, uint32_t piece,
    MDB_val *ret_key, MDB_val *ret_val)
{
	uint8_t key[SCHEMA_BODY_KEY];
	int rc;

	schema_body_key(body_id, piece, 0, key);
	*ret_key = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(w->bodies, ret_key, ret_val, MDB_SET_RANGE);
	if (rc == 0 && (ret_key->mv_size != SCHEMA_BODY_KEY ||
			   schema_get_u64(ret_key->mv_data) != body_id))
		return MDB_NOTFOUND;
	return rc;
}

/* Room for a piece that does not exist yet. */
static enum mqi_err
body_reserve(struct lmdb_writer *w, const uint8_t key[SCHEMA_BODY_KEY],
    size_t len, void **ret)
{
	uint64_t body_id = schema_get_u64(key);
	uint32_t piece = schema_get_u32(key + 8);
	MDB_val k;
	MDB_val v;
	unsigned flags = MDB_RESERVE | MDB_NOOVERWRITE;
	int rc = MDB_NOTFOUND;

	/* appended, pages are filled to the end */
	if (body_id > w->last_body_id)
		flags |= MDB_APPEND;
	else
		rc = body_seek(w, body_id, piece, &k, &v);
	if (rc == 0 && schema_get_u32((uint8_t *)k.mv_data + 8) == piece)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record puts a body that exists");
	k = lmdb_val(key, SCHEMA_BODY_KEY);
	v = (MDB_val){.mv_size = len};
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_cursor_put(w->bodies, &k, &v, flags);
	if (rc != 0)
		return store_err_fail(w->why, rc, "writing a body");
	w->n_bytes += len;
	lmdb_touched(w, v.mv_data);
	if (body_id > w->last_body_id)
		w->last_body_id = body_id;
	*ret = v.mv_data;
	return MQI_OK;
}

enum mqi_err
lmdb_body_put_piece(struct lmdb_writer *w, uint64_t body_id, uint32_t piece,
    const void *data, uint32_t len)
{
	uint8_t key[SCHEMA_BODY_KEY];
	void *to = NULL;
	enum mqi_err err;

	schema_body_key(body_id, piece, mqcrc32c(0, data, len), key);
	err = body_reserve(w, key, len, &to);
	if (err != MQI_OK)
		return err;
	MQ_INVARIANT(to != NULL);
	if (len > 0)
		memcpy(to, data, len);
	return MQI_OK;
}

enum mqi_err
lmdb_body_put_whole(struct lmdb_writer *w, const struct record_put *put)
{
	uint8_t key[SCHEMA_BODY_KEY];
	uint8_t *to;
	void *room = NULL;
	uint32_t crc = mqcrc32c(0, put->desc, put->desc_len);
	enum mqi_err err;

	crc = mqcrc32c(crc, put->body, put->body_len);
	schema_body_key(put->body_id, 0, crc, key);
	err =
	    body_reserve(w, key, (size_t)put->desc_len + put->body_len, &room);
	if (err != MQI_OK)
		return err;
	to = room;
	MQ_INVARIANT(to != NULL);
	if (put->desc_len > 0)
		memcpy(to, put->desc, put->desc_len);
	if (put->body_len > 0)
		memcpy(to + put->desc_len, put->body, put->body_len);
	return MQI_OK;
}

enum mqi_err
lmdb_body_delete(struct lmdb_writer *w, uint64_t body_id, bool single)
{
	MDB_val key;
	MDB_val val;
	int rc;

	do {
		rc = body_seek(w, body_id, 0, &key, &val);
		if (rc == 0) {
			lmdb_touched(w, val.mv_data);
			rc = mdb_cursor_del(w->bodies, 0);
		}
	} while (rc == 0 && !single);
	return rc == 0 || rc == MDB_NOTFOUND
		   ? MQI_OK
		   : store_err_fail(w->why, rc, "deleting a body");
}

enum mqi_err
lmdb_body_drop(struct lmdb_writer *w, const struct schema_row *row)
{
	uint8_t key[8];
	uint8_t value[SCHEMA_SHARED_SIZE];
	uint32_t count = 1;
	MDB_val v = {0};
	enum mqi_err err = MQI_OK;

	if (row->in_segment)
		return segment_drop(w, row);
	schema_u64(key, row->body_id);
	if (row->shared)
		err = lmdb_get(w, DB_SHARED, lmdb_val(key, 8), &v);
	if (err != MQI_OK)
		return err;
	/* without a count that can be trusted the body stays: a leak, not a
	 * loss */
	if (row->shared &&
	    (v.mv_data == NULL || !schema_shared_decode(row->body_id, v.mv_data,
				      v.mv_size, &count)))
		return MQI_OK;
	if (count > 1) {
		schema_shared_encode(row->body_id, count - 1, value);
		return lmdb_put(w, DB_SHARED, lmdb_val(key, 8),
		    lmdb_val(value, sizeof(value)), 0);
	}
	if (row->shared)
		err = lmdb_del(w, DB_SHARED, lmdb_val(key, 8));
	if (err == MQI_OK)
		err = lmdb_body_delete(w, row->body_id, row->inlined);
	return err;
}

enum mqi_err
lmdb_body_is_whole(struct lmdb_writer *w, uint64_t body_id, uint32_t desc_len,
    uint32_t body_len, bool *ret)
{
	uint32_t n = store_body_pieces(body_len);
	uint32_t left = body_len;
	MDB_val key;
	MDB_val val;
	int rc = body_seek(w, body_id, 0, &key, &val);

	*ret = false;
	for (uint32_t i = 0; i <= n; i++) {
		uint32_t want = left < MQFRAME_PIECE ? left : MQFRAME_PIECE;

		if (i == 0)
			want = desc_len;
		if (rc == MDB_NOTFOUND)
			return MQI_OK;
		if (rc != 0)
			return store_err_fail(w->why, rc, "reading a body");
		if (schema_get_u64(key.mv_data) != body_id ||
		    schema_get_u32((uint8_t *)key.mv_data + 8) != i ||
		    val.mv_size != want)
			return MQI_OK;
		if (i > 0)
			left -= want;
		rc = mdb_cursor_get(w->bodies, &key, &val, MDB_NEXT);
	}
	if (rc == 0 && schema_get_u64(key.mv_data) == body_id)
		return MQI_OK;
	*ret = left == 0;
	return MQI_OK;
}

enum mqi_err
lmdb_limbo_get(struct lmdb_writer *w, uint64_t body_id, uint32_t *ret_count,
    struct schema_row *ret_row)
{
	uint8_t key[8];
	MDB_val v;
	enum mqi_err err;

	schema_u64(key, body_id);
	err = lmdb_get(w, DB_LIMBO, lmdb_val(key, 8), &v);
	if (err != MQI_OK)
		return err;
	if (v.mv_data == NULL || !schema_limbo_decode(body_id, v.mv_data,
				     v.mv_size, ret_count, ret_row))
		*ret_count = 0;
	return MQI_OK;
}

enum mqi_err
lmdb_limbo_set(
    struct lmdb_writer *w, uint32_t count, const struct schema_row *row)
{
	uint8_t key[8];
	uint8_t value[SCHEMA_LIMBO_MAX];
	size_t len;

	schema_u64(key, row->body_id);
	if (count == 0)
		return lmdb_del(w, DB_LIMBO, lmdb_val(key, 8));
	len = schema_limbo_encode(count, row, value);
	return lmdb_put(w, DB_LIMBO, lmdb_val(key, 8), lmdb_val(value, len), 0);
}

/* ---- rows ---- */

static enum mqi_err
add_id(struct lmdb_writer *w, const uint8_t id_key[SCHEMA_ID_KEY])
{
	MDB_val k = lmdb_val(id_key, SCHEMA_ID_KEY);
	MDB_val v = {0};
	int rc = mdb_cursor_put(w->ids, &k, &v, MDB_RESERVE);

	if (rc != 0)
		return store_err_fail(w->why, rc, "writing an id");
	lmdb_touched(w, v.mv_data);
	return MQI_OK;
}

static enum mqi_err
del_id(struct lmdb_writer *w, const uint8_t id_key[SCHEMA_ID_KEY])
{
	MDB_val k = lmdb_val(id_key, SCHEMA_ID_KEY);
	MDB_val v;
	int rc = mdb_cursor_get(w->ids, &k, &v, MDB_SET);

	if (rc == 0) {
		lmdb_touched(w, v.mv_data);
		rc = mdb_cursor_del(w->ids, 0);
	}
	return rc == 0 || rc == MDB_NOTFOUND
		   ? MQI_OK
		   : store_err_fail(w->why, rc, "deleting an id");
}

static enum mqi_err
change_id(struct lmdb_writer *w, const struct record_key *key,
    enum store_id_kind kind, const uint8_t id[MQI_ID_LEN], bool add)
{
	uint8_t id_key[SCHEMA_ID_KEY];

	if (!schema_id_is_set(id))
		return MQI_OK;
	schema_id_key(key, kind, id, id_key);
	return add ? add_id(w, id_key) : del_id(w, id_key);
}

static enum mqi_err
change_ids(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row, bool add)
{
	enum mqi_err err = MQI_OK;

	if (!row->id_from_body)
		err = change_id(w, key, STORE_ID_MSG, row->msg_id, add);
	if (err == MQI_OK)
		err = change_id(w, key, STORE_ID_CORREL, row->correl_id, add);
	return err;
}

/* Writes a row; flags: MDB_NOOVERWRITE or none. */
static enum mqi_err
put_row(struct lmdb_writer *w, const uint8_t k[SCHEMA_ROW_KEY],
    const struct schema_row *row, unsigned flags)
{
	MDB_val key = lmdb_val(k, SCHEMA_ROW_KEY);
	MDB_val v = {.mv_size = schema_row_size(row)};
	bool is_last = memcmp(k, w->last_row, SCHEMA_ROW_KEY) > 0;
	uint8_t value[SCHEMA_ROW_MAX];
	int rc;

	/* appended, pages are filled to the end */
	if (is_last) {
		flags |= MDB_APPEND;
		memcpy(w->last_row, k, SCHEMA_ROW_KEY);
	}
	schema_row_encode(k, row, value);
	rc = mdb_cursor_put(w->rows, &key, &v, flags | MDB_RESERVE);
	if (rc == MDB_KEYEXIST)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record puts a message where one is");
	if (rc != 0)
		return store_err_fail(w->why, rc, "writing a row");
	memcpy(v.mv_data, value, v.mv_size);
	lmdb_touched(w, v.mv_data);
	return MQI_OK;
}

enum mqi_err
lmdb_row_add(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row)
{
	uint8_t k[SCHEMA_ROW_KEY];
	uint8_t np[SCHEMA_NP_KEY];
	enum mqi_err err;

	schema_row_key(key, k);
	err = put_row(w, k, row, MDB_NOOVERWRITE);
	if (err == MQI_OK)
		err = change_ids(w, key, row, true);
	if (err == MQI_OK && row->non_persistent) {
		schema_np_key(row->epoch, k, np);
		err = lmdb_put(
		    w, DB_NP, lmdb_val(np, sizeof(np)), lmdb_val("", 0), 0);
	}
	return err;
}

enum mqi_err
lmdb_row_rewrite(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row)
{
	uint8_t k[SCHEMA_ROW_KEY];

	schema_row_key(key, k);
	return put_row(w, k, row, 0);
}

enum mqi_err
lmdb_row_add_msg_id(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row)
{
	MQ_PRE(!row->id_from_body);
	return change_id(w, key, STORE_ID_MSG, row->msg_id, true);
}

enum mqi_err
lmdb_row_find(struct lmdb_writer *w, const struct record_key *key,
    struct schema_row *ret_row, bool *ret_found, bool *ret_good)
{
	uint8_t k[SCHEMA_ROW_KEY];
	MDB_val mk;
	MDB_val v;
	int rc;

	schema_row_key(key, k);
	mk = lmdb_val(k, sizeof(k));
	rc = mdb_cursor_get(w->rows, &mk, &v, MDB_SET);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "reading a row");
	if (rc == 0)
		lmdb_touched(w, v.mv_data);
	*ret_found = rc == 0;
	*ret_good =
	    rc == 0 && schema_row_decode(k, v.mv_data, v.mv_size, ret_row);
	if (!*ret_good)
		memset(ret_row, 0, sizeof(*ret_row));
	return MQI_OK;
}

enum mqi_err
lmdb_row_remove(struct lmdb_writer *w, const struct record_key *key,
    const struct schema_row *row)
{
	uint8_t k[SCHEMA_ROW_KEY];
	uint8_t np[SCHEMA_NP_KEY];
	MDB_val mk;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	int rc;

	schema_row_key(key, k);
	mk = lmdb_val(k, sizeof(k));
	rc = mdb_cursor_get(w->rows, &mk, &v, MDB_SET);
	if (rc == 0)
		rc = mdb_cursor_del(w->rows, 0);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "deleting a row");
	err = change_ids(w, key, row, false);
	if (err == MQI_OK && row->non_persistent) {
		schema_np_key(row->epoch, k, np);
		err = lmdb_del(w, DB_NP, lmdb_val(np, sizeof(np)));
	}
	return err;
}

enum mqi_err
lmdb_purge_some(
    struct lmdb_writer *w, uint64_t queue_id, unsigned max, bool *ret_done)
{
	struct record_key from = {.queue_id = queue_id};
	struct record_key at;
	struct schema_row row;
	uint8_t k[SCHEMA_ROW_KEY];
	MDB_val key;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	bool good;
	int rc;

	schema_row_key(&from, k);
	for (; max > 0 && err == MQI_OK; max--) {
		key = lmdb_val(k, sizeof(k));
		rc = mdb_cursor_get(w->rows, &key, &v, MDB_SET_RANGE);
		if (rc != 0 && rc != MDB_NOTFOUND)
			return store_err_fail(w->why, rc, "reading a row");
		if (rc == MDB_NOTFOUND || key.mv_size != SCHEMA_ROW_KEY ||
		    schema_get_u64(key.mv_data) != queue_id) {
			*ret_done = true;
			return MQI_OK;
		}
		at = schema_row_key_decode(key.mv_data);
		good =
		    schema_row_decode(key.mv_data, v.mv_data, v.mv_size, &row);
		if (!good)
			memset(&row, 0, sizeof(row));
		err = lmdb_row_remove(w, &at, &row);
		if (err == MQI_OK && good)
			err = lmdb_body_drop(w, &row);
	}
	*ret_done = false;
	return err;
}

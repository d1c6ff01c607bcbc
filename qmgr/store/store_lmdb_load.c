/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_load.c - loads: copies out of one short read transaction, with
 * the number of the batch that it shows.
 *
 * Everything is checked against its checksum.  A row that cannot be read as
 * it was written is given as `damaged` with what is still known of it, and the
 * ones after it follow; a row that is gone while its id is not is passed over
 * (the depth that the engine knows tells of it).
 *
 * Not shown: non-persistent rows of starts before this one, and queues whose
 * purge the sweep has yet to finish.
 */
#include "qmgr/store/store_lmdb_load.h"

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "qmgr/store/store_lmdb_segment.h"

struct load {
	const struct lmdb_env *e;
	MDB_txn *txn;
	MDB_cursor *rows;
	MDB_cursor *bodies;
	MDB_cursor *ids;
	MDB_cursor *segments;
	struct store_load *l;
	uint32_t data_left;
};

/* Finds one piece; *ret_ok false: it is missing or wrong. */
static int
find_piece(struct load *ld, uint64_t body_id, uint32_t piece, MDB_val *ret_val,
    bool *ret_ok)
{
	uint8_t key[SCHEMA_BODY_KEY];
	const uint8_t *found;
	MDB_val k;
	int rc;

	schema_body_key(body_id, piece, 0, key);
	k = lmdb_val(key, sizeof(key));
	*ret_ok = false;
	rc = mdb_cursor_get(ld->bodies, &k, ret_val, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	found = k.mv_data;
	*ret_ok = k.mv_size == sizeof(key) && memcmp(found, key, 12) == 0 &&
		  mqcrc32c(0, ret_val->mv_data, ret_val->mv_size) ==
		      schema_get_u32(found + 12);
	return 0;
}

/* The bytes of an inlined message. */
static int
find_data(struct load *ld, const struct schema_row *row, MDB_val *ret_val,
    bool *ret_ok)
{
	struct segment_found f;
	int rc;

	if (!row->in_segment)
		return find_piece(ld, row->body_id, 0, ret_val, ret_ok);
	rc = segment_read(ld->segments, row, &f, ret_ok);
	if (rc == 0 && *ret_ok)
		*ret_val = lmdb_val(f.data, f.entry.len);
	return rc;
}

/* The descriptor of a message whose bytes are not in the answer: of the first
 * row, and of messages in pieces; the others are asked for again. */
static int
load_head(struct load *ld, const struct schema_row *row, struct store_row *out)
{
	MDB_val v;
	bool ok;
	int rc;

	if (out->inlined && ld->l->n_rows > 1)
		return 0;
	rc = find_data(ld, row, &v, &ok);
	if (rc != 0 || !ok || v.mv_size < out->desc_len)
		return rc;
	out->head = mqref_copy(v.mv_data, out->desc_len);
	if (out->head == NULL)
		ld->l->err = MQI_E_NO_MEMORY;
	return 0;
}

static int
load_data(struct load *ld, const struct schema_row *row, struct store_row *out)
{
	uint64_t len = (uint64_t)out->desc_len + out->body_len;
	MDB_val v;
	bool ok;
	int rc;

	if (!out->inlined || len > ld->data_left)
		return load_head(ld, row, out);
	rc = find_data(ld, row, &v, &ok);
	if (rc != 0)
		return rc;
	ld->data_left -= (uint32_t)len;
	if (!ok || v.mv_size != len) {
		out->damaged = true;
		return 0;
	}
	out->data = mqref_copy(v.mv_data, v.mv_size);
	if (out->data == NULL)
		ld->l->err = MQI_E_NO_MEMORY;
	return 0;
}

static bool
row_is_dead(const struct load *ld, const struct schema_row *row)
{
	return row->non_persistent && row->epoch <= ld->e->dead_epoch;
}

/* Adds the row to the answer, unless it is dead or the answer is full:
 * *ret_full. */
static int
add_row(struct load *ld, const MDB_val *k, const MDB_val *v, bool *ret_full)
{
	struct store_row *out;
	struct schema_row row;
	bool good = schema_row_decode(k->mv_data, v->mv_data, v->mv_size, &row);

	if (good && row_is_dead(ld, &row))
		return 0;
	*ret_full = ld->l->n_rows >= ld->l->max_rows;
	if (*ret_full)
		return 0;
	out = store_load_add_row(ld->l);
	out->key = schema_row_key_decode(k->mv_data);
	if (!good) {
		out->damaged = true;
		out->persistent = true;
		return 0;
	}
	out->body_id = row.body_id;
	memcpy(out->msg_id, row.msg_id, MQI_ID_LEN);
	memcpy(out->correl_id, row.correl_id, MQI_ID_LEN);
	out->backout_count = row.backout_count;
	out->body_crc = row.body_crc;
	out->body_len = row.body_len;
	out->desc_len = row.desc_len;
	out->persistent = !row.non_persistent;
	out->inlined = row.inlined;
	return load_data(ld, &row, out);
}

/* The first entry after key, or at it if it is only a prefix. */
static int
seek(MDB_cursor *cursor, const uint8_t *key, size_t len, bool exclusive,
    MDB_val *ret_k, MDB_val *ret_v)
{
	int rc;

	*ret_k = lmdb_val(key, len);
	rc = mdb_cursor_get(cursor, ret_k, ret_v, MDB_SET_RANGE);
	if (rc == 0 && exclusive && ret_k->mv_size == len &&
	    memcmp(ret_k->mv_data, key, len) == 0)
		rc = mdb_cursor_get(cursor, ret_k, ret_v, MDB_NEXT);
	return rc;
}

static int
load_rows(struct load *ld)
{
	struct store_load *l = ld->l;
	struct record_key after = l->after;
	uint8_t key[SCHEMA_ROW_KEY];
	MDB_val k;
	MDB_val v;
	bool full = false;
	int rc;

	after.queue_id = l->queue_id;
	schema_row_key(&after, key);
	rc = seek(ld->rows, key, l->from_start ? 8 : sizeof(key),
	    !l->from_start, &k, &v);
	while (rc == 0) {
		if (k.mv_size != SCHEMA_ROW_KEY ||
		    schema_get_u64(k.mv_data) != l->queue_id)
			break;
		rc = add_row(ld, &k, &v, &full);
		if (rc != 0 || full || l->err != MQI_OK)
			return rc;
		rc = mdb_cursor_get(ld->rows, &k, &v, MDB_NEXT);
	}
	l->end = true;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- by id ---- */

/* Finds the row of a message whose message id is found by its body id:
 * *ret_ok, with its place. */
static int
find_by_body(struct load *ld, struct record_key *ret_key, bool *ret_ok)
{
	const struct store_load *l = ld->l;
	struct segment_found f;
	struct schema_row row;
	uint8_t key[SCHEMA_ROW_KEY];
	MDB_val k;
	MDB_val v;
	uint64_t body_id = schema_id_number(l->id) + 1;
	bool ok = false;
	int rc;

	*ret_ok = false;
	if (l->id_kind != STORE_ID_MSG)
		return 0;
	rc = segment_find(ld->segments, body_id, &f, &ok);
	if (rc != 0 || !ok || f.entry.key.queue_id != l->queue_id)
		return rc;
	if (!l->from_start && record_key_cmp(&f.entry.key, &l->after) <= 0)
		return 0;
	schema_row_key(&f.entry.key, key);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(ld->rows, &k, &v, MDB_SET);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	/* others are in the index */
	*ret_ok = schema_row_decode(key, v.mv_data, v.mv_size, &row) &&
		  row.id_from_body &&
		  memcmp(row.msg_id, l->id, MQI_ID_LEN) == 0;
	*ret_key = f.entry.key;
	return 0;
}

/* The row at a place, if there is one. */
static int
add_row_at(struct load *ld, const struct record_key *at, bool *ret_full)
{
	uint8_t key[SCHEMA_ROW_KEY];
	MDB_val k;
	MDB_val v;
	int rc;

	schema_row_key(at, key);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(ld->rows, &k, &v, MDB_SET);
	if (rc == 0)
		rc = add_row(ld, &k, &v, ret_full);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The next entry of the index from k on; *ret_ok false: there is none. */
static int
next_of_id(struct load *ld, const uint8_t prefix[SCHEMA_ID_PREFIX],
    const MDB_val *k, int rc, struct record_key *ret_key, bool *ret_ok)
{
	const uint8_t *p = k->mv_data;

	*ret_ok = rc == 0 && k->mv_size == SCHEMA_ID_KEY &&
		  memcmp(p, prefix, SCHEMA_ID_PREFIX) == 0;
	if (*ret_ok)
		*ret_key = (struct record_key){.queue_id = ld->l->queue_id,
		    .rank = p[SCHEMA_ID_PREFIX],
		    .seq = schema_get_u64(p + SCHEMA_ID_PREFIX + 1)};
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
load_by_id(struct load *ld)
{
	struct store_load *l = ld->l;
	struct record_key after = l->after;
	struct record_key extra;
	struct record_key at;
	uint8_t key[SCHEMA_ID_KEY];
	MDB_val k;
	MDB_val v;
	bool has_extra = false;
	bool more = false;
	bool full = false;
	int rc = find_by_body(ld, &extra, &has_extra);

	if (rc != 0)
		return rc;
	after.queue_id = l->queue_id;
	schema_id_key(&after, l->id_kind, l->id, key);
	rc = seek(ld->ids, key, l->from_start ? SCHEMA_ID_PREFIX : sizeof(key),
	    !l->from_start, &k, &v);
	rc = next_of_id(ld, key, &k, rc, &at, &more);
	while (rc == 0 && (more || has_extra)) {
		if (has_extra && (!more || record_key_cmp(&extra, &at) < 0)) {
			has_extra = false;
			rc = add_row_at(ld, &extra, &full);
		} else {
			rc = add_row_at(ld, &at, &full);
			if (rc == 0 && !full)
				rc = next_of_id(ld, key, &k,
				    mdb_cursor_get(ld->ids, &k, &v, MDB_NEXT),
				    &at, &more);
		}
		if (rc != 0 || full || l->err != MQI_OK)
			return rc;
	}
	l->end = rc == 0;
	return rc;
}

/* ---- bodies ---- */

/* Whether a row, or a removal that has kept it, still has what was found. */
static int
is_held(struct load *ld, const struct segment_found *f, bool *ret)
{
	struct schema_row row;
	uint32_t count = 0;
	uint8_t key[SCHEMA_ROW_KEY];
	uint8_t body[8];
	MDB_val k;
	MDB_val v;
	int rc;

	schema_row_key(&f->entry.key, key);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(ld->rows, &k, &v, MDB_SET);
	*ret = rc == 0 && schema_row_decode(key, v.mv_data, v.mv_size, &row) &&
	       row.body_id == f->entry.body_id;
	if (*ret || (rc != 0 && rc != MDB_NOTFOUND))
		return rc;
	schema_u64(body, f->entry.body_id);
	k = lmdb_val(body, sizeof(body));
	rc = mdb_get(ld->txn, ld->e->dbi[DB_LIMBO], &k, &v);
	*ret = rc == 0 && schema_limbo_decode(f->entry.body_id, v.mv_data,
			      v.mv_size, &count, &row);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* One piece, also of a message in a segment. */
static int
find_body(struct load *ld, uint32_t piece, MDB_val *ret_val, bool *ret_ok)
{
	struct segment_found f;
	int rc = find_piece(ld, ld->l->body_id, piece, ret_val, ret_ok);

	if (rc != 0 || *ret_ok || piece > 0)
		return rc;
	rc = segment_find(ld->segments, ld->l->body_id, &f, ret_ok);
	if (rc == 0 && *ret_ok)
		rc = is_held(ld, &f, ret_ok);
	if (rc == 0 && *ret_ok)
		*ret_val = lmdb_val(f.data, f.entry.len);
	return rc;
}

static int
load_body(struct load *ld)
{
	struct store_load *l = ld->l;

	for (uint32_t i = 0; i < l->n_pieces; i++) {
		MDB_val v;
		bool ok = false;
		int rc = find_body(ld, l->first_piece + i, &v, &ok);

		if (rc != 0)
			return rc;
		if (!ok) {
			l->err = MQI_E_OBJECT_DAMAGED;
			return 0;
		}
		l->pieces[i] = mqref_copy(v.mv_data, v.mv_size);
		if (l->pieces[i] == NULL) {
			l->err = MQI_E_NO_MEMORY;
			return 0;
		}
	}
	return 0;
}

static int
load_in_txn(struct load *ld)
{
	struct store_load *l = ld->l;
	uint8_t key[8];
	MDB_val k;
	MDB_val v;
	int rc;

	if (l->kind == STORE_LOAD_BODY)
		return load_body(ld);
	schema_u64(key, l->queue_id);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_get(ld->txn, ld->e->dbi[DB_PURGES], &k, &v);
	if (rc == 0) {
		l->end = true;
		return 0;
	}
	if (rc != MDB_NOTFOUND)
		return rc;
	return l->kind == STORE_LOAD_ROWS ? load_rows(ld) : load_by_id(ld);
}

static int
open_cursors(struct load *ld)
{
	int rc = mdb_cursor_open(ld->txn, ld->e->dbi[DB_BODIES], &ld->bodies);

	if (rc == 0)
		rc = mdb_cursor_open(
		    ld->txn, ld->e->dbi[DB_SEGMENTS], &ld->segments);
	if (rc == 0)
		rc = mdb_cursor_open(ld->txn, ld->e->dbi[DB_ROWS], &ld->rows);
	if (rc == 0 && ld->l->kind == STORE_LOAD_BY_ID)
		rc = mdb_cursor_open(ld->txn, ld->e->dbi[DB_IDS], &ld->ids);
	return rc;
}

static int
begin(struct lmdb_reader *r)
{
	if (r->txn != NULL)
		return mdb_txn_renew(r->txn);
	return mdb_txn_begin(r->e->env, NULL, MDB_RDONLY, &r->txn);
}

void
lmdb_reader_load(struct lmdb_reader *r, struct store_load *l)
{
	struct load ld = {.e = r->e, .l = l, .data_left = l->max_bytes};
	struct store_why why = {0};
	int rc = begin(r);

	MQ_PRE(l->n_pieces <= MQ_ARRAY_LEN(l->pieces));
	l->err = MQI_OK;
	if (rc != 0) {
		l->err = MQI_E_STORE_FAILED;
		return;
	}
	ld.txn = r->txn;
	rc = open_cursors(&ld);
	if (rc == 0 &&
	    lmdb_get_number(r->e, ld.txn, "batch", &l->as_of, &why) != MQI_OK)
		l->err = MQI_E_STORE_FAILED;
	else if (rc == 0)
		rc = load_in_txn(&ld);
	if (rc != 0)
		l->err = rc == ENOMEM ? MQI_E_NO_MEMORY : MQI_E_STORE_FAILED;
	if (ld.rows != NULL)
		mdb_cursor_close(ld.rows);
	if (ld.bodies != NULL)
		mdb_cursor_close(ld.bodies);
	if (ld.ids != NULL)
		mdb_cursor_close(ld.ids);
	if (ld.segments != NULL)
		mdb_cursor_close(ld.segments);
	mdb_txn_reset(r->txn);
}

void
lmdb_reader_fini(struct lmdb_reader *r)
{
	if (r->txn != NULL)
		mdb_txn_abort(r->txn);
	r->txn = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_segment.c - small messages packed into segments.
 *
 * A checkpoint brings many small messages at once.  A value of its own for
 * each would cost a search, a share of a page that is copied again when its
 * neighbours go, and, with many queues, a page of its own; so they are packed
 * as they come into values of up to MQFRAME_PIECE bytes.  A row says in which
 * segment and which slot its bytes are.  A segment is never changed: what has
 * gone from it is only counted (`live`; no entry: nothing has gone), and when
 * nothing is left it is deleted, without being read (docs/decisions/0015).
 *
 * A segment's key is the body id of its first message, and the others are at
 * most SCHEMA_SEGMENT_SPAN away from it: so a body is found by its id in the
 * few segments around it, and no index by body id is needed.
 *
 * The one that is filling is in memory; the commit writes it, so what was put
 * and removed in one transaction costs no page.
 *
 * One old message keeps its segment.  When many segments have lost messages,
 * the sweep moves what is left of the emptier ones into `bodies`.
 *
 * Damage: data and entry have checksums of their own; a count that cannot be
 * trusted keeps the segment for ever: a leak, not a loss.
 */
#include "qmgr/store/store_lmdb_segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/store/store_lmdb_apply.h"

#define SWEEP_FROM 1024u /* segments with losses, before it is worth while */
#define SWEEP_LOOK 512u  /* of them looked at in one step */

struct segment_live {
	RB_ENTRY(segment_live) entry;
	uint64_t segment;
	uint32_t live;
	uint32_t n;
	bool known;  /* else it is not touched */
	bool stored; /* there is an entry in "live" */
};

static int
live_cmp(const struct segment_live *a, const struct segment_live *b)
{
	return a->segment < b->segment ? -1 : a->segment > b->segment;
}

MQ_RB_GENERATE(segment_lives, segment_live, entry, live_cmp)

/* ---- lookups ---- */

static int
seek(MDB_cursor *segments, uint64_t segment, MDB_val *ret_val)
{
	uint8_t key[8];
	MDB_val k;

	schema_u64(key, segment);
	k = lmdb_val(key, sizeof(key));
	return mdb_cursor_get(segments, &k, ret_val, MDB_SET);
}

static bool
data_is_good(const MDB_val *v, struct segment_found *f)
{
	f->data = (const uint8_t *)v->mv_data + f->entry.offset;
	return mqcrc32c(0, f->data, f->entry.len) == f->entry.crc;
}

int
segment_read(MDB_cursor *segments, const struct schema_row *row,
    struct segment_found *ret, bool *ret_ok)
{
	MDB_val v;
	int rc = seek(segments, row->segment, &v);

	MQ_PRE(row->in_segment);
	*ret_ok = false;
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	ret->segment = row->segment;
	ret->slot = row->slot;
	*ret_ok = schema_entry_at(row->segment, v.mv_data, v.mv_size, row->slot,
		      &ret->entry) &&
		  ret->entry.body_id == row->body_id &&
		  ret->entry.len == (uint64_t)row->desc_len + row->body_len &&
		  data_is_good(&v, ret);
	return 0;
}

/* The slot of a body in one segment. */
static bool
find_slot(const MDB_val *v, uint64_t body_id, struct segment_found *f)
{
	const uint8_t *end = (const uint8_t *)v->mv_data + v->mv_size;
	struct schema_segment s;
	size_t n;

	if (schema_segment_decode(f->segment, v->mv_data, v->mv_size, &s)) {
		if (body_id < s.min_body_id || body_id > s.max_body_id)
			return false;
		n = s.n;
	} else if (v->mv_size > SCHEMA_SEGMENT_FOOT) {
		n = (v->mv_size - SCHEMA_SEGMENT_FOOT) / SCHEMA_SEGMENT_ENTRY;
	} else {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p =
		    end - SCHEMA_SEGMENT_FOOT - (i + 1) * SCHEMA_SEGMENT_ENTRY;

		if (mqbuf_get_u64(p) != body_id)
			continue;
		f->slot = (uint16_t)i;
		if (schema_entry_at(f->segment, v->mv_data, v->mv_size, f->slot,
			&f->entry) &&
		    data_is_good(v, f))
			return true;
	}
	return false;
}

int
segment_find(MDB_cursor *segments, uint64_t body_id, struct segment_found *ret,
    bool *ret_ok)
{
	uint64_t from =
	    body_id > SCHEMA_SEGMENT_SPAN ? body_id - SCHEMA_SEGMENT_SPAN : 0;
	uint8_t key[8];
	MDB_val k;
	MDB_val v;
	int rc;

	schema_u64(key, from);
	k = lmdb_val(key, sizeof(key));
	*ret_ok = false;
	rc = mdb_cursor_get(segments, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && k.mv_size == sizeof(key)) {
		ret->segment = schema_get_u64(k.mv_data);
		if (ret->segment > body_id &&
		    ret->segment - body_id > SCHEMA_SEGMENT_SPAN)
			return 0;
		*ret_ok = find_slot(&v, body_id, ret);
		if (*ret_ok)
			return 0;
		rc = mdb_cursor_get(segments, &k, &v, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- the segment that is filling ---- */

static enum mqi_err
put_live(struct lmdb_writer *w, uint64_t segment, uint32_t live, uint32_t n)
{
	uint8_t key[8];
	uint8_t value[SCHEMA_LIVE_SIZE];

	schema_u64(key, segment);
	schema_live_encode(segment, live, n, value);
	return lmdb_put(w, DB_LIVE, lmdb_val(key, sizeof(key)),
	    lmdb_val(value, sizeof(value)), 0);
}

static uint8_t *
entry_room(const struct segment_open *o, uint32_t slot)
{
	return o->bytes + MQFRAME_PIECE - SCHEMA_SEGMENT_FOOT -
	       (size_t)(slot + 1) * SCHEMA_SEGMENT_ENTRY;
}

static enum mqi_err
close_open(struct lmdb_writer *w)
{
	struct segment_open *o = &w->open;
	struct schema_segment s = o->v;
	size_t tail = SCHEMA_SEGMENT_FOOT + (size_t)s.n * SCHEMA_SEGMENT_ENTRY;
	unsigned flags = MDB_RESERVE | MDB_NOOVERWRITE;
	uint8_t key[8];
	MDB_val k;
	MDB_val v = {.mv_size = s.data_len + tail};
	uint8_t *to;
	int rc;

	o->v.n = 0;
	if (s.n == 0 || o->live == 0)
		return MQI_OK;
	schema_u64(key, o->key);
	k = lmdb_val(key, sizeof(key));
	/* appended, pages are filled to the end */
	if (o->key > w->last_segment) {
		flags |= MDB_APPEND;
		w->last_segment = o->key;
	}
	rc = mdb_cursor_put(w->segments, &k, &v, flags);
	if (rc == MDB_KEYEXIST)
		return store_fail(w->why, MQI_E_STORE_FAILED,
		    "a record puts a body that exists");
	if (rc != 0)
		return store_err_fail(w->why, rc, "writing a segment");
	to = v.mv_data;
	memcpy(to, o->bytes, s.data_len);
	to += s.data_len;
	memcpy(to, o->bytes + MQFRAME_PIECE - tail, tail);
	schema_segment_encode(o->key, &s, to + tail - SCHEMA_SEGMENT_FOOT);
	w->n_bytes += v.mv_size;
	return o->live < s.n ? put_live(w, o->key, o->live, s.n) : MQI_OK;
}

static bool
open_takes(const struct segment_open *o, uint64_t body_id, size_t len)
{
	uint64_t away = body_id > o->key ? body_id - o->key : o->key - body_id;

	return o->v.n > 0 && o->v.n < UINT16_MAX &&
	       away <= SCHEMA_SEGMENT_SPAN &&
	       o->v.data_len + len + SCHEMA_SEGMENT_FOOT +
		       ((size_t)o->v.n + 1) * SCHEMA_SEGMENT_ENTRY <=
		   MQFRAME_PIECE;
}

enum mqi_err
segment_add(
    struct lmdb_writer *w, const struct record_put *put, struct schema_row *row)
{
	struct segment_open *o = &w->open;
	size_t len = (size_t)put->desc_len + put->body_len;
	struct schema_entry e = {.key = record_place(put, 0),
	    .body_id = put->body_id,
	    .len = (uint16_t)len};
	uint8_t *to;
	enum mqi_err err = MQI_OK;

	MQ_PRE(segment_takes(put));
	if (!open_takes(o, put->body_id, len)) {
		err = close_open(w);
		if (o->bytes == NULL)
			o->bytes = mqmem_alloc(MQFRAME_PIECE);
		o->key = put->body_id;
		o->v = (struct schema_segment){
		    .min_body_id = o->key, .max_body_id = o->key};
		o->live = 0;
	}
	if (err != MQI_OK)
		return err;
	e.offset = (uint16_t)o->v.data_len;
	to = o->bytes + o->v.data_len;
	if (put->desc_len > 0)
		memcpy(to, put->desc, put->desc_len);
	if (put->body_len > 0)
		memcpy(to + put->desc_len, put->body, put->body_len);
	e.crc = mqcrc32c(0, to, len);
	schema_entry_encode(o->key, &e, entry_room(o, o->v.n));
	row->in_segment = true;
	row->segment = o->key;
	row->slot = (uint16_t)o->v.n;
	row->id_from_body = schema_id_is_set(put->msg_id) &&
			    schema_id_number(put->msg_id) + 1 == put->body_id;
	o->v.data_len += (uint32_t)len;
	o->v.n++;
	o->live++;
	if (put->body_id < o->v.min_body_id)
		o->v.min_body_id = put->body_id;
	if (put->body_id > o->v.max_body_id)
		o->v.max_body_id = put->body_id;
	return MQI_OK;
}

/* ---- what is left of a segment ---- */

static bool
is_open(const struct lmdb_writer *w, uint64_t segment)
{
	return w->open.v.n > 0 && w->open.key == segment;
}

static enum mqi_err
read_live(struct lmdb_writer *w, struct segment_live *l)
{
	struct schema_segment s;
	uint8_t key[8];
	MDB_val v;
	enum mqi_err err;
	int rc;

	schema_u64(key, l->segment);
	err = lmdb_get(w, DB_LIVE, lmdb_val(key, sizeof(key)), &v);
	if (err != MQI_OK)
		return err;
	if (v.mv_data != NULL) {
		l->stored = true;
		l->known = schema_live_decode(
		    l->segment, v.mv_data, v.mv_size, &l->live, &l->n);
		return MQI_OK;
	}
	rc = seek(w->segments, l->segment, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "reading a segment");
	if (rc == 0 &&
	    schema_segment_decode(l->segment, v.mv_data, v.mv_size, &s)) {
		l->known = true;
		l->live = s.n;
		l->n = s.n;
	}
	return MQI_OK;
}

static enum mqi_err
drop(struct lmdb_writer *w, uint64_t segment)
{
	struct segment_live like = {.segment = segment};
	struct segment_live *l;
	enum mqi_err err;

	if (is_open(w, segment)) {
		MQ_INVARIANT(w->open.live > 0);
		w->open.live--;
		return MQI_OK;
	}
	l = RB_FIND(segment_lives, &w->lives, &like);
	if (l == NULL) {
		err = read_live(w, &like);
		if (err != MQI_OK)
			return err;
		l = mqmem_alloc(sizeof(*l));
		*l = like;
		(void)RB_INSERT(segment_lives, &w->lives, l);
	}
	if (l->live > 0)
		l->live--;
	return MQI_OK;
}

enum mqi_err
segment_drop(struct lmdb_writer *w, const struct schema_row *row)
{
	MQ_PRE(row->in_segment);
	return drop(w, row->segment);
}

enum mqi_err
segment_drop_body(struct lmdb_writer *w, uint64_t body_id)
{
	struct segment_found f;
	bool ok = false;
	int rc = segment_find(w->segments, body_id, &f, &ok);

	if (rc != 0)
		return store_err_fail(w->why, rc, "reading a segment");
	return ok ? drop(w, f.segment) : MQI_OK;
}

static enum mqi_err
delete_segment(struct lmdb_writer *w, const struct segment_live *l)
{
	uint8_t key[8];
	MDB_val v;
	int rc = seek(w->segments, l->segment, &v);

	if (rc == 0)
		rc = mdb_cursor_del(w->segments, 0);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "deleting a segment");
	schema_u64(key, l->segment);
	return l->stored ? lmdb_del(w, DB_LIVE, lmdb_val(key, sizeof(key)))
			 : MQI_OK;
}

/* How many segments have lost messages and are there still. */
static enum mqi_err
count_partial(struct lmdb_writer *w, uint64_t *ret)
{
	MDB_stat st;
	int rc = mdb_stat(w->txn, w->e->dbi[DB_LIVE], &st);

	if (rc != 0)
		return store_err_fail(w->why, rc, "counting segments");
	*ret = st.ms_entries;
	return MQI_OK;
}

enum mqi_err
segment_flush(struct lmdb_writer *w)
{
	struct segment_live *l;
	uint64_t n = 0;
	enum mqi_err err = close_open(w);

	RB_FOREACH (l, segment_lives, &w->lives) {
		if (err != MQI_OK)
			return err;
		if (!l->known)
			continue;
		if (l->live == 0)
			err = delete_segment(w, l);
		else
			err = put_live(w, l->segment, l->live, l->n);
	}
	if (err == MQI_OK)
		err = count_partial(w, &n);
	if (err == MQI_OK && n > w->sweep_base + SWEEP_FROM)
		w->sweep = true;
	return err;
}

void
segment_forget(struct lmdb_writer *w)
{
	struct segment_live *l;
	struct segment_live *next;

	w->open.v.n = 0;
	RB_FOREACH_SAFE (l, segment_lives, &w->lives, next) {
		(void)RB_REMOVE(segment_lives, &w->lives, l);
		free(l);
	}
}

void
segment_fini(struct lmdb_writer *w)
{
	segment_forget(w);
	free(w->open.bytes);
	w->open.bytes = NULL;
}

/* ---- moving out ---- */

enum mqi_err
segment_knows_place(struct lmdb_writer *w, const struct schema_row *row,
    const struct record_key *key, bool *ret)
{
	struct segment_found f;
	enum mqi_err err = is_open(w, row->segment) ? close_open(w) : MQI_OK;
	bool ok = false;
	int rc;

	if (err != MQI_OK)
		return err;
	rc = segment_read(w->segments, row, &f, &ok);
	if (rc != 0)
		return store_err_fail(w->why, rc, "reading a segment");
	*ret = !ok || (f.entry.key.queue_id == key->queue_id &&
			  record_key_cmp(&f.entry.key, key) == 0);
	return MQI_OK;
}

enum mqi_err
segment_move_out(struct lmdb_writer *w, struct schema_row *row)
{
	struct segment_found f;
	enum mqi_err err = is_open(w, row->segment) ? close_open(w) : MQI_OK;
	bool ok = false;
	int rc;

	if (err != MQI_OK)
		return err;
	rc = segment_read(w->segments, row, &f, &ok);
	if (rc != 0)
		return store_err_fail(w->why, rc, "reading a segment");
	if (!ok)
		return MQI_OK;
	err = lmdb_body_put_piece(w, row->body_id, 0, f.data, f.entry.len);
	if (err == MQI_OK)
		err = segment_drop(w, row);
	row->in_segment = false;
	row->id_from_body = false;
	return err;
}

/* ---- the sweep ---- */

/* Moves the message of one entry, if it is still there. */
static enum mqi_err
sweep_entry(struct lmdb_writer *w, uint64_t segment, uint16_t slot,
    const struct schema_entry *e, unsigned *n_moved)
{
	struct schema_row row;
	uint32_t count = 0;
	bool found = false;
	bool good = false;
	bool limbo = false;
	enum mqi_err err = lmdb_row_find(w, &e->key, &row, &found, &good);

	if (err == MQI_OK && (!good || row.body_id != e->body_id)) {
		err = lmdb_limbo_get(w, e->body_id, &count, &row);
		limbo = true;
		good = count > 0;
	}
	if (err != MQI_OK || !good || !row.in_segment ||
	    row.segment != segment || row.slot != slot)
		return err;
	err = segment_move_out(w, &row);
	if (err != MQI_OK || row.in_segment)
		return err;
	(*n_moved)++;
	if (limbo)
		return lmdb_limbo_set(w, count, &row);
	err = lmdb_row_rewrite(w, &e->key, &row);
	return err == MQI_OK ? lmdb_row_add_msg_id(w, &e->key, &row) : err;
}

static enum mqi_err
sweep_segment(struct lmdb_writer *w, uint64_t segment, unsigned *n_moved)
{
	struct schema_segment s;
	struct schema_entry e;
	MDB_val v;
	enum mqi_err err = MQI_OK;
	int rc = seek(w->segments, segment, &v);

	if (rc == MDB_NOTFOUND)
		return MQI_OK;
	if (rc != 0)
		return store_err_fail(w->why, rc, "reading a segment");
	if (!schema_segment_decode(segment, v.mv_data, v.mv_size, &s))
		return MQI_OK;
	for (uint32_t i = 0; i < s.n && err == MQI_OK; i++)
		if (schema_entry_at(
			segment, v.mv_data, v.mv_size, (uint16_t)i, &e))
			err = sweep_entry(w, segment, (uint16_t)i, &e, n_moved);
	return err;
}

enum mqi_err
segment_sweep(
    struct lmdb_writer *w, unsigned max, unsigned *ret_n, bool *ret_more)
{
	uint64_t n = 0;
	uint8_t key[8];
	MDB_cursor *cursor = NULL;
	MDB_val k;
	MDB_val v;
	enum mqi_err err = count_partial(w, &n);
	unsigned looked = 0;
	int rc = 0;

	*ret_n = 0;
	*ret_more = n > w->sweep_base + SWEEP_FROM;
	if (err != MQI_OK || !*ret_more)
		return err;
	rc = mdb_cursor_open(w->txn, w->e->dbi[DB_LIVE], &cursor);
	if (rc != 0)
		return store_err_fail(w->why, rc, "sweeping");
	schema_u64(key, w->sweep_at);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	while (
	    rc == 0 && err == MQI_OK && *ret_n < max && looked < SWEEP_LOOK) {
		uint64_t segment = schema_get_u64(k.mv_data);
		uint32_t live = 0;
		uint32_t of = 0;

		if (schema_live_decode(
			segment, v.mv_data, v.mv_size, &live, &of) &&
		    live <= of / 4)
			err = sweep_segment(w, segment, ret_n);
		w->sweep_at = segment + 1;
		looked++;
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (err != MQI_OK || rc == 0)
		return err;
	if (rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "sweeping");
	/* once round: as many as there are now are not worth another look */
	w->sweep_at = 0;
	w->sweep_base = n;
	*ret_more = false;
	return MQI_OK;
}

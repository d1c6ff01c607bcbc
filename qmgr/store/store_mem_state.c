/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem_state.c - the contents of the store in memory, in the plainest
 * form that can be right: rows in a tree by (queue, rank, sequence number),
 * bodies in a tree by id with a count of what holds them, and small records
 * as the bytes that they came in.  It counts and searches by looking at
 * everything, so that it can judge the indexes and counters of store_lmdb.c;
 * tests of both compare them on random histories.
 *
 * A body is held by each row, and by each removed place that was not released
 * (`limbo`); or it is staged, by its unit.
 */
#include "qmgr/store/store_mem_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/tree.h"

struct mem_body {
	RB_ENTRY(mem_body) entry;
	uint64_t id;
	struct mqref **pieces;
	uint32_t n_pieces; /* room in pieces; unset ones are NULL */
	uint32_t holders;  /* rows + limbo */
	uint32_t limbo;
	uint32_t unit;
	bool staged;
	bool damaged;
	uint64_t epoch;
	struct store_row header;
};

struct mem_row {
	RB_ENTRY(mem_row) entry;
	struct record_key key;
	uint32_t backout_count;
	bool lost;
	struct mem_body *body;
};

#define VALUE_KEY_MAX 72u

struct mem_value {
	RB_ENTRY(mem_value) entry;
	uint8_t kind; /* enum record_type */
	uint8_t key[VALUE_KEY_MAX];
	struct mqref *record;
};

RB_HEAD(mem_bodies, mem_body);
RB_HEAD(mem_rows, mem_row);
RB_HEAD(mem_values, mem_value);

struct mem_state {
	struct mem_bodies bodies;
	struct mem_rows rows;
	struct mem_values values;
	uint64_t n_bodies;
	uint64_t n_staged;
	uint64_t epoch;
	uint64_t dead_epoch; /* the highest one of earlier starts */
	struct store_why *why;
};

static int
body_cmp(const struct mem_body *a, const struct mem_body *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static int
row_cmp(const struct mem_row *a, const struct mem_row *b)
{
	if (a->key.queue_id != b->key.queue_id)
		return a->key.queue_id < b->key.queue_id ? -1 : 1;
	return record_key_cmp(&a->key, &b->key);
}

static int
value_cmp(const struct mem_value *a, const struct mem_value *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return memcmp(a->key, b->key, VALUE_KEY_MAX);
}

MQ_RB_GENERATE(mem_bodies, mem_body, entry, body_cmp)
MQ_RB_GENERATE(mem_rows, mem_row, entry, row_cmp)
MQ_RB_GENERATE(mem_values, mem_value, entry, value_cmp)

/* ---- bodies ---- */

static struct mem_body *
body_find(struct mem_state *st, uint64_t id)
{
	struct mem_body key = {.id = id};

	return RB_FIND(mem_bodies, &st->bodies, &key);
}

static struct mem_body *
body_add(struct mem_state *st, uint64_t id)
{
	struct mem_body *b = mqmem_alloc(sizeof(*b));

	b->id = id;
	(void)RB_INSERT(mem_bodies, &st->bodies, b);
	st->n_bodies++;
	return b;
}

static void
body_free(struct mem_state *st, struct mem_body *b)
{
	(void)RB_REMOVE(mem_bodies, &st->bodies, b);
	st->n_bodies--;
	for (uint32_t i = 0; i < b->n_pieces; i++)
		(void)mqref_unref(b->pieces[i]);
	free(b->pieces);
	free(b);
}

static void
body_drop(struct mem_state *st, struct mem_body *b)
{
	MQ_INVARIANT(b->holders > 0);
	if (--b->holders == 0)
		body_free(st, b);
}

static enum mqi_err
body_set_piece(struct mem_state *st, struct mem_body *b, uint32_t piece,
    struct mqref *data)
{
	if (data == NULL)
		return store_fail(st->why, MQI_E_NO_MEMORY, "no memory");
	if (piece >= b->n_pieces) {
		b->pieces =
		    mqmem_grow(b->pieces, (size_t)piece + 1, sizeof(void *));
		for (uint32_t i = b->n_pieces; i <= piece; i++)
			b->pieces[i] = NULL;
		b->n_pieces = piece + 1;
	}
	(void)mqref_unref(b->pieces[piece]);
	b->pieces[piece] = data;
	return MQI_OK;
}

/* ---- rows ---- */

static struct mem_row *
row_find(struct mem_state *st, const struct record_key *key)
{
	struct mem_row like = {.key = *key};

	return RB_FIND(mem_rows, &st->rows, &like);
}

static enum mqi_err
row_add(struct mem_state *st, const struct record_key *key, struct mem_body *b,
    uint32_t backout_count)
{
	struct mem_row *row = mqmem_alloc(sizeof(*row));

	row->key = *key;
	row->body = b;
	row->backout_count = backout_count;
	if (RB_INSERT(mem_rows, &st->rows, row) == NULL)
		return MQI_OK;
	free(row);
	return store_fail(st->why, MQI_E_STORE_FAILED,
	    "a record puts a message where one is");
}

static void
row_free(struct mem_state *st, struct mem_row *row)
{
	(void)RB_REMOVE(mem_rows, &st->rows, row);
	free(row);
}

static struct mem_row *
row_after(struct mem_state *st, const struct record_key *key, bool from_start)
{
	struct mem_row like = {.key = *key};
	struct mem_row *row;

	if (from_start) {
		like.key.rank = 0;
		like.key.seq = 0;
	}
	row = RB_NFIND(mem_rows, &st->rows, &like);
	if (row != NULL && !from_start && row_cmp(row, &like) == 0)
		row = RB_NEXT(mem_rows, &st->rows, row);
	return row != NULL && row->key.queue_id == key->queue_id ? row : NULL;
}

static void
purge(struct mem_state *st, uint64_t queue_id)
{
	struct record_key key = {.queue_id = queue_id};
	struct mem_row *row;

	while ((row = row_after(st, &key, true)) != NULL) {
		body_drop(st, row->body);
		row_free(st, row);
	}
}

/* ---- small records ---- */

static void
value_key_add(struct mem_value *v, size_t *at, const void *data, size_t len)
{
	MQ_INVARIANT(*at + len <= VALUE_KEY_MAX);
	memcpy(v->key + *at, data, len);
	*at += len;
}

static void
value_remove(struct mem_state *st, const struct mem_value *like)
{
	struct mem_value *v =
	    RB_FIND(mem_values, &st->values, (struct mem_value *)like);

	if (v == NULL)
		return;
	(void)RB_REMOVE(mem_values, &st->values, v);
	(void)mqref_unref(v->record);
	free(v);
}

static enum mqi_err
value_set(struct mem_state *st, const struct mem_value *like,
    const struct record *r, const uint8_t *bytes)
{
	struct mem_value *v = mqmem_alloc(sizeof(*v));

	*v = *like;
	v->record = mqref_copy(bytes, r->size);
	if (v->record == NULL) {
		free(v);
		return store_fail(st->why, MQI_E_NO_MEMORY, "no memory");
	}
	value_remove(st, like);
	(void)RB_INSERT(mem_values, &st->values, v);
	return MQI_OK;
}

static enum mqi_err
apply_value(struct mem_state *st, const struct record *r, const uint8_t *bytes)
{
	struct mem_value like = {.kind = r->type};
	size_t at = 0;

	switch (r->type) {
	case RECORD_META:
		value_key_add(
		    &like, &at, r->u.meta.name, strlen(r->u.meta.name));
		(void)store_meta_epoch(&r->u.meta, &st->epoch);
		break;
	case RECORD_OBJECT:
		value_key_add(&like, &at, &r->u.object.type, 1);
		value_key_add(
		    &like, &at, r->u.object.name, strlen(r->u.object.name));
		break;
	case RECORD_POSITION:
		value_key_add(&like, &at, r->u.position.stream, 16);
		value_key_add(&like, &at, r->u.position.partner,
		    strlen(r->u.position.partner));
		if (r->u.position.fence == 0) {
			value_remove(st, &like);
			return MQI_OK;
		}
		break;
	case RECORD_STREAM:
		value_key_add(&like, &at, &r->u.stream.queue_id, 8);
		break;
	default:
		MQ_UNREACHABLE();
	}
	return value_set(st, &like, r, bytes);
}

static void
apply_object_delete(struct mem_state *st, const struct record_object_delete *v)
{
	struct mem_value like = {.kind = RECORD_OBJECT};
	struct mem_value stream = {.kind = RECORD_STREAM};
	size_t at = 0;

	value_key_add(&like, &at, &v->type, 1);
	value_key_add(&like, &at, v->name, strlen(v->name));
	value_remove(st, &like);
	if (v->id == 0)
		return;
	purge(st, v->id);
	memcpy(stream.key, &v->id, 8);
	value_remove(st, &stream);
}

/* ---- messages ---- */

static enum mqi_err
check_staged(
    struct mem_state *st, const struct mem_body *b, const struct record *r)
{
	const struct record_put *put = &r->u.put;
	uint32_t n = store_body_pieces(put->body_len);
	uint64_t len = 0;

	if (b == NULL || !b->staged || b->unit != r->unit ||
	    b->n_pieces != n + 1 || b->pieces[0] == NULL ||
	    b->pieces[0]->len != put->desc_len)
		goto bad;
	for (uint32_t i = 1; i <= n; i++) {
		if (b->pieces[i] == NULL ||
		    (i < n && b->pieces[i]->len != MQFRAME_PIECE))
			goto bad;
		len += b->pieces[i]->len;
	}
	if (len == put->body_len)
		return MQI_OK;
bad:
	return store_fail(st->why, MQI_E_STORE_FAILED,
	    "a record puts a body that was not wholly staged");
}

static enum mqi_err
put_body(struct mem_state *st, struct mem_body *b, const struct record_put *put)
{
	const uint8_t *body = put->body;
	uint32_t n = store_body_pieces(put->body_len);
	struct mqref *first;
	enum mqi_err err;

	if ((uint64_t)put->desc_len + put->body_len <= MQFRAME_PIECE) {
		b->header.inlined = true;
		first = mqref_new((size_t)put->desc_len + put->body_len);
		if (first != NULL) {
			memcpy(first->data, put->desc, put->desc_len);
			memcpy(
			    first->data + put->desc_len, body, put->body_len);
		}
		return body_set_piece(st, b, 0, first);
	}
	err = body_set_piece(st, b, 0, mqref_copy(put->desc, put->desc_len));
	for (uint32_t i = 0; i < n && err == MQI_OK; i++) {
		uint32_t len = put->body_len - i * MQFRAME_PIECE;

		if (len > MQFRAME_PIECE)
			len = MQFRAME_PIECE;
		err = body_set_piece(st, b, i + 1,
		    mqref_copy(body + (size_t)i * MQFRAME_PIECE, len));
	}
	return err;
}

static enum mqi_err
apply_put(struct mem_state *st, const struct record *r)
{
	const struct record_put *put = &r->u.put;
	bool np = (put->flags & RECORD_PUT_NON_PERSISTENT) != 0;
	struct mem_body *b = body_find(st, put->body_id);
	enum mqi_err err;

	if (np && st->epoch <= st->dead_epoch)
		return store_fail(st->why, MQI_E_STORE_FAILED,
		    "a non-persistent record came before the epoch was raised");
	if ((put->flags & RECORD_PUT_STAGED) != 0) {
		err = check_staged(st, b, r);
		if (err != MQI_OK)
			return err;
		b->staged = false;
		st->n_staged--;
	} else {
		if (b != NULL)
			return store_fail(st->why, MQI_E_STORE_FAILED,
			    "a record puts a body that exists");
		b = body_add(st, put->body_id);
		err = put_body(st, b, put);
	}
	b->epoch = st->epoch;
	b->holders = put->n_places;
	b->header.body_id = put->body_id;
	memcpy(b->header.msg_id, put->msg_id, MQI_ID_LEN);
	memcpy(b->header.correl_id, put->correl_id, MQI_ID_LEN);
	b->header.body_crc = put->body_crc;
	b->header.body_len = put->body_len;
	b->header.desc_len = put->desc_len;
	b->header.persistent = !np;
	for (uint32_t i = 0; i < put->n_places && err == MQI_OK; i++) {
		struct record_key key = record_place(put, i);

		err = row_add(st, &key, b, put->backout_count);
	}
	return err;
}

static enum mqi_err
apply_remove(struct mem_state *st, const struct record_remove *v)
{
	struct mem_row *row = row_find(st, &v->key);

	if (row == NULL)
		return MQI_OK;
	if (row->body->id != v->body_id)
		return store_fail(st->why, MQI_E_STORE_FAILED,
		    "a record removes another message than the one stored");
	if ((v->flags & RECORD_REMOVE_RELEASE) != 0)
		body_drop(st, row->body);
	else
		row->body->limbo++;
	row_free(st, row);
	return MQI_OK;
}

static enum mqi_err
apply_restore(struct mem_state *st, const struct record_restore *v)
{
	struct mem_body *b = body_find(st, v->body_id);

	if (b == NULL || b->limbo == 0)
		return store_fail(st->why, MQI_E_STORE_FAILED,
		    "a record restores a message that was not kept");
	b->limbo--;
	return row_add(st, &v->key, b, v->backout_count);
}

static void
apply_release(struct mem_state *st, uint64_t body_id)
{
	struct mem_body *b = body_find(st, body_id);

	if (b == NULL || b->limbo == 0)
		return;
	b->limbo--;
	body_drop(st, b);
}

static enum mqi_err
apply_stage(struct mem_state *st, const struct record *r)
{
	const struct record_stage *v = &r->u.stage;
	struct mem_body *b = body_find(st, v->body_id);

	if (b == NULL) {
		b = body_add(st, v->body_id);
		b->staged = true;
		st->n_staged++;
		b->unit = r->unit;
	}
	if (!b->staged || b->unit != r->unit)
		return store_fail(st->why, MQI_E_STORE_FAILED,
		    "a record stages a piece of another unit's body");
	if (v->piece > store_body_pieces(MQI_MAX_BODY) ||
	    v->len > MQFRAME_PIECE)
		return store_fail(st->why, MQI_E_STORE_FAILED,
		    "a record stages a piece beyond the limits");
	return body_set_piece(st, b, v->piece, mqref_copy(v->data, v->len));
}

/* unit 0: those of all units */
static void
drop_staged(struct mem_state *st, uint32_t unit)
{
	struct mem_body *b;
	struct mem_body *next;

	if (st->n_staged == 0)
		return; /* commits are many */
	RB_FOREACH_SAFE (b, mem_bodies, &st->bodies, next) {
		if (!b->staged || (unit != 0 && b->unit != unit))
			continue;
		st->n_staged--;
		body_free(st, b);
	}
}

static enum mqi_err
apply(void *ctx, const struct record *r, const uint8_t *bytes)
{
	struct mem_state *st = ctx;
	struct mem_row *row;

	switch ((enum record_type)r->type) {
	case RECORD_PUT:
		return apply_put(st, r);
	case RECORD_REMOVE:
		return apply_remove(st, &r->u.remove);
	case RECORD_RESTORE:
		return apply_restore(st, &r->u.restore);
	case RECORD_STAGE:
		return apply_stage(st, r);
	case RECORD_COMMIT:
	case RECORD_ROLLBACK:
		drop_staged(st, r->unit);
		return MQI_OK;
	case RECORD_BACKOUT:
		row = row_find(st, &r->u.backout.key);
		if (row != NULL)
			row->backout_count = r->u.backout.count;
		return MQI_OK;
	case RECORD_RELEASE:
		apply_release(st, r->u.release.body_id);
		return MQI_OK;
	case RECORD_PURGE:
		purge(st, r->u.purge.queue_id);
		return MQI_OK;
	case RECORD_OBJECT_DELETE:
		apply_object_delete(st, &r->u.object_delete);
		return MQI_OK;
	case RECORD_META:
	case RECORD_OBJECT:
	case RECORD_POSITION:
	case RECORD_STREAM:
		return apply_value(st, r, bytes);
	case RECORD_PREPARE:
		break;
	}
	MQ_UNREACHABLE();
}

enum mqi_err
mem_state_apply(
    struct mem_state *st, const struct store_batch *b, struct store_why *why)
{
	st->why = why;
	return store_walk(b, apply, st, why);
}

/* ---- loads ---- */

static bool
has_id(const struct store_load *l, const struct store_row *header)
{
	static const uint8_t none[MQI_ID_LEN];
	const uint8_t *id =
	    l->id_kind == STORE_ID_MSG ? header->msg_id : header->correl_id;

	return memcmp(id, none, MQI_ID_LEN) != 0 &&
	       memcmp(id, l->id, MQI_ID_LEN) == 0;
}

static void
load_row(struct store_load *l, const struct mem_row *row, uint32_t *data_left)
{
	const struct mem_body *b = row->body;
	struct store_row *out = store_load_add_row(l);
	size_t len = b->pieces[0]->len;

	*out = b->header;
	out->key = row->key;
	out->backout_count = row->backout_count;
	if (!b->header.inlined || len > *data_left) {
		if (!b->damaged && (!out->inlined || l->n_rows == 1))
			out->head =
			    mqref_copy(b->pieces[0]->data, out->desc_len);
		return;
	}
	*data_left -= (uint32_t)len;
	if (b->damaged)
		out->damaged = true;
	else
		out->data = mqref_ref(b->pieces[0]);
}

static void
load_rows(struct mem_state *st, struct store_load *l)
{
	struct record_key after = l->after;
	uint32_t data_left = l->max_bytes;
	struct mem_row *row;

	after.queue_id = l->queue_id;
	row = row_after(st, &after, l->from_start);
	for (; row != NULL && row->key.queue_id == l->queue_id;
	     row = RB_NEXT(mem_rows, &st->rows, row)) {
		if (row->lost || (l->kind == STORE_LOAD_BY_ID &&
				     !has_id(l, &row->body->header)))
			continue;
		if (l->n_rows == l->max_rows)
			return;
		load_row(l, row, &data_left);
	}
	l->end = true;
}

static void
load_body(struct mem_state *st, struct store_load *l)
{
	struct mem_body *b = body_find(st, l->body_id);
	uint64_t end = (uint64_t)l->first_piece + l->n_pieces;

	MQ_PRE(l->n_pieces <= MQ_ARRAY_LEN(l->pieces));
	if (b == NULL || b->damaged || end > b->n_pieces) {
		l->err = MQI_E_OBJECT_DAMAGED;
		return;
	}
	for (uint32_t i = 0; i < l->n_pieces; i++) {
		struct mqref *piece = b->pieces[l->first_piece + i];

		if (piece == NULL) {
			l->err = MQI_E_OBJECT_DAMAGED;
			return;
		}
		l->pieces[i] = mqref_ref(piece);
	}
}

void
mem_state_load(struct mem_state *st, struct store_load *l)
{
	l->err = MQI_OK;
	if (l->kind == STORE_LOAD_BODY)
		load_body(st, l);
	else
		load_rows(st, l);
}

/* ---- start ---- */

static void
show_queue(
    struct mem_state *st, uint64_t queue_id, const struct store_catalog *c)
{
	struct record_key key = {.queue_id = queue_id};
	struct mem_row *row = row_after(st, &key, true);
	uint64_t depth = 0;
	uint64_t bytes = 0;

	for (; row != NULL && row->key.queue_id == queue_id;
	     row = RB_NEXT(mem_rows, &st->rows, row)) {
		depth++;
		bytes += row->body->header.body_len;
	}
	c->queue(c->ctx, queue_id, depth, bytes);
}

static void
show_value(struct mem_state *st, const struct mem_value *v,
    const struct store_catalog *c)
{
	struct record r;

	MQ_INVARIANT(
	    record_decode(v->record->data, v->record->len, &r) == MQI_OK);
	switch (r.type) {
	case RECORD_META:
		c->meta(c->ctx, &r.u.meta);
		break;
	case RECORD_OBJECT:
		c->object(c->ctx, &r.u.object);
		if (r.u.object.id != 0)
			show_queue(st, r.u.object.id, c);
		break;
	case RECORD_STREAM:
		c->stream(c->ctx, &r.u.stream);
		break;
	default:
		c->position(c->ctx, &r.u.position);
		break;
	}
}

enum mqi_err
mem_state_catalog(struct mem_state *st, const struct store_catalog *c)
{
	static const uint8_t order[] = {
	    RECORD_META, RECORD_OBJECT, RECORD_STREAM, RECORD_POSITION};
	struct mem_value *v;

	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++)
		RB_FOREACH (v, mem_values, &st->values)
			if (v->kind == order[i])
				show_value(st, v, c);
	return MQI_OK;
}

void
mem_state_restart(struct mem_state *st)
{
	struct mem_body *b;
	struct mem_body *next_body;
	struct mem_row *row;
	struct mem_row *next;

	drop_staged(st, 0);
	RB_FOREACH_SAFE (row, mem_rows, &st->rows, next) {
		if (row->body->header.persistent)
			continue;
		body_drop(st, row->body);
		row_free(st, row);
	}
	RB_FOREACH_SAFE (b, mem_bodies, &st->bodies, next_body) {
		uint32_t n = b->limbo;

		b->limbo = 0;
		while (n-- > 0)
			body_drop(st, b);
	}
	st->dead_epoch = st->epoch;
}

/* ---- the rest ---- */

struct mem_state *
mem_state_new(void)
{
	struct mem_state *st = mqmem_alloc(sizeof(*st));

	RB_INIT(&st->bodies);
	RB_INIT(&st->rows);
	RB_INIT(&st->values);
	return st;
}

struct mem_state *
mem_state_free(struct mem_state *st)
{
	struct mem_value *v;
	struct mem_row *row;
	struct mem_body *b;

	if (st == NULL)
		return NULL;
	while ((row = RB_MIN(mem_rows, &st->rows)) != NULL)
		row_free(st, row);
	while ((b = RB_MIN(mem_bodies, &st->bodies)) != NULL)
		body_free(st, b);
	while ((v = RB_MIN(mem_values, &st->values)) != NULL)
		value_remove(st, v);
	free(st);
	return NULL;
}

bool
mem_state_damage(struct mem_state *st, uint64_t body_id)
{
	struct mem_body *b = body_find(st, body_id);

	if (b != NULL)
		b->damaged = true;
	return b != NULL;
}

bool
mem_state_lose(struct mem_state *st, const struct record_key *key)
{
	struct mem_row *row = row_find(st, key);

	if (row != NULL)
		row->lost = true;
	return row != NULL;
}

uint64_t
mem_state_bodies(const struct mem_state *st)
{
	return st->n_bodies;
}

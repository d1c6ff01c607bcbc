/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_table.c - what the tables of a store must hold
 * (docs/formats/store.md), each entry by itself and against the others.
 *
 * Small tables are kept in memory (queues; bodies with several places); for the
 * large ones, each row looks up its body and its ids, and the numbers of
 * entries are compared: as many as rows need, each found, means that none is
 * too many.
 *
 * A body whose bytes are wrong is remembered until its row names the message.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/store/store_impl.h"
#include "qmgr/store/verify_impl.h"

#define BAD_BODIES_MAX 100000u

/* ---- queues ---- */

struct verify_queue *
verify_queue(struct verify *v, uint64_t id)
{
	struct verify_queue *q;

	HASH_FIND(hh, v->queues, &id, sizeof(id), q);
	if (q == NULL) {
		q = mqmem_alloc(sizeof(*q));
		q->id = id;
		HASH_ADD(hh, v->queues, id, sizeof(id), q);
	}
	return q;
}

const char *
verify_queue_name(struct verify *v, uint64_t id, char ret[VERIFY_WHERE])
{
	struct verify_queue *q;

	HASH_FIND(hh, v->queues, &id, sizeof(id), q);
	if (q != NULL && q->name[0] != '\0')
		(void)snprintf(ret, VERIFY_WHERE, "queue %s", q->name);
	else
		(void)snprintf(ret, VERIFY_WHERE, "queue %" PRIu64, id);
	return ret;
}

static void
record_finding(struct verify *v, const struct pages_entry *e, const char *what)
{
	char where[VERIFY_WHERE];

	(void)snprintf(where, sizeof(where), "%s, page %" PRIu64,
	    verify_tables[v->table].name, e->page);
	verify_find(v, VERIFY_RECORD, where, "%s", what);
}

/* ---- small tables ---- */

static void
store_entry(struct verify *v, const struct pages_entry *e)
{
	uint32_t version;
	uint64_t number;
	char key[16] = "";

	if (e->key_len < sizeof(key))
		memcpy(key, e->key, e->key_len);
	if (strcmp(key, "format") == 0) {
		v->has_format = schema_format_decode(e->data, e->len, &version,
				    &number) == SCHEMA_OK;
		if (!v->has_format)
			record_finding(v, e, "the format is damaged or newer");
		return;
	}
	if (!schema_number_decode(key, e->data, e->len, &number))
		record_finding(v, e, "a number of the store is damaged");
}

static void
take_object(struct verify *v, const struct record_object *o)
{
	struct verify_queue *q;

	if (o->id == 0)
		return;
	q = verify_queue(v, o->id);
	memcpy(q->name, o->name, sizeof(q->name));
}

static void
record_entry(struct verify *v, const struct pages_entry *e)
{
	static const enum record_type types[T_COUNT] = {
	    [T_META] = RECORD_META,
	    [T_OBJECTS] = RECORD_OBJECT,
	    [T_STREAMS] = RECORD_STREAM,
	    [T_POSITIONS] = RECORD_POSITION,
	};

	uint8_t key[SCHEMA_SMALL_KEY];
	struct record r;

	if (record_decode(e->data, e->len, &r) != MQI_OK ||
	    r.type != types[v->table]) {
		record_finding(v, e, "a record is damaged");
		return;
	}
	if (schema_small_key(&r, key) != e->key_len ||
	    memcmp(key, e->key, e->key_len) != 0) {
		record_finding(v, e, "a record stands under another's key");
		return;
	}
	if (r.type == RECORD_META)
		(void)store_meta_epoch(&r.u.meta, &v->epoch);
	if (r.type == RECORD_OBJECT)
		take_object(v, &r.u.object);
}

static void
queues_entry(struct verify *v, const struct pages_entry *e)
{
	struct verify_queue *q = verify_queue(v, schema_get_u64(e->key));
	char name[VERIFY_WHERE];

	q->counted = true;
	if (!schema_counters_decode(q->id, e->data, e->len, &q->says)) {
		q->uncertain = true;
		verify_find(v, VERIFY_RECORD, verify_queue_name(v, q->id, name),
		    "its counters are damaged");
	}
}

static void
purges_entry(struct verify *v, const struct pages_entry *e)
{
	verify_queue(v, schema_get_u64(e->key))->purging = true;
}

/* ---- bodies ---- */

static struct verify_body *
body_in(struct verify_body **table, uint64_t id, bool add)
{
	struct verify_body *b;

	HASH_FIND(hh, *table, &id, sizeof(id), b);
	if (b == NULL && add) {
		b = mqmem_alloc(sizeof(*b));
		b->id = id;
		HASH_ADD(hh, *table, id, sizeof(id), b);
	}
	return b;
}

static void
shared_entry(struct verify *v, const struct pages_entry *e)
{
	struct verify_body *b =
	    body_in(&v->shared, schema_get_u64(e->key), true);

	if (!schema_shared_decode(b->id, e->data, e->len, &b->says))
		b->says = UINT32_MAX;
}

static void
bodies_entry(struct verify *v, const struct pages_entry *e)
{
	uint64_t id = schema_get_u64(e->key);

	if (v->n_bodies == 0 || id != v->last_body)
		v->n_bodies++;
	v->last_body = id;
	if (mqcrc32c(0, e->data, e->len) == schema_get_u32(e->key + 12))
		return;
	if (HASH_COUNT(v->bad_bodies) < BAD_BODIES_MAX)
		(void)body_in(&v->bad_bodies, id, true);
}

/* The first piece is there; *ret is its length. */
static bool
find_piece(struct verify *v, uint64_t body, uint32_t piece, uint32_t *ret)
{
	uint8_t key[SCHEMA_BODY_KEY];
	struct pages_entry e;

	schema_body_key(body, piece, 0, key);
	if (pages_find(&v->pages, &v->trees[T_BODIES], key, sizeof(key), &e) !=
		MQI_OK ||
	    e.key_len != sizeof(key) || memcmp(e.key, key, 12) != 0)
		return false;
	*ret = e.len;
	return true;
}

/* What is wrong with the body of a row; NULL: nothing. */
static const char *
body_wrong(struct verify *v, const struct schema_row *row)
{
	struct verify_body *bad = body_in(&v->bad_bodies, row->body_id, false);
	uint32_t n = row->inlined ? 0 : store_body_pieces(row->body_len);
	uint32_t left = row->body_len;
	uint32_t len;

	if (bad != NULL) {
		bad->has++;
		return "its bytes are not those that were put";
	}
	if (!find_piece(v, row->body_id, 0, &len))
		return "its body is lost";
	if (len != row->desc_len + (row->inlined ? row->body_len : 0))
		return "its body has another length";
	for (uint32_t i = 1; i <= n; i++) {
		uint32_t want = left < MQFRAME_PIECE ? left : MQFRAME_PIECE;

		if (!find_piece(v, row->body_id, i, &len))
			return "a piece of its body is lost";
		if (len != want)
			return "a piece of its body has another length";
		left -= want;
	}
	return NULL;
}

static void
hold_body(struct verify *v, const struct schema_row *row, uint32_t n)
{
	struct verify_body *b = NULL;

	if (row->in_segment) {
		v->n_packed++;
		return;
	}
	if (row->shared)
		b = body_in(&v->shared, row->body_id, false);
	if (b == NULL || b->has == 0)
		v->n_held++;
	if (b != NULL)
		b->has += n;
}

/* ---- rows ---- */

void
verify_message(struct verify *v, enum verify_kind kind,
    const struct record_key *key, const char *what)
{
	char queue[VERIFY_WHERE];
	char where[VERIFY_WHERE + 64];

	(void)snprintf(where, sizeof(where),
	    "%s, message %" PRIu64 " of priority %u",
	    verify_queue_name(v, key->queue_id, queue), key->seq,
	    key->rank <= 9 ? 9u - key->rank : 0u);
	verify_find(v, kind, where, "%s", what);
}

static bool
is_there(
    struct verify *v, enum verify_table table, const uint8_t *key, uint32_t len)
{
	struct pages_entry e;

	return pages_find(&v->pages, &v->trees[table], key, len, &e) ==
		   MQI_OK &&
	       e.key_len == len && memcmp(e.key, key, len) == 0;
}

static void
check_indexes(struct verify *v, const struct record_key *key,
    const struct pages_entry *e, const struct schema_row *row)
{
	const uint8_t *ids[] = {row->msg_id, row->correl_id};

	static const enum store_id_kind kinds[] = {
	    STORE_ID_MSG, STORE_ID_CORREL};

	static const char *const texts[] = {"it is not found by its message id",
	    "it is not found by its correlation id"};
	uint8_t id_key[SCHEMA_ID_KEY];
	uint8_t np[SCHEMA_NP_KEY];

	for (unsigned i = 0; i < 2; i++) {
		if (!schema_id_is_set(ids[i]) || (i == 0 && row->id_from_body))
			continue;
		v->n_ids++;
		schema_id_key(key, kinds[i], ids[i], id_key);
		if (!is_there(v, T_IDS, id_key, sizeof(id_key)))
			verify_message(v, VERIFY_INDEX, key, texts[i]);
	}
	if (!row->non_persistent)
		return;
	v->n_np++;
	schema_np_key(row->epoch, e->key, np);
	if (!is_there(v, T_NP, np, sizeof(np)))
		verify_message(v, VERIFY_INDEX, key,
		    "it would not be discarded by a start");
}

static void
count_row(struct verify_queue *q, const struct schema_row *row)
{
	if (!row->non_persistent) {
		q->has.depth++;
		q->has.bytes += row->body_len;
	} else if (row->epoch == q->says.np_epoch) {
		q->has.np_depth++;
		q->has.np_bytes += row->body_len;
	}
}

static void
rows_entry(struct verify *v, const struct pages_entry *e)
{
	struct record_key key = schema_row_key_decode(e->key);
	struct verify_queue *q = verify_queue(v, key.queue_id);
	struct schema_row row;
	const char *why;

	if (!schema_row_decode(e->key, e->data, e->len, &row)) {
		/* it counts as a message until it is set aside */
		q->has.depth++;
		q->uncertain = true;
		verify_message(v, VERIFY_MESSAGE, &key, "its row is damaged");
		return;
	}
	count_row(q, &row);
	hold_body(v, &row, 1);
	why =
	    row.in_segment ? verify_segment_row(v, &row) : body_wrong(v, &row);
	if (why != NULL)
		verify_message(v, VERIFY_MESSAGE, &key, why);
	check_indexes(v, &key, e, &row);
}

static void
limbo_entry(struct verify *v, const struct pages_entry *e)
{
	uint64_t id = schema_get_u64(e->key);
	struct schema_row row;
	uint32_t n;

	if (!schema_limbo_decode(id, e->data, e->len, &n, &row)) {
		record_finding(v, e, "a removed message's record is damaged");
		return;
	}
	hold_body(v, &row, n);
}

static void
staged_entry(struct verify *v, const struct pages_entry *e)
{
	uint8_t key[SCHEMA_BODY_KEY];
	uint64_t id = schema_get_u64(e->key + 4);
	struct pages_entry body;

	schema_body_key(id, 0, 0, key);
	if (pages_find(&v->pages, &v->trees[T_BODIES], key, sizeof(key),
		&body) == MQI_OK &&
	    body.key_len == sizeof(key) && memcmp(body.key, key, 8) == 0)
		v->n_held++;
}

const struct verify_table_info verify_tables[T_COUNT] = {
    [T_STORE] = {"store", true, false, 0, store_entry, false},
    [T_META] = {"meta", true, false, 0, record_entry, false},
    [T_OBJECTS] = {"objects", true, false, 0, record_entry, false},
    [T_QUEUES] = {"queues", true, false, 8, queues_entry, false},
    [T_STREAMS] = {"streams", true, false, 8, record_entry, false},
    [T_POSITIONS] = {"positions", true, false, 0, record_entry, false},
    [T_PURGES] = {"purges", false, true, 8, purges_entry, false},
    [T_SHARED] = {"shared", false, false, 8, shared_entry, false},
    [T_NP] = {"np", false, true, SCHEMA_NP_KEY, NULL, false},
    [T_IDS] = {"ids", false, true, SCHEMA_ID_KEY, NULL, false},
    [T_STAGED] = {"staged", false, true, SCHEMA_STAGED_KEY, staged_entry,
	false},
    [T_BODIES] = {"bodies", false, false, SCHEMA_BODY_KEY, bodies_entry, false},
    [T_LIMBO] = {"limbo", false, false, 8, limbo_entry, false},
    [T_LIVE] = {"live", false, false, 8, verify_live_entry, true},
    [T_SEGMENTS] = {"segments", false, false, 8, verify_segment_entry, true},
    [T_ROWS] = {"rows", false, false, SCHEMA_ROW_KEY, rows_entry, false},
};

/* ---- one against the other ---- */

static void
check_queue(struct verify *v, const struct verify_queue *q)
{
	char where[VERIFY_WHERE];

	(void)verify_queue_name(v, q->id, where);
	if (q->purging)
		return;
	if (!q->counted) {
		verify_find(v,
		    q->name[0] != '\0' ? VERIFY_RECORD : VERIFY_COUNTER, where,
		    "it has no counters");
		return;
	}
	if (q->uncertain && q->says.depth == q->has.depth)
		return;
	if (q->says.depth != q->has.depth || q->says.bytes != q->has.bytes)
		verify_find(v, VERIFY_COUNTER, where,
		    "it counts %" PRIu64 " messages of %" PRIu64
		    " bytes, and has %" PRIu64 " of %" PRIu64,
		    q->says.depth, q->says.bytes, q->has.depth, q->has.bytes);
	/* fewer are none: a start has begun to discard them */
	if (q->says.np_epoch == v->epoch && q->has.np_depth > q->says.np_depth)
		verify_find(v, VERIFY_COUNTER, where,
		    "it counts %u non-persistent messages, and has %u",
		    q->says.np_depth, q->has.np_depth);
}

static void
check_bodies(struct verify *v)
{
	const struct verify_body *b;

	for (b = v->shared; b != NULL; b = b->hh.next) {
		char where[VERIFY_WHERE];

		if (b->says == b->has)
			continue;
		(void)snprintf(
		    where, sizeof(where), "shared, body %" PRIx64, b->id);
		verify_find(v, VERIFY_ROOM, where,
		    "%u messages have it, and %u are counted", b->has, b->says);
	}
	for (b = v->bad_bodies; b != NULL; b = b->hh.next) {
		char where[VERIFY_WHERE];

		if (b->has > 0)
			continue;
		(void)snprintf(
		    where, sizeof(where), "bodies, body %" PRIx64, b->id);
		verify_find(v, VERIFY_ROOM, where,
		    "it is damaged, and no message has it");
	}
	if (v->n_bodies > v->n_held)
		verify_find(v, VERIFY_ROOM, "bodies",
		    "%" PRIu64 " belong to no message",
		    v->n_bodies - v->n_held);
}

void
verify_totals(struct verify *v)
{
	const struct verify_queue *q;
	const struct pages_tree *ids = &v->trees[T_IDS];
	const struct pages_tree *np = &v->trees[T_NP];

	if (!v->has_format && v->present[T_STORE] && !v->cut[T_STORE])
		verify_find(v, VERIFY_RECORD, "store", "the format is missing");
	for (q = v->queues; q != NULL; q = q->hh.next)
		check_queue(v, q);
	check_bodies(v);
	verify_segment_totals(v);
	if (ids->entries > v->n_ids)
		verify_find(v, VERIFY_INDEX, "ids",
		    "%" PRIu64 " name no message", ids->entries - v->n_ids);
	if (np->entries > v->n_np)
		verify_find(v, VERIFY_INDEX, "np",
		    "%" PRIu64 " name no message", np->entries - v->n_np);
}

static void
free_bodies(struct verify_body *table)
{
	struct verify_body *b;
	struct verify_body *next;

	HASH_ITER (hh, table, b, next) {
		HASH_DEL(table, b);
		free(b);
	}
}

void
verify_fini(struct verify *v)
{
	struct verify_queue *q;
	struct verify_queue *next;

	HASH_ITER (hh, v->queues, q, next) {
		HASH_DEL(v->queues, q);
		free(q);
	}
	free_bodies(v->shared);
	free_bodies(v->bad_bodies);
	verify_segment_fini(v);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_segment.c - segments (store_lmdb_segment.c): each of their messages
 * by its checksums, and against the row at the place that its entry names.
 *
 * Segments are walked before rows, so each value is read once.  A message
 * whose bytes are wrong is named from its segment, which knows its place; what
 * not even the entry tells is remembered until its row comes.
 *
 * Neighbours: verify_table.c has the other tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/store/store_impl.h"
#include "qmgr/store/verify_impl.h"

#define BAD_SLOTS_MAX 100000u

static struct verify_slot *
slot_in(struct verify_slot **table, uint64_t segment, uint64_t slot, bool add)
{
	struct verify_slot like = {.at = {segment, slot}};
	struct verify_slot *s;

	HASH_FIND(hh, *table, &like.at, sizeof(like.at), s);
	if (s == NULL && add && HASH_COUNT(*table) < BAD_SLOTS_MAX) {
		s = mqmem_alloc(sizeof(*s));
		s->at = like.at;
		HASH_ADD(hh, *table, at, sizeof(s->at), s);
	}
	return s;
}

static void
segment_finding(
    struct verify *v, enum verify_kind kind, uint64_t segment, const char *what)
{
	char where[VERIFY_WHERE];

	(void)snprintf(
	    where, sizeof(where), "segments, segment %" PRIx64, segment);
	verify_find(v, kind, where, "%s", what);
}

void
verify_live_entry(struct verify *v, const struct pages_entry *e)
{
	uint64_t segment = schema_get_u64(e->key);
	uint32_t live = 0;
	uint32_t n = 0;
	struct verify_slot *s;

	if (!schema_live_decode(segment, e->data, e->len, &live, &n)) {
		segment_finding(v, VERIFY_ROOM, segment,
		    "the count of its messages is damaged: it stays for ever");
		live = UINT32_MAX;
	}
	s = slot_in(&v->lives, segment, VERIFY_WHOLE, true);
	if (s != NULL)
		s->live = live;
}

/* Whether the row that a table has under the key is that of the entry. */
static bool
is_holder(struct verify *v, enum verify_table table, const uint8_t *key,
    uint32_t len, const struct verify_slot *at)
{
	struct pages_entry e;
	struct schema_row row;
	uint32_t count = 0;
	bool good;

	if (!v->present[table] ||
	    pages_find(&v->pages, &v->trees[table], key, len, &e) != MQI_OK ||
	    e.key_len != len || memcmp(e.key, key, len) != 0 || e.data == NULL)
		return false;
	if (table == T_ROWS)
		good = schema_row_decode(key, e.data, e.len, &row);
	else
		good = schema_limbo_decode(
		    schema_get_u64(key), e.data, e.len, &count, &row);
	return good && row.in_segment && row.segment == at->at.segment &&
	       row.slot == at->at.slot;
}

/* One message; true: it is still there. */
static bool
check_entry(struct verify *v, const struct pages_entry *e, uint64_t segment,
    uint16_t slot)
{
	const struct verify_slot at = {.at = {segment, slot}};
	struct schema_entry x;
	uint8_t key[SCHEMA_ROW_KEY];
	uint8_t body[8];

	if (!schema_entry_at(segment, e->data, e->len, slot, &x)) {
		(void)slot_in(&v->bad_slots, segment, slot, true);
		return false;
	}
	schema_row_key(&x.key, key);
	schema_u64(body, x.body_id);
	if (!is_holder(v, T_ROWS, key, sizeof(key), &at))
		return is_holder(v, T_LIMBO, body, sizeof(body), &at);
	if (mqcrc32c(0, e->data + x.offset, x.len) != x.crc)
		verify_message(v, VERIFY_MESSAGE, &x.key,
		    "its bytes are not those that were put");
	return true;
}

static void
check_count(struct verify *v, uint64_t segment, uint32_t n, uint32_t has)
{
	const struct verify_slot *s =
	    slot_in(&v->lives, segment, VERIFY_WHOLE, false);
	uint32_t says = s != NULL ? s->live : n;

	if (says == UINT32_MAX || says == has)
		return;
	segment_finding(v, says < has ? VERIFY_COUNTER : VERIFY_ROOM, segment,
	    says < has ? "it has more messages than it counts"
		       : "it counts more messages than it has");
}

void
verify_segment_entry(struct verify *v, const struct pages_entry *e)
{
	uint64_t segment = schema_get_u64(e->key);
	struct schema_segment s;
	size_t n_bad = HASH_COUNT(v->bad_slots);
	uint32_t has = 0;

	if (e->len == 0) {
		(void)slot_in(&v->bad_slots, segment, VERIFY_WHOLE, true);
		return;
	}
	if (!schema_segment_decode(segment, e->data, e->len, &s)) {
		segment_finding(v, VERIFY_ROOM, segment,
		    "its foot is damaged: it stays for ever");
		s.n = (uint32_t)(e->len / SCHEMA_SEGMENT_ENTRY);
	}
	for (uint32_t i = 0; i < s.n && i <= UINT16_MAX; i++)
		if (check_entry(v, e, segment, (uint16_t)i))
			has++;
	v->n_placed += has;
	if (HASH_COUNT(v->bad_slots) == n_bad)
		check_count(v, segment, s.n, has);
}

const char *
verify_segment_row(struct verify *v, const struct schema_row *row)
{
	uint8_t key[8];
	struct pages_entry e;

	schema_u64(key, row->segment);
	if (pages_find(&v->pages, &v->trees[T_SEGMENTS], key, sizeof(key),
		&e) != MQI_OK ||
	    e.key_len != sizeof(key) || memcmp(e.key, key, sizeof(key)) != 0)
		return "its segment is lost";
	if (slot_in(&v->bad_slots, row->segment, VERIFY_WHOLE, false) != NULL)
		return "its segment cannot be read";
	if (slot_in(&v->bad_slots, row->segment, row->slot, false) != NULL ||
	    ((uint32_t)row->slot + 1) * SCHEMA_SEGMENT_ENTRY > e.len)
		return "its segment does not say where its bytes are";
	return NULL;
}

void
verify_segment_totals(struct verify *v)
{
	uint64_t bad = HASH_COUNT(v->bad_slots);

	if (v->n_packed <= v->n_placed + bad || v->cut[T_SEGMENTS])
		return;
	verify_find(v, VERIFY_INDEX, "segments",
	    "%" PRIu64 " messages are not where their segments say",
	    v->n_packed - v->n_placed - bad);
}

static void
free_slots(struct verify_slot *table)
{
	struct verify_slot *s;
	struct verify_slot *next;

	HASH_ITER (hh, table, s, next) {
		HASH_DEL(table, s);
		free(s);
	}
}

void
verify_segment_fini(struct verify *v)
{
	free_slots(v->lives);
	free_slots(v->bad_slots);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_segment.c - small messages packed into segments: that they are,
 * that they go, what damage takes with it, and that a message is found by an id
 * that stands in no index.
 *
 * Tests look into and damage a store through LMDB itself, while it is closed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <lmdb.h>

#include "base/crc32c.h"
#include "qmgr/store/store_lmdb_apply.h"
#include "qmgr/store/store_lmdb_load.h"
#include "tests/unit/store/hand.h"
#include "tests/unit/store/harness.h"

#define Q1 HARNESS_Q1
#define Q2 HARNESS_Q2
#define DESC_LEN 20u

static int
setup(void **state)
{
	*state = &harness_kinds[HARNESS_LMDB];
	return harness_setup(state);
}

/* Flips a bit of the only segment; a negative place is from its end. */
static void
flip_segment(const struct harness *h, long at)
{
	struct hand x = hand_open(h);
	MDB_dbi dbi = hand_table(&x, "segments");
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val val;
	uint8_t *copy;

	assert_int_equal(mdb_cursor_open(x.txn, dbi, &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &val, MDB_FIRST), 0);
	copy = malloc(val.mv_size);
	memcpy(copy, val.mv_data, val.mv_size);
	copy[at >= 0 ? (size_t)at : val.mv_size - (size_t)-at] ^= 4;
	val.mv_data = copy;
	assert_int_equal(mdb_cursor_put(cursor, &key, &val, MDB_CURRENT), 0);
	free(copy);
	mdb_cursor_close(cursor);
	hand_close(&x);
}

/* ---- messages ---- */

static uint64_t
body_of(uint64_t queue, uint64_t seq)
{
	return queue * 1000000 + seq;
}

static void
remove_at(struct harness *h, uint64_t seq)
{
	struct record_key key = harness_key(Q1, 0, seq);

	harness_remove(h, &key, body_of(Q1, seq), RECORD_REMOVE_RELEASE);
}

/* ---- packed ---- */

static void
test_small_messages_share_a_value(void **state)
{
	struct harness *h = *state;
	struct store_load *l;
	struct record_key key = harness_key(Q1, 0, 1001);

	for (uint64_t seq = 1; seq <= 1000; seq++)
		harness_put_at(h, seq % 2 == 0 ? Q1 : Q2, seq);
	harness_put(h, &key, 5, 17000, 0); /* not a small one */
	harness_commit(h);
	harness_close(h);
	/* 30 bytes and 37 of each; body ids of two ranges take turns */
	assert_in_range(hand_entries(h, "segments"), 2, 1000);
	assert_int_equal(hand_entries(h, "bodies"), 1);
	assert_int_equal(hand_entries(h, "live"), 0);
	harness_reopen(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 501);
	for (uint32_t i = 0; i < 500; i++) {
		const struct store_row *row = &l->rows[i];
		uint8_t body[10];

		assert_false(row->damaged);
		assert_non_null(row->data);
		harness_fill_body(row->body_id, body, 10);
		assert_memory_equal(row->data->data + DESC_LEN, body, 10);
	}
	(void)store_load_free(l);
	for (uint64_t seq = 1; seq <= 1000; seq++)
		assert_true(
		    harness_has_body(h, body_of(seq % 2 == 0 ? Q1 : Q2, seq)));
}

static void
test_segment_goes_with_its_last_message(void **state)
{
	struct harness *h = *state;

	for (uint64_t seq = 1; seq <= 100; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	/* in no order, and in several transactions */
	for (uint64_t i = 1; i <= 99; i++) {
		remove_at(h, i * 37 % 101);
		if (i % 30 == 0)
			harness_commit(h);
	}
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 1);
	assert_false(harness_has_body(h, body_of(Q1, 37)));
	harness_close(h);
	assert_int_equal(hand_entries(h, "segments"), 1);
	assert_int_equal(hand_entries(h, "live"), 1);
	harness_reopen(h);
	remove_at(h, 100 * 37 % 101);
	harness_commit(h);
	harness_close(h);
	assert_int_equal(hand_entries(h, "segments"), 0);
	assert_int_equal(hand_entries(h, "live"), 0);
}

static struct lmdb_writer
writer_open(struct harness *h, struct lmdb_env *e, struct store_why *why)
{
	struct lmdb_writer w;

	memset(e, 0, sizeof(*e));
	assert_int_equal(
	    lmdb_env_open(e, h->dir.path, &h->options.lmdb, why), MQI_OK);
	assert_int_equal(lmdb_writer_init(&w, e, why), MQI_OK);
	return w;
}

static void
test_what_came_and_went_in_one_transaction_is_not_written(void **state)
{
	struct harness *h = *state;
	struct lmdb_env e;
	struct lmdb_writer w;
	struct store_why why = {0};
	uint64_t number;

	harness_close(h);
	w = writer_open(h, &e, &why);
	number = h->submitted;
	for (uint64_t seq = 1; seq <= 50; seq++)
		harness_put_at(h, Q1, seq);
	for (uint64_t seq = 1; seq <= 50; seq++)
		remove_at(h, seq);
	assert_int_equal(lmdb_writer_begin(&w), MQI_OK);
	assert_int_equal(lmdb_writer_apply(&w, h->batch), MQI_OK);
	assert_int_equal(lmdb_writer_commit(&w, number), MQI_OK);
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	h->batch = store_batch_free(h->batch);
	assert_int_equal(hand_entries(h, "segments"), 0);
	assert_int_equal(hand_entries(h, "rows"), 0);
}

/* A recovery leaves out a record that contradicts what is stored. */
static void
test_put_that_is_left_out_leaves_nothing(void **state)
{
	struct harness *h = *state;
	struct lmdb_env e;
	struct lmdb_writer w;
	struct store_why why = {0};

	harness_put_at(h, Q1, 1);
	harness_commit(h);
	harness_close(h);
	w = writer_open(h, &e, &why);
	hand_put_made(h, harness_key(Q1, 0, 1), 7001);
	assert_int_equal(lmdb_writer_begin(&w), MQI_OK);
	assert_int_equal(lmdb_writer_apply(&w, h->batch), MQI_E_STORE_FAILED);
	memset(&why, 0, sizeof(why));
	assert_int_equal(lmdb_writer_commit(&w, h->submitted), MQI_OK);
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	h->batch = store_batch_free(h->batch);
	assert_int_equal(hand_entries(h, "segments"), 1);
	assert_int_equal(hand_entries(h, "rows"), 1);
}

static void
test_transaction_says_when_it_is_full(void **state)
{
	struct harness *h = *state;
	struct lmdb_env e;
	struct lmdb_writer w;
	struct store_why why = {0};
	uint64_t seq = 0;
	uint64_t bytes = 0;

	harness_close(h);
	w = writer_open(h, &e, &why);
	assert_int_equal(lmdb_writer_begin(&w), MQI_OK);
	assert_false(lmdb_writer_is_full(&w));
	while (!lmdb_writer_is_full(&w)) {
		struct record_key key = harness_key(Q1, 0, ++seq);

		harness_put(h, &key, seq, 1000, 0);
		bytes += h->batch->records.len;
		assert_true(bytes < 16u << 20);
		assert_int_equal(lmdb_writer_apply(&w, h->batch), MQI_OK);
		mqbuf_reset(&h->batch->records);
	}
	assert_true(bytes > 8u << 20);
	lmdb_writer_abort(&w);
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	h->batch = store_batch_free(h->batch);
}

/* ---- found ---- */

static void
test_made_id_is_found_without_an_index(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(Q1, 2, 7);
	struct record_key before = harness_key(Q1, 2, 6);

	hand_put_made(h, key, 5001);
	hand_put_made(h, harness_key(Q1, 2, 8), 5003);
	hand_put_made(h, harness_key(Q2, 0, 1), 5005);
	harness_commit(h);
	assert_int_equal(hand_found(h, Q1, 5001, NULL), 1);
	assert_int_equal(hand_found(h, Q1, 5001, &before), 1);
	assert_int_equal(hand_found(h, Q1, 5001, &key), 0);
	assert_int_equal(hand_found(h, Q2, 5001, NULL), 0);
	assert_int_equal(hand_found(h, Q2, 5005, NULL), 1);
	assert_int_equal(hand_found(h, Q1, 5002, NULL), 0);
	harness_remove(h, &key, 5001, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(hand_found(h, Q1, 5001, NULL), 0);
	assert_int_equal(hand_found(h, Q1, 5003, NULL), 1);
	harness_close(h);
	assert_int_equal(hand_entries(h, "ids"), 0);
}

/* The same id at several messages: a copy has another body. */
static void
test_made_id_of_several_messages_is_found_in_order(void **state)
{
	struct harness *h = *state;
	struct record_key key;
	struct store_load *l = store_load_new();
	struct record_put v = {.n_places = 1,
	    .places = &key,
	    .desc = "descriptor",
	    .desc_len = 10,
	    .body = "body",
	    .body_len = 4,
	    .body_crc = mqcrc32c(0, "body", 4)};

	hand_made_id(v.msg_id, 6001);
	for (uint64_t i = 0; i < 3; i++) {
		key = harness_key(Q1, 0, 10 + i);
		v.body_id = i == 1 ? 6001 : 6010 + i;
		record_encode_put(harness_records(h), 0, &v);
	}
	harness_commit(h);
	l->kind = STORE_LOAD_BY_ID;
	l->queue_id = Q1;
	l->from_start = true;
	l->max_rows = 10;
	l->id_kind = STORE_ID_MSG;
	hand_made_id(l->id, 6001);
	l = harness_load(h, l);
	assert_int_equal(l->n_rows, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(l->rows[i].key.seq, 10 + i);
	(void)store_load_free(l);
	harness_close(h);
	assert_int_equal(hand_entries(h, "ids"), 2);
}

static void
test_restored_elsewhere_is_found_there(void **state)
{
	struct harness *h = *state;
	struct record_restore back = {
	    .key = harness_key(Q2, 1, 99), .body_id = 5001};
	struct record_key key = harness_key(Q1, 2, 7);

	hand_put_made(h, key, 5001);
	hand_put_made(h, harness_key(Q1, 2, 8), 5003);
	harness_commit(h);
	harness_remove(h, &key, 5001, 0);
	harness_commit(h);
	assert_true(harness_has_body(h, 5001));
	assert_int_equal(hand_found(h, Q1, 5001, NULL), 0);
	record_encode_restore(harness_records(h), 0, &back);
	harness_commit(h);
	assert_int_equal(hand_found(h, Q2, 5001, NULL), 1);
	assert_true(harness_has_body(h, 5001));
	/* what is left of the segment goes without it */
	key.seq = 8;
	harness_remove(h, &key, 5003, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(hand_found(h, Q2, 5001, NULL), 1);
	harness_close(h);
	assert_int_equal(hand_entries(h, "segments"), 0);
	assert_int_equal(hand_entries(h, "bodies"), 1);
	assert_int_equal(hand_entries(h, "ids"), 1);
}

/* ---- damage ---- */

static void
test_damage_takes_one_message_at_most(void **state)
{
	struct harness *h = *state;

	/* an entry; the foot; the data of the first one, already removed */
	static const struct {
		long at;
		uint64_t hits; /* the message, or 0 */
	} cases[] = {
	    {-28 - 3 * 37 + 20, 3}, {-1, 0}, {-20, 0}, {25, 0}, {70, 3}};

	for (uint64_t seq = 1; seq <= 5; seq++)
		hand_put_made(h, harness_key(Q1, 0, seq), 2 * seq);
	harness_commit(h);
	for (size_t c = 0; c < MQ_ARRAY_LEN(cases); c++) {
		struct store_load *l;

		harness_close(h);
		flip_segment(h, cases[c].at);
		harness_reopen(h);
		l = harness_rows(h, Q1);
		assert_int_equal(l->n_rows, 5);
		for (uint64_t i = 0; i < 5; i++) {
			bool hit = c == 3   ? i == 1
				   : c == 4 ? i == 4
					    : i + 1 == cases[c].hits;

			assert_int_equal(l->rows[i].damaged, hit);
			assert_int_equal(
			    hand_found(h, Q1, 2 * (i + 1), NULL), !hit);
		}
		(void)store_load_free(l);
		harness_close(h);
		flip_segment(h, cases[c].at);
		harness_reopen(h);
	}
}

/* What is wrong among five messages after one byte has changed. */
static void
check_five(struct harness *h, size_t at, unsigned *n_hit)
{
	struct lmdb_env e = {0};
	struct lmdb_reader r = {.e = &e};
	struct store_why why = {0};
	struct store_load *l = store_load_new();
	unsigned hit = 0;

	assert_int_equal(
	    lmdb_env_open(&e, h->dir.path, &h->options.lmdb, &why), MQI_OK);
	l->kind = STORE_LOAD_ROWS;
	l->queue_id = Q1;
	l->from_start = true;
	l->max_rows = 10;
	l->max_bytes = 1000;
	lmdb_reader_load(&r, l);
	assert_int_equal(l->n_rows, 5);
	for (uint32_t i = 0; i < 5; i++) {
		struct store_load *id = store_load_new();
		const struct store_row *row = &l->rows[i];

		id->kind = STORE_LOAD_BY_ID;
		id->queue_id = Q1;
		id->from_start = true;
		id->max_rows = 1;
		id->max_bytes = 1000;
		id->id_kind = STORE_ID_MSG;
		hand_made_id(id->id, 2 * (i + 1));
		lmdb_reader_load(&r, id);
		hit += row->damaged;
		if (!row->damaged) {
			assert_memory_equal(
			    row->data->data, "descriptorbody", 14);
			if (id->n_rows != 1)
				fail_msg("byte %zu: message %u is not found",
				    at, i + 1);
		}
		(void)store_load_free(id);
	}
	assert_true(hit <= 1);
	*n_hit += hit;
	(void)store_load_free(l);
	lmdb_reader_fini(&r);
	lmdb_env_close(&e);
}

static void
test_no_byte_takes_more_than_its_message(void **state)
{
	struct harness *h = *state;
	const size_t size = 5 * 14 + 5 * 37 + 28;
	unsigned n_hit = 0;

	for (uint64_t seq = 1; seq <= 5; seq++)
		hand_put_made(h, harness_key(Q1, 0, seq), 2 * seq);
	harness_commit(h);
	harness_close(h);
	for (size_t at = 0; at < size; at++) {
		flip_segment(h, (long)at);
		check_five(h, at, &n_hit);
		flip_segment(h, (long)at);
	}
	/* all but the foot belongs to a message */
	assert_int_equal(n_hit, size - 28);
}

static void
test_count_that_is_damaged_keeps_the_segment(void **state)
{
	struct harness *h = *state;
	struct hand x;
	MDB_dbi dbi;
	MDB_val key;
	MDB_val val = {12, (void *)(uintptr_t) "not a count "};
	uint8_t k[8];

	for (uint64_t seq = 1; seq <= 5; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	remove_at(h, 1);
	harness_commit(h);
	harness_close(h);
	x = hand_open(h);
	dbi = hand_table(&x, "live");
	schema_u64(k, body_of(Q1, 1));
	key = lmdb_val(k, sizeof(k));
	assert_int_equal(mdb_put(x.txn, dbi, &key, &val, 0), 0);
	hand_close(&x);
	harness_reopen(h);
	for (uint64_t seq = 2; seq <= 4; seq++)
		remove_at(h, seq);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 1);
	assert_true(harness_has_body(h, body_of(Q1, 5)));
	remove_at(h, 5);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 0);
	harness_close(h);
	assert_int_equal(hand_entries(h, "segments"), 1);
}

/* ---- the sweep ---- */

/* 1,200 segments of 8 messages; all but the last one of each are removed. */
static void
test_sweep_empties_segments_that_old_messages_keep(void **state)
{
	struct harness *h = *state;
	const uint64_t n = 1200;
	struct lmdb_env e;
	struct lmdb_writer w;
	struct store_why why = {0};
	struct record_key key = harness_key(Q1, 0, 0);

	for (uint64_t s = 0; s < n; s++)
		for (uint64_t i = 0; i < 8; i++) {
			key.seq = s * 8 + i + 1;
			/* as far from the next as a segment reaches */
			hand_put_made(h, key, (s + 1) * 10000 + 2 * i);
		}
	harness_commit(h);
	for (uint64_t s = 0; s < n; s++)
		for (uint64_t i = 0; i < 7; i++) {
			key.seq = s * 8 + i + 1;
			harness_remove(h, &key, (s + 1) * 10000 + 2 * i,
			    (uint8_t)(s % 100 != 0));
		}
	harness_commit(h);
	harness_close(h);
	w = writer_open(h, &e, &why);
	for (unsigned i = 0; i < 1000 && w.sweep; i++)
		assert_int_equal(lmdb_writer_sweep(&w), MQI_OK);
	assert_false(w.sweep);
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	assert_true(hand_entries(h, "segments") <= 1024);
	assert_in_range(hand_entries(h, "bodies"), n - 1024, n * 8);
	harness_reopen(h);
	harness_assert_depth(h, Q1, n, n * 4);
	for (uint64_t s = 0; s < n; s += 7) {
		uint64_t last = (s + 1) * 10000 + 14;

		assert_int_equal(hand_found(h, Q1, last, NULL), 1);
		assert_true(harness_has_body(h, last));
		assert_int_equal(hand_found(h, Q1, last - 2, NULL), 0);
	}
	for (uint64_t s = 0; s < n; s++) {
		key.seq = s * 8 + 8;
		harness_remove(h, &key, (s + 1) * 10000 + 14, 1);
	}
	harness_commit(h);
	harness_reopen(h); /* what was kept goes with the start */
	harness_close(h);
	assert_int_equal(hand_entries(h, "segments"), 0);
	assert_int_equal(hand_entries(h, "live"), 0);
	assert_int_equal(hand_entries(h, "bodies"), 0);
	assert_int_equal(hand_entries(h, "ids"), 0);
}

/* ---- room ---- */

static int
give_nothing(void *arg, int fd, uint64_t len)
{
	(void)arg;
	(void)fd;
	(void)len;
	return ENOSPC;
}

/* What is most of a store for its record: no body, and ids in no order. */
static void
put_worst(struct harness *h, uint64_t i)
{
	static const uint8_t desc[96];
	struct record_key key = harness_key(i % 2 == 0 ? Q1 : Q2, 0, i);
	struct record_put v = {.body_id = 1000000 + 3 * i,
	    .n_places = 1,
	    .places = &key,
	    .desc = desc,
	    .desc_len = sizeof(desc)};

	schema_u64(v.msg_id, i * UINT64_C(0x9e3779b97f4a7c15));
	schema_u64(v.correl_id, i * UINT64_C(0xc2b2ae3d27d4eb4f));
	record_encode_put(harness_records(h), 0, &v);
}

static void
apply(struct lmdb_writer *w, struct harness *h, bool last)
{
	MDB_envinfo info;

	if (h->batch == NULL || (!last && h->batch->records.len < 200000))
		return;
	if (w->txn == NULL)
		assert_int_equal(lmdb_writer_begin(w), MQI_OK);
	assert_int_equal(lmdb_writer_apply(w, h->batch), MQI_OK);
	mqbuf_reset(&h->batch->records);
	if (!last && !lmdb_writer_is_full(w))
		return;
	assert_int_equal(lmdb_writer_commit(w, h->submitted), MQI_OK);
	assert_int_equal(lmdb_room_update(w->e, w->why), MQI_OK);
	/* not a byte more than the disk has given */
	assert_int_equal(mdb_env_info(w->e->env, &info), 0);
	assert_true(
	    (info.me_last_pgno + 1) * w->e->page_size <= w->e->allocated);
}

static void
test_full_disk_takes_a_full_journal_and_a_drain(void **state)
{
	struct harness *h = *state;
	struct lmdb_env e;
	struct lmdb_writer w;
	struct store_why why = {0};
	const uint64_t journal = UINT64_C(8) << 20;
	const uint64_t n = journal / 205;
	uint64_t big = 0;
	bool room = false;

	harness_close(h);
	w = writer_open(h, &e, &why);
	assert_int_equal(lmdb_room_grow(&e, journal, &room, &why), MQI_OK);
	assert_true(room);
	h->options.lmdb.allocate = give_nothing;
	while (atomic_load(&e.has_room)) {
		struct record_key key = harness_key(Q1, 1, ++big);

		harness_put(h, &key, big, 60000, 0);
		apply(&w, h, false);
		assert_true(big < 10000);
	}
	assert_int_equal(lmdb_room_grow(&e, 2 * journal, &room, &why), MQI_OK);
	assert_false(room);
	for (uint64_t i = 1; i <= n; i++) {
		put_worst(h, i);
		apply(&w, h, false);
	}
	apply(&w, h, true);
	/* in no order: 7919 is prime to n */
	assert_int_not_equal(n % 7919, 0);
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t seq = i * 7919 % n + 1;
		struct record_key key =
		    harness_key(seq % 2 == 0 ? Q1 : Q2, 0, seq);

		harness_remove(h, &key, 1000000 + 3 * seq, 1);
		apply(&w, h, false);
	}
	for (uint64_t i = 1; i <= big; i++) {
		struct record_key key = harness_key(Q1, 1, i);

		harness_remove(h, &key, i, 1);
		apply(&w, h, false);
	}
	apply(&w, h, true);
	assert_true(atomic_load(&e.has_room));
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	h->batch = store_batch_free(h->batch);
	assert_int_equal(hand_entries(h, "rows"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, harness_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_small_messages_share_a_value),
	    TEST(test_segment_goes_with_its_last_message),
	    TEST(test_what_came_and_went_in_one_transaction_is_not_written),
	    TEST(test_put_that_is_left_out_leaves_nothing),
	    TEST(test_transaction_says_when_it_is_full),
	    TEST(test_made_id_is_found_without_an_index),
	    TEST(test_made_id_of_several_messages_is_found_in_order),
	    TEST(test_restored_elsewhere_is_found_there),
	    TEST(test_damage_takes_one_message_at_most),
	    TEST(test_no_byte_takes_more_than_its_message),
	    TEST(test_count_that_is_damaged_keeps_the_segment),
	    TEST(test_sweep_empties_segments_that_old_messages_keep),
	    TEST(test_full_disk_takes_a_full_journal_and_a_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

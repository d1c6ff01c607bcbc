/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store.c - what every store must do (store.h), run over the LMDB store
 * and over the one in memory: puts, loads, removals, and what a stop and start
 * leaves of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "proto/frame.h"
#include "tests/unit/store/harness.h"
#include "tests/unit/store/samples.h"

/* ---- put and load ---- */

static void
test_put_is_read_back_at_each_place(void **state)
{
	struct harness *h = *state;
	const struct sample *s = &samples[0];
	struct store_load *l;

	assert_int_equal(s->type, RECORD_PUT);
	s->encode(harness_records(h));
	harness_commit(h);
	l = harness_rows(h, 2);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].key.queue_id, 2);
	assert_int_equal(l->rows[0].key.seq, 3);
	assert_int_equal(l->rows[0].body_id, 0x2122232425262728);
	assert_memory_equal(
	    l->rows[0].msg_id, "message-id-of-24-bytes-", MQI_ID_LEN);
	assert_memory_equal(
	    l->rows[0].correl_id, "correlation-id-24-bytes", MQI_ID_LEN);
	assert_int_equal(l->rows[0].backout_count, 2);
	assert_int_equal(l->rows[0].body_crc, 0xc1c2c3c4);
	assert_int_equal(l->rows[0].body_len, 4);
	assert_int_equal(l->rows[0].desc_len, 10);
	assert_true(l->rows[0].persistent);
	assert_true(l->rows[0].inlined);
	assert_false(l->rows[0].damaged);
	assert_int_equal(l->rows[0].data->len, 14);
	assert_memory_equal(l->rows[0].data->data, "descriptorbody", 14);
	(void)store_load_free(l);
	assert_int_equal(harness_count(h, 0x0102030405060708), 1);
}

static void
test_put_of_a_body_beside_its_piece_is_split(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);
	struct store_load *l;

	harness_put(h, &key, 5, MQFRAME_PIECE, 0);
	key.seq = 2;
	harness_put(h, &key, 6, MQFRAME_PIECE - 20, 0);
	key.seq = 3;
	harness_put(h, &key, 7, 3 * MQFRAME_PIECE + 1, 0);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 3);
	assert_false(l->rows[0].inlined);
	assert_null(l->rows[0].data);
	assert_true(l->rows[1].inlined);
	assert_int_equal(l->rows[1].data->len, MQFRAME_PIECE);
	assert_false(l->rows[2].inlined);
	(void)store_load_free(l);
	harness_check_body(h, 5, MQFRAME_PIECE);
	harness_check_body(h, 7, 3 * MQFRAME_PIECE + 1);
}

static void
test_put_of_an_empty_body(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);
	struct store_load *l;

	harness_put(h, &key, 5, 0, 0);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].data->len, 20);
	(void)store_load_free(l);
	harness_assert_depth(h, HARNESS_Q1, 1, 0);
}

static void
test_rows_come_in_order_in_slices(void **state)
{
	struct harness *h = *state;
	/* not in order of delivery; another queue behind and before */
	const struct record_key keys[] = {harness_key(HARNESS_Q1, 9, 1),
	    harness_key(HARNESS_Q1, 4, 300), harness_key(HARNESS_Q1, 4, 2),
	    harness_key(HARNESS_Q1, 0, 400), harness_key(HARNESS_Q2, 0, 1),
	    harness_key(HARNESS_Q1 - 1, 9, 9)};
	const uint64_t order[] = {400, 2, 300, 1};
	struct store_load *l;
	size_t got = 0;

	for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++)
		harness_put(h, &keys[i], 100 + i, 10, 0);
	harness_commit(h);
	for (uint32_t slice = 1; slice <= 5; slice++) {
		struct record_key after = {0};
		bool end = false;

		for (got = 0; !end;) {
			l = store_load_new();
			l->kind = STORE_LOAD_ROWS;
			l->queue_id = HARNESS_Q1;
			l->from_start = got == 0;
			l->after = after;
			l->max_rows = slice;
			l = harness_load(h, l);
			for (uint32_t i = 0; i < l->n_rows; i++) {
				assert_int_equal(
				    l->rows[i].key.seq, order[got++]);
				assert_null(l->rows[i].data);
				after = l->rows[i].key;
			}
			end = l->end;
			assert_int_equal(end, got == 4);
			(void)store_load_free(l);
		}
	}
}

static void
test_rows_carry_data_within_max_bytes(void **state)
{
	struct harness *h = *state;
	struct store_load *l = store_load_new();
	const uint32_t lens[] = {100, 1000, 50};

	for (uint32_t i = 0; i < 3; i++) {
		struct record_key key = harness_key(HARNESS_Q1, 0, i);

		harness_put(h, &key, 1 + i, lens[i], 0);
	}
	harness_commit(h);
	l->kind = STORE_LOAD_ROWS;
	l->queue_id = HARNESS_Q1;
	l->from_start = true;
	l->max_rows = 10;
	l->max_bytes = 120 + 70; /* with descriptors of 20 */
	l = harness_load(h, l);
	assert_int_equal(l->n_rows, 3);
	assert_non_null(l->rows[0].data);
	assert_null(l->rows[1].data);
	assert_non_null(l->rows[2].data);
	(void)store_load_free(l);
}

static void
test_by_id_finds_in_order(void **state)
{
	struct harness *h = *state;
	struct store_load *l;
	struct record_key after = {0};
	uint64_t expected = 1;

	for (uint64_t seq = 0; seq < 12; seq++) {
		struct record_key key = harness_key(HARNESS_Q1, 0, seq);

		harness_put(h, &key, 300 + seq, 10, 0);
		key.queue_id = HARNESS_Q2;
		harness_put(h, &key, 600 + seq, 10, 0);
	}
	harness_commit(h);
	/* correlation id 1: each third; two at a time */
	for (bool end = false; !end;) {
		l = store_load_new();
		l->kind = STORE_LOAD_BY_ID;
		l->queue_id = HARNESS_Q1;
		l->id_kind = STORE_ID_CORREL;
		l->id[0] = 1;
		l->max_rows = 2;
		l->from_start = expected == 1;
		l->after = after;
		l = harness_load(h, l);
		for (uint32_t i = 0; i < l->n_rows; i++, expected += 3) {
			assert_int_equal(l->rows[i].key.seq, expected);
			after = l->rows[i].key;
		}
		end = l->end;
		(void)store_load_free(l);
	}
	assert_int_equal(expected, 13);
	l = store_load_new();
	l->kind = STORE_LOAD_BY_ID;
	l->queue_id = HARNESS_Q1;
	l->id_kind = STORE_ID_MSG;
	mqbuf_set_u64(l->id, 307);
	l->max_rows = 2;
	l->max_bytes = 1000;
	l->from_start = true;
	l = harness_load(h, l);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].key.seq, 7);
	assert_non_null(l->rows[0].data);
	assert_true(l->end);
	(void)store_load_free(l);
}

/* ---- removal ---- */

static void
test_remove_keeps_the_body_until_release(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);
	struct record_release release = {.body_id = 77};

	harness_put(h, &key, 77, 10, 0);
	harness_commit(h);
	harness_remove(h, &key, 77, 0);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	harness_assert_depth(h, HARNESS_Q1, 0, 0);
	assert_true(harness_has_body(h, 77));
	record_encode_release(harness_records(h), 0, &release);
	harness_commit(h);
	assert_false(harness_has_body(h, 77));
	/* released once more, removed once more: nothing */
	record_encode_release(harness_records(h), 0, &release);
	harness_remove(h, &key, 77, 0);
	harness_commit(h);
}

static void
test_remove_with_release_frees_the_body(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);

	harness_put(h, &key, 77, 10, 0);
	key.seq = 2;
	harness_put(h, &key, 78, 200000, 0);
	harness_commit(h);
	harness_remove(h, &key, 78, RECORD_REMOVE_RELEASE);
	key.seq = 1;
	harness_remove(h, &key, 77, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_false(harness_has_body(h, 77));
	assert_false(harness_has_body(h, 78));
	harness_assert_depth(h, HARNESS_Q1, 0, 0);
}

/* What was got and put back has a new body at its place; both removals and the
 * put between them come in one range of a checkpoint. */
static void
test_message_put_back_and_got_again_is_gone(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);

	harness_put(h, &key, 101, 10, 0);
	harness_commit(h);
	harness_remove(h, &key, 101, RECORD_REMOVE_RELEASE);
	harness_put(h, &key, 102, 10, 0);
	harness_remove(h, &key, 102, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	assert_false(harness_has_body(h, 101));
	assert_false(harness_has_body(h, 102));
	harness_assert_depth(h, HARNESS_Q1, 0, 0);
}

static void
test_restore_returns_the_message(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 3, 9);
	struct record_restore restore = {
	    .key = key, .body_id = 77, .backout_count = 5};
	struct store_load *l;

	harness_put(h, &key, 77, 10, 0);
	harness_commit(h);
	harness_remove(h, &key, 77, 0);
	harness_commit(h);
	record_encode_restore(harness_records(h), 0, &restore);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].key.rank, 3);
	assert_int_equal(l->rows[0].backout_count, 5);
	assert_int_equal(l->rows[0].body_len, 10);
	assert_non_null(l->rows[0].data);
	(void)store_load_free(l);
	harness_assert_depth(h, HARNESS_Q1, 1, 10);
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
}

static void
test_body_with_two_places_goes_with_the_last(void **state)
{
	struct harness *h = *state;
	const struct record_key places[] = {
	    harness_key(HARNESS_Q1, 0, 1), harness_key(HARNESS_Q2, 0, 2)};
	struct record_put put = {.body_id = 9,
	    .n_places = 2,
	    .places = places,
	    .desc = "d",
	    .desc_len = 1,
	    .body = "b",
	    .body_len = 1};
	struct record_restore restore = {.key = places[0], .body_id = 9};
	struct record_release release = {.body_id = 9};

	record_encode_put(harness_records(h), 0, &put);
	harness_commit(h);
	harness_remove(h, &places[0], 9, 0);
	harness_remove(h, &places[1], 9, 0);
	record_encode_restore(harness_records(h), 0, &restore);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
	assert_int_equal(harness_count(h, HARNESS_Q2), 0);
	record_encode_release(harness_records(h), 0, &release);
	harness_commit(h);
	assert_true(harness_has_body(h, 9));
	harness_reopen(h);
	assert_true(harness_has_body(h, 9));
	harness_remove(h, &places[0], 9, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_false(harness_has_body(h, 9));
}

static void
test_start_deletes_what_was_removed(void **state)
{
	struct harness *h = *state;
	const struct record_key places[] = {harness_key(HARNESS_Q1, 0, 1),
	    harness_key(HARNESS_Q1, 0, 2), harness_key(HARNESS_Q2, 0, 3)};
	struct record_put put = {.body_id = 9,
	    .n_places = 3,
	    .places = places,
	    .desc = "d",
	    .desc_len = 1,
	    .body = "b",
	    .body_len = 1};

	record_encode_put(harness_records(h), 0, &put);
	harness_put_at(h, HARNESS_Q1, 50);
	harness_commit(h);
	harness_remove(h, &places[0], 9, 0);
	harness_remove(h, &places[1], 9, 0);
	harness_commit(h);
	harness_reopen(h);
	assert_true(harness_has_body(h, 9));
	harness_assert_depth(h, HARNESS_Q1, 1, 10);
	harness_remove(h, &places[2], 9, 0);
	harness_commit(h);
	assert_true(harness_has_body(h, 9));
	harness_reopen(h);
	assert_false(harness_has_body(h, 9));
	harness_assert_depth(h, HARNESS_Q2, 0, 0);
}

static void
test_backout_sets_the_count(void **state)
{
	struct harness *h = *state;
	struct record_backout v = {
	    .key = harness_key(HARNESS_Q1, 0, 1), .count = 8};
	struct store_load *l;

	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	record_encode_backout(harness_records(h), 0, &v);
	v.key.seq = 999; /* not there: nothing */
	record_encode_backout(harness_records(h), 0, &v);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].backout_count, 8);
	assert_false(l->rows[0].damaged);
	(void)store_load_free(l);
}

static void
purge_of(void **state, uint64_t n)
{
	struct harness *h = *state;
	struct record_purge v = {.queue_id = HARNESS_Q1};
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);

	for (uint64_t seq = 0; seq < n; seq++)
		harness_put_at(h, HARNESS_Q1, seq);
	harness_put_at(h, HARNESS_Q2, 1);
	harness_commit(h);
	record_encode_purge(harness_records(h), &v);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	assert_int_equal(harness_count(h, HARNESS_Q2), 1);
	harness_assert_depth(h, HARNESS_Q1, 0, 0);
	/* what comes later stays, also if the purge goes on */
	record_encode_purge(harness_records(h), &v);
	harness_put(h, &key, 5, 10, 0);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
	harness_assert_depth(h, HARNESS_Q1, 1, 10);
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
	harness_assert_depth(h, HARNESS_Q1, 1, 10);
}

static void
test_purge_empties_a_queue(void **state)
{
	purge_of(state, 100);
}

static void
test_purge_empties_a_deep_queue(void **state)
{
	purge_of(state, 5000);
}

static void
test_purge_goes_on_after_a_start(void **state)
{
	struct harness *h = *state;
	struct record_purge v = {.queue_id = HARNESS_Q1};

	for (uint64_t seq = 0; seq < 5000; seq++)
		harness_put_at(h, HARNESS_Q1, seq);
	harness_commit(h);
	record_encode_purge(harness_records(h), &v);
	harness_commit(h);
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	harness_assert_depth(h, HARNESS_Q1, 0, 0);
	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
	harness_assert_depth(h, HARNESS_Q1, 1, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    HARNESS_TEST(test_put_is_read_back_at_each_place),
	    HARNESS_TEST(test_put_of_a_body_beside_its_piece_is_split),
	    HARNESS_TEST(test_put_of_an_empty_body),
	    HARNESS_TEST(test_rows_come_in_order_in_slices),
	    HARNESS_TEST(test_rows_carry_data_within_max_bytes),
	    HARNESS_TEST(test_by_id_finds_in_order),
	    HARNESS_TEST(test_remove_keeps_the_body_until_release),
	    HARNESS_TEST(test_remove_with_release_frees_the_body),
	    HARNESS_TEST(test_message_put_back_and_got_again_is_gone),
	    HARNESS_TEST(test_restore_returns_the_message),
	    HARNESS_TEST(test_body_with_two_places_goes_with_the_last),
	    HARNESS_TEST(test_start_deletes_what_was_removed),
	    HARNESS_TEST(test_backout_sets_the_count),
	    HARNESS_TEST(test_purge_empties_a_queue),
	    HARNESS_TEST(test_purge_empties_a_deep_queue),
	    HARNESS_TEST(test_purge_goes_on_after_a_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

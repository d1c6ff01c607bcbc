/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_units.c - what every store must do, like test_store.c: units of
 * work and staged pieces, small records, non-persistent messages, failures.
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

/* ---- units of work ---- */

static void
stage(struct harness *h, uint32_t unit, uint64_t body_id, uint32_t len)
{
	uint8_t *body = malloc(len);
	struct record_stage v = {
	    .body_id = body_id, .data = "descriptor", .len = 10};

	harness_fill_body(body_id, body, len);
	record_encode_stage(harness_records(h), unit, &v);
	for (uint32_t at = 0; at < len; at += v.len) {
		v.piece++;
		v.data = body + at;
		v.len = len - at < MQFRAME_PIECE ? len - at : MQFRAME_PIECE;
		record_encode_stage(harness_records(h), unit, &v);
	}
	free(body);
}

static void
put_staged(struct harness *h, uint32_t unit, uint64_t body_id, uint64_t seq,
    uint32_t len)
{
	struct record_key key = harness_key(HARNESS_Q1, 0, seq);
	struct record_put v = {.flags = RECORD_PUT_STAGED,
	    .body_id = body_id,
	    .n_places = 1,
	    .places = &key,
	    .desc_len = 10,
	    .body_len = len};

	record_encode_put(harness_records(h), unit, &v);
}

static void
end_unit(struct harness *h, enum record_type type, uint32_t unit)
{
	record_encode_end(harness_records(h), type, unit);
}

static void
test_staged_body_comes_with_the_commit(void **state)
{
	struct harness *h = *state;
	struct store_load *l;

	stage(h, 7, 70, 150000);
	harness_commit(h);
	stage(h, 7, 71, 100);
	stage(h, 8, 80, 100);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	put_staged(h, 7, 70, 1, 150000);
	end_unit(h, RECORD_COMMIT, 7);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 1);
	assert_false(l->rows[0].inlined);
	assert_int_equal(l->rows[0].desc_len, 10);
	(void)store_load_free(l);
	harness_check_body(h, 70, 150000);
	/* staged and not put: gone with the unit's end; another unit's stay */
	assert_false(harness_has_body(h, 71));
	assert_true(harness_has_body(h, 80));
	harness_reopen(h);
	harness_check_body(h, 70, 150000);
	assert_false(harness_has_body(h, 80));
	harness_assert_depth(h, HARNESS_Q1, 1, 150000);
}

static void
test_rollback_drops_what_was_staged(void **state)
{
	struct harness *h = *state;

	stage(h, 7, 70, 150000);
	harness_commit(h);
	stage(h, 7, 71, 10);
	put_staged(h, 7, 70, 1, 150000);
	end_unit(h, RECORD_ROLLBACK, 7);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	assert_false(harness_has_body(h, 70));
	assert_false(harness_has_body(h, 71));
}

static void
test_unit_without_its_end_has_no_effect(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);
	struct record_remove remove = {.key = key,
	    .body_id = HARNESS_Q1 * 1000000 + 1,
	    .flags = RECORD_REMOVE_RELEASE};
	struct record_backout backout = {.key = key, .count = 3};

	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	record_encode_remove(harness_records(h), 5, &remove);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 1);
	/* the end in a later batch is another unit of that number */
	end_unit(h, RECORD_COMMIT, 5);
	record_encode_backout(harness_records(h), 6, &backout);
	harness_put_at(h, HARNESS_Q1, 2);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 2);
	record_encode_remove(harness_records(h), 5, &remove);
	harness_put_at(h, HARNESS_Q1, 3);
	end_unit(h, RECORD_COMMIT, 5);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 2);
	harness_assert_depth(h, HARNESS_Q1, 2, 20);
}

static void
test_stage_of_the_same_piece_replaces_it(void **state)
{
	struct harness *h = *state;
	struct record_stage v = {
	    .body_id = 70, .piece = 1, .data = "old", .len = 3};

	record_encode_stage(harness_records(h), 7, &v);
	harness_commit(h);
	stage(h, 7, 70, 10);
	put_staged(h, 7, 70, 1, 10);
	end_unit(h, RECORD_COMMIT, 7);
	harness_commit(h);
	harness_check_body(h, 70, 10);
}

/* ---- small records ---- */

struct seen {
	unsigned n;
	unsigned objects;
	unsigned queues;
	unsigned streams;
	unsigned positions;
};

static void
see_meta(void *ctx, const struct record_meta *v)
{
	struct seen *seen = ctx;
	struct record r = {.u.meta = *v};

	if (strcmp(v->name, "epoch") == 0)
		samples[12].check(&r);
	seen->n++;
}

static void
see_object(void *ctx, const struct record_object *v)
{
	struct seen *seen = ctx;
	struct record r = {.u.object = *v};

	if (v->id == 12)
		samples[9].check(&r);
	seen->objects++;
	seen->n++;
}

static void
see_queue(void *ctx, uint64_t queue_id, uint64_t depth, uint64_t bytes)
{
	struct seen *seen = ctx;

	(void)queue_id;
	assert_int_equal(depth, 0);
	assert_int_equal(bytes, 0);
	seen->queues++;
	assert_int_equal(seen->queues, seen->objects);
}

static void
see_stream(void *ctx, const struct record_stream *v)
{
	struct seen *seen = ctx;
	struct record r = {.u.stream = *v};

	samples[13].check(&r);
	seen->streams++;
}

static void
see_position(void *ctx, const struct record_position *v)
{
	struct seen *seen = ctx;
	struct record r = {.u.position = *v};

	samples[8].check(&r);
	seen->positions++;
}

static struct seen
see_catalog(struct harness *h)
{
	struct seen seen = {0};
	const struct store_catalog c = {.meta = see_meta,
	    .object = see_object,
	    .queue = see_queue,
	    .stream = see_stream,
	    .position = see_position,
	    .ctx = &seen};

	assert_int_equal(h->s->ops->catalog(h->s, &c), MQI_OK);
	return seen;
}

static void
test_catalog_shows_small_records(void **state)
{
	struct harness *h = *state;
	static const char *const names[] = {
	    "object", "meta", "stream", "position"};
	struct record_meta meta = {.name = "other", .value = "x", .len = 1};
	struct record_object_delete two = {
	    .type = 2, .name = "TWO", .id = HARNESS_Q2};
	struct seen seen;

	record_encode_object_delete(harness_records(h), &two);
	record_encode_meta(harness_records(h), &meta);
	for (size_t i = 0; i < n_samples; i++)
		for (size_t k = 0; k < MQ_ARRAY_LEN(names); k++)
			if (strcmp(samples[i].name, names[k]) == 0)
				samples[i].encode(harness_records(h));
	end_unit(h, RECORD_COMMIT, SAMPLE_UNIT); /* of the position */
	harness_commit(h);
	for (int i = 0; i < 2; i++) {
		seen = see_catalog(h);
		assert_int_equal(seen.n, 2 + 2);
		assert_int_equal(seen.objects, 2);
		assert_int_equal(seen.streams, 1);
		assert_int_equal(seen.positions, 1);
		harness_reopen(h);
	}
	samples[10].encode(harness_records(h)); /* object_delete */
	harness_commit(h);
	seen = see_catalog(h);
	assert_int_equal(seen.objects, 1);
	assert_int_equal(seen.streams, 0);
	assert_int_equal(seen.positions, 1);
}

static void
test_object_delete_takes_the_messages(void **state)
{
	struct harness *h = *state;
	struct record_object_delete v = {
	    .type = 2, .name = "ONE", .id = HARNESS_Q1};

	harness_put_at(h, HARNESS_Q1, 1);
	harness_put_at(h, HARNESS_Q2, 1);
	harness_commit(h);
	record_encode_object_delete(harness_records(h), &v);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 0);
	assert_false(harness_has_body(h, HARNESS_Q1 * 1000000 + 1));
	assert_int_equal(harness_count(h, HARNESS_Q2), 1);
}

/* ---- non-persistent messages ---- */

static void
test_non_persistent_messages_end_with_the_start(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 0);
	struct store_load *l;

	for (key.seq = 1; key.seq <= 2000; key.seq++)
		harness_put(h, &key, key.seq, 10,
		    key.seq % 100 == 0 ? 0 : RECORD_PUT_NON_PERSISTENT);
	harness_commit(h);
	l = harness_rows(h, HARNESS_Q1);
	assert_int_equal(l->n_rows, 2000);
	assert_false(l->rows[0].persistent);
	assert_true(l->rows[99].persistent);
	(void)store_load_free(l);
	harness_reopen(h);
	/* at once, before the epoch is raised and after */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(harness_count(h, HARNESS_Q1), 20);
		harness_assert_depth(h, HARNESS_Q1, 20, 200);
		harness_epoch(h, 2);
		harness_commit(h);
	}
	harness_put(h, &key, 5000, 10, RECORD_PUT_NON_PERSISTENT);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 21);
	/* removed, restored, by id: like any other */
	harness_remove(h, &key, 5000, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 20);
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 20);
}

static void
test_non_persistent_before_the_epoch_fails(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);

	harness_reopen(h);
	harness_put(h, &key, 5, 10, RECORD_PUT_NON_PERSISTENT);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

/* ---- failures, and many batches ---- */

static void
test_prepare_is_refused(void **state)
{
	struct harness *h = *state;
	char *why = NULL;

	harness_put_at(h, HARNESS_Q1, 1);
	end_unit(h, RECORD_PREPARE, 4);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FORMAT);
	if (h->kind != HARNESS_LMDB)
		return;
	/* it is in the journal: only a newer version can go on */
	harness_close(h);
	assert_int_equal(harness_open(h, &why), MQI_E_STORE_FORMAT);
	assert_non_null(strstr(why, "prepares a unit of work"));
	free(why);
}

static void
test_damaged_batch_fails(void **state)
{
	struct harness *h = *state;

	harness_put_at(h, HARNESS_Q1, 1);
	harness_put_at(h, HARNESS_Q1, 2);
	harness_records(h)->data[harness_records(h)->len - 1] ^= 1;
	assert_int_equal(harness_commit_fails(h), MQI_E_OBJECT_DAMAGED);
}

static void
fails_with(struct harness *h, uint64_t seq, uint64_t body_id)
{
	struct record_key key = harness_key(HARNESS_Q1, 0, seq);

	harness_put(h, &key, body_id, 10, 0);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_second_message_at_one_place_fails(void **state)
{
	struct harness *h = *state;

	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	fails_with(h, 1, 1);
}

static void
test_second_body_of_one_id_fails(void **state)
{
	struct harness *h = *state;

	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	fails_with(h, 2, HARNESS_Q1 * 1000000 + 1);
}

static void
test_put_of_what_was_not_staged_fails(void **state)
{
	struct harness *h = *state;

	stage(h, 7, 70, 100);
	put_staged(h, 7, 70, 1, 101);
	end_unit(h, RECORD_COMMIT, 7);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_remove_of_another_message_fails(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(HARNESS_Q1, 0, 1);

	harness_put_at(h, HARNESS_Q1, 1);
	harness_commit(h);
	harness_remove(h, &key, 4711, 0);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_restore_of_what_was_not_kept_fails(void **state)
{
	struct harness *h = *state;
	struct record_restore v = {
	    .key = harness_key(HARNESS_Q1, 0, 1), .body_id = 5};

	record_encode_restore(harness_records(h), 0, &v);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_many_batches_are_told_in_order(void **state)
{
	struct harness *h = *state;
	uint64_t before = h->submitted;

	/* submitted without waiting; on_durable() checks the order */
	for (uint64_t i = 0; i < 300; i++) {
		harness_put_at(h, HARNESS_Q1, 2 * i);
		harness_put_at(h, HARNESS_Q1, 2 * i + 1);
		harness_submit(h);
	}
	harness_wait(h);
	assert_int_equal(h->applied, before + 300);
	assert_int_equal(harness_count(h, HARNESS_Q1), 600);
	harness_reopen(h);
	assert_int_equal(h->submitted, before + 300);
	harness_assert_depth(h, HARNESS_Q1, 600, 6000);
}

/* A large batch of the store thread, and as soon as it is durable a small one
 * that the loop writes itself: the checkpoint is told of them in this order. */
static void
test_the_loop_and_the_store_thread_take_turns(void **state)
{
	struct harness *h = *state;
	uint64_t seq = 0;

	for (unsigned i = 0; i < 100; i++) {
		for (unsigned n = 0; n < 500; n++)
			harness_put_at(h, HARNESS_Q1, ++seq);
		harness_submit(h);
		harness_put_at(h, HARNESS_Q1, ++seq);
		harness_wait_durable(h);
		harness_submit_alone(h);
	}
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), seq);
}

static void
test_close_waits_for_what_was_submitted(void **state)
{
	struct harness *h = *state;

	for (uint64_t i = 0; i < 50; i++) {
		harness_put_at(h, HARNESS_Q1, i);
		harness_submit(h);
	}
	harness_reopen(h);
	assert_int_equal(harness_count(h, HARNESS_Q1), 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    HARNESS_TEST(test_staged_body_comes_with_the_commit),
	    HARNESS_TEST(test_rollback_drops_what_was_staged),
	    HARNESS_TEST(test_unit_without_its_end_has_no_effect),
	    HARNESS_TEST(test_stage_of_the_same_piece_replaces_it),
	    HARNESS_TEST(test_catalog_shows_small_records),
	    HARNESS_TEST(test_object_delete_takes_the_messages),
	    HARNESS_TEST(test_non_persistent_messages_end_with_the_start),
	    HARNESS_TEST(test_non_persistent_before_the_epoch_fails),
	    HARNESS_TEST(test_prepare_is_refused),
	    HARNESS_TEST(test_damaged_batch_fails),
	    HARNESS_TEST(test_second_message_at_one_place_fails),
	    HARNESS_TEST(test_second_body_of_one_id_fails),
	    HARNESS_TEST(test_put_of_what_was_not_staged_fails),
	    HARNESS_TEST(test_remove_of_another_message_fails),
	    HARNESS_TEST(test_restore_of_what_was_not_kept_fails),
	    HARNESS_TEST(test_many_batches_are_told_in_order),
	    HARNESS_TEST(test_the_loop_and_the_store_thread_take_turns),
	    HARNESS_TEST(test_close_waits_for_what_was_submitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store.c - what every store must do (store.h), run over the LMDB store
 * and over the one in memory: the effect of each record, units of work,
 * loads, and what a stop and start leaves.
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

#define Q1 11u
#define Q2 12u

static enum harness_kind kinds[] = {HARNESS_LMDB, HARNESS_MEM};

static int
setup(void **state)
{
	enum harness_kind kind = *(enum harness_kind *)*state;
	struct harness *h = harness_new(kind);

	harness_epoch(h, 1);
	harness_queue(h, Q1, "ONE");
	harness_queue(h, Q2, "TWO");
	harness_commit(h);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	(void)harness_free(*state);
	return 0;
}

static struct record_key
key_of(uint64_t queue, uint8_t rank, uint64_t seq)
{
	return (struct record_key){.queue_id = queue, .rank = rank, .seq = seq};
}

static void
put_at(struct harness *h, uint64_t queue, uint64_t seq)
{
	struct record_key key = key_of(queue, 0, seq);

	harness_put(h, &key, queue * 1000000 + seq, 10, 0);
}

static void
assert_depth(struct harness *h, uint64_t queue, uint64_t depth, uint64_t bytes)
{
	uint64_t d = 0;
	uint64_t b = 0;

	harness_depth(h, queue, &d, &b);
	assert_int_equal(d, depth);
	assert_int_equal(b, bytes);
}

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
check_body(struct harness *h, uint64_t body_id, uint32_t body_len)
{
	uint32_t n = (body_len + MQFRAME_PIECE - 1) / MQFRAME_PIECE;
	struct store_load *l = store_load_new();
	uint8_t *body = malloc(body_len);
	uint32_t at = 0;

	harness_fill_body(body_id, body, body_len);
	l->kind = STORE_LOAD_BODY;
	l->body_id = body_id;
	l->n_pieces = n + 1;
	l = harness_load(h, l);
	assert_int_equal(l->err, MQI_OK);
	for (uint32_t i = 1; i <= n; i++) {
		assert_memory_equal(
		    l->pieces[i]->data, body + at, l->pieces[i]->len);
		at += (uint32_t)l->pieces[i]->len;
	}
	assert_int_equal(at, body_len);
	(void)store_load_free(l);
	free(body);
}

static void
test_put_of_a_body_beside_its_piece_is_split(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 0, 1);
	struct store_load *l;

	harness_put(h, &key, 5, MQFRAME_PIECE, 0);
	key.seq = 2;
	harness_put(h, &key, 6, MQFRAME_PIECE - 20, 0);
	key.seq = 3;
	harness_put(h, &key, 7, 3 * MQFRAME_PIECE + 1, 0);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 3);
	assert_false(l->rows[0].inlined);
	assert_null(l->rows[0].data);
	assert_true(l->rows[1].inlined);
	assert_int_equal(l->rows[1].data->len, MQFRAME_PIECE);
	assert_false(l->rows[2].inlined);
	(void)store_load_free(l);
	check_body(h, 5, MQFRAME_PIECE);
	check_body(h, 7, 3 * MQFRAME_PIECE + 1);
}

static void
test_put_of_an_empty_body(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 0, 1);
	struct store_load *l;

	harness_put(h, &key, 5, 0, 0);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].data->len, 20);
	(void)store_load_free(l);
	assert_depth(h, Q1, 1, 0);
}

static void
test_rows_come_in_order_in_slices(void **state)
{
	struct harness *h = *state;
	/* not in order of delivery; another queue behind and before */
	const struct record_key keys[] = {key_of(Q1, 9, 1), key_of(Q1, 4, 300),
	    key_of(Q1, 4, 2), key_of(Q1, 0, 400), key_of(Q2, 0, 1),
	    key_of(Q1 - 1, 9, 9)};
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
			l->queue_id = Q1;
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
		struct record_key key = key_of(Q1, 0, i);

		harness_put(h, &key, 1 + i, lens[i], 0);
	}
	harness_commit(h);
	l->kind = STORE_LOAD_ROWS;
	l->queue_id = Q1;
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
		struct record_key key = key_of(Q1, 0, seq);

		harness_put(h, &key, 300 + seq, 10, 0);
		key.queue_id = Q2;
		harness_put(h, &key, 600 + seq, 10, 0);
	}
	harness_commit(h);
	/* correlation id 1: each third; two at a time */
	for (bool end = false; !end;) {
		l = store_load_new();
		l->kind = STORE_LOAD_BY_ID;
		l->queue_id = Q1;
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
	l->queue_id = Q1;
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
	struct record_key key = key_of(Q1, 0, 1);
	struct record_release release = {.body_id = 77};

	harness_put(h, &key, 77, 10, 0);
	harness_commit(h);
	harness_remove(h, &key, 77, 0);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 0);
	assert_depth(h, Q1, 0, 0);
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
	struct record_key key = key_of(Q1, 0, 1);

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
	assert_depth(h, Q1, 0, 0);
}

static void
test_restore_returns_the_message(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 3, 9);
	struct record_restore restore = {
	    .key = key, .body_id = 77, .backout_count = 5};
	struct store_load *l;

	harness_put(h, &key, 77, 10, 0);
	harness_commit(h);
	harness_remove(h, &key, 77, 0);
	harness_commit(h);
	record_encode_restore(harness_records(h), 0, &restore);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].key.rank, 3);
	assert_int_equal(l->rows[0].backout_count, 5);
	assert_int_equal(l->rows[0].body_len, 10);
	assert_non_null(l->rows[0].data);
	(void)store_load_free(l);
	assert_depth(h, Q1, 1, 10);
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 1);
}

static void
test_body_with_two_places_goes_with_the_last(void **state)
{
	struct harness *h = *state;
	const struct record_key places[] = {key_of(Q1, 0, 1), key_of(Q2, 0, 2)};
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
	assert_int_equal(harness_count(h, Q1), 1);
	assert_int_equal(harness_count(h, Q2), 0);
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
	const struct record_key places[] = {
	    key_of(Q1, 0, 1), key_of(Q1, 0, 2), key_of(Q2, 0, 3)};
	struct record_put put = {.body_id = 9,
	    .n_places = 3,
	    .places = places,
	    .desc = "d",
	    .desc_len = 1,
	    .body = "b",
	    .body_len = 1};

	record_encode_put(harness_records(h), 0, &put);
	put_at(h, Q1, 50);
	harness_commit(h);
	harness_remove(h, &places[0], 9, 0);
	harness_remove(h, &places[1], 9, 0);
	harness_commit(h);
	harness_reopen(h);
	assert_true(harness_has_body(h, 9));
	assert_depth(h, Q1, 1, 10);
	harness_remove(h, &places[2], 9, 0);
	harness_commit(h);
	assert_true(harness_has_body(h, 9));
	harness_reopen(h);
	assert_false(harness_has_body(h, 9));
	assert_depth(h, Q2, 0, 0);
}

static void
test_backout_sets_the_count(void **state)
{
	struct harness *h = *state;
	struct record_backout v = {.key = key_of(Q1, 0, 1), .count = 8};
	struct store_load *l;

	put_at(h, Q1, 1);
	harness_commit(h);
	record_encode_backout(harness_records(h), 0, &v);
	v.key.seq = 999; /* not there: nothing */
	record_encode_backout(harness_records(h), 0, &v);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 1);
	assert_int_equal(l->rows[0].backout_count, 8);
	assert_false(l->rows[0].damaged);
	(void)store_load_free(l);
}

static void
purge_of(void **state, uint64_t n)
{
	struct harness *h = *state;
	struct record_purge v = {.queue_id = Q1};
	struct record_key key = key_of(Q1, 0, 1);

	for (uint64_t seq = 0; seq < n; seq++)
		put_at(h, Q1, seq);
	put_at(h, Q2, 1);
	harness_commit(h);
	record_encode_purge(harness_records(h), &v);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 0);
	assert_int_equal(harness_count(h, Q2), 1);
	assert_depth(h, Q1, 0, 0);
	/* what comes later stays, also if the purge goes on */
	record_encode_purge(harness_records(h), &v);
	harness_put(h, &key, 5, 10, 0);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 1);
	assert_depth(h, Q1, 1, 10);
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 1);
	assert_depth(h, Q1, 1, 10);
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
	struct record_purge v = {.queue_id = Q1};

	for (uint64_t seq = 0; seq < 5000; seq++)
		put_at(h, Q1, seq);
	harness_commit(h);
	record_encode_purge(harness_records(h), &v);
	harness_commit(h);
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 0);
	assert_depth(h, Q1, 0, 0);
	put_at(h, Q1, 1);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 1);
	assert_depth(h, Q1, 1, 10);
}

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
	struct record_key key = key_of(Q1, 0, seq);
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
	assert_int_equal(harness_count(h, Q1), 0);
	put_staged(h, 7, 70, 1, 150000);
	end_unit(h, RECORD_COMMIT, 7);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 1);
	assert_false(l->rows[0].inlined);
	assert_int_equal(l->rows[0].desc_len, 10);
	(void)store_load_free(l);
	check_body(h, 70, 150000);
	/* staged and not put: gone with the unit's end; another unit's stay */
	assert_false(harness_has_body(h, 71));
	assert_true(harness_has_body(h, 80));
	harness_reopen(h);
	check_body(h, 70, 150000);
	assert_false(harness_has_body(h, 80));
	assert_depth(h, Q1, 1, 150000);
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
	assert_int_equal(harness_count(h, Q1), 0);
	assert_false(harness_has_body(h, 70));
	assert_false(harness_has_body(h, 71));
}

static void
test_unit_without_its_end_has_no_effect(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 0, 1);
	struct record_remove remove = {.key = key,
	    .body_id = Q1 * 1000000 + 1,
	    .flags = RECORD_REMOVE_RELEASE};
	struct record_backout backout = {.key = key, .count = 3};

	put_at(h, Q1, 1);
	harness_commit(h);
	record_encode_remove(harness_records(h), 5, &remove);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 1);
	/* the end in a later batch is another unit of that number */
	end_unit(h, RECORD_COMMIT, 5);
	record_encode_backout(harness_records(h), 6, &backout);
	put_at(h, Q1, 2);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 2);
	record_encode_remove(harness_records(h), 5, &remove);
	put_at(h, Q1, 3);
	end_unit(h, RECORD_COMMIT, 5);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 2);
	assert_depth(h, Q1, 2, 20);
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
	check_body(h, 70, 10);
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
	struct record_object_delete two = {.type = 2, .name = "TWO", .id = Q2};
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
	struct record_object_delete v = {.type = 2, .name = "ONE", .id = Q1};

	put_at(h, Q1, 1);
	put_at(h, Q2, 1);
	harness_commit(h);
	record_encode_object_delete(harness_records(h), &v);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 0);
	assert_false(harness_has_body(h, Q1 * 1000000 + 1));
	assert_int_equal(harness_count(h, Q2), 1);
}

/* ---- non-persistent messages ---- */

static void
test_non_persistent_messages_end_with_the_start(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 0, 0);
	struct store_load *l;

	for (key.seq = 1; key.seq <= 2000; key.seq++)
		harness_put(h, &key, key.seq, 10,
		    key.seq % 100 == 0 ? 0 : RECORD_PUT_NON_PERSISTENT);
	harness_commit(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 2000);
	assert_false(l->rows[0].persistent);
	assert_true(l->rows[99].persistent);
	(void)store_load_free(l);
	harness_reopen(h);
	/* at once, before the epoch is raised and after */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(harness_count(h, Q1), 20);
		assert_depth(h, Q1, 20, 200);
		harness_epoch(h, 2);
		harness_commit(h);
	}
	harness_put(h, &key, 5000, 10, RECORD_PUT_NON_PERSISTENT);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 21);
	/* removed, restored, by id: like any other */
	harness_remove(h, &key, 5000, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 20);
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 20);
}

static void
test_non_persistent_before_the_epoch_fails(void **state)
{
	struct harness *h = *state;
	struct record_key key = key_of(Q1, 0, 1);

	harness_reopen(h);
	harness_put(h, &key, 5, 10, RECORD_PUT_NON_PERSISTENT);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

/* ---- failures, and many batches ---- */

static void
test_prepare_is_refused(void **state)
{
	struct harness *h = *state;

	put_at(h, Q1, 1);
	end_unit(h, RECORD_PREPARE, 4);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FORMAT);
	harness_reopen(h);
	if (h->kind == HARNESS_LMDB)
		assert_int_equal(harness_count(h, Q1), 0);
}

static void
test_damaged_batch_fails(void **state)
{
	struct harness *h = *state;

	put_at(h, Q1, 1);
	put_at(h, Q1, 2);
	harness_records(h)->data[harness_records(h)->len - 1] ^= 1;
	assert_int_equal(harness_commit_fails(h), MQI_E_OBJECT_DAMAGED);
}

static void
fails_with(struct harness *h, uint64_t seq, uint64_t body_id)
{
	struct record_key key = key_of(Q1, 0, seq);

	harness_put(h, &key, body_id, 10, 0);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_second_message_at_one_place_fails(void **state)
{
	struct harness *h = *state;

	put_at(h, Q1, 1);
	harness_commit(h);
	fails_with(h, 1, 1);
}

static void
test_second_body_of_one_id_fails(void **state)
{
	struct harness *h = *state;

	put_at(h, Q1, 1);
	harness_commit(h);
	fails_with(h, 2, Q1 * 1000000 + 1);
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
	struct record_key key = key_of(Q1, 0, 1);

	put_at(h, Q1, 1);
	harness_commit(h);
	harness_remove(h, &key, 4711, 0);
	assert_int_equal(harness_commit_fails(h), MQI_E_STORE_FAILED);
}

static void
test_restore_of_what_was_not_kept_fails(void **state)
{
	struct harness *h = *state;
	struct record_restore v = {.key = key_of(Q1, 0, 1), .body_id = 5};

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
		put_at(h, Q1, 2 * i);
		put_at(h, Q1, 2 * i + 1);
		harness_submit(h);
	}
	harness_wait(h);
	assert_int_equal(h->applied, before + 300);
	assert_int_equal(harness_count(h, Q1), 600);
	harness_reopen(h);
	assert_int_equal(h->submitted, before + 300);
	assert_depth(h, Q1, 600, 6000);
}

static void
test_close_waits_for_what_was_submitted(void **state)
{
	struct harness *h = *state;

	for (uint64_t i = 0; i < 50; i++) {
		put_at(h, Q1, i);
		harness_submit(h);
	}
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 50);
}

int
main(void)
{
#define T(f)                                               \
	{#f " (lmdb)", f, setup, teardown, &kinds[0]},     \
	{                                                  \
#f " (mem)", f, setup, teardown, &kinds[1] \
	}
	const struct CMUnitTest tests[] = {
	    T(test_put_is_read_back_at_each_place),
	    T(test_put_of_a_body_beside_its_piece_is_split),
	    T(test_put_of_an_empty_body),
	    T(test_rows_come_in_order_in_slices),
	    T(test_rows_carry_data_within_max_bytes),
	    T(test_by_id_finds_in_order),
	    T(test_remove_keeps_the_body_until_release),
	    T(test_remove_with_release_frees_the_body),
	    T(test_restore_returns_the_message),
	    T(test_body_with_two_places_goes_with_the_last),
	    T(test_start_deletes_what_was_removed),
	    T(test_backout_sets_the_count),
	    T(test_purge_empties_a_queue),
	    T(test_purge_empties_a_deep_queue),
	    T(test_purge_goes_on_after_a_start),
	    T(test_staged_body_comes_with_the_commit),
	    T(test_rollback_drops_what_was_staged),
	    T(test_unit_without_its_end_has_no_effect),
	    T(test_stage_of_the_same_piece_replaces_it),
	    T(test_catalog_shows_small_records),
	    T(test_object_delete_takes_the_messages),
	    T(test_non_persistent_messages_end_with_the_start),
	    T(test_non_persistent_before_the_epoch_fails),
	    T(test_prepare_is_refused),
	    T(test_damaged_batch_fails),
	    T(test_second_message_at_one_place_fails),
	    T(test_second_body_of_one_id_fails),
	    T(test_put_of_what_was_not_staged_fails),
	    T(test_remove_of_another_message_fails),
	    T(test_restore_of_what_was_not_kept_fails),
	    T(test_many_batches_are_told_in_order),
	    T(test_close_waits_for_what_was_submitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

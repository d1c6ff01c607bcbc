/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_random.c - random histories of valid batches, given to the LMDB
 * store and to the one in memory, whose answers must be the same: rows in
 * slices, by id, bodies in pieces, and after each start the counted depths.
 *
 * The history is made from a seed, printed first; MQ_SEED replays one.
 * MQ_LONG makes it longer.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "proto/frame.h"
#include "qmgr/store/store_mem.h"
#include "tests/unit/store/harness.h"

#define QUEUES 4u
#define MAX_MESSAGES 600u
#define MAX_PLACES 3u
#define MAX_STAGED 8u

struct place {
	struct record_key key;
	uint64_t body_id;
	bool removed; /* and kept */
	bool np;
};

struct staged {
	uint32_t unit;
	uint64_t body_id;
	uint32_t len;
};

struct fixture {
	struct harness *a; /* LMDB */
	struct harness *b; /* memory */
	uint64_t seed;
	uint64_t next; /* sequence numbers and body ids */
	uint64_t epoch;
	uint32_t unit;
	struct place places[MAX_MESSAGES];
	size_t n_places;
	struct staged staged[MAX_STAGED];
	size_t n_staged;
	struct mqbuf buf;
	bool dry; /* records will have no effect */
};

static uint64_t
below(struct fixture *f, uint64_t n)
{
	return mqrand_next(&f->seed) % n;
}

/* ---- the history ---- */

static void
random_ids(struct fixture *f, struct record_put *v)
{
	/* a few ids for many messages; 0 is none */
	v->msg_id[0] = (uint8_t)below(f, 50);
	v->correl_id[5] = (uint8_t)below(f, 4);
}

static uint32_t
random_len(struct fixture *f)
{
	switch (below(f, 20)) {
	case 0:
		return 0;
	case 1:
		return MQFRAME_PIECE - 5 + (uint32_t)below(f, 10);
	case 2:
		return (uint32_t)below(f, UINT64_C(3) * MQFRAME_PIECE);
	default:
		return (uint32_t)below(f, 3000);
	}
}

static void
note_places(struct fixture *f, const struct record_put *v)
{
	if (f->dry)
		return;
	for (uint32_t i = 0; i < v->n_places; i++)
		f->places[f->n_places++] = (struct place){.key = v->places[i],
		    .body_id = v->body_id,
		    .np = (v->flags & RECORD_PUT_NON_PERSISTENT) != 0};
}

static void
make_put(struct fixture *f, uint32_t unit, const struct staged *staged)
{
	struct record_key keys[MAX_PLACES];
	struct record_put v = {.desc = "0123456789", .places = keys};
	uint8_t *body = NULL;

	if (f->n_places + MAX_PLACES > MAX_MESSAGES)
		return;
	v.n_places = below(f, 5) == 0 ? 1 + (uint32_t)below(f, MAX_PLACES) : 1;
	for (uint32_t i = 0; i < v.n_places; i++)
		keys[i] = harness_key(
		    1 + below(f, QUEUES), (uint8_t)below(f, 3), ++f->next);
	if (below(f, 4) == 0)
		v.flags |= RECORD_PUT_NON_PERSISTENT;
	random_ids(f, &v);
	v.desc_len = 10;
	if (staged != NULL) {
		v.flags |= RECORD_PUT_STAGED;
		v.body_id = staged->body_id;
		v.body_len = staged->len;
		v.desc = NULL;
	} else {
		v.body_id = ++f->next;
		v.body_len = random_len(f);
		body = malloc(v.body_len + 1);
		harness_fill_body(v.body_id, body, v.body_len);
		v.body = body;
	}
	record_encode_put(&f->buf, unit, &v);
	note_places(f, &v);
	free(body);
}

static void
drop_place(struct fixture *f, size_t i)
{
	f->places[i] = f->places[--f->n_places];
}

static void
make_remove(struct fixture *f, uint32_t unit)
{
	size_t i = (size_t)below(f, f->n_places);
	struct place *p = &f->places[i];
	struct record_remove v = {.key = p->key, .body_id = p->body_id};

	if (p->removed)
		return;
	if (below(f, 2) == 0)
		v.flags = RECORD_REMOVE_RELEASE;
	record_encode_remove(&f->buf, unit, &v);
	if (f->dry)
		return;
	if (v.flags != 0)
		drop_place(f, i);
	else
		p->removed = true;
}

/* Of a message that was removed: back, or away. */
static void
make_return(struct fixture *f, uint32_t unit)
{
	size_t i = (size_t)below(f, f->n_places);
	struct place *p = &f->places[i];
	struct record_release release = {.body_id = p->body_id};
	struct record_restore restore = {.key = p->key,
	    .body_id = p->body_id,
	    .backout_count = (uint32_t)below(f, 9)};

	if (!p->removed)
		return;
	if (below(f, 2) == 0) {
		record_encode_release(&f->buf, unit, &release);
		if (!f->dry)
			drop_place(f, i);
	} else {
		record_encode_restore(&f->buf, unit, &restore);
		if (!f->dry)
			p->removed = false;
	}
}

static void
make_backout(struct fixture *f, uint32_t unit)
{
	struct record_backout v = {.key = f->places[below(f, f->n_places)].key,
	    .count = (uint32_t)below(f, 100)};

	record_encode_backout(&f->buf, unit, &v);
}

static void
make_purge(struct fixture *f)
{
	struct record_purge v = {.queue_id = 1 + below(f, QUEUES)};

	record_encode_purge(&f->buf, &v);
	for (size_t i = f->n_places; i-- > 0;)
		if (f->places[i].key.queue_id == v.queue_id &&
		    !f->places[i].removed)
			drop_place(f, i);
}

static void
make_stage(struct fixture *f)
{
	struct staged s = {.unit = ++f->unit,
	    .body_id = ++f->next,
	    .len = 1 + (uint32_t)below(f, UINT64_C(3) * MQFRAME_PIECE)};
	uint8_t *body;
	struct record_stage v = {
	    .body_id = s.body_id, .data = "0123456789", .len = 10};

	if (f->n_staged == MAX_STAGED)
		return;
	body = malloc(s.len);
	harness_fill_body(s.body_id, body, s.len);
	record_encode_stage(&f->buf, s.unit, &v);
	for (uint32_t at = 0; at < s.len; at += v.len) {
		v.piece++;
		v.data = body + at;
		v.len = s.len - at < MQFRAME_PIECE ? s.len - at : MQFRAME_PIECE;
		record_encode_stage(&f->buf, s.unit, &v);
	}
	free(body);
	f->staged[f->n_staged++] = s;
}

static void
make_one(struct fixture *f, uint32_t unit)
{
	uint64_t what = below(f, 10);

	if (what < 5 || f->n_places == 0)
		make_put(f, unit, NULL);
	else if (what < 7)
		make_remove(f, unit);
	else if (what < 9)
		make_return(f, unit);
	else
		make_backout(f, unit);
}

/* A unit with an end, or with none. */
static void
make_unit(struct fixture *f)
{
	uint64_t n = 1 + below(f, 6);
	uint64_t end = below(f, 4);
	uint32_t unit = ++f->unit;
	struct staged s;
	bool has_staged = f->n_staged > 0 && below(f, 2) == 0;

	if (has_staged) {
		s = f->staged[--f->n_staged];
		unit = s.unit;
		end = end == 3 ? 0 : end; /* its end must come */
	}
	f->dry = end >= 2;
	if (has_staged && below(f, 3) > 0)
		make_put(f, unit, &s);
	while (n-- > 0)
		make_one(f, unit);
	f->dry = false;
	if (end < 2)
		record_encode_end(&f->buf, RECORD_COMMIT, unit);
	else if (end == 2)
		record_encode_end(&f->buf, RECORD_ROLLBACK, unit);
}

static void
make_batch(struct fixture *f)
{
	uint64_t n = 1 + below(f, 20);

	mqbuf_reset(&f->buf);
	while (n-- > 0) {
		uint64_t what = below(f, 100);

		if (what < 60)
			make_one(f, 0);
		else if (what < 90)
			make_unit(f);
		else if (what < 98)
			make_stage(f);
		else
			make_purge(f);
	}
	assert_int_equal(f->buf.err, MQI_OK);
}

/* ---- comparison ---- */

static void
same_row(const struct store_row *a, const struct store_row *b)
{
	assert_int_equal(a->key.queue_id, b->key.queue_id);
	assert_int_equal(a->key.rank, b->key.rank);
	assert_int_equal(a->key.seq, b->key.seq);
	assert_int_equal(a->body_id, b->body_id);
	assert_memory_equal(a->msg_id, b->msg_id, MQI_ID_LEN);
	assert_memory_equal(a->correl_id, b->correl_id, MQI_ID_LEN);
	assert_int_equal(a->backout_count, b->backout_count);
	assert_int_equal(a->body_len, b->body_len);
	assert_int_equal(a->desc_len, b->desc_len);
	assert_int_equal(a->persistent, b->persistent);
	assert_int_equal(a->inlined, b->inlined);
	assert_false(a->damaged);
	assert_false(b->damaged);
	assert_int_equal(a->data == NULL, b->data == NULL);
	if (a->data == NULL || b->data == NULL)
		return;
	assert_int_equal(a->data->len, b->data->len);
	assert_memory_equal(a->data->data, b->data->data, a->data->len);
}

static void
same_answer(struct fixture *f, const struct store_load *request)
{
	struct store_load *la = store_load_new();
	struct store_load *lb = store_load_new();

	*la = *request;
	*lb = *request;
	la = harness_load(f->a, la);
	lb = harness_load(f->b, lb);
	assert_int_equal(la->err, lb->err);
	assert_int_equal(la->end, lb->end);
	assert_int_equal(la->n_rows, lb->n_rows);
	for (uint32_t i = 0; i < la->n_rows; i++)
		same_row(&la->rows[i], &lb->rows[i]);
	for (size_t i = 0; la->err == MQI_OK && i < la->n_pieces; i++) {
		assert_int_equal(la->pieces[i]->len, lb->pieces[i]->len);
		assert_memory_equal(la->pieces[i]->data, lb->pieces[i]->data,
		    la->pieces[i]->len);
	}
	(void)store_load_free(la);
	(void)store_load_free(lb);
}

static void
compare_random(struct fixture *f)
{
	struct store_load l = {.queue_id = 1 + below(f, QUEUES),
	    .max_rows = (uint32_t)below(f, 50),
	    .max_bytes = (uint32_t)below(f, 20000),
	    .from_start = below(f, 3) == 0};

	l.after = harness_key(
	    l.queue_id, (uint8_t)below(f, 3), below(f, f->next + 1));
	same_answer(f, &l);
	l.kind = STORE_LOAD_BY_ID;
	l.id_kind = below(f, 2) == 0 ? STORE_ID_MSG : STORE_ID_CORREL;
	if (l.id_kind == STORE_ID_MSG)
		l.id[0] = (uint8_t)below(f, 50);
	else
		l.id[5] = (uint8_t)below(f, 4);
	same_answer(f, &l);
	if (f->n_places > 0) {
		l.kind = STORE_LOAD_BODY;
		l.body_id = f->places[below(f, f->n_places)].body_id;
		l.first_piece = (uint32_t)below(f, 2);
		l.n_pieces = 1 + (uint32_t)below(f, 2);
		same_answer(f, &l);
	}
}

static void
compare_all(struct fixture *f)
{
	for (uint64_t q = 1; q <= QUEUES; q++) {
		struct store_load l = {.queue_id = q,
		    .from_start = true,
		    .max_rows = UINT32_MAX,
		    .max_bytes = UINT32_MAX};

		same_answer(f, &l);
	}
}

static void
start_anew(struct fixture *f)
{
	harness_reopen(f->a);
	harness_reopen(f->b);
	assert_int_equal(f->a->submitted, f->b->submitted);
	for (uint64_t q = 1; q <= QUEUES; q++) {
		uint64_t depth = 0;
		uint64_t bytes = 0;

		harness_depth(f->b, q, &depth, &bytes);
		harness_assert_depth(f->a, q, depth, bytes);
	}
	f->n_staged = 0;
	f->unit = 0;
	for (size_t i = f->n_places; i-- > 0;)
		if (f->places[i].np || f->places[i].removed)
			drop_place(f, i);
	f->epoch++;
	harness_epoch(f->a, f->epoch);
	harness_epoch(f->b, f->epoch);
	harness_commit(f->a);
	harness_commit(f->b);
}

static void
test_random_history_is_the_same_in_both_stores(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("MQ_SEED");
	unsigned batches = getenv("MQ_LONG") != NULL ? 5000 : 250;

	if (given != NULL)
		f->seed = strtoull(given, NULL, 0);
	else
		mqrand_bytes(&f->seed, sizeof(f->seed));
	print_message("MQ_SEED=%" PRIu64 "\n", f->seed);
	for (unsigned i = 0; i < batches; i++) {
		make_batch(f);
		mqbuf_put(harness_records(f->a), f->buf.data, f->buf.len);
		mqbuf_put(harness_records(f->b), f->buf.data, f->buf.len);
		harness_commit(f->a);
		harness_commit(f->b);
		compare_random(f);
		if (below(f, 25) == 0) {
			compare_all(f);
			start_anew(f);
			compare_all(f);
		}
	}
	/* nothing leaks: what is left has a place */
	start_anew(f);
	for (size_t i = f->n_places; i-- > 0;)
		assert_true(harness_has_body(f->a, f->places[i].body_id));
	while (f->n_places > 0) {
		harness_remove(f->b, &f->places[0].key, f->places[0].body_id,
		    RECORD_REMOVE_RELEASE);
		drop_place(f, 0);
	}
	harness_commit(f->b);
	assert_int_equal(store_mem_bodies(f->b->s), 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char name[8];

	f->a = harness_new(HARNESS_LMDB);
	f->b = harness_new(HARNESS_MEM);
	mqbuf_init(&f->buf, STORE_BATCH_MAX);
	f->epoch = 1;
	for (uint64_t q = 1; q <= QUEUES; q++) {
		(void)snprintf(name, sizeof(name), "Q%u", (unsigned)q);
		harness_queue(f->a, q, name);
		harness_queue(f->b, q, name);
	}
	harness_epoch(f->a, 1);
	harness_epoch(f->b, 1);
	harness_commit(f->a);
	harness_commit(f->b);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)harness_free(f->a);
	(void)harness_free(f->b);
	mqbuf_fini(&f->buf);
	free(f);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_random_history_is_the_same_in_both_stores, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checkpoint.c - what checkpoints make of a journal is what its batches
 * make one by one, whatever the ranges, the transactions and the crashes
 * between them; and what was put and got within a range never gets there.
 *
 * Random histories of valid batches go into a journal on a simulated disk and,
 * one by one, into a state in memory.  Checkpoints bring them into another
 * one; it may end at each commit, before or after, and starts again from what
 * it has.  MQ_SEED=n replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "qmgr/store/checkpoint.h"
#include "qmgr/store/store_mem_state.h"
#include "tests/unit/store/journal_model.h"

#define QUEUES 3u
#define BATCHES 400u
#define MESSAGES 300u
#define BODIES 20000u

struct message {
	struct record_key key;
	uint64_t body_id;
	bool kept; /* removed, and may return */
};

/* When a body came and went; 0: not, or not in the plain way. */
struct life {
	uint64_t put;
	uint64_t removed; /* from the last of its places */
	uint32_t left;
};

struct fixture {
	uint64_t random;
	struct disk_sim *d;
	struct journal *j;
	struct mem_state *one_by_one;
	struct mem_state *target;
	struct checkpoint c;
	uint64_t applied; /* the target's */
	uint64_t epoch;
	uint64_t seen; /* last batch that is noted */
	bool told;     /* the checkpoint gets notes */
	bool dead;     /* the target died at a commit */
	struct mqbuf txn;
	struct store_batch *b; /* filling */
	struct message messages[MESSAGES];
	size_t n_messages;
	uint64_t next; /* body id or sequence number */
	uint32_t unit;
	uint64_t staged; /* body of `unit`, or 0 */
	struct life lives[BODIES];
};

static unsigned
roll(struct fixture *f, unsigned n)
{
	return (unsigned)(mqrand_next(&f->random) % n);
}

/* ---- batches ---- */

static uint64_t
next_number(struct fixture *f)
{
	f->next++;
	assert_true(f->next < BODIES);
	return f->next;
}

static void
add_message(struct fixture *f, struct record_key key, uint64_t body_id)
{
	f->messages[f->n_messages++] =
	    (struct message){.key = key, .body_id = body_id};
}

static void
drop_message(struct fixture *f, size_t i)
{
	f->messages[i] = f->messages[--f->n_messages];
}

static struct record_key
new_key(struct fixture *f)
{
	return (struct record_key){.queue_id = 1 + roll(f, QUEUES),
	    .rank = (uint8_t)roll(f, 3),
	    .seq = next_number(f)};
}

static void
put_at(struct fixture *f, uint32_t unit, const struct record_key *places,
    uint32_t n, bool staged)
{
	struct record_put v = {.places = places, .n_places = n};

	v.body_id = staged ? f->staged : next_number(f);
	v.flags = staged ? RECORD_PUT_STAGED : 0;
	v.desc = staged ? NULL : "desc";
	v.desc_len = 4;
	v.body = staged ? NULL : "the body";
	v.body_len = 8;
	record_encode_put(&f->b->records, unit, &v);
	for (uint32_t i = 0; i < n; i++)
		add_message(f, places[i], v.body_id);
	if (!staged)
		f->lives[v.body_id] =
		    (struct life){.put = f->b->number, .left = n};
}

static void
make_put(struct fixture *f, uint32_t unit)
{
	struct record_key places[3];
	uint32_t n = roll(f, 5) == 0 ? 2 + roll(f, 2) : 1;

	if (f->n_messages + 3 > MESSAGES)
		return;
	for (uint32_t i = 0; i < n; i++)
		places[i] = new_key(f);
	put_at(f, unit, places, n, false);
}

/* Removed, and sometimes put back at its place with a new body. */
static void
make_remove(struct fixture *f, uint32_t unit)
{
	size_t i = roll(f, (unsigned)f->n_messages);
	struct message m = f->messages[i];
	struct record_remove v = {.key = m.key, .body_id = m.body_id};
	struct life *life = &f->lives[m.body_id];

	if (m.kept)
		return;
	v.flags = roll(f, 3) > 0 ? RECORD_REMOVE_RELEASE : 0;
	record_encode_remove(&f->b->records, unit, &v);
	if (v.flags == 0) {
		life->put = 0;
		f->messages[i].kept = true;
		return;
	}
	if (life->left > 0 && --life->left == 0)
		life->removed = f->b->number;
	drop_message(f, i);
	if (roll(f, 4) == 0)
		put_at(f, unit, &m.key, 1, false);
}

static void
make_return(struct fixture *f, uint32_t unit)
{
	size_t i = roll(f, (unsigned)f->n_messages);
	struct message *m = &f->messages[i];
	struct record_restore restore = {
	    .key = m->key, .body_id = m->body_id, .backout_count = roll(f, 9)};
	struct record_release release = {.body_id = m->body_id};

	if (!m->kept)
		return;
	if (roll(f, 2) == 0) {
		record_encode_restore(&f->b->records, unit, &restore);
		m->kept = false;
	} else {
		record_encode_release(&f->b->records, unit, &release);
		drop_message(f, i);
	}
}

static void
make_backout(struct fixture *f, uint32_t unit)
{
	struct record_backout v = {
	    .key = f->messages[roll(f, (unsigned)f->n_messages)].key,
	    .count = roll(f, 100)};

	record_encode_backout(&f->b->records, unit, &v);
}

static void
make_one(struct fixture *f, uint32_t unit)
{
	unsigned what = f->n_messages == 0 ? 0 : roll(f, 20);

	if (what < 9)
		make_put(f, unit);
	else if (what < 15)
		make_remove(f, unit);
	else if (what < 18)
		make_return(f, unit);
	else
		make_backout(f, unit);
}

static void
make_purge(struct fixture *f)
{
	struct record_purge v = {.queue_id = 1 + roll(f, QUEUES)};

	record_encode_purge(&f->b->records, &v);
	for (size_t i = f->n_messages; i-- > 0;)
		if (f->messages[i].key.queue_id == v.queue_id &&
		    !f->messages[i].kept)
			drop_message(f, i);
}

/* A unit is staged in one batch and ends in another one; or it is a run. */
static void
make_unit(struct fixture *f)
{
	struct record_stage v = {.data = "desc", .len = 4};
	struct record_key key;

	if (f->staged == 0 && roll(f, 2) == 0) {
		f->unit++;
		f->staged = v.body_id = next_number(f);
		record_encode_stage(&f->b->records, f->unit, &v);
		v.piece = 1;
		v.data = "the body";
		v.len = 8;
		record_encode_stage(&f->b->records, f->unit, &v);
		return;
	}
	if (f->staged == 0)
		f->unit++;
	if (f->staged != 0 && f->n_messages < MESSAGES && roll(f, 3) > 0) {
		key = new_key(f);
		put_at(f, f->unit, &key, 1, true);
	}
	f->staged = 0;
	for (unsigned n = roll(f, 4); n > 0; n--)
		make_one(f, f->unit);
	record_encode_end(&f->b->records, RECORD_COMMIT, f->unit);
}

static void
make_batch(struct fixture *f)
{
	f->b->number = journal_last(f->j) + 1;
	mqbuf_reset(&f->b->records);
	for (unsigned n = 1 + roll(f, 10); n > 0; n--) {
		unsigned what = roll(f, 100);

		if (what < 70)
			make_one(f, 0);
		else if (what < 98)
			make_unit(f);
		else
			make_purge(f);
	}
	assert_int_equal(f->b->records.err, MQI_OK);
}

/* ---- the target ---- */

static enum mqi_err
target_begin(void *ctx)
{
	struct fixture *f = ctx;

	mqbuf_reset(&f->txn);
	return MQI_OK;
}

static enum mqi_err
target_record(void *ctx, const struct record *r, const uint8_t *bytes)
{
	struct fixture *f = ctx;
	if (r->type == RECORD_PUT) {
		const struct life *l = &f->lives[r->u.put.body_id];

		/* not if its end was in sight */
		assert_false(
		    l->put != 0 && l->removed != 0 && l->removed <= f->seen);
	}
	mqbuf_put(&f->txn, bytes, r->size);
	return MQI_OK;
}

static bool
target_is_full(void *ctx)
{
	return roll(ctx, 4) == 0;
}

static enum mqi_err
target_commit(void *ctx, uint64_t number)
{
	struct fixture *f = ctx;
	struct store_batch b = {.number = number, .records = f->txn};
	struct store_why why = {0};
	unsigned end = roll(f, 12);

	f->dead = end < 2;
	if (end == 0)
		return MQI_E_IO;
	assert_int_equal(mem_state_apply(f->target, &b, &why), MQI_OK);
	f->applied = number;
	if (end == 1)
		return MQI_E_IO;
	journal_release(f->j, number);
	return MQI_OK;
}

static void
target_abort(void *ctx)
{
	(void)ctx;
}

/* False: it died at a commit. */
static bool
checkpoint(struct fixture *f, bool all)
{
	const struct checkpoint_target target = {
	    .begin = target_begin,
	    .record = target_record,
	    .is_full = target_is_full,
	    .commit = target_commit,
	    .abort = target_abort,
	    .ctx = f,
	};
	struct checkpoint_range range = {
	    .keep_bytes = all ? 0 : roll(f, 5000),
	    .at_least = all ? UINT64_MAX : f->applied + 1,
	};
	struct store_why why = {0};
	uint64_t bytes = 0;
	enum mqi_err err = MQI_OK;

	if (!f->told)
		err = checkpoint_look(
		    &f->c, all ? UINT64_MAX : 1 + roll(f, 20000), &why);
	assert_int_equal(err, MQI_OK);
	f->seen = f->told ? journal_last(f->j) : f->c.ahead.number;
	err = checkpoint_run(&f->c, &range, false, &target, &bytes, &why);
	if (err != MQI_OK && !f->dead)
		fail_msg("%s", why.text);
	return err == MQI_OK;
}

static void
start(struct fixture *f)
{
	bool done;

	do {
		checkpoint_fini(&f->c);
		f->j = journal_free(f->j);
		disk_sim_power(f->d);
		assert_int_equal(jm_open(f->d, f->applied, &f->j), MQI_OK);
		checkpoint_init(&f->c, f->j);
		f->told = false;
		done = checkpoint(f, true);
	} while (!done);
	assert_int_equal(f->applied, journal_last(f->j));
	journal_begin(f->j, ++f->epoch);
	checkpoint_fini(&f->c);
	checkpoint_init(&f->c, f->j);
	f->told = roll(f, 2) == 0;
}

/* ---- comparison ---- */

static struct store_load *
rows(struct mem_state *st, uint64_t queue_id)
{
	struct store_load *l = store_load_new();

	l->queue_id = queue_id;
	l->from_start = true;
	l->max_rows = UINT32_MAX;
	l->max_bytes = UINT32_MAX;
	mem_state_load(st, l);
	return l;
}

static void
compare(struct fixture *f)
{
	for (uint64_t q = 1; q <= QUEUES; q++) {
		struct store_load *a = rows(f->one_by_one, q);
		struct store_load *b = rows(f->target, q);

		assert_int_equal(a->n_rows, b->n_rows);
		for (uint32_t i = 0; i < a->n_rows; i++) {
			assert_int_equal(
			    record_key_cmp(&a->rows[i].key, &b->rows[i].key),
			    0);
			assert_int_equal(
			    a->rows[i].body_id, b->rows[i].body_id);
			assert_int_equal(
			    a->rows[i].backout_count, b->rows[i].backout_count);
		}
		(void)store_load_free(a);
		(void)store_load_free(b);
	}
	assert_int_equal(
	    mem_state_bodies(f->one_by_one), mem_state_bodies(f->target));
}

static void
append(struct fixture *f)
{
	struct store_why why = {0};

	make_batch(f);
	while (!journal_has_place(f->j, f->b->records.len))
		if (!checkpoint(f, true))
			start(f);
	assert_int_equal(journal_append(f->j, f->b, &why), MQI_OK);
	if (f->told)
		checkpoint_add(&f->c, checkpoint_note(f->b));
	assert_int_equal(mem_state_apply(f->one_by_one, f->b, &why), MQI_OK);
}

static void
run_history(uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->random = seed;
	f->d = disk_sim_new(seed);
	f->one_by_one = mem_state_new();
	f->target = mem_state_new();
	f->b = store_batch_new(0);
	mqbuf_init(&f->txn, STORE_BATCH_MAX);
	assert_int_equal(jm_create(f->d, 0, &f->j), MQI_OK);
	start(f);
	for (unsigned i = 0; i < BATCHES; i++) {
		append(f);
		if (roll(f, 5) == 0 && f->applied < journal_last(f->j) &&
		    !checkpoint(f, false))
			start(f);
		if (roll(f, 20) == 0) {
			start(f);
			compare(f);
		}
	}
	start(f);
	compare(f);
	checkpoint_fini(&f->c);
	(void)journal_free(f->j);
	(void)mem_state_free(f->one_by_one);
	(void)mem_state_free(f->target);
	(void)store_batch_free(f->b);
	(void)disk_sim_free(f->d);
	mqbuf_fini(&f->txn);
	free(f);
}

static void
test_checkpoints_make_what_the_batches_make_one_by_one(void **state)
{
	const char *seed = getenv("MQ_SEED");
	uint64_t from = seed ? strtoull(seed, NULL, 0) : 1;
	uint64_t n = seed ? 1 : getenv("MQ_LONG") ? 3000 : 60;

	(void)state;
	for (uint64_t i = from; i < from + n; i++) {
		print_message("MQ_SEED=%llu\n", (unsigned long long)i);
		run_history(i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_checkpoints_make_what_the_batches_make_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_fault.c - the store in memory step by step (store_mem.h), and
 * the one that fails where it is told (store_fault.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/store/store_fault.h"
#include "qmgr/store/store_mem.h"

struct told {
	uint64_t durable;
	uint64_t applied;
	unsigned failed;
	struct store_load *loaded;
};

struct fixture {
	struct store *s;
	struct told told;
	uint64_t submitted;
};

static void
on_durable(void *ctx, uint64_t number)
{
	((struct told *)ctx)->durable = number;
}

static void
on_applied(void *ctx, uint64_t number)
{
	((struct told *)ctx)->applied = number;
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	assert_int_not_equal(err, MQI_OK);
	assert_true(strlen(why) > 0);
	((struct told *)ctx)->failed++;
}

static void
on_loaded(void *ctx, struct store_load *l)
{
	struct told *told = ctx;

	(void)store_load_free(told->loaded);
	told->loaded = l;
}

static void
poll_once(struct fixture *f)
{
	const struct store_events ev = {.durable = on_durable,
	    .applied = on_applied,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = &f->told};

	f->s->ops->poll(f->s, &ev);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->s = store_mem_new(false);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)store_load_free(f->told.loaded);
	(void)f->s->ops->close(f->s);
	free(f);
	return 0;
}

static void
put(struct fixture *f, uint64_t seq)
{
	struct store_batch *b = store_batch_new(++f->submitted);
	struct record_key key = {.queue_id = 1, .seq = seq};
	struct record_put v = {.body_id = seq,
	    .n_places = 1,
	    .places = &key,
	    .desc = "d",
	    .desc_len = 1,
	    .body = "body",
	    .body_len = 4};

	record_encode_put(&b->records, 0, &v);
	(void)f->s->ops->submit(f->s, b, false);
}

static void
load(struct fixture *f)
{
	struct store_load *l = store_load_new();

	l->kind = STORE_LOAD_ROWS;
	l->queue_id = 1;
	l->from_start = true;
	l->max_rows = 100;
	l->max_bytes = 1000;
	f->s->ops->load(f->s, l);
}

/* Loads and answers with the batches applied so far. */
static uint32_t
rows(struct fixture *f)
{
	load(f);
	assert_true(store_mem_read_load(f->s));
	assert_true(store_mem_answer_load(f->s));
	poll_once(f);
	return f->told.loaded->n_rows;
}

static void
test_mem_holds_each_step_back(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	put(f, 2);
	poll_once(f);
	assert_int_equal(f->told.durable, 0);
	assert_false(store_mem_apply(f->s));
	assert_true(store_mem_make_durable(f->s));
	poll_once(f);
	assert_int_equal(f->told.durable, 1);
	assert_int_equal(f->told.applied, 0);
	assert_int_equal(rows(f), 0);
	assert_true(store_mem_apply(f->s));
	assert_false(store_mem_apply(f->s));
	assert_int_equal(rows(f), 1);
	assert_int_equal(f->told.applied, 1);
	store_mem_set_automatic(f->s, true);
	load(f);
	poll_once(f);
	assert_int_equal(f->told.applied, 2);
	assert_int_equal(f->told.loaded->n_rows, 2);
}

static void
test_mem_answers_a_load_as_of_its_reading(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	assert_true(store_mem_make_durable(f->s));
	load(f);
	assert_false(store_mem_answer_load(f->s));
	assert_true(store_mem_read_load(f->s));
	assert_true(store_mem_apply(f->s));
	poll_once(f);
	assert_int_equal(f->told.applied, 1);
	assert_null(f->told.loaded);
	assert_true(store_mem_answer_load(f->s));
	poll_once(f);
	assert_int_equal(f->told.loaded->as_of, 0);
	assert_int_equal(f->told.loaded->n_rows, 0);
}

static void
test_mem_crash_keeps_the_durable_batches(void **state)
{
	struct fixture *f = *state;

	for (uint64_t seq = 1; seq <= 6; seq++)
		put(f, seq);
	for (int i = 0; i < 3; i++)
		assert_true(store_mem_make_durable(f->s));
	assert_true(store_mem_apply(f->s));
	load(f);
	f->s = store_mem_crash(f->s, 1);
	assert_int_equal(f->s->ops->last_batch(f->s), 4);
	poll_once(f);
	assert_null(f->told.loaded);
	assert_int_equal(rows(f), 4);
	f->submitted = 4;
	put(f, 9);
	assert_true(store_mem_make_durable(f->s));
	assert_true(store_mem_apply(f->s));
	assert_int_equal(rows(f), 5);
}

static void
test_mem_damage_and_loss_are_seen(void **state)
{
	struct fixture *f = *state;
	struct record_key key = {.queue_id = 1, .seq = 1};

	store_mem_set_automatic(f->s, true);
	put(f, 1);
	put(f, 2);
	assert_true(store_mem_damage(f->s, 2));
	assert_false(store_mem_damage(f->s, 3));
	assert_true(store_mem_lose(f->s, &key));
	load(f);
	poll_once(f);
	assert_int_equal(f->told.loaded->n_rows, 1);
	assert_true(f->told.loaded->rows[0].damaged);
	assert_null(f->told.loaded->rows[0].data);
}

static void
test_mem_room_and_failure_are_the_tests(void **state)
{
	struct fixture *f = *state;

	assert_true(f->s->ops->has_room(f->s));
	store_mem_set_room(f->s, false);
	assert_false(f->s->ops->has_room(f->s));
	put(f, 1);
	store_mem_fail(f->s, MQI_E_IO, "broken");
	put(f, 2);
	load(f);
	assert_false(store_mem_make_durable(f->s));
	poll_once(f);
	poll_once(f);
	assert_int_equal(f->told.failed, 1);
	assert_int_equal(f->told.durable, 0);
}

static void
wrap(struct fixture *f, struct store_fault_plan plan)
{
	store_mem_set_automatic(f->s, true);
	f->s = store_fault_new(f->s, &plan);
}

static void
test_fault_fails_the_nth_submit(void **state)
{
	struct fixture *f = *state;

	wrap(f, (struct store_fault_plan){.fail_submit = 2});
	put(f, 1);
	poll_once(f);
	assert_int_equal(f->told.durable, 1);
	put(f, 2);
	put(f, 3);
	load(f);
	poll_once(f);
	poll_once(f);
	assert_int_equal(f->told.failed, 1);
	assert_int_equal(f->told.durable, 1);
	assert_null(f->told.loaded);
	assert_int_equal(store_mem_bodies(store_fault_inner(f->s)), 1);
}

static void
test_fault_loses_the_nth_submit(void **state)
{
	struct fixture *f = *state;

	wrap(f, (struct store_fault_plan){.lose_submit = 1});
	put(f, 1);
	poll_once(f);
	assert_int_equal(f->told.failed, 1);
	assert_int_equal(f->told.durable, 0);
	assert_int_equal(store_mem_bodies(store_fault_inner(f->s)), 1);
}

static void
test_fault_fails_the_nth_load(void **state)
{
	struct fixture *f = *state;

	wrap(f, (struct store_fault_plan){.fail_load = 2});
	put(f, 1);
	load(f);
	poll_once(f);
	assert_int_equal(f->told.loaded->n_rows, 1);
	load(f);
	poll_once(f);
	assert_int_equal(f->told.loaded->err, MQI_E_STORE_FAILED);
	load(f);
	poll_once(f);
	assert_int_equal(f->told.loaded->err, MQI_OK);
}

static void
test_fault_delays_by_polls(void **state)
{
	struct fixture *f = *state;

	wrap(f, (struct store_fault_plan){.delay_polls = 2});
	put(f, 1);
	poll_once(f);
	poll_once(f);
	assert_int_equal(f->told.durable, 0);
	poll_once(f);
	assert_int_equal(f->told.durable, 1);
	assert_int_equal(f->told.applied, 1);
	assert_true(f->s->ops->has_room(f->s));
	store_fault_set(f->s, &(struct store_fault_plan){.fail_load = 1});
	load(f);
	poll_once(f);
	assert_int_equal(f->told.loaded->err, MQI_E_STORE_FAILED);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_mem_holds_each_step_back),
	    T(test_mem_answers_a_load_as_of_its_reading),
	    T(test_mem_crash_keeps_the_durable_batches),
	    T(test_mem_damage_and_loss_are_seen),
	    T(test_mem_room_and_failure_are_the_tests),
	    T(test_fault_fails_the_nth_submit),
	    T(test_fault_loses_the_nth_submit),
	    T(test_fault_fails_the_nth_load),
	    T(test_fault_delays_by_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

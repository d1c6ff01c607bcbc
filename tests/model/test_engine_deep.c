/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_deep.c - a queue far deeper than its window, with priorities:
 * gets by id, units backed out and committed, and gets in order, with each
 * step of the store held back at random; nothing comes back, nothing is lost.
 * Who looks through it for what is not there holds up nobody, and fills no
 * memory.
 *
 * 100,000 messages, or 1,000,000 with MQ_LONG=1.  MQ_SEED=n replays a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "tests/unit/engine/rig.h"

#define PRIORITIES 10u
#define BY_ID 8u    /* gets by id at once */
#define IN_ORDER 4u /* and in order */
#define BURST 1000u
/* The store in memory finds an id by looking at every message: more rounds at
 * more depth would take the square of it. */
#define ROUNDS 50u
#define STEPS_MAX 100000u

struct deep {
	struct rig rig;
	uint64_t random;
	uint32_t depth;
	uint32_t rounds;
	uint32_t handle;
	uint32_t left;
	bool *gone;
	uint32_t next[PRIORITIES]; /* no message before it is there */
};

static struct deep *d;

/* Message i has priority i % 10 and this id. */
static void
id_of(uint32_t i, uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = 1;
	memcpy(ret + 1, &i, sizeof(i));
}

static uint32_t
roll(uint32_t n)
{
	return (uint32_t)(mqrand_next(&d->random) % n);
}

/* ---- the store, step by step ---- */

static void
random_steps(void)
{
	struct store *s = d->rig.store;

	switch (roll(5)) {
	case 0:
		(void)store_mem_make_durable(s);
		break;
	case 1:
		(void)store_mem_apply(s);
		break;
	case 2:
		(void)store_mem_read_load(s);
		break;
	case 3:
		(void)store_mem_answer_load(s);
		break;
	default:
		break;
	}
	d->rig.mono_us += 100;
	rig_turn(&d->rig);
}

static struct rig_reply *
wait_reply(uint32_t id)
{
	struct rig_reply *k;

	for (uint32_t i = 0; i < STEPS_MAX; i++) {
		k = rig_reply(&d->rig, 0, id);
		if (k != NULL)
			return k;
		random_steps();
	}
	fail_msg("request %u is not answered", id);
	return NULL;
}

/* ---- the queue ---- */

static void
fill(void)
{
	uint8_t id[MQI_ID_LEN];

	for (uint32_t i = 0; i < d->depth; i++) {
		struct rig_put p = {.handle = d->handle,
		    .priority = (int32_t)(i % PRIORITIES),
		    .persistence = MQI_PERSISTENCE_YES,
		    .body = &i,
		    .len = sizeof(i),
		    .msg_id = id};

		id_of(i, id);
		(void)rig_ask_put(&d->rig, 0, &p);
		if (i % BURST == BURST - 1) {
			rig_settle(&d->rig);
			rig_forget_replies(&d->rig, 0);
		}
	}
	rig_settle(&d->rig);
	rig_forget_replies(&d->rig, 0);
}

/* The message that is next in order: the highest priority, the oldest. */
static uint32_t
first_left(void)
{
	for (uint32_t p = PRIORITIES; p-- > 0;) {
		uint32_t *i = &d->next[p];

		while (*i < d->depth && d->gone[*i])
			*i += PRIORITIES;
		if (*i < d->depth)
			return *i;
	}
	fail_msg("no message is left");
	return 0;
}

static void
take(uint32_t i)
{
	assert_false(d->gone[i]);
	d->gone[i] = true;
	d->left--;
}

static void
check_message(const struct rig_reply *k, uint32_t want)
{
	uint32_t got;

	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(k->len, sizeof(got));
	memcpy(&got, k->data, sizeof(got));
	assert_int_equal(got, want);
}

/* Whether gets in order may reach i in this round, if all that are asked for by
 * id are before it. */
static bool
is_reached(uint32_t i, uint32_t first)
{
	unsigned before = 0;

	if (i % PRIORITIES != first % PRIORITIES)
		return false;
	for (; first < i && before < BY_ID + IN_ORDER; first += PRIORITIES)
		before += !d->gone[first];
	return before < BY_ID + IN_ORDER;
}

/* A message that no other request of the round can get: anywhere, or shortly
 * behind what gets in order reach, where the queue is being loaded. */
static uint32_t
pick(const uint32_t *others, unsigned n_others)
{
	uint32_t first = first_left();

	for (;;) {
		uint32_t i = roll(d->depth);
		bool taken;

		if (n_others % 2 != 0)
			i = first + PRIORITIES * (16 + roll(100));
		taken = i >= d->depth || d->gone[i] || is_reached(i, first);
		for (unsigned n = 0; n < n_others; n++)
			taken = taken || others[n] == i;
		if (!taken)
			return i;
	}
}

static uint32_t
ask_by_id(uint32_t i, uint32_t unit)
{
	struct mqlocal_get req = RIG_GET(d->handle);

	req.options = MQI_GET_MATCH_MSG_ID;
	req.unit = unit;
	id_of(i, req.msg_id);
	return rig_ask_get(&d->rig, 0, &req);
}

static void
end_unit(uint32_t unit, bool commit)
{
	uint32_t id = ++d->rig.last_id;

	if (commit)
		engine_commit(d->rig.e, d->rig.sessions[0].s, id, unit);
	else
		engine_backout(d->rig.e, d->rig.sessions[0].s, id, unit);
	assert_int_equal(wait_reply(id)->r.reason, MQI_OK);
}

/* Gets by id, half of them in a unit, and gets in order, all under way at
 * once; then the unit ends, and what was got for good is asked for again. */
static void
round_of_gets(uint32_t unit)
{
	struct mqlocal_get req = RIG_GET(d->handle);
	uint32_t named[BY_ID], ids[BY_ID], in_order[IN_ORDER];
	bool commit = roll(2) == 0;

	for (unsigned n = 0; n < BY_ID; n++) {
		named[n] = pick(named, n);
		ids[n] = ask_by_id(named[n], n % 2 == 0 ? unit : 0);
		if (n < IN_ORDER)
			in_order[n] = rig_ask_get(&d->rig, 0, &req);
		random_steps();
	}
	for (unsigned n = 0; n < IN_ORDER; n++) {
		uint32_t want = first_left();

		check_message(wait_reply(in_order[n]), want);
		take(want);
	}
	for (unsigned n = 0; n < BY_ID; n++)
		check_message(wait_reply(ids[n]), named[n]);
	end_unit(unit, commit);
	for (unsigned n = 0; n < BY_ID; n++)
		if (commit || n % 2 != 0)
			take(named[n]);
	for (unsigned n = 0; n < BY_ID; n++)
		if (d->gone[named[n]])
			assert_int_equal(
			    wait_reply(ask_by_id(named[n], 0))->r.reason,
			    MQI_E_NO_MSG_AVAILABLE);
}

static void
operate(void)
{
	for (uint32_t n = 1; n <= d->rounds; n++) {
		round_of_gets(n);
		rig_forget_replies(&d->rig, 0);
		engine_check(d->rig.e);
	}
}

/* All that is left, in order, many asked for at once. */
static void
drain(void)
{
	struct mqlocal_get req = RIG_GET(d->handle);
	uint32_t ids[BURST];

	while (d->left > 0) {
		uint32_t n = d->left < BURST ? d->left : BURST;

		for (uint32_t i = 0; i < n; i++)
			ids[i] = rig_ask_get(&d->rig, 0, &req);
		rig_settle(&d->rig);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t want = first_left();
			struct rig_reply *k = rig_reply(&d->rig, 0, ids[i]);

			assert_non_null(k);
			check_message(k, want);
			take(want);
		}
		rig_forget_replies(&d->rig, 0);
	}
	assert_int_equal(wait_reply(rig_ask_get(&d->rig, 0, &req))->r.reason,
	    MQI_E_NO_MSG_AVAILABLE);
}

/* Somebody looks through all of it for what is not there. */
static void
select_nothing(void)
{
	struct mqlocal_open_select v = {.options = MQI_OO_INPUT_SHARED,
	    .object = "DEEP",
	    .selector = "JMSPriority = 10 OR absent LIKE '%x%'"};
	const struct queue *q;
	struct mqlocal_get req;
	struct rig_reply *k;
	uint32_t id, turns = 0;

	rig_connect(&d->rig, 1);
	id = ++d->rig.last_id;
	engine_open_select(d->rig.e, d->rig.sessions[1].s, id, &v);
	k = rig_reply(&d->rig, 1, id);
	assert_int_equal(k->r.kind, ENGINE_OPENED);
	q = queue_by_id(
	    d->rig.e, engine_object_find(d->rig.e, MQATTR_QLOCAL, "DEEP")->id);
	req = RIG_GET(k->r.handle);
	id = rig_ask_get(&d->rig, 1, &req);
	for (; (k = rig_reply(&d->rig, 1, id)) == NULL; turns++) {
		/* others are answered meanwhile */
		if (turns % 1000 == 0)
			check_message(wait_reply(ask_by_id(first_left(), 0)),
			    first_left());
		if (turns % 1000 == 0)
			take(first_left());
		engine_tick(d->rig.e, d->rig.mono_us, 1700000000000000u);
		engine_turn_end(d->rig.e);
		(void)store_mem_read_load(d->rig.store);
		(void)store_mem_answer_load(d->rig.store);
		rig_poll(&d->rig);
		assert_true(q->n_settled < 500);
	}
	assert_int_equal(k->r.reason, MQI_E_NO_MSG_AVAILABLE);
	printf("%u messages were looked at in %u turns\n", d->left, turns);
	assert_true(turns >= d->left / 256);
	rig_disconnect(&d->rig, 1);
	rig_forget_replies(&d->rig, 0);
}

static void
test_deep_queue_by_id_backout_and_priority(void **state)
{
	const struct engine_config config = {.name = "QM", .window_rows = 64};
	const char *seed = getenv("MQ_SEED");

	(void)state;
	d = mqmem_alloc(sizeof(*d));
	if (seed != NULL)
		d->random = strtoull(seed, NULL, 0);
	else
		mqrand_bytes(&d->random, sizeof(d->random));
	printf("MQ_SEED=%llu\n", (unsigned long long)d->random);
	d->depth = d->left = getenv("MQ_LONG") != NULL ? 1000000 : 100000;
	d->rounds = ROUNDS;
	d->gone = mqmem_array(d->depth, sizeof(*d->gone));
	for (uint32_t p = 0; p < PRIORITIES; p++)
		d->next[p] = p;
	rig_start(&d->rig, &config);
	rig_define(&d->rig, MQATTR_QLOCAL, "DEEP", "MAXDEPTH=2000000", NULL);
	rig_connect(&d->rig, 0);
	assert_int_equal(rig_open(&d->rig, 0, "DEEP",
			     MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &d->handle),
	    MQI_OK);
	fill();
	operate();
	select_nothing();
	drain();
	rig_stop(&d->rig);
	free(d->gone);
	free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_deep_queue_by_id_backout_and_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

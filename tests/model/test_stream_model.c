/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream_model.c - random histories of one transmission queue and the
 * partner that it sends to: exactly once, in order, whatever crashes.
 *
 * The partner is a number (its position, always durable) and the list of
 * messages that it has taken.  The sender connects, says where the partner
 * stands, is handed messages, acknowledges; sessions end, the queue manager
 * crashes with some of its batches, the store is held back at each step.  In
 * the end the partner must have each acknowledged persistent message once, in
 * the order of the commits, and nothing of what was backed out.
 * MQ_SEED=n runs one history.
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

#define MSGS 4096u
#define LONG_BODY 150000u
#define PUTTER 0u
#define SENDER 1u

enum state { ASKED, IN_UNIT, COMMITTING, PUT, UNDONE };

struct sent {
	enum state state;
	uint64_t order;
	bool persistent;
	bool received;
	uint32_t unit;
};

static struct rig rig;
static uint64_t random_state;
static struct sent msgs[MSGS];
static unsigned n_msgs;
static uint64_t order;
static uint32_t put_handle;
static uint32_t unit; /* open; 0 none */
static uint32_t n_units;
static uint32_t ask_of[65536]; /* request id: message, or unit | top bit */
static uint32_t sender_handle;
static uint64_t position;   /* the partner's */
static uint64_t last_order; /* of what the partner took last */
static uint32_t cursor[2];
static char *body;

static unsigned
roll(unsigned n)
{
	return (unsigned)(mqrand_next(&random_state) % n);
}

static void
connect_putter(void)
{
	uint32_t id = ++rig.last_id;
	struct rig_reply *k;

	rig_connect(&rig, PUTTER);
	engine_open(rig.e, rig.sessions[PUTTER].s, id, "X", "", MQI_OO_OUTPUT);
	k = rig_reply(&rig, PUTTER, id);
	assert_non_null(k);
	put_handle = k->r.handle;
	unit = 0;
}

static void
end_unit_in_model(uint32_t u, enum state from, enum state to)
{
	for (unsigned n = 1; n <= n_msgs; n++) {
		if (msgs[n].unit == u && msgs[n].state == from)
			msgs[n].state = to;
	}
}

static void
do_put(void)
{
	bool persistent = roll(4) != 0;
	uint32_t len = 8 + (roll(30) == 0 ? roll(LONG_BODY) : roll(100));
	struct rig_put p = {.handle = put_handle,
	    .priority = (int32_t)roll(3),
	    .persistence = persistent,
	    .body = body,
	    .len = len};
	char head[16];
	uint32_t id;

	if (n_msgs + 1 >= MSGS)
		return;
	if (unit == 0 && roll(3) == 0)
		unit = ++n_units;
	p.unit = unit;
	n_msgs++;
	msgs[n_msgs] = (struct sent){.state = unit != 0 ? IN_UNIT : ASKED,
	    .order = ++order,
	    .persistent = persistent,
	    .unit = unit};
	(void)snprintf(head, sizeof(head), "%08u", n_msgs);
	memset(body, 'x', len);
	memcpy(body, head, 8);
	id = rig_ask_put(&rig, PUTTER, &p);
	ask_of[id] = n_msgs;
}

static void
do_end_unit(void)
{
	uint32_t id;

	if (unit == 0)
		return;
	id = ++rig.last_id;
	if (roll(4) == 0) {
		end_unit_in_model(unit, IN_UNIT, UNDONE);
		engine_backout(rig.e, rig.sessions[PUTTER].s, id, unit);
	} else {
		for (unsigned n = 1; n <= n_msgs; n++) {
			if (msgs[n].unit == unit && msgs[n].state == IN_UNIT)
				msgs[n].order = ++order;
		}
		end_unit_in_model(unit, IN_UNIT, COMMITTING);
		ask_of[id] = unit | UINT32_C(0x80000000);
		engine_commit(rig.e, rig.sessions[PUTTER].s, id, unit);
	}
	unit = 0;
}

static void
see_putter(void)
{
	struct rig_session *rs = &rig.sessions[PUTTER];

	for (; cursor[PUTTER] < rs->n_replies; cursor[PUTTER]++) {
		struct rig_reply *k = rs->replies[cursor[PUTTER]];
		uint32_t what = ask_of[k->r.id];

		if (what == 0)
			continue;
		assert_int_equal(k->r.reason, MQI_OK);
		if ((what & UINT32_C(0x80000000)) != 0)
			end_unit_in_model(what & 0x7fffffffu, COMMITTING, PUT);
		else if (msgs[what].state == ASKED)
			msgs[what].state = PUT;
	}
}

/* The partner takes what has come whole. */
static void
see_sender(void)
{
	struct rig_session *rs = &rig.sessions[SENDER];

	for (; cursor[SENDER] < rs->n_replies; cursor[SENDER]++) {
		struct rig_reply *k = rs->replies[cursor[SENDER]];
		struct sent *m;
		unsigned n;

		if (k->r.kind != ENGINE_MESSAGE)
			continue;
		if (!k->whole)
			return;
		n = (unsigned)strtoul((const char *)k->data, NULL, 10);
		assert_true(n >= 1 && n <= n_msgs);
		m = &msgs[n];
		assert_true(m->state != IN_UNIT && m->state != UNDONE);
		assert_int_equal(k->r.u.message.previous, position);
		assert_true(k->r.token > position);
		assert_false(m->received);
		assert_true(m->order > last_order);
		m->received = true;
		last_order = m->order;
		position = k->r.token;
	}
}

static void
connect_sender(void)
{
	static const uint8_t partner[16] = {4};
	struct engine_session *s = rig_connect(&rig, SENDER);
	uint32_t id = ++rig.last_id;
	struct rig_reply *k;

	rig_forget_replies(&rig, SENDER);
	cursor[SENDER] = 0;
	engine_stream_open(rig.e, s, id, "X");
	rig_settle(&rig);
	see_putter();
	k = rig_reply(&rig, SENDER, id);
	assert_non_null(k);
	assert_int_equal(k->r.kind, ENGINE_STREAM);
	assert_true(k->stream.acked <= position);
	assert_true(k->stream.handed >= position);
	sender_handle = k->r.handle;
	id = ++rig.last_id;
	engine_stream_bind(rig.e, s, id, sender_handle, partner, "CN=P");
	assert_int_equal(rig_result(&rig, SENDER, id), MQI_OK);
	see_putter();
	if (roll(2) == 0)
		engine_stream_ack(rig.e, s, sender_handle, position);
	engine_stream_credit(
	    rig.e, s, sender_handle, 1 + roll(20), 500 + roll(9000), position);
}

static void
do_sender(void)
{
	if (rig.sessions[SENDER].s == NULL)
		connect_sender();
	else if (roll(10) == 0)
		rig.sessions[SENDER].hold_sent = roll(2) == 0;
	else
		engine_stream_ack(
		    rig.e, rig.sessions[SENDER].s, sender_handle, position);
}

static void
do_crash(void)
{
	for (unsigned n = 1; n <= n_msgs; n++) {
		struct sent *m = &msgs[n];

		/* what was not answered is decided by what comes */
		if (m->state == IN_UNIT)
			m->state = UNDONE;
		else if (m->state == PUT && !m->persistent)
			m->state = ASKED;
	}
	rig_forget_replies(&rig, PUTTER);
	rig_forget_replies(&rig, SENDER);
	cursor[PUTTER] = cursor[SENDER] = 0;
	rig.sessions[SENDER].hold_sent = false;
	rig_crash(&rig, roll(3));
	connect_putter();
}

static void
do_store_step(void)
{
	switch (roll(5)) {
	case 0:
		(void)store_mem_make_durable(rig.store);
		break;
	case 1:
		(void)store_mem_apply(rig.store);
		break;
	case 2:
		(void)store_mem_read_load(rig.store);
		break;
	case 3:
		(void)store_mem_answer_load(rig.store);
		break;
	default:
		rig_poll(&rig);
		break;
	}
}

static void
step(void)
{
	unsigned what = roll(1000);

	if (what < 250 && engine_accepts(rig.e))
		do_put();
	else if (what < 350)
		do_end_unit();
	else if (what < 450)
		do_sender();
	else if (what < 750)
		do_store_step();
	else if (what < 990)
		rig_turn(&rig);
	else if (what < 995 && rig.sessions[SENDER].s != NULL)
		rig_disconnect(&rig, SENDER);
	else if (what >= 998)
		do_crash();
	engine_check(rig.e);
	see_putter();
	see_sender();
}

/* Everything is sent and acknowledged, and must be there once. */
static void
finish(void)
{
	struct engine_queue_status st;

	rig.sessions[SENDER].hold_sent = false;
	if (rig.sessions[SENDER].s != NULL) {
		rig_settle(&rig);
		see_sender();
		rig_disconnect(&rig, SENDER);
	}
	if (unit != 0) {
		end_unit_in_model(unit, IN_UNIT, UNDONE);
		engine_backout(
		    rig.e, rig.sessions[PUTTER].s, ++rig.last_id, unit);
	}
	connect_sender();
	engine_stream_credit(
	    rig.e, rig.sessions[SENDER].s, sender_handle, MSGS, UINT32_MAX, 0);
	rig_settle(&rig);
	see_putter();
	see_sender();
	for (unsigned n = 1; n <= n_msgs; n++) {
		if (msgs[n].state == PUT && !msgs[n].received)
			fail_msg("message %u is lost", n);
	}
	engine_stream_ack(
	    rig.e, rig.sessions[SENDER].s, sender_handle, position);
	rig_advance_ms(&rig, 11);
	rig_advance_ms(&rig, 11);
	assert_int_equal(engine_queue_status(rig.e, "X", &st), MQI_OK);
	assert_int_equal(st.depth, 0);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
run_history(uint64_t seed, unsigned steps)
{
	struct engine_config config = {.np_bytes = 3000};

	random_state = seed;
	memset(msgs, 0, sizeof(msgs));
	memset(ask_of, 0, sizeof(ask_of));
	memset(cursor, 0, sizeof(cursor));
	n_msgs = n_units = 0;
	order = position = last_order = 0;
	config.window_rows = 2 + roll(14);
	config.window_bytes = 200 + roll(2000);
	config.unit_bytes = 200 + roll(1000);
	config.out_bytes = 500 + roll(5000);
	rig_start(&rig, &config);
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_advance_ms(&rig, 11);
	store_mem_set_automatic(rig.store, false);
	connect_putter();
	for (unsigned i = 0; i < steps; i++)
		step();
	finish();
	rig_stop(&rig);
}

static unsigned
from_env(const char *name, unsigned dflt)
{
	const char *v = getenv(name);

	return v != NULL ? (unsigned)strtoul(v, NULL, 10) : dflt;
}

static void
test_histories(void **state)
{
	unsigned n = from_env("MQ_HISTORIES", 40);
	unsigned steps = from_env("MQ_STEPS", 5000);
	uint64_t seed = from_env("MQ_SEED", 0);

	(void)state;
	if (seed != 0)
		n = 1;
	else
		mqrand_bytes(&seed, 4);
	body = mqmem_alloc(LONG_BODY + 256);
	for (unsigned i = 0; i < n; i++) {
		(void)fprintf(stderr, "MQ_SEED=%u\n", (unsigned)(seed + i));
		run_history((uint32_t)(seed + i), steps);
	}
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

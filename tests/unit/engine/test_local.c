/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_local.c - put, get, wait and inquire on local queues; what may leave
 * the engine before it is durable, and what not.
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
#include "tests/unit/engine/rig.h"

static struct rig rig;

static int
setup(void **state)
{
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_settle(&rig);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static uint32_t
open_q(unsigned n)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, n, "Q",
			     MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT |
				 MQI_OO_INQUIRE | MQI_OO_BROWSE,
			     &h),
	    MQI_OK);
	return h;
}

static void
test_put_then_get_returns_the_message(void **state)
{
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "two");
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_put_of_no_bytes_is_a_message(void **state)
{
	uint32_t h = open_q(0);
	char body[32] = "x";

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, ""), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "");
}

static void
test_put_is_acknowledged_when_durable_and_not_before(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	uint32_t id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	id = rig_ask_put(&rig, 0, &p);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 0, id));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, id));
}

/* Puts with the same descriptor bytes: what each has become. */
static void
test_equal_puts_follow_the_queue_s_attributes(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	uint8_t ids[4][MQI_ID_LEN];

	(void)state;
	p.persistence = MQI_PERSISTENCE_AS_Q_DEF;
	for (unsigned i = 0; i < 4; i++) {
		const struct rig_reply *k;
		uint32_t id;

		if (i == 2)
			rig_define(&rig, MQATTR_QLOCAL, "Q", "DEFPRTY=7",
			    "DEFPSIST=YES", NULL);
		rig_advance_ms(&rig, 5);
		id = rig_ask_put(&rig, 0, &p);
		rig_settle(&rig);
		k = rig_reply(&rig, 0, id);
		assert_non_null(k);
		assert_int_equal(k->r.u.put.priority, i < 2 ? 0 : 7);
		assert_int_equal(k->r.u.put.persistent, i >= 2);
		memcpy(ids[i], k->msg_id, MQI_ID_LEN);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(ids[i], ids[j], MQI_ID_LEN);
	}
}

#define BRIEF_PUTS 300u

static void
test_brief_puts_are_answered_together_when_durable(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	uint32_t first = 0, batch[2] = {0};

	(void)state;
	p.flags = MQLOCAL_PUT_BRIEF;
	store_mem_set_automatic(rig.store, false);
	/* two batches, the first one in flight */
	for (uint32_t i = 0; i < BRIEF_PUTS; i++) {
		uint32_t id = rig_ask_put(&rig, 0, &p);

		first = i == 0 ? id : first;
		if (i == 99)
			rig_turn(&rig);
	}
	rig_turn(&rig);
	for (unsigned n = 0; n < 2; n++) {
		const struct rig_session *rs = &rig.sessions[0];
		uint32_t from = rs->n_replies;

		assert_null(rig_reply(&rig, 0, first + 100 * n));
		rig_turn(&rig); /* it flies */
		assert_true(store_mem_make_durable(rig.store));
		rig_turn(&rig);
		batch[n] = rs->n_replies - from;
		for (uint32_t i = 0; i < batch[n]; i++) {
			const struct rig_reply *k = rs->replies[from + i];

			assert_int_equal(k->r.kind, ENGINE_PUTS_DONE);
			assert_int_equal(k->r.id, first + 100 * n + i);
		}
	}
	assert_int_equal(batch[0], 100);
	assert_int_equal(batch[1], BRIEF_PUTS - 100);
}

static void
test_brief_put_that_fails_has_a_result(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");

	(void)state;
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXDEPTH=2", NULL);
	p.flags = MQLOCAL_PUT_BRIEF;
	p.persistence = MQI_PERSISTENCE_NO;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	p.unit = 1;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_E_Q_FULL);
	assert_int_equal(rig_commit(&rig, 0, 1), MQI_OK);
}

static void
test_get_waits_for_the_put_it_reveals_and_for_its_removal(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t put, id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	put = rig_ask_put(&rig, 0, &p);
	rig_turn(&rig); /* the put flies */
	id = rig_ask_get(&rig, 1, &get);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 1, id));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, put));
	/* the removal flies now */
	assert_null(rig_reply(&rig, 1, id));
	rig_turn(&rig);
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 1, id));
}

static void
test_put_that_meets_a_waiting_get_shares_one_flush(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t put, id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 1, &get);
	put = rig_ask_put(&rig, 0, &p);
	rig_turn(&rig);
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, put));
	assert_non_null(rig_reply(&rig, 1, id));
}

static void
test_non_persistent_never_waits(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	struct mqlocal_get get = RIG_GET(open_q(1));
	struct rig_reply *k;
	uint32_t put, id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	p.persistence = MQI_PERSISTENCE_NO;
	put = rig_ask_put(&rig, 0, &p);
	id = rig_ask_get(&rig, 1, &get);
	assert_non_null(rig_reply(&rig, 0, put));
	k = rig_reply(&rig, 1, id);
	assert_non_null(k);
	assert_memory_equal(k->data, "one", 3);
	assert_int_equal(rig.e->np_used, 0);
}

static void
test_non_persistent_behind_an_undurable_one_keeps_order(void **state)
{
	uint32_t h0 = open_q(0), h1 = open_q(1);
	struct rig_put p = RIG_PUT(h0, "one");
	struct mqlocal_get get = RIG_GET(h1);
	uint32_t a, b;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	(void)rig_ask_put(&rig, 0, &p);
	p.persistence = MQI_PERSISTENCE_NO;
	(void)rig_ask_put(&rig, 0, &p);
	a = rig_ask_get(&rig, 1, &get);
	b = rig_ask_get(&rig, 1, &get);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 1, b));
	rig_settle(&rig);
	assert_non_null(rig_reply(&rig, 1, a));
	assert_non_null(rig_reply(&rig, 1, b));
}

static void
test_non_persistent_beyond_the_bound_is_spilled_and_gone_at_start(void **state)
{
	struct rig_put p = RIG_PUT(0, "0123456789");
	char body[32];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.np_bytes = 1000});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	p.handle = open_q(0);
	p.persistence = MQI_PERSISTENCE_NO;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(
		    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	assert_true(rig.e->np_used <= 1000);
	rig_advance_ms(&rig, 20);
	assert_true(store_mem_bodies(rig.store) > 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(
		    rig_get(&rig, 0, p.handle, 0, body, sizeof(body)), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	p.handle = open_q(0);
	assert_int_equal(rig_get(&rig, 0, p.handle, 0, body, sizeof(body)),
	    MQI_E_NO_MSG_AVAILABLE);
}

static void
test_get_returns_empty_when_the_wait_ends(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	get.wait_ms = 500;
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	assert_int_equal(engine_next_tick(rig.e), rig.mono_us + 500000);
	rig_advance_ms(&rig, 499);
	assert_null(rig_reply(&rig, 0, id));
	rig_advance_ms(&rig, 1);
	k = rig_reply(&rig, 0, id);
	assert_non_null(k);
	assert_int_equal(k->r.reason, MQI_E_NO_MSG_AVAILABLE);
}

static void
test_get_can_be_cancelled(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	uint32_t id;

	(void)state;
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 0, &get);
	engine_cancel_get(rig.e, rig.sessions[0].s, id);
	assert_int_equal(rig_result(&rig, 0, id), MQI_E_CANCELLED);
	engine_cancel_get(rig.e, rig.sessions[0].s, id);
}

static void
test_one_put_wakes_the_first_getter(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t h = open_q(0);
	uint32_t ids[3];

	(void)state;
	get.wait_ms = MQI_WAIT_FOREVER;
	for (unsigned i = 0; i < 3; i++)
		ids[i] = rig_ask_get(&rig, 1, &get);
	assert_int_equal(rig_put(&rig, 0, h, 0, "a"), MQI_OK);
	assert_non_null(rig_reply(&rig, 1, ids[0]));
	assert_null(rig_reply(&rig, 1, ids[1]));
	assert_int_equal(rig_put(&rig, 0, h, 0, "b"), MQI_OK);
	assert_non_null(rig_reply(&rig, 1, ids[1]));
	assert_null(rig_reply(&rig, 1, ids[2]));
}

static void
test_priority_goes_first(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "low");
	char body[32];

	(void)state;
	p.priority = 2;
	(void)rig_ask_put(&rig, 0, &p);
	p.priority = 7;
	p.body = "top";
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_int_equal(
	    rig_get(&rig, 0, p.handle, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "top");
	assert_int_equal(
	    rig_get(&rig, 0, p.handle, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "low");
}

static void
test_messages_survive_a_restart(void **state)
{
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	for (unsigned i = 1; i < 20; i++) {
		char want[32];

		(void)snprintf(want, sizeof(want), "m%u", i);
		assert_int_equal(
		    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
		assert_string_equal(body, want);
	}
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_get_by_correl_id_finds_it_behind_others(void **state)
{
	uint8_t ids[3][MQI_ID_LEN] = {{1}, {2}, {3}};
	struct rig_put p = RIG_PUT(open_q(0), "x");
	struct mqlocal_get get = RIG_GET(p.handle);
	char text[3][4] = {"c0", "c1", "c2"};
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		p.correl_id = ids[i];
		p.body = text[i];
		p.len = 2;
		(void)rig_ask_put(&rig, 0, &p);
	}
	get.options = MQI_GET_MATCH_CORREL_ID;
	memcpy(get.correl_id, ids[1], MQI_ID_LEN);
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_memory_equal(k->data, "c1", 2);
	assert_int_equal(rig_result(&rig, 0, rig_ask_get(&rig, 0, &get)),
	    MQI_E_NO_MSG_AVAILABLE);
}

static void
test_get_by_msg_id_waits_for_its_message_alone(void **state)
{
	uint8_t mine[MQI_ID_LEN] = {9}, other[MQI_ID_LEN] = {8};
	struct rig_put p = RIG_PUT(open_q(0), "x");
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t id;

	(void)state;
	get.options = MQI_GET_MATCH_MSG_ID;
	get.wait_ms = MQI_WAIT_FOREVER;
	memcpy(get.msg_id, mine, MQI_ID_LEN);
	id = rig_ask_get(&rig, 1, &get);
	p.msg_id = other;
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_null(rig_reply(&rig, 1, id));
	p.msg_id = mine;
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_non_null(rig_reply(&rig, 1, id));
}

static void
test_get_unsent_returns_when_the_session_ends(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	rig.sessions[1].hold_sent = true;
	assert_int_equal(rig_get(&rig, 1, h1, 0, body, sizeof(body)), MQI_OK);
	rig_disconnect(&rig, 1);
	rig_settle(&rig);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "one");
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "two");
}

static void
test_get_sent_is_gone_when_the_session_ends(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_get(&rig, 1, h1, 0, body, sizeof(body)), MQI_OK);
	rig_disconnect(&rig, 1);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_inquire_tells_depth_and_attributes(void **state)
{
	uint32_t h = open_q(0);
	struct rig_reply *k;
	uint32_t id = ++rig.last_id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 5, "two"), MQI_OK);
	engine_inquire(rig.e, rig.sessions[0].s, id, h);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_int_equal(k->info.depth, 2);
	assert_int_equal(k->info.max_depth, 5000);
	assert_int_equal(k->info.open_input, 1);
	assert_string_equal(k->info.name, "Q");
}

static void
test_deep_queue_keeps_little_in_memory(void **state)
{
	uint32_t h;
	char body[32], want[32];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 8});
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXDEPTH=100000", NULL);
	rig_connect(&rig, 0);
	h = open_q(0);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
	assert_true(rig.e->queues->n_live <= 8);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(want, sizeof(want), "m%u", i);
		assert_int_equal(
		    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
		assert_string_equal(body, want);
		rig_forget_replies(&rig, 0);
	}
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_put_then_get_returns_the_message),
	    T(test_put_of_no_bytes_is_a_message),
	    T(test_put_is_acknowledged_when_durable_and_not_before),
	    T(test_equal_puts_follow_the_queue_s_attributes),
	    T(test_brief_puts_are_answered_together_when_durable),
	    T(test_brief_put_that_fails_has_a_result),
	    T(test_get_waits_for_the_put_it_reveals_and_for_its_removal),
	    T(test_put_that_meets_a_waiting_get_shares_one_flush),
	    T(test_non_persistent_never_waits),
	    T(test_non_persistent_behind_an_undurable_one_keeps_order),
	    T(test_non_persistent_beyond_the_bound_is_spilled_and_gone_at_start),
	    T(test_get_returns_empty_when_the_wait_ends),
	    T(test_get_can_be_cancelled),
	    T(test_one_put_wakes_the_first_getter),
	    T(test_priority_goes_first),
	    T(test_messages_survive_a_restart),
	    T(test_get_by_correl_id_finds_it_behind_others),
	    T(test_get_by_msg_id_waits_for_its_message_alone),
	    T(test_get_unsent_returns_when_the_session_ends),
	    T(test_get_sent_is_gone_when_the_session_ends),
	    T(test_inquire_tells_depth_and_attributes),
	    T(test_deep_queue_keeps_little_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ahead.c - acknowledged read-ahead, and watching.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/unit/engine/rig.h"

static struct rig rig;

static int
setup(void **state)
{
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "R", NULL);
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
open_as(unsigned n, const char *name, uint32_t options)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, n, name, options, &h), MQI_OK);
	return h;
}

static uint32_t
open_q(unsigned n)
{
	return open_as(n, "Q",
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE |
		MQI_OO_BROWSE);
}

static void
consume(unsigned n, uint32_t h, uint32_t msgs, uint32_t bytes)
{
	uint32_t id = ++rig.last_id;

	engine_consume(rig.e, rig.sessions[n].s, id, h, msgs, bytes);
	assert_int_equal(rig_result(&rig, n, id), MQI_OK);
}

static void
put_numbered(uint32_t h, unsigned n)
{
	char body[16];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
}

static void
test_read_ahead_delivers_within_its_window_and_goes_on_when_acked(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	struct rig_reply *k = NULL;
	char want[16];

	(void)state;
	put_numbered(h, 10);
	consume(1, h1, 4, 100000);
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(want, sizeof(want), "m%u", i);
		k = rig_event(&rig, 1, ENGINE_MESSAGE);
		assert_non_null(k);
		assert_memory_equal(k->data, want, 2);
		assert_int_equal(k->r.token, i + 1);
	}
	assert_null(rig_event(&rig, 1, ENGINE_MESSAGE));
	engine_ack(rig.e, rig.sessions[1].s, 500, h1, 2);
	assert_int_equal(rig_result(&rig, 1, 500), MQI_OK);
	assert_non_null(rig_event(&rig, 1, ENGINE_MESSAGE));
	assert_non_null(rig_event(&rig, 1, ENGINE_MESSAGE));
	assert_null(rig_event(&rig, 1, ENGINE_MESSAGE));
}

static void
test_ack_is_answered_when_its_removals_are_durable(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);

	(void)state;
	put_numbered(h, 2);
	consume(1, h1, 4, 100000);
	store_mem_set_automatic(rig.store, false);
	engine_ack(rig.e, rig.sessions[1].s, 500, h1, 2);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 1, 500));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 1, 500));
}

static void
test_ack_without_an_answer_waits_for_company(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);

	(void)state;
	put_numbered(h, 2);
	consume(1, h1, 4, 100000);
	engine_ack(rig.e, rig.sessions[1].s, 0, h1, 2);
	engine_turn_end(rig.e);
	assert_null(rig.e->flushing);
	rig.mono_us += 10000;
	engine_tick(rig.e, rig.mono_us, rig.mono_us);
	engine_turn_end(rig.e);
	assert_non_null(rig.e->flushing);
	rig_settle(&rig);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_window_in_bytes_lets_one_message_through(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);

	(void)state;
	put_numbered(h, 3);
	consume(1, h1, 10, 1);
	assert_non_null(rig_event(&rig, 1, ENGINE_MESSAGE));
	assert_null(rig_event(&rig, 1, ENGINE_MESSAGE));
	engine_ack(rig.e, rig.sessions[1].s, 0, h1, 1);
	rig_settle(&rig);
	assert_non_null(rig_event(&rig, 1, ENGINE_MESSAGE));
}

static void
test_unacknowledged_return_in_order_with_their_count(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	struct mqlocal_get get = RIG_GET(h);

	(void)state;
	put_numbered(h, 5);
	consume(1, h1, 4, 100000);
	engine_ack(rig.e, rig.sessions[1].s, 0, h1, 1);
	rig_disconnect(&rig, 1);
	for (unsigned i = 1; i < 5; i++) {
		uint32_t id = rig_ask_get(&rig, 0, &get);
		struct rig_reply *k;
		char want[16];

		(void)snprintf(want, sizeof(want), "m%u", i);
		rig_settle(&rig);
		k = rig_reply(&rig, 0, id);
		assert_memory_equal(k->data, want, 2);
		/* the fifth came when the first was acknowledged */
		assert_int_equal(k->r.u.message.backout_count, 1);
	}
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_window_of_nothing_ends_read_ahead(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	char body[16];

	(void)state;
	put_numbered(h, 2);
	consume(1, h1, 4, 100000);
	assert_int_equal(rig_get(&rig, 1, h1, 0, NULL, 0), MQI_E_BUSY);
	consume(1, h1, 0, 0);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "m0");
	assert_int_equal(rig_get(&rig, 1, h1, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "m1");
}

static void
test_two_consumers_share(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	unsigned a = 0, b = 0;

	(void)state;
	consume(0, h, 10, 100000);
	consume(1, h1, 10, 100000);
	put_numbered(h, 8);
	while (rig_event(&rig, 0, ENGINE_MESSAGE) != NULL)
		a++;
	while (rig_event(&rig, 1, ENGINE_MESSAGE) != NULL)
		b++;
	assert_int_equal(a, 4);
	assert_int_equal(b, 4);
}

static void
test_consume_and_ack_errors(void **state)
{
	uint32_t out = open_as(0, "Q", MQI_OO_OUTPUT);
	uint32_t h = open_q(0);
	struct engine_session *s = rig.sessions[0].s;

	(void)state;
	engine_consume(rig.e, s, 500, 77, 1, 1);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_E_HOBJ);
	engine_consume(rig.e, s, 501, out, 1, 1);
	assert_int_equal(rig_result(&rig, 0, 501), MQI_E_NOT_OPEN_FOR_INPUT);
	engine_ack(rig.e, s, 502, 77, 1);
	assert_int_equal(rig_result(&rig, 0, 502), MQI_E_HOBJ);
	engine_ack(rig.e, s, 503, h, 1);
	assert_int_equal(rig_result(&rig, 0, 503), MQI_E_INVAL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	engine_consume(rig.e, s, 504, h, 1, 1);
	assert_int_equal(rig_result(&rig, 0, 504), MQI_E_GET_INHIBITED);
}

/* ---- watch ---- */

static int
next_ready(unsigned n)
{
	struct rig_reply *k;

	rig_settle(&rig);
	k = rig_event(&rig, n, ENGINE_READY);
	return k != NULL ? (int)k->r.u.ready : -1;
}

static void
test_watch_tells_each_change(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);

	(void)state;
	engine_watch(rig.e, rig.sessions[1].s, 500, h1, true);
	assert_int_equal(rig_result(&rig, 1, 500), MQI_OK);
	assert_int_equal(next_ready(1), 0);
	assert_int_equal(rig_put(&rig, 0, h, 0, "a"), MQI_OK);
	assert_int_equal(next_ready(1), 1);
	assert_int_equal(rig_put(&rig, 0, h, 0, "b"), MQI_OK);
	assert_int_equal(next_ready(1), -1);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	assert_int_equal(next_ready(1), -1);
	assert_int_equal(rig_get(&rig, 0, h, 3, NULL, 0), MQI_OK);
	assert_int_equal(next_ready(1), 0);
	assert_int_equal(rig_backout(&rig, 0, 3), MQI_OK);
	assert_int_equal(next_ready(1), 1);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	assert_int_equal(next_ready(1), 0);
	/* an error is something to be had, too */
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	assert_int_equal(next_ready(1), 1);
	engine_watch(rig.e, rig.sessions[1].s, 501, h1, false);
	assert_int_equal(rig_result(&rig, 1, 501), MQI_OK);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=ENABLED", NULL);
	assert_int_equal(next_ready(1), -1);
}

static void
test_watch_of_messages_in_the_store_is_ready_at_once(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "a"), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	engine_watch(rig.e, rig.sessions[0].s, 500, h, true);
	assert_int_equal(next_ready(0), 1);
}

static void
test_ready_waits_for_what_it_reveals(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	struct rig_put p = RIG_PUT(h, "a");

	(void)state;
	engine_watch(rig.e, rig.sessions[1].s, 500, h1, true);
	assert_int_equal(next_ready(1), 0);
	store_mem_set_automatic(rig.store, false);
	(void)rig_ask_put(&rig, 0, &p);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_event(&rig, 1, ENGINE_READY));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_event(&rig, 1, ENGINE_READY));
}

/* Between two turns the last message goes to another, this handle finds
 * nothing, and a new message comes: to the queue nothing has changed. */
static void
test_watch_tells_again_who_has_found_nothing(void **state)
{
	uint32_t h = open_q(0), h1 = open_q(1);
	struct mqlocal_get take = {.handle = h, .max_len = 100};
	struct mqlocal_get miss = {.handle = h1, .max_len = 100};
	struct rig_put p = RIG_PUT(h, "b");
	uint32_t missed;

	(void)state;
	engine_watch(rig.e, rig.sessions[1].s, 500, h1, true);
	assert_int_equal(next_ready(1), 0);
	assert_int_equal(rig_put(&rig, 0, h, 0, "a"), MQI_OK);
	assert_int_equal(next_ready(1), 1);
	(void)rig_ask_get(&rig, 0, &take);
	missed = rig_ask_get(&rig, 1, &miss);
	(void)rig_ask_put(&rig, 0, &p);
	assert_int_equal(rig_result(&rig, 1, missed), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(next_ready(1), 1);
	assert_int_equal(next_ready(1), -1);
}

static void
test_watch_errors(void **state)
{
	uint32_t out = open_as(0, "Q", MQI_OO_OUTPUT);

	(void)state;
	engine_watch(rig.e, rig.sessions[0].s, 500, 77, true);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_E_HOBJ);
	engine_watch(rig.e, rig.sessions[0].s, 501, out, true);
	assert_int_equal(rig_result(&rig, 0, 501), MQI_E_NOT_OPEN_FOR_INPUT);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_read_ahead_delivers_within_its_window_and_goes_on_when_acked),
	    T(test_ack_is_answered_when_its_removals_are_durable),
	    T(test_ack_without_an_answer_waits_for_company),
	    T(test_window_in_bytes_lets_one_message_through),
	    T(test_unacknowledged_return_in_order_with_their_count),
	    T(test_window_of_nothing_ends_read_ahead),
	    T(test_two_consumers_share),
	    T(test_consume_and_ack_errors),
	    T(test_watch_tells_each_change),
	    T(test_watch_of_messages_in_the_store_is_ready_at_once),
	    T(test_ready_waits_for_what_it_reveals),
	    T(test_watch_tells_again_who_has_found_nothing),
	    T(test_watch_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unit.c - units of work: together or not at all, whatever happens.
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
test_commit_makes_puts_visible_together(void **state)
{
	uint32_t h = open_q(0), other = open_q(1);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 7, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "two"), MQI_OK);
	assert_int_equal(rig_get(&rig, 1, other, 0, body, sizeof(body)),
	    MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(rig_commit(&rig, 0, 7), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 1, other, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(
	    rig_get(&rig, 1, other, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "two");
}

static void
test_commit_is_answered_when_durable(void **state)
{
	uint32_t h = open_q(0);
	uint32_t id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 7, "one"), MQI_OK);
	store_mem_set_automatic(rig.store, false);
	id = ++rig.last_id;
	engine_commit(rig.e, rig.sessions[0].s, id, 7);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 0, id));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, id));
}

static void
test_crash_before_commit_forgets_the_unit(void **state)
{
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "stays"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "goes"), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 7, body, sizeof(body)), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "stays");
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_backout_returns_gets_in_place_and_counts(void **state)
{
	uint32_t h = open_q(0);
	struct mqlocal_get get = RIG_GET(h);
	struct rig_reply *k;
	char body[32];
	uint32_t id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 7, body, sizeof(body)), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "three"), MQI_OK);
	assert_int_equal(rig_backout(&rig, 0, 7), MQI_OK);
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_memory_equal(k->data, "one", 3);
	assert_int_equal(k->r.u.message.backout_count, 1);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "two");
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_backout_count_survives_a_restart(void **state)
{
	uint32_t h = open_q(0);
	struct mqlocal_get get;
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_get(&rig, 0, h, 7, NULL, 0), MQI_OK);
		assert_int_equal(rig_backout(&rig, 0, 7), MQI_OK);
	}
	rig_advance_ms(&rig, 11);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	get = RIG_GET(open_q(0));
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_int_equal(k->r.u.message.backout_count, 3);
}

static void
test_session_end_backs_out(void **state)
{
	uint32_t h = open_q(0), other = open_q(1);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 7, body, sizeof(body)), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 8, "never"), MQI_OK);
	rig_disconnect(&rig, 0);
	assert_int_equal(
	    rig_get(&rig, 1, other, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(rig_get(&rig, 1, other, 0, body, sizeof(body)),
	    MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(rig.e->n_units, 0);
}

static void
test_unit_spans_queues_and_bodies_beyond_its_memory_are_staged(void **state)
{
	uint32_t h, r;
	char text[600];
	char body[700];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.unit_bytes = 1000});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "R", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	h = open_q(0);
	r = open_as(0, "R", MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(
		    rig_put(&rig, 0, i % 2 ? h : r, 7, text), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_true(store_mem_bodies(rig.store) > 0);
	assert_int_equal(rig_commit(&rig, 0, 7), MQI_OK);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(
		    rig_get(&rig, 0, i % 2 ? h : r, 0, body, sizeof(body)),
		    MQI_OK);
		assert_string_equal(body, text);
	}
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_backout_of_a_staged_unit_leaves_no_bytes(void **state)
{
	uint32_t h;
	char text[600];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.unit_bytes = 1000});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	h = open_q(0);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(rig_put(&rig, 0, h, 7, text), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(rig_backout(&rig, 0, 7), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_limit_of_messages_gives_2024(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	rig_define(&rig, MQATTR_QMGR, "QM", "MAXUMSGS=2", NULL);
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "a"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "b"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 7, "c"), MQI_E_SYNCPOINT_LIMIT);
	assert_int_equal(
	    rig_get(&rig, 0, h, 7, NULL, 0), MQI_E_SYNCPOINT_LIMIT);
	assert_int_equal(rig_commit(&rig, 0, 7), MQI_OK);
}

static void
test_unit_of_non_persistent_messages_never_waits(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "one");
	uint32_t id, put;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	p.unit = 3;
	p.persistence = MQI_PERSISTENCE_NO;
	put = rig_ask_put(&rig, 0, &p);
	assert_non_null(rig_reply(&rig, 0, put));
	id = ++rig.last_id;
	engine_commit(rig.e, rig.sessions[0].s, id, 3);
	assert_non_null(rig_reply(&rig, 0, id));
}

static void
test_several_units_of_one_session_are_apart(void **state)
{
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 1, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 2, "two"), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 2), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 3, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "two");
	assert_int_equal(rig_backout(&rig, 0, 1), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 3), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_ending_a_unit_that_was_never_used_succeeds(void **state)
{
	(void)state;
	assert_int_equal(rig_commit(&rig, 0, 99), MQI_OK);
	assert_int_equal(rig_backout(&rig, 0, 98), MQI_OK);
}

static void
test_commit_cancels_gets_that_wait_in_it(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	uint32_t id;

	(void)state;
	get.unit = 4;
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 0, &get);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_OK);
	assert_int_equal(rig_result(&rig, 0, id), MQI_E_CANCELLED);
}

static void
test_uncommitted_puts_count_towards_maxdepth(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXDEPTH=2", NULL);
	assert_int_equal(rig_put(&rig, 0, h, 1, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "three"), MQI_E_Q_FULL);
	assert_int_equal(rig_backout(&rig, 0, 1), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "three"), MQI_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_commit_makes_puts_visible_together),
	    T(test_commit_is_answered_when_durable),
	    T(test_crash_before_commit_forgets_the_unit),
	    T(test_backout_returns_gets_in_place_and_counts),
	    T(test_backout_count_survives_a_restart),
	    T(test_session_end_backs_out),
	    T(test_unit_spans_queues_and_bodies_beyond_its_memory_are_staged),
	    T(test_backout_of_a_staged_unit_leaves_no_bytes),
	    T(test_limit_of_messages_gives_2024),
	    T(test_unit_of_non_persistent_messages_never_waits),
	    T(test_several_units_of_one_session_are_apart),
	    T(test_ending_a_unit_that_was_never_used_succeeds),
	    T(test_commit_cancels_gets_that_wait_in_it),
	    T(test_uncommitted_puts_count_towards_maxdepth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_browse.c - browsing, get under the cursor, errors of gets.
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

static enum mqi_err
browse(uint32_t h, uint32_t options, char body[32])
{
	struct mqlocal_get get = RIG_GET(h);
	struct rig_reply *k;
	uint32_t id;

	get.options = options;
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_non_null(k);
	if (k->r.kind == ENGINE_MESSAGE) {
		memcpy(body, k->data, k->len);
		body[k->len] = '\0';
	}
	return k->r.reason;
}

static void
test_browse_shows_all_in_order_and_takes_nothing(void **state)
{
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(browse(h, MQI_GET_BROWSE_FIRST, body), MQI_OK);
		assert_string_equal(body, "one");
		assert_int_equal(browse(h, MQI_GET_BROWSE_NEXT, body), MQI_OK);
		assert_string_equal(body, "two");
		assert_int_equal(browse(h, MQI_GET_BROWSE_NEXT, body),
		    MQI_E_NO_MSG_AVAILABLE);
	}
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "one");
}

static void
test_browse_waits_for_the_put_it_reveals(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	struct rig_put p = RIG_PUT(open_q(0), "one");
	uint32_t id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	get.options = MQI_GET_BROWSE_FIRST;
	(void)rig_ask_put(&rig, 0, &p);
	id = rig_ask_get(&rig, 1, &get);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 1, id));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 1, id));
}

static void
test_browse_can_wait_for_a_message(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t h = open_q(0);
	uint32_t id;

	(void)state;
	get.options = MQI_GET_BROWSE_NEXT;
	get.wait_ms = 1000;
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_non_null(rig_reply(&rig, 1, id));
	id = rig_ask_get(&rig, 1, &get);
	rig_advance_ms(&rig, 1000);
	assert_int_equal(
	    rig_reply(&rig, 1, id)->r.reason, MQI_E_NO_MSG_AVAILABLE);
}

static void
test_browse_deep_queue_and_get_under_cursor(void **state)
{
	char body[32], want[32];
	uint32_t h;

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 8});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	h = open_q(0);
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
	for (unsigned i = 0; i < 300; i++) {
		uint32_t how =
		    i == 0 ? MQI_GET_BROWSE_FIRST : MQI_GET_BROWSE_NEXT;

		(void)snprintf(want, sizeof(want), "m%u", i);
		assert_int_equal(browse(h, how, body), MQI_OK);
		assert_string_equal(body, want);
		if (i % 3 == 1) {
			assert_int_equal(
			    browse(h, MQI_GET_UNDER_CURSOR, body), MQI_OK);
			assert_string_equal(body, want);
			assert_int_equal(browse(h, MQI_GET_UNDER_CURSOR, body),
			    MQI_E_NO_MSG_UNDER_CURSOR);
		}
		assert_true(rig.e->queues->n_live < 40);
		rig_forget_replies(&rig, 0);
	}
	assert_int_equal(
	    browse(h, MQI_GET_BROWSE_NEXT, body), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "m0");
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "m2");
}

static void
test_get_under_cursor_of_what_was_evicted(void **state)
{
	char body[32];
	uint32_t h;

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 4});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	h = open_q(0);
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
	assert_int_equal(browse(h, MQI_GET_BROWSE_FIRST, body), MQI_OK);
	for (unsigned i = 1; i < 30; i++)
		assert_int_equal(browse(h, MQI_GET_BROWSE_NEXT, body), MQI_OK);
	/* others pass, and the window forgets */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	rig_connect(&rig, 1);
	h = h + 0;
	assert_int_equal(browse(h, MQI_GET_UNDER_CURSOR, body), MQI_OK);
	assert_string_equal(body, "m29");
}

static void
test_browse_by_correl_id_walks_its_messages(void **state)
{
	uint8_t ids[2][MQI_ID_LEN] = {{1}, {2}};
	struct rig_put p = RIG_PUT(0, "m0");
	struct mqlocal_get get;
	char text[16];
	unsigned n = 0;

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 4});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	p.handle = open_q(0);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "%02u", i);
		p.body = text;
		p.correl_id = ids[i % 2];
		assert_int_equal(
		    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	}
	rig_forget_replies(&rig, 0);
	get = RIG_GET(p.handle);
	get.options = MQI_GET_BROWSE_FIRST | MQI_GET_MATCH_CORREL_ID;
	memcpy(get.correl_id, ids[1], MQI_ID_LEN);
	for (;;) {
		uint32_t id = rig_ask_get(&rig, 0, &get);
		struct rig_reply *k;

		rig_settle(&rig);
		k = rig_reply(&rig, 0, id);
		if (k->r.kind != ENGINE_MESSAGE)
			break;
		assert_int_equal(
		    strtoul((const char *)k->data, NULL, 10), 2 * n + 1);
		n++;
		get.options = MQI_GET_BROWSE_NEXT | MQI_GET_MATCH_CORREL_ID;
	}
	assert_int_equal(n, 50);
}

static void
test_browse_by_id_waits_on_a_deep_queue_without_looking_again(void **state)
{
	uint8_t mine[MQI_ID_LEN] = {7};
	struct mqlocal_get get;
	struct rig_put p;
	uint32_t h, id;

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 4});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	h = open_q(0);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(rig_put(&rig, 0, h, 0, "other"), MQI_OK);
	get = RIG_GET(h);
	get.options = MQI_GET_BROWSE_FIRST | MQI_GET_MATCH_CORREL_ID;
	memcpy(get.correl_id, mine, MQI_ID_LEN);
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	store_mem_set_automatic(rig.store, false);
	p = RIG_PUT(h, "other");
	(void)rig_ask_put(&rig, 0, &p);
	assert_int_equal(store_mem_counts(rig.store).unread, 0);
	p.correl_id = mine;
	p.body = "mine!";
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_memory_equal(rig_reply(&rig, 0, id)->data, "mine!", 5);
}

static void
test_browsed_long_message_is_whole_though_it_was_got_meanwhile(void **state)
{
	enum { LEN = 800000 };

	uint8_t *long_body = mqmem_alloc(LEN);
	uint32_t h = open_q(0);
	struct rig_put p = {.handle = h,
	    .priority = -1,
	    .persistence = MQI_PERSISTENCE_YES,
	    .body = long_body,
	    .len = LEN};
	struct mqlocal_get get = RIG_GET(open_q(1));
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	rig.sessions[1].hold_sent = true;
	get.options = MQI_GET_BROWSE_FIRST;
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_false(k->whole);
	get = RIG_GET(h);
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_get(&rig, 0, &get)), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 1);
	rig.sessions[1].hold_sent = false;
	rig_settle(&rig);
	assert_true(k->whole);
	assert_int_equal(k->len, LEN);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
	free(long_body);
}

static void
test_get_and_browse_errors(void **state)
{
	uint32_t out = open_as(0, "Q", MQI_OO_OUTPUT);
	uint32_t in = open_as(0, "Q", MQI_OO_INPUT_SHARED);
	uint32_t h = open_q(0);
	struct mqlocal_get get = RIG_GET(h);
	char body[32];

	(void)state;
	assert_int_equal(browse(77, 0, body), MQI_E_HOBJ);
	assert_int_equal(browse(out, 0, body), MQI_E_NOT_OPEN_FOR_INPUT);
	assert_int_equal(
	    browse(in, MQI_GET_BROWSE_FIRST, body), MQI_E_NOT_OPEN_FOR_BROWSE);
	assert_int_equal(browse(h, 0x80000000u, body), MQI_E_OPTIONS);
	assert_int_equal(
	    browse(h, MQI_GET_BROWSE_FIRST | MQI_GET_BROWSE_NEXT, body),
	    MQI_E_OPTIONS);
	assert_int_equal(
	    browse(h, MQI_GET_UNDER_CURSOR, body), MQI_E_NO_MSG_UNDER_CURSOR);
	get.wait_ms = -2;
	assert_int_equal(rig_result(&rig, 0, rig_ask_get(&rig, 0, &get)),
	    MQI_E_WAIT_INTERVAL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	assert_int_equal(browse(h, 0, body), MQI_E_GET_INHIBITED);
}

static void
test_disabling_gets_ends_those_that_wait(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	uint32_t a, b, c;

	(void)state;
	get.wait_ms = MQI_WAIT_FOREVER;
	a = rig_ask_get(&rig, 0, &get);
	get.options = MQI_GET_MATCH_MSG_ID;
	get.msg_id[0] = 1;
	b = rig_ask_get(&rig, 0, &get);
	get.options = MQI_GET_BROWSE_FIRST;
	c = rig_ask_get(&rig, 0, &get);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	assert_int_equal(rig_result(&rig, 0, a), MQI_E_GET_INHIBITED);
	assert_int_equal(rig_result(&rig, 0, b), MQI_E_GET_INHIBITED);
	assert_int_equal(rig_result(&rig, 0, c), MQI_E_GET_INHIBITED);
}

/* ---- locks ---- */

#define LOCK_FIRST (MQI_GET_BROWSE_FIRST | MQI_GET_LOCK)
#define LOCK_NEXT (MQI_GET_BROWSE_NEXT | MQI_GET_LOCK)

static enum mqi_err
unlock(uint32_t h)
{
	engine_browse_unlock(rig.e, rig.sessions[0].s, ++rig.last_id, h);
	return rig_result(&rig, 0, rig.last_id);
}

/* Session 1 gets this next, or nothing. */
static void
other_gets(uint32_t h, const char *expected)
{
	char body[32] = "";
	enum mqi_err err = rig_get(&rig, 1, h, 0, body, sizeof(body));

	if (expected == NULL) {
		assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	assert_int_equal(err, MQI_OK);
	assert_string_equal(body, expected);
}

static void
test_what_a_browse_locks_is_nobody_elses(void **state)
{
	uint32_t h = open_q(0), again = open_q(0), other = open_q(1);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "three"), MQI_OK);
	assert_int_equal(unlock(h), MQI_E_NO_MSG_LOCKED);
	assert_int_equal(browse(h, LOCK_FIRST, body), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(browse(again, LOCK_FIRST, body), MQI_OK);
	assert_string_equal(body, "two");
	other_gets(other, "three");
	other_gets(other, NULL);
	/* looked at again it stays locked, and it is there to be got */
	assert_int_equal(browse(h, MQI_GET_BROWSE_UNDER_CURSOR, body), MQI_OK);
	assert_string_equal(body, "one");
	other_gets(other, NULL);
	assert_int_equal(browse(h, MQI_GET_UNDER_CURSOR, body), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(unlock(h), MQI_E_NO_MSG_LOCKED);
	/* the lock goes with the handle */
	engine_close(rig.e, rig.sessions[0].s, ++rig.last_id, again);
	rig_settle(&rig);
	other_gets(other, "two");
	engine_check(rig.e);
}

static void
test_a_lock_moves_and_is_given_back(void **state)
{
	uint32_t h = open_q(0), other = open_q(1);
	struct mqlocal_get wait = RIG_GET(other);
	struct rig_reply *k;
	char body[32];
	uint32_t id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	assert_int_equal(browse(h, LOCK_FIRST, body), MQI_OK);
	assert_int_equal(browse(h, LOCK_NEXT, body), MQI_OK);
	assert_string_equal(body, "two");
	other_gets(other, "one");
	/* who waits gets it when it is given back */
	wait.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 1, &wait);
	rig_settle(&rig);
	assert_null(rig_reply(&rig, 1, id));
	assert_int_equal(unlock(h), MQI_OK);
	k = rig_reply(&rig, 1, id);
	assert_non_null(k);
	assert_memory_equal(k->data, "two", 3);
	/* and a browse that finds nothing gives it back too */
	assert_int_equal(rig_put(&rig, 0, h, 0, "four"), MQI_OK);
	assert_int_equal(browse(h, LOCK_FIRST, body), MQI_OK);
	assert_int_equal(
	    browse(h, MQI_GET_BROWSE_NEXT, body), MQI_E_NO_MSG_AVAILABLE);
	other_gets(other, "four");
	engine_check(rig.e);
}

static void
test_a_locked_message_is_got_in_a_unit_and_comes_back(void **state)
{
	uint32_t h = open_q(0), other = open_q(1);
	struct mqlocal_get get = RIG_GET(h);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(browse(h, LOCK_FIRST, body), MQI_OK);
	get.options = MQI_GET_UNDER_CURSOR;
	get.unit = 9;
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_get(&rig, 0, &get)), MQI_OK);
	other_gets(other, NULL);
	assert_int_equal(rig_backout(&rig, 0, 9), MQI_OK);
	other_gets(other, "one");
	/* a session that ends gives all back */
	assert_int_equal(rig_put(&rig, 1, other, 0, "two"), MQI_OK);
	assert_int_equal(browse(h, LOCK_FIRST, body), MQI_OK);
	rig_disconnect(&rig, 0);
	other_gets(other, "two");
	engine_check(rig.e);
}

static void
test_a_lock_needs_a_browse_and_input(void **state)
{
	uint32_t h = open_q(0), looks = open_as(0, "Q", MQI_OO_BROWSE);
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	assert_int_equal(browse(h, MQI_GET_LOCK, body), MQI_E_OPTIONS);
	assert_int_equal(browse(h, MQI_GET_UNDER_CURSOR | MQI_GET_LOCK, body),
	    MQI_E_OPTIONS);
	assert_int_equal(
	    browse(looks, LOCK_FIRST, body), MQI_E_NOT_OPEN_FOR_INPUT);
	assert_int_equal(browse(looks, MQI_GET_BROWSE_UNDER_CURSOR, body),
	    MQI_E_NO_MSG_UNDER_CURSOR);
	assert_int_equal(browse(looks, MQI_GET_BROWSE_FIRST, body), MQI_OK);
	assert_int_equal(
	    browse(looks, MQI_GET_BROWSE_UNDER_CURSOR, body), MQI_OK);
	assert_string_equal(body, "one");
	assert_int_equal(
	    browse(h, MQI_GET_BROWSE_FIRST | MQI_GET_BROWSE_UNDER_CURSOR, body),
	    MQI_E_OPTIONS);
	assert_int_equal(unlock(77), MQI_E_HOBJ);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_what_a_browse_locks_is_nobody_elses),
	    T(test_a_lock_moves_and_is_given_back),
	    T(test_a_locked_message_is_got_in_a_unit_and_comes_back),
	    T(test_a_lock_needs_a_browse_and_input),
	    T(test_browse_shows_all_in_order_and_takes_nothing),
	    T(test_browse_waits_for_the_put_it_reveals),
	    T(test_browse_can_wait_for_a_message),
	    T(test_browse_deep_queue_and_get_under_cursor),
	    T(test_get_under_cursor_of_what_was_evicted),
	    T(test_browse_by_correl_id_walks_its_messages),
	    T(test_browse_by_id_waits_on_a_deep_queue_without_looking_again),
	    T(test_browsed_long_message_is_whole_though_it_was_got_meanwhile),
	    T(test_get_and_browse_errors),
	    T(test_disabling_gets_ends_those_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

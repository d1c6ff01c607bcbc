/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_select.c - gets, browses, read-ahead and watching with a selector.
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

#define LONG_LEN 200000u
#define INPUT (MQI_OO_INPUT_SHARED | MQI_OO_BROWSE)

static struct rig rig;

static int
setup_with(const struct engine_config *config)
{
	rig_start(&rig, config);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MSGDLVSQ=FIFO", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "P", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_settle(&rig);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return setup_with(NULL);
}

/* Little of a queue is in memory. */
static int
setup_small(void **state)
{
	static const struct engine_config config = {
	    .window_rows = 16, .window_bytes = 4000};

	(void)state;
	return setup_with(&config);
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static struct rig_reply *
try_open(unsigned n, const char *name, uint32_t options, const char *selector)
{
	struct mqlocal_open_select v = {.options = options};
	uint32_t id = ++rig.last_id;

	strcpy(v.object, name);
	strcpy(v.selector, selector);
	engine_open_select(rig.e, rig.sessions[n].s, id, &v);
	rig_settle(&rig);
	return rig_reply(&rig, n, id);
}

static uint32_t
open_for(unsigned n, const char *name, const char *selector)
{
	struct rig_reply *k = try_open(n, name, INPUT, selector);

	assert_int_equal(k->r.kind, ENGINE_OPENED);
	return k->r.handle;
}

static uint32_t
open_all(unsigned n, const char *name)
{
	uint32_t h = 0;

	assert_int_equal(
	    rig_open(&rig, n, name, INPUT | MQI_OO_OUTPUT, &h), MQI_OK);
	return h;
}

/* A message of that priority, by which tests select. */
static void
put(uint32_t h, int priority, const char *body)
{
	struct rig_put p = RIG_PUT(h, body);
	uint32_t id;

	p.priority = priority;
	id = rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_int_equal(rig_result(&rig, 0, id), MQI_OK);
}

static uint32_t
ask(unsigned n, uint32_t h, uint32_t options, int64_t wait_ms)
{
	struct mqlocal_get get = RIG_GET(h);

	get.options = options;
	get.wait_ms = wait_ms;
	return rig_ask_get(&rig, n, &get);
}

/* The request is answered by this message; NULL: by "no message". */
static void
check_answer(unsigned n, uint32_t id, const char *body)
{
	struct rig_reply *k = rig_reply(&rig, n, id);

	assert_non_null(k);
	if (body == NULL) {
		assert_int_equal(k->r.kind, ENGINE_RESULT);
		assert_int_equal(k->r.reason, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(k->len, strlen(body));
	assert_memory_equal(k->data, body, k->len);
}

static void
check_get(unsigned n, uint32_t h, uint32_t options, const char *body)
{
	uint32_t id = ask(n, h, options, 0);

	rig_settle(&rig);
	check_answer(n, id, body);
}

static void
test_a_get_takes_what_fits_and_leaves_the_rest(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority > 4");

	(void)state;
	put(all, 1, "one");
	put(all, 5, "two");
	put(all, 2, "three");
	put(all, 6, "four");
	check_get(1, some, 0, "two");
	check_get(1, some, 0, "four");
	check_get(1, some, 0, NULL);
	check_get(0, all, 0, "one");
	check_get(0, all, 0, "three");
	check_get(0, all, 0, NULL);
}

static void
test_order_is_by_priority_where_the_queue_says_so(void **state)
{
	uint32_t all = open_all(0, "P");
	uint32_t some = open_for(1, "P", "JMSPriority <> 9");

	(void)state;
	put(all, 1, "low");
	put(all, 9, "no");
	put(all, 7, "high");
	check_get(1, some, 0, "high");
	check_get(1, some, 0, "low");
	check_get(1, some, 0, NULL);
}

static void
test_who_waits_is_given_what_fits_when_it_comes(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t other = open_for(1, "Q", "JMSPriority = 6");
	uint32_t a, b;

	(void)state;
	put(all, 1, "zero");
	a = ask(1, some, 0, MQI_WAIT_FOREVER);
	b = ask(1, other, 0, 1000);
	put(all, 1, "one");
	assert_null(rig_reply(&rig, 1, a));
	put(all, 5, "two");
	check_answer(1, a, "two");
	assert_null(rig_reply(&rig, 1, b));
	rig_advance_ms(&rig, 1000);
	check_answer(1, b, NULL);
	check_get(0, all, 0, "zero");
	check_get(0, all, 0, "one");
	check_get(0, all, 0, NULL);
}

static void
test_a_get_that_waits_can_be_cancelled(void **state)
{
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t id = ask(1, some, 0, MQI_WAIT_FOREVER);

	(void)state;
	engine_cancel_get(rig.e, rig.sessions[1].s, id);
	rig_settle(&rig);
	assert_int_equal(rig_result(&rig, 1, id), MQI_E_CANCELLED);
	id = ask(1, some, 0, MQI_WAIT_FOREVER);
	rig_settle(&rig);
	engine_close(rig.e, rig.sessions[1].s, ++rig.last_id, some);
	rig_settle(&rig);
	assert_int_equal(rig_result(&rig, 1, id), MQI_E_CANCELLED);
}

static void
test_a_browse_sees_what_fits(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t id;

	(void)state;
	put(all, 1, "one");
	put(all, 5, "two");
	put(all, 1, "three");
	put(all, 5, "four");
	for (unsigned i = 0; i < 2; i++) {
		check_get(1, some, MQI_GET_BROWSE_FIRST, "two");
		check_get(1, some, MQI_GET_BROWSE_NEXT, "four");
		check_get(1, some, MQI_GET_BROWSE_NEXT, NULL);
	}
	id = ask(1, some, MQI_GET_BROWSE_NEXT, MQI_WAIT_FOREVER);
	put(all, 1, "five");
	assert_null(rig_reply(&rig, 1, id));
	put(all, 5, "six");
	check_answer(1, id, "six");
	check_get(1, some, MQI_GET_UNDER_CURSOR, "six");
	check_get(1, some, MQI_GET_BROWSE_FIRST, "two");
}

static void
test_ids_and_selectors_count_together(void **state)
{
	static const uint8_t ids[2][MQI_ID_LEN] = {{1}, {2}};
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	struct rig_put p = RIG_PUT(open_all(0, "Q"), "");
	struct mqlocal_get get = RIG_GET(some);
	uint32_t id;

	(void)state;
	p.len = 1;
	for (unsigned i = 0; i < 4; i++) {
		p.body = &"abcd"[i];
		p.correl_id = ids[i % 2];
		p.priority = i < 2 ? 1 : 5;
		(void)rig_ask_put(&rig, 0, &p);
	}
	get.options = MQI_GET_MATCH_CORREL_ID;
	memcpy(get.correl_id, ids[1], MQI_ID_LEN);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	get.handle = open_for(1, "Q", "JMSPriority = 5");
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	check_answer(1, id, "d");
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	p.handle = open_all(0, "Q");
	p.body = "e";
	p.correl_id = ids[0];
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_null(rig_reply(&rig, 1, id));
	p.body = "f";
	p.correl_id = ids[1];
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	check_answer(1, id, "f");
}

/* Puts n messages that do not fit. */
static void
put_many(uint32_t h, unsigned n)
{
	struct rig_put p = RIG_PUT(h, "no");

	p.priority = 1;
	for (unsigned i = 0; i < n; i++) {
		(void)rig_ask_put(&rig, 0, &p);
		if (i % 500 == 0) {
			rig_settle(&rig);
			rig_forget_replies(&rig, 0);
		}
	}
	rig_settle(&rig);
	rig_forget_replies(&rig, 0);
}

static void
test_the_last_of_many_is_found_in_slices(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	const struct queue *q = queue_by_id(
	    rig.e, engine_object_find(rig.e, MQATTR_QLOCAL, "Q")->id);
	uint32_t id;

	(void)state;
	put_many(all, 1000);
	put(all, 5, "yes");
	id = ask(1, some, 0, 0);
	while (rig_reply(&rig, 1, id) == NULL) {
		rig_turn(&rig);
		(void)store_mem_read_load(rig.store);
		(void)store_mem_answer_load(rig.store);
		assert_true(q->n_settled < 100);
	}
	rig_settle(&rig);
	assert_int_equal(q->depth, 1000);
	check_get(1, some, 0, NULL);
	check_get(0, all, 0, "no");
}

/* While one looks through a queue where nothing fits, others are served. */
static void
test_a_long_walk_stops_nobody(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t p = open_all(0, "P");
	uint32_t some = open_for(1, "Q", "JMSPriority + 1 = 6");
	unsigned turns = 0;
	uint32_t id;

	(void)state;
	put_many(all, 5000);
	put_many(p, 1000);
	id = ask(1, some, 0, 0);
	while (rig_reply(&rig, 1, id) == NULL) {
		uint32_t got = ask(0, p, 0, 0);

		rig_turn(&rig);
		rig_turn(&rig);
		check_answer(0, got, "no");
		turns++;
		assert_true(turns < 1000);
	}
	assert_true(turns > 5);
}

static void
test_several_walks_take_turns(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some[4], ids[4];

	(void)state;
	put_many(all, 500);
	for (unsigned i = 0; i < 4; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "JMSPriority = %u", i + 2);
		some[i] = open_for(1, "Q", text);
	}
	for (unsigned i = 0; i < 4; i++)
		put(all, (int)i + 2, &"a\0b\0c\0d"[2 * i]);
	for (unsigned i = 0; i < 4; i++)
		ids[i] = ask(1, some[i], 0, 0);
	rig_settle(&rig);
	for (unsigned i = 0; i < 4; i++)
		check_answer(1, ids[i], &"a\0b\0c\0d"[2 * i]);
}

static void
test_what_a_unit_gives_back_is_offered(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSXDeliveryCount > 1");
	char body[8];
	uint32_t id;

	(void)state;
	put(all, 1, "one");
	put(all, 1, "two");
	assert_int_equal(rig_get(&rig, 0, all, 7, body, sizeof(body)), MQI_OK);
	id = ask(1, some, 0, MQI_WAIT_FOREVER);
	rig_settle(&rig);
	assert_null(rig_reply(&rig, 1, id));
	assert_int_equal(rig_backout(&rig, 0, 7), MQI_OK);
	check_answer(1, id, "one");
}

static uint32_t
consume(uint32_t h, uint32_t msgs)
{
	uint32_t id = ++rig.last_id;

	engine_consume(rig.e, rig.sessions[1].s, id, h, msgs, 100000);
	rig_settle(&rig);
	return id;
}

static uint64_t
check_ahead(const char *body)
{
	struct rig_reply *k = rig_event(&rig, 1, ENGINE_MESSAGE);

	if (body == NULL) {
		assert_null(k);
		return 0;
	}
	assert_non_null(k);
	assert_memory_equal(k->data, body, k->len);
	return k->r.token;
}

static void
test_read_ahead_takes_what_fits_within_its_window(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint64_t token;

	(void)state;
	put(all, 1, "no");
	put(all, 5, "one");
	put(all, 1, "no");
	put(all, 5, "two");
	put(all, 5, "three");
	(void)consume(some, 2);
	(void)check_ahead("one");
	token = check_ahead("two");
	(void)check_ahead(NULL);
	put(all, 5, "four");
	(void)check_ahead(NULL);
	engine_ack(rig.e, rig.sessions[1].s, ++rig.last_id, some, token);
	rig_settle(&rig);
	(void)check_ahead("three");
	token = check_ahead("four");
	engine_ack(rig.e, rig.sessions[1].s, ++rig.last_id, some, token);
	rig_settle(&rig);
	put(all, 1, "no");
	(void)check_ahead(NULL);
	put(all, 5, "five");
	(void)check_ahead("five");
	(void)consume(some, 0);
	for (unsigned i = 0; i < 3; i++)
		check_get(0, all, 0, "no");
	check_get(0, all, 0, "five");
}

static void
test_what_returns_while_a_window_is_full_comes_later(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	char body[8];
	uint64_t token;

	(void)state;
	put(all, 5, "one");
	put(all, 5, "two");
	assert_int_equal(rig_get(&rig, 0, all, 7, body, sizeof(body)), MQI_OK);
	(void)consume(some, 1);
	token = check_ahead("two");
	assert_int_equal(rig_backout(&rig, 0, 7), MQI_OK);
	(void)check_ahead(NULL);
	engine_ack(rig.e, rig.sessions[1].s, ++rig.last_id, some, token);
	rig_settle(&rig);
	(void)check_ahead("one");
}

static void
test_gets_that_were_inhibited_miss_nothing(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t id = ask(1, some, 0, MQI_WAIT_FOREVER);

	(void)state;
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	rig_settle(&rig);
	assert_int_equal(rig_result(&rig, 1, id), MQI_E_GET_INHIBITED);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=ENABLED", NULL);
	(void)consume(some, 5);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=DISABLED", NULL);
	put(all, 1, "no");
	put(all, 5, "yes");
	(void)check_ahead(NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "GET=ENABLED", NULL);
	rig_settle(&rig);
	(void)check_ahead("yes");
	(void)check_ahead(NULL);
}

static void
check_ready(int ready) /* -1: nothing is told */
{
	struct rig_reply *k = rig_event(&rig, 1, ENGINE_READY);

	if (ready < 0) {
		assert_null(k);
		return;
	}
	assert_non_null(k);
	assert_int_equal(k->r.u.ready, ready);
}

static void
test_who_watches_is_told_of_what_fits(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");

	(void)state;
	put(all, 1, "no");
	engine_watch(rig.e, rig.sessions[1].s, ++rig.last_id, some, true);
	rig_settle(&rig);
	check_ready(0);
	put(all, 1, "no");
	check_ready(-1);
	put(all, 5, "one");
	check_ready(1);
	put(all, 5, "two");
	check_ready(-1);
	check_get(1, some, 0, "one");
	check_ready(-1);
	check_get(0, all, 0, "no");
	check_get(0, all, 0, "no");
	check_get(0, all, 0, "two");
	check_ready(0);
	put(all, 5, "three");
	check_ready(1);
	check_get(1, some, 0, "three");
	check_ready(0);
	check_get(1, some, 0, NULL);
	put(all, 1, "no");
	check_ready(-1);
	engine_watch(rig.e, rig.sessions[1].s, ++rig.last_id, some, false);
	put(all, 5, "four");
	check_ready(-1);
}

static void
test_who_watches_a_deep_queue_is_told_at_last(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");

	(void)state;
	put_many(all, 500);
	put(all, 5, "yes");
	put_many(all, 500);
	engine_watch(rig.e, rig.sessions[1].s, ++rig.last_id, some, true);
	check_ready(0);
	rig_settle(&rig);
	check_ready(1);
	put_many(all, 100);
	check_ready(-1);
	check_get(1, some, 0, "yes");
	check_ready(0);
	check_get(1, some, 0, NULL);
}

static void
test_long_messages_are_judged_by_their_descriptor(void **state)
{
	char *body = mqmem_alloc(LONG_LEN);
	struct rig_put p = {.handle = open_all(0, "Q"),
	    .persistence = MQI_PERSISTENCE_YES,
	    .body = body,
	    .len = LONG_LEN};
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t id = ask(1, some, 0, MQI_WAIT_FOREVER);
	struct rig_reply *k;

	(void)state;
	for (int i = 1; i <= 5; i++) {
		p.priority = i;
		(void)rig_ask_put(&rig, 0, &p);
		(void)rig_ask_put(&rig, 0, &p);
		rig_settle(&rig);
	}
	assert_int_equal(rig_reply(&rig, 1, id)->r.kind, ENGINE_MESSAGE);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	some = open_for(1, "Q", "JMSPriority = 5");
	id = ask(1, some, 0, 0);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(k->len, LONG_LEN);
	check_get(1, some, 0, NULL);
	free(body);
}

static void
test_a_message_that_was_not_sent_is_offered_again(void **state)
{
	uint32_t all = open_all(0, "Q");
	uint32_t mine, id;

	(void)state;
	rig_connect(&rig, 2);
	rig.sessions[2].hold_sent = true;
	put(all, 5, "one");
	(void)ask(2, open_for(2, "Q", "JMSPriority = 5"), 0, 0);
	rig_settle(&rig);
	mine = open_for(1, "Q", "JMSPriority = 5");
	id = ask(1, mine, 0, MQI_WAIT_FOREVER);
	rig_settle(&rig);
	assert_null(rig_reply(&rig, 1, id));
	rig_disconnect(&rig, 2);
	rig_settle(&rig);
	check_answer(1, id, "one");
}

/* More wait than a turn has time for. */
static void
test_a_crowd_that_waits_is_served_in_turns(void **state)
{
	uint32_t all = open_all(0, "Q");
	char text[1024] = "JMSPriority = 4";
	uint32_t none;
	uint32_t some = open_for(1, "Q", "JMSPriority = 5");
	uint32_t id;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		strcat(text, " OR JMSPriority = 3");
	none = open_for(1, "Q", text);
	for (unsigned i = 0; i < 400; i++)
		(void)ask(1, none, 0, MQI_WAIT_FOREVER);
	id = ask(1, some, 0, MQI_WAIT_FOREVER);
	rig_settle(&rig);
	put(all, 1, "no");
	put(all, 5, "yes");
	rig_settle(&rig);
	check_answer(1, id, "yes");
	check_get(0, all, 0, "no");
}

static void
test_a_selector_that_cannot_be_is_refused(void **state)
{
	struct rig_reply *k = try_open(0, "Q", INPUT, "JMSPriority = ");
	char *text = mqmem_alloc(MQSELECTOR_TEXT_MAX + 1);
	unsigned n = 0;

	(void)state;
	assert_int_equal(k->r.reason, MQI_E_SELECTOR_SYNTAX_ERROR);
	k = try_open(0, "Q", INPUT, "");
	assert_int_equal(k->r.reason, MQI_E_SELECTION_STRING_ERROR);
	k = try_open(0, "Q", MQI_OO_OUTPUT, "TRUE");
	assert_int_equal(k->r.reason, MQI_E_OPTIONS);
	k = try_open(0, "NONE", INPUT, "TRUE");
	assert_int_equal(k->r.reason, MQI_E_UNKNOWN_OBJECT);
	/* as long as it may be, and so many of them */
	strcpy(text, "a = '");
	memset(text + 5, 'x', MQSELECTOR_TEXT_MAX - 6);
	text[MQSELECTOR_TEXT_MAX - 1] = '\'';
	do {
		k = try_open(0, "Q", INPUT, text);
		n++;
	} while (k->r.kind == ENGINE_OPENED);
	assert_int_equal(k->r.reason, MQI_E_RESOURCE_PROBLEM);
	assert_true(n > 300 && n < 420);
	(void)open_for(1, "Q", text);
	rig_disconnect(&rig, 0);
	rig_connect(&rig, 0);
	(void)open_for(0, "Q", text);
	free(text);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SMALL(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)
#define BOTH(f) TEST(f), SMALL(f)
	const struct CMUnitTest tests[] = {
	    BOTH(test_a_get_takes_what_fits_and_leaves_the_rest),
	    BOTH(test_order_is_by_priority_where_the_queue_says_so),
	    BOTH(test_who_waits_is_given_what_fits_when_it_comes),
	    TEST(test_a_get_that_waits_can_be_cancelled),
	    BOTH(test_a_browse_sees_what_fits),
	    BOTH(test_ids_and_selectors_count_together),
	    SMALL(test_the_last_of_many_is_found_in_slices),
	    TEST(test_a_long_walk_stops_nobody),
	    BOTH(test_several_walks_take_turns),
	    BOTH(test_what_a_unit_gives_back_is_offered),
	    BOTH(test_read_ahead_takes_what_fits_within_its_window),
	    BOTH(test_what_returns_while_a_window_is_full_comes_later),
	    BOTH(test_gets_that_were_inhibited_miss_nothing),
	    BOTH(test_who_watches_is_told_of_what_fits),
	    SMALL(test_who_watches_a_deep_queue_is_told_at_last),
	    BOTH(test_long_messages_are_judged_by_their_descriptor),
	    TEST(test_a_message_that_was_not_sent_is_offered_again),
	    BOTH(test_a_crowd_that_waits_is_served_in_turns),
	    TEST(test_a_selector_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_monitor.c - what is measured of a channel that sends, by its MONCHL and
 * the queue manager's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine/rig.h"

static struct rig rig;

static const struct engine_identity putter = {.user = "boss", .is_owner = true};
static const struct engine_identity agent = {
    .user = "boss", .is_owner = true, .is_agent = true, .channel = "C"};

static void
connect_both(void)
{
	rig_connect_as(&rig, 0, &putter);
	rig_connect_as(&rig, 1, &agent);
}

static int
setup(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "FAR", "RNAME=Q", "RQMNAME=QM2",
	    "XMITQ=X", NULL);
	connect_both();
	rig_settle(&rig);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void
define_channel(const char *monchl)
{
	rig_define(&rig, MQATTR_CHANNEL, "C", "CHLTYPE=SDR", "XMITQ=X",
	    "CONNAME=h", "SSLPEER=CN=P", monchl, NULL);
}

static void
put(unsigned n)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, 0, "FAR", MQI_OO_OUTPUT, &h), MQI_OK);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(rig_put(&rig, 0, h, 0, "m"), MQI_OK);
}

static uint32_t
start_sender(uint64_t after)
{
	static const uint8_t partner[16] = {1};
	uint32_t id = ++rig.last_id, h;

	engine_stream_open(rig.e, rig.sessions[1].s, id, "X");
	rig_settle(&rig);
	h = rig_reply(&rig, 1, id)->r.handle;
	id = ++rig.last_id;
	engine_stream_bind(rig.e, rig.sessions[1].s, id, h, partner, "CN=P");
	assert_int_equal(rig_result(&rig, 1, id), MQI_OK);
	engine_stream_credit(rig.e, rig.sessions[1].s, h, 1000, 100000, after);
	rig_settle(&rig);
	return h;
}

static void
ack(uint32_t h, unsigned n_msgs)
{
	uint64_t token = 0;

	for (unsigned i = 0; i < n_msgs; i++)
		token = rig_event(&rig, 1, ENGINE_MESSAGE)->r.token;
	engine_stream_ack(rig.e, rig.sessions[1].s, h, token);
	rig_settle(&rig);
}

static struct engine_stream_status
look(void)
{
	struct engine_stream_status st;

	assert_int_equal(engine_stream_status(rig.e, "X", &st), MQI_OK);
	return st;
}

static void
test_nothing_is_measured_by_default(void **state)
{
	struct engine_stream_status st;

	(void)state;
	define_channel("MONCHL=QMGR");
	put(3);
	ack(start_sender(0), 3);
	st = look();
	assert_int_equal(st.on_queue_us.n, 0);
	assert_int_equal(st.batch.n, 0);
}

static void
test_time_on_the_queue_and_messages_acknowledged(void **state)
{
	struct engine_stream_status st;
	uint32_t h;

	(void)state;
	define_channel("MONCHL=HIGH");
	put(2);
	rig_advance_ms(&rig, 50);
	h = start_sender(0);
	st = look();
	assert_int_equal(st.on_queue_us.n, 2);
	assert_in_range((uint64_t)st.on_queue_us.few, 50000, 51000);
	assert_int_equal(st.batch.n, 0);
	ack(h, 2);
	st = look();
	assert_int_equal(st.batch.n, 1);
	assert_int_equal((uint64_t)st.batch.few, 2);
	/* nothing new is acknowledged */
	engine_stream_ack(rig.e, rig.sessions[1].s, h, 1);
	assert_int_equal(look().batch.n, 1);
	/* the next one goes at once */
	put(1);
	st = look();
	assert_int_equal(st.on_queue_us.n, 3);
	assert_in_range((uint64_t)st.on_queue_us.few, 33000, 34000);
	/* a new start begins anew */
	rig_disconnect(&rig, 1);
	assert_int_equal(look().on_queue_us.n, 0);
	rig_forget_replies(&rig, 1);
	rig_connect_as(&rig, 1, &agent);
	(void)start_sender(0); /* the third one again */
	assert_int_equal(look().on_queue_us.n, 1);
	assert_int_equal(look().batch.n, 0);
}

static void
test_levels_measure_some_of_the_messages(void **state)
{
	static const struct {
		const char *own, *all;
		unsigned n; /* of 65 */
		const char *level;
	} cases[] = {
	    {"MONCHL=LOW", "MONCHL=OFF", 2, "LOW"},
	    {"MONCHL=MEDIUM", "MONCHL=OFF", 9, "MEDIUM"},
	    {"MONCHL=HIGH", "MONCHL=OFF", 65, "HIGH"},
	    {"MONCHL=QMGR", "MONCHL=MEDIUM", 9, "MEDIUM"},
	    {"MONCHL=OFF", "MONCHL=HIGH", 0, "OFF"},
	    {"MONCHL=HIGH", "MONCHL=NONE", 0, "OFF"},
	};

	(void)state;
	for (unsigned i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		rig_define(&rig, MQATTR_QMGR, "QM", cases[i].all, NULL);
		define_channel(cases[i].own);
		assert_string_equal(
		    engine_channel_monitor(rig.e, "C"), cases[i].level);
		put(65);
		ack(start_sender(0), 65);
		assert_int_equal(look().on_queue_us.n, cases[i].n);
		rig_disconnect(&rig, 1);
		rig_forget_replies(&rig, 1);
		rig_connect_as(&rig, 1, &agent);
	}
	assert_string_equal(engine_channel_monitor(rig.e, "NO"), "OFF");
}

/* What a restart brings back: its descriptor knows when it was put. */
static void
test_a_message_from_the_store_has_its_time(void **state)
{
	struct engine_queue_status queue;
	struct engine_stream_status st;

	(void)state;
	define_channel("MONCHL=HIGH");
	put(1);
	rig_advance_ms(&rig, 3000);
	rig_restart(&rig);
	rig_forget_replies(&rig, 0);
	rig_forget_replies(&rig, 1);
	connect_both();
	(void)start_sender(0);
	st = look();
	assert_int_equal(st.on_queue_us.n, 1);
	assert_in_range((uint64_t)st.on_queue_us.few, 3000000, 3100000);
	assert_int_equal(engine_queue_status(rig.e, "X", &queue), MQI_OK);
	assert_in_range(queue.oldest_age_ms, 3000, 3100);
}

/* What came from another queue manager was put there before. */
static void
test_a_message_from_the_store_that_passes_through_is_not_counted(void **state)
{
	struct mqdesc_route route = {.queue = "Q", .qmgr = "QM2", .hops = 1};
	struct mqdesc_stamp st = {
	    .route = &route, .persistent = true, .put_time_ms = 1600000000000u};
	struct mqbuf plain, routed;
	struct rig_put p = RIG_PUT(0, "m");
	struct mqi_md md;

	(void)state;
	mqi_md_init(&md);
	mqbuf_init(&plain, MQDESC_MAX);
	mqbuf_init(&routed, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &plain), MQI_OK);
	assert_int_equal(
	    mqdesc_stamp(plain.data, plain.len, &st, &routed), MQI_OK);
	define_channel("MONCHL=HIGH");
	assert_int_equal(
	    rig_open(&rig, 1, "FAR", MQI_OO_OUTPUT, &p.handle), MQI_OK);
	p.desc = routed.data;
	p.desc_len = (uint32_t)routed.len;
	p.flags = MQLOCAL_PUT_PASS_CONTEXT;
	assert_int_equal(rig_result(&rig, 1, rig_ask_put(&rig, 1, &p)), MQI_OK);
	rig_advance_ms(&rig, 1000);
	rig_restart(&rig);
	rig_forget_replies(&rig, 0);
	rig_forget_replies(&rig, 1);
	connect_both();
	(void)start_sender(0);
	assert_int_equal(look().in_flight, 1);
	assert_int_equal(look().on_queue_us.n, 0);
	mqbuf_fini(&plain);
	mqbuf_fini(&routed);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_nothing_is_measured_by_default),
	    T(test_time_on_the_queue_and_messages_acknowledged),
	    T(test_levels_measure_some_of_the_messages),
	    T(test_a_message_from_the_store_has_its_time),
	    T(test_a_message_from_the_store_that_passes_through_is_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

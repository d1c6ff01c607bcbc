/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream.c - transmission queues read by number.
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

static const uint8_t partner[16] = {1, 2, 3};
static const uint8_t other_partner[16] = {9};

static struct rig_reply *
stream_open(unsigned n)
{
	uint32_t id = ++rig.last_id;

	engine_stream_open(rig.e, rig.sessions[n].s, id, "X");
	rig_settle(&rig);
	return rig_reply(&rig, n, id);
}

static enum mqi_err
stream_bind(unsigned n, uint32_t h, const uint8_t qmid[16])
{
	uint32_t id = ++rig.last_id;

	engine_stream_bind(rig.e, rig.sessions[n].s, id, h, qmid, "CN=P");
	return rig_result(&rig, n, id);
}

static void
make_x(unsigned n_msgs)
{
	char body[16];
	uint32_t h;

	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	h = open_as(0, "X", MQI_OO_OUTPUT);
	for (unsigned i = 0; i < n_msgs; i++) {
		(void)snprintf(body, sizeof(body), "m%u", i);
		assert_int_equal(rig_put(&rig, 0, h, 0, body), MQI_OK);
	}
}

static uint32_t
start_sender(uint32_t msgs, uint64_t after)
{
	struct rig_reply *k = stream_open(1);

	assert_int_equal(k->r.kind, ENGINE_STREAM);
	assert_int_equal(stream_bind(1, k->r.handle, partner), MQI_OK);
	engine_stream_credit(
	    rig.e, rig.sessions[1].s, k->r.handle, msgs, 100000, after);
	rig_settle(&rig);
	return k->r.handle;
}

static uint64_t
next_message(const char *want, uint64_t previous)
{
	struct rig_reply *k = rig_event(&rig, 1, ENGINE_MESSAGE);

	if (want == NULL) {
		assert_null(k);
		return 0;
	}
	assert_non_null(k);
	assert_memory_equal(k->data, want, strlen(want));
	assert_int_equal(k->r.u.message.previous, previous);
	assert_true(k->r.token > previous);
	return k->r.token;
}

static uint64_t
depth_of_x(void)
{
	struct engine_queue_status st;

	assert_int_equal(engine_queue_status(rig.e, "X", &st), MQI_OK);
	return st.depth;
}

static void
test_stream_hands_out_in_order_and_removes_by_acknowledgement(void **state)
{
	uint64_t n, n2;
	uint32_t h;

	(void)state;
	make_x(4);
	h = start_sender(2, 0);
	n = next_message("m0", 0);
	n2 = next_message("m1", n);
	(void)next_message(NULL, 0);
	assert_int_equal(depth_of_x(), 4);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_settle(&rig);
	(void)next_message("m2", n2);
	assert_int_equal(depth_of_x(), 3);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 3);
}

static void
test_stream_gives_only_durable_messages(void **state)
{
	struct rig_put p;

	(void)state;
	make_x(0);
	p = RIG_PUT(open_as(0, "X", MQI_OO_OUTPUT), "m0");
	(void)start_sender(10, 0);
	store_mem_set_automatic(rig.store, false);
	(void)rig_ask_put(&rig, 0, &p);
	rig_turn(&rig);
	rig_turn(&rig);
	(void)next_message(NULL, 0);
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	(void)next_message("m0", 0);
}

static void
test_stream_acks_never_start_a_flush(void **state)
{
	uint32_t h;
	uint64_t n;

	(void)state;
	make_x(1);
	h = start_sender(10, 0);
	n = next_message("m0", 0);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	engine_turn_end(rig.e);
	assert_null(rig.e->flushing);
	rig_settle(&rig);
}

static void
test_stream_after_a_reconnect_goes_on_behind_a_number(void **state)
{
	uint64_t n, n1;

	(void)state;
	make_x(3);
	(void)start_sender(10, 0);
	n = next_message("m0", 0);
	n1 = next_message("m1", n);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	/* the partner has m0 but not m1 */
	(void)start_sender(10, n);
	assert_int_equal(next_message("m1", n), n1);
	(void)next_message("m2", n1);
}

static void
test_stream_after_a_restart_keeps_its_id_partner_and_numbers(void **state)
{
	struct mqlocal_stream_ok before, after;
	struct rig_reply *k;
	uint32_t h;
	uint64_t n, n1;

	(void)state;
	make_x(3);
	k = stream_open(1);
	before = k->stream;
	h = k->r.handle;
	assert_int_equal(before.n_incarnations, 1);
	assert_int_equal(stream_bind(1, h, partner), MQI_OK);
	engine_stream_credit(rig.e, rig.sessions[1].s, h, 10, 100000, 0);
	rig_settle(&rig);
	n = next_message("m0", 0);
	n1 = next_message("m1", n);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_advance_ms(&rig, 20);
	rig_restart(&rig);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	assert_true(rig.stream_work > 0);
	k = stream_open(1);
	after = k->stream;
	assert_memory_equal(after.stream, before.stream, 16);
	assert_memory_equal(after.bound_qmid, partner, 16);
	assert_string_equal(after.bound_identity, "CN=P");
	assert_int_equal(after.acked, n);
	assert_true(after.handed > n1);
	assert_int_equal(after.n_incarnations, 2);
	assert_true(after.incarnations[1].first > n1);
	engine_stream_credit(
	    rig.e, rig.sessions[1].s, k->r.handle, 10, 100000, n);
	rig_settle(&rig);
	assert_int_equal(next_message("m1", n), n1);
}

static void
test_stream_deep_discards_what_only_the_store_holds(void **state)
{
	uint64_t last = 0;
	struct rig_reply *k;
	uint32_t h;
	char want[16];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 8});
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	make_x(200);
	h = start_sender(300, 0);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(want, sizeof(want), "m%u", i);
		last = next_message(want, last);
	}
	/* all was handed out; the sender and all of us go */
	rig_restart(&rig);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	k = stream_open(1);
	h = k->r.handle;
	engine_stream_credit(rig.e, rig.sessions[1].s, h, 5, 100000, last);
	rig_settle(&rig);
	last = next_message("m100", last);
	assert_int_equal(depth_of_x(), 200);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, last);
	rig_settle(&rig);
	assert_int_equal(depth_of_x(), 99);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 99);
}

static void
test_stream_owns_what_it_has_handed_out(void **state)
{
	struct rig_reply *k;
	uint64_t pos, n;
	uint32_t h = 0;
	uint32_t s;

	(void)state;
	make_x(2);
	s = start_sender(1, 0);
	n = next_message("m0", 0);
	assert_int_equal(rig_open(&rig, 0, "X", MQI_OO_INPUT_SHARED, &h),
	    MQI_E_OBJECT_IN_USE);
	k = stream_open(0);
	assert_int_equal(k->r.reason, MQI_E_OBJECT_IN_USE);
	assert_int_equal(
	    engine_stream_resolve(rig.e, "X", true, &pos), MQI_E_OBJECT_IN_USE);
	rig_disconnect(&rig, 1);
	rig_disconnect(&rig, 0);
	rig_connect(&rig, 0);
	assert_int_equal(rig_open(&rig, 0, "X", MQI_OO_INPUT_SHARED, &h),
	    MQI_E_OBJECT_IN_USE);
	assert_int_equal(
	    engine_queue_clear(rig.e, "X", &pos), MQI_E_OBJECT_IN_USE);
	/* acknowledged: what is left was never handed out */
	rig_connect(&rig, 1);
	rig_forget_replies(&rig, 1);
	s = stream_open(1)->r.handle;
	engine_stream_ack(rig.e, rig.sessions[1].s, s, n);
	rig_disconnect(&rig, 1);
	assert_int_equal(
	    rig_open(&rig, 0, "X", MQI_OO_INPUT_SHARED, &h), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
}

static void
test_stream_bound_to_one_partner_refuses_another_while_in_doubt(void **state)
{
	uint32_t h;
	uint64_t n;

	(void)state;
	make_x(1);
	h = start_sender(10, 0);
	n = next_message("m0", 0);
	assert_int_equal(stream_bind(1, h, partner), MQI_OK);
	assert_int_equal(
	    stream_bind(1, h, other_partner), MQI_E_CHANNEL_INDOUBT);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	assert_int_equal(stream_bind(1, h, other_partner), MQI_OK);
}

static void
test_stream_gives_nothing_before_it_is_bound(void **state)
{
	struct rig_reply *k;

	(void)state;
	make_x(1);
	k = stream_open(1);
	engine_stream_credit(
	    rig.e, rig.sessions[1].s, k->r.handle, 10, 100000, 0);
	rig_settle(&rig);
	(void)next_message(NULL, 0);
}

static void
test_resolve_commit_removes_and_backout_sends_again(void **state)
{
	uint64_t pos = 0;

	(void)state;
	make_x(3);
	(void)start_sender(2, 0);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	assert_int_equal(
	    engine_stream_resolve(rig.e, "X", false, &pos), MQI_OK);
	assert_true(pos > 0);
	assert_int_equal(depth_of_x(), 3);
	rig_connect(&rig, 1);
	(void)start_sender(2, 0);
	(void)next_message("m0", 0);
	rig_disconnect(&rig, 1);
	assert_int_equal(engine_stream_resolve(rig.e, "X", true, &pos), MQI_OK);
	rig_settle(&rig);
	assert_int_equal(depth_of_x(), 1);
	assert_int_equal(engine_stream_resolve(rig.e, "NO", true, &pos),
	    MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(
	    engine_stream_resolve(rig.e, "Q", true, &pos), MQI_E_XMIT_Q_USAGE);
}

/* The partner need not have what was acknowledged before it was bound, however
 * often the queue manager starts meanwhile; what it was ever given stays
 * known. */
static void
test_what_was_acknowledged_at_the_bind_is_kept(void **state)
{
	struct rig_reply *k;
	uint64_t pos, n, n1, n2;
	uint32_t h;

	(void)state;
	make_x(3);
	h = start_sender(2, 0);
	n = next_message("m0", 0);
	n1 = next_message("m1", n);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_settle(&rig);
	n2 = next_message("m2", n1);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	k = stream_open(1);
	assert_int_equal(k->stream.bound_acked, 0);
	assert_int_equal(k->stream.handed, n2);
	rig_disconnect(&rig, 1);
	assert_int_equal(
	    engine_stream_resolve(rig.e, "X", false, &pos), MQI_OK);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	k = stream_open(1);
	assert_int_equal(k->stream.handed, n2);
	h = k->r.handle;
	assert_int_equal(stream_bind(1, h, other_partner), MQI_OK);
	rig_restart(&rig);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	k = stream_open(1);
	assert_int_equal(k->stream.bound_acked, n);
	assert_int_equal(k->stream.acked, n);
	/* another certificate of the same partner changes nothing */
	engine_stream_ack(rig.e, rig.sessions[1].s, k->r.handle, n1);
	h = ++rig.last_id;
	engine_stream_bind(
	    rig.e, rig.sessions[1].s, h, k->r.handle, other_partner, "CN=NEW");
	(void)rig_result(&rig, 1, h);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	k = stream_open(1);
	assert_int_equal(k->stream.bound_acked, n);
	assert_int_equal(k->stream.acked, n1);
}

/* A partner that has had more than it had acknowledged, after BACKOUT. */
static void
test_the_partners_word_is_taken_after_backout(void **state)
{
	uint64_t pos, n, n1;
	uint32_t h;

	(void)state;
	make_x(3);
	(void)start_sender(2, 0);
	n = next_message("m0", 0);
	n1 = next_message("m1", n);
	rig_disconnect(&rig, 1);
	assert_int_equal(
	    engine_stream_resolve(rig.e, "X", false, &pos), MQI_OK);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	h = stream_open(1)->r.handle;
	assert_int_equal(stream_bind(1, h, partner), MQI_OK);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n1 + 100);
	rig_settle(&rig);
	assert_int_equal(depth_of_x(), 1);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	assert_int_equal(stream_open(1)->stream.acked, n1);
}

static void
test_a_partner_need_not_have_what_a_person_has_committed(void **state)
{
	struct rig_reply *k;
	uint64_t pos, n;

	(void)state;
	make_x(2);
	(void)start_sender(1, 0);
	n = next_message("m0", 0);
	rig_disconnect(&rig, 1);
	assert_int_equal(engine_stream_resolve(rig.e, "X", true, &pos), MQI_OK);
	rig_forget_replies(&rig, 1);
	rig_connect(&rig, 1);
	k = stream_open(1);
	assert_int_equal(k->stream.acked, n);
	assert_int_equal(k->stream.bound_acked, n);
}

static void
test_reset_begins_a_new_stream_without_what_was_acknowledged(void **state)
{
	struct engine_stream_status old, now;
	uint64_t pos = 0, n;
	uint32_t h;

	(void)state;
	make_x(3);
	h = start_sender(2, 0);
	n = next_message("m0", 0);
	(void)next_message("m1", n);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_settle(&rig);
	assert_int_equal(
	    engine_stream_reset(rig.e, "X", &pos), MQI_E_OBJECT_IN_USE);
	rig_disconnect(&rig, 1);
	rig_forget_replies(&rig, 1);
	assert_int_equal(engine_stream_status(rig.e, "X", &old), MQI_OK);
	assert_int_equal(old.acked, n);
	assert_int_equal(engine_stream_reset(rig.e, "X", &pos), MQI_OK);
	assert_true(pos > 0);
	rig_settle(&rig);
	assert_int_equal(engine_stream_status(rig.e, "X", &now), MQI_OK);
	assert_int_equal(now.acked, 0);
	assert_int_equal(now.handed, 0);
	assert_false(now.in_doubt);
	assert_int_equal(now.bound_qmid[0], 0);
	assert_memory_not_equal(now.stream, old.stream, 16);
	rig_connect(&rig, 1);
	(void)start_sender(5, 0);
	n = next_message("m1", 0);
	(void)next_message("m2", n);
	rig_disconnect(&rig, 1);
	assert_int_equal(
	    engine_stream_reset(rig.e, "NO", &pos), MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(
	    engine_stream_reset(rig.e, "Q", &pos), MQI_E_XMIT_Q_USAGE);
}

static void
test_stream_work_is_told_when_nobody_sends(void **state)
{
	uint32_t before;

	(void)state;
	make_x(2);
	assert_int_equal(rig.stream_work, 1);
	before = rig.stream_work;
	(void)start_sender(1, 0);
	make_x(1);
	assert_int_equal(rig.stream_work, before);
	rig_disconnect(&rig, 1);
	assert_int_equal(rig.stream_work, before + 1);
}

static void
test_stream_goes_on_when_gets_are_enabled_again(void **state)
{
	uint64_t last = 0;
	char want[16];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.window_rows = 4});
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	make_x(0);
	(void)start_sender(100, 0);
	rig_define(&rig, MQATTR_QLOCAL, "X", "GET=DISABLED", NULL);
	make_x(20);
	(void)next_message(NULL, 0);
	rig_define(&rig, MQATTR_QLOCAL, "X", "GET=ENABLED", NULL);
	rig_settle(&rig);
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(want, sizeof(want), "m%u", i);
		last = next_message(want, last);
	}
}

static void
test_stream_keeps_the_incarnation_of_its_last_acknowledged_number(void **state)
{
	struct rig_reply *k;
	uint8_t first[16];
	uint64_t n;
	uint32_t h;

	(void)state;
	make_x(1);
	h = start_sender(10, 0);
	memcpy(first, rig.config.incarnation, 16);
	n = next_message("m0", 0);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_advance_ms(&rig, 20);
	for (unsigned i = 0; i < 70; i++) {
		rig_restart(&rig);
		rig_forget_replies(&rig, 1);
		rig_connect(&rig, 1);
		k = stream_open(1);
		assert_int_equal(k->stream.acked, n);
	}
	assert_int_equal(k->stream.n_incarnations, 64);
	assert_memory_equal(k->stream.incarnations[0].id, first, 16);
	assert_memory_equal(
	    k->stream.incarnations[63].id, rig.config.incarnation, 16);
	for (unsigned i = 1; i < 64; i++)
		assert_true(k->stream.incarnations[i].first >
			    k->stream.incarnations[i - 1].first);
}

static void
test_stream_open_errors(void **state)
{
	uint32_t id = ++rig.last_id;

	(void)state;
	engine_stream_open(rig.e, rig.sessions[1].s, id, "NO");
	assert_int_equal(rig_result(&rig, 1, id), MQI_E_UNKNOWN_OBJECT);
	id = ++rig.last_id;
	engine_stream_open(rig.e, rig.sessions[1].s, id, "Q");
	assert_int_equal(rig_result(&rig, 1, id), MQI_E_XMIT_Q_USAGE);
	assert_int_equal(stream_bind(1, 77, partner), MQI_E_HOBJ);
	engine_stream_ack(rig.e, rig.sessions[1].s, 77, 1);
	engine_stream_credit(rig.e, rig.sessions[1].s, 77, 1, 1, 1);
}

static void
test_stream_with_long_messages(void **state)
{
	enum { LEN = 700000 };

	uint8_t *body = mqmem_alloc(LEN);
	struct rig_put p = {.priority = -1,
	    .persistence = MQI_PERSISTENCE_YES,
	    .body = body,
	    .len = LEN};
	struct rig_reply *k;
	uint32_t h;

	(void)state;
	make_x(0);
	p.handle = open_as(0, "X", MQI_OO_OUTPUT);
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, p.handle, 0, "small"), MQI_OK);
	h = start_sender(10, 0);
	k = rig_event(&rig, 1, ENGINE_MESSAGE);
	assert_true(k->whole);
	assert_int_equal(k->len, LEN);
	/* it fills the window alone */
	(void)next_message(NULL, 0);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, k->r.token);
	rig_settle(&rig);
	(void)next_message("small", k->r.token);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 1);
	free(body);
}

static void
test_status_counts_what_is_in_flight_and_what_waits(void **state)
{
	static const struct engine_identity sender = {
	    .user = "fred", .is_owner = true, .is_agent = true, .channel = "C"};
	struct engine_stream_status st;
	uint32_t h;
	uint64_t n;

	(void)state;
	make_x(5);
	assert_int_equal(engine_stream_status(rig.e, "X", &st), MQI_OK);
	assert_int_equal(st.waiting, 5);
	assert_int_equal(st.in_flight, 0);
	assert_string_equal(st.sender, "");
	rig_disconnect(&rig, 1);
	(void)rig_connect_as(&rig, 1, &sender);
	h = start_sender(3, 0);
	n = next_message("m0", 0);
	assert_int_equal(engine_stream_status(rig.e, "X", &st), MQI_OK);
	assert_string_equal(st.sender, "C");
	assert_int_equal(st.waiting, 2);
	assert_int_equal(st.in_flight, 3);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n);
	rig_settle(&rig);
	assert_int_equal(engine_stream_status(rig.e, "X", &st), MQI_OK);
	assert_int_equal(st.waiting, 1);
	assert_int_equal(st.in_flight, 3);
	rig_disconnect(&rig, 1);
	assert_int_equal(engine_stream_status(rig.e, "X", &st), MQI_OK);
	assert_int_equal(st.waiting, 4);
	assert_int_equal(st.in_flight, 0);
	assert_string_equal(st.sender, "");
}

/* ---- what is too long for the channel ---- */

static enum mqi_err
stream_remove(uint32_t h, uint32_t unit, uint64_t number)
{
	const struct mqlocal_stream_remove v = {
	    .handle = h, .unit = unit, .number = number};
	uint32_t id = ++rig.last_id;

	engine_stream_remove(rig.e, rig.sessions[1].s, id, &v);
	return rig_result(&rig, 1, id);
}

static enum mqi_err
end_unit(uint32_t unit, bool commit)
{
	uint32_t id = ++rig.last_id;

	if (commit)
		engine_commit(rig.e, rig.sessions[1].s, id, unit);
	else
		engine_backout(rig.e, rig.sessions[1].s, id, unit);
	return rig_result(&rig, 1, id);
}

/* "m0", a long one, "m1" on X; the sender's limit lies between. */
static uint32_t
start_limited(const char *middle)
{
	struct rig_reply *k;
	uint32_t h;

	make_x(0);
	h = open_as(0, "X", MQI_OO_OUTPUT);
	assert_int_equal(rig_put(&rig, 0, h, 0, "m0"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, middle), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "m1"), MQI_OK);
	k = stream_open(1);
	h = k->r.handle;
	assert_int_equal(stream_bind(1, h, partner), MQI_OK);
	engine_stream_limit(rig.e, rig.sessions[1].s, h, 4);
	engine_stream_credit(rig.e, rig.sessions[1].s, h, 10, 100000, 0);
	rig_settle(&rig);
	return h;
}

static uint64_t
depth_of(const char *name)
{
	struct engine_queue_status st;

	assert_int_equal(engine_queue_status(rig.e, name, &st), MQI_OK);
	return st.depth;
}

static void
test_stream_stops_behind_a_long_message_until_it_is_removed(void **state)
{
	uint64_t n, held, n1;
	uint32_t h, q;

	(void)state;
	h = start_limited("too long");
	q = open_as(1, "Q", MQI_OO_OUTPUT);
	n = next_message("m0", 0);
	held = next_message("too long", n);
	(void)next_message(NULL, 0);
	/* no acknowledgement covers it */
	engine_stream_ack(rig.e, rig.sessions[1].s, h, held);
	rig_settle(&rig);
	assert_int_equal(depth_of_x(), 2);
	(void)next_message(NULL, 0);
	assert_int_equal(rig_put(&rig, 1, q, 5, "too long"), MQI_OK);
	assert_int_equal(stream_remove(h, 5, held), MQI_OK);
	/* once */
	assert_int_equal(stream_remove(h, 6, held), MQI_E_STATE);
	assert_int_equal(end_unit(5, true), MQI_OK);
	assert_int_equal(depth_of("Q"), 1);
	/* its number is named by nobody */
	n1 = next_message("m1", n);
	assert_true(n1 > held);
	engine_stream_ack(rig.e, rig.sessions[1].s, h, n1);
	rig_settle(&rig);
	assert_int_equal(depth_of_x(), 0);
}

static void
test_stream_removes_only_what_it_holds(void **state)
{
	uint64_t n, held;
	uint32_t h;

	(void)state;
	h = start_limited("too long");
	n = next_message("m0", 0);
	held = next_message("too long", n);
	assert_int_equal(stream_remove(h, 5, n), MQI_E_STATE);
	assert_int_equal(stream_remove(h, 5, 0), MQI_E_STATE);
	assert_int_equal(stream_remove(h, 5, held + 1), MQI_E_STATE);
	assert_int_equal(stream_remove(h + 1, 5, held), MQI_E_HOBJ);
	assert_int_equal(end_unit(5, true), MQI_OK);
	assert_int_equal(depth_of_x(), 3);
}

static void
test_stream_gives_a_long_message_again_when_the_unit_is_backed_out(void **state)
{
	uint64_t n, held;
	uint32_t h;

	(void)state;
	h = start_limited("too long");
	n = next_message("m0", 0);
	held = next_message("too long", n);
	assert_int_equal(stream_remove(h, 5, held), MQI_OK);
	assert_int_equal(end_unit(5, false), MQI_OK);
	assert_int_equal(next_message("too long", n), held);
	(void)next_message(NULL, 0);
	assert_int_equal(stream_remove(h, 6, held), MQI_OK);
	assert_int_equal(end_unit(6, true), MQI_OK);
	(void)next_message("m1", n);
	assert_int_equal(depth_of_x(), 2);
}

static void
test_stream_that_closes_backs_out_the_removal(void **state)
{
	uint64_t n, held;
	uint32_t h, id;

	(void)state;
	h = start_limited("too long");
	n = next_message("m0", 0);
	held = next_message("too long", n);
	assert_int_equal(stream_remove(h, 5, held), MQI_OK);
	id = ++rig.last_id;
	engine_close(rig.e, rig.sessions[1].s, id, h);
	assert_int_equal(rig_result(&rig, 1, id), MQI_OK);
	assert_int_equal(end_unit(5, true), MQI_E_BACKED_OUT);
	assert_int_equal(depth_of_x(), 3);
	/* the session's end too, with the next one's */
	rig_forget_replies(&rig, 1);
	h = start_sender(10, n);
	assert_int_equal(next_message("too long", n), held);
	(void)next_message("m1", held);
	rig_disconnect(&rig, 1);
	assert_int_equal(depth_of_x(), 3);
}

/* The message that a crash meets is in one place, whatever was durable. */
static void
test_stream_removal_and_the_put_survive_together(void **state)
{
	(void)state;
	for (unsigned durable = 0; durable <= 1; durable++) {
		uint64_t n, held;
		uint32_t h, q;

		rig_stop(&rig);
		rig_start(&rig, NULL);
		rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
		rig_connect(&rig, 0);
		rig_connect(&rig, 1);
		h = start_limited("too long");
		q = open_as(1, "Q", MQI_OO_OUTPUT);
		n = next_message("m0", 0);
		held = next_message("too long", n);
		assert_int_equal(rig_put(&rig, 1, q, 5, "too long"), MQI_OK);
		assert_int_equal(stream_remove(h, 5, held), MQI_OK);
		rig_settle(&rig);
		store_mem_set_automatic(rig.store, false);
		engine_commit(rig.e, rig.sessions[1].s, ++rig.last_id, 5);
		rig_turn(&rig);
		rig_turn(&rig);
		/* nothing leaves behind a removal that a crash could undo */
		(void)next_message(NULL, 0);
		if (durable != 0) {
			assert_true(store_mem_make_durable(rig.store));
			rig_turn(&rig);
			(void)next_message("m1", n);
		}
		rig_crash(&rig, 0);
		store_mem_set_automatic(rig.store, true);
		rig_settle(&rig);
		assert_int_equal(depth_of("Q"), durable);
		assert_int_equal(depth_of_x(), 3 - durable);
		rig_forget_replies(&rig, 1);
		rig_connect(&rig, 0);
		rig_connect(&rig, 1);
		h = start_sender(10, n);
		if (durable == 0)
			n = next_message("too long", n);
		(void)next_message("m1", n);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_stream_hands_out_in_order_and_removes_by_acknowledgement),
	    T(test_stream_gives_only_durable_messages),
	    T(test_stream_acks_never_start_a_flush),
	    T(test_stream_stops_behind_a_long_message_until_it_is_removed),
	    T(test_stream_removes_only_what_it_holds),
	    T(test_stream_gives_a_long_message_again_when_the_unit_is_backed_out),
	    T(test_stream_that_closes_backs_out_the_removal),
	    T(test_stream_removal_and_the_put_survive_together),
	    T(test_stream_after_a_reconnect_goes_on_behind_a_number),
	    T(test_stream_after_a_restart_keeps_its_id_partner_and_numbers),
	    T(test_stream_deep_discards_what_only_the_store_holds),
	    T(test_stream_owns_what_it_has_handed_out),
	    T(test_stream_bound_to_one_partner_refuses_another_while_in_doubt),
	    T(test_stream_gives_nothing_before_it_is_bound),
	    T(test_resolve_commit_removes_and_backout_sends_again),
	    T(test_what_was_acknowledged_at_the_bind_is_kept),
	    T(test_the_partners_word_is_taken_after_backout),
	    T(test_a_partner_need_not_have_what_a_person_has_committed),
	    T(test_reset_begins_a_new_stream_without_what_was_acknowledged),
	    T(test_stream_work_is_told_when_nobody_sends),
	    T(test_stream_goes_on_when_gets_are_enabled_again),
	    T(test_stream_keeps_the_incarnation_of_its_last_acknowledged_number),
	    T(test_stream_open_errors),
	    T(test_stream_with_long_messages),
	    T(test_status_counts_what_is_in_flight_and_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_abuse.c - requests that no well-meaning client makes: they are refused,
 * or cost the client its session, and nothing else.
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
#include "tests/unit/engine/rig.h"

#define LONG 100000u

static struct rig rig;
static uint8_t body[LONG];

static int
setup(void **state)
{
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_connect(&rig, 0);
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
open_q(const char *name, uint32_t options)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, 0, name, options, &h), MQI_OK);
	return h;
}

static struct rig_put
long_put(uint32_t handle)
{
	struct rig_put p = RIG_PUT(handle, "");

	p.body = body;
	p.len = LONG;
	return p;
}

/* Announces a long message; its pieces do not come. */
static enum mqi_err
announce(uint32_t id, uint32_t handle, uint32_t unit)
{
	struct engine_put req = {.handle = handle,
	    .unit = unit,
	    .body_len = LONG,
	    .body_crc = mqcrc32c(0, body, LONG)};
	enum mqi_err err;
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	err = engine_put(rig.e, rig.sessions[0].s, id, &req);
	mqbuf_fini(&b);
	return err;
}

static void
send_pieces(uint32_t id)
{
	for (uint32_t at = 0; at < LONG; at += MQFRAME_PIECE) {
		uint32_t len =
		    LONG - at < MQFRAME_PIECE ? LONG - at : MQFRAME_PIECE;

		assert_int_equal(engine_put_piece(rig.e, rig.sessions[0].s, id,
				     body + at, len),
		    MQI_OK);
	}
}

static void
test_puts_whose_pieces_come_fill_their_unit(void **state)
{
	uint32_t h = open_q("Q", MQI_OO_OUTPUT | MQI_OO_INQUIRE);

	(void)state;
	rig_define(&rig, MQATTR_QMGR, "QM", "MAXUMSGS=3", NULL);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(announce(100 + i, h, 1), MQI_OK);
	rig_settle(&rig);
	assert_int_equal(
	    rig_reply(&rig, 0, 103)->r.reason, MQI_E_SYNCPOINT_LIMIT);
	for (uint32_t i = 0; i < 4; i++)
		send_pieces(100 + i);
	assert_int_equal(rig_commit(&rig, 0, 1), MQI_OK);
	assert_int_equal(store_mem_bodies(rig.store), 3);
}

static void
test_pieces_may_not_be_announced_twice(void **state)
{
	uint32_t h = open_q("Q", MQI_OO_OUTPUT);

	(void)state;
	assert_int_equal(announce(100, h, 0), MQI_OK);
	assert_int_equal(announce(100, h, 0), MQI_E_PROTOCOL);
	/* nor if the first put failed */
	assert_int_equal(announce(101, 0, 0), MQI_OK);
	assert_int_equal(announce(101, h, 0), MQI_E_PROTOCOL);
	rig_settle(&rig);
	assert_int_equal(rig_reply(&rig, 0, 101)->r.reason, MQI_E_HOBJ);
}

static void
test_puts_in_pieces_are_bounded(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < ENGINE_MAX_INCOMING; i++)
		assert_int_equal(announce(100 + i, 0, 0), MQI_OK);
	assert_int_equal(announce(100 + i, 0, 0), MQI_E_PROTOCOL);
	rig_forget_replies(&rig, 0);
}

static uint32_t
open_stream(void)
{
	static const uint8_t qmid[16] = {1};
	uint32_t id = ++rig.last_id;
	struct rig_reply *k;
	uint32_t h;

	engine_stream_open(rig.e, rig.sessions[0].s, id, "X");
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_int_equal(k->r.kind, ENGINE_STREAM);
	h = k->r.handle;
	engine_stream_bind(
	    rig.e, rig.sessions[0].s, ++rig.last_id, h, qmid, "CN=X");
	return h;
}

static void
test_a_stream_is_not_consumed(void **state)
{
	uint32_t out = open_q("X", MQI_OO_OUTPUT);
	uint32_t h = open_stream(), id = ++rig.last_id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, out, 0, "one"), MQI_OK);
	engine_stream_credit(rig.e, rig.sessions[0].s, h, 10, 100000, 0);
	rig_settle(&rig);
	assert_non_null(rig_event(&rig, 0, ENGINE_MESSAGE));
	engine_consume(rig.e, rig.sessions[0].s, id, h, 0, 0);
	assert_int_equal(rig_result(&rig, 0, id), MQI_E_HOBJ);
	engine_stream_credit(rig.e, rig.sessions[0].s, h, 10, 100000, 0);
	rig_settle(&rig);
	assert_null(rig_event(&rig, 0, ENGINE_MESSAGE));
}

/* A browse whose answer stands behind a message that is read ahead. */
static uint32_t
browse_behind_ahead(uint32_t h)
{
	struct mqlocal_get browse = RIG_GET(h);
	struct rig_put p = long_put(h);

	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "two"), MQI_OK);
	store_mem_set_automatic(rig.store, false);
	engine_consume(
	    rig.e, rig.sessions[0].s, ++rig.last_id, h, 1, UINT32_MAX);
	browse.options = MQI_GET_BROWSE_FIRST;
	return rig_ask_get(&rig, 0, &browse);
}

static void
test_a_window_that_ends_lets_go_what_stood_behind_it(void **state)
{
	uint32_t h =
	    open_q("Q", MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE);
	uint32_t id = browse_behind_ahead(h);

	(void)state;
	engine_consume(rig.e, rig.sessions[0].s, ++rig.last_id, h, 0, 0);
	assert_int_equal(rig_result(&rig, 0, id), MQI_OK);
}

static void
test_a_handle_that_is_closed_answers_what_was_asked(void **state)
{
	uint32_t h =
	    open_q("Q", MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE);
	uint32_t id = browse_behind_ahead(h);
	uint64_t pos;

	(void)state;
	engine_close(rig.e, rig.sessions[0].s, ++rig.last_id, h);
	assert_int_equal(rig_result(&rig, 0, id), MQI_OK);
	/* nobody uses the queue any more */
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "Q", true, &pos),
	    MQI_OK);
}

static void
test_a_window_is_bounded(void **state)
{
	uint32_t h = open_q("Q", MQI_OO_INPUT_SHARED);
	const struct handle *handle = handle_find(rig.sessions[0].s, h);

	(void)state;
	engine_consume(
	    rig.e, rig.sessions[0].s, ++rig.last_id, h, UINT32_MAX, UINT32_MAX);
	assert_int_equal(handle->window_msgs, ENGINE_WINDOW_MSGS);
	assert_int_equal(handle->window_bytes, ENGINE_WINDOW_BYTES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_puts_whose_pieces_come_fill_their_unit, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_pieces_may_not_be_announced_twice, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_puts_in_pieces_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_stream_is_not_consumed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_window_that_ends_lets_go_what_stood_behind_it, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_handle_that_is_closed_answers_what_was_asked, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_window_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

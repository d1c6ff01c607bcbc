/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reply.c - the engine's replies as frames that the protocol decodes
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/local.h"
#include "qmgr/reply.h"

/* The reply's bytes, tail included, as one frame. */
struct whole {
	struct mqbuf b;
	struct mqframe f;
};

static void
encode(const struct engine_reply *r, struct whole *w)
{
	struct reply_tail tail;
	size_t used;

	mqbuf_init(&w->b, 1 << 20);
	reply_encode(r, true, &w->b, &tail);
	if (tail.ref != NULL)
		mqbuf_put(&w->b, tail.ref->data + tail.offset, tail.len);
	assert_int_equal(w->b.err, MQI_OK);
	assert_int_equal(
	    mqframe_parse(w->b.data, w->b.len, &w->f, &used), MQFRAME_OK);
	assert_int_equal(used, w->b.len);
	assert_int_equal(w->f.id, r->id);
}

static void
test_result_keeps_reason_token_and_text(void **state)
{
	struct engine_reply r = {.kind = ENGINE_RESULT,
	    .id = 9,
	    .reason = MQI_E_Q_FULL,
	    .handle = 3,
	    .token = 77,
	    .text = "full"};
	struct mqlocal_result v;
	struct whole w;

	(void)state;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_result(&w.f, &v), MQI_OK);
	assert_int_equal(v.reason, MQI_E_Q_FULL);
	assert_int_equal(v.handle, 3);
	assert_int_equal(v.token, 77);
	assert_string_equal(v.text, "full");
	mqbuf_fini(&w.b);
}

static void
test_result_cuts_a_text_that_is_too_long(void **state)
{
	char text[2000];
	struct engine_reply r = {.kind = ENGINE_RESULT, .text = text};
	struct mqlocal_result v;
	struct whole w;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_result(&w.f, &v), MQI_OK);
	assert_int_equal(strlen(v.text), sizeof(v.text) - 1);
	mqbuf_fini(&w.b);
}

static void
test_opened_names_what_was_resolved(void **state)
{
	struct engine_reply r = {.kind = ENGINE_OPENED, .id = 2, .handle = 5};
	struct mqlocal_open_ok v;
	struct whole w;

	(void)state;
	r.u.opened.resolved_name = "Q";
	r.u.opened.resolved_qmgr = "QM2";
	r.u.opened.max_msg_len = 4096;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_open_ok(&w.f, &v), MQI_OK);
	assert_int_equal(v.handle, 5);
	assert_string_equal(v.resolved_name, "Q");
	assert_string_equal(v.resolved_qmgr, "QM2");
	assert_int_equal(v.max_msg_len, 4096);
	mqbuf_fini(&w.b);
}

static void
test_put_done_gives_the_stamp(void **state)
{
	struct engine_reply r = {.kind = ENGINE_PUT_DONE, .id = 2};
	struct mqlocal_put_ok v;
	struct whole w;

	(void)state;
	memset(r.u.put.msg_id, 0xab, sizeof(r.u.put.msg_id));
	r.u.put.priority = 4;
	r.u.put.persistent = true;
	r.u.put.put_time_ms = 1234567890123;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_put_ok(&w.f, &v), MQI_OK);
	assert_memory_equal(v.msg_id, r.u.put.msg_id, sizeof(v.msg_id));
	assert_int_equal(v.priority, 4);
	assert_int_equal(v.persistence, 1);
	assert_true(v.put_time_ms == 1234567890123);
	mqbuf_fini(&w.b);
}

static void
message_of(struct engine_reply *r, uint32_t desc_len, uint32_t body_len)
{
	struct mqref *data = mqref_new(desc_len + body_len);

	memset(data->data, 'd', desc_len);
	memset(data->data + desc_len, 'b', body_len);
	*r = (struct engine_reply){
	    .kind = ENGINE_MESSAGE, .id = 4, .handle = 1, .token = 8};
	r->u.message.data = data;
	r->u.message.desc_len = desc_len;
	r->u.message.body_len = body_len;
	r->u.message.sent_len = body_len;
	r->u.message.body_crc = 0x1234;
	r->u.message.backout_count = 2;
	r->u.message.previous = 7;
	r->u.message.inlined = mqlocal_is_inline(desc_len, body_len);
}

static void
test_message_that_fits_is_one_frame_with_its_body(void **state)
{
	static const uint32_t lens[] = {0, 1, 1000, MQFRAME_PIECE - 20};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(lens); i++) {
		struct mqlocal_message v;
		struct engine_reply r;
		struct whole w;

		message_of(&r, 20, lens[i]);
		encode(&r, &w);
		assert_int_equal(mqlocal_decode_message(&w.f, &v), MQI_OK);
		assert_int_equal(v.desc_len, 20);
		assert_int_equal(v.sent_len, lens[i]);
		assert_non_null(v.body);
		assert_memory_equal(
		    v.body, r.u.message.data->data + 20, lens[i]);
		assert_int_equal(v.token, 8);
		assert_int_equal(v.previous, 7);
		assert_int_equal(v.backout_count, 2);
		mqbuf_fini(&w.b);
		mqref_unref(r.u.message.data);
	}
}

static void
test_message_that_does_not_fit_has_its_descriptor_alone(void **state)
{
	struct mqlocal_message v;
	struct engine_reply r;
	struct whole w;

	(void)state;
	message_of(&r, 20, MQFRAME_PIECE);
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_message(&w.f, &v), MQI_OK);
	assert_null(v.body);
	assert_int_equal(v.sent_len, MQFRAME_PIECE);
	mqbuf_fini(&w.b);
	mqref_unref(r.u.message.data);
}

static void
test_piece_sends_the_bytes_that_are_its(void **state)
{
	struct mqref *data = mqref_new(100);
	struct engine_reply r = {.kind = ENGINE_PIECE, .id = 4};
	struct mqlocal_piece v;
	struct whole w;

	(void)state;
	memset(data->data, 'p', data->len);
	r.u.piece.data = data;
	r.u.piece.len = 60;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_piece(&w.f, &v), MQI_OK);
	assert_int_equal(v.len, 60);
	assert_memory_equal(v.data, data->data, 60);
	mqbuf_fini(&w.b);
	mqref_unref(data);
}

static void
test_small_replies_keep_their_values(void **state)
{
	struct engine_reply r = {
	    .kind = ENGINE_READY, .handle = 6, .u.ready = true};
	struct mqlocal_position p;
	struct mqlocal_ready v;
	struct whole w;

	(void)state;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_ready(&w.f, &v), MQI_OK);
	assert_int_equal(v.handle, 6);
	assert_int_equal(v.ready, 1);
	mqbuf_fini(&w.b);

	r = (struct engine_reply){.kind = ENGINE_POSITION, .id = 1};
	r.u.position.position = 55;
	r.u.position.fence = 66;
	r.u.position.incarnation[3] = 9;
	encode(&r, &w);
	assert_int_equal(mqlocal_decode_position(&w.f, &p), MQI_OK);
	assert_int_equal(p.position, 55);
	assert_int_equal(p.fence, 66);
	assert_int_equal(p.incarnation[3], 9);
	mqbuf_fini(&w.b);
}

static void
test_what_was_acknowledged_at_the_bind_needs_the_feature(void **state)
{
	struct mqlocal_stream_ok old, now,
	    v = {.handle = 1, .acked = 9, .bound_acked = 7};
	struct engine_reply r = {
	    .kind = ENGINE_STREAM, .id = 3, .u.stream = &v};
	struct reply_tail tail;
	struct mqframe f;
	struct mqbuf b;
	size_t used, used_too;

	(void)state;
	mqbuf_init(&b, 1000);
	reply_encode(&r, false, &b, &tail);
	reply_encode(&r, true, &b, &tail);
	assert_int_equal(mqframe_parse(b.data, b.len, &f, &used), MQFRAME_OK);
	assert_int_equal(mqlocal_decode_stream_ok(&f, &old), MQI_OK);
	assert_int_equal(
	    mqframe_parse(b.data + used, b.len - used, &f, &used_too),
	    MQFRAME_OK);
	assert_int_equal(mqlocal_decode_stream_ok(&f, &now), MQI_OK);
	assert_int_equal(old.acked, 9);
	assert_int_equal(old.bound_acked, 0);
	assert_int_equal(now.bound_acked, 7);
	assert_int_equal(used_too, used + 8);
	mqbuf_fini(&b);
}

static void
test_external_bytes_are_sent_as_they_are(void **state)
{
	struct reply_tail tail;
	struct mqref *ref = mqref_copy("whole frames", 12);
	struct engine_reply r = {
	    .kind = ENGINE_EXTERNAL, .id = 3, .u.external = ref};
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100);
	reply_encode(&r, true, &b, &tail);
	assert_int_equal(b.len, 0);
	assert_ptr_equal(tail.ref, ref);
	assert_int_equal(tail.offset, 0);
	assert_int_equal(tail.len, 12);
	mqbuf_fini(&b);
	mqref_unref(ref);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_result_keeps_reason_token_and_text),
	    cmocka_unit_test(test_result_cuts_a_text_that_is_too_long),
	    cmocka_unit_test(test_opened_names_what_was_resolved),
	    cmocka_unit_test(test_put_done_gives_the_stamp),
	    cmocka_unit_test(test_message_that_fits_is_one_frame_with_its_body),
	    cmocka_unit_test(
		test_message_that_does_not_fit_has_its_descriptor_alone),
	    cmocka_unit_test(test_piece_sends_the_bytes_that_are_its),
	    cmocka_unit_test(test_small_replies_keep_their_values),
	    cmocka_unit_test(
		test_what_was_acknowledged_at_the_bind_needs_the_feature),
	    cmocka_unit_test(test_external_bytes_are_sent_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

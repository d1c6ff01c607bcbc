/* SPDX-License-Identifier: Apache-2.0 */
/* test_client_frames.c - which frames of a remote client pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <string.h>

#include "mca/client_frames.h"

#define MAX_MSG 1000u

static enum client_step
look(const struct mqbuf *b, size_t len, size_t *ret_n, enum mqi_err *ret_reason)
{
	struct client_flow f = {.left = 0};
	char why[128] = "";

	return client_frames_up(
	    &f, b->data, len, MAX_MSG, ret_n, ret_reason, why);
}

/* Of each type that there is, by what becomes of an empty frame. */
static void
test_only_requests_of_applications_pass(void **state)
{
	static const uint16_t pass[] = {MQLOCAL_OPEN, MQLOCAL_OPEN_AS,
	    MQLOCAL_OPEN_SELECT, MQLOCAL_OPEN_TOPIC, MQLOCAL_SUBSCRIBE,
	    MQLOCAL_BROWSE_UNLOCK, MQLOCAL_PIECE, MQLOCAL_GET,
	    MQLOCAL_CANCEL_GET, MQLOCAL_COMMIT, MQLOCAL_BACKOUT,
	    MQLOCAL_INQUIRE, MQLOCAL_ACK, MQLOCAL_PING};

	(void)state;
	for (uint16_t type = 0; type < 300; type++) {
		enum client_step want = CLIENT_STEP_BAD;
		enum mqi_err reason = MQI_OK;
		struct mqbuf b;
		size_t n = 0;

		for (size_t i = 0; i < MQ_ARRAY_LEN(pass); i++)
			want = pass[i] == type ? CLIENT_STEP_PASS : want;
		if (type == MQLOCAL_BEAT)
			want = CLIENT_STEP_BEAT;
		mqbuf_init(&b, 64);
		mqframe_end(&b, mqframe_begin(&b, type, 0, 1), 0);
		assert_int_equal(look(&b, b.len, &n, &reason), want);
		mqbuf_fini(&b);
	}
}

static enum client_step
look_at_put(uint16_t flags, uint32_t body_len, enum mqi_err *ret_reason)
{
	const struct mqlocal_put v = {.flags = flags,
	    .handle = 1,
	    .body_len = body_len,
	    .desc = "descriptor",
	    .desc_len = 10};
	enum client_step step;
	struct mqbuf b;
	size_t n = 0;

	mqbuf_init(&b, 256);
	mqlocal_encode_put(&b, 1, &v);
	/* not before its length has been seen */
	assert_int_equal(
	    look(&b, MQFRAME_HEADER + 15, &n, ret_reason), CLIENT_STEP_MORE);
	step = look(&b, b.len, &n, ret_reason);
	mqbuf_fini(&b);
	return step;
}

static void
test_put_within_the_channels_length_and_without_context_passes(void **state)
{
	enum mqi_err reason = MQI_OK;

	(void)state;
	assert_int_equal(look_at_put(MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_BRIEF,
			     MAX_MSG, &reason),
	    CLIENT_STEP_PASS);
	assert_int_equal(look_at_put(0, MAX_MSG + 1, &reason), CLIENT_STEP_BAD);
	assert_int_equal(reason, MQI_E_MSG_TOO_BIG_FOR_CHANNEL);
	assert_int_equal(
	    look_at_put(MQLOCAL_PUT_PASS_CONTEXT, 1, &reason), CLIENT_STEP_BAD);
	assert_int_equal(reason, MQI_E_NOT_AUTHORIZED);
}

static enum client_step
look_at_position(const char *partner, const char *identity)
{
	struct mqlocal_position_open open = {.partner = ""};
	struct mqlocal_unit_position unit = {.unit = 1};
	enum mqi_err reason = MQI_OK;
	enum client_step step;
	struct mqbuf b;
	size_t n = 0;

	strcpy(open.partner, partner);
	strcpy(open.identity, identity);
	strcpy(unit.partner, partner);
	mqbuf_init(&b, 1024);
	mqlocal_encode_unit_position(&b, 1, &unit);
	step = look(&b, b.len, &n, &reason);
	mqbuf_reset(&b);
	mqlocal_encode_position_open(&b, 1, &open);
	if (identity[0] == '\0')
		assert_int_equal(look(&b, b.len, &n, &reason), step);
	else
		step = look(&b, b.len, &n, &reason);
	mqbuf_fini(&b);
	return step;
}

static void
test_positions_of_queue_managers_are_out_of_reach(void **state)
{
	(void)state;
	assert_int_equal(look_at_position("BILLING", ""), CLIENT_STEP_PASS);
	assert_int_equal(
	    look_at_position("0123456789abcdef0123456789abcde", ""),
	    CLIENT_STEP_PASS);
	assert_int_equal(
	    look_at_position("0123456789abcdef0123456789ABCDEF", ""),
	    CLIENT_STEP_BAD);
	assert_int_equal(
	    look_at_position("BILLING", "CN=QM2"), CLIENT_STEP_BAD);
}

static void
test_payload_passes_as_it_comes(void **state)
{
	struct client_flow f = {.left = 0};
	enum mqi_err reason = MQI_OK;
	uint8_t data[MQFRAME_HEADER + 100] = {0};
	char why[128];
	size_t n = 0;

	(void)state;
	mqbuf_set_u32(data, 100);
	mqbuf_set_u16(data + 4, MQLOCAL_PIECE);
	assert_int_equal(
	    client_frames_up(&f, data, 40, MAX_MSG, &n, &reason, why),
	    CLIENT_STEP_PASS);
	assert_int_equal(n, 40);
	/* what follows is payload, whatever it looks like */
	assert_int_equal(
	    client_frames_up(&f, data, 112, MAX_MSG, &n, &reason, why),
	    CLIENT_STEP_PASS);
	assert_int_equal(n, 72);
	assert_int_equal(f.left, 0);
}

static void
test_orders_are_kept_from_the_client(void **state)
{
	struct client_flow f = {.left = 0};
	struct mqbuf b;
	size_t n = 0;

	(void)state;
	mqbuf_init(&b, 64);
	mqframe_end(&b, mqframe_begin(&b, MQLOCAL_AGENT_ORDER, 0, 0), 8);
	mqbuf_put_zeros(&b, 8);
	assert_int_equal(client_frames_down(&f, &f.gets, b.data, b.len - 1, &n),
	    CLIENT_STEP_MORE);
	assert_int_equal(client_frames_down(&f, &f.gets, b.data, b.len, &n),
	    CLIENT_STEP_ORDER);
	assert_int_equal(n, b.len);
	mqbuf_fini(&b);
}

static void
feed(struct client_flow *f, struct mqbuf *b)
{
	enum mqi_err reason = MQI_OK;
	char why[128];
	size_t n = 0;

	assert_int_equal(
	    client_frames_up(f, b->data, b->len, MAX_MSG, &n, &reason, why),
	    CLIENT_STEP_PASS);
	assert_int_equal(n, b->len);
	mqbuf_reset(b);
}

static void
test_one_that_waits_is_known(void **state)
{
	const struct mqlocal_get get = {.handle = 1};
	const struct mqlocal_result result = {.reason = 0};
	struct mqlocal_consume consume = {.handle = 7, .max_msgs = 10};
	const struct mqlocal_watch watch = {.handle = 8, .on = 1};
	const struct mqlocal_close close = {.handle = 8};
	struct client_flow f = {.left = 0}, down = {.left = 0};
	struct mqbuf b;
	size_t n = 0;

	(void)state;
	mqbuf_init(&b, 1024);
	assert_false(client_frames_waiting(&f));
	mqlocal_encode_get(&b, 5, &get);
	feed(&f, &b);
	assert_true(client_frames_waiting(&f));
	mqlocal_encode_result(&b, 5, &result);
	assert_int_equal(client_frames_down(&down, &f.gets, b.data, b.len, &n),
	    CLIENT_STEP_PASS);
	mqbuf_reset(&b);
	assert_false(client_frames_waiting(&f));
	mqlocal_encode_consume(&b, 6, &consume);
	feed(&f, &b);
	mqlocal_encode_watch(&b, 7, &watch);
	feed(&f, &b);
	mqlocal_encode_close(&b, 8, &close);
	feed(&f, &b);
	assert_true(client_frames_waiting(&f));
	consume.max_msgs = 0;
	mqlocal_encode_consume(&b, 9, &consume);
	feed(&f, &b);
	assert_false(client_frames_waiting(&f));
	/* more than can be kept: it is not taken for idle any more */
	for (uint32_t i = 0; i < CLIENT_WAITS_MAX + 1; i++) {
		mqlocal_encode_get(&b, 100 + i, &get);
		feed(&f, &b);
	}
	for (uint32_t i = 0; i < CLIENT_WAITS_MAX + 1; i++) {
		mqlocal_encode_result(&b, 100 + i, &result);
		(void)client_frames_down(&down, &f.gets, b.data, b.len, &n);
		mqbuf_reset(&b);
	}
	assert_true(client_frames_waiting(&f));
	mqbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_requests_of_applications_pass),
	    cmocka_unit_test(
		test_put_within_the_channels_length_and_without_context_passes),
	    cmocka_unit_test(test_positions_of_queue_managers_are_out_of_reach),
	    cmocka_unit_test(test_payload_passes_as_it_comes),
	    cmocka_unit_test(test_orders_are_kept_from_the_client),
	    cmocka_unit_test(test_one_that_waits_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sender.c - mca/sender.c with a partner written by hand: what it says
 * before the stream is bound, which positions it believes, and what ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/mca/model.h"

struct fixture {
	struct model_source source;
	struct sender s;
	struct mqbuf in; /* what the partner will say */
};

static const struct sender_def def = {
    .def = {.channel = "QM1.TO.QM2",
	.qmgr = "QM1",
	.qmid = {1},
	.heartbeat_ms = 5000,
	.batch_size = 50,
	.max_msg_len = 1000},
    .identity = "CN=QM2",
};

static const struct mqchan_hello answer = {
    .version_min = 1,
    .version_max = 1,
    .role = MQCHAN_ROLE_RECEIVER,
    .channel = "QM1.TO.QM2",
    .qmgr = "QM2",
    .qmid = {2},
    .heartbeat_ms = 7000,
    .batch_size = 10,
    .max_msg_len = 500,
};

static void
start(struct fixture *f)
{
	struct sender_stream stream;
	struct sender_io io;

	model_source_stream(&f->source, &stream);
	model_source_io(&f->source, &io);
	sender_init(&f->s, &def, &stream, &io, 0);
	mqbuf_reset(&f->in);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	model_source_init(&f->source);
	f->source.history.n_incarnations = 2;
	f->source.history.incarnations[1].id[0] = 2;
	f->source.history.incarnations[1].first = 100;
	mqbuf_init(&f->in, 65536);
	start(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sender_fini(&f->s);
	mqbuf_fini(&f->in);
	free(f);
	return 0;
}

static void
say(struct fixture *f)
{
	sender_input(&f->s, f->in.data, f->in.len);
	mqbuf_reset(&f->in);
}

static void
say_hello(struct fixture *f, const struct mqchan_hello *h)
{
	mqchan_encode_hello(&f->in, h);
	say(f);
}

static void
say_resume(struct fixture *f, uint64_t position, uint8_t incarnation)
{
	struct mqchan_resume r = {
	    .position = position, .incarnation = {incarnation}};

	mqchan_encode_resume(&f->in, &r);
	say(f);
}

/* The type of the last frame that it has sent. */
static uint16_t
last_sent(struct fixture *f)
{
	struct mqframe fr = {0};
	size_t at = 0, used;

	while (mqframe_parse(f->s.c.out.data + at, f->s.c.out.len - at, &fr,
		   &used) == MQFRAME_OK)
		at += used;
	assert_int_equal(at, f->s.c.out.len);
	return fr.type;
}

static void
assert_ended(struct fixture *f, enum mqi_err reason, const char *text)
{
	assert_int_equal(channel_state(&f->s.c), CHANNEL_ENDED);
	assert_int_equal(f->s.c.reason, reason);
	if (strstr(f->s.c.text, text) == NULL)
		fail_msg("'%s' lacks '%s'", f->s.c.text, text);
}

/* A partner of a later version says more than this one knows. */
static void
test_a_newer_partner_is_understood(void **state)
{
	static const struct mqchan_options more = {.n = 3,
	    .all = {{.number = MQCHAN_OPTION_PRODUCT, .len = 4, .data = "Next"},
		{.number = MQCHAN_OPTION_BATCHINT,
		    .len = 4,
		    .data = "\7\0\0\0"},
		{.number = 60000, .len = 3, .data = "new"}}};
	struct fixture *f = *state;
	struct mqchan_hello h = answer;

	h.version_max = 9;
	h.features = UINT64_MAX;
	say_hello(f, &h);
	/* its OPTIONS are waited for */
	assert_int_equal(last_sent(f), MQCHAN_OPTIONS);
	assert_int_equal(f->source.bound[0], 0);
	mqchan_encode_options(&f->in, &more);
	say(f);
	assert_int_equal(last_sent(f), MQCHAN_STREAM);
	assert_string_equal(f->s.c.theirs.product, "Next");
	assert_int_equal(f->s.c.theirs.batch_interval_ms, 7);
	assert_int_equal(f->s.c.theirs.purpose, MQCHAN_PURPOSE_MESSAGES);
	say_resume(f, 0, 0);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	/* once is enough */
	mqchan_encode_options(&f->in, &more);
	say(f);
	assert_ended(f, MQI_E_PROTOCOL, "OPTIONS");
}

static void
test_an_option_of_a_wrong_length_is_refused(void **state)
{
	static const struct mqchan_options wrong = {.n = 1,
	    .all = {
		{.number = MQCHAN_OPTION_BATCHINT, .len = 2, .data = "ab"}}};
	struct fixture *f = *state;
	struct mqchan_hello h = answer;

	h.features = MQCHAN_FEATURE_OPTIONS;
	say_hello(f, &h);
	mqchan_encode_options(&f->in, &wrong);
	say(f);
	assert_ended(f, MQI_E_PROTOCOL, "OPTIONS");
}

static void
test_the_stream_is_shown_only_after_it_is_bound(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(last_sent(f), MQCHAN_HELLO);
	say_hello(f, &answer);
	assert_int_equal(f->source.bound[0], 2);
	assert_int_equal(last_sent(f), MQCHAN_STREAM);
	assert_int_equal(f->s.c.def.heartbeat_ms, 7000);
	assert_int_equal(f->s.c.def.max_msg_len, 500);
}

static void
test_a_stream_of_another_partner_is_not_shown(void **state)
{
	struct fixture *f = *state;

	f->source.bound[0] = 9;
	f->source.bind_result = MQI_E_CHANNEL_INDOUBT;
	sender_fini(&f->s);
	start(f);
	say_hello(f, &answer);
	assert_ended(f, MQI_E_CHANNEL_INDOUBT, "cannot be bound");
	assert_int_equal(last_sent(f), MQCHAN_ERROR);
}

static void
test_a_wrong_partner_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mqchan_hello h = answer;

	h.qmid[0] = 1;
	say_hello(f, &h);
	assert_ended(f, MQI_E_NOT_CURRENT, "own id");
	sender_fini(&f->s);
	start(f);
	h = answer;
	strcpy(h.channel, "OTHER");
	say_hello(f, &h);
	assert_ended(f, MQI_E_UNKNOWN_CHANNEL, "OTHER");
	sender_fini(&f->s);
	start(f);
	h = answer;
	h.role = MQCHAN_ROLE_SENDER;
	say_hello(f, &h);
	assert_ended(f, MQI_E_CHANNEL_CONFIG, "senders");
	sender_fini(&f->s);
	start(f);
	h = answer;
	h.version_min = 7;
	h.version_max = 8;
	say_hello(f, &h);
	assert_ended(f, MQI_E_VERSION, "7 to 8");
}

/* acked, handed, position, incarnation -> whether it is believed */
static void
test_only_positions_of_our_history_are_believed(void **state)
{
	static const struct {
		uint64_t acked, handed, position;
		uint8_t incarnation;
		bool rebound, good;
		const char *text;
	} cases[] = {
	    {0, 0, 0, 0, false, true, ""},
	    {0, UINT64_MAX, 0, 0, false, true, ""},
	    {5, 20, 5, 1, false, true, ""},
	    {5, 20, 20, 1, false, true, ""},
	    {5, 120, 110, 2, false, true, ""},
	    {5, UINT64_MAX, 99, 1, false, true, ""},
	    {5, 20, 0, 0, false, false, "restored or replaced"},
	    {5, 20, 4, 1, false, false, "its store was restored"},
	    {5, 20, 21, 1, false, false, "beyond what was handed out"},
	    {5, 200, 110, 1, false, false, "not in this stream's history"},
	    {5, 200, 50, 2, false, false, "not in this stream's history"},
	    {5, 200, 110, 3, false, false, "not in this stream's history"},
	    {5, 20, 0, 0, true, true, ""},
	    {5, 20, 3, 1, true, true, ""},
	    {5, 5, 9, 1, true, true, ""}, /* after RESOLVE ... BACKOUT */
	    {5, 20, 3, 7, true, false, "not in this stream's history"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		sender_fini(&f->s);
		f->source.acked = cases[i].acked;
		f->source.handed = cases[i].handed;
		memset(f->source.bound, 0, 16);
		f->source.bound[0] = cases[i].rebound ? 9 : 2;
		strcpy(f->source.identity, "CN=QM2");
		start(f);
		say_hello(f, &answer);
		say_resume(f, cases[i].position, cases[i].incarnation);
		if (cases[i].good) {
			if (channel_state(&f->s.c) != CHANNEL_RUNNING)
				fail_msg("case %zu: %s", i, f->s.c.text);
			assert_true(f->source.reading);
			continue;
		}
		assert_ended(f, MQI_E_NOT_CURRENT, cases[i].text);
		assert_int_equal(last_sent(f), MQCHAN_ERROR);
		assert_false(f->source.reading);
	}
}

static void
run(struct fixture *f)
{
	say_hello(f, &answer);
	say_resume(f, 0, 0);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	mqbuf_reset(&f->s.c.out);
}

static void
test_the_first_message_names_the_position(void **state)
{
	struct fixture *f = *state;
	struct mqchan_msg m;
	struct mqframe fr;
	size_t used;

	f->source.acked = 5;
	f->source.handed = 20;
	f->source.bound[0] = 2;
	strcpy(f->source.identity, "CN=QM2");
	model_source_add(&f->source, 6, "Q", 10);
	model_source_add(&f->source, 9, "Q", 10);
	sender_fini(&f->s);
	start(f);
	say_hello(f, &answer);
	say_resume(f, 7, 1);
	assert_int_equal(f->source.acked, 7);
	mqbuf_reset(&f->s.c.out);
	(void)model_source_run(&f->source, &f->s, 10);
	assert_int_equal(
	    mqframe_parse(f->s.c.out.data, f->s.c.out.len, &fr, &used),
	    MQFRAME_OK);
	assert_int_equal(mqchan_decode_msg(&fr, &m), MQI_OK);
	assert_int_equal(m.number, 9);
	assert_int_equal(m.previous, 7);
	assert_int_equal(used, f->s.c.out.len);
}

static void
test_substates_say_what_it_waits_for(void **state)
{
	struct fixture *f = *state;

	model_source_add(&f->source, 1, "Q", 10);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_RECEIVE);
	say_hello(f, &answer);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_RESYNCH);
	say_resume(f, 0, 0);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_MQGET);
	(void)model_source_run(&f->source, &f->s, 10);
	assert_int_equal(f->s.c.stats.current_number, 1);
	assert_int_equal(f->s.c.stats.last_number, 0);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_ENDBATCH);
	mqchan_encode_ack(&f->in, &(struct mqchan_ack){.number = 1});
	say(f);
	assert_int_equal(f->s.c.stats.last_number, 1);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_MQGET);
	channel_drained(&f->s.c);
	sender_tick(&f->s, 7000);
	assert_int_equal(last_sent(f), MQCHAN_HEARTBEAT);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_HEARTBEAT);
	mqchan_encode_empty(&f->in, MQCHAN_HEARTBEAT_ACK);
	say(f);
	assert_int_equal(sender_substate(&f->s), CHANNEL_AT_MQGET);
}

static void
test_a_new_connection_shows_the_position(void **state)
{
	struct fixture *f = *state;

	f->source.acked = 5;
	f->source.handed = 20;
	f->source.bound[0] = 2;
	strcpy(f->source.identity, "CN=QM2");
	sender_fini(&f->s);
	start(f);
	say_hello(f, &answer);
	say_resume(f, 7, 1);
	assert_int_equal(f->s.c.stats.last_number, 7);
	assert_int_equal(f->s.c.stats.current_number, 7);
}

static void
test_an_acknowledgement_of_what_was_not_sent_ends_it(void **state)
{
	struct fixture *f = *state;

	model_source_add(&f->source, 1, "Q", 10);
	run(f);
	(void)model_source_run(&f->source, &f->s, 10);
	mqchan_encode_ack(&f->in, &(struct mqchan_ack){.number = 1});
	say(f);
	assert_int_equal(f->source.acked, 1);
	mqchan_encode_ack(&f->in, &(struct mqchan_ack){.number = 1});
	say(f);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	mqchan_encode_ack(&f->in, &(struct mqchan_ack){.number = 2});
	say(f);
	assert_ended(f, MQI_E_PROTOCOL, "last one sent is 1");
	assert_int_equal(f->source.acked, 1);
}

static void
test_a_gap_in_the_stream_ends_it(void **state)
{
	struct fixture *f = *state;
	struct sender_msg m = {
	    .number = 5, .previous = 4, .desc = "d", .desc_len = 1};

	run(f);
	sender_message(&f->s, &m);
	assert_ended(f, MQI_E_UNEXPECTED, "follows 4");
}

static void
test_a_message_beyond_maxmsgl_ends_it(void **state)
{
	struct fixture *f = *state;
	struct sender_msg m = {
	    .number = 5, .desc = "d", .desc_len = 1, .body_len = 501};

	run(f);
	sender_message(&f->s, &m);
	assert_ended(f, MQI_E_MSG_TOO_BIG_FOR_CHANNEL, "MAXMSGL of 500");
	/* the rest of it is not taken for anything else */
	sender_piece(&f->s, "x", 1);
}

static void
test_frames_out_of_place_end_it(void **state)
{
	struct fixture *f = *state;

	say_resume(f, 0, 0); /* before HELLO */
	assert_ended(f, MQI_E_PROTOCOL, "RESUME");
	sender_fini(&f->s);
	start(f);
	run(f);
	say_hello(f, &answer); /* a second one */
	assert_ended(f, MQI_E_PROTOCOL, "HELLO");
	sender_fini(&f->s);
	start(f);
	mqbuf_put(&f->in, "\xff\xff\xff\x7f\1\0\0\0\0\0\0\0", 12);
	say(f);
	assert_ended(f, MQI_E_PROTOCOL, "beyond the limit");
	sender_fini(&f->s);
	start(f);
	mqbuf_put(&f->in, "GET / HTTP/1.1\r\n\r\n", 18);
	say(f);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_ENDED);
}

static void
test_the_partners_error_is_kept(void **state)
{
	struct fixture *f = *state;
	struct mqchan_error e = {
	    .reason = MQI_E_NOT_AUTHORIZED, .text = "not you"};

	mqchan_encode_error(&f->in, &e);
	say(f);
	assert_ended(f, MQI_E_NOT_AUTHORIZED, "not you");
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_newer_partner_is_understood),
	    T(test_an_option_of_a_wrong_length_is_refused),
	    T(test_the_stream_is_shown_only_after_it_is_bound),
	    T(test_a_stream_of_another_partner_is_not_shown),
	    T(test_a_wrong_partner_is_refused),
	    T(test_only_positions_of_our_history_are_believed),
	    T(test_the_first_message_names_the_position),
	    T(test_an_acknowledgement_of_what_was_not_sent_ends_it),
	    T(test_substates_say_what_it_waits_for),
	    T(test_a_new_connection_shows_the_position),
	    T(test_a_gap_in_the_stream_ends_it),
	    T(test_a_message_beyond_maxmsgl_ends_it),
	    T(test_frames_out_of_place_end_it),
	    T(test_the_partners_error_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

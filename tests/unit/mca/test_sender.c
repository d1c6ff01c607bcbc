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

#include "base/crc32c.h"
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
    .use_dead_queue = true,
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
		uint64_t bound_acked;
	} cases[] = {
	    {0, 0, 0, 0, false, true, "", 0},
	    {0, UINT64_MAX, 0, 0, false, true, "", 0},
	    {5, 20, 5, 1, false, true, "", 0},
	    {5, 20, 20, 1, false, true, "", 0},
	    {5, 120, 110, 2, false, true, "", 0},
	    {5, UINT64_MAX, 99, 1, false, true, "", 0},
	    {5, 20, 0, 0, false, false, "restored or replaced", 0},
	    {5, 20, 4, 1, false, false, "its store was restored", 0},
	    {5, 20, 21, 1, false, false, "beyond what was handed out", 0},
	    {5, 200, 110, 1, false, false, "not in this stream's history", 0},
	    {5, 200, 50, 2, false, false, "not in this stream's history", 0},
	    {5, 200, 110, 3, false, false, "not in this stream's history", 0},
	    {5, 20, 0, 0, true, true, "", 0},
	    {5, 20, 3, 1, true, true, "", 0},
	    {5, 20, 9, 1, true, true, "", 0}, /* after RESOLVE ... BACKOUT */
	    {5, 20, 3, 7, true, false, "not in this stream's history", 0},
	    {5, 20, 21, 1, true, false, "beyond what was handed out", 0},
	    /* bound by a connection that was cut */
	    {5, 20, 0, 0, false, true, "", 5},
	    {5, 20, 3, 1, false, true, "", 5},
	    {5, 20, 9, 1, false, true, "", 5},
	    {5, 20, 21, 1, false, false, "beyond what was handed out", 5},
	    /* since then it has acknowledged 6 */
	    {6, 20, 6, 1, false, true, "", 5},
	    {6, 20, 0, 0, false, false, "restored or replaced", 5},
	    {6, 20, 5, 1, false, false, "its store was restored", 5},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		sender_fini(&f->s);
		f->source.acked = cases[i].acked;
		f->source.handed = cases[i].handed;
		f->source.bound_acked = cases[i].bound_acked;
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

/* ---- what is too long for the channel ---- */

/* 1 and 3 fit, 2 does not. */
static struct model_msg *
three(struct fixture *f)
{
	model_source_add(&f->source, 1, "Q", 10);
	model_source_add(&f->source, 2, "Q", 501);
	model_source_add(&f->source, 3, "Q", 10);
	run(f);
	return &f->source.msgs[1];
}

static void
acknowledge(struct fixture *f)
{
	mqchan_encode_ack(&f->in, &(struct mqchan_ack){.number = f->s.sent});
	say(f);
}

static void
give_and_answer(struct fixture *f)
{
	for (unsigned i = 0; i < 6; i++) {
		(void)model_source_run(&f->source, &f->s, 10);
		if (channel_state(&f->s.c) != CHANNEL_ENDED &&
		    f->s.acked < f->s.sent)
			acknowledge(f);
		sender_pump(&f->s);
		model_source_answer(&f->source, &f->s);
	}
}

/* Exactly these numbers were sent, each naming the one before. */
static void
assert_sent(struct fixture *f, const uint64_t *numbers, unsigned n)
{
	struct mqframe fr = {0};
	uint64_t previous = 0;
	size_t at = 0, used;

	while (mqframe_parse(f->s.c.out.data + at, f->s.c.out.len - at, &fr,
		   &used) == MQFRAME_OK) {
		struct mqchan_msg m;

		at += used;
		if (fr.type != MQCHAN_MSG)
			continue;
		assert_int_equal(mqchan_decode_msg(&fr, &m), MQI_OK);
		assert_true(n > 0);
		assert_int_equal(m.number, *numbers);
		assert_int_equal(m.previous, previous);
		previous = *numbers++;
		n--;
	}
	assert_int_equal(n, 0);
}

static void
test_a_message_beyond_maxmsgl_is_dead_lettered_and_the_channel_goes_on(
    void **state)
{
	struct fixture *f = *state;
	const struct model_aside *a = f->source.asides;

	(void)three(f);
	give_and_answer(f);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	assert_sent(f, (const uint64_t[]){1, 3}, 2);
	assert_int_equal(f->source.n_asides, 1);
	assert_true(a->dead);
	assert_string_equal(a->queue, "DLQ");
	assert_int_equal(a->body_len, 501 + MQDLH_LEN);
	assert_int_equal(a->header.reason, MQI_E_MSG_TOO_BIG_FOR_CHANNEL);
	assert_string_equal(a->header.queue, "Q");
	assert_string_equal(a->header.qmgr, "QM2");
	assert_int_equal(f->source.n_removed, 1);
	assert_int_equal(f->source.n_logged, 1);
	assert_int_equal(f->source.acked, 3);
}

static void
test_nothing_is_sent_before_the_long_message_is_elsewhere(void **state)
{
	struct fixture *f = *state;

	(void)three(f);
	(void)model_source_run(&f->source, &f->s, 10);
	sender_pump(&f->s);
	/* what is before it goes first */
	assert_false(f->source.in_unit);
	assert_sent(f, (const uint64_t[]){1}, 1);
	acknowledge(f);
	sender_pump(&f->s);
	assert_true(f->source.in_unit);
	assert_int_equal(f->source.n_removed, 0);
	/* a channel that is idle for DISCINT is not one that does this */
	f->s.def.disc_ms = 1000;
	sender_tick(&f->s, 3000);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	/* one that is stopped ends when it is done */
	sender_stop(&f->s);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_STOPPING);
	model_source_answer(&f->source, &f->s);
	sender_tick(&f->s, 3001);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_ENDED);
	assert_int_equal(f->source.n_removed, 1);
}

static void
test_a_long_message_is_reported_and_discarded_if_it_asks_for_it(void **state)
{
	struct fixture *f = *state;
	const struct model_aside *a = f->source.asides;

	three(f)->report = MQI_RO_EXCEPTION_WITH_FULL_DATA;
	model_source_add(&f->source, 4, "Q", 502);
	f->source.msgs[3].report =
	    MQI_RO_EXCEPTION_WITH_DATA | MQI_RO_DISCARD_MSG;
	model_source_add(&f->source, 5, "Q", 503);
	f->source.msgs[4].report = MQI_RO_DISCARD_MSG;
	give_and_answer(f);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	assert_int_equal(f->source.n_removed, 3);
	assert_int_equal(f->source.n_asides, 3);
	assert_true(a[0].dead && !a[0].is_report);
	assert_true(a[1].is_report && !a[1].dead);
	assert_string_equal(a[1].queue, "REPLY");
	assert_int_equal(a[1].body_len, 501);
	assert_true(a[2].is_report && !a[2].dead);
	assert_int_equal(a[2].number, 4);
	assert_int_equal(a[2].body_len, 100);
}

static void
test_a_report_without_a_place_is_dead_lettered_or_lost(void **state)
{
	struct fixture *f = *state;

	three(f)->report = MQI_RO_EXCEPTION;
	strcpy(f->source.msgs[1].queue, "NONE2"); /* replies to NONE */
	give_and_answer(f);
	assert_int_equal(channel_state(&f->s.c), CHANNEL_RUNNING);
	assert_int_equal(f->source.n_asides, 2);
	assert_true(f->source.asides[1].is_report && f->source.asides[1].dead);
	assert_int_equal(f->source.n_removed, 1);
	/* it was to be discarded for a report that nobody takes */
	model_source_add(&f->source, 6, "NONE2", 501);
	f->source.msgs[3].report = MQI_RO_EXCEPTION | MQI_RO_DISCARD_MSG;
	f->source.dead_queue[0] = '\0';
	give_and_answer(f);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "was to be discarded");
	assert_int_equal(f->source.n_removed, 1);
}

static void
test_without_a_dead_letter_queue_a_long_message_ends_the_channel(void **state)
{
	static const char *const queues[] = {"", "NONE", "FULL", "DLQ"};
	struct fixture *f = *state;

	for (unsigned i = 0; i < MQ_ARRAY_LEN(queues); i++) {
		sender_fini(&f->s);
		model_source_init(&f->source);
		strcpy(f->source.dead_queue, queues[i]);
		start(f);
		f->s.def.use_dead_queue = i != 3; /* USEDLQ(NO) */
		(void)three(f);
		give_and_answer(f);
		assert_int_equal(channel_state(&f->s.c), CHANNEL_ENDED);
		assert_sent(f, (const uint64_t[]){1}, 1);
		assert_int_equal(f->source.n_removed, 0);
		assert_int_equal(f->source.n_asides, 0);
		assert_false(f->source.in_unit);
		if (i == 0)
			assert_ended(f, MQI_E_MSG_TOO_BIG_FOR_CHANNEL,
			    "its 501 bytes are more than the channel's MAXMSGL "
			    "of 500");
		else if (i == 3)
			assert_ended(
			    f, MQI_E_MSG_TOO_BIG_FOR_CHANNEL, "USEDLQ is NO");
		else
			assert_ended(f, f->s.c.reason, "dead-letter queue");
	}
}

static void
test_a_cut_leaves_the_long_message_where_it_was_or_elsewhere(void **state)
{
	struct fixture *f = *state;

	(void)three(f);
	(void)model_source_run(&f->source, &f->s, 10);
	acknowledge(f);
	sender_pump(&f->s);
	assert_true(f->source.in_unit);
	sender_fini(&f->s);
	assert_false(f->source.in_unit);
	start(f);
	say_hello(f, &answer);
	say_resume(f, 1, 1);
	mqbuf_reset(&f->s.c.out);
	f->source.commit_result = MQI_E_BACKED_OUT;
	give_and_answer(f);
	assert_ended(f, MQI_E_BACKED_OUT, "cannot be put elsewhere");
	assert_int_equal(f->source.n_removed, 0);
	f->source.commit_result = MQI_OK;
	sender_fini(&f->s);
	start(f);
	say_hello(f, &answer);
	say_resume(f, 1, 1);
	mqbuf_reset(&f->s.c.out);
	give_and_answer(f);
	assert_int_equal(f->source.n_removed, 1);
	/* another sender names the same predecessor */
	sender_fini(&f->s);
	start(f);
	say_hello(f, &answer);
	say_resume(f, 3, 1);
	give_and_answer(f);
	assert_int_equal(f->source.n_asides, 1);
	assert_int_equal(f->s.sent, 3);
}

/* The dead-letter header does not fit in front of it. */
static void
test_the_longest_message_of_all_stays_where_it_is(void **state)
{
	struct fixture *f = *state;
	uint32_t len = MQI_MAX_BODY - MQDLH_LEN + 1;
	uint8_t *body = calloc(1, len);
	struct sender_msg m = {.number = 5, .body_len = len};
	struct mqi_md md;
	struct mqbuf desc;

	mqi_md_init(&md);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	m.desc = desc.data;
	m.desc_len = (uint32_t)desc.len;
	m.body_crc = mqcrc32c(0, body, len);
	run(f);
	sender_message(&f->s, &m);
	sender_piece(&f->s, body, len);
	sender_pump(&f->s);
	assert_ended(
	    f, MQI_E_MSG_TOO_BIG_FOR_CHANNEL, "nor put on a dead-letter queue");
	assert_int_equal(f->source.n_removed, 0);
	mqbuf_fini(&desc);
	free(body);
}

static void
test_a_damaged_long_message_ends_the_channel(void **state)
{
	struct fixture *f = *state;
	struct sender_msg m = {
	    .number = 5, .desc = "d", .desc_len = 1, .body_len = 501};

	run(f);
	sender_message(&f->s, &m);
	assert_ended(f, MQI_E_OBJECT_DAMAGED, "descriptor");
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
	    T(test_a_message_beyond_maxmsgl_is_dead_lettered_and_the_channel_goes_on),
	    T(test_nothing_is_sent_before_the_long_message_is_elsewhere),
	    T(test_a_long_message_is_reported_and_discarded_if_it_asks_for_it),
	    T(test_a_report_without_a_place_is_dead_lettered_or_lost),
	    T(test_without_a_dead_letter_queue_a_long_message_ends_the_channel),
	    T(test_a_cut_leaves_the_long_message_where_it_was_or_elsewhere),
	    T(test_the_longest_message_of_all_stays_where_it_is),
	    T(test_a_damaged_long_message_ends_the_channel),
	    T(test_frames_out_of_place_end_it),
	    T(test_the_partners_error_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

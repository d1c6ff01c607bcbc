/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_receiver.c - mca/receiver*.c with a real sender (model.h): messages
 * that cannot be delivered, and a partner that breaks the rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dlh.h"
#include "tests/unit/mca/model.h"

struct fixture {
	struct model_source source;
	struct model_target target;
	struct sender s;
	struct receiver r;
	uint64_t now_ms;
};

static const struct sender_def sender_def = {
    .def = {.channel = "QM1.TO.QM2",
	.qmgr = "QM1",
	.qmid = {1},
	.heartbeat_ms = 5000,
	.batch_size = 50,
	.max_msg_len = 4194304},
    .identity = "CN=QM2",
};

static void
start(struct fixture *f)
{
	struct sender_stream stream;
	struct receiver_io rio;
	struct sender_io sio;

	model_source_stream(&f->source, &stream);
	model_source_io(&f->source, &sio);
	model_target_io(&f->target, &rio);
	sender_init(&f->s, &sender_def, &stream, &sio, f->now_ms);
	receiver_init(&f->r, &rio, f->now_ms);
}

static void
end(struct fixture *f)
{
	model_target_cut(&f->target, 0);
	receiver_fini(&f->r);
	sender_fini(&f->s);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	model_source_init(&f->source);
	model_target_init(&f->target);
	f->now_ms = 1000;
	start(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	end(f);
	model_target_fini(&f->target);
	free(f);
	return 0;
}

static void
carry(struct fixture *f)
{
	while (f->s.c.out.len > 0 || f->r.c.out.len > 0) {
		size_t n = f->s.c.out.len;

		n = n > CHANNEL_INPUT_MAX ? CHANNEL_INPUT_MAX : n;
		receiver_input(&f->r, f->s.c.out.data, n);
		mqbuf_consume(&f->s.c.out, n);
		sender_input(&f->s, f->r.c.out.data, f->r.c.out.len);
		mqbuf_reset(&f->r.c.out);
	}
}

static void
run(struct fixture *f)
{
	unsigned moved;

	do {
		carry(f);
		moved = model_source_run(&f->source, &f->s, 1000);
		carry(f);
		moved += model_target_run(&f->target, 1, true);
	} while (moved > 0);
	carry(f);
}

static void
tick(struct fixture *f, uint64_t ms)
{
	f->now_ms += ms;
	receiver_tick(&f->r, f->now_ms);
	sender_tick(&f->s, f->now_ms);
	run(f);
}

static void
assert_ended(struct fixture *f, enum mqi_err reason, const char *text)
{
	assert_int_equal(channel_state(&f->r.c), CHANNEL_ENDED);
	assert_int_equal(f->r.c.reason, reason);
	if (strstr(f->r.c.text, text) == NULL)
		fail_msg("'%s' lacks '%s'", f->r.c.text, text);
}

static void
add_many(struct fixture *f, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		model_source_add(&f->source, f->source.n + 1ull, "Q", len);
}

static void
restart_with(struct fixture *f, const struct channel_options *o)
{
	end(f);
	start(f);
	f->s.c.def.options = *o;
}

static void
test_batchint_gathers_messages_into_one_unit(void **state)
{
	struct fixture *f = *state;

	restart_with(f, &(struct channel_options){.batch_interval_ms = 1000});
	add_many(f, 2, 10);
	run(f);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	assert_int_equal(f->target.n, 0);
	tick(f, 500);
	add_many(f, 1, 10);
	run(f);
	assert_int_equal(f->target.n, 0);
	tick(f, 500);
	assert_int_equal(f->target.n, 3);
	assert_int_equal(f->r.c.stats.batches, 1);
	/* a full group (BATCHSZ is 4) does not wait */
	add_many(f, 4, 10);
	run(f);
	assert_int_equal(f->target.n, 7);
}

static void
test_batchlim_splits_what_arrives_into_smaller_units(void **state)
{
	struct fixture *f = *state;

	restart_with(f, &(struct channel_options){
			    .batch_interval_ms = 1000, .batch_limit_kb = 4});
	add_many(f, 4, 3000);
	run(f);
	tick(f, 1000);
	tick(f, 1000);
	assert_int_equal(f->target.n, 4);
	/* two of them are more than 4 KB */
	assert_int_equal(f->r.c.stats.batches, 4);
}

/* Everything once, in order; those for `bad` on the dead-letter queue. */
static void
check_all(const struct fixture *f, const char *bad)
{
	assert_int_equal(f->target.n, f->source.n);
	for (uint32_t i = 0; i < f->source.n; i++) {
		assert_int_equal(
		    f->target.delivered[i].number, f->source.msgs[i].number);
		assert_int_equal(f->target.dead[i],
		    strcmp(f->source.msgs[i].queue, bad) == 0);
		if (f->target.dead[i])
			assert_string_equal(
			    f->target.delivered[i].queue, "DLQ");
	}
	assert_int_equal(f->source.acked, f->target.position);
}

static void
add_around(struct fixture *f, const char *queue)
{
	for (uint64_t n = 1; n <= 40; n++)
		model_source_add(
		    &f->source, n, n == 17 || n == 18 ? queue : "Q", 10);
}

static void
test_an_unknown_queue_goes_to_the_dead_letter_queue(void **state)
{
	struct fixture *f = *state;

	add_around(f, "NONE"); /* fails when it is opened */
	run(f);
	check_all(f, "NONE");
	assert_int_equal(f->target.n_logged, 2);
}

static void
test_a_put_that_fails_late_goes_to_the_dead_letter_queue(void **state)
{
	struct fixture *f = *state;

	add_around(f, "LATE"); /* fails when it is executed */
	run(f);
	check_all(f, "LATE");
}

static void
test_a_full_queue_pauses_and_is_tried_again(void **state)
{
	struct fixture *f = *state;

	add_around(f, "FULL");
	f->target.full = 4; /* both in their unit, alone, and once more */
	run(f);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_PAUSED);
	assert_int_equal(receiver_substate(&f->r), CHANNEL_AT_MQPUT);
	assert_int_equal(f->target.n, 16); /* the prefix is there */
	assert_int_equal(f->target.n_units, 0);
	assert_int_equal(f->source.acked, 16);
	tick(f, 999);
	assert_int_equal(f->target.n, 16);
	tick(f, 1);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_PAUSED);
	tick(f, 1000);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	check_all(f, "");
	assert_int_equal(f->target.n_logged, 1);
}

static void
test_a_queue_that_stays_full_dead_letters(void **state)
{
	struct fixture *f = *state;

	add_around(f, "FULL");
	f->target.full = 1000;
	run(f);
	for (unsigned i = 0; i < 10; i++)
		tick(f, 1000);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	check_all(f, "FULL");
}

static void
test_without_a_dead_letter_queue_the_channel_ends(void **state)
{
	struct fixture *f = *state;

	add_around(f, "NONE");
	f->target.dead_queue[0] = '\0';
	run(f);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "DEADQ is blank");
	assert_int_equal(f->target.n, 16);
	assert_int_equal(f->source.acked, 16);
	end(f);
	/* the message is still at the sender */
	strcpy(f->target.dead_queue, "DLQ");
	start(f);
	run(f);
	check_all(f, "NONE");
}

static void
test_usedlq_no_ends_the_channel(void **state)
{
	struct fixture *f = *state;

	add_around(f, "NONE");
	f->target.def.use_dead_queue = false;
	run(f);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "USEDLQ is NO");
}

static void
test_a_dead_letter_queue_that_fails_ends_the_channel(void **state)
{
	struct fixture *f = *state;

	add_around(f, "NONE");
	strcpy(f->target.dead_queue, "LATE");
	run(f);
	assert_ended(f, MQI_E_MSG_TOO_BIG_FOR_Q, "dead-letter queue LATE");
	assert_int_equal(f->target.n, 16);
}

/* NPMSPEED(FAST) at one end, or both; messages 17 and 18 have no place. */
static void
run_fast(struct fixture *f, bool sender, bool receiver, bool persistent)
{
	restart_with(f, &(struct channel_options){.npm_fast = sender});
	f->target.def.def.options.npm_fast = receiver;
	add_around(f, "NONE");
	for (unsigned i = 0; i < f->source.n; i++)
		f->source.msgs[i].passing = !persistent;
	run(f);
}

static void
test_npmspeed_fast_drops_what_has_no_place(void **state)
{
	struct fixture *f = *state;

	f->target.dead_queue[0] = '\0';
	run_fast(f, true, true, false);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	assert_int_equal(f->target.n, 38);
	assert_int_equal(f->source.acked, 40);
	assert_int_equal(f->target.n_logged, 2);
}

static void
test_npmspeed_fast_drops_what_the_dead_letter_queue_refuses(void **state)
{
	struct fixture *f = *state;

	strcpy(f->target.dead_queue, "LATE");
	run_fast(f, true, true, false);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	assert_int_equal(f->target.n, 38);
	assert_int_equal(f->source.acked, 40);
}

static void
test_npmspeed_normal_at_one_end_keeps_all(void **state)
{
	struct fixture *f = *state;

	f->target.dead_queue[0] = '\0';
	run_fast(f, true, false, false);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "DEADQ is blank");
	end(f);
	start(f);
	f->s.c.def.options.npm_fast = 0;
	f->target.def.def.options.npm_fast = 1;
	run(f);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "DEADQ is blank");
	assert_int_equal(f->source.acked, 16);
}

static void
test_npmspeed_fast_drops_nothing_that_persists(void **state)
{
	struct fixture *f = *state;

	f->target.dead_queue[0] = '\0';
	run_fast(f, true, true, true);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "DEADQ is blank");
	assert_int_equal(f->source.acked, 16);
}

/* ---- reports ---- */

/* One message that asks for what `report` says, between others. */
static void
add_one(struct fixture *f, const char *queue, uint32_t report, uint32_t len)
{
	for (uint64_t n = 1; n <= 9; n++)
		model_source_add(
		    &f->source, n, n == 5 ? queue : "Q", n == 5 ? len : 10);
	f->source.msgs[4].report = report;
}

static void
assert_delivered_but_5(const struct fixture *f)
{
	assert_int_equal(f->target.n, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(
		    f->target.delivered[i].number, i < 4 ? i + 1 : i + 2);
	assert_int_equal(f->source.acked, 9);
}

static void
test_a_message_that_asks_to_be_discarded_is_reported(void **state)
{
	struct fixture *f = *state;
	const struct model_report *rep = &f->target.reports[0];

	add_one(f, "NONE", MQI_RO_EXCEPTION_WITH_FULL_DATA | MQI_RO_DISCARD_MSG,
	    200);
	run(f);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 1);
	assert_false(rep->dead);
	assert_string_equal(rep->to.queue, "REPLY");
	assert_string_equal(rep->to.qmgr, "QM1");
	assert_int_equal(rep->md.msg_type, MQI_MT_REPORT);
	assert_int_equal(rep->md.feedback, MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(rep->md.correl_id[0], 5);
	assert_int_equal(rep->md.report, MQI_RO_NONE);
	assert_int_equal(rep->body_len, 200);
}

static void
test_a_dead_letter_is_reported_too(void **state)
{
	struct fixture *f = *state;

	add_one(f, "LATE", MQI_RO_EXCEPTION_WITH_DATA, 200);
	run(f);
	check_all(f, "LATE");
	assert_int_equal(f->target.n_reports, 1);
	assert_int_equal(f->target.reports[0].body_len, 100);
	assert_int_equal(
	    f->target.reports[0].md.feedback, MQI_E_MSG_TOO_BIG_FOR_Q);
}

static void
test_discard_alone_reports_nothing(void **state)
{
	struct fixture *f = *state;

	add_one(f, "NONE", MQI_RO_DISCARD_MSG, 10);
	run(f);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 0);
}

static void
test_other_reports_are_not_exceptions(void **state)
{
	struct fixture *f = *state;

	add_one(f, "NONE", MQI_RO_EXPIRATION | MQI_RO_COA, 10);
	run(f);
	check_all(f, "NONE");
	assert_int_equal(f->target.n_reports, 0);
}

static void
test_a_full_queue_is_tried_again_before_it_is_reported(void **state)
{
	struct fixture *f = *state;

	add_one(f, "FULL", MQI_RO_EXCEPTION | MQI_RO_DISCARD_MSG, 10);
	f->target.full = 1000;
	run(f);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_PAUSED);
	assert_int_equal(f->target.n_reports, 0);
	tick(f, 1000);
	tick(f, 1000);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 1);
	assert_int_equal(f->target.reports[0].md.feedback, MQI_E_Q_FULL);
}

static void
test_a_report_that_cannot_be_put_is_dead_lettered(void **state)
{
	struct fixture *f = *state;

	/* its reply-to queue is not known either */
	add_one(f, "NONE2",
	    MQI_RO_EXCEPTION_WITH_FULL_DATA | MQI_RO_DISCARD_MSG, 10);
	run(f);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 1);
	assert_true(f->target.reports[0].dead);
	assert_string_equal(f->target.reports[0].to.queue, "DLQ");
	assert_string_equal(f->target.reports[0].md.format, "MQDEAD");
}

static void
test_nothing_is_discarded_if_its_report_has_no_place(void **state)
{
	struct fixture *f = *state;

	add_one(f, "NONE2", MQI_RO_EXCEPTION | MQI_RO_DISCARD_MSG, 10);
	f->target.dead_queue[0] = '\0';
	run(f);
	assert_ended(f, MQI_E_UNKNOWN_OBJECT, "was to be discarded");
	assert_int_equal(f->source.acked, 4);
}

static void
test_an_expired_message_is_dropped_and_reported(void **state)
{
	struct fixture *f = *state;

	add_one(f, "Q", MQI_RO_EXPIRATION | MQI_RO_EXCEPTION, 10);
	f->source.msgs[4].expiry = 1;
	f->source.msgs[4].late = true;
	run(f);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 1);
	assert_int_equal(f->target.reports[0].md.feedback, MQI_FB_EXPIRATION);
}

static void
test_a_message_that_expires_while_it_waits_is_dropped(void **state)
{
	struct fixture *f = *state;

	add_one(f, "FULL", MQI_RO_EXPIRATION, 10);
	f->source.msgs[4].expiry = 15; /* 1.5 s */
	f->target.full = 1000;
	run(f);
	tick(f, 1000); /* the second try fails too */
	assert_int_equal(channel_state(&f->r.c), CHANNEL_PAUSED);
	assert_int_equal(f->target.n_reports, 0);
	tick(f, 1000);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 1);
}

static void
test_the_report_of_an_expired_message_may_be_lost(void **state)
{
	struct fixture *f = *state;

	add_one(f, "NONE2", MQI_RO_EXPIRATION, 10);
	f->source.msgs[4].late = true;
	f->source.msgs[4].expiry = 1;
	f->target.dead_queue[0] = '\0';
	run(f);
	assert_delivered_but_5(f);
	assert_int_equal(f->target.n_reports, 0);
}

static void
test_a_message_that_has_not_expired_is_put(void **state)
{
	struct fixture *f = *state;

	add_one(f, "Q", MQI_RO_EXPIRATION, 10);
	f->source.msgs[4].expiry = 1;
	run(f);
	check_all(f, "");
	assert_int_equal(f->target.n_reports, 0);
}

static void
test_a_refused_hello_tells_the_partner(void **state)
{
	struct fixture *f = *state;

	f->target.hello_result = MQI_E_NOT_AUTHORIZED;
	run(f);
	assert_ended(f, MQI_E_NOT_AUTHORIZED, "refused by the model");
	assert_int_equal(f->s.c.reason, MQI_E_NOT_AUTHORIZED);
	assert_non_null(strstr(f->s.c.text, "refused by the model"));
}

static void
test_a_refused_position_ends_both(void **state)
{
	struct fixture *f = *state;

	f->target.open_result = MQI_E_NOT_CURRENT;
	run(f);
	assert_ended(f, MQI_E_NOT_CURRENT, "cannot open the position");
}

static void
test_a_position_outside_the_history_ends_both(void **state)
{
	struct fixture *f = *state;

	f->target.position = 7;
	f->target.incarnation[0] = 99;
	run(f);
	assert_ended(f, MQI_E_NOT_CURRENT, "not in the stream's history");
	assert_int_equal(f->s.c.reason, MQI_E_NOT_CURRENT);
}

static void
test_a_pausing_receiver_can_be_stopped(void **state)
{
	struct fixture *f = *state;

	add_around(f, "FULL");
	f->target.full = 1000;
	run(f);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_PAUSED);
	receiver_stop(&f->r);
	run(f);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_ENDED);
	assert_int_equal(f->r.c.reason, MQI_OK);
	assert_int_equal(f->target.n, 16);
}

/* ---- frames by hand ---- */

static void
feed(struct fixture *f, struct mqbuf *b)
{
	receiver_input(&f->r, b->data, b->len);
	mqbuf_reset(b);
}

static void
encode_small(struct mqbuf *b, uint64_t number, uint64_t previous,
    const struct mqchan_msg *like)
{
	struct mqchan_msg m = *like;

	m.number = number;
	m.previous = previous;
	mqchan_encode_msg(b, &m);
}

/* A message as the real sender makes it, to be sent again by hand. */
static struct mqchan_msg
sample(struct fixture *f, struct mqbuf *keep)
{
	struct mqchan_msg m;
	struct mqframe fr;
	size_t used;

	model_source_add(&f->source, 1, "Q", 8);
	run(f);
	f->source.next = 0;
	f->source.acked = f->source.given = f->s.sent = f->s.acked = 0;
	(void)model_source_run(&f->source, &f->s, 1);
	mqbuf_put(keep, f->s.c.out.data, f->s.c.out.len);
	mqbuf_reset(&f->s.c.out);
	assert_int_equal(
	    mqframe_parse(keep->data, keep->len, &fr, &used), MQFRAME_OK);
	assert_int_equal(mqchan_decode_msg(&fr, &m), MQI_OK);
	return m;
}

static void
test_a_duplicate_is_skipped_and_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct mqbuf keep, b;
	struct mqchan_msg m;
	struct mqchan_ack a;
	struct mqframe fr;
	size_t used;

	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 4096);
	m = sample(f, &keep);
	mqbuf_reset(&f->r.c.out);
	encode_small(&b, 1, 0, &m);
	feed(f, &b);
	assert_int_equal(f->target.n, 1);
	assert_int_equal(
	    mqframe_parse(f->r.c.out.data, f->r.c.out.len, &fr, &used),
	    MQFRAME_OK);
	assert_int_equal(mqchan_decode_ack(&fr, &a), MQI_OK);
	assert_int_equal(a.number, 1);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
}

static void
test_a_missing_predecessor_ends_it_with_both_numbers(void **state)
{
	struct fixture *f = *state;
	struct mqbuf keep, b;
	struct mqchan_msg m;

	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 4096);
	m = sample(f, &keep);
	encode_small(&b, 9, 5, &m);
	feed(f, &b);
	assert_ended(
	    f, MQI_E_PROTOCOL, "follows 5, but the last one here is 1");
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
}

static void
test_a_damaged_body_ends_it(void **state)
{
	struct fixture *f = *state;
	struct mqbuf keep, b;
	struct mqchan_msg m;

	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 4096);
	m = sample(f, &keep);
	m.body_crc ^= 1;
	encode_small(&b, 2, 1, &m);
	feed(f, &b);
	assert_ended(f, MQI_E_PROTOCOL, "CRC");
	assert_int_equal(f->target.n, 1);
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
}

static void
test_pieces_out_of_place_end_it(void **state)
{
	struct fixture *f = *state;
	struct mqbuf keep, b;
	struct mqchan_msg m;

	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 262144);
	m = sample(f, &keep);
	m.body_len = MQFRAME_PIECE + 10;
	m.body = NULL;
	encode_small(&b, 2, 1, &m);
	feed(f, &b);
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	/* not full, although not the last */
	mqchan_encode_piece(&b, &(struct mqchan_piece){.data = "x", .len = 1});
	feed(f, &b);
	assert_ended(f, MQI_E_PROTOCOL, "PIECE");
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
}

static void
test_too_long_a_message_ends_it(void **state)
{
	struct fixture *f = *state;
	struct mqbuf keep, b;
	struct mqchan_msg m;

	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 4096);
	m = sample(f, &keep);
	m.body_len = 4194305;
	m.body = NULL;
	encode_small(&b, 2, 1, &m);
	feed(f, &b);
	assert_ended(f, MQI_E_PROTOCOL, "MSG");
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
}

/* Messages without a body and with as much descriptor as there may be. */
static void
test_descriptors_count_as_memory(void **state)
{
	struct fixture *f = *state;
	char *text = calloc(1, 16000);
	struct mqi_prop prop = {.name = "p", .type = MQI_PROP_STRING};
	struct mqdesc_route route = {.queue = "Q", .qmgr = "QM2"};
	struct mqdesc_stamp stamp = {.route = &route};
	struct mqbuf keep, b, plain, desc;
	struct mqchan_msg m;
	struct mqi_md md;
	uint64_t n = 1;

	memset(text, 'x', 16000);
	prop.value.bytes.data = text;
	prop.value.bytes.len = 16000;
	mqi_md_init(&md);
	md.props = &prop;
	md.n_props = 1;
	mqbuf_init(&keep, 4096);
	mqbuf_init(&b, 262144);
	mqbuf_init(&plain, MQDESC_MAX);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &plain), MQI_OK);
	assert_int_equal(
	    mqdesc_stamp(plain.data, plain.len, &stamp, &desc), MQI_OK);
	m = sample(f, &keep);
	m.desc = desc.data;
	m.desc_len = (uint32_t)desc.len;
	m.body_len = 0;
	m.body_crc = 0;
	while (receiver_wants_input(&f->r) && n < RECEIVER_HELD_MSGS) {
		encode_small(&b, n + 1, n, &m);
		feed(f, &b);
		n++;
	}
	assert_int_equal(channel_state(&f->r.c), CHANNEL_RUNNING);
	assert_true(n * 16000 <= RECEIVER_HELD_BYTES + 32000);
	mqbuf_fini(&keep);
	mqbuf_fini(&b);
	mqbuf_fini(&plain);
	mqbuf_fini(&desc);
	free(text);
}

static void
test_a_dead_letter_says_why_and_keeps_the_body(void **state)
{
	struct receiver_msg m = {.body_len = 4, .route = {.queue = "NONE"}};
	struct mqdlh h;
	struct mqi_md md;
	struct mqbuf b;

	(void)state;
	mqi_md_init(&md);
	strcpy(md.format, "MQSTR");
	md.encoding = 273;
	md.ccsid = 819;
	md.persistence = MQI_PERSISTENCE_YES;
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	m.apart = true;
	m.desc = b.data;
	m.desc_len = (uint32_t)b.len;
	m.body = malloc(4);
	memcpy(m.body, "body", 4);
	assert_int_equal(
	    undelivered_make_dead(&m, "QM2", 2085, UINT64_C(1795219200000000)),
	    MQI_OK);
	assert_int_equal(m.body_len, MQDLH_LEN + 4);
	assert_memory_equal(m.body + MQDLH_LEN, "body", 4);
	assert_int_equal(mqdlh_decode(m.body, m.body_len, &h), MQI_OK);
	assert_int_equal(h.reason, 2085);
	assert_string_equal(h.queue, "NONE");
	assert_string_equal(h.qmgr, "QM2");
	assert_string_equal(h.format, "MQSTR");
	assert_int_equal(h.encoding, 273);
	assert_int_equal(h.ccsid, 819);
	assert_string_equal(h.put_date, "20261121");
	memset(&md, 0, sizeof(md));
	assert_int_equal(mqdesc_decode(m.desc, m.desc_len, &md), MQI_OK);
	assert_string_equal(md.format, "MQDEAD");
	assert_int_equal(md.persistence, MQI_PERSISTENCE_YES);
	free(m.desc);
	free(m.body);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_batchint_gathers_messages_into_one_unit),
	    T(test_batchlim_splits_what_arrives_into_smaller_units),
	    T(test_an_unknown_queue_goes_to_the_dead_letter_queue),
	    T(test_a_put_that_fails_late_goes_to_the_dead_letter_queue),
	    T(test_a_full_queue_pauses_and_is_tried_again),
	    T(test_a_queue_that_stays_full_dead_letters),
	    T(test_without_a_dead_letter_queue_the_channel_ends),
	    T(test_usedlq_no_ends_the_channel),
	    T(test_a_dead_letter_queue_that_fails_ends_the_channel),
	    T(test_npmspeed_fast_drops_what_has_no_place),
	    T(test_npmspeed_fast_drops_what_the_dead_letter_queue_refuses),
	    T(test_npmspeed_normal_at_one_end_keeps_all),
	    T(test_npmspeed_fast_drops_nothing_that_persists),
	    T(test_a_message_that_asks_to_be_discarded_is_reported),
	    T(test_a_dead_letter_is_reported_too),
	    T(test_discard_alone_reports_nothing),
	    T(test_other_reports_are_not_exceptions),
	    T(test_a_full_queue_is_tried_again_before_it_is_reported),
	    T(test_a_report_that_cannot_be_put_is_dead_lettered),
	    T(test_nothing_is_discarded_if_its_report_has_no_place),
	    T(test_an_expired_message_is_dropped_and_reported),
	    T(test_a_message_that_expires_while_it_waits_is_dropped),
	    T(test_the_report_of_an_expired_message_may_be_lost),
	    T(test_a_message_that_has_not_expired_is_put),
	    T(test_a_refused_hello_tells_the_partner),
	    T(test_a_refused_position_ends_both),
	    T(test_a_position_outside_the_history_ends_both),
	    T(test_a_pausing_receiver_can_be_stopped),
	    T(test_a_duplicate_is_skipped_and_acknowledged),
	    T(test_a_missing_predecessor_ends_it_with_both_numbers),
	    T(test_a_damaged_body_ends_it),
	    T(test_pieces_out_of_place_end_it),
	    T(test_too_long_a_message_ends_it),
	    T(test_descriptors_count_as_memory),
	    cmocka_unit_test(test_a_dead_letter_says_why_and_keeps_the_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

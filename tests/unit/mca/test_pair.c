/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pair.c - mca/sender.c and mca/receiver.c against each other, with the
 * queue managers of model.h: the link is cut at every byte, both ends start
 * again, and every message must be delivered once, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "tests/unit/mca/model.h"

#define NEVER SIZE_MAX

struct pair {
	struct model_source source;
	struct model_target target;
	struct sender s;
	struct receiver r;
	uint64_t now_ms;
	uint64_t seed;
	size_t carried; /* bytes, both ways, since the last start */
	size_t cut_at;
	bool cut;
	bool requested; /* the receiver dials */
};

static const struct sender_def sender_def = {
    .def = {.channel = "QM1.TO.QM2",
	.qmgr = "QM1",
	.qmid = {1},
	.heartbeat_ms = 5000,
	.batch_size = 50,
	.max_msg_len = 4194304},
    .identity = "CN=QM2",
    .disc_ms = 60000,
};

static void
pair_start(struct pair *p)
{
	struct sender_stream stream;
	struct receiver_io rio;
	struct sender_io sio;

	model_source_stream(&p->source, &stream);
	model_source_io(&p->source, &sio);
	model_target_io(&p->target, &rio);
	if (p->requested) {
		p->source.def = sender_def;
		sender_init_accepted(&p->s, &sio, p->now_ms);
		receiver_init_dialled(&p->r, &p->target.def, &rio, p->now_ms);
	} else {
		sender_init(&p->s, &sender_def, &stream, &sio, p->now_ms);
		receiver_init(&p->r, &rio, p->now_ms);
	}
	p->carried = 0;
	p->cut = false;
}

/* Both processes are gone; of what the receiver had sent to its queue manager,
 * a part is still executed. */
static void
pair_end(struct pair *p)
{
	model_target_cut(&p->target, (unsigned)(mqrand_next(&p->seed) % 8));
	receiver_fini(&p->r);
	sender_fini(&p->s);
	assert_int_equal(p->target.n_units, 0);
}

static void
pair_init(struct pair *p, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	model_source_init(&p->source);
	model_target_init(&p->target);
	p->seed = seed;
	p->now_ms = 1000;
	p->cut_at = NEVER;
}

/* Up to n bytes of what is in out. */
static size_t
allowed(struct pair *p, size_t n)
{
	size_t room = p->cut_at == NEVER ? n : p->cut_at - p->carried;

	if (n > room) {
		n = room;
		p->cut = true;
	}
	if (n > CHANNEL_INPUT_MAX)
		n = CHANNEL_INPUT_MAX;
	p->carried += n;
	return n;
}

/* One round of everything, a little at a time. */
static bool
pair_round(struct pair *p)
{
	unsigned some = 1 + (unsigned)(mqrand_next(&p->seed) % 6);
	bool moved = model_source_run(&p->source, &p->s, some) > 0;
	size_t n;

	if (!p->cut && p->s.c.out.len > 0 && receiver_wants_input(&p->r)) {
		n = allowed(p, p->s.c.out.len);
		receiver_input(&p->r, p->s.c.out.data, n);
		mqbuf_consume(&p->s.c.out, n);
		moved = true;
	}
	some = 1 + (unsigned)(mqrand_next(&p->seed) % 6);
	moved |= model_target_run(&p->target, some, true) > 0;
	if (!p->cut && p->r.c.out.len > 0) {
		n = allowed(p, p->r.c.out.len);
		sender_input(&p->s, p->r.c.out.data, n);
		mqbuf_consume(&p->r.c.out, n);
		moved = true;
	}
	return moved && !p->cut;
}

static void
pair_run(struct pair *p)
{
	while (pair_round(p))
		;
}

static void
pair_tick(struct pair *p, uint64_t ms)
{
	p->now_ms += ms;
	sender_tick(&p->s, p->now_ms);
	receiver_tick(&p->r, p->now_ms);
	pair_run(p);
}

/* Everything, once, in order. */
static void
check_delivered(const struct pair *p)
{
	if (p->target.n != p->source.n)
		fail_msg("%u of %u delivered (%s; %s)", p->target.n,
		    p->source.n, p->s.c.text, p->r.c.text);
	for (uint32_t i = 0; i < p->source.n; i++) {
		assert_int_equal(
		    p->target.delivered[i].number, p->source.msgs[i].number);
		assert_int_equal(p->target.delivered[i].body_len,
		    p->source.msgs[i].body_len);
	}
}

static void
add_small(struct pair *p, uint64_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		model_source_add(
		    &p->source, first + 2ull * i, "Q", i * 13 % 200);
}

static void
test_messages_arrive_once_in_order(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	add_small(&p, 1, 200);
	pair_start(&p);
	pair_run(&p);
	check_delivered(&p);
	assert_int_equal(p.source.acked, p.target.position);
	assert_int_equal(p.source.bound[0], 2);
	assert_string_equal(p.source.identity, "CN=QM2");
	assert_string_equal(channel_state_name(&p.s.c), "RUNNING");
	assert_int_equal(p.s.c.def.batch_size, 4);
	assert_true(p.target.most_units > 1); /* pipelined */
	pair_end(&p);
	model_target_fini(&p.target);
}

/* As pair_run(), with what the sender says in PACKED frames. */
static void
run_packed(struct pair *p)
{
	size_t n;

	do {
		n = model_source_run(&p->source, &p->s, 7);
		channel_pack(&p->s.c);
		n += p->s.c.out.len;
		for (size_t at = 0; at < p->s.c.out.len; at += 1000)
			receiver_input(&p->r, p->s.c.out.data + at,
			    p->s.c.out.len - at < 1000 ? p->s.c.out.len - at
						       : 1000);
		mqbuf_reset(&p->s.c.out);
		n += model_target_run(&p->target, 100, true);
		n += p->r.c.out.len;
		sender_input(&p->s, p->r.c.out.data, p->r.c.out.len);
		mqbuf_reset(&p->r.c.out);
	} while (n > 0);
}

static void
test_compressed_messages_arrive(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	p.target.def.def.options.compmsg = 0xffff000301; /* ZLIBFAST, LZ4FAST */
	p.requested = true;
	add_small(&p, 1, 200);
	model_source_add(&p.source, 1001, "Q", 3 * MQFRAME_PIECE);
	pair_start(&p);
	p.source.def.def.options.compmsg = 0xffffff03; /* LZ4FAST */
	run_packed(&p);
	check_delivered(&p);
	assert_non_null(p.r.c.pack);
	assert_int_equal(pack_how(p.r.c.pack), MQCOMPRESS_LZ4FAST);
	assert_true(p.s.c.stats.packed_bytes < p.s.c.stats.raw_bytes);
	assert_true(p.r.c.stats.raw_bytes > 0);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_large_bodies_arrive(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 2);
	model_source_add(&p.source, 1, "Q", MQFRAME_PIECE);
	model_source_add(&p.source, 2, "Q", 0);
	model_source_add(&p.source, 3, "Q", 3 * MQFRAME_PIECE);
	model_source_add(&p.source, 4, "Q", 3000000);
	model_source_add(&p.source, 5, "Q", 1);
	pair_start(&p);
	pair_run(&p);
	check_delivered(&p);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_a_requester_gets_what_the_server_has(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	p.requested = true;
	add_small(&p, 1, 200);
	pair_start(&p);
	/* HELLOs and OPTIONS: nothing but messages is waited for */
	sender_input(&p.s, p.r.c.out.data, p.r.c.out.len);
	mqbuf_reset(&p.r.c.out);
	receiver_input(&p.r, p.s.c.out.data, p.s.c.out.len);
	mqbuf_reset(&p.s.c.out);
	assert_string_equal(channel_state_name(&p.r.c), "REQUESTING");
	assert_string_equal(channel_state_name(&p.s.c), "BINDING");
	pair_run(&p);
	check_delivered(&p);
	assert_int_equal(p.source.acked, p.target.position);
	assert_string_equal(channel_state_name(&p.r.c), "RUNNING");
	assert_int_equal(p.s.c.def.batch_size, 4);
	assert_int_equal(p.r.c.def.batch_size, 4);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_a_sender_that_is_asked_calls_back(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	p.requested = true;
	add_small(&p, 1, 3);
	pair_start(&p);
	p.source.def.calls_back = true;
	pair_run(&p);
	assert_int_equal(channel_state(&p.s.c), CHANNEL_ENDED);
	assert_true(p.s.called_back);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	assert_int_equal(p.r.c.reason, MQI_E_CALLS_BACK);
	assert_int_equal(p.target.n, 0);
	/* it has shown nothing of its stream */
	assert_int_equal(p.source.bound[0], 0);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_a_refused_requester_hears_why(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	p.requested = true;
	p.source.hello_result = MQI_E_NOT_AUTHORIZED;
	pair_start(&p);
	pair_run(&p);
	assert_int_equal(p.r.c.reason, MQI_E_NOT_AUTHORIZED);
	assert_non_null(strstr(p.r.c.text, "not here"));
	pair_end(&p);
	model_target_fini(&p.target);
}

/* Cuts after `at` bytes, then again at random places, then not. */
static size_t
cut_once(uint64_t seed, size_t at, bool requested, void (*fill)(struct pair *p))
{
	struct pair p;
	size_t total;

	pair_init(&p, seed);
	p.requested = requested;
	fill(&p);
	for (unsigned i = 0; i < 3; i++) {
		p.cut_at = i == 0 ? at : mqrand_next(&p.seed) % (at + 1);
		pair_start(&p);
		pair_run(&p);
		pair_end(&p);
	}
	p.cut_at = NEVER;
	pair_start(&p);
	pair_run(&p);
	check_delivered(&p);
	total = p.carried;
	pair_end(&p);
	model_target_fini(&p.target);
	return total;
}

static void
fill_small(struct pair *p)
{
	add_small(p, 1, 12);
}

static void
fill_mixed(struct pair *p)
{
	add_small(p, 1, 3);
	model_source_add(&p->source, 100, "Q", 70000);
	model_source_add(&p->source, 200, "NONE", 10);
	add_small(p, 300, 3);
}

static uint64_t
env_seed(uint64_t def)
{
	const char *env = getenv("MQ_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : def;

	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void
cut_at_bytes(bool requested, size_t step)
{
	uint64_t seed = env_seed(1);
	size_t total = cut_once(seed, 0, requested, fill_small);

	assert_true(total > 1500);
	for (size_t at = 0; at <= total; at += step)
		(void)cut_once(seed + at, at, requested, fill_small);
}

static void
test_a_cut_at_every_byte_loses_and_doubles_nothing(void **state)
{
	(void)state;
	cut_at_bytes(false, 1);
}

static void
test_a_cut_of_a_requester_loses_and_doubles_nothing(void **state)
{
	(void)state;
	cut_at_bytes(true, 7);
}

static void
test_a_cut_in_a_large_body_loses_and_doubles_nothing(void **state)
{
	uint64_t seed = env_seed(2);
	size_t total = cut_once(seed, 0, false, fill_mixed);

	(void)state;
	for (size_t at = 0; at <= total; at += 211)
		(void)cut_once(seed + at, at, (at & 1) != 0, fill_mixed);
}

static void
test_a_second_receiver_fences_the_first(void **state)
{
	struct receiver_io rio;
	struct receiver old;
	struct pair p;

	(void)state;
	pair_init(&p, 3);
	add_small(&p, 1, 20);
	pair_start(&p);
	while (p.target.n < 4) /* some durable, more under way */
		(void)pair_round(&p);
	(void)model_source_run(&p.source, &p.s, 20);
	receiver_input(&p.r, p.s.c.out.data, p.s.c.out.len);
	mqbuf_reset(&p.s.c.out);
	assert_true(p.r.n_units > 0);
	/* the sender reconnects; the old receiver does not know yet */
	old = p.r;
	TAILQ_INIT(&old.units);
	TAILQ_CONCAT(&old.units, &p.r.units, link);
	TAILQ_INIT(&old.arrived);
	TAILQ_CONCAT(&old.arrived, &p.r.arrived, link);
	for (struct receiver_unit *u = TAILQ_FIRST(&old.units); u != NULL;
	     u = TAILQ_NEXT(u, link))
		u->receiver = &old;
	sender_fini(&p.s);
	model_target_io(&p.target, &rio);
	pair_start(&p);
	{
		/* as far as STREAM only, so that it opens the position */
		receiver_input(&p.r, p.s.c.out.data, p.s.c.out.len);
		mqbuf_reset(&p.s.c.out);
		sender_input(&p.s, p.r.c.out.data, p.r.c.out.len);
		mqbuf_reset(&p.r.c.out);
		receiver_input(&p.r, p.s.c.out.data, p.s.c.out.len);
		mqbuf_reset(&p.s.c.out);
	}
	/* what the old one had sent is executed now: its commits fail */
	while (model_target_run(&p.target, 1, true) > 0 &&
	       channel_state(&old.c) != CHANNEL_ENDED)
		;
	assert_int_equal(channel_state(&old.c), CHANNEL_ENDED);
	assert_int_equal(old.c.reason, MQI_E_FENCED);
	model_target_cut(&p.target, 0);
	receiver_fini(&old);
	pair_run(&p);
	check_delivered(&p);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_heartbeats_keep_an_idle_channel_and_silence_ends_it(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 4);
	add_small(&p, 1, 1);
	pair_start(&p);
	pair_run(&p);
	for (unsigned i = 0; i < 8; i++)
		pair_tick(&p, 5000);
	assert_int_equal(channel_state(&p.s.c), CHANNEL_RUNNING);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_RUNNING);
	/* from now on nothing is carried */
	for (unsigned i = 0; i < 3; i++) {
		p.now_ms += 5000;
		sender_tick(&p.s, p.now_ms);
		receiver_tick(&p.r, p.now_ms);
	}
	assert_int_equal(channel_state(&p.s.c), CHANNEL_ENDED);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	assert_int_equal(p.s.c.reason, MQI_E_CONNECTION_BROKEN);
	assert_int_equal(p.r.c.reason, MQI_E_CONNECTION_BROKEN);
	pair_end(&p);
	model_target_fini(&p.target);
}

/* Everything that the receiver says. */
static void
to_sender(struct pair *p)
{
	sender_input(&p->s, p->r.c.out.data, p->r.c.out.len);
	mqbuf_reset(&p->r.c.out);
}

static void
to_receiver(struct pair *p)
{
	receiver_input(&p->r, p->s.c.out.data, p->s.c.out.len);
	mqbuf_reset(&p->s.c.out);
}

static void
test_a_receivers_substates_say_what_it_waits_for(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 5);
	add_small(&p, 1, 1);
	pair_start(&p);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_RECEIVE);
	to_receiver(&p); /* HELLO */
	to_sender(&p);
	p.s.c.out.len -= MQFRAME_HEADER; /* STREAM not whole yet */
	receiver_input(&p.r, p.s.c.out.data, p.s.c.out.len);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_RESYNCH);
	receiver_input(&p.r, p.s.c.out.data + p.s.c.out.len, MQFRAME_HEADER);
	mqbuf_reset(&p.s.c.out);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_RECEIVE);
	to_sender(&p);
	(void)model_source_run(&p.source, &p.s, 10);
	to_receiver(&p);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_MQPUT);
	assert_int_equal(p.r.n_held, 1);
	assert_int_equal(p.r.c.stats.current_number, 1);
	(void)model_target_run(&p.target, 1, true);
	receiver_pump(&p.r);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_ENDBATCH);
	assert_int_equal(p.r.c.stats.last_number, 0);
	(void)model_target_run(&p.target, 1, true);
	receiver_pump(&p.r);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_RECEIVE);
	assert_int_equal(p.r.c.stats.last_number, 1);
	to_sender(&p);
	p.now_ms += 5000;
	receiver_tick(&p.r, p.now_ms);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_HEARTBEAT);
	to_sender(&p);
	to_receiver(&p);
	assert_int_equal(receiver_substate(&p.r), CHANNEL_AT_RECEIVE);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_an_idle_sender_disconnects_cleanly(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 5);
	add_small(&p, 1, 1);
	pair_start(&p);
	pair_run(&p);
	for (unsigned i = 0; i < 13; i++)
		pair_tick(&p, 5000);
	assert_int_equal(channel_state(&p.s.c), CHANNEL_ENDED);
	assert_int_equal(p.s.c.reason, MQI_OK);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	assert_int_equal(p.r.c.reason, MQI_OK);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_stop_ends_both_with_nothing_under_way(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 6);
	add_small(&p, 1, 40);
	pair_start(&p);
	while (p.target.n < 4)
		(void)pair_round(&p);
	sender_stop(&p.s);
	pair_run(&p);
	assert_int_equal(channel_state(&p.s.c), CHANNEL_ENDED);
	assert_int_equal(p.s.c.reason, MQI_OK);
	assert_int_equal(p.source.acked, p.target.position);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	pair_end(&p);
	/* the rest comes with the next start */
	pair_start(&p);
	pair_run(&p);
	check_delivered(&p);
	receiver_stop(&p.r);
	pair_run(&p);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	assert_int_equal(p.r.c.reason, MQI_OK);
	assert_int_equal(p.s.c.reason, MQI_E_CHANNEL_NOT_AVAILABLE);
	pair_end(&p);
	model_target_fini(&p.target);
}

static void
test_a_slow_start_ends(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, 7);
	pair_start(&p);
	p.now_ms += CHANNEL_HELLO_MS;
	sender_tick(&p.s, p.now_ms);
	receiver_tick(&p.r, p.now_ms);
	assert_int_equal(channel_state(&p.s.c), CHANNEL_ENDED);
	assert_int_equal(channel_state(&p.r.c), CHANNEL_ENDED);
	pair_end(&p);
	model_target_fini(&p.target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages_arrive_once_in_order),
	    cmocka_unit_test(test_compressed_messages_arrive),
	    cmocka_unit_test(test_large_bodies_arrive),
	    cmocka_unit_test(test_a_requester_gets_what_the_server_has),
	    cmocka_unit_test(test_a_sender_that_is_asked_calls_back),
	    cmocka_unit_test(test_a_refused_requester_hears_why),
	    cmocka_unit_test(
		test_a_cut_at_every_byte_loses_and_doubles_nothing),
	    cmocka_unit_test(
		test_a_cut_of_a_requester_loses_and_doubles_nothing),
	    cmocka_unit_test(
		test_a_cut_in_a_large_body_loses_and_doubles_nothing),
	    cmocka_unit_test(test_a_second_receiver_fences_the_first),
	    cmocka_unit_test(
		test_heartbeats_keep_an_idle_channel_and_silence_ends_it),
	    cmocka_unit_test(test_a_receivers_substates_say_what_it_waits_for),
	    cmocka_unit_test(test_an_idle_sender_disconnects_cleanly),
	    cmocka_unit_test(test_stop_ends_both_with_nothing_under_way),
	    cmocka_unit_test(test_a_slow_start_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

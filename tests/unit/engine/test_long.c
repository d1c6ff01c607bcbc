/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_long.c - long messages in pieces, truncation, damage, and what bounds
 * memory when a client does not read or the disk is slow.
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

static uint32_t
open_q(unsigned n)
{
	return open_as(n, "Q",
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE |
		MQI_OO_BROWSE);
}

#define LONG 1000000u

static uint8_t long_body[LONG];

static uint32_t
ask_long(unsigned n, uint32_t h, uint32_t unit, int persistence)
{
	struct rig_put p = {.handle = h,
	    .unit = unit,
	    .priority = -1,
	    .persistence = persistence,
	    .body = long_body,
	    .len = LONG};

	for (uint32_t i = 0; i < LONG; i++)
		long_body[i] = (uint8_t)(i * 7 + i / 251);
	return rig_ask_put(&rig, n, &p);
}

static void
put_long(unsigned n, uint32_t h, uint32_t unit)
{
	assert_int_equal(rig_result(&rig, n, ask_long(n, h, unit, 1)), MQI_OK);
}

static struct rig_reply *
get_long(unsigned n, const struct mqlocal_get *get)
{
	uint32_t id = rig_ask_get(&rig, n, get);
	struct rig_reply *k;

	rig_settle(&rig);
	k = rig_reply(&rig, n, id);
	assert_non_null(k);
	return k;
}

static void
assert_long(const struct rig_reply *k)
{
	assert_int_equal(k->r.reason, MQI_OK);
	assert_true(k->whole);
	assert_false(k->r.u.message.inlined);
	assert_int_equal(k->len, LONG);
	assert_memory_equal(k->data, long_body, LONG);
}

static void
test_long_message_comes_in_pieces(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));

	(void)state;
	put_long(0, get.handle, 0);
	assert_int_equal(rig.e->queues->uncommitted_puts, 0);
	assert_long(get_long(0, &get));
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_long_message_survives_a_restart(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));

	(void)state;
	put_long(0, get.handle, 0);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	get.handle = open_q(0);
	assert_long(get_long(0, &get));
}

static void
test_long_message_in_a_unit(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));

	(void)state;
	put_long(0, get.handle, 5);
	assert_int_equal(rig_commit(&rig, 0, 5), MQI_OK);
	get.unit = 6;
	assert_long(get_long(0, &get));
	assert_int_equal(rig_backout(&rig, 0, 6), MQI_OK);
	get.unit = 7;
	assert_long(get_long(0, &get));
	assert_int_equal(rig_commit(&rig, 0, 7), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_long_non_persistent_message_does_not_wait_for_its_batch(void **state)
{
	uint32_t h = open_q(0), id;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	id = ask_long(0, h, 0, MQI_PERSISTENCE_NO);
	assert_non_null(rig_reply(&rig, 0, id));
}

static void
test_long_non_persistent_message_reaches_a_getter_without_delay(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t h = open_q(0), id;

	(void)state;
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 1, &get);
	(void)ask_long(0, h, 0, MQI_PERSISTENCE_NO);
	/* no time passes */
	rig_settle(&rig);
	assert_long(rig_reply(&rig, 1, id));
}

static void
test_long_delivery_waits_while_the_socket_is_full(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	put_long(0, open_q(0), 0);
	rig.sessions[1].hold_sent = true;
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_non_null(k);
	assert_false(k->whole);
	assert_true(k->len <= 8 * MQFRAME_PIECE);
	rig.sessions[1].hold_sent = false;
	rig_settle(&rig);
	assert_long(k);
}

static void
test_long_get_cut_off_returns_to_its_place(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));
	uint32_t h = open_q(0);
	char body[32];

	(void)state;
	put_long(0, h, 0);
	assert_int_equal(rig_put(&rig, 0, h, 0, "second"), MQI_OK);
	rig.sessions[1].hold_sent = true;
	(void)rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	rig_disconnect(&rig, 1);
	rig_advance_ms(&rig, 20);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	get.handle = open_q(0);
	assert_long(get_long(0, &get));
	assert_int_equal(
	    rig_get(&rig, 0, get.handle, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "second");
}

static void
test_put_cut_off_between_pieces_leaves_nothing(void **state)
{
	uint32_t h = open_q(0), other = open_q(1);
	struct rig_put small = RIG_PUT(h, "x");
	struct engine_put req = {.handle = h, .body_len = LONG};
	struct mqi_md md;
	struct mqbuf b;

	(void)state;
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	assert_int_equal(
	    engine_put(rig.e, rig.sessions[0].s, 9000, &req), MQI_OK);
	assert_int_equal(engine_put_piece(rig.e, rig.sessions[0].s, 9000,
			     long_body, MQFRAME_PIECE),
	    MQI_OK);
	/* a wrong length and an unknown put are the client's fault */
	assert_int_equal(
	    engine_put_piece(rig.e, rig.sessions[0].s, 9000, long_body, 5),
	    MQI_E_PROTOCOL);
	assert_int_equal(
	    engine_put_piece(rig.e, rig.sessions[0].s, 9001, long_body, 5),
	    MQI_E_PROTOCOL);
	(void)rig_ask_put(&rig, 0, &small);
	rig_disconnect(&rig, 0);
	rig_advance_ms(&rig, 20);
	assert_int_equal(rig_get(&rig, 1, other, 0, NULL, 0), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 1, other, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
	assert_int_equal(rig.e->queues->uncommitted_puts, 0);
	mqbuf_fini(&b);
}

static void
test_wrong_crc_is_refused(void **state)
{
	uint32_t h = open_q(0);
	struct engine_put req = {
	    .handle = h, .body = "abc", .body_len = 3, .body_crc = 1};
	struct mqi_md md;
	struct mqbuf b;

	(void)state;
	mqi_md_init(&md);
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	assert_int_equal(
	    engine_put(rig.e, rig.sessions[0].s, 9000, &req), MQI_OK);
	assert_int_equal(rig_result(&rig, 0, 9000), MQI_E_PROTOCOL);
	req.body = NULL;
	req.body_len = MQFRAME_PIECE + 3;
	assert_int_equal(
	    engine_put(rig.e, rig.sessions[0].s, 9001, &req), MQI_OK);
	assert_int_equal(engine_put_piece(rig.e, rig.sessions[0].s, 9001,
			     long_body, MQFRAME_PIECE),
	    MQI_OK);
	assert_int_equal(
	    engine_put_piece(rig.e, rig.sessions[0].s, 9001, long_body, 3),
	    MQI_OK);
	assert_int_equal(rig_result(&rig, 0, 9001), MQI_E_PROTOCOL);
	mqbuf_fini(&b);
}

static void
test_truncated_stays_unless_accepted(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	struct rig_reply *k;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, get.handle, 0, "0123456789"), MQI_OK);
	put_long(0, get.handle, 0);
	get.max_len = 4;
	k = get_long(0, &get);
	assert_int_equal(k->r.reason, MQI_E_TRUNCATED);
	assert_int_equal(k->r.u.message.body_len, 10);
	assert_int_equal(k->len, 4);
	assert_memory_equal(k->data, "0123", 4);
	get.options = MQI_GET_ACCEPT_TRUNCATED;
	k = get_long(0, &get);
	assert_int_equal(k->r.reason, MQI_E_TRUNCATED_ACCEPTED);
	assert_memory_equal(k->data, "0123", 4);
	/* the long one: cut to what fits in a frame, and to several pieces */
	get.options = 0;
	k = get_long(0, &get);
	assert_int_equal(k->r.reason, MQI_E_TRUNCATED);
	assert_int_equal(k->r.u.message.body_len, LONG);
	assert_true(k->r.u.message.inlined);
	assert_memory_equal(k->data, long_body, 4);
	get.max_len = 200000;
	k = get_long(0, &get);
	assert_int_equal(k->r.reason, MQI_E_TRUNCATED);
	assert_int_equal(k->len, 200000);
	assert_memory_equal(k->data, long_body, 200000);
	get.options = MQI_GET_ACCEPT_TRUNCATED;
	get.max_len = 0;
	k = get_long(0, &get);
	assert_int_equal(k->r.reason, MQI_E_TRUNCATED_ACCEPTED);
	assert_int_equal(k->len, 0);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_truncated_in_a_unit_is_not_locked(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, get.handle, 0, "0123456789"), MQI_OK);
	get.max_len = 4;
	get.unit = 3;
	assert_int_equal(get_long(0, &get)->r.reason, MQI_E_TRUNCATED);
	assert_int_equal(rig_commit(&rig, 0, 3), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 0, get.handle, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "0123456789");
}

static void
test_accepted_truncation_cut_off_returns_whole(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(1));

	(void)state;
	put_long(0, open_q(0), 0);
	rig.sessions[1].hold_sent = true;
	get.max_len = 10;
	get.options = MQI_GET_ACCEPT_TRUNCATED;
	assert_int_equal(get_long(1, &get)->r.reason, MQI_E_TRUNCATED_ACCEPTED);
	rig_disconnect(&rig, 1);
	rig_advance_ms(&rig, 20);
	get = RIG_GET(open_q(0));
	assert_long(get_long(0, &get));
}

static void
test_session_that_does_not_read_is_given_no_more(void **state)
{
	struct mqlocal_get get;
	uint32_t h = open_q(0);
	uint32_t ids[20];
	unsigned n = 0;
	char text[1000];

	(void)state;
	rig_stop(&rig);
	rig_start(&rig, &(struct engine_config){.out_bytes = 4000});
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	h = open_q(0);
	get = RIG_GET(open_q(1));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rig_put(&rig, 0, h, 0, text), MQI_OK);
	rig.sessions[1].hold_sent = true;
	for (unsigned i = 0; i < 20; i++)
		ids[i] = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	for (unsigned i = 0; i < 20; i++)
		n += rig_reply(&rig, 1, ids[i]) != NULL;
	assert_true(n >= 2 && n <= 5);
	/* others are served */
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	rig.sessions[1].hold_sent = false;
	rig_settle(&rig);
	for (unsigned i = 0; i < 20; i++)
		n += rig_reply(&rig, 1, ids[i]) != NULL;
	assert_int_equal(n, 20);
}

static void
test_engine_accepts_no_more_than_two_batches(void **state)
{
	uint32_t h = open_q(0);
	unsigned n = 0;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	while (engine_accepts(rig.e) && n < 1000) {
		(void)ask_long(0, h, 0, 1);
		rig_turn(&rig);
		n++;
	}
	assert_true(n > 8 && n < 30);
	assert_true(rig.e->queued_bytes < 3 * STORE_BATCH_MAX);
	rig_settle(&rig);
	assert_true(engine_accepts(rig.e));
}

/* Announces a message of 4 MiB and gives its pieces while it may. */
static uint32_t
put_while_accepted(uint32_t h)
{
	struct engine_put req = {.handle = h, .body_len = 4u << 20};
	struct engine_session *s = rig.sessions[0].s;
	struct mqi_md md;
	struct mqbuf b;
	uint32_t given = 0;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	assert_int_equal(engine_put(rig.e, s, 9000, &req), MQI_OK);
	mqbuf_fini(&b);
	while (given < req.body_len && engine_accepts_from(rig.e, s)) {
		assert_int_equal(
		    engine_put_piece(rig.e, s, 9000, long_body, MQFRAME_PIECE),
		    MQI_OK);
		given += MQFRAME_PIECE;
		rig_turn(&rig);
	}
	return given;
}

static void
test_small_put_has_few_pieces_before_it(void **state)
{
	uint32_t h = open_q(0), other = open_q(1), id;
	struct rig_put small = RIG_PUT(other, "x");

	(void)state;
	store_mem_set_automatic(rig.store, false);
	/* one batch flies, one fills */
	assert_true(put_while_accepted(h) <=
		    2 * (ENGINE_EAGER_BYTES + 2 * MQFRAME_PIECE));
	assert_true(engine_accepts_from(rig.e, rig.sessions[1].s));
	id = rig_ask_put(&rig, 1, &small);
	assert_true(
	    rig.e->queued_bytes < 2 * (ENGINE_EAGER_BYTES + 2 * MQFRAME_PIECE));
	rig_settle(&rig);
	assert_int_equal(rig_result(&rig, 1, id), MQI_OK);
	assert_true(engine_accepts_from(rig.e, rig.sessions[0].s));
}

/* Batches that wait when 100 puts of 4 KiB have been made. */
static unsigned
batches_of_puts(uint32_t h)
{
	struct rig_put p = RIG_PUT(h, "");
	const struct batch *b;
	unsigned n = 0;

	p.body = long_body;
	p.len = 4096;
	store_mem_set_automatic(rig.store, false);
	for (unsigned i = 0; i < 100; i++)
		(void)rig_ask_put(&rig, 0, &p);
	TAILQ_FOREACH (b, &rig.e->batches, link) {
		assert_true(b->len > 0);
		n++;
	}
	store_mem_set_automatic(rig.store, true);
	rig_settle(&rig);
	return n;
}

/* One put after another; then one of which that is not said. */
static void
alone_in_a_row(uint32_t h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		rig.alone = true;
		assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_OK);
	}
	rig.alone = false;
}

static void
test_batches_are_small_beside_one_put_at_a_time(void **state)
{
	uint32_t h = open_q(0);
	unsigned n;

	(void)state;
	assert_int_equal(batches_of_puts(h), 1);
	alone_in_a_row(h, ENGINE_ALONE_BATCHES - 1);
	assert_int_equal(batches_of_puts(h), 1);
	alone_in_a_row(h, ENGINE_ALONE_BATCHES);
	n = batches_of_puts(h);
	assert_true(n >= 100 * 4096 / (ENGINE_PART_BYTES + 8192) && n <= 7);
	rig_advance_ms(&rig, ENGINE_PART_US / 1000 + 1);
	assert_int_equal(batches_of_puts(h), 1);
}

static uint64_t
first_body_id(void)
{
	const struct queue *q = queue_by_id(
	    rig.e, engine_object_find(rig.e, MQATTR_QLOCAL, "Q")->id);
	const struct entry *x = queue_oldest(q);

	assert_non_null(x);
	return x->m.body_id;
}

static void
test_damaged_message_is_set_aside_and_others_served(void **state)
{
	struct mqlocal_get get = RIG_GET(open_q(0));
	struct engine_queue_status st;
	char body[32];

	(void)state;
	put_long(0, get.handle, 0);
	assert_int_equal(rig_put(&rig, 0, get.handle, 0, "good"), MQI_OK);
	assert_true(store_mem_damage(rig.store, first_body_id()));
	assert_int_equal(get_long(0, &get)->r.reason, MQI_E_OBJECT_DAMAGED);
	assert_int_equal(
	    rig_get(&rig, 0, get.handle, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "good");
	assert_int_equal(rig_get(&rig, 0, get.handle, 0, body, sizeof(body)),
	    MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(engine_queue_status(rig.e, "Q", &st), MQI_OK);
	assert_true(st.damaged);
	assert_int_equal(st.depth, 1);
}

static void
test_damaged_row_is_told_once(void **state)
{
	uint32_t h = open_q(0);
	uint64_t body_id;
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "bad"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "good"), MQI_OK);
	body_id = first_body_id();
	rig_restart(&rig);
	assert_true(store_mem_damage(rig.store, body_id));
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "good");
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_OBJECT_DAMAGED);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_lost_messages_give_2101_and_not_2033(void **state)
{
	uint32_t h = open_q(0);
	struct engine_queue_status st;
	struct record_key key;
	char body[32];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "lost"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "good"), MQI_OK);
	key = place_key(rig.e->queues,
	    queue_oldest(queue_by_id(rig.e,
			     engine_object_find(rig.e, MQATTR_QLOCAL, "Q")->id))
		->place);
	key.queue_id = engine_object_find(rig.e, MQATTR_QLOCAL, "Q")->id;
	rig_restart(&rig);
	assert_true(store_mem_lose(rig.store, &key));
	rig_connect(&rig, 0);
	h = open_q(0);
	if (queue_by_id(rig.e, key.queue_id)->depth == 1)
		skip(); /* a store that does not count what it lost */
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "good");
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_OBJECT_DAMAGED);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(engine_queue_status(rig.e, "Q", &st), MQI_OK);
	assert_true(st.damaged);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_long_message_comes_in_pieces),
	    T(test_long_message_survives_a_restart),
	    T(test_long_message_in_a_unit),
	    T(test_long_non_persistent_message_does_not_wait_for_its_batch),
	    T(test_long_non_persistent_message_reaches_a_getter_without_delay),
	    T(test_long_delivery_waits_while_the_socket_is_full),
	    T(test_long_get_cut_off_returns_to_its_place),
	    T(test_put_cut_off_between_pieces_leaves_nothing),
	    T(test_wrong_crc_is_refused),
	    T(test_truncated_stays_unless_accepted),
	    T(test_truncated_in_a_unit_is_not_locked),
	    T(test_accepted_truncation_cut_off_returns_whole),
	    T(test_session_that_does_not_read_is_given_no_more),
	    T(test_engine_accepts_no_more_than_two_batches),
	    T(test_small_put_has_few_pieces_before_it),
	    T(test_batches_are_small_beside_one_put_at_a_time),
	    T(test_damaged_message_is_set_aside_and_others_served),
	    T(test_damaged_row_is_told_once),
	    T(test_lost_messages_give_2101_and_not_2033),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

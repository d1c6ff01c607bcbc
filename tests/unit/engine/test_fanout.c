/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fanout.c - one message on many queues: one record, one body, and each
 * place by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/unit/engine/rig.h"

#define QUEUES 3u
#define LONG_LEN 200000u
#define IN_OUT (MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED | MQI_OO_BROWSE)

static struct rig rig;
static char big[LONG_LEN];

static const char *
name_of(unsigned i)
{
	static const char *const names[QUEUES] = {"A", "B", "C"};

	return names[i];
}

static int
setup(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	for (unsigned i = 0; i < QUEUES; i++)
		rig_define(&rig, MQATTR_QLOCAL, name_of(i), NULL);
	rig_connect(&rig, 0);
	rig_settle(&rig);
	memset(big, 'x', sizeof(big));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static struct queue *
queue_of(unsigned i)
{
	return queue_by_id(
	    rig.e, engine_object_find(rig.e, MQATTR_QLOCAL, name_of(i))->id);
}

static void
make(struct msg *m, const void *body, uint32_t len, bool persistent)
{
	struct mqi_md md;
	struct mqdesc_stamp st = {.persistent = persistent, .set_msg_id = true};
	struct mqbuf desc, out;

	mqi_md_init(&md);
	mqbuf_init(&desc, MQDESC_MAX);
	mqbuf_init(&out, MQDESC_MAX);
	stamp_new_msg_id(rig.e, st.msg_id);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	assert_int_equal(mqdesc_stamp(desc.data, desc.len, &st, &out), MQI_OK);
	*m = (struct msg){.persistent = persistent,
	    .body_len = len,
	    .desc_len = (uint32_t)out.len,
	    .body_crc = mqcrc32c(0, body, len)};
	memcpy(m->msg_id, st.msg_id, MQI_ID_LEN);
	m->data = mqref_new(out.len + len);
	memcpy(m->data->data, out.data, out.len);
	memcpy(m->data->data + out.len, body, len);
	m->body_id = engine_next_number(rig.e);
	mqbuf_fini(&desc);
	mqbuf_fini(&out);
}

static void
to_all(struct fanout_to *to)
{
	for (unsigned i = 0; i < QUEUES; i++)
		to[i] = (struct fanout_to){.q = queue_of(i)};
}

static void
put_on_all(const void *body, uint32_t len, bool persistent)
{
	struct fanout_to to[QUEUES];
	struct msg m;

	make(&m, body, len, persistent);
	to_all(to);
	(void)fanout_put(rig.e, to, QUEUES, &m);
	batch_want(rig.e);
	rig_settle(&rig);
}

static uint32_t
open_q(unsigned i)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, 0, name_of(i), IN_OUT, &h), MQI_OK);
	return h;
}

static void
check_got(unsigned i, const char *want, uint32_t len)
{
	uint32_t h = open_q(i);
	struct mqlocal_get get = RIG_GET(h);
	uint32_t id = rig_ask_get(&rig, 0, &get);
	struct rig_reply *k;

	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(k->len, len);
	assert_memory_equal(k->data, want, len);
	rig_settle(&rig);
}

static void
check_empty(unsigned i)
{
	char body[8];

	assert_int_equal(rig_get(&rig, 0, open_q(i), 0, body, sizeof(body)),
	    MQI_E_NO_MSG_AVAILABLE);
}

static void
test_each_queue_has_it_and_the_log_once(void **state)
{
	char body[2000];
	uint64_t before, grown;

	(void)state;
	memset(body, 'b', sizeof(body));
	before = rig.e->unapplied_bytes;
	store_mem_set_automatic(rig.store, false);
	{
		struct fanout_to to[QUEUES];
		struct msg m;

		make(&m, body, sizeof(body), true);
		to_all(to);
		(void)fanout_put(rig.e, to, QUEUES, &m);
	}
	grown = rig.e->queued_bytes;
	assert_true(grown > sizeof(body) && grown < 2 * sizeof(body));
	assert_int_equal(before, rig.e->unapplied_bytes);
	store_mem_set_automatic(rig.store, true);
	batch_want(rig.e);
	rig_settle(&rig);
	for (unsigned i = 0; i < QUEUES; i++)
		check_got(i, body, sizeof(body));
	for (unsigned i = 0; i < QUEUES; i++)
		check_empty(i);
}

static void
test_it_survives_a_crash_place_by_place(void **state)
{
	(void)state;
	put_on_all("one", 3, true);
	check_got(1, "one", 3);
	rig_crash(&rig, 0);
	rig_connect(&rig, 0);
	check_got(0, "one", 3);
	check_empty(1);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	check_empty(0);
	check_got(2, "one", 3);
	check_empty(2);
}

static void
test_long_ones_are_read_and_released_place_by_place(void **state)
{
	(void)state;
	put_on_all(big, sizeof(big), true);
	for (unsigned i = 0; i < QUEUES; i++)
		check_got(i, big, sizeof(big));
	assert_int_equal(HASH_COUNT(rig.e->bodies), 0);
	put_on_all(big, sizeof(big), true);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	for (unsigned i = 0; i < QUEUES; i++)
		check_got(i, big, sizeof(big));
	rig_restart(&rig);
	rig_connect(&rig, 0);
	for (unsigned i = 0; i < QUEUES; i++)
		check_empty(i);
}

/* Two get the same long body at once, and nothing of it is in the socket. */
static void
get_from_two(void)
{
	uint32_t id[2];

	put_on_all(big, sizeof(big), true);
	rig.sessions[0].hold_sent = true;
	for (unsigned i = 0; i < 2; i++) {
		struct mqlocal_get get = RIG_GET(open_q(i));

		id[i] = rig_ask_get(&rig, 0, &get);
	}
	rig_settle(&rig);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
		    rig_reply(&rig, 0, id[i])->r.kind, ENGINE_MESSAGE);
}

static void
test_two_readers_of_one_body_both_release_it(void **state)
{
	struct rig_session *s = &rig.sessions[0];

	(void)state;
	get_from_two();
	s->hold_sent = false;
	while (s->n_unsent > 0) {
		uint32_t n = s->n_unsent;

		s->n_unsent = 0;
		engine_sent(rig.e, s->s, n);
		rig_settle(&rig);
	}
	check_got(2, big, sizeof(big));
	batch_want(rig.e);
	rig_settle(&rig);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_two_readers_of_one_body_both_return_it(void **state)
{
	(void)state;
	get_from_two();
	rig_disconnect(&rig, 0);
	rig_settle(&rig);
	rig_connect(&rig, 0);
	for (unsigned i = 0; i < QUEUES; i++)
		check_got(i, big, sizeof(big));
	rig_restart(&rig);
	rig_connect(&rig, 0);
	for (unsigned i = 0; i < QUEUES; i++)
		check_empty(i);
}

static void
test_in_a_unit_it_comes_with_the_rest(void **state)
{
	struct fanout_to to[QUEUES];
	struct unit *u = NULL;
	struct msg m;

	(void)state;
	to_all(to);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(unit_get(rig.sessions[0].s, 7, &u), MQI_OK);
		make(&m, "pub", 3, true);
		fanout_put_in(u, to, QUEUES, &m);
		make(&m, big, sizeof(big), true);
		fanout_put_in(u, to, QUEUES, &m);
		assert_int_equal(to[0].q->uncommitted_puts, 2);
		check_empty(0);
		assert_int_equal(round == 0 ? rig_backout(&rig, 0, 7)
					    : rig_commit(&rig, 0, 7),
		    MQI_OK);
		assert_int_equal(to[0].q->uncommitted_puts, 0);
	}
	rig_crash(&rig, 0);
	rig_connect(&rig, 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		check_got(i, "pub", 3);
		check_got(i, big, sizeof(big));
		check_empty(i);
	}
}

static void
test_one_that_is_not_persistent_stays_in_memory(void **state)
{
	(void)state;
	put_on_all("np", 2, false);
	assert_int_equal(rig.e->queued_bytes, 0);
	check_got(0, "np", 2);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	check_empty(1);
}

static void
test_a_queue_that_cannot_take_it_says_why(void **state)
{
	struct queue *q = queue_of(0);

	(void)state;
	assert_int_equal(fanout_check(q, 10), MQI_OK);
	rig_define(&rig, MQATTR_QLOCAL, "A", "MAXMSGL=9", NULL);
	assert_int_equal(fanout_check(q, 10), MQI_E_MSG_TOO_BIG_FOR_Q);
	rig_define(&rig, MQATTR_QLOCAL, "A", "MAXMSGL=99", "MAXDEPTH=0", NULL);
	assert_int_equal(fanout_check(q, 10), MQI_E_Q_FULL);
	rig_define(&rig, MQATTR_QLOCAL, "A", "PUT=DISABLED", NULL);
	assert_int_equal(fanout_check(q, 10), MQI_E_PUT_INHIBITED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_queue_has_it_and_the_log_once),
	    TEST(test_it_survives_a_crash_place_by_place),
	    TEST(test_long_ones_are_read_and_released_place_by_place),
	    TEST(test_two_readers_of_one_body_both_release_it),
	    TEST(test_two_readers_of_one_body_both_return_it),
	    TEST(test_in_a_unit_it_comes_with_the_rest),
	    TEST(test_one_that_is_not_persistent_stays_in_memory),
	    TEST(test_a_queue_that_cannot_take_it_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_threads.c - many threads on one connection: they take turns reading,
 * large and small bodies share the socket, and every answer finds its call.
 * Run it under the tsan preset too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/libmq/fake.h"

#define THREADS 6
#define ROUNDS 300
#define BIG 200000u

/* ---- the application ---- */

struct worker {
	pthread_t thread;
	mqi_conn *conn;
	mqi_queue *queue;
	unsigned n;
	unsigned n_got;
};

static uint8_t big[BIG];

static void
put_some(struct worker *w, unsigned i)
{
	size_t len = i % 10 == 0 ? BIG : i % 100;
	mqi_unit *u = NULL;

	switch (i % 4) {
	case 0:
		assert_int_equal(
		    mqi_put(w->queue, NULL, NULL, big, len), MQI_OK);
		break;
	case 1:
		assert_int_equal(
		    mqi_put_async(w->queue, NULL, NULL, big, len), MQI_OK);
		break;
	case 2:
		assert_int_equal(mqi_begin(w->conn, &u), MQI_OK);
		assert_int_equal(
		    mqi_put_async(w->queue, u, NULL, big, len), MQI_OK);
		assert_int_equal(mqi_commit_async(u, NULL, NULL), MQI_OK);
		break;
	default:
		assert_int_equal(mqi_begin(w->conn, &u), MQI_OK);
		assert_int_equal(mqi_put(w->queue, u, NULL, big, len), MQI_OK);
		assert_int_equal(mqi_commit(u), MQI_OK);
		break;
	}
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	mqi_msg *msg;
	enum mqi_err err;

	for (unsigned i = 0; i < ROUNDS; i++) {
		put_some(w, i + w->n);
		msg = NULL;
		err = mqi_poll(w->queue, NULL, &msg);
		if (err == MQI_E_BUSY || err == MQI_E_NO_MSG_AVAILABLE)
			continue;
		assert_int_equal(err, MQI_OK);
		assert_memory_equal(mqi_msg_body(msg), big, mqi_msg_len(msg));
		w->n_got++;
		(void)mqi_msg_free(msg);
	}
	assert_int_equal(mqi_flush(w->queue), MQI_OK);
	return NULL;
}

static void
test_threads_share_a_connection(void **state)
{
	struct worker w[THREADS];
	unsigned got = 0;
	mqi_queue *q = NULL;
	mqi_msg *msg;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, fake_queue, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED, &q),
	    MQI_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.conn = c, .queue = q, .n = i};
		assert_int_equal(
		    pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(w[i].thread, NULL);
		got += w[i].n_got;
	}
	while (mqi_poll(q, NULL, &msg) == MQI_OK) {
		(void)mqi_msg_free(msg);
		got++;
	}
	assert_int_equal(got, THREADS * ROUNDS);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- loss in the middle ---- */

static void
script_leave_soon(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	for (unsigned i = 0; i < 100; i++)
		if (fake_read(f, &fr) && fr.type == MQLOCAL_PUT && i < 97) {
			fake_put_ok(f, fr.id);
			fake_send(f);
		}
}

static void *
put_until_lost(void *arg)
{
	mqi_queue *q = arg;
	enum mqi_err err;
	unsigned i = 0;

	do
		err = mqi_put(q, NULL, NULL, big, i++ % 3 == 2 ? BIG : 50);
	while (err == MQI_OK);
	assert_true(err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_NOT_DONE ||
		    err == MQI_E_CONNECTION_BROKEN);
	return NULL;
}

static void
test_loss_tells_every_thread(void **state)
{
	pthread_t t[THREADS];
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_leave_soon, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&t[i], NULL, put_until_lost, q), 0);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(t[i], NULL);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- one message, many threads ---- */

struct reader {
	pthread_t thread;
	pthread_barrier_t *start;
	const mqi_msg *msg;
	bool ok;
};

static void *
read_md(void *arg)
{
	struct reader *r = arg;
	const struct mqi_md *md;
	struct mqi_md want;

	mqi_md_init(&want);
	(void)pthread_barrier_wait(r->start);
	md = mqi_msg_md(r->msg);
	r->ok = md->expiry == want.expiry && md->encoding == want.encoding &&
		md->msg_seq_number == want.msg_seq_number;
	return NULL;
}

static void
test_threads_may_ask_for_one_descriptor(void **state)
{
	struct reader r[THREADS];
	pthread_barrier_t start;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, fake_queue, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED, &q),
	    MQI_OK);
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_OK);
		assert_int_equal(mqi_poll(q, NULL, &msg), MQI_OK);
		for (unsigned i = 0; i < THREADS; i++) {
			r[i] = (struct reader){.start = &start, .msg = msg};
			assert_int_equal(
			    pthread_create(&r[i].thread, NULL, read_md, &r[i]),
			    0);
		}
		for (unsigned i = 0; i < THREADS; i++) {
			(void)pthread_join(r[i].thread, NULL);
			assert_true(r[i].ok);
		}
		msg = mqi_msg_free(msg);
	}
	(void)pthread_barrier_destroy(&start);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_threads_share_a_connection),
	    cmocka_unit_test(test_loss_tells_every_thread),
	    cmocka_unit_test(test_threads_may_ask_for_one_descriptor),
	};

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 11);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

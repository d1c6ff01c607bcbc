/* SPDX-License-Identifier: Apache-2.0 */
/* test_libmq_async.c - libmq against a real queue manager, where things happen
 * at once: asynchronous puts and ends, read-ahead, handlers and descriptors,
 * threads, and kill -9 of the queue manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/qm.h"

#define IN_OUT (MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE)
#define THREADS 5
#define EACH 60

static struct tmpdir dir;
static struct qm qm;

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	qm_mqsc(&qm, "DEFINE QLOCAL(Q) DEFPSIST(YES) MAXDEPTH(100000)\n"
		     "DEFINE QLOCAL(P) DEFPSIST(YES) MAXDEPTH(100000)\n"
		     "DEFINE QLOCAL(SMALL) DEFPSIST(YES) MAXDEPTH(3)\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
	return 0;
}

static mqi_queue *
open_on(mqi_conn *c, const char *name)
{
	mqi_queue *q = NULL;

	assert_int_equal(mqi_open(c, name, NULL, IN_OUT, &q), MQI_OK);
	return q;
}

static void
put_number(mqi_queue *q, mqi_unit *u, unsigned n)
{
	assert_int_equal(mqi_put(q, u, NULL, &n, sizeof(n)), MQI_OK);
}

static unsigned
number_of(const mqi_msg *msg)
{
	unsigned n;

	assert_int_equal(mqi_msg_len(msg), sizeof(n));
	memcpy(&n, mqi_msg_body(msg), sizeof(n));
	return n;
}

static void
get_number_in(mqi_queue *q, mqi_unit *u, unsigned n)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(q, u, &msg), MQI_OK);
	assert_int_equal(number_of(msg), n);
	(void)mqi_msg_free(msg);
}

static void
get_number(mqi_queue *q, unsigned n)
{
	get_number_in(q, NULL, n);
}

static void
assert_empty(mqi_queue *q)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
}

/* ---- asynchronous puts and ends ---- */

static void
test_async_failure_in_the_middle_keeps_the_order(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "SMALL");
	enum mqi_err err;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		err = mqi_put_async(q, NULL, NULL, &i, sizeof(i));
		assert_true(err == MQI_OK || err == MQI_E_SUPPRESSED);
	}
	/* one fits again, but it must not overtake those that failed */
	assert_int_equal(mqi_flush(q), MQI_E_Q_FULL);
	for (unsigned i = 0; i < 3; i++)
		get_number(q, i);
	assert_empty(q);
	for (unsigned i = 20; i < 23; i++)
		assert_int_equal(
		    mqi_put_async(q, NULL, NULL, &i, sizeof(i)), MQI_OK);
	assert_int_equal(mqi_flush(q), MQI_OK);
	for (unsigned i = 20; i < 23; i++)
		get_number(q, i);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_thousands_of_async_puts_arrive_in_order(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	struct mqi_queue_info info;
	mqi_unit *u = NULL;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(
		    mqi_put_async(q, NULL, NULL, &i, sizeof(i)), MQI_OK);
	assert_int_equal(mqi_flush(q), MQI_OK);
	assert_int_equal(mqi_inquire(q, &info), MQI_OK);
	assert_int_equal(info.depth, 5000);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	for (unsigned i = 0; i < 5000; i++)
		get_number_in(q, u, i);
	assert_int_equal(mqi_commit(u), MQI_OK);
	assert_empty(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

struct tally {
	unsigned n;
	enum mqi_err last;
};

static void
count(void *arg, enum mqi_err result)
{
	struct tally *t = arg;

	t->n++;
	t->last = result;
}

static void
test_many_units_end_asynchronously_in_order(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	struct tally tally = {0};
	mqi_unit *u = NULL;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(mqi_begin(c, &u), MQI_OK);
		for (unsigned k = 0; k < 3; k++) {
			unsigned n = i * 3 + k;

			assert_int_equal(
			    mqi_put_async(q, u, NULL, &n, sizeof(n)), MQI_OK);
		}
		if (i % 10 == 9)
			assert_int_equal(
			    mqi_backout_async(u, count, &tally), MQI_OK);
		else
			assert_int_equal(
			    mqi_commit_async(u, count, &tally), MQI_OK);
	}
	assert_int_equal(mqi_flush(q), MQI_OK);
	assert_int_equal(tally.n, 300);
	assert_int_equal(tally.last, MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	for (unsigned i = 0; i < 300; i++)
		for (unsigned k = 0; k < 3 && i % 10 != 9; k++)
			get_number_in(q, u, i * 3 + k);
	assert_int_equal(mqi_commit(u), MQI_OK);
	assert_empty(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_unit_with_a_failed_async_put_is_not_committed(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "SMALL");
	mqi_unit *u = NULL;
	enum mqi_err err = MQI_OK;

	(void)state;
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	for (unsigned i = 0; i < 5 && err == MQI_OK; i++)
		err = mqi_put_async(q, u, NULL, &i, sizeof(i));
	assert_int_equal(mqi_commit(u), MQI_E_BACKED_OUT);
	assert_int_equal(mqi_flush(q), MQI_E_Q_FULL);
	assert_empty(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

/* ---- read-ahead ---- */

static void
test_read_ahead_returns_in_order_and_counted_after_an_abrupt_end(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = 10000};
	mqi_conn *c = qm_connect(&qm), *other;
	mqi_queue *q = open_on(c, "Q");
	mqi_msg *msg = NULL;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		put_number(q, NULL, i);
	assert_int_equal(mqi_read_ahead(q, NULL), MQI_OK);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
		assert_int_equal(number_of(msg), i);
		assert_int_equal(mqi_msg_md(msg)->backout_count, 0);
		if (i == 9) {
			assert_int_equal(mqi_ack(q, msg), MQI_OK);
			assert_int_equal(mqi_flush(q), MQI_OK);
		}
		msg = mqi_msg_free(msg);
	}
	/* locked for us: nobody else sees them */
	other = qm_connect(&qm);
	assert_empty(open_on(other, "Q"));
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	q = open_on(other, "Q");
	for (unsigned i = 10; i < 50; i++) {
		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
		assert_int_equal(number_of(msg), i);
		assert_int_equal(mqi_msg_md(msg)->backout_count, 1);
		msg = mqi_msg_free(msg);
	}
	assert_empty(q);
	assert_int_equal(mqi_disconnect(other), MQI_OK);
}

static void
test_read_ahead_streams_what_is_put_meanwhile(void **state)
{
	const struct mqi_read_ahead window = {.max_msgs = 7};
	const struct mqi_get_opts wait = {.wait_ms = 10000};
	mqi_conn *c = qm_connect(&qm), *putter = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *to = open_on(putter, "Q");
	mqi_msg *msg = NULL;

	(void)state;
	assert_int_equal(mqi_read_ahead(q, &window), MQI_OK);
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(
		    mqi_put_async(to, NULL, NULL, &i, sizeof(i)), MQI_OK);
		if (i % 50 != 49)
			continue;
		assert_int_equal(mqi_flush(to), MQI_OK);
		for (unsigned k = i - 49; k <= i; k++) {
			assert_int_equal(
			    mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
			assert_int_equal(number_of(msg), k);
			assert_int_equal(mqi_ack(q, msg), MQI_OK);
			msg = mqi_msg_free(msg);
		}
	}
	assert_int_equal(mqi_close(q), MQI_OK);
	assert_empty(to);
	assert_int_equal(mqi_disconnect(putter), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

/* ---- notify ---- */

struct heard {
	sem_t got;
	_Atomic unsigned n;
	bool wrong;
};

static void
on_ready(mqi_queue *q, void *arg)
{
	struct heard *h = arg;
	mqi_msg *msg;

	while (mqi_poll(q, NULL, &msg) == MQI_OK) {
		h->wrong = h->wrong || number_of(msg) != h->n;
		h->n++;
		msg = mqi_msg_free(msg);
		(void)sem_post(&h->got);
	}
}

/* Who acknowledges now and then must not wait for the window to be used up. */
static void
test_one_acknowledgement_of_many_is_sent_at_once(void **state)
{
	const struct mqi_read_ahead window = {.max_msgs = 64};
	const struct mqi_get_opts wait = {.wait_ms = 60000};
	mqi_conn *c = qm_connect(&qm), *other = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *look = open_on(other, "Q");
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct mqi_queue_info info = {0};
	mqi_msg *msg = NULL;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		put_number(look, NULL, i);
	assert_int_equal(mqi_read_ahead(q, &window), MQI_OK);
	for (unsigned i = 0; i < 32; i++) {
		(void)mqi_msg_free(msg);
		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
		assert_int_equal(number_of(msg), i);
	}
	assert_int_equal(mqi_ack(q, msg), MQI_OK);
	(void)mqi_msg_free(msg);
	/* nothing is called on c meanwhile */
	do {
		assert_true(test_now_ms() < end);
		assert_int_equal(mqi_inquire(look, &info), MQI_OK);
	} while (info.depth > 0);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	assert_int_equal(mqi_disconnect(other), MQI_OK);
}

static void
test_handler_on_the_librarys_thread_gets_all(void **state)
{
	mqi_conn *c = qm_connect(&qm), *putter = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *to = open_on(putter, "Q");
	struct heard h = {.n = 0};

	(void)state;
	(void)sem_init(&h.got, 0, 0);
	put_number(to, NULL, 0); /* there before */
	assert_int_equal(mqi_notify(q, on_ready, &h), MQI_OK);
	for (unsigned i = 1; i < 100; i++) {
		put_number(to, NULL, i);
		if (i % 7 == 0) /* let it run empty */
			while (h.n <= i && sem_wait(&h.got) == 0)
				;
	}
	while (h.n < 100)
		(void)sem_wait(&h.got);
	assert_false(h.wrong);
	assert_int_equal(mqi_notify(q, NULL, NULL), MQI_OK);
	put_number(to, NULL, 100);
	get_number(q, 100); /* nobody else took it */
	assert_int_equal(mqi_disconnect(putter), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	(void)sem_destroy(&h.got);
}

static int
readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms);
}

static void
test_descriptor_is_readable_while_a_poll_would_return(void **state)
{
	mqi_conn *c = qm_connect(&qm), *putter = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *p = open_on(c, "P");
	mqi_queue *to = open_on(putter, "Q");
	int fd = -1, other = -1;
	struct heard h = {.n = 0};

	(void)state;
	(void)sem_init(&h.got, 0, 0);
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	assert_int_equal(mqi_descriptor(p, &other), MQI_OK);
	assert_int_equal(readable(fd, 0), 0);
	put_number(to, NULL, 0);
	put_number(to, NULL, 1);
	assert_int_equal(readable(fd, 10000), 1);
	assert_int_equal(readable(other, 0), 0); /* of its own handle only */
	get_number(q, 0);
	assert_int_equal(readable(fd, 10000), 1);
	get_number(q, 1);
	assert_empty(q);
	assert_int_equal(readable(fd, 0), 0);
	/* handlers of such a handle run in mqi_dispatch() */
	assert_int_equal(mqi_notify(q, on_ready, &h), MQI_OK);
	put_number(to, NULL, 0);
	assert_int_equal(readable(fd, 10000), 1);
	assert_int_equal(h.n, 0);
	assert_int_equal(mqi_dispatch(c), MQI_OK);
	assert_int_equal(h.n, 1);
	/* and by read-ahead */
	assert_int_equal(mqi_notify(q, NULL, NULL), MQI_OK);
	assert_int_equal(mqi_read_ahead(q, NULL), MQI_OK);
	put_number(to, NULL, 5);
	assert_int_equal(readable(fd, 10000), 1);
	assert_int_equal(mqi_disconnect(putter), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	c = qm_connect(&qm);
	get_number(open_on(c, "Q"), 5);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	(void)sem_destroy(&h.got);
}

static void
test_inhibited_queue_makes_the_descriptor_readable(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "P");
	mqi_msg *msg = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	assert_int_equal(readable(fd, 0), 0);
	qm_mqsc(&qm, "ALTER QLOCAL(P) GET(DISABLED)\n");
	assert_int_equal(readable(fd, 10000), 1);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_GET_INHIBITED);
	qm_mqsc(&qm, "ALTER QLOCAL(P) GET(ENABLED)\n");
	while (readable(fd, 0) == 1)
		(void)poll(NULL, 0, 1);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	mqi_conn *conn;
	unsigned n;
	unsigned got;
};

static void *
put_and_get(void *arg)
{
	const struct mqi_get_opts wait = {.wait_ms = 30000};
	struct worker *w = arg;
	mqi_queue *q = open_on(w->conn, "Q");
	mqi_unit *u = NULL;
	mqi_msg *msg = NULL;

	for (unsigned i = 0; i < EACH; i++) {
		if (i % 3 == 0) {
			assert_int_equal(mqi_begin(w->conn, &u), MQI_OK);
			put_number(q, u, w->n * EACH + i);
			assert_int_equal(mqi_commit(u), MQI_OK);
		} else {
			put_number(q, NULL, w->n * EACH + i);
		}
		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
		w->got += number_of(msg);
		msg = mqi_msg_free(msg);
	}
	assert_int_equal(mqi_close(q), MQI_OK);
	return NULL;
}

static void
test_threads_share_a_connection(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	struct worker w[THREADS];
	unsigned sum = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.conn = c, .n = i};
		assert_int_equal(
		    pthread_create(&w[i].thread, NULL, put_and_get, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(w[i].thread, NULL);
		sum += w[i].got;
	}
	assert_int_equal(sum, THREADS * EACH * (THREADS * EACH - 1) / 2);
	assert_empty(open_on(c, "Q"));
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

/* ---- loss ---- */

static void *
wait_for_message(void *arg)
{
	const struct mqi_get_opts wait = {.wait_ms = MQI_WAIT_FOREVER};
	mqi_queue *q = arg;
	mqi_msg *msg = NULL;
	enum mqi_err err = mqi_get_msg(q, NULL, &wait, &msg);

	(void)mqi_msg_free(msg);
	return (void *)(uintptr_t)err;
}

static void
test_kill_9_is_told_and_reconnect_goes_on(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *waiting = open_on(c, "P");
	mqi_unit *u = NULL;
	pthread_t thread;
	void *result;
	enum mqi_err err;
	int fd = -1;

	(void)state;
	put_number(q, NULL, 1);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	put_number(q, u, 2);
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	assert_int_equal(
	    pthread_create(&thread, NULL, wait_for_message, waiting), 0);
	proc_kill9(&qm.proc);
	/* a get that waits is overtaken by the loss */
	(void)pthread_join(thread, &result);
	err = (enum mqi_err)(uintptr_t)result;
	assert_true(err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_NOT_DONE ||
		    err == MQI_E_CONNECTION_BROKEN);
	assert_int_equal(readable(fd, 10000), 1);
	err = mqi_put(q, NULL, NULL, "x", 1);
	assert_int_equal(err, MQI_E_CONNECTION_BROKEN);
	/* by TLS its listener is gone too */
	err = mqi_reconnect(c, 50);
	assert_true(err == MQI_E_Q_MGR_NOT_AVAILABLE ||
		    err == MQI_E_HOST_NOT_AVAILABLE);
	assert_int_equal(
	    mqi_put(q, NULL, NULL, "x", 1), MQI_E_CONNECTION_BROKEN);
	qm_spawn(&qm);
	assert_int_equal(mqi_reconnect(c, PROC_DEADLINE_MS), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_E_BACKED_OUT);
	assert_int_equal(readable(fd, 10000), 1); /* the message is there */
	get_number(q, 1);
	assert_empty(q);
	put_number(waiting, NULL, 3);
	get_number(waiting, 3);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_position_tells_what_became_of_a_commit_cut_off(void **state)
{
	const uint8_t stream[MQI_STREAM_ID_LEN] = "cut off";
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	struct tally tally = {0};
	uint64_t at = 0;
	mqi_unit *u = NULL;
	enum mqi_err err;

	(void)state;
	assert_int_equal(mqi_position_open(c, "CUT", stream, &at), MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	put_number(q, u, 1);
	assert_int_equal(
	    mqi_unit_position(u, "CUT", stream, at, at + 1), MQI_OK);
	assert_int_equal(mqi_commit_async(u, count, &tally), MQI_OK);
	proc_kill9(&qm.proc);
	err = mqi_flush(q);
	assert_true(err == MQI_OK || err == MQI_E_CONNECTION_BROKEN);
	assert_int_equal(tally.n, 1);
	qm_spawn(&qm);
	assert_int_equal(mqi_reconnect(c, PROC_DEADLINE_MS), MQI_OK);
	assert_int_equal(mqi_position_open(c, "CUT", stream, &at), MQI_OK);
	if (tally.last == MQI_OK)
		assert_int_equal(at, 1);
	if (tally.last == MQI_E_NOT_DONE)
		assert_int_equal(at, 0);
	/* the message is there exactly if the position moved */
	if (at == 1)
		get_number(q, 1);
	assert_empty(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_async_failure_in_the_middle_keeps_the_order),
	    cmocka_unit_test(test_thousands_of_async_puts_arrive_in_order),
	    cmocka_unit_test(test_many_units_end_asynchronously_in_order),
	    cmocka_unit_test(
		test_unit_with_a_failed_async_put_is_not_committed),
	    cmocka_unit_test(
		test_read_ahead_returns_in_order_and_counted_after_an_abrupt_end),
	    cmocka_unit_test(test_read_ahead_streams_what_is_put_meanwhile),
	    cmocka_unit_test(test_one_acknowledgement_of_many_is_sent_at_once),
	    cmocka_unit_test(test_handler_on_the_librarys_thread_gets_all),
	    cmocka_unit_test(
		test_descriptor_is_readable_while_a_poll_would_return),
	    cmocka_unit_test(
		test_inhibited_queue_makes_the_descriptor_readable),
	    cmocka_unit_test(test_threads_share_a_connection),
	    cmocka_unit_test(test_kill_9_is_told_and_reconnect_goes_on),
	    cmocka_unit_test(
		test_position_tells_what_became_of_a_commit_cut_off),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

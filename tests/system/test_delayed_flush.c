/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_delayed_flush.c - while every flush takes a second, no answer that
 * depends on one leaves before it: shown per kind of call.  Traffic that
 * depends on none does not wait.
 *
 * Each kind prepares in peace, then acts with the delay on, and says how long
 * it took until it learned something that a power cut could have undone.  The
 * same kinds with the flush taken out must not wait: else a kind waits for
 * some other reason and proves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/qm.h"

#define DELAY_MS 1000u
/* what "at once" may take on a busy machine */
#define PROMPT_MS 900u

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	mqi_conn *conn; /* of the one whose calls are timed */
	mqi_queue *queue;
	mqi_conn *other_conn; /* of the one who puts meanwhile */
	mqi_queue *other;
	pthread_t thread;
	mqi_unit *unit;
	mqi_msg *msg;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_record(&f->qm, NULL);
	qm_start(&f->qm);
	qm_mqsc(&f->qm,
	    "DEFINE QLOCAL(P) DEFPSIST(YES)\nDEFINE QLOCAL(N) DEFPSIST(NO)\n");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
put(mqi_queue *queue, mqi_unit *unit, int persistence)
{
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = persistence;
	OK(mqi_put(queue, unit, &md, "hello", 5));
}

static void
put_persistent(struct fixture *f)
{
	put(f->queue, NULL, MQI_PERSISTENCE_YES);
}

/* ---- somebody else puts meanwhile ---- */

static void *
other_main(void *arg)
{
	struct fixture *f = arg;

	put(f->other, NULL, MQI_PERSISTENCE_YES);
	return NULL;
}

static void
other_starts(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, other_main, f), 0);
}

static void
other_ends(struct fixture *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
}

/* The other's put has reached the flush; false if it went through it. */
static bool
other_is_flushing(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROMPT_MS;

	while (!f->qm.control->flushing && test_now_ms() < end)
		(void)poll(NULL, 0, 1);
	return f->qm.control->flushing != 0;
}

/* ---- kinds: prepare in peace, act under delay ---- */

static void
nothing(struct fixture *f)
{
	(void)f;
}

static void
act_put_many(struct fixture *f)
{
	struct mqi_put_item items[3] = {
	    {.body = "1", .body_len = 1},
	    {.body = "2", .body_len = 1},
	    {.body = "3", .body_len = 1},
	};

	OK(mqi_put_many(f->queue, NULL, items, 3));
}

static void
act_put_async(struct fixture *f)
{
	OK(mqi_put_async(f->queue, NULL, NULL, "hello", 5));
	OK(mqi_flush(f->queue));
}

static void
act_put_large(struct fixture *f)
{
	void *body = calloc(1, 3000000);

	OK(mqi_put(f->queue, NULL, NULL, body, 3000000));
	free(body);
}

static void
prepare_unit_put(struct fixture *f)
{
	OK(mqi_begin(f->conn, &f->unit));
	put(f->queue, f->unit, MQI_PERSISTENCE_YES);
}

static void
prepare_unit_get(struct fixture *f)
{
	put_persistent(f);
	OK(mqi_begin(f->conn, &f->unit));
	OK(mqi_poll(f->queue, f->unit, &f->msg));
	f->msg = mqi_msg_free(f->msg);
}

static void
act_commit(struct fixture *f)
{
	OK(mqi_commit(f->unit));
}

static void
act_commit_async(struct fixture *f)
{
	OK(mqi_commit_async(f->unit, NULL, NULL));
	OK(mqi_flush(f->queue));
}

static void
prepare_position(struct fixture *f)
{
	static const uint8_t stream[MQI_STREAM_ID_LEN] = {7};
	uint64_t position;

	OK(mqi_position_open(f->conn, "proof", stream, &position));
	OK(mqi_begin(f->conn, &f->unit));
	OK(mqi_unit_position(f->unit, "proof", stream, position, position + 1));
}

static void
act_get(struct fixture *f)
{
	OK(mqi_poll(f->queue, NULL, &f->msg));
	f->msg = mqi_msg_free(f->msg);
}

static void
get_waiting(struct fixture *f, uint32_t options)
{
	struct mqi_get_opts opts = {.options = options, .wait_ms = 20000};

	other_starts(f);
	OK(mqi_get_msg(f->queue, NULL, &opts, &f->msg));
	f->msg = mqi_msg_free(f->msg);
}

static void
act_waiting_get(struct fixture *f)
{
	get_waiting(f, 0);
}

static void
act_waiting_browse(struct fixture *f)
{
	get_waiting(f, MQI_GET_BROWSE_FIRST);
}

static void
act_waiting_get_in_unit(struct fixture *f)
{
	struct mqi_get_opts opts = {.wait_ms = 20000};

	OK(mqi_begin(f->conn, &f->unit));
	other_starts(f);
	OK(mqi_get_msg(f->queue, f->unit, &opts, &f->msg));
	f->msg = mqi_msg_free(f->msg);
	OK(mqi_backout(f->unit));
}

static void
prepare_read_ahead(struct fixture *f)
{
	OK(mqi_read_ahead(f->queue, NULL));
}

static void
prepare_ack(struct fixture *f)
{
	struct mqi_get_opts opts = {.wait_ms = 20000};

	put_persistent(f);
	OK(mqi_read_ahead(f->queue, NULL));
	OK(mqi_get_msg(f->queue, NULL, &opts, &f->msg));
}

static void
act_ack(struct fixture *f)
{
	OK(mqi_ack(f->queue, f->msg));
	f->msg = mqi_msg_free(f->msg);
	OK(mqi_flush(f->queue));
}

static void
act_descriptor(struct fixture *f)
{
	struct pollfd p = {.events = POLLIN};

	OK(mqi_descriptor(f->queue, &p.fd));
	assert_int_equal(poll(&p, 1, 0), 0);
	other_starts(f);
	assert_int_equal(poll(&p, 1, 20000), 1);
}

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rings;
	bool rang;
};

static void
ring(mqi_queue *queue, void *arg)
{
	struct bell *b = arg;

	(void)queue;
	pthread_mutex_lock(&b->lock);
	b->rang = true;
	pthread_cond_signal(&b->rings);
	pthread_mutex_unlock(&b->lock);
}

static void
act_notify(struct fixture *f)
{
	struct bell b = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .rings = PTHREAD_COND_INITIALIZER};

	OK(mqi_notify(f->queue, ring, &b));
	other_starts(f);
	pthread_mutex_lock(&b.lock);
	while (!b.rang)
		pthread_cond_wait(&b.rings, &b.lock);
	pthread_mutex_unlock(&b.lock);
	OK(mqi_notify(f->queue, NULL, NULL));
}

/* A depth of 0 may be told at once, a depth of 1 not. */
static void
act_inquire(struct fixture *f)
{
	struct mqi_queue_info info = {0};

	other_starts(f);
	while (info.depth == 0)
		OK(mqi_inquire(f->queue, &info));
}

static void
act_poll(struct fixture *f)
{
	enum mqi_err err;

	other_starts(f);
	do
		err = mqi_poll(f->queue, NULL, &f->msg);
	while (err == MQI_E_NO_MSG_AVAILABLE);
	OK(err);
	f->msg = mqi_msg_free(f->msg);
}

static void
act_define(struct fixture *f)
{
	qm_mqsc(&f->qm, "DEFINE QLOCAL(X) REPLACE\n");
}

struct kind {
	const char *name;
	void (*prepare)(struct fixture *f);
	void (*act)(struct fixture *f);
	bool with_other;
};

static const struct kind kinds[] = {
    {"put", nothing, put_persistent, false},
    {"put many", nothing, act_put_many, false},
    {"asynchronous put, flush", nothing, act_put_async, false},
    {"large put", nothing, act_put_large, false},
    {"commit of a put", prepare_unit_put, act_commit, false},
    {"commit of a get", prepare_unit_get, act_commit, false},
    {"asynchronous commit, flush", prepare_unit_put, act_commit_async, false},
    {"commit of a position", prepare_position, act_commit, false},
    {"get", put_persistent, act_get, false},
    {"waiting get", nothing, act_waiting_get, true},
    {"waiting get in a unit", nothing, act_waiting_get_in_unit, true},
    {"waiting browse", nothing, act_waiting_browse, true},
    {"read-ahead", prepare_read_ahead, act_waiting_get, true},
    {"acknowledgement, flush", prepare_ack, act_ack, false},
    {"descriptor", nothing, act_descriptor, true},
    {"notify", nothing, act_notify, true},
    {"inquire depth", nothing, act_inquire, true},
    {"poll", nothing, act_poll, true},
    {"define a queue", nothing, act_define, false},
};

static mqi_queue *
open_queue(mqi_conn *conn, const char *name)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE |
		MQI_OO_INQUIRE,
	    &queue));
	return queue;
}

/* The queue is empty again; nothing is left over for the next kind. */
static void
empty_queue(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, "P");
	enum mqi_err err;

	do {
		mqi_msg *msg = NULL;
		err = mqi_poll(queue, NULL, &msg);
		mqi_msg_free(msg);
	} while (err == MQI_OK);
	assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

/* How long the kind took to tell. */
static uint64_t
time_kind(struct fixture *f, const struct kind *k)
{
	f->conn = qm_connect(&f->qm);
	f->queue = open_queue(f->conn, "P");
	f->other_conn = qm_connect(&f->qm);
	f->other = open_queue(f->other_conn, "P");
	k->prepare(f);
	/* removals may ride later: let what the preparation left be over */
	(void)poll(NULL, 0, 50);
	f->qm.control->delay_ms = DELAY_MS;
	uint64_t start = test_now_ms();
	k->act(f);
	uint64_t took = test_now_ms() - start;
	f->qm.control->delay_ms = 0;
	if (k->with_other)
		other_ends(f);
	(void)mqi_disconnect(f->conn);
	OK(mqi_disconnect(f->other_conn));
	empty_queue(f);
	return took;
}

static void
test_no_answer_leaves_before_the_flush_that_it_depends_on(void **state)
{
	struct fixture *f = *state;
	unsigned early = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint64_t took = time_kind(f, &kinds[i]);
		printf("%-28s told after %5llu ms%s\n", kinds[i].name,
		    (unsigned long long)took,
		    took < DELAY_MS ? ": TOO EARLY" : "");
		fflush(stdout);
		early += took < DELAY_MS;
	}
	assert_int_equal(early, 0);
}

static void
test_the_same_calls_do_not_wait_when_the_flush_is_taken_out(void **state)
{
	struct fixture *f = *state;
	unsigned late = 0;

	f->qm.control->no_flush = 1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint64_t took = time_kind(f, &kinds[i]);
		if (took >= DELAY_MS)
			printf("%-28s took %llu ms without a flush\n",
			    kinds[i].name, (unsigned long long)took);
		late += took >= DELAY_MS;
	}
	assert_int_equal(late, 0);
}

static void
test_non_persistent_traffic_does_not_wait_for_a_flush(void **state)
{
	struct fixture *f = *state;
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, "N");

	f->other_conn = qm_connect(&f->qm);
	f->other = open_queue(f->other_conn, "P");
	f->qm.control->delay_ms = DELAY_MS;
	other_starts(f);
	assert_true(other_is_flushing(f));
	uint64_t start = test_now_ms();
	for (int i = 0; i < 20; i++) {
		put(queue, NULL, MQI_PERSISTENCE_NO);
		OK(mqi_poll(queue, NULL, &f->msg));
		f->msg = mqi_msg_free(f->msg);
	}
	uint64_t took = test_now_ms() - start;
	/* the flush is still on: nothing of this waited for it */
	assert_int_equal(f->qm.control->flushing, 1);
	f->qm.control->delay_ms = 0;
	other_ends(f);
	printf("20 non-persistent puts and gets during a flush: %llu ms\n",
	    (unsigned long long)took);
	assert_true(took < PROMPT_MS);
	OK(mqi_disconnect(conn));
	OK(mqi_disconnect(f->other_conn));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_no_answer_leaves_before_the_flush_that_it_depends_on),
	    TEST(test_the_same_calls_do_not_wait_when_the_flush_is_taken_out),
	    TEST(test_non_persistent_traffic_does_not_wait_for_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

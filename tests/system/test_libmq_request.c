/* SPDX-License-Identifier: Apache-2.0 */
/* test_libmq_request.c - requests, futures and replies against a real queue
 * manager, with a program that replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mq/mqi_request.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/qm.h"

#define FUTURES 100
#define THREADS 5
#define EACH 40
#define LARGE 200000

static struct tmpdir dir;
static struct qm qm;
static char large[LARGE];

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	qm_mqsc(&qm, "DEFINE QLOCAL(ASK) DEFPSIST(YES)\n"
		     "DEFINE QLOCAL(REPLIES) DEFPSIST(YES)\n"
		     "DEFINE QLOCAL(NOPUT) PUT(DISABLED)\n");
	memset(large, 'x', sizeof(large));
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

/* ---- who replies ---- */

/* So often: gets n requests, and replies to them in one unit each, the last one
 * first. */
struct server {
	mqi_conn *c;
	mqi_queue *q;
	unsigned n, times;
	pthread_t thread;
};

static void
serve_some(struct server *s, mqi_msg **asked)
{
	const struct mqi_get_opts wait = {.wait_ms = 30000};
	mqi_unit *u = NULL;

	for (unsigned i = 0; i < s->n; i++)
		assert_int_equal(
		    mqi_get_msg(s->q, NULL, &wait, &asked[i]), MQI_OK);
	for (unsigned i = s->n; i-- > 0;) {
		assert_int_equal(mqi_begin(s->c, &u), MQI_OK);
		assert_int_equal(
		    mqi_reply(s->c, u, mqi_msg_md(asked[i]), NULL,
			mqi_msg_body(asked[i]), mqi_msg_len(asked[i])),
		    MQI_OK);
		assert_int_equal(mqi_commit(u), MQI_OK);
		(void)mqi_msg_free(asked[i]);
	}
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	mqi_msg **asked = calloc(s->n, sizeof(*asked));

	assert_non_null(asked);
	for (unsigned i = 0; i < s->times; i++)
		serve_some(s, asked);
	free(asked);
	return NULL;
}

static void
server_start(struct server *s, unsigned n, unsigned times)
{
	s->c = qm_connect(&qm);
	s->n = n;
	s->times = times;
	assert_int_equal(
	    mqi_open(s->c, "ASK", NULL, MQI_OO_INPUT_SHARED, &s->q), MQI_OK);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
server_end(struct server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	assert_int_equal(mqi_disconnect(s->c), MQI_OK);
}

struct client {
	mqi_conn *c;
	mqi_queue *ask, *replies;
};

static void
client_start(struct client *k, const char *ask)
{
	k->c = qm_connect(&qm);
	assert_int_equal(
	    mqi_open(k->c, ask, NULL, MQI_OO_OUTPUT, &k->ask), MQI_OK);
	assert_int_equal(mqi_open(k->c, "REPLIES", NULL,
			     MQI_OO_INPUT_SHARED | MQI_OO_INQUIRE, &k->replies),
	    MQI_OK);
}

static struct mqi_request
request_of(const struct client *k, const void *body, size_t len, int64_t ms)
{
	return (struct mqi_request){.queue = k->ask,
	    .replies = k->replies,
	    .body = body,
	    .body_len = len,
	    .timeout_ms = ms};
}

static void
assert_empty(const struct client *k)
{
	mqi_msg *msg = NULL;

	assert_int_equal(
	    mqi_poll(k->replies, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
}

/* ---- tests ---- */

static void
test_a_request_gets_its_reply(void **state)
{
	const size_t lens[] = {0, 5, LARGE};
	struct server s;
	struct client k;
	mqi_msg *msg = NULL;

	(void)state;
	client_start(&k, "ASK");
	for (unsigned i = 0; i < 3; i++) {
		struct mqi_request r = request_of(&k, large, lens[i], 30000);

		server_start(&s, 1, 1);
		assert_int_equal(mqi_request(&r, &msg), MQI_OK);
		assert_int_equal(mqi_msg_md(msg)->msg_type, MQI_MT_REPLY);
		assert_int_equal(mqi_msg_len(msg), lens[i]);
		assert_memory_equal(mqi_msg_body(msg), large, lens[i]);
		(void)mqi_msg_free(msg);
		server_end(&s);
	}
	assert_empty(&k);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
}

static void
test_nobody_replies(void **state)
{
	struct client k;
	struct mqi_request r;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	client_start(&k, "ASK");
	r = request_of(&k, "x", 1, 200);
	assert_int_equal(mqi_request(&r, &msg), MQI_E_NO_MSG_AVAILABLE);
	/* nobody needs to answer what nobody waits for */
	assert_int_equal(
	    mqi_open(k.c, "ASK", NULL, MQI_OO_INPUT_SHARED, &q), MQI_OK);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
}

static void
test_what_cannot_be_put_fails_at_once(void **state)
{
	struct client k;
	struct mqi_request r;
	mqi_msg *msg = NULL;
	mqi_future *f = NULL;

	(void)state;
	client_start(&k, "NOPUT");
	r = request_of(&k, "x", 1, MQI_WAIT_FOREVER);
	assert_int_equal(mqi_request(&r, &msg), MQI_E_PUT_INHIBITED);
	r.timeout_ms = -2;
	assert_int_equal(mqi_request(&r, &msg), MQI_E_WAIT_INTERVAL);
	r.timeout_ms = 10;
	r.replies = NULL;
	assert_int_equal(mqi_request_async(&r, &f), MQI_E_INVAL);
	/* the handle of the replies is free for gets */
	assert_empty(&k);
	assert_int_equal(mqi_close(k.replies), MQI_OK);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
}

static void
test_replies_find_their_futures_in_any_order(void **state)
{
	mqi_future *f[FUTURES] = {NULL};
	struct server s;
	struct client k;
	mqi_msg *msg = NULL;

	(void)state;
	client_start(&k, "ASK");
	for (unsigned i = 0; i < FUTURES; i++) {
		struct mqi_request r = request_of(&k, &i, sizeof(i), 60000);

		assert_int_equal(mqi_request_async(&r, &f[i]), MQI_OK);
	}
	assert_int_equal(mqi_future_wait(f[0], 0, &msg), MQI_E_BUSY);
	assert_int_equal(mqi_future_wait(f[0], 10, &msg), MQI_E_BUSY);
	server_start(&s, FUTURES, 1);
	for (unsigned i = 0; i < FUTURES; i++) {
		unsigned got;

		assert_int_equal(
		    mqi_future_wait(f[i], MQI_WAIT_FOREVER, &msg), MQI_OK);
		memcpy(&got, mqi_msg_body(msg), sizeof(got));
		assert_int_equal(got, i);
		(void)mqi_msg_free(msg);
		assert_int_equal(mqi_future_wait(f[i], 0, &msg), MQI_E_OPTIONS);
		f[i] = mqi_future_free(f[i]);
	}
	server_end(&s);
	assert_empty(&k);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
}

struct told {
	unsigned n;
	enum mqi_err last;
};

static void
tell(void *arg, enum mqi_err result)
{
	struct told *t = arg;

	t->n++;
	t->last = result;
}

static void
test_a_future_calls_back_once(void **state)
{
	struct told told = {0}, never = {0};
	mqi_future *f = NULL, *freed = NULL, *late = NULL;
	struct mqi_request r;
	struct server s;
	struct client k;
	mqi_msg *msg = NULL;

	(void)state;
	client_start(&k, "ASK");
	r = request_of(&k, "abc", 3, 60000);
	assert_int_equal(mqi_request_async(&r, &f), MQI_OK);
	assert_int_equal(mqi_future_then(f, tell, &told), MQI_OK);
	assert_int_equal(mqi_future_then(f, tell, &told), MQI_E_OPTIONS);
	assert_int_equal(mqi_request_async(&r, &freed), MQI_OK);
	assert_int_equal(mqi_future_then(freed, tell, &never), MQI_OK);
	assert_null(mqi_future_free(freed));
	server_start(&s, 2, 1);
	assert_int_equal(mqi_future_wait(f, 30000, &msg), MQI_OK);
	(void)mqi_msg_free(msg);
	server_end(&s);
	assert_int_equal(mqi_dispatch(k.c), MQI_OK);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.last, MQI_OK);
	f = mqi_future_free(f);
	/* one that is done when it is asked to */
	r.timeout_ms = 1;
	assert_int_equal(mqi_request_async(&r, &late), MQI_OK);
	assert_int_equal(
	    mqi_future_wait(late, 30000, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_future_then(late, tell, &told), MQI_OK);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.last, MQI_E_NO_MSG_AVAILABLE);
	late = mqi_future_free(late);
	assert_int_equal(never.n, 0);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
	qm_mqsc(&qm, "CLEAR QLOCAL(REPLIES)\nCLEAR QLOCAL(ASK)\n");
}

struct asker {
	struct client *k;
	unsigned number;
	pthread_t thread;
};

static void *
ask(void *arg)
{
	struct asker *a = arg;

	for (unsigned i = 0; i < EACH; i++) {
		unsigned n = a->number * EACH + i, got;
		struct mqi_request r = request_of(a->k, &n, sizeof(n), 60000);
		mqi_msg *msg = NULL;

		assert_int_equal(mqi_request(&r, &msg), MQI_OK);
		memcpy(&got, mqi_msg_body(msg), sizeof(got));
		assert_int_equal(got, n);
		(void)mqi_msg_free(msg);
	}
	return NULL;
}

static void
test_threads_share_a_queue_of_replies(void **state)
{
	struct asker a[THREADS];
	struct server s;
	struct client k;

	(void)state;
	client_start(&k, "ASK");
	for (unsigned i = 0; i < THREADS; i++) {
		a[i] = (struct asker){.k = &k, .number = i};
		assert_int_equal(
		    pthread_create(&a[i].thread, NULL, ask, &a[i]), 0);
	}
	server_start(&s, 1, THREADS * EACH);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(a[i].thread, NULL), 0);
	server_end(&s);
	assert_empty(&k);
	assert_int_equal(mqi_disconnect(k.c), MQI_OK);
}

static void
test_a_killed_queue_manager_ends_the_wait(void **state)
{
	mqi_future *f = NULL, *g = NULL;
	struct mqi_request r;
	struct client k;
	mqi_msg *msg = NULL;
	enum mqi_err err;

	(void)state;
	client_start(&k, "ASK");
	r = request_of(&k, "abc", 3, MQI_WAIT_FOREVER);
	assert_int_equal(mqi_request_async(&r, &f), MQI_OK);
	assert_int_equal(mqi_request_async(&r, &g), MQI_OK);
	assert_null(mqi_future_free(g));
	assert_int_equal(mqi_future_wait(f, 0, &msg), MQI_E_BUSY);
	proc_kill9(&qm.proc);
	err = mqi_future_wait(f, MQI_WAIT_FOREVER, &msg);
	assert_true(err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_NOT_DONE);
	f = mqi_future_free(f);
	(void)mqi_disconnect(k.c);
	qm_start(&qm);
}

/* ---- what became of it ---- */

/* A message that asks for these reports is dealt with; which feedback comes, 0:
 * none. */
static uint32_t
feedback_of(uint32_t report, uint32_t type, bool done)
{
	const struct mqi_get_opts wait = {.wait_ms = 30000};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *ask = NULL, *replies = NULL;
	uint32_t feedback = 0;
	struct mqi_md md;
	mqi_msg *msg = NULL;
	bool told = false;

	assert_int_equal(
	    mqi_open(c, "ASK", NULL, MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &ask),
	    MQI_OK);
	assert_int_equal(
	    mqi_open(c, "REPLIES", NULL, MQI_OO_INPUT_SHARED, &replies),
	    MQI_OK);
	mqi_md_init(&md);
	md.report = report;
	md.msg_type = type;
	(void)snprintf(md.reply_to_q, sizeof(md.reply_to_q), "REPLIES");
	assert_int_equal(mqi_put(ask, NULL, &md, "do it", 5), MQI_OK);
	assert_int_equal(mqi_get_msg(ask, NULL, &wait, &msg), MQI_OK);
	assert_int_equal(
	    mqi_tell_action(c, NULL, mqi_msg_md(msg), done, "so", 2, &told),
	    MQI_OK);
	(void)mqi_msg_free(msg);
	if (told) {
		assert_int_equal(mqi_poll(replies, NULL, &msg), MQI_OK);
		assert_int_equal(mqi_msg_md(msg)->msg_type, MQI_MT_REPORT);
		assert_memory_equal(
		    mqi_msg_md(msg)->correl_id, md.msg_id, MQI_ID_LEN);
		assert_memory_equal(mqi_msg_body(msg), "so", 2);
		feedback = mqi_msg_md(msg)->feedback;
		(void)mqi_msg_free(msg);
	}
	assert_int_equal(mqi_poll(replies, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	return feedback;
}

static void
test_an_action_is_told_of_as_it_was_asked(void **state)
{
	const uint32_t both = MQI_RO_PAN | MQI_RO_NAN;

	(void)state;
	assert_int_equal(feedback_of(both, MQI_MT_REQUEST, true), MQI_FB_PAN);
	assert_int_equal(feedback_of(both, MQI_MT_DATAGRAM, false), MQI_FB_NAN);
	assert_int_equal(feedback_of(MQI_RO_PAN, MQI_MT_REQUEST, false), 0);
	assert_int_equal(feedback_of(MQI_RO_NAN, MQI_MT_REQUEST, true), 0);
	assert_int_equal(feedback_of(0, MQI_MT_REQUEST, true), 0);
	assert_int_equal(feedback_of(both, MQI_MT_REPORT, true), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_action_is_told_of_as_it_was_asked),
	    cmocka_unit_test(test_a_request_gets_its_reply),
	    cmocka_unit_test(test_nobody_replies),
	    cmocka_unit_test(test_what_cannot_be_put_fails_at_once),
	    cmocka_unit_test(test_replies_find_their_futures_in_any_order),
	    cmocka_unit_test(test_a_future_calls_back_once),
	    cmocka_unit_test(test_threads_share_a_queue_of_replies),
	    cmocka_unit_test(test_a_killed_queue_manager_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

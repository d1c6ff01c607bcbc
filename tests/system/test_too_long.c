/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_too_long.c - messages that are longer than their channel's MAXMSGL,
 * between two real queue managers: they are dead-lettered where they wait, and
 * the channel goes on; with kill -9 of the sender and of its queue manager.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "proto/dlh.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"
#define MAXMSGL 1000u
#define LARGE 3000000u /* put in pieces, and in parts */

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	char *body;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024];
	int port;

	tmpdir_make(&f->dir);
	port = proc_free_port();
	for (int i = 0; i < 2; i++) {
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	(void)snprintf(text, sizeof(text),
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n"
	    "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXDEPTH(100000)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=QM1') HBINT(1) "
	    "MAXMSGL(%u)\n",
	    port, MAXMSGL);
	qm_mqsc(&f->qm[1], text);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ) MAXDEPTH(100000)\n"
	    "DEFINE QLOCAL(REPLY) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') HBINT(1) "
	    "SHORTRTY(100000) "
	    "SHORTTMR(0) MAXMSGL(4194304)\n",
	    port);
	qm_mqsc(&f->qm[0], text);
	f->body = calloc(1, LARGE);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f->body);
	free(f);
	return 0;
}

/* ---- putting and getting ---- */

/* A message for IN at QM2 whose body begins with its number. */
static void
put(struct fixture *f, mqi_queue *to, uint32_t number, uint32_t len,
    uint32_t report)
{
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	md.report = report;
	strcpy(md.format, "MQSTR");
	strcpy(md.reply_to_q, "REPLY");
	memcpy(f->body, &number, sizeof(number));
	OK(mqi_put(to, NULL, &md, f->body, len));
}

static void
put_one(struct fixture *f, uint32_t number, uint32_t len, uint32_t report)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *to = NULL;

	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &to));
	put(f, to, number, len, report);
	OK(mqi_disconnect(conn));
}

/* The next message of a queue, which must come. */
static mqi_msg *
take(struct fixture *f, int at, const char *name)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&f->qm[at]);
	mqi_queue *from = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &from));
	OK(mqi_get_msg(from, NULL, &opts, &msg));
	OK(mqi_disconnect(conn));
	return msg;
}

static uint64_t
depth_of(struct fixture *f, int at, const char *name)
{
	mqi_conn *conn = qm_connect(&f->qm[at]);
	struct mqi_queue_info info = {0};
	mqi_queue *handle = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &handle));
	OK(mqi_inquire(handle, &info));
	OK(mqi_disconnect(conn));
	return info.depth;
}

static void
assert_arrives(struct fixture *f, uint32_t number)
{
	mqi_msg *msg = take(f, 1, "IN");

	assert_memory_equal(mqi_msg_body(msg), &number, sizeof(number));
	mqi_msg_free(msg);
}

static void
assert_dead(struct fixture *f, uint32_t number, uint32_t len)
{
	mqi_msg *msg = take(f, 0, DEAD_QUEUE);
	const char *body = mqi_msg_body(msg);
	struct mqdlh h;

	assert_string_equal(mqi_msg_md(msg)->format, MQDLH_FORMAT);
	assert_int_equal(mqi_msg_len(msg), len + MQDLH_LEN);
	OK(mqdlh_decode(body, mqi_msg_len(msg), &h));
	assert_int_equal(h.reason, MQI_E_MSG_TOO_BIG_FOR_CHANNEL);
	assert_string_equal(h.queue, "IN");
	assert_string_equal(h.qmgr, "QM2");
	assert_string_equal(h.format, "MQSTR");
	assert_memory_equal(body + MQDLH_LEN, &number, sizeof(number));
	mqi_msg_free(msg);
}

/* ---- tests ---- */

static void
test_a_long_message_is_dead_lettered_and_the_channel_goes_on(void **state)
{
	struct fixture *f = *state;
	mqi_msg *msg;

	put_one(f, 1, 100, 0);
	put_one(f, 2, MAXMSGL + 1, MQI_RO_EXCEPTION);
	put_one(f, 3, MAXMSGL, 0);
	put_one(f, 4, LARGE, MQI_RO_EXCEPTION_WITH_FULL_DATA);
	put_one(f, 5, 100, 0);
	assert_arrives(f, 1);
	assert_arrives(f, 3);
	assert_arrives(f, 5);
	assert_dead(f, 2, MAXMSGL + 1);
	assert_dead(f, 4, LARGE);
	msg = take(f, 0, "REPLY");
	assert_int_equal(mqi_msg_md(msg)->msg_type, MQI_MT_REPORT);
	assert_int_equal(
	    mqi_msg_md(msg)->feedback, MQI_E_MSG_TOO_BIG_FOR_CHANNEL);
	assert_int_equal(mqi_msg_len(msg), 0);
	mqi_msg_free(msg);
	msg = take(f, 0, "REPLY");
	assert_int_equal(mqi_msg_len(msg), LARGE);
	mqi_msg_free(msg);
	assert_int_equal(depth_of(f, 0, DEAD_QUEUE), 0);
}

static void
test_a_long_message_is_discarded_if_it_asks_for_it(void **state)
{
	struct fixture *f = *state;
	mqi_msg *msg;

	put_one(f, 1, LARGE, MQI_RO_DISCARD_MSG);
	put_one(
	    f, 2, LARGE, MQI_RO_DISCARD_MSG | MQI_RO_EXCEPTION_WITH_FULL_DATA);
	put_one(f, 3, 100, 0);
	assert_arrives(f, 3);
	msg = take(f, 0, "REPLY");
	assert_int_equal(mqi_msg_len(msg), LARGE);
	mqi_msg_free(msg);
	assert_int_equal(depth_of(f, 0, "REPLY"), 0);
	assert_int_equal(depth_of(f, 0, DEAD_QUEUE), 0);
	assert_int_equal(depth_of(f, 1, DEAD_QUEUE), 0);
}

/* It stays at the head until somebody helps. */
static void
test_without_a_dead_letter_queue_the_channel_ends(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) USEDLQ(NO)\n");
	put_one(f, 1, 100, 0);
	put_one(f, 2, 2000, 0);
	put_one(f, 3, 100, 0);
	assert_arrives(f, 1);
	while (depth_of(f, 0, "QM2") != 2)
		(void)poll(NULL, 0, 1);
	assert_int_equal(depth_of(f, 1, "IN"), 0);
	assert_int_equal(depth_of(f, 0, DEAD_QUEUE), 0);
	qm_mqsc(&f->qm[1], "ALTER CHANNEL(C) CHLTYPE(RCVR) MAXMSGL(4194304)\n");
	assert_arrives(f, 2);
	assert_arrives(f, 3);
}

/* ---- kill -9 ---- */

#define ROUNDS 6u
#define ROUND_MSGS 40u

/* Every fourth one is too long. */
static bool
is_long(uint32_t number)
{
	return number % 4 == 0;
}

static void
put_round(struct fixture *f, uint32_t first)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *to = NULL;

	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &to));
	for (uint32_t i = first; i < first + ROUND_MSGS; i++)
		put(f, to, i, is_long(i) ? (i % 16 == 0 ? 150000 : 2000) : 100,
		    0);
	OK(mqi_disconnect(conn));
}

static void
kill_something(struct fixture *f, unsigned round)
{
	if (round % 2 == 0) {
		(void)qm_signal_agents(&f->qm[0], "dial", SIGKILL);
		return;
	}
	proc_kill9(&f->qm[0].proc);
	qm_start(&f->qm[0]);
}

/* Exactly the long ones, or exactly the others, in order. */
static void
assert_all(struct fixture *f, int at, const char *name, bool dead)
{
	mqi_conn *conn = qm_connect(&f->qm[at]);
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_queue *from = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &from));
	for (uint32_t i = 1; i <= ROUNDS * ROUND_MSGS; i++) {
		mqi_msg *msg = NULL;
		uint32_t number;

		if (is_long(i) != dead)
			continue;
		OK(mqi_get_msg(from, NULL, &opts, &msg));
		memcpy(&number,
		    (const char *)mqi_msg_body(msg) + (dead ? MQDLH_LEN : 0),
		    sizeof(number));
		assert_int_equal(number, i);
		mqi_msg_free(msg);
	}
	OK(mqi_disconnect(conn));
}

static void
test_kills_leave_each_message_in_one_place(void **state)
{
	struct fixture *f = *state;
	uint64_t random = test_seed("test_too_long");

	for (unsigned r = 0; r < ROUNDS; r++) {
		put_round(f, r * ROUND_MSGS + 1);
		(void)poll(NULL, 0, (int)(mqrand_next(&random) % 40));
		kill_something(f, r);
	}
	assert_all(f, 1, "IN", false);
	assert_all(f, 0, DEAD_QUEUE, true);
	while (depth_of(f, 0, "QM2") != 0)
		(void)poll(NULL, 0, 1);
	assert_int_equal(depth_of(f, 1, "IN"), 0);
	assert_int_equal(depth_of(f, 0, DEAD_QUEUE), 0);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_long_message_is_dead_lettered_and_the_channel_goes_on),
	    T(test_a_long_message_is_discarded_if_it_asks_for_it),
	    T(test_without_a_dead_letter_queue_the_channel_ends),
	    T(test_kills_leave_each_message_in_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chain.c - three queue managers in a chain, QM1 to QM2 to QM3, over
 * mutual TLS: messages put on QM1 for a queue of QM3 arrive once and in order,
 * while each of the three is killed with -9 in turn, with its agents.
 *
 * QM1 does not know the way beyond its default transmission queue; QM2 decides
 * again.  The killed manager's agents end with it, or lose it; which ones a
 * kill meets, and where they were, is chance.
 *
 * And: while every flush of QM1 takes a second, nothing that depends on one
 * reaches QM2; while every flush of QM2 does, QM1 discards nothing before.
 * Heartbeats go on meanwhile.
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

#include "base/rand.h"
#include "tests/lib/qm.h"

#define N_QM 3
#define DELAY_MS 1000u
#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm[N_QM];
	uint64_t seed;
};

/* MQSC of manager i in the chain. */
static void
define(struct fixture *f, int i, const int ports[N_QM])
{
	char text[2048];
	int n = 0;

	if (i + 1 < N_QM)
		n = snprintf(text, sizeof(text),
		    "DEFINE QLOCAL(NEXT) USAGE(XMITQ) MAXDEPTH(1000000)\n"
		    "ALTER QMGR DEFXMITQ(NEXT)\n"
		    "DEFINE CHANNEL(QM%d.QM%d) CHLTYPE(SDR) XMITQ(NEXT) "
		    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM%d') "
		    "SHORTRTY(1000) SHORTTMR(1)\n",
		    i + 1, i + 2, ports[i + 1], i + 2);
	else
		n = snprintf(text, sizeof(text),
		    "DEFINE QLOCAL(END) DEFPSIST(YES) MAXDEPTH(1000000)\n");
	if (i > 0)
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    "DEFINE CHANNEL(QM%d.QM%d) CHLTYPE(RCVR) "
		    "SSLPEER('CN=QM%d')\n"
		    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') "
		    "PORT(%d) CONTROL(QMGR)\n"
		    "START LISTENER(TCP)\n",
		    i, i + 1, i, ports[i]);
	qm_mqsc(&f->qm[i], text);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ports[N_QM];

	f->seed = test_seed("test_chain");
	tmpdir_make(&f->dir);
	for (int i = 0; i < N_QM; i++) {
		char name[] = {'Q', 'M', (char)('1' + i), '\0'};
		ports[i] = proc_free_port();
		qm_create(&f->qm[i], &f->dir, name);
		qm_tls(&f->qm[i], &f->dir);
		qm_record(&f->qm[i], NULL);
		qm_start(&f->qm[i]);
	}
	for (int i = N_QM - 1; i >= 0; i--)
		define(f, i, ports);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N_QM; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* Puts numbers [from, to) for END at QM3, in units of up to 20. */
static void
put_numbers(struct fixture *f, uint32_t from, uint32_t to)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_md md;
	unsigned char body[1000] = {0};

	OK(mqi_open(conn, "END", "QM3", MQI_OO_OUTPUT, &queue));
	while (from < to) {
		mqi_unit *unit = NULL;
		OK(mqi_begin(conn, &unit));
		for (int i = 0; i < 20 && from < to; i++, from++) {
			memcpy(body, &from, sizeof(from));
			mqi_md_init(&md);
			md.persistence = MQI_PERSISTENCE_YES;
			OK(mqi_put(
			    queue, unit, &md, body, sizeof(from) + from % 900));
		}
		OK(mqi_commit(unit));
	}
	OK(mqi_disconnect(conn));
}

static mqi_queue *
open_end(mqi_conn *conn)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(
	    conn, "END", NULL, MQI_OO_INPUT_SHARED | MQI_OO_INQUIRE, &queue));
	return queue;
}

/* Gets number `expected`, and no other. */
static void
get_number(mqi_queue *queue, uint32_t expected)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_msg *msg = NULL;
	uint32_t number;

	OK(mqi_get_msg(queue, NULL, &opts, &msg));
	assert_true(mqi_msg_len(msg) >= sizeof(number));
	memcpy(&number, mqi_msg_body(msg), sizeof(number));
	assert_int_equal(number, expected);
	assert_int_equal(mqi_msg_len(msg), sizeof(number) + number % 900);
	mqi_msg_free(msg);
}

/* Waits until `n` more have come to the end, or the deadline. */
static void
wait_for_depth(struct fixture *f, uint64_t n)
{
	mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
	mqi_queue *queue = open_end(conn);
	struct mqi_queue_info info = {0};
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		OK(mqi_inquire(queue, &info));
		if (info.depth >= n)
			break;
		if (test_now_ms() > end)
			proc_die(&f->qm[0].proc, "messages do not arrive");
		(void)poll(NULL, 0, 1);
	}
	OK(mqi_disconnect(conn));
}

static void
test_messages_pass_a_chain_once_and_in_order_while_each_is_killed(void **state)
{
	struct fixture *f = *state;
	const uint32_t per_round = 500;
	const uint32_t rounds = test_is_long() ? 60 : 6;
	uint32_t got = 0;

	for (uint32_t round = 0; round < rounds; round++) {
		struct qm *victim = &f->qm[round % N_QM];
		uint32_t put = (round + 1) * per_round;
		put_numbers(f, round * per_round, put);
		/* somewhere in the middle of it */
		wait_for_depth(f, 1 + mqrand_next(&f->seed) % (per_round / 2));
		proc_kill9(&victim->proc);
		qm_start(victim);
		mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
		mqi_queue *queue = open_end(conn);
		for (; got < put; got++)
			get_number(queue, got);
		OK(mqi_disconnect(conn));
	}
	/* nothing comes twice, later */
	mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
	mqi_queue *queue = open_end(conn);
	mqi_msg *msg = NULL;
	struct mqi_get_opts opts = {.wait_ms = 3000};
	assert_int_equal(
	    mqi_get_msg(queue, NULL, &opts, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
	printf("%u messages through three queue managers, %u kills\n", got,
	    rounds);
}

static void *
put_one(void *arg)
{
	put_numbers(arg, 0, 1);
	return NULL;
}

/* One message to the end, with flushes delayed (or taken out) at the first. */
static uint64_t
time_to_end(struct fixture *f)
{
	pthread_t thread;
	mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
	mqi_queue *queue = open_end(conn);

	f->qm[0].control->delay_ms = DELAY_MS;
	uint64_t start = test_now_ms();
	assert_int_equal(pthread_create(&thread, NULL, put_one, f), 0);
	get_number(queue, 0);
	uint64_t took = test_now_ms() - start;
	f->qm[0].control->delay_ms = 0;
	assert_int_equal(pthread_join(thread, NULL), 0);
	OK(mqi_disconnect(conn));
	return took;
}

/* One message is put at the first, flushes are delayed (or taken out) at the
 * second: how long until the first discards it. */
static uint64_t
time_to_discard(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_queue_info info = {0};

	OK(mqi_open(conn, "NEXT", NULL, MQI_OO_INQUIRE, &queue));
	f->qm[1].control->delay_ms = DELAY_MS;
	put_numbers(f, 0, 1);
	uint64_t start = test_now_ms(), took = 0;
	do {
		OK(mqi_inquire(queue, &info));
		took = test_now_ms() - start;
		if (took > PROC_DEADLINE_MS)
			proc_die(&f->qm[0].proc, "nothing is discarded");
	} while (info.depth > 0);
	f->qm[1].control->delay_ms = 0;
	OK(mqi_disconnect(conn));
	/* what comes behind it is behind every flush that is still delayed */
	put_numbers(f, 1, 2);
	conn = qm_connect(&f->qm[N_QM - 1]);
	queue = open_end(conn);
	get_number(queue, 0);
	get_number(queue, 1);
	OK(mqi_disconnect(conn));
	return took;
}

/* The channels run, and nothing is under way. */
static void
warm_up(struct fixture *f)
{
	put_numbers(f, 0, 1);
	wait_for_depth(f, 1);
	mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
	get_number(open_end(conn), 0);
	OK(mqi_disconnect(conn));
}

static void
test_no_channel_frame_leaves_before_its_flush(void **state)
{
	struct fixture *f = *state;

	warm_up(f);
	uint64_t took = time_to_end(f);
	printf("message through the channels after %llu ms\n",
	    (unsigned long long)took);
	assert_true(took >= DELAY_MS);
	f->qm[0].control->no_flush = 1;
	took = time_to_end(f);
	printf("with the flush taken out after %llu ms\n",
	    (unsigned long long)took);
	assert_true(took < DELAY_MS);
}

static void
test_nothing_is_discarded_before_the_partner_has_flushed_it(void **state)
{
	struct fixture *f = *state;

	warm_up(f);
	uint64_t took = time_to_discard(f);
	printf("discarded after %llu ms\n", (unsigned long long)took);
	assert_true(took >= DELAY_MS);
	f->qm[1].control->no_flush = 1;
	took = time_to_discard(f);
	printf("with the flush taken out after %llu ms\n",
	    (unsigned long long)took);
	assert_true(took < DELAY_MS);
}

/* Each flush takes longer than the time after which a silent partner is given
 * up, and nobody is. */
static void
test_heartbeats_do_not_wait_for_flushes(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	for (int i = 0; i + 1 < N_QM; i++) {
		char text[128];

		for (int end = 0; end < 2; end++) {
			(void)snprintf(text, sizeof(text),
			    "ALTER CHANNEL(QM%d.QM%d) CHLTYPE(%s) HBINT(1)\n",
			    i + 1, i + 2, end == 0 ? "SDR" : "RCVR");
			qm_mqsc(&f->qm[i + end], text);
		}
	}
	warm_up(f);
	for (int i = 0; i < N_QM; i++)
		f->qm[i].control->delay_ms = 3 * DELAY_MS;
	assert_int_equal(pthread_create(&thread, NULL, put_one, f), 0);
	mqi_conn *conn = qm_connect(&f->qm[N_QM - 1]);
	get_number(open_end(conn), 0);
	for (int i = 0; i < N_QM; i++)
		f->qm[i].control->delay_ms = 0;
	assert_int_equal(pthread_join(thread, NULL), 0);
	OK(mqi_disconnect(conn));
	for (int i = 0; i < N_QM; i++)
		assert_int_equal(
		    qm_log_count(&f->qm[i], "nothing was heard", ""), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(
		test_messages_pass_a_chain_once_and_in_order_while_each_is_killed),
	    TEST(test_no_channel_frame_leaves_before_its_flush),
	    TEST(test_nothing_is_discarded_before_the_partner_has_flushed_it),
	    TEST(test_heartbeats_do_not_wait_for_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

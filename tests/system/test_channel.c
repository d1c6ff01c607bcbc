/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel.c - one channel between two real queue managers over mutual
 * TLS: kill -9 of each of the four processes while messages flow, messages
 * that cannot be delivered, large ones, and a sender restored from a backup.
 *
 * The application that puts makes its units idempotent by a position of its
 * own (mqi_unit_position), so that the numbers it has put are known exactly
 * although its queue manager is killed under it.
 */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "proto/dlh.h"
#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"

struct fixture {
	struct pair p; /* the first: pair_teardown() */
	uint64_t seed;
	/* the application that puts */
	atomic_bool stop;
	uint32_t put; /* numbers 1..put are on their way */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->seed = test_seed("test_channel");
	pair_init(&f->p);
	qm_mqsc(&f->p.qm[1], "ALTER QMGR MAXMSGL(104857600)\n"
			     "ALTER QLOCAL(IN) MAXDEPTH(1000000) "
			     "MAXMSGL(104857600)\n"
			     "DEFINE QLOCAL(SMALL) DEFPSIST(YES) "
			     "MAXDEPTH(2)\n");
	qm_mqsc(&f->p.qm[0], "ALTER QMGR MAXMSGL(104857600)\n"
			     "ALTER QLOCAL(QM2) MAXDEPTH(1000000) "
			     "MAXMSGL(104857600)\n");
	pair_receiver(
	    &f->p, "QM1.QM2", "MRRTY(2) MRTMR(300) MAXMSGL(104857600)");
	pair_sender(&f->p, "QM1.QM2", "MAXMSGL(104857600)");
	*state = f;
	return 0;
}

/* ---- putting and getting ---- */

static mqi_queue *
open_queue(mqi_conn *conn, const char *name, uint32_t options)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, options, &queue));
	return queue;
}

static void
put_to(const struct qm *q, const char *queue, const char *qmgr,
    const void *body, size_t len)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *handle = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	(void)snprintf(md.format, sizeof(md.format), "MQSTR");
	OK(mqi_open(conn, queue, qmgr, MQI_OO_OUTPUT, &handle));
	OK(mqi_put(handle, NULL, &md, body, len));
	OK(mqi_disconnect(conn));
}

/* The others may be lost by a kill, but never come twice or out of order. */
static bool
is_persistent(uint32_t number)
{
	return number % 5 != 0;
}

/* Puts numbers after `done` until the connection breaks or it is told to stop;
 * returns the last one that is known to be done. */
static uint32_t
put_units(struct fixture *f, mqi_conn *conn, uint32_t done, uint64_t *seed)
{
	static const uint8_t stream[16] = {0x7e};
	unsigned char body[600] = {0};
	mqi_queue *queue = NULL;
	struct mqi_md md;

	if (mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue) != MQI_OK)
		return done;
	while (!atomic_load(&f->stop)) {
		uint32_t n = 1 + (uint32_t)(mqrand_next(seed) % 30);
		enum mqi_err err = MQI_OK;
		mqi_unit *unit = NULL;

		if (mqi_begin(conn, &unit) != MQI_OK)
			return done;
		for (uint32_t i = 1; i <= n && err == MQI_OK; i++) {
			uint32_t number = done + i;

			memcpy(body, &number, sizeof(number));
			mqi_md_init(&md);
			md.persistence = is_persistent(number)
					     ? MQI_PERSISTENCE_YES
					     : MQI_PERSISTENCE_NO;
			err = mqi_put_async(queue, unit, &md, body,
			    sizeof(number) + number % 500);
		}
		if (err == MQI_OK)
			err = mqi_unit_position(
			    unit, "TEST", stream, done, done + n);
		if (err != MQI_OK || mqi_commit(unit) != MQI_OK)
			return done;
		done += n;
		(void)poll(NULL, 0, 1);
	}
	return done;
}

/* The application: goes on, however often its queue manager dies. */
static void *
putter(void *arg)
{
	static const uint8_t stream[16] = {0x7e};
	struct fixture *f = arg;
	struct mqi_connect_opts opts = {
	    .root = f->p.qm[0].root, .app_name = "putter"};
	uint64_t seed = f->seed ^ 0x9e3779b97f4a7c15u;
	bool known = false;

	while (!atomic_load(&f->stop) || !known) {
		mqi_conn *conn = NULL;
		uint64_t position = 0;

		if (mqi_connect("QM1", &opts, &conn) != MQI_OK) {
			(void)poll(NULL, 0, 20);
			continue;
		}
		known = mqi_position_open(conn, "TEST", stream, &position) ==
			MQI_OK;
		if (known) {
			uint32_t done = (uint32_t)position;
			bool stopped = atomic_load(&f->stop);

			if (!stopped)
				done = put_units(f, conn, done, &seed);
			f->put = done;
			/* what was cut off is known after one more look */
			known = stopped;
		}
		(void)mqi_disconnect(conn);
	}
	return NULL;
}

/* Gets 1..last, and nothing else; returns how many non-persistent ones are
 * missing. */
static uint32_t
get_all(const struct qm *q, uint32_t last)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = open_queue(conn, "IN", MQI_OO_INPUT_SHARED);
	uint32_t expected = 1, missing = 0;
	mqi_msg *msg = NULL;

	while (mqi_poll(queue, NULL, &msg) == MQI_OK) {
		uint32_t number = 0;

		assert_true(mqi_msg_len(msg) >= sizeof(number));
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		for (; expected < number && !is_persistent(expected);
		     expected++)
			missing++;
		assert_int_equal(number, expected);
		assert_int_equal(
		    mqi_msg_len(msg), sizeof(number) + number % 500);
		mqi_msg_free(msg);
		expected++;
	}
	for (; expected <= last && !is_persistent(expected); expected++)
		missing++;
	assert_int_equal(expected, last + 1);
	OK(mqi_disconnect(conn));
	return missing;
}

/* Puts a last, persistent message, which is number f->put + 1 or the one
 * after it, and waits until everything has passed. */
static void
finish_putting(struct fixture *f)
{
	unsigned char body[600] = {0};
	uint32_t last = f->put + (is_persistent(f->put + 1) ? 1 : 2);

	memcpy(body, &last, sizeof(last));
	put_to(&f->p.qm[0], "IN", "QM2", body, sizeof(last) + last % 500);
	f->put = last;
	pair_wait_depth(&f->p, 0, "QM2", 0);
}

/* ---- killing ---- */

static void
kill_one(struct fixture *f, unsigned which)
{
	switch (which) {
	case 0:
		(void)qm_signal_agents(&f->p.qm[0], "dial", SIGKILL);
		break;
	case 1:
		(void)qm_signal_agents(&f->p.qm[1], "answer", SIGKILL);
		break;
	default:
		proc_kill9(&f->p.qm[which - 2].proc);
		qm_start(&f->p.qm[which - 2]);
		break;
	}
}

static void
test_nothing_is_lost_doubled_or_reordered_by_kill_9(void **state)
{
	struct fixture *f = *state;
	unsigned kills = test_is_long() ? 60 : 12;
	pthread_t thread;
	uint32_t missing;

	assert_int_equal(pthread_create(&thread, NULL, putter, f), 0);
	for (unsigned i = 0; i < kills; i++) {
		(void)poll(NULL, 0, 100 + (int)(mqrand_next(&f->seed) % 1500));
		kill_one(f, i < 4 ? i : mqrand_next(&f->seed) % 4);
	}
	atomic_store(&f->stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(f->put > 100);
	finish_putting(f);
	missing = get_all(&f->p.qm[1], f->put);
	printf("%u messages, %u kills; %u non-persistent ones lost\n", f->put,
	    kills, missing);
}

/* A receiver that hangs is given up after two heartbeats without a word; its
 * successor takes the position over, and what the old one does when it wakes
 * up has no effect. */
static void
test_a_hung_receiver_is_replaced(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	qm_mqsc(&f->p.qm[0], "ALTER CHANNEL(QM1.QM2) CHLTYPE(SDR) HBINT(1)\n");
	qm_mqsc(&f->p.qm[1], "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) HBINT(1)\n");
	put_to(&f->p.qm[0], "IN", "QM2", "one", 3);
	pair_wait_depth(&f->p, 1, "IN", 1);
	assert_int_equal(qm_signal_agents(&f->p.qm[1], "answer", SIGSTOP), 1);
	start = test_now_ms();
	put_to(&f->p.qm[0], "IN", "QM2", "two", 3);
	pair_wait_depth(&f->p, 1, "IN", 2);
	assert_true(test_now_ms() - start >= 1000);
	assert_int_equal(qm_signal_agents(&f->p.qm[1], "answer", SIGCONT), 2);
	put_to(&f->p.qm[0], "IN", "QM2", "three", 5);
	pair_wait_depth(&f->p, 0, "QM2", 0);
	assert_int_equal(qm_depth(&f->p.qm[1], "IN"), 3);
}

/* A sender whose partner takes nothing does not read its own queue manager
 * either, but still ends with it. */
static void
test_a_stalled_sender_ends_with_its_queue_manager(void **state)
{
	struct fixture *f = *state;
	const size_t len = 40u << 20;
	char *body = calloc(1, len);
	uint64_t end;

	qm_mqsc(
	    &f->p.qm[0], "ALTER CHANNEL(QM1.QM2) CHLTYPE(SDR) HBINT(300)\n");
	put_to(&f->p.qm[0], "IN", "QM2", "one", 3);
	pair_wait_depth(&f->p, 1, "IN", 1);
	assert_int_equal(qm_signal_agents(&f->p.qm[1], "answer", SIGSTOP), 1);
	put_to(&f->p.qm[0], "IN", "QM2", body, len);
	/* it stalls meanwhile; if it does not, this proves less */
	(void)poll(NULL, 0, 1000);
	proc_kill9(&f->p.qm[0].proc);
	end = test_now_ms() + PROC_DEADLINE_MS;
	while (qm_signal_agents(&f->p.qm[0], "dial", 0) > 0) {
		if (test_now_ms() > end)
			fail_msg("the sender goes on without a queue manager");
		(void)poll(NULL, 0, 20);
	}
	qm_start(&f->p.qm[0]);
	pair_wait_depth(&f->p, 1, "IN", 2);
	(void)qm_signal_agents(&f->p.qm[1], "answer", SIGCONT);
	pair_wait_depth(&f->p, 0, "QM2", 0);
	assert_int_equal(qm_depth(&f->p.qm[1], "IN"), 2);
	free(body);
}

/* ---- what cannot be delivered ---- */

static void
get_dead_letter(
    const struct qm *q, uint32_t reason, const char *queue, const char *body)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *dlq = open_queue(conn, DEAD_QUEUE, MQI_OO_INPUT_SHARED);
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_msg *msg = NULL;
	struct mqdlh h;

	OK(mqi_get_msg(dlq, NULL, &opts, &msg));
	assert_string_equal(mqi_msg_md(msg)->format, "MQDEAD");
	OK(mqdlh_decode(mqi_msg_body(msg), mqi_msg_len(msg), &h));
	assert_int_equal(h.reason, reason);
	assert_string_equal(h.queue, queue);
	assert_string_equal(h.qmgr, "QM2");
	assert_string_equal(h.format, "MQSTR");
	assert_int_equal(mqi_msg_len(msg), MQDLH_LEN + strlen(body));
	assert_memory_equal(
	    (const char *)mqi_msg_body(msg) + MQDLH_LEN, body, strlen(body));
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
}

/* The first dead letter, as a person sees it. */
static void
check_shown(const struct fixture *f, const char *expected)
{
	char bin[PATH_MAX], log[PATH_MAX], *out;

	proc_bin("mqget", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/mqget.log", f->p.dir.path);
	assert_int_equal(
	    proc_run((const char *const[]){bin, "--root", f->p.qm[1].root,
			 "--browse", "--wait", "30000", "--count", "1",
			 "--format", "json", f->p.qm[1].name, DEAD_QUEUE, NULL},
		"", log, &out),
	    0);
	if (strstr(out, expected) == NULL)
		fail_msg("%s is not in %s", expected, out);
	free(out);
}

static void
test_undeliverable_messages_are_dead_lettered_in_their_place(void **state)
{
	struct fixture *f = *state;

	put_to(&f->p.qm[0], "IN", "QM2", "before", 6);
	put_to(&f->p.qm[0], "NOSUCH", "QM2", "lost", 4);
	put_to(&f->p.qm[0], "SYSTEM.DEFAULT.LOCAL.QUEUE", "QM2", "sly", 3);
	put_to(&f->p.qm[0], "IN", "QM2", "after", 5);
	check_shown(f,
	    "\"deadLetter\":{\"reason\":2085,\"reasonName\":"
	    "\"UNKNOWN_OBJECT\",\"queue\":\"NOSUCH\",\"qmgr\":\"QM2\"");
	check_shown(f, "\"body\":\"lost\"");
	get_dead_letter(&f->p.qm[1], 2085, "NOSUCH", "lost");
	get_dead_letter(&f->p.qm[1], 2035, "SYSTEM.DEFAULT.LOCAL.QUEUE", "sly");
	pair_wait_depth(&f->p, 1, "IN", 2);
	for (int i = 0; i < 3; i++)
		put_to(&f->p.qm[0], "SMALL", "QM2", "full", 4);
	/* two fit; the third is tried for 2 x 300 ms first */
	get_dead_letter(&f->p.qm[1], 2053, "SMALL", "full");
	assert_int_equal(qm_depth(&f->p.qm[1], "SMALL"), 2);
	pair_wait_depth(&f->p, 0, "QM2", 0);
}

static void
test_without_a_dead_letter_queue_the_message_waits_at_the_sender(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->p.qm[1], "ALTER QMGR DEADQ(' ')\n");
	put_to(&f->p.qm[0], "IN", "QM2", "before", 6);
	put_to(&f->p.qm[0], "LATER", "QM2", "patience", 8);
	put_to(&f->p.qm[0], "IN", "QM2", "after", 5);
	pair_wait_depth(&f->p, 1, "IN", 1);
	pair_wait_depth(&f->p, 0, "QM2", 2);
	qm_mqsc(&f->p.qm[1], "DEFINE QLOCAL(LATER)\n");
	pair_wait_depth(&f->p, 1, "LATER", 1);
	pair_wait_depth(&f->p, 1, "IN", 2);
	pair_wait_depth(&f->p, 0, "QM2", 0);
}

/* QM1 thinks that QMX is behind QM2, and QM2 that it is behind QM1. */
static void
test_a_loop_ends_at_the_hop_limit(void **state)
{
	struct fixture *f = *state;
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char text[1024];

	qm_mqsc(&f->p.qm[0],
	    "DEFINE QREMOTE(QMX) RQMNAME(QMX) XMITQ(QM2)\n"
	    "ALTER QMGR HOPLIMIT(5)\n"
	    "DEFINE CHANNEL(QM2.QM1) CHLTYPE(RCVR) SSLPEER('CN=QM2')\n");
	qm_listen(&f->p.qm[0]);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QREMOTE(QMX) RQMNAME(QMX) XMITQ(QM1)\n"
	    "DEFINE QLOCAL(QM1) USAGE(XMITQ)\n"
	    "ALTER QMGR HOPLIMIT(5)\n"
	    "DEFINE CHANNEL(QM2.QM1) CHLTYPE(SDR) XMITQ(QM1) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM1') SHORTTMR(1)\n",
	    f->p.qm[0].port);
	qm_mqsc(&f->p.qm[1], text);
	put_to(&f->p.qm[0], "ANY", "QMX", "round", 5);
	while (qm_depth(&f->p.qm[0], DEAD_QUEUE) +
		   qm_depth(&f->p.qm[1], DEAD_QUEUE) ==
	       0) {
		if (test_now_ms() > end)
			proc_die(&f->p.qm[0].proc, "it goes round and round");
		(void)poll(NULL, 0, 20);
	}
	assert_true(qm_log_count(&f->p.qm[0], "reason=10018", "") +
			qm_log_count(&f->p.qm[1], "reason=10018", "") >
		    0);
	pair_wait_depth(&f->p, 0, "QM2", 0);
	pair_wait_depth(&f->p, 1, "QM1", 0);
}

/* ---- large ones ---- */

static void
test_large_messages_pass_unchanged(void **state)
{
	struct fixture *f = *state;
	const size_t sizes[] = {65519, 65520, 1048577, 30000000};
	mqi_conn *conn = NULL;
	mqi_queue *queue;

	for (size_t i = 0; i < MQ_ARRAY_LEN(sizes); i++) {
		struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
		uint64_t seed = i + 1;
		uint8_t *body = malloc(sizes[i]);
		mqi_msg *msg = NULL;

		for (size_t k = 0; k < sizes[i]; k++)
			body[k] = (uint8_t)(k % 4093 == 0 ? mqrand_next(&seed)
							  : k * 31);
		put_to(&f->p.qm[0], "IN", "QM2", body, sizes[i]);
		conn = qm_connect(&f->p.qm[1]);
		queue = open_queue(conn, "IN", MQI_OO_INPUT_SHARED);
		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		assert_int_equal(mqi_msg_len(msg), sizes[i]);
		assert_true(memcmp(mqi_msg_body(msg), body, sizes[i]) == 0);
		mqi_msg_free(msg);
		OK(mqi_disconnect(conn));
		free(body);
	}
}

/* ---- a restored backup ---- */

/* Stops it, and copies its directory. */
static void
stop_and_copy(struct qm *q, const char *from, const char *to)
{
	char cmd[3 * PATH_MAX];

	proc_stop(&q->proc);
	(void)snprintf(cmd, sizeof(cmd),
	    "rm -rf '%.1000s/%s' && cp -a '%.1000s/%s' '%.1000s/%s'", q->root,
	    to, q->root, from, q->root, to);
	assert_int_equal(system(cmd), 0);
	qm_start(q);
}

/* Two messages; the one between them is not in the restored manager. */
static void
restore_and_expect(struct fixture *f, int which, const char *text)
{
	struct qm *q = &f->p.qm[which];

	put_to(&f->p.qm[0], "IN", "QM2", "one", 3);
	pair_wait_depth(&f->p, 1, "IN", 1);
	pair_wait_depth(&f->p, 0, "QM2", 0);
	stop_and_copy(q, q->name, "backup");
	put_to(&f->p.qm[0], "IN", "QM2", "two", 3);
	pair_wait_depth(&f->p, 1, "IN", 2);
	pair_wait_depth(&f->p, 0, "QM2", 0);
	stop_and_copy(q, "backup", q->name);
	put_to(&f->p.qm[0], "IN", "QM2", "three", 5);
	pair_wait_log(&f->p, 0, 1, text, "");
	/* nothing is skipped, nothing comes twice */
	assert_int_equal(qm_depth(&f->p.qm[1], "IN"), which == 0 ? 2 : 1);
	assert_int_equal(qm_depth(&f->p.qm[0], "QM2"), 1);
}

static void
test_a_sender_restored_from_a_backup_is_refused_with_both_sides(void **state)
{
	restore_and_expect(*state, 0, "not in the stream's history");
}

static void
test_a_receiver_restored_from_a_backup_is_refused_with_both_sides(void **state)
{
	restore_and_expect(*state, 1, "its store was restored from a backup");
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, pair_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing_is_lost_doubled_or_reordered_by_kill_9),
	    TEST(test_a_hung_receiver_is_replaced),
	    TEST(test_a_stalled_sender_ends_with_its_queue_manager),
	    TEST(test_a_loop_ends_at_the_hop_limit),
	    TEST(test_undeliverable_messages_are_dead_lettered_in_their_place),
	    TEST(
		test_without_a_dead_letter_queue_the_message_waits_at_the_sender),
	    TEST(test_large_messages_pass_unchanged),
	    TEST(
		test_a_sender_restored_from_a_backup_is_refused_with_both_sides),
	    TEST(
		test_a_receiver_restored_from_a_backup_is_refused_with_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

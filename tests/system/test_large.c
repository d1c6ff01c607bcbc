/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_large.c - messages of 1 MiB and 100 MiB stream: through puts, gets,
 * units of work and a channel, and the queue managers, which they pass piece by
 * piece, never hold more of them than a bound, whatever is on its way.
 *
 * The bound is the kernel's (RLIMIT_DATA): a queue manager that wanted more
 * memory would end.  A build with sanitizers is not bounded, since most of its
 * memory is the sanitizer's.  What a large put costs others is measured by
 * `mqbench large`.
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
#include <sys/resource.h>

#include "tests/lib/qm.h"

#define MIB ((size_t)1024 * 1024)
#define LARGE (100 * MIB)
#define N_MEDIUM 40u
#define N_UNIT 3u
#define N_SMALL 200u
#define N_CLIENTS 3u
/* what a queue manager may hold beyond what it has when it is started */
#define MEMORY_LIMIT_KIB 24576u

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	unsigned n_qm;
	mqi_conn *conn;
	mqi_queue *queue;
	unsigned char *body; /* LARGE */
};

/* ---- queue managers that may not hold much ---- */

static unsigned long
status_kib(const struct qm *q, const char *name)
{
	char path[64], line[256], format[32];
	unsigned long kib = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)q->proc.pid);
	(void)snprintf(format, sizeof(format), "%s: %%lu kB", name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &kib) == 1)
			break;
	}
	(void)fclose(file);
	assert_true(kib > 0);
	return kib;
}

static void
limit_memory(const struct qm *q)
{
	struct rlimit rl = {0};

	if (test_is_slow())
		return;
	rl.rlim_cur = (status_kib(q, "VmData") + MEMORY_LIMIT_KIB) * 1024;
	rl.rlim_max = rl.rlim_cur;
	assert_int_equal(prlimit(q->proc.pid, RLIMIT_DATA, &rl, NULL), 0);
}

static void
make_one(struct fixture *f, const char *name)
{
	struct qm *q = &f->qm[f->n_qm++];

	qm_create(q, &f->dir, name);
	qm_tls(q, &f->dir);
	qm_start(q);
	qm_mqsc(q, "ALTER QMGR MAXMSGL(104857600)\n"
		   "DEFINE QLOCAL(Q) DEFPSIST(YES) MAXMSGL(104857600)\n"
		   "DEFINE QLOCAL(SMALL) DEFPSIST(YES)\n");
}

static int
setup_one(void **state, bool channel)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	f->body = malloc(LARGE);
	for (uint32_t i = 0; i < LARGE / 4; i++) {
		uint32_t v = i * 2654435761u;
		memcpy(f->body + 4 * (size_t)i, &v, sizeof(v));
	}
	make_one(f, "QM1");
	/* not the agents, which a test starts first */
	if (!channel)
		limit_memory(&f->qm[0]);
	f->conn = qm_connect(&f->qm[0]);
	OK(mqi_open(f->conn, "Q", NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE |
		MQI_OO_INQUIRE,
	    &f->queue));
	*state = f;
	return 0;
}

static int
setup(void **state)
{
	return setup_one(state, false);
}

static int
setup_channel(void **state)
{
	return setup_one(state, true);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)mqi_disconnect(f->conn);
	for (unsigned i = 0; i < f->n_qm; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f->body);
	free(f);
	return 0;
}

/* ---- messages ---- */

/* Parts of one body: message i begins at byte i. */
static void
put(struct fixture *f, mqi_queue *queue, mqi_unit *unit, uint32_t i, size_t len)
{
	assert_true(i + len <= LARGE + N_MEDIUM);
	if (i + len > LARGE)
		len = LARGE - i;
	OK(mqi_put(queue, unit, NULL, f->body + i, len));
}

static void
check(struct fixture *f, mqi_msg *msg, uint32_t i, size_t len)
{
	if (i + len > LARGE)
		len = LARGE - i;
	assert_int_equal(mqi_msg_len(msg), len);
	assert_int_equal(memcmp(mqi_msg_body(msg), f->body + i, len), 0);
	mqi_msg_free(msg);
}

static void
get(struct fixture *f, mqi_queue *queue, mqi_unit *unit, uint32_t i, size_t len)
{
	struct mqi_get_opts opts = {.wait_ms = 60000};
	mqi_msg *msg = NULL;

	OK(mqi_get_msg(queue, unit, &opts, &msg));
	check(f, msg, i, len);
}

static void
assert_empty(mqi_queue *queue)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
}

static void
print_memory(const struct fixture *f, const char *when)
{
	for (unsigned i = 0; i < f->n_qm; i++)
		(void)printf("%s: %s %lu KiB private\n", when, f->qm[i].name,
		    status_kib(&f->qm[i], "RssAnon"));
	(void)fflush(stdout);
}

/* ---- tests ---- */

static void
test_put_browse_and_get(void **state)
{
	struct fixture *f = *state;
	struct mqi_get_opts browse = {.options = MQI_GET_BROWSE_FIRST};
	mqi_msg *msg = NULL;

	for (uint32_t i = 0; i < N_MEDIUM; i++)
		put(f, f->queue, NULL, i, MIB);
	put(f, f->queue, NULL, 0, LARGE);
	OK(mqi_get_msg(f->queue, NULL, &browse, &msg));
	check(f, msg, 0, MIB);
	for (uint32_t i = 0; i < N_MEDIUM; i++)
		get(f, f->queue, NULL, i, MIB);
	OK(mqi_get_msg(f->queue, NULL, &browse, &msg));
	check(f, msg, 0, LARGE);
	get(f, f->queue, NULL, 0, LARGE);
	assert_empty(f->queue);
	print_memory(f, "put and got");
}

static void
test_read_ahead(void **state)
{
	struct fixture *f = *state;
	struct mqi_get_opts opts = {.wait_ms = 60000};
	mqi_msg *msg = NULL;

	for (uint32_t i = 0; i < N_MEDIUM; i++)
		put(f, f->queue, NULL, i, i % 20 == 0 ? LARGE : MIB);
	OK(mqi_read_ahead(f->queue, NULL));
	for (uint32_t i = 0; i < N_MEDIUM; i++) {
		OK(mqi_get_msg(f->queue, NULL, &opts, &msg));
		OK(mqi_ack(f->queue, msg));
		check(f, msg, i, i % 20 == 0 ? LARGE : MIB);
	}
	OK(mqi_flush(f->queue));
	print_memory(f, "read ahead");
}

static void
test_units_of_work(void **state)
{
	struct fixture *f = *state;
	mqi_unit *unit = NULL;

	OK(mqi_begin(f->conn, &unit));
	for (uint32_t i = 0; i < N_UNIT; i++)
		put(f, f->queue, unit, i, LARGE);
	OK(mqi_backout(unit));
	assert_empty(f->queue);
	OK(mqi_begin(f->conn, &unit));
	for (uint32_t i = 0; i < N_UNIT; i++)
		put(f, f->queue, unit, i, LARGE);
	put(f, f->queue, unit, 0, MIB);
	OK(mqi_commit(unit));
	for (int commit = 0; commit < 2; commit++) {
		OK(mqi_begin(f->conn, &unit));
		for (uint32_t i = 0; i < N_UNIT; i++)
			get(f, f->queue, unit, i, LARGE);
		get(f, f->queue, unit, 0, MIB);
		OK(commit ? mqi_commit(unit) : mqi_backout(unit));
	}
	assert_empty(f->queue);
	print_memory(f, "units of work");
}

/* Kill -9 with large messages there, on their way in, and in a unit. */
static void
test_kill(void **state)
{
	struct fixture *f = *state;
	struct mqi_queue_info info;
	mqi_unit *unit = NULL;

	put(f, f->queue, NULL, 0, LARGE);
	put(f, f->queue, NULL, 1, MIB);
	OK(mqi_begin(f->conn, &unit));
	put(f, f->queue, unit, 2, LARGE);
	proc_kill9(&f->qm[0].proc);
	assert_int_not_equal(mqi_commit(unit), MQI_OK);
	qm_start(&f->qm[0]);
	limit_memory(&f->qm[0]);
	OK(mqi_reconnect(f->conn, 0));
	OK(mqi_inquire(f->queue, &info));
	assert_int_equal(info.depth, 2);
	get(f, f->queue, NULL, 0, LARGE);
	get(f, f->queue, NULL, 1, MIB);
	assert_empty(f->queue);
}

struct client {
	pthread_t thread;
	struct fixture *f;
	mqi_conn *conn;
	mqi_queue *queue;
	enum mqi_err err;
};

static void *
put_large(void *arg)
{
	struct client *c = arg;

	c->err = mqi_put(c->queue, NULL, NULL, c->f->body, LARGE);
	return NULL;
}

/* Several at once, and small ones meanwhile, which all are answered. */
static void
test_many_at_once(void **state)
{
	struct fixture *f = *state;
	struct client c[N_CLIENTS] = {0};
	mqi_queue *small = NULL;

	OK(mqi_open(f->conn, "SMALL", NULL, MQI_OO_OUTPUT, &small));
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		c[i].f = f;
		c[i].conn = qm_connect(&f->qm[0]);
		OK(mqi_open(c[i].conn, "Q", NULL, MQI_OO_OUTPUT, &c[i].queue));
		assert_int_equal(
		    pthread_create(&c[i].thread, NULL, put_large, &c[i]), 0);
	}
	for (unsigned i = 0; i < N_SMALL; i++)
		OK(mqi_put(small, NULL, NULL, f->body, 1024));
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		assert_int_equal(pthread_join(c[i].thread, NULL), 0);
		OK(c[i].err);
		OK(mqi_disconnect(c[i].conn));
	}
	print_memory(f, "several at once");
	for (unsigned i = 0; i < N_CLIENTS; i++)
		get(f, f->queue, NULL, 0, LARGE);
	assert_empty(f->queue);
}

static void
test_channel(void **state)
{
	struct fixture *f = *state;
	mqi_queue *far = NULL, *arrived = NULL;
	char text[1024];
	int port = proc_free_port();

	make_one(f, "QM2");
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLPEER('CN=QM1') "
	    "MAXMSGL(104857600)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d)\n"
	    "START LISTENER(TCP)\n",
	    port);
	qm_mqsc(&f->qm[1], text);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ) MAXMSGL(104857600)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') SHORTRTY(1000) "
	    "SHORTTMR(1) MAXMSGL(104857600)\n",
	    port);
	qm_mqsc(&f->qm[0], text);
	OK(mqi_open(f->conn, "Q", "QM2", MQI_OO_OUTPUT, &far));
	mqi_conn *conn = qm_connect(&f->qm[1]);
	OK(mqi_open(conn, "Q", NULL, MQI_OO_INPUT_SHARED, &arrived));
	/* the agents, which hold one message, run from here on */
	put(f, far, NULL, 0, MIB);
	get(f, arrived, NULL, 0, MIB);
	for (unsigned i = 0; i < f->n_qm; i++)
		limit_memory(&f->qm[i]);
	for (uint32_t i = 0; i < N_UNIT; i++) {
		put(f, far, NULL, i, MIB);
		put(f, far, NULL, i, LARGE);
	}
	for (uint32_t i = 0; i < N_UNIT; i++) {
		get(f, arrived, NULL, i, MIB);
		get(f, arrived, NULL, i, LARGE);
	}
	OK(mqi_disconnect(conn));
	print_memory(f, "channel");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_put_browse_and_get),
	    TEST(test_read_ahead),
	    TEST(test_units_of_work),
	    TEST(test_kill),
	    TEST(test_many_at_once),
	    cmocka_unit_test_setup_teardown(
		test_channel, setup_channel, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

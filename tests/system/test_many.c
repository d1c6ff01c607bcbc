/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_many.c - 10,000 queues, 2,000 connections and 1,000 waiting getters: it
 * works, idle ones cost nothing per message, and a put wakes one getter.
 *
 * "Nothing" is counted, not timed: the loop thread's instructions and system
 * calls for the same puts and gets with the crowd and without (steps.h).  The
 * limits leave something for trees that are deeper and for turns that chance
 * divides otherwise: a look at each of the crowd would more than double both.
 * Memory is printed, and bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "tests/lib/qm.h"
#include "tests/lib/steps.h"
#include "tests/system/raw.h"

#define QUEUES (test_is_slow() ? 2000u : 10000u)
#define CONNECTIONS (test_is_slow() ? 500u : 2000u)
#define WAITERS (test_is_slow() ? 300u : 1000u)
#define WAITERS_MAX 1000u
#define ROUNDS_FEW 3u /* calls are cheaper to count than instructions */
#define ROUNDS_STEPS 12u
#define ROUNDS_CALLS 103u
#define BODY_LEN 100u
#define COST_LIMIT 1.5     /* instructions with the crowd against without */
#define CALLS_LIMIT 2.0    /* and calls, of which chance makes some more */
#define QUEUE_KIB 3.0      /* private memory of an idle queue */
#define CONNECTION_KIB 4.0 /* ... and connection with a handle */
#define QUIET_MS 50        /* nobody else is woken for so long */

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct raw_qmgr raw; /* the same queue manager, for raw clients */
	mqi_conn **crowd;
	struct raw_client waiters[WAITERS_MAX];
	uint32_t n_waiters;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(BUSY) DEFPSIST(YES)\n"
			"DEFINE QLOCAL(WAITED) DEFPSIST(YES)\n");
	(void)snprintf(f->raw.name, sizeof(f->raw.name), "%s", f->qm.name);
	(void)snprintf(
	    f->raw.run, sizeof(f->raw.run), "%.4000s/QM1/run", f->qm.root);
	f->crowd = calloc(CONNECTIONS, sizeof(mqi_conn *));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < CONNECTIONS; i++)
		(void)mqi_disconnect(f->crowd[i]);
	for (uint32_t i = 0; i < f->n_waiters; i++)
		raw_close(&f->waiters[i]);
	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f->crowd);
	free(f);
	return 0;
}

/* ---- counts ---- */

struct work {
	const struct qm *qm;
	unsigned rounds;
	bool only_put; /* to those who wait */
};

/* In a process of its own: what fails there says so by its end. */
static void
put_and_get(void *arg)
{
	const struct work *w = arg;
	unsigned char body[BODY_LEN] = {0};
	mqi_conn *conn = qm_connect(w->qm);
	mqi_queue *queue = NULL;
	size_t len;
	enum mqi_err err;

	err = mqi_open(conn, w->only_put ? "WAITED" : "BUSY", NULL,
	    MQI_OO_OUTPUT | (w->only_put ? 0 : MQI_OO_INPUT_SHARED), &queue);
	for (unsigned i = 0; i < w->rounds && err == MQI_OK; i++) {
		err = mqi_put(queue, NULL, NULL, body, sizeof(body));
		if (err == MQI_OK && !w->only_put)
			err = mqi_get(
			    queue, NULL, NULL, body, sizeof(body), NULL, &len);
	}
	if (err == MQI_OK)
		err = mqi_disconnect(conn);
	if (err != MQI_OK)
		abort();
}

struct cost {
	double instructions;
	double calls;
};

/* Per round, without connecting. */
static double
cost_of(const struct qm *qm, enum steps_kind kind, bool only_put)
{
	unsigned rounds = kind == STEPS_CALLS ? ROUNDS_CALLS : ROUNDS_STEPS;
	struct work few = {qm, ROUNDS_FEW, only_put};
	struct work more = {qm, rounds, only_put};
	uint64_t a = steps_count(&qm->proc, kind, put_and_get, &few);
	uint64_t b = steps_count(&qm->proc, kind, put_and_get, &more);

	assert_true(b > a);
	return (double)(b - a) / (rounds - ROUNDS_FEW);
}

static struct cost
measure(const struct qm *qm, bool only_put, const char *when)
{
	struct cost c = {.calls = cost_of(qm, STEPS_CALLS, only_put)};

	/* those of a sanitizer tell nothing, and take minutes */
	if (!test_is_slow())
		c.instructions = cost_of(qm, STEPS_INSTRUCTIONS, only_put);

	(void)printf("%s: %.0f instructions, %.2f system calls\n", when,
	    c.instructions, c.calls);
	(void)fflush(stdout);
	return c;
}

/* with: of the same with a crowd */
static void
check_cost(const struct cost *with, const struct cost *without)
{
	assert_true(with->calls < without->calls * CALLS_LIMIT);
	if (!test_is_slow())
		assert_true(
		    with->instructions < without->instructions * COST_LIMIT);
}

static unsigned long
private_kib(const struct qm *q)
{
	char path[64], line[256];
	unsigned long kib = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)q->proc.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
			break;
	}
	(void)fclose(file);
	return kib;
}

static void
check_memory(unsigned long before, unsigned long after, uint32_t n,
    double limit, const char *what)
{
	double each = (double)after - (double)before;

	each /= n;
	(void)printf("%s: %.2f KiB private each\n", what, each);
	(void)fflush(stdout);
	if (!test_is_slow())
		assert_true(each < limit);
}

/* ---- crowds ---- */

static void
define_queues(struct fixture *f)
{
	size_t size = QUEUES * (size_t)64, len = 0;
	char *text = malloc(size);

	for (uint32_t i = 0; i < QUEUES; i++)
		len += (size_t)snprintf(text + len, size - len,
		    "DEFINE QLOCAL(CROWD.%05u) DEFPSIST(YES)\n", i);
	qm_mqsc(&f->qm, text);
	free(text);
}

static void
display_queues(struct fixture *f)
{
	char bin[PATH_MAX], log[PATH_MAX], *out;
	uint32_t n = 0;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/display", f->dir.path);
	assert_int_equal(proc_run((const char *const[]){bin, "mqsc", "QM1",
				      "--root", f->qm.root, NULL},
			     "DISPLAY QLOCAL(CROWD.*) CURDEPTH\n", log, &out),
	    0);
	for (const char *p = out; (p = strstr(p, "QUEUE(CROWD.")); p++)
		n++;
	free(out);
	assert_int_equal(n, QUEUES);
}

static void
connect_crowd(struct fixture *f)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		char name[32];
		mqi_queue *queue = NULL;

		f->crowd[i] = qm_connect(&f->qm);
		(void)snprintf(name, sizeof(name), "CROWD.%05u", i % QUEUES);
		OK(mqi_open(f->crowd[i], name, NULL,
		    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &queue));
	}
}

static void
use_crowd(struct fixture *f)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		char name[32];
		unsigned char body[BODY_LEN] = {0};
		mqi_queue *queue = NULL;
		size_t len;

		(void)snprintf(name, sizeof(name), "CROWD.%05u", i % QUEUES);
		OK(mqi_open(f->crowd[i], name, NULL,
		    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &queue));
		OK(mqi_put(queue, NULL, NULL, body, sizeof(body)));
		OK(mqi_get(queue, NULL, NULL, body, sizeof(body), NULL, &len));
		OK(mqi_close(queue));
	}
}

/* A client with one get that waits. */
static void
add_waiter(struct fixture *f)
{
	struct raw_client *c = &f->waiters[f->n_waiters++];
	struct mqlocal_open open = {.options = MQI_OO_INPUT_SHARED};
	struct mqlocal_get get = {
	    .wait_ms = MQI_WAIT_FOREVER, .max_len = UINT32_MAX};
	struct mqlocal_open_ok opened;
	struct mqframe frame;
	struct mqbuf b;
	size_t used;

	raw_hello(c, &f->raw);
	(void)snprintf(open.object, sizeof(open.object), "WAITED");
	mqbuf_init(&b, 4096);
	mqlocal_encode_open(&b, 1, &open);
	raw_send_buf(c, &b);
	assert_true(raw_recv(c, &frame, &used));
	assert_int_equal(frame.type, MQLOCAL_OPEN_OK);
	OK(mqlocal_decode_open_ok(&frame, &opened));
	mqbuf_consume(&c->in, used);
	get.handle = opened.handle;
	mqbuf_init(&b, 4096);
	mqlocal_encode_get(&b, 2, &get);
	raw_send_buf(c, &b);
	/* answered behind the get, which so is known to wait */
	raw_ping(c, 3);
}

/* How many of those who wait have an answer, now that one must. */
static uint32_t
count_woken(struct fixture *f)
{
	struct pollfd p[WAITERS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_waiters; i++)
		p[i] =
		    (struct pollfd){.fd = f->waiters[i].fd, .events = POLLIN};
	assert_true(poll(p, f->n_waiters, PROC_DEADLINE_MS) >= 1);
	(void)poll(NULL, 0, QUIET_MS);
	assert_true(poll(p, f->n_waiters, 0) >= 1);
	for (uint32_t i = f->n_waiters; i-- > 0;) {
		if (p[i].revents == 0)
			continue;
		n++;
		raw_close(&f->waiters[i]);
		f->waiters[i] = f->waiters[--f->n_waiters];
	}
	return n;
}

/* ---- tests ---- */

static void
test_idle_queues_and_connections_cost_nothing(void **state)
{
	struct fixture *f = *state;
	struct cost alone = measure(&f->qm, false, "alone");
	unsigned long kib = private_kib(&f->qm), more;
	struct cost crowded;
	uint64_t start;

	define_queues(f);
	more = private_kib(&f->qm);
	check_memory(kib, more, QUEUES, QUEUE_KIB, "queue");
	display_queues(f);
	kib = private_kib(&f->qm);
	connect_crowd(f);
	more = private_kib(&f->qm);
	check_memory(kib, more, CONNECTIONS, CONNECTION_KIB, "connection");
	for (uint32_t i = 0; i < WAITERS; i++)
		add_waiter(f);
	crowded = measure(&f->qm, false, "in the crowd");
	check_cost(&crowded, &alone);
	use_crowd(f);
	/* all are there after a start */
	proc_kill9(&f->qm.proc);
	start = test_now_ms();
	qm_start(&f->qm);
	(void)printf("started with them in %llu ms, %lu KiB private\n",
	    (unsigned long long)(test_now_ms() - start), private_kib(&f->qm));
	display_queues(f);
	proc_stop(&f->qm.proc);
}

static void
test_a_put_wakes_one_getter(void **state)
{
	struct fixture *f = *state;
	struct work one = {&f->qm, 1, true};
	/* one for each put of measure() */
	uint32_t puts = ROUNDS_FEW + ROUNDS_CALLS +
			(test_is_slow() ? 0 : ROUNDS_FEW + ROUNDS_STEPS);
	struct cost few, many;

	while (f->n_waiters < puts)
		add_waiter(f);
	few = measure(&f->qm, true, "few wait");
	assert_true(count_woken(f) == puts);
	while (f->n_waiters < WAITERS)
		add_waiter(f);
	many = measure(&f->qm, true, "many wait");
	assert_true(count_woken(f) == puts);
	check_cost(&many, &few);
	for (unsigned i = 0; i < 10; i++) {
		put_and_get(&one);
		assert_int_equal(count_woken(f), 1);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_idle_queues_and_connections_cost_nothing),
	    TEST(test_a_put_wakes_one_getter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

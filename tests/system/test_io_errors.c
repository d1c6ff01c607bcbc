/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_io_errors.c - the Nth write, flush or allocation of the store fails with
 * EIO or ENOSPC, for many N: at a start, in service and at a stop.  The queue
 * manager ends by itself and says why in one line, or goes on if what failed
 * was not needed; either way nothing acknowledged is lost or doubled, and
 * every unit is whole (checker.h).
 *
 * Rounds share one store and one history: what one lost shows in the next.
 * MQ_SEED replays a run.  --long takes every N up to MAX_N for every kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/rand.h"
#include "tests/lib/workload.h"

#define MAX_N 300u
#define STARTUP_N 8u /* the first ones, each */
#define SAMPLE 8u    /* of the others, by chance */
#define LARGE ((size_t)8 << 20)
#define GROWTH 40u /* large messages: more than the file reserves at once */

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct checker *checker;
	struct workload workload;
	uint64_t seed;
	long log_at; /* what the log says from here on is of this round */
	unsigned ended, went_on, at_start;
};

static const struct fault {
	const char *name;
	unsigned kinds;
	int errnum;
} faults[] = {
    {"flush", RECORDER_CALL_FLUSH, EIO},
    {"flush", RECORDER_CALL_FLUSH, ENOSPC},
    {"write", RECORDER_CALL_WRITE, EIO},
    {"write", RECORDER_CALL_WRITE, ENOSPC},
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->seed = test_seed("test_io_errors");
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, WORKLOAD_MQSC "DEFINE QLOCAL(L) DEFPSIST(YES) "
				      "MAXMSGL(104857600)\n"
				      "ALTER QMGR MAXMSGL(104857600)\n");
	proc_stop(&f->qm.proc);
	qm_record(&f->qm, NULL);
	f->checker = checker_new(NULL);
	f->workload = (struct workload){
	    .qm = &f->qm, .checker = f->checker, .rounds = 40};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	checker_free(f->checker);
	free(f);
	return 0;
}

/* ---- the log ---- */

static void
mark_log(struct fixture *f)
{
	FILE *file = fopen(f->qm.proc.log, "r");

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	f->log_at = ftell(file);
	(void)fclose(file);
}

/* Lines of this round that have both texts. */
static unsigned
count_lines(const struct fixture *f, const char *a, const char *b)
{
	FILE *file = fopen(f->qm.proc.log, "r");
	char line[4096];
	unsigned n = 0;

	assert_non_null(file);
	assert_int_equal(fseek(file, f->log_at, SEEK_SET), 0);
	while (fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, a) != NULL && strstr(line, b) != NULL;
	(void)fclose(file);
	return n;
}

/* ---- a fault ---- */

static void
set_fault(struct fixture *f, const struct fault *fault, uint64_t n)
{
	struct recorder_control *c = f->qm.control;

	c->fail_calls = 0;
	c->fail_kinds = fault ? fault->kinds : 0;
	c->fail_errno = fault ? (uint64_t)fault->errnum : 0;
	c->fail_at = n;
}

static void
fail_round(const struct fixture *f, const struct fault *fault, uint64_t n,
    const char *why)
{
	proc_print_log(&f->qm.proc);
	fail_msg("%s %llu, %s: %s", fault->name, (unsigned long long)n,
	    strerror(fault->errnum), why);
}

/* It has ended, by itself; it must have said why, once. */
static void
check_last_words(struct fixture *f, const struct fault *fault, uint64_t n,
    int status, bool served)
{
	const char *why = strerror(fault->errnum);

	if (!WIFEXITED(status) || WEXITSTATUS(status) == 0)
		fail_round(f, fault, n, "it did not end with a status");
	if (count_lines(f, why, "") == 0)
		fail_round(f, fault, n, "it did not say why");
	if (served && (count_lines(f, " fatal ", why) != 1 ||
			  count_lines(f, " fatal ", "") != 1))
		fail_round(f, fault, n, "not one line says why it ended");
}

static void
judge(struct fixture *f, const struct fault *fault, uint64_t n)
{
	struct checker_drained *drained;
	struct checker_report r;
	size_t count;
	bool ok = workload_drain(&f->qm, true, &drained, &count);

	ok = checker_judge(f->checker, CHECKER_NOW, drained, count, true, &r) &&
	     ok;
	if (!ok) {
		checker_print(&r, fault->name);
		fail_round(f, fault, n, "messages are lost or doubled");
	}
	workload_tell_drained(f->checker, drained, count);
	free(drained);
}

/* Starts with the fault set, and works until it has struck, or everything is
 * done; stops it, in which the fault may strike too. */
static void
suffer(struct fixture *f, const struct fault *fault, uint64_t n)
{
	struct workload *w = &f->workload;
	const char *why = strerror(fault->errnum);
	mqi_conn *conn;
	int status = 0;

	set_fault(f, fault, n);
	mark_log(f);
	qm_spawn(&f->qm);
	conn = qm_try_connect(&f->qm);
	if (conn == NULL) {
		/* it was reaped by the look whether it runs */
		f->at_start++;
		if (count_lines(f, why, "") == 0)
			fail_round(f, fault, n, "it did not say why");
		return;
	}
	(void)mqi_disconnect(conn);
	w->seed = mqrand_next(&f->seed);
	workload_run(w);
	assert_int_equal(w->faults, 0);
	if (w->broken == 0) {
		f->went_on++;
		(void)kill(f->qm.proc.pid, SIGTERM);
	} else {
		f->ended++;
	}
	status = proc_wait(&f->qm.proc);
	/* it strikes in service, at the end, or what is not needed */
	if (w->broken != 0 || status != 0 ||
	    count_lines(f, "store.failed", why) > 0)
		check_last_words(f, fault, n, status, true);
	else if (f->qm.control->fail_calls >= n &&
		 count_lines(f, "journal.no_file", why) == 0)
		fail_round(f, fault, n, "it went on as if nothing had been");
}

static void
run_round(struct fixture *f, const struct fault *fault, uint64_t n)
{
	suffer(f, fault, n);
	set_fault(f, NULL, 0);
	qm_start(&f->qm);
	judge(f, fault, n);
	proc_stop(&f->qm.proc);
}

static void
test_writes_and_flushes_fail(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MQ_ARRAY_LEN(faults); i++) {
		unsigned n_rounds = test_is_long() ? MAX_N : STARTUP_N + SAMPLE;

		f->ended = f->went_on = f->at_start = 0;
		for (unsigned k = 1; k <= n_rounds; k++)
			run_round(f, &faults[i],
			    k <= STARTUP_N || test_is_long()
				? k
				: 1 + mqrand_next(&f->seed) % MAX_N);
		(void)printf(
		    "%s, %s: ended %u at the start, %u in service; went on "
		    "%u\n",
		    faults[i].name, strerror(faults[i].errnum), f->at_start,
		    f->ended, f->went_on);
		(void)fflush(stdout);
		/* else the sweep did not sweep */
		assert_true(f->at_start > 0 && f->ended > 0);
	}
}

/* ---- a stop ---- */

/* The journal has everything, LMDB gets nothing: that is no clean stop. */
static void
test_the_last_checkpoint_fails(void **state)
{
	struct fixture *f = *state;
	const struct fault *broken = &faults[0];
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *conn;

	qm_start(&f->qm);
	conn = qm_connect(&f->qm);
	assert_int_equal(
	    mqi_open(conn, "L", NULL, MQI_OO_OUTPUT, &queue), MQI_OK);
	assert_int_equal(mqi_put(queue, NULL, NULL, "x", 1), MQI_OK);
	set_fault(f, broken, 1);
	mark_log(f);
	(void)kill(f->qm.proc.pid, SIGTERM);
	check_last_words(f, broken, 1, proc_wait(&f->qm.proc), true);
	(void)mqi_disconnect(conn);
	set_fault(f, NULL, 0);
	qm_start(&f->qm);
	conn = qm_connect(&f->qm);
	assert_int_equal(
	    mqi_open(conn, "L", NULL, MQI_OO_INPUT_SHARED, &queue), MQI_OK);
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_OK);
	mqi_msg_free(msg);
	(void)mqi_disconnect(conn);
	proc_stop(&f->qm.proc);
}

/* ---- allocations, which come when the file grows ---- */

/* Puts large messages until one fails; returns how many were acknowledged, and
 * why it ended. */
static uint32_t
put_large(struct fixture *f, enum mqi_err *ret_err)
{
	mqi_conn *conn = qm_connect(&f->qm);
	unsigned char *body = calloc(1, LARGE);
	mqi_queue *queue = NULL;
	uint32_t n = 0;

	*ret_err = mqi_open(conn, "L", NULL, MQI_OO_OUTPUT, &queue);
	while (*ret_err == MQI_OK && n < GROWTH) {
		memcpy(body, &n, sizeof(n));
		*ret_err = mqi_put(queue, NULL, NULL, body, LARGE);
		n += *ret_err == MQI_OK;
	}
	free(body);
	(void)mqi_disconnect(conn);
	return n;
}

/* Gets what is there, which must be 0, 1, 2, ...; returns how many. */
static uint32_t
get_large(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	uint32_t n = 0, number;
	enum mqi_err err;

	assert_int_equal(
	    mqi_open(conn, "L", NULL, MQI_OO_INPUT_SHARED, &queue), MQI_OK);
	while ((err = mqi_poll(queue, NULL, &msg)) == MQI_OK) {
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_int_equal(number, n);
		assert_int_equal(mqi_msg_len(msg), LARGE);
		mqi_msg_free(msg);
		n++;
	}
	assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
	(void)mqi_disconnect(conn);
	return n;
}

static void
test_an_allocation_fails(void **state)
{
	static const struct fault broken = {
	    "allocation", RECORDER_CALL_ALLOCATE, EIO};
	struct fixture *f = *state;
	enum mqi_err err;
	uint32_t n, left;

	qm_start(&f->qm);
	set_fault(f, &broken, 1);
	mark_log(f);
	n = put_large(f, &err);
	assert_int_not_equal(err, MQI_OK);
	check_last_words(f, &broken, 1, proc_wait(&f->qm.proc), true);
	set_fault(f, NULL, 0);
	qm_start(&f->qm);
	left = get_large(f);
	/* one is of unknown outcome */
	assert_true(left == n || left == n + 1);
	proc_stop(&f->qm.proc);
}

/* A disk that has no more at one time has at another. */
static void
test_an_allocation_finds_no_room(void **state)
{
	static const struct fault full = {
	    "allocation", RECORDER_CALL_ALLOCATE, ENOSPC};
	struct fixture *f = *state;
	enum mqi_err err;

	qm_start(&f->qm);
	set_fault(f, &full, 1);
	assert_int_equal(put_large(f, &err), GROWTH);
	assert_int_equal(err, MQI_OK);
	assert_true(f->qm.control->fail_calls >= 1);
	assert_int_equal(get_large(f), GROWTH);
	proc_stop(&f->qm.proc);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_writes_and_flushes_fail),
	    TEST(test_the_last_checkpoint_fails),
	    TEST(test_an_allocation_fails),
	    TEST(test_an_allocation_finds_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

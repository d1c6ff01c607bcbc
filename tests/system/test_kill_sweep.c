/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kill_sweep.c - kill -9 of qmgr at its Nth write or flush, for many N,
 * while applications put and get; after each, nothing acknowledged is lost or
 * doubled and every unit is whole (checker.h).
 *
 * Rounds share one store and one history: what round 3 lost or doubled shows
 * at the latest in round 4.  A round: start with the death set, run clients
 * until it strikes, sometimes let it strike again during recovery, start, get
 * all that is left, judge.  The first rounds take N = 1, 2, 3, ... from the
 * start on; the others count from when it serves, N by chance, printed with the
 * seed; --long takes every N from the start on, and those of a
 * busy time from when it serves.
 *
 * The same with a failure (EIO) of the Nth call instead of a death: the queue
 * manager must answer nobody whose work was not written, and end by itself.
 *
 * The page cache survives kill -9: what this cannot see, test_images does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "tests/lib/workload.h"

#define STARTUP_ROUNDS 10u
#define MAX_N 500u
#define SERVING_N 150u /* a round of the clients makes more calls */
#define LONG_ROUNDS (3 * MAX_N)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct checker *checker;
	struct workload workload; /* keeps the positions from round to round */
	uint64_t seed;
	uint64_t strike_at; /* call number, from the start on */
	unsigned struck;    /* rounds in which the strike came in service */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->seed = test_seed("test_kill_sweep");
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, WORKLOAD_MQSC);
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

enum strike { DEATH, FAILURE };

/* At this call from the start on; 0: never. */
static void
set_strike(struct fixture *f, enum strike strike, uint64_t at)
{
	f->strike_at = at;
	f->qm.control->kill_at = strike == DEATH ? at : 0;
	f->qm.control->fail_at = strike == FAILURE ? at : 0;
}

/* Starts it with a strike set; true if it came to serve. */
static bool
start_to_die(struct fixture *f, enum strike strike, uint64_t n)
{
	struct recorder_control *c = f->qm.control;

	c->calls = 0;
	c->kill_tears = mqrand_next(&f->seed) & 1;
	set_strike(f, strike, n);
	qm_spawn(&f->qm);
	mqi_conn *conn = qm_try_connect(&f->qm);
	if (!conn)
		return false;
	(void)mqi_disconnect(conn);
	return true;
}

static void
judge(struct fixture *f, uint64_t n, struct checker_report *ret_report)
{
	struct checker_drained *drained;
	size_t count;

	bool ok = workload_drain(&f->qm, true, &drained, &count);
	ok = checker_judge(
		 f->checker, CHECKER_NOW, drained, count, true, ret_report) &&
	     ok;
	if (!ok) {
		printf("killed at call %llu\n", (unsigned long long)n);
		checker_print(ret_report, "kill sweep");
		proc_print_log(&f->qm.proc);
	}
	assert_true(ok);
	workload_tell_drained(f->checker, drained, count);
	free(drained);
}

/* After a strike in service it must end, by itself if it was a failure. */
static void
check_end(struct fixture *f, unsigned broken)
{
	int status = 0;

	if (f->qm.control->calls < f->strike_at)
		return;
	f->struck++;
	if (!f->qm.proc.pid)
		return;
	/* some calls may fail without harm, and nobody is cut off then */
	if (broken)
		status = proc_wait(&f->qm.proc);
	assert_true(!broken || status != 0);
}

static void
run_round(struct fixture *f, enum strike strike, uint64_t n, bool serving,
    struct checker_report *ret_report)
{
	struct workload *w = &f->workload;

	w->seed = mqrand_next(&f->seed);
	if (start_to_die(f, strike, serving ? 0 : n)) {
		if (serving)
			set_strike(f, strike, f->qm.control->calls + n);
		workload_run(w);
		assert_int_equal(w->faults, 0);
		check_end(f, w->broken);
	}
	proc_kill9(&f->qm.proc);
	if (mqrand_next(&f->seed) % 4 == 0) {
		/* again, while it recovers */
		(void)start_to_die(f, strike, 1 + mqrand_next(&f->seed) % 12);
		proc_kill9(&f->qm.proc);
	}
	set_strike(f, strike, 0);
	qm_start(&f->qm);
	judge(f, n, ret_report);
	proc_stop(&f->qm.proc);
}

static void
sweep(struct fixture *f, enum strike strike, unsigned n_rounds)
{
	struct checker_report r = {0};

	for (unsigned i = 1; i <= n_rounds; i++) {
		bool serving = i > (test_is_long() ? MAX_N : STARTUP_ROUNDS);
		uint64_t n = i - 1;

		if (serving && !test_is_long())
			n = mqrand_next(&f->seed);
		n = 1 + n % (serving ? SERVING_N : MAX_N);
		run_round(f, strike, n, serving, &r);
	}
	checker_print(&r, strike == DEATH ? "kill sweep" : "failure sweep");
	printf("%u rounds, %u strikes while it served\n", n_rounds, f->struck);
	/* else the sweep did not sweep */
	assert_true(f->struck > n_rounds / 2);
	assert_true(r.delivered > n_rounds);
}

static unsigned
rounds(unsigned sample)
{
	if (test_is_long())
		return LONG_ROUNDS;
	return test_is_slow() ? sample / 2 : sample;
}

static void
test_nothing_is_lost_or_doubled_by_kill_at_any_write(void **state)
{
	sweep(*state, DEATH, rounds(120));
}

static void
test_nothing_is_lost_or_doubled_when_any_write_fails(void **state)
{
	sweep(*state, FAILURE, rounds(60));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing_is_lost_or_doubled_by_kill_at_any_write),
	    TEST(test_nothing_is_lost_or_doubled_when_any_write_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

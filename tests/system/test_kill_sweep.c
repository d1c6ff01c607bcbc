/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kill_sweep.c - kill -9 of qmgr at its Nth write or flush, for many N,
 * while applications put and get; after each, nothing acknowledged is lost or
 * doubled and every unit is whole (checker.h).
 *
 * Rounds share one store and one history: what round 3 lost or doubled shows
 * at the latest in round 4.  A round: start with the death set, run clients
 * until it strikes, sometimes let it strike again during recovery, start, get
 * all that is left, judge.  The first rounds take N = 1, 2, 3, ... (start-up);
 * the others by chance, printed with the seed; --long takes every N.
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
#define LONG_ROUNDS 1500u
#define MAX_N 500u

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct checker *checker;
	uint64_t seed;
	unsigned struck; /* rounds in which the death came */
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

/* Starts it with a death set; true if it came to serve. */
static bool
start_to_die(struct fixture *f, uint64_t n)
{
	f->qm.control->calls = 0;
	f->qm.control->kill_tears = mqrand_next(&f->seed) & 1;
	f->qm.control->kill_at = n;
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

static void
run_round(struct fixture *f, uint64_t n, struct checker_report *ret_report)
{
	struct workload w = {.qm = &f->qm,
	    .checker = f->checker,
	    .seed = mqrand_next(&f->seed),
	    .rounds = 40};

	if (start_to_die(f, n))
		workload_run(&w);
	assert_int_equal(w.faults, 0);
	f->struck += f->qm.control->calls >= n;
	proc_kill9(&f->qm.proc);
	if (mqrand_next(&f->seed) % 4 == 0) {
		/* again, while it recovers */
		(void)start_to_die(f, 1 + mqrand_next(&f->seed) % 12);
		proc_kill9(&f->qm.proc);
	}
	f->qm.control->kill_at = 0;
	qm_start(&f->qm);
	judge(f, n, ret_report);
	proc_stop(&f->qm.proc);
}

static void
test_nothing_is_lost_or_doubled_by_kill_at_any_write(void **state)
{
	struct fixture *f = *state;
	struct checker_report r = {0};
	unsigned rounds = test_is_long()   ? LONG_ROUNDS
			  : test_is_slow() ? 30
					   : 80;

	for (unsigned i = 1; i <= rounds; i++) {
		uint64_t n = i <= STARTUP_ROUNDS || test_is_long()
				 ? i
				 : 1 + mqrand_next(&f->seed) % MAX_N;
		run_round(f, n, &r);
	}
	checker_print(&r, "kill sweep");
	printf("%u rounds, %u deaths at the call set\n", rounds, f->struck);
	/* else the sweep did not sweep */
	assert_true(f->struck > rounds / 2);
	assert_true(r.delivered > rounds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_nothing_is_lost_or_doubled_by_kill_at_any_write, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

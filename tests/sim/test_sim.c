/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sim.c - the simulation (sim.h) by seeds: 500, or 10,000 with MQ_LONG,
 * and triangles that live through many rounds of faults: ten minutes of their
 * time, or ten hours.  MQ_SEED=n runs one, in this process; MQ_TRACE=1 tells
 * what happens; MQ_SEEDS says how many.
 *
 * Seeds run in a child, which says in shared memory which one it is at, so
 * that a failed assertion names its seed, too; one that fails runs once more
 * with all that it says.  The other tests break a rule on purpose: the same
 * seeds must notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sim/sim.h"

#define SEEDS 500u
#define SEEDS_LONG 10000u
#define ROUNDS 12u
#define TRIANGLE_US UINT64_C(600000000)
#define TRIANGLE_LONG_US UINT64_C(36000000000)
#define SEED_S 120u /* one that takes longer goes round in circles */

/* These seeds, until so much of the worlds' time has passed (0: all). */
struct runs {
	uint64_t first, n, us;
	struct sim_plan plan;
};

/* What the child tells. */
struct told {
	uint64_t seed;
	uint64_t runs, failures, first_failure;
	uint64_t random; /* where the sequence of all runs ended */
	uint64_t steps, msgs, crashes, kills, cuts, audits, channels, resolved,
	    forgotten;
	uint64_t now_us, slowest_us; /* of the worlds' time */
	char why[512];
};

static uint64_t
from_env(const char *name, uint64_t dflt)
{
	const char *v = getenv(name);

	return v != NULL ? strtoull(v, NULL, 0) : dflt;
}

static void
add(struct told *t, const struct sim *s)
{
	t->runs++;
	t->random = t->random * 31 + s->random;
	t->steps += s->steps;
	t->msgs += s->n_judged;
	t->now_us += s->now_us;
	if (s->slowest_us > t->slowest_us)
		t->slowest_us = s->slowest_us;
	t->crashes += s->crashes;
	t->kills += s->kills;
	t->cuts += s->cuts;
	t->audits += s->audits;
	t->channels += s->channels;
	t->resolved += s->resolved;
	t->forgotten += s->forgotten;
}

/* Until one fails. */
static void
run_seeds(struct told *t, const struct runs *r)
{
	struct sim *s = malloc(sizeof(*s));

	for (uint64_t i = 0; s != NULL && i < r->n; i++) {
		t->seed = r->first + i;
		(void)alarm(SEED_S);
		if (!sim_run(s, t->seed, &r->plan)) {
			t->failures++;
			t->first_failure = t->seed;
			memcpy(t->why, s->why, sizeof(t->why));
		}
		add(t, s);
		if (t->failures > 0 || (r->us != 0 && t->now_us >= r->us))
			break;
	}
	(void)alarm(0);
	free(s);
}

/* Returns the child's status.  quiet: without what queue managers log. */
static int
run_in_child(struct told *t, const struct runs *r, bool quiet)
{
	int status = 0;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (quiet)
			assert_non_null(freopen("/dev/null", "w", stderr));
		run_seeds(t, r);
		(void)fflush(NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static struct told *
told_new(void)
{
	struct told *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(t, MAP_FAILED);
	return t;
}

static void
tell(const struct told *t)
{
	print_message("%llu seeds, %llu s of their time, %llu steps: "
		      "%llu messages, %llu crashes, %llu kills, %llu cuts, "
		      "%llu channels, %llu resolved, %llu forgotten, "
		      "%llu audits; all flowed %llu ms after the last fault\n",
	    (unsigned long long)t->runs,
	    (unsigned long long)t->now_us / 1000000,
	    (unsigned long long)t->steps, (unsigned long long)t->msgs,
	    (unsigned long long)t->crashes, (unsigned long long)t->kills,
	    (unsigned long long)t->cuts, (unsigned long long)t->channels,
	    (unsigned long long)t->resolved, (unsigned long long)t->forgotten,
	    (unsigned long long)t->audits,
	    (unsigned long long)t->slowest_us / 1000);
}

/* One that fails runs once more with all that it says. */
static void
expect_no_fault(struct runs *r)
{
	uint64_t one = from_env("MQ_SEED", 0);
	struct told *t = told_new();
	int status = 0;

	if (one != 0) {
		r->first = one;
		r->n = 1;
		run_seeds(t, r);
	} else {
		status = run_in_child(t, r, !sim_tracing);
	}
	tell(t);
	if (one == 0 && (status != 0 || t->failures > 0)) {
		r->first = t->seed;
		r->n = 1;
		(void)run_in_child(t, r, false);
	}
	if (status != 0 || t->failures > 0)
		fail_msg("MQ_SEED=%llu: %s", (unsigned long long)t->seed,
		    t->failures > 0 ? t->why : "an assertion failed");
	(void)munmap(t, sizeof(*t));
}

static bool
is_long(void)
{
	return getenv("MQ_LONG") != NULL;
}

static void
test_seeds(void **state)
{
	struct runs r = {.first = 1,
	    .n = from_env("MQ_SEEDS", is_long() ? SEEDS_LONG : SEEDS)};

	(void)state;
	expect_no_fault(&r);
}

static void
test_hours_of_triangles(void **state)
{
	struct runs r = {.first = 1,
	    .n = from_env("MQ_SEEDS", UINT64_MAX),
	    .us = is_long() ? TRIANGLE_LONG_US : TRIANGLE_US,
	    .plan = {.triangle = true, .rounds = ROUNDS}};

	(void)state;
	expect_no_fault(&r);
}

static void
test_a_seed_replays_exactly(void **state)
{
	struct told *a = told_new(), *b = told_new();
	const struct runs r = {.first = 1, .n = 10};

	(void)state;
	if (from_env("MQ_SEED", 0) != 0)
		skip();
	assert_int_equal(run_in_child(a, &r, true), 0);
	assert_int_equal(run_in_child(b, &r, true), 0);
	assert_memory_equal(a, b, sizeof(*a));
	(void)munmap(a, sizeof(*a));
	(void)munmap(b, sizeof(*b));
}

/* A broken rule is noticed by one of the first 500 seeds. */
static void
expect_noticed(enum sim_sabotage what)
{
	const struct runs r = {
	    .first = 1, .n = SEEDS, .plan = {.sabotage = what}};
	struct told *t = told_new();
	int status;

	if (from_env("MQ_SEED", 0) != 0)
		skip();
	status = run_in_child(t, &r, true);
	if (status == 0 && t->failures == 0)
		fail_msg("not noticed by %u seeds", SEEDS);
	print_message("noticed by seed %llu: %s\n", (unsigned long long)t->seed,
	    t->failures > 0 ? t->why : "an assertion failed");
	(void)munmap(t, sizeof(*t));
}

static void
test_replies_before_the_flush_are_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_REPLY_EARLY);
}

static void
test_a_missing_flush_is_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_NO_FLUSH);
}

static void
test_trust_in_the_page_cache_is_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_TRUST_CACHE);
}

static void
test_a_position_outside_its_unit_is_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_POSITION_APART);
}

static void
test_early_acknowledgements_are_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_ACK_EARLY);
}

static void
test_an_unconditional_position_is_noticed(void **state)
{
	(void)state;
	expect_noticed(SIM_NO_CONDITION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_seeds),
	    cmocka_unit_test(test_hours_of_triangles),
	    cmocka_unit_test(test_a_seed_replays_exactly),
	    cmocka_unit_test(test_replies_before_the_flush_are_noticed),
	    cmocka_unit_test(test_a_missing_flush_is_noticed),
	    cmocka_unit_test(test_trust_in_the_page_cache_is_noticed),
	    cmocka_unit_test(test_a_position_outside_its_unit_is_noticed),
	    cmocka_unit_test(test_early_acknowledgements_are_noticed),
	    cmocka_unit_test(test_an_unconditional_position_is_noticed),
	};

	sim_tracing = getenv("MQ_TRACE") != NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

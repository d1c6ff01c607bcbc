/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_process.c - processes that run elsewhere, as their owners see them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <signal.h>

#include "qmgr/process.h"

static struct {
	uv_loop_t loop;
	struct process p;
	unsigned n_ended;
	int64_t status;
	int signal;
	unsigned n_signals;
	int signum; /* the last one */
} me;

static void
on_ended(void *arg, int64_t status, int signal)
{
	(void)arg;
	me.n_ended++;
	me.status = status;
	me.signal = signal;
}

static void
on_kill(struct process *p, int signum)
{
	assert_ptr_equal(p, &me.p);
	me.n_signals++;
	me.signum = signum;
}

static void
on_closed(uv_handle_t *h)
{
	(void)h;
}

static int
setup(void **state)
{
	(void)state;
	me.n_ended = me.n_signals = 0;
	assert_int_equal(uv_loop_init(&me.loop), 0);
	process_init(&me.p, &me.loop, on_ended, NULL);
	process_start_elsewhere(&me.p, on_kill);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (me.p.alive)
		process_end_elsewhere(&me.p, 0, 0);
	(void)uv_run(&me.loop, UV_RUN_DEFAULT);
	process_close(&me.p, on_closed);
	(void)uv_run(&me.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&me.loop), 0);
	return 0;
}

static void
test_its_id_and_user_are_those_that_were_told(void **state)
{
	(void)state;
	assert_true(me.p.alive);
	assert_int_equal(process_pid(&me.p), 0);
	process_is(&me.p, 4711, 1000);
	assert_int_equal(process_pid(&me.p), 4711);
	assert_true(process_may_be_of(&me.p, 1000));
	assert_false(process_may_be_of(&me.p, 1001));
	assert_false(process_may_be_of(&me.p, 0));
}

static void
test_its_end_is_reported_once_and_in_a_turn_of_its_own(void **state)
{
	(void)state;
	process_is(&me.p, 4711, 1000);
	process_end_elsewhere(&me.p, 3, 0);
	assert_true(me.p.alive);
	assert_int_equal(me.n_ended, 0);
	(void)uv_run(&me.loop, UV_RUN_DEFAULT);
	assert_int_equal(me.n_ended, 1);
	assert_int_equal(me.status, 3);
	assert_int_equal(me.signal, 0);
	assert_false(me.p.alive);
	assert_int_equal(process_pid(&me.p), 0);
}

static void
test_each_step_is_a_signal_there(void **state)
{
	(void)state;
	process_end(&me.p, PROCESS_ORDERED);
	assert_int_equal(me.n_signals, 0);
	process_end(&me.p, PROCESS_TERM);
	assert_int_equal(me.signum, SIGTERM);
	process_end(&me.p, PROCESS_TERM); /* it is there already */
	assert_int_equal(me.n_signals, 1);
	process_end(&me.p, PROCESS_KILL);
	assert_int_equal(me.signum, SIGKILL);
	assert_int_equal(me.n_signals, 2);
}

static void
test_one_whose_end_is_known_gets_no_signal(void **state)
{
	(void)state;
	process_end_elsewhere(&me.p, PROCESS_LOST, 0);
	process_end(&me.p, PROCESS_KILL);
	assert_int_equal(me.n_signals, 0);
	(void)uv_run(&me.loop, UV_RUN_DEFAULT);
	assert_int_equal(me.status, PROCESS_LOST);
	process_end(&me.p, PROCESS_KILL);
	assert_int_equal(me.n_signals, 0);
}

static void
test_it_may_be_started_again(void **state)
{
	(void)state;
	process_is(&me.p, 4711, 1000);
	process_end_elsewhere(&me.p, 0, SIGKILL);
	(void)uv_run(&me.loop, UV_RUN_DEFAULT);
	assert_int_equal(me.signal, SIGKILL);
	process_start_elsewhere(&me.p, on_kill);
	assert_int_equal(process_pid(&me.p), 0);
	assert_false(process_may_be_of(&me.p, 1000));
	process_end(&me.p, PROCESS_TERM);
	assert_int_equal(me.n_signals, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_its_id_and_user_are_those_that_were_told),
	    TEST(test_its_end_is_reported_once_and_in_a_turn_of_its_own),
	    TEST(test_each_step_is_a_signal_there),
	    TEST(test_one_whose_end_is_known_gets_no_signal),
	    TEST(test_it_may_be_started_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

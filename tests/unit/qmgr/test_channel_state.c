/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_state.c - a channel's states: starts, stops, reports, retries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/channel_state.h"

static const struct chan_retry limits = {
    .short_count = 2, .short_s = 60, .long_count = 1, .long_s = 1200};

static void
started(struct chan_machine *m)
{
	chan_init(m, &limits);
	chan_start(m, &limits);
}

static void
running(struct chan_machine *m)
{
	started(m);
	assert_true(chan_report(m, "RUNNING", &limits));
}

static void
test_new_channel_is_inactive_and_may_start(void **state)
{
	struct chan_machine m;

	(void)state;
	chan_init(&m, &limits);
	assert_int_equal(chan_state(&m), CHAN_INACTIVE);
	assert_string_equal(chan_state_name(&m), "INACTIVE");
	assert_true(chan_may_start(&m));
	chan_start(&m, &limits);
	assert_int_equal(chan_state(&m), CHAN_STARTING);
	assert_false(chan_may_start(&m));
}

static void
test_agent_reports_move_through_binding_to_running_and_paused(void **state)
{
	struct chan_machine m;

	(void)state;
	started(&m);
	assert_true(chan_report(&m, "BINDING", &limits));
	assert_int_equal(chan_state(&m), CHAN_BINDING);
	assert_true(chan_report(&m, "RUNNING", &limits));
	assert_true(chan_report(&m, "PAUSED", &limits));
	assert_true(chan_report(&m, "RUNNING", &limits));
	assert_true(chan_report(&m, "RUNNING", &limits));
	assert_int_equal(chan_state(&m), CHAN_RUNNING);
}

static void
test_agent_cannot_report_what_only_the_queue_manager_gives(void **state)
{
	static const char *const not_its[] = {
	    "INACTIVE", "STARTING", "RETRYING", "STOPPING", "STOPPED", "", "x"};
	struct chan_machine m;

	(void)state;
	running(&m);
	for (size_t i = 0; i < MQ_ARRAY_LEN(not_its); i++)
		assert_false(chan_report(&m, not_its[i], &limits));
	assert_int_equal(chan_state(&m), CHAN_RUNNING);
}

static void
test_agent_cannot_report_itself_out_of_stopping(void **state)
{
	struct chan_machine m;

	(void)state;
	running(&m);
	chan_stop(&m, true, false);
	assert_int_equal(chan_state(&m), CHAN_STOPPING);
	assert_false(chan_report(&m, "RUNNING", &limits));
	assert_int_equal(chan_state(&m), CHAN_STOPPING);
}

static void
test_clean_end_makes_it_inactive(void **state)
{
	struct chan_machine m;

	(void)state;
	running(&m);
	assert_true(chan_ended(&m, CHAN_END_CLEAN, &limits) == CHAN_NO_RETRY);
	assert_int_equal(chan_state(&m), CHAN_INACTIVE);
}

static void
test_failures_retry_short_then_long_then_stop(void **state)
{
	static const uint64_t delays[] = {60000, 60000, 1200000};
	struct chan_machine m;

	(void)state;
	started(&m);
	for (size_t i = 0; i < MQ_ARRAY_LEN(delays); i++) {
		assert_true(
		    chan_ended(&m, CHAN_END_FAILED, &limits) == delays[i]);
		assert_int_equal(chan_state(&m), CHAN_RETRYING);
		chan_retry_now(&m);
	}
	assert_true(chan_ended(&m, CHAN_END_FAILED, &limits) == CHAN_NO_RETRY);
	assert_int_equal(chan_state(&m), CHAN_STOPPED);
}

static void
test_running_gives_all_retries_back(void **state)
{
	struct chan_machine m;

	(void)state;
	started(&m);
	for (int i = 0; i < 3; i++) {
		(void)!chan_ended(&m, CHAN_END_FAILED, &limits);
		chan_retry_now(&m);
	}
	assert_true(chan_report(&m, "RUNNING", &limits));
	assert_true(chan_ended(&m, CHAN_END_FAILED, &limits) == 60000);
	assert_true(m.short_left == 1 && m.long_left == 1);
}

static void
test_crash_while_running_is_retried_after_a_second(void **state)
{
	struct chan_machine m;

	(void)state;
	running(&m);
	assert_true(
	    chan_ended(&m, CHAN_END_CRASHED, &limits) == CHAN_CRASH_RETRY_MS);
	/* but one that crashes before it runs waits like any other */
	chan_retry_now(&m);
	assert_true(chan_ended(&m, CHAN_END_CRASHED, &limits) == 60000);
}

static void
test_stop_of_a_live_one_ends_stopped_however_it_ends(void **state)
{
	static const enum chan_end how[] = {
	    CHAN_END_CLEAN, CHAN_END_FAILED, CHAN_END_CRASHED};
	struct chan_machine m;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(how); i++) {
		running(&m);
		chan_stop(&m, true, false);
		assert_true(chan_ended(&m, how[i], &limits) == CHAN_NO_RETRY);
		assert_int_equal(chan_state(&m), CHAN_STOPPED);
	}
}

static void
test_stop_with_inactive_ends_inactive(void **state)
{
	struct chan_machine m;

	(void)state;
	running(&m);
	chan_stop(&m, true, true);
	assert_true(chan_ended(&m, CHAN_END_CLEAN, &limits) == CHAN_NO_RETRY);
	assert_int_equal(chan_state(&m), CHAN_INACTIVE);
}

static void
test_stop_while_retrying_stops_at_once_and_start_begins_anew(void **state)
{
	struct chan_machine m;

	(void)state;
	started(&m);
	(void)!chan_ended(&m, CHAN_END_FAILED, &limits);
	chan_stop(&m, false, false);
	assert_int_equal(chan_state(&m), CHAN_STOPPED);
	assert_true(chan_may_start(&m));
	chan_start(&m, &limits);
	assert_true(m.short_left == 2 && m.long_left == 1);
}

static void
test_stop_of_a_receiver_waits_for_its_guests(void **state)
{
	struct chan_machine m;

	(void)state;
	chan_init(&m, &limits);
	chan_stop(&m, true, false);
	assert_int_equal(chan_state(&m), CHAN_STOPPING);
	assert_true(chan_ended(&m, CHAN_END_CLEAN, &limits) == CHAN_NO_RETRY);
	assert_int_equal(chan_state(&m), CHAN_STOPPED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new_channel_is_inactive_and_may_start),
	    cmocka_unit_test(
		test_agent_reports_move_through_binding_to_running_and_paused),
	    cmocka_unit_test(
		test_agent_cannot_report_what_only_the_queue_manager_gives),
	    cmocka_unit_test(test_agent_cannot_report_itself_out_of_stopping),
	    cmocka_unit_test(test_clean_end_makes_it_inactive),
	    cmocka_unit_test(test_failures_retry_short_then_long_then_stop),
	    cmocka_unit_test(test_running_gives_all_retries_back),
	    cmocka_unit_test(
		test_crash_while_running_is_retried_after_a_second),
	    cmocka_unit_test(
		test_stop_of_a_live_one_ends_stopped_however_it_ends),
	    cmocka_unit_test(test_stop_with_inactive_ends_inactive),
	    cmocka_unit_test(
		test_stop_while_retrying_stops_at_once_and_start_begins_anew),
	    cmocka_unit_test(test_stop_of_a_receiver_waits_for_its_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

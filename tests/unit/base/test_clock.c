/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_clock.c - base/clock.c: dates of message descriptors against the C
 * library's calendar, and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"

#define DAY_MS UINT64_C(86400000)

static void
test_mono_and_wall_move_on(void **state)
{
	uint64_t mono = mqclock_mono_us();
	uint64_t wall = mqclock_wall_us();

	(void)state;
	assert_true(mqclock_mono_us() >= mono);
	assert_true(wall > UINT64_C(1700000000000000));
}

static void
test_mq_date_agrees_with_gmtime_on_every_day(void **state)
{
	(void)state;
	/* every day of the first 400 years, at changing times of day, then
	 * some */
	for (uint64_t ms = 0; ms <= MQCLOCK_MAX_MS;
	     ms += (ms < 146097 * DAY_MS ? 1 : 41) * DAY_MS + 1234567) {
		time_t t = (time_t)(ms / 1000);
		char date[9], when[9], expected[80];
		uint64_t back;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		(void)snprintf(expected, sizeof(expected),
		    "%04d%02d%02d %02d%02d%02d%02d", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		    (int)(ms % 1000 / 10));
		mqclock_mq_date(ms * 1000, date, when);
		assert_memory_equal(expected, date, 8);
		assert_string_equal(expected + 9, when);
		assert_true(mqclock_parse_mq_date(date, when, &back));
		assert_true(back == ms / 10 * 10);
	}
}

static void
test_mq_date_beyond_year_9999_is_its_end(void **state)
{
	char date[9], when[9];

	(void)state;
	mqclock_mq_date(UINT64_MAX, date, when);
	assert_string_equal(date, "99991231");
	assert_string_equal(when, "23595999");
}

static void
test_parse_mq_date_refuses_what_does_not_exist(void **state)
{
	static const char *const wrong[][2] = {
	    {"", ""},
	    {"20260230", "00000000"},
	    {"21000229", "00000000"},
	    {"20261301", "00000000"},
	    {"20260001", "00000000"},
	    {"20260100", "00000000"},
	    {"20260432", "00000000"},
	    {"19691231", "23595999"},
	    {"20260101", "24000000"},
	    {"20260101", "00600000"},
	    {"20260101", "00006000"},
	    {"2026010", "00000000"},
	    {"202601011", "00000000"},
	    {"20260101", "0000000"},
	    {"2026-1-1", "00000000"},
	    {"20260101", "00:00:00"},
	    {" 2026101", "00000000"},
	};
	uint64_t ms = 77;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(wrong); i++) {
		assert_false(
		    mqclock_parse_mq_date(wrong[i][0], wrong[i][1], &ms));
		assert_int_equal(ms, 77);
	}
	assert_true(mqclock_parse_mq_date("20240229", "23595999", &ms));
	assert_true(mqclock_parse_mq_date("20000229", "00000001", &ms));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mono_and_wall_move_on),
	    cmocka_unit_test(test_mq_date_agrees_with_gmtime_on_every_day),
	    cmocka_unit_test(test_mq_date_beyond_year_9999_is_its_end),
	    cmocka_unit_test(test_parse_mq_date_refuses_what_does_not_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

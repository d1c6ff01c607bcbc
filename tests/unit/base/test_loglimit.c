/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loglimit.c - base/loglimit.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loglimit.h"

static void
test_lines_are_bounded_and_the_others_told_with_the_next(void **state)
{
	struct mqloglimit l = {0};
	uint64_t left_out = 7, now = 5;

	(void)state;
	for (unsigned i = 0; i < MQLOGLIMIT_LINES; i++) {
		assert_true(mqloglimit_allows(&l, now++, &left_out));
		assert_int_equal(left_out, 0);
	}
	for (unsigned i = 0; i < 900; i++)
		assert_false(mqloglimit_allows(&l, now++, &left_out));
	assert_false(mqloglimit_allows(&l, 5 + MQLOGLIMIT_US - 1, &left_out));
	assert_int_equal(left_out, 0);
	/* a window begins with its first line */
	now = 5 + 3 * MQLOGLIMIT_US;
	assert_true(mqloglimit_allows(&l, now, &left_out));
	assert_int_equal(left_out, 901);
	assert_true(mqloglimit_allows(&l, now + 1, &left_out));
	assert_int_equal(left_out, 0);
	for (unsigned i = 2; i < MQLOGLIMIT_LINES; i++)
		assert_true(mqloglimit_allows(&l, now + i, &left_out));
	assert_false(mqloglimit_allows(&l, now + MQLOGLIMIT_US - 1, &left_out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_lines_are_bounded_and_the_others_told_with_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/average.h"

static long
rounded(double v)
{
	return (long)(v + 0.5);
}

static void
test_the_first_samples_give_a_mean(void **state)
{
	struct mqaverage a = {0};

	(void)state;
	mqaverage_add(&a, 10);
	assert_int_equal(rounded(a.few), 10);
	assert_int_equal(rounded(a.many), 10);
	mqaverage_add(&a, 20);
	mqaverage_add(&a, 60);
	assert_int_equal(rounded(a.few), 30);
	assert_int_equal(rounded(a.many), 30);
	assert_int_equal(a.n, 3);
}

static void
test_a_change_shows_soon_in_one_and_late_in_the_other(void **state)
{
	struct mqaverage a = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		mqaverage_add(&a, 100);
	assert_int_equal(rounded(a.few), 100);
	assert_int_equal(rounded(a.many), 100);
	for (unsigned i = 0; i < 16; i++)
		mqaverage_add(&a, 1100);
	assert_in_range(rounded(a.few), 900, 1000);
	assert_in_range(rounded(a.many), 200, 250);
	for (unsigned i = 0; i < 1000; i++)
		mqaverage_add(&a, 1100);
	assert_int_equal(rounded(a.few), 1100);
	assert_int_equal(rounded(a.many), 1100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first_samples_give_a_mean),
	    cmocka_unit_test(
		test_a_change_shows_soon_in_one_and_late_in_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

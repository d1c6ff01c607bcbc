/* SPDX-License-Identifier: Apache-2.0 */
/* test_netlimit.c - mca/netlimit.c: what is said about the kernel's limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mca/netlimit.h"

/* Debian's */
static const struct netlimit debian = {.receive = 6291456, .send = 4194304};

static void
test_a_short_way_needs_nothing(void **state)
{
	char text[NETLIMIT_TEXT_LEN];

	(void)state;
	assert_false(netlimit_is_low(&debian, true, 10000, text));
	assert_false(netlimit_is_low(&debian, false, 20000, text));
	assert_false(netlimit_is_low(&debian, true, 0, text));
}

static void
test_a_long_way_is_told_what_to_set(void **state)
{
	char text[NETLIMIT_TEXT_LEN];

	(void)state;
	assert_true(netlimit_is_low(&debian, true, 100000, text));
	assert_string_equal(text,
	    "at a round trip of 100 ms the kernel's buffers allow about 20 "
	    "MB/s; for 1 Gbit/s set net.ipv4.tcp_wmem=\"4096 16384 25165824\"");
	assert_true(netlimit_is_low(&debian, false, 100000, text));
	assert_non_null(strstr(text, "about 31 MB/s"));
	assert_non_null(
	    strstr(text, "net.ipv4.tcp_rmem=\"4096 131072 25165824\""));
}

static void
test_what_it_says_to_set_is_enough(void **state)
{
	const struct netlimit l = {.receive = 25165824, .send = 25165824};
	char text[NETLIMIT_TEXT_LEN];

	(void)state;
	assert_false(netlimit_is_low(&l, true, 100000, text));
	assert_false(netlimit_is_low(&l, false, 100000, text));
}

static void
test_what_is_not_known_is_not_judged(void **state)
{
	const struct netlimit none = {0};
	char text[NETLIMIT_TEXT_LEN];

	(void)state;
	assert_false(netlimit_is_low(&none, true, 100000, text));
	assert_int_equal(netlimit_rtt_us(-1), 0);
}

static void
test_the_kernel_tells_its_limits(void **state)
{
	struct netlimit l = {0};

	(void)state;
	netlimit_read(&l);
	assert_true(l.receive >= 65536);
	assert_true(l.send >= 65536);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_short_way_needs_nothing),
	    cmocka_unit_test(test_a_long_way_is_told_what_to_set),
	    cmocka_unit_test(test_what_it_says_to_set_is_enough),
	    cmocka_unit_test(test_what_is_not_known_is_not_judged),
	    cmocka_unit_test(test_the_kernel_tells_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_address.c - base/address.c: patterns, and which is more specific. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

static void
test_patterns_match_the_addresses_that_they_name(void **state)
{
	static const struct {
		const char *pattern, *address;
		bool match;
	} cases[] = {{"*", "192.0.2.1", true}, {"*", "2001:db8::1", true},
	    {"192.0.2.1", "192.0.2.1(4711)", true},
	    {"192.0.2.1", "192.0.2.10", false},
	    {"192.0.2.*", "192.0.2.255", true},
	    {"192.0.2.*", "192.0.3.2", false}, {"192.*", "192.9.8.7", true},
	    {"192.0.1-3.*", "192.0.3.9", true},
	    {"192.0.1-3.*", "192.0.4.9", false}, {"*.0.2.1", "9.0.2.1", true},
	    {"192.0.2.0/24", "192.0.2.77", true},
	    {"192.0.2.77/24", "192.0.2.1", true},
	    {"192.0.2.0/25", "192.0.2.128", false},
	    {"0.0.0.0/0", "9.9.9.9", true}, {"0.0.0.0/0", "::1", false},
	    {"192.0.2.1/32", "192.0.2.1", true},
	    {"192.0.2.1", "::ffff:192.0.2.1", true},
	    {"::ffff:192.0.2.1", "192.0.2.1", true}, {"::1", "::1", true},
	    {"::1", "0:0:0:0:0:0:0:1(99)", true},
	    {"2001:db8::/32", "2001:db8:9::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"2001:db8:*", "2001:db8:1:2:3:4:5:6", true},
	    {"2001:db8:*", "2001:db9::1", false},
	    {"2001:db8:0-ff:*", "2001:db8:FF::1", true},
	    {"2001:db8:0-ff:*", "2001:db8:100::1", false},
	    {"2001::1-5", "2001::3", true}, {"2001::1-5", "2001::1:3", false},
	    {"::*", "::9", true}, {"::*", "::1:9", false},
	    {"fe80:*", "fe80::1%eth0", true}, {"192.0.2.*", "::1", false}};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		struct mqaddr_pattern p, a;

		if (!mqaddr_pattern(cases[i].pattern, &p) ||
		    !mqaddr_parse(cases[i].address, &a) ||
		    mqaddr_matches(&p, &a) != cases[i].match)
			fail_msg("%s against %s", cases[i].pattern,
			    cases[i].address);
	}
}

static void
test_other_text_is_no_pattern(void **state)
{
	static const char *const cases[] = {"", "host", "192.0.2", "192.0.2.",
	    "192.0.2.256", "192.0.2.1.5", "192.0.2.5-1", "192.0.2.01",
	    "1.2.3.-4", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/08",
	    "192.0.2.*/24", "192.0..1", "**", "*.", "1.2.*.", "2001:db8",
	    "1:2:3:4:5:6:7:8:9", "::1::2", "2001:db8:::1", "g::1", "12345::1",
	    "::1/129", "1:2:", "192.0.2.1 ", " 192.0.2.1", "0x1.2.3.4",
	    "+1.2.3.4", "1-.2.3.4"};
	struct mqaddr_pattern p;
	char many[MQADDR_LEN + 2];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++)
		if (mqaddr_pattern(cases[i], &p))
			fail_msg("'%s' is a pattern", cases[i]);
	memset(many, '1', sizeof(many));
	many[MQADDR_LEN + 1] = '\0';
	assert_false(mqaddr_pattern(many, &p));
	assert_false(mqaddr_parse(many, &p));
	assert_false(mqaddr_parse("192.0.2.*", &p));
	assert_false(mqaddr_parse("?", &p));
}

static void
test_the_narrower_part_counts_from_the_left(void **state)
{
	/* each is more specific than the next */
	static const char *const order[] = {"192.0.2.1", "192.0.2.1-2",
	    "192.0.2.0/25", "192.0.2.*", "192.0.1-2.1", "192.0.*", "192.*",
	    "1-9.2.3.4", "0.0.0.0/0", "*"};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++)
		for (size_t j = 0; j < MQ_ARRAY_LEN(order); j++) {
			struct mqaddr_pattern a, b;
			int c;

			assert_true(mqaddr_pattern(order[i], &a));
			assert_true(mqaddr_pattern(order[j], &b));
			c = mqaddr_compare(&a, &b);
			if (i < j ? c >= 0 : i > j ? c <= 0 : c != 0)
				fail_msg(
				    "%s against %s: %d", order[i], order[j], c);
		}
}

static void
test_lists_are_taken_one_by_one(void **state)
{
	const char *list = "192.0.2.1,x,2001:db8:*";
	struct mqaddr_pattern p;
	bool good;

	(void)state;
	assert_true(mqaddr_next(&list, &p, &good) && good && p.n == 4);
	assert_true(mqaddr_next(&list, &p, &good) && !good);
	assert_true(mqaddr_next(&list, &p, &good) && good && p.n == 8);
	assert_false(mqaddr_next(&list, &p, &good));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns_match_the_addresses_that_they_name),
	    cmocka_unit_test(test_other_text_is_no_pattern),
	    cmocka_unit_test(test_the_narrower_part_counts_from_the_left),
	    cmocka_unit_test(test_lists_are_taken_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_dn.c - base/dn.c: patterns against names, and which is more specific. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/dn.h"

static void
test_patterns_match_as_ibms_do(void **state)
{
	static const char name[] =
	    "CN=QM2,OU=Payments,OU=Zürich\\, East,O=Example+L=A\\00B,"
	    "serialNumber=\\ 7 ,1.2.3=#0c0151,C=#0c0151";

	static const struct {
		const char *pattern;
		bool match;
	} cases[] = {
	    {"CN=QM2", true}, {"cn = QM2 , o=Example", true},
	    {"CN=\"QM2\"", true}, {"CN=QM*,O=Ex*", true}, {"CN=*", true},
	    {"CN=*2", true}, {"CN=*M*", true}, {"OU=Payments,OU=Z*", true},
	    {"OU=\"Zürich, East\"", true}, {"OU=Zürich\\, East", true},
	    {"CN=QM2;O=Example", true}, {"SERIALNUMBER=\" 7\"", true},
	    {"CN=QM", false}, {"CN=QM22", false}, {"CN=qm2", false},
	    {"CN=QM2,OU=Sales", false}, {"CN=QM\\*", false}, {"ST=*", false},
	    {"L=A*", false}, /* holds a NUL */
	    {"C=*", false},  /* not text */
	};

	char why[MQDN_WHY_LEN];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		bool match = !cases[i].match;

		if (mqdn_match(cases[i].pattern, name, &match, why) != MQI_OK ||
		    match != cases[i].match)
			fail_msg("%s: %d %s", cases[i].pattern, match, why);
	}
}

static void
test_what_cannot_be_read_is_an_error(void **state)
{
	static const char *const cases[] = {"", "QM2", "CN", "CN=", "XX=1",
	    "CN=QM2,", "CN=\"QM2", "CN=\"QM2\"x", "=QM2", ",CN=QM2"};
	static const char *const names[] = {"", "QM2", "CN=A,", "=A", "CN=\"A"};
	char why[MQDN_WHY_LEN], many[MQDN_MAX + 8];
	bool match;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		why[0] = '\0';
		if (mqdn_check(cases[i], why) != MQI_E_ATTRIBUTE)
			fail_msg("'%s' is accepted", cases[i]);
		assert_true(why[0] != '\0');
	}
	assert_int_equal(mqdn_check("CN=A,OU=B*", why), MQI_OK);
	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++)
		if (mqdn_match("CN=*", names[i], &match, why) !=
		    MQI_E_ATTRIBUTE)
			fail_msg("'%s' is a name", names[i]);
	memset(many, 'A', sizeof(many));
	memcpy(many, "CN=", 3);
	many[MQDN_MAX + 1] = '\0';
	assert_int_equal(mqdn_check(many, why), MQI_E_ATTRIBUTE);
}

static void
test_the_most_specific_pattern_is_the_one_that_ibm_takes(void **state)
{
	/* each is more specific than the next */
	static const char *const order[] = {"SERIALNUMBER=1,CN=A*",
	    "CN=ABC,O=X", "CN=ABC,O=X*", "CN=ABC,C=CH", "CN=ABC", "CN=AB*",
	    "CN=A*,O=X", "CN=A*", "CN=*,OU=A,OU=B", "CN=*,OU=A", "CN=*",
	    "OU=A,O=X", "OU=A", "O=Example", "O=X", "L=Z", "C=CH", "DNQ=1"};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++)
		for (size_t j = 0; j < MQ_ARRAY_LEN(order); j++) {
			int c = mqdn_compare(order[i], order[j]);

			if (i < j ? c >= 0 : i > j ? c <= 0 : c != 0)
				fail_msg(
				    "%s against %s: %d", order[i], order[j], c);
		}
	assert_int_equal(mqdn_compare("O=X, CN=\"A\"", "cn=A,o=Y"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns_match_as_ibms_do),
	    cmocka_unit_test(test_what_cannot_be_read_is_an_error),
	    cmocka_unit_test(
		test_the_most_specific_pattern_is_the_one_that_ibm_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_name.c - tls/tls_name.c: SSLPEER patterns against subjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "tls/tls.h"
#include "tls/tls_name.h"

static X509_NAME *subject;

static void
add(const char *field, const char *value, int len)
{
	assert_int_equal(
	    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
		(const unsigned char *)value, len, -1, 0),
	    1);
}

static int
setup(void **state)
{
	(void)state;
	subject = X509_NAME_new();
	add("CN", "QM2", -1);
	add("OU", "Payments", -1);
	add("OU", "Zürich, East", -1);
	add("O", "Example", -1);
	add("L", "A\0B", 3);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	X509_NAME_free(subject);
	return 0;
}

static void
test_patterns_match_as_ibms_do(void **state)
{
	static const struct {
		const char *pattern;
		bool match;
	} cases[] = {
	    {"CN=QM2", true}, {"cn = QM2 , o=Example", true},
	    {"CN=\"QM2\"", true}, {"CN=QM*,O=Ex*", true}, {"CN=*", true},
	    {"CN=*2", true}, {"CN=*M*", true}, {"OU=Payments,OU=Z*", true},
	    {"OU=\"Zürich, East\"", true}, {"OU=Zürich\\, East", true},
	    {"CN=QM", false}, {"CN=QM22", false}, {"CN=qm2", false},
	    {"CN=QM2,OU=Sales", false}, {"CN=QM\\*", false}, {"C=*", false},
	    {"L=A*", false}, /* holds a NUL */
	};

	char why[MQTLS_WHY_LEN];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		bool match = !cases[i].match;

		if (mqtls_name_match(subject, cases[i].pattern, &match, why) !=
			MQI_OK ||
		    match != cases[i].match)
			fail_msg("%s: %d %s", cases[i].pattern, match, why);
	}
}

static void
test_patterns_that_cannot_be_read_are_errors(void **state)
{
	static const char *const cases[] = {"", "QM2", "CN", "CN=", "XX=1",
	    "CN=QM2,", "CN=\"QM2", "CN=\"QM2\"x", "=QM2", ",CN=QM2"};
	char why[MQTLS_WHY_LEN];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		why[0] = '\0';
		if (mqtls_name_check(cases[i], why) != MQI_E_ATTRIBUTE)
			fail_msg("'%s' is accepted", cases[i]);
		assert_true(why[0] != '\0');
	}
	assert_int_equal(mqtls_name_check("CN=A,OU=B*", why), MQI_OK);
}

static void
test_text_is_in_the_certificates_order(void **state)
{
	X509_NAME *n = X509_NAME_new();
	char text[64];

	(void)state;
	assert_int_equal(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
			     (const unsigned char *)"QM2", -1, -1, 0),
	    1);
	assert_int_equal(X509_NAME_add_entry_by_txt(n, "O", MBSTRING_UTF8,
			     (const unsigned char *)"A, B", -1, -1, 0),
	    1);
	assert_int_equal(mqtls_name_text(n, text, sizeof(text)), MQI_OK);
	assert_string_equal(text, "CN=QM2,O=A\\, B");
	assert_int_equal(mqtls_name_text(n, text, 5), MQI_E_TOO_BIG);
	X509_NAME_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patterns_match_as_ibms_do),
	    cmocka_unit_test(test_patterns_that_cannot_be_read_are_errors),
	    cmocka_unit_test(test_text_is_in_the_certificates_order),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

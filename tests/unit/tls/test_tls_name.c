/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_name.c - tls/tls_name.c: names of certificates as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "tls/tls.h"
#include "tls/tls_name.h"

static void
add(X509_NAME *n, const char *field, const char *value, int len)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(n, field, MBSTRING_UTF8,
			     (const unsigned char *)value, len, -1, 0),
	    1);
}

/* What the name of a certificate says is what patterns see. */
static void
test_names_fit_patterns(void **state)
{
	static const struct {
		const char *pattern;
		bool match;
	} cases[] = {{"CN=QM2,O=\"A, B\"", true}, {"T=Dr,MAIL=a@b", true},
	    {"STREET=1,PC=2,SERIALNUMBER=3,DNQ=4,UID=5,ST=6,DC=7", true},
	    {"OU=Zürich", true}, {"CN=QM", false}, {"L=A*", false}};

	X509_NAME *n = X509_NAME_new();
	char why[MQTLS_WHY_LEN];

	(void)state;
	add(n, "CN", "QM2", -1);
	add(n, "OU", "Zürich", -1);
	add(n, "O", "A, B", -1);
	add(n, "L", "A\0B", 3);
	add(n, "title", "Dr", -1);
	add(n, "emailAddress", "a@b", -1);
	add(n, "street", "1", -1);
	add(n, "postalCode", "2", -1);
	add(n, "serialNumber", "3", -1);
	add(n, "dnQualifier", "4", -1);
	add(n, "UID", "5", -1);
	add(n, "ST", "6", -1);
	add(n, "DC", "7", -1);
	add(n, "GN", "other", -1);
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		bool match = !cases[i].match;

		if (mqtls_name_match(n, cases[i].pattern, &match, why) !=
			MQI_OK ||
		    match != cases[i].match)
			fail_msg("%s: %d %s", cases[i].pattern, match, why);
	}
	X509_NAME_free(n);
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
	    cmocka_unit_test(test_names_fit_patterns),
	    cmocka_unit_test(test_text_is_in_the_certificates_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_cipher.c - base/cipher.c: what each value of SSLCIPH lets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cipher.h"

static const char new_suite[] = "TLS_AES_128_GCM_SHA256";
static const char old_suite[] = "ECDHE-ECDSA-AES256-GCM-SHA384";

static void
test_each_name_lets_in_what_it_says(void **state)
{
	static const struct {
		const char *name;
		bool known, lets_new, lets_old;
	} cases[] = {{"", true, true, false}, {"ANY_TLS13", true, true, false},
	    {"any_tls12_or_higher", true, true, true},
	    {"ANY_TLS12", true, false, true},
	    {"TLS_AES_128_GCM_SHA256", true, true, false},
	    {"TLS_AES_256_GCM_SHA384", true, false, false},
	    {"ECDHE_ECDSA_AES_256_GCM_SHA384", true, false, true},
	    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true, false, true},
	    {"ECDHE_RSA_AES_256_GCM_SHA384", true, false, false},
	    {"TLS_RSA_WITH_AES_256_CBC_SHA256", false, false, false},
	    {"ECDHE_RSA_AES_128_CBC_SHA256", false, false, false},
	    {"NULL_SHA", false, false, false}};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		struct mqcipher c = {0};
		bool known = mqcipher_find(cases[i].name, &c);

		if (known != cases[i].known ||
		    mqcipher_fits(&c, new_suite) != cases[i].lets_new ||
		    mqcipher_fits(&c, old_suite) != cases[i].lets_old)
			fail_msg("%s", cases[i].name);
		assert_false(mqcipher_fits(&c, "TLS_AES_128"));
		assert_false(mqcipher_fits(&c, "AES256-SHA"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_name_lets_in_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

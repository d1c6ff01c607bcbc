/* SPDX-License-Identifier: Apache-2.0 */
/* test_dial.c - base/dial.c: how a CONNAME is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/dial.h"

static void
test_names_are_read_in_order(void **state)
{
	const char *p = "a.example(1415), [::1](7) ,b";
	char host[MQDIAL_HOST_LEN], port[8];

	(void)state;
	assert_int_equal(mqdial_parse(&p, host, port), MQI_OK);
	assert_string_equal(host, "a.example");
	assert_string_equal(port, "1415");
	assert_int_equal(mqdial_parse(&p, host, port), MQI_OK);
	assert_string_equal(host, "::1");
	assert_string_equal(port, "7");
	assert_int_equal(mqdial_parse(&p, host, port), MQI_OK);
	assert_string_equal(host, "b");
	assert_string_equal(port, "1414");
	assert_string_equal(p, "");
}

static void
test_what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {
	    "", "(1414)", "a(", "a()", "a(x)", "a(123456)", "a(1)b", "a b"};
	char host[MQDIAL_HOST_LEN], port[8];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
		const char *p = bad[i];

		if (mqdial_parse(&p, host, port) != MQI_E_ATTRIBUTE)
			fail_msg("'%s' is accepted", bad[i]);
	}
}

static void
test_nobody_there_is_said(void **state)
{
	char text[MQDIAL_TEXT_LEN];
	int fd = -1;

	(void)state;
	/* port 1 of this host: nobody listens there */
	assert_int_equal(
	    mqdial("127.0.0.1(1)", 1000, text, &fd), MQI_E_HOST_NOT_AVAILABLE);
	assert_non_null(strstr(text, "127.0.0.1(1)"));
	assert_int_equal(fd, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_read_in_order),
	    cmocka_unit_test(test_what_is_no_name_is_refused),
	    cmocka_unit_test(test_nobody_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

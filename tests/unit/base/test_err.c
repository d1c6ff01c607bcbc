/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_err.c - base/err.c: each reason has its IBM number, name, text and
 * completion.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <mq/mqi_err.h>

static void
test_numbers_are_ibms(void **state)
{
	(void)state;
	assert_int_equal(MQI_E_NO_MSG_AVAILABLE, 2033);
	assert_int_equal(MQI_E_NOT_AUTHORIZED, 2035);
	assert_int_equal(MQI_E_Q_FULL, 2053);
	assert_int_equal(MQI_E_TRUNCATED_ACCEPTED, 2079);
	assert_int_equal(MQI_E_UNKNOWN_OBJECT, 2085);
}

static void
test_every_reason_has_name_text_and_completion(void **state)
{
	(void)state;
#define CHECK(number, name, completion, text)                   \
	assert_int_equal(MQI_E_##name, number);                 \
	assert_string_equal(mqi_err_name(MQI_E_##name), #name); \
	assert_string_equal(mqi_strerror(MQI_E_##name), text);  \
	assert_int_equal(mqi_completion(MQI_E_##name), MQI_COMP_##completion);
	MQI_ERR_MAP(CHECK)
#undef CHECK
}

static void
test_unknown_reason_is_a_failure_with_a_text(void **state)
{
	(void)state;
	assert_string_equal(mqi_strerror((enum mqi_err)9999), "unknown reason");
	assert_string_equal(mqi_err_name((enum mqi_err)9999), "UNKNOWN");
	assert_int_equal(mqi_completion((enum mqi_err)9999), MQI_COMP_FAIL);
}

static void
test_warnings_are_the_two_truncations(void **state)
{
	unsigned warnings = 0;

	(void)state;
#define COUNT(number, name, completion, text) \
	warnings += MQI_COMP_##completion == MQI_COMP_WARN;
	MQI_ERR_MAP(COUNT)
#undef COUNT
	assert_int_equal(warnings, 2);
	assert_int_equal(mqi_completion(MQI_E_TRUNCATED), MQI_COMP_WARN);
	assert_int_equal(
	    mqi_completion(MQI_E_TRUNCATED_ACCEPTED), MQI_COMP_WARN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers_are_ibms),
	    cmocka_unit_test(test_every_reason_has_name_text_and_completion),
	    cmocka_unit_test(test_unknown_reason_is_a_failure_with_a_text),
	    cmocka_unit_test(test_warnings_are_the_two_truncations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

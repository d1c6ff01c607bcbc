/* SPDX-License-Identifier: Apache-2.0 */
/* test_tm.c - proto/tm.c: the bytes of MQTM and MQTMC2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/tm.h"
#include "tests/lib/golden.h"

static const struct mqtm sample = {
    .queue = "ORDERS",
    .process = "SERVER",
    .trigger_data = "trigger data",
    .appl_type = 6,
    .appl_id = "/usr/bin/server -v",
    .env_data = "&",
    .user_data = "user data",
};

static void
test_encode_writes_ibms_layout(void **state)
{
	uint8_t b[MQTM_LEN];

	(void)state;
	mqtm_encode(&sample, b);
	golden_check("trigger", "mqtm", b, sizeof(b));
	assert_memory_equal(b, "TM  \1\0\0\0ORDERS ", 15);
	assert_memory_equal(b + 54, "  SERVER ", 9);
	assert_memory_equal(b + 102, "  trigger data ", 15);
	assert_memory_equal(b + 167, " \6\0\0\0/usr/bin/server -v ", 24);
	assert_memory_equal(b + 427, " & ", 3);
	assert_memory_equal(b + 555, " user data ", 11);
}

static void
test_decode_gives_it_back(void **state)
{
	uint8_t b[MQTM_LEN + 1];
	struct mqtm tm;

	(void)state;
	mqtm_encode(&sample, b);
	memset(&tm, 0x55, sizeof(tm));
	assert_int_equal(mqtm_decode(b, sizeof(b), &tm), MQI_OK);
	assert_string_equal(tm.queue, sample.queue);
	assert_string_equal(tm.process, sample.process);
	assert_string_equal(tm.trigger_data, sample.trigger_data);
	assert_int_equal(tm.appl_type, 6);
	assert_string_equal(tm.appl_id, sample.appl_id);
	assert_string_equal(tm.env_data, "&");
	assert_string_equal(tm.user_data, sample.user_data);
}

static void
test_fields_may_be_full(void **state)
{
	struct mqtm tm = sample, back;
	uint8_t b[MQTM_LEN];

	(void)state;
	memset(tm.appl_id, 'a', 256);
	memset(tm.user_data, 'u', 128);
	mqtm_encode(&tm, b);
	assert_int_equal(mqtm_decode(b, sizeof(b), &back), MQI_OK);
	assert_string_equal(back.appl_id, tm.appl_id);
	assert_string_equal(back.env_data, "&");
	assert_string_equal(back.user_data, tm.user_data);
}

static void
test_decode_refuses_what_is_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} rows[] = {{0, 'X'}, {2, 'C'}, {4, 2}, {7, 1}, {9, '\n'}, {60, 0},
	    {110, 0x1b}, {175, 0x7f}, {428, 1}, {560, '\0'}};

	uint8_t b[MQTM_LEN];
	struct mqtm tm;

	(void)state;
	mqtm_encode(&sample, b);
	assert_int_equal(mqtm_decode(b, MQTM_LEN - 1, &tm), MQI_E_PROTOCOL);
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		uint8_t old = b[rows[i].at];

		b[rows[i].at] = rows[i].byte;
		assert_int_equal(
		    mqtm_decode(b, sizeof(b), &tm), MQI_E_PROTOCOL);
		b[rows[i].at] = old;
	}
}

static void
test_text_is_mqtmc2(void **state)
{
	char text[MQTM_TEXT_LEN + 1];

	(void)state;
	mqtm_text(&sample, "QM1", text);
	golden_check("trigger", "mqtmc2", text, MQTM_TEXT_LEN);
	assert_int_equal(strlen(text), MQTM_TEXT_LEN);
	assert_memory_equal(text, "TMC    2ORDERS ", 15);
	/* the type is blank, whatever it was */
	assert_memory_equal(text + 166, "      /usr/bin", 14);
	assert_memory_equal(text + 683, " QM1 ", 5);
}

static void
test_appltype_is_a_word_or_a_number(void **state)
{
	(void)state;
	assert_int_equal(mqtm_appl_type("UNIX"), 6);
	assert_int_equal(mqtm_appl_type("CICS"), 1);
	assert_int_equal(mqtm_appl_type("WINDOWSNT"), 11);
	assert_int_equal(mqtm_appl_type("70000"), 70000);
	assert_int_equal(mqtm_appl_type("999999999"), 999999999);
	assert_int_equal(mqtm_appl_type("9999999999"), -1);
	assert_int_equal(mqtm_appl_type("ODD"), -1);
	assert_int_equal(mqtm_appl_type(""), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encode_writes_ibms_layout),
	    cmocka_unit_test(test_decode_gives_it_back),
	    cmocka_unit_test(test_fields_may_be_full),
	    cmocka_unit_test(test_decode_refuses_what_is_none),
	    cmocka_unit_test(test_text_is_mqtmc2),
	    cmocka_unit_test(test_appltype_is_a_word_or_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

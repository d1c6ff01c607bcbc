/* SPDX-License-Identifier: Apache-2.0 */
/* test_dlh.c - proto/dlh.c: the bytes of MQDLH. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dlh.h"

static const struct mqdlh header = {
    .reason = 2085,
    .queue = "ORDERS",
    .qmgr = "QM2",
    .encoding = 546,
    .ccsid = 1208,
    .format = "MQSTR",
    .put_appl_type = 6,
    .put_appl_name = "mca",
    .put_date = "20261121",
    .put_time = "01020304",
};

static void
test_encode_writes_ibms_layout(void **state)
{
	uint8_t b[MQDLH_LEN];

	(void)state;
	mqdlh_encode(&header, b);
	assert_memory_equal(b, "DLH \1\0\0\0\x25\x08\0\0ORDERS ", 19);
	assert_memory_equal(b + 54, "      QM2 ", 10);
	assert_memory_equal(
	    b + 108, "\x22\x02\0\0\xb8\x04\0\0MQSTR   \x06\0\0\0mca ", 24);
	assert_memory_equal(b + 156, "2026112101020304", 16);
}

static void
test_decode_gives_it_back(void **state)
{
	uint8_t b[MQDLH_LEN + 1];
	struct mqdlh h;

	(void)state;
	mqdlh_encode(&header, b);
	memset(&h, 0, sizeof(h));
	assert_int_equal(mqdlh_decode(b, sizeof(b), &h), MQI_OK);
	assert_memory_equal(&h, &header, sizeof(h));
}

static void
test_decode_refuses_what_is_none(void **state)
{
	uint8_t b[MQDLH_LEN];
	struct mqdlh h;

	(void)state;
	mqdlh_encode(&header, b);
	assert_int_equal(mqdlh_decode(b, MQDLH_LEN - 1, &h), MQI_E_PROTOCOL);
	b[4] = 2;
	assert_int_equal(mqdlh_decode(b, MQDLH_LEN, &h), MQI_E_PROTOCOL);
	b[4] = 1;
	b[0] = 'X';
	assert_int_equal(mqdlh_decode(b, MQDLH_LEN, &h), MQI_E_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encode_writes_ibms_layout),
	    cmocka_unit_test(test_decode_gives_it_back),
	    cmocka_unit_test(test_decode_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

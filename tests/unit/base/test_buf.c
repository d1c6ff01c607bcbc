/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_buf.c - base/buf.c: growing up to the maximum, sticky errors, and
 * readers that never pass their end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void
test_put_writes_little_endian(void **state)
{
	static const uint8_t expected[] = {1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12,
	    11, 10, 9, 8, 2, 0, 'h', 'i', 1, 0, 0, 0, 'x', 0, 0};
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100);
	mqbuf_put_u8(&b, 1);
	mqbuf_put_u16(&b, 0x0203);
	mqbuf_put_u32(&b, 0x04050607);
	mqbuf_put_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
	mqbuf_put_str16(&b, "hi");
	mqbuf_put_bytes32(&b, "x", 1);
	mqbuf_put_zeros(&b, 2);
	assert_int_equal(b.err, MQI_OK);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	mqbuf_patch_u32(&b, 3, 0xa0b0c0d0);
	assert_int_equal(mqbuf_get_u32(b.data + 3), 0xa0b0c0d0);
	assert_int_equal(mqbuf_get_u16(b.data + 1), 0x0203);
	assert_true(mqbuf_get_u64(b.data + 7) == UINT64_C(0x08090a0b0c0d0e0f));
	mqbuf_fini(&b);
}

static void
test_put_beyond_maximum_sets_too_big_for_good(void **state)
{
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 10);
	mqbuf_put(&b, "0123456789", 10);
	assert_int_equal(b.err, MQI_OK);
	assert_int_equal(b.cap, 10);
	mqbuf_put_u8(&b, 1);
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	mqbuf_consume(&b, 10);
	mqbuf_put_u8(&b, 1);
	assert_int_equal(b.len, 0);
	assert_null(mqbuf_reserve(&b, 1));
	mqbuf_reset(&b);
	mqbuf_put_u8(&b, 1);
	assert_int_equal(b.err, MQI_OK);
	assert_int_equal(b.len, 1);
	mqbuf_fini(&b);
}

static void
test_put_grows_and_keeps_contents(void **state)
{
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100000);
	for (unsigned i = 0; i < 25000; i++)
		mqbuf_put_u32(&b, i);
	assert_int_equal(b.err, MQI_OK);
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 25000; i++)
		assert_int_equal(mqbuf_get_u32(b.data + 4 * i), i);
	assert_true(b.cap <= b.max);
	mqbuf_fini(&b);
	mqbuf_fini(&b);
}

static void
test_reserve_counts_only_what_is_committed(void **state)
{
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100);
	memset(mqbuf_reserve(&b, 50), 7, 50);
	assert_int_equal(b.len, 0);
	mqbuf_commit(&b, 20);
	assert_int_equal(b.len, 20);
	assert_non_null(mqbuf_reserve(&b, 0));
	assert_null(mqbuf_reserve(&b, 81));
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	mqbuf_fini(&b);
}

static void
test_reserve_of_huge_sizes_does_not_overflow(void **state)
{
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100);
	mqbuf_put_u8(&b, 1);
	assert_null(mqbuf_reserve(&b, SIZE_MAX));
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	mqbuf_fini(&b);
	/* more than there is memory for */
	mqbuf_init(&b, SIZE_MAX / 2);
	assert_null(mqbuf_reserve(&b, SIZE_MAX / 2));
	assert_int_equal(b.err, MQI_E_NO_MEMORY);
	mqbuf_fini(&b);
}

static void
test_consume_drops_the_first_bytes(void **state)
{
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 100);
	mqbuf_put(&b, "abcdef", 6);
	mqbuf_consume(&b, 0);
	mqbuf_consume(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "cdef", 4);
	mqbuf_consume(&b, 4);
	assert_int_equal(b.len, 0);
	mqbuf_fini(&b);
}

static void
test_put_str16_too_long_is_refused(void **state)
{
	struct mqbuf b;
	char *s = malloc(70001);

	(void)state;
	memset(s, 'a', 70000);
	s[70000] = '\0';
	mqbuf_init(&b, 1 << 20);
	mqbuf_put_str16(&b, s);
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	mqbuf_fini(&b);
	free(s);
}

static void
test_reader_reads_what_was_written(void **state)
{
	struct mqreader r;
	struct mqbuf b;
	char str[8], raw[3];
	const void *p;
	size_t len;

	(void)state;
	mqbuf_init(&b, 100);
	mqbuf_put_u8(&b, 1);
	mqbuf_put_u16(&b, 2);
	mqbuf_put_u32(&b, 3);
	mqbuf_put_u64(&b, UINT64_MAX);
	mqbuf_put_str16(&b, "string");
	mqbuf_put_bytes32(&b, "bytes", 5);
	mqbuf_put(&b, "raw", 3);
	mqreader_init(&r, b.data, b.len);
	assert_int_equal(mqreader_left(&r), b.len);
	assert_int_equal(mqreader_u8(&r), 1);
	assert_int_equal(mqreader_u16(&r), 2);
	assert_int_equal(mqreader_u32(&r), 3);
	assert_true(mqreader_u64(&r) == UINT64_MAX);
	mqreader_str16(&r, str, sizeof(str));
	assert_string_equal(str, "string");
	p = mqreader_bytes32(&r, &len);
	assert_int_equal(len, 5);
	assert_memory_equal(p, "bytes", 5);
	assert_int_equal(mqreader_done(&r), MQI_E_PROTOCOL);
	mqreader_copy(&r, raw, 3);
	assert_memory_equal(raw, "raw", 3);
	assert_int_equal(mqreader_done(&r), MQI_OK);
	mqbuf_fini(&b);
}

static void
test_reader_past_the_end_gives_zeros_for_good(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct mqreader r;
	uint8_t raw[4] = {9, 9, 9, 9};
	char str[4] = "old";
	size_t len = 9;

	(void)state;
	mqreader_init(&r, data, sizeof(data));
	assert_int_equal(mqreader_u32(&r), 0);
	assert_int_equal(r.err, MQI_E_PROTOCOL);
	assert_int_equal(mqreader_u8(&r), 0);
	assert_int_equal(mqreader_u16(&r), 0);
	assert_true(mqreader_u64(&r) == 0);
	assert_null(mqreader_bytes(&r, 0));
	mqreader_copy(&r, raw, sizeof(raw));
	assert_memory_equal(raw, "\0\0\0\0", 4);
	mqreader_str16(&r, str, sizeof(str));
	assert_string_equal(str, "");
	assert_null(mqreader_bytes32(&r, &len));
	assert_int_equal(len, 0);
	assert_int_equal(mqreader_done(&r), MQI_E_PROTOCOL);
}

static void
test_reader_str16_refuses_what_does_not_fit_or_holds_a_nul(void **state)
{
	static const uint8_t four[] = {4, 0, 'a', 'b', 'c', 'd'};
	static const uint8_t nul[] = {3, 0, 'a', 0, 'c'};
	struct mqreader r;
	char str[5];

	(void)state;
	mqreader_init(&r, four, sizeof(four));
	mqreader_str16(&r, str, 5);
	assert_string_equal(str, "abcd");
	mqreader_init(&r, four, sizeof(four));
	mqreader_str16(&r, str, 4);
	assert_int_equal(r.err, MQI_E_PROTOCOL);
	assert_string_equal(str, "");
	mqreader_init(&r, nul, sizeof(nul));
	mqreader_str16(&r, str, 5);
	assert_int_equal(r.err, MQI_E_PROTOCOL);
}

static void
test_reader_of_nothing_is_done(void **state)
{
	struct mqreader r;

	(void)state;
	mqreader_init(&r, NULL, 0);
	assert_non_null(mqreader_bytes(&r, 0));
	assert_int_equal(mqreader_done(&r), MQI_OK);
	assert_int_equal(mqreader_u8(&r), 0);
	assert_int_equal(mqreader_done(&r), MQI_E_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_put_writes_little_endian),
	    cmocka_unit_test(test_put_beyond_maximum_sets_too_big_for_good),
	    cmocka_unit_test(test_put_grows_and_keeps_contents),
	    cmocka_unit_test(test_reserve_counts_only_what_is_committed),
	    cmocka_unit_test(test_reserve_of_huge_sizes_does_not_overflow),
	    cmocka_unit_test(test_consume_drops_the_first_bytes),
	    cmocka_unit_test(test_put_str16_too_long_is_refused),
	    cmocka_unit_test(test_reader_reads_what_was_written),
	    cmocka_unit_test(test_reader_past_the_end_gives_zeros_for_good),
	    cmocka_unit_test(
		test_reader_str16_refuses_what_does_not_fit_or_holds_a_nul),
	    cmocka_unit_test(test_reader_of_nothing_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

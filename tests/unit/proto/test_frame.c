/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_frame.c - proto/frame.c: cutting a stream at every byte, and limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame.h"

static void
test_begin_and_end_make_the_header(void **state)
{
	static const uint8_t expected[] = {3, 0, 0, 0, 0x34, 0x12, 0x78, 0x56,
	    0x04, 0x03, 0x02, 0x01, 'a', 'b', 'c'};
	struct mqbuf b;
	size_t start;

	(void)state;
	mqbuf_init(&b, 100);
	start = mqframe_begin(&b, 0x1234, 0x5678, 0x01020304);
	mqbuf_put(&b, "abc", 3);
	mqframe_end(&b, start, 0);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	mqbuf_fini(&b);
}

static void
test_parse_wants_the_whole_frame(void **state)
{
	struct mqframe f, untouched;
	struct mqbuf b;
	size_t start, used = 77;

	(void)state;
	mqbuf_init(&b, 100);
	start = mqframe_begin(&b, 1, 2, 3);
	mqbuf_put(&b, "abc", 3);
	mqframe_end(&b, start, 0);
	memset(&f, 0x5a, sizeof(f));
	untouched = f;
	for (size_t len = 0; len < b.len; len++) {
		/* a copy of its own, so that an over-read is seen */
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, b.data, len);
		assert_int_equal(
		    mqframe_parse(copy, len, &f, &used), MQFRAME_MORE);
		free(copy);
	}
	assert_memory_equal(&f, &untouched, sizeof(f));
	assert_int_equal(used, 77);
	mqbuf_put(&b, "next", 4);
	assert_int_equal(mqframe_parse(b.data, b.len, &f, &used), MQFRAME_OK);
	assert_int_equal(used, 15);
	assert_int_equal(f.type, 1);
	assert_int_equal(f.flags, 2);
	assert_int_equal(f.id, 3);
	assert_int_equal(f.payload_len, 3);
	assert_memory_equal(f.payload, "abc", 3);
	mqbuf_fini(&b);
}

static void
test_parse_refuses_a_length_beyond_the_limit_at_once(void **state)
{
	uint8_t head[4];
	struct mqframe f;
	size_t used;

	(void)state;
	mqbuf_set_u32(head, MQFRAME_MAX_PAYLOAD + 1);
	assert_int_equal(mqframe_parse(head, 4, &f, &used), MQFRAME_BAD);
	mqbuf_set_u32(head, UINT32_MAX);
	assert_int_equal(mqframe_parse(head, 4, &f, &used), MQFRAME_BAD);
	mqbuf_set_u32(head, MQFRAME_MAX_PAYLOAD);
	assert_int_equal(mqframe_parse(head, 4, &f, &used), MQFRAME_MORE);
}

static void
test_end_counts_bytes_sent_from_elsewhere(void **state)
{
	struct mqframe f;
	struct mqbuf b;
	size_t start, used;

	(void)state;
	mqbuf_init(&b, 100);
	start = mqframe_begin(&b, 1, 0, 0);
	mqbuf_put(&b, "ab", 2);
	mqframe_end(&b, start, 2);
	assert_int_equal(mqframe_parse(b.data, b.len, &f, &used), MQFRAME_MORE);
	mqbuf_put(&b, "cd", 2);
	assert_int_equal(mqframe_parse(b.data, b.len, &f, &used), MQFRAME_OK);
	assert_memory_equal(f.payload, "abcd", 4);
	mqbuf_fini(&b);
}

static void
test_end_of_too_long_a_frame_takes_it_back(void **state)
{
	struct mqbuf b;
	size_t start;

	(void)state;
	mqbuf_init(&b, MQFRAME_MAX_PAYLOAD * 2);
	mqbuf_put(&b, "before", 6);
	start = mqframe_begin(&b, 1, 0, 0);
	mqbuf_put_zeros(&b, MQFRAME_MAX_PAYLOAD);
	mqframe_end(&b, start, 0);
	assert_int_equal(b.err, MQI_OK);
	start = mqframe_begin(&b, 1, 0, 0);
	mqframe_end(&b, start, (size_t)MQFRAME_MAX_PAYLOAD + 1);
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	assert_int_equal(b.len, 6 + MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD);
	mqbuf_fini(&b);
}

static void
test_a_full_buffer_keeps_its_error(void **state)
{
	struct mqbuf b;
	size_t start;

	(void)state;
	mqbuf_init(&b, 11);
	start = mqframe_begin(&b, 1, 0, 0);
	mqframe_end(&b, start, 0);
	assert_int_equal(b.err, MQI_E_TOO_BIG);
	assert_int_equal(b.len, 0);
	mqbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_begin_and_end_make_the_header),
	    cmocka_unit_test(test_parse_wants_the_whole_frame),
	    cmocka_unit_test(
		test_parse_refuses_a_length_beyond_the_limit_at_once),
	    cmocka_unit_test(test_end_counts_bytes_sent_from_elsewhere),
	    cmocka_unit_test(test_end_of_too_long_a_frame_takes_it_back),
	    cmocka_unit_test(test_a_full_buffer_keeps_its_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

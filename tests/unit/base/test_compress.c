/* SPDX-License-Identifier: Apache-2.0 */
/* test_compress.c - base/compress.c: COMPMSG's lists, and what two make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compress.h"

static void
test_lists_are_read(void **state)
{
	struct mqcompress_list l;

	(void)state;
	assert_true(mqcompress_parse("LZ4FAST, zlibhigh,NONE", &l));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.all[0], MQCOMPRESS_LZ4FAST);
	assert_int_equal(l.all[1], MQCOMPRESS_ZLIBHIGH);
	assert_int_equal(l.all[2], MQCOMPRESS_NONE);
	assert_true(mqcompress_parse("", &l));
	assert_int_equal(l.n, 1);
	assert_int_equal(l.all[0], MQCOMPRESS_NONE);
	assert_true(mqcompress_parse("NONE ZLIBFAST ZLIBHIGH LZ4FAST", &l));
	assert_int_equal(l.n, 4);
}

static void
test_what_is_no_list_is_refused(void **state)
{
	static const char *const bad[] = {
	    "RLE", "ZLIB", "ZLIBFASTER", "NONE,NONE", "LZ4FAST;NONE", "0"};
	struct mqcompress_list l;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
		assert_false(mqcompress_parse(bad[i], &l));
}

static enum mqcompress
choose(const char *sender, const char *receiver)
{
	struct mqcompress_list s, r;

	assert_true(mqcompress_parse(sender, &s));
	assert_true(mqcompress_parse(receiver, &r));
	return mqcompress_choose(&s, &r);
}

static void
test_the_senders_first_that_is_accepted_counts(void **state)
{
	const struct mqcompress_list strange = {.n = 2, .all = {9, 1}};

	(void)state;
	assert_int_equal(
	    choose("LZ4FAST,ZLIBFAST", "ZLIBFAST,LZ4FAST"), MQCOMPRESS_LZ4FAST);
	assert_int_equal(
	    choose("LZ4FAST,ZLIBFAST", "NONE,ZLIBFAST"), MQCOMPRESS_ZLIBFAST);
	assert_int_equal(
	    choose("NONE,ZLIBFAST", "ZLIBFAST,NONE"), MQCOMPRESS_NONE);
	assert_int_equal(choose("ZLIBHIGH", ""), MQCOMPRESS_NONE);
	assert_int_equal(
	    mqcompress_choose(&strange, &strange), MQCOMPRESS_ZLIBFAST);
}

static void
test_lists_travel_as_numbers(void **state)
{
	struct mqcompress_list l, back;

	(void)state;
	assert_true(mqcompress_parse("LZ4FAST,ZLIBFAST,NONE", &l));
	assert_int_equal(mqcompress_encode(&l), 0xffffffffff000103);
	mqcompress_decode(0xffffffffff000103, &back);
	assert_int_equal(back.n, 3);
	assert_memory_equal(back.all, l.all, 3);
	mqcompress_decode(0, &back); /* a partner that does not tell */
	assert_int_equal(mqcompress_choose(&l, &back), MQCOMPRESS_NONE);
	mqcompress_decode(UINT64_MAX, &back);
	assert_int_equal(back.n, 0);
	mqcompress_decode(0x0102030405060708, &back); /* newer ones, too */
	assert_int_equal(mqcompress_choose(&back, &l), MQCOMPRESS_LZ4FAST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists_are_read),
	    cmocka_unit_test(test_what_is_no_list_is_refused),
	    cmocka_unit_test(test_lists_travel_as_numbers),
	    cmocka_unit_test(test_the_senders_first_that_is_accepted_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

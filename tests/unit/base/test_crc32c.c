/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_crc32c.c - base/crc32c.c against the vectors of RFC 3720 (B.4), by the
 * instruction and by table, and both against each other at every length and
 * alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/rand.h"

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t len);

static const crc_fn both[] = {mqcrc32c, mqcrc32c_table};

static void
test_crc32c_gives_rfc3720_vectors(void **state)
{
	static const uint8_t read_pdu[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0,
	    0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02};
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (unsigned i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(both); i++) {
		assert_int_equal(both[i](0, zeros, 32), 0x8a9136aa);
		assert_int_equal(both[i](0, ones, 32), 0x62a8ab43);
		assert_int_equal(both[i](0, up, 32), 0x46dd794e);
		assert_int_equal(both[i](0, down, 32), 0x113fdb5c);
		assert_int_equal(both[i](0, read_pdu, 48), 0xd9963a56);
		assert_int_equal(both[i](0, "123456789", 9), 0xe3069283);
		assert_int_equal(both[i](0, NULL, 0), 0);
	}
}

static void
test_crc32c_is_the_same_both_ways_and_in_parts(void **state)
{
	uint8_t data[700];
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)mqrand_next(&seed);
	for (size_t len = 0; len + 8 <= sizeof(data); len++) {
		const uint8_t *p = data + len % 8;
		uint32_t whole = mqcrc32c(0, p, len);
		size_t half = len / 3;

		assert_int_equal(whole, mqcrc32c_table(0, p, len));
		for (size_t i = 0; i < MQ_ARRAY_LEN(both); i++)
			assert_int_equal(whole,
			    both[i](both[i](0, p, half), p + half, len - half));
	}
}

/* Lengths around the blocks that the instruction's version joins. */
static void
test_crc32c_is_the_same_both_ways_on_long_data(void **state)
{
	static uint8_t data[60000];
	uint64_t seed = 2;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)mqrand_next(&seed);
	for (size_t len = 180; len < 3000; len++)
		assert_int_equal(mqcrc32c(7, data + len % 8, len),
		    mqcrc32c_table(7, data + len % 8, len));
	for (size_t len = 24570; len < sizeof(data) - 8;
	     len += len < 24790 ? 1 : 997)
		assert_int_equal(mqcrc32c(7, data + len % 8, len),
		    mqcrc32c_table(7, data + len % 8, len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crc32c_gives_rfc3720_vectors),
	    cmocka_unit_test(test_crc32c_is_the_same_both_ways_and_in_parts),
	    cmocka_unit_test(test_crc32c_is_the_same_both_ways_on_long_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.c - CRC-32C of message bodies, records and batches.
 *
 * Neighbours: libmq (bodies), qmgr/store (records).
 * Happy path: the crc32 instruction of SSE 4.2, eight bytes at a time, on
 * three blocks at once; the functions that use it are compiled for that target
 * alone and are called only where the processor says that it has it.
 * Otherwise: eight tables of 256 entries ("slicing by 8"), made once.
 * Both are tested against the vectors of RFC 3720 and against each other.
 */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"

#define POLYNOMIAL 0x82f63b78u /* reversed */

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void
table_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (unsigned bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? POLYNOMIAL : 0);
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (unsigned t = 1; t < 8; t++) {
			uint32_t c = table[t - 1][i];

			table[t][i] = (c >> 8) ^ table[0][c & 0xff];
		}
	}
}

uint32_t
mqcrc32c_table(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t c = ~crc;
	int rc = pthread_once(&table_once, table_init);

	MQ_INVARIANT(rc == 0);
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = mqbuf_get_u64(p) ^ c;

		c = table[7][v & 0xff] ^ table[6][v >> 8 & 0xff] ^
		    table[5][v >> 16 & 0xff] ^ table[4][v >> 24 & 0xff] ^
		    table[3][v >> 32 & 0xff] ^ table[2][v >> 40 & 0xff] ^
		    table[1][v >> 48 & 0xff] ^ table[0][v >> 56];
	}
	for (; len > 0; len--, p++)
		c = (c >> 8) ^ table[0][(c ^ *p) & 0xff];
	return ~c;
}

#if defined(__x86_64__)

/* The instruction takes three cycles but starts one in each, so three blocks
 * are done at once and their values joined. */
#define BLOCK_LONG ((size_t)8192)
#define BLOCK_SHORT ((size_t)256)

/* What a CRC becomes when so many zero bytes follow, by each of its bytes. */
static uint32_t after_long[4][256];
static uint32_t after_short[4][256];
static pthread_once_t after_once = PTHREAD_ONCE_INIT;

static uint32_t
crc_after_zeros(uint32_t c, size_t len)
{
	for (; len > 0; len--)
		c = (c >> 8) ^ table[0][c & 0xff];
	return c;
}

static void
after_fill(uint32_t after[4][256], size_t len)
{
	uint32_t of_bit[32];

	for (unsigned i = 0; i < 32; i++)
		of_bit[i] = crc_after_zeros(UINT32_C(1) << i, len);
	for (unsigned byte = 0; byte < 4; byte++) {
		for (unsigned v = 0; v < 256; v++) {
			uint32_t c = 0;

			for (unsigned i = 0; i < 8; i++)
				c ^= v >> i & 1 ? of_bit[byte * 8 + i] : 0;
			after[byte][v] = c;
		}
	}
}

static void
after_init(void)
{
	int rc = pthread_once(&table_once, table_init);

	MQ_INVARIANT(rc == 0);
	after_fill(after_long, BLOCK_LONG);
	after_fill(after_short, BLOCK_SHORT);
}

static uint64_t
crc_shift(uint32_t after[4][256], uint64_t c)
{
	return after[0][c & 0xff] ^ after[1][c >> 8 & 0xff] ^
	       after[2][c >> 16 & 0xff] ^ after[3][c >> 24 & 0xff];
}

/* Three blocks from p on, behind c. */
__attribute__((target("sse4.2"))) static uint64_t
three_blocks(uint64_t c, const uint8_t *p, size_t block, uint32_t after[4][256])
{
	uint64_t c1 = 0, c2 = 0;

	for (size_t i = 0; i < block; i += 8) {
		c = __builtin_ia32_crc32di(c, mqbuf_get_u64(p + i));
		c1 = __builtin_ia32_crc32di(c1, mqbuf_get_u64(p + block + i));
		c2 = __builtin_ia32_crc32di(
		    c2, mqbuf_get_u64(p + 2 * block + i));
	}
	c = crc_shift(after, c) ^ c1;
	return crc_shift(after, c) ^ c2;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

	if (len >= 3 * BLOCK_SHORT) {
		int rc = pthread_once(&after_once, after_init);

		MQ_INVARIANT(rc == 0);
	}
	for (; len >= 3 * BLOCK_LONG; len -= 3 * BLOCK_LONG) {
		c = three_blocks(c, p, BLOCK_LONG, after_long);
		p += 3 * BLOCK_LONG;
	}
	for (; len >= 3 * BLOCK_SHORT; len -= 3 * BLOCK_SHORT) {
		c = three_blocks(c, p, BLOCK_SHORT, after_short);
		p += 3 * BLOCK_SHORT;
	}
	for (; len >= 8; len -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, mqbuf_get_u64(p));
	for (; len > 0; len--, p++)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return ~(uint32_t)c;
}

uint32_t
mqcrc32c(uint32_t crc, const void *data, size_t len)
{
	if (__builtin_expect(__builtin_cpu_supports("sse4.2"), 1))
		return crc32c_sse42(crc, data, len);
	return mqcrc32c_table(crc, data, len);
}

#else

uint32_t
mqcrc32c(uint32_t crc, const void *data, size_t len)
{
	return mqcrc32c_table(crc, data, len);
}

#endif

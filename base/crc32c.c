/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.c - CRC-32C of message bodies, records and batches.
 *
 * Neighbours: libmq (bodies), qmgr/store (records).
 * Happy path: the crc32 instruction of SSE 4.2, eight bytes at a time, on
 * three blocks at once, joined by a carry-less product; the functions that use
 * it are compiled for that target alone and are called only where the processor
 * says that it has it. Otherwise: eight tables of 256 entries ("slicing by 8"),
 * made once. Both are tested against the vectors of RFC 3720 and against each
 * other.
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
#define BLOCK_MAX 1024u         /* words of 8 bytes */
#define THREE_MIN ((size_t)192) /* bytes that are worth it */

/* By how many words of zeros follow: what a CRC is multiplied with.  A carry-
 * less product of two reversed values is short of a bit, and the instruction
 * that reduces it multiplies with x^32: so x^(64 words - 33). */
static uint32_t after[BLOCK_MAX + 1];
static pthread_once_t after_once = PTHREAD_ONCE_INIT;

static void
after_init(void)
{
	int rc = pthread_once(&table_once, table_init);

	MQ_INVARIANT(rc == 0);
	after[1] = 1; /* x^31 */
	for (unsigned i = 2; i <= BLOCK_MAX; i++) {
		uint32_t c = after[i - 1];

		for (unsigned byte = 0; byte < 8; byte++)
			c = (c >> 8) ^ table[0][c & 0xff];
		after[i] = c;
	}
}

typedef long long crc_vector __attribute__((vector_size(16)));

/* c, with zeros behind it. */
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t
crc_shift(uint64_t c, uint32_t by)
{
	crc_vector a = {(long long)c, 0}, b = {(long long)by, 0};
	crc_vector product = __builtin_ia32_pclmulqdq128(a, b, 0);

	return __builtin_ia32_crc32di(0, (uint64_t)product[0]);
}

/* Three blocks from p on, behind c. */
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t
three_blocks(uint64_t c, const uint8_t *p, size_t words)
{
	const uint8_t *p1 = p + words * 8, *p2 = p1 + words * 8;
	uint64_t c1 = 0, c2 = 0;

	for (const uint8_t *end = p1; p < end; p += 8, p1 += 8, p2 += 8) {
		c = __builtin_ia32_crc32di(c, mqbuf_get_u64(p));
		c1 = __builtin_ia32_crc32di(c1, mqbuf_get_u64(p1));
		c2 = __builtin_ia32_crc32di(c2, mqbuf_get_u64(p2));
	}
	c = crc_shift(c, after[words]) ^ c1;
	return crc_shift(c, after[words]) ^ c2;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_hardware(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

	if (len >= THREE_MIN) {
		int rc = pthread_once(&after_once, after_init);

		MQ_INVARIANT(rc == 0);
	}
	while (len >= THREE_MIN) {
		size_t words = len / 24 < BLOCK_MAX ? len / 24 : BLOCK_MAX;

		c = three_blocks(c, p, words);
		p += words * 24;
		len -= words * 24;
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
	if (__builtin_expect(__builtin_cpu_supports("sse4.2") &&
				 __builtin_cpu_supports("pclmul"),
		1))
		return crc32c_hardware(crc, data, len);
	return mqcrc32c_table(crc, data, len);
}

#else

uint32_t
mqcrc32c(uint32_t crc, const void *data, size_t len)
{
	return mqcrc32c_table(crc, data, len);
}

#endif

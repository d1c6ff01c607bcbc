/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.c - CRC-32C of message bodies, records and batches.
 *
 * Neighbours: libmq (bodies), qmgr/store (records).
 * Happy path: the crc32 instruction of SSE 4.2, eight bytes at a time; the
 * function that uses it is compiled for that target alone and is called only
 * where the processor says that it has it.
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

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

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

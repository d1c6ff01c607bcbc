/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_format.c - the bytes of the journal's files (docs/formats/journal.md
 * has how they may change).  Little-endian.
 *
 * A file begins with a header of 4,096 bytes:
 *
 *    0  8 bytes "SLUICEJL"
 *    8  u32 version
 *   12  u32 CRC-32C of the 4,096 bytes with this field 0
 *   16  u64 features
 *   24  log id, 16 bytes
 *   40  u64 ordinal; 0 of a file that holds no batch yet
 *   48  u64 number of the first batch, or of the next one when it was made
 *   56  u64 epoch
 *   64  u64 size of the file; 0: not told
 *   72  u32 how many files there are; 0: not told
 *   76  zeros
 *
 * Batches follow, each at a multiple of 64 bytes:
 *
 *    0  u32 'SLBT'
 *    4  u32 CRC-32C of bytes 8..63 and of the records
 *    8  log id, 16 bytes
 *   24  u64 number
 *   32  u64 epoch
 *   40  u32 length of the records
 *   44  u32 bytes 4..7 of the batch before
 *   48  u32 how many files there are; 0: not told
 *   52  zeros
 *   60  u32 CRC-32C of bytes 8..59
 *   64  records
 *
 * The header's own checksum tells a batch whose records are torn or damaged
 * from bytes that are no batch.  The log id is random and never shown, so a
 * message cannot hold what looks like a batch of ours.  Neighbours: journal.c
 * writes, journal_recover.c reads.
 */
#include "qmgr/store/journal_format.h"

#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"

#define FILE_MAGIC "SLUICEJL"
#define BATCH_MAGIC UINT32_C(0x54424c53) /* "SLBT" */

void
journal_file_header_encode(
    const struct journal_file_header *h, uint8_t ret[JOURNAL_FILE_HEADER])
{
	memset(ret, 0, JOURNAL_FILE_HEADER);
	memcpy(ret, FILE_MAGIC, 8);
	mqbuf_set_u32(ret + 8, JOURNAL_VERSION);
	mqbuf_set_u64(ret + 16, JOURNAL_FEATURES);
	memcpy(ret + 24, h->log_id, JOURNAL_ID_LEN);
	mqbuf_set_u64(ret + 40, h->ordinal);
	mqbuf_set_u64(ret + 48, h->first);
	mqbuf_set_u64(ret + 56, h->epoch);
	mqbuf_set_u64(ret + 64, h->size);
	mqbuf_set_u32(ret + 72, h->files);
	mqbuf_set_u32(ret + 12, mqcrc32c(0, ret, JOURNAL_FILE_HEADER));
}

static uint32_t
file_header_crc(const uint8_t data[JOURNAL_FILE_HEADER])
{
	static const uint8_t zeros[4];
	uint32_t crc = mqcrc32c(0, data, 12);

	crc = mqcrc32c(crc, zeros, sizeof(zeros));
	return mqcrc32c(crc, data + 16, JOURNAL_FILE_HEADER - 16);
}

enum journal_look
journal_file_header_decode(const uint8_t data[JOURNAL_FILE_HEADER],
    const uint8_t log_id[JOURNAL_ID_LEN], struct journal_file_header *ret)
{
	if (memcmp(data, FILE_MAGIC, 8) != 0 ||
	    mqbuf_get_u32(data + 12) != file_header_crc(data))
		return JOURNAL_NONE;
	ret->version = mqbuf_get_u32(data + 8);
	ret->features = mqbuf_get_u64(data + 16);
	memcpy(ret->log_id, data + 24, JOURNAL_ID_LEN);
	ret->ordinal = mqbuf_get_u64(data + 40);
	ret->first = mqbuf_get_u64(data + 48);
	ret->epoch = mqbuf_get_u64(data + 56);
	ret->size = mqbuf_get_u64(data + 64);
	ret->files = mqbuf_get_u32(data + 72);
	if (ret->version > JOURNAL_VERSION ||
	    (ret->features & ~JOURNAL_FEATURES) != 0)
		return JOURNAL_NEWER;
	return memcmp(ret->log_id, log_id, JOURNAL_ID_LEN) == 0
		   ? JOURNAL_GOOD
		   : JOURNAL_FOREIGN;
}

static uint32_t
batch_crc(
    const uint8_t data[JOURNAL_BATCH_HEADER], const void *records, uint32_t len)
{
	uint32_t crc = mqcrc32c(0, data + 8, JOURNAL_BATCH_HEADER - 8);

	return mqcrc32c(crc, records, len);
}

void
journal_batch_header_encode(struct journal_batch_header *h, const void *records,
    uint8_t ret[JOURNAL_BATCH_HEADER])
{
	memset(ret, 0, JOURNAL_BATCH_HEADER);
	mqbuf_set_u32(ret, BATCH_MAGIC);
	memcpy(ret + 8, h->log_id, JOURNAL_ID_LEN);
	mqbuf_set_u64(ret + 24, h->number);
	mqbuf_set_u64(ret + 32, h->epoch);
	mqbuf_set_u32(ret + 40, h->len);
	mqbuf_set_u32(ret + 44, h->previous);
	mqbuf_set_u32(ret + 48, h->files);
	mqbuf_set_u32(ret + 60, mqcrc32c(0, ret + 8, 52));
	h->crc = batch_crc(ret, records, h->len);
	mqbuf_set_u32(ret + 4, h->crc);
}

enum journal_look
journal_batch_header_decode(const uint8_t data[JOURNAL_BATCH_HEADER],
    const uint8_t log_id[JOURNAL_ID_LEN], struct journal_batch_header *ret)
{
	/* numbers begin at 1 */
	if (mqbuf_get_u32(data) != BATCH_MAGIC ||
	    mqbuf_get_u32(data + 60) != mqcrc32c(0, data + 8, 52) ||
	    mqbuf_get_u64(data + 24) == 0)
		return JOURNAL_NONE;
	memcpy(ret->log_id, data + 8, JOURNAL_ID_LEN);
	ret->number = mqbuf_get_u64(data + 24);
	ret->epoch = mqbuf_get_u64(data + 32);
	ret->len = mqbuf_get_u32(data + 40);
	ret->previous = mqbuf_get_u32(data + 44);
	ret->files = mqbuf_get_u32(data + 48);
	ret->crc = mqbuf_get_u32(data + 4);
	return memcmp(ret->log_id, log_id, JOURNAL_ID_LEN) == 0
		   ? JOURNAL_GOOD
		   : JOURNAL_FOREIGN;
}

bool
journal_batch_is_whole(const struct journal_batch_header *h,
    const uint8_t data[JOURNAL_BATCH_HEADER], const void *records)
{
	return batch_crc(data, records, h->len) == h->crc;
}

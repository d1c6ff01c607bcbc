/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema.c - the bytes of LMDB's keys and values.  Keys are big-endian,
 * so that memcmp order is numeric order; values are little-endian.  Every value
 * that is not a record or a body ends with a CRC-32C of its key and of what is
 * before it, so that bytes that have wandered are found as well.
 *
 *   database   key                                value
 *   store      "format"                           "SLUICEDB", u32 version,
 *                                                 u64 features, u32 0, crc
 *              "batch", "opened"                  u64, crc
 *   meta       name                               the META record
 *   objects    u8 type, name                      the OBJECT record
 *   streams    u64 queue                          the STREAM record
 *   positions  16 stream, partner                 the POSITION record
 *   queues     u64 queue                          u64 depth, u64 bytes, u64
 *                                                 np epoch, u32 np depth, u64
 *                                                 np bytes, u32 0, crc
 *   rows       u64 queue, u8 rank, u64 seq        a short row: u8 flags (1
 *                                                 np, 2 inlined, 4 shared, 8
 *                                                 short, 16 correlation id,
 *                                                 32 in a segment, 64 message
 *                                                 id from the body id), u64
 *                                                 body, 24 message id (64: its
 *                                                 first 16 bytes), [16: 24
 *                                                 correlation id], u32
 *                                                 backout, u32 body crc, u32
 *                                                 body length, u32 descriptor
 *                                                 length, [1: u64 epoch], [32:
 *                                                 u64 segment, u16 slot], crc
 *                                                 or, of before: u8 flags (1,
 *                                                 2, 4), u64 body, 24 message
 *                                                 id, 24 correlation id, u32
 *                                                 backout, u32 body crc, u32
 *                                                 body length, u32 descriptor
 *                                                 length, u64 epoch, crc
 *   segments   u64 body id of its first message   descriptors and bodies; n
 *                                                 entries, the last one first:
 *                                                 u64 body, u64 queue, u8
 *                                                 rank, u64 seq, u16 offset,
 *                                                 u16 length, u32 crc of the
 *                                                 data, crc; u32 n, u32 bytes
 *                                                 of data, u64 lowest and u64
 *                                                 highest body id, crc
 *   live       u64 segment                        u32 messages that are left,
 *                                                 u32 n, crc; absent: all
 *   bodies     u64 body, u32 piece, u32 crc       the piece
 *              of the piece
 *   shared     u64 body                           u32 holders, crc
 *   ids        u64 queue, u8 kind, 24 id,         nothing
 *              u8 rank, u64 seq
 *   np         u64 epoch, the row's key           nothing
 *   staged     u32 unit, u64 body                 nothing
 *   limbo      u64 body                           u32 removed places, the row
 *                                                 with the body as its key
 *   purges     u64 queue                          nothing
 *
 * A piece's checksum stands in its key because a value of 65,520 bytes fills
 * 16 pages of LMDB exactly.
 */
#include "qmgr/store/store_schema.h"

#include <string.h>

#include "base/crc32c.h"

#define ROW_NP 0x1u
#define ROW_INLINED 0x2u
#define ROW_SHARED 0x4u
#define ROW_SHORT 0x8u
#define ROW_CORREL 0x10u
#define ROW_SEGMENT 0x20u
#define ROW_ID_FROM_BODY 0x40u
#define ROW_LONG_SIZE 85u /* of before there were short ones */
#define ID_PREFIX 16u     /* of a message id before its number */

static const uint8_t magic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'D', 'B'};

void
schema_u64(uint8_t *p, uint64_t v)
{
	mqbuf_set_u64(p, __builtin_bswap64(v));
}

void
schema_u32(uint8_t *p, uint32_t v)
{
	mqbuf_set_u32(p, __builtin_bswap32(v));
}

uint64_t
schema_get_u64(const uint8_t *p)
{
	return __builtin_bswap64(mqbuf_get_u64(p));
}

uint32_t
schema_get_u32(const uint8_t *p)
{
	return __builtin_bswap32(mqbuf_get_u32(p));
}

/* The last 4 of size bytes are the checksum. */
static void
seal(const void *key, size_t key_len, uint8_t *p, size_t size)
{
	uint32_t crc = mqcrc32c(mqcrc32c(0, key, key_len), p, size - 4);

	mqbuf_set_u32(p + size - 4, crc);
}

static bool
is_sealed(
    const void *key, size_t key_len, const void *data, size_t len, size_t size)
{
	const uint8_t *p = data;

	return len == size && mqcrc32c(mqcrc32c(0, key, key_len), p,
				  size - 4) == mqbuf_get_u32(p + size - 4);
}

static bool
is_sealed_u64(uint64_t id, const void *data, size_t len, size_t size)
{
	uint8_t key[8];

	schema_u64(key, id);
	return is_sealed(key, sizeof(key), data, len, size);
}

static void
seal_u64(uint64_t id, uint8_t *p, size_t size)
{
	uint8_t key[8];

	schema_u64(key, id);
	seal(key, sizeof(key), p, size);
}

void
schema_format_encode(uint8_t ret[SCHEMA_FORMAT_SIZE])
{
	memcpy(ret, magic, sizeof(magic));
	mqbuf_set_u32(ret + 8, SCHEMA_VERSION);
	mqbuf_set_u64(ret + 12, SCHEMA_FEATURES);
	mqbuf_set_u32(ret + 20, 0);
	seal("format", 6, ret, SCHEMA_FORMAT_SIZE);
}

enum schema_format
schema_format_decode(
    const void *data, size_t len, uint32_t *ret_version, uint64_t *ret_features)
{
	const uint8_t *p = data;

	if (len < sizeof(magic) || memcmp(p, magic, sizeof(magic)) != 0)
		return SCHEMA_FOREIGN;
	if (!is_sealed("format", 6, data, len, SCHEMA_FORMAT_SIZE))
		return SCHEMA_DAMAGED;
	*ret_version = mqbuf_get_u32(p + 8);
	*ret_features = mqbuf_get_u64(p + 12);
	if (*ret_version > SCHEMA_VERSION ||
	    (*ret_features & ~(uint64_t)SCHEMA_FEATURES) != 0)
		return SCHEMA_NEWER;
	return *ret_version == SCHEMA_VERSION ? SCHEMA_OK : SCHEMA_FOREIGN;
}

void
schema_number_encode(
    const char *key, uint64_t v, uint8_t ret[SCHEMA_NUMBER_SIZE])
{
	mqbuf_set_u64(ret, v);
	seal(key, strlen(key), ret, SCHEMA_NUMBER_SIZE);
}

bool
schema_number_decode(
    const char *key, const void *data, size_t len, uint64_t *ret)
{
	if (!is_sealed(key, strlen(key), data, len, SCHEMA_NUMBER_SIZE))
		return false;
	*ret = mqbuf_get_u64(data);
	return true;
}

void
schema_row_key(const struct record_key *key, uint8_t ret[SCHEMA_ROW_KEY])
{
	schema_u64(ret, key->queue_id);
	ret[8] = key->rank;
	schema_u64(ret + 9, key->seq);
}

struct record_key
schema_row_key_decode(const uint8_t key[SCHEMA_ROW_KEY])
{
	return (struct record_key){.queue_id = schema_get_u64(key),
	    .rank = key[8],
	    .seq = schema_get_u64(key + 9)};
}

/* ---- rows ---- */

static uint8_t
row_flags(const struct schema_row *row)
{
	return (uint8_t)(ROW_SHORT | (row->non_persistent ? ROW_NP : 0) |
			 (row->inlined ? ROW_INLINED : 0) |
			 (row->shared ? ROW_SHARED : 0) |
			 (schema_id_is_set(row->correl_id) ? ROW_CORREL : 0) |
			 (row->in_segment ? ROW_SEGMENT : 0) |
			 (row->id_from_body ? ROW_ID_FROM_BODY : 0));
}

/* Of a short row with its checksum. */
static size_t
short_size(uint8_t flags)
{
	return 1 + 8 + 16 + 4 +
	       ((flags & ROW_ID_FROM_BODY) != 0 ? ID_PREFIX : MQI_ID_LEN) +
	       ((flags & ROW_CORREL) != 0 ? MQI_ID_LEN : 0) +
	       ((flags & ROW_NP) != 0 ? 8 : 0) +
	       ((flags & ROW_SEGMENT) != 0 ? 10 : 0);
}

size_t
schema_row_size(const struct schema_row *row)
{
	return short_size(row_flags(row));
}

uint64_t
schema_id_number(const uint8_t id[MQI_ID_LEN])
{
	return schema_get_u64(id + ID_PREFIX);
}

/* All but the checksum; returns where that goes. */
static uint8_t *
set_row(uint8_t *p, const struct schema_row *row)
{
	uint8_t flags = row_flags(row);
	size_t id_len = row->id_from_body ? ID_PREFIX : MQI_ID_LEN;

	MQ_PRE(!row->id_from_body ||
	       schema_id_number(row->msg_id) + 1 == row->body_id);
	p[0] = flags;
	mqbuf_set_u64(p + 1, row->body_id);
	memcpy(p + 9, row->msg_id, id_len);
	p += 9 + id_len;
	if ((flags & ROW_CORREL) != 0) {
		memcpy(p, row->correl_id, MQI_ID_LEN);
		p += MQI_ID_LEN;
	}
	mqbuf_set_u32(p, row->backout_count);
	mqbuf_set_u32(p + 4, row->body_crc);
	mqbuf_set_u32(p + 8, row->body_len);
	mqbuf_set_u32(p + 12, row->desc_len);
	p += 16;
	if (row->non_persistent) {
		mqbuf_set_u64(p, row->epoch);
		p += 8;
	}
	if (row->in_segment) {
		mqbuf_set_u64(p, row->segment);
		mqbuf_set_u16(p + 8, row->slot);
		p += 10;
	}
	return p;
}

static void
get_row_flags(uint8_t flags, struct schema_row *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->non_persistent = (flags & ROW_NP) != 0;
	ret->inlined = (flags & ROW_INLINED) != 0;
	ret->shared = (flags & ROW_SHARED) != 0;
	ret->in_segment = (flags & ROW_SEGMENT) != 0;
	ret->id_from_body = (flags & ROW_ID_FROM_BODY) != 0;
}

static void
get_short_row(const uint8_t *p, struct schema_row *ret)
{
	uint8_t flags = p[0];

	get_row_flags(flags, ret);
	ret->body_id = mqbuf_get_u64(p + 1);
	p += 9;
	if (ret->id_from_body) {
		memcpy(ret->msg_id, p, ID_PREFIX);
		schema_u64(ret->msg_id + ID_PREFIX, ret->body_id - 1);
		p += ID_PREFIX;
	} else {
		memcpy(ret->msg_id, p, MQI_ID_LEN);
		p += MQI_ID_LEN;
	}
	if ((flags & ROW_CORREL) != 0) {
		memcpy(ret->correl_id, p, MQI_ID_LEN);
		p += MQI_ID_LEN;
	}
	ret->backout_count = mqbuf_get_u32(p);
	ret->body_crc = mqbuf_get_u32(p + 4);
	ret->body_len = mqbuf_get_u32(p + 8);
	ret->desc_len = mqbuf_get_u32(p + 12);
	p += 16;
	if (ret->non_persistent) {
		ret->epoch = mqbuf_get_u64(p);
		p += 8;
	}
	if (ret->in_segment) {
		ret->segment = mqbuf_get_u64(p);
		ret->slot = mqbuf_get_u16(p + 8);
	}
}

static void
get_long_row(const uint8_t *p, struct schema_row *ret)
{
	get_row_flags(p[0], ret);
	ret->body_id = mqbuf_get_u64(p + 1);
	memcpy(ret->msg_id, p + 9, MQI_ID_LEN);
	memcpy(ret->correl_id, p + 33, MQI_ID_LEN);
	ret->backout_count = mqbuf_get_u32(p + 57);
	ret->body_crc = mqbuf_get_u32(p + 61);
	ret->body_len = mqbuf_get_u32(p + 65);
	ret->desc_len = mqbuf_get_u32(p + 69);
	ret->epoch = mqbuf_get_u64(p + 73);
}

/* A row of either kind behind `skip` bytes that its checksum covers too. */
static bool
read_row(const void *key, size_t key_len, const void *data, size_t len,
    size_t skip, struct schema_row *ret)
{
	const uint8_t *p = data;
	size_t size;

	if (len <= skip)
		return false;
	size = (p[skip] & ROW_SHORT) != 0 ? short_size(p[skip]) : ROW_LONG_SIZE;
	if (!is_sealed(key, key_len, data, len, skip + size))
		return false;
	if ((p[skip] & ROW_SHORT) != 0)
		get_short_row(p + skip, ret);
	else
		get_long_row(p + skip, ret);
	return true;
}

void
schema_row_encode(const uint8_t key[SCHEMA_ROW_KEY],
    const struct schema_row *row, uint8_t ret[SCHEMA_ROW_MAX])
{
	const uint8_t *end = set_row(ret, row);

	seal(key, SCHEMA_ROW_KEY, ret, (size_t)(end - ret) + 4);
}

bool
schema_row_decode(const uint8_t key[SCHEMA_ROW_KEY], const void *data,
    size_t len, struct schema_row *ret)
{
	return read_row(key, SCHEMA_ROW_KEY, data, len, 0, ret);
}

void
schema_body_key(uint64_t body_id, uint32_t piece, uint32_t crc,
    uint8_t ret[SCHEMA_BODY_KEY])
{
	schema_u64(ret, body_id);
	schema_u32(ret + 8, piece);
	schema_u32(ret + 12, crc);
}

void
schema_id_key(const struct record_key *key, enum store_id_kind kind,
    const uint8_t id[MQI_ID_LEN], uint8_t ret[SCHEMA_ID_KEY])
{
	schema_u64(ret, key->queue_id);
	ret[8] = (uint8_t)kind;
	memcpy(ret + 9, id, MQI_ID_LEN);
	ret[33] = key->rank;
	schema_u64(ret + 34, key->seq);
}

void
schema_np_key(uint64_t epoch, const uint8_t row_key[SCHEMA_ROW_KEY],
    uint8_t ret[SCHEMA_NP_KEY])
{
	schema_u64(ret, epoch);
	memcpy(ret + 8, row_key, SCHEMA_ROW_KEY);
}

void
schema_staged_key(
    uint32_t unit, uint64_t body_id, uint8_t ret[SCHEMA_STAGED_KEY])
{
	schema_u32(ret, unit);
	schema_u64(ret + 4, body_id);
}

void
schema_counters_encode(uint64_t queue_id, const struct schema_counters *c,
    uint8_t ret[SCHEMA_COUNTERS_SIZE])
{
	mqbuf_set_u64(ret, c->depth);
	mqbuf_set_u64(ret + 8, c->bytes);
	mqbuf_set_u64(ret + 16, c->np_epoch);
	mqbuf_set_u32(ret + 24, c->np_depth);
	mqbuf_set_u64(ret + 28, c->np_bytes);
	mqbuf_set_u32(ret + 36, 0);
	seal_u64(queue_id, ret, SCHEMA_COUNTERS_SIZE);
}

bool
schema_counters_decode(uint64_t queue_id, const void *data, size_t len,
    struct schema_counters *ret)
{
	const uint8_t *p = data;

	if (!is_sealed_u64(queue_id, data, len, SCHEMA_COUNTERS_SIZE))
		return false;
	ret->depth = mqbuf_get_u64(p);
	ret->bytes = mqbuf_get_u64(p + 8);
	ret->np_epoch = mqbuf_get_u64(p + 16);
	ret->np_depth = mqbuf_get_u32(p + 24);
	ret->np_bytes = mqbuf_get_u64(p + 28);
	return true;
}

size_t
schema_limbo_encode(
    uint32_t count, const struct schema_row *row, uint8_t ret[SCHEMA_LIMBO_MAX])
{
	const uint8_t *end = set_row(ret + 4, row);
	size_t len = (size_t)(end - ret) + 4;

	mqbuf_set_u32(ret, count);
	seal_u64(row->body_id, ret, len);
	return len;
}

bool
schema_limbo_decode(uint64_t body_id, const void *data, size_t len,
    uint32_t *ret_count, struct schema_row *ret)
{
	uint8_t key[8];

	schema_u64(key, body_id);
	if (!read_row(key, sizeof(key), data, len, 4, ret))
		return false;
	*ret_count = mqbuf_get_u32(data);
	return true;
}

void
schema_shared_encode(
    uint64_t body_id, uint32_t count, uint8_t ret[SCHEMA_SHARED_SIZE])
{
	mqbuf_set_u32(ret, count);
	seal_u64(body_id, ret, SCHEMA_SHARED_SIZE);
}

bool
schema_shared_decode(
    uint64_t body_id, const void *data, size_t len, uint32_t *ret_count)
{
	if (!is_sealed_u64(body_id, data, len, SCHEMA_SHARED_SIZE))
		return false;
	*ret_count = mqbuf_get_u32(data);
	return true;
}

/* ---- segments ---- */

void
schema_segment_encode(uint64_t key, const struct schema_segment *v,
    uint8_t ret[SCHEMA_SEGMENT_FOOT])
{
	mqbuf_set_u32(ret, v->n);
	mqbuf_set_u32(ret + 4, v->data_len);
	mqbuf_set_u64(ret + 8, v->min_body_id);
	mqbuf_set_u64(ret + 16, v->max_body_id);
	seal_u64(key, ret, SCHEMA_SEGMENT_FOOT);
}

bool
schema_segment_decode(
    uint64_t key, const void *data, size_t len, struct schema_segment *ret)
{
	const uint8_t *p = data;
	struct schema_segment v;

	if (len < SCHEMA_SEGMENT_FOOT)
		return false;
	p += len - SCHEMA_SEGMENT_FOOT;
	if (!is_sealed_u64(key, p, SCHEMA_SEGMENT_FOOT, SCHEMA_SEGMENT_FOOT))
		return false;
	v.n = mqbuf_get_u32(p);
	v.data_len = mqbuf_get_u32(p + 4);
	v.min_body_id = mqbuf_get_u64(p + 8);
	v.max_body_id = mqbuf_get_u64(p + 16);
	if (SCHEMA_SEGMENT_FOOT + (uint64_t)v.n * SCHEMA_SEGMENT_ENTRY +
		v.data_len !=
	    len)
		return false;
	*ret = v;
	return true;
}

void
schema_entry_encode(uint64_t segment, const struct schema_entry *v,
    uint8_t ret[SCHEMA_SEGMENT_ENTRY])
{
	mqbuf_set_u64(ret, v->body_id);
	mqbuf_set_u64(ret + 8, v->key.queue_id);
	ret[16] = v->key.rank;
	mqbuf_set_u64(ret + 17, v->key.seq);
	mqbuf_set_u16(ret + 25, v->offset);
	mqbuf_set_u16(ret + 27, v->len);
	mqbuf_set_u32(ret + 29, v->crc);
	seal_u64(segment, ret, SCHEMA_SEGMENT_ENTRY);
}

bool
schema_entry_decode(
    uint64_t segment, const uint8_t *p, struct schema_entry *ret)
{
	if (!is_sealed_u64(
		segment, p, SCHEMA_SEGMENT_ENTRY, SCHEMA_SEGMENT_ENTRY))
		return false;
	ret->body_id = mqbuf_get_u64(p);
	ret->key.queue_id = mqbuf_get_u64(p + 8);
	ret->key.rank = p[16];
	ret->key.seq = mqbuf_get_u64(p + 17);
	ret->offset = mqbuf_get_u16(p + 25);
	ret->len = mqbuf_get_u16(p + 27);
	ret->crc = mqbuf_get_u32(p + 29);
	return true;
}

bool
schema_entry_at(uint64_t segment, const void *data, size_t len, uint16_t slot,
    struct schema_entry *ret)
{
	const uint8_t *p = data;
	size_t from_end =
	    SCHEMA_SEGMENT_FOOT + ((size_t)slot + 1) * SCHEMA_SEGMENT_ENTRY;

	return from_end <= len &&
	       schema_entry_decode(segment, p + len - from_end, ret) &&
	       (size_t)ret->offset + ret->len <= len - from_end;
}

void
schema_live_encode(
    uint64_t segment, uint32_t live, uint32_t n, uint8_t ret[SCHEMA_LIVE_SIZE])
{
	mqbuf_set_u32(ret, live);
	mqbuf_set_u32(ret + 4, n);
	seal_u64(segment, ret, SCHEMA_LIVE_SIZE);
}

bool
schema_live_decode(uint64_t segment, const void *data, size_t len,
    uint32_t *ret_live, uint32_t *ret_n)
{
	const uint8_t *p = data;

	if (!is_sealed_u64(segment, data, len, SCHEMA_LIVE_SIZE))
		return false;
	*ret_live = mqbuf_get_u32(p);
	*ret_n = mqbuf_get_u32(p + 4);
	return true;
}

static size_t
add(uint8_t *key, size_t at, const void *data, size_t len)
{
	MQ_INVARIANT(at + len <= SCHEMA_SMALL_KEY);
	memcpy(key + at, data, len);
	return at + len;
}

size_t
schema_small_key(const struct record *r, uint8_t ret[SCHEMA_SMALL_KEY])
{
	const char *name;
	size_t n = 0;

	switch (r->type) {
	case RECORD_META:
		name = r->u.meta.name;
		break;
	case RECORD_OBJECT:
		n = add(ret, n, &r->u.object.type, 1);
		name = r->u.object.name;
		break;
	case RECORD_OBJECT_DELETE:
		n = add(ret, n, &r->u.object_delete.type, 1);
		name = r->u.object_delete.name;
		break;
	case RECORD_POSITION:
		n = add(ret, n, r->u.position.stream, 16);
		name = r->u.position.partner;
		break;
	case RECORD_STREAM:
		schema_u64(ret, r->u.stream.queue_id);
		return 8;
	default:
		MQ_UNREACHABLE();
	}
	return add(ret, n, name, strlen(name));
}

bool
schema_id_is_set(const uint8_t id[MQI_ID_LEN])
{
	static const uint8_t none[MQI_ID_LEN];

	return memcmp(id, none, MQI_ID_LEN) != 0;
}

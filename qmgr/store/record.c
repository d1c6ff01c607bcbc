/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - the bytes of records; see record.h for the header of 16 bytes
 * and docs/formats/store.md for the rules of change.
 *
 * Payloads, little-endian.  KEY is u64 queue id, u8 rank, u64 sequence number
 * (17 bytes).  STR is u16 length and the bytes, BYTES u32 length and the bytes.
 *
 *   PUT            u64 body id, 24 message id, 24 correlation id,
 *                  u32 backout count, u32 body CRC-32C, u32 body length,
 *                  u32 number of places, u32 descriptor length, KEYs;
 *                  then, unless STAGED, the descriptor and the body
 *   REMOVE         KEY, u64 body id
 *   STAGE          u64 body id, u32 piece; the rest is the piece
 *   COMMIT, PREPARE, ROLLBACK  nothing
 *   BACKOUT        KEY, u32 count
 *   POSITION       STR partner, 16 stream, u64 position, u64 fence,
 *                  16 incarnation, STR identity
 *   OBJECT         u8 type, STR name, u64 id, BYTES attributes
 *   OBJECT_DELETE  u8 type, STR name, u64 id
 *   RELEASE        u64 body id
 *   META           STR name, BYTES value
 *   STREAM         u64 queue id, 16 stream, u64 acknowledged, 16 bound QMID,
 *                  STR bound identity, u32 number, each 16 incarnation and
 *                  u64 first number; then, unless it is 0, u64 acknowledged
 *                  at the bind
 *   RESTORE        KEY, u64 body id, u32 backout count
 *   PURGE          u64 queue id
 *
 * Every byte is accounted for: a payload that is too short or too long, a flag
 * that the type does not have, and a unit where none may be (or none where one
 * must be) are STORE_FORMAT.  The checksum is looked at before all of these.
 */
#include "qmgr/store/record.h"

#include <string.h>

#include "base/crc32c.h"

#define KEY_SIZE 17u
#define PUT_FIXED 76u
#define META_MAX 4096u
#define CRC_OFFSET 12u

enum unit_rule { UNIT_NONE, UNIT_ANY, UNIT_MUST };

#define SIZE_OF(member) sizeof(((struct record *)0)->u.member)

static const struct {
	uint8_t flags; /* those that the type has */
	enum unit_rule unit;
	size_t size; /* decoded */
} rules[] = {
    [RECORD_PUT] = {RECORD_PUT_STAGED | RECORD_PUT_NON_PERSISTENT, UNIT_ANY,
	SIZE_OF(put)},
    [RECORD_REMOVE] = {RECORD_REMOVE_RELEASE, UNIT_ANY, SIZE_OF(remove)},
    [RECORD_STAGE] = {0, UNIT_MUST, SIZE_OF(stage)},
    [RECORD_COMMIT] = {0, UNIT_MUST, 0},
    [RECORD_PREPARE] = {0, UNIT_MUST, 0},
    [RECORD_ROLLBACK] = {0, UNIT_MUST, 0},
    [RECORD_BACKOUT] = {0, UNIT_ANY, SIZE_OF(backout)},
    [RECORD_POSITION] = {0, UNIT_ANY, SIZE_OF(position)},
    [RECORD_OBJECT] = {0, UNIT_NONE, SIZE_OF(object)},
    [RECORD_OBJECT_DELETE] = {0, UNIT_NONE, SIZE_OF(object_delete)},
    [RECORD_RELEASE] = {0, UNIT_ANY, SIZE_OF(release)},
    [RECORD_META] = {0, UNIT_NONE, SIZE_OF(meta)},
    [RECORD_STREAM] = {0, UNIT_ANY, SIZE_OF(stream)},
    [RECORD_RESTORE] = {0, UNIT_ANY, SIZE_OF(restore)},
    [RECORD_PURGE] = {0, UNIT_NONE, SIZE_OF(purge)},
};

static uint32_t
record_crc(const uint8_t *p, size_t size)
{
	return mqcrc32c(mqcrc32c(0, p, CRC_OFFSET), p + RECORD_HEADER,
	    size - RECORD_HEADER);
}

static void
set_header(uint8_t *p, size_t size, uint8_t type, uint8_t flags, uint32_t unit)
{
	MQ_PRE((flags & ~rules[type].flags) == 0);
	MQ_PRE(unit == 0 || rules[type].unit != UNIT_NONE);
	MQ_PRE(unit != 0 || rules[type].unit != UNIT_MUST);
	mqbuf_set_u32(p, (uint32_t)size);
	p[4] = type;
	p[5] = flags;
	p[6] = 0;
	p[7] = 0;
	mqbuf_set_u32(p + 8, unit);
	mqbuf_set_u32(p + CRC_OFFSET, record_crc(p, size));
}

/* Room for a record of a known size; the payload starts at + RECORD_HEADER. */
static uint8_t *
begin_sized(struct mqbuf *b, size_t payload)
{
	return mqbuf_reserve(b, RECORD_HEADER + payload);
}

static void
end_sized(struct mqbuf *b, uint8_t *p, size_t payload, uint8_t type,
    uint8_t flags, uint32_t unit)
{
	set_header(p, RECORD_HEADER + payload, type, flags, unit);
	mqbuf_commit(b, RECORD_HEADER + payload);
}

/* The slower way, field by field, for what is rare. */
static size_t
begin_fields(struct mqbuf *b)
{
	size_t start = b->len;

	mqbuf_put_zeros(b, RECORD_HEADER);
	return start;
}

static void
end_fields(struct mqbuf *b, size_t start, uint8_t type, uint32_t unit)
{
	if (b->err == MQI_OK)
		set_header(b->data + start, b->len - start, type, 0, unit);
}

static void
set_key(uint8_t *p, const struct record_key *key)
{
	mqbuf_set_u64(p, key->queue_id);
	p[8] = key->rank;
	mqbuf_set_u64(p + 9, key->seq);
}

static struct record_key
get_key(const uint8_t *p)
{
	return (struct record_key){.queue_id = mqbuf_get_u64(p),
	    .rank = p[8],
	    .seq = mqbuf_get_u64(p + 9)};
}

void
record_encode_put(struct mqbuf *b, uint32_t unit, const struct record_put *v)
{
	bool staged = (v->flags & RECORD_PUT_STAGED) != 0;
	size_t places = (size_t)v->n_places * KEY_SIZE;
	size_t tail = staged ? 0 : (size_t)v->desc_len + v->body_len;
	size_t payload = PUT_FIXED + places + tail;
	uint8_t *rec;
	uint8_t *p;

	MQ_PRE(v->n_places > 0);
	rec = begin_sized(b, payload);
	if (rec == NULL)
		return;
	p = rec + RECORD_HEADER;
	mqbuf_set_u64(p, v->body_id);
	memcpy(p + 8, v->msg_id, MQI_ID_LEN);
	memcpy(p + 32, v->correl_id, MQI_ID_LEN);
	mqbuf_set_u32(p + 56, v->backout_count);
	mqbuf_set_u32(p + 60, v->body_crc);
	mqbuf_set_u32(p + 64, v->body_len);
	mqbuf_set_u32(p + 68, v->n_places);
	mqbuf_set_u32(p + 72, v->desc_len);
	p += PUT_FIXED;
	for (uint32_t i = 0; i < v->n_places; i++, p += KEY_SIZE)
		set_key(p, &v->places[i]);
	if (!staged) {
		if (v->desc_len > 0)
			memcpy(p, v->desc, v->desc_len);
		if (v->body_len > 0)
			memcpy(p + v->desc_len, v->body, v->body_len);
	}
	end_sized(b, rec, payload, RECORD_PUT, v->flags, unit);
}

void
record_encode_remove(
    struct mqbuf *b, uint32_t unit, const struct record_remove *v)
{
	uint8_t *p = begin_sized(b, KEY_SIZE + 8);

	if (p == NULL)
		return;
	set_key(p + RECORD_HEADER, &v->key);
	mqbuf_set_u64(p + RECORD_HEADER + KEY_SIZE, v->body_id);
	end_sized(b, p, KEY_SIZE + 8, RECORD_REMOVE, v->flags, unit);
}

void
record_encode_restore(
    struct mqbuf *b, uint32_t unit, const struct record_restore *v)
{
	uint8_t *p = begin_sized(b, KEY_SIZE + 12);

	if (p == NULL)
		return;
	set_key(p + RECORD_HEADER, &v->key);
	mqbuf_set_u64(p + RECORD_HEADER + KEY_SIZE, v->body_id);
	mqbuf_set_u32(p + RECORD_HEADER + KEY_SIZE + 8, v->backout_count);
	end_sized(b, p, KEY_SIZE + 12, RECORD_RESTORE, 0, unit);
}

void
record_encode_stage(
    struct mqbuf *b, uint32_t unit, const struct record_stage *v)
{
	size_t payload = 12 + (size_t)v->len;
	uint8_t *p = begin_sized(b, payload);

	if (p == NULL)
		return;
	mqbuf_set_u64(p + RECORD_HEADER, v->body_id);
	mqbuf_set_u32(p + RECORD_HEADER + 8, v->piece);
	if (v->len > 0)
		memcpy(p + RECORD_HEADER + 12, v->data, v->len);
	end_sized(b, p, payload, RECORD_STAGE, 0, unit);
}

void
record_encode_backout(
    struct mqbuf *b, uint32_t unit, const struct record_backout *v)
{
	uint8_t *p = begin_sized(b, KEY_SIZE + 4);

	if (p == NULL)
		return;
	set_key(p + RECORD_HEADER, &v->key);
	mqbuf_set_u32(p + RECORD_HEADER + KEY_SIZE, v->count);
	end_sized(b, p, KEY_SIZE + 4, RECORD_BACKOUT, 0, unit);
}

static void
encode_u64(struct mqbuf *b, uint32_t unit, uint8_t type, uint64_t v)
{
	uint8_t *p = begin_sized(b, 8);

	if (p == NULL)
		return;
	mqbuf_set_u64(p + RECORD_HEADER, v);
	end_sized(b, p, 8, type, 0, unit);
}

void
record_encode_release(
    struct mqbuf *b, uint32_t unit, const struct record_release *v)
{
	encode_u64(b, unit, RECORD_RELEASE, v->body_id);
}

void
record_encode_purge(struct mqbuf *b, const struct record_purge *v)
{
	encode_u64(b, 0, RECORD_PURGE, v->queue_id);
}

void
record_encode_position(
    struct mqbuf *b, uint32_t unit, const struct record_position *v)
{
	size_t start = begin_fields(b);

	mqbuf_put_str16(b, v->partner);
	mqbuf_put(b, v->stream, sizeof(v->stream));
	mqbuf_put_u64(b, v->position);
	mqbuf_put_u64(b, v->fence);
	mqbuf_put(b, v->incarnation, sizeof(v->incarnation));
	mqbuf_put_str16(b, v->identity);
	end_fields(b, start, RECORD_POSITION, unit);
}

void
record_encode_object(struct mqbuf *b, const struct record_object *v)
{
	size_t start = begin_fields(b);

	mqbuf_put_u8(b, v->type);
	mqbuf_put_str16(b, v->name);
	mqbuf_put_u64(b, v->id);
	mqbuf_put_bytes32(b, v->attrs, v->attrs_len);
	end_fields(b, start, RECORD_OBJECT, 0);
}

void
record_encode_object_delete(
    struct mqbuf *b, const struct record_object_delete *v)
{
	size_t start = begin_fields(b);

	mqbuf_put_u8(b, v->type);
	mqbuf_put_str16(b, v->name);
	mqbuf_put_u64(b, v->id);
	end_fields(b, start, RECORD_OBJECT_DELETE, 0);
}

void
record_encode_meta(struct mqbuf *b, const struct record_meta *v)
{
	size_t start = begin_fields(b);

	MQ_PRE(v->len <= META_MAX);
	mqbuf_put_str16(b, v->name);
	mqbuf_put_bytes32(b, v->value, v->len);
	end_fields(b, start, RECORD_META, 0);
}

void
record_encode_stream(
    struct mqbuf *b, uint32_t unit, const struct record_stream *v)
{
	size_t start = begin_fields(b);

	MQ_PRE(v->n_incarnations <= MQ_ARRAY_LEN(v->incarnations));
	mqbuf_put_u64(b, v->queue_id);
	mqbuf_put(b, v->stream, sizeof(v->stream));
	mqbuf_put_u64(b, v->acked);
	mqbuf_put(b, v->bound_qmid, sizeof(v->bound_qmid));
	mqbuf_put_str16(b, v->bound_identity);
	mqbuf_put_u32(b, v->n_incarnations);
	for (uint32_t i = 0; i < v->n_incarnations; i++) {
		mqbuf_put(b, v->incarnations[i].id, 16);
		mqbuf_put_u64(b, v->incarnations[i].first);
	}
	if (v->bound_acked != 0)
		mqbuf_put_u64(b, v->bound_acked);
	end_fields(b, start, RECORD_STREAM, unit);
}

void
record_encode_end(struct mqbuf *b, enum record_type type, uint32_t unit)
{
	uint8_t *p = begin_sized(b, 0);

	MQ_PRE(type == RECORD_COMMIT || type == RECORD_PREPARE ||
	       type == RECORD_ROLLBACK);
	if (p != NULL)
		end_sized(b, p, 0, (uint8_t)type, 0, unit);
}

/* ---- decoding ---- */

static struct record_key
read_key(struct mqreader *r)
{
	uint8_t bytes[KEY_SIZE];

	mqreader_copy(r, bytes, sizeof(bytes));
	return get_key(bytes);
}

static bool
read_put(struct mqreader *r, uint8_t flags, struct record_put *v)
{
	v->flags = flags;
	v->body_id = mqreader_u64(r);
	mqreader_copy(r, v->msg_id, MQI_ID_LEN);
	mqreader_copy(r, v->correl_id, MQI_ID_LEN);
	v->backout_count = mqreader_u32(r);
	v->body_crc = mqreader_u32(r);
	v->body_len = mqreader_u32(r);
	v->n_places = mqreader_u32(r);
	v->desc_len = mqreader_u32(r);
	if (r->err != MQI_OK || v->n_places == 0 ||
	    v->n_places > mqreader_left(r) / KEY_SIZE ||
	    v->body_len > MQI_MAX_BODY)
		return false;
	v->encoded_places = mqreader_bytes(r, (size_t)v->n_places * KEY_SIZE);
	if ((flags & RECORD_PUT_STAGED) == 0) {
		v->desc = mqreader_bytes(r, v->desc_len);
		v->body = mqreader_bytes(r, v->body_len);
	}
	return true;
}

static void
read_stage(struct mqreader *r, struct record_stage *v)
{
	v->body_id = mqreader_u64(r);
	v->piece = mqreader_u32(r);
	v->len = (uint32_t)mqreader_left(r);
	v->data = mqreader_bytes(r, v->len);
}

static void
read_position(struct mqreader *r, struct record_position *v)
{
	mqreader_str16(r, v->partner, sizeof(v->partner));
	mqreader_copy(r, v->stream, sizeof(v->stream));
	v->position = mqreader_u64(r);
	v->fence = mqreader_u64(r);
	mqreader_copy(r, v->incarnation, sizeof(v->incarnation));
	mqreader_str16(r, v->identity, sizeof(v->identity));
}

static void
read_object(struct mqreader *r, struct record_object *v)
{
	size_t len = 0;

	v->type = mqreader_u8(r);
	mqreader_str16(r, v->name, sizeof(v->name));
	v->id = mqreader_u64(r);
	v->attrs = mqreader_bytes32(r, &len);
	v->attrs_len = (uint32_t)len;
}

static bool
read_meta(struct mqreader *r, struct record_meta *v)
{
	size_t len = 0;

	mqreader_str16(r, v->name, sizeof(v->name));
	v->value = mqreader_bytes32(r, &len);
	v->len = (uint32_t)len;
	return len <= META_MAX;
}

static bool
read_stream(struct mqreader *r, struct record_stream *v)
{
	v->queue_id = mqreader_u64(r);
	mqreader_copy(r, v->stream, sizeof(v->stream));
	v->acked = mqreader_u64(r);
	mqreader_copy(r, v->bound_qmid, sizeof(v->bound_qmid));
	mqreader_str16(r, v->bound_identity, sizeof(v->bound_identity));
	v->n_incarnations = mqreader_u32(r);
	if (v->n_incarnations > MQ_ARRAY_LEN(v->incarnations))
		return false;
	for (uint32_t i = 0; i < v->n_incarnations; i++) {
		mqreader_copy(r, v->incarnations[i].id, 16);
		v->incarnations[i].first = mqreader_u64(r);
	}
	v->bound_acked = 0;
	if (mqreader_left(r) == 0)
		return true;
	v->bound_acked = mqreader_u64(r);
	return v->bound_acked != 0;
}

static bool
read_payload(struct mqreader *r, struct record *v)
{
	switch ((enum record_type)v->type) {
	case RECORD_PUT:
		return read_put(r, v->flags, &v->u.put);
	case RECORD_REMOVE:
		v->u.remove.flags = v->flags;
		v->u.remove.key = read_key(r);
		v->u.remove.body_id = mqreader_u64(r);
		return true;
	case RECORD_STAGE:
		read_stage(r, &v->u.stage);
		return true;
	case RECORD_COMMIT:
	case RECORD_PREPARE:
	case RECORD_ROLLBACK:
		return true;
	case RECORD_BACKOUT:
		v->u.backout.key = read_key(r);
		v->u.backout.count = mqreader_u32(r);
		return true;
	case RECORD_POSITION:
		read_position(r, &v->u.position);
		return true;
	case RECORD_OBJECT:
		read_object(r, &v->u.object);
		return true;
	case RECORD_OBJECT_DELETE:
		v->u.object_delete.type = mqreader_u8(r);
		mqreader_str16(r, v->u.object_delete.name,
		    sizeof(v->u.object_delete.name));
		v->u.object_delete.id = mqreader_u64(r);
		return true;
	case RECORD_RELEASE:
		v->u.release.body_id = mqreader_u64(r);
		return true;
	case RECORD_META:
		return read_meta(r, &v->u.meta);
	case RECORD_STREAM:
		return read_stream(r, &v->u.stream);
	case RECORD_RESTORE:
		v->u.restore.key = read_key(r);
		v->u.restore.body_id = mqreader_u64(r);
		v->u.restore.backout_count = mqreader_u32(r);
		return true;
	case RECORD_PURGE:
		v->u.purge.queue_id = mqreader_u64(r);
		return true;
	}
	return false;
}

static bool
header_is_known(const uint8_t *p, uint32_t unit)
{
	uint8_t type = p[4];

	if (type == 0 || type >= MQ_ARRAY_LEN(rules))
		return false;
	if (p[6] != 0 || p[7] != 0 || (p[5] & ~rules[type].flags) != 0)
		return false;
	if (unit == 0)
		return rules[type].unit != UNIT_MUST;
	return rules[type].unit != UNIT_NONE;
}

bool
record_is_whole(const void *data, uint32_t size)
{
	const uint8_t *p = data;

	return record_crc(p, size) == mqbuf_get_u32(p + CRC_OFFSET);
}

enum mqi_err
record_decode(const void *data, size_t len, struct record *ret)
{
	uint32_t size;

	if (len < RECORD_HEADER)
		return MQI_E_STORE_FORMAT;
	size = mqbuf_get_u32(data);
	if (size < RECORD_HEADER || size > len)
		return MQI_E_STORE_FORMAT;
	if (!record_is_whole(data, size))
		return MQI_E_OBJECT_DAMAGED;
	return record_parse(data, len, ret);
}

enum mqi_err
record_parse(const void *data, size_t len, struct record *ret)
{
	const uint8_t *p = data;
	struct mqreader r;
	struct record v; /* large: only the member in use is touched */

	if (len < RECORD_HEADER)
		return MQI_E_STORE_FORMAT;
	v.size = mqbuf_get_u32(p);
	if (v.size < RECORD_HEADER || v.size > len)
		return MQI_E_STORE_FORMAT;
	v.type = p[4];
	v.flags = p[5];
	v.unit = mqbuf_get_u32(p + 8);
	if (!header_is_known(p, v.unit))
		return MQI_E_STORE_FORMAT;
	memset(&v.u, 0, rules[v.type].size);
	mqreader_init(&r, p + RECORD_HEADER, v.size - RECORD_HEADER);
	if (!read_payload(&r, &v) || mqreader_done(&r) != MQI_OK)
		return MQI_E_STORE_FORMAT;
	memcpy(ret, &v, offsetof(struct record, u) + rules[v.type].size);
	return MQI_OK;
}

struct record_key
record_place(const struct record_put *put, uint32_t i)
{
	MQ_PRE(i < put->n_places);
	if (put->encoded_places == NULL)
		return put->places[i];
	return get_key(put->encoded_places + (size_t)i * KEY_SIZE);
}

int
record_key_cmp(const struct record_key *a, const struct record_key *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.c - the frames of the local protocol that are described by tables:
 * all but those on the path of every message, which are in local_msg.c.
 *
 * Neighbours: libmq and qmgr, which meet here.  docs/formats/local.md
 * describes every frame; tests/data/golden/ pins its bytes.
 * A table lists the fields of a payload in order, with their place in the
 * struct: numbers are little-endian, a string is a u16 length and its bytes, a
 * flag is one byte, 0 or 1, an id is its bytes.
 * Happy path: encode walks the table and appends; decode walks it, then wants
 * the payload to be used up.
 * Failure: decode fills a struct of its own first, so that a bad frame leaves
 * the caller's untouched; encode leaves the buffer's err.
 */
#include "proto/local.h"

#include <string.h>

enum field_kind {
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_FLAG,
	FIELD_ID,
	FIELD_STR
};

struct field {
	enum field_kind kind;
	uint16_t offset; /* in the struct */
	uint16_t size;   /* FIELD_ID: bytes; FIELD_STR: with the NUL */
};

#define MEMBER_SIZE(name, member) sizeof(((struct mqlocal_##name *)0)->member)

/* 0, or no compilation: a number's kind must have its member's size */
#define SIZE_CHECK(name, member, want)                                   \
	(0 * sizeof(struct {                                             \
		_Static_assert(MEMBER_SIZE(name, member) == (want), ""); \
		char unused;                                             \
	}))

#define FIELD_OF(kind_, name, member, size_)                       \
	{                                                          \
		.kind = (kind_),                                   \
		.offset = offsetof(struct mqlocal_##name, member), \
		.size = (size_) + SIZE_CHECK(name, member, size_), \
	}
#define U16(name, member) FIELD_OF(FIELD_U16, name, member, 2)
#define U32(name, member) FIELD_OF(FIELD_U32, name, member, 4)
#define U64(name, member) FIELD_OF(FIELD_U64, name, member, 8)
#define FLAG(name, member) FIELD_OF(FIELD_FLAG, name, member, 1)
#define ID(name, member) \
	FIELD_OF(FIELD_ID, name, member, MEMBER_SIZE(name, member))
#define STR(name, member) \
	FIELD_OF(FIELD_STR, name, member, MEMBER_SIZE(name, member))

static void
put_str(struct mqbuf *b, const char *s, size_t cap)
{
	size_t len = strnlen(s, cap);

	MQ_PRE(len < cap);
	mqbuf_put_u16(b, (uint16_t)len);
	mqbuf_put(b, s, len);
}

static void
put_field(struct mqbuf *b, const struct field *f, const void *v)
{
	const uint8_t *p = (const uint8_t *)v + f->offset;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (f->kind) {
	case FIELD_U16:
		memcpy(&u16, p, sizeof(u16));
		mqbuf_put_u16(b, u16);
		break;
	case FIELD_U32:
		memcpy(&u32, p, sizeof(u32));
		mqbuf_put_u32(b, u32);
		break;
	case FIELD_U64:
		memcpy(&u64, p, sizeof(u64));
		mqbuf_put_u64(b, u64);
		break;
	case FIELD_FLAG:
		mqbuf_put_u8(b, *p != 0);
		break;
	case FIELD_ID:
		mqbuf_put(b, p, f->size);
		break;
	case FIELD_STR:
		put_str(b, (const char *)p, f->size);
		break;
	}
}

static void
put_fields(struct mqbuf *b, const struct field *fields, size_t n, const void *v)
{
	for (size_t i = 0; i < n; i++)
		put_field(b, &fields[i], v);
}

static void
read_field(struct mqreader *r, const struct field *f, void *ret)
{
	uint8_t *p = (uint8_t *)ret + f->offset;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (f->kind) {
	case FIELD_U16:
		u16 = mqreader_u16(r);
		memcpy(p, &u16, sizeof(u16));
		break;
	case FIELD_U32:
		u32 = mqreader_u32(r);
		memcpy(p, &u32, sizeof(u32));
		break;
	case FIELD_U64:
		u64 = mqreader_u64(r);
		memcpy(p, &u64, sizeof(u64));
		break;
	case FIELD_FLAG:
		*p = mqreader_u8(r);
		if (*p > 1) {
			*p = 0;
			r->err = MQI_E_PROTOCOL;
		}
		break;
	case FIELD_ID:
		mqreader_copy(r, p, f->size);
		break;
	case FIELD_STR:
		mqreader_str16(r, (char *)p, f->size);
		break;
	}
}

static void
read_fields(struct mqreader *r, const struct field *fields, size_t n, void *ret)
{
	for (size_t i = 0; i < n && !r->err; i++)
		read_field(r, &fields[i], ret);
}

static enum mqi_err
read_begin(struct mqreader *r, const struct mqframe *f, enum mqlocal_type type)
{
	if (f->type != type || f->flags != 0)
		return MQI_E_PROTOCOL;
	mqreader_init(r, f->payload, f->payload_len);
	return MQI_OK;
}

/*
 * Defines the pair of functions of a frame whose payload is exactly its table
 * NAME_fields.
 */
#define TABLE_CODEC(name, TYPE)                                               \
	void mqlocal_encode_##name(                                           \
	    struct mqbuf *b, uint32_t id, const struct mqlocal_##name *v)     \
	{                                                                     \
		size_t start = mqframe_begin(b, MQLOCAL_##TYPE, 0, id);       \
                                                                              \
		put_fields(b, name##_fields, MQ_ARRAY_LEN(name##_fields), v); \
		mqframe_end(b, start, 0);                                     \
	}                                                                     \
                                                                              \
	enum mqi_err mqlocal_decode_##name(                                   \
	    const struct mqframe *f, struct mqlocal_##name *ret)              \
	{                                                                     \
		struct mqlocal_##name v;                                      \
		struct mqreader r;                                            \
		enum mqi_err err = read_begin(&r, f, MQLOCAL_##TYPE);         \
                                                                              \
		if (err)                                                      \
			return err;                                           \
		read_fields(                                                  \
		    &r, name##_fields, MQ_ARRAY_LEN(name##_fields), &v);      \
		err = mqreader_done(&r);                                      \
		if (!err)                                                     \
			*ret = v;                                             \
		return err;                                                   \
	}

/* ---- session ---- */

static const struct field hello_fields[] = {
    U16(hello, version_min),
    U16(hello, version_max),
    U64(hello, features),
    STR(hello, qmgr),
    STR(hello, app_name),
    FLAG(hello, is_agent),
    STR(hello, user),
    STR(hello, channel),
    STR(hello, address),
};

void
mqlocal_encode_hello(
    struct mqbuf *b, uint32_t id, const struct mqlocal_hello *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_HELLO, 0, id);

	MQ_PRE(v->version_min > 0 && v->version_min <= v->version_max);
	mqbuf_put_u32(b, MQLOCAL_MAGIC);
	put_fields(b, hello_fields, MQ_ARRAY_LEN(hello_fields), v);
	mqframe_end(b, start, 0);
}

/* This part of a HELLO stays the same in all versions; a later one may only
 * add to its end, so that versions can always be agreed on. */
enum mqi_err
mqlocal_decode_hello(const struct mqframe *f, struct mqlocal_hello *ret)
{
	struct mqlocal_hello v;
	struct mqreader r;
	enum mqi_err err = read_begin(&r, f, MQLOCAL_HELLO);

	if (err)
		return err;
	if (mqreader_u32(&r) != MQLOCAL_MAGIC)
		return MQI_E_PROTOCOL;
	read_fields(&r, hello_fields, MQ_ARRAY_LEN(hello_fields), &v);
	if (r.err)
		return r.err;
	if (v.version_min == 0 || v.version_min > v.version_max)
		return MQI_E_PROTOCOL;
	if (v.version_max <= MQLOCAL_VERSION && mqreader_left(&r) > 0)
		return MQI_E_PROTOCOL;
	*ret = v;
	return MQI_OK;
}

static const struct field client_hello_fields[] = {
    U16(client_hello, version_min),
    U16(client_hello, version_max),
    STR(client_hello, channel),
    STR(client_hello, user),
};

void
mqlocal_encode_client_hello(
    struct mqbuf *b, uint32_t id, const struct mqlocal_client_hello *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_CLIENT_HELLO, 0, id);

	MQ_PRE(v->version_min > 0 && v->version_min <= v->version_max);
	mqbuf_put_u32(b, MQLOCAL_MAGIC);
	put_fields(
	    b, client_hello_fields, MQ_ARRAY_LEN(client_hello_fields), v);
	mqframe_end(b, start, 0);
}

/* As HELLO, and for the same reason. */
enum mqi_err
mqlocal_decode_client_hello(
    const struct mqframe *f, struct mqlocal_client_hello *ret)
{
	struct mqlocal_client_hello v;
	struct mqreader r;
	enum mqi_err err = read_begin(&r, f, MQLOCAL_CLIENT_HELLO);

	if (err)
		return err;
	if (mqreader_u32(&r) != MQLOCAL_MAGIC)
		return MQI_E_PROTOCOL;
	read_fields(
	    &r, client_hello_fields, MQ_ARRAY_LEN(client_hello_fields), &v);
	if (r.err)
		return r.err;
	if (v.version_min == 0 || v.version_min > v.version_max)
		return MQI_E_PROTOCOL;
	if (v.version_max <= MQLOCAL_VERSION && mqreader_left(&r) > 0)
		return MQI_E_PROTOCOL;
	*ret = v;
	return MQI_OK;
}

static const struct field client_ok_fields[] = {
    U16(client_ok, version),
    U32(client_ok, heartbeat_ms),
    U32(client_ok, max_msg_len),
};
TABLE_CODEC(client_ok, CLIENT_OK)

static const struct field hello_ok_fields[] = {
    U16(hello_ok, version),
    U64(hello_ok, features),
    STR(hello_ok, qmgr),
    ID(hello_ok, qmid),
    ID(hello_ok, incarnation),
    U32(hello_ok, max_msg_len),
};
TABLE_CODEC(hello_ok, HELLO_OK)

static const struct field error_fields[] = {
    U32(error, reason),
    STR(error, text),
};
TABLE_CODEC(error, ERROR)

/* ---- handles ---- */

static const struct field open_fields[] = {
    U32(open, options),
    STR(open, object),
    STR(open, qmgr),
};
TABLE_CODEC(open, OPEN)

static const struct field open_as_fields[] = {
    U32(open_as, options),
    STR(open_as, object),
    STR(open_as, qmgr),
    STR(open_as, user),
};
TABLE_CODEC(open_as, OPEN_AS)

static const struct field open_select_fields[] = {
    U32(open_select, options),
    STR(open_select, object),
    STR(open_select, qmgr),
    STR(open_select, user),
    STR(open_select, selector),
};
TABLE_CODEC(open_select, OPEN_SELECT)

static const struct field open_topic_fields[] = {
    U32(open_topic, options),
    STR(open_topic, object),
    STR(open_topic, topic),
};
TABLE_CODEC(open_topic, OPEN_TOPIC)

static const struct field subscribe_fields[] = {
    U32(subscribe, options),
    U32(subscribe, expiry),
    STR(subscribe, name),
    STR(subscribe, object),
    STR(subscribe, topic),
    STR(subscribe, dest),
    STR(subscribe, dest_qmgr),
    STR(subscribe, selector),
    STR(subscribe, user_data),
    ID(subscribe, correl_id),
};
TABLE_CODEC(subscribe, SUBSCRIBE)

static const struct field unsubscribe_fields[] = {
    U32(unsubscribe, handle),
};
TABLE_CODEC(unsubscribe, UNSUBSCRIBE)

static const struct field browse_unlock_fields[] = {
    U32(browse_unlock, handle),
};
TABLE_CODEC(browse_unlock, BROWSE_UNLOCK)

static const struct field open_ok_fields[] = {
    U32(open_ok, handle),
    STR(open_ok, resolved_name),
    STR(open_ok, resolved_qmgr),
    U32(open_ok, max_msg_len),
};
TABLE_CODEC(open_ok, OPEN_OK)

static const struct field close_fields[] = {
    U32(close, handle),
};
TABLE_CODEC(close, CLOSE)

static const struct field inquire_fields[] = {
    U32(inquire, handle),
};
TABLE_CODEC(inquire, INQUIRE)

static const struct field inquire_ok_fields[] = {
    STR(inquire_ok, info.name),
    STR(inquire_ok, info.resolved_name),
    STR(inquire_ok, info.resolved_qmgr),
    U64(inquire_ok, info.depth),
    U64(inquire_ok, info.max_depth),
    U64(inquire_ok, info.max_msg_len),
    U32(inquire_ok, info.open_input),
    U32(inquire_ok, info.open_output),
    U32(inquire_ok, info.default_priority),
    U32(inquire_ok, info.default_persistence),
    FLAG(inquire_ok, info.put_inhibited),
    FLAG(inquire_ok, info.get_inhibited),
    FLAG(inquire_ok, info.is_transmission),
};
TABLE_CODEC(inquire_ok, INQUIRE_OK)

/* ---- get ---- */

static const struct field consume_fields[] = {
    U32(consume, handle),
    U32(consume, max_msgs),
    U32(consume, max_bytes),
};
TABLE_CODEC(consume, CONSUME)

static const struct field watch_fields[] = {
    U32(watch, handle),
    FLAG(watch, on),
};
TABLE_CODEC(watch, WATCH)

static const struct field ready_fields[] = {
    U32(ready, handle),
    FLAG(ready, ready),
};
TABLE_CODEC(ready, READY)

/* ---- positions ---- */

static const struct field position_open_fields[] = {
    STR(position_open, partner),
    ID(position_open, stream),
    ID(position_open, incarnation),
    STR(position_open, identity),
};
TABLE_CODEC(position_open, POSITION_OPEN)

static const struct field position_fields[] = {
    U64(position, position),
    U64(position, fence),
    ID(position, incarnation),
};
TABLE_CODEC(position, POSITION)

static const struct field unit_position_fields[] = {
    U32(unit_position, unit),
    STR(unit_position, partner),
    ID(unit_position, stream),
    U64(unit_position, fence),
    U64(unit_position, from),
    U64(unit_position, to),
    ID(unit_position, incarnation),
};
TABLE_CODEC(unit_position, UNIT_POSITION)

/* ---- streams ---- */

static const struct field stream_open_fields[] = {
    STR(stream_open, queue),
};
TABLE_CODEC(stream_open, STREAM_OPEN)

static const struct field stream_bind_fields[] = {
    U32(stream_bind, handle),
    ID(stream_bind, qmid),
    STR(stream_bind, identity),
};
TABLE_CODEC(stream_bind, STREAM_BIND)

static const struct field stream_ack_fields[] = {
    U32(stream_ack, handle),
    U64(stream_ack, number),
};
TABLE_CODEC(stream_ack, STREAM_ACK)

static const struct field stream_credit_fields[] = {
    U32(stream_credit, handle),
    U32(stream_credit, max_msgs),
    U32(stream_credit, max_bytes),
    U64(stream_credit, after),
};
TABLE_CODEC(stream_credit, STREAM_CREDIT)

static const struct field stream_limit_fields[] = {
    U32(stream_limit, handle),
    U32(stream_limit, max_msg_len),
};
TABLE_CODEC(stream_limit, STREAM_LIMIT)

static const struct field stream_remove_fields[] = {
    U32(stream_remove, handle),
    U32(stream_remove, unit),
    U64(stream_remove, number),
};
TABLE_CODEC(stream_remove, STREAM_REMOVE)

/* then a list of incarnations, and bound_acked unless it is 0 */
static const struct field stream_ok_fields[] = {
    U32(stream_ok, handle),
    ID(stream_ok, stream),
    U64(stream_ok, acked),
    U64(stream_ok, handed),
    ID(stream_ok, bound_qmid),
    STR(stream_ok, bound_identity),
    U32(stream_ok, n_incarnations),
};

void
mqlocal_encode_stream_ok(
    struct mqbuf *b, uint32_t id, const struct mqlocal_stream_ok *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_STREAM_OK, 0, id);

	MQ_PRE(v->n_incarnations <= MQLOCAL_MAX_INCARNATIONS);
	put_fields(b, stream_ok_fields, MQ_ARRAY_LEN(stream_ok_fields), v);
	for (uint32_t i = 0; i < v->n_incarnations; i++) {
		const struct mqlocal_incarnation *inc = &v->incarnations[i];

		mqbuf_put(b, inc->id, sizeof(inc->id));
		mqbuf_put_u64(b, inc->first);
	}
	if (v->bound_acked != 0)
		mqbuf_put_u64(b, v->bound_acked);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_stream_ok(const struct mqframe *f, struct mqlocal_stream_ok *ret)
{
	struct mqlocal_stream_ok v;
	struct mqreader r;
	enum mqi_err err = read_begin(&r, f, MQLOCAL_STREAM_OK);

	if (err)
		return err;
	memset(&v, 0, sizeof(v));
	read_fields(&r, stream_ok_fields, MQ_ARRAY_LEN(stream_ok_fields), &v);
	if (r.err || v.n_incarnations > MQLOCAL_MAX_INCARNATIONS)
		return MQI_E_PROTOCOL;
	for (uint32_t i = 0; i < v.n_incarnations; i++) {
		struct mqlocal_incarnation *inc = &v.incarnations[i];

		mqreader_copy(&r, inc->id, sizeof(inc->id));
		inc->first = mqreader_u64(&r);
	}
	if (!r.err && mqreader_left(&r) > 0) {
		v.bound_acked = mqreader_u64(&r);
		if (v.bound_acked == 0)
			return MQI_E_PROTOCOL;
	}
	err = mqreader_done(&r);
	if (!err)
		*ret = v;
	return err;
}

/* ---- frames by type ---- */

void
mqlocal_encode_unit(
    struct mqbuf *b, uint16_t type, uint32_t id, const struct mqlocal_unit *v)
{
	size_t start = mqframe_begin(b, type, 0, id);

	MQ_PRE(type == MQLOCAL_COMMIT || type == MQLOCAL_BACKOUT);
	mqbuf_put_u32(b, v->unit);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_unit(const struct mqframe *f, struct mqlocal_unit *ret)
{
	if ((f->type != MQLOCAL_COMMIT && f->type != MQLOCAL_BACKOUT) ||
	    f->flags != 0 || f->payload_len != sizeof(uint32_t))
		return MQI_E_PROTOCOL;
	ret->unit = mqbuf_get_u32(f->payload);
	return MQI_OK;
}

void
mqlocal_encode_empty(struct mqbuf *b, uint16_t type, uint32_t id)
{
	size_t start = mqframe_begin(b, type, 0, id);

	MQ_PRE(type == MQLOCAL_PING || type == MQLOCAL_CANCEL_GET ||
	       type == MQLOCAL_BEAT);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_empty(const struct mqframe *f)
{
	if ((f->type != MQLOCAL_PING && f->type != MQLOCAL_CANCEL_GET &&
		f->type != MQLOCAL_BEAT) ||
	    f->flags != 0 || f->payload_len != 0)
		return MQI_E_PROTOCOL;
	return MQI_OK;
}

const char *
mqlocal_type_name(uint16_t type)
{
	switch (type) {
#define LOCAL_NAME(number, name) \
	case MQLOCAL_##name:     \
		return #name;
		MQLOCAL_FRAME_MAP(LOCAL_NAME)
#undef LOCAL_NAME
	}
	return "?";
}

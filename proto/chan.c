/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chan.c - frames of the channel protocol (chan.h; bytes in
 * docs/formats/channel.md).
 *
 * Encoders trust their input (our own structs, guarded by MQ_PRE); decoders
 * trust nothing: type, frame flags, id, every length, every reserved byte,
 * ranges, order of incarnations, and that nothing is left over.
 *
 * Happy path: mqframe_parse() finds the frame, decode fills a struct whose
 * pointers stay in the payload.  Failure: MQI_E_PROTOCOL, and the channel
 * tells its partner and ends.
 */
#include "proto/chan.h"

#include <string.h>

_Static_assert(20 + 8 + MQCHAN_MAX_DESC <= MQFRAME_MAX_PAYLOAD, "MSG");

static enum mqi_err
begin(const struct mqframe *f, uint16_t type, struct mqreader *r)
{
	mqreader_init(r, f->payload, f->payload_len);
	if (f->type != type || f->flags != 0 || f->id != 0)
		return MQI_E_PROTOCOL;
	return MQI_OK;
}

static enum mqi_err
finish(const struct mqreader *r, bool fits)
{
	enum mqi_err err = mqreader_done(r);

	if (err == MQI_OK && !fits)
		err = MQI_E_PROTOCOL;
	return err;
}

void
mqchan_encode_hello(struct mqbuf *b, const struct mqchan_hello *v)
{
	size_t start = mqframe_begin(b, MQCHAN_HELLO, 0, 0);

	MQ_PRE(
	    v->role == MQCHAN_ROLE_SENDER || v->role == MQCHAN_ROLE_RECEIVER);
	mqbuf_put_u32(b, MQCHAN_MAGIC);
	mqbuf_put_u16(b, v->version_min);
	mqbuf_put_u16(b, v->version_max);
	mqbuf_put_u64(b, v->features);
	mqbuf_put_u8(b, v->role);
	mqbuf_put_str16(b, v->channel);
	mqbuf_put_str16(b, v->qmgr);
	mqbuf_put(b, v->qmid, sizeof(v->qmid));
	mqbuf_put_u32(b, v->heartbeat_ms);
	mqbuf_put_u32(b, v->batch_size);
	mqbuf_put_u32(b, v->max_msg_len);
	mqframe_end(b, start, 0);
}

/* A HELLO of a version range without ours is decoded as far as its versions
 * (the rest is zeros), so that both ends can say which they speak. */
enum mqi_err
mqchan_decode_hello(const struct mqframe *f, struct mqchan_hello *ret)
{
	struct mqchan_hello v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_HELLO, &r);

	if (err != MQI_OK)
		return err;
	if (mqreader_u32(&r) != MQCHAN_MAGIC)
		return MQI_E_PROTOCOL;
	v.version_min = mqreader_u16(&r);
	v.version_max = mqreader_u16(&r);
	if (r.err != MQI_OK || v.version_min > v.version_max)
		return MQI_E_PROTOCOL;
	if (v.version_min > MQCHAN_VERSION ||
	    v.version_max < MQCHAN_VERSION_MIN) {
		*ret = v;
		return MQI_OK;
	}
	v.features = mqreader_u64(&r);
	v.role = mqreader_u8(&r);
	mqreader_str16(&r, v.channel, sizeof(v.channel));
	mqreader_str16(&r, v.qmgr, sizeof(v.qmgr));
	mqreader_copy(&r, v.qmid, sizeof(v.qmid));
	v.heartbeat_ms = mqreader_u32(&r);
	v.batch_size = mqreader_u32(&r);
	v.max_msg_len = mqreader_u32(&r);
	err = finish(&r,
	    (v.role == MQCHAN_ROLE_SENDER || v.role == MQCHAN_ROLE_RECEIVER) &&
		v.channel[0] != '\0' && v.qmgr[0] != '\0' &&
		v.heartbeat_ms <= MQCHAN_MAX_HEARTBEAT_MS && v.batch_size > 0 &&
		v.max_msg_len <= MQI_MAX_BODY);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_stream(struct mqbuf *b, const struct mqchan_stream *v)
{
	size_t start = mqframe_begin(b, MQCHAN_STREAM, 0, 0);

	MQ_PRE(v->n_incarnations > 0);
	MQ_PRE(v->n_incarnations <= MQCHAN_MAX_INCARNATIONS);
	mqbuf_put(b, v->stream, sizeof(v->stream));
	mqbuf_put_u32(b, v->n_incarnations);
	for (uint32_t i = 0; i < v->n_incarnations; i++) {
		mqbuf_put(
		    b, v->incarnations[i].id, sizeof(v->incarnations[i].id));
		mqbuf_put_u64(b, v->incarnations[i].first);
	}
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_stream(const struct mqframe *f, struct mqchan_stream *ret)
{
	struct mqchan_stream v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_STREAM, &r);

	if (err != MQI_OK)
		return err;
	mqreader_copy(&r, v.stream, sizeof(v.stream));
	v.n_incarnations = mqreader_u32(&r);
	if (v.n_incarnations == 0 || v.n_incarnations > MQCHAN_MAX_INCARNATIONS)
		return MQI_E_PROTOCOL;
	for (uint32_t i = 0; i < v.n_incarnations; i++) {
		struct mqchan_incarnation *inc = &v.incarnations[i];

		mqreader_copy(&r, inc->id, sizeof(inc->id));
		inc->first = mqreader_u64(&r);
		if (i > 0 && inc->first < inc[-1].first)
			return MQI_E_PROTOCOL;
	}
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_resume(struct mqbuf *b, const struct mqchan_resume *v)
{
	size_t start = mqframe_begin(b, MQCHAN_RESUME, 0, 0);

	mqbuf_put_u64(b, v->position);
	mqbuf_put(b, v->incarnation, sizeof(v->incarnation));
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_resume(const struct mqframe *f, struct mqchan_resume *ret)
{
	struct mqchan_resume v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_RESUME, &r);

	if (err != MQI_OK)
		return err;
	v.position = mqreader_u64(&r);
	mqreader_copy(&r, v.incarnation, sizeof(v.incarnation));
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

bool
mqchan_is_inline(uint32_t desc_len, uint32_t body_len)
{
	return (uint64_t)desc_len + body_len <= MQFRAME_PIECE;
}

void
mqchan_encode_msg(struct mqbuf *b, const struct mqchan_msg *v)
{
	size_t start = mqframe_begin(b, MQCHAN_MSG, 0, 0);

	MQ_PRE(v->number > v->previous);
	MQ_PRE(v->desc_len > 0 && v->desc_len <= MQCHAN_MAX_DESC);
	MQ_PRE(v->body == NULL || mqchan_is_inline(v->desc_len, v->body_len));
	mqbuf_put_u64(b, v->number);
	mqbuf_put_u64(b, v->previous);
	mqbuf_put_u32(b, v->body_crc);
	mqbuf_put_u32(b, v->body_len);
	mqbuf_put_bytes32(b, v->desc, v->desc_len);
	if (v->body != NULL)
		mqbuf_put(b, v->body, v->body_len);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_msg(const struct mqframe *f, struct mqchan_msg *ret)
{
	struct mqchan_msg v = {0};
	size_t desc_len = 0;
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_MSG, &r);

	if (err != MQI_OK)
		return err;
	v.number = mqreader_u64(&r);
	v.previous = mqreader_u64(&r);
	v.body_crc = mqreader_u32(&r);
	v.body_len = mqreader_u32(&r);
	v.desc = mqreader_bytes32(&r, &desc_len);
	if (r.err != MQI_OK || desc_len == 0 || desc_len > MQCHAN_MAX_DESC ||
	    v.body_len > MQI_MAX_BODY || v.number <= v.previous)
		return MQI_E_PROTOCOL;
	v.desc_len = (uint32_t)desc_len;
	if (mqchan_is_inline(v.desc_len, v.body_len))
		v.body = mqreader_bytes(&r, v.body_len);
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_piece(struct mqbuf *b, const struct mqchan_piece *v)
{
	size_t start = mqframe_begin(b, MQCHAN_PIECE, 0, 0);

	MQ_PRE(v->len > 0 && v->len <= MQFRAME_PIECE);
	mqbuf_put(b, v->data, v->len);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_piece(const struct mqframe *f, struct mqchan_piece *ret)
{
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_PIECE, &r);

	if (err != MQI_OK)
		return err;
	if (f->payload_len == 0 || f->payload_len > MQFRAME_PIECE)
		return MQI_E_PROTOCOL;
	ret->data = f->payload;
	ret->len = f->payload_len;
	return MQI_OK;
}

void
mqchan_encode_ack(struct mqbuf *b, const struct mqchan_ack *v)
{
	size_t start = mqframe_begin(b, MQCHAN_ACK, 0, 0);

	mqbuf_put_u64(b, v->number);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_ack(const struct mqframe *f, struct mqchan_ack *ret)
{
	struct mqchan_ack v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_ACK, &r);

	if (err != MQI_OK)
		return err;
	v.number = mqreader_u64(&r);
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_error(struct mqbuf *b, const struct mqchan_error *v)
{
	size_t start = mqframe_begin(b, MQCHAN_ERROR, 0, 0);

	MQ_PRE(v->reason != 0);
	mqbuf_put_u32(b, v->reason);
	mqbuf_put_u64(b, v->sender_position);
	mqbuf_put_u64(b, v->receiver_position);
	mqbuf_put_str16(b, v->text);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_error(const struct mqframe *f, struct mqchan_error *ret)
{
	struct mqchan_error v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_ERROR, &r);

	if (err != MQI_OK)
		return err;
	v.reason = mqreader_u32(&r);
	v.sender_position = mqreader_u64(&r);
	v.receiver_position = mqreader_u64(&r);
	mqreader_str16(&r, v.text, sizeof(v.text));
	err = finish(&r, v.reason != 0);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_close(struct mqbuf *b, const struct mqchan_close *v)
{
	size_t start = mqframe_begin(b, MQCHAN_CLOSE, 0, 0);

	mqbuf_put_u32(b, v->reason);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_close(const struct mqframe *f, struct mqchan_close *ret)
{
	struct mqchan_close v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_CLOSE, &r);

	if (err != MQI_OK)
		return err;
	v.reason = mqreader_u32(&r);
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_options(struct mqbuf *b, const struct mqchan_options *v)
{
	size_t start = mqframe_begin(b, MQCHAN_OPTIONS, 0, 0);

	MQ_PRE(v->n <= MQCHAN_MAX_OPTIONS);
	mqbuf_put_u16(b, (uint16_t)v->n);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct mqchan_option *o = &v->all[i];

		MQ_PRE(o->len <= MQCHAN_MAX_OPTION);
		MQ_PRE(i == 0 || o->number > o[-1].number);
		mqbuf_put_u16(b, o->number);
		mqbuf_put_u16(b, o->len);
		mqbuf_put(b, o->data, o->len);
	}
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_options(const struct mqframe *f, struct mqchan_options *ret)
{
	struct mqchan_options v = {.n = 0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_OPTIONS, &r);
	uint16_t last = 0;

	if (err != MQI_OK)
		return err;
	v.n = mqreader_u16(&r);
	if (v.n > MQCHAN_MAX_OPTIONS)
		return MQI_E_PROTOCOL;
	for (uint32_t i = 0; i < v.n; i++) {
		struct mqchan_option *o = &v.all[i];

		o->number = mqreader_u16(&r);
		o->len = mqreader_u16(&r);
		if (o->number <= last || o->len > MQCHAN_MAX_OPTION)
			return MQI_E_PROTOCOL;
		last = o->number;
		o->data = mqreader_bytes(&r, o->len);
	}
	err = finish(&r, true);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_packed(struct mqbuf *b, const struct mqchan_packed *v)
{
	size_t start = mqframe_begin(b, MQCHAN_PACKED, 0, 0);

	MQ_PRE(v->algorithm != 0 && v->len > 0);
	MQ_PRE(v->raw_len > 0 && v->raw_len <= MQCHAN_MAX_RAW);
	mqbuf_put_u8(b, v->algorithm);
	mqbuf_put_u32(b, v->raw_len);
	mqbuf_put(b, v->data, v->len);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqchan_decode_packed(const struct mqframe *f, struct mqchan_packed *ret)
{
	struct mqchan_packed v = {0};
	struct mqreader r;
	enum mqi_err err = begin(f, MQCHAN_PACKED, &r);

	if (err != MQI_OK)
		return err;
	v.algorithm = mqreader_u8(&r);
	v.raw_len = mqreader_u32(&r);
	v.len = (uint32_t)mqreader_left(&r);
	v.data = mqreader_bytes(&r, v.len);
	err = finish(&r, v.algorithm != 0 && v.len > 0 && v.raw_len > 0 &&
			     v.raw_len <= MQCHAN_MAX_RAW);
	if (err == MQI_OK)
		*ret = v;
	return err;
}

void
mqchan_encode_empty(struct mqbuf *b, uint16_t type)
{
	MQ_PRE(type == MQCHAN_HEARTBEAT || type == MQCHAN_HEARTBEAT_ACK);
	mqframe_end(b, mqframe_begin(b, type, 0, 0), 0);
}

enum mqi_err
mqchan_decode_empty(const struct mqframe *f)
{
	bool fits =
	    f->type == MQCHAN_HEARTBEAT || f->type == MQCHAN_HEARTBEAT_ACK;

	if (!fits || f->flags != 0 || f->id != 0 || f->payload_len != 0)
		return MQI_E_PROTOCOL;
	return MQI_OK;
}

const char *
mqchan_type_name(uint16_t type)
{
	switch (type) {
#define MQCHAN_NAME(number, name) \
	case number:              \
		return #name;
		MQCHAN_FRAME_MAP(MQCHAN_NAME)
#undef MQCHAN_NAME
	default:
		return "?";
	}
}

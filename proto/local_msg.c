/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local_msg.c - the frames on the path of every message: PUT, PUT_OK, PUTS_OK,
 * PIECE, GET, MESSAGE, ACK and RESULT.
 *
 * Neighbours: local.c has the other frames; libmq and qmgr/session.c.
 * Written out by hand, since these are made and read for each message: one
 * reservation, fixed offsets, no copy of a descriptor or body but the
 * descriptor into its frame.
 * Invariants: a body is inline exactly if mqlocal_is_inline(); a decoded
 * body that is not inline is NULL, one that is empty is not.
 * Failure: as in local.c.
 */
#include <string.h>

#include "proto/desc.h"
#include "proto/local.h"

#define PUT_FIXED 20u
#define PUT_OK_LEN 34u
#define PUTS_OK_ID 4u
#define GET_LEN 72u
#define MESSAGE_FIXED 44u
#define ACK_LEN 12u
#define RESULT_FIXED 18u

#define PUT_FLAGS                                                           \
	(MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_RESET | MQLOCAL_PUT_PASS_CONTEXT | \
	    MQLOCAL_PUT_BRIEF | MQLOCAL_PUT_RETAIN)

/* Ends a frame that has a descriptor and maybe, behind it, a body. */
static void
put_desc(struct mqbuf *b, size_t start, const void *desc, uint32_t desc_len,
    uint32_t body_len)
{
	MQ_PRE(desc_len > 0 && desc_len <= MQDESC_MAX);
	mqbuf_put(b, desc, desc_len);
	mqframe_end(
	    b, start, mqlocal_is_inline(desc_len, body_len) ? body_len : 0);
}

struct desc_and_body {
	const void *desc;
	const void *body;
};

/* Splits what follows the fixed part. */
static enum mqi_err
split_desc(const struct mqframe *f, uint32_t fixed, uint32_t desc_len,
    uint32_t body_len, struct desc_and_body *ret)
{
	uint32_t left = f->payload_len - fixed;
	bool is_inline;

	if (desc_len == 0 || desc_len > MQDESC_MAX || desc_len > left)
		return MQI_E_PROTOCOL;
	is_inline = mqlocal_is_inline(desc_len, body_len);
	if (left - desc_len != (is_inline ? body_len : 0))
		return MQI_E_PROTOCOL;
	ret->desc = f->payload + fixed;
	ret->body = is_inline ? f->payload + fixed + desc_len : NULL;
	return MQI_OK;
}

void
mqlocal_encode_put(struct mqbuf *b, uint32_t id, const struct mqlocal_put *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_PUT, v->flags, id);
	uint8_t *p = mqbuf_reserve(b, PUT_FIXED);

	MQ_PRE((v->flags & ~PUT_FLAGS) == 0 && v->body_len <= MQI_MAX_BODY);
	if (!p)
		return;
	mqbuf_set_u32(p, v->handle);
	mqbuf_set_u32(p + 4, v->unit);
	mqbuf_set_u32(p + 8, v->body_crc);
	mqbuf_set_u32(p + 12, v->body_len);
	mqbuf_set_u32(p + 16, v->desc_len);
	mqbuf_commit(b, PUT_FIXED);
	put_desc(b, start, v->desc, v->desc_len, v->body_len);
}

enum mqi_err
mqlocal_decode_put(const struct mqframe *f, struct mqlocal_put *ret)
{
	const uint8_t *p = f->payload;
	struct desc_and_body db;
	uint32_t body_len, desc_len;
	enum mqi_err err;

	if (f->type != MQLOCAL_PUT || (f->flags & ~PUT_FLAGS) ||
	    f->payload_len < PUT_FIXED)
		return MQI_E_PROTOCOL;
	body_len = mqbuf_get_u32(p + 12);
	desc_len = mqbuf_get_u32(p + 16);
	if (body_len > MQI_MAX_BODY)
		return MQI_E_PROTOCOL;
	err = split_desc(f, PUT_FIXED, desc_len, body_len, &db);
	if (err)
		return err;
	*ret = (struct mqlocal_put){
	    .flags = f->flags,
	    .handle = mqbuf_get_u32(p),
	    .unit = mqbuf_get_u32(p + 4),
	    .body_crc = mqbuf_get_u32(p + 8),
	    .body_len = body_len,
	    .desc = db.desc,
	    .desc_len = desc_len,
	    .body = db.body,
	};
	return MQI_OK;
}

void
mqlocal_encode_put_ok(
    struct mqbuf *b, uint32_t id, const struct mqlocal_put_ok *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_PUT_OK, 0, id);
	uint8_t *p = mqbuf_reserve(b, PUT_OK_LEN);

	MQ_PRE(v->priority >= 0 && v->priority <= MQI_MAX_PRIORITY);
	MQ_PRE(v->persistence <= MQI_PERSISTENCE_YES);
	if (!p)
		return;
	memcpy(p, v->msg_id, MQI_ID_LEN);
	p[24] = (uint8_t)v->priority;
	p[25] = v->persistence;
	mqbuf_set_u64(p + 26, v->put_time_ms);
	mqbuf_commit(b, PUT_OK_LEN);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_put_ok(const struct mqframe *f, struct mqlocal_put_ok *ret)
{
	const uint8_t *p = f->payload;

	if (f->type != MQLOCAL_PUT_OK || f->flags != 0 ||
	    f->payload_len != PUT_OK_LEN || p[24] > MQI_MAX_PRIORITY ||
	    p[25] > MQI_PERSISTENCE_YES)
		return MQI_E_PROTOCOL;
	memcpy(ret->msg_id, p, MQI_ID_LEN);
	ret->priority = (int8_t)p[24];
	ret->persistence = p[25];
	ret->put_time_ms = mqbuf_get_u64(p + 26);
	return MQI_OK;
}

void
mqlocal_encode_puts_ok(
    struct mqbuf *b, uint32_t id, const struct mqlocal_puts_ok *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_PUTS_OK, 0, id);

	MQ_PRE(v->n > 0 && v->n <= MQLOCAL_PUTS_OK_MAX);
	mqbuf_put(b, v->ids, v->n * PUTS_OK_ID);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_puts_ok(const struct mqframe *f, struct mqlocal_puts_ok *ret)
{
	if (f->type != MQLOCAL_PUTS_OK || f->flags != 0 ||
	    f->payload_len == 0 || f->payload_len % PUTS_OK_ID != 0 ||
	    f->payload_len > MQLOCAL_PUTS_OK_MAX * PUTS_OK_ID)
		return MQI_E_PROTOCOL;
	ret->n = f->payload_len / PUTS_OK_ID;
	ret->ids = f->payload;
	return MQI_OK;
}

void
mqlocal_encode_piece(
    struct mqbuf *b, uint32_t id, const struct mqlocal_piece *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_PIECE, 0, id);

	MQ_PRE(v->len > 0 && v->len <= MQFRAME_PIECE);
	mqframe_end(b, start, v->len);
}

enum mqi_err
mqlocal_decode_piece(const struct mqframe *f, struct mqlocal_piece *ret)
{
	if (f->type != MQLOCAL_PIECE || f->flags != 0 || f->payload_len == 0 ||
	    f->payload_len > MQFRAME_PIECE)
		return MQI_E_PROTOCOL;
	ret->data = f->payload;
	ret->len = f->payload_len;
	return MQI_OK;
}

void
mqlocal_encode_get(struct mqbuf *b, uint32_t id, const struct mqlocal_get *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_GET, 0, id);
	uint8_t *p = mqbuf_reserve(b, GET_LEN);

	if (!p)
		return;
	mqbuf_set_u32(p, v->handle);
	mqbuf_set_u32(p + 4, v->unit);
	mqbuf_set_u32(p + 8, v->options);
	mqbuf_set_u64(p + 12, (uint64_t)v->wait_ms);
	mqbuf_set_u32(p + 20, v->max_len);
	memcpy(p + 24, v->msg_id, MQI_ID_LEN);
	memcpy(p + 48, v->correl_id, MQI_ID_LEN);
	mqbuf_commit(b, GET_LEN);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_get(const struct mqframe *f, struct mqlocal_get *ret)
{
	const uint8_t *p = f->payload;

	if (f->type != MQLOCAL_GET || f->flags != 0 ||
	    f->payload_len != GET_LEN)
		return MQI_E_PROTOCOL;
	ret->handle = mqbuf_get_u32(p);
	ret->unit = mqbuf_get_u32(p + 4);
	ret->options = mqbuf_get_u32(p + 8);
	ret->wait_ms = (int64_t)mqbuf_get_u64(p + 12);
	ret->max_len = mqbuf_get_u32(p + 20);
	memcpy(ret->msg_id, p + 24, MQI_ID_LEN);
	memcpy(ret->correl_id, p + 48, MQI_ID_LEN);
	return MQI_OK;
}

void
mqlocal_encode_message(
    struct mqbuf *b, uint32_t id, const struct mqlocal_message *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_MESSAGE, 0, id);
	uint8_t *p = mqbuf_reserve(b, MESSAGE_FIXED);

	MQ_PRE(v->body_len <= MQI_MAX_BODY && v->sent_len <= v->body_len);
	if (!p)
		return;
	mqbuf_set_u32(p, v->handle);
	mqbuf_set_u32(p + 4, v->reason);
	mqbuf_set_u64(p + 8, v->token);
	mqbuf_set_u64(p + 16, v->previous);
	mqbuf_set_u32(p + 24, v->body_crc);
	mqbuf_set_u32(p + 28, v->body_len);
	mqbuf_set_u32(p + 32, v->sent_len);
	mqbuf_set_u32(p + 36, v->backout_count);
	mqbuf_set_u32(p + 40, v->desc_len);
	mqbuf_commit(b, MESSAGE_FIXED);
	put_desc(b, start, v->desc, v->desc_len, v->sent_len);
}

enum mqi_err
mqlocal_decode_message(const struct mqframe *f, struct mqlocal_message *ret)
{
	const uint8_t *p = f->payload;
	struct desc_and_body db;
	uint32_t body_len, sent_len, desc_len;
	enum mqi_err err;

	if (f->type != MQLOCAL_MESSAGE || f->flags != 0 ||
	    f->payload_len < MESSAGE_FIXED)
		return MQI_E_PROTOCOL;
	body_len = mqbuf_get_u32(p + 28);
	sent_len = mqbuf_get_u32(p + 32);
	desc_len = mqbuf_get_u32(p + 40);
	if (body_len > MQI_MAX_BODY || sent_len > body_len)
		return MQI_E_PROTOCOL;
	err = split_desc(f, MESSAGE_FIXED, desc_len, sent_len, &db);
	if (err)
		return err;
	*ret = (struct mqlocal_message){
	    .handle = mqbuf_get_u32(p),
	    .reason = mqbuf_get_u32(p + 4),
	    .token = mqbuf_get_u64(p + 8),
	    .previous = mqbuf_get_u64(p + 16),
	    .body_crc = mqbuf_get_u32(p + 24),
	    .body_len = body_len,
	    .sent_len = sent_len,
	    .backout_count = mqbuf_get_u32(p + 36),
	    .desc = db.desc,
	    .desc_len = desc_len,
	    .body = db.body,
	};
	return MQI_OK;
}

void
mqlocal_encode_ack(struct mqbuf *b, uint32_t id, const struct mqlocal_ack *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_ACK, 0, id);
	uint8_t *p = mqbuf_reserve(b, ACK_LEN);

	if (!p)
		return;
	mqbuf_set_u32(p, v->handle);
	mqbuf_set_u64(p + 4, v->token);
	mqbuf_commit(b, ACK_LEN);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_ack(const struct mqframe *f, struct mqlocal_ack *ret)
{
	if (f->type != MQLOCAL_ACK || f->flags != 0 ||
	    f->payload_len != ACK_LEN)
		return MQI_E_PROTOCOL;
	ret->handle = mqbuf_get_u32(f->payload);
	ret->token = mqbuf_get_u64(f->payload + 4);
	return MQI_OK;
}

void
mqlocal_encode_result(
    struct mqbuf *b, uint32_t id, const struct mqlocal_result *v)
{
	size_t start = mqframe_begin(b, MQLOCAL_RESULT, 0, id);
	uint8_t *p = mqbuf_reserve(b, RESULT_FIXED);
	size_t len = strnlen(v->text, sizeof(v->text));

	MQ_PRE(len < sizeof(v->text));
	if (!p)
		return;
	mqbuf_set_u32(p, v->reason);
	mqbuf_set_u32(p + 4, v->handle);
	mqbuf_set_u64(p + 8, v->token);
	mqbuf_set_u16(p + 16, (uint16_t)len);
	mqbuf_commit(b, RESULT_FIXED);
	mqbuf_put(b, v->text, len);
	mqframe_end(b, start, 0);
}

enum mqi_err
mqlocal_decode_result(const struct mqframe *f, struct mqlocal_result *ret)
{
	const uint8_t *p = f->payload;
	size_t len;

	if (f->type != MQLOCAL_RESULT || f->flags != 0 ||
	    f->payload_len < RESULT_FIXED)
		return MQI_E_PROTOCOL;
	len = mqbuf_get_u16(p + 16);
	if (len >= sizeof(ret->text) || f->payload_len != RESULT_FIXED + len ||
	    memchr(p + RESULT_FIXED, '\0', len) != NULL)
		return MQI_E_PROTOCOL;
	ret->reason = mqbuf_get_u32(p);
	ret->handle = mqbuf_get_u32(p + 4);
	ret->token = mqbuf_get_u64(p + 8);
	memcpy(ret->text, p + RESULT_FIXED, len);
	ret->text[len] = '\0';
	return MQI_OK;
}

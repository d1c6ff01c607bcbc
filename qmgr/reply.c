/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - each kind of engine reply in its frame.
 *
 * Neighbours: session.c appends the result to the socket's output; proto/local
 * has the frames' bytes.
 * Invariants: every reply is exactly one frame, but for external ones, which
 * are whole frames already; bodies are never copied here.
 * Happy path: a header and descriptor are encoded, the body follows from the
 * engine's own memory.
 * Failure: only the buffer's (b->err).
 */
#include "qmgr/reply.h"

#include <stdio.h>
#include <string.h>

#include "proto/local.h"

static void
encode_result(const struct engine_reply *r, struct mqbuf *b)
{
	struct mqlocal_result v = {
	    .reason = (uint32_t)r->reason,
	    .handle = r->handle,
	    .token = r->token,
	};

	if (r->text != NULL)
		(void)snprintf(v.text, sizeof(v.text), "%s", r->text);
	mqlocal_encode_result(b, r->id, &v);
}

static void
encode_opened(const struct engine_reply *r, struct mqbuf *b)
{
	struct mqlocal_open_ok v = {
	    .handle = r->handle,
	    .max_msg_len = r->u.opened.max_msg_len,
	};

	(void)snprintf(v.resolved_name, sizeof(v.resolved_name), "%s",
	    r->u.opened.resolved_name);
	(void)snprintf(v.resolved_qmgr, sizeof(v.resolved_qmgr), "%s",
	    r->u.opened.resolved_qmgr);
	mqlocal_encode_open_ok(b, r->id, &v);
}

static void
encode_put_done(const struct engine_reply *r, struct mqbuf *b)
{
	struct mqlocal_put_ok v = {
	    .priority = r->u.put.priority,
	    .persistence = r->u.put.persistent,
	    .put_time_ms = r->u.put.put_time_ms,
	};

	memcpy(v.msg_id, r->u.put.msg_id, sizeof(v.msg_id));
	mqlocal_encode_put_ok(b, r->id, &v);
}

static void
encode_message(
    const struct engine_reply *r, struct mqbuf *b, struct reply_tail *ret_tail)
{
	const uint8_t *data = r->u.message.data->data;
	uint32_t desc_len = r->u.message.desc_len;
	struct mqlocal_message v = {
	    .handle = r->handle,
	    .reason = (uint32_t)r->reason,
	    .token = r->token,
	    .previous = r->u.message.previous,
	    .body_crc = r->u.message.body_crc,
	    .body_len = r->u.message.body_len,
	    .sent_len = r->u.message.sent_len,
	    .backout_count = r->u.message.backout_count,
	    .desc = data,
	    .desc_len = desc_len,
	};

	MQ_PRE(r->u.message.inlined ==
	       mqlocal_is_inline(desc_len, r->u.message.sent_len));
	MQ_PRE(desc_len <= r->u.message.data->len);
	if (r->u.message.inlined) {
		MQ_PRE(v.sent_len <= r->u.message.data->len - desc_len);
		v.body = data + desc_len;
		ret_tail->ref = r->u.message.data;
		ret_tail->offset = desc_len;
		ret_tail->len = v.sent_len;
	}
	mqlocal_encode_message(b, r->id, &v);
}

static void
encode_piece(
    const struct engine_reply *r, struct mqbuf *b, struct reply_tail *ret_tail)
{
	struct mqlocal_piece v = {
	    .data = r->u.piece.data->data,
	    .len = r->u.piece.len,
	};

	MQ_PRE(v.len > 0 && v.len <= r->u.piece.data->len);
	ret_tail->ref = r->u.piece.data;
	ret_tail->offset = 0;
	ret_tail->len = v.len;
	mqlocal_encode_piece(b, r->id, &v);
}

static void
encode_position(const struct engine_reply *r, struct mqbuf *b)
{
	struct mqlocal_position v = {
	    .position = r->u.position.position,
	    .fence = r->u.position.fence,
	};

	memcpy(v.incarnation, r->u.position.incarnation, sizeof(v.incarnation));
	mqlocal_encode_position(b, r->id, &v);
}

static void
encode_stream(
    const struct engine_reply *r, bool takes_bound_acked, struct mqbuf *b)
{
	struct mqlocal_stream_ok v = *r->u.stream;

	if (!takes_bound_acked)
		v.bound_acked = 0;
	mqlocal_encode_stream_ok(b, r->id, &v);
}

static void
encode_small(const struct engine_reply *r, struct mqbuf *b)
{
	if (r->kind == ENGINE_INQUIRED) {
		struct mqlocal_inquire_ok v = {.info = *r->u.info};

		mqlocal_encode_inquire_ok(b, r->id, &v);
	} else {
		struct mqlocal_ready v = {
		    .handle = r->handle, .ready = r->u.ready};

		MQ_PRE(r->kind == ENGINE_READY);
		mqlocal_encode_ready(b, r->id, &v);
	}
}

void
reply_encode(const struct engine_reply *r, bool takes_bound_acked,
    struct mqbuf *b, struct reply_tail *ret_tail)
{
	*ret_tail = (struct reply_tail){.ref = NULL};
	switch (r->kind) {
	case ENGINE_RESULT:
		encode_result(r, b);
		break;
	case ENGINE_OPENED:
		encode_opened(r, b);
		break;
	case ENGINE_PUT_DONE:
		encode_put_done(r, b);
		break;
	case ENGINE_PUTS_DONE:
		MQ_UNREACHABLE(); /* session_out.c gathers those */
	case ENGINE_MESSAGE:
		encode_message(r, b, ret_tail);
		break;
	case ENGINE_PIECE:
		encode_piece(r, b, ret_tail);
		break;
	case ENGINE_POSITION:
		encode_position(r, b);
		break;
	case ENGINE_EXTERNAL:
		ret_tail->ref = r->u.external;
		ret_tail->len = r->u.external->len;
		break;
	case ENGINE_INQUIRED:
	case ENGINE_READY:
		encode_small(r, b);
		break;
	case ENGINE_STREAM:
		encode_stream(r, takes_bound_acked, b);
		break;
	}
}

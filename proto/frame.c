/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c - cuts a stream of bytes into frames, and makes them.
 *
 * Neighbours: local.c and chan.c write payloads between begin and end;
 * sessions, libmq and agents cut what they have received.
 * Invariant: a frame that was begun is ended before the next one begins, and
 * nothing but its payload is appended between.
 * Happy path: begin writes the header with length 0, end patches the length.
 * Failure: a payload beyond the limit sets the buffer's err (TOO_BIG); a
 * length beyond the limit in received bytes is MQFRAME_BAD.
 */
#include "proto/frame.h"

enum mqframe_result
mqframe_parse(const uint8_t *data, size_t len, struct mqframe *ret_frame,
    size_t *ret_used)
{
	uint32_t payload_len;

	/* a wrong length is seen as soon as its bytes are there */
	if (len < sizeof(payload_len))
		return MQFRAME_MORE;
	payload_len = mqbuf_get_u32(data);
	if (payload_len > MQFRAME_MAX_PAYLOAD)
		return MQFRAME_BAD;
	if (len < MQFRAME_HEADER + (size_t)payload_len)
		return MQFRAME_MORE;
	ret_frame->type = mqbuf_get_u16(data + 4);
	ret_frame->flags = mqbuf_get_u16(data + 6);
	ret_frame->id = mqbuf_get_u32(data + 8);
	ret_frame->payload = data + MQFRAME_HEADER;
	ret_frame->payload_len = payload_len;
	*ret_used = MQFRAME_HEADER + (size_t)payload_len;
	return MQFRAME_OK;
}

size_t
mqframe_begin(struct mqbuf *b, uint16_t type, uint16_t flags, uint32_t id)
{
	size_t start = b->len;
	uint8_t *p = mqbuf_reserve(b, MQFRAME_HEADER);

	if (!p)
		return start;
	mqbuf_set_u32(p, 0);
	mqbuf_set_u16(p + 4, type);
	mqbuf_set_u16(p + 6, flags);
	mqbuf_set_u32(p + 8, id);
	mqbuf_commit(b, MQFRAME_HEADER);
	return start;
}

void
mqframe_end(struct mqbuf *b, size_t start, size_t extra)
{
	size_t here;

	if (b->err)
		return;
	MQ_PRE(b->len >= MQFRAME_HEADER && start <= b->len - MQFRAME_HEADER);
	here = b->len - start - MQFRAME_HEADER;
	if (here > MQFRAME_MAX_PAYLOAD || extra > MQFRAME_MAX_PAYLOAD - here) {
		b->len = start;
		b->err = MQI_E_TOO_BIG;
		return;
	}
	mqbuf_set_u32(b->data + start, (uint32_t)(here + extra));
}

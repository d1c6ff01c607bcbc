/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - the frame that both protocols (local.h, chan.h) are cut into.
 *
 *   0  u32 payload length, bytes after this header (<= MQFRAME_MAX_PAYLOAD)
 *   4  u16 type
 *   6  u16 flags (of the type)
 *   8  u32 id (a request's number, echoed by its answers; 0: none)
 *  12  payload
 *
 * Little-endian.  The carrier (Unix socket, TLS) keeps bytes whole; bodies
 * carry their own CRC-32C end to end.  Pure: bytes in, bytes out.
 */
#ifndef MQ_PROTO_FRAME_H
#define MQ_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MQFRAME_HEADER 12u
#define MQFRAME_MAX_PAYLOAD 262144u
/* A body travels and is stored in pieces of at most this: 16 pages of LMDB
 * without their header. */
#define MQFRAME_PIECE 65520u

struct mqframe {
	uint16_t type;
	uint16_t flags;
	uint32_t id;
	const uint8_t *payload;
	uint32_t payload_len;
};

enum mqframe_result {
	MQFRAME_OK,   /* *ret_frame is written, *ret_used bytes are its */
	MQFRAME_MORE, /* not whole yet */
	MQFRAME_BAD,  /* length beyond the limit: close the connection */
};

/* Looks at the first frame in data.  payload points into data. */
enum mqframe_result mqframe_parse(const uint8_t *data, size_t len,
    struct mqframe *ret_frame, size_t *ret_used);

/* Starts a frame at the end of b; returns the offset to give to
 * mqframe_end(), which writes the length. */
size_t mqframe_begin(
    struct mqbuf *b, uint16_t type, uint16_t flags, uint32_t id);
/* extra: bytes of payload that the caller sends from elsewhere after b. */
void mqframe_end(struct mqbuf *b, size_t start, size_t extra);

#endif

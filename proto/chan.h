/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chan.h - the protocol between two channel agents, inside TLS 1.3.
 * docs/formats/channel.md has the bytes.
 *
 * The end that dialled sends HELLO; the other answers with HELLO, or ERROR and
 * a close.  If both have the feature, each sends OPTIONS right behind.  The end
 * that has messages then sends STREAM, answered by RESUME
 * (where the other end stands), or ERROR.  From then on MSG and PIECE flow one
 * way and ACK the other; HEARTBEAT, answered by HEARTBEAT_ACK, either way at
 * any time, also between the pieces of a body.  CLOSE is a clean end.
 *
 * A message is a descriptor and a body.  If both fit in MQFRAME_PIECE bytes
 * the MSG frame holds both; else it holds the descriptor alone and PIECE
 * frames follow in order, each MQFRAME_PIECE bytes but the last.
 *
 * For each frame there is a struct, and encode and decode functions: encode
 * appends a whole frame; decode checks every byte and returns MQI_OK or
 * MQI_E_PROTOCOL.  Pointers of a decoded struct point into the payload.
 * Pure; thread-safe.
 */
#ifndef MQ_PROTO_CHAN_H
#define MQ_PROTO_CHAN_H

#include <mq/mqi_msg.h>

#include "proto/frame.h"

#define MQCHAN_MAGIC 0x48434c53u /* "SLCH" */
#define MQCHAN_VERSION_MIN 1u
#define MQCHAN_VERSION 1u
#define MQCHAN_ALPN "sluice-chan/1"
#define MQCHAN_MAX_INCARNATIONS 64u
#define MQCHAN_MAX_TEXT 512u /* bytes of an ERROR's text */
#define MQCHAN_MAX_HEARTBEAT_MS 1000000000u
#define MQCHAN_MAX_DESC 32768u /* as MQDESC_MAX */
#define MQCHAN_MAX_RAW 262144u /* bytes that a PACKED stands for */
#define MQCHAN_PACKED_HEAD (MQFRAME_HEADER + 5u)

/* X(number, NAME) */
#define MQCHAN_FRAME_MAP(X) \
	X(1, HELLO)         \
	X(2, STREAM)        \
	X(3, RESUME)        \
	X(4, MSG)           \
	X(5, PIECE)         \
	X(6, ACK)           \
	X(7, HEARTBEAT)     \
	X(8, HEARTBEAT_ACK) \
	X(9, ERROR)         \
	X(10, CLOSE)        \
	X(11, OPTIONS)      \
	X(12, PACKED)

enum mqchan_type {

#define MQCHAN_ENUM(number, name) MQCHAN_##name = number,
	MQCHAN_FRAME_MAP(MQCHAN_ENUM)
#undef MQCHAN_ENUM
};

enum mqchan_role {
	MQCHAN_ROLE_SENDER = 1,   /* has the messages */
	MQCHAN_ROLE_RECEIVER = 2, /* takes them */
};

/* Feature bits of a HELLO.  A side uses what both sent. */
#define MQCHAN_FEATURE_OPTIONS 0x1u /* OPTIONS follows the HELLOs */
#define MQCHAN_FEATURES MQCHAN_FEATURE_OPTIONS

struct mqchan_hello {
	/* u32 magic comes first */
	uint16_t version_min;
	uint16_t version_max;
	uint64_t features;
	uint8_t role; /* enum mqchan_role, of who says it */
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1]; /* own name */
	uint8_t qmid[16];            /* own */
	uint32_t heartbeat_ms;       /* the higher of the two counts */
	uint32_t batch_size;         /* messages; the lower counts */
	uint32_t max_msg_len;        /* bytes; the lower counts */
};

struct mqchan_incarnation {
	uint8_t id[16];
	uint64_t first; /* first number of this incarnation */
};

/* Sent only to the partner that the stream is, or may be, bound to. */
struct mqchan_stream {
	uint8_t stream[16];
	uint32_t n_incarnations; /* 1.., oldest first, `first` ascending */
	struct mqchan_incarnation incarnations[MQCHAN_MAX_INCARNATIONS];
};

struct mqchan_resume {
	uint64_t position;       /* 0: the stream is new here */
	uint8_t incarnation[16]; /* in which it was numbered; zeros if new */
};

struct mqchan_msg {
	uint64_t number;   /* > previous */
	uint64_t previous; /* the number before it in the stream */
	uint32_t body_crc; /* CRC-32C of the whole body */
	uint32_t body_len; /* whole; <= MQI_MAX_BODY */
	const void *desc;  /* proto/desc.h, with its route */
	uint32_t desc_len; /* 1..MQCHAN_MAX_DESC */
	const void *body;  /* whole body, or NULL: PIECEs follow */
};

struct mqchan_piece {
	const void *data;
	uint32_t len; /* 1..MQFRAME_PIECE */
};

struct mqchan_ack {
	uint64_t number; /* everything up to here is durable */
};

struct mqchan_error {
	uint32_t reason; /* enum mqi_err, not 0 */
	uint64_t sender_position;
	uint64_t receiver_position;
	char text[MQCHAN_MAX_TEXT + 1];
};

struct mqchan_close {
	uint32_t reason; /* 0: nothing more to do */
};

/* What an end says of itself beyond its HELLO, by number.  A number that is
 * not known is skipped; one that is absent has the value that mca/channel.h
 * gives it.  Never renumber. */
enum mqchan_option_number {
	MQCHAN_OPTION_PURPOSE = 1,     /* u8, of the dialler: mqchan_purpose */
	MQCHAN_OPTION_PRODUCT = 2,     /* text: name and version */
	MQCHAN_OPTION_BATCHINT = 3,    /* u32, ms, of the end with messages */
	MQCHAN_OPTION_BATCHLIM = 4,    /* u32, KB, of the end with messages */
	MQCHAN_OPTION_HELD_BYTES = 20, /* u32, of a receiver: its bound */
	MQCHAN_OPTION_HELD_MSGS = 21,  /* u32 */
	MQCHAN_OPTION_COMPMSG = 22,    /* u64: 8 ways, the first one lowest */
	MQCHAN_OPTION_NPM_FAST = 40,   /* u8: 1 if NPMSPEED is FAST */
};

enum mqchan_purpose {
	MQCHAN_PURPOSE_MESSAGES = 0,
	MQCHAN_PURPOSE_PING = 1, /* HEARTBEATs, then CLOSE */
};

#define MQCHAN_MAX_OPTIONS 64u
#define MQCHAN_MAX_OPTION 512u /* bytes of one */

struct mqchan_option {
	uint16_t number; /* > the one before */
	uint16_t len;    /* 0..MQCHAN_MAX_OPTION */
	const void *data;
};

struct mqchan_options {
	uint32_t n;
	struct mqchan_option all[MQCHAN_MAX_OPTIONS];
};

/* Whole frames, none of them PACKED, compressed together. */
struct mqchan_packed {
	uint8_t algorithm; /* enum mqcompress, not NONE */
	uint32_t raw_len;  /* 1..MQCHAN_MAX_RAW: what it expands to */
	const void *data;
	uint32_t len; /* 1.. */
};

#define MQCHAN_CODEC(name)                                   \
	void mqchan_encode_##name(                           \
	    struct mqbuf *b, const struct mqchan_##name *v); \
	MQ_MUST_CHECK enum mqi_err mqchan_decode_##name(     \
	    const struct mqframe *f, struct mqchan_##name *ret)

MQCHAN_CODEC(hello);
MQCHAN_CODEC(stream);
MQCHAN_CODEC(resume);
MQCHAN_CODEC(msg); /* the encoder writes the body too, if there is one */
MQCHAN_CODEC(piece);
MQCHAN_CODEC(ack);
MQCHAN_CODEC(error);
MQCHAN_CODEC(close);
MQCHAN_CODEC(options);
MQCHAN_CODEC(packed);
#undef MQCHAN_CODEC

/* HEARTBEAT or HEARTBEAT_ACK, by type: no payload. */
void mqchan_encode_empty(struct mqbuf *b, uint16_t type);
MQ_MUST_CHECK enum mqi_err mqchan_decode_empty(const struct mqframe *f);

/* Whether a message of these lengths travels in one MSG frame. */
bool mqchan_is_inline(uint32_t desc_len, uint32_t body_len);

/* "HELLO", ...; "?" for an unknown type. */
const char *mqchan_type_name(uint16_t type);

#endif

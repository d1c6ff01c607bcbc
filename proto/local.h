/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.h - the protocol between libmq and qmgr on the Unix socket.
 *
 * The client speaks first: HELLO, answered by HELLO_OK or by ERROR and a close.
 * Then requests, each with an id of the client's choice (not 0, not in use),
 * and any number unanswered at once.  Requests of one session are executed in
 * the order sent; answers may overtake each other, but those that deliver on
 * one handle come in order.  Handles and units are numbers chosen by the
 * client (units) or by the queue manager (handles), per session, never 0.
 *
 * A message is a descriptor and a body.  If both fit in MQFRAME_PIECE bytes
 * the frame holds both; else the frame holds the descriptor alone and PIECE
 * frames with the same id follow in order, each MQFRAME_PIECE bytes but the
 * last.  Other frames may stand between them.
 *
 * A frame that cannot be parsed ends the session; a request that cannot be
 * carried out is answered with its reason and disturbs nothing.
 *
 * For each frame there is a struct, and encode and decode functions: encode
 * appends a whole frame; decode checks every byte and returns MQI_OK or
 * MQI_E_PROTOCOL.  Pointers of a decoded struct point into the payload.
 * Pure; thread-safe.
 */
#ifndef MQ_PROTO_LOCAL_H
#define MQ_PROTO_LOCAL_H

#include <mq/mqi.h>

#include "proto/frame.h"
#include "proto/selector.h"

#define MQLOCAL_MAGIC 0x514d4c53u /* "SLMQ" */
#define MQLOCAL_VERSION_MIN 1u
#define MQLOCAL_VERSION 1u
#define MQLOCAL_SOCKET "qmgr.sock"
#define MQLOCAL_ALPN "sluice-client/1" /* of remote clients */

/* X(number, NAME): requests below 100, answers and events from 100. */
#define MQLOCAL_FRAME_MAP(X)                                   \
	X(1, HELLO)                                            \
	X(2, OPEN)                                             \
	X(3, CLOSE)                                            \
	X(4, PUT)                                              \
	X(5, PIECE) /* both directions */                      \
	X(6, GET)                                              \
	X(7, CANCEL_GET)                                       \
	X(8, COMMIT)                                           \
	X(9, BACKOUT)                                          \
	X(10, INQUIRE)                                         \
	X(11, CONSUME)                                         \
	X(12, ACK)                                             \
	X(13, WATCH)                                           \
	X(14, POSITION_OPEN)                                   \
	X(15, UNIT_POSITION)                                   \
	X(16, PING)                                            \
	X(17, COMMAND) /* proto/ctl.h in the payload */        \
	X(30, STREAM_OPEN)                                     \
	X(31, STREAM_ACK)                                      \
	X(32, STREAM_CREDIT)                                   \
	X(33, STREAM_BIND)                                     \
	X(34, AGENT_STATUS) /* proto/ctl.h in the payload */   \
	X(40, OPEN_AS)      /* as another user */              \
	X(45, CLIENT_HELLO) /* remote clients, before HELLO */ \
	X(46, CLIENT_OK)                                       \
	X(47, BEAT) /* remote clients, both directions */      \
	X(56, STREAM_LIMIT)                                    \
	X(57, STREAM_REMOVE)                                   \
	X(60, OPEN_SELECT) /* with a selector */               \
	X(70, OPEN_TOPIC)  /* to publish */                    \
	X(71, SUBSCRIBE)                                       \
	X(72, UNSUBSCRIBE)                                     \
	X(76, BROWSE_UNLOCK)                                   \
	X(100, HELLO_OK)                                       \
	X(101, ERROR) /* the session ends */                   \
	X(102, RESULT)                                         \
	X(103, OPEN_OK)                                        \
	X(104, PUT_OK)                                         \
	X(105, MESSAGE)                                        \
	X(106, INQUIRE_OK)                                     \
	X(107, READY)                                          \
	X(108, POSITION)                                       \
	X(109, COMMAND_ROW) /* proto/ctl.h in the payload */   \
	X(110, STREAM_OK)                                      \
	X(111, AGENT_ORDER) /* proto/ctl.h in the payload */   \
	X(112, PUTS_OK)

enum mqlocal_type {

#define MQLOCAL_ENUM(number, name) MQLOCAL_##name = (number),
	MQLOCAL_FRAME_MAP(MQLOCAL_ENUM)
#undef MQLOCAL_ENUM
};

/* ---- session ---- */

/* Feature bits of HELLO and HELLO_OK.  A side uses what both sent. */
#define MQLOCAL_FEATURE_PUTS_OK UINT64_C(0x1)      /* PUT_BRIEF and PUTS_OK */
#define MQLOCAL_FEATURE_OPEN_AS UINT64_C(0x2)      /* OPEN_AS */
#define MQLOCAL_FEATURE_BOUND_ACKED UINT64_C(0x10) /* in STREAM_OK */
#define MQLOCAL_FEATURE_SELECT UINT64_C(0x40)      /* OPEN_SELECT */
/* OPEN_TOPIC, SUBSCRIBE, UNSUBSCRIBE, PUT_RETAIN */
#define MQLOCAL_FEATURE_PUBSUB UINT64_C(0x400)
#define MQLOCAL_FEATURE_UNLOCK UINT64_C(0x800) /* BROWSE_UNLOCK */

struct mqlocal_hello {
	/* u32 magic comes first */
	uint16_t version_min;
	uint16_t version_max;
	uint64_t features;
	char qmgr[MQI_NAME_LEN + 1]; /* whom the client wants to speak to */
	char app_name[28 + 1];
	/* asks to be taken as one; honoured for the owner, and for who has
	 * the authority SYSTEM on the queue manager */
	uint8_t is_agent;
	/* on behalf of, honoured from agents only; "": nobody */
	char user[64 + 1];
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char address[64 + 1];
};

/* What a remote client sends to the agent that serves it (`mca clients`),
 * before the HELLO that the agent will rewrite for the queue manager. */
struct mqlocal_client_hello {
	/* u32 magic comes first */
	uint16_t version_min;
	uint16_t version_max;
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char user[64 + 1]; /* as whom it runs over there; believed of nobody */
};

/* The agent's answer; HELLO_OK follows when the queue manager has given it. */
struct mqlocal_client_ok {
	uint16_t version;
	/* The agent sends something at least so often, a BEAT if nothing else,
	 * each of which is answered by one; 0: it does not. */
	uint32_t heartbeat_ms;
	uint32_t max_msg_len; /* bytes; of the channel */
};

struct mqlocal_hello_ok {
	uint16_t version;
	uint64_t features;
	char qmgr[MQI_NAME_LEN + 1];
	uint8_t qmid[16];
	uint8_t incarnation[16];
	uint32_t max_msg_len; /* bytes */
};

struct mqlocal_error {
	uint32_t reason; /* enum mqi_err */
	char text[512];
};

/* Answer to what has no other: CLOSE, COMMIT, BACKOUT, ACK, PING, a failed
 * request of any type; end of a COMMAND. */
struct mqlocal_result {
	uint32_t reason;
	uint32_t handle; /* or 0 */
	uint64_t token;  /* ACK: acknowledged up to here; else 0 */
	char text[512];  /* for a person; may be "" */
};

/* ---- handles ---- */

/* Of agents, with MQI_OO_OUTPUT on the queue that is DEADQ: to put there what
 * can be put nowhere else, whatever the rights of the channel's user. */
#define MQLOCAL_OO_DEAD_LETTER 0x80000000u

struct mqlocal_open {
	uint32_t options; /* MQI_OO_ */
	char object[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
};

/* With MQI_OO_ALTERNATE_USER_AUTHORITY: the user's rights count, and messages
 * carry its name.  Needs its feature bit.  Answered by OPEN_OK. */
struct mqlocal_open_as {
	uint32_t options; /* MQI_OO_ */
	char object[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
	char user[64 + 1];
};

/* With a selector (proto/selector.h): what the handle gets, browses, reads
 * ahead and watches are the messages that fit.  user "": the session's own.
 * Needs its feature bit.  Answered by OPEN_OK. */
struct mqlocal_open_select {
	uint32_t options; /* MQI_OO_ */
	char object[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
	char user[64 + 1];
	char selector[MQSELECTOR_TEXT_MAX + 1];
};

/* A handle that publishes: PUTs on it go to those who have subscribed.  The
 * topic is the object's TOPICSTR, a '/', and the string; one of both may be "".
 * options: MQI_OO_OUTPUT.  Needs its feature bit.  Answered by OPEN_OK, whose
 * name is that of the topic object which rules it. */
struct mqlocal_open_topic {
	uint32_t options; /* MQI_OO_ */
	char object[MQI_NAME_LEN + 1];
	char topic[MQI_TOPIC_LEN + 1];
};

/* Makes or resumes a subscription.  Needs its feature bit.  Answered by
 * OPEN_OK: the handle stands for it; if it is managed, publications are got
 * from the handle. */
struct mqlocal_subscribe {
	uint32_t options; /* MQI_SO_ */
	uint32_t expiry;  /* tenths of a second; 0: none */
	char name[MQI_NAME_LEN + 1];
	char object[MQI_NAME_LEN + 1];
	char topic[MQI_TOPIC_LEN + 1];
	char dest[MQI_NAME_LEN + 1]; /* "": managed */
	char dest_qmgr[MQI_NAME_LEN + 1];
	char selector[MQSELECTOR_TEXT_MAX + 1];
	char user_data[MQI_SUB_DATA_LEN + 1];
	uint8_t correl_id[MQI_ID_LEN];
};

/* Ends the handle's subscription, durable or not, and closes it. */
struct mqlocal_unsubscribe {
	uint32_t handle;
};

/* What the handle has locked by browsing is everybody's again.  Answered by
 * RESULT: NO_MSG_LOCKED if there is nothing. */
struct mqlocal_browse_unlock {
	uint32_t handle;
};

struct mqlocal_open_ok {
	uint32_t handle;
	char resolved_name[MQI_NAME_LEN + 1];
	char resolved_qmgr[MQI_NAME_LEN + 1];
	uint32_t max_msg_len;
};

struct mqlocal_close {
	uint32_t handle;
};

struct mqlocal_inquire {
	uint32_t handle;
};

struct mqlocal_inquire_ok {
	struct mqi_queue_info info;
};

/* ---- put ---- */

#define MQLOCAL_PUT_ASYNC                                                   \
	0x1u                   /* in frame.flags: fails SUPPRESSED after an \
				  earlier failure of an ASYNC put on the    \
				  handle, until a PUT_RESET */
#define MQLOCAL_PUT_RESET 0x2u /* forget the earlier failure first */
#define MQLOCAL_PUT_PASS_CONTEXT 0x4u /* agents: keep context and ids */
#define MQLOCAL_PUT_BRIEF 0x8u        /* PUTS_OK will do if it succeeds */
#define MQLOCAL_PUT_RETAIN 0x100u     /* publications: keep it for later ones */

struct mqlocal_put {
	uint16_t flags; /* of the frame */
	uint32_t handle;
	uint32_t unit;     /* 0: none */
	uint32_t body_crc; /* CRC-32C of the whole body */
	uint32_t body_len; /* whole; <= MQI_MAX_BODY */
	const void *desc;
	uint32_t desc_len;
	const void *body; /* whole body, or NULL: PIECEs follow */
};

struct mqlocal_put_ok {
	uint8_t msg_id[MQI_ID_LEN];
	int8_t priority;
	uint8_t persistence;
	uint64_t put_time_ms;
};

#define MQLOCAL_PUTS_OK_MAX 16384u

/* These PUTs, all BRIEF, succeeded; in any order.  frame.id is 0. */
struct mqlocal_puts_ok {
	uint32_t n;         /* 1..MQLOCAL_PUTS_OK_MAX */
	const uint8_t *ids; /* n u32, little-endian, unaligned */
};

struct mqlocal_piece {
	const void *data;
	uint32_t len; /* 1..MQFRAME_PIECE */
};

/* ---- get ---- */

struct mqlocal_get {
	uint32_t handle;
	uint32_t unit;    /* 0: none */
	uint32_t options; /* MQI_GET_ */
	int64_t wait_ms;
	uint32_t max_len; /* bytes of body wanted; UINT32_MAX: all */
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
};

/* CANCEL_GET has no payload: frame.id is that of the GET, which is answered
 * with a message if it was under way already, else with CANCELLED. */

/* A message: answer to GET (id of the GET), read-ahead or stream (id 0 for
 * inline ones; a number chosen by the queue manager, top bit set, for those in
 * pieces). */
struct mqlocal_message {
	uint32_t handle;
	uint32_t reason;   /* OK or a truncation warning */
	uint64_t token;    /* read-ahead: for ACK; stream: its number */
	uint64_t previous; /* stream: the predecessor's number */
	uint32_t body_crc; /* of the whole body */
	uint32_t body_len; /* whole */
	uint32_t sent_len; /* bytes that follow here or in PIECEs */
	uint32_t backout_count;
	const void *desc;
	uint32_t desc_len;
	const void *body; /* sent_len bytes, or NULL: PIECEs follow */
};

/* Read-ahead: a total window; sent again, it replaces the old one.  0 messages
 * ends it: what is not acknowledged returns to the queue. */
struct mqlocal_consume {
	uint32_t handle;
	uint32_t max_msgs;
	uint32_t max_bytes;
};

struct mqlocal_ack {
	uint32_t handle;
	uint64_t token; /* this and all before it */
};

/* Tells by READY each time whether a get of any message that does not wait
 * would return begins or ends to be true; the first one at once. */
struct mqlocal_watch {
	uint32_t handle;
	uint8_t on;
};

struct mqlocal_ready {
	uint32_t handle;
	uint8_t ready;
};

/* ---- units ---- */

struct mqlocal_unit { /* COMMIT, BACKOUT */
	uint32_t unit;
};

/* ---- positions ---- */

struct mqlocal_position_open {
	char partner[MQI_NAME_LEN + 1];
	uint8_t stream[MQI_STREAM_ID_LEN];
	/* of the sender's queue manager; zeros: not checked */
	uint8_t incarnation[16];
	/* certificate identity that the stream is bound to; "": none */
	char identity[256 + 1];
};

struct mqlocal_position { /* POSITION */
	uint64_t position;
	uint64_t fence;
	uint8_t incarnation[16]; /* of the position; zeros: new */
};

struct mqlocal_unit_position {
	uint32_t unit;
	char partner[MQI_NAME_LEN + 1];
	uint8_t stream[MQI_STREAM_ID_LEN];
	uint64_t fence; /* 0: the session's own last POSITION_OPEN */
	uint64_t from;
	uint64_t to;
	uint8_t incarnation[16]; /* in which `to` was numbered */
};

/* ---- streams: what a sender does to its transmission queue ---- */

/* Opens the queue exclusively for sending.  Fails OBJECT_IN_USE, XMIT_Q_USAGE.
 * Answered by STREAM_OK. */
struct mqlocal_stream_open {
	char queue[MQI_NAME_LEN + 1];
};

#define MQLOCAL_MAX_INCARNATIONS 64u

struct mqlocal_incarnation {
	uint8_t id[16];
	uint64_t first; /* first number of this incarnation */
};

struct mqlocal_stream_ok {
	uint32_t handle;
	uint8_t stream[MQI_STREAM_ID_LEN];
	uint64_t acked;  /* highest number known to be acknowledged */
	uint64_t handed; /* highest number ever handed out; after a start: any
			  */
	uint8_t bound_qmid[16]; /* zeros: not bound yet */
	char bound_identity[256 + 1];
	/* what was acknowledged when it was bound to that partner, which need
	 * not have it; needs its feature */
	uint64_t bound_acked;
	uint32_t n_incarnations; /* oldest first */
	struct mqlocal_incarnation incarnations[MQLOCAL_MAX_INCARNATIONS];
};

/* Binds the stream durably to its partner.  Fails CHANNEL_INDOUBT if it is
 * bound to another and has unacknowledged messages. */
struct mqlocal_stream_bind {
	uint32_t handle;
	uint8_t qmid[16];
	char identity[256 + 1];
};

/* The receiver has everything up to number.  Never answered: lazy. */
struct mqlocal_stream_ack {
	uint32_t handle;
	uint64_t number;
};

/* Total bytes and messages that may be unacknowledged; the first one starts
 * delivery with the message after `after`. */
struct mqlocal_stream_credit {
	uint32_t handle;
	uint32_t max_msgs;
	uint32_t max_bytes;
	uint64_t after;
};

/* Hand-out stops behind a message with a longer body, until it is removed or
 * backed out.  Never answered; to be said before the first credit. */
struct mqlocal_stream_limit {
	uint32_t handle;
	uint32_t max_msg_len; /* 0: any */
};

/* Makes the unit's commit remove the message behind which hand-out has stopped.
 * Fails STATE if it is another one. */
struct mqlocal_stream_remove {
	uint32_t handle;
	uint32_t unit;
	uint64_t number;
};

/* Whether body bytes stand in the frame of their descriptor, rather than in
 * PIECEs after it. */
static inline bool
mqlocal_is_inline(uint32_t desc_len, uint32_t body_len)
{
	return (uint64_t)desc_len + body_len <= MQFRAME_PIECE;
}

/* Encoders append one frame to b (check b->err once).  Where a struct has a
 * body that is inline (mqlocal_is_inline), and for PIECE's data, the frame is
 * complete only when the caller sends those bytes right after b: the encoder
 * writes everything else and does not look at `body` or `data`. */
#define MQLOCAL_CODEC(name)                                                \
	void mqlocal_encode_##name(                                        \
	    struct mqbuf *b, uint32_t id, const struct mqlocal_##name *v); \
	MQ_MUST_CHECK enum mqi_err mqlocal_decode_##name(                  \
	    const struct mqframe *f, struct mqlocal_##name *ret)

MQLOCAL_CODEC(hello);
MQLOCAL_CODEC(hello_ok);
MQLOCAL_CODEC(client_hello);
MQLOCAL_CODEC(client_ok);
MQLOCAL_CODEC(error);
MQLOCAL_CODEC(result);
MQLOCAL_CODEC(open);
MQLOCAL_CODEC(open_as);
MQLOCAL_CODEC(open_select);
MQLOCAL_CODEC(open_topic);
MQLOCAL_CODEC(subscribe);
MQLOCAL_CODEC(unsubscribe);
MQLOCAL_CODEC(browse_unlock);
MQLOCAL_CODEC(open_ok);
MQLOCAL_CODEC(close);
MQLOCAL_CODEC(inquire);
MQLOCAL_CODEC(inquire_ok);
MQLOCAL_CODEC(put);
MQLOCAL_CODEC(put_ok);
MQLOCAL_CODEC(puts_ok);
MQLOCAL_CODEC(piece);
MQLOCAL_CODEC(get);
MQLOCAL_CODEC(message);
MQLOCAL_CODEC(consume);
MQLOCAL_CODEC(ack);
MQLOCAL_CODEC(watch);
MQLOCAL_CODEC(ready);
MQLOCAL_CODEC(position_open);
MQLOCAL_CODEC(position);
MQLOCAL_CODEC(unit_position);
MQLOCAL_CODEC(stream_open);
MQLOCAL_CODEC(stream_ok);
MQLOCAL_CODEC(stream_bind);
MQLOCAL_CODEC(stream_ack);
MQLOCAL_CODEC(stream_credit);
MQLOCAL_CODEC(stream_limit);
MQLOCAL_CODEC(stream_remove);
#undef MQLOCAL_CODEC

/* COMMIT or BACKOUT, by type. */
void mqlocal_encode_unit(
    struct mqbuf *b, uint16_t type, uint32_t id, const struct mqlocal_unit *v);
MQ_MUST_CHECK enum mqi_err mqlocal_decode_unit(
    const struct mqframe *f, struct mqlocal_unit *ret);
/* PING, CANCEL_GET or BEAT, by type: no payload. */
void mqlocal_encode_empty(struct mqbuf *b, uint16_t type, uint32_t id);
MQ_MUST_CHECK enum mqi_err mqlocal_decode_empty(const struct mqframe *f);

/* "PUT", "HELLO_OK", ...; "?" for an unknown type. */
const char *mqlocal_type_name(uint16_t type);

#endif

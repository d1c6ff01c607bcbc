/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what both ends of a channel share: states, the greeting, the
 * cutting of bytes into frames, heartbeats, negotiation, how an end is
 * reported, and the check of a position against a stream's incarnations.
 *
 * Who dialled (enum channel_end) and who has the messages (enum mqchan_role)
 * are independent: each role's machine can stand at either end.
 *
 * Pure: bytes and ticks in, bytes (in `out`) and requests out.  No descriptor,
 * no clock, no libmq, no TLS.  One thread.
 */
#ifndef MQ_MCA_CHANNEL_H
#define MQ_MCA_CHANNEL_H

#include "base/sm.h"
#include "mca/pack.h"
#include "proto/chan.h"

#define CHANNEL_TEXT_LEN 512u
#define CHANNEL_IDENTITY_LEN 257u
#define CHANNEL_PRODUCT_LEN 65u
#define CHANNEL_INPUT_MAX 262144u /* bytes per channel_input() */
#define CHANNEL_HELLO_MS 10000u   /* from the first byte to RUNNING */

enum channel_state {
	CHANNEL_BINDING,    /* hello, stream, position */
	CHANNEL_REQUESTING, /* a receiver that dialled: waits for STREAM */
	CHANNEL_RUNNING,    /* messages flow */
	CHANNEL_PAUSED,     /* receiver: waits before it retries a put */
	CHANNEL_STOPPING,   /* finishes what is under way */
	CHANNEL_ENDED,
};

/* What a channel does, or waits for, at the moment. */
enum channel_substate {
	CHANNEL_AT_NOTHING,
	CHANNEL_AT_NETCONNECT, /* waits to be connected */
	CHANNEL_AT_SSLHANDSHK, /* TLS */
	CHANNEL_AT_RECEIVE,    /* waits for the partner's next words */
	CHANNEL_AT_RESYNCH,    /* the ends compare positions */
	CHANNEL_AT_MQGET,      /* waits for a message on its queue */
	CHANNEL_AT_MQPUT,      /* waits for the result of a put, or to retry */
	CHANNEL_AT_SEND,       /* the connection takes no more bytes */
	CHANNEL_AT_ENDBATCH,   /* waits for an acknowledgement, or a commit */
	CHANNEL_AT_HEARTBEAT,  /* a heartbeat is not answered yet */
};

enum channel_end {
	CHANNEL_DIALLED,  /* greets first */
	CHANNEL_ACCEPTED, /* looks up who it is by the dialler's HELLO */
};

/* What an end tells in OPTIONS, read.  The values of an end that sends none
 * are those of channel_options_init().  To add one: a number in proto/chan.h,
 * a field here, a row in channel_options.c, docs/formats/channel.md. */
struct channel_options {
	uint8_t purpose; /* enum mqchan_purpose; the dialler's counts */
	char product[CHANNEL_PRODUCT_LEN];
	/* of the end with the messages: how the other groups them */
	uint32_t batch_interval_ms; /* BATCHINT: waits so long for more */
	uint32_t batch_limit_kb;    /* BATCHLIM; 0: none */
	/* what a receiver holds at most before it reads no more; 0: not told */
	uint32_t held_bytes;
	uint32_t held_msgs;
	uint64_t compmsg; /* mqcompress_encode() */
	uint8_t npm_fast; /* NPMSPEED(FAST); counts if both say it */
};

struct channel_def {
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1]; /* own */
	uint8_t qmid[16];            /* own */
	uint32_t heartbeat_ms;       /* 0: none */
	uint32_t batch_size;
	uint32_t max_msg_len;
	int64_t keep_alive_s;           /* KAINT; below 0: AUTO */
	struct channel_options options; /* own */
};

struct channel_stats {
	uint64_t msgs;
	uint64_t bytes; /* of bodies */
	uint64_t batches;
	/* while messages are compressed: frames, and what became of them */
	uint64_t raw_bytes;
	uint64_t packed_bytes;
	uint64_t last_number;    /* sent and acknowledged, or received and
				    durable */
	uint64_t current_number; /* sent, or received */
};

/* On the link, inside TLS: bytes, and in how many pieces they came. */
struct channel_wire {
	uint64_t sent_bytes;
	uint64_t sent_buffers;
	uint64_t received_bytes;
	uint64_t received_buffers;
};

struct channel {
	struct mqsm sm;
	enum mqchan_role role;
	enum channel_end end;
	bool greeted;   /* HELLOs, and OPTIONS if both have them, are done */
	bool has_hello; /* the partner's has come */
	struct channel_options theirs;
	struct channel_def def; /* negotiated values after the hellos */
	struct mqbuf in;        /* a frame that is not whole yet */
	struct mqbuf out;       /* for the partner; the caller empties it */
	struct pack *pack;      /* agreed on; NULL: nothing is compressed */
	struct mqbuf packed;    /* memory for channel_pack() */
	bool in_packed;         /* what is in a PACKED frame is being taken */
	uint64_t now_ms;
	uint64_t started_ms;
	uint64_t heard_ms;
	uint64_t sent_ms;
	bool beat_open; /* a heartbeat of ours is not answered yet */
	struct mqchan_hello partner; /* zeros before its HELLO */
	struct channel_stats stats;
	struct channel_wire wire;
	/* where this end stands, for the sentence about a partner that says
	 * NOT_CURRENT; may be "" */
	char stands[96];
	/* once ENDED: */
	enum mqi_err reason; /* MQI_OK: a clean end */
	char text[CHANNEL_TEXT_LEN];
};

void channel_init(struct channel *c, enum mqchan_role role,
    enum channel_end end, uint64_t now_ms);
void channel_fini(struct channel *c);

enum channel_state channel_state(const struct channel *c);
const char *channel_state_name(const struct channel *c);
/* IBM MQ's word: "MQGET"; "" for nothing. */
const char *channel_substate_name(enum channel_substate substate);
void channel_move(struct channel *c, enum channel_state next);

/* Before RUNNING. */
bool channel_is_binding(const struct channel *c);

/* Sends our HELLO from def: the dialler's first word. */
void channel_send_hello(struct channel *c);
/* An accepted end: fills c->def for the HELLO in c->partner, or says in text
 * (CHANNEL_TEXT_LEN) why not. */
typedef enum mqi_err (*channel_judge_fn)(void *arg, char *text);
/* Takes the partner's HELLO or OPTIONS, whichever is due, answers, and brings
 * def to what counts for both.  True: with this frame the greeting is over.
 * Ends the channel if something does not fit.  judge: NULL for a dialler. */
bool channel_greet(struct channel *c, const struct mqframe *f,
    channel_judge_fn judge, void *arg);

void channel_options_init(struct channel_options *o);
void channel_options_send(const struct channel_options *o, struct mqbuf *ret);
/* Errors: PROTOCOL. */
MQ_MUST_CHECK enum mqi_err channel_options_take(
    const struct mqframe *f, struct channel_options *ret);

/* Cuts data into frames and gives each to fn until the channel has ended.
 * Heartbeats and the partner's ERROR are dealt with here. */
typedef void (*channel_frame_fn)(void *arg, const struct mqframe *f);
void channel_input(struct channel *c, const void *data, size_t len,
    channel_frame_fn fn, void *arg);

/* Time: heartbeats, a dead partner, a slow start.  reading: we take bytes at
 * the moment (if not, silence proves nothing). */
void channel_tick(struct channel *c, uint64_t now_ms, bool reading);

/* When the next tick is due; UINT64_MAX: none is.  While nothing is read, soon.
 */
uint64_t channel_due(const struct channel *c, bool reading);

/* What time it is, before anything else is told. */
static inline void
channel_clock(struct channel *c, uint64_t now_ms)
{
	if (now_ms > c->now_ms)
		c->now_ms = now_ms;
}

/* Compresses what is in out, if that was agreed on; then it must leave. */
void channel_pack(struct channel *c);
/* The caller has taken what was in out: empties it. */
void channel_drained(struct channel *c);

/* Ends the channel for a reason of ours, and tells the partner. */
void channel_fail(struct channel *c, enum mqi_err reason,
    uint64_t sender_position, uint64_t receiver_position, const char *fmt, ...)
    MQ_PRINTF(5, 6);
/* A frame that this state does not allow, or that cannot be decoded. */
void channel_unexpected(struct channel *c, const struct mqframe *f);
/* Ends it without a word to the partner: the link or the queue manager is
 * gone. */
void channel_cut(struct channel *c, enum mqi_err reason, const char *fmt, ...)
    MQ_PRINTF(3, 4);
/* The clean end: CLOSE to the partner. */
void channel_close(struct channel *c, enum mqi_err reason, const char *text);

/* Whether a position numbered in an incarnation belongs to the stream's
 * history: one of its incarnations, within its numbers. */
bool channel_position_fits(const struct mqchan_stream *stream,
    uint64_t position, const uint8_t incarnation[16]);
/* The incarnation in which a number was given; NULL: before the first. */
const uint8_t *channel_incarnation_of(
    const struct mqchan_stream *stream, uint64_t number);

/* 32 hexadecimal digits and a NUL. */
void channel_hex(const uint8_t id[16], char ret[33]);
bool channel_is_zero(const uint8_t id[16]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.h - the end of a channel that has the messages: a transmission
 * queue's stream in, frames out, acknowledgements back.
 *
 * Pure: bytes, messages, results and ticks in; bytes (c.out) and requests (io)
 * out.  Results are only noted; sender_pump() acts on them.  sender.c has the
 * frames, sender_aside.c what is too long for the channel.  One thread.
 */
#ifndef MQ_MCA_SENDER_H
#define MQ_MCA_SENDER_H

#include "mca/undelivered.h"

struct sender_def {
	struct channel_def def;
	char identity[CHANNEL_IDENTITY_LEN]; /* the partner's certificate */
	uint64_t disc_ms;                    /* DISCINT; 0: never */
	bool use_dead_queue;                 /* USEDLQ */
	bool calls_back; /* accepted: it does not send here, but dials */
};

struct sender_stream;

/* What a sender asks of its queue manager.  text has CHANNEL_TEXT_LEN bytes
 * and gets a sentence on a failure. */
struct sender_io {
	/* An accepted one only.  Judges the partner's HELLO: fills the
	 * definition, the partner's certificate, disc_ms and calls_back. */
	enum mqi_err (*hello)(void *arg, const struct mqchan_hello *h,
	    struct sender_def *ret, char *text);
	/* An accepted one only.  Opens the stream; waits for the answer. */
	enum mqi_err (*open)(void *arg, struct sender_stream *ret, char *text);
	/* Binds the stream durably to the partner; waits for the answer. */
	enum mqi_err (*bind)(
	    void *arg, const uint8_t qmid[16], const char *identity);
	/* Starts delivery with the message after this number.  Behind one that
	 * is longer than max_msg_len none comes, until it is removed. */
	enum mqi_err (*credit)(void *arg, uint64_t after, uint32_t max_msg_len);
	/* The partner has everything up to number. */
	enum mqi_err (*ack)(void *arg, uint64_t number);

	/* What is too long for the channel is put elsewhere. */

	/* Whether a put can be taken now; sender_pump() when that has
	 * changed. */
	bool (*ready)(void *arg);
	enum mqi_err (*begin)(void *arg, void **ret_unit);
	/* Puts m->desc and m->body on the route's queue.  A failure here is
	 * the put's result; on OK it comes by sender_put_done(). */
	enum mqi_err (*put)(void *arg, void *unit, struct receiver_msg *m);
	/* Makes the unit's commit remove the message from the stream. */
	enum mqi_err (*remove)(void *arg, void *unit, uint64_t number);
	/* Both end the unit.  On OK the result of commit comes by
	 * sender_commit_done(). */
	enum mqi_err (*commit)(void *arg, void *unit);
	void (*backout)(void *arg, void *unit);
	const struct undelivered_io *undelivered;
	void *arg;
};

/* The stream as its queue manager shows it. */
struct sender_stream {
	struct mqchan_stream history;
	uint64_t acked;         /* highest number known to be acknowledged */
	uint64_t handed;        /* highest number handed out; UINT64_MAX: any */
	uint8_t bound_qmid[16]; /* zeros: not bound */
	char bound_identity[CHANNEL_IDENTITY_LEN];
	uint64_t bound_acked; /* acknowledged before it was bound to it */
};

struct sender_msg {
	uint64_t number;
	uint64_t previous;
	const void *desc;
	uint32_t desc_len;
	uint32_t body_crc;
	uint32_t body_len;
};

enum sender_aside {
	SENDER_NONE,
	SENDER_COMING, /* its body is */
	SENDER_WHOLE,
	SENDER_DECIDED,
	SENDER_PUTTING,
	SENDER_COMMITTING,
};

struct sender {
	struct channel c;
	struct sender_io io;
	struct sender_stream stream;
	struct sender_def def; /* as it was before the negotiation */
	uint64_t acked;   /* by the partner, on this connection or before */
	uint64_t sent;    /* last number sent whole, or the position */
	uint64_t busy_ms; /* when there was something to do last */
	uint64_t stop_ms; /* when it was told to stop */
	bool asked;       /* STREAM was sent */
	bool called_back; /* the partner was told that this end dials */
	/* the message under way */
	bool in_body;
	struct mqchan_msg msg;
	struct mqbuf desc;
	struct mqbuf chunk;
	uint32_t left; /* bytes of its body to come */
	/* what is too long for the channel (sender_aside.c); nothing comes
	 * behind it */
	enum sender_aside aside_state;
	struct receiver_msg *aside;
	struct msgmem *aside_mem;
	void *aside_unit;
	unsigned aside_pending; /* puts without a result */
};

/* One that dialled.  def, stream and io are copied. */
void sender_init(struct sender *s, const struct sender_def *def,
    const struct sender_stream *stream, const struct sender_io *io,
    uint64_t now_ms);
/* One that was called: it learns all of that by io. */
void sender_init_accepted(
    struct sender *s, const struct sender_io *io, uint64_t now_ms);
void sender_fini(struct sender *s);

void sender_input(struct sender *s, const void *data, size_t len);
/* A message begins; sender_piece() brings its body_len bytes. */
void sender_message(struct sender *s, const struct sender_msg *m);
void sender_piece(struct sender *s, const void *data, uint32_t len);
/* The result of a put, and of the commit, of what was set aside; sender_pump()
 * acts on them. */
void sender_put_done(
    struct sender *s, struct receiver_msg *m, enum mqi_err result);
void sender_commit_done(struct sender *s, enum mqi_err result);
/* Goes on with what was set aside, as far as it goes now. */
void sender_pump(struct sender *s);
void sender_tick(struct sender *s, uint64_t now_ms);
uint64_t sender_due(const struct sender *s); /* as channel_due() */
/* What it does; the link may know better. */
enum channel_substate sender_substate(const struct sender *s);
/* Ends cleanly once what was sent is acknowledged, or after a few seconds. */
void sender_stop(struct sender *s);

/* ---- between sender.c and sender_aside.c ---- */

/* A message that is too long for the channel begins; its body comes. */
void sender_aside_begin(struct sender *s, const struct sender_msg *m);
void sender_aside_piece(struct sender *s, const void *data, uint32_t len);
void sender_aside_fini(struct sender *s); /* backs out what is open */

#endif

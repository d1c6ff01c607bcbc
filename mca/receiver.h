/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver.h - the end of a channel that takes messages and puts them, each
 * group in one unit of work with the move of the position.
 *
 * Pure: bytes, results and ticks in; bytes (c.out) and requests (io) out.
 * receiver.c has the frames, receiver_unit.c the units, receiver_dead.c what
 * cannot be delivered, undelivered.c what becomes of it.  One thread.  Results
 * are only noted; receiver_pump() acts on them, so that they may be told at
 * any moment, also from inside io's functions.
 */
#ifndef MQ_MCA_RECEIVER_H
#define MQ_MCA_RECEIVER_H

#include <sys/queue.h>

#include "mca/channel.h"
#include "mca/undelivered.h"

#define RECEIVER_MAX_UNITS 64u
#define RECEIVER_GROUP_BYTES 1048576u /* a unit holds at least one message */
#define RECEIVER_HELD_BYTES 67108864u /* whole messages not durable yet */
#define RECEIVER_HELD_MSGS 65536u

/* What the partner's HELLO leads to: the definition of its RCVR channel. */
struct receiver_def {
	struct channel_def def;
	char identity[CHANNEL_IDENTITY_LEN]; /* the partner's certificate */
	uint32_t retries;                    /* MRRTY */
	uint32_t retry_ms;                   /* MRTMR */
	bool use_dead_queue;                 /* USEDLQ */
};

struct receiver_position {
	uint64_t position;
	uint8_t incarnation[16];
};

enum receiver_unit_state { RECEIVER_PUTTING, RECEIVER_COMMITTING };

struct receiver_unit {
	TAILQ_ENTRY(receiver_unit) link;
	struct receiver *receiver;
	enum receiver_unit_state state;
	struct receiver_msgs msgs;
	uint64_t from;
	uint64_t to;
	size_t bytes;
	uint32_t n_msgs;
	uint32_t pending; /* puts without a result */
	bool failed;      /* a put of it has failed */
	bool done;        /* committed, durable */
	void *handle;     /* io's */
};

TAILQ_HEAD(receiver_unit_list, receiver_unit);

/* What a receiver asks of its queue manager.  text has CHANNEL_TEXT_LEN
 * bytes and gets a sentence on a failure. */
struct receiver_io {
	/* An accepted one only.  Judges the partner's HELLO: channel,
	 * certificate; connects. */
	enum mqi_err (*hello)(void *arg, const struct mqchan_hello *h,
	    struct receiver_def *ret, char *text);
	/* Takes a new fencing number; waits for the answer. */
	enum mqi_err (*position_open)(void *arg, const uint8_t partner[16],
	    const uint8_t stream[16], struct receiver_position *ret);
	/* Whether another put can be taken now; receiver_pump() when that
	 * has changed. */
	bool (*ready)(void *arg);
	enum mqi_err (*begin)(void *arg, void **ret_unit);
	/* Puts m->desc and m->body on the route's queue.  A failure here is
	 * the put's result; on OK it comes by receiver_put_done().  A message
	 * and its report come without a question between them. */
	enum mqi_err (*put)(void *arg, void *unit, struct receiver_msg *m);
	/* Makes the unit's commit move the position. */
	enum mqi_err (*position)(void *arg, void *unit, uint64_t from,
	    uint64_t to, const uint8_t incarnation[16]);
	/* Both end the unit.  On OK the result of commit comes by
	 * receiver_commit_done(), in the order of the calls. */
	enum mqi_err (*commit)(void *arg, void *unit, struct receiver_unit *u);
	void (*backout)(void *arg, void *unit);
	const struct undelivered_io *undelivered;
	void *arg;
};

struct receiver {
	struct channel c;
	struct receiver_io io;
	struct receiver_def def;
	struct mqchan_stream stream;
	struct msgmem *mem; /* of messages */
	uint64_t tail;      /* number of the last message that arrived whole */
	uint64_t position;  /* durable */
	uint64_t put_to;    /* `to` of the last unit made */
	struct receiver_msg *current; /* arriving in pieces */
	uint32_t skip;                /* bytes of a duplicate's body to come */
	struct receiver_msgs arrived; /* whole, in no unit */
	struct receiver_unit_list units;
	uint32_t n_units;
	uint32_t n_arrived;
	uint64_t gather_ms; /* when the first of `arrived` came */
	size_t arrived_bytes;
	uint32_t n_held;      /* messages in arrived and units */
	size_t held;          /* their bytes: bodies and descriptors */
	bool rolling_back;    /* a put failed: units are being taken back */
	uint64_t careful_to;  /* one message per unit up to this number */
	uint64_t retry_at_ms; /* PAUSED until then */
	bool look_again;      /* a put failed at once */
};

/* One that was called: it learns its definition by io.hello. */
void receiver_init(
    struct receiver *r, const struct receiver_io *io, uint64_t now_ms);
/* One that dialled, to ask for messages. */
void receiver_init_dialled(struct receiver *r, const struct receiver_def *def,
    const struct receiver_io *io, uint64_t now_ms);
void receiver_fini(struct receiver *r); /* backs out what is open */

void receiver_input(struct receiver *r, const void *data, size_t len);
void receiver_put_done(struct receiver_msg *m, enum mqi_err result);
void receiver_commit_done(struct receiver_unit *u, enum mqi_err result);
void receiver_tick(struct receiver *r, uint64_t now_ms);
uint64_t receiver_due(const struct receiver *r); /* as channel_due() */
/* Makes, commits and takes back units, as far as it goes now. */
void receiver_pump(struct receiver *r);
/* What it does; the link may know better. */
enum channel_substate receiver_substate(const struct receiver *r);
/* Ends once what has arrived is durable. */
void receiver_stop(struct receiver *r);
/* Whether more bytes should be read from the partner. */
bool receiver_wants_input(const struct receiver *r);

/* ---- between receiver.c and receiver_unit.c ---- */

void receiver_units_fini(struct receiver *r);

/* ---- receiver_dead.c ---- */

/* m, the first of `arrived`, was alone in its unit and could not be put: says
 * what becomes of it, or ends the channel. */
void receiver_undeliverable(struct receiver *r, struct receiver_msg *m);

/* m, in `arrived`, is about to be put: if it has expired it is dropped, with
 * the report that it asks for; else it gets what remains of its expiry. */
void receiver_judge_age(struct receiver *r, struct receiver_msg *m);

#endif

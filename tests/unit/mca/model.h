/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - two queue managers small enough to read at a glance, for tests of
 * the channel's state machines: one has a stream of messages, the other keeps
 * a position and what was delivered.  Both outlive any number of senders and
 * receivers, as the real ones do.
 */
#ifndef MQ_TESTS_UNIT_MCA_MODEL_H
#define MQ_TESTS_UNIT_MCA_MODEL_H

#include "mca/receiver.h"
#include "mca/sender.h"
#include "proto/dlh.h"

#define MODEL_MAX 512u

struct model_msg {
	uint64_t number;
	uint32_t body_len;
	char queue[MQI_NAME_LEN + 1];
	uint32_t report; /* MQI_RO_ */
	int32_t expiry;  /* tenths; 0: unlimited */
	bool late;       /* expired before it was sent */
	bool passing;    /* not persistent */
};

/* ---- the sender's queue manager ---- */

/* Put by a sender: what is too long for the channel, or the report. */
struct model_aside {
	struct receiver_msg *msg; /* until it is answered */
	uint64_t number;
	uint32_t body_len;
	char queue[MQI_NAME_LEN + 1];
	bool is_report;
	bool dead;
	struct mqdlh header;
};

struct model_source {
	struct model_msg msgs[MODEL_MAX];
	uint32_t n;
	uint64_t acked;
	uint64_t handed;
	uint8_t bound[16];
	uint64_t bound_acked;
	char identity[CHANNEL_IDENTITY_LEN];
	struct mqchan_stream history;
	enum mqi_err bind_result;
	enum mqi_err hello_result; /* of one that is called */
	struct sender_def def;
	/* of the sender that reads now */
	bool reading;
	uint32_t next; /* index of the next message to give */
	uint64_t given;
	uint32_t at;     /* bytes of its body given */
	uint32_t window; /* messages unacknowledged; 0: any */
	/* what is longer is held, and nothing given behind it, until a unit
	 * has removed it */
	uint32_t limit;
	uint64_t held; /* 0: none */
	uint64_t before_held;
	bool in_unit;
	bool committing;
	uint64_t removing;
	struct model_aside putting[2];
	uint32_t n_putting;
	uint64_t removed[MODEL_MAX]; /* durable, as is what was put with it */
	uint32_t n_removed;
	struct model_aside asides[MODEL_MAX];
	uint32_t n_asides;
	uint32_t n_logged;
	enum mqi_err commit_result;
	char dead_queue[MQI_NAME_LEN + 1];
};

void model_source_init(struct model_source *m);
void model_source_add(
    struct model_source *m, uint64_t number, const char *queue, uint32_t len);
void model_source_io(struct model_source *m, struct sender_io *ret);
/* The stream as a new sender sees it. */
void model_source_stream(struct model_source *m, struct sender_stream *ret);
/* Gives the sender at most max messages or pieces; returns how many. */
unsigned model_source_run(
    struct model_source *m, struct sender *s, unsigned max);

/* Answers the puts that the sender has begun, and its commit. */
void model_source_answer(struct model_source *m, struct sender *s);

/* ---- the receiver's queue manager ---- */

struct model_op;

/* A report that was put. */
struct model_report {
	struct mqdesc_route to;
	struct mqi_md md;
	uint32_t body_len;
	bool dead;
};

struct model_target {
	uint64_t position;
	uint8_t incarnation[16];
	uint64_t fence;
	struct model_msg delivered[MODEL_MAX]; /* durable, in order */
	bool dead[MODEL_MAX];                  /* on the dead-letter queue */
	uint32_t n;
	struct model_op *first, **last; /* not executed yet */
	uint32_t n_units;               /* open */
	uint32_t most_units;
	uint32_t n_logged;
	struct model_report reports[MODEL_MAX]; /* durable */
	uint32_t n_reports;
	char dead_queue[MQI_NAME_LEN + 1];
	uint32_t full; /* puts on "FULL" that will fail still */
	enum mqi_err hello_result;
	enum mqi_err open_result;
	struct receiver_def def;
	uint64_t holder; /* fence of the receiver that is served */
};

void model_target_init(struct model_target *m);
void model_target_fini(struct model_target *m);
void model_target_io(struct model_target *m, struct receiver_io *ret);
/* Executes up to max waiting puts and commits, in order; returns how many.
 * live false: their receiver is gone and hears nothing. */
unsigned model_target_run(struct model_target *m, unsigned max, bool live);
/* The receiver is gone: executes `some` of what it had sent, forgets the
 * rest, and backs out what it left open. */
void model_target_cut(struct model_target *m, unsigned some);

/* The body of a message: bytes that its number tells. */
uint8_t model_byte(uint64_t number, uint32_t at);

#endif

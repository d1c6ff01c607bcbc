/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver_msg.h - a message that an agent puts: one that a receiver takes, one
 * that a sender sets aside, or a report about either.  One thread.
 */
#ifndef MQ_MCA_RECEIVER_MSG_H
#define MQ_MCA_RECEIVER_MSG_H

#include <sys/queue.h>

#include "mca/msgmem.h"
#include "proto/desc.h"

struct receiver_msg {
	TAILQ_ENTRY(receiver_msg) link;
	uint64_t number;
	uint64_t previous;
	uint32_t crc; /* of the body as promised, then as put */
	uint32_t desc_len;
	uint32_t body_len;
	uint32_t got; /* bytes of the body that are here */
	uint32_t attempts;
	enum mqi_err result; /* of the last put */
	bool answered;       /* the put has its result */
	bool persistent;
	bool dead;      /* goes to the dead-letter queue */
	bool drop;      /* is not put: its position moves, that is all */
	bool expired;   /* dropped for that */
	bool is_report; /* made here, about another one */
	struct receiver_msg *report; /* about it, put with it; or NULL */
	struct receiver_unit *unit;
	struct mqdesc_route route;
	uint64_t expires_ms; /* 0: never; else by the receiver's ticks */
	uint8_t *desc;
	uint8_t *body;
	struct msgmem *mem; /* where all of it is from */
	bool apart;         /* desc and body are from malloc() */
	void *putter;       /* run_put.c: who puts it */
};

TAILQ_HEAD(receiver_msgs, receiver_msg);

/* The body's bytes are the caller's to fill in; NULL: no memory. */
struct receiver_msg *receiver_msg_new(
    struct msgmem *mem, const void *desc, uint32_t desc_len, uint32_t body_len);
struct receiver_msg *receiver_msg_free(struct receiver_msg *m); /* NULL */
/* Gives it another descriptor and body, from malloc(): they are its then. */
void receiver_msg_replace(struct receiver_msg *m, uint8_t *desc,
    uint32_t desc_len, uint8_t *body, uint32_t body_len);

/* What it takes of our memory and of a unit. */
static inline size_t
receiver_msg_bytes(const struct receiver_msg *m)
{
	size_t n = sizeof(*m) + (size_t)m->desc_len + m->body_len;

	return m->report == NULL ? n : n + receiver_msg_bytes(m->report);
}

/* Of the put of the message and of its report. */
static inline enum mqi_err
receiver_result(const struct receiver_msg *m)
{
	if (m->result != MQI_OK || m->report == NULL)
		return m->result;
	return m->report->result;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undelivered.h - what becomes of a message that a channel cannot deliver, at
 * either end: discarded, dead-lettered, dropped, or the channel ends; and the
 * exception report about it.
 *
 * One thread.  It decides and prepares; who asks puts the message and
 * m->report, in one unit of work with what takes the message from where it was.
 */
#ifndef MQ_MCA_UNDELIVERED_H
#define MQ_MCA_UNDELIVERED_H

#include "mca/channel.h"
#include "mca/receiver_msg.h"

/* Of an end's requests to its queue manager. */
struct undelivered_io {
	/* The dead-letter queue's name; "" if there is none. */
	enum mqi_err (*dead_queue)(void *arg, char ret_name[MQI_NAME_LEN + 1]);
	/* A line for the log about a message that was not delivered. */
	void (*report)(void *arg, const struct receiver_msg *m,
	    enum mqi_err reason, const char *what);
	uint64_t (*wall_us)(void *arg); /* for headers and reports */
};

struct undelivered {
	struct channel *c;
	uint64_t position;      /* of this end, for the partner's eyes */
	const char *reply_qmgr; /* where a report goes if m names none */
	bool use_dead_queue;    /* USEDLQ */
	const struct undelivered_io *io;
	void *arg; /* of io */
};

/* Waiting and trying elsewhere do not help: the queue manager is the trouble,
 * not the message. */
bool undelivered_is_fatal(enum mqi_err reason);

/* Makes the report that m asks for, if it does, as m->report.  *ret_discard: m
 * is to be discarded.  Errors: MD, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err undelivered_report(const struct undelivered *u,
    struct receiver_msg *m, uint32_t option, uint32_t feedback,
    bool *ret_discard);

/* m cannot be delivered for a reason, which text says for a person: decides
 * what becomes of it (m->drop, or m->dead and a new place, and m->report), or
 * ends the channel. */
void undelivered_dispose(const struct undelivered *u, struct receiver_msg *m,
    enum mqi_err reason, const char *text);

/* What was decided could not be put (receiver_result(m)): decides anew, or ends
 * the channel. */
void undelivered_failed(const struct undelivered *u, struct receiver_msg *m);

/* Turns m into what goes to a dead-letter queue: MQDLH in front of its body,
 * format MQDEAD.  Errors: NO_MEMORY, TOO_BIG, MD. */
MQ_MUST_CHECK enum mqi_err undelivered_make_dead(struct receiver_msg *m,
    const char *own_qmgr, uint32_t reason, uint64_t wall_us);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_put.h - how both roles of a channel put messages: through queues that
 * stay open, in units of work, large bodies in parts.  Main thread only.
 */
#ifndef MQ_MCA_RUN_PUT_H
#define MQ_MCA_RUN_PUT_H

#include "mca/run_channel.h"
#include "mca/target.h"
#include "mca/undelivered.h"

struct run_put {
	struct run_channel *rc;
	/* With whose rights m is put; "": the connection's.  A failure is the
	 * put's result. */
	enum mqi_err (*user_of)(
	    const struct receiver_msg *m, char ret[MQDESC_USER_LEN + 1]);
	void (*done)(struct receiver_msg *m, enum mqi_err result);
	struct targets targets;
	/* the large body on its way */
	struct receiver_msg *big;
	mqi_queue *big_handle;
	uint32_t big_at;
	bool big_answered;
	enum mqi_err big_result;
	struct receiver_msg *behind_big; /* its report */
	void *behind_unit;
	bool stale; /* a put failed: open the queues anew */
};

/* Whether another put can be taken now. */
bool run_put_ready(const struct run_put *p);
/* Puts m->desc and m->body on the route's queue.  A failure here is the put's
 * result; on OK it comes by done. */
MQ_MUST_CHECK enum mqi_err run_put(
    struct run_put *p, void *unit, struct receiver_msg *m);
/* Gives parts of the large body while the socket takes them; to be called in
 * each turn.  *ret_out: it is out now.  Errors: the connection's. */
MQ_MUST_CHECK enum mqi_err run_put_feed(struct run_put *p, bool *ret_out);

MQ_MUST_CHECK enum mqi_err run_put_begin(
    const struct run_put *p, void **ret_unit);
void run_put_backout(void *unit);

/* Of struct undelivered_io, with the run_put as its arg. */
extern const struct undelivered_io run_put_undelivered;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver_dead.c - what becomes of a message that the queue manager does not
 * take (receiver.h).
 *
 * Neighbours: receiver_unit.c asks once the message was alone in its unit, and
 * puts what is decided together with the position's move; undelivered.c knows
 * what is done at either end.
 *
 *  1. If waiting may help it is tried again, MRRTY times, MRTMR apart, with the
 *     channel PAUSED.
 *  2. Else it is discarded, dead-lettered or dropped, or the channel ends and
 *     the message stays at the sender.
 *
 * A message that has expired is dropped whenever it is about to be put, with
 * an expiration report if it asks for one, and never dead-lettered.
 */
#include "mca/receiver.h"
#include "mca/undelivered.h"

/* Waiting may help. */
static bool
is_retryable(enum mqi_err reason)
{
	switch (reason) {
	case MQI_E_PUT_INHIBITED:
	case MQI_E_Q_FULL:
	case MQI_E_Q_SPACE:
	case MQI_E_STORAGE_MEDIUM_FULL:
	case MQI_E_OBJECT_IN_USE:
	case MQI_E_RESOURCE_PROBLEM:
	case MQI_E_SYNCPOINT_LIMIT:
		return true;
	default:
		return false;
	}
}

static struct undelivered
undelivered_of(struct receiver *r)
{
	return (struct undelivered){.c = &r->c,
	    .position = r->position,
	    .reply_qmgr = r->c.partner.qmgr,
	    .use_dead_queue = r->def.use_dead_queue,
	    .io = r->io.undelivered,
	    .arg = r->io.arg};
}

/* m, in `arrived`, has another size than before. */
static void
resized(struct receiver *r, const struct receiver_msg *m, size_t before)
{
	r->held += receiver_msg_bytes(m) - before;
	r->arrived_bytes += receiver_msg_bytes(m) - before;
}

static bool
try_again(struct receiver *r, struct receiver_msg *m, enum mqi_err reason)
{
	if (!is_retryable(reason) || m->attempts >= r->def.retries)
		return false;
	if (m->attempts++ == 0)
		r->io.undelivered->report(r->io.arg, m, reason, "retrying");
	r->retry_at_ms = r->c.now_ms + r->def.retry_ms;
	if (channel_state(&r->c) == CHANNEL_RUNNING)
		channel_move(&r->c, CHANNEL_PAUSED);
	return true;
}

void
receiver_judge_age(struct receiver *r, struct receiver_msg *m)
{
	size_t before = receiver_msg_bytes(m);
	uint64_t now_ms = r->c.now_ms;
	struct undelivered u = undelivered_of(r);
	bool discard;

	if (m->expires_ms > now_ms) {
		/* it was decoded when it came */
		MQ_INVARIANT(mqdesc_set_life(m->desc, m->desc_len,
				 (int32_t)((m->expires_ms - now_ms + 99) / 100),
				 0) == MQI_OK);
		return;
	}
	m->drop = m->expired = true;
	r->io.undelivered->report(
	    r->io.arg, m, (enum mqi_err)MQI_FB_EXPIRATION, "expired");
	if (undelivered_report(&u, m, MQI_RO_EXPIRATION, MQI_FB_EXPIRATION,
		&discard) != MQI_OK)
		r->io.undelivered->report(
		    r->io.arg, m, MQI_E_NO_MEMORY, "no report can be made");
	resized(r, m, before);
}

void
receiver_undeliverable(struct receiver *r, struct receiver_msg *m)
{
	struct undelivered u = undelivered_of(r);
	size_t before = receiver_msg_bytes(m);

	MQ_PRE(TAILQ_EMPTY(&r->units));
	MQ_PRE(m == TAILQ_FIRST(&r->arrived));
	if (m->result == MQI_OK || m->dead)
		undelivered_failed(&u, m);
	else if (!try_again(r, m, m->result))
		undelivered_dispose(&u, m, m->result, mqi_strerror(m->result));
	resized(r, m, before);
}

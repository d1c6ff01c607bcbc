/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver_dead.c - what becomes of a message that cannot be delivered
 * (receiver.h), in IBM MQ's order.
 *
 * Neighbours: receiver_unit.c asks once the message was alone in its unit, and
 * puts what is decided here together with the position's move.
 *
 *  1. If waiting may help it is tried again, MRRTY times, MRTMR apart, with the
 *     channel PAUSED.
 *  2. If it asks to be discarded it is, and if it asks for an exception report
 *     that goes to its reply-to queue.
 *  3. Else it goes to the dead-letter queue with the reason in front of it,
 *     and the exception report to its reply-to queue, if it asks for one.
 *  4. If there is no dead-letter queue, or none may be used, or it takes
 *     nothing, the channel ends and the message stays at the sender; one that
 *     is not persistent is dropped, if NPMSPEED is FAST at both ends.
 *
 * A message that has expired is dropped whenever it is about to be put, with
 * an expiration report if it asks for one, and never dead-lettered.
 *
 * A report that cannot be put goes to the dead-letter queue itself.  Where
 * that is impossible it is lost, unless its message was to be discarded for
 * it: then the channel ends.  There are no reports about reports.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "mca/receiver.h"
#include "proto/dlh.h"
#include "proto/report.h"

static unsigned long long
ull(uint64_t v)
{
	return v;
}

bool
receiver_is_fatal(enum mqi_err reason)
{
	switch (reason) {
	case MQI_E_CONNECTION_BROKEN:
	case MQI_E_NOT_DONE:
	case MQI_E_UNKNOWN_OUTCOME:
	case MQI_E_Q_MGR_STOPPING:
	case MQI_E_Q_MGR_QUIESCING:
	case MQI_E_CONNECTION_QUIESCING:
	case MQI_E_CONNECTION_STOPPING:
	case MQI_E_BACKED_OUT:
	case MQI_E_PROTOCOL:
	case MQI_E_FORKED:
	case MQI_E_NO_MEMORY:
	case MQI_E_STORE_FAILED:
		return true;
	default:
		return false;
	}
}

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

enum mqi_err
receiver_make_dead(struct receiver_msg *m, const char *own_qmgr,
    uint32_t reason, uint64_t wall_us)
{
	struct mqdlh h = {.reason = reason,
	    .put_appl_type = MQDESC_APPL_UNIX,
	    .put_appl_name = "mca"};
	struct mqi_md md = {0};
	struct mqbuf desc;
	uint8_t *body;
	enum mqi_err err = mqdesc_decode(m->desc, m->desc_len, &md);

	if (err != MQI_OK)
		return err;
	memcpy(h.queue, m->route.queue, sizeof(h.queue));
	memcpy(h.qmgr, m->route.qmgr, sizeof(h.qmgr));
	if (h.qmgr[0] == '\0')
		(void)snprintf(h.qmgr, sizeof(h.qmgr), "%s", own_qmgr);
	h.encoding = md.encoding;
	h.ccsid = md.ccsid;
	memcpy(h.format, md.format, sizeof(h.format));
	mqclock_mq_date(wall_us, h.put_date, h.put_time);
	(void)snprintf(md.format, sizeof(md.format), "%s", MQDLH_FORMAT);
	md.encoding = MQDLH_ENCODING;
	mqbuf_init(&desc, MQDESC_MAX);
	err = mqdesc_encode(&md, &desc);
	body = malloc(MQDLH_LEN + (size_t)m->body_len);
	if (err == MQI_OK && body == NULL)
		err = MQI_E_NO_MEMORY;
	if (err == MQI_OK && m->body_len > MQI_MAX_BODY - MQDLH_LEN)
		err = MQI_E_TOO_BIG;
	if (err != MQI_OK) {
		free(body);
		mqbuf_fini(&desc);
		goto out;
	}
	mqdlh_encode(&h, body);
	memcpy(body + MQDLH_LEN, m->body, m->body_len);
	/* the buffer's memory is the message's now */
	receiver_msg_replace(
	    m, desc.data, (uint32_t)desc.len, body, m->body_len + MQDLH_LEN);
	m->crc = mqcrc32c(0, m->body, m->body_len);
out:
	free((void *)(uintptr_t)md.props);
	return err;
}

/* m, in `arrived`, has another size than before. */
static void
resized(struct receiver *r, const struct receiver_msg *m, size_t before)
{
	r->held += receiver_msg_bytes(m) - before;
	r->arrived_bytes += receiver_msg_bytes(m) - before;
}

/* ---- reports ---- */

static struct receiver_msg *
report_new(const struct receiver_msg *m, const struct mqreport *report,
    const struct mqbuf *desc)
{
	struct receiver_msg *rep = receiver_msg_new(
	    m->mem, desc->data, (uint32_t)desc->len, report->data_len);

	if (rep == NULL)
		return NULL;
	memcpy(rep->body, m->body, report->data_len);
	rep->got = report->data_len;
	rep->crc = mqcrc32c(0, rep->body, rep->body_len);
	rep->number = m->number;
	rep->previous = m->previous;
	rep->route = report->to;
	rep->is_report = true;
	return rep;
}

/* Makes the report that m asks for, if it does.  *ret_discard: m is to be
 * discarded. */
static enum mqi_err
make_report(struct receiver *r, struct receiver_msg *m, uint32_t option,
    uint32_t feedback, bool *ret_discard)
{
	const struct mqreport_why why = {
	    .option = option,
	    .feedback = feedback,
	    .qmgr = r->c.def.qmgr,
	    .reply_qmgr = r->c.partner.qmgr,
	    .wall_ms = r->io.wall_us(r->io.arg) / 1000,
	};
	struct mqreport report;
	struct mqbuf desc;
	enum mqi_err err;

	mqbuf_init(&desc, MQDESC_MAX);
	err = mqreport_make(
	    m->desc, m->desc_len, m->body_len, &why, &desc, &report);
	if (err == MQI_OK && report.wanted) {
		m->report = report_new(m, &report, &desc);
		if (m->report == NULL)
			err = MQI_E_NO_MEMORY;
	}
	mqbuf_fini(&desc);
	if (err == MQI_OK)
		*ret_discard = report.discard;
	return err;
}

/* ---- where it goes ---- */

/* Makes m, a message or a report, one for the dead-letter queue; on a failure
 * *ret_text says why it cannot go there. */
static enum mqi_err
to_dead_queue(struct receiver *r, struct receiver_msg *m, uint32_t why,
    const char **ret_text)
{
	char name[MQI_NAME_LEN + 1] = "";
	enum mqi_err err;

	if (!r->def.use_dead_queue) {
		*ret_text = "USEDLQ is NO";
		return MQI_E_UNKNOWN_OBJECT;
	}
	err = r->io.dead_queue(r->io.arg, name);
	if (err == MQI_OK && name[0] == '\0') {
		*ret_text = "DEADQ is blank";
		return MQI_E_UNKNOWN_OBJECT;
	}
	if (err == MQI_OK)
		err = receiver_make_dead(
		    m, r->c.def.qmgr, why, r->io.wall_us(r->io.arg));
	if (err != MQI_OK) {
		*ret_text = mqi_strerror(err);
		return err;
	}
	r->io.report(r->io.arg, m, (enum mqi_err)why,
	    m->is_report ? "report dead-lettered" : "dead-lettered");
	m->dead = true;
	memcpy(m->route.queue, name, sizeof(m->route.queue));
	memcpy(m->route.qmgr, r->c.def.qmgr, sizeof(m->route.qmgr));
	return MQI_OK;
}

/* Not worth to stop the channel for: it is dropped. */
static bool
gives_up(struct receiver *r, struct receiver_msg *m, enum mqi_err reason)
{
	if (m->persistent || !r->c.def.options.npm_fast ||
	    !r->c.theirs.npm_fast)
		return false;
	m->drop = true;
	r->io.report(r->io.arg, m, reason, "dropped, as it is not persistent");
	return true;
}

static void
dispose(struct receiver *r, struct receiver_msg *m, enum mqi_err reason)
{
	uint32_t why = m->route.queue[0] == '\0' && m->route.qmgr[0] == '\0'
			   ? MQI_FB_XMIT_Q_MSG_ERROR
			   : (uint32_t)reason;
	const char *text = "";
	bool discard = false;
	enum mqi_err err;

	err = make_report(r, m, MQI_RO_EXCEPTION, why, &discard);
	if (err != MQI_OK) {
		channel_fail(&r->c, err, m->number, r->position,
		    "no report about message %llu can be made: %s",
		    ull(m->number), mqi_strerror(err));
		return;
	}
	if (discard) {
		m->drop = true;
		r->io.report(r->io.arg, m, (enum mqi_err)why, "discarded");
		return;
	}
	err = to_dead_queue(r, m, why, &text);
	if (err != MQI_OK && !gives_up(r, m, reason))
		channel_fail(&r->c, reason, m->number, r->position,
		    "message %llu for %s at %s cannot be delivered (%s) nor "
		    "put on a dead-letter queue (%s)",
		    ull(m->number), m->route.queue, m->route.qmgr,
		    mqi_strerror(reason), text);
}

static void
dead_queue_failed(struct receiver *r, struct receiver_msg *m)
{
	if (!gives_up(r, m, m->result))
		channel_fail(&r->c, m->result, m->number, r->position,
		    "message %llu cannot be put on the dead-letter queue %s: "
		    "%s",
		    ull(m->number), m->route.queue, mqi_strerror(m->result));
}

static void
report_failed(struct receiver *r, struct receiver_msg *m)
{
	struct receiver_msg *rep = m->report;
	enum mqi_err reason = rep->result;
	const char *text = mqi_strerror(reason);

	if (!rep->dead &&
	    to_dead_queue(r, rep, (uint32_t)reason, &text) == MQI_OK)
		return;
	if (m->drop && !m->expired) {
		channel_fail(&r->c, reason, m->number, r->position,
		    "message %llu was to be discarded, but the report about it "
		    "cannot be put on %s at %s (%s) nor on a dead-letter queue "
		    "(%s)",
		    ull(m->number), rep->route.queue, rep->route.qmgr,
		    mqi_strerror(reason), text);
		return;
	}
	r->io.report(r->io.arg, rep, reason, "report lost");
	m->report = receiver_msg_free(rep);
}

static bool
try_again(struct receiver *r, struct receiver_msg *m, enum mqi_err reason)
{
	if (!is_retryable(reason) || m->attempts >= r->def.retries)
		return false;
	if (m->attempts++ == 0)
		r->io.report(r->io.arg, m, reason, "retrying");
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
	bool discard;

	if (m->expires_ms > now_ms) {
		/* it was decoded when it came */
		MQ_INVARIANT(mqdesc_set_life(m->desc, m->desc_len,
				 (int32_t)((m->expires_ms - now_ms + 99) / 100),
				 0) == MQI_OK);
		return;
	}
	m->drop = m->expired = true;
	r->io.report(r->io.arg, m, (enum mqi_err)MQI_FB_EXPIRATION, "expired");
	if (make_report(r, m, MQI_RO_EXPIRATION, MQI_FB_EXPIRATION, &discard) !=
	    MQI_OK)
		r->io.report(
		    r->io.arg, m, MQI_E_NO_MEMORY, "no report can be made");
	resized(r, m, before);
}

void
receiver_undeliverable(struct receiver *r, struct receiver_msg *m)
{
	size_t before = receiver_msg_bytes(m);

	MQ_PRE(TAILQ_EMPTY(&r->units));
	MQ_PRE(m == TAILQ_FIRST(&r->arrived));
	if (m->result == MQI_OK)
		report_failed(r, m);
	else if (m->dead)
		dead_queue_failed(r, m);
	else if (!try_again(r, m, m->result))
		dispose(r, m, m->result);
	resized(r, m, before);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undelivered.c - what becomes of a message that a channel cannot deliver
 * (undelivered.h), in IBM MQ's order.
 *
 * Neighbours: receiver_dead.c asks for what its queue manager did not take,
 * sender_aside.c for what is too long for the channel.
 *
 *  1. If it asks to be discarded it is, and if it asks for an exception report
 *     that goes to its reply-to queue.
 *  2. Else it goes to the dead-letter queue with the reason in front of it,
 *     and the exception report to its reply-to queue, if it asks for one.
 *  3. If there is no dead-letter queue, or none may be used, or it takes
 *     nothing, or the message is so long that the header does not fit, the
 *     channel ends and the message stays where it is; one that is not
 *     persistent is dropped, if NPMSPEED is FAST at both ends.
 *
 * A report that cannot be put goes to the dead-letter queue itself.  Where
 * that is impossible it is lost, unless its message was to be discarded for
 * it: then the channel ends.  There are no reports about reports.
 */
#include "mca/undelivered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "proto/dlh.h"
#include "proto/report.h"

static unsigned long long
ull(uint64_t v)
{
	return v;
}

bool
undelivered_is_fatal(enum mqi_err reason)
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

enum mqi_err
undelivered_make_dead(struct receiver_msg *m, const char *own_qmgr,
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

enum mqi_err
undelivered_report(const struct undelivered *u, struct receiver_msg *m,
    uint32_t option, uint32_t feedback, bool *ret_discard)
{
	const struct mqreport_why why = {
	    .option = option,
	    .feedback = feedback,
	    .qmgr = u->c->def.qmgr,
	    .reply_qmgr = u->reply_qmgr,
	    .wall_ms = u->io->wall_us(u->arg) / 1000,
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
to_dead_queue(const struct undelivered *u, struct receiver_msg *m, uint32_t why,
    const char **ret_text)
{
	char name[MQI_NAME_LEN + 1] = "";
	enum mqi_err err;

	if (!u->use_dead_queue) {
		*ret_text = "USEDLQ is NO";
		return MQI_E_UNKNOWN_OBJECT;
	}
	err = u->io->dead_queue(u->arg, name);
	if (err == MQI_OK && name[0] == '\0') {
		*ret_text = "DEADQ is blank";
		return MQI_E_UNKNOWN_OBJECT;
	}
	if (err == MQI_OK)
		err = undelivered_make_dead(
		    m, u->c->def.qmgr, why, u->io->wall_us(u->arg));
	if (err != MQI_OK) {
		*ret_text = mqi_strerror(err);
		return err;
	}
	u->io->report(u->arg, m, (enum mqi_err)why,
	    m->is_report ? "report dead-lettered" : "dead-lettered");
	m->dead = true;
	memcpy(m->route.queue, name, sizeof(m->route.queue));
	memcpy(m->route.qmgr, u->c->def.qmgr, sizeof(m->route.qmgr));
	return MQI_OK;
}

/* Not worth to stop the channel for: it is dropped. */
static bool
gives_up(
    const struct undelivered *u, struct receiver_msg *m, enum mqi_err reason)
{
	if (m->persistent || !u->c->def.options.npm_fast ||
	    !u->c->theirs.npm_fast)
		return false;
	m->drop = true;
	u->io->report(u->arg, m, reason, "dropped, as it is not persistent");
	return true;
}

void
undelivered_dispose(const struct undelivered *u, struct receiver_msg *m,
    enum mqi_err reason, const char *text)
{
	uint32_t why = m->route.queue[0] == '\0' && m->route.qmgr[0] == '\0'
			   ? MQI_FB_XMIT_Q_MSG_ERROR
			   : (uint32_t)reason;
	const char *nowhere = "";
	bool discard = false;
	enum mqi_err err;

	err = undelivered_report(u, m, MQI_RO_EXCEPTION, why, &discard);
	if (err != MQI_OK) {
		channel_fail(u->c, err, m->number, u->position,
		    "no report about message %llu can be made: %s",
		    ull(m->number), mqi_strerror(err));
		return;
	}
	if (discard) {
		m->drop = true;
		u->io->report(u->arg, m, (enum mqi_err)why, "discarded");
		return;
	}
	err = to_dead_queue(u, m, why, &nowhere);
	if (err != MQI_OK && !gives_up(u, m, reason))
		channel_fail(u->c, reason, m->number, u->position,
		    "message %llu for %s at %s cannot be delivered (%s) nor "
		    "put on a dead-letter queue (%s)",
		    ull(m->number), m->route.queue, m->route.qmgr, text,
		    nowhere);
}

static void
dead_queue_failed(const struct undelivered *u, struct receiver_msg *m)
{
	if (!gives_up(u, m, m->result))
		channel_fail(u->c, m->result, m->number, u->position,
		    "message %llu cannot be put on the dead-letter queue %s: "
		    "%s",
		    ull(m->number), m->route.queue, mqi_strerror(m->result));
}

static void
report_failed(const struct undelivered *u, struct receiver_msg *m)
{
	struct receiver_msg *rep = m->report;
	enum mqi_err reason = rep->result;
	const char *text = mqi_strerror(reason);

	if (!rep->dead &&
	    to_dead_queue(u, rep, (uint32_t)reason, &text) == MQI_OK)
		return;
	if (m->drop && !m->expired) {
		channel_fail(u->c, reason, m->number, u->position,
		    "message %llu was to be discarded, but the report about it "
		    "cannot be put on %s at %s (%s) nor on a dead-letter queue "
		    "(%s)",
		    ull(m->number), rep->route.queue, rep->route.qmgr,
		    mqi_strerror(reason), text);
		return;
	}
	u->io->report(u->arg, rep, reason, "report lost");
	m->report = receiver_msg_free(rep);
}

void
undelivered_failed(const struct undelivered *u, struct receiver_msg *m)
{
	if (m->result == MQI_OK)
		report_failed(u, m);
	else
		dead_queue_failed(u, m);
}

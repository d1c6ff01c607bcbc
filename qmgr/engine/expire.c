/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expire.c - messages that have outlived their expiry, and the clock that says
 * so.
 *
 * The clock is the queue manager's own.  It begins at the wall clock's time,
 * goes on with the monotonic one, and moves towards the wall clock by at most
 * a twentieth of the time that passes: a wall clock that jumps by an hour makes
 * nothing expire at once.
 *
 * A message's deadline is in its descriptor (proto/desc.h), so that it holds
 * over a restart; what leaves carries what remains of its expiry.  A message
 * past its deadline is given to nobody: who meets it removes it, by a record
 * like any other removal, and puts the report that it asks for in the same
 * batch (report.c).  On a transmission queue, what may have been handed out to
 * a sender is sent whatever its age, with a mark, and its receiver drops it.
 *
 * Whether its putter may have the report put where he wants it is judged with
 * the put (put.c); that he may not is noted in the deadline.
 *
 * A report that cannot be put goes to the dead-letter queue, or is lost with a
 * line in the log.  About a message in pieces it carries no data.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/dlh.h"
#include "proto/report.h"
#include "qmgr/engine/engine_int.h"

#define EXPIRE_SLEW 20u /* parts of the time that passes */
#define EXPIRE_TENTH_MS 100u
/* Of a deadline: no report, since its putter may not put where it would go. */
#define EXPIRE_UNREPORTED (UINT64_C(1) << 63)
#define EXPIRE_RECORD_ROOM 640u /* REMOVE, and PUT without its message */

/* ---- time ---- */

void
expire_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us)
{
	uint64_t went = mono_us - e->mono_us;
	uint64_t most = went / EXPIRE_SLEW;

	if (e->clock_us == 0) {
		e->clock_us = wall_us;
		return;
	}
	e->clock_us += went;
	if (wall_us > e->clock_us)
		e->clock_us +=
		    wall_us - e->clock_us < most ? wall_us - e->clock_us : most;
	else
		e->clock_us -=
		    e->clock_us - wall_us < most ? e->clock_us - wall_us : most;
}

uint64_t
expire_deadline(const struct engine *e, int32_t expiry)
{
	MQ_PRE(expiry > 0);
	return e->clock_us / 1000 + (uint64_t)expiry * EXPIRE_TENTH_MS;
}

static uint64_t
deadline_of(const struct msg *m)
{
	return m->deadline_ms & ~EXPIRE_UNREPORTED;
}

static bool
expire_has_passed(const struct engine *e, const struct msg *m)
{
	return m->deadline_ms != 0 && deadline_of(m) <= e->clock_us / 1000;
}

bool
expire_is_due(const struct entry *x)
{
	const struct queue *q = x->q;

	if (x->m.deadline_ms == 0 || !expire_has_passed(q->e, &x->m))
		return false;
	return !q->attr.is_xmit || q->stream == NULL ||
	       x->place.seq > q->stream->handed;
}

/* ---- what is known of a message ---- */

void
expire_loaded(struct msg *m, struct mqref *data)
{
	struct mqdesc_info info;

	if (data == NULL || data->len < m->desc_len ||
	    !mqdesc_expires(data->data, m->desc_len) ||
	    mqdesc_read(data->data, m->desc_len, &info) != MQI_OK)
		return;
	m->deadline_ms = info.deadline_ms;
	if (m->staged)
		expire_keep_head(m, data->data);
}

void
expire_keep_head(struct msg *m, const void *desc)
{
	MQ_PRE(m->head == NULL);
	if (m->deadline_ms != 0)
		m->head = mqref_copy(desc, m->desc_len);
}

struct mqref *
expire_dated(
    const struct engine *e, const struct msg *m, size_t len, bool is_stream)
{
	uint64_t now_ms = e->clock_us / 1000;
	bool passed = expire_has_passed(e, m);
	uint64_t left = passed ? 0 : deadline_of(m) - now_ms;
	uint64_t tenths = (left + EXPIRE_TENTH_MS - 1) / EXPIRE_TENTH_MS;
	struct mqref *copy;

	if (m->deadline_ms == 0)
		return NULL;
	if (tenths == 0)
		tenths = 1;
	if (tenths > INT32_MAX)
		tenths = INT32_MAX;
	copy = mqref_copy(m->data->data, len);
	MQ_INVARIANT(copy != NULL);
	MQ_INVARIANT(mqdesc_set_life(copy->data, m->desc_len, (int32_t)tenths,
			 passed && is_stream ? 1 : 0) == MQI_OK);
	return copy;
}

/* ---- reports ---- */

enum mqi_err
expire_report_nothing(
    struct engine *e, int32_t expiry, struct stamp_result *stamped)
{
	stamped->deadline_ms |= EXPIRE_UNREPORTED;
	return mqdesc_set_life(
	    e->scratch.data, e->scratch.len, expiry, stamped->deadline_ms);
}

/* Makes it a dead letter. */
static enum mqi_err
expire_to_dead_queue(
    struct report *r, const struct mqdesc_route *to, enum mqi_err why)
{
	struct mqdesc_route dead = {.queue = ""};
	struct mqdlh h = {
	    .reason = (uint32_t)why, .put_appl_type = MQREPORT_APPL_QMGR};
	struct engine *e = r->e;
	struct mqi_md md;
	enum mqi_err err = mqdesc_decode(r->desc.data, r->desc.len, &md);

	if (err != MQI_OK)
		return err;
	strcpy(dead.queue, mqattr_text(e->qmgr->attrs, MQATTR_ID_DEADQ));
	memcpy(h.queue, to->queue, sizeof(h.queue));
	memcpy(h.qmgr, to->qmgr, sizeof(h.qmgr));
	h.encoding = md.encoding;
	h.ccsid = md.ccsid;
	memcpy(h.format, md.format, sizeof(h.format));
	memcpy(h.put_appl_name, md.put_appl_name, sizeof(h.put_appl_name));
	memcpy(h.put_date, md.put_date, sizeof(h.put_date));
	memcpy(h.put_time, md.put_time, sizeof(h.put_time));
	mqdlh_encode(&h, r->header);
	r->header_len = MQDLH_LEN;
	strcpy(md.format, MQDLH_FORMAT);
	md.encoding = MQDLH_ENCODING;
	mqbuf_reset(&r->desc);
	err = mqdesc_encode(&md, &r->desc);
	free((void *)(uintptr_t)md.props);
	return err == MQI_OK ? report_find(r, &dead) : err;
}

/* The report about m, ready to be put; false: none. */
static bool
expire_make_report(struct engine *e, const struct msg *m, struct report *r)
{
	const struct mqref *data = m->data != NULL ? m->data : m->head;
	const struct mqreport_why why = {
	    .option = MQI_RO_EXPIRATION,
	    .feedback = MQI_FB_EXPIRATION,
	    .qmgr = e->config.name,
	    .reply_qmgr = e->config.name,
	    .wall_ms = e->wall_us / 1000,
	};
	struct mqreport report;
	enum mqi_err err;

	r->e = e;
	if (data == NULL || (m->deadline_ms & EXPIRE_UNREPORTED) != 0 ||
	    mqreport_make(data->data, m->desc_len, m->body_len, &why, &r->desc,
		&report) != MQI_OK ||
	    !report.wanted)
		return false;
	r->body_len = report.data_len;
	if (m->staged || r->desc.len + r->body_len > MQFRAME_PIECE - 1024)
		r->body_len = 0;
	r->body = data->data + m->desc_len;
	err = report_find(r, &report.to);
	if (err != MQI_OK &&
	    expire_to_dead_queue(r, &report.to, err) != MQI_OK) {
		mqlog(MQLOG_WARN, "report.lost",
		    "the report about an expired message cannot be put on %s "
		    "at %s: %s",
		    report.to.queue, report.to.qmgr, mqi_strerror(err));
		return false;
	}
	return true;
}

void
expire_drop(struct entry *x)
{
	struct engine *e = x->q->e;
	struct report r = {.header_len = 0};
	struct msg m = {.staged = false};
	uint64_t gone, pos;
	uint8_t rank = 0;
	struct queue *q;
	bool any;

	mqbuf_init(&r.desc, MQDESC_MAX);
	any = expire_make_report(e, &x->m, &r) &&
	      report_stamp(&r, &m, &rank) == MQI_OK;
	/* both in one batch */
	if (any)
		(void)batch_room(
		    e, EXPIRE_RECORD_ROOM + m.desc_len + m.body_len);
	gone = entry_remove(x, 0);
	if (any) {
		q = queue_by_id(e, r.route.queue->id);
		m.body_id = engine_next_number(e);
		x = put_visible(q, rank, &m, 0, &pos);
		if (x->pos < gone)
			x->pos = gone;
		report_offer_later(q, x->place);
	} else {
		msg_fini(&m);
	}
	mqbuf_fini(&r.desc);
}

enum find_result
expire_find(struct queue *q, struct place after, const struct getter *g,
    const struct find_span *extra, struct entry **ret_entry,
    struct place *ret_from)
{
	for (;;) {
		enum find_result r =
		    queue_find(q, after, g, extra, ret_entry, ret_from);

		if (r != FIND_FOUND || !expire_is_due(*ret_entry))
			return r;
		expire_drop(*ret_entry);
	}
}

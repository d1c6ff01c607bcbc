/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - what the queue manager itself puts: reports of messages that have
 * expired (expire.c), arrived (put.c), been delivered (get.c, readahead.c) or
 * come back too often (poison.c), those of trace-route messages (trace.c),
 * trigger messages (trigger.c), and dead letters.
 *
 * They are put at once, in the batch or unit of what they tell of, and offered
 * at the end of the turn, since those who make them stand in the middle of a
 * queue or of a put.
 *
 * Failure: a report that cannot be put where it should go becomes a dead
 * letter, or is lost with a line in the log.  About a message in pieces it
 * carries no data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/report.h"
#include "qmgr/engine/engine_int.h"

#define REPORT_ROOM 512u /* a PUT record without its message */

/* A report that was put and is not offered yet. */
struct offer {
	TAILQ_ENTRY(offer) link;
	uint64_t queue_id;
	struct place place;
};

/* ---- where it goes ---- */

static enum mqi_err
report_check_queue(const struct report *r)
{
	const struct queue *q = queue_by_id(r->e, r->route.queue->id);
	uint32_t len = r->header_len + r->body_len;

	if (!q->attr.put_ok ||
	    mqattr_is(r->route.opened->attrs, MQATTR_ID_PUT, "DISABLED"))
		return MQI_E_PUT_INHIBITED;
	if (len > q->attr.max_msg_len)
		return MQI_E_MSG_TOO_BIG_FOR_Q;
	if (q->depth + q->uncommitted_puts >= q->attr.max_depth)
		return MQI_E_Q_FULL;
	return put_has_room(r->e) ? MQI_OK : MQI_E_STORAGE_MEDIUM_FULL;
}

enum mqi_err
report_find(struct report *r, const struct mqdesc_route *to)
{
	struct engine *e = r->e;
	enum mqi_err err = route_resolve(e->objects, e->config.name, to->queue,
	    to->qmgr, MQI_OO_OUTPUT, &r->route);

	if (err == MQI_OK && !r->route.is_remote && r->header_len == 0 &&
	    strncmp(r->route.queue->name, "SYSTEM.", 7) == 0)
		err = MQI_E_NOT_AUTHORIZED;
	return err == MQI_OK ? report_check_queue(r) : err;
}

enum mqi_err
report_stamp(struct report *r, struct msg *m, uint8_t *ret_rank)
{
	struct engine *e = r->e;
	struct mqdesc_route to = r->route.to;
	const struct queue *q = queue_by_id(e, r->route.queue->id);
	struct mqdesc_stamp st = {.keep_context = true};
	struct mqdesc_info info;
	struct mqbuf out;
	uint8_t *p;
	enum mqi_err err = mqdesc_read(r->desc.data, r->desc.len, &info);

	if (err != MQI_OK)
		return err;
	to.hops = 1;
	st.route = r->route.is_remote ? &to : NULL;
	st.priority = info.priority < 0 ? 0 : info.priority;
	st.persistent = info.persistent;
	st.set_msg_id = !info.has_msg_id;
	stamp_new_msg_id(e, st.msg_id);
	mqbuf_init(&out, MQDESC_MAX);
	err = mqdesc_stamp(r->desc.data, r->desc.len, &st, &out);
	if (err == MQI_OK) {
		m->desc_len = (uint32_t)out.len;
		m->body_len = r->header_len + r->body_len;
		m->data = mqref_new((size_t)m->desc_len + m->body_len);
	}
	if (err == MQI_OK && m->data == NULL)
		err = MQI_E_NO_MEMORY;
	if (err == MQI_OK) {
		p = m->data->data;
		memcpy(p, out.data, out.len);
		p += out.len;
		memcpy(p, r->header, r->header_len);
		memcpy(p + r->header_len, r->body, r->body_len);
		m->body_crc = mqcrc32c(0, p, m->body_len);
		m->persistent = st.persistent;
		m->priority = st.priority;
		m->put_us = e->clock_us;
		memcpy(m->msg_id, st.set_msg_id ? st.msg_id : info.msg_id,
		    MQI_ID_LEN);
		memcpy(m->correl_id, info.correl_id, MQI_ID_LEN);
		*ret_rank = q->attr.fifo
				? 0
				: (uint8_t)(MQI_MAX_PRIORITY - st.priority);
	}
	mqbuf_fini(&out);
	return err;
}

/* ---- making ---- */

/* Makes it a dead letter. */
static enum mqi_err
report_to_dead_queue(
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
	md.expiry = MQI_EXPIRY_UNLIMITED;
	mqbuf_reset(&r->desc);
	err = mqdesc_encode(&md, &r->desc);
	free((void *)(uintptr_t)md.props);
	return err == MQI_OK ? report_find(r, &dead) : err;
}

static bool
report_finish(struct report *r)
{
	enum mqi_err err = report_stamp(r, &r->m, &r->rank);

	mqbuf_fini(&r->desc);
	r->m.body_id = engine_next_number(r->e);
	return err == MQI_OK;
}

static bool
report_prepare(struct report *r, const struct msg *m, uint32_t option,
    uint32_t feedback, struct mqdesc_route *ret_to)
{
	const struct mqref *data = m->data != NULL ? m->data : m->head;
	const struct mqreport_why why = {
	    .option = option,
	    .feedback = feedback,
	    .qmgr = r->e->config.name,
	    .reply_qmgr = r->e->config.name,
	    .wall_ms = r->e->wall_us / 1000,
	};
	struct mqreport report = {.wanted = false};

	if (data == NULL ||
	    mqreport_make(data->data, m->desc_len, m->body_len, &why, &r->desc,
		&report) != MQI_OK ||
	    !report.wanted)
		return false;
	*ret_to = report.to;
	r->body_len = report.data_len;
	if (m->staged || m->data == NULL ||
	    r->desc.len + r->body_len > MQFRAME_PIECE - 1024)
		r->body_len = 0;
	r->body = data->data + m->desc_len;
	return true;
}

/* Who asks for reports that nobody takes does not fill the disk by it. */
static void
report_lost(struct engine *e, const char *what, uint32_t feedback,
    const struct mqdesc_route *to, enum mqi_err err)
{
	uint64_t left_out;

	if (!mqloglimit_allows(&e->lost_reports, e->mono_us, &left_out))
		return;
	if (left_out > 0)
		mqlog(MQLOG_WARN, "report.lost",
		    "%" PRIu64 " more reports have no line here", left_out);
	mqlog(MQLOG_WARN, "report.lost",
	    "%s with feedback %u cannot be put on %s at %s: %s", what, feedback,
	    to->queue, to->qmgr, mqi_strerror(err));
}

bool
report_make(struct engine *e, const struct msg *m, uint32_t option,
    uint32_t feedback, struct report *ret)
{
	struct report *r = ret;
	struct mqdesc_route to;
	enum mqi_err err;

	*r = (struct report){.e = e};
	mqbuf_init(&r->desc, MQDESC_MAX);
	if (!report_prepare(r, m, option, feedback, &to)) {
		mqbuf_fini(&r->desc);
		return false;
	}
	err = report_find(r, &to);
	if (err == MQI_OK || report_to_dead_queue(r, &to, err) == MQI_OK)
		return report_finish(r);
	mqbuf_fini(&r->desc);
	report_lost(r->e, "a report", feedback, &to, err);
	return false;
}

bool
report_arrival(struct engine *e, struct msg *m, struct report *ret)
{
	bool asked = m->coa;

	m->coa = false;
	return asked && report_make(e, m, MQI_RO_COA, MQI_FB_COA, ret);
}

bool
report_delivery(struct engine *e, const struct msg *m, struct report *ret)
{
	return m->cod && report_make(e, m, MQI_RO_COD, MQI_FB_COD, ret);
}

bool
report_dead_copy(struct engine *e, const char *queue, const struct msg *m,
    enum mqi_err why, struct report *ret)
{
	struct mqdesc_route to = {.hops = 0};
	struct report *r = ret;
	enum mqi_err err;

	*r = (struct report){.e = e};
	if (m->data == NULL || m->staged ||
	    m->data->len + MQDLH_LEN > MQFRAME_PIECE - 1024)
		return false;
	mqbuf_init(&r->desc, MQDESC_MAX);
	mqbuf_put(&r->desc, m->data->data, m->desc_len);
	r->body = m->data->data + m->desc_len;
	r->body_len = m->body_len;
	strcpy(to.queue, queue);
	strcpy(to.qmgr, e->config.name);
	err = report_to_dead_queue(r, &to, why);
	if (err == MQI_OK)
		return report_finish(r);
	mqbuf_fini(&r->desc);
	return false;
}

bool
report_dead_letter(
    struct queue *q, const struct msg *m, enum mqi_err why, struct report *ret)
{
	return report_dead_copy(q->e, q->object->name, m, why, ret);
}

bool
report_own(struct queue *q, const struct mqi_md *md, const void *body,
    uint32_t len, struct report *ret)
{
	struct mqdesc_route to = {.hops = 0};
	struct report *r = ret;
	enum mqi_err err;

	*r = (struct report){.e = q->e, .body = body, .body_len = len};
	r->route.queue = r->route.opened = q->object;
	mqbuf_init(&r->desc, MQDESC_MAX);
	err = mqdesc_encode(md, &r->desc);
	if (err == MQI_OK)
		err = report_check_queue(r);
	strcpy(to.queue, q->object->name);
	strcpy(to.qmgr, q->e->config.name);
	if (err == MQI_OK || report_to_dead_queue(r, &to, err) == MQI_OK)
		return report_finish(r);
	mqbuf_fini(&r->desc);
	report_lost(q->e, "a trigger message", MQI_FB_NONE, &to, err);
	return false;
}

size_t
report_room(const struct report *r)
{
	return REPORT_ROOM + r->m.desc_len + r->m.body_len;
}

void
report_put(struct report *r, uint64_t cause)
{
	struct queue *q;
	struct entry *x;
	uint64_t pos;

	if (r == NULL)
		return;
	q = queue_by_id(r->e, r->route.queue->id);
	x = put_visible(q, r->rank, &r->m, 0, &pos);
	if (x->pos < cause)
		x->pos = cause;
	if (q->pos < cause)
		q->pos = cause;
	report_offer_later(q, x->place);
}

void
report_put_in(struct report *r, struct unit *u)
{
	unit_add_put(u, queue_by_id(r->e, r->route.queue->id), r->rank, &r->m);
}

/* ---- offering ---- */

void
report_offer_later(struct queue *q, struct place place)
{
	struct offer *o = mqmem_alloc(sizeof(*o));

	o->queue_id = q->id;
	o->place = place;
	TAILQ_INSERT_TAIL(&q->e->offers, o, link);
}

void
report_flush(struct engine *e)
{
	struct offer *o;

	while ((o = TAILQ_FIRST(&e->offers)) != NULL) {
		struct queue *q = queue_by_id(e, o->queue_id);
		struct entry *x =
		    q != NULL ? queue_entry_at(q, o->place) : NULL;

		TAILQ_REMOVE(&e->offers, o, link);
		free(o);
		if (x == NULL || x->state != ENTRY_AVAILABLE)
			continue;
		queue_offer(q, x);
		stream_work(q);
	}
}

void
report_free_all(struct engine *e)
{
	struct offer *o;

	while ((o = TAILQ_FIRST(&e->offers)) != NULL) {
		TAILQ_REMOVE(&e->offers, o, link);
		free(o);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - reports that the queue manager itself puts: of expired messages
 * (expire.c) and of trace-route messages (trace.c).
 *
 * They are put at once, in the batch or unit of what they tell of, and offered
 * at the end of the turn, since those who make them stand in the middle of a
 * queue or of a put.
 *
 * Failure: a report that has no place is the caller's to deal with.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

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
		m->put_ms = e->wall_us / 1000;
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

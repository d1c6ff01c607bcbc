/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp.c - a put's descriptor: checked, and stamped with what the queue
 * manager knows (time, user, program, route, priority, persistence).
 *
 * Neighbours: put.c; proto/desc.c reads and writes the bytes.
 * Happy path: a program puts one message after the other with the same
 * descriptor, so each handle remembers what the last one became: the same
 * bytes need no more than another message id and time.
 * Invariants: what is remembered holds as long as no object changes
 * (engine.object_changes); a descriptor that brings an id or expires is not
 * remembered, since the next one has another id or deadline.
 * Failure: what the caller is to be told; nothing has changed then.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define STAMP_APP_TYPES 65536u /* message types of applications from here */
/* what is reported where the message ends its way */
#define REPORTS_HERE (MQI_RO_COA | MQI_RO_COD | MQI_RO_EXCEPTION)
#define STAMP_IN 128u /* longer ones are not remembered */
#define STAMP_OUT 320u

struct stamp_memory {
	uint64_t object_changes; /* when it was made */
	bool pass;
	struct stamp_result result; /* without an id */
	struct mqdesc_places places;
	uint16_t in_len;
	uint16_t out_len;
	uint8_t in[STAMP_IN];
	uint8_t out[STAMP_OUT];
};

struct stamp_memory *
stamp_forget(struct stamp_memory *m)
{
	free(m);
	return NULL;
}

void
stamp_new_msg_id(struct engine *e, uint8_t ret[MQI_ID_LEN])
{
	uint64_t n = engine_next_number(e);

	memcpy(ret, "SLMQ", 4);
	memcpy(ret + 4, e->qmid, 12);
	n = htobe64(n);
	memcpy(ret + 16, &n, 8);
}

static enum mqi_err
stamp_check(const struct mqdesc_info *info)
{
	if (info->priority < MQI_PRIORITY_AS_Q_DEF ||
	    info->priority > MQI_MAX_PRIORITY)
		return MQI_E_PRIORITY;
	if (info->expiry <= 0 && info->expiry != MQI_EXPIRY_UNLIMITED)
		return MQI_E_EXPIRY;
	if (info->msg_type != MQI_MT_REQUEST &&
	    info->msg_type != MQI_MT_REPLY && info->msg_type != MQI_MT_REPORT &&
	    info->msg_type != MQI_MT_DATAGRAM &&
	    info->msg_type < STAMP_APP_TYPES)
		return MQI_E_MSG_TYPE;
	return MQI_OK;
}

static int8_t
stamp_priority(const struct handle *h, const struct mqdesc_info *info)
{
	const struct engine_object *o = h->route.opened;

	if (info->priority >= 0)
		return info->priority;
	if (o == h->q->object)
		return h->q->attr.priority;
	return (int8_t)mqattr_int(o->attrs, MQATTR_ID_DEFPRTY);
}

static bool
stamp_persistent(const struct handle *h, const struct mqdesc_info *info)
{
	const struct engine_object *o = h->route.opened;

	if (!info->persistence_as_q_def)
		return info->persistent;
	if (o == h->q->object)
		return h->q->attr.persistent;
	return mqattr_is(o->attrs, MQATTR_ID_DEFPSIST, "YES");
}

/* Where replies go, of a program that names no queue manager: a reply-to alias
 * is a remote definition, else the queue is here. */
static void
stamp_reply_to(const struct engine *e, const struct mqdesc_info *info,
    struct mqdesc_stamp *st)
{
	const struct engine_object *def =
	    object_find(e->objects, MQATTR_QREMOTE, info->reply_to_q);
	const char *queue =
	    def == NULL ? "" : mqattr_text(def->attrs, MQATTR_ID_RNAME);

	st->reply_to_q = info->reply_to_q;
	st->reply_to_qmgr = "";
	if (queue[0] != '\0') {
		st->reply_to_q = queue;
		st->reply_to_qmgr = mqattr_text(def->attrs, MQATTR_ID_RQMNAME);
	}
	if (st->reply_to_qmgr[0] == '\0')
		st->reply_to_qmgr = e->config.name;
}

bool
stamp_asks(const struct mqdesc_info *info, uint32_t options)
{
	return (info->report & options) != 0 && info->msg_type != MQI_MT_REPORT;
}

/* The lowest of what the message says and CAPEXPRY of what it was put through.
 */
static int32_t
stamp_expiry(const struct handle *h, int32_t expiry)
{
	const struct engine_object *o = h->route.opened;
	int64_t caps[] = {h->q->attr.cap_expiry, 0};

	if (o != h->q->object)
		caps[1] = mqattr_int(o->attrs, MQATTR_ID_CAPEXPRY);
	for (size_t i = 0; i < MQ_ARRAY_LEN(caps); i++) {
		if (caps[i] != 0 &&
		    (expiry == MQI_EXPIRY_UNLIMITED || expiry > caps[i]))
			expiry = (int32_t)caps[i];
	}
	return expiry;
}

/* What the queue manager may have to report of it. */
static void
stamp_reports(const struct handle *h, const struct mqdesc_info *info,
    struct stamp_result *ret)
{
	ret->is_trace = info->is_trace;
	ret->coa = !h->route.is_remote && stamp_asks(info, MQI_RO_COA);
	ret->cod = !h->route.is_remote && stamp_asks(info, MQI_RO_COD);
	ret->may_report =
	    (info->is_trace && (info->report & MQI_RO_ACTIVITY) != 0) ||
	    (ret->deadline_ms != 0 && stamp_asks(info, MQI_RO_EXPIRATION)) ||
	    (!h->route.is_remote && stamp_asks(info, REPORTS_HERE));
}

enum mqi_err
stamp_without_reports(struct engine *e, struct stamp_result *stamped)
{
	struct mqdesc_stamp st = {
	    .priority = stamped->priority,
	    .persistent = stamped->persistent,
	    .keep_context = true,
	    .keep_route = true,
	    .deadline_ms = stamped->deadline_ms,
	    .drop_reports = REPORTS_HERE,
	};
	struct mqbuf out;
	enum mqi_err err;

	stamped->coa = stamped->cod = false;
	mqbuf_init(&out, MQDESC_MAX);
	err = mqdesc_stamp(e->scratch.data, e->scratch.len, &st, &out);
	if (err == MQI_OK) {
		mqbuf_reset(&e->scratch);
		mqbuf_put(&e->scratch, out.data, out.len);
		err = e->scratch.err;
	}
	mqbuf_fini(&out);
	return err;
}

static enum mqi_err
stamp_write(const struct handle *h, const struct engine_put *req, bool pass,
    const struct mqdesc_info *info, struct stamp_result *ret)
{
	struct engine *e = h->s->e;
	struct mqdesc_route route;
	struct mqdesc_stamp st = {
	    .user = h->alternate != NULL ? h->alternate : h->s->who.user,
	    .appl_name = h->s->who.app_name,
	    .put_time_ms = e->wall_us / 1000,
	    .keep_context = pass,
	};
	enum mqi_err err;

	st.priority = stamp_priority(h, info);
	st.persistent = stamp_persistent(h, info);
	if (h->route.is_remote) {
		route = h->route.to;
		route.hops = 1;
		if (h->s->who.is_agent && info->has_route)
			route.hops = info->route.hops + 1;
		if (route.hops > e->hop_limit)
			return MQI_E_HOP_LIMIT;
		st.route = &route;
	}
	if (info->reply_unresolved && !pass)
		stamp_reply_to(e, info, &st);
	st.expiry = stamp_expiry(h, info->expiry);
	if (st.expiry != MQI_EXPIRY_UNLIMITED)
		st.deadline_ms = expire_deadline(e, st.expiry);
	ret->deadline_ms = st.deadline_ms;
	stamp_reports(h, info, ret);
	st.set_msg_id = !info->has_msg_id;
	if (st.set_msg_id)
		stamp_new_msg_id(e, st.msg_id);
	err = mqdesc_stamp(req->desc, req->desc_len, &st, &e->scratch);
	if (err == MQI_OK)
		err = e->scratch.err;
	if (err != MQI_OK)
		return err;
	ret->persistent = st.persistent;
	ret->priority = st.priority;
	ret->rank =
	    h->q->attr.fifo ? 0 : (uint8_t)(MQI_MAX_PRIORITY - st.priority);
	memcpy(
	    ret->msg_id, st.set_msg_id ? st.msg_id : info->msg_id, MQI_ID_LEN);
	memcpy(ret->correl_id, info->correl_id, MQI_ID_LEN);
	return MQI_OK;
}

static void
stamp_remember(struct handle *h, const struct engine_put *req, bool pass,
    const struct stamp_result *result)
{
	const struct mqbuf *out = &h->s->e->scratch;
	struct stamp_memory *m = h->stamped;
	struct mqdesc_places places;

	if (req->desc_len > STAMP_IN || out->len > STAMP_OUT ||
	    mqdesc_find(out->data, out->len, &places) != MQI_OK ||
	    places.msg_id == 0 || places.put_time == 0)
		return;
	if (m == NULL)
		m = h->stamped = mqmem_alloc(sizeof(*m));
	m->object_changes = h->s->e->object_changes;
	m->pass = pass;
	m->result = *result;
	m->places = places;
	m->in_len = (uint16_t)req->desc_len;
	m->out_len = (uint16_t)out->len;
	memcpy(m->in, req->desc, req->desc_len);
	memcpy(m->out, out->data, out->len);
}

static bool
stamp_again(const struct handle *h, const struct engine_put *req, bool pass,
    struct stamp_result *ret)
{
	struct engine *e = h->s->e;
	const struct stamp_memory *m = h->stamped;
	uint8_t *p;

	if (m == NULL || m->in_len != req->desc_len || m->pass != pass ||
	    m->object_changes != e->object_changes ||
	    e->wall_us < 1000 || /* no time is left out */
	    memcmp(m->in, req->desc, m->in_len) != 0)
		return false;
	p = mqbuf_reserve(&e->scratch, m->out_len);
	if (p == NULL)
		return false;
	*ret = m->result;
	stamp_new_msg_id(e, ret->msg_id);
	memcpy(p, m->out, m->out_len);
	mqdesc_restamp(p, &m->places, ret->msg_id, e->wall_us / 1000);
	mqbuf_commit(&e->scratch, m->out_len);
	return true;
}

enum mqi_err
stamp_put(
    struct handle *h, const struct engine_put *req, struct stamp_result *ret)
{
	bool pass =
	    h->s->who.is_agent && (req->flags & MQLOCAL_PUT_PASS_CONTEXT) != 0;
	struct mqdesc_info info;
	enum mqi_err err;

	mqbuf_reset(&h->s->e->scratch);
	if (stamp_again(h, req, pass, ret))
		return MQI_OK;
	err = mqdesc_read(req->desc, req->desc_len, &info);
	if (err == MQI_OK)
		err = stamp_check(&info);
	if (err == MQI_OK)
		err = stamp_write(h, req, pass, &info, ret);
	if (err == MQI_OK && !info.has_msg_id && !info.has_correl_id &&
	    ret->deadline_ms == 0)
		stamp_remember(h, req, pass, ret);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put.c - puts: checked, stamped, written to the batch, and made visible.
 *
 * A message whose descriptor and body fit in MQFRAME_PIECE bytes is one value:
 * in memory as one mqref, in the log as one PUT record.  A longer one is
 * staged piece by piece as it comes (STAGE records under its unit's number,
 * without effect) and is a unit of its own if it is in none; so no more of it
 * than one piece is ever in memory, and a put whose session ends leaves
 * nothing behind but what ROLLBACK or the next start deletes.
 *
 * Non-persistent messages stay in memory up to np_bytes for all queues, and
 * are spilled to the store beyond.  Nobody waits for their batch.
 *
 * After an ASYNC put on a handle has failed, later ones are SUPPRESSED, so
 * that order is kept, until one says RESET.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "proto/trace.h"
#include "qmgr/engine/engine_int.h"

#define PUT_RECORD_ROOM 512u      /* a PUT record without its body */
#define PUT_COLLECT_MAX 67108864u /* bytes of publications in pieces */

/* ---- records and entries ---- */

static void
put_encode(struct engine *e, struct msg *m, const struct record_key *keys,
    uint32_t n, uint32_t unit)
{
	struct record_put v = {
	    .body_id = m->body_id,
	    .backout_count = m->backout_count,
	    .body_crc = m->body_crc,
	    .body_len = m->body_len,
	    .n_places = n,
	    .places = keys,
	    .desc_len = m->desc_len,
	};
	size_t room = PUT_RECORD_ROOM + (size_t)n * FANOUT_PLACE_ROOM;

	memcpy(v.msg_id, m->msg_id, MQI_ID_LEN);
	memcpy(v.correl_id, m->correl_id, MQI_ID_LEN);
	if (!m->persistent)
		v.flags |= RECORD_PUT_NON_PERSISTENT;
	if (m->staged) {
		v.flags |= RECORD_PUT_STAGED;
	} else {
		v.desc = m->data->data;
		v.body = m->data->data + m->desc_len;
		room += m->desc_len + m->body_len;
	}
	record_encode_put(batch_room(e, room), unit, &v);
	m->body_pos = batch_appended(e);
}

static struct entry *
put_entry(struct queue *q, struct place place, struct msg *m, uint64_t pos)
{
	struct entry *x;

	q->depth++;
	q->bytes += m->body_len;
	x = entry_add(q, place, m, pos);
	if (x->m.in_store)
		entry_touch(x);
	if (!TAILQ_EMPTY(&q->watchers))
		queue_trim_later(q);
	return x;
}

static struct entry *
put_arrive(struct queue *q, struct place place, struct msg *m, uint64_t pos)
{
	struct entry *x;

	q->last_put_ms = q->e->wall_us / 1000;
	x = put_entry(q, place, m, pos);
	if (q->trigger != NULL)
		trigger_arrived(x);
	return x;
}

bool
put_would_spill(const struct engine *e, uint64_t memory)
{
	return e->np_used + memory > e->config.np_bytes;
}

struct entry *
put_visible(struct queue *q, uint8_t rank, struct msg *m, uint32_t unit,
    uint64_t *ret_pos)
{
	struct engine *e = q->e;
	struct place place = {rank, ++q->last_seq};
	struct record_key key = place_key(q, place);
	uint64_t pos = 0;

	m->in_store =
	    m->persistent || m->staged || put_would_spill(e, msg_memory(m));
	if (m->in_store) {
		put_encode(e, m, &key, 1, unit);
		if (m->persistent)
			pos = m->body_pos;
	}
	*ret_pos = pos;
	return put_arrive(q, place, m, pos);
}

uint64_t
put_everywhere(struct engine *e, struct fanout_to *to, uint32_t n,
    struct msg *m, uint32_t unit)
{
	struct record_key *keys = mqmem_array(n, sizeof(*keys));
	uint64_t pos = 0;

	m->in_store =
	    m->persistent || m->staged || put_would_spill(e, n * msg_memory(m));
	for (uint32_t i = 0; i < n; i++) {
		to[i].place = (struct place){to[i].rank, ++to[i].q->last_seq};
		keys[i] = place_key(to[i].q, to[i].place);
	}
	if (m->in_store)
		put_encode(e, m, keys, n, unit);
	free(keys);
	if (m->persistent)
		pos = m->body_pos;
	for (uint32_t i = 0; i < n; i++) {
		struct msg one = *m;

		if (one.data != NULL)
			(void)mqref_ref(one.data);
		if (one.head != NULL)
			(void)mqref_ref(one.head);
		(void)put_arrive(to[i].q, to[i].place, &one, pos);
	}
	msg_fini(m);
	return pos;
}

struct entry *
put_back(struct queue *q, struct place place, struct msg *m, bool kept)
{
	struct engine *e = q->e;
	struct record_key key = place_key(q, place);
	struct record_restore v = {.key = key};
	uint64_t pos = 0;

	queue_make_way(q, place);
	m->rated = MSG_UNRATED;
	if (q->trigger != NULL)
		trigger_check(q);
	if (kept) {
		if (m->head == NULL)
			msg_keep_head(m, m->data->data);
		m->data = mqref_unref(m->data);
		v.body_id = m->body_id;
		v.backout_count = m->backout_count;
		record_encode_restore(batch_room(e, 128), 0, &v);
		pos = batch_appended(e);
	} else if (m->in_store) {
		m->body_id = engine_next_number(e);
		m->staged = false;
		put_encode(e, m, &key, 1, 0);
		pos = m->body_pos;
	}
	return put_entry(q, place, m, m->persistent ? pos : 0);
}

/* What is loaded does not bring its priority along. */
static int8_t
put_priority(const struct queue *q, uint8_t rank, const struct msg *m)
{
	const struct mqref *data = m->data != NULL ? m->data : m->head;
	struct mqdesc_info info;

	if (!q->attr.fifo)
		return (int8_t)(MQI_MAX_PRIORITY - rank);
	if (data != NULL &&
	    mqdesc_read(data->data, m->desc_len, &info) == MQI_OK &&
	    info.priority >= 0)
		return info.priority;
	return q->attr.priority;
}

struct entry *
put_moved(struct queue *q, uint8_t rank, struct msg *m)
{
	struct place place = {rank, ++q->last_seq};
	struct record_restore v = {.key = place_key(q, place)};
	struct engine *e = q->e;
	uint64_t pos = 0;

	if (m->in_store) {
		v.body_id = m->body_id;
		v.backout_count = m->backout_count;
		record_encode_restore(batch_room(e, 128), 0, &v);
		pos = batch_appended(e);
	}
	m->rated = MSG_UNRATED;
	if (q->trigger != NULL)
		m->priority = put_priority(q, rank, m);
	return put_arrive(q, place, m, m->persistent ? pos : 0);
}

static void
put_stage(struct engine *e, uint32_t unit, uint64_t body_id, uint32_t piece,
    const void *data, uint32_t len)
{
	struct record_stage v = {
	    .body_id = body_id, .piece = piece, .data = data, .len = len};

	record_encode_stage(batch_room(e, 128 + len), unit, &v);
	(void)batch_appended(e);
}

void
put_stage_whole(struct engine *e, uint32_t number, struct msg *m)
{
	const uint8_t *body = m->data->data + m->desc_len;
	uint32_t piece = 1;

	put_stage(e, number, m->body_id, 0, m->data->data, m->desc_len);
	for (uint32_t at = 0; at < m->body_len; at += MQFRAME_PIECE) {
		uint32_t len = m->body_len - at;

		if (len > MQFRAME_PIECE)
			len = MQFRAME_PIECE;
		put_stage(e, number, m->body_id, piece++, body + at, len);
	}
	m->staged = true;
	msg_keep_head(m, m->data->data);
	m->data = mqref_unref(m->data);
}

/* ---- checks ---- */

static enum mqi_err
put_check_queue(const struct handle *h, const struct engine_put *req)
{
	const struct queue *q = h->q;
	const struct engine *e = q->e;

	if ((h->options & MQI_OO_OUTPUT) == 0)
		return MQI_E_NOT_OPEN_FOR_OUTPUT;
	/* only open units may go on: who puts without one would keep us for
	 * ever */
	if (q->is_doomed)
		return MQI_E_Q_DELETED;
	if (e->stopping || (e->quiescing && req->unit == 0))
		return MQI_E_Q_MGR_STOPPING;
	if (!q->attr.put_ok ||
	    (h->route.opened != q->object &&
		mqattr_is(h->route.opened->attrs, MQATTR_ID_PUT, "DISABLED")))
		return MQI_E_PUT_INHIBITED;
	if (req->body_len > q->attr.max_msg_len)
		return MQI_E_MSG_TOO_BIG_FOR_Q;
	/* a dead letter is longer than the message by its header */
	if (req->body_len > e->max_msg_len &&
	    !session_dead_letters(h->s, &h->route, h->options))
		return MQI_E_MSG_TOO_BIG_FOR_Q_MGR;
	if (q->depth + q->uncommitted_puts >= q->attr.max_depth)
		return MQI_E_Q_FULL;
	return MQI_OK;
}

/* What a put is, while it is being executed. */
struct put {
	struct engine *e;
	struct engine_session *s;
	struct handle *h;
	struct unit *u;
	const struct engine_put *req;
	uint32_t id;
	uint8_t rank;
	bool is_trace;
	struct msg m;
	struct duplicate *copy; /* for the stream queue, or NULL */
	struct engine_reply done;
};

/* Who makes the queue manager put a report must be allowed to put there.  What
 * an agent passes on comes whatever was asked for by somebody far away: it is
 * taken, and not reported. */
static enum mqi_err
put_check_report(const struct put *p, struct stamp_result *st)
{
	bool passed = p->s->who.is_agent &&
		      (p->req->flags & MQLOCAL_PUT_PASS_CONTEXT) != 0;
	const struct mqbuf *desc = &p->e->scratch;
	struct mqdesc_route to = {.hops = 0};
	struct mqi_md md;
	enum mqi_err err = mqdesc_decode(desc->data, desc->len, &md);

	if (err != MQI_OK)
		return err;
	free((void *)(uintptr_t)md.props);
	memcpy(to.queue, md.reply_to_q, sizeof(to.queue));
	memcpy(to.qmgr, md.reply_to_qmgr, sizeof(to.qmgr));
	if (to.queue[0] == '\0' || md.msg_type == MQI_MT_REPORT ||
	    authorize_report(p->h, &to))
		return MQI_OK;
	if (!passed)
		return MQI_E_NOT_AUTHORIZED;
	if (st->deadline_ms != 0)
		err = expire_report_nothing(p->e, md.expiry, st);
	return err == MQI_OK ? stamp_without_reports(p->e, st) : err;
}

static enum mqi_err
put_stamp(struct put *p)
{
	struct engine_reply *done = &p->done;
	struct stamp_result st;
	enum mqi_err err = stamp_put(p->h, p->req, &st);

	if (err != MQI_OK)
		return err;
	p->rank = st.rank;
	p->m.persistent = st.persistent;
	p->is_trace = st.is_trace;
	if (st.may_report) {
		err = put_check_report(p, &st);
		if (err != MQI_OK)
			return err;
	}
	p->m.priority = st.priority;
	p->m.deadline_ms = st.deadline_ms;
	p->m.coa = st.coa;
	p->m.cod = st.cod;
	p->m.put_us = p->e->clock_us;
	memcpy(p->m.msg_id, st.msg_id, MQI_ID_LEN);
	memcpy(p->m.correl_id, st.correl_id, MQI_ID_LEN);
	if (done->kind == ENGINE_PUTS_DONE)
		return MQI_OK;
	done->u.put.priority = st.priority;
	done->u.put.persistent = st.persistent;
	done->u.put.put_time_ms = p->e->wall_us / 1000;
	memcpy(done->u.put.msg_id, st.msg_id, MQI_ID_LEN);
	return MQI_OK;
}

bool
put_has_room(const struct engine *e)
{
	return e->store->ops->has_room(e->store);
}

/* Whether it goes to the disk. */
static bool
put_needs_room(const struct put *p)
{
	uint64_t len = (uint64_t)p->m.desc_len + p->m.body_len;

	return p->m.persistent || p->req->body == NULL || len > MQFRAME_PIECE ||
	       put_would_spill(p->e, sizeof(struct entry) + len);
}

static enum mqi_err
put_prepare(struct put *p)
{
	const struct engine_put *req = p->req;
	enum mqi_err err = put_check_queue(p->h, req);

	if (err == MQI_OK && req->unit != 0)
		err = unit_get(p->s, req->unit, &p->u);
	if (err == MQI_OK && p->u != NULL &&
	    !unit_has_room(p->u, PUT_RECORD_ROOM))
		err = MQI_E_SYNCPOINT_LIMIT;
	if (err == MQI_OK)
		err = put_stamp(p);
	if (err == MQI_OK && p->m.coa && p->u != NULL &&
	    !unit_has_room_for_report(p->u))
		err = MQI_E_SYNCPOINT_LIMIT;
	if (err != MQI_OK)
		return err;
	p->m.desc_len = (uint32_t)p->e->scratch.len;
	p->m.body_len = req->body_len;
	if (put_needs_room(p) && !put_has_room(p->e))
		return MQI_E_STORAGE_MEDIUM_FULL;
	p->m.body_crc = req->body_crc;
	p->m.body_id = engine_next_number(p->e);
	if (p->h->q->attr.streams && !p->is_trace)
		return duplicate_find(p->h->q, &p->m, p->u, &p->copy);
	return MQI_OK;
}

/* ---- execution ---- */

static void
put_answer(
    struct engine_session *s, const struct engine_reply *done, uint64_t pos)
{
	if (done->kind == ENGINE_PUTS_DONE)
		reply_brief(s, done->id, pos);
	else
		reply_at(s, done, pos);
}

/* A message that stands by itself; staged: under number, which ends here.
 * copy: for the stream queue, or NULL. */
static void
put_alone(struct engine_session *s, struct queue *q, uint8_t rank,
    struct msg *m, struct duplicate *copy, uint32_t number,
    struct engine_reply *done)
{
	struct engine *e = s->e;
	struct report coa;
	bool told = report_arrival(e, m, &coa);
	size_t room = told ? report_room(&coa) : 0;
	uint64_t pos = 0;
	struct entry *x;

	/* a unit's records lie in one batch, and so does what the put causes */
	if (q->trigger != NULL)
		room += TRIGGER_MOST;
	if (copy != NULL)
		room += duplicate_room(copy);
	if (!m->staged)
		number = 0;
	if (m->staged)
		(void)batch_room(e, PUT_RECORD_ROOM + 128 + room);
	else if (room > 0)
		(void)batch_room(e, PUT_RECORD_ROOM + m->data->len + room);
	if (copy != NULL)
		x = duplicate_put(q, rank, m, copy, number, &pos);
	else
		x = put_visible(q, rank, m, number, &pos);
	if (number != 0) {
		record_encode_end(batch_room(e, 64), RECORD_COMMIT, number);
		(void)batch_appended(e);
	}
	report_put(told ? &coa : NULL, pos);
	if (!TAILQ_EMPTY(&e->due))
		trigger_flush(e);
	put_answer(s, done, pos);
	queue_offer(q, x);
	stream_work(q);
}

/* With the report about it, for which there is room. */
static void
put_in_unit(struct unit *u, struct queue *q, uint8_t rank, struct msg *m,
    struct duplicate *copy)
{
	struct report coa;
	bool told = report_arrival(u->e, m, &coa);

	if (copy != NULL)
		duplicate_put_in(u, q, rank, m, copy);
	else
		unit_add_put(u, q, rank, m);
	if (told)
		report_put_in(&coa, u);
}

static enum mqi_err
put_whole(struct put *p)
{
	const struct engine_put *req = p->req;
	struct duplicate *copy = p->copy;
	const bool own = copy != NULL && !copy->shared;
	struct engine *e = p->e;
	struct msg *m = &p->m;
	uint32_t number = 0;
	bool is_long = m->desc_len + m->body_len > MQFRAME_PIECE;

	/* its memory comes to the cache while the body is checked */
	m->data = mqref_new((size_t)m->desc_len + m->body_len);
	if (m->data == NULL)
		return MQI_E_NO_MEMORY;
	if (mqcrc32c(0, req->body, req->body_len) != req->body_crc) {
		msg_fini(m);
		return MQI_E_PROTOCOL;
	}
	memcpy(m->data->data, e->scratch.data, m->desc_len);
	if (m->body_len > 0)
		memcpy(m->data->data + m->desc_len, req->body, m->body_len);
	if (own && duplicate_fill(copy, req->body) != MQI_OK) {
		msg_fini(m);
		return MQI_E_NO_MEMORY;
	}
	if (p->u != NULL) {
		put_in_unit(p->u, p->h->q, p->rank, m, copy);
		put_answer(p->s, &p->done, 0);
		return MQI_OK;
	}
	if (is_long) {
		number = ++e->next_unit;
		put_stage_whole(e, number, m);
		if (own)
			put_stage_whole(e, number, &copy->m);
	}
	put_alone(p->s, p->h->q, p->rank, m, copy, number, &p->done);
	return MQI_OK;
}

/* A trace-route message: goes on with one more hop, or ends here; its report is
 * put with it. */
static enum mqi_err
put_trace(struct put *p)
{
	struct engine_put req = *p->req;
	struct msg report = {.staged = false};
	struct queue *q = NULL;
	struct mqbuf body;
	uint64_t pos = 0;
	uint8_t rank = 0;
	bool any = false;
	enum mqi_err err;

	if (mqcrc32c(0, req.body, req.body_len) != req.body_crc)
		return MQI_E_PROTOCOL;
	if (p->u != NULL &&
	    !unit_has_room(p->u, 2 * (PUT_RECORD_ROOM + 2 * MQTRACE_MAX_BODY)))
		return MQI_E_SYNCPOINT_LIMIT;
	mqbuf_init(&body, MQTRACE_MAX_BODY);
	err = trace_make(p->h, &req, &body, &any, &q, &rank, &report);
	if (err == MQI_OK && any && p->u != NULL) {
		unit_add_put(p->u, q, rank, &report);
	} else if (err == MQI_OK && any) {
		struct entry *x = put_visible(q, rank, &report, 0, &pos);

		report_offer_later(q, x->place);
	}
	if (err == MQI_E_PROTOCOL || err == MQI_E_TOO_BIG) {
		err = put_whole(p);
	} else if (err == MQI_OK && p->h->route.is_remote) {
		req.body = body.data;
		req.body_len = p->m.body_len = (uint32_t)body.len;
		req.body_crc = p->m.body_crc = mqcrc32c(0, body.data, body.len);
		p->req = &req;
		err = put_whole(p);
	} else if (err == MQI_OK) {
		put_answer(p->s, &p->done, pos);
	}
	mqbuf_fini(&body);
	return err;
}

/* ---- publications ---- */

static enum mqi_err
put_publish(struct put *p)
{
	uint64_t pos = 0;
	enum mqi_err err = publish(p->h, p->req, &p->done, &pos);

	if (err == MQI_OK)
		put_answer(p->s, &p->done, pos);
	return err;
}

/* It is kept as a whole until its last piece is here. */
static enum mqi_err
put_collect(struct put *p)
{
	const struct engine_put *req = p->req;
	size_t len = (size_t)req->desc_len + req->body_len;
	struct engine *e = p->e;
	struct incoming *in;
	uint8_t *whole;

	if (req->body_len > PUBSUB_MAX_BODY)
		return MQI_E_MSG_TOO_BIG_FOR_Q;
	if (e->collecting + len > PUT_COLLECT_MAX)
		return MQI_E_RESOURCE_PROBLEM;
	if (req->unit != 0) {
		enum mqi_err err = unit_get(p->s, req->unit, &p->u);

		if (err != MQI_OK)
			return err;
		p->u->n_incoming++;
	}
	whole = malloc(len);
	if (whole == NULL)
		return MQI_E_NO_MEMORY;
	memcpy(whole, req->desc, req->desc_len);
	in = mqmem_alloc(sizeof(*in));
	*in = (struct incoming){.id = p->id,
	    .h = p->h,
	    .unit = p->u,
	    .whole = whole,
	    .desc_len = req->desc_len,
	    .body_len = req->body_len,
	    .async = (req->flags & MQLOCAL_PUT_ASYNC) != 0,
	    .flags = req->flags,
	    .crc = req->body_crc,
	    .left = req->body_len,
	    .done = p->done};
	p->h->q->uncommitted_puts++;
	e->collecting += len;
	HASH_ADD(hh, p->s->incoming, id, sizeof(in->id), in);
	return MQI_OK;
}

static void
put_collected(struct engine_session *s, struct incoming *in)
{
	struct engine_put req = {.handle = in->h->id,
	    .unit = in->unit != NULL ? in->unit->id : 0,
	    .flags = in->flags,
	    .body_crc = in->crc,
	    .body_len = in->body_len,
	    .desc = in->whole,
	    .desc_len = in->desc_len,
	    .body = in->whole + in->desc_len};
	uint64_t pos = 0;
	enum mqi_err err;

	if (in->unit != NULL)
		in->unit->n_incoming--;
	in->unit = NULL;
	err = publish(in->h, &req, &in->done, &pos);
	if (err != MQI_OK) {
		put_incoming_fail(s, in, err);
		return;
	}
	in->h->q->uncommitted_puts--;
	put_answer(s, &in->done, pos);
}

/* ---- pieces of a put ---- */

static void
put_begin_pieces(struct put *p)
{
	struct incoming *in = mqmem_alloc(sizeof(*in));
	struct engine *e = p->e;

	in->id = p->id;
	in->h = p->h;
	in->unit = p->u;
	in->number = p->u != NULL ? p->u->number : ++e->next_unit;
	in->async = (p->req->flags & MQLOCAL_PUT_ASYNC) != 0;
	in->rank = p->rank;
	in->m = p->m;
	in->m.staged = true;
	msg_keep_head(&in->m, e->scratch.data);
	in->left = p->m.body_len;
	in->next_piece = 1;
	in->done = p->done;
	p->h->q->uncommitted_puts++;
	if (p->u != NULL) {
		p->u->staged = true;
		p->u->n_incoming++;
	}
	put_stage(
	    e, in->number, in->m.body_id, 0, e->scratch.data, in->m.desc_len);
	in->copy = p->copy;
	p->copy = NULL;
	if (in->copy != NULL)
		duplicate_hold(in->copy);
	if (in->copy != NULL && !in->copy->shared) {
		struct msg *m = &in->copy->m;

		m->staged = true;
		msg_keep_head(m, in->copy->desc.data);
		put_stage(e, in->number, m->body_id, 0, in->copy->desc.data,
		    m->desc_len);
	}
	HASH_ADD(hh, p->s->incoming, id, sizeof(in->id), in);
}

/* The pieces of a put that failed come all the same. */
static void
put_swallow(struct engine_session *s, uint32_t id, uint32_t len)
{
	struct incoming *in = mqmem_alloc(sizeof(*in));

	in->id = id;
	in->left = len;
	HASH_ADD(hh, s->incoming, id, sizeof(in->id), in);
}

static bool
put_may_announce(const struct engine_session *s, uint32_t id)
{
	const struct incoming *in;

	HASH_FIND(hh, s->incoming, &id, sizeof(id), in);
	return in == NULL && HASH_COUNT(s->incoming) < ENGINE_MAX_INCOMING;
}

static enum mqi_err
put_on_queue(struct put *p, bool pieces)
{
	enum mqi_err err = put_prepare(p);

	if (err != MQI_OK)
		return err;
	if (p->u == NULL)
		batch_part(p->e);
	if (pieces)
		put_begin_pieces(p);
	else if (p->is_trace && p->req->body != NULL)
		err = put_trace(p);
	else
		err = put_whole(p);
	p->copy = duplicate_free(p->copy);
	return err;
}

enum mqi_err
engine_put(struct engine *e, struct engine_session *s, uint32_t id,
    const struct engine_put *req)
{
	struct put p = {.e = e, .s = s, .req = req, .id = id};
	bool async = (req->flags & MQLOCAL_PUT_ASYNC) != 0;
	bool pieces = req->body == NULL && req->body_len > 0;
	enum mqi_err err = MQI_OK;

	if (pieces && !put_may_announce(s, id))
		return MQI_E_PROTOCOL;
	p.done.kind = (req->flags & MQLOCAL_PUT_BRIEF) != 0 ? ENGINE_PUTS_DONE
							    : ENGINE_PUT_DONE;
	p.done.id = id;
	p.done.handle = req->handle;
	p.h = handle_find(s, req->handle);
	if (p.h == NULL)
		err = MQI_E_HOBJ;
	if (p.h != NULL && (req->flags & MQLOCAL_PUT_RESET) != 0)
		p.h->async_failed = false;
	if (err == MQI_OK && async && p.h->async_failed)
		err = MQI_E_SUPPRESSED;
	if (err == MQI_OK)
		err = p.h->topic == NULL ? put_on_queue(&p, pieces)
		      : pieces           ? put_collect(&p)
					 : put_publish(&p);
	if (err == MQI_OK)
		return MQI_OK;
	if (p.h != NULL && async)
		p.h->async_failed = true;
	if (pieces)
		put_swallow(s, id, req->body_len);
	reply_error(s, id, req->handle, err);
	return MQI_OK;
}

/* ---- pieces ---- */

static void
put_incoming_free(struct engine_session *s, struct incoming *in)
{
	HASH_DEL(s->incoming, in);
	msg_fini(&in->m);
	in->copy = duplicate_drop(in->copy);
	if (in->whole != NULL)
		s->e->collecting -= (uint64_t)in->desc_len + in->body_len;
	free(in->whole);
	free(in);
}

/* What was staged is for nothing. */
static void
put_incoming_drop(struct engine_session *s, struct incoming *in)
{
	struct engine *e = s->e;

	if (in->h == NULL)
		return;
	in->h->q->uncommitted_puts--;
	if (in->unit != NULL) {
		in->unit->n_incoming--;
	} else if (in->whole == NULL) {
		record_encode_end(
		    batch_room(e, 64), RECORD_ROLLBACK, in->number);
		(void)batch_appended(e);
	}
	in->copy = duplicate_drop(in->copy);
	in->h = NULL;
	in->unit = NULL;
}

void
put_incoming_fail(
    struct engine_session *s, struct incoming *in, enum mqi_err reason)
{
	struct handle *h = in->h;

	if (h == NULL)
		return;
	if (in->async)
		h->async_failed = true;
	put_incoming_drop(s, in);
	reply_error(s, in->id, h->id, reason);
}

void
put_incoming_free_all(struct engine_session *s)
{
	struct incoming *in, *next;

	HASH_ITER (hh, s->incoming, in, next) {
		put_incoming_drop(s, in);
		put_incoming_free(s, in);
	}
}

static void
put_incoming_done(struct engine_session *s, struct incoming *in)
{
	struct queue *q = in->h->q;

	if (in->whole != NULL) {
		put_collected(s, in);
		return;
	}
	if (in->crc != in->m.body_crc) {
		put_incoming_fail(s, in, MQI_E_PROTOCOL);
		return;
	}
	q->uncommitted_puts--;
	if (in->unit != NULL) {
		in->unit->n_incoming--;
		put_in_unit(in->unit, q, in->rank, &in->m, in->copy);
		put_answer(s, &in->done, 0);
		return;
	}
	put_alone(s, q, in->rank, &in->m, in->copy, in->number, &in->done);
}

enum mqi_err
engine_put_piece(struct engine *e, struct engine_session *s, uint32_t id,
    const void *data, uint32_t len)
{
	struct incoming *in;
	uint32_t want;

	HASH_FIND(hh, s->incoming, &id, sizeof(id), in);
	if (in == NULL)
		return MQI_E_PROTOCOL;
	want = in->left < MQFRAME_PIECE ? in->left : MQFRAME_PIECE;
	if (len != want)
		return MQI_E_PROTOCOL;
	in->left -= len;
	/* one large message could fill more than what is kept free */
	if (in->h != NULL && !put_has_room(e))
		put_incoming_fail(s, in, MQI_E_STORAGE_MEDIUM_FULL);
	if (in->whole != NULL) {
		memcpy(
		    in->whole + in->desc_len + (in->body_len - in->left - len),
		    data, len);
	} else if (in->h != NULL) {
		in->crc = mqcrc32c(in->crc, data, len);
		if (in->copy != NULL && !in->copy->shared)
			put_stage(e, in->number, in->copy->m.body_id,
			    in->next_piece, data, len);
		put_stage(
		    e, in->number, in->m.body_id, in->next_piece++, data, len);
	}
	if (in->left > 0)
		return MQI_OK;
	if (in->h != NULL)
		put_incoming_done(s, in);
	put_incoming_free(s, in);
	return MQI_OK;
}

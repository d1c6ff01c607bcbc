/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - a transmission queue read by number: what a sending channel does.
 *
 * The sender opens the queue exclusively, binds the stream to its partner, and
 * is given messages behind a number within a window, each naming the number
 * of the one before.  Nothing is removed until the partner has acknowledged;
 * what was handed out waits locked on the sender's handle, and is merely
 * available again when that handle ends.
 *
 * An acknowledgement moves `acked` and removes, lazily: everything at or below
 * it that the handle holds at once, what is only in the store as prefix loads
 * bring it up (stream_discards()).  The STREAM record with `acked` rides with
 * the next batch; if a crash loses it the partner's position says it again.
 *
 * A message with a body beyond the sender's limit is handed out like any other,
 * but held: nothing leaves behind it until a unit of work of the sender's,
 * which puts it elsewhere, has removed it (engine_stream_remove()).  It is no
 * part of what was handed out to the partner: no acknowledgement covers it, and
 * the next message names the one before it, and leaves when the removal is
 * durable.  Only the message that is held can be removed so.  If the client
 * backs the unit out it is handed out again.
 *
 * After a start any number of a bound stream may have been handed out.  From
 * then on, and while a sender is open, gets and CLEAR are refused
 * (stream_is_claimed()), until all is acknowledged or a person resolves it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "qmgr/engine/engine_int.h"

#define STREAM_RECORD_ROOM 3072u

static bool
stream_is_bound(const struct stream *st)
{
	static const uint8_t none[16];

	return memcmp(st->state.bound_qmid, none, 16) != 0;
}

static struct stream *
stream_new(struct queue *q)
{
	struct stream *st = mqmem_alloc(sizeof(*st));

	st->q = q;
	st->state.queue_id = q->id;
	q->stream = st;
	return st;
}

struct stream *
stream_free(struct stream *st)
{
	if (st != NULL && st->dirty)
		TAILQ_REMOVE(&st->q->e->dirty_streams, st, link);
	free(st);
	return NULL;
}

void
stream_catalog(struct engine *e, const struct record_stream *v)
{
	struct queue *q = queue_by_id(e, v->queue_id);
	struct stream *st;

	if (q == NULL)
		return;
	st = q->stream != NULL ? q->stream : stream_new(q);
	st->state = *v;
	st->discarded = 0;
}

/* What was visible before this start may have been handed out. */
void
stream_restart(struct stream *st)
{
	st->given = st->q->e->epoch << ENGINE_SEQ_BITS;
	st->handed = stream_is_bound(st) ? st->given : st->state.acked;
}

static uint64_t
stream_write(struct stream *st)
{
	struct engine *e = st->q->e;

	st->state.queue_id = st->q->id;
	record_encode_stream(batch_room(e, STREAM_RECORD_ROOM), 0, &st->state);
	if (st->dirty)
		TAILQ_REMOVE(&e->dirty_streams, st, link);
	st->dirty = false;
	return batch_appended(e);
}

void
stream_flush_dirty(struct engine *e)
{
	struct stream *st;

	while ((st = TAILQ_FIRST(&e->dirty_streams)) != NULL)
		(void)stream_write(st);
}

bool
stream_is_claimed(const struct queue *q)
{
	const struct stream *st = q->stream;

	if (!q->attr.is_xmit || st == NULL)
		return false;
	return st->sender != NULL ||
	       (st->handed > st->state.acked && q->depth > 0);
}

void
stream_work(struct queue *q)
{
	if (!q->attr.is_xmit || q->depth == 0 || q->told_work ||
	    (q->stream != NULL && q->stream->sender != NULL))
		return;
	q->told_work = true;
	q->e->ops->stream_work(q->e->ctx, q->object->name);
}

void
stream_work_all(struct engine *e)
{
	struct queue *q;

	for (q = e->queues; q != NULL; q = q->hh.next)
		stream_work(q);
}

void
stream_work_again(struct engine *e, const char *xmitq)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, xmitq);
	struct queue *q = o != NULL ? queue_by_id(e, o->id) : NULL;

	if (q == NULL)
		return;
	q->told_work = false;
	stream_work(q);
}

/* ---- opening ---- */

static void
stream_add_incarnation(struct engine *e, struct stream *st)
{
	struct record_stream *r = &st->state;
	uint32_t n = r->n_incarnations;

	if (n == MQ_ARRAY_LEN(r->incarnations)) {
		/* the partner stands at `acked` or behind it: keep the one in
		 * which that was numbered */
		uint32_t drop = r->incarnations[1].first <= r->acked ? 0 : 1;

		n--;
		memmove(&r->incarnations[drop], &r->incarnations[drop + 1],
		    (n - drop) * sizeof(r->incarnations[0]));
	}
	memcpy(r->incarnations[n].id, e->config.incarnation, 16);
	/* messages of before the stream was made are the first one's */
	r->incarnations[n].first = n == 0 ? 0 : e->epoch << ENGINE_SEQ_BITS;
	r->n_incarnations = n + 1;
}

/* A random id. */
static void
stream_name(struct stream *st)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t v = mqrand_next(&st->q->e->random);

		memcpy(st->state.stream + 8 * i, &v, 8);
	}
}

/* The stream of this run; *ret_pos: where it is durable. */
static struct stream *
stream_make(struct queue *q, uint64_t *ret_pos)
{
	struct engine *e = q->e;
	struct stream *st = q->stream;
	const struct record_stream *r;

	if (st == NULL) {
		st = stream_new(q);
		stream_name(st);
	}
	r = &st->state;
	*ret_pos = q->pos;
	if (r->n_incarnations == 0 ||
	    memcmp(r->incarnations[r->n_incarnations - 1].id,
		e->config.incarnation, 16) != 0) {
		stream_add_incarnation(e, st);
		*ret_pos = stream_write(st);
		q->pos = *ret_pos;
	}
	return st;
}

static void
stream_show(const struct stream *st, struct mqlocal_stream_ok *ret)
{
	const struct record_stream *r = &st->state;

	memset(ret, 0, sizeof(*ret));
	ret->handle = st->sender->id;
	memcpy(ret->stream, r->stream, sizeof(ret->stream));
	ret->acked = r->acked;
	ret->handed = st->given;
	memcpy(ret->bound_qmid, r->bound_qmid, 16);
	strcpy(ret->bound_identity, r->bound_identity);
	ret->bound_acked = r->bound_acked;
	ret->n_incarnations = r->n_incarnations;
	for (uint32_t i = 0; i < r->n_incarnations; i++) {
		memcpy(ret->incarnations[i].id, r->incarnations[i].id, 16);
		ret->incarnations[i].first = r->incarnations[i].first;
	}
}

static enum mqi_err
stream_check_open(
    const struct engine *e, const char *name, struct queue **ret_queue)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, name);
	struct queue *q;

	if (e->quiescing)
		return MQI_E_Q_MGR_STOPPING;
	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	q = queue_by_id(e, o->id);
	if (!q->attr.is_xmit)
		return MQI_E_XMIT_Q_USAGE;
	if (q->open_input > 0 || q->uncommitted_gets > 0)
		return MQI_E_OBJECT_IN_USE;
	*ret_queue = q;
	return MQI_OK;
}

void
engine_stream_open(
    struct engine *e, struct engine_session *s, uint32_t id, const char *queue)
{
	struct engine_reply r = {.kind = ENGINE_STREAM, .id = id};
	struct mqlocal_stream_ok info;
	struct queue *q = NULL;
	enum mqi_err err = stream_check_open(e, queue, &q);
	struct handle *h;
	struct stream *st;
	uint64_t pos = 0;

	if (err == MQI_OK && s->n_handles >= ENGINE_MAX_HANDLES)
		err = MQI_E_RESOURCE_PROBLEM;
	if (err != MQI_OK) {
		reply_error(s, id, 0, err);
		return;
	}
	st = stream_make(q, &pos);
	h = handle_new(s, q);
	h->route.queue = h->route.opened = q->object;
	h->is_stream = true;
	h->input = true;
	h->exclusive = true;
	q->open_input++;
	q->open_exclusive = true;
	q->told_work = false;
	st->sender = h;
	monitor_begin(&st->monitor, e, s->who.channel);
	stream_show(st, &info);
	r.handle = h->id;
	r.u.stream = &info;
	reply_at(s, &r, pos);
}

void
stream_close(struct handle *h)
{
	h->q->stream->sender = NULL;
	if (h->stream_unit != 0)
		unit_abandon(h->s, h->stream_unit);
	ahead_return_all(h, false);
	h->q->told_work = false;
	stream_work(h->q);
}

static struct handle *
stream_handle(struct engine_session *s, uint32_t handle)
{
	struct handle *h = handle_find(s, handle);

	return h != NULL && h->is_stream ? h : NULL;
}

void
engine_stream_bind(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, const uint8_t qmid[16], const char *identity)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};
	struct handle *h = stream_handle(s, handle);
	struct stream *st;
	struct record_stream *rec;
	bool same;

	(void)e;
	if (h == NULL) {
		reply_error(s, id, handle, MQI_E_HOBJ);
		return;
	}
	st = h->q->stream;
	rec = &st->state;
	same = memcmp(rec->bound_qmid, qmid, 16) == 0 &&
	       strcmp(rec->bound_identity, identity) == 0;
	if (!same && stream_is_bound(st) && st->handed > rec->acked &&
	    h->q->depth > 0) {
		reply_error(s, id, handle, MQI_E_CHANNEL_INDOUBT);
		return;
	}
	if (!same) {
		if (memcmp(rec->bound_qmid, qmid, 16) != 0)
			rec->bound_acked = rec->acked;
		memcpy(rec->bound_qmid, qmid, 16);
		(void)snprintf(rec->bound_identity, sizeof(rec->bound_identity),
		    "%s", identity);
		st->handed = rec->acked;
		h->q->pos = stream_write(st);
	}
	reply_at(s, &r, h->q->pos);
}

/* ---- reading ---- */

void
engine_stream_credit(struct engine *e, struct engine_session *s,
    uint32_t handle, uint32_t max_msgs, uint32_t max_bytes, uint64_t after)
{
	struct handle *h = stream_handle(s, handle);

	(void)e;
	/* nothing leaves before the stream is bound */
	if (h == NULL || !stream_is_bound(h->q->stream))
		return;
	ahead_set_window(h, max_msgs, max_bytes);
	if (h->reader == NULL) {
		h->stream_next = after;
		h->stream_previous = after;
		h->reader = getter_new(h, GETTER_STREAM, 0);
	}
	if (h->reader->where == GETTER_NOWHERE)
		getter_start(h->reader);
}

void
stream_take(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;
	struct stream *st = h->q->stream;
	struct delivery *d = deliver_new(h, DELIVERY_LOCKED, 0, x, UINT32_MAX);

	ahead_lock(h, x);
	if (d->pos < h->stream_pos)
		d->pos = h->stream_pos;
	d->token = x->place.seq;
	d->previous = h->stream_previous;
	d->x = x;
	x->d = d;
	h->stream_next = x->place.seq;
	if (h->stream_limit != 0 && x->m.body_len > h->stream_limit) {
		h->stream_held = x->place.seq;
	} else {
		h->stream_previous = x->place.seq;
		if (st->handed < x->place.seq)
			st->handed = x->place.seq;
		if (st->given < x->place.seq)
			st->given = x->place.seq;
		monitor_handed(&st->monitor, h->s->e, &x->m);
	}
	deliver_start(d);
}

/* ---- what is too long for the channel ---- */

void
engine_stream_limit(struct engine *e, struct engine_session *s, uint32_t handle,
    uint32_t max_msg_len)
{
	struct handle *h = stream_handle(s, handle);

	(void)e;
	if (h != NULL)
		h->stream_limit = max_msg_len;
}

static enum mqi_err
stream_check_remove(struct engine_session *s, const struct handle *h,
    const struct mqlocal_stream_remove *req, struct unit **ret_unit)
{
	const struct entry *last;
	struct unit *u = NULL;
	enum mqi_err err;

	if (h == NULL)
		return MQI_E_HOBJ;
	if (h->stream_held == 0 || h->stream_held != req->number ||
	    h->stream_unit != 0)
		return MQI_E_STATE;
	last = TAILQ_LAST(&h->ahead, entry_list_head);
	if (last == NULL || last->token != req->number)
		return MQI_E_OBJECT_DAMAGED; /* it was set aside */
	err = unit_get(s, req->unit, &u);
	if (err != MQI_OK)
		return err;
	if (u->stream != 0)
		return MQI_E_STATE;
	if (!unit_has_room(u, 128))
		return MQI_E_SYNCPOINT_LIMIT;
	*ret_unit = u;
	return MQI_OK;
}

void
engine_stream_remove(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_stream_remove *req)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = req->handle};
	struct handle *h = stream_handle(s, req->handle);
	struct unit *u = NULL;
	struct entry *x;

	(void)e;
	r.reason = stream_check_remove(s, h, req, &u);
	if (r.reason == MQI_OK) {
		x = TAILQ_LAST(&h->ahead, entry_list_head);
		h->ahead_msgs--;
		h->ahead_bytes -= x->m.body_len;
		unit_take_get(u, x);
		u->stream = h->id;
		h->stream_unit = u->id;
	}
	reply_give(s, &r);
}

void
stream_unit_ended(
    struct engine_session *s, uint32_t handle, bool removed, uint64_t pos)
{
	struct handle *h = stream_handle(s, handle);

	if (h == NULL || h->q->stream->sender != h)
		return; /* it closes */
	MQ_INVARIANT(h->stream_held != 0 && h->stream_unit != 0);
	if (removed)
		/* else a crash could put it back behind the partner's back */
		h->stream_pos = pos;
	else /* it comes again */
		h->stream_next = h->last_token = h->stream_previous;
	h->stream_held = 0;
	h->stream_unit = 0;
	if (h->reader != NULL && h->reader->where == GETTER_NOWHERE)
		getter_start(h->reader);
}

/* ---- acknowledgements ---- */

void
stream_discards(struct queue *q)
{
	struct stream *st = q->stream;
	struct entry *x = NULL;
	struct place from;

	if (st == NULL || st->discarded >= st->state.acked)
		return;
	for (;;) {
		switch (queue_find(q, PLACE_START, NULL, NULL, &x, &from)) {
		case FIND_FOUND:
			if (x->place.seq > st->state.acked) {
				st->discarded = st->state.acked;
				return;
			}
			(void)entry_remove(x, 0);
			break;
		case FIND_LOAD:
			if (from.seq >= st->state.acked)
				st->discarded = st->state.acked;
			else
				load_prefix(q);
			return;
		case FIND_NONE:
			st->discarded = st->state.acked;
			return;
		}
	}
}

static void
stream_set_acked(struct stream *st, uint64_t number)
{
	struct engine *e = st->q->e;

	if (number <= st->state.acked)
		return;
	st->state.acked = number;
	if (st->handed < number)
		st->handed = number;
	if (!st->dirty) {
		st->dirty = true;
		TAILQ_INSERT_TAIL(&e->dirty_streams, st, link);
	}
}

void
engine_stream_ack(struct engine *e, struct engine_session *s, uint32_t handle,
    uint64_t number)
{
	struct handle *h = stream_handle(s, handle);
	uint32_t n = 0;
	struct stream *st;
	struct entry *x;

	(void)e;
	if (h == NULL)
		return;
	st = h->q->stream;
	if (number > st->given)
		number = st->given;
	/* what a former sender handed out may be what is held now */
	if (h->stream_held != 0 && number >= h->stream_held)
		number = h->stream_held - 1;
	stream_set_acked(st, number);
	while ((x = TAILQ_FIRST(&h->ahead)) != NULL && x->token <= number) {
		h->ahead_msgs--;
		h->ahead_bytes -= x->m.body_len;
		(void)entry_remove(x, 0);
		n++;
	}
	monitor_acked(&st->monitor, n);
	stream_discards(h->q);
	if (h->reader != NULL && h->reader->where == GETTER_NOWHERE)
		getter_start(h->reader);
}

/* The transmission queue, if nobody sends from it. */
static enum mqi_err
stream_find_idle(struct engine *e, const char *name, struct queue **ret_queue)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, name);
	struct queue *q;

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	q = queue_by_id(e, o->id);
	if (!q->attr.is_xmit)
		return MQI_E_XMIT_Q_USAGE;
	if (q->stream != NULL && q->stream->sender != NULL)
		return MQI_E_OBJECT_IN_USE;
	*ret_queue = q;
	return MQI_OK;
}

enum mqi_err
engine_stream_resolve(
    struct engine *e, const char *queue, bool commit, uint64_t *ret_pos)
{
	struct queue *q = NULL;
	enum mqi_err err = stream_find_idle(e, queue, &q);
	struct stream *st;

	if (err != MQI_OK)
		return err;
	*ret_pos = 0;
	st = q->stream;
	if (st == NULL)
		return MQI_OK;
	if (commit) {
		stream_set_acked(st, st->handed);
		st->state.bound_acked = st->state.acked;
		stream_discards(q);
	} else {
		memset(st->state.bound_qmid, 0, 16);
		st->state.bound_identity[0] = '\0';
		st->handed = st->state.acked;
	}
	*ret_pos = stream_write(st);
	return MQI_OK;
}

enum mqi_err
engine_stream_reset(struct engine *e, const char *queue, uint64_t *ret_pos)
{
	struct queue *q = NULL;
	enum mqi_err err = stream_find_idle(e, queue, &q);
	struct record_stream *r;

	if (err != MQI_OK)
		return err;
	*ret_pos = 0;
	if (q->stream == NULL)
		return MQI_OK;
	/* what is acknowledged must not be sent in the new one */
	stream_discards(q);
	if (q->stream->discarded < q->stream->state.acked)
		return MQI_E_STATE;
	r = &q->stream->state;
	memset(r, 0, sizeof(*r));
	stream_name(q->stream);
	q->stream->handed = 0;
	q->stream->given = 0;
	q->stream->discarded = 0;
	*ret_pos = q->pos = stream_write(q->stream);
	return MQI_OK;
}

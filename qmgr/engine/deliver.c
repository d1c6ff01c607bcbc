/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver.c - messages on their way out of the queue manager.
 *
 * Each message that leaves is a delivery in the lane of its handle, and lanes
 * keep their order: the first one waits for its bytes (LOADING), then for its
 * position to be durable (READY), is given, with its pieces if it has any
 * (GIVING), and stays (GIVEN) until the socket has taken its last byte.
 *
 * A get outside a unit removes its message as soon as its bytes are here, and
 * waits for that removal like for everything else that it reveals: so it is
 * delivered at most once.  If the session ends before the last byte is in the
 * socket, the message returns to its place: by a PUT record if its bytes are
 * in memory, else by RESTORE, since the store keeps the bodies that are read
 * in pieces (struct body) until their last reader has RELEASEd them.
 *
 * Memory: a session is given no more messages than `out_bytes` unsent, and a
 * large body is loaded a few pieces at a time as the socket drains.  A body
 * that cannot be read sets its message aside; the getter is told 2101.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

/* ---- bodies that are read from the store ---- */

static struct body *
body_hold(struct engine *e, uint64_t id)
{
	struct body *b;

	HASH_FIND(hh, e->bodies, &id, sizeof(id), b);
	if (b == NULL) {
		b = mqmem_alloc(sizeof(*b));
		b->id = id;
		HASH_ADD(hh, e->bodies, id, sizeof(b->id), b);
	}
	b->readers++;
	return b;
}

static void
body_let_go(struct engine *e, struct body *b)
{
	struct record_release v = {.body_id = b->id};

	MQ_PRE(b->readers > 0);
	if (--b->readers > 0)
		return;
	for (; b->removed > 0; b->removed--) {
		record_encode_release(batch_room(e, 128), 0, &v);
		(void)batch_appended(e);
	}
	HASH_DEL(e->bodies, b);
	free(b);
}

bool
body_is_kept(struct engine *e, uint64_t body_id)
{
	struct body *b;

	HASH_FIND(hh, e->bodies, &body_id, sizeof(body_id), b);
	if (b != NULL)
		b->removed++;
	return b != NULL;
}

/* ---- making and ending ---- */

static uint32_t
pieces_of(uint32_t len)
{
	return (len + MQFRAME_PIECE - 1) / MQFRAME_PIECE;
}

static bool
deliver_is_whole(const struct delivery *d)
{
	return d->m.data != NULL &&
	       d->m.data->len >= (size_t)d->m.desc_len + d->m.body_len;
}

static bool
deliver_is_inlined(const struct delivery *d)
{
	return d->m.desc_len + d->sent_len <= MQFRAME_PIECE;
}

struct delivery *
deliver_new(struct handle *h, enum delivery_kind kind, uint32_t id,
    struct entry *x, uint32_t max_len)
{
	struct delivery *d = mqpool_get(&h->s->e->deliveries);
	uint32_t len;

	d->h = h;
	d->q = x->q;
	d->kind = kind;
	d->id = id;
	d->pos = x->pos;
	d->place = x->place;
	d->m = x->m;
	if (d->m.data != NULL)
		(void)mqref_ref(d->m.data);
	if (d->m.head != NULL)
		(void)mqref_ref(d->m.head);
	d->sent_len = x->m.body_len < max_len ? x->m.body_len : max_len;
	if (d->sent_len < x->m.body_len)
		d->reason = kind == DELIVERY_LOOK ? MQI_E_TRUNCATED
						  : MQI_E_TRUNCATED_ACCEPTED;
	if (!deliver_is_inlined(d)) {
		d->last_piece = pieces_of(d->sent_len);
		if (d->id == 0)
			d->id =
			    UINT32_C(0x80000000) | (uint32_t)++h->s->e->counter;
	}
	d->next_piece = 1;
	len = d->m.desc_len + d->sent_len;
	if (len > ENGINE_PIECES_PER_LOAD * MQFRAME_PIECE)
		len = ENGINE_PIECES_PER_LOAD * MQFRAME_PIECE;
	d->cost = len + (uint32_t)sizeof(*d);
	h->s->out_used += d->cost;
	h->n_deliveries++;
	if (kind == DELIVERY_GET)
		d->q->uncommitted_gets++;
	TAILQ_INSERT_TAIL(&h->lane, d, in_lane);
	TAILQ_INSERT_TAIL(&h->s->deliveries, d, of_session);
	return d;
}

static void
deliver_drop_pieces(struct delivery *d)
{
	for (unsigned i = 0; i < d->n_pieces; i++)
		d->pieces[i] = mqref_unref(d->pieces[i]);
	d->n_pieces = 0;
}

/* Its marks are gone already. */
static void
deliver_free(struct delivery *d)
{
	struct handle *h = d->h;
	struct engine_session *s = h->s;

	MQ_PRE(d->marks == 0);
	if (d->x != NULL)
		d->x->d = NULL;
	if (d->load != NULL)
		d->load->d = NULL;
	if (d->waits)
		TAILQ_REMOVE(&s->e->wait_applied, d, wait_applied);
	if (d->state != DELIVERY_GIVEN)
		TAILQ_REMOVE(&h->lane, d, in_lane);
	if (d->body != NULL)
		body_let_go(s->e, d->body);
	if (d->kind == DELIVERY_GET)
		d->q->uncommitted_gets--;
	deliver_drop_pieces(d);
	msg_fini(&d->m);
	s->out_used -= d->cost;
	TAILQ_REMOVE(&s->deliveries, d, of_session);
	mqpool_put(&s->e->deliveries, d);
	handle_unref(h);
}

/* ---- bytes ---- */

static void
deliver_load(struct delivery *d)
{
	struct engine *e = d->h->s->e;
	uint32_t left = pieces_of(d->sent_len);
	uint32_t n = ENGINE_PIECES_PER_LOAD;

	if (d->m.body_pos > e->applied) {
		if (!d->waits)
			TAILQ_INSERT_TAIL(&e->wait_applied, d, wait_applied);
		d->waits = true;
		batch_want_at(e, d->m.body_pos);
		e->ops->hurry(e->ctx, d->m.body_pos);
		return;
	}
	if (d->state == DELIVERY_LOADING) {
		/* piece 0 is the descriptor, or all of a message that was not
		 * staged */
		if (!d->m.staged)
			left = 0;
		load_body(d, 0, left + 1 < n ? left + 1 : n);
	} else {
		left -= d->next_piece - 1;
		load_body(d, d->next_piece, left < n ? left : n);
	}
}

/* Its bytes are here, or as many as are needed to begin. */
static void
deliver_ready(struct delivery *d)
{
	struct engine *e = d->h->s->e;

	d->state = DELIVERY_READY;
	d->from_store = !deliver_is_whole(d) &&
			(d->last_piece > 0 || d->kind == DELIVERY_GET);
	if (!d->from_store && d->body != NULL) {
		body_let_go(e, d->body);
		d->body = NULL;
	}
	if (d->kind == DELIVERY_GET) {
		struct entry *x = d->x;
		struct entry *at =
		    x != NULL ? x : queue_entry_at(d->q, d->place);
		struct report cod;
		bool told = report_delivery(e, &d->m, &cod);

		if (told)
			(void)batch_room(e, 128 + report_room(&cod));
		d->pos = entry_remove(at, 0);
		report_put(told ? &cod : NULL, d->pos);
		d->removed = true;
		d->x = NULL;
	}
}

void
deliver_start(struct delivery *d)
{
	if (deliver_is_whole(d)) {
		deliver_ready(d);
		deliver_pump(d->h);
		return;
	}
	if (d->kind == DELIVERY_GET) {
		d->x = queue_entry_at(d->q, d->place);
		entry_lock(d->x, NULL);
		d->x->d = d;
	}
	d->state = DELIVERY_LOADING;
	d->body = body_hold(d->h->s->e, d->m.body_id);
	deliver_load(d);
}

void
deliver_applied(struct engine *e)
{
	struct delivery *d, *next;

	TAILQ_FOREACH_SAFE (d, &e->wait_applied, wait_applied, next) {
		if (d->m.body_pos > e->applied)
			continue;
		TAILQ_REMOVE(&e->wait_applied, d, wait_applied);
		d->waits = false;
		deliver_load(d);
	}
}

/* ---- damage ---- */

static void
deliver_set_aside(struct delivery *d)
{
	struct entry *x = d->x;

	if (d->removed) {
		x = put_back(d->q, d->place, &d->m, true);
		d->body->removed--;
		d->removed = false;
	} else if (x == NULL) {
		x = queue_entry_at(d->q, d->place);
	}
	if (x != NULL &&
	    (x->state == ENTRY_AVAILABLE || x->state == ENTRY_LOCKED)) {
		if (x->d != NULL)
			x->d->x = NULL;
		x->d = NULL;
		entry_damage(x, false);
	}
	d->x = NULL;
}

/* No fault of the message's: it is there for the next one who asks. */
static void
deliver_return(struct delivery *d)
{
	struct entry *x = d->x;

	if (x == NULL)
		return;
	x->d = NULL;
	d->x = NULL;
	entry_unlock(x);
	queue_offer(x->q, x);
}

static void
deliver_drop_marks(struct delivery *d)
{
	struct engine_session *s = d->h->s;
	struct mark *m, *next;

	TAILQ_FOREACH_SAFE (m, &s->marks, link, next) {
		if (m->d != d)
			continue;
		TAILQ_REMOVE(&s->marks, m, link);
		d->marks--;
		if (m->is_piece)
			free(m);
	}
}

/* The body cannot be had. */
static void
deliver_fail(struct delivery *d, enum mqi_err err)
{
	struct engine_session *s = d->h->s;
	struct engine *e = s->e;
	struct handle *h = d->h;
	uint32_t id = d->id;
	bool ours = (id & UINT32_C(0x80000000)) != 0 || id == 0;
	bool tell = !ours || d->state == DELIVERY_GIVING;

	if (ours && err != MQI_E_OBJECT_DAMAGED) {
		/* lanes keep their order: again after the next batch */
		d->waits = true;
		TAILQ_INSERT_TAIL(&e->wait_applied, d, wait_applied);
		return;
	}
	mqlog(MQLOG_ERROR, "message.damaged",
	    "queue %s: a message (number %llu) cannot be read: %s",
	    d->q->object->name, (unsigned long long)d->place.seq,
	    mqi_strerror(err));
	if (h->reader != NULL && d->x != NULL && d->x->owner == &h->ahead) {
		h->ahead_msgs--;
		h->ahead_bytes -= d->m.body_len;
	}
	if (err == MQI_E_OBJECT_DAMAGED)
		deliver_set_aside(d);
	else
		deliver_return(d);
	deliver_drop_marks(d);
	h->n_deliveries++; /* keeps it while we are here */
	deliver_free(d);
	if (tell)
		reply_error(s, id, h->id, err);
	deliver_pump(h);
	session_resume(s);
	handle_unref(h);
}

/* ---- loaded ---- */

static bool
deliver_pieces_fit(const struct delivery *d, const struct store_load *l)
{
	uint32_t whole = pieces_of(d->m.body_len);

	for (uint32_t i = 0; i < l->n_pieces; i++) {
		uint32_t number = l->first_piece + i;
		size_t len = MQFRAME_PIECE;

		if (number == 0 && !d->m.staged)
			len = (size_t)d->m.desc_len + d->m.body_len;
		else if (number == 0)
			len = d->m.desc_len;
		else if (number == whole)
			len = d->m.body_len - (whole - 1) * MQFRAME_PIECE;
		if (l->pieces[i] == NULL || l->pieces[i]->len != len)
			return false;
	}
	return true;
}

/* The first answer: the descriptor, and what fits behind it. */
static enum mqi_err
deliver_begin(struct delivery *d, struct store_load *l)
{
	uint32_t have = 0;
	struct mqref *data;

	if (!d->m.staged) {
		d->m.data = mqref_ref(l->pieces[0]);
		return MQI_OK;
	}
	if (!deliver_is_inlined(d)) {
		d->m.data = mqref_ref(l->pieces[0]);
		d->pieces_first = 1;
		for (uint32_t i = 1; i < l->n_pieces; i++)
			d->pieces[i - 1] = mqref_ref(l->pieces[i]);
		d->n_pieces = l->n_pieces - 1;
		return MQI_OK;
	}
	data = mqref_new((size_t)d->m.desc_len + d->sent_len);
	if (data == NULL)
		return MQI_E_NO_MEMORY;
	memcpy(data->data, l->pieces[0]->data, d->m.desc_len);
	for (uint32_t i = 1; i < l->n_pieces && have < d->sent_len; i++) {
		uint32_t n = d->sent_len - have;

		if (n > l->pieces[i]->len)
			n = (uint32_t)l->pieces[i]->len;
		memcpy(
		    data->data + d->m.desc_len + have, l->pieces[i]->data, n);
		have += n;
	}
	d->m.data = data;
	return MQI_OK;
}

void
deliver_loaded(struct delivery *d, struct store_load *l)
{
	enum mqi_err err = l->err;

	if (err == MQI_OK && !deliver_pieces_fit(d, l))
		err = MQI_E_OBJECT_DAMAGED;
	if (err == MQI_OK && d->state == DELIVERY_LOADING) {
		err = deliver_begin(d, l);
		if (err == MQI_OK)
			deliver_ready(d);
	} else if (err == MQI_OK) {
		d->pieces_first = l->first_piece;
		d->n_pieces = l->n_pieces;
		for (uint32_t i = 0; i < l->n_pieces; i++)
			d->pieces[i] = mqref_ref(l->pieces[i]);
	}
	if (err != MQI_OK)
		deliver_fail(d, err);
	else
		deliver_pump(d->h);
}

/* ---- giving ---- */

static void
deliver_mark(struct delivery *d, bool is_piece)
{
	struct engine_session *s = d->h->s;
	struct mark *m = is_piece ? mqmem_alloc(sizeof(*m)) : &d->mark;

	m->d = d;
	m->is_piece = is_piece;
	m->index = s->given;
	d->marks++;
	TAILQ_INSERT_TAIL(&s->marks, m, link);
}

static void
deliver_given(struct delivery *d)
{
	d->state = DELIVERY_GIVEN;
	TAILQ_REMOVE(&d->h->lane, d, in_lane);
	if (!d->removed)
		msg_fini(&d->m);
}

static void
deliver_give(struct delivery *d)
{
	struct engine_reply r = {
	    .kind = ENGINE_MESSAGE,
	    .id = d->id,
	    .reason = d->reason,
	    .handle = d->h->id,
	    .token = d->token,
	};
	struct mqref *dated;

	r.u.message.previous = d->previous;
	r.u.message.body_id = d->m.body_id;
	r.u.message.body_crc = d->m.body_crc;
	r.u.message.body_len = d->m.body_len;
	r.u.message.sent_len = d->sent_len;
	r.u.message.backout_count = d->m.backout_count;
	r.u.message.data = d->m.data;
	r.u.message.desc_len = d->m.desc_len;
	r.u.message.inlined = d->last_piece == 0;
	dated = expire_dated(d->h->s->e, &d->m,
	    d->last_piece == 0 ? d->m.desc_len + d->sent_len : d->m.desc_len,
	    d->h->is_stream);
	if (dated != NULL)
		r.u.message.data = dated;
	d->state = DELIVERY_GIVING;
	reply_give(d->h->s, &r);
	(void)mqref_unref(dated);
	deliver_mark(d, false);
}

/* The next piece as a reference of its own, or NULL: it is not here yet. */
static struct mqref *
deliver_piece(struct delivery *d, uint32_t len)
{
	struct mqref *p;
	uint32_t i;

	if (!d->from_store) {
		p = mqref_copy(d->m.data->data + d->m.desc_len +
				   (size_t)(d->next_piece - 1) * MQFRAME_PIECE,
		    len);
		MQ_INVARIANT(p != NULL);
		return p;
	}
	i = d->next_piece - d->pieces_first;
	if (d->n_pieces == 0 || i >= d->n_pieces)
		return NULL;
	p = d->pieces[i];
	d->pieces[i] = NULL;
	return p;
}

/* True when the last piece is given. */
static bool
deliver_give_pieces(struct delivery *d)
{
	struct engine_reply r = {
	    .kind = ENGINE_PIECE, .id = d->id, .handle = d->h->id};

	while (d->next_piece <= d->last_piece) {
		uint32_t at = (d->next_piece - 1) * MQFRAME_PIECE;
		uint32_t len = d->sent_len - at;

		if (len > MQFRAME_PIECE)
			len = MQFRAME_PIECE;
		r.u.piece.data = deliver_piece(d, len);
		if (r.u.piece.data == NULL) {
			if (d->load == NULL && !d->waits &&
			    d->marks <= ENGINE_PIECES_PER_LOAD) {
				deliver_drop_pieces(d);
				deliver_load(d);
			}
			return false;
		}
		r.u.piece.len = len;
		d->next_piece++;
		reply_give(d->h->s, &r);
		deliver_mark(d, true);
		(void)mqref_unref(r.u.piece.data);
	}
	return true;
}

void
deliver_pump(struct handle *h)
{
	struct engine *e = h->s->e;
	struct delivery *d;

	while ((d = TAILQ_FIRST(&h->lane)) != NULL) {
		if (d->state == DELIVERY_LOADING)
			return;
		if (d->pos > e->durable) {
			gate_handle(e, h, d->pos);
			return;
		}
		if (d->state == DELIVERY_READY)
			deliver_give(d);
		if (!deliver_give_pieces(d))
			return;
		deliver_given(d);
	}
}

void
engine_sent(struct engine *e, struct engine_session *s, uint32_t n)
{
	struct mark *m;

	s->sent += n;
	MQ_PRE(s->sent <= s->given);
	while ((m = TAILQ_FIRST(&s->marks)) != NULL && m->index <= s->sent) {
		struct delivery *d = m->d;

		TAILQ_REMOVE(&s->marks, m, link);
		d->marks--;
		if (m->is_piece)
			free(m);
		if (d->state == DELIVERY_GIVEN && d->marks == 0)
			deliver_free(d);
		else if (d->state == DELIVERY_GIVING)
			deliver_pump(d->h);
	}
	session_resume(s);
	queue_trim_all(e);
}

/* ---- ends before its time ---- */

void
deliver_forget(struct delivery *d)
{
	if (d->x != NULL)
		d->x->d = NULL;
	d->x = NULL;
	if (d->state == DELIVERY_LOADING || d->state == DELIVERY_READY)
		deliver_free(d);
}

static void
deliver_abort(struct delivery *d)
{
	struct queue *q = d->q;
	struct entry *x = NULL;

	if (d->removed) {
		struct msg m = d->m;

		/* the references to the data move on */
		d->m.data = NULL;
		d->m.head = NULL;
		x = put_back(q, d->place, &m, d->from_store);
		if (d->body != NULL)
			d->body->removed--;
	} else if (d->kind == DELIVERY_GET && d->x != NULL) {
		x = d->x;
		entry_unlock(x);
	}
	deliver_free(d);
	if (x != NULL)
		queue_offer(q, x);
}

void
deliver_abort_all(struct engine_session *s)
{
	struct delivery *d;
	struct mark *m;

	while ((m = TAILQ_FIRST(&s->marks)) != NULL) {
		TAILQ_REMOVE(&s->marks, m, link);
		m->d->marks--;
		if (m->is_piece)
			free(m);
	}
	while ((d = TAILQ_FIRST(&s->deliveries)) != NULL)
		deliver_abort(d);
}

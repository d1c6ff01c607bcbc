/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.c - units of work: puts that nobody sees and gets that nobody else can
 * have, until the unit ends.
 *
 * A unit's messages stay in memory up to unit_bytes; further ones, and every
 * long one, are staged.  At commit all its records, ended by COMMIT, go into
 * one batch (begun early if they would not fit the filling one), sequence
 * numbers are given in that order, and only then are the messages offered, so
 * that no other record can come between.  Backing out needs records only for
 * backout counts and, if something was staged, ROLLBACK: a crash forgets the
 * rest by itself.
 *
 * A unit that the queue manager backed out (immediate stop) stays as `dead`
 * and answers BACKED_OUT until the client has ended it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define UNIT_PUT_ROOM 512u
#define UNIT_GET_ROOM 128u
#define UNIT_REPORT_ROOM (2 * UNIT_PUT_ROOM + MQFRAME_PIECE)
#define UNIT_END_ROOM 1024u /* POSITION and COMMIT */

/* Messages that became available, by place: entries may go while the first
 * of them are offered. */
struct unit_offer {
	struct queue *q;
	struct place place;
};

static struct unit *
unit_find(struct engine_session *s, uint32_t id)
{
	struct unit *u;

	HASH_FIND(hh, s->units, &id, sizeof(id), u);
	return u;
}

enum mqi_err
unit_get(struct engine_session *s, uint32_t id, struct unit **ret_unit)
{
	struct engine *e = s->e;
	struct unit *u = unit_find(s, id);

	if (u == NULL) {
		if (e->quiescing)
			return MQI_E_Q_MGR_STOPPING;
		if (HASH_COUNT(s->units) >= ENGINE_MAX_UNITS)
			return MQI_E_RESOURCE_PROBLEM;
		u = mqmem_alloc(sizeof(*u));
		u->e = e;
		u->id = id;
		u->number = ++e->next_unit;
		u->records = UNIT_END_ROOM;
		TAILQ_INIT(&u->puts);
		TAILQ_INIT(&u->gets);
		HASH_ADD(hh, s->units, id, sizeof(u->id), u);
		e->n_units++;
	}
	if (u->dead)
		return MQI_E_BACKED_OUT;
	*ret_unit = u;
	return MQI_OK;
}

bool
unit_has_room(const struct unit *u, size_t records)
{
	/* puts whose pieces still come are in it already */
	uint64_t coming = u->n_incoming;

	return u->n_msgs + coming < u->e->max_unit_msgs &&
	       u->records + coming * UNIT_PUT_ROOM + records <=
		   ENGINE_UNIT_RECORDS;
}

bool
unit_has_room_for_report(const struct unit *u)
{
	return u->n_msgs + u->n_incoming + 1 < u->e->max_unit_msgs &&
	       unit_has_room(u, UNIT_REPORT_ROOM);
}

void
unit_add_get(struct unit *u, struct entry *x)
{
	entry_lock(x, &u->gets);
	u->n_msgs++;
	u->records += UNIT_GET_ROOM;
}

void
unit_take_get(struct unit *u, struct entry *x)
{
	MQ_PRE(x->state == ENTRY_LOCKED && x->owner != NULL);
	TAILQ_REMOVE(x->owner, x, owned);
	x->owner = &u->gets;
	TAILQ_INSERT_TAIL(&u->gets, x, owned);
	u->n_msgs++;
	u->records += UNIT_GET_ROOM;
}

void
unit_count_getter(struct engine_session *s, uint32_t id, bool more)
{
	struct unit *u = unit_find(s, id);

	if (u != NULL)
		u->n_getters += more ? 1 : UINT32_MAX;
}

static void
unit_count_places(struct unit *u, const struct fanout_to *to, uint32_t n)
{
	u->n_places += n - 1;
	u->records += (uint64_t)(n - 1) * FANOUT_PLACE_ROOM;
	for (uint32_t i = 0; i < n; i++) {
		to[i].q->uncommitted_puts++;
		if (to[i].q->trigger == NULL)
			continue;
		u->triggers = true;
		u->records += trigger_room(to[i].q);
	}
}

void
unit_add_puts(
    struct unit *u, const struct fanout_to *to, uint32_t n, struct msg *m)
{
	struct unit_put *p = mqmem_alloc(sizeof(*p));

	u->records += UNIT_PUT_ROOM;
	u->n_msgs++;
	unit_count_places(u, to, n);
	if (!m->staged) {
		size_t len = m->data->len;

		if (len > MQFRAME_PIECE ||
		    u->bytes + len > u->e->config.unit_bytes) {
			put_stage_whole(u->e, u->number, m);
			u->staged = true;
		} else {
			u->bytes += len;
			u->records += len;
		}
	}
	p->to = &p->one;
	if (n > 1)
		p->to = mqmem_array(n, sizeof(*p->to));
	memcpy(p->to, to, n * sizeof(*to));
	p->n_to = n;
	p->m = *m;
	memset(m, 0, sizeof(*m));
	TAILQ_INSERT_TAIL(&u->puts, p, link);
}

void
unit_add_put(struct unit *u, struct queue *q, uint8_t rank, struct msg *m)
{
	const struct fanout_to to = {.q = q, .rank = rank};

	unit_add_puts(u, &to, 1, m);
}

void
unit_add_retained(
    struct unit *u, struct queue *q, struct retained *kept, struct msg *m)
{
	unit_add_put(u, q, 0, m);
	TAILQ_LAST(&u->puts, unit_put_list)->kept = kept;
	u->records += UNIT_GET_ROOM;
}

/* It is not the unit's any more; its message is the caller's. */
static void
unit_drop_put(struct unit *u, struct unit_put *p)
{
	for (uint32_t i = 0; i < p->n_to; i++)
		p->to[i].q->uncommitted_puts--;
	TAILQ_REMOVE(&u->puts, p, link);
	if (p->to != &p->one)
		free(p->to);
	retain_free(p->kept);
	free(p);
}

void
unit_free(struct engine_session *s, struct unit *u)
{
	MQ_PRE(TAILQ_EMPTY(&u->puts) && TAILQ_EMPTY(&u->gets));
	MQ_PRE(u->n_incoming == 0);
	u->e->n_units--;
	HASH_DEL(s->units, u);
	free(u);
}

static void
unit_offer_all(const struct unit_offer *offers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct entry *x = queue_entry_at(offers[i].q, offers[i].place);

		if (x != NULL && x->state == ENTRY_AVAILABLE)
			queue_offer(offers[i].q, x);
		stream_work(offers[i].q);
	}
}

/* The unit has ended and that was said: the stream whose message it was to
 * remove goes on. */
static void
unit_tell_stream(
    struct engine_session *s, uint32_t stream, bool removed, uint64_t pos)
{
	if (stream != 0)
		stream_unit_ended(s, stream, removed, pos);
}

/* Gets that still wait in the unit. */
static void
unit_cancel_getters(struct engine_session *s, const struct unit *u)
{
	struct getter *g, *next;

	if (u->n_getters == 0)
		return;
	HASH_ITER (hh, s->getters, g, next) {
		if (g->unit == u->id)
			getter_fail(g, MQI_E_CANCELLED);
	}
}

/* ---- commit ---- */

static bool
unit_needs_records(const struct unit *u)
{
	const struct unit_put *p;
	const struct entry *x;

	if (u->staged || u->has_position)
		return true;
	TAILQ_FOREACH (p, &u->puts, link) {
		if (p->m.persistent)
			return true;
	}
	TAILQ_FOREACH (x, &u->gets, owned) {
		if (x->m.in_store)
			return true;
	}
	/* non-persistent ones that are spilled only now stand by themselves */
	return false;
}

/* That it is there reveals that the unit was committed. */
static void
unit_reveal(struct entry *x, uint64_t pos, struct unit_offer *ret)
{
	x->pos = pos;
	if (x->q->pos < pos)
		x->q->pos = pos;
	ret->q = x->q;
	ret->place = x->place;
}

static size_t
unit_commit_put(struct unit *u, struct unit_put *p, uint32_t number,
    uint64_t pos, struct unit_offer *offers)
{
	uint64_t put_pos;

	if (p->n_to == 1) {
		struct entry *x =
		    put_visible(p->one.q, p->one.rank, &p->m, number, &put_pos);

		unit_reveal(x, pos, offers);
		if (p->kept != NULL)
			retain_committed(u->e, p->kept, x, number);
		p->kept = NULL;
		return 1;
	}
	(void)put_everywhere(u->e, p->to, p->n_to, &p->m, number);
	for (uint32_t i = 0; i < p->n_to; i++)
		unit_reveal(queue_entry_at(p->to[i].q, p->to[i].place), pos,
		    &offers[i]);
	return p->n_to;
}

static size_t
unit_commit_puts(
    struct unit *u, uint32_t number, uint64_t pos, struct unit_offer *offers)
{
	struct unit_put *p;
	size_t n = 0;

	while ((p = TAILQ_FIRST(&u->puts)) != NULL) {
		n += unit_commit_put(u, p, number, pos, &offers[n]);
		unit_drop_put(u, p);
	}
	return n;
}

static uint64_t
unit_commit(struct engine_session *s, struct unit *u)
{
	struct engine *e = s->e;
	bool records = unit_needs_records(u);
	uint32_t number = records ? u->number : 0;
	struct unit_offer *offers =
	    mqmem_array(u->n_msgs + u->n_places + 1, sizeof(*offers));
	uint64_t pos = 0;
	struct entry *x;
	size_t n;

	if (records) {
		(void)batch_room(
		    e, u->records + (u->triggers ? TRIGGER_MOST : 0));
		pos = batch_number(e);
	}
	n = unit_commit_puts(u, number, pos, offers);
	while ((x = TAILQ_FIRST(&u->gets)) != NULL)
		(void)entry_remove(x, number);
	if (u->has_position)
		position_move(s, number, &u->position);
	if (records) {
		record_encode_end(batch_room(e, 64), RECORD_COMMIT, number);
		MQ_INVARIANT(batch_appended(e) == pos);
	}
	if (u->triggers)
		trigger_flush(e);
	unit_offer_all(offers, n);
	free(offers);
	return pos;
}

uint64_t
unit_commit_own(struct engine_session *s, struct unit *u)
{
	uint64_t pos = unit_commit(s, u);

	unit_free(s, u);
	return pos;
}

/* Messages that it keeps in memory, and that commit would write. */
static bool
unit_needs_room(const struct unit *u)
{
	const struct unit_put *p;

	if (u->bytes == 0)
		return false;
	if (put_would_spill(u->e, u->bytes + u->n_msgs * sizeof(struct entry)))
		return true;
	TAILQ_FOREACH (p, &u->puts, link) {
		if (p->m.persistent && !p->m.staged)
			return true;
	}
	return false;
}

static enum mqi_err
unit_check(struct engine_session *s, struct unit *u)
{
	if (u->dead || u->n_incoming > 0)
		return MQI_E_BACKED_OUT;
	if (!put_has_room(u->e) && unit_needs_room(u))
		return MQI_E_BACKED_OUT;
	return u->has_position ? position_check(s, &u->position) : MQI_OK;
}

void
engine_commit(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t unit)
{
	struct engine_reply r = {.kind = ENGINE_RESULT, .id = id};
	struct unit *u = unit_find(s, unit);
	uint32_t stream = 0;
	uint64_t pos = 0;

	(void)e;
	if (u != NULL) {
		stream = u->stream;
		unit_cancel_getters(s, u);
		r.reason = unit_check(s, u);
		if (r.reason == MQI_OK)
			pos = unit_commit(s, u);
		else
			unit_back_out(s, u);
		unit_free(s, u);
	}
	reply_at(s, &r, pos);
	unit_tell_stream(s, stream, r.reason == MQI_OK, pos);
}

/* ---- back out ---- */

static void
unit_drop_puts(struct unit *u)
{
	struct unit_put *p;

	while ((p = TAILQ_FIRST(&u->puts)) != NULL) {
		msg_fini(&p->m);
		unit_drop_put(u, p);
	}
}

static void
unit_drop_incoming(struct engine_session *s, struct unit *u)
{
	struct incoming *in, *next;

	HASH_ITER (hh, s->incoming, in, next) {
		if (in->unit == u)
			put_incoming_fail(s, in, MQI_E_BACKED_OUT);
	}
}

void
unit_back_out(struct engine_session *s, struct unit *u)
{
	struct engine *e = s->e;
	struct unit_offer *offers = mqmem_array(u->n_msgs + 1, sizeof(*offers));
	struct entry *x;
	size_t n = 0;

	unit_drop_incoming(s, u);
	unit_drop_puts(u);
	while ((x = TAILQ_FIRST(&u->gets)) != NULL) {
		entry_backed_out(x);
		offers[n].q = x->q;
		offers[n++].place = x->place;
		entry_unlock(x);
	}
	if (u->staged) {
		record_encode_end(
		    batch_room(e, 64), RECORD_ROLLBACK, u->number);
		(void)batch_appended(e);
		u->staged = false;
	}
	u->dead = true;
	unit_offer_all(offers, n);
	free(offers);
}

void
unit_abandon(struct engine_session *s, uint32_t id)
{
	struct unit *u = unit_find(s, id);

	if (u != NULL && !u->dead)
		unit_back_out(s, u);
}

void
engine_backout(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t unit)
{
	struct engine_reply r = {.kind = ENGINE_RESULT, .id = id};
	struct unit *u = unit_find(s, unit);
	uint32_t stream = 0;

	(void)e;
	if (u != NULL) {
		stream = u->stream;
		unit_cancel_getters(s, u);
		unit_back_out(s, u);
		unit_free(s, u);
	}
	reply_give(s, &r);
	unit_tell_stream(s, stream, false, 0);
}

void
engine_unit_position(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_unit_position *req)
{
	struct engine_reply r = {.kind = ENGINE_RESULT, .id = id};
	struct unit *u = NULL;

	(void)e;
	r.reason = unit_get(s, req->unit, &u);
	if (r.reason == MQI_OK && (u->has_position || req->to <= req->from))
		r.reason = MQI_E_OPTIONS;
	if (r.reason == MQI_OK) {
		u->has_position = true;
		u->position = *req;
	}
	reply_give(s, &r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_conn.c - a local socket between a client and a queue manager (sim.h).
 *
 * Requests wait in one queue until the queue manager reads them; replies wait
 * in two: what the engine gave and is not written (engine_sent() not called),
 * and what is in the socket.  A client that dies leaves some of its requests
 * to be executed; then its session ends.  A queue manager that dies leaves
 * what it had written, or, with its whole host, nothing.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/sim/sim.h"

struct sim_asked {
	STAILQ_ENTRY(sim_asked) link;
	struct sim_request q;
};

STAILQ_HEAD(sim_replies, sim_reply);

struct sim_conn {
	TAILQ_ENTRY(sim_conn) link;
	struct sim_qm *qm;
	struct engine_session *session; /* NULL: the queue manager is gone */
	const struct sim_conn_events *ev;
	void *arg;
	bool left; /* the client is gone */
	uint32_t last_id;
	STAILQ_HEAD(, sim_asked) asked;
	struct sim_replies unsent;
	struct sim_replies inbox;
};

static void
reply_free(struct sim_reply *r)
{
	(void)mqref_unref(r->data);
	free(r->stream);
	free(r);
}

static void
drop_replies(struct sim_replies *list)
{
	struct sim_reply *r;

	while ((r = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		reply_free(r);
	}
}

static void
asked_free(struct sim_asked *a)
{
	(void)mqref_unref(a->q.desc);
	(void)mqref_unref(a->q.data);
	free(a);
}

static void
drop_asked(struct sim_conn *c)
{
	struct sim_asked *a;

	while ((a = STAILQ_FIRST(&c->asked)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->asked, link);
		asked_free(a);
	}
}

static void
conn_free(struct sim_conn *c)
{
	TAILQ_REMOVE(&c->qm->conns, c, link);
	c->qm->n_conns--;
	drop_asked(c);
	drop_replies(&c->unsent);
	drop_replies(&c->inbox);
	free(c);
}

/* ---- the client's side ---- */

struct sim_conn *
sim_conn_new(struct sim_qm *qm, const struct engine_identity *who,
    const struct sim_conn_events *ev, void *arg)
{
	struct sim_conn *c;

	if (!sim_qm_is_up(qm))
		return NULL;
	c = mqmem_alloc(sizeof(*c));
	c->qm = qm;
	c->ev = ev;
	c->arg = arg;
	STAILQ_INIT(&c->asked);
	STAILQ_INIT(&c->unsent);
	STAILQ_INIT(&c->inbox);
	c->session = engine_session_new(qm->e, c, who);
	TAILQ_INSERT_TAIL(&qm->conns, c, link);
	qm->n_conns++;
	return c;
}

void
sim_conn_drop(struct sim_conn *c)
{
	struct sim_asked *a;
	unsigned keep = sim_roll(c->qm->sim, 8);

	if (c->session == NULL) {
		conn_free(c);
		return;
	}
	c->left = true;
	drop_replies(&c->inbox);
	/* the rest had not left the client */
	STAILQ_FOREACH (a, &c->asked, link) {
		if (keep-- == 0)
			break;
	}
	while (a != NULL) {
		struct sim_asked *next = STAILQ_NEXT(a, link);

		STAILQ_REMOVE(&c->asked, a, sim_asked, link);
		asked_free(a);
		a = next;
	}
}

bool
sim_conn_lingers(const struct sim_qm *qm, const void *arg)
{
	const struct sim_conn *c;

	TAILQ_FOREACH (c, &qm->conns, link) {
		if (c->left && c->arg == arg)
			return true;
	}
	return false;
}

uint32_t
sim_conn_ask(struct sim_conn *c, const struct sim_request *q)
{
	struct sim_asked *a = mqmem_alloc(sizeof(*a));

	a->q = *q;
	if (a->q.id == 0)
		a->q.id = ++c->last_id;
	STAILQ_INSERT_TAIL(&c->asked, a, link);
	return a->q.id;
}

uint32_t
sim_conn_ask_put(
    struct sim_conn *c, struct sim_request *q, const void *body, uint32_t len)
{
	uint32_t desc_len = (uint32_t)q->desc->len;
	bool is_inline = mqlocal_is_inline(desc_len, len);
	uint32_t id;

	q->kind = SIM_PUT;
	q->put.body_crc = mqcrc32c(0, body, len);
	q->put.body_len = len;
	q->data = is_inline ? mqref_copy(body, len) : NULL;
	id = sim_conn_ask(c, q);
	for (uint32_t at = 0; !is_inline && at < len; at += MQFRAME_PIECE) {
		uint32_t n =
		    len - at < MQFRAME_PIECE ? len - at : MQFRAME_PIECE;
		struct sim_request p = {.kind = SIM_PIECE, .id = id};

		p.data = mqref_copy((const uint8_t *)body + at, n);
		(void)sim_conn_ask(c, &p);
	}
	return id;
}

bool
sim_conn_read(struct sim_conn *c, unsigned n)
{
	struct sim_reply *r;

	for (; n > 0 && (r = STAILQ_FIRST(&c->inbox)) != NULL; n--) {
		STAILQ_REMOVE_HEAD(&c->inbox, link);
		c->ev->reply(c->arg, r);
		reply_free(r);
		if (c->left)
			return false;
	}
	if (c->session != NULL || !STAILQ_EMPTY(&c->inbox))
		return true;
	c->ev->closed(c->arg);
	conn_free(c);
	return false;
}

/* ---- the queue manager's side ---- */

void
sim_conn_reply(void *ctx, void *cookie, const struct engine_reply *r)
{
	struct sim_conn *c = cookie;
	struct sim_reply *k = mqmem_alloc(sizeof(*k));

	(void)ctx;
	k->r = *r;
	k->r.text = NULL;
	if (r->kind == ENGINE_MESSAGE)
		k->data = mqref_ref(r->u.message.data);
	else if (r->kind == ENGINE_PIECE)
		k->data = mqref_ref(r->u.piece.data);
	if (r->kind == ENGINE_STREAM) {
		k->stream = mqmem_alloc(sizeof(*k->stream));
		*k->stream = *r->u.stream;
	}
	STAILQ_INSERT_TAIL(&c->unsent, k, link);
}

static void
execute_put(struct sim_conn *c, struct sim_request *q)
{
	struct engine *e = c->qm->e;
	enum mqi_err err;

	if (q->kind == SIM_PIECE) {
		err = engine_put_piece(e, c->session, q->id, q->data->data,
		    (uint32_t)q->data->len);
	} else {
		q->put.handle = q->handle;
		q->put.unit = q->unit;
		q->put.desc = q->desc->data;
		q->put.desc_len = (uint32_t)q->desc->len;
		q->put.body = q->data != NULL ? q->data->data : NULL;
		err = engine_put(e, c->session, q->id, &q->put);
	}
	if (err != MQI_OK)
		sim_fail(c->qm->sim, "%s: a put ends its session: %s",
		    c->qm->name, mqi_strerror(err));
}

static void
execute_stream(struct sim_conn *c, struct sim_request *q)
{
	struct engine *e = c->qm->e;
	struct engine_session *s = c->session;

	switch (q->kind) {
	case SIM_POSITION_OPEN:
		engine_position_open(e, s, q->id, &q->position_open);
		break;
	case SIM_UNIT_POSITION:
		engine_unit_position(e, s, q->id, &q->unit_position);
		break;
	case SIM_STREAM_OPEN:
		engine_stream_open(e, s, q->id, q->object);
		break;
	case SIM_STREAM_BIND:
		engine_stream_bind(e, s, q->id, q->handle, q->qmid, q->qmgr);
		break;
	case SIM_STREAM_CREDIT:
		engine_stream_credit(
		    e, s, q->handle, q->max_msgs, q->max_bytes, q->number);
		break;
	default:
		engine_stream_ack(e, s, q->handle, q->number);
		break;
	}
}

static void
take_standing(void *arg, const struct record_position *p)
{
	struct mqlocal_unit_position *v = arg;

	if (strcmp(p->partner, v->partner) != 0 ||
	    memcmp(p->stream, v->stream, sizeof(p->stream)) != 0)
		return;
	v->fence = p->fence;
	v->from = p->position;
}

static void
execute_commit(struct sim_conn *c, struct sim_request *q)
{
	if (q->late) {
		engine_each_position(
		    c->qm->e, take_standing, &q->unit_position);
		engine_unit_position(c->qm->e, c->session,
		    q->id | UINT32_C(1) << 30, &q->unit_position);
	}
	engine_commit(c->qm->e, c->session, q->id, q->unit);
}

static void
execute(struct sim_conn *c, struct sim_request *q)
{
	struct engine *e = c->qm->e;
	struct engine_session *s = c->session;

	switch (q->kind) {
	case SIM_OPEN:
		engine_open(e, s, q->id, q->object, q->qmgr, q->options);
		break;
	case SIM_PUT:
	case SIM_PIECE:
		execute_put(c, q);
		break;
	case SIM_GET:
		engine_get(e, s, q->id, &q->get);
		break;
	case SIM_COMMIT:
		execute_commit(c, q);
		break;
	case SIM_BACKOUT:
		engine_backout(e, s, q->id, q->unit);
		break;
	case SIM_CONSUME:
		engine_consume(
		    e, s, q->id, q->handle, q->max_msgs, q->max_bytes);
		break;
	case SIM_ACK:
		engine_ack(e, s, q->id, q->handle, q->number);
		break;
	default:
		execute_stream(c, q);
		break;
	}
}

bool
sim_conn_serve(struct sim_conn *c, unsigned n)
{
	struct sim_asked *a;
	bool moved = false;

	if (c->session == NULL)
		return false;
	for (; n > 0 && (a = STAILQ_FIRST(&c->asked)) != NULL; n--) {
		if (!engine_accepts(c->qm->e))
			return moved;
		STAILQ_REMOVE_HEAD(&c->asked, link);
		execute(c, &a->q);
		asked_free(a);
		moved = true;
	}
	if (!c->left || !STAILQ_EMPTY(&c->asked))
		return moved;
	engine_session_end(c->qm->e, c->session);
	c->session = NULL;
	conn_free(c);
	return true;
}

bool
sim_conn_write(struct sim_conn *c, unsigned n)
{
	struct sim_reply *r;
	uint32_t sent = 0;

	if (c->left || c->session == NULL)
		return false; /* nobody reads */
	for (; n > 0 && (r = STAILQ_FIRST(&c->unsent)) != NULL; n--) {
		STAILQ_REMOVE_HEAD(&c->unsent, link);
		STAILQ_INSERT_TAIL(&c->inbox, r, link);
		sent++;
	}
	if (sent > 0)
		engine_sent(c->qm->e, c->session, sent);
	return sent > 0;
}

void
sim_conn_cut_all(struct sim_qm *qm, bool readable)
{
	struct sim_conn *c, *next;

	for (c = TAILQ_FIRST(&qm->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		c->session = NULL;
		drop_asked(c);
		drop_replies(&c->unsent);
		if (!readable)
			drop_replies(&c->inbox);
		if (c->left)
			conn_free(c);
	}
}

struct sim_conn *
sim_conn_next(const struct sim_conn *c)
{
	return TAILQ_NEXT(c, link);
}

struct sim_conn *
sim_conn_any(struct sim_qm *qm)
{
	struct sim_conn *c = TAILQ_FIRST(&qm->conns);

	if (c == NULL)
		return NULL;
	for (unsigned i = sim_roll(qm->sim, qm->n_conns); i > 0; i--)
		c = TAILQ_NEXT(c, link);
	return c->session != NULL ? c : NULL;
}

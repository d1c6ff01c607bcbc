/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_recv.c - what a receiver of the simulation asks of its queue manager:
 * the table that mca/run_receiver.c fills with libmq's calls, filled with
 * requests to the engine (sim.h).
 *
 * As libmq does: a queue is opened by a call that blocks and kept open until a
 * put fails; puts and commits are answered later, in their order; a unit whose
 * position was refused is never committed.
 */
#include <string.h>

#include "base/mem.h"
#include "tests/sim/sim_agent.h"

/* ---- answers ---- */

static void
unit_free(struct sim_agent *a, struct sim_unit *u)
{
	TAILQ_REMOVE(&a->units, u, link);
	free(u);
}

static void
ask_end(struct sim_agent *a, struct sim_unit *u, enum sim_request_kind kind)
{
	struct sim_request q = {.kind = kind, .unit = u->number};

	q.late = a->sim->sabotage == SIM_NO_CONDITION && kind == SIM_COMMIT;
	q.unit_position = u->position;
	u->asked = true;
	u->commit_id = sim_conn_ask(a->conn, &q);
}

/* A commit that waits for its position's answer goes now. */
static void
unit_go_on(struct sim_agent *a, struct sim_unit *u)
{
	if (u->committing == NULL || u->asked || u->position_id != 0)
		return;
	ask_end(a, u, u->failed == MQI_OK ? SIM_COMMIT : SIM_BACKOUT);
}

static void
unit_ended(struct sim_agent *a, struct sim_unit *u, enum mqi_err reason)
{
	struct receiver_unit *ru = u->committing;

	if (u->failed != MQI_OK)
		reason = u->failed;
	unit_free(a, u);
	if (ru != NULL && a->sim->sabotage != SIM_ACK_EARLY)
		receiver_commit_done(ru, reason);
}

static bool
put_answered(struct sim_agent *a, const struct sim_reply *r)
{
	struct sim_put *p;

	TAILQ_FOREACH (p, &a->puts, link) {
		if (p->id != r->r.id)
			continue;
		TAILQ_REMOVE(&a->puts, p, link);
		if (r->r.reason != MQI_OK)
			a->stale = true;
		receiver_put_done(p->m, r->r.reason);
		free(p);
		return true;
	}
	return false;
}

void
sim_recv_reply(struct sim_agent *a, const struct sim_reply *r)
{
	struct sim_unit *u;

	if (put_answered(a, r))
		return;
	TAILQ_FOREACH (u, &a->units, link) {
		if (u->asked && u->commit_id == r->r.id) {
			unit_ended(a, u, r->r.reason);
			return;
		}
		if (u->position_id == r->r.id) {
			u->position_id = 0;
			if (r->r.reason != MQI_OK)
				u->failed = r->r.reason;
			unit_go_on(a, u);
			return;
		}
	}
}

/* ---- requests ---- */

static void
fill_def(const struct sim_agent *a, struct receiver_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	sim_agent_def(a, &ret->def);
	sim_identity(a->peer, ret->identity);
	ret->retries = 10;
	ret->retry_ms = 100;
}

static enum mqi_err
io_hello(void *arg, const struct mqchan_hello *h, struct receiver_def *ret,
    char *text)
{
	(void)h;
	(void)text;
	fill_def(arg, ret);
	return MQI_OK;
}

static enum mqi_err
io_position_open(void *arg, const uint8_t partner[16], const uint8_t stream[16],
    struct receiver_position *ret)
{
	struct sim_agent *a = arg;
	struct mqlocal_position_open *v = &a->position;
	struct sim_request q = {.kind = SIM_POSITION_OPEN};
	enum mqi_err err;
	char hex[33];

	memset(v, 0, sizeof(*v));
	channel_hex(partner, hex);
	(void)snprintf(v->partner, sizeof(v->partner), "%s", hex);
	sim_identity(a->peer, v->identity);
	memcpy(v->stream, stream, 16);
	q.position_open = *v;
	err = sim_agent_call(a, &q);
	if (err != MQI_OK)
		return err;
	a->fence = a->answer.r.u.position.fence;
	ret->position = a->answer.r.u.position.position;
	memcpy(ret->incarnation, a->answer.r.u.position.incarnation, 16);
	SIM_TRACE(a->sim, "%s: position of QM%u is %llu, fence %llu",
	    a->qm->name, a->peer + 1, (unsigned long long)ret->position,
	    (unsigned long long)a->fence);
	return MQI_OK;
}

static bool
io_ready(void *arg)
{
	struct sim_agent *a = arg;

	return sim_roll(a->sim, 16) != 0;
}

static enum mqi_err
io_begin(void *arg, void **ret_unit)
{
	struct sim_agent *a = arg;
	struct sim_unit *u = mqmem_alloc(sizeof(*u));

	u->number = ++a->last_unit;
	TAILQ_INSERT_TAIL(&a->units, u, link);
	*ret_unit = u;
	return MQI_OK;
}

static enum mqi_err
open_target(struct sim_agent *a, const char *queue, const char *qmgr,
    uint32_t *ret_handle)
{
	struct sim_request q = {.kind = SIM_OPEN, .options = MQI_OO_OUTPUT};
	struct sim_target *t;
	enum mqi_err err;

	if (a->stale)
		memset(a->targets, 0, sizeof(a->targets));
	a->stale = false;
	for (unsigned i = 0; i < SIM_TARGETS; i++) {
		t = &a->targets[i];
		if (t->handle != 0 && strcmp(t->queue, queue) == 0 &&
		    strcmp(t->qmgr, qmgr) == 0) {
			*ret_handle = t->handle;
			return MQI_OK;
		}
	}
	(void)snprintf(q.object, sizeof(q.object), "%s", queue);
	(void)snprintf(q.qmgr, sizeof(q.qmgr), "%s", qmgr);
	err = sim_agent_call(a, &q);
	if (err != MQI_OK)
		return err;
	t = &a->targets[a->next_target++ % SIM_TARGETS];
	(void)snprintf(t->queue, sizeof(t->queue), "%s", queue);
	(void)snprintf(t->qmgr, sizeof(t->qmgr), "%s", qmgr);
	t->handle = *ret_handle = a->answer.r.handle;
	return MQI_OK;
}

static enum mqi_err
io_put(void *arg, void *unit, struct receiver_msg *m)
{
	struct sim_agent *a = arg;
	struct sim_unit *u = unit;
	struct sim_request q = {.unit = u->number};
	struct sim_put *p;
	enum mqi_err err =
	    open_target(a, m->route.queue, m->route.qmgr, &q.handle);

	if (err != MQI_OK)
		return err;
	if (a->conn == NULL)
		return MQI_E_CONNECTION_BROKEN;
	q.put.flags = MQLOCAL_PUT_PASS_CONTEXT;
	q.desc = mqref_copy(m->desc, m->desc_len);
	p = mqmem_alloc(sizeof(*p));
	p->m = m;
	p->id = sim_conn_ask_put(a->conn, &q, m->body, m->body_len);
	TAILQ_INSERT_TAIL(&a->puts, p, link);
	return MQI_OK;
}

static enum mqi_err
io_position(void *arg, void *unit, uint64_t from, uint64_t to,
    const uint8_t incarnation[16])
{
	struct sim_agent *a = arg;
	struct sim_unit *u = unit;
	struct sim_request q = {.kind = SIM_UNIT_POSITION};
	struct mqlocal_unit_position *v = &q.unit_position;

	if (incarnation == NULL)
		return MQI_E_NOT_CURRENT;
	if (a->conn == NULL)
		return MQI_E_CONNECTION_BROKEN;
	v->unit = u->number;
	strcpy(v->partner, a->position.partner);
	memcpy(v->stream, a->position.stream, 16);
	memcpy(v->incarnation, incarnation, 16);
	v->fence = a->fence;
	v->from = from;
	v->to = to;
	if (a->sim->sabotage == SIM_NO_CONDITION) {
		u->position = *v;
		return MQI_OK;
	}
	if (a->sim->sabotage == SIM_POSITION_APART) {
		struct sim_request end = {.kind = SIM_COMMIT};

		v->unit = end.unit = ++a->last_unit;
		(void)sim_conn_ask(a->conn, &q);
		(void)sim_conn_ask(a->conn, &end);
		return MQI_OK;
	}
	u->position_id = sim_conn_ask(a->conn, &q);
	return MQI_OK;
}

static enum mqi_err
io_commit(void *arg, void *unit, struct receiver_unit *ru)
{
	struct sim_agent *a = arg;
	struct sim_unit *u = unit;

	if (a->conn == NULL)
		return MQI_E_CONNECTION_BROKEN;
	u->committing = ru;
	unit_go_on(a, u);
	if (a->sim->sabotage == SIM_ACK_EARLY)
		receiver_commit_done(ru, MQI_OK);
	return MQI_OK;
}

static void
io_backout(void *arg, void *unit)
{
	struct sim_agent *a = arg;

	if (a->conn != NULL)
		ask_end(a, unit, SIM_BACKOUT);
	else
		unit_free(a, unit);
}

static enum mqi_err
io_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	(void)arg;
	ret_name[0] = '\0';
	return MQI_OK;
}

static void
io_report(void *arg, const struct receiver_msg *m, enum mqi_err reason,
    const char *what)
{
	struct sim_agent *a = arg;

	SIM_TRACE(a->sim, "%s: message %llu: %s: %s", a->qm->name,
	    (unsigned long long)m->number, what, mqi_strerror(reason));
}

static uint64_t
io_wall_us(void *arg)
{
	return ((struct sim_agent *)arg)->sim->now_us;
}

/* ---- life ---- */

void
sim_recv_init(struct sim_agent *a)
{
	static const struct undelivered_io undelivered = {
	    .dead_queue = io_dead_queue,
	    .report = io_report,
	    .wall_us = io_wall_us};
	const struct receiver_io io = {.hello = io_hello,
	    .position_open = io_position_open,
	    .ready = io_ready,
	    .begin = io_begin,
	    .put = io_put,
	    .position = io_position,
	    .commit = io_commit,
	    .backout = io_backout,
	    .undelivered = &undelivered,
	    .arg = a};

	struct receiver_def def;

	if (!a->dialled) {
		receiver_init(&a->r, &io, a->sim->now_us / 1000);
		return;
	}
	fill_def(a, &def);
	receiver_init_dialled(&a->r, &def, &io, a->sim->now_us / 1000);
}

void
sim_recv_fini(struct sim_agent *a)
{
	struct sim_unit *u;
	struct sim_put *p;

	/* the connection is gone: what it backs out is only forgotten */
	receiver_fini(&a->r);
	while ((u = TAILQ_FIRST(&a->units)) != NULL)
		unit_free(a, u);
	while ((p = TAILQ_FIRST(&a->puts)) != NULL) {
		TAILQ_REMOVE(&a->puts, p, link);
		free(p);
	}
}

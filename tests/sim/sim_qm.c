/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_qm.c - a queue manager of the simulation (sim.h): the engine on the
 * simulated store (sim_store.h), turned by hand as qmgr/turn.c turns it.
 *
 * A second store, the twin, is given each batch at the moment at which it
 * becomes durable: it shows what a power cut now would leave, and the audit
 * reads it without disturbing anything.
 *
 * A crash ends every session.  Its recovery must find all durable batches and
 * perhaps the one that was under way, whole; what it makes of them must be
 * what the twin has (sim_compare.c).
 */
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_store.h"

#define WALL_US UINT64_C(1700000000000000)

/* ---- what is durable ---- */

static void
note_position(struct sim_qm *qm, const struct record_position *v)
{
	struct sim *s = qm->sim;
	char hex[33];

	for (unsigned i = 0; i < s->n_qms; i++) {
		channel_hex(s->qms[i].qmid, hex);
		if (strcmp(hex, v->partner) != 0)
			continue;
		if (v->fence == 0) {
			qm->forgotten[i] = qm->positions[i];
			qm->positions[i] = qm->fences[i] = 0;
			continue;
		}
		if (v->position < qm->positions[i] || v->fence < qm->fences[i])
			sim_fail(s, "%s: the position of %s went back",
			    qm->name, s->qms[i].name);
		qm->positions[i] = v->position;
		qm->fences[i] = v->fence;
	}
}

static void
note_batch(struct sim_qm *qm, const struct mqref *records)
{
	struct record r;

	for (size_t at = 0; at < records->len; at += r.size) {
		if (record_decode(records->data + at, records->len - at, &r) !=
		    MQI_OK) {
			sim_fail(
			    qm->sim, "%s: a record cannot be read", qm->name);
			return;
		}
		if (r.type == RECORD_POSITION)
			note_position(qm, &r.u.position);
	}
}

/* The oldest batch that was not durable is now. */
static void
twin_take(struct sim_qm *qm)
{
	struct sim_batch *b = STAILQ_FIRST(&qm->undurable);
	struct store_batch *copy = store_batch_new(b->number);

	MQ_PRE(b->number == qm->durable + 1);
	STAILQ_REMOVE_HEAD(&qm->undurable, link);
	qm->durable = b->number;
	note_batch(qm, b->records);
	mqbuf_put(&copy->records, b->records->data, b->records->len);
	(void)qm->twin->ops->submit(qm->twin, copy, false);
	(void)mqref_unref(b->records);
	free(b);
}

/* Up to what the store has. */
static void
twin_follow(struct sim_qm *qm)
{
	while (qm->durable < sim_store_durable(qm->store))
		twin_take(qm);
}

static void
drop_undurable(struct sim_qm *qm)
{
	struct sim_batch *b;

	while ((b = STAILQ_FIRST(&qm->undurable)) != NULL) {
		STAILQ_REMOVE_HEAD(&qm->undurable, link);
		(void)mqref_unref(b->records);
		free(b);
	}
}

/* ---- the engine's ops and the store's events ---- */

static void
on_submit(void *ctx, struct store_batch *b)
{
	struct sim_qm *qm = ctx;
	struct sim_batch *k = mqmem_alloc(sizeof(*k));
	const bool alone = sim_roll(qm->sim, 8) != 0;

	k->number = qm->submitted = b->number;
	k->records = mqref_copy(b->records.data, b->records.len);
	STAILQ_INSERT_TAIL(&qm->undurable, k, link);
	engine_alone(qm->e, alone);
	(void)qm->store->ops->submit(qm->store, b, alone);
	twin_follow(qm);
}

static void
on_hurry(void *ctx, uint64_t number)
{
	struct sim_qm *qm = ctx;

	qm->store->ops->hurry(qm->store, number);
}

static void
on_load(void *ctx, struct store_load *l)
{
	struct sim_qm *qm = ctx;

	qm->store->ops->load(qm->store, l);
}

static void
on_stream_work(void *ctx, const char *queue)
{
	struct sim_qm *qm = ctx;

	for (unsigned i = 0; i < qm->sim->n_qms; i++) {
		if (strcmp(queue, qm->sim->qms[i].name) == 0)
			qm->work[i] = true;
	}
}

static const struct engine_ops sim_ops = {
    .reply = sim_conn_reply,
    .submit = on_submit,
    .hurry = on_hurry,
    .load = on_load,
    .stream_work = on_stream_work,
};

static void
on_durable(void *ctx, uint64_t number)
{
	struct sim_qm *qm = ctx;

	if (number > qm->told) {
		qm->told = number;
		engine_durable(qm->e, number);
	}
}

static void
on_applied(void *ctx, uint64_t number)
{
	engine_applied(((struct sim_qm *)ctx)->e, number);
}

static void
on_loaded(void *ctx, struct store_load *l)
{
	engine_loaded(((struct sim_qm *)ctx)->e, l);
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	struct sim_qm *qm = ctx;

	SIM_TRACE(qm->sim, "%s: the store has failed: %s", qm->name, why);
	if (err != MQI_E_IO || !qm->bad_flush)
		sim_fail(qm->sim, "%s: the store fails: %s: %s", qm->name,
		    mqi_strerror(err), why);
	qm->dying = true;
}

static void
poll_store(struct sim_qm *qm)
{
	const struct store_events ev = {
	    .durable = on_durable,
	    .applied = on_applied,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = qm,
	};

	if (qm->sim->sabotage == SIM_REPLY_EARLY)
		on_durable(qm, qm->submitted);
	qm->store->ops->poll(qm->store, &ev);
}

static bool
step_store(struct sim_qm *qm, unsigned what)
{
	bool moved;

	switch (what) {
	case 0:
		moved = sim_store_make_durable(qm->store);
		twin_follow(qm);
		return moved;
	case 1:
		return sim_store_apply(qm->store);
	case 2:
		return sim_store_read_load(qm->store);
	default:
		return sim_store_answer_load(qm->store);
	}
}

/* ---- definitions ---- */

static void
set_attr(struct mqattr_set *set, enum mqattr_object type, const char *key,
    const char *value)
{
	char why[256] = "";

	MQ_INVARIANT(mqattr_set_text(set, mqattr_find(type, key)->id, value,
			 why, sizeof(why)) == MQI_OK);
}

static uint64_t
define_local(struct sim_qm *qm, const char *name, const char *usage)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_QLOCAL);
	char depth[16];
	uint64_t pos;

	set_attr(set, MQATTR_QLOCAL, "USAGE", usage);
	set_attr(set, MQATTR_QLOCAL, "MSGDLVSQ",
	    sim_roll(qm->sim, 2) ? "FIFO" : "PRIORITY");
	if (qm->sim->shallow) {
		(void)snprintf(
		    depth, sizeof(depth), "%u", 2 + sim_roll(qm->sim, 30));
		set_attr(set, MQATTR_QLOCAL, "MAXDEPTH", depth);
	}
	MQ_INVARIANT(
	    engine_object_set(qm->e, MQATTR_QLOCAL, name, set, &pos) == MQI_OK);
	(void)mqattr_set_free(set);
	return engine_object_find(qm->e, MQATTR_QLOCAL, name)->id;
}

/* An alias of a queue manager that is not a neighbour. */
static void
define_alias(struct sim_qm *qm, const char *name, const char *xmitq)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_QREMOTE);
	uint64_t pos;

	set_attr(set, MQATTR_QREMOTE, "RQMNAME", name);
	set_attr(set, MQATTR_QREMOTE, "XMITQ", xmitq);
	MQ_INVARIANT(engine_object_set(
			 qm->e, MQATTR_QREMOTE, name, set, &pos) == MQI_OK);
	(void)mqattr_set_free(set);
}

static void
define_all(struct sim_qm *qm)
{
	struct sim *s = qm->sim;
	char name[8];

	for (unsigned q = 0; q < SIM_QUEUES; q++) {
		if (q % s->n_qms != qm->index)
			continue;
		(void)snprintf(name, sizeof(name), "Q%u", q);
		qm->queue_ids[q] = define_local(qm, name, "NORMAL");
	}
	for (unsigned i = 0; i < s->n_qms; i++) {
		unsigned next = s->next[qm->index][i];

		if (i == qm->index)
			continue;
		if (next == i)
			qm->xmitq_ids[i] =
			    define_local(qm, s->qms[i].name, "XMITQ");
		else
			define_alias(qm, s->qms[i].name, s->qms[next].name);
	}
}

static void
widen_all(struct sim_qm *qm)
{
	const struct engine_object *o =
	    engine_object_next(qm->e, MQATTR_QLOCAL, NULL);
	uint64_t pos;

	qm->widen = false;
	for (; o != NULL; o = engine_object_next(qm->e, MQATTR_QLOCAL, o)) {
		struct mqattr_set *set = mqattr_set_copy(o->attrs);

		set_attr(set, MQATTR_QLOCAL, "MAXDEPTH", "5000");
		MQ_INVARIANT(engine_object_set(qm->e, MQATTR_QLOCAL, o->name,
				 set, &pos) == MQI_OK);
		(void)mqattr_set_free(set);
	}
}

/* ---- life ---- */

bool
sim_qm_is_up(const struct sim_qm *qm)
{
	return qm->e != NULL && engine_is_ready(qm->e);
}

/* Recovery: the store must have all that was durable, and at most one batch
 * more. */
static bool
open_store(struct sim_qm *qm)
{
	uint64_t last;

	if (!sim_store_open(qm->store))
		return false;
	last = qm->store->ops->last_batch(qm->store);
	if (last < qm->durable ||
	    last > qm->durable + (STAILQ_EMPTY(&qm->undurable) ? 0 : 1)) {
		sim_fail(qm->sim,
		    "%s: recovery ends with batch %llu, but %llu "
		    "was the last durable one",
		    qm->name, (unsigned long long)last,
		    (unsigned long long)qm->durable);
		return false;
	}
	twin_follow(qm);
	drop_undurable(qm);
	qm->twin = store_mem_crash(qm->twin, 0);
	sim_compare(qm);
	return !qm->sim->failed;
}

void
sim_qm_start(struct sim_qm *qm)
{
	enum mqi_err err;

	MQ_PRE(qm->e == NULL);
	if (!open_store(qm))
		return;
	for (unsigned i = 0; i < 16; i++)
		qm->config.incarnation[i] =
		    (uint8_t)(1 + sim_roll(qm->sim, 255));
	qm->submitted = qm->told = qm->durable;
	qm->dying = qm->bad_flush = false;
	qm->widen = qm->sim->healing;
	memset(qm->work, 0, sizeof(qm->work));
	err = engine_new(&qm->config, &sim_ops, qm, qm->store, &qm->e);
	if (err != MQI_OK) {
		sim_fail(qm->sim, "%s does not start: %s", qm->name,
		    mqi_strerror(err));
		return;
	}
	SIM_TRACE(qm->sim, "%s starts after batch %llu", qm->name,
	    (unsigned long long)qm->submitted);
}

void
sim_qm_init(struct sim_qm *qm, struct sim *sim, unsigned index)
{
	struct engine_config *c = &qm->config;

	memset(qm, 0, sizeof(*qm));
	qm->sim = sim;
	qm->index = index;
	TAILQ_INIT(&qm->conns);
	STAILQ_INIT(&qm->undurable);
	(void)snprintf(qm->name, sizeof(qm->name), "QM%u", index + 1);
	memset(qm->qmid, (int)(index + 1), sizeof(qm->qmid));
	strcpy(c->name, qm->name);
	memcpy(c->qmid, qm->qmid, sizeof(c->qmid));
	/* small, so that every path is walked */
	c->window_rows = 2 + sim_roll(sim, 40);
	c->window_bytes = 500 + sim_roll(sim, 50000);
	c->unit_bytes = 500 + sim_roll(sim, 20000);
	c->np_bytes = 2000 + sim_roll(sim, 200000);
	c->out_bytes = 1000 + sim_roll(sim, 100000);
	qm->store = sim_store_new(sim, qm->name);
	qm->twin = store_mem_new(true);
	while (qm->e == NULL && !sim->failed)
		sim_qm_start(qm);
}

/* When all names and ids are known. */
void
sim_qm_define(struct sim_qm *qm)
{
	sim_qm_settle(qm);
	define_all(qm);
	/* a batch that nobody waits for goes after 10 ms */
	qm->sim->now_us += 20000;
	sim_qm_settle(qm);
}

void
sim_qm_crash(struct sim_qm *qm, bool power)
{
	struct sim *s = qm->sim;

	SIM_TRACE(s, "%s %s", qm->name, power ? "loses power" : "is killed");
	sim_conn_cut_all(qm, !power);
	qm->e = engine_free(qm->e);
	sim_store_crash(qm->store, power);
	qm->crashes++;
	s->crashes++;
}

void
sim_qm_fail_flush(struct sim_qm *qm)
{
	SIM_TRACE(qm->sim, "%s: the next flush will fail", qm->name);
	qm->bad_flush = true;
	sim_store_fail_flush(qm->store, true);
}

void
sim_qm_turn_room(struct sim_qm *qm)
{
	sim_store_set_room(qm->store, !qm->store->ops->has_room(qm->store));
}

void
sim_qm_mend(struct sim_qm *qm)
{
	sim_store_fail_flush(qm->store, false);
	sim_store_set_room(qm->store, true);
	qm->widen = true;
}

/* The position at `there` of what is sent from here, if all that it has is
 * acknowledged, durably. */
static void
forget_position(struct sim_qm *qm, struct sim_qm *there)
{
	struct engine_stream_status st;
	uint64_t pos;
	char hex[33];

	if (qm->bad_flush || !sim_qm_is_up(there) ||
	    engine_stream_status(qm->e, there->name, &st) != MQI_OK ||
	    st.acked == 0 || st.acked != there->positions[qm->index])
		return;
	sim_qm_settle(qm);
	qm->sim->now_us += 20000;
	sim_qm_settle(qm);
	channel_hex(qm->qmid, hex);
	if (engine_position_forget(there->e, hex, st.stream, st.acked, &pos) !=
	    MQI_OK)
		return;
	qm->sim->forgotten++;
	SIM_TRACE(qm->sim, "%s: the position of %s is forgotten", there->name,
	    qm->name);
}

void
sim_qm_resolve(struct sim_qm *qm, unsigned to)
{
	const char *xmitq = qm->sim->qms[to].name;
	uint64_t pos;
	enum mqi_err err;

	if (!sim_qm_is_up(qm) || qm->xmitq_ids[to] == 0)
		return;
	err = engine_stream_resolve(qm->e, xmitq, false, &pos);
	if (err == MQI_E_OBJECT_IN_USE)
		return;
	if (err != MQI_OK)
		sim_fail(qm->sim, "%s: the stream to %s is not resolved: %s",
		    qm->name, xmitq, mqi_strerror(err));
	qm->sim->resolved++;
	SIM_TRACE(qm->sim, "%s: what is in doubt to %s is backed out", qm->name,
	    xmitq);
	if (sim_roll(qm->sim, 2) == 0)
		forget_position(qm, &qm->sim->qms[to]);
}

void
sim_qm_fini(struct sim_qm *qm)
{
	sim_conn_cut_all(qm, false);
	qm->e = engine_free(qm->e);
	drop_undurable(qm);
	if (qm->store != NULL)
		(void)qm->store->ops->close(qm->store);
	if (qm->twin != NULL)
		(void)qm->twin->ops->close(qm->twin);
}

/* ---- turns ---- */

static void
tick(struct sim_qm *qm)
{
	engine_tick(qm->e, qm->sim->now_us, WALL_US + qm->sim->now_us);
}

void
sim_qm_step(struct sim_qm *qm)
{
	struct sim *s = qm->sim;
	struct sim_conn *c;

	if (qm->e == NULL)
		return;
	if (sim_roll(s, 2) == 0) {
		(void)step_store(qm, sim_roll(s, 4));
		return;
	}
	tick(qm);
	if (qm->widen && sim_qm_is_up(qm))
		widen_all(qm);
	for (unsigned i = sim_roll(s, 4); i > 0; i--) {
		c = sim_conn_any(qm);
		if (c != NULL)
			(void)sim_conn_serve(c, 1 + sim_roll(s, 8));
	}
	if (sim_roll(s, 3) != 0)
		engine_turn_end(qm->e);
	if (sim_roll(s, 2) == 0)
		poll_store(qm);
	if (qm->dying) {
		sim_qm_crash(qm, false);
		return;
	}
	for (unsigned i = sim_roll(s, 4); i > 0; i--) {
		c = sim_conn_any(qm);
		if (c != NULL)
			(void)sim_conn_write(c, 1 + sim_roll(s, 12));
	}
	engine_check(qm->e);
}

void
sim_qm_settle(struct sim_qm *qm)
{
	for (bool moved = true; moved;) {
		struct sim_conn *c, *next;

		moved = false;
		tick(qm);
		for (c = TAILQ_FIRST(&qm->conns); c != NULL; c = next) {
			next = sim_conn_next(c);
			moved = sim_conn_write(c, UINT32_MAX) || moved;
			moved = sim_conn_serve(c, UINT32_MAX) || moved;
		}
		engine_turn_end(qm->e);
		for (unsigned i = 0; i < 4; i++)
			moved = step_store(qm, i) || moved;
		moved = moved || sim_store_has_news(qm->store);
		poll_store(qm);
	}
	engine_check(qm->e);
}

uint64_t
sim_qm_depth(const struct sim_qm *qm, const char *queue)
{
	struct engine_queue_status st;

	if (!sim_qm_is_up(qm) ||
	    engine_queue_status(qm->e, queue, &st) != MQI_OK)
		return UINT64_MAX;
	return st.depth;
}

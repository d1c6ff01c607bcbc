/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_qm.c - a queue manager of the simulation (sim.h): the engine on the
 * crash-faithful store, turned by hand as qmgr/turn.c turns it.
 *
 * A second store, the twin, is given each batch at the moment at which it
 * becomes durable: it shows what a power cut now would leave, and the audit
 * reads it without disturbing anything.
 *
 * A crash ends every session and keeps the durable batches and, by chance,
 * some that were under way, whole: a batch that is torn is not there.
 */
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "tests/sim/sim.h"

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

	STAILQ_REMOVE_HEAD(&qm->undurable, link);
	qm->durable = b->number;
	note_batch(qm, b->records);
	mqbuf_put(&copy->records, b->records->data, b->records->len);
	(void)qm->twin->ops->submit(qm->twin, copy, false);
	(void)mqref_unref(b->records);
	free(b);
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

	k->number = qm->submitted = b->number;
	k->records = mqref_copy(b->records.data, b->records.len);
	STAILQ_INSERT_TAIL(&qm->undurable, k, link);
	(void)qm->store->ops->submit(qm->store, b, false);
}

/* Each step is the simulation's. */
static void
on_hurry(void *ctx, uint64_t number)
{
	(void)ctx;
	(void)number;
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

	sim_fail(qm->sim, "%s: the store refuses a record: %s: %s", qm->name,
	    mqi_strerror(err), why);
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
	switch (what) {
	case 0:
		if (!store_mem_make_durable(qm->store))
			return false;
		twin_take(qm);
		return true;
	case 1:
		return store_mem_apply(qm->store);
	case 2:
		return store_mem_read_load(qm->store);
	default:
		return store_mem_answer_load(qm->store);
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
	uint64_t pos;

	set_attr(set, MQATTR_QLOCAL, "USAGE", usage);
	set_attr(set, MQATTR_QLOCAL, "MSGDLVSQ",
	    sim_roll(qm->sim, 2) ? "FIFO" : "PRIORITY");
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
		bool near = i + 1 == qm->index || i == qm->index + 1;

		if (near)
			qm->xmitq_ids[i] =
			    define_local(qm, s->qms[i].name, "XMITQ");
		else if (i != qm->index)
			define_alias(qm, s->qms[i].name, s->qms[1].name);
	}
}

/* ---- life ---- */

bool
sim_qm_is_up(const struct sim_qm *qm)
{
	return qm->e != NULL && engine_is_ready(qm->e);
}

void
sim_qm_start(struct sim_qm *qm)
{
	enum mqi_err err;

	MQ_PRE(qm->e == NULL);
	for (unsigned i = 0; i < 16; i++)
		qm->config.incarnation[i] =
		    (uint8_t)(1 + sim_roll(qm->sim, 255));
	qm->submitted = qm->told = qm->store->ops->last_batch(qm->store);
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
	qm->store = store_mem_new(false);
	qm->twin = store_mem_new(true);
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
sim_qm_crash(struct sim_qm *qm)
{
	struct sim *s = qm->sim;
	struct store_mem_counts n = store_mem_counts(qm->store);
	unsigned extra = n.undurable > 0 ? sim_roll(s, n.undurable + 1) : 0;

	SIM_TRACE(s, "%s crashes: %u of %u batches under way are kept",
	    qm->name, extra, n.undurable);
	sim_conn_cut_all(qm, sim_roll(s, 2) == 0);
	qm->e = engine_free(qm->e);
	for (unsigned i = 0; i < extra; i++)
		twin_take(qm);
	drop_undurable(qm);
	qm->store = store_mem_crash(qm->store, extra);
	qm->twin = store_mem_crash(qm->twin, 0);
	qm->crashes++;
	s->crashes++;
	if (qm->store->ops->last_batch(qm->store) != qm->durable)
		sim_fail(s,
		    "%s: after a crash the last batch is not the last "
		    "durable one",
		    qm->name);
}

void
sim_qm_fini(struct sim_qm *qm)
{
	sim_conn_cut_all(qm, false);
	qm->e = engine_free(qm->e);
	drop_undurable(qm);
	if (qm->store != NULL)
		qm->store->ops->close(qm->store);
	if (qm->twin != NULL)
		qm->twin->ops->close(qm->twin);
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
	for (unsigned i = sim_roll(s, 4); i > 0; i--) {
		c = sim_conn_any(qm);
		if (c != NULL)
			(void)sim_conn_serve(c, 1 + sim_roll(s, 8));
	}
	if (sim_roll(s, 3) != 0)
		engine_turn_end(qm->e);
	if (sim_roll(s, 2) == 0)
		poll_store(qm);
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
		moved = moved || store_mem_counts(qm->store).events > 0;
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

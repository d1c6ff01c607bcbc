/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_audit.c - the invariants of the simulation (sim.h).
 *
 * After every step: what a queue manager has discarded, its partner has
 * durably.  Engines check themselves (engine_check()), positions and fences
 * never go back (sim_qm.c), every body and every reason is the expected one
 * (sim_app.c).
 *
 * The audit asks, at any moment and without disturbing anything: if the power
 * of all hosts failed now, would each acknowledged persistent message be in
 * exactly one place?  Its places are the rows of the twins: of its queue, and
 * of the transmission queues on its way, there without those that the next
 * queue manager's durable position covers.  In the order of arrival they are
 * what the checker calls drained, so it judges order and units, too.
 *
 * The verdict, when all is healed: everything has arrived; real gets drain
 * it; the checker agrees; depths are 0 and the stores hold no body.
 */
#include <string.h>

#include "base/mem.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_store.h"

/* ---- after every step ---- */

static void
check_stream(struct sim *s, struct sim_qm *from, const struct sim_qm *to)
{
	struct engine_stream_status st;

	if (engine_stream_status(from->e, to->name, &st) != MQI_OK)
		return;
	if (st.acked > to->positions[from->index] &&
	    st.acked > to->forgotten[from->index])
		sim_fail(s,
		    "%s has discarded up to %llu, but %s has only %llu "
		    "durably",
		    from->name, (unsigned long long)st.acked, to->name,
		    (unsigned long long)to->positions[from->index]);
}

void
sim_check(struct sim *s)
{
	for (unsigned i = 0; i < s->n_qms; i++) {
		struct sim_qm *qm = &s->qms[i];

		for (unsigned j = 0; j < s->n_qms; j++) {
			if (qm->xmitq_ids[j] != 0 && sim_qm_is_up(qm))
				check_stream(s, qm, &s->qms[j]);
		}
	}
}

/* ---- what is durable ---- */

struct drained {
	struct checker_drained all[SIM_MSGS];
	size_t n;
};

struct rows {
	struct sim *sim;
	struct store_load *load;
};

static void
on_loaded(void *ctx, struct store_load *l)
{
	((struct rows *)ctx)->load = l;
}

static void
on_number(void *ctx, uint64_t number)
{
	(void)ctx;
	(void)number;
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	sim_fail(((struct rows *)ctx)->sim, "the twin fails: %s: %s",
	    mqi_strerror(err), why);
}

/* All rows of a queue, as they are durable. */
static struct store_load *
read_rows(struct sim_qm *qm, uint64_t queue_id)
{
	struct rows r = {.sim = qm->sim};
	const struct store_events ev = {.durable = on_number,
	    .applied = on_number,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = &r};
	struct store_load *l = store_load_new();

	l->kind = STORE_LOAD_ROWS;
	l->queue_id = queue_id;
	l->from_start = true;
	l->max_rows = SIM_MSGS;
	qm->twin->ops->load(qm->twin, l);
	qm->twin->ops->poll(qm->twin, &ev);
	return r.load;
}

/* Adds the persistent rows of a store's queue that go to queue q and stand
 * behind a number. */
static void
add_rows(struct drained *d, struct sim_qm *qm, uint64_t queue_id, unsigned q,
    uint64_t after)
{
	struct store_load *l = read_rows(qm, queue_id);

	for (uint32_t i = 0; l != NULL && i < l->n_rows; i++) {
		const struct store_row *r = &l->rows[i];
		uint32_t id = 0;

		memcpy(&id, r->correl_id, sizeof(id));
		if (id == 0 || id >= qm->sim->n_msgs || r->damaged) {
			sim_fail(
			    qm->sim, "%s: a row that nobody put", qm->name);
			break;
		}
		if (!r->persistent || r->key.seq <= after ||
		    qm->sim->queues[id] != q)
			continue;
		MQ_INVARIANT(d->n < SIM_MSGS);
		d->all[d->n++] = (struct checker_drained){.id = id, .queue = q};
	}
	(void)store_load_free(l);
}

static unsigned
hops(const struct sim *s, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (; from != to; from = s->next[from][to])
		n++;
	return n;
}

/* Along the ways to it, the nearest queue managers first. */
static void
add_queue(struct drained *d, struct sim *s, unsigned q)
{
	unsigned home = q % s->n_qms;

	add_rows(d, &s->qms[home], s->qms[home].queue_ids[q], q, 0);
	for (unsigned n = 1; n < s->n_qms; n++) {
		for (unsigned i = 0; i < s->n_qms; i++) {
			unsigned to = s->next[i][home];

			if (hops(s, i, home) == n)
				add_rows(d, &s->qms[i], s->qms[i].xmitq_ids[to],
				    q, s->qms[to].positions[i]);
		}
	}
}

static void
judge(struct sim *s, const struct drained *d, const char *when)
{
	struct checker_report r;

	if (checker_judge(s->checker, CHECKER_NOW, d->all, d->n, false, &r))
		return;
	(void)checker_judge(s->checker, CHECKER_NOW, d->all, d->n, true, &r);
	sim_fail(s,
	    "%s: lost %u, doubled %u, unexpected %u, torn %u, out of order "
	    "%u",
	    when, r.lost, r.doubled, r.unexpected, r.torn, r.disorder);
}

void
sim_audit(struct sim *s, const char *when)
{
	struct drained *d = mqmem_alloc(sizeof(*d));

	for (unsigned q = 0; q < SIM_QUEUES && !s->failed; q++)
		add_queue(d, s, q);
	if (!s->failed)
		judge(s, d, when);
	s->audits++;
	free(d);
}

/* ---- the verdict ---- */

#define LAST_PUTTER (SIM_APPS - 1u)

struct drainer {
	struct sim *sim;
	struct drained *d;
	unsigned queue;
	uint32_t handle;
	uint32_t desc_len;
	uint32_t len;
	struct mqbuf part;
	bool empty;
};

static void
took(struct drainer *k, const uint8_t *data, uint32_t desc_len, uint32_t len)
{
	uint32_t id =
	    sim_identify(k->sim, data, desc_len, data + desc_len, len);

	if (k->d->n < SIM_MSGS)
		k->d->all[k->d->n++] =
		    (struct checker_drained){.id = id, .queue = k->queue};
}

static void
drainer_reply(void *arg, const struct sim_reply *r)
{
	struct drainer *k = arg;

	switch (r->r.kind) {
	case ENGINE_OPENED:
		k->handle = r->r.handle;
		break;
	case ENGINE_PUT_DONE:
		break;
	case ENGINE_MESSAGE:
		k->desc_len = r->r.u.message.desc_len;
		k->len = r->r.u.message.body_len;
		if (r->r.u.message.inlined) {
			took(k, r->data->data, k->desc_len, k->len);
			break;
		}
		mqbuf_reset(&k->part);
		mqbuf_put(&k->part, r->data->data, k->desc_len);
		break;
	case ENGINE_PIECE:
		mqbuf_put(&k->part, r->data->data, r->r.u.piece.len);
		if (k->part.len == (size_t)k->desc_len + k->len)
			took(k, k->part.data, k->desc_len, k->len);
		break;
	default:
		k->empty = true;
		if (r->r.reason != MQI_E_NO_MSG_AVAILABLE)
			sim_fail(k->sim, "the drain of Q%u ends with %s",
			    k->queue, mqi_strerror(r->r.reason));
		break;
	}
}

static void
drainer_closed(void *arg)
{
	sim_fail(((struct drainer *)arg)->sim, "the drain is cut off");
}

/* An empty message, the last one: its flush takes with it what starts none,
 * as the discards of channels. */
static void
put_last(struct drainer *k, struct sim_conn *c)
{
	struct sim *s = k->sim;
	struct sim_request put = {.handle = k->handle};
	uint32_t id =
	    checker_put_begin(s->checker, LAST_PUTTER, k->queue, true, 0);

	MQ_INVARIANT(id < SIM_MSGS);
	s->lens[id] = 0;
	s->queues[id] = (uint8_t)k->queue;
	s->n_msgs = id + 1;
	put.desc = sim_describe(id, true);
	(void)sim_conn_ask_put(c, &put, "", 0);
	checker_put_end(s->checker, id, CHECKER_DONE);
}

static void
drain_queue(struct sim *s, struct drained *d, unsigned q)
{
	static const struct sim_conn_events ev = {
	    .reply = drainer_reply, .closed = drainer_closed};
	static const struct engine_identity who = {
	    .user = "owner", .app_name = "drain", .is_owner = true};
	struct sim_qm *qm = &s->qms[q % s->n_qms];
	struct drainer k = {.sim = s, .d = d, .queue = q};
	struct sim_request open = {
	    .kind = SIM_OPEN, .options = MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT};
	struct sim_conn *c = sim_conn_new(qm, &who, &ev, &k);

	mqbuf_init(&k.part, SIZE_MAX);
	(void)snprintf(open.object, sizeof(open.object), "Q%u", q);
	(void)sim_conn_ask(c, &open);
	sim_qm_settle(qm);
	(void)sim_conn_read(c, UINT32_MAX);
	put_last(&k, c);
	while (!k.empty && !s->failed) {
		struct sim_request get = {.kind = SIM_GET};

		get.get.handle = k.handle;
		get.get.max_len = UINT32_MAX;
		(void)sim_conn_ask(c, &get);
		sim_qm_settle(qm);
		(void)sim_conn_read(c, UINT32_MAX);
	}
	sim_conn_drop(c);
	sim_qm_settle(qm);
	mqbuf_fini(&k.part);
}

static void
check_empty(struct sim *s, struct sim_qm *qm)
{
	char name[8];

	for (unsigned q = 0; q < SIM_QUEUES; q++) {
		(void)snprintf(name, sizeof(name), "Q%u", q);
		if (q % s->n_qms == qm->index && sim_qm_depth(qm, name) != 0)
			sim_fail(s, "%s: %s is drained, but its depth is %llu",
			    qm->name, name,
			    (unsigned long long)sim_qm_depth(qm, name));
	}
	if (sim_store_bodies(qm->store) != 0)
		sim_fail(s, "%s: the store keeps %llu bodies of no message",
		    qm->name, (unsigned long long)sim_store_bodies(qm->store));
}

void
sim_verdict(struct sim *s)
{
	struct drained *d;

	for (unsigned i = 0; i < s->n_qms; i++)
		sim_qm_settle(&s->qms[i]);
	sim_audit(s, "at the end");
	d = mqmem_alloc(sizeof(*d));
	for (unsigned q = 0; q < SIM_QUEUES && !s->failed; q++)
		drain_queue(s, d, q);
	if (!s->failed)
		judge(s, d, "after the drain");
	free(d);
	for (unsigned i = 0; i < s->n_qms && !s->failed; i++) {
		/* removals that nobody waits for go after 10 ms */
		s->now_us += 20000;
		sim_qm_settle(&s->qms[i]);
		check_empty(s, &s->qms[i]);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_compare.c - whether recovery has led to what was durable (sim.h): the
 * store that was just opened, after checkpoints that left out what was put and
 * removed again, against the twin, which applied every batch.
 *
 * Both are written down as text in one order: the catalog, then each queue's
 * rows with the checksum of every piece of their bodies.
 */
#include <stdarg.h>
#include <string.h>

#include "base/crc32c.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_store.h"

struct dump {
	struct store *store;
	bool held_back; /* its steps are taken one by one */
	struct mqbuf text;
	uint64_t queues[SIM_QUEUES + SIM_QMS];
	unsigned n_queues;
	struct store_load *load; /* answered */
};

static void say(struct dump *d, const char *fmt, ...) MQ_PRINTF(2, 3);

static void
say(struct dump *d, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mqbuf_put(&d->text, line, strlen(line));
}

static unsigned long long
ull(uint64_t v)
{
	return v;
}

/* ---- the catalog ---- */

static void
on_meta(void *ctx, const struct record_meta *v)
{
	say(ctx, "meta %s %08x\n", v->name, mqcrc32c(0, v->value, v->len));
}

static void
on_object(void *ctx, const struct record_object *v)
{
	say(ctx, "object %u %s %llu %08x\n", v->type, v->name, ull(v->id),
	    mqcrc32c(0, v->attrs, v->attrs_len));
}

static void
on_queue(void *ctx, uint64_t id, uint64_t depth, uint64_t bytes)
{
	struct dump *d = ctx;

	say(d, "queue %llu depth %llu bytes %llu\n", ull(id), ull(depth),
	    ull(bytes));
	MQ_INVARIANT(d->n_queues < MQ_ARRAY_LEN(d->queues));
	d->queues[d->n_queues++] = id;
}

static void
on_stream(void *ctx, const struct record_stream *v)
{
	say(ctx, "stream %llu acked %llu incarnations %u bound %s %08x\n",
	    ull(v->queue_id), ull(v->acked), v->n_incarnations,
	    v->bound_identity, mqcrc32c(0, v->stream, sizeof(v->stream)));
}

static void
on_position(void *ctx, const struct record_position *v)
{
	say(ctx, "position of %s is %llu, fence %llu, for %s\n", v->partner,
	    ull(v->position), ull(v->fence), v->identity);
}

/* ---- rows ---- */

static void
on_loaded(void *ctx, struct store_load *l)
{
	((struct dump *)ctx)->load = l;
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
	say(ctx, "failed: %s: %s\n", mqi_strerror(err), why);
}

/* Takes l; the answer is d->load. */
static void
load(struct dump *d, struct store_load *l)
{
	const struct store_events ev = {.durable = on_number,
	    .applied = on_number,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = d};

	d->store->ops->load(d->store, l);
	if (d->held_back)
		MQ_INVARIANT(sim_store_read_load(d->store) &&
			     sim_store_answer_load(d->store));
	d->load = NULL;
	d->store->ops->poll(d->store, &ev);
	MQ_INVARIANT(d->load != NULL);
}

static void
say_body(struct dump *d, const struct store_row *r)
{
	struct store_load *l = store_load_new();

	l->kind = STORE_LOAD_BODY;
	l->body_id = r->body_id;
	l->n_pieces =
	    r->inlined ? 1
		       : 1 + (r->body_len + MQFRAME_PIECE - 1) / MQFRAME_PIECE;
	load(d, l);
	say(d, " body %llu: %s", ull(r->body_id), mqi_strerror(d->load->err));
	for (uint32_t i = 0; d->load->err == MQI_OK && i < l->n_pieces; i++)
		say(d, " %08x",
		    mqcrc32c(
			0, d->load->pieces[i]->data, d->load->pieces[i]->len));
	(void)store_load_free(d->load);
}

static void
say_queue(struct dump *d, uint64_t id)
{
	struct store_load *l = store_load_new();
	struct store_load *rows;

	l->kind = STORE_LOAD_ROWS;
	l->queue_id = id;
	l->from_start = true;
	l->max_rows = SIM_MSGS;
	load(d, l);
	rows = d->load;
	for (uint32_t i = 0; i < rows->n_rows; i++) {
		const struct store_row *r = &rows->rows[i];

		say(d, "row %llu %u %llu backed out %u, %s",
		    ull(r->key.queue_id), r->key.rank, ull(r->key.seq),
		    r->backout_count, r->persistent ? "persistent" : "not");
		say_body(d, r);
		say(d, "\n");
	}
	(void)store_load_free(rows);
}

static void
say_all(struct dump *d, struct store *store, uint64_t batch, bool held_back)
{
	const struct store_catalog c = {.meta = on_meta,
	    .object = on_object,
	    .queue = on_queue,
	    .stream = on_stream,
	    .position = on_position,
	    .ctx = d};

	memset(d, 0, sizeof(*d));
	d->store = store;
	d->held_back = held_back;
	mqbuf_init(&d->text, SIZE_MAX);
	say(d, "batch %llu\n", ull(batch));
	if (store->ops->catalog(store, &c) != MQI_OK)
		say(d, "no catalog\n");
	for (unsigned i = 0; i < d->n_queues; i++)
		say_queue(d, d->queues[i]);
}

void
sim_compare(struct sim_qm *qm)
{
	struct dump is, should;
	uint64_t bodies = sim_store_bodies(qm->store);

	say_all(&is, qm->store, sim_store_durable(qm->store), true);
	say_all(&should, qm->twin, qm->durable, false);
	if (bodies != store_mem_bodies(qm->twin))
		sim_fail(qm->sim,
		    "%s: %llu bodies are recovered instead of %llu", qm->name,
		    ull(bodies), ull(store_mem_bodies(qm->twin)));
	if (is.text.len != should.text.len ||
	    memcmp(is.text.data, should.text.data, is.text.len) != 0) {
		SIM_TRACE(qm->sim, "recovered:\n%.*s", (int)is.text.len,
		    (const char *)is.text.data);
		SIM_TRACE(qm->sim, "durable:\n%.*s", (int)should.text.len,
		    (const char *)should.text.data);
		sim_fail(qm->sim,
		    "%s: recovery leads to something else than "
		    "what was durable",
		    qm->name);
	}
	mqbuf_fini(&is.text);
	mqbuf_fini(&should.text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - batches that fill, fly and become durable, and the replies and
 * deliveries that wait for them: group commit.
 *
 * Records are appended to the last batch of engine.batches.  At most one batch
 * is with the store; engine_turn_end() hands over the next one when the store
 * is free and somebody waits for it, or when it is large, or when 10 ms have
 * passed since its first record.  A batch that has no room for the next run of
 * records is left as it is and another one is begun: engine_accepts() then
 * asks the caller to read no more requests, so that few of them pile up.  While
 * somebody puts one message at a time, the puts of others are parted into small
 * batches (docs/decisions/0020).  The
 * pieces of large messages are stopped much earlier (engine_accepts_from()),
 * so that a small put never waits for more than two MiB of them.
 *
 * What waits for a batch hangs on it, in order; engine_durable() lets it go.
 * A reply whose position is durable is given at once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define PENDING_IDS 64u /* of puts in a reply that waits, at first */

static struct batch *
batch_filling(const struct engine *e)
{
	struct batch *b = TAILQ_LAST(&e->batches, batch_list);

	return b != NULL && b->records != NULL ? b : NULL;
}

uint64_t
batch_number(const struct engine *e)
{
	const struct batch *b = TAILQ_LAST(&e->batches, batch_list);

	if (b == NULL)
		return e->durable + 1;
	return b->records != NULL ? b->number : b->number + 1;
}

static struct batch *
batch_begin(struct engine *e)
{
	const struct batch *last = TAILQ_LAST(&e->batches, batch_list);
	struct batch *b = mqmem_alloc(sizeof(*b));

	b->number = last != NULL ? last->number + 1 : e->durable + 1;
	b->records = store_batch_new(b->number);
	/* room for as much as the last ones had: growing copies all of it */
	(void)mqbuf_reserve(&b->records->records, e->usual_batch + 1);
	b->since = e->mono_us;
	TAILQ_INIT(&b->gated);
	TAILQ_INSERT_TAIL(&e->batches, b, link);
	return b;
}

struct mqbuf *
batch_room(struct engine *e, size_t n)
{
	struct batch *b = batch_filling(e);

	MQ_PRE(n <= STORE_BATCH_MAX);
	if (b == NULL || (b->len > 0 && b->len + n > STORE_BATCH_MAX))
		b = batch_begin(e);
	return &b->records->records;
}

void
batch_part(struct engine *e)
{
	const struct batch *b = batch_filling(e);

	if (b != NULL && b->len >= ENGINE_PART_BYTES &&
	    e->mono_us < e->part_until)
		(void)batch_begin(e);
}

void
engine_alone(struct engine *e, bool alone)
{
	MQ_PRE(e->flushing != NULL);
	if (!alone || e->flushing->n_records > ENGINE_ALONE_RECORDS)
		e->n_alone = 0;
	else if (++e->n_alone >= ENGINE_ALONE_BATCHES)
		e->part_until = e->mono_us + ENGINE_PART_US;
}

uint64_t
batch_appended(struct engine *e)
{
	struct batch *b = batch_filling(e);

	MQ_PRE(b != NULL);
	MQ_INVARIANT(b->records->records.err == MQI_OK);
	MQ_INVARIANT(b->records->records.len > b->len);
	if (b->len == 0)
		b->since = e->mono_us;
	e->queued_bytes += b->records->records.len - b->len;
	b->len = b->records->records.len;
	b->n_records++;
	return b->number;
}

/* One may have been begun for records that were not needed. */
bool
batch_nothing_waits(const struct engine *e)
{
	const struct batch *b = TAILQ_FIRST(&e->batches);

	return b == NULL ||
	       (b->len == 0 && TAILQ_NEXT(b, link) == NULL && b != e->flushing);
}

void
batch_want(struct engine *e)
{
	struct batch *b = batch_filling(e);

	if (b != NULL)
		b->wanted = true;
}

static struct batch *
batch_at(const struct engine *e, uint64_t number)
{
	struct batch *b;

	TAILQ_FOREACH_REVERSE(b, &e->batches, batch_list, link)
	{
		if (b->number == number)
			return b;
	}
	MQ_UNREACHABLE();
}

static void
batch_free(struct batch *b)
{
	(void)store_batch_free(b->records);
	free(b);
}

void
batch_free_all(struct engine *e)
{
	struct batch *b;

	while ((b = TAILQ_FIRST(&e->batches)) != NULL) {
		MQ_PRE(TAILQ_EMPTY(&b->gated));
		TAILQ_REMOVE(&e->batches, b, link);
		batch_free(b);
	}
}

void
batch_want_at(struct engine *e, uint64_t pos)
{
	if (pos > e->durable)
		batch_at(e, pos)->wanted = true;
}

/* ---- what waits ---- */

static void
gate_add(struct engine *e, struct gated *g, uint64_t pos)
{
	struct batch *b = batch_at(e, pos);

	MQ_PRE(g->batch == NULL);
	MQ_INVARIANT(b->len > 0);
	g->batch = b;
	b->wanted = true;
	TAILQ_INSERT_TAIL(&b->gated, g, link);
}

void
gate_drop(struct gated *g)
{
	if (g->batch != NULL) {
		TAILQ_REMOVE(&g->batch->gated, g, link);
		g->batch = NULL;
	}
}

void
gate_handle(struct engine *e, struct handle *h, uint64_t pos)
{
	h->gate.kind = GATED_HANDLE;
	if (h->gate.batch == NULL)
		gate_add(e, &h->gate, pos);
}

void
reply_give(struct engine_session *s, const struct engine_reply *r)
{
	MQ_PRE(!s->ended);
	s->given += r->kind != ENGINE_PUTS_DONE;
	if (s->sink != NULL)
		s->sink(s, r);
	else
		s->e->ops->reply(s->e->ctx, s->cookie, r);
}

void
reply_error(
    struct engine_session *s, uint32_t id, uint32_t handle, enum mqi_err reason)
{
	struct engine_reply r = {.kind = ENGINE_RESULT,
	    .id = id,
	    .reason = reason,
	    .handle = handle};

	if (id != 0)
		reply_give(s, &r);
}

static void *
pending_copy(const void *data, size_t len)
{
	return memcpy(mqmem_alloc(len), data, len);
}

/* Both names, one behind the other. */
static char *
pending_names(const struct engine_reply *r)
{
	size_t a = strlen(r->u.opened.resolved_name) + 1;
	size_t b = strlen(r->u.opened.resolved_qmgr) + 1;
	char *names = mqmem_alloc(a + b);

	memcpy(names, r->u.opened.resolved_name, a);
	memcpy(names + a, r->u.opened.resolved_qmgr, b);
	return names;
}

/* Copies what the reply points to; texts of RESULTs are constants. */
static struct pending *
pending_new(struct engine_session *s, const struct engine_reply *r)
{
	struct pending *p = mqpool_get(&s->e->pendings);

	p->gate.kind = GATED_REPLY;
	p->s = s;
	p->r = *r;
	switch (r->kind) {
	case ENGINE_OPENED:
		p->copy = pending_names(r);
		p->r.u.opened.resolved_name = p->copy;
		p->r.u.opened.resolved_qmgr =
		    (char *)p->copy + strlen(p->copy) + 1;
		break;
	case ENGINE_PUTS_DONE:
		p->copy = mqmem_array(PENDING_IDS, sizeof(uint32_t));
		memcpy(p->copy, r->u.puts.ids, sizeof(uint32_t));
		p->r.u.puts.ids = p->copy;
		break;
	case ENGINE_INQUIRED:
		p->copy = pending_copy(r->u.info, sizeof(*r->u.info));
		p->r.u.info = p->copy;
		break;
	case ENGINE_STREAM:
		p->copy = pending_copy(r->u.stream, sizeof(*r->u.stream));
		p->r.u.stream = p->copy;
		break;
	case ENGINE_EXTERNAL:
		p->r.u.external = mqref_ref(r->u.external);
		break;
	default:
		break;
	}
	return p;
}

static void
pending_free(struct pending *p)
{
	struct engine *e = p->s->e;

	gate_drop(&p->gate);
	TAILQ_REMOVE(&p->s->pending, p, of_session);
	if (p->r.kind == ENGINE_EXTERNAL)
		(void)mqref_unref(p->r.u.external);
	free(p->copy);
	mqpool_put(&e->pendings, p);
}

void
reply_at(struct engine_session *s, const struct engine_reply *r, uint64_t pos)
{
	struct pending *p;

	if (pos <= s->e->durable) {
		reply_give(s, r);
		return;
	}
	p = pending_new(s, r);
	TAILQ_INSERT_TAIL(&s->pending, p, of_session);
	gate_add(s->e, &p->gate, pos);
}

/* Adds to the last reply that waits, if that is of puts of the same batch. */
static bool
pending_join(struct engine_session *s, uint32_t id, uint64_t pos)
{
	struct pending *p = TAILQ_LAST(&s->pending, pending_list);
	uint32_t n, *ids;

	if (p == NULL || p->r.kind != ENGINE_PUTS_DONE ||
	    p->gate.batch->number != pos)
		return false;
	n = p->r.u.puts.n;
	ids = p->copy;
	/* the room doubles whenever a power of two of them fills it */
	if (n >= PENDING_IDS && (n & (n - 1)) == 0)
		ids = mqmem_grow(ids, (size_t)n * 2, sizeof(*ids));
	ids[n] = id;
	p->copy = ids;
	p->r.u.puts.ids = ids;
	p->r.u.puts.n = n + 1;
	return true;
}

void
reply_brief(struct engine_session *s, uint32_t id, uint64_t pos)
{
	struct engine_reply r = {.kind = ENGINE_PUTS_DONE};

	if (pos > s->e->durable && pending_join(s, id, pos))
		return;
	r.u.puts.ids = &id;
	r.u.puts.n = 1;
	reply_at(s, &r, pos);
}

void
reply_drop_all(struct engine_session *s)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&s->pending)) != NULL)
		pending_free(p);
}

void
engine_reply_external(struct engine *e, struct engine_session *s, uint32_t id,
    uint64_t pos, struct mqref *bytes)
{
	struct engine_reply r = {.kind = ENGINE_EXTERNAL, .id = id};

	(void)e;
	r.u.external = bytes;
	reply_at(s, &r, pos);
}

static void
batch_let_go(struct batch *b)
{
	struct gated *g;

	while ((g = TAILQ_FIRST(&b->gated)) != NULL) {
		gate_drop(g);
		if (g->kind == GATED_HANDLE) {
			deliver_pump(MQ_CONTAINER_OF(g, struct handle, gate));
		} else {
			struct pending *p =
			    MQ_CONTAINER_OF(g, struct pending, gate);

			reply_give(p->s, &p->r);
			pending_free(p);
		}
	}
}

/* ---- the store's answers ---- */

static void
unapplied_add(struct engine *e, const struct batch *b)
{
	const size_t cost = b->len + (size_t)b->n_records * ENGINE_ENTRY_COST;
	unsigned i =
	    (e->unapplied_first + e->n_unapplied + UNAPPLIED_PARTS - 1) %
	    UNAPPLIED_PARTS;

	if (e->n_unapplied == 0 || e->unapplied[i].len >= UNAPPLIED_PART) {
		MQ_INVARIANT(e->n_unapplied < UNAPPLIED_PARTS);
		i = (i + 1) % UNAPPLIED_PARTS;
		e->unapplied[i].len = 0;
		e->n_unapplied++;
	}
	e->unapplied[i].number = b->number;
	e->unapplied[i].len += cost;
	e->unapplied_bytes += cost;
	if (e->unapplied_bytes > e->config.unapplied_bytes / 2) {
		/* the older half, and not what may be gone soon */
		i = (e->unapplied_first + e->n_unapplied / 2) % UNAPPLIED_PARTS;
		e->ops->hurry(e->ctx, e->unapplied[i].number);
	}
}

static void
unapplied_drop(struct engine *e, uint64_t number)
{
	while (e->n_unapplied > 0 &&
	       e->unapplied[e->unapplied_first].number <= number) {
		e->unapplied_bytes -= e->unapplied[e->unapplied_first].len;
		e->unapplied_first = (e->unapplied_first + 1) % UNAPPLIED_PARTS;
		e->n_unapplied--;
	}
}

void
engine_durable(struct engine *e, uint64_t number)
{
	struct batch *b = TAILQ_FIRST(&e->batches);

	MQ_PRE(b != NULL && b == e->flushing && b->number == number);
	e->flushing = NULL;
	e->durable = number;
	TAILQ_REMOVE(&e->batches, b, link);
	e->queued_bytes -= b->len;
	if (number > e->applied)
		unapplied_add(e, b);
	batch_let_go(b);
	batch_free(b);
	if (number == e->ready_at)
		stream_work_all(e);
	queue_trim_all(e);
}

void
engine_applied(struct engine *e, uint64_t number)
{
	MQ_PRE(number <= e->durable && number >= e->applied);
	e->applied = number;
	unapplied_drop(e, number);
	queue_applied(e, number);
	deliver_applied(e);
	queue_trim_all(e);
}

/* After many small batches no more room is made than they need. */
static void
batch_expect(struct engine *e, size_t len)
{
	e->usual_batch -= e->usual_batch / 4;
	if (e->usual_batch < len)
		e->usual_batch = len;
	if (e->usual_batch > ENGINE_EAGER_BYTES)
		e->usual_batch = ENGINE_EAGER_BYTES;
}

static bool
batch_is_due(const struct engine *e, const struct batch *b)
{
	if (b->len == 0)
		return false;
	return b->wanted || b->len > ENGINE_EAGER_BYTES ||
	       b->n_records >= ENGINE_BATCH_RECORDS ||
	       b != TAILQ_LAST(&e->batches, batch_list) ||
	       e->mono_us - b->since >= ENGINE_LAZY_US;
}

static bool
batch_store_is_behind(const struct engine *e)
{
	return e->unapplied_bytes > e->config.unapplied_bytes;
}

void
engine_turn_end(struct engine *e)
{
	struct store_batch *records;
	struct batch *b;

	if (e->pubsub != NULL)
		retain_turn(e);
	do {
		trigger_flush(e);
		report_flush(e);
	} while (!TAILQ_EMPTY(&e->due));
	dynamic_flush(e);
	queue_trim_all(e);
	if (e->quiescing && !TAILQ_EMPTY(&e->dirty_streams))
		stream_flush_dirty(e);
	b = TAILQ_FIRST(&e->batches);
	if (b == NULL || e->flushing != NULL || !batch_is_due(e, b) ||
	    batch_store_is_behind(e))
		return;
	stream_flush_dirty(e);
	e->flushing = b;
	records = b->records;
	b->records = NULL;
	batch_expect(e, b->len + b->len / 8);
	e->ops->submit(e->ctx, records);
}

bool
engine_accepts(const struct engine *e)
{
	const struct batch *b = batch_filling(e);
	size_t waiting = e->queued_bytes;

	if (batch_store_is_behind(e))
		return false;
	if (b != NULL && b->n_records >= ENGINE_BATCH_RECORDS)
		return false;
	/* one may fly, and one fill, but not quite to its end */
	if (e->flushing != NULL)
		waiting -= e->flushing->len;
	return waiting < STORE_BATCH_MAX - MQFRAME_MAX_PAYLOAD;
}

bool
engine_accepts_from(const struct engine *e, const struct engine_session *s)
{
	const struct batch *b = batch_filling(e);

	if (!engine_accepts(e))
		return false;
	if (s->incoming == NULL)
		return true;
	return (b == NULL || b->len <= ENGINE_EAGER_BYTES) &&
	       e->unapplied_bytes <= ENGINE_PACE_UNAPPLIED(e);
}

uint64_t
engine_next_tick(const struct engine *e)
{
	const struct batch *b = TAILQ_FIRST(&e->batches);
	uint64_t next = getter_next_deadline(e);

	if (e->n_walking > 0 || retain_has_work(e))
		return e->mono_us;
	if (b != NULL && e->flushing == NULL && b->len > 0 &&
	    !batch_store_is_behind(e) && b->since + ENGINE_LAZY_US < next)
		next = b->since + ENGINE_LAZY_US;
	return next;
}

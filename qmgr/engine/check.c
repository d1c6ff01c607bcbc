/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - the engine's rules as assertions over all that is in memory:
 * tests call engine_check() after each step.  It walks everything, so the
 * daemon does not call it.
 *
 * Queues (queue_check() in queue.c): counters fit the tree; tombstones and
 * entries that the store may not show yet are where they must be; while
 * messages are only in the store, not everything is known.  Here: batches are
 * in order and at most one flies; what waits hangs on a batch that is not
 * durable; sessions' accounts fit their deliveries; lanes are in order.
 */
#include "qmgr/engine/engine_int.h"

static void
check_batches(const struct engine *e)
{
	const struct batch *b;
	uint64_t number = e->durable;
	size_t bytes = 0;

	TAILQ_FOREACH (b, &e->batches, link) {
		MQ_INVARIANT(b->number == number + 1);
		MQ_INVARIANT((b->records == NULL) == (b == e->flushing));
		MQ_INVARIANT(b->len <= STORE_BATCH_MAX);
		number = b->number;
		bytes += b->len;
	}
	MQ_INVARIANT(bytes == e->queued_bytes);
	MQ_INVARIANT(e->applied <= e->durable);
}

static void
check_touched(const struct engine *e)
{
	const struct entry *x;
	uint64_t touch = e->applied;

	TAILQ_FOREACH (x, &e->touched, touched) {
		MQ_INVARIANT(x->touch > e->applied && x->touch >= touch);
		MQ_INVARIANT(x->list == ENTRY_TOUCHED);
		touch = x->touch;
	}
}

static void
check_lane(const struct handle *h)
{
	const struct delivery *d;

	TAILQ_FOREACH (d, &h->lane, in_lane) {
		MQ_INVARIANT(d->state != DELIVERY_GIVEN);
		/* only the first one may have begun */
		MQ_INVARIANT(
		    d->state != DELIVERY_GIVING || d == TAILQ_FIRST(&h->lane));
	}
	d = TAILQ_FIRST(&h->lane);
	if (d != NULL && d->state == DELIVERY_READY)
		MQ_INVARIANT(
		    h->gate.batch != NULL && d->pos > h->s->e->durable);
}

static void
check_ahead(const struct handle *h)
{
	const struct entry *x;
	uint64_t token = 0, bytes = 0;
	uint32_t n = 0;

	TAILQ_FOREACH (x, &h->ahead, owned) {
		MQ_INVARIANT(x->state == ENTRY_LOCKED && x->token > token);
		token = x->token;
		bytes += x->m.body_len;
		n++;
	}
	MQ_INVARIANT(n == h->ahead_msgs && bytes == h->ahead_bytes);
}

static void
check_session(const struct engine_session *s)
{
	const struct delivery *d;
	const struct pending *p;
	const struct handle *h;
	uint64_t used = 0;

	TAILQ_FOREACH (d, &s->deliveries, of_session) {
		used += d->cost;
		MQ_INVARIANT(d->x == NULL || d->x->d == d);
		MQ_INVARIANT(!d->removed || d->kind == DELIVERY_GET);
	}
	MQ_INVARIANT(used == s->out_used);
	TAILQ_FOREACH (p, &s->pending, of_session)
		MQ_INVARIANT(p->gate.batch != NULL);
	for (h = s->handles; h != NULL; h = h->hh.next) {
		check_lane(h);
		check_ahead(h);
	}
	MQ_INVARIANT(s->sent <= s->given);
	if (!TAILQ_EMPTY(&s->stalled))
		MQ_INVARIANT(s->out_used > 0);
}

void
engine_check(const struct engine *e)
{
	const struct engine_session *s;
	const struct queue *q;

	check_batches(e);
	check_touched(e);
	for (q = e->queues; q != NULL; q = q->hh.next)
		queue_check(q);
	LIST_FOREACH (s, &e->sessions, all)
		check_session(s);
}

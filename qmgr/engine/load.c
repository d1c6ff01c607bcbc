/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - rows and bodies from the store.
 *
 * A load says, by its `floor`, which batch it shows at least.  While it is
 * under way no entry that was touched after that batch may leave the tree
 * (load_barrier()), so a row whose place is in the tree is skipped (the tree
 * knows better), and one whose place is not there is still as the store showed
 * it.  What a prefix load showed extends `known`, if that has not been lowered
 * meanwhile; what a reader's load showed becomes the queue's span; what a load
 * by id showed is known to its getter alone, and only at this moment.
 *
 * If the last row has been shown and the tree does not hold as many messages
 * as were counted, the store has lost some: the log says how many, and getters
 * are told 2101.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define LOAD_ID_ROWS 16u
#define LOAD_SPAN_ROWS 64u
#define LOAD_SELECT_ROWS 256u

uint64_t
load_barrier(const struct queue *q)
{
	const struct load *l = TAILQ_FIRST(&q->loads);

	/* asked for in order, so the first one has the lowest floor */
	return l != NULL ? l->floor : q->e->applied;
}

static struct load *
load_new(struct engine *e, enum load_why why)
{
	struct load *l = mqmem_alloc(sizeof(*l));

	l->why = why;
	l->floor = e->applied;
	LIST_INSERT_HEAD(&e->loads, l, all);
	return l;
}

/* Asks for rows behind `after`; the caller fills in what differs. */
static struct store_load *
load_rows(struct load *l, struct queue *q, struct place after)
{
	struct store_load *r = store_load_new();

	l->q = q;
	l->after = after;
	TAILQ_INSERT_TAIL(&q->loads, l, link);
	r->kind = STORE_LOAD_ROWS;
	r->owner = l;
	r->queue_id = q->id;
	r->after = place_key(q, after);
	r->from_start = place_cmp(after, PLACE_START) == 0;
	r->max_rows = q->e->config.window_rows / 2;
	if (r->max_rows == 0)
		r->max_rows = 1;
	r->max_bytes = q->e->config.window_bytes / 2;
	return r;
}

void
load_prefix(struct queue *q)
{
	struct load *l;

	if (q->prefix_load != NULL)
		return;
	l = load_new(q->e, LOAD_PREFIX);
	q->prefix_load = l;
	q->e->ops->load(q->e->ctx, load_rows(l, q, q->known));
}

void
load_span(struct queue *q, struct getter *g, struct place after)
{
	struct load *l = load_new(q->e, LOAD_SPAN);
	struct store_load *r = load_rows(l, q, after);

	MQ_PRE(g->load == NULL);
	l->getter = g;
	g->load = l;
	if (g->kind == GETTER_CURSOR)
		r->max_rows = 1;
	else if (g->selects && r->max_rows > LOAD_SELECT_ROWS)
		r->max_rows = LOAD_SELECT_ROWS;
	else if (g->kind == GETTER_BROWSE && r->max_rows > LOAD_SPAN_ROWS)
		r->max_rows = LOAD_SPAN_ROWS;
	q->e->ops->load(q->e->ctx, r);
}

void
load_by_id(struct queue *q, struct getter *g, struct place after)
{
	struct load *l = load_new(q->e, LOAD_ID);
	struct store_load *r = load_rows(l, q, after);

	MQ_PRE(g->load == NULL);
	l->getter = g;
	g->load = l;
	r->kind = STORE_LOAD_BY_ID;
	r->max_rows = LOAD_ID_ROWS;
	/* few messages share a message id */
	if (g->match_msg) {
		r->id_kind = STORE_ID_MSG;
		memcpy(r->id, g->msg_id, MQI_ID_LEN);
	} else {
		r->id_kind = STORE_ID_CORREL;
		memcpy(r->id, g->correl_id, MQI_ID_LEN);
	}
	q->e->ops->load(q->e->ctx, r);
}

void
load_body(struct delivery *d, uint32_t first, uint32_t n)
{
	struct load *l = load_new(d->q->e, LOAD_BODY);
	struct store_load *r = store_load_new();

	MQ_PRE(d->load == NULL && n > 0 && n <= 16);
	l->d = d;
	d->load = l;
	r->kind = STORE_LOAD_BODY;
	r->owner = l;
	r->body_id = d->m.body_id;
	r->first_piece = first;
	r->n_pieces = n;
	d->q->e->ops->load(d->q->e->ctx, r);
}

void
load_forget_queue(struct queue *q)
{
	struct load *l;

	while ((l = TAILQ_FIRST(&q->loads)) != NULL) {
		TAILQ_REMOVE(&q->loads, l, link);
		l->q = NULL;
		if (l->getter != NULL)
			l->getter->load = NULL;
		l->getter = NULL;
	}
	q->prefix_load = NULL;
}

/* ---- answers ---- */

static void
load_merge_row(struct queue *q, struct store_row *row, uint64_t as_of)
{
	struct place place = {row->key.rank, row->key.seq};
	struct msg m = {0};
	struct entry *x;

	if (queue_entry_at(q, place) != NULL)
		return;
	m.body_id = row->body_id;
	m.desc_len = row->desc_len;
	m.body_len = row->body_len;
	m.body_crc = row->body_crc;
	m.backout_count = row->backout_count;
	memcpy(m.msg_id, row->msg_id, MQI_ID_LEN);
	memcpy(m.correl_id, row->correl_id, MQI_ID_LEN);
	m.persistent = row->persistent;
	m.in_store = true;
	m.staged = !row->inlined;
	if (row->data != NULL)
		m.data = mqref_ref(row->data);
	else if (row->head != NULL)
		m.head = mqref_ref(row->head);
	msg_loaded(&m, row->data != NULL ? row->data : row->head);
	x = entry_add(q, place, &m, as_of);
	if (row->damaged) {
		mqlog(MQLOG_ERROR, "message.damaged",
		    "queue %s: a message (number %llu) cannot be read and is "
		    "set aside",
		    q->object->name, (unsigned long long)place.seq);
		entry_damage(x, true);
	}
}

static void
load_count(struct queue *q)
{
	uint64_t missing;

	MQ_INVARIANT(q->n_live <= q->depth);
	missing = q->depth - q->n_live;
	if (missing == 0)
		return;
	mqlog(MQLOG_ERROR, "queue.damaged",
	    "queue %s: the store has lost %llu of %llu messages",
	    q->object->name, (unsigned long long)missing,
	    (unsigned long long)q->depth);
	q->depth = q->n_live;
	q->damaged = true;
	q->damage_reports++;
}

/* More than were counted, in a damaged store. */
static void
load_count_more(struct queue *q)
{
	if (q->n_live <= q->depth)
		return;
	mqlog(MQLOG_ERROR, "queue.damaged",
	    "queue %s: the store has more messages than the %llu it counted",
	    q->object->name, (unsigned long long)q->depth);
	q->depth = q->n_live;
	q->damaged = true;
}

static void
load_drop_row(struct store_row *row)
{
	(void)mqref_unref(row->data);
	(void)mqref_unref(row->head);
}

/* Rows behind the first ones that came without their bytes are better asked
 * for again, when they are wanted, with them. */
static void
load_cut(struct store_load *r)
{
	for (uint32_t i = 1; i < r->n_rows; i++) {
		const struct store_row *row = &r->rows[i];

		if (!row->inlined || row->data != NULL || row->damaged)
			continue;
		while (r->n_rows > i)
			load_drop_row(&r->rows[--r->n_rows]);
		r->end = false;
	}
}

/* What the rows let us know, from l->after on. */
static struct find_span
load_span_shown(const struct load *l, const struct store_load *r)
{
	struct find_span s = {.from = l->after, .to = l->after};

	if (r->end)
		s.to = PLACE_END;
	else if (r->n_rows > 0)
		s.to = (struct place){r->rows[r->n_rows - 1].key.rank,
		    r->rows[r->n_rows - 1].key.seq};
	return s;
}

/* The span is what lies behind the cursor of the reader who asked last: rows
 * that were of no use to it (locked) are passed, and those before it go. */
static void
load_extend_span(struct queue *q, const struct getter *g, struct find_span s)
{
	struct place cursor = g != NULL ? getter_after(g) : s.from;

	if (place_cmp(s.from, q->span_to) != 0)
		q->span_from = s.from;
	else if (place_cmp(q->span_from, cursor) < 0)
		q->span_from = cursor;
	q->span_to = s.to;
}

static void
load_merge(struct queue *q, struct load *l, struct store_load *r,
    struct find_span *ret_shown)
{
	struct find_span s = load_span_shown(l, r);

	for (uint32_t i = 0; i < r->n_rows; i++)
		load_merge_row(q, &r->rows[i], r->as_of);
	load_count_more(q);
	if (l->why != LOAD_ID && place_cmp(s.from, q->known) <= 0 &&
	    place_cmp(q->known, s.to) < 0 &&
	    (l->why == LOAD_PREFIX || r->end)) {
		q->known = s.to;
		if (r->end)
			load_count(q);
	}
	if (q->n_live == q->depth)
		q->known = PLACE_END;
	if (l->why == LOAD_SPAN && place_cmp(s.from, s.to) < 0) {
		load_extend_span(q, l->getter, s);
	}
	*ret_shown = s;
}

static void
load_rows_done(struct queue *q, struct load *l, struct store_load *r)
{
	struct find_span shown = {PLACE_START, PLACE_START};
	struct getter *g = l->getter;

	TAILQ_REMOVE(&q->loads, l, link);
	if (q->prefix_load == l)
		q->prefix_load = NULL;
	if (g != NULL)
		g->load = NULL;
	queue_trim_later(q);
	if (r->err != MQI_OK) {
		if (g != NULL)
			getter_fail(g, r->err);
		else if (l->why == LOAD_PREFIX)
			queue_fail_getters(q, r->err);
		return;
	}
	load_cut(r);
	load_merge(q, l, r, &shown);
	if (g != NULL)
		getter_loaded(g, &shown);
	queue_serve(q);
}

void
engine_loaded(struct engine *e, struct store_load *r)
{
	struct load *l = r->owner;

	LIST_REMOVE(l, all);
	if (l->why == LOAD_BODY) {
		if (l->d != NULL) {
			l->d->load = NULL;
			deliver_loaded(l->d, r);
		}
	} else if (l->q != NULL) {
		load_rows_done(l->q, l, r);
	}
	free(l);
	(void)store_load_free(r);
	queue_trim_all(e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.c - getters: those who want a message, and who gets which.
 *
 * A getter is a get that may wait, a read-ahead window, a browse, a get under
 * the cursor, or a stream's sender.  Gets of any message and read-ahead stand
 * in one line per queue, first come first served; gets by id wait in a tree
 * by (id, arrival) and go before the line for the message that they name;
 * browsers, cursors and senders ("readers") look for the next one behind
 * their cursor.  One message wakes one getter, in O(log n).
 *
 * Getters whose handle has a selector wait nowhere of these: select.c.
 *
 * A getter whose session has too much unsent is stalled, and restarted with
 * its old place in line by engine_sent().  One that needs rows from the store
 * waits for the load; a get that does not wait is answered 2033 only when the
 * tree is known to hold everything that could fit.
 */
#include <string.h>

#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

static int
getter_timer_cmp(const struct getter *a, const struct getter *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline ? -1 : 1;
	if (a->arrival != b->arrival)
		return a->arrival < b->arrival ? -1 : 1;
	return 0;
}

/* By what it names (the message id, if both), then who came first. */
static int
getter_id_cmp(const struct getter *a, const struct getter *b)
{
	int c;

	if (a->match_msg != b->match_msg)
		return a->match_msg ? -1 : 1;
	c = a->match_msg ? memcmp(a->msg_id, b->msg_id, MQI_ID_LEN)
			 : memcmp(a->correl_id, b->correl_id, MQI_ID_LEN);
	if (c != 0)
		return c;
	if (a->arrival != b->arrival)
		return a->arrival < b->arrival ? -1 : 1;
	return 0;
}

MQ_RB_GENERATE(getter_timer_tree, getter, timer, getter_timer_cmp)
MQ_RB_GENERATE(getter_id_tree, getter, id_node, getter_id_cmp)

bool
getter_has_match(const struct getter *g)
{
	return g->match_msg || g->match_correl;
}

static bool
getter_is_reader(const struct getter *g)
{
	return g->kind != GETTER_GET && g->kind != GETTER_AHEAD;
}

struct getter *
getter_new(struct handle *h, enum getter_kind kind, uint32_t id)
{
	struct getter *g = mqpool_get(&h->s->e->getters);

	g->h = h;
	g->q = h->q;
	g->kind = kind;
	g->id = id;
	g->arrival = ++h->s->e->arrivals;
	LIST_INSERT_HEAD(&h->getters, g, of_handle);
	g->selects = h->selector != NULL && kind != GETTER_CURSOR;
	if (g->selects)
		select_begin(g);
	if (id != 0)
		HASH_ADD(hh, h->s->getters, id, sizeof(g->id), g);
	return g;
}

void
getter_rest(struct getter *g)
{
	switch (g->where) {
	case GETTER_ANY:
		TAILQ_REMOVE(&g->q->any, g, link);
		if (g->hurried)
			g->q->n_hurried--;
		break;
	case GETTER_BY_ID:
		RB_REMOVE(getter_id_tree, &g->q->by_id, g);
		break;
	case GETTER_READERS:
		TAILQ_REMOVE(&g->q->readers, g, link);
		break;
	case GETTER_STALLED:
		TAILQ_REMOVE(&g->h->s->stalled, g, link);
		break;
	case GETTER_WALKING:
		TAILQ_REMOVE(&g->q->e->walking, g, link);
		g->q->e->n_walking--;
		break;
	case GETTER_WAITING:
	case GETTER_NOWHERE:
		break;
	}
	g->where = GETTER_NOWHERE;
}

static void
getter_search(struct getter *g, bool on)
{
	if (g->searching == on)
		return;
	g->searching = on;
	g->q->n_searching += on ? 1 : UINT32_MAX;
}

static void
getter_stop_timer(struct getter *g)
{
	if (g->timed)
		RB_REMOVE(getter_timer_tree, &g->h->s->e->timers, g);
	g->timed = false;
}

struct getter *
getter_free(struct getter *g)
{
	if (g == NULL)
		return NULL;
	getter_rest(g);
	getter_search(g, false);
	getter_stop_timer(g);
	if (g->selects)
		select_end(g);
	if (g->load != NULL)
		g->load->getter = NULL;
	if (g->h->reader == g)
		g->h->reader = NULL;
	if (g->h->lookout == g)
		g->h->lookout = NULL;
	LIST_REMOVE(g, of_handle);
	if (g->id != 0)
		HASH_DEL(g->h->s->getters, g);
	if (g->unit != 0)
		unit_count_getter(g->h->s, g->unit, false);
	mqpool_put(&g->q->e->getters, g);
	return NULL;
}

void
getter_fail(struct getter *g, enum mqi_err reason)
{
	struct engine_session *s = g->h->s;
	uint32_t handle = g->h->id;
	uint32_t id = g->id;

	if (reason == MQI_E_NO_MSG_AVAILABLE && g->h->watching &&
	    !g->match_msg && !g->match_correl) {
		g->h->watch_missed = true;
		queue_trim_later(g->q);
	}
	(void)getter_free(g);
	reply_error(s, id, handle, reason);
}

void
getter_set_deadline(struct getter *g, uint64_t deadline)
{
	g->deadline = deadline;
	g->timed = true;
	RB_INSERT(getter_timer_tree, &g->h->s->e->timers, g);
}

uint64_t
getter_next_deadline(const struct engine *e)
{
	const struct getter *g = RB_ROOT(&e->timers);

	while (g != NULL && RB_LEFT(g, timer) != NULL)
		g = RB_LEFT(g, timer);
	return g != NULL ? g->deadline : ENGINE_NEVER;
}

void
getter_join(struct getter *g)
{
	struct getter *p = TAILQ_LAST(&g->q->any, getter_list);

	while (p != NULL && p->arrival > g->arrival)
		p = TAILQ_PREV(p, getter_list, link);
	if (p != NULL)
		TAILQ_INSERT_AFTER(&g->q->any, p, g, link);
	else
		TAILQ_INSERT_HEAD(&g->q->any, g, link);
	g->where = GETTER_ANY;
	if (g->hurried)
		g->q->n_hurried++;
}

void
getter_stall(struct getter *g)
{
	getter_rest(g);
	getter_search(g, false);
	g->where = GETTER_STALLED;
	TAILQ_INSERT_TAIL(&g->h->s->stalled, g, link);
}

/* Why a get of the queue must not go on; OK: it may. */
static enum mqi_err
getter_refusal(const struct getter *g)
{
	if (g->kind == GETTER_AHEAD || g->kind == GETTER_STREAM ||
	    g->kind == GETTER_LOOKOUT)
		return MQI_OK;
	if (g->q->e->quiescing)
		return MQI_E_Q_MGR_STOPPING;
	if (g->q->is_doomed)
		return MQI_E_Q_DELETED;
	return g->q->attr.get_ok ? MQI_OK : MQI_E_GET_INHIBITED;
}

/* Nothing fits, and nothing in the store does. */
static void
getter_wait(struct getter *g)
{
	getter_search(g, false);
	if (g->hurried) {
		getter_fail(g, MQI_E_NO_MSG_AVAILABLE);
	} else if (getter_is_reader(g)) {
		if (g->where == GETTER_READERS)
			return;
		getter_rest(g);
		g->where = GETTER_READERS;
		TAILQ_INSERT_TAIL(&g->q->readers, g, link);
	} else {
		getter_rest(g);
		g->where = GETTER_BY_ID;
		RB_INSERT(getter_id_tree, &g->q->by_id, g);
	}
}

void
getter_load(struct getter *g, struct place from)
{
	getter_rest(g);
	if (g->load != NULL)
		return;
	if (getter_has_match(g))
		load_by_id(g->q, g, from);
	else
		load_span(g->q, g, from);
}

static void
cursor_try(struct getter *g, const struct find_span *extra)
{
	struct place at = g->h->cursor;
	struct place before = {at.rank, at.seq - 1};
	struct entry *x = NULL;
	struct place from = PLACE_END;
	enum find_result r = expire_find(g->q, before, NULL, extra, &x, &from);

	if (r == FIND_FOUND && place_cmp(x->place, at) == 0)
		(void)get_take(g, x);
	else if (r == FIND_LOAD && place_cmp(from, at) < 0)
		getter_load(g, from);
	else
		getter_fail(g, MQI_E_NO_MSG_UNDER_CURSOR);
}

struct place
getter_after(const struct getter *g)
{
	if (g->selects)
		return g->looked;
	if (g->kind == GETTER_STREAM)
		return (struct place){0, g->h->stream_next};
	if (g->kind == GETTER_BROWSE && g->h->has_cursor)
		return g->h->cursor;
	return PLACE_START;
}

/* One that is not in the line looks for its message. */
static void
getter_try(struct getter *g, const struct find_span *extra)
{
	struct handle *h = g->h;
	struct entry *x = NULL;
	struct place from = PLACE_START;
	bool is_stream = g->kind == GETTER_STREAM;

	if (g->kind == GETTER_CURSOR) {
		cursor_try(g, extra);
		return;
	}
	do {
		if (session_is_full(h->s)) {
			getter_stall(g);
			return;
		}
		switch (
		    expire_find(g->q, getter_after(g), g, extra, &x, &from)) {
		case FIND_FOUND:
			getter_search(g, false);
			if (is_stream && !ahead_has_credit(h, x)) {
				getter_rest(g);
				return;
			}
			(void)get_take(g, x);
			break;
		case FIND_LOAD:
			getter_load(g, from);
			return;
		case FIND_NONE:
			getter_wait(g);
			return;
		}
	} while (is_stream && h->reader == g);
}

/* Without a walk along the line of those who wait. */
static bool
getter_finds_nothing(const struct getter *g)
{
	struct entry *x = NULL;
	struct place from;

	return g->hurried && g->q->damage_reports == 0 &&
	       expire_find(g->q, PLACE_START, NULL, NULL, &x, &from) ==
		   FIND_NONE;
}

void
getter_start(struct getter *g)
{
	enum mqi_err err = getter_refusal(g);

	getter_rest(g);
	if (g->load != NULL)
		return;
	if (err != MQI_OK) {
		getter_fail(g, err);
	} else if (g->selects) {
		select_start(g);
	} else if (session_is_full(g->h->s)) {
		getter_stall(g);
	} else if (getter_is_reader(g) || getter_has_match(g)) {
		getter_try(g, NULL);
	} else if (getter_finds_nothing(g)) {
		getter_fail(g, MQI_E_NO_MSG_AVAILABLE);
	} else {
		struct queue *q = g->q;

		getter_join(g);
		queue_serve(q);
	}
}

void
getter_loaded(struct getter *g, const struct find_span *shown)
{
	enum mqi_err err = getter_refusal(g);

	if (err != MQI_OK) {
		getter_fail(g, err);
		return;
	}
	if (g->selects) {
		select_look(g, shown);
		return;
	}
	/* others' loads must not undo what this search has seen */
	if (g->searching && place_cmp(g->shown.to, shown->from) == 0)
		g->shown.to = shown->to;
	else
		g->shown = *shown;
	getter_search(g, true);
	getter_try(g, &g->shown);
}

static void
getter_time_out(struct getter *g)
{
	struct queue *q = g->q;

	getter_stop_timer(g);
	if (g->where == GETTER_ANY && !g->hurried) {
		g->hurried = true;
		q->n_hurried++;
		queue_serve(q);
		return;
	}
	g->hurried = true;
	if (g->where == GETTER_BY_ID || g->where == GETTER_READERS ||
	    g->where == GETTER_WAITING)
		getter_fail(g, MQI_E_NO_MSG_AVAILABLE);
}

void
getter_tick(struct engine *e)
{
	struct getter *g;

	while ((g = RB_MIN(getter_timer_tree, &e->timers)) != NULL &&
	       g->deadline <= e->mono_us)
		getter_time_out(g);
}

/* ---- queues serve ---- */

static bool
line_getter_may_go(struct getter *g, const struct entry *x)
{
	if (g->kind == GETTER_AHEAD && !ahead_has_credit(g->h, x)) {
		getter_rest(g);
		return false;
	}
	return true;
}

/* Nothing is left for those who do not wait. */
static void
line_fail_hurried(struct queue *q)
{
	struct getter *g, *next;

	if (q->n_hurried == 0)
		return;
	TAILQ_FOREACH_SAFE (g, &q->any, link, next) {
		if (!g->hurried)
			continue;
		/* the answer tells what a READY would: a message that comes
		 * before the turn's end must be told again */
		g->h->watch_told = false;
		getter_fail(g, MQI_E_NO_MSG_AVAILABLE);
	}
}

/* Messages were set aside or lost: instead of "no message", once each. */
static void
line_report_damage(struct queue *q)
{
	struct getter *g, *next;

	TAILQ_FOREACH_SAFE (g, &q->any, link, next) {
		if (q->damage_reports == 0)
			return;
		if (g->kind != GETTER_GET)
			continue;
		q->damage_reports--;
		getter_fail(g, MQI_E_OBJECT_DAMAGED);
	}
}

static void
line_serve(struct queue *q)
{
	struct getter *g;
	struct entry *x = NULL;
	struct place from = PLACE_START;

	while ((g = TAILQ_FIRST(&q->any)) != NULL) {
		if (session_is_full(g->h->s)) {
			getter_stall(g);
			continue;
		}
		switch (expire_find(q, PLACE_START, NULL, NULL, &x, &from)) {
		case FIND_FOUND:
			if (line_getter_may_go(g, x))
				(void)get_take(g, x);
			break;
		case FIND_LOAD:
			load_prefix(q);
			return;
		case FIND_NONE:
			line_report_damage(q);
			line_fail_hurried(q);
			return;
		}
	}
}

void
queue_serve(struct queue *q)
{
	static const struct find_span all = {{0, 0}, {UINT8_MAX, UINT64_MAX}};
	struct getter *g, *next;

	stream_discards(q);
	if (!q->attr.get_ok)
		return;
	line_serve(q);
	/* one that waits has seen that the store has nothing for it; what has
	 * come since was offered, and is in the tree */
	TAILQ_FOREACH_SAFE (g, &q->readers, link, next)
		getter_try(g, &all);
}

void
queue_serve_again(struct queue *q)
{
	struct getter_list readers = TAILQ_HEAD_INITIALIZER(readers);
	struct getter *g;

	TAILQ_CONCAT(&readers, &q->readers, link);
	while ((g = TAILQ_FIRST(&readers)) != NULL) {
		TAILQ_REMOVE(&readers, g, link);
		g->where = GETTER_NOWHERE;
		getter_start(g);
	}
	select_serve_again(q);
	queue_serve(q);
}

/* The first in line among those who named what x is, or NULL. */
static struct getter *
by_id_first(struct queue *q, const struct entry *x, bool by_msg)
{
	struct getter key = {.match_msg = by_msg};
	struct getter *g;

	memcpy(key.correl_id, x->m.correl_id, MQI_ID_LEN);
	memcpy(key.msg_id, x->m.msg_id, MQI_ID_LEN);
	g = RB_NFIND(getter_id_tree, &q->by_id, &key);
	while (g != NULL && g->match_msg == by_msg &&
	       memcmp(by_msg ? g->msg_id : g->correl_id,
		   by_msg ? x->m.msg_id : x->m.correl_id, MQI_ID_LEN) == 0) {
		struct getter *next = RB_NEXT(getter_id_tree, &q->by_id, g);

		if (session_is_full(g->h->s))
			getter_stall(g);
		else if (!g->match_correl ||
			 memcmp(g->correl_id, x->m.correl_id, MQI_ID_LEN) == 0)
			return g;
		g = next;
	}
	return NULL;
}

static struct getter *
by_id_best(struct queue *q, const struct entry *x)
{
	struct getter *a = by_id_first(q, x, true);
	struct getter *b = by_id_first(q, x, false);

	return a == NULL || (b != NULL && b->arrival < a->arrival) ? b : a;
}

/* True: one of them has it. */
static bool
by_id_offer(struct queue *q, struct entry *x)
{
	struct getter *g;

	if (RB_EMPTY(&q->by_id))
		return false;
	while ((g = by_id_best(q, x)) != NULL) {
		if (get_take(g, x))
			return true;
	}
	return false;
}

void
queue_offer(struct queue *q, struct entry *x)
{
	MQ_PRE(x->state == ENTRY_AVAILABLE);
	if (expire_is_due(x))
		expire_drop(x);
	else if (poison_is_due(x) && poison_move(x))
		;
	else if (q->attr.get_ok &&
		 !(by_id_offer(q, x) || TAILQ_EMPTY(&q->selecting)))
		(void)select_offer(q, x);
	queue_serve(q);
}

void
queue_fail_getters(struct queue *q, enum mqi_err reason)
{
	struct getter *g, *next;

	TAILQ_FOREACH_SAFE (g, &q->any, link, next) {
		if (g->kind == GETTER_GET)
			getter_fail(g, reason);
	}
	RB_FOREACH_SAFE (g, getter_id_tree, &q->by_id, next)
		getter_fail(g, reason);
	TAILQ_FOREACH_SAFE (g, &q->readers, link, next) {
		if (g->kind != GETTER_STREAM)
			getter_fail(g, reason);
	}
	select_fail_all(q, reason);
}

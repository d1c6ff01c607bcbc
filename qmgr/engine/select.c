/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.c - getters with a selector (proto/selector.h).
 *
 * Such a getter looks for its message alone: it walks along the queue and
 * judges one message after the other.  `looked` is how far it has come: nothing
 * at or before it that is available fits.  What is locked there is passed;
 * when it returns, and whatever else comes, it is offered (queue_offer()), and
 * judged then if it lies at or before `looked`; what lies behind is met by the
 * walk.  So each message is judged once, and never again while a getter waits.
 *
 * The walk is cut in slices.  Where knowledge ends it loads rows behind
 * `looked`, as a reader does, and in one turn of the loop all walks together
 * take no longer than SELECT_TURN: what is left goes on in the next turn, in
 * turns.  A message that is offered when the turn's time is over is not judged:
 * the getter's `looked` steps back before it.
 *
 * Who watches a handle with a selector has a getter of its own that takes
 * nothing, the lookout: it rests where it has found something, and looks on
 * when that has gone.
 *
 * All getters with a selector are on queue.selecting, wherever they wait, in
 * the order in which they are offered messages; those whose walk goes on in the
 * next turn are on engine.walking too.
 */
#include <stdio.h>
#include <string.h>

#include "qmgr/engine/select.h"

/* About nanoseconds of judging in a turn of the loop. */
#define SELECT_TURN 500000u
/* Bytes of all selectors of a session. */
#define SELECT_SESSION_BYTES 4194304u

/* ---- handles ---- */

enum mqi_err
select_open(struct engine_session *s, const char *text, struct mqselector **ret,
    char *ret_why, size_t why_len)
{
	struct mqselector_error error;
	enum mqi_err err = mqselector_parse(text, strlen(text), ret, &error);

	if (err != MQI_OK) {
		(void)snprintf(ret_why, why_len, "%s", error.text);
		return err;
	}
	if (s->selector_bytes + mqselector_size(*ret) > SELECT_SESSION_BYTES) {
		*ret = mqselector_free(*ret);
		(void)snprintf(ret_why, why_len,
		    "the selectors of a connection may have %u bytes together",
		    SELECT_SESSION_BYTES);
		return MQI_E_RESOURCE_PROBLEM;
	}
	return MQI_OK;
}

/* ---- judging ---- */

static bool
select_is_wanted(const struct getter *g, const struct entry *x)
{
	const struct mqref *bytes = x->m.data != NULL ? x->m.data : x->m.head;
	struct mqselector_msg m = {
	    .desc_len = x->m.desc_len, .backout_count = x->m.backout_count};

	if (bytes == NULL) /* it cannot be read */
		return false;
	m.desc = bytes->data;
	return mqselector_fits(g->h->selector, &m);
}

/* Takes from the turn's time. */
static bool
select_fits(const struct getter *g, const struct entry *x)
{
	uint32_t cost = mqselector_cost(g->h->selector, x->m.desc_len);
	struct engine *e = g->q->e;

	e->select_left -= cost < e->select_left ? cost : e->select_left;
	return select_is_wanted(g, x);
}

static struct place
place_before(struct place p)
{
	return (struct place){p.rank, p.seq - 1};
}

/* ---- the walk ---- */

static void
select_later(struct getter *g)
{
	getter_rest(g);
	g->where = GETTER_WALKING;
	TAILQ_INSERT_TAIL(&g->q->e->walking, g, link);
	g->q->e->n_walking++;
}

/* Nothing fits. */
static void
select_wait(struct getter *g)
{
	struct queue *q = g->q;

	getter_rest(g);
	if (g->kind == GETTER_GET && q->damage_reports > 0) {
		q->damage_reports--;
		getter_fail(g, MQI_E_OBJECT_DAMAGED);
		return;
	}
	if (g->hurried) {
		getter_fail(g, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	g->where = GETTER_WAITING;
	if (g->kind == GETTER_LOOKOUT)
		queue_trim_later(q);
}

static void
select_found(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;

	getter_rest(g);
	h->found = true;
	h->found_at = x->place;
	queue_trim_later(g->q);
}

/* Whether it can have x now; a lookout needs no more than one. */
static bool
select_can_take(const struct getter *g, const struct entry *x)
{
	if (g->kind == GETTER_LOOKOUT)
		return !g->h->found;
	return !session_is_full(g->h->s) &&
	       (g->kind != GETTER_AHEAD || ahead_has_credit(g->h, x));
}

/* x fits.  True: it is taken; then one that reads ahead goes on, and any other
 * getter is gone.  False: x stays, and the getter is gone or rests. */
static bool
select_take(struct getter *g, struct entry *x)
{
	if (place_cmp(g->looked, x->place) < 0)
		g->looked = x->place;
	if (g->kind == GETTER_LOOKOUT) {
		select_found(g, x);
		return false;
	}
	if (g->kind == GETTER_AHEAD) {
		/* so that all have their turn */
		TAILQ_REMOVE(&g->q->selecting, g, select_link);
		TAILQ_INSERT_TAIL(&g->q->selecting, g, select_link);
	}
	return get_take(g, x);
}

/* True: the walk goes on behind x. */
static bool
select_judge(struct getter *g, struct entry *x)
{
	bool is_ahead = g->kind == GETTER_AHEAD;

	if (!select_fits(g, x)) {
		g->looked = x->place;
		return true;
	}
	if (!select_can_take(g, x)) {
		getter_rest(g);
		return false;
	}
	return select_take(g, x) && is_ahead;
}

void
select_look(struct getter *g, const struct find_span *extra)
{
	struct queue *q = g->q;
	struct entry *x = NULL;
	struct place from;

	for (;;) {
		if (session_is_full(g->h->s) && g->kind != GETTER_LOOKOUT) {
			getter_stall(g);
			return;
		}
		if (!q->attr.get_ok ||
		    (g->kind == GETTER_LOOKOUT && g->h->found)) {
			getter_rest(g);
			return;
		}
		switch (expire_find(q, g->looked, g, extra, &x, &from)) {
		case FIND_FOUND:
			if (!select_judge(g, x))
				return;
			if (q->e->select_left == 0) {
				select_later(g);
				return;
			}
			break;
		case FIND_LOAD:
			/* what is locked until there will be offered */
			g->looked = from;
			getter_load(g, from);
			return;
		case FIND_NONE:
			g->looked = PLACE_END;
			select_wait(g);
			return;
		}
	}
}

void
select_start(struct getter *g)
{
	if (g->q->e->select_left == 0)
		select_later(g);
	else
		select_look(g, NULL);
}

void
select_begin(struct getter *g)
{
	if (g->kind == GETTER_BROWSE && g->h->has_cursor)
		g->behind = g->h->cursor;
	else
		g->behind = PLACE_START;
	g->looked = g->behind;
	TAILQ_INSERT_TAIL(&g->q->selecting, g, select_link);
}

void
select_end(struct getter *g)
{
	TAILQ_REMOVE(&g->q->selecting, g, select_link);
}

void
select_tick(struct engine *e)
{
	uint32_t n = e->n_walking;
	struct getter *g;

	e->select_left = SELECT_TURN;
	while (n-- > 0 && e->select_left > 0 &&
	       (g = TAILQ_FIRST(&e->walking)) != NULL)
		getter_start(g);
}

/* ---- what comes ---- */

/* Whether x has the ids that the getter names, if it does. */
static bool
select_has_ids(const struct getter *g, const struct entry *x)
{
	return (!g->match_msg ||
		   memcmp(g->msg_id, x->m.msg_id, MQI_ID_LEN) == 0) &&
	       (!g->match_correl ||
		   memcmp(g->correl_id, x->m.correl_id, MQI_ID_LEN) == 0);
}

/* x lies where the walk has been: it must go back, or take x now. */
static bool
select_is_due(const struct getter *g, const struct entry *x)
{
	return place_cmp(x->place, g->looked) <= 0 &&
	       place_cmp(g->behind, x->place) < 0 && select_has_ids(g, x);
}

/* The walk steps back before x; it goes on at once if it has ended. */
static void
select_step_back(struct getter *g, const struct entry *x)
{
	g->looked = place_before(x->place);
	if (g->where == GETTER_WAITING)
		select_later(g);
}

bool
select_offer(struct queue *q, struct entry *x)
{
	struct getter *g, *next;

	TAILQ_FOREACH_SAFE (g, &q->selecting, select_link, next) {
		if (!select_is_due(g, x))
			continue;
		if (q->e->select_left == 0) {
			select_step_back(g, x);
			continue;
		}
		if (!select_fits(g, x))
			continue;
		if (!select_can_take(g, x))
			select_step_back(g, x);
		else if (select_take(g, x))
			return true;
	}
	return false;
}

void
select_gone(const struct entry *x)
{
	struct queue *q = x->q;
	struct handle *h;

	TAILQ_FOREACH (h, &q->watchers, watch) {
		if (h->lookout == NULL || !h->found ||
		    place_cmp(h->found_at, x->place) != 0)
			continue;
		h->found = false;
		select_later(h->lookout);
	}
}

void
select_serve_again(struct queue *q)
{
	struct getter *g;

	/* messages came that nobody was offered */
	TAILQ_FOREACH (g, &q->selecting, select_link) {
		g->looked = g->behind;
		if (g->load == NULL)
			select_later(g);
	}
}

void
select_fail_all(struct queue *q, enum mqi_err reason)
{
	struct getter *g, *next;

	TAILQ_FOREACH_SAFE (g, &q->selecting, select_link, next) {
		if (g->kind == GETTER_GET || g->kind == GETTER_BROWSE)
			getter_fail(g, reason);
	}
}

/* ---- watching ---- */

void
select_watch(struct handle *h, bool on)
{
	if (!on) {
		(void)getter_free(h->lookout);
		h->found = false;
		return;
	}
	h->lookout = getter_new(h, GETTER_LOOKOUT, 0);
	getter_start(h->lookout);
}

bool
select_is_ready(const struct handle *h, bool *ret_ready)
{
	*ret_ready = !h->q->attr.get_ok || h->found;
	return *ret_ready || h->lookout->where == GETTER_WAITING;
}

/* ---- rules ---- */

void
select_check(const struct entry *x)
{
	const struct queue *q = x->q;
	const struct getter *g;

	TAILQ_FOREACH (g, &q->selecting, select_link) {
		MQ_INVARIANT(g->selects && g->h->selector != NULL);
		/* reports are offered at the turn's end */
		if (g->where != GETTER_WAITING || !q->attr.get_ok ||
		    !TAILQ_EMPTY(&q->e->offers))
			continue;
		MQ_INVARIANT(place_cmp(g->looked, PLACE_END) == 0);
		MQ_INVARIANT(place_cmp(x->place, g->behind) <= 0 ||
			     !select_has_ids(g, x) || !select_is_wanted(g, x));
	}
}

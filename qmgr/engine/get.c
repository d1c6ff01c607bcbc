/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get.c - gets, browses and gets under the cursor: the request is checked and
 * becomes a getter (match.c); when an entry has been found for it, get_take()
 * says what happens to the entry and starts the delivery (deliver.c).
 *
 *  - outside a unit: removed, when its bytes are here;
 *  - in a unit: locked until the unit ends;
 *  - browsed, or longer than the caller's room without leave to cut it: it
 *    stays, and what leaves is a copy.
 *
 * Failures are answered at once by a RESULT and change nothing.
 */
#include <string.h>

#include "qmgr/engine/engine_int.h"

#define GET_BROWSES (MQI_GET_BROWSE_FIRST | MQI_GET_BROWSE_NEXT)
#define GET_AT_CURSOR (MQI_GET_UNDER_CURSOR | MQI_GET_BROWSE_UNDER_CURSOR)
#define GET_LOOKS (GET_BROWSES | MQI_GET_BROWSE_UNDER_CURSOR)
#define GET_OPTIONS                                               \
	(GET_BROWSES | MQI_GET_ACCEPT_TRUNCATED | GET_AT_CURSOR | \
	    MQI_GET_LOCK | MQI_GET_MATCH_MSG_ID | MQI_GET_MATCH_CORREL_ID)
/* a wait that would end beyond this never ends */
#define GET_WAIT_MAX_MS (INT64_MAX / 4000)

/* ---- an entry has been found ---- */

static void
get_stats(struct queue *q)
{
	const struct engine_config *c = &q->e->config;

	q->last_get_ms = q->e->wall_us / 1000;
	/* those who ask one by one should not wait for each load */
	if (q->n_available < c->window_rows / 4 &&
	    q->settled_bytes < c->window_bytes / 4 &&
	    place_cmp(q->known, PLACE_END) != 0)
		load_prefix(q);
}

static bool
get_is_too_long(const struct getter *g, const struct entry *x)
{
	return x->m.body_len > g->max_len &&
	       (g->options & MQI_GET_ACCEPT_TRUNCATED) == 0;
}

static void
get_look(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;
	uint32_t max_len = g->max_len;
	uint32_t id = g->id;

	if (g->kind == GETTER_BROWSE) {
		h->has_cursor = true;
		h->cursor = x->place;
	}
	(void)getter_free(g);
	deliver_start(deliver_new(h, DELIVERY_LOOK, id, x, max_len));
}

/* ---- what is locked by browsing ---- */

bool
get_unlock(struct handle *h)
{
	struct entry *x = TAILQ_FIRST(&h->locked);

	if (x == NULL)
		return false;
	entry_unlock(x);
	report_offer_later(h->q, x->place);
	return true;
}

/* True: nobody else has it. */
static bool
get_browse(struct getter *g, struct entry *x)
{
	bool lock = (g->options & MQI_GET_LOCK) != 0;
	struct handle *h = g->h;

	get_look(g, x);
	if (lock)
		entry_lock(x, &h->locked);
	return lock;
}

void
engine_browse_unlock(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle)
{
	struct handle *h = handle_find(s, handle);
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};

	(void)e;
	if (h == NULL)
		r.reason = MQI_E_HOBJ;
	else if (!get_unlock(h))
		r.reason = MQI_E_NO_MSG_LOCKED;
	reply_give(s, &r);
}

/* ---- who gets it ---- */

static bool
get_in_unit(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;
	uint32_t max_len = g->max_len;
	uint32_t id = g->id;
	struct unit *u = NULL;
	enum mqi_err err = unit_get(h->s, g->unit, &u);
	struct delivery *d;
	struct report cod;

	if (err == MQI_OK &&
	    (x->m.cod ? !unit_has_room_for_report(u) : !unit_has_room(u, 128)))
		err = MQI_E_SYNCPOINT_LIMIT;
	if (err != MQI_OK) {
		getter_fail(g, err);
		return false;
	}
	(void)getter_free(g);
	d = deliver_new(h, DELIVERY_LOCKED, id, x, max_len);
	unit_add_get(u, x);
	if (report_delivery(u->e, &x->m, &cod))
		report_put_in(&cod, u);
	d->x = x;
	x->d = d;
	get_stats(x->q);
	deliver_start(d);
	return true;
}

static bool
get_away(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;
	uint32_t max_len = g->max_len;
	uint32_t id = g->id;
	struct queue *q = x->q;

	(void)getter_free(g);
	deliver_start(deliver_new(h, DELIVERY_GET, id, x, max_len));
	get_stats(q);
	return true;
}

static bool
get_ahead(struct getter *g, struct entry *x)
{
	struct handle *h = g->h;
	struct delivery *d = deliver_new(h, DELIVERY_LOCKED, 0, x, UINT32_MAX);

	ahead_lock(h, x);
	d->token = x->token;
	d->x = x;
	x->d = d;
	if (!g->selects) {
		/* to the end of the line, so that all have their turn */
		getter_rest(g);
		g->arrival = ++h->s->e->arrivals;
	}
	get_stats(x->q);
	deliver_start(d);
	if (!g->selects && h->ahead_msgs < h->window_msgs)
		getter_join(g);
	return true;
}

bool
get_take(struct getter *g, struct entry *x)
{
	MQ_PRE(x->state == ENTRY_AVAILABLE);
	switch (g->kind) {
	case GETTER_BROWSE:
		return get_browse(g, x);
	case GETTER_AHEAD:
		return get_ahead(g, x);
	case GETTER_STREAM:
		stream_take(g, x);
		return true;
	case GETTER_LOOKOUT:
		MQ_UNREACHABLE();
	case GETTER_GET:
	case GETTER_CURSOR:
		break;
	}
	if ((g->options & MQI_GET_BROWSE_UNDER_CURSOR) != 0)
		return get_browse(g, x);
	if (get_is_too_long(g, x)) {
		get_look(g, x);
		return false;
	}
	return g->unit != 0 ? get_in_unit(g, x) : get_away(g, x);
}

/* ---- the request ---- */

static enum mqi_err
get_check_options(const struct handle *h, const struct mqlocal_get *req)
{
	uint32_t browse = req->options & GET_LOOKS;
	bool cursor = (req->options & MQI_GET_UNDER_CURSOR) != 0;
	bool lock = (req->options & MQI_GET_LOCK) != 0;

	if ((req->options & ~GET_OPTIONS) != 0 ||
	    (browse & (browse - 1)) != 0 || (browse != 0 && cursor) ||
	    (lock && browse == 0))
		return MQI_E_OPTIONS;
	if (req->wait_ms < MQI_WAIT_FOREVER)
		return MQI_E_WAIT_INTERVAL;
	if ((browse != 0 || cursor) && (h->options & MQI_OO_BROWSE) == 0)
		return MQI_E_NOT_OPEN_FOR_BROWSE;
	if ((browse == 0 || lock) && !h->input)
		return MQI_E_NOT_OPEN_FOR_INPUT;
	return MQI_OK;
}

static enum mqi_err
get_check(struct engine_session *s, const struct handle *h,
    const struct mqlocal_get *req)
{
	const struct mqattr_set *opened;
	enum mqi_err err = get_check_options(h, req);
	struct unit *u = NULL;

	if (err != MQI_OK)
		return err;
	if (s->e->stopping || s->e->quiescing)
		return MQI_E_Q_MGR_STOPPING;
	opened = h->route.opened->attrs;
	if (!h->q->attr.get_ok || mqattr_is(opened, MQATTR_ID_GET, "DISABLED"))
		return MQI_E_GET_INHIBITED;
	if (stream_is_claimed(h->q) && ((req->options & GET_LOOKS) == 0 ||
					   (req->options & MQI_GET_LOCK) != 0))
		return MQI_E_OBJECT_IN_USE;
	if (h->reader != NULL && (req->options & GET_LOOKS) == 0)
		return MQI_E_BUSY;
	if (HASH_COUNT(s->getters) >= ENGINE_MAX_GETTERS)
		return MQI_E_RESOURCE_PROBLEM;
	if ((req->options & GET_AT_CURSOR) != 0 && !h->has_cursor)
		return MQI_E_NO_MSG_UNDER_CURSOR;
	return req->unit != 0 ? unit_get(s, req->unit, &u) : MQI_OK;
}

static enum getter_kind
get_kind(const struct mqlocal_get *req)
{
	if ((req->options & GET_BROWSES) != 0)
		return GETTER_BROWSE;
	if ((req->options & GET_AT_CURSOR) != 0)
		return GETTER_CURSOR;
	return GETTER_GET;
}

static bool
get_names_id(const uint8_t id[MQI_ID_LEN])
{
	static const uint8_t none[MQI_ID_LEN];

	return memcmp(id, none, MQI_ID_LEN) != 0;
}

void
engine_get(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_get *req)
{
	struct handle *h = handle_find(s, req->handle);
	enum mqi_err err = h == NULL ? MQI_E_HOBJ : get_check(s, h, req);
	struct getter *g;

	if (err != MQI_OK) {
		reply_error(s, id, req->handle, err);
		return;
	}
	if ((req->options & MQI_GET_BROWSE_FIRST) != 0)
		h->has_cursor = false;
	g = getter_new(h, get_kind(req), id);
	g->unit = req->unit;
	g->options = req->options;
	/* it is ours to take or to look at; else the lock moves on */
	if (!TAILQ_EMPTY(&h->locked)) {
		if ((req->options & MQI_GET_BROWSE_UNDER_CURSOR) != 0)
			g->options |= MQI_GET_LOCK;
		if ((req->options & (GET_LOOKS | GET_AT_CURSOR)) != 0)
			(void)get_unlock(h);
	}
	if (g->unit != 0)
		unit_count_getter(s, g->unit, true);
	g->max_len = req->max_len;
	/* an id of zeros stands for any */
	if (g->kind != GETTER_CURSOR) {
		g->match_msg = (req->options & MQI_GET_MATCH_MSG_ID) != 0 &&
			       get_names_id(req->msg_id);
		g->match_correl =
		    (req->options & MQI_GET_MATCH_CORREL_ID) != 0 &&
		    get_names_id(req->correl_id);
	}
	memcpy(g->msg_id, req->msg_id, MQI_ID_LEN);
	memcpy(g->correl_id, req->correl_id, MQI_ID_LEN);
	g->hurried = req->wait_ms == 0 || g->kind == GETTER_CURSOR;
	if (req->wait_ms > 0 && req->wait_ms < GET_WAIT_MAX_MS)
		getter_set_deadline(
		    g, e->mono_us + (uint64_t)req->wait_ms * 1000);
	getter_start(g);
}

void
engine_cancel_get(struct engine *e, struct engine_session *s, uint32_t id)
{
	struct getter *g;

	(void)e;
	HASH_FIND(hh, s->getters, &id, sizeof(id), g);
	if (g != NULL)
		getter_fail(g, MQI_E_CANCELLED);
}

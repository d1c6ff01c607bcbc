/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - sessions and handles: open, close, inquire, and the end.
 *
 * A handle keeps the queue that its name led to at the open.  Closing it fails
 * the gets that wait on it, returns its read-ahead, and takes its number away;
 * deliveries that answer gets still go out, and the handle is freed with the
 * last of them (n_deliveries).
 *
 * When a session ends, nothing more is said to it: first everything of it that
 * could still take a message goes, then what it held returns (read-ahead,
 * units, messages not wholly sent), each message being offered to others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

#define OPEN_INPUT \
	(MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED | MQI_OO_INPUT_EXCLUSIVE)
#define OPEN_OPTIONS                                                   \
	(OPEN_INPUT | MQI_OO_BROWSE | MQI_OO_OUTPUT | MQI_OO_INQUIRE | \
	    MQI_OO_ALTERNATE_USER_AUTHORITY | MQLOCAL_OO_DEAD_LETTER)

#define OPEN_WHY_LEN 500u /* bytes of a sentence */

struct engine_session *
engine_session_new(
    struct engine *e, void *cookie, const struct engine_identity *who)
{
	struct engine_session *s = mqmem_alloc(sizeof(*s));

	s->e = e;
	s->cookie = cookie;
	s->who = *who;
	TAILQ_INIT(&s->deliveries);
	TAILQ_INIT(&s->pending);
	TAILQ_INIT(&s->marks);
	TAILQ_INIT(&s->stalled);
	LIST_INSERT_HEAD(&e->sessions, s, all);
	return s;
}

const struct engine_identity *
engine_session_identity(const struct engine_session *s)
{
	return &s->who;
}

bool
session_is_full(const struct engine_session *s)
{
	return s->out_used >= s->e->config.out_bytes;
}

void
session_resume(struct engine_session *s)
{
	struct getter *g;

	while (!session_is_full(s) && (g = TAILQ_FIRST(&s->stalled)) != NULL)
		getter_start(g);
}

/* ---- handles ---- */

struct handle *
handle_find(struct engine_session *s, uint32_t id)
{
	struct handle *h = s->recent;

	if (h != NULL && h->id == id)
		return h;
	HASH_FIND(hh, s->handles, &id, sizeof(id), h);
	s->recent = h;
	return h;
}

struct handle *
handle_new(struct engine_session *s, struct queue *q)
{
	struct handle *h = mqmem_alloc(sizeof(*h));
	struct handle *other;

	do {
		h->id = ++s->last_handle;
		HASH_FIND(hh, s->handles, &h->id, sizeof(h->id), other);
	} while (h->id == 0 || other != NULL);
	h->s = s;
	h->q = q;
	q->n_open++;
	LIST_INIT(&h->getters);
	TAILQ_INIT(&h->lane);
	TAILQ_INIT(&h->ahead);
	TAILQ_INIT(&h->locked);
	HASH_ADD(hh, s->handles, id, sizeof(h->id), h);
	s->n_handles++;
	return h;
}

static void
handle_free_if_done(struct handle *h)
{
	if (!h->closed || h->n_deliveries > 0)
		return;
	gate_drop(&h->gate);
	h->q->n_open--;
	h->stamped = stamp_forget(h->stamped);
	h->selector = mqselector_free(h->selector);
	free(h->alternate);
	free(h);
}

void
handle_unref(struct handle *h)
{
	MQ_PRE(h->n_deliveries > 0);
	h->n_deliveries--;
	handle_free_if_done(h);
}

/* Nothing of it takes messages any more. */
static void
handle_stop(struct handle *h)
{
	struct getter *g;

	(void)getter_free(h->reader);
	(void)getter_free(h->lookout);
	while ((g = LIST_FIRST(&h->getters)) != NULL) {
		if (h->s->ended)
			(void)getter_free(g);
		else
			getter_fail(g, MQI_E_CANCELLED);
	}
	if (h->watching)
		TAILQ_REMOVE(&h->q->watchers, h, watch);
	h->watching = false;
}

static void
handle_fail_incoming(struct handle *h)
{
	struct incoming *in, *next;

	HASH_ITER (hh, h->s->incoming, in, next) {
		if (in->h == h)
			put_incoming_fail(h->s, in, MQI_E_HOBJ);
	}
}

void
handle_close(struct handle *h)
{
	struct queue *q = h->q;

	handle_stop(h);
	if (!h->s->ended)
		handle_fail_incoming(h);
	h->n_deliveries++; /* keeps it until we are done */
	if (h->is_stream)
		stream_close(h);
	else
		ahead_return_all(h, true);
	(void)get_unlock(h);
	if (!h->s->ended)
		deliver_pump(h);
	if (h->input)
		q->open_input--;
	if (h->input && q->trigger != NULL)
		trigger_check(q);
	if (h->exclusive)
		q->open_exclusive = false;
	if ((h->options & MQI_OO_OUTPUT) != 0)
		q->open_output--;
	if (h->sub != NULL)
		sub_close(h);
	if (h->topic != NULL)
		topic_close(h);
	if (h->made_queue)
		dynamic_doom(q);
	HASH_DEL(h->s->handles, h);
	h->s->recent = NULL;
	h->s->n_handles--;
	h->closed = true;
	h->s->selector_bytes -=
	    h->selector != NULL ? mqselector_size(h->selector) : 0;
	if (TAILQ_EMPTY(&q->readers) && TAILQ_EMPTY(&q->selecting)) {
		/* no cursor is left that the span is for */
		q->span_from = q->span_to = PLACE_START;
		queue_trim_later(q);
	}
	handle_unref(h);
}

/* ---- requests ---- */

static enum mqi_err
open_check_options(const struct engine *e, uint32_t options)
{
	uint32_t input = options & OPEN_INPUT;

	if (e->quiescing)
		return MQI_E_Q_MGR_STOPPING;
	if ((options & ~(MQI_OO_ALTERNATE_USER_AUTHORITY |
			   MQLOCAL_OO_DEAD_LETTER)) == 0 ||
	    (options & ~OPEN_OPTIONS) != 0 || (input & (input - 1)) != 0)
		return MQI_E_OPTIONS;
	return MQI_OK;
}

bool
session_dead_letters(
    const struct engine_session *s, const struct route *r, uint32_t options)
{
	return (options & MQLOCAL_OO_DEAD_LETTER) != 0 && s->who.is_agent &&
	       s->who.channel[0] != '\0' &&
	       strcmp(r->opened->name,
		   mqattr_text(s->e->qmgr->attrs, MQATTR_ID_DEADQ)) == 0;
}

static enum mqi_err
open_input(struct handle *h, uint32_t options)
{
	struct queue *q = h->q;
	bool exclusive =
	    (options & MQI_OO_INPUT_EXCLUSIVE) != 0 || q->attr.exclusive ||
	    ((options & MQI_OO_INPUT_AS_Q_DEF) != 0 && q->attr.def_exclusive);

	if (q->open_exclusive || (exclusive && q->open_input > 0) ||
	    stream_is_claimed(q))
		return MQI_E_OBJECT_IN_USE;
	h->input = true;
	h->exclusive = exclusive;
	q->open_input++;
	q->open_exclusive = exclusive;
	if (q->open_input == 1)
		trigger_check_initq(q->e, q->object->name);
	return MQI_OK;
}

enum mqi_err
session_open_route(struct engine_session *s, const struct route *route,
    uint32_t options, struct handle **ret_handle)
{
	struct queue *q = queue_by_id(s->e, route->queue->id);
	enum mqi_err err = MQI_OK;
	struct handle *h;

	MQ_INVARIANT(q != NULL);
	if (q->is_doomed)
		return MQI_E_Q_DELETED;
	if (s->n_handles >= ENGINE_MAX_HANDLES)
		return MQI_E_RESOURCE_PROBLEM;
	h = handle_new(s, q);
	if ((options & OPEN_INPUT) != 0)
		err = open_input(h, options);
	if (err != MQI_OK) {
		handle_close(h);
		return err;
	}
	h->route = *route;
	h->route.judged = NULL;
	h->options = options;
	if ((options & MQI_OO_OUTPUT) != 0)
		q->open_output++;
	*ret_handle = h;
	return MQI_OK;
}

enum mqi_err
session_open_model(struct engine_session *s, const struct engine_object *model,
    uint32_t options, struct handle **ret_handle)
{
	struct route route;
	enum mqi_err err;

	if (s->n_handles >= ENGINE_MAX_HANDLES)
		return MQI_E_RESOURCE_PROBLEM;
	err = dynamic_make(s->e, model, &route);
	if (err != MQI_OK)
		return err;
	err = session_open_route(s, &route, options, ret_handle);
	MQ_INVARIANT(err == MQI_OK); /* nobody else knows it yet */
	(*ret_handle)->made_queue = dynamic_is_temporary(route.queue);
	return MQI_OK;
}

void
session_open_refused(
    struct engine_session *s, uint32_t id, enum mqi_err err, const char *why)
{
	struct engine_reply r = {.kind = ENGINE_RESULT,
	    .id = id,
	    .reason = err,
	    .text = why[0] != '\0' ? why : NULL};

	reply_give(s, &r);
}

void
session_open_done(struct engine_session *s, uint32_t id, const struct handle *h)
{
	struct engine_reply r = {
	    .kind = ENGINE_OPENED, .id = id, .handle = h->id};
	uint64_t max = h->q->attr.max_msg_len;

	if (max > s->e->max_msg_len)
		max = s->e->max_msg_len;
	if (h->topic != NULL && max > PUBSUB_MAX_BODY)
		max = PUBSUB_MAX_BODY;
	/* an initiation queue: what it is opened for is there for the first
	 * get, which may come in the same turn */
	if (!TAILQ_EMPTY(&s->e->due))
		trigger_flush(s->e);
	r.u.opened.resolved_name = h->route.resolved_name;
	r.u.opened.resolved_qmgr = h->route.resolved_qmgr;
	r.u.opened.max_msg_len = (uint32_t)max;
	reply_at(s, &r, s->e->objects_pos);
}

struct open_request {
	const char *object;
	const char *qmgr;
	uint32_t options;
	const char *user;     /* another one, or NULL */
	const char *selector; /* or NULL */
};

/* Rights come first: a selector tells nobody anything. */
static enum mqi_err
open_selector(struct engine_session *s, const struct open_request *req,
    struct mqselector **ret, char *ret_why, size_t why_len)
{
	if (req->selector == NULL)
		return MQI_OK;
	if ((req->options & (OPEN_INPUT | MQI_OO_BROWSE)) == 0) {
		(void)snprintf(ret_why, why_len,
		    "a selector is for queues that are open for input or "
		    "browse");
		return MQI_E_OPTIONS;
	}
	return select_open(s, req->selector, ret, ret_why, why_len);
}

/* An alias of a topic: to publish needs the right to put on the alias, too. */
static void
open_alias(
    struct engine_session *s, uint32_t id, const struct open_request *req)
{
	const struct engine_object *o =
	    topic_alias(s->e, req->object, req->qmgr);
	const struct topic_request topic = {
	    .object = mqattr_text(o->attrs, MQATTR_ID_TARGET),
	    .topic = "",
	    .options = req->options};
	const struct engine_identity *who = &s->who;
	struct engine_identity other;
	char why[OPEN_WHY_LEN] = "";
	struct handle *h = NULL;
	enum mqi_err err = MQI_OK;

	if (req->selector != NULL)
		err = MQI_E_OPTIONS;
	if (err == MQI_OK && req->user != NULL) {
		err =
		    authorize_alternate(s, req->user, &other, why, sizeof(why));
		who = &other;
	}
	if (err == MQI_OK)
		err = engine_authorize(s->e, who, AUTHORITY_QUEUE, o->name,
		    AUTHORITY_PUT, why, sizeof(why));
	if (err == MQI_OK)
		err = topic_open(s, who, &topic, &h, why, sizeof(why));
	if (err == MQI_E_UNKNOWN_OBJECT)
		err = MQI_E_UNKNOWN_ALIAS_TARGET;
	if (err != MQI_OK) {
		session_open_refused(s, id, err, why);
		return;
	}
	if (req->user != NULL)
		h->alternate = mqmem_strdup(req->user);
	session_open_done(s, id, h);
}

static void
open_for(struct engine_session *s, uint32_t id, const struct open_request *req)
{
	struct engine *e = s->e;
	const uint32_t options = req->options;
	const char *user = req->user;
	struct mqselector *selector = NULL;
	struct engine_identity other;
	const struct engine_identity *who = &s->who;
	enum mqi_err err = open_check_options(e, options);
	char why[OPEN_WHY_LEN] = "";
	const struct engine_object *model;
	struct handle *h = NULL;
	struct route route;

	if (err == MQI_OK &&
	    (user != NULL) !=
		((options & MQI_OO_ALTERNATE_USER_AUTHORITY) != 0))
		err = MQI_E_OPTIONS;
	if (err == MQI_OK && topic_alias(e, req->object, req->qmgr) != NULL) {
		open_alias(s, id, req);
		return;
	}
	model = dynamic_model(e, req->object, req->qmgr);
	if (err == MQI_OK && model == NULL)
		err = route_resolve(e->objects, e->config.name, req->object,
		    req->qmgr, options, &route);
	if (err == MQI_OK && user != NULL) {
		err = authorize_alternate(s, user, &other, why, sizeof(why));
		who = &other;
	}
	if (model != NULL)
		route = (struct route){.judged = model};
	if (err == MQI_OK)
		err = authorize_open(s, who, &route, options, why, sizeof(why));
	if (err == MQI_OK)
		err = open_selector(s, req, &selector, why, sizeof(why));
	if (err == MQI_OK)
		err = model != NULL
			  ? session_open_model(s, model, options, &h)
			  : session_open_route(s, &route, options, &h);
	if (err != MQI_OK) {
		(void)mqselector_free(selector);
		session_open_refused(s, id, err, why);
		return;
	}
	if (user != NULL)
		h->alternate = mqmem_strdup(user);
	h->selector = selector;
	if (selector != NULL)
		s->selector_bytes += mqselector_size(selector);
	session_open_done(s, id, h);
}

void
engine_open(struct engine *e, struct engine_session *s, uint32_t id,
    const char *object, const char *qmgr, uint32_t options)
{
	const struct open_request req = {
	    .object = object, .qmgr = qmgr, .options = options};

	(void)e;
	open_for(s, id, &req);
}

void
engine_open_as(struct engine *e, struct engine_session *s, uint32_t id,
    const char *object, const char *qmgr, uint32_t options, const char *user)
{
	const struct open_request req = {
	    .object = object, .qmgr = qmgr, .options = options, .user = user};

	(void)e;
	open_for(s, id, &req);
}

void
engine_open_select(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_open_select *v)
{
	const struct open_request req = {.object = v->object,
	    .qmgr = v->qmgr,
	    .options = v->options,
	    .user = v->user[0] != '\0' ? v->user : NULL,
	    .selector = v->selector};

	(void)e;
	open_for(s, id, &req);
}

void
engine_close(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};
	struct handle *h = handle_find(s, handle);

	(void)e;
	if (h == NULL)
		r.reason = MQI_E_HOBJ;
	else
		handle_close(h);
	reply_give(s, &r);
}

void
engine_inquire(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle)
{
	struct engine_reply r = {
	    .kind = ENGINE_INQUIRED, .id = id, .handle = handle};
	struct handle *h = handle_find(s, handle);
	struct mqi_queue_info info = {.depth = 0};
	const struct mqattr_set *opened;
	const struct queue *q;

	if (h == NULL || (h->options & MQI_OO_INQUIRE) == 0) {
		reply_error(s, id, handle,
		    h == NULL ? MQI_E_HOBJ : MQI_E_NOT_OPEN_FOR_INQUIRE);
		return;
	}
	q = h->q;
	opened = h->route.opened->attrs;
	strcpy(info.name, h->route.opened->name);
	strcpy(info.resolved_name, h->route.resolved_name);
	strcpy(info.resolved_qmgr, h->route.resolved_qmgr);
	info.depth = q->depth + q->uncommitted_puts;
	info.max_depth = q->attr.max_depth;
	info.max_msg_len = q->attr.max_msg_len;
	info.open_input = q->open_input;
	info.open_output = q->open_output;
	info.default_priority = (int32_t)mqattr_int(opened, MQATTR_ID_DEFPRTY);
	info.default_persistence = mqattr_is(opened, MQATTR_ID_DEFPSIST, "YES");
	info.put_inhibited =
	    !q->attr.put_ok || mqattr_is(opened, MQATTR_ID_PUT, "DISABLED");
	info.get_inhibited =
	    !q->attr.get_ok ||
	    (mqattr_def(h->route.opened->type, MQATTR_ID_GET) != NULL &&
		mqattr_is(opened, MQATTR_ID_GET, "DISABLED"));
	info.is_transmission = q->attr.is_xmit;
	r.u.info = &info;
	(void)e;
	reply_at(s, &r, q->pos);
}

/* ---- the end ---- */

void
session_mute(struct engine_session *s)
{
	struct handle *h, *next;

	s->ended = true;
	reply_drop_all(s);
	HASH_ITER (hh, s->handles, h, next)
		handle_stop(h);
}

void
engine_session_end(struct engine *e, struct engine_session *s)
{
	struct handle *h, *next_handle;
	struct unit *u, *next_unit;

	session_mute(s);
	put_incoming_free_all(s);
	HASH_ITER (hh, s->units, u, next_unit) {
		unit_back_out(s, u);
		unit_free(s, u);
	}
	HASH_ITER (hh, s->handles, h, next_handle)
		handle_close(h);
	deliver_abort_all(s);
	position_forget_holder(s);
	MQ_INVARIANT(TAILQ_EMPTY(&s->pending) && s->getters == NULL);
	MQ_INVARIANT(s->out_used == 0 && TAILQ_EMPTY(&s->stalled));
	LIST_REMOVE(s, all);
	free(s);
	queue_trim_all(e);
}

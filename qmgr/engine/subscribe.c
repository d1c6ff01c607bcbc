/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe.c - subscriptions: durable ones, which are SUB objects, and those
 * that end with the handle that made them.
 *
 * Neighbours: admin.c tells of SUB objects that come and go, by command or by
 * a program's subscribing; publish.c finds those that fit; dynamic.c makes the
 * queues of managed ones; session.c closes handles.
 *
 * Invariants: a subscription stands in the tree of patterns at its own; a
 * durable one has an object, is found by it, and has at most one handle; one
 * that is not durable has a handle, and ends with it.  The queue of a managed
 * one goes with it, with what is on it.
 *
 * Happy path: rights, the queue, the object or not, the handle.
 * Failure: what a program is told; nothing has been made then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

#define SUB_OPTIONS                                                        \
	(MQI_SO_CREATE | MQI_SO_RESUME | MQI_SO_DURABLE | MQI_SO_MANAGED | \
	    MQI_SO_SET_CORREL_ID | MQI_SO_NEW_PUBLICATIONS_ONLY |          \
	    MQI_SO_FIXED_USERID)
#define SUB_OBJECT_ROOM 65536u /* an OBJECT record of a queue and a SUB */

/* ---- what a subscription is like ---- */

static bool
hex_id(const char *text, uint8_t ret[MQI_ID_LEN])
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	size_t n = strlen(text);

	memset(ret, 0, MQI_ID_LEN);
	if (n % 2 != 0 || n > 2 * (size_t)MQI_ID_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(digits, text[i]);

		if (at == NULL)
			return false;
		ret[i / 2] = (uint8_t)(ret[i / 2] << 4 | ((at - digits) & 15));
	}
	return true;
}

static uint64_t
created_ms(const struct mqattr_set *a)
{
	const char *d = mqattr_text(a, MQATTR_ID_CRDATE);
	const char *t = mqattr_text(a, MQATTR_ID_CRTIME);
	char date[9], time[9];
	uint64_t ms = 0;

	if (strlen(d) != 10 || strlen(t) != 8)
		return 0;
	(void)snprintf(date, sizeof(date), "%.4s%.2s%.2s", d, d + 5, d + 8);
	(void)snprintf(time, sizeof(time), "%.2s%.2s%.2s00", t, t + 3, t + 6);
	return mqclock_parse_mq_date(date, time, &ms) ? ms : 0;
}

static int8_t
priority_of(const struct mqattr_set *a)
{
	const char *word = mqattr_text(a, MQATTR_ID_PUBPRTY);

	if (strcmp(word, "ASPUB") == 0)
		return SUB_PRIORITY_AS_PUB;
	return strcmp(word, "ASQDEF") == 0 ? SUB_PRIORITY_AS_Q
					   : (int8_t)(word[0] - '0');
}

static char *
copy_or_null(const char *text)
{
	return *text == '\0' ? NULL : mqmem_strdup(text);
}

static void
sub_empty(struct sub *s)
{
	free(s->pattern);
	free(s->user_data);
	s->selector = mqselector_free(s->selector);
	s->pattern = s->user_data = NULL;
}

static void
sub_leave(struct sub *s)
{
	struct sub_node *n = s->node;

	LIST_REMOVE(s, link);
	s->node = NULL;
	if (!LIST_EMPTY(&n->subs))
		return;
	topic_trie_set(s->e->pubsub->subs, n->at, NULL);
	free(n);
}

static void
sub_enter(struct sub *s)
{
	struct topic_node *at = NULL;
	enum mqi_err err = topic_trie_get(s->e->pubsub->subs, s->pattern, &at);

	MQ_INVARIANT(err == MQI_OK); /* sub_check() */
	if (at->value == NULL) {
		struct sub_node *n = mqmem_alloc(sizeof(*n));

		LIST_INIT(&n->subs);
		n->at = at;
		topic_trie_set(s->e->pubsub->subs, at, n);
	}
	s->node = at->value;
	LIST_INSERT_HEAD(&s->node->subs, s, link);
}

/* As the attributes say, which sub_check() has passed. */
static void
sub_fill(struct sub *s, const struct mqattr_set *a)
{
	const char *selector = mqattr_text(a, MQATTR_ID_SELECTOR);
	int64_t expiry = mqattr_int(a, MQATTR_ID_EXPIRY);
	struct mqselector_error why;

	s->pattern = mqmem_strdup(mqattr_text(a, MQATTR_ID_TOPICSTR));
	s->first_wild = topic_first_wild(s->pattern);
	s->user_data = copy_or_null(mqattr_text(a, MQATTR_ID_USERDATA));
	s->broken =
	    *selector != '\0' && mqselector_parse(selector, strlen(selector),
				     &s->selector, &why) != MQI_OK;
	s->managed = mqattr_is(a, MQATTR_ID_DESTCLAS, "MANAGED");
	s->priority = priority_of(a);
	s->has_correl =
	    mqattr_text(a, MQATTR_ID_DESTCORL)[0] != '\0' &&
	    hex_id(mqattr_text(a, MQATTR_ID_DESTCORL), s->correl_id);
	s->deadline_ms =
	    expiry == 0 ? 0 : created_ms(a) + (uint64_t)expiry * 100;
	strcpy(s->dest, mqattr_text(a, MQATTR_ID_DEST));
	strcpy(s->dest_qmgr, mqattr_text(a, MQATTR_ID_DESTQMGR));
	s->is_routed = false;
	sub_enter(s);
}

static struct sub *
sub_new(struct engine *e, const struct engine_object *o)
{
	struct sub *s = mqmem_alloc(sizeof(*s));

	s->e = e;
	s->object = o;
	e->pubsub->n_subs++;
	if (o != NULL)
		HASH_ADD(hh, e->pubsub->durables, object, sizeof(s->object), s);
	return s;
}

static void
sub_free(struct sub *s)
{
	struct pubsub *p = s->e->pubsub;

	if (s->object != NULL)
		HASH_DEL(p->durables, s);
	retain_forget_sub(s);
	p->n_subs--;
	sub_leave(s);
	sub_empty(s);
	free(s);
}

void
sub_free_all(struct pubsub *p)
{
	struct sub *s, *next;

	HASH_ITER (hh, p->durables, s, next)
		sub_free(s);
	MQ_INVARIANT(p->n_subs == 0);
}

/* ---- objects ---- */

enum mqi_err
sub_check(struct engine *e, const struct mqattr_set *a)
{
	const char *text = mqattr_text(a, MQATTR_ID_TOPICSTR);
	const char *selector = mqattr_text(a, MQATTR_ID_SELECTOR);
	const struct pubsub *p = pubsub_get(e);
	struct mqselector *parsed = NULL;
	struct mqselector_error why;
	uint8_t id[MQI_ID_LEN];
	enum mqi_err err = MQI_OK;

	if (*text == '\0' || !topic_is_valid(text))
		return MQI_E_TOPIC_STRING_ERROR;
	if (!hex_id(mqattr_text(a, MQATTR_ID_DESTCORL), id))
		return MQI_E_ATTRIBUTE;
	if (p->n_subs >= PUBSUB_MAX_SUBS ||
	    topic_trie_count(p->subs) + TOPIC_MAX_LEVELS > PUBSUB_MAX_NODES)
		return MQI_E_RESOURCE_PROBLEM;
	if (*selector != '\0')
		err =
		    mqselector_parse(selector, strlen(selector), &parsed, &why);
	(void)mqselector_free(parsed);
	return err;
}

/* ---- by command ---- */

static enum mqi_err
refuse(enum mqi_err err, const char *text, char *ret_why, size_t why_len)
{
	(void)snprintf(ret_why, why_len, "%s", text);
	return err;
}

static enum mqi_err
prepare_queue(struct engine *e, struct mqattr_set *a, const char *model_name,
    char *ret_why, size_t why_len)
{
	const struct engine_object *model;
	struct route route;
	enum mqi_err err;

	if (!mqattr_is(a, MQATTR_ID_DESTCLAS, "MANAGED"))
		return mqattr_text(a, MQATTR_ID_DEST)[0] != '\0'
			   ? MQI_OK
			   : refuse(MQI_E_ATTRIBUTE,
				 "DEST is required with DESTCLAS(PROVIDED)",
				 ret_why, why_len);
	if (mqattr_text(a, MQATTR_ID_DEST)[0] != '\0')
		return MQI_OK;
	engine_pubsub_create(e);
	model = object_find(e->objects, MQATTR_QMODEL, model_name);
	if (model == NULL || dynamic_is_temporary(model))
		return refuse(MQI_E_ATTRIBUTE,
		    "MDURMDL names no model queue with DEFTYPE(PERMDYN)",
		    ret_why, why_len);
	(void)batch_room(e, SUB_OBJECT_ROOM);
	err = dynamic_make(e, model, &route);
	if (err == MQI_OK)
		mqattr_set_own(a, MQATTR_ID_DEST, route.resolved_name);
	return err;
}

enum mqi_err
engine_sub_prepare(
    struct engine *e, struct mqattr_set *a, char *ret_why, size_t why_len)
{
	const char *given = mqattr_text(a, MQATTR_ID_TOPICSTR);
	const char *object = mqattr_text(a, MQATTR_ID_TOPICOBJ);
	char topic[TOPIC_MAX_LEN + 1];
	struct topic_rules rules;
	enum mqi_err err;

	err = topic_compose(e, object, given, topic);
	if (err == MQI_E_UNKNOWN_OBJECT)
		return refuse(
		    err, "TOPICOBJ names no topic object", ret_why, why_len);
	if (err != MQI_OK)
		return refuse(err, "TOPICSTR is not valid", ret_why, why_len);
	mqattr_set_own(a, MQATTR_ID_TOPICSTR, topic);
	mqattr_set_own(a, MQATTR_ID_TOPICOBJ, "");
	topic_resolve(e, topic, &rules);
	if (!rules.sub)
		return refuse(MQI_E_SUB_INHIBITED,
		    "subscriptions to the topic are inhibited", ret_why,
		    why_len);
	if (!rules.durable)
		return refuse(MQI_E_DURABILITY_NOT_ALLOWED,
		    "durable subscriptions to the topic are not allowed",
		    ret_why, why_len);
	err = sub_check(e, a);
	if (err != MQI_OK)
		return refuse(err,
		    err == MQI_E_ATTRIBUTE
			? "DESTCORL is not valid: it must be up to 48 "
			  "hexadecimal digits"
			: mqi_strerror(err),
		    ret_why, why_len);
	return prepare_queue(e, a, rules.durable_model, ret_why, why_len);
}

void
engine_sub_keep(struct mqattr_set *attrs, const struct mqattr_set *old)
{
	if (!mqattr_is(attrs, MQATTR_ID_DESTCLAS, "MANAGED"))
		return;
	mqattr_set_own(attrs, MQATTR_ID_DEST,
	    old != NULL && mqattr_is(old, MQATTR_ID_DESTCLAS, "MANAGED")
		? mqattr_text(old, MQATTR_ID_DEST)
		: "");
}

struct sub *
sub_find(const struct engine *e, const struct engine_object *o)
{
	struct sub *s = NULL;

	if (e->pubsub != NULL)
		HASH_FIND(hh, e->pubsub->durables, &o, sizeof(o), s);
	return s;
}

/* The queue of a managed subscription goes when nobody uses it. */
static void
drop_queue(struct engine *e, const char *name)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, name);

	/* never one that somebody has defined */
	if (o != NULL && !mqattr_is(o->attrs, MQATTR_ID_DEFTYPE, "PREDEFINED"))
		dynamic_doom(queue_by_id(e, o->id));
}

void
sub_added(struct engine *e, const struct engine_object *o)
{
	struct sub *s = sub_find(e, o);

	(void)pubsub_get(e);
	if (s == NULL) {
		s = sub_new(e, o);
	} else {
		if (s->managed &&
		    strcmp(s->dest, mqattr_text(o->attrs, MQATTR_ID_DEST)) != 0)
			drop_queue(e, s->dest);
		sub_leave(s);
		sub_empty(s);
	}
	sub_fill(s, o->attrs);
}

void
sub_removed(struct engine *e, const struct engine_object *o)
{
	struct sub *s = sub_find(e, o);

	MQ_PRE(s != NULL);
	if (s->managed)
		drop_queue(e, s->dest);
	if (s->h != NULL)
		s->h->sub = NULL;
	sub_free(s);
}

bool
sub_is_due(const struct sub *s)
{
	return s->deadline_ms != 0 && s->e->wall_us / 1000 >= s->deadline_ms;
}

void
sub_expire(struct sub *s)
{
	struct engine *e = s->e;
	enum mqi_err err;
	uint64_t pos;

	if (s->h != NULL)
		s->h->sub = NULL;
	s->h = NULL;
	if (s->object == NULL) {
		sub_free(s);
		return;
	}
	err = engine_object_delete(e, MQATTR_SUB, s->object->name, false, &pos);
	MQ_INVARIANT(err == MQI_OK);
}

/* ---- where publications go ---- */

enum mqi_err
sub_route(struct sub *s, const struct route **ret)
{
	struct engine *e = s->e;

	if (!s->is_routed || s->routed_at != e->object_changes) {
		s->unroutable = route_resolve(e->objects, e->config.name,
		    s->dest, s->dest_qmgr, MQI_OO_OUTPUT, &s->route);
		s->routed_at = e->object_changes;
		s->is_routed = true;
	}
	*ret = &s->route;
	return s->unroutable;
}

/* ---- subscribing ---- */

struct subscribing {
	struct engine_session *s;
	const struct mqlocal_subscribe *v;
	char topic[TOPIC_MAX_LEN + 1];
	struct topic_rules rules;
	struct mqattr_set *attrs;
	struct handle *h;
	bool is_new;
	char why[TOPIC_WHY_LEN];
};

static bool
asks(const struct subscribing *w, uint32_t option)
{
	return (w->v->options & option) != 0;
}

static enum mqi_err
check_options(const struct subscribing *w)
{
	if ((w->v->options & ~SUB_OPTIONS) != 0 ||
	    !asks(w, MQI_SO_CREATE | MQI_SO_RESUME) ||
	    (asks(w, MQI_SO_RESUME) && !asks(w, MQI_SO_DURABLE)) ||
	    (asks(w, MQI_SO_CREATE) &&
		asks(w, MQI_SO_MANAGED) == (w->v->dest[0] != '\0')))
		return MQI_E_OPTIONS;
	if (asks(w, MQI_SO_DURABLE) != (w->v->name[0] != '\0') ||
	    (w->v->name[0] != '\0' &&
		!mqname_is_valid(w->v->name, MQI_NAME_LEN)))
		return MQI_E_SUB_NAME_ERROR;
	return MQI_OK;
}

static enum mqi_err
may_subscribe(struct subscribing *w, const char *topic)
{
	topic_resolve(w->s->e, topic, &w->rules);
	return engine_authorize(w->s->e, &w->s->who, AUTHORITY_TOPIC,
	    w->rules.object, AUTHORITY_SUB, w->why, sizeof(w->why));
}

/* Who has publications put somewhere must be allowed to put there. */
static enum mqi_err
may_deliver(struct subscribing *w)
{
	const struct mqlocal_subscribe *v = w->v;
	struct engine *e = w->s->e;
	struct route route;
	enum mqi_err err;

	if (asks(w, MQI_SO_MANAGED))
		return MQI_OK;
	err = route_resolve(e->objects, e->config.name, v->dest, v->dest_qmgr,
	    MQI_OO_OUTPUT, &route);
	if (err == MQI_OK)
		err = authorize_open(w->s, &w->s->who, &route, MQI_OO_OUTPUT,
		    w->why, sizeof(w->why));
	return err;
}

static void
id_text(const uint8_t id[MQI_ID_LEN], char ret[2 * MQI_ID_LEN + 1])
{
	for (size_t i = 0; i < MQI_ID_LEN; i++)
		(void)snprintf(ret + 2 * i, 3, "%02X", id[i]);
}

static enum mqi_err
set_attr(struct subscribing *w, enum mqattr id, const char *value)
{
	return mqattr_set_told(w->attrs, id, value, w->why, sizeof(w->why));
}

static enum mqi_err
describe(struct subscribing *w)
{
	const struct mqlocal_subscribe *v = w->v;
	char correl[2 * MQI_ID_LEN + 1], expiry[16];
	enum mqi_err err;

	w->attrs = mqattr_set_new(MQATTR_SUB);
	dynamic_set_times(w->attrs, w->s->e->wall_us);
	err = set_attr(w, MQATTR_ID_TOPICSTR, w->topic);
	if (err == MQI_OK)
		err = set_attr(w, MQATTR_ID_SELECTOR, v->selector);
	if (err == MQI_OK)
		err = set_attr(w, MQATTR_ID_USERDATA, v->user_data);
	if (err == MQI_OK)
		err = set_attr(w, MQATTR_ID_DEST, v->dest);
	if (err == MQI_OK)
		err = set_attr(w, MQATTR_ID_DESTQMGR, v->dest_qmgr);
	if (err == MQI_OK)
		err = set_attr(w, MQATTR_ID_SUBUSER, w->s->who.user);
	mqattr_set_own(w->attrs, MQATTR_ID_SUBTYPE, "API");
	if (asks(w, MQI_SO_MANAGED))
		mqattr_set_own(w->attrs, MQATTR_ID_DESTCLAS, "MANAGED");
	if (asks(w, MQI_SO_FIXED_USERID))
		mqattr_set_own(w->attrs, MQATTR_ID_VARUSER, "FIXED");
	if (err == MQI_OK && asks(w, MQI_SO_SET_CORREL_ID)) {
		id_text(v->correl_id, correl);
		err = set_attr(w, MQATTR_ID_DESTCORL, correl);
	}
	if (err == MQI_OK && v->expiry != 0) {
		(void)snprintf(expiry, sizeof(expiry), "%u", v->expiry);
		err = set_attr(w, MQATTR_ID_EXPIRY, expiry);
	}
	return err;
}

/* For a managed one: its queue is made, and open. */
static enum mqi_err
make_queue(struct subscribing *w)
{
	const char *name = asks(w, MQI_SO_DURABLE) ? w->rules.durable_model
						   : w->rules.ndurable_model;
	struct engine *e = w->s->e;
	const struct engine_object *model;
	enum mqi_err err;

	engine_pubsub_create(e);
	model = object_find(e->objects, MQATTR_QMODEL, name);
	if (model == NULL) {
		(void)snprintf(
		    w->why, sizeof(w->why), "there is no model queue %s", name);
		return MQI_E_UNKNOWN_OBJECT;
	}
	if (asks(w, MQI_SO_DURABLE) && dynamic_is_temporary(model)) {
		(void)snprintf(w->why, sizeof(w->why),
		    "the model queue %s makes queues that do not stay: "
		    "DEFTYPE(PERMDYN) is needed",
		    name);
		return MQI_E_DURABILITY_NOT_ALLOWED;
	}
	/* it and the subscription in one batch */
	(void)batch_room(e, SUB_OBJECT_ROOM);
	err = session_open_model(w->s, model, SUB_QUEUE_OPTIONS, &w->h);
	if (err != MQI_OK)
		return err;
	w->h->made_queue = !asks(w, MQI_SO_DURABLE);
	mqattr_set_own(w->attrs, MQATTR_ID_DEST, w->h->route.resolved_name);
	return MQI_OK;
}

/* A handle that stands for the subscription, with its queue or not. */
static enum mqi_err
open_for(struct subscribing *w, const struct sub *sub)
{
	struct engine *e = w->s->e;
	const struct route *route = NULL;
	struct queue *q;
	enum mqi_err err;

	if (w->h != NULL)
		return MQI_OK;
	if (w->s->n_handles >= ENGINE_MAX_HANDLES)
		return MQI_E_RESOURCE_PROBLEM;
	if (sub != NULL && sub->managed) {
		err = sub_route((struct sub *)(uintptr_t)sub, &route);
		return err != MQI_OK ? err
				     : session_open_route(w->s, route,
					   SUB_QUEUE_OPTIONS, &w->h);
	}
	q = pubsub_queue(e);
	if (q == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	w->h = handle_new(w->s, q);
	w->h->route.queue = w->h->route.opened = q->object;
	strcpy(w->h->route.resolved_name, w->v->dest);
	strcpy(w->h->route.resolved_qmgr, w->v->dest_qmgr);
	return MQI_OK;
}

static enum mqi_err
make_it(struct subscribing *w, struct sub **ret)
{
	struct engine *e = w->s->e;
	const char *selector = w->v->selector;
	struct mqselector *parsed = NULL;
	enum mqi_err err = describe(w);
	uint64_t pos;

	if (err == MQI_OK)
		err = sub_check(e, w->attrs);
	/* says what is wrong, and counts */
	if (*selector != '\0' && err != MQI_E_ATTRIBUTE) {
		enum mqi_err other = select_open(
		    w->s, selector, &parsed, w->why, sizeof(w->why));

		err = err == MQI_OK ? other : err;
		(void)mqselector_free(parsed);
	}
	if (err == MQI_OK && asks(w, MQI_SO_MANAGED))
		err = make_queue(w);
	if (err == MQI_OK)
		err = open_for(w, NULL);
	if (err != MQI_OK)
		return err;
	if (asks(w, MQI_SO_DURABLE)) {
		err = engine_object_set(
		    e, MQATTR_SUB, w->v->name, w->attrs, &pos);
		MQ_INVARIANT(err == MQI_OK);
		*ret = sub_find(
		    e, object_find(e->objects, MQATTR_SUB, w->v->name));
		return MQI_OK;
	}
	*ret = sub_new(e, NULL);
	sub_fill(*ret, w->attrs);
	if ((*ret)->selector != NULL)
		w->s->selector_bytes += mqselector_size((*ret)->selector);
	return MQI_OK;
}

static enum mqi_err
create(struct subscribing *w, struct sub **ret)
{
	enum mqi_err err =
	    topic_compose(w->s->e, w->v->object, w->v->topic, w->topic);

	if (err == MQI_OK)
		err = may_subscribe(w, w->topic);
	if (err == MQI_OK && !w->rules.sub)
		err = MQI_E_SUB_INHIBITED;
	if (err == MQI_OK && asks(w, MQI_SO_DURABLE) && !w->rules.durable)
		err = MQI_E_DURABILITY_NOT_ALLOWED;
	if (err == MQI_OK)
		err = may_deliver(w);
	return err == MQI_OK ? make_it(w, ret) : err;
}

static enum mqi_err
resume(struct subscribing *w, struct sub *sub)
{
	const struct mqattr_set *a = sub->object->attrs;
	enum mqi_err err;

	if (!asks(w, MQI_SO_RESUME))
		return MQI_E_SUB_ALREADY_EXISTS;
	err = may_subscribe(w, sub->pattern);
	if (err == MQI_OK && mqattr_is(a, MQATTR_ID_VARUSER, "FIXED") &&
	    strcmp(mqattr_text(a, MQATTR_ID_SUBUSER), w->s->who.user) != 0)
		err = MQI_E_IDENTITY_MISMATCH;
	if (err == MQI_OK && sub->h != NULL)
		err = MQI_E_SUBSCRIPTION_IN_USE;
	return err == MQI_OK ? open_for(w, sub) : err;
}

static enum mqi_err
subscribe(struct subscribing *w)
{
	struct engine *e = w->s->e;
	const struct engine_object *o = NULL;
	struct sub *sub = NULL;
	bool is_new;
	enum mqi_err err =
	    e->quiescing ? MQI_E_Q_MGR_STOPPING : check_options(w);

	if (err != MQI_OK)
		return err;
	if (asks(w, MQI_SO_DURABLE))
		o = object_find(e->objects, MQATTR_SUB, w->v->name);
	if (o != NULL)
		sub = sub_find(e, o);
	is_new = sub == NULL;
	if (!is_new)
		err = resume(w, sub);
	else if (!asks(w, MQI_SO_CREATE))
		err = MQI_E_NO_SUBSCRIPTION;
	else if (pubsub_get(e)->n_readings >= e->pubsub->max_readings)
		err = MQI_E_RESOURCE_PROBLEM;
	else
		err = create(w, &sub);
	if (err != MQI_OK)
		return err;
	w->is_new = is_new;
	sub->h = w->h;
	sub->resumed_ms = e->wall_us / 1000;
	w->h->sub = sub;
	return MQI_OK;
}

void
engine_subscribe(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_subscribe *v)
{
	struct subscribing w = {.s = s, .v = v};
	enum mqi_err err = subscribe(&w);

	(void)e;
	(void)mqattr_set_free(w.attrs);
	if (err != MQI_OK) {
		if (w.h != NULL)
			handle_close(w.h);
		session_open_refused(s, id, err, w.why);
		return;
	}
	if (w.is_new && !asks(&w, MQI_SO_NEW_PUBLICATIONS_ONLY) &&
	    retain_give(w.h->sub))
		w.h->sub->answer_id = id;
	else
		session_open_done(s, id, w.h);
}

void
sub_answer(struct sub *s)
{
	if (s->answer_id != 0 && s->h != NULL)
		session_open_done(s->h->s, s->answer_id, s->h);
	s->answer_id = 0;
}

void
engine_sub_started(struct engine *e, const char *name)
{
	(void)retain_give(
	    sub_find(e, object_find(e->objects, MQATTR_SUB, name)));
}

void
sub_close(struct handle *h)
{
	struct sub *s = h->sub;

	h->sub = NULL;
	s->h = NULL;
	s->answer_id = 0;
	if (s->object != NULL)
		return;
	if (s->selector != NULL)
		h->s->selector_bytes -= mqselector_size(s->selector);
	sub_free(s);
}

void
engine_unsubscribe(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};
	struct handle *h = handle_find(s, handle);
	const struct engine_object *o;
	uint64_t pos = 0;

	if (h == NULL || h->sub == NULL) {
		reply_error(s, id, handle,
		    h == NULL ? MQI_E_HOBJ : MQI_E_NO_SUBSCRIPTION);
		return;
	}
	o = h->sub->object;
	handle_close(h);
	if (o != NULL)
		r.reason =
		    engine_object_delete(e, MQATTR_SUB, o->name, false, &pos);
	reply_at(s, &r, pos);
}

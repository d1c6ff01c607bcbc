/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.c - topics by their objects: what TOPIC objects at and above a topic
 * string say of it, and the handles that publish.
 *
 * Neighbours: admin.c tells of objects that come and go; topic_trie.c finds
 * those above a string; publish.c and subscribe.c ask.
 * Invariants: a TOPIC object stands in the tree at its TOPICSTR; only
 * SYSTEM.BASE.TOPIC stands at the root, and if it is not there its defaults
 * hold all the same.
 * Happy path: from the root down, each object that says more than ASPARENT
 * has its way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

/* ---- what is needed ---- */

static void
make(struct engine *e, enum mqattr_object type, const char *name,
    const char *const *pairs)
{
	struct mqattr_set *s;
	enum mqi_err err;
	uint64_t pos;

	if (type == MQATTR_TOPIC ? object_find(e->objects, type, name) != NULL
				 : object_find_queue(e->objects, name) != NULL)
		return;
	s = mqattr_set_new(type);
	for (; *pairs != NULL; pairs += 2)
		mqattr_set_own(s, mqattr_find(type, pairs[0])->id, pairs[1]);
	dynamic_set_times(s, e->wall_us);
	err = engine_object_set(e, type, name, s, &pos);
	MQ_INVARIANT(err == MQI_OK);
	(void)mqattr_set_free(s);
}

void
engine_pubsub_create(struct engine *e)
{
	static const char *const queue[] = {"DESCR", "retained publications",
	    "MSGDLVSQ", "FIFO", "MAXDEPTH", "999999999", "MAXMSGL", "104857600",
	    NULL};
	static const char *const durable[] = {"DESCR",
	    "queues of durable subscriptions", "DEFTYPE", "PERMDYN", "DEFSOPT",
	    "SHARED", "SHARE", "YES", NULL};
	static const char *const ndurable[] = {"DESCR",
	    "queues of other subscriptions", "DEFTYPE", "TEMPDYN", "DEFSOPT",
	    "SHARED", "SHARE", "YES", NULL};
	static const char *const base[] = {"DESCR", "the root of all topics",
	    "DEFPSIST", "NO", "DEFPRTY", "0", "DURSUB", "YES", "MDURMDL",
	    PUBSUB_DURABLE_MODEL, "MNDURMDL", PUBSUB_NDURABLE_MODEL, "NPMSGDLV",
	    "ALLAVAIL", "PMSGDLV", "ALLDUR", "PUB", "ENABLED", "SUB", "ENABLED",
	    "USEDLQ", "YES", NULL};
	static const char *const other[] = {
	    "DESCR", "what DEFINE TOPIC takes its attributes from", NULL};

	make(e, MQATTR_QLOCAL, PUBSUB_QUEUE, queue);
	make(e, MQATTR_QMODEL, PUBSUB_DURABLE_MODEL, durable);
	make(e, MQATTR_QMODEL, PUBSUB_NDURABLE_MODEL, ndurable);
	make(e, MQATTR_TOPIC, PUBSUB_BASE, base);
	make(e, MQATTR_TOPIC, PUBSUB_DEFAULT, other);
}

static struct pubsub *
pubsub_new(struct engine *e)
{
	struct pubsub *p = mqmem_alloc(sizeof(*p));

	p->topics = topic_trie_new(false, PUBSUB_MAX_NODES);
	p->subs = topic_trie_new(true, PUBSUB_MAX_NODES);
	p->retained = topic_trie_new(false, PUBSUB_MAX_NODES);
	p->max_retained = PUBSUB_MAX_RETAINED;
	p->max_readings = PUBSUB_MAX_READINGS;
	TAILQ_INIT(&p->readings);
	TAILQ_INIT(&p->early);
	e->pubsub = p;
	return p;
}

struct pubsub *
pubsub_get(struct engine *e)
{
	if (e->pubsub == NULL)
		(void)pubsub_new(e);
	return e->pubsub;
}

struct pubsub *
pubsub_free(struct pubsub *p)
{
	if (p == NULL)
		return NULL;
	sub_free_all(p);
	retain_free_all(p);
	p->topics = topic_trie_free(p->topics);
	p->subs = topic_trie_free(p->subs);
	free(p);
	return NULL;
}

void
pubsub_begin(struct engine *e)
{
	const struct engine_object *o = NULL;

	while ((o = object_next(e->objects, MQATTR_TOPIC, o)) != NULL)
		topic_added(e, o);
	o = NULL;
	while ((o = object_next(e->objects, MQATTR_SUB, o)) != NULL)
		sub_added(e, o);
	o = object_find(e->objects, MQATTR_QLOCAL, PUBSUB_QUEUE);
	if (o != NULL && queue_by_id(e, o->id)->depth > 0)
		pubsub_get(e)->scan = RETAIN_UNKNOWN;
}

struct queue *
pubsub_queue(struct engine *e)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, PUBSUB_QUEUE);

	if (o == NULL) {
		engine_pubsub_create(e);
		o = object_find(e->objects, MQATTR_QLOCAL, PUBSUB_QUEUE);
	}
	return o == NULL ? NULL : queue_by_id(e, o->id);
}

/* ---- objects ---- */

static bool
has_place(const struct engine_object *o)
{
	return strcmp(o->name, PUBSUB_BASE) == 0 ||
	       mqattr_text(o->attrs, MQATTR_ID_TOPICSTR)[0] != '\0';
}

enum mqi_err
topic_check(struct engine *e, const char *name, const struct mqattr_set *attrs)
{
	const char *text = mqattr_text(attrs, MQATTR_ID_TOPICSTR);
	const struct engine_object *o;
	struct topic_node *n;

	if (!topic_is_valid(text) ||
	    (strcmp(name, PUBSUB_BASE) == 0 && *text != '\0'))
		return MQI_E_TOPIC_STRING_ERROR;
	if (*text == '\0')
		return MQI_OK;
	n = topic_trie_find(pubsub_get(e)->topics, text);
	o = n != NULL ? n->value : NULL;
	if (o != NULL && strcmp(o->name, name) != 0)
		return MQI_E_EXISTS;
	return topic_trie_count(e->pubsub->topics) + TOPIC_MAX_LEVELS >
		       PUBSUB_MAX_NODES
		   ? MQI_E_RESOURCE_PROBLEM
		   : MQI_OK;
}

void
topic_added(struct engine *e, const struct engine_object *o)
{
	struct topic_node *n = NULL;
	enum mqi_err err;

	if (!has_place(o))
		return;
	err = topic_trie_get(pubsub_get(e)->topics,
	    mqattr_text(o->attrs, MQATTR_ID_TOPICSTR), &n);
	MQ_INVARIANT(err == MQI_OK); /* topic_check() */
	topic_trie_set(e->pubsub->topics, n, (void *)(uintptr_t)o);
}

void
topic_removed(struct engine *e, const struct engine_object *o)
{
	struct topic_node *n;

	if (e->pubsub == NULL || !has_place(o))
		return;
	n = topic_trie_find(
	    e->pubsub->topics, mqattr_text(o->attrs, MQATTR_ID_TOPICSTR));
	if (n != NULL && n->value == o)
		topic_trie_set(e->pubsub->topics, n, NULL);
}

const struct engine_object *
topic_alias(const struct engine *e, const char *object, const char *qmgr)
{
	const struct engine_object *o;

	if (qmgr[0] != '\0' && strcmp(qmgr, e->config.name) != 0)
		return NULL;
	o = object_find(e->objects, MQATTR_QALIAS, object);
	return o != NULL && mqattr_is(o->attrs, MQATTR_ID_TARGTYPE, "TOPIC")
		   ? o
		   : NULL;
}

/* ---- what they say ---- */

static void
rule_bool(
    const struct mqattr_set *a, enum mqattr id, const char *yes, bool *ret)
{
	if (!mqattr_is(a, id, "ASPARENT"))
		*ret = mqattr_is(a, id, yes);
}

static void
rule_guarantee(
    const struct mqattr_set *a, enum mqattr id, enum topic_guarantee *ret)
{
	if (!mqattr_is(a, id, "ASPARENT"))
		*ret = mqattr_is(a, id, "ALL")      ? TOPIC_ALL
		       : mqattr_is(a, id, "ALLDUR") ? TOPIC_ALLDUR
						    : TOPIC_ALLAVAIL;
}

static void
rule_name(const struct mqattr_set *a, enum mqattr id, char *ret)
{
	const char *name = mqattr_text(a, id);

	if (*name != '\0')
		strcpy(ret, name);
}

static int
count_levels(const char *text)
{
	int n = *text != '\0';

	for (; *text != '\0'; text++)
		n += *text == '/';
	return n;
}

static void
apply(void *ctx, struct topic_node *n)
{
	const struct engine_object *o = n->value;
	const struct mqattr_set *a = o->attrs;
	struct topic_rules *r = ctx;
	int64_t priority = mqattr_int(a, MQATTR_ID_DEFPRTY);

	strcpy(r->object, o->name);
	rule_bool(a, MQATTR_ID_PUB, "ENABLED", &r->pub);
	rule_bool(a, MQATTR_ID_SUB, "ENABLED", &r->sub);
	rule_bool(a, MQATTR_ID_DURSUB, "YES", &r->durable);
	rule_bool(a, MQATTR_ID_DEFPSIST, "YES", &r->persistent);
	rule_bool(a, MQATTR_ID_USEDLQ, "YES", &r->use_dlq);
	rule_guarantee(a, MQATTR_ID_PMSGDLV, &r->pmsg);
	rule_guarantee(a, MQATTR_ID_NPMSGDLV, &r->npmsg);
	rule_name(a, MQATTR_ID_MDURMDL, r->durable_model);
	rule_name(a, MQATTR_ID_MNDURMDL, r->ndurable_model);
	if (priority >= 0)
		r->priority = (int8_t)priority;
	if (mqattr_is(a, MQATTR_ID_WILDCARD, "BLOCK"))
		r->blocked = count_levels(mqattr_text(a, MQATTR_ID_TOPICSTR));
}

void
topic_resolve(struct engine *e, const char *topic, struct topic_rules *ret)
{
	*ret = (struct topic_rules){
	    .object = PUBSUB_BASE,
	    .pub = true,
	    .sub = true,
	    .durable = true,
	    .use_dlq = true,
	    .pmsg = TOPIC_ALLDUR,
	    .npmsg = TOPIC_ALLAVAIL,
	    .durable_model = PUBSUB_DURABLE_MODEL,
	    .ndurable_model = PUBSUB_NDURABLE_MODEL,
	};
	topic_trie_above(pubsub_get(e)->topics, topic, apply, ret);
}

enum mqi_err
topic_compose(struct engine *e, const char *object, const char *text,
    char ret[TOPIC_MAX_LEN + 1])
{
	const struct engine_object *o = NULL;
	const char *first = "";
	int n;

	if (*object != '\0') {
		o = object_find(e->objects, MQATTR_TOPIC, object);
		if (o == NULL)
			return MQI_E_UNKNOWN_OBJECT;
		first = mqattr_text(o->attrs, MQATTR_ID_TOPICSTR);
	}
	n = snprintf(ret, TOPIC_MAX_LEN + 1, "%s%s%s", first,
	    *first != '\0' && *text != '\0' ? "/" : "", text);
	if (n <= 0 || (unsigned)n > TOPIC_MAX_LEN || !topic_is_valid(ret))
		return MQI_E_TOPIC_STRING_ERROR;
	return MQI_OK;
}

/* ---- handles ---- */

static enum mqi_err
open_topic(struct engine_session *s, const struct engine_identity *who,
    const char *object, const char *topic, struct handle **ret_handle,
    char *ret_why, size_t why_len)
{
	char text[TOPIC_MAX_LEN + 1];
	struct engine *e = s->e;
	struct topic_rules rules;
	struct queue *q;
	struct handle *h;
	enum mqi_err err = topic_compose(e, object, topic, text);

	if (err == MQI_OK && topic_first_wild(text) >= 0)
		err = MQI_E_TOPIC_STRING_ERROR;
	if (err != MQI_OK)
		return err;
	topic_resolve(e, text, &rules);
	err = engine_authorize(e, who, AUTHORITY_TOPIC, rules.object,
	    AUTHORITY_PUB, ret_why, why_len);
	if (err == MQI_OK && s->n_handles >= ENGINE_MAX_HANDLES)
		err = MQI_E_RESOURCE_PROBLEM;
	if (err != MQI_OK)
		return err;
	q = pubsub_queue(e);
	if (q == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	h = handle_new(s, q);
	h->route.queue = h->route.opened = q->object;
	strcpy(h->route.resolved_name, rules.object);
	strcpy(h->route.resolved_qmgr, e->config.name);
	h->topic = mqmem_alloc(sizeof(*h->topic));
	h->topic->text = mqmem_strdup(text);
	h->topic->rules = rules;
	h->topic->ruled_at = e->object_changes;
	*ret_handle = h;
	return MQI_OK;
}

void
topic_close(struct handle *h)
{
	free(h->topic->text);
	free(h->topic);
	h->topic = NULL;
}

enum mqi_err
topic_open(struct engine_session *s, const struct engine_identity *who,
    const struct topic_request *req, struct handle **ret_handle, char *ret_why,
    size_t why_len)
{
	if ((req->options & ~(uint32_t)MQI_OO_ALTERNATE_USER_AUTHORITY) !=
	    MQI_OO_OUTPUT)
		return MQI_E_OPTION_NOT_VALID_FOR_TYPE;
	return open_topic(
	    s, who, req->object, req->topic, ret_handle, ret_why, why_len);
}

void
engine_open_topic(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_open_topic *v)
{
	const struct topic_request req = {
	    .object = v->object, .topic = v->topic, .options = v->options};
	char why[TOPIC_WHY_LEN] = "";
	struct handle *h = NULL;
	enum mqi_err err =
	    e->quiescing ? MQI_E_Q_MGR_STOPPING
			 : topic_open(s, &s->who, &req, &h, why, sizeof(why));

	if (err != MQI_OK)
		session_open_refused(s, id, err, why);
	else
		session_open_done(s, id, h);
}

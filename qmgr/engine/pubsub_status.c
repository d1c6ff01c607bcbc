/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub_status.c - what an administrator sees of subscriptions and topics.
 *
 * Neighbours: qmgr/ctl_pubsub.c shows it; topic.c, subscribe.c and retain.c
 * have it.  Nothing is changed here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

void
engine_sub_status(const struct engine *e, const struct engine_object *o,
    struct engine_sub_status *ret)
{
	const struct sub *s = sub_find(e, o);

	MQ_PRE(s != NULL);
	*ret = (struct engine_sub_status){.active = s->h != NULL,
	    .n_msgs = s->n_msgs,
	    .last_msg_ms = s->last_msg_ms,
	    .resumed_ms = s->resumed_ms};
}

void
engine_pubsub_status(const struct engine *e, struct engine_pubsub_status *ret)
{
	const struct pubsub *p = e->pubsub;

	memset(ret, 0, sizeof(*ret));
	if (p == NULL)
		return;
	ret->n_publications = p->n_publications;
	ret->n_retained = p->n_retained;
	ret->n_subs = p->n_subs;
	ret->n_topics =
	    topic_trie_count(p->topics) + topic_trie_count(p->retained);
}

/* ---- topics ---- */

struct walk {
	struct engine *e;
	engine_topic_fn fn;
	void *ctx;
};

static uint32_t
count_publishers(const struct engine *e, const char *topic)
{
	const struct engine_session *s;
	const struct handle *h;
	uint32_t n = 0;

	LIST_FOREACH (s, &e->sessions, all) {
		for (h = s->handles; h != NULL; h = h->hh.next)
			n += h->topic != NULL &&
			     strcmp(h->topic->text, topic) == 0;
	}
	return n;
}

static uint32_t
count_subs(const struct engine *e, const char *topic)
{
	const struct topic_node *n = topic_trie_find(e->pubsub->subs, topic);
	const struct sub_node *node = n != NULL ? n->value : NULL;
	const struct sub *s;
	uint32_t count = 0;

	if (node != NULL)
		LIST_FOREACH (s, &node->subs, link)
			count++;
	return count;
}

static void
tell(struct walk *w, const char *topic)
{
	struct engine *e = w->e;
	struct topic_rules r;

	topic_resolve(e, topic, &r);
	w->fn(w->ctx, &(struct engine_topic_status){.topic = topic,
			  .admin = r.object,
			  .pub = r.pub,
			  .sub = r.sub,
			  .durable = r.durable,
			  .persistent = r.persistent,
			  .use_dlq = r.use_dlq,
			  .priority = r.priority,
			  .pmsg = (unsigned)r.pmsg,
			  .npmsg = (unsigned)r.npmsg,
			  .durable_model = r.durable_model,
			  .ndurable_model = r.ndurable_model,
			  .n_publishers = count_publishers(e, topic),
			  .n_subs = count_subs(e, topic),
			  .retained = topic_trie_find(
					  e->pubsub->retained, topic) != NULL});
}

static void
tell_node(void *ctx, struct topic_node *n)
{
	char text[TOPIC_MAX_LEN + 1];

	topic_node_text(n, text);
	tell(ctx, text);
}

/* Those that have an object were told. */
static void
tell_retained(void *ctx, struct topic_node *n)
{
	char text[TOPIC_MAX_LEN + 1];
	struct walk *w = ctx;

	topic_node_text(n, text);
	if (topic_trie_find(w->e->pubsub->topics, text) == NULL)
		tell(w, text);
}

enum mqi_err
engine_topics(
    struct engine *e, const char *pattern, engine_topic_fn fn, void *ctx)
{
	struct walk w = {.e = e, .fn = fn, .ctx = ctx};
	struct pubsub *p = pubsub_get(e);

	if (pattern == NULL || *pattern == '\0' || !topic_is_valid(pattern))
		return MQI_E_TOPIC_STRING_ERROR;
	if (topic_first_wild(pattern) < 0) {
		tell(&w, pattern);
		return MQI_OK;
	}
	topic_trie_search(p->topics, pattern, tell_node, &w);
	topic_trie_search(p->retained, pattern, tell_retained, &w);
	return MQI_OK;
}

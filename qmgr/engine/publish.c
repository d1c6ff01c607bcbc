/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.c - a put on a topic: one message for every subscription that fits.
 *
 * Neighbours: put.c hands the put over; topic.c has the rules, subscribe.c the
 * subscriptions, stamp.c stamps, unit.c puts all of it at once.
 *
 * Invariants: a publication is put in a unit of work, the program's or one of
 * its own that is committed here, so it comes to all subscribers or to none.
 * Subscribers whose publications look the same (correlation id, priority, user
 * data) share one body; for each other look there is one more.  A queue that
 * several subscriptions name gets one for each.
 *
 * Happy path: the patterns that fit, the queue of each, one look.
 * Failure: a queue that does not take it: the dead-letter queue, if USEDLQ
 * says so; if it does not take it either, PMSGDLV or NPMSGDLV says whether the
 * publication fails for all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define PUBLISH_DEAD_ROOM 2048u /* a dead letter's record without the body */
/* of messages, what a queue manager reports where they end their way */
#define REPORTS_HERE                                             \
	(MQI_RO_COA_WITH_FULL_DATA | MQI_RO_COD_WITH_FULL_DATA | \
	    MQI_RO_EXCEPTION_WITH_FULL_DATA |                    \
	    MQI_RO_EXPIRATION_WITH_FULL_DATA)

/* How it looks to some of its subscribers. */
struct look {
	const struct sub *first;    /* whose correlation id, user data */
	const struct route *remote; /* NULL: to queues of this queue manager */
	int8_t priority;
	struct fanout_to *to;
	uint32_t n;
	uint32_t room;
	struct msg m;
};

struct failed {
	const struct sub *sub;
	enum mqi_err why;
	struct report dead;
	bool is_dead; /* there will be a dead letter */
};

struct publication {
	struct engine *e;
	struct handle *h;
	const struct engine_put *req;
	struct topic_rules *rules;
	/* of what comes from another queue manager: below the handle's */
	struct topic_rules below;
	char *own_topic;                               /* or NULL */
	const char *topic;                             /* one of both */
	char path[PUBSUB_PATH_MAX + MQI_NAME_LEN + 2]; /* with this one's */
	struct mqi_md md;
	const struct mqi_prop *given; /* as decoded; holds the names */
	struct mqi_prop *props;       /* the same, and some more */
	struct mqbuf desc;            /* as the first look, for selectors */
	struct sub **subs;
	uint32_t n_subs;
	uint32_t subs_room;
	struct look *looks;
	uint32_t n_looks;
	struct failed *failed;
	uint32_t n_failed;
	struct msg plain; /* as it looks in dead letters */
	struct msg kept;  /* as it is retained */
	bool retains;
	struct unit *u;
	struct engine_reply *done;
};

/* ---- who it is for ---- */

static void
found(void *ctx, struct topic_node *n)
{
	struct publication *p = ctx;
	const struct sub_node *node = n->value;
	struct sub *s;

	LIST_FOREACH (s, &node->subs, link) {
		if (s->broken ||
		    (s->first_wild >= 0 && s->first_wild < p->rules->blocked))
			continue;
		if (p->n_subs == p->subs_room) {
			p->subs_room = p->subs_room * 2 + 16;
			p->subs = mqmem_grow(
			    p->subs, p->subs_room, sizeof(struct sub *));
		}
		p->subs[p->n_subs++] = s;
	}
}

static bool
fits(const struct publication *p, const struct sub *s)
{
	const struct mqselector_msg m = {
	    .desc = p->desc.data, .desc_len = p->desc.len};

	return s->selector == NULL || mqselector_fits(s->selector, &m);
}

/* Drops those that do not want it, and those whose time is over. */
static void
sift(struct publication *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_subs; i++) {
		struct sub *s = p->subs[i];

		if (sub_is_due(s))
			sub_expire(s);
		else if (fits(p, s))
			p->subs[n++] = s;
	}
	p->n_subs = n;
}

/* ---- how it looks ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
looks_so(const struct look *k, const struct sub *s, int8_t priority,
    const struct route *remote)
{
	return k->priority == priority && k->remote == NULL && remote == NULL &&
	       k->first->has_correl == s->has_correl &&
	       memcmp(k->first->correl_id, s->correl_id, MQI_ID_LEN) == 0 &&
	       same_text(k->first->user_data, s->user_data);
}

static struct look *
look_for(struct publication *p, const struct sub *s, int8_t priority,
    const struct route *remote)
{
	struct look *k;

	/* those that share one are likely to come together */
	for (uint32_t i = p->n_looks; i-- > 0 && i + 8 >= p->n_looks;) {
		if (looks_so(&p->looks[i], s, priority, remote))
			return &p->looks[i];
	}
	if ((p->n_looks & (p->n_looks - 1)) == 0)
		p->looks = mqmem_grow(p->looks,
		    p->n_looks == 0 ? 1 : 2 * (size_t)p->n_looks,
		    sizeof(*p->looks));
	k = &p->looks[p->n_looks++];
	*k = (struct look){.first = s, .remote = remote, .priority = priority};
	return k;
}

static void
send_to(struct publication *p, const struct sub *s, struct queue *q,
    const struct route *remote)
{
	int8_t priority = s->priority >= 0 ? s->priority
			  : s->priority == SUB_PRIORITY_AS_PUB
			      ? (int8_t)p->md.priority
			      : q->attr.priority;
	struct look *k = look_for(p, s, priority, remote);

	if (k->n == k->room) {
		k->room = k->room * 2 + 4;
		k->to = mqmem_grow(k->to, k->room, sizeof(*k->to));
	}
	k->to[k->n++] = (struct fanout_to){.q = q,
	    .rank = q->attr.fifo ? 0 : (uint8_t)(MQI_MAX_PRIORITY - priority)};
}

static void
cannot(struct publication *p, const struct sub *s, enum mqi_err why)
{
	if ((p->n_failed & (p->n_failed - 1)) == 0)
		p->failed = mqmem_grow(p->failed,
		    p->n_failed == 0 ? 1 : 2 * (size_t)p->n_failed,
		    sizeof(*p->failed));
	p->failed[p->n_failed++] = (struct failed){.sub = s, .why = why};
}

static bool
path_has(const struct publication *p, const char *qmgr)
{
	size_t len = strlen(qmgr);

	for (const char *at = p->path; *at != '\0';) {
		size_t n = strcspn(at, ",");

		if (n == len && memcmp(at, qmgr, n) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

static void
address(struct publication *p)
{
	for (uint32_t i = 0; i < p->n_subs; i++) {
		struct sub *s = p->subs[i];
		const struct route *r = NULL;
		enum mqi_err err = sub_route(s, &r);
		struct queue *q = NULL;

		if (err == MQI_OK) {
			q = queue_by_id(p->e, r->queue->id);
			err = fanout_check(q, p->req->body_len);
		}
		if (err == MQI_OK &&
		    mqattr_is(r->opened->attrs, MQATTR_ID_PUT, "DISABLED"))
			err = MQI_E_PUT_INHIBITED;
		if (err == MQI_OK && r->is_remote && path_has(p, r->to.qmgr))
			continue; /* it has been there */
		if (err == MQI_OK)
			send_to(p, s, q, r->is_remote ? r : NULL);
		else
			cannot(p, s, err);
	}
}

/* ---- the message ---- */

static void
set_prop(struct mqi_prop *prop, const char *name, const char *text)
{
	prop->name = name;
	prop->type = MQI_PROP_STRING;
	prop->value.bytes.data = text;
	prop->value.bytes.len = strlen(text);
}

/* The descriptor that a program would have put for this look. */
static enum mqi_err
describe(struct publication *p, const struct look *k, struct mqbuf *out)
{
	struct mqi_md md = p->md;

	mqbuf_reset(out);
	if (k != NULL) {
		md.priority = k->priority;
		if (k->first->has_correl)
			memcpy(md.correl_id, k->first->correl_id, MQI_ID_LEN);
		if (k->remote != NULL)
			set_prop(&p->props[md.n_props++], PUBSUB_PATH, p->path);
		if (k->first->user_data != NULL)
			set_prop(&p->props[md.n_props++], PUBSUB_USER_DATA,
			    k->first->user_data);
	}
	return mqdesc_encode(&md, out);
}

/* ---- what it brings along ---- */

static bool
is_named(const struct mqi_prop *prop, const char *name)
{
	return strcmp(prop->name, name) == 0 && prop->type == MQI_PROP_STRING;
}

/* Those that we make ourselves are taken off; of what a channel passes on, its
 * topic and path are noted. */
static void
take_props(struct publication *p, const struct mqi_prop **ret_topic)
{
	bool passed = p->h->s->who.is_agent &&
		      (p->req->flags & MQLOCAL_PUT_PASS_CONTEXT) != 0;
	size_t n = 0, len = 0;

	for (size_t i = 0; i < p->md.n_props; i++) {
		const struct mqi_prop *prop = &p->given[i];

		if (passed && is_named(prop, PUBSUB_PATH)) {
			len = prop->value.bytes.len;
			if (len > PUBSUB_PATH_MAX)
				len = PUBSUB_PATH_MAX;
			memcpy(p->path, prop->value.bytes.data, len);
		} else if (passed && is_named(prop, PUBSUB_TOPIC)) {
			*ret_topic = prop;
		} else if (strcmp(prop->name, PUBSUB_TOPIC) != 0 &&
			   strcmp(prop->name, PUBSUB_PATH) != 0 &&
			   strcmp(prop->name, PUBSUB_USER_DATA) != 0 &&
			   strcmp(prop->name, PUBSUB_IS_RETAINED) != 0) {
			p->props[n++] = *prop;
		}
	}
	p->md.n_props = n;
	p->path[len] = '\0';
}

/* What comes from another queue manager through an alias is published on its
 * own topic, if that lies at or below the alias's and may be published on. */
static enum mqi_err
find_topic(struct publication *p, const struct mqi_prop *given)
{
	const struct topic_handle *t = p->h->topic;
	const struct engine_identity *who = &p->h->s->who;
	size_t above = strlen(t->text);
	char why[TOPIC_WHY_LEN];
	size_t len;

	p->topic = t->text;
	if (given == NULL)
		return MQI_OK;
	len = given->value.bytes.len;
	p->own_topic = mqmem_alloc(len + 1);
	memcpy(p->own_topic, given->value.bytes.data, len);
	if (!topic_is_valid(p->own_topic) ||
	    topic_first_wild(p->own_topic) >= 0 ||
	    strncmp(p->own_topic, t->text, above) != 0 ||
	    (p->own_topic[above] != '/' && p->own_topic[above] != '\0'))
		return MQI_OK;
	p->topic = p->own_topic;
	topic_resolve(p->e, p->topic, &p->below);
	if (strcmp(p->below.object, t->rules.object) != 0 &&
	    engine_authorize(p->e, who, AUTHORITY_TOPIC, p->below.object,
		AUTHORITY_PUB, why, sizeof(why)) != MQI_OK)
		return MQI_E_NOT_AUTHORIZED;
	p->rules = &p->below;
	return p->below.pub ? MQI_OK : MQI_E_PUT_INHIBITED;
}

static enum mqi_err
begin(struct publication *p)
{
	static const uint8_t no_id[MQI_ID_LEN];
	struct mqi_md *md = &p->md;
	const struct mqi_prop *topic = NULL;
	enum mqi_err err = mqdesc_decode(p->req->desc, p->req->desc_len, md);

	if (err != MQI_OK)
		return err;
	p->given = md->props;
	p->props = mqmem_array(md->n_props + 4, sizeof(*p->props));
	if (p->h->topic != NULL) {
		take_props(p, &topic);
		err = find_topic(p, topic);
		set_prop(&p->props[md->n_props++], PUBSUB_TOPIC, p->topic);
	} else if (p->given != NULL) {
		memcpy(p->props, p->given, md->n_props * sizeof(*p->props));
	}
	if (err != MQI_OK)
		return err;
	md->props = p->props;
	md->report &= ~REPORTS_HERE;
	if (md->priority == MQI_PRIORITY_AS_Q_DEF)
		md->priority = p->rules->priority;
	if (md->persistence == MQI_PERSISTENCE_AS_Q_DEF)
		md->persistence = p->rules->persistent;
	if (memcmp(md->msg_id, no_id, MQI_ID_LEN) == 0)
		stamp_new_msg_id(p->e, md->msg_id);
	return describe(p, NULL, &p->desc);
}

/* As it is retained: it is found by an id of its own, and its time is watched
 * where it is given away. */
static enum mqi_err
describe_kept(struct publication *p, struct mqbuf *out)
{
	struct mqi_md md = p->md;

	mqbuf_reset(out);
	stamp_new_msg_id(p->e, md.msg_id);
	if (md.expiry != MQI_EXPIRY_UNLIMITED) {
		p->props[md.n_props].name = PUBSUB_UNTIL;
		p->props[md.n_props].type = MQI_PROP_INT64;
		p->props[md.n_props++].value.int64 =
		    (int64_t)(p->e->wall_us / 1000) + (int64_t)md.expiry * 100;
		md.expiry = MQI_EXPIRY_UNLIMITED;
	}
	return mqdesc_encode(&md, out);
}

/* A message that is put for a look; NULL: the plain one, or that which is
 * retained. */
static enum mqi_err
make(struct publication *p, const struct look *k, struct msg *m)
{
	struct engine_put req = *p->req;
	struct handle as = *p->h;
	struct stamp_result st;
	struct mqbuf desc;
	enum mqi_err err;

	/* it is put through its transmission queue */
	if (k != NULL && k->remote != NULL) {
		as.route = *k->remote;
		as.q = queue_by_id(p->e, k->remote->queue->id);
	}
	as.stamped = NULL;
	mqbuf_init(&desc, MQDESC_MAX);
	err = m == &p->kept ? describe_kept(p, &desc) : describe(p, k, &desc);
	req.desc = desc.data;
	req.desc_len = (uint32_t)desc.len;
	if (err == MQI_OK)
		err = stamp_put(&as, &req, &st);
	as.stamped = stamp_forget(as.stamped);
	mqbuf_fini(&desc);
	if (err != MQI_OK)
		return err;
	m->desc_len = (uint32_t)p->e->scratch.len;
	m->body_len = req.body_len;
	m->data = mqref_new((size_t)m->desc_len + m->body_len);
	if (m->data == NULL)
		return MQI_E_NO_MEMORY;
	memcpy(m->data->data, p->e->scratch.data, m->desc_len);
	if (m->body_len > 0)
		memcpy(m->data->data + m->desc_len, req.body, m->body_len);
	m->body_crc = req.body_crc;
	m->body_id = engine_next_number(p->e);
	m->persistent = st.persistent;
	m->priority = st.priority;
	m->deadline_ms = st.deadline_ms;
	m->put_us = p->e->clock_us;
	memcpy(m->msg_id, st.msg_id, MQI_ID_LEN);
	memcpy(m->correl_id, st.correl_id, MQI_ID_LEN);
	return MQI_OK;
}

static enum mqi_err
make_all(struct publication *p)
{
	enum mqi_err err = MQI_OK;

	for (uint32_t i = 0; i < p->n_looks && err == MQI_OK; i++)
		err = make(p, &p->looks[i], &p->looks[i].m);
	if (err == MQI_OK && p->n_failed > 0)
		err = make(p, NULL, &p->plain);
	if (err == MQI_OK && p->retains)
		err = retain_check(p->e, p->topic, p->req->body_len);
	if (err == MQI_OK && p->retains)
		err = make(p, NULL, &p->kept);
	return err;
}

/* ---- those who cannot take it ---- */

static bool
must_have_it(const struct publication *p, const struct sub *s)
{
	enum topic_guarantee g = p->md.persistence == MQI_PERSISTENCE_YES
				     ? p->rules->pmsg
				     : p->rules->npmsg;

	return g == TOPIC_ALL || (g == TOPIC_ALLDUR && s->object != NULL);
}

static enum mqi_err
bury(struct publication *p)
{
	for (uint32_t i = 0; i < p->n_failed; i++) {
		struct failed *f = &p->failed[i];

		f->is_dead =
		    p->rules->use_dlq && report_dead_copy(p->e, f->sub->dest,
					     &p->plain, f->why, &f->dead);
		if (!f->is_dead && must_have_it(p, f->sub))
			return MQI_E_PUBLICATION_FAILURE;
	}
	return MQI_OK;
}

/* ---- putting ---- */

static enum mqi_err
join_unit(struct publication *p)
{
	const struct engine *e = p->e;
	size_t room = (size_t)p->n_failed * PUBLISH_DEAD_ROOM;
	enum mqi_err err = unit_get(p->h->s, p->req->unit, &p->u);

	if (p->retains)
		room += PUBLISH_DEAD_ROOM;
	for (uint32_t i = 0; i < p->n_looks; i++)
		room += fanout_room(p->looks[i].n);
	if (err == MQI_OK &&
	    (!unit_has_room(p->u, room) ||
		(uint64_t)p->u->n_msgs + p->n_looks + p->n_failed + p->retains >
		    e->max_unit_msgs))
		err = MQI_E_SYNCPOINT_LIMIT;
	return err;
}

static void
put_kept(struct publication *p)
{
	struct retained *r = retain_new(p->topic);

	if (p->md.expiry != MQI_EXPIRY_UNLIMITED)
		r->until_ms =
		    p->e->wall_us / 1000 + (uint64_t)p->md.expiry * 100;
	unit_add_retained(p->u, pubsub_queue(p->e), r, &p->kept);
}

static void
put_all(struct publication *p)
{
	if (p->retains)
		put_kept(p);
	for (uint32_t i = 0; i < p->n_looks; i++) {
		struct look *k = &p->looks[i];

		fanout_put_in(p->u, k->to, k->n, &k->m);
	}
	for (uint32_t i = 0; i < p->n_failed; i++) {
		if (p->failed[i].is_dead)
			report_put_in(&p->failed[i].dead, p->u);
		p->failed[i].is_dead = false;
	}
	for (uint32_t i = 0; i < p->n_subs; i++) {
		p->subs[i]->n_msgs++;
		p->subs[i]->last_msg_ms = p->e->wall_us / 1000;
	}
	p->e->pubsub->n_publications++;
}

static enum mqi_err
check(struct publication *p)
{
	const struct engine_put *req = p->req;
	struct topic_handle *t = p->h->topic;
	struct engine *e = p->e;

	if (t->ruled_at != e->object_changes) {
		topic_resolve(e, t->text, &t->rules);
		t->ruled_at = e->object_changes;
	}
	if (e->stopping || (e->quiescing && req->unit == 0))
		return MQI_E_Q_MGR_STOPPING;
	if (!t->rules.pub)
		return MQI_E_PUT_INHIBITED;
	if (req->body_len > e->max_msg_len)
		return MQI_E_MSG_TOO_BIG_FOR_Q_MGR;
	if (!put_has_room(e))
		return MQI_E_STORAGE_MEDIUM_FULL;
	if (mqcrc32c(0, req->body, req->body_len) != req->body_crc)
		return MQI_E_PROTOCOL;
	return MQI_OK;
}

static void
finish(struct publication *p)
{
	for (uint32_t i = 0; i < p->n_looks; i++) {
		msg_fini(&p->looks[i].m);
		free(p->looks[i].to);
	}
	for (uint32_t i = 0; i < p->n_failed; i++) {
		if (p->failed[i].is_dead)
			msg_fini(&p->failed[i].dead.m);
	}
	msg_fini(&p->plain);
	msg_fini(&p->kept);
	free(p->looks);
	free(p->failed);
	free(p->subs);
	free(p->props);
	free((void *)(uintptr_t)p->given);
	free(p->own_topic);
	mqbuf_fini(&p->desc);
}

static void
fill_answer(struct publication *p)
{
	struct engine_reply *done = p->done;

	if (done->kind == ENGINE_PUTS_DONE)
		return;
	done->u.put.priority = (int8_t)p->md.priority;
	done->u.put.persistent = p->md.persistence == MQI_PERSISTENCE_YES;
	done->u.put.put_time_ms = p->e->wall_us / 1000;
	memcpy(done->u.put.msg_id, p->md.msg_id, MQI_ID_LEN);
}

enum mqi_err
publish(struct handle *h, const struct engine_put *req,
    struct engine_reply *done, uint64_t *ret_pos)
{
	struct publication p = {.e = h->s->e,
	    .h = h,
	    .req = req,
	    .rules = &h->topic->rules,
	    .retains = (req->flags & MQLOCAL_PUT_RETAIN) != 0,
	    .done = done};
	enum mqi_err err;

	mqbuf_init(&p.desc, MQDESC_MAX);
	err = check(&p);
	if (err == MQI_OK)
		err = begin(&p);
	/* one that comes back has been published here */
	if (err == MQI_OK && !path_has(&p, p.e->config.name)) {
		if (p.path[0] != '\0')
			strcat(p.path, ",");
		strcat(p.path, p.e->config.name);
		topic_trie_match(pubsub_get(p.e)->subs, p.topic, found, &p);
		sift(&p);
		address(&p);
		err = make_all(&p);
	} else {
		p.retains = false;
	}
	if (err == MQI_OK)
		err = bury(&p);
	if (err == MQI_OK)
		err = join_unit(&p);
	if (err == MQI_OK) {
		put_all(&p);
		fill_answer(&p);
	}
	*ret_pos = 0;
	/* one of its own */
	if (req->unit == 0 && p.u != NULL)
		*ret_pos = unit_commit_own(h->s, p.u);
	finish(&p);
	return err;
}

/* ---- what was retained ---- */

/* Without what it was retained with; false: its time is over. */
static bool
revive(struct publication *p, const char **ret_topic)
{
	struct mqi_md *md = &p->md;
	int64_t now = (int64_t)(p->e->wall_us / 1000), left;
	size_t n = 0;

	for (size_t i = 0; i < md->n_props; i++) {
		const struct mqi_prop *prop = &p->props[i];

		if (strcmp(prop->name, PUBSUB_UNTIL) == 0 &&
		    prop->type == MQI_PROP_INT64) {
			left = prop->value.int64 - now;
			if (left < 100)
				return false;
			md->expiry = (int32_t)(left / 100);
			continue;
		}
		if (strcmp(prop->name, PUBSUB_TOPIC) == 0)
			*ret_topic = prop->value.bytes.data;
		p->props[n++] = *prop;
	}
	p->props[n].name = PUBSUB_IS_RETAINED;
	p->props[n].type = MQI_PROP_BOOLEAN;
	p->props[n++].value.boolean = 1;
	md->n_props = n;
	return true;
}

enum mqi_err
publish_again(struct handle *h, struct sub *s, const struct engine_put *req)
{
	struct topic_rules rules;
	struct engine_reply done = {.kind = ENGINE_PUTS_DONE};
	struct publication p = {
	    .e = h->s->e, .h = h, .req = req, .rules = &rules, .done = &done};
	const char *topic = NULL;
	enum mqi_err err;

	mqbuf_init(&p.desc, MQDESC_MAX);
	strcpy(p.path, p.e->config.name);
	/* the properties that say more were judged when it was put */
	topic_resolve(p.e, s->pattern, &rules);
	err = begin(&p);
	if (err == MQI_OK && revive(&p, &topic))
		err = describe(&p, NULL, &p.desc);
	if (err == MQI_OK && topic != NULL && fits(&p, s)) {
		p.subs = mqmem_array(1, sizeof(struct sub *));
		p.subs[p.n_subs++] = s;
		address(&p);
		err = p.n_failed > 0 ? p.failed[0].why : make_all(&p);
		if (err == MQI_OK)
			err = join_unit(&p);
		if (err == MQI_OK)
			put_all(&p);
	}
	if (p.u != NULL)
		(void)unit_commit_own(h->s, p.u);
	finish(&p);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retain.c - retained publications: the last one of a topic that said so lies
 * on SYSTEM.RETAINED.PUB.QUEUE, for those who subscribe later.
 *
 * Neighbours: publish.c puts them, in the unit of the publication; unit.c tells
 * when they are there; subscribe.c asks for those that fit a new subscription.
 *
 * The queue manager is a program of its own here: a session without a client,
 * whose handle has the queue for itself, browses it at the start, and reads
 * what a subscriber is to get; so positions, loads and damage are as for any
 * other program.  What it is told is noted, and looked at when the turn ends.
 *
 * Invariants: memory knows of each topic the place of its message and not the
 * message; of one topic the message with the highest number counts, and the
 * one before goes in the same unit of work.  A subscriber is answered when it
 * has got all that it is to get.
 *
 * Failure: one that cannot be read, or that the subscriber's queue does not
 * take, is left out, with a line in the log.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define PER_TURN 64u

/* One for one subscription. */
struct reading {
	TAILQ_ENTRY(reading) link;
	struct sub *sub; /* NULL: it is gone */
	uint8_t msg_id[MQI_ID_LEN];
	uint32_t id; /* of the request; 0: not asked yet */
	uint8_t *bytes;
	uint32_t desc_len;
	uint32_t body_len;
	uint32_t body_crc;
	uint32_t have; /* bytes of the body */
	bool done;
	enum mqi_err err; /* it cannot be read */
};

static enum mqi_err
retain_open(struct engine *e)
{
	static const struct engine_identity self = {.user = "queue manager",
	    .app_name = "publish and subscribe",
	    .is_owner = true,
	    .is_agent = true};
	struct pubsub *p = pubsub_get(e);
	struct queue *q = pubsub_queue(e);
	struct route r = {.is_remote = false};
	enum mqi_err err;

	if (p->h != NULL)
		return MQI_OK;
	if (q == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (p->self == NULL) {
		p->self = engine_session_new(e, NULL, &self);
		p->self->sink = retain_told;
	}
	r.queue = r.opened = q->object;
	err = session_open_route(
	    p->self, &r, MQI_OO_BROWSE | MQI_OO_INPUT_EXCLUSIVE, &p->h);
	return err;
}

/* ---- what is known ---- */

/* The message goes, in the unit with this number (0: none). */
static uint64_t
drop_message(struct engine *e, const struct retained *r, uint32_t number)
{
	struct queue *q = pubsub_queue(e);
	struct entry *x = queue_entry_at(q, r->place);
	struct msg m = {.body_id = r->body_id,
	    .desc_len = r->desc_len,
	    .body_len = r->body_len,
	    .body_crc = r->body_crc,
	    .persistent = r->persistent,
	    .in_store = true};

	/* the store alone has it: what will hide it there */
	if (x == NULL)
		x = entry_add(q, r->place, &m, 0);
	if (x->state == ENTRY_REMOVED)
		return 0;
	return entry_remove(x, number);
}

static void
learn(struct engine *e, struct retained *r, uint32_t number)
{
	struct topic_trie *t = pubsub_get(e)->retained;
	struct topic_node *at = NULL;
	struct retained *old;
	enum mqi_err err = topic_trie_get(t, r->text, &at);

	if (err != MQI_OK) { /* of a start with more than may be */
		(void)drop_message(e, r, number);
		retain_free(r);
		return;
	}
	old = at->value;
	if (old != NULL && old->place.seq > r->place.seq) {
		(void)drop_message(e, r, number);
		retain_free(r);
		return;
	}
	if (old != NULL)
		(void)drop_message(e, old, number);
	e->pubsub->n_retained += old == NULL;
	retain_free(old);
	free(r->text);
	r->text = NULL;
	r->at = at;
	topic_trie_set(t, at, r);
}

struct retained *
retain_new(const char *topic)
{
	struct retained *r = mqmem_alloc(sizeof(*r));

	r->text = mqmem_strdup(topic);
	return r;
}

void
retain_free(struct retained *r)
{
	if (r == NULL)
		return;
	free(r->text);
	free(r);
}

void
retain_committed(struct engine *e, struct retained *r, const struct entry *x,
    uint32_t number)
{
	r->place = x->place;
	r->body_id = x->m.body_id;
	r->desc_len = x->m.desc_len;
	r->body_len = x->m.body_len;
	r->body_crc = x->m.body_crc;
	r->persistent = x->m.persistent;
	memcpy(r->msg_id, x->m.msg_id, MQI_ID_LEN);
	learn(e, r, number);
}

static void
forget(struct engine *e, struct retained *r, uint64_t *ret_pos)
{
	*ret_pos = drop_message(e, r, 0);
	topic_trie_set(e->pubsub->retained, r->at, NULL);
	e->pubsub->n_retained--;
	retain_free(r);
}

enum mqi_err
retain_check(struct engine *e, const char *topic, uint64_t len)
{
	struct queue *q = pubsub_queue(e);
	enum mqi_err err = retain_open(e);

	if (err == MQI_OK)
		err = fanout_check(q, len);
	if (err == MQI_OK && e->pubsub->n_retained >= e->pubsub->max_retained &&
	    topic_trie_find(e->pubsub->retained, topic) == NULL)
		err = MQI_E_RESOURCE_PROBLEM;
	if (err == MQI_OK &&
	    topic_trie_count(e->pubsub->retained) + TOPIC_MAX_LEVELS >
		PUBSUB_MAX_NODES)
		err = MQI_E_RESOURCE_PROBLEM;
	return err;
}

enum mqi_err
engine_topic_clear(struct engine *e, const char *topic, uint64_t *ret_pos)
{
	struct topic_node *n;

	if (!topic_is_valid(topic))
		return MQI_E_TOPIC_STRING_ERROR;
	if (pubsub_get(e)->scan != RETAIN_KNOWN)
		return MQI_E_STATE;
	n = topic_trie_find(e->pubsub->retained, topic);
	if (n == NULL)
		return MQI_E_NO_RETAINED_MSG;
	forget(e, n->value, ret_pos);
	return MQI_OK;
}

static void
free_found(void *ctx, struct topic_node *n)
{
	(void)ctx;
	retain_free(n->value);
}

void
retain_free_all(struct pubsub *p)
{
	struct reading *r;

	topic_trie_search(p->retained, "#", free_found, NULL);
	p->retained = topic_trie_free(p->retained);
	while ((r = TAILQ_FIRST(&p->readings)) != NULL) {
		TAILQ_REMOVE(&p->readings, r, link);
		free(r->bytes);
		free(r);
	}
	free(p->scan_desc);
}

/* ---- what a new subscription is to get ---- */

static void
want_found(void *ctx, struct topic_node *n)
{
	struct sub *s = ctx;
	const struct retained *r = n->value;
	struct reading *d;

	if (r->until_ms != 0 && r->until_ms <= s->e->wall_us / 1000)
		return;
	d = mqmem_alloc(sizeof(*d));
	d->sub = s;
	memcpy(d->msg_id, r->msg_id, MQI_ID_LEN);
	s->n_readings++;
	TAILQ_INSERT_TAIL(&s->e->pubsub->readings, d, link);
	s->e->pubsub->n_readings++;
}

static void
look_up(struct sub *s)
{
	topic_trie_search(s->e->pubsub->retained, s->pattern, want_found, s);
	s->wants_retained = false;
}

/* Those who asked before it was known. */
static void
look_up_all(struct pubsub *p)
{
	struct sub *s;

	while ((s = TAILQ_FIRST(&p->early)) != NULL) {
		TAILQ_REMOVE(&p->early, s, early);
		look_up(s);
		if (s->n_readings == 0)
			sub_answer(s);
	}
}

bool
retain_give(struct sub *s)
{
	struct pubsub *p = s->e->pubsub;

	if (p->scan != RETAIN_KNOWN) {
		s->wants_retained = true;
		TAILQ_INSERT_TAIL(&p->early, s, early);
		return true;
	}
	look_up(s);
	return s->n_readings > 0;
}

void
retain_forget_sub(struct sub *s)
{
	struct pubsub *p = s->e->pubsub;
	struct reading *r;

	if (s->wants_retained)
		TAILQ_REMOVE(&p->early, s, early);
	s->wants_retained = false;
	if (s->n_readings == 0)
		return;
	TAILQ_FOREACH (r, &p->readings, link) {
		if (r->sub == s)
			r->sub = NULL;
	}
	s->n_readings = 0;
}

/* ---- what it is told ---- */

static void
take_begin(struct reading *r, const struct engine_reply *k)
{
	uint32_t len = k->u.message.inlined ? k->u.message.sent_len : 0;

	r->desc_len = k->u.message.desc_len;
	r->body_len = k->u.message.body_len;
	r->body_crc = k->u.message.body_crc;
	r->bytes = malloc((size_t)r->desc_len + r->body_len + 1);
	if (r->bytes == NULL) {
		r->err = MQI_E_NO_MEMORY;
	} else {
		memcpy(r->bytes, k->u.message.data->data,
		    (size_t)r->desc_len + len);
		r->have = len;
	}
	r->done = k->u.message.inlined;
}

static void
take_piece(struct reading *r, const struct engine_reply *k)
{
	if (r->bytes != NULL)
		memcpy(r->bytes + r->desc_len + r->have, k->u.piece.data->data,
		    k->u.piece.len);
	r->have += k->u.piece.len;
	r->done = r->have >= r->body_len;
}

static void
take_refusal(struct reading *r, const struct engine_reply *k)
{
	r->done = true;
	r->err = k->reason;
}

/* A message of the queue, at the start. */
static void
take_scanned(struct pubsub *p, const struct engine_reply *k)
{
	struct retained *r = &p->scanned;

	p->scan_asked = false;
	if (k->kind != ENGINE_MESSAGE) {
		p->scan = k->reason == MQI_E_OBJECT_DAMAGED ? p->scan
							    : RETAIN_SCANNED;
		return;
	}
	free(p->scan_desc);
	p->scan_desc = mqmem_alloc(k->u.message.desc_len);
	memcpy(p->scan_desc, k->u.message.data->data, k->u.message.desc_len);
	r->place = p->h->cursor;
	r->body_id = k->u.message.body_id;
	r->desc_len = k->u.message.desc_len;
	r->body_len = k->u.message.body_len;
	r->body_crc = k->u.message.body_crc;
}

void
retain_told(struct engine_session *s, const struct engine_reply *k)
{
	struct pubsub *p = s->e->pubsub;
	struct reading *r;

	p->unsent++;
	if (k->id == RETAIN_SCAN_ID) {
		take_scanned(p, k);
		return;
	}
	r = TAILQ_FIRST(&p->readings);
	if (r == NULL || r->id != k->id)
		return;
	if (k->kind == ENGINE_MESSAGE)
		take_begin(r, k);
	else if (k->kind == ENGINE_PIECE)
		take_piece(r, k);
	else
		take_refusal(r, k);
}

/* ---- the start ---- */

/* What the scan has found becomes known. */
static void
learn_scanned(struct engine *e)
{
	struct pubsub *p = e->pubsub;
	struct mqi_md md;
	const struct mqi_prop *topic = NULL, *until = NULL;
	struct retained *r;
	char *text;

	if (p->scan_desc == NULL ||
	    mqdesc_decode(p->scan_desc, p->scanned.desc_len, &md) != MQI_OK)
		return;
	for (size_t i = 0; i < md.n_props; i++) {
		if (strcmp(md.props[i].name, PUBSUB_TOPIC) == 0 &&
		    md.props[i].type == MQI_PROP_STRING)
			topic = &md.props[i];
		else if (strcmp(md.props[i].name, PUBSUB_UNTIL) == 0 &&
			 md.props[i].type == MQI_PROP_INT64)
			until = &md.props[i];
	}
	if (topic != NULL) {
		text = mqmem_alloc(topic->value.bytes.len + 1);
		memcpy(text, topic->value.bytes.data, topic->value.bytes.len);
		r = retain_new(text);
		free(text);
		text = r->text;
		*r = p->scanned;
		r->text = text;
		r->persistent = md.persistence == MQI_PERSISTENCE_YES;
		r->until_ms = until != NULL ? (uint64_t)until->value.int64 : 0;
		memcpy(r->msg_id, md.msg_id, MQI_ID_LEN);
		if (topic_is_valid(r->text) && *r->text != '\0')
			learn(e, r, 0);
		else
			retain_free(r);
	}
	free((void *)(uintptr_t)md.props);
	free(p->scan_desc);
	p->scan_desc = NULL;
}

static void
scan(struct engine *e)
{
	struct pubsub *p = e->pubsub;
	struct mqlocal_get get = {.options = MQI_GET_ACCEPT_TRUNCATED};

	learn_scanned(e);
	if (p->scan == RETAIN_SCANNED) {
		p->scan = RETAIN_KNOWN;
		look_up_all(p);
		return;
	}
	if (p->scan_asked || !engine_is_ready(e))
		return;
	if (retain_open(e) != MQI_OK) {
		mqlog(MQLOG_WARN, "retained.left.out",
		    "somebody has " PUBSUB_QUEUE " open: what is retained "
		    "there is not known until the next start");
		p->scan = RETAIN_SCANNED;
		return;
	}
	get.handle = p->h->id;
	get.options |= p->scan == RETAIN_UNKNOWN ? MQI_GET_BROWSE_FIRST
						 : MQI_GET_BROWSE_NEXT;
	p->scan = RETAIN_SCANNING;
	p->scan_asked = true;
	engine_get(e, p->self, RETAIN_SCAN_ID, &get);
}

/* ---- reading ---- */

static void
ask(struct engine *e, struct reading *r)
{
	struct pubsub *p = e->pubsub;
	struct mqlocal_get get = {.handle = p->h->id,
	    .options = MQI_GET_BROWSE_FIRST | MQI_GET_MATCH_MSG_ID,
	    .max_len = UINT32_MAX};

	if (++p->last_id <= RETAIN_SCAN_ID || p->last_id > INT32_MAX)
		p->last_id = RETAIN_SCAN_ID + 1;
	r->id = p->last_id;
	memcpy(get.msg_id, r->msg_id, MQI_ID_LEN);
	engine_get(e, p->self, r->id, &get);
}

static void
finish(struct engine *e, struct reading *r)
{
	struct pubsub *p = e->pubsub;
	struct sub *s = r->sub;
	enum mqi_err err = r->err;

	TAILQ_REMOVE(&p->readings, r, link);
	p->n_readings--;
	if (s != NULL && err == MQI_OK) {
		const struct engine_put req = {.handle = p->h->id,
		    .flags = MQLOCAL_PUT_PASS_CONTEXT,
		    .body_crc = r->body_crc,
		    .body_len = r->body_len,
		    .desc = r->bytes,
		    .desc_len = r->desc_len,
		    .body = r->bytes + r->desc_len};

		err = publish_again(p->h, s, &req);
	}
	/* another one has taken its place meanwhile */
	if (s != NULL && err != MQI_OK && err != MQI_E_NO_MSG_AVAILABLE)
		mqlog(MQLOG_WARN, "publication.left.out",
		    "a retained publication for %s on %s: %s", s->pattern,
		    s->dest, mqi_strerror(err));
	if (s != NULL && --s->n_readings == 0)
		sub_answer(s);
	free(r->bytes);
	free(r);
}

/* One after the other: they share the handle's cursor. */
static void
read_on(struct engine *e)
{
	struct reading *r = TAILQ_FIRST(&e->pubsub->readings);

	if (r == NULL)
		return;
	if (r->done || (r->sub == NULL && r->id == 0))
		finish(e, r);
	else if (r->id == 0)
		ask(e, r);
}

bool
retain_has_work(const struct engine *e)
{
	const struct pubsub *p = e->pubsub;
	const struct reading *r;

	if (p == NULL)
		return false;
	r = TAILQ_FIRST(&p->readings);
	return p->unsent > 0 || (r != NULL && (r->id == 0 || r->done)) ||
	       (p->scan != RETAIN_KNOWN && !p->scan_asked &&
		   engine_is_ready(e) && !e->quiescing);
}

void
retain_turn(struct engine *e)
{
	struct pubsub *p = e->pubsub;

	for (unsigned i = 0; i < PER_TURN && retain_has_work(e); i++) {
		uint32_t n = p->unsent;

		p->unsent = 0;
		if (n > 0)
			engine_sent(e, p->self, n);
		if (p->scan != RETAIN_KNOWN && !e->quiescing)
			scan(e);
		else
			read_on(e);
	}
}

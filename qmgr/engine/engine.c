/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - the engine's start and end, and its time.
 *
 * Start: the store shows its catalog (metas, objects, counters of queues,
 * streams, positions; no messages).  The epoch goes up by one and is written
 * as the first record; the engine is ready when that is durable, since every
 * number that it gives out begins with the epoch: `epoch << 40` and upwards
 * for sequences, body ids, queue ids and message ids, so that none is ever
 * used twice, whatever a crash has taken back.
 *
 * Neighbours: batch.c (group commit), session.c (requests), queue.c (messages).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

#define DEFAULT_WINDOW_ROWS 1024u
#define DEFAULT_WINDOW_BYTES 1048576u
#define DEFAULT_UNIT_BYTES 1048576u
#define DEFAULT_NP_BYTES 67108864u
#define DEFAULT_OUT_BYTES 1048576u
#define SCRATCH_MAX 131072u

uint64_t
engine_next_number(struct engine *e)
{
	e->counter++;
	return e->epoch << ENGINE_SEQ_BITS | e->counter;
}

/* ---- catalog ---- */

static void
catalog_meta(void *ctx, const struct record_meta *v)
{
	struct engine *e = ctx;

	if (strcmp(v->name, "qmid") == 0 && v->len == 16) {
		memcpy(e->qmid, v->value, 16);
		e->has_qmid = true;
	} else if (strcmp(v->name, "name") == 0) {
		e->has_name = true;
		if (v->len != strlen(e->config.name) ||
		    memcmp(v->value, e->config.name, v->len) != 0)
			e->catalog_err = MQI_E_Q_MGR_NAME;
	} else if (strcmp(v->name, "epoch") == 0 && v->len == 8) {
		e->epoch = mqbuf_get_u64(v->value);
	}
}

static void
catalog_object(void *ctx, const struct record_object *v)
{
	struct engine *e = ctx;
	const struct engine_object *o = NULL;
	struct mqattr_set *attrs = NULL;
	enum mqi_err err = mqattr_decode(
	    (enum mqattr_object)v->type, v->attrs, v->attrs_len, &attrs);

	if (err == MQI_OK)
		err = object_set(e->objects, (enum mqattr_object)v->type,
		    v->name, v->id, attrs, &o);
	if (err != MQI_OK) {
		e->catalog_err = MQI_E_STORE_FORMAT;
		return;
	}
	if (o->type == MQATTR_QLOCAL)
		(void)queue_new(e, o->id, o);
}

static void
catalog_queue(void *ctx, uint64_t queue_id, uint64_t depth, uint64_t bytes)
{
	struct queue *q = queue_by_id(ctx, queue_id);

	if (q == NULL || depth == 0)
		return;
	q->depth = depth;
	q->bytes = bytes;
	q->known = PLACE_START;
}

static void
catalog_stream(void *ctx, const struct record_stream *v)
{
	stream_catalog(ctx, v);
}

static void
catalog_position(void *ctx, const struct record_position *v)
{
	position_catalog(ctx, v);
}

/* ---- start ---- */

static void
engine_defaults(struct engine_config *c)
{
	if (c->window_rows == 0)
		c->window_rows = DEFAULT_WINDOW_ROWS;
	if (c->window_bytes == 0)
		c->window_bytes = DEFAULT_WINDOW_BYTES;
	if (c->unit_bytes == 0 || c->unit_bytes > DEFAULT_UNIT_BYTES)
		c->unit_bytes = DEFAULT_UNIT_BYTES;
	if (c->unapplied_bytes == 0)
		c->unapplied_bytes = ENGINE_UNAPPLIED_MAX;
	MQ_PRE(c->unapplied_bytes <= ENGINE_UNAPPLIED_MAX);
	if (c->np_bytes == 0)
		c->np_bytes = DEFAULT_NP_BYTES;
	if (c->out_bytes == 0)
		c->out_bytes = DEFAULT_OUT_BYTES;
}

static void
engine_write_meta(
    struct engine *e, const char *name, const void *value, uint32_t len)
{
	struct record_meta v = {.value = value, .len = len};

	(void)snprintf(v.name, sizeof(v.name), "%s", name);
	record_encode_meta(batch_room(e, 256), &v);
	(void)batch_appended(e);
}

void
engine_refresh(struct engine *e)
{
	const struct mqattr_set *a = e->qmgr->attrs;

	e->max_msg_len = (uint64_t)mqattr_int(a, MQATTR_ID_MAXMSGL);
	e->max_unit_msgs = (uint64_t)mqattr_int(a, MQATTR_ID_MAXUMSGS);
	e->trigger_us = (uint64_t)mqattr_int(a, MQATTR_ID_TRIGINT) * 1000;
	e->hop_limit = (uint32_t)mqattr_int(a, MQATTR_ID_HOPLIMIT);
}

static void
engine_make_qmgr(struct engine *e)
{
	struct mqattr_set *attrs;
	enum mqi_err err;

	e->qmgr = object_find(e->objects, MQATTR_QMGR, e->config.name);
	if (e->qmgr == NULL) {
		attrs = mqattr_set_new(MQATTR_QMGR);
		err = object_set(e->objects, MQATTR_QMGR, e->config.name, 0,
		    attrs, &e->qmgr);
		MQ_INVARIANT(err == MQI_OK);
	}
	engine_refresh(e);
}

/* The first batch: a new epoch, and who we are if the store is new. */
static void
engine_begin_epoch(struct engine *e)
{
	uint8_t epoch[8];
	struct queue *q;

	e->epoch++;
	for (unsigned i = 0; i < 8; i++)
		epoch[i] = (uint8_t)(e->epoch >> (8 * i));
	engine_write_meta(e, "epoch", epoch, sizeof(epoch));
	if (!e->has_qmid) {
		memcpy(e->qmid, e->config.qmid, 16);
		engine_write_meta(e, "qmid", e->qmid, 16);
	}
	if (!e->has_name)
		engine_write_meta(e, "name", e->config.name,
		    (uint32_t)strlen(e->config.name));
	e->ready_at = batch_number(e);
	batch_want(e);
	for (q = e->queues; q != NULL; q = q->hh.next) {
		q->last_seq = e->epoch << ENGINE_SEQ_BITS;
		if (q->stream != NULL)
			stream_restart(q->stream);
	}
}

static struct engine *
engine_alloc(const struct engine_config *config, const struct engine_ops *ops,
    void *ctx, struct store *store)
{
	struct engine *e = mqmem_alloc(sizeof(*e));

	e->config = *config;
	engine_defaults(&e->config);
	e->ops = ops;
	e->ctx = ctx;
	e->store = store;
	e->objects = object_table_new();
	e->random = mqbuf_get_u64(config->incarnation) ^
		    mqbuf_get_u64(config->incarnation + 8);
	LIST_INIT(&e->sessions);
	LIST_INIT(&e->loads);
	TAILQ_INIT(&e->batches);
	TAILQ_INIT(&e->touched);
	TAILQ_INIT(&e->trims);
	TAILQ_INIT(&e->doomed);
	TAILQ_INIT(&e->wait_applied);
	TAILQ_INIT(&e->dirty_streams);
	TAILQ_INIT(&e->offers);
	TAILQ_INIT(&e->triggers);
	TAILQ_INIT(&e->due);
	TAILQ_INIT(&e->walking);
	mqbuf_init(&e->scratch, SCRATCH_MAX);
	mqpool_init(&e->entries, sizeof(struct entry), ENGINE_POOL);
	mqpool_init(&e->deliveries, sizeof(struct delivery), ENGINE_POOL);
	mqpool_init(&e->getters, sizeof(struct getter), ENGINE_POOL);
	mqpool_init(&e->pendings, sizeof(struct pending), ENGINE_POOL);
	return e;
}

enum mqi_err
engine_new(const struct engine_config *config, const struct engine_ops *ops,
    void *ctx, struct store *store, struct engine **ret_engine)
{
	struct engine *e = engine_alloc(config, ops, ctx, store);
	struct store_catalog c = {.meta = catalog_meta,
	    .object = catalog_object,
	    .queue = catalog_queue,
	    .stream = catalog_stream,
	    .position = catalog_position,
	    .ctx = e};
	enum mqi_err err = store->ops->catalog(store, &c);

	if (err == MQI_OK)
		err = e->catalog_err;
	if (err != MQI_OK) {
		(void)engine_free(e);
		return err;
	}
	e->durable = e->applied = store->ops->last_batch(store);
	engine_make_qmgr(e);
	authorize_begin(e);
	engine_begin_epoch(e);
	dynamic_delete_old(e);
	pubsub_begin(e);
	*ret_engine = e;
	return MQI_OK;
}

struct engine *
engine_free(struct engine *e)
{
	struct engine_session *s;
	struct queue *q, *next;
	struct load *l;

	if (e == NULL)
		return NULL;
	LIST_FOREACH (s, &e->sessions, all)
		session_mute(s);
	while ((s = LIST_FIRST(&e->sessions)) != NULL)
		engine_session_end(e, s);
	HASH_ITER (hh, e->queues, q, next)
		(void)queue_free(q);
	while ((l = LIST_FIRST(&e->loads)) != NULL) {
		LIST_REMOVE(l, all);
		free(l);
	}
	batch_free_all(e);
	report_free_all(e);
	position_free_all(e);
	e->pubsub = pubsub_free(e->pubsub);
	e->authority = authority_free(e->authority);
	e->objects = object_table_free(e->objects);
	mqbuf_fini(&e->scratch);
	mqpool_fini(&e->entries);
	mqpool_fini(&e->deliveries);
	mqpool_fini(&e->getters);
	mqpool_fini(&e->pendings);
	free(e);
	return NULL;
}

bool
engine_is_ready(const struct engine *e)
{
	return e->durable >= e->ready_at;
}

const uint8_t *
engine_qmid(const struct engine *e)
{
	return e->qmid;
}

uint64_t
engine_batches_durable(const struct engine *e)
{
	return e->durable;
}

uint64_t
engine_batches_applied(const struct engine *e)
{
	return e->applied;
}

void
engine_checkpoint(struct engine *e)
{
	if (e->applied < e->durable)
		e->ops->hurry(e->ctx, e->durable);
}

/* ---- time ---- */

void
engine_tick(struct engine *e, uint64_t mono_us, uint64_t wall_us)
{
	MQ_PRE(mono_us >= e->mono_us);
	expire_clock(e, mono_us, wall_us);
	e->mono_us = mono_us;
	e->wall_us = wall_us;
	select_tick(e);
	getter_tick(e);
}

void
engine_quiesce(struct engine *e, bool immediate)
{
	struct engine_session *s;
	struct unit *u, *next;
	struct queue *q;

	e->quiescing = true;
	for (q = e->queues; q != NULL; q = q->hh.next)
		queue_fail_getters(q, MQI_E_Q_MGR_STOPPING);
	batch_want(e);
	if (!immediate)
		return;
	e->stopping = true;
	LIST_FOREACH (s, &e->sessions, all) {
		HASH_ITER (hh, s->units, u, next) {
			if (!u->dead)
				unit_back_out(s, u);
		}
	}
	batch_want(e);
}

bool
engine_is_drained(const struct engine *e)
{
	return (e->n_units == 0 || e->stopping) && batch_nothing_waits(e) &&
	       TAILQ_EMPTY(&e->dirty_streams);
}

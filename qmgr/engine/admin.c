/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c - objects are made, changed and deleted; queues are cleared and
 * looked at.
 *
 * A change is made in memory at once and written as an OBJECT record; the
 * caller answers when its position is durable, and so does every open that
 * could reveal it (engine.objects_pos).
 *
 * CLEAR gives the queue a new id: its old messages are PURGEd under the old
 * one, however many they are, without being read, and a load under way for
 * the old id finds nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmgr/engine/engine_int.h"

const struct engine_object *
engine_object_find(
    const struct engine *e, enum mqattr_object type, const char *name)
{
	return object_find(e->objects, type, name);
}

const struct engine_object *
engine_object_next(const struct engine *e, enum mqattr_object type,
    const struct engine_object *prev)
{
	return object_next(e->objects, type, prev);
}

static uint64_t
object_write(struct engine *e, enum mqattr_object type, const char *name,
    uint64_t id, const struct mqattr_set *attrs)
{
	struct record_object v = {.type = (uint8_t)type, .id = id};

	(void)snprintf(v.name, sizeof(v.name), "%s", name);
	mqbuf_reset(&e->scratch);
	mqattr_encode(attrs, &e->scratch);
	MQ_INVARIANT(e->scratch.err == MQI_OK);
	v.attrs = e->scratch.data;
	v.attrs_len = (uint32_t)e->scratch.len;
	record_encode_object(batch_room(e, 256 + e->scratch.len), &v);
	e->objects_pos = batch_appended(e);
	return e->objects_pos;
}

static uint64_t
object_write_delete(struct engine *e, const struct engine_object *o)
{
	struct record_object_delete v = {.type = (uint8_t)o->type, .id = o->id};

	(void)snprintf(v.name, sizeof(v.name), "%s", o->name);
	record_encode_object_delete(batch_room(e, 256), &v);
	e->objects_pos = batch_appended(e);
	return e->objects_pos;
}

static void
object_write_purge(struct engine *e, uint64_t queue_id)
{
	struct record_purge v = {.queue_id = queue_id};

	record_encode_purge(batch_room(e, 64), &v);
	(void)batch_appended(e);
}

/* ---- set ---- */

static enum mqi_err
object_check_usage(const struct engine *e, const struct engine_object *old,
    const struct mqattr_set *attrs)
{
	const struct queue *q = queue_by_id(e, old->id);
	bool is_xmit = mqattr_is(attrs, MQATTR_ID_USAGE, "XMITQ");

	if (is_xmit == q->attr.is_xmit)
		return MQI_OK;
	if (q->n_open > 0)
		return MQI_E_OBJECT_IN_USE;
	return q->depth > 0 || q->uncommitted_puts > 0 ? MQI_E_Q_NOT_EMPTY
						       : MQI_OK;
}

static bool
takes_triggers(const struct queue *q)
{
	return q->attr.put_ok && q->attr.get_ok && !q->attr.is_xmit;
}

/* A local queue's attributes are new. */
static void
object_queue_set(struct engine *e, const struct engine_object *o)
{
	struct queue *q = queue_by_id(e, o->id);
	bool was_inhibited, took_triggers;

	if (q == NULL) {
		(void)queue_new(e, o->id, o);
		return;
	}
	was_inhibited = !q->attr.get_ok;
	took_triggers = takes_triggers(q);
	queue_refresh(q);
	queue_trim_later(q);
	if (was_inhibited && q->trigger != NULL)
		trigger_check(q);
	if (!took_triggers && takes_triggers(q))
		trigger_check_initq(e, o->name);
	if (!q->attr.get_ok)
		queue_fail_getters(q, MQI_E_GET_INHIBITED);
	else if (was_inhibited)
		queue_serve_again(q);
}

enum mqi_err
engine_object_set(struct engine *e, enum mqattr_object type, const char *name,
    const struct mqattr_set *attrs, uint64_t *ret_pos)
{
	const struct engine_object *old = object_find(e->objects, type, name);
	const struct engine_object *o = NULL;
	struct mqattr_set *copy;
	enum mqi_err err = MQI_OK;
	uint64_t id = old != NULL ? old->id : 0;

	if (type == MQATTR_QLOCAL && old != NULL)
		err = object_check_usage(e, old, attrs);
	else if (type == MQATTR_TOPIC)
		err = topic_check(e, name, attrs);
	else if (type == MQATTR_SUB)
		err = sub_check(e, attrs);
	if (err != MQI_OK)
		return err;
	if (type == MQATTR_TOPIC && old != NULL)
		topic_removed(e, old);
	if (type == MQATTR_QLOCAL && old == NULL)
		id = engine_next_number(e);
	copy = mqattr_set_copy(attrs);
	err = object_set(e->objects, type, name, id, copy, &o);
	if (err != MQI_OK) {
		(void)mqattr_set_free(copy);
		return err;
	}
	*ret_pos = object_write(e, type, name, id, attrs);
	e->object_changes++;
	if (type == MQATTR_QLOCAL)
		object_queue_set(e, o);
	else if (type == MQATTR_QMGR)
		engine_refresh(e);
	else if (type == MQATTR_AUTHREC)
		engine_authority_changed(e);
	else if (type == MQATTR_PROCESS)
		trigger_check_process(e, name);
	else if (type == MQATTR_CHANNEL &&
		 mqattr_set_has(attrs, MQATTR_ID_XMITQ))
		stream_work_again(e, mqattr_text(attrs, MQATTR_ID_XMITQ));
	else if (type == MQATTR_TOPIC)
		topic_added(e, o);
	else if (type == MQATTR_SUB)
		sub_added(e, o);
	return MQI_OK;
}

/* ---- delete ---- */

static bool
object_is_open(const struct engine *e, const struct engine_object *o)
{
	const struct engine_session *s;
	const struct handle *h;

	LIST_FOREACH (s, &e->sessions, all) {
		for (h = s->handles; h != NULL; h = h->hh.next) {
			if (h->route.opened == o ||
			    (h->sub != NULL && h->sub->object == o))
				return true;
		}
	}
	return false;
}

static enum mqi_err
queue_check_unused(const struct queue *q)
{
	if (q->n_open > 0 || q->uncommitted_puts > 0 ||
	    q->uncommitted_gets > 0 || stream_is_claimed(q))
		return MQI_E_OBJECT_IN_USE;
	return MQI_OK;
}

static enum mqi_err
object_delete_queue(struct engine *e, const struct engine_object *o, bool purge)
{
	struct queue *q = queue_by_id(e, o->id);
	enum mqi_err err = queue_check_unused(q);

	if (err != MQI_OK)
		return err;
	if (q->depth > 0 && !purge)
		return MQI_E_Q_NOT_EMPTY;
	(void)batch_room(e, 512);
	object_write_purge(e, o->id);
	(void)queue_free(q);
	return MQI_OK;
}

enum mqi_err
engine_object_delete(struct engine *e, enum mqattr_object type,
    const char *name, bool purge, uint64_t *ret_pos)
{
	const struct engine_object *o = object_find(e->objects, type, name);
	enum mqi_err err = MQI_OK;

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (type == MQATTR_QMGR)
		return MQI_E_OBJECT_IN_USE;
	if (type == MQATTR_QLOCAL)
		err = object_delete_queue(e, o, purge);
	else if (object_is_open(e, o))
		err = MQI_E_OBJECT_IN_USE;
	if (err != MQI_OK)
		return err;
	*ret_pos = object_write_delete(e, o);
	e->object_changes++;
	if (type == MQATTR_TOPIC)
		topic_removed(e, o);
	else if (type == MQATTR_SUB)
		sub_removed(e, o);
	object_delete(e->objects, type, name);
	if (type == MQATTR_AUTHREC)
		engine_authority_changed(e);
	return MQI_OK;
}

/* ---- clear ---- */

enum mqi_err
engine_queue_clear(struct engine *e, const char *name, uint64_t *ret_pos)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, name);
	struct mqattr_set *attrs;
	enum mqi_err err;
	struct queue *q;
	uint64_t old_id;
	char own[MQI_NAME_LEN + 1]; /* name may be the object's */

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	q = queue_by_id(e, o->id);
	err = queue_check_unused(q);
	if (err != MQI_OK)
		return err;
	*ret_pos = q->pos;
	if (q->depth == 0 && !q->damaged)
		return MQI_OK;
	(void)snprintf(own, sizeof(own), "%s", name);
	e->object_changes++; /* its object is another one from now on */
	load_forget_queue(q);
	queue_empty(q);
	attrs = mqattr_set_copy(o->attrs);
	old_id = o->id;
	/* all in one batch: a queue is cleared or it is not */
	(void)batch_room(e, 131072);
	(void)object_write_delete(e, o);
	object_write_purge(e, old_id);
	HASH_DEL(e->queues, q);
	object_delete(e->objects, MQATTR_QLOCAL, own);
	q->id = engine_next_number(e);
	HASH_ADD(hh, e->queues, id, sizeof(q->id), q);
	*ret_pos = object_write(e, MQATTR_QLOCAL, own, q->id, attrs);
	err = object_set(
	    e->objects, MQATTR_QLOCAL, own, q->id, attrs, &q->object);
	MQ_INVARIANT(err == MQI_OK);
	q->stream = stream_free(q->stream);
	q->told_work = false;
	q->damaged = false;
	q->damage_reports = 0;
	q->pos = *ret_pos;
	return MQI_OK;
}

/* ---- status ---- */

enum mqi_err
engine_queue_status(
    const struct engine *e, const char *name, struct engine_queue_status *ret)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, name);
	const struct entry *oldest;
	const struct queue *q;
	uint64_t age_us;
	bool here;

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	q = queue_by_id(e, o->id);
	memset(ret, 0, sizeof(*ret));
	ret->depth = q->depth + q->uncommitted_puts;
	ret->bytes = q->bytes;
	ret->open_input = q->open_input;
	ret->open_output = q->open_output;
	ret->uncommitted = q->uncommitted_puts + q->uncommitted_gets;
	ret->last_put_ms = q->last_put_ms;
	ret->last_get_ms = q->last_get_ms;
	ret->damaged = q->damaged;
	oldest = queue_oldest(q);
	if (oldest != NULL && msg_age(e, &oldest->m, &age_us, &here))
		ret->oldest_age_ms = age_us / 1000;
	return MQI_OK;
}

enum mqi_err
engine_stream_status(
    const struct engine *e, const char *queue, struct engine_stream_status *ret)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_QLOCAL, queue);
	const struct queue *q;
	const struct stream *st;

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	q = queue_by_id(e, o->id);
	if (!q->attr.is_xmit)
		return MQI_E_XMIT_Q_USAGE;
	memset(ret, 0, sizeof(*ret));
	ret->waiting = q->depth;
	st = q->stream;
	if (st == NULL)
		return MQI_OK;
	memcpy(ret->stream, st->state.stream, sizeof(ret->stream));
	ret->acked = st->state.acked;
	ret->handed = st->handed;
	ret->in_doubt = st->handed > st->state.acked && q->depth > 0;
	memcpy(ret->bound_qmid, st->state.bound_qmid, sizeof(ret->bound_qmid));
	memcpy(ret->bound_identity, st->state.bound_identity,
	    sizeof(ret->bound_identity));
	ret->is_sending = st->sender != NULL;
	if (!ret->is_sending)
		return MQI_OK;
	memcpy(ret->sender, st->sender->s->who.channel, sizeof(ret->sender));
	ret->in_flight = st->sender->ahead_msgs;
	ret->on_queue_us = st->monitor.on_queue_us;
	ret->batch = st->monitor.batch;
	ret->waiting =
	    q->depth > ret->in_flight ? q->depth - ret->in_flight : 0;
	return MQI_OK;
}

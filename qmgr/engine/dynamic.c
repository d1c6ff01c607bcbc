/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynamic.c - queues that come into being when a program opens a model queue.
 *
 * The queue's name is "AMQ." and a number that is never used twice, its
 * attributes are the model's.  A permanent one is from then on a local queue
 * like any other.  A temporary one ends with the handle that made it: from then
 * on it is `doomed`, nobody can open it or put, gets end, and it goes, with
 * its messages, when the last handle and the last unit of work have let go of
 * it.  Its definition is durable like any other's, so that what refers to it
 * does; a start deletes the temporary ones that it finds.
 *
 * Neighbours: session.c opens and closes; admin.c makes and deletes.
 * Invariant: only here is a queue doomed, and it never stops being so.
 * Failure: more than MAX_DYNAMIC of them are refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "qmgr/engine/engine_int.h"

/* one client shall not fill the store with queues */
#define MAX_DYNAMIC 10000u

const struct engine_object *
dynamic_model(const struct engine *e, const char *object, const char *qmgr)
{
	if (qmgr[0] != '\0' && strcmp(qmgr, e->config.name) != 0)
		return NULL;
	return object_find(e->objects, MQATTR_QMODEL, object);
}

bool
dynamic_is_temporary(const struct engine_object *queue)
{
	return mqattr_is(queue->attrs, MQATTR_ID_DEFTYPE, "TEMPDYN");
}

void
dynamic_set_times(struct mqattr_set *s, uint64_t wall_us)
{
	char date[9], time[9], text[16];

	mqclock_mq_date(wall_us, date, time);
	(void)snprintf(
	    text, sizeof(text), "%.4s-%.2s-%.2s", date, date + 4, date + 6);
	if (mqattr_set_has(s, MQATTR_ID_CRDATE))
		mqattr_set_own(s, MQATTR_ID_CRDATE, text);
	mqattr_set_own(s, MQATTR_ID_ALTDATE, text);
	(void)snprintf(
	    text, sizeof(text), "%.2s.%.2s.%.2s", time, time + 2, time + 4);
	if (mqattr_set_has(s, MQATTR_ID_CRTIME))
		mqattr_set_own(s, MQATTR_ID_CRTIME, text);
	mqattr_set_own(s, MQATTR_ID_ALTTIME, text);
}

static struct mqattr_set *
dynamic_attrs(const struct mqattr_set *model, uint64_t wall_us)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	const struct mqattr_def *d = NULL;

	while ((d = mqattr_next(MQATTR_QMODEL, d)) != NULL) {
		if (!d->read_only && mqattr_set_has(s, d->id))
			mqattr_set_own(s, d->id, mqattr_text(model, d->id));
	}
	dynamic_set_times(s, wall_us);
	return s;
}

enum mqi_err
dynamic_make(struct engine *e, const struct engine_object *model,
    struct route *ret_route)
{
	struct mqattr_set *attrs;
	struct route r = {.is_remote = false};
	enum mqi_err err;
	uint64_t pos;

	if (e->n_dynamic >= MAX_DYNAMIC)
		return MQI_E_RESOURCE_PROBLEM;
	(void)snprintf(r.resolved_name, sizeof(r.resolved_name),
	    "AMQ.%016" PRIX64, engine_next_number(e));
	strcpy(r.resolved_qmgr, e->config.name);
	attrs = dynamic_attrs(model->attrs, e->wall_us);
	err = engine_object_set(e, MQATTR_QLOCAL, r.resolved_name, attrs, &pos);
	(void)mqattr_set_free(attrs);
	if (err != MQI_OK)
		return err;
	r.queue = r.opened =
	    object_find(e->objects, MQATTR_QLOCAL, r.resolved_name);
	*ret_route = r;
	return MQI_OK;
}

void
dynamic_doom(struct queue *q)
{
	if (q->is_doomed)
		return;
	q->is_doomed = true;
	TAILQ_INSERT_TAIL(&q->e->doomed, q, doomed);
	queue_fail_getters(q, MQI_E_Q_DELETED);
}

static void
dynamic_delete(struct engine *e, const char *name)
{
	uint64_t pos;
	/* in use: another time */
	enum mqi_err err =
	    engine_object_delete(e, MQATTR_QLOCAL, name, true, &pos);

	MQ_INVARIANT(err == MQI_OK || err == MQI_E_OBJECT_IN_USE);
}

void
dynamic_flush(struct engine *e)
{
	struct queue *q, *next;

	TAILQ_FOREACH_SAFE (q, &e->doomed, doomed, next) {
		char name[MQI_NAME_LEN + 1];

		strcpy(name, q->object->name);
		dynamic_delete(e, name);
	}
}

void
dynamic_delete_old(struct engine *e)
{
	const struct engine_object *o = NULL, *next;
	char name[MQI_NAME_LEN + 1];

	o = object_next(e->objects, MQATTR_QLOCAL, NULL);
	for (; o != NULL; o = next) {
		next = object_next(e->objects, MQATTR_QLOCAL, o);
		if (!dynamic_is_temporary(o))
			continue;
		strcpy(name, o->name);
		dynamic_delete(e, name);
	}
}

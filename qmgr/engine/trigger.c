/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trigger.c - triggers: a message that says that a queue wants somebody to come
 * (proto/tm.h), put on the queue's initiation queue, by IBM MQ's conditions.
 *
 * Neighbours: put.c, unit.c, queue.c and session.c say when something happens
 * that may set a trigger off: a message becomes visible, returns or is
 * unlocked, the last handle for input closes, an initiation queue is opened;
 * admin.c when objects change.  report.c puts and offers.
 *
 * Only a queue with TRIGGER and a TRIGTYPE has a struct trigger; to all others
 * this file costs a look at a pointer.  What happens is only noted, with the
 * queue on engine.due; trigger_flush() looks at all conditions as they are
 * then: behind the put or commit, in the same batch, and at the end of the
 * turn.
 *
 * What differs from IBM MQ, on purpose (docs/decisions/0041): messages count
 * when they are visible and not locked by a unit of work, so nobody is started
 * for what cannot be got; nothing is triggered while gets are inhibited;
 * trigger messages set off no triggers themselves.
 *
 * With TRIGMPRI the messages of sufficient priority must be counted.  Of those
 * that were there before, or went to the disk meanwhile, the priority is not
 * known without reading them: they never hinder a trigger, and may cause one
 * that is not needed.
 *
 * Failure: a trigger message that the initiation queue does not take is a dead
 * letter, or is lost with a line in the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/report.h"
#include "proto/tm.h"
#include "qmgr/engine/engine_int.h"

enum trigger_type { TRIGGER_FIRST, TRIGGER_EVERY, TRIGGER_DEPTH };

struct trigger {
	TAILQ_ENTRY(trigger) link; /* engine.triggers */
	TAILQ_ENTRY(trigger) due_link;
	struct queue *q;
	enum trigger_type type;
	int8_t min_priority;
	uint64_t depth; /* DEPTH */
	char process[MQI_NAME_LEN + 1];
	char initq[MQI_NAME_LEN + 1];
	uint64_t last_us; /* mono: of the last message, or the beginning */
	/* min_priority > 0: of the messages whose priority is known */
	uint64_t n_high;
	uint64_t n_low;
	bool is_due;    /* on engine.due */
	uint32_t n_due; /* EVERY: messages that came */
};

/* ---- noting ---- */

static void
trigger_note(struct trigger *t)
{
	if (t->is_due)
		return;
	t->is_due = true;
	TAILQ_INSERT_TAIL(&t->q->e->due, t, due_link);
}

/* Messages that can be got now, of whatever priority. */
static uint64_t
trigger_available(const struct queue *q)
{
	return q->depth - (q->n_live - q->n_available);
}

/* Those that count; with TRIGMPRI, those that may. */
static uint64_t
trigger_count(const struct trigger *t)
{
	uint64_t available = trigger_available(t->q);

	if (t->min_priority == 0 || available == 0)
		return available;
	return t->q->depth - t->n_low;
}

static bool
trigger_interval_is_over(struct trigger *t)
{
	const struct engine *e = t->q->e;

	if (t->last_us == 0) /* from before the first tick */
		t->last_us = e->mono_us;
	return e->mono_us - t->last_us >= e->trigger_us;
}

void
trigger_arrived(struct entry *x)
{
	struct trigger *t = x->q->trigger;
	uint64_t n;

	if (t->min_priority > 0) {
		x->m.rated =
		    x->m.priority >= t->min_priority ? MSG_HIGH : MSG_LOW;
		if (x->m.rated == MSG_LOW) {
			t->n_low++;
			return;
		}
		t->n_high++;
	}
	n = t->min_priority > 0 ? t->n_high : trigger_available(x->q);
	if (x->q->e->triggering)
		return;
	if (t->type == TRIGGER_EVERY)
		t->n_due++;
	else if (x->q->open_input > 0 || (t->type == TRIGGER_FIRST && n != 1 &&
					     !trigger_interval_is_over(t)))
		return;
	trigger_note(t);
}

void
trigger_forget(struct entry *x)
{
	struct trigger *t = x->q->trigger;

	if (x->m.rated == MSG_HIGH)
		t->n_high--;
	else if (x->m.rated == MSG_LOW)
		t->n_low--;
	x->m.rated = MSG_UNRATED;
}

void
trigger_check(struct queue *q)
{
	struct trigger *t = q->trigger;

	if (t->type != TRIGGER_EVERY && q->open_input == 0)
		trigger_note(t);
}

void
trigger_check_initq(struct engine *e, const char *name)
{
	struct trigger *t;

	TAILQ_FOREACH (t, &e->triggers, link)
		if (strcmp(t->initq, name) == 0)
			trigger_check(t->q);
}

void
trigger_check_process(struct engine *e, const char *name)
{
	struct trigger *t;

	TAILQ_FOREACH (t, &e->triggers, link)
		if (strcmp(t->process, name) == 0)
			trigger_check(t->q);
}

/* ---- attributes ---- */

struct trigger *
trigger_free(struct trigger *t)
{
	struct engine *e;

	if (t == NULL)
		return NULL;
	e = t->q->e;
	TAILQ_REMOVE(&e->triggers, t, link);
	if (t->is_due)
		TAILQ_REMOVE(&e->due, t, due_link);
	free(t);
	return NULL;
}

void
trigger_forget_all(struct queue *q)
{
	queue_unrate(q);
	q->trigger->n_high = q->trigger->n_low = 0;
}

static void
trigger_read(const struct mqattr_set *a, struct trigger *ret)
{
	ret->type = mqattr_is(a, MQATTR_ID_TRIGTYPE, "EVERY")   ? TRIGGER_EVERY
		    : mqattr_is(a, MQATTR_ID_TRIGTYPE, "DEPTH") ? TRIGGER_DEPTH
								: TRIGGER_FIRST;
	ret->min_priority = (int8_t)mqattr_int(a, MQATTR_ID_TRIGMPRI);
	ret->depth = (uint64_t)mqattr_int(a, MQATTR_ID_TRIGDPTH);
	strcpy(ret->process, mqattr_text(a, MQATTR_ID_PROCESS));
	strcpy(ret->initq, mqattr_text(a, MQATTR_ID_INITQ));
}

void
trigger_refresh(struct queue *q)
{
	const struct mqattr_set *a = q->object->attrs;
	struct trigger old, *t = q->trigger;
	struct engine *e = q->e;

	if (mqattr_is(a, MQATTR_ID_TRIGGER, "NO") ||
	    mqattr_is(a, MQATTR_ID_TRIGTYPE, "NONE")) {
		q->trigger = trigger_free(t);
		return;
	}
	if (t == NULL) {
		t = q->trigger = mqmem_alloc(sizeof(*t));
		t->q = q;
		t->last_us = e->mono_us;
		TAILQ_INSERT_TAIL(&e->triggers, t, link);
	}
	old = *t;
	trigger_read(a, t);
	if (old.min_priority != t->min_priority || old.depth == 0)
		trigger_forget_all(q);
	if (old.type != t->type || old.min_priority != t->min_priority ||
	    old.depth != t->depth || strcmp(old.process, t->process) != 0 ||
	    strcmp(old.initq, t->initq) != 0)
		trigger_check(q);
}

/* ---- the message ---- */

/* The initiation queue, if all is as it must be for a trigger; *ret_process:
 * NULL if none is named. */
static struct queue *
trigger_may(const struct trigger *t, const struct engine_object **ret_process)
{
	const struct queue *q = t->q;
	const struct engine *e = q->e;
	const struct engine_object *o;
	struct queue *iq;

	if (e->quiescing || !q->attr.get_ok ||
	    (t->type != TRIGGER_EVERY && q->open_input > 0))
		return NULL;
	o = object_find(e->objects, MQATTR_QLOCAL, t->initq);
	if (o == NULL)
		return NULL;
	iq = queue_by_id(e, o->id);
	if (iq->open_input == 0 || !iq->attr.put_ok || !iq->attr.get_ok ||
	    iq->attr.is_xmit)
		return NULL;
	*ret_process = object_find(e->objects, MQATTR_PROCESS, t->process);
	/* the name of a channel's queue says enough */
	if (*ret_process == NULL && (t->process[0] != '\0' || !q->attr.is_xmit))
		return NULL;
	return iq;
}

static void
trigger_body(const struct trigger *t, const struct engine_object *process,
    uint8_t ret[MQTM_LEN])
{
	const struct engine_object *o = t->q->object;
	struct mqtm tm = {.appl_type = MQTM_APPL_UNKNOWN};

	strcpy(tm.queue, o->name);
	strcpy(tm.trigger_data, mqattr_text(o->attrs, MQATTR_ID_TRIGDATA));
	if (process != NULL) {
		const struct mqattr_set *a = process->attrs;

		strcpy(tm.process, process->name);
		tm.appl_type =
		    mqtm_appl_type(mqattr_text(a, MQATTR_ID_APPLTYPE));
		strcpy(tm.appl_id, mqattr_text(a, MQATTR_ID_APPLICID));
		strcpy(tm.env_data, mqattr_text(a, MQATTR_ID_ENVRDATA));
		strcpy(tm.user_data, mqattr_text(a, MQATTR_ID_USERDATA));
	}
	mqtm_encode(&tm, ret);
}

static void
trigger_describe(const struct queue *iq, struct mqi_md *ret)
{
	const struct engine *e = iq->e;

	mqi_md_init(ret);
	strcpy(ret->format, MQTM_FORMAT);
	ret->encoding = MQTM_ENCODING;
	ret->priority = iq->attr.priority;
	ret->persistence =
	    iq->attr.persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
	strcpy(ret->reply_to_qmgr, e->config.name);
	ret->put_appl_type = MQREPORT_APPL_QMGR;
	(void)snprintf(ret->put_appl_name, sizeof(ret->put_appl_name), "%.28s",
	    e->config.name);
	mqclock_mq_date(e->wall_us, ret->put_date, ret->put_time);
}

/* Once is enough: a person switches it on again. */
static void
trigger_switch_off(struct queue *q, uint64_t *ret_pos)
{
	struct mqattr_set *set = mqattr_set_copy(q->object->attrs);
	enum mqi_err err;

	mqattr_set_own(set, MQATTR_ID_TRIGGER, "NO");
	err = engine_object_set(
	    q->e, MQATTR_QLOCAL, q->object->name, set, ret_pos);
	MQ_INVARIANT(err == MQI_OK);
	(void)mqattr_set_free(set);
}

static void
trigger_fire(struct trigger *t)
{
	struct queue *q = t->q, *iq;
	const struct engine_object *process = NULL;
	uint64_t n = t->type == TRIGGER_EVERY ? t->n_due : 1;
	uint64_t pos = q->pos, off = 0;
	uint8_t body[MQTM_LEN];
	struct mqi_md md;
	struct report r;

	t->n_due = 0;
	iq = trigger_may(t, &process);
	if (iq == NULL || (t->type == TRIGGER_FIRST && trigger_count(t) == 0) ||
	    (t->type == TRIGGER_DEPTH && trigger_count(t) < t->depth))
		return;
	t->last_us = q->e->mono_us;
	trigger_body(t, process, body);
	trigger_describe(iq, &md);
	if (t->type == TRIGGER_DEPTH) {
		trigger_switch_off(q, &off); /* t is no more */
		pos = off;
	}
	while (n-- > 0)
		if (report_own(iq, &md, body, MQTM_LEN, &r))
			report_put(&r, pos);
}

void
trigger_flush(struct engine *e)
{
	struct trigger *t;

	e->triggering = true;
	while ((t = TAILQ_FIRST(&e->due)) != NULL) {
		TAILQ_REMOVE(&e->due, t, due_link);
		t->is_due = false;
		trigger_fire(t);
	}
	e->triggering = false;
}

size_t
trigger_room(const struct queue *q)
{
	return q->trigger->type == TRIGGER_EVERY ? TRIGGER_ROOM : 0;
}

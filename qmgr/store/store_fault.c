/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fault.c - fails the Nth submit or load of another store, or tells
 * what it says later (store_fault.h).
 *
 * A failed submit is like a failed flush: whether the batch is done is not
 * known to the engine (fail_submit: it is not; lose_submit: it is), failed()
 * is told once, and nothing after it.
 */
#include "qmgr/store/store_fault.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"

enum fault_kind { FAULT_DURABLE, FAULT_APPLIED, FAULT_FAILED, FAULT_LOADED };

struct fault_event {
	STAILQ_ENTRY(fault_event) entry;
	enum fault_kind kind;
	uint64_t due; /* poll */
	uint64_t number;
	enum mqi_err err;
	char *why;
	struct store_load *load;
};

struct store_fault {
	struct store base;
	struct store *inner;
	struct store_fault_plan plan;
	uint64_t submits;
	uint64_t loads;
	uint64_t polls;
	bool dead;
	STAILQ_HEAD(, fault_event) events;
};

static struct store_fault *
self(struct store *s)
{
	return MQ_CONTAINER_OF(s, struct store_fault, base);
}

static struct fault_event *
add_event(struct store_fault *f, enum fault_kind kind)
{
	struct fault_event *e = mqmem_alloc(sizeof(*e));

	e->kind = kind;
	e->due = f->polls + f->plan.delay_polls;
	STAILQ_INSERT_TAIL(&f->events, e, entry);
	return e;
}

static void
event_free(struct fault_event *e)
{
	(void)store_load_free(e->load);
	free(e->why);
	free(e);
}

static void
die(struct store_fault *f)
{
	struct fault_event *e = add_event(f, FAULT_FAILED);

	f->dead = true;
	e->err = MQI_E_IO;
	e->why = mqmem_strdup("a failure made by the test");
}

/* ---- what the inner store says ---- */

static void
inner_durable(void *ctx, uint64_t number)
{
	struct store_fault *f = ctx;

	if (!f->dead)
		add_event(f, FAULT_DURABLE)->number = number;
}

static void
inner_applied(void *ctx, uint64_t number)
{
	struct store_fault *f = ctx;

	if (!f->dead)
		add_event(f, FAULT_APPLIED)->number = number;
}

static void
inner_failed(void *ctx, enum mqi_err err, const char *why)
{
	struct store_fault *f = ctx;
	struct fault_event *e;

	if (f->dead)
		return;
	e = add_event(f, FAULT_FAILED);
	e->err = err;
	e->why = mqmem_strdup(why);
	f->dead = true;
}

static void
inner_loaded(void *ctx, struct store_load *l)
{
	struct store_fault *f = ctx;

	if (f->dead)
		(void)store_load_free(l);
	else
		add_event(f, FAULT_LOADED)->load = l;
}

/* ---- the seam ---- */

static enum mqi_err
fault_catalog(struct store *s, const struct store_catalog *c)
{
	struct store *inner = self(s)->inner;

	return inner->ops->catalog(inner, c);
}

static uint64_t
fault_last_batch(struct store *s)
{
	struct store *inner = self(s)->inner;

	return inner->ops->last_batch(inner);
}

static bool
fault_submit(struct store *s, struct store_batch *b, bool alone)
{
	struct store_fault *f = self(s);
	uint64_t n = ++f->submits;
	bool done = false;

	if (f->dead || n == f->plan.fail_submit)
		(void)store_batch_free(b);
	else
		done = f->inner->ops->submit(f->inner, b, alone);
	if (!f->dead && (n == f->plan.fail_submit || n == f->plan.lose_submit))
		die(f);
	return done;
}

static void
fault_hurry(struct store *s, uint64_t number)
{
	self(s)->inner->ops->hurry(self(s)->inner, number);
}

static void
fault_load(struct store *s, struct store_load *l)
{
	struct store_fault *f = self(s);

	if (f->dead) {
		(void)store_load_free(l);
	} else if (++f->loads == f->plan.fail_load) {
		l->err = MQI_E_STORE_FAILED;
		add_event(f, FAULT_LOADED)->load = l;
	} else {
		f->inner->ops->load(f->inner, l);
	}
}

static void
tell(struct fault_event *e, const struct store_events *ev)
{
	switch (e->kind) {
	case FAULT_DURABLE:
		ev->durable(ev->ctx, e->number);
		break;
	case FAULT_APPLIED:
		ev->applied(ev->ctx, e->number);
		break;
	case FAULT_FAILED:
		ev->failed(ev->ctx, e->err, e->why);
		break;
	case FAULT_LOADED:
		ev->loaded(ev->ctx, e->load);
		e->load = NULL;
		break;
	}
}

static void
fault_poll(struct store *s, const struct store_events *ev)
{
	struct store_fault *f = self(s);
	const struct store_events inner = {.durable = inner_durable,
	    .applied = inner_applied,
	    .failed = inner_failed,
	    .loaded = inner_loaded,
	    .ctx = f};
	uint64_t now = f->polls;
	struct fault_event *e;

	f->inner->ops->poll(f->inner, &inner);
	f->polls++;
	while ((e = STAILQ_FIRST(&f->events)) != NULL && e->due <= now) {
		STAILQ_REMOVE_HEAD(&f->events, entry);
		tell(e, ev);
		event_free(e);
	}
}

static bool
fault_has_room(struct store *s)
{
	struct store *inner = self(s)->inner;

	return inner->ops->has_room(inner);
}

static enum mqi_err
fault_close(struct store *s)
{
	struct store_fault *f = self(s);
	struct fault_event *e;
	enum mqi_err err = f->inner->ops->close(f->inner);

	while ((e = STAILQ_FIRST(&f->events)) != NULL) {
		STAILQ_REMOVE_HEAD(&f->events, entry);
		event_free(e);
	}
	free(f);
	return err;
}

static const struct store_ops fault_ops = {
    .catalog = fault_catalog,
    .last_batch = fault_last_batch,
    .submit = fault_submit,
    .hurry = fault_hurry,
    .load = fault_load,
    .poll = fault_poll,
    .has_room = fault_has_room,
    .close = fault_close,
};

struct store *
store_fault_new(struct store *inner, const struct store_fault_plan *plan)
{
	struct store_fault *f = mqmem_alloc(sizeof(*f));

	f->base.ops = &fault_ops;
	f->inner = inner;
	f->plan = *plan;
	STAILQ_INIT(&f->events);
	return &f->base;
}

void
store_fault_set(struct store *s, const struct store_fault_plan *plan)
{
	struct store_fault *f = self(s);

	f->plan = *plan;
	f->submits = 0;
	f->loads = 0;
}

struct store *
store_fault_inner(struct store *s)
{
	return self(s)->inner;
}

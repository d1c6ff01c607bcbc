/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.c - a store in memory whose steps a test takes one by one
 * (store_mem.h); what it holds is in store_mem_state.c.
 *
 * Batches wait in one list, the durable ones at its head; the state shows
 * exactly the applied ones.  A crash therefore keeps the state, applies the
 * durable batches that wait, and forgets the rest.  A load is answered from the
 * state at its read_load.  In automatic mode each submit and load is carried
 * through at once.  A record that a store must refuse makes it fail, as a real
 * one would.
 */
#include "qmgr/store/store_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "qmgr/store/store_mem_state.h"

struct mem_batch {
	STAILQ_ENTRY(mem_batch) entry;
	struct store_batch *batch;
	bool durable;
};

struct mem_load {
	STAILQ_ENTRY(mem_load) entry;
	struct store_load *load;
	bool was_read;
};

enum mem_event_kind { MEM_DURABLE, MEM_APPLIED, MEM_FAILED, MEM_LOADED };

struct mem_event {
	STAILQ_ENTRY(mem_event) entry;
	enum mem_event_kind kind;
	uint64_t number;
	struct store_load *load;
};

struct store_mem {
	struct store base;
	struct mem_state *state;
	STAILQ_HEAD(, mem_batch) batches;
	STAILQ_HEAD(, mem_load) loads;
	STAILQ_HEAD(, mem_event) events;
	uint64_t opened_at; /* last batch at open */
	uint64_t submitted;
	uint64_t applied;
	bool automatic;
	bool room;
	bool failed;
	struct store_why why;
};

static struct store_mem *
self(const struct store *s)
{
	return MQ_CONTAINER_OF(s, struct store_mem, base);
}

static void
add_event(struct store_mem *m, enum mem_event_kind kind, uint64_t number,
    struct store_load *load)
{
	struct mem_event *e = mqmem_alloc(sizeof(*e));

	e->kind = kind;
	e->number = number;
	e->load = load;
	STAILQ_INSERT_TAIL(&m->events, e, entry);
}

static void
drop_work(struct store_mem *m)
{
	struct mem_batch *b;
	struct mem_load *l;

	while ((b = STAILQ_FIRST(&m->batches)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->batches, entry);
		(void)store_batch_free(b->batch);
		free(b);
	}
	while ((l = STAILQ_FIRST(&m->loads)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->loads, entry);
		(void)store_load_free(l->load);
		free(l);
	}
}

static void
drop_events(struct store_mem *m)
{
	struct mem_event *e;

	while ((e = STAILQ_FIRST(&m->events)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->events, entry);
		(void)store_load_free(e->load);
		free(e);
	}
}

static void
die(struct store_mem *m)
{
	if (m->failed)
		return;
	m->failed = true;
	drop_work(m);
	add_event(m, MEM_FAILED, 0, NULL);
}

/* ---- steps ---- */

bool
store_mem_make_durable(struct store *s)
{
	struct store_mem *m = self(s);
	struct mem_batch *b;

	STAILQ_FOREACH (b, &m->batches, entry) {
		if (b->durable)
			continue;
		b->durable = true;
		add_event(m, MEM_DURABLE, b->batch->number, NULL);
		return true;
	}
	return false;
}

bool
store_mem_apply(struct store *s)
{
	struct store_mem *m = self(s);
	struct mem_batch *b = STAILQ_FIRST(&m->batches);
	enum mqi_err err;

	if (b == NULL || !b->durable)
		return false;
	STAILQ_REMOVE_HEAD(&m->batches, entry);
	err = mem_state_apply(m->state, b->batch, &m->why);
	if (err == MQI_OK) {
		m->applied = b->batch->number;
		add_event(m, MEM_APPLIED, m->applied, NULL);
	} else {
		die(m);
	}
	(void)store_batch_free(b->batch);
	free(b);
	return true;
}

bool
store_mem_read_load(struct store *s)
{
	struct store_mem *m = self(s);
	struct mem_load *l;

	STAILQ_FOREACH (l, &m->loads, entry) {
		if (l->was_read)
			continue;
		mem_state_load(m->state, l->load);
		l->load->as_of = m->applied;
		l->was_read = true;
		return true;
	}
	return false;
}

bool
store_mem_answer_load(struct store *s)
{
	struct store_mem *m = self(s);
	struct mem_load *l = STAILQ_FIRST(&m->loads);

	if (l == NULL || !l->was_read)
		return false;
	STAILQ_REMOVE_HEAD(&m->loads, entry);
	add_event(m, MEM_LOADED, 0, l->load);
	free(l);
	return true;
}

static void
run_steps(struct store *s)
{
	while (store_mem_make_durable(s) || store_mem_apply(s) ||
	       store_mem_read_load(s) || store_mem_answer_load(s))
		continue;
}

struct store_mem_counts
store_mem_counts(const struct store *s)
{
	const struct store_mem *m = self(s);
	struct store_mem_counts n = {0};
	const struct mem_batch *b;
	const struct mem_load *l;
	const struct mem_event *e;

	STAILQ_FOREACH (b, &m->batches, entry)
		b->durable ? n.unapplied++ : n.undurable++;
	STAILQ_FOREACH (l, &m->loads, entry)
		l->was_read ? n.unanswered++ : n.unread++;
	STAILQ_FOREACH (e, &m->events, entry)
		n.events++;
	return n;
}

/* ---- the seam ---- */

static enum mqi_err
mem_catalog(struct store *s, const struct store_catalog *c)
{
	return mem_state_catalog(self(s)->state, c);
}

static uint64_t
mem_last_batch(struct store *s)
{
	return self(s)->opened_at;
}

static bool
mem_submit(struct store *s, struct store_batch *batch, bool alone)
{
	struct store_mem *m = self(s);
	struct mem_batch *b;

	(void)alone;
	MQ_PRE(batch->records.err == MQI_OK);
	MQ_PRE(batch->number == m->submitted + 1);
	m->submitted = batch->number;
	if (m->failed) {
		(void)store_batch_free(batch);
		return false;
	}
	b = mqmem_alloc(sizeof(*b));
	b->batch = batch;
	STAILQ_INSERT_TAIL(&m->batches, b, entry);
	if (m->automatic)
		run_steps(s);
	return false;
}

/* Each step is the test's. */
static void
mem_hurry(struct store *s, uint64_t number)
{
	(void)s;
	(void)number;
}

static void
mem_load(struct store *s, struct store_load *load)
{
	struct store_mem *m = self(s);
	struct mem_load *l;

	if (m->failed) {
		(void)store_load_free(load);
		return;
	}
	l = mqmem_alloc(sizeof(*l));
	l->load = load;
	STAILQ_INSERT_TAIL(&m->loads, l, entry);
	if (m->automatic)
		run_steps(s);
}

static void
tell(struct store_mem *m, const struct mem_event *e,
    const struct store_events *ev)
{
	switch (e->kind) {
	case MEM_DURABLE:
		ev->durable(ev->ctx, e->number);
		break;
	case MEM_APPLIED:
		ev->applied(ev->ctx, e->number);
		break;
	case MEM_FAILED:
		ev->failed(ev->ctx, m->why.err, m->why.text);
		break;
	case MEM_LOADED:
		ev->loaded(ev->ctx, e->load);
		break;
	}
}

static void
mem_poll(struct store *s, const struct store_events *ev)
{
	struct store_mem *m = self(s);
	unsigned n = store_mem_counts(s).events;

	/* what is caused by what is told now is told by the next poll */
	for (; n > 0; n--) {
		struct mem_event *e = STAILQ_FIRST(&m->events);

		STAILQ_REMOVE_HEAD(&m->events, entry);
		tell(m, e, ev);
		free(e);
	}
}

static bool
mem_has_room(struct store *s)
{
	return self(s)->room;
}

static enum mqi_err
mem_close(struct store *s)
{
	struct store_mem *m = self(s);

	drop_work(m);
	drop_events(m);
	m->state = mem_state_free(m->state);
	free(m);
	return MQI_OK;
}

static const struct store_ops mem_ops = {
    .catalog = mem_catalog,
    .last_batch = mem_last_batch,
    .submit = mem_submit,
    .hurry = mem_hurry,
    .load = mem_load,
    .poll = mem_poll,
    .has_room = mem_has_room,
    .close = mem_close,
};

/* ---- what tests do ---- */

struct store *
store_mem_new(bool automatic)
{
	struct store_mem *m = mqmem_alloc(sizeof(*m));

	m->base.ops = &mem_ops;
	m->state = mem_state_new();
	STAILQ_INIT(&m->batches);
	STAILQ_INIT(&m->loads);
	STAILQ_INIT(&m->events);
	m->automatic = automatic;
	m->room = true;
	return &m->base;
}

void
store_mem_set_automatic(struct store *s, bool automatic)
{
	self(s)->automatic = automatic;
	if (automatic)
		run_steps(s);
}

struct store *
store_mem_crash(struct store *s, unsigned extra)
{
	struct store_mem *m = self(s);

	while (extra-- > 0 && store_mem_make_durable(s))
		continue;
	while (store_mem_apply(s))
		continue;
	drop_work(m);
	drop_events(m);
	m->failed = false;
	memset(&m->why, 0, sizeof(m->why));
	mem_state_restart(m->state);
	m->opened_at = m->applied;
	m->submitted = m->applied;
	m->room = true;
	return s;
}

void
store_mem_fail(struct store *s, enum mqi_err err, const char *why)
{
	struct store_mem *m = self(s);

	(void)store_fail(&m->why, err, "%s", why);
	die(m);
}

void
store_mem_set_room(struct store *s, bool has_room)
{
	self(s)->room = has_room;
}

bool
store_mem_damage(struct store *s, uint64_t body_id)
{
	return mem_state_damage(self(s)->state, body_id);
}

bool
store_mem_lose(struct store *s, const struct record_key *key)
{
	return mem_state_lose(self(s)->state, key);
}

uint64_t
store_mem_bodies(const struct store *s)
{
	return mem_state_bodies(self(s)->state);
}

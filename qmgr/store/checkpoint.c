/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.c - applies a range of the journal's batches (checkpoint.h).
 *
 * Neighbours: journal.c gives the batches; store_journal.c notes them as they
 * are written; store_lmdb_apply.c takes the records.
 *
 * A note says which bodies a batch puts and which it lets go of.  A message
 * whose PUT and whose removal from each of its places are all noted is left out
 * altogether, and a batch of which nothing is left is not even read.  Bodies,
 * not places: a message that is put back gets a new body at the place of the
 * old one, whose removal must not be left out if only that is noted.  Staged
 * messages, and what is kept for a RESTORE, take the plain way.
 *
 * The end of the range may be left for the next one: what is put there may yet
 * be removed, while its removals already count for what is before.
 *
 * A range may take several transactions.  Then one may lack a message that
 * only a later batch removes.  That is no loss: the removal is durable in the
 * journal, whose replay finds nothing to remove, which is no error.
 *
 * Memory: 16 bytes, or twice that, for each record noted; 16 or 32 for each
 * message put in the range; one batch.
 */
#include "qmgr/store/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define PAIRS_FIRST 1024u

enum { PAIR_USED = 1, PAIR_PLAIN = 2 };

struct pair {
	uint64_t body_id;
	uint32_t left; /* places that it is not removed from */
	uint8_t flags; /* 0: the slot is empty */
};

struct run {
	const struct checkpoint_target *target;
	struct store_why *why;
	bool lenient;
	struct pair *pairs; /* open addressing, a power of two */
	size_t n_slots;
	size_t n_pairs;
	uint64_t left; /* bytes of records that are not applied yet */
};

/* ---- notes ---- */

static void
note_event(struct checkpoint_note *n, uint64_t body_id,
    enum checkpoint_kind kind, uint32_t places)
{
	if (n->n == n->cap) {
		n->cap = n->cap == 0 ? 16 : 2 * n->cap;
		n->events = mqmem_grow(n->events, n->cap, sizeof(*n->events));
	}
	n->events[n->n++] = (struct checkpoint_event){body_id, kind, places};
}

static enum mqi_err
note_record(void *ctx, const struct record *rec, const uint8_t *bytes)
{
	struct checkpoint_note *n = ctx;

	(void)bytes;
	switch (rec->type) {
	case RECORD_PUT:
		if ((rec->u.put.flags & RECORD_PUT_STAGED) != 0)
			n->other = true;
		else
			note_event(n, rec->u.put.body_id, CHECKPOINT_PUT,
			    rec->u.put.n_places);
		break;
	case RECORD_REMOVE:
		note_event(n, rec->u.remove.body_id,
		    (rec->u.remove.flags & RECORD_REMOVE_RELEASE) != 0
			? CHECKPOINT_REMOVE
			: CHECKPOINT_PLAIN,
		    0);
		break;
	case RECORD_RESTORE:
		note_event(n, rec->u.restore.body_id, CHECKPOINT_PLAIN, 0);
		break;
	default:
		n->other = true;
		break;
	}
	return MQI_OK;
}

struct checkpoint_note *
checkpoint_note(const struct store_batch *b)
{
	struct checkpoint_note *n = mqmem_alloc(sizeof(*n));
	struct store_why why = {0};

	n->number = b->number;
	n->bytes = b->records.len;
	/* what cannot be read is told when it is to be applied */
	if (store_walk_unchecked(b, note_record, n, &why) != MQI_OK)
		n->other = true;
	return n;
}

struct checkpoint_note *
checkpoint_note_free(struct checkpoint_note *n)
{
	if (n != NULL) {
		free(n->events);
		free(n);
	}
	return NULL;
}

void
checkpoint_init(struct checkpoint *c, struct journal *j)
{
	memset(c, 0, sizeof(*c));
	c->journal = j;
	STAILQ_INIT(&c->notes);
}

void
checkpoint_fini(struct checkpoint *c)
{
	struct checkpoint_note *n;

	if (c->journal == NULL)
		return;
	while ((n = STAILQ_FIRST(&c->notes)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->notes, entry);
		(void)checkpoint_note_free(n);
	}
	c->journal = NULL;
}

void
checkpoint_add(struct checkpoint *c, struct checkpoint_note *n)
{
	STAILQ_INSERT_TAIL(&c->notes, n, entry);
}

static void
begin_reading(struct checkpoint *c)
{
	if (c->begun)
		return;
	journal_rewind(c->journal, &c->cursor);
	c->ahead = c->cursor;
	c->begun = true;
}

enum mqi_err
checkpoint_look(struct checkpoint *c, uint64_t max_bytes, struct store_why *why)
{
	const uint64_t last = journal_last(c->journal);
	struct store_batch *b = store_batch_new(0);
	enum mqi_err err = MQI_OK;
	uint64_t bytes = 0;

	begin_reading(c);
	while (err == MQI_OK && c->ahead.number < last && bytes < max_bytes) {
		err = journal_read(c->journal, &c->ahead, b, why);
		if (err == MQI_OK)
			checkpoint_add(c, checkpoint_note(b));
		bytes += b->records.len;
	}
	(void)store_batch_free(b);
	return err;
}

/* ---- the pairs ---- */

static size_t
slot_of(const struct run *r, uint64_t body_id)
{
	const uint64_t h = body_id * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & (r->n_slots - 1);
}

/* The pair, or the empty slot where it would be. */
static struct pair *
find(const struct run *r, uint64_t body_id)
{
	size_t i = slot_of(r, body_id);

	for (;; i = (i + 1) & (r->n_slots - 1)) {
		struct pair *p = &r->pairs[i];

		if (p->flags == 0 || p->body_id == body_id)
			return p;
	}
}

static void
grow(struct run *r)
{
	struct pair *old = r->pairs;
	size_t n_old = r->n_slots;

	r->n_slots = n_old == 0 ? PAIRS_FIRST : 2 * n_old;
	r->pairs = mqmem_grow(NULL, r->n_slots, sizeof(*r->pairs));
	memset(r->pairs, 0, r->n_slots * sizeof(*r->pairs));
	for (size_t i = 0; i < n_old; i++)
		if (old[i].flags != 0)
			*find(r, old[i].body_id) = old[i];
	free(old);
}

/* NULL: it was not put in this range. */
static struct pair *
pair_of(const struct run *r, uint64_t body_id)
{
	struct pair *p = r->n_pairs > 0 ? find(r, body_id) : NULL;

	return p != NULL && p->flags != 0 ? p : NULL;
}

static void
pair_put(struct run *r, uint64_t body_id, uint32_t places)
{
	struct pair *p;

	if (2 * (r->n_pairs + 1) > r->n_slots)
		grow(r);
	p = find(r, body_id);
	if (p->flags == 0)
		r->n_pairs++;
	p->body_id = body_id;
	p->left = places;
	p->flags = PAIR_USED;
}

static void
pair_events(struct run *r, const struct checkpoint_note *n)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct checkpoint_event *e = &n->events[i];
		struct pair *p;

		if (e->kind == CHECKPOINT_PUT) {
			pair_put(r, e->body_id, e->places);
			continue;
		}
		p = pair_of(r, e->body_id);
		if (p == NULL)
			continue;
		if (e->kind == CHECKPOINT_REMOVE && p->left > 0)
			p->left--;
		else
			p->flags |= PAIR_PLAIN;
	}
}

static bool
is_left_out(const struct run *r, uint64_t body_id)
{
	const struct pair *p = pair_of(r, body_id);

	return p != NULL && p->flags == PAIR_USED && p->left == 0;
}

/* Nothing in the batch has an effect. */
static bool
is_empty(const struct run *r, const struct checkpoint_note *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->events[i].kind == CHECKPOINT_PLAIN ||
		    !is_left_out(r, n->events[i].body_id))
			return false;
	return !n->other;
}

static enum mqi_err
apply(void *ctx, const struct record *rec, const uint8_t *bytes)
{
	struct run *r = ctx;
	enum mqi_err err;

	/* what was left out finds no row for its backout count */
	if ((rec->type == RECORD_PUT && is_left_out(r, rec->u.put.body_id)) ||
	    (rec->type == RECORD_REMOVE &&
		is_left_out(r, rec->u.remove.body_id)))
		return MQI_OK;
	if (!record_is_whole(bytes, rec->size))
		return store_fail(r->why, MQI_E_OBJECT_DAMAGED,
		    "a record of type %u does not read back from the journal "
		    "as it was written",
		    rec->type);
	err = r->target->record(r->target->ctx, rec, bytes);
	if (err != MQI_E_STORE_FAILED || !r->lenient)
		return err;
	mqlog(MQLOG_ERROR, "journal.damaged",
	    "a record of type %u does not fit what is stored, and does not "
	    "count: %s",
	    rec->type, r->why->text);
	memset(r->why, 0, sizeof(*r->why));
	return MQI_OK;
}

/* ---- the range ---- */

/* Whether the rest is left for later. */
static bool
is_enough(const struct checkpoint *c, const struct run *r,
    const struct checkpoint_range *range)
{
	const struct checkpoint_note *n = STAILQ_FIRST(&c->notes);

	return n == NULL ||
	       (n->number > range->at_least && r->left <= range->keep_bytes);
}

/* The batch of the first note. */
static enum mqi_err
apply_batch(struct checkpoint *c, struct run *r, struct store_batch *b)
{
	struct checkpoint_note *n = STAILQ_FIRST(&c->notes);
	enum mqi_err err;

	if (is_empty(r, n)) {
		err = journal_skip(c->journal, &c->cursor, r->why);
	} else {
		err = journal_read(c->journal, &c->cursor, b, r->why);
		if (err == MQI_OK)
			err = store_walk_unchecked(b, apply, r, r->why);
	}
	if (err != MQI_OK)
		return err;
	MQ_INVARIANT(c->cursor.number == n->number);
	r->left -= n->bytes;
	STAILQ_REMOVE_HEAD(&c->notes, entry);
	(void)checkpoint_note_free(n);
	return MQI_OK;
}

/* One transaction. */
static enum mqi_err
apply_some(struct checkpoint *c, struct run *r,
    const struct checkpoint_range *range, struct store_batch *b)
{
	const struct checkpoint_target *t = r->target;
	enum mqi_err err = t->begin(t->ctx);

	if (err != MQI_OK)
		return err;
	do
		err = apply_batch(c, r, b);
	while (err == MQI_OK && !is_enough(c, r, range) && !t->is_full(t->ctx));
	if (err == MQI_OK)
		return t->commit(t->ctx, c->cursor.number);
	t->abort(t->ctx);
	return err;
}

enum mqi_err
checkpoint_run(struct checkpoint *c, const struct checkpoint_range *range,
    bool lenient, const struct checkpoint_target *target, uint64_t *ret_bytes,
    struct store_why *why)
{
	struct run r = {.target = target, .why = why, .lenient = lenient};
	struct store_batch *b = store_batch_new(0);
	const struct checkpoint_note *n;
	enum mqi_err err = MQI_OK;
	uint64_t bytes;

	begin_reading(c);
	STAILQ_FOREACH (n, &c->notes, entry) {
		pair_events(&r, n);
		r.left += n->bytes;
	}
	bytes = r.left;
	while (err == MQI_OK && !is_enough(c, &r, range))
		err = apply_some(c, &r, range, b);
	(void)store_batch_free(b);
	free(r.pairs);
	if (err == MQI_OK)
		*ret_bytes = bytes - r.left;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.c - applies a range of the journal's batches (checkpoint.h).
 *
 * Neighbours: journal.c gives the batches, twice; store_lmdb_apply.c takes the
 * records.
 *
 * The first reading notes the body of each message that is put in the range,
 * and whether a REMOVE lets go of it; the second leaves those out altogether
 * and applies the rest.  Bodies, not places: a message that is put back gets a
 * new body at the place of the old one, whose removal must not be left out if
 * only that is in the range.  Left alone are messages at several places, staged
 * ones, and what is kept for a RESTORE: they take the plain way.
 *
 * The end of the range may be left for the next one: what is put there may yet
 * be removed, while its removals already count for what is before.
 *
 * A range may take several transactions.  Then one may lack a message that
 * only a later batch removes.  That is no loss: the removal is durable in the
 * journal, whose replay finds nothing to remove, which is no error.
 *
 * Memory: 32 bytes or twice that for each message put in the range, and one
 * batch.
 */
#include "qmgr/store/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define PAIRS_FIRST 1024u

enum { PAIR_USED = 1, PAIR_REMOVED = 2, PAIR_PLAIN = 4 };

struct pair {
	uint64_t body_id;
	uint8_t flags; /* 0: the slot is empty */
};

struct run {
	const struct checkpoint_target *target;
	struct store_why *why;
	bool lenient;
	struct pair *pairs; /* open addressing, a power of two */
	size_t n_slots;
	size_t n_pairs;
	uint64_t to;      /* last batch of the range */
	uint64_t bytes;   /* of its records */
	uint64_t applied; /* of them */
};

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
note_put(struct run *r, const struct record_put *put)
{
	struct pair *p;

	if (put->n_places != 1 || (put->flags & RECORD_PUT_STAGED) != 0)
		return;
	if (2 * (r->n_pairs + 1) > r->n_slots)
		grow(r);
	p = find(r, put->body_id);
	if (p->flags == 0)
		r->n_pairs++;
	p->body_id = put->body_id;
	p->flags = PAIR_USED;
}

/* First reading. */
static enum mqi_err
note(void *ctx, const struct record *rec, const uint8_t *bytes)
{
	struct run *r = ctx;
	struct pair *p = NULL;

	(void)bytes;
	switch (rec->type) {
	case RECORD_PUT:
		note_put(r, &rec->u.put);
		break;
	case RECORD_REMOVE:
		p = pair_of(r, rec->u.remove.body_id);
		if (p != NULL)
			p->flags |=
			    (rec->u.remove.flags & RECORD_REMOVE_RELEASE) != 0
				? PAIR_REMOVED
				: PAIR_PLAIN;
		break;
	case RECORD_RESTORE:
		p = pair_of(r, rec->u.restore.body_id);
		if (p != NULL)
			p->flags |= PAIR_PLAIN;
		break;
	default:
		break;
	}
	return MQI_OK;
}

static bool
is_left_out(const struct run *r, uint64_t body_id)
{
	const struct pair *p = pair_of(r, body_id);

	return p != NULL && p->flags == (PAIR_USED | PAIR_REMOVED);
}

/* Second reading. */
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

/* Reads the range, and says how far it goes. */
static enum mqi_err
note_range(struct run *r, struct journal *j, struct journal_cursor c,
    uint64_t look_bytes, struct store_batch *b)
{
	const uint64_t last = journal_last(j);
	enum mqi_err err = MQI_OK;

	while (err == MQI_OK && c.number < last && r->bytes < look_bytes) {
		err = journal_read(j, &c, b, r->why);
		if (err == MQI_OK)
			err = store_walk_unchecked(b, note, r, r->why);
		r->bytes += b->records.len;
	}
	r->to = c.number;
	return err;
}

/* Whether the batch after this one belongs to what is left for later. */
static bool
is_enough(
    const struct run *r, const struct checkpoint_range *range, uint64_t number)
{
	return number >= r->to ||
	       (number >= range->at_least &&
		   r->bytes - r->applied <= range->keep_bytes);
}

static enum mqi_err
apply_range(struct run *r, struct journal *j, struct journal_cursor *c,
    const struct checkpoint_range *range, struct store_batch *b)
{
	const struct checkpoint_target *t = r->target;
	struct journal_cursor at = *c;
	enum mqi_err err = MQI_OK;

	while (!is_enough(r, range, at.number)) {
		err = t->begin(t->ctx);
		if (err != MQI_OK)
			return err;
		do {
			err = journal_read(j, &at, b, r->why);
			if (err == MQI_OK)
				err = store_walk_unchecked(b, apply, r, r->why);
			r->applied += b->records.len;
		} while (err == MQI_OK && !is_enough(r, range, at.number) &&
			 !t->is_full(t->ctx));
		if (err == MQI_OK)
			err = t->commit(t->ctx, at.number);
		else
			t->abort(t->ctx);
		if (err != MQI_OK)
			return err;
		*c = at;
	}
	return MQI_OK;
}

enum mqi_err
checkpoint_run(struct journal *j, struct journal_cursor *cursor,
    const struct checkpoint_range *range, bool lenient,
    const struct checkpoint_target *target, uint64_t *ret_bytes,
    struct store_why *why)
{
	struct run r = {.target = target, .why = why, .lenient = lenient};
	struct store_batch *b = store_batch_new(0);
	enum mqi_err err = note_range(&r, j, *cursor, range->look_bytes, b);

	if (err == MQI_OK)
		err = apply_range(&r, j, cursor, range, b);
	(void)store_batch_free(b);
	free(r.pairs);
	if (err == MQI_OK)
		*ret_bytes = r.applied;
	return err;
}

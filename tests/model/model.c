/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c - the reference queue manager; see model.h.
 *
 * It knows nothing of batches, trees or loads: only what was asked and what
 * was answered.  A message moves between the states of its enum; any move
 * that a queue manager must not make fails the test.  After a crash, what was
 * answered must be there (or gone), and what was not answered may be either,
 * but a unit's effects only all together.
 */
#include "tests/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model_msg *
model_at(struct model *m, unsigned n)
{
	if (n == 0 || n > m->n_msgs)
		fail_msg("message %u was never put", n);
	return &m->msgs[n];
}

static void
model_expect(bool ok, unsigned n, const struct model_msg *x, const char *what)
{
	if (!ok)
		fail_msg("message %u in state %d on queue %u: %s", n,
		    (int)x->state, x->queue, what);
}

unsigned
model_put(struct model *m, unsigned queue, unsigned session, unsigned unit,
    int priority, bool persistent)
{
	struct model_msg *x;

	assert_true(m->n_msgs + 1 < MODEL_MSGS);
	x = &m->msgs[++m->n_msgs];
	memset(x, 0, sizeof(*x));
	x->state = unit != 0 ? MODEL_IN_UNIT : MODEL_ASKED;
	x->queue = queue;
	x->session = session;
	x->unit = unit;
	x->priority = priority;
	x->persistent = persistent;
	x->order = ++m->order;
	return m->n_msgs;
}

void
model_put_done(struct model *m, unsigned n, bool ok)
{
	struct model_msg *x = model_at(m, n);

	if (!ok) {
		model_expect(
		    x->state == MODEL_ASKED || x->state == MODEL_IN_UNIT, n, x,
		    "put refused after it was seen");
		x->state = MODEL_GONE;
	} else if (x->state == MODEL_ASKED) {
		x->state = MODEL_ON_QUEUE;
	}
}

static bool
model_is_free(const struct model *m, const struct model_msg *x)
{
	return x->state == MODEL_ON_QUEUE || x->state == MODEL_ASKED ||
	       (x->state == MODEL_IN_UNIT &&
		   m->units[x->unit].state == UNIT_COMMITTING);
}

void
model_got(struct model *m, unsigned n, unsigned queue, unsigned session,
    unsigned unit, uint64_t index)
{
	struct model_msg *x = model_at(m, n);

	model_expect(model_is_free(m, x), n, x, "got, but not available");
	model_expect(x->queue == queue, n, x, "got from another queue");
	x->state = unit != 0 ? MODEL_LOCKED : MODEL_TAKEN;
	x->token = index;
	x->session = session;
	x->unit = unit;
}

void
model_got_ahead(struct model *m, unsigned n, unsigned queue, unsigned session,
    uint64_t token)
{
	struct model_msg *x = model_at(m, n);

	model_expect(model_is_free(m, x), n, x, "ahead, but not available");
	model_expect(x->queue == queue, n, x, "ahead from another queue");
	x->state = MODEL_AHEAD;
	x->session = session;
	x->token = token;
}

/* Moves what is in `from` with tokens up to token. */
static void
model_move(struct model *m, unsigned session, unsigned queue, uint64_t token,
    enum model_state from, enum model_state to)
{
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->state == from && x->session == session &&
		    x->queue == queue && x->token <= token)
			x->state = to;
	}
}

void
model_acked(struct model *m, unsigned session, unsigned queue, uint64_t token)
{
	model_move(m, session, queue, token, MODEL_AHEAD, MODEL_ACKED);
}

void
model_ack_done(
    struct model *m, unsigned session, unsigned queue, uint64_t token)
{
	model_move(m, session, queue, token, MODEL_ACKED, MODEL_GONE);
}

void
model_ahead_ended(struct model *m, unsigned session, unsigned queue)
{
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->state == MODEL_AHEAD && x->session == session &&
		    x->queue == queue) {
			x->state = MODEL_ON_QUEUE;
			x->backouts++;
		}
	}
}

void
model_sent(struct model *m, unsigned session, uint64_t index)
{
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->state == MODEL_TAKEN && x->session == session &&
		    x->token <= index)
			x->state = MODEL_GONE;
	}
}

unsigned
model_unit_new(struct model *m, unsigned session)
{
	if (m->n_units + 1 >= MODEL_UNITS)
		return 0;
	m->n_units++;
	m->units[m->n_units] =
	    (struct model_unit){.state = UNIT_OPEN, .session = session};
	return m->n_units;
}

void
model_commit(struct model *m, unsigned unit)
{
	m->units[unit].state = UNIT_COMMITTING;
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		if (m->msgs[n].state == MODEL_IN_UNIT &&
		    m->msgs[n].unit == unit)
			m->msgs[n].order = ++m->order;
	}
}

void
model_commit_done(struct model *m, unsigned unit)
{
	m->units[unit].state = UNIT_ENDED;
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->unit != unit)
			continue;
		if (x->state == MODEL_IN_UNIT)
			x->state = MODEL_ON_QUEUE;
		else if (x->state == MODEL_LOCKED)
			x->state = MODEL_GONE;
	}
}

void
model_backout(struct model *m, unsigned unit)
{
	m->units[unit].state = UNIT_ENDED;
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->unit != unit)
			continue;
		if (x->state == MODEL_IN_UNIT) {
			x->state = MODEL_GONE;
		} else if (x->state == MODEL_LOCKED) {
			x->state = MODEL_ON_QUEUE;
			x->backouts++;
		}
	}
}

/* A put or commit whose answer nobody waits for has been executed. */
void
model_session_end(struct model *m, unsigned session, unsigned gets)
{
	for (unsigned u = 1; u <= m->n_units; u++) {
		if (m->units[u].session != session)
			continue;
		if (m->units[u].state == UNIT_OPEN)
			model_backout(m, u);
	}
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->session != session)
			continue;
		if (x->state == MODEL_TAKEN) {
			x->state = MODEL_ON_QUEUE;
			x->risky = true;
		} else if (x->state == MODEL_AHEAD) {
			x->state = MODEL_ON_QUEUE;
			x->backouts++;
		}
	}
	m->unknown_gets += gets;
}

void
model_all_durable(struct model *m)
{
	m->unknown_gets = 0;
	for (unsigned u = 1; u <= m->n_units; u++) {
		if (m->units[u].state == UNIT_COMMITTING)
			model_commit_done(m, u);
	}
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		x->risky = false;
		if (x->state == MODEL_ASKED)
			x->state = MODEL_ON_QUEUE;
		else if (x->state == MODEL_ACKED)
			x->state = MODEL_GONE;
	}
}

/* ---- looks ---- */

void
model_look_begin(struct model *m, struct model_look *l)
{
	memset(l, 0, sizeof(*l));
	for (unsigned n = 1; n <= m->n_msgs; n++)
		m->msgs[n].seen = false;
}

void
model_look(struct model *m, struct model_look *l, unsigned n, unsigned queue,
    uint32_t backouts)
{
	struct model_msg *x = model_at(m, n);
	const struct model_msg *before = &m->msgs[l->last[queue]];

	model_expect(!x->seen, n, x, "shown twice");
	model_expect(x->queue == queue, n, x, "shown on another queue");
	model_expect(backouts >= x->backouts, n, x, "backout count is lost");
	if (l->last[queue] != 0)
		model_expect(before->priority > x->priority ||
				 (before->priority == x->priority &&
				     before->order < x->order),
		    n, x, "shown out of order");
	x->seen = true;
	x->backouts = backouts;
	l->last[queue] = n;
}

void
model_look_end(struct model *m)
{
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		const struct model_msg *x = &m->msgs[n];

		model_expect(x->seen == (x->state == MODEL_ON_QUEUE), n, x,
		    x->seen ? "shown, but not available" : "not shown");
	}
}

/* ---- crashes ---- */

void
model_crash(struct model *m, unsigned gets)
{
	m->unknown_gets += gets;
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		if (x->state == MODEL_TAKEN)
			x->state = MODEL_GONE;
		if (!x->persistent)
			x->state = MODEL_GONE;
		if (x->state == MODEL_AHEAD)
			x->state = MODEL_ON_QUEUE;
		/* counts of returns that were not durable yet */
		x->backouts = 0;
	}
	for (unsigned u = 1; u <= m->n_units; u++) {
		if (m->units[u].state == UNIT_OPEN)
			model_backout(m, u);
	}
	for (unsigned n = 1; n <= m->n_msgs; n++)
		m->msgs[n].backouts = 0;
}

/* Whether the unit was committed: its messages must not contradict each other.
 * A put of it that is not shown may have gone to a get that was under way; it
 * is counted as missing then. */
static void
model_crash_unit(struct model *m, unsigned unit)
{
	bool committed = false;

	for (unsigned n = 1; n <= m->n_msgs; n++) {
		const struct model_msg *x = &m->msgs[n];

		if (x->unit == unit &&
		    ((x->state == MODEL_IN_UNIT && x->seen) ||
			(x->state == MODEL_LOCKED && !x->seen)))
			committed = true;
	}
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		const struct model_msg *x = &m->msgs[n];

		if (x->unit == unit && x->state == MODEL_LOCKED)
			model_expect(x->seen == !committed, n, x,
			    "a unit was done in part");
	}
	if (committed)
		model_commit_done(m, unit);
	else
		model_backout(m, unit);
}

void
model_crash_look_end(struct model *m)
{
	unsigned missing = 0;

	for (unsigned u = 1; u <= m->n_units; u++) {
		if (m->units[u].state == UNIT_COMMITTING)
			model_crash_unit(m, u);
	}
	for (unsigned n = 1; n <= m->n_msgs; n++) {
		struct model_msg *x = &m->msgs[n];

		x->backouts = 0;
		if (x->state == MODEL_ASKED || x->state == MODEL_ACKED ||
		    (x->state == MODEL_ON_QUEUE && x->risky))
			x->state = x->seen ? MODEL_ON_QUEUE : MODEL_GONE;
		model_expect(
		    !x->seen || x->state == MODEL_ON_QUEUE, n, x, "came back");
		if (x->state == MODEL_ON_QUEUE && !x->seen) {
			missing++;
			x->state = MODEL_GONE;
		}
		x->risky = false;
	}
	if (missing > m->unknown_gets)
		fail_msg("%u messages are lost, at most %u may be", missing,
		    m->unknown_gets);
	m->unknown_gets = 0;
}

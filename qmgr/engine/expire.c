/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expire.c - messages that have outlived their expiry, and the clock that says
 * so.
 *
 * The clock is the queue manager's own.  It begins at the wall clock's time,
 * goes on with the monotonic one, and moves towards the wall clock by at most
 * a twentieth of the time that passes: a wall clock that jumps by an hour makes
 * nothing expire at once.
 *
 * A message's deadline is in its descriptor (proto/desc.h), so that it holds
 * over a restart; what leaves carries what remains of its expiry.  A message
 * past its deadline is given to nobody: who meets it removes it, by a record
 * like any other removal, and puts the report that it asks for in the same
 * batch (report.c).  On a transmission queue, what may have been handed out to
 * a sender is sent whatever its age, with a mark, and its receiver drops it.
 *
 * Whether its putter may have the report put where he wants it is judged with
 * the put (put.c); that he may not is noted in the deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "qmgr/engine/engine_int.h"

#define EXPIRE_SLEW 20u /* parts of the time that passes */
#define EXPIRE_TENTH_MS 100u
/* Of a deadline: no report, since its putter may not put where it would go. */
#define EXPIRE_UNREPORTED (UINT64_C(1) << 63)
#define EXPIRE_RECORD_ROOM 640u /* REMOVE, and PUT without its message */

/* ---- time ---- */

void
expire_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us)
{
	uint64_t went = mono_us - e->mono_us;
	uint64_t most = went / EXPIRE_SLEW;

	if (e->clock_us == 0) {
		e->clock_us = wall_us;
		return;
	}
	e->clock_us += went;
	if (wall_us > e->clock_us)
		e->clock_us +=
		    wall_us - e->clock_us < most ? wall_us - e->clock_us : most;
	else
		e->clock_us -=
		    e->clock_us - wall_us < most ? e->clock_us - wall_us : most;
}

uint64_t
expire_deadline(const struct engine *e, int32_t expiry)
{
	MQ_PRE(expiry > 0);
	return e->clock_us / 1000 + (uint64_t)expiry * EXPIRE_TENTH_MS;
}

static uint64_t
deadline_of(const struct msg *m)
{
	return m->deadline_ms & ~EXPIRE_UNREPORTED;
}

static bool
expire_has_passed(const struct engine *e, const struct msg *m)
{
	return m->deadline_ms != 0 && deadline_of(m) <= e->clock_us / 1000;
}

bool
expire_is_due(const struct entry *x)
{
	const struct queue *q = x->q;

	if (x->m.deadline_ms == 0 || !expire_has_passed(q->e, &x->m))
		return false;
	return !q->attr.is_xmit || q->stream == NULL ||
	       x->place.seq > q->stream->handed;
}

/* ---- who meets it ---- */

struct mqref *
expire_dated(
    const struct engine *e, const struct msg *m, size_t len, bool is_stream)
{
	uint64_t now_ms = e->clock_us / 1000;
	bool passed = expire_has_passed(e, m);
	uint64_t left = passed ? 0 : deadline_of(m) - now_ms;
	uint64_t tenths = (left + EXPIRE_TENTH_MS - 1) / EXPIRE_TENTH_MS;
	struct mqref *copy;

	if (m->deadline_ms == 0)
		return NULL;
	if (tenths == 0)
		tenths = 1;
	if (tenths > INT32_MAX)
		tenths = INT32_MAX;
	copy = mqref_copy(m->data->data, len);
	MQ_INVARIANT(copy != NULL);
	MQ_INVARIANT(mqdesc_set_life(copy->data, m->desc_len, (int32_t)tenths,
			 passed && is_stream ? 1 : 0) == MQI_OK);
	return copy;
}

enum mqi_err
expire_report_nothing(
    struct engine *e, int32_t expiry, struct stamp_result *stamped)
{
	stamped->deadline_ms |= EXPIRE_UNREPORTED;
	return mqdesc_set_life(
	    e->scratch.data, e->scratch.len, expiry, stamped->deadline_ms);
}

void
expire_drop(struct entry *x)
{
	struct engine *e = x->q->e;
	struct report r;
	bool any =
	    (x->m.deadline_ms & EXPIRE_UNREPORTED) == 0 &&
	    report_make(e, &x->m, MQI_RO_EXPIRATION, MQI_FB_EXPIRATION, &r);

	/* both in one batch */
	if (any)
		(void)batch_room(e, EXPIRE_RECORD_ROOM + report_room(&r));
	report_put(any ? &r : NULL, entry_remove(x, 0));
}

enum find_result
expire_find(struct queue *q, struct place after, const struct getter *g,
    const struct find_span *extra, struct entry **ret_entry,
    struct place *ret_from)
{
	for (;;) {
		enum find_result r =
		    queue_find(q, after, g, extra, ret_entry, ret_from);

		if (r != FIND_FOUND)
			return r;
		if (expire_is_due(*ret_entry))
			expire_drop(*ret_entry);
		else if (!poison_is_due(*ret_entry) || !poison_move(*ret_entry))
			return r;
	}
}

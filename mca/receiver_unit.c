/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver_unit.c - puts what has arrived: groups of messages in units of
 * work, each with the move of the position (receiver.h).
 *
 * Several units are in flight: while one commits, the next ones' puts are on
 * their way.  Units commit in the order of their messages, and each moves the
 * position from where the one before it ends, so a failed commit makes all
 * later ones fail too.  A unit is committed only when every put of it has
 * succeeded; ACK goes when it is durable.
 *
 * Happy path: arrived -> unit (PUTTING) -> all puts OK -> COMMITTING -> done
 * -> ACK.
 *
 * A message that cannot be put: everything not yet committing is backed out
 * and returns to `arrived`; from there up to that message, units hold one
 * message each, so the prefix before it is committed first.  What becomes of
 * it then is decided in receiver_dead.c; a report about it is put in the same
 * unit as its position.
 *
 * Invariants: messages leave `arrived` and return to it in the order of their
 * numbers; the first unit starts at the durable position; no unit is open
 * while the channel is PAUSED.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mca/receiver.h"

/* Units in flight from which on a new one waits until it is full. */
#define EAGER_UNITS 2u

static unsigned long long
ull(uint64_t v)
{
	return v;
}

/* ---- taking units back ---- */

static void
unit_free(struct receiver_unit *u)
{
	struct receiver_msg *m;

	while ((m = TAILQ_FIRST(&u->msgs)) != NULL) {
		TAILQ_REMOVE(&u->msgs, m, link);
		receiver_msg_free(m);
	}
	free(u);
}

static void
unit_take_back(struct receiver *r, struct receiver_unit *u)
{
	struct receiver_msg *m;

	r->io.backout(r->io.arg, u->handle);
	while ((m = TAILQ_LAST(&u->msgs, receiver_msgs)) != NULL) {
		TAILQ_REMOVE(&u->msgs, m, link);
		m->unit = NULL;
		TAILQ_INSERT_HEAD(&r->arrived, m, link);
	}
	r->n_arrived += u->n_msgs;
	r->arrived_bytes += u->bytes;
	TAILQ_REMOVE(&r->units, u, link);
	r->n_units--;
	free(u);
}

static struct receiver_msg *
first_failed(struct receiver_unit *u)
{
	struct receiver_msg *m;

	TAILQ_FOREACH (m, &u->msgs, link) {
		if (receiver_result(m) != MQI_OK)
			return m;
	}
	MQ_UNREACHABLE();
}

/* Once nothing is committing any more and every put has its result, backs out
 * what is left. */
static void
roll_back(struct receiver *r)
{
	struct receiver_msg *failed;
	struct receiver_unit *u;
	enum mqi_err reason;
	bool alone;

	TAILQ_FOREACH (u, &r->units, link) {
		if (u->state == RECEIVER_COMMITTING || u->pending > 0)
			return;
	}
	u = TAILQ_FIRST(&r->units);
	MQ_INVARIANT(u != NULL && u->failed && u->from == r->position);
	failed = first_failed(u);
	alone = u->n_msgs == 1;
	while ((u = TAILQ_LAST(&r->units, receiver_unit_list)) != NULL)
		unit_take_back(r, u);
	r->rolling_back = false;
	r->put_to = r->position;
	if (failed->number > r->careful_to)
		r->careful_to = failed->number;
	reason = receiver_result(failed);
	if (undelivered_is_fatal(reason))
		channel_fail(&r->c, reason, failed->number, r->position,
		    "message %llu cannot be put: %s", ull(failed->number),
		    mqi_strerror(reason));
	else if (alone)
		receiver_undeliverable(r, failed);
}

/* ---- making and committing units ---- */

/* The queue manager judges the rest. */
static enum mqi_err
check_route(const struct receiver_msg *m)
{
	return !m->dead && m->route.queue[0] == '\0' ? MQI_E_UNKNOWN_OBJECT
						     : MQI_OK;
}

/* m is a message or the report about one. */
static void
put_part(struct receiver *r, struct receiver_unit *u, struct receiver_msg *m)
{
	enum mqi_err err = check_route(m);

	m->unit = u;
	m->answered = false;
	u->pending++;
	if (err == MQI_OK)
		err = r->io.put(r->io.arg, u->handle, m);
	if (err != MQI_OK) {
		receiver_put_done(m, err);
		r->look_again = true;
	}
}

static void
put_one(struct receiver *r, struct receiver_unit *u, struct receiver_msg *m)
{
	if (m->expires_ms != 0 && !m->dead && !m->drop)
		receiver_judge_age(r, m);
	TAILQ_REMOVE(&r->arrived, m, link);
	r->n_arrived--;
	r->arrived_bytes -= receiver_msg_bytes(m);
	TAILQ_INSERT_TAIL(&u->msgs, m, link);
	u->n_msgs++;
	u->bytes += receiver_msg_bytes(m);
	u->to = m->number;
	m->result = MQI_OK;
	if (m->report != NULL)
		m->report->result = MQI_OK;
	if (!m->drop)
		put_part(r, u, m);
	if (m->report != NULL && !u->failed)
		put_part(r, u, m->report);
}

/* BATCHLIM of the partner, or our own limit: bytes. */
static size_t
group_limit(const struct receiver *r)
{
	size_t limit = (size_t)r->c.theirs.batch_limit_kb * 1024;

	return limit > 0 && limit < RECEIVER_GROUP_BYTES ? limit
							 : RECEIVER_GROUP_BYTES;
}

/* Whether the next message goes into this unit. */
static bool
takes_next(
    const struct receiver *r, const struct receiver_unit *u, uint32_t max_msgs)
{
	const struct receiver_msg *m = TAILQ_FIRST(&r->arrived);

	if (m == NULL || u->failed)
		return false;
	return u->n_msgs == 0 ||
	       (u->n_msgs < max_msgs &&
		   u->bytes + receiver_msg_bytes(m) <= group_limit(r) &&
		   r->io.ready(r->io.arg));
}

static void
make_unit(struct receiver *r, uint32_t max_msgs)
{
	struct receiver_unit *u = mqmem_alloc(sizeof(*u));
	enum mqi_err err;

	u->receiver = r;
	u->state = RECEIVER_PUTTING;
	u->from = r->put_to;
	TAILQ_INIT(&u->msgs);
	err = r->io.begin(r->io.arg, &u->handle);
	if (err != MQI_OK) {
		free(u);
		channel_fail(&r->c, err, 0, r->position,
		    "no unit of work can be begun: %s", mqi_strerror(err));
		return;
	}
	TAILQ_INSERT_TAIL(&r->units, u, link);
	r->n_units++;
	while (takes_next(r, u, max_msgs))
		put_one(r, u, TAILQ_FIRST(&r->arrived));
	MQ_POST(u->n_msgs > 0 && u->to > u->from);
	r->put_to = u->to;
	if (u->failed)
		return;
	err = r->io.position(r->io.arg, u->handle, u->from, u->to,
	    channel_incarnation_of(&r->stream, u->to));
	if (err != MQI_OK)
		channel_fail(&r->c, err, u->to, r->position,
		    "the position cannot be moved to %llu: %s", ull(u->to),
		    mqi_strerror(err));
	/* all of it is dropped: no answer will come that asks for the commit */
	else if (u->pending == 0)
		r->look_again = true;
}

static bool
group_is_full(const struct receiver *r)
{
	return r->n_arrived >= r->c.def.batch_size ||
	       r->arrived_bytes >= group_limit(r);
}

/* BATCHINT of the partner: more may come before the group is put. */
static bool
gathers(const struct receiver *r)
{
	return r->c.theirs.batch_interval_ms > 0 && !group_is_full(r) &&
	       r->c.now_ms - r->gather_ms < r->c.theirs.batch_interval_ms;
}

static void
make_units(struct receiver *r)
{
	if (channel_state(&r->c) == CHANNEL_PAUSED) {
		MQ_INVARIANT(r->n_units == 0);
		if (r->c.now_ms < r->retry_at_ms)
			return;
		channel_move(&r->c, CHANNEL_RUNNING);
	}
	while (channel_state(&r->c) == CHANNEL_RUNNING && !r->rolling_back &&
	       r->n_units < RECEIVER_MAX_UNITS && !TAILQ_EMPTY(&r->arrived) &&
	       r->io.ready(r->io.arg)) {
		bool careful = r->careful_to != 0;

		if (careful && r->n_units > 0)
			return;
		if (!careful && r->n_units >= EAGER_UNITS && !group_is_full(r))
			return;
		if (!careful && gathers(r))
			return;
		make_unit(r, careful ? 1 : r->c.def.batch_size);
	}
}

static void
commit_units(struct receiver *r)
{
	struct receiver_unit *u;
	enum mqi_err err;

	TAILQ_FOREACH (u, &r->units, link) {
		if (u->state == RECEIVER_COMMITTING)
			continue;
		if (u->pending > 0 || u->failed || r->rolling_back) {
			if (u->failed)
				r->rolling_back = true;
			return;
		}
		u->state = RECEIVER_COMMITTING;
		err = r->io.commit(r->io.arg, u->handle, u);
		if (err != MQI_OK) {
			channel_fail(&r->c, err, u->to, r->position,
			    "messages up to %llu cannot be committed: %s",
			    ull(u->to), mqi_strerror(err));
			return;
		}
	}
}

/* Durable units leave in order, and the partner hears of it once. */
static void
finish_units(struct receiver *r)
{
	uint64_t before = r->position;
	struct receiver_unit *u;

	while ((u = TAILQ_FIRST(&r->units)) != NULL && u->done) {
		MQ_INVARIANT(u->from == r->position);
		r->position = u->to;
		r->n_held -= u->n_msgs;
		r->held -= u->bytes;
		r->c.stats.batches++;
		r->c.stats.last_number = u->to;
		TAILQ_REMOVE(&r->units, u, link);
		r->n_units--;
		unit_free(u);
	}
	if (r->careful_to <= r->position)
		r->careful_to = 0;
	if (r->position > before && channel_state(&r->c) != CHANNEL_ENDED)
		mqchan_encode_ack(
		    &r->c.out, &(struct mqchan_ack){.number = r->position});
}

static void
drop_arrived(struct receiver *r)
{
	struct receiver_msg *m;

	while ((m = TAILQ_FIRST(&r->arrived)) != NULL) {
		TAILQ_REMOVE(&r->arrived, m, link);
		r->n_arrived--;
		r->n_held--;
		r->arrived_bytes -= receiver_msg_bytes(m);
		r->held -= receiver_msg_bytes(m);
		receiver_msg_free(m);
	}
}

static void
pump_once(struct receiver *r)
{
	finish_units(r);
	if (channel_state(&r->c) == CHANNEL_ENDED || channel_is_binding(&r->c))
		return;
	commit_units(r);
	if (r->rolling_back)
		roll_back(r);
	if (channel_state(&r->c) == CHANNEL_STOPPING) {
		drop_arrived(r); /* the sender keeps them */
		if (r->n_units == 0)
			channel_close(
			    &r->c, MQI_E_CHANNEL_NOT_AVAILABLE, "stopped");
		return;
	}
	make_units(r);
}

void
receiver_pump(struct receiver *r)
{
	do {
		r->look_again = false;
		pump_once(r);
	} while (r->look_again);
}

void
receiver_put_done(struct receiver_msg *m, enum mqi_err result)
{
	struct receiver_unit *u = m->unit;

	MQ_PRE(u != NULL && u->pending > 0 && !m->answered);
	m->answered = true;
	m->result = result;
	u->pending--;
	if (result != MQI_OK)
		u->failed = true;
}

void
receiver_commit_done(struct receiver_unit *u, enum mqi_err result)
{
	struct receiver *r = u->receiver;

	MQ_PRE(u->state == RECEIVER_COMMITTING && !u->done);
	if (result != MQI_OK) {
		channel_fail(&r->c, result, u->to, r->position,
		    result == MQI_E_FENCED || result == MQI_E_POSITION_MOVED
			? "a newer receiver has taken the stream over: "
			  "messages "
			  "%llu to %llu are not committed: %s"
			: "messages after %llu, up to %llu, are not committed: "
			  "%s",
		    ull(u->from), ull(u->to), mqi_strerror(result));
		return;
	}
	u->done = true;
}

void
receiver_units_fini(struct receiver *r)
{
	struct receiver_unit *u;

	while ((u = TAILQ_FIRST(&r->units)) != NULL) {
		if (u->state == RECEIVER_PUTTING)
			r->io.backout(r->io.arg, u->handle);
		TAILQ_REMOVE(&r->units, u, link);
		unit_free(u);
	}
	r->n_units = 0;
}

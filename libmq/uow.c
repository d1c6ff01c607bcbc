/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uow.c - units of work: begin, commit, back out, and their ends in order.
 *
 * Neighbours: put.c and get.c name the unit in their requests; async.c and
 * position.c count their unanswered ones in it.
 *
 * Invariants.  A unit is known to the queue manager by a number that is never
 * used twice on a session, from the first request that names it.  The ends of
 * a connection's units are sent in the order in which they were asked for,
 * each when the unit's asynchronous requests have been answered; if one of
 * those failed, the unit is backed out instead, and the result is BACKED_OUT.
 * A unit that has seen a loss of the connection is backed out already.
 *
 * A synchronous end is an asynchronous one that is waited for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libmq/conn.h"

enum mqi_err
mqunit_check(const mqi_conn *c, const mqi_unit *unit)
{
	return unit->generation == c->generation && !c->broken
		   ? MQI_OK
		   : MQI_E_BACKED_OUT;
}

enum mqi_err
mqi_begin(mqi_conn *conn, mqi_unit **ret_unit)
{
	mqi_unit *unit;
	enum mqi_err err;

	if (conn == NULL || ret_unit == NULL)
		return MQI_E_INVAL;
	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	unit = calloc(1, sizeof(*unit));
	if (unit == NULL)
		return mqconn_leave(conn, MQI_E_NO_MEMORY, NULL);
	unit->conn = conn;
	if (++conn->last_unit == 0)
		conn->last_unit = 1;
	unit->number = conn->last_unit;
	unit->generation = conn->generation;
	LIST_INSERT_HEAD(&conn->units, unit, link);
	*ret_unit = unit;
	return mqconn_leave(conn, MQI_OK, NULL);
}

void
mqunit_free(mqi_unit *unit)
{
	LIST_REMOVE(unit, link);
	free(unit);
}

/* Frees the unit when its requests, which point to it, are answered. */
static void
unit_let_go(mqi_unit *unit)
{
	if (unit->pending == 0)
		mqunit_free(unit);
	else
		unit->orphan = true;
}

void
mqunit_answered(mqi_unit *unit)
{
	MQ_PRE(unit->pending > 0);
	if (--unit->pending > 0)
		return;
	if (unit->orphan)
		mqunit_free(unit);
	else
		mqunit_pump(unit->conn);
}

/* The result is known: tell it now, or have it told. */
static void
end_finish(mqi_conn *c, struct mqend *e, enum mqi_err result)
{
	MQ_PRE(!e->finished);
	TAILQ_REMOVE(&c->ends, e, link);
	if (e->unit != NULL)
		unit_let_go(e->unit);
	e->unit = NULL;
	e->result = result;
	e->finished = true;
	if (e->waited)
		return;
	if (e->done != NULL) {
		TAILQ_INSERT_TAIL(&c->finished, e, link);
		return;
	}
	if (result != MQI_OK && c->end_err == MQI_OK)
		c->end_err = result;
	free(e);
}

static enum mqi_err
end_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct mqend *e = MQ_CONTAINER_OF(r, struct mqend, req);
	enum mqi_err err;

	if (f != NULL) {
		err = mqcall_result(f, e->text, NULL, &lost);
		if (err != MQI_OK)
			return err;
		/* a unit in which every request failed may be unknown */
		if (lost == MQI_E_UNIT_OF_WORK_NOT_STARTED && e->nothing)
			lost = MQI_OK;
	}
	if (e->result != MQI_OK) /* backed out instead of committed */
		lost = e->result;
	mqreq_finish(c, r, lost);
	end_finish(c, e, lost);
	return MQI_OK;
}

/* Sends the end of its unit. */
static void
end_send(mqi_conn *c, struct mqend *e)
{
	struct mqlocal_unit v = {.unit = e->unit->number};
	bool failed = e->unit->failed != MQI_OK;
	enum mqi_err err;
	size_t mark;

	if (!e->unit->used) {
		end_finish(c, e, MQI_OK);
		return;
	}
	e->nothing = !e->unit->succeeded;
	e->req.effect = e->backout || failed ? MQREQ_READS : MQREQ_CHANGES;
	e->req.answer = end_answered;
	if (failed && !e->backout)
		e->result = MQI_E_BACKED_OUT;
	err = mqreq_add(c, &e->req);
	if (err == MQI_OK) {
		mark = c->out.next.len;
		mqlocal_encode_unit(&c->out.next,
		    e->backout || failed ? MQLOCAL_BACKOUT : MQLOCAL_COMMIT,
		    e->req.id, &v);
		err = mqwire_queued(c, mark, &e->req);
	}
	if (err != MQI_OK) {
		/* it stays open in the queue manager until the session ends */
		end_finish(c, e, err);
		return;
	}
	mqunit_free(e->unit);
	e->unit = NULL;
	e->sent = true;
}

void
mqunit_pump(mqi_conn *c)
{
	struct mqend *e, *next;

	for (e = TAILQ_FIRST(&c->ends); e != NULL && !c->broken; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->sent)
			continue;
		if (e->unit->pending > 0)
			break;
		end_send(c, e);
	}
}

/* Ends that were never sent: their units are backed out. */
void
mqunit_lost(mqi_conn *c)
{
	struct mqend *e;

	while ((e = TAILQ_FIRST(&c->ends)) != NULL) {
		MQ_INVARIANT(!e->sent);
		end_finish(c, e,
		    e->backout ? MQI_E_CONNECTION_BROKEN : MQI_E_NOT_DONE);
	}
}

void
mqunit_completions(mqi_conn *c)
{
	struct mqend *e;

	while ((e = TAILQ_FIRST(&c->finished)) != NULL) {
		TAILQ_REMOVE(&c->finished, e, link);
		(void)pthread_mutex_unlock(&c->lock);
		e->done(e->arg, e->result);
		free(e);
		(void)pthread_mutex_lock(&c->lock);
	}
}

void
mqunit_fini(mqi_conn *c)
{
	struct mqend *e;

	while ((e = TAILQ_FIRST(&c->ends)) != NULL) {
		TAILQ_REMOVE(&c->ends, e, link);
		free(e);
	}
	while ((e = TAILQ_FIRST(&c->finished)) != NULL) {
		TAILQ_REMOVE(&c->finished, e, link);
		free(e);
	}
}

static bool
is_finished(const void *arg)
{
	return ((const struct mqend *)arg)->finished;
}

/* Queues the end of the unit, which is freed in every case.  ret_waited NULL:
 * asynchronous. */
static enum mqi_err
end_begin(mqi_conn *c, mqi_unit *unit, const struct mqend *how,
    struct mqend **ret_waited)
{
	struct mqend *e;
	enum mqi_err err = mqunit_check(c, unit);

	if (c->broken)
		err = MQI_E_CONNECTION_BROKEN;
	if (err != MQI_OK && how->backout && !c->broken)
		err = MQI_OK; /* it is backed out, as asked */
	else if (err == MQI_OK) {
		e = malloc(sizeof(*e));
		if (e != NULL) {
			*e = *how;
			e->unit = unit;
			e->waited = ret_waited != NULL;
			TAILQ_INSERT_TAIL(&c->ends, e, link);
			if (ret_waited != NULL)
				*ret_waited = e;
			mqunit_pump(c);
			return MQI_OK;
		}
		err = MQI_E_NO_MEMORY;
	}
	unit_let_go(unit);
	return err;
}

/* Not the connection's lock: the child of a fork. */
static enum mqi_err
unit_enter(mqi_unit *unit)
{
	enum mqi_err err = mqconn_enter_any(unit->conn);

	if (err != MQI_OK)
		mqunit_free(unit);
	return err;
}

static enum mqi_err
end_and_wait(mqi_unit *unit, bool backout)
{
	const struct mqend how = {.backout = backout};
	struct mqend *e = NULL;
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;
	mqi_conn *c;

	if (unit == NULL)
		return MQI_E_INVAL;
	c = unit->conn;
	err = unit_enter(unit);
	if (err != MQI_OK)
		return err;
	err = end_begin(c, unit, &how, &e);
	if (e != NULL) {
		while (!e->finished)
			mqwire_wait_until(c, is_finished, e);
		err = e->result;
		(void)snprintf(text, sizeof(text), "%s", e->text);
		free(e);
	}
	return mqconn_leave(c, err, text);
}

enum mqi_err
mqi_commit(mqi_unit *unit)
{
	return end_and_wait(unit, false);
}

enum mqi_err
mqi_backout(mqi_unit *unit)
{
	return end_and_wait(unit, true);
}

static enum mqi_err
end_async(mqi_unit *unit, bool backout, mqi_done_fn done, void *arg)
{
	const struct mqend how = {.backout = backout, .done = done, .arg = arg};
	enum mqi_err err;
	mqi_conn *c;

	if (unit == NULL)
		return MQI_E_INVAL;
	c = unit->conn;
	err = unit_enter(unit);
	if (err != MQI_OK)
		return err;
	err = end_begin(c, unit, &how, NULL);
	if (err == MQI_OK && c->agent == NULL)
		mqwire_flush(c);
	return mqconn_leave(c, err, NULL);
}

enum mqi_err
mqi_commit_async(mqi_unit *unit, mqi_done_fn done, void *arg)
{
	return end_async(unit, false, done, arg);
}

enum mqi_err
mqi_backout_async(mqi_unit *unit, mqi_done_fn done, void *arg)
{
	return end_async(unit, true, done, arg);
}

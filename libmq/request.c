/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - requests, futures and replies.
 *
 * Neighbours: put.c sends the request; get.c makes messages; uow.c has the list
 * of completions that are due.
 *
 * The message id is made here, so that the put and the get of the reply, which
 * waits in the queue manager for that correlation id, go in one write: a
 * request costs one round trip beside the work of who replies.
 *
 * Invariants.  A future is `done` when both are answered.  The get of one whose
 * put has failed is cancelled.  One that was freed before stays until then,
 * ownerless, for its requests point to it.
 *
 * Failure: the put's comes first; a loss of the connection is told as for the
 * request that it hit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "libmq/conn.h"

#define TENTH_MS 100

struct mqi_future {
	mqi_conn *conn;
	struct mqreq put;
	struct mqreq get;
	struct mqrx rx;
	mqi_msg *msg;
	bool no_memory;
	bool orphan;     /* the caller's no more */
	bool given_away; /* msg */
	bool told;       /* mqi_future_then() was called */
	struct mqend *then;
	char text[MQLIB_TEXT_LEN];
};

static bool
future_is_done(const void *arg)
{
	const mqi_future *f = arg;

	return f->put.done && f->get.done;
}

static enum mqi_err
future_result(const mqi_future *f)
{
	if (f->put.err != MQI_OK)
		return f->put.err;
	return f->get.err;
}

static void
future_destroy(mqi_future *f)
{
	(void)mqi_msg_free(f->msg);
	free(f->then);
	free(f);
}

/* One of its requests was answered: are both? */
static void
future_progress(mqi_conn *c, mqi_future *f)
{
	/* while pieces are being written its put is still in use */
	if (!future_is_done(f) || f->put.keep_id)
		return;
	if (f->orphan) {
		future_destroy(f);
		return;
	}
	if (f->then != NULL) {
		f->then->result = future_result(f);
		TAILQ_INSERT_TAIL(&c->finished, f->then, link);
		f->then = NULL;
	}
	mqwire_wake_all(c);
}

static void
get_cancel(mqi_conn *c, mqi_future *f)
{
	size_t mark = c->out.next.len;
	enum mqi_err err;

	if (f->get.done || f->get.id == 0 || c->broken)
		return;
	mqlocal_encode_empty(&c->out.next, MQLOCAL_CANCEL_GET, f->get.id);
	err = mqwire_queued(c, mark, NULL);
	/* then it waits in vain until its time is over */
	(void)err;
}

static enum mqi_err
put_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *fr, enum mqi_err lost)
{
	mqi_future *f = MQ_CONTAINER_OF(r, mqi_future, put);
	struct mqlocal_put_ok ok;
	enum mqi_err err = MQI_OK;

	if (fr != NULL)
		err = mqput_answer(fr, &ok, f->text, &lost);
	if (err != MQI_OK)
		return err;
	mqreq_finish(c, r, lost);
	if (lost != MQI_OK)
		get_cancel(c, f);
	future_progress(c, f);
	return MQI_OK;
}

static void
get_done(mqi_conn *c, mqi_future *f, enum mqi_err err)
{
	mqreq_finish(c, &f->get, err);
	future_progress(c, f);
}

static enum mqi_err
get_message(mqi_conn *c, mqi_future *f, const struct mqframe *fr)
{
	struct mqlocal_message m;

	if (mqlocal_decode_message(fr, &m) != MQI_OK || f->get.rx != NULL ||
	    mqi_completion((enum mqi_err)m.reason) == MQI_COMP_FAIL)
		return MQI_E_PROTOCOL;
	f->msg = mqmsg_new(&m, m.sent_len, NULL);
	f->no_memory = f->msg == NULL;
	if (f->msg != NULL)
		f->rx.dst = f->msg->body;
	if (m.body == NULL) {
		f->rx.want = m.sent_len;
		f->get.rx = &f->rx;
		return MQI_OK;
	}
	if (f->msg != NULL)
		memcpy(f->msg->body, m.body, m.sent_len);
	get_done(c, f, f->no_memory ? MQI_E_NO_MEMORY : MQI_OK);
	return MQI_OK;
}

static enum mqi_err
get_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *fr, enum mqi_err lost)
{
	mqi_future *f = MQ_CONTAINER_OF(r, mqi_future, get);
	enum mqi_err err;

	if (fr == NULL) {
		get_done(c, f, lost);
		return MQI_OK;
	}
	if (fr->type == MQLOCAL_MESSAGE)
		return get_message(c, f, fr);
	if (fr->type == MQLOCAL_PIECE) {
		if (f->rx.have == f->rx.want)
			get_done(c, f, f->no_memory ? MQI_E_NO_MEMORY : MQI_OK);
		return MQI_OK;
	}
	err =
	    mqcall_result(fr, f->text[0] == '\0' ? f->text : NULL, NULL, &lost);
	if (err != MQI_OK || lost == MQI_OK || r->rx != NULL)
		return MQI_E_PROTOCOL;
	get_done(c, f, lost);
	return MQI_OK;
}

/* ---- sending ---- */

/* "SLRQ", 12 random bytes of the connection, a number. */
static enum mqi_err
new_msg_id(mqi_conn *c, uint8_t ret[MQI_ID_LEN])
{
	uint64_t n = ++c->request_number;

	if (n == 1 && getrandom(c->request_seed, sizeof(c->request_seed), 0) !=
			  (ssize_t)sizeof(c->request_seed))
		return MQI_E_RESOURCE_PROBLEM;
	memcpy(ret, "SLRQ", 4);
	memcpy(ret + 4, c->request_seed, sizeof(c->request_seed));
	memcpy(ret + 16, &n, sizeof(n));
	return MQI_OK;
}

static bool
is_zero(const uint8_t id[MQI_ID_LEN])
{
	static const uint8_t none[MQI_ID_LEN];

	return memcmp(id, none, MQI_ID_LEN) == 0;
}

static enum mqi_err
request_md(const struct mqi_request *rq, struct mqi_md *md)
{
	const mqi_queue *replies = rq->replies;
	int64_t tenths = (rq->timeout_ms + TENTH_MS - 1) / TENTH_MS;
	enum mqi_err err = MQI_OK;

	if (rq->md != NULL)
		*md = *rq->md;
	else
		mqi_md_init(md);
	md->msg_type = MQI_MT_REQUEST;
	memcpy(md->reply_to_q, replies->info.resolved_name,
	    sizeof(md->reply_to_q));
	memcpy(md->reply_to_qmgr, replies->info.resolved_qmgr,
	    sizeof(md->reply_to_qmgr));
	if (is_zero(md->msg_id))
		err = new_msg_id(rq->queue->conn, md->msg_id);
	if (md->expiry == MQI_EXPIRY_UNLIMITED && rq->timeout_ms > 0 &&
	    tenths <= INT32_MAX)
		md->expiry = (int32_t)tenths;
	return err;
}

static enum mqi_err
send_get(mqi_future *f, const struct mqi_request *rq, const struct mqi_md *md)
{
	struct mqlocal_get v = {
	    .handle = rq->replies->handle,
	    .options = MQI_GET_MATCH_CORREL_ID,
	    .wait_ms = rq->timeout_ms,
	    .max_len = UINT32_MAX,
	};
	mqi_conn *c = f->conn;
	enum mqi_err err;
	size_t mark;

	memcpy(v.correl_id,
	    (md->report & MQI_RO_PASS_CORREL_ID) != 0 ? md->correl_id
						      : md->msg_id,
	    MQI_ID_LEN);
	f->get.effect = MQREQ_CHANGES;
	f->get.answer = get_answered;
	err = mqreq_add(c, &f->get);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	mqlocal_encode_get(&c->out.next, f->get.id, &v);
	return mqwire_queued(c, mark, &f->get);
}

/* The get goes first: its answer cannot be there before its request. */
static enum mqi_err
send_both(mqi_future *f, const struct mqi_request *rq, struct mqput *p)
{
	mqi_conn *c = f->conn;
	struct mqi_md md;
	enum mqi_err err = request_md(rq, &md);

	if (err != MQI_OK)
		return err;
	p->md = &md;
	f->put.effect = MQREQ_CHANGES;
	f->put.answer = put_answered;
	err = send_get(f, rq, &md);
	if (err != MQI_OK)
		return err;
	err = mqput_send(rq->queue, p, 0, &f->put);
	if (err != MQI_OK) {
		/* nothing will answer the put; the get says when it is over */
		f->put.done = true;
		f->put.err = err;
		f->orphan = true;
		get_cancel(c, f);
		mqwire_flush(c);
		return err;
	}
	future_progress(c, f);
	mqwire_flush(c);
	return MQI_OK;
}

static enum mqi_err
request_check(const struct mqi_request *rq)
{
	if (rq == NULL || rq->queue == NULL || rq->replies == NULL ||
	    rq->queue->conn != rq->replies->conn)
		return MQI_E_INVAL;
	if (rq->timeout_ms < MQI_WAIT_FOREVER)
		return mqlib_fail(rq->queue->conn, MQI_E_WAIT_INTERVAL, NULL);
	return MQI_OK;
}

static enum mqi_err
request_allowed(const struct mqi_request *rq)
{
	if (rq->queue->dead != MQI_OK)
		return rq->queue->dead;
	if (rq->replies->dead != MQI_OK)
		return rq->replies->dead;
	if (rq->replies->ahead)
		return MQI_E_OPTIONS;
	return rq->queue->async_err != MQI_OK ? MQI_E_SUPPRESSED : MQI_OK;
}

enum mqi_err
mqi_request_async(const struct mqi_request *request, mqi_future **ret_future)
{
	struct mqput p;
	mqi_future *f;
	enum mqi_err err = request_check(request);
	mqi_conn *c;

	if (err == MQI_OK && ret_future == NULL)
		err = MQI_E_INVAL;
	if (err == MQI_OK)
		err = mqput_prepare(request->queue, NULL, request->md,
		    request->body, request->body_len, &p);
	if (err != MQI_OK)
		return err;
	c = request->queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = request_allowed(request);
	f = err == MQI_OK ? calloc(1, sizeof(*f)) : NULL;
	if (err == MQI_OK && f == NULL)
		err = MQI_E_NO_MEMORY;
	if (err == MQI_OK) {
		f->conn = c;
		err = send_both(f, request, &p);
		if (err == MQI_OK)
			*ret_future = f;
		else if (!f->orphan)
			future_destroy(f);
	}
	return mqconn_leave(c, err, NULL);
}

/* ---- futures ---- */

enum mqi_err
mqi_future_wait(mqi_future *future, int64_t wait_ms, mqi_msg **ret_reply)
{
	uint64_t deadline = UINT64_MAX;
	enum mqi_err err;
	mqi_conn *c;

	if (future == NULL || ret_reply == NULL || wait_ms < MQI_WAIT_FOREVER)
		return MQI_E_INVAL;
	c = future->conn;
	err = mqconn_enter_any(c);
	if (err != MQI_OK)
		return err;
	if (wait_ms >= 0 && wait_ms < INT64_MAX / 2000)
		deadline = mqclock_mono_us() + (uint64_t)wait_ms * 1000;
	if (!future_is_done(future) && wait_ms == 0)
		mqwire_poll(c);
	else if (!future_is_done(future))
		mqwire_wait_until_time(c, future_is_done, future, deadline);
	if (!future_is_done(future))
		return mqconn_leave(c, MQI_E_BUSY, NULL);
	err = future_result(future);
	if (err == MQI_OK && future->given_away)
		err = MQI_E_OPTIONS;
	err = mqconn_leave(c, err, future->text);
	if (err != MQI_OK)
		return err;
	err = mqmsg_finish(future->msg);
	if (err != MQI_OK)
		return mqlib_fail(
		    c, err, "the message's checksum or descriptor is wrong");
	future->given_away = true;
	*ret_reply = future->msg;
	future->msg = NULL;
	return MQI_OK;
}

enum mqi_err
mqi_future_then(mqi_future *future, mqi_done_fn done, void *arg)
{
	struct mqend *e;
	enum mqi_err err;
	mqi_conn *c;

	if (future == NULL || done == NULL)
		return MQI_E_INVAL;
	c = future->conn;
	err = mqconn_enter_any(c);
	if (err != MQI_OK)
		return err;
	if (future->told)
		return mqconn_leave(c, MQI_E_OPTIONS, NULL);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return mqconn_leave(c, MQI_E_NO_MEMORY, NULL);
	future->told = true;
	e->done = done;
	e->arg = arg;
	e->future = future;
	future->then = e;
	if (future_is_done(future))
		future_progress(c, future);
	return mqconn_leave(c, MQI_OK, NULL);
}

/* It shall not be called any more. */
static void
completion_forget(mqi_conn *c, mqi_future *f)
{
	struct mqend *e, *next;

	free(f->then);
	f->then = NULL;
	for (e = TAILQ_FIRST(&c->finished); e != NULL; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->future != f)
			continue;
		TAILQ_REMOVE(&c->finished, e, link);
		free(e);
	}
}

mqi_future *
mqi_future_free(mqi_future *future)
{
	mqi_conn *c;

	if (future == NULL)
		return NULL;
	c = future->conn;
	if (mqconn_enter_any(c) != MQI_OK) {
		/* the child of a fork: only memory */
		future_destroy(future);
		return NULL;
	}
	completion_forget(c, future);
	if (future_is_done(future)) {
		future_destroy(future);
	} else {
		future->orphan = true;
		get_cancel(c, future);
		mqwire_flush(c);
	}
	(void)mqconn_leave(c, MQI_OK, NULL);
	return NULL;
}

enum mqi_err
mqi_request(const struct mqi_request *request, mqi_msg **ret_reply)
{
	mqi_future *f = NULL;
	enum mqi_err err;

	if (ret_reply == NULL)
		return MQI_E_INVAL;
	err = mqi_request_async(request, &f);
	if (err == MQI_OK)
		err = mqi_future_wait(f, MQI_WAIT_FOREVER, ret_reply);
	(void)mqi_future_free(f);
	return err;
}

/* ---- replies ---- */

void
mqi_reply_md(const struct mqi_md *request, struct mqi_md *ret_md)
{
	mqi_md_init(ret_md);
	ret_md->msg_type = MQI_MT_REPLY;
	ret_md->priority = request->priority;
	ret_md->persistence = request->persistence;
	if ((request->report & MQI_RO_PASS_MSG_ID) != 0)
		memcpy(ret_md->msg_id, request->msg_id, MQI_ID_LEN);
	memcpy(ret_md->correl_id,
	    (request->report & MQI_RO_PASS_CORREL_ID) != 0 ? request->correl_id
							   : request->msg_id,
	    MQI_ID_LEN);
	if ((request->report & MQI_RO_PASS_DISCARD_AND_EXPIRY) != 0) {
		ret_md->report = request->report & MQI_RO_DISCARD_MSG;
		ret_md->expiry = request->expiry;
	}
}

enum mqi_err
mqi_reply(mqi_conn *conn, mqi_unit *unit, const struct mqi_md *request,
    struct mqi_md *md, const void *body, size_t body_len)
{
	struct mqi_md own;
	mqi_queue *q = NULL;
	enum mqi_err err;

	if (conn == NULL || request == NULL)
		return MQI_E_INVAL;
	if (request->reply_to_q[0] == '\0')
		return mqlib_fail(conn, MQI_E_MISSING_REPLY_TO_Q,
		    "the request names no queue for its reply");
	if (md == NULL) {
		mqi_reply_md(request, &own);
		md = &own;
	}
	err = mqi_open(conn, request->reply_to_q, request->reply_to_qmgr,
	    MQI_OO_OUTPUT, &q);
	if (err != MQI_OK)
		return err;
	err = mqi_put(q, unit, md, body, body_len);
	if (err != MQI_OK) {
		char text[MQLIB_TEXT_LEN];

		(void)snprintf(text, sizeof(text), "%s", mqi_last_error(conn));
		(void)mqi_close(q);
		return mqlib_fail(conn, err, text);
	}
	return mqi_close(q);
}

enum mqi_err
mqi_tell_action(mqi_conn *conn, mqi_unit *unit, const struct mqi_md *message,
    bool done, const void *body, size_t body_len, bool *ret_told)
{
	enum mqi_err err = MQI_OK;
	struct mqi_md md;
	bool wanted;

	if (conn == NULL || message == NULL)
		return MQI_E_INVAL;
	/* there are no reports about reports */
	wanted = (message->report & (done ? MQI_RO_PAN : MQI_RO_NAN)) != 0 &&
		 message->msg_type != MQI_MT_REPORT;
	if (wanted) {
		mqi_reply_md(message, &md);
		md.msg_type = MQI_MT_REPORT;
		md.feedback = done ? MQI_FB_PAN : MQI_FB_NAN;
		err = mqi_reply(conn, unit, message, &md, body, body_len);
	}
	if (err == MQI_OK && ret_told != NULL)
		*ret_told = wanted;
	return err;
}

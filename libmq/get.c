/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get.c - a message on its way out of the queue manager: get, poll, browse.
 *
 * Neighbours: read.c places the pieces of a large body; readahead.c takes
 * over mqi_get_msg() on a handle that reads ahead.
 *
 * The body goes from the receive buffer, or the socket itself, to the
 * caller's buffer or to a message of ours.  Its checksum is verified by the
 * caller's thread, not by the one that reads; a part of a body cannot be
 * verified.
 *
 * Failure: a body that does not match its checksum is OBJECT_DAMAGED; if
 * there is no memory for a message that has come, it is read past, and the
 * get fails with NO_MEMORY.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "libmq/conn.h"
#include "proto/desc.h"

#define BROWSE                                        \
	(MQI_GET_BROWSE_FIRST | MQI_GET_BROWSE_NEXT | \
	    MQI_GET_BROWSE_UNDER_CURSOR)
#define GET_OPTIONS                                                 \
	(BROWSE | MQI_GET_ACCEPT_TRUNCATED | MQI_GET_UNDER_CURSOR | \
	    MQI_GET_LOCK | MQI_GET_MATCH_MSG_ID | MQI_GET_MATCH_CORREL_ID)

/* ---- messages ---- */

mqi_msg *
mqmsg_new(
    const struct mqlocal_message *m, uint32_t body_room, struct mqruns *runs)
{
	size_t size = sizeof(mqi_msg) + m->desc_len + body_room;
	struct mqrun *run = NULL;
	mqi_msg *msg = NULL;

	if (runs != NULL)
		msg = mqruns_get(runs, size, &run);
	if (msg == NULL)
		msg = malloc(size);
	if (msg == NULL)
		return NULL;
	memset(msg, 0, offsetof(struct mqi_msg, md));
	msg->run = run;
	msg->token = m->token;
	msg->backout_count = m->backout_count;
	msg->body_crc = m->body_crc;
	msg->body_len = m->body_len;
	msg->sent_len = m->sent_len;
	msg->desc_len = m->desc_len;
	msg->reason = (enum mqi_err)m->reason;
	msg->body = msg->data + m->desc_len;
	memcpy(msg->data, m->desc, m->desc_len);
	return msg;
}

static enum mqi_err
decode_md(mqi_msg *msg)
{
	enum mqi_err err;

	err = mqdesc_decode(msg->data, msg->desc_len, &msg->md);
	if (err != MQI_OK)
		return err;
	msg->md.backout_count = msg->backout_count;
	atomic_store_explicit(
	    &msg->md_state, MQMSG_MD_THERE, memory_order_release);
	return MQI_OK;
}

enum mqi_err
mqmsg_finish(mqi_msg *msg)
{
	bool allocates;
	enum mqi_err err;

	if (msg->sent_len == msg->body_len &&
	    mqcrc32c(0, msg->body, msg->sent_len) != msg->body_crc)
		return MQI_E_OBJECT_DAMAGED;
	err = mqdesc_check(msg->data, msg->desc_len, &allocates);
	if (err != MQI_OK)
		return MQI_E_OBJECT_DAMAGED;
	return allocates ? decode_md(msg) : MQI_OK;
}

mqi_msg *
mqi_msg_free(mqi_msg *msg)
{
	if (msg != NULL) {
		if (msg->md_state == MQMSG_MD_THERE)
			free((void *)(uintptr_t)msg->md.props);
		if (msg->run != NULL)
			mqrun_unref(msg->run);
		else
			free(msg);
	}
	return NULL;
}

/* Several threads may ask at once: one decodes. */
static void
md_is_wanted(mqi_msg *msg)
{
	uint8_t seen = MQMSG_MD_BYTES;
	enum mqi_err err;

	if (atomic_compare_exchange_strong(
		&msg->md_state, &seen, MQMSG_MD_BUSY)) {
		err = decode_md(msg);
		/* it was checked, and has nothing that needs memory */
		MQ_INVARIANT(err == MQI_OK);
		return;
	}
	while (atomic_load_explicit(&msg->md_state, memory_order_acquire) !=
	       MQMSG_MD_THERE)
		(void)sched_yield();
}

const struct mqi_md *
mqi_msg_md(const mqi_msg *msg)
{
	if (atomic_load_explicit(&msg->md_state, memory_order_acquire) !=
	    MQMSG_MD_THERE)
		md_is_wanted((mqi_msg *)(uintptr_t)msg);
	return &msg->md;
}

const void *
mqi_msg_body(const mqi_msg *msg)
{
	return msg->body;
}

size_t
mqi_msg_len(const mqi_msg *msg)
{
	return msg->sent_len;
}

/* ---- the request ---- */

struct get_call {
	struct mqreq req;
	struct mqrx rx;
	mqi_queue *queue;
	mqi_unit *unit;
	void *buf; /* NULL: into the message */
	uint32_t buf_len;
	mqi_msg *msg; /* the answer */
	bool no_memory;
	bool is_any; /* any message would do */
	char text[MQLIB_TEXT_LEN];
};

static void
get_is_whole(mqi_conn *c, struct get_call *g)
{
	if (g->unit != NULL)
		g->unit->succeeded = true;
	mqreq_finish(c, &g->req, g->no_memory ? MQI_E_NO_MEMORY : MQI_OK);
}

static enum mqi_err
take_message(mqi_conn *c, struct get_call *g, const struct mqframe *f)
{
	struct mqlocal_message m;

	if (mqlocal_decode_message(f, &m) != MQI_OK || g->req.rx != NULL ||
	    mqi_completion((enum mqi_err)m.reason) == MQI_COMP_FAIL ||
	    (g->buf != NULL && m.sent_len > g->buf_len))
		return MQI_E_PROTOCOL;
	g->msg = mqmsg_new(&m, g->buf != NULL ? 0 : m.sent_len, NULL);
	g->no_memory = g->msg == NULL;
	if (g->msg != NULL) {
		g->msg->queue = g->queue;
		g->msg->generation = c->generation;
		if (g->buf != NULL)
			g->msg->body = g->buf;
		g->rx.dst = g->msg->body;
	}
	if (m.body == NULL) {
		g->rx.want = m.sent_len;
		g->req.rx = &g->rx;
		return MQI_OK;
	}
	if (g->msg != NULL)
		memcpy(g->msg->body, m.body, m.sent_len);
	get_is_whole(c, g);
	return MQI_OK;
}

/* An empty-handed get of any message says that the queue is not ready, as a
 * READY would; the queue manager tells again when it is. */
static void
note_empty(const struct get_call *g, enum mqi_err reason)
{
	if (reason == MQI_E_NO_MSG_AVAILABLE && g->is_any) {
		g->queue->ready = false;
		mqnotify_update(g->queue);
	}
}

static enum mqi_err
get_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct get_call *g = MQ_CONTAINER_OF(r, struct get_call, req);
	enum mqi_err err;

	if (f == NULL) {
		mqreq_finish(c, r, lost);
		return MQI_OK;
	}
	switch (f->type) {
	case MQLOCAL_MESSAGE:
		return take_message(c, g, f);
	case MQLOCAL_PIECE:
		if (g->rx.have == g->rx.want)
			get_is_whole(c, g);
		return MQI_OK;
	default:
		err = mqcall_result(f, g->text, NULL, &lost);
		if (err != MQI_OK || lost == MQI_OK || r->rx != NULL)
			return MQI_E_PROTOCOL;
		note_empty(g, lost);
		mqreq_finish(c, r, lost);
		return MQI_OK;
	}
}

static enum mqi_err
check_opts(const struct mqi_get_opts *o)
{
	if (o->wait_ms < MQI_WAIT_FOREVER)
		return MQI_E_WAIT_INTERVAL;
	if ((o->options & ~GET_OPTIONS) != 0 ||
	    __builtin_popcount(o->options & (BROWSE | MQI_GET_UNDER_CURSOR)) >
		1)
		return MQI_E_OPTIONS;
	if ((o->options & MQI_GET_LOCK) != 0 && (o->options & BROWSE) == 0)
		return MQI_E_OPTIONS;
	return MQI_OK;
}

static enum mqi_err
send_get(mqi_queue *q, struct get_call *g, const struct mqi_get_opts *o)
{
	mqi_conn *c = q->conn;
	struct mqlocal_get v = {
	    .handle = q->handle,
	    .unit = g->unit != NULL ? g->unit->number : 0,
	    .options = o->options,
	    .wait_ms = o->wait_ms,
	    .max_len = g->buf != NULL ? g->buf_len : UINT32_MAX,
	};
	enum mqi_err err;
	size_t mark;

	memcpy(v.msg_id, o->msg_id, MQI_ID_LEN);
	memcpy(v.correl_id, o->correl_id, MQI_ID_LEN);
	err = mqreq_add(c, &g->req);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	mqlocal_encode_get(&c->out.next, g->req.id, &v);
	err = mqwire_queued(c, mark, &g->req);
	if (err != MQI_OK)
		return err;
	if (g->unit != NULL)
		g->unit->used = true;
	mqwire_wait(c, &g->req);
	return g->req.err;
}

static enum mqi_err
get_allowed(const mqi_queue *q, const mqi_unit *unit, bool browse)
{
	if (q->dead != MQI_OK)
		return q->dead;
	if (q->in_get)
		return MQI_E_BUSY;
	if (q->ahead && !browse)
		return MQI_E_OPTIONS;
	return unit == NULL ? MQI_OK : mqunit_check(q->conn, unit);
}

/* Gets into g->buf, or into a message; *ret_msg holds the descriptor.  A
 * warning comes with its message. */
static enum mqi_err
get_message(mqi_queue *q, struct get_call *g, const struct mqi_get_opts *o)
{
	bool browse = (o->options & BROWSE) != 0;
	mqi_conn *c = q->conn;
	enum mqi_err err;

	err = check_opts(o);
	if (err != MQI_OK)
		return mqlib_fail(c, err, NULL);
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = get_allowed(q, g->unit, browse);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	q->in_get = true;
	g->queue = q;
	g->is_any = (o->options & ~MQI_GET_ACCEPT_TRUNCATED) == 0;
	g->req.effect = g->unit != NULL ? MQREQ_IN_UNIT
			: browse        ? MQREQ_READS
					: MQREQ_CHANGES;
	g->req.answer = get_answered;
	err = send_get(q, g, o);
	q->in_get = false;
	err = mqconn_leave(c, err, g->text);
	if (err == MQI_OK) {
		err = mqmsg_finish(g->msg);
		if (err != MQI_OK)
			(void)mqlib_failf(c, err,
			    "the message's checksum or descriptor is wrong");
	}
	if (err != MQI_OK) {
		g->msg = mqi_msg_free(g->msg);
		return err;
	}
	return g->msg->reason;
}

static const struct mqi_get_opts any_message;

enum mqi_err
mqi_get(mqi_queue *queue, mqi_unit *unit, const struct mqi_get_opts *opts,
    void *buf, size_t buf_len, struct mqi_md *ret_md, size_t *ret_body_len)
{
	struct get_call g;
	enum mqi_err err;
	char nothing;

	if (queue == NULL || (buf == NULL && buf_len > 0) ||
	    ret_body_len == NULL || (unit != NULL && unit->conn != queue->conn))
		return MQI_E_INVAL;
	memset(&g, 0, offsetof(struct get_call, text));
	g.text[0] = '\0';
	g.unit = unit;
	g.buf = buf != NULL ? buf : &nothing;
	g.buf_len = buf_len < MQI_MAX_BODY ? (uint32_t)buf_len : MQI_MAX_BODY;
	err = get_message(queue, &g, opts != NULL ? opts : &any_message);
	if (mqi_completion(err) == MQI_COMP_FAIL)
		return err;
	*ret_body_len = g.msg->body_len;
	(void)mqi_msg_free(queue->last);
	queue->last = g.msg;
	if (ret_md != NULL)
		*ret_md = *mqi_msg_md(g.msg);
	return err;
}

enum mqi_err
mqi_get_msg(mqi_queue *queue, mqi_unit *unit, const struct mqi_get_opts *opts,
    mqi_msg **ret_msg)
{
	struct get_call g;
	enum mqi_err err;

	if (queue == NULL || ret_msg == NULL ||
	    (unit != NULL && unit->conn != queue->conn))
		return MQI_E_INVAL;
	if (opts == NULL)
		opts = &any_message;
	if (queue->ahead && unit == NULL && opts->options == 0)
		return mqahead_get(queue, opts->wait_ms, ret_msg);
	memset(&g, 0, offsetof(struct get_call, text));
	g.text[0] = '\0';
	g.unit = unit;
	err = get_message(queue, &g, opts);
	if (mqi_completion(err) != MQI_COMP_FAIL)
		*ret_msg = g.msg;
	return err;
}

enum mqi_err
mqi_poll(mqi_queue *queue, mqi_unit *unit, mqi_msg **ret_msg)
{
	return mqi_get_msg(queue, unit, NULL, ret_msg);
}

enum mqi_err
mqi_browse_unlock(mqi_queue *queue)
{
	struct mqlocal_browse_unlock v;
	char text[MQLIB_TEXT_LEN] = "";
	struct mqcall call;
	enum mqi_err err;
	mqi_conn *c;
	size_t mark;

	if (queue == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	if ((c->info.features & MQLOCAL_FEATURE_UNLOCK) == 0)
		return mqconn_leave(c, MQI_E_FUNCTION_NOT_SUPPORTED, NULL);
	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_RESULT);
	if (err == MQI_OK) {
		v.handle = queue->handle;
		mark = c->out.next.len;
		mqlocal_encode_browse_unlock(&c->out.next, call.req.id, &v);
		err = mqcall_end(c, &call, mark);
		(void)snprintf(text, sizeof(text), "%s", call.text);
	}
	return mqconn_leave(c, err, text);
}

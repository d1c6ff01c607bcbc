/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put.c - a message on its way into the queue manager.
 *
 * Neighbours: desc.h encodes the descriptor; async.c puts without waiting;
 * wire.c writes.
 *
 * A small message is copied into out.next with its frame, so that many go in
 * one write.  A large one goes in pieces straight from the caller's memory;
 * between them other threads' frames may go.  Its request keeps its id until
 * the last piece is written, also if the answer (a refusal) came before, since
 * the queue manager expects all of them.
 *
 * Failure: what cannot be encoded is not sent; if the connection is lost, the
 * request is told what that means for it.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "libmq/conn.h"
#include "proto/desc.h"

enum mqi_err
mqput_prepare(const mqi_queue *q, mqi_unit *unit, const struct mqi_md *md,
    const void *body, size_t body_len, struct mqput *ret)
{
	if (q == NULL || (body == NULL && body_len > 0) ||
	    (unit != NULL && unit->conn != q->conn))
		return MQI_E_INVAL;
	if (body_len > q->conn->max_body && body_len <= MQI_MAX_BODY)
		return mqlib_failf(q->conn, MQI_E_MSG_TOO_BIG_FOR_CHANNEL,
		    "a message of %zu bytes: the channel takes %u", body_len,
		    q->conn->max_body);
	if (body_len > MQI_MAX_BODY)
		return mqlib_failf(q->conn, MQI_E_MSG_TOO_BIG_FOR_Q_MGR,
		    "a message of %zu bytes: the limit is %u", body_len,
		    MQI_MAX_BODY);
	ret->unit = unit;
	ret->md = md;
	ret->body = body;
	ret->body_len = (uint32_t)body_len;
	ret->crc = mqcrc32c(0, body, body_len);
	return MQI_OK;
}

void
mqput_fill(struct mqi_md *md, const struct mqlocal_put_ok *ok)
{
	if (md == NULL)
		return;
	memcpy(md->msg_id, ok->msg_id, MQI_ID_LEN);
	md->priority = ok->priority;
	md->persistence = ok->persistence;
	mqclock_mq_date(ok->put_time_ms * 1000, md->put_date, md->put_time);
}

enum mqi_err
mqput_answer(const struct mqframe *f, struct mqlocal_put_ok *ret_ok, char *text,
    enum mqi_err *ret_reason)
{
	enum mqi_err err;

	if (f->type == MQLOCAL_PUT_OK) {
		err = mqlocal_decode_put_ok(f, ret_ok);
		if (err == MQI_OK)
			*ret_reason = MQI_OK;
		return err;
	}
	err = mqcall_result(f, text, NULL, ret_reason);
	/* a put that succeeds says PUT_OK */
	return err == MQI_OK && *ret_reason == MQI_OK ? MQI_E_PROTOCOL : err;
}

/* The pieces of a body whose PUT is appended. */
static void
send_pieces(mqi_conn *c, const struct mqput *p, struct mqreq *r)
{
	struct mqlocal_piece piece;
	const uint8_t *body = p->body;
	uint32_t off;

	if (!mqwire_take_writer(c))
		return;
	for (off = 0; off < p->body_len && !c->broken; off += piece.len) {
		piece.data = body + off;
		piece.len = p->body_len - off;
		if (piece.len > MQFRAME_PIECE)
			piece.len = MQFRAME_PIECE;
		mqlocal_encode_piece(&c->out.next, r->id, &piece);
		if (c->out.next.err != MQI_OK) {
			/* half a message cannot be taken back */
			mqwire_fail(c, c->out.next.err, NULL);
			break;
		}
		if (off + piece.len == p->body_len)
			r->end_off =
			    c->out.next_base + c->out.next.len + piece.len;
		mqwire_send_body(c, piece.data, piece.len);
	}
	mqwire_drop_writer(c);
}

enum mqi_err
mqput_send(mqi_queue *q, const struct mqput *p, uint16_t flags, struct mqreq *r)
{
	mqi_conn *c = q->conn;
	struct mqi_md defaults;
	struct mqlocal_put v;
	enum mqi_err err;
	size_t mark;
	bool is_inline;

	if (p->md == NULL)
		mqi_md_init(&defaults);
	mqbuf_reset(&c->desc);
	err = mqdesc_encode(p->md != NULL ? p->md : &defaults, &c->desc);
	if (err == MQI_OK)
		err = mqreq_add(c, r);
	if (err != MQI_OK)
		return err;
	v = (struct mqlocal_put){
	    .flags = flags,
	    .handle = q->handle,
	    .unit = p->unit != NULL ? p->unit->number : 0,
	    .body_crc = p->crc,
	    .body_len = p->body_len,
	    .desc = c->desc.data,
	    .desc_len = (uint32_t)c->desc.len,
	};
	is_inline = mqlocal_is_inline(v.desc_len, v.body_len);
	mark = c->out.next.len;
	mqlocal_encode_put(&c->out.next, r->id, &v);
	if (is_inline)
		mqbuf_put(&c->out.next, p->body, p->body_len);
	err = mqwire_queued(c, mark, r);
	if (err != MQI_OK)
		return err;
	if (p->unit != NULL)
		p->unit->used = true;
	if (!is_inline) {
		r->end_off = UINT64_MAX;
		r->keep_id = true;
		send_pieces(c, p, r);
		r->keep_id = false;
		if (r->done)
			mqreq_remove(c, r);
	}
	return MQI_OK;
}

struct put_call {
	struct mqreq req;
	struct mqlocal_put_ok ok;
	char text[MQLIB_TEXT_LEN];
};

static enum mqi_err
put_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct put_call *call = MQ_CONTAINER_OF(r, struct put_call, req);
	enum mqi_err err = MQI_OK;

	if (f != NULL)
		err = mqput_answer(f, &call->ok, call->text, &lost);
	if (err == MQI_OK)
		mqreq_finish(c, r, lost);
	return err;
}

/* May the handle and the unit take a put now? */
static enum mqi_err
put_allowed(const mqi_queue *q, const mqi_unit *unit)
{
	if (q->dead != MQI_OK)
		return q->dead;
	if (q->async_err != MQI_OK)
		return MQI_E_SUPPRESSED;
	return unit == NULL ? MQI_OK : mqunit_check(q->conn, unit);
}

static enum mqi_err
put_with(mqi_queue *queue, mqi_unit *unit, struct mqi_md *md, const void *body,
    size_t body_len, uint16_t more)
{
	struct put_call call;
	struct mqput p;
	enum mqi_err err;
	uint16_t flags;
	mqi_conn *c;

	err = mqput_prepare(queue, unit, md, body, body_len, &p);
	if (err != MQI_OK)
		return err;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = put_allowed(queue, unit);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	memset(&call.req, 0, sizeof(call.req));
	call.text[0] = '\0';
	call.req.effect = unit != NULL ? MQREQ_IN_UNIT : MQREQ_CHANGES;
	call.req.answer = put_answered;
	/* behind asynchronous puts it shares their fate, to keep the order */
	flags = queue->puts_pending > 0 ? mqasync_put_flags(queue) : 0;
	err = mqput_send(queue, &p, flags | more, &call.req);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	mqwire_wait(c, &call.req);
	err = call.req.err;
	if (err == MQI_OK) {
		mqput_fill(md, &call.ok);
		if (unit != NULL)
			unit->succeeded = true;
	} else if (flags != 0) {
		queue->reset = true;
	}
	return mqconn_leave(c, err, call.text);
}

enum mqi_err
mqi_put(mqi_queue *queue, mqi_unit *unit, struct mqi_md *md, const void *body,
    size_t body_len)
{
	return put_with(queue, unit, md, body, body_len, 0);
}

enum mqi_err
mqi_put_retained(mqi_queue *queue, mqi_unit *unit, struct mqi_md *md,
    const void *body, size_t body_len)
{
	if (queue == NULL || queue->topic == NULL)
		return MQI_E_INVAL;
	return put_with(queue, unit, md, body, body_len, MQLOCAL_PUT_RETAIN);
}

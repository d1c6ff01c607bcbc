/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_put.c - the receiver's side: puts of encoded messages and positions,
 * appended and never waited for.
 *
 * Neighbours: agent.c; wire.c writes what is appended here.
 *
 * A body comes whole or in parts of any size.  Parts are gathered into pieces
 * of the local protocol's size, or, if the message is small, into one frame; a
 * small one that is whole is not copied but into that frame.
 * The request keeps its id until its last piece is appended, also if its
 * answer came before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libmq/agent_impl.h"
#include "proto/desc.h"

struct mqagent_put_state {
	struct mqreq req;
	mqagent_put_fn done;
	void *arg;
	struct mqlocal_put put; /* its desc points behind buf */
	bool is_inline;
	bool brief;    /* said PUT_BRIEF */
	uint32_t left; /* bytes of the body not given yet */
	uint32_t fill; /* of buf */
	uint32_t cap;
	uint8_t buf[]; /* cap bytes, then the descriptor */
};

static enum mqi_err
answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct mqagent_put_state *p =
	    MQ_CONTAINER_OF(r, struct mqagent_put_state, req);
	mqagent_put_fn done = p->done;
	void *arg = p->arg;
	struct mqlocal_put_ok ok;
	enum mqi_err err;
	bool before;

	if (f != NULL && f->type == MQLOCAL_PUTS_OK && p->brief) {
		lost = MQI_OK;
	} else if (f != NULL) {
		err = mqput_answer(f, &ok, NULL, &lost);
		if (err != MQI_OK)
			return err;
	}
	mqreq_finish(c, r, lost);
	if (!r->keep_id)
		free(p);
	if (done != NULL) {
		before = mqagent_leave_lock(c);
		done(arg, lost);
		mqagent_take_lock(c, before);
	}
	return MQI_OK;
}

/* Everything of it is appended: from now on its answer frees it. */
static void
complete(mqi_conn *c, struct mqagent_put_state *p)
{
	p->req.keep_id = false;
	if (p->req.done) {
		mqreq_remove(c, &p->req);
		free(p);
	}
}

void
mqagent_queue_free(mqi_queue *q)
{
	struct mqagent_put_state *p = q->agent_put;

	q->agent_put = NULL;
	if (p == NULL)
		return;
	/* the queue manager waits for the rest: the session cannot go on */
	mqwire_fail(q->conn, MQI_E_PROTOCOL, "a put was left incomplete");
	mqreq_remove(q->conn, &p->req);
	free(p);
}

/* Appends what buf holds: the whole frame, or a piece. */
static enum mqi_err
append_buf(mqi_conn *c, struct mqagent_put_state *p)
{
	struct mqbuf *b = &c->out.next;
	struct mqlocal_piece piece = {.data = p->buf, .len = p->fill};
	size_t mark = b->len;
	enum mqi_err err;

	if (p->is_inline)
		mqlocal_encode_put(b, p->req.id, &p->put);
	else
		mqlocal_encode_piece(b, p->req.id, &piece);
	mqbuf_put(b, p->buf, p->fill);
	p->fill = 0;
	err = mqwire_queued(c, mark, NULL);
	if (err == MQI_OK)
		p->req.end_off = c->out.next_base + b->len;
	return err;
}

/* Takes len bytes of the body.  Failure: the frames cannot go on. */
static enum mqi_err
add_body(
    mqi_conn *c, struct mqagent_put_state *p, const void *data, uint32_t len)
{
	const uint8_t *from = data;
	enum mqi_err err = MQI_OK;
	uint32_t n;

	p->left -= len;
	while (len > 0 && err == MQI_OK) {
		n = p->cap - p->fill < len ? p->cap - p->fill : len;
		memcpy(p->buf + p->fill, from, n);
		p->fill += n;
		from += n;
		len -= n;
		if (p->fill == p->cap && (p->left > 0 || len > 0))
			err = append_buf(c, p);
	}
	if (err == MQI_OK && p->left == 0)
		err = append_buf(c, p);
	return err;
}

/* whole: the body is here, and goes with the frame; no buffer is needed. */
static struct mqagent_put_state *
state_new(
    const struct mqlocal_put *v, bool whole, mqagent_put_fn done, void *arg)
{
	bool is_inline = mqlocal_is_inline(v->desc_len, v->body_len);
	uint32_t cap = is_inline ? v->body_len : MQFRAME_PIECE;
	struct mqagent_put_state *p;

	p = malloc(sizeof(*p) + (whole ? 0 : (size_t)cap + v->desc_len));
	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->put = *v;
	if (!whole) {
		p->put.desc = p->buf + cap;
		memcpy(p->buf + cap, v->desc, v->desc_len);
	}
	p->is_inline = is_inline;
	p->brief = (v->flags & MQLOCAL_PUT_BRIEF) != 0;
	p->left = v->body_len;
	p->cap = cap;
	p->done = done;
	p->arg = arg;
	p->req.answer = answered;
	p->req.effect = v->unit != 0 ? MQREQ_IN_UNIT : MQREQ_CHANGES;
	return p;
}

/* The put begins: a large one's PUT frame goes ahead of its pieces. */
static enum mqi_err
begin_put(mqi_queue *q, struct mqagent_put_state *p)
{
	mqi_conn *c = q->conn;
	size_t mark = c->out.next.len;
	enum mqi_err err;

	err = mqreq_add(c, &p->req);
	if (err != MQI_OK)
		return err;
	p->req.keep_id = true;
	if (p->is_inline)
		return MQI_OK;
	mqlocal_encode_put(&c->out.next, p->req.id, &p->put);
	err = mqwire_queued(c, mark, &p->req);
	p->req.end_off = UINT64_MAX;
	return err;
}

/* One frame, in one go. */
static enum mqi_err
put_whole(mqi_conn *c, struct mqagent_put_state *p, const void *body)
{
	struct mqbuf *b = &c->out.next;
	size_t mark = b->len;
	enum mqi_err err = mqreq_add(c, &p->req);

	if (err != MQI_OK)
		return err;
	mqlocal_encode_put(b, p->req.id, &p->put);
	mqbuf_put(b, body, p->left);
	return mqwire_queued(c, mark, &p->req);
}

static enum mqi_err
give_body(mqi_queue *q, const void *data, uint32_t len)
{
	struct mqagent_put_state *p = q->agent_put;
	enum mqi_err err;

	err = add_body(q->conn, p, data, len);
	if (err != MQI_OK) {
		/* half a message cannot be taken back */
		mqwire_fail(q->conn, err, NULL);
		return err;
	}
	if (p->left == 0) {
		q->agent_put = NULL;
		complete(q->conn, p);
	}
	return MQI_OK;
}

enum mqi_err
mqagent_put(mqi_queue *queue, mqi_unit *unit, const void *desc,
    uint32_t desc_len, uint32_t body_crc, uint32_t body_len, const void *body,
    mqagent_put_fn done, void *arg)
{
	struct mqagent_put_state *p;
	struct mqlocal_put v;
	enum mqi_err err;
	mqi_conn *c;
	bool whole;

	if (queue == NULL || desc == NULL || desc_len == 0 ||
	    desc_len > MQDESC_MAX || body_len > MQI_MAX_BODY ||
	    queue->agent_put != NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	v = (struct mqlocal_put){
	    .flags = MQLOCAL_PUT_PASS_CONTEXT,
	    .handle = queue->handle,
	    .unit = unit != NULL ? unit->number : 0,
	    .body_crc = body_crc,
	    .body_len = body_len,
	    .desc = desc,
	    .desc_len = desc_len,
	};
	if ((c->info.features & MQLOCAL_FEATURE_PUTS_OK) != 0)
		v.flags |= MQLOCAL_PUT_BRIEF;
	whole = (body != NULL || body_len == 0) &&
		mqlocal_is_inline(desc_len, body_len);
	p = state_new(&v, whole, done, arg);
	if (p == NULL)
		return mqconn_leave(c, MQI_E_NO_MEMORY, NULL);
	err = whole ? put_whole(c, p, body) : begin_put(queue, p);
	if (err != MQI_OK) {
		free(p);
		return mqconn_leave(c, err, NULL);
	}
	if (unit != NULL)
		unit->used = unit->succeeded = true;
	if (whole)
		return mqconn_leave(c, MQI_OK, NULL);
	queue->agent_put = p;
	if (body == NULL && body_len > 0)
		return mqconn_leave(c, MQI_OK, NULL);
	return mqconn_leave(c, give_body(queue, body, body_len), NULL);
}

enum mqi_err
mqagent_put_piece(mqi_queue *queue, const void *data, uint32_t len)
{
	enum mqi_err err;
	mqi_conn *c;

	if (queue == NULL || data == NULL || queue->agent_put == NULL ||
	    len > queue->agent_put->left || len == 0)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	return mqconn_leave(c, give_body(queue, data, len), NULL);
}

/* ---- positions ---- */

enum mqi_err
mqagent_open_dead_letter(mqi_conn *conn, const char *object,
    const char *object_qmgr, mqi_queue **ret_queue)
{
	const struct mqi_open_opts opts = {.options = MQI_OO_OUTPUT};

	return mqqueue_open(conn, object, object_qmgr, &opts,
	    MQLOCAL_OO_DEAD_LETTER, ret_queue);
}

enum mqi_err
mqagent_position_open(mqi_conn *conn, const struct mqagent_position *p,
    struct mqlocal_position *ret)
{
	struct mqlocal_position_open v;

	if (conn == NULL || p == NULL || ret == NULL)
		return MQI_E_INVAL;
	memset(&v, 0, sizeof(v));
	(void)snprintf(v.partner, sizeof(v.partner), "%s", p->partner);
	(void)snprintf(v.identity, sizeof(v.identity), "%s", p->identity);
	memcpy(v.stream, p->stream, sizeof(v.stream));
	memcpy(v.incarnation, p->incarnation, sizeof(v.incarnation));
	return mqposition_open(conn, &v, ret);
}

struct unit_req {
	struct mqreq req;
	mqi_unit *unit;
};

static enum mqi_err
unit_req_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct unit_req *p = MQ_CONTAINER_OF(r, struct unit_req, req);
	mqi_unit *unit = p->unit;
	enum mqi_err err;

	if (f != NULL) {
		err = mqcall_result(f, NULL, NULL, &lost);
		if (err != MQI_OK)
			return err;
	}
	if (lost != MQI_OK && unit->failed == MQI_OK)
		unit->failed = lost;
	mqreq_finish(c, r, lost);
	free(p);
	mqunit_answered(unit);
	return MQI_OK;
}

enum mqi_err
mqunit_ask(mqi_unit *unit, mqunit_encode_fn encode, const void *v)
{
	struct unit_req *r;
	mqi_conn *c = unit->conn;
	enum mqi_err err = mqconn_enter(c);
	size_t mark;

	if (err != MQI_OK)
		return err;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return mqconn_leave(c, MQI_E_NO_MEMORY, NULL);
	r->unit = unit;
	r->req.answer = unit_req_answered;
	r->req.effect = MQREQ_IN_UNIT;
	err = mqreq_add(c, &r->req);
	if (err == MQI_OK) {
		mark = c->out.next.len;
		encode(&c->out.next, r->req.id, v);
		err = mqwire_queued(c, mark, &r->req);
	}
	if (err != MQI_OK) {
		free(r);
		return mqconn_leave(c, err, NULL);
	}
	unit->used = unit->succeeded = true;
	unit->pending++;
	return mqconn_leave(c, MQI_OK, NULL);
}

static void
encode_position(struct mqbuf *b, uint32_t id, const void *v)
{
	mqlocal_encode_unit_position(b, id, v);
}

enum mqi_err
mqagent_unit_position(mqi_unit *unit, const struct mqagent_position *p,
    uint64_t fence, uint64_t from, uint64_t to)
{
	struct mqlocal_unit_position v;

	if (unit == NULL || p == NULL)
		return MQI_E_INVAL;
	memset(&v, 0, sizeof(v));
	(void)snprintf(v.partner, sizeof(v.partner), "%s", p->partner);
	memcpy(v.stream, p->stream, sizeof(v.stream));
	memcpy(v.incarnation, p->incarnation, sizeof(v.incarnation));
	v.unit = unit->number;
	v.fence = fence;
	v.from = from;
	v.to = to;
	return mqunit_ask(unit, encode_position, &v);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - connections of agents and of mqadmin: commands, orders, streams.
 *
 * Neighbours: agent.h is the contract; event.c shows every frame that answers
 * no request to agent_frame() first; agent_put.c is the receiver's side.  Only
 * the static library holds this.
 *
 * Invariants.  One thread uses the connection.  Callbacks run without the
 * lock, in the middle of reading: they may append (puts, credit, status,
 * asynchronous commits) but not wait, which is refused with BUSY.  What is
 * appended is written by mqagent_dispatch(), which never waits, or by a call
 * that waits.
 *
 * Failure: when the connection is lost, every put and commit has been told,
 * then each stream hears `ended`, then mqagent_dispatch() says
 * CONNECTION_BROKEN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libmq/agent_impl.h"

#define AGENT_OUT_MAX (32u << 20)

struct mqagent_stream {
	mqi_conn *conn;
	LIST_ENTRY(mqagent_stream) link;
	uint32_t handle;
	struct mqagent_stream_events events;
	uint32_t piece_id; /* of the message whose pieces are coming; 0 */
	uint32_t piece_left;
	bool ended;
};

LIST_HEAD(stream_list, mqagent_stream);

struct agent {
	struct mqagent_state state;
	struct stream_list streams;
	mqagent_order_fn order;
	void *order_arg;
};

static struct agent *
agent_of(const mqi_conn *c)
{
	MQ_PRE(c->agent != NULL);
	return MQ_CONTAINER_OF(c->agent, struct agent, state);
}

bool
mqagent_leave_lock(mqi_conn *c)
{
	bool before = c->agent != NULL && c->agent->in_callback;

	if (c->agent != NULL)
		c->agent->in_callback = true;
	(void)pthread_mutex_unlock(&c->lock);
	return before;
}

void
mqagent_take_lock(mqi_conn *c, bool before)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->agent != NULL)
		c->agent->in_callback = before;
}

/* ---- frames ---- */

static struct mqagent_stream *
find_stream(const struct agent *a, uint32_t handle)
{
	struct mqagent_stream *s;

	LIST_FOREACH (s, &a->streams, link)
		if (s->handle == handle)
			return s;
	return NULL;
}

static enum mqi_err
stream_message(mqi_conn *c, struct mqagent_stream *s, const struct mqframe *f,
    const struct mqlocal_message *m)
{
	const struct mqagent_stream_msg msg = {
	    .number = m->token,
	    .previous = m->previous,
	    .desc = m->desc,
	    .desc_len = m->desc_len,
	    .body_crc = m->body_crc,
	    .body_len = m->body_len,
	};
	bool before;

	if (s->piece_id != 0 || m->sent_len != m->body_len ||
	    (m->body == NULL && f->id == 0))
		return MQI_E_PROTOCOL;
	if (m->body == NULL) {
		s->piece_id = f->id;
		s->piece_left = m->body_len;
	}
	before = mqagent_leave_lock(c);
	s->events.message(s->events.arg, &msg);
	if (m->body != NULL && m->body_len > 0)
		s->events.piece(s->events.arg, m->body, m->body_len);
	mqagent_take_lock(c, before);
	return MQI_OK;
}

static enum mqi_err
stream_piece(mqi_conn *c, const struct mqframe *f)
{
	struct agent *a = agent_of(c);
	struct mqagent_stream *s;
	bool before;

	LIST_FOREACH (s, &a->streams, link)
		if (s->piece_id == f->id)
			break;
	if (s == NULL || f->id == 0)
		return MQI_E_CANCELLED;
	if (f->payload_len > s->piece_left)
		return MQI_E_PROTOCOL;
	s->piece_left -= f->payload_len;
	if (s->piece_left == 0)
		s->piece_id = 0;
	before = mqagent_leave_lock(c);
	s->events.piece(s->events.arg, f->payload, f->payload_len);
	mqagent_take_lock(c, before);
	return MQI_OK;
}

static void
stream_ended(mqi_conn *c, struct mqagent_stream *s, enum mqi_err reason)
{
	bool before;

	if (s->ended)
		return;
	s->ended = true;
	before = mqagent_leave_lock(c);
	s->events.ended(s->events.arg, reason);
	mqagent_take_lock(c, before);
}

static enum mqi_err
on_message(mqi_conn *c, const struct mqframe *f)
{
	struct mqagent_stream *s;
	struct mqlocal_message m;

	if (mqlocal_decode_message(f, &m) != MQI_OK)
		return MQI_E_PROTOCOL;
	s = find_stream(agent_of(c), m.handle);
	return s == NULL ? MQI_E_CANCELLED : stream_message(c, s, f, &m);
}

static enum mqi_err
on_result(mqi_conn *c, const struct mqframe *f)
{
	struct mqagent_stream *s;
	struct mqlocal_result v;

	if (mqlocal_decode_result(f, &v) != MQI_OK)
		return MQI_E_PROTOCOL;
	s = find_stream(agent_of(c), v.handle);
	if (s == NULL || v.reason == MQI_OK)
		return MQI_E_CANCELLED;
	stream_ended(c, s, (enum mqi_err)v.reason);
	return MQI_OK;
}

static enum mqi_err
on_order(mqi_conn *c, const struct mqframe *f)
{
	struct agent *a = agent_of(c);
	struct mqctl_list order;
	struct mqreader r;
	enum mqi_err err;
	bool before;

	mqreader_init(&r, f->payload, f->payload_len);
	err = mqctl_decode_list(&r, &order);
	if (err != MQI_OK)
		return err;
	if (a->order != NULL) {
		before = mqagent_leave_lock(c);
		a->order(a->order_arg, &order);
		mqagent_take_lock(c, before);
	}
	mqctl_list_fini(&order);
	return MQI_OK;
}

static enum mqi_err
agent_frame(mqi_conn *c, const struct mqframe *f)
{
	switch (f->type) {
	case MQLOCAL_MESSAGE:
		return on_message(c, f);
	case MQLOCAL_PIECE:
		return stream_piece(c, f);
	case MQLOCAL_RESULT:
		return on_result(c, f);
	case MQLOCAL_AGENT_ORDER:
		return on_order(c, f);
	default:
		return MQI_E_CANCELLED;
	}
}

static void
agent_lost(mqi_conn *c)
{
	struct mqagent_stream *s;

	LIST_FOREACH (s, &agent_of(c)->streams, link)
		stream_ended(c, s, c->why);
}

static void
agent_free(mqi_conn *c)
{
	struct agent *a = agent_of(c);
	struct mqagent_stream *s;

	while ((s = LIST_FIRST(&a->streams)) != NULL) {
		LIST_REMOVE(s, link);
		free(s);
	}
	c->agent = NULL;
	free(a);
}

/* ---- the connection ---- */

static enum mqi_err
make_agent(mqi_conn *c, const struct mqagent_opts *opts)
{
	struct mqlocal_hello *h = &c->hello;
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return MQI_E_NO_MEMORY;
	LIST_INIT(&a->streams);
	a->state.frame = agent_frame;
	a->state.lost = agent_lost;
	a->state.free = agent_free;
	a->state.queue_free = mqagent_queue_free;
	c->agent = &a->state;
	c->out.next.max = AGENT_OUT_MAX;
	c->out.now.max = AGENT_OUT_MAX;
	h->is_agent = 1;
	(void)snprintf(h->channel, sizeof(h->channel), "%.20s",
	    opts->channel != NULL ? opts->channel : "");
	(void)snprintf(h->user, sizeof(h->user), "%.64s",
	    opts->user != NULL ? opts->user : "");
	(void)snprintf(h->address, sizeof(h->address), "%.64s",
	    opts->address != NULL ? opts->address : "");
	return MQI_OK;
}

enum mqi_err
mqagent_connect(
    const char *qmgr, const struct mqagent_opts *opts, mqi_conn **ret_conn)
{
	static const struct mqagent_opts defaults;
	mqi_conn *c = NULL;
	enum mqi_err err;

	if (qmgr == NULL || ret_conn == NULL)
		return MQI_E_INVAL;
	if (opts == NULL)
		opts = &defaults;
	if (opts->user != NULL && strlen(opts->user) > MQI_USER_LEN)
		return MQI_E_INVAL; /* cut off it is another's name */
	err =
	    mqconn_new(qmgr, opts->root, opts->app_name, opts->timeout_ms, &c);
	if (err != MQI_OK)
		return err;
	err = make_agent(c, opts);
	if (err == MQI_OK)
		err = mqconn_dial(c, c->timeout_ms);
	if (err != MQI_OK) {
		mqconn_free(c);
		return err;
	}
	*ret_conn = c;
	return MQI_OK;
}

int
mqagent_fd(const mqi_conn *conn)
{
	return conn->fd;
}

const uint8_t *
mqagent_qmid(const mqi_conn *conn)
{
	return conn->info.qmid;
}

const uint8_t *
mqagent_incarnation(const mqi_conn *conn)
{
	return conn->info.incarnation;
}

size_t
mqagent_pending(const mqi_conn *conn)
{
	return mqwire_unwritten(conn);
}

enum mqi_err
mqagent_dispatch(mqi_conn *conn, bool *ret_want_write)
{
	enum mqi_err err;
	size_t left;

	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	mqwire_poll(conn);
	mqwire_try_flush(conn, &left);
	mqunit_completions(conn);
	/* callbacks of the completions may have appended more */
	mqwire_try_flush(conn, &left);
	if (conn->broken)
		return mqconn_leave(conn, MQI_E_CONNECTION_BROKEN, NULL);
	*ret_want_write = left > 0;
	return mqconn_leave(conn, MQI_OK, NULL);
}

enum mqi_err
mqagent_write(mqi_conn *conn, bool *ret_want_write)
{
	enum mqi_err err = mqconn_enter(conn);
	size_t left;

	if (err != MQI_OK)
		return err;
	mqwire_try_flush(conn, &left);
	if (conn->broken)
		return mqconn_leave(conn, MQI_E_CONNECTION_BROKEN, NULL);
	*ret_want_write = left > 0;
	return mqconn_leave(conn, MQI_OK, NULL);
}

/* ---- administration ---- */

struct command_call {
	struct mqreq req;
	mqagent_row_fn row_fn;
	void *arg;
	char text[MQLIB_TEXT_LEN];
};

static enum mqi_err
command_row(
    mqi_conn *c, const struct command_call *call, const struct mqframe *f)
{
	struct mqctl_list row;
	struct mqreader r;
	enum mqi_err err;
	bool before;

	mqreader_init(&r, f->payload, f->payload_len);
	err = mqctl_decode_list(&r, &row);
	if (err != MQI_OK)
		return err;
	if (call->row_fn != NULL) {
		before = mqagent_leave_lock(c);
		call->row_fn(call->arg, &row);
		mqagent_take_lock(c, before);
	}
	mqctl_list_fini(&row);
	return MQI_OK;
}

static enum mqi_err
command_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct command_call *call =
	    MQ_CONTAINER_OF(r, struct command_call, req);
	enum mqi_err err = MQI_OK;

	if (f != NULL && f->type == MQLOCAL_COMMAND_ROW)
		return command_row(c, call, f);
	if (f != NULL)
		err = mqcall_result(f, call->text, NULL, &lost);
	if (err == MQI_OK)
		mqreq_finish(c, r, lost);
	return err;
}

static enum mqi_err
send_command(
    mqi_conn *c, struct command_call *call, const struct mqctl_command *command)
{
	struct mqbuf *b = &c->out.next;
	size_t mark, start;
	enum mqi_err err;

	if (c->agent != NULL && c->agent->in_callback)
		return MQI_E_BUSY;
	err = mqreq_add(c, &call->req);
	if (err != MQI_OK)
		return err;
	mark = b->len;
	start = mqframe_begin(b, MQLOCAL_COMMAND, 0, call->req.id);
	mqctl_encode_command(b, command);
	mqframe_end(b, start, 0);
	err = mqwire_queued(c, mark, &call->req);
	if (err != MQI_OK)
		return err;
	mqwire_wait(c, &call->req);
	return call->req.err;
}

enum mqi_err
mqagent_command(mqi_conn *conn, const struct mqctl_command *command,
    mqagent_row_fn row_fn, void *arg, char *ret_text, size_t text_len)
{
	struct command_call call;
	enum mqi_err err;

	if (conn == NULL || command == NULL)
		return MQI_E_INVAL;
	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	memset(&call, 0, sizeof(call));
	call.req.answer = command_answered;
	call.req.effect =
	    command->verb == MQCTL_DISPLAY || command->verb == MQCTL_PING
		? MQREQ_READS
		: MQREQ_CHANGES;
	call.row_fn = row_fn;
	call.arg = arg;
	err = send_command(conn, &call, command);
	if (ret_text != NULL && text_len > 0)
		(void)snprintf(ret_text, text_len, "%s",
		    call.text[0] == '\0' && err != MQI_OK ? mqi_strerror(err)
							  : call.text);
	return mqconn_leave(conn, err, call.text);
}

enum mqi_err
mqagent_status(mqi_conn *conn, const struct mqctl_list *status)
{
	struct mqbuf *b;
	size_t mark, start;
	enum mqi_err err;

	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	b = &conn->out.next;
	mark = b->len;
	start = mqframe_begin(b, MQLOCAL_AGENT_STATUS, 0, 0);
	mqctl_encode_list(b, status);
	mqframe_end(b, start, 0);
	return mqconn_leave(conn, mqwire_queued(conn, mark, NULL), NULL);
}

void
mqagent_on_order(mqi_conn *conn, mqagent_order_fn fn, void *arg)
{
	agent_of(conn)->order = fn;
	agent_of(conn)->order_arg = arg;
}

/* ---- streams ---- */

static enum mqi_err
take_stream_ok(struct mqcall *call, const struct mqframe *f)
{
	return mqlocal_decode_stream_ok(f, call->out);
}

enum mqi_err
mqagent_stream_open(mqi_conn *conn, const char *queue,
    const struct mqagent_stream_events *events,
    struct mqlocal_stream_ok *ret_info, mqagent_stream **ret_stream)
{
	struct mqlocal_stream_open v;
	struct mqagent_stream *s;
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	if (conn == NULL || conn->agent == NULL || queue == NULL ||
	    strlen(queue) > MQI_NAME_LEN)
		return MQI_E_INVAL;
	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	s = calloc(1, sizeof(*s));
	err = s == NULL
		  ? MQI_E_NO_MEMORY
		  : mqcall_begin(conn, &call, MQREQ_READS, MQLOCAL_STREAM_OK);
	if (err != MQI_OK) {
		free(s);
		return mqconn_leave(conn, err, NULL);
	}
	call.take = take_stream_ok;
	call.out = ret_info;
	(void)snprintf(v.queue, sizeof(v.queue), "%s", queue);
	mark = conn->out.next.len;
	mqlocal_encode_stream_open(&conn->out.next, call.req.id, &v);
	err = mqcall_end(conn, &call, mark);
	if (err == MQI_OK) {
		s->conn = conn;
		s->handle = ret_info->handle;
		s->events = *events;
		LIST_INSERT_HEAD(&agent_of(conn)->streams, s, link);
		*ret_stream = s;
	} else {
		free(s);
	}
	return mqconn_leave(conn, err, call.text);
}

enum mqi_err
mqagent_stream_bind(
    mqagent_stream *s, const uint8_t qmid[16], const char *identity)
{
	struct mqlocal_stream_bind v = {.handle = s->handle};
	mqi_conn *c = s->conn;
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = mqcall_begin(c, &call, MQREQ_CHANGES, MQLOCAL_RESULT);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	memcpy(v.qmid, qmid, sizeof(v.qmid));
	(void)snprintf(v.identity, sizeof(v.identity), "%.256s", identity);
	mark = c->out.next.len;
	mqlocal_encode_stream_bind(&c->out.next, call.req.id, &v);
	err = mqcall_end(c, &call, mark);
	return mqconn_leave(c, err, call.text);
}

enum mqi_err
mqagent_stream_credit(
    mqagent_stream *s, uint32_t max_msgs, uint32_t max_bytes, uint64_t after)
{
	const struct mqlocal_stream_credit v = {.handle = s->handle,
	    .max_msgs = max_msgs,
	    .max_bytes = max_bytes,
	    .after = after};
	mqi_conn *c = s->conn;
	enum mqi_err err;
	size_t mark;

	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	mqlocal_encode_stream_credit(&c->out.next, 0, &v);
	return mqconn_leave(c, mqwire_queued(c, mark, NULL), NULL);
}

enum mqi_err
mqagent_stream_ack(mqagent_stream *s, uint64_t number)
{
	const struct mqlocal_stream_ack v = {
	    .handle = s->handle, .number = number};
	mqi_conn *c = s->conn;
	enum mqi_err err;
	size_t mark;

	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	mqlocal_encode_stream_ack(&c->out.next, 0, &v);
	return mqconn_leave(c, mqwire_queued(c, mark, NULL), NULL);
}

enum mqi_err
mqagent_stream_limit(mqagent_stream *s, uint32_t max_msg_len)
{
	const struct mqlocal_stream_limit v = {
	    .handle = s->handle, .max_msg_len = max_msg_len};
	mqi_conn *c = s->conn;
	enum mqi_err err;
	size_t mark;

	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	mqlocal_encode_stream_limit(&c->out.next, 0, &v);
	return mqconn_leave(c, mqwire_queued(c, mark, NULL), NULL);
}

static void
encode_remove(struct mqbuf *b, uint32_t id, const void *v)
{
	mqlocal_encode_stream_remove(b, id, v);
}

enum mqi_err
mqagent_unit_remove(mqi_unit *unit, const mqagent_stream *s, uint64_t number)
{
	struct mqlocal_stream_remove v;

	if (unit == NULL || s == NULL)
		return MQI_E_INVAL;
	v = (struct mqlocal_stream_remove){
	    .handle = s->handle, .unit = unit->number, .number = number};
	return mqunit_ask(unit, encode_remove, &v);
}

mqagent_stream *
mqagent_stream_close(mqagent_stream *s)
{
	struct mqlocal_close v;
	struct mqcall call;
	mqi_conn *c;
	size_t mark;

	if (s == NULL)
		return NULL;
	c = s->conn;
	v.handle = s->handle;
	s->ended = true; /* say nothing more */
	if (mqconn_enter(c) == MQI_OK) {
		if (mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_RESULT) ==
		    MQI_OK) {
			mark = c->out.next.len;
			mqlocal_encode_close(&c->out.next, call.req.id, &v);
			/* whatever it says, the handle is gone */
			if (mqcall_end(c, &call, mark) != MQI_OK)
				s->handle = 0;
		}
		mqconn_unlock(c);
	}
	LIST_REMOVE(s, link);
	free(s);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readahead.c - messages delivered before they are asked for, and
 * acknowledged in a pipeline.
 *
 * Neighbours: event.c brings the messages; get.c hands mqi_get_msg() over;
 * async.c reports acknowledgements that failed, at the flush.
 *
 * Invariants.  `arrived` holds what the queue manager has locked for us, in
 * its order.  An acknowledgement covers everything before it, so only the last
 * one is sent: at once if nothing was written for ACK_US or a quarter of the
 * window is acknowledged, else with the next write of the connection.  A get
 * that waits holds it for ACK_US more, since what it waits for is often
 * answered by a put that can take it along: a write and a wake-up less.
 *
 * Failure: with the connection the locks are gone, so what has arrived and was
 * not taken is dropped (it comes again, with its backout count raised), and
 * an acknowledgement of what was taken before is NOT_DONE.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "libmq/conn.h"

#define DEFAULT_MSGS 256u
#define DEFAULT_BYTES (1024u * 1024)
#define ACK_US 8000u
#define INPUT \
	(MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED | MQI_OO_INPUT_EXCLUSIVE)

void
mqahead_arrived(mqi_queue *q, mqi_msg *msg)
{
	TAILQ_INSERT_TAIL(&q->arrived, msg, link);
	mqnotify_update(q);
}

void
mqahead_clear(mqi_queue *q)
{
	mqi_msg *msg;

	while ((msg = TAILQ_FIRST(&q->arrived)) != NULL) {
		TAILQ_REMOVE(&q->arrived, msg, link);
		(void)mqi_msg_free(msg);
	}
}

enum mqi_err
mqahead_start(mqi_queue *q, char *ret_text)
{
	mqi_conn *c = q->conn;
	struct mqlocal_consume v = q->window;
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_RESULT);
	if (err != MQI_OK)
		return err;
	v.handle = q->handle;
	mark = c->out.next.len;
	mqlocal_encode_consume(&c->out.next, call.req.id, &v);
	err = mqcall_end(c, &call, mark);
	(void)snprintf(ret_text, MQLIB_TEXT_LEN, "%s", call.text);
	return err;
}

enum mqi_err
mqi_read_ahead(mqi_queue *queue, const struct mqi_read_ahead *opts)
{
	char text[MQLIB_TEXT_LEN] = "";
	bool before;
	enum mqi_err err;
	mqi_conn *c;

	if (queue == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	if (queue->dead != MQI_OK)
		return mqconn_leave(c, queue->dead, NULL);
	if ((queue->open.options & INPUT) == 0)
		return mqconn_leave(c, MQI_E_NOT_OPEN_FOR_INPUT, NULL);
	if (queue->in_get)
		return mqconn_leave(c, MQI_E_BUSY, NULL);
	queue->window.max_msgs =
	    opts != NULL && opts->max_msgs > 0 ? opts->max_msgs : DEFAULT_MSGS;
	queue->window.max_bytes = opts != NULL && opts->max_bytes > 0
				      ? opts->max_bytes
				      : DEFAULT_BYTES;
	before = queue->ahead;
	queue->ahead = true; /* messages may come before the answer */
	err = mqahead_start(queue, text);
	if (err != MQI_OK)
		queue->ahead = before;
	mqnotify_update(queue);
	return mqconn_leave(c, err, text);
}

static bool
something_arrived(const void *arg)
{
	const mqi_queue *q = arg;

	return !TAILQ_EMPTY(&q->arrived) || q->ahead_err != MQI_OK;
}

static enum mqi_err
take_arrived(mqi_queue *q, mqi_msg **ret_msg)
{
	mqi_msg *msg = TAILQ_FIRST(&q->arrived);
	enum mqi_err err = MQI_E_NO_MSG_AVAILABLE;

	if (msg != NULL) {
		TAILQ_REMOVE(&q->arrived, msg, link);
		*ret_msg = msg;
		err = MQI_OK;
	} else if (q->ahead_err != MQI_OK) {
		err = q->ahead_err;
		q->ahead_err = MQI_OK;
	} else if (q->conn->broken) {
		err = MQI_E_CONNECTION_BROKEN;
	}
	mqnotify_update(q);
	return err;
}

/* wait_ms: 0, a time, or MQI_WAIT_FOREVER */
static void
wait_for_message(mqi_queue *q, int64_t wait_ms)
{
	mqi_conn *c = q->conn;
	uint64_t now, deadline = UINT64_MAX;

	if (wait_ms == 0) {
		mqahead_send_acks(c);
		mqwire_flush(c);
		mqwire_poll(c);
		return;
	}
	if (wait_ms > 0 || !LIST_EMPTY(&c->acks)) {
		now = mqclock_mono_us();
		if (wait_ms > 0)
			deadline = now + (uint64_t)wait_ms * 1000;
		if (!LIST_EMPTY(&c->acks))
			mqwire_wait_holding_acks(c, something_arrived, q,
			    deadline - now > ACK_US ? now + ACK_US : deadline);
	}
	mqwire_wait_until_time(c, something_arrived, q, deadline);
}

enum mqi_err
mqahead_get(mqi_queue *q, int64_t wait_ms, mqi_msg **ret_msg)
{
	mqi_conn *c = q->conn;
	mqi_msg *msg = NULL;
	enum mqi_err err;

	if (wait_ms < MQI_WAIT_FOREVER)
		return mqlib_fail(c, MQI_E_WAIT_INTERVAL, NULL);
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	if (q->dead != MQI_OK || q->in_get)
		return mqconn_leave(
		    c, q->dead != MQI_OK ? q->dead : MQI_E_BUSY, NULL);
	q->in_get = true;
	if (!something_arrived(q))
		wait_for_message(q, wait_ms);
	err = take_arrived(q, &msg);
	q->in_get = false;
	err = mqconn_leave(c, err, NULL);
	if (err == MQI_OK) {
		err = mqmsg_finish(msg);
		if (err != MQI_OK)
			(void)mqlib_fail(c, err, NULL);
	}
	if (err == MQI_OK)
		*ret_msg = msg;
	else
		(void)mqi_msg_free(msg);
	return err;
}

/* ---- acknowledgements ---- */

struct ack_req {
	struct mqreq req;
	mqi_queue *queue;
};

static enum mqi_err
ack_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct ack_req *a = MQ_CONTAINER_OF(r, struct ack_req, req);
	char text[MQLIB_TEXT_LEN];
	enum mqi_err err;

	text[0] = '\0';
	if (f != NULL) {
		err = mqcall_result(f, text, NULL, &lost);
		if (err != MQI_OK)
			return err;
	}
	if (lost != MQI_OK)
		mqasync_failed(a->queue, lost, text);
	a->queue->pending--;
	mqreq_finish(c, r, lost);
	free(a);
	return MQI_OK;
}

void
mqahead_forget_ack(mqi_queue *q)
{
	if (q->ack_token == 0)
		return;
	LIST_REMOVE(q, ack_link);
	q->ack_token = 0;
	q->ack_count = 0;
	q->ack_bytes = 0;
}

enum mqi_err
mqahead_send_ack(mqi_queue *q)
{
	mqi_conn *c = q->conn;
	struct mqlocal_ack v = {.handle = q->handle, .token = q->ack_token};
	struct ack_req *a;
	enum mqi_err err;
	size_t mark;

	MQ_PRE(q->ack_token != 0);
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return MQI_E_NO_MEMORY;
	a->queue = q;
	a->req.effect = MQREQ_CHANGES;
	a->req.answer = ack_answered;
	err = mqreq_add(c, &a->req);
	if (err == MQI_OK) {
		mark = c->out.next.len;
		mqlocal_encode_ack(&c->out.next, a->req.id, &v);
		err = mqwire_queued(c, mark, &a->req);
	}
	if (err != MQI_OK) {
		free(a);
		return err;
	}
	q->pending++;
	mqahead_forget_ack(q);
	return MQI_OK;
}

void
mqahead_send_acks(mqi_conn *c)
{
	mqi_queue *q;
	enum mqi_err err;

	while ((q = LIST_FIRST(&c->acks)) != NULL) {
		err = mqahead_send_ack(q);
		if (err != MQI_OK) {
			/* told at the flush; the next one covers this one */
			mqasync_failed(q, err, NULL);
			mqahead_forget_ack(q);
		}
	}
}

enum mqi_err
mqi_ack(mqi_queue *queue, const mqi_msg *msg)
{
	enum mqi_err err;
	mqi_conn *c;
	uint64_t n;

	if (queue == NULL || msg == NULL || msg->queue != queue ||
	    msg->token == 0)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	if (msg->generation != c->generation)
		return mqconn_leave(c, MQI_E_NOT_DONE,
		    "the connection was lost after the message was got: it "
		    "will be delivered again");
	if (msg->token <= queue->acked)
		return mqconn_leave(c, MQI_OK, NULL);
	if (queue->ack_token == 0)
		LIST_INSERT_HEAD(&c->acks, queue, ack_link);
	/* it covers those before it, taken to be as long */
	n = msg->token - queue->acked;
	queue->ack_token = queue->acked = msg->token;
	queue->ack_count += (uint32_t)n;
	queue->ack_bytes += n * ((uint64_t)msg->desc_len + msg->sent_len);
	if (queue->ack_count > queue->window.max_msgs / 4 ||
	    queue->ack_bytes > queue->window.max_bytes / 4 ||
	    mqclock_coarse_us() > c->out.last_us + ACK_US) {
		err = mqahead_send_ack(queue);
		mqwire_flush(c);
	}
	return mqconn_leave(c, err, NULL);
}

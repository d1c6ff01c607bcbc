/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - frames that answer no request: read-ahead messages and their
 * pieces, READY, the queue manager's last words; and the loss of the
 * connection as handles and units see it.
 *
 * Neighbours: read.c hands the frames over; readahead.c and notify.c take
 * what they mean; an agent's connection looks at them first.
 *
 * What comes for a handle that is closed is dropped: the close has crossed
 * it on the way.
 */
#include <stdlib.h>
#include <string.h>

#include "libmq/conn.h"

struct mqrx *
mqevent_rx(mqi_conn *c, uint32_t id)
{
	struct mqbig *b;

	LIST_FOREACH (b, &c->big, link)
		if (b->id == id)
			return &b->rx;
	return NULL;
}

static void
big_is_whole(struct mqbig *b)
{
	LIST_REMOVE(b, link);
	if (b->queue != NULL && b->msg != NULL)
		mqahead_arrived(b->queue, b->msg);
	else
		(void)mqi_msg_free(b->msg);
	free(b);
}

static enum mqi_err
on_piece(mqi_conn *c, uint32_t id)
{
	struct mqbig *b;

	LIST_FOREACH (b, &c->big, link) {
		if (b->id != id)
			continue;
		if (b->rx.have == b->rx.want)
			big_is_whole(b);
		return MQI_OK;
	}
	return MQI_E_PROTOCOL;
}

static void
no_memory(mqi_queue *q)
{
	q->ahead_err = MQI_E_NO_MEMORY;
	mqnotify_update(q);
}

static enum mqi_err
on_message(mqi_conn *c, const struct mqframe *f)
{
	struct mqlocal_message m;
	struct mqbig *b;
	mqi_queue *q;
	mqi_msg *msg = NULL;

	if (mqlocal_decode_message(f, &m) != MQI_OK || m.token == 0)
		return MQI_E_PROTOCOL;
	q = mqqueue_find(c, m.handle);
	if (q != NULL) {
		/* without runs it costs more, no more than that */
		if (c->runs == NULL)
			c->runs = mqruns_new();
		msg = mqmsg_new(&m, m.sent_len, c->runs);
		if (msg == NULL)
			no_memory(q);
	}
	if (msg != NULL) {
		msg->queue = q;
		msg->generation = c->generation;
	}
	if (m.body != NULL) {
		if (msg != NULL) {
			memcpy(msg->body, m.body, m.sent_len);
			mqahead_arrived(q, msg);
		}
		return MQI_OK;
	}
	if (f->id == 0 || mqevent_rx(c, f->id) != NULL) {
		(void)mqi_msg_free(msg);
		return MQI_E_PROTOCOL;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		(void)mqi_msg_free(msg);
		mqwire_fail(c, MQI_E_NO_MEMORY, NULL);
		return MQI_OK;
	}
	b->id = f->id;
	b->queue = q;
	b->msg = msg;
	b->rx.dst = msg != NULL ? msg->body : NULL;
	b->rx.want = m.sent_len;
	LIST_INSERT_HEAD(&c->big, b, link);
	return MQI_OK;
}

static enum mqi_err
on_ready(mqi_conn *c, const struct mqframe *f)
{
	struct mqlocal_ready v;
	mqi_queue *q;

	if (mqlocal_decode_ready(f, &v) != MQI_OK)
		return MQI_E_PROTOCOL;
	q = mqqueue_find(c, v.handle);
	if (q != NULL) {
		q->ready = v.ready != 0;
		mqnotify_update(q);
	}
	return MQI_OK;
}

static enum mqi_err
on_error(mqi_conn *c, const struct mqframe *f)
{
	struct mqlocal_error v;

	if (mqlocal_decode_error(f, &v) != MQI_OK || v.reason == MQI_OK)
		return MQI_E_PROTOCOL;
	mqwire_fail(c, (enum mqi_err)v.reason, v.text);
	return MQI_OK;
}

/* The queue manager ends a handle's read-ahead. */
static enum mqi_err
on_result(mqi_conn *c, const struct mqframe *f)
{
	struct mqlocal_result v;
	mqi_queue *q;

	if (mqlocal_decode_result(f, &v) != MQI_OK || v.handle == 0 ||
	    v.reason == MQI_OK)
		return MQI_E_PROTOCOL;
	q = mqqueue_find(c, v.handle);
	if (q != NULL) {
		q->ahead_err = (enum mqi_err)v.reason;
		mqnotify_update(q);
	}
	return MQI_OK;
}

/* It leaves with whatever this thread writes next: whoever reads also
 * writes. */
static enum mqi_err
on_beat(mqi_conn *c, const struct mqframe *f)
{
	size_t mark = c->out.next.len;

	if (c->remote == NULL || mqlocal_decode_empty(f) != MQI_OK)
		return MQI_E_PROTOCOL;
	mqlocal_encode_empty(&c->out.next, MQLOCAL_BEAT, 0);
	return mqwire_queued(c, mark, NULL);
}

enum mqi_err
mqevent_frame(mqi_conn *c, const struct mqframe *f)
{
	enum mqi_err err;

	if (c->agent != NULL) {
		err = c->agent->frame(c, f);
		if (err != MQI_E_CANCELLED) /* its own */
			return err;
	}
	switch (f->type) {
	case MQLOCAL_ERROR:
		return on_error(c, f);
	case MQLOCAL_MESSAGE:
		return on_message(c, f);
	case MQLOCAL_PIECE:
		return on_piece(c, f->id);
	case MQLOCAL_READY:
		return on_ready(c, f);
	case MQLOCAL_RESULT:
		return on_result(c, f);
	case MQLOCAL_BEAT:
		return on_beat(c, f);
	default:
		return MQI_E_PROTOCOL;
	}
}

void
mqevent_lost(mqi_conn *c)
{
	struct mqbig *b;
	mqi_queue *q;

	while ((b = LIST_FIRST(&c->big)) != NULL) {
		LIST_REMOVE(b, link);
		(void)mqi_msg_free(b->msg);
		free(b);
	}
	mqunit_lost(c);
	LIST_FOREACH (q, &c->queues, link) {
		mqqueue_unlink(q);
		mqahead_clear(q);
		if (q->ack_token != 0)
			mqasync_failed(q, MQI_E_NOT_DONE, NULL);
		mqahead_forget_ack(q);
		q->ready = false;
		q->reset = false;
		mqnotify_update(q);
	}
	if (c->agent != NULL)
		c->agent->lost(c);
}

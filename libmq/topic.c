/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.c - handles of topics, and of subscriptions.
 *
 * Neighbours: handle.c opens, closes and opens again; put.c and get.c use the
 * handle like any other.
 * Invariants: what was asked is kept with the handle, to be asked again after
 * a reconnection: a durable subscription is then resumed, another one is made
 * anew.
 * Failure: as of an open.
 */
#include "libmq/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mqtopic {
	bool publishes;
	struct mqlocal_open_topic open;
	struct mqlocal_subscribe sub;
};

void
mqtopic_encode(const struct mqtopic *t, struct mqbuf *out, uint32_t id)
{
	if (t->publishes)
		mqlocal_encode_open_topic(out, id, &t->open);
	else
		mqlocal_encode_subscribe(out, id, &t->sub);
}

void
mqtopic_opened(struct mqtopic *t)
{
	/* again: whoever has made it */
	if ((t->sub.options & MQI_SO_DURABLE) != 0)
		t->sub.options |= MQI_SO_RESUME;
}

static enum mqi_err
copy(char *dst, size_t size, const char *src, enum mqi_err too_long)
{
	int n = snprintf(dst, size, "%s", src != NULL ? src : "");

	return n >= 0 && (size_t)n < size ? MQI_OK : too_long;
}

#define COPY(dst, src, too_long) copy(dst, sizeof(dst), src, too_long)

static enum mqi_err
open_it(mqi_conn *conn, struct mqtopic *t, mqi_queue **ret_queue)
{
	char text[MQLIB_TEXT_LEN] = "";
	mqi_queue *q;
	enum mqi_err err = mqconn_enter(conn);

	if (err != MQI_OK) {
		free(t);
		return err;
	}
	q = mqqueue_new(conn);
	if (q == NULL) {
		free(t);
		return mqconn_leave(conn, MQI_E_NO_MEMORY, NULL);
	}
	q->topic = t;
	err = mqqueue_open_again(q, text);
	if (err != MQI_OK)
		mqqueue_free(q);
	else
		*ret_queue = q;
	return mqconn_leave(conn, err, text);
}

enum mqi_err
mqi_open_topic(mqi_conn *conn, const char *object, const char *topic,
    mqi_queue **ret_queue)
{
	struct mqtopic *t;
	enum mqi_err err;

	if (conn == NULL || ret_queue == NULL)
		return MQI_E_INVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return mqlib_fail(conn, MQI_E_NO_MEMORY, NULL);
	t->publishes = true;
	t->open.options = MQI_OO_OUTPUT;
	err = COPY(t->open.object, object, MQI_E_UNKNOWN_OBJECT);
	if (err == MQI_OK)
		err = COPY(t->open.topic, topic, MQI_E_TOPIC_STRING_ERROR);
	if (err != MQI_OK) {
		free(t);
		return mqlib_fail(conn, err, NULL);
	}
	return open_it(conn, t, ret_queue);
}

static enum mqi_err
fill(struct mqlocal_subscribe *v, const struct mqi_sub_opts *o)
{
	enum mqi_err err = COPY(v->name, o->name, MQI_E_SUB_NAME_ERROR);

	v->options = o->options;
	v->expiry = o->expiry;
	memcpy(v->correl_id, o->correl_id, MQI_ID_LEN);
	if (err == MQI_OK)
		err = COPY(v->object, o->object, MQI_E_UNKNOWN_OBJECT);
	if (err == MQI_OK)
		err = COPY(v->topic, o->topic, MQI_E_TOPIC_STRING_ERROR);
	if (err == MQI_OK)
		err = COPY(v->dest, o->dest, MQI_E_OBJECT_NAME);
	if (err == MQI_OK)
		err = COPY(v->dest_qmgr, o->dest_qmgr, MQI_E_OBJECT_NAME);
	if (err == MQI_OK)
		err = COPY(
		    v->selector, o->selector, MQI_E_SELECTION_STRING_ERROR);
	if (err == MQI_OK)
		err = COPY(v->user_data, o->user_data, MQI_E_INVAL);
	return err;
}

enum mqi_err
mqi_subscribe(
    mqi_conn *conn, const struct mqi_sub_opts *opts, mqi_queue **ret_queue)
{
	struct mqtopic *t;
	enum mqi_err err;

	if (conn == NULL || opts == NULL || ret_queue == NULL)
		return MQI_E_INVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return mqlib_fail(conn, MQI_E_NO_MEMORY, NULL);
	err = fill(&t->sub, opts);
	if (err != MQI_OK) {
		free(t);
		return mqlib_fail(conn, err, NULL);
	}
	return open_it(conn, t, ret_queue);
}

enum mqi_err
mqi_unsubscribe(mqi_queue *queue)
{
	return mqqueue_end(queue, true);
}

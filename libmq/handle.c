/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c - open, close and inquire.
 *
 * Neighbours: call.c carries the requests; put.c, get.c, readahead.c and
 * notify.c use the handle.
 *
 * Invariants.  A handle is in its connection's list from open to close, and
 * in the table by number while the queue manager knows it.  After a reconnect
 * its number is new; if it could not be opened again, `dead` says why and
 * every call on it returns that.
 *
 * Failure: close frees the handle whatever happens; what is still on its way
 * for it finds no handle and is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libmq/conn.h"
#include "libmq/topic.h"

static struct mqi_queue_list *
new_buckets(uint32_t n)
{
	struct mqi_queue_list *lists = calloc(n, sizeof(*lists));

	for (uint32_t i = 0; lists != NULL && i < n; i++)
		LIST_INIT(&lists[i]);
	return lists;
}

enum mqi_err
mqqueue_init(mqi_conn *c)
{
	c->by_handle = new_buckets(MQLIB_BUCKETS_MIN);
	if (c->by_handle == NULL)
		return MQI_E_NO_MEMORY;
	c->n_buckets = MQLIB_BUCKETS_MIN;
	return MQI_OK;
}

static struct mqi_queue_list *
bucket_of(mqi_conn *c, uint32_t handle)
{
	return &c->by_handle[handle & (c->n_buckets - 1)];
}

/* Without memory for it the lists get longer, no more than that. */
static void
grow_buckets(mqi_conn *c)
{
	struct mqi_queue_list *old = c->by_handle, *lists;
	uint32_t n_old = c->n_buckets;
	mqi_queue *q;

	if (c->n_linked < n_old || n_old >= MQLIB_BUCKETS_MAX)
		return;
	lists = new_buckets(n_old * 4);
	if (lists == NULL)
		return;
	c->by_handle = lists;
	c->n_buckets = n_old * 4;
	for (uint32_t i = 0; i < n_old; i++)
		while ((q = LIST_FIRST(&old[i])) != NULL) {
			LIST_REMOVE(q, bucket);
			LIST_INSERT_HEAD(bucket_of(c, q->handle), q, bucket);
		}
	free(old);
}

mqi_queue *
mqqueue_find(mqi_conn *c, uint32_t handle)
{
	mqi_queue *q;

	LIST_FOREACH (q, bucket_of(c, handle), bucket)
		if (q->handle == handle)
			return q;
	return NULL;
}

void
mqqueue_link(mqi_queue *q)
{
	MQ_PRE(q->handle != 0);
	grow_buckets(q->conn);
	LIST_INSERT_HEAD(bucket_of(q->conn, q->handle), q, bucket);
	q->conn->n_linked++;
}

void
mqqueue_unlink(mqi_queue *q)
{
	if (q->handle == 0)
		return;
	LIST_REMOVE(q, bucket);
	q->conn->n_linked--;
	q->handle = 0;
}

static enum mqi_err
take_open_ok(struct mqcall *call, const struct mqframe *f)
{
	struct mqlocal_open_ok *info = call->out;
	enum mqi_err err = mqlocal_decode_open_ok(f, info);

	if (err == MQI_OK && info->handle == 0)
		err = MQI_E_PROTOCOL;
	return err;
}

static void
encode_open_select(const mqi_queue *q, struct mqbuf *out, uint32_t id)
{
	struct mqlocal_open_select v = {.options = q->open.options};

	memcpy(v.object, q->open.object, sizeof(v.object));
	memcpy(v.qmgr, q->open.qmgr, sizeof(v.qmgr));
	memcpy(v.user, q->open.user, sizeof(v.user));
	(void)snprintf(v.selector, sizeof(v.selector), "%s", q->selector);
	mqlocal_encode_open_select(out, id, &v);
}

static void
encode_open(const mqi_queue *q, struct mqbuf *out, uint32_t id)
{
	struct mqlocal_open v = {.options = q->open.options};

	if (q->topic != NULL) {
		mqtopic_encode(q->topic, out, id);
		return;
	}
	if (q->selector != NULL) {
		encode_open_select(q, out, id);
		return;
	}
	if (q->open.user[0] != '\0') {
		mqlocal_encode_open_as(out, id, &q->open);
		return;
	}
	memcpy(v.object, q->open.object, sizeof(v.object));
	memcpy(v.qmgr, q->open.qmgr, sizeof(v.qmgr));
	mqlocal_encode_open(out, id, &v);
}

static bool
queue_can_open(const mqi_queue *q, char *ret_text)
{
	uint64_t features = q->conn->info.features;
	const char *what = NULL;

	if (q->open.user[0] != '\0' &&
	    (features & MQLOCAL_FEATURE_OPEN_AS) == 0)
		what = "alternate users";
	if (q->selector != NULL && (features & MQLOCAL_FEATURE_SELECT) == 0)
		what = "selectors";
	if (q->topic != NULL && (features & MQLOCAL_FEATURE_PUBSUB) == 0)
		what = "publish and subscribe";
	if (what != NULL)
		(void)snprintf(ret_text, MQLIB_TEXT_LEN,
		    "the queue manager does not know %s", what);
	return what == NULL;
}

enum mqi_err
mqqueue_open_again(mqi_queue *q, char *ret_text)
{
	mqi_conn *c = q->conn;
	struct mqlocal_open_ok info;
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	if (!queue_can_open(q, ret_text))
		return MQI_E_FUNCTION_NOT_SUPPORTED;
	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_OPEN_OK);
	if (err != MQI_OK)
		return err;
	call.take = take_open_ok;
	call.out = &info;
	mark = c->out.next.len;
	encode_open(q, &c->out.next, call.req.id);
	err = mqcall_end(c, &call, mark);
	if (err == MQI_OK) {
		q->info = info;
		q->handle = info.handle;
		mqqueue_link(q);
		if (q->topic != NULL)
			mqtopic_opened(q->topic);
	}
	(void)snprintf(ret_text, MQLIB_TEXT_LEN, "%s", call.text);
	return err;
}

mqi_queue *
mqqueue_new(mqi_conn *c)
{
	mqi_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->conn = c;
	q->event_fd = -1;
	TAILQ_INIT(&q->arrived);
	LIST_INSERT_HEAD(&c->queues, q, link);
	return q;
}

void
mqqueue_free(mqi_queue *q)
{
	mqi_conn *c = q->conn;
	struct mqbig *b;

	LIST_FOREACH (b, &c->big, link)
		if (b->queue == q)
			b->queue = NULL;
	mqqueue_unlink(q);
	LIST_REMOVE(q, link);
	mqahead_clear(q);
	if (c->agent != NULL)
		c->agent->queue_free(q);
	mqahead_forget_ack(q);
	(void)mqi_msg_free(q->last);
	if (q->event_fd >= 0)
		(void)close(q->event_fd);
	free(q->async_text);
	free(q->selector);
	free(q->topic);
	free(q);
}

/* What it says is the queue manager's to judge. */
static enum mqi_err
check_selector(const struct mqi_open_opts *opts)
{
	if (opts->selector == NULL)
		return MQI_OK;
	if (strlen(opts->selector) > MQI_SELECTOR_LEN)
		return MQI_E_SELECTION_STRING_ERROR;
	return (opts->options & ~(uint32_t)(MQI_OO_OUTPUT | MQI_OO_INQUIRE |
					    MQI_OO_ALTERNATE_USER_AUTHORITY)) !=
		       0
		   ? MQI_OK
		   : MQI_E_OPTIONS;
}

static enum mqi_err
check_names(const char *object, const char *object_qmgr,
    const struct mqi_open_opts *opts)
{
	uint32_t options = opts->options;
	const uint32_t input = MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED |
			       MQI_OO_INPUT_EXCLUSIVE;
	const uint32_t other = MQI_OO_ALTERNATE_USER_AUTHORITY;
	const uint32_t all =
	    input | MQI_OO_BROWSE | MQI_OO_OUTPUT | MQI_OO_INQUIRE;

	if (object == NULL)
		return MQI_E_INVAL;
	if (strlen(object) > MQI_NAME_LEN)
		return MQI_E_OBJECT_NAME;
	if (object_qmgr != NULL && strlen(object_qmgr) > MQI_NAME_LEN)
		return MQI_E_OBJECT_Q_MGR_NAME;
	if ((options & all) == 0 || (options & ~(all | other)) != 0 ||
	    __builtin_popcount(options & input) > 1)
		return MQI_E_OPTIONS;
	if (((options & other) != 0) != (opts->alternate_user != NULL))
		return MQI_E_OPTIONS;
	if (opts->alternate_user != NULL &&
	    (opts->alternate_user[0] == '\0' ||
		strlen(opts->alternate_user) > MQI_USER_LEN))
		return MQI_E_INVAL;
	return check_selector(opts);
}

enum mqi_err
mqi_open(mqi_conn *conn, const char *object, const char *object_qmgr,
    uint32_t options, mqi_queue **ret_queue)
{
	const struct mqi_open_opts opts = {.options = options};

	return mqi_open_with(conn, object, object_qmgr, &opts, ret_queue);
}

enum mqi_err
mqqueue_open(mqi_conn *conn, const char *object, const char *object_qmgr,
    const struct mqi_open_opts *opts, uint32_t extra, mqi_queue **ret_queue)
{
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;
	mqi_queue *q;

	if (conn == NULL || opts == NULL || ret_queue == NULL)
		return MQI_E_INVAL;
	err = check_names(object, object_qmgr, opts);
	if (err != MQI_OK)
		return mqlib_fail(conn, err, NULL);
	err = mqconn_enter(conn);
	if (err != MQI_OK)
		return err;
	q = mqqueue_new(conn);
	if (q != NULL && opts->selector != NULL) {
		q->selector = strdup(opts->selector);
		if (q->selector == NULL) {
			mqqueue_free(q);
			q = NULL;
		}
	}
	if (q == NULL)
		return mqconn_leave(conn, MQI_E_NO_MEMORY, NULL);
	q->open.options = opts->options | extra;
	if (opts->alternate_user != NULL)
		(void)snprintf(q->open.user, sizeof(q->open.user), "%s",
		    opts->alternate_user);
	(void)snprintf(q->open.object, sizeof(q->open.object), "%s", object);
	(void)snprintf(q->open.qmgr, sizeof(q->open.qmgr), "%s",
	    object_qmgr != NULL ? object_qmgr : "");
	err = mqqueue_open_again(q, text);
	if (err != MQI_OK)
		mqqueue_free(q);
	else
		*ret_queue = q;
	return mqconn_leave(conn, err, text);
}

enum mqi_err
mqi_open_with(mqi_conn *conn, const char *object, const char *object_qmgr,
    const struct mqi_open_opts *opts, mqi_queue **ret_queue)
{
	return mqqueue_open(conn, object, object_qmgr, opts, 0, ret_queue);
}

static bool
nothing_pending(const void *arg)
{
	return ((const mqi_queue *)arg)->pending == 0;
}

static enum mqi_err
send_close(mqi_queue *q, bool unsubscribe, char *ret_text)
{
	mqi_conn *c = q->conn;
	struct mqlocal_unsubscribe end = {.handle = q->handle};
	struct mqlocal_close v = {.handle = q->handle};
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_RESULT);
	if (err != MQI_OK)
		return err;
	mark = c->out.next.len;
	if (unsubscribe)
		mqlocal_encode_unsubscribe(&c->out.next, call.req.id, &end);
	else
		mqlocal_encode_close(&c->out.next, call.req.id, &v);
	err = mqcall_end(c, &call, mark);
	(void)snprintf(ret_text, MQLIB_TEXT_LEN, "%s", call.text);
	return err;
}

enum mqi_err
mqi_close(mqi_queue *queue)
{
	return mqqueue_end(queue, false);
}

enum mqi_err
mqqueue_end(mqi_queue *queue, bool unsubscribe)
{
	char text[MQLIB_TEXT_LEN] = "", close_text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err, async_err;
	mqi_conn *c;

	if (queue == NULL)
		return MQI_OK;
	c = queue->conn;
	err = mqconn_enter_any(c);
	if (err != MQI_OK) {
		mqqueue_free(queue);
		return err;
	}
	mqnotify_close(queue);
	if (!c->broken)
		mqahead_send_acks(c);
	mqwire_wait_until(c, nothing_pending, queue);
	while (c->reconnecting) /* another thread, which opens it again */
		(void)pthread_cond_wait(&c->idle, &c->lock);
	async_err = queue->async_err;
	if (async_err != MQI_OK && queue->async_text != NULL)
		(void)snprintf(text, sizeof(text), "%s", queue->async_text);
	if (c->broken)
		err = MQI_E_CONNECTION_BROKEN;
	else if (queue->dead != MQI_OK || queue->handle == 0)
		err = queue->dead;
	else
		err = send_close(queue, unsubscribe, close_text);
	mqqueue_free(queue);
	if (async_err != MQI_OK)
		return mqconn_leave(c, async_err, text);
	return mqconn_leave(c, err, close_text);
}

static enum mqi_err
take_inquire_ok(struct mqcall *call, const struct mqframe *f)
{
	struct mqlocal_inquire_ok ok;
	enum mqi_err err = mqlocal_decode_inquire_ok(f, &ok);

	if (err == MQI_OK)
		*(struct mqi_queue_info *)call->out = ok.info;
	return err;
}

const char *
mqi_queue_name(const mqi_queue *queue)
{
	return queue->info.resolved_name;
}

enum mqi_err
mqi_inquire(mqi_queue *queue, struct mqi_queue_info *ret_info)
{
	struct mqlocal_inquire v;
	struct mqcall call;
	enum mqi_err err;
	mqi_conn *c;
	size_t mark;

	if (queue == NULL || ret_info == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	if (queue->dead != MQI_OK)
		return mqconn_leave(c, queue->dead, NULL);
	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_INQUIRE_OK);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	call.take = take_inquire_ok;
	call.out = ret_info;
	v.handle = queue->handle;
	mark = c->out.next.len;
	mqlocal_encode_inquire(&c->out.next, call.req.id, &v);
	err = mqcall_end(c, &call, mark);
	return mqconn_leave(c, err, call.text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - telling the application that a get would return now: handlers,
 * descriptors, and the library's own thread.
 *
 * Neighbours: event.c brings READY frames (the queue manager sends one each
 * time the answer changes); readahead.c brings messages.
 *
 * Invariants.  A handle is ready while a get on it that does not wait would
 * return with a message or an error: as the queue manager's last READY says,
 * or, reading ahead, while something has arrived, and always while the
 * connection is lost.  Its eventfd is readable exactly while it is ready, and
 * its handler is due once for each time it has become ready.
 *
 * The thread reads the socket when no thread in a call does; without it a
 * descriptor could not change while the application sleeps on it.  It runs
 * the handlers of handles without a descriptor; those with one run in
 * mqi_dispatch().  All signals are blocked in it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libmq/conn.h"

#define INPUT \
	(MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED | MQI_OO_INPUT_EXCLUSIVE)

static bool
is_ready(const mqi_queue *q)
{
	if (q->conn->broken || q->dead != MQI_OK)
		return true;
	if (q->ahead)
		return !TAILQ_EMPTY(&q->arrived) || q->ahead_err != MQI_OK;
	return q->ready;
}

static void
set_event(mqi_queue *q, bool on)
{
	uint64_t n = 1;
	ssize_t rc;

	if (q->event_fd < 0 || q->event_set == on)
		return;
	/* an eventfd that holds 0 or 1 neither blocks nor fails */
	if (on)
		rc = write(q->event_fd, &n, sizeof(n));
	else
		rc = read(q->event_fd, &n, sizeof(n));
	q->event_set = rc == (ssize_t)sizeof(n) ? on : q->event_set;
}

void
mqnotify_update(mqi_queue *q)
{
	bool ready = is_ready(q);

	if (ready && !q->was_ready && q->handler != NULL) {
		q->handler_due = true;
		if (q->event_fd < 0)
			mqwire_wake_thread(q->conn);
	}
	q->was_ready = ready;
	set_event(q, ready);
}

/* ---- handlers ---- */

/* Runs a handler that is due among those with or without a descriptor; false:
 * there was none.  The lock is released meanwhile. */
static bool
run_one(mqi_conn *c, bool with_descriptor)
{
	mqi_notify_fn handler;
	mqi_queue *q;
	void *arg;

	LIST_FOREACH (q, &c->queues, link)
		if (q->handler_due && !q->handler_runs &&
		    (q->event_fd >= 0) == with_descriptor)
			break;
	if (q == NULL)
		return false;
	handler = q->handler;
	arg = q->handler_arg;
	q->handler_due = false;
	q->handler_runs = true;
	q->handler_thread = pthread_self();
	(void)pthread_mutex_unlock(&c->lock);
	handler(q, arg);
	(void)pthread_mutex_lock(&c->lock);
	q->handler_runs = false;
	(void)pthread_cond_broadcast(&c->idle);
	return true;
}

/* No handler of q runs or will run, but the one that we are in. */
static void
stop_handler(mqi_queue *q)
{
	q->handler = NULL;
	q->handler_due = false;
	while (q->handler_runs &&
	       !pthread_equal(q->handler_thread, pthread_self()))
		(void)pthread_cond_wait(&q->conn->idle, &q->conn->lock);
}

void
mqnotify_close(mqi_queue *q)
{
	stop_handler(q);
}

/* ---- the library's thread ---- */

static void *
serve(void *arg)
{
	mqi_conn *c = arg;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->closing) {
		if (run_one(c, false))
			continue;
		mqunit_completions(c);
		if (!c->closing)
			mqwire_serve(c);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

static enum mqi_err
start_thread(mqi_conn *c)
{
	sigset_t all, before;
	int rc;

	if (c->has_thread)
		return MQI_OK;
	if (c->wake_fd < 0)
		c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return MQI_E_RESOURCE_PROBLEM;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, NULL, serve, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return MQI_E_RESOURCE_PROBLEM;
	c->has_thread = true;
	return MQI_OK;
}

void
mqnotify_stop_thread(mqi_conn *c)
{
	if (!c->has_thread)
		return;
	(void)pthread_join(c->thread, NULL);
	c->has_thread = false;
}

/* ---- watching ---- */

static enum mqi_err
watch_answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct mqcall *call = MQ_CONTAINER_OF(r, struct mqcall, req);
	enum mqi_err err = MQI_OK;

	if (f != NULL && f->type == MQLOCAL_READY) {
		err = mqevent_frame(c, f);
		lost = MQI_OK;
	} else if (f != NULL) {
		err = mqcall_result(f, call->text, NULL, &lost);
	}
	if (err == MQI_OK)
		mqreq_finish(c, r, lost);
	return err;
}

static enum mqi_err
watch(mqi_queue *q, bool on, char *ret_text)
{
	mqi_conn *c = q->conn;
	struct mqlocal_watch v = {.handle = q->handle, .on = on};
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_READY);
	if (err != MQI_OK)
		return err;
	call.req.answer = watch_answered;
	mark = c->out.next.len;
	mqlocal_encode_watch(&c->out.next, call.req.id, &v);
	err = mqcall_end(c, &call, mark);
	(void)snprintf(ret_text, MQLIB_TEXT_LEN, "%s", call.text);
	return err;
}

enum mqi_err
mqnotify_start(mqi_queue *q, char *ret_text)
{
	enum mqi_err err;

	err = watch(q, true, ret_text);
	/* a handle that watched before the loss goes on wanting it */
	if (err == MQI_OK)
		q->watching = true;
	return err;
}

/* What handlers and descriptors both need. */
static enum mqi_err
prepare(mqi_queue *q, char *ret_text)
{
	enum mqi_err err;

	if (q->dead != MQI_OK)
		return q->dead;
	if ((q->open.options & INPUT) == 0)
		return MQI_E_NOT_OPEN_FOR_INPUT;
	err = start_thread(q->conn);
	if (err == MQI_OK && !q->watching)
		err = mqnotify_start(q, ret_text);
	return err;
}

enum mqi_err
mqi_notify(mqi_queue *queue, mqi_notify_fn handler, void *arg)
{
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;
	mqi_conn *c;

	if (queue == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = handler != NULL ? mqconn_enter(c) : mqconn_enter_any(c);
	if (err != MQI_OK)
		return err;
	stop_handler(queue);
	if (handler != NULL) {
		err = prepare(queue, text);
		if (err == MQI_OK) {
			queue->handler = handler;
			queue->handler_arg = arg;
			queue->was_ready = false; /* it may be ready now */
			mqnotify_update(queue);
		}
	} else if (queue->watching && queue->event_fd < 0 && !c->broken) {
		err = watch(queue, false, text);
		queue->watching = false;
		queue->ready = false;
	}
	return mqconn_leave(c, err, text);
}

enum mqi_err
mqi_descriptor(mqi_queue *queue, int *ret_fd)
{
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;
	mqi_conn *c;
	int fd;

	if (queue == NULL || ret_fd == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = prepare(queue, text);
	if (err == MQI_OK && queue->event_fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0) {
			err = MQI_E_RESOURCE_PROBLEM;
		} else {
			queue->event_fd = fd;
			queue->event_set = false;
			mqnotify_update(queue);
		}
	}
	if (err == MQI_OK)
		*ret_fd = queue->event_fd;
	return mqconn_leave(c, err, text);
}

enum mqi_err
mqi_dispatch(mqi_conn *conn)
{
	enum mqi_err err;

	err = mqconn_enter_any(conn);
	if (err != MQI_OK)
		return err;
	if (!conn->broken) {
		mqahead_send_acks(conn);
		mqwire_flush(conn);
		mqwire_poll(conn);
		mqwire_flush(conn);
	}
	while (run_one(conn, true))
		;
	err = conn->broken ? MQI_E_CONNECTION_BROKEN : MQI_OK;
	return mqconn_leave(conn, err, NULL);
}

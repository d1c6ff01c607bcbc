/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconnect.c - a lost connection made again, with its handles.
 *
 * Neighbours: conn.c dials; handle.c, readahead.c and notify.c open, read
 * ahead and watch again.
 *
 * Invariants.  Only a settled connection is made again: every request has been
 * told.  While one thread reconnects, calls of others wait.  The generation
 * is raised, so units and messages of before are known as such.
 *
 * Failure: without a queue manager the connection stays lost, and the next
 * attempt starts over.  A handle that cannot be opened again keeps the reason,
 * which its calls return; the others work.
 */
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "libmq/conn.h"

#define FIRST_PAUSE_MS 10u
#define LAST_PAUSE_MS 200u

static bool
is_worth_retrying(enum mqi_err err)
{
	return err == MQI_E_Q_MGR_NOT_AVAILABLE ||
	       err == MQI_E_Q_MGR_STOPPING || err == MQI_E_Q_MGR_QUIESCING ||
	       err == MQI_E_HOST_NOT_AVAILABLE ||
	       /* the lost connection may still be counted */
	       err == MQI_E_MAX_CONNS_LIMIT_REACHED;
}

/* Dials until it succeeds or time is up.  Unlocked. */
static enum mqi_err
dial_again(mqi_conn *c, int64_t timeout_ms)
{
	uint64_t deadline = mqclock_mono_us() + (uint64_t)timeout_ms * 1000;
	uint64_t pause_ms = FIRST_PAUSE_MS, now;
	struct timespec ts;
	enum mqi_err err;

	for (;;) {
		now = mqclock_mono_us();
		err = mqconn_dial(
		    c, now < deadline ? (int64_t)((deadline - now) / 1000) + 1
				      : 1);
		now = mqclock_mono_us();
		if (!is_worth_retrying(err) ||
		    now + pause_ms * 1000 >= deadline)
			return err;
		ts.tv_sec = 0;
		ts.tv_nsec = (long)pause_ms * 1000000;
		(void)nanosleep(&ts, NULL);
		pause_ms =
		    pause_ms * 2 > LAST_PAUSE_MS ? LAST_PAUSE_MS : pause_ms * 2;
	}
}

/* The handle as it was.  Failure is kept in it. */
static enum mqi_err
restore(mqi_queue *q, char *ret_text)
{
	enum mqi_err err;

	q->dead = MQI_OK;
	err = mqqueue_open_again(q, ret_text);
	if (err == MQI_OK && q->ahead) {
		q->acked = 0;
		q->ahead_err = MQI_OK;
		err = mqahead_start(q, ret_text);
	}
	if (err == MQI_OK && q->watching)
		err = mqnotify_start(q, ret_text);
	q->dead = err;
	mqnotify_update(q);
	return err;
}

enum mqi_err
mqreconnect_locked(mqi_conn *c, int64_t timeout_ms, char *ret_text)
{
	enum mqi_err err, first = MQI_OK;
	char text[MQLIB_TEXT_LEN] = "";
	mqi_queue *q;

	while (c->broken && (!c->settled || c->reconnecting))
		(void)pthread_cond_wait(&c->idle, &c->lock);
	if (!c->broken)
		return MQI_OK;
	c->reconnecting = true;
	mqconn_hang_up(c);
	mqwire_reset(c);
	(void)pthread_mutex_unlock(&c->lock);
	err = dial_again(c, timeout_ms > 0 ? timeout_ms : c->timeout_ms);
	(void)pthread_mutex_lock(&c->lock);
	if (err != MQI_OK) {
		mqlib_take_text(ret_text);
		goto out;
	}
	c->broken = false;
	c->settled = false;
	c->generation++;
	LIST_FOREACH (q, &c->queues, link) {
		err = restore(q, text);
		if (err == MQI_OK)
			continue;
		if (c->broken)
			goto out;
		if (first == MQI_OK) {
			first = err;
			__builtin_memcpy(ret_text, text, sizeof(text));
		}
	}
	err = first;
out:
	c->reconnecting = false;
	mqwire_wake_all(c);
	return err;
}

enum mqi_err
mqi_reconnect(mqi_conn *conn, int64_t timeout_ms)
{
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;

	if (conn == NULL || timeout_ms < 0 || timeout_ms > MQLIB_MAX_TIMEOUT_MS)
		return MQI_E_INVAL;
	err = mqconn_enter_any(conn);
	if (err != MQI_OK)
		return err;
	err = mqreconnect_locked(conn, timeout_ms, text);
	return mqconn_leave(conn, err, text);
}

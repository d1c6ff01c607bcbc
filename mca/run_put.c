/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_put.c - how both roles of a channel put messages (run_put.h).
 *
 * Neighbours: run_receiver.c puts what has come, run_sender.c what cannot be
 * sent; target.c keeps the queues open.
 *
 * A body that is larger than BIG is given to the queue manager in parts, as
 * its socket takes them; meanwhile no other put begins (a report about that
 * message waits), and its result is kept back until the last part is out, since
 * the message's bytes are in use.
 *
 * Failure: a put's is the message's result; the connection's ends the channel.
 * Lines in the log about messages are bounded, so that a stream of them that
 * nobody wants does not fill the disk: what is left out is counted.
 */
#include "mca/run_put.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loglimit.h"

#define BIG 1048576u              /* bytes of a body */
#define LOCAL_HIGH_WATER 8388608u /* bytes waiting for the queue manager */
#define PART MQFRAME_PIECE

static mqi_conn *
conn_of(const struct run_put *p)
{
	return p->rc->run.conn;
}

bool
run_put_ready(const struct run_put *p)
{
	return p->big == NULL && mqagent_pending(conn_of(p)) < LOCAL_HIGH_WATER;
}

/* ---- puts ---- */

static void
put_done(void *arg, enum mqi_err result)
{
	struct receiver_msg *m = arg;
	struct run_put *p = m->putter;

	if (result != MQI_OK)
		p->stale = true;
	if (m != p->big) {
		p->done(m, result);
		return;
	}
	p->big_answered = true;
	p->big_result = result;
}

static enum mqi_err
begin_put(struct run_put *p, void *unit, struct receiver_msg *m)
{
	bool big = m->body_len > BIG;
	char user[MQDESC_USER_LEN + 1];
	mqi_queue *handle = NULL;
	enum mqi_err err = p->user_of(m, user);

	if (err != MQI_OK)
		return err;
	if (p->stale) {
		p->stale = false;
		targets_forget(&p->targets);
	}
	err = targets_get(&p->targets, conn_of(p), m->route.queue,
	    m->route.qmgr, user, m->dead, &handle);
	if (err != MQI_OK)
		return err;
	m->putter = p;
	if (big) {
		p->big = m;
		p->big_handle = handle;
		p->big_at = 0;
		p->big_answered = false;
	}
	err = mqagent_put(handle, unit, m->desc, m->desc_len, m->crc,
	    m->body_len, big ? NULL : m->body, put_done, m);
	if (err != MQI_OK)
		p->big = NULL;
	return err;
}

static void
put_behind(struct run_put *p)
{
	struct receiver_msg *m = p->behind_big;
	enum mqi_err err;

	p->behind_big = NULL;
	err = begin_put(p, p->behind_unit, m);
	if (err != MQI_OK)
		p->done(m, err);
}

enum mqi_err
run_put_feed(struct run_put *p, bool *ret_out)
{
	struct receiver_msg *m = p->big;

	*ret_out = false;
	if (m == NULL)
		return MQI_OK;
	while (p->big_at < m->body_len &&
	       mqagent_pending(conn_of(p)) < LOCAL_HIGH_WATER) {
		uint32_t left = m->body_len - p->big_at;
		uint32_t n = left < PART ? left : PART;
		enum mqi_err err =
		    mqagent_put_piece(p->big_handle, m->body + p->big_at, n);

		if (err != MQI_OK)
			return err;
		p->big_at += n;
	}
	if (p->big_at < m->body_len)
		return MQI_OK;
	p->big = NULL;
	if (p->big_answered)
		p->done(m, p->big_result);
	if (p->behind_big != NULL)
		put_behind(p);
	*ret_out = true;
	return MQI_OK;
}

enum mqi_err
run_put(struct run_put *p, void *unit, struct receiver_msg *m)
{
	if (p->big == NULL)
		return begin_put(p, unit, m);
	MQ_PRE(p->behind_big == NULL);
	p->behind_big = m;
	p->behind_unit = unit;
	return MQI_OK;
}

/* ---- units ---- */

enum mqi_err
run_put_begin(const struct run_put *p, void **ret_unit)
{
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(conn_of(p), &unit);

	if (err == MQI_OK)
		*ret_unit = unit;
	return err;
}

void
run_put_backout(void *unit)
{
	enum mqi_err err = mqi_backout_async(unit, NULL, NULL);

	if (err != MQI_OK)
		mqlog(MQLOG_WARN, "channel.backout", "%s", mqi_strerror(err));
}

/* ---- what cannot be delivered ---- */

static enum mqi_err
dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	const struct run_put *p = arg;
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list row;
	enum mqi_err err = run_display(&p->rc->run, MQCTL_QMGR, "", &row, text);

	if (err != MQI_OK)
		return err;
	(void)snprintf(
	    ret_name, MQI_NAME_LEN + 1, "%s", run_get(&row, "DEADQ"));
	mqctl_list_fini(&row);
	return MQI_OK;
}

static void
report(void *arg, const struct receiver_msg *m, enum mqi_err reason,
    const char *what)
{
	static struct mqloglimit limit;
	const struct run_put *p = arg;
	struct mqlog_line l;
	uint64_t left_out;

	if (!mqloglimit_allows(&limit, mqclock_mono_us(), &left_out))
		return;
	if (left_out > 0)
		mqlog(MQLOG_WARN, "channel.undelivered",
		    "channel %s: %" PRIu64 " more messages have no line here",
		    p->rc->name, left_out);
	mqlog_begin(&l, MQLOG_WARN, "channel.undelivered");
	mqlog_str(&l, "channel", p->rc->name);
	mqlog_str(&l, "what", what);
	mqlog_uint(&l, "number", m->number);
	mqlog_str(&l, "queue", m->route.queue);
	mqlog_str(&l, "qmgr", m->route.qmgr);
	mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", mqi_strerror(reason));
	mqlog_end(&l);
}

static uint64_t
wall_us(void *arg)
{
	(void)arg;
	return mqclock_wall_us();
}

const struct undelivered_io run_put_undelivered = {
    .dead_queue = dead_queue, .report = report, .wall_us = wall_us};

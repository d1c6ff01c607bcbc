/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_receiver.c - the role that takes messages: what the partner sends goes
 * through the receiving machine to the queue manager, at either end of the
 * link.
 *
 * Neighbours: run_channel.c has the process, receiver.c decides, target.c
 * keeps the queues open; run_dial.c and run_answer.c begin it.
 *
 * A body that is larger than BIG is given to the queue manager in parts, as
 * its socket takes them; meanwhile no other put begins (a report about that
 * message waits), and its result is kept back until the last part is out, since
 * the message's bytes are in use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mca/run_channel.h"
#include "mca/target.h"

#define BIG 1048576u              /* bytes of a body */
#define LOCAL_HIGH_WATER 8388608u /* bytes waiting for the queue manager */
#define PART MQFRAME_PIECE

static struct {
	struct run_channel *rc;
	struct receiver receiver;
	run_receiver_hello_fn hello;
	struct targets targets;
	struct mqagent_position position;
	uint64_t fence;
	/* the large body on its way */
	struct receiver_msg *big;
	mqi_queue *big_handle;
	uint32_t big_at;
	bool big_answered;
	enum mqi_err big_result;
	struct receiver_msg *behind_big; /* its report */
	void *behind_unit;
	bool stale;      /* a put failed: open the queues anew */
	bool by_context; /* PUTAUT(CTX) */
} me;

/* ---- requests of the machine ---- */

static enum mqi_err
io_hello(void *arg, const struct mqchan_hello *h, struct receiver_def *ret,
    char *text)
{
	(void)arg;
	return me.hello(h, ret, text);
}

static enum mqi_err
io_position_open(void *arg, const uint8_t partner[16], const uint8_t stream[16],
    struct receiver_position *ret)
{
	struct mqlocal_position pos;
	enum mqi_err err;
	char hex[33];

	(void)arg;
	channel_hex(partner, hex);
	(void)snprintf(
	    me.position.partner, sizeof(me.position.partner), "%s", hex);
	run_channel_identity(me.rc, me.position.identity);
	memcpy(me.position.stream, stream, 16);
	memset(me.position.incarnation, 0, 16); /* judged by the machine */
	err = mqagent_position_open(me.rc->run.conn, &me.position, &pos);
	if (err != MQI_OK)
		return err;
	me.fence = pos.fence;
	ret->position = pos.position;
	memcpy(ret->incarnation, pos.incarnation, 16);
	return MQI_OK;
}

static bool
io_ready(void *arg)
{
	(void)arg;
	return me.big == NULL &&
	       mqagent_pending(me.rc->run.conn) < LOCAL_HIGH_WATER;
}

static enum mqi_err
io_begin(void *arg, void **ret_unit)
{
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(me.rc->run.conn, &unit);

	(void)arg;
	if (err == MQI_OK)
		*ret_unit = unit;
	return err;
}

static void
put_done(void *arg, enum mqi_err result)
{
	struct receiver_msg *m = arg;

	if (result != MQI_OK)
		me.stale = true;
	if (m != me.big) {
		receiver_put_done(m, result);
		return;
	}
	me.big_answered = true;
	me.big_result = result;
}

/* With whose rights the message is put; "": the channel's.  What cannot be
 * delivered goes to the dead-letter queue with the channel's. */
static enum mqi_err
user_of(const struct receiver_msg *m, char ret[MQDESC_USER_LEN + 1])
{
	enum mqi_err err;

	ret[0] = '\0';
	if (!me.by_context || m->dead)
		return MQI_OK;
	err = mqdesc_user(m->desc, m->desc_len, ret);
	return err == MQI_OK && ret[0] == '\0' ? MQI_E_NOT_AUTHORIZED : err;
}

static enum mqi_err
begin_put(void *unit, struct receiver_msg *m)
{
	bool big = m->body_len > BIG;
	char user[MQDESC_USER_LEN + 1];
	mqi_queue *handle = NULL;
	enum mqi_err err = user_of(m, user);

	if (err != MQI_OK)
		return err;

	if (me.stale) {
		me.stale = false;
		targets_forget(&me.targets);
	}
	err = targets_get(&me.targets, me.rc->run.conn, m->route.queue,
	    m->route.qmgr, user, &handle);
	if (err != MQI_OK)
		return err;
	if (big) {
		me.big = m;
		me.big_handle = handle;
		me.big_at = 0;
		me.big_answered = false;
	}
	err = mqagent_put(handle, unit, m->desc, m->desc_len, m->crc,
	    m->body_len, big ? NULL : m->body, put_done, m);
	if (err != MQI_OK)
		me.big = NULL;
	return err;
}

static void
put_behind(void)
{
	struct receiver_msg *m = me.behind_big;
	enum mqi_err err;

	me.behind_big = NULL;
	err = begin_put(me.behind_unit, m);
	if (err != MQI_OK)
		receiver_put_done(m, err);
}

/* Gives parts of the large body while the socket takes them; true: it is out
 * now. */
static bool
feed_big(void)
{
	struct receiver_msg *m = me.big;

	while (me.big_at < m->body_len &&
	       mqagent_pending(me.rc->run.conn) < LOCAL_HIGH_WATER) {
		uint32_t left = m->body_len - me.big_at;
		uint32_t n = left < PART ? left : PART;
		enum mqi_err err =
		    mqagent_put_piece(me.big_handle, m->body + me.big_at, n);

		if (err != MQI_OK) {
			channel_cut(&me.receiver.c, err,
			    "a large message cannot be put: %s",
			    mqi_strerror(err));
			return false;
		}
		me.big_at += n;
	}
	if (me.big_at < m->body_len)
		return false;
	me.big = NULL;
	if (me.big_answered)
		receiver_put_done(m, me.big_result);
	if (me.behind_big != NULL)
		put_behind();
	return true;
}

static enum mqi_err
io_put(void *arg, void *unit, struct receiver_msg *m)
{
	(void)arg;
	if (me.big == NULL)
		return begin_put(unit, m);
	MQ_PRE(me.behind_big == NULL);
	me.behind_big = m;
	me.behind_unit = unit;
	return MQI_OK;
}

static enum mqi_err
io_position(void *arg, void *unit, uint64_t from, uint64_t to,
    const uint8_t incarnation[16])
{
	(void)arg;
	if (incarnation == NULL)
		return MQI_E_NOT_CURRENT;
	memcpy(me.position.incarnation, incarnation, 16);
	return mqagent_unit_position(unit, &me.position, me.fence, from, to);
}

static void
commit_done(void *arg, enum mqi_err result)
{
	receiver_commit_done(arg, result);
}

static enum mqi_err
io_commit(void *arg, void *unit, struct receiver_unit *u)
{
	(void)arg;
	return mqi_commit_async(unit, commit_done, u);
}

static void
io_backout(void *arg, void *unit)
{
	enum mqi_err err = mqi_backout_async(unit, NULL, NULL);

	(void)arg;
	if (err != MQI_OK)
		mqlog(MQLOG_WARN, "channel.backout", "%s", mqi_strerror(err));
}

static enum mqi_err
io_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list row;
	enum mqi_err err = run_display(&me.rc->run, MQCTL_QMGR, "", &row, text);

	(void)arg;
	if (err != MQI_OK)
		return err;
	(void)snprintf(
	    ret_name, MQI_NAME_LEN + 1, "%s", run_get(&row, "DEADQ"));
	mqctl_list_fini(&row);
	return MQI_OK;
}

static void
io_report(void *arg, const struct receiver_msg *m, enum mqi_err reason,
    const char *what)
{
	struct mqlog_line l;

	(void)arg;
	mqlog_begin(&l, MQLOG_WARN, "channel.undelivered");
	mqlog_str(&l, "channel", me.rc->name);
	mqlog_str(&l, "what", what);
	mqlog_uint(&l, "number", m->number);
	mqlog_str(&l, "queue", m->route.queue);
	mqlog_str(&l, "qmgr", m->route.qmgr);
	mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", mqi_strerror(reason));
	mqlog_end(&l);
}

static uint64_t
io_wall_us(void *arg)
{
	(void)arg;
	return mqclock_wall_us();
}

/* ---- in the loop ---- */

static void
input(const void *data, size_t len)
{
	receiver_input(&me.receiver, data, len);
}

static bool
turn(void)
{
	bool moved = me.big != NULL && feed_big();

	receiver_pump(&me.receiver);
	return moved;
}

static void
tick(uint64_t now_ms)
{
	receiver_tick(&me.receiver, now_ms);
}

static uint64_t
due(void)
{
	return receiver_due(&me.receiver);
}

static void
stop(void)
{
	receiver_stop(&me.receiver);
}

static enum channel_substate
substate(void)
{
	return receiver_substate(&me.receiver);
}

static void
status(struct mqctl_list *l)
{
	run_status_uint(l, "current_msgs", me.receiver.n_held);
}

static bool
wants_local(void)
{
	return true;
}

static bool
wants_input(void)
{
	/* a partner that does not take our answers is not asked for more */
	return receiver_wants_input(&me.receiver) &&
	       link_pending(me.rc->link) < LINK_HIGH_WATER &&
	       channel_state(&me.receiver.c) != CHANNEL_ENDED;
}

static const struct run_role role = {.input = input,
    .turn = turn,
    .tick = tick,
    .due = due,
    .stop = stop,
    .substate = substate,
    .status = status,
    .wants_local = wants_local,
    .wants_input = wants_input};

/* ---- the start ---- */

void
run_receiver_def(struct run_channel *rc, const struct mqctl_list *row,
    struct receiver_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	run_channel_def(&rc->run, row, rc->name, &ret->def);
	ret->def.options.held_bytes = RECEIVER_HELD_BYTES;
	ret->def.options.held_msgs = RECEIVER_HELD_MSGS;
	me.by_context = strcmp(run_get(row, "PUTAUT"), "CTX") == 0;
	ret->retries = (uint32_t)run_get_uint(row, "MRRTY");
	ret->retry_ms = (uint32_t)run_get_uint(row, "MRTMR");
	ret->use_dead_queue = strcmp(run_get(row, "USEDLQ"), "NO") != 0;
}

static const struct receiver_io io = {.hello = io_hello,
    .position_open = io_position_open,
    .ready = io_ready,
    .begin = io_begin,
    .put = io_put,
    .position = io_position,
    .commit = io_commit,
    .backout = io_backout,
    .dead_queue = io_dead_queue,
    .report = io_report,
    .wall_us = io_wall_us};

void
run_receiver_dialled(struct run_channel *rc, const struct receiver_def *def)
{
	me.rc = rc;
	receiver_init_dialled(&me.receiver, def, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.receiver.c);
}

void
run_receiver_accepted(struct run_channel *rc, run_receiver_hello_fn hello)
{
	me.rc = rc;
	me.hello = hello;
	receiver_init(&me.receiver, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.receiver.c);
}

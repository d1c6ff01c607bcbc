/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_sender.c - the role that has the messages: a transmission queue's stream
 * through the sending machine, at either end of the link.
 *
 * Neighbours: run_channel.c has the process, sender.c decides; run_dial.c and
 * run_answer.c begin it.
 *
 * Happy path: the stream is open, then the machine runs: messages from
 * mqagent_stream events, frames to the link, its requests to mqagent_stream_*.
 *
 * The machine is told of nothing but what has happened; a stream that is gone
 * ends the channel in the next turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mca/run_channel.h"
#include "mca/window.h"

/* More than a window and the longest message: the partner asks for answers and
 * does not read them. */
#define STALLED_BYTES 268435456u

static struct {
	struct run_channel *rc;
	struct sender sender;
	struct sender_stream stream;
	struct window window;
	mqagent_stream *handle;
	run_sender_hello_fn hello;
	char xmitq[MQI_NAME_LEN + 1];
	enum mqi_err stream_gone;
} me;

/* ---- requests of the machine ---- */

static enum mqi_err
io_hello(
    void *arg, const struct mqchan_hello *h, struct sender_def *ret, char *text)
{
	(void)arg;
	return me.hello(h, ret, me.xmitq, text);
}

static enum mqi_err
io_open(void *arg, struct sender_stream *ret, char *text)
{
	char xmitq[MQI_NAME_LEN + 1];
	enum mqi_err err;

	(void)arg;
	memcpy(xmitq, me.xmitq, sizeof(xmitq));
	err = run_sender_open(me.rc, xmitq, text);
	if (err == MQI_OK)
		*ret = me.stream;
	return err;
}

static enum mqi_err
io_bind(void *arg, const uint8_t qmid[16], const char *identity)
{
	(void)arg;
	return mqagent_stream_bind(me.handle, qmid, identity);
}

static enum mqi_err
io_credit(void *arg, uint64_t after)
{
	const struct channel_options *theirs = &me.sender.c.theirs;

	(void)arg;
	window_init(&me.window, theirs->held_bytes, theirs->held_msgs);
	return mqagent_stream_credit(
	    me.handle, window_msgs(&me.window), me.window.bytes, after);
}

static enum mqi_err
io_ack(void *arg, uint64_t number)
{
	enum mqi_err err = mqagent_stream_ack(me.handle, number);

	(void)arg;
	if (err == MQI_OK &&
	    window_acked(&me.window, number, mqclock_mono_us()))
		err = mqagent_stream_credit(me.handle, window_msgs(&me.window),
		    me.window.bytes, number);
	return err;
}

/* ---- events of the stream ---- */

static void
on_message(void *arg, const struct mqagent_stream_msg *m)
{
	const struct sender_msg v = {.number = m->number,
	    .previous = m->previous,
	    .desc = m->desc,
	    .desc_len = m->desc_len,
	    .body_crc = m->body_crc,
	    .body_len = m->body_len};

	(void)arg;
	window_sent(&me.window, m->number, m->body_len,
	    window_wants_mark(&me.window) ? mqclock_mono_us() : 0);
	sender_message(&me.sender, &v);
}

static void
on_piece(void *arg, const void *data, uint32_t len)
{
	(void)arg;
	sender_piece(&me.sender, data, len);
}

static void
on_stream_ended(void *arg, enum mqi_err reason)
{
	(void)arg;
	me.stream_gone = reason; /* the turn deals with it */
}

/* ---- in the loop ---- */

static void
input(const void *data, size_t len)
{
	sender_input(&me.sender, data, len);
}

static bool
turn(void)
{
	if (me.stream_gone != MQI_OK)
		channel_fail(&me.sender.c, me.stream_gone, me.sender.sent,
		    me.sender.acked, "the transmission queue %s is gone: %s",
		    me.xmitq, mqi_strerror(me.stream_gone));
	me.rc->call_back = me.sender.called_back;
	return false;
}

static void
tick(uint64_t now_ms)
{
	sender_tick(&me.sender, now_ms);
}

static uint64_t
due(void)
{
	return sender_due(&me.sender);
}

static void
stop(void)
{
	sender_stop(&me.sender);
}

static enum channel_substate
substate(void)
{
	return sender_substate(&me.sender);
}

static bool
wants_local(void)
{
	return link_pending(me.rc->link) < LINK_HIGH_WATER;
}

static bool
wants_input(void)
{
	return link_pending(me.rc->link) < STALLED_BYTES;
}

static const struct run_role role = {.input = input,
    .turn = turn,
    .tick = tick,
    .due = due,
    .stop = stop,
    .substate = substate,
    .wants_local = wants_local,
    .wants_input = wants_input};

/* ---- the start ---- */

void
run_sender_def(struct run_channel *rc, const struct mqctl_list *row,
    struct sender_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	run_channel_def(&rc->run, row, rc->name, &ret->def);
	ret->disc_ms = run_get_uint(row, "DISCINT") * 1000;
}

static void
copy_stream(const struct mqlocal_stream_ok *ok)
{
	_Static_assert(
	    MQLOCAL_MAX_INCARNATIONS == MQCHAN_MAX_INCARNATIONS, "history");
	memcpy(me.stream.history.stream, ok->stream, 16);
	me.stream.history.n_incarnations = ok->n_incarnations;
	for (uint32_t i = 0; i < ok->n_incarnations; i++) {
		memcpy(me.stream.history.incarnations[i].id,
		    ok->incarnations[i].id, 16);
		me.stream.history.incarnations[i].first =
		    ok->incarnations[i].first;
	}
	me.stream.acked = ok->acked;
	me.stream.handed = ok->handed;
	memcpy(me.stream.bound_qmid, ok->bound_qmid, 16);
	(void)snprintf(me.stream.bound_identity,
	    sizeof(me.stream.bound_identity), "%s", ok->bound_identity);
}

enum mqi_err
run_sender_open(struct run_channel *rc, const char *xmitq, char *text)
{
	static const struct mqagent_stream_events events = {
	    .message = on_message, .piece = on_piece, .ended = on_stream_ended};
	struct mqlocal_stream_ok *ok = calloc(1, sizeof(*ok));
	enum mqi_err err = MQI_E_NO_MEMORY;

	me.rc = rc;
	(void)snprintf(me.xmitq, sizeof(me.xmitq), "%s", xmitq);
	if (ok != NULL)
		err = mqagent_stream_open(
		    rc->run.conn, xmitq, &events, ok, &me.handle);
	if (err == MQI_OK)
		copy_stream(ok);
	else
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the transmission queue %s cannot be opened: %s", xmitq,
		    mqi_strerror(err));
	free(ok);
	return err;
}

static const struct sender_io io = {.hello = io_hello,
    .open = io_open,
    .bind = io_bind,
    .credit = io_credit,
    .ack = io_ack};

void
run_sender_dialled(const struct sender_def *def)
{
	sender_init(&me.sender, def, &me.stream, &io, run_now_ms());
	run_channel_begin(me.rc, &role, &me.sender.c);
}

void
run_sender_accepted(struct run_channel *rc, run_sender_hello_fn hello)
{
	me.rc = rc;
	me.hello = hello;
	sender_init_accepted(&me.sender, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.sender.c);
}

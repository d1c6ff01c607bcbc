/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_sender.c - the role that has the messages: a transmission queue's stream
 * through the sending machine, at either end of the link.
 *
 * Neighbours: run_channel.c has the process, sender.c decides, run_put.c puts
 * what cannot be sent; run_dial.c and run_answer.c begin it.
 *
 * Happy path: the stream is open, then the machine runs: messages from
 * mqagent_stream events, frames to the link, its requests to mqagent_stream_*.
 *
 * The machine is told of nothing but what has happened; a stream that is gone
 * ends the channel in the next turn.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mca/run_put.h"
#include "mca/window.h"

/* More than messages alone lead to, which stop at LINK_HIGH_WATER: the partner
 * asks for answers and does not read them. */
#define STALLED_BYTES (4 * LINK_HIGH_WATER)

static struct {
	struct run_channel *rc;
	struct sender sender;
	struct sender_stream stream;
	struct window window;
	struct run_put put;
	mqagent_stream *handle;
	run_sender_hello_fn hello;
	char xmitq[MQI_NAME_LEN + 1];
	enum mqi_err stream_gone;
	bool answered; /* `mca ask`: the partner's position is here */
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
	if (me.rc->run.args->ask)
		return MQI_E_CHANNEL_INDOUBT; /* only its partner is asked */
	return mqagent_stream_bind(me.handle, qmid, identity);
}

static enum mqi_err
io_credit(void *arg, uint64_t after, uint32_t max_msg_len)
{
	const struct channel_options *theirs = &me.sender.c.theirs;
	enum mqi_err err;

	(void)arg;
	if (me.rc->run.args->ask) {
		me.answered = true;
		return MQI_OK;
	}
	err = mqagent_stream_limit(me.handle, max_msg_len);
	if (err != MQI_OK)
		return err;
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

/* ---- what is too long for the channel ---- */

static bool
io_ready(void *arg)
{
	(void)arg;
	return run_put_ready(&me.put);
}

static enum mqi_err
io_begin(void *arg, void **ret_unit)
{
	(void)arg;
	return run_put_begin(&me.put, ret_unit);
}

static enum mqi_err
io_put(void *arg, void *unit, struct receiver_msg *m)
{
	(void)arg;
	return run_put(&me.put, unit, m);
}

static enum mqi_err
io_remove(void *arg, void *unit, uint64_t number)
{
	(void)arg;
	return mqagent_unit_remove(unit, me.handle, number);
}

static void
commit_done(void *arg, enum mqi_err result)
{
	(void)arg;
	sender_commit_done(&me.sender, result);
}

static enum mqi_err
io_commit(void *arg, void *unit)
{
	(void)arg;
	return mqi_commit_async(unit, commit_done, NULL);
}

static void
io_backout(void *arg, void *unit)
{
	(void)arg;
	run_put_backout(unit);
}

static void
put_done(struct receiver_msg *m, enum mqi_err result)
{
	sender_put_done(&me.sender, m, result);
}

/* Whether it may be a name of the queue manager's owner, as whose agent we may
 * act.  Databases of users may be out of reach in here. */
static bool
may_be_owners(const char *user)
{
	const char *own = me.rc->own_user;
	const struct passwd *pw;

	/* "uid:N" stands for one without a name */
	if (own[0] == '\0' || strncmp(user, own, MQDESC_USER_LEN) == 0 ||
	    strcmp(user, "root") == 0 || strncmp(user, "uid:", 4) == 0)
		return true;
	pw = getpwnam(user);
	return pw != NULL && (pw->pw_uid == 0 || pw->pw_uid == geteuid());
}

/* A report goes where the message's user may put: the queue manager that took
 * the message has judged who that is.  What comes from elsewhere only says so,
 * and does not say that it is the owner. */
static enum mqi_err
user_of(const struct receiver_msg *m, char ret[MQDESC_USER_LEN + 1])
{
	const struct receiver_msg *about = me.sender.aside;
	enum mqi_err err;

	ret[0] = '\0';
	if (m->dead)
		return MQI_OK;
	err = mqdesc_user(about->desc, about->desc_len, ret);
	if (err != MQI_OK)
		return err;
	return ret[0] == '\0' || (about->route.hops > 1 && may_be_owners(ret))
		   ? MQI_E_NOT_AUTHORIZED
		   : MQI_OK;
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
	if (m->body_len <= me.sender.c.def.max_msg_len) /* it is sent */
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

/* The queue manager has the partner's word, and nothing was sent. */
static void
end_asking(void)
{
	char text[CHANNEL_TEXT_LEN];

	me.answered = false;
	(void)snprintf(text, sizeof(text),
	    "the partner %s has taken messages up to number %llu",
	    me.sender.c.partner.qmgr, (unsigned long long)me.sender.sent);
	channel_close(&me.sender.c, MQI_OK, text);
}

static bool
turn(void)
{
	enum mqi_err err;
	bool moved;

	if (me.answered)
		end_asking();
	if (me.stream_gone != MQI_OK)
		channel_fail(&me.sender.c, me.stream_gone, me.sender.sent,
		    me.sender.acked, "the transmission queue %s is gone: %s",
		    me.xmitq, mqi_strerror(me.stream_gone));
	err = run_put_feed(&me.put, &moved);
	if (err != MQI_OK)
		channel_cut(&me.sender.c, err,
		    "a large message cannot be put: %s", mqi_strerror(err));
	sender_pump(&me.sender);
	me.rc->call_back = me.sender.called_back;
	return moved;
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
	ret->use_dead_queue = strcmp(run_get(row, "USEDLQ"), "NO") != 0;
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
	me.stream.bound_acked = ok->bound_acked;
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

void
run_sender_close(void)
{
	me.handle = mqagent_stream_close(me.handle);
}

static const struct sender_io io = {.hello = io_hello,
    .open = io_open,
    .bind = io_bind,
    .credit = io_credit,
    .ack = io_ack,
    .ready = io_ready,
    .begin = io_begin,
    .put = io_put,
    .remove = io_remove,
    .commit = io_commit,
    .backout = io_backout,
    .undelivered = &run_put_undelivered,
    .arg = &me.put};

static void
begin_puts(void)
{
	me.put.rc = me.rc;
	me.put.user_of = user_of;
	me.put.done = put_done;
}

void
run_sender_dialled(const struct sender_def *def)
{
	begin_puts();
	sender_init(&me.sender, def, &me.stream, &io, run_now_ms());
	run_channel_begin(me.rc, &role, &me.sender.c);
}

void
run_sender_accepted(struct run_channel *rc, run_sender_hello_fn hello)
{
	me.rc = rc;
	me.hello = hello;
	begin_puts();
	sender_init_accepted(&me.sender, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.sender.c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_receiver.c - the role that takes messages: what the partner sends goes
 * through the receiving machine to the queue manager, at either end of the
 * link.
 *
 * Neighbours: run_channel.c has the process, receiver.c decides, run_put.c
 * puts; run_dial.c and run_answer.c begin it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mca/run_put.h"

static struct {
	struct run_channel *rc;
	struct receiver receiver;
	run_receiver_hello_fn hello;
	struct run_put put;
	struct mqagent_position position;
	uint64_t fence;
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
	return run_put_ready(&me.put);
}

static enum mqi_err
io_begin(void *arg, void **ret_unit)
{
	(void)arg;
	return run_put_begin(&me.put, ret_unit);
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
io_put(void *arg, void *unit, struct receiver_msg *m)
{
	(void)arg;
	return run_put(&me.put, unit, m);
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
	(void)arg;
	run_put_backout(unit);
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
	bool moved;
	enum mqi_err err = run_put_feed(&me.put, &moved);

	if (err != MQI_OK)
		channel_cut(&me.receiver.c, err,
		    "a large message cannot be put: %s", mqi_strerror(err));
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
    .undelivered = &run_put_undelivered,
    .arg = &me.put};

static void
begin(struct run_channel *rc)
{
	me.rc = rc;
	me.put.rc = rc;
	me.put.user_of = user_of;
	me.put.done = receiver_put_done;
}

void
run_receiver_dialled(struct run_channel *rc, const struct receiver_def *def)
{
	begin(rc);
	receiver_init_dialled(&me.receiver, def, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.receiver.c);
}

void
run_receiver_accepted(struct run_channel *rc, run_receiver_hello_fn hello)
{
	begin(rc);
	me.hello = hello;
	receiver_init(&me.receiver, &io, run_now_ms());
	run_channel_begin(rc, &role, &me.receiver.c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_ping.c - the role of `mca ping`: the whole way to the partner's channel,
 * its greeting and its word that the channel may be used, and no message.
 *
 * Neighbours: run_dial.c dials and checks the partner's certificate;
 * run_channel.c has the process.
 *
 * Happy path: HELLO and OPTIONS, which say what is wanted, then CLOSE, and the
 * partner's CLOSE.  The partner has judged the channel, the certificate and
 * CHLAUTH as for messages; its stream and position are not touched.
 */
#include <stdio.h>

#include "base/clock.h"
#include "mca/run_channel.h"

static struct {
	struct channel c;
	bool asked;
	uint64_t asked_us;
} me;

static void
on_greeted(void)
{
	if ((me.c.partner.features & MQCHAN_FEATURE_OPTIONS) == 0) {
		channel_fail(&me.c, MQI_E_VERSION, 0, 0,
		    "the partner %s answers, but its version cannot be pinged",
		    me.c.partner.qmgr);
		return;
	}
	mqchan_encode_close(&me.c.out, &(struct mqchan_close){.reason = 0});
	me.asked = true;
	me.asked_us = mqclock_mono_us();
}

static void
on_frame(void *arg, const struct mqframe *f)
{
	(void)arg;
	if (f->type == MQCHAN_CLOSE && me.asked)
		channel_cut(&me.c, MQI_OK,
		    "the partner %s answered within %llu us", me.c.partner.qmgr,
		    (unsigned long long)(mqclock_mono_us() - me.asked_us));
	else if (me.asked ||
		 (f->type != MQCHAN_HELLO && f->type != MQCHAN_OPTIONS))
		channel_unexpected(&me.c, f);
	else if (channel_greet(&me.c, f, NULL, NULL))
		on_greeted();
}

static void
input(const void *data, size_t len)
{
	channel_input(&me.c, data, len, on_frame, NULL);
}

static bool
turn(void)
{
	return false;
}

static void
tick(uint64_t now_ms)
{
	channel_tick(&me.c, now_ms, true);
}

static uint64_t
due(void)
{
	return channel_due(&me.c, true);
}

static void
stop(void)
{
	channel_cut(&me.c, MQI_E_CHANNEL_NOT_AVAILABLE, "stopped");
}

static enum channel_substate
substate(void)
{
	return CHANNEL_AT_NOTHING; /* it has no status */
}

static bool
wants(void)
{
	return true;
}

static const struct run_role role = {.input = input,
    .turn = turn,
    .tick = tick,
    .due = due,
    .stop = stop,
    .substate = substate,
    .wants_local = wants,
    .wants_input = wants};

void
run_ping_dialled(
    struct run_channel *rc, const struct channel_def *def, enum mqchan_role as)
{
	channel_init(&me.c, as, CHANNEL_DIALLED, run_now_ms());
	me.c.def = *def;
	me.c.def.options.purpose = MQCHAN_PURPOSE_PING;
	channel_send_hello(&me.c);
	run_channel_begin(rc, &role, &me.c);
}

void
run_ping_say(const struct run_channel *rc)
{
	(void)printf("%u\t%s\n", (unsigned)rc->reason, rc->ended);
	(void)fflush(stdout);
}

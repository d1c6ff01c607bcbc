/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents_channel.c - channels: when a sender's process starts, and how one is
 * stopped.
 *
 * Neighbours: agents.c has the table; the engine has the definitions, read
 * anew for each decision; stream_work of the engine ends up in channel_work().
 * Invariants: a channel that a person stopped starts only by a person's word,
 * whatever restarts lie between (its STOPREQ, which commands write).
 * Happy path: a message on a transmission queue starts the SDR channel that
 * names it; it ends by itself when idle, and the next message starts it again.
 * Failure: retries as in channel_state.c; work that came while the process was
 * ending is not forgotten.
 */
#include <stdio.h>
#include <string.h>

#include "qmgr/agents_int.h"
#include "qmgr/qmgr_impl.h"

/* Between the clean end of a sender and its next start for work that came
 * while it was ending: it must not spin. */
#define CHANNEL_AGAIN_MS 200u

static bool
channel_is(const struct engine_object *o, const char *type)
{
	return o != NULL && mqattr_is(o->attrs, MQATTR_ID_CHLTYPE, type);
}

static const struct engine_object *
channel_object(const struct agents *a, const char *name)
{
	return engine_object_find(a->qm->engine, MQATTR_CHANNEL, name);
}

static uint64_t
limit_of(const struct engine_object *o, enum mqattr id)
{
	int64_t v = mqattr_int(o->attrs, id);

	return v > 0 ? (uint64_t)v : 0;
}

struct chan_retry
channel_limits(const struct agents *a, const char *name)
{
	const struct engine_object *o = channel_object(a, name);

	if (!channel_is(o, "SDR"))
		return (struct chan_retry){.short_count = 0};
	return (struct chan_retry){
	    .short_count = limit_of(o, MQATTR_ID_SHORTRTY),
	    .short_s = limit_of(o, MQATTR_ID_SHORTTMR),
	    .long_count = limit_of(o, MQATTR_ID_LONGRTY),
	    .long_s = limit_of(o, MQATTR_ID_LONGTMR),
	};
}

bool
channel_is_stopped(const struct agents *a, const char *name)
{
	const struct engine_object *o = channel_object(a, name);

	return o != NULL && mqattr_is(o->attrs, MQATTR_ID_STOPREQ, "YES");
}

bool
channel_is_for_applications(const struct agents *a, const char *name)
{
	return channel_is(channel_object(a, name), "SVRCONN");
}

void
channels_begin(struct agents *a)
{
	const struct engine_object *o = NULL;

	while (
	    (o = engine_object_next(a->qm->engine, MQATTR_CHANNEL, o)) != NULL)
		if (channel_is_stopped(a, o->name))
			(void)agent_get(a, false, o->name);
}

static void
channel_spawn(struct agent *g)
{
	agent_spawn(g, "sender", "--channel");
}

static void
channel_begin(struct agent *g)
{
	struct chan_retry limits = channel_limits(g->owner, g->info.name);

	chan_start(&g->machine, &limits);
	channel_spawn(g);
}

enum mqi_err
agents_start_channel(struct agents *a, const char *name)
{
	const struct engine_object *o = channel_object(a, name);
	struct agent *g;

	if (o == NULL)
		return MQI_E_UNKNOWN_CHANNEL;
	if (a->stopping)
		return MQI_E_Q_MGR_STOPPING;
	g = agent_get(a, false, name);
	if (!chan_may_start(&g->machine) || agent_is_alive(g))
		return MQI_E_STATE;
	if (channel_is(o, "SDR")) {
		channel_begin(g);
		return MQI_OK;
	}
	/* a receiver is started by its partner; it is allowed to, now */
	if (chan_state(&g->machine) == CHAN_STOPPED)
		chan_stop(&g->machine, false, true);
	return MQI_OK;
}

enum mqi_err
agents_stop_channel(struct agents *a, const char *name,
    enum agents_stop_mode mode, bool inactive)
{
	struct agent *g;
	bool alive;

	if (channel_object(a, name) == NULL &&
	    agent_find(a, false, name) == NULL)
		return MQI_E_UNKNOWN_CHANNEL;
	g = agent_get(a, false, name);
	alive = agent_is_alive(g);
	if (inactive && !alive && chan_state(&g->machine) == CHAN_INACTIVE)
		return MQI_E_STATE;
	uv_timer_stop(&g->retry);
	g->work = false;
	chan_stop(&g->machine, alive, inactive);
	agent_end(g, mode);
	return MQI_OK;
}

bool
agents_channel_in_use(const struct agents *a, const char *name)
{
	const struct agent *g = agent_find(a, false, name);

	return g != NULL &&
	       (agent_is_alive(g) || chan_state(&g->machine) == CHAN_RETRYING);
}

void
channel_ended(void *arg, int64_t status, int sig)
{
	struct agent *g = arg;
	enum chan_end how = CHAN_END_FAILED;

	turn_begin(g->owner->qm);
	if (sig != 0)
		how = CHAN_END_CRASHED;
	else if (status == 0)
		how = CHAN_END_CLEAN;
	agent_ended(g, how, status, sig);
	if (chan_state(&g->machine) == CHAN_INACTIVE && g->work &&
	    !g->owner->stopping)
		uv_timer_start(&g->retry, channel_retry, CHANNEL_AGAIN_MS, 0);
}

void
channel_retry(uv_timer_t *t)
{
	struct agent *g = t->data;

	turn_begin(g->owner->qm);
	if (g->owner->stopping)
		return;
	if (!channel_is(channel_object(g->owner, g->info.name), "SDR")) {
		/* it was deleted meanwhile */
		if (chan_state(&g->machine) == CHAN_RETRYING)
			chan_stop(&g->machine, false, true);
	} else if (chan_state(&g->machine) == CHAN_RETRYING) {
		chan_retry_now(&g->machine);
		channel_spawn(g);
	} else if (chan_state(&g->machine) == CHAN_INACTIVE && g->work) {
		channel_begin(g);
	}
}

bool
channel_work(struct agents *a, const char *queue)
{
	const struct engine_object *o = NULL;
	bool any = false;

	while ((o = engine_object_next(a->qm->engine, MQATTR_CHANNEL, o)) !=
	       NULL) {
		struct agent *g;

		if (!channel_is(o, "SDR") ||
		    strcmp(mqattr_text(o->attrs, MQATTR_ID_XMITQ), queue) != 0)
			continue;
		any = true;
		g = agent_get(a, false, o->name);
		if (chan_state(&g->machine) == CHAN_STOPPED)
			continue; /* another channel may serve the queue */
		if (chan_state(&g->machine) == CHAN_INACTIVE &&
		    !agent_is_alive(g))
			channel_begin(g);
		else
			g->work = true;
		break;
	}
	return any;
}

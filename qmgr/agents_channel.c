/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents_channel.c - channels: when the process of one that dials starts, and
 * how one is stopped.
 *
 * Neighbours: agents.c has the table; the engine has the definitions, read
 * anew for each decision; stream_work of the engine ends up in channel_work().
 * Invariants: a channel that a person stopped starts only by a person's word,
 * whatever restarts lie between (its STOPREQ, which commands write).
 * Happy path: a message on a transmission queue starts the SDR, or SVR with a
 * CONNAME, that names it; it ends by itself when idle, and the next message
 * starts it again.  A requester (RQSTR) is started by a person, and by a person
 * only; its partner sends on its connection or calls back.
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
/* The exit status of a requester whose partner dials (mca/run.h). */
#define STATUS_CALLED_BACK 3

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

/* It connects to its partner: SDR, RQSTR, and SVR if it knows where. */
static bool
channel_dials(const struct engine_object *o)
{
	return channel_is(o, "SDR") || channel_is(o, "RQSTR") ||
	       (channel_is(o, "SVR") &&
		   mqattr_text(o->attrs, MQATTR_ID_CONNAME)[0] != '\0');
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

	if (o == NULL || !channel_dials(o))
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
	agent_spawn(g, "dial");
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
	if (channel_dials(o)) {
		channel_begin(g);
		return MQI_OK;
	}
	/* the others are started by their partners; they are allowed to, now */
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

/* conname: "host" or "host(port)", as shown; "" is any. */
static bool
is_instance(const struct agents_info *i, const char *conname, const char *qmgr)
{
	size_t len = strlen(conname);

	if (qmgr[0] != '\0' && strcmp(qmgr, i->partner_qmgr) != 0)
		return false;
	return strncmp(conname, i->conname, len) == 0 &&
	       (len == 0 || i->conname[len] == '\0' || i->conname[len] == '(');
}

enum mqi_err
agents_stop_instances(struct agents *a, const char *name, const char *conname,
    const char *qmgr, enum agents_stop_mode mode)
{
	struct agent *g = agent_find(a, false, name);
	struct guest *guest, *next;
	bool any = false;

	if (g == NULL)
		return channel_object(a, name) == NULL ? MQI_E_UNKNOWN_CHANNEL
						       : MQI_E_STATE;
	if (g->process.alive && is_instance(&g->info, conname, qmgr)) {
		any = true;
		uv_timer_stop(&g->retry);
		g->work = false;
		/* one that a person is stopping already stays stopped */
		chan_stop(&g->machine, true, !channel_is_stopped(a, name));
		agent_end_process(g, mode);
	}
	for (guest = TAILQ_FIRST(&g->guests); guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, link);
		if (!is_instance(&guest->info, conname, qmgr))
			continue;
		any = true;
		guest_end(guest, mode);
	}
	return any ? MQI_OK : MQI_E_STATE;
}

bool
agents_channel_in_use(const struct agents *a, const char *name)
{
	const struct agent *g = agent_find(a, false, name);

	return g != NULL &&
	       (agent_is_alive(g) || chan_state(&g->machine) == CHAN_RETRYING ||
		   chan_state(&g->machine) == CHAN_REQUESTING);
}

/* Work that came while it was ending: a little later, so that it cannot spin.
 */
void
channel_again(struct agent *g)
{
	if (g->work && !g->owner->stopping && !agent_is_alive(g) &&
	    (chan_state(&g->machine) == CHAN_INACTIVE ||
		chan_state(&g->machine) == CHAN_RETRYING))
		uv_timer_start(&g->retry, channel_retry, CHANNEL_AGAIN_MS, 0);
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
	else if (status == STATUS_CALLED_BACK)
		how = CHAN_END_CALLED_BACK;
	agent_ended(g, how, status, sig);
	if (chan_state(&g->machine) == CHAN_INACTIVE)
		channel_again(g);
}

/* A requester has waited long enough to be called back. */
static void
channel_not_called(struct agent *g)
{
	struct chan_retry limits = channel_limits(g->owner, g->info.name);
	uint64_t delay_ms = chan_ended(&g->machine, CHAN_END_FAILED, &limits);

	(void)snprintf(g->info.error, sizeof(g->info.error),
	    "the partner did not call back within %u s",
	    CHAN_CALL_WAIT_MS / 1000);
	agent_wait(g, delay_ms);
}

void
channel_retry(uv_timer_t *t)
{
	struct agent *g = t->data;
	const struct engine_object *o;

	turn_begin(g->owner->qm);
	if (g->owner->stopping)
		return;
	o = channel_object(g->owner, g->info.name);
	if (o == NULL || !channel_dials(o)) {
		/* it was deleted or altered meanwhile */
		if (chan_state(&g->machine) == CHAN_RETRYING ||
		    chan_state(&g->machine) == CHAN_REQUESTING)
			chan_stop(&g->machine, false, true);
	} else if (chan_state(&g->machine) == CHAN_REQUESTING) {
		channel_not_called(g);
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

		if (!(channel_is(o, "SDR") || channel_is(o, "SVR")) ||
		    !channel_dials(o) ||
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents_listener.c - listeners: started with the queue manager or by a
 * command, and started again when they die.
 *
 * Neighbours: agents.c has the table; the engine has the definitions.
 * Invariants: a listener that a person stopped starts only by a person's word
 * or with the queue manager; one that should run and does not is always about
 * to be started.
 * Happy path: CONTROL(QMGR) starts it, the queue manager's end stops it.
 * Failure: a listener has no clean end of its own: whenever it ends it is
 * started again, five times after a second, then every 30 seconds.
 */
#include <stdio.h>
#include <string.h>

#include "qmgr/agents_int.h"
#include "qmgr/qmgr_impl.h"

struct chan_retry
listener_limits(void)
{
	return (struct chan_retry){
	    .short_count = 5,
	    .short_s = 1,
	    .long_count = UINT64_MAX,
	    .long_s = 30,
	};
}

static const struct engine_object *
listener_object(const struct agents *a, const char *name)
{
	return engine_object_find(a->qm->engine, MQATTR_LISTENER, name);
}

static void
listener_spawn(struct agent *g)
{
	g->info.port = 0;
	agent_spawn(g, "listener");
}

enum mqi_err
agents_start_listener(struct agents *a, const char *name)
{
	struct chan_retry limits = listener_limits();
	struct agent *g;

	if (listener_object(a, name) == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (a->stopping)
		return MQI_E_Q_MGR_STOPPING;
	g = agent_get(a, true, name);
	if (!chan_may_start(&g->machine))
		return MQI_E_STATE;
	chan_start(&g->machine, &limits);
	listener_spawn(g);
	return MQI_OK;
}

enum mqi_err
agents_stop_listener(struct agents *a, const char *name)
{
	struct agent *g = agent_find(a, true, name);

	if (g == NULL)
		return listener_object(a, name) == NULL ? MQI_E_UNKNOWN_OBJECT
							: MQI_E_STATE;
	if (!g->process.alive && chan_state(&g->machine) != CHAN_RETRYING)
		return MQI_E_STATE;
	uv_timer_stop(&g->retry);
	chan_stop(&g->machine, g->process.alive, false);
	agent_end(g, AGENTS_QUIESCE);
	return MQI_OK;
}

bool
agents_listener_in_use(const struct agents *a, const char *name)
{
	const struct agent *g = agent_find(a, true, name);

	return g != NULL &&
	       (g->process.alive || chan_state(&g->machine) == CHAN_RETRYING);
}

void
listener_ended(void *arg, int64_t status, int sig)
{
	struct agent *g = arg;
	bool stopping = chan_state(&g->machine) == CHAN_STOPPING;

	turn_begin(g->owner->qm);
	agent_ended(
	    g, stopping ? CHAN_END_CLEAN : CHAN_END_FAILED, status, sig);
}

void
listener_retry(uv_timer_t *t)
{
	struct agent *g = t->data;

	turn_begin(g->owner->qm);
	if (g->owner->stopping || chan_state(&g->machine) != CHAN_RETRYING)
		return;
	if (listener_object(g->owner, g->info.name) == NULL) {
		chan_stop(&g->machine, false, true);
		return;
	}
	chan_retry_now(&g->machine);
	listener_spawn(g);
}

/* What was left on transmission queues wants to leave: the engine says only
 * what comes new. */
static void
begin_channels(struct agents *a)
{
	const struct engine_object *o = NULL;
	struct engine_queue_status st;

	while (
	    (o = engine_object_next(a->qm->engine, MQATTR_QLOCAL, o)) != NULL) {
		if (mqattr_is(o->attrs, MQATTR_ID_USAGE, "XMITQ") &&
		    engine_queue_status(a->qm->engine, o->name, &st) ==
			MQI_OK &&
		    st.depth > 0)
			agents_work(a, o->name);
	}
}

void
agents_begin(struct agents *a)
{
	const struct engine_object *o = NULL;

	channels_begin(a);
	while ((o = engine_object_next(a->qm->engine, MQATTR_LISTENER, o)) !=
	       NULL) {
		if (mqattr_is(o->attrs, MQATTR_ID_CONTROL, "MANUAL"))
			continue;
		/* none runs yet, so it cannot fail */
		MQ_INVARIANT(agents_start_listener(a, o->name) == MQI_OK);
	}
	begin_channels(a);
}

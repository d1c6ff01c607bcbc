/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents.c - the agents by name, and what they have in common.
 *
 * Neighbours: agents_channel.c and agents_listener.c decide when one starts
 * and stops; agents_status.c keeps what they tell; process.c runs them;
 * channel_state.c has their states.
 * Invariants: an agent has at most one process; its machine is INACTIVE,
 * STOPPED, RETRYING or REQUESTING when it has none (a receiver's guests have
 * machines of their own); nothing starts while the queue manager stops.
 * Happy path: work on a transmission queue starts its channel; the process
 * attaches, tells its status, detaches and exits.
 * Failure: see channel_state.c.
 */
#include "qmgr/agents.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr/agents_int.h"
#include "qmgr/qmgr_impl.h"

/* Between looks for a channel that serves a queue with work. */
#define WORK_AGAIN_MS 1000u

struct agents *
agents_new(struct qmgr *qm, const char *mca_path)
{
	struct agents *a = mqmem_alloc(sizeof(*a));

	a->qm = qm;
	a->loop = &qm->loop;
	a->mca = mqmem_strdup(mca_path);
	TAILQ_INIT(&a->channels);
	TAILQ_INIT(&a->listeners);
	TAILQ_INIT(&a->work);
	uv_timer_init(a->loop, &a->work_timer);
	a->work_timer.data = qm;
	return a;
}

static void
on_agent_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_agents_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_process_closed(uv_handle_t *h)
{
	struct process *p = h->data;
	struct agent *g = MQ_CONTAINER_OF(p, struct agent, process);

	uv_close((uv_handle_t *)&g->retry, on_agent_closed);
}

static void
agent_free(struct agent_list *list, struct agent *g)
{
	MQ_PRE(TAILQ_EMPTY(&g->guests) && !g->process.alive);
	TAILQ_REMOVE(list, g, link);
	uv_timer_stop(&g->retry);
	process_close(&g->process, on_process_closed);
}

struct agents *
agents_free(struct agents *a)
{
	struct agent *g;
	struct work *w;

	if (a == NULL)
		return NULL;
	while ((g = TAILQ_FIRST(&a->channels)) != NULL)
		agent_free(&a->channels, g);
	while ((g = TAILQ_FIRST(&a->listeners)) != NULL)
		agent_free(&a->listeners, g);
	while ((w = TAILQ_FIRST(&a->work)) != NULL) {
		TAILQ_REMOVE(&a->work, w, link);
		free(w);
	}
	free(a->mca);
	a->work_timer.data = a;
	uv_close((uv_handle_t *)&a->work_timer, on_agents_closed);
	return NULL;
}

struct agent *
agent_find(const struct agents *a, bool listener, const char *name)
{
	const struct agent_list *list = listener ? &a->listeners : &a->channels;
	struct agent *g;

	TAILQ_FOREACH (g, list, link)
		if (strcmp(g->info.name, name) == 0)
			return g;
	return NULL;
}

struct agent *
agent_get(struct agents *a, bool listener, const char *name)
{
	struct agent_list *list = listener ? &a->listeners : &a->channels;
	struct agent *g = agent_find(a, listener, name), *after;
	struct chan_retry limits;
	bool stopped;

	if (g != NULL)
		return g;
	limits = listener ? listener_limits() : channel_limits(a, name);
	stopped = !listener && channel_is_stopped(a, name);
	g = mqmem_alloc(sizeof(*g));
	g->owner = a;
	g->is_listener = listener;
	TAILQ_INIT(&g->guests);
	(void)snprintf(g->info.name, sizeof(g->info.name), "%s", name);
	chan_init(&g->machine, &limits);
	if (stopped)
		chan_stop(&g->machine, false, false);
	process_init(
	    &g->process, a->loop, listener ? listener_ended : channel_ended, g);
	uv_timer_init(a->loop, &g->retry);
	g->retry.data = g;
	TAILQ_FOREACH (after, list, link)
		if (strcmp(after->info.name, name) > 0)
			break;
	if (after != NULL)
		TAILQ_INSERT_BEFORE(after, g, link);
	else
		TAILQ_INSERT_TAIL(list, g, link);
	return g;
}

void
agents_channel_deleted(struct agents *a, const char *name)
{
	struct agent *g = agent_find(a, false, name);

	MQ_PRE(!agents_channel_in_use(a, name));
	if (g != NULL)
		agent_free(&a->channels, g);
}

void
agents_listener_deleted(struct agents *a, const char *name)
{
	struct agent *g = agent_find(a, true, name);

	MQ_PRE(!agents_listener_in_use(a, name));
	if (g != NULL)
		agent_free(&a->listeners, g);
}

bool
agent_is_alive(const struct agent *g)
{
	return g->process.alive || !TAILQ_EMPTY(&g->guests);
}

/* ---- start and end of a process ---- */

static void
agent_log(const struct agent *g, enum mqlog_level level, const char *what,
    const char *text)
{
	struct mqlog_line l;
	char event[48];

	(void)snprintf(event, sizeof(event), "%s.%s",
	    g->is_listener ? "listener" : "channel", what);
	mqlog_begin(&l, level, event);
	mqlog_str(&l, g->is_listener ? "listener" : "channel", g->info.name);
	if (process_pid(&g->process) != 0)
		mqlog_int(&l, "pid", process_pid(&g->process));
	if (text != NULL)
		mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

void
agent_spawn(struct agent *g, const char *verb)
{
	struct agents *a = g->owner;
	struct agents_info *i = &g->info;
	const char *why;

	MQ_PRE(chan_state(&g->machine) == CHAN_STARTING && !a->stopping);
	uv_timer_stop(&g->retry);
	g->work = false;
	i->msgs = 0;
	i->bytes = 0;
	i->batches = 0;
	i->npm_speed[0] = '\0';
	if (!g->is_listener)
		agents_monitor(a, i);
	i->keep_alive_s = 0;
	i->sent_bytes = i->sent_buffers = 0;
	i->received_bytes = i->received_buffers = 0;
	i->heartbeat_s = i->batch_size = 0;
	i->started_ms = mqclock_wall_us() / 1000;
	if (apart_start(a->qm->apart, a->mca, &g->process, verb, g->info.name,
		&why) == MQI_OK) {
		agent_log(g, MQLOG_INFO, "started", NULL);
		return;
	}
	if (apart_is_on(a->qm->apart))
		(void)snprintf(i->error, sizeof(i->error), "%s", why);
	else
		(void)snprintf(i->error, sizeof(i->error),
		    "%s cannot be run: %s", a->mca, why);
	agent_log(g, MQLOG_ERROR, "start_failed", i->error);
}

void
agent_wait(struct agent *g, uint64_t delay_ms)
{
	if (delay_ms == CHAN_NO_RETRY)
		return;
	g->retry_at_ms = uv_now(g->owner->loop) + delay_ms;
	uv_timer_start(&g->retry,
	    g->is_listener ? listener_retry : channel_retry, delay_ms, 0);
}

void
agent_ended(struct agent *g, enum chan_end how, int64_t status, int sig)
{
	struct chan_retry limits = g->is_listener
				       ? listener_limits()
				       : channel_limits(g->owner, g->info.name);
	char text[160];

	/* one of which nothing is known must not go on behind our back */
	if (status == PROCESS_LOST && g->session != NULL)
		session_close(g->session);
	g->session = NULL;
	g->info.started_ms = 0;
	g->info.pid = 0;
	/* what only one that runs has */
	g->info.substate[0] = '\0';
	g->info.local_address[0] = '\0';
	g->info.current_msgs = 0;
	agent_wait(g, chan_ended(&g->machine, how, &limits));
	if (status == PROCESS_LOST) {
		(void)snprintf(
		    g->info.error, sizeof(g->info.error), APART_GONE);
		(void)snprintf(text, sizeof(text), APART_GONE "; it is %s now",
		    chan_state_name(&g->machine));
	} else if (sig != 0)
		(void)snprintf(text, sizeof(text),
		    "its process was ended by signal %d%s; it is %s now", sig,
		    sig == SIGSYS ? ", for a system call that no agent makes"
				  : "",
		    chan_state_name(&g->machine));
	else
		(void)snprintf(text, sizeof(text),
		    "its process ended with status %d; it is %s now",
		    (int)status, chan_state_name(&g->machine));
	agent_log(g,
	    how == CHAN_END_CLEAN || how == CHAN_END_CALLED_BACK ? MQLOG_INFO
								 : MQLOG_WARN,
	    "ended", text);
}

static enum process_step
first_step(const struct agent *g, enum agents_stop_mode mode)
{
	if (mode == AGENTS_TERMINATE)
		return PROCESS_KILL;
	/* one that has not spoken yet cannot be ordered */
	if (mode == AGENTS_FORCE || g->session == NULL)
		return PROCESS_TERM;
	return PROCESS_ORDERED;
}

void
agent_end_process(struct agent *g, enum agents_stop_mode mode)
{
	enum process_step step = first_step(g, mode);

	if (!g->process.alive)
		return;
	if (step == PROCESS_ORDERED)
		session_order(g->session, "stop");
	process_end(&g->process, step);
}

/* An agent ends when its session does. */
void
guest_end(struct guest *guest, enum agents_stop_mode mode)
{
	if (mode == AGENTS_QUIESCE)
		session_order(guest->session, "stop");
	else
		session_close(guest->session);
}

void
agent_end(struct agent *g, enum agents_stop_mode mode)
{
	struct guest *guest = TAILQ_FIRST(&g->guests), *next;

	agent_end_process(g, mode);
	for (; guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, link);
		guest_end(guest, mode);
	}
}

static void
list_refresh(struct agent_list *list)
{
	struct agent *g;
	struct guest *guest;

	TAILQ_FOREACH (g, list, link) {
		if (g->session != NULL)
			session_order(g->session, "refresh");
		TAILQ_FOREACH (guest, &g->guests, link)
			session_order(guest->session, "refresh");
	}
}

static void
list_try_again(struct agent_list *list)
{
	struct agent *g;

	TAILQ_FOREACH (g, list, link)
		if (chan_state(&g->machine) == CHAN_RETRYING)
			agent_wait(g, 0);
}

void
agents_try_again(struct agents *a)
{
	if (a->stopping)
		return;
	list_try_again(&a->listeners);
	list_try_again(&a->channels);
}

void
agents_refresh_listeners(struct agents *a)
{
	list_refresh(&a->listeners);
}

void
agents_refresh(struct agents *a)
{
	list_refresh(&a->listeners);
	list_refresh(&a->channels);
}

/* ---- the queue manager's life ---- */

void
agents_work(struct agents *a, const char *queue)
{
	struct work *w;

	TAILQ_FOREACH (w, &a->work, link)
		if (strcmp(w->queue, queue) == 0)
			return;
	uv_timer_stop(&a->work_timer);
	w = mqmem_alloc(sizeof(*w));
	(void)snprintf(w->queue, sizeof(w->queue), "%s", queue);
	TAILQ_INSERT_TAIL(&a->work, w, link);
}

static void
on_work_timer(uv_timer_t *t)
{
	turn_begin(t->data);
}

void
agents_turn(struct agents *a)
{
	struct work *w = TAILQ_FIRST(&a->work), *next;

	/* those for which no channel is defined are looked at now and then,
	 * since the engine says it once */
	if (w == NULL || uv_is_active((uv_handle_t *)&a->work_timer))
		return;
	for (; w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (!a->stopping && !channel_work(a, w->queue))
			continue;
		TAILQ_REMOVE(&a->work, w, link);
		free(w);
	}
	if (!TAILQ_EMPTY(&a->work))
		uv_timer_start(&a->work_timer, on_work_timer, WORK_AGAIN_MS, 0);
}

/* Applications that come by a channel are ended as all others are: by the end
 * of their sessions. */
static void
list_stop(struct agent_list *list, enum agents_stop_mode mode)
{
	struct agent *g;

	TAILQ_FOREACH (g, list, link) {
		uv_timer_stop(&g->retry);
		if (chan_state(&g->machine) == CHAN_RETRYING ||
		    chan_state(&g->machine) == CHAN_REQUESTING ||
		    g->process.alive)
			chan_stop(&g->machine, g->process.alive, true);
		if (!channel_is_for_applications(g->owner, g->info.name))
			agent_end(g, mode);
	}
}

void
agents_stop_all(struct agents *a, bool immediate)
{
	enum agents_stop_mode mode = immediate ? AGENTS_FORCE : AGENTS_QUIESCE;

	a->stopping = true;
	uv_timer_stop(&a->work_timer);
	/* listeners first, so that no receiver comes after the last */
	list_stop(&a->listeners, mode);
	list_stop(&a->channels, mode);
}

static bool
list_has_ended(const struct agent_list *list)
{
	const struct agent *g;

	TAILQ_FOREACH (g, list, link)
		if (g->process.alive)
			return false;
	return true;
}

bool
agents_all_ended(const struct agents *a)
{
	return list_has_ended(&a->channels) && list_has_ended(&a->listeners);
}

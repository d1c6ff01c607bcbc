/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents_status.c - sessions of agents, what they tell, and what DISPLAY
 * CHSTATUS and LSSTATUS show of it.
 *
 * Neighbours: hello.c attaches, session.c detaches; ctl*.c displays.
 * Invariants: a session belongs to at most one agent or guest; an agent's
 * words are shown, and move its machine only where the table of
 * channel_state.c lets them.
 * Happy path: attach by process id, or else as a guest of the channel named.
 * Failure: a channel that is stopped or not defined takes no agent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/local.h"
#include "qmgr/agents_int.h"
#include "qmgr/qmgr_impl.h"

static struct agent *
list_find_pid(const struct agent_list *list, int pid)
{
	struct agent *g;

	TAILQ_FOREACH (g, list, link)
		if (process_pid(&g->process) == pid)
			return g;
	return NULL;
}

static struct agent *
list_find_session(const struct agent_list *list, const struct session *s)
{
	struct agent *g;

	TAILQ_FOREACH (g, list, link)
		if (g->session == s)
			return g;
	return NULL;
}

static struct guest *
guest_find(
    const struct agents *a, const struct session *s, struct agent **ret_agent)
{
	struct guest *guest;
	struct agent *g;

	TAILQ_FOREACH (g, &a->channels, link)
		TAILQ_FOREACH (guest, &g->guests, link)
			if (guest->session == s) {
				*ret_agent = g;
				return guest;
			}
	return NULL;
}

/* Whether there are as many applications by the channel as may be, of all
 * addresses or of this one's, "host(port)". */
static bool
is_at_its_limit(const struct agents *a, const struct agent *g,
    const struct engine_object *o, const char *address)
{
	size_t len = strcspn(address, "(") + 1;
	const struct guest *guest;
	int64_t n = 0, of_host = 0;

	if (!channel_is_for_applications(a, o->name))
		return false;
	TAILQ_FOREACH (guest, &g->guests, link) {
		n++;
		of_host += strncmp(guest->info.conname, address, len) == 0;
	}
	return n >= mqattr_int(o->attrs, MQATTR_ID_MAXINST) ||
	       of_host >= mqattr_int(o->attrs, MQATTR_ID_MAXINSTC);
}

static enum mqi_err
guest_attach(struct agents *a, struct session *s, int pid,
    const struct mqlocal_hello *hello)
{
	struct chan_retry none = {.short_count = 0};
	const struct engine_object *o =
	    engine_object_find(a->qm->engine, MQATTR_CHANNEL, hello->channel);
	struct guest *guest;
	struct agent *g;

	if (o == NULL)
		return MQI_E_UNKNOWN_CHANNEL;
	g = agent_get(a, false, hello->channel);
	if (is_at_its_limit(a, g, o, hello->address))
		return MQI_E_MAX_CONNS_LIMIT_REACHED;
	if (chan_state(&g->machine) == CHAN_STOPPED ||
	    chan_state(&g->machine) == CHAN_STOPPING || a->stopping)
		return MQI_E_CHANNEL_NOT_AVAILABLE;
	if (chan_state(&g->machine) == CHAN_REQUESTING && !g->process.alive) {
		uv_timer_stop(&g->retry);
		chan_called(&g->machine);
	}
	guest = mqmem_alloc(sizeof(*guest));
	guest->session = s;
	chan_init(&guest->machine, &none);
	chan_start(&guest->machine, &none);
	(void)snprintf(
	    guest->info.name, sizeof(guest->info.name), "%s", hello->channel);
	(void)snprintf(guest->info.conname, sizeof(guest->info.conname), "%s",
	    hello->address);
	(void)snprintf(
	    guest->info.user, sizeof(guest->info.user), "%s", hello->user);
	agents_monitor(a, &guest->info);
	guest->info.pid = pid;
	guest->info.started_ms = mqclock_wall_us() / 1000;
	TAILQ_INSERT_TAIL(&g->guests, guest, link);
	return MQI_OK;
}

enum mqi_err
agents_attach(struct agents *a, struct session *s, int pid,
    const struct mqlocal_hello *hello)
{
	struct agent *g = pid > 0 ? list_find_pid(&a->channels, pid) : NULL;

	if (g == NULL && pid > 0)
		g = list_find_pid(&a->listeners, pid);
	if (g != NULL && !process_may_be_of(&g->process, s->peer.uid))
		g = NULL;
	if (g != NULL && g->session == NULL &&
	    (g->is_listener || strcmp(hello->channel, g->info.name) == 0)) {
		g->session = s;
		(void)snprintf(
		    g->info.user, sizeof(g->info.user), "%s", hello->user);
		return MQI_OK;
	}
	/* without a channel, it is an administrator's or a helper's */
	if (hello->channel[0] == '\0')
		return MQI_OK;
	return guest_attach(a, s, pid, hello);
}

void
agents_detach(struct agents *a, struct session *s)
{
	struct agent *g = list_find_session(&a->channels, s);
	struct guest *guest;

	if (g == NULL)
		g = list_find_session(&a->listeners, s);
	if (g != NULL) {
		g->session = NULL;
		return;
	}
	guest = guest_find(a, s, &g);
	if (guest == NULL)
		return;
	TAILQ_REMOVE(&g->guests, guest, link);
	free(guest);
	/* the last one of a channel that is being stopped */
	if (chan_state(&g->machine) == CHAN_STOPPING && !agent_is_alive(g)) {
		struct chan_retry none = {.short_count = 0};

		MQ_INVARIANT(chan_ended(&g->machine, CHAN_END_CLEAN, &none) ==
			     CHAN_NO_RETRY);
	}
	channel_again(g);
}

/* ---- what they tell ---- */

static void
take_number(const struct mqctl_list *l, const char *key, uint64_t *value)
{
	const char *text = mqctl_list_get(l, key);

	if (text != NULL)
		*value = strtoull(text, NULL, 10);
}

static void
take_text(const struct mqctl_list *l, const char *key, char *value, size_t size)
{
	const char *text = mqctl_list_get(l, key);

	if (text != NULL)
		(void)snprintf(value, size, "%s", text);
}

static bool
is_blank(const char *text)
{
	return text == NULL || text[0] == '\0';
}

void
agents_monitor(const struct agents *a, struct agents_info *i)
{
	(void)snprintf(i->monitor, sizeof(i->monitor), "%s",
	    engine_channel_monitor(a->qm->engine, i->name));
	memset(&i->rtt_us, 0, sizeof(i->rtt_us));
	memset(&i->unit, 0, sizeof(i->unit));
	i->durable_msgs = 0;
}

/* What it told before is in i, too. */
static void
take_monitored(
    const struct mqctl_list *l, struct agents_info *i, uint64_t batches_before)
{
	uint64_t durable, rtt_us = 0;

	if (strcmp(i->monitor, "OFF") == 0)
		return;
	take_number(l, "rtt_us", &rtt_us);
	if (rtt_us > 0)
		mqaverage_add(&i->rtt_us, rtt_us);
	if (i->batches <= batches_before || i->current_msgs > i->msgs)
		return;
	durable = i->msgs - i->current_msgs;
	if (durable > i->durable_msgs)
		mqaverage_add(&i->unit, (durable - i->durable_msgs) /
					    (i->batches - batches_before));
	i->durable_msgs = durable;
}

static void
take_info(const struct mqctl_list *l, struct agents_info *i)
{
	const char *state = mqctl_list_get(l, "state");
	bool running = state != NULL && strcmp(state, "RUNNING") == 0;
	uint64_t port = i->port, msgs = i->msgs, batches = i->batches;

	take_number(l, "msgs", &i->msgs);
	if (i->msgs > msgs)
		i->last_msg_ms = mqclock_wall_us() / 1000;
	take_number(l, "sent_bytes", &i->sent_bytes);
	take_number(l, "sent_buffers", &i->sent_buffers);
	take_number(l, "received_bytes", &i->received_bytes);
	take_number(l, "received_buffers", &i->received_buffers);
	take_number(l, "heartbeat_s", &i->heartbeat_s);
	take_number(l, "batch_size", &i->batch_size);
	take_text(l, "issuer", i->issuer, sizeof(i->issuer));
	take_text(l, "cipher", i->cipher, sizeof(i->cipher));
	take_text(l, "product", i->product, sizeof(i->product));
	take_number(l, "bytes", &i->bytes);
	take_number(l, "batches", &i->batches);
	take_number(l, "last_number", &i->last_number);
	take_number(l, "current_number", &i->current_number);
	take_number(l, "current_msgs", &i->current_msgs);
	take_number(l, "keep_alive_s", &i->keep_alive_s);
	take_text(l, "npm_speed", i->npm_speed, sizeof(i->npm_speed));
	take_text(l, "substate", i->substate, sizeof(i->substate));
	take_text(l, "protocol", i->protocol, sizeof(i->protocol));
	take_text(
	    l, "local_address", i->local_address, sizeof(i->local_address));
	take_number(l, "comprate", &i->comprate);
	take_text(l, "compmsg", i->compmsg, sizeof(i->compmsg));
	take_monitored(l, i, batches);
	take_number(l, "port", &port);
	if (port <= UINT16_MAX)
		i->port = (unsigned)port;
	take_text(l, "partner_qmgr", i->partner_qmgr, sizeof(i->partner_qmgr));
	take_text(l, "partner_name", i->partner_name, sizeof(i->partner_name));
	take_text(l, "conname", i->conname, sizeof(i->conname));
	/* the last one is shown until the channel runs again */
	if (running || !is_blank(mqctl_list_get(l, "error")))
		take_text(l, "error", i->error, sizeof(i->error));
}

static void
log_state(const struct agents_info *i, bool is_listener, const char *state)
{
	struct mqlog_line l;

	mqlog_begin(
	    &l, MQLOG_INFO, is_listener ? "listener.state" : "channel.state");
	mqlog_str(&l, is_listener ? "listener" : "channel", i->name);
	mqlog_str(&l, "state", state);
	if (i->partner_qmgr[0] != '\0')
		mqlog_str(&l, "partner", i->partner_qmgr);
	if (i->conname[0] != '\0')
		mqlog_str(&l, "conname", i->conname);
	if (i->port != 0)
		mqlog_uint(&l, "port", i->port);
	mqlog_end(&l);
}

void
agents_status(
    struct agents *a, struct session *s, const struct mqctl_list *status)
{
	struct agent *g = list_find_session(&a->channels, s);
	struct chan_machine *m = NULL;
	struct agents_info *i = NULL;
	struct chan_retry limits = {.short_count = 0};
	const char *state = mqctl_list_get(status, "state");
	enum chan_state before;
	struct guest *guest;

	if (g == NULL)
		g = list_find_session(&a->listeners, s);
	if (g != NULL) {
		m = &g->machine;
		i = &g->info;
		limits = g->is_listener ? listener_limits()
					: channel_limits(a, i->name);
	} else if ((guest = guest_find(a, s, &g)) != NULL) {
		m = &guest->machine;
		i = &guest->info;
	}
	if (i == NULL)
		return;
	take_info(status, i);
	if (mqctl_list_get(status, "call_back") != NULL)
		g->work = true; /* when this guest has left */
	before = chan_state(m);
	if (state == NULL || !chan_report(m, state, &limits) ||
	    chan_state(m) == before)
		return;
	log_state(i, g->is_listener, chan_state_name(m));
}

/* ---- what is shown ---- */

/* What the definition and the state say. */
static void
show_definition(
    const struct agents *a, const struct agent *g, struct agents_info *i)
{
	const struct engine_object *o = g->is_listener
					    ? NULL
					    : engine_object_find(a->qm->engine,
						  MQATTR_CHANNEL, g->info.name);

	i->chltype = o != NULL ? mqattr_text(o->attrs, MQATTR_ID_CHLTYPE) : "";
	i->xmitq = o != NULL && mqattr_set_has(o->attrs, MQATTR_ID_XMITQ)
		       ? mqattr_text(o->attrs, MQATTR_ID_XMITQ)
		       : "";
	if (!i->is_alive && !g->is_listener)
		agents_monitor(a, i); /* as it would begin now */
	i->stop_asked =
	    chan_state(&g->machine) == CHAN_STOPPING ||
	    (o != NULL && mqattr_is(o->attrs, MQATTR_ID_STOPREQ, "YES"));
}

static void
show_agent(
    const struct agents *a, const struct agent *g, agents_info_fn fn, void *arg)
{
	struct agents_info i = g->info;
	uint64_t now = uv_now(a->loop);

	i.state = chan_state_name(&g->machine);
	i.pid = process_pid(&g->process);
	i.is_alive = g->process.alive;
	show_definition(a, g, &i);
	i.short_retries_left = g->machine.short_left;
	i.long_retries_left = g->machine.long_left;
	if (chan_state(&g->machine) == CHAN_RETRYING && g->retry_at_ms > now)
		i.retry_in_ms = g->retry_at_ms - now;
	fn(arg, &i);
}

static void
show_channel(
    const struct agents *a, const struct agent *g, agents_info_fn fn, void *arg)
{
	const struct guest *guest;

	TAILQ_FOREACH (guest, &g->guests, link) {
		struct agents_info i = guest->info;

		i.state = chan_state_name(&guest->machine);
		i.is_alive = true;
		show_definition(a, g, &i);
		fn(arg, &i);
	}
	if (chan_state(&g->machine) == CHAN_INACTIVE ||
	    (!g->process.alive && !TAILQ_EMPTY(&g->guests)))
		return;
	show_agent(a, g, fn, arg);
}

void
agents_each_channel(const struct agents *a, agents_info_fn fn, void *arg)
{
	const struct agent *g;

	TAILQ_FOREACH (g, &a->channels, link)
		show_channel(a, g, fn, arg);
}

void
agents_each_listener(const struct agents *a, agents_info_fn fn, void *arg)
{
	const struct engine_object *o = NULL;
	const struct agent *g;

	while ((o = engine_object_next(a->qm->engine, MQATTR_LISTENER, o)) !=
	       NULL) {
		struct agents_info i = {.state = "STOPPED", .chltype = ""};

		if (agent_find(a, true, o->name) != NULL)
			continue;
		(void)snprintf(i.name, sizeof(i.name), "%s", o->name);
		fn(arg, &i);
	}
	TAILQ_FOREACH (g, &a->listeners, link)
		show_agent(a, g, fn, arg);
}

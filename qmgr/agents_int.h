/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents_int.h - what the agents*.c files share.  Loop thread only.
 *
 * An `agent` is a channel or a listener by name, whether or not it has a
 * process just now.  A `guest` is an agent that we did not start: a receiver
 * that a listener started, or one run by hand; it lives as long as its
 * session, under its channel's agent.
 */
#ifndef MQ_QMGR_AGENTS_INT_H
#define MQ_QMGR_AGENTS_INT_H

#include <sys/queue.h>
#include <uv.h>

#include "qmgr/agents.h"
#include "qmgr/channel_state.h"
#include "qmgr/engine/engine.h"
#include "qmgr/process.h"

struct guest {
	TAILQ_ENTRY(guest) link;
	struct session *session;
	struct chan_machine machine;
	struct agents_info info;
};

TAILQ_HEAD(guest_list, guest);

struct agent {
	TAILQ_ENTRY(agent) link; /* in order of name */
	struct agents *owner;
	bool is_listener;
	bool work; /* came while it was running */
	struct chan_machine machine;
	struct process process;
	struct session *session; /* of the process */
	uv_timer_t retry;
	uint64_t retry_at_ms; /* loop time */
	struct agents_info info;
	struct guest_list guests;
};

TAILQ_HEAD(agent_list, agent);

struct work {
	TAILQ_ENTRY(work) link;
	char queue[MQI_NAME_LEN + 1];
};

TAILQ_HEAD(work_list, work);

struct agents {
	struct qmgr *qm;
	uv_loop_t *loop;
	char *mca;
	bool stopping;
	struct agent_list channels;
	struct agent_list listeners;
	struct work_list work;
	uv_timer_t work_timer;
};

/* agents.c */
struct agent *agent_find(const struct agents *a, bool listener,
    const char *name); /* NULL: there is none */
struct agent *agent_get(struct agents *a, bool listener, const char *name);
bool agent_is_alive(const struct agent *g); /* a process, or guests */
/* Starts the process and says so; the state must be STARTING. */
void agent_spawn(struct agent *g, const char *verb);
/* The agent's process ended: logs it, and moves the machine. */
void agent_ended(struct agent *g, enum chan_end how, int64_t status, int sig);
/* Starts it again after so long, or never (CHAN_NO_RETRY). */
void agent_wait(struct agent *g, uint64_t delay_ms);
/* Asks the process, a guest, or all of them to end. */
void agent_end_process(struct agent *g, enum agents_stop_mode mode);
void guest_end(struct guest *guest, enum agents_stop_mode mode);
void agent_end(struct agent *g, enum agents_stop_mode mode);

/* agents_status.c */
/* A channel begins: what is measured of it? */
void agents_monitor(const struct agents *a, struct agents_info *i);

/* agents_channel.c */
void channel_ended(void *arg, int64_t status, int sig);
void channel_retry(uv_timer_t *t);
/* Starts one that has work and nobody who does it. */
void channel_again(struct agent *g);
struct chan_retry channel_limits(const struct agents *a, const char *name);
/* A person has stopped it, maybe before the last restart. */
bool channel_is_stopped(const struct agents *a, const char *name);
bool channel_is_for_applications(const struct agents *a, const char *name);
/* Makes those known that were stopped before the last restart. */
void channels_begin(struct agents *a);
/* Starts the channel that serves the queue; false: none is defined. */
bool channel_work(struct agents *a, const char *queue);

/* agents_listener.c */
void listener_ended(void *arg, int64_t status, int sig);
void listener_retry(uv_timer_t *t);
struct chan_retry listener_limits(void);

#endif

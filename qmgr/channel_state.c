/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_state.c - the table of a channel's states and its moves.
 *
 * Neighbours: agents_channel.c has the process and the timers and asks here
 * what to do with them; DISPLAY CHSTATUS shows the names.
 * Invariants: only moves that the table allows happen (base/sm.h aborts on
 * another one); an agent's word never takes a channel out of STOPPING, and
 * never into a state that only the queue manager gives.
 * Happy path: INACTIVE, STARTING, INITIALIZING, BINDING, (a requester:
 * REQUESTING), RUNNING, INACTIVE.
 * Failure: a failed or crashed agent leads to RETRYING, SHORTRTY times after
 * SHORTTMR, then LONGRTY times after LONGTMR, then to STOPPED; reaching
 * RUNNING gives all retries back.
 */
#include "qmgr/channel_state.h"

#include <string.h>

/* While its process lives a channel comes nearer to RUNNING, step by step or
 * past several at once (an agent tells the last one only), or it ends. */
#define CHAN_BEHIND(state)                                    \
	((MQ_BIT(CHAN_INITIALIZING) | MQ_BIT(CHAN_BINDING) |  \
	     MQ_BIT(CHAN_REQUESTING) | MQ_BIT(CHAN_RUNNING) | \
	     MQ_BIT(CHAN_PAUSED)) &                           \
	    ~(MQ_BIT((state) + 1) - 1))
#define CHAN_ALIVE(state)                                                     \
	(CHAN_BEHIND(state) | MQ_BIT(CHAN_RETRYING) | MQ_BIT(CHAN_STOPPING) | \
	    MQ_BIT(CHAN_STOPPED) | MQ_BIT(CHAN_INACTIVE) |                    \
	    ((state) < CHAN_REQUESTING ? MQ_BIT(CHAN_REQUESTING) : 0))

static const struct mqsm_state chan_states[CHAN_N_STATES] = {
    [CHAN_INACTIVE] = {"INACTIVE",
	MQ_BIT(CHAN_STARTING) | MQ_BIT(CHAN_STOPPING) | MQ_BIT(CHAN_STOPPED)},
    [CHAN_STARTING] = {"STARTING", CHAN_ALIVE(CHAN_STARTING)},
    [CHAN_INITIALIZING] = {"INITIALIZING", CHAN_ALIVE(CHAN_INITIALIZING)},
    [CHAN_BINDING] = {"BINDING", CHAN_ALIVE(CHAN_BINDING)},
    [CHAN_REQUESTING] = {"REQUESTING", CHAN_ALIVE(CHAN_REQUESTING)},
    [CHAN_RUNNING] = {"RUNNING",
	MQ_BIT(CHAN_PAUSED) | MQ_BIT(CHAN_RETRYING) | MQ_BIT(CHAN_STOPPING) |
	    MQ_BIT(CHAN_STOPPED) | MQ_BIT(CHAN_INACTIVE)},
    [CHAN_PAUSED] = {"PAUSED",
	MQ_BIT(CHAN_RUNNING) | MQ_BIT(CHAN_RETRYING) | MQ_BIT(CHAN_STOPPING) |
	    MQ_BIT(CHAN_STOPPED) | MQ_BIT(CHAN_INACTIVE)},
    [CHAN_RETRYING] = {"RETRYING",
	MQ_BIT(CHAN_STARTING) | MQ_BIT(CHAN_STOPPING) | MQ_BIT(CHAN_STOPPED) |
	    MQ_BIT(CHAN_INACTIVE)},
    [CHAN_STOPPING] = {"STOPPING",
	MQ_BIT(CHAN_STOPPED) | MQ_BIT(CHAN_INACTIVE)},
    [CHAN_STOPPED] = {"STOPPED", MQ_BIT(CHAN_STARTING) | MQ_BIT(CHAN_INACTIVE)},
};

static void
chan_reset_retries(struct chan_machine *m, const struct chan_retry *r)
{
	m->short_left = r->short_count;
	m->long_left = r->long_count;
}

static bool
chan_allows(const struct chan_machine *m, enum chan_state next)
{
	return (chan_states[m->sm.current].allowed & MQ_BIT(next)) != 0;
}

void
chan_init(struct chan_machine *m, const struct chan_retry *r)
{
	memset(m, 0, sizeof(*m));
	mqsm_init(&m->sm, chan_states, CHAN_N_STATES, CHAN_INACTIVE);
	chan_reset_retries(m, r);
}

enum chan_state
chan_state(const struct chan_machine *m)
{
	return (enum chan_state)m->sm.current;
}

const char *
chan_state_name(const struct chan_machine *m)
{
	return mqsm_name(&m->sm);
}

bool
chan_may_start(const struct chan_machine *m)
{
	return chan_allows(m, CHAN_STARTING);
}

void
chan_start(struct chan_machine *m, const struct chan_retry *r)
{
	MQ_PRE(chan_may_start(m));
	mqsm_move(&m->sm, CHAN_STARTING);
	chan_reset_retries(m, r);
	m->was_running = false;
	m->inactive_when_done = false;
}

void
chan_retry_now(struct chan_machine *m)
{
	MQ_PRE(chan_state(m) == CHAN_RETRYING);
	mqsm_move(&m->sm, CHAN_STARTING);
	m->was_running = false;
}

bool
chan_report(
    struct chan_machine *m, const char *state, const struct chan_retry *r)
{
	static const enum chan_state told[] = {CHAN_INITIALIZING, CHAN_BINDING,
	    CHAN_REQUESTING, CHAN_RUNNING, CHAN_PAUSED};
	enum chan_state next = CHAN_INACTIVE;

	for (size_t i = 0; i < MQ_ARRAY_LEN(told); i++)
		if (strcmp(state, chan_states[told[i]].name) == 0)
			next = told[i];
	if (next == CHAN_INACTIVE)
		return false;
	if (next != chan_state(m)) {
		if (!chan_allows(m, next))
			return false;
		mqsm_move(&m->sm, next);
	}
	if (next == CHAN_RUNNING) {
		m->was_running = true;
		chan_reset_retries(m, r);
	}
	return true;
}

void
chan_stop(struct chan_machine *m, bool alive, bool inactive)
{
	enum chan_state next = inactive ? CHAN_INACTIVE : CHAN_STOPPED;

	m->inactive_when_done = inactive;
	if (alive)
		next = CHAN_STOPPING;
	if (next != chan_state(m))
		mqsm_move(&m->sm, next);
}

void
chan_called(struct chan_machine *m)
{
	MQ_PRE(chan_state(m) == CHAN_REQUESTING);
	mqsm_move(&m->sm, CHAN_INACTIVE);
}

static uint64_t
chan_next_retry(struct chan_machine *m, bool quick, const struct chan_retry *r)
{
	uint64_t delay_ms;

	if (m->short_left > 0) {
		m->short_left--;
		delay_ms = r->short_s * 1000;
	} else if (m->long_left > 0) {
		m->long_left--;
		delay_ms = r->long_s * 1000;
	} else {
		return CHAN_NO_RETRY;
	}
	if (quick && delay_ms > CHAN_CRASH_RETRY_MS)
		delay_ms = CHAN_CRASH_RETRY_MS;
	return delay_ms;
}

uint64_t
chan_ended(
    struct chan_machine *m, enum chan_end how, const struct chan_retry *r)
{
	uint64_t delay_ms;

	if (chan_state(m) == CHAN_STOPPING) {
		mqsm_move(&m->sm,
		    m->inactive_when_done ? CHAN_INACTIVE : CHAN_STOPPED);
		return CHAN_NO_RETRY;
	}
	if (how == CHAN_END_CALLED_BACK) {
		if (chan_state(m) != CHAN_REQUESTING)
			mqsm_move(&m->sm, CHAN_REQUESTING);
		return CHAN_CALL_WAIT_MS;
	}
	if (how == CHAN_END_CLEAN) {
		mqsm_move(&m->sm, CHAN_INACTIVE);
		return CHAN_NO_RETRY;
	}
	delay_ms =
	    chan_next_retry(m, how == CHAN_END_CRASHED && m->was_running, r);
	mqsm_move(
	    &m->sm, delay_ms == CHAN_NO_RETRY ? CHAN_STOPPED : CHAN_RETRYING);
	return delay_ms;
}

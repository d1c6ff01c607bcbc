/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_state.h - the states of one channel in IBM MQ's words, and what
 * follows from a start, a stop, an agent's report and an agent's end.
 * Pure: no process, no timer, no clock.
 */
#ifndef MQ_QMGR_CHANNEL_STATE_H
#define MQ_QMGR_CHANNEL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/sm.h"

enum chan_state {
	CHAN_INACTIVE,
	CHAN_STARTING,     /* its process was started and has not spoken yet */
	CHAN_INITIALIZING, /* it reads definitions and opens the stream */
	CHAN_BINDING,      /* it connects, greets, compares positions */
	CHAN_REQUESTING,   /* a requester waits for messages or a call */
	CHAN_RUNNING,
	CHAN_PAUSED, /* a receiver waits before it tries to put again */
	CHAN_RETRYING,
	CHAN_STOPPING,
	CHAN_STOPPED, /* by a person, or no retry is left */
};

#define CHAN_N_STATES 10u

/* The channel's attributes SHORTRTY, SHORTTMR, LONGRTY, LONGTMR. */
struct chan_retry {
	uint64_t short_count;
	uint64_t short_s;
	uint64_t long_count;
	uint64_t long_s;
};

struct chan_machine {
	struct mqsm sm;
	uint64_t short_left;
	uint64_t long_left;
	bool was_running;        /* since the last start */
	bool inactive_when_done; /* STOPPING: INACTIVE follows, not STOPPED */
};

enum chan_end {
	CHAN_END_CLEAN, /* it had nothing more to do, or obeyed */
	CHAN_END_FAILED,
	CHAN_END_CRASHED, /* by a signal: nothing is known against its partner
			   */
	CHAN_END_CALLED_BACK, /* its partner dials: REQUESTING until then */
};

#define CHAN_NO_RETRY UINT64_MAX
/* The first retry of an agent that crashed while it was running. */
#define CHAN_CRASH_RETRY_MS 1000u
/* How long a requester waits to be called back. */
#define CHAN_CALL_WAIT_MS 30000u

void chan_init(struct chan_machine *m, const struct chan_retry *r);
enum chan_state chan_state(const struct chan_machine *m);
const char *chan_state_name(const struct chan_machine *m);

/* INACTIVE, STOPPED and RETRYING may be started. */
bool chan_may_start(const struct chan_machine *m);
/* By a person (the retry counts begin anew) or by work: -> STARTING. */
void chan_start(struct chan_machine *m, const struct chan_retry *r);
/* A retry's time has come: RETRYING -> STARTING. */
void chan_retry_now(struct chan_machine *m);
/* What an agent says of itself; false, and nothing changes, if it is not
 * INITIALIZING, BINDING, REQUESTING, RUNNING or PAUSED, or does not fit the
 * present state. */
bool chan_report(
    struct chan_machine *m, const char *state, const struct chan_retry *r);
/* The partner of a requester without a process has called: REQUESTING ->
 * INACTIVE. */
void chan_called(struct chan_machine *m);
/* alive: an agent must end first.  Anything -> STOPPING, STOPPED or INACTIVE.
 */
void chan_stop(struct chan_machine *m, bool alive, bool inactive);
/* The agent is gone: returns the ms after which to start it again
 * (the state is RETRYING), or after which it counts as failed if the partner
 * has not called (REQUESTING), or CHAN_NO_RETRY. */
MQ_MUST_CHECK uint64_t chan_ended(
    struct chan_machine *m, enum chan_end how, const struct chan_retry *r);

#endif

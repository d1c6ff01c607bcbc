/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - what an agent's process gives up before it reads a byte from the
 * network: new privileges, memory that others may look into, and all system
 * calls that it has no use for.  None of it can be taken back.  Main thread.
 */
#ifndef MQ_MCA_SANDBOX_H
#define MQ_MCA_SANDBOX_H

#include <mq/mqi_err.h>

#include "base/check.h"

#define SANDBOX_TEXT_LEN 160u

/* One after the other, each within the one before it; a process that a listener
 * starts has the listener's already. */
enum sandbox_kind {
	SANDBOX_LISTENER, /* accepts, and starts programs */
	SANDBOX_DIALLING, /* resolves names and connects by IP */
	SANDBOX_SERVING,  /* connects to sockets of this host */
	SANDBOX_LINKED,   /* has all sockets that it needs */
};

/* For every agent, first of all: no program that it starts gets more rights
 * than it has, and no other process of its user looks into its memory, where
 * the keys are.  Errors: RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err sandbox_harden(void);

/* Lets through what this kind of agent needs and nothing else from now on.  A
 * kernel that has no filters is told in the log, and is no error.  text
 * (SANDBOX_TEXT_LEN) on a failure.  Errors: RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err sandbox_enter(enum sandbox_kind kind, char *text);

/* What is to be added to "ended by signal N"; "" if it was not a filter. */
const char *sandbox_signal_text(int signum);

#endif

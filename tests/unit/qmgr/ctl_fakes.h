/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_fakes.h - what command execution (qmgr/ctl*.c) calls, without a daemon:
 * objects in the real table, everything else in a few lines, and what was
 * asked of it kept for the test to look at.  Main thread only.
 */
#ifndef MQ_TESTS_CTL_FAKES_H
#define MQ_TESTS_CTL_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmgr/engine/engine.h"
#include "qmgr/pings.h"

struct qmgr;

struct ctl_fakes {
	struct engine_identity who; /* gives the commands: the owner */
	uint32_t may;               /* who is not the owner: rights, */
	const char *may_name;       /* on names that begin so */
	char asked[1024];           /* "start channel A;" ... */
	uint64_t depth;             /* of every queue */
	bool queue_open;            /* every queue is */
	unsigned partners;          /* positions of stream 5a00.. */
	struct pings_then then;     /* the last one */
	bool no_doubt;              /* about no stream */
	uint8_t *reply;             /* the last one, whole frames; malloc'd */
	size_t reply_len;
	uint64_t reply_pos;
	unsigned n_replies;
};

extern struct ctl_fakes ctl_fakes;

void ctl_fakes_init(void);
void ctl_fakes_fini(void);
struct qmgr *ctl_fakes_qmgr(void);
struct engine_session *ctl_fakes_session(void);

#endif

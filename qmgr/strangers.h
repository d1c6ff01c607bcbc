/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strangers.h - sessions of users who are not the queue manager's owner: how
 * many each of them, and all together, may have, so that nobody keeps the owner
 * or others out.  Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_STRANGERS_H
#define MQ_QMGR_STRANGERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

#define STRANGERS_AWAITING 32u      /* of one user, before their hello */
#define STRANGERS_ALL_AWAITING 512u /* of all users */
#define STRANGERS_LOG_MS 10000u
#define STRANGERS_LOG_LINES 100u /* in that time, about refusals */

struct stranger;

struct strangers {
	struct stranger *users; /* who have sessions */
	unsigned max;           /* sessions of all of them */
	unsigned n;
	unsigned n_awaiting;
	uint64_t since_ms;
	unsigned lines;
	unsigned left_out;
};

void strangers_init(struct strangers *t, unsigned max_sessions);

/* A session of the user has begun; false, and a sentence, if it is one too
 * many and must end: it is counted in either case. */
MQ_MUST_CHECK bool strangers_begin(
    struct strangers *t, uid_t uid, const char **ret_why);
void strangers_greeted(struct strangers *t, uid_t uid); /* it said hello */
void strangers_end(struct strangers *t, uid_t uid, bool greeted);

/* Whether a refusal gets a line in the log; *ret_left_out: lines that were left
 * out before this one, to be told now. */
bool strangers_log(
    struct strangers *t, uint64_t now_ms, unsigned *ret_left_out);

#endif

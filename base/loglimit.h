/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loglimit.h - how many lines of one kind the log gets, so that nobody fills
 * the disk by causing them: MQLOGLIMIT_LINES in each MQLOGLIMIT_US.  What is
 * left out is counted.  Pure; one thread.
 */
#ifndef MQ_BASE_LOGLIMIT_H
#define MQ_BASE_LOGLIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define MQLOGLIMIT_US 10000000u
#define MQLOGLIMIT_LINES 100u

/* Zeros: nothing was said yet. */
struct mqloglimit {
	uint64_t since_us;
	uint32_t lines;
	uint64_t left_out;
};

/* Whether there is a line for what happens at now_us, a clock that never steps
 * back; *ret_left_out: how many had none since the last window, to be told
 * before it. */
MQ_MUST_CHECK bool mqloglimit_allows(
    struct mqloglimit *l, uint64_t now_us, uint64_t *ret_left_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.h - whether a partner or a client may use a channel, and as which
 * user: the queue manager is asked, by DISPLAY CHLAUTH MATCH(RUNCHECK).
 * Main thread; waits for the answer.
 */
#ifndef MQ_MCA_ADMIT_H
#define MQ_MCA_ADMIT_H

#include "mca/run.h"
#include "proto/attr.h"

/* Of one who calls; "" for what is not known. */
struct admit_caller {
	const char *channel;
	const char *address;
	const char *subject; /* of its certificate */
	const char *issuer;
	const char *qmgr; /* a partner's */
	const char *user; /* that a client says it is */
};

/* ret_user (MQATTR_USER_LEN + 1 bytes) gets the user.  On a refusal the log
 * says why, with the record; text (CHANNEL_TEXT_LEN), for the caller, does
 * not: it must not learn the rules.
 * Errors: NOT_AUTHORIZED; those of the command. */
MQ_MUST_CHECK enum mqi_err admit(
    struct run *r, const struct admit_caller *who, char *ret_user, char *text);

#endif

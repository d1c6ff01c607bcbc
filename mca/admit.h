/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.h - whether a partner or a client may use a channel, and as which
 * user: the queue manager is asked, by DISPLAY CHLAUTH MATCH(RUNCHECK).  And
 * which channel that is, if it has to be defined first.
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

/* The definition by which one who calls the channel is judged: the channel's
 * or, if there is none, the model's for a channel of chltype ("RCVR",
 * "SVRCONN"; "": none) where the queue manager defines such itself (CHAD);
 * *ret_new says which.  mqctl_list_fini() the row.
 * Errors: UNKNOWN_CHANNEL. */
MQ_MUST_CHECK enum mqi_err admit_find(struct run *r, const char *channel,
    const char *chltype, struct mqctl_list *ret, bool *ret_new, char *text);
/* Has the channel defined, like the model, for one whom CHLAUTH lets in: what
 * admit_find() found is its definition now, but for its name and description.
 * Then admit().  Errors: NOT_AUTHORIZED; EXISTS, it is there by now;
 * UNKNOWN_CHANNEL, RESOURCE_PROBLEM: the queue manager does not. */
MQ_MUST_CHECK enum mqi_err admit_new(struct run *r,
    const struct admit_caller *who, const char *chltype, char *text);
/* ret_user (MQATTR_USER_LEN + 1 bytes) gets the user.  On a refusal the log
 * says why, with the record; text (CHANNEL_TEXT_LEN), for the caller, does
 * not: it must not learn the rules.
 * Errors: NOT_AUTHORIZED; those of the command. */
MQ_MUST_CHECK enum mqi_err admit(
    struct run *r, const struct admit_caller *who, char *ret_user, char *text);

#endif

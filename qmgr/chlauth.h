/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chlauth.h - channel authentication records: who may connect over which
 * channel, and as which user.  Pure: the rules and the question in, the answer
 * out; no clock, no engine.
 *
 * The order is IBM MQ's.  A blocked address is out.  Then, of the records that
 * fit the channel and the partner, one decides: the one with the most specific
 * channel profile; of those, SSLPEERMAP before USERMAP and QMGRMAP before
 * ADDRESSMAP; then the most specific name, issuer and address.  It gives a
 * user (MAP), the channel's MCAUSER (CHANNEL), or refuses (NOACCESS).  Then
 * that user may be blocked.  Ours: a partner that no record fits is refused;
 * so is one that would have no user, or be the owner of the queue manager.
 */
#ifndef MQ_QMGR_CHLAUTH_H
#define MQ_QMGR_CHLAUTH_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/attr.h"

#define CHLAUTH_TEXT_LEN 1536u

/* In the order of precedence. */
enum chlauth_type {
	CHLAUTH_SSLPEERMAP,
	CHLAUTH_USERMAP,
	CHLAUTH_QMGRMAP,
	CHLAUTH_ADDRESSMAP,
	CHLAUTH_BLOCKUSER,
	CHLAUTH_BLOCKADDR,
};

/* "SSLPEERMAP". */
const char *chlauth_type_name(enum chlauth_type type);
enum chlauth_type chlauth_type_of(const struct mqattr_set *record);

/* Whether a channel's name fits a profile, in which '*' stands for any
 * characters; also any other text against a pattern of that form. */
bool chlauth_profile_fits(const char *profile, const char *name);
/* Which is more specific: negative, a; positive, b; 0, they are the same. */
int chlauth_profile_compare(const char *a, const char *b);

/* What a record is, as the command that sets it; cut if it does not fit. */
void chlauth_text(const struct mqattr_set *record, char *ret, size_t len);

/* What is known of a partner; "" for what is not. */
struct chlauth_partner {
	const char *channel;
	const char *address; /* also with a port: "192.0.2.1(4711)" */
	const char *dn;      /* its certificate's subject */
	const char *issuer;
	const char *qmgr;
	const char *user; /* that a client says it is */
};

struct chlauth_question {
	struct chlauth_partner partner;
	/* of the channel's definition */
	const char *sslpeer;
	const char *mcauser;
	bool enabled; /* CHLAUTH of the queue manager */
	bool (*is_privileged)(void *arg, const char *user);
	void *arg;
};

struct chlauth_answer {
	bool allowed;
	char user[MQATTR_USER_LEN + 1];  /* "" if not allowed */
	const struct mqattr_set *rule;   /* that decided; NULL: none */
	const struct mqattr_set *warned; /* that only warned; or NULL */
	char why[CHLAUTH_TEXT_LEN];      /* not allowed: the sentence */
};

/* rules: n records (MQATTR_CHLAUTH), all valid, in any order.  The answer
 * points into them. */
void chlauth_check(const struct mqattr_set *const *rules, size_t n,
    const struct chlauth_question *q, struct chlauth_answer *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlq_rules.h - the rules table of `mqadmin dlq`, in the form of IBM MQ's
 * runmqdlq: which dead letters are retried, forwarded, discarded or left.
 *
 * Pure; one thread per table.
 */
#ifndef MQ_ADMIN_DLQ_RULES_H
#define MQ_ADMIN_DLQ_RULES_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "proto/dlh.h"

#define DLQ_MAX_RULES 4096u
#define DLQ_MAX_ENTRY 8192u /* bytes of an entry, its lines joined */
#define DLQ_MAX_RETRY 999999999u
#define DLQ_WAIT_FOREVER UINT32_MAX

enum dlq_action { DLQ_IGNORE, DLQ_DISCARD, DLQ_RETRY, DLQ_FWD };

struct dlq_rule {
	uint32_t line; /* where it begins */
	uint32_t set;  /* which patterns it has, by their place in the table */
	/* patterns; * and ? stand for any bytes and for one */
	char appl_identity_data[32 + 1];
	char appl_name[28 + 1];
	char dest_q[MQI_NAME_LEN + 1];
	char dest_qmgr[MQI_NAME_LEN + 1];
	char format[8 + 1];
	char reply_q[MQI_NAME_LEN + 1];
	char reply_qmgr[MQI_NAME_LEN + 1];
	char user[12 + 1];
	uint32_t appl_type;
	uint32_t feedback;
	uint32_t msg_type;
	uint32_t persistence;
	uint32_t reason;
	/* what is done */
	enum dlq_action action;
	char fwd_q[MQI_NAME_LEN + 1];    /* or "&DESTQ", "&REPLYQ" */
	char fwd_qmgr[MQI_NAME_LEN + 1]; /* or "&DESTQM", "&REPLYQM"; "" here */
	bool header;                     /* FWD: the dead-letter header stays */
	uint32_t retry;                  /* how often it is tried */
};

struct dlq_rules {
	char input_q[MQI_NAME_LEN + 1];    /* "": not said */
	char input_qmgr[MQI_NAME_LEN + 1]; /* "": not said */
	uint32_t retry_s;                  /* RETRYINT */
	uint32_t wait_s;                   /* WAIT; 0: NO; DLQ_WAIT_FOREVER */
	struct dlq_rule *rules;            /* in order */
	uint32_t n;
};

struct dlq_error {
	uint32_t line; /* of the entry that is wrong, from 1 */
	char text[256];
};

/* Reads a table; dlq_rules_fini() it.  On a failure *ret_error says what is
 * wrong where, and nothing is to be freed.  Errors: SYNTAX, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err dlq_rules_parse(const char *text, size_t len,
    struct dlq_rules *ret, struct dlq_error *ret_error);
void dlq_rules_fini(struct dlq_rules *r);

/* Whether the rule is for this dead letter.  md: as it lies on the queue. */
bool dlq_rule_matches(const struct dlq_rule *rule, const struct mqi_md *md,
    const struct mqdlh *dlh);

#endif

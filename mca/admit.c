/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.c - whether a partner or a client may use a channel (admit.h).
 *
 * Neighbours: run_receiver.c asks for a partner, run_clients.c for a client;
 * qmgr/ctl_chlauth.c answers.  So what an administrator sees by the same
 * command is what happens.
 *
 * Invariant: whoever is let in has a user; no answer is a refusal.
 */
#include "mca/admit.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define PARAMS_MAX 14u

struct answer {
	bool have;
	bool allowed;
	char user[MQATTR_USER_LEN + 1];
	char why[MQCTL_MAX_VALUE + 1];
	char warning[MQCTL_MAX_VALUE + 1];
};

static void
on_row(void *arg, const struct mqctl_list *row)
{
	struct answer *a = arg;

	a->have = true;
	a->allowed = strcmp(run_get(row, "USERSRC"), "NOACCESS") != 0;
	(void)snprintf(a->user, sizeof(a->user), "%s", run_get(row, "MCAUSER"));
	(void)snprintf(a->why, sizeof(a->why), "%s", run_get(row, "REASON"));
	(void)snprintf(
	    a->warning, sizeof(a->warning), "%s", run_get(row, "WARNING"));
}

static void
log_it(const struct admit_caller *who, const char *event, const char *text)
{
	struct mqlog_line l;

	mqlog_begin(&l, MQLOG_WARN, event);
	mqlog_str(&l, "channel", who->channel);
	mqlog_str(&l, "address", who->address);
	mqlog_str(&l, "partner", who->subject);
	if (who->qmgr[0] != '\0')
		mqlog_str(&l, "qmgr", who->qmgr);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

enum mqi_err
admit(struct run *r, const struct admit_caller *who, char *ret_user, char *text)
{
	const char *params[PARAMS_MAX] = {
	    "MATCH", "RUNCHECK", "ADDRESS", who->address};
	struct answer a = {0};
	unsigned n = 4;
	enum mqi_err err;

	if (who->subject[0] != '\0') {
		params[n++] = "SSLPEER";
		params[n++] = who->subject;
		params[n++] = "SSLCERTI";
		params[n++] = who->issuer;
	}
	if (who->qmgr[0] != '\0') {
		params[n++] = "QMNAME";
		params[n++] = who->qmgr;
	}
	if (who->user[0] != '\0') {
		params[n++] = "CLNTUSER";
		params[n++] = who->user;
	}
	params[n] = NULL;
	err = run_display_each(
	    r, MQCTL_CHLAUTH, who->channel, params, on_row, &a, text);
	if (err != MQI_OK)
		return err;
	if (a.warning[0] != '\0')
		log_it(who, "chlauth.warning", a.warning);
	if (a.have && a.allowed && a.user[0] != '\0') {
		(void)snprintf(ret_user, MQATTR_USER_LEN + 1, "%s", a.user);
		return MQI_OK;
	}
	log_it(who, "chlauth.refused", a.why);
	(void)snprintf(text, CHANNEL_TEXT_LEN,
	    "not authorized to use channel %s; the log of the queue manager "
	    "called says why",
	    who->channel);
	return MQI_E_NOT_AUTHORIZED;
}

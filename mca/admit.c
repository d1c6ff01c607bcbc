/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.c - whether a partner or a client may use a channel (admit.h).
 *
 * Neighbours: run_answer.c and run_channel.c ask for a partner, run_clients.c
 * for a client; qmgr/ctl_chlauth.c answers.  So what an administrator sees by
 * the same command is what happens.  qmgr/ctl_autodefine.c defines the channel
 * of one who calls a name that is not there.
 *
 * Invariants: whoever is let in has a user; no answer is a refusal; a channel
 * is defined only for one who may use it.
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

/* What is known of a caller, for the queue manager: pairs, then NULL. */
static void
describe(const struct admit_caller *who, const char **params)
{
	const struct {
		const char *keyword;
		const char *value;
	} all[] = {{"ADDRESS", who->address}, {"SSLPEER", who->subject},
	    {"SSLCERTI", who->subject[0] != '\0' ? who->issuer : ""},
	    {"QMNAME", who->qmgr}, {"CLNTUSER", who->user}};

	unsigned n = 0;

	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		if (all[i].value[0] == '\0')
			continue;
		params[n++] = all[i].keyword;
		params[n++] = all[i].value;
	}
	params[n] = NULL;
}

/* The log has the reason; who calls must not learn the rules. */
static enum mqi_err
refuse(const struct admit_caller *who, const char *why, char *text)
{
	log_it(who, "chlauth.refused", why);
	(void)snprintf(text, CHANNEL_TEXT_LEN,
	    "not authorized to use channel %s; the log of the queue manager "
	    "called says why",
	    who->channel);
	return MQI_E_NOT_AUTHORIZED;
}

enum mqi_err
admit(struct run *r, const struct admit_caller *who, char *ret_user, char *text)
{
	const char *params[PARAMS_MAX] = {"MATCH", "RUNCHECK"};
	struct answer a = {0};
	enum mqi_err err;

	describe(who, params + 2);
	err = run_display_each(
	    r, MQCTL_CHLAUTH, who->channel, params, on_row, &a, text);
	if (err != MQI_OK)
		return err;
	if (a.warning[0] != '\0')
		log_it(who, "chlauth.warning", a.warning);
	if (!a.have || !a.allowed || a.user[0] == '\0')
		return refuse(who, a.why, text);
	(void)snprintf(ret_user, MQATTR_USER_LEN + 1, "%s", a.user);
	return MQI_OK;
}

/* ---- channels that are not there ---- */

/* The model, if there is one that is used. */
static enum mqi_err
find_model(struct run *r, const char *chltype, struct mqctl_list *ret)
{
	bool is_client = strcmp(chltype, "SVRCONN") == 0;
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list qmgr;
	enum mqi_err err;

	if (chltype[0] == '\0')
		return MQI_E_UNKNOWN_CHANNEL;
	err = run_display(r, MQCTL_QMGR, "", &qmgr, text);
	if (err != MQI_OK)
		return err;
	if (strcmp(run_get(&qmgr, "CHAD"), "ENABLED") != 0)
		err = MQI_E_UNKNOWN_CHANNEL;
	mqctl_list_fini(&qmgr);
	return err != MQI_OK
		   ? err
		   : run_display(r, MQCTL_CHANNEL,
			 is_client ? MQATTR_AUTO_SVRCONN : MQATTR_AUTO_RECEIVER,
			 ret, text);
}

enum mqi_err
admit_find(struct run *r, const char *channel, const char *chltype,
    struct mqctl_list *ret, bool *ret_new, char *text)
{
	enum mqi_err err = run_display(r, MQCTL_CHANNEL, channel, ret, text);

	*ret_new = err == MQI_E_UNKNOWN_OBJECT &&
		   find_model(r, chltype, ret) == MQI_OK;
	return err == MQI_OK || *ret_new ? MQI_OK : MQI_E_UNKNOWN_CHANNEL;
}

enum mqi_err
admit_new(struct run *r, const struct admit_caller *who, const char *chltype,
    char *text)
{
	static const struct run_rows none = {.fn = NULL};
	const char *params[PARAMS_MAX] = {"CHLTYPE", chltype};
	enum mqi_err err;

	describe(who, params + 2);
	err = run_command(r, MQCTL_AUTODEFINE, MQCTL_CHANNEL, who->channel,
	    params, &none, text);
	if (err == MQI_E_NOT_AUTHORIZED) {
		char why[CHANNEL_TEXT_LEN];

		(void)snprintf(why, sizeof(why), "%s", text);
		return refuse(who, why, text);
	}
	return err;
}

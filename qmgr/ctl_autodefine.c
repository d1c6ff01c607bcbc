/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_autodefine.c - AUTODEFINE CHANNEL: channels that the queue manager
 * defines by itself, because a partner or an application calls one that does
 * not exist (CHAD).
 *
 * Neighbours: mca/admit.c asks, and nobody else can: no word of MQSC makes this
 * command.  ctl_chlauth.c judges the caller; ctl_object.c has the models made
 * when CHAD is enabled.
 *
 * Invariants.  An agent is given nothing by this but what it is for: a channel
 * of the type RCVR or SVRCONN, like the model of that type, by a name that
 * nothing has, for a caller whom CHLAUTH lets in to it; what is there already
 * is never touched.  There are at most AUTO_MAX such channels, AUTO_PARTNER_MAX
 * of one partner: those whose AUTODEF is not blank.
 *
 * Happy path: CHAD, model, name, judgement, numbers, engine_object_set().
 * Failure: UNKNOWN_CHANNEL, nothing is defined by itself here; EXISTS;
 * NOT_AUTHORIZED, the caller is not let in; RESOURCE_PROBLEM, there are too
 * many.
 */
#include <stdio.h>
#include <string.h>

#include "base/dn.h"
#include "base/log.h"
#include "base/name.h"
#include "qmgr/agents.h"
#include "qmgr/chlauth.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

#define AUTO_MAX 1000u
#define AUTO_PARTNER_MAX 20u

static const struct model {
	const char *type;
	const char *name;
} models[] = {{"RCVR", MQATTR_AUTO_RECEIVER}, {"SVRCONN", MQATTR_AUTO_SVRCONN}};

/* ---- models ---- */

/* NULL: there is none that could be one. */
static const struct mqattr_set *
find_model(const struct ctl *c, const struct model *m)
{
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, m->name);

	if (o == NULL || !mqattr_is(o->attrs, MQATTR_ID_CHLTYPE, m->type))
		return NULL;
	return o->attrs;
}

const struct mqattr_set *
ctl_auto_model(const struct ctl *c, const char *type)
{
	const struct engine_object *qm =
	    engine_object_find(c->engine, MQATTR_QMGR, qmgr_name(c->qm));

	if (qm == NULL || !mqattr_is(qm->attrs, MQATTR_ID_CHAD, "ENABLED"))
		return NULL;
	for (size_t i = 0; i < MQ_ARRAY_LEN(models); i++)
		if (strcmp(models[i].type, type) == 0)
			return find_model(c, &models[i]);
	return NULL;
}

static enum mqi_err
make_model(struct ctl *c, const struct model *m)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_CHANNEL);
	enum mqi_err err;

	mqattr_set_own(set, MQATTR_ID_CHLTYPE, m->type);
	mqattr_set_own(set, MQATTR_ID_DESCR,
	    "what channels are like that are defined by themselves");
	if (mqattr_chltype(set) == MQATTR_SVRCONN)
		mqattr_set_own(set, MQATTR_ID_DISCINT, "0");
	ctl_stamp_set(set, NULL);
	err =
	    engine_object_set(c->engine, MQATTR_CHANNEL, m->name, set, &c->pos);
	mqattr_set_free(set);
	return err;
}

enum mqi_err
ctl_auto_make_models(struct ctl *c)
{
	enum mqi_err err = MQI_OK;

	for (size_t i = 0; i < MQ_ARRAY_LEN(models) && err == MQI_OK; i++) {
		if (find_model(c, &models[i]) != NULL)
			continue;
		if (engine_object_find(
			c->engine, MQATTR_CHANNEL, models[i].name) != NULL)
			err = ctl_fail(c, MQI_E_OBJECT_TYPE,
			    "CHANNEL(%s) must have CHLTYPE(%s)", models[i].name,
			    models[i].type);
		else
			err = make_model(c, &models[i]);
	}
	return err;
}

/* ---- what is asked ---- */

struct wish {
	const char *type;
	const char *by; /* for DESCR: queue manager, or address */
	size_t by_len;
	const struct mqattr_set *model;
	char partner[MQDN_MAX + 1]; /* for AUTODEF */
};

static const char *
option_or_blank(const struct ctl *c, const char *keyword)
{
	const char *v = ctl_option(c, keyword);

	return v != NULL ? v : "";
}

static enum mqi_err
read_wish(struct ctl *c, struct wish *w)
{
	static const char *const options[] = {"CHLTYPE", "ADDRESS", "SSLPEER",
	    "SSLCERTI", "QMNAME", "CLNTUSER", NULL};
	enum mqi_err err = ctl_only_options(c, options);

	if (err != MQI_OK)
		return err;
	if (c->cmd->flags != 0 || c->cmd->like[0] != '\0')
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "AUTODEFINE takes neither LIKE nor options");
	w->type = option_or_blank(c, "CHLTYPE");
	w->by = option_or_blank(c, "QMNAME");
	w->by_len = strlen(w->by);
	if (strcmp(w->type, "RCVR") != 0) {
		w->by = option_or_blank(c, "ADDRESS");
		w->by_len = strcspn(w->by, "(");
	} else if (!mqname_is_valid(w->by, MQI_NAME_LEN)) {
		return ctl_fail(c, MQI_E_OBJECT_NAME,
		    "the partner's queue manager needs a name");
	}
	w->model = ctl_auto_model(c, w->type);
	return MQI_OK;
}

static enum mqi_err
check_name(struct ctl *c, const struct wish *w)
{
	const char *name = c->cmd->name;

	if (!mqname_is_valid(name, MQI_CHANNEL_NAME_LEN))
		return ctl_fail(
		    c, MQI_E_OBJECT_NAME, "the channel's name is not valid");
	if (engine_object_find(c->engine, MQATTR_CHANNEL, name) != NULL)
		return ctl_fail(
		    c, MQI_E_EXISTS, "CHANNEL(%s) exists already", name);
	if (w->model == NULL || strncmp(name, "SYSTEM.", 7) == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_CHANNEL,
		    "CHANNEL(%s) is not there, and not defined by itself",
		    name);
	return MQI_OK;
}

/* Whether the caller is let in; and who it is, as it counts. */
static enum mqi_err
check_caller(struct ctl *c, struct wish *w)
{
	const char *dn = option_or_blank(c, "SSLPEER");
	struct chlauth_answer a;
	size_t len;
	enum mqi_err err = ctl_runcheck(c, w->model, &a);

	if (err != MQI_OK)
		return err;
	if (!a.allowed)
		return ctl_fail(c, MQI_E_NOT_AUTHORIZED, "%.500s", a.why);
	if (dn[0] == '\0' &&
	    !mqattr_is(w->model, MQATTR_ID_SSLCAUTH, "OPTIONAL"))
		return ctl_fail(
		    c, MQI_E_NOT_AUTHORIZED, "it has shown no certificate");
	if (dn[0] != '\0')
		(void)snprintf(w->partner, sizeof(w->partner), "%s", dn);
	else /* no certificate's name is so */
		(void)snprintf(
		    w->partner, sizeof(w->partner), "(user %s)", a.user);
	/* as it is kept, to be found again */
	len = strlen(w->partner);
	while (len > 0 && w->partner[len - 1] == ' ')
		w->partner[--len] = '\0';
	return MQI_OK;
}

static enum mqi_err
check_numbers(struct ctl *c, const struct wish *w)
{
	const struct engine_object *o = NULL;
	unsigned n = 0, of_partner = 0;

	while ((o = engine_object_next(c->engine, MQATTR_CHANNEL, o)) != NULL) {
		const char *by = mqattr_set_has(o->attrs, MQATTR_ID_AUTODEF)
				     ? mqattr_text(o->attrs, MQATTR_ID_AUTODEF)
				     : "";

		n += by[0] != '\0';
		of_partner += strcmp(by, w->partner) == 0;
	}
	if (n >= AUTO_MAX || of_partner >= AUTO_PARTNER_MAX)
		return ctl_fail(c, MQI_E_RESOURCE_PROBLEM,
		    "%u channels have been defined by themselves, %u of them "
		    "for this partner: no more than %u and %u may be",
		    n, of_partner, AUTO_MAX, AUTO_PARTNER_MAX);
	return MQI_OK;
}

/* ---- the definition ---- */

static void
log_it(const struct ctl *c, const struct wish *w)
{
	struct mqlog_line l;

	mqlog_begin(&l, MQLOG_INFO, "channel.autodefined");
	mqlog_str(&l, "channel", c->cmd->name);
	mqlog_str(&l, "type", w->type);
	mqlog_str(&l, "address", option_or_blank(c, "ADDRESS"));
	mqlog_str(&l, "partner", w->partner);
	mqlog_str(&l, "qmgr", option_or_blank(c, "QMNAME"));
	mqlog_end(&l);
}

static enum mqi_err
define(struct ctl *c, const struct wish *w)
{
	struct mqattr_set *set = mqattr_set_copy(w->model);
	char descr[80];
	enum mqi_err err;

	(void)snprintf(descr, sizeof(descr), "Auto-defined by %.*s",
	    (int)(w->by_len < MQI_NAME_LEN ? w->by_len : MQI_NAME_LEN), w->by);
	err = mqattr_set_told(
	    set, MQATTR_ID_DESCR, descr, c->text, sizeof(c->text));
	if (err == MQI_OK)
		err = mqattr_set_told(set, MQATTR_ID_AUTODEF, w->partner,
		    c->text, sizeof(c->text));
	if (err == MQI_OK) {
		ctl_stamp_set(set, NULL);
		err = engine_object_set(
		    c->engine, MQATTR_CHANNEL, c->cmd->name, set, &c->pos);
	}
	mqattr_set_free(set);
	if (err == MQI_OK) {
		agents_refresh_listeners(qmgr_agents(c->qm));
		log_it(c, w);
	}
	return err;
}

enum mqi_err
ctl_autodefine(struct ctl *c)
{
	struct wish w = {.partner = ""};
	enum mqi_err err;

	if (!c->who->is_agent || c->who->channel[0] != '\0')
		return ctl_fail(c, MQI_E_NOT_AUTHORIZED,
		    "only an agent may, before it works for a partner");
	err = read_wish(c, &w);
	if (err == MQI_OK)
		err = check_name(c, &w);
	if (err == MQI_OK)
		err = check_caller(c, &w);
	if (err == MQI_OK)
		err = check_numbers(c, &w);
	return err == MQI_OK ? define(c, &w) : err;
}

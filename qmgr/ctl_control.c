/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_control.c - START, STOP, PING, RESET and REFRESH: commands that change
 * what is going on, not what is defined.
 *
 * Neighbours: ctl.c calls these; agents.h starts and stops processes; the
 * engine resets a stream; qmgr.h stops the queue manager.
 *
 * Invariants: a command is accepted, not waited for: what it leads to is seen
 * by DISPLAY CHSTATUS or LSSTATUS; IGNSTATE(YES) turns only "it is so already"
 * into success.
 *
 * Failure: STATE, UNKNOWN_CHANNEL, UNKNOWN_OBJECT, ATTRIBUTE, OBJECT_IN_USE.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "qmgr/agents.h"
#include "qmgr/ctl_int.h"
#include "qmgr/pings.h"
#include "qmgr/qmgr.h"

static const char *const no_options[] = {NULL};

/* The number of the word that an option has, the first one if it is not
 * given.  words is NULL-terminated. */
static enum mqi_err
option_word(
    struct ctl *c, const char *keyword, const char *const *words, unsigned *ret)
{
	const char *value = ctl_option(c, keyword);
	if (value == NULL) {
		*ret = 0;
		return MQI_OK;
	}
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (strcasecmp(words[i], value) == 0) {
			*ret = i;
			return MQI_OK;
		}
	}
	if (words[1] == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%s(%.64s) is not valid: it must be %s", keyword, value,
		    words[0]);
	return ctl_fail(c, MQI_E_ATTRIBUTE,
	    "%s(%.64s) is not valid: it must be %s, %s%s%s", keyword, value,
	    words[0], words[1], words[2] != NULL ? ", " : "",
	    words[2] != NULL ? words[2] : "");
}

/* Gives a failed start or stop its sentence. */
static enum mqi_err
control_result(struct ctl *c, enum mqi_err err, const char *state)
{
	const char *noun = mqctl_noun_name(c->cmd->noun);
	switch (err) {
	case MQI_E_STATE:
		if (c->cmd->flags & MQCTL_IGNSTATE)
			return MQI_OK;
		return ctl_fail(c, err, "%s(%s) %s", noun, c->cmd->name, state);
	case MQI_E_UNKNOWN_CHANNEL:
	case MQI_E_UNKNOWN_OBJECT:
		return ctl_fail(c, err, "%s(%s) not found", noun, c->cmd->name);
	case MQI_E_Q_MGR_STOPPING:
		return ctl_fail(c, err, "the queue manager is stopping");
	default:
		return err;
	}
}

/* Keeps over restarts whether a person has stopped the channel. */
static enum mqi_err
keep_stop_request(struct ctl *c, bool stopped)
{
	const char *value = stopped ? "YES" : "NO";
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, c->cmd->name);
	if (o == NULL ||
	    strcmp(mqattr_text(o->attrs, MQATTR_ID_STOPREQ), value) == 0)
		return MQI_OK;
	struct mqattr_set *set = mqattr_set_copy(o->attrs);
	mqattr_set_own(set, MQATTR_ID_STOPREQ, value);
	enum mqi_err err = engine_object_set(
	    c->engine, MQATTR_CHANNEL, c->cmd->name, set, &c->pos);
	mqattr_set_free(set);
	return err;
}

enum mqi_err
ctl_start_channel(struct ctl *c)
{
	enum mqi_err err = ctl_only_options(c, no_options);
	if (err == MQI_OK)
		err = control_result(c,
		    agents_start_channel(qmgr_agents(c->qm), c->cmd->name),
		    "runs already");
	return err == MQI_OK ? keep_stop_request(c, false) : err;
}

/* An option that is blank, or not given, is any. */
static const char *
option_or_any(const struct ctl *c, const char *keyword)
{
	const char *value = ctl_option(c, keyword);

	return value == NULL || strspn(value, " ") == strlen(value) ? ""
								    : value;
}

/* One of its instances, or some: the channel stays as it is. */
static enum mqi_err
stop_instances(struct ctl *c, enum agents_stop_mode mode, bool stopped)
{
	if (stopped)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "STATUS(STOPPED) is of the whole channel: give no CONNAME "
		    "or QMNAME with it");
	return control_result(c,
	    agents_stop_instances(qmgr_agents(c->qm), c->cmd->name,
		option_or_any(c, "CONNAME"), option_or_any(c, "QMNAME"), mode),
	    "has no such instance: DISPLAY CHSTATUS shows those that run");
}

enum mqi_err
ctl_stop_channel(struct ctl *c)
{
	static const char *const options[] = {
	    "MODE", "STATUS", "CONNAME", "QMNAME", NULL};
	static const char *const modes[] = {
	    "QUIESCE", "FORCE", "TERMINATE", NULL};
	static const char *const states[] = {"STOPPED", "INACTIVE", NULL};

	static const enum agents_stop_mode stop_modes[] = {
	    AGENTS_QUIESCE, AGENTS_FORCE, AGENTS_TERMINATE};

	unsigned mode = 0;
	unsigned state = 0;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = option_word(c, "MODE", modes, &mode);
	if (err == MQI_OK)
		err = option_word(c, "STATUS", states, &state);
	if (err == MQI_OK && (ctl_option(c, "CONNAME") != NULL ||
				 ctl_option(c, "QMNAME") != NULL))
		return stop_instances(c, stop_modes[mode],
		    state == 0 && ctl_option(c, "STATUS") != NULL);
	if (err == MQI_OK)
		err = control_result(c,
		    agents_stop_channel(qmgr_agents(c->qm), c->cmd->name,
			stop_modes[mode], state == 1),
		    "does not run");
	return err == MQI_OK ? keep_stop_request(c, state == 0) : err;
}

/* A new stream begins, which the partner has nothing of. */
static enum mqi_err
reset_stream(struct ctl *c, const struct engine_object *o)
{
	static const char *const options[] = {"SEQNUM", NULL};
	enum mqi_err err = ctl_only_options(c, options);
	struct engine_stream_status st = {.acked = 0};
	const char *queue;

	if (err != MQI_OK)
		return err;
	queue = mqattr_text(o->attrs, MQATTR_ID_XMITQ);
	(void)!engine_stream_status(c->engine, queue, &st);
	if (st.in_doubt && !st.is_sending && !(c->cmd->flags & MQCTL_FORCE))
		return ctl_fail(c, MQI_E_CHANNEL_INDOUBT,
		    "messages after number %" PRIu64 ", up to %" PRIu64
		    ", may have arrived: RESOLVE CHANNEL says which, or FORCE "
		    "sends them again",
		    st.acked, st.handed);
	err = engine_stream_reset(c->engine, queue, &c->pos);
	if (err == MQI_E_OBJECT_IN_USE)
		return ctl_fail(
		    c, err, "CHANNEL(%s) runs: stop it first", c->cmd->name);
	if (err == MQI_E_STATE)
		return ctl_fail(c, err,
		    "XMITQ(%s) still removes what was acknowledged: try again",
		    queue);
	if (err != MQI_OK)
		return ctl_fail(c, err, "XMITQ(%s) of CHANNEL(%s): %s", queue,
		    c->cmd->name, mqi_strerror(err));
	(void)snprintf(c->text, sizeof(c->text),
	    "a new stream begins; the old one was acknowledged up to %" PRIu64
	    " and handed out up to %" PRIu64,
	    st.acked, st.handed);
	return MQI_OK;
}

/* RESET CHANNEL SEQNUM(1): where a stream begins, at either end. */
enum mqi_err
ctl_reset_channel(struct ctl *c)
{
	static const char *const options[] = {
	    "SEQNUM", "STREAM", "RQMID", "LSTSEQNO", NULL};
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, c->cmd->name);
	enum mqi_err err = ctl_only_options(c, options);
	const char *seqnum = ctl_option(c, "SEQNUM");

	if (err != MQI_OK)
		return err;
	if (o == NULL)
		return control_result(c, MQI_E_UNKNOWN_CHANNEL, "");
	if (seqnum != NULL && strcmp(seqnum, "1") != 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "SEQNUM(%.64s) is not valid: a stream begins with 1",
		    seqnum);
	if (mqattr_set_has(o->attrs, MQATTR_ID_XMITQ))
		return reset_stream(c, o);
	return ctl_reset_position(c, o);
}

enum mqi_err
ctl_start_listener(struct ctl *c)
{
	enum mqi_err err = ctl_only_options(c, no_options);
	if (err != MQI_OK)
		return err;
	return control_result(c,
	    agents_start_listener(qmgr_agents(c->qm), c->cmd->name),
	    "runs already");
}

enum mqi_err
ctl_stop_listener(struct ctl *c)
{
	enum mqi_err err = ctl_only_options(c, no_options);
	if (err != MQI_OK)
		return err;
	return control_result(c,
	    agents_stop_listener(qmgr_agents(c->qm), c->cmd->name),
	    "does not run");
}

enum mqi_err
ctl_ping_qmgr(struct ctl *c)
{
	return ctl_only_options(c, no_options);
}

/* Who asks is answered when the partner has answered, or has not. */
enum mqi_err
ctl_ping_channel(struct ctl *c)
{
	const char *name = c->cmd->name;
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, name);
	enum mqi_err err = ctl_only_options(c, no_options);

	if (err != MQI_OK)
		return err;
	if (o == NULL)
		return control_result(c, MQI_E_UNKNOWN_CHANNEL, "");
	if (!mqattr_set_has(o->attrs, MQATTR_ID_CONNAME) ||
	    mqattr_text(o->attrs, MQATTR_ID_CONNAME)[0] == '\0')
		return ctl_fail(c, MQI_E_OBJECT_TYPE,
		    "CHANNEL(%s) has no CONNAME: its partner calls, and pings",
		    name);
	if (agents_channel_in_use(qmgr_agents(c->qm), name))
		return ctl_fail(c, MQI_E_STATE,
		    "CHANNEL(%s) is in use: DISPLAY CHSTATUS shows how it is",
		    name);
	err = pings_start(
	    qmgr_pings(c->qm), c->session, c->id, "ping", name, NULL);
	if (err == MQI_E_RESOURCE_PROBLEM)
		return ctl_fail(
		    c, err, "%u pings are under way: try again", PINGS_MAX);
	c->later = err == MQI_OK;
	return err == MQI_OK ? err : control_result(c, err, "");
}

enum mqi_err
ctl_reset_qmgr(struct ctl *c)
{
	static const char *const options[] = {"TYPE", NULL};
	static const char *const types[] = {"ADVANCELOG", NULL};
	unsigned type = 0;
	enum mqi_err err = ctl_only_options(c, options);
	if (err != MQI_OK)
		return err;
	if (ctl_option(c, "TYPE") == NULL)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "TYPE(ADVANCELOG) is required");
	err = option_word(c, "TYPE", types, &type);
	if (err == MQI_OK)
		engine_checkpoint(c->engine);
	return err;
}

enum mqi_err
ctl_refresh_security(struct ctl *c)
{
	static const char *const options[] = {"TYPE", NULL};
	static const char *const types[] = {"AUTHSERV", "SSL", NULL};
	unsigned type = 0;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = option_word(c, "TYPE", types, &type);
	if (err != MQI_OK)
		return err;
	if (type == 0)
		engine_authority_changed(c->engine);
	/* records are always current; what agents keep is certificates, and a
	 * partner that they have let in */
	agents_refresh(qmgr_agents(c->qm));
	return MQI_OK;
}

enum mqi_err
ctl_stop_qmgr(struct ctl *c)
{
	static const char *const options[] = {"MODE", NULL};
	static const char *const modes[] = {"QUIESCE", "IMMEDIATE", NULL};
	unsigned mode = 0;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = option_word(c, "MODE", modes, &mode);
	if (err == MQI_OK)
		qmgr_stop(c->qm, mode == 1);
	return err;
}

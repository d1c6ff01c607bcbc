/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_object.c - DEFINE, ALTER, DELETE and CLEAR: commands that change objects.
 *
 * Neighbours: ctl.c calls these; proto/attr.h checks values; the engine keeps
 * the objects and makes changes durable; agents say whether a channel or
 * listener is in use.
 *
 * Invariants: attributes are collected in a set of their own, so that a
 * command that fails half-way has changed nothing; CRDATE and CRTIME never
 * change after the first DEFINE; ALTDATE and ALTTIME do with each change; what
 * a channel needs is there before it is stored.
 *
 * Happy path of DEFINE: names, existing object, LIKE, pairs, what is required,
 * stamps, engine_object_set().  Failure: EXISTS, UNKNOWN_OBJECT, ATTRIBUTE,
 * OBJECT_NAME, OBJECT_IN_USE, Q_NOT_EMPTY, each with a sentence.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cipher.h"
#include "base/clock.h"
#include "base/compress.h"
#include "base/dn.h"
#include "base/name.h"
#include "qmgr/agents.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"
#include "qmgr/services.h"

static const char *
type_name(const struct ctl *c)
{
	return mqctl_noun_name(c->cmd->noun);
}

static enum mqi_err
check_name(struct ctl *c)
{
	size_t max =
	    c->cmd->noun == MQCTL_CHANNEL ? MQI_CHANNEL_NAME_LEN : MQI_NAME_LEN;
	if (!mqname_is_valid(c->cmd->name, max))
		return ctl_fail(c, MQI_E_OBJECT_NAME,
		    "'%s' is not a name of at most %zu letters, digits and "
		    ". / _ %%",
		    c->cmd->name, max);
	return MQI_OK;
}

static enum mqi_err
unknown(struct ctl *c, const char *name)
{
	return ctl_fail(
	    c, MQI_E_UNKNOWN_OBJECT, "%s(%s) not found", type_name(c), name);
}

/* ---- attributes ---- */

/* Finds the attribute; a flag also by its NO form. */
static const struct mqattr_def *
find_attr(enum mqattr_object type, const char *keyword, bool *ret_negated)
{
	const struct mqattr_def *d = mqattr_find(type, keyword);
	*ret_negated = false;
	if (d != NULL || strncasecmp(keyword, "NO", 2) != 0)
		return d;
	d = mqattr_find(type, keyword + 2);
	*ret_negated = true;
	return d != NULL && d->kind == MQATTR_FLAG ? d : NULL;
}

static enum mqi_err
set_pair(struct ctl *c, struct mqattr_set *set, const struct mqctl_pair *p,
    bool seen[MQATTR_MAX + 1])
{
	bool negated;
	enum mqattr_object type = mqattr_set_type(set);
	const struct mqattr_def *d = find_attr(type, p->keyword, &negated);
	if (d == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%s is not an attribute of %s", p->keyword, type_name(c));
	if (!mqattr_set_has(set, d->id))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%s is not an attribute of CHANNEL with CHLTYPE(%s)",
		    d->keyword, mqattr_text(set, MQATTR_ID_CHLTYPE));
	if (seen[d->id])
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "%s is given twice", d->keyword);
	seen[d->id] = true;
	const char *value = p->value;
	if (d->kind == MQATTR_FLAG && *value == '\0')
		value = negated ? "NO" : "YES";
	else if (negated)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "%s takes no value", p->keyword);
	return mqattr_set_text(set, d->id, value, c->text, sizeof(c->text));
}

/* CHLTYPE decides which attributes there are: it goes first and, once the
 * channel exists, stays. */
static enum mqi_err
set_chltype(struct ctl *c, struct mqattr_set *set, bool exists)
{
	const char *value = mqctl_list_get(&c->cmd->attrs, "CHLTYPE");
	if (value == NULL) {
		if (exists)
			return MQI_OK;
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "CHLTYPE is required: SDR, RCVR, SVR, RQSTR or SVRCONN");
	}
	if (exists &&
	    strcasecmp(value, mqattr_text(set, MQATTR_ID_CHLTYPE)) != 0)
		return ctl_fail(c, MQI_E_OBJECT_TYPE,
		    "the CHLTYPE of CHANNEL(%s) is %s and cannot be changed",
		    c->cmd->name, mqattr_text(set, MQATTR_ID_CHLTYPE));
	enum mqi_err err = mqattr_set_text(
	    set, MQATTR_ID_CHLTYPE, value, c->text, sizeof(c->text));
	/* an application that rests is not done */
	if (err == MQI_OK && !exists && mqattr_chltype(set) == MQATTR_SVRCONN)
		mqattr_set_own(set, MQATTR_ID_DISCINT, "0");
	return err;
}

static enum mqi_err
set_pairs(struct ctl *c, struct mqattr_set *set, bool exists)
{
	bool seen[MQATTR_MAX + 1] = {false};
	enum mqi_err err = MQI_OK;
	if (mqattr_set_type(set) == MQATTR_CHANNEL)
		err = set_chltype(c, set, exists);
	for (uint32_t i = 0; i < c->cmd->attrs.n && err == MQI_OK; i++)
		err = set_pair(c, set, &c->cmd->attrs.pairs[i], seen);
	return err;
}

static enum mqi_err
check_names(struct ctl *c, const struct mqattr_set *set)
{
	const char *p = mqattr_text(set, MQATTR_ID_NAMES);
	char name[MQI_NAME_LEN + 1];
	unsigned n = 0;

	while (*p != '\0') {
		size_t len = strcspn(p, ",");

		(void)snprintf(name, sizeof(name), "%.*s",
		    (int)(len < sizeof(name) ? len : sizeof(name)), p);
		if (len > MQI_NAME_LEN || !mqname_is_valid(name, MQI_NAME_LEN))
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "NAMES(%.64s) is not valid: it must be names of at "
			    "most 48 letters, digits and . / _ %%",
			    p);
		if (++n > MQATTR_NAMES_MAX)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "NAMES is not valid: it must be at most %u names",
			    MQATTR_NAMES_MAX);
		p += len + (p[len] == ',');
	}
	return MQI_OK;
}

static enum mqi_err
check_appltype(struct ctl *c, const struct mqattr_set *set)
{
	static const char *const words[] = {"UNIX", "CICS", "DOS", "IMS", "MVS",
	    "NOTESAGENT", "NSK", "OS400", "WINDOWS", "WINDOWSNT"};
	const char *v = mqattr_text(set, MQATTR_ID_APPLTYPE);

	for (size_t i = 0; i < MQ_ARRAY_LEN(words); i++)
		if (strcmp(words[i], v) == 0)
			return MQI_OK;
	if (*v != '\0' && strlen(v) <= 9 &&
	    strspn(v, "0123456789") == strlen(v))
		return MQI_OK;
	return ctl_fail(c, MQI_E_ATTRIBUTE,
	    "APPLTYPE(%s) is not valid: it must be UNIX, CICS, DOS, IMS, MVS, "
	    "NOTESAGENT, NSK, OS400, WINDOWS, WINDOWSNT or a number from 0 to "
	    "999999999",
	    v);
}

/* Programs and files are named by whole paths, maybe with an insert first. */
static enum mqi_err
check_paths(struct ctl *c, const struct mqattr_set *set)
{
	static const enum mqattr paths[] = {MQATTR_ID_STARTCMD,
	    MQATTR_ID_STOPCMD, MQATTR_ID_STDOUT, MQATTR_ID_STDERR};

	for (size_t i = 0; i < MQ_ARRAY_LEN(paths); i++) {
		const char *v = mqattr_text(set, paths[i]);

		if (*v == '\0' || *v == '/' || *v == '+')
			continue;
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%s(%s) must be a whole path, or begin with an insert",
		    mqattr_def(MQATTR_SERVICE, paths[i])->keyword, v);
	}
	return MQI_OK;
}

/* What the table of attributes cannot say of a value. */
static enum mqi_err
check_values(struct ctl *c, const struct mqattr_set *set)
{
	struct mqcompress_list compmsg;
	struct mqcipher lets;
	char why[MQDN_WHY_LEN];
	const char *v;

	if (mqattr_set_has(set, MQATTR_ID_SSLCIPH) &&
	    !mqcipher_find(mqattr_text(set, MQATTR_ID_SSLCIPH), &lets))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "SSLCIPH(%s) is not a CipherSpec that there is",
		    mqattr_text(set, MQATTR_ID_SSLCIPH));
	if (mqattr_set_has(set, MQATTR_ID_COMPMSG) &&
	    !mqcompress_parse(mqattr_text(set, MQATTR_ID_COMPMSG), &compmsg))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "COMPMSG(%s) must be of NONE, ZLIBFAST, ZLIBHIGH, LZ4FAST, "
		    "none twice",
		    mqattr_text(set, MQATTR_ID_COMPMSG));
	if (mqattr_set_has(set, MQATTR_ID_CERTLABL)) {
		v = mqattr_text(set, MQATTR_ID_CERTLABL);
		if (*v != '\0' && !mqname_is_label(v))
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "CERTLABL(%s) must be letters, digits, - _ and .",
			    v);
	}
	if (mqattr_set_has(set, MQATTR_ID_SSLPEER)) {
		v = mqattr_text(set, MQATTR_ID_SSLPEER);
		if (*v != '\0' && mqdn_check(v, why) != MQI_OK)
			return ctl_fail(c, MQI_E_ATTRIBUTE, "SSLPEER: %s", why);
	}
	if (mqattr_set_has(set, MQATTR_ID_NAMES))
		return check_names(c, set);
	if (mqattr_set_has(set, MQATTR_ID_APPLTYPE))
		return check_appltype(c, set);
	if (mqattr_set_has(set, MQATTR_ID_STARTCMD))
		return check_paths(c, set);
	if (mqattr_set_type(set) == MQATTR_TOPIC &&
	    mqattr_text(set, MQATTR_ID_TOPICSTR)[0] == '\0' &&
	    strncmp(c->cmd->name, "SYSTEM.", 7) != 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE, "TOPICSTR is required");
	return MQI_OK;
}

static enum mqi_err
check_required(struct ctl *c, const struct mqattr_set *set)
{
	static const enum mqattr required[] = {
	    MQATTR_ID_XMITQ, MQATTR_ID_CONNAME, MQATTR_ID_SSLPEER};
	enum mqi_err err = check_values(c, set);

	if (err != MQI_OK || mqattr_set_type(set) != MQATTR_CHANNEL)
		return err;
	for (size_t i = 0; i < MQ_ARRAY_LEN(required); i++) {
		/* who may call is for CHLAUTH to say */
		if (required[i] == MQATTR_ID_SSLPEER &&
		    !mqattr_set_has(set, MQATTR_ID_CONNAME))
			continue;
		if (!mqattr_set_has(set, required[i]) ||
		    (required[i] == MQATTR_ID_CONNAME &&
			mqattr_chltype(set) == MQATTR_SVR) ||
		    mqattr_text(set, required[i])[0] != '\0')
			continue;
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "CHANNEL(%s) with CHLTYPE(%s) needs %s", c->cmd->name,
		    mqattr_text(set, MQATTR_ID_CHLTYPE),
		    mqattr_def(MQATTR_CHANNEL, required[i])->keyword);
	}
	return MQI_OK;
}

void
ctl_stamp_set(struct mqattr_set *set, const struct mqattr_set *created)
{
	char date[CTL_DATE_LEN];
	char time[CTL_TIME_LEN];
	ctl_stamp(mqclock_wall_us() / 1000, date, time);
	mqattr_set_own(set, MQATTR_ID_ALTDATE, date);
	mqattr_set_own(set, MQATTR_ID_ALTTIME, time);
	/* LIKE and the default object do not stop what is defined by them */
	if (mqattr_set_has(set, MQATTR_ID_STOPREQ))
		mqattr_set_own(set, MQATTR_ID_STOPREQ,
		    created != NULL ? mqattr_text(created, MQATTR_ID_STOPREQ)
				    : "NO");
	if (!mqattr_set_has(set, MQATTR_ID_CRDATE))
		return;
	mqattr_set_own(set, MQATTR_ID_CRDATE,
	    created != NULL ? mqattr_text(created, MQATTR_ID_CRDATE) : date);
	mqattr_set_own(set, MQATTR_ID_CRTIME,
	    created != NULL ? mqattr_text(created, MQATTR_ID_CRTIME) : time);
}

/* A copy goes elsewhere, and none is made of what only passes through. */
static enum mqi_err
check_stream_queue(struct ctl *c, const struct mqattr_set *set)
{
	const char *to = mqattr_text(set, MQATTR_ID_STREAMQ);

	if (to[0] == '\0')
		return MQI_OK;
	if (strcmp(to, c->cmd->name) == 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "STREAMQ of QLOCAL(%s) is itself: name another queue", to);
	if (mqattr_is(set, MQATTR_ID_USAGE, "XMITQ"))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "QLOCAL(%s) is a transmission queue: it has no STREAMQ",
		    c->cmd->name);
	return MQI_OK;
}

static enum mqi_err
store(struct ctl *c, struct mqattr_set *set)
{
	enum mqattr_object type = mqattr_set_type(set);
	enum mqi_err err = MQI_OK;

	if (type == MQATTR_QLOCAL)
		err = check_stream_queue(c, set);
	if (type == MQATTR_SUB)
		err = engine_sub_prepare(
		    c->engine, set, c->text, sizeof(c->text));
	if (err != MQI_OK)
		return err;
	err = engine_object_set(c->engine, type,
	    type == MQATTR_QMGR ? qmgr_name(c->qm) : c->cmd->name, set,
	    &c->pos);
	if (err == MQI_OK && (type == MQATTR_CHANNEL || type == MQATTR_QMGR))
		agents_refresh_listeners(qmgr_agents(c->qm));
	switch (err) {
	case MQI_E_OBJECT_TYPE:
		return ctl_fail(
		    c, err, "'%s' is a queue of another type", c->cmd->name);
	case MQI_E_Q_NOT_EMPTY:
		return ctl_fail(c, err,
		    "USAGE of QLOCAL(%s) cannot be changed: it is not empty",
		    c->cmd->name);
	case MQI_E_OBJECT_IN_USE:
		return ctl_fail(
		    c, err, "%s(%s) is in use", type_name(c), c->cmd->name);
	case MQI_E_TOPIC_STRING_ERROR:
		return ctl_fail(c, err,
		    "TOPICSTR of %s(%s) is not valid: it must have 1 to 10240 "
		    "bytes, at most 512 levels and no control characters",
		    type_name(c), c->cmd->name);
	case MQI_E_EXISTS:
		return ctl_fail(
		    c, err, "there is another topic object with this TOPICSTR");
	default:
		return err;
	}
}

/* ---- DEFINE ---- */

/* The defaults of a type: those of its default object, where there is one, but
 * for its description, which says what it is itself. */
static struct mqattr_set *
define_defaults(const struct ctl *c, enum mqattr_object type)
{
	static const char *const names[MQATTR_OBJECT_MAX + 1] = {
	    [MQATTR_QLOCAL] = "SYSTEM.DEFAULT.LOCAL.QUEUE",
	    [MQATTR_QALIAS] = "SYSTEM.DEFAULT.ALIAS.QUEUE",
	    [MQATTR_QREMOTE] = "SYSTEM.DEFAULT.REMOTE.QUEUE",
	    [MQATTR_QMODEL] = "SYSTEM.DEFAULT.MODEL.QUEUE",
	    [MQATTR_LISTENER] = "SYSTEM.DEFAULT.LISTENER.TCP",
	    [MQATTR_NAMELIST] = "SYSTEM.DEFAULT.NAMELIST",
	    [MQATTR_PROCESS] = "SYSTEM.DEFAULT.PROCESS",
	    [MQATTR_SERVICE] = "SYSTEM.DEFAULT.SERVICE",
	    [MQATTR_TOPIC] = "SYSTEM.DEFAULT.TOPIC",
	};
	const struct engine_object *o = NULL;
	if (names[type] != NULL && strcmp(names[type], c->cmd->name) != 0)
		o = engine_object_find(c->engine, type, names[type]);
	if (o == NULL)
		return mqattr_set_new(type);
	struct mqattr_set *set = mqattr_set_copy(o->attrs);
	mqattr_set_own(set, MQATTR_ID_DESCR, "");
	return set;
}

/* The set to start from. */
static enum mqi_err
define_base(struct ctl *c, enum mqattr_object type, struct mqattr_set **ret)
{
	if (c->cmd->like[0] == '\0') {
		*ret = define_defaults(c, type);
		return MQI_OK;
	}
	const struct engine_object *like =
	    engine_object_find(c->engine, type, c->cmd->like);
	if (like == NULL)
		return unknown(c, c->cmd->like);
	*ret = mqattr_set_copy(like->attrs);
	/* a person defines this one */
	if (mqattr_set_has(*ret, MQATTR_ID_AUTODEF))
		mqattr_set_own(*ret, MQATTR_ID_AUTODEF, "");
	return MQI_OK;
}

/* A channel that is replaced keeps its type. */
static enum mqi_err
check_replaced(struct ctl *c, const struct engine_object *old,
    const struct mqattr_set *set)
{
	if (old == NULL || old->type != MQATTR_CHANNEL ||
	    mqattr_is(set, MQATTR_ID_CHLTYPE,
		mqattr_text(old->attrs, MQATTR_ID_CHLTYPE)))
		return MQI_OK;
	return ctl_fail(c, MQI_E_OBJECT_TYPE,
	    "the CHLTYPE of CHANNEL(%s) is %s and cannot be changed",
	    c->cmd->name, mqattr_text(old->attrs, MQATTR_ID_CHLTYPE));
}

/* The queue of a managed subscription is not a person's to choose. */
static enum mqi_err
check_dest(struct ctl *c, const struct mqattr_set *set)
{
	const char *dest = ctl_option(c, "DEST");

	if (mqattr_set_type(set) != MQATTR_SUB || dest == NULL ||
	    *dest == '\0' || !mqattr_is(set, MQATTR_ID_DESTCLAS, "MANAGED"))
		return MQI_OK;
	return ctl_fail(
	    c, MQI_E_ATTRIBUTE, "DEST cannot be given with DESTCLAS(MANAGED)");
}

enum mqi_err
ctl_define(struct ctl *c)
{
	struct mqattr_set *set = NULL;
	enum mqattr_object type = ctl_noun_type(c->cmd->noun);
	enum mqi_err err = check_name(c);
	if (err != MQI_OK)
		return err;
	const struct engine_object *old =
	    engine_object_find(c->engine, type, c->cmd->name);
	if (old != NULL && (c->cmd->flags & MQCTL_REPLACE) == 0)
		return ctl_fail(c, MQI_E_EXISTS, "%s(%s) exists already",
		    type_name(c), c->cmd->name);
	const bool is_new = old == NULL;
	err = define_base(c, type, &set);
	if (err == MQI_OK)
		err = set_pairs(c, set, c->cmd->like[0] != '\0');
	if (err == MQI_OK)
		err = check_dest(c, set);
	if (err == MQI_OK)
		err = check_replaced(c, old, set);
	if (err == MQI_OK)
		err = check_required(c, set);
	if (err == MQI_OK) {
		ctl_stamp_set(set, old != NULL ? old->attrs : NULL);
		if (type == MQATTR_SUB &&
		    mqattr_text(set, MQATTR_ID_SUBUSER)[0] == '\0')
			mqattr_set_own(set, MQATTR_ID_SUBUSER, c->who->user);
		if (type == MQATTR_SUB)
			engine_sub_keep(set, old != NULL ? old->attrs : NULL);
		err = store(c, set);
		if (err == MQI_OK && type == MQATTR_SUB && is_new)
			engine_sub_started(c->engine, c->cmd->name);
	}
	mqattr_set_free(set);
	return err;
}

/* ---- ALTER, DELETE, CLEAR ---- */

/* What a subscription is for, and where its queue is, stays. */
static enum mqi_err
check_fixed(struct ctl *c, enum mqattr_object type)
{
	static const char *const fixed[] = {"TOPICSTR", "TOPICOBJ", "DESTCLAS"};

	for (size_t i = 0; type == MQATTR_SUB && i < MQ_ARRAY_LEN(fixed); i++)
		if (ctl_option(c, fixed[i]) != NULL)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s of a subscription cannot be altered", fixed[i]);
	return MQI_OK;
}

enum mqi_err
ctl_alter(struct ctl *c)
{
	enum mqattr_object type = ctl_noun_type(c->cmd->noun);
	const char *name =
	    type == MQATTR_QMGR ? qmgr_name(c->qm) : c->cmd->name;
	const struct engine_object *old =
	    engine_object_find(c->engine, type, name);
	if (old == NULL && type != MQATTR_QMGR)
		return unknown(c, name);
	struct mqattr_set *set =
	    old != NULL ? mqattr_set_copy(old->attrs) : mqattr_set_new(type);
	enum mqi_err err = check_fixed(c, type);
	if (err == MQI_OK)
		err = set_pairs(c, set, true);
	if (err == MQI_OK)
		err = check_dest(c, set);
	if (err == MQI_OK)
		err = check_required(c, set);
	if (err == MQI_OK && ctl_option(c, "CHAD") != NULL &&
	    mqattr_is(set, MQATTR_ID_CHAD, "ENABLED"))
		err = ctl_auto_make_models(c);
	if (err == MQI_OK) {
		ctl_stamp_set(set, old != NULL ? old->attrs : NULL);
		err = store(c, set);
	}
	mqattr_set_free(set);
	return err;
}

static bool
agent_uses(const struct ctl *c)
{
	const struct agents *a = qmgr_agents(c->qm);
	if (c->cmd->noun == MQCTL_CHANNEL)
		return agents_channel_in_use(a, c->cmd->name);
	if (c->cmd->noun == MQCTL_LISTENER)
		return agents_listener_in_use(a, c->cmd->name);
	if (c->cmd->noun == MQCTL_SERVICE)
		return services_in_use(qmgr_services(c->qm), c->cmd->name);
	return false;
}

enum mqi_err
ctl_delete(struct ctl *c)
{
	static const char *const none[] = {NULL};
	enum mqattr_object type = ctl_noun_type(c->cmd->noun);
	enum mqi_err err = ctl_only_options(c, none);
	if (err != MQI_OK)
		return err;
	if (engine_object_find(c->engine, type, c->cmd->name) == NULL) {
		if (c->cmd->flags & MQCTL_IGNSTATE)
			return MQI_OK;
		return unknown(c, c->cmd->name);
	}
	if (agent_uses(c))
		return ctl_fail(c, MQI_E_OBJECT_IN_USE,
		    "%s(%s) is in use: stop it first", type_name(c),
		    c->cmd->name);
	err = engine_object_delete(c->engine, type, c->cmd->name,
	    (c->cmd->flags & MQCTL_PURGE) != 0, &c->pos);
	if (err == MQI_E_Q_NOT_EMPTY)
		return ctl_fail(c, err,
		    "QLOCAL(%s) is not empty: PURGE deletes its messages too",
		    c->cmd->name);
	if (err == MQI_E_OBJECT_IN_USE)
		return ctl_fail(
		    c, err, "%s(%s) is open", type_name(c), c->cmd->name);
	if (err == MQI_OK && type == MQATTR_CHANNEL)
		agents_channel_deleted(qmgr_agents(c->qm), c->cmd->name);
	if (err == MQI_OK && type == MQATTR_LISTENER)
		agents_listener_deleted(qmgr_agents(c->qm), c->cmd->name);
	if (err == MQI_OK && type == MQATTR_SERVICE)
		services_deleted(qmgr_services(c->qm), c->cmd->name);
	return err;
}

enum mqi_err
ctl_clear(struct ctl *c)
{
	static const char *const none[] = {NULL};
	enum mqi_err err = ctl_only_options(c, none);
	if (err != MQI_OK)
		return err;
	err = engine_queue_clear(c->engine, c->cmd->name, &c->pos);
	if (err == MQI_E_UNKNOWN_OBJECT)
		return unknown(c, c->cmd->name);
	if (err == MQI_E_OBJECT_IN_USE)
		return ctl_fail(c, err,
		    "QLOCAL(%s) is open, or messages of it may have been sent",
		    c->cmd->name);
	return err;
}

enum mqi_err
ctl_clear_topic(struct ctl *c)
{
	static const char *const options[] = {"TOPICSTR", "CLRTYPE", NULL};
	const char *type = ctl_option(c, "CLRTYPE");
	const char *topic = ctl_option(c, "TOPICSTR");
	enum mqi_err err = ctl_only_options(c, options);
	if (err != MQI_OK)
		return err;
	if (type == NULL || strcasecmp(type, "RETAINED") != 0)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "CLRTYPE(RETAINED) is required");
	if (topic == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE, "TOPICSTR is required");
	err = engine_topic_clear(c->engine, topic, &c->pos);
	if (err == MQI_E_NO_RETAINED_MSG)
		return ctl_fail(
		    c, err, "nothing is retained of TOPICSTR(%.200s)", topic);
	if (err == MQI_E_STATE)
		return ctl_fail(c, err,
		    "retained publications are still being read: try again");
	return err;
}

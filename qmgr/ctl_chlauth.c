/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_chlauth.c - SET and DISPLAY of channel authentication records.
 *
 * Neighbours: ctl.c calls these; chlauth.c judges; the engine keeps a record
 * as an object whose name is derived from its key: profile, type, and what it
 * asks of the partner.
 *
 * Invariants: there is one record per key; a record that is kept is valid as a
 * whole, so that judging never meets one that cannot be read; listeners are
 * told of each change, since they keep the blocked addresses.
 *
 * Happy path of SET: the profile, the attributes, what the type needs, the
 * action, engine_object_set().  Failure: ATTRIBUTE, OBJECT_NAME, EXISTS,
 * UNKNOWN_OBJECT, RESOURCE_PROBLEM (too many records), each with a sentence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/dn.h"
#include "base/mem.h"
#include "qmgr/agents.h"
#include "qmgr/chlauth.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

#define MAX_RECORDS 10000u

static const enum mqattr key_ids[] = {MQATTR_ID_CHLAUTH, MQATTR_ID_TYPE,
    MQATTR_ID_SSLPEER, MQATTR_ID_SSLCERTI, MQATTR_ID_CLNTUSER, MQATTR_ID_QMNAME,
    MQATTR_ID_ADDRESS};

/* ---- the key ---- */

static void
record_name(const struct mqattr_set *set, char ret[MQI_NAME_LEN + 1])
{
	const char *parts[MQ_ARRAY_LEN(key_ids) + 1];

	for (size_t i = 0; i < MQ_ARRAY_LEN(key_ids); i++)
		parts[i] = mqattr_text(set, key_ids[i]);
	parts[MQ_ARRAY_LEN(key_ids)] = NULL;
	ctl_record_name(parts, ret);
}

static bool
same_key(const struct mqattr_set *a, const struct mqattr_set *b)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(key_ids); i++)
		if (strcmp(mqattr_text(a, key_ids[i]),
			mqattr_text(b, key_ids[i])) != 0)
			return false;
	return true;
}

/* ---- what a command says ---- */

static enum mqi_err
check_profile(struct ctl *c, const char *profile)
{
	size_t len = strlen(profile);

	if (len > 0 && len <= MQI_CHANNEL_NAME_LEN &&
	    strspn(profile, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789./_%*") == len)
		return MQI_OK;
	return ctl_fail(c, MQI_E_OBJECT_NAME,
	    "'%.64s' is not a channel's name of at most %d letters, digits "
	    "and . / _ %%, in which * stands for any",
	    profile, MQI_CHANNEL_NAME_LEN);
}

/* The attributes given, in a set; ACTION is left out. */
static enum mqi_err
read_record(struct ctl *c, struct mqattr_set *set)
{
	enum mqi_err err = check_profile(c, c->cmd->name);
	bool seen[MQATTR_MAX + 1] = {false};

	if (err == MQI_OK)
		mqattr_set_own(set, MQATTR_ID_CHLAUTH, c->cmd->name);
	for (uint32_t i = 0; i < c->cmd->attrs.n && err == MQI_OK; i++) {
		const struct mqctl_pair *p = &c->cmd->attrs.pairs[i];
		const struct mqattr_def *d =
		    mqattr_find(MQATTR_CHLAUTH, p->keyword);

		if (strcasecmp(p->keyword, "ACTION") == 0)
			continue;
		if (d == NULL || d->read_only || d->id == MQATTR_ID_CHLAUTH)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s is not a parameter of SET CHLAUTH", p->keyword);
		if (seen[d->id])
			return ctl_fail(c, MQI_E_ATTRIBUTE, "%s is given twice",
			    d->keyword);
		seen[d->id] = true;
		err = mqattr_set_text(
		    set, d->id, p->value, c->text, sizeof(c->text));
	}
	return err;
}

/* Which types need, and which may have, what asks something of the partner. */
static enum mqi_err
check_form(struct ctl *c, const struct mqattr_set *set, enum chlauth_type type)
{
	static const struct {
		enum mqattr id;
		unsigned needed_by; /* bits of enum chlauth_type */
		unsigned allowed_in;
	} rows[] = {
	    {MQATTR_ID_SSLPEER, MQ_BIT(CHLAUTH_SSLPEERMAP),
		MQ_BIT(CHLAUTH_SSLPEERMAP)},
	    {MQATTR_ID_SSLCERTI, 0, MQ_BIT(CHLAUTH_SSLPEERMAP)},
	    {MQATTR_ID_CLNTUSER, MQ_BIT(CHLAUTH_USERMAP),
		MQ_BIT(CHLAUTH_USERMAP)},
	    {MQATTR_ID_QMNAME, MQ_BIT(CHLAUTH_QMGRMAP),
		MQ_BIT(CHLAUTH_QMGRMAP)},
	    {MQATTR_ID_ADDRESS, MQ_BIT(CHLAUTH_ADDRESSMAP),
		MQ_BIT(CHLAUTH_SSLPEERMAP) | MQ_BIT(CHLAUTH_USERMAP) |
		    MQ_BIT(CHLAUTH_QMGRMAP) | MQ_BIT(CHLAUTH_ADDRESSMAP)},
	    {MQATTR_ID_USERLIST, MQ_BIT(CHLAUTH_BLOCKUSER),
		MQ_BIT(CHLAUTH_BLOCKUSER)},
	    {MQATTR_ID_ADDRLIST, MQ_BIT(CHLAUTH_BLOCKADDR),
		MQ_BIT(CHLAUTH_BLOCKADDR)},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		const char *keyword =
		    mqattr_def(MQATTR_CHLAUTH, rows[i].id)->keyword;
		bool given = mqattr_text(set, rows[i].id)[0] != '\0';

		if (!given && (rows[i].needed_by & MQ_BIT(type)) != 0)
			return ctl_fail(c, MQI_E_ATTRIBUTE, "TYPE(%s) needs %s",
			    chlauth_type_name(type), keyword);
		if (given && (rows[i].allowed_in & MQ_BIT(type)) == 0)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s is not for TYPE(%s)", keyword,
			    chlauth_type_name(type));
	}
	if (type == CHLAUTH_BLOCKADDR && strcmp(c->cmd->name, "*") != 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "TYPE(BLOCKADDR) is for all channels: CHLAUTH('*')");
	return MQI_OK;
}

static enum mqi_err
check_patterns(struct ctl *c, const struct mqattr_set *set)
{
	static const enum mqattr names[] = {
	    MQATTR_ID_SSLPEER, MQATTR_ID_SSLCERTI};

	const char *address = mqattr_text(set, MQATTR_ID_ADDRESS);
	const char *list = mqattr_text(set, MQATTR_ID_ADDRLIST);
	struct mqaddr_pattern p;
	char why[MQDN_WHY_LEN];
	bool good;

	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
		const char *v = mqattr_text(set, names[i]);

		if (*v != '\0' && mqdn_check(v, why) != MQI_OK)
			return ctl_fail(c, MQI_E_ATTRIBUTE, "%s: %s",
			    mqattr_def(MQATTR_CHLAUTH, names[i])->keyword, why);
	}
	if (*address != '\0' && !mqaddr_pattern(address, &p))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "ADDRESS(%s) is not an address or a pattern of one",
		    address);
	while (mqaddr_next(&list, &p, &good))
		if (!good)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "ADDRLIST(%s) holds what is not an address or a "
			    "pattern of one",
			    mqattr_text(set, MQATTR_ID_ADDRLIST));
	return MQI_OK;
}

static enum mqi_err
check_user(struct ctl *c, const struct mqattr_set *set, enum chlauth_type type)
{
	const char *user = mqattr_text(set, MQATTR_ID_MCAUSER);
	bool maps = type < CHLAUTH_BLOCKUSER &&
		    mqattr_is(set, MQATTR_ID_USERSRC, "MAP");

	if (type >= CHLAUTH_BLOCKUSER && ctl_option(c, "USERSRC") != NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "USERSRC is not for TYPE(%s)", chlauth_type_name(type));
	if (maps && user[0] == '\0')
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "USERSRC(MAP) needs MCAUSER");
	if (!maps && user[0] != '\0')
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "MCAUSER is for USERSRC(MAP) alone");
	if (strpbrk(user, " ',()*") != NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "MCAUSER(%s) is not valid: it must be a name without "
		    "blanks, commas, quotes and parentheses",
		    user);
	return MQI_OK;
}

static enum mqi_err
check_record(struct ctl *c, const struct mqattr_set *set)
{
	enum chlauth_type type = chlauth_type_of(set);
	enum mqi_err err = check_form(c, set, type);

	if (err == MQI_OK)
		err = check_patterns(c, set);
	if (err == MQI_OK)
		err = check_user(c, set, type);
	return err;
}

/* ---- lists of addresses and users ---- */

static bool
list_has(const char *list, const char *item, size_t len)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == len && strncmp(list, item, n) == 0)
			return true;
		list += n + (list[n] == ',' ? 1 : 0);
	}
	return false;
}

/* Appends the items of `from`, but for those that are in `but`; false: there
 * is no room. */
static bool
list_add(char *ret, size_t cap, const char *from, const char *but)
{
	while (*from != '\0') {
		size_t n = strcspn(from, ","), used = strlen(ret);

		if (!list_has(but, from, n) && !list_has(ret, from, n)) {
			if (used + n + 2 > cap)
				return false;
			(void)snprintf(ret + used, cap - used, "%s%.*s",
			    used > 0 ? "," : "", (int)n, from);
		}
		from += n + (from[n] == ',' ? 1 : 0);
	}
	return true;
}

static enum mqattr
list_of(enum chlauth_type type)
{
	return type == CHLAUTH_BLOCKUSER ? MQATTR_ID_USERLIST
					 : MQATTR_ID_ADDRLIST;
}

/* ADD: what was there and what is given; REMOVE: without what is given. */
static enum mqi_err
merge_list(struct ctl *c, struct mqattr_set *set, const struct mqattr_set *old,
    bool remove)
{
	enum mqattr id = list_of(chlauth_type_of(set));
	const char *given = mqattr_text(set, id);
	char list[MQCTL_MAX_VALUE + 1] = "";
	bool fits = list_add(
	    list, sizeof(list), mqattr_text(old, id), remove ? given : "");

	if (!remove)
		fits = fits && list_add(list, sizeof(list), given, "");
	if (!fits)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "the list would be too long");
	return mqattr_set_text(set, id, list, c->text, sizeof(c->text));
}

/* ---- SET ---- */

static enum mqi_err
store(struct ctl *c, struct mqattr_set *set, const char *name)
{
	char date[CTL_DATE_LEN], time[CTL_TIME_LEN];

	ctl_stamp(mqclock_wall_us() / 1000, date, time);
	mqattr_set_own(set, MQATTR_ID_ALTDATE, date);
	mqattr_set_own(set, MQATTR_ID_ALTTIME, time);
	return engine_object_set(c->engine, MQATTR_CHLAUTH, name, set, &c->pos);
}

static size_t
count(const struct ctl *c)
{
	const struct engine_object *o = NULL;
	size_t n = 0;

	while ((o = engine_object_next(c->engine, MQATTR_CHLAUTH, o)) != NULL)
		n++;
	return n;
}

static enum mqi_err
add_record(struct ctl *c, struct mqattr_set *set,
    const struct engine_object *old, const char *name, bool replace)
{
	enum chlauth_type type = chlauth_type_of(set);
	enum mqi_err err = MQI_OK;

	if (old == NULL && count(c) >= MAX_RECORDS)
		return ctl_fail(c, MQI_E_RESOURCE_PROBLEM,
		    "there are %u channel authentication records already",
		    MAX_RECORDS);
	if (old != NULL && !replace && type < CHLAUTH_BLOCKUSER)
		return ctl_fail(c, MQI_E_EXISTS,
		    "there is such a record already: ACTION(REPLACE) sets it");
	if (old != NULL && !replace)
		err = merge_list(c, set, old->attrs, false);
	return err == MQI_OK ? store(c, set, name) : err;
}

/* Takes items out of a list; *ret_left tells whether others stay, and then it
 * is stored. */
static enum mqi_err
remove_items(struct ctl *c, struct mqattr_set *set,
    const struct engine_object *old, const char *name, bool *ret_left)
{
	struct mqattr_set *rest = mqattr_set_copy(old->attrs);
	enum mqattr id = list_of(chlauth_type_of(set));
	enum mqi_err err = merge_list(c, set, old->attrs, true);

	*ret_left = mqattr_text(set, id)[0] != '\0';
	if (err == MQI_OK && *ret_left) {
		mqattr_set_own(rest, id, mqattr_text(set, id));
		err = store(c, rest, name);
	}
	mqattr_set_free(rest);
	return err;
}

static enum mqi_err
remove_record(struct ctl *c, struct mqattr_set *set,
    const struct engine_object *old, const char *name)
{
	enum mqi_err err = MQI_OK;
	bool left = false;

	if (old == NULL)
		return ctl_fail(
		    c, MQI_E_UNKNOWN_OBJECT, "there is no such record");
	if (chlauth_type_of(set) >= CHLAUTH_BLOCKUSER)
		err = remove_items(c, set, old, name, &left);
	if (err == MQI_OK && !left)
		err = engine_object_delete(
		    c->engine, MQATTR_CHLAUTH, name, false, &c->pos);
	return err;
}

/* Every record of the profile and, if TYPE is given, of that type. */
static enum mqi_err
remove_all(struct ctl *c, const struct mqattr_set *set)
{
	const char *type = ctl_option(c, "TYPE");
	const struct engine_object *o = NULL, *next;
	enum mqi_err err = MQI_OK;
	char name[MQI_NAME_LEN + 1];

	for (uint32_t i = 0; i < c->cmd->attrs.n; i++)
		if (strcasecmp(c->cmd->attrs.pairs[i].keyword, "TYPE") != 0 &&
		    strcasecmp(c->cmd->attrs.pairs[i].keyword, "ACTION") != 0)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "ACTION(REMOVEALL) takes TYPE and nothing else");
	next = engine_object_next(c->engine, MQATTR_CHLAUTH, NULL);
	while ((o = next) != NULL && err == MQI_OK) {
		next = engine_object_next(c->engine, MQATTR_CHLAUTH, o);
		if (strcmp(mqattr_text(o->attrs, MQATTR_ID_CHLAUTH),
			mqattr_text(set, MQATTR_ID_CHLAUTH)) != 0 ||
		    (type != NULL &&
			chlauth_type_of(o->attrs) != chlauth_type_of(set)))
			continue;
		(void)snprintf(name, sizeof(name), "%s", o->name);
		err = engine_object_delete(
		    c->engine, MQATTR_CHLAUTH, name, false, &c->pos);
	}
	return err;
}

static enum mqi_err
act(struct ctl *c, struct mqattr_set *set)
{
	const char *action = ctl_option(c, "ACTION");
	char name[MQI_NAME_LEN + 1];
	const struct engine_object *old;
	enum mqi_err err;

	if (action == NULL)
		action = "ADD";
	if (strcasecmp(action, "REMOVEALL") == 0)
		return remove_all(c, set);
	if (ctl_option(c, "TYPE") == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE, "TYPE is required");
	record_name(set, name);
	old = engine_object_find(c->engine, MQATTR_CHLAUTH, name);
	/* as good as never, but not told apart later */
	if (old != NULL && !same_key(old->attrs, set))
		return ctl_fail(c, MQI_E_EXISTS,
		    "the record's key cannot be told from another's");
	if (strcasecmp(action, "REMOVE") == 0)
		return remove_record(c, set, old, name);
	err = check_record(c, set);
	if (err != MQI_OK)
		return err;
	if (strcasecmp(action, "ADD") != 0 &&
	    strcasecmp(action, "REPLACE") != 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "ACTION(%.64s) is not valid: it must be one of ADD, "
		    "REPLACE, REMOVE, REMOVEALL",
		    action);
	return add_record(
	    c, set, old, name, strcasecmp(action, "REPLACE") == 0);
}

enum mqi_err
ctl_set_chlauth(struct ctl *c)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_CHLAUTH);
	enum mqi_err err = read_record(c, set);

	if (err == MQI_OK)
		err = act(c, set);
	mqattr_set_free(set);
	if (err == MQI_OK)
		agents_refresh_listeners(qmgr_agents(c->qm));
	return err;
}

/* ---- DISPLAY ---- */

/* Every record, n of them; free() it. */
static const struct mqattr_set **
all_records(const struct ctl *c, size_t *ret_n)
{
	size_t n = 0;
	const struct engine_object *o = NULL;
	const struct mqattr_set **list =
	    mqmem_alloc((count(c) + 1) * sizeof(const struct mqattr_set *));

	while ((o = engine_object_next(c->engine, MQATTR_CHLAUTH, o)) != NULL)
		list[n++] = o->attrs;
	*ret_n = n;
	return list;
}

static int
record_order(const void *a, const void *b)
{
	const struct mqattr_set *const *x = a;
	const struct mqattr_set *const *y = b;
	int order = 0;

	for (size_t i = 0; order == 0 && i < MQ_ARRAY_LEN(key_ids); i++)
		order = strcmp(
		    mqattr_text(*x, key_ids[i]), mqattr_text(*y, key_ids[i]));
	return order;
}

/* What a record asks of the partner, as far as it does. */
static void
row_conditions(struct ctl_row *r, const struct mqattr_set *set)
{
	static const enum mqattr ids[] = {MQATTR_ID_SSLPEER, MQATTR_ID_SSLCERTI,
	    MQATTR_ID_CLNTUSER, MQATTR_ID_QMNAME, MQATTR_ID_ADDRESS,
	    MQATTR_ID_ADDRLIST, MQATTR_ID_USERLIST};

	for (size_t i = 0; i < MQ_ARRAY_LEN(ids); i++)
		if (mqattr_text(set, ids[i])[0] != '\0')
			ctl_row_text(r,
			    mqattr_def(MQATTR_CHLAUTH, ids[i])->keyword,
			    mqattr_text(set, ids[i]));
}

static enum mqi_err
show_record(struct ctl *c, const struct mqattr_set *set)
{
	static const enum mqattr rest[] = {MQATTR_ID_WARN, MQATTR_ID_DESCR,
	    MQATTR_ID_ALTDATE, MQATTR_ID_ALTTIME};
	struct ctl_row r;

	ctl_row_begin(&r);
	ctl_row_text(&r, "CHLAUTH", mqattr_text(set, MQATTR_ID_CHLAUTH));
	ctl_row_text(&r, "TYPE", mqattr_text(set, MQATTR_ID_TYPE));
	row_conditions(&r, set);
	if (chlauth_type_of(set) < CHLAUTH_BLOCKUSER) {
		ctl_row_text(
		    &r, "USERSRC", mqattr_text(set, MQATTR_ID_USERSRC));
		ctl_row_text(
		    &r, "MCAUSER", mqattr_text(set, MQATTR_ID_MCAUSER));
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(rest); i++)
		ctl_row_text(&r, mqattr_def(MQATTR_CHLAUTH, rest[i])->keyword,
		    mqattr_text(set, rest[i]));
	return ctl_row_end(c, &r);
}

enum match { MATCH_EXACT, MATCH_GENERIC, MATCH_ALL, MATCH_RUNCHECK };

static enum mqi_err
read_match(struct ctl *c, enum match *ret)
{
	static const char *const words[] = {
	    "EXACT", "GENERIC", "ALL", "RUNCHECK"};
	const char *value = ctl_option(c, "MATCH");

	*ret = strchr(c->cmd->name, '*') != NULL ? MATCH_GENERIC : MATCH_EXACT;
	if (value == NULL)
		return MQI_OK;
	for (size_t i = 0; i < MQ_ARRAY_LEN(words); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*ret = (enum match)i;
			return MQI_OK;
		}
	}
	return ctl_fail(c, MQI_E_ATTRIBUTE,
	    "MATCH(%.64s) is not valid: it must be one of EXACT, GENERIC, ALL, "
	    "RUNCHECK",
	    value);
}

static bool
is_wanted(const struct ctl *c, enum match match, const struct mqattr_set *set)
{
	const char *profile = mqattr_text(set, MQATTR_ID_CHLAUTH);
	const char *type = ctl_option(c, "TYPE");
	const char *name = c->cmd->name;

	if (type != NULL && strcasecmp(type, "ALL") != 0 &&
	    strcasecmp(mqattr_text(set, MQATTR_ID_TYPE), type) != 0)
		return false;
	if (match == MATCH_EXACT)
		return strcmp(profile, name) == 0;
	return chlauth_profile_fits(name, profile) ||
	       (match == MATCH_ALL && chlauth_profile_fits(profile, name));
}

static enum mqi_err
show_records(struct ctl *c, enum match match)
{
	static const char *const options[] = {"MATCH", "TYPE", "ALL", NULL};
	size_t n;
	const struct mqattr_set **list;
	enum mqi_err err = ctl_only_options(c, options);

	if (err != MQI_OK)
		return err;
	list = all_records(c, &n);
	qsort(list, n, sizeof(const struct mqattr_set *), record_order);
	for (size_t i = 0; err == MQI_OK && i < n; i++)
		if (is_wanted(c, match, list[i]))
			err = show_record(c, list[i]);
	free(list);
	if (err == MQI_OK && c->n_rows == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT,
		    "no channel authentication record matches");
	return err;
}

/* ---- RUNCHECK ---- */

static bool
is_privileged(void *arg, const char *user)
{
	const struct ctl *c = arg;

	return strcmp(user, "root") == 0 || strcmp(user, qmgr_user(c->qm)) == 0;
}

static const char *
option_or_blank(const struct ctl *c, const char *keyword)
{
	const char *v = ctl_option(c, keyword);

	return v != NULL ? v : "";
}

static enum mqi_err
show_answer(struct ctl *c, const struct chlauth_answer *a)
{
	char text[CHLAUTH_TEXT_LEN];
	struct ctl_row r;

	ctl_row_begin(&r);
	ctl_row_text(&r, "CHLAUTH",
	    a->rule != NULL ? mqattr_text(a->rule, MQATTR_ID_CHLAUTH)
			    : c->cmd->name);
	ctl_row_text(&r, "TYPE",
	    a->rule != NULL ? mqattr_text(a->rule, MQATTR_ID_TYPE) : "");
	if (a->rule != NULL)
		row_conditions(&r, a->rule);
	if (!a->allowed)
		ctl_row_text(&r, "USERSRC", "NOACCESS");
	else
		ctl_row_text(&r, "USERSRC",
		    a->rule != NULL &&
			    mqattr_is(a->rule, MQATTR_ID_USERSRC, "MAP")
			? "MAP"
			: "CHANNEL");
	ctl_row_text(&r, "MCAUSER", a->user);
	if (!a->allowed)
		ctl_row_text(&r, "REASON", a->why);
	if (a->warned != NULL) {
		chlauth_text(a->warned, text, sizeof(text));
		ctl_row_text(&r, "WARNING", text);
	}
	return ctl_row_end(c, &r);
}

enum mqi_err
ctl_runcheck(
    struct ctl *c, const struct mqattr_set *channel, struct chlauth_answer *ret)
{
	const struct engine_object *qm =
	    engine_object_find(c->engine, MQATTR_QMGR, qmgr_name(c->qm));
	struct chlauth_question q = {
	    .partner = {.channel = c->cmd->name,
		.address = option_or_blank(c, "ADDRESS"),
		.dn = option_or_blank(c, "SSLPEER"),
		.issuer = option_or_blank(c, "SSLCERTI"),
		.qmgr = option_or_blank(c, "QMNAME"),
		.user = option_or_blank(c, "CLNTUSER")},
	    .sslpeer = "",
	    .mcauser = "",
	    .enabled = mqattr_is(qm->attrs, MQATTR_ID_CHLAUTH, "ENABLED"),
	    .is_privileged = is_privileged,
	    .arg = c};
	struct mqaddr_pattern p;
	const struct mqattr_set **list;
	size_t n;

	if (!mqaddr_parse(q.partner.address, &p))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "MATCH(RUNCHECK) needs the partner's ADDRESS");
	if (channel != NULL && mqattr_set_has(channel, MQATTR_ID_MCAUSER)) {
		q.sslpeer = mqattr_text(channel, MQATTR_ID_SSLPEER);
		q.mcauser = mqattr_text(channel, MQATTR_ID_MCAUSER);
	}
	list = all_records(c, &n);
	chlauth_check(list, n, &q, ret);
	free(list);
	return MQI_OK;
}

static enum mqi_err
run_check(struct ctl *c)
{
	static const char *const options[] = {"MATCH", "ADDRESS", "SSLPEER",
	    "SSLCERTI", "QMNAME", "CLNTUSER", "ALL", NULL};
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, c->cmd->name);
	const struct mqattr_set *channel =
	    o != NULL
		? o->attrs
		: ctl_auto_model(c,
		      ctl_option(c, "CLNTUSER") != NULL ? "SVRCONN" : "RCVR");
	struct chlauth_answer a;
	enum mqi_err err = ctl_only_options(c, options);

	if (err == MQI_OK && strchr(c->cmd->name, '*') != NULL)
		err = ctl_fail(c, MQI_E_OBJECT_NAME,
		    "MATCH(RUNCHECK) is about one channel");
	if (err == MQI_OK)
		err = ctl_runcheck(c, channel, &a);
	return err == MQI_OK ? show_answer(c, &a) : err;
}

enum mqi_err
ctl_display_chlauth(struct ctl *c)
{
	enum match match;
	enum mqi_err err = check_profile(c, c->cmd->name);

	if (err == MQI_OK)
		err = read_match(c, &match);
	if (err != MQI_OK)
		return err;
	return match == MATCH_RUNCHECK ? run_check(c) : show_records(c, match);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_authrec.c - SET, DELETE and DISPLAY of authority records: who has which
 * rights on which objects.
 *
 * Neighbours: ctl.c calls these; engine/authority.h knows rights and profiles;
 * the engine keeps a record as an object whose name is derived from its key:
 * profile, type of object, entity and type of entity.
 *
 * Invariants: there is one record per key; a record's rights are those that
 * its type of object has; a command that names several entities changes all of
 * their records or none.
 *
 * Happy path of SET: the key, the words, each entity's record, its new rights,
 * engine_object_set().  Failure: ATTRIBUTE, OBJECT_NAME, UNKNOWN_OBJECT,
 * RESOURCE_PROBLEM (too many records), each with a sentence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "qmgr/ctl_int.h"
#include "qmgr/engine/authority.h"
#include "qmgr/qmgr.h"

#define MAX_RECORDS 10000u
#define MAX_ENTITIES 64u

struct entity {
	char name[AUTHORITY_NAME_LEN + 1];
	bool is_group;
};

/* What a command names; profile "" and no entity: DISPLAY of all. */
struct target {
	enum authority_type type;
	bool any_type;
	char profile[MQI_NAME_LEN + 1];
	struct entity entities[MAX_ENTITIES];
	size_t n_entities;
};

/* ---- the key ---- */

static void
record_name(const struct target *t, const struct entity *who,
    char ret[MQI_NAME_LEN + 1])
{
	ctl_record_name(
	    (const char *const[]){authority_type_name(t->type), t->profile,
		who->is_group ? "GROUP" : "PRINCIPAL", who->name, NULL},
	    ret);
}

static bool
entity_is(const struct mqattr_set *set, const struct entity *who)
{
	return mqattr_is(set, MQATTR_ID_ENTTYPE,
		   who->is_group ? "GROUP" : "PRINCIPAL") &&
	       strcmp(mqattr_text(set, MQATTR_ID_ENTITY), who->name) == 0;
}

/* NULL if there is none. */
static const struct engine_object *
find_record(
    const struct ctl *c, const struct target *t, const struct entity *who)
{
	char name[MQI_NAME_LEN + 1];
	record_name(t, who, name);
	return engine_object_find(c->engine, MQATTR_AUTHREC, name);
}

static void
describe_record(
    const struct target *t, const struct entity *who, char *ret, size_t len)
{
	(void)snprintf(ret, len, "PROFILE(%s) OBJTYPE(%s) %s(%s)", t->profile,
	    authority_type_name(t->type), who->is_group ? "GROUP" : "PRINCIPAL",
	    who->name);
}

static enum mqi_err
no_record(struct ctl *c, const struct target *t, const struct entity *who)
{
	char what[200];
	describe_record(t, who, what, sizeof(what));
	return ctl_fail(
	    c, MQI_E_UNKNOWN_OBJECT, "there is no AUTHREC with %s", what);
}

/* ---- reading the command ---- */

/* One value of a list with commas, and on; false at the end. */
static bool
next_value(const char **list, char *ret, size_t len, bool *ret_fits)
{
	size_t n = strcspn(*list, ",");
	if (**list == '\0')
		return false;
	*ret_fits = n > 0 && n < len;
	(void)snprintf(ret, len, "%.*s", (int)n, *list);
	*list += n;
	if (**list == ',')
		(*list)++;
	return true;
}

static enum mqi_err
add_entities(struct ctl *c, struct target *t, const char *keyword)
{
	const char *list = ctl_option(c, keyword);
	bool fits;
	if (list == NULL)
		return MQI_OK;
	if (*list == '\0')
		return ctl_fail(c, MQI_E_ATTRIBUTE, "%s needs a name", keyword);
	while (t->n_entities < MAX_ENTITIES) {
		struct entity *who = &t->entities[t->n_entities];
		if (!next_value(&list, who->name, sizeof(who->name), &fits))
			return MQI_OK;
		if (!fits || strpbrk(who->name, " '()") != NULL)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s(%s) is not valid: it must be a name of at most "
			    "%d bytes without blanks, quotes and parentheses",
			    keyword, who->name, AUTHORITY_NAME_LEN);
		who->is_group = strcmp(keyword, "GROUP") == 0;
		t->n_entities++;
	}
	return *list == '\0'
		   ? MQI_OK
		   : ctl_fail(c, MQI_E_ATTRIBUTE,
			 "there are more than %u names", MAX_ENTITIES);
}

static enum mqi_err
read_type(struct ctl *c, struct target *t)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_AUTHREC);
	const char *value = ctl_option(c, "OBJTYPE");
	enum mqi_err err = MQI_OK;
	t->any_type = value == NULL || strcasecmp(value, "ALL") == 0;
	if (!t->any_type)
		err = mqattr_set_text(
		    set, MQATTR_ID_OBJTYPE, value, c->text, sizeof(c->text));
	if (err == MQI_OK && !t->any_type)
		t->type =
		    authority_type_of(mqattr_text(set, MQATTR_ID_OBJTYPE));
	mqattr_set_free(set);
	return err;
}

static enum mqi_err
read_profile(struct ctl *c, struct target *t)
{
	const char *value = ctl_option(c, "PROFILE");
	if (value == NULL || *value == '\0')
		return MQI_OK;
	if (!profile_is_valid(value))
		return ctl_fail(c, MQI_E_OBJECT_NAME,
		    "PROFILE(%.64s) is not valid: it must be a name of at most "
		    "%d letters, digits and . / _ %%, in which ? and * stand "
		    "for characters and ** once for qualifiers",
		    value, MQI_NAME_LEN);
	(void)snprintf(t->profile, sizeof(t->profile), "%s", value);
	return MQI_OK;
}

static enum mqi_err
read_target(struct ctl *c, struct target *t)
{
	memset(t, 0, sizeof(*t));
	enum mqi_err err = read_type(c, t);
	if (err == MQI_OK)
		err = read_profile(c, t);
	if (err == MQI_OK)
		err = add_entities(c, t, "PRINCIPAL");
	if (err == MQI_OK)
		err = add_entities(c, t, "GROUP");
	return err;
}

/* What SET and DELETE must know. */
static enum mqi_err
check_target(struct ctl *c, struct target *t)
{
	const char *own = qmgr_name(c->qm);
	if (t->any_type)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "OBJTYPE is required: QMGR, QUEUE, CHANNEL, LISTENER, "
		    "NAMELIST, PROCESS, SERVICE or TOPIC");
	if (t->type == AUTHORITY_QMGR && t->profile[0] == '\0')
		(void)snprintf(t->profile, sizeof(t->profile), "%s", own);
	if (t->type == AUTHORITY_QMGR && strcmp(t->profile, own) != 0)
		return ctl_fail(c, MQI_E_OBJECT_NAME,
		    "PROFILE(%s) with OBJTYPE(QMGR) must be %s", t->profile,
		    own);
	if (t->profile[0] == '\0')
		return ctl_fail(c, MQI_E_ATTRIBUTE, "PROFILE is required");
	if (t->n_entities == 0)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "PRINCIPAL or GROUP is required");
	return MQI_OK;
}

static enum mqi_err
read_rights(struct ctl *c, const struct target *t, const char *keyword,
    uint32_t *ret_rights)
{
	const char *list = ctl_option(c, keyword);
	char word[32];
	bool fits;
	*ret_rights = 0;
	while (list != NULL && next_value(&list, word, sizeof(word), &fits)) {
		uint32_t some;
		if (!fits || !authority_word(t->type, word, &some))
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s(%s) is not valid: there is no such authority "
			    "for OBJTYPE(%s)",
			    keyword, word, authority_type_name(t->type));
		*ret_rights |= some;
	}
	return MQI_OK;
}

/* ---- SET ---- */

struct change {
	uint32_t add;
	uint32_t remove;
};

static enum mqi_err
read_change(struct ctl *c, const struct target *t, struct change *ret)
{
	enum mqi_err err = read_rights(c, t, "AUTHADD", &ret->add);
	if (err == MQI_OK)
		err = read_rights(c, t, "AUTHRMV", &ret->remove);
	if (err == MQI_OK && ctl_option(c, "AUTHADD") == NULL &&
	    ctl_option(c, "AUTHRMV") == NULL)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "AUTHADD or AUTHRMV is required");
	return err;
}

static bool
same_key(const struct mqattr_set *set, const struct target *t,
    const struct entity *who)
{
	return mqattr_is(
		   set, MQATTR_ID_OBJTYPE, authority_type_name(t->type)) &&
	       strcmp(mqattr_text(set, MQATTR_ID_PROFILE), t->profile) == 0 &&
	       entity_is(set, who);
}

/* Before anything is changed. */
static enum mqi_err
check_records(struct ctl *c, const struct target *t)
{
	size_t n = 0;
	const struct engine_object *o = NULL;
	while ((o = engine_object_next(c->engine, MQATTR_AUTHREC, o)) != NULL)
		n++;
	for (size_t i = 0; i < t->n_entities; i++) {
		const struct entity *who = &t->entities[i];
		o = find_record(c, t, who);
		if (o == NULL && ctl_option(c, "AUTHADD") == NULL)
			return no_record(c, t, who);
		/* two keys have one name: as good as never, but not told apart
		 * later */
		if (o != NULL && !same_key(o->attrs, t, who))
			return ctl_fail(c, MQI_E_EXISTS,
			    "the record's key cannot be told from that of "
			    "PROFILE(%s)",
			    mqattr_text(o->attrs, MQATTR_ID_PROFILE));
		n += o == NULL;
	}
	if (n > MAX_RECORDS)
		return ctl_fail(c, MQI_E_RESOURCE_PROBLEM,
		    "there are %u authority records already", MAX_RECORDS);
	return MQI_OK;
}

static enum mqi_err
set_record(struct ctl *c, const struct target *t, const struct entity *who,
    const struct change *change)
{
	char name[MQI_NAME_LEN + 1];
	char text[AUTHORITY_TEXT_LEN];
	const struct engine_object *o = find_record(c, t, who);
	struct mqattr_set *set = mqattr_set_new(MQATTR_AUTHREC);
	uint32_t rights = o != NULL ? authority_rights(o->attrs) : 0;
	authority_text((rights & ~change->remove) | change->add, text);
	mqattr_set_own(set, MQATTR_ID_OBJTYPE, authority_type_name(t->type));
	mqattr_set_own(set, MQATTR_ID_PROFILE, t->profile);
	mqattr_set_own(
	    set, MQATTR_ID_ENTTYPE, who->is_group ? "GROUP" : "PRINCIPAL");
	mqattr_set_own(set, MQATTR_ID_AUTHLIST, text);
	enum mqi_err err = mqattr_set_text(
	    set, MQATTR_ID_ENTITY, who->name, c->text, sizeof(c->text));
	record_name(t, who, name);
	if (err == MQI_OK)
		err = engine_object_set(
		    c->engine, MQATTR_AUTHREC, name, set, &c->pos);
	mqattr_set_free(set);
	return err;
}

enum mqi_err
ctl_set_authrec(struct ctl *c)
{
	static const char *const options[] = {"PROFILE", "OBJTYPE", "PRINCIPAL",
	    "GROUP", "AUTHADD", "AUTHRMV", NULL};
	struct target t;
	struct change change;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = read_target(c, &t);
	if (err == MQI_OK)
		err = check_target(c, &t);
	if (err == MQI_OK)
		err = read_change(c, &t, &change);
	if (err == MQI_OK)
		err = check_records(c, &t);
	for (size_t i = 0; err == MQI_OK && i < t.n_entities; i++)
		err = set_record(c, &t, &t.entities[i], &change);
	return err;
}

/* ---- DELETE ---- */

enum mqi_err
ctl_delete_authrec(struct ctl *c)
{
	static const char *const options[] = {
	    "PROFILE", "OBJTYPE", "PRINCIPAL", "GROUP", NULL};
	struct target t;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = read_target(c, &t);
	if (err == MQI_OK)
		err = check_target(c, &t);
	if (err != MQI_OK)
		return err;
	bool lenient = (c->cmd->flags & MQCTL_IGNSTATE) != 0;
	for (size_t i = 0; i < t.n_entities && !lenient; i++)
		if (find_record(c, &t, &t.entities[i]) == NULL)
			return no_record(c, &t, &t.entities[i]);
	for (size_t i = 0; err == MQI_OK && i < t.n_entities; i++) {
		const struct engine_object *o =
		    find_record(c, &t, &t.entities[i]);
		char name[MQI_NAME_LEN + 1];
		if (o == NULL)
			continue; /* or named twice */
		(void)snprintf(name, sizeof(name), "%s", o->name);
		err = engine_object_delete(
		    c->engine, MQATTR_AUTHREC, name, false, &c->pos);
	}
	return err;
}

/* ---- DISPLAY ---- */

static int
record_order(const void *a, const void *b)
{
	static const enum mqattr keys[] = {MQATTR_ID_OBJTYPE, MQATTR_ID_PROFILE,
	    MQATTR_ID_ENTTYPE, MQATTR_ID_ENTITY};
	const struct engine_object *const *x = a;
	const struct engine_object *const *y = b;
	int order = 0;
	for (size_t i = 0; order == 0 && i < MQ_ARRAY_LEN(keys); i++)
		order = strcmp(mqattr_text((*x)->attrs, keys[i]),
		    mqattr_text((*y)->attrs, keys[i]));
	return order;
}

enum match {
	MATCH_PROFILE,    /* also profiles that match the name */
	MATCH_EXACT,      /* that profile alone */
	MATCH_MEMBERSHIP, /* as PROFILE, and the user's groups too */
};

static bool
is_wanted(struct ctl *c, const struct target *t, const struct mqattr_set *set,
    enum match match)
{
	const struct entity *who = &t->entities[0];
	const char *profile = mqattr_text(set, MQATTR_ID_PROFILE);
	if (!t->any_type &&
	    !mqattr_is(set, MQATTR_ID_OBJTYPE, authority_type_name(t->type)))
		return false;
	if (match == MATCH_MEMBERSHIP &&
	    !engine_record_is_of(c->engine, who->name, set))
		return false;
	if (match != MATCH_MEMBERSHIP && t->n_entities > 0 &&
	    !entity_is(set, who))
		return false;
	if (t->profile[0] == '\0')
		return true;
	if (match == MATCH_EXACT || profile_is_generic(t->profile))
		return strcmp(profile, t->profile) == 0;
	return profile_matches(profile, t->profile);
}

static enum mqi_err
show_record(struct ctl *c, const struct engine_object *o)
{
	static const enum mqattr order[] = {MQATTR_ID_PROFILE, MQATTR_ID_ENTITY,
	    MQATTR_ID_ENTTYPE, MQATTR_ID_OBJTYPE, MQATTR_ID_AUTHLIST};
	struct ctl_row r;
	ctl_row_begin(&r);
	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++)
		ctl_row_text(&r, mqattr_def(MQATTR_AUTHREC, order[i])->keyword,
		    mqattr_text(o->attrs, order[i]));
	return ctl_row_end(c, &r);
}

static enum mqi_err
read_match(struct ctl *c, const struct target *t, enum match *ret)
{
	static const char *const words[] = {"PROFILE", "EXACT", "MEMBERSHIP"};
	const char *value = ctl_option(c, "MATCH");
	size_t i = 0;
	if (t->n_entities > 1)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "DISPLAY takes one PRINCIPAL or GROUP");
	while (value != NULL && i < MQ_ARRAY_LEN(words) &&
	       strcasecmp(value, words[i]) != 0)
		i++;
	if (i == MQ_ARRAY_LEN(words))
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "MATCH(%.64s) is not valid: it must be PROFILE, EXACT or "
		    "MEMBERSHIP",
		    value);
	*ret = (enum match)i;
	if (*ret == MATCH_MEMBERSHIP &&
	    (t->n_entities == 0 || t->entities[0].is_group))
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "MATCH(MEMBERSHIP) needs PRINCIPAL");
	return MQI_OK;
}

static enum mqi_err
show_records(struct ctl *c, const struct target *t, enum match match)
{
	enum mqi_err err = MQI_OK;
	size_t n = 0;
	const struct engine_object **list = mqmem_alloc(
	    (MAX_RECORDS + 1) * sizeof(const struct engine_object *));
	const struct engine_object *o = NULL;
	while ((o = engine_object_next(c->engine, MQATTR_AUTHREC, o)) != NULL) {
		if (!is_wanted(c, t, o->attrs, match))
			continue;
		MQ_INVARIANT(n <= MAX_RECORDS);
		list[n++] = o;
	}
	qsort(list, n, sizeof(list[0]), record_order);
	for (size_t i = 0; err == MQI_OK && i < n; i++)
		err = show_record(c, list[i]);
	free(list);
	return err;
}

enum mqi_err
ctl_display_authrec(struct ctl *c)
{
	static const char *const options[] = {
	    "PROFILE", "OBJTYPE", "PRINCIPAL", "GROUP", "MATCH", "ALL", NULL};
	struct target t;
	enum match match = MATCH_PROFILE;
	enum mqi_err err = ctl_only_options(c, options);
	if (err == MQI_OK)
		err = read_target(c, &t);
	if (err == MQI_OK)
		err = read_match(c, &t, &match);
	if (err == MQI_OK)
		err = show_records(c, &t, match);
	if (err == MQI_OK && c->n_rows == 0)
		return ctl_fail(
		    c, MQI_E_UNKNOWN_OBJECT, "no authority record matches");
	return err;
}

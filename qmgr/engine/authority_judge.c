/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority_judge.c - what a user may do: all authority records, by entity, and
 * users with their groups.
 *
 * Neighbours: object.c has the records; authority.c reads them; session.c and
 * qmgr/ctl.c ask; the daemon knows groups.
 * Invariants: everything here is derived, and forgotten as a whole when a
 * record changes or groups may have: a verdict is never older than that.  Users
 * remembered are bounded: the next one more forgets all.
 * Happy path: the user's entities are known; of each, the record that matches
 * most closely gives its rights.
 * Failure: there is none: who is unknown has no rights.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"
#include "qmgr/engine/authority.h"
#include "qmgr/engine/object.h"

#define MAX_USERS 1024u

/* "P" or "G", and the name. */
struct entity_key {
	char text[1 + AUTHORITY_NAME_LEN + 1];
};

struct rule {
	enum authority_type type;
	uint32_t rights;
	char profile[MQI_NAME_LEN + 1];
};

struct entity {
	UT_hash_handle hh;
	struct entity_key key;
	uint32_t n;
	uint32_t room;
	struct rule *rules;
};

/* A user with a further group. */
struct user_key {
	char user[AUTHORITY_NAME_LEN + 1];
	char group[AUTHORITY_NAME_LEN + 1];
};

struct user {
	UT_hash_handle hh;
	struct user_key key;
	uint32_t n;
	struct entity_key *entities; /* itself first */
};

struct authority {
	const struct object_table *objects;
	authority_groups_fn groups;
	void *ctx;
	bool is_read; /* the records are in entities */
	struct entity *entities;
	struct user *users;
	struct authority_groups *scratch;
};

struct authority *
authority_new(
    const struct object_table *objects, authority_groups_fn groups, void *ctx)
{
	struct authority *a = mqmem_alloc(sizeof(*a));

	a->objects = objects;
	a->groups = groups;
	a->ctx = ctx;
	return a;
}

static void
forget_users(struct authority *a)
{
	struct user *u, *next;

	HASH_ITER (hh, a->users, u, next) {
		HASH_DEL(a->users, u);
		free(u->entities);
		free(u);
	}
	free(a->scratch);
	a->scratch = NULL;
}

void
authority_forget(struct authority *a)
{
	struct entity *e, *next;

	forget_users(a);
	HASH_ITER (hh, a->entities, e, next) {
		HASH_DEL(a->entities, e);
		free(e->rules);
		free(e);
	}
	a->is_read = false;
}

struct authority *
authority_free(struct authority *a)
{
	if (a != NULL) {
		authority_forget(a);
		free(a);
	}
	return NULL;
}

/* ---- records ---- */

static void
entity_key(struct entity_key *key, bool is_group, const char *name)
{
	memset(key, 0, sizeof(*key));
	key->text[0] = is_group ? 'G' : 'P';
	(void)snprintf(key->text + 1, sizeof(key->text) - 1, "%s", name);
}

static void
record_key(struct entity_key *key, const struct mqattr_set *record)
{
	entity_key(key, mqattr_is(record, MQATTR_ID_ENTTYPE, "GROUP"),
	    mqattr_text(record, MQATTR_ID_ENTITY));
}

static struct entity *
entity_find(const struct authority *a, const struct entity_key *key)
{
	struct entity *e;

	HASH_FIND(hh, a->entities, key, sizeof(*key), e);
	return e;
}

static void
read_record(struct authority *a, const struct mqattr_set *record)
{
	struct entity_key key;
	struct entity *e;
	struct rule *r;

	record_key(&key, record);
	e = entity_find(a, &key);
	if (e == NULL) {
		e = mqmem_alloc(sizeof(*e));
		e->key = key;
		HASH_ADD(hh, a->entities, key, sizeof(e->key), e);
	}
	if (e->n == e->room) {
		e->room = e->room * 2 + 2;
		e->rules = mqmem_grow(e->rules, e->room, sizeof(e->rules[0]));
	}
	r = &e->rules[e->n++];
	r->type = authority_type_of(mqattr_text(record, MQATTR_ID_OBJTYPE));
	r->rights = authority_rights(record);
	strcpy(r->profile, mqattr_text(record, MQATTR_ID_PROFILE));
}

static void
read_records(struct authority *a)
{
	const struct engine_object *o = NULL;

	if (a->is_read)
		return;
	while ((o = object_next(a->objects, MQATTR_AUTHREC, o)) != NULL)
		read_record(a, o->attrs);
	a->is_read = true;
}

/* ---- users ---- */

static struct user *
user_new(struct authority *a, const struct user_key *key)
{
	struct user *u = mqmem_alloc(sizeof(*u));
	struct authority_groups *g;
	uint32_t n = 1;

	if (HASH_COUNT(a->users) >= MAX_USERS)
		forget_users(a);
	if (a->scratch == NULL)
		a->scratch = mqmem_alloc(sizeof(*a->scratch));
	g = a->scratch;
	g->n = 0;
	if (a->groups != NULL)
		a->groups(a->ctx, key->user, g);
	MQ_INVARIANT(g->n <= AUTHORITY_MAX_GROUPS);
	u->key = *key;
	u->entities = mqmem_alloc((g->n + 2) * sizeof(u->entities[0]));
	entity_key(&u->entities[0], false, key->user);
	if (key->group[0] != '\0')
		entity_key(&u->entities[n++], true, key->group);
	for (uint32_t i = 0; i < g->n; i++)
		if (strcmp(g->names[i], key->group) != 0)
			entity_key(&u->entities[n++], true, g->names[i]);
	u->n = n;
	HASH_ADD(hh, a->users, key, sizeof(u->key), u);
	return u;
}

static const struct user *
user_get(struct authority *a, const char *user, const char *group)
{
	struct user_key key;
	struct user *u;

	memset(&key, 0, sizeof(key));
	(void)snprintf(key.user, sizeof(key.user), "%s", user);
	(void)snprintf(key.group, sizeof(key.group), "%s", group);
	HASH_FIND(hh, a->users, &key, sizeof(key), u);
	return u != NULL ? u : user_new(a, &key);
}

bool
authority_is_of(struct authority *a, const char *user, const char *group,
    const struct mqattr_set *record)
{
	const struct user *u = user_get(a, user, group);
	struct entity_key key;

	record_key(&key, record);
	for (uint32_t i = 0; i < u->n; i++)
		if (memcmp(&u->entities[i], &key, sizeof(key)) == 0)
			return true;
	return false;
}

/* ---- verdicts ---- */

static const struct rule *
closest_rule(const struct entity *e, const struct authority_question *q)
{
	const struct rule *best = NULL;

	for (uint32_t i = 0; i < e->n; i++) {
		const struct rule *r = &e->rules[i];
		if (r->type == q->type &&
		    profile_matches(r->profile, q->name) &&
		    (best == NULL ||
			profile_is_closer(r->profile, best->profile)))
			best = r;
	}
	return best;
}

/* Whether the rule tells a person more than what is in the verdict. */
static bool
is_better_reason(
    const struct authority_verdict *v, const struct rule *r, uint32_t wanted)
{
	bool gives = (r->rights & wanted) != 0;
	bool gave = (v->gives & wanted) != 0;

	if (v->profile[0] == '\0' || gives != gave)
		return v->profile[0] == '\0' || gives;
	return profile_is_closer(r->profile, v->profile);
}

void
authority_judge(struct authority *a, const struct authority_question *q,
    struct authority_verdict *ret)
{
	const struct user *u = user_get(a, q->user, q->group);

	read_records(a);
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < u->n; i++) {
		const struct entity *e = entity_find(a, &u->entities[i]);
		const struct rule *r = e != NULL ? closest_rule(e, q) : NULL;
		if (r == NULL)
			continue;
		ret->rights |= r->rights;
		if (!is_better_reason(ret, r, q->rights))
			continue;
		strcpy(ret->profile, r->profile);
		strcpy(ret->entity, e->key.text + 1);
		ret->is_group = e->key.text[0] == 'G';
		ret->gives = r->rights;
	}
	ret->allowed = (q->rights & ~ret->rights) == 0;
}

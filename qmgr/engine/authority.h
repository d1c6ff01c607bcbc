/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority.h - what authority records say: rights on objects; profiles, which
 * are names in which ?, * and ** stand for others; and what a user may do by
 * all records and groups.  Pure.  A struct authority: loop thread only.
 */
#ifndef MQ_ENGINE_AUTHORITY_H
#define MQ_ENGINE_AUTHORITY_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/check.h"
#include "proto/attr.h"

struct object_table;

#define AUTHORITY_NAME_LEN 64   /* bytes of a user's or a group's name */
#define AUTHORITY_TEXT_LEN 256u /* bytes of a list of rights, at most */

/* In the order of OBJTYPE's words, from 0. */
enum authority_type {
	AUTHORITY_QMGR,
	AUTHORITY_QUEUE, /* of any type */
	AUTHORITY_CHANNEL,
	AUTHORITY_LISTENER,
	AUTHORITY_NAMELIST,
	AUTHORITY_PROCESS,
	AUTHORITY_SERVICE, /* to be shown and controlled only */
	AUTHORITY_TOPIC,   /* by the object above a topic */
};

#define AUTHORITY_TYPES 8

/* X(NAME, types of object that have it, KIND): in the order of display. */
#define AUTHORITY_MAP(X)                    \
	X(ALTUSR, AUTHORITY_OF_QMGR, MQI)   \
	X(BROWSE, AUTHORITY_OF_QUEUE, MQI)  \
	X(CHG, AUTHORITY_OF_ALL, ADM)       \
	X(CLR, AUTHORITY_OF_CLEARED, ADM)   \
	X(CONNECT, AUTHORITY_OF_QMGR, MQI)  \
	X(CRT, AUTHORITY_OF_OBJECTS, ADM)   \
	X(CTRL, AUTHORITY_OF_CONTROL, ADM)  \
	X(CTRLX, AUTHORITY_OF_CHANNEL, ADM) \
	X(DLT, AUTHORITY_OF_OBJECTS, ADM)   \
	X(DSP, AUTHORITY_OF_SHOWN, ADM)     \
	X(GET, AUTHORITY_OF_QUEUE, MQI)     \
	X(INQ, AUTHORITY_OF_QUEUE, MQI)     \
	X(PUB, AUTHORITY_OF_TOPIC, MQI)     \
	X(PUT, AUTHORITY_OF_QUEUE, MQI)     \
	X(SUB, AUTHORITY_OF_TOPIC, MQI)     \
	X(SYSTEM, AUTHORITY_OF_QMGR, SYS)

enum authority_number {

#define AUTHORITY_NUMBER(name, types, kind) AUTHORITY_NUMBER_##name,
	AUTHORITY_MAP(AUTHORITY_NUMBER)
#undef AUTHORITY_NUMBER
};

/* Sets of rights. */
enum authority_right {
	AUTHORITY_NONE = 0,

#define AUTHORITY_RIGHT(name, types, kind) \
	AUTHORITY_##name = 1 << AUTHORITY_NUMBER_##name,
	AUTHORITY_MAP(AUTHORITY_RIGHT)
#undef AUTHORITY_RIGHT
};

/* "QUEUE"; of a word that OBJTYPE has. */
const char *authority_type_name(enum authority_type type);
enum authority_type authority_type_of(const char *objtype);

/* A word's rights on objects of a type, in any case: "PUT", or ALL, ALLADM,
 * ALLMQI, NONE.  False: the type has no such right. */
bool authority_word(
    enum authority_type type, const char *word, uint32_t *ret_rights);
/* A right's word; a set's words with commas, "NONE" if it is empty. */
const char *authority_right_name(enum authority_right right);
void authority_text(uint32_t rights, char ret[AUTHORITY_TEXT_LEN]);
/* What a record gives: words that are not known give nothing. */
uint32_t authority_rights(const struct mqattr_set *record);

/*
 * Profiles.  A name's qualifiers stand between dots.  In a profile ? stands
 * for one character of a qualifier, * for any number of them, and ** as a
 * whole qualifier, once, for any number of qualifiers.  A name that begins
 * with "SYSTEM." is matched only by a profile that begins so.
 */
bool profile_is_valid(const char *profile);
bool profile_is_generic(const char *profile);
bool profile_matches(const char *profile, const char *name);
/* Whether a is more specific than b: at the first place where they differ, a
 * character comes before ?, ? before * and * before **. */
bool profile_is_closer(const char *a, const char *b);

/*
 * What users may do.  Each entity (the user, each group of it) has the rights
 * of the record whose profile matches the name most closely; the user has
 * those of all its entities.
 */
struct authority;

#define AUTHORITY_MAX_GROUPS 1024u

struct authority_groups {
	uint32_t n;
	char names[AUTHORITY_MAX_GROUPS][AUTHORITY_NAME_LEN + 1];
};

/* The groups of a user, as the host knows them; ret->n is 0 before. */
typedef void (*authority_groups_fn)(
    void *ctx, const char *user, struct authority_groups *ret);

struct authority_question {
	const char *user;
	const char *group; /* a further one; "" none */
	enum authority_type type;
	const char *name; /* of the object */
	uint32_t rights;  /* wanted: all of them */
};

struct authority_verdict {
	uint32_t rights; /* all that the user has on the object */
	bool allowed;
	/* The record that decided: one that gives what is wanted, or the
	 * closest one that does not; profile "" if no record matches. */
	char profile[MQI_NAME_LEN + 1];
	char entity[AUTHORITY_NAME_LEN + 1];
	bool is_group;
	uint32_t gives;
};

/* Records are those of the table, read when a verdict is next asked for. */
struct authority *authority_new(
    const struct object_table *objects, authority_groups_fn groups, void *ctx);
struct authority *authority_free(struct authority *a); /* NULL */
/* Records or groups have changed. */
void authority_forget(struct authority *a);
void authority_judge(struct authority *a, const struct authority_question *q,
    struct authority_verdict *ret);
/* Whether the record is one of the user's own or of its groups'. */
bool authority_is_of(struct authority *a, const char *user, const char *group,
    const struct mqattr_set *record);

#endif

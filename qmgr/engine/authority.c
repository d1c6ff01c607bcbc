/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority.c - the words of authority records, and their profiles.
 *
 * Neighbours: qmgr/ctl_authrec.c sets and shows records.
 * Invariants: a right belongs to types of objects; a record of another type
 * never gives it.
 * Happy path: words to a set of rights and back; a profile against a name.
 * Failure: a word that a type does not have, a profile that is none, are said
 * to be so; nothing else can fail.
 */
#include "qmgr/engine/authority.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AUTHORITY_OF_QMGR MQ_BIT(AUTHORITY_QMGR)
#define AUTHORITY_OF_QUEUE MQ_BIT(AUTHORITY_QUEUE)
#define AUTHORITY_OF_TOPIC MQ_BIT(AUTHORITY_TOPIC)
#define AUTHORITY_OF_CLEARED (AUTHORITY_OF_QUEUE | AUTHORITY_OF_TOPIC)
#define AUTHORITY_OF_CHANNEL MQ_BIT(AUTHORITY_CHANNEL)
#define AUTHORITY_OF_OBJECTS                                          \
	(AUTHORITY_OF_QUEUE | AUTHORITY_OF_CHANNEL |                  \
	    MQ_BIT(AUTHORITY_LISTENER) | MQ_BIT(AUTHORITY_NAMELIST) | \
	    MQ_BIT(AUTHORITY_PROCESS) | AUTHORITY_OF_TOPIC)
#define AUTHORITY_OF_ALL (AUTHORITY_OF_QMGR | AUTHORITY_OF_OBJECTS)
#define AUTHORITY_OF_SHOWN (AUTHORITY_OF_ALL | MQ_BIT(AUTHORITY_SERVICE))
#define AUTHORITY_OF_CONTROL                        \
	(AUTHORITY_OF_QMGR | AUTHORITY_OF_CHANNEL | \
	    MQ_BIT(AUTHORITY_LISTENER) | MQ_BIT(AUTHORITY_SERVICE))

enum kind { KIND_MQI = 1, KIND_ADM = 2, KIND_SYS = 4 };

static const struct {
	const char *name;
	uint32_t types;
	enum kind kind;
} rights_table[] = {

#define RIGHT(name, types, kind) {#name, types, KIND_##kind},
    AUTHORITY_MAP(RIGHT)
#undef RIGHT
};

static const char *const type_names[AUTHORITY_TYPES] = {
    [AUTHORITY_QMGR] = "QMGR",
    [AUTHORITY_QUEUE] = "QUEUE",
    [AUTHORITY_CHANNEL] = "CHANNEL",
    [AUTHORITY_LISTENER] = "LISTENER",
    [AUTHORITY_NAMELIST] = "NAMELIST",
    [AUTHORITY_PROCESS] = "PROCESS",
    [AUTHORITY_SERVICE] = "SERVICE",
    [AUTHORITY_TOPIC] = "TOPIC",
};

const char *
authority_type_name(enum authority_type type)
{
	MQ_PRE((unsigned)type < AUTHORITY_TYPES);
	return type_names[type];
}

enum authority_type
authority_type_of(const char *objtype)
{
	unsigned t = 0;

	while (t < AUTHORITY_TYPES && strcmp(type_names[t], objtype) != 0)
		t++;
	MQ_PRE(t < AUTHORITY_TYPES);
	return (enum authority_type)t;
}

/* ---- words ---- */

static uint32_t
rights_of_kinds(enum authority_type type, unsigned kinds)
{
	uint32_t rights = 0;

	for (unsigned i = 0; i < MQ_ARRAY_LEN(rights_table); i++)
		if ((rights_table[i].types & MQ_BIT(type)) != 0 &&
		    (rights_table[i].kind & kinds) != 0)
			rights |= 1u << i;
	return rights;
}

bool
authority_word(enum authority_type type, const char *word, uint32_t *ret_rights)
{
	static const struct {
		const char *name;
		unsigned kinds;
	} sets[] = {
	    {"ALL", KIND_MQI | KIND_ADM | KIND_SYS},
	    {"ALLADM", KIND_ADM},
	    {"ALLMQI", KIND_MQI},
	    {"NONE", 0},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(sets); i++) {
		if (strcasecmp(sets[i].name, word) == 0) {
			*ret_rights = rights_of_kinds(type, sets[i].kinds);
			return true;
		}
	}
	for (unsigned i = 0; i < MQ_ARRAY_LEN(rights_table); i++) {
		if (strcasecmp(rights_table[i].name, word) != 0)
			continue;
		*ret_rights = 1u << i;
		return (rights_table[i].types & MQ_BIT(type)) != 0;
	}
	return false;
}

const char *
authority_right_name(enum authority_right right)
{
	for (unsigned i = 0; i < MQ_ARRAY_LEN(rights_table); i++)
		if ((uint32_t)right == 1u << i)
			return rights_table[i].name;
	return "NONE";
}

void
authority_text(uint32_t rights, char ret[AUTHORITY_TEXT_LEN])
{
	size_t used = 0;

	(void)snprintf(ret, AUTHORITY_TEXT_LEN, "NONE");
	for (unsigned i = 0; i < MQ_ARRAY_LEN(rights_table); i++) {
		if ((rights & 1u << i) == 0)
			continue;
		int n = snprintf(ret + used, AUTHORITY_TEXT_LEN - used, "%s%s",
		    used > 0 ? "," : "", rights_table[i].name);
		MQ_INVARIANT(n > 0 && (size_t)n < AUTHORITY_TEXT_LEN - used);
		used += (size_t)n;
	}
}

uint32_t
authority_rights(const struct mqattr_set *record)
{
	enum authority_type type =
	    authority_type_of(mqattr_text(record, MQATTR_ID_OBJTYPE));
	const char *p = mqattr_text(record, MQATTR_ID_AUTHLIST);
	uint32_t rights = 0;

	while (*p != '\0') {
		char word[16];
		uint32_t some;
		size_t len = strcspn(p, ",");
		(void)snprintf(word, sizeof(word), "%.*s", (int)len, p);
		if (authority_word(type, word, &some))
			rights |= some;
		p += len + (p[len] == ',');
	}
	return rights;
}

/* ---- profiles ---- */

/* The profile's length of a qualifier, up to its dot or end. */
static size_t
qualifier_len(const char *p)
{
	return strcspn(p, ".");
}

static bool
is_any_qualifiers(const char *qualifier, size_t len)
{
	return len == 2 && memcmp(qualifier, "**", 2) == 0;
}

bool
profile_is_valid(const char *profile)
{
	size_t len = strlen(profile);
	unsigned wide = 0;

	if (len == 0 || len > MQI_NAME_LEN ||
	    strspn(profile, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz"
			    "0123456789./_%?*") != len)
		return false;
	for (const char *p = profile;;) {
		size_t n = qualifier_len(p);
		if (is_any_qualifiers(p, n))
			wide++;
		else if (memmem(p, n, "**", 2) != NULL)
			return false;
		if (p[n] == '\0')
			return wide <= 1;
		p += n + 1;
	}
}

bool
profile_is_generic(const char *profile)
{
	return strpbrk(profile, "?*") != NULL;
}

/* One qualifier against another. */
static bool
qualifier_matches(const char *p, size_t p_len, const char *s, size_t s_len)
{
	size_t i = 0, j = 0;
	size_t star = SIZE_MAX; /* where the last * stood, and what it took */
	size_t taken = 0;

	while (j < s_len) {
		if (i < p_len && p[i] == '*') {
			star = i++;
			taken = j;
		} else if (i < p_len && (p[i] == '?' || p[i] == s[j])) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++taken;
		} else {
			return false;
		}
	}
	while (i < p_len && p[i] == '*')
		i++;
	return i == p_len;
}

static size_t
count_qualifiers(const char *s)
{
	size_t n = 1;

	for (; *s != '\0'; s++)
		n += *s == '.';
	return n;
}

static const char *
skip_qualifiers(const char *s, size_t n)
{
	for (; n > 0; n--) {
		s += qualifier_len(s);
		s += *s == '.';
	}
	return s;
}

static bool
qualifiers_match(const char *profile, const char *name)
{
	size_t have = count_qualifiers(name);
	size_t want = count_qualifiers(profile);

	for (; want > 0 && have > 0; want--) {
		size_t p_len = qualifier_len(profile);
		size_t s_len = qualifier_len(name);
		if (is_any_qualifiers(profile, p_len)) {
			/* there is one at most: what follows is at the end */
			if (have < want - 1)
				return false;
			name = skip_qualifiers(name, have - (want - 1));
			have = want - 1;
		} else {
			if (!qualifier_matches(profile, p_len, name, s_len))
				return false;
			name = skip_qualifiers(name, 1);
			have--;
		}
		profile = skip_qualifiers(profile, 1);
	}
	return have == 0 &&
	       (want == 0 || (want == 1 && strcmp(profile, "**") == 0));
}

bool
profile_matches(const char *profile, const char *name)
{
	if (strcmp(profile, name) == 0)
		return true;
	if (strncmp(name, "SYSTEM.", 7) == 0 &&
	    strncmp(profile, "SYSTEM.", 7) != 0)
		return false;
	return qualifiers_match(profile, name);
}

/* 0: a character that stands for itself, or the end. */
static unsigned
breadth(const char *p)
{
	if (*p == '?')
		return 1;
	if (*p != '*')
		return 0;
	return p[1] == '*' ? 3 : 2;
}

bool
profile_is_closer(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b && breadth(a) == breadth(b)) {
		a++;
		b++;
	}
	if (breadth(a) != breadth(b))
		return breadth(a) < breadth(b);
	if (*a == '\0' || *b == '\0')
		return *a != '\0';
	return *a < *b;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dn.c - distinguished names as text, and patterns for them (dn.h).
 *
 * Neighbours: tls/tls_name.c writes the names of certificates; the agents
 * compare a channel's SSLPEER with them, the queue manager its channel
 * authentication records: both here, so that they judge alike.
 *
 * Invariants: both texts are cut into parts (an attribute and a value) by the
 * same reader, and nothing is kept; a value that holds a NUL, or bytes that
 * were no text in the certificate ("#0c03..."), fits no pattern: they are a
 * forger's tricks.
 *
 * Happy path: every part of the pattern finds a part of the name.  Failure:
 * what cannot be read gives ATTRIBUTE with a sentence.
 */
#include "base/dn.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* In IBM's order: the first is the most specific. */
enum key {
	KEY_SERIALNUMBER,
	KEY_MAIL,
	KEY_UID,
	KEY_CN,
	KEY_T,
	KEY_OU,
	KEY_DC,
	KEY_O,
	KEY_STREET,
	KEY_L,
	KEY_ST,
	KEY_PC,
	KEY_C,
	KEY_DNQ,
	KEY_OTHER, /* in names only; no pattern can ask for it */
};

static const struct {
	const char *name;
	enum key key;
} keys[] = {
    {"CN", KEY_CN},
    {"O", KEY_O},
    {"OU", KEY_OU},
    {"DC", KEY_DC},
    {"C", KEY_C},
    {"L", KEY_L},
    {"ST", KEY_ST},
    {"SP", KEY_ST},
    {"S", KEY_ST},
    {"STREET", KEY_STREET},
    {"PC", KEY_PC},
    {"postalCode", KEY_PC},
    {"T", KEY_T},
    {"title", KEY_T},
    {"UID", KEY_UID},
    {"USERID", KEY_UID},
    {"MAIL", KEY_MAIL},
    {"E", KEY_MAIL},
    {"emailAddress", KEY_MAIL},
    {"SERIALNUMBER", KEY_SERIALNUMBER},
    {"DNQ", KEY_DNQ},
    {"dnQualifier", KEY_DNQ},
};

struct part {
	enum key key;
	bool any_start; /* pattern: '*' first */
	bool any_end;   /* pattern: '*' last */
	bool hidden;    /* name: not text */
	char value[MQDN_MAX];
	size_t len;
};

static enum mqi_err
fail(char *why, const char *what, const char *at)
{
	(void)snprintf(why, MQDN_WHY_LEN, "a distinguished name: %s%s%.40s%s",
	    what, *at != '\0' ? " at '" : "", at, *at != '\0' ? "'" : "");
	return MQI_E_ATTRIBUTE;
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static enum mqi_err
read_key(const char **pp, bool pattern, struct part *part, char *why)
{
	const char *p = skip_blanks(*pp);
	size_t len = strcspn(p, "= \t,+");
	const char *eq = skip_blanks(p + len);

	if (len == 0 || *eq != '=')
		return fail(why, "an attribute and '=' are expected", p);
	part->key = KEY_OTHER;
	for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++)
		if (strlen(keys[i].name) == len &&
		    strncasecmp(keys[i].name, p, len) == 0)
			part->key = keys[i].key;
	if (part->key == KEY_OTHER && pattern)
		return fail(why, "the attribute is not known", p);
	*pp = skip_blanks(eq + 1);
	return MQI_OK;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *d =
	    c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return d != NULL ? (int)(d - digits) : -1;
}

/* The character at *pp, which is moved to its last byte. */
static char
read_char(const char **pp, bool pattern, bool *ret_literal)
{
	const char *p = *pp;

	*ret_literal = *p == '\\' && p[1] != '\0';
	if (!*ret_literal)
		return *p;
	if (!pattern && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
		*pp = p + 2;
		return (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
	}
	*pp = p + 1;
	return p[1];
}

static enum mqi_err
read_value(const char **pp, bool pattern, struct part *part, char *why)
{
	const char *p = *pp;
	bool quoted = *p == '"';
	size_t plain = 0; /* length up to the last character that is no blank */
	const char *ends = quoted ? "\"" : pattern ? ",;" : ",+";

	part->hidden = !pattern && *p == '#';
	p += quoted ? 1 : 0;
	if (pattern && *p == '*') {
		part->any_start = true;
		p++;
	}
	for (; *p != '\0' && strchr(ends, *p) == NULL; p++) {
		bool literal;
		char c = read_char(&p, pattern, &literal);

		if (part->len + 1 >= sizeof(part->value))
			return fail(why, "a value is too long", "");
		part->value[part->len++] = c;
		part->hidden = part->hidden || c == '\0';
		part->any_end = pattern && !literal && c == '*';
		if (quoted || literal || (c != ' ' && c != '\t'))
			plain = part->len;
	}
	if (quoted && *p != '"')
		return fail(why, "a double quote is missing", "");
	p += quoted ? 1 : 0;
	part->len = plain;
	if (part->any_end && plain > 0 && part->value[plain - 1] == '*')
		part->len--;
	*pp = skip_blanks(p);
	return MQI_OK;
}

/* Reads the next part; *ret_more tells whether there is another. */
static enum mqi_err
read_part(
    const char **pp, bool pattern, struct part *part, bool *ret_more, char *why)
{
	enum mqi_err err;

	memset(part, 0, sizeof(*part));
	err = read_key(pp, pattern, part, why);
	if (err == MQI_OK)
		err = read_value(pp, pattern, part, why);
	if (err != MQI_OK)
		return err;
	if (pattern && part->len == 0 && !part->any_start && !part->any_end)
		return fail(why, "a value is empty", "");
	*ret_more = **pp == ',' || **pp == (pattern ? ';' : '+');
	if (!*ret_more && **pp != '\0')
		return fail(why, "a comma is expected", *pp);
	*pp += *ret_more ? 1 : 0;
	return MQI_OK;
}

static bool
part_fits(const struct part *want, const struct part *have)
{
	const char *v = have->value;

	if (want->key != have->key || have->hidden || have->len < want->len)
		return false;
	if (want->any_start && want->any_end)
		return want->len == 0 ||
		       memmem(v, have->len, want->value, want->len) != NULL;
	if (want->any_start)
		return memcmp(v + have->len - want->len, want->value,
			   want->len) == 0;
	if (!want->any_end && have->len != want->len)
		return false;
	return memcmp(v, want->value, want->len) == 0;
}

/* Whether one of the name's parts fits. */
static enum mqi_err
name_has(const char *name, const struct part *want, bool *ret_has, char *why)
{
	bool has = false, more = true;
	struct part have;

	while (more) {
		enum mqi_err err = read_part(&name, false, &have, &more, why);

		if (err != MQI_OK)
			return err;
		has = has || part_fits(want, &have);
	}
	*ret_has = has;
	return MQI_OK;
}

/* name NULL: only reads the pattern. */
enum mqi_err
mqdn_match(
    const char *pattern, const char *name, bool *ret_match, char *ret_why)
{
	bool match = true, more = true, has = true;
	struct part part;

	if (strlen(pattern) > MQDN_MAX)
		return fail(ret_why, "it is longer than 256 bytes", "");
	while (more) {
		enum mqi_err err =
		    read_part(&pattern, true, &part, &more, ret_why);

		if (err == MQI_OK && name != NULL)
			err = name_has(name, &part, &has, ret_why);
		if (err != MQI_OK)
			return err;
		match = match && has;
	}
	*ret_match = match;
	return MQI_OK;
}

enum mqi_err
mqdn_check(const char *pattern, char *ret_why)
{
	bool match;

	return mqdn_match(pattern, NULL, &match, ret_why);
}

/* ---- which is more specific ---- */

struct weight {
	size_t parts;
	size_t wild; /* of them with a '*' */
	size_t len;  /* of their values */
};

static struct weight
weigh(const char *pattern, enum key key)
{
	struct weight w = {0};
	char why[MQDN_WHY_LEN];
	bool more = true;
	struct part part;

	while (more) {
		enum mqi_err err = read_part(&pattern, true, &part, &more, why);

		MQ_PRE(err == MQI_OK); /* the patterns are valid */
		if (part.key != key)
			continue;
		w.parts++;
		w.wild += part.any_start || part.any_end ? 1 : 0;
		w.len += part.len;
	}
	return w;
}

int
mqdn_compare(const char *a, const char *b)
{
	for (enum key k = KEY_SERIALNUMBER; k < KEY_OTHER; k++) {
		struct weight wa = weigh(a, k), wb = weigh(b, k);

		if (wa.parts != wb.parts)
			return wa.parts > wb.parts ? -1 : 1;
		if (wa.wild != wb.wild)
			return wa.wild < wb.wild ? -1 : 1;
		if (wa.len != wb.len)
			return wa.len > wb.len ? -1 : 1;
	}
	return 0;
}

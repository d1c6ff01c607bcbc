/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.c - looking up attributes, and sets of their values.
 *
 * Neighbours: attr_table.c holds the rows; the engine keeps one set per
 * object and stores its bytes in OBJECT records; qmgr/ctl*.c fills sets from
 * commands; DISPLAY shows them.
 *
 * Invariants: a set holds, for each attribute, NULL (the default) or valid
 * text in its canonical spelling (words in upper case, numbers without blanks
 * or leading zeros, no trailing blanks), which is never the default's.
 *
 * Happy path: mqattr_set_new, mqattr_set_text for each pair of a command,
 * mqattr_encode; after a restart mqattr_decode, mqattr_int, mqattr_is.
 * Failure: a value that is not allowed leaves the set as it was, and a sentence
 * says what is allowed.
 */
#include "proto/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/name.h"
#include "proto/attr_table.h"

#define VALUE_MAX MQATTR_NAMES_LEN /* bytes; no attribute is longer */
#define INT_TEXT_LEN 24
#define SLOTS_MAX 96u /* attributes of one type */

/* A set has a value for each row of its type, in the order of numbers. */
struct mqattr_set {
	enum mqattr_object type;
	char *values[];
};

static const char *const object_names[MQATTR_OBJECT_MAX + 1] = {
    [MQATTR_QMGR] = "QMGR",
    [MQATTR_QLOCAL] = "QLOCAL",
    [MQATTR_QALIAS] = "QALIAS",
    [MQATTR_QREMOTE] = "QREMOTE",
    [MQATTR_QMODEL] = "QMODEL",
    [MQATTR_CHANNEL] = "CHANNEL",
    [MQATTR_LISTENER] = "LISTENER",
    [MQATTR_AUTHREC] = "AUTHREC",
    [MQATTR_CHLAUTH] = "CHLAUTH",
    [MQATTR_NAMELIST] = "NAMELIST",
    [MQATTR_PROCESS] = "PROCESS",
    [MQATTR_SERVICE] = "SERVICE",
    [MQATTR_TOPIC] = "TOPIC",
    [MQATTR_SUB] = "SUB",
};

/* Rows by type and number, filled before main() runs, then constant. */
static const struct mqattr_def *rows[MQATTR_OBJECT_MAX + 1][MQATTR_MAX + 1];
/* Their places in a set, and back; how many. */
static uint16_t slots[MQATTR_OBJECT_MAX + 1][MQATTR_MAX + 1];
static const struct mqattr_def *in_slot[MQATTR_OBJECT_MAX + 1][SLOTS_MAX];
static uint16_t n_slots[MQATTR_OBJECT_MAX + 1];

static bool
type_is_known(enum mqattr_object type)
{
	return type >= MQATTR_QMGR && type <= MQATTR_OBJECT_MAX;
}

static bool
def_has_type(const struct mqattr_def *d, enum mqattr_object type)
{
	return (d->objects & MQ_BIT(type)) != 0;
}

__attribute__((constructor)) static void
fill_rows(void)
{
	for (size_t i = 0; i < mqattr_table_len; i++) {
		const struct mqattr_def *d = &mqattr_table[i];
		for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
			if (!def_has_type(d, (enum mqattr_object)t))
				continue;
			MQ_INVARIANT(rows[t][d->id] == NULL);
			rows[t][d->id] = d;
		}
	}
	for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
		for (size_t id = 1; id <= MQATTR_MAX; id++) {
			if (rows[t][id] == NULL)
				continue;
			MQ_INVARIANT(n_slots[t] < SLOTS_MAX);
			in_slot[t][n_slots[t]] = rows[t][id];
			slots[t][id] = n_slots[t]++;
		}
	}
}

/* Of an attribute that the type has. */
static char **
slot_of(const struct mqattr_set *s, enum mqattr id)
{
	return (char **)(uintptr_t)&s->values[slots[s->type][id]];
}

const struct mqattr_def *
mqattr_find(enum mqattr_object type, const char *keyword)
{
	if (strcasecmp(keyword, "TARGQ") == 0)
		keyword = "TARGET";
	for (size_t i = 0; i < mqattr_table_len; i++) {
		const struct mqattr_def *d = &mqattr_table[i];
		if (def_has_type(d, type) &&
		    strcasecmp(d->keyword, keyword) == 0)
			return d;
	}
	return NULL;
}

const struct mqattr_def *
mqattr_def(enum mqattr_object type, enum mqattr id)
{
	MQ_PRE(type_is_known(type));
	return id >= 1 && id <= MQATTR_MAX ? rows[type][id] : NULL;
}

const struct mqattr_def *
mqattr_next(enum mqattr_object type, const struct mqattr_def *prev)
{
	const struct mqattr_def *d = prev == NULL ? mqattr_table : prev + 1;
	MQ_PRE(d >= mqattr_table && d <= mqattr_table + mqattr_table_len);
	while (d < mqattr_table + mqattr_table_len) {
		if (def_has_type(d, type))
			return d;
		d++;
	}
	return NULL;
}

const char *
mqattr_object_name(enum mqattr_object type)
{
	MQ_PRE(type_is_known(type));
	return object_names[type];
}

/* ---- sets ---- */

struct mqattr_set *
mqattr_set_new(enum mqattr_object type)
{
	MQ_PRE(type_is_known(type));
	struct mqattr_set *s =
	    mqmem_alloc(sizeof(*s) + n_slots[type] * sizeof(s->values[0]));
	s->type = type;
	return s;
}

struct mqattr_set *
mqattr_set_copy(const struct mqattr_set *s)
{
	struct mqattr_set *copy = mqattr_set_new(s->type);
	for (size_t i = 0; i < n_slots[s->type]; i++)
		if (s->values[i] != NULL)
			copy->values[i] = mqmem_strdup(s->values[i]);
	return copy;
}

struct mqattr_set *
mqattr_set_free(struct mqattr_set *s)
{
	if (s != NULL) {
		for (size_t i = 0; i < n_slots[s->type]; i++)
			free(s->values[i]);
		free(s);
	}
	return NULL;
}

enum mqattr_object
mqattr_set_type(const struct mqattr_set *s)
{
	return s->type;
}

bool
mqattr_set_has(const struct mqattr_set *s, enum mqattr id)
{
	const struct mqattr_def *d = mqattr_def(s->type, id);
	if (d == NULL)
		return false;
	if (s->type != MQATTR_CHANNEL)
		return true;
	return (d->chltypes & MQ_BIT(mqattr_chltype(s))) != 0;
}

enum mqattr_chltype
mqattr_chltype(const struct mqattr_set *s)
{
	const struct mqattr_def *d =
	    mqattr_def(MQATTR_CHANNEL, MQATTR_ID_CHLTYPE);
	unsigned i = 0;

	MQ_PRE(s->type == MQATTR_CHANNEL);
	while (!mqattr_is(s, MQATTR_ID_CHLTYPE, d->words[i]))
		i++; /* a set holds valid values only */
	return (enum mqattr_chltype)i;
}

/* ---- checking a value ---- */

static void
why_words(const struct mqattr_def *d, const char *value, char *why, size_t len)
{
	char list[128] = "";
	size_t used = 0;
	for (size_t i = 0; d->words[i] != NULL; i++) {
		int n = snprintf(list + used, sizeof(list) - used, "%s%s",
		    i > 0 ? ", " : "", d->words[i]);
		MQ_INVARIANT(n > 0 && (size_t)n < sizeof(list) - used);
		used += (size_t)n;
	}
	(void)snprintf(why, len, "%s(%.64s) is not valid: it must be %s%s",
	    d->keyword, value, d->words[1] != NULL ? "one of " : "", list);
}

int64_t
mqattr_number(const struct mqattr_def *d, const char *value)
{
	MQ_PRE(d->kind == MQATTR_INT);
	if (d->words != NULL && strcasecmp(value, d->words[0]) == 0)
		return d->min;
	return strtoll(value, NULL, 10);
}

static bool
check_word(const struct mqattr_def *d, const char *value, char *ret_canon)
{
	for (size_t i = 0; d->words[i] != NULL; i++) {
		if (strcasecmp(value, d->words[i]) == 0) {
			memcpy(ret_canon, d->words[i], strlen(d->words[i]) + 1);
			return true;
		}
	}
	return false;
}

static bool
check_int(const struct mqattr_def *d, const char *value, char *ret_canon)
{
	char *end;
	if (d->words != NULL && check_word(d, value, ret_canon))
		return true;
	const char *digits = value + (*value == '-' || *value == '+');
	size_t n = strspn(digits, "0123456789");
	if (n == 0 || n > 18 || digits[n] != '\0')
		return false;
	long long v = strtoll(value, &end, 10);
	if (*end != '\0' || v < d->min || v > d->max)
		return false;
	if (d->words != NULL && v == d->min)
		return check_word(d, d->words[0], ret_canon);
	(void)snprintf(ret_canon, INT_TEXT_LEN, "%lld", v);
	return true;
}

/* Bytes of the UTF-8 sequence at p, or 0 if it is not one or is a control
 * character. */
static size_t
utf8_len(const unsigned char *p)
{
	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7f ? 1 : 0;
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong, surrogates, beyond U+10FFFF; C1 controls */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ||
	    (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	return n;
}

static bool
text_is_valid(const char *value)
{
	const unsigned char *p = (const unsigned char *)value;
	while (*p != '\0') {
		size_t n = utf8_len(p);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

/* value without trailing blanks; ret_canon has VALUE_MAX + 1 bytes. */
static bool
check_kind(const struct mqattr_def *d, const char *value, char *ret_canon,
    char *why, size_t why_len)
{
	bool ok = false;
	switch (d->kind) {
	case MQATTR_INT:
		ok = check_int(d, value, ret_canon);
		if (!ok)
			(void)snprintf(why, why_len,
			    "%s(%.64s) is not valid: it must be %s%sa number "
			    "from %lld to %lld",
			    d->keyword, value,
			    d->words != NULL ? d->words[0] : "",
			    d->words != NULL ? " or " : "",
			    (long long)d->min + (d->words != NULL),
			    (long long)d->max);
		return ok;
	case MQATTR_NAME:
		ok = *value == '\0' || mqname_is_valid(value, (size_t)d->max);
		if (!ok)
			(void)snprintf(why, why_len,
			    "%s(%.64s) is not valid: it must be a name of at "
			    "most %lld letters, digits and . / _ %%",
			    d->keyword, value, (long long)d->max);
		break;
	case MQATTR_TEXT:
		ok = strlen(value) <= (size_t)d->max && text_is_valid(value);
		if (!ok)
			(void)snprintf(why, why_len,
			    "%s is not valid: it must be text in UTF-8 of at "
			    "most %lld bytes without control characters",
			    d->keyword, (long long)d->max);
		break;
	case MQATTR_WORD:
	case MQATTR_FLAG:
		ok = check_word(d, value, ret_canon);
		if (!ok)
			why_words(d, value, why, why_len);
		return ok;
	}
	if (ok)
		memcpy(ret_canon, value, strlen(value) + 1);
	return ok;
}

/* Checks and stores, whether it is read-only or not. */
static bool
set_value(struct mqattr_set *s, const struct mqattr_def *d, const char *value,
    char *why, size_t why_len)
{
	char trimmed[VALUE_MAX + 1];
	char canon[VALUE_MAX + 1];
	size_t len = strlen(value);
	while (len > 0 && value[len - 1] == ' ')
		len--;
	if (len > VALUE_MAX) {
		(void)snprintf(
		    why, why_len, "the value of %s is too long", d->keyword);
		return false;
	}
	memcpy(trimmed, value, len);
	trimmed[len] = '\0';
	if (!check_kind(d, trimmed, canon, why, why_len))
		return false;
	free(*slot_of(s, d->id));
	*slot_of(s, d->id) =
	    strcmp(canon, d->def) == 0 ? NULL : mqmem_strdup(canon);
	return true;
}

enum mqi_err
mqattr_set_told(struct mqattr_set *s, enum mqattr id, const char *value,
    char *ret_why, size_t why_len)
{
	const struct mqattr_def *d = mqattr_def(s->type, id);
	MQ_PRE(d != NULL);
	return set_value(s, d, value, ret_why, why_len) ? MQI_OK
							: MQI_E_ATTRIBUTE;
}

enum mqi_err
mqattr_set_text(struct mqattr_set *s, enum mqattr id, const char *value,
    char *ret_why, size_t why_len)
{
	char scratch[1];
	if (ret_why == NULL || why_len == 0) {
		ret_why = scratch;
		why_len = sizeof(scratch);
	}
	const struct mqattr_def *d = mqattr_def(s->type, id);
	if (d == NULL) {
		(void)snprintf(ret_why, why_len,
		    "attribute %d does not belong to %s", (int)id,
		    mqattr_object_name(s->type));
		return MQI_E_ATTRIBUTE;
	}
	if (d->read_only) {
		(void)snprintf(
		    ret_why, why_len, "%s cannot be set", d->keyword);
		return MQI_E_ATTRIBUTE;
	}
	return mqattr_set_told(s, id, value, ret_why, why_len);
}

void
mqattr_set_own(struct mqattr_set *s, enum mqattr id, const char *value)
{
	char why[200];
	enum mqi_err err = mqattr_set_told(s, id, value, why, sizeof(why));
	MQ_PRE(err == MQI_OK);
}

/* ---- reading a value ---- */

static const char *
value_of(const struct mqattr_set *s, enum mqattr id, enum mqattr_kind *ret_kind)
{
	const struct mqattr_def *d = mqattr_def(s->type, id);
	MQ_PRE(d != NULL);
	*ret_kind = d->kind;
	const char *value = *slot_of(s, id);
	return value != NULL ? value : d->def;
}

int64_t
mqattr_int(const struct mqattr_set *s, enum mqattr id)
{
	enum mqattr_kind kind;
	const char *value = value_of(s, id, &kind);
	MQ_PRE(kind == MQATTR_INT);
	return mqattr_number(mqattr_def(s->type, id), value);
}

const char *
mqattr_text(const struct mqattr_set *s, enum mqattr id)
{
	enum mqattr_kind kind;
	return value_of(s, id, &kind);
}

bool
mqattr_is(const struct mqattr_set *s, enum mqattr id, const char *word)
{
	enum mqattr_kind kind;
	const char *value = value_of(s, id, &kind);
	MQ_PRE(kind == MQATTR_WORD || kind == MQATTR_FLAG);
	return strcmp(value, word) == 0;
}

/* ---- bytes ---- */

static void
encode_value(struct mqbuf *b, const struct mqattr_def *d, const char *value)
{
	mqbuf_put_u16(b, (uint16_t)d->id);
	if (d->kind == MQATTR_INT) {
		mqbuf_put_u16(b, 8);
		mqbuf_put_u64(b, (uint64_t)mqattr_number(d, value));
	} else {
		mqbuf_put_str16(b, value);
	}
}

void
mqattr_encode(const struct mqattr_set *s, struct mqbuf *b)
{
	uint16_t n = 0;
	for (size_t i = 0; i < n_slots[s->type]; i++)
		n = (uint16_t)(n + (s->values[i] != NULL));
	mqbuf_put_u16(b, n);
	for (size_t i = 0; i < n_slots[s->type]; i++) {
		if (s->values[i] == NULL)
			continue;
		encode_value(b, in_slot[s->type][i], s->values[i]);
	}
}

static enum mqi_err
decode_value(struct mqattr_set *s, struct mqreader *r)
{
	char text[VALUE_MAX + 1];
	uint16_t number = mqreader_u16(r);
	if (r->err != MQI_OK)
		return MQI_E_PROTOCOL;
	const struct mqattr_def *d = mqattr_def(s->type, (enum mqattr)number);
	if (d == NULL || *slot_of(s, d->id) != NULL)
		return MQI_E_ATTRIBUTE;
	if (d->kind == MQATTR_INT) {
		if (mqreader_u16(r) != 8)
			return MQI_E_PROTOCOL;
		(void)snprintf(text, sizeof(text), "%lld",
		    (long long)(int64_t)mqreader_u64(r));
	} else {
		mqreader_str16(r, text, sizeof(text));
	}
	if (r->err != MQI_OK)
		return MQI_E_PROTOCOL;
	char why[200];
	return set_value(s, d, text, why, sizeof(why)) ? MQI_OK
						       : MQI_E_ATTRIBUTE;
}

enum mqi_err
mqattr_decode(enum mqattr_object type, const void *data, size_t len,
    struct mqattr_set **ret)
{
	enum mqi_err err = MQI_OK;
	struct mqreader r;
	struct mqattr_set *s = mqattr_set_new(type);
	mqreader_init(&r, data, len);
	uint16_t n = mqreader_u16(&r);
	for (uint16_t i = 0; i < n && err == MQI_OK; i++)
		err = decode_value(s, &r);
	if (err == MQI_OK)
		err = mqreader_done(&r);
	if (err == MQI_OK) {
		*ret = s;
		s = NULL;
	}
	(void)mqattr_set_free(s);
	return err;
}

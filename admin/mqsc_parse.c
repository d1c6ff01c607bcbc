/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqsc_parse.c - one MQSC command: verb, noun, name and parameters.
 *
 * Neighbours: mqsc.c joins lines; the queue manager (qmgr/ctl*.c) checks names,
 * attributes and values, so this file knows of attributes only which are flags.
 *
 * Invariants: the text is read once, from left to right; an error leaves
 * nothing allocated and names the offset where it was seen.
 *
 * Grammar: VERB NOUN [(name)] { KEYWORD [(value)] }, blanks or commas between,
 * blanks before '(' too.  Keywords in any case.  A value is 'quoted', with ''
 * for a quote, or plain, and then folded to upper case.  REPLACE, NOREPLACE,
 * LIKE(name), PURGE, NOPURGE, FORCE, IGNSTATE(YES|NO) and ALL become flags
 * where they belong; WHERE(keyword op value) becomes one value; a list of
 * values, where one is taken, becomes one value with commas.
 */
#include "admin/mqsc_parse.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/attr.h"

struct parser {
	const char *text;
	size_t len;
	size_t pos;
	struct mqctl_command *cmd;
	struct mqsc_where *where;
};

struct word {
	const char *name;
	const char *brief; /* or NULL */
	int value;
};

static const struct word verbs[] = {
    {"ALTER", "ALT", MQCTL_ALTER},
    {"CLEAR", NULL, MQCTL_CLEAR},
    {"DEFINE", "DEF", MQCTL_DEFINE},
    {"DELETE", NULL, MQCTL_DELETE},
    {"DISPLAY", "DIS", MQCTL_DISPLAY},
    {"PING", NULL, MQCTL_PING},
    {"REFRESH", NULL, MQCTL_REFRESH},
    {"RESET", NULL, MQCTL_RESET},
    {"RESOLVE", "RES", MQCTL_RESOLVE},
    {"SET", NULL, MQCTL_SET},
    {"START", "STA", MQCTL_START},
    {"STOP", NULL, MQCTL_STOP},
};

static const struct word nouns[] = {
    {"QMGR", NULL, MQCTL_QMGR},
    {"QLOCAL", "QL", MQCTL_QLOCAL},
    {"QALIAS", "QA", MQCTL_QALIAS},
    {"QREMOTE", "QR", MQCTL_QREMOTE},
    {"QMODEL", "QM", MQCTL_QMODEL},
    {"QUEUE", "Q", MQCTL_QUEUE},
    {"CHANNEL", "CHL", MQCTL_CHANNEL},
    {"LISTENER", "LSTR", MQCTL_LISTENER},
    {"QSTATUS", "QS", MQCTL_QSTATUS},
    {"CHSTATUS", "CHS", MQCTL_CHSTATUS},
    {"LSSTATUS", "LS", MQCTL_LSSTATUS},
    {"QMSTATUS", NULL, MQCTL_QMSTATUS},
    {"AUTHREC", NULL, MQCTL_AUTHREC},
    {"CHLAUTH", NULL, MQCTL_CHLAUTH},
    {"SECURITY", NULL, MQCTL_SECURITY},
    {"NAMELIST", "NL", MQCTL_NAMELIST},
    {"PROCESS", "PRO", MQCTL_PROCESS},
    {"SERVICE", NULL, MQCTL_SERVICE},
    {"SVSTATUS", NULL, MQCTL_SVSTATUS},
    {"TOPIC", NULL, MQCTL_TOPIC},
    {"SUB", NULL, MQCTL_SUB},
    {"TOPICSTR", NULL, MQCTL_TOPICSTR},
    {"TPSTATUS", "TPS", MQCTL_TPSTATUS},
    {"SBSTATUS", "SBS", MQCTL_SBSTATUS},
    {"PUBSUB", NULL, MQCTL_PUBSUB},
};

/* What may stand in a pair of parentheses. */
enum form {
	FORM_ONE,   /* a value */
	FORM_WORDS, /* several, kept with one blank between them: WHERE */
	FORM_LIST,  /* several, kept with commas: none may hold one */
	FORM_NAMES, /* the same, and there may be none at all */
};

static const struct {
	const char *keyword;
	enum mqctl_noun noun;
	enum form form;
} lists[] = {
    {"AUTHADD", MQCTL_AUTHREC, FORM_LIST},
    {"AUTHRMV", MQCTL_AUTHREC, FORM_LIST},
    {"PRINCIPAL", MQCTL_AUTHREC, FORM_LIST},
    {"GROUP", MQCTL_AUTHREC, FORM_LIST},
    {"ADDRLIST", MQCTL_CHLAUTH, FORM_LIST},
    {"USERLIST", MQCTL_CHLAUTH, FORM_LIST},
    {"NAMES", MQCTL_NAMELIST, FORM_NAMES},
};

static bool
is_list(enum form form)
{
	return form == FORM_LIST || form == FORM_NAMES;
}

static bool fail(struct parser *p, size_t offset, const char *fmt, ...)
    MQ_PRINTF(3, 4);

static bool
fail(struct parser *p, size_t offset, const char *fmt, ...)
{
	va_list ap;
	p->where->offset = offset;
	p->where->at_end = offset >= p->len;
	va_start(ap, fmt);
	(void)vsnprintf(p->where->text, sizeof(p->where->text), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- tokens ---- */

static char
peek(const struct parser *p)
{
	if (p->pos >= p->len)
		return '\0';
	return p->text[p->pos];
}

static void
skip_blanks(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		p->pos++;
}

static void
skip_separators(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == ',')
		p->pos++;
}

static void
skip_between(struct parser *p, enum form form)
{
	if (is_list(form))
		skip_separators(p);
	else
		skip_blanks(p);
}

/* A keyword, in upper case; what: for the error. */
static bool
read_keyword(struct parser *p, const char *what, char ret[32])
{
	size_t n = 0;
	size_t start = p->pos;
	while (isalnum((unsigned char)peek(p)) || peek(p) == '_') {
		if (n == 31)
			return fail(p, start, "the %s is too long", what);
		ret[n++] = (char)toupper((unsigned char)peek(p));
		p->pos++;
	}
	ret[n] = '\0';
	if (n > 0)
		return true;
	if (p->pos >= p->len)
		return fail(p, p->pos, "a %s is missing", what);
	return fail(p, p->pos, "a %s is expected", what);
}

static bool
put(struct parser *p, char *value, size_t *n, size_t max, char c, size_t start)
{
	if (*n == max)
		return fail(
		    p, start, "the value is longer than %zu bytes", max);
	value[(*n)++] = c;
	return true;
}

static bool
read_quoted(struct parser *p, char *value, size_t *n, size_t max)
{
	size_t start = p->pos++;
	for (;;) {
		if (p->pos >= p->len)
			return fail(p, start, "the quote has no end");
		char c = p->text[p->pos++];
		if (c == '\'') {
			if (peek(p) != '\'')
				return true;
			p->pos++;
		}
		if (!put(p, value, n, max, c, start))
			return false;
	}
}

static bool
read_plain(struct parser *p, char *value, size_t *n, size_t max, enum form form)
{
	const char *ends = is_list(form) ? " \t()'," : " \t()'";
	size_t start = p->pos;
	while (p->pos < p->len && strchr(ends, p->text[p->pos]) == NULL) {
		unsigned char c = (unsigned char)p->text[p->pos];
		if (c >= 0x80)
			return fail(p, p->pos,
			    "a value with such characters must stand in "
			    "quotes");
		if (!put(p, value, n, max, (char)toupper(c), start))
			return false;
		p->pos++;
	}
	return true;
}

/* One of the parts of what stands in parentheses. */
static bool
read_part(struct parser *p, char *value, size_t *n, size_t max, enum form form)
{
	size_t start = *n;
	size_t at = p->pos;
	bool quoted = peek(p) == '\'';
	if (!(quoted ? read_quoted(p, value, n, max)
		     : read_plain(p, value, n, max, form)))
		return false;
	if (is_list(form) && quoted &&
	    memchr(value + start, ',', *n - start) != NULL)
		return fail(p, at, "a value of a list cannot hold a comma");
	return true;
}

/* What stands in parentheses. */
static bool
read_value(struct parser *p, char *value, size_t max, enum form form)
{
	size_t n = 0;
	bool ok = true;
	MQ_PRE(peek(p) == '(');
	size_t open = p->pos++;
	skip_between(p, form);
	size_t parts = 0;
	while (ok && p->pos < p->len && peek(p) != ')') {
		if (peek(p) == '(')
			return fail(p, p->pos,
			    "a value with parentheses must stand in quotes");
		if (parts > 0 && form == FORM_ONE)
			return fail(p, p->pos,
			    "a value with blanks or quotes must stand in "
			    "quotes");
		if (parts > 0)
			ok = put(p, value, &n, max, is_list(form) ? ',' : ' ',
			    p->pos);
		if (ok)
			ok = read_part(p, value, &n, max, form);
		skip_between(p, form);
		parts++;
	}
	if (!ok)
		return false;
	if (p->pos >= p->len)
		return fail(p, p->len, "')' is missing");
	if (parts == 0 && form != FORM_NAMES)
		return fail(p, open, "a value is missing: write ' ' for blank");
	p->pos++;
	value[n] = '\0';
	return true;
}

/* ---- parts of a command ---- */

static bool
look_up(struct parser *p, const struct word *words, size_t n_words,
    const char *what, int *ret)
{
	char text[32];
	size_t start = p->pos;
	if (!read_keyword(p, what, text))
		return false;
	for (size_t i = 0; i < n_words; i++) {
		if (strcmp(words[i].name, text) == 0 ||
		    (words[i].brief != NULL &&
			strcmp(words[i].brief, text) == 0)) {
			*ret = words[i].value;
			return true;
		}
	}
	return fail(p, start, "%s is not a %s", text, what);
}

static bool
read_name(struct parser *p, char *ret, size_t max)
{
	char value[MQCTL_MAX_VALUE + 1];
	size_t start = p->pos;
	if (!read_value(p, value, MQCTL_MAX_VALUE, FORM_ONE))
		return false;
	size_t len = strlen(value);
	if (len > max)
		return fail(p, start, "the name is longer than %d characters",
		    MQI_NAME_LEN);
	memcpy(ret, value, len + 1);
	return true;
}

static bool
noun_has_no_name(enum mqctl_noun noun)
{
	return noun == MQCTL_QMGR || noun == MQCTL_QMSTATUS ||
	       noun == MQCTL_AUTHREC || noun == MQCTL_SECURITY ||
	       noun == MQCTL_PUBSUB;
}

static bool
add_pair(
    struct parser *p, const char *keyword, const char *value, size_t offset)
{
	enum mqi_err err = mqctl_list_add(&p->cmd->attrs, keyword, value);
	if (err == MQI_OK)
		return true;
	return fail(p, offset,
	    err == MQI_E_TOO_BIG ? "there are too many parameters"
				 : "there is not enough memory");
}

/* A topic string, which may be longer than a name. */
static bool
read_topic(struct parser *p, size_t start)
{
	char value[MQCTL_MAX_VALUE + 1];

	if (peek(p) != '(')
		return fail(p, start, "the topic string is missing");
	return read_value(p, value, MQCTL_MAX_VALUE, FORM_ONE) &&
	       add_pair(p, "TOPICSTR", value, start);
}

static bool
read_object(struct parser *p)
{
	struct mqctl_command *c = p->cmd;
	skip_blanks(p);
	size_t start = p->pos;
	if (c->noun == MQCTL_TOPICSTR || c->noun == MQCTL_TPSTATUS)
		return read_topic(p, start);
	if (noun_has_no_name(c->noun)) {
		if (peek(p) == '(')
			return fail(p, start, "%s takes no name",
			    mqctl_noun_name(c->noun));
		return true;
	}
	if (peek(p) != '(')
		return fail(p, start, "the name of the %s is missing",
		    mqctl_noun_name(c->noun));
	if (!read_name(p, c->name, sizeof(c->name) - 1))
		return false;
	if (c->noun == MQCTL_CHLAUTH) /* is a pattern itself */
		return true;
	const char *star = strchr(c->name, '*');
	if (star != NULL && (c->verb != MQCTL_DISPLAY || star[1] != '\0'))
		return fail(p, start,
		    c->verb == MQCTL_DISPLAY
			? "'*' must be the last character of a name"
			: "only DISPLAY takes names with '*'");
	if (star == NULL && strlen(c->name) > MQI_NAME_LEN)
		return fail(p, start, "the name is longer than %d characters",
		    MQI_NAME_LEN);
	return true;
}

/* Parameters without a value that become flags; none: 0. */
static uint32_t
flag_of(enum mqctl_verb verb, const char *keyword, bool *ret_known)
{
	static const struct {
		const char *keyword;
		uint32_t flag;
		enum mqctl_verb verb;
	} flags[] = {
	    {"REPLACE", MQCTL_REPLACE, MQCTL_DEFINE},
	    {"NOREPLACE", 0, MQCTL_DEFINE},
	    {"FORCE", MQCTL_FORCE, MQCTL_DEFINE},
	    {"FORCE", MQCTL_FORCE, MQCTL_ALTER},
	    {"FORCE", MQCTL_FORCE, MQCTL_RESET},
	    {"FORCE", MQCTL_FORCE, MQCTL_RESOLVE},
	    {"PURGE", MQCTL_PURGE, MQCTL_DELETE},
	    {"NOPURGE", 0, MQCTL_DELETE},
	    {"ALL", MQCTL_ALL, MQCTL_DISPLAY},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(flags); i++) {
		if (flags[i].verb == verb &&
		    strcmp(flags[i].keyword, keyword) == 0) {
			*ret_known = true;
			return flags[i].flag;
		}
	}
	*ret_known = false;
	return 0;
}

static bool
takes_ignstate(enum mqctl_verb verb)
{
	return verb == MQCTL_START || verb == MQCTL_STOP ||
	       verb == MQCTL_DELETE;
}

/* An attribute that needs a value and has none?  Others are flags, or not
 * known, which the queue manager says. */
static bool
needs_value(const struct mqctl_command *c, const char *keyword)
{
	if (c->verb != MQCTL_DEFINE && c->verb != MQCTL_ALTER)
		return c->verb != MQCTL_DISPLAY;
	for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
		const struct mqattr_def *d =
		    mqattr_find((enum mqattr_object)t, keyword);
		if (d != NULL)
			return d->kind != MQATTR_FLAG;
	}
	return strcmp(keyword, "LIKE") == 0;
}

static bool
bare_parameter(struct parser *p, const char *keyword, size_t start)
{
	bool known;
	uint32_t flag = flag_of(p->cmd->verb, keyword, &known);
	if (known) {
		p->cmd->flags |= flag;
		return true;
	}
	if (needs_value(p->cmd, keyword))
		return fail(
		    p, start, "%s needs a value in parentheses", keyword);
	return add_pair(p, keyword, "", start);
}

static enum form
form_of(const struct mqctl_command *c, const char *keyword)
{
	if (c->verb == MQCTL_DISPLAY && strcmp(keyword, "WHERE") == 0)
		return FORM_WORDS;
	for (size_t i = 0; i < MQ_ARRAY_LEN(lists); i++)
		if (lists[i].noun == c->noun &&
		    strcmp(lists[i].keyword, keyword) == 0)
			return lists[i].form;
	return FORM_ONE;
}

static bool
parameter_with_value(struct parser *p, const char *keyword, size_t start)
{
	char value[MQCTL_MAX_VALUE + 1];
	struct mqctl_command *c = p->cmd;
	bool known;
	(void)flag_of(c->verb, keyword, &known);
	if (known)
		return fail(p, start, "%s takes no value", keyword);
	if (c->verb == MQCTL_DEFINE && strcmp(keyword, "LIKE") == 0)
		return read_name(p, c->like, sizeof(c->like) - 1);
	if (!read_value(p, value, MQCTL_MAX_VALUE, form_of(c, keyword)))
		return false;
	if (strcmp(keyword, "IGNSTATE") == 0 && takes_ignstate(c->verb)) {
		if (strcmp(value, "YES") == 0)
			c->flags |= MQCTL_IGNSTATE;
		else if (strcmp(value, "NO") != 0)
			return fail(p, start, "IGNSTATE must be YES or NO");
		return true;
	}
	return add_pair(p, keyword, value, start);
}

static bool
read_parameters(struct parser *p)
{
	char keyword[32];
	bool ok = true;
	skip_separators(p);
	while (ok && p->pos < p->len) {
		size_t start = p->pos;
		if (!read_keyword(p, "keyword", keyword))
			return false;
		skip_blanks(p);
		if (peek(p) == '(')
			ok = parameter_with_value(p, keyword, start);
		else
			ok = bare_parameter(p, keyword, start);
		skip_separators(p);
	}
	return ok;
}

static bool
read_command(struct parser *p)
{
	int value;
	if (!look_up(p, verbs, MQ_ARRAY_LEN(verbs), "verb", &value))
		return false;
	p->cmd->verb = (enum mqctl_verb)value;
	skip_blanks(p);
	if (!look_up(p, nouns, MQ_ARRAY_LEN(nouns), "kind of object", &value))
		return false;
	p->cmd->noun = (enum mqctl_noun)value;
	return read_object(p) && read_parameters(p);
}

static bool
is_end(const struct parser *p)
{
	static const char *const words[] = {"END", "EXIT", "QUIT"};
	size_t end = p->len;
	while (end > p->pos && strchr(" \t", p->text[end - 1]) != NULL)
		end--;
	for (size_t i = 0; i < MQ_ARRAY_LEN(words); i++)
		if (end - p->pos == strlen(words[i]) &&
		    strncasecmp(p->text + p->pos, words[i], end - p->pos) == 0)
			return true;
	return false;
}

enum mqsc_event
mqsc_parse(const char *text, size_t len, struct mqctl_command *ret_cmd,
    struct mqsc_where *ret_where)
{
	struct parser p = {text, len, 0, ret_cmd, ret_where};
	skip_blanks(&p);
	if (p.pos >= p.len)
		return MQSC_NONE;
	if (is_end(&p))
		return MQSC_END;
	ret_cmd->flags = 0;
	ret_cmd->name[0] = '\0';
	ret_cmd->like[0] = '\0';
	mqctl_list_init(&ret_cmd->attrs);
	if (read_command(&p))
		return MQSC_COMMAND;
	mqctl_command_fini(ret_cmd);
	return MQSC_ERROR;
}

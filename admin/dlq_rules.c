/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlq_rules.c - reads a rules table (dlq_rules.h) and compares dead letters
 * with it.
 *
 * Neighbours: cmd_dlq.c reads the file and does what a rule says.
 *
 * Form: one entry per line; a last `+` goes on at the next line's first
 * character that is not blank, a last `-` at its first column; a line that
 * begins with `*` is a comment.  An entry is KEYWORD(value) several times,
 * separated by blanks or commas.  Keywords are of any case; values without
 * quotes are folded to upper case.  The first entry may be the control data
 * (INPUTQ, INPUTQM, RETRYINT, WAIT); all others are rules.
 *
 * Failure: the first thing that is wrong, with the line of its entry.
 */
#include "admin/dlq_rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/name.h"

/* ---- symbols ---- */

struct symbol {
	const char *name;
	uint32_t value;
};

static const struct symbol appl_types[] = {{"MQAT_UNKNOWN", UINT32_MAX},
    {"MQAT_NO_CONTEXT", 0}, {"MQAT_CICS", 1}, {"MQAT_OS390", 2},
    {"MQAT_ZOS", 2}, {"MQAT_IMS", 3}, {"MQAT_OS2", 4}, {"MQAT_DOS", 5},
    {"MQAT_UNIX", 6}, {"MQAT_AIX", 6}, {"MQAT_DEFAULT", 6}, {"MQAT_QMGR", 7},
    {"MQAT_OS400", 8}, {"MQAT_WINDOWS", 9}, {"MQAT_WINDOWS_NT", 11},
    {"MQAT_BROKER", 26}, {"MQAT_JAVA", 28}, {"MQAT_SYSTEM_EXTENSION", 34},
    {NULL, 0}};
static const struct symbol msg_types[] = {{"MQMT_REQUEST", MQI_MT_REQUEST},
    {"MQMT_REPLY", MQI_MT_REPLY}, {"MQMT_REPORT", MQI_MT_REPORT},
    {"MQMT_DATAGRAM", MQI_MT_DATAGRAM}, {NULL, 0}};
static const struct symbol persistences[] = {
    {"MQPER_NOT_PERSISTENT", MQI_PERSISTENCE_NO},
    {"MQPER_PERSISTENT", MQI_PERSISTENCE_YES}, {NULL, 0}};
/* of feedback and reason, beside MQRC_ and the names of mqi_err.h */
static const struct symbol feedbacks[] = {{"MQFB_NONE", MQI_FB_NONE},
    {"MQFB_QUIT", MQI_FB_QUIT}, {"MQFB_EXPIRATION", MQI_FB_EXPIRATION},
    {"MQFB_COA", MQI_FB_COA}, {"MQFB_COD", MQI_FB_COD},
    {"MQFB_CHANNEL_COMPLETED", 262}, {"MQFB_CHANNEL_FAIL_RETRY", 263},
    {"MQFB_CHANNEL_FAIL", 264}, {"MQFB_APPL_CANNOT_BE_STARTED", 265},
    {"MQFB_TM_ERROR", 266}, {"MQFB_APPL_TYPE_ERROR", 267},
    {"MQFB_ACTIVITY", MQI_FB_ACTIVITY},
    {"MQFB_XMIT_Q_MSG_ERROR", MQI_FB_XMIT_Q_MSG_ERROR},
    {"MQFB_PAN", MQI_FB_PAN}, {"MQFB_NAN", MQI_FB_NAN},
    /* names of IBM's that differ from ours */
    {"MQRC_NONE", 0}, {"MQRC_ALIAS_BASE_Q_TYPE_ERROR", 2001},
    {"MQRC_ALIAS_TARGTYPE_ERROR", 2001}, {"MQRC_EXPIRY_ERROR", 2013},
    {"MQRC_MD_ERROR", 2026}, {"MQRC_MSG_TYPE_ERROR", 2029},
    {"MQRC_OBJECT_TYPE_ERROR", 2043}, {"MQRC_OPTIONS_ERROR", 2046},
    {"MQRC_PERSISTENCE_ERROR", 2047}, {"MQRC_PRIORITY_ERROR", 2050},
    {"MQRC_Q_SPACE_NOT_AVAILABLE", 2056}, {"MQRC_Q_MGR_NAME_ERROR", 2058},
    {"MQRC_STORAGE_NOT_AVAILABLE", 2071}, {"MQRC_UNKNOWN_ALIAS_BASE_Q", 2082},
    {"MQRC_UNKNOWN_OBJECT_NAME", 2085}, {"MQRC_UNKNOWN_OBJECT_Q_MGR", 2086},
    {"MQRC_XMIT_Q_TYPE_ERROR", 2091}, {"MQRC_XMIT_Q_USAGE_ERROR", 2092},
    {"MQRC_OBJECT_NAME_ERROR", 2152}, {"MQRC_OBJECT_Q_MGR_NAME_ERROR", 2153},
    {"MQRC_REMOTE_Q_NAME_ERROR", 2184}, {"MQRC_DEF_XMIT_Q_TYPE_ERROR", 2198},
    {"MQRC_DEF_XMIT_Q_USAGE_ERROR", 2199},
    {"MQRC_MSG_TOO_BIG_FOR_CHANNEL", 2218}, {NULL, 0}};

static bool
find_symbol(const struct symbol *t, const char *name, uint32_t *ret)
{
	for (; t->name != NULL; t++) {
		if (strcmp(t->name, name) == 0) {
			*ret = t->value;
			return true;
		}
	}
	return false;
}

/* A reason by our own name, with or without MQRC_. */
static bool
find_reason(const char *name, uint32_t *ret)
{
	static const struct symbol own[] = {
#define OWN(number, name, completion, text) {#name, number},
	    MQI_ERR_MAP(OWN)
#undef OWN
		{NULL, 0}};

	return find_symbol(
	    own, strncmp(name, "MQRC_", 5) == 0 ? name + 5 : name, ret);
}

/* ---- patterns ---- */

enum pattern_kind { PATTERN_TEXT, PATTERN_NUMBER, PATTERN_REASON };

static const struct pattern {
	const char *keyword;
	enum pattern_kind kind;
	uint16_t offset; /* in struct dlq_rule */
	uint16_t size;   /* of the text, with its NUL */
	const struct symbol *symbols;
} patterns[] = {

#define TEXT(keyword, member)                                              \
	{                                                                  \
		keyword, PATTERN_TEXT,                                     \
		    (uint16_t)offsetof(struct dlq_rule, member),           \
		    (uint16_t)sizeof(((struct dlq_rule *)0)->member), NULL \
	}
#define NUMBER(keyword, kind, member, symbols)                                 \
	{                                                                      \
		keyword, kind, (uint16_t)offsetof(struct dlq_rule, member), 0, \
		    symbols                                                    \
	}
    TEXT("APPLIDAT", appl_identity_data),
    TEXT("APPLNAME", appl_name),
    TEXT("DESTQ", dest_q),
    TEXT("DESTQM", dest_qmgr),
    TEXT("FORMAT", format),
    TEXT("REPLYQ", reply_q),
    TEXT("REPLYQM", reply_qmgr),
    TEXT("USERID", user),
    NUMBER("APPLTYPE", PATTERN_NUMBER, appl_type, appl_types),
    NUMBER("FEEDBACK", PATTERN_REASON, feedback, feedbacks),
    NUMBER("MSGTYPE", PATTERN_NUMBER, msg_type, msg_types),
    NUMBER("PERSIST", PATTERN_NUMBER, persistence, persistences),
    NUMBER("REASON", PATTERN_REASON, reason, feedbacks),
#undef TEXT
#undef NUMBER
};

/* * stands for any bytes, ? for one. */
static bool
fits(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			again = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool
dlq_rule_matches(const struct dlq_rule *rule, const struct mqi_md *md,
    const struct mqdlh *dlh)
{
	/* in the order of the table */
	const char *const texts[] = {md->appl_identity_data, md->put_appl_name,
	    dlh->queue, dlh->qmgr, dlh->format, md->reply_to_q,
	    md->reply_to_qmgr, md->user_identifier};
	const uint32_t numbers[] = {md->put_appl_type, md->feedback,
	    md->msg_type, (uint32_t)md->persistence, dlh->reason};
	const char *base = (const char *)rule;

	for (unsigned i = 0; i < MQ_ARRAY_LEN(patterns); i++) {
		const struct pattern *p = &patterns[i];
		uint32_t want;

		if ((rule->set & (1u << i)) == 0)
			continue;
		if (p->kind == PATTERN_TEXT) {
			if (!fits(base + p->offset, texts[i]))
				return false;
			continue;
		}
		memcpy(&want, base + p->offset, sizeof(want));
		if (want != numbers[i - MQ_ARRAY_LEN(texts)])
			return false;
	}
	return true;
}

/* ---- entries and their keywords ---- */

struct parser {
	const char *p; /* what is left of the text */
	const char *end;
	uint32_t next_line;
	struct dlq_rules *rules;
	struct dlq_error *error;
	uint32_t line; /* of the entry */
	size_t len;
	char entry[DLQ_MAX_ENTRY + 1];
	char keyword[16];
	char value[256];
	bool quoted;
};

static enum mqi_err wrong(struct parser *ps, const char *fmt, ...)
    MQ_PRINTF(2, 3);

static enum mqi_err
wrong(struct parser *ps, const char *fmt, ...)
{
	va_list ap;

	ps->error->line = ps->line;
	va_start(ap, fmt);
	(void)vsnprintf(ps->error->text, sizeof(ps->error->text), fmt, ap);
	va_end(ap);
	return MQI_E_SYNTAX;
}

/* The next line without its end and trailing blanks; false: none. */
static bool
next_line(struct parser *ps, const char **ret, size_t *ret_len)
{
	const char *nl;
	size_t n;

	if (ps->p >= ps->end)
		return false;
	nl = memchr(ps->p, '\n', (size_t)(ps->end - ps->p));
	n = (size_t)((nl != NULL ? nl : ps->end) - ps->p);
	*ret = ps->p;
	ps->p += n + (nl != NULL);
	ps->next_line++;
	while (n > 0 && isspace((unsigned char)(*ret)[n - 1]))
		n--;
	*ret_len = n;
	return true;
}

/* Joins an entry's lines in ps->entry; *ret_any false: there is none left. */
static enum mqi_err
next_entry(struct parser *ps, bool *ret_any)
{
	bool more = false, skip_blanks = true;
	const char *line;
	size_t n;

	ps->len = 0;
	*ret_any = false;
	while (next_line(ps, &line, &n)) {
		if (n == 0 || line[0] == '*')
			continue;
		if (!*ret_any)
			ps->line = ps->next_line;
		*ret_any = true;
		while (skip_blanks && n > 0 && isspace((unsigned char)*line)) {
			line++;
			n--;
		}
		more = line[n - 1] == '+' || line[n - 1] == '-';
		skip_blanks = line[n - 1] == '+';
		n -= more;
		if (n > DLQ_MAX_ENTRY - ps->len)
			return wrong(ps, "an entry is longer than %u bytes",
			    DLQ_MAX_ENTRY);
		if (memchr(line, '\0', n) != NULL)
			return wrong(ps, "a NUL byte");
		memcpy(ps->entry + ps->len, line, n);
		ps->len += n;
		if (!more)
			break;
	}
	ps->entry[ps->len] = '\0';
	return more ? wrong(ps, "the last line is continued, and none follows")
		    : MQI_OK;
}

/* Reads the quoted value at p, behind its quote; NULL after an error. */
static const char *
read_quoted(struct parser *ps, const char *p)
{
	size_t n = 0;

	for (;; p++) {
		if (*p == '\0') {
			(void)wrong(ps, "a quote without its end");
			return NULL;
		}
		if (*p == '\'' && p[1] != '\'')
			break;
		if (*p == '\'')
			p++;
		if (n + 1 >= sizeof(ps->value)) {
			(void)wrong(ps, "a value is too long");
			return NULL;
		}
		ps->value[n++] = *p;
	}
	ps->value[n] = '\0';
	for (p++; isblank((unsigned char)*p); p++)
		;
	if (*p != ')') {
		(void)wrong(ps, "%s: ')' is missing", ps->keyword);
		return NULL;
	}
	return p + 1;
}

static const char *
read_plain(struct parser *ps, const char *p)
{
	size_t n = strcspn(p, "()'");

	if (p[n] != ')') {
		(void)wrong(ps, "%s: ')' is missing", ps->keyword);
		return NULL;
	}
	if (n >= sizeof(ps->value)) {
		(void)wrong(ps, "a value is too long");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		ps->value[i] = (char)toupper((unsigned char)p[i]);
	ps->value[n] = '\0';
	return p + n + 1;
}

/* Reads KEYWORD(value) at *at, and what separates it from the next. */
static enum mqi_err
next_keyword(struct parser *ps, const char **at)
{
	const char *p = *at;
	size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			     "wxyz");

	if (n == 0 || n >= sizeof(ps->keyword))
		return wrong(ps, "a keyword is expected at '%.20s'", p);
	for (size_t i = 0; i < n; i++)
		ps->keyword[i] = (char)toupper((unsigned char)p[i]);
	ps->keyword[n] = '\0';
	for (p += n; isblank((unsigned char)*p); p++)
		;
	if (*p != '(')
		return wrong(ps, "%s: '(' is missing", ps->keyword);
	for (p++; isblank((unsigned char)*p); p++)
		;
	ps->quoted = *p == '\'';
	p = ps->quoted ? read_quoted(ps, p + 1) : read_plain(ps, p);
	if (p == NULL)
		return MQI_E_SYNTAX;
	n = strlen(ps->value);
	while (n > 0 && ps->value[n - 1] == ' ')
		ps->value[--n] = '\0';
	while (isspace((unsigned char)*p) || *p == ',')
		p++;
	*at = p;
	return MQI_OK;
}

/* ---- values ---- */

static bool
parse_number(const char *s, uint32_t max, uint32_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno != 0 || *end != '\0' || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static enum mqi_err
parse_name(struct parser *ps, char ret[MQI_NAME_LEN + 1], bool blank)
{
	if (!(blank && ps->value[0] == '\0') &&
	    !mqname_is_valid(ps->value, MQI_NAME_LEN))
		return wrong(
		    ps, "%s: '%.60s' is not a name", ps->keyword, ps->value);
	(void)snprintf(ret, MQI_NAME_LEN + 1, "%.*s", MQI_NAME_LEN, ps->value);
	return MQI_OK;
}

/* FWDQ and FWDQM: a name, or that of one of the message's. */
static enum mqi_err
parse_target(struct parser *ps, const char *dest, const char *reply, bool blank,
    char ret[MQI_NAME_LEN + 1])
{
	if (strcmp(ps->value, dest) != 0 && strcmp(ps->value, reply) != 0)
		return parse_name(ps, ret, blank);
	(void)snprintf(ret, MQI_NAME_LEN + 1, "%.*s", MQI_NAME_LEN, ps->value);
	return MQI_OK;
}

static enum mqi_err
parse_choice(struct parser *ps, const struct symbol *t, uint32_t *ret)
{
	if (!find_symbol(t, ps->value, ret))
		return wrong(
		    ps, "%s does not know %.60s", ps->keyword, ps->value);
	return MQI_OK;
}

/* ---- the control data ---- */

static enum mqi_err
control_keyword(struct parser *ps, bool *ret_known)
{
	struct dlq_rules *r = ps->rules;

	*ret_known = true;
	if (strcmp(ps->keyword, "INPUTQ") == 0)
		return parse_name(ps, r->input_q, true);
	if (strcmp(ps->keyword, "INPUTQM") == 0)
		return parse_name(ps, r->input_qmgr, true);
	if (strcmp(ps->keyword, "RETRYINT") == 0) {
		if (!parse_number(ps->value, DLQ_MAX_RETRY, &r->retry_s) ||
		    r->retry_s == 0)
			return wrong(ps, "RETRYINT is a number of seconds, "
					 "from 1");
		return MQI_OK;
	}
	if (strcmp(ps->keyword, "WAIT") == 0) {
		if (strcmp(ps->value, "YES") == 0)
			r->wait_s = DLQ_WAIT_FOREVER;
		else if (strcmp(ps->value, "NO") == 0)
			r->wait_s = 0;
		else if (!parse_number(ps->value, DLQ_MAX_RETRY, &r->wait_s))
			return wrong(ps, "WAIT is YES, NO or a number of "
					 "seconds");
		return MQI_OK;
	}
	*ret_known = false;
	return MQI_OK;
}

/* ---- rules ---- */

static enum mqi_err
pattern_value(struct parser *ps, struct dlq_rule *rule, const struct pattern *p)
{
	char *at = (char *)rule + p->offset;
	uint32_t v = 0;

	if (p->kind == PATTERN_TEXT) {
		if (strlen(ps->value) >= p->size)
			return wrong(ps, "%s is longer than %d bytes",
			    ps->keyword, p->size - 1);
		memcpy(at, ps->value, strlen(ps->value) + 1);
		return MQI_OK;
	}
	if (!parse_number(ps->value, UINT32_MAX, &v) &&
	    !find_symbol(p->symbols, ps->value, &v) &&
	    !(p->kind == PATTERN_REASON && find_reason(ps->value, &v)))
		return wrong(
		    ps, "%s does not know %.60s", ps->keyword, ps->value);
	memcpy(at, &v, sizeof(v));
	return MQI_OK;
}

static enum mqi_err
pattern_keyword(struct parser *ps, struct dlq_rule *rule, bool *ret_known)
{
	for (unsigned i = 0; i < MQ_ARRAY_LEN(patterns); i++) {
		if (strcmp(ps->keyword, patterns[i].keyword) != 0)
			continue;
		*ret_known = true;
		if (strcmp(ps->value, "*") == 0)
			return MQI_OK; /* anything */
		if ((rule->set & (1u << i)) != 0)
			return wrong(ps, "%s comes twice", ps->keyword);
		rule->set |= 1u << i;
		return pattern_value(ps, rule, &patterns[i]);
	}
	*ret_known = false;
	return MQI_OK;
}

static enum mqi_err
action_keyword(struct parser *ps, struct dlq_rule *rule, bool *ret_action)
{
	static const struct symbol actions[] = {{"DISCARD", DLQ_DISCARD},
	    {"IGNORE", DLQ_IGNORE}, {"RETRY", DLQ_RETRY}, {"FWD", DLQ_FWD},
	    {NULL, 0}};
	static const struct symbol yes_no[] = {
	    {"YES", true}, {"NO", false}, {NULL, 0}};
	uint32_t v = 0;
	enum mqi_err err;

	if (strcmp(ps->keyword, "ACTION") == 0) {
		if (*ret_action)
			return wrong(ps, "ACTION comes twice");
		err = parse_choice(ps, actions, &v);
		rule->action = (enum dlq_action)v;
		*ret_action = true;
		return err;
	}
	if (strcmp(ps->keyword, "FWDQ") == 0)
		return parse_target(
		    ps, "&DESTQ", "&REPLYQ", false, rule->fwd_q);
	if (strcmp(ps->keyword, "FWDQM") == 0)
		return parse_target(
		    ps, "&DESTQM", "&REPLYQM", true, rule->fwd_qmgr);
	if (strcmp(ps->keyword, "HEADER") == 0) {
		err = parse_choice(ps, yes_no, &v);
		rule->header = v != 0;
		return err;
	}
	if (strcmp(ps->keyword, "RETRY") == 0) {
		if (!parse_number(ps->value, DLQ_MAX_RETRY, &rule->retry) ||
		    rule->retry == 0)
			return wrong(ps, "RETRY is a number of tries, from 1");
		return MQI_OK;
	}
	if (strcmp(ps->keyword, "PUTAUT") == 0) {
		if (strcmp(ps->value, "DEF") != 0)
			return wrong(ps, "PUTAUT is DEF: dead letters are put "
					 "with the authority of who runs this");
		return MQI_OK;
	}
	return wrong(ps, "%s is no keyword of a rule", ps->keyword);
}

static enum mqi_err
check_rule(struct parser *ps, const struct dlq_rule *rule, bool has_action)
{
	if (!has_action)
		return wrong(ps, "a rule without ACTION");
	if (rule->action == DLQ_FWD && rule->fwd_q[0] == '\0')
		return wrong(ps, "ACTION(FWD) needs FWDQ");
	if (rule->action != DLQ_FWD &&
	    (rule->fwd_q[0] != '\0' || rule->fwd_qmgr[0] != '\0'))
		return wrong(ps, "FWDQ and FWDQM are for ACTION(FWD)");
	return MQI_OK;
}

static enum mqi_err
add_rule(struct parser *ps, const struct dlq_rule *rule)
{
	struct dlq_rules *r = ps->rules;
	struct dlq_rule *more;

	if (r->n == DLQ_MAX_RULES)
		return wrong(ps, "more than %u rules", DLQ_MAX_RULES);
	if ((r->n & (r->n - 1)) == 0) {
		more = realloc(
		    r->rules, (r->n == 0 ? 1 : 2 * r->n) * sizeof(*more));
		if (more == NULL) {
			(void)wrong(ps, "no memory");
			return MQI_E_NO_MEMORY;
		}
		r->rules = more;
	}
	r->rules[r->n++] = *rule;
	return MQI_OK;
}

/* An entry is the control data or a rule. */
static enum mqi_err
parse_entry(struct parser *ps, bool first)
{
	struct dlq_rule rule = {.line = ps->line, .header = true, .retry = 1};
	bool control = false, known = false, action = false;
	const char *p = ps->entry;
	enum mqi_err err;

	for (unsigned i = 0; *p != '\0' || i == 0; i++) {
		err = next_keyword(ps, &p);
		if (err != MQI_OK)
			return err;
		if (first && (i == 0 || control)) {
			err = control_keyword(ps, &known);
			if (err != MQI_OK)
				return err;
			control = known;
			if (!known && i > 0)
				return wrong(
				    ps, "%s is not control data", ps->keyword);
			if (known)
				continue;
		}
		err = pattern_keyword(ps, &rule, &known);
		if (err == MQI_OK && !known)
			err = action_keyword(ps, &rule, &action);
		if (err != MQI_OK)
			return err;
	}
	if (control)
		return MQI_OK;
	err = check_rule(ps, &rule, action);
	return err == MQI_OK ? add_rule(ps, &rule) : err;
}

enum mqi_err
dlq_rules_parse(const char *text, size_t len, struct dlq_rules *ret,
    struct dlq_error *ret_error)
{
	struct dlq_rules rules = {.retry_s = 60, .wait_s = DLQ_WAIT_FOREVER};
	struct parser *ps = calloc(1, sizeof(*ps));
	bool any = false;
	enum mqi_err err = MQI_OK;

	if (ps == NULL) {
		*ret_error = (struct dlq_error){.line = 1};
		strcpy(ret_error->text, "no memory");
		return MQI_E_NO_MEMORY;
	}
	ps->p = text;
	ps->end = text + len;
	ps->rules = &rules;
	ps->error = ret_error;
	for (bool first = true; err == MQI_OK; first = false) {
		err = next_entry(ps, &any);
		if (err != MQI_OK || !any)
			break;
		err = parse_entry(ps, first);
	}
	free(ps);
	if (err != MQI_OK)
		dlq_rules_fini(&rules);
	else
		*ret = rules;
	return err;
}

void
dlq_rules_fini(struct dlq_rules *r)
{
	free(r->rules);
	r->rules = NULL;
	r->n = 0;
}

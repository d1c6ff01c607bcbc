/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.c - the output of mqadmin mqsc, as text in runmqsc's layout or as JSON.
 *
 * Neighbours: cmd_mqsc.c calls; message.c has ids and sentences; proto/attr.h
 * says which attributes are flags and numbers.
 *
 * Invariants: text: the echo of a command comes before its messages; rows have
 * two attributes in columns of 40 characters, a long one stands alone; nothing
 * from outside reaches the terminal with control characters.  JSON: one object
 * per command on a line of its own, whatever became of it, and nothing else.
 */
#include "admin/print.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "proto/attr.h"

#define COLUMN 40 /* characters */
#define ITEM_LEN (MQCTL_MAX_VALUE + 64)

struct print {
	FILE *out;
	bool json;
	bool echo;
	bool row_seen; /* of the command being carried out */
	unsigned n_commands;
	unsigned n_syntax;
	unsigned n_failed;
	json_t *rows;
};

struct print *
print_new(FILE *out, bool json, bool echo)
{
	struct print *p = mqmem_alloc(sizeof(*p));
	p->out = out;
	p->json = json;
	p->echo = echo && !json;
	return p;
}

struct print *
print_free(struct print *p)
{
	if (p != NULL) {
		json_decref(p->rows);
		free(p);
	}
	return NULL;
}

/* ---- text ---- */

/* Writes text, control characters as '?'. */
static void
put_text(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = (c >= 0x20 && c != 0x7f) || c == '\t';
		(void)fputc(plain ? c : '?', out);
	}
}

static bool
is_flag(const struct mqctl_command *c, const char *keyword)
{
	if (c->noun != MQCTL_QLOCAL && c->noun != MQCTL_QUEUE)
		return false;
	const struct mqattr_def *d = mqattr_find(MQATTR_QLOCAL, keyword);
	return d != NULL && d->kind == MQATTR_FLAG;
}

static void
item_text(const struct mqctl_command *c, const struct mqctl_pair *pair,
    char ret[ITEM_LEN])
{
	if (is_flag(c, pair->keyword))
		(void)snprintf(ret, ITEM_LEN, "%s%s",
		    strcmp(pair->value, "NO") == 0 ? "NO" : "", pair->keyword);
	else
		(void)snprintf(ret, ITEM_LEN, "%s(%s)", pair->keyword,
		    pair->value[0] != '\0' ? pair->value : " ");
}

/* Characters of UTF-8. */
static size_t
width(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
row_text(FILE *out, const struct mqctl_command *c, const struct mqctl_list *row)
{
	char item[ITEM_LEN];
	bool open = false; /* one item stands on the line */
	for (uint32_t i = 0; i < row->n; i++) {
		item_text(c, &row->pairs[i], item);
		size_t w = width(item);
		if (open && w >= COLUMN) {
			(void)fputc('\n', out);
			open = false;
		}
		(void)fputs(open ? "" : "   ", out);
		put_text(out, item, strlen(item));
		if (open || w >= COLUMN || i + 1 == row->n) {
			(void)fputc('\n', out);
			open = false;
			continue;
		}
		item_text(c, &row->pairs[i + 1], item);
		if (width(item) < COLUMN)
			(void)fprintf(out, "%*s", (int)(COLUMN - w), "");
		open = true;
	}
}

static void
put_message(FILE *out, const struct print_message *m)
{
	(void)fprintf(out, "%s: ", m->id);
	put_text(out, m->text, strlen(m->text));
	(void)fputc('\n', out);
}

/* ---- JSON ---- */

static bool
is_number(const char *keyword)
{
	static const char *const counters[] = {"BATCHES", "BUFSRCVD",
	    "BUFSSENT", "BYTES", "BYTSRCVD", "BYTSSENT", "COMPRATE", "CONNS",
	    "CURMSGS", "CURRLOG", "CURSEQNO", "JOBNAME", "LONGRTS", "LSTSEQNO",
	    "MSGAGE", "MSGS", "PID", "RECLOG", "RETRYIN", "SCRUBFND",
	    "SHORTRTS", "UNCOM", "XQMSGSA"};
	for (size_t i = 0; i < MQ_ARRAY_LEN(counters); i++)
		if (strcmp(counters[i], keyword) == 0)
			return true;
	for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
		const struct mqattr_def *d =
		    mqattr_find((enum mqattr_object)t, keyword);
		if (d != NULL)
			return d->kind == MQATTR_INT;
	}
	return false;
}

static json_t *
json_text(const char *text)
{
	json_t *s = json_string(text);
	/* not UTF-8: an agent passed on what a partner sent */
	return s != NULL ? s : json_string("?");
}

static json_t *
row_json(const struct mqctl_list *row)
{
	json_t *o = json_object();
	for (uint32_t i = 0; i < row->n; i++) {
		const struct mqctl_pair *p = &row->pairs[i];
		char *end;
		long long v = strtoll(p->value, &end, 10);
		bool number =
		    is_number(p->keyword) && end != p->value && *end == '\0';
		(void)json_object_set_new(o, p->keyword,
		    number ? json_integer(v) : json_text(p->value));
	}
	return o;
}

static void
dump(struct print *p, json_t *o)
{
	MQ_INVARIANT(o != NULL);
	(void)json_dumpf(o, p->out, JSON_COMPACT);
	(void)fputc('\n', p->out);
	(void)fflush(p->out);
	json_decref(o);
}

static json_t *
json_result(enum mqi_err err, const char *id, const char *text)
{
	return json_pack("{s:s, s:i, s:s, s:{s:s, s:o}}", "completion",
	    mqi_completion(err) == MQI_COMP_FAIL ? "FAILED" : "OK", "reason",
	    (int)err, "reasonName", mqi_err_name(err), "message", "id", id,
	    "text", json_text(text));
}

/* ---- what happens ---- */

void
print_begin(struct print *p, const char *qmgr)
{
	if (!p->json)
		(void)fprintf(
		    p->out, "Starting MQSC for queue manager %s.\n\n\n", qmgr);
}

void
print_source(struct print *p, const char *line, size_t len, bool continued)
{
	if (!p->echo)
		return;
	if (continued || mqsc_line_is_comment(line, len))
		(void)fputs("       : ", p->out);
	else
		(void)fprintf(p->out, "%6u : ", p->n_commands + 1);
	put_text(p->out, line, len);
	(void)fputc('\n', p->out);
}

void
print_syntax_error(struct print *p, const struct mqsc_error *e)
{
	struct print_message m;
	p->n_commands++;
	p->n_syntax++;
	(void)snprintf(
	    m.id, sizeof(m.id), "%s", e->at_end ? "AMQ8406E" : "AMQ8405E");
	(void)snprintf(m.text, sizeof(m.text), "%s at line %u, column %u: %s.",
	    e->at_end ? "Unexpected end of command" : "Syntax error", e->line,
	    e->column, e->text);
	if (!p->json) {
		put_message(p->out, &m);
		return;
	}
	json_t *o = json_result(MQI_E_SYNTAX, m.id, m.text);
	(void)json_object_set_new(o, "number", json_integer(p->n_commands));
	(void)json_object_set_new(o, "line", json_integer(e->line));
	(void)json_object_set_new(o, "column", json_integer(e->column));
	(void)json_object_set_new(o, "objects", json_array());
	dump(p, o);
}

void
print_row(struct print *p, const struct mqctl_command *c,
    const struct mqctl_list *row)
{
	struct print_message m;
	p->row_seen = true;
	if (p->json) {
		if (p->rows == NULL)
			p->rows = json_array();
		(void)json_array_append_new(p->rows, row_json(row));
		return;
	}
	print_message_of(c, MQI_OK, "", &m);
	put_message(p->out, &m);
	row_text(p->out, c, row);
}

static void
result_json(struct print *p, const struct mqctl_command *c, enum mqi_err err,
    const struct print_message *m)
{
	json_t *o = json_result(err, m->id, m->text);
	(void)json_object_set_new(o, "number", json_integer(p->n_commands));
	(void)json_object_set_new(
	    o, "verb", json_string(mqctl_verb_name(c->verb)));
	(void)json_object_set_new(
	    o, "noun", json_string(mqctl_noun_name(c->noun)));
	(void)json_object_set_new(o, "name", json_text(c->name));
	(void)json_object_set_new(
	    o, "objects", p->rows != NULL ? p->rows : json_array());
	p->rows = NULL;
	dump(p, o);
}

void
print_result(struct print *p, const struct mqctl_command *c, enum mqi_err err,
    const char *text)
{
	struct print_message m;
	p->n_commands++;
	if (err == MQI_E_ATTRIBUTE || err == MQI_E_SYNTAX)
		p->n_syntax++;
	else if (err != MQI_OK)
		p->n_failed++;
	print_message_of(c, err, text, &m);
	if (p->json)
		result_json(p, c, err, &m);
	else if (!p->row_seen || err != MQI_OK)
		put_message(p->out, &m);
	p->row_seen = false;
	(void)fflush(p->out);
}

void
print_verified(struct print *p, const struct mqctl_command *c)
{
	struct print_message m = {"AMQ8404I", "The command is valid."};
	p->n_commands++;
	if (p->json)
		result_json(p, c, MQI_OK, &m);
}

static void
put_count(
    FILE *out, unsigned n, const char *zero, const char *one, const char *many)
{
	if (n == 0)
		(void)fprintf(out, "%s\n", zero);
	else if (n == 1)
		(void)fprintf(out, "%s\n", one);
	else
		(void)fprintf(out, "%u %s\n", n, many);
}

bool
print_end(struct print *p, bool verify_only)
{
	if (!p->json) {
		put_count(p->out, p->n_commands, "No MQSC commands read.",
		    "One MQSC command read.", "MQSC commands read.");
		put_count(p->out, p->n_syntax,
		    "No commands have a syntax error.",
		    "One command has a syntax error.",
		    "commands have a syntax error.");
		if (verify_only)
			(void)fputs("No commands were run.\n", p->out);
		else
			put_count(p->out, p->n_failed,
			    "All valid MQSC commands were processed.",
			    "One valid MQSC command could not be processed.",
			    "valid MQSC commands could not be processed.");
	}
	(void)fflush(p->out);
	return p->n_syntax == 0 && p->n_failed == 0;
}

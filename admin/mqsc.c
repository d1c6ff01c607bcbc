/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqsc.c - lines of MQSC into commands: comments, continuation, quotes across
 * lines, and where each byte of a command stood.
 *
 * Neighbours: mqsc_parse.c understands one command; cmd_mqsc.c feeds lines
 * and runs what comes out.
 *
 * Invariants: text holds the command that is being put together; segments map
 * its offsets to lines and columns; in_quote says whether its end is inside
 * quotes.  Nothing grows beyond MQSC_MAX_COMMAND bytes and as many segments.
 *
 * Rules: a line whose first character is '*' is a comment; blank lines are
 * nothing; both also between the lines of one command.  A line whose last
 * non-blank character is '+' goes on at the next line's first non-blank, '-'
 * at its first column, in quotes too.  ';' ends a command, also after '+'.
 *
 * Failure: a line that is too long or holds control characters, a command that
 * is too long, quotes that do not end: one error event, and the whole command
 * is left out.
 */
#include "admin/mqsc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "admin/mqsc_parse.h"
#include "base/mem.h"

struct segment {
	size_t offset; /* in the text */
	unsigned line;
	unsigned column;
};

struct event {
	STAILQ_ENTRY(event) link;
	enum mqsc_event kind;
	struct mqctl_command cmd;
	struct mqsc_error err;
};

struct mqsc {
	STAILQ_HEAD(, event) events;
	struct mqbuf text;
	struct segment *segments;
	size_t n_segments;
	size_t max_segments;
	unsigned line;      /* of the line fed last */
	char continued;     /* '+', '-' or 0 */
	bool in_quote;      /* at the end of text */
	bool failed;        /* an error was given for this command */
	bool ended;         /* END was read */
	size_t quote_start; /* offset of the quote that is open */
};

struct mqsc *
mqsc_new(void)
{
	struct mqsc *m = mqmem_alloc(sizeof(*m));
	STAILQ_INIT(&m->events);
	mqbuf_init(&m->text, MQSC_MAX_COMMAND);
	return m;
}

static void
event_free(struct event *e)
{
	if (e->kind == MQSC_COMMAND)
		mqctl_command_fini(&e->cmd);
	free(e);
}

struct mqsc *
mqsc_free(struct mqsc *m)
{
	if (m == NULL)
		return NULL;
	while (!STAILQ_EMPTY(&m->events)) {
		struct event *e = STAILQ_FIRST(&m->events);
		STAILQ_REMOVE_HEAD(&m->events, link);
		event_free(e);
	}
	mqbuf_fini(&m->text);
	free(m->segments);
	free(m);
	return NULL;
}

/* ---- events ---- */

static struct event *
event_new(struct mqsc *m, enum mqsc_event kind)
{
	struct event *e = mqmem_alloc(sizeof(*e));
	e->kind = kind;
	STAILQ_INSERT_TAIL(&m->events, e, link);
	return e;
}

/* One error per command: the first one. */
static void
fail_at(struct mqsc *m, unsigned line, unsigned column, bool at_end,
    const char *text)
{
	if (m->failed)
		return;
	m->failed = true;
	struct event *e = event_new(m, MQSC_ERROR);
	e->err.line = line;
	e->err.column = column;
	e->err.at_end = at_end;
	(void)snprintf(e->err.text, sizeof(e->err.text), "%s", text);
}

/* Characters of UTF-8 in n bytes. */
static unsigned
characters(const char *p, size_t n)
{
	unsigned count = 0;
	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)p[i] & 0xc0) != 0x80;
	return count;
}

static void
place_of(
    const struct mqsc *m, size_t offset, unsigned *ret_line, unsigned *ret_col)
{
	MQ_PRE(m->n_segments > 0);
	const struct segment *s = &m->segments[0];
	for (size_t i = 1; i < m->n_segments; i++)
		if (m->segments[i].offset <= offset)
			s = &m->segments[i];
	*ret_line = s->line;
	*ret_col =
	    s->column + characters((const char *)m->text.data + s->offset,
			    offset - s->offset);
}

static void
forget_command(struct mqsc *m)
{
	mqbuf_reset(&m->text);
	m->n_segments = 0;
	m->continued = 0;
	m->in_quote = false;
	m->failed = false;
}

/* The text is a whole command: parse it, and begin anew. */
static void
end_command(struct mqsc *m)
{
	struct mqctl_command cmd;
	struct mqsc_where where;
	enum mqsc_event kind = MQSC_NONE;
	if (!m->failed && m->text.len > 0)
		kind = mqsc_parse(
		    (const char *)m->text.data, m->text.len, &cmd, &where);
	if (kind == MQSC_ERROR) {
		unsigned line;
		unsigned column;
		place_of(m, where.offset, &line, &column);
		fail_at(m, line, column, where.at_end, where.text);
	} else if (kind != MQSC_NONE) {
		struct event *e = event_new(m, kind);
		if (kind == MQSC_COMMAND)
			e->cmd = cmd;
		m->ended = kind == MQSC_END;
	}
	forget_command(m);
}

enum mqsc_event
mqsc_next(
    struct mqsc *m, struct mqctl_command *ret_cmd, struct mqsc_error *ret_err)
{
	struct event *e = STAILQ_FIRST(&m->events);
	if (e == NULL)
		return MQSC_NONE;
	STAILQ_REMOVE_HEAD(&m->events, link);
	enum mqsc_event kind = e->kind;
	if (kind == MQSC_COMMAND)
		*ret_cmd = e->cmd; /* the list's values move along */
	else if (kind == MQSC_ERROR)
		*ret_err = e->err;
	free(e);
	return kind;
}

/* ---- lines ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
mqsc_line_is_comment(const char *line, size_t len)
{
	if (len > 0 && line[0] == '*')
		return true;
	for (size_t i = 0; i < len; i++)
		if (!is_blank(line[i]) && line[i] != '\r')
			return false;
	return true;
}

static void
add_segment(struct mqsc *m, unsigned column)
{
	if (m->n_segments == m->max_segments) {
		m->max_segments = m->max_segments * 2 + 8;
		m->segments = mqmem_grow(
		    m->segments, m->max_segments, sizeof(*m->segments));
	}
	m->segments[m->n_segments++] =
	    (struct segment){m->text.len, m->line, column};
}

/* Adds bytes of the line to the command, up to ';' outside quotes.  Returns
 * how many were taken; *ret_end says whether a ';' ended it. */
static size_t
add_text(struct mqsc *m, const char *p, size_t len, bool *ret_end)
{
	size_t n = 0;
	*ret_end = false;
	while (n < len && !*ret_end) {
		if (p[n] == '\'') {
			m->in_quote = !m->in_quote;
			if (m->in_quote && (n == 0 || p[n - 1] != '\''))
				m->quote_start = m->text.len + n;
		}
		*ret_end = p[n] == ';' && !m->in_quote;
		n++;
	}
	mqbuf_put(&m->text, p, n - *ret_end);
	return n;
}

/* "... +;" ends the command: the continuation is not one. */
static void
drop_continuation(struct mqsc *m)
{
	size_t n = m->text.len;
	while (n > 0 && is_blank((char)m->text.data[n - 1]))
		n--;
	if (n > 0 && (m->text.data[n - 1] == '+' || m->text.data[n - 1] == '-'))
		m->text.len = n - 1;
}

static bool
line_is_valid(struct mqsc *m, const char *line, size_t len)
{
	char text[80];
	if (len > MQSC_MAX_LINE) {
		(void)snprintf(text, sizeof(text),
		    "the line is longer than %u bytes", MQSC_MAX_LINE);
		fail_at(m, m->line, characters(line, MQSC_MAX_LINE) + 1, false,
		    text);
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];
		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			continue;
		(void)snprintf(text, sizeof(text),
		    "the line holds the control character %02X", c);
		fail_at(m, m->line, characters(line, i) + 1, false, text);
		return false;
	}
	return true;
}

/* The line without its continuation character. */
static size_t
cut_continuation(const char *line, size_t len, char *ret)
{
	size_t n = len;
	while (n > 0 && is_blank(line[n - 1]))
		n--;
	*ret = 0;
	if (n == 0 || (line[n - 1] != '+' && line[n - 1] != '-'))
		return len;
	*ret = line[n - 1];
	return n - 1;
}

static void
feed_commands(struct mqsc *m, const char *line, size_t start, size_t len)
{
	bool end = true;
	while (end && start < len && !m->ended) {
		add_segment(m, characters(line, start) + 1);
		start += add_text(m, line + start, len - start, &end);
		if (m->text.err != MQI_OK)
			fail_at(
			    m, m->line, 1, false, "the command is too long");
		if (end) {
			drop_continuation(m);
			end_command(m);
		}
	}
}

void
mqsc_feed(struct mqsc *m, const char *line, size_t len)
{
	char continued;
	size_t start = 0;
	m->line++;
	if (m->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3; /* a byte order mark */
		len -= 3;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (m->ended || mqsc_line_is_comment(line, len))
		return;
	bool valid = line_is_valid(m, line, len);
	len = cut_continuation(line, len, &continued);
	while (m->continued != '-' && start < len && is_blank(line[start]))
		start++;
	if (valid)
		feed_commands(m, line, start, len);
	if (m->ended)
		return;
	m->continued = continued;
	if (continued != 0)
		return;
	if (m->in_quote && !m->failed) {
		unsigned at_line;
		unsigned at_column;
		place_of(m, m->quote_start, &at_line, &at_column);
		fail_at(m, at_line, at_column, true, "the quote has no end");
	}
	end_command(m);
}

void
mqsc_finish(struct mqsc *m)
{
	if (m->continued != 0)
		fail_at(m, m->line, 1, true,
		    "the input ends where the command is to go on");
	forget_command(m);
}

bool
mqsc_is_continued(const struct mqsc *m)
{
	return m->continued != 0;
}

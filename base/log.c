/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - the daemons' log.
 *
 * Neighbours: qmgr and mca; supervisors and people read standard error.
 * Invariants: each event is one line and one write(2); whatever a value holds,
 * the line stays one line, and in JSON valid UTF-8; room for the line's end is
 * always kept, so a value that is too long is cut and the line is marked.
 * Happy path: begin writes time, name, level and event, each field is escaped
 * into the line, end closes and writes it.
 * Failure: if standard error cannot be written, the line is lost; a daemon
 * does not stop for that.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

/* the closing quote, the mark of a cut line, brace and newline */
#define LINE_END_ROOM 32u

static char log_name[32];
static bool log_json;

static const char *const level_names[] = {
    [MQLOG_INFO] = "info",
    [MQLOG_WARN] = "warn",
    [MQLOG_ERROR] = "error",
    [MQLOG_FATAL] = "fatal",
};

void
mqlog_init(const char *name, bool json)
{
	size_t len = strnlen(name, sizeof(log_name) - 1);

	memcpy(log_name, name, len);
	log_name[len] = '\0';
	log_json = json;
}

/* All of it or nothing, so that an escape or a character is never cut. */
static bool
line_add(struct mqlog_line *l, const char *s, size_t len)
{
	if (l->truncated || l->len + len > sizeof(l->text) - LINE_END_ROOM) {
		l->truncated = true;
		return false;
	}
	memcpy(l->text + l->len, s, len);
	l->len += (unsigned)len;
	return true;
}

static bool
line_adds(struct mqlog_line *l, const char *s)
{
	return line_add(l, s, strlen(s));
}

/* Bytes of the UTF-8 character at s, 0 if it is none or a C1 control. */
static size_t
utf8_len(const unsigned char *s)
{
	size_t n;
	uint32_t c;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0x2028 ||
	    c == 0x2029)
		return 0;
	return n;
}

static bool
add_escape(struct mqlog_line *l, unsigned char c)
{
	char text[8];
	int len;

	if (c == '"' || c == '\\')
		len = snprintf(text, sizeof(text), "\\%c", c);
	else if (c == '\n')
		len = snprintf(text, sizeof(text), "\\n");
	else
		len = snprintf(
		    text, sizeof(text), log_json ? "\\u%04x" : "\\x%02x", c);
	return line_add(l, text, (size_t)len);
}

static void
add_escaped(struct mqlog_line *l, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	while (*s) {
		size_t n = 1;
		bool ok;

		if (*s >= 0x80)
			n = utf8_len(s);
		if (n == 0 || *s < 0x20 || *s == 0x7f || *s == '"' ||
		    *s == '\\') {
			n = 1;
			ok = add_escape(l, *s);
		} else {
			ok = line_add(l, (const char *)s, n);
		}
		if (!ok)
			return;
		s += n;
	}
}

static bool
needs_quotes(const char *value)
{
	if (!value[0])
		return true;
	return strpbrk(value, " =\"\\") != NULL;
}

static void
add_field(struct mqlog_line *l, const char *key, const char *value, bool quote)
{
	unsigned start = l->len;

	if (log_json) {
		if (!line_adds(l, ",\"") || !line_adds(l, key) ||
		    !line_adds(l, "\":\""))
			goto undo;
	} else if (!line_adds(l, " ") || !line_adds(l, key) ||
		   !line_adds(l, quote ? "=\"" : "=")) {
		goto undo;
	}
	add_escaped(l, value);
	/* there is always room for this: LINE_END_ROOM */
	if (log_json || quote)
		l->text[l->len++] = '"';
	return;
undo:
	l->len = start;
}

static void
add_time(struct mqlog_line *l)
{
	uint64_t now_us = mqclock_wall_us();
	char date[9], time[9], text[40];
	int len;

	mqclock_mq_date(now_us, date, time);
	len = snprintf(text, sizeof(text),
	    "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%03uZ", date, date + 4, date + 6,
	    time, time + 2, time + 4, (unsigned)(now_us / 1000 % 1000));
	(void)line_add(l, text, (size_t)len);
}

void
mqlog_begin(struct mqlog_line *l, enum mqlog_level level, const char *event)
{
	MQ_PRE((unsigned)level < MQ_ARRAY_LEN(level_names));
	l->len = 0;
	l->truncated = false;
	if (log_json) {
		(void)line_adds(l, "{\"time\":\"");
		add_time(l);
		(void)line_adds(l, "\"");
		add_field(l, "qmgr", log_name, true);
		add_field(l, "level", level_names[level], true);
		add_field(l, "event", event, true);
		return;
	}
	add_time(l);
	(void)line_adds(l, " ");
	add_escaped(l, log_name[0] ? log_name : "-");
	(void)line_adds(l, " ");
	(void)line_adds(l, level_names[level]);
	(void)line_adds(l, " ");
	add_escaped(l, event);
}

void
mqlog_str(struct mqlog_line *l, const char *key, const char *value)
{
	add_field(l, key, value, needs_quotes(value));
}

void
mqlog_int(struct mqlog_line *l, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	add_field(l, key, text, false);
}

void
mqlog_uint(struct mqlog_line *l, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	add_field(l, key, text, false);
}

void
mqlog_end(struct mqlog_line *l)
{
	const char *end = log_json ? "}\n" : "\n";

	if (l->truncated)
		end =
		    log_json ? ",\"truncated\":\"yes\"}\n" : " truncated=yes\n";
	MQ_INVARIANT(l->len + strlen(end) <= sizeof(l->text));
	memcpy(l->text + l->len, end, strlen(end));
	l->len += (unsigned)strlen(end);
	if (write(STDERR_FILENO, l->text, l->len) < 0)
		return; /* nobody is left to tell */
}

void
mqlog(enum mqlog_level level, const char *event, const char *fmt, ...)
{
	struct mqlog_line line;
	char text[1024];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	mqlog_begin(&line, level, event);
	mqlog_str(&line, "text", text);
	mqlog_end(&line);
}

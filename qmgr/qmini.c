/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmini.c - qm.ini, in IBM MQ's form:
 *
 *   # a comment
 *   Log:
 *      LogFilePages=4096
 *   Scrub:
 *      Interval=86400
 *   Agents:
 *      Apart=0
 *
 * Neighbours: qmgr.c reads it before it opens the store, and writes it at the
 * creation; store_journal.h has what the values mean.
 * Invariants: one table has the keys, their ranges and defaults; the file that
 * is written, the manual and what is refused follow it.
 * Failure: a line that is not understood, or a value out of range, is named
 * with its line and what is allowed, and the queue manager does not start: a
 * setting that is silently not in force is worse.
 */
#include "qmgr/qmini.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PAGE 4096u
#define SECONDARY_MAX (JOURNAL_FILES_MAX - JOURNAL_FILES_MIN)

enum key {
	LOG_FILE_PAGES,
	LOG_PRIMARY_FILES,
	LOG_SECONDARY_FILES,
	CHECKPOINT_BYTES,
	CHECKPOINT_MILLISECONDS,
	SCRUB_INTERVAL,
	SCRUB_RATE,
	AGENTS_APART,
	KEYS
};

/* stanzas */
enum { LOG, SCRUB, AGENTS, STANZAS, NO_STANZA = STANZAS };

static const char *const stanzas[STANZAS] = {"Log", "Scrub", "Agents"};

static const struct {
	unsigned stanza;
	const char *name;
	const char *help;
	uint64_t min;
	uint64_t max;
	uint64_t preset;
} keys[KEYS] = {
    [LOG_FILE_PAGES] = {LOG, "LogFilePages",
	"4 KiB pages of each file of the journal",
	(JOURNAL_FILE_MIN + PAGE - 1) / PAGE, 65535, STORE_JOURNAL_FILE / PAGE},
    [LOG_PRIMARY_FILES] = {LOG, "LogPrimaryFiles",
	"files of the journal that are there from the start", JOURNAL_FILES_MIN,
	JOURNAL_FILES_MAX, JOURNAL_FILES_MIN},
    [LOG_SECONDARY_FILES] = {LOG, "LogSecondaryFiles",
	"files that are made when they are needed", 0, SECONDARY_MAX,
	STORE_JOURNAL_FILES - JOURNAL_FILES_MIN},
    [CHECKPOINT_BYTES] = {LOG, "CheckpointBytes",
	"bytes in the journal that start a checkpoint", 1048576,
	STORE_CHECKPOINT_BYTES, STORE_CHECKPOINT_BYTES},
    [CHECKPOINT_MILLISECONDS] = {LOG, "CheckpointMilliseconds",
	"their age that starts one", 1, 3600000, STORE_CHECKPOINT_MS},
    [SCRUB_INTERVAL] = {SCRUB, "Interval",
	"seconds from one look at the whole store to the next; 0: none", 0,
	31536000, 86400},
    [SCRUB_RATE] = {SCRUB, "Rate", "MiB that it reads in a second", 1, 4096,
	16},
    [AGENTS_APART] = {AGENTS, "Apart",
	"1: agents are started by mca serve, as another user", 0, 1, 0},
};

struct reader {
	const char *path;
	unsigned line;
	unsigned stanza;
	uint64_t values[KEYS];
	char **ret_why;
};

static enum mqi_err fail(struct reader *r, const char *fmt, ...)
    MQ_PRINTF(2, 3);

static enum mqi_err
fail(struct reader *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (asprintf(r->ret_why, "%s, line %u: %s", r->path, r->line, text) < 0)
		*r->ret_why = NULL;
	return MQI_E_INVAL;
}

/* Cuts blanks off both ends, in place. */
static char *
trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

static enum mqi_err
take_value(struct reader *r, const char *name, const char *text)
{
	unsigned long long v;
	char *end;

	for (unsigned k = 0; k < KEYS; k++) {
		if (keys[k].stanza != r->stanza ||
		    strcasecmp(name, keys[k].name) != 0)
			continue;
		errno = 0;
		v = strtoull(text, &end, 10);
		if (!isdigit((unsigned char)text[0]) || *end != '\0' ||
		    errno != 0 || v < keys[k].min || v > keys[k].max)
			return fail(r,
			    "%s is a number from %llu to %llu, not \"%s\"",
			    keys[k].name, (unsigned long long)keys[k].min,
			    (unsigned long long)keys[k].max, text);
		r->values[k] = v;
		return MQI_OK;
	}
	if (r->stanza == AGENTS)
		return fail(r,
		    "\"%s\" is not a key of the stanza Agents: there is Apart",
		    name);
	if (r->stanza == SCRUB)
		return fail(r,
		    "\"%s\" is not a key of the stanza Scrub: there are "
		    "Interval, Rate",
		    name);
	return fail(r,
	    "\"%s\" is not a key of the stanza Log: there are LogFilePages, "
	    "LogPrimaryFiles, LogSecondaryFiles, CheckpointBytes, "
	    "CheckpointMilliseconds",
	    name);
}

static enum mqi_err
take_stanza(struct reader *r, const char *text)
{
	for (r->stanza = 0; r->stanza < STANZAS; r->stanza++) {
		const char *name = stanzas[r->stanza];

		if (strlen(text) == strlen(name) + 1 &&
		    strncasecmp(text, name, strlen(name)) == 0)
			return MQI_OK;
	}
	return fail(r,
	    "\"%s\" is not a stanza that is known: there are Log:, Scrub: "
	    "and Agents:",
	    text);
}

static enum mqi_err
take_line(struct reader *r, char *line)
{
	char *text = trim(line);
	size_t len = strlen(text);
	char *value;

	if (len == 0 || text[0] == '#')
		return MQI_OK;
	if (text[len - 1] == ':')
		return take_stanza(r, text);
	value = strchr(text, '=');
	if (value == NULL || r->stanza == NO_STANZA)
		return fail(r,
		    "a line is a stanza (\"Log:\"), or Key=value within one, "
		    "not \"%s\"",
		    text);
	*value++ = '\0';
	return take_value(r, trim(text), trim(value));
}

static enum mqi_err
read_lines(struct reader *r, FILE *f)
{
	enum mqi_err err = MQI_OK;
	char *line = NULL;
	size_t cap = 0;

	while (err == MQI_OK && getline(&line, &cap, f) >= 0) {
		r->line++;
		err = take_line(r, line);
	}
	if (err == MQI_OK && ferror(f)) {
		(void)fail(r, "cannot be read: %s", strerror(errno));
		err = MQI_E_IO;
	}
	free(line);
	if (err == MQI_OK &&
	    r->values[LOG_PRIMARY_FILES] + r->values[LOG_SECONDARY_FILES] >
		JOURNAL_FILES_MAX)
		err = fail(r,
		    "LogPrimaryFiles and LogSecondaryFiles are %u together at "
		    "most",
		    JOURNAL_FILES_MAX);
	return err;
}

enum mqi_err
qmini_read(const char *dir, struct store_options *ret,
    struct scrub_options *ret_scrub, bool *ret_apart, char **ret_why)
{
	struct reader r = {.stanza = NO_STANZA, .ret_why = ret_why};
	enum mqi_err err = MQI_OK;
	char *path = NULL;
	FILE *f;

	if (asprintf(&path, "%s/qm.ini", dir) < 0)
		return MQI_E_NO_MEMORY;
	r.path = path;
	for (unsigned k = 0; k < KEYS; k++)
		r.values[k] = keys[k].preset;
	f = fopen(path, "re");
	if (f != NULL) {
		err = read_lines(&r, f);
		(void)fclose(f);
	} else if (errno != ENOENT) {
		(void)fail(&r, "cannot be opened: %s", strerror(errno));
		err = MQI_E_IO;
	}
	free(path);
	if (err != MQI_OK)
		return err;
	ret->journal.file_size = r.values[LOG_FILE_PAGES] * PAGE;
	ret->journal.files_first = (unsigned)r.values[LOG_PRIMARY_FILES];
	ret->journal.files = (unsigned)(r.values[LOG_PRIMARY_FILES] +
					r.values[LOG_SECONDARY_FILES]);
	ret->checkpoint_bytes = r.values[CHECKPOINT_BYTES];
	ret->checkpoint_keep = ret->checkpoint_bytes / 2;
	ret->checkpoint_ms = (uint32_t)r.values[CHECKPOINT_MILLISECONDS];
	ret_scrub->interval_s = (uint32_t)r.values[SCRUB_INTERVAL];
	ret_scrub->rate_mib = (uint32_t)r.values[SCRUB_RATE];
	*ret_apart = r.values[AGENTS_APART] != 0;
	return MQI_OK;
}

enum mqi_err
qmini_write(const char *dir, char **ret_why)
{
	char *path = NULL;
	bool bad;
	FILE *f;

	if (asprintf(&path, "%s/qm.ini", dir) < 0)
		return MQI_E_NO_MEMORY;
	f = fopen(path, "wxe");
	if (f == NULL && errno == EEXIST) {
		free(path);
		return MQI_OK;
	}
	bad = f == NULL;
	if (!bad) {
		bad = fprintf(f, "# read at each start; man qmgr\n") < 0;
		for (unsigned k = 0; k < KEYS; k++) {
			if (k == 0 || keys[k].stanza != keys[k - 1].stanza)
				bad = fprintf(f, "%s:\n",
					  stanzas[keys[k].stanza]) < 0 ||
				      bad;
			bad = fprintf(f, "   # %s\n   %s=%llu\n", keys[k].help,
				  keys[k].name,
				  (unsigned long long)keys[k].preset) < 0 ||
			      bad;
		}
		bad = fclose(f) != 0 || bad;
	}
	if (bad &&
	    asprintf(ret_why, "cannot write %s: %s", path, strerror(errno)) < 0)
		*ret_why = NULL;
	free(path);
	return bad ? MQI_E_IO : MQI_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqsc.h - MQSC, IBM MQ's command language: lines in, commands or errors with
 * their place out.  docs/mqsc.md has the rules.
 *
 * A reader is fed physical lines and asked for events until it has none:
 *
 *   mqsc_feed(r, line, len);
 *   while ((ev = mqsc_next(r, &cmd, &err)) != MQSC_NONE) ...
 *
 * and told of the end of its input by mqsc_finish().  Pure; a reader belongs
 * to one thread.  Memory: as base/mem.h, bounded by the limits below.
 */
#ifndef MQ_ADMIN_MQSC_H
#define MQ_ADMIN_MQSC_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/ctl.h"

#define MQSC_MAX_LINE 2048u     /* bytes of a line */
#define MQSC_MAX_COMMAND 32768u /* bytes of a command, all its lines */

struct mqsc_error {
	unsigned line;   /* from 1 */
	unsigned column; /* from 1, in characters */
	bool at_end;     /* the command ends too early */
	char text[256];  /* a sentence */
};

enum mqsc_event {
	MQSC_NONE,    /* feed more */
	MQSC_COMMAND, /* ret_cmd is written; mqctl_command_fini() it */
	MQSC_ERROR,   /* ret_err is written; the command is left out */
	MQSC_END,     /* END, EXIT or QUIT: what follows is not read */
};

struct mqsc;

struct mqsc *mqsc_new(void);
struct mqsc *mqsc_free(struct mqsc *m); /* NULL */

/* Feeds one line, without its newline. */
void mqsc_feed(struct mqsc *m, const char *line, size_t len);
/* The input is at its end: a command that is to go on is an error. */
void mqsc_finish(struct mqsc *m);
enum mqsc_event mqsc_next(
    struct mqsc *m, struct mqctl_command *ret_cmd, struct mqsc_error *ret_err);
/* True if the next line goes on with a command. */
bool mqsc_is_continued(const struct mqsc *m);
/* True if the line holds nothing of a command: blank, or a comment. */
bool mqsc_line_is_comment(const char *line, size_t len);

#endif

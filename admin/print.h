/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.h - what mqadmin mqsc writes: as runmqsc does, or a JSON object per
 * command (docs/json.md).  Single-threaded.
 */
#ifndef MQ_ADMIN_PRINT_H
#define MQ_ADMIN_PRINT_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stdio.h>

#include "admin/mqsc.h"

struct print;

struct print *print_new(FILE *out, bool json, bool echo);
struct print *print_free(struct print *p); /* NULL */

void print_begin(struct print *p, const char *qmgr);
/* A line of input, before what comes of it. */
void print_source(
    struct print *p, const char *line, size_t len, bool continued);
/* The parser's word. */
void print_syntax_error(struct print *p, const struct mqsc_error *e);
/* A row of the command's answer; then its result. text may be "". */
void print_row(struct print *p, const struct mqctl_command *c,
    const struct mqctl_list *row);
void print_result(struct print *p, const struct mqctl_command *c,
    enum mqi_err err, const char *text);
/* A command that was only checked. */
void print_verified(struct print *p, const struct mqctl_command *c);
/* The summary.  Returns true if every command was carried out. */
bool print_end(struct print *p, bool verify_only);

/* The id and the sentence of a result, as IBM's: "AMQ8006I". */
struct print_message {
	char id[9];
	char text[600];
};

void print_message_of(const struct mqctl_command *c, enum mqi_err err,
    const char *text, struct print_message *ret);

#endif

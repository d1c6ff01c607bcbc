/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_script.h - commands carried out against the fakes: scripts in MQSC, and
 * what is answered as text.  A row of an answer is written
 * "KEYWORD=value ...", a result "-> NAME sentence" ("-> OK" alone when all was
 * well).  Main thread only.
 */
#ifndef MQ_TESTS_CTL_SCRIPT_H
#define MQ_TESTS_CTL_SCRIPT_H

#include <stddef.h>

#include "base/check.h"
#include "proto/ctl.h"

#define OUT_LEN 65536

struct row {
	const char *script;
	const char *answer;
};

/* Adds the answer to out, which has OUT_LEN bytes: the last one, or that of a
 * command. */
void ctl_script_show(char *out);
void ctl_script_send(const struct mqctl_command *c, char *out);
/* Runs lines of MQSC, separated by ';'; out: all answers. */
void ctl_script_run(const char *script, char *out);
/* Each row begins without objects. */
void ctl_script_check(const struct row *rows, size_t n);

#define CHECK(rows) ctl_script_check(rows, MQ_ARRAY_LEN(rows))

#endif

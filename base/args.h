/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.h - the arguments of a program that an object's attributes name, as
 * execve(2) takes them.  No shell is asked: words are divided by blanks, '...'
 * and "..." keep blanks together and are taken off, and nothing else is
 * special.
 *
 * Memory: as base/mem.h.  A struct mqargs belongs to one thread.
 */
#ifndef MQ_BASE_ARGS_H
#define MQ_BASE_ARGS_H

#include <mq/mqi_err.h>

#include "base/check.h"

#define MQARGS_MAX 256u /* words */

struct mqargs {
	unsigned n;
	char *argv[MQARGS_MAX + 1]; /* ended by NULL */
};

void mqargs_init(struct mqargs *a);
void mqargs_fini(struct mqargs *a);
/* One word, as it is.  Errors: TOO_BIG (too many). */
MQ_MUST_CHECK enum mqi_err mqargs_add(struct mqargs *a, const char *word);
/* The words of text.  Errors: SYNTAX (a quote has no end), TOO_BIG. */
MQ_MUST_CHECK enum mqi_err mqargs_split(struct mqargs *a, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - where a broken promise of our own ends the process.
 *
 * Neighbours: the MQ_PRE, MQ_POST and MQ_INVARIANT macros of check.h.
 * One line goes to standard error with one write(2), without memory and
 * without stdio, since either may be what is broken; then abort(3), so that a
 * core or a supervisor sees it.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void
mqcheck_fail(const char *kind, const char *expr, const char *file, int line)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%s:%d: %s failed: %s\n", file,
	    line, kind, expr);

	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	/* nothing can be done about a failure here */
	if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0)
		abort();
	abort();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode.h - what `qmgr` does beside running a queue manager: work on its store
 * as a whole.  Each call is the process's whole job, writes lines for mqadmin
 * on standard output, and returns the exit status.
 */
#ifndef MQ_QMGR_MODE_H
#define MQ_QMGR_MODE_H

#include <stdbool.h>

struct mode_options {
	const char *name;
	const char *root; /* NULL: mqname_find_root() decides */
	bool structure;
};

/* 0 nothing is wrong, 1 there are findings, 2 it could not look.  Lines:
 *   looked <what> <n> <bytes>
 *   finding <kind> <where> <what> <what to do>
 *   end <findings>
 * with a tab between fields. */
int mode_verify(const struct mode_options *opts);

#endif

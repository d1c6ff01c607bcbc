/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_child.h - verify.h in a process of its own, so that a file which kills
 * the one that looks at it only names the place.
 */
#ifndef MQ_STORE_VERIFY_CHILD_H
#define MQ_STORE_VERIFY_CHILD_H

#include "qmgr/store/verify.h"

struct verify_outcome {
	enum mqi_err err; /* not OK: not everything was looked at */
	char why[256];    /* then */
	struct verify_result result;
	struct pages_place place; /* where it was last */
};

/* Forks; the report is called in the child, with standard output flushed
 * behind each call.  A child that a signal ended is one more finding, which is
 * reported here.  Only while this process has one thread. */
void verify_in_child(const char *dir, const struct verify_options *options,
    const struct verify_report *report, struct verify_outcome *ret);

#endif

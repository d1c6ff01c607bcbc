/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode.h - what `qmgr` does beside running a queue manager: work on its store
 * as a whole.  Each call is the process's whole job, writes lines for mqadmin
 * on standard output, complaints on standard error, and returns the exit
 * status.  Fields of a line have a tab between them.
 */
#ifndef MQ_QMGR_MODE_H
#define MQ_QMGR_MODE_H

#include <stdbool.h>
#include <stdint.h>

struct mode_options {
	const char *name;
	const char *root;      /* NULL: mqname_find_root() decides */
	const char *directory; /* of the backup */
	bool structure;
	bool salvage;
	uint64_t rate; /* bytes per second; UINT64_MAX: the default */
};

/* 0 nothing is wrong, 1 there are findings, 2 it could not look.  Lines:
 *   looked <what> <n> <bytes>
 *   finding <kind> <where> <what> <what to do>
 *   end <findings> */
int mode_verify(const struct mode_options *opts);
/* The same for scrub.c: when nobody else wants the processor or the disk, at
 * the rate that is given, or faster if that would take SCRUB_MAX_S; ends with
 * its parent. */
#define SCRUB_MAX_S 600u
int mode_scrub(const struct mode_options *opts);

/* 0 done, 1 not done.  Line:
 *   done <bytes before> <bytes after> <pages lost> <queues counted anew> <file
 *   that keeps what was there before a salvage> */
int mode_compact(const struct mode_options *opts);

/* For a start: the same with --salvage, but queues go on counting what they
 * had.  False after a message. */
struct mode_salvaged {
	uint64_t lost; /* pages */
	char *kept;    /* the file as it was; malloc'd */
};

bool mode_salvage(const char *data, struct mode_salvaged *ret);

/* 0 done, 1 not done.  Line:
 *   done <bytes> <last batch> */
int mode_backup(const struct mode_options *opts);
int mode_restore(const struct mode_options *opts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_inspect.h - what the files of a journal hold, read only: for checks,
 * and for backups, which must know how far the journal is.  Any thread;
 * blocking.
 */
#ifndef MQ_STORE_JOURNAL_INSPECT_H
#define MQ_STORE_JOURNAL_INSPECT_H

#include <stdbool.h>

#include "base/check.h"
#include "qmgr/store/journal_format.h"

struct journal_inspect {
	const char *dir; /* of the files */
	const uint8_t *log_id;
	uint64_t applied; /* batches up to this number do not matter */
	/* May be NULL.  where: a file, or the journal. */
	void (*wrong)(void *ctx, const char *where, const char *what);
	void *ctx;
};

struct journal_seen {
	unsigned files;
	uint64_t bytes;   /* of the files */
	uint64_t batches; /* behind `applied` */
	uint64_t last;    /* number of the last whole one; or `applied` */
	unsigned wrong;
};

/* Reads all files.  What stands behind the last whole batch was never
 * acknowledged, and is nothing. */
void journal_inspect(const struct journal_inspect *l, struct journal_seen *ret);

/*
 * journal_trim - makes a copy of a journal that was written meanwhile end with
 * one batch: the last of those that follow l->applied without a gap; *ret_last
 * is its number.  False: that is before at_least, or the copy cannot be
 * written.
 */
MQ_MUST_CHECK bool journal_trim(
    const struct journal_inspect *l, uint64_t at_least, uint64_t *ret_last);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmini.h - qm.ini, the file with what a queue manager needs to know before it
 * opens its store.  Blocks on the file system; used at start and creation.
 */
#ifndef MQ_QMGR_QMINI_H
#define MQ_QMGR_QMINI_H

#include "qmgr/scrub.h"
#include "qmgr/store/store_journal.h"

/* Three times the bytes that start a checkpoint are the most that it may be
 * behind: what the engine lets pile up. */
#define QMINI_BEHIND 3u

/*
 * qmini_read - reads dir/qm.ini over the defaults; none there: the defaults.
 * *ret_apart: the queue manager starts no agents itself (apart.h).
 * On failure *ret_why, malloc'd, is a sentence for a person, with the line.
 * Errors: INVAL (what stands there is not known, or out of range), IO,
 * NO_MEMORY; all are as they were.
 */
MQ_MUST_CHECK enum mqi_err qmini_read(const char *dir,
    struct store_options *ret, struct scrub_options *ret_scrub, bool *ret_apart,
    char **ret_why);

/* Writes dir/qm.ini with the defaults, unless there is one.  Errors: IO,
 * NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err qmini_write(const char *dir, char **ret_why);

#endif

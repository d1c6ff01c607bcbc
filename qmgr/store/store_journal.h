/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_journal.h - opening the store that queue managers run on, and what can
 * be set on it.
 */
#ifndef MQ_STORE_STORE_JOURNAL_H
#define MQ_STORE_STORE_JOURNAL_H

#include "qmgr/store/journal.h"
#include "qmgr/store/store_lmdb.h"

#define STORE_JOURNAL_FILE (UINT64_C(16) << 20)
#define STORE_JOURNAL_FILES 6u
#define STORE_CHECKPOINT_BYTES (UINT64_C(16) << 20)
#define STORE_CHECKPOINT_KEEP (UINT64_C(8) << 20)
#define STORE_CHECKPOINT_MS 1000u
#define STORE_PAUSE_US 1000u

struct store_options {
	struct store_lmdb_options lmdb;
	struct journal_options journal;
	/* A checkpoint begins when the journal holds so much that LMDB does
	 * not have, */
	uint64_t checkpoint_bytes;
	uint64_t checkpoint_keep; /* the youngest of it are left for the next */
	uint32_t checkpoint_ms;   /* or has held something for so long. */
	/* Between its transactions, while batches come that are alone. */
	uint32_t pause_us;
	struct disk *disk; /* the journal's, borrowed; NULL: DIR/journal */
};

void store_options_init(struct store_options *ret);

/*
 * store_open_with - opens or makes the store in a directory: LMDB in
 * DIR/store, the journal in DIR/journal.  What a crash has left in the journal
 * is applied first: that takes as long as the journal is behind.
 * wake(arg) may be called from any of the store's threads.
 * *ret_why, malloc'd, is the sentence for a person on failure.
 * Errors: STORE_FORMAT (not a store, or a newer one: the text names the
 * version), OBJECT_DAMAGED, IO, STORAGE_MEDIUM_FULL, NO_MEMORY.
 */
MQ_MUST_CHECK enum mqi_err store_open_with(const char *dir,
    const struct store_options *options, void (*wake)(void *arg), void *arg,
    struct store **ret, char **ret_why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h - brings what stands in the journal to where it stays, in bulk.
 * Belongs to the thread that writes there; blocks on both disks.
 */
#ifndef MQ_STORE_CHECKPOINT_H
#define MQ_STORE_CHECKPOINT_H

#include "qmgr/store/journal.h"

/* Where records go: LMDB's writer, or a simulation's stand-in.  A transaction
 * is begun, gets records, and is committed with the number of the last batch
 * that it holds, or aborted. */
struct checkpoint_target {
	enum mqi_err (*begin)(void *ctx);
	store_apply_fn *record;
	/* So much has been changed that it should be committed. */
	bool (*is_full)(void *ctx);
	enum mqi_err (*commit)(void *ctx, uint64_t number);
	void (*abort)(void *ctx);
	void *ctx;
};

/* How much of the journal, behind the cursor. */
struct checkpoint_range {
	uint64_t look_bytes; /* of records are looked at; at least one batch */
	uint64_t keep_bytes; /* at the end of them are left for later, */
	uint64_t at_least;   /* but this batch is applied, if it is there */
};

/*
 * checkpoint_run - applies the batches of a range, and moves the cursor behind
 * the last one that was.  Messages that were put and removed within the range
 * leave no trace.  *ret_bytes: the bytes of records applied.
 * lenient: a record that contradicts what is there is logged and left out.
 * Errors: what the journal and the target have; OBJECT_DAMAGED: a record is not
 * what was written.  The target is aborted then.
 */
MQ_MUST_CHECK enum mqi_err checkpoint_run(struct journal *j,
    struct journal_cursor *cursor, const struct checkpoint_range *range,
    bool lenient, const struct checkpoint_target *target, uint64_t *ret_bytes,
    struct store_why *why);

#endif

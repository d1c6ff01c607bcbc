/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h - brings what stands in the journal to where it stays, in bulk.
 * Belongs to the thread that writes there; blocks on both disks.
 */
#ifndef MQ_STORE_CHECKPOINT_H
#define MQ_STORE_CHECKPOINT_H

#include <sys/queue.h>

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

enum checkpoint_kind {
	CHECKPOINT_PUT,    /* not staged */
	CHECKPOINT_REMOVE, /* and its body may go */
	CHECKPOINT_PLAIN,  /* its body is kept, or restored */
};

struct checkpoint_event {
	uint64_t body_id;
	enum checkpoint_kind kind;
	uint32_t places; /* of a PUT */
};

/* What a batch puts and lets go of; enough to know what need not be applied. */
struct checkpoint_note {
	STAILQ_ENTRY(checkpoint_note) entry;
	uint64_t number;
	uint64_t bytes; /* of the batch's records */
	bool other;     /* it has records of other kinds */
	size_t n;
	size_t cap;
	struct checkpoint_event *events;
};

STAILQ_HEAD(checkpoint_notes, checkpoint_note);

struct checkpoint {
	struct journal *journal;
	struct journal_cursor cursor;  /* behind the last batch applied */
	struct journal_cursor ahead;   /* behind the last one looked at */
	bool begun;                    /* the cursors stand somewhere */
	struct checkpoint_notes notes; /* of the batches behind the cursor */
};

/* Before the first batch that is not released. */
void checkpoint_init(struct checkpoint *c, struct journal *j);
void checkpoint_fini(struct checkpoint *c); /* also a zeroed one */

/* Of a batch in memory; thread-safe. */
struct checkpoint_note *checkpoint_note(const struct store_batch *b);
struct checkpoint_note *checkpoint_note_free(struct checkpoint_note *n);

/* The next batch in the journal has this note, which is taken.  A checkpoint
 * is either told of its batches in this way, or looks at them itself. */
void checkpoint_add(struct checkpoint *c, struct checkpoint_note *n);

/* Reads the batches that have no note yet, up to max_bytes of records, but one
 * at least if there is one.  Errors: as of journal_read(). */
MQ_MUST_CHECK enum mqi_err checkpoint_look(
    struct checkpoint *c, uint64_t max_bytes, struct store_why *why);

/* What of the noted batches is to be applied. */
struct checkpoint_range {
	uint64_t keep_bytes; /* so much at their end is left for later, */
	uint64_t at_least;   /* but not this batch */
};

/*
 * checkpoint_run - applies noted batches, and moves the cursor behind the last
 * one that was.  Messages that were put and removed within all that is noted
 * leave no trace.  *ret_bytes: the bytes of records applied.
 * lenient: a record that contradicts what is there is logged and left out.
 * Errors: what the journal and the target have; OBJECT_DAMAGED: a record is not
 * what was written.  The target is aborted then.
 */
MQ_MUST_CHECK enum mqi_err checkpoint_run(struct checkpoint *c,
    const struct checkpoint_range *range, bool lenient,
    const struct checkpoint_target *target, uint64_t *ret_bytes,
    struct store_why *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_journal_int.h - what store_journal.c and store_journal_checkpoint.c
 * share: the store and its mutex, which nobody holds over an operation of a
 * disk.
 */
#ifndef MQ_STORE_STORE_JOURNAL_INT_H
#define MQ_STORE_STORE_JOURNAL_INT_H

#include <pthread.h>
#include <sys/queue.h>

#include "qmgr/store/checkpoint.h"
#include "qmgr/store/store_journal.h"
#include "qmgr/store/store_lmdb_apply.h"

#define FLUSHES 256u /* looked back on */

struct batch_node {
	STAILQ_ENTRY(batch_node) entry;
	struct store_batch *batch;
};

struct load_node {
	STAILQ_ENTRY(load_node) entry;
	struct store_load *load;
};

STAILQ_HEAD(batch_list, batch_node);
STAILQ_HEAD(load_list, load_node);

/* Which of the last flushes were slow. */
struct flushes {
	bool slow[FLUSHES];
	unsigned next;
	unsigned n_slow;
};

struct store_journal {
	struct store base;
	struct store_options o;
	struct lmdb_env e;
	struct disk *disk; /* ours, or NULL */
	struct journal *journal;
	void (*wake)(void *arg);
	void *wake_arg;
	pthread_t threads[3];
	unsigned n_threads;

	/* the checkpoint thread's */
	struct lmdb_writer writer;
	struct checkpoint checkpoint;
	struct store_why lmdb_why;
	bool no_file; /* the last one that it wanted could not be made */

	/* the loop thread's */
	uint64_t opened_at; /* last batch at open */
	uint64_t submitted;
	uint64_t told_durable;
	uint64_t told_applied;
	bool told_failed;
	uint64_t n_lonely;     /* batches in a row that were alone */
	struct load_list held; /* read, not yet told */

	pthread_mutex_t mutex;
	pthread_cond_t store_cond;
	pthread_cond_t checkpoint_cond;
	pthread_cond_t reader_cond;
	struct batch_list batches; /* the store thread's to write */
	struct load_list loads;
	struct load_list answers;
	uint64_t durable;
	uint64_t noted; /* durable, and in `notes` or taken from there */
	uint64_t applied;
	struct checkpoint_notes notes; /* of durable ones, to be taken */
	uint64_t unapplied_bytes;      /* durable ones */
	uint64_t unapplied_since;      /* mono_us of the oldest */
	uint64_t wanted;               /* to be applied at once, up to here */
	bool starved;                  /* the store thread waits for a file */
	uint64_t lonely_at; /* mono_us of the last batch that was alone */
	struct flushes flushes;
	struct store_why why; /* of the first failure */
	bool failed;
	bool woken;
	bool stop;
	bool recovering; /* nobody waits for the journal */
	bool store_ended;
};

void store_journal_lock(struct store_journal *m);
void store_journal_unlock(struct store_journal *m);
void store_journal_signal(pthread_cond_t *cond);

/* ---- with the mutex held, which is let go meanwhile ---- */

/* Has the loop poll, unless it has been told already. */
void store_journal_wake(struct store_journal *m);
/* The store has failed: the first reason stays. */
void store_journal_fail(struct store_journal *m, const struct store_why *why);

/* ---- without it ---- */

/* The checkpoint thread. */
void *store_journal_checkpoints(void *arg);
/* One checkpoint; the reason of a failure is in m->lmdb_why. */
MQ_MUST_CHECK enum mqi_err store_journal_checkpoint(struct store_journal *m,
    const struct checkpoint_range *range, bool lenient, uint64_t *ret_bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_journal_checkpoint.c - the store's checkpoint thread: when there is a
 * checkpoint, and what comes with each of its commits (store_journal.c has the
 * rules).
 *
 * Neighbours: checkpoint.c reads the journal, store_lmdb_apply.c writes LMDB.
 * Invariants: a batch is said to be applied, and its place in the journal given
 * back, only when LMDB has committed it.
 * Between its transactions it pauses while puts come one at a time, so that
 * their flushes meet few of LMDB's.
 * Between checkpoints the thread sweeps what was purged, and looks for room on
 * a disk that had none.
 * Failure: the first one ends the store.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "qmgr/store/store_journal_int.h"

/* A commit's flush holds up the journal's: while there is time, small ones, and
 * smaller ones so long after a batch that was alone. */
#define GENTLE_BYTES (UINT64_C(256) << 10)
#define LONELY_BYTES (UINT64_C(64) << 10)
#define LONELY_US 100000u
#define RECHECK_MS 1000u /* of room, while there is none */

/* Until then, or until something is said.  The mutex is held. */
static void
wait_until_us(struct store_journal *m, uint64_t mono_us)
{
	const struct timespec until = {
	    .tv_sec = (time_t)(mono_us / 1000000),
	    .tv_nsec = (long)(mono_us % 1000000) * 1000,
	};
	int rc = pthread_cond_timedwait(&m->checkpoint_cond, &m->mutex, &until);

	MQ_INVARIANT(rc == 0 || rc == ETIMEDOUT);
}

/* Somebody waits for more than the flush of one batch.  The mutex is held. */
static bool
is_pressed(const struct store_journal *m)
{
	return m->stop || m->failed || m->starved || m->recovering ||
	       m->unapplied_bytes >= m->o.checkpoint_bytes / 4 * 5;
}

/* The mutex is held. */
static bool
is_lonely(const struct store_journal *m)
{
	return m->lonely_at != 0 &&
	       mqclock_mono_us() < m->lonely_at + LONELY_US;
}

/* Who puts one message at a time meets one commit, and then none for a while.
 */
static void
pause_between(struct store_journal *m)
{
	const uint64_t until = mqclock_mono_us() + m->o.pause_us;

	store_journal_lock(m);
	while (mqclock_mono_us() < until && is_lonely(m) && !is_pressed(m))
		wait_until_us(m, until);
	store_journal_unlock(m);
}

static enum mqi_err
target_begin(void *ctx)
{
	struct store_journal *m = ctx;

	pause_between(m);
	return lmdb_writer_begin(&m->writer);
}

static enum mqi_err
target_record(void *ctx, const struct record *r, const uint8_t *bytes)
{
	struct store_journal *m = ctx;

	return lmdb_writer_record(&m->writer, r, bytes);
}

static bool
target_is_full(void *ctx)
{
	struct store_journal *m = ctx;
	const uint64_t size = lmdb_writer_size(&m->writer);
	bool pressed;
	bool lonely;

	if (size < LONELY_BYTES)
		return false;
	store_journal_lock(m);
	lonely = is_lonely(m);
	pressed = is_pressed(m);
	store_journal_unlock(m);
	if (!pressed)
		return lonely || size >= GENTLE_BYTES;
	return lmdb_writer_is_full(&m->writer);
}

/* LMDB has it durably: the journal may go, the engine may know. */
static enum mqi_err
target_commit(void *ctx, uint64_t number)
{
	struct store_journal *m = ctx;
	enum mqi_err err = lmdb_writer_commit(&m->writer, number);

	if (err == MQI_OK)
		err = lmdb_room_update(&m->e, &m->lmdb_why);
	if (err != MQI_OK)
		return err;
	journal_release(m->journal, number);
	store_journal_lock(m);
	m->applied = number;
	if (m->starved)
		store_journal_signal(&m->store_cond);
	store_journal_wake(m);
	store_journal_unlock(m);
	return MQI_OK;
}

static void
target_abort(void *ctx)
{
	struct store_journal *m = ctx;

	lmdb_writer_abort(&m->writer);
}

enum mqi_err
store_journal_checkpoint(struct store_journal *m,
    const struct checkpoint_range *range, bool lenient, uint64_t *ret_bytes)
{
	const struct checkpoint_target target = {
	    .begin = target_begin,
	    .record = target_record,
	    .is_full = target_is_full,
	    .commit = target_commit,
	    .abort = target_abort,
	    .ctx = m,
	};

	return checkpoint_run(
	    &m->checkpoint, range, lenient, &target, ret_bytes, &m->lmdb_why);
}

/* How long the checkpoint thread may sleep; 0: a checkpoint is due.  The mutex
 * is held. */
static uint64_t
until_due_ms(const struct store_journal *m)
{
	uint64_t now;
	uint64_t due;

	if (m->noted == m->applied)
		return UINT64_MAX;
	if (m->stop || m->starved || m->applied < m->wanted ||
	    m->unapplied_bytes >= m->o.checkpoint_bytes)
		return 0;
	now = mqclock_mono_us() / 1000;
	due = m->unapplied_since / 1000 + m->o.checkpoint_ms;
	return now >= due ? 0 : due - now;
}

/* The mutex is held. */
static void
wait_ms(struct store_journal *m, uint64_t ms)
{
	if (ms == UINT64_MAX)
		MQ_INVARIANT(
		    pthread_cond_wait(&m->checkpoint_cond, &m->mutex) == 0);
	else
		wait_until_us(m, mqclock_mono_us() + ms * 1000);
}

/* A file more, if the journal would like one and the disk has it, with what it
 * will take in LMDB.  A disk that is full has not, and is told of once. */
static enum mqi_err
prepare_file(struct store_journal *m)
{
	const uint64_t bytes = journal_bytes(m->journal);
	struct store_why why = {0};
	bool room = false;
	enum mqi_err err;

	if (!journal_wants_file(m->journal))
		return MQI_OK;
	err = lmdb_room_grow(
	    &m->e, bytes + m->o.journal.file_size, &room, &m->lmdb_why);
	if (err != MQI_OK || !room)
		return err;
	err = journal_add_file(m->journal, &why);
	if (err != MQI_OK && !m->no_file)
		mqlog(MQLOG_WARN, "journal.no_file",
		    "the journal stays as small as it is: %s", why.text);
	m->no_file = err != MQI_OK;
	m->e.journal_bytes = journal_bytes(m->journal);
	store_journal_lock(m);
	store_journal_signal(&m->store_cond);
	store_journal_unlock(m);
	return MQI_OK;
}

/* The mutex is held, and let go meanwhile. */
static enum mqi_err
checkpoint_step(struct store_journal *m)
{
	const uint64_t due = until_due_ms(m);
	const bool room =
	    atomic_load_explicit(&m->e.has_room, memory_order_relaxed);
	const bool stop = m->stop;
	struct checkpoint_range range = {.at_least = m->wanted};
	enum mqi_err err = MQI_OK;
	uint64_t bytes = 0;

	if (m->unapplied_bytes >= m->o.checkpoint_bytes ||
	    m->applied < m->wanted)
		range.keep_bytes = m->o.checkpoint_keep;
	if (stop || m->starved)
		range.keep_bytes = 0;
	STAILQ_CONCAT(&m->checkpoint.notes, &m->notes);
	if (due > 0 && !m->writer.sweep) {
		if (room || due < RECHECK_MS) {
			wait_ms(m, due);
			return MQI_OK;
		}
		wait_ms(m, RECHECK_MS);
	}
	store_journal_unlock(m);
	if (due == 0) {
		if (!stop && room)
			err = prepare_file(m);
		if (err == MQI_OK)
			err =
			    store_journal_checkpoint(m, &range, false, &bytes);
	} else if (m->writer.sweep) {
		err = lmdb_writer_sweep(&m->writer);
	}
	if (err == MQI_OK)
		err = lmdb_room_update(&m->e, &m->lmdb_why);
	store_journal_lock(m);
	MQ_INVARIANT(bytes <= m->unapplied_bytes);
	m->unapplied_bytes -= bytes;
	if (due == 0)
		m->unapplied_since = mqclock_mono_us();
	return err;
}

void *
store_journal_checkpoints(void *arg)
{
	struct store_journal *m = arg;
	enum mqi_err err = MQI_OK;

	store_journal_lock(m);
	while (err == MQI_OK && !m->failed &&
	       !(m->stop && m->store_ended && m->applied == m->noted))
		err = checkpoint_step(m);
	if (err != MQI_OK)
		store_journal_fail(m, &m->lmdb_why);
	store_journal_unlock(m);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_journal.c - the store that queue managers run on (store.h): a journal
 * in front of LMDB, and the threads of both.
 *
 *	submit -> store thread: journal_append() -> poll: durable(n)
 *	       -> checkpoint thread: checkpoint_run() -> poll: applied(n)
 *	load   -> reader thread: lmdb_reader_load() -> poll: loaded(l)
 *
 * Neighbours: journal.c, checkpoint.c, store_lmdb_apply.c, store_lmdb_load.c.
 * The threads share only what stands under `mutex`, which nobody holds over an
 * operation of a disk.
 *
 * A batch that the loop says is alone, and small, is written and flushed by
 * the loop itself, while flushes are fast: a thread's wake-up would cost as
 * much again.  Everything else is the store thread's.
 *
 * A checkpoint begins when the journal holds `checkpoint_bytes` that LMDB does
 * not have, when the oldest of them is `checkpoint_ms` old, when hurry() asks
 * for it, and when the journal has no free file.  It leaves the youngest
 * `checkpoint_keep` bytes, unless they are old or somebody waits: most of what
 * is put there will be removed before it ever reaches LMDB.  So the bytes that
 *a start has to replay are bounded, by that and by what the engine lets pile
 *up.
 *
 * The reader can see a commit before the checkpoint thread has said so; poll()
 * keeps such an answer until it has told applied().
 *
 * The first failure of any thread ends the store: failed() is told once and
 * nothing after it.  Whether a batch that failed is on the disk is unknown; the
 * next start will see.
 */
#include "qmgr/store/store_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "qmgr/store/checkpoint.h"
#include "qmgr/store/store_lmdb_apply.h"
#include "qmgr/store/store_lmdb_load.h"

/* A commit's flush holds up the journal's: while there is time, small ones. */
#define GENTLE_BYTES (UINT64_C(256) << 10)
#define RECHECK_MS 1000u                /* of room, while there is none */
#define LOOK_BYTES (UINT64_C(32) << 20) /* of journal, at once, by a start */
#define ALONE_BYTES 65536u              /* of a batch that the loop may write */
#define SLOW_FLUSH_US 300u
#define FLUSHES 256u    /* looked back on */
#define SLOW_FLUSHES 3u /* of them, and the loop leaves it: p99 */

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
	struct flushes flushes;
	struct store_why why; /* of the first failure */
	bool failed;
	bool woken;
	bool stop;
	bool store_ended;
};

static struct store_journal *
self(struct store *s)
{
	return MQ_CONTAINER_OF(s, struct store_journal, base);
}

static void
lock(struct store_journal *m)
{
	MQ_INVARIANT(pthread_mutex_lock(&m->mutex) == 0);
}

static void
unlock(struct store_journal *m)
{
	MQ_INVARIANT(pthread_mutex_unlock(&m->mutex) == 0);
}

static void
signal_cond(pthread_cond_t *cond)
{
	MQ_INVARIANT(pthread_cond_signal(cond) == 0);
}

/* Has the loop poll, unless it has been told already; the mutex is held, and
 * let go meanwhile. */
static void
wake(struct store_journal *m)
{
	bool needed = !m->woken;

	m->woken = true;
	unlock(m);
	if (needed)
		m->wake(m->wake_arg);
	lock(m);
}

/* The mutex is held. */
static void
fail(struct store_journal *m, const struct store_why *why)
{
	MQ_INVARIANT(why->err != MQI_OK);
	if (!m->failed) {
		m->why = *why;
		m->failed = true;
	}
	signal_cond(&m->store_cond);
	signal_cond(&m->checkpoint_cond);
	wake(m);
}

static void
free_batches(struct batch_list *list)
{
	struct batch_node *n;

	while ((n = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		(void)store_batch_free(n->batch);
		free(n);
	}
}

static void
free_loads(struct load_list *list)
{
	struct load_node *n;

	while ((n = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		(void)store_load_free(n->load);
		free(n);
	}
}

/* ---- writing ---- */

static void
flushes_add(struct flushes *f, uint64_t us)
{
	f->n_slow -= f->slow[f->next];
	f->slow[f->next] = us > SLOW_FLUSH_US;
	f->n_slow += f->slow[f->next];
	f->next = (f->next + 1) % FLUSHES;
}

/* Writes the batch and says so; b is freed.  Without the mutex, on whichever
 * thread may append now; tell: the loop has to be woken.  Who waits for the
 * batch does not wait for the note of it. */
static enum mqi_err
write_batch(struct store_journal *m, struct store_batch *b, bool tell,
    struct store_why *why)
{
	const uint64_t began = mqclock_mono_us();
	enum mqi_err err = journal_append(m->journal, b, why);
	const uint64_t ended = mqclock_mono_us();
	struct checkpoint_note *note;

	if (err != MQI_OK) {
		(void)store_batch_free(b);
		return err;
	}
	lock(m);
	flushes_add(&m->flushes, ended - began);
	m->durable = b->number;
	if (tell)
		wake(m);
	unlock(m);
	note = checkpoint_note(b);
	lock(m);
	/* the first one starts to count the time */
	if (m->unapplied_bytes == 0) {
		m->unapplied_since = ended;
		signal_cond(&m->checkpoint_cond);
	}
	MQ_INVARIANT(m->noted + 1 == b->number);
	STAILQ_INSERT_TAIL(&m->notes, note, entry);
	m->noted = b->number;
	m->unapplied_bytes += b->records.len;
	if (m->unapplied_bytes >= m->o.checkpoint_bytes ||
	    m->wanted >= b->number)
		signal_cond(&m->checkpoint_cond);
	unlock(m);
	(void)store_batch_free(b);
	return MQI_OK;
}

static void *
store_main(void *arg)
{
	struct store_journal *m = arg;
	struct store_why why = {0};
	enum mqi_err err = MQI_OK;

	lock(m);
	while (!m->failed && !(m->stop && STAILQ_EMPTY(&m->batches))) {
		struct batch_node *n = STAILQ_FIRST(&m->batches);

		m->starved = n != NULL && !journal_has_place(m->journal,
					      n->batch->records.len);
		if (n == NULL || m->starved) {
			if (m->starved)
				signal_cond(&m->checkpoint_cond);
			MQ_INVARIANT(
			    pthread_cond_wait(&m->store_cond, &m->mutex) == 0);
			continue;
		}
		STAILQ_REMOVE_HEAD(&m->batches, entry);
		unlock(m);
		err = write_batch(m, n->batch, true, &why);
		free(n);
		lock(m);
		if (err != MQI_OK)
			fail(m, &why);
	}
	m->store_ended = true;
	signal_cond(&m->checkpoint_cond);
	unlock(m);
	return NULL;
}

/* ---- checkpoints ---- */

static enum mqi_err
target_begin(void *ctx)
{
	struct store_journal *m = ctx;

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
	bool pressed;

	if (lmdb_writer_size(&m->writer) < GENTLE_BYTES)
		return false;
	lock(m);
	pressed = m->stop || m->starved ||
		  m->unapplied_bytes >= m->o.checkpoint_bytes / 4 * 5;
	unlock(m);
	return !pressed || lmdb_writer_is_full(&m->writer);
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
	lock(m);
	m->applied = number;
	if (m->starved)
		signal_cond(&m->store_cond);
	wake(m);
	unlock(m);
	return MQI_OK;
}

static void
target_abort(void *ctx)
{
	struct store_journal *m = ctx;

	lmdb_writer_abort(&m->writer);
}

static enum mqi_err
run_checkpoint(struct store_journal *m, const struct checkpoint_range *range,
    bool lenient, uint64_t *ret_bytes)
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
	struct timespec until;
	int rc;

	if (ms == UINT64_MAX) {
		rc = pthread_cond_wait(&m->checkpoint_cond, &m->mutex);
		MQ_INVARIANT(rc == 0);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	rc = pthread_cond_timedwait(&m->checkpoint_cond, &m->mutex, &until);
	MQ_INVARIANT(rc == 0 || rc == ETIMEDOUT);
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
	lock(m);
	signal_cond(&m->store_cond);
	unlock(m);
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
	unlock(m);
	if (due == 0) {
		if (!stop && room)
			err = prepare_file(m);
		if (err == MQI_OK)
			err = run_checkpoint(m, &range, false, &bytes);
	} else if (m->writer.sweep) {
		err = lmdb_writer_sweep(&m->writer);
	}
	if (err == MQI_OK)
		err = lmdb_room_update(&m->e, &m->lmdb_why);
	lock(m);
	MQ_INVARIANT(bytes <= m->unapplied_bytes);
	m->unapplied_bytes -= bytes;
	if (due == 0)
		m->unapplied_since = mqclock_mono_us();
	return err;
}

static void *
checkpoint_main(void *arg)
{
	struct store_journal *m = arg;
	enum mqi_err err = MQI_OK;

	lock(m);
	while (err == MQI_OK && !m->failed &&
	       !(m->stop && m->store_ended && m->applied == m->noted))
		err = checkpoint_step(m);
	if (err != MQI_OK)
		fail(m, &m->lmdb_why);
	unlock(m);
	return NULL;
}

/* ---- the reader thread ---- */

static void *
reader_main(void *arg)
{
	struct store_journal *m = arg;
	struct lmdb_reader reader = {.e = &m->e};

	lock(m);
	while (!m->stop) {
		struct load_node *n = STAILQ_FIRST(&m->loads);

		if (n == NULL) {
			MQ_INVARIANT(
			    pthread_cond_wait(&m->reader_cond, &m->mutex) == 0);
			continue;
		}
		STAILQ_REMOVE_HEAD(&m->loads, entry);
		unlock(m);
		lmdb_reader_load(&reader, n->load);
		lock(m);
		STAILQ_INSERT_TAIL(&m->answers, n, entry);
		wake(m);
	}
	unlock(m);
	lmdb_reader_fini(&reader);
	return NULL;
}

/* ---- the seam ---- */

static enum mqi_err
journal_ops_catalog(struct store *s, const struct store_catalog *c)
{
	struct store_why why = {0};

	return lmdb_catalog(&self(s)->e, c, &why);
}

static uint64_t
journal_ops_last_batch(struct store *s)
{
	return self(s)->opened_at;
}

/* Whether the loop may write the batch itself: nobody else appends, or has a
 * note to add, and it will not take long. */
static bool
may_write(struct store_journal *m, const struct store_batch *b, bool alone)
{
	bool may;

	if (!alone || b->records.len > ALONE_BYTES)
		return false;
	lock(m);
	may = !m->failed && STAILQ_EMPTY(&m->batches) &&
	      m->noted == m->durable && m->durable + 1 == b->number &&
	      m->flushes.n_slow < SLOW_FLUSHES &&
	      journal_has_place(m->journal, b->records.len);
	unlock(m);
	return may;
}

static bool
journal_ops_submit(struct store *s, struct store_batch *b, bool alone)
{
	struct store_journal *m = self(s);
	struct store_why why = {0};
	struct batch_node *n;

	MQ_PRE(b->records.err == MQI_OK);
	MQ_PRE(b->number == m->submitted + 1);
	m->submitted = b->number;
	if (may_write(m, b, alone)) {
		if (write_batch(m, b, false, &why) != MQI_OK) {
			lock(m);
			fail(m, &why);
			unlock(m);
		}
		return true;
	}
	n = mqmem_alloc(sizeof(*n));
	n->batch = b;
	lock(m);
	STAILQ_INSERT_TAIL(&m->batches, n, entry);
	signal_cond(&m->store_cond);
	unlock(m);
	return false;
}

static void
journal_ops_hurry(struct store *s, uint64_t number)
{
	struct store_journal *m = self(s);

	lock(m);
	if (number > m->wanted) {
		m->wanted = number;
		if (m->noted > m->applied)
			signal_cond(&m->checkpoint_cond);
	}
	unlock(m);
}

static void
journal_ops_load(struct store *s, struct store_load *l)
{
	struct store_journal *m = self(s);
	struct load_node *n = mqmem_alloc(sizeof(*n));

	n->load = l;
	lock(m);
	STAILQ_INSERT_TAIL(&m->loads, n, entry);
	signal_cond(&m->reader_cond);
	unlock(m);
}

static void
tell_loads(struct store_journal *m, const struct store_events *ev)
{
	struct load_list later = STAILQ_HEAD_INITIALIZER(later);
	struct load_node *n;

	while ((n = STAILQ_FIRST(&m->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->held, entry);
		if (n->load->as_of > m->told_applied) {
			STAILQ_INSERT_TAIL(&later, n, entry);
			continue;
		}
		ev->loaded(ev->ctx, n->load);
		free(n);
	}
	STAILQ_CONCAT(&m->held, &later);
}

static void
journal_ops_poll(struct store *s, const struct store_events *ev)
{
	struct store_journal *m = self(s);
	uint64_t durable;
	uint64_t applied;
	bool failed;

	if (m->told_failed)
		return;
	lock(m);
	m->woken = false;
	durable = m->durable;
	applied = m->applied;
	failed = m->failed;
	STAILQ_CONCAT(&m->held, &m->answers);
	unlock(m);
	while (m->told_durable < durable) {
		m->told_durable++;
		ev->durable(ev->ctx, m->told_durable);
	}
	if (m->told_applied < applied) {
		m->told_applied = applied;
		ev->applied(ev->ctx, applied);
	}
	tell_loads(m, ev);
	if (failed) {
		m->told_failed = true;
		ev->failed(ev->ctx, m->why.err, m->why.text);
	}
}

static bool
journal_ops_has_room(struct store *s)
{
	return atomic_load_explicit(&self(s)->e.has_room, memory_order_relaxed);
}

static void
journal_ops_close(struct store *s)
{
	struct store_journal *m = self(s);

	lock(m);
	m->stop = true;
	signal_cond(&m->store_cond);
	signal_cond(&m->checkpoint_cond);
	signal_cond(&m->reader_cond);
	unlock(m);
	for (unsigned i = 0; i < m->n_threads; i++)
		MQ_INVARIANT(pthread_join(m->threads[i], NULL) == 0);
	/* nobody polls any more */
	if (m->failed && !m->told_failed)
		mqlog(MQLOG_ERROR, "store.failed",
		    "%s while the store was closed; what was acknowledged is "
		    "in the journal, for the next start: %s",
		    mqi_strerror(m->why.err), m->why.text);
	free_batches(&m->batches);
	free_loads(&m->loads);
	free_loads(&m->answers);
	free_loads(&m->held);
	STAILQ_CONCAT(&m->checkpoint.notes, &m->notes);
	checkpoint_fini(&m->checkpoint);
	lmdb_writer_fini(&m->writer);
	m->journal = journal_free(m->journal);
	disk_posix_close(m->disk);
	lmdb_env_close(&m->e);
	(void)pthread_cond_destroy(&m->store_cond);
	(void)pthread_cond_destroy(&m->checkpoint_cond);
	(void)pthread_cond_destroy(&m->reader_cond);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

static const struct store_ops journal_ops = {
    .catalog = journal_ops_catalog,
    .last_batch = journal_ops_last_batch,
    .submit = journal_ops_submit,
    .hurry = journal_ops_hurry,
    .load = journal_ops_load,
    .poll = journal_ops_poll,
    .has_room = journal_ops_has_room,
    .close = journal_ops_close,
};

/* ---- open ---- */

static enum mqi_err
start_thread(struct store_journal *m, void *(*run)(void *arg), const char *name)
{
	pthread_t *t = &m->threads[m->n_threads];
	int rc = pthread_create(t, NULL, run, m);

	if (rc != 0)
		return store_fail(&m->why, MQI_E_RESOURCE_PROBLEM,
		    "cannot start a thread: %s", strerror(rc));
	m->n_threads++;
	(void)pthread_setname_np(*t, name);
	return MQI_OK;
}

/* Signals are the loop thread's. */
static enum mqi_err
start_threads(struct store_journal *m)
{
	sigset_t all;
	sigset_t before;
	enum mqi_err err;

	(void)sigfillset(&all);
	MQ_INVARIANT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	err = start_thread(m, store_main, "store");
	if (err == MQI_OK)
		err = start_thread(m, checkpoint_main, "checkpoint");
	if (err == MQI_OK)
		err = start_thread(m, reader_main, "reader");
	MQ_INVARIANT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return err;
}

static struct store_journal *
new_store(const struct store_options *o, void (*wake_fn)(void *), void *arg)
{
	struct store_journal *m = mqmem_alloc(sizeof(*m));
	pthread_condattr_t attr;

	m->base.ops = &journal_ops;
	m->o = *o;
	m->wake = wake_fn;
	m->wake_arg = arg;
	STAILQ_INIT(&m->batches);
	STAILQ_INIT(&m->notes);
	STAILQ_INIT(&m->loads);
	STAILQ_INIT(&m->answers);
	STAILQ_INIT(&m->held);
	RB_INIT(&m->writer.counters);
	MQ_INVARIANT(pthread_mutex_init(&m->mutex, NULL) == 0);
	MQ_INVARIANT(pthread_condattr_init(&attr) == 0);
	MQ_INVARIANT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	MQ_INVARIANT(pthread_cond_init(&m->store_cond, &attr) == 0);
	MQ_INVARIANT(pthread_cond_init(&m->checkpoint_cond, &attr) == 0);
	MQ_INVARIANT(pthread_cond_init(&m->reader_cond, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	return m;
}

/* Opens the journal that LMDB knows, or makes one. */
static enum mqi_err
open_journal(struct store_journal *m, const char *dir)
{
	uint8_t log_id[JOURNAL_ID_LEN];
	struct disk *disk = m->o.disk;
	char *path;
	enum mqi_err err;
	int rc = 0;

	if (disk == NULL) {
		if (asprintf(&path, "%s/journal", dir) < 0)
			return store_fail(
			    &m->why, MQI_E_NO_MEMORY, "no memory");
		rc = disk_posix_open(path, &m->disk);
		disk = m->disk;
		free(path);
	}
	if (rc != 0)
		return store_fail(&m->why, store_err(rc),
		    "cannot open %s/journal: %s", dir, strerror(rc));
	if (m->e.has_log)
		return journal_open(disk, &m->o.journal, m->e.log_id,
		    m->e.last_batch, &m->journal, &m->why);
	mqrand_bytes(log_id, sizeof(log_id));
	err = journal_create(
	    disk, &m->o.journal, log_id, m->e.last_batch, &m->journal, &m->why);
	return err == MQI_OK ? lmdb_env_set_log(&m->e, log_id, &m->why) : err;
}

/* What the journal has beyond LMDB, into LMDB.  A record that does not fit what
 * is there has ended the store once; it must not do so for ever. */
static enum mqi_err
recover(struct store_journal *m)
{
	enum mqi_err err = lmdb_writer_init(&m->writer, &m->e, &m->lmdb_why);
	const uint64_t from = m->e.last_batch;
	const uint64_t to = journal_last(m->journal);
	const struct checkpoint_range range = {0};
	const uint64_t began = mqclock_mono_us();
	uint64_t bytes = 0;
	uint64_t total = 0;

	/* what is replayed is of an epoch that has not ended yet */
	m->e.dead_epoch = 0;
	m->applied = from;
	checkpoint_init(&m->checkpoint, m->journal);
	while (err == MQI_OK && m->applied < to) {
		err = checkpoint_look(&m->checkpoint, LOOK_BYTES, &m->lmdb_why);
		if (err == MQI_OK)
			err = run_checkpoint(m, &range, true, &bytes);
		total += bytes;
		bytes = 0;
	}
	checkpoint_fini(&m->checkpoint);
	lmdb_writer_fini(&m->writer);
	if (err != MQI_OK) {
		m->why = m->lmdb_why;
		return err;
	}
	if (to > from)
		mqlog(MQLOG_INFO, "journal.recovered",
		    "batches %llu to %llu of the journal were applied: %llu "
		    "bytes in %llu ms",
		    (unsigned long long)from + 1, (unsigned long long)to,
		    (unsigned long long)total,
		    (unsigned long long)(mqclock_mono_us() - began) / 1000);
	journal_begin(m->journal, m->e.opened);
	/* without it there is no room, and puts are refused */
	m->e.journal_bytes = journal_bytes(m->journal);
	m->e.journal_max = 3 * m->o.checkpoint_bytes + 2 * STORE_BATCH_MAX;
	checkpoint_init(&m->checkpoint, m->journal);
	return lmdb_room_update(&m->e, &m->why);
}

static enum mqi_err
open_all(struct store_journal *m, const char *dir)
{
	enum mqi_err err = lmdb_env_open(&m->e, dir, &m->o.lmdb, &m->why);

	if (err == MQI_OK)
		err = open_journal(m, dir);
	if (err == MQI_OK)
		err = recover(m);
	if (err == MQI_OK)
		err = lmdb_env_start(&m->e, &m->why);
	if (err == MQI_OK)
		err = lmdb_env_made(&m->e, dir, &m->why);
	if (err == MQI_OK) {
		err = lmdb_writer_init(&m->writer, &m->e, &m->lmdb_why);
		if (err != MQI_OK)
			m->why = m->lmdb_why;
	}
	if (err != MQI_OK)
		return err;
	m->opened_at = m->e.last_batch;
	m->submitted = m->opened_at;
	m->told_durable = m->opened_at;
	m->told_applied = m->opened_at;
	m->durable = m->opened_at;
	m->noted = m->opened_at;
	m->applied = m->opened_at;
	return start_threads(m);
}

enum mqi_err
store_open_with(const char *dir, const struct store_options *options,
    void (*wake_fn)(void *arg), void *arg, struct store **ret, char **ret_why)
{
	struct store_journal *m = new_store(options, wake_fn, arg);
	enum mqi_err err;

	MQ_PRE(options->journal.file_size >= JOURNAL_FILE_MIN);
	err = open_all(m, dir);
	if (err == MQI_OK) {
		*ret = &m->base;
		return MQI_OK;
	}
	*ret_why = mqmem_strdup(m->why.text);
	journal_ops_close(&m->base);
	return err;
}

static int
allocate(void *arg, int fd, uint64_t len)
{
	(void)arg;
	return fallocate(fd, 0, 0, (off_t)len) == 0 ? 0 : errno;
}

void
store_options_init(struct store_options *ret)
{
	*ret = (struct store_options){
	    .lmdb = {.allocate = allocate},
	    .journal = {.file_size = STORE_JOURNAL_FILE,
		.files_first = JOURNAL_FILES_MIN,
		.files = STORE_JOURNAL_FILES},
	    .checkpoint_bytes = STORE_CHECKPOINT_BYTES,
	    .checkpoint_keep = STORE_CHECKPOINT_KEEP,
	    .checkpoint_ms = STORE_CHECKPOINT_MS,
	};
}

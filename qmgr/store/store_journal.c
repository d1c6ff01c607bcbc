/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_journal.c - the store that queue managers run on (store.h): a journal
 * in front of LMDB, and the threads of both.
 *
 *	submit -> store thread: journal_append() -> poll: durable(n)
 *	       -> checkpoint thread: checkpoint_run() -> poll: applied(n)
 *	load   -> reader thread: lmdb_reader_load() -> poll: loaded(l)
 *
 * Neighbours: store_journal_checkpoint.c (its thread), journal.c,
 * store_lmdb_load.c.
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
 * a start has to replay are bounded, by that and by what the engine lets pile
 * up.  While batches come that are alone, and nothing presses, it pauses
 *between small transactions: a flush of the journal that meets one of LMDB
 *waits for it (docs/decisions/0020).
 *
 * The reader can see a commit before the checkpoint thread has said so; poll()
 * keeps such an answer until it has told applied().
 *
 * The first failure of any thread ends the store: failed() is told once and
 * nothing after it.  Whether a batch that failed is on the disk is unknown; the
 * next start will see.
 */
#include "qmgr/store/store_journal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "qmgr/store/store_lmdb_load.h"

#define LOOK_BYTES (UINT64_C(32) << 20) /* of journal, at once, by a start */
#define ALONE_BYTES 65536u              /* of a batch that the loop may write */
/* So many in a row, this small, tell of one put at a time; by chance a crowd's
 * are alone too. */
#define LONELY_BATCHES 8u
#define LONELY_MAX 65536u
#define SLOW_FLUSH_US 300u
#define SLOW_FLUSHES 3u /* of them, and the loop leaves it: p99 */

static struct store_journal *
self(struct store *s)
{
	return MQ_CONTAINER_OF(s, struct store_journal, base);
}

/* ---- the mutex ---- */

void
store_journal_lock(struct store_journal *m)
{
	MQ_INVARIANT(pthread_mutex_lock(&m->mutex) == 0);
}

void
store_journal_unlock(struct store_journal *m)
{
	MQ_INVARIANT(pthread_mutex_unlock(&m->mutex) == 0);
}

void
store_journal_signal(pthread_cond_t *cond)
{
	MQ_INVARIANT(pthread_cond_signal(cond) == 0);
}

void
store_journal_wake(struct store_journal *m)
{
	bool needed = !m->woken;

	m->woken = true;
	store_journal_unlock(m);
	if (needed)
		m->wake(m->wake_arg);
	store_journal_lock(m);
}

void
store_journal_fail(struct store_journal *m, const struct store_why *why)
{
	MQ_INVARIANT(why->err != MQI_OK);
	if (!m->failed) {
		m->why = *why;
		m->failed = true;
	}
	store_journal_signal(&m->store_cond);
	store_journal_signal(&m->checkpoint_cond);
	store_journal_wake(m);
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
	store_journal_lock(m);
	flushes_add(&m->flushes, ended - began);
	m->durable = b->number;
	if (tell)
		store_journal_wake(m);
	store_journal_unlock(m);
	note = checkpoint_note(b);
	store_journal_lock(m);
	/* the first one starts to count the time */
	if (m->unapplied_bytes == 0) {
		m->unapplied_since = ended;
		store_journal_signal(&m->checkpoint_cond);
	}
	MQ_INVARIANT(m->noted + 1 == b->number);
	STAILQ_INSERT_TAIL(&m->notes, note, entry);
	m->noted = b->number;
	m->unapplied_bytes += b->records.len;
	if (m->unapplied_bytes >= m->o.checkpoint_bytes ||
	    m->wanted >= b->number)
		store_journal_signal(&m->checkpoint_cond);
	store_journal_unlock(m);
	(void)store_batch_free(b);
	return MQI_OK;
}

static void *
store_main(void *arg)
{
	struct store_journal *m = arg;
	struct store_why why = {0};
	enum mqi_err err = MQI_OK;

	store_journal_lock(m);
	while (!m->failed && !(m->stop && STAILQ_EMPTY(&m->batches))) {
		struct batch_node *n = STAILQ_FIRST(&m->batches);

		m->starved = n != NULL && !journal_has_place(m->journal,
					      n->batch->records.len);
		if (n == NULL || m->starved) {
			if (m->starved)
				store_journal_signal(&m->checkpoint_cond);
			MQ_INVARIANT(
			    pthread_cond_wait(&m->store_cond, &m->mutex) == 0);
			continue;
		}
		STAILQ_REMOVE_HEAD(&m->batches, entry);
		store_journal_unlock(m);
		err = write_batch(m, n->batch, true, &why);
		free(n);
		store_journal_lock(m);
		if (err != MQI_OK)
			store_journal_fail(m, &why);
	}
	m->store_ended = true;
	store_journal_signal(&m->checkpoint_cond);
	store_journal_unlock(m);
	return NULL;
}

/* ---- the reader thread ---- */

static void *
reader_main(void *arg)
{
	struct store_journal *m = arg;
	struct lmdb_reader reader = {.e = &m->e};

	store_journal_lock(m);
	while (!m->stop) {
		struct load_node *n = STAILQ_FIRST(&m->loads);

		if (n == NULL) {
			MQ_INVARIANT(
			    pthread_cond_wait(&m->reader_cond, &m->mutex) == 0);
			continue;
		}
		STAILQ_REMOVE_HEAD(&m->loads, entry);
		store_journal_unlock(m);
		lmdb_reader_load(&reader, n->load);
		store_journal_lock(m);
		STAILQ_INSERT_TAIL(&m->answers, n, entry);
		store_journal_wake(m);
	}
	store_journal_unlock(m);
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

	m->n_lonely =
	    alone && b->records.len <= LONELY_MAX ? m->n_lonely + 1 : 0;
	if (!alone || b->records.len > ALONE_BYTES)
		return false;
	store_journal_lock(m);
	if (m->n_lonely >= LONELY_BATCHES)
		m->lonely_at = mqclock_mono_us();
	may = !m->failed && STAILQ_EMPTY(&m->batches) &&
	      m->noted == m->durable && m->durable + 1 == b->number &&
	      m->flushes.n_slow < SLOW_FLUSHES &&
	      journal_has_place(m->journal, b->records.len);
	store_journal_unlock(m);
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
			store_journal_lock(m);
			store_journal_fail(m, &why);
			store_journal_unlock(m);
		}
		return true;
	}
	n = mqmem_alloc(sizeof(*n));
	n->batch = b;
	store_journal_lock(m);
	STAILQ_INSERT_TAIL(&m->batches, n, entry);
	store_journal_signal(&m->store_cond);
	store_journal_unlock(m);
	return false;
}

static void
journal_ops_hurry(struct store *s, uint64_t number)
{
	struct store_journal *m = self(s);

	store_journal_lock(m);
	if (number > m->wanted) {
		m->wanted = number;
		if (m->noted > m->applied)
			store_journal_signal(&m->checkpoint_cond);
	}
	store_journal_unlock(m);
}

static void
journal_ops_load(struct store *s, struct store_load *l)
{
	struct store_journal *m = self(s);
	struct load_node *n = mqmem_alloc(sizeof(*n));

	n->load = l;
	store_journal_lock(m);
	STAILQ_INSERT_TAIL(&m->loads, n, entry);
	store_journal_signal(&m->reader_cond);
	store_journal_unlock(m);
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
	store_journal_lock(m);
	m->woken = false;
	durable = m->durable;
	applied = m->applied;
	failed = m->failed;
	STAILQ_CONCAT(&m->held, &m->answers);
	store_journal_unlock(m);
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

static enum mqi_err
journal_ops_close(struct store *s)
{
	struct store_journal *m = self(s);
	enum mqi_err err = MQI_OK;

	store_journal_lock(m);
	m->stop = true;
	store_journal_signal(&m->store_cond);
	store_journal_signal(&m->checkpoint_cond);
	store_journal_signal(&m->reader_cond);
	store_journal_unlock(m);
	for (unsigned i = 0; i < m->n_threads; i++)
		MQ_INVARIANT(pthread_join(m->threads[i], NULL) == 0);
	/* nobody polls any more */
	if (m->failed && !m->told_failed) {
		err = m->why.err;
		mqlog(MQLOG_FATAL, "store.failed",
		    "%s while the store was closed; what was acknowledged is "
		    "in the journal, for the next start: %s",
		    mqi_strerror(m->why.err), m->why.text);
	}
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
	return err;
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
		err = start_thread(m, store_journal_checkpoints, "checkpoint");
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

/* The journal's directory; a journal without its store is refused before
 * anything is made that looks like one. */
static enum mqi_err
open_disk(struct store_journal *m, const char *dir)
{
	char *path = NULL;
	char *store = NULL;
	enum mqi_err err = MQI_OK;
	int rc = 0;

	if (asprintf(&path, "%s/journal", dir) < 0 ||
	    asprintf(&store, "%s/store", dir) < 0) {
		err = store_fail(&m->why, MQI_E_NO_MEMORY, "no memory");
		goto out;
	}
	if (m->o.disk == NULL) {
		rc = disk_posix_open(path, &m->disk);
		m->o.disk = m->disk;
	}
	if (rc != 0)
		err = store_fail(&m->why, store_err(rc), "cannot open %s: %s",
		    path, strerror(rc));
	else if (access(store, F_OK) != 0 && errno == ENOENT)
		err = journal_refuse_used(m->o.disk, &m->why);
out:
	free(path);
	free(store);
	return err;
}

/* Opens the journal that LMDB knows, or makes one. */
static enum mqi_err
open_journal(struct store_journal *m)
{
	uint8_t log_id[JOURNAL_ID_LEN];
	enum mqi_err err;

	if (m->e.has_log)
		return journal_open(m->o.disk, &m->o.journal, m->e.log_id,
		    m->e.last_batch, &m->journal, &m->why);
	mqrand_bytes(log_id, sizeof(log_id));
	err = journal_create(m->o.disk, &m->o.journal, log_id, m->e.last_batch,
	    &m->journal, &m->why);
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
	m->recovering = true;
	checkpoint_init(&m->checkpoint, m->journal);
	while (err == MQI_OK && m->applied < to) {
		err = checkpoint_look(&m->checkpoint, LOOK_BYTES, &m->lmdb_why);
		if (err == MQI_OK)
			err = store_journal_checkpoint(m, &range, true, &bytes);
		total += bytes;
		bytes = 0;
	}
	checkpoint_fini(&m->checkpoint);
	lmdb_writer_fini(&m->writer);
	m->recovering = false;
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
	enum mqi_err err = open_disk(m, dir);

	if (err == MQI_OK)
		err = lmdb_env_open(&m->e, dir, &m->o.lmdb, &m->why);
	if (err == MQI_OK)
		err = open_journal(m);
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
	(void)journal_ops_close(&m->base);
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
	    .pause_us = STORE_PAUSE_US,
	};
}

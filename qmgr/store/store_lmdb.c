/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb.c - the LMDB store's side of the seam (store.h) and its threads.
 *
 * The loop thread hands batches and loads over and takes answers from poll();
 * the store thread applies batches (store_lmdb_apply.c), several in one
 * transaction if they wait, and the reader thread answers loads
 * (store_lmdb_load.c).  The three share only what stands under `mutex`.
 *
 *	submit -> batches -> store thread: one commit -> done, woken -> poll:
 *	durable(n), applied(n)
 *	load -> loads -> reader thread -> answers, woken -> poll: loaded(l)
 *
 * A commit that returns is durable and visible at once.  The reader can see it
 * before the store thread has said so; poll() keeps such an answer until it
 * has told applied().
 *
 * The first failure of the store thread ends it: failed() is told once and
 * nothing after it.  Whether the batch that failed is on the disk is unknown;
 * the next start will see.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/mem.h"
#include "qmgr/store/store_lmdb_apply.h"
#include "qmgr/store/store_lmdb_load.h"

#define RECHECK_S 1 /* of room, while there is none */

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

struct store_lmdb {
	struct store base;
	struct lmdb_env e;
	void (*wake)(void *arg);
	void *wake_arg;
	pthread_t store_thread;
	pthread_t reader_thread;
	bool store_started;
	bool reader_started;

	/* the store thread's */
	struct lmdb_writer writer;
	struct store_why why; /* written before `failed` */

	/* the loop thread's */
	uint64_t opened_at; /* last batch at open */
	uint64_t submitted;
	uint64_t told;
	bool told_failed;
	struct load_list held; /* read, not yet told */

	pthread_mutex_t mutex;
	pthread_cond_t store_cond;
	pthread_cond_t reader_cond;
	struct batch_list batches;
	struct load_list loads;
	struct load_list answers;
	uint64_t done; /* last batch committed */
	bool failed;
	bool woken;
	bool stop;
};

static struct store_lmdb *
self(struct store *s)
{
	return MQ_CONTAINER_OF(s, struct store_lmdb, base);
}

static void
lock(struct store_lmdb *m)
{
	MQ_INVARIANT(pthread_mutex_lock(&m->mutex) == 0);
}

static void
unlock(struct store_lmdb *m)
{
	MQ_INVARIANT(pthread_mutex_unlock(&m->mutex) == 0);
}

/* Unlocks, and has the loop poll unless it has been told already. */
static void
unlock_and_wake(struct store_lmdb *m)
{
	bool wake = !m->woken;

	m->woken = true;
	unlock(m);
	if (wake)
		m->wake(m->wake_arg);
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

/* ---- the store thread ---- */

/* Takes what one transaction may hold; the mutex is held.  Returns the number
 * of the last batch. */
static uint64_t
take_batches(struct store_lmdb *m, struct batch_list *ret)
{
	struct batch_node *n;
	uint64_t number = 0;
	size_t bytes = 0;

	STAILQ_INIT(ret);
	while ((n = STAILQ_FIRST(&m->batches)) != NULL) {
		bytes += n->batch->records.len;
		if (bytes > STORE_BATCH_MAX && !STAILQ_EMPTY(ret))
			break;
		STAILQ_REMOVE_HEAD(&m->batches, entry);
		STAILQ_INSERT_TAIL(ret, n, entry);
		number = n->batch->number;
	}
	return number;
}

static enum mqi_err
write_batches(
    struct store_lmdb *m, const struct batch_list *list, uint64_t last)
{
	const struct batch_node *n;
	enum mqi_err err = lmdb_writer_begin(&m->writer);

	STAILQ_FOREACH (n, list, entry) {
		if (err != MQI_OK)
			break;
		err = lmdb_writer_apply(&m->writer, n->batch);
	}
	if (err == MQI_OK)
		err = lmdb_writer_commit(&m->writer, last);
	else
		lmdb_writer_abort(&m->writer);
	if (err == MQI_OK)
		lmdb_room_update(&m->e);
	return err;
}

/* Waits for work; the mutex is held.  False: there is none, sweep or look for
 * room meanwhile. */
static bool
wait_for_batch(struct store_lmdb *m)
{
	struct timespec until;
	int rc = 0;

	while (STAILQ_EMPTY(&m->batches) && !m->stop && rc == 0) {
		if (m->writer.sweep)
			return false;
		if (atomic_load_explicit(
			&m->e.has_room, memory_order_relaxed)) {
			rc = pthread_cond_wait(&m->store_cond, &m->mutex);
			MQ_INVARIANT(rc == 0);
			continue;
		}
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += RECHECK_S;
		rc = pthread_cond_timedwait(&m->store_cond, &m->mutex, &until);
	}
	return !STAILQ_EMPTY(&m->batches);
}

/* With the mutex held, which is let go meanwhile. */
static enum mqi_err
step(struct store_lmdb *m)
{
	struct batch_list list;
	uint64_t number;
	enum mqi_err err = MQI_OK;

	if (!wait_for_batch(m)) {
		if (m->stop)
			return MQI_OK;
		unlock(m);
		if (m->writer.sweep)
			err = lmdb_writer_sweep(&m->writer);
		if (err == MQI_OK)
			lmdb_room_update(&m->e);
		lock(m);
		return err;
	}
	number = take_batches(m, &list);
	unlock(m);
	err = write_batches(m, &list, number);
	free_batches(&list);
	lock(m);
	if (err == MQI_OK) {
		m->done = number;
		unlock_and_wake(m);
		lock(m);
	}
	return err;
}

static void *
store_main(void *arg)
{
	struct store_lmdb *m = arg;
	enum mqi_err err = MQI_OK;

	lock(m);
	while (err == MQI_OK && !(m->stop && STAILQ_EMPTY(&m->batches)))
		err = step(m);
	if (err == MQI_OK) {
		unlock(m);
		return NULL;
	}
	MQ_INVARIANT(m->why.err != MQI_OK);
	m->failed = true;
	unlock_and_wake(m);
	return NULL;
}

/* ---- the reader thread ---- */

static void *
reader_main(void *arg)
{
	struct store_lmdb *m = arg;
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
		unlock_and_wake(m);
		lock(m);
	}
	unlock(m);
	lmdb_reader_fini(&reader);
	return NULL;
}

/* ---- the seam ---- */

static enum mqi_err
lmdb_ops_catalog(struct store *s, const struct store_catalog *c)
{
	struct store_why why = {0};

	return lmdb_catalog(&self(s)->e, c, &why);
}

static uint64_t
lmdb_ops_last_batch(struct store *s)
{
	return self(s)->opened_at;
}

static void
lmdb_ops_submit(struct store *s, struct store_batch *b)
{
	struct store_lmdb *m = self(s);
	struct batch_node *n;

	MQ_PRE(b->records.err == MQI_OK);
	MQ_PRE(b->number == m->submitted + 1);
	m->submitted = b->number;
	n = mqmem_alloc(sizeof(*n));
	n->batch = b;
	lock(m);
	STAILQ_INSERT_TAIL(&m->batches, n, entry);
	MQ_INVARIANT(pthread_cond_signal(&m->store_cond) == 0);
	unlock(m);
}

static void
lmdb_ops_load(struct store *s, struct store_load *l)
{
	struct store_lmdb *m = self(s);
	struct load_node *n = mqmem_alloc(sizeof(*n));

	n->load = l;
	lock(m);
	STAILQ_INSERT_TAIL(&m->loads, n, entry);
	MQ_INVARIANT(pthread_cond_signal(&m->reader_cond) == 0);
	unlock(m);
}

static void
tell_loads(struct store_lmdb *m, const struct store_events *ev)
{
	struct load_list later = STAILQ_HEAD_INITIALIZER(later);
	struct load_node *n;

	while ((n = STAILQ_FIRST(&m->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->held, entry);
		if (n->load->as_of > m->told) {
			STAILQ_INSERT_TAIL(&later, n, entry);
			continue;
		}
		ev->loaded(ev->ctx, n->load);
		free(n);
	}
	STAILQ_CONCAT(&m->held, &later);
}

static void
lmdb_ops_poll(struct store *s, const struct store_events *ev)
{
	struct store_lmdb *m = self(s);
	uint64_t done;
	bool failed;

	if (m->told_failed)
		return;
	lock(m);
	m->woken = false;
	done = m->done;
	failed = m->failed;
	STAILQ_CONCAT(&m->held, &m->answers);
	unlock(m);
	while (m->told < done) {
		ev->durable(ev->ctx, m->told + 1);
		ev->applied(ev->ctx, m->told + 1);
		m->told++;
	}
	tell_loads(m, ev);
	if (failed) {
		m->told_failed = true;
		ev->failed(ev->ctx, m->why.err, m->why.text);
	}
}

static bool
lmdb_ops_has_room(struct store *s)
{
	return atomic_load_explicit(&self(s)->e.has_room, memory_order_relaxed);
}

static void
lmdb_ops_close(struct store *s)
{
	struct store_lmdb *m = self(s);

	lock(m);
	m->stop = true;
	MQ_INVARIANT(pthread_cond_signal(&m->store_cond) == 0);
	MQ_INVARIANT(pthread_cond_signal(&m->reader_cond) == 0);
	unlock(m);
	if (m->store_started)
		MQ_INVARIANT(pthread_join(m->store_thread, NULL) == 0);
	if (m->reader_started)
		MQ_INVARIANT(pthread_join(m->reader_thread, NULL) == 0);
	free_batches(&m->batches);
	free_loads(&m->loads);
	free_loads(&m->answers);
	free_loads(&m->held);
	lmdb_writer_fini(&m->writer);
	lmdb_env_close(&m->e);
	(void)pthread_cond_destroy(&m->store_cond);
	(void)pthread_cond_destroy(&m->reader_cond);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

static const struct store_ops lmdb_ops = {
    .catalog = lmdb_ops_catalog,
    .last_batch = lmdb_ops_last_batch,
    .submit = lmdb_ops_submit,
    .load = lmdb_ops_load,
    .poll = lmdb_ops_poll,
    .has_room = lmdb_ops_has_room,
    .close = lmdb_ops_close,
};

/* ---- open ---- */

/* Signals are the loop thread's. */
static enum mqi_err
start_threads(struct store_lmdb *m)
{
	sigset_t all;
	sigset_t before;
	int rc;

	(void)sigfillset(&all);
	MQ_INVARIANT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	rc = pthread_create(&m->store_thread, NULL, store_main, m);
	m->store_started = rc == 0;
	if (rc == 0) {
		rc = pthread_create(&m->reader_thread, NULL, reader_main, m);
		m->reader_started = rc == 0;
	}
	MQ_INVARIANT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (rc != 0)
		return store_fail(&m->why, MQI_E_RESOURCE_PROBLEM,
		    "cannot start a thread: %s", strerror(rc));
	(void)pthread_setname_np(m->store_thread, "store");
	(void)pthread_setname_np(m->reader_thread, "reader");
	return MQI_OK;
}

static struct store_lmdb *
new_store(void (*wake)(void *arg), void *arg)
{
	struct store_lmdb *m = mqmem_alloc(sizeof(*m));
	pthread_condattr_t attr;

	m->base.ops = &lmdb_ops;
	m->wake = wake;
	m->wake_arg = arg;
	STAILQ_INIT(&m->batches);
	STAILQ_INIT(&m->loads);
	STAILQ_INIT(&m->answers);
	STAILQ_INIT(&m->held);
	RB_INIT(&m->writer.counters);
	MQ_INVARIANT(pthread_mutex_init(&m->mutex, NULL) == 0);
	MQ_INVARIANT(pthread_condattr_init(&attr) == 0);
	MQ_INVARIANT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	MQ_INVARIANT(pthread_cond_init(&m->store_cond, &attr) == 0);
	MQ_INVARIANT(pthread_cond_init(&m->reader_cond, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	return m;
}

enum mqi_err
store_lmdb_open_with(const char *dir, const struct store_lmdb_options *options,
    void (*wake)(void *arg), void *arg, struct store **ret, char **ret_why)
{
	struct store_lmdb *m = new_store(wake, arg);
	enum mqi_err err = lmdb_env_open(&m->e, dir, options, &m->why);

	if (err == MQI_OK)
		err = lmdb_writer_init(&m->writer, &m->e, &m->why);
	if (err == MQI_OK) {
		m->opened_at = m->e.last_batch;
		m->submitted = m->opened_at;
		m->told = m->opened_at;
		m->done = m->opened_at;
		err = start_threads(m);
	}
	if (err == MQI_OK) {
		*ret = &m->base;
		return MQI_OK;
	}
	*ret_why = mqmem_strdup(m->why.text);
	lmdb_ops_close(&m->base);
	return err;
}

static int
allocate(void *arg, int fd, uint64_t len)
{
	(void)arg;
	return fallocate(fd, 0, 0, (off_t)len) == 0 ? 0 : errno;
}

enum mqi_err
store_lmdb_open(const char *dir, void (*wake)(void *arg), void *arg,
    struct store **ret, char **ret_why)
{
	static const struct store_lmdb_options options = {.allocate = allocate};

	return store_lmdb_open_with(dir, &options, wake, arg, ret, ret_why);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_store.c - the store of a simulated queue manager (sim_store.h), as
 * qmgr/store/store_journal.c puts it together, without threads:
 *
 *	submit -> make_durable: journal_append() -> poll: durable(n)
 *	       -> apply: checkpoint_run()        -> poll: applied(n)
 *	load   -> read_load -> answer_load       -> poll: loaded(l)
 *
 * LMDB's stand-in is the state of the store in memory: a transaction collects
 * records and takes effect at its commit, at once and for good, with the
 * number of its last batch, as LMDB's does.
 *
 * A crash comes before, in the middle of or after a write, a flush or the
 * making of a file; recovery may be cut off by another one.
 */
#include "tests/sim/sim_store.h"

#include <string.h>

#include "base/mem.h"
#include "qmgr/store/checkpoint.h"
#include "qmgr/store/store_mem_state.h"
#include "tests/sim/sim_disk.h"

#define FILES 4u

struct queued {
	STAILQ_ENTRY(queued) link;
	struct store_batch *batch;
};

struct asked {
	STAILQ_ENTRY(asked) link;
	struct store_load *load;
	bool was_read;
};

STAILQ_HEAD(asked_list, asked);

struct sim_store {
	struct store base;
	struct sim *sim;
	const char *name;
	struct sim_disk *disk;
	struct journal_options options;
	struct journal *journal; /* NULL: closed */
	struct checkpoint checkpoint;
	struct store_why why;
	bool failed;
	bool room;
	/* what LMDB would hold */
	struct mem_state *state;
	bool has_log;
	uint8_t log_id[JOURNAL_ID_LEN];
	uint64_t applied;
	uint64_t opened; /* how often: the epoch */
	struct mqbuf txn;
	/* of this run */
	uint64_t opened_at;
	uint64_t submitted;
	uint64_t durable;
	uint64_t told_durable;
	uint64_t told_applied;
	bool told_failed;
	STAILQ_HEAD(, queued) batches;
	struct asked_list loads;
	struct asked_list answers;
};

static struct sim_store *
self(const struct store *s)
{
	return MQ_CONTAINER_OF(s, struct sim_store, base);
}

static void
drop_loads(struct asked_list *list)
{
	struct asked *l;

	while ((l = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		(void)store_load_free(l->load);
		free(l);
	}
}

static void
drop_work(struct sim_store *m)
{
	struct queued *q;

	while ((q = STAILQ_FIRST(&m->batches)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->batches, link);
		(void)store_batch_free(q->batch);
		free(q);
	}
	drop_loads(&m->loads);
	drop_loads(&m->answers);
}

/* ---- the journal ---- */

/* A file more, by chance; a disk that dies meanwhile is noticed later. */
static void
add_file(struct sim_store *m)
{
	struct store_why why = {0};

	if (!journal_wants_file(m->journal) || sim_roll(m->sim, 2) != 0)
		return;
	if (journal_add_file(m->journal, &why) != MQI_OK &&
	    !sim_disk_is_dead(m->disk))
		sim_fail(m->sim, "%s: no file for the journal: %s", m->name,
		    why.text);
}

static bool
has_place(struct sim_store *m, uint64_t len)
{
	if (!journal_has_place(m->journal, len))
		add_file(m);
	return journal_has_place(m->journal, len);
}

static bool
append(struct sim_store *m)
{
	struct queued *q = STAILQ_FIRST(&m->batches);

	if (q == NULL || m->failed || !has_place(m, q->batch->records.len))
		return false;
	STAILQ_REMOVE_HEAD(&m->batches, link);
	if (journal_append(m->journal, q->batch, &m->why) == MQI_OK)
		m->durable = q->batch->number;
	else
		m->failed = true;
	(void)store_batch_free(q->batch);
	free(q);
	return true;
}

bool
sim_store_make_durable(struct store *s)
{
	return append(self(s));
}

/* ---- checkpoints ---- */

static enum mqi_err
target_begin(void *ctx)
{
	struct sim_store *m = ctx;

	mqbuf_reset(&m->txn);
	return MQI_OK;
}

static enum mqi_err
target_record(void *ctx, const struct record *r, const uint8_t *bytes)
{
	struct sim_store *m = ctx;

	mqbuf_put(&m->txn, bytes, r->size);
	return MQI_OK;
}

static bool
target_is_full(void *ctx)
{
	struct sim_store *m = ctx;

	return sim_roll(m->sim, 4) == 0;
}

static enum mqi_err
target_commit(void *ctx, uint64_t number)
{
	struct sim_store *m = ctx;
	const struct store_batch b = {.number = number, .records = m->txn};
	enum mqi_err err = mem_state_apply(m->state, &b, &m->why);

	if (err != MQI_OK)
		return err;
	m->applied = number;
	journal_release(m->journal, number);
	return MQI_OK;
}

static void
target_abort(void *ctx)
{
	(void)ctx;
}

static enum mqi_err
checkpoint(struct sim_store *m, bool lenient)
{
	const struct checkpoint_target target = {
	    .begin = target_begin,
	    .record = target_record,
	    .is_full = target_is_full,
	    .commit = target_commit,
	    .abort = target_abort,
	    .ctx = m,
	};
	struct checkpoint_range range = {.at_least = m->applied + 1};
	uint64_t look = UINT64_C(1) << sim_roll(m->sim, 22);
	uint64_t bytes;
	enum mqi_err err = checkpoint_look(&m->checkpoint, look, &m->why);

	range.keep_bytes = look / 2;
	if (err == MQI_OK)
		err = checkpoint_run(
		    &m->checkpoint, &range, lenient, &target, &bytes, &m->why);
	return err;
}

bool
sim_store_apply(struct store *s)
{
	struct sim_store *m = self(s);

	if (m->failed || m->applied == m->durable)
		return false;
	if (checkpoint(m, false) != MQI_OK)
		m->failed = true;
	return true;
}

/* ---- loads ---- */

bool
sim_store_read_load(struct store *s)
{
	struct sim_store *m = self(s);
	struct asked *l;

	STAILQ_FOREACH (l, &m->loads, link) {
		if (l->was_read)
			continue;
		mem_state_load(m->state, l->load);
		l->load->as_of = m->applied;
		l->was_read = true;
		return true;
	}
	return false;
}

bool
sim_store_answer_load(struct store *s)
{
	struct sim_store *m = self(s);
	struct asked *l = STAILQ_FIRST(&m->loads);

	if (l == NULL || !l->was_read)
		return false;
	STAILQ_REMOVE_HEAD(&m->loads, link);
	STAILQ_INSERT_TAIL(&m->answers, l, link);
	return true;
}

/* ---- the seam ---- */

static enum mqi_err
op_catalog(struct store *s, const struct store_catalog *c)
{
	return mem_state_catalog(self(s)->state, c);
}

static uint64_t
op_last_batch(struct store *s)
{
	return self(s)->opened_at;
}

static bool
op_submit(struct store *s, struct store_batch *b, bool alone)
{
	struct sim_store *m = self(s);
	struct queued *q = mqmem_alloc(sizeof(*q));

	MQ_PRE(b->records.err == MQI_OK && b->number == m->submitted + 1);
	m->submitted = b->number;
	q->batch = b;
	STAILQ_INSERT_TAIL(&m->batches, q, link);
	return alone && STAILQ_FIRST(&m->batches) == q &&
	       sim_roll(m->sim, 2) == 0 && append(m);
}

static void
op_hurry(struct store *s, uint64_t number)
{
	/* checkpoints come soon enough by chance */
	(void)s;
	(void)number;
}

static void
op_load(struct store *s, struct store_load *l)
{
	struct asked *a = mqmem_alloc(sizeof(*a));

	a->load = l;
	STAILQ_INSERT_TAIL(&self(s)->loads, a, link);
}

static void
op_poll(struct store *s, const struct store_events *ev)
{
	struct sim_store *m = self(s);
	uint64_t durable = m->durable;
	struct asked_list answers = STAILQ_HEAD_INITIALIZER(answers);
	struct asked *a;

	if (m->told_failed)
		return;
	STAILQ_CONCAT(&answers, &m->answers);
	while (m->told_durable < durable)
		ev->durable(ev->ctx, ++m->told_durable);
	if (m->told_applied < m->applied) {
		m->told_applied = m->applied;
		ev->applied(ev->ctx, m->told_applied);
	}
	while ((a = STAILQ_FIRST(&answers)) != NULL) {
		STAILQ_REMOVE_HEAD(&answers, link);
		ev->loaded(ev->ctx, a->load);
		free(a);
	}
	if (m->failed) {
		m->told_failed = true;
		ev->failed(ev->ctx, m->why.err, m->why.text);
	}
}

static bool
op_has_room(struct store *s)
{
	return self(s)->room;
}

static enum mqi_err
op_close(struct store *s)
{
	struct sim_store *m = self(s);

	drop_work(m);
	checkpoint_fini(&m->checkpoint);
	m->journal = journal_free(m->journal);
	m->state = mem_state_free(m->state);
	m->disk = sim_disk_free(m->disk);
	mqbuf_fini(&m->txn);
	free(m);
	return MQI_OK;
}

static const struct store_ops ops = {
    .catalog = op_catalog,
    .last_batch = op_last_batch,
    .submit = op_submit,
    .hurry = op_hurry,
    .load = op_load,
    .poll = op_poll,
    .has_room = op_has_room,
    .close = op_close,
};

/* ---- life ---- */

struct store *
sim_store_new(struct sim *sim, const char *name)
{
	struct sim_store *m = mqmem_alloc(sizeof(*m));

	m->base.ops = &ops;
	m->sim = sim;
	m->name = name;
	m->disk = sim_disk_new(sim);
	/* small, so that files are used again and again */
	m->options.file_size = 4096 * (sim->big ? 1024 : 8 + sim_roll(sim, 40));
	m->options.files_first = JOURNAL_FILES_MIN;
	m->options.files = FILES;
	m->state = mem_state_new();
	m->room = true;
	mqbuf_init(&m->txn, SIZE_MAX);
	STAILQ_INIT(&m->batches);
	STAILQ_INIT(&m->loads);
	STAILQ_INIT(&m->answers);
	return &m->base;
}

static enum mqi_err
open_journal(struct sim_store *m)
{
	struct disk *disk = sim_disk_table(m->disk);
	uint8_t id[JOURNAL_ID_LEN];
	enum mqi_err err;

	if (m->has_log)
		return journal_open(disk, &m->options, m->log_id, m->applied,
		    &m->journal, &m->why);
	for (unsigned i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)sim_roll(m->sim, 256);
	err = journal_create(
	    disk, &m->options, id, m->applied, &m->journal, &m->why);
	if (err != MQI_OK)
		return err;
	memcpy(m->log_id, id, sizeof(id));
	m->has_log = true;
	return MQI_OK;
}

/* What the journal has beyond LMDB, into LMDB. */
static enum mqi_err
recover(struct sim_store *m)
{
	uint64_t last = journal_last(m->journal);
	enum mqi_err err = MQI_OK;

	checkpoint_init(&m->checkpoint, m->journal);
	while (err == MQI_OK && m->applied < last)
		err = checkpoint(m, true);
	if (err != MQI_OK)
		return err;
	checkpoint_fini(&m->checkpoint);
	journal_begin(m->journal, ++m->opened);
	checkpoint_init(&m->checkpoint, m->journal);
	mem_state_restart(m->state);
	return MQI_OK;
}

bool
sim_store_open(struct store *s)
{
	struct sim_store *m = self(s);
	bool bad_flush = !m->sim->healing && sim_roll(m->sim, 8) == 0;
	enum mqi_err err;

	if (!m->sim->healing && sim_roll(m->sim, 4) == 0)
		sim_disk_die_after(
		    m->disk, JOURNAL_FILES_MAX + sim_roll(m->sim, 30));
	sim_disk_fail_flush(m->disk, bad_flush);
	memset(&m->why, 0, sizeof(m->why));
	m->failed = m->told_failed = false;
	err = open_journal(m);
	if (err == MQI_OK)
		err = recover(m);
	sim_disk_fail_flush(m->disk, false);
	if (err == MQI_OK) {
		sim_disk_die_after(m->disk, UINT32_MAX);
		m->opened_at = m->submitted = m->applied;
		m->durable = m->told_durable = m->applied;
		m->told_applied = m->applied;
		return true;
	}
	m->journal = journal_free(m->journal);
	if (sim_disk_is_dead(m->disk))
		sim_disk_power(m->disk);
	else if (!bad_flush || err != MQI_E_IO)
		sim_fail(m->sim, "%s: the store does not open: %s", m->name,
		    m->why.text);
	sim_disk_die_after(m->disk, UINT32_MAX);
	return false;
}

void
sim_store_crash(struct store *s, bool power)
{
	struct sim_store *m = self(s);

	if (m->journal == NULL)
		return;
	sim_disk_die_after(m->disk, sim_roll(m->sim, 4));
	add_file(m);
	(void)append(m);
	drop_work(m);
	checkpoint_fini(&m->checkpoint);
	m->journal = journal_free(m->journal);
	if (power)
		sim_disk_power(m->disk);
	else
		sim_disk_revive(m->disk);
}

void
sim_store_set_room(struct store *s, bool has_room)
{
	self(s)->room = has_room;
}

void
sim_store_fail_flush(struct store *s, bool on)
{
	sim_disk_fail_flush(self(s)->disk, on);
}

bool
sim_store_has_news(const struct store *s)
{
	const struct sim_store *m = self(s);

	return m->told_durable < m->durable || m->told_applied < m->applied ||
	       !STAILQ_EMPTY(&m->answers) || (m->failed && !m->told_failed);
}

uint64_t
sim_store_durable(const struct store *s)
{
	return self(s)->durable;
}

uint64_t
sim_store_bodies(const struct store *s)
{
	return mem_state_bodies(self(s)->state);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_rebuild.c - a store written anew.
 *
 * Entries are read by pages.h, which a damaged file cannot harm, and written
 * in their order by LMDB, which so fills each page to its end.  The new file
 * is not flushed while it is written, in transactions of TXN_BYTES, but before
 * the call returns: until then it is nobody's.
 *
 * With a rate, every transaction is flushed, so that the disk never has more to
 * write at once than one of them, and the process sleeps for the rest of its
 * time.
 *
 * Tables that hold no messages must be whole: without them a start would do
 * something else than it was told to.
 */
#include "qmgr/store/store_lmdb_rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "qmgr/store/store_err.h"
#include "qmgr/store/store_schema.h"

#define TABLES_MAX 64u
#define TXN_BYTES (UINT64_C(32) << 20)
#define TXN_BYTES_RATED (UINT64_C(2) << 20)
#define MAP_MORE (UINT64_C(1) << 30)

struct table {
	char name[32];
	struct pages_tree tree;
};

struct count {
	uint64_t queue_id;
	uint64_t depth;
	uint64_t bytes;
	UT_hash_handle hh;
};

struct rebuild {
	const struct rebuild_options *options;
	struct pages pages;
	struct table tables[TABLES_MAX];
	unsigned n_tables;
	const struct table *table; /* that is copied */
	const struct table *index; /* that is made anew */
	bool has_log;
	bool meta_lost;
	struct rebuild_result result;
	struct count *counts;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *cursor;
	uint64_t in_txn; /* bytes */
	uint64_t started_us;
	uint64_t written;
	enum mqi_err err;
	char why[256];
};

static void fail(struct rebuild *r, enum mqi_err err, const char *fmt, ...)
    MQ_PRINTF(3, 4);

static void
fail(struct rebuild *r, enum mqi_err err, const char *fmt, ...)
{
	va_list ap;

	if (r->err != MQI_OK)
		return;
	r->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

static void
fail_lmdb(struct rebuild *r, int rc)
{
	if (rc != 0)
		fail(r, store_err(rc), "writing the new file: %s",
		    mdb_strerror(rc));
}

/* ---- what is there ---- */

/* Tables without which a start would do something else. */
static bool
is_vital(const char *name)
{
	static const char *const vital[] = {
	    "store", "meta", "objects", "queues", "streams", "positions"};

	for (size_t i = 0; i < MQ_ARRAY_LEN(vital); i++)
		if (strcmp(vital[i], name) == 0)
			return true;
	return false;
}

static void
on_table(void *ctx, const struct pages_entry *e)
{
	struct rebuild *r = ctx;
	struct table *t = &r->tables[r->n_tables];

	if (r->n_tables == TABLES_MAX || e->key_len >= sizeof(t->name) ||
	    !e->is_tree || e->data == NULL ||
	    !pages_tree_decode(&r->pages, e->data, e->len, &t->tree)) {
		fail(r, MQI_E_OBJECT_DAMAGED,
		    "an entry of the list of tables makes no sense");
		return;
	}
	memcpy(t->name, e->key, e->key_len);
	r->n_tables++;
}

static void
on_wrong(void *ctx, uint64_t page, const char *what)
{
	struct rebuild *r = ctx;
	const char *name = r->table != NULL ? r->table->name : "";

	r->result.lost++;
	if (!r->options->salvage)
		fail(r, MQI_E_OBJECT_DAMAGED, "page %" PRIu64 " of %s: %s",
		    page, name[0] != '\0' ? name : "the list of tables", what);
	else if (name[0] == '\0' || is_vital(name))
		fail(r, MQI_E_OBJECT_DAMAGED,
		    "page %" PRIu64 " of %s: %s; no start can do without it",
		    page, name[0] != '\0' ? name : "the list of tables", what);
}

/* ---- transactions ---- */

static void
begin(struct rebuild *r)
{
	const char *name = r->index != NULL ? r->index->name : r->table->name;
	int rc;

	if (r->err != MQI_OK || r->txn != NULL)
		return;
	rc = mdb_txn_begin(r->env, NULL, 0, &r->txn);
	if (rc == 0)
		rc = mdb_dbi_open(r->txn, name, MDB_CREATE, &r->dbi);
	if (rc == 0)
		rc = mdb_cursor_open(r->txn, r->dbi, &r->cursor);
	r->in_txn = 0;
	fail_lmdb(r, rc);
}

/* Sleeps until what has been written is no more than the rate allows. */
static void
keep_rate(const struct rebuild *r)
{
	uint64_t due_us = r->started_us + (uint64_t)((double)r->written * 1e6 /
						     (double)r->options->rate);
	uint64_t now = mqclock_mono_us();
	struct timespec t;

	if (due_us <= now)
		return;
	t.tv_sec = (time_t)((due_us - now) / 1000000);
	t.tv_nsec = (long)((due_us - now) % 1000000 * 1000);
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static void
commit(struct rebuild *r)
{
	int rc = 0;

	if (r->txn == NULL)
		return;
	if (r->cursor != NULL)
		mdb_cursor_close(r->cursor);
	r->cursor = NULL;
	if (r->err == MQI_OK)
		rc = mdb_txn_commit(r->txn);
	else
		mdb_txn_abort(r->txn);
	r->txn = NULL;
	if (rc == 0 && r->err == MQI_OK && r->options->rate > 0) {
		rc = mdb_env_sync(r->env, 1);
		keep_rate(r);
	}
	fail_lmdb(r, rc);
}

static void
put(struct rebuild *r, const struct pages_entry *e, unsigned flags)
{
	uint64_t max = r->options->rate > 0 ? TXN_BYTES_RATED : TXN_BYTES;
	MDB_val key = {e->key_len, (void *)(uintptr_t)e->key};
	MDB_val val = {e->len, (void *)(uintptr_t)e->data};

	begin(r);
	if (r->err != MQI_OK)
		return;
	fail_lmdb(r, mdb_cursor_put(r->cursor, &key, &val, flags));
	r->result.entries++;
	r->in_txn += e->key_len + e->len;
	r->written += e->key_len + e->len;
	if (r->in_txn >= max)
		commit(r);
}

/* ---- tables ---- */

static void
count_row(struct rebuild *r, const struct pages_entry *e)
{
	struct schema_row row;
	struct count *c;
	uint64_t id;

	if (e->key_len != SCHEMA_ROW_KEY)
		return;
	id = schema_get_u64(e->key);
	HASH_FIND(hh, r->counts, &id, sizeof(id), c);
	if (c == NULL) {
		c = mqmem_alloc(sizeof(*c));
		c->queue_id = id;
		HASH_ADD(hh, r->counts, queue_id, sizeof(id), c);
	}
	/* one that is damaged counts until it is set aside */
	if (!schema_row_decode(e->key, e->data, e->len, &row)) {
		c->depth++;
	} else if (!row.non_persistent) {
		c->depth++;
		c->bytes += row.body_len;
	}
}

static void
on_entry(void *ctx, const struct pages_entry *e)
{
	struct rebuild *r = ctx;

	if (r->err != MQI_OK || e->data == NULL)
		return;
	if (strcmp(r->table->name, "rows") == 0 && r->options->count)
		count_row(r, e);
	if (strcmp(r->table->name, "store") == 0 && e->key_len == 5 &&
	    memcmp(e->key, "batch", 5) == 0 &&
	    !schema_number_decode("batch", e->data, e->len, &r->result.batch))
		fail(r, MQI_E_OBJECT_DAMAGED,
		    "the number of the last batch is damaged");
	/* log0 and log1: its journal's id */
	if (strcmp(r->table->name, "store") == 0 && e->key_len == 4 &&
	    memcmp(e->key, "log", 3) == 0)
		r->has_log = true;
	put(r, e, MDB_APPEND);
}

static void
copy_table(struct rebuild *r, const struct table *t)
{
	const struct pages_visit visit = {
	    .values = true, .entry = on_entry, .wrong = on_wrong, .ctx = r};
	struct pages_count count;

	r->table = t;
	begin(r); /* an empty one is made, too */
	pages_walk(&r->pages, &t->tree, &visit, &count);
	commit(r);
}

/* The counters of a queue as its rows have them. */
static void
on_counters(void *ctx, const struct pages_entry *e)
{
	struct rebuild *r = ctx;
	uint8_t value[SCHEMA_COUNTERS_SIZE];
	struct pages_entry mine = *e;
	struct schema_counters v;
	const struct count *c;
	uint64_t id;

	if (r->err != MQI_OK || e->data == NULL || e->key_len != 8)
		return;
	id = schema_get_u64(e->key);
	HASH_FIND(hh, r->counts, &id, sizeof(id), c);
	if (!schema_counters_decode(id, e->data, e->len, &v))
		v = (struct schema_counters){0};
	else if (v.depth == (c != NULL ? c->depth : 0) &&
		 v.bytes == (c != NULL ? c->bytes : 0))
		return;
	v.depth = c != NULL ? c->depth : 0;
	v.bytes = c != NULL ? c->bytes : 0;
	schema_counters_encode(id, &v, value);
	mine.data = value;
	mine.len = sizeof(value);
	r->result.queues++;
	put(r, &mine, 0);
}

/* Once more over the counters, now that rows have been counted. */
static void
count_queues(struct rebuild *r)
{
	const struct pages_visit visit = {
	    .entry = on_counters, .wrong = on_wrong, .ctx = r};
	struct pages_count count;

	for (unsigned i = 0; i < r->n_tables; i++) {
		if (strcmp(r->tables[i].name, "queues") != 0)
			continue;
		r->table = &r->tables[i];
		pages_forget(&r->pages);
		pages_walk(&r->pages, &r->table->tree, &visit, &count);
		commit(r);
	}
}

/* ---- indexes ---- */

/* What a row has in the table of ids, or of those that are not persistent. */
static void
on_row(void *ctx, const struct pages_entry *e)
{
	struct rebuild *r = ctx;
	uint8_t key[SCHEMA_ID_KEY];
	struct pages_entry x = {.key = key, .data = key};
	struct record_key at;
	struct schema_row row;

	if (r->err != MQI_OK || e->data == NULL ||
	    e->key_len != SCHEMA_ROW_KEY ||
	    !schema_row_decode(e->key, e->data, e->len, &row))
		return;
	at = schema_row_key_decode(e->key);
	if (strcmp(r->index->name, "np") == 0) {
		if (!row.non_persistent)
			return;
		schema_np_key(row.epoch, e->key, key);
		x.key_len = SCHEMA_NP_KEY;
		put(r, &x, 0);
		return;
	}
	x.key_len = SCHEMA_ID_KEY;
	if (!row.id_from_body && schema_id_is_set(row.msg_id)) {
		schema_id_key(&at, STORE_ID_MSG, row.msg_id, key);
		put(r, &x, 0);
	}
	if (schema_id_is_set(row.correl_id)) {
		schema_id_key(&at, STORE_ID_CORREL, row.correl_id, key);
		put(r, &x, 0);
	}
}

static bool
is_index(const char *name)
{
	return strcmp(name, "ids") == 0 || strcmp(name, "np") == 0;
}

static void
on_wrong_again(void *ctx, uint64_t page, const char *what)
{
	(void)ctx;
	(void)page;
	(void)what;
}

static void
make_index(struct rebuild *r, const struct table *index)
{
	const struct pages_visit visit = {
	    .entry = on_row, .wrong = on_wrong_again, .ctx = r};
	struct pages_count count;

	r->index = index;
	begin(r);
	for (unsigned i = 0; i < r->n_tables; i++) {
		if (strcmp(r->tables[i].name, "rows") != 0)
			continue;
		pages_forget(&r->pages);
		pages_walk(&r->pages, &r->tables[i].tree, &visit, &count);
	}
	commit(r);
	r->index = NULL;
}

static void
copy_all(struct rebuild *r)
{
	const struct pages_visit visit = {
	    .values = true, .entry = on_table, .wrong = on_wrong, .ctx = r};
	struct pages_count count;

	pages_walk(&r->pages, &r->pages.meta.main_tree, &visit, &count);
	for (unsigned i = 0; i < r->n_tables && r->err == MQI_OK; i++)
		if (!r->options->salvage || !is_index(r->tables[i].name))
			copy_table(r, &r->tables[i]);
	for (unsigned i = 0; i < r->n_tables && r->err == MQI_OK; i++)
		if (r->options->salvage && is_index(r->tables[i].name))
			make_index(r, &r->tables[i]);
	if (r->err == MQI_OK && r->options->count)
		count_queues(r);
	if (r->meta_lost && !r->has_log)
		fail(r, MQI_E_OBJECT_DAMAGED,
		    "a meta page is damaged, and there is no journal that "
		    "tells whether it was the last one");
}

/* ---- the new file ---- */

static void
open_new(struct rebuild *r, const char *to)
{
	int rc = mdb_env_create(&r->env);

	if (rc != 0) {
		r->env = NULL;
		fail_lmdb(r, rc);
		return;
	}
	rc = mdb_env_set_maxdbs(r->env, TABLES_MAX);
	if (rc == 0)
		rc = mdb_env_set_mapsize(
		    r->env, r->pages.n_bytes * 2 + MAP_MORE);
	/* nobody has it before it is flushed */
	if (rc == 0)
		rc = mdb_env_open(r->env, to, MDB_NOSYNC | MDB_NOTLS, 0600);
	fail_lmdb(r, rc);
}

static void
finish_new(struct rebuild *r, const char *to)
{
	char *path = NULL;
	struct stat st;
	int fd = -1;

	if (r->err == MQI_OK)
		fail_lmdb(r, mdb_env_sync(r->env, 1));
	if (r->env != NULL)
		mdb_env_close(r->env);
	if (r->err != MQI_OK)
		return;
	if (asprintf(&path, "%s/data.mdb", to) < 0) {
		fail(r, MQI_E_NO_MEMORY, "no memory");
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0 || fstat(fd, &st) != 0)
		fail(r, store_err(errno), "%s: %s", path, strerror(errno));
	else
		r->result.bytes = (uint64_t)st.st_size;
	if (fd >= 0)
		(void)close(fd);
	free(path);
}

/* With one meta page, the state may be older than the last.  The journal has
 * what is missing then, or a start refuses the two together. */
static void
check_metas(struct rebuild *r)
{
	const char *why = pages_metas_wrong(&r->pages);

	for (unsigned i = 0; i < 2 && why == NULL; i++)
		why = r->pages.metas[i].wrong;
	if (why == NULL)
		return;
	r->meta_lost = true;
	r->result.lost++;
	if (!r->options->salvage)
		fail(r, MQI_E_OBJECT_DAMAGED, "the meta pages: %s", why);
}

static void
open_old(struct rebuild *r, const char *from)
{
	char *path = NULL;
	char *why = NULL;
	enum mqi_err err;

	if (asprintf(&path, "%s/store/data.mdb", from) < 0) {
		fail(r, MQI_E_NO_MEMORY, "no memory");
		return;
	}
	err = pages_open(&r->pages, path, &why);
	if (err != MQI_OK)
		fail(r, err, "%s", why != NULL ? why : path);
	else if (r->options->metas != NULL)
		memcpy(
		    r->pages.metas, r->options->metas, sizeof(r->pages.metas));
	if (r->err == MQI_OK)
		check_metas(r);
	if (r->err == MQI_OK && !pages_choose(&r->pages, r->options->txnid))
		fail(r, MQI_E_OBJECT_DAMAGED, "%s has no such state", path);
	free(why);
	free(path);
}

enum mqi_err
store_rebuild(const char *from, const char *to,
    const struct rebuild_options *options, struct rebuild_result *ret,
    char **ret_why)
{
	struct rebuild r = {.options = options, .pages.fd = -1};
	struct count *c;
	struct count *next;

	r.started_us = mqclock_mono_us();
	open_old(&r, from);
	if (r.err == MQI_OK)
		open_new(&r, to);
	if (r.err == MQI_OK)
		copy_all(&r);
	commit(&r); /* of a failure: nothing */
	finish_new(&r, to);
	HASH_ITER (hh, r.counts, c, next) {
		HASH_DEL(r.counts, c);
		free(c);
	}
	pages_close(&r.pages);
	if (r.err == MQI_OK)
		*ret = r.result;
	else
		*ret_why = mqmem_strdup(r.why);
	return r.err;
}

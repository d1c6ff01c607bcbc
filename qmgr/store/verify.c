/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - the check of a store, from its files to its messages.
 *
 * In order: FORMAT, both meta pages, the main tree (which names the tables),
 * each table's tree with its values (verify_table.c), the free list, and what
 * the tables say of each other.  A page that is wrong is said and passed over,
 * and what it held is named by its range of keys.
 *
 * Neighbours: pages.h reads LMDB's file; store_schema.h has the bytes of
 * values. Failure: only what keeps us from looking; all else is a finding.
 */
#include "qmgr/store/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "qmgr/store/journal_inspect.h"
#include "qmgr/store/verify_impl.h"

#define TEXT_MAX 512u
#define SMALL_PAGES 256u /* of a table that is looked at as a whole */
#define LOOKS 5u         /* at a journal that is written meanwhile */

static const struct {
	const char *name;
	const char *advice;
} kinds[] = {
    [VERIFY_FILE] = {"file",
	"restore the store from a backup (mqadmin restore)"},
    [VERIFY_PAGE] = {"page",
	"stop the queue manager; mqadmin compact --salvage keeps what can be "
	"read, or restore a backup"},
    [VERIFY_RECORD] = {"record",
	"restore the store from a backup (mqadmin restore)"},
    [VERIFY_MESSAGE] = {"message",
	"nothing: it is set aside when it is reached; its sender may have it"},
    [VERIFY_INDEX] = {"index",
	"mqadmin compact --salvage makes the indexes anew"},
    [VERIFY_COUNTER] = {"counter",
	"messages may be lost: compare with the senders; mqadmin compact "
	"--salvage counts anew"},
    [VERIFY_JOURNAL] = {"journal",
	"a start takes what can be read, and names what cannot; its clients "
	"may have it"},
    [VERIFY_ROOM] = {"room", "nothing; mqadmin compact gives it back"},
};

const char *
verify_kind_name(enum verify_kind kind)
{
	return kinds[kind].name;
}

const char *
verify_advice(enum verify_kind kind)
{
	return kinds[kind].advice;
}

void
verify_find(struct verify *v, enum verify_kind kind, const char *where,
    const char *fmt, ...)
{
	char text[TEXT_MAX];
	struct verify_finding f = {.kind = kind, .where = where, .what = text};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->result.findings++;
	if (kind == VERIFY_PAGE || kind == VERIFY_FILE)
		v->result.pages++;
	if (kind == VERIFY_RECORD)
		v->result.records++;
	if (kind == VERIFY_JOURNAL)
		v->result.journal++;
	v->report->finding(v->report->ctx, &f);
}

/* ---- pages ---- */

static void
place(struct verify *v, const char *table)
{
	if (v->options->place != NULL)
		(void)snprintf(v->options->place->table,
		    sizeof(v->options->place->table), "%s", table);
}

static void
wrong_page(struct verify *v, const char *table, uint64_t page, const char *what)
{
	char where[VERIFY_WHERE];

	(void)snprintf(where, sizeof(where), "%s, page %" PRIu64, table, page);
	verify_find(v, VERIFY_PAGE, where, "%s", what);
}

static void
on_wrong(void *ctx, uint64_t page, const char *what)
{
	struct verify *v = ctx;
	const struct verify_table_info *t = &verify_tables[v->table];

	wrong_page(v, t->name, page, what);
	if (t->vital)
		v->result.records++;
	v->cut[v->table] = true;
}

static void
on_wrong_main(void *ctx, uint64_t page, const char *what)
{
	struct verify *v = ctx;

	wrong_page(v, "the list of tables", page, what);
	v->result.records++;
}

static void
on_wrong_free(void *ctx, uint64_t page, const char *what)
{
	wrong_page(ctx, "the free list", page, what);
}

/* Of a key: its queue and number. */
static void
name_row(struct verify *v, const struct pages_entry *e, const char *none,
    char ret[VERIFY_WHERE])
{
	char queue[VERIFY_WHERE];
	struct record_key key;

	if (e == NULL || e->key_len != SCHEMA_ROW_KEY) {
		(void)snprintf(ret, VERIFY_WHERE, "%s", none);
		return;
	}
	key = schema_row_key_decode(e->key);
	(void)snprintf(ret, VERIFY_WHERE, "message %" PRIu64 " of %.64s",
	    key.seq, verify_queue_name(v, key.queue_id, queue));
}

/* Queues of which rows are lost cannot be counted. */
static void
on_lost(void *ctx, uint64_t page, const struct pages_entry *lo,
    const struct pages_entry *hi)
{
	struct verify *v = ctx;
	char from[VERIFY_WHERE];
	char to[VERIFY_WHERE];
	char where[VERIFY_WHERE];

	if (v->table != T_ROWS)
		return;
	name_row(v, lo, "the first message", from);
	name_row(v, hi, "the last message", to);
	(void)snprintf(where, sizeof(where), "rows, page %" PRIu64, page);
	verify_find(v, VERIFY_MESSAGE, where,
	    "messages are lost, from %.100s to %.100s", from, to);
}

static void
on_entry(void *ctx, const struct pages_entry *e)
{
	struct verify *v = ctx;
	const struct verify_table_info *t = &verify_tables[v->table];
	char where[VERIFY_WHERE];
	struct pages_entry none = *e;

	v->bytes += e->len;
	/* small tables all the same: they have the names of queues */
	if (v->options->structure && !t->vital)
		return;
	if (e->is_tree || (t->key_len != 0 && e->key_len != t->key_len) ||
	    (t->empty_values && e->len != 0)) {
		(void)snprintf(where, sizeof(where), "%s, page %" PRIu64,
		    t->name, e->page);
		verify_find(v, t->vital ? VERIFY_RECORD : VERIFY_INDEX, where,
		    "an entry has a length that none of this table has");
		return;
	}
	/* a value that cannot be read has a length that none has */
	if (e->data == NULL) {
		none.len = 0;
		none.data = (const uint8_t *)"";
	}
	if (t->entry != NULL)
		t->entry(v, &none);
}

static void
walk_table(struct verify *v, enum verify_table table, bool all)
{
	const struct verify_table_info *t = &verify_tables[table];
	const struct pages_tree *tree = &v->trees[table];
	const struct pages_visit visit = {
	    .values = !v->options->structure || t->vital,
	    .branches =
		!all && tree->leaf_pages + tree->overflow_pages > SMALL_PAGES,
	    .end_us = v->end_us,
	    .entry = on_entry,
	    .wrong = on_wrong,
	    .lost = on_lost,
	    .ctx = v};
	struct pages_count count = {0};

	if (!v->present[table])
		return;
	v->table = table;
	v->bytes = 0;
	place(v, t->name);
	pages_walk(&v->pages, tree, &visit, &count);
	v->large = v->large || visit.branches;
	v->report->looked(v->report->ctx, t->name, count.entries, v->bytes);
}

/* ---- the main tree ---- */

static void
main_entry(void *ctx, const struct pages_entry *e)
{
	struct verify *v = ctx;
	struct pages_tree tree;

	for (unsigned i = 0; i < T_COUNT; i++) {
		const char *name = verify_tables[i].name;

		if (e->key_len != strlen(name) ||
		    memcmp(e->key, name, e->key_len) != 0)
			continue;
		v->named[i] = true;
		v->present[i] =
		    e->is_tree && e->data != NULL &&
		    pages_tree_decode(&v->pages, e->data, e->len, &tree);
		if (v->present[i])
			v->trees[i] = tree;
		return;
	}
	verify_find(v, VERIFY_RECORD, "the list of tables",
	    "there is a table that this version does not know: %.*s",
	    (int)e->key_len, (const char *)e->key);
}

static void
walk_main(struct verify *v)
{
	const struct pages_visit visit = {.values = true,
	    .entry = main_entry,
	    .wrong = on_wrong_main,
	    .ctx = v};
	struct pages_count count;

	place(v, "the list of tables");
	pages_walk(&v->pages, &v->pages.meta.main_tree, &visit, &count);
	for (unsigned i = 0; i < T_COUNT; i++)
		if (!v->present[i] && (v->named[i] || !verify_tables[i].later))
			verify_find(v, VERIFY_RECORD, "the list of tables",
			    "the table %s is missing, or its record is damaged",
			    verify_tables[i].name);
}

static void
walk_free(struct verify *v)
{
	const struct pages_visit visit = {
	    .wrong = on_wrong_free, .end_us = v->end_us, .ctx = v};
	struct pages_count count;
	uint64_t n_free;
	uint64_t n_unused;
	uint64_t page_size = v->pages.page_size;

	place(v, "the free list");
	pages_walk_free(&v->pages, &visit, &count, &n_free, &n_unused);
	v->report->looked(
	    v->report->ctx, "free pages", n_free, n_free * page_size);
	v->report->looked(v->report->ctx, "pages", v->pages.meta.last_page + 1,
	    (v->pages.meta.last_page + 1) * page_size);
	if (n_unused > 0 && v->result.pages == 0 && v->end_us == 0)
		verify_find(v, VERIFY_ROOM, "the free list",
		    "%" PRIu64 " pages are neither in use nor free", n_unused);
}

/* ---- files ---- */

static void
check_metas(struct verify *v)
{
	const char *why = pages_metas_wrong(&v->pages);
	const char *names[2] = {"meta page 0", "meta page 1"};

	for (unsigned i = 0; i < 2; i++)
		if (v->pages.metas[i].wrong != NULL)
			verify_find(v, VERIFY_FILE, names[i], "%s",
			    v->pages.metas[i].wrong);
	if (why != NULL)
		verify_find(v, VERIFY_FILE, "meta pages", "%s", why);
}

static void
check_format_file(struct verify *v, const char *dir)
{
	static const char text[] = "Sluice store, format 1\n";
	char got[sizeof(text)] = "";
	char *path;
	FILE *f;
	size_t n;

	if (asprintf(&path, "%s/store/FORMAT", dir) < 0)
		MQ_UNREACHABLE();
	f = fopen(path, "re");
	if (f == NULL) {
		verify_find(
		    v, VERIFY_FILE, "FORMAT", "%s: %s", path, strerror(errno));
	} else {
		n = fread(got, 1, sizeof(got), f);
		(void)fclose(f);
		if (n != sizeof(text) - 1 || memcmp(got, text, n) != 0)
			verify_find(v, VERIFY_FILE, "FORMAT",
			    "it does not say which format the store has");
	}
	free(path);
}

/* A file that is not there is as bad as a damaged one. */
static enum mqi_err
open_pages(struct verify *v, const char *dir, char **ret_why)
{
	char *path;
	enum mqi_err err;

	if (asprintf(&path, "%s/store/data.mdb", dir) < 0)
		return MQI_E_NO_MEMORY;
	err = pages_open(&v->pages, path, ret_why);
	if (err == MQI_E_IO && access(path, F_OK) != 0 && errno == ENOENT)
		err = MQI_E_OBJECT_DAMAGED;
	if (err == MQI_OK && v->options->metas != NULL)
		memcpy(
		    v->pages.metas, v->options->metas, sizeof(v->pages.metas));
	v->pages.rate = v->options->rate;
	free(path);
	return err;
}

/* ---- the journal ---- */

static void
on_wrong_journal(void *ctx, const char *where, const char *what)
{
	verify_find(ctx, VERIFY_JOURNAL, where, "%s", what);
}

static uint64_t
number_of(struct verify *v, const char *key)
{
	struct pages_entry e;
	uint64_t n = 0;

	if (!v->present[T_STORE] || v->cut[T_STORE] ||
	    pages_find(&v->pages, &v->trees[T_STORE], key, strlen(key), &e) !=
		MQI_OK ||
	    e.key_len != strlen(key) || memcmp(e.key, key, e.key_len) != 0 ||
	    e.data == NULL || !schema_number_decode(key, e.data, e.len, &n))
		return 0;
	return n;
}

/* The journal that LMDB knows; false: it has none.  *ret_dir is malloc'd. */
static bool
find_journal(struct verify *v, const char *dir, uint8_t log_id[JOURNAL_ID_LEN],
    char **ret_dir)
{
	uint64_t half[2] = {number_of(v, "log0"), number_of(v, "log1")};

	mqbuf_set_u64(log_id, half[0]);
	mqbuf_set_u64(log_id + 8, half[1]);
	if (half[0] == 0 && half[1] == 0)
		return false;
	return asprintf(ret_dir, "%s/journal", dir) >= 0;
}

/* A file that is being written may look damaged at one instant and not at
 * another. */
static void
check_journal(struct verify *v, const char *dir)
{
	uint8_t log_id[JOURNAL_ID_LEN];
	struct journal_inspect look = {.log_id = log_id, .ctx = v};
	struct journal_seen seen = {0};
	char *path = NULL;

	if (!find_journal(v, dir, log_id, &path))
		return;
	look.dir = path;
	look.applied = number_of(v, "batch");
	for (unsigned i = 0; i < LOOKS && v->options->metas != NULL; i++) {
		journal_inspect(&look, &seen);
		if (seen.wrong == 0)
			break;
	}
	if (v->options->metas == NULL || seen.wrong > 0) {
		look.wrong = on_wrong_journal;
		journal_inspect(&look, &seen);
	}
	v->report->looked(v->report->ctx, "journal", seen.batches, seen.bytes);
	free(path);
}

static void
ignore_looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	(void)ctx;
	(void)what;
	(void)n;
	(void)bytes;
}

static void
ignore_finding(void *ctx, const struct verify_finding *f)
{
	(void)ctx;
	(void)f;
}

bool
verify_progress(const char *dir, const struct verify_options *options,
    struct verify_progress *ret)
{
	static const struct verify_report report = {
	    .looked = ignore_looked, .finding = ignore_finding};
	struct verify v = {
	    .report = &report, .options = options, .pages.fd = -1};
	struct verify_progress p = {0};
	struct journal_inspect look = {.log_id = p.log_id};
	struct journal_seen seen = {0};
	char *path = NULL;
	char *why = NULL;
	bool ok = false;

	if (open_pages(&v, dir, &why) != MQI_OK ||
	    !pages_choose(&v.pages, options->txnid))
		goto out;
	walk_main(&v);
	ok = v.present[T_STORE];
	p.applied = number_of(&v, "batch");
	p.last = p.applied;
	if (ok && find_journal(&v, dir, p.log_id, &path)) {
		look.dir = path;
		look.applied = p.applied;
		journal_inspect(&look, &seen);
		p.last = seen.last;
	}
	if (ok)
		*ret = p;
out:
	pages_close(&v.pages);
	free(path);
	free(why);
	return ok;
}

static void
walk_all(struct verify *v, const char *dir)
{
	walk_main(v);
	for (unsigned i = 0; i < T_COUNT; i++)
		walk_table(v, (enum verify_table)i, v->end_us == 0);
	walk_free(v);
	/* what was not, as long as there is time */
	if (v->large && v->result.findings == 0) {
		pages_forget(&v->pages);
		for (unsigned i = 0; i < T_COUNT; i++)
			if (!verify_tables[i].vital)
				walk_table(v, (enum verify_table)i, true);
	}
	if (!v->options->structure)
		verify_totals(v);
	if (v->end_us == 0)
		check_journal(v, dir);
}

enum mqi_err
verify_store(const char *dir, const struct verify_options *options,
    const struct verify_report *report, struct verify_result *ret,
    char **ret_why)
{
	struct verify v = {
	    .report = report, .options = options, .pages.fd = -1};
	char *why = NULL;
	enum mqi_err err;

	if (options->limit_ms != 0)
		v.end_us =
		    mqclock_mono_us() + options->limit_ms * UINT64_C(1000);
	if (!options->structure)
		check_format_file(&v, dir);
	err = open_pages(&v, dir, &why);
	if (err == MQI_E_OBJECT_DAMAGED) {
		verify_find(&v, VERIFY_FILE, "data.mdb", "%s",
		    why != NULL ? why : "it cannot be read");
		err = MQI_OK;
	} else if (err == MQI_OK) {
		v.pages.place = options->place;
		check_metas(&v);
		if (pages_choose(&v.pages, options->txnid))
			walk_all(&v, dir);
		else
			verify_find(&v, VERIFY_FILE, "data.mdb",
			    "neither meta page is whole: nothing can be found");
	}
	if (err == MQI_OK) {
		*ret = v.result;
		free(why);
	} else {
		*ret_why = why;
	}
	verify_fini(&v);
	pages_close(&v.pages);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_backup.c - qmgr NAME --backup DIR and --restore DIR: a copy of the store
 * as it is at one instant, and a queue manager made from it.
 *
 *   DIR/BACKUP       text: format, queue manager, when, last batch
 *   DIR/store/       data.mdb, FORMAT: as in the queue manager's data/
 *   DIR/journal/     the files of the journal
 *
 * A backup is made in DIR.partial, looked at as a whole, and renamed when all
 * of it is on the disk: so what is called DIR is never half.  A restore goes by
 * data/restored, in the same way.
 *
 * A backup is what a kill at that instant would leave: LMDB as of a read
 * transaction, and the journal from there on; a restore recovers it as a start
 * does.  LMDB alone would not be one instant: a checkpoint leaves out messages
 * that it knows to be removed later.  While the queue manager runs, the
 * journal's files are copied right after the transaction has begun, and the
 * copy is cut behind the last batch that follows without a gap; if that is
 * before what the journal had by then, the files have been used again
 * meanwhile, and all begins anew.  The copy of LMDB keeps a rate.
 *
 * A backup of a damaged store is refused: it would take the place of a good
 * one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qmgr/mode.h"
#include "qmgr/mode_files.h"
#include "qmgr/qmgr_dir.h"
#include "qmgr/store/journal_inspect.h"
#include "qmgr/store/store_lmdb_rebuild.h"
#include "qmgr/store/store_lmdb_snapshot.h"
#include "qmgr/store/verify.h"

#define RATE_DEFAULT (UINT64_C(50) << 20)
#define TRIES 50u
#define HEAD "Sluice backup, format 1\n"

/* ---- backup ---- */

static bool
write_manifest(const char *partial, const char *name, uint64_t *ret_batch)
{
	const struct verify_options options = {.structure = true};
	struct verify_progress p;
	char *path = mode_path("%s/BACKUP", partial);
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	char *text;
	bool ok;

	if (!verify_progress(partial, &options, &p)) {
		free(path);
		return mode_complain("%s cannot be read again", partial);
	}
	*ret_batch = p.last;
	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text = mode_path(
	    HEAD "qmgr %s\ntaken %s\nbatch %" PRIu64 "\n", name, stamp, p.last);
	ok = mode_write_file(path, text);
	free(text);
	free(path);
	return ok;
}

static void
drop_partial(const char *partial)
{
	char *path;

	/* a link, or what others may change, is not what we left there */
	if (!mode_is_own_dir(partial))
		return;
	path = mode_path("%s/BACKUP", partial);
	(void)unlink(path);
	mode_drop_journal(partial);
	mode_drop_store(partial);
	free(path);
}

static bool
copy_store(const char *data, const char *partial,
    const struct rebuild_options *options, struct rebuild_result *ret)
{
	char *store = mode_path("%s/store", partial);
	char *lock = mode_path("%s/store/lock.mdb", partial);
	char *why = NULL;
	bool ok = true;

	if (store_rebuild(data, store, options, ret, &why) != MQI_OK) {
		ok = mode_complain("the store in %s: %s; no backup was made",
		    data, why != NULL ? why : "it cannot be copied");
		free(why);
	}
	(void)unlink(lock);
	ok = ok && mode_sync_dir(store);
	free(store);
	free(lock);
	return ok;
}

/* The directory that path is in. */
static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mode_path(".");
	if (slash == path)
		return mode_path("/");
	return mode_path("%.*s", (int)(slash - path), path);
}

/* last: the end of the journal, which is in the partial backup already; 0: it
 * is to be copied. */
static int
backup(const char *data, const struct mode_options *opts,
    const struct rebuild_options *options, uint64_t last)
{
	char *partial = mode_path("%s.partial", opts->directory);
	char *parent = parent_of(opts->directory);
	struct rebuild_result result = {0};
	uint64_t number = 0;
	struct stat st;
	int status = 1;

	if (lstat(opts->directory, &st) == 0) {
		(void)mode_complain("%s exists already", opts->directory);
		drop_partial(partial);
		goto out;
	}
	if (last == 0)
		drop_partial(partial);
	if (mode_make_store(partial, data) &&
	    copy_store(data, partial, options, &result) &&
	    (last != 0 || mode_copy_journal(data, partial, true)) &&
	    mode_is_whole(partial, true, "the copy") &&
	    write_manifest(partial, opts->name, &number) &&
	    mode_sync_dir(partial) && mode_rename(partial, opts->directory) &&
	    mode_sync_dir(parent)) {
		(void)printf(
		    "done\t%" PRIu64 "\t%" PRIu64 "\n", result.bytes, number);
		status = fflush(stdout) == 0 ? 0 : 1;
	} else {
		drop_partial(partial);
	}
out:
	free(partial);
	free(parent);
	return status;
}

static struct store_snapshot *
open_snapshot(const char *data, uint64_t *ret_txnid)
{
	struct store_snapshot *s;
	char *why = NULL;

	if (store_snapshot_open(data, &s, &why) == MQI_OK) {
		*ret_txnid = store_snapshot_txnid(s);
		return s;
	}
	(void)mode_complain(
	    "%s", why != NULL ? why : "the store cannot be read");
	free(why);
	return NULL;
}

/* Copies the journal from the snapshot on; *ret_last is its end.  False: it
 * was not to be had.  The queue manager goes on meanwhile and uses its files
 * again: they are copied as fast as can be, and flushed by the trim. */
static bool
copy_running_journal(const char *data, const char *partial,
    const struct verify_options *at, uint64_t *ret_last)
{
	char *path = mode_path("%s/journal", partial);
	struct verify_progress p;
	struct journal_inspect copy = {.dir = path};
	bool ok = verify_progress(data, at, &p);

	if (ok) {
		copy.log_id = p.log_id;
		copy.applied = p.applied;
		drop_partial(partial);
		ok = (mkdir(partial, 0700) == 0 || mode_is_own_dir(partial)) &&
		     mode_copy_journal(data, partial, false) &&
		     journal_trim(&copy, p.last, ret_last) &&
		     mode_sync_dir(path);
	}
	free(path);
	return ok;
}

static int
backup_running(const char *data, const struct mode_options *opts)
{
	struct rebuild_options options = {
	    .rate = opts->rate != UINT64_MAX ? opts->rate : RATE_DEFAULT};
	struct store_snapshot *s = NULL;
	char *partial = mode_path("%s.partial", opts->directory);
	uint64_t last = 0;
	int status = 1;

	for (unsigned i = 0; i < TRIES; i++) {
		struct verify_options at = {.structure = true};

		s = open_snapshot(data, &options.txnid);
		if (s == NULL)
			break;
		options.metas = store_snapshot_metas(s);
		at.metas = options.metas;
		at.txnid = options.txnid;
		if (copy_running_journal(data, partial, &at, &last))
			break;
		s = store_snapshot_close(s);
	}
	if (s != NULL) {
		status = backup(data, opts, &options, last);
		(void)store_snapshot_close(s);
	} else {
		(void)mode_complain(
		    "the journal could not be copied; no backup was made");
		drop_partial(partial);
	}
	free(partial);
	return status;
}

int
mode_backup(const struct mode_options *opts)
{
	const struct rebuild_options options = {
	    .rate = opts->rate != UINT64_MAX ? opts->rate : 0};
	struct qmgr_dir dir;
	char *why = NULL;
	enum mqi_err err =
	    qmgr_dir_open(opts->name, opts->root, false, &dir, &why);
	int status = 1;

	if (err == MQI_OK)
		status = backup(dir.data, opts, &options, 0);
	else if (err == MQI_E_RUNNING)
		status = backup_running(dir.data, opts);
	else
		(void)mode_complain(
		    "%s", why != NULL ? why : mqi_strerror(err));
	free(why);
	qmgr_dir_close(&dir);
	return status;
}

/* ---- restore ---- */

/* The queue manager's name and the batch in DIR/BACKUP. */
static bool
read_manifest(const char *dir, char name[64], uint64_t *ret_batch)
{
	char *path = mode_path("%s/BACKUP", dir);
	char head[sizeof(HEAD)] = "";
	FILE *f = fopen(path, "re");
	bool ok;

	if (f == NULL) {
		ok = mode_complain(
		    "%s is not a backup: %s: %s", dir, path, strerror(errno));
	} else {
		ok = fgets(head, sizeof(head), f) != NULL &&
		     strcmp(head, HEAD) == 0 &&
		     fscanf(f, "qmgr %63s taken %*s batch %" SCNu64, name,
			 ret_batch) == 2;
		(void)fclose(f);
		if (!ok)
			(void)mode_complain(
			    "%s is not a backup that this version knows", dir);
	}
	free(path);
	return ok;
}

static bool
copy_backup(const char *from, const char *to)
{
	char *old = mode_path("%s/store/data.mdb", from);
	char *new = mode_path("%s/store/data.mdb", to);
	char *store = mode_path("%s/store", to);
	bool ok = mode_make_store(to, from) && mode_copy_file(old, new) &&
		  mode_sync_dir(store);

	free(old);
	free(new);
	free(store);
	return ok;
}

static int
restore(const char *data, const struct mode_options *opts, uint64_t batch)
{
	char *restored = mode_path("%s/restored", data);
	char *from = mode_path("%s/restored/store", data);
	char *to = mode_path("%s/store", data);
	char *file = mode_path("%s/store/data.mdb", data);
	struct stat st;
	int status = 1;

	if (lstat(to, &st) == 0) {
		(void)mode_complain(
		    "the queue manager \"%s\" exists already in %s: delete it, "
		    "or move its directory, first",
		    opts->name, data);
	} else if (mode_copy_journal(opts->directory, data, true) &&
		   copy_backup(opts->directory, restored) &&
		   mode_rename(from, to) && mode_sync_dir(data)) {
		(void)rmdir(restored);
		(void)printf("done\t%" PRIu64 "\t%" PRIu64 "\n",
		    mode_file_size(file), batch);
		status = fflush(stdout) == 0 ? 0 : 1;
	} else {
		mode_drop_journal(data);
		mode_drop_store(restored);
	}
	free(restored);
	free(from);
	free(to);
	free(file);
	return status;
}

int
mode_restore(const struct mode_options *opts)
{
	struct qmgr_dir dir;
	char name[64] = "";
	uint64_t batch = 0;
	char *why = NULL;
	enum mqi_err err;
	int status = 1;

	if (!read_manifest(opts->directory, name, &batch))
		return 1;
	if (strcmp(name, opts->name) != 0) {
		(void)mode_complain(
		    "%s is a backup of \"%s\"", opts->directory, name);
		return 1;
	}
	if (!mode_is_whole(opts->directory, true, opts->directory))
		return 1;
	err = qmgr_dir_open(opts->name, opts->root, true, &dir, &why);
	if (err == MQI_OK)
		status = restore(dir.data, opts, batch);
	else
		(void)mode_complain(
		    "%s", why != NULL ? why : mqi_strerror(err));
	free(why);
	qmgr_dir_close(&dir);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_compact.c - qmgr NAME --compact: writes the store anew, without its free
 * pages, and gives the disk back what they took.  With --salvage, also where
 * pages cannot be read: what can be is kept, queues count what they have, and
 * the damaged file stays beside the store.
 *
 * The new file is made in data/rebuilt/, looked at, and renamed over the old
 * one: at every instant there is one whole store.  The queue manager is stopped
 * and cannot start meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qmgr/mode.h"
#include "qmgr/mode_files.h"
#include "qmgr/qmgr_dir.h"
#include "qmgr/store/store_lmdb_rebuild.h"

struct compact {
	const char *data; /* the queue manager's directory data/ */
	char *new_dir;
	char *new_store;
	char *new_file;
	char *store;
	char *file;
	char *kept; /* the file as it was; NULL: not kept */
	struct rebuild_result result;
};

static bool
keep_old(struct compact *c)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	c->kept = mode_path("%s/damaged-%s.mdb", c->data, stamp);
	if (link(c->file, c->kept) == 0)
		return true;
	return mode_complain(
	    "cannot keep %s as %s: %s", c->file, c->kept, strerror(errno));
}

static bool
rebuild(struct compact *c, const struct mode_options *opts)
{
	const struct rebuild_options options = {
	    .salvage = opts->salvage, .count = opts->salvage};
	char *why = NULL;

	if (!mode_make_store(c->new_dir, c->data))
		return false;
	if (store_rebuild(c->data, c->new_store, &options, &c->result, &why) ==
	    MQI_OK)
		return true;
	(void)mode_complain("the store in %s: %s", c->data,
	    why != NULL ? why : "cannot be written anew");
	free(why);
	if (!opts->salvage)
		(void)mode_complain(
		    "nothing was changed; \"mqadmin verify\" says more, and "
		    "\"mqadmin compact --salvage\" keeps what can be read");
	return false;
}

static bool
replace(struct compact *c, const struct mode_options *opts)
{
	if (opts->salvage && !keep_old(c))
		return false;
	return mode_sync_dir(c->new_store) &&
	       mode_rename(c->new_file, c->file) && mode_sync_dir(c->store) &&
	       mode_sync_dir(c->data);
}

static int
compact(const char *data, const struct mode_options *opts)
{
	struct compact c = {.data = data,
	    .new_dir = mode_path("%s/rebuilt", data),
	    .new_store = mode_path("%s/rebuilt/store", data),
	    .new_file = mode_path("%s/rebuilt/store/data.mdb", data),
	    .store = mode_path("%s/store", data),
	    .file = mode_path("%s/store/data.mdb", data)};
	uint64_t before = mode_file_size(c.file);
	int status = 1;

	if (rebuild(&c, opts) && mode_is_whole(c.new_dir, "what was written") &&
	    replace(&c, opts)) {
		(void)printf("done\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
			     "\t%" PRIu64 "\t%s\n",
		    before, c.result.bytes, c.result.lost, c.result.queues,
		    c.kept != NULL ? c.kept : "");
		status = fflush(stdout) == 0 ? 0 : 1;
	}
	mode_drop_store(c.new_dir);
	free(c.new_dir);
	free(c.new_store);
	free(c.new_file);
	free(c.store);
	free(c.file);
	free(c.kept);
	return status;
}

int
mode_compact(const struct mode_options *opts)
{
	struct qmgr_dir dir;
	char *why = NULL;
	enum mqi_err err =
	    qmgr_dir_open(opts->name, opts->root, false, &dir, &why);
	int status = 1;

	if (err == MQI_OK)
		status = compact(dir.data, opts);
	else
		(void)mode_complain("%s%s",
		    why != NULL ? why : mqi_strerror(err),
		    err == MQI_E_RUNNING ? "; stop it first" : "");
	free(why);
	qmgr_dir_close(&dir);
	return status;
}

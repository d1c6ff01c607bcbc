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
#include "qmgr/store/suspect.h"

#define KEPT_TRIES 100u

struct compact {
	bool salvage;
	bool count;
	const char *data; /* the queue manager's directory data/ */
	char *new_dir;
	char *new_store;
	char *new_file;
	char *store;
	char *file;
	char *kept;      /* the file as it was; NULL: not kept */
	uint64_t before; /* bytes of the file */
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
	/* several in one second */
	for (unsigned i = 0; i < KEPT_TRIES; i++) {
		free(c->kept);
		c->kept = mode_path("%s/damaged-%s.%u.mdb", c->data, stamp, i);
		if (link(c->file, c->kept) == 0)
			return true;
		if (errno != EEXIST)
			break;
	}
	return mode_complain(
	    "cannot keep %s as %s: %s", c->file, c->kept, strerror(errno));
}

static bool
rebuild(struct compact *c)
{
	const struct rebuild_options options = {
	    .salvage = c->salvage, .count = c->count};
	char *why = NULL;

	if (!mode_make_store(c->new_dir, c->data))
		return false;
	if (store_rebuild(c->data, c->new_store, &options, &c->result, &why) ==
	    MQI_OK)
		return true;
	(void)mode_complain("the store in %s: %s", c->data,
	    why != NULL ? why : "cannot be written anew");
	free(why);
	if (!c->salvage)
		(void)mode_complain(
		    "nothing was changed; \"mqadmin verify\" says more, and "
		    "\"mqadmin compact --salvage\" keeps what can be read");
	return false;
}

static bool
replace(struct compact *c)
{
	bool ok;
	char *lock;

	if (c->salvage && !keep_old(c))
		return false;
	/* Who still looks at the old file holds its lock file, which tells the
	 * next writer of the old file's last transaction, and which of the two
	 * meta pages that was: not the new one's. */
	lock = mode_path("%s/lock.mdb", c->store);
	ok = unlink(lock) == 0 || errno == ENOENT ||
	     mode_complain("cannot remove %s: %s", lock, strerror(errno));
	free(lock);
	return ok && mode_sync_dir(c->new_store) &&
	       mode_rename(c->new_file, c->file) && mode_sync_dir(c->store) &&
	       mode_sync_dir(c->data);
}

static bool
compact(struct compact *c)
{
	bool ok;

	c->new_dir = mode_path("%s/rebuilt", c->data);
	c->new_store = mode_path("%s/rebuilt/store", c->data);
	c->new_file = mode_path("%s/rebuilt/store/data.mdb", c->data);
	c->store = mode_path("%s/store", c->data);
	c->file = mode_path("%s/store/data.mdb", c->data);
	c->before = mode_file_size(c->file);
	ok = rebuild(c) &&
	     mode_is_whole(c->new_dir, false, "what was written") && replace(c);
	mode_drop_store(c->new_dir);
	/* all of it has been looked at */
	if (ok)
		store_suspect_clear(c->data);
	free(c->new_dir);
	free(c->new_store);
	free(c->new_file);
	free(c->store);
	free(c->file);
	return ok;
}

bool
mode_salvage(const char *data, struct mode_salvaged *ret)
{
	struct compact c = {.data = data, .salvage = true};

	if (!compact(&c)) {
		free(c.kept);
		return false;
	}
	ret->lost = c.result.lost;
	ret->kept = c.kept;
	return true;
}

static int
compact_and_say(const char *data, const struct mode_options *opts)
{
	struct compact c = {
	    .data = data, .salvage = opts->salvage, .count = opts->salvage};
	int status = 1;

	if (compact(&c)) {
		(void)printf("done\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
			     "\t%" PRIu64 "\t%s\n",
		    c.before, c.result.bytes, c.result.lost, c.result.queues,
		    c.kept != NULL ? c.kept : "");
		status = fflush(stdout) == 0 ? 0 : 1;
	}
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
		status = compact_and_say(dir.data, opts);
	else
		(void)mode_complain("%s%s",
		    why != NULL ? why : mqi_strerror(err),
		    err == MQI_E_RUNNING ? "; stop it first" : "");
	free(why);
	qmgr_dir_close(&dir);
	return status;
}

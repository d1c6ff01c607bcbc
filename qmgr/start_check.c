/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_check.c - damage is found before it is fatal, and is not fatal twice
 * (docs/decisions/0016).
 *
 * LMDB believes its pages.  So each start first reads them by pages.h, in a
 * child process: the list of tables, small tables and the free list as a whole,
 * of large ones the branch pages, then everything else, until the time for it
 * is over: for most stores, that is all there is.  A page that was not reached
 * and ends the process later leaves word of that (suspect.h), and then the next
 * start looks at all pages, however long it takes.
 *
 * Pages that hold messages are lost alone: what can be read is written anew
 * (mode_salvage()), and served.  Queues go on counting what they had, so that
 * who gets the last message is told that others are missing (2101).  Without
 * the tables that say what there is, nothing is served.
 */
#include "qmgr/start_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/mode.h"
#include "qmgr/mode_files.h"
#include "qmgr/store/suspect.h"
#include "qmgr/store/verify_child.h"

#define START_CHECK_MS 40u
#define LINES_MAX 100u /* in the log */

static void
looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	(void)ctx;
	(void)what;
	(void)n;
	(void)bytes;
}

static void
finding(void *ctx, const struct verify_finding *f)
{
	unsigned *lines = ctx;
	struct mqlog_line l;

	if (f->kind == VERIFY_ROOM || ++*lines > LINES_MAX)
		return;
	mqlog_begin(&l, MQLOG_ERROR, "store.damaged");
	mqlog_str(&l, "kind", verify_kind_name(f->kind));
	mqlog_str(&l, "where", f->where);
	mqlog_str(&l, "what", f->what);
	mqlog_end(&l);
}

static void
look(const char *dir, bool all, struct verify_outcome *ret)
{
	unsigned lines = 0;
	const struct verify_report report = {
	    .looked = looked, .finding = finding, .ctx = &lines};
	const struct verify_options options = {
	    .structure = true, .limit_ms = all ? 0 : START_CHECK_MS};

	verify_in_child(dir, &options, &report, ret);
}

static enum mqi_err
refuse(const char *dir, char **ret_why)
{
	*ret_why = mode_path("the store in %s is damaged (the lines above say "
			     "where): \"mqadmin verify\" says more, "
			     "\"mqadmin restore\" makes the queue manager from "
			     "a backup",
	    dir);
	return MQI_E_OBJECT_DAMAGED;
}

static enum mqi_err
mend(const char *dir, char **ret_why)
{
	struct mode_salvaged s = {.kept = NULL};

	if (!mode_salvage(dir, &s))
		return refuse(dir, ret_why);
	mqlog(MQLOG_ERROR, "store.salvaged",
	    "%" PRIu64 " damaged pages are left out, and what was on them is "
	    "lost; everything else is served; the file as it was is %s",
	    s.lost, s.kept);
	free(s.kept);
	return MQI_OK;
}

enum mqi_err
start_check(const char *dir, char **ret_why)
{
	char *data = mode_path("%s/store/data.mdb", dir);
	bool is_new = access(data, F_OK) != 0;
	char why[128] = "";
	struct verify_outcome o;
	bool suspect;
	enum mqi_err err = MQI_OK;

	free(data);
	if (is_new)
		return MQI_OK;
	suspect = store_is_suspect(dir, why, sizeof(why));
	if (suspect)
		mqlog(MQLOG_WARN, "store.suspect",
		    "the queue manager ended by \"%s\"; all pages of the store "
		    "are looked at first",
		    why);
	look(dir, suspect, &o);
	/* a part tells that there is damage, the whole what it is */
	if (o.err == MQI_OK && o.result.pages > 0 && !suspect)
		look(dir, true, &o);
	if (o.err != MQI_OK) {
		*ret_why = mode_path(
		    "the store in %s cannot be looked at: %s", dir, o.why);
		return o.err;
	}
	if (o.result.records > 0)
		return refuse(dir, ret_why);
	if (o.result.pages > 0)
		err = mend(dir, ret_why);
	if (err == MQI_OK && suspect)
		store_suspect_clear(dir);
	return err;
}

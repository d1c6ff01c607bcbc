/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_verify.c - qmgr NAME --verify: looks at the whole store and says what
 * is wrong, in lines that mqadmin verify turns into a table or JSON.
 *
 * The queue manager is stopped (and kept from starting), or it runs: then a
 * read transaction keeps what it has committed as it is meanwhile.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "qmgr/mode.h"
#include "qmgr/mode_files.h"
#include "qmgr/qmgr_dir.h"
#include "qmgr/store/store_lmdb_snapshot.h"
#include "qmgr/store/verify_child.h"

#define CLEAN 0
#define FINDINGS 1
#define NOT_LOOKED 2

#define SHOWN_MAX 10000u /* findings; the others are counted */

static void
field(const char *text)
{
	(void)putchar('\t');
	/* no bytes of a damaged file may end a line */
	for (; *text != '\0'; text++)
		(void)putchar(*text < ' ' || *text > '~' ? '?' : *text);
}

static void
looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	(void)ctx;
	(void)fputs("looked", stdout);
	field(what);
	(void)printf("\t%" PRIu64 "\t%" PRIu64 "\n", n, bytes);
}

static void
finding(void *ctx, const struct verify_finding *f)
{
	unsigned *shown = ctx;

	if (++*shown > SHOWN_MAX)
		return;
	(void)fputs("finding", stdout);
	field(verify_kind_name(f->kind));
	field(f->where);
	field(f->what);
	field(verify_advice(f->kind));
	(void)putchar('\n');
}

static int
verify(const char *dir, const struct verify_options *options)
{
	unsigned shown = 0;
	const struct verify_report report = {
	    .looked = looked, .finding = finding, .ctx = &shown};
	struct verify_outcome o;

	verify_in_child(dir, options, &report, &o);
	if (o.err != MQI_OK) {
		(void)fprintf(
		    stderr, "qmgr: the store in %s: %s\n", dir, o.why);
		return NOT_LOOKED;
	}
	(void)printf("end\t%" PRIu64 "\n", o.result.findings);
	if (fflush(stdout) != 0)
		return NOT_LOOKED;
	return o.result.findings > 0 ? FINDINGS : CLEAN;
}

static int
verify_running(const char *dir, struct verify_options *options)
{
	struct store_snapshot *s;
	char *why = NULL;
	int status;

	if (store_snapshot_open(dir, &s, &why) != MQI_OK) {
		(void)fprintf(stderr, "qmgr: %s\n",
		    why != NULL ? why : "the store cannot be read");
		free(why);
		return NOT_LOOKED;
	}
	options->metas = store_snapshot_metas(s);
	options->txnid = store_snapshot_txnid(s);
	status = verify(dir, options);
	(void)store_snapshot_close(s);
	return status;
}

/* A walk keeps what it looks at from being used again: it has an end. */
static uint64_t
scrub_rate(const char *dir, uint64_t rate)
{
	char *path = mode_path("%s/store/data.mdb", dir);
	uint64_t least = mode_file_size(path) / SCRUB_MAX_S;

	free(path);
	return rate > least ? rate : least;
}

static int
verify_by(const struct mode_options *opts, bool scrub)
{
	struct verify_options options = {.structure = opts->structure};
	struct qmgr_dir dir;
	char *why = NULL;
	enum mqi_err err =
	    qmgr_dir_open(opts->name, opts->root, false, &dir, &why);
	int status = NOT_LOOKED;

	if (scrub && (err == MQI_OK || err == MQI_E_RUNNING))
		options.rate = scrub_rate(dir.data, opts->rate);
	if (err == MQI_OK)
		status = verify(dir.data, &options);
	else if (err == MQI_E_RUNNING)
		status = verify_running(dir.data, &options);
	else
		(void)fprintf(stderr, "qmgr: %s\n",
		    why != NULL ? why : mqi_strerror(err));
	free(why);
	qmgr_dir_close(&dir);
	return status;
}

int
mode_verify(const struct mode_options *opts)
{
	return verify_by(opts, false);
}

int
mode_scrub(const struct mode_options *opts)
{
	/* linux/ioprio.h is not installed everywhere: class idle */
	const int idle = 3 << 13;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, 1, 0, idle);
	return verify_by(opts, true);
}

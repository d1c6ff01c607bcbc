/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_images.c - what a power cut may leave on the disk of a busy queue
 * manager, recovered and judged, 300 times.
 *
 * A recorder traces every write and flush of qmgr while applications put and
 * get.  For instants by chance, an image of the disk is built in which writes
 * that no flush had covered are dropped, torn at 512 bytes and reordered
 * (image.h).  A queue manager recovers from each; all that is on its queues is
 * judged against what the applications knew at that instant (checker.h).
 *
 * For some of them the recovery itself is traced and killed at one of its first
 * writes, and what recovers is an image of the disk at an instant of that.
 * Checkpoints come every few milliseconds, so that there is one in most images.
 *
 * The same is done with the flush taken out, and there the judge must find
 * faults: else this test could not see a missing flush.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "tests/lib/image.h"
#include "tests/lib/workload.h"

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct checker *checker;
	char base[PATH_MAX]; /* the root before the trace */
	char trace[PATH_MAX];
	uint64_t seed;
};

#define RECOVERY_CALLS 40u /* writes and flushes, to die at one of them */

static void
copy_tree(const char *from, const char *to, const char *log)
{
	struct stat st;

	tmpdir_clear(to, 1);
	assert_int_equal(proc_run((const char *const[]){"/bin/cp", "-a",
				      "--sparse=always", from, to, NULL},
			     NULL, log, NULL),
	    0);
	assert_int_equal(stat(to, &st), 0);
}

static void
set_checkpoints(const struct qm *qm)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%.4000s/%s/qm.ini", qm->root, qm->name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("Log:\n   CheckpointBytes=1048576\n"
			  "   CheckpointMilliseconds=10\n",
			f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char log[PATH_MAX];

	f->seed = test_seed("test_images");
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, WORKLOAD_MQSC);
	proc_stop(&f->qm.proc);
	set_checkpoints(&f->qm);
	snprintf(f->base, sizeof(f->base), "%.4000s/base", f->dir.path);
	snprintf(f->trace, sizeof(f->trace), "%.4000s/trace", f->dir.path);
	snprintf(log, sizeof(log), "%.4000s/cp.log", f->dir.path);
	copy_tree(f->qm.root, f->base, log);
	qm_record(&f->qm, f->trace);
	f->checker = checker_new(&f->qm.control->trace_seq);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	checker_free(f->checker);
	free(f);
	return 0;
}

/* A busy queue manager, traced; ends by kill -9. */
static void
record_history(struct fixture *f, bool no_flush)
{
	struct workload w = {.qm = &f->qm,
	    .checker = f->checker,
	    .seed = mqrand_next(&f->seed),
	    .rounds = test_is_long() ? 1000 : 120};

	f->qm.control->no_flush = no_flush;
	qm_start(&f->qm);
	workload_run(&w);
	proc_kill9(&f->qm.proc);
	assert_int_equal(w.faults, 0);
	assert_int_equal(w.broken, 0);
}

/* Has the queue manager die while it recovers, and the power fail with it. */
static void
crash_in_recovery(struct fixture *f, struct qm *qm, struct image_stats *stats)
{
	char base[PATH_MAX], trace[PATH_MAX], log[PATH_MAX];
	struct trace *t;
	mqi_conn *conn;

	snprintf(base, sizeof(base), "%.4000s/base2", f->dir.path);
	snprintf(trace, sizeof(trace), "%.4000s/trace2", f->dir.path);
	snprintf(log, sizeof(log), "%.4000s/cp.log", f->dir.path);
	copy_tree(qm->root, base, log);
	(void)unlink(trace);
	qm_record(qm, trace);
	qm->control->kill_at = 3 + mqrand_next(&f->seed) % RECOVERY_CALLS;
	qm_spawn(qm);
	conn = qm_try_connect(qm);
	if (conn)
		(void)mqi_disconnect(conn);
	proc_kill9(&qm->proc);
	munmap(qm->control, sizeof(*qm->control));
	qm->control = NULL;
	copy_tree(base, qm->root, log);
	t = trace_read(trace);
	image_build(t, 1 + mqrand_next(&f->seed) % trace_last(t), &f->seed,
	    qm->root, stats);
	trace_free(t);
}

/* Recovers one image; true if it is right. */
static bool
judge_image(struct fixture *f, const struct trace *t, uint64_t at,
    struct image_stats *stats, struct checker_report *ret_report)
{
	struct qm qm = f->qm;
	struct checker_drained *drained;
	struct image_stats in_recovery = {0};
	char log[PATH_MAX];
	size_t n;

	snprintf(qm.root, sizeof(qm.root), "%.4000s/image", f->dir.path);
	snprintf(
	    qm.proc.log, sizeof(qm.proc.log), "%.4000s/image.log", f->dir.path);
	snprintf(log, sizeof(log), "%.4000s/cp.log", f->dir.path);
	qm.control = NULL;
	copy_tree(f->base, qm.root, log);
	image_build(t, at, &f->seed, qm.root, stats);
	if (mqrand_next(&f->seed) % 3 == 0) {
		crash_in_recovery(f, &qm, &in_recovery);
		stats->durable += in_recovery.durable;
		stats->kept += in_recovery.kept;
		stats->dropped += in_recovery.dropped;
		stats->torn += in_recovery.torn;
	}
	qm_spawn(&qm);
	mqi_conn *conn = qm_try_connect(&qm);
	memset(ret_report, 0, sizeof(*ret_report));
	if (!conn)
		return false;
	(void)mqi_disconnect(conn);
	bool ok = workload_drain(&qm, false, &drained, &n);
	ok = checker_judge(f->checker, at, drained, n, false, ret_report) && ok;
	free(drained);
	qm_fini(&qm);
	return ok;
}

/* Returns how many of n images were wrong. */
static unsigned
judge_images(struct fixture *f, unsigned n, bool verbose)
{
	struct trace *t = trace_read(f->trace);
	struct image_stats s, sum = {0};
	struct checker_report r;
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = 1 + mqrand_next(&f->seed) % trace_last(t);
		bool ok = judge_image(f, t, at, &s, &r);
		sum.durable += s.durable;
		sum.kept += s.kept;
		sum.dropped += s.dropped;
		sum.torn += s.torn;
		if (ok)
			continue;
		wrong++;
		if (verbose) {
			printf("image %u, after record %llu of %llu: ", i,
			    (unsigned long long)at,
			    (unsigned long long)trace_last(t));
			checker_print(&r, "wrong");
		}
	}
	printf("%u images: %u wrong; writes: %u durable, of the others %u "
	       "kept, %u dropped, %u torn\n",
	    n, wrong, sum.durable, sum.kept, sum.dropped, sum.torn);
	trace_free(t);
	return wrong;
}

static void
test_every_image_of_the_disk_recovers_what_was_acknowledged(void **state)
{
	struct fixture *f = *state;

	record_history(f, false);
	assert_int_equal(
	    judge_images(f, test_is_long() ? 10000 : 300, true), 0);
}

static void
test_the_judge_finds_the_loss_when_the_flush_is_taken_out(void **state)
{
	struct fixture *f = *state;

	record_history(f, true);
	assert_true(judge_images(f, 12, false) > 6);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_every_image_of_the_disk_recovers_what_was_acknowledged),
	    TEST(test_the_judge_finds_the_loss_when_the_flush_is_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

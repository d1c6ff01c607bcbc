/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_recovery.c - the journal never holds more that LMDB has not than its
 * bound, however far behind the checkpoint is; so a start has a bounded amount
 * to replay.  The bound is tested by amount: the checkpoint thread is stopped
 * (ptrace), puts go on until they are held, and what a start after kill -9
 * says that it has applied is compared.  How long that takes is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "qmgr/engine/engine_int.h"
#include "tests/lib/qm.h"

#define BODY_LEN 1024u
#define MANY 256u /* puts that wait together */
/* the last batch may pass it */
#define BOUND(max) ((uint64_t)(max) + STORE_BATCH_MAX)
#define SMALL_CHECKPOINT 2097152u /* and it may be three times behind */
#define LOOK_MS 100
#define STILL 20u /* looks without progress: puts are held */

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	pid_t checkpoint; /* thread that is stopped */
	mqi_conn *conn;   /* the producer's */
	mqi_queue *queue;
	_Atomic uint64_t acked;
	uint64_t max; /* that LMDB may lack */
};

static void
begin(void **state, uint64_t max, const char *ini)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[4200];
	FILE *file;

	f->max = max;
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	if (ini != NULL) {
		(void)snprintf(
		    path, sizeof(path), "%s/root/QM1/qm.ini", f->dir.path);
		file = fopen(path, "w");
		assert_non_null(file);
		assert_true(fputs(ini, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(Q) DEFPSIST(YES) MAXDEPTH(999999999)\n");
	f->conn = qm_connect(&f->qm);
	OK(mqi_open(f->conn, "Q", NULL, MQI_OO_OUTPUT, &f->queue));
	*state = f;
}

static int
setup(void **state)
{
	begin(state, ENGINE_UNAPPLIED_MAX, NULL);
	return 0;
}

static int
setup_small(void **state)
{
	begin(state, 3 * SMALL_CHECKPOINT,
	    "Log:\nCheckpointBytes=2097152\nLogFilePages=2050\n"
	    "LogSecondaryFiles=0\n");
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- a thread of the queue manager, stopped ---- */

static bool
is_named(pid_t pid, const char *tid, const char *name)
{
	char path[128], comm[64] = "";

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)pid, tid);
	FILE *file = fopen(path, "r");
	if (!file)
		return false;
	(void)!fgets(comm, sizeof(comm), file);
	(void)fclose(file);
	comm[strcspn(comm, "\n")] = '\0';
	return strcmp(comm, name) == 0;
}

static pid_t
find_thread(pid_t pid, const char *name)
{
	char path[64];
	struct dirent *d;
	pid_t tid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		if (is_named(pid, d->d_name, name))
			tid = (pid_t)atoi(d->d_name);
	}
	(void)closedir(dir);
	assert_true(tid > 0);
	return tid;
}

static void
stop_checkpoints(struct fixture *f)
{
	int status;

	f->checkpoint = find_thread(f->qm.proc.pid, "checkpoint");
	assert_int_equal(ptrace(PTRACE_SEIZE, f->checkpoint, NULL, NULL), 0);
	assert_int_equal(
	    ptrace(PTRACE_INTERRUPT, f->checkpoint, NULL, NULL), 0);
	assert_int_equal(
	    waitpid(f->checkpoint, &status, __WALL), f->checkpoint);
}

static void
kill_it(struct fixture *f)
{
	(void)kill(f->qm.proc.pid, SIGKILL);
	/* else the process could not go */
	(void)waitpid(f->checkpoint, NULL, __WALL);
	proc_kill9(&f->qm.proc);
}

/* ---- puts until they are held ---- */

static void *
produce(void *arg)
{
	struct fixture *f = arg;
	static unsigned char bodies[MANY][BODY_LEN];
	uint64_t n = 0;
	enum mqi_err err;

	do {
		struct mqi_put_item items[MANY] = {0};

		for (unsigned i = 0; i < MANY; i++, n++) {
			memcpy(bodies[i], &n, sizeof(n));
			items[i].body = bodies[i];
			items[i].body_len = BODY_LEN;
		}
		err = mqi_put_many(f->queue, NULL, items, MANY);
		for (unsigned i = 0; i < MANY; i++)
			f->acked += items[i].result == MQI_OK;
	} while (err == MQI_OK);
	return NULL;
}

static void
wait_until_held(struct fixture *f)
{
	uint64_t before = 0;

	for (unsigned still = 0; still < STILL; still++) {
		(void)poll(NULL, 0, LOOK_MS);
		if (f->acked != before)
			still = 0;
		before = f->acked;
		/* it is not held */
		assert_true(before * BODY_LEN <= BOUND(f->max));
	}
}

/* ---- what the start says ---- */

static uint64_t
bytes_recovered(const struct fixture *f)
{
	FILE *file = fopen(f->qm.proc.log, "r");
	char line[4096], *p;
	unsigned long long bytes = 0, ms = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		p = strstr(line, "journal.recovered");
		if (p != NULL && (p = strstr(p, "applied: ")) != NULL)
			(void)sscanf(
			    p, "applied: %llu bytes in %llu ms", &bytes, &ms);
	}
	(void)fclose(file);
	(void)printf(
	    "recovery: %.1f MiB in %llu ms\n", (double)bytes / 1048576, ms);
	return bytes;
}

/* All that were acknowledged are there, in order; others may be. */
static void
drain(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	struct mqi_get_opts opts = {.wait_ms = 2000};
	struct mqi_queue_info info;
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	uint64_t number;

	OK(mqi_open(
	    conn, "Q", NULL, MQI_OO_INPUT_SHARED | MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	assert_true(info.depth >= f->acked && info.depth <= f->acked + MANY);
	OK(mqi_read_ahead(queue, NULL));
	for (uint64_t i = 0; i < info.depth; i++) {
		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_int_equal(number, i);
		OK(mqi_ack(queue, msg));
		mqi_msg_free(msg);
	}
	OK(mqi_disconnect(conn));
}

static void
test_what_a_start_replays_is_bounded(void **state)
{
	struct fixture *f = *state;
	pthread_t producer;
	uint64_t bytes;

	stop_checkpoints(f);
	assert_int_equal(pthread_create(&producer, NULL, produce, f), 0);
	wait_until_held(f);
	kill_it(f);
	assert_int_equal(pthread_join(producer, NULL), 0);
	(void)mqi_disconnect(f->conn);
	qm_start(&f->qm);
	bytes = bytes_recovered(f);
	assert_true(bytes >= f->acked * BODY_LEN);
	/* it was as full as it gets */
	assert_true(bytes > f->max / 2);
	assert_true(bytes <= BOUND(f->max));
	drain(f);
	proc_stop(&f->qm.proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_what_a_start_replays_is_bounded, setup, teardown),
	    /* the same in the smallest journal */
	    {.name = "test_the_bound_is_a_setting",
		.test_func = test_what_a_start_replays_is_bounded,
		.setup_func = setup_small,
		.teardown_func = teardown},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

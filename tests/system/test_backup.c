/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_backup.c - mqadmin backup, restore and compact.
 *
 * A backup is taken while some put and another moves messages from queue to
 * queue in units of work.  What is restored is one instant: all that had been
 * acknowledged before the backup began, nothing put after it ended, each
 * message on one of the two queues, and the depths are right.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rand.h"
#include "tests/lib/qm.h"

#define PUTTERS 3u
#define BODY_LEN 700u
#define NUMBERS_MAX 1000000u

#define OK(call) assert_int_equal((call), MQI_OK)
/* the same in threads */
#define MUST(call)                             \
	do {                                   \
		if ((call) != MQI_OK)          \
			proc_die(NULL, #call); \
	} while (0)

struct body {
	uint32_t putter;
	uint32_t number; /* 1, 2, 3, ... of the putter */
};

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	atomic_bool stop;
	_Atomic uint32_t begun[PUTTERS];
	_Atomic uint32_t done[PUTTERS];
	_Atomic uint32_t moved;
};

struct putter {
	struct fixture *f;
	uint32_t number;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(A) DEFPSIST(YES) MAXDEPTH(1000000)\n"
			"DEFINE QLOCAL(B) DEFPSIST(YES) MAXDEPTH(1000000)\n");
	*state = f;
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

/* mqadmin with the arguments; returns its exit status. */
static int
admin(const struct fixture *f, const char *root, char **ret_out,
    const char *const words[])
{
	char program[PATH_MAX];
	const char *argv[12] = {program};
	unsigned n = 1;
	char log[PATH_MAX + 16];
	int status;

	proc_bin("mqadmin", program, sizeof(program));
	for (; words[n - 1] != NULL; n++)
		argv[n] = words[n - 1];
	argv[n++] = "--root";
	argv[n++] = root;
	argv[n] = NULL;
	(void)snprintf(log, sizeof(log), "%s/admin.log", f->dir.path);
	status = proc_run(argv, NULL, log, ret_out);
	return status;
}

static mqi_queue *
open_queue(mqi_conn *conn, const char *name)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE, &queue));
	return queue;
}

/* ---- the load ---- */

static void *
put_main(void *arg)
{
	struct putter *p = arg;
	struct fixture *f = p->f;
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, "A");
	unsigned char bytes[BODY_LEN] = {0};
	struct body body = {.putter = p->number};

	while (!f->stop) {
		body.number++;
		memcpy(bytes, &body, sizeof(body));
		f->begun[p->number] = body.number;
		MUST(mqi_put(queue, NULL, NULL, bytes, sizeof(bytes)));
		f->done[p->number] = body.number;
	}
	OK(mqi_disconnect(conn));
	return NULL;
}

static void *
move_main(void *arg)
{
	struct fixture *f = arg;
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *from = open_queue(conn, "A");
	mqi_queue *to = open_queue(conn, "B");
	struct mqi_get_opts get = {.wait_ms = 100};

	while (!f->stop) {
		mqi_unit *unit;
		mqi_msg *msg = NULL;
		enum mqi_err err;

		MUST(mqi_begin(conn, &unit));
		err = mqi_get_msg(from, unit, &get, &msg);
		if (err == MQI_OK) {
			MUST(mqi_put(to, unit, NULL, mqi_msg_body(msg),
			    mqi_msg_len(msg)));
			mqi_msg_free(msg);
			f->moved++;
		}
		MUST(mqi_commit(unit));
	}
	OK(mqi_disconnect(conn));
	return NULL;
}

static void
wait_for_load(struct fixture *f, uint32_t n)
{
	bool enough = false;

	while (!enough) {
		enough = f->moved >= n;
		for (unsigned i = 0; i < PUTTERS; i++)
			enough = enough && f->done[i] >= n;
		(void)usleep(1000);
	}
}

/* ---- what is restored ---- */

static void
see(uint8_t *seen[PUTTERS], uint32_t highest[PUTTERS], mqi_queue *queue)
{
	struct mqi_get_opts opts = {.wait_ms = 0};
	struct mqi_queue_info info;
	uint64_t n = 0;
	mqi_msg *msg = NULL;

	OK(mqi_inquire(queue, &info));
	while (mqi_get_msg(queue, NULL, &opts, &msg) == MQI_OK) {
		struct body body;

		assert_int_equal(mqi_msg_len(msg), BODY_LEN);
		memcpy(&body, mqi_msg_body(msg), sizeof(body));
		mqi_msg_free(msg);
		assert_true(body.putter < PUTTERS);
		assert_true(body.number < NUMBERS_MAX);
		assert_int_equal(seen[body.putter][body.number], 0);
		seen[body.putter][body.number] = 1;
		if (body.number > highest[body.putter])
			highest[body.putter] = body.number;
		n++;
	}
	assert_int_equal(info.depth, n);
}

static void
check_restored(struct qm *qm, const uint32_t at_least[PUTTERS],
    const uint32_t at_most[PUTTERS])
{
	mqi_conn *conn = qm_connect(qm);
	uint8_t *seen[PUTTERS];
	uint32_t highest[PUTTERS] = {0};

	for (unsigned i = 0; i < PUTTERS; i++)
		seen[i] = calloc(NUMBERS_MAX, 1);
	see(seen, highest, open_queue(conn, "A"));
	see(seen, highest, open_queue(conn, "B"));
	for (unsigned i = 0; i < PUTTERS; i++) {
		print_message("putter %u: %u acknowledged before, %u in the "
			      "backup, %u begun at its end\n",
		    i, at_least[i], highest[i], at_most[i]);
		assert_true(highest[i] >= at_least[i]);
		assert_true(highest[i] <= at_most[i]);
		for (uint32_t n = 1; n <= highest[i]; n++)
			assert_int_equal(seen[i][n], 1);
		free(seen[i]);
	}
	OK(mqi_disconnect(conn));
}

static void
test_backup_of_a_running_queue_manager_is_one_instant(void **state)
{
	struct fixture *f = *state;
	struct putter putters[PUTTERS];
	pthread_t threads[PUTTERS + 1];
	uint32_t at_least[PUTTERS];
	uint32_t at_most[PUTTERS];
	char backup[PATH_MAX + 16];
	struct qm restored;

	(void)snprintf(backup, sizeof(backup), "%s/backup", f->dir.path);
	for (uint32_t i = 0; i < PUTTERS; i++) {
		putters[i] = (struct putter){f, i};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, put_main, &putters[i]),
		    0);
	}
	assert_int_equal(
	    pthread_create(&threads[PUTTERS], NULL, move_main, f), 0);
	wait_for_load(f, 100);
	for (unsigned i = 0; i < PUTTERS; i++)
		at_least[i] = f->done[i];
	assert_int_equal(admin(f, f->qm.root, NULL,
			     (const char *[]){"backup", "QM1", backup, NULL}),
	    0);
	for (unsigned i = 0; i < PUTTERS; i++)
		at_most[i] = f->begun[i];
	wait_for_load(f, 150);
	f->stop = true;
	for (unsigned i = 0; i <= PUTTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	/* a second one does not take its place */
	assert_int_equal(admin(f, f->qm.root, NULL,
			     (const char *[]){"backup", "QM1", backup, NULL}),
	    10);
	/* nor does a restore take that of a queue manager */
	assert_int_equal(admin(f, f->qm.root, NULL,
			     (const char *[]){"restore", "QM1", backup, NULL}),
	    10);
	proc_stop(&f->qm.proc);

	restored = f->qm;
	(void)snprintf(
	    restored.root, sizeof(restored.root), "%.4000s/other", f->dir.path);
	assert_int_equal(admin(f, restored.root, NULL,
			     (const char *[]){"restore", "QM1", backup, NULL}),
	    0);
	qm_start(&restored);
	check_restored(&restored, at_least, at_most);
	proc_stop(&restored.proc);
}

/* ---- compact ---- */

static uint64_t
data_size(const struct fixture *f)
{
	char path[PATH_MAX + 64];
	struct stat st;

	(void)snprintf(
	    path, sizeof(path), "%s/QM1/data/store/data.mdb", f->qm.root);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void
put_some(const struct fixture *f, const char *queue_name, uint32_t n)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, queue_name);
	unsigned char bytes[BODY_LEN] = {0};

	for (uint32_t i = 1; i <= n; i++) {
		memcpy(bytes, &i, sizeof(i));
		OK(mqi_put_async(queue, NULL, NULL, bytes, sizeof(bytes)));
	}
	OK(mqi_flush(queue));
	OK(mqi_disconnect(conn));
}

static uint32_t
get_all(const struct fixture *f, const char *queue_name)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, queue_name);
	struct mqi_get_opts opts = {.wait_ms = 0};
	mqi_msg *msg = NULL;
	uint32_t n = 0;
	uint32_t number;

	while (mqi_get_msg(queue, NULL, &opts, &msg) == MQI_OK) {
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_int_equal(number, ++n);
		mqi_msg_free(msg);
	}
	OK(mqi_disconnect(conn));
	return n;
}

static void
test_compact_gives_the_disk_back_and_keeps_everything(void **state)
{
	struct fixture *f = *state;
	const char *const words[] = {"compact", "QM1", NULL};
	const char *const verify[] = {"verify", "QM1", NULL};
	uint64_t before;

	put_some(f, "A", 20000);
	put_some(f, "B", 500);
	assert_int_equal(get_all(f, "A"), 20000);
	/* not while it runs */
	assert_int_equal(admin(f, f->qm.root, NULL, words), 10);
	proc_stop(&f->qm.proc);
	before = data_size(f);
	assert_int_equal(admin(f, f->qm.root, NULL, words), 0);
	print_message("%llu bytes, were %llu\n",
	    (unsigned long long)data_size(f), (unsigned long long)before);
	assert_true(data_size(f) < 1000000);
	assert_int_equal(admin(f, f->qm.root, NULL, verify), 0);
	qm_start(&f->qm);
	assert_int_equal(get_all(f, "B"), 500);
	assert_int_equal(get_all(f, "A"), 0);
	assert_int_equal(admin(f, f->qm.root, NULL, verify), 0);
	proc_stop(&f->qm.proc);
}

/* ---- killed ---- */

/* Runs qmgr in a mode, killed before its nth write or flush; true if it came to
 * its end before that. */
static bool
run_killed(struct fixture *f, const char *const words[], uint64_t nth)
{
	char bin[PATH_MAX];
	char preload[PATH_MAX + 32];
	char control[PATH_MAX + 32];
	const char *argv[12] = {bin, f->qm.name};
	struct proc proc = {.pid = 0};
	unsigned n = 2;
	int status;

	proc_bin("qmgr", bin, sizeof(bin));
	for (; words[n - 2] != NULL; n++)
		argv[n] = words[n - 2];
	argv[n++] = "--root";
	argv[n++] = f->qm.root;
	argv[n] = NULL;
	(void)snprintf(preload, sizeof(preload),
	    "LD_PRELOAD=%s/tests/librecorder.so", getenv("MQ_BUILD"));
	(void)snprintf(
	    control, sizeof(control), RECORDER_ENV "=%s", f->qm.control_path);
	(void)snprintf(
	    proc.log, sizeof(proc.log), "%.4000s/mode.log", f->dir.path);
	f->qm.control->calls = 0;
	f->qm.control->kill_at = nth;
	proc_start(&proc, argv,
	    (const char *const[]){preload, control,
		"ASAN_OPTIONS=verify_asan_link_order=0", NULL});
	status = proc_wait(&proc);
	f->qm.control->kill_at = 0;
	if (WIFEXITED(status)) {
		if (WEXITSTATUS(status) != 0)
			proc_die(&proc, "it failed");
		return true;
	}
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return false;
}

static void
test_killed_compact_and_backup_leave_nothing_half(void **state)
{
	struct fixture *f = *state;
	const char *const verify[] = {"verify", "QM1", NULL};
	uint64_t seed = test_seed("test_backup");
	char backup[PATH_MAX + 16];
	char root[PATH_MAX];
	unsigned kills[2] = {0, 0};
	bool done = false;

	(void)snprintf(backup, sizeof(backup), "%s/backup", f->dir.path);
	put_some(f, "A", 2000);
	put_some(f, "B", 300);
	assert_int_equal(get_all(f, "A"), 2000);
	proc_stop(&f->qm.proc);
	qm_record(&f->qm, NULL);
	(void)snprintf(
	    f->qm.control->dir, sizeof(f->qm.control->dir), "%s", f->dir.path);
	for (uint64_t nth = 1; !done; nth += 1 + mqrand_next(&seed) % 3) {
		done = run_killed(
		    f, (const char *[]){"--backup", backup, NULL}, nth);
		kills[0] += !done;
		/* it has its name when it is whole, though the directory that
		 * it is in may not be flushed yet */
		if (access(backup, F_OK) == 0)
			done = true;
	}
	(void)snprintf(root, sizeof(root), "%.4000s/other", f->dir.path);
	assert_int_equal(admin(f, root, NULL,
			     (const char *[]){"restore", "QM1", backup, NULL}),
	    0);
	assert_int_equal(admin(f, root, NULL, verify), 0);
	done = false;
	for (uint64_t nth = 1; !done; nth += 1 + mqrand_next(&seed) % 3) {
		done = run_killed(f, (const char *[]){"--compact", NULL}, nth);
		kills[1] += !done;
		assert_int_equal(admin(f, f->qm.root, NULL, verify), 0);
	}
	print_message(
	    "%u backups and %u compactions were killed\n", kills[0], kills[1]);
	assert_true(kills[0] > 5 && kills[1] > 5);
	qm_start(&f->qm);
	assert_int_equal(get_all(f, "B"), 300);
	proc_stop(&f->qm.proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_backup_of_a_running_queue_manager_is_one_instant, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_compact_gives_the_disk_back_and_keeps_everything, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_killed_compact_and_backup_leave_nothing_half, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_damage.c - damaged stores, with the real programs: a damaged page or
 * journal is found by mqadmin verify, with the queue manager stopped and
 * running; no start is ended by it by a signal; what is not damaged is served;
 * and no queue that has lost messages looks empty without an error.  MQ_SEED=n
 * replays, MQ_LONG damages more.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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

#include "base/buf.h"
#include "base/rand.h"
#include "tests/lib/qm.h"

#define QUEUES 3u
#define EACH 300u
#define BODY_LEN 300u
#define PAGE 4096u
#define ROUNDS 12u
#define ROUNDS_LONG 300u

#define OK(call) assert_int_equal((call), MQI_OK)

static const char *const names[QUEUES] = {"A", "B", "C"};

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	char data[PATH_MAX]; /* data.mdb */
	uint8_t *image;      /* of it */
	size_t n_image;
};

/* ---- a store with three queues ---- */

static mqi_queue *
open_queue(mqi_conn *conn, const char *name)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE, &queue));
	return queue;
}

static void
fill(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	unsigned char bytes[BODY_LEN] = {0};

	for (unsigned q = 0; q < QUEUES; q++) {
		mqi_queue *queue = open_queue(conn, names[q]);

		for (uint32_t i = 1; i <= EACH; i++) {
			struct mqi_md md;

			mqi_md_init(&md);
			/* so that there is an index */
			memcpy(md.correl_id, &i, sizeof(i));
			memcpy(bytes, &i, sizeof(i));
			OK(mqi_put_async(
			    queue, NULL, &md, bytes, sizeof(bytes)));
		}
		OK(mqi_flush(queue));
	}
	OK(mqi_disconnect(conn));
}

static void
read_image(struct fixture *f)
{
	struct stat st;
	int fd = open(f->data, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	f->image = realloc(f->image, (size_t)st.st_size);
	f->n_image = (size_t)st.st_size;
	assert_int_equal(pread(fd, f->image, f->n_image, 0), st.st_size);
	(void)close(fd);
}

static void
write_data(const struct fixture *f, size_t at, const void *bytes, size_t len)
{
	int fd = open(f->data, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
	(void)close(fd);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(A) DEFPSIST(YES)\n"
			"DEFINE QLOCAL(B) DEFPSIST(YES)\n"
			"DEFINE QLOCAL(C) DEFPSIST(YES)\n");
	(void)snprintf(f->data, sizeof(f->data),
	    "%.3000s/QM1/data/store/data.mdb", f->qm.root);
	fill(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f->image);
	free(f);
	return 0;
}

/* mqadmin with the arguments; returns its exit status.  What it says of errors
 * is printed when the test fails. */
static int
admin(const struct fixture *f, char **ret_out, const char *const words[])
{
	char program[PATH_MAX];
	const char *argv[12] = {program};
	unsigned n = 1;
	char log[PATH_MAX + 16];

	proc_bin("mqadmin", program, sizeof(program));
	for (; words[n - 1] != NULL; n++)
		argv[n] = words[n - 1];
	argv[n++] = "--root";
	argv[n++] = f->qm.root;
	argv[n] = NULL;
	(void)snprintf(log, sizeof(log), "%s/admin.log", f->dir.path);
	return proc_run(argv, NULL, log, ret_out);
}

static void
must(const struct fixture *f, const char *const words[])
{
	struct proc p = {.pid = 0};

	if (admin(f, NULL, words) == 0)
		return;
	(void)snprintf(p.log, sizeof(p.log), "%.4000s/admin.log", f->dir.path);
	proc_print_log(&p);
	fail_msg("mqadmin %s failed", words[0]);
}

static void
verify_finds(const struct fixture *f, const char *text)
{
	const char *const words[] = {"verify", "QM1", NULL};
	char *out = NULL;

	assert_int_equal(admin(f, &out, words), 1);
	assert_non_null(out);
	if (strstr(out, text) == NULL)
		fail_msg("no \"%s\" in:\n%s", text, out);
	free(out);
}

static void
verify_is_clean(const struct fixture *f)
{
	const char *const words[] = {"verify", "QM1", NULL};

	assert_int_equal(admin(f, NULL, words), 0);
}

/* Room may be lost with what was lost. */
static void
verify_finds_only_room(const struct fixture *f)
{
	const char *const words[] = {"verify", "QM1", NULL};
	char *out = NULL;

	(void)admin(f, &out, words);
	assert_non_null(out);
	for (const char *p = out; (p = strstr(p, "FINDING(")) != NULL; p++)
		if (strncmp(p, "FINDING(room)", 13) != 0)
			fail_msg("more than room:\n%s", out);
	free(out);
}

/* ---- what is served ---- */

/* Gets everything of a queue; returns how many came whole.  *ret_end is the
 * reason of the last get. */
static uint32_t
drain(mqi_conn *conn, const char *name, enum mqi_err *ret_end)
{
	mqi_queue *queue = open_queue(conn, name);
	struct mqi_get_opts opts = {.wait_ms = 0};
	uint32_t last = 0;
	uint32_t n = 0;
	unsigned damaged = 0;

	for (;;) {
		mqi_msg *msg = NULL;
		enum mqi_err err = mqi_get_msg(queue, NULL, &opts, &msg);
		uint32_t number;

		*ret_end = err;
		/* one that is set aside; then the next */
		if (err == MQI_E_OBJECT_DAMAGED && damaged++ < EACH)
			continue;
		if (err != MQI_OK)
			break;
		assert_int_equal(mqi_msg_len(msg), BODY_LEN);
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_true(number > last && number <= EACH);
		last = number;
		n++;
		mqi_msg_free(msg);
	}
	if (damaged > 0)
		*ret_end = MQI_E_OBJECT_DAMAGED;
	return n;
}

/* The root of a table, by what mqadmin verify says when nothing is at all; a
 * leaf of rows is one whose keys have 17 bytes and values of rows' size. */
static size_t
find_leaf(const struct fixture *f, uint32_t key_len, size_t skip)
{
	for (size_t at = 2 * PAGE; at + PAGE <= f->n_image; at += PAGE) {
		const uint8_t *p = f->image + at;
		uint32_t n = (uint32_t)(mqbuf_get_u16(p + 12) - 16) / 2;

		if (mqbuf_get_u64(p) != at / PAGE ||
		    mqbuf_get_u16(p + 10) != 2 || n < 10 || n > PAGE / 2)
			continue;
		if (mqbuf_get_u16(p + mqbuf_get_u16(p + 16) + 6) == key_len &&
		    skip-- == 0)
			return at;
	}
	fail_msg("no leaf with keys of %u bytes", key_len);
	return 0;
}

/* ---- tests ---- */

static void
test_damage_is_found_while_it_runs(void **state)
{
	struct fixture *f = *state;
	uint8_t flipped;
	size_t at;

	/* all is in LMDB */
	proc_stop(&f->qm.proc);
	verify_is_clean(f);
	qm_start(&f->qm);
	verify_is_clean(f);
	read_image(f);
	/* the last byte of a leaf of rows is in a value; which of the leaves is
	 * in use, verify says */
	for (size_t skip = 0;; skip++) {
		const char *const words[] = {"verify", "QM1", NULL};

		at = find_leaf(f, 17, skip);
		flipped = f->image[at + PAGE - 2] ^ 0x10;
		write_data(f, at + PAGE - 2, &flipped, 1);
		if (admin(f, NULL, words) == 1)
			break;
		write_data(f, at + PAGE - 2, f->image + at + PAGE - 2, 1);
	}
	verify_finds(f, "its row is damaged");
	write_data(f, at + PAGE - 2, f->image + at + PAGE - 2, 1);
	verify_is_clean(f);
	proc_stop(&f->qm.proc);
}

static void
test_lost_leaf_of_rows_is_an_error_and_no_end(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zeros[PAGE];
	enum mqi_err ends[QUEUES];
	uint32_t got[QUEUES];
	uint32_t sum = 0;
	bool told = false;
	mqi_conn *conn;

	proc_stop(&f->qm.proc);
	/* packed, so that every leaf is in use */
	must(f, (const char *[]){"compact", "QM1", NULL});
	read_image(f);
	write_data(f, find_leaf(f, 17, 1), zeros, PAGE);
	verify_finds(f, "messages are lost, from");
	assert_int_equal(
	    admin(f, NULL, (const char *[]){"compact", "QM1", NULL}), 10);
	qm_start(&f->qm);
	conn = qm_connect(&f->qm);
	for (unsigned q = 0; q < QUEUES; q++) {
		got[q] = drain(conn, names[q], &ends[q]);
		sum += got[q];
		told = told || ends[q] == MQI_E_OBJECT_DAMAGED;
		/* whoever misses something is told */
		assert_true(got[q] == EACH || ends[q] == MQI_E_OBJECT_DAMAGED);
	}
	print_message("got %u of %u\n", sum, QUEUES * EACH);
	assert_true(told);
	assert_true(sum >= QUEUES * EACH / 2 && sum < QUEUES * EACH);
	OK(mqi_disconnect(conn));
	proc_stop(&f->qm.proc);
	/* and for good, when a person says so */
	verify_finds(f, "it counts");
	must(f, (const char *[]){"compact", "QM1", "--salvage", NULL});
	verify_finds_only_room(f);
}

/* A byte in the records of the batch before the last one of log.000; 0: there
 * are not two. */
static off_t
find_batch(int fd)
{
	uint8_t h[64];
	off_t last = 0;
	off_t before = 0;

	for (off_t at = PAGE; pread(fd, h, sizeof(h), at) == sizeof(h);
	     at += 64) {
		if (memcmp(h, "SLBT", 4) != 0)
			continue;
		before = last;
		last = at;
	}
	return before == 0 ? 0 : before + 64 + 8;
}

static void
flip_in(int fd, off_t at)
{
	uint8_t b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 1;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
}

static void
put_one_by_one(const struct fixture *f, unsigned n)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_queue(conn, "A");

	for (unsigned i = 0; i < n; i++)
		OK(mqi_put(queue, NULL, NULL, "one", 3));
	OK(mqi_disconnect(conn));
}

static void
test_damaged_journal_is_found(void **state)
{
	struct fixture *f = *state;
	const char *const words[] = {"verify", "QM1", NULL};
	char path[PATH_MAX + 32];
	bool found = false;
	off_t at;
	int fd;

	(void)snprintf(
	    path, sizeof(path), "%.3000s/QM1/data/journal/log.000", f->qm.root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	/* unless a checkpoint came just before the end, the last batches are in
	 * the journal alone */
	while (!found) {
		put_one_by_one(f, 5);
		proc_kill9(&f->qm.proc);
		verify_is_clean(f);
		at = find_batch(fd);
		assert_true(at > 0);
		flip_in(fd, at);
		found = admin(f, NULL, words) == 1;
		if (found)
			break;
		flip_in(fd, at);
		qm_start(&f->qm);
	}
	verify_finds(f, "is damaged: some of what was put, got and");
	flip_in(fd, at);
	verify_is_clean(f);
	flip_in(fd, 100);
	verify_finds(f, "FINDING(journal) log.000: its header is damaged");
	(void)close(fd);
}

/* In the test's directory. */
static void
shell(const struct fixture *f, const char *command)
{
	char text[PATH_MAX + 256];
	char log[PATH_MAX + 16];

	(void)snprintf(
	    text, sizeof(text), "cd '%s' && %s", f->dir.path, command);
	(void)snprintf(log, sizeof(log), "%s/shell.log", f->dir.path);
	assert_int_equal(
	    proc_run((const char *const[]){"/bin/sh", "-c", text, NULL}, NULL,
		log, NULL),
	    0);
}

/* Starts it; true if it serves.  A signal is a fault. */
static bool
starts(struct fixture *f)
{
	mqi_conn *conn;
	int status = 0;

	qm_spawn(&f->qm);
	conn = qm_try_connect(&f->qm);
	if (conn != NULL) {
		OK(mqi_disconnect(conn));
		return true;
	}
	status = proc_wait(&f->qm.proc);
	if (!WIFEXITED(status)) {
		proc_print_log(&f->qm.proc);
		fail_msg("a start was ended by signal %d", WTERMSIG(status));
	}
	return false;
}

static void
check_served(struct fixture *f, unsigned *n_told)
{
	mqi_conn *conn = qm_connect(&f->qm);

	for (unsigned q = 0; q < QUEUES; q++) {
		enum mqi_err end;
		uint32_t got = drain(conn, names[q], &end);

		if (got == EACH)
			continue;
		if (end != MQI_E_OBJECT_DAMAGED) {
			proc_print_log(&f->qm.proc);
			fail_msg("queue %s gave %u of %u, and then %s",
			    names[q], got, EACH, mqi_strerror(end));
		}
		++*n_told;
	}
	OK(mqi_disconnect(conn));
}

static void
test_flipped_bits_never_end_a_start_by_a_signal(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = test_seed("test_damage");
	unsigned rounds = test_is_long() ? ROUNDS_LONG : ROUNDS;
	unsigned refused = 0;
	unsigned told = 0;

	proc_stop(&f->qm.proc);
	must(f, (const char *[]){"compact", "QM1", NULL});
	read_image(f);
	shell(f, "cp -a root/QM1/data saved");
	for (unsigned i = 0; i < rounds; i++) {
		size_t at = mqrand_next(&seed) % f->n_image;
		uint8_t flipped;

		/* most of them where they hurt */
		if (i % 3 != 0)
			at = at / PAGE * PAGE + mqrand_next(&seed) % 64;
		flipped =
		    f->image[at] ^ (uint8_t)(1u << (mqrand_next(&seed) % 8));
		write_data(f, at, &flipped, 1);
		if (starts(f)) {
			check_served(f, &told);
			proc_stop(&f->qm.proc);
		} else {
			refused++;
		}
		shell(f, "rm -rf root/QM1/data && cp -a saved root/QM1/data");
	}
	print_message("%u rounds: %u starts were refused, %u queues told of a "
		      "loss\n",
	    rounds, refused, told);
}

static void
test_start_after_a_crash_looks_at_everything(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX + 32];
	unsigned told = 0;
	int status;

	(void)snprintf(
	    path, sizeof(path), "%.3000s/QM1/data/store/SUSPECT", f->qm.root);
	/* a kill says nothing of the store */
	proc_kill9(&f->qm.proc);
	assert_int_not_equal(access(path, F_OK), 0);
	qm_start(&f->qm);
	/* as glibc ends who has written outside of its memory */
	assert_int_equal(kill(f->qm.proc.pid, SIGABRT), 0);
	status = proc_wait(&f->qm.proc);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(access(path, F_OK), 0);
	qm_start(&f->qm);
	assert_int_not_equal(access(path, F_OK), 0);
	check_served(f, &told);
	assert_int_equal(told, 0);
	proc_stop(&f->qm.proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_damage_is_found_while_it_runs, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_lost_leaf_of_rows_is_an_error_and_no_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_damaged_journal_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_start_after_a_crash_looks_at_everything, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_flipped_bits_never_end_a_start_by_a_signal, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

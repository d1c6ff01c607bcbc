/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_depth.c - a very deep queue, of 1 KiB messages: qmgr's private memory
 * stays under its bound throughout, it restarts in under a second, a message
 * is found by its correlation id anywhere, all messages are got, once, in
 * order, and the disk that they took is used again by as many.
 *
 * 300,000 messages, or 10,000,000 with --long.  A build with sanitizers runs
 * 50,000 and does not measure: its memory is the sanitizer's.  Rates are
 * `mqbench deep`'s.
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
#include <sys/stat.h>

#include "base/rand.h"
#include "tests/lib/qm.h"

#define BODY_LEN 1024
#define MEMORY_LIMIT_KB 131072u
#define MEMORY_EVERY 16384u /* messages */
#define ACK_EVERY 64u
#define LOOKS 100u
#define STARTS 3u
/* What is free but scattered, and the reserve behind what is used, may move;
 * a second fill that used new disk would take twice as much. */
#define REUSE_LIMIT 1.25
#define RESTART_LIMIT_MS 1000u

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	uint64_t depth;
	uint64_t seed;
	unsigned long most_kb; /* private memory, so far */
	unsigned char *taken;  /* by its id */
	uint64_t left;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->seed = test_seed("test_depth");
	f->depth = test_is_long() ? 10000000 : 300000;
	if (test_is_slow())
		f->depth = 50000;
	f->taken = calloc(f->depth, 1);
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(
	    &f->qm, "DEFINE QLOCAL(DEEP) DEFPSIST(YES) MAXDEPTH(999999999)\n");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f->taken);
	free(f);
	return 0;
}

/* Anonymous resident memory: what the process itself holds, without the
 * pages of the store's file that it has mapped. */
static unsigned long
private_kb(const struct qm *q)
{
	char path[64], line[256];
	unsigned long kb = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)q->proc.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "RssAnon: %lu kB", &kb) == 1)
			break;
	}
	(void)fclose(file);
	assert_true(kb > 0);
	return kb;
}

static void
check_memory(struct fixture *f)
{
	unsigned long kb = private_kb(&f->qm);

	if (kb > f->most_kb)
		f->most_kb = kb;
	if (!test_is_slow())
		assert_true(kb < MEMORY_LIMIT_KB);
}

static void
print_memory(struct fixture *f, const char *when)
{
	check_memory(f);
	(void)printf("%s: at most %lu KiB private so far\n", when, f->most_kb);
	(void)fflush(stdout);
}

/* Blocks of the store's file. */
static uint64_t
disk_bytes(const struct fixture *f)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(
	    path, sizeof(path), "%.3000s/QM1/data/store/data.mdb", f->qm.root);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static mqi_queue *
open_deep(mqi_conn *conn)
{
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, "DEEP", NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE, &queue));
	return queue;
}

static void
id_of(uint64_t n, uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = 1;
	for (unsigned i = 0; i < 8; i++)
		ret[MQI_ID_LEN - 8 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void
fill(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	unsigned char body[BODY_LEN] = {0};
	struct mqi_md md;

	mqi_md_init(&md);
	for (uint64_t i = 0; i < f->depth; i++) {
		memcpy(body, &i, sizeof(i));
		id_of(i, md.correl_id);
		OK(mqi_put_async(queue, NULL, &md, body, sizeof(body)));
		if (i % MEMORY_EVERY == 0)
			check_memory(f);
	}
	OK(mqi_flush(queue));
	OK(mqi_disconnect(conn));
	memset(f->taken, 0, f->depth);
	f->left = f->depth;
	print_memory(f, "full");
}

static void
check_depth(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	struct mqi_queue_info info;

	OK(mqi_inquire(queue, &info));
	assert_int_equal(info.depth, f->depth);
	OK(mqi_disconnect(conn));
}

/* After kill -9, when it replays its journal; and after stops, when nothing but
 * the depth could make every start long. */
static void
restart(struct fixture *f)
{
	uint64_t best = UINT64_MAX;

	proc_kill9(&f->qm.proc);
	qm_start(&f->qm);
	check_depth(f);
	for (unsigned i = 0; i < STARTS; i++) {
		uint64_t t;

		proc_stop(&f->qm.proc);
		t = test_now_ms();
		qm_start(&f->qm);
		check_depth(f);
		t = test_now_ms() - t;
		best = t < best ? t : best;
	}
	(void)printf("restart: %llu ms\n", (unsigned long long)best);
	if (!test_is_slow())
		assert_true(best < RESTART_LIMIT_MS);
}

static uint64_t
number_of(const mqi_msg *msg)
{
	uint64_t number;

	assert_int_equal(mqi_msg_len(msg), BODY_LEN);
	memcpy(&number, mqi_msg_body(msg), sizeof(number));
	return number;
}

/* Takes some by correlation id, anywhere. */
static void
look(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	struct mqi_get_opts opts = {.options = MQI_GET_MATCH_CORREL_ID};
	mqi_msg *msg = NULL;

	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t n = mqrand_next(&f->seed) % f->depth;
		enum mqi_err err;

		id_of(n, opts.correl_id);
		err = mqi_get_msg(queue, NULL, &opts, &msg);
		if (f->taken[n]) {
			assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
			continue;
		}
		OK(err);
		assert_int_equal(number_of(msg), n);
		mqi_msg_free(msg);
		f->taken[n] = 1;
		f->left--;
	}
	OK(mqi_disconnect(conn));
	print_memory(f, "looked for some");
}

static void
drain(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	struct mqi_get_opts opts = {.wait_ms = 30000};
	mqi_msg *msg = NULL;
	uint64_t next = 0;

	OK(mqi_read_ahead(queue, NULL));
	while (f->left > 0) {
		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		while (f->taken[next])
			next++;
		assert_int_equal(number_of(msg), next);
		next++;
		if (--f->left % ACK_EVERY == 0)
			OK(mqi_ack(queue, msg));
		mqi_msg_free(msg);
		if (f->left % MEMORY_EVERY == 0)
			check_memory(f);
	}
	OK(mqi_flush(queue));
	opts.wait_ms = 0;
	assert_int_equal(
	    mqi_get_msg(queue, NULL, &opts, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
	print_memory(f, "empty");
}

static void
test_memory_restart_and_disk_do_not_grow_with_depth(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second;

	fill(f);
	restart(f);
	first = disk_bytes(f);
	look(f);
	drain(f);
	fill(f);
	restart(f);
	second = disk_bytes(f);
	(void)printf("disk: %llu MiB, filled again %llu MiB\n",
	    (unsigned long long)first >> 20, (unsigned long long)second >> 20);
	assert_true((double)second < (double)first * REUSE_LIMIT);
	drain(f);
	proc_stop(&f->qm.proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_memory_restart_and_disk_do_not_grow_with_depth, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_depth.c - 1,000,000 messages of 100 bytes on one queue: qmgr's private
 * memory stays under 64 MiB, it restarts in under a second, and all messages
 * are got, once, in order.
 *
 * A build with sanitizers runs a tenth and does not measure: its memory is
 * the sanitizer's.
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

#include "tests/lib/qm.h"

#define BODY_LEN 100
#define MEMORY_LIMIT_KB (64u * 1024u)
#define RESTART_LIMIT_MS 1000u

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	uint64_t depth;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->depth = test_is_slow() ? 100000 : 1000000;
	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(
	    &f->qm, "DEFINE QLOCAL(DEEP) DEFPSIST(YES) MAXDEPTH(2000000)\n");
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

/* Anonymous resident memory: what the process itself holds, without the
 * pages of the store's file that it has mapped. */
static unsigned long
private_kb(const struct qm *q)
{
	char path[64], line[256];
	unsigned long kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)q->proc.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "RssAnon: %lu kB", &kb) == 1)
			break;
	}
	fclose(file);
	assert_true(kb > 0);
	return kb;
}

static void
check_memory(const struct fixture *f, const char *when)
{
	unsigned long kb = private_kb(&f->qm);

	printf("%s: %lu KiB private\n", when, kb);
	fflush(stdout);
	if (!test_is_slow())
		assert_true(kb < MEMORY_LIMIT_KB);
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
fill(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	unsigned char body[BODY_LEN] = {0};
	uint64_t start = test_now_ms();

	for (uint64_t i = 0; i < f->depth; i++) {
		memcpy(body, &i, sizeof(i));
		OK(mqi_put_async(queue, NULL, NULL, body, sizeof(body)));
		if (i == f->depth / 2)
			check_memory(f, "half full");
	}
	OK(mqi_flush(queue));
	printf("%llu put in %llu ms\n", (unsigned long long)f->depth,
	    (unsigned long long)(test_now_ms() - start));
	OK(mqi_disconnect(conn));
}

static void
restart(struct fixture *f)
{
	struct mqi_queue_info info;

	proc_kill9(&f->qm.proc);
	uint64_t start = test_now_ms();
	qm_start(&f->qm);
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	OK(mqi_inquire(queue, &info));
	uint64_t took = test_now_ms() - start;
	printf("restart: %llu ms\n", (unsigned long long)took);
	assert_int_equal(info.depth, f->depth);
	if (!test_is_slow())
		assert_true(took < RESTART_LIMIT_MS);
	OK(mqi_disconnect(conn));
}

static void
drain(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = open_deep(conn);
	struct mqi_get_opts opts = {.wait_ms = 30000};
	uint64_t start = test_now_ms(), number;

	OK(mqi_read_ahead(queue, NULL));
	for (uint64_t i = 0; i < f->depth; i++) {
		mqi_msg *msg = NULL;
		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		assert_int_equal(mqi_msg_len(msg), BODY_LEN);
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_int_equal(number, i);
		if (i % 64 == 63 || i + 1 == f->depth)
			OK(mqi_ack(queue, msg));
		mqi_msg_free(msg);
		if (i == f->depth / 2)
			check_memory(f, "half empty");
	}
	OK(mqi_flush(queue));
	opts.wait_ms = 0;
	mqi_msg *none = NULL;
	assert_int_equal(
	    mqi_get_msg(queue, NULL, &opts, &none), MQI_E_NO_MSG_AVAILABLE);
	printf("%llu got in %llu ms\n", (unsigned long long)f->depth,
	    (unsigned long long)(test_now_ms() - start));
	OK(mqi_disconnect(conn));
}

static void
test_memory_and_restart_do_not_grow_with_depth(void **state)
{
	struct fixture *f = *state;

	fill(f);
	check_memory(f, "full");
	restart(f);
	check_memory(f, "restarted");
	drain(f);
	check_memory(f, "empty");
	proc_stop(&f->qm.proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_memory_and_restart_do_not_grow_with_depth, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

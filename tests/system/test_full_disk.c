/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_full_disk.c - a queue manager on a small ext4 that is full: puts are
 * refused with 2192, and nothing else is; every acknowledged message is there,
 * once and in order, also after kill -9 and a start on the full disk; when
 * there is room again, it takes messages again, by itself.
 *
 * The disk is filled by another process, by the queue manager's own messages,
 * and while large messages are on their way.  Without the right to mount, the
 * tests are skipped, and say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/disk.h"
#include "tests/lib/qm.h"

#define DISK_MIB 288u
#define MIB ((size_t)1024 * 1024)
#define NUMBERS 400000u /* more 1 KiB messages than fit on the disk */
#define MANY 64u        /* puts that wait together */
#define SMALL 1024u
#define MEDIUM ((size_t)200 * 1024) /* staged, in pieces */
#define LARGE (100 * MIB)
#define ROOM_DEADLINE_MS 30000u

#define OK(call) assert_int_equal((call), MQI_OK)
#define FULL(call) assert_int_equal((call), MQI_E_STORAGE_MEDIUM_FULL)

#define MQSC                                                  \
	"DEFINE QLOCAL(Q) DEFPSIST(YES) MAXDEPTH(1000000) "   \
	"MAXMSGL(104857600)\n"                                \
	"DEFINE QLOCAL(OTHER) DEFPSIST(YES) MAXDEPTH(1000)\n" \
	"ALTER QMGR MAXMSGL(104857600)\n"

struct fixture {
	struct tmpdir dir;
	struct disk disk;
	struct qm qm;
	mqi_conn *conn;
	mqi_queue *queue;
	unsigned char *body; /* LARGE */
	/* numbers of messages from 1: acked[n] was acknowledged and not got */
	unsigned char *acked;
	uint64_t put; /* last number tried */
	uint64_t got; /* last number got */
	uint64_t depth;
};

static void
attach(struct fixture *f)
{
	f->conn = qm_connect(&f->qm);
	OK(mqi_open(f->conn, "Q", NULL,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE |
		MQI_OO_BROWSE,
	    &f->queue));
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	tmpdir_make(&f->dir);
	if (!disk_make(&f->disk, &f->dir, DISK_MIB))
		return 0;
	f->body = calloc(1, LARGE);
	f->acked = calloc(NUMBERS + 1, 1);
	qm_create(&f->qm, &f->disk.dir, "QM1");
	/* what it logs must not need the disk */
	(void)snprintf(f->qm.proc.log, sizeof(f->qm.proc.log),
	    "%.4000s/QM1.log", f->dir.path);
	qm_start(&f->qm);
	qm_mqsc(&f->qm, MQSC);
	attach(f);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)mqi_disconnect(f->conn);
	qm_fini(&f->qm);
	disk_unmount(&f->disk);
	tmpdir_free(&f->dir);
	free(f->acked);
	free(f->body);
	free(f);
	return 0;
}

/* ---- puts and gets that keep the account ---- */

static size_t
len_of(uint64_t number)
{
	return number % 64 == 0 ? MEDIUM : SMALL - number % 512;
}

/* Puts `n` (at most MANY) and tells of the first that was refused. */
static enum mqi_err
put_many(struct fixture *f, unsigned n)
{
	static unsigned char bodies[MANY][MEDIUM];
	struct mqi_put_item items[MANY] = {0};
	enum mqi_err err;

	for (unsigned i = 0; i < n; i++) {
		uint64_t number = f->put + 1 + i;
		memcpy(bodies[i], &number, sizeof(number));
		items[i].body = bodies[i];
		items[i].body_len = len_of(number);
	}
	err = mqi_put_many(f->queue, NULL, items, n);
	for (unsigned i = 0; i < n; i++) {
		f->put++;
		assert_true(f->put <= NUMBERS);
		f->acked[f->put] = items[i].result == MQI_OK;
		f->depth += items[i].result == MQI_OK;
	}
	return err;
}

/* Puts until it is refused for want of room. */
static void
put_until_full(struct fixture *f)
{
	enum mqi_err err;

	do {
		err = put_many(f, MANY);
	} while (err == MQI_OK);
	assert_int_equal(err, MQI_E_STORAGE_MEDIUM_FULL);
}

/* The next message that must come. */
static uint64_t
next_acked(const struct fixture *f, uint64_t after)
{
	uint64_t n = after + 1;

	while (n <= f->put && !f->acked[n])
		n++;
	return n;
}

/* Gets one; false when the queue is empty. */
static bool
get_one(struct fixture *f, mqi_unit *unit, bool ack)
{
	struct mqi_get_opts opts = {0};
	mqi_msg *msg = NULL;
	uint64_t number;
	enum mqi_err err;

	opts.wait_ms = ack ? 2000 : 0;
	err = mqi_get_msg(f->queue, unit, &opts, &msg);
	if (err == MQI_E_NO_MSG_AVAILABLE)
		return false;
	OK(err);
	memcpy(&number, mqi_msg_body(msg), sizeof(number));
	assert_int_equal(number, next_acked(f, f->got));
	assert_int_equal(mqi_msg_len(msg), len_of(number));
	if (ack)
		OK(mqi_ack(f->queue, msg));
	mqi_msg_free(msg);
	f->got = number;
	f->depth--;
	return true;
}

static void
get_all(struct fixture *f)
{
	OK(mqi_read_ahead(f->queue, NULL));
	while (f->depth > 0)
		assert_true(get_one(f, NULL, true));
	OK(mqi_flush(f->queue));
	OK(mqi_disconnect(f->conn));
	attach(f);
	assert_false(get_one(f, NULL, false));
	assert_true(next_acked(f, f->got) > f->put);
}

static void
check_depth(struct fixture *f)
{
	struct mqi_queue_info info;

	OK(mqi_inquire(f->queue, &info));
	assert_int_equal(info.depth, f->depth);
}

/* ---- what works and what does not on a full disk ---- */

static void
puts_are_refused(struct fixture *f)
{
	unsigned char body[SMALL] = {0};
	mqi_unit *unit = NULL;

	FULL(mqi_put(f->queue, NULL, NULL, body, sizeof(body)));
	FULL(mqi_put(f->queue, NULL, NULL, f->body, MEDIUM));
	FULL(mqi_put(f->queue, NULL, NULL, f->body, LARGE));
	OK(mqi_begin(f->conn, &unit));
	FULL(mqi_put(f->queue, unit, NULL, body, sizeof(body)));
	OK(mqi_backout(unit));
	/* asynchronously: told by the flush */
	OK(mqi_put_async(f->queue, NULL, NULL, body, sizeof(body)));
	FULL(mqi_flush(f->queue));
}

/* Needs no disk. */
static void
non_persistent_messages_go_on(struct fixture *f)
{
	mqi_queue *other = NULL;
	struct mqi_md md;
	unsigned char body[SMALL] = {0};
	size_t len;

	OK(mqi_open(f->conn, "OTHER", NULL, MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT,
	    &other));
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_NO;
	OK(mqi_put(other, NULL, &md, body, sizeof(body)));
	OK(mqi_get(other, NULL, NULL, body, sizeof(body), &md, &len));
	OK(mqi_close(other));
}

static void
gets_work(struct fixture *f)
{
	mqi_unit *unit = NULL;
	uint64_t got, depth;

	for (unsigned i = 0; i < 100; i++)
		assert_true(get_one(f, NULL, false));
	got = f->got;
	depth = f->depth;
	OK(mqi_begin(f->conn, &unit));
	for (unsigned i = 0; i < 100; i++)
		assert_true(get_one(f, unit, false));
	OK(mqi_backout(unit));
	f->got = got;
	f->depth = depth;
	OK(mqi_begin(f->conn, &unit));
	for (unsigned i = 0; i < 100; i++)
		assert_true(get_one(f, unit, false));
	OK(mqi_commit(unit));
	check_depth(f);
}

static void
restart(struct fixture *f, bool crash)
{
	if (crash)
		proc_kill9(&f->qm.proc);
	(void)mqi_disconnect(f->conn);
	f->conn = NULL;
	if (!crash)
		proc_stop(&f->qm.proc);
	qm_start(&f->qm);
	attach(f);
	check_depth(f);
}

/* Nobody does anything but ask: it must notice by itself. */
static void
wait_for_room(struct fixture *f)
{
	uint64_t end = test_now_ms() + ROOM_DEADLINE_MS;
	enum mqi_err err;

	while ((err = put_many(f, 1)) == MQI_E_STORAGE_MEDIUM_FULL) {
		assert_true(test_now_ms() < end);
		(void)poll(NULL, 0, 10);
	}
	OK(err);
	OK(put_many(f, MANY));
}

static void
live_on_full_disk(struct fixture *f)
{
	puts_are_refused(f);
	non_persistent_messages_go_on(f);
	qm_mqsc(&f->qm, "DISPLAY QLOCAL(*) CURDEPTH\nDISPLAY QMGR\n");
	check_depth(f);
	gets_work(f);
	restart(f, true);
	restart(f, false);
	get_all(f);
}

static void
test_another_process_fills_the_disk(void **state)
{
	struct fixture *f = *state;

	if (!f->body)
		skip();
	for (unsigned i = 0; i < 20; i++)
		OK(put_many(f, MANY));
	disk_fill(&f->disk, 0);
	put_until_full(f);
	live_on_full_disk(f);
	disk_relieve(&f->disk);
	wait_for_room(f);
	restart(f, true);
	get_all(f);
}

static void
test_messages_fill_the_disk(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second;

	if (!f->body)
		skip();
	put_until_full(f);
	first = f->depth;
	live_on_full_disk(f);
	wait_for_room(f);
	put_until_full(f);
	second = f->depth;
	(void)printf("messages until it was full: %llu, again %llu\n",
	    (unsigned long long)first, (unsigned long long)second);
	/* what is free is used again */
	assert_true(second > first / 2);
	disk_fill(&f->disk, 0);
	restart(f, true);
	get_all(f);
}

/* It is refused on its way, and leaves nothing behind. */
static void
test_a_large_message_does_not_fit(void **state)
{
	struct fixture *f = *state;
	mqi_unit *unit = NULL;

	if (!f->body)
		skip();
	OK(put_many(f, MANY));
	disk_fill(&f->disk, 20 * MIB);
	FULL(mqi_put(f->queue, NULL, NULL, f->body, LARGE));
	check_depth(f);
	/* what it had taken is free again */
	wait_for_room(f);
	OK(mqi_begin(f->conn, &unit));
	OK(mqi_put(f->queue, unit, NULL, f->body, SMALL));
	FULL(mqi_put(f->queue, unit, NULL, f->body, LARGE));
	OK(mqi_backout(unit));
	check_depth(f);
	restart(f, true);
	wait_for_room(f);
	disk_fill(&f->disk, 0);
	FULL(mqi_put(f->queue, NULL, NULL, f->body, LARGE));
	get_all(f);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_another_process_fills_the_disk),
	    TEST(test_messages_fill_the_disk),
	    TEST(test_a_large_message_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

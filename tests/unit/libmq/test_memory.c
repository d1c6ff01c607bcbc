/* SPDX-License-Identifier: Apache-2.0 */
/* test_memory.c - libmq without memory: a session in which the Nth allocation
 * fails, for each N until none does; and how much an idle connection takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/libmq/fake.h"

#define BIG 100000u

/* Allocations of this thread until one fails; below 0: none does. */
static _Thread_local long countdown = -1;
static _Thread_local bool failed;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static bool
fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return false;
	failed = true;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

static uint8_t big[BIG];

static enum mqi_err
put_things(mqi_conn *c, mqi_queue *q)
{
	struct mqi_put_item items[2] = {
	    {.body = "1", .body_len = 1}, {.body = big, .body_len = BIG}};
	mqi_unit *u = NULL;
	enum mqi_err err;

	err = mqi_put(q, NULL, NULL, "x", 1);
	if (err == MQI_OK)
		err = mqi_put_many(q, NULL, items, 2);
	if (err == MQI_OK)
		err = mqi_put_async(q, NULL, NULL, big, BIG);
	if (err == MQI_OK)
		err = mqi_flush(q);
	if (err == MQI_OK)
		err = mqi_begin(c, &u);
	if (err != MQI_OK)
		return err;
	err = mqi_put_async(q, u, NULL, "u", 1);
	if (err != MQI_OK) {
		(void)mqi_backout(u);
		return err;
	}
	err = mqi_commit_async(u, NULL, NULL);
	return err == MQI_OK ? mqi_flush(q) : err;
}

static enum mqi_err
get_things(mqi_queue *q)
{
	static uint8_t buf[BIG];
	mqi_msg *msg = NULL;
	struct mqi_md md;
	size_t len;
	enum mqi_err err;

	err = mqi_get(q, NULL, NULL, buf, sizeof(buf), &md, &len);
	while (err == MQI_OK) {
		err = mqi_poll(q, NULL, &msg);
		if (err == MQI_OK)
			msg = mqi_msg_free(msg);
	}
	return err == MQI_E_NO_MSG_AVAILABLE ? MQI_OK : err;
}

/* Everything, until something fails. */
static enum mqi_err
session(struct fake *f)
{
	const struct mqi_connect_opts opts = {.root = f->root};
	mqi_queue *q = NULL;
	mqi_conn *c = NULL;
	enum mqi_err err, end;

	err = mqi_connect(FAKE_QMGR, &opts, &c);
	if (err != MQI_OK)
		return err;
	err = mqi_open(c, "Q", NULL, MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED, &q);
	if (err == MQI_OK)
		err = put_things(c, q);
	if (err == MQI_OK)
		err = get_things(q);
	end = mqi_disconnect(c);
	return err == MQI_OK ? end : err;
}

static void
test_each_allocation_that_fails_is_reported(void **state)
{
	enum mqi_err err;
	struct fake f;
	long n = 0;

	(void)state;
	fake_start(&f, fake_queue, NULL);
	(void)session(&f); /* what libc allocates once */
	do {
		failed = false;
		countdown = n++;
		err = session(&f);
		countdown = -1;
		assert_true(err == MQI_OK || failed);
		if (failed && err != MQI_OK && err != MQI_E_NO_MEMORY &&
		    err != MQI_E_SUPPRESSED && err != MQI_E_UNKNOWN_OUTCOME &&
		    err != MQI_E_NOT_DONE && err != MQI_E_CONNECTION_BROKEN)
			fail_msg(
			    "allocation %ld: %s", n - 1, mqi_err_name(err));
	} while (failed);
	assert_int_equal(err, MQI_OK);
	assert_true(n > 10);
	fake_stop(&f);
}

static void
test_idle_connection_is_small(void **state)
{
	struct mallinfo2 before, after;
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, fake_queue, NULL);
	before = mallinfo2();
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_OK);
	after = mallinfo2();
	/* the fake's own buffer (64 KiB) is in the sum */
	assert_in_range(after.uordblks + after.hblkhd, 0,
	    before.uordblks + before.hblkhd + 128u * 1024);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_allocation_that_fails_is_reported),
	    cmocka_unit_test(test_idle_connection_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

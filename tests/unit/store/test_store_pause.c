/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_pause.c - a checkpoint pauses between small transactions while
 * batches come that are alone, and for nobody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>

#include "base/clock.h"
#include "tests/unit/store/harness.h"

#define NEVER_US 30000000u /* longer than any of these checkpoints takes */
#define IN_A_ROW 8u
#define LARGE 40000u
#define MIB (UINT64_C(1) << 20)

static uint64_t next_seq;

static void
put_alone(struct harness *h, uint32_t len)
{
	const struct record_key key = harness_key(HARNESS_Q1, 0, ++next_seq);

	harness_put(h, &key, next_seq, len, 0);
	harness_submit_alone(h);
}

static void
reopen_with(struct harness *h, uint32_t pause_us, uint64_t checkpoint_bytes)
{
	h->options.pause_us = pause_us;
	h->options.checkpoint_bytes = checkpoint_bytes;
	h->options.checkpoint_keep = checkpoint_bytes / 2;
	h->options.checkpoint_ms = NEVER_US / 1000;
	harness_reopen(h);
}

/* Some 320 KB in transactions of 64 KiB or a little more. */
static void
test_a_checkpoint_pauses_beside_one_put_at_a_time(void **state)
{
	struct harness *h = *state;
	uint64_t began, last;

	reopen_with(h, 50000, 16 * MIB);
	for (unsigned i = 0; i < IN_A_ROW; i++)
		put_alone(h, LARGE);
	last = h->submitted;
	began = mqclock_mono_us();
	h->s->ops->hurry(h->s, last);
	while (h->applied < last)
		put_alone(h, 10);
	assert_true(mqclock_mono_us() - began >= 100000);
}

static void
test_a_checkpoint_of_a_crowd_does_not_pause(void **state)
{
	struct harness *h = *state;
	uint64_t began = mqclock_mono_us();

	reopen_with(h, NEVER_US, 16 * MIB);
	for (unsigned i = 0; i < 6; i++) {
		harness_put_at(h, HARNESS_Q1, ++next_seq);
		harness_commit(h);
	}
	assert_true(mqclock_mono_us() - began < NEVER_US);
}

static void
test_a_checkpoint_that_is_behind_does_not_pause(void **state)
{
	struct harness *h = *state;
	uint64_t began = mqclock_mono_us();
	uint64_t before;

	reopen_with(h, NEVER_US, MIB);
	before = h->applied;
	while (h->applied == before)
		put_alone(h, LARGE);
	assert_true(mqclock_mono_us() - began < NEVER_US);
}

static void
test_a_stop_does_not_pause(void **state)
{
	struct harness *h = *state;
	uint64_t began = mqclock_mono_us();

	reopen_with(h, NEVER_US, 16 * MIB);
	for (unsigned i = 0; i < IN_A_ROW; i++)
		put_alone(h, LARGE);
	h->s->ops->hurry(h->s, h->submitted);
	harness_close(h);
	assert_true(mqclock_mono_us() - began < NEVER_US);
	harness_reopen(h);
}

int
main(void)
{
#define TEST(f)                                                           \
	{                                                                 \
#f, f, harness_setup, harness_teardown, &harness_kinds[0] \
	}
	const struct CMUnitTest tests[] = {
	    TEST(test_a_checkpoint_pauses_beside_one_put_at_a_time),
	    TEST(test_a_checkpoint_of_a_crowd_does_not_pause),
	    TEST(test_a_checkpoint_that_is_behind_does_not_pause),
	    TEST(test_a_stop_does_not_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal_recover.c - what comes back from a journal after crashes: every
 * batch that was acknowledged, exactly and in order, and at most one more, the
 * one that was being written.
 *
 * A history is chosen by a seed: starts, appends, checkpoints, files that are
 * made, and crashes of the process or with the power at any operation, also
 * within recovery, and flushes that fail, behind which the page cache lies.
 * After each crash the batch that was torn is put again with records of the
 * same length.  MQ_SEED=n replays one; MQ_LONG=1 takes many.
 *
 * The same histories on a disk whose flushes do nothing must fail.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "tests/unit/store/journal_model.h"

#define STARTS 25u
#define BATCHES 2000u

struct history {
	uint64_t random;
	struct disk_sim *d;
	struct journal *j;
	struct store_batch *b;
	uint64_t first;           /* number before the first batch */
	uint64_t epochs[BATCHES]; /* of each batch that counts */
	uint64_t last;            /* that was acknowledged, or served */
	uint64_t tried;           /* last + 1 in this epoch, or 0 */
	uint64_t applied;         /* LMDB's */
	uint64_t epoch;
	char fault[200];
};

static unsigned
roll(struct history *h, unsigned n)
{
	return (unsigned)(mqrand_next(&h->random) % n);
}

static bool
fault(struct history *h, const char *text, uint64_t number)
{
	(void)snprintf(h->fault, sizeof(h->fault),
	    "epoch %llu, batch %llu of %llu (applied %llu): %.60s",
	    (unsigned long long)h->epoch, (unsigned long long)number,
	    (unsigned long long)h->last, (unsigned long long)h->applied, text);
	return false;
}

/* The next batch at the cursor is the one that the model has. */
static bool
check_next(struct history *h, struct journal_cursor *c)
{
	struct store_why why = {0};
	struct store_batch *expected;
	uint64_t number = c->number + 1;
	bool same;

	if (journal_read(h->j, c, h->b, &why) != MQI_OK)
		return fault(h, why.text, number);
	if (h->b->number != number)
		return fault(h, "another one was read", number);
	expected = jm_batch(number, h->epochs[number - h->first]);
	same = jm_same(h->b, expected);
	(void)store_batch_free(expected);
	return same || fault(h, "it is not what was written", number);
}

/* What was found is what was acknowledged; the one of unknown outcome counts
 * from now on, or never. */
static bool
check_found(struct history *h)
{
	uint64_t last = journal_last(h->j);
	struct journal_cursor c;

	if (last < h->last)
		return fault(h, "acknowledged, and gone", last + 1);
	if (last > h->last && last != h->tried)
		return fault(h, "never written", last);
	if (last > h->last)
		h->epochs[last - h->first] = h->epoch;
	h->last = last;
	h->tried = 0;
	journal_rewind(h->j, &c);
	while (c.number < last)
		if (!check_next(h, &c))
			return false;
	return true;
}

static void
crash(struct history *h)
{
	h->j = journal_free(h->j);
	if (roll(h, 3) == 0)
		disk_sim_revive(h->d);
	else
		disk_sim_power(h->d);
}

/* Opens until it works, dying on the way now and then. */
static bool
start(struct history *h)
{
	for (;;) {
		enum mqi_err err;

		if (roll(h, 3) == 0)
			disk_sim_die_after(h->d, roll(h, 30));
		else if (roll(h, 6) == 0)
			disk_sim_fail(h->d, DISK_SIM_FLUSH, roll(h, 3), EIO);
		err = jm_open(h->d, h->applied, &h->j);
		if (err != MQI_OK && err != MQI_E_IO)
			return fault(h, "refused", h->applied);
		if (err == MQI_OK && !check_found(h))
			return disk_sim_is_dead(h->d) ? (crash(h), start(h))
						      : false;
		if (err == MQI_OK && roll(h, 4) > 0)
			break;
		/* LMDB may have got some of it */
		if (err == MQI_OK && h->last > h->applied)
			h->applied +=
			    roll(h, (unsigned)(h->last - h->applied) + 1);
		crash(h);
	}
	disk_sim_revive(h->d);
	h->applied = h->last;
	journal_release(h->j, h->last);
	h->epoch++;
	journal_begin(h->j, h->epoch);
	return true;
}

/* Checks what is behind `applied`, and applies a part of it. */
static bool
checkpoint(struct history *h)
{
	struct journal_cursor c;
	unsigned n = roll(h, (unsigned)(h->last - h->applied) + 1);

	if (h->last == h->applied)
		return true;
	journal_rewind(h->j, &c);
	for (unsigned i = 0; i < n; i++)
		if (!check_next(h, &c))
			return disk_sim_is_dead(h->d);
	h->applied = c.number;
	journal_release(h->j, c.number);
	return true;
}

/* Appends until something fails; what is acknowledged counts. */
static bool
work(struct history *h)
{
	unsigned n = roll(h, 60);

	if (roll(h, 4) == 0)
		disk_sim_fail(h->d, DISK_SIM_FLUSH, roll(h, 40), EIO);
	if (roll(h, 4) == 0)
		disk_sim_fail(h->d, DISK_SIM_WRITE, roll(h, 40), EIO);
	if (roll(h, 2) == 0)
		disk_sim_die_after(h->d, roll(h, 120));
	for (unsigned i = 0; i < n; i++) {
		struct store_batch *b = jm_batch(h->last + 1, h->epoch);
		bool place = journal_has_place(h->j, b->records.len) ||
			     journal_wants_file(h->j);
		uint64_t last = h->last;

		(void)store_batch_free(b);
		if (!place || roll(h, 10) == 0) {
			if (!checkpoint(h))
				return false;
			continue;
		}
		h->tried = last + 1;
		if (jm_append(h->j, h->tried, h->epoch) != MQI_OK)
			return true;
		h->epochs[h->tried - h->first] = h->epoch;
		h->last = h->tried;
		h->tried = 0;
	}
	return true;
}

static bool
run_history(uint64_t seed, bool sabotage, char *ret_fault, size_t cap)
{
	struct history *h = calloc(1, sizeof(*h));
	bool good = true;

	assert_non_null(h);
	h->random = seed;
	h->d = disk_sim_new(seed * 31 + 7);
	h->b = store_batch_new(0);
	h->first = roll(h, 1000);
	h->last = h->applied = h->first;
	if (sabotage)
		disk_sim_ignore_flushes(h->d);
	assert_int_equal(jm_create(h->d, h->first, &h->j), MQI_OK);
	crash(h);
	if (sabotage && !disk_sim_exists(h->d, "log.000"))
		good = fault(h, "the files are gone", 0);
	for (unsigned i = 0; good && i < STARTS; i++) {
		good = start(h) && work(h);
		if (good)
			crash(h);
	}
	(void)snprintf(ret_fault, cap, "%s", h->fault);
	(void)journal_free(h->j);
	(void)disk_sim_free(h->d);
	(void)store_batch_free(h->b);
	free(h);
	return good;
}

static void
test_what_was_acknowledged_comes_back(void **state)
{
	const char *seed = getenv("MQ_SEED");
	uint64_t from = seed ? strtoull(seed, NULL, 0) : 1;
	uint64_t n = seed ? 1 : getenv("MQ_LONG") ? 20000 : 400;
	char text[200];

	(void)state;
	/* it has found something once */
	if (!seed)
		from = 2500;
	for (uint64_t i = from; i < from + n; i++) {
		bool good;
		char *log;

		jm_log_keep();
		good = run_history(i, false, text, sizeof(text));
		log = jm_log_kept();
		if (!good)
			(void)fputs(log, stderr);
		free(log);
		if (!good)
			fail_msg(
			    "MQ_SEED=%llu: %s", (unsigned long long)i, text);
	}
}

static void
test_a_missing_flush_is_noticed(void **state)
{
	unsigned noticed = 0;
	char text[200];

	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		jm_log_keep();
		noticed += !run_history(i, true, text, sizeof(text));
		free(jm_log_kept());
	}
	assert_true(noticed >= 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_acknowledged_comes_back),
	    cmocka_unit_test(test_a_missing_flush_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal_damage.c - damage to the journal's files: never silently fewer
 * batches.  Either the rest is given and the log names what is lost, or the
 * opening is refused with a reason.
 *
 * One exception, which nobody could tell: damage to the last batch, or to the
 * last few if it covers them all, looks like a journal that ends there.
 *
 * A seed chooses what is damaged and where; MQ_SEED=n replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "tests/unit/store/journal_model.h"

#define FIRST 501u /* batches before it are LMDB's, and gone */
#define APPLIED 530u
#define LAST 590u
#define EPOCH 3u
#define AT_THE_END 4u /* batches that may look like the end */

/* ---- making files by hand ---- */

static void
write_batch(struct disk_sim *d, const char *name, uint64_t at,
    struct journal_batch_header h, const struct store_batch *b)
{
	uint8_t bytes[JOURNAL_BATCH_HEADER];

	memcpy(h.log_id, jm_log_id, JOURNAL_ID_LEN);
	h.number = b->number;
	h.len = (uint32_t)b->records.len;
	journal_batch_header_encode(&h, b->records.data, bytes);
	disk_sim_poke(d, name, at, bytes, sizeof(bytes));
	disk_sim_poke(
	    d, name, at + sizeof(bytes), b->records.data, b->records.len);
}

/* A journal with batches 1..n of epoch 1, in log.000. */
static struct disk_sim *
small_journal(uint64_t n)
{
	struct disk_sim *d = disk_sim_new(1);
	struct journal *j = NULL;

	assert_int_equal(jm_create(d, 0, &j), MQI_OK);
	journal_begin(j, 1);
	for (uint64_t i = 1; i <= n; i++)
		jm_must_append(j, i, 1);
	(void)journal_free(j);
	return d;
}

/* Where the batch stands, in whichever file; 0: nowhere. */
static uint64_t
find_batch(
    const struct disk_sim *d, uint64_t number, char ret_name[JM_NAME_SIZE])
{
	for (unsigned i = 0; i < jm_options.files; i++) {
		(void)snprintf(ret_name, JM_NAME_SIZE, "log.%03u", i);
		if (!disk_sim_exists(d, ret_name))
			continue;
		for (uint64_t at = JOURNAL_FILE_HEADER;
		     at + JOURNAL_BATCH_HEADER <= disk_sim_size(d, ret_name);
		     at += JOURNAL_ALIGN) {
			struct journal_batch_header h;
			uint8_t bytes[JOURNAL_BATCH_HEADER];

			disk_sim_peek(d, ret_name, at, bytes, sizeof(bytes));
			if (journal_batch_header_decode(bytes, jm_log_id, &h) ==
				JOURNAL_GOOD &&
			    h.number == number)
				return at;
		}
	}
	return 0;
}

static void
flip(struct disk_sim *d, const char *name, uint64_t at)
{
	uint8_t byte;

	disk_sim_peek(d, name, at, &byte, 1);
	byte ^= 0x10;
	disk_sim_poke(d, name, at, &byte, 1);
}

/* ---- reading what is left ---- */

struct left {
	enum mqi_err err;
	uint64_t last;
	uint64_t whole;   /* batches given as they were written */
	uint64_t lost;    /* given in part, or not at all */
	uint64_t lost_at; /* the highest of them */
	char *log;
};

static void
compare(struct left *l, const struct store_batch *b, uint64_t epoch)
{
	struct store_batch *expected = jm_batch(b->number, epoch);

	if (jm_same(b, expected)) {
		l->whole++;
	} else {
		assert_true(jm_is_part(b, expected));
		l->lost++;
		l->lost_at = b->number;
	}
	(void)store_batch_free(expected);
}

/* Opens behind `applied`; `last` was acknowledged, and is of `epoch` like all
 * others. */
static struct left
open_and_look(
    struct disk_sim *d, uint64_t applied, uint64_t last, uint64_t epoch)
{
	struct store_batch *b = store_batch_new(0);
	struct store_why why = {0};
	struct left l = {.err = MQI_OK};
	struct journal *j = NULL;
	struct journal_cursor c;

	jm_log_keep();
	l.err = jm_open(d, applied, &j);
	if (l.err == MQI_OK) {
		l.last = journal_last(j);
		journal_rewind(j, &c);
		while (c.number < l.last) {
			uint64_t before = c.number;

			assert_int_equal(journal_read(j, &c, b, &why), MQI_OK);
			assert_true(c.number > before && c.number <= last);
			l.lost += c.number - before - 1;
			if (c.number - before > 1)
				l.lost_at = c.number - 1;
			compare(&l, b, epoch);
		}
		if (c.number < last) {
			l.lost += last - c.number;
			l.lost_at = last;
		}
	}
	l.log = jm_log_kept();
	(void)journal_free(j);
	(void)store_batch_free(b);
	return l;
}

/* ---- one kind of damage each ---- */

static void
test_damaged_record_is_named_and_the_others_count(void **state)
{
	struct disk_sim *d = small_journal(20);
	char name[JM_NAME_SIZE];
	uint64_t at = find_batch(d, 7, name);
	struct left l;

	(void)state;
	flip(d, name, at + JOURNAL_BATCH_HEADER + RECORD_HEADER);
	l = open_and_look(d, 3, 20, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.whole, 16);
	assert_int_equal(l.lost, 1);
	assert_non_null(strstr(l.log, "journal.damaged"));
	assert_non_null(strstr(l.log, "batch 7 "));
	assert_true(disk_sim_exists(d, "damaged.7"));
	free(l.log);
	(void)disk_sim_free(d);
}

/* A torn batch is a trace that the one before it was durable. */
static void
test_damaged_batch_before_a_torn_one_is_not_taken_for_torn(void **state)
{
	struct disk_sim *d = small_journal(20);
	char name[JM_NAME_SIZE];
	uint64_t at = find_batch(d, 20, name);
	struct left l;

	(void)state;
	flip(d, name, at + JOURNAL_BATCH_HEADER + RECORD_HEADER);
	at = find_batch(d, 19, name);
	flip(d, name, at + JOURNAL_BATCH_HEADER + RECORD_HEADER);
	l = open_and_look(d, 10, 19, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.last, 19);
	assert_int_equal(l.lost, 1);
	assert_int_equal(l.lost_at, 19);
	assert_non_null(strstr(l.log, "batch 19 of the journal is damaged"));
	assert_non_null(strstr(l.log, "journal.torn"));
	free(l.log);
	(void)disk_sim_free(d);
}

/* The header of 19 is lost, that of 20 is a trace of it. */
static void
test_number_of_a_lost_batch_is_not_given_again(void **state)
{
	struct disk_sim *d = small_journal(20);
	struct journal *j = NULL;
	char name[JM_NAME_SIZE];
	uint64_t at = find_batch(d, 20, name);
	struct left l;

	(void)state;
	flip(d, name, at + JOURNAL_BATCH_HEADER + RECORD_HEADER);
	at = find_batch(d, 19, name);
	flip(d, name, at + 60);
	l = open_and_look(d, 10, 19, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.last, 19);
	assert_int_equal(l.lost_at, 19);
	assert_non_null(strstr(l.log, "lost its batches 19 to 19"));
	free(l.log);
	jm_log_keep();
	assert_int_equal(jm_open(d, 10, &j), MQI_OK);
	free(jm_log_kept());
	journal_release(j, 19);
	journal_begin(j, 2);
	jm_must_append(j, 20, 2);
	(void)journal_free(j);
	l = open_and_look(d, 19, 20, 2);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.whole, 1);
	assert_int_equal(l.lost, 0);
	free(l.log);
	(void)disk_sim_free(d);
}

/* What is lost is told by the start that finds it, which makes the file
 * again; then it is as good as one that was never used. */
static void
a_file_is_told_once(void (*harm)(struct disk_sim *d), const char *told)
{
	struct disk_sim *d = small_journal(5);
	struct left l;

	harm(d);
	l = open_and_look(d, 3, 5, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.whole, 2);
	assert_non_null(strstr(l.log, told));
	free(l.log);
	l = open_and_look(d, 3, 5, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.whole, 2);
	assert_null(strstr(l.log, "journal.damaged"));
	free(l.log);
	(void)disk_sim_free(d);
}

static void
lose_file(struct disk_sim *d)
{
	struct disk *disk = disk_sim_table(d);

	assert_int_equal(disk->ops->remove(disk, "log.001"), 0);
}

static void
lose_header(struct disk_sim *d)
{
	static const uint8_t zeros[JOURNAL_FILE_HEADER];

	disk_sim_poke(d, "log.001", 0, zeros, sizeof(zeros));
}

static void
harm_header(struct disk_sim *d)
{
	flip(d, "log.001", 20);
}

static void
test_a_file_that_was_made_again_is_told_once(void **state)
{
	(void)state;
	a_file_is_told_once(lose_file, "is missing");
	a_file_is_told_once(lose_header, "is empty");
	a_file_is_told_once(harm_header, "has a damaged header");
}

static void
test_flipped_checksum_field_does_not_refuse_the_start(void **state)
{
	struct disk_sim *d = small_journal(20);
	char name[JM_NAME_SIZE];
	uint64_t at = find_batch(d, 7, name);
	struct left l;

	(void)state;
	flip(d, name, at + 5);
	l = open_and_look(d, 3, 20, 1);
	assert_int_equal(l.err, MQI_OK);
	assert_int_equal(l.whole, 17);
	assert_non_null(strstr(l.log, "batch 7 of the journal is damaged"));
	free(l.log);
	(void)disk_sim_free(d);
}

/* The torn one of epoch 1 has become whole after all. */
static void
test_higher_epoch_of_one_number_counts(void **state)
{
	struct disk_sim *d = small_journal(5);
	struct journal_batch_header h = {.epoch = 1};
	struct store_batch *old = jm_batch(6, 1);
	struct store_batch *got = store_batch_new(0);
	struct store_batch *expected = jm_batch(6, 2);
	struct store_why why = {0};
	struct journal_cursor c;
	struct journal *j = NULL;

	(void)state;
	assert_int_equal(jm_open(d, 3, &j), MQI_OK);
	journal_release(j, 5);
	journal_begin(j, 2);
	jm_must_append(j, 6, 2);
	(void)journal_free(j);
	/* in front of the other one */
	write_batch(d, "log.000", JM_FILE_SIZE - 8192, h, old);
	assert_int_equal(jm_open(d, 4, &j), MQI_OK);
	assert_int_equal(journal_last(j), 6);
	journal_rewind(j, &c);
	assert_int_equal(journal_read(j, &c, got, &why), MQI_OK);
	assert_int_equal(journal_read(j, &c, got, &why), MQI_OK);
	assert_true(jm_same(got, expected));
	(void)journal_free(j);
	(void)store_batch_free(old);
	(void)store_batch_free(got);
	(void)store_batch_free(expected);
	(void)disk_sim_free(d);
}

/* What an epoch wrote before a crash does not follow what a later one wrote. */
static void
test_older_epoch_behind_a_newer_one_is_stale(void **state)
{
	struct disk_sim *d = small_journal(5);
	struct journal_batch_header h = {.epoch = 1};
	struct store_batch *old = jm_batch(7, 1);
	struct journal *j = NULL;

	(void)state;
	assert_int_equal(jm_open(d, 5, &j), MQI_OK);
	journal_begin(j, 2);
	jm_must_append(j, 6, 2);
	(void)journal_free(j);
	write_batch(d, "log.001", JM_FILE_SIZE - 8192, h, old);
	assert_int_equal(jm_open(d, 5, &j), MQI_OK);
	assert_int_equal(journal_last(j), 6);
	(void)journal_free(j);
	(void)store_batch_free(old);
	(void)disk_sim_free(d);
}

/* A damaged record's body holds a whole record: it must not count. */
static void
test_record_in_the_body_of_a_damaged_one_does_not_count(void **state)
{
	struct disk_sim *d = small_journal(1);
	struct store_batch *inner = jm_batch(99, 1);
	struct store_batch *b = store_batch_new(2);
	struct store_batch *got = store_batch_new(0);
	struct record_meta m = {.name = "outer"};
	struct journal_batch_header h = {.epoch = 1};
	struct store_why why = {0};
	struct journal_cursor c;
	struct journal *j = NULL;
	uint64_t at = JM_FILE_SIZE - 16384;

	(void)state;
	m.value = inner->records.data;
	m.len = (uint32_t)inner->records.len;
	record_encode_meta(&b->records, &m);
	write_batch(d, "log.000", at, h, b);
	flip(d, "log.000", at + JOURNAL_BATCH_HEADER + 1); /* its length */
	b->number = 3;
	write_batch(d, "log.000", at + 8192, h, b);
	jm_log_keep();
	assert_int_equal(jm_open(d, 1, &j), MQI_OK);
	journal_rewind(j, &c);
	assert_int_equal(journal_read(j, &c, got, &why), MQI_OK);
	free(jm_log_kept());
	assert_int_equal(got->number, 2);
	assert_int_equal(got->records.len, 0);
	(void)journal_free(j);
	(void)store_batch_free(inner);
	(void)store_batch_free(b);
	(void)store_batch_free(got);
	(void)disk_sim_free(d);
}

static void
test_journal_and_store_that_do_not_belong_together_are_refused(void **state)
{
	struct disk_sim *d = small_journal(20);
	const uint8_t other[JOURNAL_ID_LEN] = {1};
	struct store_why why = {0};
	struct journal *j = NULL;
	struct left l;

	(void)state;
	/* older than LMDB */
	l = open_and_look(d, 21, 20, 1);
	assert_int_equal(l.err, MQI_E_OBJECT_DAMAGED);
	free(l.log);
	/* of another one */
	assert_int_equal(
	    journal_open(disk_sim_table(d), &jm_options, other, 20, &j, &why),
	    MQI_E_STORE_FORMAT);
	assert_non_null(strstr(why.text, "another store"));
	(void)disk_sim_free(d);
	/* newer than LMDB */
	d = disk_sim_new(1);
	assert_int_equal(jm_create(d, 100, &j), MQI_OK);
	journal_begin(j, 1);
	jm_must_append(j, 101, 1);
	(void)journal_free(j);
	l = open_and_look(d, 99, 101, 1);
	assert_int_equal(l.err, MQI_E_OBJECT_DAMAGED);
	free(l.log);
	/* of no files at all */
	disk_sim_delete(d, "log.000");
	disk_sim_delete(d, "log.001");
	l = open_and_look(d, 101, 101, 1);
	assert_int_equal(l.err, MQI_E_OBJECT_DAMAGED);
	free(l.log);
	(void)disk_sim_free(d);
}

/* ---- by seed ---- */

/* Files that were used more than once, with batches of LMDB and behind it. */
static struct disk_sim *
used_journal(void)
{
	struct disk_sim *d = disk_sim_new(1);
	struct journal *j = NULL;

	assert_int_equal(jm_create(d, FIRST - 1, &j), MQI_OK);
	journal_begin(j, EPOCH);
	for (uint64_t i = FIRST; i <= LAST; i++) {
		if (i <= APPLIED + 1)
			journal_release(j, i - 1);
		jm_must_append(j, i, EPOCH);
	}
	(void)journal_free(j);
	return d;
}

static unsigned
roll(uint64_t *random, uint64_t n)
{
	return (unsigned)(mqrand_next(random) % n);
}

static bool
is_full(const struct disk_sim *d, const char *name)
{
	return disk_sim_exists(d, name) &&
	       disk_sim_size(d, name) == JM_FILE_SIZE;
}

static void
damage(struct disk_sim *d, uint64_t *random)
{
	uint8_t bytes[JM_FILE_SIZE];
	char name[JM_NAME_SIZE];
	char other[JM_NAME_SIZE];
	uint64_t number = FIRST + roll(random, LAST - FIRST + 1);
	uint64_t at;

	(void)snprintf(
	    name, sizeof(name), "log.%03u", roll(random, jm_options.files));
	(void)snprintf(
	    other, sizeof(other), "log.%03u", roll(random, jm_options.files));
	/* damaged enough already */
	if (!is_full(d, name) || !is_full(d, other))
		return;
	memset(bytes, roll(random, 2) == 0 ? 0 : 0xa5, sizeof(bytes));
	switch (roll(random, 9)) {
	case 0:
		flip(d, name, roll(random, JOURNAL_FILE_HEADER));
		break;
	case 1:
		disk_sim_resize(d, name, roll(random, JM_FILE_SIZE));
		break;
	case 2:
		disk_sim_poke(d, name, 0, bytes, sizeof(bytes));
		break;
	case 3:
		disk_sim_delete(d, name);
		break;
	case 4:
		disk_sim_swap(d, name, other);
		break;
	case 5:
		at = roll(random, JM_FILE_SIZE / 512) * 512u;
		disk_sim_poke(d, name, at, bytes, 512);
		break;
	case 6:
		disk_sim_poke(d, name, 0, bytes, JOURNAL_FILE_HEADER);
		break;
	case 7:
		flip(d, name, roll(random, JM_FILE_SIZE));
		break;
	default:
		/* the older ones may have been written over */
		if (number <= APPLIED)
			number += LAST - APPLIED;
		at = find_batch(d, number > LAST ? LAST : number, name);
		if (at != 0)
			flip(d, name, at + roll(random, JOURNAL_BATCH_HEADER));
		break;
	}
}

static void
check_damage(const struct disk_sim *good, uint64_t seed)
{
	uint64_t random = seed;
	struct disk_sim *d = disk_sim_copy(good, seed);
	struct journal *j = NULL;
	struct left l;

	for (unsigned i = 1 + roll(&random, 3); i > 0; i--)
		damage(d, &random);
	l = open_and_look(d, APPLIED, LAST, EPOCH);
	if (l.err != MQI_OK) {
		assert_true(l.err == MQI_E_OBJECT_DAMAGED ||
			    l.err == MQI_E_STORE_FORMAT);
	} else if (l.lost > 0 &&
		   (l.lost > AT_THE_END || l.last + l.lost != LAST)) {
		if (strstr(l.log, "journal.damaged") == NULL)
			fail_msg("MQ_SEED=%llu: %llu batches lost, and not "
				 "told:\n%s",
			    (unsigned long long)seed,
			    (unsigned long long)l.lost, l.log);
	}
	free(l.log);
	if (l.err != MQI_OK) {
		(void)disk_sim_free(d);
		return;
	}
	/* it goes on, and what follows is safe */
	jm_log_keep();
	assert_int_equal(jm_open(d, APPLIED, &j), MQI_OK);
	free(jm_log_kept());
	assert_int_equal(journal_last(j), l.last);
	journal_release(j, l.last);
	journal_begin(j, EPOCH + 1);
	for (uint64_t i = l.last + 1; i <= l.last + 3; i++)
		jm_must_append(j, i, EPOCH + 1);
	(void)journal_free(j);
	l = open_and_look(d, l.last, l.last + 3, EPOCH + 1);
	free(l.log);
	if (l.err != MQI_OK || l.whole != 3)
		fail_msg("MQ_SEED=%llu: what followed the damage is not whole",
		    (unsigned long long)seed);
	(void)disk_sim_free(d);
}

static void
test_damage_by_seed_is_told(void **state)
{
	const char *seed = getenv("MQ_SEED");
	uint64_t from = seed ? strtoull(seed, NULL, 0) : 1;
	uint64_t n = seed ? 1 : getenv("MQ_LONG") ? 50000 : 1500;
	struct disk_sim *good = used_journal();

	(void)state;
	for (uint64_t i = from; i < from + n; i++) {
		check_damage(good, i);
	}
	(void)disk_sim_free(good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_damaged_record_is_named_and_the_others_count),
	    cmocka_unit_test(
		test_damaged_batch_before_a_torn_one_is_not_taken_for_torn),
	    cmocka_unit_test(test_number_of_a_lost_batch_is_not_given_again),
	    cmocka_unit_test(test_a_file_that_was_made_again_is_told_once),
	    cmocka_unit_test(
		test_flipped_checksum_field_does_not_refuse_the_start),
	    cmocka_unit_test(test_higher_epoch_of_one_number_counts),
	    cmocka_unit_test(test_older_epoch_behind_a_newer_one_is_stale),
	    cmocka_unit_test(
		test_record_in_the_body_of_a_damaged_one_does_not_count),
	    cmocka_unit_test(
		test_journal_and_store_that_do_not_belong_together_are_refused),
	    cmocka_unit_test(test_damage_by_seed_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

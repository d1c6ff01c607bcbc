/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal.c - appending to the journal and reading it back within one
 * start: files that fill, are used again, are made, fail, and have other sizes
 * than before.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store/journal_model.h"

#define BIG 20000u /* bytes of records: one batch fills a file */

struct fixture {
	struct disk_sim *d;
	struct journal *j;
	struct store_batch *b;
	struct store_why why;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->d = disk_sim_new(1);
	f->b = store_batch_new(0);
	assert_int_equal(jm_create(f->d, 0, &f->j), MQI_OK);
	journal_begin(f->j, 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)journal_free(f->j);
	(void)disk_sim_free(f->d);
	(void)store_batch_free(f->b);
	free(f);
	return 0;
}

static enum mqi_err
append_big(struct fixture *f)
{
	struct store_batch *b = store_batch_new(journal_last(f->j) + 1);
	enum mqi_err err;

	mqbuf_put_zeros(&b->records, BIG);
	err = journal_append(f->j, b, &f->why);
	(void)store_batch_free(b);
	return err;
}

static void
check_read(struct fixture *f, struct journal_cursor *c, uint64_t epoch)
{
	struct store_batch *expected = jm_batch(c->number + 1, epoch);

	assert_int_equal(journal_read(f->j, c, f->b, &f->why), MQI_OK);
	assert_true(jm_same(f->b, expected));
	(void)store_batch_free(expected);
}

static void
test_batch_costs_one_write_and_one_flush(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = jm_batch(2, 1);
	unsigned writes;
	unsigned flushes;
	uint64_t bytes;

	jm_must_append(f->j, 1, 1);
	writes = disk_sim_count(f->d, DISK_SIM_WRITE);
	flushes = disk_sim_count(f->d, DISK_SIM_FLUSH);
	bytes = disk_sim_written(f->d);
	jm_must_append(f->j, 2, 1);
	assert_int_equal(disk_sim_count(f->d, DISK_SIM_WRITE), writes + 1);
	assert_int_equal(disk_sim_count(f->d, DISK_SIM_FLUSH), flushes + 1);
	assert_int_equal(disk_sim_written(f->d),
	    bytes + JOURNAL_BATCH_HEADER + b->records.len);
	(void)store_batch_free(b);
}

static void
test_files_are_used_again_when_released(void **state)
{
	struct fixture *f = *state;
	struct journal_cursor c;

	journal_rewind(f->j, &c);
	for (uint64_t i = 1; i <= 1000; i++) {
		struct store_batch *b = jm_batch(i, 1);

		if (!journal_has_place(f->j, b->records.len)) {
			c.ordinal = 0;
			journal_rewind(f->j, &c);
			while (c.number < i - 1)
				check_read(f, &c, 1);
			journal_release(f->j, i - 1);
		}
		assert_true(journal_has_place(f->j, b->records.len));
		assert_int_equal(journal_append(f->j, b, &f->why), MQI_OK);
		(void)store_batch_free(b);
	}
	/* never more than the two that it was made with */
	assert_false(disk_sim_exists(f->d, "log.002"));
	assert_int_equal(journal_bytes(f->j), 2 * JM_FILE_SIZE);
}

static void
test_no_place_until_released_or_a_file_is_made(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append_big(f), MQI_OK);
	assert_true(journal_has_place(f->j, BIG));
	assert_false(journal_wants_file(f->j));
	assert_int_equal(append_big(f), MQI_OK);
	assert_false(journal_has_place(f->j, BIG));
	assert_true(journal_wants_file(f->j));
	assert_int_equal(journal_add_file(f->j, &f->why), MQI_OK);
	assert_true(journal_has_place(f->j, BIG));
	assert_int_equal(append_big(f), MQI_OK);
	assert_false(journal_has_place(f->j, BIG));
	/* the one that fills is not free, even if nothing of it is needed */
	journal_release(f->j, 1);
	assert_true(journal_has_place(f->j, BIG));
	assert_int_equal(append_big(f), MQI_OK);
	assert_false(journal_has_place(f->j, BIG));
	for (unsigned i = 3; i < jm_options.files; i++) {
		assert_true(journal_wants_file(f->j));
		assert_int_equal(journal_add_file(f->j, &f->why), MQI_OK);
		assert_int_equal(append_big(f), MQI_OK);
	}
	assert_false(journal_wants_file(f->j));
	/* no file would hold it */
	assert_false(journal_has_place(f->j, JM_FILE_SIZE));
}

static void
test_file_that_cannot_be_made_changes_nothing(void **state)
{
	static const struct {
		enum disk_sim_op op;
		unsigned n;
		int rc;
		enum mqi_err err;
	} faults[] = {
	    {DISK_SIM_WRITE, 0, ENOSPC, MQI_E_STORAGE_MEDIUM_FULL},
	    {DISK_SIM_WRITE, 2, EIO, MQI_E_IO},
	    {DISK_SIM_FLUSH, 0, EIO, MQI_E_IO},
	    {DISK_SIM_FLUSH, 1, EIO, MQI_E_IO},
	    {DISK_SIM_FLUSH_DIR, 0, EIO, MQI_E_IO},
	    {DISK_SIM_OPEN, 0, EMFILE, MQI_E_IO},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MQ_ARRAY_LEN(faults); i++) {
		struct store_why why = {0};

		disk_sim_fail(f->d, faults[i].op, faults[i].n, faults[i].rc);
		assert_int_equal(journal_add_file(f->j, &why), faults[i].err);
		assert_true(why.text[0] != '\0');
		assert_int_equal(journal_bytes(f->j), 2 * JM_FILE_SIZE);
	}
	assert_int_equal(journal_add_file(f->j, &f->why), MQI_OK);
	jm_must_append(f->j, 1, 1);
}

static void
test_failed_write_or_flush_is_told(void **state)
{
	struct fixture *f = *state;

	jm_must_append(f->j, 1, 1);
	disk_sim_fail(f->d, DISK_SIM_FLUSH, 0, EIO);
	assert_int_equal(jm_append(f->j, 2, 1), MQI_E_IO);
	assert_int_equal(journal_last(f->j), 1);
	f->j = journal_free(f->j);
	/* the cache shows it, and it counts from now on: also for the disk */
	assert_int_equal(jm_open(f->d, 0, &f->j), MQI_OK);
	assert_int_equal(journal_last(f->j), 2);
	f->j = journal_free(f->j);
	disk_sim_power(f->d);
	assert_int_equal(jm_open(f->d, 0, &f->j), MQI_OK);
	assert_int_equal(journal_last(f->j), 2);
	journal_release(f->j, 2);
	journal_begin(f->j, 2);
	disk_sim_fail(f->d, DISK_SIM_WRITE, 0, ENOSPC);
	assert_int_equal(jm_append(f->j, 3, 2), MQI_E_STORAGE_MEDIUM_FULL);
}

static void
test_rewriting_that_fails_refuses_the_start(void **state)
{
	struct fixture *f = *state;

	jm_must_append(f->j, 1, 1);
	f->j = journal_free(f->j);
	disk_sim_fail(f->d, DISK_SIM_FLUSH, 0, EIO);
	assert_int_equal(jm_open(f->d, 0, &f->j), MQI_E_IO);
	disk_sim_fail(f->d, DISK_SIM_WRITE, 0, EIO);
	assert_int_equal(jm_open(f->d, 0, &f->j), MQI_E_IO);
	assert_int_equal(jm_open(f->d, 0, &f->j), MQI_OK);
}

/* Opens with files of another size, reads all and goes on. */
static void
reopen_with(struct fixture *f, uint64_t size, unsigned files, uint64_t applied,
    uint64_t epoch)
{
	const struct journal_options o = {.file_size = size,
	    .files_first = JOURNAL_FILES_MIN,
	    .files = files};
	uint64_t last = journal_last(f->j);
	struct journal_cursor c;

	f->j = journal_free(f->j);
	assert_int_equal(journal_open(disk_sim_table(f->d), &o, jm_log_id,
			     applied, &f->j, &f->why),
	    MQI_OK);
	assert_int_equal(journal_last(f->j), last);
	journal_rewind(f->j, &c);
	while (c.number < last)
		check_read(f, &c, epoch - 1);
	journal_release(f->j, last);
	journal_begin(f->j, epoch);
	for (uint64_t i = last + 1; i <= last + 40; i++) {
		struct store_batch *b = jm_batch(i, epoch);

		if (!journal_has_place(f->j, b->records.len))
			journal_release(f->j, i - 1);
		assert_true(journal_has_place(f->j, b->records.len));
		assert_int_equal(journal_append(f->j, b, &f->why), MQI_OK);
		(void)store_batch_free(b);
	}
}

static void
test_sizes_and_counts_of_files_may_change(void **state)
{
	struct fixture *f = *state;
	uint64_t applied;

	for (uint64_t i = 1; !disk_sim_exists(f->d, "log.002"); i++)
		jm_must_append(f->j, i, 1);
	reopen_with(f, 3 * JM_FILE_SIZE, 5, 3, 2);
	assert_int_equal(disk_sim_size(f->d, "log.000"), 3 * JM_FILE_SIZE);
	/* smaller, and fewer than there are */
	applied = journal_last(f->j) - 5;
	reopen_with(f, JM_FILE_SIZE, 2, applied, 3);
	reopen_with(f, JM_FILE_SIZE / 2, 2, journal_last(f->j), 4);
	reopen_with(f, JM_FILE_SIZE, 5, journal_last(f->j), 5);
}

/* ---- reading while appending ---- */

struct reader {
	struct journal *j;
	_Atomic uint64_t read;
	uint64_t until;
	bool good;
};

static void *
read_main(void *arg)
{
	struct reader *r = arg;
	struct store_batch *b = store_batch_new(0);
	struct journal_cursor c = {.number = 0};
	struct store_why why = {0};

	r->good = true;
	while (r->good && c.number < r->until) {
		struct store_batch *expected;

		if (c.number == journal_last(r->j))
			continue;
		if (c.ordinal == 0)
			journal_rewind(r->j, &c);
		r->good = journal_read(r->j, &c, b, &why) == MQI_OK;
		expected = jm_batch(c.number, 1);
		r->good = r->good && jm_same(b, expected);
		(void)store_batch_free(expected);
		journal_release(r->j, c.number);
		atomic_store(&r->read, c.number);
	}
	atomic_store(&r->read, UINT64_MAX);
	(void)store_batch_free(b);
	return NULL;
}

static void
test_reading_while_appending(void **state)
{
	struct fixture *f = *state;
	struct reader r = {.j = f->j, .until = 3000};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, read_main, &r), 0);
	for (uint64_t i = 1; i <= r.until; i++) {
		struct store_batch *b = jm_batch(i, 1);

		while (!journal_has_place(f->j, b->records.len) &&
		       atomic_load(&r.read) < i - 1)
			;
		assert_int_equal(journal_append(f->j, b, &f->why), MQI_OK);
		(void)store_batch_free(b);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(r.good);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_batch_costs_one_write_and_one_flush),
	    TEST(test_files_are_used_again_when_released),
	    TEST(test_no_place_until_released_or_a_file_is_made),
	    TEST(test_file_that_cannot_be_made_changes_nothing),
	    TEST(test_failed_write_or_flush_is_told),
	    TEST(test_rewriting_that_fails_refuses_the_start),
	    TEST(test_sizes_and_counts_of_files_may_change),
	    TEST(test_reading_while_appending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

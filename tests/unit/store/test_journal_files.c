/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal_files.c - the journal's files are used again, also the one at
 * whose end a reader still stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/store/journal.h"
#include "tests/lib/tmpdir.h"

#define LEN 20000u
#define FILE_SIZE 65536u

static void
append(struct journal *j, uint64_t number, struct store_why *why)
{
	struct store_batch *b = store_batch_new(number);

	mqbuf_put_zeros(&b->records, LEN);
	assert_true(journal_has_place(j, LEN));
	assert_int_equal(journal_append(j, b, why), MQI_OK);
	(void)store_batch_free(b);
}

static void
test_reader_at_the_end_of_a_file_that_is_used_again_goes_on(void **state)
{
	static const uint8_t log_id[JOURNAL_ID_LEN] = {1};
	const struct journal_options o = {.file_size = FILE_SIZE,
	    .files_first = JOURNAL_FILES_MIN,
	    .files = JOURNAL_FILES_MIN};
	struct store_batch *b = store_batch_new(0);
	struct journal_cursor c;
	struct store_why why = {0};
	struct journal *j = NULL;
	struct disk *disk = NULL;
	struct tmpdir dir;
	char path[PATH_MAX + 16];

	(void)state;
	tmpdir_make(&dir);
	(void)snprintf(path, sizeof(path), "%s/journal", dir.path);
	assert_int_equal(disk_posix_open(path, &disk), 0);
	assert_int_equal(journal_create(disk, &o, log_id, 0, &j, &why), MQI_OK);
	journal_begin(j, 1);
	append(j, 1, &why);
	journal_rewind(j, &c);
	/* the writer fills every file that the reader has left */
	for (unsigned round = 0; round < 20; round++) {
		while (c.number < journal_last(j)) {
			uint64_t number = c.number + 1;

			assert_int_equal(journal_read(j, &c, b, &why), MQI_OK);
			assert_int_equal(c.number, number);
			assert_int_equal(b->records.len, LEN);
		}
		journal_release(j, c.number);
		while (journal_has_place(j, LEN))
			append(j, journal_last(j) + 1, &why);
		assert_true(journal_last(j) > c.number);
	}
	(void)journal_free(j);
	(void)store_batch_free(b);
	disk_posix_close(disk);
	tmpdir_free(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_reader_at_the_end_of_a_file_that_is_used_again_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

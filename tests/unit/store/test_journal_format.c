/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal_format.c - the bytes of the journal's files: what golden files
 * hold is made and read for ever, and no flipped bit goes unnoticed.
 *
 * tests/data/golden/journal has, of journal format 1: a file's header, that of
 * an unused file, a batch, and a small file with three batches, which is
 * opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "tests/lib/golden.h"
#include "tests/unit/store/journal_model.h"

#define SMALL_FILE 12288u

static struct journal_file_header
file_header(uint64_t ordinal)
{
	struct journal_file_header h = {
	    .ordinal = ordinal,
	    .first = 1001,
	    .epoch = ordinal == 0 ? 0 : 7,
	    .size = SMALL_FILE,
	    .files = ordinal == 0 ? 0 : 3,
	};

	memcpy(h.log_id, jm_log_id, JOURNAL_ID_LEN);
	return h;
}

static struct journal_batch_header
batch_header(const struct store_batch *b)
{
	struct journal_batch_header h = {
	    .number = b->number,
	    .epoch = 7,
	    .len = (uint32_t)b->records.len,
	    .previous = 0xabcdef01,
	    .files = 3,
	};

	memcpy(h.log_id, jm_log_id, JOURNAL_ID_LEN);
	return h;
}

static void
test_file_header_is_golden(void **state)
{
	uint8_t bytes[JOURNAL_FILE_HEADER];
	struct journal_file_header h;
	struct journal_file_header got;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		h = file_header(i * 42);
		journal_file_header_encode(&h, bytes);
		golden_check("journal", i == 0 ? "unused" : "file", bytes,
		    sizeof(bytes));
		assert_int_equal(
		    journal_file_header_decode(bytes, jm_log_id, &got),
		    JOURNAL_GOOD);
		assert_int_equal(got.version, JOURNAL_VERSION);
		assert_int_equal(got.ordinal, h.ordinal);
		assert_int_equal(got.first, h.first);
		assert_int_equal(got.epoch, h.epoch);
		assert_int_equal(got.size, h.size);
		assert_int_equal(got.files, h.files);
	}
}

static void
test_batch_is_golden(void **state)
{
	struct store_batch *b = jm_batch(1001, 7);
	struct journal_batch_header h = batch_header(b);
	struct journal_batch_header got;
	uint8_t bytes[JOURNAL_BATCH_HEADER];
	struct mqbuf whole;

	(void)state;
	mqbuf_init(&whole, 65536);
	journal_batch_header_encode(&h, b->records.data, bytes);
	mqbuf_put(&whole, bytes, sizeof(bytes));
	mqbuf_put(&whole, b->records.data, b->records.len);
	golden_check("journal", "batch", whole.data, whole.len);
	assert_int_equal(
	    journal_batch_header_decode(bytes, jm_log_id, &got), JOURNAL_GOOD);
	assert_int_equal(got.number, h.number);
	assert_int_equal(got.epoch, h.epoch);
	assert_int_equal(got.len, h.len);
	assert_int_equal(got.previous, h.previous);
	assert_int_equal(got.files, h.files);
	assert_int_equal(got.crc, h.crc);
	assert_true(journal_batch_is_whole(&got, bytes, b->records.data));
	mqbuf_fini(&whole);
	(void)store_batch_free(b);
}

static void
test_flipped_bits_are_noticed(void **state)
{
	struct journal_file_header fh = file_header(42);
	struct store_batch *b = jm_batch(1001, 7);
	struct journal_batch_header h = batch_header(b);
	struct journal_batch_header got;
	uint8_t file[JOURNAL_FILE_HEADER];
	uint8_t batch[JOURNAL_BATCH_HEADER];

	(void)state;
	journal_file_header_encode(&fh, file);
	for (size_t i = 0; i < 8 * sizeof(file); i++) {
		file[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(
		    journal_file_header_decode(file, jm_log_id, &fh),
		    JOURNAL_NONE);
		file[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	journal_batch_header_encode(&h, b->records.data, batch);
	for (size_t i = 0; i < 8 * sizeof(batch); i++) {
		batch[i / 8] ^= (uint8_t)(1u << i % 8);
		if (journal_batch_header_decode(batch, jm_log_id, &got) ==
		    JOURNAL_GOOD)
			assert_false(journal_batch_is_whole(
			    &got, batch, b->records.data));
		batch[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < 8 * b->records.len; i++) {
		b->records.data[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(
		    journal_batch_is_whole(&h, batch, b->records.data));
		b->records.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	(void)store_batch_free(b);
}

/* As a later version would write it. */
static void
seal(uint8_t bytes[JOURNAL_FILE_HEADER])
{
	mqbuf_set_u32(bytes + 12, 0);
	mqbuf_set_u32(bytes + 12, mqcrc32c(0, bytes, JOURNAL_FILE_HEADER));
}

static void
test_newer_and_foreign_headers_are_told_apart(void **state)
{
	struct journal_file_header h = file_header(42);
	const uint8_t other[JOURNAL_ID_LEN] = {9};
	uint8_t bytes[JOURNAL_FILE_HEADER];

	(void)state;
	journal_file_header_encode(&h, bytes);
	assert_int_equal(
	    journal_file_header_decode(bytes, other, &h), JOURNAL_FOREIGN);
	mqbuf_set_u32(bytes + 8, JOURNAL_VERSION + 1);
	seal(bytes);
	assert_int_equal(
	    journal_file_header_decode(bytes, jm_log_id, &h), JOURNAL_NEWER);
	assert_int_equal(h.version, JOURNAL_VERSION + 1);
	mqbuf_set_u32(bytes + 8, JOURNAL_VERSION);
	mqbuf_set_u64(bytes + 16, UINT64_C(1) << 63);
	seal(bytes);
	assert_int_equal(
	    journal_file_header_decode(bytes, jm_log_id, &h), JOURNAL_NEWER);
	assert_true(h.features == UINT64_C(1) << 63);
}

/* The journal whose first file is golden. */
static void
make_small(struct disk_sim *d)
{
	const struct journal_options o = {.file_size = SMALL_FILE,
	    .files_first = JOURNAL_FILES_MIN,
	    .files = JOURNAL_FILES_MIN};
	struct store_why why = {0};
	struct journal *j = NULL;

	assert_int_equal(
	    journal_create(disk_sim_table(d), &o, jm_log_id, 1000, &j, &why),
	    MQI_OK);
	journal_begin(j, 7);
	for (uint64_t i = 1001; i <= 1003; i++)
		jm_must_append(j, i, 7);
	(void)journal_free(j);
}

static void
test_journal_of_format_1_is_made_and_opened(void **state)
{
	struct disk_sim *d = disk_sim_new(1);
	struct store_batch *got = store_batch_new(0);
	struct store_why why = {0};
	struct journal *j = NULL;
	struct journal_cursor c;
	uint8_t bytes[SMALL_FILE];
	uint8_t *golden;

	(void)state;
	make_small(d);
	disk_sim_peek(d, "log.000", 0, bytes, sizeof(bytes));
	golden_check("journal", "log", bytes, sizeof(bytes));
	d = disk_sim_free(d);
	d = disk_sim_new(2);
	assert_int_equal(golden_read("journal", "log", &golden), SMALL_FILE);
	disk_sim_resize(d, "log.000", SMALL_FILE);
	disk_sim_poke(d, "log.000", 0, golden, SMALL_FILE);
	free(golden);
	assert_int_equal(golden_read("journal", "unused", &golden), 4096);
	disk_sim_resize(d, "log.001", SMALL_FILE);
	disk_sim_poke(d, "log.001", 0, golden, 4096);
	free(golden);
	assert_int_equal(jm_open(d, 1000, &j), MQI_OK);
	assert_int_equal(journal_last(j), 1003);
	journal_rewind(j, &c);
	for (uint64_t i = 1001; i <= 1003; i++) {
		struct store_batch *b = jm_batch(i, 7);

		assert_int_equal(journal_read(j, &c, got, &why), MQI_OK);
		assert_true(jm_same(got, b));
		(void)store_batch_free(b);
	}
	(void)journal_free(j);
	(void)disk_sim_free(d);
	(void)store_batch_free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_file_header_is_golden),
	    cmocka_unit_test(test_batch_is_golden),
	    cmocka_unit_test(test_flipped_bits_are_noticed),
	    cmocka_unit_test(test_newer_and_foreign_headers_are_told_apart),
	    cmocka_unit_test(test_journal_of_format_1_is_made_and_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_model.c - batches that follow from their numbers, for the tests of
 * the journal (journal_model.h).
 *
 * A batch has 1 to 8 META records; their count and sizes follow from the
 * number alone, so that what is put again after a crash covers exactly what was
 * torn, and their bytes from the epoch too.
 */
#include "tests/unit/store/journal_model.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"

const uint8_t jm_log_id[JOURNAL_ID_LEN] = {
    0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const struct journal_options jm_options = {
    .file_size = JM_FILE_SIZE, .files_first = JOURNAL_FILES_MIN, .files = 5};

static int kept_fd = -1;
static int stderr_fd = -1;

struct store_batch *
jm_batch(uint64_t number, uint64_t epoch)
{
	struct store_batch *b = store_batch_new(number);
	uint64_t shape = number * 77 + 1;
	uint64_t fill = number * 1000 + epoch;
	unsigned n = (unsigned)(mqrand_next(&shape) % 8) + 1;
	uint8_t value[4000];

	for (unsigned i = 0; i < n; i++) {
		struct record_meta m = {.value = value};

		m.len = (uint32_t)(mqrand_next(&shape) %
				   (i == 0 && n % 3 == 0 ? 3000 : 200));
		for (unsigned k = 0; k < m.len; k++)
			value[k] = (uint8_t)mqrand_next(&fill);
		(void)snprintf(m.name, sizeof(m.name), "%u", i);
		record_encode_meta(&b->records, &m);
	}
	assert_int_equal(b->records.err, MQI_OK);
	return b;
}

bool
jm_same(const struct store_batch *a, const struct store_batch *b)
{
	return a->number == b->number && a->records.len == b->records.len &&
	       (a->records.len == 0 || memcmp(a->records.data, b->records.data,
					   a->records.len) == 0);
}

bool
jm_is_part(const struct store_batch *part, const struct store_batch *whole)
{
	const uint8_t *p = part->records.data;
	size_t left = part->records.len;
	size_t at = 0;

	while (left > 0 && at < whole->records.len) {
		const uint8_t *w = whole->records.data + at;
		size_t size = mqbuf_get_u32(w);

		at += size;
		if (left < size || memcmp(p, w, size) != 0)
			continue;
		p += size;
		left -= size;
	}
	return left == 0;
}

enum mqi_err
jm_create(struct disk_sim *d, uint64_t last, struct journal **ret)
{
	struct store_why why = {0};

	return journal_create(
	    disk_sim_table(d), &jm_options, jm_log_id, last, ret, &why);
}

enum mqi_err
jm_open(struct disk_sim *d, uint64_t applied, struct journal **ret)
{
	struct store_why why = {0};
	enum mqi_err err = journal_open(
	    disk_sim_table(d), &jm_options, jm_log_id, applied, ret, &why);

	assert_true(err == MQI_OK || why.text[0] != '\0');
	if (err != MQI_OK)
		(void)fprintf(stderr, "refused: %s\n", why.text);
	return err;
}

enum mqi_err
jm_append(struct journal *j, uint64_t number, uint64_t epoch)
{
	struct store_batch *b = jm_batch(number, epoch);
	struct store_why why = {0};
	enum mqi_err err = MQI_OK;

	if (!journal_has_place(j, b->records.len)) {
		assert_true(journal_wants_file(j));
		err = journal_add_file(j, &why);
	}
	if (err == MQI_OK)
		err = journal_append(j, b, &why);
	assert_true(err == MQI_OK || why.text[0] != '\0');
	(void)store_batch_free(b);
	return err;
}

void
jm_must_append(struct journal *j, uint64_t number, uint64_t epoch)
{
	assert_int_equal(jm_append(j, number, epoch), MQI_OK);
}

void
jm_log_keep(void)
{
	assert_int_equal(kept_fd, -1);
	(void)fflush(stderr);
	kept_fd = memfd_create("log", MFD_CLOEXEC);
	stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(kept_fd >= 0 && stderr_fd >= 0);
	assert_int_equal(dup2(kept_fd, STDERR_FILENO), STDERR_FILENO);
}

char *
jm_log_kept(void)
{
	off_t len;
	char *text;

	(void)fflush(stderr);
	assert_int_equal(dup2(stderr_fd, STDERR_FILENO), STDERR_FILENO);
	len = lseek(kept_fd, 0, SEEK_END);
	text = mqmem_alloc((size_t)len + 1);
	assert_int_equal(pread(kept_fd, text, (size_t)len, 0), len);
	(void)close(kept_fd);
	(void)close(stderr_fd);
	kept_fd = stderr_fd = -1;
	return text;
}

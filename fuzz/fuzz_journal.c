/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_journal.c - opening and reading a journal whose files hold any bytes.
 *
 * An input is u8 number of the last applied batch, u16 size of the first
 * file's part, and the parts of two files: 40 bytes of header fields, then what
 * stands behind the header.  Magic, log id and checksums are put in where the
 * input asks for it, so that they do not stand in the way.
 *
 * Promises: opening succeeds or gives a reason; what is read has rising
 * numbers up to the last; a journal that was opened goes on, and gives back
 * what is appended; opening it twice finds the same.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "qmgr/store/journal.h"
#include "tests/lib/disk_sim.h"

#define FILE_SIZE 32768u
#define FIELDS 40u
#define BATCH_MAGIC UINT32_C(0x54424c53)

static const uint8_t log_id[JOURNAL_ID_LEN] = {1, 2, 3, 4};
static const struct journal_options options = {
    .file_size = FILE_SIZE, .files_first = 2, .files = 4};

/* Makes batches of what begins with 'S'; a second byte that is odd leaves the
 * checksum of the records alone. */
static void
correct_batches(uint8_t *data, size_t size)
{
	for (size_t at = JOURNAL_FILE_HEADER; at + JOURNAL_BATCH_HEADER <= size;
	     at += JOURNAL_ALIGN) {
		uint8_t *p = data + at;
		uint32_t room = (uint32_t)(size - at - JOURNAL_BATCH_HEADER);
		bool damaged = (p[1] & 1) != 0;
		uint32_t len = mqbuf_get_u32(p + 40) % 2048;

		if (p[0] != 'S')
			continue;
		mqbuf_set_u32(p, BATCH_MAGIC);
		memcpy(p + 8, log_id, sizeof(log_id));
		mqbuf_set_u64(p + 24, mqbuf_get_u64(p + 24) % 512);
		/* the epoch is below the one with which go_on() writes */
		mqbuf_set_u64(p + 32, mqbuf_get_u64(p + 32) & INT64_MAX);
		mqbuf_set_u32(p + 40, len);
		mqbuf_set_u32(p + 60, mqcrc32c(0, p + 8, 52));
		if (!damaged && len <= room)
			mqbuf_set_u32(p + 4, mqcrc32c(0, p + 8, 56 + len));
	}
}

static void
make_file(
    struct disk_sim *d, const char *name, const uint8_t *data, size_t size)
{
	uint8_t *bytes = calloc(1, FILE_SIZE);
	size_t whole = JOURNAL_FILE_HEADER;

	MQ_INVARIANT(bytes);
	if (size >= FIELDS) {
		memcpy(bytes, "SLUICEJL", 8);
		memcpy(bytes + 8, data, FIELDS);
		memcpy(bytes + 24, log_id, sizeof(log_id));
		if ((data[4] & 1) == 0)
			mqbuf_set_u32(bytes + 8, JOURNAL_VERSION);
		memset(bytes + 16, 0, 8);
		mqbuf_set_u64(bytes + 40, mqbuf_get_u64(data + 5) % 16);
		mqbuf_set_u64(bytes + 48, mqbuf_get_u64(data + 13) % 512);
		mqbuf_set_u32(bytes + 72, data[21] % 8);
		mqbuf_set_u32(bytes + 12, 0);
		mqbuf_set_u32(bytes + 12, mqcrc32c(0, bytes, whole));
		if ((data[4] & 2) != 0)
			bytes[data[22]] ^= 1;
		data += FIELDS;
		size -= FIELDS;
		if (size > FILE_SIZE - whole)
			size = FILE_SIZE - whole;
		memcpy(bytes + whole, data, size);
		whole += size;
	}
	correct_batches(bytes, whole);
	disk_sim_resize(d, name, whole);
	disk_sim_poke(d, name, 0, bytes, whole);
	free(bytes);
}

static struct journal *
open_journal(struct disk_sim *d, uint64_t applied)
{
	struct store_why why = {0};
	struct journal *j = NULL;
	enum mqi_err err = journal_open(
	    disk_sim_table(d), &options, log_id, applied, &j, &why);

	MQ_INVARIANT((err == MQI_OK) == (j != NULL));
	MQ_INVARIANT(err == MQI_OK || why.text[0] != '\0');
	return j;
}

static void
read_all(struct journal *j, struct store_batch *b)
{
	struct store_why why = {0};
	struct journal_cursor c;

	journal_rewind(j, &c);
	while (c.number < journal_last(j)) {
		uint64_t before = c.number;

		MQ_INVARIANT(journal_read(j, &c, b, &why) == MQI_OK);
		MQ_INVARIANT(b->number > before && c.number == b->number);
	}
	MQ_INVARIANT(c.number == journal_last(j));
}

/* Goes on behind what was found; the last batch comes back. */
static void
go_on(struct disk_sim *d, struct journal *j, struct store_batch *b)
{
	struct store_batch *mine = store_batch_new(journal_last(j) + 1);
	struct store_why why = {0};

	mqbuf_put_zeros(&mine->records, 100);
	journal_release(j, journal_last(j));
	journal_begin(j, UINT64_MAX);
	MQ_INVARIANT(journal_has_place(j, 100));
	MQ_INVARIANT(journal_append(j, mine, &why) == MQI_OK);
	(void)journal_free(j);
	j = open_journal(d, mine->number - 1);
	MQ_INVARIANT(j != NULL && journal_last(j) == mine->number);
	read_all(j, b);
	MQ_INVARIANT(b->records.len == 100);
	(void)journal_free(j);
	(void)store_batch_free(mine);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disk_sim *d;
	struct store_batch *b;
	struct journal *j;
	uint64_t applied;
	uint64_t last;
	size_t split;

	if (size < 3)
		return 0;
	applied = data[0];
	split = mqbuf_get_u16(data + 1);
	data += 3;
	size -= 3;
	if (split > size)
		split = size;
	d = disk_sim_new(1);
	b = store_batch_new(0);
	make_file(d, "log.000", data, split);
	make_file(d, "log.001", data + split, size - split);
	j = open_journal(d, applied);
	if (j != NULL) {
		last = journal_last(j);
		read_all(j, b);
		(void)journal_free(j);
		j = open_journal(d, applied);
		MQ_INVARIANT(j != NULL && journal_last(j) == last);
		go_on(d, j, b);
	}
	(void)store_batch_free(b);
	(void)disk_sim_free(d);
	return 0;
}

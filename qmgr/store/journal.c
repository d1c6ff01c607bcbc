/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.c - appending to the journal, and reading it back for a checkpoint.
 *
 * Neighbours: store_journal.c owns one and its threads; journal_recover.c
 * finds what a crash has left; journal_format.c has the bytes; disk.h is the
 * disk, so that a simulation can put its own in place.
 *
 * Files have a fixed size and are full of zeros before they are used, so that
 * a batch costs one write and one flush of its data alone: no block is
 * allocated, no size and no map of blocks changes.  A file that holds nothing
 * that LMDB does not have is used again, without being renamed: its header,
 * written together with its first batch, tells its place in the order.  The
 * oldest free file is taken, so the one that holds the last batch is never
 * overwritten by the next one.
 *
 * Why a batch must be durable before the next one is written: then only the
 * last can be torn, and an unreadable batch that has a successor is known to
 * be damage and not the end (design.md, section 3).
 *
 * Why the epoch: after a crash, a batch gets the number of the torn one that
 * was dropped.  If that one is whole after all at some later start, the higher
 * epoch says which of the two was served.
 *
 * Failure: after a failed write or flush the kernel may show pages that the
 * disk never got.  So nothing is tried again; the daemon ends, and the next
 * start writes what it reads once more before it believes it.
 */
#include "qmgr/store/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/store/journal_int.h"
#include "qmgr/store/store_err.h"

/* A file that was written in large steps lies in the page cache in large
 * pieces, and each small write to one of them counts, and costs, as a whole. */
#define FILL_STEP UINT64_C(16384)
/* In service: a batch's flush waits for what is being written besides. */
#define FILL_FLUSH (16 * FILL_STEP)

static void
lock(struct journal *j)
{
	MQ_INVARIANT(pthread_mutex_lock(&j->mutex) == 0);
}

static void
unlock(struct journal *j)
{
	MQ_INVARIANT(pthread_mutex_unlock(&j->mutex) == 0);
}

void
journal_file_name(unsigned i, char ret[JOURNAL_NAME_SIZE])
{
	(void)snprintf(ret, JOURNAL_NAME_SIZE, "log.%03u", i);
}

enum mqi_err
journal_fail(struct store_why *why, int rc, const char *what, unsigned file)
{
	return store_fail(why, store_err(rc),
	    "%s the journal's file log.%03u: %s", what, file, strerror(rc));
}

struct journal *
journal_new(struct disk *disk, const struct journal_options *o,
    const uint8_t log_id[JOURNAL_ID_LEN])
{
	struct journal *j = mqmem_alloc(sizeof(*j));

	MQ_PRE(o->file_size >= JOURNAL_FILE_HEADER + JOURNAL_BATCH_HEADER);
	MQ_PRE(o->files_first >= JOURNAL_FILES_MIN &&
	       o->files_first <= o->files && o->files <= JOURNAL_FILES_MAX);
	j->disk = disk;
	j->o = *o;
	memcpy(j->log_id, log_id, JOURNAL_ID_LEN);
	j->current = JOURNAL_FILES_MAX;
	MQ_INVARIANT(pthread_mutex_init(&j->mutex, NULL) == 0);
	return j;
}

struct journal *
journal_free(struct journal *j)
{
	if (j == NULL)
		return NULL;
	for (unsigned i = 0; i < JOURNAL_FILES_MAX; i++)
		if (j->files[i].f != NULL)
			j->disk->ops->close(j->disk, j->files[i].f);
	(void)pthread_mutex_destroy(&j->mutex);
	free(j->found);
	free(j);
	return NULL;
}

uint64_t
journal_last(struct journal *j)
{
	uint64_t last;

	lock(j);
	last = j->last;
	unlock(j);
	return last;
}

/* ---- files ---- */

enum mqi_err
journal_fill(
    struct journal *j, unsigned i, uint64_t from, struct store_why *why)
{
	uint8_t *zeros = mqmem_alloc(FILL_STEP);
	struct disk_file *f = j->files[i].f;
	int rc = 0;

	while (rc == 0 && from < j->o.file_size) {
		uint64_t n = j->o.file_size - from;
		struct iovec iov = {.iov_base = zeros};

		iov.iov_len = n < FILL_STEP ? n : FILL_STEP;
		n = iov.iov_len;
		rc = j->disk->ops->write(j->disk, f, from, &iov, 1);
		from += n;
		if (rc == 0 && j->epoch != 0 && from % FILL_FLUSH == 0)
			rc = j->disk->ops->flush(j->disk, f);
	}
	if (rc == 0)
		rc = j->disk->ops->flush(j->disk, f);
	free(zeros);
	if (rc != 0)
		return journal_fail(why, rc, "cannot fill", i);
	j->files[i].size = j->o.file_size;
	return MQI_OK;
}

int
journal_mark_unused(struct journal *j, unsigned i)
{
	struct journal_file_header h = {
	    .first = journal_last(j) + 1,
	    .size = j->files[i].size,
	};
	struct disk_file *f = j->files[i].f;
	uint8_t bytes[JOURNAL_FILE_HEADER];
	struct iovec iov = {bytes, sizeof(bytes)};
	int rc;

	memcpy(h.log_id, j->log_id, JOURNAL_ID_LEN);
	journal_file_header_encode(&h, bytes);
	rc = j->disk->ops->write(j->disk, f, 0, &iov, 1);
	return rc == 0 ? j->disk->ops->flush(j->disk, f) : rc;
}

/* A new file i, known to the table only when it is there for good. */
static enum mqi_err
make_file(struct journal *j, unsigned i, struct store_why *why)
{
	char name[JOURNAL_NAME_SIZE];
	struct disk_file *f = NULL;
	enum mqi_err err;
	int rc;

	journal_file_name(i, name);
	rc = j->disk->ops->remove(j->disk, name);
	if (rc == 0 || rc == ENOENT)
		rc = j->disk->ops->open(j->disk, name, true, &f);
	if (rc != 0)
		return journal_fail(why, rc, "cannot make", i);
	j->files[i].f = f;
	err = journal_fill(j, i, 0, why);
	if (err == MQI_OK)
		rc = journal_mark_unused(j, i);
	if (err == MQI_OK && rc == 0)
		rc = j->disk->ops->flush_dir(j->disk);
	if (err == MQI_OK && rc != 0)
		err = journal_fail(why, rc, "cannot make", i);
	if (err == MQI_OK)
		return MQI_OK;
	j->disk->ops->close(j->disk, f);
	j->files[i].f = NULL;
	(void)j->disk->ops->remove(j->disk, name);
	return err;
}

/* A store that is new has no journal yet; if one is there, what it belongs to
 * has been lost. */
static enum mqi_err
refuse_used_file(struct disk *disk, unsigned i, struct store_why *why)
{
	static const uint8_t no_log[JOURNAL_ID_LEN];
	uint8_t bytes[JOURNAL_FILE_HEADER];
	struct journal_file_header h = {.ordinal = 0};
	char name[JOURNAL_NAME_SIZE];
	struct disk_file *f;
	enum journal_look look;
	uint64_t size = 0;
	int rc;

	journal_file_name(i, name);
	rc = disk->ops->open(disk, name, false, &f);
	if (rc == ENOENT)
		return MQI_OK;
	if (rc != 0)
		return journal_fail(why, rc, "cannot open", i);
	rc = disk->ops->size(disk, f, &size);
	if (rc == 0 && size >= sizeof(bytes))
		rc = disk->ops->read(disk, f, 0, bytes, sizeof(bytes));
	disk->ops->close(disk, f);
	if (rc != 0)
		return journal_fail(why, rc, "cannot read", i);
	if (size < sizeof(bytes))
		return MQI_OK;
	look = journal_file_header_decode(bytes, no_log, &h);
	/* a damaged header is no sign that there is nothing behind it */
	if (look == JOURNAL_NONE ? bytes[0] == 0 && memcmp(bytes, bytes + 1,
							sizeof(bytes) - 1) == 0
				 : h.ordinal == 0)
		return MQI_OK;
	return store_fail(why, MQI_E_OBJECT_DAMAGED,
	    "the journal's file %s was in use, but the store that it belongs "
	    "to is not here: put the store back, restore a backup, or move the "
	    "journal's files away if nothing in them is needed",
	    name);
}

enum mqi_err
journal_refuse_used(struct disk *disk, struct store_why *why)
{
	enum mqi_err err = MQI_OK;

	for (unsigned i = 0; i < JOURNAL_FILES_MAX && err == MQI_OK; i++)
		err = refuse_used_file(disk, i, why);
	return err;
}

enum mqi_err
journal_create(struct disk *disk, const struct journal_options *o,
    const uint8_t log_id[JOURNAL_ID_LEN], uint64_t last, struct journal **ret,
    struct store_why *why)
{
	struct journal *j = journal_new(disk, o, log_id);
	char name[JOURNAL_NAME_SIZE];
	enum mqi_err err = journal_refuse_used(disk, why);

	j->last = last;
	j->released = last;
	for (unsigned i = 0; i < JOURNAL_FILES_MAX && err == MQI_OK; i++) {
		int rc;

		journal_file_name(i, name);
		rc = disk->ops->remove(disk, name);
		if (rc != 0 && rc != ENOENT)
			err = journal_fail(why, rc, "cannot remove", i);
	}
	for (unsigned i = 0; i < o->files_first && err == MQI_OK; i++) {
		err = make_file(j, i, why);
		if (err == MQI_OK)
			j->n_files++;
	}
	if (err != MQI_OK) {
		(void)journal_free(j);
		return err;
	}
	*ret = j;
	return MQI_OK;
}

void
journal_begin(struct journal *j, uint64_t epoch)
{
	MQ_PRE(j->released == j->last && j->current == JOURNAL_FILES_MAX);
	j->epoch = epoch;
	free(j->found);
	j->found = NULL;
	j->n_found = 0;
}

static bool
is_free(const struct journal *j, unsigned i)
{
	const struct journal_file *f = &j->files[i];

	return f->f != NULL && i != j->current && f->size >= j->o.file_size &&
	       (f->ordinal == 0 || f->last <= j->released);
}

/* The free file that was used the longest time ago, or JOURNAL_FILES_MAX. */
static unsigned
oldest_free(const struct journal *j)
{
	unsigned best = JOURNAL_FILES_MAX;

	for (unsigned i = 0; i < j->n_files; i++)
		if (is_free(j, i) &&
		    (best == JOURNAL_FILES_MAX ||
			j->files[i].ordinal < j->files[best].ordinal))
			best = i;
	return best;
}

static bool
fits(const struct journal *j, uint64_t len)
{
	return j->current != JOURNAL_FILES_MAX &&
	       j->at + JOURNAL_BATCH_HEADER + len <= j->files[j->current].size;
}

bool
journal_has_place(struct journal *j, uint64_t len)
{
	const uint64_t room =
	    j->o.file_size - JOURNAL_FILE_HEADER - JOURNAL_BATCH_HEADER;
	bool yes;

	MQ_PRE(len <= STORE_BATCH_MAX);
	lock(j);
	yes = fits(j, len) ||
	      (len <= room && oldest_free(j) != JOURNAL_FILES_MAX);
	unlock(j);
	return yes;
}

uint64_t
journal_bytes(struct journal *j)
{
	uint64_t n = 0;

	lock(j);
	/* files stay as large as they were made */
	for (unsigned i = 0; i < j->n_files; i++)
		n += j->files[i].size > j->o.file_size ? j->files[i].size
						       : j->o.file_size;
	unlock(j);
	return n;
}

bool
journal_wants_file(struct journal *j)
{
	bool yes;

	lock(j);
	yes = oldest_free(j) == JOURNAL_FILES_MAX && j->n_files < j->o.files;
	unlock(j);
	return yes;
}

enum mqi_err
journal_add_file(struct journal *j, struct store_why *why)
{
	unsigned i = j->n_files;
	enum mqi_err err;

	MQ_PRE(i < j->o.files);
	err = make_file(j, i, why);
	if (err != MQI_OK)
		return err;
	lock(j);
	j->n_files++;
	unlock(j);
	return MQI_OK;
}

/* ---- appending ---- */

/* Has the header of the file that is full say how many files there are, if no
 * batch has: should the next one, just made, be lost, it is missed.  What
 * changes of the header is in its first sector, which a disk writes as one. */
static enum mqi_err
tell_files(struct journal *j, struct store_why *why)
{
	struct disk_file *f;
	uint8_t bytes[JOURNAL_FILE_HEADER];
	struct iovec iov = {bytes, JOURNAL_SECTOR};
	unsigned files;
	int rc;

	lock(j);
	files = j->n_files;
	unlock(j);
	if (j->current == JOURNAL_FILES_MAX || j->told_files >= files)
		return MQI_OK;
	f = j->files[j->current].f;
	j->header.files = files;
	journal_file_header_encode(&j->header, bytes);
	rc = j->disk->ops->write(j->disk, f, 0, &iov, 1);
	if (rc == 0)
		rc = j->disk->ops->flush(j->disk, f);
	return rc == 0 ? MQI_OK
		       : journal_fail(why, rc, "cannot write", j->current);
}

/* Moves on to the next file.  Its header goes in front of the batch. */
static void
begin_file(struct journal *j, uint64_t number, uint8_t *header)
{
	struct journal_file_header h = {
	    .first = number,
	    .epoch = j->epoch,
	};
	unsigned i;

	lock(j);
	i = oldest_free(j);
	MQ_INVARIANT(i != JOURNAL_FILES_MAX);
	j->ordinal++;
	j->files[i].ordinal = j->ordinal;
	j->files[i].last = number;
	j->files[i].end = JOURNAL_FILE_HEADER;
	j->current = i;
	j->at = JOURNAL_FILE_HEADER;
	h.ordinal = j->ordinal;
	h.size = j->files[i].size;
	h.files = j->n_files;
	unlock(j);
	memcpy(h.log_id, j->log_id, JOURNAL_ID_LEN);
	journal_file_header_encode(&h, header);
	j->header = h;
}

enum mqi_err
journal_append(
    struct journal *j, const struct store_batch *b, struct store_why *why)
{
	struct journal_batch_header h = {
	    .number = b->number,
	    .epoch = j->epoch,
	    .len = (uint32_t)b->records.len,
	    .previous = j->crc,
	};
	uint8_t file_header[JOURNAL_FILE_HEADER];
	uint8_t header[JOURNAL_BATCH_HEADER];
	struct iovec iov[3];
	struct journal_file *f;
	uint64_t at;
	int n = 0;
	int rc;

	MQ_PRE(b->number == j->last + 1 && j->found == NULL);
	if (!fits(j, h.len)) {
		enum mqi_err err = tell_files(j, why);

		if (err != MQI_OK)
			return err;
		begin_file(j, b->number, file_header);
		iov[n++] = (struct iovec){file_header, sizeof(file_header)};
	}
	f = &j->files[j->current];
	at = n > 0 ? 0 : j->at;
	lock(j);
	h.files = j->n_files;
	unlock(j);
	memcpy(h.log_id, j->log_id, JOURNAL_ID_LEN);
	journal_batch_header_encode(&h, b->records.data, header);
	iov[n++] = (struct iovec){header, sizeof(header)};
	iov[n++] = (struct iovec){b->records.data, h.len};
	rc = j->disk->ops->write(j->disk, f->f, at, iov, n);
	if (rc != 0)
		return journal_fail(why, rc, "cannot write", j->current);
	rc = j->disk->ops->flush(j->disk, f->f);
	if (rc != 0)
		return journal_fail(why, rc, "cannot flush", j->current);
	j->crc = h.crc;
	j->told_files = h.files;
	lock(j);
	j->at += journal_batch_size(h.len);
	f->last = b->number;
	f->end = j->at;
	j->last = b->number;
	unlock(j);
	return MQI_OK;
}

void
journal_release(struct journal *j, uint64_t number)
{
	lock(j);
	MQ_PRE(number >= j->released && number <= j->last);
	j->released = number;
	unlock(j);
}

/* ---- reading ---- */

void
journal_rewind(struct journal *j, struct journal_cursor *ret)
{
	*ret = (struct journal_cursor){.number = 0};
	lock(j);
	for (unsigned i = 0; i < j->n_files; i++) {
		const struct journal_file *f = &j->files[i];

		if (f->ordinal != 0 && f->last > j->released &&
		    (ret->ordinal == 0 || f->ordinal < ret->ordinal))
			ret->ordinal = f->ordinal;
	}
	ret->number = j->released;
	ret->at = JOURNAL_FILE_HEADER;
	unlock(j);
	while (ret->found < j->n_found &&
	       j->found[ret->found].number <= ret->number)
		ret->found++;
}

/* The file that the cursor stands in, moving it to the next one if it is at
 * the end. */
static unsigned
cursor_file(struct journal *j, struct journal_cursor *c)
{
	unsigned at = JOURNAL_FILES_MAX;

	lock(j);
	for (unsigned pass = 0; pass < 2 && at == JOURNAL_FILES_MAX; pass++) {
		for (unsigned i = 0; i < j->n_files; i++)
			if (j->files[i].ordinal == c->ordinal)
				at = i;
		/* read to its end and released, it may have been used again */
		if (pass == 0 &&
		    (at == JOURNAL_FILES_MAX || c->at >= j->files[at].end)) {
			c->ordinal++;
			c->at = JOURNAL_FILE_HEADER;
			at = JOURNAL_FILES_MAX;
		}
	}
	MQ_INVARIANT(at != JOURNAL_FILES_MAX);
	unlock(j);
	return at;
}

/* The header at the cursor, which is put where it is. */
static enum mqi_err
read_header(struct journal *j, struct journal_cursor *c, unsigned *ret_file,
    struct journal_batch_header *ret, struct store_why *why)
{
	uint8_t header[JOURNAL_BATCH_HEADER];
	unsigned i = cursor_file(j, c);
	int rc = j->disk->ops->read(
	    j->disk, j->files[i].f, c->at, header, sizeof(header));

	if (rc != 0)
		return journal_fail(why, rc, "cannot read", i);
	if (journal_batch_header_decode(header, j->log_id, ret) !=
		JOURNAL_GOOD ||
	    ret->len > STORE_BATCH_MAX)
		return store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "the journal's file log.%03u does not show at %llu what "
		    "was written there",
		    i, (unsigned long long)c->at);
	*ret_file = i;
	return MQI_OK;
}

/* The same of the next batch: after a rewind, there may be older ones. */
static enum mqi_err
next_header(struct journal *j, struct journal_cursor *c, unsigned *ret_file,
    struct journal_batch_header *ret, struct store_why *why)
{
	enum mqi_err err = read_header(j, c, ret_file, ret, why);

	while (err == MQI_OK && ret->number <= c->number) {
		c->at += journal_batch_size(ret->len);
		err = read_header(j, c, ret_file, ret, why);
	}
	if (err == MQI_OK)
		MQ_INVARIANT(ret->number == c->number + 1);
	return err;
}

static enum mqi_err
read_batch(struct journal *j, struct journal_cursor *c, struct store_batch *b,
    struct store_why *why)
{
	struct journal_batch_header h;
	unsigned i;
	void *records;
	enum mqi_err err = next_header(j, c, &i, &h, why);
	int rc;

	if (err != MQI_OK)
		return err;
	records = mqbuf_reserve(&b->records, h.len);
	if (records == NULL)
		return store_fail(why, MQI_E_NO_MEMORY, "no memory");
	rc = j->disk->ops->read(j->disk, j->files[i].f,
	    c->at + JOURNAL_BATCH_HEADER, records, h.len);
	if (rc != 0)
		return journal_fail(why, rc, "cannot read", i);
	mqbuf_commit(&b->records, h.len);
	b->number = h.number;
	c->at += journal_batch_size(h.len);
	return MQI_OK;
}

enum mqi_err
journal_read(struct journal *j, struct journal_cursor *c, struct store_batch *b,
    struct store_why *why)
{
	enum mqi_err err;

	mqbuf_reset(&b->records);
	if (j->found != NULL) {
		MQ_PRE(c->found < j->n_found);
		err = journal_read_found(j, &j->found[c->found], b, why);
		c->found++;
	} else {
		err = read_batch(j, c, b, why);
	}
	if (err == MQI_OK)
		c->number = b->number;
	return err;
}

enum mqi_err
journal_skip(struct journal *j, struct journal_cursor *c, struct store_why *why)
{
	struct journal_batch_header h;
	enum mqi_err err;
	unsigned i;

	if (j->found != NULL) {
		MQ_PRE(c->found < j->n_found);
		c->number = j->found[c->found].number;
		c->found++;
		return MQI_OK;
	}
	err = next_header(j, c, &i, &h, why);
	if (err != MQI_OK)
		return err;
	c->number = h.number;
	c->at += journal_batch_size(h.len);
	return MQI_OK;
}

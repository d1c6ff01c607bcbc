/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_recover.c - opening a journal: what a crash, or damage, has left.
 *
 * Every file that may hold a batch behind `applied` is read as a whole and
 * looked through at each place where a batch may begin, so that nothing has to
 * be trusted to find the next one: not a length, not the order of the files.
 * Batches are then put in order by their numbers; of two with one number the
 * higher epoch was served.  What is whole and behind another whole one follows
 * it; what is not whole is
 *
 *   torn     if no trace of a later one is there: it was never acknowledged,
 *            since its flush did not return, and is dropped;
 *   damage   if there is one, for a batch is written when the one before is
 *            durable: this one was.  It is set aside, and the records in it
 *            that are whole by their own checksums still count.
 *
 * A trace is any header, of a batch or a file, whole or not.  What a trace says
 * was there, and is not, is lost, and told.
 *
 * The part of each file that counts, and its header, is written again, byte
 * for byte, and flushed, before anything is made of it: the page cache may show
 * what a failed flush never brought to the disk.
 *
 * Behind a damaged record nothing is searched for: a body could hold what looks
 * like a record, and nothing tells it from ours.
 *
 * Refused, because serving would lose or double messages: a journal that ends
 * before LMDB does, begins after it, is of another log or of a newer version,
 * or whose batches do not chain.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/store/journal_int.h"
#include "qmgr/store/store_err.h"

#define LOSSES_TOLD 16u /* lines in the log; the rest is counted */

struct scan {
	struct journal *j;
	struct store_why *why;
	uint64_t applied;
	uint64_t highest; /* number that any header, or the next file, tells */
	uint64_t durable; /* number that was durable, by any trace */
	uint32_t files;   /* that there were, by any header */
	uint64_t applied_epoch; /* of the batch `applied`, if it is there */
	uint32_t applied_crc;
	uint8_t *bytes; /* of one file */
	struct journal_file_header headers[JOURNAL_FILES_MAX];
	bool good[JOURNAL_FILES_MAX];
	uint64_t first[JOURNAL_FILES_MAX]; /* number of what stands first */
	bool unfinished;                   /* the last file has no header */
	bool unreadable; /* a file has lost its header, or its end */
	bool excused;    /* without that, the start would be refused */
	size_t cap;
};

/* ---- files ---- */

static enum mqi_err
open_file(struct scan *s, unsigned i)
{
	struct journal *j = s->j;
	struct journal_file *f = &j->files[i];
	char name[JOURNAL_NAME_SIZE];
	int rc;

	journal_file_name(i, name);
	rc = j->disk->ops->open(j->disk, name, false, &f->f);
	if (rc == ENOENT) {
		f->f = NULL;
		return MQI_OK;
	}
	if (rc != 0)
		return journal_fail(s->why, rc, "cannot open", i);
	j->n_files = i + 1;
	rc = j->disk->ops->size(j->disk, f->f, &f->size);
	return rc == 0 ? MQI_OK : journal_fail(s->why, rc, "cannot look at", i);
}

static bool
is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void
note_unreadable(struct scan *s, unsigned i, const char *what)
{
	s->unreadable = true;
	mqlog(MQLOG_ERROR, "journal.damaged", "the journal's file log.%03u %s",
	    i, what);
}

/* One without a header: only the last one may have died being made, if no other
 * header knows of it. */
static void
note_empty(struct scan *s, unsigned i)
{
	const struct journal *j = s->j;

	if (i + 1 == j->n_files && i >= JOURNAL_FILES_MIN &&
	    j->files[i].size < j->o.file_size)
		s->unfinished = true;
	else
		note_unreadable(
		    s, i, "is empty: what it held, if it did, is lost");
}

/* When all headers have been seen. */
static void
note_missing(struct scan *s)
{
	unsigned i = s->j->n_files - s->unfinished;

	for (; i < s->files && i < JOURNAL_FILES_MAX; i++)
		note_unreadable(s, i, "is missing or empty");
}

static void
note_file_header(struct scan *s, unsigned i)
{
	const struct journal_file_header *h = &s->headers[i];
	struct journal *j = s->j;

	s->good[i] = true;
	j->files[i].ordinal = h->ordinal;
	if (h->ordinal > j->ordinal)
		j->ordinal = h->ordinal;
	if (h->first > s->highest + 1)
		s->highest = h->first - 1;
	if (h->first > s->durable + 1)
		s->durable = h->first - 1;
	if (h->files > s->files)
		s->files = h->files;
	if (j->files[i].size < h->size)
		note_unreadable(
		    s, i, "is cut: what stood behind its end is lost");
}

static enum mqi_err
read_file_header(struct scan *s, unsigned i)
{
	struct journal *j = s->j;
	struct journal_file *f = &j->files[i];
	uint8_t bytes[JOURNAL_FILE_HEADER + JOURNAL_BATCH_HEADER] = {0};
	struct journal_batch_header first;
	int rc;

	if (f->f == NULL) {
		note_unreadable(s, i, "is missing");
		return MQI_OK;
	}
	/* most of it is zeros: one that is cut says as much */
	rc = j->disk->ops->read(j->disk, f->f, 0, bytes,
	    f->size < sizeof(bytes) ? f->size : sizeof(bytes));
	if (rc != 0)
		return journal_fail(s->why, rc, "cannot read", i);
	if (journal_batch_header_decode(
		bytes + JOURNAL_FILE_HEADER, j->log_id, &first) == JOURNAL_GOOD)
		s->first[i] = first.number;
	switch (journal_file_header_decode(bytes, j->log_id, &s->headers[i])) {
	case JOURNAL_GOOD:
		note_file_header(s, i);
		return MQI_OK;
	case JOURNAL_NEWER:
		return store_fail(s->why, MQI_E_STORE_FORMAT,
		    "the journal's file log.%03u has version %u with features "
		    "%llx; this program knows version %u with features %llx",
		    i, s->headers[i].version,
		    (unsigned long long)s->headers[i].features, JOURNAL_VERSION,
		    (unsigned long long)JOURNAL_FEATURES);
	case JOURNAL_FOREIGN:
		return store_fail(s->why, MQI_E_STORE_FORMAT,
		    "the journal's file log.%03u belongs to another store", i);
	case JOURNAL_NONE:
		break;
	}
	if (is_zero(bytes, JOURNAL_FILE_HEADER))
		note_empty(s, i);
	else
		note_unreadable(s, i, "has a damaged header");
	return MQI_OK;
}

static enum mqi_err
open_files(struct scan *s)
{
	struct journal *j = s->j;
	enum mqi_err err = MQI_OK;

	for (unsigned i = 0; i < JOURNAL_FILES_MAX && err == MQI_OK; i++)
		err = open_file(s, i);
	if (err == MQI_OK && j->n_files == 0)
		err = store_fail(s->why, MQI_E_OBJECT_DAMAGED,
		    "the files of the journal are missing, but the store was "
		    "in use: put them back (log.000, log.001, ...), or restore "
		    "a backup");
	for (unsigned i = 0; i < j->n_files && err == MQI_OK; i++)
		err = read_file_header(s, i);
	return err;
}

/* A torn write has brought the file's first batch, and not the header before
 * it: what the header says is of an earlier use. */
static bool
is_stale(const struct scan *s, unsigned i)
{
	return s->good[i] && s->first[i] != 0 &&
	       (s->headers[i].ordinal == 0 ||
		   s->first[i] > s->headers[i].first);
}

/* Whether the file may hold what is wanted: a batch behind `applied`, or the
 * last batch of all. */
static bool
is_wanted(const struct scan *s, unsigned i)
{
	const struct journal *j = s->j;
	uint64_t next = UINT64_MAX; /* ordinal of the file after it */
	uint64_t bound = UINT64_MAX;

	if (j->files[i].f == NULL)
		return false;
	/* a torn write may have brought the batch, and not the header */
	if (!s->good[i] || s->first[i] > s->applied || is_stale(s, i))
		return true;
	if (s->headers[i].ordinal == 0)
		return false;
	for (unsigned k = 0; k < j->n_files; k++) {
		if (!s->good[k] || s->headers[k].ordinal >= next ||
		    s->headers[k].ordinal <= s->headers[i].ordinal)
			continue;
		next = s->headers[k].ordinal;
		bound = s->headers[k].first;
	}
	return bound > s->applied + 1;
}

/* ---- batches ---- */

static void
add_found(struct scan *s, const struct journal_found *f)
{
	struct journal *j = s->j;

	if (j->n_found == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		j->found = mqmem_grow(j->found, s->cap, sizeof(*j->found));
	}
	j->found[j->n_found++] = *f;
}

/* Looks at one place; returns how far to go on. */
static uint64_t
look_at(struct scan *s, unsigned i, uint64_t at)
{
	struct journal_file *file = &s->j->files[i];
	const uint8_t *p = s->bytes + at;
	uint64_t room = file->size - at - JOURNAL_BATCH_HEADER;
	struct journal_batch_header h;
	struct journal_found f = {.at = at, .file = i};

	if (journal_batch_header_decode(p, s->j->log_id, &h) != JOURNAL_GOOD ||
	    h.len > STORE_BATCH_MAX)
		return JOURNAL_ALIGN;
	f.number = h.number;
	f.epoch = h.epoch;
	f.len = h.len <= room ? h.len : (uint32_t)room;
	f.crc = h.crc;
	f.previous = h.previous;
	f.whole = h.len <= room &&
		  journal_batch_is_whole(&h, p, p + JOURNAL_BATCH_HEADER);
	if (h.number > s->highest)
		s->highest = h.number;
	if (h.number > file->last) {
		file->last = h.number;
		file->end = at + journal_batch_size(h.len);
	}
	if (h.files > s->files)
		s->files = h.files;
	if (h.number == s->applied && h.epoch >= s->applied_epoch) {
		s->applied_epoch = h.epoch;
		s->applied_crc = h.crc;
	}
	if (h.number > s->applied)
		add_found(s, &f);
	return f.whole ? journal_batch_size(h.len) : JOURNAL_ALIGN;
}

/* Writes the header, and the part that holds the batches from `first` on, once
 * more. */
static enum mqi_err
rewrite(struct scan *s, unsigned i, size_t first)
{
	struct journal *j = s->j;
	uint64_t from = UINT64_MAX;
	uint64_t to = 0;
	struct iovec iov;
	int rc = 0;

	for (size_t k = first; k < j->n_found; k++) {
		const struct journal_found *f = &j->found[k];
		uint64_t end = f->at + JOURNAL_BATCH_HEADER + f->len;

		if (f->at < from)
			from = f->at;
		if (end > to)
			to = end;
	}
	if (to == 0)
		return MQI_OK;
	if (s->good[i]) {
		iov = (struct iovec){s->bytes, JOURNAL_FILE_HEADER};
		rc = j->disk->ops->write(j->disk, j->files[i].f, 0, &iov, 1);
	}
	iov = (struct iovec){s->bytes + from, to - from};
	if (rc == 0)
		rc = j->disk->ops->write(j->disk, j->files[i].f, from, &iov, 1);
	if (rc == 0)
		rc = j->disk->ops->flush(j->disk, j->files[i].f);
	return rc == 0 ? MQI_OK
		       : journal_fail(s->why, rc, "cannot write again", i);
}

static enum mqi_err
scan_file(struct scan *s, unsigned i)
{
	struct journal *j = s->j;
	struct journal_file *f = &j->files[i];
	uint64_t at = JOURNAL_FILE_HEADER;
	size_t first = j->n_found;
	enum mqi_err err = MQI_OK;
	int rc;

	/* no setting makes a file larger */
	if (f->size > (UINT64_C(1) << 30))
		return store_fail(s->why, MQI_E_OBJECT_DAMAGED,
		    "the journal's file log.%03u has %llu bytes, more than any "
		    "that was made",
		    i, (unsigned long long)f->size);
	s->bytes = mqmem_grow(NULL, f->size + 1, 1);
	rc = j->disk->ops->read(j->disk, f->f, 0, s->bytes, f->size);
	if (rc != 0)
		err = journal_fail(s->why, rc, "cannot read", i);
	while (err == MQI_OK && at + JOURNAL_BATCH_HEADER <= f->size)
		at += look_at(s, i, at);
	if (err == MQI_OK)
		err = rewrite(s, i, first);
	free(s->bytes);
	s->bytes = NULL;
	return err;
}

/* ---- the chain ---- */

static int
found_cmp(const void *a, const void *b)
{
	const struct journal_found *x = a;
	const struct journal_found *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (x->epoch != y->epoch)
		return x->epoch > y->epoch ? -1 : 1;
	return x->whole == y->whole ? 0 : x->whole ? -1 : 1;
}

/* Keeps one batch of each number, none of an epoch before its predecessor's,
 * and not the last one if it is torn. */
static void
choose(struct scan *s)
{
	struct journal *j = s->j;
	uint64_t epoch = 0;
	size_t n = 0;

	if (j->n_found > 1)
		qsort(j->found, j->n_found, sizeof(*j->found), found_cmp);
	for (size_t i = 0; i < j->n_found; i++) {
		const struct journal_found *f = &j->found[i];

		if (f->epoch < epoch ||
		    (n > 0 && j->found[n - 1].number == f->number))
			continue;
		epoch = f->epoch;
		if (f->number - !f->whole > s->durable)
			s->durable = f->number - !f->whole;
		j->found[n++] = *f;
	}
	if (n > 0 && !j->found[n - 1].whole &&
	    j->found[n - 1].number > s->durable) {
		n--;
		mqlog(MQLOG_WARN, "journal.torn",
		    "the journal ends in batch %llu, which was not written to "
		    "its end and was never acknowledged: dropped",
		    (unsigned long long)j->found[n].number);
	}
	j->n_found = n;
}

/* Keeps the bytes of a damaged batch for whoever looks into it. */
static void
set_aside(struct journal *j, const struct journal_found *f)
{
	size_t len = JOURNAL_BATCH_HEADER + f->len;
	uint8_t *bytes = mqmem_grow(NULL, len, 1);
	struct disk_file *to = NULL;
	struct iovec iov = {bytes, len};
	char name[40];
	int rc;

	(void)snprintf(
	    name, sizeof(name), "damaged.%llu", (unsigned long long)f->number);
	rc = j->disk->ops->open(j->disk, name, true, &to);
	if (rc == 0)
		rc = j->disk->ops->read(
		    j->disk, j->files[f->file].f, f->at, bytes, len);
	if (rc == 0)
		rc = j->disk->ops->write(j->disk, to, 0, &iov, 1);
	if (rc == 0)
		rc = j->disk->ops->flush(j->disk, to);
	if (rc == 0)
		rc = j->disk->ops->flush_dir(j->disk);
	if (rc != 0 && rc != EEXIST)
		mqlog(MQLOG_ERROR, "journal.damaged",
		    "cannot set the damaged batch %llu aside as %s: %s",
		    (unsigned long long)f->number, name, strerror(rc));
	if (to != NULL)
		j->disk->ops->close(j->disk, to);
	if (to != NULL && rc != 0)
		(void)j->disk->ops->remove(j->disk, name);
	free(bytes);
}

static void
tell_missing(uint64_t from, uint64_t to)
{
	mqlog(MQLOG_ERROR, "journal.damaged",
	    "the journal has lost its batches %llu to %llu, and with them what "
	    "was put, got and defined in them",
	    (unsigned long long)from, (unsigned long long)to);
}

/* Before what was found: is it the continuation of LMDB? */
static enum mqi_err
check_begin(struct scan *s)
{
	struct journal *j = s->j;
	bool reaches = false;
	uint64_t first = j->n_found > 0 ? j->found[0].number : s->durable + 1;

	if (s->highest < s->applied && !s->unreadable)
		return store_fail(s->why, MQI_E_OBJECT_DAMAGED,
		    "the journal ends with batch %llu, but the store has batch "
		    "%llu already: one of the two was exchanged, or the disk "
		    "loses what it says it has written",
		    (unsigned long long)s->highest,
		    (unsigned long long)s->applied);
	s->excused = s->highest < s->applied;
	if (first <= s->applied + 1)
		return MQI_OK;
	for (unsigned i = 0; i < j->n_files; i++)
		reaches = reaches || (s->good[i] && s->headers[i].ordinal > 0 &&
					 s->headers[i].first <= s->applied + 1);
	s->excused = s->excused || !reaches;
	if (!reaches && !s->unreadable)
		return store_fail(s->why, MQI_E_OBJECT_DAMAGED,
		    "the journal begins with batch %llu, but the store ends "
		    "with batch %llu: one of the two was exchanged, for "
		    "example restored from a backup alone",
		    (unsigned long long)first, (unsigned long long)s->applied);
	tell_missing(s->applied + 1, first - 1);
	return MQI_OK;
}

/* Behind what was found: is there a trace of more?  Its numbers are not given
 * again, so that an empty batch stands for what is lost. */
static void
check_end(struct scan *s)
{
	struct journal *j = s->j;
	const uint64_t last =
	    j->n_found > 0 ? j->found[j->n_found - 1].number : s->applied;

	if (s->durable <= last)
		return;
	if (j->n_found > 0)
		tell_missing(last + 1, s->durable);
	add_found(s, &(struct journal_found){
			 .number = s->durable, .file = JOURNAL_FILES_MAX});
}

static enum mqi_err
check_chain(struct scan *s)
{
	struct journal *j = s->j;
	enum mqi_err err = check_begin(s);

	for (size_t i = 0; i < j->n_found && err == MQI_OK; i++) {
		const struct journal_found *f = &j->found[i];
		const struct journal_found *p = i > 0 ? f - 1 : NULL;

		if (!f->whole) {
			mqlog(MQLOG_ERROR, "journal.damaged",
			    "batch %llu of the journal is damaged, in log.%03u "
			    "at %llu; what can still be read of it counts, its "
			    "bytes are set aside as damaged.%llu",
			    (unsigned long long)f->number, f->file,
			    (unsigned long long)f->at,
			    (unsigned long long)f->number);
			set_aside(j, f);
		}
		if (p != NULL && p->number + 1 < f->number)
			tell_missing(p->number + 1, f->number - 1);
		else if (p != NULL && p->whole && f->whole &&
			 p->crc != f->previous)
			err = store_fail(s->why, MQI_E_OBJECT_DAMAGED,
			    "batch %llu of the journal does not follow batch "
			    "%llu: files of two journals are mixed",
			    (unsigned long long)f->number,
			    (unsigned long long)p->number);
	}
	if (err == MQI_OK)
		check_end(s);
	return err;
}

/* ---- opening ---- */

/* Files that were cut or lost, or have another size than is wanted now, get
 * it when nothing in them is needed; at least the fewest must be there.  One
 * that has lost its header, and holds nothing, is from now on one that was
 * never used: its loss has been told, and is not told again, unless the next
 * start would not know without it why batches are missing.  What was dropped is
 * still something: the next start must see it to decide as this one did. */
static enum mqi_err
mend_files(struct scan *s)
{
	struct journal *j = s->j;
	char name[JOURNAL_NAME_SIZE];
	enum mqi_err err = MQI_OK;

	if (j->n_files < JOURNAL_FILES_MIN)
		j->n_files = JOURNAL_FILES_MIN;
	for (unsigned i = 0; i < j->n_files && err == MQI_OK; i++) {
		struct journal_file *f = &j->files[i];
		int rc = 0;

		if (f->f == NULL) {
			journal_file_name(i, name);
			rc = j->disk->ops->open(j->disk, name, true, &f->f);
			if (rc == 0)
				rc = j->disk->ops->flush_dir(j->disk);
		}
		if (rc != 0)
			err = journal_fail(s->why, rc, "cannot make", i);
		else if (f->size < j->o.file_size)
			err = journal_fill(j, i, f->size, s->why);
		if (err != MQI_OK || s->good[i] || s->excused ||
		    f->last > s->applied)
			continue;
		rc = journal_mark_unused(j, i);
		if (rc != 0)
			err = journal_fail(s->why, rc, "cannot mark", i);
	}
	return err;
}

/* Gives a file whose header is of an earlier use the one that its batches had,
 * so that it stands in its place, and is not the next one to be used again.
 * Only what is believed gives a header: f. */
static enum mqi_err
renew_header(struct scan *s, const struct journal_found *f)
{
	struct journal *j = s->j;
	struct journal_file_header *h = &s->headers[f->file];
	uint8_t bytes[JOURNAL_FILE_HEADER];
	struct iovec iov = {bytes, sizeof(bytes)};
	int rc;

	h->first = f->number;
	h->epoch = f->epoch;
	h->ordinal = ++j->ordinal;
	j->files[f->file].ordinal = h->ordinal;
	journal_file_header_encode(h, bytes);
	rc = j->disk->ops->write(j->disk, j->files[f->file].f, 0, &iov, 1);
	if (rc == 0)
		rc = j->disk->ops->flush(j->disk, j->files[f->file].f);
	return rc == 0 ? MQI_OK
		       : journal_fail(
			     s->why, rc, "cannot renew the header of", f->file);
}

/* Whether every batch behind the applied one is there. */
static bool
is_complete(const struct scan *s)
{
	const struct journal *j = s->j;
	uint64_t before = s->applied;

	for (size_t k = 0; k < j->n_found; k++) {
		const struct journal_found *f = &j->found[k];

		if (f->file >= j->n_files || !f->whole ||
		    f->number > before + 1)
			return false;
		before = f->number;
	}
	return true;
}

/* After a loss the old headers tell more.  The last file alone may get an
 * ordinal above all others. */
static enum mqi_err
renew_headers(struct scan *s)
{
	const struct journal *j = s->j;
	enum mqi_err err = MQI_OK;

	if (!is_complete(s))
		return MQI_OK;
	for (size_t k = 0; k < j->n_found && err == MQI_OK; k++) {
		const struct journal_found *f = &j->found[k];

		if (f->file == j->found[j->n_found - 1].file &&
		    f->at == JOURNAL_FILE_HEADER && is_stale(s, f->file))
			err = renew_header(s, f);
	}
	return err;
}

enum mqi_err
journal_open(struct disk *disk, const struct journal_options *o,
    const uint8_t log_id[JOURNAL_ID_LEN], uint64_t applied,
    struct journal **ret, struct store_why *why)
{
	struct scan s = {.why = why, .applied = applied};
	struct journal *j = journal_new(disk, o, log_id);
	enum mqi_err err;
	int rc;

	s.j = j;
	err = open_files(&s);
	for (unsigned i = 0; i < j->n_files && err == MQI_OK; i++)
		if (is_wanted(&s, i))
			err = scan_file(&s, i);
	if (err == MQI_OK && (rc = disk->ops->flush_dir(disk)) != 0)
		err = store_fail(why, store_err(rc),
		    "cannot flush the journal's directory: %s", strerror(rc));
	if (err == MQI_OK) {
		note_missing(&s);
		choose(&s);
		err = check_chain(&s);
	}
	if (err == MQI_OK)
		err = renew_headers(&s);
	j->released = applied;
	j->last = applied;
	j->crc = s.applied_crc;
	if (err == MQI_OK && j->n_found > 0) {
		j->last = j->found[j->n_found - 1].number;
		j->crc = j->found[j->n_found - 1].crc;
	}
	if (err == MQI_OK)
		err = mend_files(&s);
	if (err != MQI_OK) {
		(void)journal_free(j);
		return err;
	}
	/* what was dropped is never read: its file may be used again */
	for (unsigned i = 0; i < j->n_files; i++)
		if (j->files[i].last > j->last)
			j->files[i].last = j->last;
	*ret = j;
	return MQI_OK;
}

/* ---- what was found ---- */

/* The size of a record that cannot be read, if it can be believed: a whole one
 * or the end is behind it.  Else 0. */
static size_t
believed_size(const uint8_t *bytes, size_t len)
{
	struct record r;
	size_t size;

	if (len < RECORD_HEADER)
		return 0;
	size = mqbuf_get_u32(bytes);
	if (size < RECORD_HEADER || size > len)
		return 0;
	if (size < len && record_decode(bytes + size, len - size, &r) != MQI_OK)
		return 0;
	return size;
}

/* Copies the records that are whole by themselves, up to where the next one
 * cannot be found. */
static void
salvage(
    struct store_batch *b, const uint8_t *bytes, size_t len, uint64_t number)
{
	struct record r;
	size_t at = 0;
	size_t size;
	unsigned losses = 0;

	while (at < len) {
		if (record_decode(bytes + at, len - at, &r) == MQI_OK) {
			mqbuf_put(&b->records, bytes + at, r.size);
			at += r.size;
			continue;
		}
		size = believed_size(bytes + at, len - at);
		if (losses++ < LOSSES_TOLD)
			mqlog(MQLOG_ERROR, "journal.damaged",
			    "batch %llu of the journal: a record at byte %zu "
			    "of it cannot be read and does not count%s",
			    (unsigned long long)number, at,
			    size > 0 ? "" : ", nor does what is behind it");
		at = size > 0 ? at + size : len;
	}
	if (losses > LOSSES_TOLD)
		mqlog(MQLOG_ERROR, "journal.damaged",
		    "batch %llu of the journal: %u records cannot be read",
		    (unsigned long long)number, losses);
}

enum mqi_err
journal_read_found(struct journal *j, const struct journal_found *f,
    struct store_batch *b, struct store_why *why)
{
	uint8_t *bytes;
	uint8_t *copy;
	int rc;

	b->number = f->number;
	if (f->file == JOURNAL_FILES_MAX)
		return MQI_OK;
	bytes = mqbuf_reserve(&b->records, f->len);
	if (bytes == NULL)
		return store_fail(why, MQI_E_NO_MEMORY, "no memory");
	rc = j->disk->ops->read(j->disk, j->files[f->file].f,
	    f->at + JOURNAL_BATCH_HEADER, bytes, f->len);
	if (rc != 0)
		return journal_fail(why, rc, "cannot read", f->file);
	if (f->whole) {
		mqbuf_commit(&b->records, f->len);
		return MQI_OK;
	}
	copy = mqmem_grow(NULL, (size_t)f->len + 1, 1);
	memcpy(copy, bytes, f->len);
	salvage(b, copy, f->len, f->number);
	free(copy);
	return MQI_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_inspect.c - the files of a journal, as journal_recover.c would see
 * them, but nothing is written and everything that is wrong is said.
 *
 * Each file is looked through at each place where a batch may begin.  The
 * batches behind `applied` are put in order by number, of those with one number
 * the one with the highest epoch; the last whole one is the journal's end.
 * Before it each must be there, whole, and the successor of the one before; of
 * what is behind it, only one may be there, which was not written to its end.
 */
#include "qmgr/store/journal_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "qmgr/store/journal.h"

#define FILE_MAX_BYTES (UINT64_C(1) << 30)
#define TEXT_MAX 200u

struct seen_batch {
	struct journal_batch_header h;
	uint64_t at;
	unsigned file;
	bool whole;
};

struct look {
	const struct journal_inspect *l;
	struct journal_seen seen;
	struct seen_batch *batches;
	size_t n;
	size_t cap;
	uint64_t highest;    /* that any header tells */
	uint64_t durable;    /* that was, by any header */
	uint64_t first_size; /* of log.000 */
	bool unreadable;     /* a file is cut, or has lost its header */
	bool empty; /* the last file has no header, as one that is being made */
};

static void wrong(struct look *k, const char *where, const char *fmt, ...)
    MQ_PRINTF(3, 4);

static void
wrong(struct look *k, const char *where, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	k->seen.wrong++;
	if (k->l->wrong == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->l->wrong(k->l->ctx, where, text);
}

/* ---- a file ---- */

static bool
is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void
look_header(
    struct look *k, const char *name, const uint8_t *bytes, uint64_t size)
{
	struct journal_file_header h;

	switch (journal_file_header_decode(bytes, k->l->log_id, &h)) {
	case JOURNAL_GOOD:
		if (h.first > k->highest + 1)
			k->highest = h.first - 1;
		if (h.first > k->durable + 1)
			k->durable = h.first - 1;
		if (size < h.size) {
			k->unreadable = true;
			wrong(k, name, "it is cut, at %" PRIu64 " bytes", size);
		}
		return;
	case JOURNAL_NEWER:
		wrong(k, name, "it is of a newer version");
		return;
	case JOURNAL_FOREIGN:
		wrong(k, name, "it belongs to another store");
		return;
	case JOURNAL_NONE:
		break;
	}
	/* one that is being made has no header yet, nor its whole size */
	if (is_zero(bytes, JOURNAL_FILE_HEADER) && size < k->first_size) {
		k->empty = true;
		return;
	}
	k->unreadable = true;
	wrong(k, name, "its header is damaged");
}

/* Looks at one place; returns how far to go on. */
static uint64_t
look_at(struct look *k, unsigned file, const uint8_t *bytes, uint64_t size,
    uint64_t at)
{
	const uint8_t *p = bytes + at;
	uint64_t room = size - at - JOURNAL_BATCH_HEADER;
	struct seen_batch b = {.at = at, .file = file};

	if (journal_batch_header_decode(p, k->l->log_id, &b.h) !=
		JOURNAL_GOOD ||
	    b.h.len > STORE_BATCH_MAX)
		return JOURNAL_ALIGN;
	b.whole = b.h.len <= room &&
		  journal_batch_is_whole(&b.h, p, p + JOURNAL_BATCH_HEADER);
	if (b.h.number > k->highest)
		k->highest = b.h.number;
	if (b.h.number > k->l->applied) {
		if (k->n == k->cap) {
			k->cap = k->cap == 0 ? 64 : 2 * k->cap;
			k->batches = mqmem_grow(k->batches, k->cap, sizeof(b));
		}
		k->batches[k->n++] = b;
	}
	return b.whole ? journal_batch_size(b.h.len) : JOURNAL_ALIGN;
}

static bool
read_all(int fd, uint8_t *to, uint64_t len)
{
	uint64_t at = 0;

	while (at < len) {
		ssize_t n = pread(fd, to + at, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (uint64_t)n;
	}
	return true;
}

static void
look_file(struct look *k, unsigned file, const char *name, int fd)
{
	uint64_t at = JOURNAL_FILE_HEADER;
	uint64_t size;
	uint8_t *bytes;
	struct stat st;

	size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	if (file == 0)
		k->first_size = size;
	if (k->empty)
		wrong(k, name, "the file before it is empty");
	k->empty = false;
	k->seen.files++;
	k->seen.bytes += size;
	if (size < JOURNAL_FILE_HEADER && size < k->first_size) {
		k->empty = true;
		return;
	}
	if (size < JOURNAL_FILE_HEADER || size > FILE_MAX_BYTES) {
		k->unreadable = true;
		wrong(k, name,
		    "it has %" PRIu64 " bytes, as no file that was made", size);
		return;
	}
	bytes = mqmem_grow(NULL, size, 1);
	if (!read_all(fd, bytes, size)) {
		k->unreadable = true;
		wrong(k, name, "the disk cannot read it");
	} else {
		look_header(k, name, bytes, size);
		while (at + JOURNAL_BATCH_HEADER <= size)
			at += look_at(k, file, bytes, size, at);
	}
	free(bytes);
}

static void
look_files(struct look *k)
{
	for (unsigned i = 0; i < JOURNAL_FILES_MAX; i++) {
		char name[16];
		char *path;
		int fd;

		(void)snprintf(name, sizeof(name), "log.%03u", i);
		if (asprintf(&path, "%s/%s", k->l->dir, name) < 0)
			MQ_UNREACHABLE();
		fd = open(path, O_RDONLY | O_CLOEXEC);
		free(path);
		if (fd >= 0) {
			look_file(k, i, name, fd);
			(void)close(fd);
		} else if (errno != ENOENT) {
			wrong(k, name, "%s", strerror(errno));
		}
	}
	if (k->seen.files == 0)
		wrong(k, "journal", "its files are missing");
}

/* ---- the chain ---- */

static int
batch_cmp(const void *a, const void *b)
{
	const struct seen_batch *x = a;
	const struct seen_batch *y = b;

	if (x->h.number != y->h.number)
		return x->h.number < y->h.number ? -1 : 1;
	if (x->h.epoch != y->h.epoch)
		return x->h.epoch > y->h.epoch ? -1 : 1;
	return x->whole == y->whole ? 0 : x->whole ? -1 : 1;
}

/* Keeps one batch of each number, and not the last one if it is torn. */
static void
choose(struct look *k)
{
	uint64_t epoch = 0;
	size_t n = 0;

	if (k->n > 1)
		qsort(k->batches, k->n, sizeof(*k->batches), batch_cmp);
	for (size_t i = 0; i < k->n; i++) {
		const struct seen_batch *b = &k->batches[i];

		if (b->h.epoch < epoch ||
		    (n > 0 && k->batches[n - 1].h.number == b->h.number))
			continue;
		epoch = b->h.epoch;
		if (b->h.number - !b->whole > k->durable)
			k->durable = b->h.number - !b->whole;
		k->batches[n++] = *b;
	}
	if (n > 0 && !k->batches[n - 1].whole &&
	    k->batches[n - 1].h.number > k->durable)
		n--;
	k->n = n;
}

static void
check_chain(struct look *k)
{
	uint64_t number = k->l->applied;
	const struct seen_batch *before = NULL;

	if (k->highest < k->l->applied && !k->unreadable && k->seen.files > 0)
		wrong(k, "journal",
		    "it ends with batch %" PRIu64 ", and the store has batch "
		    "%" PRIu64,
		    k->highest, k->l->applied);
	for (size_t i = 0; i < k->n; i++) {
		const struct seen_batch *b = &k->batches[i];
		char name[16];

		(void)snprintf(name, sizeof(name), "log.%03u", b->file);
		if (b->h.number != number + 1)
			wrong(k, "journal",
			    "batches %" PRIu64 " to %" PRIu64 " are lost",
			    number + 1, b->h.number - 1);
		else if (!b->whole)
			wrong(k, name,
			    "batch %" PRIu64 " at byte %" PRIu64
			    " is damaged: some of what was put, got and "
			    "defined in it is lost",
			    b->h.number, b->at);
		else if (before != NULL && before->whole &&
			 before->h.crc != b->h.previous)
			wrong(k, name,
			    "batch %" PRIu64 " does not follow the one before",
			    b->h.number);
		number = b->h.number;
		before = b;
	}
	if (k->durable > number)
		wrong(k, "journal",
		    "batches %" PRIu64 " to %" PRIu64 " are lost", number + 1,
		    k->durable);
	k->seen.batches = k->n;
	k->seen.last = number;
}

void
journal_inspect(const struct journal_inspect *l, struct journal_seen *ret)
{
	struct look k = {.l = l};

	look_files(&k);
	choose(&k);
	check_chain(&k);
	free(k.batches);
	*ret = k.seen;
}

/* ---- a copy ---- */

static bool
zero(int fd, uint64_t at, size_t len)
{
	static const uint8_t zeros[JOURNAL_FILE_HEADER];

	return pwrite(fd, zeros, len, (off_t)at) == (ssize_t)len;
}

/* Takes from a file what is behind the batch `last`. */
static bool
trim_file(const struct journal_inspect *l, int fd, uint64_t last)
{
	uint8_t header[JOURNAL_FILE_HEADER];
	struct journal_file_header f;
	struct journal_batch_header b;
	uint64_t size;
	struct stat st;
	bool ok;

	size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	ok = size >= sizeof(header) && read_all(fd, header, sizeof(header));
	if (ok &&
	    journal_file_header_decode(header, l->log_id, &f) == JOURNAL_GOOD &&
	    f.first > last + 1) {
		/* as it was before it was used */
		f.ordinal = 0;
		f.first = last + 1;
		f.epoch = 0;
		journal_file_header_encode(&f, header);
		ok = pwrite(fd, header, sizeof(header), 0) ==
		     (ssize_t)sizeof(header);
	}
	for (uint64_t at = sizeof(header);
	     ok && at + JOURNAL_BATCH_HEADER <= size; at += JOURNAL_ALIGN) {
		ok = pread(fd, header, JOURNAL_BATCH_HEADER, (off_t)at) ==
		     JOURNAL_BATCH_HEADER;
		if (ok &&
		    journal_batch_header_decode(header, l->log_id, &b) ==
			JOURNAL_GOOD &&
		    b.number > last)
			ok = zero(fd, at, JOURNAL_BATCH_HEADER);
	}
	return ok && fsync(fd) == 0;
}

/* The last batch that follows without a gap. */
static uint64_t
last_in_a_row(const struct look *k)
{
	uint64_t last = k->l->applied;

	for (size_t i = 0; i < k->n; i++) {
		if (k->batches[i].h.number != last + 1 || !k->batches[i].whole)
			break;
		last++;
	}
	return last;
}

bool
journal_trim(
    const struct journal_inspect *l, uint64_t at_least, uint64_t *ret_last)
{
	struct look k = {.l = l};
	uint64_t last;
	bool ok;

	look_files(&k);
	choose(&k);
	last = last_in_a_row(&k);
	free(k.batches);
	ok = last >= at_least;
	for (unsigned i = 0; i < JOURNAL_FILES_MAX && ok; i++) {
		char *path;
		int fd;

		if (asprintf(&path, "%s/log.%03u", l->dir, i) < 0)
			MQ_UNREACHABLE();
		fd = open(path, O_RDWR | O_CLOEXEC);
		free(path);
		if (fd < 0)
			continue;
		ok = trim_file(l, fd, last);
		(void)close(fd);
	}
	*ret_last = last;
	return ok;
}

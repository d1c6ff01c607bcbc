/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - images of a disk from a trace.
 *
 * Happy path: read the trace once; for each image, one pass marks the writes
 * that were durable by then, a second one applies all writes in order, each
 * undurable one by the dice.  Renames and removals count as done at once: the
 * store keeps its data in files that are never renamed.
 * Failure modes: a trace that does not parse aborts the test.
 */
#include "tests/lib/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "tests/lib/recorder.h"

#define SECTOR 512u

struct entry {
	const struct recorder_record *head;
	const char *path; /* not terminated */
	const unsigned char *bytes;
};

struct trace {
	unsigned char *map;
	size_t size;
	struct entry *entries; /* entries[i] is record i + 1 */
	size_t n;
};

static void
die(const char *what)
{
	fprintf(stderr, "image: %s: %s\n", what, strerror(errno));
	abort();
}

static void
trace_add(struct trace *t, size_t *cap, const struct entry *e)
{
	if (t->n == *cap) {
		*cap = *cap ? *cap * 2 : 4096;
		t->entries = realloc(t->entries, *cap * sizeof(*t->entries));
		if (!t->entries)
			die("memory");
	}
	t->entries[t->n++] = *e;
	if (e->head->magic != RECORDER_MAGIC || e->head->seq != t->n)
		die("the trace is damaged");
}

struct trace *
trace_read(const char *path)
{
	struct trace *t = calloc(1, sizeof(*t));
	struct stat st;
	size_t cap = 0, at = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (!t || fd < 0 || fstat(fd, &st) < 0)
		die(path);
	t->size = (size_t)st.st_size;
	t->map = mmap(NULL, t->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (t->map == MAP_FAILED)
		die("mmap");
	close(fd);
	/* records are not aligned: heads are copied out */
	while (t->size - at >= sizeof(struct recorder_record)) {
		struct recorder_record *head = malloc(sizeof(*head));
		if (!head)
			die("memory");
		memcpy(head, t->map + at, sizeof(*head));
		at += sizeof(*head);
		if (t->size - at < (size_t)head->path_len + head->len) {
			free(head);
			break;
		}
		struct entry e = {head, (const char *)t->map + at,
		    t->map + at + head->path_len};
		at += (size_t)head->path_len + head->len;
		trace_add(t, &cap, &e);
	}
	return t;
}

struct trace *
trace_free(struct trace *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		free((void *)(uintptr_t)t->entries[i].head);
	free(t->entries);
	munmap(t->map, t->size);
	free(t);
	return NULL;
}

uint64_t
trace_last(const struct trace *t)
{
	return t->n;
}

static bool
same_path(const struct entry *a, const struct entry *b)
{
	return a->head->path_len == b->head->path_len &&
	       memcmp(a->path, b->path, a->head->path_len) == 0;
}

/* durable[i]: record i + 1 has reached the disk by record `at`. */
static void
mark_durable(const struct trace *t, uint64_t at, bool *durable)
{
	for (size_t i = 0; i < at; i++) {
		const struct entry *e = &t->entries[i];
		if (e->head->kind == RECORDER_DURABLE)
			durable[e->head->arg - 1] = true;
		if (e->head->kind != RECORDER_FLUSH_END)
			continue;
		/* everything of the file before the flush began; a flush that
		 * was marked has marked all before itself */
		for (size_t j = e->head->arg; j > 0; j--) {
			const struct entry *w = &t->entries[j - 1];
			if (!same_path(e, w))
				continue;
			if (w->head->kind == RECORDER_FLUSH_BEGIN &&
			    durable[j - 1])
				break;
			durable[j - 1] = true;
		}
	}
}

struct image {
	const char *dir;
	char path[PATH_MAX];
	int fd;
	uint64_t *seed;
	struct image_stats *stats;
};

static int
image_open(struct image *im, const struct entry *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%.*s", im->dir, (int)e->head->path_len,
	    e->path);
	if (im->fd >= 0 && strcmp(path, im->path) == 0)
		return im->fd;
	if (im->fd >= 0)
		close(im->fd);
	strcpy(im->path, path);
	im->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (im->fd < 0)
		die(path);
	return im->fd;
}

static void
put_bytes(int fd, const unsigned char *bytes, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);
		if (n <= 0)
			die("pwrite");
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
}

/* Each sector of the write by a coin. */
static void
put_torn(struct image *im, int fd, const struct entry *e)
{
	for (uint64_t at = 0; at < e->head->len;) {
		uint64_t offset = e->head->arg + at;
		uint64_t len = SECTOR - offset % SECTOR;
		if (len > e->head->len - at)
			len = e->head->len - at;
		if (mqrand_next(im->seed) & 1)
			put_bytes(fd, e->bytes + at, len, offset);
		at += len;
	}
}

enum fate { KEEP, DROP, TEAR };

static void
apply_write(struct image *im, const struct entry *e, bool durable, int mood)
{
	static const enum fate moods[][4] = {
	    {DROP, DROP, DROP, DROP},
	    {KEEP, DROP, KEEP, DROP},
	    {KEEP, DROP, TEAR, TEAR},
	};

	int fd = image_open(im, e);
	enum fate fate =
	    durable ? KEEP : moods[mood][mqrand_next(im->seed) % 4];

	if (durable)
		im->stats->durable++;
	else if (fate == KEEP)
		im->stats->kept++;
	else if (fate == DROP)
		im->stats->dropped++;
	else
		im->stats->torn++;
	if (fate == KEEP)
		put_bytes(fd, e->bytes, e->head->len, e->head->arg);
	else if (fate == TEAR)
		put_torn(im, fd, e);
}

static void
apply_name(struct image *im, const struct entry *e)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/%.*s", im->dir, (int)e->head->path_len,
	    e->path);
	if (e->head->kind == RECORDER_UNLINK) {
		(void)unlink(from);
		return;
	}
	snprintf(to, sizeof(to), "%s/%.*s", im->dir, (int)e->head->len,
	    (const char *)e->bytes);
	(void)rename(from, to);
}

static void
apply(struct image *im, const struct entry *e, bool durable, int mood)
{
	switch ((enum recorder_kind)e->head->kind) {
	case RECORDER_WRITE:
		apply_write(im, e, durable, mood);
		break;
	case RECORDER_TRUNCATE:
		if ((durable || (mqrand_next(im->seed) & 1)) &&
		    ftruncate(image_open(im, e), (off_t)e->head->arg) < 0)
			die("ftruncate");
		break;
	case RECORDER_RENAME:
	case RECORDER_UNLINK:
		apply_name(im, e);
		/* a kept descriptor may name another file now */
		im->path[0] = '\0';
		break;
	case RECORDER_DURABLE:
	case RECORDER_FLUSH_BEGIN:
	case RECORDER_FLUSH_END:
		break;
	}
}

void
image_build(const struct trace *t, uint64_t at, uint64_t *seed, const char *dir,
    struct image_stats *ret_stats)
{
	struct image im = {
	    .dir = dir, .fd = -1, .seed = seed, .stats = ret_stats};
	bool *durable = calloc(t->n + 1, sizeof(*durable));
	int mood = (int)(mqrand_next(seed) % 3);

	if (!durable || at > t->n)
		die("no such record");
	memset(ret_stats, 0, sizeof(*ret_stats));
	mark_durable(t, at, durable);
	for (size_t i = 0; i < at; i++)
		apply(&im, &t->entries[i], durable[i], mood);
	if (im.fd >= 0)
		close(im.fd);
	free(durable);
}

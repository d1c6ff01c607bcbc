/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_sim.c - a simulated disk (disk_sim.h).
 *
 * A file has two contents: what its readers see (the cache), and what a power
 * cut leaves (the medium).  A write changes the cache and marks its sectors; a
 * flush copies the marked ones.  A power cut keeps, drops or mixes the marked
 * ones, and loses what only the cache has.  Names and sizes have two states in
 * the same way.
 *
 * Neighbours: the tests of the journal and of checkpoints.
 */
#include "tests/lib/disk_sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rand.h"

#define SECTOR 512u
#define FILES 96u
#define NEVER UINT32_MAX

struct disk_file {
	char name[40];
	bool exists; /* now */
	bool listed; /* after a power cut */
	uint64_t size;
	uint64_t medium_size;
	uint64_t cap; /* of the three below, in bytes of contents */
	uint8_t *cache;
	uint8_t *medium;
	bool *dirty; /* one of each sector */
};

struct fault {
	unsigned left; /* operations before it; NEVER: there is none */
	int rc;
};

struct disk_sim {
	struct disk base;
	pthread_mutex_t mutex;
	uint64_t random;
	struct disk_file files[FILES];
	unsigned n_files;
	struct fault faults[DISK_SIM_OPS];
	unsigned counts[DISK_SIM_OPS];
	uint64_t written;
	unsigned left; /* operations before it dies */
	bool dead;
	bool ignore_flushes;
};

static struct disk_sim *
self(struct disk *d)
{
	return MQ_CONTAINER_OF(d, struct disk_sim, base);
}

static unsigned
roll(struct disk_sim *d, unsigned n)
{
	return (unsigned)(mqrand_next(&d->random) % n);
}

/* Begins an operation: what it must answer if it is to fail, else 0.  The
 * mutex is held afterwards. */
static int
begin(struct disk *base, enum disk_sim_op op)
{
	struct disk_sim *d = self(base);
	struct fault *f = &d->faults[op];

	MQ_INVARIANT(pthread_mutex_lock(&d->mutex) == 0);
	d->counts[op]++;
	if (d->left == 0)
		d->dead = true;
	else if (d->left != NEVER)
		d->left--;
	if (d->dead)
		return EIO;
	if (f->left == NEVER)
		return 0;
	if (f->left > 0) {
		f->left--;
		return 0;
	}
	f->left = NEVER;
	return f->rc;
}

static int
end(struct disk *base, int rc)
{
	MQ_INVARIANT(pthread_mutex_unlock(&self(base)->mutex) == 0);
	return rc;
}

/* ---- files ---- */

static struct disk_file *
find(const struct disk_sim *d, const char *name)
{
	for (unsigned i = 0; i < d->n_files; i++)
		if (strcmp(d->files[i].name, name) == 0)
			return (struct disk_file *)&d->files[i];
	return NULL;
}

static struct disk_file *
find_there(const struct disk_sim *d, const char *name)
{
	struct disk_file *f = find(d, name);

	MQ_PRE(f != NULL && f->exists);
	return f;
}

static void
drop_contents(struct disk_file *f)
{
	free(f->cache);
	free(f->medium);
	free(f->dirty);
	f->cache = f->medium = NULL;
	f->dirty = NULL;
	f->cap = f->size = f->medium_size = 0;
}

static void
reserve(struct disk_file *f, uint64_t size)
{
	uint64_t cap = f->cap == 0 ? 8 * SECTOR : f->cap;

	if (size <= f->cap)
		return;
	while (cap < size)
		cap *= 2;
	f->cache = mqmem_grow(f->cache, cap, 1);
	f->medium = mqmem_grow(f->medium, cap, 1);
	f->dirty = mqmem_grow(f->dirty, cap / SECTOR, sizeof(*f->dirty));
	memset(f->cache + f->cap, 0, cap - f->cap);
	memset(f->medium + f->cap, 0, cap - f->cap);
	memset(f->dirty + f->cap / SECTOR, 0,
	    (cap - f->cap) / SECTOR * sizeof(*f->dirty));
	f->cap = cap;
}

static struct disk_file *
make(struct disk_sim *d, const char *name)
{
	struct disk_file *f = find(d, name);

	if (f == NULL) {
		MQ_INVARIANT(d->n_files < FILES);
		f = &d->files[d->n_files++];
		(void)snprintf(f->name, sizeof(f->name), "%s", name);
	}
	drop_contents(f);
	f->exists = true;
	return f;
}

static int
open_locked(
    struct disk_sim *d, const char *name, bool create, struct disk_file **ret)
{
	struct disk_file *f = find(d, name);
	bool there = f != NULL && f->exists;

	if (create && there)
		return EEXIST;
	if (!create && !there)
		return ENOENT;
	*ret = create ? make(d, name) : f;
	return 0;
}

static int
op_open(
    struct disk *base, const char *name, bool create, struct disk_file **ret)
{
	int rc = begin(base, DISK_SIM_OPEN);

	return end(
	    base, rc != 0 ? rc : open_locked(self(base), name, create, ret));
}

static void
op_close(struct disk *base, struct disk_file *f)
{
	(void)base;
	(void)f;
}

static int
op_remove(struct disk *base, const char *name)
{
	int rc = begin(base, DISK_SIM_REMOVE);
	struct disk_file *f = find(self(base), name);

	if (rc == 0 && (f == NULL || !f->exists))
		rc = ENOENT;
	if (rc == 0)
		f->exists = false;
	return end(base, rc);
}

static int
op_flush_dir(struct disk *base)
{
	struct disk_sim *d = self(base);
	int rc = begin(base, DISK_SIM_FLUSH_DIR);

	for (unsigned i = 0; rc == 0 && i < d->n_files; i++)
		d->files[i].listed = d->files[i].exists;
	return end(base, rc);
}

/* ---- contents ---- */

static int
op_size(struct disk *base, struct disk_file *f, uint64_t *ret)
{
	int rc = begin(base, DISK_SIM_SIZE);

	if (rc == 0)
		*ret = f->size;
	return end(base, rc);
}

static int
op_read(
    struct disk *base, struct disk_file *f, uint64_t at, void *buf, size_t len)
{
	int rc = begin(base, DISK_SIM_READ);

	if (rc == 0 && at + len > f->size)
		rc = EIO;
	if (rc == 0 && len > 0)
		memcpy(buf, f->cache + at, len);
	return end(base, rc);
}

static void
write_locked(struct disk_file *f, uint64_t at, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	reserve(f, at + len);
	memcpy(f->cache + at, bytes, len);
	for (uint64_t s = at / SECTOR; s <= (at + len - 1) / SECTOR; s++)
		f->dirty[s] = true;
	if (at + len > f->size)
		f->size = at + len;
}

/* A write that fails has written its beginning. */
static int
op_write(struct disk *base, struct disk_file *f, uint64_t at, struct iovec *iov,
    int n_iov)
{
	struct disk_sim *d = self(base);
	int rc = begin(base, DISK_SIM_WRITE);
	uint64_t room = UINT64_MAX;

	if (rc != 0) {
		room = 0;
		for (int i = 0; i < n_iov; i++)
			room += iov[i].iov_len;
		room = roll(d, (unsigned)(room / SECTOR + 2)) * SECTOR;
	}
	for (int i = 0; i < n_iov; i++) {
		size_t n = iov[i].iov_len < room ? iov[i].iov_len : room;

		write_locked(f, at, iov[i].iov_base, n);
		at += n;
		room -= n;
		d->written += n;
	}
	return end(base, rc);
}

static void
medium_take(struct disk_file *f, uint64_t sector)
{
	memcpy(f->medium + sector * SECTOR, f->cache + sector * SECTOR, SECTOR);
}

static int
op_flush(struct disk *base, struct disk_file *f)
{
	struct disk_sim *d = self(base);
	int rc = begin(base, DISK_SIM_FLUSH);

	if (d->dead || (rc == 0 && d->ignore_flushes))
		return end(base, rc);
	for (uint64_t s = 0; s < f->cap / SECTOR; s++) {
		if (f->dirty[s] && rc == 0)
			medium_take(f, s);
		f->dirty[s] = false;
	}
	if (rc == 0)
		f->medium_size = f->size;
	return end(base, rc);
}

/* ---- power ---- */

/* What was not flushed: all alike, or each sector by chance. */
enum fate { FATE_KEEP, FATE_DROP, FATE_MIX };

static bool
is_kept(struct disk_sim *d, enum fate fate)
{
	return fate == FATE_KEEP || (fate == FATE_MIX && roll(d, 2) == 0);
}

static void
power_file(struct disk_sim *d, struct disk_file *f, enum fate fate)
{
	if (f->exists != f->listed && !is_kept(d, fate))
		f->exists = f->listed;
	f->listed = f->exists;
	for (uint64_t s = 0; s < f->cap / SECTOR; s++) {
		if (f->dirty[s] && is_kept(d, fate))
			medium_take(f, s);
		f->dirty[s] = false;
	}
	if (f->size != f->medium_size && is_kept(d, fate))
		f->medium_size = f->size;
	f->size = f->medium_size;
	if (f->cap > 0)
		memcpy(f->cache, f->medium, f->cap);
}

void
disk_sim_power(struct disk_sim *d)
{
	const enum fate fate = roll(d, 3);

	for (unsigned i = 0; i < d->n_files; i++)
		power_file(d, &d->files[i], fate);
	disk_sim_revive(d);
}

void
disk_sim_revive(struct disk_sim *d)
{
	d->dead = false;
	d->left = NEVER;
	for (unsigned i = 0; i < DISK_SIM_OPS; i++)
		d->faults[i].left = NEVER;
}

void
disk_sim_fail(struct disk_sim *d, enum disk_sim_op op, unsigned n, int rc)
{
	d->faults[op] = (struct fault){.left = n, .rc = rc};
}

void
disk_sim_die_after(struct disk_sim *d, unsigned n)
{
	d->left = n;
}

bool
disk_sim_is_dead(const struct disk_sim *d)
{
	return d->dead;
}

void
disk_sim_ignore_flushes(struct disk_sim *d)
{
	d->ignore_flushes = true;
}

/* ---- looking, damaging ---- */

bool
disk_sim_exists(const struct disk_sim *d, const char *name)
{
	const struct disk_file *f = find(d, name);

	return f != NULL && f->exists;
}

uint64_t
disk_sim_size(const struct disk_sim *d, const char *name)
{
	return find_there(d, name)->size;
}

void
disk_sim_peek(const struct disk_sim *d, const char *name, uint64_t at,
    void *ret, size_t len)
{
	const struct disk_file *f = find_there(d, name);

	MQ_PRE(at + len <= f->size);
	memcpy(ret, f->cache + at, len);
}

void
disk_sim_poke(struct disk_sim *d, const char *name, uint64_t at,
    const void *bytes, size_t len)
{
	struct disk_file *f = find_there(d, name);

	MQ_PRE(at + len <= f->size);
	if (len == 0)
		return;
	memcpy(f->cache + at, bytes, len);
	memcpy(f->medium + at, bytes, len);
}

void
disk_sim_resize(struct disk_sim *d, const char *name, uint64_t size)
{
	struct disk_file *f = find(d, name);

	if (f == NULL || !f->exists)
		f = make(d, name);
	reserve(f, size);
	if (size < f->size) {
		memset(f->cache + size, 0, f->cap - size);
		memset(f->medium + size, 0, f->cap - size);
	}
	f->size = f->medium_size = size;
	f->listed = true;
}

void
disk_sim_delete(struct disk_sim *d, const char *name)
{
	struct disk_file *f = find_there(d, name);

	f->exists = f->listed = false;
}

void
disk_sim_swap(struct disk_sim *d, const char *a, const char *b)
{
	struct disk_file *f = find_there(d, a);
	struct disk_file *g = find_there(d, b);
	struct disk_file other = *f;

	*f = *g;
	*g = other;
	(void)snprintf(f->name, sizeof(f->name), "%s", a);
	(void)snprintf(g->name, sizeof(g->name), "%s", b);
}

unsigned
disk_sim_count(const struct disk_sim *d, enum disk_sim_op op)
{
	return d->counts[op];
}

uint64_t
disk_sim_written(const struct disk_sim *d)
{
	return d->written;
}

/* ---- life ---- */

static const struct disk_ops ops = {
    .open = op_open,
    .close = op_close,
    .size = op_size,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .flush_dir = op_flush_dir,
    .remove = op_remove,
};

struct disk_sim *
disk_sim_new(uint64_t seed)
{
	struct disk_sim *d = mqmem_alloc(sizeof(*d));

	d->base.ops = &ops;
	d->random = seed;
	MQ_INVARIANT(pthread_mutex_init(&d->mutex, NULL) == 0);
	disk_sim_revive(d);
	return d;
}

struct disk_sim *
disk_sim_copy(const struct disk_sim *d, uint64_t seed)
{
	struct disk_sim *copy = disk_sim_new(seed);

	for (unsigned i = 0; i < d->n_files; i++) {
		const struct disk_file *f = &d->files[i];

		if (!f->exists)
			continue;
		disk_sim_resize(copy, f->name, f->size);
		disk_sim_poke(copy, f->name, 0, f->cache, f->size);
	}
	return copy;
}

struct disk_sim *
disk_sim_free(struct disk_sim *d)
{
	if (d == NULL)
		return NULL;
	for (unsigned i = 0; i < d->n_files; i++)
		drop_contents(&d->files[i]);
	(void)pthread_mutex_destroy(&d->mutex);
	free(d);
	return NULL;
}

struct disk *
disk_sim_table(struct disk_sim *d)
{
	return &d->base;
}

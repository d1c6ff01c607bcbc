/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_disk.c - a simulated disk (sim_disk.h).
 *
 * A file has two contents: what its readers see (the cache), and what a power
 * cut leaves (the medium).  A write changes the cache and marks its sectors of
 * 512 bytes; a flush copies the marked ones.  A power cut keeps, drops or
 * mixes the marked ones, and loses what only the cache has: after a failed
 * flush sectors are not marked any more although the medium lacks them, as
 * Linux does it.  Names and sizes have two states in the same way.
 *
 * Pages of zeros are NULL, so that a file of many megabytes that was filled
 * with zeros costs nothing.
 */
#include "tests/sim/sim_disk.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define SECTOR 512u
#define PAGE 4096u
#define SECTORS (PAGE / SECTOR)
#define PAGES 4096u /* of a file: 16 MiB */
#define FILES 72u

struct page {
	uint8_t *cache; /* NULL: zeros */
	uint8_t *medium;
	uint8_t dirty; /* bits of sectors */
};

struct disk_file {
	char name[40];
	bool exists; /* now */
	bool listed; /* after a power cut */
	uint64_t size;
	uint64_t medium_size;
	struct page *pages;
};

struct sim_disk {
	struct disk base;
	struct sim *sim;
	struct disk_file files[FILES];
	unsigned n_files;
	unsigned left; /* operations until it dies; UINT32_MAX: it lives */
	bool dead;
	bool fail_flush;
};

static struct sim_disk *
self(struct disk *d)
{
	return MQ_CONTAINER_OF(d, struct sim_disk, base);
}

/* Counts an operation; false: the disk is dead. */
static bool
lives(struct sim_disk *d)
{
	if (d->left == 0)
		d->dead = true;
	else if (d->left != UINT32_MAX)
		d->left--;
	return !d->dead;
}

/* ---- names ---- */

static struct disk_file *
find(struct sim_disk *d, const char *name)
{
	for (unsigned i = 0; i < d->n_files; i++) {
		if (strcmp(d->files[i].name, name) == 0)
			return &d->files[i];
	}
	return NULL;
}

static void
drop_pages(struct disk_file *f)
{
	for (unsigned i = 0; f->pages != NULL && i < PAGES; i++) {
		free(f->pages[i].cache);
		free(f->pages[i].medium);
	}
	free(f->pages);
	f->pages = NULL;
	f->size = f->medium_size = 0;
}

static int
op_open(
    struct disk *base, const char *name, bool create, struct disk_file **ret)
{
	struct sim_disk *d = self(base);
	struct disk_file *f = find(d, name);

	if (!lives(d))
		return EIO;
	if (!create) {
		if (f == NULL || !f->exists)
			return ENOENT;
		*ret = f;
		return 0;
	}
	if (f != NULL && f->exists)
		return EEXIST;
	if (f == NULL) {
		MQ_INVARIANT(d->n_files < FILES);
		f = &d->files[d->n_files++];
		(void)snprintf(f->name, sizeof(f->name), "%s", name);
	}
	drop_pages(f);
	f->pages = mqmem_alloc(PAGES * sizeof(*f->pages));
	f->exists = true;
	*ret = f;
	return 0;
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
	struct sim_disk *d = self(base);
	struct disk_file *f = find(d, name);

	if (!lives(d))
		return EIO;
	if (f == NULL || !f->exists)
		return ENOENT;
	f->exists = false;
	return 0;
}

static int
op_flush_dir(struct disk *base)
{
	struct sim_disk *d = self(base);

	if (!lives(d))
		return EIO;
	for (unsigned i = 0; i < d->n_files; i++)
		d->files[i].listed = d->files[i].exists;
	return 0;
}

/* ---- contents ---- */

static int
op_size(struct disk *base, struct disk_file *f, uint64_t *ret)
{
	if (!lives(self(base)))
		return EIO;
	*ret = f->size;
	return 0;
}

static int
op_read(
    struct disk *base, struct disk_file *f, uint64_t at, void *buf, size_t len)
{
	uint8_t *to = buf;

	if (!lives(self(base)) || at + len > f->size)
		return EIO;
	while (len > 0) {
		const uint8_t *page = f->pages[at / PAGE].cache;
		size_t n = PAGE - at % PAGE;

		if (n > len)
			n = len;
		if (page != NULL)
			memcpy(to, page + at % PAGE, n);
		else
			memset(to, 0, n);
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

static bool
is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* Within one page. */
static void
write_page(const struct sim_disk *d, struct disk_file *f, uint64_t at,
    const uint8_t *from, size_t n)
{
	struct page *p = &f->pages[at / PAGE];
	size_t first = at % PAGE / SECTOR;
	size_t last = (at % PAGE + n - 1) / SECTOR;

	if (p->cache == NULL) {
		if (is_zero(from, n) && p->medium == NULL)
			return;
		p->cache = mqmem_alloc(PAGE);
	}
	if (d->sim->sabotage == SIM_TRUST_CACHE &&
	    memcmp(p->cache + at % PAGE, from, n) == 0)
		return;
	memcpy(p->cache + at % PAGE, from, n);
	for (size_t i = first; i <= last; i++)
		p->dirty |= (uint8_t)(1u << i);
}

static void
write_bytes(const struct sim_disk *d, struct disk_file *f, uint64_t at,
    const uint8_t *from, size_t len)
{
	MQ_INVARIANT(at + len <= (uint64_t)PAGES * PAGE);
	while (len > 0) {
		size_t n = PAGE - at % PAGE;

		if (n > len)
			n = len;
		write_page(d, f, at, from, n);
		from += n;
		at += n;
		len -= n;
	}
	if (at > f->size)
		f->size = at;
}

static int
op_write(struct disk *base, struct disk_file *f, uint64_t at, struct iovec *iov,
    int n_iov)
{
	struct sim_disk *d = self(base);
	bool whole = lives(d);
	int n = whole ? n_iov : (int)sim_roll(d->sim, (unsigned)n_iov + 1);

	for (int i = 0; i < n; i++) {
		write_bytes(d, f, at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return whole ? 0 : EIO;
}

static void
medium_take(struct page *p, unsigned sector)
{
	if (p->cache == NULL && p->medium == NULL)
		return;
	if (p->medium == NULL)
		p->medium = mqmem_alloc(PAGE);
	if (p->cache == NULL)
		memset(p->medium + sector * SECTOR, 0, SECTOR);
	else
		memcpy(p->medium + sector * SECTOR, p->cache + sector * SECTOR,
		    SECTOR);
}

static int
op_flush(struct disk *base, struct disk_file *f)
{
	struct sim_disk *d = self(base);
	bool works = lives(d) && !d->fail_flush;
	bool lies = d->sim->sabotage == SIM_NO_FLUSH;

	if (d->dead)
		return EIO;
	d->fail_flush = false;
	for (unsigned i = 0; i * PAGE < f->size; i++) {
		struct page *p = &f->pages[i];

		for (unsigned k = 0; p->dirty != 0 && k < SECTORS; k++) {
			if ((p->dirty & 1u << k) != 0 && works && !lies)
				medium_take(p, k);
		}
		if (!lies)
			p->dirty = 0;
	}
	if (works && !lies)
		f->medium_size = f->size;
	return works ? 0 : EIO;
}

/* ---- power ---- */

/* How a power cut treats what was not flushed: all sectors of a disk alike,
 * or each by chance. */
enum fate { FATE_KEEP, FATE_DROP, FATE_MIX };

static bool
is_kept(struct sim_disk *d, enum fate fate)
{
	return fate == FATE_KEEP ||
	       (fate == FATE_MIX && sim_roll(d->sim, 2) == 0);
}

static void
power_page(struct sim_disk *d, struct page *p, enum fate fate)
{
	for (unsigned k = 0; p->dirty != 0 && k < SECTORS; k++) {
		if ((p->dirty & 1u << k) != 0 && is_kept(d, fate))
			medium_take(p, k);
	}
	p->dirty = 0;
	if (p->medium == NULL) {
		free(p->cache);
		p->cache = NULL;
		return;
	}
	if (p->cache == NULL)
		p->cache = mqmem_alloc(PAGE);
	memcpy(p->cache, p->medium, PAGE);
}

void
sim_disk_power(struct sim_disk *d)
{
	enum fate fate = sim_roll(d->sim, 3);

	for (unsigned i = 0; i < d->n_files; i++) {
		struct disk_file *f = &d->files[i];

		if (f->exists != f->listed)
			f->exists = is_kept(d, fate) ? f->exists : f->listed;
		f->listed = f->exists;
		for (unsigned k = 0; f->pages != NULL && k < PAGES; k++)
			power_page(d, &f->pages[k], fate);
		if (f->size != f->medium_size && is_kept(d, fate))
			f->medium_size = f->size;
		f->size = f->medium_size;
	}
	sim_disk_revive(d);
}

void
sim_disk_revive(struct sim_disk *d)
{
	d->dead = false;
	d->fail_flush = false;
	d->left = UINT32_MAX;
}

void
sim_disk_die_after(struct sim_disk *d, unsigned n)
{
	d->left = n;
}

bool
sim_disk_is_dead(const struct sim_disk *d)
{
	return d->dead;
}

void
sim_disk_fail_flush(struct sim_disk *d, bool on)
{
	d->fail_flush = on;
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

struct sim_disk *
sim_disk_new(struct sim *sim)
{
	struct sim_disk *d = mqmem_alloc(sizeof(*d));

	d->base.ops = &ops;
	d->sim = sim;
	d->left = UINT32_MAX;
	return d;
}

struct sim_disk *
sim_disk_free(struct sim_disk *d)
{
	for (unsigned i = 0; d != NULL && i < d->n_files; i++)
		drop_pages(&d->files[i]);
	free(d);
	return NULL;
}

struct disk *
sim_disk_table(struct sim_disk *d)
{
	return &d->base;
}

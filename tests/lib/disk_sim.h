/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_sim.h - a disk in memory behind the journal's table of operations
 * (qmgr/store/disk.h), which loses, tears and reorders what was not flushed,
 * fails on demand, and whose bytes a test may damage.
 *
 * What a seed decides is the same each time.  A mutex guards it, so that one
 * thread may read while another one writes.
 */
#ifndef TESTS_LIB_DISK_SIM_H
#define TESTS_LIB_DISK_SIM_H

#include "qmgr/store/disk.h"

enum disk_sim_op {
	DISK_SIM_OPEN,
	DISK_SIM_SIZE,
	DISK_SIM_READ,
	DISK_SIM_WRITE,
	DISK_SIM_FLUSH,
	DISK_SIM_FLUSH_DIR,
	DISK_SIM_REMOVE,
	DISK_SIM_OPS,
};

struct disk_sim;

struct disk_sim *disk_sim_new(uint64_t seed);
struct disk_sim *disk_sim_free(struct disk_sim *d); /* NULL */
struct disk *disk_sim_table(struct disk_sim *d);

/* ---- faults ---- */

/* The operation of this kind after n more answers rc.  A write that fails has
 * written some of its sectors; a flush that fails leaves its file's cache
 * clean although the disk has nothing of it, as Linux does. */
void disk_sim_fail(struct disk_sim *d, enum disk_sim_op op, unsigned n, int rc);
/* The same for the operation of any kind after n more, and each after it: the
 * process or the machine dies there. */
void disk_sim_die_after(struct disk_sim *d, unsigned n);
bool disk_sim_is_dead(const struct disk_sim *d);
/* Flushes that do nothing and say that they did: for showing that a test
 * notices. */
void disk_sim_ignore_flushes(struct disk_sim *d);

/* The process died alone: the cache is still there. */
void disk_sim_revive(struct disk_sim *d);
/* Power was lost and is back: of what was not flushed, each sector of 512
 * bytes, each name and each size is there or not. */
void disk_sim_power(struct disk_sim *d);

/* ---- looking, and damaging what both cache and disk hold ---- */

bool disk_sim_exists(const struct disk_sim *d, const char *name);
uint64_t disk_sim_size(const struct disk_sim *d, const char *name);
void disk_sim_peek(const struct disk_sim *d, const char *name, uint64_t at,
    void *ret, size_t len);
void disk_sim_poke(struct disk_sim *d, const char *name, uint64_t at,
    const void *bytes, size_t len);
/* Makes it, or gives it another size. */
void disk_sim_resize(struct disk_sim *d, const char *name, uint64_t size);
void disk_sim_delete(struct disk_sim *d, const char *name);
void disk_sim_swap(struct disk_sim *d, const char *a, const char *b);
/* A second disk that holds the same. */
struct disk_sim *disk_sim_copy(const struct disk_sim *d, uint64_t seed);
unsigned disk_sim_count(const struct disk_sim *d, enum disk_sim_op op);
uint64_t disk_sim_written(const struct disk_sim *d); /* bytes, so far */

#endif

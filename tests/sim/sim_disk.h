/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_disk.h - a disk of the simulation behind the journal's table of
 * operations: what was written is in a cache until it is flushed, sector by
 * sector.  One thread.
 */
#ifndef TESTS_SIM_SIM_DISK_H
#define TESTS_SIM_SIM_DISK_H

#include "qmgr/store/disk.h"
#include "tests/sim/sim.h"

struct sim_disk;

struct sim_disk *sim_disk_new(struct sim *sim);
struct sim_disk *sim_disk_free(struct sim_disk *d); /* NULL */
/* Its table of operations. */
struct disk *sim_disk_table(struct sim_disk *d);

/* The machine dies at the operation after n more: from then on each fails,
 * the write in between is torn. */
void sim_disk_die_after(struct sim_disk *d, unsigned n);
bool sim_disk_is_dead(const struct sim_disk *d);
/* The next flush fails: the cache holds as clean what the disk does not have.
 */
void sim_disk_fail_flush(struct sim_disk *d, bool on);
/* Power is back, the cache is lost: of what was not flushed each sector is
 * there or not. */
void sim_disk_power(struct sim_disk *d);
/* The process died alone: the cache is still there. */
void sim_disk_revive(struct sim_disk *d);

#endif

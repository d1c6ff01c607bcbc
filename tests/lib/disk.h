/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - a small ext4 of the test's own, to fill it up.
 *
 * An image in the test's directory is mounted by loop in a mount namespace
 * that only the test and its programs see: so the mount and the loop device
 * go away with the last of them, however the test ends.
 *
 * Main thread only, before any other thread.  Everything that fails aborts
 * the test, but what is missing on the machine: disk_make() says so.
 */
#ifndef MQ_TESTS_DISK_H
#define MQ_TESTS_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/tmpdir.h"

struct disk {
	struct tmpdir dir; /* path: the mount point; not to be freed */
};

/* Makes and mounts it.  False: this user or machine cannot (no privilege, no
 * loop device, no mkfs.ext4); the reason is printed as a skip. */
bool disk_make(struct disk *d, const struct tmpdir *in, unsigned mib);
/* What another process leaves free; rounded up to a few blocks. */
void disk_fill(const struct disk *d, uint64_t leave);
/* Gives back what disk_fill() took. */
void disk_relieve(const struct disk *d);
uint64_t disk_free_bytes(const struct disk *d);
void disk_unmount(struct disk *d);

#endif

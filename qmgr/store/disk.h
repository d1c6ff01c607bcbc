/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - the few things that the journal asks of a disk: named files in one
 * directory.  A simulation puts its own disk behind the same table.
 *
 * Every operation blocks, answers 0 or an errno, and may be called on any
 * thread, for one file by one thread at a time.  What was written survives a
 * power cut when flush() has answered 0 after it, and a new file when
 * flush_dir() has too.  After a failed write or flush nothing is known of what
 * the disk holds, whatever a later read shows.
 */
#ifndef MQ_STORE_DISK_H
#define MQ_STORE_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk_file; /* the implementation's */
struct disk;

struct disk_ops {
	/* ENOENT: there is none; create: EEXIST: there is one. */
	int (*open)(struct disk *d, const char *name, bool create,
	    struct disk_file **ret);
	void (*close)(struct disk *d, struct disk_file *f);
	int (*size)(struct disk *d, struct disk_file *f, uint64_t *ret);
	/* All len bytes; EIO if the file ends before. */
	int (*read)(struct disk *d, struct disk_file *f, uint64_t at, void *buf,
	    size_t len);
	/* All of them; iov is changed. */
	int (*write)(struct disk *d, struct disk_file *f, uint64_t at,
	    struct iovec *iov, int n_iov);
	int (*flush)(struct disk *d, struct disk_file *f);
	int (*flush_dir)(struct disk *d);
	int (*remove)(struct disk *d, const char *name);
};

struct disk {
	const struct disk_ops *ops;
};

/* A directory, made if it is not there; 0 or errno. */
int disk_posix_open(const char *path, struct disk **ret);
void disk_posix_close(struct disk *d); /* its files are closed; d may be NULL */

#endif

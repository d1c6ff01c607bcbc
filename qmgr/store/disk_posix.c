/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_posix.c - the journal's disk (disk.h) as a directory of the system.
 *
 * Writes go on after a short count or EINTR; a write that makes no progress is
 * EIO.  flush() is fdatasync(2): the journal's files have their size before
 * they are used, so nothing but their data has to reach the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "qmgr/store/disk.h"

struct disk_posix {
	struct disk base;
	int dirfd;
};

struct disk_file {
	int fd;
};

static struct disk_posix *
self(struct disk *d)
{
	return MQ_CONTAINER_OF(d, struct disk_posix, base);
}

static int
posix_open(
    struct disk *d, const char *name, bool create, struct disk_file **ret)
{
	int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0);
	int fd = openat(self(d)->dirfd, name, flags, 0600);
	struct disk_file *f;

	if (fd < 0)
		return errno;
	f = mqmem_alloc(sizeof(*f));
	f->fd = fd;
	*ret = f;
	return 0;
}

static void
posix_close(struct disk *d, struct disk_file *f)
{
	(void)d;
	(void)close(f->fd);
	free(f);
}

static int
posix_size(struct disk *d, struct disk_file *f, uint64_t *ret)
{
	struct stat st;

	(void)d;
	if (fstat(f->fd, &st) != 0)
		return errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int
posix_read(
    struct disk *d, struct disk_file *f, uint64_t at, void *buf, size_t len)
{
	uint8_t *p = buf;

	(void)d;
	while (len > 0) {
		ssize_t n = pread(f->fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int
posix_write(struct disk *d, struct disk_file *f, uint64_t at, struct iovec *iov,
    int n_iov)
{
	(void)d;
	while (n_iov > 0) {
		ssize_t n = pwritev(f->fd, iov, n_iov, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		at += (uint64_t)n;
		while (n_iov > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			n_iov--;
		}
		if (n_iov > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int
posix_flush(struct disk *d, struct disk_file *f)
{
	(void)d;
	return fdatasync(f->fd) == 0 ? 0 : errno;
}

static int
posix_flush_dir(struct disk *d)
{
	return fsync(self(d)->dirfd) == 0 ? 0 : errno;
}

static int
posix_remove(struct disk *d, const char *name)
{
	return unlinkat(self(d)->dirfd, name, 0) == 0 ? 0 : errno;
}

static const struct disk_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .size = posix_size,
    .read = posix_read,
    .write = posix_write,
    .flush = posix_flush,
    .flush_dir = posix_flush_dir,
    .remove = posix_remove,
};

int
disk_posix_open(const char *path, struct disk **ret)
{
	struct disk_posix *p;
	int parent;
	int fd;
	int rc;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	/* that it is there must be as durable as what is in it */
	parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = parent < 0 || fsync(parent) != 0 ? errno : 0;
	if (parent >= 0)
		(void)close(parent);
	if (rc != 0) {
		(void)close(fd);
		return rc;
	}
	p = mqmem_alloc(sizeof(*p));
	p->base.ops = &posix_ops;
	p->dirfd = fd;
	*ret = &p->base;
	return 0;
}

void
disk_posix_close(struct disk *d)
{
	if (d == NULL)
		return;
	(void)close(self(d)->dirfd);
	free(self(d));
}

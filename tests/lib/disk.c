/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.c - a small disk to fill up.
 *
 * Happy path: a mount namespace, an image, mkfs.ext4, mount -o loop (which
 * frees the loop device with its last user).  disk_fill() takes all blocks by
 * fallocate(2) in a file "ballast".  Failure modes: the first three are told
 * as a skip; the others abort, and the namespace ends with the test.
 */
#include "tests/lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/lib/proc.h"

#define BLOCK 4096u

static bool
skip(const char *what)
{
	(void)printf("SKIPPED: no small disk to fill: %s\n", what);
	(void)fflush(stdout);
	return false;
}

static bool
run(const char *const argv[], const char *log)
{
	return access(argv[0], X_OK) == 0 &&
	       proc_run(argv, NULL, log, NULL) == 0;
}

static void
make_image(const char *path, unsigned mib)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)mib << 20) < 0)
		proc_die(NULL, path);
	(void)close(fd);
}

bool
disk_make(struct disk *d, const struct tmpdir *in, unsigned mib)
{
	char image[PATH_MAX], log[PATH_MAX];

	memset(d, 0, sizeof(*d));
	(void)snprintf(image, sizeof(image), "%.4000s/disk.img", in->path);
	(void)snprintf(log, sizeof(log), "%.4000s/disk.log", in->path);
	(void)snprintf(
	    d->dir.path, sizeof(d->dir.path), "%.4000s/disk", in->path);
	if (mkdir(d->dir.path, 0700) < 0)
		proc_die(NULL, d->dir.path);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return skip("not allowed to mount");
	make_image(image, mib);
	/* -m 0: no blocks that only root may use */
	if (!run((const char *const[]){"/usr/sbin/mkfs.ext4", "-q", "-F", "-m",
		     "0", image, NULL},
		log))
		return skip("mkfs.ext4 does not work");
	if (!run((const char *const[]){"/usr/bin/mount", "-o", "loop", image,
		     d->dir.path, NULL},
		log))
		return skip("loop devices do not work");
	return true;
}

static void
ballast(const struct disk *d, char *ret_path)
{
	(void)snprintf(ret_path, PATH_MAX, "%.4000s/ballast", d->dir.path);
}

uint64_t
disk_free_bytes(const struct disk *d)
{
	struct statvfs s;

	if (statvfs(d->dir.path, &s) < 0)
		proc_die(NULL, d->dir.path);
	return (uint64_t)s.f_bavail * s.f_frsize;
}

void
disk_fill(const struct disk *d, uint64_t leave)
{
	char path[PATH_MAX];
	uint64_t step = UINT64_C(64) << 20, len = 0, room;

	ballast(d, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		proc_die(NULL, path);
	/* the blocks that map the file are taken from the same disk: halve
	 * the step until not even one more fits */
	while (step >= BLOCK && (room = disk_free_bytes(d)) > leave) {
		if (step > room - leave) {
			step /= 2;
			continue;
		}
		if (fallocate(fd, 0, (off_t)len, (off_t)step) == 0)
			len += step;
		else if (errno != ENOSPC)
			proc_die(NULL, "fallocate");
		else
			step /= 2;
	}
	(void)close(fd);
}

void
disk_relieve(const struct disk *d)
{
	char path[PATH_MAX];

	ballast(d, path);
	if (unlink(path) < 0)
		proc_die(NULL, path);
}

void
disk_unmount(struct disk *d)
{
	/* files may be open in programs that are still ending */
	if (d->dir.path[0] != '\0' && umount2(d->dir.path, MNT_DETACH) < 0 &&
	    errno != EINVAL && errno != EPERM)
		proc_die(NULL, "umount");
	d->dir.path[0] = '\0';
}

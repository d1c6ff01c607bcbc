/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder.c - librecorder.so, loaded by LD_PRELOAD: stands before the calls
 * that write and flush files, counts them over all threads, and acts on the
 * control block of recorder.h.
 *
 * Neighbours: the C library below, by dlsym(RTLD_NEXT); proc.c starts programs
 * with it; image.c reads the trace.
 *
 * It also stands before the calls that read the wall clock, to make it wrong.
 *
 * Invariants: only regular files under control->dir are seen; everything else
 * passes untouched.  A write's record is in the trace before the write is
 * made, and both happen under one lock, so the trace's order is the order of
 * the writes.  A flush covers what was recorded before its FLUSH_BEGIN, and
 * only once its FLUSH_END is recorded; no lock is held while it runs.
 *
 * Happy path: constructor maps the block; write -> count -> record -> write.
 * Failure modes: without MQ_RECORDER, or with a block that cannot be mapped,
 * the constructor ends the process, so that no proof passes unrecorded.
 */
#include "tests/lib/recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct recorder_control *control;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace_fd = -1;

static struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*ftruncate)(int, off_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*posix_fallocate)(int, off_t, off_t);
	int (*rename)(const char *, const char *);
	int (*unlink)(const char *);
} real;

/* The file behind a descriptor. */
struct target {
	char path[PATH_MAX]; /* under dir */
	bool dsync;
};

static void
die(const char *why)
{
	fprintf(stderr, "recorder: %s: %s\n", why, strerror(errno));
	_exit(99);
}

static void
load_symbol(void *ret_fn, const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);
	if (!fn)
		die(name);
	memcpy(ret_fn, &fn, sizeof(fn));
}

static void
load_symbols(void)
{
	load_symbol(&real.write, "write");
	load_symbol(&real.pwrite, "pwrite");
	load_symbol(&real.writev, "writev");
	load_symbol(&real.pwritev, "pwritev");
	load_symbol(&real.fsync, "fsync");
	load_symbol(&real.fdatasync, "fdatasync");
	load_symbol(&real.ftruncate, "ftruncate");
	load_symbol(&real.fallocate, "fallocate");
	load_symbol(&real.posix_fallocate, "posix_fallocate");
	load_symbol(&real.rename, "rename");
	load_symbol(&real.unlink, "unlink");
}

__attribute__((constructor)) static void
recorder_start(void)
{
	const char *path = getenv(RECORDER_ENV);
	int prot = PROT_READ | PROT_WRITE;

	load_symbols();
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	/* an agent that may write no file: there is nothing to count */
	if (fd < 0 && path && errno == EACCES) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		prot = PROT_READ;
	}
	if (fd < 0)
		die("no control block");
	void *map = mmap(NULL, sizeof(*control), prot, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	close(fd);
	control = map;
	if (control->trace[0] && prot != PROT_READ) {
		trace_fd = open(control->trace,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (trace_fd < 0)
			die(control->trace);
	}
}

/* The part of an absolute path under dir, or NULL. */
static const char *
under_dir(const char *path)
{
	size_t len = strlen(control->dir);

	if (strncmp(path, control->dir, len) != 0 || path[len] != '/')
		return NULL;
	return path + len + 1;
}

/* Whether fd is a file (or directory, if flushing) under dir. */
static bool
target_find(int fd, bool flushing, struct target *ret)
{
	struct stat st;
	char link[64], path[PATH_MAX];

	if (!control || fstat(fd, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode) && !(flushing && S_ISDIR(st.st_mode)))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	const char *rest = under_dir(path);
	if (!rest)
		return false;
	strcpy(ret->path, rest);
	int flags = fcntl(fd, F_GETFL);
	ret->dsync = flags >= 0 && (flags & O_DSYNC);
	return true;
}

/* Whether a call of this kind, the nth of all, is the one to fail. */
static bool
is_to_fail(uint64_t n, unsigned kind)
{
	uint64_t kinds = control->fail_kinds;

	if (kinds != 0) {
		if ((kinds & kind) == 0)
			return false;
		n = ++control->fail_calls;
	}
	return n == control->fail_at;
}

/* Counts a call; true, with errno set, if it is to fail.  The one to be killed
 * at makes half of a write if `tear` is given, and does not return. */
static bool
call_fails(unsigned kind, int fd, const void *tear, size_t len, off_t offset)
{
	uint64_t n = ++control->calls;

	if (is_to_fail(n, kind)) {
		errno = control->fail_errno ? (int)control->fail_errno : EIO;
		return true;
	}
	if (n != control->kill_at)
		return false;
	if (tear && control->kill_tears && len / 2 >= 512)
		(void)!real.pwrite(fd, tear, len / 2 / 512 * 512, offset);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* With the lock held; returns the record's number. */
static uint64_t
record(enum recorder_kind kind, const char *path, uint64_t arg,
    const struct iovec *iov, int n_iov, size_t len)
{
	struct recorder_record head = {.magic = RECORDER_MAGIC,
	    .kind = kind,
	    .seq = control->trace_seq + 1,
	    .arg = arg,
	    .path_len = (uint32_t)strlen(path),
	    .len = (uint32_t)len};

	if (trace_fd < 0)
		return ++control->trace_seq;
	if (real.write(trace_fd, &head, sizeof(head)) != sizeof(head) ||
	    real.write(trace_fd, path, head.path_len) != head.path_len)
		die("trace");
	for (int i = 0; i < n_iov && len > 0; i++) {
		size_t n = iov[i].iov_len < len ? iov[i].iov_len : len;
		if (real.write(trace_fd, iov[i].iov_base, n) != (ssize_t)n)
			die("trace");
		len -= n;
	}
	return ++control->trace_seq;
}

static void
record_locked(enum recorder_kind kind, const char *path, uint64_t arg)
{
	pthread_mutex_lock(&lock);
	record(kind, path, arg, NULL, 0, 0);
	pthread_mutex_unlock(&lock);
}

static void
delay(void)
{
	uint64_t ms = control->delay_ms;

	if (!ms)
		return;
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000};
	control->flushing++;
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	control->flushing--;
}

/* The end of an O_DSYNC write. */
static void
range_is_durable(const struct target *t, uint64_t seq)
{
	if (!t->dsync || control->no_flush)
		return;
	control->flushes++;
	delay();
	record_locked(RECORDER_DURABLE, t->path, seq);
}

static ssize_t
write_at(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
	struct target t;

	if (!target_find(fd, false, &t))
		return real.pwritev(fd, iov, n_iov, offset);
	size_t len = 0;
	for (int i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	if (call_fails(RECORDER_CALL_WRITE, fd,
		n_iov == 1 ? iov[0].iov_base : NULL, len, offset))
		return -1;
	pthread_mutex_lock(&lock);
	uint64_t seq =
	    record(RECORDER_WRITE, t.path, (uint64_t)offset, iov, n_iov, len);
	ssize_t n = real.pwritev(fd, iov, n_iov, offset);
	int saved = errno;
	pthread_mutex_unlock(&lock);
	if (n >= 0 && (size_t)n != len)
		die("short write: the trace would be wrong");
	if (n >= 0)
		range_is_durable(&t, seq);
	errno = saved;
	return n;
}

/* A write at the descriptor's own offset, which moves. */
static ssize_t
write_here(int fd, const struct iovec *iov, int n_iov)
{
	int flags = fcntl(fd, F_GETFL);
	off_t offset = lseek(
	    fd, 0, flags >= 0 && (flags & O_APPEND) ? SEEK_END : SEEK_CUR);

	ssize_t n = write_at(fd, iov, n_iov, offset);
	if (n > 0)
		(void)lseek(fd, offset + n, SEEK_SET);
	return n;
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
	return write_at(fd, iov, n_iov, offset);
}

EXPORT ssize_t
pwritev64(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
	return write_at(fd, iov, n_iov, offset);
}

EXPORT ssize_t
pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

	return write_at(fd, &iov, 1, offset);
}

EXPORT ssize_t
pwrite64(int fd, const void *buf, size_t len, off_t offset)
{
	return pwrite(fd, buf, len, offset);
}

EXPORT ssize_t
write(int fd, const void *buf, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct target t;

	if (!control || !target_find(fd, false, &t))
		return real.write ? real.write(fd, buf, len) : -1;
	return write_here(fd, &iov, 1);
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n_iov)
{
	struct target t;

	if (!target_find(fd, false, &t))
		return real.writev(fd, iov, n_iov);
	return write_here(fd, iov, n_iov);
}

static int
flush(int fd, int (*fn)(int))
{
	struct target t;

	if (!target_find(fd, true, &t))
		return fn(fd);
	if (call_fails(RECORDER_CALL_FLUSH, fd, NULL, 0, 0))
		return -1;
	if (control->no_flush)
		return 0;
	control->flushes++;
	pthread_mutex_lock(&lock);
	uint64_t seq = record(RECORDER_FLUSH_BEGIN, t.path, 0, NULL, 0, 0);
	pthread_mutex_unlock(&lock);
	delay();
	int rc = fn(fd);
	int saved = errno;
	if (rc == 0)
		record_locked(RECORDER_FLUSH_END, t.path, seq);
	errno = saved;
	return rc;
}

EXPORT int
fsync(int fd)
{
	return flush(fd, real.fsync);
}

EXPORT int
fdatasync(int fd)
{
	return flush(fd, real.fdatasync);
}

EXPORT int
ftruncate(int fd, off_t size)
{
	struct target t;

	if (!target_find(fd, false, &t))
		return real.ftruncate(fd, size);
	if (call_fails(RECORDER_CALL_ALLOCATE, fd, NULL, 0, 0))
		return -1;
	pthread_mutex_lock(&lock);
	record(RECORDER_TRUNCATE, t.path, (uint64_t)size, NULL, 0, 0);
	int rc = real.ftruncate(fd, size);
	pthread_mutex_unlock(&lock);
	return rc;
}

EXPORT int
ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* Records the size that an allocation may have given to the file. */
static void
allocated(int fd, const struct target *t)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		record_locked(RECORDER_TRUNCATE, t->path, (uint64_t)st.st_size);
}

EXPORT int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	struct target t;
	bool seen = target_find(fd, false, &t);

	if (seen && call_fails(RECORDER_CALL_ALLOCATE, fd, NULL, 0, 0))
		return -1;
	int rc = real.fallocate(fd, mode, offset, len);
	if (seen && rc == 0)
		allocated(fd, &t);
	return rc;
}

EXPORT int
fallocate64(int fd, int mode, off_t offset, off_t len)
{
	return fallocate(fd, mode, offset, len);
}

EXPORT int
posix_fallocate(int fd, off_t offset, off_t len)
{
	struct target t;
	bool seen = target_find(fd, false, &t);

	if (seen && call_fails(RECORDER_CALL_ALLOCATE, fd, NULL, 0, 0))
		return errno;
	int rc = real.posix_fallocate(fd, offset, len);
	if (seen && rc == 0)
		allocated(fd, &t);
	return rc;
}

EXPORT int
posix_fallocate64(int fd, off_t offset, off_t len)
{
	return posix_fallocate(fd, offset, len);
}

EXPORT int
rename(const char *from, const char *to)
{
	const char *a = control ? under_dir(from) : NULL;
	const char *b = control ? under_dir(to) : NULL;

	if (a && b) {
		struct iovec iov = {
		    .iov_base = (void *)(uintptr_t)b, .iov_len = strlen(b)};
		if (call_fails(RECORDER_CALL_NAME, -1, NULL, 0, 0))
			return -1;
		pthread_mutex_lock(&lock);
		record(RECORDER_RENAME, a, 0, &iov, 1, iov.iov_len);
		pthread_mutex_unlock(&lock);
	}
	return real.rename(from, to);
}

EXPORT int
unlink(const char *path)
{
	const char *rest = control ? under_dir(path) : NULL;

	if (rest) {
		if (call_fails(RECORDER_CALL_NAME, -1, NULL, 0, 0))
			return -1;
		record_locked(RECORDER_UNLINK, rest, 0);
	}
	return real.unlink(path);
}

/* ---- the wall clock ---- */

/* These are called before the constructor, and may be called by the loader of
 * a sanitizer: so no symbol of the library below is needed. */
EXPORT int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && control &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += control->wall_offset_s;
	return rc;
}

EXPORT int
gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

EXPORT time_t
time(time_t *ret)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload.c - libmqbench_preload.so, loaded into a queue manager that is
 * measured: makes each flush slower, or counts allocations.
 *
 * Neighbours: host.c delays flushes by it (a slow disk), tools/count-costs
 * counts by it.
 *
 * MQBENCH_FLUSH_MS: fdatasync() and fsync() take that much longer.
 * MQBENCH_ALLOCATIONS: a file; at the end it holds how often memory was asked
 * for.  The GNU C library's own names are called, since looking them up would
 * allocate.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);
EXPORT int fdatasync(int fd);
EXPORT int fsync(int fd);

static _Atomic unsigned long n_allocations;
static struct timespec flush_delay;

void *
malloc(size_t size)
{
	atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
	return __libc_realloc(p, size);
}

static void
delay(void)
{
	struct timespec left = flush_delay;

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

int
fdatasync(int fd)
{
	delay();
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	delay();
	return (int)syscall(SYS_fsync, fd);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *ms = getenv("MQBENCH_FLUSH_MS");
	long n = ms != NULL ? strtol(ms, NULL, 10) : 0;

	flush_delay.tv_sec = n / 1000;
	flush_delay.tv_nsec = n % 1000 * 1000000;
}

__attribute__((destructor)) static void
end(void)
{
	const char *path = getenv("MQBENCH_ALLOCATIONS");
	unsigned long n = n_allocations;
	FILE *f = path != NULL ? fopen(path, "we") : NULL;

	if (f == NULL)
		return;
	(void)fprintf(f, "%lu\n", n);
	(void)fclose(f);
}

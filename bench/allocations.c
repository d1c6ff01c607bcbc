/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocations.c - libmqbench_allocations.so, loaded into a process whose
 * allocations are counted: at its end the file MQBENCH_ALLOCATIONS holds how
 * often it asked for memory.
 *
 * Neighbours: tools/count-costs loads it, by LD_PRELOAD.  The GNU C library's
 * own names are called, since looking them up would allocate.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);

static _Atomic unsigned long n_allocations;
static pid_t counted; /* not its children */

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

__attribute__((constructor)) static void
begin(void)
{
	counted = getpid();
}

__attribute__((destructor)) static void
end(void)
{
	const char *path = getenv("MQBENCH_ALLOCATIONS");
	unsigned long n = n_allocations;
	FILE *f =
	    path != NULL && getpid() == counted ? fopen(path, "we") : NULL;

	if (f == NULL)
		return;
	(void)fprintf(f, "%lu\n", n);
	(void)fclose(f);
}

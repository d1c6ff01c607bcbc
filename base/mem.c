/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - allocations that succeed or end the process.
 *
 * Neighbours: daemons and programs, for small internal things only; what a
 * client or a partner sizes uses malloc(3).
 * Failure: no memory, or a size that overflows, is reported on standard error
 * like a broken promise (check.c) and aborts.
 */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *
mqmem_alloc(size_t size)
{
	return mqmem_array(1, size);
}

void *
mqmem_array(size_t n, size_t size)
{
	/* calloc(0) may give NULL */
	void *p = n && size ? calloc(n, size) : calloc(1, 1);

	MQ_POST(p && "out of memory");
	return p;
}

void *
mqmem_grow(void *ptr, size_t n, size_t size)
{
	void *p = n && size ? reallocarray(ptr, n, size) : realloc(ptr, 1);

	MQ_POST(p && "out of memory");
	return p;
}

char *
mqmem_strdup(const char *s)
{
	char *p = strdup(s);

	MQ_POST(p && "out of memory");
	return p;
}

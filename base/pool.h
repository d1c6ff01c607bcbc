/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - structures of one size that come and go with every message: freed
 * ones are kept, up to a limit, and handed out again, the last one first, as
 * that is the one in the processor's cache.  One thread's.
 */
#ifndef MQ_BASE_POOL_H
#define MQ_BASE_POOL_H

#include <stddef.h>

struct mqpool_free;

struct mqpool {
	size_t size;
	size_t max; /* kept at most */
	size_t n;
	struct mqpool_free *first;
};

void mqpool_init(struct mqpool *p, size_t size, size_t max);
/* Frees what is kept; what was handed out is not its business. */
void mqpool_fini(struct mqpool *p);
/* All zero.  Never NULL: no memory ends the process. */
void *mqpool_get(struct mqpool *p);
void mqpool_put(struct mqpool *p, void *mem);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - free lists of structures of one size.
 *
 * Neighbours: the engine, for what it makes and frees with every message.
 * Invariants: n is the length of the list, and at most max.
 * Happy path: a structure goes from one message to the next without malloc(3).
 * Failure: as mem.h's.  With AddressSanitizer nothing is kept, so that it sees
 * each use of what was freed.
 */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct mqpool_free {
	struct mqpool_free *next;
};

void
mqpool_init(struct mqpool *p, size_t size, size_t max)
{
	MQ_PRE(size >= sizeof(struct mqpool_free));
#ifdef __SANITIZE_ADDRESS__
	max = 0;
#endif
	*p = (struct mqpool){.size = size, .max = max};
}

void
mqpool_fini(struct mqpool *p)
{
	struct mqpool_free *f;

	while ((f = p->first) != NULL) {
		p->first = f->next;
		free(f);
	}
	p->n = 0;
}

void *
mqpool_get(struct mqpool *p)
{
	struct mqpool_free *f = p->first;

	if (f == NULL)
		return mqmem_alloc(p->size);
	p->first = f->next;
	p->n--;
	return memset(f, 0, p->size);
}

void
mqpool_put(struct mqpool *p, void *mem)
{
	struct mqpool_free *f = mem;

	if (p->n >= p->max) {
		free(mem);
		return;
	}
	f->next = p->first;
	p->first = f;
	p->n++;
}

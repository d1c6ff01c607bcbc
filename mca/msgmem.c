/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgmem.c - runs of messages (msgmem.h).
 *
 * Neighbours: receiver.c takes a block per message, with its descriptor and
 * body, and puts it back when its unit is durable.
 *
 * A run is filled from its front and counts what is still in use; the last one
 * out makes it free as a whole.  Messages leave in the order in which they
 * came, more or less, so a run does not stay for one of them.  Each block has
 * its run's address in front.
 *
 * Failure: no memory: NULL, and nothing has changed.
 */
#include "mca/msgmem.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define ALIGN _Alignof(max_align_t)

struct msgmem_run {
	struct msgmem_run *next; /* of the spare ones */
	size_t used;             /* bytes of data */
	size_t cap;
	unsigned n; /* blocks in use */
	_Alignas(max_align_t) uint8_t data[];
};

struct msgmem {
	struct msgmem_run *current;
	struct msgmem_run *spare;
	unsigned n_spare;
};

/* In front of a block. */
struct head {
	_Alignas(max_align_t) struct msgmem_run *run;
};

struct msgmem *
msgmem_new(void)
{
	return mqmem_alloc(sizeof(struct msgmem));
}

struct msgmem *
msgmem_free(struct msgmem *m)
{
	msgmem_trim(m);
	MQ_PRE(m->current == NULL);
	free(m);
	return NULL;
}

void
msgmem_trim(struct msgmem *m)
{
	struct msgmem_run *r;

	while ((r = m->spare) != NULL) {
		m->spare = r->next;
		free(r);
	}
	m->n_spare = 0;
	if (m->current != NULL && m->current->n == 0) {
		free(m->current);
		m->current = NULL;
	}
}

static struct msgmem_run *
run_new(size_t cap)
{
	struct msgmem_run *r = malloc(sizeof(*r) + cap);

	if (r != NULL) {
		r->next = NULL;
		r->used = 0;
		r->cap = cap;
		r->n = 0;
	}
	return r;
}

/* Nothing of it is in use. */
static void
run_let_go(struct msgmem *m, struct msgmem_run *r)
{
	if (r->cap != MSGMEM_RUN || m->n_spare == MSGMEM_SPARE_MAX) {
		free(r);
		return;
	}
	r->used = 0;
	r->next = m->spare;
	m->spare = r;
	m->n_spare++;
}

/* The run that takes so many bytes more. */
static struct msgmem_run *
run_for(struct msgmem *m, size_t size)
{
	struct msgmem_run *r = m->current;

	if (size > MSGMEM_RUN)
		return run_new(size);
	if (r != NULL && r->n == 0)
		r->used = 0;
	if (r != NULL && size <= r->cap - r->used)
		return r;
	r = m->spare;
	if (r != NULL) {
		m->spare = r->next;
		m->n_spare--;
	} else {
		r = run_new(MSGMEM_RUN);
	}
	if (r != NULL) {
		if (m->current != NULL && m->current->n == 0)
			run_let_go(m, m->current);
		m->current = r;
	}
	return r;
}

void *
msgmem_get(struct msgmem *m, size_t n)
{
	size_t size = (sizeof(struct head) + n + ALIGN - 1) / ALIGN * ALIGN;
	struct msgmem_run *r;
	struct head *h;

	if (size < n || n > PTRDIFF_MAX / 2)
		return NULL; /* more than there can be */
	r = run_for(m, size);
	if (r == NULL)
		return NULL;
	h = (struct head *)(void *)(r->data + r->used);
	h->run = r;
	r->used += size;
	r->n++;
	return h + 1;
}

void
msgmem_put(struct msgmem *m, void *p)
{
	struct msgmem_run *r = ((struct head *)p)[-1].run;

	MQ_PRE(r->n > 0);
	if (--r->n == 0 && r != m->current)
		run_let_go(m, r);
}

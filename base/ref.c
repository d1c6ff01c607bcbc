/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref.c - shared immutable bytes.
 *
 * Neighbours: the session makes one per message, engine, store and sessions
 * hold it, whoever drops the last reference frees it.
 * Invariants: count is at least 1 while anybody may look; bytes do not change
 * after the first sharing.  The last unref sees all that the others did
 * (acquire after release).
 * Failure: no memory gives NULL, since clients choose the size.
 */
#include "base/ref.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct mqref *
mqref_new(size_t len)
{
	struct mqref *r;

	if (len > SIZE_MAX - sizeof(*r))
		return NULL;
	r = malloc(sizeof(*r) + len);
	if (!r)
		return NULL;
	atomic_init(&r->count, 1);
	r->unused = 0;
	r->len = len;
	return r;
}

struct mqref *
mqref_copy(const void *data, size_t len)
{
	struct mqref *r = mqref_new(len);

	if (r && len > 0)
		memcpy(r->data, data, len);
	return r;
}

struct mqref *
mqref_ref(struct mqref *r)
{
	uint32_t was =
	    atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);

	MQ_INVARIANT(was > 0 && was < UINT32_MAX);
	return r;
}

struct mqref *
mqref_unref(struct mqref *r)
{
	uint32_t was;

	if (!r)
		return NULL;
	was = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
	MQ_INVARIANT(was > 0);
	if (was == 1)
		free(r);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref.c - shared immutable bytes.
 *
 * Neighbours: the engine makes one per message, the store's reader makes those
 * of loads; engine and sessions hold them, whoever drops the last reference
 * frees it.
 * Invariants: count is at least 1 while anybody may look; bytes do not change
 * after the first sharing.  The count is no atomic: one costs as much as the
 * rest of a message's way from queue to socket together, since it waits until
 * all that was written before it is in the cache.
 * Happy path: a thread that frees as many as it makes keeps some, by size, and
 * goes without malloc(3), which is slow for more than a kilobyte.  Kept ones
 * are in grades of REF_GRADE bytes; any thread may free any other's, since
 * each is an allocation by itself.
 * Failure: no memory gives NULL, since clients choose the size.
 */
#include "base/ref.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define REF_LINE 64u /* of the cache */
#define REF_GRADE 256u
#define REF_GRADES 17u /* longer ones are not kept */

/* What a thread keeps: lists of freed ones, linked in their data. */
static _Thread_local struct {
	size_t limit;
	size_t bytes;
	struct mqref *first[REF_GRADES + 1];
} keep;

static struct mqref *
keep_take(uint32_t grade)
{
	struct mqref *r = keep.first[grade];
	size_t size = (size_t)grade * REF_GRADE;

	if (r) {
		memcpy(&keep.first[grade], r->data, sizeof(r));
		keep.bytes -= size;
		/* it is to be written at once, and may be long out of the
		 * processor's cache */
		for (size_t i = REF_LINE; i < size; i += REF_LINE)
			__builtin_prefetch((uint8_t *)r + i, 1);
	}
	return r;
}

static void
keep_or_free(struct mqref *r)
{
	uint32_t grade = r->grade;
	size_t size = (size_t)grade * REF_GRADE;

	if (grade == 0 || size > keep.limit - keep.bytes) {
		free(r);
		return;
	}
	memcpy(r->data, &keep.first[grade], sizeof(r));
	keep.first[grade] = r;
	keep.bytes += size;
}

void
mqref_keep(size_t limit)
{
	struct mqref *r;

#ifdef __SANITIZE_ADDRESS__
	limit = 0; /* so that it sees each use of what was freed */
#endif
	for (uint32_t i = 1; i <= REF_GRADES; i++)
		while ((r = keep_take(i)) != NULL)
			free(r);
	keep.limit = limit;
}

struct mqref *
mqref_new(size_t len)
{
	struct mqref *r = NULL;
	uint32_t grade = 0;
	size_t size;

	if (len > SIZE_MAX - sizeof(*r))
		return NULL;
	size = sizeof(*r) + len;
	if (size <= (size_t)REF_GRADES * REF_GRADE) {
		grade = (uint32_t)((size + REF_GRADE - 1) / REF_GRADE);
		size = (size_t)grade * REF_GRADE;
		r = keep_take(grade);
	}
	if (!r)
		r = malloc(size);
	if (!r)
		return NULL;
	r->count = 1;
	r->grade = grade;
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
	MQ_INVARIANT(r->count > 0 && r->count < UINT32_MAX);
	r->count++;
	return r;
}

struct mqref *
mqref_unref(struct mqref *r)
{
	if (!r)
		return NULL;
	MQ_INVARIANT(r->count > 0);
	if (--r->count == 0)
		keep_or_free(r);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref.h - reference-counted immutable bytes: a message's encoded descriptor
 * and body on their way through the queue manager without a copy.
 * One thread at a time has all references to the same bytes: they go from one
 * to another through a lock, as the store's loads do.
 */
#ifndef MQ_BASE_REF_H
#define MQ_BASE_REF_H

#include <stddef.h>
#include <stdint.h>

struct mqref {
	uint32_t count;
	uint32_t grade; /* of its size; 0: it is not kept */
	size_t len;     /* bytes */
	uint8_t data[];
};

/* A reference with room for len bytes, to be filled before it is shared; NULL
 * if there is no memory. */
struct mqref *mqref_new(size_t len);
/* The same, filled from data. */
struct mqref *mqref_copy(const void *data, size_t len);
struct mqref *mqref_ref(struct mqref *r);   /* returns r */
struct mqref *mqref_unref(struct mqref *r); /* returns NULL; NULL allowed */

/* The calling thread keeps up to this many bytes of what it frees for what it
 * makes next; what it kept is freed.  0, as in every thread at first: none. */
void mqref_keep(size_t limit);

#endif

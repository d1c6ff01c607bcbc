/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - red-black trees: libbsd's <bsd/sys/tree.h>, with a generator of
 * static functions that needs no BSD compiler macro (RB_GENERATE_STATIC uses
 * __unused, which glibc's headers use as a name).
 *
 * MQ_RB_HEAD and MQ_RB_GENERATE_ENDS are for trees that are used like queues:
 * the head knows the first and the last one, so that adding at the end and
 * looking at the ends take no walk from the root.  Change such a tree only by
 * NAME_add(), which returns NULL or the equal one that is there, and
 * NAME_take(); all that only looks is as of other trees.
 */
#ifndef MQ_BASE_TREE_H
#define MQ_BASE_TREE_H

#include <bsd/sys/tree.h>

#define MQ_RB_GENERATE(name, type, field, cmp) \
	RB_GENERATE_INTERNAL(                  \
	    name, type, field, cmp, static __attribute__((unused)))

#define MQ_RB_HEAD(name, type)         \
	struct name {                  \
		struct type *rbh_root; \
		struct type *first;    \
		struct type *last;     \
	}

#define MQ_RB_GENERATE_ENDS(name, type, field, cmp)                    \
	MQ_RB_GENERATE(name, type, field, cmp)                         \
	static struct type *name##_add(struct name *h, struct type *x) \
	{                                                              \
		struct type *last = h->last, *there;                   \
		if (last != NULL && (cmp)(x, last) > 0) {              \
			RB_SET(x, last, field);                        \
			RB_RIGHT(last, field) = x;                     \
			name##_RB_INSERT_COLOR(h, x);                  \
			h->last = x;                                   \
			return NULL;                                   \
		}                                                      \
		there = RB_INSERT(name, h, x);                         \
		if (there != NULL)                                     \
			return there;                                  \
		if (last == NULL)                                      \
			h->last = x;                                   \
		if (h->first == NULL || (cmp)(x, h->first) < 0)        \
			h->first = x;                                  \
		return NULL;                                           \
	}                                                              \
	static void name##_take(struct name *h, struct type *x)        \
	{                                                              \
		if (x == h->first)                                     \
			h->first = RB_NEXT(name, h, x);                \
		if (x == h->last)                                      \
			h->last = RB_PREV(name, h, x);                 \
		RB_REMOVE(name, h, x);                                 \
	}

#endif

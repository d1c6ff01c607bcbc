/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - red-black trees: libbsd's <bsd/sys/tree.h>, with a generator of
 * static functions that needs no BSD compiler macro (RB_GENERATE_STATIC uses
 * __unused, which glibc's headers use as a name).
 */
#ifndef MQ_BASE_TREE_H
#define MQ_BASE_TREE_H

#include <bsd/sys/tree.h>

#define MQ_RB_GENERATE(name, type, field, cmp) \
	RB_GENERATE_INTERNAL(                  \
	    name, type, field, cmp, static __attribute__((unused)))

#endif

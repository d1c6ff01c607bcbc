/* SPDX-License-Identifier: Apache-2.0 */
/* pages_impl.h - what the files of pages.h share: a page and its nodes.  Any
 * thread. */
#ifndef MQ_STORE_PAGES_IMPL_H
#define MQ_STORE_PAGES_IMPL_H

#include "base/buf.h"
#include "qmgr/store/pages.h"

#define PAGE_HEADER 16u
#define NODE_HEADER 8u
#define KEY_MAX 511u

enum {
	PAGE_BRANCH = 0x01,
	PAGE_LEAF = 0x02,
	PAGE_OVERFLOW = 0x04,
	PAGE_META = 0x08
};

enum { NODE_BIG = 0x01, NODE_TREE = 0x02 };

struct pages_node {
	const uint8_t *key;
	uint32_t key_len;
	uint16_t flags;
	uint32_t len;        /* leaf: of the value */
	const uint8_t *data; /* leaf: the value, or the number of its page */
	uint64_t child;      /* branch */
};

static inline uint32_t
pages_n_nodes(const uint8_t *page)
{
	return (uint32_t)(mqbuf_get_u16(page + 12) - PAGE_HEADER) / 2;
}

/* The page must have passed pages_check(), or the node its own check. */
struct pages_node pages_node(const uint8_t *page, uint32_t i, bool leaf);

/* Whether everything in the page stays in the page, and its keys ascend.
 * Returns what is wrong, or NULL. */
const char *pages_check(const struct pages *p, const uint8_t *page,
    uint64_t number, bool leaf, bool integer_keys);

int pages_key_cmp(const uint8_t *a, uint32_t a_len, const uint8_t *b,
    uint32_t b_len, bool integer);

/* Reads n pages; NULL or what is wrong. */
const char *pages_read(struct pages *p, uint64_t number, uint64_t n, void *to);

/* How many pages a value of len bytes has beside its leaf. */
static inline uint64_t
pages_n_overflow(const struct pages *p, uint32_t len)
{
	return ((uint64_t)PAGE_HEADER - 1 + len) / p->page_size + 1;
}

static inline bool
pages_is_number(const struct pages *p, uint64_t number)
{
	return number >= 2 && number <= p->meta.last_page;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.h - LMDB's file read by ourselves, with every offset checked before it
 * is followed.  LMDB 0.9 trusts its pages: a damaged one makes it read or write
 * outside of its memory, or show an empty table.  So what may be damaged is
 * read here first.
 *
 * Nothing is mapped: a page that the disk cannot give is an error and no
 * signal.  No call trusts a byte of the file; none aborts because of one.
 * One thread; blocking reads.
 */
#ifndef MQ_STORE_PAGES_H
#define MQ_STORE_PAGES_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define PAGES_DEPTH 32u /* LMDB's own bound */
#define PAGES_NONE UINT64_MAX
#define PAGES_TREE_SIZE 48u /* bytes of a tree's record in the main tree */

/* A tree's record. */
struct pages_tree {
	uint64_t root; /* PAGES_NONE: empty */
	uint16_t flags;
	uint16_t depth;
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t entries;
};

/* One of the two meta pages. */
struct pages_meta {
	const char *wrong; /* what is wrong with it; NULL: nothing */
	uint64_t txnid;
	uint64_t last_page;
	struct pages_tree free_list;
	struct pages_tree main_tree;
};

/* Where a reader is: in shared memory, it outlives the reader. */
struct pages_place {
	char table[32];
	uint64_t page;
};

struct pages_cached;

struct pages {
	int fd;
	uint64_t n_bytes;
	uint32_t page_size;
	struct pages_meta metas[2];
	struct pages_meta meta;    /* the one that is read */
	uint64_t *used;            /* a bit per page: met in a walk */
	struct pages_place *place; /* the caller's; may be NULL */
	uint8_t *levels[PAGES_DEPTH];
	uint8_t *value;
	size_t value_size;
	struct pages_cached *cache;
	uint64_t rate; /* bytes read in a second; 0: no limit */
	uint64_t n_read;
	uint64_t began_us; /* to read */
};

struct pages_entry {
	const uint8_t *key;
	uint32_t key_len;
	uint32_t len;
	const uint8_t *data; /* NULL: on overflow pages and not read, or these
				are damaged */
	bool is_tree;
	uint64_t page;
};

/* What a walk meets.  Pointers hold during the call. */
struct pages_visit {
	bool integer_keys; /* as the free list */
	bool values;       /* read what is on overflow pages */
	bool branches;     /* leave the leaves unread */
	uint64_t end_us;   /* of mqclock_mono_us(): stop then; 0: never */
	void (*entry)(void *ctx, const struct pages_entry *e); /* may be NULL */
	void (*wrong)(void *ctx, uint64_t page, const char *what);
	/* Entries from the key lo on and before hi cannot be reached; NULL:
	 * the table's begin or end.  May be NULL. */
	void (*lost)(void *ctx, uint64_t page, const struct pages_entry *lo,
	    const struct pages_entry *hi);
	void *ctx;
};

struct pages_count {
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t entries;
	uint64_t wrong;
	bool cut; /* time was over, or leaves were left unread */
};

/* Opens the file and reads both meta pages; metas[].wrong says what is wrong
 * with one.  *ret_why, malloc'd, is the sentence on failure.  Errors: IO,
 * OBJECT_DAMAGED (the file is no LMDB file at all). */
MQ_MUST_CHECK enum mqi_err pages_open(
    struct pages *p, const char *path, char **ret_why);
void pages_close(struct pages *p);

/* What two sound meta pages say against each other; NULL: nothing. */
const char *pages_metas_wrong(const struct pages *p);
/* Reads from now on what the transaction left; 0: the last one whose meta page
 * is sound.  False: there is none. */
MQ_MUST_CHECK bool pages_choose(struct pages *p, uint64_t txnid);

/* Visits all pages of a tree, and its entries in order.  A page that is met for
 * the second time in the life of p is wrong. */
void pages_walk(struct pages *p, const struct pages_tree *t,
    const struct pages_visit *v, struct pages_count *ret);
/* The same of the free list, after all trees; *ret_free is how many pages it
 * has, *ret_unused how many are neither in a tree nor in it. */
void pages_walk_free(struct pages *p, const struct pages_visit *v,
    struct pages_count *ret, uint64_t *ret_free, uint64_t *ret_unused);

/* Forgets which pages have been met. */
void pages_forget(struct pages *p);

/* The first entry that is not before the key; data is NULL if it is on overflow
 * pages.  MQI_OK, NO_MSG_AVAILABLE (there is none), OBJECT_DAMAGED.  The
 * answer holds until the next call. */
MQ_MUST_CHECK enum mqi_err pages_find(struct pages *p,
    const struct pages_tree *t, const void *key, size_t len,
    struct pages_entry *ret);

/* A tree's record in the main tree; false: it makes no sense. */
MQ_MUST_CHECK bool pages_tree_decode(const struct pages *p, const void *data,
    size_t len, struct pages_tree *ret);

#endif

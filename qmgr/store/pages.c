/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.c - LMDB's file, format 1 of 0.9 on 64-bit little-endian machines, page
 * by page.
 *
 *   page      0  u64 its number
 *             8  u16 0
 *            10  u16 flags: 1 branch, 2 leaf, 4 overflow, 8 meta
 *            12  u16 lower: end of the offsets   | overflow: u32 pages of the
 *            14  u16 upper: begin of the nodes   | run
 *            16  u16 offset of each node, in the order of their keys
 *   node      0  u32 leaf: length of the value
 *             4  u16 leaf: flags, 1 the value is the u64 number of the first
 *                page of a run, 2 it is a tree's record
 *             6  u16 length of the key
 *             8  key, value; made even
 *             branch: bytes 0 to 5 are the number of the page below; the key
 *             is not after its first key, that of the first node is not used
 *   meta     16  u32 0xBEEFC0DE, u32 1, u64 0, u64 size of the map
 *   (page    40  the record of the free list (its first field: bytes per
 *   0, 1)        page), then that of the main tree
 *           136  u64 last page, u64 transaction
 *   tree      0  u32 0, u16 flags, u16 depth, u64 branch pages, u64 leaf pages,
 *                u64 overflow pages, u64 entries, u64 root
 *
 * Transaction t writes meta page t & 1 as its last step, so the two meta pages
 * are of successive transactions.  Nodes lie between upper and the end of the
 * page without a gap.
 *
 * Neighbours: pages_walk.c visits whole trees; verify.c knows what our tables
 * hold.  Failure: everything that is wrong is said in words, and not followed.
 */
#include "qmgr/store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "qmgr/store/pages_impl.h"

#define META_AT 16u
#define META_SIZE 136u
#define META_MAGIC 0xBEEFC0DEu
#define TREE_INTEGER 0x08u /* the flag that the free list has */
#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 32768u
#define CACHE_SLOTS 4096u
#define PACE_US 10000u /* of being ahead, before it waits */

struct pages_cached {
	uint64_t number; /* 0: empty */
	bool good;
	uint8_t *page;
};

/* ---- a page ---- */

static const char *
read_at(int fd, uint64_t at, uint64_t len, void *to)
{
	uint8_t *p = to;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return "the disk cannot read it";
		if (n == 0)
			return "it is behind the end of the file";
		p += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return NULL;
}

/* Waits until as much may have been read. */
static void
keep_pace(struct pages *p, uint64_t len)
{
	uint64_t now = mqclock_mono_us();
	uint64_t due;

	if (p->began_us == 0)
		p->began_us = now;
	p->n_read += len;
	due = p->began_us + p->n_read * UINT64_C(1000000) / p->rate;
	if (due > now + PACE_US)
		(void)usleep((useconds_t)(due - now));
}

const char *
pages_read(struct pages *p, uint64_t number, uint64_t n, void *to)
{
	if (p->rate != 0)
		keep_pace(p, n * p->page_size);
	return read_at(p->fd, number * p->page_size, n * p->page_size, to);
}

struct pages_node
pages_node(const uint8_t *page, uint32_t i, bool leaf)
{
	const uint8_t *n = page + mqbuf_get_u16(page + PAGE_HEADER + 2 * i);
	struct pages_node ret = {
	    .key = n + NODE_HEADER, .key_len = mqbuf_get_u16(n + 6)};

	if (leaf) {
		ret.flags = mqbuf_get_u16(n + 4);
		ret.len = mqbuf_get_u32(n);
		ret.data = ret.key + ret.key_len;
	} else {
		ret.child = mqbuf_get_u32(n) | (uint64_t)mqbuf_get_u16(n + 4)
						   << 32;
	}
	return ret;
}

int
pages_key_cmp(const uint8_t *a, uint32_t a_len, const uint8_t *b,
    uint32_t b_len, bool integer)
{
	uint32_t len = a_len < b_len ? a_len : b_len;
	int rc;

	if (integer) {
		uint64_t x = mqbuf_get_u64(a);
		uint64_t y = mqbuf_get_u64(b);

		return x < y ? -1 : x > y;
	}
	rc = memcmp(a, b, len);
	return rc != 0 ? rc : (a_len < b_len ? -1 : a_len > b_len);
}

/* Bytes of the node at offset `at`, which is in the page with its header; 0:
 * it leaves the page or has what no node has. */
static uint32_t
node_size(const struct pages *p, const uint8_t *page, uint32_t at, bool leaf)
{
	const uint8_t *n = page + at;
	uint32_t key_len = mqbuf_get_u16(n + 6);
	uint64_t size = NODE_HEADER + (uint64_t)key_len;

	if (key_len > KEY_MAX)
		return 0;
	if (leaf) {
		uint16_t flags = mqbuf_get_u16(n + 4);
		uint32_t len = mqbuf_get_u32(n);

		if (flags != 0 && flags != NODE_BIG && flags != NODE_TREE)
			return 0;
		size += flags == NODE_BIG ? 8 : len;
		if (flags == NODE_TREE && len != PAGES_TREE_SIZE)
			return 0;
	}
	size = (size + 1) & ~UINT64_C(1);
	return at + size > p->page_size ? 0 : (uint32_t)size;
}

/* Nodes fill the page from upper on, each byte once: one begins at upper, none
 * where another does, each ends where another begins or with the page, and
 * together they are as long as that. */
static const char *
check_nodes(const struct pages *p, const uint8_t *page, uint32_t n, bool leaf)
{
	uint64_t begins[PAGE_SIZE_MAX / 2 / 64 + 1] = {0};
	uint32_t upper = mqbuf_get_u16(page + 14);
	uint64_t sum = 0;
	uint32_t at;
	uint32_t end;

	for (uint32_t i = 0; i < n; i++) {
		at = mqbuf_get_u16(page + PAGE_HEADER + 2 * i);
		if (at < upper || (at & 1) != 0 ||
		    at + NODE_HEADER > p->page_size)
			return "a node's offset is not in the page";
		if (node_size(p, page, at, leaf) == 0)
			return "a node makes no sense";
		if ((begins[at / 128] & MQ_BIT(at / 2 % 64)) != 0)
			return "two nodes are in one place";
		begins[at / 128] |= MQ_BIT(at / 2 % 64);
	}
	for (uint32_t i = 0; i < n; i++) {
		at = mqbuf_get_u16(page + PAGE_HEADER + 2 * i);
		end = at + node_size(p, page, at, leaf);
		sum += end - at;
		if (end < p->page_size &&
		    (begins[end / 128] & MQ_BIT(end / 2 % 64)) == 0)
			return "its nodes do not fill it";
	}
	return sum == p->page_size - upper ? NULL : "its nodes do not fill it";
}

static const char *
check_keys(const uint8_t *page, uint32_t n, bool leaf, bool integer_keys)
{
	/* the first key of a branch page is not used */
	uint32_t first = leaf ? 0 : 1;

	for (uint32_t i = first; i < n; i++) {
		struct pages_node b = pages_node(page, i, leaf);
		struct pages_node a;

		if (integer_keys ? b.key_len != 8 : b.key_len == 0)
			return "a key's length is wrong";
		if (i == first)
			continue;
		a = pages_node(page, i - 1, leaf);
		if (pages_key_cmp(
			a.key, a.key_len, b.key, b.key_len, integer_keys) >= 0)
			return "its keys are not in order";
	}
	return NULL;
}

const char *
pages_check(const struct pages *p, const uint8_t *page, uint64_t number,
    bool leaf, bool integer_keys)
{
	uint32_t lower = mqbuf_get_u16(page + 12);
	uint32_t upper = mqbuf_get_u16(page + 14);
	const char *wrong;
	uint32_t n;

	if (mqbuf_get_u64(page) != number)
		return "it has the number of another page, or none";
	if (mqbuf_get_u16(page + 8) != 0 ||
	    mqbuf_get_u16(page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
		return "it is not the kind of page that belongs here";
	if (lower < PAGE_HEADER || (lower & 1) != 0 || lower > upper ||
	    upper > p->page_size)
		return "its bounds make no sense";
	n = pages_n_nodes(page);
	/* the free list may have a branch with one page below */
	if (n < (leaf || integer_keys ? 1u : 2u))
		return "it has too few entries";
	wrong = check_nodes(p, page, n, leaf);
	return wrong != NULL ? wrong : check_keys(page, n, leaf, integer_keys);
}

/* ---- meta pages ---- */

static void
decode_tree(const uint8_t *b, struct pages_tree *ret)
{
	*ret = (struct pages_tree){.flags = mqbuf_get_u16(b + 4),
	    .depth = mqbuf_get_u16(b + 6),
	    .branch_pages = mqbuf_get_u64(b + 8),
	    .leaf_pages = mqbuf_get_u64(b + 16),
	    .overflow_pages = mqbuf_get_u64(b + 24),
	    .entries = mqbuf_get_u64(b + 32),
	    .root = mqbuf_get_u64(b + 40)};
}

static bool
tree_makes_sense(const struct pages_tree *t, uint64_t last_page)
{
	if (t->root == PAGES_NONE)
		return t->depth == 0 && t->branch_pages == 0 &&
		       t->leaf_pages == 0 && t->overflow_pages == 0 &&
		       t->entries == 0;
	return t->root >= 2 && t->root <= last_page && t->depth > 0 &&
	       t->depth <= PAGES_DEPTH;
}

bool
pages_tree_decode(
    const struct pages *p, const void *data, size_t len, struct pages_tree *ret)
{
	struct pages_tree t;

	if (len != PAGES_TREE_SIZE)
		return false;
	decode_tree(data, &t);
	if (t.flags != 0 || mqbuf_get_u32(data) != 0 ||
	    !tree_makes_sense(&t, p->meta.last_page))
		return false;
	*ret = t;
	return true;
}

static const char *
decode_meta(const struct pages *p, const uint8_t *page, unsigned which,
    struct pages_meta *m)
{
	const uint8_t *b = page + META_AT;
	uint64_t n_pages = p->n_bytes / p->page_size;

	if (mqbuf_get_u64(page) != which ||
	    mqbuf_get_u16(page + 10) != PAGE_META)
		return "it is not the meta page that belongs here";
	if (mqbuf_get_u32(b) != META_MAGIC || mqbuf_get_u32(b + 4) != 1)
		return "it does not begin as LMDB's";
	if (mqbuf_get_u32(b + 24) != p->page_size)
		return "its size of pages is not that of the file";
	decode_tree(b + 24, &m->free_list);
	decode_tree(b + 72, &m->main_tree);
	m->last_page = mqbuf_get_u64(b + 120);
	m->txnid = mqbuf_get_u64(b + 128);
	if (m->last_page < 1 || m->last_page >= n_pages)
		return "the file is shorter than it says";
	if (mqbuf_get_u64(b + 8) != 0 || m->free_list.flags != TREE_INTEGER ||
	    m->main_tree.flags != 0 || mqbuf_get_u32(b + 72) != 0 ||
	    !tree_makes_sense(&m->free_list, m->last_page) ||
	    !tree_makes_sense(&m->main_tree, m->last_page))
		return "its trees make no sense";
	if (m->txnid != 0 && (m->txnid & 1) != which)
		return "its transaction belongs to the other meta page";
	return NULL;
}

static bool
is_page_size(uint32_t n)
{
	return n >= PAGE_SIZE_MIN && n <= PAGE_SIZE_MAX && (n & (n - 1)) == 0;
}

/* From meta page 0, or from wherever meta page 1 is. */
static uint32_t
find_page_size(const struct pages *p)
{
	uint8_t b[META_AT + META_SIZE];
	uint32_t size;

	if (read_at(p->fd, 0, sizeof(b), b) == NULL &&
	    mqbuf_get_u32(b + META_AT) == META_MAGIC) {
		size = mqbuf_get_u32(b + META_AT + 24);
		if (is_page_size(size))
			return size;
	}
	for (size = PAGE_SIZE_MIN; size <= PAGE_SIZE_MAX; size *= 2)
		if (read_at(p->fd, size, sizeof(b), b) == NULL &&
		    mqbuf_get_u32(b + META_AT) == META_MAGIC &&
		    mqbuf_get_u32(b + META_AT + 24) == size)
			return size;
	return 0;
}

static enum mqi_err
fail(enum mqi_err err, const char *path, const char *what, char **ret_why)
{
	char *why;

	if (asprintf(&why, "%s %s", path, what) >= 0)
		*ret_why = why;
	return err;
}

enum mqi_err
pages_open(struct pages *p, const char *path, char **ret_why)
{
	uint8_t page[META_AT + META_SIZE];
	struct stat st;

	*p = (struct pages){.fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (p->fd < 0 || fstat(p->fd, &st) != 0)
		return fail(MQI_E_IO, path, strerror(errno), ret_why);
	p->n_bytes = (uint64_t)st.st_size;
	p->page_size = find_page_size(p);
	if (p->page_size == 0)
		return fail(MQI_E_OBJECT_DAMAGED, path,
		    "has no meta page: it is no LMDB file, or its begin is "
		    "lost",
		    ret_why);
	for (unsigned i = 0; i < 2; i++) {
		struct pages_meta *m = &p->metas[i];

		m->wrong = read_at(
		    p->fd, (uint64_t)i * p->page_size, sizeof(page), page);
		if (m->wrong == NULL)
			m->wrong = decode_meta(p, page, i, m);
	}
	return MQI_OK;
}

void
pages_close(struct pages *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	for (uint32_t i = 0; i < PAGES_DEPTH; i++)
		free(p->levels[i]);
	for (uint32_t i = 0; p->cache != NULL && i < CACHE_SLOTS; i++)
		free(p->cache[i].page);
	free(p->cache);
	free(p->value);
	free(p->used);
	*p = (struct pages){.fd = -1};
}

const char *
pages_metas_wrong(const struct pages *p)
{
	uint64_t a = p->metas[0].txnid;
	uint64_t b = p->metas[1].txnid;

	if (p->metas[0].wrong != NULL || p->metas[1].wrong != NULL)
		return NULL;
	return a - b + 1 <= 2 ? NULL
			      : "the two meta pages are not of successive "
				"transactions";
}

bool
pages_choose(struct pages *p, uint64_t txnid)
{
	const struct pages_meta *best = NULL;

	for (unsigned i = 0; i < 2; i++) {
		const struct pages_meta *m = &p->metas[i];

		if (m->wrong != NULL || (txnid != 0 && m->txnid != txnid))
			continue;
		if (best == NULL || m->txnid > best->txnid)
			best = m;
	}
	if (best == NULL)
		return false;
	p->meta = *best;
	free(p->used);
	p->used = mqmem_array((size_t)(p->meta.last_page / 64 + 1), 8);
	pages_forget(p);
	return true;
}

void
pages_forget(struct pages *p)
{
	memset(p->used, 0, (size_t)(p->meta.last_page / 64 + 1) * 8);
	p->used[0] = 3; /* the meta pages */
}

/* ---- lookups ---- */

static const uint8_t *
cached_page(struct pages *p, uint64_t number, bool leaf)
{
	struct pages_cached *c;

	if (!pages_is_number(p, number))
		return NULL;
	if (p->cache == NULL)
		p->cache = mqmem_array(CACHE_SLOTS, sizeof(*p->cache));
	c = &p->cache[number % CACHE_SLOTS];
	if (c->number != number) {
		if (c->page == NULL)
			c->page = mqmem_alloc(p->page_size);
		c->number = number;
		c->good =
		    pages_read(p, number, 1, c->page) == NULL &&
		    (pages_check(p, c->page, number, true, false) == NULL ||
			pages_check(p, c->page, number, false, false) == NULL);
	}
	if (!c->good ||
	    mqbuf_get_u16(c->page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
		return NULL;
	return c->page;
}

/* How many nodes, from `first` on, have keys that are not after the key (or
 * are before it: `before`). */
static uint32_t
search(const uint8_t *page, uint32_t first, bool leaf, const void *key,
    uint32_t len)
{
	uint32_t lo = first;
	uint32_t hi = pages_n_nodes(page);

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		struct pages_node n = pages_node(page, mid, leaf);
		int rc = pages_key_cmp(n.key, n.key_len, key, len, false);

		if (leaf ? rc < 0 : rc <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Goes down to the leaf that would hold the key.  *ret_next is the first key
 * behind that leaf's range, of length 0 if there is none. */
static enum mqi_err
descend(struct pages *p, const struct pages_tree *t, const void *key,
    uint32_t len, const uint8_t **ret_leaf, uint64_t *ret_number,
    uint8_t ret_next[KEY_MAX], uint32_t *ret_next_len)
{
	uint64_t number = t->root;
	const uint8_t *page;

	for (uint32_t level = 1; level < t->depth; level++) {
		uint32_t i;

		page = cached_page(p, number, false);
		if (page == NULL)
			return MQI_E_OBJECT_DAMAGED;
		i = search(page, 1, false, key, len);
		if (i < pages_n_nodes(page)) {
			struct pages_node n = pages_node(page, i, false);

			memcpy(ret_next, n.key, n.key_len);
			*ret_next_len = n.key_len;
		}
		number = pages_node(page, i - 1, false).child;
	}
	page = cached_page(p, number, true);
	if (page == NULL)
		return MQI_E_OBJECT_DAMAGED;
	*ret_leaf = page;
	*ret_number = number;
	return MQI_OK;
}

enum mqi_err
pages_find(struct pages *p, const struct pages_tree *t, const void *key,
    size_t len, struct pages_entry *ret)
{
	uint8_t from[2][KEY_MAX];
	uint32_t from_len = (uint32_t)len;
	unsigned turn = 0;

	MQ_PRE(len > 0 && len <= KEY_MAX);
	memcpy(from[turn], key, len);
	if (t->root == PAGES_NONE)
		return MQI_E_NO_MSG_AVAILABLE;
	for (;;) {
		const uint8_t *leaf;
		uint64_t number;
		uint32_t next_len = 0;
		enum mqi_err err = descend(p, t, from[turn], from_len, &leaf,
		    &number, from[1 - turn], &next_len);
		uint32_t i;

		if (err != MQI_OK)
			return err;
		i = search(leaf, 0, true, from[turn], from_len);
		if (i < pages_n_nodes(leaf)) {
			struct pages_node n = pages_node(leaf, i, true);

			*ret = (struct pages_entry){.key = n.key,
			    .key_len = n.key_len,
			    .len = n.len,
			    .data = n.flags == NODE_BIG ? NULL : n.data,
			    .is_tree = n.flags == NODE_TREE,
			    .page = number};
			return MQI_OK;
		}
		if (next_len == 0)
			return MQI_E_NO_MSG_AVAILABLE;
		/* a separator behind the key: it ascends, so this ends */
		if (pages_key_cmp(from[1 - turn], next_len, from[turn],
			from_len, false) <= 0)
			return MQI_E_OBJECT_DAMAGED;
		turn = 1 - turn;
		from_len = next_len;
	}
}

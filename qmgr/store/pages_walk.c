/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages_walk.c - whole trees of LMDB's file, each page once.
 *
 * A page is read, checked by itself (pages_check), against its parent (keys
 * between the parent's separators) and against all others (met once); then its
 * entries are shown, or the pages below are visited.  What is wrong is said,
 * its range of keys is said to be lost, and the walk goes on with the next
 * page: so everything that can be reached is shown, in order.
 *
 * Each page is visited at most once, so a file of whatever bytes ends the walk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "qmgr/store/pages_impl.h"

struct walk {
	struct pages *p;
	const struct pages_visit *v;
	struct pages_count count;
	uint32_t depth; /* of leaves; the root has 1 */
};

static void
wrong(struct walk *w, uint64_t page, const char *what)
{
	w->count.wrong++;
	w->v->wrong(w->v->ctx, page, what);
}

/* Marks n pages; false: one was met before. */
static bool
take(struct pages *p, uint64_t number, uint64_t n)
{
	bool free = true;

	for (; n > 0; n--, number++) {
		uint64_t bit = MQ_BIT(number % 64);

		free = free && (p->used[number / 64] & bit) == 0;
		p->used[number / 64] |= bit;
	}
	return free;
}

/* ---- values on pages of their own ---- */

static const char *
check_run(struct walk *w, uint64_t first, uint64_t n)
{
	struct pages *p = w->p;
	uint8_t *head = w->p->value;
	const char *why;

	if (!pages_is_number(p, first) || n > p->meta.last_page - first + 1)
		return "a value is outside of the file";
	if (!take(w->p, first, n))
		return "a page of a value belongs to something else too";
	why = pages_read(p, first, 1, head);
	if (why != NULL)
		return why;
	if (mqbuf_get_u64(head) != first ||
	    mqbuf_get_u16(head + 10) != PAGE_OVERFLOW ||
	    mqbuf_get_u32(head + 12) != n)
		return "it does not begin the value that belongs here";
	return NULL;
}

static void
need_value(struct pages *p, size_t size)
{
	if (p->value_size >= size)
		return;
	free(p->value);
	p->value = mqmem_alloc(size);
	p->value_size = size;
}

/* The value of a node; NULL if it cannot be had. */
static const uint8_t *
read_value(struct walk *w, const struct pages_node *node)
{
	struct pages *p = w->p;
	uint64_t first = mqbuf_get_u64(node->data);
	uint64_t n = pages_n_overflow(p, node->len);
	const char *why;

	need_value(p, p->page_size);
	why = check_run(w, first, n);
	if (why == NULL) {
		w->count.overflow_pages += n;
		if (!w->v->values)
			return NULL;
		/* n pages are in the file, and the head agrees */
		need_value(p, (size_t)n * p->page_size);
		why = pages_read(p, first, n, p->value);
	}
	if (why != NULL) {
		wrong(w, first, why);
		return NULL;
	}
	return p->value + PAGE_HEADER;
}

/* ---- pages ---- */

static const char *
check_in_tree(struct walk *w, const uint8_t *page, bool leaf,
    const struct pages_entry *lo, const struct pages_entry *hi)
{
	bool integer = w->v->integer_keys;
	uint32_t first = leaf ? 0 : 1;
	uint32_t n = pages_n_nodes(page);
	struct pages_node a;
	struct pages_node b;

	if (first >= n)
		return NULL;
	a = pages_node(page, first, leaf);
	b = pages_node(page, n - 1, leaf);
	if ((lo != NULL && pages_key_cmp(a.key, a.key_len, lo->key, lo->key_len,
			       integer) < 0) ||
	    (hi != NULL && pages_key_cmp(b.key, b.key_len, hi->key, hi->key_len,
			       integer) >= 0))
		return "its keys belong elsewhere";
	return NULL;
}

static void
show_leaf(struct walk *w, const uint8_t *page, uint64_t number)
{
	uint32_t n = pages_n_nodes(page);

	w->count.leaf_pages++;
	w->count.entries += n;
	for (uint32_t i = 0; i < n; i++) {
		struct pages_node node = pages_node(page, i, true);
		struct pages_entry e = {.key = node.key,
		    .key_len = node.key_len,
		    .len = node.len,
		    .data = node.data,
		    .is_tree = node.flags == NODE_TREE,
		    .page = number};

		if (node.flags == NODE_BIG)
			e.data = read_value(w, &node);
		if (w->v->entry != NULL)
			w->v->entry(w->v->ctx, &e);
	}
}

static void
lose(struct walk *w, uint64_t number, const struct pages_entry *lo,
    const struct pages_entry *hi)
{
	if (w->v->lost != NULL)
		w->v->lost(w->v->ctx, number, lo, hi);
}

static void
set_place(struct pages *p, uint64_t number)
{
	if (p->place != NULL)
		*(volatile uint64_t *)&p->place->page = number;
}

/* At most PAGES_DEPTH deep; lo and hi point into the pages above. */
static void
walk_page(struct walk *w, uint64_t number, uint32_t level,
    const struct pages_entry *lo, const struct pages_entry *hi)
{
	struct pages *p = w->p;
	bool leaf = level == w->depth;
	const char *why = NULL;
	uint8_t *page;
	uint32_t n;

	if (w->v->end_us != 0 && mqclock_mono_us() > w->v->end_us)
		w->count.cut = true;
	if (w->count.cut && !w->v->branches)
		return;
	if (p->levels[level - 1] == NULL)
		p->levels[level - 1] = mqmem_alloc(p->page_size);
	page = p->levels[level - 1];
	set_place(p, number);
	if (!pages_is_number(p, number))
		why = "there is no page with this number";
	else if (!take(p, number, 1))
		why = "it belongs to something else too";
	if (why == NULL && leaf && w->v->branches) {
		w->count.cut = true;
		return;
	}
	if (why == NULL)
		why = pages_read(p, number, 1, page);
	if (why == NULL)
		why = pages_check(p, page, number, leaf, w->v->integer_keys);
	if (why == NULL)
		why = check_in_tree(w, page, leaf, lo, hi);
	if (why != NULL) {
		wrong(w, number, why);
		lose(w, number, lo, hi);
		return;
	}
	if (leaf) {
		show_leaf(w, page, number);
		return;
	}
	w->count.branch_pages++;
	n = pages_n_nodes(page);
	for (uint32_t i = 0; i < n; i++) {
		struct pages_node node = pages_node(page, i, false);
		struct pages_entry from = {
		    .key = node.key, .key_len = node.key_len};
		struct pages_entry to = {.key = NULL};

		if (i + 1 < n) {
			struct pages_node next = pages_node(page, i + 1, false);

			to.key = next.key;
			to.key_len = next.key_len;
		}
		walk_page(w, node.child, level + 1, i > 0 ? &from : lo,
		    i + 1 < n ? &to : hi);
	}
}

void
pages_walk(struct pages *p, const struct pages_tree *t,
    const struct pages_visit *v, struct pages_count *ret)
{
	struct walk w = {.p = p, .v = v, .depth = t->depth};
	const struct pages_count *c = &w.count;

	MQ_PRE(t->depth <= PAGES_DEPTH);
	if (t->root != PAGES_NONE)
		walk_page(&w, t->root, 1, NULL, NULL);
	if (c->wrong == 0 && (c->branch_pages != t->branch_pages ||
				 c->leaf_pages != t->leaf_pages ||
				 c->overflow_pages != t->overflow_pages ||
				 c->entries != t->entries))
		wrong(&w, t->root,
		    "its tree has not as many pages and entries as its record "
		    "says");
	*ret = w.count;
}

/* ---- the free list ---- */

struct free_walk {
	struct pages *p;
	const struct pages_visit *v;
	uint64_t n_free;
	uint64_t wrong;
};

/* A value is u64 count and as many numbers, which descend; there may be room
 * behind them. */
static void
free_entry(void *ctx, const struct pages_entry *e)
{
	struct free_walk *f = ctx;
	struct pages *p = f->p;
	const char *why = NULL;
	uint64_t before = PAGES_NONE;
	uint64_t n;

	if (e->data == NULL)
		return; /* was said */
	n = e->len >= 8 ? mqbuf_get_u64(e->data) : 0;
	if (e->len < 8 || n > (e->len - 8) / 8)
		why = "a list of free pages makes no sense";
	else if (mqbuf_get_u64(e->key) > p->meta.txnid)
		why = "pages were freed by a transaction of the future";
	for (uint64_t i = 0; why == NULL && i < n; i++) {
		uint64_t number = mqbuf_get_u64(e->data + 8 + 8 * i);

		if (!pages_is_number(p, number) || number >= before)
			why = "a list of free pages makes no sense";
		else if (!take(p, number, 1))
			why = "a page is free and in use";
		else
			f->n_free++;
		before = number;
	}
	if (why != NULL) {
		f->wrong++;
		f->v->wrong(f->v->ctx, e->page, why);
	}
}

static void
free_wrong(void *ctx, uint64_t page, const char *what)
{
	const struct free_walk *f = ctx;

	f->v->wrong(f->v->ctx, page, what);
}

void
pages_walk_free(struct pages *p, const struct pages_visit *v,
    struct pages_count *ret, uint64_t *ret_free, uint64_t *ret_unused)
{
	struct free_walk f = {.p = p, .v = v};
	const struct pages_visit own = {.integer_keys = true,
	    .values = true,
	    .end_us = v->end_us,
	    .entry = free_entry,
	    .wrong = free_wrong,
	    .ctx = &f};
	uint64_t met = 0;

	pages_walk(p, &p->meta.free_list, &own, ret);
	ret->wrong += f.wrong;
	for (uint64_t i = 0; i <= p->meta.last_page / 64; i++)
		met += (uint64_t)__builtin_popcountll(p->used[i]);
	*ret_free = f.n_free;
	*ret_unused = p->meta.last_page + 1 - met;
}

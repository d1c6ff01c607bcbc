/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_trie.c - the tree of topic strings: one node for each level, found by
 * its parent and its text in one hash table for the whole tree.
 *
 * Neighbours: topic.c keeps the administered topics here, subscribe.c the
 * patterns of subscriptions, retain.c the topics that have a retained
 * publication.
 *
 * Invariants: a node stays as long as it has a value or a node below it; but
 * for one that topic_trie_get() has just made.  In a tree of patterns the nodes
 * "+" and "#" are found by pointers in their parent, and by the table.
 *
 * Matching: the nodes that the levels read so far lead to are a set, like the
 * states of an automaton; the next level leads on from each of them, by its own
 * text and by "+"; "#" is in the set together with its parent and stays.  A
 * node is in the set once, whatever ways lead there (its mark), so that
 * patterns with many "#" cost no more than there are nodes.
 *
 * Searching is the other way round: the states are the levels of the pattern, a
 * set of bits for each node on the way down.
 */
#include "qmgr/engine/topic_trie.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/mem.h"

#define FIRST_SLOTS 64u
#define STATE_WORDS (TOPIC_MAX_LEVELS / 64u + 1u)

LIST_HEAD(node_list, node);

struct node {
	struct topic_node pub; /* first: it and the node are one */
	struct node *parent;
	struct node *plus; /* of a pattern: the level "+" below, or NULL */
	struct node *hash;
	struct node *chain; /* in its slot */
	LIST_ENTRY(node) sibling;
	struct node_list below;
	uint64_t mark; /* of the last set that it was in */
	uint32_t code;
	uint16_t len;
	char text[];
};

/* Nodes that the levels read so far lead to. */
struct states {
	struct node **nodes;
	size_t n;
	size_t room;
};

struct topic_trie {
	struct node *root;
	struct node **slots; /* a power of two */
	size_t n_slots;
	size_t n_nodes;
	size_t max_nodes;
	bool patterns;
	uint64_t marks;
	struct states sets[2];
};

struct level {
	const char *text;
	uint16_t len;
};

/* ---- strings ---- */

static size_t
split(const char *text, struct level levels[TOPIC_MAX_LEVELS])
{
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(text, "/");

		MQ_PRE(n < TOPIC_MAX_LEVELS && len <= TOPIC_MAX_LEN);
		levels[n++] = (struct level){text, (uint16_t)len};
		if (text[len] == '\0')
			return n;
		text += len + 1;
	}
}

static bool
is_char(const struct level *l, char c)
{
	return l->len == 1 && l->text[0] == c;
}

bool
topic_is_valid(const char *text)
{
	size_t len = strlen(text), levels = 1;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
		levels += text[i] == '/';
	}
	return len <= TOPIC_MAX_LEN && levels <= TOPIC_MAX_LEVELS;
}

int
topic_first_wild(const char *text)
{
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n = split(text, levels);

	for (size_t i = 0; i < n; i++) {
		if (is_char(&levels[i], '+') || is_char(&levels[i], '#'))
			return (int)i;
	}
	return -1;
}

/* ---- nodes ---- */

static uint32_t
code_of(const struct node *parent, const struct level *l)
{
	uint64_t h = (uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15);

	for (uint16_t i = 0; i < l->len; i++)
		h = (h ^ (uint8_t)l->text[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ (h >> 32));
}

static struct node *
child(const struct topic_trie *t, const struct node *parent,
    const struct level *l)
{
	uint32_t code = code_of(parent, l);
	struct node *n = t->slots[code & (t->n_slots - 1)];

	while (n != NULL &&
	       (n->code != code || n->parent != parent || n->len != l->len ||
		   memcmp(n->text, l->text, l->len) != 0))
		n = n->chain;
	return n;
}

static void
grow(struct topic_trie *t)
{
	size_t n = t->n_slots * 2;
	struct node **slots = mqmem_array(n, sizeof(*slots));

	for (size_t i = 0; i < t->n_slots; i++) {
		struct node *x, *next;

		for (x = t->slots[i]; x != NULL; x = next) {
			struct node **slot = &slots[x->code & (n - 1)];

			next = x->chain;
			x->chain = *slot;
			*slot = x;
		}
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n;
}

static struct node *
add(struct topic_trie *t, struct node *parent, const struct level *l)
{
	struct node *n = mqmem_alloc(sizeof(*n) + l->len);
	struct node **slot;

	if (t->n_nodes >= t->n_slots)
		grow(t);
	n->parent = parent;
	n->code = code_of(parent, l);
	n->len = l->len;
	memcpy(n->text, l->text, l->len);
	LIST_INIT(&n->below);
	LIST_INSERT_HEAD(&parent->below, n, sibling);
	slot = &t->slots[n->code & (t->n_slots - 1)];
	n->chain = *slot;
	*slot = n;
	if (t->patterns && is_char(l, '+'))
		parent->plus = n;
	if (t->patterns && is_char(l, '#'))
		parent->hash = n;
	t->n_nodes++;
	return n;
}

static void
drop(struct topic_trie *t, struct node *n)
{
	struct node **at = &t->slots[n->code & (t->n_slots - 1)];

	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	LIST_REMOVE(n, sibling);
	if (n->parent->plus == n)
		n->parent->plus = NULL;
	if (n->parent->hash == n)
		n->parent->hash = NULL;
	t->n_nodes--;
	free(n);
}

/* It, and those above it, unless they are there for something. */
static void
prune(struct topic_trie *t, struct node *n)
{
	while (n->parent != NULL && n->pub.value == NULL &&
	       LIST_EMPTY(&n->below)) {
		struct node *parent = n->parent;

		drop(t, n);
		n = parent;
	}
}

struct topic_trie *
topic_trie_new(bool patterns, size_t max_nodes)
{
	struct topic_trie *t = mqmem_alloc(sizeof(*t));

	t->patterns = patterns;
	t->max_nodes = max_nodes;
	t->n_slots = FIRST_SLOTS;
	t->slots = mqmem_array(t->n_slots, sizeof(struct node *));
	t->root = mqmem_alloc(sizeof(*t->root));
	LIST_INIT(&t->root->below);
	return t;
}

struct topic_trie *
topic_trie_free(struct topic_trie *t)
{
	if (t == NULL)
		return NULL;
	for (size_t i = 0; i < t->n_slots; i++) {
		struct node *n;

		while ((n = t->slots[i]) != NULL) {
			t->slots[i] = n->chain;
			free(n);
		}
	}
	free(t->slots);
	free(t->sets[0].nodes);
	free(t->sets[1].nodes);
	free(t->root);
	free(t);
	return NULL;
}

size_t
topic_trie_count(const struct topic_trie *t)
{
	return t->n_nodes;
}

/* Of a tree of topics, the empty string is the root. */
static size_t
levels_of(const struct topic_trie *t, const char *text,
    struct level levels[TOPIC_MAX_LEVELS])
{
	return *text == '\0' && !t->patterns ? 0 : split(text, levels);
}

enum mqi_err
topic_trie_get(struct topic_trie *t, const char *text, struct topic_node **ret)
{
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n = levels_of(t, text, levels);
	struct node *at = t->root;

	MQ_PRE(topic_is_valid(text));
	for (size_t i = 0; i < n; i++) {
		struct node *next = child(t, at, &levels[i]);

		if (next == NULL && t->n_nodes >= t->max_nodes) {
			prune(t, at);
			return MQI_E_RESOURCE_PROBLEM;
		}
		at = next != NULL ? next : add(t, at, &levels[i]);
	}
	*ret = &at->pub;
	return MQI_OK;
}

struct topic_node *
topic_trie_find(struct topic_trie *t, const char *text)
{
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n = levels_of(t, text, levels);
	struct node *at = t->root;

	for (size_t i = 0; i < n && at != NULL; i++)
		at = child(t, at, &levels[i]);
	return at == NULL || at->pub.value == NULL ? NULL : &at->pub;
}

void
topic_trie_set(struct topic_trie *t, struct topic_node *n, void *value)
{
	n->value = value;
	if (value == NULL)
		prune(t, MQ_CONTAINER_OF(n, struct node, pub));
}

void
topic_node_text(const struct topic_node *pub, char ret[TOPIC_MAX_LEN + 1])
{
	const struct node *n = MQ_CONTAINER_OF(pub, struct node, pub);
	const struct node *up;
	size_t len = 0;

	for (up = n; up->parent != NULL; up = up->parent)
		len += (size_t)up->len + (up->parent->parent != NULL);
	MQ_PRE(len <= TOPIC_MAX_LEN);
	ret[len] = '\0';
	for (up = n; up->parent != NULL; up = up->parent) {
		len -= up->len;
		memcpy(ret + len, up->text, up->len);
		if (up->parent->parent != NULL)
			ret[--len] = '/';
	}
}

/* ---- patterns that fit a topic ---- */

static void
enter(const struct topic_trie *t, struct states *s, struct node *n)
{
	/* "#" may stand for no level */
	for (; n != NULL && n->mark != t->marks; n = n->hash) {
		if (s->n == s->room) {
			s->room = s->room * 2 + FIRST_SLOTS;
			s->nodes = mqmem_grow(
			    s->nodes, s->room, sizeof(struct node *));
		}
		n->mark = t->marks;
		s->nodes[s->n++] = n;
	}
}

static bool
stays(const struct node *n)
{
	return n->parent != NULL && n->parent->hash == n;
}

static void
step(struct topic_trie *t, const struct states *from, struct states *to,
    const struct level *l)
{
	t->marks++;
	to->n = 0;
	for (size_t i = 0; i < from->n; i++) {
		struct node *n = from->nodes[i];

		if (stays(n))
			enter(t, to, n);
		enter(t, to, n->plus);
		if (!is_char(l, '+') && !is_char(l, '#'))
			enter(t, to, child(t, n, l));
	}
}

void
topic_trie_match(
    struct topic_trie *t, const char *topic, topic_found_fn fn, void *ctx)
{
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n = split(topic, levels);
	struct states *now = &t->sets[0], *next = &t->sets[1];

	MQ_PRE(t->patterns);
	t->marks++;
	now->n = 0;
	enter(t, now, t->root);
	for (size_t i = 0; i < n && now->n > 0; i++) {
		struct states *last = now;

		step(t, now, next, &levels[i]);
		now = next;
		next = last;
	}
	for (size_t i = 0; i < now->n; i++) {
		if (now->nodes[i]->pub.value != NULL)
			fn(ctx, &now->nodes[i]->pub);
	}
}

/* ---- topics that fit a pattern ---- */

struct search {
	struct topic_trie *t;
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n_levels;
	topic_found_fn fn;
	void *ctx;
};

/* Bit i: what is left of the pattern begins at level i. */
struct bits {
	uint64_t words[STATE_WORDS];
};

static bool
bit(const struct bits *b, size_t i)
{
	return (b->words[i / 64] >> (i % 64) & 1) != 0;
}

static void
bit_enter(const struct search *s, struct bits *b, size_t i)
{
	for (;; i++) {
		b->words[i / 64] |= UINT64_C(1) << (i % 64);
		if (i == s->n_levels || !is_char(&s->levels[i], '#'))
			return;
	}
}

static bool
bits_step(const struct search *s, const struct bits *from, const struct node *n,
    struct bits *to)
{
	const struct level text = {n->text, n->len};
	bool any = false;

	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < s->n_levels; i++) {
		const struct level *l = &s->levels[i];

		if (!bit(from, i))
			continue;
		if (is_char(l, '#'))
			bit_enter(s, to, i);
		else if (is_char(l, '+') ||
			 (l->len == text.len &&
			     memcmp(l->text, text.text, l->len) == 0))
			bit_enter(s, to, i + 1);
		else
			continue;
		any = true;
	}
	return any;
}

/* The only level that may come next, if it is text. */
static const struct level *
only_text(const struct search *s, const struct bits *b)
{
	const struct level *only = NULL;

	for (size_t i = 0; i < s->n_levels; i++) {
		if (!bit(b, i))
			continue;
		if (only != NULL || is_char(&s->levels[i], '#') ||
		    is_char(&s->levels[i], '+'))
			return NULL;
		only = &s->levels[i];
	}
	return only;
}

static void
search_below(struct search *s, struct node *n, const struct bits *b)
{
	const struct level *only = only_text(s, b);
	struct node *x;
	struct bits next;

	if (bit(b, s->n_levels) && n->pub.value != NULL && n->parent != NULL)
		s->fn(s->ctx, &n->pub);
	if (only != NULL) {
		x = child(s->t, n, only);
		if (x != NULL && bits_step(s, b, x, &next))
			search_below(s, x, &next);
		return;
	}
	LIST_FOREACH (x, &n->below, sibling) {
		if (bits_step(s, b, x, &next))
			search_below(s, x, &next);
	}
}

void
topic_trie_search(
    struct topic_trie *t, const char *pattern, topic_found_fn fn, void *ctx)
{
	struct search s = {.t = t, .fn = fn, .ctx = ctx};
	struct bits b = {{0}};

	MQ_PRE(!t->patterns);
	s.n_levels = split(pattern, s.levels);
	bit_enter(&s, &b, 0);
	search_below(&s, t->root, &b);
}

void
topic_trie_above(
    struct topic_trie *t, const char *topic, topic_found_fn fn, void *ctx)
{
	struct level levels[TOPIC_MAX_LEVELS];
	size_t n = levels_of(t, topic, levels);
	struct node *at = t->root;

	MQ_PRE(!t->patterns);
	for (size_t i = 0;; i++) {
		if (at->pub.value != NULL)
			fn(ctx, &at->pub);
		if (i == n)
			return;
		at = child(t, at, &levels[i]);
		if (at == NULL)
			return;
	}
}

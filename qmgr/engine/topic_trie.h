/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_trie.h - topic strings, split at '/', as a tree: of patterns, to find
 * those that fit a topic, and of topics, to find those that fit a pattern.
 *
 * In a pattern a level "+" stands for one level and "#" for any number of
 * them, none included; other text is itself, so is a '+' or '#' with anything
 * beside it.  "a", "/a" and "a/" are different: a level may be empty.
 *
 * Finding what fits costs what fits, and the levels, not what there is.  Pure;
 * one thread at a time.
 */
#ifndef MQ_ENGINE_TOPIC_TRIE_H
#define MQ_ENGINE_TOPIC_TRIE_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define TOPIC_MAX_LEN 10240u /* bytes of a topic string */
#define TOPIC_MAX_LEVELS 512u

struct topic_trie;

/* A level of one of the strings in the tree. */
struct topic_node {
	void *value; /* the caller's, by topic_trie_set(); NULL: none */
};

/* Called once for each node that has a value, in no certain order; it must not
 * change the tree. */
typedef void (*topic_found_fn)(void *ctx, struct topic_node *n);

/* patterns: what is kept are patterns, to be matched with topics; else "+" and
 * "#" are text like any other. */
struct topic_trie *topic_trie_new(bool patterns, size_t max_nodes);
struct topic_trie *topic_trie_free(struct topic_trie *t); /* NULL */
size_t topic_trie_count(const struct topic_trie *t);      /* nodes */

/* Whether it is short enough, and has no controls. */
bool topic_is_valid(const char *text);
/* The number of the first level that is a wildcard, from 0; -1: none is. */
int topic_first_wild(const char *text);

/* The node of the string, made if it is not there.  One without a value is for
 * the next call only.  Errors: RESOURCE_PROBLEM (there are max_nodes). */
MQ_MUST_CHECK enum mqi_err topic_trie_get(
    struct topic_trie *t, const char *text, struct topic_node **ret);
struct topic_node *topic_trie_find(struct topic_trie *t, const char *text);
/* The string that leads to a node, of at most TOPIC_MAX_LEN bytes. */
void topic_node_text(const struct topic_node *n, char ret[TOPIC_MAX_LEN + 1]);
/* NULL takes the node, and what only led to it, away. */
void topic_trie_set(struct topic_trie *t, struct topic_node *n, void *value);

/* Of a tree of patterns: those that fit the topic. */
void topic_trie_match(
    struct topic_trie *t, const char *topic, topic_found_fn fn, void *ctx);
/* Of a tree of topics: those that fit the pattern. */
void topic_trie_search(
    struct topic_trie *t, const char *pattern, topic_found_fn fn, void *ctx);
/* Of a tree of topics: the topic itself and those above it, the shortest
 * first; the empty string is the root, above all. */
void topic_trie_above(
    struct topic_trie *t, const char *topic, topic_found_fn fn, void *ctx);

#endif

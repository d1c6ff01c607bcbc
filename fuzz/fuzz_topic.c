/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_topic.c - topic strings, each up to a newline: the first half of them
 * patterns, the others topics.
 *
 * Promises: a pattern among patterns fits a topic if and only if the topic
 * among topics is found by the pattern; a node's text is what led to it; trees
 * from which all was taken are empty.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "qmgr/engine/topic_trie.h"

#define STRINGS 16u
#define LONGEST 256u

struct string {
	char text[LONGEST];
	bool in;
	bool found;
};

static void
find(void *ctx, struct topic_node *n)
{
	struct string *s = n->value;
	char text[TOPIC_MAX_LEN + 1];

	(void)ctx;
	topic_node_text(n, text);
	MQ_INVARIANT(strcmp(text, s->text) == 0);
	MQ_INVARIANT(!s->found);
	s->found = true;
}

static size_t
cut(const uint8_t *data, size_t size, struct string *ret)
{
	size_t n = 0, len = 0;

	for (size_t i = 0; i < size && n < STRINGS; i++) {
		if (data[i] != '\n' && data[i] != '\0' && len < LONGEST - 1) {
			ret[n].text[len++] = (char)data[i];
			continue;
		}
		len = 0;
		n++;
	}
	return n;
}

static void
put_in(struct topic_trie *t, struct string *s)
{
	struct topic_node *n = NULL;

	if (!topic_is_valid(s->text) || s->text[0] == '\0')
		return;
	MQ_INVARIANT(topic_trie_get(t, s->text, &n) == MQI_OK);
	if (n->value != NULL)
		return;
	topic_trie_set(t, n, s);
	s->in = true;
}

static void
take_out(struct topic_trie *t, struct string *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i].in)
			topic_trie_set(t, topic_trie_find(t, s[i].text), NULL);
	}
	MQ_INVARIANT(topic_trie_count(t) == 0);
	(void)topic_trie_free(t);
}

/* Whether the first fits the second, both ways. */
static void
compare(struct topic_trie *patterns, struct topic_trie *topics,
    struct string *p, size_t n_p, struct string *t)
{
	for (size_t i = 0; i < n_p; i++)
		p[i].found = false;
	topic_trie_match(patterns, t->text, find, NULL);
	for (size_t i = 0; i < n_p; i++) {
		if (!p[i].in)
			continue;
		t->found = false;
		topic_trie_search(topics, p[i].text, find, NULL);
		MQ_INVARIANT(t->found == p[i].found);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct topic_trie *patterns = topic_trie_new(true, SIZE_MAX / 2);
	struct topic_trie *topics;
	struct string s[STRINGS];
	size_t n, half;

	memset(s, 0, sizeof(s));
	n = cut(data, size, s);
	half = n / 2;
	for (size_t i = 0; i < half; i++)
		put_in(patterns, &s[i]);
	for (size_t i = half; i < n; i++) {
		topics = topic_trie_new(false, SIZE_MAX / 2);
		/* one that is published has no wildcards */
		if (topic_is_valid(s[i].text) &&
		    topic_first_wild(s[i].text) < 0)
			put_in(topics, &s[i]);
		if (s[i].in)
			compare(patterns, topics, s, half, &s[i]);
		take_out(topics, &s[i], 1);
	}
	take_out(patterns, s, half);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_topic_trie.c - topics and patterns: what fits, against a matcher of a
 * dozen lines on random strings, and that finding it does not cost what there
 * is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rand.h"
#include "qmgr/engine/topic_trie.h"

#define STRINGS 300u
#define ROUNDS 3000u
#define MANY 100000u

/* Whether the topic fits the pattern, level by level. */
static bool
fits(const char *p, const char *t)
{
	size_t pn, tn;

	if (p == NULL)
		return t == NULL;
	pn = strcspn(p, "/");
	if (pn == 1 && *p == '#')
		return fits(p[pn] == '/' ? p + pn + 1 : NULL, t) ||
		       (t != NULL &&
			   fits(p, strchr(t, '/') ? strchr(t, '/') + 1 : NULL));
	if (t == NULL)
		return false;
	tn = strcspn(t, "/");
	return ((pn == 1 && *p == '+') ||
		   (pn == tn && memcmp(p, t, pn) == 0)) &&
	       fits(p[pn] == '/' ? p + pn + 1 : NULL,
		   t[tn] == '/' ? t + tn + 1 : NULL);
}

static void
count(void *ctx, struct topic_node *n)
{
	(void)ctx;
	(*(unsigned *)n->value)++;
}

static uint64_t
below(uint64_t *r, uint64_t n)
{
	return mqrand_next(r) % n;
}

static void
random_string(uint64_t *r, bool pattern, char *ret)
{
	static const char *const words[] = {
	    "a", "b", "", "cc", "a+", "+", "#", "#"};
	unsigned n = 1 + (unsigned)below(r, 5);

	*ret = '\0';
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			strcat(ret, "/");
		strcat(ret, words[below(r, pattern ? 8 : 5)]);
	}
}

struct kept {
	char text[64];
	unsigned n;
	bool in;
};

static void
find_by_hand(const struct kept *k, bool patterns, const char *what)
{
	for (unsigned i = 0; i < STRINGS; i++) {
		bool want = k[i].in && (patterns ? fits(k[i].text, what)
						 : fits(what, k[i].text));

		if (k[i].n != want)
			fail_msg("%s and %s: %u", k[i].text, what, k[i].n);
	}
}

/* Two of the same text share a node: only the first is in. */
static void
put_in(struct topic_trie *t, struct kept *k)
{
	struct topic_node *n = NULL;

	assert_int_equal(topic_trie_get(t, k->text, &n), MQI_OK);
	if (n->value != NULL || *k->text == '\0')
		return;
	topic_trie_set(t, n, &k->n);
	k->in = true;
}

static void
check_random(bool patterns)
{
	struct topic_trie *t = topic_trie_new(patterns, 100000);
	struct kept *k = calloc(STRINGS, sizeof(*k));
	uint64_t r = patterns ? 1 : 2;
	char what[64];

	for (unsigned i = 0; i < STRINGS; i++)
		random_string(&r, patterns, k[i].text);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct kept *x = &k[below(&r, STRINGS)];

		if (x->in)
			topic_trie_set(t, topic_trie_find(t, x->text), NULL);
		x->in = !x->in && (put_in(t, x), x->in);
		random_string(&r, !patterns, what);
		for (unsigned i = 0; i < STRINGS; i++)
			k[i].n = 0;
		if (patterns)
			topic_trie_match(t, what, count, NULL);
		else
			topic_trie_search(t, what, count, NULL);
		find_by_hand(k, patterns, what);
	}
	for (unsigned i = 0; i < STRINGS; i++) {
		if (k[i].in)
			topic_trie_set(t, topic_trie_find(t, k[i].text), NULL);
	}
	assert_int_equal(topic_trie_count(t), 0);
	topic_trie_free(t);
	free(k);
}

static void
test_what_fits_a_topic_is_what_a_simple_matcher_says(void **state)
{
	(void)state;
	check_random(true);
}

static void
test_what_fits_a_pattern_is_what_a_simple_matcher_says(void **state)
{
	(void)state;
	check_random(false);
}

static void
test_wildcards_are_whole_levels(void **state)
{
	static const struct {
		const char *pattern, *topic;
		bool fits;
	} cases[] = {
	    {"a/#", "a", true},
	    {"a/#", "a/b/c", true},
	    {"#", "a/b", true},
	    {"#/c", "a/b/c", true},
	    {"#/c", "c", true},
	    {"+/b", "a/b", true},
	    {"+", "a/b", false},
	    {"+", "", true},
	    {"a/+", "a", false},
	    {"a/+/c", "a//c", true},
	    {"a", "/a", false},
	    {"a+", "ab", false},
	    {"a/#/c/#/d", "a/c/c/x/d", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct topic_trie *t = topic_trie_new(true, 100);
		struct topic_node *n = NULL;
		unsigned found = 0;

		assert_int_equal(
		    topic_trie_get(t, cases[i].pattern, &n), MQI_OK);
		topic_trie_set(t, n, &found);
		topic_trie_match(t, cases[i].topic, count, NULL);
		assert_int_equal(found, cases[i].fits);
		topic_trie_free(t);
	}
	assert_int_equal(topic_first_wild("a/b"), -1);
	assert_int_equal(topic_first_wild("a/+/#"), 1);
}

static void
collect(void *ctx, struct topic_node *n)
{
	strcat(ctx, n->value);
}

static void
test_those_above_come_from_the_root(void **state)
{
	static char names[][8] = {"", "a", "a/b/c", "a/b/cd", "x"};
	struct topic_trie *t = topic_trie_new(false, 100);
	struct topic_node *n = NULL;
	char found[64] = "";

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(topic_trie_get(t, names[i], &n), MQI_OK);
		topic_trie_set(t, n, names[i]);
	}
	topic_trie_above(t, "a/b/c/e", collect, found);
	assert_string_equal(found, "aa/b/c");
	topic_trie_free(t);
}

static void
test_there_are_limits(void **state)
{
	struct topic_trie *t = topic_trie_new(true, 3);
	struct topic_node *n = NULL;
	char text[TOPIC_MAX_LEN + 2];

	(void)state;
	assert_int_equal(
	    topic_trie_get(t, "a/b/c/d", &n), MQI_E_RESOURCE_PROBLEM);
	assert_int_equal(topic_trie_count(t), 0);
	memset(text, 'x', sizeof(text));
	text[TOPIC_MAX_LEN] = '\0';
	assert_true(topic_is_valid(text));
	text[TOPIC_MAX_LEN] = 'x';
	text[TOPIC_MAX_LEN + 1] = '\0';
	assert_false(topic_is_valid(text));
	memset(text, '/', TOPIC_MAX_LEVELS);
	text[TOPIC_MAX_LEVELS] = '\0';
	assert_false(topic_is_valid(text));
	text[TOPIC_MAX_LEVELS - 1] = '\0';
	assert_true(topic_is_valid(text));
	assert_false(topic_is_valid("a\nb"));
	topic_trie_free(t);
}

/* Time of one match of a topic that one of n patterns fits. */
static double
match_us(unsigned n)
{
	struct topic_trie *t = topic_trie_new(true, 3 * MANY);
	unsigned found = 0;
	char text[64];
	uint64_t start;

	for (unsigned i = 0; i < n; i++) {
		struct topic_node *x = NULL;

		(void)snprintf(text, sizeof(text), "sensor/%u/+", i);
		assert_int_equal(topic_trie_get(t, text, &x), MQI_OK);
		topic_trie_set(t, x, &found);
	}
	start = mqclock_mono_us();
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof(text), "sensor/%u/heat",
		    (unsigned)(i * UINT64_C(7919) % n));
		topic_trie_match(t, text, count, NULL);
	}
	assert_int_equal(found, MANY);
	topic_trie_free(t);
	return (double)(mqclock_mono_us() - start) / MANY;
}

static void
test_a_match_costs_what_fits_not_what_there_is(void **state)
{
	double few = match_us(100), many = match_us(MANY);

	(void)state;
	print_message(
	    "one of 100 patterns: %.2f us; of %u: %.2f us\n", few, MANY, many);
	/* by looking at each it would be a thousand times more */
	assert_true(many < 50 * few);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_what_fits_a_topic_is_what_a_simple_matcher_says),
	    cmocka_unit_test(
		test_what_fits_a_pattern_is_what_a_simple_matcher_says),
	    cmocka_unit_test(test_wildcards_are_whole_levels),
	    cmocka_unit_test(test_those_above_come_from_the_root),
	    cmocka_unit_test(test_there_are_limits),
	    cmocka_unit_test(test_a_match_costs_what_fits_not_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

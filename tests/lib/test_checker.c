/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checker.c - the judge finds what it is there to find.
 *
 * Each test is a small history with one fault, or with an outcome that only
 * looks like one.  A proof that uses a blind checker proves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <string.h>

#include "tests/lib/checker.h"

static uint32_t
put(struct checker *c, uint32_t unit)
{
	uint32_t id = checker_put_begin(c, 1, 0, true, unit);

	checker_put_end(c, id, CHECKER_DONE);
	return id;
}

static void
got(struct checker *c, uint32_t id, uint32_t unit)
{
	checker_get_end(c, checker_get_begin(c, 2, 0, unit), id, CHECKER_DONE);
}

static struct checker_report
judge(struct checker *c, uint64_t at, const uint32_t *ids, size_t n)
{
	struct checker_drained drained[8];
	struct checker_report r;

	assert_true(n <= 8);
	for (size_t i = 0; i < n; i++)
		drained[i] = (struct checker_drained){ids[i], 0};
	bool ok = checker_judge(c, at, drained, n, false, &r);
	assert_int_equal(
	    ok, !(r.lost + r.doubled + r.unexpected + r.torn + r.disorder));
	return r;
}

static int
setup(void **state)
{
	*state = checker_new(NULL);
	return 0;
}

static int
teardown(void **state)
{
	*state = checker_free(*state);
	return 0;
}

static void
test_message_that_is_queued_or_delivered_is_right(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0), b = put(c, 0);

	got(c, a, 0);
	struct checker_report r = judge(c, CHECKER_NOW, &b, 1);
	assert_int_equal(
	    r.lost + r.doubled + r.unexpected + r.torn + r.disorder, 0);
	assert_int_equal(r.acked, 2);
}

static void
test_missing_message_is_lost(void **state)
{
	struct checker *c = *state;
	uint32_t ids[] = {put(c, 0), 0};

	(void)put(c, 0);
	assert_int_equal(judge(c, CHECKER_NOW, ids, 1).lost, 1);
}

static void
test_message_seen_twice_is_doubled(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0);

	got(c, a, 0);
	assert_int_equal(judge(c, CHECKER_NOW, &a, 1).doubled, 1);
}

static void
test_message_of_a_refused_put_is_unexpected(void **state)
{
	struct checker *c = *state;
	uint32_t id = checker_put_begin(c, 1, 0, true, 0);

	checker_put_end(c, id, CHECKER_NOT_DONE);
	assert_int_equal(judge(c, CHECKER_NOW, &id, 1).unexpected, 1);
}

static void
test_one_cut_off_get_explains_one_message_only(void **state)
{
	struct checker *c = *state;

	(void)put(c, 0);
	checker_get_end(c, checker_get_begin(c, 2, 0, 0), 0, CHECKER_UNKNOWN);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 0);
	(void)put(c, 0);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 1);
}

static void
test_unit_of_unknown_outcome_is_all_or_nothing(void **state)
{
	struct checker *c = *state;
	uint32_t unit = checker_unit_begin(c);
	uint32_t old = put(c, 0);
	uint32_t a = put(c, unit), b = put(c, unit);

	got(c, old, unit);
	checker_unit_ending(c, unit);
	checker_unit_end(c, unit, CHECKER_UNKNOWN);
	uint32_t done[] = {a, b}, undone[] = {old}, half[] = {a};
	uint32_t mixed[] = {old, a, b};
	assert_int_equal(judge(c, CHECKER_NOW, done, 2).lost, 0);
	assert_int_equal(judge(c, CHECKER_NOW, undone, 1).lost, 0);
	assert_int_equal(judge(c, CHECKER_NOW, half, 1).lost, 1);
	assert_int_equal(judge(c, CHECKER_NOW, mixed, 3).torn, 1);
}

/* The unit got a and put b; neither is here, but a cut off get may have a. */
static void
test_unit_of_unknown_outcome_leaves_its_get_to_another(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0), unit = checker_unit_begin(c), b;

	got(c, a, unit);
	b = checker_put_begin(c, 1, 1, true, unit);
	checker_put_end(c, b, CHECKER_DONE);
	checker_unit_ending(c, unit);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 1);
	(void)checker_get_begin(c, 3, 0, 0);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 0);
}

static void
test_backed_out_unit_leaves_nothing(void **state)
{
	struct checker *c = *state;
	uint32_t unit = checker_unit_begin(c);
	uint32_t old = put(c, 0), a = put(c, unit);

	got(c, old, unit);
	checker_unit_ending(c, unit);
	checker_unit_end(c, unit, CHECKER_NOT_DONE);
	assert_int_equal(judge(c, CHECKER_NOW, &old, 1).lost, 0);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 1);
	uint32_t both[] = {old, a};
	assert_int_equal(judge(c, CHECKER_NOW, both, 2).unexpected, 1);
}

static void
test_acknowledgements_take_a_prefix(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0), b = put(c, 0);

	checker_ahead_got(c, 2, 0, a);
	checker_ahead_got(c, 2, 0, b);
	checker_ahead_acking(c, 2, b);
	assert_int_equal(judge(c, CHECKER_NOW, &b, 1).lost, 0);
	assert_int_equal(judge(c, CHECKER_NOW, &a, 1).lost, 1);
	checker_ahead_flushed(c, 2);
	assert_int_equal(judge(c, CHECKER_NOW, NULL, 0).lost, 0);
	assert_int_equal(judge(c, CHECKER_NOW, &b, 1).doubled, 1);
}

static void
test_unacknowledged_message_of_a_closed_window_is_back(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0), b = put(c, 0);

	checker_ahead_got(c, 2, 0, a);
	checker_ahead_closed(c, 2);
	got(c, a, 0);
	checker_ahead_got(c, 2, 0, b);
	checker_ahead_acking(c, 2, b);
	checker_ahead_flushed(c, 2);
	struct checker_report r = judge(c, CHECKER_NOW, NULL, 0);
	assert_int_equal(r.lost + r.doubled, 0);
}

static void
test_queue_out_of_order_is_seen(void **state)
{
	struct checker *c = *state;
	uint32_t a = put(c, 0), b = put(c, 0);
	uint32_t wrong[] = {b, a};

	assert_int_equal(judge(c, CHECKER_NOW, wrong, 2).disorder, 1);
}

static void
test_an_instant_judges_only_what_was_before_it(void **state)
{
	_Atomic uint64_t now = 10;
	struct checker *c = checker_new(&now);

	(void)state;
	uint32_t id = checker_put_begin(c, 1, 0, true, 0);
	now = 20;
	checker_put_end(c, id, CHECKER_DONE);
	assert_int_equal(judge(c, 5, &id, 1).unexpected, 1);
	assert_int_equal(judge(c, 15, &id, 1).unexpected, 0);
	assert_int_equal(judge(c, 15, NULL, 0).lost, 0);
	assert_int_equal(judge(c, 20, NULL, 0).lost, 1);
	checker_free(c);
}

static void
test_changed_body_is_not_recognised(void **state)
{
	unsigned char body[100];

	(void)state;
	checker_fill(7, body, sizeof(body));
	assert_int_equal(checker_identify(body, sizeof(body)), 7);
	assert_int_equal(checker_identify(body, sizeof(body) - 1), 0);
	body[60] ^= 1;
	assert_int_equal(checker_identify(body, sizeof(body)), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_message_that_is_queued_or_delivered_is_right),
	    TEST(test_missing_message_is_lost),
	    TEST(test_message_seen_twice_is_doubled),
	    TEST(test_message_of_a_refused_put_is_unexpected),
	    TEST(test_one_cut_off_get_explains_one_message_only),
	    TEST(test_unit_of_unknown_outcome_is_all_or_nothing),
	    TEST(test_unit_of_unknown_outcome_leaves_its_get_to_another),
	    TEST(test_backed_out_unit_leaves_nothing),
	    TEST(test_acknowledgements_take_a_prefix),
	    TEST(test_unacknowledged_message_of_a_closed_window_is_back),
	    TEST(test_queue_out_of_order_is_seen),
	    TEST(test_an_instant_judges_only_what_was_before_it),
	    TEST(test_changed_body_is_not_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

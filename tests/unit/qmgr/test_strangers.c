/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_strangers.c - connections of users who are not the owner are counted, by
 * user and together, and so are lines in the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/strangers.h"

#define SESSIONS 1000u

static const char *why;

/* As many as are let in before the first that is not, which is taken back. */
static unsigned
fill(struct strangers *t, uid_t uid, bool greet)
{
	unsigned n = 0;

	while (strangers_begin(t, uid, &why)) {
		n++;
		if (greet)
			strangers_greeted(t, uid);
	}
	strangers_end(t, uid, false);
	return n;
}

static void
empty(struct strangers *t, uid_t uid, unsigned n, bool greeted)
{
	for (; n > 0; n--)
		strangers_end(t, uid, greeted);
}

static void
test_users_before_their_hello_are_bounded_each_and_together(void **state)
{
	struct strangers t;
	uid_t uid = 1;

	(void)state;
	strangers_init(&t, SESSIONS);
	assert_int_equal(fill(&t, uid, false), STRANGERS_AWAITING);
	assert_non_null(strstr(why, "user has too many"));
	while (t.n_awaiting < STRANGERS_ALL_AWAITING)
		assert_int_equal(fill(&t, ++uid, false), STRANGERS_AWAITING);
	assert_int_equal(fill(&t, ++uid, false), 0);
	assert_non_null(strstr(why, "there are too many"));
	/* who has said hello does not count any more */
	strangers_greeted(&t, 1);
	assert_int_equal(fill(&t, uid, false), 1);
	assert_true(strangers_begin(&t, uid, &why) == false);
	strangers_end(&t, uid, false);
	empty(&t, uid, 1, false);
	empty(&t, 1, 1, true);
	empty(&t, 1, STRANGERS_AWAITING - 1, false);
	for (uid = 2; t.n > 0; uid++)
		empty(&t, uid, STRANGERS_AWAITING, false);
	assert_null(t.users);
	assert_int_equal(t.n_awaiting, 0);
}

static void
test_owner_keeps_a_quarter_and_no_user_takes_more_than_half_of_the_rest(
    void **state)
{
	struct strangers t;
	unsigned share = SESSIONS - SESSIONS / 4;

	(void)state;
	strangers_init(&t, SESSIONS);
	assert_int_equal(fill(&t, 1, true), share / 2);
	assert_non_null(strstr(why, "one may have"));
	assert_int_equal(fill(&t, 2, true), share / 2);
	assert_int_equal(fill(&t, 3, true), 0);
	assert_non_null(strstr(why, "other users than the owner"));
	empty(&t, 1, share / 2, true);
	assert_int_equal(fill(&t, 3, true), share / 2);
	empty(&t, 2, share / 2, true);
	empty(&t, 3, share / 2, true);
	assert_null(t.users);
}

static void
test_lines_in_the_log_are_bounded_and_the_others_are_told_later(void **state)
{
	struct strangers t;
	unsigned left_out, n = 0;

	(void)state;
	strangers_init(&t, SESSIONS);
	for (unsigned i = 0; i < 1000; i++)
		n += strangers_log(&t, 5000, &left_out);
	assert_int_equal(n, STRANGERS_LOG_LINES);
	assert_false(strangers_log(&t, 5000 + STRANGERS_LOG_MS - 1, &left_out));
	assert_true(strangers_log(&t, 5000 + STRANGERS_LOG_MS, &left_out));
	assert_int_equal(left_out, 1001 - STRANGERS_LOG_LINES);
	assert_true(strangers_log(&t, 5000 + STRANGERS_LOG_MS, &left_out));
	assert_int_equal(left_out, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_users_before_their_hello_are_bounded_each_and_together),
	    cmocka_unit_test(
		test_owner_keeps_a_quarter_and_no_user_takes_more_than_half_of_the_rest),
	    cmocka_unit_test(
		test_lines_in_the_log_are_bounded_and_the_others_are_told_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

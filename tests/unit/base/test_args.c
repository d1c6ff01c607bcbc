/* SPDX-License-Identifier: Apache-2.0 */
/* test_args.c - base/args.c: the words of a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/args.h"

/* Each word in brackets. */
static void
check(const char *text, const char *expected)
{
	char got[512] = "";
	struct mqargs a;
	enum mqi_err err;

	mqargs_init(&a);
	err = mqargs_split(&a, text);
	for (unsigned i = 0; i < a.n; i++) {
		size_t used = strlen(got);

		(void)snprintf(
		    got + used, sizeof(got) - used, "[%s]", a.argv[i]);
	}
	assert_null(a.argv[a.n]);
	mqargs_fini(&a);
	if (expected == NULL)
		assert_int_equal(err, MQI_E_SYNTAX);
	else
		assert_int_equal(err, MQI_OK);
	if (expected != NULL)
		assert_string_equal(got, expected);
}

static void
test_blanks_divide_and_quotes_keep(void **state)
{
	(void)state;
	check("", "");
	check("   ", "");
	check("/bin/x", "[/bin/x]");
	check("  /bin/x  -a   b ", "[/bin/x][-a][b]");
	check("x 'a b' \"c d\"", "[x][a b][c d]");
	check("x a'b c'd", "[x][ab cd]");
	check("x ''", "[x][]");
	check("x \"it's\" '\"'", "[x][it's][\"]");
}

static void
test_what_a_shell_would_take_is_a_word(void **state)
{
	(void)state;
	check("x ;rm -rf $HOME `id` $(id) | y > z & \\ *",
	    "[x][;rm][-rf][$HOME][`id`][$(id)][|][y][>][z][&][\\][*]");
}

static void
test_a_quote_needs_an_end(void **state)
{
	(void)state;
	check("x 'a", NULL);
	check("x \"a'", NULL);
	check("'", NULL);
}

static void
test_words_have_a_maximum(void **state)
{
	struct mqargs a;

	(void)state;
	mqargs_init(&a);
	for (unsigned i = 0; i < MQARGS_MAX; i++)
		assert_int_equal(mqargs_add(&a, "w"), MQI_OK);
	assert_int_equal(mqargs_add(&a, "w"), MQI_E_TOO_BIG);
	assert_int_equal(mqargs_split(&a, "w"), MQI_E_TOO_BIG);
	assert_int_equal(a.n, MQARGS_MAX);
	mqargs_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_blanks_divide_and_quotes_keep),
	    cmocka_unit_test(test_what_a_shell_would_take_is_a_word),
	    cmocka_unit_test(test_a_quote_needs_an_end),
	    cmocka_unit_test(test_words_have_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

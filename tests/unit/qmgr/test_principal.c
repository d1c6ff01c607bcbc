/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_principal.c - users and groups as the host names them, and those that it
 * does not know.
 */
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "qmgr/principal.h"

/* In no host's database. */
#define UNKNOWN 1999999999u

static void
test_names_are_the_hosts_or_numbers(void **state)
{
	char name[AUTHORITY_NAME_LEN + 1];

	(void)state;
	principal_user(0, name);
	assert_string_equal(name, "root");
	principal_user(UNKNOWN, name);
	assert_string_equal(name, "uid:1999999999");
	principal_group(UNKNOWN, name);
	assert_string_equal(name, "gid:1999999999");
}

static void
test_groups_are_those_of_a_user_that_the_host_knows(void **state)
{
	struct authority_groups *g = mqmem_alloc(sizeof(*g));
	char first[AUTHORITY_NAME_LEN + 1];
	bool found = false;

	(void)state;
	principal_group(getpwuid(0)->pw_gid, first);
	principal_groups("root", g);
	for (uint32_t i = 0; i < g->n; i++)
		found = found || strcmp(g->names[i], first) == 0;
	assert_true(found);
	principal_groups("no such user", g);
	assert_int_equal(g->n, 0);
	principal_groups("", g);
	assert_int_equal(g->n, 0);
	free(g);
}

static void
test_owner_is_known_by_each_of_its_names(void **state)
{
	const struct passwd *pw = getpwuid(geteuid());
	char own[32];

	(void)state;
	assert_true(principal_is_owner("root"));
	assert_true(principal_is_owner("uid:0"));
	(void)snprintf(own, sizeof(own), "uid:%u", geteuid());
	assert_true(principal_is_owner(own));
	if (pw != NULL)
		assert_true(principal_is_owner(pw->pw_name));
	assert_false(principal_is_owner("uid:1999999999"));
	assert_false(principal_is_owner("no such user"));
	assert_false(principal_is_owner(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_the_hosts_or_numbers),
	    cmocka_unit_test(
		test_groups_are_those_of_a_user_that_the_host_knows),
	    cmocka_unit_test(test_owner_is_known_by_each_of_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

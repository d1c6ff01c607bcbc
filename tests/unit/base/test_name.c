/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_name.c - base/name.c: names, their escaped form, and the search for
 * a queue manager's directory.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/name.h"

#define NAME_48 "012345678901234567890123456789012345678901234567"

struct fixture {
	char dir[64];
	char env_root[96];
	char state_home[96];
	char own_root[128];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/mqname.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->env_root, sizeof(f->env_root), "%s/env", f->dir);
	(void)snprintf(
	    f->state_home, sizeof(f->state_home), "%s/state", f->dir);
	(void)snprintf(
	    f->own_root, sizeof(f->own_root), "%s/sluice", f->state_home);
	assert_int_equal(mkdir(f->env_root, 0700), 0);
	assert_int_equal(mkdir(f->state_home, 0700), 0);
	assert_int_equal(mkdir(f->own_root, 0700), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", f->state_home, 1), 0);
	assert_int_equal(unsetenv("MQ_ROOT"), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/QM%%2E1", f->env_root);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/QM%%2E1", f->own_root);
	(void)rmdir(path);
	(void)rmdir(f->own_root);
	(void)rmdir(f->state_home);
	(void)rmdir(f->env_root);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void
make_qmgr(const char *root)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/QM%%2E1", root);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
test_is_valid_follows_ibms_rules(void **state)
{
	(void)state;
	assert_true(mqname_is_valid("a", MQI_NAME_LEN));
	assert_true(mqname_is_valid("../x/y_%Z9", MQI_NAME_LEN));
	assert_true(mqname_is_valid("AZaz09", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a@", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a[", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a`", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a{", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a:", MQI_NAME_LEN));
	assert_true(mqname_is_valid(NAME_48, MQI_NAME_LEN));
	assert_false(mqname_is_valid("", MQI_NAME_LEN));
	assert_false(mqname_is_valid(NAME_48 "x", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a b", MQI_NAME_LEN));
	assert_false(mqname_is_valid("a-b", MQI_NAME_LEN));
	assert_false(mqname_is_valid("\xc3\xa9", MQI_NAME_LEN));
	assert_false(mqname_is_valid("123456789012345678901", 20));
}

static void
test_escape_leaves_no_name_that_a_directory_gives_a_meaning(void **state)
{
	char out[MQNAME_ESCAPED_LEN];

	(void)state;
	mqname_escape("QM_1a", out);
	assert_string_equal(out, "QM_1a");
	mqname_escape("../x/y", out);
	assert_string_equal(out, "%2E%2E%2Fx%2Fy");
	mqname_escape(".", out);
	assert_string_equal(out, "%2E");
	mqname_escape("%2E", out);
	assert_string_equal(out, "%252E");
	mqname_escape("////////////////////////////////////////////////", out);
	assert_int_equal(strlen(out), 3 * MQI_NAME_LEN);
}

static void
test_find_root_given_is_taken(void **state)
{
	struct fixture *f = *state;
	char *root = NULL, *tried = NULL;

	assert_int_equal(setenv("MQ_ROOT", "/elsewhere", 1), 0);
	assert_int_equal(
	    mqname_find_root(f->env_root, NULL, &root, &tried), MQI_OK);
	assert_string_equal(root, f->env_root);
	assert_null(tried);
	free(root);
	root = NULL;
	assert_int_equal(mqname_find_root(f->env_root, "QM.1", &root, &tried),
	    MQI_E_Q_MGR_NAME);
	assert_null(root);
	assert_memory_equal(tried, "looked in /tmp/mqname.", 22);
	free(tried);
	make_qmgr(f->env_root);
	assert_int_equal(
	    mqname_find_root(f->env_root, "QM.1", &root, NULL), MQI_OK);
	assert_string_equal(root, f->env_root);
	free(root);
}

static void
test_find_root_takes_the_environments_first(void **state)
{
	struct fixture *f = *state;
	char *root = NULL;

	assert_int_equal(setenv("MQ_ROOT", f->env_root, 1), 0);
	assert_int_equal(mqname_find_root(NULL, NULL, &root, NULL), MQI_OK);
	assert_string_equal(root, f->env_root);
	free(root);
	make_qmgr(f->env_root);
	make_qmgr(f->own_root);
	assert_int_equal(mqname_find_root(NULL, "QM.1", &root, NULL), MQI_OK);
	assert_string_equal(root, f->env_root);
	free(root);
}

/* root's own is the system's */
static void
test_find_root_goes_on_to_the_users_own(void **state)
{
	struct fixture *f = *state;
	char *root = NULL;

	if (geteuid() == 0 && seteuid(65534) != 0)
		skip();
	assert_int_equal(mqname_find_root(NULL, NULL, &root, NULL), MQI_OK);
	assert_string_equal(root, f->own_root);
	free(root);
	if (geteuid() != getuid())
		assert_int_equal(seteuid(0), 0);
}

static void
test_find_root_names_all_that_it_tried(void **state)
{
	struct fixture *f = *state;
	char *root = NULL, *tried = NULL, expected[256];

	assert_int_equal(setenv("MQ_ROOT", f->env_root, 1), 0);
	if (geteuid() == 0)
		(void)snprintf(expected, sizeof(expected),
		    "looked in %s and /var/lib/sluice", f->env_root);
	else
		(void)snprintf(expected, sizeof(expected),
		    "looked in %s, %s and /var/lib/sluice", f->env_root,
		    f->own_root);
	assert_int_equal(mqname_find_root(NULL, "NO.SUCH.QMGR", &root, &tried),
	    MQI_E_Q_MGR_NAME);
	assert_null(root);
	assert_string_equal(tried, expected);
	free(tried);
}

static void
test_find_root_wants_a_directory(void **state)
{
	struct fixture *f = *state;
	char path[256], *root = NULL;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/QM%%2E1", f->env_root);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mqname_find_root(f->env_root, "QM.1", &root, NULL),
	    MQI_E_Q_MGR_NAME);
	assert_null(root);
	assert_int_equal(unlink(path), 0);
}

static void
test_find_root_refuses_a_bad_name(void **state)
{
	char *root = NULL;

	(void)state;
	assert_int_equal(mqname_find_root(NULL, "", &root, NULL), MQI_E_INVAL);
	assert_int_equal(
	    mqname_find_root(NULL, NAME_48 "x", &root, NULL), MQI_E_INVAL);
	assert_null(root);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_is_valid_follows_ibms_rules),
	    cmocka_unit_test(
		test_escape_leaves_no_name_that_a_directory_gives_a_meaning),
	    TEST(test_find_root_given_is_taken),
	    TEST(test_find_root_takes_the_environments_first),
	    TEST(test_find_root_goes_on_to_the_users_own),
	    TEST(test_find_root_names_all_that_it_tried),
	    TEST(test_find_root_wants_a_directory),
	    TEST(test_find_root_refuses_a_bad_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

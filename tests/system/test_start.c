/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_start.c - creating, starting and stopping a queue manager, and what
 * prevents it; names and roots of every kind.
 */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/system/raw.h"

static struct raw_qmgr shared;

static void
test_second_process_is_refused_and_told_who_has_it(void **state)
{
	char *out = NULL, who[64];

	(void)state;
	assert_int_equal(raw_run(&shared, shared.name, false, &out), 1);
	(void)snprintf(
	    who, sizeof(who), "process %d has", (int)shared.proc.pid);
	assert_non_null(strstr(out, "is running already"));
	assert_non_null(strstr(out, who));
	free(out);
}

static void
test_queue_manager_that_was_not_created_says_so(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(raw_run(&shared, "NOBODY", false, &out), 1);
	assert_non_null(strstr(out, "has not been created"));
	free(out);
	assert_int_equal(raw_run(&shared, "not valid", true, &out), 1);
	assert_non_null(strstr(out, "is not a name for a queue manager"));
	free(out);
}

static void
test_creation_of_one_that_exists_is_refused(void **state)
{
	struct raw_qmgr d;
	char *out = NULL;

	(void)state;
	raw_init(&d, "QM1", "root");
	raw_create(&d);
	assert_int_equal(raw_run(&d, d.name, true, &out), 1);
	assert_non_null(strstr(out, "exists already"));
	free(out);
	raw_fini(&d);
}

static void
test_creation_that_was_cut_off_is_told_and_finished(void **state)
{
	struct raw_qmgr d;
	char *out = NULL, path[PATH_MAX];

	(void)state;
	raw_init(&d, "QM1", "root");
	(void)snprintf(path, sizeof(path), "%.3000s/QM1", d.root);
	assert_int_equal(mkdir(d.root, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(raw_run(&d, d.name, false, &out), 1);
	assert_non_null(strstr(out, "the creation was not finished"));
	free(out);
	raw_create(&d);
	raw_start(&d);
	proc_stop(&d.proc);
	raw_fini(&d);
}

static void
test_directory_open_to_others_is_refused(void **state)
{
	struct raw_qmgr d;
	char *out = NULL, path[PATH_MAX];

	(void)state;
	raw_init(&d, "QM1", "root");
	raw_create(&d);
	(void)snprintf(path, sizeof(path), "%.3000s/QM1", d.root);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(raw_run(&d, d.name, false, &out), 1);
	assert_non_null(strstr(out, "is open to others"));
	free(out);
	raw_fini(&d);
}

static void
test_sigterm_stops_cleanly_and_tells_clients(void **state)
{
	struct raw_qmgr d;
	struct raw_client c;

	(void)state;
	raw_init(&d, "QM1", "root");
	raw_create(&d);
	raw_start(&d);
	raw_hello(&c, &d);
	(void)kill(d.proc.pid, SIGTERM);
	raw_assert_error(&c, MQI_E_Q_MGR_STOPPING);
	raw_close(&c);
	assert_int_equal(proc_wait(&d.proc), 0);
	assert_true(raw_log_has(&d, "qmgr.stopped"));
	assert_int_equal(raw_connect(&d), -1);
	/* and it starts again */
	raw_start(&d);
	raw_hello(&c, &d);
	raw_close(&c);
	proc_stop(&d.proc);
	raw_fini(&d);
}

static void
test_start_after_kill_9_replaces_the_socket(void **state)
{
	struct raw_qmgr d;
	struct raw_client c;

	(void)state;
	raw_init(&d, "QM1", "root");
	raw_create(&d);
	raw_start(&d);
	proc_kill9(&d.proc);
	raw_start(&d);
	raw_hello(&c, &d);
	raw_ping(&c, 1);
	raw_close(&c);
	proc_stop(&d.proc);
	raw_fini(&d);
}

static void
test_name_with_dots_and_slashes_stays_in_its_root(void **state)
{
	struct raw_qmgr d;
	struct raw_client c;
	char outside[PATH_MAX];

	(void)state;
	raw_init(&d, "../x/y", "root");
	raw_create(&d);
	raw_start(&d);
	raw_hello(&c, &d);
	raw_ping(&c, 1);
	raw_close(&c);
	proc_stop(&d.proc);
	(void)snprintf(outside, sizeof(outside), "%.3000s/x", d.dir.path);
	assert_int_equal(access(outside, F_OK), -1);
	raw_fini(&d);
}

static void
test_root_of_300_characters_works(void **state)
{
	struct raw_qmgr d;
	struct raw_client c;
	char root[301];

	(void)state;
	memset(root, 'r', sizeof(root));
	root[100] = '/';
	root[200] = '/';
	root[300] = '\0';
	raw_init(&d, "QM1", root);
	raw_create(&d);
	raw_start(&d);
	raw_hello(&c, &d);
	raw_ping(&c, 1);
	raw_close(&c);
	proc_stop(&d.proc);
	raw_fini(&d);
}

/* ---- */

static int
group_setup(void **state)
{
	(void)state;
	raw_init(&shared, "QM1", "root");
	raw_create(&shared);
	raw_start(&shared);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	/* it runs even if the setup failed */
	if (shared.proc.pid != 0)
		proc_stop(&shared.proc);
	raw_fini(&shared);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_second_process_is_refused_and_told_who_has_it),
	    cmocka_unit_test(test_queue_manager_that_was_not_created_says_so),
	    cmocka_unit_test(test_creation_of_one_that_exists_is_refused),
	    cmocka_unit_test(
		test_creation_that_was_cut_off_is_told_and_finished),
	    cmocka_unit_test(test_directory_open_to_others_is_refused),
	    cmocka_unit_test(test_sigterm_stops_cleanly_and_tells_clients),
	    cmocka_unit_test(test_start_after_kill_9_replaces_the_socket),
	    cmocka_unit_test(test_name_with_dots_and_slashes_stays_in_its_root),
	    cmocka_unit_test(test_root_of_300_characters_works),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

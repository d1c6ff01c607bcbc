/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_target.c - mca/target.c over a queue manager of a few lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libmq/agent.h"
#include "mca/target.h"

struct mqi_queue {
	int unused;
};

static unsigned n_opened, n_open;

enum mqi_err
mqi_open_with(mqi_conn *conn, const char *object, const char *object_qmgr,
    const struct mqi_open_opts *opts, mqi_queue **ret_queue)
{
	assert_int_equal(opts->alternate_user != NULL,
	    (opts->options & MQI_OO_ALTERNATE_USER_AUTHORITY) != 0);
	(void)conn;
	(void)object;
	(void)object_qmgr;
	n_opened++;
	n_open++;
	*ret_queue = malloc(sizeof(**ret_queue));
	return MQI_OK;
}

enum mqi_err
mqagent_open_dead_letter(mqi_conn *conn, const char *object,
    const char *object_qmgr, mqi_queue **ret_queue)
{
	const struct mqi_open_opts opts = {.options = MQI_OO_OUTPUT};

	return mqi_open_with(conn, object, object_qmgr, &opts, ret_queue);
}

enum mqi_err
mqi_close(mqi_queue *queue)
{
	n_open--;
	free(queue);
	return MQI_OK;
}

static mqi_queue *
get(struct targets *t, const char *queue)
{
	mqi_queue *handle = NULL;

	assert_int_equal(
	    targets_get(t, NULL, queue, "", "", false, &handle), MQI_OK);
	return handle;
}

static void
test_handles_are_kept_up_to_their_number(void **state)
{
	struct targets t = {0};
	mqi_queue *a;
	char name[16];

	(void)state;
	n_opened = n_open = 0;
	a = get(&t, "A");
	for (unsigned i = 0; i < 2 * TARGET_MAX; i++) {
		(void)snprintf(name, sizeof(name), "Q%u", i);
		(void)get(&t, name);
		assert_ptr_equal(get(&t, "A"), a); /* used most lately */
		assert_true(n_open <= TARGET_MAX);
	}
	assert_int_equal(n_opened, 2 * TARGET_MAX + 1);
	targets_forget(&t);
	assert_int_equal(n_open, 0);
}

/* What failed is not what is put next, and its queue may be another now. */
static void
test_all_names_are_resolved_anew_after_a_failure(void **state)
{
	struct targets t = {0};

	(void)state;
	n_opened = n_open = 0;
	(void)get(&t, "A");
	(void)get(&t, "B");
	targets_forget(&t);
	(void)get(&t, "A");
	(void)get(&t, "B");
	assert_int_equal(n_opened, 4);
	targets_forget(&t);
	assert_int_equal(n_open, 0);
}

static void
test_each_user_has_handles_of_its_own(void **state)
{
	struct targets t = {0};
	mqi_queue *mine = NULL, *alices = NULL, *again = NULL;

	(void)state;
	n_opened = n_open = 0;
	assert_int_equal(
	    targets_get(&t, NULL, "A", "", "", false, &mine), MQI_OK);
	assert_int_equal(
	    targets_get(&t, NULL, "A", "", "alice", false, &alices), MQI_OK);
	assert_ptr_not_equal(mine, alices);
	assert_int_equal(
	    targets_get(&t, NULL, "A", "", "", false, &again), MQI_OK);
	assert_ptr_equal(again, mine);
	assert_int_equal(n_opened, 2);
	/* and so has what is put there as a dead letter */
	assert_int_equal(
	    targets_get(&t, NULL, "A", "", "", true, &again), MQI_OK);
	assert_ptr_not_equal(again, mine);
	targets_forget(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handles_are_kept_up_to_their_number),
	    cmocka_unit_test(test_each_user_has_handles_of_its_own),
	    cmocka_unit_test(test_all_names_are_resolved_anew_after_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

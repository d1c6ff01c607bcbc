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

#include "mca/target.h"

struct mqi_queue {
	int unused;
};

static unsigned n_opened, n_open;

enum mqi_err
mqi_open(mqi_conn *conn, const char *object, const char *object_qmgr,
    uint32_t options, mqi_queue **ret_queue)
{
	(void)conn;
	(void)object;
	(void)object_qmgr;
	(void)options;
	n_opened++;
	n_open++;
	*ret_queue = malloc(sizeof(**ret_queue));
	return MQI_OK;
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

	assert_int_equal(targets_get(t, NULL, queue, "", &handle), MQI_OK);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handles_are_kept_up_to_their_number),
	    cmocka_unit_test(test_all_names_are_resolved_anew_after_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

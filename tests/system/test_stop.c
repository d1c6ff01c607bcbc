/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stop.c - how a queue manager stops while it is used: units may end,
 * unless it is told twice; nobody else keeps it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/qm.h"
#include "tests/lib/tmpdir.h"

#define QUEUE "SYSTEM.DEFAULT.LOCAL.QUEUE"

struct fixture {
	struct tmpdir dir;
	struct qm q;
	mqi_conn *conn;
	mqi_queue *queue;
};

static void
connect_and_open(struct fixture *f)
{
	f->conn = qm_connect(&f->q);
	assert_int_equal(mqi_open(f->conn, QUEUE, NULL,
			     MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &f->queue),
	    MQI_OK);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tmpdir_make(&f->dir);
	qm_create(&f->q, &f->dir, "QM1");
	qm_start(&f->q);
	connect_and_open(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)mqi_disconnect(f->conn);
	qm_fini(&f->q);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
tell(struct fixture *f)
{
	int status;

	assert_true(proc_runs(&f->q.proc, &status));
	assert_int_equal(kill(f->q.proc.pid, SIGTERM), 0);
}

/* Until new work is refused: the signal has arrived. */
static void
await_quiesce(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_queue *queue;
	enum mqi_err err;

	while ((err = mqi_open(f->conn, QUEUE, NULL, MQI_OO_OUTPUT, &queue)) ==
	       MQI_OK) {
		(void)mqi_close(queue);
		assert_true(test_now_ms() < end);
	}
	assert_int_equal(err, MQI_E_Q_MGR_STOPPING);
}

static void
put_in_unit(struct fixture *f, mqi_unit **ret_unit)
{
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	assert_int_equal(mqi_begin(f->conn, ret_unit), MQI_OK);
	assert_int_equal(mqi_put(f->queue, *ret_unit, &md, "x", 1), MQI_OK);
}

/* After a restart: whether the message is there. */
static enum mqi_err
get_after_restart(struct fixture *f)
{
	enum mqi_err err;
	mqi_msg *msg = NULL;

	(void)mqi_disconnect(f->conn);
	qm_start(&f->q);
	connect_and_open(f);
	err = mqi_poll(f->queue, NULL, &msg);
	mqi_msg_free(msg);
	return err;
}

static void
test_stop_lets_a_unit_of_work_end(void **state)
{
	struct fixture *f = *state;
	mqi_unit *unit;
	int status;

	put_in_unit(f, &unit);
	tell(f);
	await_quiesce(f);
	assert_true(proc_runs(&f->q.proc, &status));
	/* what is not in an open unit would keep it for ever */
	assert_int_equal(
	    mqi_put(f->queue, NULL, NULL, "n", 1), MQI_E_Q_MGR_STOPPING);
	assert_int_equal(mqi_put(f->queue, unit, NULL, "y", 1), MQI_OK);
	assert_int_equal(mqi_commit(unit), MQI_OK);
	assert_int_equal(proc_wait(&f->q.proc), 0);
	assert_int_equal(get_after_restart(f), MQI_OK);
}

static void
test_second_signal_backs_the_unit_out(void **state)
{
	struct fixture *f = *state;
	mqi_unit *unit;

	put_in_unit(f, &unit);
	tell(f);
	await_quiesce(f);
	tell(f);
	assert_int_equal(proc_wait(&f->q.proc), 0);
	assert_int_not_equal(mqi_commit(unit), MQI_OK);
	assert_int_equal(get_after_restart(f), MQI_E_NO_MSG_AVAILABLE);
}

static void *
wait_for_a_message(void *arg)
{
	struct fixture *f = arg;
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_msg *msg = NULL;

	return (void *)(intptr_t)mqi_get_msg(f->queue, NULL, &opts, &msg);
}

static void
test_waiting_get_ends_with_the_reason(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	mqi_unit *unit;
	void *err;

	/* keeps it until the get is answered */
	put_in_unit(f, &unit);
	assert_int_equal(
	    pthread_create(&thread, NULL, wait_for_a_message, f), 0);
	tell(f);
	assert_int_equal(pthread_join(thread, &err), 0);
	assert_int_equal((intptr_t)err, MQI_E_Q_MGR_STOPPING);
	assert_int_equal(mqi_commit(unit), MQI_OK);
	assert_int_equal(proc_wait(&f->q.proc), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_stop_lets_a_unit_of_work_end),
	    TEST(test_second_signal_backs_the_unit_out),
	    TEST(test_waiting_get_ends_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

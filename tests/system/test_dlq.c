/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dlq.c - mqadmin dlq with a real queue manager: what each action does,
 * that failures are tried again and then left to the next rule, and that a
 * kill -9 in the middle loses and doubles nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/dlh.h"
#include "tests/lib/qm.h"

#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"
#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct proc handler;
	char rules[PATH_MAX];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXDEPTH(100000)\n"
			"DEFINE QLOCAL(SHUT) PUT(DISABLED)\n"
			"DEFINE QLOCAL(FAULTS) MAXDEPTH(100000)\n"
			"ALTER QLOCAL(" DEAD_QUEUE ") MAXDEPTH(100000)\n");
	(void)snprintf(
	    f->rules, sizeof(f->rules), "%.4000s/rules", f->dir.path);
	(void)snprintf(f->handler.log, sizeof(f->handler.log),
	    "%.4000s/dlq.log", f->dir.path);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->handler.pid != 0)
		proc_kill9(&f->handler);
	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* Puts n dead letters "0", "1", ... for a queue. */
static void
put_dead(struct fixture *f, const char *queue, uint32_t reason, unsigned n)
{
	mqi_conn *conn = qm_connect(&f->qm);
	struct mqdlh h = {.reason = reason,
	    .encoding = 546,
	    .ccsid = 1208,
	    .format = "MQSTR",
	    .put_appl_name = "test"};
	uint8_t body[MQDLH_LEN + 16];
	mqi_queue *handle = NULL;
	struct mqi_md md;

	(void)snprintf(h.queue, sizeof(h.queue), "%s", queue);
	strcpy(h.qmgr, "QM1");
	OK(mqi_open(conn, DEAD_QUEUE, NULL, MQI_OO_OUTPUT, &handle));
	for (unsigned i = 0; i < n; i++) {
		int len;

		mqdlh_encode(&h, body);
		len = snprintf((char *)body + MQDLH_LEN, 16, "%u", i);
		mqi_md_init(&md);
		md.persistence = MQI_PERSISTENCE_YES;
		strcpy(md.format, MQDLH_FORMAT);
		strcpy(md.reply_to_q, "FAULTS");
		OK(mqi_put_async(
		    handle, NULL, &md, body, MQDLH_LEN + (size_t)len));
	}
	OK(mqi_flush(handle));
	OK(mqi_disconnect(conn));
}

static void
wait_for_depth(struct fixture *f, const char *name, uint64_t least)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (qm_depth(&f->qm, name) < least) {
		if (test_now_ms() > end)
			proc_die(&f->handler, name);
		(void)poll(NULL, 0, 1);
	}
}

static mqi_msg *
take_from(mqi_queue *handle)
{
	mqi_msg *msg = NULL;

	OK(mqi_get_msg(handle, NULL, NULL, &msg));
	return msg;
}

static mqi_queue *
open_in(mqi_conn *conn, const char *name)
{
	mqi_queue *handle = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &handle));
	return handle;
}

static mqi_msg *
take(struct fixture *f, const char *name)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_msg *msg = take_from(open_in(conn, name));

	OK(mqi_disconnect(conn));
	return msg;
}

/* Starts the handler with rules; proc_wait() or more is the caller's. */
static void
start(struct fixture *f, const char *rules, bool once)
{
	FILE *file = fopen(f->rules, "we");
	char bin[PATH_MAX];

	assert_non_null(file);
	assert_true(fputs(rules, file) >= 0);
	assert_int_equal(fclose(file), 0);
	proc_bin("mqadmin", bin, sizeof(bin));
	proc_start(&f->handler,
	    (const char *const[]){bin, "dlq", "QM1", "--root", f->qm.root,
		"--rules", f->rules, once ? "--once" : NULL, NULL},
	    NULL);
}

static void
run_once(struct fixture *f, const char *rules)
{
	start(f, rules, true);
	if (proc_wait(&f->handler) != 0)
		proc_die(&f->handler, "mqadmin dlq --once");
}

static void
test_each_action_does_what_it_says(void **state)
{
	struct fixture *f = *state;
	mqi_msg *msg;

	put_dead(f, "IN", MQI_E_Q_FULL, 1);
	put_dead(f, "ELSEWHERE", MQI_E_UNKNOWN_OBJECT, 1);
	put_dead(f, "STRIPPED", MQI_E_UNKNOWN_OBJECT, 1);
	put_dead(f, "JUNK", MQI_E_UNKNOWN_OBJECT, 1);
	put_dead(f, "KEPT", MQI_E_UNKNOWN_OBJECT, 1);
	put_dead(f, "UNMATCHED", MQI_E_NOT_AUTHORIZED, 1);
	run_once(f, "REASON(MQRC_Q_FULL) ACTION(RETRY)\n"
		    "DESTQ(KEPT) ACTION(IGNORE)\n"
		    "DESTQ(JUNK) ACTION(DISCARD)\n"
		    "DESTQ(STRIPPED) ACTION(FWD) FWDQ(&REPLYQ) HEADER(NO)\n"
		    "REASON(MQRC_UNKNOWN_OBJECT_NAME) +\n"
		    "  ACTION(FWD) FWDQ(FAULTS)\n");
	msg = take(f, "IN");
	assert_string_equal(mqi_msg_md(msg)->format, "MQSTR");
	assert_string_equal(mqi_msg_md(msg)->put_appl_name, "test");
	assert_int_equal(mqi_msg_len(msg), 1);
	mqi_msg_free(msg);
	msg = take(f, "FAULTS");
	assert_string_equal(mqi_msg_md(msg)->format, MQDLH_FORMAT);
	assert_int_equal(mqi_msg_len(msg), MQDLH_LEN + 1);
	mqi_msg_free(msg);
	msg = take(f, "FAULTS");
	assert_string_equal(mqi_msg_md(msg)->format, "MQSTR");
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&f->qm, DEAD_QUEUE), 2);
}

static void
test_what_fails_goes_to_the_next_rule(void **state)
{
	struct fixture *f = *state;

	put_dead(f, "SHUT", MQI_E_Q_FULL, 3);
	put_dead(f, "NOWHERE", MQI_E_Q_FULL, 2);
	run_once(f, "ACTION(RETRY)\n"
		    "DESTQ(SHUT) ACTION(FWD) FWDQ(FAULTS)\n");
	assert_int_equal(qm_depth(&f->qm, "FAULTS"), 3);
	assert_int_equal(
	    qm_depth(&f->qm, DEAD_QUEUE), 2); /* every try failed */
}

static void
test_a_service_tries_again_and_takes_what_comes(void **state)
{
	struct fixture *f = *state;

	put_dead(f, "SHUT", MQI_E_PUT_INHIBITED, 2);
	start(f,
	    "RETRYINT(1) WAIT(YES)\n"
	    "REASON(MQRC_PUT_INHIBITED) ACTION(RETRY) RETRY(1000)\n",
	    false);
	qm_mqsc(&f->qm, "ALTER QLOCAL(SHUT) PUT(ENABLED)\n");
	wait_for_depth(f, "SHUT", 2);
	put_dead(f, "SHUT", MQI_E_PUT_INHIBITED, 3);
	wait_for_depth(f, "SHUT", 5);
	assert_int_equal(qm_depth(&f->qm, DEAD_QUEUE), 0);
	proc_stop(&f->handler);
}

#define MANY 1500u

static void
test_a_kill_loses_and_doubles_nothing(void **state)
{
	struct fixture *f = *state;
	bool seen[MANY] = {false};
	mqi_queue *handle;
	mqi_conn *conn;

	put_dead(f, "IN", MQI_E_Q_FULL, MANY);
	for (unsigned i = 1; i <= 3; i++) {
		start(f, "ACTION(RETRY)\n", false);
		wait_for_depth(f, "IN", i * MANY / 5);
		proc_kill9(&f->handler);
	}
	run_once(f, "ACTION(RETRY)\n");
	assert_int_equal(qm_depth(&f->qm, DEAD_QUEUE), 0);
	assert_int_equal(qm_depth(&f->qm, "IN"), MANY);
	conn = qm_connect(&f->qm);
	handle = open_in(conn, "IN");
	for (unsigned i = 0; i < MANY; i++) {
		mqi_msg *msg = take_from(handle);
		const char *text = mqi_msg_body(msg);
		unsigned number = 0;

		for (size_t k = 0; k < mqi_msg_len(msg); k++)
			number = number * 10 + (unsigned)(text[k] - '0');
		assert_true(number < MANY && !seen[number]);
		seen[number] = true;
		mqi_msg_free(msg);
	}
	OK(mqi_disconnect(conn));
}

static void
test_wrong_rules_are_refused(void **state)
{
	struct fixture *f = *state;

	start(f, "\nACTION(FWD)\n", true);
	assert_int_equal(WEXITSTATUS(proc_wait(&f->handler)), 20);
	start(f, "INPUTQM(QM9)\n", true);
	assert_int_equal(WEXITSTATUS(proc_wait(&f->handler)), 20);
	start(f, "INPUTQ(NO.SUCH)\n", true);
	assert_int_equal(WEXITSTATUS(proc_wait(&f->handler)), 20);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_action_does_what_it_says),
	    TEST(test_what_fails_goes_to_the_next_rule),
	    TEST(test_a_service_tries_again_and_takes_what_comes),
	    TEST(test_a_kill_loses_and_doubles_nothing),
	    TEST(test_wrong_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

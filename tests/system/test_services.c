/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_services.c - SERVICE objects with a real queue manager: they start and
 * stop with it, a server that dies is started again, commands are told who they
 * are for, and nobody may define one without all rights.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmq/agent.h"
#include "tests/lib/qm.h"

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	char program[PATH_MAX]; /* a server: writes its process id, and stays */
	char pid[PATH_MAX];
	char out[PATH_MAX];
};

static void
path_of(const struct fixture *f, const char *name, char ret[PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "%.4000s/%s", f->dir.path, name);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	FILE *file;

	tmpdir_make(&f->dir);
	path_of(f, "program", f->program);
	path_of(f, "pid", f->pid);
	path_of(f, "out", f->out);
	file = fopen(f->program, "we");
	assert_non_null(file);
	assert_true(fprintf(file,
			"#!/bin/sh\necho $$ >'%s.new'\nmv '%s.new' '%s'\n"
			"echo \"$@\"\nexec sleep 1000\n",
			f->pid, f->pid, f->pid) > 0);
	assert_int_equal(fchmod(fileno(file), 0700), 0);
	assert_int_equal(fclose(file), 0);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
define(struct fixture *f, const char *attrs)
{
	char command[3 * PATH_MAX];

	(void)snprintf(command, sizeof(command),
	    "DEFINE SERVICE(S) REPLACE STARTCMD('%s') STDOUT('%s') %s\n",
	    f->program, f->out, attrs);
	qm_mqsc(&f->qm, command);
}

static bool
is_alive(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

static void
wait_for_end(pid_t pid)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (is_alive(pid)) {
		if (test_now_ms() > end)
			proc_die(NULL, "a service does not end");
		(void)poll(NULL, 0, 5);
	}
}

/* The process id that the server wrote, which is not `other`. */
static pid_t
wait_for_server(struct fixture *f, pid_t other)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	int pid = 0;

	for (;;) {
		FILE *file = fopen(f->pid, "re");

		if (file != NULL) {
			if (fscanf(file, "%d", &pid) != 1)
				pid = 0;
			(void)fclose(file);
		}
		if (pid > 0 && pid != other)
			return pid;
		if (test_now_ms() > end)
			proc_die(&f->qm.proc, "no service was started");
		(void)poll(NULL, 0, 5);
	}
}

/* Waits until the file holds this. */
static void
wait_for_text(struct fixture *f, const char *path, const char *expected)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char text[4096];

	for (;;) {
		FILE *file = fopen(path, "re");
		size_t n = 0;

		if (file != NULL) {
			n = fread(text, 1, sizeof(text) - 1, file);
			(void)fclose(file);
		}
		text[n] = '\0';
		if (strcmp(text, expected) == 0)
			return;
		if (test_now_ms() > end) {
			(void)fprintf(stderr, "%s: %s", path, text);
			proc_die(&f->qm.proc, expected);
		}
		(void)poll(NULL, 0, 5);
	}
}

struct status {
	char state[16];
	char pid[16];
};

static void
take_status(void *arg, const struct mqctl_list *row)
{
	struct status *s = arg;

	(void)snprintf(
	    s->state, sizeof(s->state), "%s", mqctl_list_get(row, "STATUS"));
	(void)snprintf(
	    s->pid, sizeof(s->pid), "%s", mqctl_list_get(row, "PID"));
}

static void
wait_for_status(struct fixture *f, const char *state, pid_t pid)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *conn = qm_connect(&f->qm);
	struct mqctl_command c = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_SVSTATUS, .name = "S"};
	struct status s = {.state = ""};
	char text[512];

	mqctl_list_init(&c.attrs);
	for (;;) {
		assert_int_equal(mqagent_command(conn, &c, take_status, &s,
				     text, sizeof(text)),
		    MQI_OK);
		if (strcmp(s.state, state) == 0 && atoi(s.pid) == pid)
			break;
		if (test_now_ms() > end)
			proc_die(&f->qm.proc, s.state);
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(mqi_disconnect(conn), MQI_OK);
}

/* ---- servers ---- */

static void
test_a_server_lives_as_long_as_the_queue_manager(void **state)
{
	struct fixture *f = *state;
	pid_t first, second;

	define(f, "SERVTYPE(SERVER) CONTROL(QMGR) "
		  "STARTARG('-m +QMNAME+ -s +MQ_SERVICE_NAME+')");
	proc_stop(&f->qm.proc);
	qm_start(&f->qm);
	first = wait_for_server(f, 0);
	wait_for_status(f, "RUNNING", first);
	wait_for_text(f, f->out, "-m QM1 -s S\n");
	proc_stop(&f->qm.proc);
	assert_false(is_alive(first));
	qm_start(&f->qm);
	second = wait_for_server(f, first);
	wait_for_text(f, f->out, "-m QM1 -s S\n-m QM1 -s S\n");
	proc_stop(&f->qm.proc);
	assert_false(is_alive(second));
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "STOP SERVICE(S) IGNSTATE(YES)\n");
}

static void
test_a_server_that_dies_is_started_again(void **state)
{
	struct fixture *f = *state;
	pid_t first, second;

	define(f, "SERVTYPE(SERVER)");
	wait_for_status(f, "STOPPED", 0);
	qm_mqsc(&f->qm, "START SERVICE(S)\nSTART SERVICE(S) IGNSTATE(YES)\n");
	first = wait_for_server(f, 0);
	assert_int_equal(kill(first, SIGKILL), 0);
	second = wait_for_server(f, first);
	wait_for_status(f, "RUNNING", second);
	qm_mqsc(&f->qm, "STOP SERVICE(S)\n");
	wait_for_status(f, "STOPPED", 0);
	assert_false(is_alive(second));
	qm_mqsc(&f->qm, "DELETE SERVICE(S)\n");
}

static void
test_a_server_that_has_done_its_work_stays_down(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm,
	    "DEFINE SERVICE(S) SERVTYPE(SERVER) STARTCMD('/bin/true')\n"
	    "START SERVICE(S)\n");
	wait_for_status(f, "STOPPED", 0);
	qm_mqsc(&f->qm, "ALTER SERVICE(S) STARTCMD('/not/there')\n"
			"START SERVICE(S)\n");
	wait_for_status(f, "RETRYING", 0);
	qm_mqsc(&f->qm, "STOP SERVICE(S)\n");
	wait_for_status(f, "STOPPED", 0);
}

static void
test_its_own_command_stops_a_server(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	define(f, "SERVTYPE(SERVER) STOPCMD('/bin/kill') "
		  "STOPARG('-KILL +MQ_SERVER_PID+')");
	qm_mqsc(&f->qm, "START SERVICE(S)\n");
	pid = wait_for_server(f, 0);
	qm_mqsc(&f->qm, "STOP SERVICE(S)\n");
	wait_for_status(f, "STOPPED", 0);
	wait_for_end(pid);
	/* now a command, which has nothing to wait for */
	qm_mqsc(&f->qm, "ALTER SERVICE(S) SERVTYPE(COMMAND) "
			"STOPCMD('/bin/echo') STOPARG('x')\nSTOP SERVICE(S)\n");
	wait_for_text(f, f->out, "\nx\n");
}

static void
test_manual_and_startonly_run_on(void **state)
{
	static const char *const controls[] = {"MANUAL", "STARTONLY"};
	struct fixture *f = *state;
	pid_t pid = 0;
	char attrs[64];

	for (int i = 0; i < 2; i++) {
		(void)snprintf(attrs, sizeof(attrs),
		    "SERVTYPE(SERVER) CONTROL(%s)", controls[i]);
		define(f, attrs);
		if (i == 0) {
			qm_mqsc(&f->qm, "START SERVICE(S)\n");
		} else {
			proc_stop(&f->qm.proc);
			qm_start(&f->qm);
		}
		pid = wait_for_server(f, pid);
		proc_stop(&f->qm.proc);
		assert_true(is_alive(pid));
		assert_int_equal(kill(pid, SIGKILL), 0);
		qm_start(&f->qm);
		if (i == 1) {
			pid = wait_for_server(f, pid);
			qm_mqsc(&f->qm, "STOP SERVICE(S)\n");
			wait_for_end(pid);
		}
	}
}

/* ---- commands ---- */

static void
test_a_command_runs_each_time_it_is_started(void **state)
{
	struct fixture *f = *state;
	char command[2 * PATH_MAX];

	(void)snprintf(command, sizeof(command),
	    "DEFINE SERVICE(S) STARTCMD('/bin/echo') "
	    "STARTARG('started \"+QMNAME+ ;id\" $HOME') STDOUT('%s') "
	    "STOPCMD('/bin/echo') STOPARG('pid +MQ_SERVER_PID+')\n",
	    f->out);
	qm_mqsc(&f->qm, command);
	qm_mqsc(&f->qm, "START SERVICE(S)\n");
	wait_for_text(f, f->out, "started QM1 ;id $HOME\n");
	qm_mqsc(&f->qm, "START SERVICE(S)\n");
	wait_for_text(
	    f, f->out, "started QM1 ;id $HOME\nstarted QM1 ;id $HOME\n");
	qm_mqsc(&f->qm, "STOP SERVICE(S)\n");
	wait_for_text(
	    f, f->out, "started QM1 ;id $HOME\nstarted QM1 ;id $HOME\npid 0\n");
}

/* What it starts is a program that writes its process id. */
static void
test_a_trigger_monitor_is_a_service(void **state)
{
	struct fixture *f = *state;
	char command[2 * PATH_MAX];
	mqi_conn *conn;
	mqi_queue *q = NULL;
	struct mqi_md md;
	pid_t pid;

	(void)snprintf(command, sizeof(command),
	    "DEFINE SERVICE(S) SERVTYPE(SERVER) CONTROL(QMGR) "
	    "STARTCMD('+MQ_INSTALL_PATH+bin/mqadmin') "
	    "STARTARG('trigger-monitor +QMNAME+ --root +MQ_DATA_PATH+')\n"
	    "DEFINE PROCESS(P) APPLICID('%s')\n"
	    "DEFINE QLOCAL(Q) TRIGGER PROCESS(P) "
	    "INITQ(SYSTEM.DEFAULT.INITIATION.QUEUE)\n"
	    "START SERVICE(S)\n",
	    f->program);
	qm_mqsc(&f->qm, command);
	conn = qm_connect(&f->qm);
	mqi_md_init(&md);
	assert_int_equal(mqi_open(conn, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, &md, "m", 1), MQI_OK);
	assert_int_equal(mqi_disconnect(conn), MQI_OK);
	pid = wait_for_server(f, 0);
	proc_stop(&f->qm.proc);
	assert_true(is_alive(pid)); /* it is nobody's service */
	assert_int_equal(kill(pid, SIGKILL), 0);
	qm_start(&f->qm);
}

/* ---- who may ---- */

static void
test_definitions_name_whole_paths(void **state)
{
	struct fixture *f = *state;
	mqi_conn *conn = qm_connect(&f->qm);
	static const char *const keywords[] = {
	    "STARTCMD", "STOPCMD", "STDOUT", "STDERR"};
	char text[512];

	for (size_t i = 0; i < MQ_ARRAY_LEN(keywords); i++) {
		struct mqctl_command c = {
		    .verb = MQCTL_DEFINE, .noun = MQCTL_SERVICE, .name = "S"};

		mqctl_list_init(&c.attrs);
		assert_int_equal(
		    mqctl_list_add(&c.attrs, keywords[i], "bin/x"), MQI_OK);
		assert_int_equal(
		    mqagent_command(conn, &c, NULL, NULL, text, sizeof(text)),
		    MQI_E_ATTRIBUTE);
		assert_non_null(strstr(text, keywords[i]));
		mqctl_command_fini(&c);
	}
	assert_int_equal(mqi_disconnect(conn), MQI_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_server_lives_as_long_as_the_queue_manager),
	    T(test_a_server_that_dies_is_started_again),
	    T(test_a_server_that_has_done_its_work_stays_down),
	    T(test_its_own_command_stops_a_server),
	    T(test_manual_and_startonly_run_on),
	    T(test_a_command_runs_each_time_it_is_started),
	    T(test_a_trigger_monitor_is_a_service),
	    T(test_definitions_name_whole_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

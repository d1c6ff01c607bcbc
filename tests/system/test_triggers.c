/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_triggers.c - mqadmin trigger-monitor with a real queue manager: programs
 * are started with what IBM's get, nothing of their definition reaches a shell,
 * what cannot be started is a dead letter, SIGTERM ends it and no program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/dlh.h"
#include "proto/tm.h"
#include "tests/lib/qm.h"

#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"
#define INIT_QUEUE "SYSTEM.DEFAULT.INITIATION.QUEUE"
#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	struct proc monitor;
	char program[PATH_MAX]; /* writes its arguments to `out` */
	char out[PATH_MAX];
};

/* The program is there as a whole or not at all, and so is what it writes. */
static void
write_program(const struct fixture *f)
{
	FILE *file = fopen(f->program, "we");

	assert_non_null(file);
	assert_true(fprintf(file,
			"#!/bin/sh\nprintf '%%s\\n' \"$@\" >'%s.$$'\n"
			"mv '%s.$$' '%s'\n"
			"test \"$1\" != stay || exec sleep 1000\n",
			f->out, f->out, f->out) > 0);
	assert_int_equal(fchmod(fileno(file), 0700), 0);
	assert_int_equal(fclose(file), 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	(void)snprintf(
	    f->program, sizeof(f->program), "%.4000s/program", f->dir.path);
	(void)snprintf(f->out, sizeof(f->out), "%.4000s/out", f->dir.path);
	(void)snprintf(f->monitor.log, sizeof(f->monitor.log),
	    "%.4000s/monitor.log", f->dir.path);
	write_program(f);
	qm_mqsc(&f->qm,
	    "DEFINE QLOCAL(Q) TRIGGER PROCESS(P) TRIGDATA('the data') "
	    "INITQ(" INIT_QUEUE ")\n");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->monitor.pid != 0)
		proc_kill9(&f->monitor);
	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
start_monitor(struct fixture *f, const char *option, const char *value)
{
	char bin[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	proc_start(&f->monitor,
	    (const char *const[]){bin, "trigger-monitor", "QM1", "--root",
		f->qm.root, option, value, NULL},
	    NULL);
}

static void
run_monitor_once(struct fixture *f)
{
	start_monitor(f, "--once", NULL);
	if (proc_wait(&f->monitor) != 0)
		proc_die(&f->monitor, "mqadmin trigger-monitor --once");
}

/* attrs: of the process; %s is the program. */
static void
define_process(struct fixture *f, const char *attrs)
{
	char command[2 * PATH_MAX], text[2 * PATH_MAX];
	const char *at = strstr(attrs, "%s");

	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - attrs), attrs,
	    f->program, at + 2);
	(void)snprintf(command, sizeof(command),
	    "DEFINE PROCESS(P) REPLACE %.4000s\n", text);
	qm_mqsc(&f->qm, command);
}

static void
put_on(struct fixture *f, const char *name, const void *body, size_t len,
    const char *format)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *q = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	(void)snprintf(md.format, sizeof(md.format), "%s", format);
	OK(mqi_open(conn, name, NULL, MQI_OO_OUTPUT, &q));
	OK(mqi_put(q, NULL, &md, body, len));
	OK(mqi_disconnect(conn));
}

/* What the program wrote, and takes it away. */
static char *
wait_for_output(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char *text = calloc(1, 8192);
	int fd;

	assert_non_null(text);
	while ((fd = open(f->out, O_RDONLY | O_CLOEXEC)) < 0) {
		assert_int_equal(errno, ENOENT);
		if (test_now_ms() > end)
			proc_die(&f->monitor, "no program was started");
		(void)poll(NULL, 0, 5);
	}
	assert_true(read(fd, text, 8191) > 0);
	(void)close(fd);
	assert_int_equal(unlink(f->out), 0);
	return text;
}

static mqi_msg *
take(struct fixture *f, const char *name)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &q));
	OK(mqi_get_msg(q, NULL, NULL, &msg));
	OK(mqi_disconnect(conn));
	return msg;
}

/* ---- the message ---- */

static void
test_the_trigger_message_is_ibms(void **state)
{
	struct fixture *f = *state;
	mqi_conn *conn = qm_connect(&f->qm);
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	const struct mqi_md *md;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	struct mqtm tm;

	define_process(f, "APPLICID('%s') USERDATA('user') ENVRDATA('env')");
	OK(mqi_open(conn, INIT_QUEUE, NULL, MQI_OO_INPUT_SHARED, &q));
	put_on(f, "Q", "m", 1, "MQSTR");
	OK(mqi_get_msg(q, NULL, &opts, &msg));
	md = mqi_msg_md(msg);
	assert_string_equal(md->format, "MQTRIG");
	assert_int_equal(md->msg_type, MQI_MT_DATAGRAM);
	assert_int_equal(md->persistence, MQI_PERSISTENCE_NO);
	assert_int_equal(md->priority, 0);
	assert_int_equal(md->encoding, 546);
	assert_int_equal(md->put_appl_type, 7);
	assert_string_equal(md->put_appl_name, "QM1");
	assert_string_equal(md->reply_to_qmgr, "QM1");
	assert_string_equal(md->user_identifier, "");
	assert_int_equal(mqi_msg_len(msg), MQTM_LEN);
	OK(mqtm_decode(mqi_msg_body(msg), mqi_msg_len(msg), &tm));
	assert_string_equal(tm.queue, "Q");
	assert_string_equal(tm.process, "P");
	assert_string_equal(tm.trigger_data, "the data");
	assert_string_equal(tm.appl_id, f->program);
	assert_string_equal(tm.user_data, "user");
	assert_string_equal(tm.env_data, "env");
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
}

/* ---- programs ---- */

static void
test_a_program_gets_its_words_and_the_trigger(void **state)
{
	struct fixture *f = *state;
	char *text, *line;

	define_process(f, "APPLICID('%s -a ''two words''') USERDATA('user') "
			  "ENVRDATA('last &')");
	put_on(f, "Q", "m", 1, "MQSTR");
	run_monitor_once(f);
	text = wait_for_output(f);
	assert_memory_equal(text, "-a\ntwo words\nTMC    2Q  ", 24);
	line = text + strlen("-a\ntwo words\n");
	assert_memory_equal(line + 56, "P   ", 4);
	assert_memory_equal(line + 104, "the data   ", 11);
	assert_memory_equal(line + 556, "user   ", 7);
	assert_memory_equal(line + 684, "QM1   ", 6);
	assert_string_equal(line + MQTM_TEXT_LEN, "\nlast\n");
	free(text);
}

static void
test_no_shell_reads_a_definition(void **state)
{
	static const char words[] =
	    ";touch\n$HOME\n`id`\n$(id)\n|\n&\n>\nx\nTMC ";
	struct fixture *f = *state;
	char *text;

	define_process(f, "APPLICID('%s ;touch $HOME `id` $(id) | & > x') "
			  "ENVRDATA('; id')");
	qm_mqsc(&f->qm, "ALTER QLOCAL(Q) TRIGDATA(''';id;''$(id)')\n");
	put_on(f, "Q", "m", 1, "MQSTR");
	run_monitor_once(f);
	text = wait_for_output(f);
	assert_memory_equal(text, words, strlen(words));
	assert_non_null(strstr(text, "';id;'$(id) "));
	assert_string_equal(text + strlen(text) - 6, "\n;\nid\n");
	free(text);
}

static void
wait_for_monitor(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *conn = qm_connect(&f->qm);
	struct mqi_queue_info info = {0};
	mqi_queue *q = NULL;

	OK(mqi_open(conn, INIT_QUEUE, NULL, MQI_OO_INQUIRE, &q));
	while (info.open_input == 0) {
		OK(mqi_inquire(q, &info));
		if (test_now_ms() > end)
			proc_die(&f->monitor, "nobody opens the queue");
		(void)poll(NULL, 0, 5);
	}
	OK(mqi_disconnect(conn));
}

static void
test_a_monitor_goes_on_until_it_is_ended(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm, "ALTER QLOCAL(Q) TRIGTYPE(EVERY)\n");
	define_process(f, "APPLICID('%s')");
	start_monitor(f, "-q", INIT_QUEUE);
	wait_for_monitor(f);
	for (int i = 0; i < 3; i++) {
		put_on(f, "Q", "m", 1, "MQSTR");
		free(wait_for_output(f));
	}
	proc_stop(&f->monitor);
}

static pid_t
started_pid(struct fixture *f)
{
	FILE *log = fopen(f->monitor.log, "re");
	char line[256];
	int pid = 0;

	assert_non_null(log);
	while (fgets(line, sizeof(line), log) != NULL)
		(void)sscanf(line, "P started for Q, process %d", &pid);
	(void)fclose(log);
	return pid;
}

static void
test_programs_outlive_the_monitor(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	define_process(f, "APPLICID('%s stay')");
	put_on(f, "Q", "m", 1, "MQSTR");
	start_monitor(f, "--max", "1");
	free(wait_for_output(f));
	/* also while it waits for one to end */
	proc_stop(&f->monitor);
	pid = started_pid(f);
	assert_true(pid > 0);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

/* ---- what cannot be started ---- */

static void
expect_dead(struct fixture *f, uint32_t reason)
{
	mqi_msg *msg;
	struct mqdlh h;

	run_monitor_once(f);
	msg = take(f, DEAD_QUEUE);
	assert_string_equal(mqi_msg_md(msg)->format, MQDLH_FORMAT);
	OK(mqdlh_decode(mqi_msg_body(msg), mqi_msg_len(msg), &h));
	assert_int_equal(h.reason, reason);
	assert_string_equal(h.queue, INIT_QUEUE);
	assert_string_equal(h.qmgr, "QM1");
	mqi_msg_free(msg);
}

static void
test_what_cannot_be_started_is_a_dead_letter(void **state)
{
	struct fixture *f = *state;
	uint8_t body[MQTM_LEN];
	struct mqtm tm = {.queue = "Q", .process = "UNKNOWN", .appl_type = 6};

	define_process(f, "APPLICID('%s.not.there')");
	put_on(f, "Q", "m", 1, "MQSTR");
	expect_dead(f, MQI_FB_APPL_CANNOT_BE_STARTED);
	/* it is still there, and the monitor tells the next one again */
	define_process(f, "APPLICID('%s') APPLTYPE(CICS)");
	expect_dead(f, MQI_FB_APPL_TYPE_ERROR);
	define_process(f, "APPLICID('\"%s')");
	expect_dead(f, MQI_FB_APPL_CANNOT_BE_STARTED);
	qm_mqsc(&f->qm, "CLEAR QLOCAL(Q)\n");
	/* what others put */
	put_on(f, INIT_QUEUE, "junk", 4, "MQTRIG");
	expect_dead(f, MQI_FB_TM_ERROR);
	mqtm_encode(&tm, body);
	put_on(f, INIT_QUEUE, body, sizeof(body), "MQSTR");
	expect_dead(f, MQI_FB_TM_ERROR);
	put_on(f, INIT_QUEUE, body, sizeof(body), "MQTRIG");
	expect_dead(f, MQI_FB_APPL_CANNOT_BE_STARTED);
}

static void
test_a_forged_message_starts_what_is_defined_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct mqtm tm = {.queue = "X",
	    .process = "P",
	    .appl_type = 6,
	    .appl_id = "/bin/false",
	    .env_data = "forged"};
	uint8_t body[MQTM_LEN];
	char *text;

	define_process(f, "APPLICID('%s')");
	mqtm_encode(&tm, body);
	put_on(f, INIT_QUEUE, body, sizeof(body), "MQTRIG");
	run_monitor_once(f);
	/* a name is not a pattern */
	strcpy(tm.process, "P*");
	mqtm_encode(&tm, body);
	put_on(f, INIT_QUEUE, body, sizeof(body), "MQTRIG");
	expect_dead(f, MQI_FB_APPL_CANNOT_BE_STARTED);
	text = wait_for_output(f);
	assert_memory_equal(text, "TMC    2X  ", 11);
	assert_string_equal(text + MQTM_TEXT_LEN, "\n");
	free(text);
}

static void
test_without_a_dead_letter_queue_it_is_not_in_the_way(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm, "ALTER QMGR DEADQ(' ')\n");
	define_process(f, "APPLICID('%s')");
	put_on(f, INIT_QUEUE, "junk", 4, "MQTRIG");
	put_on(f, "Q", "m", 1, "MQSTR");
	run_monitor_once(f);
	free(wait_for_output(f));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_the_trigger_message_is_ibms),
	    T(test_a_program_gets_its_words_and_the_trigger),
	    T(test_no_shell_reads_a_definition),
	    T(test_a_monitor_goes_on_until_it_is_ended),
	    T(test_programs_outlive_the_monitor),
	    T(test_what_cannot_be_started_is_a_dead_letter),
	    T(test_a_forged_message_starts_what_is_defined_and_nothing_else),
	    T(test_without_a_dead_letter_queue_it_is_not_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

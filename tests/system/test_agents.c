/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_agents.c - supervision: a real queue manager whose agents are a shell
 * script that does what each test tells it to.
 *
 * The script notes its arguments, and then runs the file `behave`.
 */
#include <limits.h>
#include <poll.h>
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

#include "libmq/agent.h"
#include "tests/lib/qm.h"
#include "tests/lib/tmpdir.h"

#define QUEUES                                      \
	"DEFINE QLOCAL(QM2) USAGE(XMITQ) REPLACE\n" \
	"DEFINE QREMOTE(FAR) RNAME(Q) RQMNAME(QM2) REPLACE\n"
#define CHANNEL                                               \
	QUEUES "DEFINE CHANNEL(A.B) CHLTYPE(SDR) XMITQ(QM2) " \
	       "CONNAME('localhost(1)') SSLPEER('CN=QM2') "   \
	       "SHORTRTY(1) SHORTTMR(1) LONGRTY(0)\n"

struct fixture {
	struct tmpdir dir;
	struct qm q;
	mqi_conn *conn;
	mqi_conn *admin;
	char script[PATH_MAX];
};

static void
write_file(const struct fixture *f, const char *name, const char *text)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%.3000s/%s", f->dir.path, name);
	(void)snprintf(tmp, sizeof(tmp), "%.3500s.new", path);
	out = fopen(tmp, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(tmp, 0755), 0);
	assert_int_equal(rename(tmp, path), 0);
}

/* How often the script was called with this in its arguments. */
static unsigned
calls(const struct fixture *f, const char *what)
{
	char path[PATH_MAX], line[4096];
	unsigned n = 0;
	FILE *in;

	(void)snprintf(path, sizeof(path), "%.3000s/calls", f->dir.path);
	in = fopen(path, "r");
	if (in == NULL)
		return 0;
	while (fgets(line, sizeof(line), in) != NULL)
		if (strstr(line, what) != NULL)
			n++;
	(void)fclose(in);
	return n;
}

static void
behave(const struct fixture *f, const char *how)
{
	write_file(f, "behave", how);
}

static void
start(struct fixture *f)
{
	struct mqagent_opts opts = {.root = f->q.root,
	    .app_name = "test",
	    .channel = "",
	    .address = "",
	    .timeout_ms = PROC_DEADLINE_MS};
	char bin[PATH_MAX];

	proc_bin("qmgr", bin, sizeof(bin));
	proc_start(&f->q.proc,
	    (const char *const[]){
		bin, f->q.name, "--root", f->q.root, "--mca", f->script, NULL},
	    NULL);
	f->conn = qm_try_connect(&f->q);
	assert_non_null(f->conn);
	assert_int_equal(mqagent_connect(f->q.name, &opts, &f->admin), MQI_OK);
}

static void
disconnect(struct fixture *f)
{
	(void)mqi_disconnect(f->conn);
	(void)mqi_disconnect(f->admin);
	f->conn = NULL;
	f->admin = NULL;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[PATH_MAX + 128];

	assert_non_null(f);
	tmpdir_make(&f->dir);
	(void)snprintf(text, sizeof(text),
	    "#!/bin/sh\ncd %.3000s\necho $$ \"$@\" >>calls\n. ./behave\n",
	    f->dir.path);
	write_file(f, "mca", text);
	(void)snprintf(
	    f->script, sizeof(f->script), "%.3000s/mca", f->dir.path);
	behave(f, "exit 0\n");
	qm_create(&f->q, &f->dir, "QM1");
	start(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	disconnect(f);
	proc_kill9(&f->q.proc);
	qm_fini(&f->q);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- what the queue manager shows ---- */

struct wanted {
	const char *keyword;
	char value[1024];
	bool have;
};

static void
on_row(void *arg, const struct mqctl_list *row)
{
	struct wanted *w = arg;
	const char *value = mqctl_list_get(row, w->keyword);

	w->have = true;
	if (value != NULL)
		(void)snprintf(w->value, sizeof(w->value), "%s", value);
}

/* "" if there is no status at all. */
static void
show(const struct fixture *f, enum mqctl_noun noun, const char *name,
    struct wanted *w)
{
	static struct mqctl_command c;
	char text[512];

	memset(&c, 0, sizeof(c));
	c.verb = MQCTL_DISPLAY;
	c.noun = noun;
	c.flags = MQCTL_ALL;
	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	mqctl_list_init(&c.attrs);
	w->have = false;
	w->value[0] = '\0';
	(void)!mqagent_command(f->admin, &c, on_row, w, text, sizeof(text));
}

static void
await_status(const struct fixture *f, enum mqctl_noun noun, const char *name,
    const char *status)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct wanted w = {.keyword = "STATUS"};

	for (;;) {
		show(f, noun, name, &w);
		if (strcmp(w.value, status) == 0)
			return;
		if (test_now_ms() > end) {
			proc_print_log(&f->q.proc);
			fail_msg("%s is %s, not %s", name, w.value, status);
		}
		(void)poll(NULL, 0, 5);
	}
}

static void
await_calls(const struct fixture *f, const char *what, unsigned n)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (calls(f, what) < n) {
		if (test_now_ms() > end) {
			proc_print_log(&f->q.proc);
			fail_msg(
			    "%u calls of %s, not %u", calls(f, what), what, n);
		}
		(void)poll(NULL, 0, 5);
	}
}

static void
put_far(const struct fixture *f)
{
	mqi_queue *queue;
	struct mqi_md md;

	assert_int_equal(
	    mqi_open(f->conn, "FAR", NULL, MQI_OO_OUTPUT, &queue), MQI_OK);
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	assert_int_equal(mqi_put(queue, NULL, &md, "x", 1), MQI_OK);
	(void)mqi_close(queue);
}

/* ---- channels ---- */

static void
test_start_runs_the_agent_with_its_arguments(void **state)
{
	struct fixture *f = *state;
	struct wanted w = {.keyword = "JOBNAME"};
	char args[PATH_MAX];

	behave(f, "exec sleep 1000\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	(void)snprintf(args, sizeof(args),
	    "dial --qmgr QM1 --root %.3000s --channel A.B", f->q.root);
	await_calls(f, args, 1);
	await_status(f, MQCTL_CHSTATUS, "A.B", "STARTING");
	show(f, MQCTL_CHSTATUS, "A.B", &w);
	assert_true(atoi(w.value) > 0);
	assert_int_equal(kill(atoi(w.value), 0), 0);
}

static void
test_message_on_the_transmission_queue_starts_its_channel(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->q, CHANNEL);
	assert_int_equal(calls(f, "--channel A.B"), 0);
	put_far(f);
	await_calls(f, "--channel A.B", 1);
}

static void
test_channel_defined_after_its_work_starts(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->q, QUEUES);
	put_far(f);
	qm_mqsc(&f->q, "DEFINE CHANNEL(A.B) CHLTYPE(SDR) XMITQ(QM2) "
		       "CONNAME('localhost(1)') SSLPEER('CN=QM2')\n");
	await_calls(f, "--channel A.B", 1);
}

static void
test_work_that_is_left_starts_the_channel_after_a_restart(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->q, QUEUES);
	put_far(f);
	disconnect(f);
	proc_kill9(&f->q.proc);
	start(f);
	qm_mqsc(&f->q, CHANNEL);
	await_calls(f, "--channel A.B", 1);
}

static void
test_failures_are_retried_and_then_the_channel_stops(void **state)
{
	struct fixture *f = *state;
	uint64_t before = test_now_ms();

	behave(f, "exit 1\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_status(f, MQCTL_CHSTATUS, "A.B", "RETRYING");
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
	assert_true(test_now_ms() - before >= 1000);
	assert_int_equal(calls(f, "--channel A.B"), 2);
	/* work does not start what is stopped; a person does */
	put_far(f);
	behave(f, "exec sleep 1000\n");
	qm_mqsc(&f->q, "START CHANNEL(A.B)\n");
	await_calls(f, "--channel A.B", 3);
	assert_int_equal(calls(f, "--channel A.B"), 3);
}

static void
test_stop_ends_one_that_ignores_sigterm(void **state)
{
	struct fixture *f = *state;

	behave(f, "trap '' TERM\necho deaf >>calls\nexec sleep 1000\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_calls(f, "deaf", 1);
	qm_mqsc(&f->q, "STOP CHANNEL(A.B)\n");
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPING");
	/* its instance alone, once more: the channel stays stopped */
	qm_mqsc(&f->q, "STOP CHANNEL(A.B) CONNAME(' ')\n");
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
}

static void
test_stop_is_kept_over_a_restart(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->q, CHANNEL "STOP CHANNEL(A.B)\n");
	disconnect(f);
	proc_kill9(&f->q.proc);
	start(f);
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
	put_far(f);
	/* the start is asked for after the work */
	qm_mqsc(&f->q, "ALTER CHANNEL(A.B) CHLTYPE(SDR) DESCR('x')\n");
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
	assert_int_equal(calls(f, "--channel A.B"), 0);
	qm_mqsc(&f->q, "START CHANNEL(A.B)\n");
	await_calls(f, "--channel A.B", 1);
	disconnect(f);
	proc_kill9(&f->q.proc);
	start(f);
	await_calls(f, "--channel A.B", 2);
}

static void
test_channel_defined_again_is_not_stopped_any_more(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->q, CHANNEL "STOP CHANNEL(A.B)\n"
			       "DELETE CHANNEL(A.B)\n" CHANNEL);
	await_status(f, MQCTL_CHSTATUS, "A.B", "");
	put_far(f);
	await_calls(f, "--channel A.B", 1);
}

static void
test_crash_is_shown_and_retried(void **state)
{
	struct fixture *f = *state;

	behave(f, "kill -9 $$\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_calls(f, "--channel A.B", 2);
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
}

static void
test_program_that_cannot_be_run_is_an_error_that_names_it(void **state)
{
	struct fixture *f = *state;
	struct wanted w = {.keyword = "ERROR"};

	assert_int_equal(unlink(f->script), 0);
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_status(f, MQCTL_CHSTATUS, "A.B", "STOPPED");
	show(f, MQCTL_CHSTATUS, "A.B", &w);
	assert_non_null(strstr(w.value, f->script));
	assert_non_null(strstr(w.value, "cannot be run"));
}

static void
test_agents_inherit_no_descriptor_of_the_queue_manager(void **state)
{
	struct fixture *f = *state;

	/* 10 and above are the shell's own */
	behave(f, "for d in /proc/$$/fd/[3-9]; do\n"
		  "readlink $d | grep -v behave >>calls; done\n"
		  "echo listed >>calls\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_calls(f, "listed", 1);
	assert_int_equal(calls(f, "data.mdb"), 0);
	assert_int_equal(calls(f, "lock"), 0);
	assert_int_equal(calls(f, "socket:"), 0);
	assert_int_equal(calls(f, "anon_inode"), 0);
}

/* ---- listeners ---- */

static void
test_listener_starts_with_the_queue_manager_and_when_it_dies(void **state)
{
	struct fixture *f = *state;
	struct wanted w = {.keyword = "PID"};
	int pid;

	behave(f, "exec sleep 1000\n");
	qm_mqsc(&f->q,
	    "DEFINE LISTENER(L1) TRPTYPE(TCP) PORT(1) CONTROL(QMGR)\n"
	    "DEFINE LISTENER(L2) TRPTYPE(TCP) PORT(2) CONTROL(MANUAL)\n");
	disconnect(f);
	proc_stop(&f->q.proc);
	assert_int_equal(calls(f, "--listener"), 0);
	start(f);
	await_calls(f, "listener --qmgr QM1", 1);
	assert_int_equal(calls(f, "--listener L2"), 0);
	show(f, MQCTL_LSSTATUS, "L1", &w);
	pid = atoi(w.value);
	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	await_calls(f, "--listener L1", 2);
	qm_mqsc(&f->q, "STOP LISTENER(L1)\n");
	await_status(f, MQCTL_LSSTATUS, "L1", "STOPPED");
	assert_int_equal(calls(f, "--listener L1"), 2);
}

static void
test_stop_of_the_queue_manager_ends_agents(void **state)
{
	struct fixture *f = *state;
	struct wanted w = {.keyword = "JOBNAME"};

	behave(f, "exec sleep 1000\n");
	qm_mqsc(&f->q, CHANNEL "START CHANNEL(A.B)\n");
	await_calls(f, "--channel A.B", 1);
	show(f, MQCTL_CHSTATUS, "A.B", &w);
	proc_stop(&f->q.proc);
	assert_int_equal(kill(atoi(w.value), 0), -1);
}

/* ---- instances ---- */

static void
count_row(void *arg, const struct mqctl_list *row)
{
	(void)row;
	++*(unsigned *)arg;
}

/* STOP CHANNEL(IN) with one parameter. */
static enum mqi_err
stop_some(const struct fixture *f, const char *keyword, const char *value)
{
	static struct mqctl_command c;
	char text[512];
	enum mqi_err err;

	memset(&c, 0, sizeof(c));
	c.verb = MQCTL_STOP;
	c.noun = MQCTL_CHANNEL;
	strcpy(c.name, "IN");
	mqctl_list_init(&c.attrs);
	assert_int_equal(mqctl_list_add(&c.attrs, keyword, value), MQI_OK);
	assert_int_equal(mqctl_list_add(&c.attrs, "MODE", "FORCE"), MQI_OK);
	err = mqagent_command(f->admin, &c, NULL, NULL, text, sizeof(text));
	mqctl_list_fini(&c.attrs);
	return err;
}

static void
await_instances(const struct fixture *f, unsigned want)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct mqctl_command c = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_CHSTATUS, .flags = MQCTL_ALL};
	char text[512];
	unsigned n;

	strcpy(c.name, "IN");
	mqctl_list_init(&c.attrs);
	for (;;) {
		n = 0;
		(void)!mqagent_command(
		    f->admin, &c, count_row, &n, text, sizeof(text));
		if (n == want)
			return;
		if (test_now_ms() > end)
			fail_msg("%u instances, not %u", n, want);
		(void)poll(NULL, 0, 5);
	}
}

static enum mqi_err
ping(mqi_conn *conn)
{
	struct mqctl_command c = {.verb = MQCTL_DISPLAY, .noun = MQCTL_QMGR};
	char text[512];

	mqctl_list_init(&c.attrs);
	return mqagent_command(conn, &c, NULL, NULL, text, sizeof(text));
}

static mqi_conn *
come_from(const struct fixture *f, const char *address, const char *partner)
{
	struct mqagent_opts opts = {.root = f->q.root,
	    .app_name = "test",
	    .channel = "IN",
	    .address = address,
	    .timeout_ms = PROC_DEADLINE_MS};
	struct mqctl_list status;
	mqi_conn *c = NULL;

	assert_int_equal(mqagent_connect(f->q.name, &opts, &c), MQI_OK);
	mqctl_list_init(&status);
	assert_int_equal(mqctl_list_add(&status, "state", "BINDING"), MQI_OK);
	assert_int_equal(
	    mqctl_list_add(&status, "partner_qmgr", partner), MQI_OK);
	assert_int_equal(mqagent_status(c, &status), MQI_OK);
	mqctl_list_fini(&status);
	/* what comes behind the status is answered behind it */
	assert_int_equal(ping(c), MQI_OK);
	return c;
}

static void
test_stop_by_conname_or_qmname_ends_those_instances_alone(void **state)
{
	struct fixture *f = *state;
	mqi_conn *c[4];

	qm_mqsc(&f->q, "DEFINE CHANNEL(IN) CHLTYPE(RCVR) SSLPEER('CN=*')\n");
	c[0] = come_from(f, "10.0.0.1(1)", "QM7");
	c[1] = come_from(f, "10.0.0.1(2)", "QM7");
	c[2] = come_from(f, "10.0.0.10(1)", "QM7");
	c[3] = come_from(f, "10.0.0.2(1)", "QM8");
	await_instances(f, 4);
	assert_int_equal(stop_some(f, "CONNAME", "10.0.0.3"), MQI_E_STATE);
	assert_int_equal(stop_some(f, "QMNAME", "QM9"), MQI_E_STATE);
	assert_int_equal(stop_some(f, "CONNAME", "10.0.0.1(2)"), MQI_OK);
	await_instances(f, 3);
	assert_int_equal(ping(c[0]), MQI_OK);
	assert_int_equal(stop_some(f, "CONNAME", "10.0.0.1"), MQI_OK);
	await_instances(f, 2);
	assert_int_equal(ping(c[2]), MQI_OK);
	assert_int_equal(stop_some(f, "QMNAME", "QM8"), MQI_OK);
	await_instances(f, 1);
	assert_int_equal(ping(c[2]), MQI_OK);
	/* the channel itself is not stopped: partners may come again */
	for (unsigned i = 0; i < 4; i++)
		(void)mqi_disconnect(c[i]);
	c[0] = come_from(f, "10.0.0.1(3)", "QM7");
	await_instances(f, 1);
	(void)mqi_disconnect(c[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_start_runs_the_agent_with_its_arguments),
	    TEST(test_message_on_the_transmission_queue_starts_its_channel),
	    TEST(test_channel_defined_after_its_work_starts),
	    TEST(test_work_that_is_left_starts_the_channel_after_a_restart),
	    TEST(test_failures_are_retried_and_then_the_channel_stops),
	    TEST(test_stop_ends_one_that_ignores_sigterm),
	    TEST(test_stop_is_kept_over_a_restart),
	    TEST(test_channel_defined_again_is_not_stopped_any_more),
	    TEST(test_crash_is_shown_and_retried),
	    TEST(test_program_that_cannot_be_run_is_an_error_that_names_it),
	    TEST(test_agents_inherit_no_descriptor_of_the_queue_manager),
	    TEST(test_listener_starts_with_the_queue_manager_and_when_it_dies),
	    TEST(test_stop_of_the_queue_manager_ends_agents),
	    TEST(test_stop_by_conname_or_qmname_ends_those_instances_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

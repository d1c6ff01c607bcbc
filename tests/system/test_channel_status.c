/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_status.c - what DISPLAY CHSTATUS shows of a channel between two
 * real queue managers: at rest, stopped, at work, and while something that it
 * waits for does not come.
 *
 * Messages always go from QM1 to QM2.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libmq/agent.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define HBINT_S 60
#define LONG_LEN 20000000u /* more than the kernel's buffers hold */
#define VALUE_LEN 300u

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	int port;
	uint64_t last; /* number of the last message put; 0: none yet */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[512];

	f->port = proc_free_port();
	tmpdir_make(&f->dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	(void)snprintf(text, sizeof(text),
	    "ALTER QMGR MAXMSGL(30000000)\n"
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ) MAXMSGL(30000000)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM2') XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') MAXMSGL(30000000) HBINT(%d) "
	    "SHORTTMR(1)\n",
	    f->port, HBINT_S);
	qm_mqsc(&f->qm[0], text);
	(void)snprintf(text, sizeof(text),
	    "ALTER QMGR MAXMSGL(30000000)\n"
	    "DEFINE QLOCAL(IN) MAXMSGL(30000000)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=QM1') "
	    "MAXMSGL(30000000) HBINT(%d)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d)\n"
	    "START LISTENER(TCP)\n",
	    HBINT_S, f->port);
	qm_mqsc(&f->qm[1], text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- what is seen ---- */

struct seen {
	const char *keyword;
	char value[VALUE_LEN];
	unsigned rows;
	bool have;
};

static void
take_row(void *arg, const struct mqctl_list *row)
{
	struct seen *s = arg;
	const char *v = mqctl_list_get(row, s->keyword);

	s->rows++;
	s->have = v != NULL;
	(void)snprintf(s->value, sizeof(s->value), "%s", v != NULL ? v : "");
}

/* A field of the last row of DISPLAY CHSTATUS(channel) ALL. */
static void
look(const struct qm *q, const char *channel, struct seen *s)
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	mqi_conn *conn = qm_connect(q);
	char text[512];

	mqctl_list_init(&cmd->attrs);
	cmd->verb = MQCTL_DISPLAY;
	cmd->noun = MQCTL_CHSTATUS;
	cmd->flags = MQCTL_ALL;
	(void)snprintf(cmd->name, sizeof(cmd->name), "%s", channel);
	s->value[0] = '\0';
	s->rows = 0;
	s->have = false;
	(void)!mqagent_command(conn, cmd, take_row, s, text, sizeof(text));
	mqctl_command_fini(cmd);
	free(cmd);
	OK(mqi_disconnect(conn));
}

static void
value_of(struct fixture *f, int at, const char *keyword, char ret[VALUE_LEN])
{
	struct seen s = {.keyword = keyword};

	look(&f->qm[at], "C", &s);
	if (!s.have)
		fail_msg("QM%d does not show %s", at + 1, keyword);
	memcpy(ret, s.value, VALUE_LEN);
}

static bool
has(struct fixture *f, int at, const char *keyword)
{
	struct seen s = {.keyword = keyword};

	look(&f->qm[at], "C", &s);
	assert_int_equal(s.rows, 1);
	return s.have;
}

static void
await_of(struct fixture *f, int at, const char *channel, const char *keyword,
    const char *value)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct seen s = {.keyword = keyword};

	for (;;) {
		look(&f->qm[at], channel, &s);
		if (s.have && strcmp(s.value, value) == 0)
			return;
		if (test_now_ms() > end) {
			proc_print_log(&f->qm[0].proc);
			proc_print_log(&f->qm[1].proc);
			fail_msg("%s of %s at QM%d is '%s', not '%s'", keyword,
			    channel, at + 1, s.value, value);
		}
		(void)poll(NULL, 0, 20);
	}
}

static void
await(struct fixture *f, int at, const char *keyword, const char *value)
{
	await_of(f, at, "C", keyword, value);
}

static void
expect(struct fixture *f, int at, const char *keyword, const char *value)
{
	char is[VALUE_LEN];

	value_of(f, at, keyword, is);
	if (strcmp(is, value) != 0)
		fail_msg("%s of C at QM%d is '%s', not '%s'", keyword, at + 1,
		    is, value);
}

static uint64_t
number_of(struct fixture *f, int at, const char *keyword)
{
	char is[VALUE_LEN], *end;
	uint64_t v;

	value_of(f, at, keyword, is);
	v = strtoull(is, &end, 10);
	assert_true(end != is && *end == '\0');
	return v;
}

/* ---- messages ---- */

static void
put(struct fixture *f, unsigned n, size_t len)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	char *body = calloc(1, len);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	for (unsigned i = 0; i < n; i++)
		OK(mqi_put(queue, NULL, &md, body, len));
	OK(mqi_disconnect(conn));
	free(body);
	f->last += n;
}

/* The message so many before the last one. */
static void
await_number(struct fixture *f, int at, const char *keyword, unsigned before)
{
	char text[24];

	(void)snprintf(
	    text, sizeof(text), "%llu", (unsigned long long)(f->last - before));
	await(f, at, keyword, text);
}

/* One message goes all the way, and both ends wait for more. */
static void
come_to_rest(struct fixture *f)
{
	bool first = f->last == 0;

	put(f, 1, 10);
	if (first) {
		/* numbers begin somewhere */
		await(f, 0, "BATCHES", "1");
		f->last = number_of(f, 0, "LSTSEQNO");
	}
	await_number(f, 0, "LSTSEQNO", 0);
	await_number(f, 1, "LSTSEQNO", 0);
	await(f, 0, "SUBSTATE", "MQGET");
	await(f, 1, "SUBSTATE", "RECEIVE");
}

/* Stops the channel, changes both ends, and starts it. */
static void
restart_with(struct fixture *f, const char *attribute)
{
	char text[256];

	qm_mqsc(&f->qm[0], "STOP CHANNEL(C)\n");
	await(f, 0, "STATUS", "STOPPED");
	(void)snprintf(text, sizeof(text), "ALTER CHANNEL(C) CHLTYPE(SDR) %s\n",
	    attribute);
	qm_mqsc(&f->qm[0], text);
	(void)snprintf(text, sizeof(text),
	    "ALTER CHANNEL(C) CHLTYPE(RCVR) %s\n", attribute);
	qm_mqsc(&f->qm[1], text);
	qm_mqsc(&f->qm[0], "START CHANNEL(C)\n");
}

static void
signal_receiver(struct fixture *f, int signum)
{
	assert_int_equal(qm_signal_agents(&f->qm[1], "answer", signum), 1);
}

/* ---- tests ---- */

static void
test_a_channel_at_rest(void **state)
{
	static const char *const senders[] = {"XMITQ", "XQMSGSA", "SHORTRTS"};
	struct fixture *f = *state;
	char address[VALUE_LEN], text[64];

	come_to_rest(f);
	for (int i = 0; i < 2; i++) {
		expect(f, i, "CURMSGS", "0");
		await_number(f, i, "CURSEQNO", 0);
		expect(f, i, "INDOUBT", "NO");
		expect(f, i, "MCASTAT", "RUNNING");
		expect(f, i, "SECPROT", "TLSV13");
		expect(f, i, "NPMSPEED", "FAST");
		assert_int_equal(number_of(f, i, "KAINT"), HBINT_S + 60);
		for (unsigned k = 0; k < MQ_ARRAY_LEN(senders); k++)
			assert_int_equal(has(f, i, senders[k]), i == 0);
	}
	expect(f, 0, "XQMSGSA", "0");
	expect(f, 0, "MCAUSER", "");
	expect(f, 1, "MCAUSER", "partner");
	/* each end's own address is what the other one sees */
	value_of(f, 1, "CONNAME", address);
	expect(f, 0, "LOCLADDR", address);
	(void)snprintf(text, sizeof(text), "127.0.0.1(%d)", f->port);
	expect(f, 1, "LOCLADDR", text);
}

static void
test_a_partner_that_does_not_acknowledge(void **state)
{
	struct fixture *f = *state;

	come_to_rest(f);
	signal_receiver(f, SIGSTOP);
	put(f, 5, 10);
	await(f, 0, "SUBSTATE", "ENDBATCH");
	await_number(f, 0, "CURSEQNO", 0);
	await_number(f, 0, "LSTSEQNO", 5);
	expect(f, 0, "CURMSGS", "5");
	expect(f, 0, "INDOUBT", "YES");
	expect(f, 0, "XQMSGSA", "0");
	signal_receiver(f, SIGCONT);
	await_number(f, 0, "LSTSEQNO", 0);
	await(f, 0, "SUBSTATE", "MQGET");
	expect(f, 0, "CURMSGS", "0");
	expect(f, 0, "INDOUBT", "NO");
}

static void
test_a_partner_that_does_not_answer_a_heartbeat(void **state)
{
	struct fixture *f = *state;

	restart_with(f, "HBINT(4)");
	come_to_rest(f);
	signal_receiver(f, SIGSTOP);
	await(f, 0, "SUBSTATE", "HEARTBEAT");
	expect(f, 0, "STATUS", "RUNNING");
	signal_receiver(f, SIGCONT);
	await(f, 0, "SUBSTATE", "MQGET");
}

static void
test_a_connection_that_takes_no_more(void **state)
{
	struct fixture *f = *state;

	come_to_rest(f);
	signal_receiver(f, SIGSTOP);
	put(f, 1, LONG_LEN);
	await(f, 0, "SUBSTATE", "SEND");
	expect(f, 0, "CURMSGS", "1");
	signal_receiver(f, SIGCONT);
	await_number(f, 0, "LSTSEQNO", 0);
	await(f, 0, "SUBSTATE", "MQGET");
}

static void
test_a_stopped_channel_leaves_messages(void **state)
{
	struct fixture *f = *state;

	come_to_rest(f);
	qm_mqsc(&f->qm[0], "STOP CHANNEL(C)\n");
	await(f, 0, "STATUS", "STOPPED");
	put(f, 3, 10);
	expect(f, 0, "XQMSGSA", "3");
	expect(f, 0, "CURMSGS", "0");
	expect(f, 0, "MCASTAT", "NOT RUNNING");
	expect(f, 0, "SUBSTATE", "");
	expect(f, 0, "LOCLADDR", "");
	await_number(f, 0, "LSTSEQNO", 3);
	qm_mqsc(&f->qm[0], "START CHANNEL(C)\n");
	await_number(f, 0, "LSTSEQNO", 0);
}

static void
test_a_put_that_is_refused(void **state)
{
	struct fixture *f = *state;

	come_to_rest(f);
	qm_mqsc(&f->qm[1], "ALTER QLOCAL(IN) PUT(DISABLED)\n");
	put(f, 2, 10);
	await(f, 1, "STATUS", "PAUSED");
	expect(f, 1, "SUBSTATE", "MQPUT");
	await(f, 1, "CURMSGS", "2");
	expect(f, 1, "INDOUBT", "NO");
	qm_mqsc(&f->qm[1], "ALTER QLOCAL(IN) PUT(ENABLED)\n");
	await(f, 1, "STATUS", "RUNNING");
	await(f, 1, "SUBSTATE", "RECEIVE");
	await(f, 1, "CURMSGS", "0");
}

/* "recent,longer"; *ret_many: the second one. */
static double
average(struct fixture *f, int at, const char *keyword, double *ret_many)
{
	char is[VALUE_LEN];
	double few;
	int used = 0;

	value_of(f, at, keyword, is);
	if (sscanf(is, "%lf,%lf%n", &few, ret_many, &used) != 2 ||
	    is[used] != '\0')
		fail_msg("%s is '%s'", keyword, is);
	return few;
}

static void
test_what_is_monitored(void **state)
{
	static const char *const monitored[] = {
	    "NETTIME", "XBATCHSZ", "XQTIME"};
	struct fixture *f = *state;
	double few, many;

	come_to_rest(f);
	for (unsigned i = 0; i < 2 * MQ_ARRAY_LEN(monitored) - 1; i++)
		expect(f, (int)i % 2, monitored[i / 2], "");
	expect(f, 0, "MONCHL", "OFF");
	expect(f, 1, "MONCHL", "OFF");
	/* by the queue manager's, for both */
	qm_mqsc(&f->qm[0], "ALTER QMGR MONCHL(HIGH)\n");
	qm_mqsc(&f->qm[1], "ALTER QMGR MONCHL(LOW)\n");
	expect(f, 0, "MONCHL", "OFF");
	qm_mqsc(&f->qm[0], "STOP CHANNEL(C)\n");
	await(f, 0, "STATUS", "STOPPED");
	expect(f, 0, "MONCHL", "HIGH");
	put(f, 10, 10);
	(void)poll(NULL, 0, 200); /* they grow older */
	qm_mqsc(&f->qm[0], "START CHANNEL(C)\n");
	await_number(f, 0, "LSTSEQNO", 0);
	await_number(f, 1, "LSTSEQNO", 0);
	expect(f, 0, "MONCHL", "HIGH");
	expect(f, 1, "MONCHL", "LOW");
	for (int i = 0; i < 2; i++) {
		few = average(f, i, "NETTIME", &many);
		assert_true(few >= 1 && few < 10e6);
		assert_true(many >= 1 && many < 10e6);
		/* all ten at once, or in a few groups */
		few = average(f, i, "XBATCHSZ", &many);
		assert_true(few >= 1 && few <= 10);
	}
	few = average(f, 0, "XQTIME", &many);
	assert_true(few >= 200e3 && few < 60e6);
	assert_true(many >= 200e3 && many < 60e6);
	/* by its own */
	restart_with(f, "MONCHL(OFF)");
	come_to_rest(f);
	for (unsigned i = 0; i < 2 * MQ_ARRAY_LEN(monitored) - 1; i++)
		expect(f, (int)i % 2, monitored[i / 2], "");
}

/* A socket that listens and accepts nothing; *ret_filler fills its backlog. */
static int
listen_deaf(int *ret_port, int *ret_filler)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && filler >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(
	    connect(filler, (struct sockaddr *)&at, sizeof(at)), 0);
	*ret_port = ntohs(at.sin_port);
	*ret_filler = filler;
	return fd;
}

static void
test_a_partner_that_cannot_be_reached(void **state)
{
	struct fixture *f = *state;
	int port, filler, fd = listen_deaf(&port, &filler);
	char text[128];
	int taken[2];

	(void)snprintf(text, sizeof(text),
	    "STOP CHANNEL(C)\n"
	    "ALTER CHANNEL(C) CHLTYPE(SDR) CONNAME('127.0.0.1(%d)')\n",
	    port);
	qm_mqsc(&f->qm[0], text);
	await(f, 0, "STATUS", "STOPPED");
	qm_mqsc(&f->qm[0], "START CHANNEL(C)\n");
	await(f, 0, "SUBSTATE", "NETCONNECT");
	expect(f, 0, "STATUS", "BINDING");
	/* now it gets a connection, but no word */
	taken[0] = accept(fd, NULL, NULL);
	taken[1] = accept(fd, NULL, NULL);
	assert_true(taken[0] >= 0 && taken[1] >= 0);
	await(f, 0, "SUBSTATE", "SSLHANDSHK");
	expect(f, 0, "STATUS", "BINDING");
	(void)close(taken[0]);
	(void)close(taken[1]);
	(void)close(filler);
	(void)close(fd);
	await(f, 0, "STATUS", "RETRYING");
	expect(f, 0, "SUBSTATE", "");
	expect(f, 0, "MCASTAT", "NOT RUNNING");
}

static void
test_an_application_by_tls(void **state)
{
	static const char *const not_its[] = {
	    "BATCHSZ", "CURMSGS", "SUBSTATE", "XMITQ", "SHORTRTS"};
	struct fixture *f = *state;
	struct seen s;
	char conname[64], keys[PATH_MAX];
	struct mqi_connect_opts opts = {.app_name = "test",
	    .conname = conname,
	    .channel = "APP",
	    .key_dir = keys};
	mqi_conn *conn = NULL;

	qm_issue(&f->qm[1], &f->dir, "app");
	qm_mqsc(&f->qm[1],
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app') HBINT(7)\n"
	    "REFRESH SECURITY\n");
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", f->port);
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", f->dir.path);
	OK(mqi_connect("QM2", &opts, &conn));
	await_of(f, 1, "APP", "LOCLADDR", conname);
	await_of(f, 1, "APP", "MCAUSER", "partner");
	await_of(f, 1, "APP", "SECPROT", "TLSV13");
	await_of(f, 1, "APP", "HBINT", "7");
	for (unsigned i = 0; i < MQ_ARRAY_LEN(not_its); i++) {
		s.keyword = not_its[i];
		look(&f->qm[1], "APP", &s);
		assert_int_equal(s.rows, 1);
		assert_false(s.have);
	}
	OK(mqi_disconnect(conn));
}

int
main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
	    T(test_a_channel_at_rest),
	    T(test_a_partner_that_does_not_acknowledge),
	    T(test_a_connection_that_takes_no_more),
	    T(test_a_stopped_channel_leaves_messages),
	    T(test_a_put_that_is_refused),
	    T(test_what_is_monitored),
	    T(test_a_partner_that_does_not_answer_a_heartbeat),
	    T(test_a_partner_that_cannot_be_reached),
	    T(test_an_application_by_tls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

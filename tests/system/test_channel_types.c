/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_types.c - channels of all types between two real queue
 * managers: who dials and who sends, in every combination, with kill -9 of
 * each process while messages flow; and the states that they show.
 *
 * Messages always go from QM1 to QM2.
 */
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

#include "libmq/agent.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define ROUND_MSGS 400u

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	int port[2];
	uint32_t put; /* numbers 1..put are on their way */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024];

	for (int i = 0; i < 2; i++) {
		f->port[i] = proc_free_port();
		if (i == 0)
			tmpdir_make(&f->dir);
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
		(void)snprintf(text, sizeof(text),
		    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') "
		    "PORT(%d) CONTROL(QMGR)\n"
		    "START LISTENER(TCP)\n",
		    f->port[i]);
		qm_mqsc(&f->qm[i], text);
	}
	qm_mqsc(
	    &f->qm[0], "DEFINE QLOCAL(QM2) USAGE(XMITQ) MAXDEPTH(100000)\n");
	qm_mqsc(
	    &f->qm[1], "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXDEPTH(100000)\n");
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

/* ---- definitions ---- */

/* calls: it gets a CONNAME. */
static void
define(struct fixture *f, int at, const char *type, bool calls)
{
	char text[512], conname[64] = "";

	if (calls)
		(void)snprintf(conname, sizeof(conname),
		    "CONNAME('127.0.0.1(%d)') SHORTRTY(100000) SHORTTMR(0)",
		    f->port[1 - at]);
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(C) CHLTYPE(%s) SSLPEER('CN=QM%d') HBINT(1) %s %s "
	    "%s\n",
	    type, 2 - at, at == 0 ? "XMITQ(QM2)" : "",
	    strcmp(type, "RQSTR") == 0 ? "MCAUSER('partner')" : "", conname);
	qm_mqsc(&f->qm[at], text);
}

/* ---- what is seen ---- */

struct seen {
	const char *keyword;
	char value[300];
	bool have;
};

static void
take_row(void *arg, const struct mqctl_list *row)
{
	struct seen *s = arg;
	const char *v = mqctl_list_get(row, s->keyword);

	if (v == NULL)
		return;
	s->have = true;
	(void)snprintf(s->value, sizeof(s->value), "%s", v);
}

/* A field of the last row of DISPLAY CHSTATUS(C); "" if there is none. */
static void
chstatus(const struct qm *q, struct seen *s)
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	mqi_conn *conn = qm_connect(q);
	char text[512];

	mqctl_list_init(&cmd->attrs);
	cmd->verb = MQCTL_DISPLAY;
	cmd->noun = MQCTL_CHSTATUS;
	(void)snprintf(cmd->name, sizeof(cmd->name), "C");
	s->value[0] = '\0';
	(void)!mqagent_command(conn, cmd, take_row, s, text, sizeof(text));
	mqctl_command_fini(cmd);
	free(cmd);
	OK(mqi_disconnect(conn));
}

static void
wait_for_status(
    struct fixture *f, int at, const char *keyword, const char *value)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct seen s = {.keyword = keyword};

	for (;;) {
		chstatus(&f->qm[at], &s);
		if (strcmp(s.value, value) == 0)
			return;
		if (test_now_ms() > end) {
			proc_print_log(&f->qm[0].proc);
			proc_print_log(&f->qm[1].proc);
			fail_msg("%s of C at QM%d is '%s', not '%s'", keyword,
			    at + 1, s.value, value);
		}
		(void)poll(NULL, 0, 20);
	}
}

static uint64_t
status_number(struct fixture *f, int at, const char *keyword)
{
	struct seen s = {.keyword = keyword};

	chstatus(&f->qm[at], &s);
	assert_true(s.have);
	return strtoull(s.value, NULL, 10);
}

static bool
status_has(struct fixture *f, int at, const char *keyword, const char *text)
{
	struct seen s = {.keyword = keyword};

	chstatus(&f->qm[at], &s);
	return strstr(s.value, text) != NULL;
}

/* ---- messages ---- */

static void
put_some(struct fixture *f, uint32_t n)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	char body[600] = "";
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(body, sizeof(body), "%u", ++f->put);
		OK(mqi_put_async(queue, NULL, &md, body, sizeof(body)));
	}
	OK(mqi_flush(queue));
	OK(mqi_disconnect(conn));
}

static void
get_all(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm[1]);
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	for (uint32_t i = 1; i <= f->put; i++) {
		enum mqi_err err = mqi_get_msg(queue, NULL, &opts, &msg);

		if (err != MQI_OK) {
			proc_print_log(&f->qm[0].proc);
			proc_print_log(&f->qm[1].proc);
			fail_msg("message %u: %s", i, mqi_strerror(err));
		}
		assert_int_equal(strtoul(mqi_msg_body(msg), NULL, 10), i);
		mqi_msg_free(msg);
	}
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

/* ---- combinations ---- */

/* kicker: where START CHANNEL is given, -1: messages start it. */
struct combination {
	const char *types[2];
	bool calls[2];
	int kicker;
	const char *kinds[2]; /* of the process that moves messages */
};

static void
kick(struct fixture *f, const struct combination *c)
{
	if (c->kicker < 0)
		return;
	qm_mqsc(&f->qm[c->kicker], "START CHANNEL(C) IGNSTATE(YES)\n");
}

static void
kill_one(struct fixture *f, const struct combination *c, unsigned which)
{
	if (which < 2) {
		(void)qm_signal_agents(&f->qm[which], c->kinds[which], SIGKILL);
		return;
	}
	proc_kill9(&f->qm[which - 2].proc);
	qm_start(&f->qm[which - 2]);
}

static void
survive(void **state, const struct combination *c)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		define(f, i, c->types[i], c->calls[i]);
	put_some(f, 1);
	kick(f, c);
	wait_for_status(f, 0, "STATUS", "RUNNING");
	wait_for_status(f, 1, "STATUS", "RUNNING");
	/* queue managers take a second each: test_channel.c kills those of a
	 * sender and a receiver */
	for (unsigned i = 0; i < (c->kicker >= 0 || test_is_long() ? 4 : 2);
	     i++) {
		put_some(f, ROUND_MSGS);
		kill_one(f, c, i);
		/* a requester that ran before its queue manager died starts
		 * by a person's word only */
		if (i == 3)
			kick(f, c);
		put_some(f, ROUND_MSGS);
	}
	get_all(f);
}

static void
test_sender_to_receiver(void **state)
{
	survive(state, &(struct combination){.types = {"SDR", "RCVR"},
			   .calls = {true, false},
			   .kicker = -1,
			   .kinds = {"dial", "answer"}});
}

static void
test_sender_to_requester(void **state)
{
	survive(state, &(struct combination){.types = {"SDR", "RQSTR"},
			   .calls = {true, true},
			   .kicker = -1,
			   .kinds = {"dial", "answer"}});
}

static void
test_server_to_receiver(void **state)
{
	survive(state, &(struct combination){.types = {"SVR", "RCVR"},
			   .calls = {true, false},
			   .kicker = -1,
			   .kinds = {"dial", "answer"}});
}

static void
test_server_to_requester(void **state)
{
	survive(state, &(struct combination){.types = {"SVR", "RQSTR"},
			   .calls = {true, true},
			   .kicker = -1,
			   .kinds = {"dial", "answer"}});
}

static void
test_requester_calls_server(void **state)
{
	survive(state, &(struct combination){.types = {"SVR", "RQSTR"},
			   .calls = {false, true},
			   .kicker = 1,
			   .kinds = {"answer", "dial"}});
}

/* Seconds until the kernel probes the partner, of the connection with this
 * port at one end; 0: the timer does not run. */
static unsigned
keep_alive_s(unsigned port, bool accepted)
{
	unsigned local, remote, state, timer;
	unsigned long when;
	char line[512];
	unsigned ret = 0;
	FILE *in = fopen("/proc/net/tcp", "r");

	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL) {
		if (sscanf(line, " %*u: %*x:%x %*x:%x %x %*x:%*x %x:%lx",
			&local, &remote, &state, &timer, &when) == 5 &&
		    state == 1 && (accepted ? local : remote) == port &&
		    timer == 2)
			ret = (unsigned)(when / 100) + 1;
	}
	(void)fclose(in);
	return ret;
}

static void
await_keep_alive(unsigned port, bool accepted, unsigned from, unsigned to)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	unsigned is;

	for (;;) {
		is = keep_alive_s(port, accepted);
		if (is >= from && is <= to)
			return;
		if (test_now_ms() > end)
			fail_msg("%u s, not %u to %u", is, from, to);
		(void)poll(NULL, 0, 20);
	}
}

/* PING CHANNEL(C); text has 512 bytes. */
static enum mqi_err
ping(const struct qm *q, char *text)
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	mqi_conn *conn = qm_connect(q);
	enum mqi_err err;

	mqctl_list_init(&cmd->attrs);
	cmd->verb = MQCTL_PING;
	cmd->noun = MQCTL_CHANNEL;
	(void)snprintf(cmd->name, sizeof(cmd->name), "C");
	err = mqagent_command(conn, cmd, NULL, NULL, text, 512);
	mqctl_command_fini(cmd);
	free(cmd);
	OK(mqi_disconnect(conn));
	return err;
}

static void
expect_ping(struct fixture *f, int at, enum mqi_err want, const char *sentence)
{
	char text[512] = "";
	enum mqi_err err = ping(&f->qm[at], text);

	if (err != want || strstr(text, sentence) == NULL) {
		proc_print_log(&f->qm[0].proc);
		proc_print_log(&f->qm[1].proc);
		fail_msg("%d, '%s'", err, text);
	}
}

static void
test_ping_goes_all_the_way_without_a_message(void **state)
{
	struct fixture *f = *state;

	define(f, 0, "SDR", true);
	expect_ping(f, 0, MQI_E_UNKNOWN_CHANNEL, "C");
	define(f, 1, "RCVR", false);
	expect_ping(f, 0, MQI_OK, "the partner QM2 answered within");
	expect_ping(f, 1, MQI_E_OBJECT_TYPE, "no CONNAME");
	/* the partner's word counts, as for messages */
	qm_mqsc(&f->qm[1], "STOP CHANNEL(C)\n");
	expect_ping(f, 0, MQI_E_CHANNEL_NOT_AVAILABLE, "");
	qm_mqsc(&f->qm[1], "START CHANNEL(C)\n");
	qm_mqsc(&f->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM9')\n");
	expect_ping(f, 0, MQI_E_NOT_AUTHORIZED, "SSLPEER");
	qm_mqsc(&f->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM2') "
			   "CONNAME('127.0.0.1(1)')\n");
	expect_ping(f, 0, MQI_E_HOST_NOT_AVAILABLE, "127.0.0.1(1)");
	qm_mqsc(&f->qm[0], "DELETE CHANNEL(C)\n");
	define(f, 0, "SDR", true);
	put_some(f, 10);
	wait_for_status(f, 0, "STATUS", "RUNNING");
	expect_ping(f, 0, MQI_E_STATE, "in use");
	get_all(f);
}

static void
test_a_requester_pings_its_server(void **state)
{
	struct fixture *f = *state;

	define(f, 0, "SVR", false);
	define(f, 1, "RQSTR", true);
	expect_ping(f, 1, MQI_OK, "the partner QM1 answered within");
	put_some(f, 10);
	qm_mqsc(&f->qm[1], "START CHANNEL(C)\n");
	get_all(f);
}

static void
test_kaint_has_tcp_look_after_the_partner(void **state)
{
	struct fixture *f = *state;
	unsigned port = (unsigned)f->port[1];

	define(f, 0, "SDR", true);
	define(f, 1, "RCVR", false);
	qm_mqsc(&f->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) KAINT(700)\n");
	put_some(f, 1);
	wait_for_status(f, 0, "STATUS", "RUNNING");
	wait_for_status(f, 1, "STATUS", "RUNNING");
	await_keep_alive(port, false, 600, 701);
	await_keep_alive(port, true, 1, 62); /* AUTO: HBINT and 60 */
}

static void
test_requester_calls_sender_which_calls_back(void **state)
{
	struct fixture *f = *state;

	define(f, 0, "SDR", true);
	define(f, 1, "RQSTR", true);
	/* nothing to send: only the request starts it */
	qm_mqsc(&f->qm[1], "START CHANNEL(C)\n");
	wait_for_status(f, 1, "STATUS", "RUNNING");
	wait_for_status(f, 0, "STATUS", "RUNNING");
	assert_int_equal(qm_signal_agents(&f->qm[0], "dial", 0), 1);
	assert_int_equal(qm_signal_agents(&f->qm[1], "dial", 0), 0);
	put_some(f, 10);
	get_all(f);
	/* what an administrator watches */
	wait_for_status(f, 0, "MSGS", "10");
	wait_for_status(f, 1, "MSGS", "10");
	wait_for_status(f, 0, "XMITQ", "QM2");
	wait_for_status(f, 0, "HBINT", "1");
	wait_for_status(f, 1, "BATCHSZ", "50");
	wait_for_status(f, 0, "STOPREQ", "NO");
	wait_for_status(f, 0, "SSLPEER", "CN=QM2");
	assert_true(status_number(f, 0, "BYTSSENT") > 10 * 600);
	assert_true(status_number(f, 1, "BYTSRCVD") > 10 * 600);
	assert_true(status_number(f, 0, "BYTSRCVD") > 0);
	assert_true(status_number(f, 0, "BUFSSENT") > 0);
	assert_true(status_has(f, 0, "LSTMSGDA", "-"));
	assert_true(status_has(f, 1, "RPRODUCT", "Sluice "));
	assert_true(status_has(f, 1, "SSLCIPH", "TLS"));
	assert_true(status_has(f, 1, "SSLCERTI", "CN="));
}

static void
test_requester_without_a_call_is_requesting_then_stops(void **state)
{
	struct fixture *f = *state;

	define(f, 0, "SDR", true);
	define(f, 1, "RQSTR", true);
	/* the sender cannot come through */
	qm_mqsc(&f->qm[0],
	    "ALTER CHANNEL(C) CHLTYPE(SDR) CONNAME('127.0.0.1(1)') "
	    "SHORTTMR(60)\n");
	qm_mqsc(&f->qm[1], "START CHANNEL(C)\n");
	wait_for_status(f, 1, "STATUS", "REQUESTING");
	wait_for_status(f, 0, "STATUS", "RETRYING");
	qm_mqsc(&f->qm[1], "STOP CHANNEL(C)\n");
	wait_for_status(f, 1, "STATUS", "STOPPED");
}

/* Whom it has called gets the rights of its MCAUSER, and no more. */
static void
test_requester_puts_as_its_user(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.keyword = "ERROR"};
	mqi_queue *dead = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *conn;

	define(f, 0, "SVR", false);
	define(f, 1, "RQSTR", true);
	qm_mqsc(&f->qm[1],
	    "DEFINE QLOCAL(DEAD)\n"
	    "ALTER QMGR DEADQ(DEAD)\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('poor') AUTHADD(CONNECT)\n"
	    "ALTER CHANNEL(C) CHLTYPE(RQSTR) MCAUSER('poor')\n"
	    "START CHANNEL(C)\n");
	put_some(f, 1);
	conn = qm_connect(&f->qm[1]);
	OK(mqi_open(conn, "DEAD", NULL, MQI_OO_INPUT_SHARED, &dead));
	OK(mqi_get_msg(dead, NULL,
	    &(struct mqi_get_opts){.wait_ms = PROC_DEADLINE_MS}, &msg));
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
	f->put = 0;
	get_all(f);
	qm_mqsc(&f->qm[1],
	    "STOP CHANNEL(C) MODE(FORCE) STATUS(INACTIVE)\n"
	    "ALTER CHANNEL(C) CHLTYPE(RQSTR) MCAUSER(' ') SHORTTMR(60)\n");
	wait_for_status(f, 1, "STATUS", "");
	qm_mqsc(&f->qm[1], "START CHANNEL(C)\n");
	wait_for_status(f, 1, "STATUS", "RETRYING");
	chstatus(&f->qm[1], &s);
	assert_non_null(strstr(s.value, "needs an MCAUSER"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_sender_to_receiver),
	    CASE(test_sender_to_requester),
	    CASE(test_server_to_receiver),
	    CASE(test_server_to_requester),
	    CASE(test_ping_goes_all_the_way_without_a_message),
	    CASE(test_a_requester_pings_its_server),
	    CASE(test_kaint_has_tcp_look_after_the_partner),
	    CASE(test_requester_calls_server),
	    CASE(test_requester_calls_sender_which_calls_back),
	    CASE(test_requester_puts_as_its_user),
	    CASE(test_requester_without_a_call_is_requesting_then_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

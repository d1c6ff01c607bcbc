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
#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define ROUND_MSGS 400u
#define MORE 596u /* bytes behind a number */

static int
setup(void **state)
{
	struct pair *p;

	(void)pair_setup(state);
	p = *state;
	qm_listen(&p->qm[0]);
	qm_mqsc(&p->qm[0], "ALTER QLOCAL(QM2) MAXDEPTH(100000)\n");
	qm_mqsc(&p->qm[1], "ALTER QLOCAL(IN) MAXDEPTH(100000)\n");
	return 0;
}

/* ---- definitions ---- */

/* calls: it gets a CONNAME. */
static void
define(struct pair *p, int at, const char *type, bool calls)
{
	char text[512], conname[64] = "";

	if (calls)
		(void)snprintf(conname, sizeof(conname),
		    "CONNAME('127.0.0.1(%d)') SHORTRTY(100000) SHORTTMR(0)",
		    p->qm[1 - at].port);
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(C) CHLTYPE(%s) SSLPEER('CN=QM%d') HBINT(1) %s %s "
	    "%s\n",
	    type, 2 - at, at == 0 ? "XMITQ(QM2)" : "",
	    strcmp(type, "RQSTR") == 0 ? "MCAUSER('partner')" : "", conname);
	qm_mqsc(&p->qm[at], text);
}

/* ---- what is seen ---- */

static void
wait_for_status(struct pair *p, int at, const char *keyword, const char *value)
{
	pair_wait_shown(p, at, MQCTL_CHSTATUS, "C", keyword, value);
}

static uint64_t
status_number(struct pair *p, int at, const char *keyword)
{
	char value[QM_VALUE_MAX];

	qm_shown(&p->qm[at], MQCTL_CHSTATUS, "C", keyword, value);
	assert_string_not_equal(value, "");
	return strtoull(value, NULL, 10);
}

static bool
status_has(struct pair *p, int at, const char *keyword, const char *text)
{
	char value[QM_VALUE_MAX];

	qm_shown(&p->qm[at], MQCTL_CHSTATUS, "C", keyword, value);
	return strstr(value, text) != NULL;
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
kick(struct pair *p, const struct combination *c)
{
	if (c->kicker < 0)
		return;
	qm_mqsc(&p->qm[c->kicker], "START CHANNEL(C) IGNSTATE(YES)\n");
}

static void
kill_one(struct pair *p, const struct combination *c, unsigned which)
{
	if (which < 2) {
		(void)qm_signal_agents(&p->qm[which], c->kinds[which], SIGKILL);
		return;
	}
	proc_kill9(&p->qm[which - 2].proc);
	qm_start(&p->qm[which - 2]);
}

static void
survive(void **state, const struct combination *c)
{
	struct pair *p = *state;

	for (int i = 0; i < 2; i++)
		define(p, i, c->types[i], c->calls[i]);
	pair_put(p, 1, MORE);
	kick(p, c);
	wait_for_status(p, 0, "STATUS", "RUNNING");
	wait_for_status(p, 1, "STATUS", "RUNNING");
	/* queue managers take a second each: test_channel.c kills those of a
	 * sender and a receiver */
	for (unsigned i = 0; i < (c->kicker >= 0 || test_is_long() ? 4 : 2);
	     i++) {
		pair_put(p, ROUND_MSGS, MORE);
		kill_one(p, c, i);
		/* a requester that ran before its queue manager died starts
		 * by a person's word only */
		if (i == 3)
			kick(p, c);
		pair_put(p, ROUND_MSGS, MORE);
	}
	pair_get(p);
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
expect_ping(struct pair *p, int at, enum mqi_err want, const char *sentence)
{
	char text[512] = "";
	enum mqi_err err = ping(&p->qm[at], text);

	if (err != want || strstr(text, sentence) == NULL) {
		proc_print_log(&p->qm[0].proc);
		proc_print_log(&p->qm[1].proc);
		fail_msg("%d, '%s'", err, text);
	}
}

static void
test_ping_goes_all_the_way_without_a_message(void **state)
{
	struct pair *p = *state;

	define(p, 0, "SDR", true);
	expect_ping(p, 0, MQI_E_UNKNOWN_CHANNEL, "C");
	define(p, 1, "RCVR", false);
	expect_ping(p, 0, MQI_OK, "the partner QM2 answered within");
	expect_ping(p, 1, MQI_E_OBJECT_TYPE, "no CONNAME");
	/* the partner's word counts, as for messages */
	qm_mqsc(&p->qm[1], "STOP CHANNEL(C)\n");
	expect_ping(p, 0, MQI_E_CHANNEL_NOT_AVAILABLE, "");
	qm_mqsc(&p->qm[1], "START CHANNEL(C)\n");
	qm_mqsc(&p->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM9')\n");
	expect_ping(p, 0, MQI_E_NOT_AUTHORIZED, "SSLPEER");
	qm_mqsc(&p->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM2') "
			   "CONNAME('127.0.0.1(1)')\n");
	expect_ping(p, 0, MQI_E_HOST_NOT_AVAILABLE, "127.0.0.1(1)");
	qm_mqsc(&p->qm[0], "DELETE CHANNEL(C)\n");
	define(p, 0, "SDR", true);
	pair_put(p, 10, MORE);
	wait_for_status(p, 0, "STATUS", "RUNNING");
	expect_ping(p, 0, MQI_E_STATE, "in use");
	pair_get(p);
}

static void
test_a_requester_pings_its_server(void **state)
{
	struct pair *p = *state;

	define(p, 0, "SVR", false);
	define(p, 1, "RQSTR", true);
	expect_ping(p, 1, MQI_OK, "the partner QM1 answered within");
	pair_put(p, 10, MORE);
	qm_mqsc(&p->qm[1], "START CHANNEL(C)\n");
	pair_get(p);
}

static void
test_kaint_has_tcp_look_after_the_partner(void **state)
{
	struct pair *p = *state;
	unsigned port = (unsigned)p->qm[1].port;

	define(p, 0, "SDR", true);
	define(p, 1, "RCVR", false);
	qm_mqsc(&p->qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) KAINT(700)\n");
	pair_put(p, 1, MORE);
	wait_for_status(p, 0, "STATUS", "RUNNING");
	wait_for_status(p, 1, "STATUS", "RUNNING");
	await_keep_alive(port, false, 600, 701);
	await_keep_alive(port, true, 1, 62); /* AUTO: HBINT and 60 */
}

static void
test_requester_calls_sender_which_calls_back(void **state)
{
	struct pair *p = *state;

	define(p, 0, "SDR", true);
	define(p, 1, "RQSTR", true);
	/* nothing to send: only the request starts it */
	qm_mqsc(&p->qm[1], "START CHANNEL(C)\n");
	wait_for_status(p, 1, "STATUS", "RUNNING");
	wait_for_status(p, 0, "STATUS", "RUNNING");
	assert_int_equal(qm_signal_agents(&p->qm[0], "dial", 0), 1);
	assert_int_equal(qm_signal_agents(&p->qm[1], "dial", 0), 0);
	pair_put(p, 10, MORE);
	pair_get(p);
	/* what an administrator watches */
	wait_for_status(p, 0, "MSGS", "10");
	wait_for_status(p, 1, "MSGS", "10");
	wait_for_status(p, 0, "XMITQ", "QM2");
	wait_for_status(p, 0, "HBINT", "1");
	wait_for_status(p, 1, "BATCHSZ", "50");
	wait_for_status(p, 0, "STOPREQ", "NO");
	wait_for_status(p, 0, "SSLPEER", "CN=QM2");
	assert_true(status_number(p, 0, "BYTSSENT") > 10 * 600);
	assert_true(status_number(p, 1, "BYTSRCVD") > 10 * 600);
	assert_true(status_number(p, 0, "BYTSRCVD") > 0);
	assert_true(status_number(p, 0, "BUFSSENT") > 0);
	assert_true(status_has(p, 0, "LSTMSGDA", "-"));
	assert_true(status_has(p, 1, "RPRODUCT", "Sluice "));
	assert_true(status_has(p, 1, "SSLCIPH", "TLS"));
	assert_true(status_has(p, 1, "SSLCERTI", "CN="));
}

static void
test_requester_without_a_call_is_requesting_then_stops(void **state)
{
	struct pair *p = *state;

	define(p, 0, "SDR", true);
	define(p, 1, "RQSTR", true);
	/* the sender cannot come through */
	qm_mqsc(&p->qm[0],
	    "ALTER CHANNEL(C) CHLTYPE(SDR) CONNAME('127.0.0.1(1)') "
	    "SHORTTMR(60)\n");
	qm_mqsc(&p->qm[1], "START CHANNEL(C)\n");
	wait_for_status(p, 1, "STATUS", "REQUESTING");
	wait_for_status(p, 0, "STATUS", "RETRYING");
	qm_mqsc(&p->qm[1], "STOP CHANNEL(C)\n");
	wait_for_status(p, 1, "STATUS", "STOPPED");
}

/* Whom it has called gets the rights of its MCAUSER, and no more. */
static void
test_requester_puts_as_its_user(void **state)
{
	struct pair *p = *state;
	mqi_queue *dead = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *conn;

	define(p, 0, "SVR", false);
	define(p, 1, "RQSTR", true);
	qm_mqsc(&p->qm[1],
	    "DEFINE QLOCAL(DEAD)\n"
	    "ALTER QMGR DEADQ(DEAD)\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('poor') AUTHADD(CONNECT)\n"
	    "ALTER CHANNEL(C) CHLTYPE(RQSTR) MCAUSER('poor')\n"
	    "START CHANNEL(C)\n");
	pair_put(p, 1, MORE);
	conn = qm_connect(&p->qm[1]);
	OK(mqi_open(conn, "DEAD", NULL, MQI_OO_INPUT_SHARED, &dead));
	OK(mqi_get_msg(dead, NULL,
	    &(struct mqi_get_opts){.wait_ms = PROC_DEADLINE_MS}, &msg));
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
	p->got = p->put;
	pair_get(p);
	qm_mqsc(&p->qm[1],
	    "STOP CHANNEL(C) MODE(FORCE) STATUS(INACTIVE)\n"
	    "ALTER CHANNEL(C) CHLTYPE(RQSTR) MCAUSER(' ') SHORTTMR(60)\n");
	wait_for_status(p, 1, "STATUS", "");
	qm_mqsc(&p->qm[1], "START CHANNEL(C)\n");
	wait_for_status(p, 1, "STATUS", "RETRYING");
	assert_true(status_has(p, 1, "ERROR", "needs an MCAUSER"));
}

/* Messages wait, and the channel for them is defined, deleted and defined. */
static void
test_what_waits_is_served_by_a_channel_that_comes_later(void **state)
{
	struct pair *p = *state;

	define(p, 1, "RCVR", false);
	pair_put(p, 3, MORE);
	define(p, 0, "SDR", true);
	pair_get(p);
	qm_mqsc(&p->qm[0], "STOP CHANNEL(C) STATUS(INACTIVE)\n");
	wait_for_status(p, 0, "STATUS", "");
	qm_mqsc(&p->qm[0], "DELETE CHANNEL(C)\n");
	pair_put(p, 3, MORE);
	define(p, 0, "SDR", true);
	pair_get(p);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, pair_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_sender_to_receiver),
	    CASE(test_what_waits_is_served_by_a_channel_that_comes_later),
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

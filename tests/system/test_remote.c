/* SPDX-License-Identifier: Apache-2.0 */
/* test_remote.c - applications of another host: libmq over TLS through a
 * listener and `mca clients` to a real queue manager. */
#include <limits.h>
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
#include <sys/stat.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define BOTH_WAYS (MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE)

static struct tmpdir dir;
static struct qm qm;
static int port;
static char conname[64];
static char keys[PATH_MAX];

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	port = qm_serve(&qm, &dir);
	qm_mqsc(&qm,
	    "DEFINE QLOCAL(Q) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n"
	    "DEFINE CHANNEL(OTHER) CHLTYPE(SVRCONN) SSLPEER('CN=other')\n"
	    "DEFINE CHANNEL(IN) CHLTYPE(RCVR) SSLPEER('CN=app')\n");
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", port);
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", dir.path);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
	return 0;
}

static struct mqi_connect_opts
remote_opts(void)
{
	return (struct mqi_connect_opts){.app_name = "test",
	    .conname = conname,
	    .channel = "APP",
	    .key_dir = keys};
}

static mqi_conn *
connect_by(const struct mqi_connect_opts *opts)
{
	mqi_conn *c = NULL;
	enum mqi_err err = mqi_connect("QM1", opts, &c);

	if (err != MQI_OK)
		fprintf(stderr, "connect: %d %s\n", err, mqi_last_error(NULL));
	OK(err);
	return c;
}

static void
test_put_and_get_by_tls(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	mqi_conn *c = connect_by(&opts);
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	OK(mqi_put(q, NULL, NULL, "hello", 5));
	OK(mqi_poll(q, NULL, &msg));
	assert_int_equal(mqi_msg_len(msg), 5);
	assert_memory_equal(mqi_msg_body(msg), "hello", 5);
	(void)mqi_msg_free(msg);
	assert_string_equal(mqi_qmgr_name(c), "QM1");
	OK(mqi_disconnect(c));
}

static void
assert_refused(const struct mqi_connect_opts *opts, enum mqi_err want,
    const char *sentence)
{
	mqi_conn *c = NULL;
	enum mqi_err err = mqi_connect("QM1", opts, &c);

	if (err != want || strstr(mqi_last_error(NULL), sentence) == NULL)
		fprintf(stderr, "%d instead of %d: %s\n", err, want,
		    mqi_last_error(NULL));
	assert_int_equal(err, want);
	assert_non_null(strstr(mqi_last_error(NULL), sentence));
}

static void
test_refusals_say_why(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	char nowhere[64];

	(void)state;
	opts.channel = "NOPE";
	assert_refused(&opts, MQI_E_UNKNOWN_CHANNEL, "NOPE");
	opts.channel = "IN";
	assert_refused(&opts, MQI_E_CHANNEL_CONFIG, "not for applications");
	opts.channel = "OTHER";
	assert_refused(&opts, MQI_E_NOT_AUTHORIZED, "not authorized to use");
	opts = remote_opts();
	opts.ssl_peer = "CN=QM2";
	assert_refused(&opts, MQI_E_SECURITY, "does not fit CN=QM2");
	opts = remote_opts();
	opts.key_dir = "/nonexistent";
	assert_refused(&opts, MQI_E_CERTIFICATE, "/nonexistent");
	opts = remote_opts();
	opts.channel = NULL;
	assert_refused(&opts, MQI_E_INVAL, "no channel");
	opts = remote_opts();
	(void)snprintf(
	    nowhere, sizeof(nowhere), "127.0.0.1(%d)", proc_free_port());
	opts.conname = nowhere;
	assert_refused(&opts, MQI_E_HOST_NOT_AVAILABLE, nowhere);
}

static void
test_hosts_are_tried_in_order(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	char list[128];

	(void)state;
	(void)snprintf(
	    list, sizeof(list), "127.0.0.1(%d),%s", proc_free_port(), conname);
	opts.conname = list;
	OK(mqi_disconnect(connect_by(&opts)));
}

static void
test_uri_and_environment_say_where(void **state)
{
	char uri[PATH_MAX + 128], server[128];
	mqi_conn *c = NULL;

	(void)state;
	(void)snprintf(uri, sizeof(uri),
	    "mqs://127.0.0.1:%d/QM1?channel=APP&keys=%s&timeout=5000", port,
	    keys);
	OK(mqi_connect(uri, NULL, &c));
	OK(mqi_disconnect(c));
	setenv("MQ_URI", uri, 1);
	OK(mqi_connect("", NULL, &c));
	assert_string_equal(mqi_qmgr_name(c), "QM1");
	OK(mqi_disconnect(c));
	unsetenv("MQ_URI");
	(void)snprintf(server, sizeof(server), "APP/TCP/%s", conname);
	setenv("MQSERVER", server, 1);
	setenv("MQSSLKEYR", keys, 1);
	OK(mqi_connect("QM1", NULL, &c));
	OK(mqi_disconnect(c));
	unsetenv("MQSERVER");
	unsetenv("MQSSLKEYR");
}

/* ---- who may do what ---- */

static void
test_an_application_has_the_rights_of_its_user(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	mqi_queue *q = NULL;
	mqi_conn *c;

	(void)state;
	qm_mqsc(&qm,
	    "DEFINE QLOCAL(SECRET)\n"
	    "DEFINE CHANNEL(STRANGER) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n"
	    "SET CHLAUTH(STRANGER) TYPE(SSLPEERMAP) SSLPEER('CN=app') "
	    "MCAUSER('stranger')\n"
	    "DEFINE CHANNEL(PUTTER) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n"
	    "SET CHLAUTH(PUTTER) TYPE(SSLPEERMAP) SSLPEER('CN=app') "
	    "MCAUSER('putter')\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('putter') AUTHADD(CONNECT)\n"
	    "SET AUTHREC PROFILE(Q) OBJTYPE(QUEUE) PRINCIPAL('putter') "
	    "AUTHADD(PUT)\n");
	opts.channel = "STRANGER";
	assert_refused(&opts, MQI_E_NOT_AUTHORIZED, "");
	opts.channel = "PUTTER";
	c = connect_by(&opts);
	assert_int_equal(mqi_open(c, "SECRET", NULL, MQI_OO_OUTPUT, &q),
	    MQI_E_NOT_AUTHORIZED);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_INPUT_SHARED, &q),
	    MQI_E_NOT_AUTHORIZED);
	OK(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q));
	OK(mqi_disconnect(c));
}

/* ---- limits, and the end by the administrator ---- */

static void
test_as_many_as_maxinst_may_connect(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	mqi_conn *c[2];

	(void)state;
	qm_mqsc(&qm, "DEFINE CHANNEL(FEW) CHLTYPE(SVRCONN) SSLPEER('CN=app') "
		     "MAXINST(2)\n"
		     "DEFINE CHANNEL(ONE) CHLTYPE(SVRCONN) SSLPEER('CN=app') "
		     "MAXINSTC(1)\n");
	opts.channel = "FEW";
	c[0] = connect_by(&opts);
	c[1] = connect_by(&opts);
	assert_refused(&opts, MQI_E_MAX_CONNS_LIMIT_REACHED, "as many");
	opts.channel = "ONE";
	OK(mqi_disconnect(c[1]));
	c[1] = connect_by(&opts);
	assert_refused(&opts, MQI_E_MAX_CONNS_LIMIT_REACHED, "as many");
	OK(mqi_disconnect(c[0]));
	OK(mqi_disconnect(c[1]));
}

static void
test_a_stopped_channel_ends_its_clients_and_takes_no_more(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = 60000};
	struct mqi_connect_opts opts = remote_opts();
	mqi_conn *c, *other;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	qm_mqsc(
	    &qm, "DEFINE CHANNEL(STOPS) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n");
	other = connect_by(&opts);
	opts.channel = "STOPS";
	c = connect_by(&opts);
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	qm_mqsc(&qm, "STOP CHANNEL(STOPS)\n");
	assert_int_equal(
	    mqi_get_msg(q, NULL, &wait, &msg), MQI_E_UNKNOWN_OUTCOME);
	assert_non_null(strstr(mqi_last_error(c), "stopped"));
	assert_refused(&opts, MQI_E_CHANNEL_NOT_AVAILABLE, "");
	(void)mqi_disconnect(c);
	/* the others do not notice */
	OK(mqi_open(other, "Q", NULL, BOTH_WAYS, &q));
	OK(mqi_disconnect(other));
	qm_mqsc(&qm, "START CHANNEL(STOPS)\n");
	OK(mqi_disconnect(connect_by(&opts)));
}

static void
test_one_that_rests_for_discint_is_ended(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = 3000};
	struct mqi_connect_opts opts = remote_opts();
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *waits, *rests;
	struct mqi_queue_info info;
	mqi_queue *q = NULL, *r = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	qm_mqsc(&qm, "DEFINE CHANNEL(SHORT) CHLTYPE(SVRCONN) SSLPEER('CN=app') "
		     "DISCINT(1) HBINT(1)\n");
	opts.channel = "SHORT";
	waits = connect_by(&opts);
	rests = connect_by(&opts);
	OK(mqi_open(rests, "Q", NULL, BOTH_WAYS, &r));
	OK(mqi_open(waits, "Q", NULL, BOTH_WAYS, &q));
	/* a get that waits is work */
	assert_int_equal(
	    mqi_get_msg(q, NULL, &wait, &msg), MQI_E_NO_MSG_AVAILABLE);
	while (mqi_inquire(r, &info) == MQI_OK) {
		assert_true(test_now_ms() < end);
		(void)poll(NULL, 0, 2500);
	}
	assert_non_null(strstr(mqi_last_error(rests), "DISCINT"));
	(void)mqi_disconnect(rests);
	(void)mqi_disconnect(waits);
}

/* ---- what breaks ---- */

static void
test_a_server_that_is_silent_counts_as_lost(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = 60000};
	struct mqi_connect_opts opts = remote_opts();
	uint64_t begin;
	mqi_conn *c;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	qm_mqsc(&qm, "DEFINE CHANNEL(BEATS) CHLTYPE(SVRCONN) SSLPEER('CN=app') "
		     "HBINT(1)\n");
	opts.channel = "BEATS";
	c = connect_by(&opts);
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	/* longer than the limit: heartbeats keep it */
	const struct mqi_get_opts longer = {.wait_ms = 4500};
	assert_int_equal(
	    mqi_get_msg(q, NULL, &longer, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_true(qm_signal_agents(&qm, "clients", SIGSTOP) > 0);
	begin = test_now_ms();
	assert_int_equal(
	    mqi_get_msg(q, NULL, &wait, &msg), MQI_E_UNKNOWN_OUTCOME);
	assert_true(test_now_ms() - begin < 20000);
	assert_non_null(strstr(mqi_last_error(c), "heard"));
	(void)qm_signal_agents(&qm, "clients", SIGCONT);
	(void)mqi_disconnect(c);
}

/* Numbers are put, each in a unit of its own with a position, while the agent
 * of all clients is killed: what was said of each put was true. */
static void
test_puts_across_kills_are_as_they_were_told(void **state)
{
	static const uint8_t stream[MQI_STREAM_ID_LEN] = {7};
	struct mqi_connect_opts opts = remote_opts();
	enum mqi_err err;
	uint64_t at = 0;
	uint32_t next = 1, kills = 0;
	mqi_conn *c;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	opts.flags = MQI_CONNECT_RECONNECT;
	opts.timeout_ms = 30000;
	c = connect_by(&opts);
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	while (next <= 300) {
		mqi_unit *u = NULL;

		if (next % 60 == 0 && kills < next / 60) {
			kills++;
			assert_true(
			    qm_signal_agents(&qm, "clients", SIGKILL) > 0);
		}
		err = mqi_position_open(c, "NUMBERS", stream, &at);
		if (err == MQI_E_CONNECTION_BROKEN)
			continue; /* it has changed nothing */
		OK(err);
		/* what the last commit did not know, the position does */
		assert_true(at == next || at == next - 1);
		if (at == next) {
			next++;
			continue;
		}
		OK(mqi_begin(c, &u));
		err = mqi_put(q, u, NULL, &next, sizeof(next));
		if (err == MQI_OK)
			err = mqi_unit_position(
			    u, "NUMBERS", stream, next - 1, next);
		if (err != MQI_OK) {
			(void)mqi_backout(u);
			continue;
		}
		err = mqi_commit(u);
		if (err == MQI_OK)
			next++;
	}
	assert_true(kills >= 4);
	for (uint32_t want = 1; want <= 300; want++) {
		uint32_t got = 0;

		OK(mqi_poll(q, NULL, &msg));
		memcpy(&got, mqi_msg_body(msg), sizeof(got));
		(void)mqi_msg_free(msg);
		assert_int_equal(got, want);
	}
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(c));
}

static void
test_it_comes_back_with_its_queue_manager(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct mqi_queue_info info;
	mqi_conn *c;
	mqi_queue *q = NULL;

	(void)state;
	opts.flags = MQI_CONNECT_RECONNECT;
	opts.timeout_ms = 30000;
	c = connect_by(&opts);
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	proc_kill9(&qm.proc);
	qm_start(&qm);
	while (mqi_inquire(q, &info) != MQI_OK)
		assert_true(test_now_ms() < end);
	OK(mqi_disconnect(c));
}

/* A client that does not take what it has asked for. */
static void
test_a_slow_reader_holds_up_nobody(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	const struct mqi_read_ahead window = {
	    .max_msgs = 1000, .max_bytes = 64u << 20};
	const struct mqi_get_opts wait = {.wait_ms = 10000};
	static char body[60000];
	mqi_conn *slow, *c;
	mqi_queue *q = NULL, *ahead = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	qm_mqsc(&qm, "DEFINE QLOCAL(MANY) DEFPSIST(NO) MAXDEPTH(1000)\n"
		     "DEFINE QLOCAL(QUICK)\n");
	c = connect_by(&opts);
	OK(mqi_open(c, "MANY", NULL, BOTH_WAYS, &q));
	for (int i = 0; i < 400; i++)
		OK(mqi_put_async(q, NULL, NULL, body, sizeof(body)));
	OK(mqi_flush(q));
	slow = connect_by(&opts);
	OK(mqi_open(slow, "MANY", NULL, MQI_OO_INPUT_SHARED, &ahead));
	OK(mqi_read_ahead(ahead, &window));
	/* it does not read: the others go on */
	OK(mqi_open(c, "QUICK", NULL, BOTH_WAYS, &q));
	for (int i = 0; i < 50; i++) {
		OK(mqi_put(q, NULL, NULL, "quick", 5));
		OK(mqi_poll(q, NULL, &msg));
		(void)mqi_msg_free(msg);
	}
	for (int i = 0; i < 400; i++) {
		OK(mqi_get_msg(ahead, NULL, &wait, &msg));
		OK(mqi_ack(ahead, msg));
		(void)mqi_msg_free(msg);
	}
	OK(mqi_disconnect(slow));
	OK(mqi_disconnect(c));
}

/* Only the authority's certificate. */
static void
make_nameless(char ret[PATH_MAX])
{
	const char *argv[] = {"/bin/cp", NULL, ret, NULL};
	char ca[PATH_MAX + 16], log[PATH_MAX], *out = NULL;

	(void)snprintf(ret, PATH_MAX, "%.4000s/nameless", dir.path);
	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", keys);
	(void)snprintf(log, sizeof(log), "%.4000s/cp.log", dir.path);
	assert_int_equal(mkdir(ret, 0700), 0);
	argv[1] = ca;
	assert_int_equal(proc_run(argv, NULL, log, &out), 0);
	free(out);
}

static void
test_sslcauth_optional_lets_one_in_without_a_certificate(void **state)
{
	struct mqi_connect_opts opts = remote_opts();
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char nameless[PATH_MAX];
	mqi_conn *c = NULL;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	enum mqi_err err;

	(void)state;
	make_nameless(nameless);
	opts.key_dir = nameless;
	assert_refused(&opts, MQI_E_CERTIFICATE, "certificate required");
	qm_mqsc(
	    &qm, "DEFINE CHANNEL(OPEN) CHLTYPE(SVRCONN) SSLCAUTH(OPTIONAL)\n");
	opts.channel = "OPEN";
	/* it is known within a second; then the record of the tests wants a
	 * certificate of its authority */
	while ((err = mqi_connect("QM1", &opts, &c)) == MQI_E_CERTIFICATE &&
	       test_now_ms() < end)
		(void)poll(NULL, 0, 20);
	assert_int_equal(err, MQI_E_NOT_AUTHORIZED);
	qm_mqsc(&qm, "SET CHLAUTH(OPEN) TYPE(USERMAP) CLNTUSER('*') "
		     "ADDRESS('127.0.0.1') MCAUSER('partner')\n"
		     "SET CHLAUTH(APP) TYPE(ADDRESSMAP) ADDRESS('*') "
		     "MCAUSER('partner')\n");
	opts.channel = "APP";
	assert_refused(&opts, MQI_E_CERTIFICATE, "SSLCAUTH(REQUIRED)");
	opts.channel = "OPEN";
	c = connect_by(&opts);
	OK(mqi_open(c, "Q", NULL, BOTH_WAYS, &q));
	OK(mqi_put(q, NULL, NULL, "x", 1));
	OK(mqi_poll(q, NULL, &msg));
	(void)mqi_msg_free(msg);
	/* who may not stay is ended */
	qm_mqsc(&qm, "ALTER CHANNEL(OPEN) CHLTYPE(SVRCONN) SSLCAUTH(REQUIRED)\n"
		     "REFRESH SECURITY\n"
		     "SET CHLAUTH(OPEN) TYPE(USERMAP) CLNTUSER('*') "
		     "ADDRESS('127.0.0.1') ACTION(REMOVE)\n"
		     "SET CHLAUTH(APP) TYPE(ADDRESSMAP) ADDRESS('*') "
		     "ACTION(REMOVE)\n");
	while (mqi_put(q, NULL, NULL, "x", 1) == MQI_OK)
		assert_true(test_now_ms() < end);
	assert_non_null(strstr(mqi_last_error(c), "has shown no certificate"));
	(void)mqi_disconnect(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_put_and_get_by_tls),
	    cmocka_unit_test(test_refusals_say_why),
	    cmocka_unit_test(
		test_sslcauth_optional_lets_one_in_without_a_certificate),
	    cmocka_unit_test(test_hosts_are_tried_in_order),
	    cmocka_unit_test(test_uri_and_environment_say_where),
	    cmocka_unit_test(test_an_application_has_the_rights_of_its_user),
	    cmocka_unit_test(test_as_many_as_maxinst_may_connect),
	    cmocka_unit_test(
		test_a_stopped_channel_ends_its_clients_and_takes_no_more),
	    cmocka_unit_test(test_one_that_rests_for_discint_is_ended),
	    cmocka_unit_test(test_a_slow_reader_holds_up_nobody),
	    cmocka_unit_test(test_a_server_that_is_silent_counts_as_lost),
	    cmocka_unit_test(test_puts_across_kills_are_as_they_were_told),
	    cmocka_unit_test(test_it_comes_back_with_its_queue_manager),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

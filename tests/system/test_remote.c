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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_put_and_get_by_tls),
	    cmocka_unit_test(test_refusals_say_why),
	    cmocka_unit_test(test_hosts_are_tried_in_order),
	    cmocka_unit_test(test_uri_and_environment_say_where),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

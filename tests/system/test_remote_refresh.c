/* SPDX-License-Identifier: Apache-2.0 */
/* test_remote_refresh.c - REFRESH SECURITY and applications of another host:
 * those that may not stay are ended, and new ones meet the files of now. */
#include <limits.h>
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

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

static struct tmpdir dir;
static struct qm qm;
static char conname[64];
static char keys[PATH_MAX];

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	(void)snprintf(
	    conname, sizeof(conname), "127.0.0.1(%d)", qm_serve(&qm, &dir));
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", dir.path);
	qm_mqsc(&qm, "DEFINE QLOCAL(Q)\n"
		     "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN)\n"
		     "DEFINE CHANNEL(BAD) CHLTYPE(SVRCONN)\n");
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

static enum mqi_err
try_connect(const char *channel, mqi_conn **ret)
{
	const struct mqi_connect_opts opts = {.app_name = "test",
	    .conname = conname,
	    .channel = channel,
	    .key_dir = keys};
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	enum mqi_err err;

	/* a listener comes up after the command that starts it */
	while ((err = mqi_connect("QM1", &opts, ret)) ==
		   MQI_E_HOST_NOT_AVAILABLE &&
	       test_now_ms() < end)
		(void)poll(NULL, 0, 5);
	return err;
}

static void
open_q(mqi_conn *c, mqi_queue **ret)
{
	OK(mqi_open(c, "Q", NULL, MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, ret));
}

static void
test_those_that_may_not_stay_are_ended(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *good = NULL, *bad = NULL, *c = NULL;
	mqi_queue *q_good = NULL, *q_bad = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	OK(try_connect("APP", &good));
	OK(try_connect("BAD", &bad));
	open_q(good, &q_good);
	open_q(bad, &q_bad);
	qm_mqsc(&qm, "SET CHLAUTH(BAD) TYPE(BLOCKUSER) USERLIST('partner')\n"
		     "REFRESH SECURITY\n");
	assert_int_equal(
	    mqi_get_msg(q_bad, NULL, &wait, &msg), MQI_E_UNKNOWN_OUTCOME);
	assert_non_null(strstr(mqi_last_error(bad), "not authorized"));
	(void)mqi_disconnect(bad);
	OK(mqi_put(q_good, NULL, NULL, "x", 1));
	OK(mqi_disconnect(good));
	assert_int_equal(try_connect("BAD", &c), MQI_E_NOT_AUTHORIZED);
}

static void
run_admin(const char *const argv[])
{
	char log[PATH_MAX], *out;

	(void)snprintf(log, sizeof(log), "%.4000s/admin.log", dir.path);
	assert_int_equal(proc_run(argv, NULL, log, &out), 0);
	free(out);
}

static void
copy(const char *from, const char *to)
{
	static char bytes[65536];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	n = fread(bytes, 1, sizeof(bytes), in);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
test_a_revoked_one_is_not_let_in_and_does_not_stay(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = PROC_DEADLINE_MS};
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char bin[PATH_MAX], ca[PATH_MAX], cert[PATH_MAX], crl[PATH_MAX];
	mqi_conn *old = NULL, *c = NULL;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	enum mqi_err err;

	(void)state;
	OK(try_connect("APP", &old));
	open_q(old, &q);
	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(ca, sizeof(ca), "%.4000s/ca", dir.path);
	(void)snprintf(cert, sizeof(cert), "%.4000s/cert.pem", keys);
	run_admin((const char *const[]){bin, "tls", "revoke", ca, cert, NULL});
	(void)snprintf(cert, sizeof(cert), "%.4000s/crl.pem", ca);
	(void)snprintf(
	    crl, sizeof(crl), "%.4000s/%s/ssl/crl.pem", qm.root, qm.name);
	copy(cert, crl);
	while ((err = try_connect("APP", &c)) == MQI_OK) {
		assert_true(test_now_ms() < end);
		OK(mqi_disconnect(c));
	}
	OK(mqi_put(q, NULL, NULL, "x", 1));
	OK(mqi_poll(q, NULL, &msg));
	(void)mqi_msg_free(msg);
	qm_mqsc(&qm, "REFRESH SECURITY\n");
	assert_int_equal(
	    mqi_get_msg(q, NULL, &wait, &msg), MQI_E_UNKNOWN_OUTCOME);
	assert_non_null(strstr(mqi_last_error(old), "revoked"));
	(void)mqi_disconnect(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_those_that_may_not_stay_are_ended, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_revoked_one_is_not_let_in_and_does_not_stay, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chad.c - channels that QM2 defines by itself because QM1, or an
 * application, calls them: who is let in gets one, nobody else does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

static void
assert_shown(
    struct pair *p, const char *channel, const char *keyword, const char *value)
{
	char shown[QM_VALUE_MAX];

	qm_shown(&p->qm[1], MQCTL_CHANNEL, channel, keyword, shown);
	assert_string_equal(shown, value);
}

static void
test_a_receiver_is_defined_when_it_is_called_and_stays(void **state)
{
	struct pair *p = *state;

	pair_sender(p, "QM1.QM2", "");
	pair_put(p, 3, 0);
	/* by default it is not */
	pair_wait_log(p, 0, 1, "channel.failed", "QM1.QM2");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "");
	qm_mqsc(&p->qm[1], "ALTER QMGR CHAD(ENABLED)\n"
			   "ALTER CHANNEL(SYSTEM.AUTO.RECEIVER) CHLTYPE(RCVR) "
			   "MRRTY(7)\n");
	pair_get(p);
	pair_wait_log(p, 1, 1, "channel.autodefined", "CN=QM1");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "RCVR");
	assert_shown(p, "QM1.QM2", "DESCR", "Auto-defined by QM1");
	assert_shown(p, "QM1.QM2", "AUTODEF", "CN=QM1");
	assert_shown(p, "QM1.QM2", "MRRTY", "7");
	proc_kill9(&p->qm[1].proc);
	qm_start(&p->qm[1]);
	assert_shown(p, "QM1.QM2", "AUTODEF", "CN=QM1");
	qm_mqsc(&p->qm[1], "ALTER QMGR CHAD(DISABLED)\n");
	pair_put(p, 3, 0);
	pair_get(p);
	assert_int_equal(qm_log_count(&p->qm[1], "channel.autodefined", ""), 1);
}

static void
test_nothing_is_defined_for_whom_no_rule_lets_in(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[1],
	    "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
	    "SET CHLAUTH('OTHER') TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "MCAUSER('partner')\n"
	    "ALTER QMGR CHAD(ENABLED)\n");
	pair_sender(p, "QM1.QM2", "");
	pair_put(p, 1, 0);
	pair_wait_log(p, 1, 1, "chlauth.refused", "SET CHLAUTH('QM1.QM2')");
	pair_wait_log(p, 0, 1, "channel.failed", "not authorized");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "");
	/* the model's SSLPEER counts, as the channel's own would */
	qm_let_in(&p->qm[1]);
	qm_mqsc(&p->qm[1], "ALTER CHANNEL(SYSTEM.AUTO.RECEIVER) CHLTYPE(RCVR) "
			   "SSLPEER('CN=QM9')\n");
	pair_wait_log(p, 1, 1, "chlauth.refused", "does not fit");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "");
	/* as does its SSLCIPH */
	qm_mqsc(&p->qm[1], "ALTER CHANNEL(SYSTEM.AUTO.RECEIVER) CHLTYPE(RCVR) "
			   "SSLPEER('') SSLCIPH(ANY_TLS12)\n");
	pair_wait_log(p, 1, 1, "channel.failed", "does not let in");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "");
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);
	qm_mqsc(&p->qm[1], "ALTER CHANNEL(SYSTEM.AUTO.RECEIVER) CHLTYPE(RCVR) "
			   "SSLCIPH('')\n");
	pair_get(p);
}

static void
test_what_is_there_is_not_touched(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[1], "ALTER QMGR CHAD(ENABLED)\n"
			   "DEFINE CHANNEL(QM1.QM2) CHLTYPE(SVRCONN) "
			   "SSLPEER('CN=app')\n");
	pair_sender(p, "QM1.QM2", "");
	pair_put(p, 1, 0);
	pair_wait_log(p, 0, 1, "channel.failed", "not a receiver");
	assert_shown(p, "QM1.QM2", "CHLTYPE", "SVRCONN");
	assert_shown(p, "QM1.QM2", "DESCR", "");
	/* nor is a name of the queue manager's own defined */
	pair_sender(p, "SYSTEM.NEW", "");
	qm_mqsc(&p->qm[0], "STOP CHANNEL(QM1.QM2) MODE(FORCE)\n"
			   "START CHANNEL(SYSTEM.NEW) IGNSTATE(YES)\n");
	pair_wait_log(p, 0, 1, "channel.failed", "SYSTEM.NEW");
	assert_shown(p, "SYSTEM.NEW", "CHLTYPE", "");
}

/* As an application with the certificate "CN=app". */
static enum mqi_err
call_as_app(struct pair *p, const char *channel)
{
	char conname[64], keys[PATH_MAX];
	const struct mqi_connect_opts opts = {.app_name = "test",
	    .conname = conname,
	    .channel = channel,
	    .key_dir = keys};
	mqi_conn *conn = NULL;
	enum mqi_err err;

	(void)snprintf(
	    conname, sizeof(conname), "127.0.0.1(%d)", p->qm[1].port);
	(void)snprintf(keys, sizeof(keys), "%.3000s/app", p->dir.path);
	err = mqi_connect("QM2", &opts, &conn);
	if (err == MQI_OK)
		OK(mqi_disconnect(conn));
	return err;
}

static void
test_an_application_gets_a_channel_of_its_own_type(void **state)
{
	struct pair *p = *state;

	qm_issue(&p->qm[1], &p->dir, "app");
	assert_int_equal(call_as_app(p, "APP"), MQI_E_UNKNOWN_CHANNEL);
	qm_mqsc(&p->qm[1], "ALTER QMGR CHAD(ENABLED)\n"
			   "SET CHLAUTH(CLOSED) TYPE(ADDRESSMAP) ADDRESS('*') "
			   "USERSRC(NOACCESS)\n");
	OK(call_as_app(p, "APP"));
	OK(call_as_app(p, "APP"));
	assert_shown(p, "APP", "CHLTYPE", "SVRCONN");
	assert_shown(p, "APP", "DESCR", "Auto-defined by 127.0.0.1");
	assert_shown(p, "APP", "AUTODEF", "CN=app");
	assert_shown(p, "APP", "DISCINT", "0");
	assert_int_equal(call_as_app(p, "CLOSED"), MQI_E_NOT_AUTHORIZED);
	assert_shown(p, "CLOSED", "CHLTYPE", "");
	/* without their model none are defined for applications */
	qm_mqsc(&p->qm[1], "DELETE CHANNEL(SYSTEM.AUTO.SVRCONN)\n");
	assert_int_equal(call_as_app(p, "APP2"), MQI_E_UNKNOWN_CHANNEL);
	assert_shown(p, "APP2", "CHLTYPE", "");
	pair_sender(p, "QM1.QM2", "");
	pair_put(p, 1, 0);
	pair_get(p);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, pair_setup, pair_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_receiver_is_defined_when_it_is_called_and_stays),
	    TEST(test_nothing_is_defined_for_whom_no_rule_lets_in),
	    TEST(test_what_is_there_is_not_touched),
	    TEST(test_an_application_gets_a_channel_of_its_own_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

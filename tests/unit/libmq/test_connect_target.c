/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_connect_target.c - libmq/target.c: whom mqi_connect() means, by a URI,
 * by arguments and by the environment, and what is said of what cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libmq/target.h"

#define WHY_LEN 256

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("MQ_URI"), 0);
	assert_int_equal(unsetenv("MQSERVER"), 0);
	assert_int_equal(unsetenv("MQSSLKEYR"), 0);
	return 0;
}

/* ---- URI ---- */

static void
test_a_uri_says_all(void **state)
{
	struct mqtarget t = {.timeout_ms = 0};
	char why[WHY_LEN] = "";

	(void)state;
	assert_int_equal(
	    mqtarget_uri(&t,
		"mqs://a.example:1414,[::1]:1500,10.0.0.9/QM.1%2Fx"
		"?channel=APP&keys=%2Fetc%2Fkeys&peer=CN%3DQM1,O%3DA%20B"
		"&timeout=2500&reconnect=yes",
		why),
	    MQI_OK);
	assert_string_equal(t.conname, "a.example(1414),[::1](1500),10.0.0.9");
	assert_string_equal(t.qmgr, "QM.1/x");
	assert_string_equal(t.channel, "APP");
	assert_string_equal(t.key_dir, "/etc/keys");
	assert_string_equal(t.ssl_peer, "CN=QM1,O=A B");
	assert_int_equal(t.timeout_ms, 2500);
	assert_true(t.reconnect);
	mqtarget_fini(&t);
}

static void
test_a_uri_may_leave_things_out(void **state)
{
	struct mqtarget t = {.timeout_ms = 0};
	char why[WHY_LEN] = "";

	(void)state;
	assert_int_equal(mqtarget_uri(&t, "mqs://h", why), MQI_OK);
	assert_string_equal(t.conname, "h");
	assert_string_equal(t.qmgr, "");
	assert_string_equal(t.channel, "");
	assert_null(t.key_dir);
	assert_null(t.ssl_peer);
	assert_int_equal(t.timeout_ms, 0);
	assert_false(t.reconnect);
	/* empty parameters are none; the last one of a name counts */
	assert_int_equal(
	    mqtarget_uri(&t, "mqs://h/?&&channel=A&channel=B&&", why), MQI_OK);
	assert_string_equal(t.channel, "B");
	mqtarget_fini(&t);
}

static void
test_a_uri_that_cannot_be_read_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *uri;
		const char *why;
	} rows[] = {
	    {"http://h/QM1", "begins with mqs://"},
	    {"mqs:/h", "begins with mqs://"},
	    {"", "begins with mqs://"},
	    {"mqs://", "host:port is expected"},
	    {"mqs:///QM1", "host:port is expected"},
	    {"mqs://h:/QM1", "host:port is expected"},
	    {"mqs://h:14x/QM1", "host:port is expected"},
	    {"mqs://:1414/QM1", "host:port is expected"},
	    {"mqs://a,,b/QM1", "host:port is expected"},
	    {"mqs://h/QM%", "not well formed"},
	    {"mqs://h/QM%4", "not well formed"},
	    {"mqs://h/QM%zz", "not well formed"},
	    {"mqs://h/QM%00", "not well formed"},
	    {"mqs://h/Q M", "'Q M' is not a valid name of a queue manager"},
	    {"mqs://h/QM1?channel", "'channel' in the URI has no value"},
	    {"mqs://h/QM1?channel=", "'' is not a valid name of a channel"},
	    {"mqs://h/QM1?channel=THIS.NAME.IS.TOO.LONG",
		"is not a valid name of a channel"},
	    {"mqs://h/QM1?channel=%0", "'channel' in the URI is not well"},
	    {"mqs://h/QM1?timeout=", "timeout=MS"},
	    {"mqs://h/QM1?timeout=0", "timeout=MS"},
	    {"mqs://h/QM1?timeout=-5", "timeout=MS"},
	    {"mqs://h/QM1?timeout=5s", "timeout=MS"},
	    {"mqs://h/QM1?timeout=1000000000", "timeout=MS"},
	    {"mqs://h/QM1?timeout=99999999999999999999", "timeout=MS"},
	    {"mqs://h/QM1?reconnect=maybe", "'reconnect=maybe' in the URI"},
	    {"mqs://h/QM1?colour=red", "'colour=red' in the URI"},
	    {"mqs://h/QM1?Channel=A", "'Channel=A' in the URI"},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		struct mqtarget t = {.timeout_ms = 0};
		char why[WHY_LEN] = "";
		enum mqi_err err = mqtarget_uri(&t, rows[i].uri, why);

		if (err != MQI_E_INVAL || strstr(why, rows[i].why) == NULL)
			fail_msg("%s: %d, '%s'", rows[i].uri, err, why);
		mqtarget_fini(&t);
	}
}

static void
test_a_uri_has_a_longest_length(void **state)
{
	struct mqtarget t = {.timeout_ms = 0};
	char uri[5000], why[WHY_LEN] = "";

	(void)state;
	memset(uri, 'h', sizeof(uri) - 1);
	uri[sizeof(uri) - 1] = '\0';
	memcpy(uri, "mqs://", 6);
	assert_int_equal(mqtarget_uri(&t, uri, why), MQI_E_INVAL);
	assert_non_null(strstr(why, "longer than"));
	uri[4096] = '\0';
	assert_int_equal(mqtarget_uri(&t, uri, why), MQI_OK);
	mqtarget_fini(&t);
}

/* ---- MQSERVER ---- */

static void
test_mqserver_is_channel_transport_hosts(void **state)
{
	static const char *const bad[] = {"", "APP", "APP/TCP", "APP/TCP/",
	    "APP/LU62/h(1414)", "/TCP/h(1414)", "A B/TCP/h(1414)",
	    "THIS.NAME.IS.TOO.LONG/TCP/h(1414)"};
	struct mqtarget t = {.timeout_ms = 0};
	char why[WHY_LEN] = "";

	(void)state;
	assert_int_equal(
	    mqtarget_server(&t, "APP/tcp/a(1414),b(1415)", why), MQI_OK);
	assert_string_equal(t.channel, "APP");
	assert_string_equal(t.conname, "a(1414),b(1415)");
	mqtarget_fini(&t);
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
		why[0] = '\0';
		if (mqtarget_server(&t, bad[i], why) != MQI_E_INVAL ||
		    strstr(why, "MQSERVER") == NULL)
			fail_msg("'%s': '%s'", bad[i], why);
		mqtarget_fini(&t);
	}
}

/* ---- which of them counts ---- */

static enum mqi_err
find(struct mqtarget *t, const char *qmgr, const struct mqi_connect_opts *opts,
    char *why)
{
	memset(t, 0, sizeof(*t));
	why[0] = '\0';
	return mqtarget_find(t, qmgr, opts, why);
}

static void
test_the_caller_counts_before_the_environment(void **state)
{
	const struct mqi_connect_opts none = {.flags = 0};
	const struct mqi_connect_opts here = {.root = "/var/r"};
	const struct mqi_connect_opts local = {.flags = MQI_CONNECT_LOCAL};
	const struct mqi_connect_opts there = {
	    .conname = "c(1)", .channel = "C", .key_dir = "/k"};
	char why[WHY_LEN];
	struct mqtarget t;

	(void)state;
	(void)setenv("MQ_URI", "mqs://u:1/QMU?channel=U&keys=/u", 1);
	(void)setenv("MQSERVER", "S/TCP/s(1)", 1);
	(void)setenv("MQSSLKEYR", "/s", 1);
	assert_int_equal(
	    find(&t, "mqs://n:1/QMN?channel=N&keys=/n", &there, why), MQI_OK);
	assert_string_equal(t.conname, "n(1)");
	assert_string_equal(t.channel, "N");
	assert_string_equal(t.key_dir, "/n");
	assert_string_equal(t.qmgr, "QMN");
	mqtarget_fini(&t);
	assert_int_equal(find(&t, "QM1", &there, why), MQI_OK);
	assert_string_equal(t.conname, "c(1)");
	assert_string_equal(t.qmgr, "QM1");
	mqtarget_fini(&t);
	assert_int_equal(find(&t, "QM1", &here, why), MQI_OK);
	assert_null(t.conname);
	assert_int_equal(find(&t, "QM1", &local, why), MQI_OK);
	assert_null(t.conname);
	assert_int_equal(find(&t, "", &none, why), MQI_OK);
	assert_string_equal(t.conname, "u(1)");
	assert_string_equal(t.qmgr, "QMU");
	mqtarget_fini(&t);
	(void)setenv("MQ_URI", "", 1);
	assert_int_equal(find(&t, "QM1", &none, why), MQI_OK);
	assert_string_equal(t.conname, "s(1)");
	assert_string_equal(t.channel, "S");
	assert_string_equal(t.key_dir, "/s");
	mqtarget_fini(&t);
	(void)unsetenv("MQSERVER");
	assert_int_equal(find(&t, "QM1", &none, why), MQI_OK);
	assert_null(t.conname);
	mqtarget_fini(&t);
}

static void
test_what_is_missing_is_told(void **state)
{
	const struct mqi_connect_opts none = {.flags = 0};
	const struct mqi_connect_opts no_channel = {
	    .conname = "h(1)", .key_dir = "/k"};
	const struct mqi_connect_opts no_keys = {
	    .conname = "h(1)", .channel = "C"};
	const struct mqi_connect_opts bad_channel = {
	    .conname = "h(1)", .channel = "no good", .key_dir = "/k"};
	char why[WHY_LEN];
	struct mqtarget t;

	(void)state;
	assert_int_equal(find(&t, "QM1", &no_channel, why), MQI_E_INVAL);
	assert_non_null(strstr(why, "no channel is named"));
	mqtarget_fini(&t);
	assert_int_equal(find(&t, "QM1", &no_keys, why), MQI_E_INVAL);
	assert_non_null(strstr(why, "MQSSLKEYR"));
	mqtarget_fini(&t);
	assert_int_equal(find(&t, "QM1", &bad_channel, why), MQI_E_INVAL);
	assert_non_null(strstr(why, "not a valid name of a channel"));
	mqtarget_fini(&t);
	assert_int_equal(find(&t, "Q M", &none, why), MQI_E_Q_MGR_NAME);
	assert_int_equal(find(&t, "", &none, why), MQI_E_Q_MGR_NAME);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_uri_says_all),
	    T(test_a_uri_may_leave_things_out),
	    T(test_a_uri_that_cannot_be_read_is_refused_with_a_reason),
	    T(test_a_uri_has_a_longest_length),
	    T(test_mqserver_is_channel_transport_hosts),
	    T(test_the_caller_counts_before_the_environment),
	    T(test_what_is_missing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

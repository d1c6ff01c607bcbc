/* SPDX-License-Identifier: Apache-2.0 */
/* test_certs.c - when a connection must end follows from the files of now. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "mca/certs.h"
#include "mca/channel.h"
#include "tests/lib/tmpdir.h"
#include "tls/tls_ca.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define DAY_S 86400

static struct tmpdir dir;

static const char *
path(const char *name)
{
	static char buf[8][PATH_MAX];
	static unsigned at;
	char *p = buf[at++ % 8];

	(void)snprintf(p, sizeof(buf[0]), "%.3000s/%s", dir.path, name);
	return p;
}

static void
issue(const char *out, int days)
{
	const struct mqtls_issue i = {.ca_dir = path("ca"),
	    .out_dir = path(out),
	    .name = "QM",
	    .days = days};
	char why[MQTLS_WHY_LEN];

	if (mqtls_ca_issue(&i, why) != MQI_OK)
		fail_msg("%s", why);
}

static void
carry(struct mqtls_conn *from, struct mqtls_conn *to)
{
	uint8_t buf[4096];
	size_t n;

	while ((n = mqtls_take(from, buf, sizeof(buf))) > 0)
		OK(mqtls_feed(to, buf, n));
}

static void
test_a_refresh_renews_the_end_of_a_connection(void **state)
{
	char text[CHANNEL_TEXT_LEN];
	struct mqtls_conn *server = NULL, *client = NULL;
	bool up = false, other = false;
	struct certs c, far;
	int64_t before;

	(void)state;
	issue("own", 1);
	issue("far", 90);
	issue("fresh", 30);
	certs_init(&c, "own", path("own"), "", "");
	certs_init(&far, "far", path("far"), "", "");
	OK(certs_load(&c, text));
	OK(certs_load(&far, text));
	OK(mqtls_conn_new(c.tls, true, "x/1", &server));
	OK(mqtls_conn_new(far.tls, false, "x/1", &client));
	for (int i = 0; i < 6; i++) {
		OK(mqtls_handshake(client, &other));
		carry(client, server);
		OK(mqtls_handshake(server, &up));
		carry(server, client);
	}
	assert_true(up);
	OK(certs_partner(&c, server, text));
	before = c.until;
	assert_int_equal(before, c.own.not_after);
	assert_int_equal(rename(path("own"), path("old")), 0);
	assert_int_equal(rename(path("fresh"), path("own")), 0);
	OK(certs_refresh(&c, server, text));
	assert_true(c.until > before + 28 * (int64_t)DAY_S);
	assert_int_equal(certs_tick(&c, before + DAY_S), CERTS_GOOD);
	mqtls_conn_free(server);
	mqtls_conn_free(client);
	certs_fini(&c);
	certs_fini(&far);
}

static int
setup(void **state)
{
	char why[MQTLS_WHY_LEN];

	(void)state;
	tmpdir_make(&dir);
	return mqtls_ca_init(path("ca"), "Test", 100, why) == MQI_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	tmpdir_free(&dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_refresh_renews_the_end_of_a_connection),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_client_hello.c - what a listener reads of a ClientHello: those that
 * OpenSSL makes (the fuzzer's seeds), whole, cut anywhere, and in records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client_hello.h"

static size_t
load(const char *name, uint8_t *buf, size_t cap)
{
	const char *src = getenv("MQ_SRC");
	char path[PATH_MAX];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/fuzz/corpus/client_hello/%s",
	    src != NULL ? src : ".", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(buf, 1, cap, f);
	(void)fclose(f);
	return n;
}

static void
test_protocols_offered_are_found(void **state)
{
	static const struct {
		const char *file;
		bool client;
		bool channel;
	} cases[] = {{"client.bin", true, false}, {"channel.bin", false, true},
	    {"both.bin", true, true}, {"none.bin", false, false},
	    {"tls12.bin", true, false}, {"records.bin", true, false}};

	uint8_t buf[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mq_alpn a = {.len = 0};
		size_t len = load(cases[i].file, buf, sizeof(buf));

		assert_int_equal(
		    mq_client_hello_parse(buf, len, &a), MQ_CLIENT_HELLO_OK);
		assert_int_equal(
		    mq_alpn_has(&a, "sluice-client/1"), cases[i].client);
		assert_int_equal(
		    mq_alpn_has(&a, "sluice-chan/1"), cases[i].channel);
		assert_false(mq_alpn_has(&a, "sluice-chan/"));
	}
}

static void
test_every_beginning_wants_more(void **state)
{
	static const char *const files[] = {"both.bin", "records.bin"};
	uint8_t buf[4096];
	struct mq_alpn a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t len = load(files[i], buf, sizeof(buf));

		for (size_t n = 0; n < len; n++)
			assert_int_equal(mq_client_hello_parse(buf, n, &a),
			    MQ_CLIENT_HELLO_MORE);
	}
}

static void
test_what_is_no_client_hello_is_refused_early(void **state)
{
	uint8_t buf[4096], whole[4096];
	struct mq_alpn a;
	size_t len;

	(void)state;
	len = load("http.bin", buf, sizeof(buf));
	assert_int_equal(
	    mq_client_hello_parse(buf, 1, &a), MQ_CLIENT_HELLO_NOT_TLS);
	assert_int_equal(
	    mq_client_hello_parse(buf, len, &a), MQ_CLIENT_HELLO_NOT_TLS);
	/* one that announces 16 MiB */
	len = load("long.bin", buf, sizeof(buf));
	assert_int_equal(
	    mq_client_hello_parse(buf, len, &a), MQ_CLIENT_HELLO_NOT_TLS);
	/* a length within that leads out of it: the session's id */
	len = load("client.bin", whole, sizeof(whole));
	memcpy(buf, whole, len);
	buf[5 + 4 + 2 + 32] = 0xff;
	buf[5 + 4 + 2 + 32 + 1 + 32] = 0xff;
	assert_int_equal(
	    mq_client_hello_parse(buf, len, &a), MQ_CLIENT_HELLO_NOT_TLS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_protocols_offered_are_found),
	    cmocka_unit_test(test_every_beginning_wants_more),
	    cmocka_unit_test(test_what_is_no_client_hello_is_refused_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_local.c - proto/local*.c: frames to bytes and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/local.h"

static struct mqframe
parse(const struct mqbuf *b)
{
	struct mqframe f;
	size_t used;

	assert_int_equal(b->err, MQI_OK);
	assert_int_equal(mqframe_parse(b->data, b->len, &f, &used), MQFRAME_OK);
	assert_int_equal(used, b->len);
	return f;
}

static void
test_hello_comes_back(void **state)
{
	struct mqlocal_hello v = {.version_min = 1,
	    .version_max = 1,
	    .features = 5,
	    .qmgr = "QM1",
	    .app_name = "app",
	    .is_agent = 1,
	    .user = "u",
	    .channel = "TO.QM2",
	    .address = "127.0.0.1"};
	struct mqlocal_hello w;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 1, &v);
	f = parse(&b);
	assert_int_equal(f.id, 1);
	memset(&w, 0, sizeof(w));
	assert_int_equal(mqlocal_decode_hello(&f, &w), MQI_OK);
	assert_int_equal(w.features, 5);
	assert_string_equal(w.qmgr, "QM1");
	assert_string_equal(w.address, "127.0.0.1");
	f.payload_len--;
	assert_int_equal(mqlocal_decode_hello(&f, &w), MQI_E_PROTOCOL);
	mqbuf_fini(&b);
}

static void
test_put_with_a_body_inline_comes_back(void **state)
{
	struct mqlocal_put v = {.flags = MQLOCAL_PUT_ASYNC,
	    .handle = 3,
	    .unit = 4,
	    .body_crc = 5,
	    .body_len = 4,
	    .desc = "descriptor",
	    .desc_len = 10};
	struct mqlocal_put w;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqlocal_encode_put(&b, 7, &v);
	mqbuf_put(&b, "body", 4);
	f = parse(&b);
	assert_int_equal(mqlocal_decode_put(&f, &w), MQI_OK);
	assert_int_equal(w.handle, 3);
	assert_int_equal(w.body_len, 4);
	assert_memory_equal(w.desc, "descriptor", 10);
	assert_memory_equal(w.body, "body", 4);
	mqbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hello_comes_back),
	    cmocka_unit_test(test_put_with_a_body_inline_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_trace.c - proto/trace.c: the body of a trace-route message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/trace.h"
#include "tests/lib/golden.h"

static const struct mqtrace_hop first = {.time_ms = 1795222923450,
    .what = MQTRACE_SENT,
    .qmgr = "QM1",
    .queue = "ORDERS",
    .to_qmgr = "QM3",
    .put_on = "NEXT"};
static const struct mqtrace_hop second = {.time_ms = 1795222923460,
    .what = MQTRACE_ARRIVED,
    .qmgr = "QM3",
    .queue = "ORDERS",
    .to_qmgr = "QM3",
    .put_on = "ORDERS",
    .channel = "QM1.QM3"};

static void
two_hops(struct mqbuf *ret)
{
	struct mqbuf a, b;

	mqbuf_init(&a, MQTRACE_MAX_BODY);
	mqbuf_init(&b, MQTRACE_MAX_BODY);
	mqbuf_init(ret, MQTRACE_MAX_BODY);
	mqtrace_begin(&a);
	assert_int_equal(mqtrace_add(a.data, a.len, &first, &b), MQI_OK);
	assert_int_equal(mqtrace_add(b.data, b.len, &second, ret), MQI_OK);
	mqbuf_fini(&a);
	mqbuf_fini(&b);
}

static void
test_hops_come_back_as_they_were_added(void **state)
{
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	struct mqbuf b;
	uint32_t n = 9;

	(void)state;
	two_hops(&b);
	golden_check("trace", "two_hops", b.data, b.len);
	assert_int_equal(mqtrace_decode(b.data, b.len, hops, &n), MQI_OK);
	assert_int_equal(n, 2);
	assert_memory_equal(&hops[0], &first, sizeof(first));
	assert_memory_equal(&hops[1], &second, sizeof(second));
	mqbuf_fini(&b);
}

static void
test_every_cut_and_more_bytes_are_refused(void **state)
{
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	struct mqbuf b;
	uint32_t n = 0;

	(void)state;
	two_hops(&b);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, b.data, len);
		assert_int_equal(
		    mqtrace_decode(copy, len, hops, &n), MQI_E_PROTOCOL);
		free(copy);
	}
	mqbuf_put_u8(&b, 0);
	assert_int_equal(
	    mqtrace_decode(b.data, b.len, hops, &n), MQI_E_PROTOCOL);
	mqbuf_fini(&b);
}

static void
test_what_a_later_version_adds_to_a_hop_is_passed(void **state)
{
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	struct mqbuf b;
	uint32_t n = 0;

	(void)state;
	two_hops(&b);
	/* the last hop gets two bytes more */
	for (size_t i = 8, len; i < b.len; i += 2 + len) {
		len = mqbuf_get_u16(b.data + i);
		if (i + 2 + len == b.len) {
			mqbuf_set_u16(b.data + i, (uint16_t)(len + 2));
			break;
		}
	}
	mqbuf_put_u16(&b, 0xffff);
	assert_int_equal(mqtrace_decode(b.data, b.len, hops, &n), MQI_OK);
	assert_memory_equal(&hops[1], &second, sizeof(second));
	mqbuf_fini(&b);
}

static void
test_there_is_a_last_hop(void **state)
{
	struct mqbuf a, b;

	(void)state;
	mqbuf_init(&a, MQTRACE_MAX_BODY);
	mqbuf_init(&b, MQTRACE_MAX_BODY);
	mqtrace_begin(&a);
	for (unsigned i = 0; i < MQTRACE_MAX_HOPS; i++) {
		mqbuf_reset(&b);
		assert_int_equal(
		    mqtrace_add(a.data, a.len, &second, &b), MQI_OK);
		mqbuf_reset(&a);
		mqbuf_put(&a, b.data, b.len);
	}
	mqbuf_reset(&b);
	assert_int_equal(
	    mqtrace_add(a.data, a.len, &second, &b), MQI_E_TOO_BIG);
	mqbuf_fini(&a);
	mqbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hops_come_back_as_they_were_added),
	    cmocka_unit_test(test_every_cut_and_more_bytes_are_refused),
	    cmocka_unit_test(test_what_a_later_version_adds_to_a_hop_is_passed),
	    cmocka_unit_test(test_there_is_a_last_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

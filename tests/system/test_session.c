/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session.c - a real queue manager and clients that speak the local
 * protocol by hand, well and badly.
 *
 * One queue manager serves all tests, which shows that none of them disturbs
 * the next.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/system/raw.h"

static struct raw_qmgr shared;

/* ---- the first frame ---- */

static void
test_hello_opens_a_session(void **state)
{
	struct raw_client c;

	(void)state;
	raw_hello(&c, &shared);
	raw_ping(&c, 1);
	raw_close(&c);
}

static void
test_hello_with_wrong_magic_is_refused(void **state)
{
	struct mqlocal_hello h = raw_hello_for(&shared);
	struct raw_client c;
	struct mqbuf b;
	char line[64];

	(void)state;
	raw_open(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, &h);
	b.data[MQFRAME_HEADER] ^= 0xff;
	raw_send_buf(&c, &b);
	raw_assert_error(&c, MQI_E_PROTOCOL);
	raw_close(&c);
	(void)snprintf(line, sizeof(line), "session.refused uid=%u", geteuid());
	raw_assert_logged(&shared, line);
	raw_assert_logged(&shared, "HELLO has the wrong magic number");
}

static void
test_bytes_of_another_protocol_are_refused(void **state)
{
	struct raw_client c;

	(void)state;
	raw_open(&c, &shared);
	raw_send(&c, "GET / HTTP/1.1\r\n\r\n", 18);
	raw_assert_error(&c, MQI_E_PROTOCOL);
	raw_close(&c);
	raw_assert_logged(&shared, "a frame's length is beyond the limit");
}

static void
test_first_frame_that_is_no_hello_is_refused(void **state)
{
	struct raw_client c;

	(void)state;
	raw_open(&c, &shared);
	raw_send_frame(&c, MQLOCAL_PING, 1, 0);
	raw_assert_error(&c, MQI_E_PROTOCOL);
	raw_close(&c);
	raw_assert_logged(&shared, "is PING (16) instead of HELLO");
}

static void
test_hello_cut_anywhere_is_refused(void **state)
{
	struct mqlocal_hello h = raw_hello_for(&shared);
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, &h);
	for (size_t len = 0; len < b.len - MQFRAME_HEADER; len += 7) {
		uint8_t *copy = malloc(MQFRAME_HEADER + len);
		struct raw_client c;

		assert_non_null(copy);
		memcpy(copy, b.data, MQFRAME_HEADER + len);
		memset(copy, 0, 4);
		copy[0] = (uint8_t)len;
		raw_open(&c, &shared);
		raw_send(&c, copy, MQFRAME_HEADER + len);
		raw_assert_error(&c, MQI_E_PROTOCOL);
		raw_close(&c);
		free(copy);
	}
	mqbuf_fini(&b);
}

static void
test_hello_of_an_unknown_version_is_refused(void **state)
{
	struct mqlocal_hello h = raw_hello_for(&shared);
	struct raw_client c;

	(void)state;
	h.version_min = 98;
	h.version_max = 99;
	raw_open(&c, &shared);
	raw_send_hello(&c, &h);
	raw_assert_error(&c, MQI_E_VERSION);
	raw_close(&c);
	raw_assert_logged(&shared, "the client speaks versions 98 to 99");
}

static void
test_hello_for_another_queue_manager_is_refused(void **state)
{
	struct mqlocal_hello h = raw_hello_for(&shared);
	struct raw_client c;

	(void)state;
	(void)snprintf(h.qmgr, sizeof(h.qmgr), "OTHER");
	raw_open(&c, &shared);
	raw_send_hello(&c, &h);
	raw_assert_error(&c, MQI_E_Q_MGR_NAME);
	raw_close(&c);
}

static void
test_client_that_says_nothing_is_closed_after_ten_seconds(void **state)
{
	uint64_t before = test_now_ms();
	struct raw_client c;

	(void)state;
	raw_open(&c, &shared);
	raw_assert_error(&c, MQI_E_PROTOCOL);
	assert_true(test_now_ms() - before >= 9900);
	raw_close(&c);
	raw_assert_logged(&shared, "no HELLO within 10 seconds");
}

/* ---- later frames ---- */

static void
test_frames_that_cannot_be_requests_end_the_session(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t id;
		size_t payload;
	} bad[] = {
	    {0, 1, 0},
	    {99, 1, 0},
	    {65535, 1, 100},
	    {MQLOCAL_HELLO, 1, 0},
	    {MQLOCAL_RESULT, 1, 0},
	    {MQLOCAL_PING, 0, 0},
	    {MQLOCAL_PING, 1, 1},
	    {MQLOCAL_OPEN, 1, 0},
	    {MQLOCAL_PUT, 1, 3},
	    {MQLOCAL_GET, 1, 5000},
	    {MQLOCAL_PIECE, 1, 10},
	    {MQLOCAL_COMMIT, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
		struct raw_client c;

		raw_hello(&c, &shared);
		raw_send_frame(&c, bad[i].type, bad[i].id, bad[i].payload);
		raw_assert_error(&c, MQI_E_PROTOCOL);
		raw_close(&c);
	}
	raw_assert_logged(&shared, "type is unknown, or not a request");
	raw_assert_logged(&shared, "app=test_session");
}

static void
test_request_of_agents_is_refused_to_applications(void **state)
{
	struct mqlocal_stream_open v = {.queue = "Q"};
	struct mqlocal_result res;
	struct raw_client c;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	(void)state;
	raw_hello(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_stream_open(&b, 5, &v);
	raw_send_buf(&c, &b);
	assert_true(raw_recv(&c, &f, &used));
	assert_int_equal(mqlocal_decode_result(&f, &res), MQI_OK);
	assert_int_equal(res.reason, MQI_E_NOT_AUTHORIZED);
	mqbuf_consume(&c.in, used);
	raw_ping(&c, 6);
	raw_close(&c);
}

static void
test_client_that_goes_within_a_frame_is_logged_alone(void **state)
{
	struct raw_client stays, goes;
	struct mqbuf b;

	(void)state;
	raw_hello(&stays, &shared);
	raw_hello(&goes, &shared);
	mqbuf_init(&b, 1 << 20);
	(void)mqframe_begin(&b, MQLOCAL_PUT, 0, 9);
	mqbuf_patch_u32(&b, 0, 60000);
	mqbuf_put_zeros(&b, 30000);
	raw_send_buf(&goes, &b);
	raw_close(&goes);
	raw_assert_logged(&shared, "the client went in the middle of a frame");
	raw_ping(&stays, 2);
	raw_close(&stays);
}

static void
test_frames_sent_byte_by_byte_are_understood(void **state)
{
	struct raw_client c;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	(void)state;
	raw_hello(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_empty(&b, MQLOCAL_PING, 40);
	for (size_t i = 0; i < b.len; i++)
		raw_send(&c, b.data + i, 1);
	mqbuf_fini(&b);
	assert_true(raw_recv(&c, &f, &used));
	assert_int_equal(f.id, 40);
	mqbuf_consume(&c.in, used);
	raw_ping(&c, 41);
	raw_close(&c);
}

/* ---- many, and slow ---- */

static void
test_a_thousand_idle_connections_disturb_nobody(void **state)
{
	static struct raw_client idle[1000];
	struct rlimit rl;
	struct raw_client c;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		raw_hello(&idle[i], &shared);
	raw_hello(&c, &shared);
	raw_ping(&c, 3);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		raw_ping(&idle[i], 4);
	raw_close(&c);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		raw_close(&idle[i]);
}

/* Of 400 clients as many are served as there are descriptors for; the others
 * are told, and when some go there is room again. */
static void
test_more_clients_than_descriptors_are_refused_with_a_reason(void **state)
{
	static struct raw_client all[400];
	struct raw_client late;
	struct raw_qmgr d;
	size_t served = 0;

	(void)state;
	raw_init(&d, "QM1", "root");
	raw_create(&d);
	raw_start_with(&d, "300");
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		if (raw_try_hello(&all[i], &d))
			assert_int_equal(i, served++);
		else
			raw_assert_error(&all[i], MQI_E_RESOURCE_PROBLEM);
	}
	assert_true(served >= 100 && served <= 300);
	for (size_t i = 0; i < served; i++)
		raw_ping(&all[i], 1);
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++)
		raw_close(&all[i]);
	/* it may not have seen all of them go yet */
	while (!raw_try_hello(&late, &d))
		raw_close(&late);
	raw_ping(&late, 1);
	raw_close(&late);
	proc_stop(&d.proc);
	raw_fini(&d);
}

/* Sends pings until the queue manager has not read any for a while. */
static uint32_t
send_until_held(struct raw_client *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	struct mqbuf b;
	uint32_t id = 1;

	mqbuf_init(&b, 4096);
	assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	while (poll(&p, 1, 500) == 1) {
		mqbuf_reset(&b);
		mqlocal_encode_empty(&b, MQLOCAL_PING, id);
		/* a Unix socket takes so little whole or not at all */
		if (send(c->fd, b.data, b.len, MSG_NOSIGNAL) > 0)
			id++;
		assert_true(id < 1000000);
	}
	assert_int_equal(fcntl(c->fd, F_SETFL, 0), 0);
	mqbuf_fini(&b);
	return id - 1;
}

static void
test_client_that_does_not_read_is_held_and_loses_nothing(void **state)
{
	struct raw_client c, other;
	uint32_t sent;

	(void)state;
	raw_hello(&c, &shared);
	sent = send_until_held(&c);
	/* more than fits the sockets' buffers, and not without bound */
	assert_true(sent > 10000);
	raw_hello(&other, &shared);
	raw_ping(&other, 5);
	raw_close(&other);
	for (uint32_t id = 1; id <= sent; id++) {
		struct mqframe f;
		size_t used;

		assert_true(raw_recv(&c, &f, &used));
		assert_int_equal(f.type, MQLOCAL_RESULT);
		assert_int_equal(f.id, id);
		mqbuf_consume(&c.in, used);
	}
	raw_close(&c);
}

/* ---- */

static int
group_setup(void **state)
{
	(void)state;
	raw_init(&shared, "QM1", "root");
	raw_create(&shared);
	raw_start(&shared);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	/* it runs even if the setup failed */
	if (shared.proc.pid != 0)
		proc_stop(&shared.proc);
	raw_fini(&shared);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hello_opens_a_session),
	    cmocka_unit_test(test_hello_with_wrong_magic_is_refused),
	    cmocka_unit_test(test_bytes_of_another_protocol_are_refused),
	    cmocka_unit_test(test_first_frame_that_is_no_hello_is_refused),
	    cmocka_unit_test(test_hello_cut_anywhere_is_refused),
	    cmocka_unit_test(test_hello_of_an_unknown_version_is_refused),
	    cmocka_unit_test(test_hello_for_another_queue_manager_is_refused),
	    cmocka_unit_test(
		test_client_that_says_nothing_is_closed_after_ten_seconds),
	    cmocka_unit_test(
		test_frames_that_cannot_be_requests_end_the_session),
	    cmocka_unit_test(test_request_of_agents_is_refused_to_applications),
	    cmocka_unit_test(
		test_client_that_goes_within_a_frame_is_logged_alone),
	    cmocka_unit_test(test_frames_sent_byte_by_byte_are_understood),
	    cmocka_unit_test(test_a_thousand_idle_connections_disturb_nobody),
	    cmocka_unit_test(
		test_more_clients_than_descriptors_are_refused_with_a_reason),
	    cmocka_unit_test(
		test_client_that_does_not_read_is_held_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

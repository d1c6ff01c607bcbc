/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_outq.c - a socket's output: order, counting of replies, short writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "qmgr/outq.h"

struct fixture {
	struct outq q;
	int ours;
	int theirs; /* non-blocking */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2];

	assert_non_null(f);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	f->ours = sv[0];
	f->theirs = sv[1];
	outq_init(&f->q);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	outq_fini(&f->q);
	close(f->ours);
	if (f->theirs >= 0)
		close(f->theirs);
	free(f);
	return 0;
}

static void
test_write_of_nothing_is_empty(void **state)
{
	struct fixture *f = *state;
	uint32_t n = 7;

	assert_int_equal(outq_write(&f->q, f->ours, 1, &n), OUTQ_EMPTY);
	assert_int_equal(n, 0);
}

static void
test_write_keeps_order_of_copies_and_references(void **state)
{
	struct fixture *f = *state;
	struct mqref *ref = mqref_new(3000);
	char got[8192];
	uint32_t n;

	memset(ref->data, 'r', ref->len);
	assert_int_equal(outq_put(&f->q, "head", 4), MQI_OK);
	assert_int_equal(outq_put_ref(&f->q, ref, 500, 2000), MQI_OK);
	assert_int_equal(outq_end_reply(&f->q), MQI_OK);
	assert_int_equal(outq_put(&f->q, "tail", 4), MQI_OK);
	assert_int_equal(outq_put_ref(&f->q, ref, 0, 10), MQI_OK);
	assert_int_equal(outq_end_reply(&f->q), MQI_OK);
	mqref_unref(ref);
	assert_int_equal(f->q.bytes, 2018);
	assert_int_equal(outq_write(&f->q, f->ours, SIZE_MAX, &n), OUTQ_EMPTY);
	assert_int_equal(n, 2);
	assert_int_equal(read(f->theirs, got, sizeof(got)), 2018);
	assert_memory_equal(got, "head", 4);
	for (int i = 4; i < 2004; i++)
		assert_int_equal(got[i], 'r');
	assert_memory_equal(got + 2004, "tailrrrrrrrrrr", 14);
}

static void
test_write_to_a_full_socket_counts_only_whole_replies(void **state)
{
	struct fixture *f = *state;
	struct mqref *ref = mqref_new(1000000);
	uint32_t n;

	memset(ref->data, 'x', ref->len);
	assert_int_equal(outq_put(&f->q, "small", 5), MQI_OK);
	assert_int_equal(outq_end_reply(&f->q), MQI_OK);
	assert_int_equal(outq_put_ref(&f->q, ref, 0, ref->len), MQI_OK);
	assert_int_equal(outq_end_reply(&f->q), MQI_OK);
	mqref_unref(ref);
	assert_int_equal(outq_write(&f->q, f->ours, SIZE_MAX, &n), OUTQ_FULL);
	assert_int_equal(n, 1);
	assert_true(f->q.bytes > 0 && f->q.bytes < 1000000);
}

static void
test_write_to_a_closed_socket_is_broken(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	close(f->theirs);
	f->theirs = -1;
	assert_int_equal(outq_put(&f->q, "x", 1), MQI_OK);
	assert_int_equal(outq_write(&f->q, f->ours, SIZE_MAX, &n), OUTQ_BROKEN);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(n, 0);
}

static void
test_write_stops_at_its_limit(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	for (int i = 0; i < 200; i++) {
		char page[4096] = {0};

		assert_int_equal(outq_put(&f->q, page, sizeof(page)), MQI_OK);
	}
	assert_int_equal(outq_write(&f->q, f->ours, 20000, &n), OUTQ_MORE);
	assert_true(f->q.bytes >= 200 * 4096 - 20000 - 16384);
}

/* Whatever is appended and however it is read: the same bytes come out, and
 * when all are read all replies are counted, each not before its last byte. */
static void
test_random_traffic_comes_out_as_it_went_in(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("MQ_SEED");
	uint64_t seed, in = 0, out = 0, ends[4096];
	uint32_t n_ends = 0, counted = 0, n;
	uint8_t buf[40000];

	mqrand_bytes(&seed, sizeof(seed));
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	for (int step = 0; step < 4000; step++) {
		uint64_t r = mqrand_next(&seed);
		size_t len = 1 + (r >> 8) % ((r & 7) == 0 ? 30000 : 300);
		struct mqref *ref = mqref_new(len);
		ssize_t got;

		for (size_t i = 0; i < len; i++)
			ref->data[i] = (uint8_t)((in + i) * 31 >> 3);
		if ((r & 16) != 0)
			assert_int_equal(
			    outq_put_ref(&f->q, ref, 0, len), MQI_OK);
		else
			assert_int_equal(
			    outq_put(&f->q, ref->data, len), MQI_OK);
		mqref_unref(ref);
		in += len;
		assert_int_equal(outq_end_reply(&f->q), MQI_OK);
		ends[n_ends++] = in;
		(void)outq_write(&f->q, f->ours, 1 + (r >> 40) % 100000, &n);
		counted += n;
		assert_true(counted <= n_ends);
		if (counted > 0)
			assert_true(ends[counted - 1] <= in - f->q.bytes);
		if (counted < n_ends)
			assert_true(ends[counted] > in - f->q.bytes);
		got = read(f->theirs, buf, (r >> 32) % sizeof(buf));
		for (ssize_t i = 0; i < got; i++, out++)
			assert_int_equal(buf[i], (uint8_t)(out * 31 >> 3));
	}
	while (out < in) {
		ssize_t got;

		(void)outq_write(&f->q, f->ours, SIZE_MAX, &n);
		counted += n;
		got = read(f->theirs, buf, sizeof(buf));
		assert_true(got > 0);
		for (ssize_t i = 0; i < got; i++, out++)
			assert_int_equal(buf[i], (uint8_t)(out * 31 >> 3));
	}
	assert_int_equal(counted, n_ends);
	assert_int_equal(f->q.bytes, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_write_of_nothing_is_empty, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_write_keeps_order_of_copies_and_references, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_write_to_a_full_socket_counts_only_whole_replies, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_write_to_a_closed_socket_is_broken, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_write_stops_at_its_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_random_traffic_comes_out_as_it_went_in, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

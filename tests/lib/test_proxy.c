/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proxy.c - the bad network does what the proofs believe, and nothing
 * else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "tests/lib/proxy.h"

#define DEADLINE_MS 20000
#define QUIET_MS 50 /* what does not come so long is taken not to come */
#define MIB ((size_t)1 << 20)

struct fixture {
	struct proxy *proxy;
	int listen_fd;
	int near, far; /* the ends of the first connection */
};

static uint64_t
now_ms(void)
{
	return mqclock_mono_us() / 1000;
}

static int
dial(struct fixture *f)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)proxy_port(f->proxy)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int
take(struct fixture *f)
{
	struct pollfd p = {.fd = f->listen_fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in own = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(own);

	f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(f->listen_fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(listen(f->listen_fd, 10), 0);
	assert_int_equal(
	    getsockname(f->listen_fd, (struct sockaddr *)&own, &len), 0);
	f->proxy = proxy_new(ntohs(own.sin_port), 1);
	f->near = dial(f);
	f->far = take(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)proxy_free(f->proxy);
	(void)close(f->near);
	(void)close(f->far);
	(void)close(f->listen_fd);
	free(f);
	return 0;
}

/* ---- bytes ---- */

static void
say(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static bool
is_quiet(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

/* Reads up to len bytes, until the end or an error; how many. */
static size_t
hear(int fd, void *buf, size_t len)
{
	size_t n = 0;

	while (n < len && !is_quiet(fd, DEADLINE_MS)) {
		ssize_t got = recv(fd, (char *)buf + n, len - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static void
expect(int fd, const char *text)
{
	char buf[64] = "";

	assert_int_equal(hear(fd, buf, strlen(text)), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void
expect_end(int fd)
{
	char byte;

	assert_false(is_quiet(fd, DEADLINE_MS));
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void
expect_reset(int fd)
{
	char byte;

	assert_false(is_quiet(fd, DEADLINE_MS));
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void
test_bytes_pass_both_ways_and_so_does_each_end(void **state)
{
	struct fixture *f = *state;
	unsigned char *out = malloc(MIB), *in = malloc(MIB);
	uint64_t seed = 7;
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < MIB; i += 8) {
		uint64_t v = mqrand_next(&seed);
		memcpy(out + i, &v, 8);
	}
	while (got < MIB) {
		struct pollfd p[2] = {
		    {.fd = f->near, .events = sent < MIB ? POLLOUT : 0},
		    {.fd = f->far, .events = POLLIN}};

		assert_true(poll(p, 2, DEADLINE_MS) > 0);
		if (p[0].revents & POLLOUT)
			sent += (size_t)send(
			    f->near, out + sent, MIB - sent, MSG_DONTWAIT);
		if (p[1].revents & POLLIN)
			got += (size_t)recv(f->far, in + got, MIB - got, 0);
	}
	assert_memory_equal(in, out, MIB);
	say(f->far, "back", 4);
	expect(f->near, "back");
	assert_int_equal(shutdown(f->near, SHUT_WR), 0);
	expect_end(f->far);
	/* the other way still lives */
	say(f->far, "more", 4);
	expect(f->near, "more");
	assert_int_equal(shutdown(f->far, SHUT_WR), 0);
	expect_end(f->near);
	free(out);
	free(in);
}

static void
test_delay_is_of_one_way_and_pieces_do_not_add_it_up(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line slow = {.delay_ms = 300};
	uint64_t start;

	proxy_set(f->proxy, PROXY_OUT, &slow);
	start = now_ms();
	for (int i = 0; i < 10; i++) {
		say(f->near, "x", 1);
		(void)poll(NULL, 0, 5);
	}
	say(f->far, "y", 1);
	expect(f->near, "y");
	assert_true(now_ms() - start < 300);
	expect(f->far, "x");
	assert_true(now_ms() - start >= 300);
	expect(f->far, "xxxxxxxxx");
	assert_true(now_ms() - start < 3000);
}

static void
test_a_limited_line_gives_no_more(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line narrow = {.bytes_per_s = 500000};
	static char data[100000], got[100000];
	uint64_t start = now_ms();

	proxy_set(f->proxy, PROXY_BACK, &narrow);
	say(f->far, data, sizeof(data));
	assert_int_equal(hear(f->near, got, sizeof(got)), sizeof(got));
	assert_true(now_ms() - start >= 190);
}

static void
test_jitter_does_not_reorder(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line line = {.jitter_ms = 20};
	char digit;

	proxy_set(f->proxy, PROXY_OUT, &line);
	for (digit = '0'; digit <= '9'; digit++) {
		say(f->near, &digit, 1);
		(void)poll(NULL, 0, 2);
	}
	expect(f->far, "0123456789");
}

static void
test_a_byte_is_a_write(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line line = {.byte_by_byte = true};
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	char data[1000] = {0}, got[1000];

	proxy_set(f->proxy, PROXY_OUT, &line);
	say(f->near, data, sizeof(data));
	assert_int_equal(hear(f->far, got, sizeof(got)), sizeof(got));
	assert_int_equal(
	    getsockopt(f->far, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	/* (when its window is full, the kernel joins them) */
	assert_true(info.tcpi_data_segs_in >= 10);
}

/* ---- connections ---- */

static void
test_cut_ends_both(void **state)
{
	struct fixture *f = *state;

	proxy_cut(f->proxy);
	expect_end(f->near);
	expect_end(f->far);
}

static void
test_reset_resets_both(void **state)
{
	struct fixture *f = *state;

	proxy_reset(f->proxy);
	expect_reset(f->near);
	expect_reset(f->far);
}

static void
test_a_reset_is_passed_on(void **state)
{
	struct fixture *f = *state;
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(
	    setsockopt(f->far, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	(void)close(f->far);
	f->far = -1;
	expect_reset(f->near);
}

static void
test_a_target_that_does_not_listen_is_a_reset(void **state)
{
	struct fixture *f = *state;
	int fd;

	(void)close(f->listen_fd);
	f->listen_fd = -1;
	fd = dial(f);
	expect_reset(fd);
	(void)close(fd);
}

static void
test_refused_are_reset_until_healed(void **state)
{
	struct fixture *f = *state;
	int near, far;

	proxy_refuse(f->proxy, true);
	near = dial(f);
	expect_reset(near);
	(void)close(near);
	say(f->near, "old", 3);
	expect(f->far, "old");
	proxy_heal(f->proxy);
	near = dial(f);
	far = take(f);
	say(near, "new", 3);
	expect(far, "new");
	(void)close(near);
	(void)close(far);
}

static void
test_held_bytes_and_the_end_come_later(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line held = {.held = true};

	proxy_set(f->proxy, PROXY_OUT, &held);
	say(f->near, "late", 4);
	assert_int_equal(shutdown(f->near, SHUT_WR), 0);
	assert_true(is_quiet(f->far, QUIET_MS));
	say(f->far, "now", 3);
	expect(f->near, "now");
	proxy_heal(f->proxy);
	expect(f->far, "late");
	expect_end(f->far);
}

static void
test_silence_eats_bytes_of_one_way(void **state)
{
	struct fixture *f = *state;
	const struct proxy_line silent = {.silent = true};
	struct proxy_stats stats;

	proxy_set(f->proxy, PROXY_BACK, &silent);
	say(f->far, "lost", 4);
	assert_true(is_quiet(f->near, QUIET_MS));
	say(f->near, "other way", 9);
	expect(f->far, "other way");
	proxy_heal(f->proxy);
	say(f->far, "heard", 5);
	expect(f->near, "heard");
	proxy_stats(f->proxy, &stats);
	assert_int_equal(stats.bytes[PROXY_OUT], 9);
	assert_int_equal(stats.bytes[PROXY_BACK], 5);
}

static void
test_a_forgotten_connection_never_ends(void **state)
{
	struct fixture *f = *state;
	struct proxy_stats stats;
	int near, far;

	proxy_forget(f->proxy);
	say(f->near, "lost", 4);
	(void)close(f->near);
	f->near = -1;
	assert_true(is_quiet(f->far, QUIET_MS));
	proxy_heal(f->proxy);
	assert_true(is_quiet(f->far, QUIET_MS));
	/* the line itself is well */
	near = dial(f);
	far = take(f);
	say(near, "new", 3);
	expect(far, "new");
	proxy_stats(f->proxy, &stats);
	assert_int_equal(stats.conns, 2);
	assert_int_equal(stats.accepted, 2);
	(void)close(near);
	(void)close(far);
}

/* ---- harm ---- */

/* What of 1,000 bytes that are all different from their neighbours arrives,
 * when they are harmed in one way. */
static size_t
harmed(struct fixture *f, enum proxy_harm harm, unsigned char sent[1000],
    unsigned char got[2000])
{
	struct proxy_stats stats;
	size_t len;

	for (size_t i = 0; i < 1000; i++)
		sent[i] = (unsigned char)(i % 251);
	proxy_harm(f->proxy, PROXY_OUT, harm);
	say(f->near, sent, 1000);
	assert_int_equal(shutdown(f->near, SHUT_WR), 0);
	len = hear(f->far, got, 2000);
	proxy_stats(f->proxy, &stats);
	assert_int_equal(stats.harmed, 1);
	return len;
}

static size_t
first_difference(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t i = 0;

	while (i < len && a[i] == b[i])
		i++;
	return i;
}

static void
test_corruption_is_one_bit(void **state)
{
	unsigned char sent[1000], got[2000], bit;
	size_t at;

	assert_int_equal(harmed(*state, PROXY_CORRUPT, sent, got), 1000);
	at = first_difference(sent, got, 1000);
	assert_true(at < 1000);
	bit = sent[at] ^ got[at];
	assert_int_equal(bit & (bit - 1), 0);
	got[at] = sent[at];
	assert_memory_equal(got, sent, 1000);
}

static void
test_a_duplicate_is_a_byte_more(void **state)
{
	unsigned char sent[1000], got[2000];
	size_t at;

	assert_int_equal(harmed(*state, PROXY_DUPLICATE, sent, got), 1001);
	at = first_difference(sent, got, 1000);
	assert_true(at > 0);
	assert_memory_equal(got + at, sent + at - 1, 1001 - at);
}

static void
test_reordered_bytes_are_all_there(void **state)
{
	unsigned char sent[1000], got[2000];
	size_t at = 0;

	assert_int_equal(harmed(*state, PROXY_REORDER, sent, got), 1000);
	assert_true(first_difference(sent, got, 1000) < 1000);
	/* one half, then the other */
	while (at < 1000 && memcmp(got, sent + at, 1000 - at) != 0)
		at++;
	assert_true(at > 0 && at < 1000);
	assert_memory_equal(got + 1000 - at, sent, at);
}

static void
test_dropped_bytes_are_missing(void **state)
{
	unsigned char sent[1000], got[2000];
	size_t len = harmed(*state, PROXY_DROP, sent, got);

	assert_true(len < 1000);
	assert_memory_equal(got, sent, len);
}

static void
test_a_seed_repeats_its_faults(void **state)
{
	struct fixture *f = *state;
	uint64_t a = 42, b = 42;

	for (int i = 0; i < 200; i++) {
		const char *first = proxy_random_fault(f->proxy, &a);

		assert_string_equal(first, proxy_random_fault(f->proxy, &b));
	}
	assert_int_equal(a, b);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_bytes_pass_both_ways_and_so_does_each_end),
	    TEST(test_delay_is_of_one_way_and_pieces_do_not_add_it_up),
	    TEST(test_a_limited_line_gives_no_more),
	    TEST(test_jitter_does_not_reorder),
	    TEST(test_a_byte_is_a_write),
	    TEST(test_cut_ends_both),
	    TEST(test_reset_resets_both),
	    TEST(test_a_reset_is_passed_on),
	    TEST(test_a_target_that_does_not_listen_is_a_reset),
	    TEST(test_refused_are_reset_until_healed),
	    TEST(test_held_bytes_and_the_end_come_later),
	    TEST(test_silence_eats_bytes_of_one_way),
	    TEST(test_a_forgotten_connection_never_ends),
	    TEST(test_corruption_is_one_bit),
	    TEST(test_a_duplicate_is_a_byte_more),
	    TEST(test_reordered_bytes_are_all_there),
	    TEST(test_dropped_bytes_are_missing),
	    TEST(test_a_seed_repeats_its_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

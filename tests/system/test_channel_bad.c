/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_bad.c - what may knock at a listener's port: each is refused
 * with a line in the log that says what and from whom, and nothing else is
 * disturbed: at the end of every test the real channel still works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/chan.h"
#include "tests/lib/pair.h"
#include "tls/tls_ca.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define N_CROWD 40

struct fixture {
	struct pair p; /* the first: pair_teardown() */
	char why[MQTLS_WHY_LEN];
};

/* ---- the real channel ---- */

static void
real_one_works(struct fixture *f)
{
	pair_put(&f->p, 1, 0);
	pair_get(&f->p);
}

static void
issue(struct fixture *f, const char *ca, const char *name, const char *out,
    int days)
{
	char ca_dir[PATH_MAX], out_dir[PATH_MAX];
	struct mqtls_issue i = {
	    .ca_dir = ca_dir, .out_dir = out_dir, .name = name, .days = days};

	(void)snprintf(ca_dir, sizeof(ca_dir), "%.1000s/%s", f->p.dir.path, ca);
	(void)snprintf(
	    out_dir, sizeof(out_dir), "%.1000s/%s", f->p.dir.path, out);
	if (mqtls_ca_issue(&i, f->why) != MQI_OK)
		fail_msg("%s", f->why);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char foreign[PATH_MAX];

	pair_init(&f->p);
	issue(f, "ca", "QM3", "qm3", 5);
	issue(f, "ca", "QM1", "expired", -1);
	(void)snprintf(
	    foreign, sizeof(foreign), "%.1000s/foreign-ca", f->p.dir.path);
	OK(mqtls_ca_init(foreign, "Foreign", 5, f->why));
	issue(f, "foreign-ca", "QM1", "foreign", 5);
	pair_channel(&f->p, "QM1.QM2");
	*state = f;
	real_one_works(f);
	return 0;
}

/* ---- knocking ---- */

static int
knock_from(const struct fixture *f, in_addr_t from)
{
	struct sockaddr_in own = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)f->p.qm[1].port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = PROC_DEADLINE_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

static int
knock(const struct fixture *f)
{
	return knock_from(f, INADDR_LOOPBACK);
}

/* Reads until the other end closes. */
static void
wait_closed(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	/* an end or a reset, not the time limit */
	assert_true(n == 0 || errno == ECONNRESET);
	(void)close(fd);
}

/* Waits until QM2's log has a line with all of these. */
static void
wait_logged(struct fixture *f, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char line[8192];
		FILE *file = fopen(f->p.qm[1].proc.log, "re");

		assert_non_null(file);
		while (fgets(line, sizeof(line), file) != NULL) {
			if (strstr(line, a) != NULL &&
			    strstr(line, b) != NULL &&
			    strstr(line, "127.0.0.1(") != NULL) {
				(void)fclose(file);
				return;
			}
		}
		(void)fclose(file);
		if (test_now_ms() > end) {
			fprintf(stderr, "no line with '%s' and '%s'\n", a, b);
			proc_die(&f->p.qm[1].proc, "the log");
		}
		(void)poll(NULL, 0, 10);
	}
}

/* A TLS client with the files of dir (NULL: no certificate), which believes
 * everything.  Returns the connection after its own side of the handshake. */
static SSL *
tls_knock(struct fixture *f, const char *dir, SSL_CTX **ret_ctx)
{
	static const unsigned char alpn[] = "\x0dsluice-chan/1";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char path[PATH_MAX];
	SSL *ssl;

	assert_non_null(ctx);
	if (dir != NULL) {
		(void)snprintf(path, sizeof(path), "%.1000s/%s/cert.pem",
		    f->p.dir.path, dir);
		assert_int_equal(
		    SSL_CTX_use_certificate_chain_file(ctx, path), 1);
		(void)snprintf(path, sizeof(path), "%.1000s/%s/key.pem",
		    f->p.dir.path, dir);
		assert_int_equal(
		    SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM),
		    1);
	}
	ssl = SSL_new(ctx);
	assert_int_equal(SSL_set_alpn_protos(ssl, alpn, 14), 0);
	assert_int_equal(SSL_set_fd(ssl, knock(f)), 1);
	(void)SSL_connect(ssl);
	*ret_ctx = ctx;
	return ssl;
}

/* Everything that comes until the end; returns its length. */
static size_t
tls_drain(SSL *ssl, SSL_CTX *ctx, uint8_t *buf, size_t cap)
{
	size_t len = 0;
	int n;

	while (
	    len < cap && (n = SSL_read(ssl, buf + len, (int)(cap - len))) > 0)
		len += (size_t)n;
	wait_closed(SSL_get_fd(ssl));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return len;
}

/* Says bytes as one with the certificate of dir, and expects ERROR. */
static void
say_and_be_refused(struct fixture *f, const char *dir, const void *bytes,
    size_t len, enum mqi_err reason)
{
	uint8_t buf[4096];
	struct mqchan_error e;
	struct mqframe fr;
	size_t used, got;
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, dir, &ctx);

	assert_true(SSL_is_init_finished(ssl));
	assert_int_equal(SSL_write(ssl, bytes, (int)len), (int)len);
	got = tls_drain(ssl, ctx, buf, sizeof(buf));
	assert_int_equal(mqframe_parse(buf, got, &fr, &used), MQFRAME_OK);
	OK(mqchan_decode_error(&fr, &e));
	if (e.reason != (uint32_t)reason)
		fail_msg("%u instead of %d: %s", e.reason, reason, e.text);
}

static void
encode_hello(struct mqbuf *b, const char *channel)
{
	struct mqchan_hello h = {.version_min = 1,
	    .version_max = 1,
	    .role = MQCHAN_ROLE_SENDER,
	    .qmgr = "QM1",
	    .qmid = {0xbb},
	    .heartbeat_ms = 1000,
	    .batch_size = 50,
	    .max_msg_len = 1000};

	(void)snprintf(h.channel, sizeof(h.channel), "%s", channel);
	mqbuf_init(b, 4096);
	mqchan_encode_hello(b, &h);
}

/* ---- tests ---- */

static void
test_bytes_that_are_not_tls_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd = knock(f);

	assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	wait_closed(fd);
	wait_logged(f, "listener.refused", "does not speak TLS");
	real_one_works(f);
}

static void
test_a_partner_without_a_certificate_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[256];
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, NULL, &ctx);

	assert_int_equal(tls_drain(ssl, ctx, buf, sizeof(buf)), 0);
	wait_logged(f, "channel.failed", "did not return a certificate");
	real_one_works(f);
}

static void
test_an_expired_certificate_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[256];
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, "expired", &ctx);

	assert_int_equal(tls_drain(ssl, ctx, buf, sizeof(buf)), 0);
	wait_logged(f, "certificate has expired", "CN=QM1");
	real_one_works(f);
}

static void
test_a_certificate_of_another_authority_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[256];
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, "foreign", &ctx);

	assert_int_equal(tls_drain(ssl, ctx, buf, sizeof(buf)), 0);
	wait_logged(f, "certificate is refused", "CN=QM1");
	real_one_works(f);
}

static void
test_the_wrong_name_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mqbuf b;

	encode_hello(&b, "QM1.QM2");
	say_and_be_refused(f, "qm3", b.data, b.len, MQI_E_NOT_AUTHORIZED);
	wait_logged(f, "does not fit the channel's SSLPEER", "CN=QM3");
	mqbuf_fini(&b);
	real_one_works(f);
}

static void
test_an_unknown_channel_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mqbuf b;

	encode_hello(&b, "NO.SUCH");
	say_and_be_refused(f, "qm3", b.data, b.len, MQI_E_UNKNOWN_CHANNEL);
	wait_logged(f, "NO.SUCH", "CN=QM3");
	mqbuf_fini(&b);
	encode_hello(&b, "../../etc");
	say_and_be_refused(f, "qm3", b.data, b.len, MQI_E_UNKNOWN_CHANNEL);
	mqbuf_fini(&b);
	encode_hello(&b, "a b\nc");
	say_and_be_refused(f, "qm3", b.data, b.len, MQI_E_OBJECT_NAME);
	mqbuf_fini(&b);
	real_one_works(f);
}

static void
test_broken_frames_are_refused(void **state)
{
	struct fixture *f = *state;
	struct mqbuf b;

	encode_hello(&b, "QM1.QM2");
	b.data[MQFRAME_HEADER] ^= 0xff; /* magic */
	say_and_be_refused(f, "qm3", b.data, b.len, MQI_E_PROTOCOL);
	wait_logged(f, "HELLO", "damaged or not allowed");
	mqbuf_fini(&b);
	say_and_be_refused(
	    f, "qm3", "\xff\xff\xff\xff\1\0\0\0\0\0\0\0", 12, MQI_E_PROTOCOL);
	wait_logged(f, "channel.failed", "beyond the limit");
	say_and_be_refused(
	    f, "qm3", "\0\0\0\0\x63\0\0\0\0\0\0\0", 12, MQI_E_PROTOCOL);
	real_one_works(f);
}

static void
test_one_that_stops_within_a_frame_is_logged(void **state)
{
	struct fixture *f = *state;
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, "qm3", &ctx);
	uint8_t buf[256];

	assert_int_equal(SSL_write(ssl, "\x4a\0\0\0\1\0", 6), 6);
	(void)SSL_shutdown(ssl);
	(void)tls_drain(ssl, ctx, buf, sizeof(buf));
	wait_logged(f, "channel.failed", "closed the connection");
	real_one_works(f);
}

/* Whether the socket takes nothing more for so long. */
static bool
is_stuck(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 3000) == 0;
}

/* A partner that asks for answers and does not read them: it is not read
 * either, so that the answers do not fill the memory. */
static void
test_answers_that_nobody_reads_are_bounded(void **state)
{
	struct fixture *f = *state;
	const size_t frames = 10000, limit = 64u * 1024 * 1024;
	struct mqbuf b;
	SSL_CTX *ctx;
	SSL *ssl = tls_knock(f, "qm3", &ctx);
	size_t sent = 0;
	int n, fd = SSL_get_fd(ssl);

	assert_true(SSL_is_init_finished(ssl));
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	mqbuf_init(&b, frames * MQFRAME_HEADER);
	for (size_t i = 0; i < frames; i++)
		mqchan_encode_empty(&b, MQCHAN_HEARTBEAT);
	/* the socket takes no more, or it has ended */
	while (sent < limit) {
		n = SSL_write(ssl, b.data, (int)b.len);
		if (n > 0)
			sent += (size_t)n;
		else if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_WRITE ||
			 is_stuck(fd))
			break;
	}
	assert_true(sent < limit);
	(void)close(fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	mqbuf_fini(&b);
	real_one_works(f);
}

/* More than may be unauthenticated at once say nothing: the real channel,
 * which runs, goes on; another host is served at once, this one when their
 * 10 s are over. */
static void
test_a_silent_crowd_is_sent_away_after_ten_seconds(void **state)
{
	struct fixture *f = *state;
	uint64_t start = test_now_ms();
	int other, fds[N_CROWD];

	for (int i = 0; i < N_CROWD; i++)
		fds[i] = knock(f);
	real_one_works(f);
	/* another host need not wait for them */
	other = knock_from(f, INADDR_LOOPBACK + 1);
	assert_int_equal(write(other, "hello there", 11), 11);
	wait_closed(other);
	wait_logged(f, "receiver.refused", "half");
	assert_true(test_now_ms() - start < 8000);
	wait_closed(fds[0]);
	assert_true(test_now_ms() - start >= 9000);
	wait_logged(f, "listener.refused", "10 s");
	for (int i = 1; i < N_CROWD; i++)
		(void)close(fds[i]);
	real_one_works(f);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test(t)
	const struct CMUnitTest tests[] = {
	    TEST(test_bytes_that_are_not_tls_are_refused),
	    TEST(test_a_partner_without_a_certificate_is_refused),
	    TEST(test_an_expired_certificate_is_refused),
	    TEST(test_a_certificate_of_another_authority_is_refused),
	    TEST(test_the_wrong_name_is_refused),
	    TEST(test_an_unknown_channel_is_refused),
	    TEST(test_broken_frames_are_refused),
	    TEST(test_one_that_stops_within_a_frame_is_logged),
	    TEST(test_answers_that_nobody_reads_are_bounded),
	    TEST(test_a_silent_crowd_is_sent_away_after_ten_seconds),
	};

	return cmocka_run_group_tests(tests, setup, pair_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_hostile.c - a partner with a good certificate and a channel of
 * its own, who speaks the protocol and means harm: the memory of the receiver
 * and of the queue manager stays bounded whatever comes, each fault ends its
 * own connection with a reason, and another partner's channel goes on.  And one
 * without a certificate, who gets no further than SSLCAUTH says.
 *
 * QM3 is the hostile one (this program), QM1 the other partner of QM2.  What a
 * sanitizer takes is not measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "proto/chan.h"
#include "proto/desc.h"
#include "tests/lib/pair.h"
#include "tls/tls_ca.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define MIB ((uint64_t)1 << 20)
#define MAX_MSG (4u * 1024 * 1024)
/* What may be held for one partner, and what a process has anyway. */
#define RECEIVER_RSS (160 * MIB)
#define QMGR_RSS (128 * MIB)
#define LIMIT_S 20

struct fixture {
	struct pair p; /* the first: pair_teardown() */
};

/* A connection of the hostile one. */
struct foe {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	uint8_t buf[65536];
	size_t len;
	uint64_t number;
	struct mqbuf desc;
	const char *channel;
};

/* ---- the two queue managers ---- */

/* The other partner's channel goes on. */
static void
other_one_works(struct fixture *f)
{
	pair_put(&f->p, 1, 0);
	pair_get(&f->p);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[512], why[MQTLS_WHY_LEN], ca[PATH_MAX], out[PATH_MAX];
	struct mqtls_issue issue = {
	    .ca_dir = ca, .out_dir = out, .name = "QM3", .days = 5};

	pair_init(&f->p);
	(void)snprintf(ca, sizeof(ca), "%.1000s/ca", f->p.dir.path);
	(void)snprintf(out, sizeof(out), "%.1000s/qm3", f->p.dir.path);
	if (mqtls_ca_issue(&issue, why) != MQI_OK)
		fail_msg("%s", why);
	(void)snprintf(text, sizeof(text),
	    "ALTER QLOCAL(IN) MAXDEPTH(1000000)\n"
	    "DEFINE QLOCAL(FOE) MAXDEPTH(1000000)\n"
	    "DEFINE CHANNEL(QM3.QM2) CHLTYPE(RCVR) SSLPEER('CN=QM3') "
	    "MAXMSGL(%u) HBINT(1)\n",
	    MAX_MSG);
	qm_mqsc(&f->p.qm[1], text);
	pair_channel(&f->p, "QM1.QM2");
	*state = f;
	other_one_works(f);
	return 0;
}

static void
check_memory(const struct fixture *f)
{
	pid_t pids[QM_AGENTS_MAX];
	unsigned n = qm_agents(&f->p.qm[1], "answer", pids, MQ_ARRAY_LEN(pids));
	uint64_t qmgr = qm_rss(f->p.qm[1].proc.pid), most = 0;

	assert_true(n > 0);
	for (unsigned i = 0; i < n; i++) {
		uint64_t rss = qm_rss(pids[i]);

		most = rss > most ? rss : most;
	}
	(void)printf("resident: qmgr %llu MiB, the largest of %u receivers "
		     "%llu MiB\n",
	    (unsigned long long)(qmgr / MIB), n,
	    (unsigned long long)(most / MIB));
	if (test_is_slow())
		return;
	assert_true(qmgr < QMGR_RSS);
	assert_true(most < RECEIVER_RSS);
}

/* ---- the hostile one ---- */

static void
make_desc(struct foe *e, const char *queue)
{
	struct mqdesc_route route = {.hops = 1, .qmgr = "QM2"};
	struct mqdesc_stamp stamp = {
	    .keep_context = true, .persistent = true, .route = &route};
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	(void)snprintf(route.queue, sizeof(route.queue), "%s", queue);
	mqbuf_init(&b, MQDESC_MAX);
	mqbuf_init(&e->desc, MQDESC_MAX);
	OK(mqdesc_encode(&md, &b));
	OK(mqdesc_stamp(b.data, b.len, &stamp, &e->desc));
	mqbuf_fini(&b);
}

static void
use_certificate(struct fixture *f, SSL_CTX *ctx)
{
	char path[PATH_MAX];

	(void)snprintf(
	    path, sizeof(path), "%.1000s/qm3/cert.pem", f->p.dir.path);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
	(void)snprintf(
	    path, sizeof(path), "%.1000s/qm3/key.pem", f->p.dir.path);
	assert_int_equal(
	    SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
}

static struct foe *
foe_connect(struct fixture *f, const char *queue, bool has_cert)
{
	static const unsigned char alpn[] = "\x0dsluice-chan/1";
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)f->p.qm[1].port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = LIMIT_S};
	struct foe *e = calloc(1, sizeof(*e));

	make_desc(e, queue);
	e->channel = "QM3.QM2";
	e->ctx = SSL_CTX_new(TLS_client_method());
	if (has_cert)
		use_certificate(f, e->ctx);
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(e->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(
	    setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
	    0);
	assert_int_equal(
	    setsockopt(e->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
	    0);
	e->ssl = SSL_new(e->ctx);
	assert_int_equal(SSL_set_alpn_protos(e->ssl, alpn, 14), 0);
	assert_int_equal(SSL_set_fd(e->ssl, e->fd), 1);
	assert_int_equal(SSL_connect(e->ssl), 1);
	return e;
}

static struct foe *
foe_new(struct fixture *f, const char *queue)
{
	return foe_connect(f, queue, true);
}

static void
foe_free(struct foe *e)
{
	(void)close(e->fd);
	SSL_free(e->ssl);
	SSL_CTX_free(e->ctx);
	ERR_clear_error();
	mqbuf_fini(&e->desc);
	free(e);
}

/* Whether all of it was taken. */
static bool
say(struct foe *e, struct mqbuf *b)
{
	size_t at = 0;
	bool ok = true;

	while (ok && at < b->len) {
		int n = SSL_write(e->ssl, b->data + at, (int)(b->len - at));

		ok = n > 0;
		at += ok ? (size_t)n : 0;
	}
	ERR_clear_error();
	mqbuf_reset(b);
	return ok;
}

/* The next frame of this type; false: the connection ended before.  The
 * reason of an ERROR is in *ret_reason. */
static bool
hear(struct foe *e, unsigned type, uint32_t *ret_reason)
{
	struct mqframe fr;
	size_t used;

	for (;;) {
		if (mqframe_parse(e->buf, e->len, &fr, &used) == MQFRAME_OK) {
			struct mqchan_error err;
			unsigned got = fr.type;

			if (got == MQCHAN_ERROR && ret_reason != NULL &&
			    mqchan_decode_error(&fr, &err) == MQI_OK)
				*ret_reason = err.reason;
			memmove(e->buf, e->buf + used, e->len - used);
			e->len -= used;
			if (got == type)
				return true;
			continue;
		}
		int n = SSL_read(
		    e->ssl, e->buf + e->len, (int)(sizeof(e->buf) - e->len));
		ERR_clear_error();
		if (n <= 0)
			return false;
		e->len += (size_t)n;
	}
}

static void
put_hello(const struct foe *e, struct mqbuf *b)
{
	struct mqchan_hello h = {.version_min = 1,
	    .version_max = 1,
	    .role = MQCHAN_ROLE_SENDER,
	    .qmgr = "QM3",
	    .qmid = {0xbb},
	    .heartbeat_ms = 1000,
	    .batch_size = 9999,
	    .max_msg_len = 104857600};

	(void)snprintf(h.channel, sizeof(h.channel), "%s", e->channel);
	mqchan_encode_hello(b, &h);
}

static void
put_stream(struct mqbuf *b, uint8_t n)
{
	struct mqchan_stream s = {.stream = {n, 0x5a}, .n_incarnations = 1};

	s.incarnations[0].id[0] = 1;
	s.incarnations[0].first = 1;
	mqchan_encode_stream(b, &s);
}

static void
put_msg(struct foe *e, struct mqbuf *b, const void *body, uint32_t len,
    uint32_t announced)
{
	struct mqchan_msg m = {.number = e->number + 1,
	    .previous = e->number,
	    .body_crc = mqcrc32c(0, body, len),
	    .body_len = announced,
	    .desc = e->desc.data,
	    .desc_len = (uint32_t)e->desc.len,
	    .body = len == announced ? body : NULL};

	e->number++;
	mqchan_encode_msg(b, &m);
}

/* A connection that may send messages now. */
static struct foe *
foe_running(struct fixture *f, uint8_t stream, const char *queue)
{
	struct foe *e = foe_new(f, queue);
	struct mqbuf b;

	mqbuf_init(&b, 65536);
	put_hello(e, &b);
	put_stream(&b, stream);
	assert_true(say(e, &b));
	assert_true(hear(e, MQCHAN_RESUME, NULL));
	mqbuf_fini(&b);
	return e;
}

/* It ends with an ERROR of this reason. */
static void
expect_error(struct fixture *f, struct foe *e, enum mqi_err reason)
{
	uint32_t got = 0;

	(void)hear(e, MQCHAN_ERROR, &got);
	if (got != (uint32_t)reason) {
		proc_print_log(&f->p.qm[1].proc);
		fail_msg("reason %u instead of %u", got, (unsigned)reason);
	}
}

/* What the hostile one has sent is there, and nothing more. */
static void
wait_for_foe(struct fixture *f, uint64_t n)
{
	pair_wait_depth(&f->p, 1, "FOE", n);
}

/* ---- the tests ---- */

/* More than are allowed to wait, as small as they may be, and no ACK is ever
 * read. */
static void
test_tiny_messages_without_end_fill_no_memory(void **state)
{
	struct fixture *f = *state;
	struct foe *e = foe_running(f, 1, "FOE");
	unsigned n = test_is_slow() ? 20000 : 200000, sent = 0;
	struct mqbuf b;
	bool ok = true;

	mqbuf_init(&b, 1u << 20);
	while (ok && sent < n) {
		for (unsigned i = 0; i < 200; i++, sent++)
			put_msg(e, &b, "x", 1, 1);
		ok = say(e, &b);
	}
	(void)printf("%u messages taken\n", sent);
	check_memory(f);
	other_one_works(f);
	/* with ACKs unread this is a reset, and is told as one */
	foe_free(e);
	pair_wait_log(&f->p, 1, 1, "the connection broke", "");
	mqbuf_fini(&b);
}

/* Nothing is kept for what is only announced. */
static void
test_announced_lengths_take_no_memory(void **state)
{
	struct fixture *f = *state;
	struct foe *foes[8];
	struct mqbuf b;
	uint8_t piece[1000] = {0};

	mqbuf_init(&b, 1u << 20);
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++) {
		foes[i] = foe_running(f, (uint8_t)(10 + i), "FOE");
		put_msg(foes[i], &b, piece, sizeof(piece), MAX_MSG);
		assert_true(say(foes[i], &b));
	}
	check_memory(f);
	other_one_works(f);
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++)
		foe_free(foes[i]);
	foes[0] = foe_running(f, 30, "FOE");
	put_msg(foes[0], &b, piece, sizeof(piece), MAX_MSG + 1);
	assert_true(say(foes[0], &b));
	expect_error(f, foes[0], MQI_E_PROTOCOL);
	foe_free(foes[0]);
	mqbuf_fini(&b);
	other_one_works(f);
}

/* A body in pieces of one byte would cost a frame for each. */
static void
test_small_pieces_are_refused(void **state)
{
	struct fixture *f = *state;
	struct foe *e = foe_running(f, 40, "FOE");
	struct mqchan_piece p = {.data = "x", .len = 1};
	uint8_t none[1] = {0};
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	put_msg(e, &b, none, 0, 200000);
	mqchan_encode_piece(&b, &p);
	assert_true(say(e, &b));
	expect_error(f, e, MQI_E_PROTOCOL);
	foe_free(e);
	mqbuf_fini(&b);
	other_one_works(f);
}

static void
test_what_is_said_twice_or_out_of_turn_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t before;
	struct foe *e;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	e = foe_running(f, 50, "FOE");
	put_hello(e, &b);
	assert_true(say(e, &b));
	expect_error(f, e, MQI_E_PROTOCOL);
	foe_free(e);
	e = foe_running(f, 51, "FOE");
	put_stream(&b, 52);
	assert_true(say(e, &b));
	expect_error(f, e, MQI_E_PROTOCOL);
	foe_free(e);
	/* a number again is what it has already */
	e = foe_running(f, 53, "FOE");
	before = qm_depth(&f->p.qm[1], "FOE");
	put_msg(e, &b, "x", 1, 1);
	e->number = 0;
	put_msg(e, &b, "y", 1, 1);
	put_msg(e, &b, "z", 1, 1);
	assert_true(say(e, &b));
	wait_for_foe(f, before + 2);
	foe_free(e);
	mqbuf_fini(&b);
	other_one_works(f);
}

/* Each stream is a row that stays: a partner has so many and no more. */
static void
test_streams_of_one_partner_are_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned n = test_is_slow() ? 20 : 100;
	uint64_t before = qm_rss(f->p.qm[1].proc.pid), after;

	for (unsigned i = 0; i < n; i++)
		foe_free(foe_running(f, (uint8_t)(100 + i), "FOE"));
	after = qm_rss(f->p.qm[1].proc.pid);
	(void)printf("%u streams: %lld KiB\n", n,
	    ((long long)after - (long long)before) / 1024);
	if (!test_is_slow())
		assert_true(after < before + 8 * MIB);
	other_one_works(f);
}

static void
test_a_system_queue_is_not_put_to(void **state)
{
	struct fixture *f = *state;
	struct foe *e = foe_running(f, 60, "SYSTEM.DEFAULT.LOCAL.QUEUE");
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	put_msg(e, &b, "x", 1, 1);
	assert_true(say(e, &b));
	/* it is a dead letter, with the reason */
	assert_true(hear(e, MQCHAN_ACK, NULL));
	assert_int_equal(
	    qm_depth(&f->p.qm[1], "SYSTEM.DEFAULT.LOCAL.QUEUE"), 0);
	assert_int_equal(qm_depth(&f->p.qm[1], "SYSTEM.DEAD.LETTER.QUEUE"), 1);
	foe_free(e);
	mqbuf_fini(&b);
	other_one_works(f);
}

/* Says HELLO without a certificate; the reason of the refusal: CERTIFICATE,
 * too, if TLS itself refuses, OK for none. */
static enum mqi_err
nameless_hello(struct fixture *f, const char *channel)
{
	struct foe *e = foe_connect(f, "FOE", false);
	uint32_t reason = 0;
	struct mqbuf b;
	bool ended;

	e->channel = channel;
	mqbuf_init(&b, 65536);
	put_hello(e, &b);
	put_stream(&b, 1);
	(void)say(e, &b);
	ended = !hear(e, MQCHAN_RESUME, &reason);
	if (ended && reason == 0)
		reason = MQI_E_CERTIFICATE;
	foe_free(e);
	mqbuf_fini(&b);
	return (enum mqi_err)reason;
}

/* A listener hears a moment later what was defined. */
static void
wait_nameless(struct fixture *f, const char *channel, enum mqi_err want)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	enum mqi_err got;

	while ((got = nameless_hello(f, channel)) != want) {
		if (test_now_ms() > end) {
			(void)fprintf(stderr, "%u instead of %u\n",
			    (unsigned)got, (unsigned)want);
			proc_die(&f->p.qm[1].proc, "one without a certificate");
		}
		(void)poll(NULL, 0, 10);
	}
}

static void
test_one_without_a_certificate_gets_as_far_as_sslcauth_lets(void **state)
{
	struct fixture *f = *state;
	struct foe *e;
	struct mqbuf b;

	/* as long as no channel lets such ones in, TLS does not */
	assert_int_equal(nameless_hello(f, "QM3.QM2"), MQI_E_CERTIFICATE);
	qm_mqsc(&f->p.qm[1],
	    "DEFINE QLOCAL(NAMELESS)\n"
	    "DEFINE CHANNEL(OPEN) CHLTYPE(RCVR) SSLCAUTH(OPTIONAL)\n"
	    "DEFINE CHANNEL(NAMED) CHLTYPE(RCVR) SSLCAUTH(OPTIONAL) "
	    "SSLPEER('CN=QM3')\n");
	/* the record of the tests asks for a certificate of its authority */
	wait_nameless(f, "OPEN", MQI_E_NOT_AUTHORIZED);
	qm_mqsc(&f->p.qm[1],
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('127.0.0.1') "
	    "MCAUSER('nobody')\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('nobody') AUTHADD(CONNECT)\n"
	    "SET AUTHREC PROFILE(NAMELESS) OBJTYPE(QUEUE) "
	    "PRINCIPAL('nobody') AUTHADD(PUT)\n");
	assert_int_equal(nameless_hello(f, "QM3.QM2"), MQI_E_CERTIFICATE);
	pair_wait_log(&f->p, 1, 1, "SSLCAUTH(REQUIRED)", "");
	assert_int_equal(nameless_hello(f, "NAMED"), MQI_E_NOT_AUTHORIZED);
	/* what a certificate has begun is not theirs */
	assert_int_equal(nameless_hello(f, "OPEN"), MQI_E_NOT_CURRENT);
	e = foe_connect(f, "NAMELESS", false);
	e->channel = "OPEN";
	mqbuf_init(&b, 65536);
	put_hello(e, &b);
	put_stream(&b, 77);
	put_msg(e, &b, "x", 1, 1);
	assert_true(say(e, &b));
	if (!hear(e, MQCHAN_ACK, NULL))
		proc_die(&f->p.qm[1].proc, "one that is let in puts nothing");
	assert_int_equal(qm_depth(&f->p.qm[1], "NAMELESS"), 1);
	/* what was let in is judged again */
	qm_mqsc(&f->p.qm[1],
	    "ALTER CHANNEL(OPEN) CHLTYPE(RCVR) SSLCAUTH(REQUIRED)\n"
	    "REFRESH SECURITY\n");
	expect_error(f, e, MQI_E_CERTIFICATE);
	foe_free(e);
	mqbuf_fini(&b);
	other_one_works(f);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test(t)
	const struct CMUnitTest tests[] = {
	    TEST(test_tiny_messages_without_end_fill_no_memory),
	    TEST(test_announced_lengths_take_no_memory),
	    TEST(test_small_pieces_are_refused),
	    TEST(test_what_is_said_twice_or_out_of_turn_is_refused),
	    TEST(test_streams_of_one_partner_are_bounded),
	    TEST(test_a_system_queue_is_not_put_to),
	    TEST(test_one_without_a_certificate_gets_as_far_as_sslcauth_lets),
	};

	return cmocka_run_group_tests(tests, setup, pair_teardown);
}

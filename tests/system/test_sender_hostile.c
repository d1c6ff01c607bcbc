/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sender_hostile.c - a partner with a good certificate that is called, to
 * take messages, and means harm: it acknowledges what was never sent, or
 * nothing, claims positions, sends options and frames without end, or breaks
 * off anywhere.  The sender ends the connection with a reason, no message
 * leaves its transmission queue, memory stays bounded, and another channel of
 * the queue manager goes on.
 *
 * QM3 is the hostile one (this program), QM1 calls it, QM2 is the other
 * partner.  What a sanitizer takes is not measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"
#include "proto/chan.h"
#include "tests/lib/qm.h"
#include "tests/lib/tls_peer.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define MIB ((uint64_t)1 << 20)
#define SENDER_RSS (64 * MIB)
#define QMGR_RSS (160 * MIB)

static struct tmpdir dir;
static struct qm qm[2];
static int listener;
static unsigned n_other; /* messages to the other partner */
static unsigned n_kept;  /* messages that wait for the hostile one */

/* ---- the queue managers ---- */

static uint64_t
depth_of(const struct qm *q, const char *name)
{
	mqi_conn *conn = qm_connect(q);
	struct mqi_queue_info info = {0};
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	OK(mqi_disconnect(conn));
	return info.depth;
}

static void
put(const char *queue, const char *qmgr, unsigned n, size_t len)
{
	mqi_conn *conn = qm_connect(&qm[0]);
	char *body = calloc(1, len);
	mqi_queue *q = NULL;

	assert_non_null(body);
	OK(mqi_open(conn, queue, qmgr, MQI_OO_OUTPUT, &q));
	for (unsigned i = 0; i < n; i++)
		OK(mqi_put_async(q, NULL, NULL, body, len));
	OK(mqi_flush(q));
	OK(mqi_disconnect(conn));
	free(body);
}

/* The other channel goes on, and nothing is lost to the hostile one. */
static void
check_all_well(void)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	put("IN", "QM2", 1, 1);
	n_other++;
	while (depth_of(&qm[1], "IN") < n_other) {
		if (test_now_ms() > end)
			proc_die(&qm[0].proc, "another one is disturbed");
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(depth_of(&qm[0], "QM3"), n_kept);
}

static void
check_memory(void)
{
	pid_t pids[QM_AGENTS_MAX];
	unsigned n = qm_agents(&qm[0], "dial", pids, MQ_ARRAY_LEN(pids));
	uint64_t qmgr = qm_rss(qm[0].proc.pid), most = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t rss = qm_rss(pids[i]);

		most = rss > most ? rss : most;
	}
	(void)printf("resident: qmgr %llu MiB, the largest of %u senders "
		     "%llu MiB\n",
	    (unsigned long long)(qmgr / MIB), n,
	    (unsigned long long)(most / MIB));
	if (test_is_slow())
		return;
	assert_true(qmgr < QMGR_RSS);
	assert_true(most < SENDER_RSS);
}

static void
wait_logged(const char *text)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char line[8192];
		FILE *file = fopen(qm[0].proc.log, "re");
		bool found = false;

		assert_non_null(file);
		while (!found && fgets(line, sizeof(line), file) != NULL)
			found = strstr(line, text) != NULL;
		(void)fclose(file);
		if (found)
			return;
		if (test_now_ms() > end)
			proc_die(&qm[0].proc, text);
		(void)poll(NULL, 0, 10);
	}
}

static void
listen_somewhere(int *ret_port)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0);
	assert_int_equal(
	    bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(listener, 10), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	*ret_port = ntohs(sin.sin_port);
}

static int
setup(void **state)
{
	char text[2048];
	int port, own;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	tmpdir_make(&dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&qm[i], &dir, i == 0 ? "QM1" : "QM2");
		if (i == 0)
			qm_tls(&qm[i], &dir); /* else qm_serve() */
		qm_start(&qm[i]);
	}
	qm_issue(&qm[0], &dir, "QM3");
	port = qm_serve(&qm[1], &dir);
	listen_somewhere(&own);
	qm_mqsc(&qm[1],
	    "DEFINE QLOCAL(IN) MAXDEPTH(1000000)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "DEFINE QLOCAL(QM3) USAGE(XMITQ) MAXDEPTH(1000000)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') SHORTTMR(1) "
	    "SHORTRTY(1000)\n"
	    "DEFINE CHANNEL(QM1.QM3) CHLTYPE(SDR) XMITQ(QM3) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM3') SHORTTMR(1) "
	    "SHORTRTY(1000) HBINT(1)\n",
	    port, own);
	qm_mqsc(&qm[0], text);
	put("FOE", "QM3", 1, 100);
	n_kept = 1;
	check_all_well();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)close(listener);
	for (int i = 0; i < 2; i++)
		qm_fini(&qm[i]);
	tmpdir_free(&dir);
	return 0;
}

/* ---- the hostile one ---- */

/* The next call of the sender, with TLS. */
static struct tls_peer *
be_called(void)
{
	static char keys[PATH_MAX];
	const struct tls_peer_opts opts = {.alpn = MQCHAN_ALPN, .dir = keys};
	struct pollfd pfd = {.fd = listener, .events = POLLIN};
	struct tls_peer *p = NULL;

	(void)snprintf(keys, sizeof(keys), "%.4000s/QM3", dir.path);
	while (p == NULL) {
		int fd;

		if (poll(&pfd, 1, PROC_DEADLINE_MS) != 1)
			proc_die(&qm[0].proc, "nobody calls");
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fd >= 0);
		p = tls_peer_answer(fd, &opts);
	}
	return p;
}

static bool
say(struct tls_peer *p, struct mqbuf *b)
{
	bool ok = b->err == MQI_OK && tls_peer_say(p, b->data, b->len);

	mqbuf_reset(b);
	return ok;
}

static void
expect(struct tls_peer *p, enum mqchan_type type, struct mqframe *f)
{
	bool ok;

	while ((ok = tls_peer_hear(p, f)) && f->type != type &&
	       f->type != MQCHAN_ERROR)
		;
	if (!ok || f->type != type) {
		proc_print_log(&qm[0].proc);
		fail_msg("no %s", mqchan_type_name((uint16_t)type));
	}
}

static void
expect_error(struct tls_peer *p, enum mqi_err reason)
{
	struct mqchan_error e = {0};
	struct mqframe f;

	expect(p, MQCHAN_ERROR, &f);
	OK(mqchan_decode_error(&f, &e));
	if (e.reason != (uint32_t)reason)
		fail_msg("reason %u instead of %u: %s", e.reason,
		    (unsigned)reason, e.text);
	tls_peer_free(p);
}

static void
put_hello(struct mqbuf *b, uint64_t features)
{
	struct mqchan_hello h = {.version_min = 1,
	    .version_max = 1,
	    .features = features,
	    .role = MQCHAN_ROLE_RECEIVER,
	    .channel = "QM1.QM3",
	    .qmgr = "QM3",
	    .qmid = {0xcc},
	    .heartbeat_ms = 1000,
	    .batch_size = 9999,
	    .max_msg_len = 104857600};

	mqchan_encode_hello(b, &h);
}

/* Up to the question for the position. */
static struct tls_peer *
be_asked(struct mqchan_stream *ret)
{
	struct tls_peer *p = be_called();
	struct mqframe f;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	expect(p, MQCHAN_HELLO, &f);
	put_hello(&b, 0);
	assert_true(say(p, &b));
	expect(p, MQCHAN_STREAM, &f);
	OK(mqchan_decode_stream(&f, ret));
	mqbuf_fini(&b);
	return p;
}

/* Up to the first message. */
static struct tls_peer *
be_sent(void)
{
	struct mqchan_resume none = {0};
	struct mqchan_stream stream;
	struct tls_peer *p = be_asked(&stream);
	struct mqframe f;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	mqchan_encode_resume(&b, &none);
	assert_true(say(p, &b));
	expect(p, MQCHAN_MSG, &f);
	mqbuf_fini(&b);
	return p;
}

/* ---- the tests ---- */

static void
test_what_was_not_sent_is_not_acknowledged(void **state)
{
	struct tls_peer *p = be_sent();
	struct mqchan_ack a = {.number = UINT64_C(1) << 50};
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	mqchan_encode_ack(&b, &a);
	assert_true(say(p, &b));
	expect_error(p, MQI_E_PROTOCOL);
	wait_logged("the partner acknowledges message");
	check_all_well();
	mqbuf_fini(&b);
}

static void
test_a_position_that_is_only_claimed_is_refused(void **state)
{
	struct mqchan_resume r = {.position = UINT64_C(1) << 50};
	struct mqchan_stream stream;
	struct tls_peer *p = be_asked(&stream);
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	/* far beyond, in the stream's own incarnation and in none of its */
	memcpy(r.incarnation, stream.incarnations[0].id, 16);
	mqchan_encode_resume(&b, &r);
	assert_true(say(p, &b));
	expect_error(p, MQI_E_NOT_CURRENT);
	p = be_asked(&stream);
	memset(r.incarnation, 0xee, 16);
	r.position = 1;
	mqchan_encode_resume(&b, &r);
	assert_true(say(p, &b));
	expect_error(p, MQI_E_NOT_CURRENT);
	check_all_well();
	mqbuf_fini(&b);
}

static void
test_frames_that_are_not_a_receivers_end_the_connection(void **state)
{
	static const uint16_t types[] = {
	    MQCHAN_STREAM, MQCHAN_MSG, MQCHAN_PIECE, 0, 999, 65535};
	struct tls_peer *p;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	for (size_t i = 0; i < MQ_ARRAY_LEN(types); i++) {
		size_t at = mqframe_begin(&b, types[i], 0, 0);

		p = be_sent();
		mqbuf_put_zeros(&b, 100);
		mqframe_end(&b, at, 0);
		assert_true(say(p, &b));
		expect_error(p, MQI_E_PROTOCOL);
	}
	/* and one that is longer than frames are */
	p = be_sent();
	mqbuf_put_u32(&b, UINT32_MAX);
	mqbuf_put_zeros(&b, 20);
	assert_true(say(p, &b));
	expect_error(p, MQI_E_PROTOCOL);
	check_all_well();
	mqbuf_fini(&b);
}

/* Whatever they say, OPTIONS are one frame of bounded parts. */
static void
test_giant_options_are_refused(void **state)
{
	struct tls_peer *p = be_called();
	struct mqframe f;
	struct mqbuf b;
	size_t at;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	expect(p, MQCHAN_HELLO, &f);
	put_hello(&b, MQCHAN_FEATURE_OPTIONS);
	at = mqframe_begin(&b, MQCHAN_OPTIONS, 0, 0);
	mqbuf_put_u16(&b, UINT16_MAX);
	for (uint16_t n = 1; n < 60000; n++) {
		mqbuf_put_u16(&b, n);
		mqbuf_put_u16(&b, 0);
	}
	mqframe_end(&b, at, 0);
	assert_true(say(p, &b));
	expect_error(p, MQI_E_PROTOCOL);
	check_all_well();
	mqbuf_fini(&b);
}

/* One who claims to have room for all there is, takes no message from its
 * socket and acknowledges none. */
static void
test_who_takes_nothing_fills_no_memory(void **state)
{
	static const uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
	const struct mqchan_options o = {.n = 2,
	    .all = {{MQCHAN_OPTION_HELD_BYTES, 4, all},
		{MQCHAN_OPTION_HELD_MSGS, 4, all}}};
	unsigned n = test_is_slow() ? 100 : 3000;
	struct mqchan_resume none = {0};
	struct tls_peer *p;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	put("FOE", "QM3", n, 100000);
	n_kept += n;
	p = be_called();
	mqbuf_init(&b, 1u << 20);
	expect(p, MQCHAN_HELLO, &f);
	put_hello(&b, MQCHAN_FEATURE_OPTIONS);
	mqchan_encode_options(&b, &o);
	assert_true(say(p, &b));
	expect(p, MQCHAN_STREAM, &f);
	mqchan_encode_resume(&b, &none);
	assert_true(say(p, &b));
	/* while it sends what fits; the silence ends it a moment later */
	for (unsigned i = 0; i < 10; i++) {
		check_memory();
		check_all_well();
	}
	tls_peer_free(p);
	mqbuf_fini(&b);
}

/* Each wants an answer, and none is read. */
static void
test_heartbeats_without_end_fill_no_memory(void **state)
{
	unsigned n = test_is_slow() ? 20000 : 8000000, said = 0;
	const struct timeval soon = {.tv_sec = 1};
	struct tls_peer *p = be_sent();
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	/* at the bound it reads no more */
	assert_int_equal(
	    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	do {
		for (unsigned i = 0; i < 2000; i++, said++)
			mqchan_encode_empty(&b, MQCHAN_HEARTBEAT);
	} while (said < n && say(p, &b));
	(void)printf("%u heartbeats taken\n", said);
	check_memory();
	check_all_well();
	tls_peer_free(p);
	mqbuf_fini(&b);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test(t)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_was_not_sent_is_not_acknowledged),
	    TEST(test_a_position_that_is_only_claimed_is_refused),
	    TEST(test_frames_that_are_not_a_receivers_end_the_connection),
	    TEST(test_giant_options_are_refused),
	    TEST(test_who_takes_nothing_fills_no_memory),
	    TEST(test_heartbeats_without_end_fill_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_remote_hostile.c - a remote client with a good certificate who speaks
 * the protocol by hand and means harm, or is only slow.  `mca clients`, which
 * serves all clients, neither ends nor grows, and an honest client beside it is
 * served throughout.
 *
 * The hostile one comes from 127.0.0.2 and has rights on the queue FOE alone.
 * The honest one is a thread that puts and gets on Q all the time.  What a
 * sanitizer takes is not measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "proto/chan.h"
#include "proto/desc.h"
#include "proto/local.h"
#include "tests/lib/qm.h"
#include "tests/lib/tls_peer.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define MIB ((uint64_t)1 << 20)
#define BOTH_WAYS (MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT)
/* What `mca clients` may have, and qmgr beyond what it had. */
#define CLIENTS_RSS (32 * MIB)
#define QMGR_MORE (96 * MIB)
/* No round of the honest one takes longer, on a busy machine. */
#define ROUND_MS 10000u
#define SLOW_MS 10000u /* until a hello must be there */

static struct tmpdir dir;
static struct qm qm;
static int port;
static char foe_dir[PATH_MAX];
static pid_t clients_pid;
static uint64_t seed;

/* ---- the honest one ---- */

static struct {
	pthread_t thread;
	mqi_conn *conn;
	mqi_queue *queue;
	atomic_bool stop;
	atomic_uint rounds;
	atomic_int failed; /* the first reason */
	atomic_uint worst_ms;
} honest;

static void *
be_honest(void *arg)
{
	enum mqi_err err = MQI_OK;

	while (err == MQI_OK && !atomic_load(&honest.stop)) {
		uint64_t t = test_now_ms(), ms;
		unsigned n = atomic_load(&honest.rounds);
		mqi_msg *msg = NULL;

		err = mqi_put(honest.queue, NULL, NULL, &n, sizeof(n));
		if (err == MQI_OK)
			err = mqi_poll(honest.queue, NULL, &msg);
		if (err == MQI_OK &&
		    memcmp(mqi_msg_body(msg), &n, sizeof(n)) != 0)
			err = MQI_E_PROTOCOL;
		(void)mqi_msg_free(msg);
		ms = test_now_ms() - t;
		if (ms > atomic_load(&honest.worst_ms))
			atomic_store(&honest.worst_ms, (unsigned)ms);
		atomic_fetch_add(&honest.rounds, 1);
		(void)poll(NULL, 0, 2);
	}
	atomic_store(&honest.failed, (int)err);
	return arg;
}

/* What `mca clients` and the queue manager have, and that the honest one goes
 * on: a whole round begins and ends now. */
static void
check_all_well(void)
{
	unsigned from = atomic_load(&honest.rounds);
	uint64_t end = test_now_ms() + ROUND_MS;
	uint64_t rss = qm_rss(clients_pid);
	pid_t pids[QM_AGENTS_MAX];

	while (atomic_load(&honest.rounds) < from + 2) {
		if (atomic_load(&honest.failed) != MQI_OK ||
		    test_now_ms() > end) {
			(void)fprintf(stderr, "honest one: %d\n",
			    atomic_load(&honest.failed));
			proc_die(&qm.proc, "the honest one is not served");
		}
		(void)poll(NULL, 0, 2);
	}
	assert_int_equal(
	    qm_agents(&qm, "clients", pids, MQ_ARRAY_LEN(pids)), 1);
	assert_int_equal(pids[0], clients_pid);
	(void)printf("resident: %llu KiB; slowest round so far: %u ms\n",
	    (unsigned long long)rss / 1024, atomic_load(&honest.worst_ms));
	if (!test_is_slow())
		assert_true(rss < CLIENTS_RSS);
}

/* ---- the hostile one ---- */

static const struct tls_peer_opts *
foe_opts(void)
{
	static struct tls_peer_opts opts;

	opts = (struct tls_peer_opts){
	    .alpn = MQLOCAL_ALPN, .dir = foe_dir, .from = "127.0.0.2"};
	return &opts;
}

static void
put_hellos(struct mqbuf *b)
{
	struct mqlocal_client_hello ch = {
	    .version_min = 1, .version_max = 1, .channel = "FOE", .user = "x"};
	struct mqlocal_hello h = {.version_min = 1,
	    .version_max = 1,
	    .features = MQLOCAL_FEATURE_OPEN_AS,
	    .qmgr = "QM1",
	    .app_name = "foe"};

	mqlocal_encode_client_hello(b, 1, &ch);
	mqlocal_encode_hello(b, 1, &h);
}

static bool
say(struct tls_peer *p, struct mqbuf *b)
{
	bool ok = b->err == MQI_OK && tls_peer_say(p, b->data, b->len);

	mqbuf_fini(b);
	mqbuf_init(b, 1u << 24);
	return ok;
}

/* The next frame that is no BEAT. */
static bool
hear(struct tls_peer *p, struct mqframe *f)
{
	bool ok;

	while ((ok = tls_peer_hear(p, f)) && f->type == MQLOCAL_BEAT)
		;
	return ok;
}

static void
expect(struct tls_peer *p, enum mqlocal_type type, struct mqframe *f)
{
	if (!hear(p, f) || f->type != type) {
		proc_print_log(&qm.proc);
		fail_msg("no %s", mqlocal_type_name((uint16_t)type));
	}
}

/* One that is connected and let in. */
static struct tls_peer *
foe_running(const struct tls_peer_opts *opts)
{
	struct tls_peer *p = tls_peer_connect(port, opts);
	struct mqframe f;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	put_hellos(&b);
	assert_true(say(p, &b));
	expect(p, MQLOCAL_CLIENT_OK, &f);
	expect(p, MQLOCAL_HELLO_OK, &f);
	mqbuf_fini(&b);
	return p;
}

/* Its session ends with this reason. */
static void
expect_end(struct tls_peer *p, enum mqi_err reason)
{
	struct mqlocal_error e = {0};
	struct mqframe f;
	bool told = false;

	while (hear(p, &f))
		told = told || (f.type == MQLOCAL_ERROR &&
				   mqlocal_decode_error(&f, &e) == MQI_OK);
	if (!told || e.reason != (uint32_t)reason) {
		proc_print_log(&qm.proc);
		fail_msg("reason %u (%s) instead of %u", e.reason, e.text,
		    (unsigned)reason);
	}
}

/* The answer to request id: its reason. */
static uint32_t
reason_of(struct tls_peer *p, uint32_t id)
{
	struct mqlocal_result r = {0};
	struct mqframe f;

	do {
		if (!hear(p, &f)) {
			proc_print_log(&qm.proc);
			fail_msg("no answer to request %u", id);
		}
	} while (f.id != id);
	return f.type == MQLOCAL_RESULT
		   ? (OK(mqlocal_decode_result(&f, &r)), r.reason)
		   : MQI_OK;
}

static void
put_open(struct mqbuf *b, uint32_t id, const char *queue, uint32_t options)
{
	struct mqlocal_open v = {.options = options};

	(void)snprintf(v.object, sizeof(v.object), "%s", queue);
	mqlocal_encode_open(b, id, &v);
}

/* A handle of a queue. */
static uint32_t
foe_open(struct tls_peer *p, const char *queue)
{
	struct mqlocal_open_ok v;
	struct mqframe f;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	put_open(&b, 2, queue, BOTH_WAYS);
	assert_true(say(p, &b));
	expect(p, MQLOCAL_OPEN_OK, &f);
	OK(mqlocal_decode_open_ok(&f, &v));
	mqbuf_fini(&b);
	return v.handle;
}

/* A PUT of zeros, with its pieces. */
static void
put_put(struct mqbuf *b, uint32_t id, uint32_t handle, uint32_t len)
{
	struct mqlocal_put v = {.handle = handle, .body_len = len};
	uint8_t *body = calloc(1, len + 1);
	struct mqbuf desc;
	struct mqi_md md;

	assert_non_null(body);
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_NO;
	mqbuf_init(&desc, MQDESC_MAX);
	OK(mqdesc_encode(&md, &desc));
	v.desc = desc.data;
	v.desc_len = (uint32_t)desc.len;
	v.body_crc = mqcrc32c(0, body, len);
	if (mqlocal_is_inline(v.desc_len, len)) {
		v.body = body;
		mqlocal_encode_put(b, id, &v);
		mqbuf_put(b, body, len);
	} else {
		mqlocal_encode_put(b, id, &v);
		for (uint32_t at = 0, n; at < len; at += n) {
			n = len - at < MQFRAME_PIECE ? len - at : MQFRAME_PIECE;
			mqlocal_encode_piece(b, id,
			    &(struct mqlocal_piece){.data = body, .len = n});
			mqbuf_put(b, body, n);
		}
	}
	mqbuf_fini(&desc);
	free(body);
}

/* ---- fixture ---- */

static int
setup(void **state)
{
	mqi_conn *conn = NULL;
	char conname[64], keys[PATH_MAX];
	struct mqi_connect_opts opts = {.app_name = "honest",
	    .conname = conname,
	    .channel = "APP",
	    .key_dir = keys};
	pid_t pids[QM_AGENTS_MAX];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	seed = test_seed("test_remote_hostile");
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	port = qm_serve(&qm, &dir);
	qm_issue(&qm, &dir, "foe");
	qm_mqsc(&qm,
	    "DEFINE QLOCAL(Q)\n"
	    "DEFINE QLOCAL(FOE) MAXDEPTH(100000)\n"
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app') HBINT(60)\n"
	    "DEFINE CHANNEL(FOE) CHLTYPE(SVRCONN) SSLPEER('CN=foe') "
	    "HBINT(300) MAXMSGL(1048576) SSLCIPH(ANY_TLS12_OR_HIGHER)\n"
	    "SET CHLAUTH(FOE) TYPE(SSLPEERMAP) SSLPEER('CN=foe') "
	    "MCAUSER('foe')\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('foe') AUTHADD(CONNECT)\n"
	    "SET AUTHREC PROFILE(FOE) OBJTYPE(QUEUE) PRINCIPAL('foe') "
	    "AUTHADD(ALLMQI)\n");
	(void)snprintf(foe_dir, sizeof(foe_dir), "%.4000s/foe", dir.path);
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", port);
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", dir.path);
	while (mqi_connect("QM1", &opts, &conn) == MQI_E_HOST_NOT_AVAILABLE)
		(void)poll(NULL, 0, 5);
	assert_non_null(conn);
	honest.conn = conn;
	OK(mqi_open(conn, "Q", NULL, BOTH_WAYS, &honest.queue));
	assert_int_equal(
	    qm_agents(&qm, "clients", pids, MQ_ARRAY_LEN(pids)), 1);
	clients_pid = pids[0];
	assert_int_equal(
	    pthread_create(&honest.thread, NULL, be_honest, NULL), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	atomic_store(&honest.stop, true);
	(void)pthread_join(honest.thread, NULL);
	assert_int_equal(atomic_load(&honest.failed), MQI_OK);
	OK(mqi_disconnect(honest.conn));
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
	return 0;
}

/* ---- the tests ---- */

static void
test_garbage_ends_its_own_session(void **state)
{
	uint64_t rnd = seed;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	for (unsigned i = 0; i < 20; i++) {
		/* before and behind the hellos */
		struct tls_peer *p = i % 2 == 0
					 ? tls_peer_connect(port, foe_opts())
					 : foe_running(foe_opts());
		uint8_t bytes[4000];

		for (size_t n = 0; n < sizeof(bytes); n++)
			bytes[n] = (uint8_t)mqrand_next(&rnd);
		bytes[3] = 0xff; /* a length that no frame has */
		(void)tls_peer_say(p, bytes, sizeof(bytes));
		expect_end(p, MQI_E_PROTOCOL);
		tls_peer_free(p);
	}
	check_all_well();
	mqbuf_fini(&b);
}

static void
test_frames_that_are_not_a_clients_end_its_own_session(void **state)
{
	static const uint16_t types[] = {MQLOCAL_HELLO, MQLOCAL_CLIENT_HELLO,
	    MQLOCAL_COMMAND, MQLOCAL_STREAM_OPEN, MQLOCAL_STREAM_ACK,
	    MQLOCAL_STREAM_CREDIT, MQLOCAL_STREAM_BIND, MQLOCAL_AGENT_STATUS,
	    MQLOCAL_MESSAGE, MQLOCAL_AGENT_ORDER, 0, 999, 65535};
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	for (size_t i = 0; i < MQ_ARRAY_LEN(types); i++) {
		struct tls_peer *p = foe_running(foe_opts());
		size_t at = mqframe_begin(&b, types[i], 0, 1);

		mqbuf_put_zeros(&b, 100);
		mqframe_end(&b, at, 0);
		assert_true(say(p, &b));
		expect_end(p, MQI_E_PROTOCOL);
		tls_peer_free(p);
	}
	check_all_well();
	mqbuf_fini(&b);
}

static void
test_queues_without_right_are_not_touched(void **state)
{
	struct tls_peer *p = foe_running(foe_opts());
	struct mqlocal_open_as as = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .object = "Q",
	    .user = "partner"};
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	put_open(&b, 10, "Q", MQI_OO_OUTPUT);
	put_open(&b, 11, "SYSTEM.DEAD.LETTER.QUEUE", MQI_OO_OUTPUT);
	mqlocal_encode_open_as(&b, 12, &as);
	/* handles that were never given */
	put_put(&b, 13, 1, 10);
	put_put(&b, 14, 77777, 10);
	assert_true(say(p, &b));
	assert_int_equal(reason_of(p, 10), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(reason_of(p, 11), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(reason_of(p, 12), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(reason_of(p, 13), MQI_E_HOBJ);
	assert_int_equal(reason_of(p, 14), MQI_E_HOBJ);
	tls_peer_free(p);
	check_all_well();
	mqbuf_fini(&b);
}

/* Those who never finish: they are ended in time, and others come in. */
static void
test_who_does_not_finish_keeps_nobody_out(void **state)
{
	struct tls_peer_opts opts = *foe_opts();
	int knocks[24];
	struct tls_peer *greeters[24];
	struct pollfd pfd[48];
	struct mqbuf b;
	unsigned open = 48;
	uint64_t end = test_now_ms() + SLOW_MS + ROUND_MS;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	put_hellos(&b);
	/* a byte each second of their hellos */
	for (unsigned i = 0; i < 24; i++) {
		greeters[i] = tls_peer_connect(port, &opts);
		pfd[i] =
		    (struct pollfd){.fd = greeters[i]->fd, .events = POLLRDHUP};
	}
	for (unsigned i = 0; i < 24; i++) {
		knocks[i] = tls_peer_knock(port, &opts);
		pfd[24 + i] =
		    (struct pollfd){.fd = knocks[i], .events = POLLRDHUP};
	}
	for (size_t second = 0; open > 0 && test_now_ms() < end; second++) {
		static const uint8_t hello[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3,
		    3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

		for (unsigned i = 0; i < 24; i++) {
			(void)tls_peer_say(greeters[i], b.data + second, 1);
			(void)send(knocks[i], hello + second % sizeof(hello), 1,
			    MSG_NOSIGNAL);
		}
		check_all_well();
		(void)poll(NULL, 0, 900);
		(void)poll(pfd, MQ_ARRAY_LEN(pfd), 0);
		open = 0;
		for (size_t i = 0; i < MQ_ARRAY_LEN(pfd); i++)
			open += pfd[i].revents == 0;
	}
	assert_int_equal(open, 0);
	for (unsigned i = 0; i < 24; i++) {
		tls_peer_free(greeters[i]);
		(void)close(knocks[i]);
	}
	mqbuf_fini(&b);
	tls_peer_free(foe_running(&opts));
}

/* Half a frame and silence is a client that is slow, and one that goes away in
 * the middle of a frame is gone. */
static void
test_half_frames_hold_nothing_up(void **state)
{
	struct tls_peer *foes[64];
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 20);
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++) {
		uint32_t handle;

		foes[i] = foe_running(foe_opts());
		handle = foe_open(foes[i], "FOE");
		put_put(&b, 3, handle, 200000);
		assert_true(tls_peer_say(foes[i], b.data, 20 + i * 2000));
		mqbuf_reset(&b);
	}
	check_all_well();
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++)
		tls_peer_free(foes[i]);
	check_all_well();
	mqbuf_fini(&b);
}

/* A session has a maximum of handles, and they go with it. */
static void
test_opens_without_end_are_bounded(void **state)
{
	unsigned n = test_is_slow() ? 5000 : 70000, refused = 0;
	struct tls_peer *p = foe_running(foe_opts());
	uint64_t before = qm_rss(qm.proc.pid), after;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 24);
	for (unsigned i = 0; i < n;) {
		unsigned to = i + 500 < n ? i + 500 : n, from = i;

		for (; i < to; i++)
			put_open(&b, 10 + i, "FOE", MQI_OO_OUTPUT);
		assert_true(say(p, &b));
		for (unsigned j = from; j < to; j++)
			refused += reason_of(p, 10 + j) != MQI_OK;
	}
	after = qm_rss(qm.proc.pid);
	(void)printf("%u opens, %u refused, %lld KiB\n", n, refused,
	    ((long long)after - (long long)before) / 1024);
	check_all_well();
	if (!test_is_slow()) {
		assert_true(refused > 0);
		assert_true(after < before + QMGR_MORE);
	}
	tls_peer_free(p);
	check_all_well();
	mqbuf_fini(&b);
}

/* 48 MiB wait for somebody who asks for all of it and reads nothing. */
static void
fill_foe_queue(unsigned n, uint32_t len)
{
	struct tls_peer *p = foe_running(foe_opts());
	uint32_t handle = foe_open(p, "FOE");
	struct mqbuf b;

	mqbuf_init(&b, 1u << 24);
	for (unsigned i = 0; i < n; i++) {
		put_put(&b, 100 + i, handle, len);
		assert_true(say(p, &b));
		assert_int_equal(reason_of(p, 100 + i), MQI_OK);
	}
	tls_peer_free(p);
	mqbuf_fini(&b);
}

static void
ask_for_everything(struct tls_peer *p, uint32_t handle)
{
	struct mqlocal_consume v = {
	    .handle = handle, .max_msgs = 100000, .max_bytes = UINT32_MAX};
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	mqlocal_encode_consume(&b, 3, &v);
	assert_true(say(p, &b));
	mqbuf_fini(&b);
}

static void
test_who_reads_nothing_fills_no_memory(void **state)
{
	struct tls_peer *foes[8];
	unsigned n = test_is_slow() ? 60 : 240;

	(void)state;
	fill_foe_queue(n, 200000);
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++) {
		foes[i] = foe_running(foe_opts());
		ask_for_everything(foes[i], foe_open(foes[i], "FOE"));
	}
	for (unsigned i = 0; i < 5; i++)
		check_all_well();
	for (unsigned i = 0; i < MQ_ARRAY_LEN(foes); i++)
		tls_peer_free(foes[i]);
	check_all_well();
}

/* One that is always a little behind, as behind a slow line, gets all of it
 * over one connection. */
static void
test_who_reads_slowly_gets_everything(void **state)
{
	struct tls_peer_opts opts = *foe_opts();
	unsigned n = test_is_slow() ? 60 : 240;
	struct tls_peer *p;
	uint64_t bytes = 0;
	struct mqframe f;

	(void)state;
	opts.recv_buf = 4096;
	opts.mss = 1400;
	p = foe_running(&opts);
	ask_for_everything(p, foe_open(p, "FOE"));
	while (bytes < (uint64_t)n * 200000) {
		if (!hear(p, &f)) {
			proc_print_log(&qm.proc);
			fail_msg("it ended after %llu bytes",
			    (unsigned long long)bytes);
		}
		bytes += f.type == MQLOCAL_PIECE ? f.payload_len : 0;
		(void)poll(NULL, 0, 1);
	}
	tls_peer_free(p);
	check_all_well();
}

/* What was read while the queue manager took nothing reaches it as soon as it
 * does, although nothing more comes from the client. */
static void
test_the_last_bytes_do_not_wait_for_more(void **state)
{
	struct tls_peer *p = foe_running(foe_opts());
	uint32_t handle = foe_open(p, "FOE"), id = 100;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 1u << 24);
	for (uint32_t len = 200000; len <= 700000; len += 16000, id++) {
		uint64_t t;

		assert_int_equal(kill(qm.proc.pid, SIGSTOP), 0);
		put_put(&b, id, handle, len);
		assert_true(say(p, &b));
		(void)poll(NULL, 0, 20); /* so that it has been read */
		assert_int_equal(kill(qm.proc.pid, SIGCONT), 0);
		t = test_now_ms();
		assert_int_equal(reason_of(p, id), MQI_OK);
		if (test_now_ms() - t > ROUND_MS)
			fail_msg("%u bytes waited", len);
	}
	tls_peer_free(p);
	check_all_well();
	mqbuf_fini(&b);
}

static void
test_new_keys_without_end_fill_no_memory(void **state)
{
	struct tls_peer *p = foe_running(foe_opts());
	unsigned n = 0, max = test_is_slow() ? 4000 : 40000;

	(void)state;
	/* each asks for one in return, which is never read */
	while (n < max &&
	       SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
	       SSL_do_handshake(p->ssl) == 1)
		n++;
	ERR_clear_error();
	(void)printf("%u keys\n", n);
	check_all_well();
	tls_peer_free(p);
}

static void
test_tls_keeps_its_old_tricks_shut(void **state)
{
	struct tls_peer_opts opts = *foe_opts();
	struct tls_peer *p = foe_running(&opts);
	char byte;

	(void)state;
	/* no ticket, so nothing to resume and no early data */
	assert_int_equal(SSL_version(p->ssl), TLS1_3_VERSION);
	assert_int_equal(SSL_SESSION_is_resumable(SSL_get0_session(p->ssl)), 0);
	assert_int_equal(
	    SSL_SESSION_get_max_early_data(SSL_get0_session(p->ssl)), 0);
	tls_peer_free(p);
	opts.version = TLS1_2_VERSION;
	p = foe_running(&opts);
	assert_int_equal(SSL_version(p->ssl), TLS1_2_VERSION);
	assert_int_equal(SSL_renegotiate(p->ssl), 1);
	assert_true(
	    SSL_do_handshake(p->ssl) != 1 || SSL_read(p->ssl, &byte, 1) <= 0);
	ERR_clear_error();
	tls_peer_free(p);
	check_all_well();
}

/* The first bytes of a client, as many as they are. */
static size_t
client_hello(unsigned char *ret, size_t cap)
{
	static const unsigned char alpn[] = "\x0f" MQLOCAL_ALPN;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	int n;

	assert_int_equal(alpn[0], strlen(MQLOCAL_ALPN));
	assert_int_equal(SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1), 0);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	assert_int_equal(SSL_connect(ssl), -1);
	n = BIO_read(out, ret, (int)cap);
	assert_true(n > 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return (size_t)n;
}

/* The process of all clients hangs, and clients come in a crowd: a channel gets
 * in all the same, and everybody when it is back. */
static void
test_when_the_clients_process_hangs_channels_go_on(void **state)
{
	struct tls_peer_opts channel = *foe_opts();
	unsigned char hello[4096];
	size_t len = client_hello(hello, sizeof(hello));
	int knocks[900];

	(void)state;
	channel.alpn = MQCHAN_ALPN;
	channel.from = "127.0.0.3";
	assert_int_equal(kill(clients_pid, SIGSTOP), 0);
	/* one host may not have all places at once: those who were refused
	 * come again */
	for (size_t i = 0; i < MQ_ARRAY_LEN(knocks); i++)
		knocks[i] = tls_peer_knock(port, foe_opts());
	for (unsigned round = 0; round < 4; round++) {
		for (size_t i = 0; i < MQ_ARRAY_LEN(knocks); i++) {
			struct pollfd p = {
			    .fd = knocks[i], .events = POLLRDHUP};

			if (round > 0 && poll(&p, 1, 0) == 0)
				continue;
			(void)close(knocks[i]);
			knocks[i] = tls_peer_knock(port, foe_opts());
			(void)send(knocks[i], hello, len, MSG_NOSIGNAL);
		}
	}
	/* `mca answer` ends the handshake */
	tls_peer_free(tls_peer_connect(port, &channel));
	assert_int_equal(kill(clients_pid, SIGCONT), 0);
	for (size_t i = 0; i < MQ_ARRAY_LEN(knocks); i++)
		(void)close(knocks[i]);
	check_all_well();
}

int
main(void)
{
#define TEST(t) cmocka_unit_test(t)
	const struct CMUnitTest tests[] = {
	    TEST(test_garbage_ends_its_own_session),
	    TEST(test_frames_that_are_not_a_clients_end_its_own_session),
	    TEST(test_queues_without_right_are_not_touched),
	    TEST(test_who_does_not_finish_keeps_nobody_out),
	    TEST(test_half_frames_hold_nothing_up),
	    TEST(test_opens_without_end_are_bounded),
	    TEST(test_who_reads_nothing_fills_no_memory),
	    TEST(test_who_reads_slowly_gets_everything),
	    TEST(test_the_last_bytes_do_not_wait_for_more),
	    TEST(test_new_keys_without_end_fill_no_memory),
	    TEST(test_tls_keeps_its_old_tricks_shut),
	    TEST(test_when_the_clients_process_hangs_channels_go_on),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

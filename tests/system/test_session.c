/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session.c - a real queue manager and clients that speak the local
 * protocol by hand, well and badly.
 *
 * One queue manager serves all tests that leave it running, which shows that
 * none of them disturbs the next; those of starting and stopping have their
 * own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/name.h"
#include "base/sock.h"
#include "proto/local.h"
#include "tests/lib/proc.h"
#include "tests/lib/tmpdir.h"

struct daemon {
	struct tmpdir dir;
	char name[MQI_NAME_LEN + 1];
	char root[PATH_MAX];
	char run[PATH_MAX]; /* where the socket is */
	struct proc proc;
};

struct client {
	int fd;
	struct mqbuf in;
};

static struct daemon shared;

/* ---- queue managers ---- */

static void
daemon_init(struct daemon *d, const char *name, const char *root)
{
	char escaped[MQNAME_ESCAPED_LEN];

	memset(d, 0, sizeof(*d));
	tmpdir_make(&d->dir);
	mqname_escape(name, escaped);
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	(void)snprintf(
	    d->root, sizeof(d->root), "%.2000s/%s", d->dir.path, root);
	(void)snprintf(
	    d->run, sizeof(d->run), "%.3000s/%s/run", d->root, escaped);
	(void)snprintf(
	    d->proc.log, sizeof(d->proc.log), "%.2000s/qmgr.log", d->dir.path);
}

/* Runs qmgr to its end; returns its exit status and its output. */
static int
run_qmgr(struct daemon *d, const char *name, bool create, char **ret_out)
{
	char bin[PATH_MAX], log[PATH_MAX];

	proc_bin("qmgr", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.2000s/run.log", d->dir.path);
	return proc_run((const char *const[]){bin, name, "--root", d->root,
			    create ? "--create" : NULL, NULL},
	    NULL, log, ret_out);
}

static void
daemon_create(struct daemon *d)
{
	char *out = NULL;
	int status = run_qmgr(d, d->name, true, &out);

	if (status != 0)
		print_error("%s\n", out);
	free(out);
	assert_int_equal(status, 0);
}

static int
try_connect(const struct daemon *d)
{
	struct timeval patience = {.tv_sec = 60};
	int fd;

	if (mqsock_connect_unix(d->run, MQLOCAL_SOCKET, &fd) != MQI_OK)
		return -1;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			     sizeof(patience)),
	    0);
	return fd;
}

static void
daemon_start(struct daemon *d)
{
	char bin[PATH_MAX];
	int fd, status;

	proc_bin("qmgr", bin, sizeof(bin));
	proc_start(&d->proc,
	    (const char *const[]){bin, d->name, "--root", d->root, NULL}, NULL);
	while ((fd = try_connect(d)) < 0) {
		if (!proc_runs(&d->proc, &status)) {
			proc_print_log(&d->proc);
			fail_msg("the queue manager ended");
		}
		(void)poll(NULL, 0, 2);
	}
	close(fd);
}

static void
daemon_fini(struct daemon *d)
{
	proc_kill9(&d->proc);
	tmpdir_free(&d->dir);
}

static bool
log_has(const struct daemon *d, const char *text)
{
	FILE *f = fopen(d->proc.log, "r");
	char line[4096];
	bool found = false;

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, text) != NULL;
	(void)fclose(f);
	return found;
}

/* The line may be written after the client has seen its effect. */
static void
assert_logged(const struct daemon *d, const char *text)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (!log_has(d, text)) {
		if (test_now_ms() > end) {
			proc_print_log(&d->proc);
			fail_msg("the log does not say: %s", text);
		}
		(void)poll(NULL, 0, 5);
	}
}

/* ---- clients ---- */

static void
client_open(struct client *c, const struct daemon *d)
{
	c->fd = try_connect(d);
	assert_true(c->fd >= 0);
	mqbuf_init(&c->in, 1 << 22);
}

static void
client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	mqbuf_fini(&c->in);
}

static void
client_send(struct client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), len);
}

/* The next frame; false at the end of the stream. */
static bool
client_recv(struct client *c, struct mqframe *f, size_t *used)
{
	for (;;) {
		ssize_t n;
		void *p;

		if (mqframe_parse(c->in.data, c->in.len, f, used) == MQFRAME_OK)
			return true;
		p = mqbuf_reserve(&c->in, 65536);
		assert_non_null(p);
		n = recv(c->fd, p, 65536, 0);
		if (n < 0 && errno == EAGAIN)
			fail_msg("no answer");
		if (n <= 0)
			return false;
		mqbuf_commit(&c->in, (size_t)n);
	}
}

static void
client_send_buf(struct client *c, struct mqbuf *b)
{
	assert_int_equal(b->err, MQI_OK);
	client_send(c, b->data, b->len);
	mqbuf_fini(b);
}

static struct mqlocal_hello
hello_for(const struct daemon *d)
{
	struct mqlocal_hello h = {.version_min = MQLOCAL_VERSION_MIN,
	    .version_max = MQLOCAL_VERSION,
	    .app_name = "test_session"};

	(void)snprintf(h.qmgr, sizeof(h.qmgr), "%s", d->name);
	return h;
}

static void
send_hello(struct client *c, const struct mqlocal_hello *h)
{
	struct mqbuf b;

	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, h);
	client_send_buf(c, &b);
}

static void
assert_hello_ok(struct client *c, const struct daemon *d)
{
	struct mqlocal_hello_ok ok;
	struct mqframe f;
	size_t used;

	assert_true(client_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_HELLO_OK);
	assert_int_equal(mqlocal_decode_hello_ok(&f, &ok), MQI_OK);
	assert_string_equal(ok.qmgr, d->name);
	assert_int_equal(ok.version, MQLOCAL_VERSION);
	assert_true(ok.max_msg_len >= 4194304);
	mqbuf_consume(&c->in, used);
}

/* A client whose session is open. */
static void
client_hello(struct client *c, const struct daemon *d)
{
	struct mqlocal_hello h = hello_for(d);

	client_open(c, d);
	send_hello(c, &h);
	assert_hello_ok(c, d);
}

static void
client_ping(struct client *c, uint32_t id)
{
	struct mqlocal_result res;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	mqbuf_init(&b, 4096);
	mqlocal_encode_empty(&b, MQLOCAL_PING, id);
	client_send_buf(c, &b);
	assert_true(client_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_RESULT);
	assert_int_equal(f.id, id);
	assert_int_equal(mqlocal_decode_result(&f, &res), MQI_OK);
	assert_int_equal(res.reason, MQI_OK);
	mqbuf_consume(&c->in, used);
}

/* The session is ended with an ERROR frame that says why. */
static void
assert_error(struct client *c, enum mqi_err reason)
{
	struct mqlocal_error e;
	struct mqframe f;
	size_t used;

	assert_true(client_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_ERROR);
	assert_int_equal(mqlocal_decode_error(&f, &e), MQI_OK);
	assert_int_equal(e.reason, reason);
	assert_true(strlen(e.text) > 0);
	mqbuf_consume(&c->in, used);
	assert_false(client_recv(c, &f, &used));
}

static void
send_frame(struct client *c, uint16_t type, uint32_t id, size_t payload)
{
	struct mqbuf b;
	size_t start;

	mqbuf_init(&b, 1 << 20);
	start = mqframe_begin(&b, type, 0, id);
	mqbuf_put_zeros(&b, payload);
	mqframe_end(&b, start, 0);
	client_send_buf(c, &b);
}

/* ---- the first frame ---- */

static void
test_hello_opens_a_session(void **state)
{
	struct client c;

	(void)state;
	client_hello(&c, &shared);
	client_ping(&c, 1);
	client_close(&c);
}

static void
test_hello_with_wrong_magic_is_refused(void **state)
{
	struct mqlocal_hello h = hello_for(&shared);
	struct client c;
	struct mqbuf b;
	char line[64];

	(void)state;
	client_open(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, &h);
	b.data[MQFRAME_HEADER] ^= 0xff;
	client_send_buf(&c, &b);
	assert_error(&c, MQI_E_PROTOCOL);
	client_close(&c);
	(void)snprintf(line, sizeof(line), "session.refused uid=%u", geteuid());
	assert_logged(&shared, line);
	assert_logged(&shared, "HELLO has the wrong magic number");
}

static void
test_bytes_of_another_protocol_are_refused(void **state)
{
	struct client c;

	(void)state;
	client_open(&c, &shared);
	client_send(&c, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_error(&c, MQI_E_PROTOCOL);
	client_close(&c);
	assert_logged(&shared, "a frame's length is beyond the limit");
}

static void
test_first_frame_that_is_no_hello_is_refused(void **state)
{
	struct client c;

	(void)state;
	client_open(&c, &shared);
	send_frame(&c, MQLOCAL_PING, 1, 0);
	assert_error(&c, MQI_E_PROTOCOL);
	client_close(&c);
	assert_logged(&shared, "is PING (16) instead of HELLO");
}

static void
test_hello_cut_anywhere_is_refused(void **state)
{
	struct mqlocal_hello h = hello_for(&shared);
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, &h);
	for (size_t len = 0; len < b.len - MQFRAME_HEADER; len += 7) {
		uint8_t *copy = malloc(MQFRAME_HEADER + len);
		struct client c;

		assert_non_null(copy);
		memcpy(copy, b.data, MQFRAME_HEADER + len);
		memset(copy, 0, 4);
		copy[0] = (uint8_t)len;
		client_open(&c, &shared);
		client_send(&c, copy, MQFRAME_HEADER + len);
		assert_error(&c, MQI_E_PROTOCOL);
		client_close(&c);
		free(copy);
	}
	mqbuf_fini(&b);
}

static void
test_hello_of_an_unknown_version_is_refused(void **state)
{
	struct mqlocal_hello h = hello_for(&shared);
	struct client c;

	(void)state;
	h.version_min = 98;
	h.version_max = 99;
	client_open(&c, &shared);
	send_hello(&c, &h);
	assert_error(&c, MQI_E_VERSION);
	client_close(&c);
	assert_logged(&shared, "the client speaks versions 98 to 99");
}

static void
test_hello_for_another_queue_manager_is_refused(void **state)
{
	struct mqlocal_hello h = hello_for(&shared);
	struct client c;

	(void)state;
	(void)snprintf(h.qmgr, sizeof(h.qmgr), "OTHER");
	client_open(&c, &shared);
	send_hello(&c, &h);
	assert_error(&c, MQI_E_Q_MGR_NAME);
	client_close(&c);
}

static void
test_client_that_says_nothing_is_closed_after_ten_seconds(void **state)
{
	uint64_t before = test_now_ms();
	struct client c;

	(void)state;
	client_open(&c, &shared);
	assert_error(&c, MQI_E_PROTOCOL);
	assert_true(test_now_ms() - before >= 9900);
	client_close(&c);
	assert_logged(&shared, "no HELLO within 10 seconds");
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
		struct client c;

		client_hello(&c, &shared);
		send_frame(&c, bad[i].type, bad[i].id, bad[i].payload);
		assert_error(&c, MQI_E_PROTOCOL);
		client_close(&c);
	}
	assert_logged(&shared, "type is unknown, or not a request");
	assert_logged(&shared, "app=test_session");
}

static void
test_request_of_agents_is_refused_to_applications(void **state)
{
	struct mqlocal_stream_open v = {.queue = "Q"};
	struct mqlocal_result res;
	struct client c;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	(void)state;
	client_hello(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_stream_open(&b, 5, &v);
	client_send_buf(&c, &b);
	assert_true(client_recv(&c, &f, &used));
	assert_int_equal(mqlocal_decode_result(&f, &res), MQI_OK);
	assert_int_equal(res.reason, MQI_E_NOT_AUTHORIZED);
	mqbuf_consume(&c.in, used);
	client_ping(&c, 6);
	client_close(&c);
}

static void
test_client_that_goes_within_a_frame_is_logged_alone(void **state)
{
	struct client stays, goes;
	struct mqbuf b;

	(void)state;
	client_hello(&stays, &shared);
	client_hello(&goes, &shared);
	mqbuf_init(&b, 1 << 20);
	(void)mqframe_begin(&b, MQLOCAL_PUT, 0, 9);
	mqbuf_patch_u32(&b, 0, 60000);
	mqbuf_put_zeros(&b, 30000);
	client_send_buf(&goes, &b);
	client_close(&goes);
	assert_logged(&shared, "the client went in the middle of a frame");
	client_ping(&stays, 2);
	client_close(&stays);
}

static void
test_frames_sent_byte_by_byte_are_understood(void **state)
{
	struct client c;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	(void)state;
	client_hello(&c, &shared);
	mqbuf_init(&b, 4096);
	mqlocal_encode_empty(&b, MQLOCAL_PING, 40);
	for (size_t i = 0; i < b.len; i++)
		client_send(&c, b.data + i, 1);
	mqbuf_fini(&b);
	assert_true(client_recv(&c, &f, &used));
	assert_int_equal(f.id, 40);
	mqbuf_consume(&c.in, used);
	client_ping(&c, 41);
	client_close(&c);
}

/* ---- many, and slow ---- */

static void
test_a_thousand_idle_connections_disturb_nobody(void **state)
{
	static struct client idle[1000];
	struct rlimit rl;
	struct client c;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		client_hello(&idle[i], &shared);
	client_hello(&c, &shared);
	client_ping(&c, 3);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		client_ping(&idle[i], 4);
	client_close(&c);
	for (size_t i = 0; i < MQ_ARRAY_LEN(idle); i++)
		client_close(&idle[i]);
}

/* Sends pings until the queue manager has not read any for a while. */
static uint32_t
send_until_held(struct client *c)
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
	struct client c, other;
	uint32_t sent;

	(void)state;
	client_hello(&c, &shared);
	sent = send_until_held(&c);
	/* more than fits the sockets' buffers, and not without bound */
	assert_true(sent > 10000);
	client_hello(&other, &shared);
	client_ping(&other, 5);
	client_close(&other);
	for (uint32_t id = 1; id <= sent; id++) {
		struct mqframe f;
		size_t used;

		assert_true(client_recv(&c, &f, &used));
		assert_int_equal(f.type, MQLOCAL_RESULT);
		assert_int_equal(f.id, id);
		mqbuf_consume(&c.in, used);
	}
	client_close(&c);
}

/* ---- start and stop ---- */

static void
test_second_process_is_refused_and_told_who_has_it(void **state)
{
	char *out = NULL, who[64];

	(void)state;
	assert_int_equal(run_qmgr(&shared, shared.name, false, &out), 1);
	(void)snprintf(
	    who, sizeof(who), "process %d has", (int)shared.proc.pid);
	assert_non_null(strstr(out, "is running already"));
	assert_non_null(strstr(out, who));
	free(out);
}

static void
test_queue_manager_that_was_not_created_says_so(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(run_qmgr(&shared, "NOBODY", false, &out), 1);
	assert_non_null(strstr(out, "has not been created"));
	free(out);
	assert_int_equal(run_qmgr(&shared, "not valid", true, &out), 1);
	assert_non_null(strstr(out, "is not a name for a queue manager"));
	free(out);
}

static void
test_creation_of_one_that_exists_is_refused(void **state)
{
	struct daemon d;
	char *out = NULL;

	(void)state;
	daemon_init(&d, "QM1", "root");
	daemon_create(&d);
	assert_int_equal(run_qmgr(&d, d.name, true, &out), 1);
	assert_non_null(strstr(out, "exists already"));
	free(out);
	daemon_fini(&d);
}

static void
test_directory_open_to_others_is_refused(void **state)
{
	struct daemon d;
	char *out = NULL, path[PATH_MAX];

	(void)state;
	daemon_init(&d, "QM1", "root");
	daemon_create(&d);
	(void)snprintf(path, sizeof(path), "%.3000s/QM1", d.root);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(run_qmgr(&d, d.name, false, &out), 1);
	assert_non_null(strstr(out, "is open to others"));
	free(out);
	daemon_fini(&d);
}

static void
test_sigterm_stops_cleanly_and_tells_clients(void **state)
{
	struct daemon d;
	struct client c;

	(void)state;
	daemon_init(&d, "QM1", "root");
	daemon_create(&d);
	daemon_start(&d);
	client_hello(&c, &d);
	(void)kill(d.proc.pid, SIGTERM);
	assert_error(&c, MQI_E_Q_MGR_STOPPING);
	client_close(&c);
	assert_int_equal(proc_wait(&d.proc), 0);
	assert_true(log_has(&d, "qmgr.stopped"));
	assert_int_equal(try_connect(&d), -1);
	/* and it starts again */
	daemon_start(&d);
	client_hello(&c, &d);
	client_close(&c);
	proc_stop(&d.proc);
	daemon_fini(&d);
}

static void
test_start_after_kill_9_replaces_the_socket(void **state)
{
	struct daemon d;
	struct client c;

	(void)state;
	daemon_init(&d, "QM1", "root");
	daemon_create(&d);
	daemon_start(&d);
	proc_kill9(&d.proc);
	daemon_start(&d);
	client_hello(&c, &d);
	client_ping(&c, 1);
	client_close(&c);
	proc_stop(&d.proc);
	daemon_fini(&d);
}

static void
test_name_with_dots_and_slashes_stays_in_its_root(void **state)
{
	struct daemon d;
	struct client c;
	char outside[PATH_MAX];

	(void)state;
	daemon_init(&d, "../x/y", "root");
	daemon_create(&d);
	daemon_start(&d);
	client_hello(&c, &d);
	client_ping(&c, 1);
	client_close(&c);
	proc_stop(&d.proc);
	(void)snprintf(outside, sizeof(outside), "%.3000s/x", d.dir.path);
	assert_int_equal(access(outside, F_OK), -1);
	daemon_fini(&d);
}

static void
test_root_of_300_characters_works(void **state)
{
	struct daemon d;
	struct client c;
	char root[301];

	(void)state;
	memset(root, 'r', sizeof(root));
	root[100] = '/';
	root[200] = '/';
	root[300] = '\0';
	daemon_init(&d, "QM1", root);
	daemon_create(&d);
	daemon_start(&d);
	client_hello(&c, &d);
	client_ping(&c, 1);
	client_close(&c);
	proc_stop(&d.proc);
	daemon_fini(&d);
}

/* ---- */

static int
group_setup(void **state)
{
	(void)state;
	daemon_init(&shared, "QM1", "root");
	daemon_create(&shared);
	daemon_start(&shared);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	/* it runs even if the setup failed */
	if (shared.proc.pid != 0)
		proc_stop(&shared.proc);
	daemon_fini(&shared);
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
		test_client_that_does_not_read_is_held_and_loses_nothing),
	    cmocka_unit_test(
		test_second_process_is_refused_and_told_who_has_it),
	    cmocka_unit_test(test_queue_manager_that_was_not_created_says_so),
	    cmocka_unit_test(test_creation_of_one_that_exists_is_refused),
	    cmocka_unit_test(test_directory_open_to_others_is_refused),
	    cmocka_unit_test(test_sigterm_stops_cleanly_and_tells_clients),
	    cmocka_unit_test(test_start_after_kill_9_replaces_the_socket),
	    cmocka_unit_test(test_name_with_dots_and_slashes_stays_in_its_root),
	    cmocka_unit_test(test_root_of_300_characters_works),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

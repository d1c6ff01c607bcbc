/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.c - queue managers and clients of raw.h.
 *
 * Happy path: create, start, connect, say hello, send and receive frames.
 * Failure: each is an assertion of the test that calls.
 */
#include "tests/system/raw.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/name.h"
#include "base/sock.h"

/* ---- queue managers ---- */

void
raw_init(struct raw_qmgr *d, const char *name, const char *root)
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
int
raw_run(struct raw_qmgr *d, const char *name, bool create, char **ret_out)
{
	char bin[PATH_MAX], log[PATH_MAX];

	proc_bin("qmgr", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.2000s/run.log", d->dir.path);
	return proc_run((const char *const[]){bin, name, "--root", d->root,
			    create ? "--create" : NULL, NULL},
	    NULL, log, ret_out);
}

void
raw_create(struct raw_qmgr *d)
{
	char *out = NULL;
	int status = raw_run(d, d->name, true, &out);

	if (status != 0)
		print_error("%s\n", out);
	free(out);
	assert_int_equal(status, 0);
}

int
raw_connect(const struct raw_qmgr *d)
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

/* Starts it with at most so many descriptors, and waits until it listens. */
void
raw_start_with(struct raw_qmgr *d, const char *descriptors)
{
	char bin[PATH_MAX];
	int fd, status;

	proc_bin("qmgr", bin, sizeof(bin));
	proc_start(&d->proc,
	    (const char *const[]){"/bin/sh", "-c",
		"ulimit -n $1; shift; exec \"$@\"", "sh", descriptors, bin,
		d->name, "--root", d->root, NULL},
	    NULL);
	while ((fd = raw_connect(d)) < 0) {
		if (!proc_runs(&d->proc, &status)) {
			proc_print_log(&d->proc);
			fail_msg("the queue manager ended");
		}
		(void)poll(NULL, 0, 2);
	}
	close(fd);
}

void
raw_start(struct raw_qmgr *d)
{
	raw_start_with(d, "hard");
}

void
raw_fini(struct raw_qmgr *d)
{
	proc_kill9(&d->proc);
	tmpdir_free(&d->dir);
}

bool
raw_log_has(const struct raw_qmgr *d, const char *text)
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
void
raw_assert_logged(const struct raw_qmgr *d, const char *text)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (!raw_log_has(d, text)) {
		if (test_now_ms() > end) {
			proc_print_log(&d->proc);
			fail_msg("the log does not say: %s", text);
		}
		(void)poll(NULL, 0, 5);
	}
}

/* ---- clients ---- */

void
raw_open(struct raw_client *c, const struct raw_qmgr *d)
{
	c->fd = raw_connect(d);
	assert_true(c->fd >= 0);
	mqbuf_init(&c->in, 1 << 22);
}

void
raw_close(struct raw_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	mqbuf_fini(&c->in);
}

void
raw_send(struct raw_client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), len);
}

/* The next frame; false at the end of the stream. */
bool
raw_recv(struct raw_client *c, struct mqframe *f, size_t *used)
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

void
raw_send_buf(struct raw_client *c, struct mqbuf *b)
{
	assert_int_equal(b->err, MQI_OK);
	raw_send(c, b->data, b->len);
	mqbuf_fini(b);
}

struct mqlocal_hello
raw_hello_for(const struct raw_qmgr *d)
{
	struct mqlocal_hello h = {.version_min = MQLOCAL_VERSION_MIN,
	    .version_max = MQLOCAL_VERSION,
	    .app_name = "test_session"};

	(void)snprintf(h.qmgr, sizeof(h.qmgr), "%s", d->name);
	return h;
}

void
raw_send_hello(struct raw_client *c, const struct mqlocal_hello *h)
{
	struct mqbuf b;

	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, h);
	raw_send_buf(c, &b);
}

void
raw_assert_hello_ok(struct raw_client *c, const struct raw_qmgr *d)
{
	struct mqlocal_hello_ok ok;
	struct mqframe f;
	size_t used;

	assert_true(raw_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_HELLO_OK);
	assert_int_equal(mqlocal_decode_hello_ok(&f, &ok), MQI_OK);
	assert_string_equal(ok.qmgr, d->name);
	assert_int_equal(ok.version, MQLOCAL_VERSION);
	assert_true(ok.max_msg_len >= 4194304);
	mqbuf_consume(&c->in, used);
}

/* A client whose session is open. */
void
raw_hello(struct raw_client *c, const struct raw_qmgr *d)
{
	struct mqlocal_hello h = raw_hello_for(d);

	raw_open(c, d);
	raw_send_hello(c, &h);
	raw_assert_hello_ok(c, d);
}

/* True if the session is open; else the next frame says why not. */
bool
raw_try_hello(struct raw_client *c, const struct raw_qmgr *d)
{
	struct mqlocal_hello h = raw_hello_for(d);
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	raw_open(c, d);
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, &h);
	/* one that is refused may be closed already */
	(void)!send(c->fd, b.data, b.len, MSG_NOSIGNAL);
	mqbuf_fini(&b);
	assert_true(raw_recv(c, &f, &used));
	if (f.type != MQLOCAL_HELLO_OK)
		return false;
	mqbuf_consume(&c->in, used);
	return true;
}

void
raw_ping(struct raw_client *c, uint32_t id)
{
	struct mqlocal_result res;
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	mqbuf_init(&b, 4096);
	mqlocal_encode_empty(&b, MQLOCAL_PING, id);
	raw_send_buf(c, &b);
	assert_true(raw_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_RESULT);
	assert_int_equal(f.id, id);
	assert_int_equal(mqlocal_decode_result(&f, &res), MQI_OK);
	assert_int_equal(res.reason, MQI_OK);
	mqbuf_consume(&c->in, used);
}

/* The session is ended with an ERROR frame that says why. */
void
raw_assert_error(struct raw_client *c, enum mqi_err reason)
{
	struct mqlocal_error e;
	struct mqframe f;
	size_t used;

	assert_true(raw_recv(c, &f, &used));
	assert_int_equal(f.type, MQLOCAL_ERROR);
	assert_int_equal(mqlocal_decode_error(&f, &e), MQI_OK);
	assert_int_equal(e.reason, reason);
	assert_true(strlen(e.text) > 0);
	mqbuf_consume(&c->in, used);
	assert_false(raw_recv(c, &f, &used));
}

void
raw_send_frame(struct raw_client *c, uint16_t type, uint32_t id, size_t payload)
{
	struct mqbuf b;
	size_t start;

	mqbuf_init(&b, 1 << 20);
	start = mqframe_begin(&b, type, 0, id);
	mqbuf_put_zeros(&b, payload);
	mqframe_end(&b, start, 0);
	raw_send_buf(c, &b);
}

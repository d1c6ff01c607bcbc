/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.c - the scripted queue manager.
 *
 * Neighbours: the tests of libmq, which connect to it by its root directory.
 * Failure: anything that a script does not expect aborts with a line.
 */
#include "tests/unit/libmq/fake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sock.h"
#include "proto/desc.h"

static _Noreturn void
die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "fake: %s: %s\n", what, detail);
	abort();
}

static void *
serve(void *arg)
{
	struct fake *f = arg;

	for (;;) {
		struct pollfd p = {.fd = f->listen_fd, .events = POLLIN};

		(void)poll(&p, 1, -1);
		f->fd = accept(f->listen_fd, NULL, NULL);
		if (f->fd < 0)
			return NULL;
		f->n_connections++;
		mqbuf_reset(&f->in);
		mqbuf_reset(&f->out);
		f->in_used = 0;
		f->script(f);
		(void)close(f->fd);
	}
}

static void
make_dir(const char *root, const char *below)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", root, below);
	if (mkdir(path, 0700) != 0)
		die("mkdir", path);
}

void
fake_start(struct fake *f, void (*script)(struct fake *f), void *arg)
{
	char dir[128];

	memset(f, 0, sizeof(*f));
	f->script = script;
	f->arg = arg;
	mqbuf_init(&f->in, 64u << 20);
	mqbuf_init(&f->out, 64u << 20);
	(void)snprintf(f->root, sizeof(f->root), "/tmp/mq-fake-XXXXXX");
	if (mkdtemp(f->root) == NULL)
		die("mkdtemp", f->root);
	make_dir(f->root, FAKE_QMGR);
	make_dir(f->root, FAKE_QMGR "/run");
	(void)snprintf(dir, sizeof(dir), "%s/" FAKE_QMGR "/run", f->root);
	if (mqsock_listen_unix(dir, MQLOCAL_SOCKET, 0600, &f->listen_fd) !=
	    MQI_OK)
		die("listen", dir);
	if (pthread_create(&f->thread, NULL, serve, f) != 0)
		die("thread", f->root);
}

void
fake_stop(struct fake *f)
{
	char path[256];

	(void)shutdown(f->listen_fd, SHUT_RDWR);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->listen_fd);
	(void)snprintf(path, sizeof(path),
	    "%s/" FAKE_QMGR "/run/" MQLOCAL_SOCKET, f->root);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/" FAKE_QMGR "/run", f->root);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/" FAKE_QMGR, f->root);
	(void)rmdir(path);
	(void)rmdir(f->root);
	mqbuf_fini(&f->in);
	mqbuf_fini(&f->out);
}

mqi_conn *
fake_connect(struct fake *f, uint32_t flags)
{
	const struct mqi_connect_opts opts = {
	    .root = f->root, .app_name = "test", .flags = flags};
	mqi_conn *c = NULL;
	enum mqi_err err = mqi_connect(FAKE_QMGR, &opts, &c);

	if (err != MQI_OK)
		die("connect", mqi_err_name(err));
	return c;
}

bool
fake_read(struct fake *f, struct mqframe *ret)
{
	ssize_t n;
	void *p;

	mqbuf_consume(&f->in, f->in_used);
	f->in_used = 0;
	while (mqframe_parse(f->in.data, f->in.len, ret, &f->in_used) !=
	       MQFRAME_OK) {
		p = mqbuf_reserve(&f->in, 65536);
		if (p == NULL)
			die("read", "no memory");
		n = recv(f->fd, p, 65536, 0);
		if (n <= 0)
			return false;
		mqbuf_commit(&f->in, (size_t)n);
	}
	return true;
}

struct mqframe
fake_expect(struct fake *f, uint16_t type)
{
	struct mqframe fr;

	if (!fake_read(f, &fr))
		die("end of stream instead of", mqlocal_type_name(type));
	if (fr.type != type)
		die(mqlocal_type_name(fr.type), mqlocal_type_name(type));
	return fr;
}

void
fake_send(struct fake *f)
{
	size_t off = 0;
	ssize_t n;

	while (off < f->out.len) {
		n = send(
		    f->fd, f->out.data + off, f->out.len - off, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		off += (size_t)n;
	}
	mqbuf_reset(&f->out);
}

void
fake_hello_ok(struct fake *f, uint32_t id)
{
	struct mqlocal_hello_ok ok = {.version = 1,
	    .features = f->features,
	    .qmgr = FAKE_QMGR,
	    .max_msg_len = MQI_MAX_BODY};

	mqlocal_encode_hello_ok(&f->out, id, &ok);
}

void
fake_hello(struct fake *f)
{
	fake_hello_ok(f, fake_expect(f, MQLOCAL_HELLO).id);
	fake_send(f);
}

void
fake_open_ok(struct fake *f, uint32_t id, uint32_t handle)
{
	struct mqlocal_open_ok ok = {.handle = handle,
	    .resolved_name = "Q",
	    .resolved_qmgr = FAKE_QMGR,
	    .max_msg_len = MQI_MAX_BODY};

	mqlocal_encode_open_ok(&f->out, id, &ok);
}

void
fake_open(struct fake *f, uint32_t handle)
{
	fake_open_ok(f, fake_expect(f, MQLOCAL_OPEN).id, handle);
	fake_send(f);
}

void
fake_result(struct fake *f, uint32_t id, enum mqi_err reason)
{
	struct mqlocal_result r = {.reason = (uint32_t)reason};

	if (reason != MQI_OK)
		(void)snprintf(
		    r.text, sizeof(r.text), "says the fake: %d", (int)reason);
	mqlocal_encode_result(&f->out, id, &r);
}

void
fake_put_ok(struct fake *f, uint32_t id)
{
	struct mqlocal_put_ok ok = {
	    .priority = 3, .persistence = 1, .put_time_ms = 1000};

	memset(ok.msg_id, 'm', sizeof(ok.msg_id));
	mqlocal_encode_put_ok(&f->out, id, &ok);
}

void
fake_message(struct fake *f, uint32_t id, const struct mqlocal_message *m,
    const void *body)
{
	struct mqlocal_piece piece;
	uint32_t off;

	mqlocal_encode_message(&f->out, id, m);
	if (mqlocal_is_inline(m->desc_len, m->sent_len)) {
		mqbuf_put(&f->out, body, m->sent_len);
		return;
	}
	for (off = 0; off < m->sent_len; off += piece.len) {
		piece.data = (const uint8_t *)body + off;
		piece.len = m->sent_len - off < MQFRAME_PIECE
				? m->sent_len - off
				: MQFRAME_PIECE;
		mqlocal_encode_piece(&f->out, id, &piece);
		mqbuf_put(&f->out, piece.data, piece.len);
	}
}

void
fake_until_end(struct fake *f)
{
	struct mqframe fr;

	while (fake_read(f, &fr))
		if (fr.type == MQLOCAL_CLOSE) {
			fake_result(f, fr.id, MQI_OK);
			fake_send(f);
		}
}

const void *
fake_desc(uint32_t *ret_len)
{
	static uint8_t bytes[512];
	static uint32_t len;
	struct mqi_md md;
	struct mqbuf b;

	if (len == 0) {
		mqi_md_init(&md);
		mqbuf_init(&b, sizeof(bytes));
		if (mqdesc_encode(&md, &b) != MQI_OK)
			die("descriptor", "cannot be encoded");
		memcpy(bytes, b.data, b.len);
		len = (uint32_t)b.len;
		mqbuf_fini(&b);
	}
	*ret_len = len;
	return bytes;
}

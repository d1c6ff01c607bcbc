/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote.c - TCP and TLS under the frames (remote.h).
 *
 * Neighbours: conn.c opens one host after the other and says hello; io.h
 * gives bytes from here or from the Unix socket to wire.c and read.c; the TLS
 * itself is in libmqtls.so (plugin.c).
 *
 * Invariants.  One thread sends and one receives at a time (wire.c's roles),
 * but both need the TLS object, which `lock` guards; no system call is made
 * with it held.  What has been encrypted is never encrypted again: a send
 * that the socket does not take whole says EAGAIN and remembers how many of
 * the caller's bytes it holds, which the next call, whose bytes must begin
 * with the same ones, reports as sent.  So bytes count as sent only when the
 * kernel has all of their records, and a request whose last byte was not sent
 * was not done.
 *
 * Silence.  The server sends something at least every heartbeat_ms.  If
 * nothing comes for twice as long and a second, while somebody reads, the
 * connection is lost.  Time when nobody reads does not count: the kernel may
 * have dropped nothing, but we would not know.
 *
 * Failure: TLS's words in `why`, with the host's name; errno EPROTO.
 */
#include "libmq/remote.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dial.h"
#include "tls/tls_plugin.h"

#define RECORD ((size_t)16384)
#define ENCRYPT_MAX (4 * RECORD) /* plain bytes at once */
#define OUT_MAX ((size_t)1 << 20)
#define RAW_SIZE ((size_t)32 << 10)
#define GAP_US UINT64_C(1000000) /* not reading for so long: not listening */

struct mqremote {
	const struct mqtls_plugin *tls;
	pthread_mutex_t lock;
	struct mqtls_conn *conn;
	char host[MQDIAL_HOST_LEN + 16];
	/* the sender's */
	struct mqbuf out; /* encrypted, not taken by the socket yet */
	size_t out_off;
	size_t held; /* plain bytes in it that have not been reported */
	/* the receiver's */
	bool holds; /* TLS may have more that is decrypted */
	bool ended;
	uint64_t heartbeat_us;
	uint64_t heard_us;  /* or since when we listen */
	uint64_t looked_us; /* end of the last look at the socket */
	/* of the first failure */
	enum mqi_err err;
	char why[MQTLS_WHY_LEN + MQDIAL_HOST_LEN + 16];
	uint8_t raw[RAW_SIZE];
};

static void note(struct mqremote *r, enum mqi_err err, const char *fmt, ...)
    MQ_PRINTF(3, 4);

/* With the lock held, or before others know r. */
static void
note(struct mqremote *r, enum mqi_err err, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (r->err != MQI_OK)
		return;
	r->err = err;
	n = snprintf(r->why, sizeof(r->why), "%s: ", r->host);
	va_start(ap, fmt);
	(void)vsnprintf(r->why + n, sizeof(r->why) - (size_t)n, fmt, ap);
	va_end(ap);
}

enum mqi_err
mqremote_err(struct mqremote *r)
{
	enum mqi_err err;

	(void)pthread_mutex_lock(&r->lock);
	err = r->err;
	(void)pthread_mutex_unlock(&r->lock);
	return err;
}

/* It does not change any more once there is an error. */
const char *
mqremote_why(struct mqremote *r)
{
	return mqremote_err(r) != MQI_OK ? r->why : "";
}

void
mqremote_free(struct mqremote *r)
{
	if (r == NULL)
		return;
	if (r->conn != NULL)
		(void)r->tls->free(r->conn);
	mqbuf_fini(&r->out);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- sending ---- */

/* Moves what TLS has for the network behind what waits.  Lock held. */
static enum mqi_err
collect(struct mqremote *r)
{
	size_t n = r->tls->pending(r->conn);
	void *p;

	if (n == 0)
		return MQI_OK;
	p = mqbuf_reserve(&r->out, n);
	if (p == NULL)
		return r->out.err;
	mqbuf_commit(&r->out, r->tls->take(r->conn, p, n));
	return MQI_OK;
}

/* 0: all has left; -1 with errno. */
static int
flush_out(struct mqremote *r, int fd)
{
	ssize_t n;

	while (r->out_off < r->out.len) {
		n = send(fd, r->out.data + r->out_off, r->out.len - r->out_off,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		r->out_off += (size_t)n;
	}
	r->out_off = 0;
	mqbuf_reset(&r->out);
	return 0;
}

static enum mqi_err
encrypt(struct mqremote *r, const struct iovec *iov, size_t n_iov)
{
	enum mqi_err err = MQI_OK;
	size_t n;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n_iov && err == MQI_OK; i++) {
		n = iov[i].iov_len;
		if (n > ENCRYPT_MAX - r->held)
			n = ENCRYPT_MAX - r->held;
		err = n == 0 ? MQI_OK
			     : r->tls->write(r->conn, iov[i].iov_base, n);
		if (err == MQI_OK)
			r->held += n;
		else
			note(r, err, "%s", r->tls->error(r->conn));
	}
	if (err == MQI_OK)
		err = collect(r);
	if (err != MQI_OK)
		note(r, err, "%s", mqi_strerror(err));
	(void)pthread_mutex_unlock(&r->lock);
	return err;
}

ssize_t
mqremote_send(struct mqremote *r, int fd, const struct iovec *iov, size_t n_iov)
{
	size_t held;

	if (r->held == 0 && encrypt(r, iov, n_iov) != MQI_OK) {
		errno = EPROTO;
		return -1;
	}
	if (flush_out(r, fd) != 0)
		return -1;
	held = r->held;
	r->held = 0;
	return (ssize_t)held;
}

/* ---- receiving ---- */

static enum mqi_err
decrypt(struct mqremote *r, const struct iovec *iov, size_t n_iov,
    size_t *ret_n, bool *ret_closed)
{
	enum mqi_err err = MQI_OK;
	size_t total = 0, off, n;
	bool closed = false;

	r->holds = true;
	for (size_t i = 0; i < n_iov && r->holds; i++) {
		for (off = 0; off < iov[i].iov_len && r->holds; off += n) {
			n = 0;
			err = r->tls->read(r->conn,
			    (uint8_t *)iov[i].iov_base + off,
			    iov[i].iov_len - off, &n, &closed);
			r->holds = err == MQI_OK && n > 0;
			total += n;
		}
	}
	if (err != MQI_OK)
		note(r, err, "%s", r->tls->error(r->conn));
	*ret_n = total;
	*ret_closed = closed;
	return err;
}

/* Encrypted bytes from the socket to TLS; as recv(2). */
static ssize_t
fill(struct mqremote *r, int fd)
{
	ssize_t n;
	enum mqi_err err;

	do
		n = recv(fd, r->raw, sizeof(r->raw), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n;
	r->heard_us = mqclock_mono_us();
	(void)pthread_mutex_lock(&r->lock);
	err = r->tls->feed(r->conn, r->raw, (size_t)n);
	if (err != MQI_OK)
		note(r, err, "%s", mqi_strerror(err));
	(void)pthread_mutex_unlock(&r->lock);
	if (err == MQI_OK)
		return n;
	errno = EPROTO;
	return -1;
}

ssize_t
mqremote_recv(struct mqremote *r, int fd, const struct iovec *iov, size_t n_iov)
{
	bool closed = false;
	enum mqi_err err;
	size_t n = 0;
	ssize_t got;

	if (r->ended)
		return 0;
	for (;;) {
		(void)pthread_mutex_lock(&r->lock);
		err = decrypt(r, iov, n_iov, &n, &closed);
		(void)pthread_mutex_unlock(&r->lock);
		if (n > 0)
			return (ssize_t)n;
		if (err != MQI_OK || closed)
			break;
		got = fill(r, fd);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
	}
	r->ended = true;
	if (err == MQI_OK)
		return 0;
	errno = EPROTO;
	return -1;
}

bool
mqremote_holds(const struct mqremote *r)
{
	return r->holds;
}

/* ---- silence ---- */

void
mqremote_set_heartbeat(struct mqremote *r, uint32_t ms)
{
	r->heartbeat_us = (uint64_t)ms * 1000;
}

static uint64_t
silent_at(const struct mqremote *r)
{
	return r->heard_us + 2 * r->heartbeat_us + GAP_US;
}

int
mqremote_patience(struct mqremote *r)
{
	uint64_t now = mqclock_mono_us(), ms;

	if (r->heartbeat_us == 0)
		return -1;
	if (now - r->looked_us > GAP_US)
		r->heard_us = now;
	ms = silent_at(r) > now ? (silent_at(r) - now) / 1000 + 1 : 0;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

bool
mqremote_is_silent(struct mqremote *r)
{
	r->looked_us = mqclock_mono_us();
	if (r->heartbeat_us == 0 || r->looked_us < silent_at(r))
		return false;
	(void)pthread_mutex_lock(&r->lock);
	note(r, MQI_E_CONNECTION_BROKEN, "nothing has been heard for %llu s",
	    (unsigned long long)((r->looked_us - r->heard_us) / 1000000));
	(void)pthread_mutex_unlock(&r->lock);
	return true;
}

/* ---- connecting ---- */

static enum mqi_err
wait_for(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now;
	int rc;

	do {
		now = mqclock_mono_us();
		if (now >= deadline_us)
			return MQI_E_HOST_NOT_AVAILABLE;
		rc = poll(&p, 1, (int)((deadline_us - now) / 1000 + 1));
	} while (rc == 0 || (rc < 0 && errno == EINTR));
	return rc > 0 ? MQI_OK : MQI_E_RESOURCE_PROBLEM;
}

/* What the handshake has to say leaves. */
static enum mqi_err
say(struct mqremote *r, int fd, uint64_t deadline_us)
{
	enum mqi_err err = collect(r);

	while (err == MQI_OK && flush_out(r, fd) != 0) {
		if (errno != EAGAIN)
			err = MQI_E_HOST_NOT_AVAILABLE;
		else
			err = wait_for(fd, POLLOUT, deadline_us);
	}
	return err;
}

static enum mqi_err
shake(struct mqremote *r, int fd, uint64_t deadline_us)
{
	bool done = false;
	enum mqi_err err;
	ssize_t n;

	for (;;) {
		err = r->tls->handshake(r->conn, &done);
		if (err != MQI_OK) {
			note(r, err, "%s", r->tls->error(r->conn));
			(void)say(r, fd, deadline_us); /* the alert */
			return err;
		}
		err = say(r, fd, deadline_us);
		if (err == MQI_OK && done)
			return MQI_OK;
		if (err == MQI_OK)
			err = wait_for(fd, POLLIN, deadline_us);
		if (err != MQI_OK) {
			note(r, err, "TLS was not agreed on in time");
			return err;
		}
		n = fill(r, fd);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			note(r, MQI_E_HOST_NOT_AVAILABLE,
			    "the connection ended before TLS was agreed on");
			return r->err;
		}
	}
}

/* Whether it is the queue manager's own certificate, or one that fits the
 * pattern given instead. */
static enum mqi_err
check_server(struct mqremote *r, const struct mqtarget *t)
{
	char own[MQI_NAME_LEN + 4], why[MQTLS_WHY_LEN] = "";
	const char *pattern = t->ssl_peer;
	struct mqtls_cert cert = {.subject = "?"};
	bool match = false;
	enum mqi_err err;

	(void)snprintf(own, sizeof(own), "CN=%s", t->qmgr);
	if (pattern == NULL)
		pattern = own;
	err = r->tls->peer_match(r->conn, pattern, &match, why);
	if (err != MQI_OK) {
		note(r, err, "%s", why);
		return err;
	}
	if (match)
		return MQI_OK;
	if (r->tls->peer(r->conn, &cert) != MQI_OK)
		(void)snprintf(cert.subject, sizeof(cert.subject), "?");
	note(r, MQI_E_SECURITY, "its certificate %.200s does not fit %.200s",
	    cert.subject, pattern);
	return MQI_E_SECURITY;
}

static enum mqi_err
new_remote(const struct mqtarget *t, struct mqremote **ret)
{
	char why[MQTLS_WHY_LEN] = "";
	struct mqremote *r = calloc(1, sizeof(*r));
	enum mqi_err err;

	if (r == NULL)
		return MQI_E_NO_MEMORY;
	if (pthread_mutex_init(&r->lock, NULL) != 0) {
		free(r);
		return MQI_E_RESOURCE_PROBLEM;
	}
	mqbuf_init(&r->out, OUT_MAX);
	err = mqplugin_load(&r->tls, why);
	if (err == MQI_OK)
		err = r->tls->open(t->key_dir, MQLOCAL_ALPN, why, &r->conn);
	if (err != MQI_OK) {
		(void)mqlib_fail(NULL, err, why);
		mqremote_free(r);
		return err;
	}
	*ret = r;
	return MQI_OK;
}

/* Hosts that are left each get their share of the time. */
static unsigned
share_ms(const char *rest, uint64_t deadline_us)
{
	uint64_t now = mqclock_mono_us(), ms;
	unsigned n = 1;

	for (; *rest != '\0'; rest++)
		n += *rest == ',' ? 1 : 0;
	ms = now < deadline_us ? (deadline_us - now) / 1000 / n + 1 : 1;
	return ms > INT_MAX ? INT_MAX : (unsigned)ms;
}

/* From the socket's point of view all is set up for small frames. */
static void
set_options(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

enum mqi_err
mqremote_open(mqi_conn *c, const char **pp, uint64_t deadline_us)
{
	char host[MQDIAL_HOST_LEN], port[8], text[MQDIAL_TEXT_LEN];
	unsigned ms = share_ms(*pp, deadline_us);
	uint64_t until = mqclock_mono_us() + (uint64_t)ms * 1000;
	struct mqremote *r = NULL;
	enum mqi_err err;
	int fd = -1;

	if (mqdial_parse(pp, host, port) != MQI_OK) {
		*pp += strlen(*pp);
		return mqlib_failf(NULL, MQI_E_INVAL,
		    "'%.200s' cannot be read: host(port) is expected",
		    c->target.conname);
	}
	err = new_remote(&c->target, &r);
	if (err != MQI_OK)
		return err;
	(void)snprintf(r->host, sizeof(r->host), "%s(%s)", host, port);
	err = mqdial_one(host, port, ms, text, &fd);
	if (err != MQI_OK) {
		(void)mqlib_fail(NULL, err, text);
		mqremote_free(r);
		return err;
	}
	set_options(fd);
	err = shake(r, fd, until);
	if (err == MQI_OK)
		err = check_server(r, &c->target);
	if (err != MQI_OK) {
		(void)mqlib_fail(NULL, err, r->why);
		mqremote_free(r);
		(void)close(fd);
		return err;
	}
	c->fd = fd;
	c->remote = r;
	return MQI_OK;
}

void
mqremote_goodbye(mqi_conn *c)
{
	struct mqremote *r = c->remote;

	if (c->writing || r->held > 0)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->tls->close(r->conn);
	if (collect(r) == MQI_OK)
		(void)flush_out(r, c->fd);
	(void)pthread_mutex_unlock(&r->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - a socket and its TLS connection on a loop (link.h).
 *
 * The socket is polled (uv_poll_t) rather than given to libuv's streams: TLS
 * works on bytes in and out, so that reading can stop at any moment, and at
 * most one read's bytes are ever on their way to the state machine.
 *
 * Happy path: handshake, `up`, then input as it comes; link_write() encrypts,
 * and what the socket does not take at once waits for it to be writable.
 *
 * Failure modes: TLS refuses the partner (its alert is still sent), the socket
 * fails, the partner closes, or the handshake takes longer than
 * LINK_HANDSHAKE_MS: `down`, once.
 */
#include "mca/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sock.h"
#include "proto/chan.h"

#define READ_SIZE 131072u
#define PLAIN_SIZE 16384u /* a record of TLS holds no more */
#define READS_PER_TURN 8u

struct link {
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	struct mqtls_conn *tls;
	struct link_events ev;
	bool up;
	bool down;
	bool reading;
	bool writing;
	bool held; /* input was not wanted while TLS may have had some */
	uint8_t raw[READ_SIZE];
	uint8_t plain[PLAIN_SIZE];
};

static void on_poll(uv_poll_t *handle, int status, int events);

static void
go_down(struct link *l, enum mqi_err reason, const char *text)
{
	char copy[MQTLS_WHY_LEN + 64];

	if (l->down)
		return;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	l->down = true;
	(void)uv_poll_stop(&l->poll);
	(void)uv_timer_stop(&l->timer);
	l->ev.down(l->ev.arg, reason, copy);
}

static void
on_slow(uv_timer_t *t)
{
	go_down(t->data, MQI_E_CLIENT_EXIT_ERROR,
	    "the TLS handshake did not end within 10 s");
}

/* Gives the socket what it takes.  0, or the errno that ended it. */
static int
flush_out(struct link *l)
{
	const void *data;
	size_t len;

	while ((data = mqtls_output(l->tls, &len)) != NULL) {
		ssize_t n = send(l->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		mqtls_sent(l->tls, (size_t)n);
	}
	return 0;
}

static void
broke(struct link *l, int err)
{
	char text[128];

	(void)snprintf(
	    text, sizeof(text), "the connection broke: %s", strerror(err));
	go_down(l, MQI_E_CONNECTION_BROKEN, text);
}

static void
flush_or_down(struct link *l)
{
	int err = l->down ? 0 : flush_out(l);

	if (err != 0)
		broke(l, err);
}

/* The loop says of every error that the descriptor is bad. */
static int
socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		return errno;
	return err != 0 ? err : ECONNRESET;
}

static void
shake(struct link *l)
{
	bool done = false;
	enum mqi_err err = mqtls_handshake(l->tls, &done);

	if (err != MQI_OK) {
		(void)flush_out(l); /* the alert */
		go_down(l, err, mqtls_error(l->tls));
		return;
	}
	flush_or_down(l);
	if (!done || l->down)
		return;
	l->up = true;
	(void)uv_timer_stop(&l->timer);
	l->ev.up(l->ev.arg);
}

/* Hands on what TLS has decrypted.  False: there is nothing more to do. */
static bool
hand_on(struct link *l)
{
	while (!l->down && l->up) {
		bool closed = false;
		size_t n = 0;
		enum mqi_err err;

		if (!l->ev.wants_input(l->ev.arg)) {
			l->held = true;
			return false;
		}
		err =
		    mqtls_read(l->tls, l->plain, sizeof(l->plain), &n, &closed);
		if (err != MQI_OK) {
			(void)flush_out(l);
			go_down(l, err, mqtls_error(l->tls));
		} else if (closed) {
			go_down(l, MQI_E_CONNECTION_BROKEN,
			    "the partner closed the connection");
		} else if (n > 0) {
			l->ev.input(l->ev.arg, l->plain, n);
		} else {
			return true;
		}
	}
	return false;
}

/* Polls for what is needed next. */
static void
poll_link(struct link *l)
{
	bool reading, writing;
	int rc;

	if (l->down)
		return;
	reading = !l->up || l->ev.wants_input(l->ev.arg);
	writing = mqtls_pending(l->tls) > 0;
	if (reading == l->reading && writing == l->writing)
		return;
	l->reading = reading;
	l->writing = writing;
	rc =
	    reading || writing
		? uv_poll_start(&l->poll,
		      (reading ? UV_READABLE : 0) | (writing ? UV_WRITABLE : 0),
		      on_poll)
		: uv_poll_stop(&l->poll);
	if (rc != 0)
		go_down(l, MQI_E_IO, uv_strerror(rc));
}

void
link_update(struct link *l)
{
	if (l->held && !l->down && l->ev.wants_input(l->ev.arg)) {
		l->held = false;
		(void)hand_on(l);
	}
	poll_link(l);
}

/* One read from the socket.  False: nothing more now. */
static bool
read_some(struct link *l)
{
	ssize_t n = recv(l->fd, l->raw, sizeof(l->raw), MSG_DONTWAIT);
	char text[128];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		(void)snprintf(text, sizeof(text), "the connection broke: %s",
		    n == 0 ? "the partner closed it" : strerror(errno));
		go_down(l, MQI_E_CONNECTION_BROKEN, text);
		return false;
	}
	if (mqtls_feed(l->tls, l->raw, (size_t)n) != MQI_OK) {
		go_down(l, MQI_E_NO_MEMORY, "no memory for what arrived");
		return false;
	}
	if (!l->up)
		shake(l);
	return hand_on(l) && (size_t)n == sizeof(l->raw);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct link *l = handle->data;

	/* what came before a reset may say why, and reading tells of it */
	if (status != 0)
		events = UV_READABLE;
	if ((events & UV_WRITABLE) != 0)
		flush_or_down(l);
	if ((events & UV_READABLE) != 0 && !l->down) {
		for (unsigned i = 0; i < READS_PER_TURN; i++) {
			if (!read_some(l))
				break;
		}
		flush_or_down(l);
	}
	if (status != 0)
		broke(l, socket_error(l->fd));
	link_update(l);
}

void
link_write(struct link *l, const void *data, size_t len)
{
	if (l->down || !l->up || len == 0)
		return;
	if (mqtls_write(l->tls, data, len) != MQI_OK) {
		go_down(l, MQI_E_CONNECTION_BROKEN, mqtls_error(l->tls));
		return;
	}
	flush_or_down(l);
	poll_link(l); /* nothing is handed on inside the caller's write */
}

size_t
link_pending(const struct link *l)
{
	return mqtls_pending(l->tls);
}

const struct mqtls_conn *
link_tls(const struct link *l)
{
	return l->tls;
}

int
link_fd(const struct link *l)
{
	return l->fd;
}

enum mqi_err
link_new(uv_loop_t *loop, int fd, struct mqtls_ctx *tls, bool server,
    const struct link_events *events, struct link **ret_link)
{
	struct link *l = mqmem_alloc(sizeof(*l));
	int one = 1, flags = fcntl(fd, F_GETFL);
	enum mqi_err err;

	l->fd = fd;
	l->ev = *events;
	l->poll.data = l->timer.data = l;
	err = mqtls_conn_new(tls, server, MQCHAN_ALPN, &l->tls);
	if (err == MQI_OK &&
	    (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0))
		err = mqsock_err(errno);
	if (err == MQI_OK &&
	    (uv_poll_init(loop, &l->poll, fd) != 0 ||
		uv_timer_init(loop, &l->timer) != 0 ||
		uv_timer_start(&l->timer, on_slow, LINK_HANDSHAKE_MS, 0) != 0))
		err = MQI_E_IO;
	if (err != MQI_OK) {
		mqtls_conn_free(l->tls);
		free(l);
		return err;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_link = l;
	if (!server)
		shake(l);
	link_update(l);
	return MQI_OK;
}

/* Waits for events on the socket until the deadline.  False: no more time. */
static bool
wait_for(struct link *l, short events, uint64_t deadline_us)
{
	uint64_t now = mqclock_mono_us();
	struct pollfd p = {.fd = l->fd, .events = events};

	return now < deadline_us &&
	       poll(&p, 1, (int)((deadline_us - now) / 1000) + 1) > 0;
}

void
link_finish(struct link *l, unsigned max_ms)
{
	uint64_t deadline = mqclock_mono_us() + max_ms * UINT64_C(1000);
	bool broken = false;

	if (!l->down)
		mqtls_close(l->tls);
	for (;;) {
		broken = flush_out(l) != 0;
		if (broken || link_pending(l) == 0 ||
		    !wait_for(l, POLLOUT, deadline))
			break;
	}
	if (!broken && shutdown(l->fd, SHUT_WR) == 0) {
		/* a close with bytes unread would destroy what we have sent */
		while (wait_for(l, POLLIN, deadline) &&
		       recv(l->fd, l->raw, sizeof(l->raw), MSG_DONTWAIT) > 0)
			;
	}
	l->down = true;
}

typedef int (*name_fn)(int fd, struct sockaddr *ret, socklen_t *len);

static void
address_of(int fd, name_fn name, char *ret, size_t cap)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (name(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		(void)snprintf(ret, cap, "?");
	else
		(void)snprintf(ret, cap, "%s(%s)", host, port);
}

void
link_address(int fd, char *ret, size_t cap)
{
	address_of(fd, getpeername, ret, cap);
}

void
link_local_address(int fd, char *ret, size_t cap)
{
	address_of(fd, getsockname, ret, cap);
}

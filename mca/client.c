/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - one remote client: bytes from TLS to the queue manager's socket
 * and back (client.h).
 *
 * Neighbours: run_clients.c accepts clients and decides who may; tls.c
 * decrypts; client_frames.c says what may pass.
 *
 * Invariants.  What waits for either side is bounded (CLIENT_UP_MAX, before it
 * CLIENT_UNREAD_MAX, CLIENT_OUT_MAX, and one read more); at the bound the other
 * side's socket is not read, so that a slow reader holds up nobody but itself.
 * What TLS holds no socket tells: while up has room, there is none of it, or
 * the pump goes on.  up holds first
 * what may go to the queue manager (up_good) and then what has not been looked
 * at.  Our own frames (BEAT, ERROR) go out between frames only.
 *
 * Happy path: TLS, CLIENT_HELLO and HELLO, admitted, a session in the client's
 * name, CLIENT_OK and HELLO_OK, frames.  An idle client keeps no buffers.
 *
 * Failure: everything goes through client_end(): an ERROR frame if TLS is up
 * and no frame is half sent, the end of TLS, and the socket closes when the
 * client has closed its side, or after CLOSE_MS.
 */
#include "mca/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sock.h"
#include "mca/client_talk.h"

#define CLOSE_MS 2000u
#define ROUNDS 8u
#define RAW_SIZE 65536u

static uint8_t raw[RAW_SIZE]; /* one thread, and nothing stays in it */

static const struct mqsm_state states[] = {
    [CLIENT_SHAKING] = {"SHAKING",
	MQ_BIT(CLIENT_GREETING) | MQ_BIT(CLIENT_CLOSING) | MQ_BIT(CLIENT_GONE)},
    [CLIENT_GREETING] = {"GREETING", MQ_BIT(CLIENT_ATTACHING) |
					 MQ_BIT(CLIENT_CLOSING) |
					 MQ_BIT(CLIENT_GONE)},
    [CLIENT_ATTACHING] = {"ATTACHING",
	MQ_BIT(CLIENT_RUNNING) | MQ_BIT(CLIENT_CLOSING) | MQ_BIT(CLIENT_GONE)},
    [CLIENT_RUNNING] = {"RUNNING",
	MQ_BIT(CLIENT_CLOSING) | MQ_BIT(CLIENT_GONE)},
    [CLIENT_CLOSING] = {"CLOSING", MQ_BIT(CLIENT_GONE)},
    [CLIENT_GONE] = {"GONE", 0},
};

enum client_state
client_state(const struct client *c)
{
	return (enum client_state)c->sm.current;
}

/* ---- the end ---- */

static void
on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	MQ_PRE(c->open_handles > 0);
	if (--c->open_handles > 0)
		return;
	(void)close(c->fd);
	if (c->local_fd >= 0)
		(void)close(c->local_fd);
	c->host->gone(c);
}

static void
close_local(struct client *c)
{
	if (c->local_fd >= 0 && !uv_is_closing((uv_handle_t *)&c->local))
		uv_close((uv_handle_t *)&c->local, on_closed);
}

static void
vanish(struct client *c)
{
	if (client_state(c) == CLIENT_GONE)
		return;
	if (client_state(c) < CLIENT_RUNNING)
		c->host->settled(c);
	mqsm_move(&c->sm, CLIENT_GONE);
	close_local(c);
	uv_close((uv_handle_t *)&c->net, on_closed);
}

struct client *
client_free(struct client *c)
{
	MQ_PRE(client_state(c) == CLIENT_GONE && c->open_handles == 0);
	mqtls_conn_free(c->tls);
	mqbuf_fini(&c->up);
	mqbuf_fini(&c->down);
	mqbuf_fini(&c->out);
	free(c);
	return NULL;
}

/* ---- the network's side ---- */

static void
collect(struct client *c)
{
	size_t n = mqtls_pending(c->tls);
	void *p;

	if (n == 0)
		return;
	p = mqbuf_reserve(&c->out, n);
	if (p != NULL)
		mqbuf_commit(&c->out, mqtls_take(c->tls, p, n));
}

/* Gives up the room of what has left: all of it, or so much that moving the
 * rest costs little. */
static void
forget_sent(struct client *c)
{
	if (c->out_at == c->out.len) {
		mqbuf_fini(&c->out);
		mqbuf_init(&c->out, CLIENT_OUT_LIMIT);
	} else if (c->out_at >= c->out.len / 2) {
		mqbuf_consume(&c->out, c->out_at);
	} else {
		return;
	}
	c->out_at = 0;
}

static void
flush_net(struct client *c)
{
	ssize_t n = 0;

	collect(c);
	while (c->out_at < c->out.len) {
		n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		c->out_at += (size_t)n;
	}
	if (c->out.err != MQI_OK || (n < 0 && errno != EAGAIN)) {
		client_log(c, MQI_E_CONNECTION_BROKEN,
		    n < 0 ? strerror(errno) : "no memory");
		vanish(c);
		return;
	}
	forget_sent(c);
}

size_t
client_unsent(const struct client *c)
{
	return c->out.len - c->out_at;
}

void
client_say(struct client *c, const void *data, size_t len)
{
	if (mqtls_write(c->tls, data, len) == MQI_OK)
		collect(c);
	c->sent_ms = mqclock_mono_us() / 1000;
}

static void
say_error(struct client *c, enum mqi_err reason, const char *text)
{
	struct mqlocal_error v = {.reason = (uint32_t)reason};
	struct mqbuf b;

	if (client_state(c) == CLIENT_SHAKING || c->down_flow.left > 0)
		return;
	(void)snprintf(v.text, sizeof(v.text), "%.500s", text);
	mqbuf_init(&b, CLIENT_TEXT_LEN + 64);
	mqlocal_encode_error(&b, 0, &v);
	if (b.err == MQI_OK)
		client_say(c, b.data, b.len);
	mqbuf_fini(&b);
}

void
client_end(struct client *c, enum mqi_err reason, const char *text)
{
	if (client_state(c) >= CLIENT_CLOSING)
		return;
	client_log(c, reason, text);
	say_error(c, reason, text);
	mqtls_close(c->tls);
	if (client_state(c) < CLIENT_RUNNING)
		c->host->settled(c);
	mqsm_move(&c->sm, CLIENT_CLOSING);
	c->ending_ms = mqclock_mono_us() / 1000 + CLOSE_MS;
	close_local(c);
	mqbuf_fini(&c->up);
	mqbuf_init(&c->up, CLIENT_UP_LIMIT);
	c->up_good = 0;
	flush_net(c);
}

/* The socket's bytes to TLS.  False: nothing came. */
static bool
read_net(struct client *c)
{
	ssize_t n;

	if (client_state(c) < CLIENT_CLOSING &&
	    (c->up.len >= CLIENT_UP_MAX ||
		mqtls_unread(c->tls) >= CLIENT_UNREAD_MAX))
		return false;
	do
		n = recv(c->fd, raw, sizeof(raw), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (client_state(c) == CLIENT_CLOSING) {
		if (n <= 0)
			vanish(c);
		return n > 0;
	}
	if (n <= 0) {
		client_log(c, MQI_E_CONNECTION_BROKEN,
		    n == 0 ? "the client closed the connection"
			   : strerror(errno));
		vanish(c);
		return false;
	}
	if (mqtls_feed(c->tls, raw, (size_t)n) != MQI_OK) {
		client_end(c, MQI_E_NO_MEMORY, "no memory for what arrived");
		return false;
	}
	c->beats = 0;
	return true;
}

/* Decrypted bytes to up, until it is full.  False: nothing came. */
static bool
read_tls(struct client *c)
{
	bool closed = false, moved = false;
	enum mqi_err err;
	size_t n = 1;
	void *p;

	while (n > 0 && c->up.len < CLIENT_UP_MAX) {
		p = mqbuf_reserve(&c->up, 16384);
		if (p == NULL) {
			client_end(c, MQI_E_NO_MEMORY, "no memory");
			return false;
		}
		err = mqtls_read(c->tls, p, 16384, &n, &closed);
		if (err != MQI_OK || closed) {
			client_end(c, closed ? MQI_OK : MQI_E_CLIENT_EXIT_ERROR,
			    closed ? "disconnected" : mqtls_error(c->tls));
			return false;
		}
		mqbuf_commit(&c->up, n);
		moved = moved || n > 0;
	}
	return moved;
}

static bool
shake(struct client *c)
{
	bool done = false;
	enum mqi_err err = mqtls_handshake(c->tls, &done);

	if (err != MQI_OK) {
		client_end(c, err, mqtls_error(c->tls));
		return false;
	}
	if (!done)
		return false;
	if (mqtls_peer(c->tls, &c->cert) != MQI_OK)
		memset(&c->cert, 0, sizeof(c->cert));
	mqsm_move(&c->sm, CLIENT_GREETING);
	return true;
}

/* ---- the queue manager's side ---- */

/* Looks at what has come, and takes BEATs out of it. */
static void
scan_up(struct client *c)
{
	char why[CLIENT_TEXT_LEN];
	enum mqi_err reason = MQI_OK;
	size_t n = 0;

	for (;;) {
		switch (client_frames_up(&c->up_flow, c->up.data + c->up_good,
		    c->up.len - c->up_good, c->def.max_msg_len, &n, &reason,
		    why)) {
		case CLIENT_STEP_PASS:
			c->up_good += n;
			c->moved_ms = mqclock_mono_us() / 1000;
			continue;
		case CLIENT_STEP_BEAT:
			memmove(c->up.data + c->up_good,
			    c->up.data + c->up_good + n,
			    c->up.len - c->up_good - n);
			c->up.len -= n;
			continue;
		case CLIENT_STEP_MORE:
			return;
		case CLIENT_STEP_ORDER:
		case CLIENT_STEP_BAD:
			client_end(c, reason, why);
			return;
		}
	}
}

/* True: up was full, and has room for what TLS holds. */
static bool
flush_local(struct client *c)
{
	bool was_full = c->up.len >= CLIENT_UP_MAX;
	ssize_t n = 0;

	while (c->up_good > 0) {
		n = send(c->local_fd, c->up.data, c->up_good,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* if it is gone, reading tells */
		mqbuf_consume(&c->up, (size_t)n);
		c->up_good -= (size_t)n;
	}
	if (c->up.len == 0) {
		mqbuf_fini(&c->up);
		mqbuf_init(&c->up, CLIENT_UP_LIMIT);
	}
	return was_full && c->up.len < CLIENT_UP_MAX;
}

/* Frames of the queue manager to the client. */
static void
scan_down(struct client *c)
{
	size_t n = 0, off = 0;

	while (client_state(c) == CLIENT_RUNNING) {
		switch (client_frames_down(&c->down_flow, &c->up_flow.gets,
		    c->down.data + off, c->down.len - off, &n)) {
		case CLIENT_STEP_PASS:
			client_say(c, c->down.data + off, n);
			c->moved_ms = c->sent_ms;
			off += n;
			continue;
		case CLIENT_STEP_ORDER:
			off += n;
			client_ordered(c, c->down.data + off - n, n);
			continue;
		case CLIENT_STEP_MORE:
			mqbuf_consume(&c->down, off);
			return;
		case CLIENT_STEP_BEAT:
		case CLIENT_STEP_BAD:
			client_end(c, MQI_E_PROTOCOL,
			    "the queue manager broke the protocol");
			return;
		}
	}
}

/* False: nothing came. */
static bool
read_local(struct client *c)
{
	ssize_t n;

	if (client_unsent(c) >= CLIENT_OUT_MAX)
		return false;
	do
		n = recv(c->local_fd, raw, CLIENT_OUT_MAX, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		/* it has said why, if it could */
		c->down_flow.left = 1;
		client_end(c, MQI_E_CONNECTION_BROKEN,
		    "the queue manager ended the session");
		return false;
	}
	mqbuf_put(&c->down, raw, (size_t)n);
	if (c->down.err != MQI_OK) {
		client_end(c, MQI_E_NO_MEMORY, "no memory");
		return false;
	}
	if (client_state(c) == CLIENT_ATTACHING)
		client_welcome(c);
	scan_down(c);
	if (c->down.len == 0) {
		mqbuf_fini(&c->down);
		mqbuf_init(&c->down, CLIENT_DOWN_LIMIT);
	}
	return true;
}

static void on_local(uv_poll_t *handle, int status, int events);

void
client_attach(struct client *c)
{
	enum mqi_err err = mqsock_connect_unix_now(
	    c->host->socket_dir, MQLOCAL_SOCKET, &c->local_fd);

	c->attach_again = err == MQI_E_BUSY;
	if (err == MQI_E_BUSY)
		return;
	if (err != MQI_OK) {
		client_end(c, MQI_E_Q_MGR_NOT_AVAILABLE,
		    "the queue manager takes no connection");
		return;
	}
	c->local.data = c;
	if (uv_poll_init(c->host->loop, &c->local, c->local_fd) != 0) {
		(void)close(c->local_fd);
		c->local_fd = -1;
		client_end(c, MQI_E_RESOURCE_PROBLEM, "the local socket");
		return;
	}
	c->open_handles++;
	client_introduce(c);
}

/* ---- the pump ---- */

/* One turn of the client's side; false: nothing moved. */
static bool
turn_net(struct client *c)
{
	bool moved = read_net(c);

	if (client_state(c) == CLIENT_SHAKING)
		moved = shake(c) || moved;
	if (client_state(c) > CLIENT_SHAKING &&
	    client_state(c) < CLIENT_CLOSING)
		moved = read_tls(c) || moved;
	if (client_state(c) == CLIENT_GREETING && client_greet(c)) {
		mqsm_move(&c->sm, CLIENT_ATTACHING);
		client_attach(c);
	}
	return moved;
}

/* One turn of the queue manager's side. */
static bool
turn_local(struct client *c)
{
	bool moved = false;

	if (client_state(c) == CLIENT_RUNNING)
		scan_up(c);
	if ((client_state(c) == CLIENT_ATTACHING ||
		client_state(c) == CLIENT_RUNNING) &&
	    c->local_fd >= 0) {
		moved = flush_local(c);
		moved = read_local(c) || moved;
	}
	return moved;
}

static void on_net(uv_poll_t *handle, int status, int events);

static void
poll_for(struct client *c, uv_poll_t *poll, int want, int *have, uv_poll_cb cb)
{
	if (want == *have)
		return;
	*have = want;
	if ((want != 0 ? uv_poll_start(poll, want, cb) : uv_poll_stop(poll)) !=
	    0)
		vanish(c);
}

/* What each socket is polled for next.  again: this turn was cut short, and
 * what TLS holds no socket will tell. */
static void
poll_both(struct client *c, bool again)
{
	enum client_state state = client_state(c);
	int net, local;

	net = state == CLIENT_CLOSING || c->up.len < CLIENT_UP_MAX
		  ? UV_READABLE
		  : UV_DISCONNECT;
	net |= again || client_unsent(c) > 0 ? UV_WRITABLE : 0;
	poll_for(c, &c->net, net, &c->net_events, on_net);
	if (c->local_fd < 0 || client_state(c) >= CLIENT_CLOSING)
		return;
	local = client_unsent(c) < CLIENT_OUT_MAX ? UV_READABLE : 0;
	local |= c->up_good > 0 ? UV_WRITABLE : 0;
	poll_for(c, &c->local, local, &c->local_events, on_local);
}

void
client_pump(struct client *c)
{
	bool moved = true;

	for (unsigned i = 0; moved && i < ROUNDS; i++) {
		if (client_state(c) == CLIENT_GONE)
			return;
		moved = turn_net(c);
		moved = turn_local(c) || moved;
		if (client_state(c) != CLIENT_GONE)
			flush_net(c);
	}
	if (client_state(c) == CLIENT_CLOSING && client_unsent(c) == 0)
		(void)shutdown(c->fd, SHUT_WR);
	if (client_state(c) != CLIENT_GONE)
		poll_both(c, moved);
}

static void
on_net(uv_poll_t *handle, int status, int events)
{
	struct client *c = handle->data;

	if (status != 0 ||
	    ((events & UV_DISCONNECT) != 0 && (events & UV_READABLE) == 0 &&
		c->up.len >= CLIENT_UP_MAX)) {
		client_log(c, MQI_E_CONNECTION_BROKEN,
		    "the client closed the connection");
		vanish(c);
		return;
	}
	client_pump(c);
}

static void
on_local(uv_poll_t *handle, int status, int events)
{
	(void)status; /* reading tells */
	(void)events;
	client_pump(handle->data);
}

void
client_tick(struct client *c, uint64_t now_ms)
{
	enum client_state state = client_state(c);

	if (state == CLIENT_GONE)
		return;
	if (state == CLIENT_CLOSING) {
		if (now_ms >= c->ending_ms)
			vanish(c);
		return;
	}
	if (state < CLIENT_RUNNING &&
	    now_ms - c->started_ms > CLIENT_HELLO_MS) {
		client_end(c, MQI_E_CLIENT_EXIT_ERROR,
		    "it did not say hello within 10 s");
		return;
	}
	if (c->attach_again)
		client_attach(c);
	if (state == CLIENT_RUNNING)
		client_keep(c, now_ms);
	if (client_state(c) != CLIENT_GONE) {
		flush_net(c);
		if (client_state(c) != CLIENT_GONE)
			poll_both(c, false);
	}
}

enum mqi_err
client_new(const struct client_host *host, int fd, const char *address,
    uint64_t now_ms, struct client **ret_client)
{
	struct client *c = calloc(1, sizeof(*c));
	enum mqi_err err;
	int one = 1;

	if (c == NULL)
		return MQI_E_NO_MEMORY;
	c->host = host;
	c->fd = fd;
	c->local_fd = -1;
	c->started_ms = c->sent_ms = c->moved_ms = now_ms;
	c->net.data = c;
	(void)snprintf(c->address, sizeof(c->address), "%s", address);
	mqsm_init(&c->sm, states, MQ_ARRAY_LEN(states), CLIENT_SHAKING);
	mqbuf_init(&c->up, CLIENT_UP_LIMIT);
	mqbuf_init(&c->down, CLIENT_DOWN_LIMIT);
	mqbuf_init(&c->out, CLIENT_OUT_LIMIT);
	err = mqtls_conn_new(host->tls, true, MQLOCAL_ALPN, &c->tls);
	if (err == MQI_OK && uv_poll_init(host->loop, &c->net, fd) != 0)
		err = MQI_E_RESOURCE_PROBLEM;
	if (err != MQI_OK) {
		mqtls_conn_free(c->tls);
		free(c);
		return err;
	}
	c->open_handles = 1;
	mqtls_save_memory(c->tls);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_client = c;
	return MQI_OK;
}

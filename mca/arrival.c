/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrival.c - peeks at what a partner says first (arrival.h).
 *
 * Neighbours: run_listener.c accepts and routes; proto/client_hello.c reads
 * the bytes.
 *
 * A peeked socket stays readable, so polling it would spin while the rest of a
 * ClientHello is on its way: SO_RCVLOWAT is raised above what has been seen,
 * and set back before the socket goes.
 *
 * Failure: plain text, another protocol, the partner's end, or ARRIVAL_MS
 * without a whole ClientHello: NEITHER, with a sentence.
 */
#include "mca/arrival.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "proto/chan.h"
#include "proto/client_hello.h"
#include "proto/local.h"

struct arrival {
	LIST_ENTRY(arrival) link;
	struct arrivals *owner;
	uv_poll_t poll;
	int fd;
	uint64_t since_ms;
	char address[ARRIVAL_ADDRESS_LEN];
};

void
arrivals_init(struct arrivals *a, uv_loop_t *loop, arrival_fn decided)
{
	a->loop = loop;
	a->decided = decided;
	a->n = 0;
	LIST_INIT(&a->list);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
decide(struct arrival *v, enum arrival_route route, const char *text)
{
	struct arrivals *a = v->owner;
	int one = 1;

	(void)setsockopt(v->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	LIST_REMOVE(v, link);
	a->n--;
	/* the loop lets the descriptor go at once, the memory later */
	(void)uv_poll_stop(&v->poll);
	uv_close((uv_handle_t *)&v->poll, on_closed);
	a->decided(v->fd, v->address, route, text);
}

static void
route(struct arrival *v, const struct mq_alpn *alpn)
{
	if (mq_alpn_has(alpn, MQCHAN_ALPN))
		decide(v, ARRIVAL_CHANNEL, "");
	else if (mq_alpn_has(alpn, MQLOCAL_ALPN))
		decide(v, ARRIVAL_CLIENT, "");
	else
		decide(v, ARRIVAL_NEITHER,
		    "it speaks TLS, but neither " MQCHAN_ALPN
		    " nor " MQLOCAL_ALPN);
}

static void
look(struct arrival *v)
{
	static uint8_t buf[MQ_CLIENT_HELLO_MAX];
	struct mq_alpn alpn;
	ssize_t n;
	int more;

	n = recv(v->fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		decide(v, ARRIVAL_NEITHER,
		    n == 0 ? "it has closed the connection" : strerror(errno));
		return;
	}
	switch (mq_client_hello_parse(buf, (size_t)n, &alpn)) {
	case MQ_CLIENT_HELLO_OK:
		route(v, &alpn);
		return;
	case MQ_CLIENT_HELLO_NOT_TLS:
		decide(v, ARRIVAL_NEITHER,
		    "it does not speak TLS; nothing else is spoken here");
		return;
	case MQ_CLIENT_HELLO_MORE:
		break;
	}
	more = (int)n + 1;
	(void)setsockopt(v->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct arrival *v = handle->data;

	if (status != 0 || (events & UV_DISCONNECT) != 0)
		decide(v, ARRIVAL_NEITHER, "it has closed the connection");
	else
		look(v);
}

void
arrival_new(struct arrivals *a, int fd, const char *address, uint64_t now_ms)
{
	struct arrival *v = mqmem_alloc(sizeof(*v));

	v->owner = a;
	v->fd = fd;
	v->since_ms = now_ms;
	v->poll.data = v;
	(void)snprintf(v->address, sizeof(v->address), "%s", address);
	if (uv_poll_init(a->loop, &v->poll, fd) != 0) {
		free(v);
		a->decided(fd, address, ARRIVAL_NEITHER, "it cannot be polled");
		return;
	}
	LIST_INSERT_HEAD(&a->list, v, link);
	a->n++;
	if (uv_poll_start(&v->poll, UV_READABLE | UV_DISCONNECT, on_poll) != 0)
		decide(v, ARRIVAL_NEITHER, "it cannot be polled");
}

void
arrivals_tick(struct arrivals *a, uint64_t now_ms)
{
	struct arrival *v, *next;

	for (v = LIST_FIRST(&a->list); v != NULL; v = next) {
		next = LIST_NEXT(v, link);
		if (now_ms - v->since_ms >= ARRIVAL_MS)
			decide(v, ARRIVAL_NEITHER,
			    "it has not begun TLS within 10 s");
	}
}

unsigned
arrivals_of(const struct arrivals *a, const char *address)
{
	size_t len = strcspn(address, "(") + 1;
	const struct arrival *v;
	unsigned n = 0;

	LIST_FOREACH (v, &a->list, link)
		n += strncmp(v->address, address, len) == 0 ? 1 : 0;
	return n;
}

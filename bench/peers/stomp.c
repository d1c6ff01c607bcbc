/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stomp.c - peerload's driver for STOMP 1.2, as ActiveMQ speaks it: persistent
 * messages with a receipt each, every message acknowledged by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"
#include "bench/peers/stream.h"

#define MAX_HEADER 4096

struct conn {
	struct stream s;
	char ack_id[256];
};

struct frame {
	char header[MAX_HEADER]; /* command and headers, a string */
	const char *body;        /* valid until the next read */
	size_t body_len;
};

/* The value of a header into ret; false: it is not there. */
static bool
header(const struct frame *f, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);
	const char *at = strchr(f->header, '\n');

	while (at != NULL) {
		at++;
		if (strncmp(at, name, len) == 0 && at[len] == ':') {
			at += len + 1;
			(void)snprintf(
			    ret, size, "%.*s", (int)strcspn(at, "\r\n"), at);
			return true;
		}
		at = strchr(at, '\n');
	}
	return false;
}

/* Takes the next frame; false: not all of it is here.  Its body stays in the
 * buffer until the next read. */
static bool
take_frame(struct stream *s, struct frame *ret)
{
	const char *data, *end, *zero;
	char number[32];
	size_t head, len;

	while (stream_available(s) > 0 &&
	       (*stream_data(s) == '\n' || *stream_data(s) == '\r'))
		stream_take(s, 1); /* between frames */
	data = stream_data(s);
	end = memmem(data, stream_available(s), "\n\n", 2);
	if (end == NULL)
		return false;
	head = (size_t)(end + 2 - data);
	if (head > MAX_HEADER)
		peer_die("stomp: a header of %zu bytes", head);
	memcpy(ret->header, data, head - 1);
	ret->header[head - 1] = '\0';
	if (header(ret, "content-length", number, sizeof(number))) {
		len = (size_t)strtoul(number, NULL, 10);
	} else {
		zero = memchr(data + head, 0, stream_available(s) - head);
		if (zero == NULL)
			return false;
		len = (size_t)(zero - data) - head;
	}
	if (stream_available(s) < head + len + 1)
		return false;
	ret->body = data + head;
	ret->body_len = len;
	stream_take(s, head + len + 1);
	return true;
}

static void
must_be(const struct frame *f, const char *command)
{
	if (strncmp(f->header, command, strlen(command)) != 0)
		peer_die("stomp: %s", f->header);
}

static void *
open_conn(unsigned port)
{
	struct conn *c = peer_alloc(sizeof(*c));
	struct frame f;

	stream_open(&c->s, port);
	stream_printf(&c->s,
	    "CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n\n");
	stream_write(&c->s, "", 1);
	stream_flush(&c->s);
	while (!take_frame(&c->s, &f))
		(void)stream_read(&c->s, -1);
	must_be(&f, "CONNECTED");
	return c;
}

static void
put(void *conn, const char *queue, const void *body, size_t len)
{
	struct conn *c = conn;

	stream_printf(&c->s,
	    "SEND\ndestination:/queue/%s\npersistent:true\nreceipt:1\n"
	    "content-length:%zu\n\n",
	    queue, len);
	stream_write(&c->s, body, len);
	stream_write(&c->s, "", 1);
}

static unsigned
acked(void *conn, bool wait)
{
	struct conn *c = conn;
	struct frame f;
	unsigned n = 0;

	stream_flush(&c->s);
	for (;;) {
		while (take_frame(&c->s, &f)) {
			must_be(&f, "RECEIPT");
			n++;
		}
		if (n > 0 || !wait)
			return n;
		(void)stream_read(&c->s, -1);
	}
}

static void *
consumer(unsigned port, const char *queue, unsigned prefetch)
{
	struct conn *c = open_conn(port);

	stream_printf(&c->s,
	    "SUBSCRIBE\nid:1\ndestination:/queue/%s\nack:client-individual\n"
	    "activemq.prefetchSize:%u\n\n",
	    queue, prefetch);
	stream_write(&c->s, "", 1);
	stream_flush(&c->s);
	return c;
}

static bool
get(void *conn, void *ret_body, size_t *ret_len)
{
	struct conn *c = conn;
	struct frame f;

	while (!take_frame(&c->s, &f)) {
		stream_flush(&c->s);
		if (!stream_read(&c->s, PEER_WAIT_MS))
			return false;
	}
	must_be(&f, "MESSAGE");
	if (f.body_len > PEER_MAX_BODY ||
	    !header(&f, "ack", c->ack_id, sizeof(c->ack_id)))
		peer_die("stomp: %s", f.header);
	memcpy(ret_body, f.body, f.body_len);
	*ret_len = f.body_len;
	return true;
}

static void
ack(void *conn)
{
	struct conn *c = conn;

	stream_printf(&c->s, "ACK\nid:%s\n\n", c->ack_id);
	stream_write(&c->s, "", 1);
}

/* Queues are made when they are named. */
static void
prepare(unsigned port, const char *queue)
{
	(void)port;
	(void)queue;
}

const struct peer_driver peer_stomp = {
    "stomp", prepare, open_conn, put, acked, consumer, get, ack};

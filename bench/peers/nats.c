/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nats.c - peerload's driver for NATS core: subjects, nothing stored, nothing
 * acknowledged.  A put counts as acknowledged when it has been written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"
#include "bench/peers/stream.h"

struct conn {
	struct stream s;
	unsigned n_put;
};

/* Reads until a line begins with `word`. */
static void
expect(struct stream *s, const char *word)
{
	const char *line;
	bool found = false;
	size_t len;

	stream_flush(s);
	while (!found) {
		line = stream_line(s, &len);
		if (line == NULL) {
			(void)stream_read(s, -1);
			continue;
		}
		found = strncmp(line, word, strlen(word)) == 0;
		if (!found && line[0] == '-')
			peer_die("nats: %.*s", (int)len, line);
		stream_take(s, len);
	}
}

static void *
open_conn(unsigned port)
{
	struct conn *c = peer_alloc(sizeof(*c));

	stream_open(&c->s, port);
	stream_printf(&c->s,
	    "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n");
	expect(&c->s, "PONG");
	return c;
}

static void
put(void *conn, const char *queue, const void *body, size_t len)
{
	struct conn *c = conn;

	stream_printf(&c->s, "PUB %s %zu\r\n", queue, len);
	stream_write(&c->s, body, len);
	stream_write(&c->s, "\r\n", 2);
	c->n_put++;
}

static unsigned
acked(void *conn, bool wait)
{
	struct conn *c = conn;
	unsigned n = c->n_put;

	(void)wait;
	stream_flush(&c->s);
	c->n_put = 0;
	return n;
}

static void *
consumer(unsigned port, const char *queue, unsigned prefetch)
{
	struct conn *c = open_conn(port);

	(void)prefetch;
	/* in one group, each message goes to one of them */
	stream_printf(&c->s, "SUB %s group 1\r\nPING\r\n", queue);
	expect(&c->s, "PONG");
	return c;
}

/* The length is the last word of a MSG line. */
static size_t
body_len(const char *line, size_t len)
{
	size_t at = len;
	size_t n;

	while (at > 0 && line[at - 1] != ' ')
		at--;
	n = (size_t)strtoul(line + at, NULL, 10);
	if (n > PEER_MAX_BODY)
		peer_die("nats: %.*s", (int)len, line);
	return n;
}

static bool
get(void *conn, void *ret_body, size_t *ret_len)
{
	struct conn *c = conn;
	const char *line;
	size_t len, n;

	for (;;) {
		line = stream_line(&c->s, &len);
		if (line != NULL && strncmp(line, "MSG ", 4) == 0) {
			n = body_len(line, len);
			if (stream_available(&c->s) >= len + n + 2) {
				memcpy(ret_body, line + len, n);
				stream_take(&c->s, len + n + 2);
				*ret_len = n;
				return true;
			}
		} else if (line != NULL) {
			if (strncmp(line, "PING", 4) == 0)
				stream_printf(&c->s, "PONG\r\n");
			else if (line[0] == '-')
				peer_die("nats: %.*s", (int)len, line);
			stream_take(&c->s, len);
			continue;
		}
		stream_flush(&c->s);
		if (!stream_read(&c->s, PEER_WAIT_MS))
			return false;
	}
}

static void
ack(void *conn)
{
	(void)conn;
}

static void
prepare(unsigned port, const char *queue)
{
	(void)port;
	(void)queue;
}

const struct peer_driver peer_nats = {
    "nats", prepare, open_conn, put, acked, consumer, get, ack};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beanstalkd.c - peerload's driver for beanstalkd.
 *
 * Puts are pipelined; a delete goes out together with the next reserve.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"
#include "bench/peers/stream.h"

struct conn {
	struct stream s;
	char tube[64];       /* that puts go to */
	uint64_t id;         /* of the last job */
	unsigned unanswered; /* lines to be skipped before the job's */
	bool is_reserving;
};

/* Takes the next line into text; false: not here yet. */
static bool
take_line(struct stream *s, char *text, size_t size)
{
	size_t len;
	const char *line = stream_line(s, &len);

	if (line == NULL)
		return false;
	(void)snprintf(text, size, "%.*s", (int)len, line);
	stream_take(s, len);
	return true;
}

static void *
open_conn(unsigned port)
{
	struct conn *c = peer_alloc(sizeof(*c));

	stream_open(&c->s, port);
	return c;
}

static void
put(void *conn, const char *queue, const void *body, size_t len)
{
	struct conn *c = conn;

	if (strcmp(c->tube, queue) != 0) {
		(void)snprintf(c->tube, sizeof(c->tube), "%s", queue);
		stream_printf(&c->s, "use %s\r\n", queue);
	}
	stream_printf(&c->s, "put 0 0 600 %zu\r\n", len);
	stream_write(&c->s, body, len);
	stream_write(&c->s, "\r\n", 2);
}

static unsigned
acked(void *conn, bool wait)
{
	struct conn *c = conn;
	char line[128];
	unsigned n = 0;

	stream_flush(&c->s);
	for (;;) {
		while (take_line(&c->s, line, sizeof(line)))
			if (strncmp(line, "INSERTED ", 9) == 0)
				n++;
			else if (strncmp(line, "USING ", 6) != 0)
				peer_die("beanstalkd: %s", line);
		if (n > 0 || !wait)
			return n;
		(void)stream_read(&c->s, -1);
	}
}

static void *
consumer(unsigned port, const char *queue, unsigned prefetch)
{
	struct conn *c = open_conn(port);

	(void)prefetch; /* the protocol knows none */
	stream_printf(&c->s, "watch %s\r\nignore default\r\n", queue);
	c->unanswered = 2;
	return c;
}

/* The job whose RESERVED line is the first; false: not all here yet. */
static bool
take_job(struct conn *c, const char *line, size_t line_len, void *ret_body,
    size_t *ret_len)
{
	size_t len;

	if (sscanf(line, "RESERVED %" SCNu64 " %zu", &c->id, &len) != 2 ||
	    len > PEER_MAX_BODY)
		peer_die("beanstalkd: %.*s", (int)line_len, line);
	if (stream_available(&c->s) < line_len + len + 2)
		return false;
	memcpy(ret_body, line + line_len, len);
	stream_take(&c->s, line_len + len + 2);
	*ret_len = len;
	return true;
}

static bool
get(void *conn, void *ret_body, size_t *ret_len)
{
	struct conn *c = conn;
	const char *line;
	size_t len;

	if (!c->is_reserving)
		stream_printf(&c->s, "reserve-with-timeout 1\r\n");
	c->is_reserving = true;
	stream_flush(&c->s);
	for (;; (void)stream_read(&c->s, -1)) {
		while (c->unanswered > 0 &&
		       (line = stream_line(&c->s, &len)) != NULL) {
			stream_take(&c->s, len);
			c->unanswered--;
		}
		if (c->unanswered > 0 ||
		    (line = stream_line(&c->s, &len)) == NULL)
			continue;
		if (strncmp(line, "TIMED_OUT", 9) == 0 ||
		    strncmp(line, "DEADLINE_SOON", 13) == 0) {
			stream_take(&c->s, len);
			c->is_reserving = false;
			return false;
		}
		if (take_job(c, line, len, ret_body, ret_len)) {
			c->is_reserving = false;
			return true;
		}
	}
}

static void
ack(void *conn)
{
	struct conn *c = conn;

	stream_printf(&c->s, "delete %" PRIu64 "\r\n", c->id);
	c->unanswered++;
}

/* Tubes come and go by themselves: a new name is an empty one. */
static void
prepare(unsigned port, const char *queue)
{
	(void)port;
	(void)queue;
}

const struct peer_driver peer_beanstalkd = {
    "beanstalkd", prepare, open_conn, put, acked, consumer, get, ack};

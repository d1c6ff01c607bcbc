/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - a buffered TCP connection to a broker on this host.
 *
 * Neighbours: the drivers of text protocols (beanstalkd, NATS, STOMP) parse
 * what is read here, and say when what they wrote is flushed.
 */
#include "bench/peers/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/peers/peer.h"

#define IN_SIZE (1u << 20)
#define OUT_SIZE (256u << 10)
#define OUT_MUCH (64u << 10)
#define READ_MIN (64u << 10)

void
stream_open(struct stream *s, unsigned port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int on = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(s, 0, sizeof(*s));
	s->in = malloc(IN_SIZE);
	s->out = malloc(OUT_SIZE);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->in == NULL || s->out == NULL || s->fd < 0 ||
	    connect(s->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		peer_die("port %u: %s", port, strerror(errno));
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
stream_flush(struct stream *s)
{
	size_t done = 0;
	ssize_t n;

	while (done < s->out_len) {
		n = write(s->fd, s->out + done, s->out_len - done);
		if (n <= 0)
			peer_die("write: %s", strerror(errno));
		done += (size_t)n;
	}
	s->out_len = 0;
}

void
stream_write(struct stream *s, const void *data, size_t len)
{
	if (len > OUT_SIZE)
		peer_die("a piece of %zu bytes is too long", len);
	if (s->out_len + len > OUT_SIZE)
		stream_flush(s);
	memcpy(s->out + s->out_len, data, len);
	s->out_len += len;
	if (s->out_len > OUT_MUCH)
		stream_flush(s);
}

void
stream_printf(struct stream *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		peer_die("a line is too long");
	stream_write(s, text, (size_t)n);
}

bool
stream_read(struct stream *s, int wait_ms)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	ssize_t n;

	if (wait_ms >= 0 && poll(&p, 1, wait_ms) == 0)
		return false;
	if (s->in_start == s->in_end)
		s->in_start = s->in_end = 0;
	if (IN_SIZE - s->in_end < READ_MIN) {
		memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
		s->in_end -= s->in_start;
		s->in_start = 0;
	}
	n = read(s->fd, s->in + s->in_end, IN_SIZE - s->in_end);
	if (n <= 0)
		peer_die("read: %s", n == 0 ? "the end" : strerror(errno));
	s->in_end += (size_t)n;
	return true;
}

const char *
stream_line(const struct stream *s, size_t *ret_len)
{
	const char *end = memchr(stream_data(s), '\n', stream_available(s));

	if (end == NULL)
		return NULL;
	*ret_len = (size_t)(end + 1 - stream_data(s));
	return stream_data(s);
}

size_t
stream_available(const struct stream *s)
{
	return s->in_end - s->in_start;
}

const char *
stream_data(const struct stream *s)
{
	return s->in + s->in_start;
}

void
stream_take(struct stream *s, size_t len)
{
	s->in_start += len;
}

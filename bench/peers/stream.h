/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a buffered TCP connection to a broker on this host, for
 * peerload's drivers.  Used by one thread; dies with a line when the
 * connection fails.
 */
#ifndef MQ_BENCH_PEERS_STREAM_H
#define MQ_BENCH_PEERS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct stream {
	int fd;
	char *in;
	size_t in_start, in_end; /* what was read and not taken */
	char *out;
	size_t out_len;
};

void stream_open(struct stream *s, unsigned port);

/* Buffers; writes when much has come together. */
void stream_write(struct stream *s, const void *data, size_t len);
void stream_printf(struct stream *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void stream_flush(struct stream *s);

/* Reads once, whatever is there; false: nothing within wait_ms (-1: for
 * ever). */
bool stream_read(struct stream *s, int wait_ms);
/* The first line, with *ret_len bytes, its end included; NULL: not all of it
 * has arrived.  It stays until it is taken. */
const char *stream_line(const struct stream *s, size_t *ret_len);
size_t stream_available(const struct stream *s);
const char *stream_data(const struct stream *s);
void stream_take(struct stream *s, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.h - a bad network: a TCP proxy on 127.0.0.1 that does to the bytes
 * what it is told to, by a thread of its own.
 *
 * Each way of each connection goes its own pace (full duplex).  What is set
 * with proxy_set() lasts until it is set again, for connections that are there
 * and for new ones; the other faults happen once.
 *
 *   held      nothing is read, nothing is sent; all of it arrives later: what
 *             TCP makes of a partition that ends
 *   silent    bytes are taken and vanish, the connection stays
 *   forgotten both ways are silent for ever: a half-open connection
 *
 * Thread-safe but for proxy_new() and proxy_free(), which the thread that
 * starts programs may call.  What fails in the proxy itself aborts the test.
 */
#ifndef MQ_TESTS_PROXY_H
#define MQ_TESTS_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From the end that dialled, and back to it. */
enum proxy_way { PROXY_OUT = 0, PROXY_BACK = 1 };

struct proxy_line {
	unsigned delay_ms;
	unsigned jitter_ms;   /* up to so much more, never overtaking */
	uint64_t bytes_per_s; /* 0: no limit */
	bool held;
	bool silent;
	bool byte_by_byte; /* each byte is a write of its own */
};

/* What may happen to bytes, once; TLS must notice each. */
enum proxy_harm { PROXY_CORRUPT, PROXY_DUPLICATE, PROXY_REORDER, PROXY_DROP };

struct proxy_stats {
	unsigned conns;    /* there are now */
	unsigned accepted; /* since it began */
	unsigned harmed;   /* times that bytes were harmed */
	uint64_t bytes[2]; /* that came out, by way */
};

struct proxy;

/* Listens at a port of its own, and passes connections on to that one of
 * 127.0.0.1.  The seed decides on which bytes are harmed and on jitter. */
struct proxy *proxy_new(int target_port, uint64_t seed);
struct proxy *proxy_free(struct proxy *p); /* NULL; resets what is left */
int proxy_port(const struct proxy *p);

void proxy_set(
    struct proxy *p, enum proxy_way way, const struct proxy_line *line);
/* New connections are reset at once. */
void proxy_refuse(struct proxy *p, bool refuse);
/* No fault any more; connections that were forgotten stay so. */
void proxy_heal(struct proxy *p);

void proxy_cut(struct proxy *p);    /* ends all, each end reads EOF */
void proxy_reset(struct proxy *p);  /* ends all with RST */
void proxy_forget(struct proxy *p); /* all that are there are half-open */
/* The next bytes of this way are harmed. */
void proxy_harm(struct proxy *p, enum proxy_way way, enum proxy_harm harm);

/* Does or sets one of all faults, by the seed; returns its name. */
const char *proxy_random_fault(struct proxy *p, uint64_t *seed);

void proxy_stats(struct proxy *p, struct proxy_stats *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - what peerload knows of another broker: a driver per protocol.
 *
 * Every connection is used by one thread.  A driver dies with a line when
 * something fails: a benchmark that lost a message measured nothing.
 */
#ifndef MQ_BENCH_PEERS_PEER_H
#define MQ_BENCH_PEERS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_MAX_BODY (64u << 10)
#define PEER_WAIT_MS 500

struct peer_driver {
	const char *name;
	/* The queue is there, and empty. */
	void (*prepare)(unsigned port, const char *queue);
	void *(*producer)(unsigned port);
	/* May only buffer the message. */
	void (*put)(
	    void *conn, const char *queue, const void *body, size_t len);
	/* Writes what is buffered; how many puts have been acknowledged since
	 * the last time; waits for one if `wait`. */
	unsigned (*acked)(void *conn, bool wait);
	void *(*consumer)(unsigned port, const char *queue, unsigned prefetch);
	/* The next message, and what was buffered is written; false: none in
	 * PEER_WAIT_MS or somewhat more. */
	bool (*get)(void *conn, void *ret_body, size_t *ret_len);
	/* Acknowledges the last one; may only buffer. */
	void (*ack)(void *conn);
};

extern const struct peer_driver peer_beanstalkd;
extern const struct peer_driver peer_redis_stream;
extern const struct peer_driver peer_redis_list;
extern const struct peer_driver peer_nats;
extern const struct peer_driver peer_stomp;
extern const struct peer_driver peer_amqp;

void *peer_alloc(size_t size); /* zeroed */
_Noreturn void peer_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif

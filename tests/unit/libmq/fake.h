/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - a queue manager that says what a test wants: one thread that
 * listens in a directory of its own, and runs the test's script for each
 * connection.
 *
 * Scripts run on the fake's thread; they use fake_ calls below and end the
 * connection by returning.  A script that meets another frame than it expects
 * aborts the test.
 */
#ifndef MQ_TESTS_FAKE_H
#define MQ_TESTS_FAKE_H

#include <mq/mqi.h>
#include <pthread.h>

#include "proto/local.h"

struct fake {
	char root[64];
	int listen_fd;
	pthread_t thread;
	/* the connection */
	int fd;
	unsigned n_connections;
	struct mqbuf in;
	size_t in_used;
	struct mqbuf out;
	uint64_t features; /* said in HELLO_OK: a script's first line */
	/* given by the test */
	void (*script)(struct fake *f);
	void *arg;
};

#define FAKE_QMGR "FAKE"

void fake_start(struct fake *f, void (*script)(struct fake *f), void *arg);
void fake_stop(struct fake *f); /* waits for the script to end */

/* ---- for tests ---- */

mqi_conn *fake_connect(struct fake *f, uint32_t flags);

/* ---- for scripts ---- */

/* The next frame; false at the end of the stream.  Valid until the next. */
bool fake_read(struct fake *f, struct mqframe *ret);
/* The same, of this type. */
struct mqframe fake_expect(struct fake *f, uint16_t type);
/* HELLO and its answer. */
void fake_hello(struct fake *f);
/* OPEN and its answer. */
void fake_open(struct fake *f, uint32_t handle);
/* Answers: appended; fake_send() writes them. */
void fake_result(struct fake *f, uint32_t id, enum mqi_err reason);
void fake_hello_ok(struct fake *f, uint32_t id);
void fake_open_ok(struct fake *f, uint32_t id, uint32_t handle);
void fake_put_ok(struct fake *f, uint32_t id);
void fake_message(struct fake *f, uint32_t id, const struct mqlocal_message *m,
    const void *body);
void fake_send(struct fake *f);
/* Reads to the end of the stream, answering CLOSE. */
void fake_until_end(struct fake *f);
/* The whole script of a queue manager with one queue (fake_queue.c). */
void fake_queue(struct fake *f);
/* An encoded default descriptor; *ret_len bytes. */
const void *fake_desc(uint32_t *ret_len);

#endif

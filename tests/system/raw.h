/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.h - a real queue manager, and clients that speak the local protocol by
 * hand, well or badly.  What goes wrong fails the test.
 */
#ifndef MQ_TESTS_SYSTEM_RAW_H
#define MQ_TESTS_SYSTEM_RAW_H

#include <stdbool.h>

#include "proto/local.h"
#include "tests/lib/proc.h"
#include "tests/lib/tmpdir.h"

struct raw_qmgr {
	struct tmpdir dir;
	char name[MQI_NAME_LEN + 1];
	char root[PATH_MAX];
	char run[PATH_MAX]; /* where the socket is */
	struct proc proc;
};

struct raw_client {
	int fd;
	struct mqbuf in;
};

/* Nothing runs yet; root is a path below a directory of its own. */
void raw_init(struct raw_qmgr *d, const char *name, const char *root);
/* Runs qmgr to its end; returns its exit status and its output. */
int raw_run(struct raw_qmgr *d, const char *name, bool create, char **ret_out);
void raw_create(struct raw_qmgr *d);
/* A connected socket, or -1. */
int raw_connect(const struct raw_qmgr *d);
/* With at most so many descriptors; waits until it listens. */
void raw_start_with(struct raw_qmgr *d, const char *descriptors);
void raw_start(struct raw_qmgr *d);
void raw_fini(struct raw_qmgr *d);
bool raw_log_has(const struct raw_qmgr *d, const char *text);
/* Waits for the line: it may come after its effect. */
void raw_assert_logged(const struct raw_qmgr *d, const char *text);
void raw_open(struct raw_client *c, const struct raw_qmgr *d);
void raw_close(struct raw_client *c);
void raw_send(struct raw_client *c, const void *data, size_t len);
/* The next frame, which stays in c->in; false at the end of the stream. */
bool raw_recv(struct raw_client *c, struct mqframe *f, size_t *used);
/* Sends and frees. */
void raw_send_buf(struct raw_client *c, struct mqbuf *b);
struct mqlocal_hello raw_hello_for(const struct raw_qmgr *d);
void raw_send_hello(struct raw_client *c, const struct mqlocal_hello *h);
void raw_assert_hello_ok(struct raw_client *c, const struct raw_qmgr *d);
/* A client whose session is open. */
void raw_hello(struct raw_client *c, const struct raw_qmgr *d);
/* True if the session is open; else the next frame says why not. */
bool raw_try_hello(struct raw_client *c, const struct raw_qmgr *d);
void raw_ping(struct raw_client *c, uint32_t id);
/* The session is ended with an ERROR frame that says why. */
void raw_assert_error(struct raw_client *c, enum mqi_err reason);
/* A frame with so many zeros as its payload. */
void raw_send_frame(
    struct raw_client *c, uint16_t type, uint32_t id, size_t payload);

#endif

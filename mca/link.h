/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - a TCP socket with TLS on a libuv loop: what arrives is handed on
 * decrypted, what is written leaves when the socket takes it.
 * Loop thread only.
 */
#ifndef MQ_MCA_LINK_H
#define MQ_MCA_LINK_H

#include <uv.h>

#include "tls/tls.h"

#define LINK_HANDSHAKE_MS 10000u
#define LINK_HIGH_WATER 4194304u /* bytes waiting for the socket */

struct link;

struct link_events {
	void (*up)(void *arg); /* the handshake is over on our side */
	void (*input)(void *arg, const void *data, size_t len);
	/* Once; nothing comes after it.  text is valid in the call. */
	void (*down)(void *arg, enum mqi_err reason, const char *text);
	/* Asked before each read: false leaves bytes in the socket. */
	bool (*wants_input)(void *arg);
	void *arg;
};

/* Takes fd, which must be connected, on success.  events is copied.
 * Errors: IO, NO_MEMORY, SSL_INITIALIZATION_ERROR. */
MQ_MUST_CHECK enum mqi_err link_new(uv_loop_t *loop, int fd,
    struct mqtls_ctx *tls, bool server, const struct link_events *events,
    struct link **ret_link);

/* Queues bytes; the socket's failure comes by `down`.  Before `up` and after
 * `down` there is nobody to write to: nothing happens. */
void link_write(struct link *l, const void *data, size_t len);
size_t link_pending(const struct link *l); /* bytes waiting for the socket */
/* Looks again at whether input is wanted. */
void link_update(struct link *l);
const struct mqtls_conn *link_tls(const struct link *l);
int link_fd(const struct link *l); /* to look at; it stays the link's */

/* Before the process ends: sends what is waiting and the end of TLS, waits
 * until the partner has closed, at most so long.  Blocks. */
void link_finish(struct link *l, unsigned max_ms);

/* "192.0.2.1(4711)" of the other end of a connected socket. */
void link_address(int fd, char *ret, size_t cap);
/* The same of our own end. */
void link_local_address(int fd, char *ret, size_t cap);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote.h - a connection to a queue manager of another host: TCP and TLS
 * where a local one has a Unix socket.  The calls that move bytes behave as
 * sendmsg(2) and recvmsg(2) on a socket that does not block, so wire.c and
 * read.c do not care.
 */
#ifndef MQ_LIBMQ_REMOTE_H
#define MQ_LIBMQ_REMOTE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "libmq/conn.h"
#include "libmq/target.h"

/* Replaced by unit tests. */
struct mqtls_plugin;
MQ_MUST_CHECK enum mqi_err mqplugin_load(
    const struct mqtls_plugin **ret_plugin, char *ret_why);

/* A connected socket and a TLS handshake that is over, with one of the hosts;
 * then c->fd and c->remote are set.  *pp: the CONNAME from the host to try,
 * moved behind it.  Errors: HOST_NOT_AVAILABLE, CERTIFICATE, SECURITY (the
 * server's certificate is not the one wanted), SSL_INITIALIZATION_ERROR,
 * CLIENT_EXIT_ERROR; the sentence is noted.  Blocks until the deadline. */
MQ_MUST_CHECK enum mqi_err mqremote_open(
    mqi_conn *c, const char **pp, uint64_t deadline_us);
/* Says goodbye if that is possible without waiting. */
void mqremote_goodbye(mqi_conn *c);
void mqremote_free(struct mqremote *r); /* NULL is allowed */

/* As the server has said in CLIENT_OK. */
void mqremote_set_heartbeat(struct mqremote *r, uint32_t ms);

/* Unlocked; one sender and one receiver at a time.  errno EPROTO: TLS. */
ssize_t mqremote_send(
    struct mqremote *r, int fd, const struct iovec *iov, size_t n_iov);
ssize_t mqremote_recv(
    struct mqremote *r, int fd, const struct iovec *iov, size_t n_iov);
/* Whether mqremote_recv() may have bytes that poll(2) does not see. */
bool mqremote_holds(const struct mqremote *r);
/* Why the last of these failed; "" if the socket says it. */
const char *mqremote_why(struct mqremote *r);
enum mqi_err mqremote_err(struct mqremote *r);

/* ---- silence; by the thread that holds the reader's role ---- */

/* Reading begins: how long it may wait, in ms; -1: for ever. */
int mqremote_patience(struct mqremote *r);
/* Reading ends: whether nothing has been heard for too long. */
bool mqremote_is_silent(struct mqremote *r);

#endif

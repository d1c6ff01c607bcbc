/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - a connection's bytes, wherever they go: a Unix socket, or TLS
 * (remote.h).  Called by the thread that holds the role, without the lock.
 */
#ifndef MQ_LIBMQ_IO_H
#define MQ_LIBMQ_IO_H

#include <errno.h>
#include <sys/socket.h>

#include "libmq/remote.h"

/* As sendmsg(2), never waiting. */
static inline ssize_t
mqio_send(mqi_conn *c, struct iovec *iov, size_t n_iov)
{
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = n_iov};
	ssize_t n;

	if (c->remote != NULL)
		return mqremote_send(c->remote, c->fd, iov, n_iov);
	do
		n = sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

/* As recvmsg(2); wait: as long as the socket's timeout, not for TLS. */
static inline ssize_t
mqio_recv(mqi_conn *c, struct iovec *iov, size_t n_iov, bool wait)
{
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = n_iov};
	ssize_t n;

	if (c->remote != NULL)
		return mqremote_recv(c->remote, c->fd, iov, n_iov);
	do
		n = recvmsg(c->fd, &mh, wait ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

/* What the transport says of the loss; NULL: nothing. */
static inline const char *
mqio_why(const mqi_conn *c)
{
	return c->remote != NULL ? mqremote_why(c->remote) : NULL;
}

#endif

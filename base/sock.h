/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.h - Unix sockets under a directory of any length, and the translation
 * of errno.  sun_path holds 108 bytes, so the directory is opened and the
 * socket is bound and connected through /proc/self/fd/N/.  Thread-safe.
 *
 * Layout of a queue manager under its root (mode 0700 but for run/):
 *   ROOT/<escaped name>/           data, lock file
 *   ROOT/<escaped name>/run/qmgr.sock
 */
#ifndef MQ_BASE_SOCK_H
#define MQ_BASE_SOCK_H

#include <mq/mqi_err.h>

#include "base/check.h"

/* Listens on dir/name (an old socket is replaced).  mode: of the socket file.
 * The descriptor is non-blocking and close-on-exec.  errno says more. */
MQ_MUST_CHECK enum mqi_err mqsock_listen_unix(
    const char *dir, const char *name, unsigned mode, int *ret_fd);

/* Connects, blocking; the descriptor is close-on-exec. */
MQ_MUST_CHECK enum mqi_err mqsock_connect_unix(
    const char *dir, const char *name, int *ret_fd);

/* The same without ever blocking; the descriptor is non-blocking too.  BUSY:
 * too many wait to be accepted; try again later. */
MQ_MUST_CHECK enum mqi_err mqsock_connect_unix_now(
    const char *dir, const char *name, int *ret_fd);

struct mqsock_peer {
	unsigned uid;
	unsigned gid;
	int pid;
};

MQ_MUST_CHECK enum mqi_err mqsock_peer(int fd, struct mqsock_peer *ret_peer);

/* Has TCP probe a partner that has been silent for so many seconds, at most
 * 32,767, and then every so many, at most 75, until nine were not answered;
 * 0: never. */
void mqsock_keep_alive(int fd, uint32_t seconds);

/* errno in our words. */
enum mqi_err mqsock_err(int errnum);

#endif

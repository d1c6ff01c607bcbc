/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - accepts clients.
 *
 * Neighbours: session.c takes what is accepted; base/sock.c makes the socket
 * and asks the kernel who is at the other end.
 * Invariants: it never spins: after an error of accept(2) it does not poll for
 * LISTENER_RETRY_MS, and it accepts a bounded number per turn.
 * Failure: out of descriptors or memory, it waits and tries again, with one
 * line in the log for each such time; clients wait in the backlog.
 */
#include "qmgr/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sock.h"
#include "proto/local.h"
#include "qmgr/qmgr_impl.h"

#define LISTENER_BURST 64
#define LISTENER_RETRY_MS 100u

static void on_listening(uv_poll_t *poll, int status, int events);

void
listener_init(struct listener *l, struct qmgr *qm)
{
	memset(l, 0, sizeof(*l));
	l->qm = qm;
	l->fd = -1;
}

static void
on_retry(uv_timer_t *t)
{
	struct listener *l = t->data;

	MQ_INVARIANT(uv_poll_start(&l->poll, UV_READABLE, on_listening) == 0);
}

enum mqi_err
listener_open(struct listener *l, const char *dir)
{
	enum mqi_err err;

	MQ_PRE(l->fd < 0);
	err = mqsock_listen_unix(dir, MQLOCAL_SOCKET, 0666, &l->fd);
	if (err != MQI_OK)
		return err;
	if (uv_poll_init(&l->qm->loop, &l->poll, l->fd) != 0) {
		close(l->fd);
		l->fd = -1;
		return MQI_E_RESOURCE_PROBLEM;
	}
	uv_timer_init(&l->qm->loop, &l->retry);
	l->poll.data = l;
	l->retry.data = l;
	on_retry(&l->retry);
	return MQI_OK;
}

void
listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	uv_close((uv_handle_t *)&l->poll, NULL);
	uv_close((uv_handle_t *)&l->retry, NULL);
	close(l->fd);
	l->fd = -1;
}

static void
listener_wait(struct listener *l)
{
	if (!l->failing)
		mqlog(MQLOG_ERROR, "listener.accept",
		    "no client can be accepted now: %s", strerror(errno));
	l->failing = true;
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->retry, on_retry, LISTENER_RETRY_MS, 0);
}

static void
listener_take(struct listener *l, int fd)
{
	struct mqsock_peer peer;

	l->failing = false;
	if (mqsock_peer(fd, &peer) != MQI_OK) {
		mqlog(MQLOG_WARN, "session.refused",
		    "the kernel does not say who the client is: %s",
		    strerror(errno));
		close(fd);
		return;
	}
	session_new(&l->qm->sessions, fd, &peer);
}

static void
on_listening(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)status; /* accept4() finds out */
	(void)events;
	turn_begin(l->qm);
	for (int i = 0; i < LISTENER_BURST; i++) {
		int fd =
		    accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			listener_take(l, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			listener_wait(l);
		return;
	}
}

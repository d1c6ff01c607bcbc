/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h - the queue manager's Unix socket: accepts, asks the kernel who
 * it is, and makes sessions.  Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_LISTENER_H
#define MQ_QMGR_LISTENER_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <uv.h>

#include "base/check.h"

struct qmgr;

struct listener {
	struct qmgr *qm;
	uv_poll_t poll;
	uv_timer_t retry; /* after an error of accept(2) */
	int fd;           /* -1: closed */
	bool failing;     /* the error was logged */
};

void listener_init(struct listener *l, struct qmgr *qm);
/* Errors: as of mqsock_listen_unix(); errno says more. */
MQ_MUST_CHECK enum mqi_err listener_open(struct listener *l, const char *dir);
/* No further client; also one that was never opened. */
void listener_close(struct listener *l);

#endif

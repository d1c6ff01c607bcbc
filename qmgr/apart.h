/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apart.h - how agents' processes begin: as our children, or, if they are run
 * apart, by `mca serve`, which the system's supervisor has started as another
 * user.  It connects as an agent on behalf of nobody, and there is one at a
 * time.
 *
 * What it tells in AGENT_STATUS frames (proto/ctl.h list):
 *   serve=1                        first: it starts agents for us
 *   started=ID pid=N               it is there, and waits for `go`
 *   ended=ID status=N signal=N     it has ended, or was never started;
 *   [line=TEXT]                    of a ping: what it has written
 * What it is told in AGENT_ORDER frames:
 *   order=start id=ID mode=dial|listener|ping name=NAME
 *   order=go id=ID                 its process id is known here
 *   order=signal id=ID signal=N
 *
 * Loop thread only; nothing here blocks.
 */
#ifndef MQ_QMGR_APART_H
#define MQ_QMGR_APART_H

#include <mq/mqi_err.h>
#include <stdbool.h>

#include "proto/ctl.h"
#include "qmgr/process.h"

struct apart;
struct qmgr;
struct session;

/* The error of an agent that was lost with it. */
#define APART_GONE \
	"mca serve, which runs the agents, is gone: it is to be started again"

struct apart *apart_new(struct qmgr *qm, bool on);
struct apart *apart_free(struct apart *a); /* none runs; NULL */
bool apart_is_on(const struct apart *a);

/* Starts `mca VERB` for the channel or listener.  As process_start(): even if
 * it fails, the process's end is reported.  mca: the program, if it is to be
 * our child.  Errors: RESOURCE_PROBLEM, CHANNEL_NOT_AVAILABLE (nobody serves);
 * *ret_why, constant, says what. */
MQ_MUST_CHECK enum mqi_err apart_start(struct apart *a, const char *mca,
    struct process *p, const char *verb, const char *name,
    const char **ret_why);

/* Whether the agents run as this user, now. */
bool apart_is_user(const struct apart *a, unsigned uid);

/* What a session tells: false if it is not about this. */
bool apart_status(
    struct apart *a, struct session *s, const struct mqctl_list *status);
/* The session that served has ended. */
void apart_gone(struct apart *a, const struct session *s);

#endif

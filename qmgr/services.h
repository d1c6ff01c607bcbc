/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services.h - SERVICE objects: programs that run with the queue manager.
 *
 * A SERVER has one process, which is watched: one that ends by a failure is
 * started again.  A COMMAND is run each time it is started, and only reaped.
 * Their programs run as the queue manager's owner, in sessions of their own.
 *
 * Loop thread only; nothing here blocks but the opening of a file for output.
 */
#ifndef MQ_QMGR_SERVICES_H
#define MQ_QMGR_SERVICES_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/check.h"

struct qmgr;
struct services;

/* install: the directory that +MQ_INSTALL_PATH+ stands for. */
struct services *services_new(struct qmgr *qm, const char *install);
struct services *services_free(struct services *s); /* NULL */

/* ---- commands ---- */

/* Errors: UNKNOWN_OBJECT, STATE (a SERVER runs), ATTRIBUTE (no STARTCMD),
 * RESOURCE_PROBLEM (too many processes), Q_MGR_STOPPING. */
MQ_MUST_CHECK enum mqi_err services_start(struct services *s, const char *name);
/* Runs STOPCMD; a SERVER has 5 s then, else it gets SIGTERM at once, and
 * SIGKILL 5 s later.  Errors: UNKNOWN_OBJECT, STATE (a SERVER does not run, or
 * stops already), ATTRIBUTE (a COMMAND without STOPCMD), RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err services_stop(struct services *s, const char *name);
/* It runs or is about to: its definition must not be deleted. */
bool services_in_use(const struct services *s, const char *name);
/* Its definition was deleted: one of the same name begins anew. */
void services_deleted(struct services *s, const char *name);

/* ---- status ---- */

struct services_info {
	const char *name;
	const char *state;   /* STOPPED, RUNNING, STOPPING or RETRYING */
	int pid;             /* 0: no process */
	uint64_t started_ms; /* wall; 0: not running */
	const char *error;   /* the last one; "" none */
};

typedef void (*services_info_fn)(void *arg, const struct services_info *info);

/* Each SERVER that is defined, in order of name. */
void services_each(const struct services *s, services_info_fn fn, void *arg);

/* ---- the queue manager's life ---- */

/* Starts those with CONTROL(QMGR) or CONTROL(STARTONLY). */
void services_begin(struct services *s);
/* Stops those with CONTROL(QMGR), and forgets all others, which run on. */
void services_stop_all(struct services *s);
/* Nothing is left that must end. */
bool services_have_ended(const struct services *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr.h - the queue manager's process: what owns the loop, the store, the
 * engine, the sessions and the agents, from start to stop.
 * Loop thread only.
 */
#ifndef MQ_QMGR_QMGR_H
#define MQ_QMGR_QMGR_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct qmgr;
struct engine;
struct agents;
struct services;
struct pings;
struct scrub_status;

struct qmgr_options {
	const char *name;
	const char *root; /* NULL: mqname_find_root() decides */
	const char *mca;  /* path of the mca program; NULL: beside our own */
	bool log_json;    /* what agents are told: ours is set up already */
	bool create;      /* make the queue manager, then end */
};

/* Runs the queue manager until it is stopped; with create, makes it.  Returns
 * the process's exit status.  Says on standard error why it could not start. */
int qmgr_main(const struct qmgr_options *opts);

/* ---- for commands ---- */

const char *qmgr_name(const struct qmgr *qm);
const char *qmgr_dir(const struct qmgr *qm); /* ROOT/<escaped name> */
struct engine *qmgr_engine(struct qmgr *qm);
struct agents *qmgr_agents(struct qmgr *qm);
struct services *qmgr_services(struct qmgr *qm);
struct pings *qmgr_pings(const struct qmgr *qm);
const char *qmgr_user(const struct qmgr *qm);    /* the owner's name */
unsigned qmgr_sessions(const struct qmgr *qm);   /* open ones, agents too */
uint64_t qmgr_started_ms(const struct qmgr *qm); /* wall */
void qmgr_scrubbed(const struct qmgr *qm, struct scrub_status *ret);
bool qmgr_is_stopping(const struct qmgr *qm);

/* Begins to stop: no new work, units may end, then the process ends.
 * immediate: open units are backed out instead.  May be called again to turn
 * a stop into an immediate one. */
void qmgr_stop(struct qmgr *qm, bool immediate);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pings.h - PING CHANNEL: a process of its own calls the partner (`mca ping`),
 * and whoever asked is answered when it has ended.  Loop thread only; nothing
 * here blocks.
 */
#ifndef MQ_QMGR_PINGS_H
#define MQ_QMGR_PINGS_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define PINGS_MAX 8u /* at once */

struct engine_session;
struct pings;
struct qmgr;

struct pings *pings_new(struct qmgr *qm, const char *mca_path);
struct pings *pings_free(struct pings *ps); /* all have ended; NULL */

/* On OK the request is answered later, by a RESULT with a sentence.
 * Errors: RESOURCE_PROBLEM (too many at once), Q_MGR_STOPPING. */
MQ_MUST_CHECK enum mqi_err pings_start(struct pings *ps,
    struct engine_session *s, uint32_t id, const char *channel);
/* Who asked is gone. */
void pings_forget(struct pings *ps, const struct engine_session *s);
/* Ends all; no more are taken. */
void pings_stop(struct pings *ps);
bool pings_have_ended(const struct pings *ps);

#endif

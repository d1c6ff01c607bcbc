/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pings.h - commands for which a process of its own calls the partner: PING
 * CHANNEL (`mca ping`) and RESOLVE CHANNEL (`mca ask`).  Whoever asked is
 * answered when it has ended.  Loop thread only; nothing here blocks.
 */
#ifndef MQ_QMGR_PINGS_H
#define MQ_QMGR_PINGS_H

#include <mq/mqi.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define PINGS_MAX 8u /* at once */

#define PINGS_TEXT_LEN 512u

struct engine;
struct engine_session;
struct pings;
struct qmgr;

/* What is done with the process's answer before it becomes that of the
 * command, unless who asked is gone.  text has PINGS_TEXT_LEN bytes: in, what
 * the process said; out, the sentence.  *ret_pos: where it is durable. */
struct pings_then {
	enum mqi_err (*fn)(struct engine *e, const struct pings_then *then,
	    enum mqi_err reason, char *text, uint64_t *ret_pos);
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char queue[MQI_NAME_LEN + 1];
	bool commit;
	bool force;
};

struct pings *pings_new(struct qmgr *qm, const char *mca_path);
struct pings *pings_free(struct pings *ps); /* all have ended; NULL */

/* On OK the request is answered later, by a RESULT with a sentence.  mode is
 * that of mca; then may be NULL.
 * Errors: RESOURCE_PROBLEM (too many at once), Q_MGR_STOPPING. */
MQ_MUST_CHECK enum mqi_err pings_start(struct pings *ps,
    struct engine_session *s, uint32_t id, const char *mode,
    const char *channel, const struct pings_then *then);
/* A sender is wanted for this transmission queue; true: not while a partner is
 * asked about it.  It is told to agents.h when that is over. */
bool pings_hold_work(struct pings *ps, const char *queue);
/* Who asked is gone. */
void pings_forget(struct pings *ps, const struct engine_session *s);
/* Ends all; no more are taken. */
void pings_stop(struct pings *ps);
bool pings_have_ended(const struct pings *ps);

#endif

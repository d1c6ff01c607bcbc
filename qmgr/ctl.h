/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - administration inside the queue manager: what a COMMAND frame asks
 * is carried out here, on the engine (engine_object_...), on the agents
 * (qmgr/agents.h) and on the queue manager itself (qmgr/qmgr.h).
 * Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_CTL_H
#define MQ_QMGR_CTL_H

#include <stddef.h>
#include <stdint.h>

struct qmgr;
struct engine_session;

/*
 * Carries out the command in a COMMAND frame's payload (proto/ctl.h).
 * The answer, given by one engine_reply_external() with the frame's id, holds
 * any number of whole COMMAND_ROW frames and then one RESULT frame, all with
 * that id; it leaves when what the command changed is durable.  Bytes that
 * cannot be decoded are answered with a RESULT, too.
 */
void ctl_command(struct qmgr *qm, struct engine_session *s, uint32_t id,
    const void *payload, size_t len);

#endif

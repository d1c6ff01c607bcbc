/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanout.h - the part of engine_int.h for one message that goes to many
 * queues: its body is written once, in one PUT record with a place for each
 * queue, and kept in memory once.  Loop thread only.
 */
#ifndef MQ_ENGINE_FANOUT_H
#define MQ_ENGINE_FANOUT_H

#include "qmgr/engine/engine_int.h"

#define FANOUT_PLACE_ROOM 17u /* bytes of a record for each place */
/* Places of one message: with its other bytes they fit a unit's records. */
#define FANOUT_MAX 262144u

/* Whether a queue takes a message of so many bytes now.  Errors: Q_DELETED,
 * PUT_INHIBITED, MSG_TOO_BIG_FOR_Q, Q_FULL. */
MQ_MUST_CHECK enum mqi_err fanout_check(const struct queue *q, uint64_t len);

/* Puts a message, stamped, with its number (engine_next_number()) and all of
 * its bytes in m->data, on n queues (1 to FANOUT_MAX), which may be the same
 * ones, outside a unit of work: on all of them or, if there is a crash, on
 * none.  Takes *m.  It asks for no reports of its arrival.  It is offered at
 * the turn's end.  Returns the position that reveals it. */
uint64_t fanout_put(
    struct engine *e, const struct fanout_to *to, uint32_t n, struct msg *m);
/* The same in a unit of work, for which unit_has_room(). */
void fanout_put_in(
    struct unit *u, const struct fanout_to *to, uint32_t n, struct msg *m);
/* What it adds to a unit's records. */
size_t fanout_room(uint32_t n);

#endif

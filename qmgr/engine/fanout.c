/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanout.c - one message, many queues: publications, copies, and messages that
 * are sent to a list.
 *
 * Neighbours: put.c writes the record and makes the entries, unit.c keeps what
 * is put in a unit of work; who calls has found the queues and stamped the
 * message.
 *
 * Invariants: there is one PUT record and one body, whose number all entries
 * share, and one copy of its bytes in memory, which goes with the last entry
 * that refers to it.  Each place is removed, restored and released by itself;
 * the store counts them.  A queue that appears twice has the message twice.
 *
 * Happy path: fanout_check() of each queue, then fanout_put().
 * Failure: none, once it is called: what cannot take the message is left out
 * before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define FANOUT_ROOM 512u /* a record without its message and places */
/* Trigger messages beyond so many bytes may lie in the next batch. */
#define FANOUT_TRIGGERS 1048576u

enum mqi_err
fanout_check(const struct queue *q, uint64_t len)
{
	if (q->is_doomed)
		return MQI_E_Q_DELETED;
	if (!q->attr.put_ok)
		return MQI_E_PUT_INHIBITED;
	if (len > q->attr.max_msg_len)
		return MQI_E_MSG_TOO_BIG_FOR_Q;
	if (q->depth + q->uncommitted_puts >= q->attr.max_depth)
		return MQI_E_Q_FULL;
	return MQI_OK;
}

size_t
fanout_room(uint32_t n)
{
	return FANOUT_ROOM + (size_t)n * FANOUT_PLACE_ROOM;
}

static size_t
fanout_trigger_room(const struct fanout_to *to, uint32_t n)
{
	size_t room = 0;

	for (uint32_t i = 0; i < n && room < FANOUT_TRIGGERS; i++) {
		if (to[i].q->trigger != NULL)
			room += TRIGGER_MOST;
	}
	return room;
}

uint64_t
fanout_put(
    struct engine *e, const struct fanout_to *to, uint32_t n, struct msg *m)
{
	struct fanout_to *places = mqmem_array(n, sizeof(*places));
	size_t triggers = fanout_trigger_room(to, n);
	uint32_t number = 0;
	uint64_t pos;

	MQ_PRE(n > 0 && n <= FANOUT_MAX && m->data != NULL && !m->coa);
	memcpy(places, to, n * sizeof(*places));
	if (m->data->len > MQFRAME_PIECE) {
		number = ++e->next_unit;
		put_stage_whole(e, number, m);
	}
	/* all of it lies in one batch */
	(void)batch_room(e, fanout_room(n) + 128 + triggers +
				(m->data != NULL ? m->data->len : 0));
	pos = put_everywhere(e, places, n, m, number);
	if (number != 0) {
		record_encode_end(batch_room(e, 64), RECORD_COMMIT, number);
		(void)batch_appended(e);
	}
	if (triggers > 0)
		trigger_flush(e);
	for (uint32_t i = 0; i < n; i++)
		report_offer_later(places[i].q, places[i].place);
	free(places);
	return pos;
}

void
fanout_put_in(
    struct unit *u, const struct fanout_to *to, uint32_t n, struct msg *m)
{
	MQ_PRE(n > 0 && n <= FANOUT_MAX && m->data != NULL && !m->coa);
	unit_add_puts(u, to, n, m);
}

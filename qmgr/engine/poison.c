/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poison.c - messages that no program can deal with: who is given one backs it
 * out, again and again.
 *
 * A message that was backed out BOTHRESH times is moved by who meets it, like
 * one that has expired: to BOQNAME, as it is, or else, with reason 2362, to the
 * dead-letter queue.  The exception report that it may ask for goes with it.
 *
 * Neighbours: expire.c, which every getter passes, and match.c, where a message
 * that comes back is offered, ask here; queue.c moves.
 * Invariants: move, report and removal are in one batch; a message is moved
 * only while nobody has it locked.
 * Failure: a message for which there is no place stays deliverable, and the log
 * says so once for each queue and change of it.
 */
#include <string.h>

#include "base/log.h"
#include "qmgr/engine/engine_int.h"

#define POISON_RECORD_ROOM 512u /* REMOVE and RESTORE */

bool
poison_is_due(const struct entry *x)
{
	uint32_t most = x->q->attr.backout_threshold;

	return most != 0 && x->m.backout_count >= most && !x->q->attr.is_xmit;
}

/* BOQNAME, if it takes the message; NULL: it does not. */
static struct queue *
poison_find(const struct entry *x)
{
	const struct queue *q = x->q;
	const char *name = mqattr_text(q->object->attrs, MQATTR_ID_BOQNAME);
	struct engine *e = q->e;
	struct route route;
	struct queue *to;

	if (name[0] == '\0' || route_resolve(e->objects, e->config.name, name,
				   "", MQI_OO_OUTPUT, &route) != MQI_OK)
		return NULL;
	to = queue_by_id(e, route.queue->id);
	if (route.is_remote || to == q || to->attr.is_xmit ||
	    !to->attr.put_ok || x->m.body_len > to->attr.max_msg_len ||
	    to->depth + to->uncommitted_puts >= to->attr.max_depth ||
	    mqattr_is(route.opened->attrs, MQATTR_ID_PUT, "DISABLED"))
		return NULL;
	return to;
}

/* By its priority, which a FIFO queue's places do not tell. */
static uint8_t
poison_rank(const struct entry *x, const struct queue *to)
{
	const struct mqref *data = x->m.data != NULL ? x->m.data : x->m.head;
	struct mqdesc_info info;

	if (to->attr.fifo)
		return 0;
	if (!x->q->attr.fifo)
		return x->place.rank;
	if (data == NULL ||
	    mqdesc_read(data->data, x->m.desc_len, &info) != MQI_OK ||
	    info.priority < 0)
		return (uint8_t)(MQI_MAX_PRIORITY - to->attr.priority);
	return (uint8_t)(MQI_MAX_PRIORITY - info.priority);
}

static bool
poison_stays(struct queue *q)
{
	if (q->poison_stays)
		return false;
	q->poison_stays = true;
	mqlog(MQLOG_WARN, "message.poison",
	    "queue %s: a message was backed out BOTHRESH times, and neither "
	    "BOQNAME nor the dead-letter queue takes it: it stays",
	    q->object->name);
	return false;
}

bool
poison_move(struct entry *x)
{
	struct queue *q = x->q;
	struct queue *to = poison_find(x);
	struct report dead, report;
	bool told;
	size_t room = POISON_RECORD_ROOM;

	if (to == NULL && !report_dead_letter(
			      q, &x->m, MQI_E_BACKOUT_THRESHOLD_REACHED, &dead))
		return poison_stays(q);
	told = report_make(q->e, &x->m, MQI_RO_EXCEPTION,
	    (uint32_t)MQI_E_BACKOUT_THRESHOLD_REACHED, &report);
	if (to == NULL)
		room += report_room(&dead);
	if (told)
		room += report_room(&report);
	(void)batch_room(q->e, room);
	if (to != NULL) {
		uint64_t pos = entry_move(x, to, poison_rank(x, to));

		report_put(told ? &report : NULL, pos);
	} else {
		uint64_t gone = entry_remove(x, 0);

		report_put(&dead, gone);
		report_put(told ? &report : NULL, gone);
	}
	return true;
}

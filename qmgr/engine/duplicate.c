/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duplicate.c - streaming queues (STREAMQ): a copy of each message that a
 * program or a channel puts on a queue goes to another one, in the same batch
 * or unit of work.
 *
 * Neighbours: put.c asks for each put on a queue that streams; fanout.c has the
 * checks; unit.c keeps both in a unit of work.
 *
 * The copy is the message itself, ids and context included, but it asks for no
 * reports of the queue manager, and expires by CAPEXPRY of the stream queue
 * alone (as in IBM MQ).  Mostly that makes no difference: then it is the same
 * body in a second place, written once.  Else, and for a queue elsewhere, it is
 * a message of its own.
 *
 * Invariants: with MUSTDUP both are there, or neither; with BESTEF the message
 * never suffers from its copy.  A copy is not copied again: STREAMQ of a stream
 * queue is not looked at.
 *
 * Failure: BESTEF: there is no copy.  MUSTDUP: the put fails, with the reason
 * why the stream queue cannot take it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define DUPLICATE_ROOM 512u /* a PUT record without its message */
/* The reports that the queue manager would make of the copy. */
#define DUPLICATE_UNTOLD                                                  \
	(MQI_RO_ACTIVITY | MQI_RO_EXPIRATION_WITH_FULL_DATA |             \
	    MQI_RO_EXCEPTION_WITH_FULL_DATA | MQI_RO_COA_WITH_FULL_DATA | \
	    MQI_RO_COD_WITH_FULL_DATA)

/* ---- finding ---- */

static enum mqi_err
duplicate_describe(const struct queue *from, const struct msg *m,
    const struct route *r, struct duplicate *d)
{
	struct engine *e = from->e;
	const int32_t cap = d->q->attr.cap_expiry;
	struct mqdesc_route to = r->to;
	struct mqdesc_stamp st = {
	    .priority = m->priority,
	    .persistent = m->persistent,
	    .keep_context = true,
	    .route = r->is_remote ? &to : NULL,
	    .expiry = cap > 0 ? cap : MQI_EXPIRY_UNLIMITED,
	    .drop_reports = DUPLICATE_UNTOLD,
	};

	if (cap > 0)
		st.deadline_ms = expire_deadline(e, cap);
	d->m = (struct msg){.body_id = engine_next_number(e),
	    .body_len = m->body_len,
	    .body_crc = m->body_crc,
	    .put_us = m->put_us,
	    .deadline_ms = st.deadline_ms,
	    .persistent = m->persistent,
	    .priority = m->priority};
	memcpy(d->m.msg_id, m->msg_id, MQI_ID_LEN);
	memcpy(d->m.correl_id, m->correl_id, MQI_ID_LEN);
	mqbuf_init(&d->desc, MQDESC_MAX);
	enum mqi_err err =
	    mqdesc_stamp(e->scratch.data, e->scratch.len, &st, &d->desc);
	d->m.desc_len = (uint32_t)d->desc.len;
	return err;
}

static enum mqi_err
duplicate_make(struct queue *q, const struct msg *m, const struct unit *u,
    struct duplicate *d)
{
	struct engine *e = q->e;
	struct route r;
	enum mqi_err err = route_resolve(e->objects, e->config.name,
	    mqattr_text(q->object->attrs, MQATTR_ID_STREAMQ), "", MQI_OO_OUTPUT,
	    &r);

	if (err != MQI_OK)
		return err;
	d->q = queue_by_id(e, r.queue->id);
	if (d->q == q)
		return MQI_E_OBJECT_IN_USE;
	err = fanout_check(d->q, m->body_len);
	if (err != MQI_OK)
		return err;
	if (r.opened != d->q->object &&
	    mqattr_is(r.opened->attrs, MQATTR_ID_PUT, "DISABLED"))
		return MQI_E_PUT_INHIBITED;
	d->rank =
	    d->q->attr.fifo ? 0 : (uint8_t)(MQI_MAX_PRIORITY - m->priority);
	d->shared = !r.is_remote && d->q->attr.cap_expiry == 0 &&
		    !mqdesc_asks(e->scratch.data, e->scratch.len);
	if (!d->shared)
		err = duplicate_describe(q, m, &r, d);
	if (err == MQI_OK && u != NULL &&
	    !unit_has_room(u, duplicate_room(d) + DUPLICATE_ROOM))
		err = MQI_E_SYNCPOINT_LIMIT;
	return err;
}

enum mqi_err
duplicate_find(struct queue *q, const struct msg *m, const struct unit *u,
    struct duplicate **ret)
{
	struct duplicate *d = mqmem_alloc(sizeof(*d));
	enum mqi_err err = duplicate_make(q, m, u, d);

	if (err == MQI_OK) {
		*ret = d;
		return MQI_OK;
	}
	(void)duplicate_free(d);
	return mqattr_is(q->object->attrs, MQATTR_ID_STRMQOS, "MUSTDUP")
		   ? err
		   : MQI_OK;
}

struct duplicate *
duplicate_free(struct duplicate *d)
{
	if (d == NULL)
		return NULL;
	mqbuf_fini(&d->desc);
	msg_fini(&d->m);
	free(d);
	return NULL;
}

enum mqi_err
duplicate_fill(struct duplicate *d, const void *body)
{
	struct msg *m = &d->m;

	m->data = mqref_new((size_t)m->desc_len + m->body_len);
	if (m->data == NULL)
		return MQI_E_NO_MEMORY;
	memcpy(m->data->data, d->desc.data, m->desc_len);
	if (m->body_len > 0)
		memcpy(m->data->data + m->desc_len, body, m->body_len);
	return MQI_OK;
}

/* ---- putting ---- */

size_t
duplicate_room(const struct duplicate *d)
{
	size_t room = d->q->trigger != NULL ? TRIGGER_MOST : 0;

	if (d->shared)
		return room + FANOUT_PLACE_ROOM;
	return room + DUPLICATE_ROOM +
	       (d->m.staged ? 0 : (size_t)d->m.desc_len + d->m.body_len);
}

struct entry *
duplicate_put(struct queue *q, uint8_t rank, struct msg *m, struct duplicate *d,
    uint32_t number, uint64_t *ret_pos)
{
	struct fanout_to to[2] = {
	    {.q = q, .rank = rank}, {.q = d->q, .rank = d->rank}};
	struct entry *x, *copy;
	uint64_t pos = 0;

	if (d->shared) {
		*ret_pos = put_everywhere(q->e, to, 2, m, number);
		report_offer_later(d->q, to[1].place);
		return queue_entry_at(q, to[0].place);
	}
	x = put_visible(q, rank, m, number, ret_pos);
	copy = put_visible(d->q, d->rank, &d->m, number, &pos);
	MQ_INVARIANT(pos == *ret_pos);
	report_offer_later(d->q, copy->place);
	return x;
}

void
duplicate_put_in(struct unit *u, struct queue *q, uint8_t rank, struct msg *m,
    struct duplicate *d)
{
	const struct fanout_to to[2] = {
	    {.q = q, .rank = rank}, {.q = d->q, .rank = d->rank}};

	if (d->shared) {
		unit_add_puts(u, to, 2, m);
		return;
	}
	unit_add_put(u, q, rank, m);
	unit_add_put(u, d->q, d->rank, &d->m);
	/* a second place, as if it were the same message */
	u->n_msgs--;
	u->n_places++;
}

/* ---- while pieces come ---- */

void
duplicate_hold(struct duplicate *d)
{
	d->q->uncommitted_puts++;
}

struct duplicate *
duplicate_drop(struct duplicate *d)
{
	if (d != NULL)
		d->q->uncommitted_puts--;
	return duplicate_free(d);
}

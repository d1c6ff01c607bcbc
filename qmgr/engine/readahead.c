/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readahead.c - acknowledged read-ahead, and watching.
 *
 * A handle with a window has one getter in its queue's line for as long as it
 * has credit.  Each message that it is given is locked on the handle's list
 * under a rising token and delivered; an acknowledgement removes everything up
 * to its token, in order, and gives credit back.  The acknowledgement is
 * answered when its removals are durable; one without an id is not answered,
 * and its removals ride with the next batch.  What is not acknowledged when
 * the window, the handle or the session ends returns to its place with its
 * backout count + 1.
 *
 * A watching handle is told by READY events, at the end of a turn, when a get
 * of any message that does not wait begins or ends to be able to return.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

/* What was handed out is in memory until it is acknowledged. */
void
ahead_set_window(struct handle *h, uint32_t msgs, uint32_t bytes)
{
	h->window_msgs = msgs < ENGINE_WINDOW_MSGS ? msgs : ENGINE_WINDOW_MSGS;
	h->window_bytes =
	    bytes < ENGINE_WINDOW_BYTES ? bytes : ENGINE_WINDOW_BYTES;
}

bool
ahead_has_credit(const struct handle *h, const struct entry *next)
{
	if (h->ahead_msgs >= h->window_msgs || h->stream_held != 0)
		return false;
	/* one message always fits */
	return h->ahead_msgs == 0 ||
	       h->ahead_bytes + next->m.body_len <= h->window_bytes;
}

void
ahead_lock(struct handle *h, struct entry *x)
{
	x->token = h->is_stream ? x->place.seq : h->last_token + 1;
	MQ_INVARIANT(x->token > h->last_token);
	h->last_token = x->token;
	h->ahead_msgs++;
	h->ahead_bytes += x->m.body_len;
	entry_lock(x, &h->ahead);
}

void
ahead_return_all(struct handle *h, bool count)
{
	struct queue *q = h->q;
	struct place *places = mqmem_array(h->ahead_msgs + 1, sizeof(*places));
	struct entry *x;
	size_t n = 0;

	while ((x = TAILQ_FIRST(&h->ahead)) != NULL) {
		MQ_INVARIANT(n < h->ahead_msgs);
		places[n++] = x->place;
		if (x->d != NULL)
			deliver_forget(x->d);
		if (count)
			entry_backed_out(x);
		entry_unlock(x);
	}
	h->ahead_msgs = 0;
	h->ahead_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		x = queue_entry_at(q, places[i]);
		if (x != NULL && x->state == ENTRY_AVAILABLE)
			queue_offer(q, x);
	}
	free(places);
	session_resume(h->s);
}

/* Removes what was delivered up to token. */
static void
ahead_remove(struct handle *h, uint64_t token)
{
	struct entry *x;

	while ((x = TAILQ_FIRST(&h->ahead)) != NULL && x->token <= token) {
		struct report cod;
		bool told = report_delivery(h->s->e, &x->m, &cod);
		uint64_t pos;

		h->ahead_msgs--;
		h->ahead_bytes -= x->m.body_len;
		if (told)
			(void)batch_room(h->s->e, 128 + report_room(&cod));
		pos = entry_remove(x, 0);
		report_put(told ? &cod : NULL, pos);
		if (h->ack_pos < pos)
			h->ack_pos = pos;
	}
}

void
engine_ack(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, uint64_t token)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle, .token = token};
	struct handle *h = handle_find(s, handle);

	(void)e;
	if (h == NULL || h->is_stream || token > h->last_token) {
		reply_error(
		    s, id, handle, h == NULL ? MQI_E_HOBJ : MQI_E_INVAL);
		return;
	}
	ahead_remove(h, token);
	if (id != 0)
		reply_at(s, &r, h->ack_pos);
	if (h->reader != NULL && h->reader->where == GETTER_NOWHERE)
		getter_start(h->reader);
}

static enum mqi_err
consume_check(const struct handle *h)
{
	if (h == NULL || h->is_stream)
		return MQI_E_HOBJ;
	if (!h->input)
		return MQI_E_NOT_OPEN_FOR_INPUT;
	if (h->s->e->quiescing)
		return MQI_E_Q_MGR_STOPPING;
	if (!h->q->attr.get_ok ||
	    mqattr_is(h->route.opened->attrs, MQATTR_ID_GET, "DISABLED"))
		return MQI_E_GET_INHIBITED;
	return stream_is_claimed(h->q) ? MQI_E_OBJECT_IN_USE : MQI_OK;
}

void
engine_consume(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, uint32_t max_msgs, uint32_t max_bytes)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};
	struct handle *h = handle_find(s, handle);

	(void)e;
	if (h != NULL && h->input && !h->is_stream && max_msgs == 0) {
		if (h->reader != NULL)
			(void)getter_free(h->reader);
		ahead_return_all(h, true);
		reply_give(s, &r);
		/* what stood behind a message that is not sent now */
		deliver_pump(h);
		return;
	}
	r.reason = consume_check(h);
	reply_give(s, &r);
	if (r.reason != MQI_OK)
		return;
	ahead_set_window(h, max_msgs, max_bytes);
	if (h->reader == NULL)
		h->reader = getter_new(h, GETTER_AHEAD, 0);
	if (h->reader->where == GETTER_NOWHERE)
		getter_start(h->reader);
}

void
engine_watch(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, bool on)
{
	struct engine_reply r = {
	    .kind = ENGINE_RESULT, .id = id, .handle = handle};
	struct engine_reply ready = {.kind = ENGINE_READY, .handle = handle};
	struct handle *h = handle_find(s, handle);

	(void)e;
	if (h == NULL)
		r.reason = MQI_E_HOBJ;
	else if (!h->input)
		r.reason = MQI_E_NOT_OPEN_FOR_INPUT;
	reply_give(s, &r);
	if (r.reason != MQI_OK || on == h->watching)
		return;
	h->watching = on;
	if (!on)
		TAILQ_REMOVE(&h->q->watchers, h, watch);
	else
		TAILQ_INSERT_TAIL(&h->q->watchers, h, watch);
	if (h->selector != NULL)
		select_watch(h, on);
	if (!on)
		return;
	h->watch_told = queue_is_ready(h->q);
	/* what is not known yet is told later */
	if (h->lookout != NULL && !select_is_ready(h, &h->watch_told))
		h->watch_told = false;
	if (h->event_pos < h->q->pos)
		h->event_pos = h->q->pos;
	ready.u.ready = h->watch_told;
	reply_at(s, &ready, h->event_pos);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async.c - puts that do not wait: one by one with a window, or many with one
 * wait.
 *
 * Neighbours: put.c encodes and sends; uow.c ends units when their puts are
 * answered.
 *
 * Invariants.  At most MQLIB_ASYNC_PUTS puts or MQLIB_ASYNC_BYTES bytes of a
 * connection are unanswered (one put always fits).  After a failure on a
 * handle the queue manager refuses the puts behind it (PUT_ASYNC), and we
 * refuse further ones, until mqi_flush() has reported; the next put then says
 * PUT_RESET.  So no message overtakes one that failed.
 *
 * Writing.  Puts in quick succession are gathered, up to WRITE_BYTES; one that
 * comes WRITE_US or more after the last write goes at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libmq/conn.h"

#define WRITE_BYTES ((size_t)64 << 10)
#define WRITE_US 200u
#define KEEP_FREE 256u /* requests kept for the next puts */

struct mqasync {
	struct mqreq req;
	struct mqasync *next; /* unused: kept for the next put */
	mqi_queue *queue;
	mqi_unit *unit;
	size_t bytes;
	bool brief;                /* says PUT_BRIEF */
	struct mqi_put_item *item; /* of mqi_put_many(), or NULL */
	size_t *left;              /* unanswered items */
};

void
mqasync_failed(mqi_queue *q, enum mqi_err err, const char *text)
{
	if (q->async_err != MQI_OK)
		return;
	q->async_err = err;
	free(q->async_text);
	q->async_text = text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

static struct mqasync *
request_new(mqi_conn *c)
{
	struct mqasync *a = c->async_free;

	if (a == NULL)
		return calloc(1, sizeof(*a));
	c->async_free = a->next;
	c->n_async_free--;
	memset(a, 0, sizeof(*a));
	return a;
}

static void
request_free(mqi_conn *c, struct mqasync *a)
{
	if (c->n_async_free >= KEEP_FREE) {
		free(a);
		return;
	}
	a->next = c->async_free;
	c->async_free = a;
	c->n_async_free++;
}

void
mqasync_fini(mqi_conn *c)
{
	struct mqasync *a;

	while ((a = c->async_free) != NULL) {
		c->async_free = a->next;
		free(a);
	}
}

uint16_t
mqasync_put_flags(mqi_queue *q)
{
	if (!q->reset || q->puts_pending > 0)
		return MQLOCAL_PUT_ASYNC;
	q->reset = false;
	return MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_RESET;
}

static void
count_in(struct mqasync *a)
{
	mqi_conn *c = a->queue->conn;

	c->async_puts++;
	c->async_bytes += a->bytes;
	a->queue->pending++;
	a->queue->puts_pending++;
	if (a->unit != NULL)
		a->unit->pending++;
}

static void
count_out(struct mqasync *a)
{
	mqi_conn *c = a->queue->conn;

	MQ_INVARIANT(c->async_puts > 0 && c->async_bytes >= a->bytes);
	c->async_puts--;
	c->async_bytes -= a->bytes;
	a->queue->pending--;
	a->queue->puts_pending--;
}

/* What became of the put is known; a is freed unless it is still being
 * sent. */
static void
finish(mqi_conn *c, struct mqasync *a, enum mqi_err err,
    const struct mqlocal_put_ok *ok, const char *text)
{
	struct mqreq *r = &a->req;
	mqi_unit *unit = a->unit;

	count_out(a);
	if (a->item != NULL) {
		a->item->result = err;
		if (err == MQI_OK)
			mqput_fill(a->item->md, ok);
		else
			a->queue->reset = true;
		(*a->left)--;
	} else if (err != MQI_OK) {
		mqasync_failed(a->queue, err, text);
		if (unit != NULL && unit->failed == MQI_OK)
			unit->failed = err;
	}
	if (unit != NULL && err == MQI_OK)
		unit->succeeded = true;
	mqreq_finish(c, r, err);
	if (!r->keep_id)
		request_free(c, a);
	if (unit != NULL)
		mqunit_answered(unit);
}

static enum mqi_err
answered(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct mqasync *a = MQ_CONTAINER_OF(r, struct mqasync, req);
	struct mqlocal_put_ok ok;
	char text[MQLIB_TEXT_LEN];
	enum mqi_err err = MQI_OK;

	if (f != NULL && f->type == MQLOCAL_PUTS_OK && a->brief) {
		finish(c, a, MQI_OK, NULL, NULL);
		return MQI_OK;
	}
	text[0] = '\0';
	if (f != NULL)
		err = mqput_answer(f, &ok, text, &lost);
	if (err == MQI_OK)
		finish(c, a, lost, &ok, text);
	return err;
}

static bool
window_is_open(const void *arg)
{
	const mqi_conn *c = arg;

	return c->async_puts < c->max_async_puts &&
	       c->async_bytes < MQLIB_ASYNC_BYTES;
}

static enum mqi_err
wait_for_window(mqi_conn *c)
{
	if (window_is_open(c))
		return MQI_OK;
	mqwire_wait_until(c, window_is_open, c);
	return c->broken ? MQI_E_NOT_DONE : MQI_OK;
}

/* Sends one put; the request is freed when it is answered. */
static enum mqi_err
send_async(mqi_queue *q, const struct mqput *p, struct mqi_put_item *item,
    size_t *left)
{
	uint16_t flags = mqasync_put_flags(q);
	struct mqasync *a;
	enum mqi_err err;

	a = request_new(q->conn);
	if (a == NULL)
		return MQI_E_NO_MEMORY;
	a->req.effect = p->unit != NULL ? MQREQ_IN_UNIT : MQREQ_CHANGES;
	a->req.answer = answered;
	a->queue = q;
	a->unit = p->unit;
	a->bytes = p->body_len;
	a->item = item;
	a->left = left;
	/* an item wants the message's id, the time and the rest */
	a->brief = item == NULL &&
		   (q->conn->info.features & MQLOCAL_FEATURE_PUTS_OK) != 0;
	if (a->brief)
		flags |= MQLOCAL_PUT_BRIEF;
	count_in(a);
	if (left != NULL)
		(*left)++;
	err = mqput_send(q, p, flags, &a->req);
	if (err == MQI_OK) {
		if (a->req.done) /* while its pieces were being sent */
			request_free(q->conn, a);
		return MQI_OK;
	}
	if ((flags & MQLOCAL_PUT_RESET) != 0)
		q->reset = true;
	count_out(a);
	if (a->unit != NULL)
		a->unit->pending--; /* it is in a call: nothing waits */
	if (left != NULL)
		(*left)--;
	request_free(q->conn, a);
	return err;
}

static enum mqi_err
put_allowed(const mqi_queue *q, const mqi_unit *unit)
{
	if (q->dead != MQI_OK)
		return q->dead;
	/* a write may have found out: nobody answers any more */
	if (q->conn->broken)
		return MQI_E_NOT_DONE;
	if (q->async_err != MQI_OK)
		return MQI_E_SUPPRESSED;
	return unit == NULL ? MQI_OK : mqunit_check(q->conn, unit);
}

/* Waits for the window, and sends. */
static enum mqi_err
put_one(mqi_queue *q, const struct mqput *p, struct mqi_put_item *item,
    size_t *left)
{
	mqi_conn *c = q->conn;
	enum mqi_err err;

	err = put_allowed(q, p->unit);
	if (err == MQI_OK)
		err = wait_for_window(c);
	/* waiting may have brought bad news */
	if (err == MQI_OK)
		err = put_allowed(q, p->unit);
	if (err == MQI_OK)
		err = send_async(q, p, item, left);
	return err;
}

static void
write_if_due(mqi_conn *c)
{
	if (c->out.next.len >= WRITE_BYTES ||
	    mqclock_mono_us() - c->out.last_us >= WRITE_US)
		mqwire_flush(c);
}

enum mqi_err
mqi_put_async(mqi_queue *queue, mqi_unit *unit, struct mqi_md *md,
    const void *body, size_t body_len)
{
	struct mqput p;
	enum mqi_err err;
	mqi_conn *c;

	err = mqput_prepare(queue, unit, md, body, body_len, &p);
	if (err != MQI_OK)
		return err;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = put_one(queue, &p, NULL, NULL);
	if (err == MQI_OK)
		write_if_due(c);
	return mqconn_leave(c, err, NULL);
}

static bool
none_left(const void *arg)
{
	return *(const size_t *)arg == 0;
}

static enum mqi_err
first_failure(const struct mqi_put_item *items, size_t n_items)
{
	size_t i;

	for (i = 0; i < n_items; i++)
		if (items[i].result != MQI_OK)
			return items[i].result;
	return MQI_OK;
}

enum mqi_err
mqi_put_many(mqi_queue *queue, mqi_unit *unit, struct mqi_put_item *items,
    size_t n_items)
{
	struct mqput p;
	size_t i, left = 0;
	enum mqi_err err = MQI_OK;
	mqi_conn *c;

	if (queue == NULL || (items == NULL && n_items > 0))
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	for (i = 0; i < n_items; i++)
		items[i].result = MQI_E_SUPPRESSED;
	for (i = 0; i < n_items && err == MQI_OK; i++) {
		err = mqput_prepare(queue, unit, items[i].md, items[i].body,
		    items[i].body_len, &p);
		if (err == MQI_OK)
			err = put_one(queue, &p, &items[i], &left);
		if (err != MQI_OK)
			items[i].result = err;
		else if (c->out.next.len >= WRITE_BYTES)
			mqwire_flush(c);
		/* an answer that has come may be a failure already */
		if (err == MQI_OK && queue->reset)
			break;
	}
	/* also after a loss: each item has its own result */
	while (left > 0)
		mqwire_wait_until(c, none_left, &left);
	return mqconn_leave(c, first_failure(items, n_items), NULL);
}

/* ---- flush ---- */

static bool
all_answered(const void *arg)
{
	const mqi_queue *q = arg;

	return q->pending == 0 && TAILQ_EMPTY(&q->conn->ends);
}

enum mqi_err
mqi_flush(mqi_queue *queue)
{
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err;
	mqi_conn *c;

	if (queue == NULL)
		return MQI_E_INVAL;
	c = queue->conn;
	err = mqconn_enter_any(c);
	if (err != MQI_OK)
		return err;
	if (queue->ack_token != 0 && !c->broken)
		err = mqahead_send_ack(queue);
	if (err == MQI_OK)
		mqwire_wait_until(c, all_answered, queue);
	if (err == MQI_OK && c->broken)
		err = MQI_E_CONNECTION_BROKEN;
	if (queue->async_err != MQI_OK) {
		err = queue->async_err;
		if (queue->async_text != NULL)
			(void)snprintf(
			    text, sizeof(text), "%s", queue->async_text);
		queue->async_err = MQI_OK;
		queue->reset = true;
	} else if (c->end_err != MQI_OK) {
		err = c->end_err;
		c->end_err = MQI_OK;
	}
	return mqconn_leave(c, err, text);
}

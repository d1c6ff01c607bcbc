/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender_aside.c - what becomes of a message that is longer than the channel's
 * MAXMSGL (sender.h): it is set aside, that is, put where undelivered.c says
 * in the unit of work that removes it from the stream.
 *
 * Neighbours: sender.c brings it here; undelivered.c decides; run_sender.c
 * puts.
 *
 * Invariants: such a message was not sent on this connection, and the partner
 * has not taken it from an earlier one: it lies behind the position, and STREAM
 * has fenced who held that.  So it is removed only where it certainly is.
 * Nothing comes from the stream while it is here.
 *
 * Happy path: COMING until the body is WHOLE and all before it acknowledged,
 * DECIDED, PUTTING until each put
 * has its result, COMMITTING, and the stream goes on.
 *
 * Failure modes: a put that failed is decided anew; if there is nothing left to
 * be done, or the queue manager is the trouble, the channel ends and the
 * message is at the head of its queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "mca/sender.h"

static unsigned long long
ull(uint64_t v)
{
	return v;
}

static void
aside_drop(struct sender *s)
{
	s->aside = receiver_msg_free(s->aside);
	s->aside_mem = msgmem_free(s->aside_mem);
	s->aside_unit = NULL;
	s->aside_state = SENDER_NONE;
}

void
sender_aside_fini(struct sender *s)
{
	if (s->aside_state == SENDER_PUTTING)
		s->io.backout(s->io.arg, s->aside_unit);
	if (s->aside_mem != NULL)
		aside_drop(s);
}

static struct undelivered
undelivered_of(struct sender *s)
{
	return (struct undelivered){.c = &s->c,
	    .position = s->sent,
	    .reply_qmgr = s->c.def.qmgr,
	    .use_dead_queue = s->def.use_dead_queue,
	    .io = s->io.undelivered,
	    .arg = s->io.arg};
}

static void
aside_decide(struct sender *s)
{
	struct undelivered u = undelivered_of(s);
	struct receiver_msg *m = s->aside;
	char text[96];

	if (mqcrc32c(0, m->body, m->body_len) != m->crc) {
		channel_fail(&s->c, MQI_E_OBJECT_DAMAGED, m->number, s->sent,
		    "the body of message %llu is damaged", ull(m->number));
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "its %u bytes are more than the channel's MAXMSGL of %u",
	    m->body_len, s->c.def.max_msg_len);
	undelivered_dispose(&u, m, MQI_E_MSG_TOO_BIG_FOR_CHANNEL, text);
	s->aside_state = SENDER_DECIDED;
}

void
sender_aside_begin(struct sender *s, const struct sender_msg *v)
{
	struct mqdesc_info info;
	struct receiver_msg *m;

	if (mqdesc_read(v->desc, v->desc_len, &info) != MQI_OK) {
		channel_fail(&s->c, MQI_E_OBJECT_DAMAGED, v->number, s->sent,
		    "the descriptor of message %llu cannot be read",
		    ull(v->number));
		return;
	}
	s->aside_mem = msgmem_new();
	m = receiver_msg_new(s->aside_mem, v->desc, v->desc_len, v->body_len);
	if (m == NULL) {
		s->aside_mem = msgmem_free(s->aside_mem);
		channel_fail(&s->c, MQI_E_NO_MEMORY, v->number, s->sent,
		    "no memory for message %llu of %u bytes", ull(v->number),
		    v->body_len);
		return;
	}
	m->crc = v->body_crc;
	m->number = v->number;
	m->previous = v->previous;
	m->persistent = info.persistent;
	if (info.has_route)
		m->route = info.route;
	s->aside = m;
	s->aside_state = SENDER_COMING;
}

void
sender_aside_piece(struct sender *s, const void *data, uint32_t len)
{
	struct receiver_msg *m = s->aside;

	MQ_PRE(len <= m->body_len - m->got);
	memcpy(m->body + m->got, data, len);
	m->got += len;
	if (m->got == m->body_len)
		s->aside_state = SENDER_WHOLE;
}

/* ---- the unit of work ---- */

static void
aside_put(struct sender *s, struct receiver_msg *m)
{
	enum mqi_err err;

	m->answered = false;
	m->result = MQI_OK;
	s->aside_pending++;
	err = s->io.put(s->io.arg, s->aside_unit, m);
	if (err != MQI_OK)
		sender_put_done(s, m, err);
}

static void
aside_begin_unit(struct sender *s)
{
	struct receiver_msg *m = s->aside;
	enum mqi_err err = s->io.begin(s->io.arg, &s->aside_unit);

	if (err != MQI_OK) {
		channel_fail(&s->c, err, m->number, s->sent,
		    "no unit of work can be begun: %s", mqi_strerror(err));
		return;
	}
	s->aside_state = SENDER_PUTTING;
	s->aside_pending = 0;
	m->result = MQI_OK;
	if (!m->drop)
		aside_put(s, m);
	if (m->report != NULL && m->result == MQI_OK)
		aside_put(s, m->report);
}

static void
aside_failed(struct sender *s)
{
	struct undelivered u = undelivered_of(s);
	struct receiver_msg *m = s->aside;
	enum mqi_err reason = receiver_result(m);

	s->io.backout(s->io.arg, s->aside_unit);
	s->aside_state = SENDER_DECIDED;
	if (undelivered_is_fatal(reason))
		channel_fail(&s->c, reason, m->number, s->sent,
		    "message %llu cannot be put: %s", ull(m->number),
		    mqi_strerror(reason));
	else
		undelivered_failed(&u, m);
}

static void
aside_commit(struct sender *s)
{
	uint64_t number = s->aside->number;
	enum mqi_err err = s->io.remove(s->io.arg, s->aside_unit, number);

	if (err != MQI_OK) {
		channel_fail(&s->c, err, number, s->sent,
		    "message %llu cannot be removed from its queue: %s",
		    ull(number), mqi_strerror(err));
		return;
	}
	s->aside_state = SENDER_COMMITTING;
	err = s->io.commit(s->io.arg, s->aside_unit);
	if (err != MQI_OK)
		sender_commit_done(s, err);
}

void
sender_pump(struct sender *s)
{
	while (channel_state(&s->c) != CHANNEL_ENDED) {
		bool goes_on = channel_state(&s->c) == CHANNEL_RUNNING;

		/* what is before it is delivered first, since the channel may
		 * end now */
		if (s->aside_state == SENDER_WHOLE && goes_on &&
		    s->acked >= s->sent)
			aside_decide(s);
		else if (s->aside_state == SENDER_DECIDED && goes_on &&
			 s->io.ready(s->io.arg))
			aside_begin_unit(s);
		else if (s->aside_state != SENDER_PUTTING ||
			 s->aside_pending > 0)
			return;
		else if (receiver_result(s->aside) != MQI_OK)
			aside_failed(s);
		else
			aside_commit(s);
	}
}

void
sender_put_done(struct sender *s, struct receiver_msg *m, enum mqi_err result)
{
	MQ_PRE(s->aside_pending > 0 && !m->answered);
	m->answered = true;
	m->result = result;
	s->aside_pending--;
}

void
sender_commit_done(struct sender *s, enum mqi_err result)
{
	uint64_t number = s->aside->number;

	MQ_PRE(s->aside_state == SENDER_COMMITTING);
	aside_drop(s);
	s->busy_ms = s->c.now_ms;
	if (result != MQI_OK)
		channel_fail(&s->c, result, number, s->sent,
		    "message %llu, which is too long for the channel, cannot "
		    "be put elsewhere: %s",
		    ull(number), mqi_strerror(result));
}

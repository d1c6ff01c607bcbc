/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_out.c - what a session says to its client.
 *
 * Neighbours: the engine gives replies (session_reply), handlers give results
 * of their own; outq.c writes them; qmgr's turn_end() flushes.
 * Invariants: nothing here calls the engine but sessions_flush(), since
 * replies come from within the engine's calls; bytes of one frame are appended
 * together or the session is doomed.
 * Happy path: a turn's replies gather in the queue, those of BRIEF puts in one
 * PUTS_OK frame behind them; one sendmsg(2) writes them, engine_sent() is told
 * how many are wholly in the socket.
 * Failure: without memory for a reply the session ends at the turn's end, so
 * that the engine takes back what was not delivered.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proto/local.h"
#include "qmgr/qmgr_impl.h"
#include "qmgr/reply.h"
#include "qmgr/session.h"

#define FLUSH_LIMIT 1048576u /* bytes per session and turn */
/* Beyond SESSION_OUT_MAX a session is not read any more, and the engine stops
 * delivering; what was asked before may still add up to this. */
#define OUT_LIMIT 268435456u

void
session_set_dirty(struct session *s, bool dirty)
{
	struct sessions *ss = &s->qm->sessions;

	if (s->is_dirty == dirty || s->state.current == SESSION_CLOSING)
		return;
	s->is_dirty = dirty;
	if (dirty) {
		TAILQ_INSERT_TAIL(&ss->dirty, s, dirty_link);
		ss->n_dirty++;
	} else {
		TAILQ_REMOVE(&ss->dirty, s, dirty_link);
		ss->n_dirty--;
	}
}

static enum mqi_err
append(struct session *s, const struct reply_tail *tail)
{
	struct mqbuf *b = &s->qm->scratch;
	enum mqi_err err = b->err;

	if (err == MQI_OK && s->out.bytes > OUT_LIMIT)
		err = MQI_E_TOO_BIG;
	if (err == MQI_OK)
		err = outq_put(&s->out, b->data, b->len);
	if (err == MQI_OK && tail->ref != NULL && tail->len > 0)
		err = outq_put_ref(&s->out, tail->ref, tail->offset, tail->len);
	mqbuf_reset(b);
	return err;
}

void
session_send_scratch(struct session *s)
{
	struct reply_tail none = {.ref = NULL};

	if (s->doomed || append(s, &none) != MQI_OK)
		s->doomed = true;
	session_set_dirty(s, true);
}

/* The ids that have gathered become a frame. */
static void
session_end_puts_ok(struct session *s)
{
	struct mqlocal_puts_ok v = {.ids = s->puts_ok.data,
	    .n = (uint32_t)(s->puts_ok.len / sizeof(uint32_t))};
	struct reply_tail none = {.ref = NULL};

	if (v.n == 0 || s->doomed)
		return;
	mqbuf_reset(&s->qm->scratch);
	mqlocal_encode_puts_ok(&s->qm->scratch, 0, &v);
	mqbuf_fini(&s->puts_ok);
	if (append(s, &none) != MQI_OK)
		s->doomed = true;
}

static void
session_puts_done(struct session *s, const struct engine_reply *r)
{
	for (uint32_t i = 0; i < r->u.puts.n; i++) {
		mqbuf_put_u32(&s->puts_ok, r->u.puts.ids[i]);
		if (s->puts_ok.len == s->puts_ok.max)
			session_end_puts_ok(s);
	}
	if (s->puts_ok.err != MQI_OK)
		s->doomed = true;
}

void
session_reply(void *ctx, void *session_cookie, const struct engine_reply *r)
{
	struct session *s = session_cookie;
	struct qmgr *qm = ctx;
	struct reply_tail tail;

	MQ_PRE(s->qm == qm && s->state.current == SESSION_OPEN);
	session_set_dirty(s, true);
	if (s->doomed)
		return;
	if (r->kind == ENGINE_PUTS_DONE) {
		session_puts_done(s, r);
		return;
	}
	mqbuf_reset(&qm->scratch);
	reply_encode(r, s->takes_bound_acked, &qm->scratch, &tail);
	if (append(s, &tail) != MQI_OK || outq_end_reply(&s->out) != MQI_OK)
		s->doomed = true;
}

void
session_send_result(
    struct session *s, uint32_t id, enum mqi_err reason, const char *text)
{
	struct mqlocal_result v = {.reason = (uint32_t)reason};

	if (text != NULL)
		(void)snprintf(v.text, sizeof(v.text), "%s", text);
	mqbuf_reset(&s->qm->scratch);
	mqlocal_encode_result(&s->qm->scratch, id, &v);
	session_send_scratch(s);
}

void
session_order_list(struct session *s, const struct mqctl_list *order)
{
	struct mqbuf *b = &s->qm->scratch;
	size_t start;

	mqbuf_reset(b);
	start = mqframe_begin(b, MQLOCAL_AGENT_ORDER, 0, 0);
	mqctl_encode_list(b, order);
	mqframe_end(b, start, 0);
	session_send_scratch(s);
}

void
session_order(struct session *s, const char *order)
{
	struct mqctl_list list;

	mqctl_list_init(&list);
	if (mqctl_list_add(&list, "order", order) == MQI_OK) {
		session_order_list(s, &list);
	} else {
		s->doomed = true;
		session_set_dirty(s, true);
	}
	mqctl_list_fini(&list);
}

void
session_say_error(struct session *s, enum mqi_err reason, const char *text)
{
	struct mqlocal_error v = {.reason = (uint32_t)reason};
	uint32_t replies;

	session_end_puts_ok(s);
	(void)snprintf(v.text, sizeof(v.text), "%s",
	    text != NULL ? text : mqi_strerror(reason));
	mqbuf_reset(&s->qm->scratch);
	mqlocal_encode_error(&s->qm->scratch, 0, &v);
	session_send_scratch(s);
	if (s->doomed)
		return;
	/* what the socket does not take now is lost, like the session */
	(void)outq_write(&s->out, s->fd, SIZE_MAX, &replies);
	if (replies > 0 && s->engine != NULL)
		engine_sent(s->qm->engine, s->engine, replies);
}

/* True if it could write more at once. */
static bool
session_flush(struct session *s)
{
	enum outq_result res;
	uint32_t replies;

	session_end_puts_ok(s);
	if (s->doomed) {
		session_log(s, "session.ended", MQI_E_NO_MEMORY,
		    "there is no memory for a reply, or too many wait for a "
		    "client that does not read");
		session_close(s);
		return false;
	}
	if (s->blocked)
		return false;
	res = outq_write(&s->out, s->fd, FLUSH_LIMIT, &replies);
	if (replies > 0 && s->engine != NULL)
		engine_sent(s->qm->engine, s->engine, replies);
	if (res == OUTQ_BROKEN) {
		session_close(s);
		return false;
	}
	s->blocked = res == OUTQ_FULL;
	session_poll_events(s);
	return res == OUTQ_MORE;
}

bool
sessions_flush(struct sessions *ss)
{
	/* replies that engine_sent() brings make sessions dirty again: they are
	 * for the next round */
	for (unsigned n = ss->n_dirty; n > 0; n--) {
		struct session *s = TAILQ_FIRST(&ss->dirty);

		session_set_dirty(s, false);
		if (session_flush(s))
			session_set_dirty(s, true);
	}
	return ss->n_dirty > 0;
}

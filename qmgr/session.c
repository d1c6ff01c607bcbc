/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - one client: its input, and the end of its session.
 *
 * Neighbours: listener.c makes sessions; hello.c opens them; dispatch.c does
 * what their frames ask; session_out.c writes.
 * Invariants: a session that is CLOSING is never read, written or given to the
 * engine again; its memory goes when libuv has closed its handle.  What is
 * left of the input after a turn is less than a frame, unless it is held.
 * Happy path: one read(2) per wake-up, of a fair share, into a buffer that all
 * sessions share; frames are parsed where they stand; only the rest of a frame
 * that is not whole is kept in the session's own buffer, so an idle one
 * has none.
 * Failure: bytes that cannot be a frame, or a frame that cannot be right, end
 * the session with an ERROR frame and a line in the log that says what and
 * from whom.
 */
#include "qmgr/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/local.h"
#include "qmgr/dispatch.h"
#include "qmgr/hello.h"
#include "qmgr/qmgr_impl.h"

/* What is asked of a read when the rest of a frame is awaited, beyond it. */
#define SESSION_READ_MORE 65536u
#define SESSION_IN_MAX (QMGR_READ + MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD)

static const struct mqsm_state session_states[] = {
    [SESSION_AWAITING] = {"awaiting",
	MQ_BIT(SESSION_OPEN) | MQ_BIT(SESSION_CLOSING)},
    [SESSION_OPEN] = {"open", MQ_BIT(SESSION_CLOSING)},
    [SESSION_CLOSING] = {"closing", 0},
};

static bool
session_may_read(const struct session *s)
{
	const struct engine *e = s->qm->engine;

	if (s->out.bytes > SESSION_OUT_MAX)
		return false;
	return s->engine != NULL ? engine_accepts_from(e, s->engine)
				 : engine_accepts(e);
}

static void
on_closed(uv_handle_t *h)
{
	struct session *s = h->data;

	/* a stop may wait for this */
	turn_begin(s->qm);
	MQ_PRE(s->qm->sessions.n > 0);
	s->qm->sessions.n--;
	close(s->fd);
	mqbuf_fini(&s->in);
	mqbuf_fini(&s->puts_ok);
	outq_fini(&s->out);
	free(s);
}

static void
session_set_held(struct session *s, bool held)
{
	struct sessions *ss = &s->qm->sessions;

	if (s->is_held == held)
		return;
	s->is_held = held;
	if (held) {
		TAILQ_INSERT_TAIL(&ss->held, s, held_link);
		ss->n_held++;
	} else {
		TAILQ_REMOVE(&ss->held, s, held_link);
		ss->n_held--;
	}
}

static void
session_hold(struct session *s)
{
	session_set_held(s, true);
	session_poll_events(s);
}

void
session_greeted(struct session *s)
{
	struct sessions *ss = &s->qm->sessions;

	MQ_PRE(s->state.current == SESSION_AWAITING);
	TAILQ_REMOVE(&ss->awaiting, s, hello_link);
	if (s->is_stranger)
		strangers_greeted(&ss->strangers, s->peer.uid);
}

void
session_close(struct session *s)
{
	struct sessions *ss = &s->qm->sessions;
	bool greeted = s->state.current == SESSION_OPEN;

	if (s->state.current == SESSION_CLOSING)
		return;
	if (!greeted)
		TAILQ_REMOVE(&ss->awaiting, s, hello_link);
	if (s->is_stranger)
		strangers_end(&ss->strangers, s->peer.uid, greeted);
	session_set_dirty(s, false);
	session_set_held(s, false);
	mqsm_move(&s->state, SESSION_CLOSING);
	TAILQ_REMOVE(&ss->all, s, link);
	if (s->serves)
		apart_gone(s->qm->apart, s);
	if (s->is_agent)
		agents_detach(s->qm->agents, s);
	if (s->engine != NULL) {
		pings_forget(s->qm->pings, s->engine);
		engine_session_end(s->qm->engine, s->engine);
	}
	s->engine = NULL;
	uv_close((uv_handle_t *)&s->poll, on_closed);
}

void
session_log(
    struct session *s, const char *event, enum mqi_err reason, const char *text)
{
	struct mqlog_line l;
	unsigned left_out = 0;

	/* nobody else fills the disk by asking */
	if (s->is_stranger && !strangers_log(&s->qm->sessions.strangers,
				  mqclock_mono_us() / 1000, &left_out))
		return;
	if (left_out > 0)
		mqlog(MQLOG_WARN, event, "%u more have no line here", left_out);
	mqlog_begin(&l, MQLOG_WARN, event);
	mqlog_uint(&l, "uid", s->peer.uid);
	mqlog_int(&l, "pid", s->peer.pid);
	if (s->app_name[0] != '\0')
		mqlog_str(&l, "app", s->app_name);
	if (s->channel[0] != '\0')
		mqlog_str(&l, "channel", s->channel);
	mqlog_int(&l, "reason", (int64_t)reason);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

void
session_refuse(struct session *s, enum mqi_err reason, const char *text)
{
	if (s->state.current == SESSION_CLOSING)
		return;
	session_log(s, "session.refused", reason,
	    text != NULL ? text : mqi_strerror(reason));
	session_say_error(s, reason, text);
	session_close(s);
}

void
sessions_end_all(struct sessions *ss, enum mqi_err reason)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&ss->all)) != NULL) {
		session_say_error(s, reason, NULL);
		session_close(s);
	}
}

void
session_poll_events(struct session *s)
{
	int events =
	    (s->is_held ? 0 : UV_READABLE) | (s->blocked ? UV_WRITABLE : 0);

	if (events == s->events)
		return;
	s->events = events;
	if (events == 0) {
		uv_poll_stop(&s->poll);
		return;
	}
	/* fails only for a handle that is closing */
	MQ_INVARIANT(uv_poll_start(&s->poll, events, session_on_poll) == 0);
}

/* Memory is for those who have said who they are. */
static bool
hello_is_too_long(const struct session *s, const uint8_t *data, size_t len)
{
	return s->state.current == SESSION_AWAITING && len >= MQFRAME_HEADER &&
	       mqbuf_get_u32(data) > SESSION_HELLO_MAX;
}

/* Parses and carries out what is whole; returns how many bytes that was. */
static size_t
session_parse(struct session *s, const uint8_t *data, size_t len)
{
	size_t done = 0;

	turn_heard(s->qm, s);
	while (s->state.current != SESSION_CLOSING) {
		const char *why = "a frame's length is beyond the limit";
		enum mqi_err err = MQI_E_PROTOCOL;
		enum mqframe_result res;
		struct mqframe f;
		size_t used;

		if (!session_may_read(s)) {
			session_hold(s);
			break;
		}
		res = mqframe_parse(data + done, len - done, &f, &used);
		if (res == MQFRAME_MORE && !hello_is_too_long(s, data, len))
			break;
		if (res == MQFRAME_OK) {
			done += used;
			err = s->state.current == SESSION_OPEN
				  ? dispatch(s, &f, &why)
				  : hello_take(s, &f, &why);
		}
		if (err != MQI_OK)
			session_refuse(s, err, why);
	}
	return done;
}

/* Keeps what session_parse() left of the shared buffer. */
static void
session_keep(struct session *s, const uint8_t *data, size_t len)
{
	mqbuf_put(&s->in, data, len);
	if (s->in.err != MQI_OK)
		session_refuse(s, s->in.err, NULL);
}

static void
session_parse_kept(struct session *s)
{
	size_t done = session_parse(s, s->in.data, s->in.len);

	if (s->state.current == SESSION_CLOSING)
		return;
	mqbuf_consume(&s->in, done);
	if (s->in.len == 0) {
		mqbuf_fini(&s->in);
		mqbuf_init(&s->in, SESSION_IN_MAX);
	}
}

/* Where to read to, and how much at most. */
static uint8_t *
session_room(struct session *s, size_t *ret_len)
{
	size_t want, room = s->in.max - s->in.len;
	uint8_t *p;

	if (s->in.len == 0) {
		*ret_len = QMGR_READ;
		return s->qm->read_buf;
	}
	want = s->state.current == SESSION_AWAITING ? SESSION_HELLO_MAX
						    : SESSION_READ_MORE;
	if (s->in.len >= MQFRAME_HEADER)
		want += mqbuf_get_u32(s->in.data);
	*ret_len = want < room ? want : room;
	MQ_INVARIANT(*ret_len > 0);
	p = mqbuf_reserve(&s->in, *ret_len);
	if (p == NULL)
		session_refuse(s, s->in.err, NULL);
	return p;
}

static void
session_read(struct session *s)
{
	bool shared = s->in.len == 0;
	size_t room, done;
	uint8_t *p;
	ssize_t n;

	p = session_room(s, &room);
	if (p == NULL)
		return;
	n = read(s->fd, p, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* a client may go at any time, but not within a frame */
		if (s->in.len > 0)
			session_log(s, "session.cut", MQI_E_CONNECTION_BROKEN,
			    "the client went in the middle of a frame");
		session_close(s);
		return;
	}
	if (shared) {
		done = session_parse(s, p, (size_t)n);
		if (s->state.current != SESSION_CLOSING && done < (size_t)n)
			session_keep(s, p + done, (size_t)n - done);
		return;
	}
	mqbuf_commit(&s->in, (size_t)n);
	session_parse_kept(s);
}

void
session_on_poll(uv_poll_t *poll, int status, int events)
{
	struct session *s = poll->data;

	turn_begin(s->qm);
	if (status < 0) {
		session_close(s);
		return;
	}
	if ((events & UV_WRITABLE) != 0) {
		s->blocked = false;
		session_set_dirty(s, true);
	}
	if ((events & UV_READABLE) == 0)
		return;
	if (session_may_read(s))
		session_read(s);
	else
		session_hold(s);
}

void
sessions_resume(struct sessions *ss)
{
	/* thousands may be held while the store is behind */
	if (!engine_accepts(ss->qm->engine))
		return;
	/* each once: one that stays held, or is held again, goes to the end;
	 * what one asks may end others */
	for (unsigned n = ss->n_held; n > 0 && ss->n_held > 0; n--) {
		struct session *s = TAILQ_FIRST(&ss->held);

		session_set_held(s, false);
		if (!session_may_read(s)) {
			session_set_held(s, true);
			continue;
		}
		if (s->in.len > 0)
			session_parse_kept(s);
		if (s->state.current != SESSION_CLOSING)
			session_poll_events(s);
	}
}

/* ---- the life of a session ---- */

static void
on_hello_timer(uv_timer_t *t)
{
	struct sessions *ss = t->data;
	uint64_t now_ms = mqclock_mono_us() / 1000;
	struct session *s;

	turn_begin(ss->qm);
	while ((s = TAILQ_FIRST(&ss->awaiting)) != NULL &&
	       now_ms - s->accepted_ms >= SESSION_HELLO_MS)
		session_refuse(s, MQI_E_PROTOCOL,
		    "the client sent no HELLO within 10 seconds");
	if (s == NULL)
		uv_timer_stop(t);
}

void
sessions_init(struct sessions *ss, struct qmgr *qm, unsigned max)
{
	memset(ss, 0, sizeof(*ss));
	ss->qm = qm;
	ss->max = max;
	strangers_init(&ss->strangers, max);
	TAILQ_INIT(&ss->all);
	TAILQ_INIT(&ss->dirty);
	TAILQ_INIT(&ss->held);
	TAILQ_INIT(&ss->awaiting);
	uv_timer_init(&qm->loop, &ss->hello_timer);
	ss->hello_timer.data = ss;
}

void
sessions_close(struct sessions *ss)
{
	uv_close((uv_handle_t *)&ss->hello_timer, NULL);
}

void
session_new(struct sessions *ss, int fd, const struct mqsock_peer *peer)
{
	struct session *s = mqmem_alloc(sizeof(*s));
	struct qmgr *qm = ss->qm;
	const char *why;

	s->qm = qm;
	s->fd = fd;
	s->peer = *peer;
	s->is_owners = peer->uid == geteuid() || peer->uid == 0;
	s->is_stranger = !s->is_owners && !apart_is_user(qm->apart, peer->uid);
	s->accepted_ms = mqclock_mono_us() / 1000;
	mqsm_init(&s->state, session_states, MQ_ARRAY_LEN(session_states),
	    SESSION_AWAITING);
	mqbuf_init(&s->in, SESSION_IN_MAX);
	mqbuf_init(&s->puts_ok, MQLOCAL_PUTS_OK_MAX * sizeof(uint32_t));
	outq_init(&s->out);
	if (uv_poll_init(&qm->loop, &s->poll, fd) != 0) {
		session_log(s, "session.refused", MQI_E_RESOURCE_PROBLEM,
		    "the socket cannot be polled");
		close(fd);
		free(s);
		return;
	}
	s->poll.data = s;
	ss->n++;
	TAILQ_INSERT_TAIL(&ss->all, s, link);
	TAILQ_INSERT_TAIL(&ss->awaiting, s, hello_link);
	if (s->is_stranger &&
	    !strangers_begin(&ss->strangers, peer->uid, &why)) {
		session_refuse(s, MQI_E_RESOURCE_PROBLEM, why);
		return;
	}
	if (ss->n > ss->max) {
		session_refuse(s, MQI_E_RESOURCE_PROBLEM,
		    "the queue manager has as many connections as it can");
		return;
	}
	session_poll_events(s);
	if (!uv_is_active((uv_handle_t *)&ss->hello_timer))
		uv_timer_start(&ss->hello_timer, on_hello_timer, 1000, 1000);
}

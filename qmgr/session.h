/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one client on the Unix socket: bytes to frames, replies to
 * bytes, and what holds it back.  Loop thread only; never blocks.
 *
 * A session is held (its socket is not read) while more than
 * SESSION_OUT_MAX bytes wait to be read by its client, or while the engine
 * does not accept requests.
 */
#ifndef MQ_QMGR_SESSION_H
#define MQ_QMGR_SESSION_H

#include <mq/mqi_msg.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "base/sm.h"
#include "base/sock.h"
#include "proto/ctl.h"
#include "proto/frame.h"
#include "qmgr/outq.h"
#include "qmgr/strangers.h"

#define SESSION_OUT_MAX 1048576u /* bytes of replies before it is held */
#define SESSION_HELLO_MS 10000u  /* a client must have said hello by then */
#define SESSION_HELLO_MAX 4096u  /* bytes of a hello */

struct qmgr;
struct engine_session;
struct engine_reply;

enum session_state {
	SESSION_AWAITING, /* its hello */
	SESSION_OPEN,
	SESSION_CLOSING, /* its handle; nothing goes in or out any more */
};

struct session {
	TAILQ_ENTRY(session) link; /* of all, oldest first */
	TAILQ_ENTRY(session) dirty_link;
	TAILQ_ENTRY(session) held_link;
	TAILQ_ENTRY(session) hello_link;
	struct qmgr *qm;
	struct mqsm state;
	uv_poll_t poll;
	int fd;
	int events;    /* what the handle polls for */
	bool is_dirty; /* on the list of those with output */
	bool is_held;
	bool blocked;     /* the socket takes no more output now */
	bool doomed;      /* no memory for a reply: to be ended */
	bool is_owners;   /* of the queue manager's owner, or root */
	bool is_stranger; /* neither that nor of who runs the agents */
	bool is_agent;
	bool is_agents_own;     /* on behalf of nobody */
	bool serves;            /* runs agents apart */
	bool is_client;         /* an agent's, for an application elsewhere */
	bool takes_puts_ok;     /* the feature */
	bool takes_bound_acked; /* the feature */
	struct mqsock_peer peer;
	uint64_t accepted_ms;
	char app_name[28 + 1];
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	struct engine_session *engine; /* while OPEN */
	struct mqbuf in;               /* bytes not parsed yet */
	struct mqbuf puts_ok;          /* ids for the next PUTS_OK: u32 each */
	struct outq out;
};

TAILQ_HEAD(session_list, session);

struct sessions {
	struct qmgr *qm;
	struct session_list all;
	struct session_list dirty;
	struct session_list held;
	struct session_list awaiting; /* hello; oldest first */
	unsigned n_dirty;
	unsigned n_held;
	unsigned n; /* handles not closed yet */
	unsigned max;
	uv_timer_t hello_timer;
	struct strangers strangers;
};

void sessions_init(struct sessions *ss, struct qmgr *qm, unsigned max);
void sessions_close(struct sessions *ss); /* its timer */

/* A client was accepted; takes fd. */
void session_new(struct sessions *ss, int fd, const struct mqsock_peer *peer);
/* Tells the client why, logs it, and closes.  text: NULL: the reason's own. */
void session_refuse(struct session *s, enum mqi_err reason, const char *text);
/* Its hello was taken. */
void session_greeted(struct session *s);
/* Says nothing more. Its memory goes at the end of the loop's turn. */
void session_close(struct session *s);
/* A line in the log: what and from whom. */
void session_log(struct session *s, const char *event, enum mqi_err reason,
    const char *text);
/* Tells all clients and closes them. */
void sessions_end_all(struct sessions *ss, enum mqi_err reason);

/* Writes what waits; true if there is more that could be written now. */
bool sessions_flush(struct sessions *ss);
/* Lets those go on that are held for no reason any more. */
void sessions_resume(struct sessions *ss);

/* The engine's reply (engine_ops). */
void session_reply(
    void *ctx, void *session_cookie, const struct engine_reply *r);
/* What the caller encoded into qm->scratch: whole frames. */
void session_send_scratch(struct session *s);
/* The request is answered by a RESULT. */
void session_send_result(
    struct session *s, uint32_t id, enum mqi_err reason, const char *text);
/* Tells an agent (AGENT_ORDER). */
void session_order(struct session *s, const char *order);
void session_order_list(struct session *s, const struct mqctl_list *order);

/* ---- between session.c and session_out.c ---- */

void session_on_poll(uv_poll_t *poll, int status, int events);
/* Sets what the handle polls for. */
void session_poll_events(struct session *s);
void session_set_dirty(struct session *s, bool dirty);
/* Appends an ERROR frame and writes what the socket takes. */
void session_say_error(
    struct session *s, enum mqi_err reason, const char *text);

#endif

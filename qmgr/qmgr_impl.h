/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr_impl.h - the struct that owns everything, for the daemon's own files.
 * Loop thread only.
 *
 * A turn of the loop.  Whoever the loop calls (a socket, a timer, the store's
 * wake-up, a signal, a child's end) calls turn_begin() first, which moves the
 * engine's time; just before the loop sleeps, turn_end() closes the batch,
 * writes what the sessions have to say, lets sessions that were held go on,
 * and takes the next step of starting or stopping.
 */
#ifndef MQ_QMGR_QMGR_IMPL_H
#define MQ_QMGR_QMGR_IMPL_H

#include <uv.h>

#include "base/buf.h"
#include "base/sm.h"
#include "qmgr/agents.h"
#include "qmgr/apart.h"
#include "qmgr/engine/engine.h"
#include "qmgr/listener.h"
#include "qmgr/pings.h"
#include "qmgr/qmgr.h"
#include "qmgr/qmgr_dir.h"
#include "qmgr/scrub.h"
#include "qmgr/services.h"
#include "qmgr/session.h"

/* Bytes read from a socket at once: the fair share of a turn. */
#define QMGR_READ 262144u

enum qmgr_state {
	QMGR_STARTING, /* the engine's first batch is not durable yet */
	QMGR_RUNNING,
	QMGR_QUIESCING, /* no new work; units may end */
	QMGR_ENDING,    /* sessions are ended, effects become durable */
	QMGR_ENDED,     /* handles are closed, the loop runs out */
};

struct qmgr {
	char name[MQI_NAME_LEN + 1];
	struct qmgr_dir dir;
	char user[64 + 1]; /* the owner's name */
	struct mqsm state;
	bool create;
	bool log_json;
	bool stop_wanted;
	bool immediate;
	bool failed; /* exit status 1 */
	uint64_t started_ms;
	uint8_t incarnation[16];

	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_idle_t again; /* active: do not sleep before the next turn */
	uv_async_t wake;
	uv_timer_t tick;
	uv_signal_t sigterm;
	uv_signal_t sigint;
	uint64_t tick_at; /* what the timer is set to; UINT64_MAX: not set */
	bool in_turn;
	/* Who has asked for something since the last batch: if it is one
	 * session, nobody else waits while the loop flushes its batch. */
	const struct session *heard;
	bool crowd;
	bool busy;         /* the last batch was a crowd's */
	bool hears;        /* something in this turn */
	unsigned listened; /* turns in a row */
	bool flushed;      /* the store has done a batch at once: poll it */

	struct store *store;
	struct engine *engine;
	struct listener listener;
	struct sessions sessions;
	struct agents *agents;
	struct pings *pings;
	struct services *services;
	struct apart *apart;  /* NULL before the store is open */
	struct scrub *scrub;  /* NULL before the store is open */
	struct mqbuf scratch; /* frames are encoded here */
	uint8_t *read_buf;    /* QMGR_READ bytes */
};

void turn_init(struct qmgr *qm);
void turn_begin(struct qmgr *qm);
void turn_close(struct qmgr *qm); /* its handles */
/* The session has sent something. */
void turn_heard(struct qmgr *qm, const struct session *s);
/* The table that the engine calls back. */
extern const struct engine_ops turn_engine_ops;
/* The store's thread has something to say; from any thread. */
void turn_wake(void *arg);

/* The next step of the queue manager's life, at the end of each turn; true if
 * one was taken. */
bool qmgr_life(struct qmgr *qm);

/* Whether create_objects() has been done, and was durable. */
bool create_is_done(const struct engine *e, const char *name);
/* The objects that a new queue manager has.  Errors: as of
 * engine_object_set(). */
MQ_MUST_CHECK enum mqi_err create_objects(
    struct engine *e, const char *name, uint64_t wall_us);

#endif

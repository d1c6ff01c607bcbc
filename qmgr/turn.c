/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn.c - one turn of the loop: the engine's time, the store's answers, the
 * batch, the sessions' output.
 *
 * Neighbours: everything that libuv calls begins a turn; the prepare handle,
 * which runs just before the loop sleeps, ends it.
 * Invariants: the loop never sleeps with a turn open; after turn_end() either
 * no session has output that its socket would take, or the idle handle keeps
 * the loop awake.
 * Happy path: read requests, of a crowd until a look at the sockets finds no
 * more (TURN_LISTENS times at most); close the batch and give it to the store's
 * thread; write what waits while the store flushes; sleep.
 * Failure: when the store has failed nothing may leave the process any more:
 * it logs why and ends at once.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "qmgr/principal.h"
#include "qmgr/qmgr_impl.h"
#include "qmgr/store/suspect.h"

#define TURN_LISTENS 4 /* looks at the sockets before a batch goes */
#define TURN_ROUNDS 4  /* of output before the loop looks at sockets again */

static void on_tick(uv_timer_t *t);
static void turn_poll(struct qmgr *qm);

static void
on_again(uv_idle_t *h)
{
	turn_begin(h->data);
}

static void
turn_keep_awake(struct qmgr *qm, bool more)
{
	if (more)
		uv_idle_start(&qm->again, on_again);
	else
		uv_idle_stop(&qm->again);
}

static void
turn_set_timer(struct qmgr *qm)
{
	uint64_t at = engine_next_tick(qm->engine), now, delay_ms = 0;

	if (at == qm->tick_at)
		return;
	qm->tick_at = at;
	if (at == UINT64_MAX) {
		uv_timer_stop(&qm->tick);
		return;
	}
	now = mqclock_mono_us();
	if (at > now)
		delay_ms = (at - now + 999) / 1000;
	uv_update_time(&qm->loop);
	uv_timer_start(&qm->tick, on_tick, delay_ms, 0);
}

/* Hands the batch over, and takes the answer of one that is done already. */
static void
turn_batch(struct qmgr *qm)
{
	engine_turn_end(qm->engine);
	if (qm->flushed) {
		qm->flushed = false;
		turn_poll(qm);
	}
}

/* Where many speak, whoever is about to is waited for without sleeping: one
 * look more at the sockets costs less than one flush more. */
static bool
turn_listens(struct qmgr *qm)
{
	bool more = qm->hears && qm->busy && qm->listened < TURN_LISTENS;

	qm->hears = false;
	qm->listened = more ? qm->listened + 1 : 0;
	return more;
}

static void
turn_end(struct qmgr *qm)
{
	bool more = false;

	qm->in_turn = false;
	if (turn_listens(qm)) {
		(void)sessions_flush(&qm->sessions);
		turn_keep_awake(qm, true);
		return;
	}
	if (qm->state.current == QMGR_RUNNING)
		agents_turn(qm->agents);
	for (int i = 0; i < TURN_ROUNDS; i++) {
		turn_batch(qm);
		more = sessions_flush(&qm->sessions);
		sessions_resume(&qm->sessions);
		more = more || qm->sessions.n_dirty > 0;
		if (!more)
			break;
	}
	turn_batch(qm);
	if (qmgr_life(qm) || qm->sessions.n_dirty > 0)
		more = true;
	if (qm->state.current == QMGR_ENDED)
		return;
	turn_keep_awake(qm, more);
	turn_set_timer(qm);
}

static void
on_prepare(uv_prepare_t *h)
{
	struct qmgr *qm = h->data;

	if (qm->in_turn)
		turn_end(qm);
}

static void
on_tick(uv_timer_t *t)
{
	struct qmgr *qm = t->data;

	qm->tick_at = UINT64_MAX;
	turn_begin(qm);
}

void
turn_heard(struct qmgr *qm, const struct session *s)
{
	qm->hears = true;
	if (qm->heard == NULL)
		qm->heard = s;
	else if (qm->heard != s)
		qm->crowd = true;
}

void
turn_begin(struct qmgr *qm)
{
	if (qm->in_turn)
		return;
	qm->in_turn = true;
	engine_tick(qm->engine, mqclock_mono_us(), mqclock_wall_us());
}

/* ---- the store ---- */

static void
on_durable(void *ctx, uint64_t number)
{
	struct qmgr *qm = ctx;

	engine_durable(qm->engine, number);
}

static void
on_applied(void *ctx, uint64_t number)
{
	struct qmgr *qm = ctx;

	engine_applied(qm->engine, number);
}

static void
on_loaded(void *ctx, struct store_load *l)
{
	struct qmgr *qm = ctx;

	engine_loaded(qm->engine, l);
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	const struct qmgr *qm = ctx;
	char store[PATH_MAX];

	mqlog(MQLOG_FATAL, "store.failed",
	    "%s; the queue manager ends at once and answers nobody: %s",
	    mqi_strerror(err), why);
	/* an error of the disk is none of the store's pages */
	if (err == MQI_E_OBJECT_DAMAGED || err == MQI_E_STORE_FAILED) {
		(void)snprintf(store, sizeof(store), "%s/store", qm->dir.data);
		store_suspect(store, why);
	}
	_exit(1);
}

static void
turn_poll(struct qmgr *qm)
{
	const struct store_events ev = {
	    .durable = on_durable,
	    .applied = on_applied,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = qm,
	};

	qm->store->ops->poll(qm->store, &ev);
}

static void
on_wake(uv_async_t *h)
{
	struct qmgr *qm = h->data;

	turn_begin(qm);
	turn_poll(qm);
}

void
turn_wake(void *arg)
{
	struct qmgr *qm = arg;

	(void)uv_async_send(&qm->wake);
}

static void
op_submit(void *ctx, struct store_batch *b)
{
	struct qmgr *qm = ctx;
	const bool alone = qm->heard != NULL && !qm->crowd;

	engine_alone(qm->engine, alone);
	qm->busy = qm->crowd;
	qm->heard = NULL;
	qm->crowd = false;
	if (qm->store->ops->submit(qm->store, b, alone))
		qm->flushed = true;
}

static void
op_hurry(void *ctx, uint64_t number)
{
	struct qmgr *qm = ctx;

	qm->store->ops->hurry(qm->store, number);
}

static void
op_load(void *ctx, struct store_load *l)
{
	struct qmgr *qm = ctx;

	qm->store->ops->load(qm->store, l);
}

static void
op_stream_work(void *ctx, const char *queue)
{
	struct qmgr *qm = ctx;

	if (!pings_hold_work(qm->pings, queue))
		agents_work(qm->agents, queue);
}

static void
op_groups(void *ctx, const char *user, struct authority_groups *ret)
{
	(void)ctx;
	principal_groups(user, ret);
}

static bool
op_is_owner(void *ctx, const char *user)
{
	const struct qmgr *qm = ctx;

	return strcmp(user, qm->user) == 0 || principal_is_owner(user);
}

const struct engine_ops turn_engine_ops = {
    .reply = session_reply,
    .submit = op_submit,
    .hurry = op_hurry,
    .load = op_load,
    .stream_work = op_stream_work,
    .groups = op_groups,
    .is_owner = op_is_owner,
};

void
turn_init(struct qmgr *qm)
{
	uv_prepare_init(&qm->loop, &qm->prepare);
	uv_idle_init(&qm->loop, &qm->again);
	uv_timer_init(&qm->loop, &qm->tick);
	/* libuv can fail here for want of a descriptor alone */
	MQ_INVARIANT(uv_async_init(&qm->loop, &qm->wake, on_wake) == 0);
	qm->prepare.data = qm;
	qm->again.data = qm;
	qm->tick.data = qm;
	qm->wake.data = qm;
	qm->tick_at = UINT64_MAX;
	uv_prepare_start(&qm->prepare, on_prepare);
}

void
turn_close(struct qmgr *qm)
{
	uv_close((uv_handle_t *)&qm->prepare, NULL);
	uv_close((uv_handle_t *)&qm->again, NULL);
	uv_close((uv_handle_t *)&qm->tick, NULL);
	uv_close((uv_handle_t *)&qm->wake, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.c - clients by chance.
 *
 * Happy path: a client opens the four queues, then does one of its deeds per
 * round.  A deed tells the checker before each call and after it.  Failure
 * modes: `lost` says that the connection is gone, which ends the client; any
 * other surprising result is a fault of the queue manager or of libmq.
 */
#include "tests/lib/workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rand.h"

#define BODY_MAX 300000u
#define AHEAD_QUEUE 3u
#define POSITION_PARTNER "workload"

static const char *const queue_names[WORKLOAD_QUEUES] = {"A", "B", "C", "D"};

struct client {
	struct workload *w;
	struct checker *c;
	unsigned me;
	uint64_t seed;
	mqi_conn *conn;
	mqi_queue *queues[WORKLOAD_QUEUES];
	bool lost;
	unsigned char body[BODY_MAX];
};

static unsigned
dice(struct client *k, unsigned n)
{
	return (unsigned)(mqrand_next(&k->seed) % n);
}

/* What a result says of the call; also notes the end of the connection. */
static enum checker_outcome
outcome(struct client *k, const char *call, enum mqi_err err)
{
	switch (err) {
	case MQI_OK:
		return CHECKER_DONE;
	case MQI_E_NO_MSG_AVAILABLE:
		return CHECKER_NOT_DONE;
	case MQI_E_NOT_DONE:
	case MQI_E_BACKED_OUT:
		k->lost = true;
		return CHECKER_NOT_DONE;
	case MQI_E_UNKNOWN_OUTCOME:
	case MQI_E_CONNECTION_BROKEN:
		k->lost = true;
		return CHECKER_UNKNOWN;
	default:
		fprintf(stderr, "workload: %s: %d %s: %s\n", call, (int)err,
		    mqi_strerror(err), mqi_last_error(k->conn));
		k->w->faults++;
		k->lost = true;
		return CHECKER_UNKNOWN;
	}
}

/* A new body in k->body; most are small. */
static size_t
make_body(struct client *k, uint32_t id)
{
	size_t len = CHECKER_BODY_MIN + dice(k, 1500);

	if (dice(k, 40) == 0)
		len = 60000 + dice(k, BODY_MAX - 60000);
	checker_fill(id, k->body, len);
	return len;
}

static void
do_put(struct client *k, unsigned q, bool persistent, mqi_unit *unit,
    uint32_t unit_no)
{
	struct mqi_md md;
	uint32_t id = checker_put_begin(k->c, k->me, q, persistent, unit_no);
	size_t len = make_body(k, id);

	mqi_md_init(&md);
	md.persistence = persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
	enum mqi_err err = mqi_put(k->queues[q], unit, &md, k->body, len);
	checker_put_end(k->c, id, outcome(k, "put", err));
}

/* Gets one; tells the checker; returns the id or 0. */
static uint32_t
do_get(struct client *k, unsigned q, mqi_unit *unit, uint32_t unit_no)
{
	struct mqi_get_opts opts = {.wait_ms = dice(k, 3) ? 0 : 3};
	mqi_msg *msg = NULL;
	uint32_t id = 0;
	uint32_t get = checker_get_begin(k->c, k->me, q, unit_no);

	enum mqi_err err = mqi_get_msg(k->queues[q], unit, &opts, &msg);
	if (err == MQI_OK) {
		id = checker_identify(mqi_msg_body(msg), mqi_msg_len(msg));
		if (!id) {
			fprintf(stderr, "workload: a body was changed\n");
			k->w->faults++;
		}
	}
	checker_get_end(k->c, get, id, outcome(k, "get", err));
	mqi_msg_free(msg);
	return id;
}

static mqi_unit *
begin(struct client *k, uint32_t *ret_no)
{
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(k->conn, &unit);

	if (err) {
		(void)outcome(k, "begin", err);
		return NULL;
	}
	*ret_no = checker_unit_begin(k->c);
	return unit;
}

static void
end(struct client *k, mqi_unit *unit, uint32_t no)
{
	bool commit = dice(k, 5) != 0;

	checker_unit_ending(k->c, no);
	if (commit) {
		enum mqi_err err = mqi_commit(unit);
		checker_unit_end(k->c, no, outcome(k, "commit", err));
		return;
	}
	/* whatever becomes of the call, nothing of the unit is done */
	(void)outcome(k, "backout", mqi_backout(unit));
	checker_unit_end(k->c, no, CHECKER_NOT_DONE);
}

/* ---- deeds ---- */

/* More than a unit keeps in memory: its bodies are staged. */
static void
put_large_unit(struct client *k)
{
	uint32_t no;
	mqi_unit *unit = begin(k, &no);

	if (!unit)
		return;
	for (unsigned bytes = 0; bytes < 1500000 && !k->lost;) {
		unsigned q = dice(k, WORKLOAD_QUEUES);
		uint32_t id = checker_put_begin(k->c, k->me, q, true, no);
		size_t len = 20000 + dice(k, 50000);
		checker_fill(id, k->body, len);
		enum mqi_err err =
		    mqi_put(k->queues[q], unit, NULL, k->body, len);
		checker_put_end(k->c, id, outcome(k, "large unit", err));
		bytes += (unsigned)len;
	}
	end(k, unit, no);
}

static void
put_by_position(struct client *k)
{
	struct workload_position *p = &k->w->positions[k->me];
	const uint8_t stream[MQI_STREAM_ID_LEN] = {(uint8_t)k->me};
	uint64_t to = p->at + 1 + dice(k, 3);
	uint32_t no;
	mqi_unit *unit = begin(k, &no);

	if (!unit)
		return;
	do_put(k, dice(k, WORKLOAD_QUEUES), true, unit, no);
	enum mqi_err err =
	    mqi_unit_position(unit, POSITION_PARTNER, stream, p->at, to);
	if (err || k->lost) {
		(void)outcome(k, "unit position", err);
		(void)mqi_backout(unit);
		return;
	}
	checker_unit_ending(k->c, no);
	err = mqi_commit(unit);
	enum checker_outcome out = outcome(k, "commit by position", err);
	checker_unit_end(k->c, no, out);
	if (out == CHECKER_DONE)
		p->at = to;
	if (out == CHECKER_UNKNOWN) {
		p->pending = to;
		p->unit = no;
	}
}

/* Where the position stands tells whether the commit that was cut off was
 * done. */
static bool
resolve_position(struct client *k)
{
	struct workload_position *p = &k->w->positions[k->me];
	const uint8_t stream[MQI_STREAM_ID_LEN] = {(uint8_t)k->me};
	uint64_t at;

	enum mqi_err err =
	    mqi_position_open(k->conn, POSITION_PARTNER, stream, &at);
	if (err) {
		(void)outcome(k, "position open", err);
		return false;
	}
	if (at != p->at && (p->pending == 0 || at != p->pending)) {
		fprintf(stderr,
		    "workload: the position is %llu, it was %llu (or %llu)\n",
		    (unsigned long long)at, (unsigned long long)p->at,
		    (unsigned long long)p->pending);
		k->w->faults++;
	}
	if (p->pending)
		checker_unit_end(k->c, p->unit,
		    at == p->pending ? CHECKER_DONE : CHECKER_NOT_DONE);
	p->pending = 0;
	p->at = at;
	return true;
}

/* Browses to the third message and gets it by its id. */
static void
get_by_id(struct client *k)
{
	struct mqi_get_opts opts = {.options = MQI_GET_BROWSE_FIRST};
	unsigned q = dice(k, WORKLOAD_QUEUES);
	uint8_t wanted[MQI_ID_LEN];
	enum mqi_err err = MQI_OK;
	mqi_msg *msg = NULL;

	for (int i = 0; i < 3 && !err; i++) {
		err = mqi_get_msg(k->queues[q], NULL, &opts, &msg);
		if (err)
			break;
		memcpy(wanted, mqi_msg_md(msg)->msg_id, sizeof(wanted));
		msg = mqi_msg_free(msg);
		opts.options = MQI_GET_BROWSE_NEXT;
	}
	if (outcome(k, "browse", err) != CHECKER_DONE)
		return;
	opts.options = MQI_GET_MATCH_MSG_ID;
	memcpy(opts.msg_id, wanted, sizeof(wanted));
	uint32_t id = 0, get = checker_get_begin(k->c, k->me, q, 0);
	checker_get_by_id(k->c, get);
	err = mqi_get_msg(k->queues[q], NULL, &opts, &msg);
	if (!err) {
		id = checker_identify(mqi_msg_body(msg), mqi_msg_len(msg));
		if (!id || memcmp(mqi_msg_md(msg)->msg_id, wanted,
			       sizeof(wanted)) != 0)
			k->w->faults++;
	}
	checker_get_end(k->c, get, id, outcome(k, "get by id", err));
	mqi_msg_free(msg);
}

static void
put_unit(struct client *k)
{
	uint32_t no;
	mqi_unit *unit = begin(k, &no);

	if (!unit)
		return;
	unsigned n = 1 + dice(k, 5);
	for (unsigned i = 0; i < n && !k->lost; i++)
		do_put(k, dice(k, WORKLOAD_QUEUES), true, unit, no);
	end(k, unit, no);
}

static void
put_burst(struct client *k)
{
	unsigned q = dice(k, WORKLOAD_QUEUES), n = 2 + dice(k, 30), sent;
	uint32_t ids[32];
	struct mqi_md md;
	enum mqi_err err = MQI_OK;

	for (sent = 0; sent < n && !err; sent++) {
		ids[sent] = checker_put_begin(k->c, k->me, q, true, 0);
		size_t len = make_body(k, ids[sent]);
		mqi_md_init(&md);
		err = mqi_put_async(k->queues[q], NULL, &md, k->body, len);
	}
	if (!err)
		err = mqi_flush(k->queues[q]);
	enum checker_outcome out = outcome(k, "put_async", err);
	/* of a burst that was cut off anything may have been done */
	for (unsigned i = 0; i < sent; i++)
		checker_put_end(
		    k->c, ids[i], out == CHECKER_DONE ? out : CHECKER_UNKNOWN);
}

static void
put_many(struct client *k)
{
	unsigned q = dice(k, WORKLOAD_QUEUES), n = 1 + dice(k, 8);
	struct mqi_put_item items[8];
	uint32_t ids[8];

	for (unsigned i = 0; i < n; i++) {
		ids[i] = checker_put_begin(k->c, k->me, q, true, 0);
		checker_fill(ids[i], k->body + 100 * (size_t)i, 100);
		items[i] = (struct mqi_put_item){
		    .body = k->body + 100 * (size_t)i, .body_len = 100};
	}
	enum mqi_err err = mqi_put_many(k->queues[q], NULL, items, n);
	for (unsigned i = 0; i < n; i++) {
		if (items[i].result == MQI_E_SUPPRESSED && err)
			checker_put_end(k->c, ids[i], CHECKER_NOT_DONE);
		else
			checker_put_end(k->c, ids[i],
			    outcome(
				k, "put_many", err ? items[i].result : MQI_OK));
	}
	if (err)
		(void)outcome(k, "put_many", err);
}

static void
get_unit(struct client *k)
{
	uint32_t no;
	mqi_unit *unit = begin(k, &no);

	if (!unit)
		return;
	unsigned n = 1 + dice(k, 5);
	for (unsigned i = 0; i < n && !k->lost; i++) {
		if (do_get(k, dice(k, WORKLOAD_QUEUES), unit, no) &&
		    dice(k, 2) && !k->lost)
			do_put(k, dice(k, WORKLOAD_QUEUES), true, unit, no);
	}
	end(k, unit, no);
}

/* On a handle of its own: some messages ahead, some of them acknowledged. */
static void
get_ahead(struct client *k)
{
	unsigned q = AHEAD_QUEUE, n = 1 + dice(k, 20);
	struct mqi_get_opts opts = {.wait_ms = 3};
	mqi_queue *queue = NULL;
	bool acked = false;

	enum mqi_err err = mqi_open(
	    k->conn, queue_names[q], NULL, MQI_OO_INPUT_SHARED, &queue);
	if (!err)
		err = mqi_read_ahead(queue, NULL);
	for (unsigned i = 0; i < n && !err; i++) {
		mqi_msg *msg = NULL;
		err = mqi_get_msg(queue, NULL, &opts, &msg);
		if (err)
			break;
		uint32_t id =
		    checker_identify(mqi_msg_body(msg), mqi_msg_len(msg));
		if (!id)
			k->w->faults++;
		checker_ahead_got(k->c, k->me, q, id);
		if (dice(k, 2)) {
			checker_ahead_acking(k->c, k->me, id);
			err = mqi_ack(queue, msg);
			acked = true;
		}
		mqi_msg_free(msg);
	}
	if (err && err != MQI_E_NO_MSG_AVAILABLE)
		(void)outcome(k, "read ahead", err);
	if (acked && !k->lost && queue) {
		err = mqi_flush(queue);
		if (outcome(k, "flush", err) == CHECKER_DONE)
			checker_ahead_flushed(k->c, k->me);
	}
	err = mqi_close(queue);
	if (err)
		(void)outcome(k, "close", err);
	checker_ahead_closed(k->c, k->me);
}

static void
browse(struct client *k)
{
	struct mqi_get_opts opts = {.options = MQI_GET_BROWSE_FIRST};
	mqi_queue *queue = k->queues[dice(k, WORKLOAD_QUEUES)];
	enum mqi_err err = MQI_OK;

	for (int i = 0; i < 3 && !err; i++) {
		mqi_msg *msg = NULL;
		err = mqi_get_msg(queue, NULL, &opts, &msg);
		if (!err &&
		    !checker_identify(mqi_msg_body(msg), mqi_msg_len(msg)))
			k->w->faults++;
		mqi_msg_free(msg);
		opts.options = MQI_GET_BROWSE_NEXT;
	}
	(void)outcome(k, "browse", err);
}

static void
deed(struct client *k)
{
	switch (dice(k, 15)) {
	case 0:
	case 1:
	case 2:
		do_put(k, dice(k, WORKLOAD_QUEUES), true, NULL, 0);
		break;
	case 3:
		do_put(k, dice(k, WORKLOAD_QUEUES), false, NULL, 0);
		break;
	case 4:
	case 5:
		put_unit(k);
		break;
	case 6:
		put_burst(k);
		break;
	case 7:
		put_many(k);
		break;
	case 8:
		(void)do_get(k, dice(k, WORKLOAD_QUEUES), NULL, 0);
		break;
	case 9:
		get_unit(k);
		break;
	case 10:
		get_ahead(k);
		break;
	case 11:
		put_by_position(k);
		break;
	case 12:
		get_by_id(k);
		break;
	case 13:
		if (dice(k, 4) == 0)
			put_large_unit(k);
		break;
	default:
		browse(k);
		break;
	}
}

/* Opens all queues; what fails because the queue manager dies is no fault. */
static bool
client_open(struct client *k)
{
	struct mqi_connect_opts opts = {
	    .root = k->w->qm->root, .app_name = "workload"};

	if (mqi_connect(k->w->qm->name, &opts, &k->conn) != MQI_OK)
		return false;
	for (unsigned q = 0; q < WORKLOAD_QUEUES; q++) {
		enum mqi_err err = mqi_open(k->conn, queue_names[q], NULL,
		    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE,
		    &k->queues[q]);
		if (err) {
			(void)outcome(k, "open", err);
			return false;
		}
	}
	return resolve_position(k);
}

static void *
client_main(void *arg)
{
	struct client *k = arg;

	k->lost = !client_open(k);
	for (unsigned i = 0; i < k->w->rounds && !k->lost; i++)
		deed(k);
	if (k->lost)
		k->w->broken++;
	/* frees the handles; its result is that of calls told already */
	(void)mqi_disconnect(k->conn);
	return NULL;
}

void
workload_run(struct workload *w)
{
	pthread_t threads[WORKLOAD_CLIENTS];
	struct client *clients = calloc(WORKLOAD_CLIENTS, sizeof(*clients));

	MQ_INVARIANT(clients != NULL);
	w->broken = 0;
	checker_free_order(w->checker, AHEAD_QUEUE);
	for (unsigned i = 0; i < WORKLOAD_CLIENTS; i++) {
		struct client *k = &clients[i];
		k->w = w;
		k->c = w->checker;
		k->me = i;
		k->seed = mqrand_next(&w->seed);
		int rc = pthread_create(&threads[i], NULL, client_main, k);
		MQ_INVARIANT(rc == 0);
	}
	for (unsigned i = 0; i < WORKLOAD_CLIENTS; i++)
		(void)pthread_join(threads[i], NULL);
	free(clients);
}

/* ---- the drain ---- */

struct drain {
	struct checker_drained *at;
	size_t n, cap;
};

static void
drain_add(struct drain *d, unsigned queue, const mqi_msg *msg)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 256;
		d->at = realloc(d->at, d->cap * sizeof(*d->at));
		MQ_INVARIANT(d->at != NULL);
	}
	d->at[d->n++] = (struct checker_drained){
	    .id = checker_identify(mqi_msg_body(msg), mqi_msg_len(msg)),
	    .queue = queue};
}

static enum mqi_err
drain_queue(struct drain *d, mqi_conn *conn, unsigned q, mqi_unit *unit)
{
	mqi_queue *queue = NULL;
	enum mqi_err err =
	    mqi_open(conn, queue_names[q], NULL, MQI_OO_INPUT_SHARED, &queue);

	while (!err) {
		mqi_msg *msg = NULL;
		err = mqi_poll(queue, unit, &msg);
		if (!err)
			drain_add(d, q, msg);
		mqi_msg_free(msg);
	}
	(void)mqi_close(queue);
	return err == MQI_E_NO_MSG_AVAILABLE ? MQI_OK : err;
}

bool
workload_drain(const struct qm *qm, bool commit,
    struct checker_drained **ret_drained, size_t *ret_n)
{
	struct drain d = {0};
	mqi_conn *conn = qm_connect(qm);
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(conn, &unit);

	for (unsigned q = 0; q < WORKLOAD_QUEUES && !err; q++)
		err = drain_queue(&d, conn, q, unit);
	if (!err)
		err = commit ? mqi_commit(unit) : mqi_backout(unit);
	if (err)
		fprintf(stderr, "drain: %d %s: %s\n", (int)err,
		    mqi_strerror(err), mqi_last_error(conn));
	(void)mqi_disconnect(conn);
	*ret_drained = d.at;
	*ret_n = d.n;
	return err == MQI_OK;
}

void
workload_tell_drained(
    struct checker *c, const struct checker_drained *drained, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t get = checker_get_begin(
		    c, CHECKER_CLIENTS - 1, drained[i].queue, 0);
		checker_get_end(c, get, drained[i].id, CHECKER_DONE);
	}
}

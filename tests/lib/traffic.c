/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic.c - applications on a ring of queue managers (traffic.h).
 *
 * Neighbours: checker.c judges what is told here; a test does the harm.
 *
 * Happy path: connect, open, and one deed after the other, each told to the
 * checker before and after.
 * Failure modes: a connection that is gone, or not there yet, is made again; a
 * put that is refused for want of room is not done; any other result is a
 * fault, which is printed and counted.
 */
#include "tests/lib/traffic.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rand.h"

#define BODY_MAX 200000u
#define N_DEST 4u
#define MAX_QUEUED 40000u /* messages, on all queues */
#define LOOK_EVERY 32u    /* deeds between looks at the transmission queues */

/* Who tells the checker: persistent and other puts have an order each. */
enum { PUTTER = 0, PUTTER_NP = 3, GETTER = 6 };

struct dest {
	mqi_queue *queue;
	unsigned number; /* for the checker */
};

struct client {
	struct traffic *t;
	struct traffic_site *site;
	struct checker *c;
	unsigned me;
	uint64_t seed;
	mqi_conn *conn;
	struct dest dest[N_DEST];
	mqi_queue *xmitq[2];
	mqi_queue *in[2];
	bool lost;
	unsigned char body[BODY_MAX];
};

unsigned
traffic_queue(unsigned qm, bool via)
{
	return qm * 2 + (via ? 1 : 0);
}

void
traffic_mqsc(const struct qm *qms, unsigned i, char *ret_text, size_t len)
{
	const char *next = qms[(i + 1) % TRAFFIC_QMS].name;
	const char *prev = qms[(i + 2) % TRAFFIC_QMS].name;

	(void)snprintf(ret_text, len,
	    "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXDEPTH(1000000)\n"
	    "DEFINE QLOCAL(VIA) DEFPSIST(YES) MAXDEPTH(1000000)\n"
	    "DEFINE QLOCAL(%s) USAGE(XMITQ) MAXDEPTH(1000000)\n"
	    "DEFINE QLOCAL(%s) USAGE(XMITQ) MAXDEPTH(1000000)\n"
	    "DEFINE QREMOTE(FAR.%s) RQMNAME(%s) XMITQ(%s)\n"
	    "DEFINE QREMOTE(FAR.%s) RQMNAME(%s) XMITQ(%s)\n",
	    next, prev, next, next, prev, prev, prev, next);
}

static unsigned
dice(struct client *k, unsigned n)
{
	return (unsigned)(mqrand_next(&k->seed) % n);
}

static enum checker_outcome
outcome(struct client *k, const char *call, enum mqi_err err)
{
	switch (err) {
	case MQI_OK:
		return CHECKER_DONE;
	case MQI_E_NO_MSG_AVAILABLE:
	case MQI_E_STORAGE_MEDIUM_FULL:
		return CHECKER_NOT_DONE;
	case MQI_E_NOT_DONE:
		k->lost = true;
		return CHECKER_NOT_DONE;
	case MQI_E_UNKNOWN_OUTCOME:
	case MQI_E_CONNECTION_BROKEN:
		k->lost = true;
		return CHECKER_UNKNOWN;
	default:
		fprintf(stderr, "traffic: %s at %s: %d %s: %s\n", call,
		    k->t->qms[k->me].name, (int)err, mqi_strerror(err),
		    mqi_last_error(k->conn));
		k->t->faults++;
		k->lost = true;
		return CHECKER_UNKNOWN;
	}
}

/* ---- connections ---- */

static enum mqi_err
open_dest(struct client *k, unsigned n, unsigned qm, bool via)
{
	char at[MQI_NAME_LEN + 1];

	(void)snprintf(
	    at, sizeof(at), "%s%.40s", via ? "FAR." : "", k->t->qms[qm].name);
	k->dest[n].number = traffic_queue(qm, via);
	return mqi_open(
	    k->conn, via ? "VIA" : "IN", at, MQI_OO_OUTPUT, &k->dest[n].queue);
}

static enum mqi_err
open_all(struct client *k)
{
	unsigned next = (k->me + 1) % TRAFFIC_QMS;
	unsigned prev = (k->me + 2) % TRAFFIC_QMS;
	enum mqi_err err = open_dest(k, 0, next, false);

	if (err == MQI_OK)
		err = open_dest(k, 1, prev, false);
	if (err == MQI_OK)
		err = open_dest(k, 2, next, true);
	if (err == MQI_OK)
		err = open_dest(k, 3, prev, true);
	if (err == MQI_OK)
		err = mqi_open(k->conn, k->t->qms[next].name, NULL,
		    MQI_OO_INQUIRE, &k->xmitq[0]);
	if (err == MQI_OK)
		err = mqi_open(k->conn, k->t->qms[prev].name, NULL,
		    MQI_OO_INQUIRE, &k->xmitq[1]);
	if (err == MQI_OK)
		err = mqi_open(
		    k->conn, "IN", NULL, MQI_OO_INPUT_SHARED, &k->in[0]);
	if (err == MQI_OK)
		err = mqi_open(
		    k->conn, "VIA", NULL, MQI_OO_INPUT_SHARED, &k->in[1]);
	return err;
}

/* Connects, if that is possible now. */
static void
attach(struct client *k)
{
	const struct qm *q = &k->t->qms[k->me];
	struct mqi_connect_opts opts = {.root = q->root, .app_name = "traffic"};

	(void)mqi_disconnect(k->conn);
	k->conn = NULL;
	if (mqi_connect(q->name, &opts, &k->conn) != MQI_OK) {
		(void)poll(NULL, 0, 20);
		return;
	}
	k->lost = false;
	(void)outcome(k, "open", open_all(k));
	if (k->lost)
		k->site->lost++;
}

/* ---- deeds ---- */

static size_t
make_body(struct client *k, uint32_t id)
{
	size_t len = CHECKER_BODY_MIN + dice(k, 1500);

	if (dice(k, 100) == 0)
		len = 60000 + dice(k, BODY_MAX - 60000);
	checker_fill(id, k->body, len);
	return len;
}

static bool
do_put(struct client *k, unsigned putter, const struct dest *to, mqi_unit *unit,
    uint32_t unit_no, bool persistent)
{
	uint32_t id =
	    checker_put_begin(k->c, putter, to->number, persistent, unit_no);
	size_t len = make_body(k, id);
	struct mqi_md md;
	enum checker_outcome out;

	mqi_md_init(&md);
	md.persistence = persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
	out = outcome(k, "put", mqi_put(to->queue, unit, &md, k->body, len));
	checker_put_end(k->c, id, out);
	if (out == CHECKER_DONE && unit == NULL)
		k->site->puts++;
	return out == CHECKER_DONE;
}

static mqi_unit *
begin(struct client *k, uint32_t *ret_no)
{
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(k->conn, &unit);

	if (err != MQI_OK) {
		(void)outcome(k, "begin", err);
		return NULL;
	}
	*ret_no = checker_unit_begin(k->c);
	return unit;
}

/* Ends a unit; true if it was committed. */
static bool
end(struct client *k, mqi_unit *unit, uint32_t no, bool commit)
{
	enum checker_outcome out = CHECKER_NOT_DONE;
	enum mqi_err err;

	checker_unit_ending(k->c, no);
	if (commit) {
		err = mqi_commit(unit);
		if (err == MQI_E_BACKED_OUT)
			k->lost = true; /* with its connection */
		else
			out = outcome(k, "commit", err);
	} else {
		/* whatever becomes of the call, nothing of it is done */
		(void)outcome(k, "backout", mqi_backout(unit));
	}
	checker_unit_end(k->c, no, out);
	return out == CHECKER_DONE;
}

static void
put_unit(struct client *k)
{
	unsigned n = 1 + dice(k, 10), done = 0;
	uint32_t no = 0;
	mqi_unit *unit = begin(k, &no);
	bool ok = unit != NULL;

	if (unit == NULL)
		return;
	while (done < n && ok) {
		ok = do_put(k, PUTTER + k->me, &k->dest[dice(k, N_DEST)], unit,
		    no, true);
		done += ok;
	}
	if (end(k, unit, no, ok && dice(k, 8) != 0))
		k->site->puts += done;
}

static void
put_burst(struct client *k)
{
	const struct dest *to = &k->dest[dice(k, N_DEST)];
	unsigned n = 2 + dice(k, 30), sent;
	enum checker_outcome out;
	enum mqi_err err = MQI_OK;
	uint32_t ids[32];

	for (sent = 0; sent < n && err == MQI_OK; sent++) {
		struct mqi_md md;
		size_t len;

		ids[sent] = checker_put_begin(
		    k->c, PUTTER + k->me, to->number, true, 0);
		len = make_body(k, ids[sent]);
		mqi_md_init(&md);
		md.persistence = MQI_PERSISTENCE_YES;
		err = mqi_put_async(to->queue, NULL, &md, k->body, len);
	}
	/* after one that failed, the others are not tried until the flush */
	if (err == MQI_OK || err == MQI_E_SUPPRESSED)
		err = mqi_flush(to->queue);
	out = outcome(k, "put_async", err);
	/* of a burst that was cut off anything may have been done */
	for (unsigned i = 0; i < sent; i++)
		checker_put_end(
		    k->c, ids[i], out == CHECKER_DONE ? out : CHECKER_UNKNOWN);
	if (out == CHECKER_DONE)
		k->site->puts += sent;
}

/* Whether more waits to be got than a small disk should hold. */
static bool
is_too_much(const struct traffic *t)
{
	uint64_t puts = 0, gets = 0;

	for (unsigned i = 0; i < TRAFFIC_QMS; i++) {
		puts += t->sites[i].puts;
		gets += t->sites[i].gets;
	}
	return puts > gets + MAX_QUEUED;
}

/* Waits while what has been put does not leave, or is not got. */
static void
wait_for_room(struct client *k)
{
	uint64_t deepest;

	do {
		deepest = 0;
		for (unsigned i = 0; i < 2 && !k->lost; i++) {
			struct mqi_queue_info info = {0};

			(void)outcome(
			    k, "inquire", mqi_inquire(k->xmitq[i], &info));
			if (info.depth > deepest)
				deepest = info.depth;
		}
		if (is_too_much(k->t))
			deepest = UINT64_MAX;
		if (deepest > k->t->max_backlog)
			(void)poll(NULL, 0, 20);
	} while (deepest > k->t->max_backlog && !k->t->stop_putting);
}

static void
put_deed(struct client *k)
{
	unsigned what = dice(k, 10);

	if (what < 4)
		(void)do_put(k, PUTTER + k->me, &k->dest[dice(k, N_DEST)], NULL,
		    0, true);
	else if (what == 4)
		(void)do_put(k, PUTTER_NP + k->me, &k->dest[dice(k, N_DEST)],
		    NULL, 0, false);
	else if (what < 8)
		put_unit(k);
	else
		put_burst(k);
	if (!k->lost && dice(k, LOOK_EVERY) == 0)
		wait_for_room(k);
	(void)poll(NULL, 0, (int)dice(k, 4));
}

/* Gets one; told to the checker; whether one came. */
static bool
do_get(struct client *k, unsigned which, mqi_unit *unit, uint32_t unit_no)
{
	struct mqi_get_opts opts = {.wait_ms = dice(k, 30)};
	uint32_t id = 0, get = checker_get_begin(k->c, GETTER + k->me,
			     traffic_queue(k->me, which != 0), unit_no);
	mqi_msg *msg = NULL;
	enum mqi_err err = mqi_get_msg(k->in[which], unit, &opts, &msg);

	if (err == MQI_OK) {
		id = checker_identify(mqi_msg_body(msg), mqi_msg_len(msg));
		if (id == 0) {
			fprintf(stderr, "traffic: a body was changed\n");
			k->t->faults++;
		}
	}
	checker_get_end(k->c, get, id, outcome(k, "get", err));
	mqi_msg_free(msg);
	return id != 0;
}

/* Some of what is got goes on to the next, in the same unit of work. */
static void
get_unit(struct client *k)
{
	unsigned n = 1 + dice(k, 12), got = 0;
	uint32_t no = 0;
	mqi_unit *unit = begin(k, &no);
	bool ok = unit != NULL;

	if (unit == NULL)
		return;
	for (unsigned i = 0; i < n && ok; i++) {
		if (!do_get(k, dice(k, 2), unit, no)) {
			ok = !k->lost;
			continue;
		}
		got++;
		if (dice(k, 4) == 0)
			ok = do_put(
			    k, GETTER + k->me, &k->dest[0], unit, no, true);
	}
	if (end(k, unit, no, ok && dice(k, 6) != 0))
		k->site->gets += got;
}

static void
get_deed(struct client *k)
{
	if (dice(k, 2))
		get_unit(k);
	else if (do_get(k, dice(k, 2), NULL, 0) && !k->lost)
		k->site->gets++;
}

/* ---- threads ---- */

static void
live(struct traffic_site *s, uint64_t seed, void (*deed)(struct client *),
    const _Atomic bool *stop)
{
	struct client *k = calloc(1, sizeof(*k));

	MQ_INVARIANT(k != NULL);
	k->t = s->t;
	k->site = s;
	k->c = s->t->checker;
	k->me = s->me;
	k->seed = seed;
	k->lost = true;
	while (!*stop) {
		if (k->lost) {
			attach(k);
			continue;
		}
		deed(k);
		if (k->lost)
			s->lost++;
	}
	(void)mqi_disconnect(k->conn);
	free(k);
}

static void *
putter_main(void *arg)
{
	struct traffic_site *s = arg;

	live(s, s->t->seed + s->me, put_deed, &s->t->stop_putting);
	return NULL;
}

static void *
getter_main(void *arg)
{
	struct traffic_site *s = arg;

	live(s, s->t->seed + 100 + s->me, get_deed, &s->t->stop_getting);
	return NULL;
}

void
traffic_start(struct traffic *t)
{
	for (unsigned i = 0; i < TRAFFIC_QMS; i++) {
		struct traffic_site *s = &t->sites[i];
		int rc;

		s->t = t;
		s->me = i;
		rc = pthread_create(&s->putter, NULL, putter_main, s);
		MQ_INVARIANT(rc == 0);
		rc = pthread_create(&s->getter, NULL, getter_main, s);
		MQ_INVARIANT(rc == 0);
	}
}

void
traffic_stop_putting(struct traffic *t)
{
	t->stop_putting = true;
	for (unsigned i = 0; i < TRAFFIC_QMS; i++)
		(void)pthread_join(t->sites[i].putter, NULL);
}

void
traffic_stop_getting(struct traffic *t)
{
	t->stop_getting = true;
	for (unsigned i = 0; i < TRAFFIC_QMS; i++)
		(void)pthread_join(t->sites[i].getter, NULL);
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
		d->cap = d->cap ? d->cap * 2 : 1024;
		d->at = realloc(d->at, d->cap * sizeof(*d->at));
		MQ_INVARIANT(d->at != NULL);
	}
	d->at[d->n++] = (struct checker_drained){
	    .id = checker_identify(mqi_msg_body(msg), mqi_msg_len(msg)),
	    .queue = queue};
}

static void
drain_queue(struct drain *d, mqi_conn *conn, unsigned qm, bool via)
{
	mqi_queue *queue = NULL;
	enum mqi_err err = mqi_open(
	    conn, via ? "VIA" : "IN", NULL, MQI_OO_INPUT_SHARED, &queue);

	while (err == MQI_OK) {
		mqi_msg *msg = NULL;

		err = mqi_poll(queue, NULL, &msg);
		if (err == MQI_OK)
			drain_add(d, traffic_queue(qm, via), msg);
		mqi_msg_free(msg);
	}
	if (err != MQI_E_NO_MSG_AVAILABLE)
		proc_die(NULL, mqi_strerror(err));
	(void)mqi_close(queue);
}

void
traffic_drain(const struct traffic *t, struct checker_drained **ret_drained,
    size_t *ret_n)
{
	struct drain d = {0};

	for (unsigned i = 0; i < TRAFFIC_QMS; i++) {
		mqi_conn *conn = qm_connect(&t->qms[i]);

		drain_queue(&d, conn, i, false);
		drain_queue(&d, conn, i, true);
		(void)mqi_disconnect(conn);
	}
	*ret_drained = d.at;
	*ret_n = d.n;
}

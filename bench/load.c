/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - producers and consumers, and what every load needs.
 *
 * Neighbours: run.c, backlog.c and their like start these threads, count over
 * a time or up to a target, and stop them.
 *
 * A producer keeps a window of unanswered puts; a consumer reads ahead and
 * acknowledges every message.  With units of work both end one after so many
 * messages: the producer goes on at once, the consumer waits for its commit.
 * Without a target the backlog stays at LOAD_BACKLOG or below.  Sustained
 * loads run up to a second before they are measured.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "libmq/conn.h"

#define WARM_UP_S 1.0
#define WAIT_MS 200
#define COUNT 16u /* messages that a thread counts at once */

struct worker *
load_workers(unsigned n)
{
	struct worker *w = calloc(n, sizeof(*w));

	if (w == NULL)
		bench_die("no memory");
	return w;
}

void
load_start(struct worker *w, unsigned n, struct load *load, void *(*fn)(void *))
{
	if (n > LOAD_MAX_THREADS)
		bench_die("at most %u threads of a kind", LOAD_MAX_THREADS);
	for (unsigned i = 0; i < n; i++) {
		w[i].load = load;
		w[i].n = i;
		if (pthread_create(&w[i].thread, NULL, fn, &w[i]) != 0)
			bench_die("no thread");
	}
}

void
load_join(struct worker *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(w[i].thread, NULL);
}

mqi_queue *
load_open(mqi_conn *c, const char *name, uint32_t options)
{
	mqi_queue *q = NULL;

	bench_check(c, mqi_open(c, name, NULL, options, &q), name);
	return q;
}

char *
load_body(size_t size)
{
	char *body = malloc(size + 1);

	if (body == NULL)
		bench_die("no memory");
	memset(body, 'x', size);
	return body;
}

void
load_md(const struct bench_load *l, struct mqi_md *ret)
{
	mqi_md_init(ret);
	ret->persistence =
	    l->persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
}

void
load_sleep(double secs)
{
	(void)usleep((useconds_t)(secs * 1e6));
}

void
load_warm_up(struct load *load)
{
	double secs = load->l->secs;

	/* a channel takes a moment to start */
	while (load->to != NULL && load->got == 0)
		load_sleep(0.01);
	/* a short look needs no long one */
	load_sleep(secs < WARM_UP_S ? secs : WARM_UP_S);
	load->measuring = true;
}

/* ---- producers ---- */

/* May one more be sent?  Counts it, and some more to come: the threads would
 * otherwise spend their time on the counters. */
static bool
claim(struct worker *w)
{
	struct load *load = w->load;

	if (w->claimed > 0) {
		w->claimed--;
		return true;
	}
	if (load->target == 0) {
		if (load->sent - load->got > LOAD_BACKLOG - COUNT)
			return false;
		load->sent += COUNT;
		w->claimed = COUNT - 1;
		return true;
	}
	if (atomic_fetch_add(&load->sent, 1) < load->target)
		return true;
	load->sent--;
	return false;
}

static void
end_unit(mqi_conn *c, mqi_unit **unit)
{
	if (*unit != NULL)
		bench_check(c, mqi_commit_async(*unit, NULL, NULL), "commit");
	*unit = NULL;
}

/* The unit that the n-th message belongs to; NULL: none. */
static mqi_unit *
unit_of(const struct load *load, mqi_conn *c, mqi_unit **unit, uint64_t n)
{
	if (load->unit == 0)
		return NULL;
	if (n % load->unit == 0)
		end_unit(c, unit);
	if (*unit == NULL)
		bench_check(c, mqi_begin(c, unit), "begin");
	return *unit;
}

void *
load_produce(void *arg)
{
	struct worker *w = arg;
	struct load *load = w->load;
	const struct bench_load *l = load->l;
	mqi_conn *c = host_connect(load->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(l->size);
	mqi_unit *unit = NULL;
	uint64_t mine = 0;
	struct mqi_md md;

	c->max_async_puts = l->window;
	load_md(l, &md);
	while (!load->stop) {
		if (claim(w)) {
			mqi_unit *u = unit_of(load, c, &unit, mine);

			bench_check(
			    c, mqi_put_async(q, u, &md, body, l->size), "put");
			mine++;
			if (load->target != 0) /* one was answered */
				load->put += mine > l->window;
			continue;
		}
		if (load->target != 0)
			break;
		/* what waits for its commit can never be got */
		end_unit(c, &unit);
		bench_check(c, mqi_dispatch(c), "dispatch");
		(void)usleep(200);
	}
	end_unit(c, &unit);
	bench_check(c, mqi_flush(q), "flush");
	load->put += mine < l->window ? mine : l->window;
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

/* ---- consumers ---- */

static bool
is_over(struct load *load)
{
	return load->stop || (load->target != 0 && load->got >= load->target);
}

static void
count_got(struct worker *w)
{
	w->load->got += w->got;
	w->got = 0;
}

/* Gets and acknowledges one, if there is one in time. */
static void
consume_one(struct worker *w, mqi_conn *c, mqi_queue *q)
{
	const struct mqi_get_opts wait = {.wait_ms = WAIT_MS};
	struct load *load = w->load;
	enum mqi_err err;
	mqi_msg *msg;

	err = mqi_get_msg(q, NULL, &wait, &msg);
	if (err == MQI_E_NO_MSG_AVAILABLE) {
		count_got(w);
		return;
	}
	bench_check(c, err, "get");
	if (!load->is_plain)
		bench_check(c, mqi_ack(q, msg), "ack");
	(void)mqi_msg_free(msg);
	/* who has a target must see the last one at once */
	if (++w->got >= COUNT || load->target != 0)
		count_got(w);
}

/* Gets up to a unit's messages and commits. */
static void
consume_unit(struct load *load, mqi_conn *c, mqi_queue *q)
{
	struct mqi_get_opts wait = {.wait_ms = WAIT_MS};
	enum mqi_err err = MQI_OK;
	unsigned n = 0;
	mqi_unit *unit;
	mqi_msg *msg;

	bench_check(c, mqi_begin(c, &unit), "begin");
	while (n < load->unit) {
		err = mqi_get_msg(q, unit, &wait, &msg);
		if (err == MQI_E_NO_MSG_AVAILABLE)
			break;
		bench_check(c, err, "get");
		(void)mqi_msg_free(msg);
		n++;
		wait.wait_ms = 0; /* one is there: take what there is */
	}
	bench_check(c, mqi_commit(unit), "commit");
	load->got += n;
}

void *
load_consume(void *arg)
{
	const struct mqi_read_ahead window = {
	    .max_msgs = 1024, .max_bytes = 4u << 20};
	struct worker *w = arg;
	struct load *load = w->load;
	mqi_conn *c = host_connect(load->to != NULL ? load->to : load->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_INPUT_SHARED);

	if (load->unit == 0 && !load->is_plain)
		bench_check(c, mqi_read_ahead(q, &window), "read-ahead");
	while (!is_over(load))
		if (load->unit != 0)
			consume_unit(load, c, q);
		else
			consume_one(w, c, q);
	bench_check(c, mqi_flush(q), "flush");
	(void)mqi_disconnect(c);
	return NULL;
}

/* ---- both ---- */

struct worker *
load_begin(struct load *load)
{
	struct worker *w = load_workers(2 * LOAD_MAX_THREADS);

	load_start(w, load->l->consumers, load, load_consume);
	load_start(
	    w + LOAD_MAX_THREADS, load->l->producers, load, load_produce);
	load_warm_up(load);
	return w;
}

void
load_measure(struct load *load, struct sustained *ret)
{
	uint64_t got = load->got;
	uint64_t written = host_disk_written(load->host);
	uint64_t own = host_own_written(load->host);
	double t = bench_now();

	load_sleep(load->l->secs);
	got = load->got - got;
	written = host_disk_written(load->host) - written;
	own = host_own_written(load->host) - own;
	t = bench_now() - t;
	ret->rate = (double)got / t;
	ret->written = got > 0 ? (double)written / (double)got : 0;
	ret->own = got > 0 ? (double)own / (double)got : 0;
}

void
load_end(struct load *load, struct worker *w)
{
	load->stop = true;
	load_join(w, load->l->consumers);
	load_join(w + LOAD_MAX_THREADS, load->l->producers);
	free(w);
}

void
load_sustain(struct load *load, struct sustained *ret)
{
	struct worker *w = load_begin(load);

	load_measure(load, ret);
	load_end(load, w);
}

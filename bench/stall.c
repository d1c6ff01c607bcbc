/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall.c - does anybody wait for somebody else's work?  One put at a time is
 * timed during checkpoints, non-persistent round trips while every flush of
 * persistent puts is slow.
 *
 * Neighbours: load.c, rr.c (the round trips); large.c does it for a large
 * message.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

#define SLOW_FLUSH_MS 50u
#define CHECKPOINT_BYTES ((size_t)8 << 20)
#define REST_S 0.1
#define QUIET_QUEUE "BENCH.ONE"

/* What goes on beside what is timed. */
struct beside {
	const struct bench_host *host;
	const struct bench_load *l;
	_Atomic bool stop;
	_Atomic bool busy; /* with a checkpoint */
	_Atomic bool resting;
	_Atomic unsigned n;
};

/* ---- checkpoints ---- */

/* Gives a checkpoint something to do, and asks for it. */
static void *
ask_for_checkpoints(void *arg)
{
	struct beside *b = arg;
	mqi_conn *c = host_connect(b->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(b->l->size);
	struct mqi_md md;

	load_md(b->l, &md);
	while (!b->stop) {
		for (size_t n = 0; n < CHECKPOINT_BYTES; n += b->l->size + 1)
			bench_check(c,
			    mqi_put_async(q, NULL, &md, body, b->l->size),
			    "put");
		bench_check(c, mqi_flush(q), "flush");
		b->busy = true;
		host_checkpoint(b->host);
		b->busy = false;
		b->n++;
		b->resting = true;
		load_sleep(REST_S);
		b->resting = false;
	}
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

/* Times puts, those during a checkpoint and those in between apart; those
 * beside the burst of puts count for neither. */
static void
time_puts(
    struct beside *b, struct bench_lat *ret_quiet, struct bench_lat *ret_busy)
{
	mqi_conn *c = host_connect(b->host);
	mqi_queue *q = load_open(c, QUIET_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(b->l->size);
	struct mqi_md md;
	double t0, t, u;
	bool busy;

	lat_init(ret_quiet, LOAD_MAX_SAMPLES);
	lat_init(ret_busy, LOAD_MAX_SAMPLES);
	for (t0 = t = bench_now(); t - t0 < b->l->secs || b->n == 0; t = u) {
		load_md(b->l, &md);
		busy = b->busy;
		bench_check(c, mqi_put(q, NULL, &md, body, b->l->size), "put");
		u = bench_now();
		if (busy || b->busy)
			lat_add(ret_busy, (u - t) * 1e6);
		else if (b->resting)
			lat_add(ret_quiet, (u - t) * 1e6);
	}
	free(body);
	(void)mqi_disconnect(c);
}

void
run_checkpoint(const struct bench_host *h, const struct bench_load *l)
{
	struct beside b = {.host = h, .l = l};
	struct bench_lat quiet, busy;
	struct bench_row row;
	double p50, p999;
	pthread_t thread;

	host_queue(h, LOAD_QUEUE);
	host_queue(h, QUIET_QUEUE);
	if (pthread_create(&thread, NULL, ask_for_checkpoints, &b) != 0)
		bench_die("no thread");
	time_puts(&b, &quiet, &busy);
	b.stop = true;
	(void)pthread_join(thread, NULL);
	p50 = lat_percentile(&quiet, 0.5);
	p999 = lat_percentile(&busy, 0.999);
	row_init(&row, "checkpoint",
	    "one put at a time during checkpoints, p99.9", p999, "us");
	row_how(&row, "%zu bytes", l->size);
	row_more(&row,
	    "p50 %.0f us, p99 %.0f us, of %zu, %u checkpoints; between them "
	    "p50 %.0f us, p99.9 "
	    "%.0f us",
	    lat_percentile(&busy, 0.5), lat_percentile(&busy, 0.99), busy.n,
	    b.n, p50, lat_percentile(&quiet, 0.999));
	row_goal(&row, p999 <= 5 * p50, "<= 5 x p50 (%.1f x)", p999 / p50);
	report_row(&row);
	lat_fini(&quiet);
	lat_fini(&busy);
	host_no_queue(h, QUIET_QUEUE);
}

/* ---- a slow disk ---- */

/* Keeps the disk busy: one persistent put after another. */
static void *
put_persistent(void *arg)
{
	struct beside *b = arg;
	mqi_conn *c = host_connect(b->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(b->l->size);
	struct mqi_md md;

	while (!b->stop) {
		mqi_md_init(&md);
		md.persistence = MQI_PERSISTENCE_YES;
		bench_check(c, mqi_put(q, NULL, &md, body, b->l->size), "put");
	}
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

/* Non-persistent round trips while persistent puts go on. */
static void
round_trips(const char *dir, const struct bench_load *l, unsigned flush_ms,
    struct bench_lat *ret)
{
	struct bench_host h;
	struct beside b = {.host = &h, .l = l};
	pthread_t thread;

	host_new(&h, dir, flush_ms);
	host_queue(&h, LOAD_QUEUE);
	if (pthread_create(&thread, NULL, put_persistent, &b) != 0)
		bench_die("no thread");
	(void)rr_measure(&h, l, ret);
	b.stop = true;
	(void)pthread_join(thread, NULL);
	host_stop(&h);
}

void
run_slow_flush(const char *dir, const struct bench_load *l)
{
	struct bench_lat fast, slow;
	struct bench_row row;
	double p99, without;
	char path[320];

	if (!host_preload(path, sizeof(path))) {
		row_init(&row, "slow_flush", "flushes made slow", 0, "us");
		row_how(&row, "not measured: %s is not there", path);
		report_row(&row);
		return;
	}
	round_trips(dir, l, 0, &fast);
	round_trips(dir, l, SLOW_FLUSH_MS, &slow);
	p99 = lat_percentile(&slow, 0.99);
	without = lat_percentile(&fast, 0.99);
	row_init(&row, "slow_flush",
	    "non-persistent request and reply, each flush 50 ms slower, p99",
	    p99, "us");
	row_how(&row, "%zu bytes, beside persistent puts", l->size);
	row_more(&row,
	    "p50 %.0f us; without the delay p50 %.0f us, p99 %.0f us",
	    lat_percentile(&slow, 0.5), lat_percentile(&fast, 0.5), without);
	row_goal(
	    &row, p99 <= 1.5 * without, "as without (%.2f x)", p99 / without);
	report_row(&row);
	lat_fini(&fast);
	lat_fini(&slow);
}

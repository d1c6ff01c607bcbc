/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall.c - does anybody wait for somebody else's work?  Non-persistent round
 * trips are timed while every flush of persistent puts is slow.
 *
 * Neighbours: load.c, rr.c (the round trips); large.c does it for a large
 * message.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

#define SLOW_FLUSH_MS 50u

/* What goes on beside the round trips that are timed. */
struct beside {
	const struct bench_host *host;
	const struct bench_load *l;
	_Atomic bool stop;
};

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

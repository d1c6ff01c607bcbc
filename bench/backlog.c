/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backlog.c - a backlog made and got: fill, drain, and how fast puts are while
 * only the journal has to keep up.
 *
 * Neighbours: load.c has the producers and consumers.  A fill's clock stops
 * when every put is answered and a checkpoint has brought them all to the
 * store, a drain's when the last acknowledgement is durable.  A burst fits in
 * the journal: its clock stops with the last answer.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

/* Runs workers up to the target; the most private memory of the queue manager
 * meanwhile, in MiB. */
static double
run_to_target(struct load *load, unsigned n, void *(*fn)(void *),
    const _Atomic uint64_t *counter)
{
	struct worker *w = load_workers(LOAD_MAX_THREADS);
	double mib, most = 0;

	load_start(w, n, load, fn);
	while (*counter < load->target) {
		load_sleep(0.002);
		mib = host_private_mib(load->host);
		most = mib > most ? mib : most;
	}
	load_join(w, n);
	free(w);
	return most;
}

static void
how_many(struct bench_row *row, const struct bench_load *l, unsigned n)
{
	if (l->unit != 0)
		row_how(row, "%llu of %zu bytes, %u, units of %u",
		    (unsigned long long)l->n, l->size, n, l->unit);
	else
		row_how(row, "%llu of %zu bytes, %u", (unsigned long long)l->n,
		    l->size, n);
}

void
run_fill(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n, .unit = l->unit};
	double t, answered, mib;
	struct bench_row row;
	uint64_t written;

	host_queue(h, LOAD_QUEUE);
	host_checkpoint(h);
	written = host_disk_written(h);
	t = bench_now();
	mib = run_to_target(&load, l->producers, load_produce, &load.put);
	answered = bench_now() - t;
	host_checkpoint(h);
	t = bench_now() - t;
	written = host_disk_written(h) - written;
	row_init(&row, l->unit != 0 ? "fill_units" : "fill",
	    "fill and its checkpoint", (double)l->n / t, "msg/s");
	how_many(&row, l, l->producers);
	row_more(&row,
	    "%.1f s; answered at %.0f msg/s; %.0f bytes to disk per message; "
	    "at most %.0f MiB private",
	    t, (double)l->n / answered, (double)written / (double)l->n, mib);
	if (l->unit == 0 && l->n >= 500000)
		row_peers(&row, "fill", 2, "Redis streams, always");
	report_row(&row);
}

void
run_drain(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n, .unit = l->unit};
	struct bench_row row;
	double t, mib;

	t = bench_now();
	mib = run_to_target(&load, l->consumers, load_consume, &load.got);
	t = bench_now() - t;
	row_init(&row, l->unit != 0 ? "drain_units" : "drain", "drain",
	    (double)l->n / t, "msg/s");
	how_many(&row, l, l->consumers);
	row_more(&row, "%.1f s; at most %.0f MiB private", t, mib);
	if (l->unit == 0 && l->n >= 500000)
		row_peers(&row, "drain", 2, "Redis streams, always");
	report_row(&row);
}

void
run_backlog(const struct bench_host *h, const struct bench_load *l)
{
	run_fill(h, l);
	run_drain(h, l);
}

void
run_burst(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n};
	struct bench_row row;
	double t;

	host_queue(h, LOAD_QUEUE);
	host_checkpoint(h);
	t = bench_now();
	(void)run_to_target(&load, l->producers, load_produce, &load.put);
	t = bench_now() - t;
	row_init(&row, "burst", "puts in a burst, answered", (double)l->n / t,
	    "msg/s");
	how_many(&row, l, l->producers);
	row_more(&row, "%.1f ms", t * 1e3);
	report_row(&row);
}

void
run_pass(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n};
	struct worker *w = load_workers(LOAD_MAX_THREADS);
	struct bench_row row;
	double t;

	host_queue(h, LOAD_QUEUE);
	t = bench_now();
	load_start(w, l->producers, &load, load_produce);
	(void)run_to_target(&load, l->consumers, load_consume, &load.got);
	load_join(w, l->producers);
	t = bench_now() - t;
	free(w);
	row_init(
	    &row, "pass", "so many put and got", (double)l->n / t, "msg/s");
	how_many(&row, l, l->producers);
	report_row(&row);
}

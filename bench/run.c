/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - sustained loads: one put at a time, puts to acknowledged gets, gets
 * outside a unit of work, units of work.
 *
 * Neighbours: load.c has the producers and consumers, report.c prints.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

/* ---- one put at a time ---- */

void
run_lat(const struct bench_host *h, const struct bench_load *l)
{
	char *body = load_body(l->size);
	struct bench_lat lat;
	struct bench_row row;
	double t0, t, u, p50;
	uint64_t written;
	struct mqi_md md;
	mqi_queue *q;
	mqi_conn *c;

	host_queue(h, LOAD_QUEUE);
	c = host_connect(h);
	q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	lat_init(&lat, LOAD_MAX_SAMPLES);
	written = host_disk_written(h);
	t0 = t = bench_now();
	for (; l->secs > 0 ? t - t0 < l->secs : lat.n < l->n; t = u) {
		load_md(l, &md);
		bench_check(c, mqi_put(q, NULL, &md, body, l->size), "put");
		u = bench_now();
		lat_add(&lat, (u - t) * 1e6);
	}
	written = host_disk_written(h) - written;
	(void)mqi_disconnect(c);
	free(body);
	p50 = lat_percentile(&lat, 0.5);
	row_init(&row, l->persistent ? "lat" : "np_lat",
	    l->persistent ? "one put at a time, p50"
			  : "one put at a time, non-persistent, p50",
	    p50, "us");
	row_how(&row, "%zu bytes", l->size);
	row_more(&row,
	    "p99 %.0f us, p99.9 %.0f us, %.0f msg/s, %.0f bytes to disk per "
	    "message",
	    lat_percentile(&lat, 0.99), lat_percentile(&lat, 0.999),
	    (double)lat.n / (t - t0), (double)written / (double)lat.n);
	if (l->persistent && limit_flush_us() > 0)
		row_goal(&row, p50 <= 1.3 * limit_flush_us(),
		    "<= 1.3 x a bare write and flush (%.2f x)",
		    p50 / limit_flush_us());
	if (l->persistent && report_knows_peer("sync_p50"))
		row_peers(&row, "sync_p50", 1, "beanstalkd -f 0");
	report_row(&row);
	lat_fini(&lat);
}

/* ---- producers and consumers ---- */

void
load_how(struct bench_row *row, const struct bench_load *l)
{
	row_how(row, "%zu bytes, %u x %u, %u%s", l->size, l->producers,
	    l->window, l->consumers, bench_cores());
}

/* The disk's row of a sustained load. */
static void
report_disk(const struct bench_load *l, const struct sustained *s)
{
	struct bench_row row;

	row_init(&row, "disk", "written to disk per message, put and get",
	    s->written, "bytes");
	load_how(&row, l);
	row_more(&row, "the kernel charges the queue manager %.0f", s->own);
	if (l->size == 1024)
		row_goal(&row, s->written <= 1.3 * 1024, "<= 1.3 KiB");
	report_row(&row);
}

void
run_tput(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l};
	struct sustained s;
	struct bench_row row;

	host_queue(h, LOAD_QUEUE);
	load_sustain(&load, &s);
	row_init(&row, l->persistent ? "tput" : "np",
	    l->persistent ? "put to acknowledged get"
			  : "put to acknowledged get, non-persistent",
	    s.rate, "msg/s");
	load_how(&row, l);
	row_more(&row, "%.1f MB/s, %.0f MiB private",
	    s.rate * (double)l->size / 1e6, host_private_mib(h));
	if (!l->persistent)
		row_peers(&row, "np_tput", 1.5, "NATS core");
	else if (l->size == 1024 && !bench_is_one_core())
		row_peers(&row, "tput", 8, "Redis streams, always");
	report_row(&row);
	if (l->persistent && !bench_is_one_core())
		report_disk(l, &s);
}

void
run_gets(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .is_plain = true};
	struct sustained s;
	struct bench_row row;

	host_queue(h, LOAD_QUEUE);
	load_sustain(&load, &s);
	row_init(
	    &row, "gets", "put to get outside a unit of work", s.rate, "msg/s");
	load_how(&row, l);
	row_more(&row, "%.1f MB/s, %.0f bytes to disk per message",
	    s.rate * (double)l->size / 1e6, s.written);
	report_row(&row);
}

void
run_units(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .unit = l->unit};
	struct sustained s;
	struct bench_row row;

	host_queue(h, LOAD_QUEUE);
	load_sustain(&load, &s);
	row_init(
	    &row, "units", "put to get, in units of work", s.rate, "msg/s");
	row_how(&row, "%zu bytes, %u x %u, %u, units of %u", l->size,
	    l->producers, l->window, l->consumers, l->unit);
	row_more(&row, "%.1f MB/s, %.0f bytes to disk per message",
	    s.rate * (double)l->size / 1e6, s.written);
	report_row(&row);
}

/* ---- no load ---- */

void
run_idle(const struct bench_host *h)
{
	double rss = host_rss_mib(h);
	struct bench_row row;

	row_init(&row, "idle", "memory of an idle queue manager", rss, "MiB");
	row_how(&row, "resident, all of it");
	row_more(&row, "%.1f MiB private", host_private_mib(h));
	row_goal(&row, rss <= 8, "<= 8 MiB");
	report_row(&row);
	if (!h->is_own)
		return;
	row_init(&row, "start", "start-up", h->start_s * 1e3, "ms");
	row_how(&row, "to the first connect");
	row_goal(&row, h->start_s < 0.05, "< 50 ms");
	report_row(&row);
}

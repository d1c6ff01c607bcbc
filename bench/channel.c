/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c - from one queue manager to another over TLS, durable at both ends:
 * how fast, and how fast over a long way.
 *
 * Neighbours: pair.c makes the two, load.c has the producers and consumers.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

#define WAY_MS 50u /* each way */
#define SETTLE_S 3.0

void
run_channel(const char *dir, const struct bench_load *l)
{
	struct bench_pair p;
	struct load load = {.host = &p.from, .to = &p.to, .l = l};
	struct sustained s;
	struct bench_row row;

	pair_start(&p, dir, LOAD_QUEUE, false);
	load_sustain(&load, &s);
	row_init(&row, "channel", "between two queue managers over TLS", s.rate,
	    "msg/s");
	load_how(&row, l);
	row_more(&row, "%.1f MB/s, %.0f bytes to disk per message, of both",
	    s.rate * (double)l->size / 1e6, s.written);
	report_row(&row);
	pair_stop(&p);
}

void
run_channel_100ms(const char *dir, const struct bench_load *l)
{
	struct bench_pair p;
	struct load load = {.host = &p.from, .to = &p.to, .l = l};
	struct sustained s[2];
	struct bench_row row;
	struct worker *w;
	double ratio;

	pair_start(&p, dir, LOAD_QUEUE, true);
	w = load_begin(&load);
	load_measure(&load, &s[0]);
	pair_delay(&p, WAY_MS);
	/* a way that becomes longer under load is noticed after a second */
	load_sleep(l->secs < SETTLE_S ? l->secs : SETTLE_S);
	load_measure(&load, &s[1]);
	load_end(&load, w);
	pair_stop(&p);
	ratio = s[0].rate > 0 ? s[1].rate / s[0].rate : 0;
	row_init(&row, "channel_100ms",
	    "the same with a round trip of 100 ms, through a proxy", ratio,
	    "x");
	load_how(&row, l);
	row_more(
	    &row, "%.0f msg/s; without the delay %.0f", s[1].rate, s[0].rate);
	row_goal(&row, ratio >= 0.8, ">= 0.8 x without the delay");
	report_row(&row);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c - from one queue manager to another over TLS, durable at both ends:
 * how fast, how fast over a long way, how soon, with how many flushes, and what
 * many channels cost that have nothing to do, and many remote clients.
 *
 * Neighbours: pair.c makes the two, load.c has the producers and consumers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
	if (l->size == 1024)
		row_peers(&row, "channel", 15, "RabbitMQ's shovel");
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

/* ---- one message at a time ---- */

#define PAUSE_US 2000u /* everybody sleeps again */
#define WAIT_MS 10000

void
run_channel_latency(const char *dir, const struct bench_load *l)
{
	const struct mqi_get_opts wait = {.wait_ms = WAIT_MS};
	char *body = load_body(l->size);
	struct bench_lat lat;
	struct bench_pair p;
	struct bench_row row;
	double t0, flush;
	mqi_conn *from, *to;
	mqi_queue *put, *get;
	struct mqi_md md;
	mqi_msg *msg;

	limit_flush(dir, l->size, l->secs);
	flush = limit_flush_us();
	pair_start(&p, dir, LOAD_QUEUE, false);
	from = host_connect(&p.from);
	to = host_connect(&p.to);
	put = load_open(from, LOAD_QUEUE, MQI_OO_OUTPUT);
	get = load_open(to, LOAD_QUEUE, MQI_OO_INPUT_SHARED);
	lat_init(&lat, LOAD_MAX_SAMPLES);
	/* the first one starts the channel, and does not count */
	for (double end = 0; end == 0 || bench_now() < end;) {
		load_md(l, &md);
		t0 = bench_now();
		bench_check(
		    from, mqi_put(put, NULL, &md, body, l->size), "put");
		bench_check(to, mqi_get_msg(get, NULL, &wait, &msg), "get");
		(void)mqi_msg_free(msg);
		if (end != 0)
			lat_add(&lat, (bench_now() - t0) * 1e6);
		else
			end = bench_now() + l->secs;
		(void)usleep(PAUSE_US);
	}
	row_init(&row, "channel_latency",
	    "put on one to get on the other, idle, p50",
	    lat_percentile(&lat, 0.5), "us");
	row_how(&row, "%zu bytes", l->size);
	row_more(&row, "p99 %.0f us; fdatasync p50 %.0f us",
	    lat_percentile(&lat, 0.99), flush);
	row_goal(&row, row.value <= 3 * flush + 150,
	    "<= 3 x fdatasync + 150 us (%.0f us)", 3 * flush + 150);
	report_row(&row);
	lat_fini(&lat);
	(void)mqi_disconnect(from);
	(void)mqi_disconnect(to);
	pair_stop(&p);
	free(body);
}

/* ---- flushes ---- */

static void
flush_row(const char *key, const char *what, uint64_t flushes, uint64_t batches,
    double at_most)
{
	double ratio = batches > 0 ? (double)flushes / (double)batches : 0;
	struct bench_row row;

	row_init(&row, key, what, ratio, "flushes");
	row_more(&row, "%llu flushes, %llu batches",
	    (unsigned long long)flushes, (unsigned long long)batches);
	row_goal(&row, ratio <= at_most, "<= %.0f", at_most);
	report_row(&row);
}

static void
fill(const struct bench_host *h, const struct bench_load *l)
{
	mqi_conn *c = host_connect(h);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(l->size);
	struct mqi_md md;

	load_md(l, &md);
	for (uint64_t i = 0; i < l->n; i++)
		bench_check(
		    c, mqi_put_async(q, NULL, &md, body, l->size), "put");
	bench_check(c, mqi_flush(q), "flush");
	(void)mqi_disconnect(c);
	free(body);
}

/* A backlog waits for the channel, so that nothing but the channel flushes. */
void
run_channel_flushes(const char *dir, const struct bench_load *l)
{
	struct bench_pair p;
	uint64_t from, to, batches;

	pair_start(&p, dir, LOAD_QUEUE, false);
	pair_channel(&p, false);
	fill(&p.from, l);
	host_checkpoint(&p.from);
	from = host_flushes(&p.from);
	to = host_flushes(&p.to);
	pair_channel(&p, true);
	while (host_number(&p.to, MQCTL_QSTATUS, LOAD_QUEUE, "CURDEPTH") < l->n)
		load_sleep(0.01);
	from = host_flushes(&p.from) - from;
	to = host_flushes(&p.to) - to;
	/* an agent tells its status now and then */
	while (host_number(&p.to, MQCTL_CHSTATUS, "BENCH", "MSGS") < l->n)
		load_sleep(0.05);
	batches = host_number(&p.to, MQCTL_CHSTATUS, "BENCH", "BATCHES");
	flush_row("flushes_sender", "flushes per batch of a channel, sender",
	    from, batches, 0);
	flush_row("flushes_receiver",
	    "flushes per batch of a channel, receiver", to, batches, 1);
	pair_stop(&p);
}

/* ---- nothing to do ---- */

#define IDLE_S 10.0
#define HEARTBEAT_S 5.0 /* HBINT's default */

/* Each channel has a process at either end. */
static void
idle_rows(const struct bench_pair *p, double secs)
{
	struct cost_agents before = {0}, now = {0};
	double t = bench_now(), n, wakes;
	struct bench_row row;

	cost_agents(p->from.pid, COST_CHANNELS, &before);
	cost_agents(p->to.pid, COST_CHANNELS, &before);
	load_sleep(secs);
	cost_agents(p->from.pid, COST_CHANNELS, &now);
	cost_agents(p->to.pid, COST_CHANNELS, &now);
	t = bench_now() - t;
	n = now.n > 0 ? now.n : 1;
	row_init(&row, "idle_channels",
	    "private memory of an idle channel's process, at most",
	    now.most_mib, "MiB");
	row_how(&row, "%u processes at both ends", now.n);
	row_more(&row, "%.2f MiB in the mean", now.private_mib / n);
	row_goal(&row, now.n > 0 && now.most_mib < 1.5, "< 1.5 MiB");
	report_row(&row);
	wakes = (double)(now.switches - before.switches) / n / t * HEARTBEAT_S;
	row_init(&row, "idle_wakes",
	    "wake-ups of an idle channel's process in a heartbeat interval",
	    wakes, "");
	row_goal(&row, now.n > 0 && wakes <= 4,
	    "<= 4: a heartbeat and an answer each way");
	report_row(&row);
}

static void
put_each(const struct bench_host *h, unsigned n)
{
	mqi_conn *c = host_connect(h);
	char name[MQI_NAME_LEN + 1];
	struct mqi_md md;
	mqi_queue *q;

	for (unsigned i = 0; i < n; i++) {
		pair_queue(i, name);
		q = load_open(c, name, MQI_OO_OUTPUT);
		mqi_md_init(&md);
		bench_check(c, mqi_put(q, NULL, &md, "x", 1), "put");
		bench_check(c, mqi_close(q), "close");
	}
	(void)mqi_disconnect(c);
}

void
run_channel_idle(const char *dir, const struct bench_load *l)
{
	struct bench_pair p;

	pair_start(&p, dir, LOAD_QUEUE, false);
	pair_more(&p, LOAD_QUEUE, (unsigned)l->n);
	put_each(&p.from, (unsigned)l->n);
	while (host_number(&p.to, MQCTL_QSTATUS, LOAD_QUEUE, "CURDEPTH") < l->n)
		load_sleep(0.05);
	/* a heartbeat later everything that was of use is given back */
	load_sleep(l->secs < IDLE_S ? l->secs : 2 * HEARTBEAT_S);
	idle_rows(&p, l->secs < IDLE_S ? l->secs : IDLE_S);
	pair_stop(&p);
}

/* ---- clients with nothing to do ---- */

static struct cost_agents
cost_clients(const struct bench_pair *p)
{
	struct cost_agents v = {0};

	cost_agents(p->to.pid, COST_CLIENTS, &v);
	return v;
}

/* Of the one process that serves all n, which had `before` with one. */
static void
client_rows(const struct bench_pair *p, const struct cost_agents *before,
    unsigned n, double secs)
{
	struct cost_agents then = cost_clients(p), now;
	double t = bench_now(), each;
	struct bench_row row;

	load_sleep(secs);
	now = cost_clients(p);
	t = bench_now() - t;
	each = n > 1 ? (now.private_mib - before->private_mib) / (n - 1) : 0;
	row_init(&row, "idle_clients",
	    "private memory that an idle client by TLS takes", each * 1024,
	    "KiB");
	row_how(&row, "%u clients in one process", n);
	row_more(&row, "%.1f MiB in all", now.private_mib);
	report_row(&row);
	row_init(&row, "idle_clients_wakes",
	    "wake-ups a second of the process that serves them",
	    (double)(now.switches - then.switches) / t, "");
	row_how(&row, "%u clients", n);
	row_more(&row, "%.2f %% of a processor",
	    (now.cpu_ms - then.cpu_ms) / t / 10);
	report_row(&row);
}

/* Each has one here. */
static void
raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

void
run_clients_idle(const char *dir, const struct bench_load *l)
{
	unsigned n = (unsigned)l->n;
	mqi_conn **conns = calloc(n, sizeof(*conns));
	struct cost_agents before;
	struct bench_pair p;

	if (conns == NULL)
		bench_die("no memory");
	raise_descriptors();
	pair_start(&p, dir, LOAD_QUEUE, false);
	pair_clients(&p, conns, 1);
	before = cost_clients(&p);
	pair_clients(&p, conns + 1, n - 1);
	load_sleep(l->secs < IDLE_S ? l->secs : 2 * HEARTBEAT_S);
	client_rows(&p, &before, n, l->secs);
	for (unsigned i = 0; i < n; i++)
		(void)mqi_disconnect(conns[i]);
	free(conns);
	pair_stop(&p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large.c - what one large message costs the others: the latency of small
 * puts, one at a time, while another client puts a large message, gets it, and
 * does neither.
 *
 * Neighbours: load.c.  A second client puts and gets large messages in turn; a
 * small put counts for what went on while it began or ended, a large put before
 * a large get: what waited until the large one was over must not get lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "libmq/agent.h"

#define LARGE_QUEUE "BENCH.LARGE"
#define GOAL_MS 10.0
#define SMALL 1024u
#define QUIET_S 0.05

enum phase { PHASE_QUIET, PHASE_PUT, PHASE_GET, PHASES };

struct large {
	const struct bench_host *host;
	const struct bench_load *l;
	_Atomic unsigned change; /* phase + PHASES * changes */
	_Atomic bool stop;
	double put_s, get_s;
	double mib; /* private, at most */
	unsigned n;
};

static void
allow_large(mqi_conn *c, enum mqctl_noun noun, const char *name)
{
	struct mqctl_command cmd;
	char text[512] = "";

	memset(&cmd, 0, sizeof(cmd));
	cmd.verb = MQCTL_ALTER;
	cmd.noun = noun;
	mqctl_list_init(&cmd.attrs);
	(void)snprintf(cmd.name, sizeof(cmd.name), "%s", name);
	bench_check(
	    NULL, mqctl_list_add(&cmd.attrs, "MAXMSGL", "104857600"), name);
	if (mqagent_command(c, &cmd, NULL, NULL, text, sizeof(text)) != MQI_OK)
		bench_die("%s: %s", name, text);
	mqctl_list_fini(&cmd.attrs);
}

static void
begin(struct large *g, enum phase p)
{
	unsigned changes = g->change / PHASES + 1;

	g->change = changes * PHASES + p;
}

static void *
put_and_get(void *arg)
{
	struct large *g = arg;
	mqi_conn *c = host_connect(g->host);
	mqi_queue *q =
	    load_open(c, LARGE_QUEUE, MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED);
	char *body = load_body(g->l->size);
	struct mqi_md md;
	mqi_msg *msg;
	double t, u;

	load_md(g->l, &md);
	while (!g->stop) {
		load_sleep(QUIET_S);
		t = bench_now();
		begin(g, PHASE_PUT);
		bench_check(c, mqi_put(q, NULL, &md, body, g->l->size), "put");
		u = bench_now();
		begin(g, PHASE_GET);
		bench_check(c, mqi_poll(q, NULL, &msg), "get");
		begin(g, PHASE_QUIET);
		g->put_s += u - t;
		g->get_s += bench_now() - u;
		mqi_msg_free(msg);
		g->n++;
	}
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

/* What a small put had for company, by `change` before and behind it. */
static enum phase
company(unsigned before, unsigned behind)
{
	enum phase b = before % PHASES, e = behind % PHASES;

	if (b == PHASE_PUT || e == PHASE_PUT)
		return PHASE_PUT;
	return b == PHASE_GET || e == PHASE_GET || before != behind
		   ? PHASE_GET
		   : PHASE_QUIET;
}

/* Small puts until the time is over. */
static void
put_small(struct large *g, struct bench_lat lat[PHASES])
{
	mqi_conn *c = host_connect(g->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	double end = bench_now() + g->l->secs;
	char body[SMALL] = {0};
	struct mqi_md md;

	load_md(g->l, &md);
	while (bench_now() < end) {
		unsigned before = g->change;
		double t = bench_now();

		bench_check(
		    c, mqi_put(q, NULL, &md, body, sizeof(body)), "put");
		t = bench_now() - t;
		lat_add(&lat[company(before, g->change)], t * 1e6);
	}
	(void)mqi_disconnect(c);
}

static void
report(const struct large *g, struct bench_lat lat[PHASES], double mib)
{
	double p99 = lat_percentile(&lat[PHASE_PUT], 0.99) / 1e3;
	double size = (double)g->l->size / 1048576 * g->n;
	struct bench_row row;

	row_init(&row, "large_p99",
	    "small put while another puts a large one, p99", p99, "ms");
	row_how(&row, "%u bytes; %zu bytes", SMALL, g->l->size);
	row_more(&row,
	    "p50 %.2f, worst %.2f ms; while one is got p99 %.2f ms; else %.2f "
	    "ms; put %.0f MiB/s, got %.0f MiB/s; at most %.0f MiB private",
	    lat_percentile(&lat[PHASE_PUT], 0.5) / 1e3,
	    lat_percentile(&lat[PHASE_PUT], 1) / 1e3,
	    lat_percentile(&lat[PHASE_GET], 0.99) / 1e3,
	    lat_percentile(&lat[PHASE_QUIET], 0.99) / 1e3, size / g->put_s,
	    size / g->get_s, mib);
	row_goal(&row, p99 < GOAL_MS, "< %.0f ms", GOAL_MS);
	report_row(&row);
}

static void *
watch_memory(void *arg)
{
	struct large *g = arg;

	while (!g->stop) {
		double mib = host_private_mib(g->host);

		g->mib = mib > g->mib ? mib : g->mib;
		load_sleep(0.005);
	}
	return NULL;
}

void
run_large(const struct bench_host *h, const struct bench_load *l)
{
	struct large g = {.host = h, .l = l};
	struct bench_lat lat[PHASES];
	mqi_conn *c = host_connect(h);
	pthread_t large, watch;

	host_queue(h, LOAD_QUEUE);
	host_queue(h, LARGE_QUEUE);
	allow_large(c, MQCTL_QMGR, h->qmgr);
	allow_large(c, MQCTL_QLOCAL, LARGE_QUEUE);
	(void)mqi_disconnect(c);
	for (unsigned i = 0; i < PHASES; i++)
		lat_init(&lat[i], LOAD_MAX_SAMPLES);
	if (pthread_create(&large, NULL, put_and_get, &g) != 0 ||
	    pthread_create(&watch, NULL, watch_memory, &g) != 0)
		bench_die("no thread");
	put_small(&g, lat);
	g.stop = true;
	(void)pthread_join(large, NULL);
	(void)pthread_join(watch, NULL);
	report(&g, lat, g.mib);
	for (unsigned i = 0; i < PHASES; i++)
		lat_fini(&lat[i]);
}

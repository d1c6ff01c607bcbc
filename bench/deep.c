/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep.c - a very deep queue: whether its last part fills and drains as fast
 * as its second, what it costs in memory and on the disk, how long a start
 * takes with it, and how long a get by correlation id.
 *
 * Neighbours: backlog.c does the same for a depth that fits in memory.  One
 * producer and one consumer, so that parts follow each other; parts are tenths.
 * A part's time ends when its puts, or its acknowledgements, are durable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/name.h"
#include "base/rand.h"
#include "bench/load.h"

#define PARTS 10u
#define ACK_EVERY 64u
#define LOOKS 1000u
#define MEMORY_EVERY 4096u
#define WAIT_MS 30000
#define GOAL_RATIO 0.75
#define GOAL_MIB 128.0
#define GOAL_START_S 1.0
#define GOAL_LOOK_MS 1.0

struct deep {
	struct bench_host host;
	const struct bench_load *l;
	uint64_t part;                    /* messages of one */
	double fill[PARTS], drain[PARTS]; /* seconds of each */
	double mib;                       /* private, at most */
	uint64_t seed;
};

/* Message n has this correlation id.  They rise, as message ids do, of which
 * most correlation ids are copies; for random ones see `storebench --correl`.
 */
static void
id_of(uint64_t n, uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = 1;
	for (unsigned i = 0; i < 8; i++)
		ret[MQI_ID_LEN - 8 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void
note_memory(struct deep *d)
{
	double mib = host_private_mib(&d->host);

	d->mib = mib > d->mib ? mib : d->mib;
}

/* Bytes of the store's file. */
static double
store_gib(const struct deep *d)
{
	char path[512], name[MQNAME_ESCAPED_LEN];
	struct stat st;

	mqname_escape(d->host.qmgr, name);
	(void)snprintf(path, sizeof(path), "%s/%s/data/store/data.mdb",
	    d->host.root, name);
	return stat(path, &st) == 0
		   ? (double)st.st_blocks * 512 / (1024.0 * 1024 * 1024)
		   : 0;
}

static void
fill(struct deep *d)
{
	mqi_conn *c = host_connect(&d->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_OUTPUT);
	char *body = load_body(d->l->size);
	struct mqi_md md;
	double t = bench_now(), u;

	load_md(d->l, &md);
	for (uint64_t i = 0; i < d->part * PARTS; i++) {
		memcpy(body, &i, sizeof(i));
		id_of(i, md.correl_id);
		bench_check(
		    c, mqi_put_async(q, NULL, &md, body, d->l->size), "put");
		if (i % MEMORY_EVERY == 0)
			note_memory(d);
		if ((i + 1) % d->part != 0)
			continue;
		bench_check(c, mqi_flush(q), "flush");
		u = bench_now();
		d->fill[i / d->part] = u - t;
		t = u;
	}
	free(body);
	(void)mqi_disconnect(c);
}

/* Gets n messages, acknowledged. */
static void
drain_part(struct deep *d, mqi_conn *c, mqi_queue *q, uint64_t n)
{
	struct mqi_get_opts opts = {.wait_ms = WAIT_MS};
	mqi_msg *msg;

	for (uint64_t i = 1; i <= n; i++) {
		bench_check(c, mqi_get_msg(q, NULL, &opts, &msg), "get");
		if (i % ACK_EVERY == 0 || i == n)
			bench_check(c, mqi_ack(q, msg), "ack");
		mqi_msg_free(msg);
		if (i % MEMORY_EVERY == 0)
			note_memory(d);
	}
	bench_check(c, mqi_flush(q), "flush");
}

static void
drain(struct deep *d)
{
	mqi_conn *c = host_connect(&d->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_INPUT_SHARED);
	uint64_t left = d->part * PARTS - LOOKS;
	double t = bench_now(), u;

	bench_check(c, mqi_read_ahead(q, NULL), "read ahead");
	for (unsigned i = 0; i < PARTS; i++) {
		uint64_t n = i + 1 < PARTS ? d->part : left;

		drain_part(d, c, q, n);
		left -= n;
		u = bench_now();
		/* the last one is shorter by what was looked for */
		d->drain[i] = (u - t) * (double)d->part / (double)n;
		t = u;
	}
	(void)mqi_disconnect(c);
}

/* Gets by correlation id, anywhere in the queue. */
static void
look(struct deep *d, struct bench_lat *lat)
{
	mqi_conn *c = host_connect(&d->host);
	mqi_queue *q = load_open(c, LOAD_QUEUE, MQI_OO_INPUT_SHARED);
	struct mqi_get_opts opts = {.options = MQI_GET_MATCH_CORREL_ID};
	uint64_t step = d->part * PARTS / LOOKS;
	mqi_msg *msg;
	double t;

	for (uint64_t i = 0; i < LOOKS; i++) {
		id_of(i * step + mqrand_next(&d->seed) % step, opts.correl_id);
		t = bench_now();
		bench_check(c, mqi_get_msg(q, NULL, &opts, &msg), "look");
		lat_add(lat, (bench_now() - t) * 1e6);
		mqi_msg_free(msg);
	}
	(void)mqi_disconnect(c);
}

static double
start_again(struct deep *d)
{
	host_end(&d->host);
	host_start(&d->host);
	return d->host.start_s;
}

static void
how_deep(const struct deep *d, struct bench_row *row)
{
	row_how(row, "%llu of %zu bytes", (unsigned long long)d->part * PARTS,
	    d->l->size);
}

/* The last part against the second, by rate. */
static void
report_parts(const struct deep *d, const double s[PARTS], const char *key,
    const char *what)
{
	double part = (double)d->part, ratio = s[1] / s[PARTS - 1];
	struct bench_row row;

	row_init(&row, key, what, ratio, "x the second tenth's rate");
	how_deep(d, &row);
	row_more(&row, "tenths at %.0f, %.0f, ... %.0f, %.0f msg/s",
	    part / s[0], part / s[1], part / s[PARTS - 2], part / s[PARTS - 1]);
	row_goal(&row, ratio >= GOAL_RATIO, ">= %.2f", GOAL_RATIO);
	report_row(&row);
}

static void
report_figure(const struct deep *d, const char *key, const char *what, double v,
    const char *unit, double goal)
{
	struct bench_row row;

	row_init(&row, key, what, v, unit);
	how_deep(d, &row);
	row_goal(&row, v < goal, "< %.0f %s", goal, unit);
	report_row(&row);
}

static void
report_look(const struct deep *d, struct bench_lat *lat)
{
	struct bench_row row;
	double ms = lat_percentile(lat, 0.5) / 1e3;

	row_init(
	    &row, "deep_look", "get by correlation id there, p50", ms, "ms");
	how_deep(d, &row);
	row_more(&row, "p99 %.2f ms, worst %.2f ms",
	    lat_percentile(lat, 0.99) / 1e3, lat_percentile(lat, 1) / 1e3);
	row_goal(&row, ms < GOAL_LOOK_MS, "< %.0f ms", GOAL_LOOK_MS);
	report_row(&row);
}

static void
report_disk(const struct deep *d, double full, double again)
{
	struct bench_row row;

	row_init(&row, "deep_disk", "disk of a second fill", again / full,
	    "x that of the first");
	how_deep(d, &row);
	row_more(&row, "%.2f GiB, %.2f GiB", full, again);
	report_row(&row);
}

void
run_deep(const char *dir, const struct bench_load *l)
{
	struct deep d = {.l = l, .part = l->n / PARTS};
	double start_s, full;
	struct bench_lat lat;

	if (d.part < LOOKS || l->size < sizeof(uint64_t))
		bench_die("deep needs 10,000 messages of 8 bytes or more");
	mqrand_bytes(&d.seed, sizeof(d.seed));
	lat_init(&lat, LOOKS);
	host_find(&d.host, NULL, NULL, dir);
	host_queue(&d.host, LOAD_QUEUE);
	fill(&d);
	report_parts(&d, d.fill, "deep_fill", "fill, the last tenth");
	full = store_gib(&d);
	start_s = start_again(&d);
	report_figure(&d, "deep_start", "start at that depth", start_s, "s",
	    GOAL_START_S);
	look(&d, &lat);
	report_look(&d, &lat);
	drain(&d);
	report_parts(&d, d.drain, "deep_drain", "drain, the last tenth");
	fill(&d);
	report_figure(
	    &d, "deep_mib", "private memory, at most", d.mib, "MiB", GOAL_MIB);
	report_disk(&d, full, store_gib(&d));
	lat_fini(&lat);
	host_stop(&d.host);
}

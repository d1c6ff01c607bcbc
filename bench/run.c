/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the loads: one put at a time, sustained put and get, a backlog
 * filled and drained, request and reply.
 *
 * Neighbours: host.c connects; report.c prints.  Every producer, consumer,
 * requester and replier is a thread with a connection of its own, as in the
 * load generator that measures other brokers.
 *
 * A producer keeps a window of unanswered puts; a consumer reads ahead and
 * acknowledges every message.  Sustained loads run a second before they are
 * measured and keep the backlog at BACKLOG or below.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "libmq/conn.h"

#define BACKLOG 20000u
#define MAX_THREADS 256u
#define MAX_SAMPLES 4000000u
#define WARM_UP_US 1000000u
#define QUEUE "BENCH.Q"
#define REQUESTS "BENCH.RQ"

struct load {
	const struct bench_host *host;
	const struct bench_host *to; /* of consumers; NULL: host */
	const struct bench_load *l;
	_Atomic bool stop;
	_Atomic uint64_t sent;
	_Atomic uint64_t put; /* answered, as far as producers know */
	_Atomic uint64_t got;
	_Atomic uint64_t round_trips;
	uint64_t target; /* fill, drain; 0: none */
};

struct worker {
	pthread_t thread;
	struct load *load;
	unsigned n;
	struct bench_lat lat;
};

static void
start(struct worker *w, unsigned n, struct load *load, void *(*fn)(void *))
{
	if (n > MAX_THREADS)
		bench_die("at most %u threads of a kind", MAX_THREADS);
	for (unsigned i = 0; i < n; i++) {
		w[i].load = load;
		w[i].n = i;
		if (pthread_create(&w[i].thread, NULL, fn, &w[i]) != 0)
			bench_die("no thread");
	}
}

static void
join(struct worker *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(w[i].thread, NULL);
}

static mqi_queue *
open_queue(mqi_conn *c, const char *name, uint32_t options)
{
	mqi_queue *q = NULL;

	bench_check(c, mqi_open(c, name, NULL, options, &q), name);
	return q;
}

static char *
make_body(size_t size)
{
	char *body = malloc(size + 1);

	if (body == NULL)
		bench_die("no memory");
	memset(body, 'x', size);
	return body;
}

static void
make_md(const struct bench_load *l, struct mqi_md *ret)
{
	mqi_md_init(ret);
	ret->persistence =
	    l->persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
}

/* ---- one put at a time ---- */

void
run_lat(const struct bench_host *h, const struct bench_load *l)
{
	struct bench_lat lat;
	char how[64], figure[64], *body = make_body(l->size);
	double t0, t, u;
	uint64_t written;
	struct mqi_md md;
	mqi_queue *q;
	mqi_conn *c;

	host_queue(h, QUEUE);
	c = host_connect(h);
	q = open_queue(c, QUEUE, MQI_OO_OUTPUT);
	lat_init(&lat, MAX_SAMPLES);
	written = host_bytes_written(h);
	for (t0 = t = bench_now(); t - t0 < l->secs; t = u) {
		make_md(l, &md);
		bench_check(c, mqi_put(q, NULL, &md, body, l->size), "put");
		u = bench_now();
		lat_add(&lat, (u - t) * 1e6);
	}
	written = host_bytes_written(h) - written;
	(void)mqi_disconnect(c);
	free(body);
	(void)snprintf(how, sizeof(how), "%zu bytes", l->size);
	(void)snprintf(
	    figure, sizeof(figure), "p50 %.0f us", lat_percentile(&lat, 0.5));
	report_row("one put at a time", how, figure,
	    "p99 %.0f us, %.0f msg/s, %.0f bytes to disk per message",
	    lat_percentile(&lat, 0.99), (double)lat.n / (t - t0),
	    (double)written / (double)lat.n);
	lat_fini(&lat);
}

/* ---- producers and consumers ---- */

/* May one more be sent?  Counts it. */
static bool
claim(struct load *load)
{
	if (load->target == 0) {
		if (load->sent - load->got >= BACKLOG)
			return false;
		load->sent++;
		return true;
	}
	if (atomic_fetch_add(&load->sent, 1) < load->target)
		return true;
	load->sent--;
	return false;
}

static void *
produce(void *arg)
{
	struct worker *w = arg;
	struct load *load = w->load;
	const struct bench_load *l = load->l;
	mqi_conn *c = host_connect(load->host);
	mqi_queue *q = open_queue(c, QUEUE, MQI_OO_OUTPUT);
	char *body = make_body(l->size);
	uint64_t mine = 0;
	struct mqi_md md;

	c->max_async_puts = l->window;
	make_md(l, &md);
	while (!load->stop) {
		if (claim(load)) {
			bench_check(c,
			    mqi_put_async(q, NULL, &md, body, l->size), "put");
			mine++;
			load->put += mine > l->window; /* one was answered */
			continue;
		}
		if (load->target != 0)
			break;
		bench_check(c, mqi_dispatch(c), "dispatch");
		(void)usleep(200);
	}
	bench_check(c, mqi_flush(q), "flush");
	load->put += mine < l->window ? mine : l->window;
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

static void *
consume(void *arg)
{
	const struct mqi_get_opts wait = {.wait_ms = 200};
	const struct mqi_read_ahead window = {
	    .max_msgs = 1024, .max_bytes = 4u << 20};
	struct worker *w = arg;
	struct load *load = w->load;
	mqi_conn *c = host_connect(load->to != NULL ? load->to : load->host);
	mqi_queue *q = open_queue(c, QUEUE, MQI_OO_INPUT_SHARED);
	enum mqi_err err;
	mqi_msg *msg;

	bench_check(c, mqi_read_ahead(q, &window), "read-ahead");
	while (!load->stop && (load->target == 0 || load->got < load->target)) {
		err = mqi_get_msg(q, NULL, &wait, &msg);
		if (err == MQI_E_NO_MSG_AVAILABLE)
			continue;
		bench_check(c, err, "get");
		bench_check(c, mqi_ack(q, msg), "ack");
		(void)mqi_msg_free(msg);
		load->got++;
	}
	bench_check(c, mqi_flush(q), "flush");
	(void)mqi_disconnect(c);
	return NULL;
}

/* The sustained load: messages got per second; *ret_written is what the
 * producers' queue manager wrote to disk meanwhile, per message. */
static double
sustain(struct load *load, double *ret_written)
{
	struct worker *w = calloc(2 * MAX_THREADS, sizeof(*w));
	const struct bench_load *l = load->l;
	uint64_t got, written;
	double t;

	if (w == NULL)
		bench_die("no memory");
	start(w, l->consumers, load, consume);
	start(w + MAX_THREADS, l->producers, load, produce);
	(void)usleep(WARM_UP_US);
	got = load->got;
	written = host_bytes_written(load->host);
	t = bench_now();
	(void)usleep((useconds_t)(l->secs * 1e6));
	got = load->got - got;
	written = host_bytes_written(load->host) - written;
	t = bench_now() - t;
	load->stop = true;
	join(w, l->consumers);
	join(w + MAX_THREADS, l->producers);
	free(w);
	*ret_written = got > 0 ? (double)written / (double)got : 0;
	return (double)got / t;
}

void
run_tput(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l};
	char how[96], figure[64];
	double rate, written;

	host_queue(h, QUEUE);
	rate = sustain(&load, &written);
	(void)snprintf(how, sizeof(how), "%zu bytes, %u x %u, %u", l->size,
	    l->producers, l->window, l->consumers);
	(void)snprintf(figure, sizeof(figure), "%.0f msg/s", rate);
	report_row(l->persistent ? "put to acknowledged get"
				 : "the same, non-persistent",
	    how, figure, "%.1f MB/s, %.0f bytes to disk per message, %.0f MiB",
	    rate * (double)l->size / 1e6, written, host_rss_mib(h));
}

void
run_channel(const char *dir, const struct bench_load *l)
{
	struct bench_host from, to;
	struct load load = {.host = &from, .to = &to, .l = l};
	char how[96], figure[64];
	double rate, written;

	pair_start(&from, &to, dir, QUEUE);
	rate = sustain(&load, &written);
	(void)snprintf(how, sizeof(how), "%zu bytes, %u x %u, %u", l->size,
	    l->producers, l->window, l->consumers);
	(void)snprintf(figure, sizeof(figure), "%.0f msg/s", rate);
	report_row("between two queue managers over TLS", how, figure,
	    "%.1f MB/s, %.0f bytes to disk per message at the sender",
	    rate * (double)l->size / 1e6, written);
	pair_stop(&from, &to);
}

void
run_fill(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n};
	struct worker *w = calloc(MAX_THREADS, sizeof(*w));
	char how[96], figure[64];
	uint64_t written;
	double t;

	if (w == NULL)
		bench_die("no memory");
	host_queue(h, QUEUE);
	written = host_bytes_written(h);
	t = bench_now();
	start(w, l->producers, &load, produce);
	join(w, l->producers);
	t = bench_now() - t;
	written = host_bytes_written(h) - written;
	free(w);
	(void)snprintf(how, sizeof(how), "%llu of %zu bytes, %u x %u",
	    (unsigned long long)l->n, l->size, l->producers, l->window);
	(void)snprintf(figure, sizeof(figure), "%.0f msg/s", (double)l->n / t);
	report_row("fill", how, figure,
	    "%.1f s, %.0f bytes to disk per message, %.0f MiB", t,
	    (double)written / (double)l->n, host_rss_mib(h));
}

void
run_drain(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l, .target = l->n};
	struct worker *w = calloc(MAX_THREADS, sizeof(*w));
	char how[96], figure[64];
	double t;

	if (w == NULL)
		bench_die("no memory");
	t = bench_now();
	start(w, l->consumers, &load, consume);
	join(w, l->consumers);
	t = bench_now() - t;
	free(w);
	(void)snprintf(how, sizeof(how), "%llu of %zu bytes, %u",
	    (unsigned long long)l->n, l->size, l->consumers);
	(void)snprintf(figure, sizeof(figure), "%.0f msg/s", (double)l->n / t);
	report_row(
	    "drain", how, figure, "%.1f s, %.0f MiB", t, host_rss_mib(h));
}

/* ---- request and reply ---- */

static void
reply_queue(unsigned n, char ret_name[MQI_NAME_LEN + 1])
{
	(void)snprintf(ret_name, MQI_NAME_LEN + 1, "BENCH.RP.%u", n);
}

/* The next read-ahead message; NULL: it is over. */
static mqi_msg *
next_message(struct load *load, mqi_conn *c, mqi_queue *q)
{
	const struct mqi_get_opts wait = {.wait_ms = 200};
	mqi_msg *msg = NULL;
	enum mqi_err err;

	do
		err = mqi_get_msg(q, NULL, &wait, &msg);
	while (err == MQI_E_NO_MSG_AVAILABLE && !load->stop);
	if (err == MQI_E_NO_MSG_AVAILABLE)
		return NULL;
	bench_check(c, err, "get");
	return msg;
}

static void *
request(void *arg)
{
	const struct mqi_read_ahead window = {.max_msgs = 10};
	struct worker *w = arg;
	struct load *load = w->load;
	mqi_conn *c = host_connect(load->host);
	char *body = make_body(load->l->size);
	char name[MQI_NAME_LEN + 1];
	mqi_queue *replies, *requests;
	struct mqi_md md;
	mqi_msg *msg;
	double t;

	reply_queue(w->n, name);
	replies = open_queue(c, name, MQI_OO_INPUT_SHARED);
	requests = open_queue(c, REQUESTS, MQI_OO_OUTPUT);
	bench_check(c, mqi_read_ahead(replies, &window), "read-ahead");
	while (!load->stop) {
		make_md(load->l, &md);
		md.msg_type = MQI_MT_REQUEST;
		(void)snprintf(
		    md.reply_to_q, sizeof(md.reply_to_q), "%s", name);
		t = bench_now();
		bench_check(c,
		    mqi_put(requests, NULL, &md, body, load->l->size), "put");
		msg = next_message(load, c, replies);
		if (msg == NULL)
			break;
		bench_check(c, mqi_ack(replies, msg), "ack");
		(void)mqi_msg_free(msg);
		load->round_trips++;
		lat_add(&w->lat, (bench_now() - t) * 1e6);
	}
	free(body);
	(void)mqi_disconnect(c);
	return NULL;
}

static void *
reply(void *arg)
{
	const struct mqi_read_ahead window = {.max_msgs = 10};
	struct worker *w = arg;
	struct load *load = w->load;
	unsigned n = load->l->producers, to;
	mqi_conn *c = host_connect(load->host);
	mqi_queue **replies = calloc(n, sizeof(mqi_queue *)), *requests;
	char name[MQI_NAME_LEN + 1];
	struct mqi_md md;
	mqi_msg *msg;

	if (replies == NULL)
		bench_die("no memory");
	for (unsigned i = 0; i < n; i++) {
		reply_queue(i, name);
		replies[i] = open_queue(c, name, MQI_OO_OUTPUT);
	}
	requests = open_queue(c, REQUESTS, MQI_OO_INPUT_SHARED);
	bench_check(c, mqi_read_ahead(requests, &window), "read-ahead");
	while ((msg = next_message(load, c, requests)) != NULL) {
		to = (unsigned)strtoul(
		    strrchr(mqi_msg_md(msg)->reply_to_q, '.') + 1, NULL, 10);
		make_md(load->l, &md);
		md.msg_type = MQI_MT_REPLY;
		memcpy(md.correl_id, mqi_msg_md(msg)->msg_id, MQI_ID_LEN);
		bench_check(c,
		    mqi_put(replies[to], NULL, &md, mqi_msg_body(msg),
			mqi_msg_len(msg)),
		    "put");
		bench_check(c, mqi_ack(requests, msg), "ack");
		(void)mqi_msg_free(msg);
	}
	free(replies);
	(void)mqi_disconnect(c);
	return NULL;
}

void
run_rr(const struct bench_host *h, const struct bench_load *l)
{
	struct load load = {.host = h, .l = l};
	struct worker *w = calloc(2 * MAX_THREADS, sizeof(*w));
	char how[96], figure[64], name[MQI_NAME_LEN + 1];
	struct bench_lat all;
	uint64_t n;
	double t;

	if (w == NULL)
		bench_die("no memory");
	host_queue(h, REQUESTS);
	for (unsigned i = 0; i < l->producers; i++) {
		reply_queue(i, name);
		host_queue(h, name);
		lat_init(&w[i].lat, MAX_SAMPLES / l->producers);
	}
	start(w + MAX_THREADS, l->consumers, &load, reply);
	start(w, l->producers, &load, request);
	(void)usleep(WARM_UP_US);
	n = load.round_trips;
	t = bench_now();
	(void)usleep((useconds_t)(l->secs * 1e6));
	n = load.round_trips - n;
	t = bench_now() - t;
	load.stop = true;
	join(w, l->producers);
	join(w + MAX_THREADS, l->consumers);
	lat_init(&all, MAX_SAMPLES);
	for (unsigned i = 0; i < l->producers; i++) {
		lat_join(&all, &w[i].lat);
		lat_fini(&w[i].lat);
	}
	free(w);
	(void)snprintf(how, sizeof(how),
	    "%zu bytes, %u outstanding, %u repliers", l->size, l->producers,
	    l->consumers);
	(void)snprintf(figure, sizeof(figure), "%.0f /s", (double)n / t);
	report_row("request and reply", how, figure, "p50 %.0f us, p99 %.0f us",
	    lat_percentile(&all, 0.5), lat_percentile(&all, 0.99));
	lat_fini(&all);
}

void
run_idle(const struct bench_host *h)
{
	char figure[64];

	(void)snprintf(figure, sizeof(figure), "%.1f MiB", host_rss_mib(h));
	report_row("idle queue manager", "private memory", figure,
	    "%.0f ms from start to first connect", h->start_s * 1e3);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rr.c - requests and replies: every requester has one outstanding; both the
 * request's and the reply's put wait for their acknowledgement.
 *
 * Neighbours: load.c.  Non-persistent round trips are compared with two round
 * trips on a bare Unix socket, which is what their four hops cost at least.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

#define REQUESTS "BENCH.RQ"
#define WAIT_MS 200

static void
reply_queue(unsigned n, char ret_name[MQI_NAME_LEN + 1])
{
	(void)snprintf(ret_name, MQI_NAME_LEN + 1, "BENCH.RP.%u", n);
}

/* The next read-ahead message; NULL: it is over. */
static mqi_msg *
next_message(struct load *load, mqi_conn *c, mqi_queue *q)
{
	const struct mqi_get_opts wait = {.wait_ms = WAIT_MS};
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
	char *body = load_body(load->l->size);
	char name[MQI_NAME_LEN + 1];
	mqi_queue *replies, *requests;
	struct mqi_md md;
	mqi_msg *msg;
	double t;

	reply_queue(w->n, name);
	replies = load_open(c, name, MQI_OO_INPUT_SHARED);
	requests = load_open(c, REQUESTS, MQI_OO_OUTPUT);
	bench_check(c, mqi_read_ahead(replies, &window), "read-ahead");
	while (!load->stop) {
		load_md(load->l, &md);
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
		if (!load->measuring)
			continue;
		load->got++;
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
		replies[i] = load_open(c, name, MQI_OO_OUTPUT);
	}
	requests = load_open(c, REQUESTS, MQI_OO_INPUT_SHARED);
	bench_check(c, mqi_read_ahead(requests, &window), "read-ahead");
	while ((msg = next_message(load, c, requests)) != NULL) {
		to = (unsigned)strtoul(
		    strrchr(mqi_msg_md(msg)->reply_to_q, '.') + 1, NULL, 10);
		load_md(load->l, &md);
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

static void
report(const struct bench_load *l, double rate, struct bench_lat *lat)
{
	double p50 = lat_percentile(lat, 0.5), raw = limit_socket_us();
	struct bench_row row;

	row_init(&row, l->persistent ? "rr" : "np_rr",
	    l->persistent ? "request and reply"
			  : "request and reply, non-persistent",
	    rate, "/s");
	row_how(&row, "%zu bytes, %u outstanding, %u repliers%s", l->size,
	    l->producers, l->consumers, bench_cores());
	row_more(
	    &row, "p50 %.0f us, p99 %.0f us", p50, lat_percentile(lat, 0.99));
	if (l->persistent && l->producers == 1)
		row_peers(&row, "rr1", 1.2, "the best peer");
	else if (l->persistent && l->producers == 32)
		row_peers(&row, "rr32", 2, "the best peer");
	else if (!l->persistent && l->producers == 1 && raw > 0)
		row_goal(&row, p50 <= 5 * raw,
		    "<= 2.5 x two bare round trips on a Unix socket (%.2f x)",
		    p50 / (2 * raw));
	report_row(&row);
}

double
rr_measure(const struct bench_host *h, const struct bench_load *l,
    struct bench_lat *ret)
{
	struct worker *w = load_workers(2 * LOAD_MAX_THREADS);
	struct load load = {.host = h, .l = l};
	char name[MQI_NAME_LEN + 1];
	uint64_t n;
	double t;

	host_queue(h, REQUESTS);
	for (unsigned i = 0; i < l->producers; i++) {
		reply_queue(i, name);
		host_queue(h, name);
		lat_init(&w[i].lat, LOAD_MAX_SAMPLES / l->producers);
	}
	load_start(w + LOAD_MAX_THREADS, l->consumers, &load, reply);
	load_start(w, l->producers, &load, request);
	load_warm_up(&load);
	t = bench_now();
	load_sleep(l->secs);
	n = load.got;
	t = bench_now() - t;
	load.stop = true;
	load_join(w, l->producers);
	load_join(w + LOAD_MAX_THREADS, l->consumers);
	lat_init(ret, LOAD_MAX_SAMPLES);
	for (unsigned i = 0; i < l->producers; i++) {
		lat_join(ret, &w[i].lat);
		lat_fini(&w[i].lat);
		reply_queue(i, name);
		host_no_queue(h, name);
	}
	free(w);
	return (double)n / t;
}

void
run_rr(const struct bench_host *h, const struct bench_load *l)
{
	struct bench_lat lat;
	double rate = rr_measure(h, l, &lat);

	report(l, rate, &lat);
	lat_fini(&lat);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - what the loads of mqbench share: workers, each a thread with a
 * connection of its own, and the counters by which they know when to stop.
 * Neighbours: run.c, backlog.c, channel.c, rr.c and stall.c.
 */
#ifndef MQ_BENCH_LOAD_H
#define MQ_BENCH_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/bench.h"

#define LOAD_BACKLOG 20000u
#define LOAD_MAX_THREADS 256u
#define LOAD_MAX_SAMPLES 4000000u
#define LOAD_QUEUE "BENCH.Q"

struct load {
	const struct bench_host *host;
	const struct bench_host *to; /* of consumers; NULL: host */
	const struct bench_load *l;
	_Atomic bool stop;
	_Atomic bool measuring; /* warm-up is over */
	uint64_t target;        /* fill, drain; 0: none */
	unsigned unit;          /* messages in a unit of work; 0: none */
	bool is_plain;          /* gets outside a unit, not read ahead */
	/* each in a cache line of its own: all threads write them */
	_Alignas(64) _Atomic uint64_t sent;
	_Alignas(64) _Atomic uint64_t got;
	/* with a target: answered, as far as producers know */
	_Alignas(64) _Atomic uint64_t put;
};

struct worker {
	pthread_t thread;
	struct load *load;
	unsigned n;       /* its number */
	unsigned claimed; /* may be sent, counted already */
	unsigned got;     /* not counted yet */
	struct bench_lat lat;
};

struct worker *load_workers(unsigned n); /* for free() */
void load_start(
    struct worker *w, unsigned n, struct load *load, void *(*fn)(void *));
void load_join(struct worker *w, unsigned n);

mqi_queue *load_open(mqi_conn *c, const char *name, uint32_t options);
char *load_body(size_t size);
void load_md(const struct bench_load *l, struct mqi_md *ret);
void load_warm_up(struct load *load); /* sleeps */
void load_sleep(double secs);

struct sustained {
	double rate;    /* messages got per second */
	double written; /* bytes per message, to the disk */
	double own;     /* bytes per message, as charged to the producers' */
};

/* Producers and consumers, warmed up; what they do in l->secs; their end. */
struct worker *load_begin(struct load *load);
void load_measure(struct load *load, struct sustained *ret);
void load_end(struct load *load, struct worker *w);
/* All three. */
void load_sustain(struct load *load, struct sustained *ret);
void load_how(struct bench_row *row, const struct bench_load *l);

/* Producers and consumers; the argument is a struct worker. */
void *load_produce(void *arg);
void *load_consume(void *arg);

/* Round trips per second, and their latencies: rr.c. */
double rr_measure(const struct bench_host *h, const struct bench_load *l,
    struct bench_lat *ret);

#endif

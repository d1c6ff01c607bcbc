/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - between the files of mqbench: what is measured, where, and how it
 * is printed.  The program dies with a line when something fails.
 */
#ifndef MQ_BENCH_BENCH_H
#define MQ_BENCH_BENCH_H

#include <mq/mqi.h>
#include <sys/types.h>

#include "base/check.h"

/* ---- where: host.c ---- */

struct bench_host {
	char root[256];
	char qmgr[MQI_NAME_LEN + 1];
	pid_t pid;      /* of the queue manager; 0: not known */
	bool is_own;    /* started here, in a temporary directory */
	double start_s; /* until it answered, if it is our own */
};

/* A running queue manager, or, with qmgr NULL, one made and started for the
 * purpose. */
void host_find(
    struct bench_host *h, const char *root, const char *qmgr, const char *dir);
void host_stop(struct bench_host *h); /* ours: stopped and removed */
/* The same in steps: a temporary directory; a queue manager in it, made and
 * started; its process ended. */
void host_root(struct bench_host *h, const char *dir);
void host_make(struct bench_host *h, const char *name);
void host_start(struct bench_host *h);
void host_end(struct bench_host *h);
/* The path of a program of ours. */
void host_program(const char *name, char *ret_path, size_t size);
mqi_conn *host_connect(const struct bench_host *h);
/* A new, empty queue. */
void host_queue(const struct bench_host *h, const char *name);
double host_rss_mib(const struct bench_host *h); /* private memory too */
uint64_t host_bytes_written(const struct bench_host *h); /* by the qmgr */

/* ---- two of them: pair.c ---- */

/* Made below dir, joined by a channel over TLS from `from` to `to`: what is
 * put on `queue` at `from` comes to the queue of that name at `to`. */
void pair_start(struct bench_host *from, struct bench_host *to, const char *dir,
    const char *queue);
void pair_stop(struct bench_host *from, struct bench_host *to);

/* ---- results: report.c ---- */

struct bench_lat {
	float *us;
	size_t n;
	size_t cap;
};

void lat_init(struct bench_lat *l, size_t cap);
void lat_add(struct bench_lat *l, double us); /* beyond cap: not kept */
void lat_join(struct bench_lat *l, const struct bench_lat *other);
double lat_percentile(struct bench_lat *l, double p); /* sorts */
void lat_fini(struct bench_lat *l);

/* One line of the table; fields are printf'd by the caller. */
void report_begin(bool markdown);
void report_row(const char *what, const char *how, const char *figure,
    const char *fmt, ...) MQ_PRINTF(4, 5);

_Noreturn void bench_die(const char *fmt, ...) MQ_PRINTF(1, 2);
void bench_check(const mqi_conn *c, enum mqi_err err, const char *what);
double bench_now(void); /* seconds, monotonic */

/* ---- what: run.c, limits.c ---- */

struct bench_load {
	size_t size; /* bytes of a body */
	double secs;
	uint64_t n;         /* messages: fill, drain */
	unsigned producers; /* or requesters */
	unsigned window;    /* unanswered puts of a producer */
	unsigned consumers; /* or repliers */
	bool persistent;
};

void run_lat(const struct bench_host *h, const struct bench_load *l);
void run_tput(const struct bench_host *h, const struct bench_load *l);
void run_fill(const struct bench_host *h, const struct bench_load *l);
void run_drain(const struct bench_host *h, const struct bench_load *l);
/* From one queue manager to another, both made below dir: over TLS, durable
 * at both ends. */
void run_channel(const char *dir, const struct bench_load *l);
void run_rr(const struct bench_host *h, const struct bench_load *l);
void run_idle(const struct bench_host *h);

/* In files below dir. */
void limit_flush(const char *dir, size_t size, double secs);
void limit_lmdb(const char *dir, size_t size, double secs);
void limit_socket(size_t size, double secs);

#endif

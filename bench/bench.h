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
#include "proto/ctl.h"

struct proxy;

/* ---- where: host.c ---- */

struct bench_host {
	char root[256];
	char qmgr[MQI_NAME_LEN + 1];
	pid_t pid;         /* of the queue manager; 0: not known */
	bool is_own;       /* started here, in a temporary directory */
	double start_s;    /* until it answered, if it is our own */
	unsigned flush_ms; /* each flush takes that much longer; 0: as it is */
};

/* A running queue manager, or, with qmgr NULL, one made and started for the
 * purpose. */
void host_find(
    struct bench_host *h, const char *root, const char *qmgr, const char *dir);
/* One of our own; flush_ms: its flushes take that much longer, for which
 * host_preload() must have found the library. */
void host_new(struct bench_host *h, const char *dir, unsigned flush_ms);
void host_stop(struct bench_host *h); /* ours: stopped and removed */
void host_remove_all(void); /* of ours, at the end; the caller then exits */
/* The same in steps: a temporary directory; a queue manager in it, made and
 * started; its process ended. */
void host_root(struct bench_host *h, const char *dir);
void host_make(struct bench_host *h, const char *name);
void host_start(struct bench_host *h);
void host_end(struct bench_host *h);
void host_child(void); /* first in a child: signals, and it ends with us */
/* Dies, behind what the log in the directory says. */
_Noreturn void host_die(const struct bench_host *h, const char *what);
/* The path of a program of ours. */
void host_program(const char *name, char *ret_path, size_t size);
/* The library that does it; false: it was not built. */
bool host_preload(char *ret_path, size_t size);
mqi_conn *host_connect(const struct bench_host *h);
/* A new, empty queue; and none any more. */
void host_queue(const struct bench_host *h, const char *name);
void host_no_queue(const struct bench_host *h, const char *name);
/* What has been put is in the store and no longer needed from the journal
 * when it returns. */
void host_checkpoint(const struct bench_host *h);

/* The sum of a figure over what DISPLAY shows. */
uint64_t host_number(const struct bench_host *h, enum mqctl_noun noun,
    const char *name, const char *keyword);
/* Batches of the journal, each with its flush, since it was made. */
uint64_t host_flushes(const struct bench_host *h);

/* ---- processors: cost.c ---- */

/* From now on this thread, and threads and processes that it starts, run on
 * one processor, or on all that there were. */
void bench_one_core(bool one);
bool bench_is_one_core(void);
/* "" or, for a row, that it is one. */
const char *bench_cores(void);

/* ---- what it costs: cost.c ---- */

double host_private_mib(const struct bench_host *h); /* anonymous memory */
double host_rss_mib(const struct bench_host *h);     /* all of it */
/* Bytes written to the device below the directory, by anybody; where there is
 * none to be asked, what the kernel charges the queue manager. */
uint64_t host_disk_written(const struct bench_host *h);
/* What the kernel charges it: it counts a whole folio of the page cache, which
 * may be as large as a megabyte, when a byte of it is written. */
uint64_t host_own_written(const struct bench_host *h);

/* Of the processes of channels, or of `mca clients`, below a queue manager's;
 * added to what is there. */
enum cost_kind { COST_CHANNELS, COST_CLIENTS };

struct cost_agents {
	unsigned n;
	double private_mib; /* of all, Private_* of smaps_rollup */
	double most_mib;    /* of one */
	uint64_t switches;  /* of context, since they began */
	double cpu_ms;      /* since they began */
};

void cost_agents(pid_t qmgr, enum cost_kind kind, struct cost_agents *ret);

/* ---- two of them: pair.c ---- */

/* Made below dir, joined by a channel over TLS from `from` to `to`: what is
 * put on `queue` at `from` comes to the queue of that name at `to`. */
struct bench_pair {
	struct bench_host from, to;
	struct proxy *proxy; /* between them; NULL: none was asked for */
	unsigned port;       /* of the listener */
};

void pair_start(
    struct bench_pair *p, const char *dir, const char *queue, bool with_proxy);
void pair_stop(struct bench_pair *p);
/* Starts or stops the channel. */
void pair_channel(struct bench_pair *p, bool on);
/* n channels more, each with a transmission queue and a remote definition of
 * `queue`, whose name pair_queue() makes (MQI_NAME_LEN + 1 bytes). */
void pair_more(struct bench_pair *p, const char *queue, unsigned n);
void pair_queue(unsigned i, char *ret);
/* n applications that connect to `to` by TLS, through its listener. */
void pair_clients(struct bench_pair *p, mqi_conn **ret, unsigned n);
/* So long each way from now on. */
void pair_delay(struct bench_pair *p, unsigned ms);

/* ---- latencies: latency.c ---- */

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

/* ---- results: report.c ---- */

enum bench_verdict { BENCH_NO_GOAL, BENCH_REACHED, BENCH_MISSED, BENCH_ASK };

/* One line of the table. */
struct bench_row {
	const char *key; /* for programs */
	const char *what;
	double value;
	const char *unit;
	char how[96];
	char more[224];
	char goal[128];
	enum bench_verdict verdict;
};

void row_init(struct bench_row *r, const char *key, const char *what,
    double value, const char *unit);
void row_how(struct bench_row *r, const char *fmt, ...) MQ_PRINTF(2, 3);
void row_more(struct bench_row *r, const char *fmt, ...) MQ_PRINTF(2, 3);
void row_goal(struct bench_row *r, bool reached, const char *fmt, ...)
    MQ_PRINTF(3, 4);
/* The goal is a multiple of what the best peer does: tools/bench-peers knows
 * that, and report_peers() has read it, or not. */
void row_peers(
    struct bench_row *r, const char *key, double times, const char *peer);

enum bench_format { BENCH_TEXT, BENCH_MARKDOWN, BENCH_JSON };

void report_begin(enum bench_format format);
void report_peers(const char *path); /* what tools/bench-peers --json wrote */
bool report_knows_peer(const char *key);
/* Between these two, rows are kept; then each is printed once, as it was when
 * its value was the median. */
void report_repeat(void);
void report_median(void);
void report_row(const struct bench_row *r);

_Noreturn void bench_die(const char *fmt, ...) MQ_PRINTF(1, 2);
void bench_check(const mqi_conn *c, enum mqi_err err, const char *what);
double bench_now(void); /* seconds, monotonic */

/* ---- what: run.c, backlog.c, channel.c, rr.c, stall.c ---- */

struct bench_load {
	size_t size; /* bytes of a body */
	double secs;
	uint64_t n;         /* messages: fill, drain */
	unsigned producers; /* or requesters */
	unsigned window;    /* unanswered puts of a producer */
	unsigned consumers; /* or repliers */
	unsigned unit;      /* messages in a unit of work; 0: none */
	bool persistent;
};

void run_lat(const struct bench_host *h, const struct bench_load *l);
void run_tput(const struct bench_host *h, const struct bench_load *l);
void run_gets(const struct bench_host *h, const struct bench_load *l);
void run_units(const struct bench_host *h, const struct bench_load *l);
void run_burst(const struct bench_host *h, const struct bench_load *l);
/* From one queue manager to another, both made below dir: over TLS, durable
 * at both ends. */
void run_channel(const char *dir, const struct bench_load *l);
/* The same with a round trip of 100 ms, against none, through one proxy. */
void run_channel_100ms(const char *dir, const struct bench_load *l);
void run_channel_latency(const char *dir, const struct bench_load *l);
void run_channel_flushes(const char *dir, const struct bench_load *l);
/* l->n channels that have nothing to do. */
void run_channel_idle(const char *dir, const struct bench_load *l);
void run_clients_idle(const char *dir, const struct bench_load *l);
/* On a queue manager made below dir. */
void run_deep(const char *dir, const struct bench_load *l);
void run_rr(const struct bench_host *h, const struct bench_load *l);
void run_large(const struct bench_host *h, const struct bench_load *l);
void run_idle(const struct bench_host *h);
void run_fill(const struct bench_host *h, const struct bench_load *l);
void run_drain(const struct bench_host *h, const struct bench_load *l);
void run_backlog(const struct bench_host *h, const struct bench_load *l);
/* Puts and gets at the same time, up to l->n. */
void run_pass(const struct bench_host *h, const struct bench_load *l);
void run_checkpoint(const struct bench_host *h, const struct bench_load *l);
/* Two queue managers below dir: with flushes as they are, and slower. */
void run_slow_flush(const char *dir, const struct bench_load *l);

/* ---- the machine: limits.c ---- */

/* In files below dir. */
void limit_flush(const char *dir, size_t size, double secs);
void limit_lmdb(const char *dir, size_t size, double secs);
void limit_socket(size_t size, double secs);
/* What they were last, p50 in microseconds; 0: not measured. */
double limit_flush_us(void);
double limit_socket_us(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqbench.c - measures a queue manager, and beside it the machine.
 *
 * Neighbours: run.c has the loads, limits.c the raw limits, host.c the queue
 * manager.  bench/README.md says how to read the figures.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

#define IDLE_CHANNELS 200u
#define BURST 16000u /* messages: less than the journal may lead */

struct options {
	const char *root;
	const char *qmgr;
	const char *dir;
	const char *peers;
	enum bench_format format;
	bool all;
	double secs;
	unsigned runs;
	uint64_t backlog;
};

static void
help(void)
{
	(void)fputs(
	    "Usage: mqbench [OPTIONS] --all\n"
	    "       mqbench [OPTIONS] lat | np_lat SIZE SECONDS\n"
	    "       mqbench [OPTIONS] tput | np | gets SIZE SECONDS PRODUCERS "
	    "WINDOW CONSUMERS\n"
	    "       mqbench [OPTIONS] units SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS UNIT\n"
	    "       mqbench [OPTIONS] fill | burst SIZE MESSAGES PRODUCERS "
	    "WINDOW\n"
	    "       mqbench [OPTIONS] drain SIZE MESSAGES CONSUMERS\n"
	    "       mqbench [OPTIONS] backlog SIZE MESSAGES PRODUCERS WINDOW "
	    "CONSUMERS\n"
	    "       mqbench [OPTIONS] backlog_units SIZE MESSAGES PRODUCERS "
	    "WINDOW CONSUMERS UNIT\n"
	    "       mqbench [OPTIONS] rr | np_rr SIZE SECONDS REQUESTERS "
	    "REPLIERS\n"
	    "       mqbench [OPTIONS] deep SIZE MESSAGES\n"
	    "       mqbench [OPTIONS] large SIZE SECONDS\n"
	    "       mqbench [OPTIONS] channel | channel_100ms SIZE SECONDS "
	    "PRODUCERS WINDOW CONSUMERS\n"
	    "       mqbench [OPTIONS] channel_latency SIZE SECONDS\n"
	    "       mqbench [OPTIONS] channel_flushes SIZE MESSAGES\n"
	    "       mqbench [OPTIONS] channel_idle CHANNELS SECONDS\n"
	    "       mqbench [OPTIONS] clients_idle CLIENTS SECONDS\n"
	    "       mqbench [OPTIONS] lat_n SIZE MESSAGES\n"
	    "       mqbench [OPTIONS] pass | np_pass SIZE MESSAGES PRODUCERS "
	    "WINDOW "
	    "CONSUMERS\n"
	    "       mqbench [OPTIONS] checkpoint | slow_flush SIZE SECONDS\n"
	    "       mqbench [OPTIONS] idle\n"
	    "       mqbench [OPTIONS] limits SIZE SECONDS\n\n"
	    "Measures a queue manager: its own, in a temporary directory, or "
	    "--qmgr.\n\n"
	    "      --qmgr NAME    one that runs\n"
	    "      --root DIR     where queue managers are\n"
	    "      --dir DIR      where to make its own (TMPDIR, or /tmp)\n"
	    "      --runs N       measure N times, print medians (1)\n"
	    "      --seconds N    of each measurement of --all (3)\n"
	    "      --backlog N    messages of --all's fill and drain "
	    "(500,000)\n"
	    "      --peers FILE   what tools/bench-peers --json printed, for "
	    "the goals\n"
	    "      --markdown     a table for a document\n"
	    "      --json         an object per line\n",
	    stdout);
}

static _Noreturn void
usage(const char *what)
{
	(void)fprintf(
	    stderr, "mqbench: %s\nmqbench: try 'mqbench --help'\n", what);
	exit(2);
}

static double
number(const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= min && v <= max))
		usage("a number is out of range");
	return v;
}

/* ---- one measurement ---- */

/* What the arguments behind a mode mean, in order. */
enum param { END, SIZE, SECS, N, PRODUCERS, WINDOW, CONSUMERS, UNIT };

#define MAX_PARAMS 6

typedef void (*run_fn)(const struct bench_host *h, const struct bench_load *l);

static const struct mode {
	const char *name;
	enum param params[MAX_PARAMS + 1];
	run_fn run;
	bool is_np; /* non-persistent */
} modes[] = {
    {"lat", {SIZE, SECS}, run_lat, false},
    {"np_lat", {SIZE, SECS}, run_lat, true},
    {"tput", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS}, run_tput, false},
    {"np", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS}, run_tput, true},
    {"gets", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS}, run_gets, false},
    {"units", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS, UNIT}, run_units,
	false},
    {"burst", {SIZE, N, PRODUCERS, WINDOW}, run_burst, false},
    {"fill", {SIZE, N, PRODUCERS, WINDOW}, run_fill, false},
    {"drain", {SIZE, N, CONSUMERS}, run_drain, false},
    {"backlog", {SIZE, N, PRODUCERS, WINDOW, CONSUMERS}, run_backlog, false},
    {"backlog_units", {SIZE, N, PRODUCERS, WINDOW, CONSUMERS, UNIT},
	run_backlog, false},
    {"rr", {SIZE, SECS, PRODUCERS, CONSUMERS}, run_rr, false},
    {"np_rr", {SIZE, SECS, PRODUCERS, CONSUMERS}, run_rr, true},
    {"large", {SIZE, SECS}, run_large, false},
    {"deep", {SIZE, N}, NULL, false},
    {"lat_n", {SIZE, N}, run_lat, false},
    {"pass", {SIZE, N, PRODUCERS, WINDOW, CONSUMERS}, run_pass, false},
    {"np_pass", {SIZE, N, PRODUCERS, WINDOW, CONSUMERS}, run_pass, true},
    {"checkpoint", {SIZE, SECS}, run_checkpoint, false},
    {"slow_flush", {SIZE, SECS}, NULL, true},
    {"idle", {END}, NULL, false}, /* a fresh one each time */
    {"channel", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS}, NULL, false},
    {"channel_100ms", {SIZE, SECS, PRODUCERS, WINDOW, CONSUMERS}, NULL, false},
    {"channel_latency", {SIZE, SECS}, NULL, false},
    {"channel_flushes", {SIZE, N}, NULL, false},
    {"channel_idle", {N, SECS}, NULL, false},
    {"clients_idle", {N, SECS}, NULL, false},
    {"limits", {SIZE, SECS}, NULL, false},
};

static int
n_params(const struct mode *m)
{
	int n = 0;

	while (n < MAX_PARAMS && m->params[n] != END)
		n++;
	return n;
}

static const struct mode *
find_mode(int argc, char **argv)
{
	if (argc < 1)
		usage("what shall be measured?");
	for (size_t i = 0; i < MQ_ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, argv[0]) != 0)
			continue;
		if (n_params(&modes[i]) != argc - 1)
			usage("wrong number of arguments");
		return &modes[i];
	}
	usage("unknown measurement");
}

static void
parse_param(enum param p, const char *text, struct bench_load *l)
{
	switch (p) {
	case SIZE:
		l->size = (size_t)number(text, 0, MQI_MAX_BODY);
		break;
	case SECS:
		l->secs = number(text, 0.01, 1e6);
		break;
	case N:
		l->n = (uint64_t)number(text, 1, 1e9);
		break;
	case PRODUCERS:
		l->producers = (unsigned)number(text, 1, 256);
		break;
	case WINDOW:
		l->window = (unsigned)number(text, 1, 1024);
		break;
	case CONSUMERS:
		l->consumers = (unsigned)number(text, 1, 256);
		break;
	case UNIT:
		l->unit = (unsigned)number(text, 1, 10000);
		break;
	case END:
		break;
	}
}

static void
limits(const struct options *o, const struct bench_load *l)
{
	limit_flush(o->dir, l->size, l->secs);
	limit_lmdb(o->dir, l->size, l->secs);
	limit_socket(l->size, l->secs);
}

/* A queue manager that has just been made and started, doing nothing. */
static void
idle(const struct options *o)
{
	struct bench_host h;

	host_find(&h, o->root, o->qmgr, o->dir);
	run_idle(&h);
	host_stop(&h);
}

static void
slow_flush(const struct options *o, struct bench_load l)
{
	l.producers = l.consumers = 1;
	l.persistent = false;
	run_slow_flush(o->dir, &l);
}

/* Measures with a queue manager of its own, as often as asked. */
static void
measure(const struct options *o, run_fn run, const struct bench_load *l)
{
	struct bench_host h;

	report_repeat();
	for (unsigned i = 0; i < o->runs; i++) {
		host_find(&h, o->root, o->qmgr, o->dir);
		run(&h, l);
		host_stop(&h);
	}
	report_median();
}

static void
run_mode(const struct options *o, const struct mode *m, char **args)
{
	struct bench_load l = {.persistent = !m->is_np};

	for (int i = 0; i < n_params(m); i++)
		parse_param(m->params[i], args[i], &l);
	if (m->run == run_drain && o->qmgr == NULL)
		usage("drain needs --qmgr: backlog fills first");
	if (m->run != NULL) {
		measure(o, m->run, &l);
		return;
	}
	report_repeat();
	for (unsigned i = 0; i < o->runs; i++)
		if (strcmp(m->name, "limits") == 0)
			limits(o, &l);
		else if (strcmp(m->name, "channel") == 0)
			run_channel(o->dir, &l);
		else if (strcmp(m->name, "channel_100ms") == 0)
			run_channel_100ms(o->dir, &l);
		else if (strcmp(m->name, "channel_latency") == 0)
			run_channel_latency(o->dir, &l);
		else if (strcmp(m->name, "channel_flushes") == 0)
			run_channel_flushes(o->dir, &l);
		else if (strcmp(m->name, "channel_idle") == 0)
			run_channel_idle(o->dir, &l);
		else if (strcmp(m->name, "clients_idle") == 0)
			run_clients_idle(o->dir, &l);
		else if (strcmp(m->name, "deep") == 0)
			run_deep(o->dir, &l);
		else if (strcmp(m->name, "slow_flush") == 0)
			slow_flush(o, l);
		else
			idle(o);
	report_median();
}

/* ---- all of them ---- */

static void
all_disk(const struct options *o, struct bench_load l)
{
	report_repeat();
	for (unsigned i = 0; i < o->runs; i++) {
		struct bench_host h;

		limits(o, &l);
		host_find(&h, o->root, o->qmgr, o->dir);
		run_lat(&h, &l); /* right behind what it is compared with */
		host_stop(&h);
		idle(o);
	}
	report_median();
	measure(o, run_tput, &l);
	measure(o, run_gets, &l);
	l.unit = 64;
	measure(o, run_units, &l);
	l.unit = 0;
	measure(o, run_backlog, &l);
	l.unit = 64;
	measure(o, run_backlog, &l);
	l.unit = 0;
	l.n = o->backlog < BURST ? o->backlog : BURST;
	measure(o, run_burst, &l);
	l.size = 64;
	measure(o, run_tput, &l);
}

static void
all_rr(const struct options *o, struct bench_load l)
{
	static const unsigned outstanding[] = {1, 16, 32};

	for (size_t i = 0; i < MQ_ARRAY_LEN(outstanding); i++) {
		l.producers = outstanding[i];
		l.consumers = outstanding[i] < 4 ? outstanding[i] : 4;
		measure(o, run_rr, &l);
	}
	l.producers = l.consumers = 1;
	l.persistent = false;
	report_repeat();
	for (unsigned i = 0; i < 2 * o->runs; i++) {
		struct bench_host h;

		/* a wake-up of another processor takes several times as long
		 * as one of the same: both are told */
		bench_one_core(i % 2 == 1);
		limit_socket(l.size, l.secs);
		host_find(&h, o->root, o->qmgr, o->dir);
		run_rr(&h, &l);
		host_stop(&h);
	}
	bench_one_core(false);
	report_median();
}

static void
all_cores(const struct options *o, const struct bench_load *l)
{
	bench_one_core(true);
	measure(o, run_tput, l);
	bench_one_core(false);
}

static void
all_stalls(const struct options *o, const struct bench_load *l)
{
	struct bench_load large = *l;

	large.size = (size_t)100 << 20;
	measure(o, run_checkpoint, l);
	measure(o, run_large, &large);
	report_repeat();
	for (unsigned i = 0; i < o->runs; i++)
		slow_flush(o, *l);
	report_median();
}

static void
all_np(const struct options *o, struct bench_load l)
{
	l.persistent = false;
	measure(o, run_tput, &l);
	l.size = 64;
	measure(o, run_tput, &l);
}

static void
all_channels(const struct options *o, struct bench_load l)
{
	typedef void (*channel_fn)(
	    const char *dir, const struct bench_load *load);
	static const channel_fn runs[] = {run_channel, run_channel_100ms,
	    run_channel_latency, run_channel_flushes, run_channel_idle};

	for (size_t i = 0; i < MQ_ARRAY_LEN(runs); i++) {
		l.n = runs[i] == run_channel_idle ? IDLE_CHANNELS : o->backlog;
		report_repeat();
		for (unsigned n = 0; n < o->runs; n++)
			runs[i](o->dir, &l);
		report_median();
	}
}

static void
run_all(const struct options *o)
{
	struct bench_load l = {.size = 1024,
	    .secs = o->secs,
	    .n = o->backlog,
	    .producers = 4,
	    .window = 256,
	    .consumers = 2,
	    .persistent = true};

	all_disk(o, l);
	all_rr(o, l);
	all_np(o, l);
	all_cores(o, &l);
	all_stalls(o, &l);
	all_channels(o, l);
}

/* ---- the program ---- */

static const struct option long_options[] = {
    {"qmgr", required_argument, NULL, 'q'},
    {"root", required_argument, NULL, 'r'},
    {"dir", required_argument, NULL, 'd'},
    {"seconds", required_argument, NULL, 's'},
    {"backlog", required_argument, NULL, 'b'},
    {"runs", required_argument, NULL, 'n'},
    {"peers", required_argument, NULL, 'p'},
    {"markdown", no_argument, NULL, 'm'},
    {"json", no_argument, NULL, 'j'},
    {"all", no_argument, NULL, 'a'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void
parse(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		switch (opt) {
		case 'q':
			o->qmgr = optarg;
			break;
		case 'r':
			o->root = optarg;
			break;
		case 'd':
			o->dir = optarg;
			break;
		case 's':
			o->secs = number(optarg, 0.01, 1e6);
			break;
		case 'b':
			o->backlog = (uint64_t)number(optarg, 1, 1e9);
			break;
		case 'm':
			o->format = BENCH_MARKDOWN;
			break;
		case 'j':
			o->format = BENCH_JSON;
			break;
		case 'n':
			o->runs = (unsigned)number(optarg, 1, 99);
			break;
		case 'p':
			o->peers = optarg;
			break;
		case 'a':
			o->all = true;
			break;
		case 'h':
			help();
			exit(0);
		default:
			usage("that is not an option");
		}
}

/* Nothing is left behind when a signal ends the program. */
static void *
wait_for_signal(void *arg)
{
	const sigset_t *signals = arg;
	int sig;

	if (sigwait(signals, &sig) == 0) {
		host_remove_all();
		_exit(128 + sig);
	}
	return NULL;
}

static void
catch_signals(void)
{
	static sigset_t signals;
	pthread_t thread;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (pthread_create(&thread, NULL, wait_for_signal, &signals) != 0)
		bench_die("no thread");
	(void)pthread_detach(thread);
}

int
main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	struct options o = {.dir = tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp",
	    .secs = 3,
	    .runs = 1,
	    .backlog = 500000};
	const struct mode *m = NULL;

	parse(&o, argc, argv);
	if (!o.all)
		m = find_mode(argc - optind, argv + optind);
	catch_signals();
	if (o.peers != NULL)
		report_peers(o.peers);
	report_begin(o.format);
	if (m != NULL)
		run_mode(&o, m, argv + optind + 1);
	else
		run_all(&o);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqbench.c - measures a queue manager, and beside it the machine.
 *
 * Neighbours: run.c has the loads, limits.c the raw limits, host.c the queue
 * manager.  bench/README.md says how to read the figures.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

struct options {
	const char *root;
	const char *qmgr;
	const char *dir;
	bool markdown;
	bool all;
	double secs;
	uint64_t backlog;
};

static void
help(void)
{
	(void)fputs(
	    "Usage: mqbench [OPTIONS] --all\n"
	    "       mqbench [OPTIONS] lat SIZE SECONDS\n"
	    "       mqbench [OPTIONS] tput SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS\n"
	    "       mqbench [OPTIONS] np SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS\n"
	    "       mqbench [OPTIONS] fill SIZE MESSAGES PRODUCERS WINDOW\n"
	    "       mqbench [OPTIONS] drain SIZE MESSAGES CONSUMERS\n"
	    "       mqbench [OPTIONS] rr SIZE SECONDS REQUESTERS REPLIERS\n"
	    "       mqbench [OPTIONS] channel SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS\n"
	    "       mqbench [OPTIONS] limits SIZE SECONDS\n\n"
	    "Measures a queue manager: its own, in a temporary directory, or "
	    "--qmgr.\n\n"
	    "      --qmgr NAME    one that runs\n"
	    "      --root DIR     where queue managers are\n"
	    "      --dir DIR      where to make its own (TMPDIR, or /tmp)\n"
	    "      --seconds N    of each measurement of --all (3)\n"
	    "      --backlog N    messages of --all's fill and drain "
	    "(500,000)\n"
	    "      --markdown     a table for a document\n",
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

static void
limits(const struct options *o, size_t size, double secs)
{
	limit_flush(o->dir, size, secs);
	limit_lmdb(o->dir, size, secs);
	limit_socket(size, secs);
}

static void
run_all(const struct options *o, const struct bench_host *h)
{
	struct bench_load l = {.size = 1024,
	    .secs = o->secs,
	    .n = o->backlog,
	    .producers = 4,
	    .window = 256,
	    .consumers = 2,
	    .persistent = true};
	static const unsigned outstanding[] = {1, 16, 32};

	limits(o, l.size, o->secs);
	run_idle(h);
	run_lat(h, &l);
	run_tput(h, &l);
	l.size = 64;
	run_tput(h, &l);
	l.size = 1024;
	run_fill(h, &l);
	run_drain(h, &l);
	for (size_t i = 0; i < MQ_ARRAY_LEN(outstanding); i++) {
		l.producers = outstanding[i];
		l.consumers = outstanding[i] < 4 ? outstanding[i] : 4;
		run_rr(h, &l);
	}
	l.producers = 4;
	l.consumers = 2;
	run_channel(o->dir, &l);
	l.persistent = false;
	run_tput(h, &l);
}

/* Fills l from the arguments behind the mode; their number must be right. */
static void
parse_load(const char *mode, int argc, char **argv, struct bench_load *l)
{
	bool counted = strcmp(mode, "fill") == 0 || strcmp(mode, "drain") == 0;

	l->size = (size_t)number(argv[0], 0, MQI_MAX_BODY);
	if (counted)
		l->n = (uint64_t)number(argv[1], 1, 1e9);
	else
		l->secs = number(argv[1], 0.01, 1e6);
	if (strcmp(mode, "drain") == 0) {
		l->consumers = (unsigned)number(argv[2], 1, 256);
		return;
	}
	if (argc > 2)
		l->producers = (unsigned)number(argv[2], 1, 256);
	if (strcmp(mode, "rr") == 0) {
		l->consumers = (unsigned)number(argv[3], 1, 256);
		return;
	}
	if (argc > 3)
		l->window = (unsigned)number(argv[3], 1, 1024);
	if (argc > 4)
		l->consumers = (unsigned)number(argv[4], 1, 256);
}

static const struct mode {
	const char *name;
	int n_args;
	void (*run)(const struct bench_host *h, const struct bench_load *l);
} modes[] = {
    {"lat", 2, run_lat}, {"tput", 5, run_tput}, {"np", 5, run_tput},
    {"fill", 4, run_fill}, {"drain", 3, run_drain}, {"rr", 4, run_rr},
    {"channel", 5, NULL}, /* between two of its own */
    {"limits", 2, NULL},  /* of the machine */
};

static const struct mode *
find_mode(int argc, char **argv)
{
	if (argc < 1)
		usage("what shall be measured?");
	for (size_t i = 0; i < MQ_ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, argv[0]) != 0)
			continue;
		if (modes[i].n_args != argc - 1)
			usage("wrong number of arguments");
		return &modes[i];
	}
	usage("unknown measurement");
}

static void
run_mode(const struct options *o, const struct mode *m, char **args)
{
	struct bench_load l = {.persistent = strcmp(m->name, "np") != 0};
	struct bench_host h;

	parse_load(m->name, m->n_args, args, &l);
	if (strcmp(m->name, "limits") == 0) {
		limits(o, l.size, l.secs);
		return;
	}
	if (strcmp(m->name, "channel") == 0) {
		run_channel(o->dir, &l);
		return;
	}
	host_find(&h, o->root, o->qmgr, o->dir);
	m->run(&h, &l);
	host_stop(&h);
}

static const struct option long_options[] = {
    {"qmgr", required_argument, NULL, 'q'},
    {"root", required_argument, NULL, 'r'},
    {"dir", required_argument, NULL, 'd'},
    {"seconds", required_argument, NULL, 's'},
    {"backlog", required_argument, NULL, 'b'},
    {"markdown", no_argument, NULL, 'm'},
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
			o->markdown = true;
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

int
main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	struct options o = {.dir = tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp",
	    .secs = 3,
	    .backlog = 500000};
	const struct mode *m = NULL;
	struct bench_host h;

	(void)signal(SIGPIPE, SIG_IGN);
	parse(&o, argc, argv);
	if (!o.all)
		m = find_mode(argc - optind, argv + optind);
	report_begin(o.markdown);
	if (m != NULL) {
		run_mode(&o, m, argv + optind + 1);
		return 0;
	}
	host_find(&h, o.root, o.qmgr, o.dir);
	run_all(&o, &h);
	host_stop(&h);
	return 0;
}

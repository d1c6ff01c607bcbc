/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the arguments of qmgr, and nothing else.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "qmgr/mode.h"
#include "qmgr/qmgr.h"

static const char usage[] =
    "usage: qmgr NAME [--root DIR] [--log text|json] [--mca PROGRAM]\n"
    "       qmgr NAME --create [--root DIR]\n"
    "       qmgr NAME --verify [--structure] [--root DIR]\n"
    "       qmgr NAME --scrub [--rate MIB] [--root DIR]\n"
    "       qmgr NAME --compact [--salvage] [--root DIR]\n"
    "       qmgr NAME --backup DIR [--rate MIB] [--root DIR]\n"
    "       qmgr NAME --restore DIR [--root DIR]\n"
    "Runs the queue manager NAME in the foreground until SIGTERM.\n"
    "\n"
    "  --root DIR         the directory that holds queue managers; default\n"
    "                     MQ_ROOT, else /var/lib/sluice for root and\n"
    "                     $XDG_STATE_HOME/sluice for others\n"
    "  --log text|json    how events are written to standard error\n"
    "  --mca PROGRAM      the channel agent; default: mca beside qmgr\n"
    "  --create           make the queue manager, do not run it\n"
    "  --verify           look at the whole store, for mqadmin verify\n"
    "  --scrub            the same, without being in the way\n"
    "  --structure        of it, only at LMDB's pages\n"
    "  --compact          write the store anew, for mqadmin compact\n"
    "  --salvage          of a damaged one, what can be read\n"
    "  --backup DIR       copy the store, for mqadmin backup\n"
    "  --rate MIB         by so many MiB in a second; 0: no limit\n"
    "  --restore DIR      make the queue manager from a backup\n"
    "  --help, --version\n"
    "\n"
    "A first SIGTERM or SIGINT lets units of work end, a second one backs\n"
    "them out.  Exit status: 0 stopped, 1 it could not start or its store\n"
    "failed, 2 wrong arguments.\n";

static const struct option options[] = {
    {"root", required_argument, NULL, 'r'},
    {"log", required_argument, NULL, 'l'},
    {"mca", required_argument, NULL, 'm'},
    {"create", no_argument, NULL, 'c'},
    {"verify", no_argument, NULL, 'v'},
    {"scrub", no_argument, NULL, 'u'},
    {"structure", no_argument, NULL, 's'},
    {"compact", no_argument, NULL, 'k'},
    {"salvage", no_argument, NULL, 'g'},
    {"backup", required_argument, NULL, 'b'},
    {"rate", required_argument, NULL, 't'},
    {"restore", required_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

struct arguments {
	struct qmgr_options qmgr;
	struct mode_options mode;
	int (*run)(const struct mode_options *opts); /* NULL: the daemon */
};

static int
wrong_usage(void)
{
	(void)fputs("Try 'qmgr --help'.\n", stderr);
	return 2;
}

/* Whether it is one of a mode's options. */
static bool
take_mode(int c, struct arguments *a)
{
	switch (c) {
	case 'v':
		a->run = mode_verify;
		return true;
	case 'u':
		a->run = mode_scrub;
		return true;
	case 's':
		a->mode.structure = true;
		return true;
	case 'k':
		a->run = mode_compact;
		return true;
	case 'g':
		a->mode.salvage = true;
		return true;
	case 'b':
		a->run = mode_backup;
		a->mode.directory = optarg;
		return true;
	case 't':
		a->mode.rate = strtoull(optarg, NULL, 10) << 20;
		return true;
	case 'e':
		a->run = mode_restore;
		a->mode.directory = optarg;
		return true;
	default:
		return false;
	}
}

/* Returns -1 to go on, or the exit status. */
static int
take_option(int c, struct arguments *a, bool *json)
{
	struct qmgr_options *opts = &a->qmgr;

	switch (c) {
	case 'r':
		opts->root = optarg;
		a->mode.root = optarg;
		return -1;
	case 'l':
		*json = strcmp(optarg, "json") == 0;
		if (*json || strcmp(optarg, "text") == 0)
			return -1;
		(void)fprintf(
		    stderr, "qmgr: --log is text or json, not %s\n", optarg);
		return wrong_usage();
	case 'm':
		opts->mca = optarg;
		return -1;
	case 'c':
		opts->create = true;
		return -1;
	case 'h':
		return fputs(usage, stdout) < 0;
	case 'V':
		return puts("qmgr (Sluice) " MQ_VERSION) < 0;
	default:
		return take_mode(c, a) ? -1 : wrong_usage();
	}
}

int
main(int argc, char **argv)
{
	struct arguments a = {.mode.rate = UINT64_MAX};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int status = take_option(c, &a, &json);

		if (status >= 0)
			return status;
	}
	if (optind != argc - 1) {
		(void)fputs(
		    "qmgr: one queue manager's name is needed\n", stderr);
		return wrong_usage();
	}
	a.qmgr.name = argv[optind];
	a.mode.name = argv[optind];
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	a.qmgr.log_json = json;
	mqlog_init(a.qmgr.name, json);
	return a.run != NULL ? a.run(&a.mode) : qmgr_main(&a.qmgr);
}

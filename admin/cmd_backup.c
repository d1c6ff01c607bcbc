/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_backup.c - mqadmin backup and mqadmin restore: a copy of a queue
 * manager's store at one instant, while it runs or not, and the queue manager
 * made from it again; both by `qmgr`, which alone knows what a store looks
 * like.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cmd.h"
#include "admin/qmgr_run.h"

static const char backup_help[] =
    "Usage: mqadmin backup QM DIR [--rate MIB] [--root DIR]\n\n"
    "Copies the store of the queue manager QM, as it is at one instant, to "
    "the\nnew directory DIR.  QM may run meanwhile.  'mqadmin restore' makes "
    "QM from it.\nWhat is in QM's directory beside the store, such as "
    "certificates, is not copied.\n\n"
    "  --rate MIB   write at most so many MiB in a second; 0: as fast as it\n"
    "               goes; default 50 while QM runs\n"
    "  --root DIR   where queue managers are kept\n";

static const char restore_help[] =
    "Usage: mqadmin restore QM DIR [--root DIR]\n\n"
    "Makes the queue manager QM, which must not exist, from the backup in "
    "DIR.\nIts channels notice that it is older than their partners "
    "remember, and say so.\n\n"
    "  --root DIR   where queue managers are kept\n";

struct answer {
	const char *name;
	const char *dir;
	bool restore;
};

static void
on_line(void *ctx, const char *const f[QMGR_RUN_FIELDS])
{
	const struct answer *a = ctx;

	if (strcmp(f[0], "done") == 0)
		(void)printf("Queue manager %s %s %s: %s bytes, to batch %s.\n",
		    a->name, a->restore ? "restored from" : "backed up to",
		    a->dir, f[1], f[2]);
}

/* The arguments QM and DIR; false after a message. */
static bool
take_names(int argc, char **argv, const char *subcommand, struct answer *a)
{
	if (argc != 2) {
		(void)cmd_usage(subcommand,
		    argc < 2 ? "a queue manager and a directory are needed"
			     : "too many arguments");
		return false;
	}
	a->name = cmd_qmgr_name(subcommand, 1, argv);
	a->dir = argv[1];
	/* an option's value may not look like an option */
	if (a->name != NULL && (a->dir[0] == '\0' || a->dir[0] == '-')) {
		(void)cmd_usage(
		    subcommand, "'%s' is not a directory's name", a->dir);
		return false;
	}
	for (size_t n = strlen(argv[1]); n > 1 && argv[1][n - 1] == '/'; n--)
		argv[1][n - 1] = '\0';
	return a->name != NULL;
}

static bool
is_number(const char *text)
{
	return text[0] != '\0' && strlen(text) < 7 &&
	       strspn(text, "0123456789") == strlen(text);
}

static int
run(int argc, char **argv, const char *subcommand, struct answer *a)
{
	static const struct option options[] = {
	    {"rate", required_argument, NULL, 't'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	const char *root = NULL;
	const char *rate = NULL;
	const char *args[8];
	unsigned n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			root = optarg;
		else if (c == 't' && !a->restore && is_number(optarg))
			rate = optarg;
		else
			return cmd_usage(subcommand, "nothing was done");
	}
	if (!take_names(argc - optind, argv + optind, subcommand, a))
		return CMD_NOT_RUN;
	args[n++] = a->name;
	args[n++] = a->restore ? "--restore" : "--backup";
	args[n++] = a->dir;
	if (root != NULL) {
		args[n++] = "--root";
		args[n++] = root;
	}
	if (rate != NULL) {
		args[n++] = "--rate";
		args[n++] = rate;
	}
	args[n] = NULL;
	return qmgr_run(args, on_line, a) == 0 ? CMD_OK : CMD_FAILED;
}

int
cmd_backup(int argc, char **argv)
{
	struct answer a = {.restore = false};

	if (cmd_help(argc, argv, backup_help))
		return CMD_OK;
	return run(argc, argv, "backup", &a);
}

int
cmd_restore(int argc, char **argv)
{
	struct answer a = {.restore = true};

	if (cmd_help(argc, argv, restore_help))
		return CMD_OK;
	return run(argc, argv, "restore", &a);
}

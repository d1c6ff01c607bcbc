/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_compact.c - mqadmin compact: gives the disk back what a store does not
 * need any more, by running `qmgr NAME --compact`, which alone knows what a
 * store looks like.  With --salvage, keeps what can be read of a damaged one.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cmd.h"
#include "admin/qmgr_run.h"

static const char help[] =
    "Usage: mqadmin compact QM [--salvage] [--root DIR]\n\n"
    "Writes the store of the queue manager QM anew, without the room of\n"
    "messages that are gone.  QM must be stopped; the disk needs room for "
    "the\nnew file beside the old one.\n\n"
    "  --salvage    of a damaged store, keep what can be read; queues count\n"
    "               what they have then, and the old file is kept beside it\n"
    "  --root DIR   where queue managers are kept\n";

static void
on_line(void *ctx, const char *const f[QMGR_RUN_FIELDS])
{
	const char *name = ctx;

	if (strcmp(f[0], "done") != 0)
		return;
	(void)printf(
	    "Queue manager %s: %s bytes, were %s.\n", name, f[2], f[1]);
	if (f[5][0] != '\0')
		(void)printf("%s pages could not be read, and %s queues count "
			     "anew; the file as it was is %s\n",
		    f[3], f[4], f[5]);
}

int
cmd_compact(int argc, char **argv)
{
	static const struct option options[] = {
	    {"salvage", no_argument, NULL, 's'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	const char *args[8] = {NULL, "--compact"};
	char name[MQI_NAME_LEN + 1];
	unsigned n = 2;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			args[n++] = "--salvage";
		} else if (c == 'r' && n <= 4) {
			args[n++] = "--root";
			args[n++] = optarg;
		} else {
			return cmd_usage("compact", "nothing was done");
		}
	}
	args[0] = cmd_qmgr_name("compact", argc - optind, argv + optind);
	if (args[0] == NULL)
		return CMD_NOT_RUN;
	(void)snprintf(name, sizeof(name), "%s", args[0]);
	return qmgr_run(args, on_line, name) == 0 ? CMD_OK : CMD_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verify.c - mqadmin verify: whether a queue manager's store is whole, by
 * running `qmgr NAME --verify`, which alone knows what a store looks like.
 *
 * Its exit statuses are its own: 0 nothing is wrong, 1 there are findings, 2 it
 * could not look.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cmd.h"
#include "admin/qmgr_run.h"

#define NOT_LOOKED 2

static const char help[] =
    "Usage: mqadmin verify QM [--structure] [--json] [--root DIR]\n\n"
    "Looks at everything that the store of the queue manager QM holds, and "
    "says\nwhat is wrong with it and what to do.  QM may run meanwhile.\n\n"
    "  --structure  only the structure of its files, not every value\n"
    "  --json       a JSON object per line (docs/json.md)\n"
    "  --root DIR   where queue managers are kept\n\n"
    "Exit status: 0 nothing is wrong, 1 there are findings, 2 it could not "
    "look.\n";

struct show {
	bool json;
	bool any;      /* a line of the table was shown */
	bool findings; /* a finding was shown */
	bool end;
};

static void
put_json(json_t *o)
{
	MQ_INVARIANT(o != NULL);
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(o);
}

static void
show_looked(struct show *s, const char *const f[])
{
	uint64_t n = strtoull(f[2], NULL, 10);
	uint64_t bytes = strtoull(f[3], NULL, 10);

	if (s->json) {
		put_json(json_pack("{s:s, s:s, s:I, s:I}", "type", "looked",
		    "what", f[1], "number", (json_int_t)n, "bytes",
		    (json_int_t)bytes));
		return;
	}
	if (!s->any)
		(void)printf(
		    "%-16s %14s %18s\n", "LOOKED AT", "NUMBER", "BYTES");
	s->any = true;
	(void)printf("%-16s %14" PRIu64 " %18" PRIu64 "\n", f[1], n, bytes);
}

static void
show_finding(struct show *s, const char *const f[])
{
	s->findings = true;
	if (s->json) {
		put_json(
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "finding",
			"kind", f[1], "where", f[2], "what", f[3], "do", f[4]));
		return;
	}
	(void)printf(
	    "FINDING(%s) %s: %s\n    to do: %s\n", f[1], f[2], f[3], f[4]);
}

static void
show_end(struct show *s, const char *const f[])
{
	uint64_t n = strtoull(f[1], NULL, 10);

	s->end = true;
	if (s->json)
		put_json(json_pack(
		    "{s:s, s:I}", "type", "end", "findings", (json_int_t)n));
	else if (n == 0)
		(void)puts("Nothing is wrong.");
	else
		(void)printf("%" PRIu64 " finding%s.\n", n, n > 1 ? "s" : "");
}

static void
on_line(void *ctx, const char *const f[QMGR_RUN_FIELDS])
{
	struct show *s = ctx;

	if (strcmp(f[0], "looked") == 0)
		show_looked(s, f);
	else if (strcmp(f[0], "finding") == 0)
		show_finding(s, f);
	else if (strcmp(f[0], "end") == 0)
		show_end(s, f);
}

int
cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
	    {"structure", no_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	const char *args[8] = {NULL, "--verify"};
	unsigned n = 2;
	struct show show = {.json = false};
	const char *root = NULL;
	int c;

	if (cmd_help(argc, argv, help))
		return 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			args[n++] = "--structure";
		else if (c == 'j')
			show.json = true;
		else if (c == 'r')
			root = optarg;
		else {
			(void)cmd_usage("verify", "nothing was looked at");
			return NOT_LOOKED;
		}
	}
	args[0] = cmd_qmgr_name("verify", argc - optind, argv + optind);
	if (args[0] == NULL)
		return NOT_LOOKED;
	if (root != NULL) {
		args[n++] = "--root";
		args[n++] = root;
	}
	int status = qmgr_run(args, on_line, &show);
	if (fflush(stdout) != 0 || status < 0 || !show.end)
		return NOT_LOOKED;
	return status;
}

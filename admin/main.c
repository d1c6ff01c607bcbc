/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - mqadmin: picks the subcommand.  Each one is a row of the table and
 * a file cmd_NAME.c.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "admin/cmd.h"

static const struct {
	const char *name;
	cmd_fn fn;
	const char *summary;
} commands[] = {
    {"create", cmd_create, "make a queue manager"},
    {"start", cmd_start, "start a queue manager in the background"},
    {"stop", cmd_stop, "stop a queue manager"},
    {"status", cmd_status, "show queue managers and whether they run"},
    {"delete", cmd_delete, "delete a queue manager and all its messages"},
    {"mqsc", cmd_mqsc, "run MQSC commands: queues, channels, listeners"},
    {"attributes", cmd_attributes, "show the attributes that objects have"},
    {"dlq", cmd_dlq, "retry, forward or discard dead letters by rules"},
    {"verify", cmd_verify, "look whether a store is whole"},
    {"backup", cmd_backup, "copy a store, also of one that runs"},
    {"restore", cmd_restore, "make a queue manager from a backup"},
    {"compact", cmd_compact, "give back disk that a store does not need"},
    {"trace-route", cmd_trace_route, "show the way of a message hop by hop"},
    {"trigger-monitor", cmd_trigger_monitor,
	"start programs when trigger messages come"},
    {"tls", cmd_tls, "make and check certificates for channels"},
};

static void
help(void)
{
	(void)fputs("Usage: mqadmin SUBCOMMAND [ARGUMENTS]\n\n"
		    "Administers Sluice queue managers.\n\n",
	    stdout);
	for (size_t i = 0; i < MQ_ARRAY_LEN(commands); i++)
		(void)printf(
		    "  %-17s%s\n", commands[i].name, commands[i].summary);
	(void)fputs(
	    "\n'mqadmin SUBCOMMAND --help' says more.\n"
	    "Queue managers are in --root DIR, else MQ_ROOT, else "
	    "/var/lib/sluice (root)\nor $XDG_STATE_HOME/sluice.\n"
	    "Exit status: 0 done, 10 something failed, 20 nothing was tried.\n",
	    stdout);
}

int
main(int argc, char **argv)
{
	static char program[64];

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return cmd_usage("", "a subcommand is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help();
		return CMD_OK;
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		/* as getopt_long() will call us when it complains */
		(void)snprintf(
		    program, sizeof(program), "mqadmin %s", commands[i].name);
		argv[1] = program;
		return commands[i].fn(argc - 1, argv + 1);
	}
	return cmd_usage("", "'%s' is not a subcommand", argv[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_create.c - mqadmin create: makes a queue manager by running
 * `qmgr NAME --create`, which alone knows what a store looks like.
 */
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/cmd.h"

static const char help[] =
    "Usage: mqadmin create QM [--root DIR]\n\n"
    "Makes the queue manager QM.  Names have at most 48 letters, digits and\n"
    ". / _ %, and are case-sensitive.\n\n"
    "  --root DIR   where queue managers are kept\n";

static int
run_qmgr(const char *path, const char *name, const char *root)
{
	char create[] = "--create";
	char root_opt[] = "--root";
	char *copy = strdup(name);
	char *root_copy = root != NULL ? strdup(root) : NULL;
	char *args[] = {strdup(path), copy, create,
	    root_copy != NULL ? root_opt : NULL, root_copy, NULL};
	int status = -1;
	pid_t pid;
	int err = posix_spawn(&pid, path, NULL, NULL, args, environ);

	if (err != 0)
		cmd_error("cannot run %s: %s", path, strerror(err));
	else
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	free(args[0]);
	free(copy);
	free(root_copy);
	return status;
}

int
cmd_create(int argc, char **argv)
{
	static const struct option options[] = {
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	const char *root = NULL;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r')
			return cmd_usage("create", "nothing was done");
		root = optarg;
	}
	const char *name =
	    cmd_qmgr_name("create", argc - optind, argv + optind);
	if (name == NULL)
		return CMD_NOT_RUN;
	char *path = cmd_sibling("qmgr");
	if (path == NULL)
		return CMD_NOT_RUN;
	int status = run_qmgr(path, name, root);
	free(path);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return CMD_FAILED;
	(void)printf("AMQ8001I: Queue manager %s created.\n", name);
	return CMD_OK;
}

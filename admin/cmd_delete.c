/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_delete.c - mqadmin delete: removes a queue manager's directory.
 *
 * Neighbours: cmd.h finds it and says whether it runs.
 *
 * Invariants: only ROOT/<escaped name> and what is in it is removed; symbolic
 * links are removed, never followed; the queue manager's lock is held, so that
 * it neither runs nor starts meanwhile; somebody has said yes.
 *
 * Failure: the first file that cannot be removed is named; what is left can be
 * deleted again.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/cmd.h"

static const char help[] =
    "Usage: mqadmin delete QM [--yes] [--root DIR]\n\n"
    "Deletes the queue manager QM with all its objects and messages.  It must\n"
    "not run.\n\n"
    "  --yes        do not ask\n"
    "  --root DIR   where queue managers are kept\n";

static bool
confirmed(const char *name, const char *dir)
{
	char line[16];

	if (!isatty(STDIN_FILENO)) {
		cmd_error(
		    "give --yes to delete queue manager %s in %s", name, dir);
		return false;
	}
	(void)printf("Delete queue manager %s with all its messages (%s)? "
		     "Type 'yes': ",
	    name, dir);
	(void)fflush(stdout);
	return fgets(line, sizeof(line), stdin) != NULL &&
	       strcmp(line, "yes\n") == 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	if (remove(path) == 0)
		return 0;
	cmd_error("%s: %s", path, strerror(errno));
	return 1;
}

/* The lock that a queue manager holds while it runs; -1 after a message. */
static int
lock(const char *name, const char *dir)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *path;

	if (asprintf(&path, "%s/qmgr.lock", dir) < 0)
		return -1;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		cmd_error("%s: %s", path, strerror(errno));
	} else if (fcntl(fd, F_OFD_SETLK, &lk) < 0) {
		cmd_error("queue manager %s is running: stop it first", name);
		(void)close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

static int
delete_qmgr(const char *name, const char *dir)
{
	int status = CMD_FAILED;
	int fd = lock(name, dir);

	if (fd < 0)
		return status;
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0) {
		(void)printf("AMQ8002I: Queue manager %s deleted.\n", name);
		status = CMD_OK;
	}
	(void)close(fd);
	return status;
}

int
cmd_delete(int argc, char **argv)
{
	static const struct option options[] = {
	    {"yes", no_argument, NULL, 'y'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct cmd_place place;
	const char *root = NULL;
	bool yes = false;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "y", options, NULL)) != -1) {
		if (c == '?')
			return cmd_usage("delete", "nothing was done");
		if (c == 'y')
			yes = true;
		else
			root = optarg;
	}
	const char *name =
	    cmd_qmgr_name("delete", argc - optind, argv + optind);
	if (name == NULL || !cmd_find(name, root, &place))
		return CMD_NOT_RUN;
	int status = CMD_FAILED;
	int pid = cmd_running_pid(place.dir);
	if (pid != 0)
		cmd_error("queue manager %s is running (pid %d): stop it first",
		    name, pid);
	else if (yes || confirmed(name, place.dir))
		status = delete_qmgr(name, place.dir);
	cmd_place_fini(&place);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_stop.c - mqadmin stop: asks a queue manager to stop and waits until its
 * process is gone.
 *
 * Neighbours: the command goes as STOP QMGR over the local socket
 * (libmq/agent.h); the process is watched by a pidfd, so a process id that is
 * used again is never mistaken for it.
 *
 * Happy path: who listens, pidfd, STOP QMGR, poll until it has ended.
 * Failure: it does not run; it refuses; it is still stopping after --wait.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/cmd.h"
#include "libmq/agent.h"

#define MAX_WAIT_S 2000000 /* so that it fits in int milliseconds */

static const char help[] =
    "Usage: mqadmin stop QM [--immediate] [--wait SECONDS] [--root DIR]\n\n"
    "Stops the queue manager QM and waits until its process is gone.\n"
    "Programs may end their units of work; new work is refused.\n\n"
    "  --immediate      back out units of work that are open\n"
    "  --wait SECONDS   give up waiting after that; it goes on stopping\n"
    "  --root DIR       where queue managers are kept\n";

static void
no_rows(void *arg, const struct mqctl_list *row)
{
	(void)arg;
	(void)row;
}

/* False after a message. */
static bool
ask(const char *name, const char *root, bool immediate)
{
	struct mqi_connect_opts opts = {.root = root, .app_name = "mqadmin"};
	struct mqctl_command cmd = {.verb = MQCTL_STOP, .noun = MQCTL_QMGR};
	char text[512] = "";
	mqi_conn *conn = NULL;
	enum mqi_err err = mqctl_list_add(
	    &cmd.attrs, "MODE", immediate ? "IMMEDIATE" : "QUIESCE");

	if (err == MQI_OK)
		err = mqi_connect(name, &opts, &conn);
	if (err == MQI_OK) {
		err = mqagent_command(
		    conn, &cmd, no_rows, NULL, text, sizeof(text));
		/* it may be gone before its answer is read */
		if (err == MQI_E_CONNECTION_BROKEN ||
		    err == MQI_E_UNKNOWN_OUTCOME)
			err = MQI_OK;
		(void)mqi_disconnect(conn);
	}
	mqctl_command_fini(&cmd);
	if (err == MQI_OK)
		return true;
	cmd_error("queue manager %s: %s", name,
	    text[0] != '\0' ? text : mqi_strerror(err));
	return false;
}

static int
wait_for_end(const char *name, int pidfd, long wait_s)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, wait_s < 0 ? -1 : (int)(wait_s * 1000));
	while (n < 0 && errno == EINTR);
	if (n == 0) {
		cmd_error("queue manager %s is still stopping", name);
		return CMD_FAILED;
	}
	(void)printf("AMQ8004I: Queue manager %s ended.\n", name);
	return CMD_OK;
}

static int
stop(const char *name, const struct cmd_place *place, bool immediate,
    long wait_s)
{
	int pid = cmd_running_pid(place->dir);

	if (pid == 0) {
		cmd_error("AMQ8146E: queue manager %s is not running", name);
		return CMD_FAILED;
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		cmd_error("cannot watch process %d: %s", pid, strerror(errno));
		return CMD_FAILED;
	}
	int status = CMD_FAILED;
	if (ask(name, place->root, immediate))
		status = wait_for_end(name, pidfd, wait_s);
	(void)close(pidfd);
	return status;
}

int
cmd_stop(int argc, char **argv)
{
	static const struct option options[] = {
	    {"immediate", no_argument, NULL, 'i'},
	    {"wait", required_argument, NULL, 'w'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct cmd_place place;
	const char *root = NULL;
	bool immediate = false;
	long wait_s = -1;
	char *end = NULL;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "i", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			immediate = true;
			break;
		case 'w':
			wait_s = strtol(optarg, &end, 10);
			if (*end != '\0' || wait_s < 0 || wait_s > MAX_WAIT_S)
				return cmd_usage(
				    "stop", "--wait takes a number of seconds");
			break;
		case 'r':
			root = optarg;
			break;
		default:
			return cmd_usage("stop", "nothing was done");
		}
	}
	const char *name = cmd_qmgr_name("stop", argc - optind, argv + optind);
	if (name == NULL || !cmd_find(name, root, &place))
		return CMD_NOT_RUN;
	int status = stop(name, &place, immediate, wait_s);
	cmd_place_fini(&place);
	return status;
}

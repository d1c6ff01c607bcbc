/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_start.c - mqadmin start: runs qmgr in the background and waits until it
 * answers.
 *
 * Neighbours: qmgr, the program beside ours, which stays in the foreground for
 * supervisors; its log goes to qmgr.log in its directory here.
 *
 * Happy path: not running, fork, a session of its own, log as its output,
 * exec; the parent asks the socket until it answers.  Failure: it runs
 * already; it ended before it answered (what it wrote is shown); it did not
 * answer in time (it is left alone, and its process id is said).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/cmd.h"
#include "base/clock.h"

#define ANSWER_US UINT64_C(60000000) /* how long it may take to answer */
#define ASK_NS 5000000               /* between questions */

static const char help[] =
    "Usage: mqadmin start QM [--root DIR]\n\n"
    "Starts the queue manager QM in the background and waits until it "
    "answers.\nIts log is qmgr.log in its directory ('mqadmin status' shows "
    "it).\n\n"
    "  --root DIR   where queue managers are kept\n";

/* In the child; never returns.  Nothing of ours stays with the daemon: no
 * terminal, no directory, no descriptor, no ignored signal. */
_Noreturn static void
become_qmgr(const char *path, const char *name, const char *root, int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)signal(SIGPIPE, SIG_DFL);
	if (setsid() < 0 || chdir("/") < 0 || null < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)execl(path, path, name, "--root", root, (char *)NULL);
	(void)dprintf(
	    STDERR_FILENO, "cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* What was added to the log, for the user to see. */
static void
show_log(int log, off_t from)
{
	char buf[4096];
	ssize_t n;

	while ((n = pread(log, buf, sizeof(buf), from)) > 0) {
		(void)fwrite(buf, 1, (size_t)n, stderr);
		from += n;
	}
}

static bool
answers(const char *name, const struct cmd_place *place)
{
	struct mqi_connect_opts opts = {
	    .root = place->root, .app_name = "mqadmin", .timeout_ms = 10000};
	mqi_conn *conn;

	if (cmd_running_pid(place->dir) == 0 ||
	    mqi_connect(name, &opts, &conn) != MQI_OK)
		return false;
	(void)mqi_disconnect(conn);
	return true;
}

static int
wait_for_answer(
    const char *name, const struct cmd_place *place, pid_t pid, int log)
{
	const struct timespec pause = {0, ASK_NS};
	uint64_t end = mqclock_mono_us() + ANSWER_US;
	off_t from = lseek(log, 0, SEEK_END);
	int status;

	while (mqclock_mono_us() < end) {
		if (answers(name, place)) {
			(void)printf(
			    "AMQ8003I: Queue manager %s started (pid %d).\n",
			    name, (int)pid);
			return CMD_OK;
		}
		if (waitpid(pid, &status, WNOHANG) == pid) {
			show_log(log, from);
			cmd_error("queue manager %s did not start", name);
			return CMD_FAILED;
		}
		(void)nanosleep(&pause, NULL);
	}
	cmd_error(
	    "queue manager %s (pid %d) does not answer yet", name, (int)pid);
	return CMD_FAILED;
}

static int
start(const char *name, const struct cmd_place *place)
{
	char *path = cmd_sibling("qmgr");
	char *root = realpath(place->root, NULL);
	char *log_path = NULL;
	int status = CMD_FAILED;
	int log = -1;

	if (root == NULL)
		cmd_error("%s: %s", place->root, strerror(errno));
	if (path == NULL || root == NULL ||
	    asprintf(&log_path, "%s/qmgr.log", place->dir) < 0)
		goto out;
	log = open(log_path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	if (log < 0) {
		cmd_error("%s: %s", log_path, strerror(errno));
		goto out;
	}
	pid_t pid = fork();
	if (pid < 0)
		cmd_error("cannot fork: %s", strerror(errno));
	else if (pid == 0)
		become_qmgr(path, name, root, log);
	else
		status = wait_for_answer(name, place, pid, log);
out:
	if (log >= 0)
		(void)close(log);
	free(log_path);
	free(root);
	free(path);
	return status;
}

int
cmd_start(int argc, char **argv)
{
	static const struct option options[] = {
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct cmd_place place;
	const char *root = NULL;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r')
			return cmd_usage("start", "nothing was done");
		root = optarg;
	}
	const char *name = cmd_qmgr_name("start", argc - optind, argv + optind);
	if (name == NULL || !cmd_find(name, root, &place))
		return CMD_NOT_RUN;
	int pid = cmd_running_pid(place.dir);
	int status = CMD_FAILED;
	if (pid != 0)
		cmd_error(
		    "queue manager %s is running already (pid %d)", name, pid);
	else
		status = start(name, &place);
	cmd_place_fini(&place);
	return status;
}

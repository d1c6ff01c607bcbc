/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd.c - what the subcommands share: messages, arguments, and finding a queue
 * manager and whether it runs.
 *
 * Neighbours: cmd_*.c; base/name.h has the rule of the search; base/sock.h
 * reaches the socket.
 *
 * Invariants: a queue manager runs exactly when something accepts connections
 * on its socket; the kernel says which process that is (SO_PEERCRED), so there
 * is no file with a process id that could be stale.
 *
 * Failure: one sentence on standard error that names what was not found, and
 * where it was looked for.
 */
#include "admin/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "base/sock.h"
#include "proto/local.h"

static void
say(const char *fmt, va_list ap)
{
	(void)fputs("mqadmin: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

void
cmd_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int
cmd_usage(const char *subcommand, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "Try 'mqadmin %s%s--help'.\n", subcommand,
	    *subcommand != '\0' ? " " : "");
	return CMD_NOT_RUN;
}

bool
cmd_help(int argc, char **argv, const char *text)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			(void)fputs(text, stdout);
			return true;
		}
	}
	return false;
}

const char *
cmd_qmgr_name(const char *subcommand, int argc, char **argv)
{
	if (argc != 1) {
		(void)cmd_usage(subcommand, "%s",
		    argc == 0 ? "the queue manager's name is missing"
			      : "too many arguments");
		return NULL;
	}
	if (!mqname_is_valid(argv[0], MQI_NAME_LEN)) {
		(void)cmd_usage(subcommand,
		    "'%s' is not a name of at most %d letters, digits and "
		    ". / _ %%",
		    argv[0], MQI_NAME_LEN);
		return NULL;
	}
	return argv[0];
}

bool
cmd_find(const char *qmgr, const char *root, struct cmd_place *ret)
{
	char escaped[MQNAME_ESCAPED_LEN];
	char *found = NULL;
	char *tried = NULL;
	char *dir = NULL;
	enum mqi_err err = mqname_find_root(root, qmgr, &found, &tried);

	if (err != MQI_OK) {
		if (err == MQI_E_Q_MGR_NAME)
			cmd_error(
			    "AMQ8118E: queue manager %s does not exist%s%s",
			    qmgr, tried != NULL ? ": " : "",
			    tried != NULL ? tried : "");
		else
			cmd_error("%s: %s", qmgr, mqi_strerror(err));
		free(tried);
		return false;
	}
	free(tried);
	mqname_escape(qmgr, escaped);
	if (asprintf(&dir, "%s/%s", found, escaped) < 0) {
		cmd_error("%s", mqi_strerror(MQI_E_NO_MEMORY));
		free(found);
		return false;
	}
	ret->root = found;
	ret->dir = dir;
	return true;
}

void
cmd_place_fini(struct cmd_place *p)
{
	free(p->root);
	free(p->dir);
	p->root = NULL;
	p->dir = NULL;
}

int
cmd_running_pid(const char *dir)
{
	struct mqsock_peer peer;
	char *run;
	int pid = 0;
	int fd;

	if (asprintf(&run, "%s/run", dir) < 0)
		return 0;
	if (mqsock_connect_unix(run, MQLOCAL_SOCKET, &fd) == MQI_OK) {
		if (mqsock_peer(fd, &peer) == MQI_OK)
			pid = peer.pid;
		(void)close(fd);
	}
	free(run);
	return pid;
}

char *
cmd_sibling(const char *name)
{
	char self[PATH_MAX];
	char *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0) {
		cmd_error("cannot find my own program: %s", strerror(errno));
		return NULL;
	}
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	if (asprintf(&path, "%s%s", self, name) < 0) {
		cmd_error("%s", mqi_strerror(MQI_E_NO_MEMORY));
		return NULL;
	}
	return path;
}

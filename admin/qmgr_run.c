/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr_run.c - the qmgr program as a child whose standard output is a pipe to
 * us; its standard error is ours, so what it complains of is seen as it is.
 */
#include "admin/qmgr_run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/cmd.h"

#define ARGS_MAX 16u

static int
spawn(const char *path, const char *const args[], int out, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	char *argv[ARGS_MAX + 2] = {strdup(path)};
	unsigned n = 1;
	int rc;

	for (; args[n - 1] != NULL; n++) {
		MQ_PRE(n <= ARGS_MAX);
		argv[n] = strdup(args[n - 1]);
	}
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(
		    &actions, out, STDOUT_FILENO);
		if (rc == 0)
			rc = posix_spawn(
			    ret_pid, path, &actions, NULL, argv, environ);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	for (unsigned i = 0; i < n; i++)
		free(argv[i]);
	return rc;
}

static void
take_line(char *text, qmgr_run_fn *line, void *ctx)
{
	const char *fields[QMGR_RUN_FIELDS];
	char *rest = text;

	text[strcspn(text, "\n")] = '\0';
	for (unsigned i = 0; i < QMGR_RUN_FIELDS; i++) {
		const char *field = strsep(&rest, "\t");

		fields[i] = field != NULL ? field : "";
	}
	line(ctx, fields);
}

static int
run(const char *path, const char *const args[], int pipe_fds[2],
    qmgr_run_fn *line, void *ctx)
{
	FILE *in;
	char *text = NULL;
	size_t size = 0;
	int status = 0;
	pid_t pid;
	int rc = spawn(path, args, pipe_fds[1], &pid);

	(void)close(pipe_fds[1]);
	if (rc != 0) {
		cmd_error("cannot run %s: %s", path, strerror(rc));
		(void)close(pipe_fds[0]);
		return -1;
	}
	in = fdopen(pipe_fds[0], "r");
	MQ_INVARIANT(in != NULL);
	while (getline(&text, &size, in) > 0)
		take_line(text, line, ctx);
	free(text);
	(void)fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	cmd_error("%s was ended by signal %d", path, WTERMSIG(status));
	return -1;
}

int
qmgr_run(const char *const args[], qmgr_run_fn *line, void *ctx)
{
	char *path = cmd_sibling("qmgr");
	int fds[2];
	int status = -1;

	if (path == NULL)
		return -1;
	if (pipe2(fds, O_CLOEXEC) == 0)
		status = run(path, args, fds, line, ctx);
	else
		cmd_error("%s", strerror(errno));
	free(path);
	return status;
}

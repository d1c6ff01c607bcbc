/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspect.c - leaves word of an end that a damaged store may have caused.
 *
 * The handler of signals uses only what POSIX allows in one: a directory that
 * was opened before, openat(), write(), fsync().  It runs on a stack of its
 * own, for a stack that has overflown, and then lets the signal end the process
 * as if nobody had taken it.
 */
#include "qmgr/store/suspect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define NAME "SUSPECT"
#define STACK_BYTES 65536u

static int watched_fd = -1;

static void
leave(int dir_fd, const char *why)
{
	int fd = openat(
	    dir_fd, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	/* its being there is what counts */
	(void)!write(fd, why, strlen(why));
	(void)fsync(fd);
	(void)fsync(dir_fd);
	(void)close(fd);
}

void
store_suspect(const char *store, const char *why)
{
	int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	leave(fd, why);
	(void)close(fd);
}

static char *
path_of(const char *dir)
{
	char *path;

	MQ_INVARIANT(asprintf(&path, "%s/store/" NAME, dir) >= 0);
	return path;
}

bool
store_is_suspect(const char *dir, char *ret_why, size_t size)
{
	char *path = path_of(dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	free(path);
	if (fd < 0)
		return false;
	n = read(fd, ret_why, size - 1);
	ret_why[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	return true;
}

void
store_suspect_clear(const char *dir)
{
	char *path = path_of(dir);

	(void)unlink(path);
	free(path);
}

static void
on_signal(int signum)
{
	char why[] = "signal 00";

	why[7] = (char)('0' + signum / 10);
	why[8] = (char)('0' + signum % 10);
	if (watched_fd >= 0)
		leave(watched_fd, why);
	/* as before, once this returns */
	(void)signal(signum, SIG_DFL);
	(void)raise(signum);
}

void
store_suspect_watch(const char *dir)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	static uint8_t stack[STACK_BYTES];
	const stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_flags = SA_ONSTACK};
	struct sigaction old;
	char *path;

	MQ_INVARIANT(asprintf(&path, "%s/store", dir) >= 0);
	watched_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	if (watched_fd < 0)
		return;
	(void)sigaltstack(&alt, NULL);
	action.sa_handler = on_signal;
	for (size_t i = 0; i < MQ_ARRAY_LEN(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &action, NULL);
}

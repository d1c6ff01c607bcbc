/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpdir.c - a temporary directory that outlives nobody.
 *
 * Happy path: mkdtemp, fork a remover that belongs to no process group of
 * ours, test runs, pipe closes, tree goes.  Failure modes: the test dies at
 * any point: the kernel closes the pipe, and the remover does the same.
 */
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
die(const char *what)
{
	perror(what);
	abort();
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static int
remove_below(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level ? remove_one(path, st, type, ftw) : 0;
}

void
tmpdir_clear(const char *path, int self)
{
	(void)nftw(path, self ? remove_one : remove_below, 32,
	    FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void
remover(const char *path, int life_fd)
{
	char c;

	/* no other descriptor of the test's may stay open here: pipes of
	 * programs would never end */
	for (int fd = 0; fd < 256; fd++) {
		if (fd != life_fd)
			(void)close(fd);
	}
	while (read(life_fd, &c, 1) > 0)
		;
	/* programs of the test may still be dying and writing */
	for (int i = 0; i < 50 && access(path, F_OK) == 0; i++) {
		tmpdir_clear(path, 1);
		if (access(path, F_OK) == 0)
			usleep(20000);
	}
	_exit(0);
}

void
tmpdir_make(struct tmpdir *ret)
{
	int life[2], gone[2];
	const char *base = getenv("TMPDIR");
	char name[PATH_MAX - 64];

	snprintf(name, sizeof(name), "%s/sluice-test-XXXXXX",
	    base && *base ? base : "/tmp");
	if (!mkdtemp(name) || !realpath(name, ret->path))
		die("mkdtemp");
	if (pipe2(life, O_CLOEXEC) < 0 || pipe2(gone, O_CLOEXEC) < 0)
		die("pipe2");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		/* a grandchild in its own session: what kills the test's
		 * family does not reach it */
		pid_t own = setsid() < 0 ? -1 : fork();
		if (own != 0)
			_exit(own < 0);
		/* keeps the write end of `gone` open until it is done */
		if (dup2(life[0], 200) < 0)
			_exit(1);
		if (dup2(gone[1], 300) < 0)
			_exit(1);
		remover(ret->path, 200);
	}
	close(life[0]);
	close(gone[1]);
	(void)waitpid(pid, NULL, 0);
	ret->life_fd = life[1];
	ret->gone_fd = gone[0];
}

void
tmpdir_free(struct tmpdir *d)
{
	char c;

	if (!d->path[0])
		return;
	close(d->life_fd);
	(void)!read(d->gone_fd, &c, 1);
	close(d->gone_fd);
	d->path[0] = '\0';
}

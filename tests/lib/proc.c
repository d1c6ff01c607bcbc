/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - programs under test.
 *
 * Happy path: fork, die with the parent, exec; the parent keeps the pid and
 * reaps it.
 * Failure modes: every one prints the program's log and aborts; the death
 * signal and tmpdir.c clean up.
 */
#include "tests/lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rand.h"

extern char **environ;

void
proc_die(const struct proc *p, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	if (p)
		proc_print_log(p);
	abort();
}

uint64_t
test_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool
test_is_long(void)
{
	return getenv("MQ_LONG") != NULL;
}

bool
test_is_slow(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return false;
#endif
}

uint64_t
test_seed(const char *test)
{
	const char *given = getenv("MQ_SEED");
	uint64_t seed;

	if (given)
		seed = strtoull(given, NULL, 0);
	else
		mqrand_bytes(&seed, sizeof(seed));
	printf("%s: MQ_SEED=0x%llx\n", test, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

void
proc_bin(const char *name, char *ret_path, size_t len)
{
	const char *dir = getenv("MQ_BIN");

	if (!dir)
		proc_die(NULL, "MQ_BIN is not set: run by ctest");
	snprintf(ret_path, len, "%s/%s", dir, name);
}

void
proc_print_log(const struct proc *p)
{
	char buf[4096];
	ssize_t n;
	int fd = open(p->log, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* the end says why it ended */
	if (lseek(fd, -16384, SEEK_END) < 0)
		(void)lseek(fd, 0, SEEK_SET);
	fprintf(stderr, "---- %s\n", p->log);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		(void)!write(STDERR_FILENO, buf, (size_t)n);
	fprintf(stderr, "----\n");
	close(fd);
}

static void
child_exec(const struct proc *p, const char *const argv[],
    const char *const env[], pid_t parent)
{
	int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDONLY);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 ||
	    dup2(fd, 2) < 0)
		_exit(127);
	for (; env && *env; env++)
		(void)putenv((char *)(uintptr_t)*env);
	execv(argv[0], (char **)(uintptr_t)argv);
	perror(argv[0]);
	_exit(127);
}

void
proc_start(struct proc *p, const char *const argv[], const char *const env[])
{
	pid_t parent = getpid();

	fflush(NULL);
	p->pid = fork();
	if (p->pid < 0)
		proc_die(p, "fork");
	if (p->pid == 0)
		child_exec(p, argv, env, parent);
}

bool
proc_runs(struct proc *p, int *ret_status)
{
	if (!p->pid)
		return false;
	if (waitpid(p->pid, ret_status, WNOHANG) != p->pid)
		return true;
	p->pid = 0;
	return false;
}

int
proc_wait(struct proc *p)
{
	int status = 0;
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (proc_runs(p, &status)) {
		if (test_now_ms() > end) {
			(void)kill(p->pid, SIGABRT);
			proc_die(p, "the program does not end");
		}
		(void)poll(NULL, 0, 1);
	}
	return status;
}

void
proc_kill9(struct proc *p)
{
	if (!p->pid)
		return;
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

void
proc_stop(struct proc *p)
{
	(void)kill(p->pid, SIGTERM);
	int status = proc_wait(p);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "wait status 0x%x\n", status);
		proc_die(p, "the program did not stop cleanly");
	}
}

/* The whole text of a file, malloc'd. */
static char *
read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		proc_die(NULL, path);
	if (getdelim(&text, &size, '\0', f) < 0 && text)
		text[0] = '\0';
	fclose(f);
	return text ? text : calloc(1, 1);
}

int
proc_run(const char *const argv[], const char *input, const char *log,
    char **ret_out)
{
	int in[2], status;
	struct proc p = {0};
	pid_t parent = getpid();

	snprintf(p.log, sizeof(p.log), "%s", log);
	(void)unlink(log);
	if (pipe2(in, O_CLOEXEC) < 0)
		proc_die(NULL, "pipe2");
	fflush(NULL);
	p.pid = fork();
	if (p.pid < 0)
		proc_die(NULL, "fork");
	if (p.pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    getppid() != parent || fd < 0 || dup2(in[0], 0) < 0 ||
		    dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(127);
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(in[0]);
	if (input)
		(void)!write(in[1], input, strlen(input));
	close(in[1]);
	status = proc_wait(&p);
	if (ret_out)
		*ret_out = read_all(log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
proc_free_port(void)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		proc_die(NULL, "free port");
	close(fd);
	return ntohs(a.sin_port);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - the queue manager that mqbench measures: one that runs, or one that
 * is made in a temporary directory and removed at the end.
 *
 * Neighbours: run.c connects here.  The qmgr program is the one beside
 * mqbench.  Our own queue manager dies with us (PR_SET_PDEATHSIG), and its
 * directory is removed however mqbench ends, except by SIGKILL.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "libmq/agent.h"

#define OWN_NAME "BENCH"
#define START_S 10.0
#define MAX_OWN 4u

/* to be ended, and directories to be removed */
static pid_t own_pids[MAX_OWN];
static char own_roots[MAX_OWN][256];

void
host_program(const char *name, char *ret_path, size_t size)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		bench_die("/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	(void)snprintf(ret_path, size, "%s/%s", self, name);
}

void
host_child(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void
host_die(const struct bench_host *h, const char *what)
{
	char log[320], line[512];
	FILE *f;

	(void)snprintf(log, sizeof(log), "%s/log", h->root);
	f = fopen(log, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)fputs(line, stderr);
	bench_die("%s", what);
}

bool
host_preload(char *ret_path, size_t size)
{
	host_program("../lib/libmqbench_slow_flush.so", ret_path, size);
	return access(ret_path, R_OK) == 0;
}

static void
slow_flushes(unsigned ms)
{
	char path[320], text[16];

	(void)host_preload(path, sizeof(path));
	(void)snprintf(text, sizeof(text), "%u", ms);
	(void)setenv("MQBENCH_FLUSH_MS", text, 1);
	(void)setenv("LD_PRELOAD", path, 1);
	/* a sanitizer's library wants to be first */
	(void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
}

static pid_t
spawn(const struct bench_host *h, const char *option)
{
	char path[320], log[320];
	pid_t pid;
	int fd;

	host_program("qmgr", path, sizeof(path));
	(void)snprintf(log, sizeof(log), "%s/log", h->root);
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	host_child();
	if (h->flush_ms > 0)
		slow_flushes(h->flush_ms);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0 && dup2(fd, STDERR_FILENO) >= 0)
		(void)execl(path, "qmgr", h->qmgr, "--root", h->root, option,
		    (char *)NULL);
	_exit(127);
}

static mqi_conn *
try_connect(const struct bench_host *h)
{
	const struct mqagent_opts opts = {
	    .root = h->root[0] != '\0' ? h->root : NULL, .app_name = "mqbench"};
	mqi_conn *c = NULL;

	return mqagent_connect(h->qmgr, &opts, &c) == MQI_OK ? c : NULL;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_root(char root[static 256])
{
	if (root[0] != '\0')
		(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	root[0] = '\0';
}

void
host_remove_all(void)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;

	/* whoever comes second waits for the end of the program */
	(void)pthread_mutex_lock(&once);
	for (unsigned i = 0; i < MAX_OWN; i++)
		if (own_pids[i] > 0) {
			(void)kill(own_pids[i], SIGKILL);
			(void)waitpid(own_pids[i], NULL, 0);
		}
	for (unsigned i = 0; i < MAX_OWN; i++)
		remove_root(own_roots[i]);
}

/* Its process was `old` and is `new`; 0: none. */
static void
remember_pid(pid_t old, pid_t new)
{
	for (unsigned i = 0; i < MAX_OWN; i++)
		if (own_pids[i] == old) {
			own_pids[i] = new;
			return;
		}
}

static void
remember(const char *root)
{
	static bool is_set;

	if (!is_set && atexit(host_remove_all) != 0)
		bench_die("no memory");
	is_set = true;
	for (unsigned i = 0; i < MAX_OWN; i++)
		if (own_roots[i][0] == '\0') {
			(void)snprintf(own_roots[i], 256, "%s", root);
			return;
		}
	bench_die("at most %u queue managers", MAX_OWN);
}

void
host_root(struct bench_host *h, const char *dir)
{
	memset(h, 0, sizeof(*h));
	h->is_own = true;
	(void)snprintf(h->root, sizeof(h->root), "%s/mqbench-XXXXXX", dir);
	if (mkdtemp(h->root) == NULL)
		bench_die("%s: %s", h->root, strerror(errno));
	remember(h->root);
}

void
host_make(struct bench_host *h, const char *name)
{
	int status;

	(void)snprintf(h->qmgr, sizeof(h->qmgr), "%s", name);
	if (waitpid(spawn(h, "--create"), &status, 0) < 0 || status != 0)
		host_die(h, "qmgr --create failed");
}

void
host_start(struct bench_host *h)
{
	double t0 = bench_now();
	mqi_conn *c;
	int status;

	h->pid = spawn(h, NULL);
	remember_pid(0, h->pid);
	while ((c = try_connect(h)) == NULL) {
		if (bench_now() - t0 > START_S ||
		    waitpid(h->pid, &status, WNOHANG) != 0)
			host_die(h, "qmgr did not start");
		(void)usleep(200);
	}
	h->start_s = bench_now() - t0;
	(void)mqi_disconnect(c);
}

void
host_new(struct bench_host *h, const char *dir, unsigned flush_ms)
{
	host_root(h, dir);
	host_make(h, OWN_NAME);
	h->flush_ms = flush_ms;
	host_start(h);
}

void
host_find(
    struct bench_host *h, const char *root, const char *qmgr, const char *dir)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	mqi_conn *c;

	memset(h, 0, sizeof(*h));
	if (qmgr == NULL) {
		host_new(h, dir, 0);
		return;
	}
	(void)snprintf(h->qmgr, sizeof(h->qmgr), "%s", qmgr);
	(void)snprintf(
	    h->root, sizeof(h->root), "%s", root != NULL ? root : "");
	c = try_connect(h);
	if (c == NULL)
		bench_die("%s: %s", qmgr, mqi_last_error(NULL));
	if (getsockopt(mqagent_fd(c), SOL_SOCKET, SO_PEERCRED, &peer, &len) ==
	    0)
		h->pid = peer.pid;
	(void)mqi_disconnect(c);
}

void
host_end(struct bench_host *h)
{
	int status;

	(void)kill(h->pid, SIGTERM);
	(void)waitpid(h->pid, &status, 0);
	remember_pid(h->pid, 0);
}

void
host_stop(struct bench_host *h)
{
	if (!h->is_own)
		return;
	host_end(h);
	for (unsigned i = 0; i < MAX_OWN; i++)
		if (strcmp(own_roots[i], h->root) == 0)
			remove_root(own_roots[i]);
}

mqi_conn *
host_connect(const struct bench_host *h)
{
	struct mqi_connect_opts opts = {
	    .root = h->root[0] != '\0' ? h->root : NULL, .app_name = "mqbench"};
	mqi_conn *c = NULL;

	bench_check(NULL, mqi_connect(h->qmgr, &opts, &c), h->qmgr);
	return c;
}

/* ---- queues ---- */

static void
command_on(
    mqi_conn *c, struct mqctl_command *cmd, mqagent_row_fn row_fn, void *arg)
{
	char text[512] = "";
	enum mqi_err err;

	err = mqagent_command(c, cmd, row_fn, arg, text, sizeof(text));
	if (err != MQI_OK &&
	    !(cmd->verb == MQCTL_DELETE && err == MQI_E_UNKNOWN_OBJECT))
		bench_die(
		    "%s %s: %s", mqctl_verb_name(cmd->verb), cmd->name, text);
	mqctl_command_fini(cmd);
}

static void
command(const struct bench_host *h, struct mqctl_command *cmd)
{
	mqi_conn *c = host_connect(h);

	command_on(c, cmd, NULL, NULL);
	(void)mqi_disconnect(c);
}

static void
begin_command(struct mqctl_command *cmd, enum mqctl_verb verb,
    enum mqctl_noun noun, const char *name)
{
	memset(cmd, 0, sizeof(*cmd));
	mqctl_list_init(&cmd->attrs);
	cmd->verb = verb;
	cmd->noun = noun;
	(void)snprintf(cmd->name, sizeof(cmd->name), "%s", name);
}

static void
attribute(struct mqctl_command *cmd, const char *keyword, const char *value)
{
	bench_check(NULL, mqctl_list_add(&cmd->attrs, keyword, value), keyword);
}

void
host_no_queue(const struct bench_host *h, const char *name)
{
	struct mqctl_command cmd;

	begin_command(&cmd, MQCTL_DELETE, MQCTL_QLOCAL, name);
	cmd.flags = MQCTL_PURGE;
	command(h, &cmd);
}

void
host_queue(const struct bench_host *h, const char *name)
{
	struct mqctl_command cmd;

	host_no_queue(h, name);
	begin_command(&cmd, MQCTL_DEFINE, MQCTL_QLOCAL, name);
	attribute(&cmd, "MAXDEPTH", "999999999");
	attribute(&cmd, "MAXMSGL", "104857600");
	command(h, &cmd);
}

/* Batches that are durable, and those that the store has. */
struct batches {
	uint64_t durable, applied;
};

static void
read_batches(void *arg, const struct mqctl_list *row)
{
	const char *durable = mqctl_list_get(row, "CURRLOG");
	const char *applied = mqctl_list_get(row, "RECLOG");
	struct batches *ret = arg;

	if (durable == NULL || applied == NULL)
		bench_die("the queue manager does not tell about its journal");
	ret->durable = strtoull(durable, NULL, 10);
	ret->applied = strtoull(applied, NULL, 10);
}

static void
ask_batches(mqi_conn *c, struct batches *ret)
{
	struct mqctl_command cmd;

	begin_command(&cmd, MQCTL_DISPLAY, MQCTL_QMSTATUS, "");
	command_on(c, &cmd, read_batches, ret);
}

void
host_checkpoint(const struct bench_host *h)
{
	mqi_conn *c = host_connect(h);
	struct batches at_first, now;
	struct mqctl_command cmd;

	ask_batches(c, &at_first);
	begin_command(&cmd, MQCTL_RESET, MQCTL_QMGR, "");
	attribute(&cmd, "TYPE", "ADVANCELOG");
	command_on(c, &cmd, NULL, NULL);
	for (ask_batches(c, &now); now.applied < at_first.durable;
	     ask_batches(c, &now))
		(void)usleep(1000);
	(void)mqi_disconnect(c);
}

uint64_t
host_flushes(const struct bench_host *h)
{
	mqi_conn *c = host_connect(h);
	struct batches b;

	ask_batches(c, &b);
	(void)mqi_disconnect(c);
	return b.durable;
}

struct sum {
	const char *keyword;
	uint64_t total;
};

static void
add_up(void *arg, const struct mqctl_list *row)
{
	struct sum *s = arg;
	const char *v = mqctl_list_get(row, s->keyword);

	if (v != NULL)
		s->total += strtoull(v, NULL, 10);
}

uint64_t
host_number(const struct bench_host *h, enum mqctl_noun noun, const char *name,
    const char *keyword)
{
	mqi_conn *c = host_connect(h);
	struct sum s = {.keyword = keyword};
	struct mqctl_command cmd;

	begin_command(&cmd, MQCTL_DISPLAY, noun, name);
	cmd.flags = MQCTL_ALL;
	command_on(c, &cmd, add_up, &s);
	(void)mqi_disconnect(c);
	return s.total;
}

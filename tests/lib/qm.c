/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qm.c - queue managers under test.
 *
 * Happy path: `qmgr NAME --create`, `qmgr NAME`, and a connect that is tried
 * until it succeeds while the program is watched.  Failure modes: each prints
 * the program's log and aborts; the death signal (proc.c) and tmpdir.c clean
 * up.
 */
#include "tests/lib/qm.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmq/agent.h"

void
qm_create(struct qm *q, const struct tmpdir *d, const char *name)
{
	char bin[PATH_MAX];

	memset(q, 0, sizeof(*q));
	snprintf(q->name, sizeof(q->name), "%s", name);
	snprintf(q->root, sizeof(q->root), "%.4000s/root", d->path);
	snprintf(q->dir, sizeof(q->dir), "%.4000s", d->path);
	snprintf(
	    q->proc.log, sizeof(q->proc.log), "%.4000s/%s.log", d->path, name);
	(void)mkdir(q->root, 0700);
	proc_bin("qmgr", bin, sizeof(bin));
	proc_start(&q->proc,
	    (const char *const[]){
		bin, q->name, "--root", q->root, "--create", NULL},
	    NULL);
	if (proc_wait(&q->proc) != 0)
		proc_die(&q->proc, "qmgr --create");
}

void
qm_record(struct qm *q, const char *trace)
{
	snprintf(q->control_path, sizeof(q->control_path), "%.4000s.%s.control",
	    q->root, q->name);
	int fd =
	    open(q->control_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*q->control)) < 0)
		proc_die(NULL, q->control_path);
	q->control = mmap(NULL, sizeof(*q->control), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (q->control == MAP_FAILED)
		proc_die(NULL, "mmap");
	close(fd);
	snprintf(q->control->dir, sizeof(q->control->dir), "%s", q->root);
	if (trace)
		snprintf(
		    q->control->trace, sizeof(q->control->trace), "%s", trace);
}

void
qm_spawn(struct qm *q)
{
	char bin[PATH_MAX], preload[PATH_MAX + 64], env[PATH_MAX + 64];
	const char *build = getenv("MQ_BUILD");

	proc_bin("qmgr", bin, sizeof(bin));
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/tests/librecorder.so",
	    build ? build : ".");
	snprintf(env, sizeof(env), RECORDER_ENV "=%s", q->control_path);
	proc_start(&q->proc,
	    (const char *const[]){bin, q->name, "--root", q->root, NULL},
	    q->control ? (const char *const[]){preload, env,
			     "ASAN_OPTIONS=verify_asan_link_order=0", NULL}
		       : NULL);
}

mqi_conn *
qm_try_connect(struct qm *q)
{
	struct mqi_connect_opts opts = {.root = q->root, .app_name = "test"};
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *conn = NULL;
	enum mqi_err err;
	int status;

	for (;;) {
		err = mqi_connect(q->name, &opts, &conn);
		if (err == MQI_OK)
			return conn;
		if (!proc_runs(&q->proc, &status))
			return NULL;
		if (test_now_ms() > end) {
			fprintf(stderr, "connect: %s\n", mqi_strerror(err));
			proc_die(&q->proc, "the queue manager does not answer");
		}
		(void)poll(NULL, 0, 2);
	}
}

static bool
is_remote(void)
{
	return getenv("MQ_TEST_REMOTE") != NULL;
}

mqi_conn *
qm_connect_by(const struct qm *q, struct mqi_connect_opts opts)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char conname[64], keys[PATH_MAX];
	mqi_conn *conn = NULL;
	enum mqi_err err;

	snprintf(conname, sizeof(conname), "127.0.0.1(%d)", q->port);
	snprintf(keys, sizeof(keys), "%.4000s/app", q->dir);
	if (is_remote()) {
		opts.conname = conname;
		opts.channel = "TEST.APP";
		opts.key_dir = keys;
	} else {
		opts.root = q->root;
	}
	/* a listener comes up after its queue manager */
	do
		err = mqi_connect(q->name, &opts, &conn);
	while (err == MQI_E_HOST_NOT_AVAILABLE && is_remote() &&
	       test_now_ms() < end && poll(NULL, 0, 5) == 0);
	if (err) {
		fprintf(stderr, "connect: %s: %s\n", mqi_strerror(err),
		    mqi_last_error(NULL));
		proc_die(&q->proc, "connect");
	}
	return conn;
}

mqi_conn *
qm_connect(const struct qm *q)
{
	return qm_connect_by(q, (struct mqi_connect_opts){.app_name = "test"});
}

void
qm_mqsc(const struct qm *q, const char *commands)
{
	char bin[PATH_MAX], log[PATH_MAX], *out;

	proc_bin("mqadmin", bin, sizeof(bin));
	snprintf(log, sizeof(log), "%.4000s.mqsc", q->proc.log);
	int rc = proc_run((const char *const[]){bin, "mqsc", q->name, "--root",
			      q->root, NULL},
	    commands, log, &out);
	if (rc != 0) {
		fprintf(
		    stderr, "mqadmin mqsc: %d\n%s\n%s\n", rc, commands, out);
		proc_die(&q->proc, "mqsc");
	}
	free(out);
}

void
qm_let_in(const struct qm *q)
{
	qm_mqsc(q, "SET CHLAUTH('*') TYPE(SSLPEERMAP) SSLPEER('CN=*') "
		   "MCAUSER('partner') ACTION(REPLACE)\n"
		   "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('partner') "
		   "AUTHADD(CONNECT)\n"
		   "SET AUTHREC PROFILE('**') OBJTYPE(QUEUE) "
		   "PRINCIPAL('partner') AUTHADD(ALLMQI)\n");
}

/* For applications that come by TLS. */
static void
open_to_remote(struct qm *q)
{
	struct tmpdir d;

	snprintf(d.path, sizeof(d.path), "%s", q->dir);
	q->port = qm_serve(q, &d);
	q->lets_in = true;
	qm_mqsc(q,
	    "DEFINE CHANNEL(TEST.APP) CHLTYPE(SVRCONN) SSLPEER('CN=app') "
	    "MAXMSGL(104857600)\n");
}

void
qm_start(struct qm *q)
{
	char cert[PATH_MAX + MQI_NAME_LEN + 32];

	qm_spawn(q);
	mqi_conn *conn = qm_try_connect(q);
	if (!conn)
		proc_die(&q->proc, "the queue manager did not start");
	(void)mqi_disconnect(conn);
	if (is_remote() && q->port == 0)
		open_to_remote(q);
	snprintf(
	    cert, sizeof(cert), "%.4000s/%s/ssl/cert.pem", q->root, q->name);
	if (q->lets_in || access(cert, F_OK) < 0)
		return;
	q->lets_in = true;
	qm_let_in(q);
}

/* Runs mqadmin with arguments up to NULL; dies if it fails. */
static void
run_mqadmin(const struct qm *q, const char *const args[])
{
	const char *argv[16] = {0};
	char bin[PATH_MAX], log[PATH_MAX], *out;
	int n = 1;

	proc_bin("mqadmin", bin, sizeof(bin));
	argv[0] = bin;
	for (; args[n - 1]; n++)
		argv[n] = args[n - 1];
	snprintf(log, sizeof(log), "%.4000s.mqadmin.log", q->root);
	int rc = proc_run(argv, NULL, log, &out);
	if (rc != 0) {
		fprintf(stderr, "mqadmin %s: %d\n%s\n", args[0], rc, out);
		proc_die(NULL, "mqadmin");
	}
	free(out);
}

void
qm_tls(const struct qm *q, const struct tmpdir *d)
{
	char ca[PATH_MAX], own[PATH_MAX];

	snprintf(ca, sizeof(ca), "%.4000s/ca", d->path);
	snprintf(own, sizeof(own), "%.4000s/%s/ssl", q->root, q->name);
	if (access(ca, F_OK) < 0)
		run_mqadmin(q, (const char *const[]){"tls", "init", ca, NULL});
	run_mqadmin(q, (const char *const[]){
			   "tls", "issue", ca, q->name, "--out", own, NULL});
}

static void
copy_file(const char *from, const char *to)
{
	char buf[4096], fresh[PATH_MAX];
	FILE *in = fopen(from, "re"), *out;
	size_t n;

	snprintf(fresh, sizeof(fresh), "%.4000s.new", to);
	out = fopen(fresh, "we");
	if (!in || !out)
		proc_die(NULL, to);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			proc_die(NULL, fresh);
	(void)fclose(in);
	/* who reads it meanwhile sees one or the other */
	if (fclose(out) != 0 || rename(fresh, to) < 0)
		proc_die(NULL, to);
}

void
qm_revoke(const struct qm *q, const struct tmpdir *d, const struct qm *whom)
{
	char bin[PATH_MAX], ca[PATH_MAX], list[PATH_MAX], cert[PATH_MAX],
	    own[PATH_MAX], log[PATH_MAX], *out;
	const char *argv[] = {bin, "tls", "revoke", ca, NULL, NULL};

	proc_bin("mqadmin", bin, sizeof(bin));
	snprintf(ca, sizeof(ca), "%.3000s/ca", d->path);
	snprintf(list, sizeof(list), "%.3000s/ca/crl.pem", d->path);
	snprintf(log, sizeof(log), "%.3000s/revoke.log", d->path);
	snprintf(own, sizeof(own), "%.3000s/%s/ssl/crl.pem", q->root, q->name);
	if (whom) {
		snprintf(cert, sizeof(cert), "%.3000s/%s/ssl/cert.pem",
		    whom->root, whom->name);
		argv[4] = cert;
	}
	int rc = proc_run(argv, NULL, log, &out);
	if (rc != 0 && !strstr(out, "revoked already"))
		proc_die(NULL, out);
	free(out);
	copy_file(list, own);
	qm_mqsc(q, "REFRESH SECURITY TYPE(SSL)\n");
}

void
qm_renew(const struct qm *q, const struct tmpdir *d)
{
	static const char *const files[] = {"key.pem", "cert.pem"};
	static unsigned n;
	char ca[PATH_MAX], fresh[PATH_MAX], from[PATH_MAX], to[PATH_MAX];

	snprintf(ca, sizeof(ca), "%.3000s/ca", d->path);
	snprintf(fresh, sizeof(fresh), "%.3000s/fresh.%u", d->path, n++);
	run_mqadmin(q, (const char *const[]){
			   "tls", "issue", ca, q->name, "--out", fresh, NULL});
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%.3500s/%s", fresh, files[i]);
		snprintf(to, sizeof(to), "%.3000s/%s/ssl/%s", q->root, q->name,
		    files[i]);
		if (rename(from, to) < 0)
			proc_die(NULL, to);
	}
}

/* Whether the process is `mca KIND --qmgr QM ...` of our root. */
static bool
is_agent(const char *pid, const char *kind, const struct qm *q)
{
	char path[64], args[8192];
	bool is_kind = false, is_qmgr = false, is_root = false;
	unsigned i = 0;
	size_t len;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	len = fread(args, 1, sizeof(args) - 1, file);
	(void)fclose(file);
	args[len] = '\0';
	for (char *p = args; p < args + len; p += strlen(p) + 1, i++) {
		is_kind |= i == 1 && strcmp(p, kind) == 0;
		is_qmgr |= strcmp(p, q->name) == 0;
		is_root |= strcmp(p, q->root) == 0;
	}
	return is_kind && is_qmgr && is_root;
}

unsigned
qm_agents(const struct qm *q, const char *kind, pid_t *ret, unsigned max)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	if (proc == NULL)
		proc_die(NULL, "/proc");
	while (n < max && (e = readdir(proc)) != NULL) {
		if (isdigit((unsigned char)e->d_name[0]) &&
		    is_agent(e->d_name, kind, q))
			ret[n++] = (pid_t)atoi(e->d_name);
	}
	(void)closedir(proc);
	return n;
}

unsigned
qm_signal_agents(const struct qm *q, const char *kind, int signum)
{
	pid_t pids[QM_AGENTS_MAX];
	unsigned n = qm_agents(q, kind, pids, QM_AGENTS_MAX), given = 0;

	for (unsigned i = 0; i < n; i++)
		given += kill(pids[i], signum) == 0;
	return given;
}

uint64_t
qm_rss(pid_t pid)
{
	char path[64];
	unsigned long long size = 0, pages = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu %llu", &size, &pages) != 2)
		pages = 0;
	(void)fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
qm_issue(const struct qm *q, const struct tmpdir *d, const char *name)
{
	char ca[PATH_MAX], own[PATH_MAX];

	snprintf(ca, sizeof(ca), "%.4000s/ca", d->path);
	snprintf(own, sizeof(own), "%.3000s/%.64s", d->path, name);
	run_mqadmin(q, (const char *const[]){
			   "tls", "issue", ca, name, "--out", own, NULL});
}

uint64_t
qm_depth(const struct qm *q, const char *queue)
{
	struct mqi_queue_info info = {0};
	mqi_conn *conn = qm_connect(q);
	mqi_queue *handle = NULL;

	if (mqi_open(conn, queue, NULL, MQI_OO_INQUIRE, &handle) != MQI_OK ||
	    mqi_inquire(handle, &info) != MQI_OK ||
	    mqi_disconnect(conn) != MQI_OK)
		proc_die(&q->proc, queue);
	return info.depth;
}

unsigned
qm_log_count(const struct qm *q, const char *a, const char *b)
{
	FILE *file = fopen(q->proc.log, "re");
	char line[8192];
	unsigned n = 0;

	if (!file)
		proc_die(NULL, q->proc.log);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, a) && strstr(line, b);
	(void)fclose(file);
	return n;
}

/* On its own host, as an administrator does. */
static mqi_conn *
connect_here(const struct qm *q)
{
	const struct mqi_connect_opts opts = {
	    .root = q->root, .app_name = "test"};
	mqi_conn *conn = NULL;

	if (mqi_connect(q->name, &opts, &conn) != MQI_OK)
		proc_die(&q->proc, "connect");
	return conn;
}

struct shown {
	const char *keyword;
	char *value;
};

static void
take_row(void *arg, const struct mqctl_list *row)
{
	const struct shown *s = arg;
	const char *v = mqctl_list_get(row, s->keyword);

	if (v)
		snprintf(s->value, QM_VALUE_MAX, "%s", v);
}

void
qm_shown(const struct qm *q, enum mqctl_noun noun, const char *name,
    const char *keyword, char ret[QM_VALUE_MAX])
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	struct shown s = {.keyword = keyword, .value = ret};
	mqi_conn *conn = connect_here(q);
	char text[512];

	if (!cmd)
		proc_die(NULL, "no memory");
	cmd->verb = MQCTL_DISPLAY;
	cmd->noun = noun;
	cmd->flags = MQCTL_ALL;
	snprintf(cmd->name, sizeof(cmd->name), "%s", name);
	ret[0] = '\0';
	/* nothing of the name is no row */
	(void)!mqagent_command(conn, cmd, take_row, &s, text, sizeof(text));
	mqctl_command_fini(cmd);
	free(cmd);
	(void)mqi_disconnect(conn);
}

/* When it returns, somebody listens. */
static int
listen_somewhere(const struct qm *q)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	int port = proc_free_port();
	char text[256], state[QM_VALUE_MAX];

	snprintf(text, sizeof(text),
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    port);
	qm_mqsc(q, text);
	for (;;) {
		qm_shown(q, MQCTL_LSSTATUS, "TCP", "STATUS", state);
		if (strcmp(state, "RUNNING") == 0)
			return port;
		if (test_now_ms() > end)
			proc_die(&q->proc, "nobody listens");
		(void)poll(NULL, 0, 5);
	}
}

void
qm_listen(struct qm *q)
{
	q->port = listen_somewhere(q);
}

int
qm_serve(const struct qm *q, const struct tmpdir *d)
{
	qm_tls(q, d);
	qm_issue(q, d, "app");
	qm_let_in(q);
	return listen_somewhere(q);
}

void
qm_fini(struct qm *q)
{
	proc_kill9(&q->proc);
	if (q->control)
		(void)munmap(q->control, sizeof(*q->control));
	q->control = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_agents_apart.c - agents of another user than the queue manager: two real
 * queue managers of one user, each with a `mca serve` of another, which has
 * the keys.
 *
 * Needs root, which can be both.  The users need not exist.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sock.h"
#include "libmq/agent.h"
#include "qmgr/strangers.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define OWNER "20011"    /* of the queue managers and their stores */
#define AGENTS "20012"   /* of the agents and their keys */
#define STRANGER "20013" /* has no rights */

static struct tmpdir dir;
static struct qm qm[2];
static struct proc serve[2];
static const char *const names[2] = {"QM1", "QM2"};

/* ---- other users ---- */

/* A program of our copies, as that user, which dies with us. */
static void
start_as(struct proc *p, const char *user, const char *program,
    const char *const args[])
{
	char reuid[32], regid[32], path[PATH_MAX];
	const char *argv[32] = {"/usr/bin/setpriv", "--pdeathsig", "KILL",
	    "--clear-groups", reuid, regid, path};
	size_t n = 7;

	(void)snprintf(reuid, sizeof(reuid), "--reuid=%s", user);
	(void)snprintf(regid, sizeof(regid), "--regid=%s", user);
	(void)snprintf(path, sizeof(path), "%.3000s/bin/%s", dir.path, program);
	for (; *args != NULL; args++)
		argv[n++] = *args;
	proc_start(p, argv, NULL);
}

#define START_AS(p, user, program, ...) \
	start_as(p, user, program, (const char *const[]){__VA_ARGS__, NULL})

static void
give_to(const char *path, const char *user, mode_t mode)
{
	uid_t uid = (uid_t)atoi(user);
	DIR *d;

	assert_int_equal(chown(path, uid, uid), 0);
	assert_int_equal(chmod(path, mode), 0);
	d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			assert_int_equal(
			    fchownat(dirfd(d), e->d_name, uid, uid, 0), 0);
	(void)closedir(d);
}

/* What fn returns in a process of that user. */
static int
run_as(const char *user, int (*fn)(void))
{
	uid_t uid = (uid_t)atoi(user);
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
		    setresuid(uid, uid, uid) != 0)
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Of programs that run to their end; removed before each. */
static const char *
run_log(void)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.3000s/run.log", dir.path);
	return path;
}

/* The build may lie where nobody else can go. */
static void
copy_programs(void)
{
	static const char *const programs[] = {"qmgr", "mca"};
	char from[PATH_MAX], to[PATH_MAX], *out = NULL;

	(void)snprintf(to, sizeof(to), "%.3000s/bin", dir.path);
	assert_int_equal(mkdir(to, 0711), 0);
	for (size_t i = 0; i < 2; i++) {
		proc_bin(programs[i], from, sizeof(from));
		assert_int_equal(
		    proc_run((const char *const[]){"/bin/cp", from, to, NULL},
			NULL, run_log(), &out),
		    0);
		free(out);
	}
}

/* ---- logs and status ---- */

static unsigned
log_count(const struct proc *p, const char *a, const char *b)
{
	FILE *file = fopen(p->log, "re");
	char line[8192];
	unsigned n = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, a) != NULL && strstr(line, b) != NULL;
	(void)fclose(file);
	return n;
}

static _Noreturn void
die(const char *what)
{
	for (int i = 0; i < 2; i++) {
		proc_print_log(&qm[i].proc);
		proc_print_log(&serve[i]);
	}
	proc_die(NULL, what);
}

static void
await_log(const struct proc *p, unsigned n, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (log_count(p, a, b) < n) {
		if (test_now_ms() > end) {
			(void)fprintf(stderr, "no '%s' with '%s'\n", a, b);
			die("the log does not say it");
		}
		(void)poll(NULL, 0, 5);
	}
}

/* Runs a command that may fail; whether its output holds the text. */
static bool
says(const struct qm *q, const char *command, const char *text)
{
	char bin[PATH_MAX], *out = NULL;
	bool found;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)proc_run((const char *const[]){bin, "mqsc", q->name, "--root",
			   q->root, "-c", command, NULL},
	    NULL, run_log(), &out);
	found = strstr(out, text) != NULL;
	free(out);
	return found;
}

static void
await_saying(const struct qm *q, const char *command, const char *text)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (!says(q, command, text)) {
		if (test_now_ms() > end) {
			(void)fprintf(
			    stderr, "%s does not say '%s'\n", command, text);
			die("it is not said");
		}
		(void)poll(NULL, 0, 20);
	}
}

/* The user of the only agent of this kind, when there is one. */
static unsigned
user_of(const struct qm *q, const char *kind)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char path[64], line[256];
	unsigned uid = 0;
	pid_t pid = 0;
	FILE *f;

	while (qm_agents(q, kind, &pid, 1) != 1) {
		if (test_now_ms() > end)
			die("there is no agent");
		(void)poll(NULL, 0, 5);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (uid == 0 && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "Uid: %u", &uid);
	(void)fclose(f);
	return uid;
}

/* ---- the processes ---- */

static void
start_qmgr(int i)
{
	mqi_conn *conn;

	START_AS(&qm[i].proc, OWNER, "qmgr", names[i], "--root", qm[i].root);
	conn = qm_try_connect(&qm[i]);
	if (conn == NULL)
		die("the queue manager did not start");
	(void)mqi_disconnect(conn);
}

static void
start_serve(int i)
{
	char keys[PATH_MAX];

	(void)snprintf(
	    keys, sizeof(keys), "%.3000s/keys-%s", dir.path, names[i]);
	START_AS(&serve[i], AGENTS, "mca", "serve", "--qmgr", names[i],
	    "--root", qm[i].root, "--keys", keys);
}

static void
mqadmin(const char *const args[])
{
	const char *argv[16] = {NULL};
	char bin[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	argv[0] = bin;
	for (int i = 0; args[i] != NULL; i++)
		argv[i + 1] = args[i];
	if (proc_run(argv, NULL, run_log(), &out) != 0)
		fail_msg("mqadmin %s: %s", args[0], out);
	free(out);
}

static void
make_keys(const char *name, const char *sub, const char *user)
{
	char ca[PATH_MAX], out[PATH_MAX];

	(void)snprintf(ca, sizeof(ca), "%.3000s/ca", dir.path);
	(void)snprintf(out, sizeof(out), "%.3000s/%s", dir.path, sub);
	if (access(ca, F_OK) != 0)
		mqadmin((const char *const[]){"tls", "init", ca, NULL});
	mqadmin((const char *const[]){
	    "tls", "issue", ca, name, "--out", out, NULL});
	give_to(out, user, 0700);
}

static void
make_qmgr(int i)
{
	char ini[PATH_MAX], sub[64];
	FILE *f;

	(void)snprintf(qm[i].name, sizeof(qm[i].name), "%s", names[i]);
	(void)snprintf(
	    qm[i].root, sizeof(qm[i].root), "%.3000s/root", dir.path);
	(void)snprintf(qm[i].dir, sizeof(qm[i].dir), "%.3000s", dir.path);
	(void)snprintf(qm[i].proc.log, sizeof(qm[i].proc.log), "%.3000s/%s.log",
	    dir.path, names[i]);
	(void)snprintf(serve[i].log, sizeof(serve[i].log), "%.3000s/%s.mca",
	    dir.path, names[i]);
	START_AS(&qm[i].proc, OWNER, "qmgr", names[i], "--create", "--root",
	    qm[i].root);
	assert_int_equal(proc_wait(&qm[i].proc), 0);
	(void)snprintf(
	    ini, sizeof(ini), "%.3000s/%s/qm.ini", qm[i].root, names[i]);
	f = fopen(ini, "w");
	assert_non_null(f);
	assert_true(fputs("Agents:\n   Apart=1\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	(void)snprintf(sub, sizeof(sub), "keys-%s", names[i]);
	make_keys(names[i], sub, AGENTS);
}

static int
setup(void **state)
{
	char text[1024], root[PATH_MAX];
	int port = proc_free_port();

	(void)state;
	tmpdir_make(&dir);
	assert_int_equal(chmod(dir.path, 0711), 0);
	copy_programs();
	(void)snprintf(root, sizeof(root), "%.3000s/root", dir.path);
	assert_int_equal(mkdir(root, 0711), 0);
	give_to(root, OWNER, 0711);
	for (int i = 0; i < 2; i++) {
		make_qmgr(i);
		start_qmgr(i);
		(void)snprintf(text, sizeof(text),
		    "SET AUTHREC PROFILE('%s') OBJTYPE(QMGR) "
		    "PRINCIPAL('uid:" AGENTS "') AUTHADD(SYSTEM)\n",
		    names[i]);
		qm_mqsc(&qm[i], text);
	}
	make_keys("app", "app", "0");
	qm_let_in(&qm[1]);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(IN) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n"
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    port);
	qm_mqsc(&qm[1], text);
	/* that it runs again at once is nothing that a timer does */
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) XMITQ(QM2) SHORTTMR(1) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2')\n",
	    port);
	qm_mqsc(&qm[0], text);
	qm[1].port = port;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		proc_kill9(&serve[i]);
		qm_fini(&qm[i]);
	}
	tmpdir_free(&dir);
	return 0;
}

/* ---- messages ---- */

static void
put(mqi_conn *conn, const char *qmgr)
{
	mqi_queue *q = NULL;

	OK(mqi_open(conn, "IN", qmgr, MQI_OO_OUTPUT, &q));
	OK(mqi_put(q, NULL, NULL, "x", 1));
	OK(mqi_close(q));
}

static void
get(const struct qm *q)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	if (mqi_get_msg(queue, NULL,
		&(struct mqi_get_opts){.wait_ms = PROC_DEADLINE_MS},
		&msg) != MQI_OK)
		die("the message does not come");
	(void)mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
}

static void
messages_flow(void)
{
	mqi_conn *conn = qm_connect(&qm[0]);

	put(conn, "QM2");
	OK(mqi_disconnect(conn));
	get(&qm[1]);
}

/* ---- tests, each from where the one before it has left all ---- */

static void
test_without_mca_serve_the_status_says_what_to_do(void **state)
{
	(void)state;
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "RETRYING");
	await_saying(
	    &qm[0], "DISPLAY CHSTATUS(C) ALL", "no mca serve is connected");
	qm_mqsc(&qm[0], "STOP CHANNEL(C)\n");
	assert_true(
	    says(&qm[0], "PING CHANNEL(C)", "no mca serve is connected"));
	await_log(&qm[1].proc, 1, "listener.start_failed", "no mca serve");
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
}

static void
test_messages_flow_by_agents_of_another_user(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		start_serve(i);
		await_log(&qm[i].proc, 1, "apart.begin", AGENTS);
	}
	messages_flow();
	assert_int_equal(user_of(&qm[0], "dial"), atoi(AGENTS));
	assert_int_equal(user_of(&qm[1], "listener"), atoi(AGENTS));
	assert_int_equal(user_of(&qm[1], "answer"), atoi(AGENTS));
	/* it is the channel's own process, not one that came by itself */
	assert_true(says(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(RUNNING)"));
	assert_false(says(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STARTING"));
	/* what REFRESH SECURITY reads is the agents', too */
	qm_mqsc(&qm[0], "REFRESH SECURITY\n");
	qm_mqsc(&qm[1], "REFRESH SECURITY\n");
	messages_flow();
}

/* How many of the files can be opened for reading. */
static int
opens(const char *const paths[])
{
	char path[PATH_MAX];
	int n = 0;

	for (; *paths != NULL; paths++) {
		(void)snprintf(
		    path, sizeof(path), "%.3000s/%s", dir.path, *paths);
		if (open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES)
			continue;
		(void)fprintf(stderr, "%s can be read\n", path);
		n++;
	}
	return n;
}

static int
open_keys(void)
{
	static const char *const paths[] = {"keys-QM1", "keys-QM1/key.pem",
	    "keys-QM1/cert.pem", "keys-QM2/key.pem", NULL};

	return opens(paths);
}

static int
open_store(void)
{
	static const char *const paths[] = {"root/QM1", "root/QM1/data",
	    "root/QM1/data/data.mdb", "root/QM1/data/journal.0",
	    "root/QM2/data/data.mdb", "root/QM1/qm.ini", NULL};

	return opens(paths);
}

static void
test_neither_can_read_what_the_other_has(void **state)
{
	(void)state;
	assert_int_equal(run_as(OWNER, open_keys), 0);
	assert_int_equal(run_as(AGENTS, open_store), 0);
	/* but each its own */
	assert_int_equal(run_as(AGENTS, open_keys), 4);
	assert_int_equal(run_as(OWNER, open_store), 6);
}

static void
test_stop_start_and_ping(void **state)
{
	(void)state;
	qm_mqsc(&qm[0], "STOP CHANNEL(C)\n");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(STOPPED)");
	assert_true(says(&qm[0], "PING CHANNEL(C)", "answered within"));
	assert_int_equal(qm_agents(&qm[0], "dial", (pid_t[1]){0}, 1), 0);
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	messages_flow();
	qm_mqsc(&qm[0], "STOP CHANNEL(C) MODE(FORCE)\n");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(STOPPED)");
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	messages_flow();
	qm_mqsc(&qm[0], "STOP CHANNEL(C) MODE(TERMINATE)\n");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(STOPPED)");
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	messages_flow();
}

static void
test_an_agent_that_is_killed_is_started_again(void **state)
{
	(void)state;
	assert_int_equal(qm_signal_agents(&qm[0], "dial", SIGKILL), 1);
	messages_flow();
	await_log(&qm[0].proc, 1, "channel.ended", "signal 9");
	assert_int_equal(qm_signal_agents(&qm[1], "listener", SIGKILL), 1);
	await_log(&qm[1].proc, 1, "listener.ended", "signal 9");
	qm_mqsc(&qm[0], "STOP CHANNEL(C)\n");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(STOPPED)");
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	messages_flow();
}

static void
await_none(const struct qm *q, const char *kind)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	pid_t pid;

	while (qm_agents(q, kind, &pid, 1) != 0) {
		if (test_now_ms() > end)
			die("an agent goes on");
		(void)poll(NULL, 0, 5);
	}
}

static void
test_the_end_of_mca_serve_ends_its_agents_and_is_recovered(void **state)
{
	(void)state;
	/* only the coming of the next one starts it again */
	qm_mqsc(&qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SHORTTMR(9999)\n");
	proc_kill9(&serve[0]);
	await_none(&qm[0], "dial");
	await_log(&qm[0].proc, 1, "apart.gone", "process");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "RETRYING");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "mca serve, which");
	start_serve(0);
	messages_flow();
	proc_kill9(&serve[1]);
	await_none(&qm[1], "listener");
	start_serve(1);
	await_log(&qm[1].proc, 3, "listener.state", "RUNNING");
	qm_mqsc(&qm[0], "ALTER CHANNEL(C) CHLTYPE(SDR) SHORTTMR(1)\n");
	messages_flow();
}

static void
test_remote_applications_are_served(void **state)
{
	struct mqi_connect_opts opts = {.app_name = "test", .channel = "APP"};
	char conname[64], keys[PATH_MAX];
	mqi_conn *remote = NULL;

	(void)state;
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", qm[1].port);
	(void)snprintf(keys, sizeof(keys), "%.3000s/app", dir.path);
	opts.conname = conname;
	opts.key_dir = keys;
	OK(mqi_connect("QM2", &opts, &remote));
	put(remote, NULL);
	get(&qm[1]);
	assert_int_equal(user_of(&qm[1], "clients"), atoi(AGENTS));
	OK(mqi_disconnect(remote));
}

static void
test_one_that_hangs_is_sent_away(void **state)
{
	(void)state;
	messages_flow();
	assert_int_equal(kill(serve[0].pid, SIGSTOP), 0);
	qm_mqsc(&qm[0], "STOP CHANNEL(C) MODE(TERMINATE)\n");
	await_log(&qm[0].proc, 1, "session.refused", "does not do");
	await_saying(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(STOPPED)");
	proc_kill9(&serve[0]);
	await_none(&qm[0], "dial");
	start_serve(0);
	await_log(&qm[0].proc, 3, "apart.begin", AGENTS);
	qm_mqsc(&qm[0], "START CHANNEL(C)\n");
	messages_flow();
}

static int
end_of(const char *user, int i)
{
	struct proc p = {.pid = 0};
	int status;

	(void)snprintf(p.log, sizeof(p.log), "%.4000s", serve[i].log);
	START_AS(&p, user, "mca", "serve", "--qmgr", names[i], "--root",
	    qm[i].root, "--keys", dir.path);
	status = proc_wait(&p);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_nobody_else_can_be_it(void **state)
{
	struct mqagent_opts opts = {.root = qm[0].root,
	    .app_name = "test",
	    .channel = "",
	    .address = "",
	    .user = "partner",
	    .timeout_ms = PROC_DEADLINE_MS};
	struct mqctl_list l;
	mqi_conn *conn = NULL;

	(void)state;
	/* no authority */
	assert_int_equal(end_of(STRANGER, 0), 1);
	await_log(&qm[0].proc, 1, "authority.refused", "user=uid:" STRANGER);
	/* a second one, though it may */
	assert_int_equal(end_of(AGENTS, 0), 1);
	await_log(&qm[0].proc, 1, "session.refused", "another mca serve");
	/* an agent in somebody's name, though its own user may */
	qm_mqsc(&qm[0], "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('partner') "
			"AUTHADD(CONNECT)\n");
	OK(mqagent_connect("QM1", &opts, &conn));
	mqctl_list_init(&l);
	OK(mqctl_list_add(&l, "serve", "1"));
	OK(mqagent_status(conn, &l));
	mqctl_list_fini(&l);
	while (mqagent_dispatch(conn, &(bool){false}) == MQI_OK)
		(void)poll(NULL, 0, 1);
	await_log(&qm[0].proc, 1, "session.refused", "who acts for others");
	(void)mqi_disconnect(conn);
	messages_flow();
}

/* More connections at once than other users may have without a hello. */
static int
come_as_a_crowd(void)
{
	struct mqagent_opts opts = {.root = qm[0].root,
	    .app_name = "test",
	    .channel = "",
	    .address = "",
	    .timeout_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = NULL;
	char run[PATH_MAX];
	int fd;

	(void)snprintf(run, sizeof(run), "%.3000s/QM1/run", qm[0].root);
	for (unsigned i = 0; i < STRANGERS_AWAITING + 8; i++)
		if (mqsock_connect_unix(run, MQLOCAL_SOCKET, &fd) != MQI_OK)
			return 1;
	return mqagent_connect("QM1", &opts, &conn) == MQI_OK ? 0 : 2;
}

static void
test_many_agents_may_come_at_once(void **state)
{
	(void)state;
	assert_int_equal(run_as(AGENTS, come_as_a_crowd), 0);
}

/* One who may be an agent, but does not serve, tells of others' processes. */
static void
test_words_of_others_about_processes_count_for_nothing(void **state)
{
	struct mqagent_opts opts = {.root = qm[0].root,
	    .app_name = "test",
	    .channel = "",
	    .address = "",
	    .timeout_ms = PROC_DEADLINE_MS};
	struct mqctl_list l;
	mqi_conn *conn = NULL;
	char id[16];

	(void)state;
	OK(mqagent_connect("QM1", &opts, &conn));
	for (unsigned i = 1; i < 64; i++) {
		(void)snprintf(id, sizeof(id), "%u", i);
		mqctl_list_init(&l);
		OK(mqctl_list_add(&l, "ended", id));
		OK(mqagent_status(conn, &l));
		mqctl_list_fini(&l);
	}
	OK(mqi_disconnect(conn));
	/* a command is answered after all that was told before */
	assert_true(says(&qm[0], "DISPLAY CHSTATUS(C) ALL", "STATUS(RUNNING)"));
	messages_flow();
}

static void
test_it_waits_for_its_queue_manager_and_ends_with_it(void **state)
{
	int status;

	(void)state;
	proc_stop(&qm[0].proc);
	status = proc_wait(&serve[0]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	await_none(&qm[0], "dial");
	start_serve(0);
	await_log(&serve[0], 1, "serve.wait", "QM1");
	start_qmgr(0);
	messages_flow();
	/* and is stopped */
	proc_stop(&serve[0]);
	await_none(&qm[0], "dial");
	start_serve(0);
	messages_flow();
	proc_stop(&qm[0].proc);
	proc_stop(&qm[1].proc);
	await_none(&qm[0], "dial");
	await_none(&qm[1], "listener");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_mca_serve_the_status_says_what_to_do),
	    cmocka_unit_test(test_messages_flow_by_agents_of_another_user),
	    cmocka_unit_test(test_neither_can_read_what_the_other_has),
	    cmocka_unit_test(test_stop_start_and_ping),
	    cmocka_unit_test(test_an_agent_that_is_killed_is_started_again),
	    cmocka_unit_test(
		test_the_end_of_mca_serve_ends_its_agents_and_is_recovered),
	    cmocka_unit_test(test_remote_applications_are_served),
	    cmocka_unit_test(test_one_that_hangs_is_sent_away),
	    cmocka_unit_test(test_nobody_else_can_be_it),
	    cmocka_unit_test(test_many_agents_may_come_at_once),
	    cmocka_unit_test(
		test_words_of_others_about_processes_count_for_nothing),
	    cmocka_unit_test(
		test_it_waits_for_its_queue_manager_and_ends_with_it),
	};

	if (geteuid() != 0) {
		(void)printf("SKIPPED: needs root, to be two users\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}

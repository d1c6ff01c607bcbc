/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_agents_sandbox.c - every kind of agent, of real queue managers, has
 * given up what it does not need by the time that it speaks with anybody.
 */
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

static struct tmpdir dir;
static struct qm qm[2];

static int
setup(void **state)
{
	char text[1024];
	int port;

	(void)state;
	tmpdir_make(&dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&qm[i], &dir, i == 0 ? "QM1" : "QM2");
		qm_start(&qm[i]);
	}
	qm_tls(&qm[0], &dir);
	port = qm_serve(&qm[1], &dir);
	qm_mqsc(&qm[1],
	    "DEFINE QLOCAL(IN) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n"
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n");
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) XMITQ(QM2) "
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
		proc_stop(&qm[i].proc);
		qm_fini(&qm[i]);
	}
	tmpdir_free(&dir);
	return 0;
}

/* The number behind a key of /proc/PID/status; -1: the process is gone. */
static int
status_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	int v = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	while (v < 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			(void)sscanf(line + strlen(key), ": %d", &v);
	(void)fclose(f);
	return v;
}

/* Waits until there is an agent of this kind with as many filters. */
static void
await_filters(const struct qm *q, const char *kind, int n)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	pid_t pid = 0;

	while (qm_agents(q, kind, &pid, 1) != 1 ||
	       status_of(pid, "Seccomp_filters") < n) {
		if (test_now_ms() > end) {
			(void)fprintf(
			    stderr, "mca %s has not %d filters\n", kind, n);
			proc_die(&q->proc, "no filter");
		}
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(status_of(pid, "Seccomp"), 2);
	assert_int_equal(status_of(pid, "NoNewPrivs"), 1);
	assert_int_equal(status_of(pid, "Seccomp_filters"), n);
}

static void
put_and_get(mqi_conn *from, const char *qmgr, mqi_conn *at)
{
	mqi_queue *out = NULL, *in = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(from, "IN", qmgr, MQI_OO_OUTPUT, &out));
	OK(mqi_put(out, NULL, NULL, "x", 1));
	OK(mqi_open(at, "IN", NULL, MQI_OO_INPUT_SHARED, &in));
	OK(mqi_get_msg(in, NULL,
	    &(struct mqi_get_opts){.wait_ms = PROC_DEADLINE_MS}, &msg));
	(void)mqi_msg_free(msg);
	OK(mqi_close(in));
	OK(mqi_close(out));
}

static void
test_both_ends_of_a_channel_and_the_listener(void **state)
{
	mqi_conn *from = qm_connect(&qm[0]), *at = qm_connect(&qm[1]);

	(void)state;
	put_and_get(from, "QM2", at);
	await_filters(&qm[0], "dial", 2);
	await_filters(&qm[1], "listener", 1);
	/* the listener's, and its own */
	await_filters(&qm[1], "answer", 2);
	/* what REFRESH SECURITY reads is still readable */
	qm_mqsc(&qm[0], "REFRESH SECURITY\n");
	qm_mqsc(&qm[1], "REFRESH SECURITY\n");
	put_and_get(from, "QM2", at);
	OK(mqi_disconnect(from));
	OK(mqi_disconnect(at));
}

static void
test_the_process_of_all_clients(void **state)
{
	struct mqi_connect_opts opts = {.app_name = "test", .channel = "APP"};
	char conname[64], keys[PATH_MAX];
	mqi_conn *remote = NULL, *at = qm_connect(&qm[1]);

	(void)state;
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", qm[1].port);
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", dir.path);
	opts.conname = conname;
	opts.key_dir = keys;
	OK(mqi_connect("QM2", &opts, &remote));
	put_and_get(remote, NULL, at);
	await_filters(&qm[1], "clients", 2);
	OK(mqi_disconnect(remote));
	OK(mqi_disconnect(at));
}

/* A partner that takes connections and says nothing. */
static int
silent_partner(int *ret_port)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*ret_port = ntohs(sin.sin_port);
	return fd;
}

static void
test_ping(void **state)
{
	struct proc ping = {.pid = 0};
	char text[256], bin[PATH_MAX];
	int port, fd = silent_partner(&port);

	(void)state;
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(MUTE) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2')\n",
	    port);
	qm_mqsc(&qm[0], text);
	(void)snprintf(ping.log, sizeof(ping.log), "%.4000s/ping", dir.path);
	proc_bin("mqadmin", bin, sizeof(bin));
	proc_start(&ping,
	    (const char *const[]){bin, "mqsc", qm[0].name, "--root", qm[0].root,
		"-c", "PING CHANNEL(MUTE)", NULL},
	    NULL);
	await_filters(&qm[0], "ping", 2);
	(void)close(fd); /* so it ends now */
	(void)proc_wait(&ping);
}

static void
test_who_is_ended_by_a_filter_is_told_of(void **state)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *from = qm_connect(&qm[0]), *at = qm_connect(&qm[1]);
	char line[4096] = "";
	bool told = false;

	(void)state;
	put_and_get(from, "QM2", at);
	assert_int_equal(qm_signal_agents(&qm[0], "dial", SIGSYS), 1);
	while (!told && test_now_ms() < end) {
		FILE *f = fopen(qm[0].proc.log, "re");

		assert_non_null(f);
		while (!told && fgets(line, sizeof(line), f) != NULL)
			told = strstr(line, "channel.ended") != NULL &&
			       strstr(line, "for a system call") != NULL;
		(void)fclose(f);
		(void)poll(NULL, 0, 5);
	}
	assert_true(told);
	OK(mqi_disconnect(from));
	OK(mqi_disconnect(at));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_ends_of_a_channel_and_the_listener),
	    cmocka_unit_test(test_the_process_of_all_clients),
	    cmocka_unit_test(test_ping),
	    cmocka_unit_test(test_who_is_ended_by_a_filter_is_told_of),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

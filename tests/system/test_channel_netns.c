/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_netns.c - one channel between two network namespaces, and the
 * kernel's own faults between them: packets lost one way, the other way, both
 * ways or by chance, resets by a firewall, a link that goes down.  Nothing is
 * lost, doubled or out of order, and LIVENESS_MS after each fault everything
 * has arrived.
 *
 * This process and QM1 are in one namespace, QM2 in that of a child which does
 * nothing; a pair of veths joins them.  Both namespaces go away with their last
 * process, however the test ends.  Without the right to make them, or without
 * nft or ip, the tests are skipped, and say so.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define LIVENESS_MS 30000u
#define FAULT_MS 2600 /* longer than two heartbeats */
#define PORT 1414     /* in a namespace of its own */
#define PER_FAULT 200u

enum { NEAR, FAR };

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	pid_t holder; /* of the far namespace */
	int ns[2];
	bool able;
	uint32_t put, got;
};

/* ---- namespaces ---- */

static void
enter(const struct fixture *f, int which)
{
	assert_int_equal(setns(f->ns[which], CLONE_NEWNET), 0);
}

/* Runs a shell command in one of them; whether it succeeded. */
static bool
run_in(const struct fixture *f, int which, const char *command)
{
	char log[PATH_MAX];
	int rc;

	(void)snprintf(log, sizeof(log), "%.4000s/net.log", f->dir.path);
	enter(f, which);
	rc = proc_run((const char *const[]){"/bin/sh", "-c", command, NULL},
	    NULL, log, NULL);
	enter(f, NEAR);
	return rc == 0;
}

static void
must(const struct fixture *f, int which, const char *command)
{
	if (!run_in(f, which, command))
		fail_msg("%s", command);
}

static int
open_ns(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A process in a namespace of its own, which lives as long as we do. */
static pid_t
hold_namespace(void)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static bool
make_net(struct fixture *f)
{
	char command[256];

	if (unshare(CLONE_NEWNET) != 0)
		return false;
	f->holder = hold_namespace();
	f->ns[NEAR] = open_ns(getpid());
	f->ns[FAR] = open_ns(f->holder);
	assert_true(f->ns[NEAR] >= 0 && f->ns[FAR] >= 0);
	(void)snprintf(command, sizeof(command),
	    "ip link add near0 type veth peer name far0 && "
	    "ip link set far0 netns %d && ip link set lo up && "
	    "ip addr add 10.99.0.1/24 dev near0 && ip link set near0 up",
	    (int)f->holder);
	return run_in(f, NEAR, command) &&
	       run_in(f, FAR,
		   "ip link set lo up && ip addr add 10.99.0.2/24 dev far0 && "
		   "ip link set far0 up") &&
	       run_in(f, NEAR, "nft add table inet t") &&
	       run_in(f, FAR, "nft add table inet t");
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[512];

	*state = f;
	f->ns[NEAR] = f->ns[FAR] = -1;
	tmpdir_make(&f->dir);
	f->able = make_net(f);
	if (!f->able) {
		(void)printf("SKIPPED: no namespaces with a firewall: not "
			     "allowed, or no ip or nft\n");
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		enter(f, i);
		qm_start(&f->qm[i]);
		enter(f, NEAR);
	}
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXDEPTH(100000)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLPEER('CN=QM1') "
	    "HBINT(1)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('10.99.0.2') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    PORT);
	qm_mqsc(&f->qm[1], text);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ) MAXDEPTH(100000)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('10.99.0.2(%d)') SSLPEER('CN=QM2') SHORTTMR(1) "
	    "SHORTRTY(1000) HBINT(1)\n",
	    PORT);
	qm_mqsc(&f->qm[0], text);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		if (f->able)
			qm_fini(&f->qm[i]);
		if (f->ns[i] >= 0)
			(void)close(f->ns[i]);
	}
	if (f->holder > 0) {
		(void)kill(f->holder, SIGKILL);
		(void)waitpid(f->holder, NULL, 0);
	}
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- messages ---- */

static void
put_numbers(struct fixture *f, unsigned n)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	char body[2000] = {0};
	struct mqi_md md;

	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	for (unsigned i = 0; i < n; i++) {
		uint32_t number = ++f->put;

		memcpy(body, &number, sizeof(number));
		mqi_md_init(&md);
		md.persistence = MQI_PERSISTENCE_YES;
		OK(mqi_put(queue, NULL, &md, body, sizeof(body)));
	}
	OK(mqi_disconnect(conn));
}

/* Gets all that was put, in order, by then; and no more. */
static void
get_numbers(struct fixture *f, uint64_t end_ms)
{
	mqi_conn *conn = qm_connect(&f->qm[1]);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	uint32_t number;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	while (f->got < f->put) {
		uint64_t now = test_now_ms();
		struct mqi_get_opts opts = {
		    .wait_ms = now < end_ms ? (int64_t)(end_ms - now) : 0};
		enum mqi_err err = mqi_get_msg(queue, NULL, &opts, &msg);

		if (err != MQI_OK) {
			proc_print_log(&f->qm[0].proc);
			proc_print_log(&f->qm[1].proc);
			fail_msg("%s: message %u is not there",
			    mqi_strerror(err), f->got + 1);
		}
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		assert_int_equal(number, ++f->got);
		msg = mqi_msg_free(msg);
	}
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

/* The channel runs, then there is a fault for a while, under messages. */
static void
live_through(struct fixture *f, const char *near, const char *far,
    const char *near_after, const char *far_after)
{
	put_numbers(f, PER_FAULT);
	get_numbers(f, test_now_ms() + PROC_DEADLINE_MS);
	put_numbers(f, PER_FAULT);
	if (near != NULL)
		must(f, NEAR, near);
	if (far != NULL)
		must(f, FAR, far);
	put_numbers(f, PER_FAULT);
	(void)poll(NULL, 0, FAULT_MS);
	put_numbers(f, PER_FAULT);
	if (near_after != NULL)
		must(f, NEAR, near_after);
	if (far_after != NULL)
		must(f, FAR, far_after);
	get_numbers(f, test_now_ms() + LIVENESS_MS);
}

#define INPUT(rule)                                                         \
	"nft 'add chain inet t in { type filter hook input priority 0; }' " \
	"&& nft 'add rule inet t in " rule "'"
#define NO_INPUT "nft delete chain inet t in"

static void
test_packets_lost_on_the_way_there(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(f, NULL, INPUT("drop"), NULL, NO_INPUT);
}

static void
test_packets_lost_on_the_way_back(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(f, INPUT("drop"), NULL, NO_INPUT, NULL);
}

static void
test_packets_lost_both_ways(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(f, INPUT("drop"), INPUT("drop"), NO_INPUT, NO_INPUT);
}

static void
test_a_third_of_all_packets_is_lost(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(f, INPUT("numgen random mod 100 < 33 drop"),
	    INPUT("numgen random mod 100 < 33 drop"), NO_INPUT, NO_INPUT);
}

static void
test_a_firewall_resets(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(f, NULL, INPUT("meta l4proto tcp reject with tcp reset"),
	    NULL, NO_INPUT);
}

static void
test_the_link_goes_down(void **state)
{
	struct fixture *f = *state;

	if (!f->able)
		skip();
	live_through(
	    f, "ip link set near0 down", NULL, "ip link set near0 up", NULL);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test(t)
	const struct CMUnitTest tests[] = {
	    TEST(test_packets_lost_on_the_way_there),
	    TEST(test_packets_lost_on_the_way_back),
	    TEST(test_packets_lost_both_ways),
	    TEST(test_a_third_of_all_packets_is_lost),
	    TEST(test_a_firewall_resets),
	    TEST(test_the_link_goes_down),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

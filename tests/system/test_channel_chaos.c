/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_chaos.c - three queue managers in a triangle, real processes
 * and real TLS, each link through a bad network, while everything that can
 * happen to them happens: nothing is lost, nothing is doubled, the order of
 * each putter on each queue holds, and within LIVENESS_MS of the last fault
 * everything flows.
 *
 * What happens is a list per victim (a lane), drawn from the seed before it
 * begins: MQ_SEED repeats it, though not the instants at which the processes
 * meet it.  A lane has one fault at a time, so that each can be healed; lanes
 * overlap freely.  Links: everything that tests/lib/proxy.h can do.  Queue
 * managers: kill -9 of it or of its agents, SIGSTOP of either, its queues full
 * or put-inhibited, its clock an hour off (which stays until it jumps again),
 * the certificate of a partner revoked until that partner has another, and, for
 * one of them, its disk full.
 *
 * There is no dead-letter queue: what cannot be put waits at its sender.
 */
#include <limits.h>
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

#include "base/check.h"
#include "base/rand.h"
#include "tests/lib/disk.h"
#include "tests/lib/proxy.h"
#include "tests/lib/traffic.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define N_QM TRAFFIC_QMS
#define N_LINKS 6
#define N_LANES (N_QM + N_LINKS)
#define RUN_MS 60000u
#define LONG_MS 600000u
#define LIVENESS_MS 30000u
#define DISK_MIB 1024u
#define ON_DISK 1 /* the queue manager that has a disk of its own */
#define HOUR 3600

enum harm {
	HARM_NONE,
	HARM_LINK,
	HARM_KILL,
	HARM_KILL_AGENTS,
	HARM_STOP,
	HARM_STOP_AGENTS,
	HARM_FULL_QUEUE,
	HARM_INHIBITED,
	HARM_CLOCK,
	HARM_REVOKED,
	HARM_FULL_DISK,
};

/* What happens to one victim, one after the other. */
struct lane {
	struct fixture *f;
	char name[24];
	int qm;              /* -1: a link */
	struct proxy *proxy; /* NULL: a queue manager */
	uint64_t seed;
	uint64_t next_ms; /* of the schedule */
	enum harm harm;   /* that lasts */
	const char *agents;
};

struct fixture {
	struct tmpdir dir;
	struct disk disk;
	bool has_disk;
	uint64_t seed;
	struct qm qm[N_QM];
	int port[N_QM];
	struct proxy *link[N_QM][N_QM]; /* from, to */
	struct lane lane[N_LANES];
	struct traffic traffic;
	uint64_t start_ms;
	unsigned harms;
	unsigned kinds[HARM_FULL_DISK + 1];
};

/* ---- the triangle ---- */

static void
make_qm(struct fixture *f, int i)
{
	char name[] = {'Q', 'M', (char)('1' + i), '\0'};
	char log[PATH_MAX];
	struct qm *q = &f->qm[i];

	f->port[i] = proc_free_port();
	qm_create(
	    q, i == ON_DISK && f->has_disk ? &f->disk.dir : &f->dir, name);
	/* what it logs must not need the disk */
	(void)snprintf(log, sizeof(log), "%.4000s/%s.log", f->dir.path, name);
	memcpy(q->proc.log, log, sizeof(log));
	qm_tls(q, &f->dir);
	qm_record(q, NULL);
	/* certificates are valid from now on, and an hour back must be */
	q->control->wall_offset_s = 2 * HOUR;
	qm_start(q);
}

static size_t
define_link(struct fixture *f, int i, int j, char *text, size_t len)
{
	const char *a = f->qm[i].name, *b = f->qm[j].name;
	int n;

	f->link[i][j] = proxy_new(f->port[j], mqrand_next(&f->seed));
	n = snprintf(text, len,
	    "DEFINE CHANNEL(%s.%s) CHLTYPE(SDR) XMITQ(%s) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=%s') HBINT(1) "
	    "SHORTRTY(1000000) SHORTTMR(1)\n"
	    "DEFINE CHANNEL(%s.%s) CHLTYPE(RCVR) SSLPEER('CN=%s') HBINT(1) "
	    "MRRTY(3) MRTMR(100)\n",
	    a, b, b, proxy_port(f->link[i][j]), b, b, a, b);
	return (size_t)n;
}

static void
define(struct fixture *f, int i)
{
	static char text[8192];
	size_t n;

	traffic_mqsc(f->qm, (unsigned)i, text, sizeof(text));
	n = strlen(text);
	for (int j = 0; j < N_QM; j++) {
		if (j != i)
			n += define_link(f, i, j, text + n, sizeof(text) - n);
	}
	(void)snprintf(text + n, sizeof(text) - n,
	    "ALTER QMGR DEADQ(' ')\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    f->port[i]);
	qm_mqsc(&f->qm[i], text);
}

static void
make_lanes(struct fixture *f)
{
	struct lane *l = f->lane;

	for (int i = 0; i < N_QM; i++, l++) {
		*l = (struct lane){.f = f, .qm = i};
		(void)snprintf(
		    l->name, sizeof(l->name), "%.20s", f->qm[i].name);
	}
	for (int i = 0; i < N_QM; i++) {
		for (int j = 0; j < N_QM; j++) {
			if (i == j)
				continue;
			*l = (struct lane){
			    .f = f, .qm = -1, .proxy = f->link[i][j]};
			(void)snprintf(l->name, sizeof(l->name), "%.8s.%.8s",
			    f->qm[i].name, f->qm[j].name);
			l++;
		}
	}
	for (l = f->lane; l < f->lane + N_LANES; l++) {
		l->seed = mqrand_next(&f->seed);
		l->next_ms = mqrand_next(&l->seed) % 4000;
	}
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->seed = test_seed("test_channel_chaos");
	tmpdir_make(&f->dir);
	f->has_disk = disk_make(&f->disk, &f->dir, DISK_MIB);
	for (int i = 0; i < N_QM; i++)
		make_qm(f, i);
	for (int i = 0; i < N_QM; i++)
		define(f, i);
	make_lanes(f);
	f->traffic = (struct traffic){.qms = f->qm,
	    .checker = checker_new(NULL),
	    .seed = mqrand_next(&f->seed),
	    .max_backlog = 3000};
	return 0;
}

static int
teardown(void **state)
{
	static const char *const kinds[] = {"dial", "answer", "listener"};
	struct fixture *f = *state;

	for (int i = 0; i < N_QM; i++) {
		qm_fini(&f->qm[i]);
		/* those that were stopped do not see that it has gone */
		for (size_t k = 0; k < MQ_ARRAY_LEN(kinds); k++)
			(void)qm_signal_agents(&f->qm[i], kinds[k], SIGKILL);
	}
	for (int i = 0; i < N_QM; i++) {
		for (int j = 0; j < N_QM; j++)
			(void)proxy_free(f->link[i][j]);
	}
	(void)checker_free(f->traffic.checker);
	if (f->has_disk)
		disk_unmount(&f->disk);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- harm ---- */

static void
say(struct fixture *f, const struct lane *l, const char *what)
{
	(void)printf("%7.3f %s: %s\n",
	    (double)(test_now_ms() - f->start_ms) / 1000, l->name, what);
	(void)fflush(stdout);
}

/* What the schedule says, whether or not it can be done here. */
static enum harm
draw(struct lane *l)
{
	static const enum harm harms[] = {HARM_KILL, HARM_KILL,
	    HARM_KILL_AGENTS, HARM_KILL_AGENTS, HARM_STOP, HARM_STOP_AGENTS,
	    HARM_STOP_AGENTS, HARM_FULL_QUEUE, HARM_INHIBITED, HARM_CLOCK,
	    HARM_REVOKED, HARM_FULL_DISK};

	static const char *const agents[] = {"dial", "answer", "listener"};
	uint64_t a = mqrand_next(&l->seed), b = mqrand_next(&l->seed);

	l->agents = agents[(size_t)b % MQ_ARRAY_LEN(agents)];
	if (l->proxy != NULL)
		return HARM_LINK;
	/* at least one of these */
	if (l->qm == 0 && l->f->kinds[HARM_REVOKED] == 0)
		return HARM_REVOKED;
	l->harm = harms[(size_t)a % MQ_ARRAY_LEN(harms)];
	if (l->harm == HARM_FULL_DISK && (l->qm != ON_DISK || !l->f->has_disk))
		return HARM_KILL_AGENTS;
	return l->harm;
}

/* One whose disk is not filled, since a certificate needs room. */
static const struct qm *
revoked_partner(const struct lane *l)
{
	return &l->f->qm[l->qm == N_QM - 1 ? 0 : N_QM - 1];
}

static void
strike_qm(struct fixture *f, struct lane *l)
{
	struct qm *q = &f->qm[l->qm];

	switch (l->harm) {
	case HARM_KILL:
		say(f, l, "kill -9");
		proc_kill9(&q->proc);
		break;
	case HARM_KILL_AGENTS:
		say(f, l, l->agents);
		say(f, l, "kill -9 of these");
		(void)qm_signal_agents(q, l->agents, SIGKILL);
		break;
	case HARM_STOP:
		say(f, l, "SIGSTOP");
		(void)kill(q->proc.pid, SIGSTOP);
		break;
	case HARM_STOP_AGENTS:
		say(f, l, l->agents);
		say(f, l, "SIGSTOP of these");
		(void)qm_signal_agents(q, l->agents, SIGSTOP);
		break;
	case HARM_FULL_QUEUE:
		say(f, l, "queues full");
		qm_mqsc(q, "ALTER QLOCAL(IN) MAXDEPTH(1)\n"
			   "ALTER QLOCAL(VIA) MAXDEPTH(1)\n");
		break;
	case HARM_INHIBITED:
		say(f, l, "put-inhibited");
		qm_mqsc(q, "ALTER QLOCAL(IN) PUT(DISABLED)\n"
			   "ALTER QLOCAL(VIA) PUT(DISABLED)\n");
		break;
	case HARM_CLOCK:
		say(f, l, "the clock jumps");
		q->control->wall_offset_s =
		    (int64_t)(1 + mqrand_next(&l->seed) % 3) * HOUR;
		break;
	case HARM_REVOKED:
		say(f, l, "a partner's certificate is revoked");
		qm_revoke(q, &f->dir, revoked_partner(l));
		break;
	default:
		say(f, l, "disk full");
		disk_fill(&f->disk, 0);
		break;
	}
}

static void
strike(struct fixture *f, struct lane *l)
{
	uint64_t lasts = mqrand_next(&l->seed) % 2500;

	l->harm = draw(l);
	l->next_ms += 100 + lasts;
	f->harms++;
	f->kinds[l->harm]++;
	if (l->proxy != NULL)
		say(f, l, proxy_random_fault(l->proxy, &l->seed));
	else
		strike_qm(f, l);
}

static void
heal(struct fixture *f, struct lane *l)
{
	struct qm *q = l->proxy == NULL ? &f->qm[l->qm] : NULL;

	switch (l->harm) {
	case HARM_LINK:
		proxy_heal(l->proxy);
		break;
	case HARM_KILL:
		qm_start(q);
		break;
	case HARM_STOP:
		(void)kill(q->proc.pid, SIGCONT);
		break;
	case HARM_STOP_AGENTS:
		(void)qm_signal_agents(q, l->agents, SIGCONT);
		break;
	case HARM_FULL_QUEUE:
		qm_mqsc(q, "ALTER QLOCAL(IN) MAXDEPTH(1000000)\n"
			   "ALTER QLOCAL(VIA) MAXDEPTH(1000000)\n");
		break;
	case HARM_INHIBITED:
		qm_mqsc(q, "ALTER QLOCAL(IN) PUT(ENABLED)\n"
			   "ALTER QLOCAL(VIA) PUT(ENABLED)\n");
		break;
	case HARM_REVOKED:
		qm_renew(revoked_partner(l), &f->dir);
		break;
	case HARM_FULL_DISK:
		disk_relieve(&f->disk);
		break;
	default:
		break;
	}
	if (l->harm != HARM_NONE)
		say(f, l, "healed");
	l->harm = HARM_NONE;
	l->next_ms +=
	    300 + mqrand_next(&l->seed) % (l->proxy == NULL ? 3500 : 9000);
}

/* None has ended that was not killed. */
static void
check_alive(struct fixture *f)
{
	int status;

	for (int i = 0; i < N_QM; i++) {
		if (f->lane[i].harm != HARM_KILL &&
		    !proc_runs(&f->qm[i].proc, &status))
			proc_die(&f->qm[i].proc, "a queue manager has ended");
	}
	if (f->traffic.faults > 0)
		fail_msg("an application met what it should not");
}

/* Everything of the schedule up to then, and everything healed. */
static void
run_chaos(struct fixture *f, uint64_t run_ms)
{
	f->start_ms = test_now_ms();
	for (;;) {
		struct lane *l = &f->lane[0];
		uint64_t at;

		for (int i = 1; i < N_LANES; i++) {
			if (f->lane[i].next_ms < l->next_ms)
				l = &f->lane[i];
		}
		if (l->next_ms >= run_ms)
			break;
		at = f->start_ms + l->next_ms;
		while (test_now_ms() < at)
			(void)poll(NULL, 0, (int)(at - test_now_ms()) + 1);
		check_alive(f);
		if (l->harm != HARM_NONE)
			heal(f, l);
		else
			strike(f, l);
	}
	for (int i = 0; i < N_LANES; i++) {
		if (f->lane[i].harm != HARM_NONE)
			heal(f, &f->lane[i]);
	}
}

/* ---- afterwards ---- */

static uint64_t
depth_of(mqi_conn *conn, const char *name)
{
	struct mqi_queue_info info = {0};
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	OK(mqi_close(queue));
	return info.depth;
}

static uint64_t
backlog(struct fixture *f)
{
	uint64_t n = 0;

	for (int i = 0; i < N_QM; i++) {
		mqi_conn *conn = qm_connect(&f->qm[i]);

		for (int j = 0; j < N_QM; j++) {
			if (j != i)
				n += depth_of(conn, f->qm[j].name);
		}
		OK(mqi_disconnect(conn));
	}
	return n;
}

/* Nobody puts any more, nor passes on what was got. */
static void
wait_until_all_have_left(struct fixture *f, uint64_t healed_ms)
{
	uint64_t left;

	while ((left = backlog(f)) > 0) {
		if (test_now_ms() - healed_ms > LIVENESS_MS) {
			for (int i = 0; i < N_QM; i++)
				proc_print_log(&f->qm[i].proc);
			fail_msg("%llu messages do not flow",
			    (unsigned long long)left);
		}
		(void)poll(NULL, 0, 50);
	}
	(void)printf("all had arrived %.1f s after the last fault\n",
	    (double)(test_now_ms() - healed_ms) / 1000);
}

static void
print_sum(struct fixture *f)
{
	(void)printf("%u faults: links %u, killed %u, agents killed %u, "
		     "stopped %u, agents stopped %u, full %u, inhibited %u, "
		     "clocks %u, revoked %u, disk full %u\n",
	    f->harms, f->kinds[HARM_LINK], f->kinds[HARM_KILL],
	    f->kinds[HARM_KILL_AGENTS], f->kinds[HARM_STOP],
	    f->kinds[HARM_STOP_AGENTS], f->kinds[HARM_FULL_QUEUE],
	    f->kinds[HARM_INHIBITED], f->kinds[HARM_CLOCK],
	    f->kinds[HARM_REVOKED], f->kinds[HARM_FULL_DISK]);
	for (int i = 0; i < N_QM; i++) {
		const struct traffic_site *s = &f->traffic.sites[i];

		(void)printf("%s: put %llu, got %llu, connections lost %llu\n",
		    f->qm[i].name, (unsigned long long)s->puts,
		    (unsigned long long)s->gets, (unsigned long long)s->lost);
	}
}

/* Somebody was kept out, or sent away, for it. */
static void
check_revoked(const struct fixture *f)
{
	unsigned n = 0;

	for (int i = 0; i < N_QM; i++)
		n += qm_log_count(
		    &f->qm[i], "channel.failed", "certificate revoked");
	assert_true(n > 0);
}

static void
test_nothing_is_lost_doubled_or_reordered_and_all_flows_again(void **state)
{
	struct fixture *f = *state;
	struct checker_drained *drained = NULL;
	struct checker_report report;
	uint64_t healed_ms;
	size_t n = 0;
	bool ok;

	traffic_start(&f->traffic);
	run_chaos(f, test_is_long() ? LONG_MS : RUN_MS);
	healed_ms = test_now_ms();
	/* what is put now flows, too */
	(void)poll(NULL, 0, 1000);
	traffic_stop_putting(&f->traffic);
	traffic_stop_getting(&f->traffic);
	wait_until_all_have_left(f, healed_ms);
	check_alive(f);
	print_sum(f);
	check_revoked(f);
	traffic_drain(&f->traffic, &drained, &n);
	ok = checker_judge(
	    f->traffic.checker, CHECKER_NOW, drained, n, true, &report);
	checker_print(&report, "test_channel_chaos");
	free(drained);
	assert_true(ok);
	assert_int_equal(f->traffic.faults, 0);
	assert_true(report.delivered > 300);
}

/* ---- clocks ---- */

#define N_EXPIRING 50
#define HALF_AN_HOUR 18000 /* in tenths of a second */

static void
jump(struct fixture *f, int i, int hours)
{
	f->qm[i].control->wall_offset_s = (int64_t)hours * HOUR;
	/* its clock is looked at with the next request */
	(void)backlog(f);
}

static void
put_expiring(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	OK(mqi_open(conn, "IN", f->qm[1].name, MQI_OO_OUTPUT, &queue));
	for (int i = 0; i < N_EXPIRING; i++) {
		mqi_md_init(&md);
		md.persistence = MQI_PERSISTENCE_YES;
		md.expiry = HALF_AN_HOUR;
		OK(mqi_put(queue, NULL, &md, &i, sizeof(i)));
	}
	OK(mqi_disconnect(conn));
}

/* Half an hour to live, clocks that differ by two hours, and each of them
 * jumps by more than is left: on its transmission queue, and where it is got.
 * (A start takes the wall clock as it is.) */
static void
test_clocks_that_jump_let_nothing_expire(void **state)
{
	struct fixture *f = *state;
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *conn;

	jump(f, 1, 3);
	qm_mqsc(&f->qm[0], "STOP CHANNEL(QM1.QM2)\n");
	put_expiring(f);
	jump(f, 0, 4);
	qm_mqsc(&f->qm[0], "START CHANNEL(QM1.QM2)\n");
	wait_until_all_have_left(f, test_now_ms());
	jump(f, 1, 5);
	jump(f, 1, 1);
	jump(f, 1, 3);
	conn = qm_connect(&f->qm[1]);
	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	for (int i = 0; i < N_EXPIRING; i++) {
		OK(mqi_poll(queue, NULL, &msg));
		assert_memory_equal(mqi_msg_body(msg), &i, sizeof(i));
		/* and no clock has made it live longer */
		assert_in_range(
		    mqi_msg_md(msg)->expiry, HALF_AN_HOUR / 2, HALF_AN_HOUR);
		msg = mqi_msg_free(msg);
	}
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_clocks_that_jump_let_nothing_expire),
	    TEST(test_nothing_is_lost_doubled_or_reordered_and_all_flows_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mca_attributes.c - the five attributes that a message channel agent is
 * told, each at work between two real queue managers: the transport type, FIFO
 * delivery, the length of messages, how often it sets a connection up again,
 * and how often it tries to deliver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"

/* ---- transport type ---- */

/* Established connections of the kernel's TCP with this local port. */
static unsigned
tcp_connections(int port)
{
	FILE *file = fopen("/proc/net/tcp", "re");
	char line[512], want[16];
	unsigned n = 0;

	assert_non_null(file);
	(void)snprintf(want, sizeof(want), ":%04X ", port);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *local = strstr(line, ": "), *remote;

		/* "  0: LOCAL:PORT REMOTE:PORT ST ..." */
		if (local == NULL)
			continue;
		remote = strchr(local + 2, ' ');
		n += remote != NULL && strncmp(remote - 5, want, 6) == 0 &&
		     strncmp(remote + 15, "01 ", 3) == 0;
	}
	(void)fclose(file);
	return n;
}

/* What mqadmin says of a command that fails. */
static void
assert_refused(struct pair *p, const char *command, const char *why)
{
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/mqadmin", p->dir.path);
	assert_int_equal(
	    proc_run((const char *const[]){bin, "mqsc", "QM1", "--root",
			 p->qm[0].root, "-c", command, NULL},
		NULL, log, &out),
	    10);
	if (strstr(out, why) == NULL)
		fail_msg("no '%s' in: %s", why, out);
	free(out);
}

static void
test_transport_type_is_tcp_and_no_other(void **state)
{
	struct pair *p = *state;

	pair_receiver(p, "C", "TRPTYPE(TCP)");
	pair_sender(p, "C", "TRPTYPE(TCP)");
	pair_put(p, 1, 0);
	pair_get(p);
	assert_int_equal(tcp_connections(p->qm[1].port), 1);
	assert_refused(p, "ALTER CHANNEL(C) CHLTYPE(SDR) TRPTYPE(LU62)",
	    "TRPTYPE(LU62) is not valid: it must be TCP");
}

/* ---- FIFO delivery ---- */

#define N_FIFO 30

static void
put_with_priorities(struct pair *p, const char *queue)
{
	mqi_conn *conn = qm_connect(&p->qm[0]);
	mqi_queue *handle = NULL;
	struct mqi_md md;

	OK(mqi_open(conn, queue, "QM2", MQI_OO_OUTPUT, &handle));
	for (int i = 0; i < N_FIFO; i++) {
		mqi_md_init(&md);
		md.priority = i * 7 % 10;
		OK(mqi_put(handle, NULL, &md, &i, sizeof(i)));
	}
	OK(mqi_disconnect(conn));
}

/* How many of the messages come before one that was put earlier. */
static int
count_overtaking(struct pair *p, const char *queue)
{
	const struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&p->qm[1]);
	mqi_queue *handle = NULL;
	mqi_msg *msg = NULL;
	int n = 0, last = -1;

	pair_wait_depth(p, 1, queue, N_FIFO);
	OK(mqi_open(conn, queue, NULL, MQI_OO_INPUT_SHARED, &handle));
	for (int i = 0; i < N_FIFO; i++) {
		int number;

		OK(mqi_get_msg(handle, NULL, &opts, &msg));
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
		msg = mqi_msg_free(msg);
		n += number < last;
		last = number;
	}
	OK(mqi_disconnect(conn));
	return n;
}

static void
test_fifo_delivery_whatever_the_priorities(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[0], "ALTER QLOCAL(QM2) MSGDLVSQ(PRIORITY)\n");
	qm_mqsc(&p->qm[1], "DEFINE QLOCAL(FIFO) MSGDLVSQ(FIFO)\n"
			   "DEFINE QLOCAL(PRIO) MSGDLVSQ(PRIORITY)\n");
	/* they wait on the transmission queue, and leave together */
	put_with_priorities(p, "FIFO");
	put_with_priorities(p, "PRIO");
	pair_channel(p, "C");
	assert_int_equal(count_overtaking(p, "FIFO"), 0);
	assert_true(count_overtaking(p, "PRIO") > 0);
}

/* ---- message length ---- */

static void
test_message_length_is_the_lower_of_both_ends(void **state)
{
	struct pair *p = *state;

	pair_receiver(p, "C", "MAXMSGL(500)");
	pair_sender(p, "C", "MAXMSGL(1000)");
	pair_put(p, 1, 500 - sizeof(p->put));
	pair_get(p);
	pair_put(p, 1, 501 - sizeof(p->put));
	/* it is out of the way of others, where it was put */
	pair_wait_depth(p, 0, DEAD_QUEUE, 1);
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);
	p->got = p->put;
	pair_put(p, 1, 500 - sizeof(p->put));
	pair_get(p);
}

/* ---- setup retry count ---- */

static void
test_setup_retry_count_is_short_then_long_then_stopped(void **state)
{
	struct pair *p = *state;
	char text[256];

	pair_receiver(p, "C", "");
	/* a port that nobody listens on */
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') SHORTRTY(3) "
	    "SHORTTMR(0) LONGRTY(2) LONGTMR(0)\n",
	    proc_free_port());
	qm_mqsc(&p->qm[0], text);
	pair_put(p, 1, 0);
	pair_wait_shown(p, 0, MQCTL_CHSTATUS, "C", "STATUS", "STOPPED");
	/* the first, and those that were told */
	assert_int_equal(
	    qm_log_count(&p->qm[0], "channel.failed", "channel=C"), 1 + 3 + 2);
	(void)snprintf(text, sizeof(text),
	    "ALTER CHANNEL(C) CHLTYPE(SDR) CONNAME('127.0.0.1(%d)')\n"
	    "START CHANNEL(C)\n",
	    p->qm[1].port);
	qm_mqsc(&p->qm[0], text);
	pair_get(p);
}

/* ---- delivery retries ---- */

static void
test_delivery_retries_come_before_the_dead_letter_queue(void **state)
{
	struct pair *p = *state;
	uint64_t began;

	pair_receiver(p, "C", "MRRTY(1000000) MRTMR(20)");
	pair_sender(p, "C", "");
	qm_mqsc(&p->qm[1], "ALTER QLOCAL(IN) PUT(DISABLED)\n");
	pair_put(p, 1, 0);
	pair_wait_shown(p, 1, MQCTL_CHSTATUS, "C", "STATUS", "PAUSED");
	assert_int_equal(qm_depth(&p->qm[1], DEAD_QUEUE), 0);
	qm_mqsc(&p->qm[1], "ALTER QLOCAL(IN) PUT(ENABLED)\n");
	pair_get(p);
	/* three attempts more, 300 ms apart, and it is dead */
	qm_mqsc(&p->qm[0], "STOP CHANNEL(C)\n");
	pair_wait_shown(p, 0, MQCTL_CHSTATUS, "C", "STATUS", "STOPPED");
	qm_mqsc(&p->qm[1],
	    "ALTER CHANNEL(C) CHLTYPE(RCVR) MRRTY(3) MRTMR(300)\n"
	    "ALTER QLOCAL(IN) PUT(DISABLED)\n");
	pair_put(p, 1, 0);
	began = test_now_ms();
	qm_mqsc(&p->qm[0], "START CHANNEL(C)\n");
	pair_wait_depth(p, 1, DEAD_QUEUE, 1);
	assert_true(test_now_ms() - began >= 3 * UINT64_C(300));
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, pair_setup, pair_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_transport_type_is_tcp_and_no_other),
	    TEST(test_fifo_delivery_whatever_the_priorities),
	    TEST(test_message_length_is_the_lower_of_both_ends),
	    TEST(test_setup_retry_count_is_short_then_long_then_stopped),
	    TEST(test_delivery_retries_come_before_the_dead_letter_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_routing.c - three queue managers in a ring, QM1 to QM2 to QM3 to QM1,
 * over mutual TLS: what cannot be delivered and who is told of it, the limit
 * of hops, and the aliases by which an administrator chooses a way.
 *
 * Each knows only the next one, by its default transmission queue, so a report
 * from QM2 goes home by QM3.  QM1 and QM3 have a second channel, QM1 to QM3,
 * for a class of service.  One ring serves all tests of the file.
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

#include "proto/dlh.h"
#include "tests/lib/qm.h"

#define N_QM 3
#define HOPS 7
#define DEAD_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"
#define OK(call) assert_int_equal((call), MQI_OK)

static struct {
	struct tmpdir dir;
	struct qm qm[N_QM];
	int port[N_QM];
} ring;

static void
define(int i)
{
	int next = (i + 1) % N_QM, before = (i + N_QM - 1) % N_QM;
	char text[4096];

	(void)snprintf(text, sizeof(text),
	    "ALTER QMGR DEFXMITQ(NEXT) HOPLIMIT(%d) MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(NEXT) USAGE(XMITQ) MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(IN) DEFPSIST(YES) MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(SHUT) PUT(DISABLED) MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(REPLY) DEFPSIST(YES) MAXMSGL(104857600)\n"
	    "ALTER QLOCAL(" DEAD_QUEUE ") MAXMSGL(104857600)\n"
	    "DEFINE CHANNEL(QM%d.QM%d) CHLTYPE(SDR) XMITQ(NEXT) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM%d') SHORTRTY(1000) "
	    "SHORTTMR(1) MAXMSGL(104857600)\n"
	    "DEFINE CHANNEL(QM%d.QM%d) CHLTYPE(RCVR) SSLPEER('CN=QM%d') "
	    "MRRTY(1) MRTMR(10) MAXMSGL(104857600)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    HOPS, i + 1, next + 1, ring.port[next], next + 1, before + 1, i + 1,
	    before + 1, ring.port[i]);
	qm_mqsc(&ring.qm[i], text);
}

/* Classes of service: QM1's FAST way to QM3, and QM3's to QM1, which QM3 knows
 * by an alias.  No channel serves WAY, so that what takes it is seen there. */
static void
define_aliases(void)
{
	qm_mqsc(&ring.qm[0], "DEFINE QLOCAL(WAY) USAGE(XMITQ)\n"
			     "DEFINE QREMOTE(QM3.FAST) RQMNAME(QM3) "
			     "XMITQ(WAY)\n"
			     "DEFINE QREMOTE(ANSWERS) RNAME(REPLY) "
			     "RQMNAME(QM1.FAST)\n"
			     "DEFINE QREMOTE(FAR) RNAME(IN) RQMNAME(QM3)\n");
	qm_mqsc(&ring.qm[2], "DEFINE QLOCAL(WAY) USAGE(XMITQ)\n"
			     "DEFINE QREMOTE(QM1.FAST) RQMNAME(QM1) "
			     "XMITQ(WAY)\n");
	/* QM2 sends on, under another name, what is for QM3.OLD */
	qm_mqsc(&ring.qm[1], "DEFINE QREMOTE(QM3.OLD) RQMNAME(QM3)\n");
}

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&ring.dir);
	for (int i = 0; i < N_QM; i++) {
		char name[] = {'Q', 'M', (char)('1' + i), '\0'};

		ring.port[i] = proc_free_port();
		qm_create(&ring.qm[i], &ring.dir, name);
		qm_tls(&ring.qm[i], &ring.dir);
		qm_start(&ring.qm[i]);
	}
	for (int i = 0; i < N_QM; i++)
		define(i);
	define_aliases();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < N_QM; i++)
		qm_fini(&ring.qm[i]);
	tmpdir_free(&ring.dir);
	return 0;
}

/* ---- putting and getting ---- */

static void
message(struct mqi_md *md, uint32_t report)
{
	mqi_md_init(md);
	md->persistence = MQI_PERSISTENCE_YES;
	md->report = report;
	strcpy(md->format, "MQSTR");
	strcpy(md->reply_to_q, "REPLY");
}

/* Puts it on QM1; md gets its id. */
static void
put_at_1(const char *queue, const char *qmgr, struct mqi_md *md,
    const void *body, size_t len)
{
	mqi_conn *conn = qm_connect(&ring.qm[0]);
	mqi_queue *handle = NULL;

	OK(mqi_open(conn, queue, qmgr, MQI_OO_OUTPUT, &handle));
	OK(mqi_put(handle, NULL, md, body, len));
	OK(mqi_disconnect(conn));
}

/* The next message of a queue; it must come. */
static mqi_msg *
take(int at, const char *name)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&ring.qm[at]);
	mqi_queue *handle = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &handle));
	OK(mqi_get_msg(handle, NULL, &opts, &msg));
	OK(mqi_disconnect(conn));
	return msg;
}

static void
assert_is_report(const mqi_msg *msg, const struct mqi_md *about,
    enum mqi_err feedback, const void *body, size_t len)
{
	const struct mqi_md *md = mqi_msg_md(msg);

	assert_int_equal(md->msg_type, MQI_MT_REPORT);
	assert_int_equal(md->feedback, feedback);
	assert_memory_equal(md->correl_id, about->msg_id, MQI_ID_LEN);
	assert_memory_not_equal(md->msg_id, about->msg_id, MQI_ID_LEN);
	assert_int_equal(md->persistence, MQI_PERSISTENCE_YES);
	assert_int_equal(mqi_msg_len(msg), len);
	assert_memory_equal(mqi_msg_body(msg), body, len);
}

/* ---- reports ---- */

static void
test_an_undeliverable_message_comes_back_to_its_sender(void **state)
{
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_EXCEPTION_WITH_FULL_DATA | MQI_RO_DISCARD_MSG);
	put_at_1("NO.SUCH.QUEUE", "QM3", &md, "hello", 5);
	msg = take(0, "REPLY");
	assert_is_report(msg, &md, MQI_E_UNKNOWN_OBJECT, "hello", 5);
	assert_string_equal(mqi_msg_md(msg)->reply_to_qmgr, "QM3");
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&ring.qm[2], DEAD_QUEUE), 0);
}

/* Its unit of work moves the position and puts nothing. */
static void
test_a_message_that_asks_for_it_is_discarded(void **state)
{
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_DISCARD_MSG);
	put_at_1("NO.SUCH.QUEUE", "QM2", &md, "hello", 5);
	put_at_1("IN", "QM2", &md, "later", 5);
	msg = take(1, "IN");
	assert_memory_equal(mqi_msg_body(msg), "later", 5);
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&ring.qm[1], DEAD_QUEUE), 0);
}

static void
test_a_dead_letter_is_reported_after_its_retries(void **state)
{
	struct mqi_md md;
	struct mqdlh h;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_EXCEPTION);
	put_at_1("SHUT", "QM2", &md, "hello", 5);
	msg = take(1, DEAD_QUEUE);
	OK(mqdlh_decode(mqi_msg_body(msg), mqi_msg_len(msg), &h));
	assert_int_equal(h.reason, MQI_E_PUT_INHIBITED);
	assert_string_equal(h.queue, "SHUT");
	assert_memory_equal(
	    (const char *)mqi_msg_body(msg) + MQDLH_LEN, "hello", 5);
	mqi_msg_free(msg);
	msg = take(0, "REPLY");
	assert_is_report(msg, &md, MQI_E_PUT_INHIBITED, "", 0);
	mqi_msg_free(msg);
}

/* Both are longer than what is put in one call: one waits for the other. */
static void
test_a_large_dead_letter_and_its_report(void **state)
{
	const size_t len = 3000000;
	char *body = malloc(len);
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	memset(body, 'x', len);
	message(&md, MQI_RO_EXCEPTION_WITH_FULL_DATA);
	put_at_1("NO.SUCH.QUEUE", "QM2", &md, body, len);
	msg = take(1, DEAD_QUEUE);
	assert_int_equal(mqi_msg_len(msg), MQDLH_LEN + len);
	mqi_msg_free(msg);
	msg = take(0, "REPLY");
	assert_is_report(msg, &md, MQI_E_UNKNOWN_OBJECT, body, len);
	mqi_msg_free(msg);
	free(body);
}

static void
test_a_report_without_a_place_is_a_dead_letter(void **state)
{
	struct mqi_md md;
	struct mqdlh h;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_EXCEPTION_WITH_DATA | MQI_RO_DISCARD_MSG);
	strcpy(md.reply_to_q, "NO.REPLY.QUEUE");
	strcpy(md.reply_to_qmgr, "QM2");
	put_at_1("NO.SUCH.QUEUE", "QM2", &md, "hello", 5);
	msg = take(1, DEAD_QUEUE);
	assert_int_equal(mqi_msg_md(msg)->msg_type, MQI_MT_REPORT);
	OK(mqdlh_decode(mqi_msg_body(msg), mqi_msg_len(msg), &h));
	assert_string_equal(h.queue, "NO.REPLY.QUEUE");
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&ring.qm[1], DEAD_QUEUE), 0);
}

/* ---- expiry ---- */

static void
test_an_expiry_travels_as_what_remains(void **state)
{
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_NONE);
	md.expiry = 6000;
	put_at_1("IN", "QM3", &md, "hello", 5);
	msg = take(2, "IN");
	assert_in_range(mqi_msg_md(msg)->expiry, 5000, 6000);
	mqi_msg_free(msg);
}

static void
test_a_message_expires_while_its_channel_is_stopped(void **state)
{
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	qm_mqsc(&ring.qm[1], "STOP CHANNEL(QM2.QM3)\n");
	message(&md, MQI_RO_EXPIRATION_WITH_DATA);
	md.expiry = 3;
	strcpy(md.reply_to_q, "REPLY");
	put_at_1("IN", "QM3", &md, "hello", 5);
	message(&md, MQI_RO_NONE);
	put_at_1("IN", "QM3", &md, "later", 5);
	while (qm_depth(&ring.qm[1], "NEXT") < 2)
		(void)poll(NULL, 0, 1);
	(void)poll(NULL, 0, 400); /* it is its life that is over */
	qm_mqsc(&ring.qm[1], "START CHANNEL(QM2.QM3)\n");
	msg = take(2, "IN");
	assert_memory_equal(mqi_msg_body(msg), "later", 5);
	mqi_msg_free(msg);
	msg = take(0, "REPLY");
	assert_int_equal(mqi_msg_md(msg)->feedback, MQI_FB_EXPIRATION);
	assert_memory_equal(mqi_msg_body(msg), "hello", 5);
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&ring.qm[2], DEAD_QUEUE), 0);
}

/* ---- ways ---- */

static void
test_a_message_that_goes_round_stops_at_the_hop_limit(void **state)
{
	struct mqi_md md;
	struct mqdlh h;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_EXCEPTION);
	put_at_1("IN", "NOWHERE", &md, "hello", 5);
	/* hop 1 is QM1's put; the eighth is QM2's again */
	msg = take(1, DEAD_QUEUE);
	OK(mqdlh_decode(mqi_msg_body(msg), mqi_msg_len(msg), &h));
	assert_int_equal(h.reason, MQI_E_HOP_LIMIT);
	assert_string_equal(h.qmgr, "NOWHERE");
	mqi_msg_free(msg);
	msg = take(0, "REPLY");
	assert_is_report(msg, &md, MQI_E_HOP_LIMIT, "", 0);
	mqi_msg_free(msg);
}

static void
test_each_hop_resolves_names_again(void **state)
{
	struct mqi_md md;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_NONE);
	put_at_1("FAR", NULL, &md, "far", 3); /* a local definition of it */
	msg = take(2, "IN");
	assert_memory_equal(mqi_msg_body(msg), "far", 3);
	assert_string_equal(mqi_msg_md(msg)->reply_to_qmgr, "QM1");
	mqi_msg_free(msg);
	put_at_1("IN", "QM3.OLD", &md, "old", 3); /* which QM2 knows */
	msg = take(2, "IN");
	assert_memory_equal(mqi_msg_body(msg), "old", 3);
	mqi_msg_free(msg);
	put_at_1("IN", "QM1", &md, "own", 3); /* no way at all */
	msg = take(0, "IN");
	assert_memory_equal(mqi_msg_body(msg), "own", 3);
	mqi_msg_free(msg);
}

static void
test_a_queue_manager_alias_chooses_the_way(void **state)
{
	struct mqi_md md;

	(void)state;
	message(&md, MQI_RO_NONE);
	put_at_1("IN", "QM3.FAST", &md, "fast", 4);
	assert_int_equal(qm_depth(&ring.qm[0], "WAY"), 1);
	qm_mqsc(&ring.qm[0], "CLEAR QLOCAL(WAY)\n");
}

static void
test_a_reply_to_alias_chooses_the_way_of_replies(void **state)
{
	mqi_conn *conn = qm_connect(&ring.qm[2]);
	mqi_queue *handle = NULL;
	struct mqi_md md;
	const struct mqi_md *got;
	mqi_msg *msg;

	(void)state;
	message(&md, MQI_RO_NONE);
	strcpy(md.reply_to_q, "ANSWERS");
	put_at_1("IN", "QM3", &md, "ask", 3);
	msg = take(2, "IN");
	got = mqi_msg_md(msg);
	assert_string_equal(got->reply_to_q, "REPLY");
	assert_string_equal(got->reply_to_qmgr, "QM1.FAST");
	OK(mqi_open(
	    conn, got->reply_to_q, got->reply_to_qmgr, MQI_OO_OUTPUT, &handle));
	message(&md, MQI_RO_NONE);
	OK(mqi_put(handle, NULL, &md, "answer", 6));
	OK(mqi_disconnect(conn));
	mqi_msg_free(msg);
	assert_int_equal(qm_depth(&ring.qm[2], "WAY"), 1);
}

/* ---- trace-route ---- */

/* Runs mqadmin trace-route QM1 ...; the output is the caller's. */
static int
trace(const char *queue, const char *qmgr, const char *wait, char **ret_out)
{
	char bin[PATH_MAX], log[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/trace.log", ring.dir.path);
	return proc_run((const char *const[]){bin, "trace-route", "QM1", queue,
			    "--root", ring.qm[0].root, "--json", "--wait", wait,
			    qmgr != NULL ? "--qmgr" : NULL, qmgr, NULL},
	    NULL, log, ret_out);
}

static void
assert_says(const char *out, const char *what)
{
	if (strstr(out, what) == NULL)
		fail_msg("'%s' lacks '%s'", out, what);
}

static unsigned
lines_of(const char *out)
{
	unsigned n = 0;

	for (; *out != '\0'; out++)
		n += *out == '\n';
	return n;
}

static void
test_a_way_is_shown_hop_by_hop(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(trace("IN", "QM3", "30", &out), 0);
	assert_int_equal(lines_of(out), 4);
	assert_says(out, "\"hop\":1,\"qmgr\":\"QM1\",\"channel\":\"\","
			 "\"what\":\"sent\",\"putOn\":\"NEXT\"");
	assert_says(out, "\"hop\":2,\"qmgr\":\"QM2\","
			 "\"channel\":\"QM1.QM2\"");
	assert_says(out, "\"hop\":3,\"qmgr\":\"QM3\",\"channel\":\"QM2.QM3\","
			 "\"what\":\"arrived\",\"putOn\":\"IN\"");
	assert_says(out, "\"arrived\":true");
	free(out);
	/* nothing of it stays there */
	assert_int_equal(qm_depth(&ring.qm[2], "IN"), 0);
	assert_int_equal(trace("IN", NULL, "30", &out), 0);
	assert_int_equal(lines_of(out), 2);
	assert_int_equal(qm_depth(&ring.qm[0], "IN"), 0);
	free(out);
}

static void
test_a_way_that_ends_says_where_and_why(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(trace("NO.SUCH.QUEUE", "QM3", "20", &out), 10);
	assert_says(out, "\"hop\":2,\"qmgr\":\"QM2\"");
	assert_says(out, "\"reason\":2085,\"qmgr\":\"QM3\"");
	free(out);
	assert_int_equal(trace("IN", "NOWHERE", "30", &out), 10);
	assert_says(out, "\"hop\":7");
	assert_says(out, "\"reason\":10018");
	free(out);
	assert_int_equal(trace("NO.SUCH.QUEUE", NULL, "30", &out), 10);
	assert_says(out, "QM1 cannot place it: 2085");
	free(out);
	for (int i = 0; i < N_QM; i++)
		assert_int_equal(qm_depth(&ring.qm[i], DEAD_QUEUE), 0);
}

static void
test_a_way_that_is_closed_is_told_when_the_time_is_over(void **state)
{
	char *out = NULL;

	(void)state;
	qm_mqsc(&ring.qm[0], "STOP CHANNEL(QM1.QM2)\n");
	assert_int_equal(trace("IN", "QM3", "1", &out), 10);
	assert_says(out, "still waits on transmission queue NEXT");
	free(out);
	qm_mqsc(&ring.qm[0], "START CHANNEL(QM1.QM2)\n");
	qm_mqsc(&ring.qm[1], "STOP CHANNEL(QM2.QM3)\n");
	assert_int_equal(trace("IN", "QM3", "2", &out), 10);
	assert_says(out, "behind QM1 a channel does not run");
	free(out);
	qm_mqsc(&ring.qm[1], "START CHANNEL(QM2.QM3)\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_an_undeliverable_message_comes_back_to_its_sender),
	    cmocka_unit_test(test_a_message_that_asks_for_it_is_discarded),
	    cmocka_unit_test(test_a_dead_letter_is_reported_after_its_retries),
	    cmocka_unit_test(test_a_large_dead_letter_and_its_report),
	    cmocka_unit_test(test_a_report_without_a_place_is_a_dead_letter),
	    cmocka_unit_test(test_an_expiry_travels_as_what_remains),
	    cmocka_unit_test(
		test_a_message_expires_while_its_channel_is_stopped),
	    cmocka_unit_test(
		test_a_message_that_goes_round_stops_at_the_hop_limit),
	    cmocka_unit_test(test_each_hop_resolves_names_again),
	    cmocka_unit_test(test_a_queue_manager_alias_chooses_the_way),
	    cmocka_unit_test(test_a_reply_to_alias_chooses_the_way_of_replies),
	    cmocka_unit_test(test_a_way_is_shown_hop_by_hop),
	    cmocka_unit_test(test_a_way_that_ends_says_where_and_why),
	    cmocka_unit_test(
		test_a_way_that_is_closed_is_told_when_the_time_is_over),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

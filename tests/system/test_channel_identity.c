/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_identity.c - the two ends of a channel are no longer those that
 * knew each other: a store restored from a backup, a copied disk, a new
 * transmission queue, another name of the channel, another partner, two
 * senders.  It is noticed and told with both positions, nothing comes twice,
 * and what was never delivered arrives when a person has decided.
 *
 * QM1 sends to queue IN of QM2 over channel A; QM3 could take QM2's place.
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define N_QM 3
#define COPY 3 /* a copied one */

struct fixture {
	struct tmpdir dir;
	struct tmpdir elsewhere; /* for copies: another root */
	struct qm qm[N_QM + 1];
	int port[N_QM + 1];
};

static void mqsc(struct fixture *f, int i, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
mqsc(struct fixture *f, int i, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qm_mqsc(&f->qm[i], text);
}

static void
define_receiver(struct fixture *f, int i)
{
	f->port[i] = proc_free_port();
	mqsc(f, i,
	    "DEFINE QLOCAL(IN) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(A) CHLTYPE(RCVR) SSLPEER('CN=QM1') HBINT(1)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    f->port[i]);
}

static void
define_sender(struct fixture *f, const char *channel, int to)
{
	mqsc(f, 0,
	    "DEFINE CHANNEL(%s) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM*') SHORTRTY(100000) "
	    "SHORTTMR(1) HBINT(1) REPLACE\n",
	    channel, f->port[to]);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	tmpdir_make(&f->elsewhere);
	for (int i = 0; i < N_QM; i++) {
		char name[] = {'Q', 'M', (char)('1' + i), '\0'};

		qm_create(&f->qm[i], &f->dir, name);
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	define_receiver(f, 1);
	define_receiver(f, 2);
	mqsc(f, 0, "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n");
	define_sender(f, "A", 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N_QM + 1; i++) {
		if (f->qm[i].name[0] != '\0')
			qm_fini(&f->qm[i]);
	}
	tmpdir_free(&f->dir);
	tmpdir_free(&f->elsewhere);
	free(f);
	return 0;
}

/* ---- messages ---- */

static void
put_at(const struct qm *q, const char *text)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	OK(mqi_put(queue, NULL, &md, text, strlen(text)));
	OK(mqi_disconnect(conn));
}

static uint64_t
depth_of(const struct qm *q, const char *name)
{
	mqi_conn *conn = qm_connect(q);
	struct mqi_queue_info info = {0};
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	OK(mqi_disconnect(conn));
	return info.depth;
}

static void
wait_for_depth(struct fixture *f, int i, const char *name, uint64_t n)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (depth_of(&f->qm[i], name) != n) {
		if (test_now_ms() > end) {
			proc_print_log(&f->qm[0].proc);
			proc_die(&f->qm[1].proc, "messages do not arrive");
		}
		(void)poll(NULL, 0, 20);
	}
}

/* Gets these texts from IN, in this order, and finds no other. */
static void
expect(struct fixture *f, int i, const char *texts)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&f->qm[i]);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	while (*texts != '\0') {
		size_t len = strcspn(texts, " ");

		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		assert_int_equal(mqi_msg_len(msg), len);
		assert_memory_equal(mqi_msg_body(msg), texts, len);
		msg = mqi_msg_free(msg);
		texts += len + (texts[len] == ' ');
	}
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

/* One that arrives, and is known to have done so. */
static void
deliver(struct fixture *f, const char *text)
{
	put_at(&f->qm[0], text);
	wait_for_depth(f, 0, "QM2", 0);
}

/* ---- what is told ---- */

/* The whole row of a channel's status. */
static char *
chstatus(const struct qm *q, const char *channel)
{
	char bin[PATH_MAX], log[PATH_MAX], text[128], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s.status", q->proc.log);
	(void)snprintf(
	    text, sizeof(text), "DISPLAY CHSTATUS(%s) ALL\n", channel);
	(void)proc_run((const char *const[]){bin, "mqsc", q->name, "--json",
			   "--root", q->root, NULL},
	    text, log, &out);
	return out;
}

/* Waits until CHSTATUS says all of this. */
static void
wait_status(
    const struct qm *q, const char *channel, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char *out = chstatus(q, channel);
		bool found = strstr(out, a) != NULL && strstr(out, b) != NULL;

		if (found) {
			free(out);
			return;
		}
		if (test_now_ms() > end) {
			fprintf(stderr, "no '%s', '%s' in %s\n", a, b, out);
			proc_die(&q->proc, "CHSTATUS");
		}
		free(out);
		(void)poll(NULL, 0, 50);
	}
}

/* The sender refuses to run, with both positions. */
static void
wait_refused(struct fixture *f, const struct qm *q, const char *why)
{
	(void)f;
	wait_status(q, "A", why, "position ");
	wait_status(q, "A", "acknowledged ", "handed out ");
}

static void
stop_channel(struct fixture *f, const struct qm *q)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	(void)f;
	qm_mqsc((struct qm *)(uintptr_t)q, "STOP CHANNEL(A) MODE(FORCE)\n");
	for (;;) {
		char *out = chstatus(q, "A");
		bool stopped = strstr(out, "\"STOPPED\"") != NULL;

		free(out);
		if (stopped)
			return;
		if (test_now_ms() > end)
			proc_die(&q->proc, "the channel does not stop");
		(void)poll(NULL, 0, 20);
	}
}

static void
resolve(struct fixture *f, const char *action)
{
	stop_channel(f, &f->qm[0]);
	mqsc(f, 0, "RESOLVE CHANNEL(A) ACTION(%s)\nSTART CHANNEL(A)\n", action);
}

/* ---- disks ---- */

static void run_shell(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static void
run_shell(const char *fmt, ...)
{
	char cmd[4 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

static void
backup(struct fixture *f, int i)
{
	char bin[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	run_shell("'%.2000s' backup %s '%.1000s/backup' --root '%.1000s' "
		  ">'%.1000s/backup.log'",
	    bin, f->qm[i].name, f->dir.path, f->qm[i].root, f->dir.path);
}

static void
restore(struct fixture *f, int i)
{
	struct qm *q = &f->qm[i];
	char bin[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	proc_stop(&q->proc);
	/* certificates are not in it */
	run_shell("mv '%.1000s/%s' '%.1000s/old' && '%.2000s' restore %s "
		  "'%.1000s/backup' --root '%.1000s' >'%.1000s/restore.log' "
		  "&& cp -a '%.1000s/old/ssl' '%.1000s/%s/'",
	    q->root, q->name, f->dir.path, bin, q->name, f->dir.path, q->root,
	    f->dir.path, f->dir.path, q->root, q->name);
	qm_start(q);
}

/* A second one with the same store, certificates and name, as of now. */
static void
copy_disk(struct fixture *f, int i)
{
	struct qm *from = &f->qm[i], *to = &f->qm[COPY];

	*to = (struct qm){0};
	memcpy(to->name, from->name, sizeof(to->name));
	(void)snprintf(
	    to->root, sizeof(to->root), "%.4000s/root", f->elsewhere.path);
	(void)snprintf(to->proc.log, sizeof(to->proc.log), "%.4000s/%.48s.log",
	    f->elsewhere.path, to->name);
	assert_int_equal(mkdir(to->root, 0700), 0);
	proc_stop(&from->proc);
	run_shell(
	    "cp -a '%.2000s/%s' '%.2000s/'", from->root, from->name, to->root);
	qm_start(from);
}

/* ---- the tests ---- */

static void
test_restored_receiver_is_refused_until_a_person_decides(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	backup(f, 1);
	deliver(f, "two");
	restore(f, 1);
	put_at(&f->qm[0], "three");
	wait_refused(f, &f->qm[0], "its store was restored from a backup");
	assert_int_equal(depth_of(&f->qm[0], "QM2"), 1);
	resolve(f, "BACKOUT");
	wait_for_depth(f, 0, "QM2", 0);
	/* "two" was delivered, and went with the store that had it */
	expect(f, 1, "one three");
}

static void
test_restored_sender_is_refused_until_it_is_reset(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	backup(f, 0);
	proc_stop(&f->qm[0].proc);
	qm_start(&f->qm[0]);
	deliver(f, "two");
	restore(f, 0);
	put_at(&f->qm[0], "three");
	wait_refused(f, &f->qm[0], "QM1 was restored from a backup");
	assert_int_equal(depth_of(&f->qm[0], "QM2"), 1);
	assert_int_equal(depth_of(&f->qm[1], "IN"), 2);
	/* what was never delivered goes in a new stream */
	stop_channel(f, &f->qm[0]);
	mqsc(f, 0, "RESET CHANNEL(A) SEQNUM(1) FORCE\nSTART CHANNEL(A)\n");
	wait_for_depth(f, 0, "QM2", 0);
	deliver(f, "four");
	expect(f, 1, "one two three four");
}

/* The numbers of one run are given once, so the partner's position says
 * exactly what it has of them: of this run nothing is in doubt. */
static void
test_restored_sender_goes_on_behind_what_its_last_run_has_sent(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	mqsc(f, 0, "STOP CHANNEL(A)\n");
	put_at(&f->qm[0], "two");
	backup(f, 0);
	mqsc(f, 0, "START CHANNEL(A)\n");
	deliver(f, "three");
	restore(f, 0);
	/* "two" is on its queue again */
	mqsc(f, 0, "START CHANNEL(A)\n");
	deliver(f, "four");
	expect(f, 1, "one two three four");
}

/* Whichever of both sends first goes on; the other one is told. */
static void
test_copied_sender_is_noticed_and_the_other_goes_on(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	copy_disk(f, 0);
	deliver(f, "two");
	qm_start(&f->qm[COPY]);
	put_at(&f->qm[COPY], "copy");
	wait_refused(
	    f, &f->qm[COPY], "QM1 was restored from a backup or copied");
	deliver(f, "three");
	wait_for_depth(f, 1, "IN", 3);
	assert_int_equal(depth_of(&f->qm[COPY], "QM2"), 1);
	expect(f, 1, "one two three");
}

/* Both have the message that was on its way: it comes once. */
static void
test_message_that_both_copies_have_comes_once(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	mqsc(f, 0, "STOP CHANNEL(A)\n");
	put_at(&f->qm[0], "two");
	copy_disk(f, 0);
	qm_start(&f->qm[COPY]);
	qm_mqsc(&f->qm[COPY], "START CHANNEL(A)\n");
	wait_for_depth(f, COPY, "QM2", 0);
	mqsc(f, 0, "START CHANNEL(A)\n");
	wait_for_depth(f, 0, "QM2", 0);
	/* from here on they differ, and the first one to say so goes on */
	deliver(f, "three");
	put_at(&f->qm[COPY], "copy");
	wait_refused(
	    f, &f->qm[COPY], "QM1 was restored from a backup or copied");
	expect(f, 1, "one two three");
}

static void
test_copied_receiver_is_refused_and_the_first_one_is_not(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	copy_disk(f, 1);
	deliver(f, "two");
	stop_channel(f, &f->qm[0]);
	proc_stop(&f->qm[1].proc);
	/* it listens at the same port */
	qm_start(&f->qm[COPY]);
	put_at(&f->qm[0], "three");
	mqsc(f, 0, "START CHANNEL(A)\n");
	wait_refused(f, &f->qm[0], "its store was restored from a backup");
	proc_stop(&f->qm[COPY].proc);
	qm_start(&f->qm[1]);
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one two three");
}

/* A copy of the sender takes its partner's place. */
static void
test_copy_of_the_sender_as_its_receiver_is_refused(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	copy_disk(f, 0);
	qm_start(&f->qm[COPY]);
	qm_mqsc(&f->qm[COPY], "DELETE CHANNEL(A)\n");
	define_receiver(f, COPY);
	define_sender(f, "A", COPY);
	put_at(&f->qm[0], "two");
	wait_status(&f->qm[0], "A", "this queue manager's own id",
	    "a copy of its disk");
	define_sender(f, "A", 1);
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one two");
}

static void
test_recreated_transmission_queue_is_a_new_stream(void **state)
{
	struct fixture *f = *state;

	deliver(f, "one");
	deliver(f, "two");
	stop_channel(f, &f->qm[0]);
	mqsc(f, 0,
	    "DELETE QLOCAL(QM2)\n"
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "START CHANNEL(A)\n");
	deliver(f, "three");
	deliver(f, "four");
	expect(f, 1, "one two three four");
}

/* ---- with a message that was sent and not acknowledged ---- */

/* "two" has reached a receiver that does not move. */
static void
leave_in_doubt(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	deliver(f, "one");
	assert_int_equal(qm_signal_agents(&f->qm[1], "answer", SIGSTOP), 1);
	put_at(&f->qm[0], "two");
	for (;;) {
		char bin[PATH_MAX], log[PATH_MAX], *out;
		bool in_doubt;

		proc_bin("mqadmin", bin, sizeof(bin));
		(void)snprintf(
		    log, sizeof(log), "%.4000s/saved.log", f->dir.path);
		(void)proc_run((const char *const[]){bin, "mqsc", "QM1",
				   "--root", f->qm[0].root, NULL},
		    "DISPLAY CHSTATUS(A) SAVED\n", log, &out);
		in_doubt = strstr(out, "INDOUBT(YES)") != NULL;
		free(out);
		if (in_doubt)
			break;
		if (test_now_ms() > end)
			proc_die(&f->qm[0].proc, "nothing is in doubt");
		(void)poll(NULL, 0, 20);
	}
	stop_channel(f, &f->qm[0]);
	(void)qm_signal_agents(&f->qm[1], "answer", SIGKILL);
}

static void
test_channel_under_another_name_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;

	leave_in_doubt(f);
	mqsc(f, 0, "DELETE CHANNEL(A)\n");
	define_sender(f, "B", 1);
	mqsc(f, 1,
	    "DELETE CHANNEL(A)\n"
	    "DEFINE CHANNEL(B) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	put_at(&f->qm[0], "three");
	mqsc(f, 0, "START CHANNEL(B)\n");
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one two three");
}

/* QM3 answers for QM2. */
static void
take_over(struct fixture *f)
{
	mqsc(f, 2, "DEFINE QREMOTE(QM2) RQMNAME(QM3)\n");
}

static void
test_another_partner_needs_the_doubt_resolved(void **state)
{
	struct fixture *f = *state;

	leave_in_doubt(f);
	take_over(f);
	define_sender(f, "A", 2);
	mqsc(f, 0, "START CHANNEL(A)\n");
	wait_status(&f->qm[0], "A", "the stream belongs to queue manager ",
	    "cannot be bound to ");
	assert_int_equal(depth_of(&f->qm[2], "IN"), 0);
	resolve(f, "BACKOUT");
	put_at(&f->qm[0], "three");
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one");
	expect(f, 2, "two three");
}

static void
test_what_a_person_counts_as_delivered_is_not_sent_again(void **state)
{
	struct fixture *f = *state;

	leave_in_doubt(f);
	take_over(f);
	define_sender(f, "A", 2);
	resolve(f, "COMMIT");
	put_at(&f->qm[0], "three");
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 2, "three");
}

/* The new partner takes nothing at first, and the channel ends before it has
 * acknowledged anything. */
static void
test_cut_before_the_new_partner_acknowledges_is_nothing(void **state)
{
	struct fixture *f = *state;

	leave_in_doubt(f);
	take_over(f);
	mqsc(f, 2,
	    "ALTER QLOCAL(IN) PUT(DISABLED)\n"
	    "ALTER CHANNEL(A) CHLTYPE(RCVR) MRRTY(0) USEDLQ(NO)\n");
	define_sender(f, "A", 2);
	resolve(f, "BACKOUT");
	wait_status(&f->qm[0], "A", "RETRYING", "puts are inhibited");
	mqsc(f, 2, "ALTER QLOCAL(IN) PUT(ENABLED)\n");
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one");
	expect(f, 2, "two");
}

static void
test_transmission_queue_in_doubt_is_not_deleted(void **state)
{
	struct fixture *f = *state;
	char bin[PATH_MAX], log[PATH_MAX], *out;

	leave_in_doubt(f);
	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/delete.log", f->dir.path);
	assert_int_not_equal(proc_run((const char *const[]){bin, "mqsc", "QM1",
					  "--root", f->qm[0].root, NULL},
				 "DELETE QLOCAL(QM2)\nCLEAR QLOCAL(QM2)\n"
				 "DELETE QLOCAL(QM2) PURGE\n",
				 log, &out),
	    0);
	free(out);
	mqsc(f, 0, "START CHANNEL(A)\n");
	wait_for_depth(f, 0, "QM2", 0);
	expect(f, 1, "one two");
}

/* ---- two of one kind ---- */

static void
test_second_sender_of_a_queue_waits_for_the_first(void **state)
{
	struct fixture *f = *state;

	mqsc(f, 1, "DEFINE CHANNEL(B) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	define_sender(f, "B", 1);
	deliver(f, "one");
	mqsc(f, 0, "START CHANNEL(B)\n");
	wait_status(&f->qm[0], "B", "RETRYING", "open");
	deliver(f, "two");
	stop_channel(f, &f->qm[0]);
	/* now it is its turn */
	deliver(f, "three");
	wait_status(&f->qm[0], "B", "RUNNING", "B");
	expect(f, 1, "one two three");
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_restored_receiver_is_refused_until_a_person_decides),
	    TEST(test_restored_sender_is_refused_until_it_is_reset),
	    TEST(
		test_restored_sender_goes_on_behind_what_its_last_run_has_sent),
	    TEST(test_copied_sender_is_noticed_and_the_other_goes_on),
	    TEST(test_message_that_both_copies_have_comes_once),
	    TEST(test_copied_receiver_is_refused_and_the_first_one_is_not),
	    TEST(test_copy_of_the_sender_as_its_receiver_is_refused),
	    TEST(test_recreated_transmission_queue_is_a_new_stream),
	    TEST(test_channel_under_another_name_goes_on_where_it_was),
	    TEST(test_another_partner_needs_the_doubt_resolved),
	    TEST(test_what_a_person_counts_as_delivered_is_not_sent_again),
	    TEST(test_cut_before_the_new_partner_acknowledges_is_nothing),
	    TEST(test_transmission_queue_in_doubt_is_not_deleted),
	    TEST(test_second_sender_of_a_queue_waits_for_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_reset.c - what a person does when the two ends of a channel do
 * not know each other any more, or never will again: RESET and RESOLVE at
 * either end, with the partner's word where it can be asked.  Nothing that was
 * never delivered is lost, and nothing comes twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/proxy.h"
#include "tests/system/ident.h"

/* What mqadmin says to a command, which may fail; malloc'd. */
static char *
say(const struct qm *q, const char *command)
{
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s.say", q->proc.log);
	(void)proc_run((const char *const[]){bin, "mqsc", q->name, "--root",
			   q->root, NULL},
	    command, log, &out);
	return out;
}

static void
expect_said(const struct qm *q, const char *command, const char *want)
{
	char *out = say(q, command);

	if (strstr(out, want) == NULL) {
		proc_print_log(&q->proc);
		fail_msg("%s: no '%s' in %s", command, want, out);
	}
	free(out);
}

/* The receiver may be at its end still. */
static void
wait_until_said(const struct qm *q, const char *command, const char *want)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char *out = say(q, command);
		bool busy = strstr(out, "stop it first") != NULL;
		bool found = strstr(out, want) != NULL;

		if (!found && (!busy || test_now_ms() > end))
			fail_msg("%s: no '%s' in %s", command, want, out);
		free(out);
		if (found)
			return;
		(void)poll(NULL, 0, 50);
	}
}

/* The value that stands in brackets behind the keyword, from a row on. */
static void
value_of(const char *row, const char *keyword, char ret[64])
{
	const char *p = row;

	while ((p = strstr(p, keyword)) != NULL && p[strlen(keyword)] != '(')
		p++;
	assert_non_null(p);
	p += strlen(keyword) + 1;
	(void)snprintf(ret, 64, "%.*s", (int)strcspn(p, ")"), p);
}

/* Has QM2 forget its position of QM1's first stream. */
static void
forget_position(struct ident *f)
{
	char stream[64], number[64], command[256];
	char *out = say(&f->qm[1], "DISPLAY CHSTATUS(*) SAVED\n");

	value_of(out, "STREAM", stream);
	value_of(out, "LSTSEQNO", number);
	free(out);
	(void)snprintf(command, sizeof(command),
	    "RESET CHANNEL(A) SEQNUM(1) STREAM(%s) LSTSEQNO(1)\n", stream);
	expect_said(&f->qm[1], command, "have arrived: say LSTSEQNO(");
	(void)snprintf(command, sizeof(command),
	    "RESET CHANNEL(A) SEQNUM(1) STREAM(%s) LSTSEQNO(%s)\n", stream,
	    number);
	wait_until_said(&f->qm[1], command, "is forgotten");
	expect_said(&f->qm[1], command, "no position is kept");
}

/* QM1 as of a backup in which "two", delivered since, is still to be sent; the
 * partner stands in a run that this one never had. */
static void
restore_with_a_delivered_message(struct ident *f)
{
	ident_deliver(f, "one");
	ident_mqsc(f, 0, "STOP CHANNEL(A)\n");
	ident_put_at(&f->qm[0], "two");
	ident_backup(f, 0);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	proc_stop(&f->qm[0].proc);
	qm_start(&f->qm[0]);
	ident_deliver(f, "three");
	ident_restore(f, 0);
	ident_put_at(&f->qm[0], "four");
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_refused(f, &f->qm[0], "QM1 was restored from a backup");
	ident_stop_channel(f, &f->qm[0]);
	expect_said(&f->qm[0], "RESET CHANNEL(A) SEQNUM(1)\n",
	    "RESOLVE CHANNEL says which");
	/* the partner's answer fits nothing here: a person decides alone */
	expect_said(&f->qm[0], "RESOLVE CHANNEL(A) ACTION(COMMIT)\n",
	    "the partner could not be asked (");
	assert_int_equal(ident_depth_of(&f->qm[0], "QM2"), 1);
}

static void
test_restored_sender_is_reset_without_loss_at_its_own_end(void **state)
{
	struct ident *f = *state;

	restore_with_a_delivered_message(f);
	ident_mqsc(f, 0, "RESET CHANNEL(A) SEQNUM(1)\nSTART CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_deliver(f, "five");
	ident_expect(f, 1, "one two three four five");
}

static void
test_restored_sender_goes_on_when_its_position_is_forgotten(void **state)
{
	struct ident *f = *state;

	restore_with_a_delivered_message(f);
	forget_position(f);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_deliver(f, "five");
	ident_expect(f, 1, "one two three four five");
}

/* The sender knows what it has heard: a position that was forgotten at the
 * wrong end, or too early, doubles nothing. */
static void
test_position_forgotten_by_mistake_doubles_nothing(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_stop_channel(f, &f->qm[0]);
	ident_put_at(&f->qm[0], "two");
	forget_position(f);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_refused(
	    f, &f->qm[0], "the partner does not know the stream");
	ident_resolve(f, "BACKOUT");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two");
}

static void
test_copied_sender_is_reset_and_both_go_on(void **state)
{
	struct ident *f = *state;
	const struct qm *copy = &f->qm[IDENT_COPY];

	ident_deliver(f, "one");
	ident_copy_disk(f, 0);
	ident_deliver(f, "two");
	qm_start(&f->qm[IDENT_COPY]);
	ident_put_at(copy, "copy");
	ident_wait_refused(f, copy, "QM1 was restored from a backup or copied");
	ident_stop_channel(f, copy);
	qm_mqsc(copy, "RESOLVE CHANNEL(A) ACTION(COMMIT)\n"
		      "RESET CHANNEL(A) SEQNUM(1)\nSTART CHANNEL(A)\n");
	ident_wait_for_depth(f, IDENT_COPY, "QM2", 0);
	ident_deliver(f, "three");
	ident_expect(f, 1, "one two copy three");
}

static void
test_restored_receiver_takes_a_new_stream(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_backup(f, 1);
	ident_deliver(f, "two");
	ident_restore(f, 1);
	ident_put_at(&f->qm[0], "three");
	ident_wait_refused(
	    f, &f->qm[0], "its store was restored from a backup");
	ident_stop_channel(f, &f->qm[0]);
	ident_mqsc(f, 0, "RESET CHANNEL(A) SEQNUM(1)\nSTART CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	/* "two" was delivered, and went with the store that had it */
	ident_expect(f, 1, "one three");
}

/* A new transmission queue leaves a position behind. */
static void
test_position_of_a_queue_that_is_gone_is_forgotten(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_stop_channel(f, &f->qm[0]);
	ident_mqsc(f, 0, "DELETE QLOCAL(QM2)\n");
	forget_position(f);
	ident_mqsc(f, 0,
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "START CHANNEL(A)\n");
	ident_deliver(f, "two");
	ident_expect(f, 1, "one two");
}

/* ---- the partner's word ---- */

static void
test_renamed_channel_asks_its_partner_and_is_reset(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	ident_mqsc(f, 0, "DELETE CHANNEL(A)\n");
	/* it serves what waits at once, but nobody knows it over there */
	ident_define_sender(f, "B", 1);
	ident_mqsc(f, 0, "STOP CHANNEL(B)\n");
	ident_wait_status(&f->qm[0], "B", "\"STOPPED\"", "");
	ident_mqsc(f, 1,
	    "DELETE CHANNEL(A)\n"
	    "DEFINE CHANNEL(B) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	expect_said(&f->qm[0], "RESET CHANNEL(B) SEQNUM(1)\n",
	    "RESOLVE CHANNEL says which");
	/* it has not got "two": nobody throws that away by mistake */
	expect_said(
	    &f->qm[0], "RESOLVE CHANNEL(B) ACTION(COMMIT)\n", "would be lost");
	expect_said(&f->qm[0], "RESOLVE CHANNEL(B) ACTION(BACKOUT)\n",
	    "the partner QM2 has taken messages up to number ");
	ident_mqsc(f, 0, "RESET CHANNEL(B) SEQNUM(1)\nSTART CHANNEL(B)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two");
}

static void
test_another_partner_gets_what_the_first_one_has_not(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	expect_said(&f->qm[0], "RESOLVE CHANNEL(A) ACTION(BACKOUT)\n",
	    "the partner QM2 has taken messages up to number ");
	ident_take_over(f);
	ident_define_sender(f, "A", 2);
	ident_mqsc(f, 0, "RESET CHANNEL(A) SEQNUM(1)\nSTART CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one");
	ident_expect(f, 2, "two");
}

/* ---- with a proxy between the two ---- */

static struct proxy *
put_between(struct ident *f, const char *more)
{
	struct proxy *p = proxy_new(f->port[1], 1);

	ident_mqsc(f, 0,
	    "ALTER CHANNEL(A) CHLTYPE(SDR) CONNAME('127.0.0.1(%d)') %s\n",
	    proxy_port(p), more);
	return p;
}

/* It has both messages, and its acknowledgement of the second is lost: that is
 * not sent again, whatever the person says. */
static void
test_backout_does_not_double_what_the_partner_has(void **state)
{
	struct ident *f = *state;
	struct proxy *p = put_between(f, "");

	ident_deliver(f, "one");
	proxy_set(p, PROXY_BACK, &(struct proxy_line){.silent = true});
	ident_put_at(&f->qm[0], "two");
	ident_wait_for_depth(f, 1, "IN", 2);
	ident_stop_channel(f, &f->qm[0]);
	assert_int_equal(ident_depth_of(&f->qm[0], "QM2"), 1);
	proxy_heal(p);
	expect_said(&f->qm[0], "RESOLVE CHANNEL(A) ACTION(BACKOUT)\n",
	    "the partner QM2 has taken messages up to number ");
	assert_int_equal(ident_depth_of(&f->qm[0], "QM2"), 0);
	ident_take_over(f);
	ident_define_sender(f, "A", 2);
	ident_put_at(&f->qm[0], "three");
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two");
	ident_expect(f, 2, "three");
	(void)proxy_free(p);
}

static bool
log_has(const struct qm *q, const char *text)
{
	char line[1024];
	bool found = false;
	FILE *file = fopen(q->proc.log, "r");

	while (
	    file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, text) != NULL;
	if (file != NULL)
		(void)fclose(file);
	return found;
}

static void
wait_for_log(const struct qm *q, const char *text)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (!log_has(q, text)) {
		if (test_now_ms() > end)
			proc_die(&q->proc, text);
		(void)poll(NULL, 0, 50);
	}
}

/* A receiver gathers "two" for its batch and is stopped; its link stays.  The
 * next one takes the position over.  When the first one goes on, its commit is
 * late: it fails by its fencing number. */
static void
test_orphaned_receiver_that_commits_late_is_fenced(void **state)
{
	struct ident *f = *state;
	struct proxy *p = put_between(f, "HBINT(100) BATCHINT(4000)");

	ident_deliver(f, "one");
	ident_put_at(&f->qm[0], "two");
	ident_wait_status(&f->qm[1], "A", "\"MSGS\":2", "RUNNING");
	assert_int_equal(qm_signal_agents(&f->qm[1], "answer", SIGSTOP), 1);
	proxy_forget(p);
	ident_stop_channel(f, &f->qm[0]);
	assert_int_equal(ident_depth_of(&f->qm[1], "IN"), 1);
	ident_mqsc(f, 0,
	    "ALTER CHANNEL(A) CHLTYPE(SDR) BATCHINT(0)\n"
	    "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	assert_int_equal(ident_depth_of(&f->qm[1], "IN"), 2);
	assert_true(qm_signal_agents(&f->qm[1], "answer", SIGCONT) >= 2);
	wait_for_log(&f->qm[1], "reason=10010");
	ident_deliver(f, "three");
	ident_expect(f, 1, "one two three");
	(void)proxy_free(p);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, ident_setup, ident_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_restored_sender_is_reset_without_loss_at_its_own_end),
	    TEST(test_restored_sender_goes_on_when_its_position_is_forgotten),
	    TEST(test_position_forgotten_by_mistake_doubles_nothing),
	    TEST(test_copied_sender_is_reset_and_both_go_on),
	    TEST(test_restored_receiver_takes_a_new_stream),
	    TEST(test_position_of_a_queue_that_is_gone_is_forgotten),
	    TEST(test_renamed_channel_asks_its_partner_and_is_reset),
	    TEST(test_another_partner_gets_what_the_first_one_has_not),
	    TEST(test_backout_does_not_double_what_the_partner_has),
	    TEST(test_orphaned_receiver_that_commits_late_is_fenced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

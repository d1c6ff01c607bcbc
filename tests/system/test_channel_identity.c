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
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/system/ident.h"

/* ---- the tests ---- */

static void
test_restored_receiver_is_refused_until_a_person_decides(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_backup(f, 1);
	ident_deliver(f, "two");
	ident_restore(f, 1);
	ident_put_at(&f->qm[0], "three");
	ident_wait_refused(
	    f, &f->qm[0], "its store was restored from a backup");
	assert_int_equal(ident_depth_of(&f->qm[0], "QM2"), 1);
	ident_resolve(f, "BACKOUT");
	ident_wait_for_depth(f, 0, "QM2", 0);
	/* "two" was delivered, and went with the store that had it */
	ident_expect(f, 1, "one three");
}

static void
test_restored_sender_is_refused_until_it_is_reset(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_backup(f, 0);
	proc_stop(&f->qm[0].proc);
	qm_start(&f->qm[0]);
	ident_deliver(f, "two");
	ident_restore(f, 0);
	ident_put_at(&f->qm[0], "three");
	ident_wait_refused(f, &f->qm[0], "QM1 was restored from a backup");
	assert_int_equal(ident_depth_of(&f->qm[0], "QM2"), 1);
	assert_int_equal(ident_depth_of(&f->qm[1], "IN"), 2);
	/* what was never delivered goes in a new stream */
	ident_stop_channel(f, &f->qm[0]);
	ident_mqsc(
	    f, 0, "RESET CHANNEL(A) SEQNUM(1) FORCE\nSTART CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_deliver(f, "four");
	ident_expect(f, 1, "one two three four");
}

/* The numbers of one run are given once, so the partner's position says
 * exactly what it has of them: of this run nothing is in doubt. */
static void
test_restored_sender_goes_on_behind_what_its_last_run_has_sent(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_mqsc(f, 0, "STOP CHANNEL(A)\n");
	ident_put_at(&f->qm[0], "two");
	ident_backup(f, 0);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_deliver(f, "three");
	ident_restore(f, 0);
	/* "two" is on its queue again */
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_deliver(f, "four");
	ident_expect(f, 1, "one two three four");
}

/* Whichever of both sends first goes on; the other one is told. */
static void
test_copied_sender_is_noticed_and_the_other_goes_on(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_copy_disk(f, 0);
	ident_deliver(f, "two");
	qm_start(&f->qm[IDENT_COPY]);
	ident_put_at(&f->qm[IDENT_COPY], "copy");
	ident_wait_refused(
	    f, &f->qm[IDENT_COPY], "QM1 was restored from a backup or copied");
	ident_deliver(f, "three");
	ident_wait_for_depth(f, 1, "IN", 3);
	assert_int_equal(ident_depth_of(&f->qm[IDENT_COPY], "QM2"), 1);
	ident_expect(f, 1, "one two three");
}

/* Both have the message that was on its way: it comes once. */
static void
test_message_that_both_copies_have_comes_once(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_mqsc(f, 0, "STOP CHANNEL(A)\n");
	ident_put_at(&f->qm[0], "two");
	ident_copy_disk(f, 0);
	qm_start(&f->qm[IDENT_COPY]);
	qm_mqsc(&f->qm[IDENT_COPY], "START CHANNEL(A)\n");
	ident_wait_for_depth(f, IDENT_COPY, "QM2", 0);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	/* from here on they differ, and the first one to say so goes on */
	ident_deliver(f, "three");
	ident_put_at(&f->qm[IDENT_COPY], "copy");
	ident_wait_refused(
	    f, &f->qm[IDENT_COPY], "QM1 was restored from a backup or copied");
	ident_expect(f, 1, "one two three");
}

static void
test_copied_receiver_is_refused_and_the_first_one_is_not(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_copy_disk(f, 1);
	ident_deliver(f, "two");
	ident_stop_channel(f, &f->qm[0]);
	proc_stop(&f->qm[1].proc);
	/* it listens at the same port */
	qm_start(&f->qm[IDENT_COPY]);
	ident_put_at(&f->qm[0], "three");
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_refused(
	    f, &f->qm[0], "its store was restored from a backup");
	proc_stop(&f->qm[IDENT_COPY].proc);
	qm_start(&f->qm[1]);
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two three");
}

/* A copy of the sender takes its partner's place. */
static void
test_copy_of_the_sender_as_its_receiver_is_refused(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_copy_disk(f, 0);
	qm_start(&f->qm[IDENT_COPY]);
	qm_mqsc(&f->qm[IDENT_COPY], "DELETE CHANNEL(A)\n");
	ident_define_receiver(f, IDENT_COPY);
	ident_define_sender(f, "A", IDENT_COPY);
	ident_put_at(&f->qm[0], "two");
	ident_wait_status(&f->qm[0], "A", "this queue manager's own id",
	    "a copy of its disk");
	ident_define_sender(f, "A", 1);
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two");
}

static void
test_recreated_transmission_queue_is_a_new_stream(void **state)
{
	struct ident *f = *state;

	ident_deliver(f, "one");
	ident_deliver(f, "two");
	ident_stop_channel(f, &f->qm[0]);
	ident_mqsc(f, 0,
	    "DELETE QLOCAL(QM2)\n"
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "START CHANNEL(A)\n");
	ident_deliver(f, "three");
	ident_deliver(f, "four");
	ident_expect(f, 1, "one two three four");
}

/* ---- with a message that was sent and not acknowledged ---- */

static void
test_channel_under_another_name_goes_on_where_it_was(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	ident_mqsc(f, 0, "DELETE CHANNEL(A)\n");
	ident_define_sender(f, "B", 1);
	ident_mqsc(f, 1,
	    "DELETE CHANNEL(A)\n"
	    "DEFINE CHANNEL(B) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	ident_put_at(&f->qm[0], "three");
	ident_mqsc(f, 0, "START CHANNEL(B) IGNSTATE(YES)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two three");
}

static void
test_another_partner_needs_the_doubt_resolved(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	ident_take_over(f);
	ident_define_sender(f, "A", 2);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_status(&f->qm[0], "A",
	    "the stream belongs to queue manager ", "cannot be bound to ");
	assert_int_equal(ident_depth_of(&f->qm[2], "IN"), 0);
	ident_resolve(f, "BACKOUT");
	ident_put_at(&f->qm[0], "three");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one");
	ident_expect(f, 2, "two three");
}

static void
test_what_a_person_counts_as_delivered_is_not_sent_again(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	ident_take_over(f);
	ident_define_sender(f, "A", 2);
	ident_resolve(f, "COMMIT");
	ident_put_at(&f->qm[0], "three");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 2, "three");
}

/* The new partner takes nothing at first, and the channel ends before it has
 * acknowledged anything. */
static void
test_cut_before_the_new_partner_acknowledges_is_nothing(void **state)
{
	struct ident *f = *state;

	ident_leave_in_doubt(f);
	ident_take_over(f);
	ident_mqsc(f, 2,
	    "ALTER QLOCAL(IN) PUT(DISABLED)\n"
	    "ALTER CHANNEL(A) CHLTYPE(RCVR) MRRTY(0) USEDLQ(NO)\n");
	ident_define_sender(f, "A", 2);
	ident_resolve(f, "BACKOUT");
	ident_wait_status(&f->qm[0], "A", "RETRYING", "puts are inhibited");
	ident_mqsc(f, 2, "ALTER QLOCAL(IN) PUT(ENABLED)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one");
	ident_expect(f, 2, "two");
}

static void
test_transmission_queue_in_doubt_is_not_deleted(void **state)
{
	struct ident *f = *state;
	char bin[PATH_MAX], log[PATH_MAX], *out;

	ident_leave_in_doubt(f);
	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/delete.log", f->dir.path);
	assert_int_not_equal(proc_run((const char *const[]){bin, "mqsc", "QM1",
					  "--root", f->qm[0].root, NULL},
				 "DELETE QLOCAL(QM2)\nCLEAR QLOCAL(QM2)\n"
				 "DELETE QLOCAL(QM2) PURGE\n",
				 log, &out),
	    0);
	free(out);
	ident_mqsc(f, 0, "START CHANNEL(A)\n");
	ident_wait_for_depth(f, 0, "QM2", 0);
	ident_expect(f, 1, "one two");
}

/* ---- two of one kind ---- */

static void
test_second_sender_of_a_queue_waits_for_the_first(void **state)
{
	struct ident *f = *state;

	ident_mqsc(f, 1, "DEFINE CHANNEL(B) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n");
	ident_define_sender(f, "B", 1);
	ident_deliver(f, "one");
	ident_mqsc(f, 0, "START CHANNEL(B) IGNSTATE(YES)\n");
	ident_wait_status(&f->qm[0], "B", "RETRYING", "open");
	ident_deliver(f, "two");
	ident_stop_channel(f, &f->qm[0]);
	/* now it is its turn */
	ident_deliver(f, "three");
	ident_wait_status(&f->qm[0], "B", "RUNNING", "B");
	ident_expect(f, 1, "one two three");
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, ident_setup, ident_teardown)
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

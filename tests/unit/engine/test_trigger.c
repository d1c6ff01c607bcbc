/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trigger.c - triggers: when a trigger message is put, and when not.
 * Session 0 puts and serves, session 1 is the trigger monitor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dlh.h"
#include "proto/tm.h"
#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

struct fixture {
	struct rig r;
	uint32_t q;     /* session 0, output */
	uint32_t init;  /* session 1, input */
	struct mqtm tm; /* the last one */
};

static uint32_t
open_queue(struct fixture *f, unsigned n, const char *name, uint32_t how)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&f->r, n, name, how, &h), MQI_OK);
	return h;
}

static void
close_queue(struct fixture *f, unsigned n, uint32_t handle)
{
	engine_close(f->r.e, f->r.sessions[n].s, ++f->r.last_id, handle);
	rig_settle(&f->r);
}

static void
connect_both(struct fixture *f)
{
	(void)rig_connect(&f->r, 0);
	(void)rig_connect(&f->r, 1);
	f->q = open_queue(f, 0, "Q", MQI_OO_OUTPUT);
	f->init = open_queue(f, 1, "INIT", MQI_OO_INPUT_SHARED);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->r, NULL);
	rig_define(&f->r, MQATTR_PROCESS, "P", "APPLICID=/bin/server",
	    "USERDATA=user", "ENVRDATA=env", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "INIT", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "DLQ", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "Q", "TRIGGER=YES", "INITQ=INIT",
	    "PROCESS=P", "TRIGDATA=data", NULL);
	connect_both(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->r);
	free(f);
	return 0;
}

/* So many came since it was last asked. */
static unsigned
triggers(struct fixture *f)
{
	char body[MQTM_LEN + 1];
	unsigned n = 0;

	rig_settle(&f->r);
	while (rig_get(&f->r, 1, f->init, 0, body, sizeof(body)) == MQI_OK) {
		assert_int_equal(mqtm_decode(body, MQTM_LEN, &f->tm), MQI_OK);
		n++;
	}
	return n;
}

static void
put(struct fixture *f)
{
	assert_int_equal(rig_put(&f->r, 0, f->q, 0, "m"), MQI_OK);
}

static void
put_priority(struct fixture *f, int32_t priority)
{
	struct rig_put p = RIG_PUT(f->q, "m");

	p.priority = priority;
	assert_int_equal(
	    rig_result(&f->r, 0, rig_ask_put(&f->r, 0, &p)), MQI_OK);
}

static uint64_t
depth(struct fixture *f, const char *name)
{
	struct engine_queue_status st;

	assert_int_equal(engine_queue_status(f->r.e, name, &st), MQI_OK);
	return st.depth;
}

static void
alter(struct fixture *f, const char *name, const char *attr)
{
	rig_define(&f->r, MQATTR_QLOCAL, name, attr, NULL);
	rig_settle(&f->r);
}

/* Gets all that is there, by a handle of its own. */
static void
serve(struct fixture *f)
{
	uint32_t h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);

	while (rig_get(&f->r, 0, h, 0, NULL, 0) == MQI_OK)
		;
	close_queue(f, 0, h);
}

/* ---- FIRST ---- */

static void
test_the_first_message_triggers_and_no_other(void **state)
{
	struct fixture *f = *state;

	put(f);
	assert_int_equal(triggers(f), 1);
	put(f);
	put(f);
	assert_int_equal(triggers(f), 0);
	serve(f);
	assert_int_equal(triggers(f), 0);
	put(f);
	assert_int_equal(triggers(f), 1);
}

static void
test_the_message_says_what_the_queue_and_the_process_say(void **state)
{
	struct fixture *f = *state;

	put(f);
	assert_int_equal(triggers(f), 1);
	assert_string_equal(f->tm.queue, "Q");
	assert_string_equal(f->tm.process, "P");
	assert_string_equal(f->tm.trigger_data, "data");
	assert_int_equal(f->tm.appl_type, MQTM_APPL_UNIX);
	assert_string_equal(f->tm.appl_id, "/bin/server");
	assert_string_equal(f->tm.env_data, "env");
	assert_string_equal(f->tm.user_data, "user");
}

static void
test_nobody_is_called_who_is_there(void **state)
{
	struct fixture *f = *state;
	uint32_t h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);
	uint32_t other = open_queue(f, 1, "Q", MQI_OO_INPUT_SHARED);

	put(f);
	put(f);
	assert_int_equal(triggers(f), 0);
	/* the last one leaves, and not all is done */
	close_queue(f, 0, h);
	assert_int_equal(triggers(f), 0);
	close_queue(f, 1, other);
	assert_int_equal(triggers(f), 1);
	serve(f);
	assert_int_equal(triggers(f), 0);
}

static void
test_a_browser_is_not_there(void **state)
{
	struct fixture *f = *state;

	(void)open_queue(f, 0, "Q", MQI_OO_BROWSE | MQI_OO_INQUIRE);
	put(f);
	assert_int_equal(triggers(f), 1);
}

static void
test_who_ends_without_closing_leaves_too(void **state)
{
	struct fixture *f = *state;

	(void)rig_connect(&f->r, 2);
	(void)open_queue(f, 2, "Q", MQI_OO_INPUT_SHARED);
	put(f);
	assert_int_equal(triggers(f), 0);
	rig_disconnect(&f->r, 2);
	assert_int_equal(triggers(f), 1);
}

static void
test_every_condition_must_hold_and_counts_when_it_comes_true(void **state)
{
	static const struct {
		const char *queue;
		const char *bad;
		const char *good;
	} rows[] = {
	    {"Q", "TRIGGER=NO", "TRIGGER=YES"},
	    {"Q", "TRIGTYPE=NONE", "TRIGTYPE=FIRST"},
	    {"Q", "INITQ=", "INITQ=INIT"},
	    {"Q", "INITQ=NONE", "INITQ=INIT"},
	    {"Q", "PROCESS=", "PROCESS=P"},
	    {"Q", "PROCESS=NONE", "PROCESS=P"},
	    {"Q", "GET=DISABLED", "GET=ENABLED"},
	    {"Q", "TRIGMPRI=1", "TRIGMPRI=0"},
	    {"INIT", "PUT=DISABLED", "PUT=ENABLED"},
	    {"INIT", "GET=DISABLED", "GET=ENABLED"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		alter(f, rows[i].queue, rows[i].bad);
		put(f);
		assert_int_equal(triggers(f), 0);
		alter(f, rows[i].queue, rows[i].good);
		assert_int_equal(triggers(f), 1);
		serve(f);
		assert_int_equal(triggers(f), 0);
	}
}

static void
test_other_changes_trigger_nothing(void **state)
{
	struct fixture *f = *state;

	put(f);
	assert_int_equal(triggers(f), 1);
	alter(f, "Q", "DESCR=x");
	alter(f, "Q", "TRIGDATA=y");
	alter(f, "INIT", "DESCR=x");
	assert_int_equal(triggers(f), 0);
}

static void
test_a_process_may_be_defined_later(void **state)
{
	struct fixture *f = *state;

	alter(f, "Q", "PROCESS=LATER");
	put(f);
	assert_int_equal(triggers(f), 0);
	rig_define(&f->r, MQATTR_PROCESS, "LATER", "APPLICID=/bin/late", NULL);
	assert_int_equal(triggers(f), 1);
	assert_string_equal(f->tm.appl_id, "/bin/late");
}

static void
test_a_monitor_that_comes_is_told_what_waits(void **state)
{
	struct fixture *f = *state;

	close_queue(f, 1, f->init);
	put(f);
	put(f);
	f->init = open_queue(f, 1, "INIT", MQI_OO_INPUT_SHARED);
	assert_int_equal(triggers(f), 1);
	/* a second one is told nothing */
	(void)open_queue(f, 0, "INIT", MQI_OO_INPUT_SHARED);
	assert_int_equal(triggers(f), 0);
}

static void
test_a_monitor_of_a_transmission_queue_gets_nothing(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	(void)open_queue(f, 1, "X", MQI_OO_INPUT_SHARED);
	alter(f, "Q", "INITQ=X");
	put(f);
	rig_settle(&f->r);
	assert_int_equal(depth(f, "X"), 0);
}

static void
test_a_transmission_queue_needs_no_process(void **state)
{
	struct fixture *f = *state;
	uint32_t x;

	rig_define(&f->r, MQATTR_QLOCAL, "X", "USAGE=XMITQ", "TRIGGER=YES",
	    "INITQ=INIT", "TRIGDATA=QM.TO.QM2", NULL);
	x = open_queue(f, 0, "X", MQI_OO_OUTPUT);
	assert_int_equal(rig_put(&f->r, 0, x, 0, "m"), MQI_OK);
	assert_int_equal(triggers(f), 1);
	assert_string_equal(f->tm.queue, "X");
	assert_string_equal(f->tm.process, "");
	assert_string_equal(f->tm.trigger_data, "QM.TO.QM2");
	assert_int_equal(f->tm.appl_type, MQTM_APPL_UNKNOWN);
	/* channels start by themselves, with it or without */
	assert_int_equal(f->r.stream_work, 1);
}

static void
test_a_message_triggers_again_after_trigint(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QMGR, "QM", "TRIGINT=5000", NULL);
	put(f);
	assert_int_equal(triggers(f), 1);
	rig_advance_ms(&f->r, 4999);
	put(f);
	assert_int_equal(triggers(f), 0);
	rig_advance_ms(&f->r, 1);
	assert_int_equal(triggers(f), 0); /* only a message does */
	put(f);
	assert_int_equal(triggers(f), 1);
	put(f);
	assert_int_equal(triggers(f), 0);
}

/* ---- EVERY ---- */

static void
test_every_message_triggers_also_who_is_there(void **state)
{
	struct fixture *f = *state;

	alter(f, "Q", "TRIGTYPE=EVERY");
	put(f);
	put(f);
	assert_int_equal(triggers(f), 2);
	(void)open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);
	put(f);
	assert_int_equal(triggers(f), 1);
}

static void
test_every_is_not_for_what_returns(void **state)
{
	struct fixture *f = *state;
	uint32_t h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);

	alter(f, "Q", "TRIGTYPE=EVERY");
	put(f);
	assert_int_equal(triggers(f), 1);
	assert_int_equal(rig_get(&f->r, 0, h, 7, NULL, 0), MQI_OK);
	assert_int_equal(rig_backout(&f->r, 0, 7), MQI_OK);
	close_queue(f, 0, h);
	assert_int_equal(triggers(f), 0);
}

/* ---- DEPTH ---- */

static bool
is_on(struct fixture *f)
{
	return mqattr_is(engine_object_find(f->r.e, MQATTR_QLOCAL, "Q")->attrs,
	    MQATTR_ID_TRIGGER, "YES");
}

static void
test_depth_triggers_once_and_switches_itself_off(void **state)
{
	struct fixture *f = *state;

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "TRIGTYPE=DEPTH", "TRIGDPTH=3", NULL);
	put(f);
	put(f);
	assert_int_equal(triggers(f), 0);
	put(f);
	assert_int_equal(triggers(f), 1);
	assert_false(is_on(f));
	put(f);
	assert_int_equal(triggers(f), 0);
	rig_crash(&f->r, 0);
	connect_both(f);
	assert_false(is_on(f));
	alter(f, "Q", "TRIGGER=YES");
	assert_int_equal(triggers(f), 1);
	assert_false(is_on(f));
	serve(f);
	alter(f, "Q", "TRIGGER=YES");
	put(f);
	put(f);
	assert_int_equal(triggers(f), 0);
	assert_true(is_on(f));
}

static void
test_depth_waits_until_nobody_is_there(void **state)
{
	struct fixture *f = *state;
	uint32_t h;

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "TRIGTYPE=DEPTH", "TRIGDPTH=2", NULL);
	h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);
	put(f);
	put(f);
	assert_int_equal(triggers(f), 0);
	assert_true(is_on(f));
	close_queue(f, 0, h);
	assert_int_equal(triggers(f), 1);
	assert_false(is_on(f));
}

/* ---- priorities ---- */

static void
check_priorities(struct fixture *f)
{
	put_priority(f, 3);
	put_priority(f, 0);
	assert_int_equal(triggers(f), 0);
	put_priority(f, 4);
	assert_int_equal(triggers(f), 1);
	put_priority(f, 9);
	put_priority(f, 1);
	assert_int_equal(triggers(f), 0);
	serve(f);
	put_priority(f, 0);
	assert_int_equal(triggers(f), 0);
	put_priority(f, 9);
	assert_int_equal(triggers(f), 1);
}

static void
test_messages_of_less_priority_do_not_count(void **state)
{
	struct fixture *f = *state;

	alter(f, "Q", "TRIGMPRI=4");
	check_priorities(f);
}

static void
test_priority_counts_in_a_fifo_queue_too(void **state)
{
	struct fixture *f = *state;

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "TRIGMPRI=4", "MSGDLVSQ=FIFO", NULL);
	check_priorities(f);
}

static void
test_every_and_depth_look_at_the_priority(void **state)
{
	struct fixture *f = *state;

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "TRIGMPRI=4", "TRIGTYPE=EVERY", NULL);
	put_priority(f, 3);
	put_priority(f, 4);
	put_priority(f, 5);
	assert_int_equal(triggers(f), 2);
	serve(f);
	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "TRIGTYPE=DEPTH", "TRIGDPTH=2", NULL);
	put_priority(f, 3);
	put_priority(f, 4);
	put_priority(f, 3);
	assert_int_equal(triggers(f), 0);
	put_priority(f, 4);
	assert_int_equal(triggers(f), 1);
}

/* What lay there before is not read for this: it may call somebody, and does
 * not hinder. */
static void
test_unknown_priorities_never_hinder(void **state)
{
	struct fixture *f = *state;

	put_priority(f, 0);
	assert_int_equal(triggers(f), 1);
	alter(f, "Q", "TRIGMPRI=4");
	assert_int_equal(triggers(f), 1);
	put_priority(f, 5);
	assert_int_equal(triggers(f), 1);
	rig_crash(&f->r, 0);
	connect_both(f);
	assert_int_equal(triggers(f), 1);
	put_priority(f, 1);
	assert_int_equal(triggers(f), 0);
	put_priority(f, 5);
	assert_int_equal(triggers(f), 1);
	serve(f);
	assert_int_equal(triggers(f), 0);
}

/* ---- units of work ---- */

static void
test_a_unit_triggers_at_its_commit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_put(&f->r, 0, f->q, 7, "a"), MQI_OK);
	assert_int_equal(rig_put(&f->r, 0, f->q, 7, "b"), MQI_OK);
	assert_int_equal(triggers(f), 0);
	assert_int_equal(rig_commit(&f->r, 0, 7), MQI_OK);
	assert_int_equal(triggers(f), 1);
	serve(f);
	assert_int_equal(rig_put(&f->r, 0, f->q, 8, "c"), MQI_OK);
	assert_int_equal(rig_backout(&f->r, 0, 8), MQI_OK);
	assert_int_equal(triggers(f), 0);
	alter(f, "Q", "TRIGTYPE=EVERY");
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(rig_put(&f->r, 0, f->q, 9, "d"), MQI_OK);
	assert_int_equal(rig_commit(&f->r, 0, 9), MQI_OK);
	assert_int_equal(triggers(f), 50);
}

static void
test_what_a_unit_holds_calls_nobody_until_it_returns(void **state)
{
	struct fixture *f = *state;
	uint32_t h;

	put(f);
	assert_int_equal(triggers(f), 1);
	h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);
	assert_int_equal(rig_get(&f->r, 0, h, 7, NULL, 0), MQI_OK);
	close_queue(f, 0, h);
	assert_int_equal(triggers(f), 0);
	/* but what comes meanwhile does */
	put(f);
	assert_int_equal(triggers(f), 1);
	serve(f);
	assert_int_equal(triggers(f), 0);
	assert_int_equal(rig_backout(&f->r, 0, 7), MQI_OK);
	assert_int_equal(triggers(f), 1);
}

static void
test_a_message_that_was_not_sent_returns_and_calls(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_get req;
	uint32_t h;

	(void)rig_connect(&f->r, 2);
	h = open_queue(f, 2, "Q", MQI_OO_INPUT_SHARED);
	put(f);
	f->r.sessions[2].hold_sent = true;
	req = RIG_GET(h);
	(void)rig_ask_get(&f->r, 2, &req);
	rig_settle(&f->r);
	assert_int_equal(triggers(f), 0);
	rig_disconnect(&f->r, 2);
	assert_int_equal(triggers(f), 1);
}

static void
test_a_message_that_is_moved_triggers_where_it_comes(void **state)
{
	struct fixture *f = *state;
	uint32_t h;

	rig_define(&f->r, MQATTR_QLOCAL, "B", "TRIGGER=YES", "INITQ=INIT",
	    "PROCESS=P", "TRIGMPRI=4", "MSGDLVSQ=FIFO", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "Q", "TRIGGER=NO", "BOTHRESH=1",
	    "BOQNAME=B", NULL);
	h = open_queue(f, 0, "Q", MQI_OO_INPUT_SHARED);
	for (int32_t priority = 3; priority <= 4; priority++) {
		put_priority(f, priority);
		assert_int_equal(rig_get(&f->r, 0, h, 7, NULL, 0), MQI_OK);
		assert_int_equal(rig_backout(&f->r, 0, 7), MQI_OK);
		assert_int_equal(
		    rig_get(&f->r, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
		assert_int_equal(triggers(f), priority == 4);
	}
	assert_string_equal(f->tm.queue, "B");
}

/* ---- where it goes ---- */

static void
test_a_full_initiation_queue_makes_dead_letters(void **state)
{
	struct fixture *f = *state;
	char body[MQDLH_LEN + MQTM_LEN + 1];
	struct mqdlh h;
	uint32_t dlq;

	rig_define(&f->r, MQATTR_QMGR, "QM", "DEADQ=DLQ", NULL);
	alter(f, "Q", "TRIGTYPE=EVERY");
	alter(f, "INIT", "MAXDEPTH=1");
	put(f);
	put(f);
	rig_settle(&f->r);
	dlq = open_queue(f, 0, "DLQ", MQI_OO_INPUT_SHARED);
	assert_int_equal(rig_get(&f->r, 0, dlq, 0, body, sizeof(body)), MQI_OK);
	assert_int_equal(mqdlh_decode(body, MQDLH_LEN, &h), MQI_OK);
	assert_int_equal(h.reason, MQI_E_Q_FULL);
	assert_string_equal(h.queue, "INIT");
	assert_string_equal(h.qmgr, "QM");
	assert_string_equal(h.format, MQTM_FORMAT);
	assert_int_equal(
	    mqtm_decode(body + MQDLH_LEN, MQTM_LEN, &f->tm), MQI_OK);
	assert_string_equal(f->tm.queue, "Q");
	assert_int_equal(triggers(f), 1);
}

static void
test_without_a_place_it_is_lost_and_the_put_is_not(void **state)
{
	struct fixture *f = *state;

	alter(f, "INIT", "MAXMSGL=100");
	put(f);
	assert_int_equal(triggers(f), 0);
	assert_int_equal(depth(f, "Q"), 1);
}

static void
test_trigger_messages_trigger_nothing(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QLOCAL, "Q", "TRIGTYPE=EVERY", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "INIT", "TRIGGER=YES", "INITQ=INIT",
	    "PROCESS=P", "TRIGTYPE=EVERY", NULL);
	put(f);
	assert_int_equal(triggers(f), 1);
}

/* ---- what it reveals ---- */

static void
test_it_is_not_seen_before_its_cause_is_durable(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_get req = RIG_GET(f->init);
	struct rig_put p = RIG_PUT(f->q, "m");
	uint32_t id;

	store_mem_set_automatic(f->r.store, false);
	req.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&f->r, 1, &req);
	rig_settle(&f->r);
	(void)rig_ask_put(&f->r, 0, &p);
	rig_turn(&f->r);
	rig_turn(&f->r); /* the store has not said anything */
	assert_null(rig_reply(&f->r, 1, id));
	rig_settle(&f->r);
	assert_non_null(rig_reply(&f->r, 1, id));
}

static void
test_a_persistent_one_is_there_or_not_with_its_cause(void **state)
{
	struct fixture *f = *state;

	store_mem_set_automatic(f->r.store, false);
	for (unsigned extra = 0; extra < 2; extra++) {
		struct rig_put p = RIG_PUT(f->q, "m");

		alter(f, "INIT", "DEFPSIST=YES");
		(void)rig_ask_put(&f->r, 0, &p);
		rig_turn(&f->r);
		rig_crash(&f->r, extra);
		(void)rig_connect(&f->r, 0);
		f->q = open_queue(f, 0, "Q", MQI_OO_OUTPUT);
		assert_int_equal(depth(f, "Q"), extra);
		assert_int_equal(depth(f, "INIT"), extra);
		(void)rig_connect(&f->r, 1);
		f->init = open_queue(f, 1, "INIT", MQI_OO_INPUT_SHARED);
	}
}

/* Of messages that do not persist nothing is written. */
static void
test_nothing_waits_for_a_batch_that_stays_empty(void **state)
{
	struct fixture *f = *state;
	struct rig_put p = RIG_PUT(f->q, "m");

	alter(f, "Q", "TRIGTYPE=EVERY");
	p.persistence = MQI_PERSISTENCE_NO;
	assert_int_equal(
	    rig_result(&f->r, 0, rig_ask_put(&f->r, 0, &p)), MQI_OK);
	rig_advance_ms(&f->r, 1000);
	assert_int_equal(
	    rig_result(&f->r, 0, rig_ask_put(&f->r, 0, &p)), MQI_OK);
	engine_quiesce(f->r.e, false);
	rig_advance_ms(&f->r, 1000);
	assert_true(engine_is_drained(f->r.e));
}

/* ---- objects that go ---- */

static void
test_a_queue_may_go_with_its_trigger(void **state)
{
	struct fixture *f = *state;
	uint64_t pos;

	alter(f, "Q", "TRIGMPRI=1");
	put_priority(f, 0);
	put_priority(f, 3);
	assert_int_equal(triggers(f), 1);
	close_queue(f, 0, f->q);
	assert_int_equal(engine_queue_clear(f->r.e, "Q", &pos), MQI_OK);
	rig_settle(&f->r);
	f->q = open_queue(f, 0, "Q", MQI_OO_OUTPUT);
	put_priority(f, 3);
	assert_int_equal(triggers(f), 1);
	close_queue(f, 0, f->q);
	/* something is due when it is deleted */
	rig_define(&f->r, MQATTR_QLOCAL, "Q", "TRIGMPRI=0", NULL);
	assert_int_equal(
	    engine_object_delete(f->r.e, MQATTR_QLOCAL, "Q", true, &pos),
	    MQI_OK);
	assert_int_equal(triggers(f), 0);
}

/* A monitor's first get may come before the turn in which it opens has ended.
 */
static void
test_the_trigger_is_there_when_the_open_is_answered(void **state)
{
	struct fixture *f = *state;
	struct rig *r = &f->r;
	struct rig_reply *k;
	uint32_t id = ++r->last_id;

	close_queue(f, 1, f->init);
	put(f);
	engine_open(
	    r->e, r->sessions[1].s, id, "INIT", "", MQI_OO_INPUT_SHARED);
	k = rig_reply(r, 1, id);
	assert_non_null(k);
	assert_int_equal(k->r.kind, ENGINE_OPENED);
	struct mqlocal_get get = RIG_GET(k->r.handle);
	assert_int_equal(rig_result(r, 1, rig_ask_get(r, 1, &get)), MQI_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_the_trigger_is_there_when_the_open_is_answered),
	    T(test_the_first_message_triggers_and_no_other),
	    T(test_the_message_says_what_the_queue_and_the_process_say),
	    T(test_nobody_is_called_who_is_there),
	    T(test_a_browser_is_not_there),
	    T(test_who_ends_without_closing_leaves_too),
	    T(test_every_condition_must_hold_and_counts_when_it_comes_true),
	    T(test_other_changes_trigger_nothing),
	    T(test_a_process_may_be_defined_later),
	    T(test_a_monitor_that_comes_is_told_what_waits),
	    T(test_a_monitor_of_a_transmission_queue_gets_nothing),
	    T(test_a_transmission_queue_needs_no_process),
	    T(test_a_message_triggers_again_after_trigint),
	    T(test_every_message_triggers_also_who_is_there),
	    T(test_every_is_not_for_what_returns),
	    T(test_depth_triggers_once_and_switches_itself_off),
	    T(test_depth_waits_until_nobody_is_there),
	    T(test_messages_of_less_priority_do_not_count),
	    T(test_priority_counts_in_a_fifo_queue_too),
	    T(test_every_and_depth_look_at_the_priority),
	    T(test_unknown_priorities_never_hinder),
	    T(test_a_unit_triggers_at_its_commit),
	    T(test_what_a_unit_holds_calls_nobody_until_it_returns),
	    T(test_a_message_that_was_not_sent_returns_and_calls),
	    T(test_a_message_that_is_moved_triggers_where_it_comes),
	    T(test_a_full_initiation_queue_makes_dead_letters),
	    T(test_without_a_place_it_is_lost_and_the_put_is_not),
	    T(test_trigger_messages_trigger_nothing),
	    T(test_it_is_not_seen_before_its_cause_is_durable),
	    T(test_a_persistent_one_is_there_or_not_with_its_cause),
	    T(test_nothing_waits_for_a_batch_that_stays_empty),
	    T(test_a_queue_may_go_with_its_trigger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

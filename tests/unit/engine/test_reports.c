/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reports.c - what the queue manager tells of messages that arrive and are
 * delivered, what it does with those that come back too often, and how long
 * CAPEXPRY lets them live.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dlh.h"
#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

struct fixture {
	struct rig r;
	uint32_t q, reply, other;
	struct rig_reply *got; /* the last message */
};

static void
open_queues(struct fixture *f)
{
	uint32_t how = MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED | MQI_OO_BROWSE;

	(void)rig_connect(&f->r, 0);
	assert_int_equal(rig_open(&f->r, 0, "Q", how, &f->q), MQI_OK);
	assert_int_equal(rig_open(&f->r, 0, "REPLY", how, &f->reply), MQI_OK);
	assert_int_equal(rig_open(&f->r, 0, "OTHER", how, &f->other), MQI_OK);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_config c = {.name = "QM"};

	rig_start(&f->r, &c);
	rig_define(&f->r, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "REPLY", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "OTHER", NULL);
	open_queues(f);
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

struct wish {
	uint32_t report;
	uint32_t unit;
	int32_t persistence;
	int32_t priority;
	int32_t expiry;
	const char *body;
	uint32_t len; /* 0: of the string */
	uint32_t handle;
};

static enum mqi_err
put_as(struct fixture *f, unsigned n, struct wish w)
{
	struct rig_put p = {.handle = w.handle != 0 ? w.handle : f->q,
	    .unit = w.unit,
	    .body = w.body,
	    .len = w.len != 0 ? w.len : (uint32_t)strlen(w.body)};
	struct mqbuf desc;
	struct mqi_md md;
	enum mqi_err err;

	mqi_md_init(&md);
	md.persistence = w.persistence;
	md.priority = w.priority;
	md.report = w.report;
	if (w.expiry != 0)
		md.expiry = w.expiry;
	strcpy(md.reply_to_q, "REPLY");
	memset(md.correl_id, 'c', sizeof(md.correl_id));
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	p.flags = n == 1 ? MQLOCAL_PUT_PASS_CONTEXT : 0;
	err = rig_result(&f->r, n, rig_ask_put(&f->r, n, &p));
	mqbuf_fini(&desc);
	return err;
}

static void
put(struct fixture *f, struct wish w)
{
	if (w.persistence == 0)
		w.persistence = MQI_PERSISTENCE_YES;
	assert_int_equal(put_as(f, 0, w), MQI_OK);
}

/* The next message, or 2033. */
static enum mqi_err
get(struct fixture *f, uint32_t handle, uint32_t unit)
{
	struct mqlocal_get req = RIG_GET(handle);
	enum mqi_err err = MQI_OK;
	uint32_t id;

	req.unit = unit;
	id = rig_ask_get(&f->r, 0, &req);
	rig_settle(&f->r);
	f->got = rig_reply(&f->r, 0, id);
	assert_non_null(f->got);
	if (f->got->r.kind == ENGINE_RESULT)
		err = f->got->r.reason;
	return err;
}

static void
assert_report(struct fixture *f, uint32_t feedback, const char *body)
{
	assert_int_equal(get(f, f->reply, 0), MQI_OK);
	assert_int_equal(f->got->feedback, feedback);
	assert_int_equal(f->got->len, strlen(body));
	assert_memory_equal(f->got->data, body, strlen(body));
}

static void
assert_no_report(struct fixture *f)
{
	assert_int_equal(get(f, f->reply, 0), MQI_E_NO_MSG_AVAILABLE);
}

/* ---- arrival and delivery ---- */

static void
test_arrival_is_reported(void **state)
{
	struct fixture *f = *state;

	put(f, (struct wish){.report = MQI_RO_COA_WITH_DATA, .body = "one"});
	assert_report(f, MQI_FB_COA, "one");
	assert_no_report(f);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_no_report(f);
}

static void
test_delivery_is_reported(void **state)
{
	struct fixture *f = *state;

	put(f, (struct wish){.report = MQI_RO_COD, .body = "one"});
	assert_no_report(f);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_report(f, MQI_FB_COD, "");
	assert_no_report(f);
}

static void
test_both_are_reported_and_outlive_a_crash(void **state)
{
	struct fixture *f = *state;
	static char large[150000];

	put(f, (struct wish){.report = MQI_RO_COA | MQI_RO_COD, .body = "a"});
	put(f, (struct wish){.report = MQI_RO_COA | MQI_RO_COD_WITH_DATA,
		   .body = large,
		   .len = sizeof(large)});
	rig_crash(&f->r, 0);
	open_queues(f);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	rig_crash(&f->r, 0);
	open_queues(f);
	assert_report(f, MQI_FB_COA, "");
	assert_report(f, MQI_FB_COA, "");
	assert_report(f, MQI_FB_COD, "");
	assert_report(f, MQI_FB_COD, ""); /* in pieces: no data */
	assert_no_report(f);
}

static void
test_reports_belong_to_the_unit(void **state)
{
	struct fixture *f = *state;

	put(f, (struct wish){.report = MQI_RO_COA, .unit = 1, .body = "a"});
	assert_no_report(f);
	assert_int_equal(rig_backout(&f->r, 0, 1), MQI_OK);
	assert_no_report(f);
	put(f, (struct wish){
		   .report = MQI_RO_COA | MQI_RO_COD, .unit = 2, .body = "a"});
	assert_int_equal(rig_commit(&f->r, 0, 2), MQI_OK);
	assert_report(f, MQI_FB_COA, "");
	assert_int_equal(get(f, f->q, 3), MQI_OK);
	assert_no_report(f);
	assert_int_equal(rig_backout(&f->r, 0, 3), MQI_OK);
	assert_no_report(f);
	assert_int_equal(get(f, f->q, 4), MQI_OK);
	assert_int_equal(rig_commit(&f->r, 0, 4), MQI_OK);
	assert_report(f, MQI_FB_COD, "");
	assert_no_report(f);
}

static void
test_reports_count_in_a_unit(void **state)
{
	struct fixture *f = *state;
	struct wish w = {.report = MQI_RO_COA,
	    .unit = 1,
	    .persistence = MQI_PERSISTENCE_YES,
	    .body = "a"};

	rig_define(&f->r, MQATTR_QMGR, "QM", "MAXUMSGS=3", NULL);
	put(f, w);
	assert_int_equal(put_as(f, 0, w), MQI_E_SYNCPOINT_LIMIT);
	w.report = 0;
	put(f, w);
	assert_int_equal(rig_commit(&f->r, 0, 1), MQI_OK);
}

static void
test_an_acknowledgement_is_a_delivery(void **state)
{
	struct fixture *f = *state;
	const struct rig_reply *m;
	uint32_t id = ++f->r.last_id;

	put(f, (struct wish){.report = MQI_RO_COD, .body = "a"});
	engine_consume(f->r.e, f->r.sessions[0].s, id, f->q, 10, 10000);
	assert_int_equal(rig_result(&f->r, 0, id), MQI_OK);
	m = rig_event(&f->r, 0, ENGINE_MESSAGE);
	assert_non_null(m);
	assert_no_report(f);
	engine_ack(
	    f->r.e, f->r.sessions[0].s, ++f->r.last_id, f->q, m->r.token);
	assert_report(f, MQI_FB_COD, "");
	assert_no_report(f);
}

/* Of what an agent brings, whose user may not put where the reports would go,
 * nothing is reported, and the message comes all the same. */
static void
test_reports_go_only_where_the_sender_may_put(void **state)
{
	static const struct engine_identity partner = {
	    .user = "joe", .app_name = "mca", .is_agent = true, .channel = "C"};
	struct fixture *f = *state;
	struct wish w = {.report = MQI_RO_COA | MQI_RO_COD,
	    .persistence = MQI_PERSISTENCE_YES,
	    .body = "a"};

	rig_define(&f->r, MQATTR_AUTHREC, "Q:joe", "PROFILE=Q", "OBJTYPE=QUEUE",
	    "ENTITY=joe", "ENTTYPE=PRINCIPAL", "AUTHLIST=PUT", NULL);
	(void)rig_connect_as(&f->r, 1, &partner);
	assert_int_equal(
	    rig_open(&f->r, 1, "Q", MQI_OO_OUTPUT, &w.handle), MQI_OK);
	assert_int_equal(put_as(f, 1, w), MQI_OK);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_int_equal(f->got->report, 0);
	assert_no_report(f);
}

/* ---- poison ---- */

static void
back_out(struct fixture *f, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		assert_int_equal(get(f, f->q, 1), MQI_OK);
		assert_int_equal(f->got->r.u.message.backout_count, i);
		assert_int_equal(rig_backout(&f->r, 0, 1), MQI_OK);
	}
}

static void
test_poison_goes_to_boqname(void **state)
{
	struct fixture *f = *state;
	static char large[150000];

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "BOTHRESH=2", "BOQNAME=OTHER", NULL);
	put(f, (struct wish){.body = "a", .priority = 4});
	put(f, (struct wish){
		   .body = "np", .persistence = MQI_PERSISTENCE_AS_Q_DEF});
	back_out(f, 2);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_memory_equal(f->got->data, "np", 2);
	assert_int_equal(get(f, f->q, 0), MQI_E_NO_MSG_AVAILABLE);
	put(f, (struct wish){.body = large, .len = sizeof(large)});
	back_out(f, 2);
	put(f, (struct wish){
		   .body = "np", .persistence = MQI_PERSISTENCE_AS_Q_DEF});
	back_out(f, 2);
	assert_int_equal(get(f, f->q, 0), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(get(f, f->other, 1), MQI_OK);
	assert_int_equal(f->got->priority, 4);
	assert_int_equal(f->got->r.u.message.backout_count, 2);
	assert_int_equal(rig_backout(&f->r, 0, 1), MQI_OK);
	rig_advance_ms(&f->r, 20); /* moves do not hurry */
	rig_settle(&f->r);
	rig_crash(&f->r, 0);
	open_queues(f);
	assert_int_equal(get(f, f->q, 0), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(get(f, f->other, 0), MQI_OK);
	assert_memory_equal(f->got->data, "a", 1);
	assert_int_equal(get(f, f->other, 0), MQI_OK);
	assert_int_equal(f->got->len, sizeof(large));
	assert_int_equal(get(f, f->other, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_a_waiting_getter_gets_the_poison(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_get req = RIG_GET(f->other);
	uint32_t id;

	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "BOTHRESH=1", "BOQNAME=OTHER", NULL);
	req.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&f->r, 0, &req);
	put(f, (struct wish){.body = "a"});
	back_out(f, 1);
	rig_settle(&f->r);
	assert_non_null(rig_reply(&f->r, 0, id));
}

static void
test_poison_is_told_and_dead_lettered(void **state)
{
	struct fixture *f = *state;
	struct mqdlh h;

	rig_define(&f->r, MQATTR_QMGR, "QM", "DEADQ=OTHER", NULL);
	/* full: as if there were none */
	rig_define(&f->r, MQATTR_QLOCAL, "FULL", "MAXDEPTH=0", NULL);
	rig_define(
	    &f->r, MQATTR_QLOCAL, "Q", "BOTHRESH=1", "BOQNAME=FULL", NULL);
	put(f,
	    (struct wish){.report = MQI_RO_EXCEPTION_WITH_DATA, .body = "bad"});
	back_out(f, 1);
	assert_int_equal(get(f, f->q, 0), MQI_E_NO_MSG_AVAILABLE);
	assert_report(f, MQI_E_BACKOUT_THRESHOLD_REACHED, "bad");
	assert_no_report(f);
	assert_int_equal(get(f, f->other, 0), MQI_OK);
	assert_int_equal(mqdlh_decode(f->got->data, MQDLH_LEN, &h), MQI_OK);
	assert_int_equal(h.reason, MQI_E_BACKOUT_THRESHOLD_REACHED);
	assert_string_equal(h.queue, "Q");
	assert_memory_equal(f->got->data + MQDLH_LEN, "bad", 3);
}

static void
test_poison_without_a_place_stays(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QLOCAL, "Q", "BOTHRESH=1", "BOQNAME=Q", NULL);
	put(f, (struct wish){.body = "bad"});
	back_out(f, 3);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
}

/* ---- CAPEXPRY ---- */

static void
test_capexpry_is_the_most(void **state)
{
	struct fixture *f = *state;
	struct wish w = {.body = "a"};

	rig_define(&f->r, MQATTR_QLOCAL, "Q", "CAPEXPRY=20", NULL);
	rig_define(&f->r, MQATTR_QALIAS, "A", "TARGET=Q", "CAPEXPRY=10", NULL);
	put(f, w);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_int_equal(f->got->expiry, 20);
	w.expiry = 15;
	put(f, w);
	assert_int_equal(get(f, f->q, 0), MQI_OK);
	assert_int_equal(f->got->expiry, 15);
	assert_int_equal(
	    rig_open(&f->r, 0, "A", MQI_OO_OUTPUT, &w.handle), MQI_OK);
	put(f, w);
	rig_advance_ms(&f->r, 1500);
	assert_int_equal(get(f, f->q, 0), MQI_E_NO_MSG_AVAILABLE);
}

/* ---- what is lost ---- */

static struct fixture *loser;

static void
lose_reports(void)
{
	for (unsigned i = 0; i < 150; i++)
		put(loser, (struct wish){.report = MQI_RO_COA, .body = "a"});
}

static void
lose_reports_later(void)
{
	rig_advance_ms(&loser->r, 10000);
	lose_reports();
}

static void
test_lines_about_lost_reports_are_bounded_and_the_others_counted(void **state)
{
	loser = *state;
	rig_define(&loser->r, MQATTR_QLOCAL, "REPLY", "PUT=DISABLED", NULL);
	assert_int_equal(rig_log_lines(lose_reports, "report.lost"), 100);
	assert_int_equal(rig_log_lines(lose_reports_later,
			     "50 more reports have no line here"),
	    1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_arrival_is_reported),
	    TEST(test_delivery_is_reported),
	    TEST(test_both_are_reported_and_outlive_a_crash),
	    TEST(test_reports_belong_to_the_unit),
	    TEST(test_reports_count_in_a_unit),
	    TEST(test_an_acknowledgement_is_a_delivery),
	    TEST(test_reports_go_only_where_the_sender_may_put),
	    TEST(test_poison_goes_to_boqname),
	    TEST(test_a_waiting_getter_gets_the_poison),
	    TEST(test_poison_is_told_and_dead_lettered),
	    TEST(test_poison_without_a_place_stays),
	    TEST(test_capexpry_is_the_most),
	    TEST(
		test_lines_about_lost_reports_are_bounded_and_the_others_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

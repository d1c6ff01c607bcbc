/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_duplicate.c - streaming queues: Q streams to COPY.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proto/desc.h"
#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

#define LARGE (3 * MQFRAME_PIECE + 5)

static struct rig rig;
static uint32_t q; /* session 0's handle */

static uint32_t
open_as(const char *name, uint32_t options)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, 0, name, options, &h), MQI_OK);
	return h;
}

static int
setup(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "STREAMQ=COPY", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "COPY", NULL);
	rig_connect(&rig, 0);
	q = open_as("Q", MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static uint64_t
depth(const char *name)
{
	const struct engine_object *o =
	    object_find(rig.e->objects, MQATTR_QLOCAL, name);

	rig_settle(&rig);
	return queue_by_id(rig.e, o->id)->depth;
}

static void
expect_depths(uint64_t original, uint64_t copy)
{
	assert_int_equal(depth("Q"), original);
	assert_int_equal(depth("COPY"), copy);
}

/* The next message of a queue, which goes. */
static struct rig_reply *
take(const char *name)
{
	struct mqlocal_get req = RIG_GET(open_as(name, MQI_OO_INPUT_SHARED));
	uint32_t id = rig_ask_get(&rig, 0, &req);
	struct rig_reply *k;

	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_non_null(k);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_true(k->whole);
	return k;
}

/* Puts a message of len bytes as md says. */
static enum mqi_err
put_md(const struct mqi_md *md, uint32_t unit, uint32_t len)
{
	uint8_t *body = mqmem_alloc(len);
	struct rig_put p = RIG_PUT(q, "");
	struct mqbuf desc;
	enum mqi_err err;

	for (uint32_t i = 0; i < len; i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	p.unit = unit;
	p.body = (const char *)body;
	p.len = len;
	err = rig_result(&rig, 0, rig_ask_put(&rig, 0, &p));
	mqbuf_fini(&desc);
	free(body);
	return err;
}

static enum mqi_err
put(bool persistent, bool reports, uint32_t unit, uint32_t len)
{
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
	memset(md.msg_id, 5, sizeof(md.msg_id));
	memset(md.correl_id, 6, sizeof(md.correl_id));
	if (reports) {
		md.expiry = 1000;
		md.report = MQI_RO_COD | MQI_RO_EXPIRATION_WITH_DATA |
			    MQI_RO_PASS_MSG_ID;
	}
	return put_md(&md, unit, len);
}

static void
expect_copy(bool reports, uint32_t len)
{
	struct rig_reply *original = take("Q"), *copy = take("COPY");

	assert_int_equal(original->len, len);
	assert_int_equal(copy->len, len);
	assert_memory_equal(original->data, copy->data, len);
	assert_int_equal(copy->expiry, MQI_EXPIRY_UNLIMITED);
	assert_int_equal(copy->report, reports ? MQI_RO_PASS_MSG_ID : 0);
	expect_depths(0, 0);
}

/* ---- tests ---- */

static void
test_each_message_has_a_copy(void **state)
{
	static const uint32_t lens[] = {0, 10, LARGE};

	(void)state;
	for (int persistent = 0; persistent < 2; persistent++) {
		for (int reports = 0; reports < 2; reports++) {
			for (size_t i = 0; i < MQ_ARRAY_LEN(lens); i++) {
				assert_int_equal(put(persistent != 0,
						     reports != 0, 0, lens[i]),
				    MQI_OK);
				expect_depths(1, 1);
				expect_copy(reports != 0, lens[i]);
			}
		}
	}
	engine_check(rig.e);
}

static void
test_both_are_there_after_a_crash(void **state)
{
	static const uint32_t lens[] = {10, LARGE};

	(void)state;
	for (int reports = 0; reports < 2; reports++) {
		for (size_t i = 0; i < MQ_ARRAY_LEN(lens); i++) {
			assert_int_equal(
			    put(true, reports != 0, 0, lens[i]), MQI_OK);
			rig_restart(&rig);
			rig_connect(&rig, 0);
			q = open_as("Q", MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED);
			expect_depths(1, 1);
			expect_copy(reports != 0, lens[i]);
		}
	}
}

static void
test_a_unit_has_both_or_none_and_counts_one(void **state)
{
	static const uint32_t lens[] = {10, LARGE};

	(void)state;
	rig_define(&rig, MQATTR_QMGR, "QM", "MAXUMSGS=2", NULL);
	for (int reports = 0; reports < 2; reports++) {
		for (size_t i = 0; i < MQ_ARRAY_LEN(lens); i++) {
			assert_int_equal(
			    put(true, reports != 0, 3, lens[i]), MQI_OK);
			expect_depths(0, 0);
			assert_int_equal(rig_backout(&rig, 0, 3), MQI_OK);
			expect_depths(0, 0);
			assert_int_equal(
			    put(true, reports != 0, 4, lens[i]), MQI_OK);
			assert_int_equal(
			    put(true, reports != 0, 4, lens[i]), MQI_OK);
			assert_int_equal(put(true, reports != 0, 4, lens[i]),
			    MQI_E_SYNCPOINT_LIMIT);
			assert_int_equal(rig_commit(&rig, 0, 4), MQI_OK);
			expect_depths(2, 2);
			(void)take("Q");
			(void)take("COPY");
			expect_copy(reports != 0, lens[i]);
		}
	}
	engine_check(rig.e);
}

static void
test_best_effort_never_fails_and_must_duplicate_does(void **state)
{
	static const struct {
		const char *attr;
		const char *undo;
		enum mqi_err reason;
	} cases[] = {{"MAXDEPTH=0", "MAXDEPTH=9", MQI_E_Q_FULL},
	    {"PUT=DISABLED", "PUT=ENABLED", MQI_E_PUT_INHIBITED},
	    {"MAXMSGL=3", "MAXMSGL=9", MQI_E_MSG_TOO_BIG_FOR_Q}};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		rig_define(&rig, MQATTR_QLOCAL, "COPY", cases[i].attr, NULL);
		rig_define(&rig, MQATTR_QLOCAL, "Q", "STRMQOS=BESTEF", NULL);
		assert_int_equal(put(true, i == 0, 0, 10), MQI_OK);
		expect_depths(1, 0);
		(void)take("Q");
		rig_define(&rig, MQATTR_QLOCAL, "Q", "STRMQOS=MUSTDUP", NULL);
		assert_int_equal(put(true, i == 0, 0, 10), cases[i].reason);
		assert_int_equal(put(true, i == 0, 7, LARGE), cases[i].reason);
		expect_depths(0, 0);
		(void)rig_backout(&rig, 0, 7);
		rig_define(&rig, MQATTR_QLOCAL, "COPY", cases[i].undo, NULL);
	}
	rig_define(
	    &rig, MQATTR_QLOCAL, "Q", "STREAMQ=NONE", "STRMQOS=MUSTDUP", NULL);
	assert_int_equal(put(true, false, 0, 10), MQI_E_UNKNOWN_OBJECT);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "STRMQOS=BESTEF", NULL);
	assert_int_equal(put(true, false, 0, 10), MQI_OK);
	expect_depths(1, 0);
	engine_check(rig.e);
}

static void
test_it_goes_by_names_and_not_further(void **state)
{
	(void)state;
	/* a copy has no copy */
	rig_define(&rig, MQATTR_QLOCAL, "COPY", "STREAMQ=THIRD", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "THIRD", NULL);
	rig_define(&rig, MQATTR_QALIAS, "ALIAS", "TARGET=COPY", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "STREAMQ=ALIAS", NULL);
	assert_int_equal(put(true, false, 0, 10), MQI_OK);
	assert_int_equal(depth("THIRD"), 0);
	expect_copy(false, 10);
	/* elsewhere */
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "FAR", "RNAME=THERE", "RQMNAME=QM2",
	    "XMITQ=X", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "STREAMQ=FAR", NULL);
	assert_int_equal(put(true, false, 0, 10), MQI_OK);
	assert_int_equal(put(true, true, 0, LARGE), MQI_OK);
	assert_int_equal(depth("X"), 2);
	expect_depths(2, 0);
	assert_true(rig.stream_work > 0);
	/* CAPEXPRY of the stream queue is the copy's */
	rig_define(&rig, MQATTR_QLOCAL, "COPY", "CAPEXPRY=50", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "STREAMQ=COPY", NULL);
	assert_int_equal(put(true, true, 0, 10), MQI_OK);
	assert_int_equal(take("COPY")->expiry, 50);
	engine_check(rig.e);
}

/* The stream queue cannot go while the pieces of a message come. */
static void
test_a_session_that_ends_leaves_nothing(void **state)
{
	struct engine_put req = {.handle = q, .body_len = LARGE};
	struct mqi_md md;
	struct mqbuf desc;
	uint64_t pos = 0;

	(void)state;
	mqi_md_init(&md);
	md.expiry = 100;
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	req.desc = desc.data;
	req.desc_len = (uint32_t)desc.len;
	assert_int_equal(
	    engine_put(rig.e, rig.sessions[0].s, ++rig.last_id, &req), MQI_OK);
	mqbuf_fini(&desc);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "COPY", true, &pos),
	    MQI_E_OBJECT_IN_USE);
	rig_disconnect(&rig, 0);
	expect_depths(0, 0);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "COPY", true, &pos),
	    MQI_OK);
	engine_check(rig.e);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_each_message_has_a_copy),
	    T(test_both_are_there_after_a_crash),
	    T(test_a_unit_has_both_or_none_and_counts_one),
	    T(test_best_effort_never_fails_and_must_duplicate_does),
	    T(test_it_goes_by_names_and_not_further),
	    T(test_a_session_that_ends_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin.c - opens, errors of puts, objects, clearing, status, stopping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/unit/engine/rig.h"

static struct rig rig;

static int
setup(void **state)
{
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "R", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_settle(&rig);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static uint32_t
open_as(unsigned n, const char *name, uint32_t options)
{
	uint32_t h = 0;

	assert_int_equal(rig_open(&rig, n, name, options, &h), MQI_OK);
	return h;
}

static uint32_t
open_q(unsigned n)
{
	return open_as(n, "Q",
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE |
		MQI_OO_BROWSE);
}

static enum mqi_err
open_err(unsigned n, const char *name, uint32_t options)
{
	uint32_t h = 0;

	return rig_open(&rig, n, name, options, &h);
}

static void
test_open_errors(void **state)
{
	struct engine_identity agent = {
	    .user = "u", .is_owner = true, .is_agent = true, .channel = "C"};

	(void)state;
	assert_int_equal(
	    open_err(0, "NO", MQI_OO_OUTPUT), MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(open_err(0, "Q", 0), MQI_E_OPTIONS);
	assert_int_equal(open_err(0, "Q", 0x4000), MQI_E_OPTIONS);
	assert_int_equal(
	    open_err(0, "Q", MQI_OO_INPUT_SHARED | MQI_OO_INPUT_EXCLUSIVE),
	    MQI_E_OPTIONS);
	rig_define(&rig, MQATTR_QLOCAL, "SYSTEM.X", NULL);
	rig_connect_as(&rig, 2, &agent);
	assert_int_equal(
	    open_err(2, "SYSTEM.X", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(open_err(2, "Q", MQI_OO_OUTPUT), MQI_OK);
	rig_define(&rig, MQATTR_QMGR, "QM", "DEADQ=SYSTEM.X", NULL);
	assert_int_equal(
	    open_err(2, "SYSTEM.X", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    open_err(2, "SYSTEM.X", MQI_OO_OUTPUT | MQLOCAL_OO_DEAD_LETTER),
	    MQI_OK);
	assert_int_equal(open_err(0, "SYSTEM.X", MQI_OO_OUTPUT), MQI_OK);
	engine_close(rig.e, rig.sessions[0].s, 500, 77);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_E_HOBJ);
	engine_inquire(rig.e, rig.sessions[0].s, 501, 77);
	assert_int_equal(rig_result(&rig, 0, 501), MQI_E_HOBJ);
	engine_inquire(
	    rig.e, rig.sessions[0].s, 502, open_as(0, "Q", MQI_OO_OUTPUT));
	assert_int_equal(rig_result(&rig, 0, 502), MQI_E_NOT_OPEN_FOR_INQUIRE);
}

static void
test_exclusive_input_keeps_others_out(void **state)
{
	uint32_t h = open_as(0, "Q", MQI_OO_INPUT_EXCLUSIVE);

	(void)state;
	assert_int_equal(
	    open_err(1, "Q", MQI_OO_INPUT_SHARED), MQI_E_OBJECT_IN_USE);
	assert_int_equal(open_err(1, "Q", MQI_OO_OUTPUT), MQI_OK);
	engine_close(rig.e, rig.sessions[0].s, 500, h);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_OK);
	assert_int_equal(open_err(1, "Q", MQI_OO_INPUT_SHARED), MQI_OK);
	assert_int_equal(
	    open_err(0, "Q", MQI_OO_INPUT_EXCLUSIVE), MQI_E_OBJECT_IN_USE);
	rig_define(&rig, MQATTR_QLOCAL, "R", "SHARE=NO", NULL);
	assert_int_equal(open_err(0, "R", MQI_OO_INPUT_SHARED), MQI_OK);
	assert_int_equal(
	    open_err(1, "R", MQI_OO_INPUT_SHARED), MQI_E_OBJECT_IN_USE);
	rig_define(&rig, MQATTR_QLOCAL, "S", "DEFSOPT=EXCL", NULL);
	assert_int_equal(open_err(0, "S", MQI_OO_INPUT_AS_Q_DEF), MQI_OK);
	assert_int_equal(
	    open_err(1, "S", MQI_OO_INPUT_AS_Q_DEF), MQI_E_OBJECT_IN_USE);
}

static void
test_put_errors(void **state)
{
	uint32_t in = open_as(0, "Q", MQI_OO_INPUT_SHARED);
	uint32_t h = open_q(0);
	struct rig_put p = RIG_PUT(h, "x");
	struct engine_identity agent = {
	    .user = "u", .is_owner = true, .is_agent = true, .channel = "C"};

	(void)state;
	assert_int_equal(rig_put(&rig, 0, 77, 0, "x"), MQI_E_HOBJ);
	assert_int_equal(
	    rig_put(&rig, 0, in, 0, "x"), MQI_E_NOT_OPEN_FOR_OUTPUT);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "PUT=DISABLED", NULL);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_E_PUT_INHIBITED);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "PUT=ENABLED", "MAXMSGL=3", NULL);
	assert_int_equal(
	    rig_put(&rig, 0, h, 0, "xxxx"), MQI_E_MSG_TOO_BIG_FOR_Q);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXMSGL=100", NULL);
	rig_define(&rig, MQATTR_QMGR, "QM", "MAXMSGL=5", NULL);
	assert_int_equal(
	    rig_put(&rig, 0, h, 0, "xxxxxx"), MQI_E_MSG_TOO_BIG_FOR_Q_MGR);
	rig_connect_as(&rig, 2, &agent);
	rig_define(&rig, MQATTR_QMGR, "QM", "MAXMSGL=5", "DEADQ=Q", NULL);
	assert_int_equal(
	    rig_put(&rig, 2,
		open_as(2, "Q", MQI_OO_OUTPUT | MQLOCAL_OO_DEAD_LETTER), 0,
		"xxxxxx"),
	    MQI_OK);
	assert_int_equal(rig_get(&rig, 0, in, 0, NULL, 0), MQI_OK);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXDEPTH=1", NULL);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_E_Q_FULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "MAXDEPTH=9", NULL);
	store_mem_set_room(rig.store, false);
	assert_int_equal(
	    rig_put(&rig, 0, h, 0, "x"), MQI_E_STORAGE_MEDIUM_FULL);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	p.persistence = MQI_PERSISTENCE_NO;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	store_mem_set_room(rig.store, true);
	p.desc = "garbage";
	p.desc_len = 7;
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_E_MD);
}

static void
test_put_through_an_alias_obeys_both(void **state)
{
	struct rig_put p;
	uint32_t h;

	(void)state;
	rig_define(&rig, MQATTR_QALIAS, "A", "TARGET=Q", "DEFPRTY=7",
	    "DEFPSIST=YES", NULL);
	h = open_as(0, "A", MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED);
	p = RIG_PUT(h, "x");
	p.persistence = MQI_PERSISTENCE_AS_Q_DEF;
	{
		uint32_t id = rig_ask_put(&rig, 0, &p);
		struct rig_reply *k;

		rig_settle(&rig);
		k = rig_reply(&rig, 0, id);
		assert_int_equal(k->r.u.put.priority, 7);
		assert_true(k->r.u.put.persistent);
	}
	rig_define(
	    &rig, MQATTR_QALIAS, "A", "PUT=DISABLED", "GET=DISABLED", NULL);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_E_PUT_INHIBITED);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_GET_INHIBITED);
}

static void
test_async_put_fails_suppressed_until_reset(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "x");

	(void)state;
	p.flags = MQLOCAL_PUT_ASYNC;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "PUT=DISABLED", NULL);
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_E_PUT_INHIBITED);
	rig_define(&rig, MQATTR_QLOCAL, "Q", "PUT=ENABLED", NULL);
	assert_int_equal(
	    rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_E_SUPPRESSED);
	/* others are not held up */
	p.flags = 0;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	p.flags = MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_RESET;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
}

static void
test_remote_put_lands_on_the_transmission_queue_with_its_route(void **state)
{
	struct engine_identity agent = {
	    .user = "u", .is_owner = true, .is_agent = true, .channel = "C"};
	struct mqdesc_route route = {.queue = "FAR", .qmgr = "QM3", .hops = 2};
	struct mqdesc_stamp st = {.route = &route, .persistent = true};
	struct mqdesc_info info;
	const struct entry *x;
	struct rig_put p;
	struct mqbuf plain, routed;
	struct mqi_md md;

	(void)state;
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "FAR", "RNAME=NEAR", "RQMNAME=QM2",
	    "XMITQ=X", NULL);
	p = RIG_PUT(open_as(0, "FAR", MQI_OO_OUTPUT), "hello");
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	x = queue_oldest(queue_by_id(
	    rig.e, engine_object_find(rig.e, MQATTR_QLOCAL, "X")->id));
	assert_int_equal(
	    mqdesc_read(x->m.data->data, x->m.desc_len, &info), MQI_OK);
	assert_true(info.has_route);
	assert_string_equal(info.route.queue, "NEAR");
	assert_string_equal(info.route.qmgr, "QM2");
	assert_int_equal(info.route.hops, 1);
	/* an agent's message has passed others before */
	mqi_md_init(&md);
	mqbuf_init(&plain, MQDESC_MAX);
	mqbuf_init(&routed, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &plain), MQI_OK);
	assert_int_equal(
	    mqdesc_stamp(plain.data, plain.len, &st, &routed), MQI_OK);
	rig_connect_as(&rig, 2, &agent);
	p.handle = open_as(2, "FAR", MQI_OO_OUTPUT);
	p.desc = routed.data;
	p.desc_len = (uint32_t)routed.len;
	rig_define(&rig, MQATTR_QMGR, "QM", "HOPLIMIT=3", NULL);
	assert_int_equal(rig_result(&rig, 2, rig_ask_put(&rig, 2, &p)), MQI_OK);
	rig_define(&rig, MQATTR_QMGR, "QM", "HOPLIMIT=2", NULL);
	assert_int_equal(
	    rig_result(&rig, 2, rig_ask_put(&rig, 2, &p)), MQI_E_HOP_LIMIT);
	/* at home the route is gone */
	p.handle = open_as(2, "Q", MQI_OO_OUTPUT);
	assert_int_equal(rig_result(&rig, 2, rig_ask_put(&rig, 2, &p)), MQI_OK);
	x = queue_oldest(queue_by_id(
	    rig.e, engine_object_find(rig.e, MQATTR_QLOCAL, "Q")->id));
	assert_int_equal(
	    mqdesc_read(x->m.data->data, x->m.desc_len, &info), MQI_OK);
	assert_false(info.has_route);
	mqbuf_fini(&plain);
	mqbuf_fini(&routed);
}

static void
test_message_ids_are_ours_and_never_the_same(void **state)
{
	struct rig_put p = RIG_PUT(open_q(0), "x");
	uint8_t first[MQI_ID_LEN];
	struct rig_reply *k;
	uint32_t id;

	(void)state;
	id = rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	memcpy(first, k->msg_id, MQI_ID_LEN);
	assert_memory_equal(first, "SLMQ", 4);
	assert_int_equal(first[4], 7);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	p.handle = open_q(0);
	id = rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_memory_not_equal(first, k->msg_id, MQI_ID_LEN);
	assert_memory_equal(first, k->msg_id, 16);
}

/* ---- objects ---- */

static void
test_objects_survive_a_restart_and_deleted_ones_do_not(void **state)
{
	uint64_t pos = 0;

	(void)state;
	rig_define(
	    &rig, MQATTR_QLOCAL, "K", "MAXDEPTH=17", "DESCR=hello", NULL);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "R", false, &pos),
	    MQI_OK);
	assert_true(pos > 0);
	rig_advance_ms(&rig, 20);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	assert_int_equal(
	    mqattr_int(engine_object_find(rig.e, MQATTR_QLOCAL, "K")->attrs,
		MQATTR_ID_MAXDEPTH),
	    17);
	assert_null(engine_object_find(rig.e, MQATTR_QLOCAL, "R"));
	assert_string_equal(
	    engine_object_next(rig.e, MQATTR_QLOCAL, NULL)->name, "K");
}

static void
test_object_errors(void **state)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_QALIAS);
	struct mqattr_set *local = mqattr_set_new(MQATTR_QLOCAL);
	uint32_t h = open_q(0);
	uint64_t pos = 0;

	(void)state;
	assert_int_equal(
	    engine_object_set(rig.e, MQATTR_QALIAS, "Q", set, &pos),
	    MQI_E_OBJECT_TYPE);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "NO", true, &pos),
	    MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "Q", true, &pos),
	    MQI_E_OBJECT_IN_USE);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_OK);
	assert_int_equal(
	    engine_queue_clear(rig.e, "Q", &pos), MQI_E_OBJECT_IN_USE);
	rig_disconnect(&rig, 0);
	assert_int_equal(
	    mqattr_set_text(local, MQATTR_ID_USAGE, "XMITQ", NULL, 0), MQI_OK);
	assert_int_equal(
	    engine_object_set(rig.e, MQATTR_QLOCAL, "Q", local, &pos),
	    MQI_E_Q_NOT_EMPTY);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "Q", false, &pos),
	    MQI_E_Q_NOT_EMPTY);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QLOCAL, "Q", true, &pos),
	    MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
	assert_int_equal(
	    engine_queue_clear(rig.e, "Q", &pos), MQI_E_UNKNOWN_OBJECT);
	(void)mqattr_set_free(set);
	(void)mqattr_set_free(local);
}

static void
test_alias_in_use_cannot_be_deleted(void **state)
{
	uint64_t pos = 0;
	uint32_t h;

	(void)state;
	rig_define(&rig, MQATTR_QALIAS, "A", "TARGET=Q", NULL);
	h = open_as(0, "A", MQI_OO_OUTPUT);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QALIAS, "A", false, &pos),
	    MQI_E_OBJECT_IN_USE);
	engine_close(rig.e, rig.sessions[0].s, 500, h);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_QALIAS, "A", false, &pos),
	    MQI_OK);
}

static void
test_clear_removes_all_and_keeps_the_queue(void **state)
{
	uint32_t h = open_q(0);
	uint64_t pos = 0;
	char body[16];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(rig_put(&rig, 0, h, 0, "old"), MQI_OK);
	rig_disconnect(&rig, 0);
	assert_int_equal(engine_queue_clear(rig.e, "Q", &pos), MQI_OK);
	rig_advance_ms(&rig, 20);
	assert_int_equal(store_mem_bodies(rig.store), 0);
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_put(&rig, 0, h, 0, "new"), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_get(&rig, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "new");
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_status_tells_what_is_there(void **state)
{
	struct engine_queue_status st;
	uint32_t h = open_q(0);

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "abc"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 3, "abc"), MQI_OK);
	rig_advance_ms(&rig, 2000);
	assert_int_equal(engine_queue_status(rig.e, "Q", &st), MQI_OK);
	assert_int_equal(st.depth, 2);
	assert_int_equal(st.bytes, 3);
	assert_int_equal(st.open_input, 1);
	assert_int_equal(st.open_output, 1);
	assert_int_equal(st.uncommitted, 1);
	assert_int_equal(st.oldest_age_ms, 2000);
	assert_true(st.last_put_ms > 0);
	assert_int_equal(st.last_get_ms, 0);
	assert_false(st.damaged);
	assert_int_equal(
	    engine_queue_status(rig.e, "NO", &st), MQI_E_UNKNOWN_OBJECT);
}

static void
test_external_reply_waits_for_its_position(void **state)
{
	struct mqref *bytes = mqref_copy("row", 3);
	struct mqattr_set *set = mqattr_set_new(MQATTR_QLOCAL);
	uint64_t pos = 0;

	(void)state;
	store_mem_set_automatic(rig.store, false);
	assert_int_equal(
	    engine_object_set(rig.e, MQATTR_QLOCAL, "N", set, &pos), MQI_OK);
	engine_reply_external(rig.e, rig.sessions[0].s, 500, pos, bytes);
	engine_reply_external(rig.e, rig.sessions[0].s, 501, 0, bytes);
	assert_non_null(rig_reply(&rig, 0, 501));
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 0, 500));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, 500));
	(void)mqref_unref(bytes);
	(void)mqattr_set_free(set);
}

/* ---- stopping ---- */

static void
test_quiesce_ends_waits_and_lets_units_end(void **state)
{
	uint32_t h = open_q(0);
	struct mqlocal_get get = RIG_GET(h);
	uint32_t id;

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 3, "x"), MQI_OK);
	get.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&rig, 0, &get);
	engine_quiesce(rig.e, false);
	assert_int_equal(rig_result(&rig, 0, id), MQI_E_Q_MGR_STOPPING);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_Q_MGR_STOPPING);
	assert_int_equal(open_err(0, "Q", MQI_OO_OUTPUT), MQI_E_Q_MGR_STOPPING);
	assert_false(engine_is_drained(rig.e));
	assert_int_equal(rig_commit(&rig, 0, 3), MQI_OK);
	assert_true(engine_is_drained(rig.e));
	rig_restart(&rig);
	rig_connect(&rig, 0);
	assert_int_equal(rig_get(&rig, 0, open_q(0), 0, NULL, 0), MQI_OK);
}

static void
test_quiesce_at_once_backs_units_out(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_OK);
	assert_int_equal(rig_get(&rig, 0, h, 3, NULL, 0), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 3, "y"), MQI_OK);
	engine_quiesce(rig.e, true);
	rig_settle(&rig);
	assert_true(engine_is_drained(rig.e));
	assert_int_equal(rig_put(&rig, 0, h, 3, "z"), MQI_E_Q_MGR_STOPPING);
	assert_int_equal(rig_commit(&rig, 0, 3), MQI_E_BACKED_OUT);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	h = open_q(0);
	assert_int_equal(rig_get(&rig, 0, h, 0, NULL, 0), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_store_of_another_queue_manager_is_refused(void **state)
{
	static const struct engine_ops ops;
	struct engine_config config = {.name = "OTHER"};
	struct engine *e = NULL;

	(void)state;
	assert_int_equal(
	    engine_new(&config, &ops, NULL, rig.store, &e), MQI_E_Q_MGR_NAME);
	assert_null(e);
}

static void
test_many_idle_queues_cost_little(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof(name), "IDLE.%u", i);
		rig_define(&rig, MQATTR_QLOCAL, name, NULL);
	}
	rig_advance_ms(&rig, 20);
	assert_true(sizeof(struct queue) < 1024);
	assert_int_equal(
	    rig_put(&rig, 0, open_as(0, "IDLE.9999", MQI_OO_OUTPUT), 0, "x"),
	    MQI_OK);
}

/* Messages that nobody served are told of again. */
static void
test_a_channel_that_is_defined_serves_what_waits(void **state)
{
	uint32_t before;

	(void)state;
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&rig, MQATTR_CHANNEL, "EMPTY", "XMITQ=X", NULL);
	assert_int_equal(rig.stream_work, 0);
	assert_int_equal(
	    rig_put(&rig, 0, open_as(0, "X", MQI_OO_OUTPUT), 0, "x"), MQI_OK);
	before = rig.stream_work;
	assert_true(before > 0);
	rig_define(&rig, MQATTR_CHANNEL, "OTHER", "XMITQ=Y", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	assert_int_equal(rig.stream_work, before);
	rig_define(&rig, MQATTR_CHANNEL, "C", "XMITQ=X", NULL);
	assert_int_equal(rig.stream_work, before + 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_open_errors),
	    T(test_a_channel_that_is_defined_serves_what_waits),
	    T(test_exclusive_input_keeps_others_out),
	    T(test_put_errors),
	    T(test_put_through_an_alias_obeys_both),
	    T(test_async_put_fails_suppressed_until_reset),
	    T(test_remote_put_lands_on_the_transmission_queue_with_its_route),
	    T(test_message_ids_are_ours_and_never_the_same),
	    T(test_objects_survive_a_restart_and_deleted_ones_do_not),
	    T(test_object_errors),
	    T(test_alias_in_use_cannot_be_deleted),
	    T(test_clear_removes_all_and_keeps_the_queue),
	    T(test_status_tells_what_is_there),
	    T(test_external_reply_waits_for_its_position),
	    T(test_quiesce_ends_waits_and_lets_units_end),
	    T(test_quiesce_at_once_backs_units_out),
	    T(test_store_of_another_queue_manager_is_refused),
	    T(test_many_idle_queues_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

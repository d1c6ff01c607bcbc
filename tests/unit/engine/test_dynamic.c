/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dynamic.c - queues that opening a model queue makes, and how they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

#define IN_OUT (MQI_OO_OUTPUT | MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INQUIRE)

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct engine_config c = {.name = "QM"};

	rig_start(r, &c);
	rig_define(r, MQATTR_QMODEL, "TEMP", "MAXDEPTH=7", "DEFPSIST=YES",
	    "DEFSOPT=SHARED", "SHARE=YES", NULL);
	rig_define(r, MQATTR_QMODEL, "PERM", "DEFTYPE=PERMDYN", NULL);
	(void)rig_connect(r, 0);
	(void)rig_connect(r, 1);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

/* Opens a model and tells the name of what was made. */
static uint32_t
open_model(struct rig *r, const char *model, char ret_name[MQI_NAME_LEN + 1])
{
	uint32_t h, id = ++r->last_id;

	assert_int_equal(rig_open(r, 0, model, IN_OUT, &h), MQI_OK);
	id = ++r->last_id;
	engine_inquire(r->e, r->sessions[0].s, id, h);
	rig_settle(r);
	strcpy(ret_name, rig_reply(r, 0, id)->info.resolved_name);
	assert_memory_equal(ret_name, "AMQ.", 4);
	return h;
}

static const struct engine_object *
find(const struct rig *r, const char *name)
{
	return engine_object_find(r->e, MQATTR_QLOCAL, name);
}

static void
close_handle(struct rig *r, unsigned n, uint32_t h)
{
	uint32_t id = ++r->last_id;

	engine_close(r->e, r->sessions[n].s, id, h);
	assert_int_equal(rig_result(r, n, id), MQI_OK);
}

static void
test_each_open_makes_a_queue_like_the_model(void **state)
{
	struct rig *r = *state;
	char a[MQI_NAME_LEN + 1], b[MQI_NAME_LEN + 1], body[8] = "";
	uint32_t h = open_model(r, "TEMP", a), k = open_model(r, "TEMP", b);
	const struct engine_object *o = find(r, a);

	assert_string_not_equal(a, b);
	assert_int_equal(mqattr_int(o->attrs, MQATTR_ID_MAXDEPTH), 7);
	assert_true(mqattr_is(o->attrs, MQATTR_ID_DEFTYPE, "TEMPDYN"));
	assert_int_equal(strlen(mqattr_text(o->attrs, MQATTR_ID_CRDATE)), 10);
	assert_int_equal(rig_put(r, 0, h, 0, "hi"), MQI_OK);
	assert_int_equal(
	    rig_get(r, 0, k, 0, body, sizeof(body)), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(rig_get(r, 0, h, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "hi");
}

static void
test_a_temporary_one_ends_with_its_maker(void **state)
{
	struct rig *r = *state;
	char name[MQI_NAME_LEN + 1], body[8];
	uint32_t h = open_model(r, "TEMP", name), other, id;
	struct mqlocal_get req;

	assert_int_equal(rig_put(r, 0, h, 0, "lost"), MQI_OK);
	assert_int_equal(rig_open(r, 1, name, IN_OUT, &other), MQI_OK);
	assert_int_equal(rig_get(r, 1, other, 0, body, sizeof(body)), MQI_OK);
	req = RIG_GET(other);
	req.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(r, 1, &req);
	close_handle(r, 0, h);
	assert_int_equal(rig_result(r, 1, id), MQI_E_Q_DELETED);
	assert_int_equal(rig_put(r, 1, other, 0, "x"), MQI_E_Q_DELETED);
	assert_int_equal(rig_open(r, 0, name, IN_OUT, &h), MQI_E_Q_DELETED);
	assert_non_null(find(r, name));
	close_handle(r, 1, other);
	rig_settle(r);
	assert_null(find(r, name));
	assert_int_equal(
	    rig_open(r, 0, name, IN_OUT, &h), MQI_E_UNKNOWN_OBJECT);
}

static void
test_a_unit_keeps_it_until_it_ends(void **state)
{
	struct rig *r = *state;
	char name[MQI_NAME_LEN + 1];
	uint32_t h = open_model(r, "TEMP", name);

	assert_int_equal(rig_put(r, 0, h, 1, "x"), MQI_OK);
	close_handle(r, 0, h);
	rig_settle(r);
	assert_non_null(find(r, name));
	assert_int_equal(rig_commit(r, 0, 1), MQI_OK);
	rig_settle(r);
	assert_null(find(r, name));
}

static void
test_a_session_or_a_start_ends_it_too(void **state)
{
	struct rig *r = *state;
	char name[MQI_NAME_LEN + 1], perm[MQI_NAME_LEN + 1];
	uint32_t h = open_model(r, "TEMP", name), p;

	assert_int_equal(rig_put(r, 0, h, 0, "x"), MQI_OK);
	rig_disconnect(r, 0);
	rig_settle(r);
	assert_null(find(r, name));
	(void)rig_connect(r, 0);
	h = open_model(r, "TEMP", name);
	assert_int_equal(rig_put(r, 0, h, 0, "x"), MQI_OK);
	p = open_model(r, "PERM", perm);
	close_handle(r, 0, p);
	rig_crash(r, 0);
	assert_null(find(r, name));
	assert_non_null(find(r, perm));
	rig_crash(r, 0);
	assert_null(find(r, name));
	(void)rig_connect(r, 0);
	assert_int_equal(rig_open(r, 0, perm, IN_OUT, &h), MQI_OK);
}

/* A model is no queue to put on, by whatever way. */
static void
test_a_model_is_no_target(void **state)
{
	struct rig *r = *state;
	uint32_t h;

	rig_define(r, MQATTR_QALIAS, "A", "TARGET=TEMP", NULL);
	assert_int_equal(
	    rig_open(r, 0, "A", MQI_OO_OUTPUT, &h), MQI_E_ALIAS_TARGET);
}

static void
test_rights_on_the_model_count(void **state)
{
	static const struct engine_identity joe = {.user = "joe"};
	struct rig *r = *state;
	uint32_t h, before = r->e->n_dynamic;

	rig_disconnect(r, 1);
	(void)rig_connect_as(r, 1, &joe);
	assert_int_equal(
	    rig_open(r, 1, "TEMP", IN_OUT, &h), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(r->e->n_dynamic, before);
	rig_define(r, MQATTR_AUTHREC, "R", "PROFILE=TEMP", "OBJTYPE=QUEUE",
	    "ENTITY=joe", "ENTTYPE=PRINCIPAL", "AUTHLIST=PUT,GET,INQ", NULL);
	assert_int_equal(rig_open(r, 1, "TEMP", IN_OUT, &h), MQI_OK);
	assert_int_equal(rig_put(r, 1, h, 0, "x"), MQI_OK);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_open_makes_a_queue_like_the_model),
	    TEST(test_a_temporary_one_ends_with_its_maker),
	    TEST(test_a_unit_keeps_it_until_it_ends),
	    TEST(test_a_session_or_a_start_ends_it_too),
	    TEST(test_a_model_is_no_target),
	    TEST(test_rights_on_the_model_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

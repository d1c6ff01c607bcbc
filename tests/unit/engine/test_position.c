/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_position.c - conditional positions.
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
#include "qmgr/engine/engine_int.h"
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

static const uint8_t stream_id[16] = {5};

static struct rig_reply *
position_open(unsigned n, const char *identity)
{
	struct mqlocal_position_open req = {.partner = "P"};
	uint32_t id = ++rig.last_id;

	memcpy(req.stream, stream_id, 16);
	(void)snprintf(req.identity, sizeof(req.identity), "%s", identity);
	engine_position_open(rig.e, rig.sessions[n].s, id, &req);
	rig_settle(&rig);
	return rig_reply(&rig, n, id);
}

static enum mqi_err
unit_position(
    unsigned n, uint32_t unit, uint64_t fence, uint64_t from, uint64_t to)
{
	struct mqlocal_unit_position req = {.unit = unit,
	    .partner = "P",
	    .fence = fence,
	    .from = from,
	    .to = to,
	    .incarnation = {3}};
	uint32_t id = ++rig.last_id;

	memcpy(req.stream, stream_id, 16);
	engine_unit_position(rig.e, rig.sessions[n].s, id, &req);
	return rig_result(&rig, n, id);
}

static void
test_position_moves_with_its_unit_and_survives(void **state)
{
	uint32_t h = open_q(0);
	struct rig_reply *k = position_open(0, "");

	(void)state;
	assert_int_equal(k->r.u.position.position, 0);
	assert_int_equal(k->r.u.position.fence, 1);
	assert_int_equal(rig_put(&rig, 0, h, 4, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 4, 1, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_OK);
	rig_restart(&rig);
	rig_connect(&rig, 0);
	k = position_open(0, "");
	assert_int_equal(k->r.u.position.position, 10);
	assert_int_equal(k->r.u.position.fence, 2);
	assert_int_equal(k->r.u.position.incarnation[0], 3);
}

static void
test_position_elsewhere_undoes_the_unit(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	(void)position_open(0, "");
	assert_int_equal(rig_put(&rig, 0, h, 4, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 4, 0, 5, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_E_POSITION_MOVED);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_later_holder_fences_the_earlier_one(void **state)
{
	uint32_t h = open_q(0);

	(void)state;
	(void)position_open(0, "");
	assert_int_equal(rig_put(&rig, 0, h, 4, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 4, 0, 0, 10), MQI_OK);
	(void)position_open(1, "");
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_E_FENCED);
	assert_int_equal(rig_put(&rig, 0, h, 5, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 5, 1, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 5), MQI_E_FENCED);
	assert_int_equal(unit_position(1, 6, 2, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 1, 6), MQI_OK);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_position_that_was_never_opened_is_fenced(void **state)
{
	(void)state;
	assert_int_equal(unit_position(0, 4, 0, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_E_FENCED);
}

static void
test_position_under_another_identity_is_refused(void **state)
{
	(void)state;
	assert_int_equal(position_open(0, "CN=A")->r.kind, ENGINE_POSITION);
	assert_int_equal(position_open(1, "CN=B")->r.reason, MQI_E_NOT_CURRENT);
	assert_int_equal(position_open(1, "CN=A")->r.kind, ENGINE_POSITION);
}

static enum mqi_err
claim(unsigned i, const char *identity)
{
	struct mqlocal_position_open req = {.stream = {1}};
	uint32_t id = ++rig.last_id;
	struct rig_reply *k;

	(void)snprintf(req.partner, sizeof(req.partner), "P%u", i);
	req.stream[1] = (uint8_t)i;
	req.stream[2] = (uint8_t)(i >> 8);
	(void)snprintf(req.identity, sizeof(req.identity), "%s", identity);
	engine_position_open(rig.e, rig.sessions[0].s, id, &req);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	return k->r.kind == ENGINE_POSITION ? MQI_OK : k->r.reason;
}

/* The name of a queue manager is what a partner says. */
static void
test_positions_of_one_certificate_are_bounded_whatever_it_claims(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENGINE_MAX_POSITIONS; i++)
		assert_int_equal(claim(i, "CN=A"), MQI_OK);
	assert_int_equal(
	    claim(ENGINE_MAX_POSITIONS, "CN=A"), MQI_E_RESOURCE_PROBLEM);
	assert_int_equal(claim(7, "CN=A"), MQI_OK);
	assert_int_equal(claim(ENGINE_MAX_POSITIONS, "CN=B"), MQI_OK);
}

static void
test_position_of_another_incarnation_is_refused_if_one_is_named(void **state)
{
	struct mqlocal_position_open req = {.partner = "P"};

	(void)state;
	memcpy(req.stream, stream_id, 16);
	(void)position_open(0, "");
	assert_int_equal(unit_position(0, 4, 0, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_OK);
	req.incarnation[0] = 4;
	engine_position_open(rig.e, rig.sessions[0].s, 500, &req);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_E_NOT_CURRENT);
	req.incarnation[0] = 3;
	engine_position_open(rig.e, rig.sessions[0].s, 501, &req);
	assert_int_equal(rig_result(&rig, 0, 501), MQI_OK);
}

static void
test_position_errors(void **state)
{
	struct mqlocal_position_open req = {.partner = ""};

	(void)state;
	engine_position_open(rig.e, rig.sessions[0].s, 500, &req);
	assert_int_equal(rig_result(&rig, 0, 500), MQI_E_OBJECT_NAME);
	assert_int_equal(unit_position(0, 4, 0, 7, 7), MQI_E_OPTIONS);
	assert_int_equal(unit_position(0, 4, 0, 7, 8), MQI_OK);
	assert_int_equal(unit_position(0, 4, 0, 8, 9), MQI_E_OPTIONS);
}

/* Not while somebody holds it, and not by a number that is not the one kept;
 * and whoever held it stays fenced. */
static void
test_forgotten_position_begins_anew_above_its_fences(void **state)
{
	uint32_t h = open_q(0);
	uint64_t pos, fence;

	(void)state;
	(void)position_open(0, "");
	assert_int_equal(rig_put(&rig, 0, h, 4, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 4, 0, 0, 10), MQI_OK);
	fence = position_open(1, "")->r.u.position.fence;
	assert_int_equal(engine_position_forget(rig.e, "P", stream_id, 0, &pos),
	    MQI_E_OBJECT_IN_USE);
	rig_disconnect(&rig, 1);
	assert_int_equal(engine_position_forget(rig.e, "P", stream_id, 1, &pos),
	    MQI_E_POSITION_MOVED);
	assert_int_equal(engine_position_forget(rig.e, "O", stream_id, 0, &pos),
	    MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(
	    engine_position_forget(rig.e, "P", stream_id, 0, &pos), MQI_OK);
	assert_true(pos > 0);
	/* the first holder is still there, with its fence and from 0 */
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_E_FENCED);
	rig_connect(&rig, 1);
	assert_true(position_open(1, "")->r.u.position.fence > fence);
	assert_int_equal(rig_put(&rig, 0, h, 5, "one"), MQI_OK);
	assert_int_equal(unit_position(0, 5, 1, 0, 10), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 5), MQI_E_FENCED);
	assert_int_equal(
	    rig_get(&rig, 0, h, 0, NULL, 0), MQI_E_NO_MSG_AVAILABLE);
}

static void
count_positions(void *arg, const struct record_position *p)
{
	(void)p;
	(*(unsigned *)arg)++;
}

static void
test_forgotten_position_stays_so_and_makes_room(void **state)
{
	unsigned n = 0;
	uint64_t pos;

	(void)state;
	(void)position_open(0, "");
	rig_disconnect(&rig, 0);
	rig_advance_ms(&rig, 20);
	assert_int_equal(
	    engine_position_forget(rig.e, "P", stream_id, 0, &pos), MQI_OK);
	engine_each_position(rig.e, count_positions, &n);
	assert_int_equal(n, 0);
	rig_advance_ms(&rig, 20);
	rig_restart(&rig);
	engine_each_position(rig.e, count_positions, &n);
	assert_int_equal(n, 0);
	rig_connect(&rig, 0);
	assert_int_equal(position_open(0, "")->r.u.position.position, 0);
}

static void
test_position_fence_is_durable_before_it_is_told(void **state)
{
	struct mqlocal_position_open req = {.partner = "P"};

	(void)state;
	store_mem_set_automatic(rig.store, false);
	engine_position_open(rig.e, rig.sessions[0].s, 500, &req);
	rig_turn(&rig);
	rig_turn(&rig);
	assert_null(rig_reply(&rig, 0, 500));
	assert_true(store_mem_make_durable(rig.store));
	rig_turn(&rig);
	assert_non_null(rig_reply(&rig, 0, 500));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_position_moves_with_its_unit_and_survives),
	    T(test_position_elsewhere_undoes_the_unit),
	    T(test_later_holder_fences_the_earlier_one),
	    T(test_position_that_was_never_opened_is_fenced),
	    T(test_position_under_another_identity_is_refused),
	    T(test_positions_of_one_certificate_are_bounded_whatever_it_claims),
	    T(test_position_of_another_incarnation_is_refused_if_one_is_named),
	    T(test_position_errors),
	    T(test_forgotten_position_begins_anew_above_its_fences),
	    T(test_forgotten_position_stays_so_and_makes_room),
	    T(test_position_fence_is_durable_before_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_room.c - a disk that is nearly full refuses what would write messages,
 * whichever way they come, and nothing else.
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
#include "tests/unit/engine/rig.h"

#define LONG 100000u
#define NP_BYTES 20000u

static struct rig rig;
static uint8_t body[LONG];
static uint32_t h;

static int
setup(void **state)
{
	struct engine_config config = {.np_bytes = NP_BYTES};

	rig_start(&rig, &config);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_connect(&rig, 0);
	rig_settle(&rig);
	assert_int_equal(
	    rig_open(&rig, 0, "Q", MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &h),
	    MQI_OK);
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

static enum mqi_err
put_np(uint32_t unit, uint32_t len)
{
	struct rig_put p = RIG_PUT(h, "");

	p.unit = unit;
	p.persistence = MQI_PERSISTENCE_NO;
	p.body = body;
	p.len = len;
	return rig_result(&rig, 0, rig_ask_put(&rig, 0, &p));
}

static void
test_a_put_is_refused_and_a_get_is_not(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	store_mem_set_room(rig.store, false);
	assert_int_equal(
	    rig_put(&rig, 0, h, 0, "two"), MQI_E_STORAGE_MEDIUM_FULL);
	assert_int_equal(rig_get(&rig, 0, h, 0, text, sizeof(text)), MQI_OK);
}

static void
test_a_put_is_refused_amid_its_pieces(void **state)
{
	struct engine_put req = {
	    .handle = h, .body_len = LONG, .body_crc = mqcrc32c(0, body, LONG)};
	struct engine_session *s = rig.sessions[0].s;
	struct mqi_md md;
	struct mqbuf b;

	(void)state;
	mqi_md_init(&md);
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	assert_int_equal(engine_put(rig.e, s, 900, &req), MQI_OK);
	mqbuf_fini(&b);
	store_mem_set_room(rig.store, false);
	assert_int_equal(
	    engine_put_piece(rig.e, s, 900, body, MQFRAME_PIECE), MQI_OK);
	/* the rest comes all the same */
	assert_int_equal(
	    engine_put_piece(rig.e, s, 900, body, LONG - MQFRAME_PIECE),
	    MQI_OK);
	assert_int_equal(rig_result(&rig, 0, 900), MQI_E_STORAGE_MEDIUM_FULL);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_a_unit_that_would_write_messages_is_backed_out(void **state)
{
	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 1, "one"), MQI_OK);
	store_mem_set_room(rig.store, false);
	assert_int_equal(rig_commit(&rig, 0, 1), MQI_E_BACKED_OUT);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_a_unit_of_gets_is_committed(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(rig_put(&rig, 0, h, 0, "one"), MQI_OK);
	store_mem_set_room(rig.store, false);
	assert_int_equal(rig_get(&rig, 0, h, 1, text, sizeof(text)), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 1), MQI_OK);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

static void
test_messages_that_memory_cannot_hold_are_refused(void **state)
{
	(void)state;
	store_mem_set_room(rig.store, false);
	assert_int_equal(put_np(0, 5000), MQI_OK);
	assert_int_equal(put_np(0, NP_BYTES), MQI_E_STORAGE_MEDIUM_FULL);
	assert_int_equal(put_np(0, LONG), MQI_E_STORAGE_MEDIUM_FULL);
	/* each would fit, but not all */
	for (int i = 0; i < 4; i++)
		assert_int_equal(put_np(1, 5000), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 1), MQI_E_BACKED_OUT);
	assert_int_equal(put_np(2, 5000), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 2), MQI_OK);
	assert_int_equal(store_mem_bodies(rig.store), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_put_is_refused_and_a_get_is_not, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_put_is_refused_amid_its_pieces, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_unit_that_would_write_messages_is_backed_out, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_unit_of_gets_is_committed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_messages_that_memory_cannot_hold_are_refused, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_expire.c - expiry: what has outlived it is given to nobody and reported,
 * over restarts too, by a clock that does not jump.
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
	uint32_t q, reply;
};

static void
open_queues(struct fixture *f)
{
	uint32_t how = MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED | MQI_OO_BROWSE |
		       MQI_OO_INQUIRE;

	(void)rig_connect(&f->r, 0);
	assert_int_equal(rig_open(&f->r, 0, "Q", how, &f->q), MQI_OK);
	assert_int_equal(rig_open(&f->r, 0, "REPLY", how, &f->reply), MQI_OK);
}

static int
setup_with(void **state, uint32_t window_bytes)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_config c = {.name = "QM", .window_bytes = window_bytes};

	rig_start(&f->r, &c);
	rig_define(&f->r, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "REPLY", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "DLQ", NULL);
	open_queues(f);
	*state = f;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, 0);
}

#define SMALL_WINDOW 2000u

static int
setup_small(void **state)
{
	return setup_with(state, SMALL_WINDOW);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->r);
	free(f);
	return 0;
}

static void
put(struct fixture *f, int32_t expiry, uint32_t report, const void *body,
    uint32_t len)
{
	struct rig_put p = {.handle = f->q, .body = body, .len = len};
	struct mqbuf desc;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	md.expiry = expiry;
	md.report = report;
	strcpy(md.reply_to_q, "REPLY");
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	assert_int_equal(
	    rig_result(&f->r, 0, rig_ask_put(&f->r, 0, &p)), MQI_OK);
	mqbuf_fini(&desc);
}

static enum mqi_err
get(struct fixture *f, uint32_t handle)
{
	char body[200000];

	return rig_get(&f->r, 0, handle, 0, body, sizeof(body));
}

static void
test_an_expired_message_is_given_to_nobody(void **state)
{
	struct fixture *f = *state;

	put(f, 20, 0, "short", 5);
	put(f, MQI_EXPIRY_UNLIMITED, 0, "long", 4);
	rig_advance_ms(&f->r, 1999);
	assert_int_equal(get(f, f->q), MQI_OK); /* just in time */
	put(f, 20, 0, "short", 5);
	rig_advance_ms(&f->r, 2200);
	assert_int_equal(get(f, f->q), MQI_OK); /* the other one */
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_it_is_reported_if_asked(void **state)
{
	struct fixture *f = *state;
	char body[64] = "";

	put(f, 10, MQI_RO_EXPIRATION_WITH_FULL_DATA, "gone", 5);
	rig_advance_ms(&f->r, 2000);
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE); /* lazily */
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(
	    rig_get(&f->r, 0, f->reply, 0, body, sizeof(body)), MQI_OK);
	assert_string_equal(body, "gone");
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_who_waits_gets_the_report(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_get req = RIG_GET(f->reply);
	uint32_t id;

	req.wait_ms = MQI_WAIT_FOREVER;
	id = rig_ask_get(&f->r, 0, &req);
	put(f, 10, MQI_RO_EXPIRATION, "gone", 4);
	rig_advance_ms(&f->r, 2000);
	rig_settle(&f->r);
	assert_null(rig_reply(&f->r, 0, id));
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	rig_settle(&f->r);
	assert_non_null(rig_reply(&f->r, 0, id));
}

static void
test_a_deadline_outlives_a_crash_and_so_does_the_removal(void **state)
{
	struct fixture *f = *state;
	static char large[150000];

	put(f, 10, MQI_RO_EXPIRATION, "gone", 4);
	put(f, 10, MQI_RO_EXPIRATION_WITH_FULL_DATA, large, sizeof(large));
	rig_crash(&f->r, 0);
	open_queues(f);
	rig_advance_ms(&f->r, 2000);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	rig_settle(&f->r);
	rig_crash(&f->r, 0);
	open_queues(f);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(get(f, f->reply), MQI_OK);
	assert_int_equal(get(f, f->reply), MQI_OK);
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_a_report_without_a_place_is_a_dead_letter(void **state)
{
	struct fixture *f = *state;
	struct mqdlh h;
	char body[400];
	uint32_t dlq;

	rig_define(&f->r, MQATTR_QMGR, "QM", "DEADQ=DLQ", NULL);
	put(f, 10, MQI_RO_EXPIRATION, "gone", 4);
	rig_define(&f->r, MQATTR_QLOCAL, "REPLY", "PUT=DISABLED", NULL);
	rig_advance_ms(&f->r, 2000);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(
	    rig_open(&f->r, 0, "DLQ", MQI_OO_INPUT_SHARED, &dlq), MQI_OK);
	assert_int_equal(rig_get(&f->r, 0, dlq, 0, body, sizeof(body)), MQI_OK);
	assert_int_equal(mqdlh_decode(body, MQDLH_LEN, &h), MQI_OK);
	assert_int_equal(h.reason, MQI_E_PUT_INHIBITED);
	assert_string_equal(h.queue, "REPLY");
}

static void
test_a_message_backed_out_too_late_expires(void **state)
{
	struct fixture *f = *state;
	char body[16];

	put(f, 10, MQI_RO_EXPIRATION, "gone", 4);
	assert_int_equal(
	    rig_get(&f->r, 0, f->q, 1, body, sizeof(body)), MQI_OK);
	rig_advance_ms(&f->r, 2000);
	assert_int_equal(rig_backout(&f->r, 0, 1), MQI_OK);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(get(f, f->reply), MQI_OK);
}

static void
test_a_report_goes_only_where_its_sender_may_put(void **state)
{
	static const struct engine_identity partner = {.user = "u",
	    .app_name = "mca",
	    .is_owner = true,
	    .is_agent = true,
	    .channel = "C"};
	struct fixture *f = *state;
	struct rig_put p = {.body = "x", .len = 1};
	struct mqbuf desc;
	struct mqi_md md;

	rig_define(&f->r, MQATTR_QLOCAL, "SYSTEM.X", NULL);
	(void)rig_connect_as(&f->r, 1, &partner);
	assert_int_equal(
	    rig_open(&f->r, 1, "Q", MQI_OO_OUTPUT, &p.handle), MQI_OK);
	mqi_md_init(&md);
	md.expiry = 10;
	md.report = MQI_RO_EXPIRATION;
	strcpy(md.reply_to_q, "SYSTEM.X");
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	assert_int_equal(rig_result(&f->r, 1, rig_ask_put(&f->r, 1, &p)),
	    MQI_E_NOT_AUTHORIZED);
	md.report = MQI_RO_NONE;
	mqbuf_reset(&desc);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	assert_int_equal(
	    rig_result(&f->r, 1, rig_ask_put(&f->r, 1, &p)), MQI_OK);
	mqbuf_fini(&desc);
}

static void
test_large_ones_are_whole_until_then(void **state)
{
	struct fixture *f = *state;
	static char large[150000];

	put(f, 1000, 0, large, sizeof(large));
	assert_int_equal(get(f, f->q), MQI_OK);
	put(f, 1000, 0, large, sizeof(large));
	rig_crash(&f->r, 0);
	open_queues(f);
	assert_int_equal(get(f, f->q), MQI_OK);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
}

/* What is kept of large ones is bounded as the rest is. */
static void
test_descriptors_of_large_ones_count_in_the_window(void **state)
{
	struct fixture *f = *state;
	static char large[70000];
	const struct queue *q = queue_by_id(
	    f->r.e, engine_object_find(f->r.e, MQATTR_QLOCAL, "Q")->id);

	for (unsigned i = 0; i < 50; i++)
		put(f, 1000, 0, large, sizeof(large));
	rig_settle(&f->r);
	rig_advance_ms(&f->r, 20);
	assert_true(q->n_settled > 0 && q->n_settled < 50);
	assert_true(q->settled_bytes > 0 && q->settled_bytes <= SMALL_WINDOW);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(get(f, f->q), MQI_OK);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
}

/* ---- transmission queues ---- */

static const struct engine_identity agent = {
    .user = "u", .app_name = "mca", .is_owner = true, .is_agent = true};

/* Opens the stream of X as session 1 and asks for what follows `after`. */
static uint32_t
send_from_x(struct fixture *f, uint64_t after)
{
	static const uint8_t partner[16] = {1};
	uint32_t id = ++f->r.last_id, h;

	(void)rig_connect_as(&f->r, 1, &agent);
	engine_stream_open(f->r.e, f->r.sessions[1].s, id, "X");
	rig_settle(&f->r);
	h = rig_reply(&f->r, 1, id)->r.handle;
	id = ++f->r.last_id;
	engine_stream_bind(f->r.e, f->r.sessions[1].s, id, h, partner, "CN=P");
	assert_int_equal(rig_result(&f->r, 1, id), MQI_OK);
	engine_stream_credit(
	    f->r.e, f->r.sessions[1].s, h, 100, 1000000, after);
	rig_settle(&f->r);
	return h;
}

static void
test_what_was_never_handed_out_expires_before_it_is_sent(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	assert_int_equal(rig_open(&f->r, 0, "X", MQI_OO_OUTPUT, &f->q), MQI_OK);
	put(f, 10, MQI_RO_EXPIRATION, "gone", 4);
	put(f, MQI_EXPIRY_UNLIMITED, 0, "stays", 5);
	rig_advance_ms(&f->r, 2000);
	(void)send_from_x(f, 0);
	assert_memory_equal(
	    rig_event(&f->r, 1, ENGINE_MESSAGE)->data, "stays", 5);
	assert_null(rig_event(&f->r, 1, ENGINE_MESSAGE));
	assert_int_equal(get(f, f->reply), MQI_OK);
}

static void
test_what_was_handed_out_is_sent_whatever_its_age(void **state)
{
	struct fixture *f = *state;

	rig_define(&f->r, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	assert_int_equal(rig_open(&f->r, 0, "X", MQI_OO_OUTPUT, &f->q), MQI_OK);
	put(f, 10, MQI_RO_EXPIRATION, "sent", 4);
	(void)send_from_x(f, 0);
	assert_non_null(rig_event(&f->r, 1, ENGINE_MESSAGE));
	rig_disconnect(&f->r, 1);
	rig_advance_ms(&f->r, 2000);
	(void)send_from_x(f, 0);
	assert_memory_equal(
	    rig_event(&f->r, 1, ENGINE_MESSAGE)->data, "sent", 4);
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
	/* also after a start, when nobody knows any more */
	rig_crash(&f->r, 0);
	open_queues(f);
	(void)send_from_x(f, 0);
	assert_non_null(rig_event(&f->r, 1, ENGINE_MESSAGE));
}

/* ---- the clock ---- */

static void
test_a_jump_of_the_wall_expires_nothing_early(void **state)
{
	static const int64_t jumps_s[] = {3600, -3600};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct engine e = {.mono_us = 0};
		uint64_t wall = UINT64_C(1800000000000000), mono = 0;

		expire_clock(&e, mono, wall);
		assert_int_equal(e.clock_us, wall);
		wall += (uint64_t)(jumps_s[i] * 1000000);
		for (unsigned s = 0; s < 100; s++) {
			uint64_t before = e.clock_us;

			mono += 1000000;
			wall += 1000000;
			expire_clock(&e, mono, wall);
			e.mono_us = mono;
			assert_in_range(e.clock_us - before, 950000, 1050000);
		}
	}
}

static void
test_the_clock_comes_back_to_the_wall(void **state)
{
	struct engine e = {.mono_us = 0};
	uint64_t wall = UINT64_C(1800000000000000);

	(void)state;
	expire_clock(&e, 0, wall);
	expire_clock(&e, 1000000, wall + 1001000); /* a millisecond ahead */
	assert_int_equal(e.clock_us, wall + 1001000);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_an_expired_message_is_given_to_nobody),
	    T(test_it_is_reported_if_asked),
	    T(test_who_waits_gets_the_report),
	    T(test_a_deadline_outlives_a_crash_and_so_does_the_removal),
	    T(test_a_report_without_a_place_is_a_dead_letter),
	    T(test_a_message_backed_out_too_late_expires),
	    T(test_a_report_goes_only_where_its_sender_may_put),
	    T(test_large_ones_are_whole_until_then),
	    cmocka_unit_test_setup_teardown(
		test_descriptors_of_large_ones_count_in_the_window, setup_small,
		teardown),
	    T(test_what_was_never_handed_out_expires_before_it_is_sent),
	    T(test_what_was_handed_out_is_sent_whatever_its_age),
	    cmocka_unit_test(test_a_jump_of_the_wall_expires_nothing_early),
	    cmocka_unit_test(test_the_clock_comes_back_to_the_wall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

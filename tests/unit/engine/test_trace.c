/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trace.c - trace-route messages in the engine: each put adds a hop and
 * reports it; at its queue the message ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/trace.h"
#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

struct fixture {
	struct rig r;
	uint32_t q, far, reply, x;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine_config c = {.name = "QM"};

	rig_start(&f->r, &c);
	rig_define(&f->r, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "REPLY", NULL);
	rig_define(&f->r, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&f->r, MQATTR_QREMOTE, "FAR", "RNAME=THERE", "RQMNAME=QM9",
	    "XMITQ=X", NULL);
	(void)rig_connect(&f->r, 0);
	assert_int_equal(
	    rig_open(&f->r, 0, "Q", MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED, &f->q),
	    MQI_OK);
	assert_int_equal(
	    rig_open(&f->r, 0, "FAR", MQI_OO_OUTPUT, &f->far), MQI_OK);
	assert_int_equal(
	    rig_open(&f->r, 0, "REPLY", MQI_OO_INPUT_SHARED, &f->reply),
	    MQI_OK);
	assert_int_equal(
	    rig_open(&f->r, 0, "X", MQI_OO_INPUT_SHARED, &f->x), MQI_OK);
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

static void
put(struct fixture *f, uint32_t handle, uint32_t unit, const char *reply,
    const void *body, size_t len)
{
	struct rig_put p = {
	    .handle = handle, .unit = unit, .body = body, .len = (uint32_t)len};
	struct mqbuf desc;
	struct mqi_md md;

	mqi_md_init(&md);
	md.report = MQI_RO_ACTIVITY;
	strcpy(md.format, MQTRACE_FORMAT);
	strcpy(md.reply_to_q, reply);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	assert_int_equal(
	    rig_result(&f->r, 0, rig_ask_put(&f->r, 0, &p)), MQI_OK);
	mqbuf_fini(&desc);
}

/* The last hop of the next message of a queue, which has n. */
static struct mqtrace_hop
next_hop(struct fixture *f, uint32_t handle, uint32_t n)
{
	struct mqlocal_get req = RIG_GET(handle);
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	struct rig_reply *k;
	uint32_t id, got = 0;

	id = rig_ask_get(&f->r, 0, &req);
	rig_settle(&f->r);
	k = rig_reply(&f->r, 0, id);
	assert_non_null(k);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(mqtrace_decode(k->data, k->len, hops, &got), MQI_OK);
	assert_int_equal(got, n);
	return hops[n - 1];
}

static enum mqi_err
get(struct fixture *f, uint32_t handle)
{
	char body[MQTRACE_MAX_BODY];

	return rig_get(&f->r, 0, handle, 0, body, sizeof(body));
}

static void
test_at_its_queue_it_ends_and_is_reported(void **state)
{
	struct fixture *f = *state;
	struct mqtrace_hop hop;
	struct mqbuf b;

	mqbuf_init(&b, MQTRACE_MAX_BODY);
	mqtrace_begin(&b);
	put(f, f->q, 0, "REPLY", b.data, b.len);
	mqbuf_fini(&b);
	hop = next_hop(f, f->reply, 1);
	assert_int_equal(hop.what, MQTRACE_ARRIVED);
	assert_string_equal(hop.qmgr, "QM");
	assert_string_equal(hop.put_on, "Q");
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_on_its_way_it_has_one_hop_more(void **state)
{
	struct fixture *f = *state;
	struct mqtrace_hop hop;
	struct mqbuf b;

	mqbuf_init(&b, MQTRACE_MAX_BODY);
	mqtrace_begin(&b);
	put(f, f->far, 1, "REPLY", b.data, b.len);
	mqbuf_fini(&b);
	/* both belong to the unit */
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(rig_commit(&f->r, 0, 1), MQI_OK);
	hop = next_hop(f, f->reply, 1);
	assert_int_equal(hop.what, MQTRACE_SENT);
	assert_string_equal(hop.queue, "THERE");
	assert_string_equal(hop.to_qmgr, "QM9");
	hop = next_hop(f, f->x, 1);
	assert_string_equal(hop.put_on, "X");
}

static void
test_without_a_way_back_it_goes_on(void **state)
{
	struct fixture *f = *state;
	struct mqbuf b;

	mqbuf_init(&b, MQTRACE_MAX_BODY);
	mqtrace_begin(&b);
	put(f, f->far, 0, "NO.SUCH.QUEUE", b.data, b.len);
	(void)next_hop(f, f->x, 1);
	put(f, f->q, 0, "NO.SUCH.QUEUE", b.data, b.len);
	assert_int_equal(get(f, f->q), MQI_E_NO_MSG_AVAILABLE);
	mqbuf_fini(&b);
}

static void
test_another_body_is_an_ordinary_message(void **state)
{
	struct fixture *f = *state;

	put(f, f->q, 0, "REPLY", "SLTR nothing", 12);
	assert_int_equal(get(f, f->q), MQI_OK);
	assert_int_equal(get(f, f->reply), MQI_E_NO_MSG_AVAILABLE);
	put(f, f->q, 0, "REPLY", "", 0);
	assert_int_equal(get(f, f->q), MQI_OK);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_at_its_queue_it_ends_and_is_reported),
	    T(test_on_its_way_it_has_one_hop_more),
	    T(test_without_a_way_back_it_goes_on),
	    T(test_another_body_is_an_ordinary_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_desc.c - proto/desc*.c: applications' descriptors to bytes and back,
 * reading, stamping, and the refusal of bytes that are not a descriptor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/desc.h"

struct fixture {
	struct mqbuf buf;
	struct mqbuf stamped;
	struct mqi_md md;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	mqbuf_init(&f->buf, 1 << 17);
	mqbuf_init(&f->stamped, 1 << 17);
	mqi_md_init(&f->md);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	mqbuf_fini(&f->buf);
	mqbuf_fini(&f->stamped);
	free(f);
	return 0;
}

static const struct mqi_prop all_props[] = {
    {.name = "nothing", .type = MQI_PROP_NULL},
    {.name = "yes", .type = MQI_PROP_BOOLEAN, .value.boolean = 1},
    {.name = "raw", .type = MQI_PROP_BYTES, .value.bytes = {"a\0b", 3}},
    {.name = "int", .type = MQI_PROP_INT64, .value.int64 = -5},
    {.name = "real", .type = MQI_PROP_FLOAT64, .value.float64 = 2.5},
    {.name = "text", .type = MQI_PROP_STRING, .value.bytes = {"hi", 2}},
};

static void
set_all(struct mqi_md *md)
{
	*md = (struct mqi_md){
	    .report = 0x01020304,
	    .msg_type = MQI_MT_REQUEST,
	    .expiry = 600,
	    .feedback = 275,
	    .encoding = 273,
	    .ccsid = 1208,
	    .format = "MQSTR",
	    .priority = 7,
	    .persistence = MQI_PERSISTENCE_YES,
	    .backout_count = 3,
	    .reply_to_q = "REPLY.QUEUE",
	    .reply_to_qmgr = "QM1",
	    .user_identifier = "alice",
	    .appl_identity_data = "identity",
	    .put_appl_type = 6,
	    .put_appl_name = "mqput",
	    .put_date = "20261121",
	    .put_time = "01020390",
	    .appl_origin_data = "ORIG",
	    .msg_seq_number = 9,
	    .offset = 1000,
	    .msg_flags = 8,
	    .original_length = 2000,
	    .not_before_ms = 1790000000000,
	    .props = all_props,
	    .n_props = MQ_ARRAY_LEN(all_props),
	};
	memset(md->msg_id, 0x11, MQI_ID_LEN);
	memset(md->correl_id, 0x22, MQI_ID_LEN);
	memset(md->group_id, 0x33, MQI_ID_LEN);
	memset(md->accounting_token, 0x44, sizeof(md->accounting_token));
}

static void
assert_props_equal(const struct mqi_md *a, const struct mqi_md *b)
{
	assert_int_equal(a->n_props, b->n_props);
	for (size_t i = 0; i < a->n_props; i++) {
		const struct mqi_prop *p = &a->props[i], *q = &b->props[i];

		assert_string_equal(p->name, q->name);
		assert_int_equal(p->type, q->type);
		if (p->type == MQI_PROP_BYTES || p->type == MQI_PROP_STRING) {
			assert_int_equal(
			    p->value.bytes.len, q->value.bytes.len);
			assert_memory_equal(p->value.bytes.data,
			    q->value.bytes.data, p->value.bytes.len);
		} else if (p->type == MQI_PROP_BOOLEAN) {
			assert_int_equal(p->value.boolean, q->value.boolean);
		} else if (p->type != MQI_PROP_NULL) {
			assert_int_equal(p->value.int64, q->value.int64);
		}
	}
}

/* Both were initialised the same way, so padding is equal too. */
static void
assert_md_equal(const struct mqi_md *a, const struct mqi_md *b)
{
	struct mqi_md x = *a, y = *b;

	assert_props_equal(a, b);
	x.props = y.props = NULL;
	x.n_props = y.n_props = 0;
	assert_int_equal(x.report, y.report);
	assert_int_equal(x.msg_type, y.msg_type);
	assert_int_equal(x.expiry, y.expiry);
	assert_int_equal(x.feedback, y.feedback);
	assert_int_equal(x.encoding, y.encoding);
	assert_int_equal(x.ccsid, y.ccsid);
	assert_string_equal(x.format, y.format);
	assert_int_equal(x.priority, y.priority);
	assert_int_equal(x.persistence, y.persistence);
	assert_memory_equal(x.msg_id, y.msg_id, MQI_ID_LEN);
	assert_memory_equal(x.correl_id, y.correl_id, MQI_ID_LEN);
	assert_int_equal(x.backout_count, y.backout_count);
	assert_string_equal(x.reply_to_q, y.reply_to_q);
	assert_string_equal(x.reply_to_qmgr, y.reply_to_qmgr);
	assert_string_equal(x.user_identifier, y.user_identifier);
	assert_memory_equal(x.accounting_token, y.accounting_token, 32);
	assert_string_equal(x.appl_identity_data, y.appl_identity_data);
	assert_int_equal(x.put_appl_type, y.put_appl_type);
	assert_string_equal(x.put_appl_name, y.put_appl_name);
	assert_string_equal(x.put_date, y.put_date);
	assert_string_equal(x.put_time, y.put_time);
	assert_string_equal(x.appl_origin_data, y.appl_origin_data);
	assert_memory_equal(x.group_id, y.group_id, MQI_ID_LEN);
	assert_int_equal(x.msg_seq_number, y.msg_seq_number);
	assert_int_equal(x.offset, y.offset);
	assert_int_equal(x.msg_flags, y.msg_flags);
	assert_int_equal(x.original_length, y.original_length);
	assert_int_equal(x.not_before_ms, y.not_before_ms);
}

static void
test_encode_defaults_costs_the_header_only(void **state)
{
	struct fixture *f = *state;
	struct mqi_md md;

	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(f->buf.len, 12);
	assert_int_equal(mqdesc_decode(f->buf.data, f->buf.len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	assert_null(md.props);
}

static void
test_decode_gives_back_all_fields(void **state)
{
	struct fixture *f = *state;
	struct mqi_md md;

	set_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_decode(f->buf.data, f->buf.len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	free((void *)(uintptr_t)md.props);
}

static void
test_read_gives_what_was_encoded(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_info info;

	set_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_read(f->buf.data, f->buf.len, &info), MQI_OK);
	assert_true(info.persistent);
	assert_false(info.persistence_as_q_def);
	assert_int_equal(info.priority, 7);
	assert_int_equal(info.expiry, 600);
	assert_int_equal(info.not_before_ms, 1790000000000);
	assert_int_equal(info.msg_type, MQI_MT_REQUEST);
	assert_int_equal(info.report, 0x01020304);
	assert_int_equal(info.backout_count, 3);
	assert_true(info.has_msg_id);
	assert_true(info.has_correl_id);
	assert_false(info.has_route);
	assert_memory_equal(info.msg_id, f->md.msg_id, MQI_ID_LEN);
	assert_memory_equal(info.correl_id, f->md.correl_id, MQI_ID_LEN);
	assert_memory_equal(info.group_id, f->md.group_id, MQI_ID_LEN);
}

static void
test_stamp_sets_its_fields_and_keeps_the_rest(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_route route = {
	    .queue = "TARGET", .qmgr = "QM2", .hops = 1};
	struct mqdesc_stamp stamp = {
	    .set_msg_id = true,
	    .priority = 4,
	    .persistent = true,
	    .put_time_ms = UINT64_C(1795222923450),
	    .user = "a-user-with-a-long-name",
	    .appl_name = "app",
	    .route = &route,
	};
	struct mqdesc_info info;
	struct mqi_md md;

	memset(stamp.msg_id, 0x55, MQI_ID_LEN);
	set_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len, &stamp, &f->stamped), MQI_OK);
	assert_int_equal(
	    mqdesc_read(f->stamped.data, f->stamped.len, &info), MQI_OK);
	assert_true(info.has_route);
	assert_string_equal(info.route.queue, "TARGET");
	assert_string_equal(info.route.qmgr, "QM2");
	assert_int_equal(info.route.hops, 1);
	assert_int_equal(
	    mqdesc_decode(f->stamped.data, f->stamped.len, &md), MQI_OK);
	memcpy(f->md.msg_id, stamp.msg_id, MQI_ID_LEN);
	f->md.priority = 4;
	f->md.backout_count = 0;
	memcpy(f->md.user_identifier, "a-user-with-", 13);
	memcpy(f->md.put_appl_name, "app", 4);
	f->md.put_appl_type = MQDESC_APPL_UNIX;
	mqclock_mq_date(
	    stamp.put_time_ms * 1000, f->md.put_date, f->md.put_time);
	assert_md_equal(&f->md, &md);
	free((void *)(uintptr_t)md.props);
}

static void
test_every_truncation_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_info info;
	struct mqi_md md;
	size_t whole_without_props;

	set_all(&f->md);
	f->md.n_props = 0;
	assert_int_equal(mqdesc_encode(&f->md, &f->stamped), MQI_OK);
	whole_without_props = f->stamped.len;
	f->md.n_props = MQ_ARRAY_LEN(all_props);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	for (size_t len = 0; len < f->buf.len; len++) {
		/* a copy of its own, so that an over-read is seen */
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, f->buf.data, len);
		assert_int_equal(mqdesc_read(copy, len, &info), MQI_E_MD);
		if (len >= 4 && len != whole_without_props) {
			mqbuf_set_u16(copy + 2, (uint16_t)len);
			assert_int_equal(
			    mqdesc_decode(copy, len, &md), MQI_E_MD);
		}
		free(copy);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_encode_defaults_costs_the_header_only),
	    TEST(test_decode_gives_back_all_fields),
	    TEST(test_read_gives_what_was_encoded),
	    TEST(test_stamp_sets_its_fields_and_keeps_the_rest),
	    TEST(test_every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

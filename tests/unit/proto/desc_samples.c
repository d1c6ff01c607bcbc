/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc_samples.c - descriptors that the tests of proto/desc*.c share.
 */
#include "tests/unit/proto/desc_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

const struct mqi_prop desc_sample_props[DESC_SAMPLE_N_PROPS] = {
    {.name = "nothing", .type = MQI_PROP_NULL},
    {.name = "yes", .type = MQI_PROP_BOOLEAN, .value.boolean = 1},
    {.name = "raw", .type = MQI_PROP_BYTES, .value.bytes = {"a\0b", 3}},
    {.name = "int", .type = MQI_PROP_INT64, .value.int64 = -5},
    {.name = "real", .type = MQI_PROP_FLOAT64, .value.float64 = 2.5},
    {.name = "text", .type = MQI_PROP_STRING, .value.bytes = {"hi", 2}},
};

void
desc_sample_all(struct mqi_md *md)
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
	    .props = desc_sample_props,
	    .n_props = DESC_SAMPLE_N_PROPS,
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

void
assert_md_equal(const struct mqi_md *a, const struct mqi_md *b)
{
	assert_props_equal(a, b);
	assert_int_equal(a->report, b->report);
	assert_int_equal(a->msg_type, b->msg_type);
	assert_int_equal(a->expiry, b->expiry);
	assert_int_equal(a->feedback, b->feedback);
	assert_int_equal(a->encoding, b->encoding);
	assert_int_equal(a->ccsid, b->ccsid);
	assert_string_equal(a->format, b->format);
	assert_int_equal(a->priority, b->priority);
	assert_int_equal(a->persistence, b->persistence);
	assert_memory_equal(a->msg_id, b->msg_id, MQI_ID_LEN);
	assert_memory_equal(a->correl_id, b->correl_id, MQI_ID_LEN);
	assert_int_equal(a->backout_count, b->backout_count);
	assert_string_equal(a->reply_to_q, b->reply_to_q);
	assert_string_equal(a->reply_to_qmgr, b->reply_to_qmgr);
	assert_string_equal(a->user_identifier, b->user_identifier);
	assert_memory_equal(a->accounting_token, b->accounting_token, 32);
	assert_string_equal(a->appl_identity_data, b->appl_identity_data);
	assert_int_equal(a->put_appl_type, b->put_appl_type);
	assert_string_equal(a->put_appl_name, b->put_appl_name);
	assert_string_equal(a->put_date, b->put_date);
	assert_string_equal(a->put_time, b->put_time);
	assert_string_equal(a->appl_origin_data, b->appl_origin_data);
	assert_memory_equal(a->group_id, b->group_id, MQI_ID_LEN);
	assert_int_equal(a->msg_seq_number, b->msg_seq_number);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->msg_flags, b->msg_flags);
	assert_int_equal(a->original_length, b->original_length);
	assert_int_equal(a->not_before_ms, b->not_before_ms);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_report.c - proto/report.c: which report a message asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/report.h"

static const struct mqreport_why exception = {
    .option = MQI_RO_EXCEPTION,
    .feedback = MQI_E_Q_FULL,
    .qmgr = "QM2",
    .reply_qmgr = "QM9",
    .wall_ms = 1000,
};

static void
original(struct mqi_md *md, uint32_t report)
{
	mqi_md_init(md);
	md->report = report;
	md->priority = 7;
	md->persistence = MQI_PERSISTENCE_YES;
	md->expiry = 300;
	md->ccsid = 1208;
	strcpy(md->format, "MQSTR");
	strcpy(md->reply_to_q, "REPLY");
	strcpy(md->reply_to_qmgr, "QM1");
	strcpy(md->user_identifier, "alice");
	memset(md->msg_id, 0x11, MQI_ID_LEN);
	memset(md->correl_id, 0x22, MQI_ID_LEN);
	memset(md->group_id, 0x33, MQI_ID_LEN);
}

/* The report about md in *ret_md, if one is wanted. */
static struct mqreport
make(const struct mqi_md *md, const struct mqreport_why *why, uint32_t body_len,
    struct mqi_md *ret_md)
{
	struct mqbuf desc, out;
	struct mqreport r;

	mqbuf_init(&desc, MQDESC_MAX);
	mqbuf_init(&out, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(md, &desc), MQI_OK);
	assert_int_equal(
	    mqreport_make(desc.data, desc.len, body_len, why, &out, &r),
	    MQI_OK);
	if (r.wanted)
		assert_int_equal(
		    mqdesc_decode(out.data, out.len, ret_md), MQI_OK);
	else
		assert_int_equal(out.len, 0);
	mqbuf_fini(&desc);
	mqbuf_fini(&out);
	return r;
}

static void
test_a_report_takes_over_what_ibms_does(void **state)
{
	struct mqi_md md, got;
	struct mqreport r;

	(void)state;
	original(&md, MQI_RO_EXCEPTION);
	r = make(&md, &exception, 500, &got);
	assert_true(r.wanted);
	assert_false(r.discard);
	assert_string_equal(r.to.queue, "REPLY");
	assert_string_equal(r.to.qmgr, "QM1");
	assert_int_equal(r.data_len, 0);
	assert_int_equal(got.msg_type, MQI_MT_REPORT);
	assert_int_equal(got.feedback, MQI_E_Q_FULL);
	assert_int_equal(got.report, MQI_RO_NONE);
	assert_int_equal(got.expiry, MQI_EXPIRY_UNLIMITED);
	assert_int_equal(got.priority, 7);
	assert_int_equal(got.persistence, MQI_PERSISTENCE_YES);
	assert_int_equal(got.ccsid, 1208);
	assert_string_equal(got.format, "MQSTR");
	assert_string_equal(got.reply_to_q, "");
	assert_string_equal(got.reply_to_qmgr, "QM2");
	assert_string_equal(got.user_identifier, "alice");
	assert_string_equal(got.put_appl_name, "QM2");
	assert_int_equal(got.put_appl_type, MQREPORT_APPL_QMGR);
	assert_string_equal(got.put_date, "19700101");
	assert_string_equal(got.put_time, "00000100");
	assert_memory_equal(got.group_id, md.group_id, MQI_ID_LEN);
	assert_int_equal(got.original_length, 500);
}

static void
test_ids_are_new_and_copied_or_passed(void **state)
{
	static const uint8_t none[MQI_ID_LEN];
	struct mqi_md md, got;

	(void)state;
	original(&md, MQI_RO_EXCEPTION);
	(void)make(&md, &exception, 0, &got);
	assert_memory_equal(got.msg_id, none, MQI_ID_LEN); /* at the put */
	assert_memory_equal(got.correl_id, md.msg_id, MQI_ID_LEN);
	original(
	    &md, MQI_RO_EXCEPTION | MQI_RO_PASS_MSG_ID | MQI_RO_PASS_CORREL_ID);
	(void)make(&md, &exception, 0, &got);
	assert_memory_equal(got.msg_id, md.msg_id, MQI_ID_LEN);
	assert_memory_equal(got.correl_id, md.correl_id, MQI_ID_LEN);
}

static void
test_data_is_none_some_or_all(void **state)
{
	struct mqi_md md, got;

	(void)state;
	original(&md, MQI_RO_EXCEPTION_WITH_DATA);
	assert_int_equal(make(&md, &exception, 500, &got).data_len, 100);
	assert_int_equal(make(&md, &exception, 60, &got).data_len, 60);
	original(&md, MQI_RO_EXCEPTION_WITH_FULL_DATA);
	assert_int_equal(make(&md, &exception, 500, &got).data_len, 500);
	/* the data of another kind is not this one's */
	original(&md, MQI_RO_EXCEPTION | MQI_RO_EXPIRATION_WITH_FULL_DATA);
	assert_int_equal(make(&md, &exception, 500, &got).data_len, 0);
}

static void
test_discard_and_expiry_are_passed_if_asked(void **state)
{
	struct mqreport_why late = exception;
	struct mqi_md md, got;

	(void)state;
	original(&md, MQI_RO_EXCEPTION | MQI_RO_EXPIRATION |
			  MQI_RO_DISCARD_MSG | MQI_RO_PASS_DISCARD_AND_EXPIRY);
	assert_true(make(&md, &exception, 0, &got).discard);
	assert_int_equal(got.report, MQI_RO_DISCARD_MSG);
	assert_int_equal(got.expiry, 300);
	late.option = MQI_RO_EXPIRATION;
	late.feedback = MQI_FB_EXPIRATION;
	(void)make(&md, &late, 0, &got);
	assert_int_equal(got.feedback, MQI_FB_EXPIRATION);
	assert_int_equal(got.expiry, MQI_EXPIRY_UNLIMITED);
}

static void
test_none_is_made_unasked_nowhere_or_of_a_report(void **state)
{
	struct mqi_md md, got;

	(void)state;
	original(&md, MQI_RO_EXPIRATION | MQI_RO_COA_WITH_FULL_DATA);
	assert_false(make(&md, &exception, 0, &got).wanted);
	original(&md, MQI_RO_EXCEPTION);
	md.reply_to_q[0] = '\0';
	assert_false(make(&md, &exception, 0, &got).wanted);
	original(&md, MQI_RO_EXCEPTION);
	md.msg_type = MQI_MT_REPORT;
	assert_false(make(&md, &exception, 0, &got).wanted);
}

static void
test_a_blank_reply_queue_manager_is_the_one_told(void **state)
{
	struct mqi_md md, got;

	(void)state;
	original(&md, MQI_RO_EXCEPTION);
	md.reply_to_qmgr[0] = '\0';
	assert_string_equal(make(&md, &exception, 0, &got).to.qmgr, "QM9");
}

static void
test_a_bad_descriptor_is_refused(void **state)
{
	struct mqreport r;
	struct mqbuf out;

	(void)state;
	mqbuf_init(&out, MQDESC_MAX);
	assert_int_equal(
	    mqreport_make("\1\0\0\0", 4, 0, &exception, &out, &r), MQI_E_MD);
	mqbuf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_report_takes_over_what_ibms_does),
	    cmocka_unit_test(test_ids_are_new_and_copied_or_passed),
	    cmocka_unit_test(test_data_is_none_some_or_all),
	    cmocka_unit_test(test_discard_and_expiry_are_passed_if_asked),
	    cmocka_unit_test(test_none_is_made_unasked_nowhere_or_of_a_report),
	    cmocka_unit_test(test_a_blank_reply_queue_manager_is_the_one_told),
	    cmocka_unit_test(test_a_bad_descriptor_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_dlq_rules.c - admin/dlq_rules.c: tables that are read, refused, and
 * compared with dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/dlq_rules.h"

static void
parse(const char *text, struct dlq_rules *ret)
{
	struct dlq_error e = {0};

	if (dlq_rules_parse(text, strlen(text), ret, &e) != MQI_OK)
		fail_msg("line %u: %s", e.line, e.text);
}

static void
test_control_data_and_rules(void **state)
{
	struct dlq_rules r;
	const struct dlq_rule *f;

	(void)state;
	parse("* a comment\n"
	      "inputq('my.dlq'), InputQM(qm1) RETRYINT(30) WAIT(7)\n"
	      "\n"
	      "REASON(MQRC_Q_FULL) ACTION(RETRY) RETRY(5)\n"
	      "DESTQ('ord*') +\n"
	      "* another in between\n"
	      "   ACTION(FWD) FWDQ(FAU-\n"
	      "LTS) FWDQM(' ') HEADER(NO)\n"
	      "ACTION(IGNORE)",
	    &r);
	assert_string_equal(r.input_q, "my.dlq");
	assert_string_equal(r.input_qmgr, "QM1");
	assert_int_equal(r.retry_s, 30);
	assert_int_equal(r.wait_s, 7);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.rules[0].line, 4);
	assert_int_equal(r.rules[0].reason, 2053);
	assert_int_equal(r.rules[0].action, DLQ_RETRY);
	assert_int_equal(r.rules[0].retry, 5);
	f = &r.rules[1];
	assert_int_equal(f->line, 5);
	assert_string_equal(f->dest_q, "ord*");
	assert_int_equal(f->action, DLQ_FWD);
	assert_string_equal(f->fwd_q, "FAULTS");
	assert_string_equal(f->fwd_qmgr, "");
	assert_false(f->header);
	assert_int_equal(f->retry, 1);
	assert_int_equal(r.rules[2].set, 0);
	dlq_rules_fini(&r);
}

static void
test_defaults(void **state)
{
	struct dlq_rules r;

	(void)state;
	parse("", &r);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.retry_s, 60);
	assert_int_equal(r.wait_s, DLQ_WAIT_FOREVER);
	assert_string_equal(r.input_q, "");
	parse("INPUTQ(' ') WAIT(NO)\n", &r);
	assert_int_equal(r.wait_s, 0);
	assert_string_equal(r.input_q, "");
}

static void
test_reasons_have_ibms_names_and_ours(void **state)
{
	static const struct {
		const char *text;
		uint32_t reason;
	} all[] = {{"REASON(2085)", 2085},
	    {"REASON(MQRC_UNKNOWN_OBJECT_NAME)", 2085},
	    {"REASON(MQRC_UNKNOWN_OBJECT)", 2085},
	    {"REASON(unknown_object)", 2085}, {"REASON(HOP_LIMIT)", 10018},
	    {"REASON(MQRC_PUT_INHIBITED)", 2051},
	    {"REASON(MQFB_XMIT_Q_MSG_ERROR)", 271}};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		struct dlq_rules r;
		char text[128];

		(void)snprintf(
		    text, sizeof(text), "%s ACTION(DISCARD)", all[i].text);
		parse(text, &r);
		assert_int_equal(r.rules[0].reason, all[i].reason);
		dlq_rules_fini(&r);
	}
}

static void
test_what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *says;
	} all[] = {
	    {"REASON(2085)", 1, "without ACTION"},
	    {"* one\n\nACTION(FWD)\n", 3, "needs FWDQ"},
	    {"ACTION(BURN)", 1, "does not know BURN"},
	    {"ACTION(DISCARD) ACTION(DISCARD)", 1, "ACTION comes twice"},
	    {"REASON(1) REASON(2) ACTION(DISCARD)", 1, "REASON comes twice"},
	    {"REASON(MQRC_NOPE) ACTION(RETRY)", 1, "MQRC_NOPE"},
	    {"COLOUR(RED) ACTION(RETRY)", 1, "COLOUR is no keyword"},
	    {"ACTION(RETRY)\nWAIT(YES)", 2, "WAIT is no keyword"},
	    {"WAIT(YES) ACTION(RETRY)", 1, "ACTION is not control data"},
	    {"WAIT(MAYBE)", 1, "WAIT is YES"},
	    {"RETRYINT(0)", 1, "RETRYINT is a number"},
	    {"ACTION(RETRY) RETRY(0)", 1, "RETRY is a number"},
	    {"ACTION(RETRY", 1, "')' is missing"},
	    {"ACTION RETRY", 1, "'(' is missing"},
	    {"ACTION('RETRY)", 1, "quote without its end"},
	    {"(RETRY)", 1, "keyword is expected"},
	    {"ACTION(RETRY) +\n", 1, "continued"},
	    {"ACTION(RETRY) FWDQ(X)", 1, "for ACTION(FWD)"},
	    {"ACTION(FWD) FWDQ('a b')", 1, "is not a name"},
	    {"FORMAT(NINELONG9) ACTION(RETRY)", 1, "longer than 8"},
	    {"ACTION(RETRY) PUTAUT(CTX)", 1, "PUTAUT is DEF"},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		struct dlq_error e = {0};
		struct dlq_rules r;

		assert_int_equal(
		    dlq_rules_parse(all[i].text, strlen(all[i].text), &r, &e),
		    MQI_E_SYNTAX);
		assert_int_equal(e.line, all[i].line);
		if (strstr(e.text, all[i].says) == NULL)
			fail_msg("'%s': '%s'", all[i].text, e.text);
	}
}

static bool
matches(const char *pattern)
{
	const struct mqdlh dlh = {.reason = 2053,
	    .queue = "ORDERS.EU",
	    .qmgr = "QM2",
	    .format = "MQSTR"};
	struct dlq_rules r;
	struct mqi_md md;
	char text[256];
	bool is;

	mqi_md_init(&md);
	md.msg_type = MQI_MT_REQUEST;
	md.persistence = MQI_PERSISTENCE_YES;
	md.put_appl_type = 6;
	strcpy(md.put_appl_name, "shop");
	strcpy(md.reply_to_q, "ANSWERS");
	strcpy(md.user_identifier, "alice");
	strcpy(md.format, MQDLH_FORMAT);
	(void)snprintf(text, sizeof(text), "%s ACTION(DISCARD)", pattern);
	parse(text, &r);
	is = dlq_rule_matches(&r.rules[0], &md, &dlh);
	dlq_rules_fini(&r);
	return is;
}

static void
test_patterns_compare_what_they_name(void **state)
{
	(void)state;
	assert_true(matches(""));
	assert_true(matches("REASON(*) DESTQ(*) MSGTYPE(*)"));
	assert_true(matches("REASON(MQRC_Q_FULL) DESTQ(ORDERS.*)"));
	assert_false(matches("REASON(2085) DESTQ(ORDERS.*)"));
	assert_true(matches("DESTQ(*.E?)"));
	assert_true(matches("DESTQ(O*R*S*)"));
	assert_false(matches("DESTQ(ORDERS)"));
	assert_false(matches("DESTQ(ORDERS.EU?)"));
	assert_true(matches("DESTQM(QM2) FORMAT(MQSTR)"));
	assert_false(matches("FORMAT(MQDEAD)"));
	assert_true(matches("MSGTYPE(MQMT_REQUEST) PERSIST(MQPER_PERSISTENT)"));
	assert_false(matches("PERSIST(MQPER_NOT_PERSISTENT)"));
	assert_true(matches("APPLTYPE(MQAT_UNIX) APPLNAME('shop')"));
	assert_false(matches("APPLNAME(shop)")); /* folded */
	assert_true(matches("USERID('al*') REPLYQ(ANSWERS) FEEDBACK(0)"));
	assert_false(matches("REPLYQM(?*)"));
	assert_true(matches("APPLIDAT('') REPLYQM(' ')"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_control_data_and_rules),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_reasons_have_ibms_names_and_ours),
	    cmocka_unit_test(test_what_is_wrong_is_told_with_its_line),
	    cmocka_unit_test(test_patterns_compare_what_they_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

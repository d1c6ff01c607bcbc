/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_selector.c - proto/selector*.c: what texts mean, what is refused and
 * where, and the limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/desc.h"
#include "proto/selector.h"
#include "tests/unit/proto/desc_samples.h"

#define T MQSELECTOR_TRUE
#define F MQSELECTOR_FALSE
#define U MQSELECTOR_UNKNOWN
#define MANY 20000u

static const struct mqi_prop props[] = {
    {.name = "nothing", .type = MQI_PROP_NULL},
    {.name = "yes", .type = MQI_PROP_BOOLEAN, .value.boolean = 1},
    {.name = "no", .type = MQI_PROP_BOOLEAN, .value.boolean = 0},
    {.name = "raw", .type = MQI_PROP_BYTES, .value.bytes = {"a\0b", 3}},
    {.name = "int", .type = MQI_PROP_INT64, .value.int64 = -5},
    {.name = "min", .type = MQI_PROP_INT64, .value.int64 = INT64_MIN},
    {.name = "real", .type = MQI_PROP_FLOAT64, .value.float64 = 2.5},
    {.name = "text", .type = MQI_PROP_STRING, .value.bytes = {"hi", 2}},
    {.name = "long.name", .type = MQI_PROP_STRING, .value.bytes = {"a_b%c", 5}},
    {.name = "Gr\xc3\xb6\xc3\x9f"
	     "e",
	.type = MQI_PROP_STRING,
	.value.bytes = {"\xc3\xa4"
			"bc",
	    4}},
    {.name = "int", .type = MQI_PROP_INT64, .value.int64 = 99},
};

static void
encode(struct mqbuf *b, struct mqi_md *md)
{
	md->props = props;
	md->n_props = MQ_ARRAY_LEN(props);
	mqbuf_init(b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(md, b), MQI_OK);
}

static struct mqselector *
parse(const char *text)
{
	struct mqselector_error e = {.pos = 0};
	struct mqselector *s = NULL;
	enum mqi_err err = mqselector_parse(text, strlen(text), &s, &e);

	if (err != MQI_OK)
		fail_msg("%s: %s", text, e.text);
	return s;
}

static enum mqselector_truth
run_on(const char *text, const struct mqbuf *b)
{
	struct mqselector *s = parse(text);
	const struct mqselector_msg m = {
	    .desc = b->data, .desc_len = b->len, .backout_count = 2};
	enum mqselector_truth t = mqselector_run(s, &m);

	assert_true(mqselector_fits(s, &m) == (t == T));
	assert_true(mqselector_size(s) > 0 && mqselector_cost(s, b->len) > 0);
	assert_null(mqselector_free(s));
	return t;
}

struct meaning {
	const char *text;
	enum mqselector_truth truth;
};

static void
check_meanings(const struct meaning *m, size_t n, bool all_fields)
{
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	if (all_fields)
		desc_sample_all(&md);
	encode(&b, &md);
	for (size_t i = 0; i < n; i++) {
		if (run_on(m[i].text, &b) != m[i].truth)
			fail_msg("%s is not %d", m[i].text, m[i].truth);
	}
	mqbuf_fini(&b);
}

static void
test_conditions_mean_what_sql_says(void **state)
{
	static const struct meaning m[] = {
	    {"TRUE", T},
	    {"false", F},
	    {"yes", T},
	    {"no", F},
	    {"nothing", U},
	    {"absent", U},
	    {"text", U},
	    {"NOT yes", F},
	    {"NOT NOT yes", T},
	    {"NOT absent", U},
	    {"yes AND no", F},
	    {"no AND absent", F},
	    {"absent AND no", F},
	    {"yes AND absent", U},
	    {"yes OR absent", T},
	    {"absent OR yes", T},
	    {"no OR absent", U},
	    {"no OR no OR yes", T},
	    {"yes OR no AND no", T},
	    {"(yes OR no) AND no", F},
	    {"int = -5", T},
	    {"int <> -5", F},
	    {"int = - 5", T},
	    {"int=-5.0", T},
	    {"int < -4", T},
	    {"int <= -5", T},
	    {"int > -5.5", T},
	    {"int >= -4", F},
	    {"real = 2.5", T},
	    {"real > 2", T},
	    {"real = 25E-1", T},
	    {"real = 2.5f", T},
	    {"int = -5L", T},
	    {"int + 15 = 0xA", T},
	    {".5 * 2 = 1.", T},
	    {"absent = 1", U},
	    {"absent <> 1", U},
	    {"int = absent", U},
	    {"text = 5", F},
	    {"text <> 5", F},
	    {"NOT text = 5", T},
	    {"int = 'x'", F},
	    {"yes = TRUE", T},
	    {"yes <> no", T},
	    {"yes < 5", F},
	    {"(int = -5) = TRUE", T},
	    {"text > 5", F},
	    {"text = 'hi'", T},
	    {"text <> 'hi'", F},
	    {"text = 'hi '", F},
	    {"raw = \"0x610062\"", T},
	    {"raw <> \"0X61\"", T},
	    {"raw = 'a'", F},
	    {"\"0x\" = raw", F},
	    {"'it''s' = 'it''s'", T},
	    {"'' = ''", T},
	    {"long.name IS NOT NULL", T},
	    {"absent IS NULL", T},
	    {"nothing IS NULL", T},
	    {"yes IS NULL", F},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e IS NOT NULL",
		T},
	    {"INT = -5", U},
	    {"int between -6 and -5", T},
	    {"int NOT BETWEEN -6 AND -5", F},
	    {"int BETWEEN 0 AND 1", F},
	    {"int BETWEEN absent AND 1", U},
	    {"int BETWEEN 0 AND absent", F},
	    {"int BETWEEN -9 AND 9 AND yes", T},
	    {"text BETWEEN 1 AND 2", F},
	    {"text IN ('a', 'hi')", T},
	    {"text IN ('a')", F},
	    {"text NOT IN ('a')", T},
	    {"absent IN ('a')", U},
	    {"absent NOT IN ('a')", U},
	    {"int IN (1, -5)", T},
	    {"int IN (1, 'x', TRUE)", F},
	    {"raw IN (\"0x610062\")", T},
	    {"\n\t yes\r\nAND yes ", T},
	};

	(void)state;
	check_meanings(m, MQ_ARRAY_LEN(m), false);
}

static void
test_arithmetic_goes_on_where_whole_numbers_end(void **state)
{
	static const struct meaning m[] = {
	    {"int + 2 * 3 = 1", T},
	    {"(int + 2) * 3 = -9", T},
	    {"7 / 2 = 3", T},
	    {"7 / 2.0 = 3.5", T},
	    {"-7 / 2 = -3", T},
	    {"8 / 2 / 2 = 2", T},
	    {"8 - 2 - 2 = 4", T},
	    {"-int = 5", T},
	    {"+int = -5", T},
	    {"- - int = -5", T},
	    {"-(int) = 5", T},
	    {"-real = -2.5", T},
	    {"1 / 0 = 1", U},
	    {"1.0 / 0.0 = 1", U},
	    {"int / 0 IS NULL", T},
	    {"text + 1 = 1", U},
	    {"absent * 0 = 0", U},
	    {"yes + 1 = 2", U},
	    {"-text IS NULL", T},
	    {"9223372036854775807 + 1 = 9223372036854775808.0", T},
	    {"min - 1 < 0", T},
	    {"-min > 0", T},
	    {"min / -1 > 0", T},
	    {"min = -9223372036854775808", T},
	    {"min = -0x8000000000000000", T},
	    {"9223372036854775807 * 2 > 0", T},
	};

	(void)state;
	check_meanings(m, MQ_ARRAY_LEN(m), false);
}

static void
test_like_finds_patterns(void **state)
{
	static const struct meaning m[] = {
	    {"text LIKE 'hi'", T},
	    {"text LIKE 'h'", F},
	    {"text LIKE ''", F},
	    {"text LIKE '%'", T},
	    {"text LIKE '%%'", T},
	    {"text LIKE 'h%'", T},
	    {"text LIKE '%i'", T},
	    {"text LIKE '%hi%'", T},
	    {"text LIKE 'hi%hi'", F},
	    {"text LIKE 'h%i'", T},
	    {"text LIKE 'hi_'", F},
	    {"text LIKE '__'", T},
	    {"text LIKE '_'", F},
	    {"text LIKE '%_%_%'", T},
	    {"text LIKE '%_%_%_%'", F},
	    {"text NOT LIKE 'h_'", F},
	    {"text LIKE 'H_'", F},
	    {"'' LIKE ''", T},
	    {"'' LIKE '%'", T},
	    {"'' LIKE '_'", F},
	    {"absent LIKE '%'", U},
	    {"int LIKE '%'", F},
	    {"absent NOT LIKE '%'", U},
	    {"int NOT LIKE '%'", T},
	    {"long.name LIKE 'a!_b!%c' ESCAPE '!'", T},
	    {"long.name LIKE 'a!_b!%d' ESCAPE '!'", F},
	    {"long.name LIKE 'a_b%c'", T},
	    {"'a' LIKE '!_' ESCAPE '!'", F},
	    {"'!' LIKE '!!' ESCAPE '!'", T},
	    {"'''' LIKE ''''", T},
	    {"'''' LIKE '''''' ESCAPE ''''", T},
	    {"'%' LIKE '%%' ESCAPE '%'", T},
	    {"'a%' LIKE 'a%%' ESCAPE '%'", T},
	    {"'abcabd' LIKE '%ab_'", T},
	    {"'abcabd' LIKE '%ab_a%'", T},
	    {"'abcabd' LIKE 'abc%bd'", T},
	    {"'abcabd' LIKE 'abcab%bd'", F},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e LIKE '_bc'",
		T},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e LIKE '%_bc'",
		T},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e LIKE '___'",
		T},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e LIKE '____'",
		F},
	    {"Gr\xc3\xb6\xc3\x9f"
	     "e LIKE '%\xc3\xa4%'",
		T},
	};

	(void)state;
	check_meanings(m, MQ_ARRAY_LEN(m), false);
}

static void
test_fields_of_the_descriptor_have_names(void **state)
{
	static const struct meaning m[] = {
	    {"JMSPriority = 7", T},
	    {"JMSDeliveryMode = 'PERSISTENT'", T},
	    {"JMSMessageID = "
	     "'ID:111111111111111111111111111111111111111111111111'",
		T},
	    {"JMSCorrelationID LIKE 'ID:2222%'", T},
	    {"JMSTimestamp = 1795222923900", T},
	    {"JMSXUserID = 'alice'", T},
	    {"JMSXAppID = 'mqput'", T},
	    {"JMSXDeliveryCount = 3", T},
	    {"JMSXGroupID LIKE '%3333'", T},
	    {"JMSXGroupSeq = 9", T},
	    {"JMSType IS NULL", T},
	    {"Root.MQMD.Report = 0x01020304", T},
	    {"Root.MQMD.MsgType = 1", T},
	    {"Root.MQMD.Expiry = 600", T},
	    {"Root.MQMD.Feedback = 275", T},
	    {"Root.MQMD.Encoding = 273", T},
	    {"Root.MQMD.CodedCharSetId = 1208", T},
	    {"Root.MQMD.Format = 'MQSTR'", T},
	    {"Root.MQMD.Format = 'MQSTR   '", T},
	    {"'MQSTR ' = Root.MQMD.Format", T},
	    {"Root.MQMD.Format IN ('A', 'MQSTR   ')", T},
	    {"Root.MQMD.Format = 'MQSTRX'", F},
	    {"Root.MQMD.Priority > 6", T},
	    {"Root.MQMD.Persistence = 1", T},
	    {"Root.MQMD.MsgId = "
	     "\"0x111111111111111111111111111111111111111111111111\"",
		T},
	    {"Root.MQMD.CorrelId = \"0x22\"", F},
	    {"Root.MQMD.BackoutCount = 2", T},
	    {"Root.MQMD.ReplyToQ = 'REPLY.QUEUE'", T},
	    {"Root.MQMD.ReplyToQMgr LIKE 'QM_'", T},
	    {"Root.MQMD.UserIdentifier = 'alice'", T},
	    {"Root.MQMD.AccountingToken IS NOT NULL", T},
	    {"Root.MQMD.ApplIdentityData = 'identity'", T},
	    {"Root.MQMD.PutApplType = 6", T},
	    {"Root.MQMD.PutApplName = 'mqput'", T},
	    {"Root.MQMD.PutDate = '20261121'", T},
	    {"Root.MQMD.PutTime = '01020390'", T},
	    {"Root.MQMD.ApplOriginData = 'ORIG'", T},
	    {"Root.MQMD.GroupId <> \"0x00\"", T},
	    {"Root.MQMD.MsgSeqNumber = 9", T},
	    {"Root.MQMD.Offset = 1000", T},
	    {"Root.MQMD.MsgFlags = 8", T},
	    {"Root.MQMD.OriginalLength = 2000", T},
	};

	(void)state;
	check_meanings(m, MQ_ARRAY_LEN(m), true);
}

static void
test_fields_that_are_not_there_have_defaults(void **state)
{
	static const struct meaning m[] = {
	    {"JMSMessageID IS NULL", T},
	    {"JMSCorrelationID IS NULL", T},
	    {"JMSTimestamp IS NULL", T},
	    {"JMSDeliveryMode IS NULL", T},
	    {"JMSPriority = -1", T},
	    {"JMSXUserID = ''", T},
	    {"Root.MQMD.MsgType = 8", T},
	    {"Root.MQMD.Expiry = -1", T},
	    {"Root.MQMD.CorrelId = "
	     "\"0x000000000000000000000000000000000000000000000000\"",
		T},
	    {"Root.MQMD.PutDate = ''", T},
	    {"Root.MQMD.PutTime = '  '", F},
	    {"Root.MQMD.ReplyToQ = '  '", T},
	    {"Root.MQMD.ReplyToQ = ''", T},
	    {"Root.MQMD.OriginalLength = -1", T},
	};

	(void)state;
	check_meanings(m, MQ_ARRAY_LEN(m), false);
}

static void
check_fault(const char *text, enum mqi_err err, uint32_t pos, const char *says)
{
	struct mqselector_error e = {.pos = 0};
	struct mqselector *s = NULL;
	enum mqi_err got = mqselector_parse(text, strlen(text), &s, &e);

	if (got != err || e.pos != pos || strstr(e.text, says) == NULL)
		fail_msg("%.200s: %d at %u: %s", text, got, e.pos, e.text);
	assert_null(s);
}

static void
test_errors_tell_where_and_what(void **state)
{
	static const struct {
		const char *text;
		uint32_t pos;
		const char *says;
	} faults[] = {
	    {"a = ", 5, "a name, a literal or ( is expected, not the end"},
	    {"a 5", 3, "an operator or the end is expected, not 5"},
	    {"a = 5 b", 7, "not b"},
	    {"(a = 5", 7, ") is expected"},
	    {"a = 5)", 6, "not )"},
	    {"a =! 5", 4, "means nothing"},
	    {"a != 5", 3, "written <>"},
	    {"a == 5", 4, "not ="},
	    {"a = 'x", 5, "no end"},
	    {"a = \"x\"", 5, "single quotes"},
	    {"a = \"0x1\"", 5, "pairs"},
	    {"a = 0x", 5, "digits"},
	    {"a = 0x10000000000000000", 5, "64 bits"},
	    {"a = 9223372036854775808", 5, "64 bits with a sign"},
	    {"a = 18446744073709551616", 5, "64 bits"},
	    {"a = 12abc", 5, "not written so"},
	    {"a = 1.2.3", 5, "written so"},
	    {"a IS 5", 6, "NULL or NOT NULL is expected, not 5"},
	    {"a IS NOT 5", 10, "NULL is expected"},
	    {"a = NULL", 5, "not NULL"},
	    {"a NOT 5", 7, "BETWEEN, IN or LIKE"},
	    {"a BETWEEN 1 OR 2", 13, "AND is expected, not OR"},
	    {"a BETWEEN 'x' AND 2", 11, "a number is expected, and this is a"},
	    {"a IN 'x'", 6, "( is expected, not a string"},
	    {"a IN ()", 7, "a literal is expected, not )"},
	    {"a IN (b)", 7, "a literal"},
	    {"a IN (1 2)", 9, ", or )"},
	    {"a IN (-'x')", 8, "a number is expected"},
	    {"JMSPriority IN ('x')", 17, "never equal"},
	    {"a LIKE b", 8, "a pattern in quotes"},
	    {"JMSPriority LIKE '1'", 1, "a string is expected, and this is"},
	    {"a LIKE 'x' ESCAPE 'xy'", 19, "one character"},
	    {"a LIKE 'x' ESCAPE ''", 19, "one character"},
	    {"a LIKE 'x!y' ESCAPE '!'", 10, "escape character"},
	    {"a LIKE 'x!' ESCAPE '!'", 10, "escape character"},
	    {"a > 'x'", 3, "= and <> only"},
	    {"JMSPriority = 'high'", 15, "a number is never equal to a string"},
	    {"TRUE > 1", 1, "a number is expected, and this is a condition"},
	    {"a = 1 AND 'x'", 11, "a condition is expected"},
	    {"5", 1, "a condition is expected, and this is a number"},
	    {"NOT 5", 5, "a condition"},
	    {"'x' + 1 = 2", 1, "a number"},
	    {"1 + (a = 2) = 2", 5, "a number"},
	    {"-'x' = 2", 2, "a number"},
	    {"JMSReplyTo = 'x'", 1, "JMSReplyTo is nothing that can be"},
	    {"Root.MQMD.Nothing = 1", 1, "Root.MQMD.Nothing"},
	    {"a = 1 AND Root.MQRFH2.usr.x = 1", 11, "Root.MQRFH2.usr.x"},
	    {"a;", 2, "means nothing"},
	    {"a = 1 #", 7, "means nothing"},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(faults); i++)
		check_fault(faults[i].text, MQI_E_SELECTOR_SYNTAX_ERROR,
		    faults[i].pos, faults[i].says);
	check_fault("", MQI_E_SELECTION_STRING_ERROR, 1, "no condition");
	check_fault("  ", MQI_E_SELECTION_STRING_ERROR, 1, "no condition");
}

static void
test_a_text_with_a_nul_is_refused(void **state)
{
	struct mqselector_error e;
	struct mqselector *s = NULL;

	(void)state;
	assert_int_equal(mqselector_parse("a = '\0'", 7, &s, &e),
	    MQI_E_SELECTION_STRING_ERROR);
	assert_int_equal(e.pos, 6);
}

/* head, n times part, tail */
static const char *
repeated(
    char *buf, const char *head, const char *part, unsigned n, const char *tail)
{
	size_t at = strlen(strcpy(buf, head));

	for (unsigned i = 0; i < n; i++)
		at += strlen(strcpy(buf + at, part));
	strcpy(buf + at, tail);
	return buf;
}

static void
check_limit(const char *head, const char *part, unsigned most, const char *tail,
    enum mqi_err err)
{
	char *buf = malloc(MANY);
	struct mqselector_error e;
	struct mqselector *s = NULL;

	assert_non_null(buf);
	assert_null(
	    mqselector_free(parse(repeated(buf, head, part, most, tail))));
	(void)repeated(buf, head, part, most + 1, tail);
	assert_int_equal(mqselector_parse(buf, strlen(buf), &s, &e), err);
	free(buf);
}

static void
test_limits_are_kept(void **state)
{
	(void)state;
	check_limit("a = '", "x", MQSELECTOR_TEXT_MAX - 6, "'",
	    MQI_E_SELECTION_STRING_ERROR);
	check_limit("a", " OR a", (MQSELECTOR_OPS_MAX - 1) / 3, "",
	    MQI_E_SELECTOR_LIMIT);
	check_limit(
	    "a IN (1", ",1", MQSELECTOR_OPS_MAX - 3, ")", MQI_E_SELECTOR_LIMIT);
	check_limit(
	    "", "NOT ", MQSELECTOR_NESTING_MAX, "a", MQI_E_SELECTOR_LIMIT);
	check_limit(
	    "a = ", "- ", MQSELECTOR_NESTING_MAX, "b", MQI_E_SELECTOR_LIMIT);
	check_limit("a", " OR a LIKE 'x'", MQSELECTOR_LIKES_MAX, "",
	    MQI_E_SELECTOR_LIMIT);
	check_limit("a LIKE '%_", "x", MQSELECTOR_WILD_MAX - 1, "%'",
	    MQI_E_SELECTOR_LIMIT);
}

static void
test_what_is_no_descriptor_is_unknown(void **state)
{
	const struct mqselector_msg m = {.desc = "x", .desc_len = 1};
	struct mqselector *s = parse("TRUE");

	(void)state;
	assert_int_equal(mqselector_run(s, &m), U);
	assert_null(mqselector_free(s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_conditions_mean_what_sql_says),
	    cmocka_unit_test(test_arithmetic_goes_on_where_whole_numbers_end),
	    cmocka_unit_test(test_like_finds_patterns),
	    cmocka_unit_test(test_fields_of_the_descriptor_have_names),
	    cmocka_unit_test(test_fields_that_are_not_there_have_defaults),
	    cmocka_unit_test(test_errors_tell_where_and_what),
	    cmocka_unit_test(test_a_text_with_a_nul_is_refused),
	    cmocka_unit_test(test_limits_are_kept),
	    cmocka_unit_test(test_what_is_no_descriptor_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_attr.c - the table of attributes keeps its own rules, values are checked
 * as the table says, and sets survive their bytes.  Random and cut-off bytes
 * never do more than be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "proto/attr.h"
#include "proto/attr_table.h"

static void
set_ok(struct mqattr_set *s, enum mqattr id, const char *value)
{
	char why[200] = "";
	enum mqi_err err = mqattr_set_text(s, id, value, why, sizeof(why));
	if (err != MQI_OK)
		fail_msg("%s", why);
}

static void
set_refused(
    struct mqattr_set *s, enum mqattr id, const char *value, const char *names)
{
	char why[200] = "";
	char *before = strdup(mqattr_text(s, id));
	assert_int_equal(
	    mqattr_set_text(s, id, value, why, sizeof(why)), MQI_E_ATTRIBUTE);
	if (strstr(why, names) == NULL)
		fail_msg("'%s' does not name %s", why, names);
	assert_string_equal(mqattr_text(s, id), before);
	free(before);
}

static void
test_table_is_sorted_and_every_number_has_a_row(void **state)
{
	(void)state;
	bool seen[MQATTR_MAX + 1] = {false};
	for (size_t i = 0; i < mqattr_table_len; i++) {
		const struct mqattr_def *d = &mqattr_table[i];
		assert_in_range(d->id, 1, MQATTR_MAX);
		seen[d->id] = true;
		assert_true(d->objects != 0);
		assert_true(strlen(d->help) > 0 && strlen(d->help) < 72);
		if (d->objects & MQ_BIT(MQATTR_CHANNEL))
			assert_true(d->chltypes != 0);
		if (i > 0)
			assert_true(strcmp(mqattr_table[i - 1].keyword,
					d->keyword) <= 0);
	}
#define SEEN(number, name) \
	if (!seen[number]) \
		fail_msg("attribute " #name " has no row");
	MQATTR_MAP(SEEN)
#undef SEEN
}

static void
test_every_default_is_valid_for_its_attribute(void **state)
{
	(void)state;
	for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
		struct mqattr_set *s = mqattr_set_new((enum mqattr_object)t);
		const struct mqattr_def *d = NULL;
		while ((d = mqattr_next((enum mqattr_object)t, d)) != NULL) {
			mqattr_set_own(s, d->id, d->def);
			assert_string_equal(mqattr_text(s, d->id), d->def);
			assert_ptr_equal(
			    mqattr_def((enum mqattr_object)t, d->id), d);
			assert_ptr_equal(
			    mqattr_find((enum mqattr_object)t, d->keyword), d);
		}
		s = mqattr_set_free(s);
		assert_null(s);
	}
}

static void
test_defaults_are_those_that_we_promise(void **state)
{
	(void)state;

	static const struct {
		enum mqattr_object type;
		enum mqattr id;
		const char *def;
	} rows[] = {
	    {MQATTR_QLOCAL, MQATTR_ID_MAXDEPTH, "5000"},
	    {MQATTR_QLOCAL, MQATTR_ID_MAXMSGL, "4194304"},
	    {MQATTR_QLOCAL, MQATTR_ID_PUT, "ENABLED"},
	    {MQATTR_QLOCAL, MQATTR_ID_DEFPSIST, "NO"},
	    {MQATTR_QLOCAL, MQATTR_ID_MSGDLVSQ, "PRIORITY"},
	    {MQATTR_QLOCAL, MQATTR_ID_USAGE, "NORMAL"},
	    {MQATTR_QLOCAL, MQATTR_ID_SHARE, "YES"},
	    {MQATTR_QMGR, MQATTR_ID_MAXUMSGS, "10000"},
	    {MQATTR_CHANNEL, MQATTR_ID_HBINT, "5"},
	    {MQATTR_CHANNEL, MQATTR_ID_BATCHSZ, "50"},
	    {MQATTR_CHANNEL, MQATTR_ID_SSLPEER, ""},
	    {MQATTR_CHANNEL, MQATTR_ID_LONGTMR, "1200"},
	    {MQATTR_CHANNEL, MQATTR_ID_DISCINT, "6000"},
	    {MQATTR_LISTENER, MQATTR_ID_PORT, "1414"},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++)
		assert_string_equal(
		    mqattr_def(rows[i].type, rows[i].id)->def, rows[i].def);
}

static void
test_find_takes_any_case_and_older_names_but_no_others(void **state)
{
	(void)state;
	assert_int_equal(
	    mqattr_find(MQATTR_QLOCAL, "maxdepth")->id, MQATTR_ID_MAXDEPTH);
	assert_int_equal(
	    mqattr_find(MQATTR_QALIAS, "TargQ")->id, MQATTR_ID_TARGET);
	assert_null(mqattr_find(MQATTR_QALIAS, "MAXDEPTH"));
	assert_null(mqattr_find(MQATTR_QLOCAL, "BOGUS"));
	assert_null(mqattr_find(MQATTR_QLOCAL, ""));
	assert_null(mqattr_def(MQATTR_QLOCAL, (enum mqattr)0));
	assert_null(mqattr_def(MQATTR_QLOCAL, (enum mqattr)9999));
}

static void
test_a_word_stands_for_the_smallest_number(void **state)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_CHANNEL);
	char why[200];

	(void)state;
	assert_string_equal(mqattr_text(s, MQATTR_ID_KAINT), "AUTO");
	assert_int_equal(mqattr_int(s, MQATTR_ID_KAINT), -1);
	set_ok(s, MQATTR_ID_KAINT, "30");
	assert_int_equal(mqattr_int(s, MQATTR_ID_KAINT), 30);
	set_ok(s, MQATTR_ID_KAINT, "auto");
	assert_string_equal(mqattr_text(s, MQATTR_ID_KAINT), "AUTO");
	set_ok(s, MQATTR_ID_KAINT, "-1");
	assert_string_equal(mqattr_text(s, MQATTR_ID_KAINT), "AUTO");
	assert_int_not_equal(
	    mqattr_set_text(s, MQATTR_ID_KAINT, "100000", why, sizeof(why)),
	    MQI_OK);
	assert_string_equal(why,
	    "KAINT(100000) is not valid: it must be AUTO or a number from 0 to "
	    "99999");
	(void)mqattr_set_free(s);
}

static void
test_set_text_int_checks_range_and_form(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_ok(s, MQATTR_ID_MAXDEPTH, "007  ");
	assert_string_equal(mqattr_text(s, MQATTR_ID_MAXDEPTH), "7");
	assert_int_equal(mqattr_int(s, MQATTR_ID_MAXDEPTH), 7);
	set_ok(s, MQATTR_ID_MAXDEPTH, "999999999");
	static const char *const bad[] = {"", "-1", "1000000000", "ten", "1x",
	    "0x10", " 5", "99999999999999999999", "1 2"};
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
		set_refused(s, MQATTR_ID_MAXDEPTH, bad[i], "MAXDEPTH");
	mqattr_set_free(s);
}

static void
test_set_text_word_is_one_of_the_words_in_any_case(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_ok(s, MQATTR_ID_USAGE, "xmitq");
	assert_string_equal(mqattr_text(s, MQATTR_ID_USAGE), "XMITQ");
	assert_true(mqattr_is(s, MQATTR_ID_USAGE, "XMITQ"));
	assert_false(mqattr_is(s, MQATTR_ID_USAGE, "NORMAL"));
	set_refused(s, MQATTR_ID_USAGE, "XMIT", "one of NORMAL, XMITQ");
	set_refused(s, MQATTR_ID_USAGE, "", "USAGE");
	set_ok(s, MQATTR_ID_SHARE, "no");
	assert_true(mqattr_is(s, MQATTR_ID_SHARE, "NO"));
	mqattr_set_free(s);
}

static void
test_set_text_name_has_the_letters_of_names(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_QREMOTE);
	set_ok(s, MQATTR_ID_RNAME, "a.B/c_D%1");
	set_ok(s, MQATTR_ID_RNAME, " ");
	assert_string_equal(mqattr_text(s, MQATTR_ID_RNAME), "");
	set_refused(s, MQATTR_ID_RNAME, "A B", "RNAME");
	set_refused(s, MQATTR_ID_RNAME, "A*", "RNAME");
	char longest[MQI_NAME_LEN + 2];
	memset(longest, 'Q', sizeof(longest));
	longest[MQI_NAME_LEN] = '\0';
	set_ok(s, MQATTR_ID_RNAME, longest);
	longest[MQI_NAME_LEN] = 'Q';
	longest[MQI_NAME_LEN + 1] = '\0';
	set_refused(s, MQATTR_ID_RNAME, longest, "48");
	mqattr_set_free(s);
}

static void
test_set_text_text_is_utf8_without_controls(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_ok(s, MQATTR_ID_DESCR,
	    "gr\xc3\xbc\xc3\x9f"
	    "e \xe2\x82\xac \xf0\x9f\x98\x80  ");
	assert_string_equal(mqattr_text(s, MQATTR_ID_DESCR),
	    "gr\xc3\xbc\xc3\x9f"
	    "e \xe2\x82\xac \xf0\x9f\x98\x80");
	static const char *const bad[] = {"a\nb", "\x7f", "\x80", "\xc3",
	    "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
	    "\xf4\x90\x80\x80", "\xff", "\xc2\x85"};
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
		set_refused(s, MQATTR_ID_DESCR, bad[i], "DESCR");
	char text[66];
	memset(text, 'x', 65);
	text[65] = '\0';
	set_refused(s, MQATTR_ID_DESCR, text, "64");
	text[64] = '\0';
	set_ok(s, MQATTR_ID_DESCR, text);
	char *huge = calloc(1, 5001);
	memset(huge, 'x', 5000);
	set_refused(s, MQATTR_ID_DESCR, huge, "DESCR");
	free(huge);
	mqattr_set_free(s);
}

static void
test_set_text_refuses_read_only_and_foreign_attributes(void **state)
{
	(void)state;
	char why[200];
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_refused(s, MQATTR_ID_CURDEPTH, "1", "CURDEPTH");
	assert_int_equal(
	    mqattr_set_text(s, MQATTR_ID_PORT, "1", why, sizeof(why)),
	    MQI_E_ATTRIBUTE);
	assert_non_null(strstr(why, "QLOCAL"));
	assert_int_equal(
	    mqattr_set_text(s, MQATTR_ID_PORT, "1", NULL, 0), MQI_E_ATTRIBUTE);
	mqattr_set_own(s, MQATTR_ID_CURDEPTH, "12");
	assert_int_equal(mqattr_int(s, MQATTR_ID_CURDEPTH), 12);
	mqattr_set_free(s);
}

static void
test_set_has_follows_the_channel_type(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_CHANNEL);
	assert_true(mqattr_set_has(s, MQATTR_ID_XMITQ));
	assert_true(mqattr_set_has(s, MQATTR_ID_SSLPEER));
	assert_false(mqattr_set_has(s, MQATTR_ID_MRRTY));
	set_ok(s, MQATTR_ID_CHLTYPE, "rcvr");
	assert_false(mqattr_set_has(s, MQATTR_ID_XMITQ));
	assert_true(mqattr_set_has(s, MQATTR_ID_SSLPEER));
	assert_true(mqattr_set_has(s, MQATTR_ID_MRRTY));
	assert_false(mqattr_set_has(s, MQATTR_ID_MAXDEPTH));
	mqattr_set_free(s);
}

static struct mqattr_set *
sample(void)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_ok(s, MQATTR_ID_MAXDEPTH, "258");
	set_ok(s, MQATTR_ID_DESCR, "a 'queue'");
	set_ok(s, MQATTR_ID_USAGE, "XMITQ");
	set_ok(s, MQATTR_ID_SHARE, "NO");
	set_ok(s, MQATTR_ID_PUT, "DISABLED");
	mqattr_set_own(s, MQATTR_ID_CRDATE, "2026-11-21");
	return s;
}

static void
test_encode_gives_the_golden_bytes(void **state)
{
	(void)state;
	static const uint8_t golden[] = {4, 0, 1, 0, 1, 0, 'd', 6, 0, 8, 0, 2,
	    1, 0, 0, 0, 0, 0, 0, 9, 0, 5, 0, 'X', 'M', 'I', 'T', 'Q', 10, 0, 2,
	    0, 'N', 'O'};
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	set_ok(s, MQATTR_ID_DESCR, "d");
	set_ok(s, MQATTR_ID_MAXDEPTH, "258");
	set_ok(s, MQATTR_ID_USAGE, "XMITQ");
	set_ok(s, MQATTR_ID_SHARE, "NO");
	set_ok(s, MQATTR_ID_PUT, "ENABLED"); /* the default is not stored */
	struct mqbuf b;
	mqbuf_init(&b, 1000);
	mqattr_encode(s, &b);
	assert_int_equal(b.err, MQI_OK);
	assert_int_equal(b.len, sizeof(golden));
	assert_memory_equal(b.data, golden, sizeof(golden));
	mqbuf_fini(&b);
	mqattr_set_free(s);
}

static void
assert_same(const struct mqattr_set *a, const struct mqattr_set *b)
{
	const struct mqattr_def *d = NULL;
	assert_int_equal(mqattr_set_type(a), mqattr_set_type(b));
	while ((d = mqattr_next(mqattr_set_type(a), d)) != NULL)
		assert_string_equal(
		    mqattr_text(a, d->id), mqattr_text(b, d->id));
}

static void
test_decode_and_copy_give_the_same_set(void **state)
{
	(void)state;
	struct mqattr_set *s = sample();
	struct mqbuf b;
	mqbuf_init(&b, 1000);
	mqattr_encode(s, &b);
	struct mqattr_set *back = NULL;
	assert_int_equal(
	    mqattr_decode(MQATTR_QLOCAL, b.data, b.len, &back), MQI_OK);
	assert_same(s, back);
	struct mqattr_set *copy = mqattr_set_copy(back);
	back = mqattr_set_free(back);
	assert_same(s, copy);
	mqattr_set_free(copy);
	mqattr_set_free(s);
	mqbuf_fini(&b);
}

static void
test_decode_refuses_every_truncation_and_any_tail(void **state)
{
	(void)state;
	struct mqattr_set *s = sample();
	struct mqattr_set *back = NULL;
	struct mqbuf b;
	mqbuf_init(&b, 1000);
	mqattr_encode(s, &b);
	for (size_t len = 0; len < b.len; len++) {
		assert_int_not_equal(
		    mqattr_decode(MQATTR_QLOCAL, b.data, len, &back), MQI_OK);
		assert_null(back);
	}
	mqbuf_put_u8(&b, 0);
	assert_int_equal(
	    mqattr_decode(MQATTR_QLOCAL, b.data, b.len, &back), MQI_E_PROTOCOL);
	mqattr_set_free(s);
	mqbuf_fini(&b);
}

static void
test_decode_refuses_wrong_numbers_values_and_repetition(void **state)
{
	(void)state;

	static const struct {
		uint8_t data[24];
		size_t len;
		enum mqi_err err;
	} rows[] = {
	    {{1, 0, 0, 0, 0, 0}, 6, MQI_E_ATTRIBUTE},    /* number 0 */
	    {{1, 0, 0xff, 0, 0, 0}, 6, MQI_E_ATTRIBUTE}, /* unknown */
	    {{1, 0, 37, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 14,
		MQI_E_ATTRIBUTE}, /* PORT of a queue */
	    {{1, 0, 6, 0, 4, 0, 1, 0, 0, 0}, 10, MQI_E_PROTOCOL}, /* width */
	    {{1, 0, 6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}, 14,
		MQI_E_ATTRIBUTE},                            /* negative */
	    {{1, 0, 9, 0, 1, 0, 'Q'}, 7, MQI_E_ATTRIBUTE},   /* word */
	    {{1, 0, 1, 0, 2, 0, 'a', 0}, 8, MQI_E_PROTOCOL}, /* NUL */
	    {{2, 0, 1, 0, 1, 0, 'a', 1, 0, 1, 0, 'b'}, 12,
		MQI_E_ATTRIBUTE}, /* twice */
	    {{2, 0, 1, 0, 1, 0, 'a'}, 7, MQI_E_PROTOCOL},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		struct mqattr_set *back = NULL;
		assert_int_equal(mqattr_decode(MQATTR_QLOCAL, rows[i].data,
				     rows[i].len, &back),
		    rows[i].err);
		assert_null(back);
	}
}

static void
test_decode_survives_random_changes(void **state)
{
	(void)state;
	const char *env = getenv("MQ_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 20261121;
	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	struct mqattr_set *s = sample();
	struct mqbuf b;
	mqbuf_init(&b, 1000);
	mqattr_encode(s, &b);
	uint8_t *bytes = malloc(b.len);
	for (int round = 0; round < 20000; round++) {
		memcpy(bytes, b.data, b.len);
		for (uint64_t n = mqrand_next(&seed) % 3 + 1; n > 0; n--)
			bytes[mqrand_next(&seed) % b.len] =
			    (uint8_t)mqrand_next(&seed);
		struct mqattr_set *back = NULL;
		enum mqi_err err =
		    mqattr_decode(MQATTR_QLOCAL, bytes, b.len, &back);
		assert_true((err == MQI_OK) == (back != NULL));
		mqattr_set_free(back);
	}
	free(bytes);
	mqbuf_fini(&b);
	mqattr_set_free(s);
}

static void
test_attributes_without_effect_are_checked_and_kept(void **state)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	const struct mqattr_def *d =
	    mqattr_def(MQATTR_QLOCAL, MQATTR_ID_QDEPTHHI);

	(void)state;
	assert_true(d->inert);
	assert_false(mqattr_def(MQATTR_QLOCAL, MQATTR_ID_MAXDEPTH)->inert);
	assert_string_equal(mqattr_text(s, MQATTR_ID_QDEPTHHI), "80");
	set_ok(s, MQATTR_ID_QDEPTHHI, "95");
	set_refused(s, MQATTR_ID_QDEPTHHI, "101", "QDEPTHHI");
	assert_string_equal(mqattr_text(s, MQATTR_ID_MAXFSIZE), "DEFAULT");
	set_ok(s, MQATTR_ID_MAXFSIZE, "20");
	set_refused(s, MQATTR_ID_CLWLUSEQ, "SOME", "CLWLUSEQ");
	assert_false(mqattr_set_has(s, MQATTR_ID_SEQWRAP));
	(void)mqattr_set_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_attributes_without_effect_are_checked_and_kept),
	    cmocka_unit_test(test_table_is_sorted_and_every_number_has_a_row),
	    cmocka_unit_test(test_every_default_is_valid_for_its_attribute),
	    cmocka_unit_test(test_defaults_are_those_that_we_promise),
	    cmocka_unit_test(
		test_find_takes_any_case_and_older_names_but_no_others),
	    cmocka_unit_test(test_a_word_stands_for_the_smallest_number),
	    cmocka_unit_test(test_set_text_int_checks_range_and_form),
	    cmocka_unit_test(
		test_set_text_word_is_one_of_the_words_in_any_case),
	    cmocka_unit_test(test_set_text_name_has_the_letters_of_names),
	    cmocka_unit_test(test_set_text_text_is_utf8_without_controls),
	    cmocka_unit_test(
		test_set_text_refuses_read_only_and_foreign_attributes),
	    cmocka_unit_test(test_set_has_follows_the_channel_type),
	    cmocka_unit_test(test_encode_gives_the_golden_bytes),
	    cmocka_unit_test(test_decode_and_copy_give_the_same_set),
	    cmocka_unit_test(test_decode_refuses_every_truncation_and_any_tail),
	    cmocka_unit_test(
		test_decode_refuses_wrong_numbers_values_and_repetition),
	    cmocka_unit_test(test_decode_survives_random_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_authority.c - words of rights, and profiles in tables: what is one,
 * what matches, which is more specific.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/engine/authority.h"

static void
check_words(enum authority_type type, const char *word, const char *text)
{
	char got[AUTHORITY_TEXT_LEN];
	uint32_t rights;
	if (!authority_word(type, word, &rights)) {
		if (text != NULL)
			fail_msg("%s is no word of %s", word,
			    authority_type_name(type));
		return;
	}
	authority_text(rights, got);
	if (text == NULL || strcmp(got, text) != 0)
		fail_msg(
		    "%s of %s is %s", word, authority_type_name(type), got);
}

static void
test_word_gives_the_rights_that_the_type_of_object_has(void **state)
{
	(void)state;
	check_words(AUTHORITY_QUEUE, "put", "PUT");
	check_words(AUTHORITY_QUEUE, "ALLMQI", "BROWSE,GET,INQ,PUT");
	check_words(AUTHORITY_QUEUE, "AllAdm", "CHG,CLR,CRT,DLT,DSP");
	check_words(
	    AUTHORITY_QUEUE, "ALL", "BROWSE,CHG,CLR,CRT,DLT,DSP,GET,INQ,PUT");
	check_words(AUTHORITY_QUEUE, "NONE", "NONE");
	check_words(AUTHORITY_QMGR, "ALLMQI", "ALTUSR,CONNECT");
	check_words(AUTHORITY_QMGR, "ALLADM", "CHG,CTRL,DSP");
	check_words(
	    AUTHORITY_QMGR, "ALL", "ALTUSR,CHG,CONNECT,CTRL,DSP,SYSTEM");
	check_words(AUTHORITY_CHANNEL, "ALL", "CHG,CRT,CTRL,CTRLX,DLT,DSP");
	check_words(AUTHORITY_LISTENER, "ALL", "CHG,CRT,CTRL,DLT,DSP");
	check_words(AUTHORITY_NAMELIST, "ALL", "CHG,CRT,DLT,DSP");
	check_words(AUTHORITY_PROCESS, "ALL", "CHG,CRT,DLT,DSP");
	check_words(AUTHORITY_SERVICE, "ALL", "CTRL,DSP");
	check_words(AUTHORITY_SERVICE, "CHG", NULL);
	check_words(AUTHORITY_PROCESS, "CTRL", NULL);
	check_words(AUTHORITY_QUEUE, "CONNECT", NULL);
	check_words(AUTHORITY_QMGR, "PUT", NULL);
	check_words(AUTHORITY_LISTENER, "CTRLX", NULL);
	check_words(AUTHORITY_QUEUE, "SETALL", NULL);
	check_words(AUTHORITY_QUEUE, "", NULL);
}

static void
test_rights_of_a_record_are_those_of_its_type_and_known_words(void **state)
{
	(void)state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_AUTHREC);
	assert_int_equal(authority_rights(s), 0);
	mqattr_set_own(s, MQATTR_ID_AUTHLIST, "GET,PUT");
	assert_int_equal(authority_rights(s), AUTHORITY_GET | AUTHORITY_PUT);
	mqattr_set_own(s, MQATTR_ID_AUTHLIST, "GET,FLY,CONNECT,PUT");
	assert_int_equal(authority_rights(s), AUTHORITY_GET | AUTHORITY_PUT);
	mqattr_set_own(s, MQATTR_ID_OBJTYPE, "QMGR");
	assert_int_equal(authority_rights(s), AUTHORITY_CONNECT);
	mqattr_set_free(s);
}

static void
test_profile_is_valid_only_with_whole_double_stars(void **state)
{
	(void)state;
	static const char *const good[] = {"A", "a.B/c_%", "*", "**", "A.*",
	    "A.**", "**.A", "A.**.B", "A*.B?", "?", "*A*", "A..B", "SYSTEM.**"};
	static const char *const bad[] = {"", "A B", "A**", "**A", "A.B**.C",
	    "***", "**.A.**", "A-B", "A'B",
	    "AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDDDDDDDDEEEEEEEEE"};
	for (size_t i = 0; i < MQ_ARRAY_LEN(good); i++)
		if (!profile_is_valid(good[i]))
			fail_msg("%s is not valid", good[i]);
	for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
		if (profile_is_valid(bad[i]))
			fail_msg("%s is valid", bad[i]);
}

static void
test_profile_matches_qualifier_by_qualifier(void **state)
{
	(void)state;

	static const struct {
		const char *profile;
		const char *name;
		bool matches;
	} rows[] = {
	    {"A.B", "A.B", true},
	    {"A.B", "A.C", false},
	    {"A.B", "a.b", false},
	    {"AB.?D", "AB.CD", true},
	    {"AB.?D", "AB.D", false},
	    {"AB.?D", "AB.CCD", false},
	    {"A?B", "A.B", false},
	    {"ABC.*.JKL", "ABC.DEF.JKL", true},
	    {"ABC.*.JKL", "ABC.JKL", false},
	    {"ABC.*.JKL", "ABC.DEF.GHI.JKL", false},
	    {"ABC.DE*.JKL", "ABC.DE.JKL", true},
	    {"ABC.DE*.JKL", "ABC.DEF.JKL", true},
	    {"ABC.DE*.JKL", "ABC.DEGH.JKL", true},
	    {"ABC.DE*.JKL", "ABC.DE.F.JKL", false},
	    {"*", "ABC", true},
	    {"*", "ABC.DEF", false},
	    {"A*", "A", true},
	    {"A*", "ABC", true},
	    {"A*", "A.B", false},
	    {"*B*D", "ABCD", true},
	    {"*B*D", "ABBDD", true},
	    {"*B*D", "ABDC", false},
	    {"**", "ABC", true},
	    {"**", "ABC.DEF.GHI", true},
	    {"**.ABC", "ABC", true},
	    {"**.ABC", "X.Y.ABC", true},
	    {"**.ABC", "X.ABC.Y", false},
	    {"ABC.**", "ABC", true},
	    {"ABC.**", "ABC.D.E", true},
	    {"ABC.**", "ABCD", false},
	    {"A.**.D", "A.D", true},
	    {"A.**.D", "A.B.C.D", true},
	    {"A.**.D", "A.B.C", false},
	    {"A.**.D", "A", false},
	    {"A.**.?", "A.B.C.D", true},
	    {"A..*", "A..B", true},
	    {"A.*", "A.", true},
	    /* the system's own names are named */
	    {"**", "SYSTEM.DEAD.LETTER.QUEUE", false},
	    {"*.DEAD.LETTER.QUEUE", "SYSTEM.DEAD.LETTER.QUEUE", false},
	    {"?YSTEM.**", "SYSTEM.DEAD.LETTER.QUEUE", false},
	    {"SYSTEM*.**", "SYSTEM.DEAD.LETTER.QUEUE", false},
	    {"SYSTEM.**", "SYSTEM.DEAD.LETTER.QUEUE", true},
	    {"SYSTEM.DEAD.*.QUEUE", "SYSTEM.DEAD.LETTER.QUEUE", true},
	    {"SYSTEM.DEAD.LETTER.QUEUE", "SYSTEM.DEAD.LETTER.QUEUE", true},
	    {"**", "SYSTEMS.A", true},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		assert_true(profile_is_valid(rows[i].profile));
		if (profile_matches(rows[i].profile, rows[i].name) !=
		    rows[i].matches)
			fail_msg("%s and %s: %d", rows[i].profile, rows[i].name,
			    !rows[i].matches);
	}
}

static void
test_profile_is_closer_from_left_to_right(void **state)
{
	(void)state;
	/* each is closer than all behind it */
	static const char *const order[] = {"A.B.C", "A.B.C*", "A.B.?", "A.B.*",
	    "A.B*.C", "A.B*.*", "A.?.C", "A.*.C", "A.*.*", "A.**.C", "A.**",
	    "A*.B.C", "?.B.C", "*.B.C", "*.*.C", "**.B.C", "**.C", "**"};
	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++) {
		assert_false(profile_is_closer(order[i], order[i]));
		for (size_t j = i + 1; j < MQ_ARRAY_LEN(order); j++) {
			if (!profile_is_closer(order[i], order[j]) ||
			    profile_is_closer(order[j], order[i]))
				fail_msg("%s is not closer than %s", order[i],
				    order[j]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_word_gives_the_rights_that_the_type_of_object_has),
	    cmocka_unit_test(
		test_rights_of_a_record_are_those_of_its_type_and_known_words),
	    cmocka_unit_test(
		test_profile_is_valid_only_with_whole_double_stars),
	    cmocka_unit_test(test_profile_matches_qualifier_by_qualifier),
	    cmocka_unit_test(test_profile_is_closer_from_left_to_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

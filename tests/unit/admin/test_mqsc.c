/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mqsc.c - MQSC in tables: what a script means, as one line per command
 * or error, for each lexical rule; and random bytes, which must only be
 * refused.
 *
 * A command is written "VERB NOUN name <like flags> KEYWORD=value ...", an
 * error "line:column text", the end of reading "END".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/mqsc.h"
#include "base/rand.h"

static void add(char *out, const char *fmt, ...) MQ_PRINTF(2, 3);

#define OUT_LEN 65536

static void
add(char *out, const char *fmt, ...)
{
	va_list ap;
	size_t used = strlen(out);
	va_start(ap, fmt);
	(void)vsnprintf(out + used, OUT_LEN - used, fmt, ap);
	va_end(ap);
}

static void
describe(char *out, const struct mqctl_command *c)
{
	add(out, "%s %s %s", mqctl_verb_name(c->verb), mqctl_noun_name(c->noun),
	    c->name);
	if (c->like[0] != '\0')
		add(out, " <%s", c->like);
	if (c->flags != 0)
		add(out, " %%%x", c->flags);
	for (uint32_t i = 0; i < c->attrs.n; i++)
		add(out, " %s=%s", c->attrs.pairs[i].keyword,
		    c->attrs.pairs[i].value);
	add(out, "\n");
}

/* Without the final NUL. */
static void
copy(char *to, const char *text)
{
	while (*text != '\0')
		*to++ = *text++;
}

static void
drain(struct mqsc *m, char *out)
{
	struct mqctl_command c;
	struct mqsc_error e;
	enum mqsc_event ev;
	while ((ev = mqsc_next(m, &c, &e)) != MQSC_NONE) {
		if (ev == MQSC_COMMAND) {
			describe(out, &c);
			mqctl_command_fini(&c);
		} else if (ev == MQSC_ERROR) {
			add(out, "%u:%u %s%s\n", e.line, e.column, e.text,
			    e.at_end ? " (end)" : "");
		} else {
			add(out, "END\n");
		}
	}
}

static void
run(const char *script, size_t len, char *out)
{
	struct mqsc *m = mqsc_new();
	out[0] = '\0';
	const char *p = script;
	const char *end = script + len;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);
		mqsc_feed(m, p, n);
		drain(m, out);
		p += n + (nl != NULL);
	}
	mqsc_finish(m);
	drain(m, out);
	mqsc_free(m);
}

struct row {
	const char *script;
	const char *means;
};

static void
check(const struct row *rows, size_t n)
{
	char *out = malloc(OUT_LEN);
	for (size_t i = 0; i < n; i++) {
		run(rows[i].script, strlen(rows[i].script), out);
		if (strcmp(out, rows[i].means) != 0)
			fail_msg("script:\n%s\nmeans:\n%s\nnot:\n%s",
			    rows[i].script, out, rows[i].means);
	}
	free(out);
}

#define CHECK(rows) check(rows, MQ_ARRAY_LEN(rows))

static void
test_verbs_and_nouns_have_short_forms_in_any_case(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(a)", "DEFINE QLOCAL A\n"},
	    {"DEFINE QALIAS(A)", "DEFINE QALIAS A\n"},
	    {"alt qr(A)", "ALTER QREMOTE A\n"},
	    {"ALTER QMGR", "ALTER QMGR \n"},
	    {"DIS Q(*)", "DISPLAY QUEUE *\n"},
	    {"Display Queue(ab.*)", "DISPLAY QUEUE AB.*\n"},
	    {"dis chs(*)", "DISPLAY CHSTATUS *\n"},
	    {"dis ls(*)", "DISPLAY LSSTATUS *\n"},
	    {"dis qs(Q)", "DISPLAY QSTATUS Q\n"},
	    {"dis qmstatus all", "DISPLAY QMSTATUS  %10\n"},
	    {"sta chl(c)", "START CHANNEL C\n"},
	    {"STOP LSTR(L)", "STOP LISTENER L\n"},
	    {"clear ql(a)", "CLEAR QLOCAL A\n"},
	    {"ping qmgr", "PING QMGR \n"},
	    {"reset qmgr type(advancelog)", "RESET QMGR  TYPE=ADVANCELOG\n"},
	    {"resolve chl(c) action(commit)",
		"RESOLVE CHANNEL C ACTION=COMMIT\n"},
	    {"stop qmgr mode(immediate)", "STOP QMGR  MODE=IMMEDIATE\n"},
	    {"frobnicate ql(a)", "1:1 FROBNICATE is not a verb\n"},
	    {"define fish(a)", "1:8 FISH is not a kind of object\n"},
	    {"define", "1:7 a kind of object is missing (end)\n"},
	    {"(define)", "1:1 a verb is expected\n"},
	};
	CHECK(rows);
}

static void
test_values_fold_to_upper_case_unless_quoted(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(abc) descr('abc') put(disabled)",
		"DEFINE QLOCAL ABC DESCR=abc PUT=DISABLED\n"},
	    {"def ql('abc')", "DEFINE QLOCAL abc\n"},
	    {"def ql(a) descr('it''s')", "DEFINE QLOCAL A DESCR=it's\n"},
	    {"def ql(a) descr('''')", "DEFINE QLOCAL A DESCR='\n"},
	    {"def ql(a) descr(' ')", "DEFINE QLOCAL A DESCR= \n"},
	    {"def ql(a) descr('')", "DEFINE QLOCAL A DESCR=\n"},
	    {"def ql(a) descr('(x) ; y, z')",
		"DEFINE QLOCAL A DESCR=(x) ; y, z\n"},
	    {"def ql(a) descr('gr\xc3\xbc\xc3\x9f"
	     "e')",
		"DEFINE QLOCAL A DESCR=gr\xc3\xbc\xc3\x9f"
		"e\n"},
	    {"def ql(a) descr(gr\xc3\xbcn)",
		"1:19 a value with such characters must stand in quotes\n"},
	    {"def ql(a) descr(hello world)",
		"1:23 a value with blanks or quotes must stand in quotes\n"},
	    {"def chl(c) conname(host(1414))",
		"1:24 a value with parentheses must stand in quotes\n"},
	    {"def chl(c) conname('host(1414)')",
		"DEFINE CHANNEL C CONNAME=host(1414)\n"},
	    {"def ql(a) descr()",
		"1:16 a value is missing: write ' ' for blank\n"},
	    {"def ql(a) descr('x", "1:17 the quote has no end (end)\n"},
	    {"def ql(a) descr('x''y", "1:17 the quote has no end (end)\n"},
	    {"def ql(a) descr(x", "1:18 ')' is missing (end)\n"},
	};
	CHECK(rows);
}

static void
test_blanks_and_commas_separate(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"  def   ql ( a ) usage (xmitq) , put( disabled )",
		"DEFINE QLOCAL A USAGE=XMITQ PUT=DISABLED\n"},
	    {"def ql(a),put(enabled),get(enabled)",
		"DEFINE QLOCAL A PUT=ENABLED GET=ENABLED\n"},
	    {"\tdef\tql(a)\tshare\t", "DEFINE QLOCAL A SHARE=\n"},
	    {"def ql(a)put(enabled)", "DEFINE QLOCAL A PUT=ENABLED\n"},
	    {"def ql(a) )", "1:11 a keyword is expected\n"},
	    {"def ql a", "1:8 the name of the QLOCAL is missing\n"},
	    {"def ql", "1:7 the name of the QLOCAL is missing (end)\n"},
	    {"ping qmgr(x)", "1:10 QMGR takes no name\n"},
	};
	CHECK(rows);
}

static void
test_lists_are_kept_with_commas_where_they_are_taken(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"set authrec profile(a.**) objtype(queue) principal('fred','joe') "
	     "authadd(get , put browse)",
		"SET AUTHREC  PROFILE=A.** OBJTYPE=QUEUE PRINCIPAL=fred,joe "
		"AUTHADD=GET,PUT,BROWSE\n"},
	    {"set authrec objtype(qmgr) group('x') authrmv(all)",
		"SET AUTHREC  OBJTYPE=QMGR GROUP=x AUTHRMV=ALL\n"},
	    {"delete authrec profile(a) objtype(queue) group('x')",
		"DELETE AUTHREC  PROFILE=A OBJTYPE=QUEUE GROUP=x\n"},
	    {"dis authrec", "DISPLAY AUTHREC \n"},
	    {"dis authrec profile(a) match(exact) all",
		"DISPLAY AUTHREC  %10 PROFILE=A MATCH=EXACT\n"},
	    {"set chlauth('a*b.*') type(blockaddr) addrlist('10.*', 1.2.3.4)",
		"SET CHLAUTH a*b.* TYPE=BLOCKADDR ADDRLIST=10.*,1.2.3.4\n"},
	    {"dis chlauth(*) match(runcheck) sslpeer('CN=a,O=b')",
		"DISPLAY CHLAUTH * MATCH=RUNCHECK SSLPEER=CN=a,O=b\n"},
	    {"def nl(n) names(a, 'b' c)", "DEFINE NAMELIST N NAMES=A,b,C\n"},
	    {"def nl(n) names( )", "DEFINE NAMELIST N NAMES=\n"},
	    {"def nl(n) names()", "DEFINE NAMELIST N NAMES=\n"},
	    {"def nl(n) names(a,b", "1:20 ')' is missing (end)\n"},
	    {"def pro(p) applicid('/bin/x -y')",
		"DEFINE PROCESS P APPLICID=/bin/x -y\n"},
	    {"refresh security type(ssl)", "REFRESH SECURITY  TYPE=SSL\n"},
	    {"set authrec principal('a,b')",
		"1:23 a value of a list cannot hold a comma\n"},
	    {"set authrec authadd()",
		"1:20 a value is missing: write ' ' for blank\n"},
	    {"set authrec authadd", "1:13 AUTHADD needs a value in "
				    "parentheses\n"},
	    {"set authrec(x)", "1:12 AUTHREC takes no name\n"},
	    {"set chlauth type(blockaddr)",
		"1:13 the name of the CHLAUTH is missing\n"},
	    {"def ql(a) descr('x' 'y')",
		"1:21 a value with blanks or quotes must stand in quotes\n"},
	};
	CHECK(rows);
}

static void
test_plus_goes_on_at_the_next_non_blank(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(a) +\n    put(disabled)",
		"DEFINE QLOCAL A PUT=DISABLED\n"},
	    {"def ql(a) put(dis+  \n   abled)",
		"DEFINE QLOCAL A PUT=DISABLED\n"},
	    {"def ql(a) descr('one +\n   two')",
		"DEFINE QLOCAL A DESCR=one two\n"},
	    {"def ql(a) +\n* a comment\n\n   \n put(disabled)",
		"DEFINE QLOCAL A PUT=DISABLED\n"},
	    {"def ql(a) descr('x+\n* comment\ny')",
		"DEFINE QLOCAL A DESCR=xy\n"},
	    {"def ql(a) +",
		"1:1 the input ends where the command is to go on (end)\n"},
	    {"def ql(a) +\n  bogus)\nping qmgr",
		"2:8 a keyword is expected\nPING QMGR \n"},
	};
	CHECK(rows);
}

static void
test_minus_goes_on_at_the_first_column(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(a) descr('one-\n  two')",
		"DEFINE QLOCAL A DESCR=one  two\n"},
	    {"def ql(a) put(dis-\nabled)", "DEFINE QLOCAL A PUT=DISABLED\n"},
	    {"def ql(a) put(dis-\n abled)",
		"2:2 a value with blanks or quotes must stand in quotes\n"},
	    {"def q-\nl(a)", "DEFINE QLOCAL A\n"},
	    {"def ql(a) descr('a-b+c') put(enabled)",
		"DEFINE QLOCAL A DESCR=a-b+c PUT=ENABLED\n"},
	};
	CHECK(rows);
}

static void
test_semicolon_ends_a_command_outside_quotes(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(a); def ql(b)", "DEFINE QLOCAL A\nDEFINE QLOCAL B\n"},
	    {"def ql(a) +;\nping qmgr", "DEFINE QLOCAL A\nPING QMGR \n"},
	    {"def ql(a) descr('x;y');", "DEFINE QLOCAL A DESCR=x;y\n"},
	    {"def ql(a) descr('x;+\n;y');;", "DEFINE QLOCAL A DESCR=x;;y\n"},
	    {";;;", ""},
	    {"bogus; ping qmgr; bogus", "1:1 BOGUS is not a verb\nPING QMGR \n"
					"1:19 BOGUS is not a verb\n"},
	};
	CHECK(rows);
}

static void
test_comments_and_blank_lines_are_nothing(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"", ""},
	    {"\n\n   \n\t\n", ""},
	    {"* comment +\nping qmgr", "PING QMGR \n"},
	    {"* gr\xc3\xbc\xc3\x9f"
	     "e; 'quote\nping qmgr",
		"PING QMGR \n"},
	    {" * no comment", "1:2 a verb is expected\n"},
	    {"\xef\xbb\xbfping qmgr\r\nping qmgr\r\n",
		"PING QMGR \nPING QMGR \n"},
	};
	CHECK(rows);
}

static void
test_end_stops_reading(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"ping qmgr\nend\nping qmgr", "PING QMGR \nEND\n"},
	    {"EXIT", "END\n"},
	    {" quit ; ping qmgr", "END\n"},
	    {"ending", "1:1 ENDING is not a verb\n"},
	};
	CHECK(rows);
}

static void
test_modifiers_become_flags_where_they_belong(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(a) replace", "DEFINE QLOCAL A %1\n"},
	    {"def ql(a) noreplace like(b.c)", "DEFINE QLOCAL A <B.C\n"},
	    {"delete ql(a) purge", "DELETE QLOCAL A %2\n"},
	    {"delete ql(a) nopurge ignstate(yes)", "DELETE QLOCAL A %8\n"},
	    {"stop chl(a) ignstate(yes) mode(force)",
		"STOP CHANNEL A %8 MODE=FORCE\n"},
	    {"alter ql(a) force", "ALTER QLOCAL A %4\n"},
	    {"dis ql(a) all", "DISPLAY QLOCAL A %10\n"},
	    {"dis ql(a) maxdepth curdepth",
		"DISPLAY QLOCAL A MAXDEPTH= CURDEPTH=\n"},
	    {"dis ql(*) where(curdepth gt 0)",
		"DISPLAY QLOCAL * WHERE=CURDEPTH GT 0\n"},
	    {"dis ql(*) where(descr lk 'a b*') put",
		"DISPLAY QLOCAL * WHERE=DESCR LK a b* PUT=\n"},
	    {"dis q(*) type(qlocal)", "DISPLAY QUEUE * TYPE=QLOCAL\n"},
	    {"def ql(a) share notrigger",
		"DEFINE QLOCAL A SHARE= NOTRIGGER=\n"},
	    {"def ql(a) descr", "1:11 DESCR needs a value in parentheses\n"},
	    {"def ql(a) like", "1:11 LIKE needs a value in parentheses\n"},
	    {"def ql(a) replace(yes)", "1:11 REPLACE takes no value\n"},
	    {"def ql(a) bogus", "DEFINE QLOCAL A BOGUS=\n"},
	    {"stop chl(a) mode", "1:13 MODE needs a value in parentheses\n"},
	    {"stop chl(a) ignstate(maybe)",
		"1:13 IGNSTATE must be YES or NO\n"},
	};
	CHECK(rows);
}

static void
test_generic_names_are_for_display_only(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"dis ql('abc*')", "DISPLAY QLOCAL abc*\n"},
	    {"dis ql(a*b)", "1:7 '*' must be the last character of a name\n"},
	    {"delete ql(a*)", "1:10 only DISPLAY takes names with '*'\n"},
	    {"dis ql(ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGH*)",
		"DISPLAY QLOCAL "
		"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGH*\n"},
	    {"dis ql(ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHI)",
		"1:7 the name is longer than 48 characters\n"},
	};
	CHECK(rows);
}

static void
test_errors_are_placed_in_lines_and_characters(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"\n* c\ndef ql(a) descr('\xc3\xa4\xc3\xb6\xc3\xbc') )",
		"3:24 a keyword is expected\n"},
	    {"def ql(a) +\n  put(enabled) +\n   =", "3:4 a keyword is "
						    "expected\n"},
	    {"ping\x01qmgr", "1:5 the line holds the control character 01\n"},
	};
	CHECK(rows);
}

static void
test_limits_of_line_command_and_value(void **state)
{
	(void)state;
	char *out = malloc(OUT_LEN);
	char *script = malloc(OUT_LEN);

	memset(script, ' ', MQSC_MAX_LINE + 1);
	copy(script, "ping qmgr");
	run(script, MQSC_MAX_LINE, out);
	assert_string_equal(out, "PING QMGR \n");
	script[MQSC_MAX_LINE] = 'x';
	run(script, MQSC_MAX_LINE + 1, out);
	assert_string_equal(out, "1:2049 the line is longer than 2048 bytes\n");

	/* lines that never end the command */
	(void)snprintf(script, OUT_LEN, "%s", "def ql(a) descr('+\n");
	for (size_t n = strlen(script); n + 1003 < OUT_LEN; n += 1002) {
		memset(script + n, 'x', 1000);
		memcpy(script + n + 1000, "+\n", 3);
	}
	run(script, strlen(script), out);
	assert_non_null(strstr(out, "the command is too long"));
	assert_null(strchr(strchr(out, '\n') + 1, '\n'));

	(void)snprintf(script, OUT_LEN, "%s", "def ql(a) descr('");
	for (int i = 0; i < 13; i++) {
		size_t n = strlen(script);
		memset(script + n, 'x', 1000);
		memcpy(script + n + 1000, "+\n", 3);
	}
	add(script, "%s", "')\nping qmgr");
	run(script, strlen(script), out);
	assert_string_equal(
	    out, "1:17 the value is longer than 12544 bytes\nPING QMGR \n");

	(void)snprintf(script, OUT_LEN, "%s", "dis ql(a)");
	for (int i = 0; i < 130; i++)
		add(script, "%s", " A");
	run(script, strlen(script), out);
	assert_non_null(strstr(out, "too many parameters"));
	free(script);
	free(out);
}

static void
test_a_nul_is_a_control_character(void **state)
{
	(void)state;
	char *out = malloc(OUT_LEN);
	run("ping\0qmgr", 9, out);
	assert_string_equal(
	    out, "1:5 the line holds the control character 00\n");
	free(out);
}

static void
test_random_scripts_are_refused_or_understood(void **state)
{
	(void)state;
	static const char *const words[] = {"def", "ql", "(", ")", "'", "''",
	    "+\n", "-\n", "\n", ";", " ", ",", "*", "like", "dis", "where", "a",
	    "\xc3\xa4", "replace", "descr", "end", "alter", "chl"};
	const char *env = getenv("MQ_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 20261121;
	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	char *out = malloc(OUT_LEN);
	char script[512];
	for (int round = 0; round < 20000; round++) {
		size_t n = 0;
		while (n < 300) {
			const char *w =
			    words[mqrand_next(&seed) % MQ_ARRAY_LEN(words)];
			copy(script + n, w);
			n += strlen(w);
			if (mqrand_next(&seed) % 64 == 0)
				script[n++] = (char)mqrand_next(&seed);
			if (mqrand_next(&seed) % 32 == 0)
				break;
		}
		run(script, n, out);
	}
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verbs_and_nouns_have_short_forms_in_any_case),
	    cmocka_unit_test(test_values_fold_to_upper_case_unless_quoted),
	    cmocka_unit_test(test_blanks_and_commas_separate),
	    cmocka_unit_test(
		test_lists_are_kept_with_commas_where_they_are_taken),
	    cmocka_unit_test(test_plus_goes_on_at_the_next_non_blank),
	    cmocka_unit_test(test_minus_goes_on_at_the_first_column),
	    cmocka_unit_test(test_semicolon_ends_a_command_outside_quotes),
	    cmocka_unit_test(test_comments_and_blank_lines_are_nothing),
	    cmocka_unit_test(test_end_stops_reading),
	    cmocka_unit_test(test_modifiers_become_flags_where_they_belong),
	    cmocka_unit_test(test_generic_names_are_for_display_only),
	    cmocka_unit_test(test_errors_are_placed_in_lines_and_characters),
	    cmocka_unit_test(test_limits_of_line_command_and_value),
	    cmocka_unit_test(test_a_nul_is_a_control_character),
	    cmocka_unit_test(test_random_scripts_are_refused_or_understood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

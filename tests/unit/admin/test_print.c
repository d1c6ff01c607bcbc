/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_print.c - what mqadmin mqsc writes: the layout of rows, the echo, the
 * summary, ids and letters of messages, and JSON that keeps its schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/print.h"

struct fixture {
	char *text;
	size_t len;
	FILE *out;
	struct print *p;
	struct mqctl_command cmd;
};

static void
begin(struct fixture *f, bool json, enum mqctl_verb verb, enum mqctl_noun noun)
{
	memset(f, 0, sizeof(*f));
	f->out = open_memstream(&f->text, &f->len);
	assert_non_null(f->out);
	f->p = print_new(f->out, json, true);
	f->cmd.verb = verb;
	f->cmd.noun = noun;
	(void)snprintf(f->cmd.name, sizeof(f->cmd.name), "A");
}

static void
end(struct fixture *f)
{
	f->p = print_free(f->p);
	(void)fclose(f->out);
	free(f->text);
}

static void
row(struct fixture *f, ...)
{
	struct mqctl_list l;
	const char *keyword;
	va_list ap;
	mqctl_list_init(&l);
	va_start(ap, f);
	while ((keyword = va_arg(ap, const char *)) != NULL)
		assert_int_equal(
		    mqctl_list_add(&l, keyword, va_arg(ap, const char *)),
		    MQI_OK);
	va_end(ap);
	print_row(f->p, &f->cmd, &l);
	mqctl_list_fini(&l);
}

static void
test_rows_have_two_columns_and_long_ones_stand_alone(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, false, MQCTL_DISPLAY, MQCTL_QLOCAL);
	row(&f, "QUEUE", "A", "TYPE", "QLOCAL", "DESCR",
	    "a description that is longer than forty characters", "MAXDEPTH",
	    "5000", "PUT", "ENABLED", "SHARE", "YES", "USAGE", "NORMAL",
	    "RNAME", "", "XMITQ",
	    "gr\xc3\xbc\xc3\x9f"
	    "e",
	    "Z", "1", NULL);
	print_result(f.p, &f.cmd, MQI_OK, "");
	assert_string_equal(f.text,
	    "AMQ8409I: Display Queue details.\n"
	    "   QUEUE(A)                                TYPE(QLOCAL)\n"
	    "   DESCR(a description that is longer than forty characters)\n"
	    "   MAXDEPTH(5000)                          PUT(ENABLED)\n"
	    "   SHARE                                   USAGE(NORMAL)\n"
	    "   RNAME( )                                "
	    "XMITQ(gr\xc3\xbc\xc3\x9f"
	    "e)\n"
	    "   Z(1)\n");
	end(&f);
}

static void
test_a_long_item_after_a_short_one_starts_a_line(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, false, MQCTL_DISPLAY, MQCTL_CHANNEL);
	row(&f, "CHANNEL", "A", "SSLPEER",
	    "CN=a name that is quite long,O=somewhere", "B", "\x1b[2J\n", NULL);
	(void)fflush(f.out);
	assert_string_equal(f.text,
	    "AMQ8414I: Display Channel details.\n"
	    "   CHANNEL(A)\n"
	    "   SSLPEER(CN=a name that is quite long,O=somewhere)\n"
	    "   B(?[2J?)\n");
	end(&f);
}

static void
test_echo_numbers_commands_but_not_comments_and_continued_lines(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, false, MQCTL_DEFINE, MQCTL_QLOCAL);
	print_begin(f.p, "QM1");
	print_source(f.p, "* comment", 9, false);
	print_source(f.p, "DEFINE QL(A) +", 14, false);
	print_source(f.p, "  PUT(ENABLED)", 14, true);
	print_result(f.p, &f.cmd, MQI_OK, "");
	print_source(f.p, "x\ty\x1b", 4, false);
	(void)fflush(f.out);
	assert_string_equal(f.text, "Starting MQSC for queue manager QM1.\n\n\n"
				    "       : * comment\n"
				    "     1 : DEFINE QL(A) +\n"
				    "       :   PUT(ENABLED)\n"
				    "AMQ8006I: Queue created.\n"
				    "     2 : x\ty?\n");
	end(&f);
}

static void
test_summary_counts_as_runmqsc_does(void **state)
{
	(void)state;
	struct fixture f;
	struct mqsc_error e = {.line = 3, .column = 8, .text = "why"};
	begin(&f, false, MQCTL_DEFINE, MQCTL_QLOCAL);
	assert_true(print_end(f.p, false));
	assert_string_equal(f.text,
	    "No MQSC commands read.\n"
	    "No commands have a syntax error.\n"
	    "All valid MQSC commands were processed.\n");
	end(&f);

	begin(&f, false, MQCTL_DEFINE, MQCTL_QLOCAL);
	print_syntax_error(f.p, &e);
	print_result(f.p, &f.cmd, MQI_E_EXISTS, "QLOCAL(A) exists already");
	assert_false(print_end(f.p, false));
	assert_string_equal(f.text,
	    "AMQ8405E: Syntax error at line 3, column 8: why.\n"
	    "AMQ8150E: QLOCAL(A) exists already (10014, EXISTS).\n"
	    "2 MQSC commands read.\n"
	    "One command has a syntax error.\n"
	    "One valid MQSC command could not be processed.\n");
	end(&f);

	begin(&f, false, MQCTL_DEFINE, MQCTL_QLOCAL);
	print_result(f.p, &f.cmd, MQI_E_ATTRIBUTE, "BOGUS is ...");
	assert_false(print_end(f.p, false));
	assert_non_null(strstr(f.text, "One command has a syntax error.\n"));
	end(&f);
}

static void
test_messages_have_ids_of_ibm_with_their_letters(void **state)
{
	(void)state;

	static const struct {
		enum mqctl_verb verb;
		enum mqctl_noun noun;
		enum mqi_err err;
		const char *id;
	} rows[] = {
	    {MQCTL_DEFINE, MQCTL_QLOCAL, MQI_OK, "AMQ8006I"},
	    {MQCTL_ALTER, MQCTL_QMGR, MQI_OK, "AMQ8005I"},
	    {MQCTL_DELETE, MQCTL_QALIAS, MQI_OK, "AMQ8007I"},
	    {MQCTL_START, MQCTL_CHANNEL, MQI_OK, "AMQ8018I"},
	    {MQCTL_DISPLAY, MQCTL_CHSTATUS, MQI_E_UNKNOWN_OBJECT, "AMQ8420I"},
	    {MQCTL_DISPLAY, MQCTL_QLOCAL, MQI_E_UNKNOWN_OBJECT, "AMQ8147E"},
	    {MQCTL_DELETE, MQCTL_QLOCAL, MQI_E_Q_NOT_EMPTY, "AMQ8143E"},
	    {MQCTL_DEFINE, MQCTL_QLOCAL, MQI_E_ATTRIBUTE, "AMQ8405E"},
	    {MQCTL_STOP, MQCTL_LISTENER, MQI_E_STATE, "AMQ8731W"},
	    {MQCTL_START, MQCTL_CHANNEL, MQI_E_STATE, "AMQ9514E"},
	    {MQCTL_START, MQCTL_CHANNEL, MQI_E_UNEXPECTED, "AMQ8101S"},
	    {MQCTL_SET, MQCTL_AUTHREC, MQI_OK, "AMQ8862I"},
	    {MQCTL_DISPLAY, MQCTL_AUTHREC, MQI_OK, "AMQ8864I"},
	    {MQCTL_SET, MQCTL_CHLAUTH, MQI_OK, "AMQ8877I"},
	    {MQCTL_DISPLAY, MQCTL_CHLAUTH, MQI_OK, "AMQ8878I"},
	    {MQCTL_REFRESH, MQCTL_SECURITY, MQI_OK, "AMQ8560I"},
	    {MQCTL_RESET, MQCTL_QLOCAL, MQI_OK, "AMQ8000I"},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		struct print_message m;
		struct mqctl_command c = {
		    .verb = rows[i].verb, .noun = rows[i].noun};
		print_message_of(&c, rows[i].err, "", &m);
		assert_string_equal(m.id, rows[i].id);
		assert_true(strlen(m.text) > 0);
	}
	struct print_message m;
	struct mqctl_command c = {.verb = MQCTL_RESOLVE, .noun = MQCTL_CHANNEL};
	print_message_of(&c, MQI_OK, "up to 9", &m);
	assert_string_equal(m.text, "Channel resolved: up to 9.");
}

static json_t *
load(const struct fixture *f)
{
	json_error_t e;
	(void)fflush(f->out);
	assert_non_null(f->text);
	assert_ptr_equal(strchr(f->text, '\n'), f->text + f->len - 1);
	json_t *o = json_loads(f->text, 0, &e);
	if (o == NULL)
		fail_msg("%s in %s", e.text, f->text);
	return o;
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	assert_non_null(s);
	return s;
}

static void
test_json_of_a_display_has_typed_objects(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, true, MQCTL_DISPLAY, MQCTL_QLOCAL);
	print_begin(f.p, "QM1");
	print_source(f.p, "DIS QL(A)", 9, false);
	row(&f, "QUEUE", "5", "TYPE", "QLOCAL", "MAXDEPTH", "5000", "DESCR",
	    "42", "SHARE", "YES", NULL);
	row(&f, "QUEUE", "B", "TYPE", "QLOCAL", NULL);
	print_result(f.p, &f.cmd, MQI_OK, "");
	assert_true(print_end(f.p, false));
	json_t *o = load(&f);
	assert_string_equal(text_of(o, "completion"), "OK");
	assert_string_equal(text_of(o, "reasonName"), "OK");
	assert_string_equal(text_of(o, "verb"), "DISPLAY");
	assert_string_equal(text_of(o, "noun"), "QLOCAL");
	assert_string_equal(text_of(o, "name"), "A");
	assert_int_equal(json_integer_value(json_object_get(o, "number")), 1);
	assert_string_equal(
	    text_of(json_object_get(o, "message"), "id"), "AMQ8409I");
	json_t *rows = json_object_get(o, "objects");
	assert_int_equal(json_array_size(rows), 2);
	json_t *first = json_array_get(rows, 0);
	assert_string_equal(text_of(first, "QUEUE"), "5");
	assert_string_equal(text_of(first, "DESCR"), "42");
	assert_string_equal(text_of(first, "SHARE"), "YES");
	assert_true(json_is_integer(json_object_get(first, "MAXDEPTH")));
	json_decref(o);
	end(&f);
}

static void
test_json_of_status_has_numbers_where_they_are(void **state)
{
	static const char *const numbers[] = {
	    "BUFSSENT", "BYTSRCVD", "CURMSGS", "JOBNAME", "XQMSGSA"};
	static const char *const texts[] = {"CHANNEL", "NETTIME", "INDOUBT"};
	struct fixture f;

	(void)state;
	begin(&f, true, MQCTL_DISPLAY, MQCTL_CHSTATUS);
	row(&f, "CHANNEL", "5", "BUFSSENT", "1", "BYTSRCVD", "2", "CURMSGS",
	    "0", "INDOUBT", "NO", "JOBNAME", "3", "NETTIME", "12,15", "XQMSGSA",
	    "7", NULL);
	print_result(f.p, &f.cmd, MQI_OK, "");
	json_t *o = load(&f);
	json_t *first = json_array_get(json_object_get(o, "objects"), 0);
	for (size_t i = 0; i < MQ_ARRAY_LEN(numbers); i++)
		assert_true(
		    json_is_integer(json_object_get(first, numbers[i])));
	for (size_t i = 0; i < MQ_ARRAY_LEN(texts); i++)
		assert_true(json_is_string(json_object_get(first, texts[i])));
	json_decref(o);
	end(&f);
}

static void
test_json_of_failures_says_why(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, true, MQCTL_DEFINE, MQCTL_QLOCAL);
	print_result(f.p, &f.cmd, MQI_E_ATTRIBUTE, "BOGUS is not ...");
	json_t *o = load(&f);
	assert_string_equal(text_of(o, "completion"), "FAILED");
	assert_int_equal(
	    json_integer_value(json_object_get(o, "reason")), 10016);
	assert_string_equal(text_of(o, "reasonName"), "ATTRIBUTE");
	assert_non_null(
	    strstr(text_of(json_object_get(o, "message"), "text"), "BOGUS"));
	json_decref(o);
	end(&f);

	struct mqsc_error e = {.line = 3, .column = 8, .text = "why"};
	begin(&f, true, MQCTL_DEFINE, MQCTL_QLOCAL);
	print_syntax_error(f.p, &e);
	o = load(&f);
	assert_string_equal(text_of(o, "reasonName"), "SYNTAX");
	assert_int_equal(json_integer_value(json_object_get(o, "line")), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "column")), 8);
	assert_true(json_is_array(json_object_get(o, "objects")));
	json_decref(o);
	end(&f);
}

static void
test_json_survives_text_that_is_not_utf8(void **state)
{
	(void)state;
	struct fixture f;
	begin(&f, true, MQCTL_DISPLAY, MQCTL_CHSTATUS);
	row(&f, "CHANNEL", "A", "ERROR", "\xff\xfe", NULL);
	print_result(f.p, &f.cmd, MQI_OK, "");
	json_t *o = load(&f);
	json_decref(o);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_rows_have_two_columns_and_long_ones_stand_alone),
	    cmocka_unit_test(test_a_long_item_after_a_short_one_starts_a_line),
	    cmocka_unit_test(
		test_echo_numbers_commands_but_not_comments_and_continued_lines),
	    cmocka_unit_test(test_summary_counts_as_runmqsc_does),
	    cmocka_unit_test(test_messages_have_ids_of_ibm_with_their_letters),
	    cmocka_unit_test(test_json_of_a_display_has_typed_objects),
	    cmocka_unit_test(test_json_of_status_has_numbers_where_they_are),
	    cmocka_unit_test(test_json_of_failures_says_why),
	    cmocka_unit_test(test_json_survives_text_that_is_not_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

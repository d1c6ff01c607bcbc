/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c - base/log.c: one line per event, whatever its values hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/log.h"

struct capture {
	int fd;
	int saved;
	char text[8192];
};

static struct capture cap;

static int
setup(void **state)
{
	*state = &cap;
	cap.fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(cap.fd >= 0);
	cap.saved = dup(STDERR_FILENO);
	assert_true(dup2(cap.fd, STDERR_FILENO) >= 0);
	return 0;
}

/* What was logged since setup. */
static const char *
logged(struct capture *c)
{
	ssize_t n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);

	assert_true(n >= 0);
	c->text[n] = '\0';
	return c->text;
}

static int
teardown(void **state)
{
	struct capture *c = *state;

	(void)dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->fd);
	return 0;
}

static void
log_fields(const char *value)
{
	struct mqlog_line l;

	mqlog_begin(&l, MQLOG_WARN, "session.refused");
	mqlog_str(&l, "reason", value);
	mqlog_int(&l, "n", INT64_MIN);
	mqlog_uint(&l, "uid", UINT64_MAX);
	mqlog_end(&l);
}

static void
test_text_line_has_time_name_level_event_and_fields(void **state)
{
	const char *line;

	mqlog_init("QM1", false);
	log_fields("plain");
	line = logged(*state);
	assert_int_equal(line[4], '-');
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[23], 'Z');
	assert_string_equal(line + 24,
	    " QM1 warn session.refused reason=plain"
	    " n=-9223372036854775808 uid=18446744073709551615\n");
}

static void
test_json_line_is_one_object(void **state)
{
	const char *line;

	mqlog_init("QM1", true);
	log_fields("two words");
	line = logged(*state);
	assert_memory_equal(line, "{\"time\":\"2", 10);
	assert_string_equal(strchr(line, 'Z'),
	    "Z\",\"qmgr\":\"QM1\",\"level\":\"warn\","
	    "\"event\":\"session.refused\",\"reason\":\"two words\","
	    "\"n\":\"-9223372036854775808\","
	    "\"uid\":\"18446744073709551615\"}\n");
}

static void
test_values_cannot_forge_a_line(void **state)
{
	const char *line;

	mqlog_init("QM1", false);
	mqlog(MQLOG_INFO, "e", "%s", "a\nb\r\"\\\x1b[2J\x7f\xff\xc2\x9b");
	line = logged(*state);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_non_null(strstr(
	    line, "text=\"a\\nb\\x0d\\\"\\\\\\x1b[2J\\x7f\\xff\\xc2\\x9b\"\n"));
}

static void
test_json_escapes_and_keeps_utf8(void **state)
{
	const char *line;

	mqlog_init("QM1", true);
	mqlog(MQLOG_INFO, "e", "%s",
	    "\x01\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
	    "\xed\xa0\x80\xc0\xaf\xe2\x82");
	line = logged(*state);
	assert_non_null(strstr(line,
	    "\"text\":\"\\u0001\\\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
	    "\\u00ed\\u00a0\\u0080\\u00c0\\u00af\\u00e2\\u0082\"}\n"));
}

/* First and last of each length are kept; overlong ones, surrogates, C1
 * controls, line separators and what is beyond the last are not. */
static void
test_utf8_is_kept_exactly_where_it_is_valid(void **state)
{
	static const char *const kept[] = {"\xc2\xa0", "\xdf\xbf",
	    "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
	    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const escaped[] = {"\xc2\x80", "\xc2\x9f",
	    "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
	    "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
	    "\xe2\x80\xa8", "\xe2\x80\xa9", "\x80", "\xff", "\xe2\x82x",
	    "\xc3"};
	struct capture *c = *state;

	mqlog_init("QM1", false);
	for (size_t i = 0; i < MQ_ARRAY_LEN(kept) + MQ_ARRAY_LEN(escaped);
	     i++) {
		bool keep = i < MQ_ARRAY_LEN(kept);
		const char *value =
		    keep ? kept[i] : escaped[i - MQ_ARRAY_LEN(kept)];

		assert_int_equal(ftruncate(c->fd, 0), 0);
		(void)lseek(c->fd, 0, SEEK_SET);
		mqlog(MQLOG_INFO, "e", "%s", value);
		if (keep != (strstr(logged(c), value) != NULL))
			fail_msg("value %zu: %s", i, c->text);
	}
}

static void
test_empty_values_are_shown(void **state)
{
	struct mqlog_line l;

	mqlog_init("", false);
	mqlog_begin(&l, MQLOG_FATAL, "e");
	mqlog_str(&l, "k", "");
	mqlog_end(&l);
	assert_string_equal(logged(*state) + 24, " - fatal e k=\"\"\n");
}

/* Whatever the length of a value, the line ends properly and fits. */
static void
test_a_long_value_is_cut_and_marked(void **state)
{
	struct capture *c = *state;
	static char value[3000];
	struct mqlog_line l;

	for (unsigned json = 0; json < 2; json++) {
		mqlog_init("QM1", json);
		for (size_t len = 1900; len < 2100; len++) {
			const char *line;

			memset(value, 'v', len);
			value[len] = '\0';
			assert_int_equal(ftruncate(c->fd, 0), 0);
			(void)lseek(c->fd, 0, SEEK_SET);
			mqlog_begin(&l, MQLOG_ERROR, "e");
			mqlog_str(&l, "a", value);
			mqlog_str(&l, "b", value);
			mqlog_str(&l, "c", " ");
			mqlog_end(&l);
			line = logged(c);
			assert_true(strlen(line) <= sizeof(l.text));
			assert_non_null(
			    strstr(line, json ? "\",\"truncated\":\"yes\"}\n"
					      : " truncated=yes\n"));
		}
	}
}

static void
test_a_long_name_is_cut(void **state)
{
	mqlog_init("0123456789012345678901234567890123456789", false);
	mqlog(MQLOG_INFO, "e", "t");
	assert_string_equal(logged(*state) + 24,
	    " 0123456789012345678901234567890 info e text=t\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_text_line_has_time_name_level_event_and_fields),
	    TEST(test_json_line_is_one_object),
	    TEST(test_values_cannot_forge_a_line),
	    TEST(test_json_escapes_and_keeps_utf8),
	    TEST(test_utf8_is_kept_exactly_where_it_is_valid),
	    TEST(test_empty_values_are_shown),
	    TEST(test_a_long_value_is_cut_and_marked),
	    TEST(test_a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

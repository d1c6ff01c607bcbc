/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_docs.c - docs/mqsc.md holds the table of attributes as it is: what
 * `mqadmin attributes --markdown` writes, whole and unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_TEXT 262144u

static char *
read_all(FILE *f)
{
	char *text = calloc(1, MAX_TEXT);
	assert_non_null(f);
	assert_non_null(text);
	size_t n = fread(text, 1, MAX_TEXT - 1, f);
	assert_true(n > 0 && n < MAX_TEXT - 1);
	while (text[n - 1] == '\n')
		text[--n] = '\0';
	return text;
}

static void
test_mqsc_md_has_the_table_of_attributes(void **state)
{
	(void)state;
	char command[4096];
	char path[4096];
	(void)snprintf(command, sizeof(command),
	    "'%s/mqadmin' attributes --markdown", getenv("MQ_BIN"));
	(void)snprintf(path, sizeof(path), "%s/docs/mqsc.md", getenv("MQ_SRC"));
	FILE *p = popen(command, "re");
	char *table = read_all(p);
	assert_int_equal(pclose(p), 0);
	FILE *f = fopen(path, "re");
	char *page = read_all(f);
	(void)fclose(f);
	if (strstr(page, table) == NULL)
		fail_msg("docs/mqsc.md is not up to date: put what %s writes "
			 "at its end",
		    command);
	free(page);
	free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mqsc_md_has_the_table_of_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

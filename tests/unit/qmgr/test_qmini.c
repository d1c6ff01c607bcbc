/* SPDX-License-Identifier: Apache-2.0 */
/* test_qmini.c - qm.ini: what is written can be read, what is wrong is named
 * with its line and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmgr/qmini.h"
#include "tests/lib/tmpdir.h"

static int
setup(void **state)
{
	struct tmpdir *d = calloc(1, sizeof(*d));

	tmpdir_make(d);
	*state = d;
	return 0;
}

static int
teardown(void **state)
{
	tmpdir_free(*state);
	free(*state);
	return 0;
}

static void
write_ini(const struct tmpdir *d, const char *text)
{
	char path[4200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/qm.ini", d->path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_what_is_written_is_the_default(void **state)
{
	const struct tmpdir *d = *state;
	struct store_options preset;
	struct store_options none;
	struct store_options written;
	struct scrub_options scrub = {0};
	struct scrub_options again = {0};
	bool apart = true;
	char *why = NULL;

	store_options_init(&preset);
	none = preset;
	written = preset;
	assert_int_equal(
	    qmini_read(d->path, &none, &scrub, &apart, &why), MQI_OK);
	assert_memory_equal(&none, &preset, sizeof(preset));
	assert_int_equal(qmini_write(d->path, &why), MQI_OK);
	assert_int_equal(
	    qmini_read(d->path, &written, &again, &apart, &why), MQI_OK);
	assert_memory_equal(&scrub, &again, sizeof(scrub));
	assert_int_equal(scrub.interval_s, 86400);
	assert_int_equal(scrub.rate_mib, 16);
	assert_false(apart);
	assert_memory_equal(&written, &preset, sizeof(preset));
}

static void
test_values_are_taken_and_kept(void **state)
{
	const struct tmpdir *d = *state;
	struct store_options o;
	struct scrub_options scrub = {0};
	bool apart = false;
	char *why = NULL;

	store_options_init(&o);
	write_ini(d, "# mine\n\nlog:\n LogFilePages = 8192 \n"
		     "LogPrimaryFiles=3\nLOGSECONDARYFILES=0\n"
		     "\tCheckpointBytes=2000000\nCheckpointMilliseconds=50\n"
		     "Scrub:\nrate=3\ninterval=0\nAgents:\napart=1\n");
	/* an existing file is left alone */
	assert_int_equal(qmini_write(d->path, &why), MQI_OK);
	assert_int_equal(qmini_read(d->path, &o, &scrub, &apart, &why), MQI_OK);
	assert_int_equal(scrub.interval_s, 0);
	assert_int_equal(scrub.rate_mib, 3);
	assert_true(apart);
	assert_int_equal(o.journal.file_size, 33554432);
	assert_int_equal(o.journal.files_first, 3);
	assert_int_equal(o.journal.files, 3);
	assert_int_equal(o.checkpoint_bytes, 2000000);
	assert_true(o.checkpoint_keep < o.checkpoint_bytes);
	assert_int_equal(o.checkpoint_ms, 50);
}

static void
refused(const struct tmpdir *d, const char *text, const char *say)
{
	struct store_options o;
	struct store_options before;
	struct scrub_options scrub = {0};
	bool apart = false;
	char *why = NULL;

	store_options_init(&o);
	before = o;
	write_ini(d, text);
	assert_int_equal(
	    qmini_read(d->path, &o, &scrub, &apart, &why), MQI_E_INVAL);
	assert_non_null(why);
	print_message("%s\n", why);
	assert_non_null(strstr(why, "qm.ini"));
	assert_non_null(strstr(why, say));
	free(why);
	assert_memory_equal(&o, &before, sizeof(o));
}

static void
test_what_is_wrong_is_named(void **state)
{
	const struct tmpdir *d = *state;

	refused(d, "Log:\nLogFilePages=12\n", "line 2: LogFilePages is");
	refused(d, "Log:\nLogFilePages=65536\n", "to 65535, not \"65536\"");
	refused(d, "Log:\nLogFilePages=-1\n", "not \"-1\"");
	refused(d, "Log:\nLogFilePages=4096x\n", "not \"4096x\"");
	refused(d, "Log:\nLogFilePages=\n", "not \"\"");
	refused(d, "Log:\n\nLogPages=4096\n", "line 3: \"LogPages\" is not");
	refused(d, "Channels:\n", "line 1: \"Channels:\" is not a stanza");
	refused(d, "Scrub:\nLogFilePages=4096\n", "of the stanza Scrub");
	refused(d, "Agents:\nApart=2\n", "Apart is a number from 0 to 1");
	refused(d, "Agents:\nRate=1\n", "of the stanza Agents");
	refused(d, "Scrub:\nRate=0\n", "Rate is a number from 1");
	refused(d, "LogFilePages=4096\n", "line 1: a line is a stanza");
	refused(d, "Log:\nhello\n", "not \"hello\"");
	refused(d, "Log:\nLogPrimaryFiles=60\nLogSecondaryFiles=60\n",
	    "64 together");
	refused(d, "Log:\nCheckpointBytes=99999999999999999999\n",
	    "CheckpointBytes is");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_is_written_is_the_default),
	    TEST(test_values_are_taken_and_kept),
	    TEST(test_what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

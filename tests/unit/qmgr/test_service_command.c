/* SPDX-License-Identifier: Apache-2.0 */
/* test_service_command.c - what is run for a SERVICE object. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/service_command.h"

static const struct service_inserts inserts = {.qmgr = "QM1",
    .service = "S",
    .install = "/opt/x/",
    .root = "/var/lib/two words",
    .dir = "/var/lib/two words/QM1%2E",
    .server_pid = 77};

static void
test_inserts_are_filled_in_and_all_else_stays(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} rows[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"+QMNAME+", "QM1"},
	    {"a+QMNAME+b+MQ_SERVICE_NAME+", "aQM1bS"},
	    {"+MQ_INSTALL_PATH+bin/x", "/opt/x/bin/x"},
	    {"+MQ_DATA_PATH+", "/var/lib/two words"},
	    {"+MQ_Q_MGR_DATA_PATH+/log", "/var/lib/two words/QM1%2E/log"},
	    {"+MQ_Q_MGR_DATA_NAME+", "QM1%2E"},
	    {"-p +MQ_SERVER_PID+", "-p 77"},
	    {"+NOTHING+", "+NOTHING+"},
	    {"++QMNAME++", "+QM1+"},
	    {"+QMNAME", "+QMNAME"},
	    {"+", "+"},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		char *got = service_insert(&inserts, rows[i].text);

		assert_string_equal(got, rows[i].expected);
		free(got);
	}
}

static struct mqattr_set *
service(const char *startcmd, const char *startarg, const char *out)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_SERVICE);

	mqattr_set_own(s, MQATTR_ID_STARTCMD, startcmd);
	mqattr_set_own(s, MQATTR_ID_STARTARG, startarg);
	mqattr_set_own(s, MQATTR_ID_STDOUT, out);
	return s;
}

static void
test_a_value_with_blanks_is_one_word(void **state)
{
	struct mqattr_set *s = service("/bin/a b", "-d +MQ_DATA_PATH+ ;id", "");
	struct service_command c;

	(void)state;
	assert_int_equal(service_command_make(s, false, &inserts, &c), MQI_OK);
	assert_int_equal(c.args.n, 4);
	assert_string_equal(c.args.argv[0], "/bin/a b");
	assert_string_equal(c.args.argv[1], "-d");
	assert_string_equal(c.args.argv[2], "/var/lib/two words");
	assert_string_equal(c.args.argv[3], ";id");
	assert_int_equal(c.out_fd, -1);
	assert_int_equal(c.err_fd, -1);
	service_command_fini(&c);
	/* it has no STOPCMD */
	assert_int_equal(
	    service_command_make(s, true, &inserts, &c), MQI_E_ATTRIBUTE);
	(void)mqattr_set_free(s);
	s = service("/bin/x", "'open", "");
	assert_int_equal(
	    service_command_make(s, false, &inserts, &c), MQI_E_ATTRIBUTE);
	(void)mqattr_set_free(s);
}

static void
test_output_goes_to_files_and_to_nothing_else(void **state)
{
	char dir[] = "/tmp/mqserviceXXXXXX", path[64], fifo[64], text[8] = "";
	struct service_command c;
	struct mqattr_set *s;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/out", dir);
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (int i = 0; i < 2; i++) {
		s = service("/bin/x", "", path);
		assert_int_equal(
		    service_command_make(s, false, &inserts, &c), MQI_OK);
		assert_string_equal(c.why, "");
		assert_int_equal(write(c.out_fd, "a", 1), 1);
		service_command_fini(&c);
		(void)mqattr_set_free(s);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 2); /* appended */
	(void)close(fd);
	s = service("/bin/x", "", fifo);
	assert_int_equal(service_command_make(s, false, &inserts, &c), MQI_OK);
	assert_int_equal(c.out_fd, -1);
	assert_non_null(strstr(c.why, fifo));
	service_command_fini(&c);
	(void)mqattr_set_free(s);
	assert_int_equal(unlink(path) | unlink(fifo) | rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inserts_are_filled_in_and_all_else_stays),
	    cmocka_unit_test(test_a_value_with_blanks_is_one_word),
	    cmocka_unit_test(test_output_goes_to_files_and_to_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_select.c - selectors from an application's side: libmq and mqget against
 * a real queue manager, here and by TLS. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define MANY 3000

static struct tmpdir dir;
static struct qm qm;
static int port;

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	port = qm_serve(&qm, &dir);
	qm_mqsc(&qm,
	    "DEFINE QLOCAL(Q) DEFPSIST(YES)\n"
	    "DEFINE QLOCAL(DEEP) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app')\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
	return 0;
}

static mqi_queue *
open_all(mqi_conn *c, const char *name)
{
	mqi_queue *q = NULL;

	OK(mqi_open(c, name, NULL, MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT, &q));
	return q;
}

static mqi_queue *
open_for(mqi_conn *c, const char *name, const char *selector)
{
	const struct mqi_open_opts opts = {
	    .options = MQI_OO_INPUT_SHARED | MQI_OO_BROWSE,
	    .selector = selector};
	mqi_queue *q = NULL;

	OK(mqi_open_with(c, name, NULL, &opts, &q));
	return q;
}

/* A message whose property says which colour it has; its body is that too. */
static void
put(mqi_queue *q, const char *colour)
{
	struct mqi_prop prop = {.name = "colour",
	    .type = MQI_PROP_STRING,
	    .value.bytes = {colour, strlen(colour)}};
	struct mqi_md md;

	mqi_md_init(&md);
	md.props = &prop;
	md.n_props = 1;
	OK(mqi_put(q, NULL, &md, colour, strlen(colour)));
}

static void
check_get(mqi_queue *q, const struct mqi_get_opts *opts, const char *colour)
{
	mqi_msg *msg = NULL;

	OK(mqi_get_msg(q, NULL, opts, &msg));
	assert_int_equal(mqi_msg_len(msg), strlen(colour));
	assert_memory_equal(mqi_msg_body(msg), colour, strlen(colour));
	(void)mqi_msg_free(msg);
}

static void
assert_none(mqi_queue *q)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
}

/* Gets, browses and waits on a connection. */
static void
use_selectors(mqi_conn *c)
{
	const struct mqi_get_opts browse = {.options = MQI_GET_BROWSE_FIRST};
	const struct mqi_get_opts waits = {.wait_ms = 60000};
	mqi_queue *all = open_all(c, "Q");
	mqi_queue *red = open_for(c, "Q", "colour = 'red'");
	mqi_queue *other = open_for(c, "Q", "colour NOT IN ('red', 'blue')");

	put(all, "blue");
	put(all, "red");
	put(all, "green");
	check_get(red, &browse, "red");
	check_get(red, &waits, "red");
	check_get(other, &waits, "green");
	assert_none(red);
	assert_none(other);
	check_get(all, &waits, "blue");
	assert_none(all);
	OK(mqi_close(all));
	OK(mqi_close(red));
	OK(mqi_close(other));
}

static void
test_an_application_gets_what_it_asks_for(void **state)
{
	mqi_conn *c = qm_connect(&qm);

	(void)state;
	use_selectors(c);
	OK(mqi_disconnect(c));
}

static void
test_an_application_of_another_host_too(void **state)
{
	char conname[64], keys[PATH_MAX];
	const struct mqi_connect_opts opts = {
	    .conname = conname, .channel = "APP", .key_dir = keys};
	mqi_conn *c = NULL;

	(void)state;
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%d)", port);
	(void)snprintf(keys, sizeof(keys), "%.4000s/app", dir.path);
	OK(mqi_connect("QM1", &opts, &c));
	use_selectors(c);
	OK(mqi_disconnect(c));
}

static void
check_refused(mqi_conn *c, uint32_t options, const char *selector,
    enum mqi_err err, const char *says)
{
	const struct mqi_open_opts opts = {
	    .options = options, .selector = selector};
	mqi_queue *q = NULL;

	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q), err);
	assert_non_null(strstr(mqi_last_error(c), says));
	assert_null(q);
}

static void
test_a_mistake_is_told_with_its_place(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	char *text = malloc(MQI_SELECTOR_LEN + 2);

	(void)state;
	check_refused(c, MQI_OO_INPUT_SHARED, "colour = red AND",
	    MQI_E_SELECTOR_SYNTAX_ERROR, "at 17: a name, a literal or (");
	check_refused(c, MQI_OO_BROWSE, "JMSPriority = 'high'",
	    MQI_E_SELECTOR_SYNTAX_ERROR, "at 15: a number is never equal");
	check_refused(c, MQI_OO_BROWSE, " ", MQI_E_SELECTION_STRING_ERROR,
	    "no condition");
	check_refused(c, MQI_OO_OUTPUT, "TRUE", MQI_E_OPTIONS, "");
	assert_non_null(text);
	memset(text, ' ', MQI_SELECTOR_LEN + 1);
	text[MQI_SELECTOR_LEN + 1] = '\0';
	check_refused(c, MQI_OO_BROWSE, text, MQI_E_SELECTION_STRING_ERROR, "");
	free(text);
	OK(mqi_disconnect(c));
}

static bool
is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void
test_a_descriptor_tells_of_what_fits(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *all = open_all(c, "Q");
	mqi_queue *red = open_for(c, "Q", "colour = 'red'");
	struct mqi_get_opts none = {.wait_ms = 0};
	int fd = -1;

	(void)state;
	put(all, "blue");
	OK(mqi_descriptor(red, &fd));
	assert_false(is_readable(fd, 0));
	put(all, "blue");
	put(all, "red");
	assert_true(is_readable(fd, 60000));
	check_get(red, &none, "red");
	assert_none(red);
	assert_false(is_readable(fd, 0));
	check_get(all, &none, "blue");
	check_get(all, &none, "blue");
	OK(mqi_disconnect(c));
}

static void
test_read_ahead_brings_what_fits(void **state)
{
	const struct mqi_read_ahead window = {
	    .max_msgs = 10, .max_bytes = 100000};
	const struct mqi_get_opts waits = {.wait_ms = 60000};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *all = open_all(c, "DEEP");
	mqi_queue *red = open_for(c, "DEEP", "colour LIKE 'r_d'");
	mqi_msg *msg = NULL;

	(void)state;
	OK(mqi_read_ahead(red, &window));
	for (unsigned i = 0; i < MANY; i++)
		put(all, i % 100 == 99 ? "red" : "blue");
	for (unsigned i = 0; i < MANY / 100; i++) {
		OK(mqi_get_msg(red, NULL, &waits, &msg));
		assert_memory_equal(mqi_msg_body(msg), "red", 3);
		OK(mqi_ack(red, msg));
		msg = mqi_msg_free(msg);
	}
	OK(mqi_close(red));
	assert_int_equal(qm_depth(&qm, "DEEP"), MANY - MANY / 100);
	OK(mqi_disconnect(c));
}

/* mqget --selector on the queue DEEP; its status. */
static int
mqget(const char *selector, char **ret_out)
{
	char bin[PATH_MAX];
	const char *argv[] = {bin, "--root", qm.root, "--browse", "--selector",
	    selector, "QM1", "DEEP", NULL};

	proc_bin("mqget", bin, sizeof(bin));
	return proc_run(argv, NULL, qm.proc.log, ret_out);
}

static void
test_mqget_takes_a_selector(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *all = open_all(c, "DEEP");
	char *out = NULL;

	(void)state;
	put(all, "green");
	put(all, "yellow");
	assert_int_equal(mqget("colour > 5", NULL), 3);
	assert_int_equal(mqget("colour >", NULL), 1);
	assert_int_equal(mqget("colour <> 'blue'", &out), 0);
	assert_string_equal(out, "green\nyellow\n");
	free(out);
	OK(mqi_disconnect(c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_application_gets_what_it_asks_for),
	    cmocka_unit_test(test_an_application_of_another_host_too),
	    cmocka_unit_test(test_a_mistake_is_told_with_its_place),
	    cmocka_unit_test(test_a_descriptor_tells_of_what_fits),
	    cmocka_unit_test(test_read_ahead_brings_what_fits),
	    cmocka_unit_test(test_mqget_takes_a_selector),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_conn.c - connecting, its failures, fork, and the loss of the
 * connection, against a scripted queue manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libmq/conn.h"
#include "tests/unit/libmq/fake.h"

static void
script_hello(struct fake *f)
{
	fake_hello(f);
	fake_until_end(f);
}

static void
test_connect_says_the_name_of_the_queue_manager(void **state)
{
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_hello, NULL);
	c = fake_connect(&f, 0);
	assert_string_equal(mqi_qmgr_name(c), FAKE_QMGR);
	assert_string_equal(mqi_last_error(c), "");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
test_connect_without_a_directory_names_what_was_tried(void **state)
{
	const struct mqi_connect_opts opts = {.root = "/nonexistent/mq"};
	mqi_conn *c = NULL;

	(void)state;
	assert_int_equal(mqi_connect("QM1", &opts, &c), MQI_E_Q_MGR_NAME);
	assert_null(c);
	assert_non_null(strstr(mqi_last_error(NULL), "/nonexistent/mq"));
}

static void
test_connect_with_a_bad_name_is_refused(void **state)
{
	mqi_conn *c = NULL;

	(void)state;
	assert_int_equal(mqi_connect("no spaces", NULL, &c), MQI_E_Q_MGR_NAME);
	assert_int_equal(mqi_connect(NULL, NULL, &c), MQI_E_INVAL);
	assert_int_equal(mqi_connect("QM1", NULL, NULL), MQI_E_INVAL);
}

static void
script_refuse(struct fake *f)
{
	struct mqlocal_error e = {
	    .reason = MQI_E_NOT_AUTHORIZED, .text = "uid 7 is not the owner"};
	struct mqframe fr = fake_expect(f, MQLOCAL_HELLO);

	mqlocal_encode_error(&f->out, fr.id, &e);
	fake_send(f);
}

static void
test_connect_refused_gives_the_reason_and_the_sentence(void **state)
{
	struct mqi_connect_opts opts = {0};
	mqi_conn *c = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, script_refuse, NULL);
	opts.root = f.root;
	assert_int_equal(
	    mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_NOT_AUTHORIZED);
	assert_string_equal(mqi_last_error(NULL), "uid 7 is not the owner");
	fake_stop(&f);
}

static void
script_silent(struct fake *f)
{
	struct mqframe fr;

	while (fake_read(f, &fr))
		;
}

static void
test_connect_gives_up_when_time_is_up(void **state)
{
	struct mqi_connect_opts opts = {.timeout_ms = 50};
	mqi_conn *c = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, script_silent, NULL);
	opts.root = f.root;
	assert_int_equal(
	    mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_Q_MGR_NOT_AVAILABLE);
	fake_stop(&f);
}

/* They would wrap around into the past. */
static void
test_times_without_end_are_refused(void **state)
{
	struct mqi_connect_opts opts = {.timeout_ms = INT64_MAX};
	mqi_conn *c = NULL;
	struct fake f;

	(void)state;
	assert_int_equal(mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_INVAL);
	opts.timeout_ms = 1000000000;
	assert_int_equal(mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_INVAL);
	opts.timeout_ms = -1;
	assert_int_equal(mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_INVAL);
	fake_start(&f, script_hello, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_reconnect(c, INT64_MAX), MQI_E_INVAL);
	assert_int_equal(mqi_reconnect(c, -1), MQI_E_INVAL);
	(void)mqi_disconnect(c);
	fake_stop(&f);
}

static void
script_garbage(struct fake *f)
{
	(void)fake_expect(f, MQLOCAL_HELLO);
	mqbuf_put(&f->out, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	fake_send(f);
}

static void
test_connect_to_something_else_is_protocol(void **state)
{
	struct mqi_connect_opts opts = {0};
	mqi_conn *c = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, script_garbage, NULL);
	opts.root = f.root;
	assert_int_equal(mqi_connect(FAKE_QMGR, &opts, &c), MQI_E_PROTOCOL);
	fake_stop(&f);
}

/* Each connection: an OPEN_AS, answered. */
static void
script_open_as(struct fake *f)
{
	struct mqlocal_open_as v;
	struct mqframe fr;

	f->features = MQLOCAL_FEATURE_OPEN_AS;
	fake_hello(f);
	fr = fake_expect(f, MQLOCAL_OPEN_AS);
	assert_int_equal(mqlocal_decode_open_as(&fr, &v), MQI_OK);
	assert_string_equal(v.object, "Q");
	assert_string_equal(v.user, "fred");
	assert_int_equal(
	    v.options, MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY);
	fake_open_ok(f, fr.id, 1);
	fake_send(f);
	if (f->n_connections > 1)
		fake_until_end(f);
}

static void
test_alternate_user_is_asked_for_again_after_a_loss(void **state)
{
	const struct mqi_open_opts opts = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .alternate_user = "fred"};
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_open_as, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q), MQI_OK);
	while (mqi_dispatch(c) == MQI_OK)
		; /* until the loss is seen */
	assert_int_equal(mqi_reconnect(c, 0), MQI_OK);
	assert_int_equal(mqi_close(q), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	assert_int_equal(f.n_connections, 2);
	fake_stop(&f);
}

/* Each connection: an OPEN_SELECT, answered. */
static void
script_open_select(struct fake *f)
{
	struct mqlocal_open_select v;
	struct mqframe fr;

	f->features = MQLOCAL_FEATURE_SELECT;
	fake_hello(f);
	fr = fake_expect(f, MQLOCAL_OPEN_SELECT);
	assert_int_equal(mqlocal_decode_open_select(&fr, &v), MQI_OK);
	assert_string_equal(v.object, "Q");
	assert_string_equal(v.qmgr, "QM");
	assert_string_equal(v.user, "");
	assert_string_equal(v.selector, "a = 5");
	assert_int_equal(v.options, MQI_OO_BROWSE);
	fake_open_ok(f, fr.id, 1);
	fake_send(f);
	if (f->n_connections > 1)
		fake_until_end(f);
}

static void
test_a_selector_is_given_again_after_a_loss(void **state)
{
	const struct mqi_open_opts opts = {
	    .options = MQI_OO_BROWSE, .selector = "a = 5"};
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_open_select, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open_with(c, "Q", "QM", &opts, &q), MQI_OK);
	while (mqi_dispatch(c) == MQI_OK)
		; /* until the loss is seen */
	assert_int_equal(mqi_reconnect(c, 0), MQI_OK);
	assert_int_equal(mqi_close(q), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	assert_int_equal(f.n_connections, 2);
	fake_stop(&f);
}

static void
test_a_selector_needs_a_queue_manager_that_knows(void **state)
{
	struct mqi_open_opts opts = {
	    .options = MQI_OO_BROWSE, .selector = "a = 5"};
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_hello, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q),
	    MQI_E_FUNCTION_NOT_SUPPORTED);
	assert_non_null(strstr(mqi_last_error(c), "selectors"));
	opts.options = MQI_OO_OUTPUT;
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q), MQI_E_OPTIONS);
	assert_null(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
test_alternate_user_needs_its_option_and_a_queue_manager_that_knows(
    void **state)
{
	static char too_long[MQI_USER_LEN + 2];
	struct mqi_open_opts opts = {.options = MQI_OO_OUTPUT};
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_hello, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open_with(c, "Q", NULL, NULL, &q), MQI_E_INVAL);
	opts.alternate_user = "fred";
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q), MQI_E_OPTIONS);
	opts.options |= MQI_OO_ALTERNATE_USER_AUTHORITY;
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q),
	    MQI_E_FUNCTION_NOT_SUPPORTED);
	assert_non_null(strstr(mqi_last_error(c), "alternate"));
	memset(too_long, 'u', MQI_USER_LEN + 1);
	opts.alternate_user = too_long;
	assert_int_equal(mqi_open_with(c, "Q", NULL, &opts, &q), MQI_E_INVAL);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, opts.options, &q), MQI_E_OPTIONS);
	assert_null(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static bool
grandchild_is_told(mqi_conn *c)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(mqi_dispatch(c) == MQI_E_FORKED ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void
test_forked_child_gets_a_clear_error_and_parent_goes_on(void **state)
{
	mqi_queue *q = NULL;
	mqi_unit *u = NULL;
	struct fake f;
	mqi_conn *c;
	int status;
	pid_t pid;

	(void)state;
	fake_start(&f, script_hello, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	pid = fork();
	if (pid == 0) {
		int ok =
		    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q) == MQI_E_FORKED &&
		    mqi_dispatch(c) == MQI_E_FORKED &&
		    mqi_commit(u) == MQI_E_FORKED && grandchild_is_told(c) &&
		    mqi_disconnect(c) == MQI_E_FORKED;
		_exit(ok ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(mqi_commit(u), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- handles ---- */

#define HANDLES 1000u

static uint32_t
handle_number(unsigned i)
{
	return i * 64 + 1; /* all in one list of a small table */
}

static void
script_many_handles(struct fake *f)
{
	fake_hello(f);
	for (unsigned i = 0; i < HANDLES; i++)
		fake_open(f, handle_number(i));
	fake_until_end(f);
}

static void
test_each_of_many_handles_is_found(void **state)
{
	mqi_queue **q = calloc(HANDLES, sizeof(mqi_queue *));
	struct fake f;
	mqi_conn *c;

	(void)state;
	assert_non_null(q);
	fake_start(&f, script_many_handles, NULL);
	c = fake_connect(&f, 0);
	for (unsigned i = 0; i < HANDLES; i++)
		assert_int_equal(
		    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q[i]), MQI_OK);
	assert_true(c->n_buckets >= HANDLES);
	for (unsigned i = 0; i < HANDLES; i++) {
		assert_ptr_equal(mqqueue_find(c, handle_number(i)), q[i]);
		assert_null(mqqueue_find(c, handle_number(i) + 1));
	}
	for (unsigned i = 0; i < HANDLES; i += 2)
		assert_int_equal(mqi_close(q[i]), MQI_OK);
	for (unsigned i = 0; i < HANDLES; i++)
		assert_ptr_equal(mqqueue_find(c, handle_number(i)),
		    i % 2 == 0 ? NULL : q[i]);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	free(q);
	fake_stop(&f);
}

/* ---- loss ---- */

static void
script_open_then_leave(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 5);
	(void)fake_read(f, &fr); /* and no answer */
}

static void
test_loss_of_a_written_put_is_unknown(void **state)
{
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_open_then_leave, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_E_UNKNOWN_OUTCOME);
	/* and everything fails at once from now on */
	assert_int_equal(
	    mqi_put(q, NULL, NULL, "x", 1), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_dispatch(c), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_close(q), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
test_loss_of_a_put_in_a_unit_is_not_done(void **state)
{
	mqi_queue *q = NULL;
	mqi_unit *u = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_open_then_leave, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(mqi_put(q, u, NULL, "x", 1), MQI_E_NOT_DONE);
	assert_int_equal(mqi_commit(u), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
test_loss_of_an_inquiry_is_2009(void **state)
{
	struct mqi_queue_info info;
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_open_then_leave, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_INQUIRE, &q), MQI_OK);
	assert_int_equal(mqi_inquire(q, &info), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* Answers the put before it leaves: what had arrived counts. */
static void
script_answer_then_leave(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 5);
	fr = fake_expect(f, MQLOCAL_PUT);
	fake_put_ok(f, fr.id);
	fake_send(f);
}

static void
test_answer_that_came_before_the_loss_counts(void **state)
{
	mqi_queue *q = NULL;
	struct fake f;
	struct mqi_md md;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_answer_then_leave, NULL);
	c = fake_connect(&f, 0);
	mqi_md_init(&md);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, &md, "x", 1), MQI_OK);
	assert_int_equal(md.priority, 3);
	assert_int_equal(md.msg_id[0], 'm');
	assert_string_equal(md.put_date, "19700101");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* First connection: leaves; second: works. */
static void
script_second_time_works(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 4 + f->n_connections);
	if (f->n_connections == 1)
		return;
	fr = fake_expect(f, MQLOCAL_PUT);
	if (mqbuf_get_u32(fr.payload) != 6) /* the new handle */
		abort();
	fake_put_ok(f, fr.id);
	fake_send(f);
	fake_until_end(f);
}

static void
test_reconnect_opens_the_handles_again(void **state)
{
	mqi_queue *q = NULL;
	mqi_unit *u = NULL;
	struct fake f;
	mqi_conn *c;
	enum mqi_err err;

	(void)state;
	fake_start(&f, script_second_time_works, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	err = mqi_put(q, NULL, NULL, "x", 1);
	assert_true(err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_NOT_DONE);
	assert_int_equal(mqi_reconnect(c, 5000), MQI_OK);
	assert_int_equal(mqi_put(q, u, NULL, "x", 1), MQI_E_BACKED_OUT);
	assert_int_equal(mqi_commit(u), MQI_E_BACKED_OUT);
	assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
test_reconnection_by_itself_if_asked_for(void **state)
{
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;
	enum mqi_err err;

	(void)state;
	fake_start(&f, script_second_time_works, NULL);
	c = fake_connect(&f, MQI_CONNECT_RECONNECT);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	err = mqi_put(q, NULL, NULL, "x", 1);
	assert_true(err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_NOT_DONE);
	assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- a queue manager that breaks the protocol ---- */

static void
script_unexpected(struct fake *f)
{
	struct mqlocal_put_ok ok = {.priority = 0};

	fake_hello(f);
	(void)fake_expect(f, MQLOCAL_OPEN);
	mqlocal_encode_put_ok(&f->out, 77, &ok); /* nobody asked */
	fake_send(f);
	fake_until_end(f);
}

static void
test_answer_to_nothing_ends_the_connection(void **state)
{
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_unexpected, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_E_PROTOCOL);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
script_last_words(struct fake *f)
{
	struct mqlocal_error e = {
	    .reason = MQI_E_Q_MGR_STOPPING, .text = "the end"};

	fake_hello(f);
	(void)fake_expect(f, MQLOCAL_OPEN);
	mqlocal_encode_error(&f->out, 0, &e);
	fake_send(f);
	fake_until_end(f);
}

static void
test_last_words_are_the_reason(void **state)
{
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_last_words, NULL);
	c = fake_connect(&f, 0);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_E_Q_MGR_STOPPING);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_E_CONNECTION_BROKEN);
	assert_string_equal(mqi_last_error(c), "the end");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_alternate_user_is_asked_for_again_after_a_loss),
	    cmocka_unit_test(test_a_selector_is_given_again_after_a_loss),
	    cmocka_unit_test(test_a_selector_needs_a_queue_manager_that_knows),
	    cmocka_unit_test(
		test_alternate_user_needs_its_option_and_a_queue_manager_that_knows),
	    cmocka_unit_test(test_connect_says_the_name_of_the_queue_manager),
	    cmocka_unit_test(
		test_connect_without_a_directory_names_what_was_tried),
	    cmocka_unit_test(test_connect_with_a_bad_name_is_refused),
	    cmocka_unit_test(
		test_connect_refused_gives_the_reason_and_the_sentence),
	    cmocka_unit_test(test_connect_gives_up_when_time_is_up),
	    cmocka_unit_test(test_times_without_end_are_refused),
	    cmocka_unit_test(test_connect_to_something_else_is_protocol),
	    cmocka_unit_test(
		test_forked_child_gets_a_clear_error_and_parent_goes_on),
	    cmocka_unit_test(test_each_of_many_handles_is_found),
	    cmocka_unit_test(test_loss_of_a_written_put_is_unknown),
	    cmocka_unit_test(test_loss_of_a_put_in_a_unit_is_not_done),
	    cmocka_unit_test(test_loss_of_an_inquiry_is_2009),
	    cmocka_unit_test(test_answer_that_came_before_the_loss_counts),
	    cmocka_unit_test(test_reconnect_opens_the_handles_again),
	    cmocka_unit_test(test_reconnection_by_itself_if_asked_for),
	    cmocka_unit_test(test_answer_to_nothing_ends_the_connection),
	    cmocka_unit_test(test_last_words_are_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

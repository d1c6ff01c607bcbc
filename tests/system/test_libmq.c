/* SPDX-License-Identifier: Apache-2.0 */
/* test_libmq.c - every call of libmq against a real queue manager: puts, gets,
 * browse, ids, truncation, units, inquiry, positions, large bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/qm.h"

#define ALL_OPTIONS \
	(MQI_OO_INPUT_SHARED | MQI_OO_BROWSE | MQI_OO_OUTPUT | MQI_OO_INQUIRE)

static struct tmpdir dir;
static struct qm qm;

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	qm_mqsc(&qm,
	    "ALTER QMGR MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(Q) DEFPSIST(YES)\n"
	    "DEFINE QLOCAL(SMALL) DEFPSIST(YES) MAXDEPTH(3) MAXMSGL(100)\n"
	    "DEFINE QLOCAL(BIG) DEFPSIST(YES) MAXMSGL(104857600)\n"
	    "DEFINE QLOCAL(NOPUT) PUT(DISABLED)\n"
	    "DEFINE QLOCAL(NOGET) GET(DISABLED)\n"
	    "DEFINE QALIAS(ALIAS) TARGET(Q)\n");
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
open_on(mqi_conn *c, const char *name)
{
	mqi_queue *q = NULL;

	assert_int_equal(mqi_open(c, name, NULL, ALL_OPTIONS, &q), MQI_OK);
	return q;
}

static void
put_text(mqi_queue *q, mqi_unit *u, const char *text)
{
	assert_int_equal(mqi_put(q, u, NULL, text, strlen(text)), MQI_OK);
}

/* The next message is this text. */
static void
get_text(mqi_queue *q, mqi_unit *u, const char *text)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(q, u, &msg), MQI_OK);
	assert_int_equal(mqi_msg_len(msg), strlen(text));
	assert_memory_equal(mqi_msg_body(msg), text, strlen(text));
	(void)mqi_msg_free(msg);
}

static void
assert_empty(mqi_queue *q)
{
	mqi_msg *msg = NULL;

	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_open_gives_ibms_reasons(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = NULL;

	(void)state;
	assert_int_equal(
	    mqi_open(c, "NOPE", NULL, MQI_OO_OUTPUT, &q), MQI_E_UNKNOWN_OBJECT);
	assert_true(strlen(mqi_last_error(c)) > 0);
	assert_int_equal(mqi_open(c, "Q", "NOWHERE", MQI_OO_OUTPUT, &q),
	    MQI_E_UNKNOWN_REMOTE_Q_MGR);
	assert_int_equal(mqi_open(c, "Q", "QM1", MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, NULL, "1", 1), MQI_OK);
	assert_int_equal(mqi_close(q), MQI_OK);
	q = open_on(c, "ALIAS");
	get_text(q, NULL, "1");
	assert_int_equal(mqi_close(q), MQI_OK);
	assert_int_equal(mqi_close(NULL), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	assert_int_equal(mqi_disconnect(NULL), MQI_OK);
}

static void
test_handle_allows_what_it_was_opened_for(void **state)
{
	const struct mqi_get_opts browse = {.options = MQI_GET_BROWSE_FIRST};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *out = NULL, *in = NULL;
	struct mqi_queue_info info;
	mqi_msg *msg = NULL;

	(void)state;
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &out), MQI_OK);
	assert_int_equal(
	    mqi_open(c, "Q", NULL, MQI_OO_INPUT_SHARED, &in), MQI_OK);
	assert_int_equal(mqi_poll(out, NULL, &msg), MQI_E_NOT_OPEN_FOR_INPUT);
	assert_int_equal(
	    mqi_put(in, NULL, NULL, "x", 1), MQI_E_NOT_OPEN_FOR_OUTPUT);
	assert_int_equal(
	    mqi_get_msg(in, NULL, &browse, &msg), MQI_E_NOT_OPEN_FOR_BROWSE);
	assert_int_equal(mqi_inquire(in, &info), MQI_E_NOT_OPEN_FOR_INQUIRE);
	assert_int_equal(mqi_read_ahead(out, NULL), MQI_E_NOT_OPEN_FOR_INPUT);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_limits_of_a_queue_are_told(void **state)
{
	char body[101] = {0};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "SMALL");
	struct mqi_queue_info info;
	mqi_msg *msg = NULL;

	(void)state;
	assert_int_equal(
	    mqi_put(q, NULL, NULL, body, 101), MQI_E_MSG_TOO_BIG_FOR_Q);
	put_text(q, NULL, "1");
	put_text(q, NULL, "2");
	put_text(q, NULL, "");
	assert_int_equal(mqi_put(q, NULL, NULL, "4", 1), MQI_E_Q_FULL);
	assert_int_equal(mqi_inquire(q, &info), MQI_OK);
	assert_string_equal(info.name, "SMALL");
	assert_string_equal(info.resolved_name, "SMALL");
	assert_int_equal(info.depth, 3);
	assert_int_equal(info.max_depth, 3);
	assert_int_equal(info.max_msg_len, 100);
	assert_int_equal(info.open_input, 1);
	assert_int_equal(info.open_output, 1);
	get_text(q, NULL, "1");
	get_text(q, NULL, "2");
	get_text(q, NULL, "");
	assert_empty(q);
	assert_int_equal(mqi_close(q), MQI_OK);
	q = open_on(c, "NOPUT");
	assert_int_equal(mqi_put(q, NULL, NULL, "x", 1), MQI_E_PUT_INHIBITED);
	q = open_on(c, "NOGET");
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_GET_INHIBITED);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_descriptor_arrives_whole(void **state)
{
	const struct mqi_prop props[] = {
	    {.name = "colour",
		.type = MQI_PROP_STRING,
		.value.bytes = {"blue", 4}},
	    {.name = "count", .type = MQI_PROP_INT64, .value.int64 = -7},
	};
	const struct mqi_md *got;
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	mqi_msg *msg = NULL;
	struct mqi_md md;

	(void)state;
	mqi_md_init(&md);
	md.msg_type = MQI_MT_REQUEST;
	md.priority = 7;
	md.persistence = MQI_PERSISTENCE_NO;
	memcpy(md.correl_id, "correlation", 11);
	memcpy(md.reply_to_q, "REPLY", 6);
	memcpy(md.format, "MQSTR", 6);
	md.ccsid = 1208;
	md.props = props;
	md.n_props = 2;
	assert_int_equal(mqi_put(q, NULL, &md, "x", 1), MQI_OK);
	assert_int_not_equal(md.msg_id[0], 0);
	assert_int_equal(md.persistence, MQI_PERSISTENCE_NO);
	assert_int_equal(strlen(md.put_date), 8);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_OK);
	got = mqi_msg_md(msg);
	assert_memory_equal(got->msg_id, md.msg_id, MQI_ID_LEN);
	assert_memory_equal(got->correl_id, md.correl_id, MQI_ID_LEN);
	assert_int_equal(got->msg_type, MQI_MT_REQUEST);
	assert_int_equal(got->priority, 7);
	assert_int_equal(got->ccsid, 1208);
	assert_string_equal(got->reply_to_q, "REPLY");
	assert_string_equal(got->format, "MQSTR");
	assert_string_equal(got->put_date, md.put_date);
	assert_string_equal(got->put_time, md.put_time);
	assert_int_equal(got->n_props, 2);
	assert_string_equal(got->props[0].name, "colour");
	assert_memory_equal(got->props[0].value.bytes.data, "blue", 4);
	assert_int_equal(got->props[1].value.int64, -7);
	(void)mqi_msg_free(msg);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_get_truncates_by_ibms_rules(void **state)
{
	struct mqi_get_opts accept = {.options = MQI_GET_ACCEPT_TRUNCATED};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	struct mqi_md md;
	char buf[20] = "";
	size_t len = 0;

	(void)state;
	put_text(q, NULL, "0123456789");
	assert_int_equal(
	    mqi_get(q, NULL, NULL, buf, 4, &md, &len), MQI_E_TRUNCATED);
	assert_int_equal(len, 10);
	assert_memory_equal(buf, "0123", 4);
	assert_int_equal(mqi_get(q, NULL, &accept, buf, 5, NULL, &len),
	    MQI_E_TRUNCATED_ACCEPTED);
	assert_int_equal(len, 10);
	assert_memory_equal(buf, "01234", 5);
	assert_empty(q);
	put_text(q, NULL, "0123456789");
	assert_int_equal(
	    mqi_get(q, NULL, NULL, NULL, 0, NULL, &len), MQI_E_TRUNCATED);
	assert_int_equal(
	    mqi_get(q, NULL, &accept, buf, 10, NULL, &len), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_get_by_ids(void **state)
{
	struct mqi_get_opts o = {.options = MQI_GET_MATCH_CORREL_ID};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	struct mqi_md md[3];
	mqi_msg *msg = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		char text[2] = {(char)('0' + i), 0};

		mqi_md_init(&md[i]);
		md[i].correl_id[0] = (uint8_t)(i + 1);
		assert_int_equal(mqi_put(q, NULL, &md[i], text, 1), MQI_OK);
	}
	o.correl_id[0] = 2;
	assert_int_equal(mqi_get_msg(q, NULL, &o, &msg), MQI_OK);
	assert_memory_equal(mqi_msg_body(msg), "1", 1);
	msg = mqi_msg_free(msg);
	assert_int_equal(
	    mqi_get_msg(q, NULL, &o, &msg), MQI_E_NO_MSG_AVAILABLE);
	o.options = MQI_GET_MATCH_MSG_ID;
	memcpy(o.msg_id, md[2].msg_id, MQI_ID_LEN);
	assert_int_equal(mqi_get_msg(q, NULL, &o, &msg), MQI_OK);
	assert_memory_equal(mqi_msg_body(msg), "2", 1);
	msg = mqi_msg_free(msg);
	get_text(q, NULL, "0");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_browse_leaves_and_takes_under_the_cursor(void **state)
{
	struct mqi_get_opts first = {.options = MQI_GET_BROWSE_FIRST};
	struct mqi_get_opts next = {.options = MQI_GET_BROWSE_NEXT};
	struct mqi_get_opts under = {.options = MQI_GET_UNDER_CURSOR};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	char text[12];
	mqi_msg *msg = NULL;

	(void)state;
	for (int i = 0; i < 5; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		put_text(q, NULL, text);
	}
	assert_int_equal(
	    mqi_get_msg(q, NULL, &under, &msg), MQI_E_NO_MSG_UNDER_CURSOR);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(
		    mqi_get_msg(q, NULL, i == 0 ? &first : &next, &msg),
		    MQI_OK);
		(void)snprintf(text, sizeof(text), "%d", i);
		assert_memory_equal(mqi_msg_body(msg), text, 1);
		msg = mqi_msg_free(msg);
	}
	assert_int_equal(
	    mqi_get_msg(q, NULL, &next, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_get_msg(q, NULL, &first, &msg), MQI_OK);
	msg = mqi_msg_free(msg);
	assert_int_equal(mqi_get_msg(q, NULL, &next, &msg), MQI_OK);
	msg = mqi_msg_free(msg);
	assert_int_equal(mqi_get_msg(q, NULL, &under, &msg), MQI_OK);
	assert_memory_equal(mqi_msg_body(msg), "1", 1);
	msg = mqi_msg_free(msg);
	get_text(q, NULL, "0");
	get_text(q, NULL, "2");
	get_text(q, NULL, "3");
	get_text(q, NULL, "4");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_units_are_apart_and_all_or_nothing(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q"), *small = open_on(c, "SMALL");
	mqi_unit *a = NULL, *b = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	assert_int_equal(mqi_begin(c, &a), MQI_OK);
	assert_int_equal(mqi_begin(c, &b), MQI_OK);
	put_text(q, a, "a1");
	put_text(q, b, "b1");
	put_text(small, b, "b2");
	assert_empty(q);
	assert_int_equal(mqi_commit(b), MQI_OK);
	get_text(q, NULL, "b1");
	assert_empty(q);
	assert_int_equal(mqi_backout(a), MQI_OK);
	assert_empty(q);
	/* a get that is backed out comes back, counted */
	assert_int_equal(mqi_begin(c, &a), MQI_OK);
	get_text(small, a, "b2");
	assert_empty(small);
	assert_int_equal(mqi_backout(a), MQI_OK);
	assert_int_equal(mqi_poll(small, NULL, &msg), MQI_OK);
	assert_int_equal(mqi_msg_md(msg)->backout_count, 1);
	msg = mqi_msg_free(msg);
	/* a unit in which everything failed */
	assert_int_equal(mqi_begin(c, &a), MQI_OK);
	assert_int_equal(mqi_poll(q, a, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_commit(a), MQI_OK);
	/* one left open is backed out by the end */
	assert_int_equal(mqi_begin(c, &a), MQI_OK);
	put_text(q, a, "lost");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	c = qm_connect(&qm);
	q = open_on(c, "Q");
	assert_empty(q);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_body_of_100_mib_there_and_back(void **state)
{
	size_t size = MQI_MAX_BODY, len = 0;
	uint8_t *body = malloc(size), *buf = malloc(size);
	uint64_t seed = 1;
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "BIG");
	mqi_unit *u = NULL;
	mqi_msg *msg = NULL;

	(void)state;
	if (test_is_slow() && !test_is_long())
		size = 20u << 20;
	assert_non_null(body);
	assert_non_null(buf);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		body[i] = (uint8_t)(seed >> 56);
	}
	assert_int_equal(mqi_put(q, NULL, NULL, body, size), MQI_OK);
	assert_int_equal(mqi_get(q, NULL, NULL, buf, size, NULL, &len), MQI_OK);
	assert_int_equal(len, size);
	assert_memory_equal(buf, body, size);
	assert_empty(q);
	/* in a unit, asynchronously, and by read-ahead */
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(mqi_put_async(q, u, NULL, body, size), MQI_OK);
	assert_int_equal(mqi_put_async(q, u, NULL, "end", 3), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_OK);
	assert_int_equal(mqi_read_ahead(q, NULL), MQI_OK);
	for (int i = 0; i < 2; i++) {
		const struct mqi_get_opts wait = {.wait_ms = 60000};

		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
		assert_int_equal(mqi_msg_len(msg), i == 0 ? size : 3);
		assert_memory_equal(mqi_msg_body(msg),
		    i == 0 ? (void *)body : (void *)"end", mqi_msg_len(msg));
		assert_int_equal(mqi_ack(q, msg), MQI_OK);
		msg = mqi_msg_free(msg);
	}
	assert_int_equal(mqi_flush(q), MQI_OK);
	free(body);
	free(buf);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_position_makes_a_put_repeatable(void **state)
{
	const uint8_t stream[MQI_STREAM_ID_LEN] = "import of today";
	mqi_conn *c = qm_connect(&qm), *later = NULL;
	mqi_queue *q = open_on(c, "Q");
	uint64_t at = 99;
	mqi_unit *u = NULL;

	(void)state;
	assert_int_equal(mqi_position_open(c, "IMPORT", stream, &at), MQI_OK);
	assert_int_equal(at, 0);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	put_text(q, u, "one");
	assert_int_equal(mqi_unit_position(u, "IMPORT", stream, 0, 10), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_OK);
	/* again: it was done */
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	put_text(q, u, "one");
	assert_int_equal(mqi_unit_position(u, "IMPORT", stream, 0, 10), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_E_POSITION_MOVED);
	get_text(q, NULL, "one");
	assert_empty(q);
	/* a later holder fences the earlier one */
	later = qm_connect(&qm);
	assert_int_equal(
	    mqi_position_open(later, "IMPORT", stream, &at), MQI_OK);
	assert_int_equal(at, 10);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	put_text(q, u, "two");
	assert_int_equal(
	    mqi_unit_position(u, "IMPORT", stream, 10, 20), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_E_FENCED);
	assert_empty(q);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(
	    mqi_unit_position(u, "IMPORT", stream, 10, 10), MQI_E_INVAL);
	assert_int_equal(mqi_backout(u), MQI_OK);
	assert_int_equal(mqi_disconnect(later), MQI_OK);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

static void
test_get_waits_no_longer_than_it_may(void **state)
{
	const struct mqi_get_opts o = {.wait_ms = 100};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *q = open_on(c, "Q");
	uint64_t t0 = test_now_ms();
	mqi_msg *msg = NULL;

	(void)state;
	assert_int_equal(
	    mqi_get_msg(q, NULL, &o, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_true(test_now_ms() - t0 >= 95);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open_gives_ibms_reasons),
	    cmocka_unit_test(test_handle_allows_what_it_was_opened_for),
	    cmocka_unit_test(test_limits_of_a_queue_are_told),
	    cmocka_unit_test(test_descriptor_arrives_whole),
	    cmocka_unit_test(test_get_truncates_by_ibms_rules),
	    cmocka_unit_test(test_get_by_ids),
	    cmocka_unit_test(test_browse_leaves_and_takes_under_the_cursor),
	    cmocka_unit_test(test_units_are_apart_and_all_or_nothing),
	    cmocka_unit_test(test_position_makes_a_put_repeatable),
	    cmocka_unit_test(test_get_waits_no_longer_than_it_may),
	    cmocka_unit_test(test_body_of_100_mib_there_and_back),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

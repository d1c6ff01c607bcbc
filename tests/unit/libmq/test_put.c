/* SPDX-License-Identifier: Apache-2.0 */
/* test_put.c - puts: large bodies, asynchronous ones and their order after a
 * failure, units whose asynchronous puts fail, ends in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "libmq/conn.h"
#include "tests/unit/libmq/fake.h"

#define BIG 1000000u

static uint8_t big[BIG];

static void
open_queue(struct fake *f, mqi_conn **ret_c, mqi_queue **ret_q)
{
	*ret_c = fake_connect(f, 0);
	assert_int_equal(
	    mqi_open(*ret_c, "Q", NULL, MQI_OO_OUTPUT, ret_q), MQI_OK);
}

static void
close_all(struct fake *f, mqi_conn *c)
{
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(f);
}

/* Reads a PUT and its pieces, checks the body's length and checksum. */
static uint32_t
read_put(struct fake *f, struct mqlocal_put *ret)
{
	struct mqframe fr = fake_expect(f, MQLOCAL_PUT);
	struct mqlocal_piece piece;
	uint32_t id = fr.id, len = 0, crc = 0;

	if (mqlocal_decode_put(&fr, ret) != MQI_OK)
		abort();
	if (ret->body != NULL) {
		len = ret->body_len;
		crc = mqcrc32c(0, ret->body, len);
	}
	while (len < ret->body_len) {
		fr = fake_expect(f, MQLOCAL_PIECE);
		if (fr.id != id || mqlocal_decode_piece(&fr, &piece) != MQI_OK)
			abort();
		len += piece.len;
		if (piece.len != MQFRAME_PIECE && len != ret->body_len)
			abort();
		crc = mqcrc32c(crc, piece.data, piece.len);
	}
	if (len != ret->body_len || crc != ret->body_crc)
		abort();
	return id;
}

static void
script_big(struct fake *f)
{
	struct mqlocal_put v;
	struct mqframe fr;
	uint32_t id;

	fake_hello(f);
	fake_open(f, 1);
	id = read_put(f, &v);
	fake_put_ok(f, id);
	fake_send(f);
	/* refused before the pieces are read: they come all the same */
	fr = fake_expect(f, MQLOCAL_PUT);
	fake_result(f, fr.id, MQI_E_MSG_TOO_BIG_FOR_Q);
	fake_send(f);
	for (uint32_t len = 0; len < BIG;) {
		struct mqframe piece = fake_expect(f, MQLOCAL_PIECE);

		len += piece.payload_len;
	}
	id = read_put(f, &v);
	fake_put_ok(f, id);
	fake_send(f);
	fake_until_end(f);
}

static void
test_large_body_goes_in_pieces_also_after_a_refusal(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_big, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_put(q, NULL, NULL, big, BIG), MQI_OK);
	assert_int_equal(
	    mqi_put(q, NULL, NULL, big, BIG), MQI_E_MSG_TOO_BIG_FOR_Q);
	assert_string_equal(mqi_last_error(c), "says the fake: 2030");
	assert_int_equal(mqi_put(q, NULL, NULL, big, 65520), MQI_OK);
	assert_int_equal(mqi_put(q, NULL, NULL, big, MQI_MAX_BODY + 1u),
	    MQI_E_MSG_TOO_BIG_FOR_Q_MGR);
	close_all(&f, c);
}

struct brief {
	bool offer;         /* the fake has the feature */
	uint16_t want;      /* flags of the asynchronous puts */
	unsigned n;         /* of them */
	uint32_t nobody[2]; /* told as well, if not 0 */
};

static void
script_brief(struct fake *f)
{
	const struct brief *t = f->arg;
	struct mqlocal_puts_ok v = {.n = 0};
	struct mqlocal_put put;
	struct mqbuf ids;
	struct mqframe fr;

	f->features = t->offer ? MQLOCAL_FEATURE_PUTS_OK : 0;
	mqbuf_init(&ids, 4096);
	fake_hello(f);
	fake_open(f, 1);
	for (unsigned i = 0; i < t->n; i++) {
		fr = fake_expect(f, MQLOCAL_PUT);
		if (mqlocal_decode_put(&fr, &put) != MQI_OK ||
		    put.flags != t->want)
			abort();
		if ((put.flags & MQLOCAL_PUT_BRIEF) == 0 || i == 1)
			fake_put_ok(f, fr.id); /* this answer is right too */
		else
			mqbuf_put_u32(&ids, fr.id);
	}
	for (unsigned i = 0; i < MQ_ARRAY_LEN(t->nobody); i++)
		if (t->nobody[i] != 0)
			mqbuf_put_u32(&ids, t->nobody[i]);
	v.n = (uint32_t)(ids.len / 4);
	v.ids = ids.data;
	if (v.n > 0)
		mqlocal_encode_puts_ok(&f->out, 0, &v);
	fake_send(f);
	mqbuf_fini(&ids);
	fake_until_end(f);
}

static enum mqi_err
put_brief(struct brief *t)
{
	mqi_queue *q = NULL;
	enum mqi_err err;
	struct fake f;
	mqi_conn *c;

	fake_start(&f, script_brief, t);
	open_queue(&f, &c, &q);
	for (unsigned i = 0; i < t->n; i++)
		assert_int_equal(mqi_put_async(q, NULL, NULL, "b", 1), MQI_OK);
	err = mqi_flush(q);
	if (err == MQI_OK) {
		assert_int_equal(c->async_puts, 0);
		assert_int_equal(c->async_bytes, 0);
	}
	close_all(&f, c);
	return err;
}

static void
test_puts_are_answered_by_one_frame_if_both_sides_can(void **state)
{
	struct brief both = {.offer = true,
	    .want = MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_BRIEF,
	    .n = 100};
	struct brief old = {.want = MQLOCAL_PUT_ASYNC, .n = 100};

	(void)state;
	assert_int_equal(put_brief(&both), MQI_OK);
	assert_int_equal(put_brief(&old), MQI_OK);
}

static void
test_success_of_a_put_that_nobody_made_ends_the_connection(void **state)
{
	struct brief t = {.offer = true,
	    .want = MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_BRIEF,
	    .n = 2,
	    .nobody = {77777}};

	(void)state;
	assert_int_equal(put_brief(&t), MQI_E_CONNECTION_BROKEN);
}

/* Synchronous puts and items want more than a success. */
static void
script_brief_to_sync(struct fake *f)
{
	const struct brief *t = f->arg;
	struct mqlocal_puts_ok v = {.n = 1};
	struct mqlocal_put put;
	struct mqframe fr;
	uint8_t id[4];

	f->features = MQLOCAL_FEATURE_PUTS_OK;
	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_PUT);
	if (mqlocal_decode_put(&fr, &put) != MQI_OK || put.flags != t->want)
		abort();
	mqbuf_set_u32(id, fr.id);
	v.ids = id;
	mqlocal_encode_puts_ok(&f->out, 0, &v);
	fake_send(f);
	fake_until_end(f);
}

static void
test_puts_that_want_an_answer_take_no_brief_one(void **state)
{
	struct brief sync = {.want = 0}, many = {.want = MQLOCAL_PUT_ASYNC};
	struct mqi_put_item item = {.body = "b", .body_len = 1};
	mqi_queue *q = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_brief_to_sync, &sync);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_put(q, NULL, NULL, "b", 1), MQI_E_UNKNOWN_OUTCOME);
	assert_non_null(strstr(mqi_last_error(c), "frame PUTS_OK"));
	close_all(&f, c);
	fake_start(&f, script_brief_to_sync, &many);
	open_queue(&f, &c, &q);
	assert_int_equal(
	    mqi_put_many(q, NULL, &item, 1), MQI_E_UNKNOWN_OUTCOME);
	close_all(&f, c);
}

/* Fails the third put of each run; says what a queue manager says then. */
static void
script_fail_third(struct fake *f)
{
	struct mqlocal_put v;
	struct mqframe fr;
	unsigned n = 0;
	bool failed = false;

	fake_hello(f);
	fake_open(f, 1);
	while (fake_read(f, &fr)) {
		if (fr.type == MQLOCAL_CLOSE)
			fake_result(f, fr.id, MQI_OK);
		if (fr.type == MQLOCAL_PUT) {
			if (mqlocal_decode_put(&fr, &v) != MQI_OK ||
			    (v.flags & MQLOCAL_PUT_ASYNC) == 0)
				abort();
			if (v.flags & MQLOCAL_PUT_RESET)
				failed = false, n = 0;
			n++;
			if (failed)
				fake_result(f, fr.id, MQI_E_SUPPRESSED);
			else if (n == 3)
				fake_result(f, fr.id, MQI_E_Q_FULL);
			else
				fake_put_ok(f, fr.id);
			failed = failed || n == 3;
		}
		fake_send(f);
	}
}

static void
test_async_puts_after_a_failure_are_suppressed_until_flush(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	enum mqi_err err;
	int i;

	(void)state;
	fake_start(&f, script_fail_third, NULL);
	open_queue(&f, &c, &q);
	for (i = 0; i < 10; i++) {
		err = mqi_put_async(q, NULL, NULL, "x", 1);
		assert_true(err == MQI_OK || err == MQI_E_SUPPRESSED);
	}
	assert_int_equal(mqi_flush(q), MQI_E_Q_FULL);
	assert_string_equal(mqi_last_error(c), "says the fake: 2053");
	assert_int_equal(mqi_flush(q), MQI_OK);
	/* it works again */
	assert_int_equal(mqi_put_async(q, NULL, NULL, "x", 1), MQI_OK);
	assert_int_equal(mqi_flush(q), MQI_OK);
	close_all(&f, c);
}

static void
test_failure_not_flushed_is_said_by_close(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	enum mqi_err err;
	int i;

	(void)state;
	fake_start(&f, script_fail_third, NULL);
	open_queue(&f, &c, &q);
	for (i = 0; i < 5; i++) {
		err = mqi_put_async(q, NULL, NULL, "x", 1);
		assert_true(err == MQI_OK || err == MQI_E_SUPPRESSED);
	}
	assert_int_equal(mqi_close(q), MQI_E_Q_FULL);
	close_all(&f, c);
}

static void
test_put_many_says_what_became_of_each(void **state)
{
	struct mqi_put_item items[6];
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int i;

	(void)state;
	fake_start(&f, script_fail_third, NULL);
	open_queue(&f, &c, &q);
	memset(items, 0, sizeof(items));
	for (i = 0; i < 6; i++) {
		items[i].body = "x";
		items[i].body_len = 1;
	}
	assert_int_equal(mqi_put_many(q, NULL, items, 6), MQI_E_Q_FULL);
	assert_int_equal(items[0].result, MQI_OK);
	assert_int_equal(items[1].result, MQI_OK);
	assert_int_equal(items[2].result, MQI_E_Q_FULL);
	assert_int_equal(items[3].result, MQI_E_SUPPRESSED);
	assert_int_equal(items[5].result, MQI_E_SUPPRESSED);
	/* that was reported: the next ones are tried */
	assert_int_equal(mqi_put_many(q, NULL, items, 2), MQI_OK);
	assert_int_equal(mqi_put_many(q, NULL, items, 0), MQI_OK);
	close_all(&f, c);
}

/* ---- units ---- */

static void
script_units(struct fake *f)
{
	struct mqlocal_unit u;
	struct mqlocal_put v;
	struct mqframe fr;
	uint32_t ids[2];

	fake_hello(f);
	fake_open(f, 1);
	/* both puts are here before either is answered, so neither end is */
	ids[0] = read_put(f, &v);
	ids[1] = read_put(f, &v);
	fake_put_ok(f, ids[1]); /* the second unit's first */
	fake_send(f);
	fake_put_ok(f, ids[0]);
	fake_send(f);
	for (uint32_t n = 1; n <= 2; n++) {
		fr = fake_expect(f, MQLOCAL_COMMIT);
		if (mqlocal_decode_unit(&fr, &u) != MQI_OK || u.unit != n)
			abort();
		fake_result(f, fr.id, MQI_OK);
		fake_send(f);
	}
	/* a put that fails: its unit must not be committed */
	ids[0] = read_put(f, &v);
	fake_result(f, ids[0], MQI_E_Q_FULL);
	fake_send(f);
	fr = fake_expect(f, MQLOCAL_BACKOUT);
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	fake_until_end(f);
}

static void
note(void *arg, enum mqi_err result)
{
	int *order = arg;

	assert_int_equal(result, MQI_OK);
	order[order[0]++] = (int)result;
}

static void
test_ends_are_sent_in_order_when_the_puts_are_answered(void **state)
{
	mqi_unit *u1 = NULL, *u2 = NULL, *u3 = NULL;
	int order[4] = {1, -1, -1, -1};
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_units, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_begin(c, &u1), MQI_OK);
	assert_int_equal(mqi_begin(c, &u2), MQI_OK);
	assert_int_equal(mqi_put_async(q, u1, NULL, "1", 1), MQI_OK);
	assert_int_equal(mqi_put_async(q, u2, NULL, "2", 1), MQI_OK);
	assert_int_equal(mqi_commit_async(u1, note, order), MQI_OK);
	assert_int_equal(mqi_commit_async(u2, note, order), MQI_OK);
	assert_int_equal(mqi_flush(q), MQI_OK);
	assert_int_equal(order[0], 3);
	assert_int_equal(mqi_begin(c, &u3), MQI_OK);
	assert_int_equal(mqi_put_async(q, u3, NULL, "3", 1), MQI_OK);
	assert_int_equal(mqi_commit(u3), MQI_E_BACKED_OUT);
	assert_int_equal(mqi_flush(q), MQI_E_Q_FULL);
	close_all(&f, c);
}

static void
script_open(struct fake *f)
{
	fake_hello(f);
	fake_open(f, 1);
	fake_until_end(f);
}

static void
test_unit_that_nothing_used_ends_without_a_word(void **state)
{
	mqi_unit *u = NULL;
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_open, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(mqi_commit(u), MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(mqi_backout(u), MQI_OK);
	assert_int_equal(mqi_commit(NULL), MQI_E_INVAL);
	close_all(&f, c);
}

static void
test_arguments_are_checked(void **state)
{
	struct mqi_md md;
	struct mqi_prop prop = {.name = "bad name\n", .type = MQI_PROP_NULL};
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_open, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_put(q, NULL, NULL, NULL, 1), MQI_E_INVAL);
	assert_int_equal(mqi_put(NULL, NULL, NULL, "x", 1), MQI_E_INVAL);
	assert_int_equal(mqi_put_many(q, NULL, NULL, 1), MQI_E_INVAL);
	mqi_md_init(&md);
	md.props = &prop;
	md.n_props = 1;
	prop.type = (enum mqi_prop_type)99;
	assert_int_equal(mqi_put(q, NULL, &md, "x", 1), MQI_E_PROPERTY_TYPE);
	assert_int_equal(mqi_open(c, "Q", NULL, 0, &q), MQI_E_OPTIONS);
	assert_int_equal(mqi_open(c, "Q", NULL,
			     MQI_OO_INPUT_SHARED | MQI_OO_INPUT_EXCLUSIVE, &q),
	    MQI_E_OPTIONS);
	close_all(&f, c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_large_body_goes_in_pieces_also_after_a_refusal),
	    cmocka_unit_test(
		test_puts_are_answered_by_one_frame_if_both_sides_can),
	    cmocka_unit_test(
		test_success_of_a_put_that_nobody_made_ends_the_connection),
	    cmocka_unit_test(test_puts_that_want_an_answer_take_no_brief_one),
	    cmocka_unit_test(
		test_async_puts_after_a_failure_are_suppressed_until_flush),
	    cmocka_unit_test(test_failure_not_flushed_is_said_by_close),
	    cmocka_unit_test(test_put_many_says_what_became_of_each),
	    cmocka_unit_test(
		test_ends_are_sent_in_order_when_the_puts_are_answered),
	    cmocka_unit_test(test_unit_that_nothing_used_ends_without_a_word),
	    cmocka_unit_test(test_arguments_are_checked),
	};

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

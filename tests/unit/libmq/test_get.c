/* SPDX-License-Identifier: Apache-2.0 */
/* test_get.c - gets: large bodies, truncation, damage, read-ahead with
 * acknowledgements, handlers and descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "tests/unit/libmq/fake.h"

#define BIG 700000u

static uint8_t big[BIG];

static struct mqlocal_message
message_of(const void *body, uint32_t len)
{
	struct mqlocal_message m = {.handle = 1,
	    .body_crc = mqcrc32c(0, body, len),
	    .body_len = len,
	    .sent_len = len,
	    .backout_count = 2};

	m.desc = fake_desc(&m.desc_len);
	return m;
}

static void
open_queue(struct fake *f, mqi_conn **ret_c, mqi_queue **ret_q)
{
	*ret_c = fake_connect(f, 0);
	assert_int_equal(
	    mqi_open(*ret_c, "Q", NULL, MQI_OO_INPUT_SHARED, ret_q), MQI_OK);
}

static void
close_all(struct fake *f, mqi_conn *c)
{
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(f);
}

static void
script_get(struct fake *f)
{
	struct mqlocal_message m;
	struct mqlocal_get v;
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	/* a large one, twice */
	for (int i = 0; i < 2; i++) {
		fr = fake_expect(f, MQLOCAL_GET);
		m = message_of(big, BIG);
		fake_message(f, fr.id, &m, big);
		fake_send(f);
	}
	/* cut to the buffer */
	fr = fake_expect(f, MQLOCAL_GET);
	if (mqlocal_decode_get(&fr, &v) != MQI_OK || v.max_len != 10)
		abort();
	m = message_of(big, 1000);
	m.sent_len = v.max_len;
	m.reason = MQI_E_TRUNCATED;
	fake_message(f, fr.id, &m, big);
	fake_send(f);
	/* damaged */
	fr = fake_expect(f, MQLOCAL_GET);
	m = message_of("good", 4);
	fake_message(f, fr.id, &m, "evil");
	fake_send(f);
	/* the descriptor is */
	fr = fake_expect(f, MQLOCAL_GET);
	m = message_of("good", 4);
	m.desc = "not a descriptor";
	m.desc_len = 16;
	fake_message(f, fr.id, &m, "good");
	fake_send(f);
	/* none */
	fr = fake_expect(f, MQLOCAL_GET);
	fake_result(f, fr.id, MQI_E_NO_MSG_AVAILABLE);
	fake_send(f);
	/* empty */
	fr = fake_expect(f, MQLOCAL_GET);
	m = message_of("", 0);
	fake_message(f, fr.id, &m, "");
	fake_send(f);
	fake_until_end(f);
}

static void
test_get_in_all_sizes(void **state)
{
	uint8_t *buf = malloc(BIG + 10);
	size_t len = 7;
	mqi_msg *msg = NULL;
	mqi_queue *q = NULL;
	struct mqi_md md;
	mqi_conn *c;
	struct fake f;

	(void)state;
	assert_non_null(buf);
	fake_start(&f, script_get, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(
	    mqi_get(q, NULL, NULL, buf, BIG + 10, &md, &len), MQI_OK);
	assert_int_equal(len, BIG);
	assert_memory_equal(buf, big, BIG);
	assert_int_equal(md.backout_count, 2);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_OK);
	assert_int_equal(mqi_msg_len(msg), BIG);
	assert_memory_equal(mqi_msg_body(msg), big, BIG);
	msg = mqi_msg_free(msg);
	assert_null(msg);
	assert_int_equal(
	    mqi_get(q, NULL, NULL, buf, 10, NULL, &len), MQI_E_TRUNCATED);
	assert_int_equal(len, 1000);
	len = 7;
	assert_int_equal(
	    mqi_get(q, NULL, NULL, buf, BIG, NULL, &len), MQI_E_OBJECT_DAMAGED);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_OBJECT_DAMAGED);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(len, 7); /* outputs untouched */
	assert_null(msg);
	assert_int_equal(mqi_get(q, NULL, NULL, NULL, 0, NULL, &len), MQI_OK);
	assert_int_equal(len, 0);
	free(buf);
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
test_options_are_checked(void **state)
{
	struct mqi_get_opts o = {.wait_ms = -2};
	mqi_msg *msg = NULL;
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_open, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_get_msg(q, NULL, &o, &msg), MQI_E_WAIT_INTERVAL);
	o.wait_ms = 0;
	o.options = MQI_GET_BROWSE_FIRST | MQI_GET_BROWSE_NEXT;
	assert_int_equal(mqi_get_msg(q, NULL, &o, &msg), MQI_E_OPTIONS);
	o.options = 0x8;
	assert_int_equal(mqi_get_msg(q, NULL, &o, &msg), MQI_E_OPTIONS);
	assert_int_equal(mqi_poll(q, NULL, NULL), MQI_E_INVAL);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- read-ahead ---- */

static void
script_ahead(struct fake *f)
{
	struct mqlocal_consume v;
	struct mqlocal_message m;
	struct mqlocal_ack ack;
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_CONSUME);
	if (mqlocal_decode_consume(&fr, &v) != MQI_OK || v.max_msgs != 4)
		abort();
	m = message_of("one", 3);
	m.token = 11;
	fake_message(f, 0, &m, "one"); /* before the answer */
	fake_result(f, fr.id, MQI_OK);
	m = message_of(big, BIG);
	m.token = 12;
	fake_message(f, 0x80000001u, &m, big);
	m = message_of("two", 3);
	m.token = 13;
	fake_message(f, 0, &m, "two");
	fake_send(f);
	do {
		fr = fake_expect(f, MQLOCAL_ACK);
		if (mqlocal_decode_ack(&fr, &ack) != MQI_OK)
			abort();
		fake_result(
		    f, fr.id, ack.token == 13 ? MQI_E_Q_DELETED : MQI_OK);
		fake_send(f);
	} while (ack.token != 13);
	fake_until_end(f);
}

static void
test_read_ahead_delivers_in_order_and_flush_tells_of_acks(void **state)
{
	const struct mqi_read_ahead window = {.max_msgs = 4};
	const struct mqi_get_opts wait = {.wait_ms = 10000};
	const struct mqi_get_opts short_wait = {.wait_ms = 20};
	mqi_msg *msg[3] = {NULL, NULL, NULL}, *none = NULL;
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int i;

	(void)state;
	fake_start(&f, script_ahead, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_read_ahead(q, &window), MQI_OK);
	for (i = 0; i < 3; i++)
		assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg[i]), MQI_OK);
	assert_memory_equal(mqi_msg_body(msg[0]), "one", 3);
	assert_int_equal(mqi_msg_len(msg[1]), BIG);
	assert_memory_equal(mqi_msg_body(msg[1]), big, BIG);
	assert_memory_equal(mqi_msg_body(msg[2]), "two", 3);
	assert_int_equal(mqi_poll(q, NULL, &none), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(
	    mqi_get_msg(q, NULL, &short_wait, &none), MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(mqi_ack(q, msg[1]), MQI_OK);
	assert_int_equal(mqi_ack(q, msg[0]), MQI_OK); /* is already */
	assert_int_equal(mqi_flush(q), MQI_OK);
	assert_int_equal(mqi_ack(q, msg[2]), MQI_OK);
	assert_int_equal(mqi_flush(q), MQI_E_Q_DELETED);
	for (i = 0; i < 3; i++)
		(void)mqi_msg_free(msg[i]);
	close_all(&f, c);
}

/* Each message but the first is sent when the one before is acknowledged. */
static void
script_one_by_one(struct fake *f)
{
	struct mqlocal_message m = message_of("one", 3);
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_CONSUME);
	fake_result(f, fr.id, MQI_OK);
	for (m.token = 1; m.token <= 3; m.token++) {
		fake_message(f, 0, &m, "one");
		fake_send(f);
		fr = fake_expect(f, MQLOCAL_ACK);
		fake_result(f, fr.id, MQI_OK);
	}
	fake_send(f);
	fake_until_end(f);
}

static void
test_a_get_that_waits_sends_the_acknowledgement_in_time(void **state)
{
	const struct mqi_get_opts for_ever = {.wait_ms = MQI_WAIT_FOREVER};
	const struct mqi_get_opts long_wait = {.wait_ms = 30000};
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *c;
	struct fake f;
	int i;

	(void)state;
	fake_start(&f, script_one_by_one, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_read_ahead(q, NULL), MQI_OK);
	for (i = 0; i < 3; i++) {
		assert_int_equal(
		    mqi_get_msg(q, NULL, i == 1 ? &for_ever : &long_wait, &msg),
		    MQI_OK);
		assert_int_equal(mqi_ack(q, msg), MQI_OK);
		(void)mqi_msg_free(msg);
	}
	assert_int_equal(mqi_flush(q), MQI_OK);
	close_all(&f, c);
}

static void
script_ahead_lost(struct fake *f)
{
	struct mqlocal_message m;
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, f->n_connections);
	fr = fake_expect(f, MQLOCAL_CONSUME);
	fake_result(f, fr.id, MQI_OK);
	m = message_of("one", 3);
	m.handle = f->n_connections;
	m.token = 1;
	fake_message(f, 0, &m, "one");
	fake_send(f);
	if (f->n_connections > 1)
		fake_until_end(f);
}

static void
test_ack_of_a_message_of_before_the_loss_is_not_done(void **state)
{
	const struct mqi_get_opts wait = {.wait_ms = MQI_WAIT_FOREVER};
	mqi_msg *msg = NULL, *again = NULL;
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;

	(void)state;
	fake_start(&f, script_ahead_lost, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_read_ahead(q, NULL), MQI_OK);
	assert_int_equal(mqi_get_msg(q, NULL, &wait, &msg), MQI_OK);
	/* a wait ends with the connection */
	assert_int_equal(
	    mqi_get_msg(q, NULL, &wait, &again), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqi_reconnect(c, 5000), MQI_OK);
	assert_int_equal(mqi_ack(q, msg), MQI_E_NOT_DONE);
	assert_int_equal(mqi_get_msg(q, NULL, &wait, &again), MQI_OK);
	(void)mqi_msg_free(msg);
	(void)mqi_msg_free(again);
	close_all(&f, c);
}

/* ---- notify ---- */

static sem_t go, handled;

static void
send_ready(struct fake *f, uint8_t ready)
{
	struct mqlocal_ready r = {.handle = 1, .ready = ready};

	mqlocal_encode_ready(&f->out, 0, &r);
	fake_send(f);
}

static void
script_watch(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_WATCH);
	fake_result(f, fr.id, MQI_OK);
	send_ready(f, 0);
	(void)sem_wait(&go);
	send_ready(f, 1);
	(void)sem_wait(&go);
	send_ready(f, 0);
	(void)sem_wait(&go);
	send_ready(f, 1);
	fake_until_end(f);
}

static void
on_ready(mqi_queue *q, void *arg)
{
	(void)q;
	++*(int *)arg;
	(void)sem_post(&handled);
}

static void
test_handler_runs_each_time_the_queue_becomes_ready(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int n = 0;

	(void)state;
	(void)sem_init(&go, 0, 0);
	(void)sem_init(&handled, 0, 0);
	fake_start(&f, script_watch, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_notify(q, on_ready, &n), MQI_OK);
	(void)sem_post(&go);
	(void)sem_wait(&handled);
	(void)sem_post(&go);
	(void)sem_post(&go);
	(void)sem_wait(&handled);
	assert_int_equal(n, 2);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
script_ready_at_once(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_WATCH);
	send_ready(f, 1);
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	fake_until_end(f);
}

static void
test_handler_set_while_ready_runs_although_nothing_arrives(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int n = 0;

	(void)state;
	(void)sem_init(&handled, 0, 0);
	fake_start(&f, script_ready_at_once, NULL);
	open_queue(&f, &c, &q);
	for (int i = 1; i < 20; i++) {
		assert_int_equal(mqi_notify(q, on_ready, &n), MQI_OK);
		(void)sem_wait(&handled);
		assert_int_equal(n, i);
	}
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static unsigned
count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
test_thread_starts_with_the_first_handler_only(void **state)
{
	mqi_queue *q = NULL;
	unsigned before;
	mqi_conn *c;
	struct fake f;
	int n = 0;

	(void)state;
	(void)sem_init(&handled, 0, 0);
	fake_start(&f, script_ready_at_once, NULL);
	before = count_threads();
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_dispatch(c), MQI_OK);
	assert_int_equal(count_threads(), before);
	assert_int_equal(mqi_notify(q, on_ready, &n), MQI_OK);
	(void)sem_wait(&handled);
	assert_int_equal(count_threads(), before + 1);
	assert_int_equal(mqi_notify(q, on_ready, &n), MQI_OK);
	assert_int_equal(count_threads(), before + 1);
	close_all(&f, c);
}

static int
readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms);
}

static void
wait_not_readable(int fd)
{
	while (readable(fd, 0) == 1)
		;
}

static void
test_descriptor_is_readable_while_ready(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int fd = -1, n = 0;

	(void)state;
	(void)sem_init(&go, 0, 0);
	fake_start(&f, script_watch, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	assert_int_equal(mqi_notify(q, on_ready, &n), MQI_OK);
	assert_int_equal(readable(fd, 0), 0);
	(void)sem_post(&go);
	assert_int_equal(readable(fd, -1), 1);
	assert_int_equal(readable(fd, 0), 1); /* level, not edge */
	assert_int_equal(n, 0);
	assert_int_equal(mqi_dispatch(c), MQI_OK);
	assert_int_equal(n, 1);
	(void)sem_post(&go);
	wait_not_readable(fd);
	(void)sem_post(&go);
	assert_int_equal(readable(fd, -1), 1);
	assert_int_equal(mqi_notify(q, NULL, NULL), MQI_OK);
	assert_int_equal(mqi_dispatch(c), MQI_OK);
	assert_int_equal(n, 1);
	close_all(&f, c);
}

static void
script_leave_when_watched(struct fake *f)
{
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_WATCH);
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	(void)sem_wait(&go);
}

static void
test_loss_makes_a_descriptor_readable(void **state)
{
	mqi_msg *msg = NULL;
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int fd = -1;

	(void)state;
	(void)sem_init(&go, 0, 0);
	fake_start(&f, script_leave_when_watched, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	assert_int_equal(readable(fd, 0), 0);
	(void)sem_post(&go);
	assert_int_equal(readable(fd, -1), 1);
	assert_int_equal(mqi_poll(q, NULL, &msg), MQI_E_CONNECTION_BROKEN);
	close_all(&f, c);
}

/* First connection: is lost; second: is lost while the handle is made again;
 * third: works. */
static void
script_third_time_works(struct fake *f)
{
	struct mqlocal_ready ready = {.handle = 1, .ready = 1};
	struct mqframe fr;

	fake_hello(f);
	fake_open(f, 1);
	fr = fake_expect(f, MQLOCAL_WATCH);
	if (f->n_connections == 2)
		return;
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	if (f->n_connections == 1) {
		(void)sem_wait(&go);
		return;
	}
	(void)sem_wait(&go);
	mqlocal_encode_ready(&f->out, 0, &ready);
	fake_send(f);
	fake_until_end(f);
}

static void
test_a_loss_while_reconnecting_forgets_no_watch(void **state)
{
	mqi_queue *q = NULL;
	mqi_conn *c;
	struct fake f;
	int fd = -1;

	(void)state;
	(void)sem_init(&go, 0, 0);
	fake_start(&f, script_third_time_works, NULL);
	open_queue(&f, &c, &q);
	assert_int_equal(mqi_descriptor(q, &fd), MQI_OK);
	(void)sem_post(&go);
	assert_int_equal(readable(fd, -1), 1);
	assert_int_not_equal(mqi_reconnect(c, 5000), MQI_OK);
	assert_int_equal(mqi_reconnect(c, 5000), MQI_OK);
	assert_int_equal(readable(fd, 0), 0);
	(void)sem_post(&go);
	assert_int_equal(readable(fd, 5000), 1);
	close_all(&f, c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_get_in_all_sizes),
	    cmocka_unit_test(test_options_are_checked),
	    cmocka_unit_test(
		test_read_ahead_delivers_in_order_and_flush_tells_of_acks),
	    cmocka_unit_test(
		test_a_get_that_waits_sends_the_acknowledgement_in_time),
	    cmocka_unit_test(
		test_ack_of_a_message_of_before_the_loss_is_not_done),
	    cmocka_unit_test(
		test_handler_runs_each_time_the_queue_becomes_ready),
	    cmocka_unit_test(
		test_handler_set_while_ready_runs_although_nothing_arrives),
	    cmocka_unit_test(test_thread_starts_with_the_first_handler_only),
	    cmocka_unit_test(test_descriptor_is_readable_while_ready),
	    cmocka_unit_test(test_loss_makes_a_descriptor_readable),
	    cmocka_unit_test(test_a_loss_while_reconnecting_forgets_no_watch),
	};

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 13);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_agent.c - what agents call: streams, orders, status, puts of encoded
 * messages in parts, positions, commands; never waiting in callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "libmq/agent.h"
#include "tests/unit/libmq/fake.h"

#define BIG 300000u

static uint8_t big[BIG];

static mqi_conn *
connect_agent(struct fake *f)
{
	const struct mqagent_opts opts = {.root = f->root,
	    .app_name = "mca",
	    .channel = "A.TO.B",
	    .address = "127.0.0.1(1414)"};
	mqi_conn *c = NULL;

	assert_int_equal(mqagent_connect(FAKE_QMGR, &opts, &c), MQI_OK);
	return c;
}

/* An event loop's turn: writes and reads, then waits for the socket. */
static enum mqi_err
turn(mqi_conn *c)
{
	struct pollfd p = {.fd = mqagent_fd(c), .events = POLLIN};
	bool want_write = false;
	enum mqi_err err = mqagent_dispatch(c, &want_write);

	if (err == MQI_OK) {
		p.events = (short)(POLLIN | (want_write ? POLLOUT : 0));
		(void)poll(&p, 1, 100);
	}
	return err;
}

static void
agent_hello(struct fake *f)
{
	struct mqlocal_hello_ok ok = {.version = 1, .qmgr = FAKE_QMGR};
	struct mqframe fr = fake_expect(f, MQLOCAL_HELLO);
	struct mqlocal_hello v;

	if (mqlocal_decode_hello(&fr, &v) != MQI_OK || v.is_agent != 1 ||
	    strcmp(v.channel, "A.TO.B") != 0 ||
	    strcmp(v.address, "127.0.0.1(1414)") != 0)
		abort();
	memset(ok.qmid, 'q', sizeof(ok.qmid));
	mqlocal_encode_hello_ok(&f->out, fr.id, &ok);
	fake_send(f);
}

/* ---- the sender's side ---- */

static void
send_order(struct fake *f, const char *order)
{
	size_t start = mqframe_begin(&f->out, MQLOCAL_AGENT_ORDER, 0, 0);
	struct mqctl_list l;

	mqctl_list_init(&l);
	if (mqctl_list_add(&l, "ORDER", order) != MQI_OK)
		abort();
	mqctl_encode_list(&f->out, &l);
	mqframe_end(&f->out, start, 0);
	mqctl_list_fini(&l);
}

static void
script_stream(struct fake *f)
{
	struct mqlocal_stream_ok ok = {.handle = 9, .acked = 4, .handed = 6};
	struct mqlocal_stream_credit credit;
	struct mqlocal_message m = {.handle = 9};
	struct mqlocal_stream_ack ack;
	struct mqframe fr;

	agent_hello(f);
	fr = fake_expect(f, MQLOCAL_STREAM_OPEN);
	mqlocal_encode_stream_ok(&f->out, fr.id, &ok);
	fake_send(f);
	fr = fake_expect(f, MQLOCAL_STREAM_BIND);
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	fr = fake_expect(f, MQLOCAL_STREAM_CREDIT);
	if (mqlocal_decode_stream_credit(&fr, &credit) != MQI_OK ||
	    credit.after != 4)
		abort();
	m.desc = fake_desc(&m.desc_len);
	m.token = 5;
	m.previous = 4;
	m.body_len = m.sent_len = 3;
	fake_message(f, 0, &m, "abc");
	m.token = 6;
	m.previous = 5;
	m.body_len = m.sent_len = BIG;
	fake_message(f, 0x80000007u, &m, big);
	m.token = 7;
	m.previous = 6;
	m.body_len = m.sent_len = 0;
	fake_message(f, 0, &m, "");
	send_order(f, "stop");
	fake_send(f);
	fr = fake_expect(f, MQLOCAL_STREAM_ACK);
	if (mqlocal_decode_stream_ack(&fr, &ack) != MQI_OK || ack.number != 7)
		abort();
	(void)fake_expect(f, MQLOCAL_AGENT_STATUS);
}

struct seen {
	mqi_conn *conn;
	unsigned messages;
	uint64_t last;
	uint32_t bytes;
	uint32_t crc;
	char order[16];
	enum mqi_err ended;
	enum mqi_err call_inside;
};

static void
on_message(void *arg, const struct mqagent_stream_msg *m)
{
	struct seen *s = arg;
	mqi_queue *q = NULL;

	assert_int_equal(m->previous, m->number - 1);
	s->messages++;
	s->last = m->number;
	/* a call that would wait is refused here */
	s->call_inside = mqi_open(s->conn, "Q", NULL, MQI_OO_OUTPUT, &q);
}

static void
on_piece(void *arg, const void *data, uint32_t len)
{
	struct seen *s = arg;

	s->bytes += len;
	if (s->last == 6)
		s->crc = mqcrc32c(s->crc, data, len);
}

static void
on_ended(void *arg, enum mqi_err reason)
{
	((struct seen *)arg)->ended = reason;
}

static void
on_order(void *arg, const struct mqctl_list *order)
{
	struct seen *s = arg;

	(void)strncpy(
	    s->order, mqctl_list_get(order, "order"), sizeof(s->order) - 1);
}

static void
test_stream_brings_messages_orders_and_its_end(void **state)
{
	struct mqagent_stream_events events = {
	    .message = on_message, .piece = on_piece, .ended = on_ended};
	struct mqlocal_stream_ok info;
	struct mqctl_list status;
	mqagent_stream *stream = NULL;
	struct seen seen = {0};
	uint8_t qmid[16] = {1};
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_stream, NULL);
	c = connect_agent(&f);
	assert_int_equal(mqagent_qmid(c)[15], 'q');
	seen.conn = c;
	events.arg = &seen;
	mqagent_on_order(c, on_order, &seen);
	assert_int_equal(
	    mqagent_stream_open(c, "XMIT", &events, &info, &stream), MQI_OK);
	assert_int_equal(info.acked, 4);
	assert_int_equal(mqagent_stream_bind(stream, qmid, "CN=B"), MQI_OK);
	assert_int_equal(mqagent_stream_credit(stream, 10, 1 << 20, 4), MQI_OK);
	assert_true(mqagent_pending(c) > 0);
	while (seen.order[0] == '\0')
		assert_int_equal(turn(c), MQI_OK);
	assert_int_equal(seen.messages, 3);
	assert_int_equal(seen.last, 7);
	assert_int_equal(seen.bytes, 3 + BIG);
	assert_int_equal(seen.crc, mqcrc32c(0, big, BIG));
	assert_string_equal(seen.order, "stop");
	assert_int_equal(seen.call_inside, MQI_E_BUSY);
	assert_int_equal(mqagent_stream_ack(stream, 7), MQI_OK);
	mqctl_list_init(&status);
	assert_int_equal(mqagent_status(c, &status), MQI_OK);
	while (turn(c) == MQI_OK)
		;
	assert_int_equal(seen.ended, MQI_E_CONNECTION_BROKEN);
	stream = mqagent_stream_close(stream);
	assert_null(stream);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

/* ---- the receiver's side ---- */

static void
check_put(struct fake *f, uint32_t len)
{
	struct mqframe fr = fake_expect(f, MQLOCAL_PUT);
	struct mqlocal_put v;
	uint32_t id = fr.id, have = 0, crc = 0;

	if (mqlocal_decode_put(&fr, &v) != MQI_OK || v.body_len != len ||
	    v.flags != MQLOCAL_PUT_PASS_CONTEXT)
		abort();
	if (v.body != NULL)
		crc = mqcrc32c(0, v.body, have = len);
	while (have < len) {
		fr = fake_expect(f, MQLOCAL_PIECE);
		have += fr.payload_len;
		if (fr.id != id ||
		    (fr.payload_len != MQFRAME_PIECE && have != len))
			abort();
		crc = mqcrc32c(crc, fr.payload, fr.payload_len);
	}
	if (crc != v.body_crc)
		abort();
	fake_put_ok(f, id);
}

static void
script_receive(struct fake *f)
{
	struct mqlocal_position pos = {.position = 10, .fence = 3};
	struct mqlocal_unit_position up;
	struct mqframe fr;

	agent_hello(f);
	fr = fake_expect(f, MQLOCAL_POSITION_OPEN);
	mqlocal_encode_position(&f->out, fr.id, &pos);
	fake_send(f);
	fake_open(f, 1);
	check_put(f, 5);
	check_put(f, 0);
	check_put(f, BIG);
	check_put(f, 1000);
	fr = fake_expect(f, MQLOCAL_UNIT_POSITION);
	if (mqlocal_decode_unit_position(&fr, &up) != MQI_OK || up.fence != 3 ||
	    up.from != 10 || up.to != 14)
		abort();
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	fr = fake_expect(f, MQLOCAL_COMMIT);
	fake_result(f, fr.id, MQI_OK);
	fake_send(f);
	fake_until_end(f);
}

static void
on_put(void *arg, enum mqi_err result)
{
	assert_int_equal(result, MQI_OK);
	++*(int *)arg;
}

static void
give_in_parts(mqi_queue *q, uint32_t len, uint32_t step)
{
	for (uint32_t off = 0; off < len; off += step)
		assert_int_equal(mqagent_put_piece(q, big + off,
				     len - off < step ? len - off : step),
		    MQI_OK);
}

static void
test_receiver_puts_in_parts_and_moves_its_position(void **state)
{
	struct mqagent_position position = {.partner = "QM2"};
	struct mqlocal_position at;
	uint32_t desc_len;
	const void *desc = fake_desc(&desc_len);
	int puts = 0, commits = 0;
	mqi_queue *q = NULL;
	mqi_unit *u = NULL;
	struct fake f;
	mqi_conn *c;

	(void)state;
	fake_start(&f, script_receive, NULL);
	c = connect_agent(&f);
	assert_int_equal(mqagent_position_open(c, &position, &at), MQI_OK);
	assert_int_equal(at.position, 10);
	assert_int_equal(mqi_open(c, "Q", NULL, MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(mqi_begin(c, &u), MQI_OK);
	assert_int_equal(
	    mqagent_put(q, u, desc, desc_len, mqcrc32c(0, "hello", 5), 5,
		"hello", on_put, &puts),
	    MQI_OK);
	assert_int_equal(
	    mqagent_put(q, u, desc, desc_len, 0, 0, NULL, on_put, &puts),
	    MQI_OK);
	assert_int_equal(mqagent_put(q, u, desc, desc_len,
			     mqcrc32c(0, big, BIG), BIG, NULL, on_put, &puts),
	    MQI_OK);
	/* one at a time on a handle */
	assert_int_equal(
	    mqagent_put(q, u, desc, desc_len, 0, 0, NULL, on_put, &puts),
	    MQI_E_INVAL);
	give_in_parts(q, BIG, 10007);
	assert_int_equal(mqagent_put(q, u, desc, desc_len,
			     mqcrc32c(0, big, 1000), 1000, NULL, on_put, &puts),
	    MQI_OK);
	give_in_parts(q, 1000, 300);
	assert_int_equal(
	    mqagent_unit_position(u, &position, 3, 10, 14), MQI_OK);
	assert_int_equal(mqi_commit_async(u, on_put, &commits), MQI_OK);
	while (commits == 0)
		assert_int_equal(turn(c), MQI_OK);
	assert_int_equal(puts, 4);
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

static void
script_command(struct fake *f)
{
	struct mqctl_list row;
	struct mqframe fr;
	size_t start;

	agent_hello(f);
	fr = fake_expect(f, MQLOCAL_COMMAND);
	mqctl_list_init(&row);
	if (mqctl_list_add(&row, "QUEUE", "Q1") != MQI_OK)
		abort();
	for (int i = 0; i < 3; i++) {
		start = mqframe_begin(&f->out, MQLOCAL_COMMAND_ROW, 0, fr.id);
		mqctl_encode_list(&f->out, &row);
		mqframe_end(&f->out, start, 0);
	}
	mqctl_list_fini(&row);
	fake_result(f, fr.id, MQI_E_ATTRIBUTE);
	fake_send(f);
	fake_until_end(f);
}

static void
on_row(void *arg, const struct mqctl_list *row)
{
	assert_string_equal(mqctl_list_get(row, "queue"), "Q1");
	++*(int *)arg;
}

static void
test_command_gives_rows_and_the_sentence(void **state)
{
	struct mqctl_command cmd = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_QUEUE, .name = "*"};
	char text[100] = "";
	struct fake f;
	mqi_conn *c;
	int rows = 0;

	(void)state;
	mqctl_list_init(&cmd.attrs);
	fake_start(&f, script_command, NULL);
	c = connect_agent(&f);
	assert_int_equal(
	    mqagent_command(c, &cmd, on_row, &rows, text, sizeof(text)),
	    MQI_E_ATTRIBUTE);
	assert_int_equal(rows, 3);
	assert_string_equal(text, "says the fake: 10016");
	assert_int_equal(mqi_disconnect(c), MQI_OK);
	fake_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_brings_messages_orders_and_its_end),
	    cmocka_unit_test(
		test_receiver_puts_in_parts_and_moves_its_position),
	    cmocka_unit_test(test_command_gives_rows_and_the_sentence),
	};

	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 17);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

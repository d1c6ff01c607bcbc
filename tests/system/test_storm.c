/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_storm.c - clients that send whatever the protocol can express, in any
 * order, with any handle, unit and id, sometimes with a bit turned over, and
 * go at any time.  The queue manager lives, serves an honest client all the
 * while, stops cleanly in the end, and starts again.
 *
 * MQ_SEED replays a run.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/rand.h"
#include "libmq/agent.h"
#include "proto/desc.h"
#include "tests/lib/qm.h"
#include "tests/system/raw.h"

#define N_CLIENTS 12u
#define N_STEPS 4000u
#define BODY_MAX 150000u
#define ALL_OPTIONS \
	(MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE | MQI_OO_INQUIRE)
#define N_HANDLES 4u
#define OPEN_ID 1000u
#define PING_ID 0x40000000u /* above those of requests */
#define READ_MAX 65536u

struct storm_client {
	struct raw_client raw;
	uint32_t handles[N_HANDLES]; /* the last ones given; 0: none */
	uint32_t n_handles;
	uint32_t asked; /* the last ping, and the last one answered */
	uint32_t answered;
	bool opening; /* OPEN_ID is not answered: it waits for a flush */
};

static struct raw_qmgr qmgr;
static struct storm_client *now; /* who speaks */
static uint64_t seed;
static uint8_t body[BODY_MAX];
static uint64_t answers[MQLOCAL_AGENT_ORDER + 1]; /* by type */

static const char *const queues[] = {"SYSTEM.DEFAULT.LOCAL.QUEUE", "A", "B",
    "X", "SYSTEM.DEAD.LETTER.QUEUE", "NOT.THERE", "FAR", ""};

static uint32_t
pick(uint32_t n)
{
	return (uint32_t)(mqrand_next(&seed) % n);
}

static const char *
pick_queue(void)
{
	return queues[pick(MQ_ARRAY_LEN(queues))];
}

static uint32_t
pick_id(void)
{
	return 1 + pick(pick(20) == 0 ? PING_ID : 40);
}

static uint32_t
pick_handle(void)
{
	if (pick(20) != 0)
		return now->handles[pick(N_HANDLES)];
	return pick(2) == 0 ? (uint32_t)mqrand_next(&seed) : pick(6);
}

static uint32_t
pick_options(void)
{
	static const uint32_t open_options[] = {MQI_OO_OUTPUT,
	    MQI_OO_INPUT_SHARED | MQI_OO_BROWSE | MQI_OO_INQUIRE, ALL_OPTIONS,
	    ALL_OPTIONS};

	if (pick(20) == 0)
		return (uint32_t)mqrand_next(&seed);
	return open_options[pick(MQ_ARRAY_LEN(open_options))];
}

/* ---- requests ---- */

static void
add_open(struct mqbuf *b, uint32_t id)
{
	struct mqlocal_open v = {.options = pick_options()};

	(void)snprintf(v.object, sizeof(v.object), "%s", pick_queue());
	/* it can only be sent from when nobody gets from it */
	if (strcmp(v.object, "X") == 0 && pick(10) != 0)
		v.options = MQI_OO_OUTPUT;
	if (!now->opening) {
		now->opening = true;
		id = OPEN_ID;
	}
	mqlocal_encode_open(b, id, &v);
}

static void
add_pieces(struct mqbuf *b, uint32_t id, uint32_t len)
{
	uint32_t at = 0;

	while (at < len) {
		uint32_t n =
		    len - at < MQFRAME_PIECE ? len - at : MQFRAME_PIECE;
		struct mqlocal_piece v = {.data = body + at, .len = n};

		/* now and then one is missing, or short */
		if (pick(300) == 0)
			return;
		mqlocal_encode_piece(b, id, &v);
		mqbuf_put(b, v.data, v.len);
		at += n;
	}
}

static void
add_put(struct mqbuf *b, uint32_t id)
{
	struct mqlocal_put v = {.handle = pick_handle(),
	    .unit = pick(3) == 0 ? 0 : pick(4),
	    .flags = (uint16_t)pick(4),
	    .body_len = pick(12) == 0 ? pick(BODY_MAX) : pick(400)};
	struct mqbuf desc;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = (int32_t)pick(3);
	md.priority = (int8_t)((int)pick(11) - 1);
	memset(md.correl_id, (int)pick(3), sizeof(md.correl_id));
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	v.desc = desc.data;
	v.desc_len = (uint32_t)desc.len;
	v.body_crc = mqcrc32c(0, body, v.body_len);
	mqlocal_encode_put(b, id, &v);
	if (mqlocal_is_inline(v.desc_len, v.body_len))
		mqbuf_put(b, body, v.body_len);
	else
		add_pieces(b, id, v.body_len);
	mqbuf_fini(&desc);
}

static void
add_get(struct mqbuf *b, uint32_t id)
{
	static const uint32_t options[] = {0, 0, 0, MQI_GET_BROWSE_FIRST,
	    MQI_GET_BROWSE_NEXT, MQI_GET_ACCEPT_TRUNCATED, MQI_GET_UNDER_CURSOR,
	    MQI_GET_MATCH_CORREL_ID, MQI_GET_MATCH_MSG_ID};
	static const int64_t waits[] = {0, 0, 5, 100, MQI_WAIT_FOREVER};
	struct mqlocal_get v = {.handle = pick_handle(),
	    .unit = pick(2) == 0 ? 0 : pick(4),
	    .options = options[pick(MQ_ARRAY_LEN(options))],
	    .wait_ms = waits[pick(MQ_ARRAY_LEN(waits))],
	    .max_len = pick(3) == 0 ? pick(300) : UINT32_MAX};

	memset(v.correl_id, (int)pick(3), sizeof(v.correl_id));
	mqlocal_encode_get(b, id, &v);
}

static void
add_small(struct mqbuf *b, uint32_t id)
{
	struct mqlocal_close c = {.handle = pick_handle()};
	struct mqlocal_inquire i = {.handle = pick_handle()};
	struct mqlocal_watch w = {
	    .handle = pick_handle(), .on = (uint8_t)pick(2)};
	struct mqlocal_consume co = {.handle = pick_handle(),
	    .max_msgs = pick(50),
	    .max_bytes = pick(100000)};
	struct mqlocal_ack a = {.handle = pick_handle(), .token = pick(2000)};

	switch (pick(6)) {
	case 0:
		mqlocal_encode_close(b, id, &c);
		break;
	case 1:
		mqlocal_encode_inquire(b, id, &i);
		break;
	case 2:
		mqlocal_encode_watch(b, id, &w);
		break;
	case 3:
		mqlocal_encode_consume(b, id, &co);
		break;
	case 4:
		mqlocal_encode_ack(b, pick(2) == 0 ? 0 : id, &a);
		break;
	default:
		mqlocal_encode_empty(
		    b, pick(2) == 0 ? MQLOCAL_PING : MQLOCAL_CANCEL_GET, id);
	}
}

static void
add_position(struct mqbuf *b, uint32_t id)
{
	struct mqlocal_position_open o = {.partner = "P"};
	struct mqlocal_unit_position u = {.unit = pick(4),
	    .partner = "P",
	    .fence = pick(3),
	    .from = pick(3),
	    .to = pick(5)};

	o.stream[0] = u.stream[0] = (uint8_t)pick(2);
	if (pick(2) == 0)
		mqlocal_encode_position_open(b, id, &o);
	else
		mqlocal_encode_unit_position(b, id, &u);
}

/* An agent's; others are refused. */
static void
add_stream(struct mqbuf *b, uint32_t id)
{
	struct mqlocal_stream_open o = {.queue = ""};
	struct mqlocal_stream_bind bi = {.handle = pick_handle()};
	struct mqlocal_stream_ack a = {
	    .handle = pick_handle(), .number = mqrand_next(&seed) >> pick(64)};
	struct mqlocal_stream_credit c = {.handle = pick_handle(),
	    .max_msgs = pick(20),
	    .max_bytes = pick(100000),
	    .after = pick(2) == 0 ? 0 : mqrand_next(&seed) >> pick(64)};

	bi.qmid[0] = (uint8_t)pick(2);
	(void)snprintf(
	    o.queue, sizeof(o.queue), "%s", pick(4) != 0 ? "X" : pick_queue());
	switch (pick(4)) {
	case 0:
		mqlocal_encode_stream_open(b, id, &o);
		break;
	case 1:
		mqlocal_encode_stream_bind(b, id, &bi);
		break;
	case 2:
		mqlocal_encode_stream_ack(b, 0, &a);
		break;
	default:
		mqlocal_encode_stream_credit(b, 0, &c);
	}
}

static void
add_command(struct mqbuf *b, uint32_t id)
{
	static struct mqctl_command c;
	size_t start;

	memset(&c, 0, sizeof(c));
	/* not STOP QMGR; queues come as often as they go */
	c.noun = pick(2) == 0 ? MQCTL_QLOCAL : (enum mqctl_noun)(2 + pick(10));
	c.verb = (enum mqctl_verb)(1 + pick(10));
	if (c.verb == MQCTL_DELETE && pick(4) != 0)
		c.verb = MQCTL_DEFINE;
	c.flags = pick(32);
	(void)snprintf(
	    c.name, sizeof(c.name), "%s", pick(4) == 0 ? "*" : pick_queue());
	mqctl_list_init(&c.attrs);
	if (c.verb == MQCTL_DEFINE && strcmp(c.name, "X") == 0)
		assert_int_equal(
		    mqctl_list_add(&c.attrs, "USAGE", "XMITQ"), MQI_OK);
	start = mqframe_begin(b, MQLOCAL_COMMAND, 0, id);
	mqctl_encode_command(b, &c);
	mqframe_end(b, start, 0);
	mqctl_list_fini(&c.attrs);
}

static void
add_request(struct mqbuf *b)
{
	uint32_t id = pick_id(), what = pick(100);
	struct mqlocal_unit u = {.unit = pick(4)};

	if (what < 15)
		add_open(b, id);
	else if (what < 45)
		add_put(b, id);
	else if (what < 65)
		add_get(b, id);
	else if (what < 75)
		mqlocal_encode_unit(
		    b, pick(2) == 0 ? MQLOCAL_COMMIT : MQLOCAL_BACKOUT, id, &u);
	else if (what < 85)
		add_small(b, id);
	else if (what < 88)
		add_position(b, id);
	else if (what < 98)
		add_stream(b, id);
	else
		add_command(b, id);
}

/* ---- clients ---- */

static void
storm_open(struct storm_client *s)
{
	struct mqlocal_hello h = raw_hello_for(&qmgr);

	memset(s, 0, sizeof(*s));
	raw_open(&s->raw, &qmgr);
	h.is_agent = pick(3) == 0;
	raw_send_hello(&s->raw, &h);
	raw_assert_hello_ok(&s->raw, &qmgr);
	assert_int_equal(fcntl(s->raw.fd, F_SETFL, O_NONBLOCK), 0);
}

static void
storm_take(struct storm_client *s, const struct mqframe *f)
{
	struct mqlocal_stream_ok stream;
	struct mqlocal_open_ok open;
	uint32_t handle;

	assert_true(f->type < MQ_ARRAY_LEN(answers));
	answers[f->type]++;
	if (f->type == MQLOCAL_RESULT && f->id > PING_ID)
		s->answered = f->id;
	if (f->id == OPEN_ID)
		s->opening = false;
	if (f->type == MQLOCAL_OPEN_OK) {
		assert_int_equal(mqlocal_decode_open_ok(f, &open), MQI_OK);
		handle = open.handle;
	} else if (f->type == MQLOCAL_STREAM_OK) {
		assert_int_equal(mqlocal_decode_stream_ok(f, &stream), MQI_OK);
		handle = stream.handle;
	} else {
		return;
	}
	s->handles[s->n_handles++ % N_HANDLES] = handle;
}

/* Takes what there is: every byte must be of a frame. */
static void
storm_read(struct storm_client *s)
{
	struct raw_client *c = &s->raw;

	for (;;) {
		enum mqframe_result res;
		struct mqframe f;
		size_t used;
		ssize_t n;

		while ((res = mqframe_parse(
			    c->in.data, c->in.len, &f, &used)) == MQFRAME_OK) {
			storm_take(s, &f);
			mqbuf_consume(&c->in, used);
		}
		assert_int_equal(res, MQFRAME_MORE);
		assert_non_null(mqbuf_reserve(&c->in, READ_MAX));
		n = recv(c->fd, c->in.data + c->in.len, READ_MAX, 0);
		if (n <= 0)
			return;
		mqbuf_commit(&c->in, (size_t)n);
	}
}

/* Writes all of it; false when the session is over. */
static bool
storm_write(struct storm_client *s, const struct mqbuf *b)
{
	size_t at = 0;

	while (at < b->len) {
		struct pollfd p = {.fd = s->raw.fd, .events = POLLIN | POLLOUT};
		ssize_t n =
		    send(s->raw.fd, b->data + at, b->len - at, MSG_NOSIGNAL);

		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		(void)poll(&p, 1, 1000);
		storm_read(s);
		if ((p.revents & (POLLHUP | POLLERR)) != 0)
			return false;
	}
	return true;
}

/* Waits until what was sent has been carried out, and a handle that was asked
 * for is known; false when the session is
 * over. */
static bool
storm_sync(struct storm_client *s)
{
	struct mqbuf b;
	bool alive;

	mqbuf_init(&b, 64);
	s->asked = s->asked < PING_ID ? PING_ID + 1 : s->asked + 1;
	mqlocal_encode_empty(&b, MQLOCAL_PING, s->asked);
	alive = storm_write(s, &b);
	while (alive && (s->answered != s->asked || s->opening)) {
		struct pollfd p = {.fd = s->raw.fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, PROC_DEADLINE_MS), 1);
		storm_read(s);
		alive = (p.revents & (POLLHUP | POLLERR)) == 0;
	}
	mqbuf_fini(&b);
	return alive;
}

/* Sends some requests; false when the session is over. */
static bool
storm_send(struct storm_client *s)
{
	bool cut = pick(300) == 0, flipped = pick(100) == 0;
	struct mqbuf b;
	bool alive;

	now = s;
	mqbuf_init(&b, 1 << 22);
	for (uint32_t n = 1 + pick(12); n > 0; n--)
		add_request(&b);
	assert_int_equal(b.err, MQI_OK);
	if (flipped)
		b.data[pick((uint32_t)b.len)] ^= (uint8_t)(1u << pick(8));
	if (cut)
		b.len = pick((uint32_t)b.len);
	if (cut || flipped)
		s->opening = false;
	/* after these the rest of a frame may be awaited for ever */
	alive = storm_write(s, &b) && !cut && !flipped;
	mqbuf_fini(&b);
	return alive && (pick(4) == 0 || storm_sync(s));
}

static void
storm(void)
{
	static struct storm_client clients[N_CLIENTS];
	struct raw_client honest;

	raw_hello(&honest, &qmgr);
	for (unsigned i = 0; i < N_CLIENTS; i++)
		storm_open(&clients[i]);
	for (uint32_t step = 0; step < N_STEPS; step++) {
		struct storm_client *s = &clients[pick(N_CLIENTS)];

		if (!storm_send(s) || pick(200) == 0) {
			raw_close(&s->raw);
			storm_open(s);
		}
		if (pick(3) != 0)
			storm_read(s);
		if (step % 100 == 0)
			raw_ping(&honest, step + 1);
	}
	for (unsigned i = 0; i < N_CLIENTS; i++)
		raw_close(&clients[i].raw);
	raw_ping(&honest, 1);
	raw_close(&honest);
}

/* A storm in which nothing succeeds would show nothing. */
static void
assert_answered(void)
{
	static const uint16_t types[] = {MQLOCAL_RESULT, MQLOCAL_OPEN_OK,
	    MQLOCAL_PUT_OK, MQLOCAL_MESSAGE, MQLOCAL_PIECE, MQLOCAL_INQUIRE_OK,
	    MQLOCAL_READY, MQLOCAL_POSITION, MQLOCAL_COMMAND_ROW};

	for (size_t i = 0; i < MQ_ARRAY_LEN(types); i++) {
		print_message("%s: %llu\n", mqlocal_type_name(types[i]),
		    (unsigned long long)answers[types[i]]);
		assert_true(answers[types[i]] > 0);
	}
}

static void
define(void)
{
	struct qm q;

	memset(&q, 0, sizeof(q));
	(void)snprintf(q.name, sizeof(q.name), "%s", qmgr.name);
	(void)snprintf(q.root, sizeof(q.root), "%.4000s", qmgr.root);
	qm_mqsc(&q, "DEFINE QLOCAL(A) DEFPSIST(YES)\n"
		    "DEFINE QLOCAL(B) MSGDLVSQ(FIFO) MAXDEPTH(50)\n"
		    "DEFINE QLOCAL(X) USAGE(XMITQ)\n"
		    "DEFINE QREMOTE(FAR) RNAME(A) RQMNAME(QM2) XMITQ(X)\n");
}

static void
test_storm_of_requests_harms_nobody_else(void **state)
{
	(void)state;
	seed = test_seed("test_storm");
	raw_init(&qmgr, "QM1", "root");
	raw_create(&qmgr);
	raw_start(&qmgr);
	define();
	storm();
	proc_stop(&qmgr.proc);
	/* and what it wrote can be read */
	raw_start(&qmgr);
	storm();
	assert_answered();
	proc_stop(&qmgr.proc);
	raw_fini(&qmgr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_storm_of_requests_harms_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

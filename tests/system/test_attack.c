/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_attack.c - clients that mean harm: requests that are valid one by one,
 * in no order that makes sense, on several sessions at once, which are cut off
 * at any moment, do not read, or send bytes that are no frame.
 *
 * Nothing that they do may end the queue manager, keep a queue in use after
 * they are gone, lose count of messages, or disturb the client that asks, now
 * and then, whether it is still served.
 *
 * MQ_SEED replays a run as far as the kernel's timing allows.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/rand.h"
#include "base/sock.h"
#include "proto/ctl.h"
#include "proto/desc.h"
#include "proto/local.h"
#include "tests/lib/qm.h"

#define CLIENTS 8u
#define HANDLES 8u
#define QUEUES 5u
#define OUT_MAX 1048576u
#define BODY_MAX 300000u

static const char *const queues[QUEUES] = {
    "ATTACK.1", "ATTACK.2", "ATTACK.FIFO", "ATTACK.ALIAS", "ATTACK.XMIT"};

static const char setup_mqsc[] =
    "DEFINE QLOCAL(ATTACK.1) MAXDEPTH(5000) DEFPSIST(YES)\n"
    "DEFINE QLOCAL(ATTACK.2) MAXDEPTH(50) DEFPSIST(NO)\n"
    "DEFINE QLOCAL(ATTACK.FIFO) MSGDLVSQ(FIFO) MAXDEPTH(2000)\n"
    "DEFINE QALIAS(ATTACK.ALIAS) TARGET(ATTACK.1)\n"
    "DEFINE QLOCAL(ATTACK.XMIT) USAGE(XMITQ) MAXDEPTH(2000)\n"
    "DEFINE QREMOTE(ATTACK.REMOTE) RNAME(A) RQMNAME(B) XMITQ(ATTACK.XMIT)\n";

static const char setup_again_mqsc[] =
    "DEFINE QLOCAL(ATTACK.1) MAXDEPTH(5000) DEFPSIST(YES)\n"
    "DEFINE QLOCAL(ATTACK.2) MAXDEPTH(50) DEFPSIST(NO)\n";

static const char enable_mqsc[] =
    "DEFINE QLOCAL(ATTACK.1) REPLACE GET(ENABLED)\n"
    "DEFINE QLOCAL(ATTACK.2) REPLACE GET(ENABLED)\n"
    "DEFINE QLOCAL(ATTACK.FIFO) REPLACE GET(ENABLED)\n";

static const char teardown_mqsc[] = "DELETE QREMOTE(ATTACK.REMOTE)\n"
				    "DELETE QALIAS(ATTACK.ALIAS)\n"
				    "DELETE QLOCAL(ATTACK.1) PURGE\n"
				    "DELETE QLOCAL(ATTACK.2) PURGE\n"
				    "DELETE QLOCAL(ATTACK.FIFO) PURGE\n";

struct attacker {
	int fd; /* -1: none */
	bool reads;
	struct mqbuf in;
	struct mqbuf out;
	uint32_t handles[HANDLES];
	uint64_t tokens[HANDLES];
	uint32_t n_handles;
	uint32_t last_id;
	uint32_t put_id; /* of a put in pieces */
	uint32_t put_left;
};

static struct {
	struct qm q;
	struct tmpdir dir;
	char run[PATH_MAX];
	uint64_t random;
	bool stopping;
	uint64_t n_frames;
	uint64_t n_sessions;
	struct attacker clients[CLIENTS];
} t;

static uint8_t zeros[BODY_MAX];

static uint32_t
pick(uint32_t n)
{
	return (uint32_t)(mqrand_next(&t.random) % n);
}

/* ---- clients ---- */

static void
drop(struct attacker *a)
{
	if (a->fd >= 0)
		close(a->fd);
	mqbuf_fini(&a->in);
	mqbuf_fini(&a->out);
	memset(a, 0, sizeof(*a));
	a->fd = -1;
}

static void
join(struct attacker *a)
{
	struct mqlocal_hello h = {.version_min = MQLOCAL_VERSION_MIN,
	    .version_max = MQLOCAL_VERSION,
	    .app_name = "attack",
	    .is_agent = pick(3) == 0};

	if (mqsock_connect_unix(t.run, MQLOCAL_SOCKET, &a->fd) != MQI_OK) {
		if (!t.stopping)
			proc_die(&t.q.proc, "no connection is taken");
		a->fd = -1;
		return;
	}
	t.n_sessions++;
	(void)snprintf(h.qmgr, sizeof(h.qmgr), "%s", t.q.name);
	if (h.is_agent && pick(2) == 0)
		(void)snprintf(h.channel, sizeof(h.channel), "ATTACK.CH");
	a->reads = pick(8) != 0;
	mqbuf_init(&a->in, 1 << 24);
	mqbuf_init(&a->out, 1 << 24);
	mqlocal_encode_hello(&a->out, 0, &h);
}

static void
take(struct attacker *a, const struct mqframe *f)
{
	struct mqlocal_open_ok opened;
	struct mqlocal_stream_ok stream;
	struct mqlocal_message m;
	uint32_t handle = 0;

	if (f->type == MQLOCAL_OPEN_OK &&
	    mqlocal_decode_open_ok(f, &opened) == MQI_OK)
		handle = opened.handle;
	else if (f->type == MQLOCAL_STREAM_OK &&
		 mqlocal_decode_stream_ok(f, &stream) == MQI_OK)
		handle = stream.handle;
	if (handle != 0)
		a->handles[a->n_handles++ % HANDLES] = handle;
	if (f->type != MQLOCAL_MESSAGE ||
	    mqlocal_decode_message(f, &m) != MQI_OK)
		return;
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (a->handles[i] == m.handle)
			a->tokens[i] = m.token;
	}
}

static void
read_some(struct attacker *a)
{
	struct mqframe f;
	size_t used;

	for (int i = 0; i < 8; i++) {
		void *p = mqbuf_reserve(&a->in, 65536);
		ssize_t n;

		assert_non_null(p);
		n = recv(a->fd, p, 65536, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			drop(a);
			return;
		}
		mqbuf_commit(&a->in, (size_t)n);
	}
	while (mqframe_parse(a->in.data, a->in.len, &f, &used) == MQFRAME_OK) {
		take(a, &f);
		mqbuf_consume(&a->in, used);
	}
}

static void
write_some(struct attacker *a)
{
	ssize_t n =
	    send(a->fd, a->out.data, a->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		mqbuf_consume(&a->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		drop(a);
}

/* ---- requests ---- */

static uint32_t
new_id(struct attacker *a)
{
	return pick(20) == 0 ? 1 + pick(4) : 100 + ++a->last_id;
}

static uint32_t
some_handle(const struct attacker *a)
{
	if (pick(50) == 0)
		return pick(5);
	return a->handles[pick(HANDLES)];
}

/* 0: none */
static uint32_t
some_unit(void)
{
	return pick(2) == 0 ? 0 : pick(6);
}

static void
some_id(uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = (uint8_t)pick(4);
}

static void
ask_open(struct attacker *a)
{
	static const uint32_t options[] = {
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE,
	    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE,
	    MQI_OO_INPUT_AS_Q_DEF | MQI_OO_BROWSE, MQI_OO_OUTPUT,
	    MQI_OO_INPUT_EXCLUSIVE, MQI_OO_BROWSE};
	struct mqlocal_open v = {
	    .options = options[pick(MQ_ARRAY_LEN(options))]};

	if (pick(30) == 0)
		v.options = (uint32_t)mqrand_next(&t.random);
	(void)snprintf(v.object, sizeof(v.object), "%s",
	    pick(8) == 0 ? "ATTACK.REMOTE" : queues[pick(QUEUES)]);
	if (pick(2) == 0)
		v.options = MQI_OO_OUTPUT;
	mqlocal_encode_open(&a->out, new_id(a), &v);
}

static uint32_t
body_len(void)
{
	switch (pick(12)) {
	case 0:
		return pick(BODY_MAX);
	case 1:
		return 60000 + pick(6000);
	case 2:
		return 0;
	default:
		return pick(2000);
	}
}

static void
ask_put(struct attacker *a)
{
	struct mqlocal_put v = {.handle = some_handle(a), .unit = some_unit()};
	struct mqbuf desc;
	struct mqi_md md;
	uint32_t id = new_id(a);

	mqi_md_init(&md);
	md.priority = (int32_t)pick(11) - 1;
	md.persistence = (int32_t)pick(3);
	some_id(md.msg_id);
	some_id(md.correl_id);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	v.flags = (uint16_t)pick(8);
	v.desc = desc.data;
	v.desc_len = (uint32_t)desc.len;
	v.body_len = body_len();
	v.body_crc = mqcrc32c(0, zeros, v.body_len);
	if (pick(100) == 0)
		v.body_crc ^= 1;
	v.body = zeros;
	mqlocal_encode_put(&a->out, id, &v);
	if (mqlocal_is_inline(v.desc_len, v.body_len)) {
		mqbuf_put(&a->out, zeros, v.body_len);
	} else if (a->put_left == 0) {
		a->put_id = id;
		a->put_left = v.body_len;
	}
	mqbuf_fini(&desc);
}

static void
send_piece(struct attacker *a)
{
	struct mqlocal_piece v = {.data = zeros, .len = a->put_left};

	if (a->put_left == 0)
		return;
	if (v.len > MQFRAME_PIECE)
		v.len = MQFRAME_PIECE;
	mqlocal_encode_piece(&a->out, a->put_id, &v);
	mqbuf_put(&a->out, zeros, v.len);
	a->put_left -= v.len;
}

static void
ask_get(struct attacker *a)
{
	static const uint32_t options[] = {0, 0, MQI_GET_ACCEPT_TRUNCATED,
	    MQI_GET_BROWSE_FIRST, MQI_GET_BROWSE_NEXT, MQI_GET_UNDER_CURSOR,
	    MQI_GET_MATCH_MSG_ID, MQI_GET_MATCH_CORREL_ID,
	    MQI_GET_MATCH_MSG_ID | MQI_GET_MATCH_CORREL_ID,
	    MQI_GET_BROWSE_NEXT | MQI_GET_MATCH_CORREL_ID};
	struct mqlocal_get v = {.handle = some_handle(a),
	    .unit = some_unit(),
	    .options = options[pick(MQ_ARRAY_LEN(options))],
	    .max_len = pick(3) == 0 ? pick(70000) : UINT32_MAX};

	if (pick(3) == 0)
		v.wait_ms = pick(4) == 0 ? MQI_WAIT_FOREVER : pick(20);
	some_id(v.msg_id);
	some_id(v.correl_id);
	mqlocal_encode_get(&a->out, new_id(a), &v);
}

static void
ask_unit(struct attacker *a)
{
	struct mqlocal_unit v = {.unit = pick(6)};
	struct mqlocal_unit_position p = {.unit = v.unit,
	    .partner = "PARTNER",
	    .fence = pick(3),
	    .from = pick(3),
	    .to = pick(5)};

	if (pick(10) == 0)
		mqlocal_encode_unit_position(&a->out, new_id(a), &p);
	mqlocal_encode_unit(&a->out,
	    pick(2) == 0 ? MQLOCAL_COMMIT : MQLOCAL_BACKOUT, new_id(a), &v);
}

static void
ask_ahead(struct attacker *a)
{
	uint32_t i = pick(HANDLES);
	struct mqlocal_consume c = {.handle = a->handles[i],
	    .max_msgs = pick(40),
	    .max_bytes = pick(500000)};
	struct mqlocal_ack k = {.handle = a->handles[i], .token = a->tokens[i]};

	if (pick(10) == 0)
		c.max_msgs = c.max_bytes = UINT32_MAX;
	if (pick(30) == 0)
		k.token = mqrand_next(&t.random);
	if (pick(3) == 0)
		mqlocal_encode_consume(&a->out, new_id(a), &c);
	else
		mqlocal_encode_ack(&a->out, pick(2) == 0 ? 0 : new_id(a), &k);
}

static void
ask_stream(struct attacker *a)
{
	struct mqlocal_stream_open o = {.queue = "ATTACK.XMIT"};
	uint32_t i = pick(HANDLES);
	struct mqlocal_stream_bind b = {.handle = a->handles[i],
	    .qmid = {(uint8_t)(1 + pick(2))},
	    .identity = "CN=X"};
	struct mqlocal_stream_credit c = {.handle = a->handles[i],
	    .max_msgs = pick(30),
	    .max_bytes = pick(300000),
	    .after = pick(5) == 0 ? mqrand_next(&t.random) : 0};
	struct mqlocal_stream_ack k = {.handle = a->handles[i],
	    .number = pick(8) == 0 ? UINT64_MAX : a->tokens[i]};
	struct mqlocal_position_open p = {
	    .partner = "PARTNER", .stream = {(uint8_t)pick(3)}};

	switch (pick(5)) {
	case 0:
		mqlocal_encode_stream_open(&a->out, new_id(a), &o);
		break;
	case 1:
		mqlocal_encode_stream_bind(&a->out, new_id(a), &b);
		break;
	case 2:
		mqlocal_encode_stream_credit(&a->out, 0, &c);
		break;
	case 3:
		mqlocal_encode_stream_ack(&a->out, 0, &k);
		break;
	default:
		mqlocal_encode_position_open(&a->out, new_id(a), &p);
		break;
	}
}

static void
ask_small(struct attacker *a)
{
	struct mqlocal_close c = {.handle = some_handle(a)};
	struct mqlocal_inquire q = {.handle = some_handle(a)};
	struct mqlocal_watch w = {
	    .handle = some_handle(a), .on = (uint8_t)pick(2)};

	switch (pick(5)) {
	case 0:
		mqlocal_encode_close(&a->out, new_id(a), &c);
		break;
	case 1:
		mqlocal_encode_inquire(&a->out, new_id(a), &q);
		break;
	case 2:
		mqlocal_encode_watch(&a->out, new_id(a), &w);
		break;
	case 3:
		mqlocal_encode_empty(
		    &a->out, MQLOCAL_CANCEL_GET, 100 + pick(a->last_id + 1));
		break;
	default:
		mqlocal_encode_empty(&a->out, MQLOCAL_PING, new_id(a));
		break;
	}
}

static void
ask_command(struct attacker *a)
{
	static const struct {
		enum mqctl_verb verb;
		enum mqctl_noun noun;
		const char *keyword;
		const char *value;
	} commands[] = {{MQCTL_CLEAR, MQCTL_QLOCAL, NULL, NULL},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "GET", "DISABLED"},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "GET", "ENABLED"},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "PUT", "DISABLED"},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "PUT", "ENABLED"},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "MSGDLVSQ", "FIFO"},
	    {MQCTL_ALTER, MQCTL_QLOCAL, "MSGDLVSQ", "PRIORITY"},
	    {MQCTL_DELETE, MQCTL_QLOCAL, NULL, NULL},
	    {MQCTL_DEFINE, MQCTL_QLOCAL, NULL, NULL},
	    {MQCTL_DISPLAY, MQCTL_QLOCAL, NULL, NULL},
	    {MQCTL_DISPLAY, MQCTL_QSTATUS, NULL, NULL}};

	uint32_t i = pick(MQ_ARRAY_LEN(commands));
	struct mqctl_command c = {
	    .verb = commands[i].verb, .noun = commands[i].noun};
	size_t start;

	c.flags = c.verb == MQCTL_DELETE ? MQCTL_PURGE : 0;
	(void)snprintf(c.name, sizeof(c.name), "%s", queues[pick(3)]);
	mqctl_list_init(&c.attrs);
	if (commands[i].keyword != NULL)
		assert_int_equal(mqctl_list_add(&c.attrs, commands[i].keyword,
				     commands[i].value),
		    MQI_OK);
	start = mqframe_begin(&a->out, MQLOCAL_COMMAND, 0, new_id(a));
	mqctl_encode_command(&a->out, &c);
	mqframe_end(&a->out, start, 0);
	mqctl_list_fini(&c.attrs);
}

static void
ask_something(struct attacker *a)
{
	static void (*const asks[])(struct attacker *) = {ask_open, ask_put,
	    ask_put, ask_put, ask_put, ask_get, ask_get, ask_get, ask_unit,
	    ask_ahead, ask_ahead, ask_stream, ask_small, send_piece,
	    send_piece};

	t.n_frames++;
	if (pick(400) == 0)
		ask_command(a);
	else if (pick(3000) == 0 && a->out.len > 0)
		a->out.data[pick((uint32_t)a->out.len)] ^= 0x55;
	else
		asks[pick(MQ_ARRAY_LEN(asks))](a);
	assert_int_equal(a->out.err, MQI_OK);
}

static void
step(struct attacker *a)
{
	if (a->fd < 0)
		join(a);
	if (a->fd < 0)
		return;
	for (uint32_t n = pick(20); n > 0 && a->out.len < OUT_MAX; n--)
		ask_something(a);
	write_some(a);
	if (a->fd >= 0 && (a->reads || pick(200) == 0))
		read_some(a);
	if (a->fd >= 0 && pick(300) == 0)
		drop(a);
}

/* ---- the test ---- */

static void
assert_alive(void)
{
	int status;

	if (proc_runs(&t.q.proc, &status))
		return;
	proc_die(&t.q.proc, "the queue manager has ended");
}

static void
attack(uint64_t ms)
{
	uint64_t end = test_now_ms() + ms;
	mqi_conn *conn;

	while (test_now_ms() < end) {
		for (int i = 0; i < 1000; i++)
			step(&t.clients[pick(CLIENTS)]);
		assert_alive();
		conn = qm_connect(&t.q);
		(void)mqi_disconnect(conn);
	}
}

static void
drop_all(void)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		drop(&t.clients[i]);
}

/* Every message that is counted can be got. */
static void
drain(const char *name)
{
	struct mqi_queue_info info;
	mqi_conn *conn = qm_connect(&t.q);
	mqi_queue *q = NULL;
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	enum mqi_err err;
	uint64_t n = 0;

	/* the ends of the attackers' sessions may still be to be noticed */
	while ((err = mqi_open(conn, name, NULL,
		    MQI_OO_INPUT_EXCLUSIVE | MQI_OO_INQUIRE, &q)) ==
	       MQI_E_OBJECT_IN_USE) {
		assert_true(test_now_ms() < end);
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(err, MQI_OK);
	for (;;) {
		assert_int_equal(mqi_inquire(q, &info), MQI_OK);
		if (info.open_output == 0)
			break;
		assert_true(test_now_ms() < end);
		(void)poll(NULL, 0, 5);
	}
	for (;;) {
		mqi_msg *msg = NULL;

		err = mqi_poll(q, NULL, &msg);
		if (err != MQI_OK)
			break;
		mqi_msg_free(msg);
		n++;
	}
	assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
	assert_int_equal(n, info.depth);
	(void)mqi_disconnect(conn);
}

static void
test_attack(void **state)
{
	const char *ms = getenv("MQ_ATTACK_MS");

	(void)state;
	qm_mqsc(&t.q, setup_mqsc);
	attack(ms != NULL ? strtoull(ms, NULL, 10) : 6000);
	drop_all();
	print_message("%llu sessions, %llu requests\n",
	    (unsigned long long)t.n_sessions, (unsigned long long)t.n_frames);
	assert_alive();
	qm_mqsc(&t.q, enable_mqsc);
	drain("ATTACK.1");
	drain("ATTACK.2");
	proc_stop(&t.q.proc);
	qm_start(&t.q);
	drain("ATTACK.FIFO");
	qm_mqsc(&t.q, teardown_mqsc);
	proc_stop(&t.q.proc);
}

/* Told twice, it waits for nobody. */
static void
test_stop_under_attack(void **state)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	int status = 0;

	(void)state;
	qm_start(&t.q);
	qm_mqsc(&t.q, setup_again_mqsc);
	attack(1000);
	t.stopping = true;
	for (int i = 0; i < 2; i++) {
		assert_alive();
		assert_int_equal(kill(t.q.proc.pid, SIGTERM), 0);
		for (int k = 0; k < 100; k++)
			step(&t.clients[pick(CLIENTS)]);
	}
	while (proc_runs(&t.q.proc, &status)) {
		step(&t.clients[pick(CLIENTS)]);
		if (test_now_ms() > end)
			proc_die(&t.q.proc, "the queue manager does not stop");
	}
	assert_int_equal(status, 0);
	drop_all();
	qm_start(&t.q);
	qm_mqsc(&t.q, enable_mqsc);
	drain("ATTACK.1");
	proc_stop(&t.q.proc);
}

static int
setup(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	t.random = test_seed("test_attack");
	for (uint32_t i = 0; i < CLIENTS; i++)
		t.clients[i].fd = -1;
	tmpdir_make(&t.dir);
	qm_create(&t.q, &t.dir, "QM1");
	(void)snprintf(t.run, sizeof(t.run), "%.3000s/QM1/run", t.q.root);
	qm_start(&t.q);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	qm_fini(&t.q);
	tmpdir_free(&t.dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_attack),
	    cmocka_unit_test(test_stop_under_attack),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local_samples.c - one frame of each type.  Every field has a value of its
 * own, so that no two can be mixed up unseen.
 *
 * Neighbours: test_local.c; golden files under tests/data/golden/local/.
 */
#include "tests/unit/proto/local_samples.h"

/* an id whose bytes count up from x */
#define ID16(x)                                                            \
	{                                                                  \
		x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8, \
		    x + 9, x + 10, x + 11, x + 12, x + 13, x + 14, x + 15  \
	}
#define ID24(x)                                                             \
	{                                                                   \
		x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8,  \
		    x + 9, x + 10, x + 11, x + 12, x + 13, x + 14, x + 15,  \
		    x + 16, x + 17, x + 18, x + 19, x + 20, x + 21, x + 22, \
		    x + 23                                                  \
	}

/* as long as a descriptor without any field */
#define DESC "\x01\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00"
#define DESC_LEN 12u

static void
sample_hello(struct mqbuf *b)
{
	static const struct mqlocal_hello v = {.version_min = 1,
	    .version_max = 1,
	    .features = UINT64_C(0x0102030405060708),
	    .qmgr = "QM1",
	    .app_name = "an application",
	    .is_agent = 1,
	    .user = "alice",
	    .channel = "TO.QM2",
	    .address = "192.0.2.1:1414"};

	mqlocal_encode_hello(b, 1001, &v);
}

static void
sample_hello_plain(struct mqbuf *b)
{
	static const struct mqlocal_hello v = {.version_min = 1,
	    .version_max = 1,
	    .qmgr = "QM1",
	    .app_name = "mqput"};

	mqlocal_encode_hello(b, 1002, &v);
}

static void
sample_hello_ok(struct mqbuf *b)
{
	static const struct mqlocal_hello_ok v = {.version = 1,
	    .features = UINT64_C(0x1112131415161718),
	    .qmgr = "QM1",
	    .qmid = ID16(0x20),
	    .incarnation = ID16(0x40),
	    .max_msg_len = 4194304};

	mqlocal_encode_hello_ok(b, 1003, &v);
}

static void
sample_client_hello(struct mqbuf *b)
{
	static const struct mqlocal_client_hello v = {.version_min = 1,
	    .version_max = 1,
	    .channel = "APP.SVRCONN",
	    .user = "alice"};

	mqlocal_encode_client_hello(b, 1010, &v);
}

static void
sample_client_ok(struct mqbuf *b)
{
	static const struct mqlocal_client_ok v = {
	    .version = 1, .heartbeat_ms = 5000, .max_msg_len = 4194304};

	mqlocal_encode_client_ok(b, 1011, &v);
}

static void
sample_beat(struct mqbuf *b)
{
	mqlocal_encode_empty(b, MQLOCAL_BEAT, 0);
}

static void
sample_error(struct mqbuf *b)
{
	static const struct mqlocal_error v = {.reason = MQI_E_VERSION,
	    .text = "this queue manager speaks version 1"};

	mqlocal_encode_error(b, 1004, &v);
}

static void
sample_result(struct mqbuf *b)
{
	static const struct mqlocal_result v = {.reason = MQI_E_Q_FULL,
	    .handle = 7,
	    .token = UINT64_C(0x2122232425262728),
	    .text = "queue A.B holds 5,000 messages"};

	mqlocal_encode_result(b, 1005, &v);
}

static void
sample_open(struct mqbuf *b)
{
	static const struct mqlocal_open v = {
	    .options = MQI_OO_OUTPUT | MQI_OO_BROWSE,
	    .object = "A.QUEUE",
	    .qmgr = "QM2"};

	mqlocal_encode_open(b, 1006, &v);
}

static void
sample_open_as(struct mqbuf *b)
{
	static const struct mqlocal_open_as v = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .object = "A.QUEUE",
	    .qmgr = "QM2",
	    .user = "fred"};

	mqlocal_encode_open_as(b, 2009, &v);
}

static void
sample_open_select(struct mqbuf *b)
{
	static const struct mqlocal_open_select v = {
	    .options = MQI_OO_INPUT_SHARED | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .object = "A.QUEUE",
	    .qmgr = "QM2",
	    .user = "fred",
	    .selector = "JMSPriority > 4 AND colour = 'red'"};

	mqlocal_encode_open_select(b, 2010, &v);
}

static void
sample_open_topic(struct mqbuf *b)
{
	static const struct mqlocal_open_topic v = {
	    .options = MQI_OO_OUTPUT, .object = "NEWS", .topic = "sport/today"};

	mqlocal_encode_open_topic(b, 2011, &v);
}

static void
sample_subscribe(struct mqbuf *b)
{
	static const struct mqlocal_subscribe v = {
	    .options = MQI_SO_CREATE | MQI_SO_DURABLE | MQI_SO_SET_CORREL_ID,
	    .expiry = 600,
	    .name = "A.SUB",
	    .object = "NEWS",
	    .topic = "sport/+/#",
	    .dest = "A.QUEUE",
	    .dest_qmgr = "QM2",
	    .selector = "JMSPriority > 4",
	    .user_data = "mine",
	    .correl_id = "correlation of a sub"};

	mqlocal_encode_subscribe(b, 2012, &v);
}

static void
sample_unsubscribe(struct mqbuf *b)
{
	static const struct mqlocal_unsubscribe v = {.handle = 11};

	mqlocal_encode_unsubscribe(b, 2013, &v);
}

static void
sample_browse_unlock(struct mqbuf *b)
{
	static const struct mqlocal_browse_unlock v = {.handle = 12};

	mqlocal_encode_browse_unlock(b, 2014, &v);
}

static void
sample_open_ok(struct mqbuf *b)
{
	static const struct mqlocal_open_ok v = {.handle = 9,
	    .resolved_name = "QM2.XMIT",
	    .resolved_qmgr = "QM1",
	    .max_msg_len = 65536};

	mqlocal_encode_open_ok(b, 1007, &v);
}

static void
sample_close(struct mqbuf *b)
{
	static const struct mqlocal_close v = {.handle = 10};

	mqlocal_encode_close(b, 1008, &v);
}

static void
sample_inquire(struct mqbuf *b)
{
	static const struct mqlocal_inquire v = {.handle = 11};

	mqlocal_encode_inquire(b, 1009, &v);
}

static void
sample_inquire_ok(struct mqbuf *b)
{
	static const struct mqlocal_inquire_ok v = {
	    .info = {.name = "AN.ALIAS",
		.resolved_name = "A.QUEUE",
		.resolved_qmgr = "QM1",
		.depth = 12,
		.max_depth = 5000,
		.max_msg_len = 4194304,
		.open_input = 13,
		.open_output = 14,
		.default_priority = 4,
		.default_persistence = 1,
		.put_inhibited = true,
		.get_inhibited = false,
		.is_transmission = true}};

	mqlocal_encode_inquire_ok(b, 1010, &v);
}

static void
sample_put_ok(struct mqbuf *b)
{
	static const struct mqlocal_put_ok v = {.msg_id = ID24(0x50),
	    .priority = 6,
	    .persistence = 1,
	    .put_time_ms = UINT64_C(1795222923450)};

	mqlocal_encode_put_ok(b, 1011, &v);
}

static void
sample_puts_ok(struct mqbuf *b)
{
	static const uint8_t ids[] = {0x11, 0x22, 0x33, 0x44};
	static const struct mqlocal_puts_ok v = {.n = 1, .ids = ids};

	mqlocal_encode_puts_ok(b, 0, &v);
}

static void
sample_get(struct mqbuf *b)
{
	static const struct mqlocal_get v = {.handle = 15,
	    .unit = 16,
	    .options = MQI_GET_MATCH_MSG_ID | MQI_GET_ACCEPT_TRUNCATED,
	    .wait_ms = -1,
	    .max_len = 1000,
	    .msg_id = ID24(0x60),
	    .correl_id = ID24(0x80)};

	mqlocal_encode_get(b, 1012, &v);
}

static void
sample_consume(struct mqbuf *b)
{
	static const struct mqlocal_consume v = {
	    .handle = 17, .max_msgs = 256, .max_bytes = 1048576};

	mqlocal_encode_consume(b, 1013, &v);
}

static void
sample_ack(struct mqbuf *b)
{
	static const struct mqlocal_ack v = {
	    .handle = 18, .token = UINT64_C(0x3132333435363738)};

	mqlocal_encode_ack(b, 1014, &v);
}

static void
sample_watch(struct mqbuf *b)
{
	static const struct mqlocal_watch v = {.handle = 19, .on = 1};

	mqlocal_encode_watch(b, 1015, &v);
}

static void
sample_ready(struct mqbuf *b)
{
	static const struct mqlocal_ready v = {.handle = 20, .ready = 1};

	mqlocal_encode_ready(b, 1016, &v);
}

static void
sample_position_open(struct mqbuf *b)
{
	static const struct mqlocal_position_open v = {.partner = "QM1.PARTNER",
	    .stream = ID16(0x70),
	    .incarnation = ID16(0x90),
	    .identity = "CN=QM1,O=Example"};

	mqlocal_encode_position_open(b, 1017, &v);
}

static void
sample_position(struct mqbuf *b)
{
	static const struct mqlocal_position v = {
	    .position = 21, .fence = 22, .incarnation = ID16(0xa0)};

	mqlocal_encode_position(b, 1018, &v);
}

static void
sample_unit_position(struct mqbuf *b)
{
	static const struct mqlocal_unit_position v = {.unit = 23,
	    .partner = "QM1.PARTNER",
	    .stream = ID16(0xb0),
	    .fence = 24,
	    .from = 25,
	    .to = 26,
	    .incarnation = ID16(0xc0)};

	mqlocal_encode_unit_position(b, 1019, &v);
}

static void
sample_stream_open(struct mqbuf *b)
{
	static const struct mqlocal_stream_open v = {.queue = "QM2.XMIT"};

	mqlocal_encode_stream_open(b, 1020, &v);
}

static void
sample_stream_ok(struct mqbuf *b)
{
	static const struct mqlocal_stream_ok v = {.handle = 27,
	    .stream = ID16(0xd0),
	    .acked = 28,
	    .handed = 29,
	    .bound_qmid = ID16(0xe0),
	    .bound_identity = "CN=QM2,O=Example",
	    .n_incarnations = 2,
	    .incarnations = {{.id = ID16(0x10), .first = 1},
		{.id = ID16(0x30), .first = 30}}};

	mqlocal_encode_stream_ok(b, 1021, &v);
}

static void
sample_stream_ok_bound_acked(struct mqbuf *b)
{
	static const struct mqlocal_stream_ok v = {.handle = 27,
	    .stream = ID16(0xd0),
	    .acked = 28,
	    .handed = 29,
	    .bound_qmid = ID16(0xe0),
	    .bound_identity = "CN=QM2,O=Example",
	    .bound_acked = 26,
	    .n_incarnations = 1,
	    .incarnations = {{.id = ID16(0x10), .first = 1}}};

	mqlocal_encode_stream_ok(b, 1021, &v);
}

static void
sample_stream_bind(struct mqbuf *b)
{
	static const struct mqlocal_stream_bind v = {
	    .handle = 31, .qmid = ID16(0xe0), .identity = "CN=QM2,O=Example"};

	mqlocal_encode_stream_bind(b, 1022, &v);
}

static void
sample_stream_ack(struct mqbuf *b)
{
	static const struct mqlocal_stream_ack v = {.handle = 32, .number = 33};

	mqlocal_encode_stream_ack(b, 1023, &v);
}

static void
sample_stream_credit(struct mqbuf *b)
{
	static const struct mqlocal_stream_credit v = {
	    .handle = 34, .max_msgs = 500, .max_bytes = 4194304, .after = 35};

	mqlocal_encode_stream_credit(b, 1024, &v);
}

static void
sample_stream_limit(struct mqbuf *b)
{
	static const struct mqlocal_stream_limit v = {
	    .handle = 36, .max_msg_len = 4194304};

	mqlocal_encode_stream_limit(b, 0, &v);
}

static void
sample_stream_remove(struct mqbuf *b)
{
	static const struct mqlocal_stream_remove v = {
	    .handle = 37, .unit = 38, .number = 39};

	mqlocal_encode_stream_remove(b, 1025, &v);
}

static void
sample_put(struct mqbuf *b)
{
	static const struct mqlocal_put v = {
	    .flags = MQLOCAL_PUT_ASYNC | MQLOCAL_PUT_RESET,
	    .handle = 40,
	    .unit = 41,
	    .body_crc = 0x0a0b0c0d,
	    .body_len = 4,
	    .desc = DESC,
	    .desc_len = DESC_LEN,
	};

	mqlocal_encode_put(b, 2001, &v);
	mqbuf_put(b, "body", 4);
}

static void
sample_put_in_pieces(struct mqbuf *b)
{
	static const struct mqlocal_put v = {
	    .handle = 42,
	    .body_crc = 0x01020304,
	    .body_len = 100000,
	    .desc = DESC,
	    .desc_len = DESC_LEN,
	};

	mqlocal_encode_put(b, 2002, &v);
}

static void
sample_message(struct mqbuf *b)
{
	static const struct mqlocal_message v = {
	    .handle = 43,
	    .reason = MQI_E_TRUNCATED,
	    .token = 44,
	    .previous = 45,
	    .body_crc = 0x05060708,
	    .body_len = 46,
	    .sent_len = 3,
	    .backout_count = 47,
	    .desc = DESC,
	    .desc_len = DESC_LEN,
	};

	mqlocal_encode_message(b, 2003, &v);
	mqbuf_put(b, "cut", 3);
}

static void
sample_message_in_pieces(struct mqbuf *b)
{
	static const struct mqlocal_message v = {
	    .handle = 48,
	    .token = 49,
	    .body_crc = 0x090a0b0c,
	    .body_len = 100000,
	    .sent_len = 100000,
	    .desc = DESC,
	    .desc_len = DESC_LEN,
	};

	mqlocal_encode_message(b, 0x80000001, &v);
}

static void
sample_piece(struct mqbuf *b)
{
	static const struct mqlocal_piece v = {.len = 5};

	mqlocal_encode_piece(b, 2004, &v);
	mqbuf_put(b, "piece", 5);
}

static void
sample_commit(struct mqbuf *b)
{
	static const struct mqlocal_unit v = {.unit = 50};

	mqlocal_encode_unit(b, MQLOCAL_COMMIT, 2005, &v);
}

static void
sample_backout(struct mqbuf *b)
{
	static const struct mqlocal_unit v = {.unit = 51};

	mqlocal_encode_unit(b, MQLOCAL_BACKOUT, 2006, &v);
}

static void
sample_ping(struct mqbuf *b)
{
	mqlocal_encode_empty(b, MQLOCAL_PING, 2007);
}

static void
sample_cancel_get(struct mqbuf *b)
{
	mqlocal_encode_empty(b, MQLOCAL_CANCEL_GET, 2008);
}

const struct local_sample local_samples[] = {
    {"hello", MQLOCAL_HELLO, sample_hello},
    {"hello_plain", MQLOCAL_HELLO, sample_hello_plain},
    {"hello_ok", MQLOCAL_HELLO_OK, sample_hello_ok},
    {"client_hello", MQLOCAL_CLIENT_HELLO, sample_client_hello},
    {"client_ok", MQLOCAL_CLIENT_OK, sample_client_ok},
    {"beat", MQLOCAL_BEAT, sample_beat},
    {"error", MQLOCAL_ERROR, sample_error},
    {"result", MQLOCAL_RESULT, sample_result},
    {"open", MQLOCAL_OPEN, sample_open},
    {"open_as", MQLOCAL_OPEN_AS, sample_open_as},
    {"open_select", MQLOCAL_OPEN_SELECT, sample_open_select},
    {"open_topic", MQLOCAL_OPEN_TOPIC, sample_open_topic},
    {"subscribe", MQLOCAL_SUBSCRIBE, sample_subscribe},
    {"unsubscribe", MQLOCAL_UNSUBSCRIBE, sample_unsubscribe},
    {"browse_unlock", MQLOCAL_BROWSE_UNLOCK, sample_browse_unlock},
    {"open_ok", MQLOCAL_OPEN_OK, sample_open_ok},
    {"close", MQLOCAL_CLOSE, sample_close},
    {"inquire", MQLOCAL_INQUIRE, sample_inquire},
    {"inquire_ok", MQLOCAL_INQUIRE_OK, sample_inquire_ok},
    {"put_ok", MQLOCAL_PUT_OK, sample_put_ok},
    {"puts_ok", MQLOCAL_PUTS_OK, sample_puts_ok},
    {"get", MQLOCAL_GET, sample_get},
    {"consume", MQLOCAL_CONSUME, sample_consume},
    {"ack", MQLOCAL_ACK, sample_ack},
    {"watch", MQLOCAL_WATCH, sample_watch},
    {"ready", MQLOCAL_READY, sample_ready},
    {"position_open", MQLOCAL_POSITION_OPEN, sample_position_open},
    {"position", MQLOCAL_POSITION, sample_position},
    {"unit_position", MQLOCAL_UNIT_POSITION, sample_unit_position},
    {"stream_open", MQLOCAL_STREAM_OPEN, sample_stream_open},
    {"stream_ok", MQLOCAL_STREAM_OK, sample_stream_ok},
    {"stream_ok_bound_acked", MQLOCAL_STREAM_OK, sample_stream_ok_bound_acked},
    {"stream_bind", MQLOCAL_STREAM_BIND, sample_stream_bind},
    {"stream_ack", MQLOCAL_STREAM_ACK, sample_stream_ack},
    {"stream_credit", MQLOCAL_STREAM_CREDIT, sample_stream_credit},
    {"stream_limit", MQLOCAL_STREAM_LIMIT, sample_stream_limit},
    {"stream_remove", MQLOCAL_STREAM_REMOVE, sample_stream_remove},
    {"put", MQLOCAL_PUT, sample_put},
    {"put_in_pieces", MQLOCAL_PUT, sample_put_in_pieces},
    {"message", MQLOCAL_MESSAGE, sample_message},
    {"message_in_pieces", MQLOCAL_MESSAGE, sample_message_in_pieces},
    {"piece", MQLOCAL_PIECE, sample_piece},
    {"commit", MQLOCAL_COMMIT, sample_commit},
    {"backout", MQLOCAL_BACKOUT, sample_backout},
    {"ping", MQLOCAL_PING, sample_ping},
    {"cancel_get", MQLOCAL_CANCEL_GET, sample_cancel_get},
};
const size_t n_local_samples = MQ_ARRAY_LEN(local_samples);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chan.c - proto/chan.c: every frame to bytes and back; the bytes of
 * tests/data/golden/chan, which never change; and what decoders refuse.
 * MQ_GOLDEN_WRITE=1 writes golden files that do not exist yet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "proto/chan.h"

static const struct mqchan_hello hello = {
    .version_min = 1,
    .version_max = 1,
    .features = 0,
    .role = MQCHAN_ROLE_SENDER,
    .channel = "QM1.TO.QM2",
    .qmgr = "QM1",
    .qmid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .heartbeat_ms = 5000,
    .batch_size = 50,
    .max_msg_len = 4194304,
};

static const struct mqchan_stream stream = {
    .stream = {0xaa, 0xbb},
    .n_incarnations = 2,
    .incarnations = {{{0x11}, 1}, {{0x22}, 0x10000000001}},
};

static const struct mqchan_resume resume = {
    .position = 0x10000000007, .incarnation = {0x22}};

static const struct mqchan_error error = {.reason = MQI_E_NOT_CURRENT,
    .sender_position = 7,
    .receiver_position = 9,
    .text = "both sides"};

static const struct mqchan_msg msg = {.number = 8,
    .previous = 7,
    .body_crc = 0xc9943ae5,
    .body_len = 4,
    .desc = "descriptor",
    .desc_len = 10,
    .body = "body"};

static const struct mqchan_msg large = {.number = 9,
    .previous = 8,
    .body_crc = 1,
    .body_len = 100000,
    .desc = "descriptor",
    .desc_len = 10};

static const struct mqchan_options options = {.n = 3,
    .all = {{.number = MQCHAN_OPTION_PURPOSE, .len = 1, .data = "\1"},
	{.number = MQCHAN_OPTION_PRODUCT, .len = 6, .data = "Sluice"},
	{.number = 60000, .len = 0, .data = ""}}};

static const struct mqchan_packed packed = {.algorithm = 3,
    .raw_len = 20,
    .data = "\xf0\x05tttttttttttttttttttt",
    .len = 22};

typedef void (*encode_fn)(struct mqbuf *b);

#define ENCODE(name, var)                         \
	static void encode_##var(struct mqbuf *b) \
	{                                         \
		mqchan_encode_##name(b, &var);    \
	}
ENCODE(hello, hello)
ENCODE(stream, stream)
ENCODE(resume, resume)
ENCODE(error, error)
ENCODE(msg, msg)
ENCODE(msg, large)
ENCODE(packed, packed)
ENCODE(options, options)

static void
encode_piece(struct mqbuf *b)
{
	mqchan_encode_piece(
	    b, &(struct mqchan_piece){.data = "piece", .len = 5});
}

static void
encode_ack(struct mqbuf *b)
{
	mqchan_encode_ack(b, &(struct mqchan_ack){.number = 8});
}

static void
encode_close(struct mqbuf *b)
{
	mqchan_encode_close(b, &(struct mqchan_close){.reason = 0});
}

static void
encode_heartbeat(struct mqbuf *b)
{
	mqchan_encode_empty(b, MQCHAN_HEARTBEAT);
}

static void
encode_heartbeat_ack(struct mqbuf *b)
{
	mqchan_encode_empty(b, MQCHAN_HEARTBEAT_ACK);
}

static const struct {
	const char *name;
	encode_fn encode;
} frames[] = {
    {"hello", encode_hello},
    {"stream", encode_stream},
    {"resume", encode_resume},
    {"msg", encode_msg},
    {"msg_large", encode_large},
    {"piece", encode_piece},
    {"ack", encode_ack},
    {"heartbeat", encode_heartbeat},
    {"heartbeat_ack", encode_heartbeat_ack},
    {"error", encode_error},
    {"close", encode_close},
    {"packed", encode_packed},
    {"options", encode_options},
};

static enum mqi_err
decode(const struct mqframe *f)
{
	struct mqchan_stream st;
	struct mqchan_hello h;
	struct mqchan_resume r;
	struct mqchan_msg m;
	struct mqchan_piece p;
	struct mqchan_ack a;
	struct mqchan_error e;
	struct mqchan_close c;
	struct mqchan_packed pk;
	struct mqchan_options o;

	switch (f->type) {
	case MQCHAN_HELLO:
		return mqchan_decode_hello(f, &h);
	case MQCHAN_STREAM:
		return mqchan_decode_stream(f, &st);
	case MQCHAN_RESUME:
		return mqchan_decode_resume(f, &r);
	case MQCHAN_MSG:
		return mqchan_decode_msg(f, &m);
	case MQCHAN_PIECE:
		return mqchan_decode_piece(f, &p);
	case MQCHAN_ACK:
		return mqchan_decode_ack(f, &a);
	case MQCHAN_ERROR:
		return mqchan_decode_error(f, &e);
	case MQCHAN_CLOSE:
		return mqchan_decode_close(f, &c);
	case MQCHAN_PACKED:
		return mqchan_decode_packed(f, &pk);
	case MQCHAN_OPTIONS:
		return mqchan_decode_options(f, &o);
	default:
		return mqchan_decode_empty(f);
	}
}

static struct mqframe
parse(const struct mqbuf *b)
{
	struct mqframe f;
	size_t used;

	assert_int_equal(b->err, MQI_OK);
	assert_int_equal(mqframe_parse(b->data, b->len, &f, &used), MQFRAME_OK);
	assert_int_equal(used, b->len);
	return f;
}

static void
golden_path(const char *name, char *path, size_t cap)
{
	(void)snprintf(path, cap, "%s/tests/data/golden/chan/%s.bin",
	    getenv("MQ_SRC") != NULL ? getenv("MQ_SRC") : ".", name);
}

static void
test_frames_are_the_golden_bytes(void **state)
{
	uint8_t want[1024];
	char path[4096];

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(frames); i++) {
		struct mqbuf b;
		size_t len;
		FILE *f;

		mqbuf_init(&b, 4096);
		frames[i].encode(&b);
		golden_path(frames[i].name, path, sizeof(path));
		if (getenv("MQ_GOLDEN_WRITE") != NULL &&
		    (f = fopen(path, "wxb")) != NULL) {
			assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
			assert_int_equal(fclose(f), 0);
		}
		f = fopen(path, "rb");
		if (f == NULL)
			fail_msg("%s is missing", path);
		len = fread(want, 1, sizeof(want), f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(len, b.len);
		assert_memory_equal(want, b.data, len);
		mqbuf_fini(&b);
	}
}

static void
test_frames_come_back(void **state)
{
	struct mqchan_stream st;
	struct mqchan_hello h;
	struct mqchan_resume r;
	struct mqchan_msg m;
	struct mqchan_error e;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqchan_encode_hello(&b, &hello);
	f = parse(&b);
	memset(&h, 0, sizeof(h));
	assert_int_equal(mqchan_decode_hello(&f, &h), MQI_OK);
	assert_string_equal(h.channel, "QM1.TO.QM2");
	assert_memory_equal(h.qmid, hello.qmid, 16);
	assert_int_equal(h.max_msg_len, 4194304);
	mqbuf_reset(&b);
	mqchan_encode_stream(&b, &stream);
	f = parse(&b);
	assert_int_equal(mqchan_decode_stream(&f, &st), MQI_OK);
	assert_int_equal(st.n_incarnations, 2);
	assert_int_equal(st.incarnations[1].first, 0x10000000001);
	mqbuf_reset(&b);
	mqchan_encode_resume(&b, &resume);
	f = parse(&b);
	assert_int_equal(mqchan_decode_resume(&f, &r), MQI_OK);
	assert_memory_equal(&r, &resume, sizeof(r));
	mqbuf_reset(&b);
	mqchan_encode_msg(&b, &msg);
	f = parse(&b);
	assert_int_equal(mqchan_decode_msg(&f, &m), MQI_OK);
	assert_int_equal(m.number, 8);
	assert_memory_equal(m.desc, "descriptor", 10);
	assert_memory_equal(m.body, "body", 4);
	mqbuf_reset(&b);
	mqchan_encode_msg(&b, &large);
	f = parse(&b);
	assert_int_equal(mqchan_decode_msg(&f, &m), MQI_OK);
	assert_null(m.body);
	assert_int_equal(m.body_len, 100000);
	mqbuf_reset(&b);
	mqchan_encode_error(&b, &error);
	f = parse(&b);
	assert_int_equal(mqchan_decode_error(&f, &e), MQI_OK);
	assert_string_equal(e.text, "both sides");
	assert_int_equal(e.receiver_position, 9);
	mqbuf_fini(&b);
}

/* Every prefix of a payload, and every payload with a byte more, is refused
 * (a PIECE and what is PACKED are any bytes, so they stand apart). */
static void
test_wrong_lengths_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(frames); i++) {
		struct mqframe f;
		struct mqbuf b;
		uint32_t len;

		mqbuf_init(&b, 4096);
		frames[i].encode(&b);
		mqbuf_put_zeros(&b, 1);
		f.type = (uint16_t)(b.data[4] | b.data[5] << 8);
		f.flags = 0;
		f.id = 0;
		f.payload = b.data + MQFRAME_HEADER;
		len = (uint32_t)b.len - MQFRAME_HEADER - 1;
		for (f.payload_len = 0; f.payload_len <= len + 1;
		     f.payload_len++) {
			enum mqi_err want =
			    f.payload_len == len ? MQI_OK : MQI_E_PROTOCOL;

			if (f.type != MQCHAN_PIECE && f.type != MQCHAN_PACKED)
				assert_int_equal(decode(&f), want);
		}
		f.payload_len = len;
		f.flags = 1;
		assert_int_equal(decode(&f), MQI_E_PROTOCOL);
		f.flags = 0;
		f.id = 1;
		assert_int_equal(decode(&f), MQI_E_PROTOCOL);
		mqbuf_fini(&b);
	}
}

static void
test_options_out_of_order_or_too_many_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t len;
		enum mqi_err want;
	} rows[] = {
	    {"\0\0", 2, MQI_OK},
	    {"\1\0\1\0\0\0", 6, MQI_OK},
	    {"\1\0\0\0\0\0", 6, MQI_E_PROTOCOL}, /* no number is 0 */
	    {"\2\0\1\0\0\0\1\0\0\0", 10, MQI_E_PROTOCOL},
	    {"\2\0\2\0\0\0\1\0\0\0", 10, MQI_E_PROTOCOL},
	    {"\2\0\1\0\0\0\2\0\0\0", 10, MQI_OK},
	    {"\101\0", 2, MQI_E_PROTOCOL},
	    {"\1\0\1\0\1\2", 6, MQI_E_PROTOCOL},
	};
	struct mqframe f = {.type = MQCHAN_OPTIONS};
	struct mqchan_options o;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		f.payload = (const uint8_t *)rows[i].bytes;
		f.payload_len = rows[i].len;
		assert_int_equal(mqchan_decode_options(&f, &o), rows[i].want);
	}
}

static void
test_hello_with_a_wrong_value_is_refused(void **state)
{
	struct mqchan_hello h;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	mqchan_encode_hello(&b, &hello);
	b.data[MQFRAME_HEADER] ^= 1; /* magic */
	f = parse(&b);
	assert_int_equal(mqchan_decode_hello(&f, &h), MQI_E_PROTOCOL);
	b.data[MQFRAME_HEADER] ^= 1;
	b.data[MQFRAME_HEADER + 16] = 3; /* role */
	assert_int_equal(mqchan_decode_hello(&f, &h), MQI_E_PROTOCOL);
	b.data[MQFRAME_HEADER + 16] = 1;
	b.data[MQFRAME_HEADER + 4] = 2; /* version_min > version_max */
	assert_int_equal(mqchan_decode_hello(&f, &h), MQI_E_PROTOCOL);
	b.data[MQFRAME_HEADER + 6] = 9; /* a later version: versions only */
	assert_int_equal(mqchan_decode_hello(&f, &h), MQI_OK);
	assert_int_equal(h.version_min, 2);
	assert_int_equal(h.version_max, 9);
	assert_int_equal(h.role, 0);
	mqbuf_fini(&b);
}

static void
test_msg_with_a_wrong_value_is_refused(void **state)
{
	struct mqchan_msg m, v = large;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	v.body_len = MQI_MAX_BODY + 1;
	mqchan_encode_msg(&b, &v);
	f = parse(&b);
	assert_int_equal(mqchan_decode_msg(&f, &m), MQI_E_PROTOCOL);
	mqbuf_reset(&b);
	mqchan_encode_msg(&b, &msg);
	f = parse(&b);
	b.data[MQFRAME_HEADER] = 7; /* number == previous */
	assert_int_equal(mqchan_decode_msg(&f, &m), MQI_E_PROTOCOL);
	mqbuf_fini(&b);
}

static void
test_stream_out_of_order_is_refused(void **state)
{
	struct mqchan_stream v = stream, w;
	struct mqframe f;
	struct mqbuf b;

	(void)state;
	mqbuf_init(&b, 4096);
	v.incarnations[0].first = v.incarnations[1].first + 1;
	mqchan_encode_stream(&b, &v);
	f = parse(&b);
	assert_int_equal(mqchan_decode_stream(&f, &w), MQI_E_PROTOCOL);
	b.data[MQFRAME_HEADER + 16] = 65; /* count */
	assert_int_equal(mqchan_decode_stream(&f, &w), MQI_E_PROTOCOL);
	b.data[MQFRAME_HEADER + 16] = 0;
	assert_int_equal(mqchan_decode_stream(&f, &w), MQI_E_PROTOCOL);
	mqbuf_fini(&b);
}

/* Random damage is refused or decodes to something in range; never worse. */
static void
test_damaged_frames_never_do_worse(void **state)
{
	const char *env = getenv("MQ_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 1;

	(void)state;
	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned n = 0; n < 20000; n++) {
		size_t i = mqrand_next(&seed) % MQ_ARRAY_LEN(frames);
		struct mqframe f;
		struct mqbuf b;
		size_t used;

		mqbuf_init(&b, 4096);
		frames[i].encode(&b);
		for (unsigned k = 0; k < 1 + n % 3; k++)
			b.data[4 + mqrand_next(&seed) % (b.len - 4)] =
			    (uint8_t)mqrand_next(&seed);
		if (mqframe_parse(b.data, b.len, &f, &used) == MQFRAME_OK)
			(void)decode(&f);
		mqbuf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames_are_the_golden_bytes),
	    cmocka_unit_test(test_frames_come_back),
	    cmocka_unit_test(test_wrong_lengths_are_refused),
	    cmocka_unit_test(test_options_out_of_order_or_too_many_are_refused),
	    cmocka_unit_test(test_hello_with_a_wrong_value_is_refused),
	    cmocka_unit_test(test_msg_with_a_wrong_value_is_refused),
	    cmocka_unit_test(test_stream_out_of_order_is_refused),
	    cmocka_unit_test(test_damaged_frames_never_do_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_local.c - proto/local*.c: each frame to bytes and back, against golden
 * files, and the refusal of everything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/desc.h"
#include "tests/lib/golden.h"
#include "tests/unit/proto/local_samples.h"
#include "tests/unit/proto/recode.h"

struct fixture {
	struct mqbuf buf;
	struct mqbuf again;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	mqbuf_init(&f->buf, 1 << 20);
	mqbuf_init(&f->again, 1 << 20);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	mqbuf_fini(&f->buf);
	mqbuf_fini(&f->again);
	free(f);
	return 0;
}

static struct mqframe
parse(const void *data, size_t len)
{
	struct mqframe f;
	size_t used;

	assert_int_equal(mqframe_parse(data, len, &f, &used), MQFRAME_OK);
	assert_int_equal(used, len);
	return f;
}

/* The sample's frame, parsed where it stands in f->buf. */
static struct mqframe
encoded(struct fixture *f, const struct local_sample *s)
{
	mqbuf_reset(&f->buf);
	s->encode(&f->buf);
	assert_int_equal(f->buf.err, MQI_OK);
	return parse(f->buf.data, f->buf.len);
}

static const struct local_sample *
sample(const char *name)
{
	for (size_t i = 0; i < n_local_samples; i++) {
		if (strcmp(local_samples[i].name, name) == 0)
			return &local_samples[i];
	}
	fail_msg("no sample %s", name);
	return NULL;
}

static void
test_encode_gives_golden_bytes_which_come_back(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < n_local_samples; i++) {
		const struct local_sample *s = &local_samples[i];
		struct mqframe frame = encoded(f, s);
		uint8_t *golden;
		size_t len;

		print_message("%s\n", s->name);
		assert_int_equal(frame.type, s->type);
		golden_check("local", s->name, f->buf.data, f->buf.len);
		len = golden_read("local", s->name, &golden);
		frame = parse(golden, len);
		mqbuf_reset(&f->again);
		assert_int_equal(recode_frame(&frame, &f->again), MQI_OK);
		assert_int_equal(f->again.err, MQI_OK);
		assert_int_equal(f->again.len, len);
		assert_memory_equal(f->again.data, golden, len);
		free(golden);
	}
}

static bool
has_sample(uint16_t type)
{
	for (size_t i = 0; i < n_local_samples; i++) {
		if (local_samples[i].type == type)
			return true;
	}
	return false;
}

/* All but those whose payload is of proto/ctl.h. */
static void
test_every_type_has_a_sample_and_a_name(void **state)
{
	(void)state;
#define CHECK(number, name)                                                  \
	assert_string_equal(mqlocal_type_name(number), #name);               \
	if (number != MQLOCAL_COMMAND && number != MQLOCAL_COMMAND_ROW &&    \
	    number != MQLOCAL_AGENT_STATUS && number != MQLOCAL_AGENT_ORDER) \
		assert_true(has_sample(number));
	MQLOCAL_FRAME_MAP(CHECK)
#undef CHECK
	assert_string_equal(mqlocal_type_name(99), "?");
}

static void
test_decode_refuses_each_truncation(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < n_local_samples; i++) {
		struct mqframe whole = encoded(f, &local_samples[i]);

		for (uint32_t len = 0; len < whole.payload_len; len++) {
			struct mqframe cut = whole;
			/* a copy of its own, so that an over-read is seen */
			uint8_t *copy = malloc(len ? len : 1);

			/* a shorter piece is a piece too, and what was
			 * acknowledged at the bind may be left out */
			if ((whole.type == MQLOCAL_PIECE && len > 0) ||
			    (strcmp(local_samples[i].name,
				 "stream_ok_bound_acked") == 0 &&
				len + 8 == whole.payload_len)) {
				free(copy);
				continue;
			}
			memcpy(copy, whole.payload, len);
			cut.payload = copy;
			cut.payload_len = len;
			assert_int_equal(
			    recode_frame(&cut, &f->again), MQI_E_PROTOCOL);
			free(copy);
		}
	}
}

static void
test_decode_refuses_bytes_after_the_end(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < n_local_samples; i++) {
		struct mqframe frame = encoded(f, &local_samples[i]);
		uint8_t *copy = malloc(frame.payload_len + 1);

		if (frame.type == MQLOCAL_PIECE) {
			free(copy);
			continue;
		}
		memcpy(copy, frame.payload, frame.payload_len);
		copy[frame.payload_len] = 0;
		frame.payload = copy;
		frame.payload_len++;
		assert_int_equal(
		    recode_frame(&frame, &f->again), MQI_E_PROTOCOL);
		free(copy);
	}
}

static void
test_decode_refuses_unknown_flags(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < n_local_samples; i++) {
		struct mqframe frame = encoded(f, &local_samples[i]);

		frame.flags = 0x8000;
		assert_int_equal(
		    recode_frame(&frame, &f->again), MQI_E_PROTOCOL);
	}
}

#define UNTOUCHED(v)                                           \
	do {                                                   \
		const uint8_t *bytes_ = (const uint8_t *)&(v); \
                                                               \
		for (size_t i_ = 0; i_ < sizeof(v); i_++)      \
			assert_int_equal(bytes_[i_], 0x5a);    \
	} while (0)

static void
test_decode_of_another_type_fails_and_leaves_its_output(void **state)
{
	struct mqframe ping = encoded(*state, sample("ping"));
	struct mqframe hello = encoded(*state, sample("hello"));

#define CHECK(name)                                                    \
	do {                                                           \
		struct mqlocal_##name v;                               \
                                                                       \
		memset(&v, 0x5a, sizeof(v));                           \
		assert_int_equal(                                      \
		    mqlocal_decode_##name(&ping, &v), MQI_E_PROTOCOL); \
		UNTOUCHED(v);                                          \
	} while (0)
	CHECK(hello);
	CHECK(hello_ok);
	CHECK(error);
	CHECK(result);
	CHECK(open);
	CHECK(open_ok);
	CHECK(close);
	CHECK(inquire);
	CHECK(inquire_ok);
	CHECK(put);
	CHECK(put_ok);
	CHECK(puts_ok);
	CHECK(piece);
	CHECK(get);
	CHECK(message);
	CHECK(consume);
	CHECK(ack);
	CHECK(watch);
	CHECK(ready);
	CHECK(position_open);
	CHECK(position);
	CHECK(unit_position);
	CHECK(stream_open);
	CHECK(stream_ok);
	CHECK(stream_bind);
	CHECK(stream_ack);
	CHECK(stream_credit);
	CHECK(stream_limit);
	CHECK(stream_remove);
	CHECK(unit);
#undef CHECK
	assert_int_equal(mqlocal_decode_empty(&hello), MQI_E_PROTOCOL);
}

/* Changes the payload's bytes from `offset` and wants a refusal. */
static void
assert_refused_with(
    void **state, const char *name, size_t offset, const void *bytes, size_t n)
{
	struct fixture *f = *state;
	struct mqframe frame = encoded(f, sample(name));

	assert_true(offset + n <= frame.payload_len);
	memcpy(f->buf.data + MQFRAME_HEADER + offset, bytes, n);
	assert_int_equal(recode_frame(&frame, &f->again), MQI_E_PROTOCOL);
}

static void
test_decode_refuses_values_out_of_range(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		const char *bytes;
		size_t n;
	} cases[] = {
	    {"hello", 0, "X", 1},                    /* magic */
	    {"hello", 4, "\0\0", 2},                 /* version_min 0 */
	    {"hello", 4, "\2", 1},                   /* min > max */
	    {"hello", 18, "\0", 1},                  /* NUL in a string */
	    {"hello", 16, "\x31\0", 2},              /* string too long */
	    {"hello", 16, "\xff\xff", 2},            /* string past the end */
	    {"result", 16, "\xff\xff", 2},           /* text too long */
	    {"result", 16, "\1\0", 2},               /* text is longer */
	    {"result", 18, "\0", 1},                 /* NUL in the text */
	    {"watch", 4, "\2", 1},                   /* not 0 or 1 */
	    {"ready", 4, "\xff", 1},                 /* not 0 or 1 */
	    {"put", 12, "\1\0\x40\x06", 4},          /* 100 MB and 1 */
	    {"put", 12, "\3\0\0\0", 4},              /* body is longer */
	    {"put", 12, "\5\0\0\0", 4},              /* body is shorter */
	    {"put", 16, "\0\0\0\0", 4},              /* no descriptor */
	    {"put", 16, "\1\x80\0\0", 4},            /* descriptor too long */
	    {"put", 16, "\xff\xff\xff\xff", 4},      /* much too long */
	    {"put_in_pieces", 12, "\1\0\0\0", 4},    /* should be inline */
	    {"put_ok", 24, "\xa", 1},                /* priority 10 */
	    {"put_ok", 24, "\xff", 1},               /* priority -1 */
	    {"put_ok", 25, "\2", 1},                 /* persistence 2 */
	    {"message", 32, "\x2f\0\0\0", 4},        /* sent > body */
	    {"message", 32, "\2\0\0\0", 4},          /* body is longer */
	    {"message", 28, "\xff\xff\xff\xff", 4},  /* too long */
	    {"message", 40, "\0\0\0\0", 4},          /* no descriptor */
	    {"message_in_pieces", 32, "\0\0\2\0", 4} /* sent > body */
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++)
		assert_refused_with(state, cases[i].name, cases[i].offset,
		    cases[i].bytes, cases[i].n);
}

static void
test_decode_takes_values_at_their_limits(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_put put = {
	    .body_len = MQI_MAX_BODY, .desc = "d", .desc_len = 1};
	struct mqlocal_message message = {.body_len = MQI_MAX_BODY,
	    .sent_len = MQI_MAX_BODY,
	    .desc = "d",
	    .desc_len = 1};
	struct mqlocal_put_ok ok = {.priority = MQI_MAX_PRIORITY};
	struct mqframe frame;

	mqlocal_encode_put(&f->buf, 1, &put);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_put(&frame, &put), MQI_OK);
	mqbuf_reset(&f->buf);
	mqlocal_encode_message(&f->buf, 1, &message);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_message(&frame, &message), MQI_OK);
	mqbuf_reset(&f->buf);
	mqlocal_encode_put_ok(&f->buf, 1, &ok);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_put_ok(&frame, &ok), MQI_OK);
}

static void
test_decode_stream_ok_refuses_too_many_incarnations(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_stream_ok v = {
	    .handle = 1, .n_incarnations = MQLOCAL_MAX_INCARNATIONS};
	struct mqframe frame;
	size_t count_at = 4 + 16 + 8 + 8 + 16 + 2;

	mqlocal_encode_stream_ok(&f->buf, 1, &v);
	mqbuf_put_zeros(&f->buf, 24);
	mqbuf_patch_u32(
	    &f->buf, 0, (uint32_t)(f->buf.len - MQFRAME_HEADER - 24));
	frame = parse(f->buf.data, f->buf.len - 24);
	assert_int_equal(recode_frame(&frame, &f->again), MQI_OK);
	mqbuf_patch_u32(&f->buf, 0, (uint32_t)(f->buf.len - MQFRAME_HEADER));
	mqbuf_patch_u32(
	    &f->buf, MQFRAME_HEADER + count_at, MQLOCAL_MAX_INCARNATIONS + 1);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(recode_frame(&frame, &f->again), MQI_E_PROTOCOL);
}

/* A later version may add to the end of its HELLO; versions must be agreed on
 * before anything else. */
static void
test_decode_hello_of_a_later_version_ignores_what_it_adds(void **state)
{
	struct fixture *f = *state;
	struct mqframe frame = encoded(f, sample("hello"));
	struct mqlocal_hello v;

	mqbuf_put(&f->buf, "more", 4);
	mqbuf_patch_u32(&f->buf, 0, frame.payload_len + 4);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_hello(&frame, &v), MQI_E_PROTOCOL);
	mqbuf_set_u16(f->buf.data + MQFRAME_HEADER + 6, MQLOCAL_VERSION + 1);
	assert_int_equal(mqlocal_decode_hello(&frame, &v), MQI_OK);
	assert_int_equal(v.version_max, MQLOCAL_VERSION + 1);
	assert_string_equal(v.channel, "TO.QM2");
}

/* Whatever the lengths, what is encoded is decoded. */
static void
test_put_body_is_inline_up_to_a_piece(void **state)
{
	static uint8_t bytes[MQFRAME_PIECE];
	struct fixture *f = *state;

	for (uint32_t sum = MQFRAME_PIECE - 1; sum <= MQFRAME_PIECE + 1;
	     sum++) {
		struct mqlocal_put v = {.handle = 1,
		    .desc = bytes,
		    .desc_len = MQDESC_MAX,
		    .body_len = sum - MQDESC_MAX};
		bool is_inline = sum <= MQFRAME_PIECE;
		struct mqframe frame;
		struct mqlocal_put w;

		assert_int_equal(
		    mqlocal_is_inline(v.desc_len, v.body_len), is_inline);
		mqbuf_reset(&f->buf);
		mqlocal_encode_put(&f->buf, 1, &v);
		if (is_inline)
			mqbuf_put(&f->buf, bytes, v.body_len);
		frame = parse(f->buf.data, f->buf.len);
		assert_int_equal(mqlocal_decode_put(&frame, &w), MQI_OK);
		assert_int_equal(w.body != NULL, is_inline);
		assert_int_equal(w.body_len, v.body_len);
		assert_int_equal(w.desc_len, v.desc_len);
	}
	assert_false(mqlocal_is_inline(UINT32_MAX, UINT32_MAX));
}

static void
test_an_empty_body_is_inline(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_put v = {.handle = 1, .desc = "d", .desc_len = 1};
	struct mqframe frame;
	struct mqlocal_put w;

	mqlocal_encode_put(&f->buf, 1, &v);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_put(&frame, &w), MQI_OK);
	assert_non_null(w.body);
	assert_int_equal(w.body_len, 0);
}

static void
test_decode_piece_refuses_nothing_and_too_much(void **state)
{
	static uint8_t bytes[MQFRAME_PIECE + 1];
	struct mqframe f = {.type = MQLOCAL_PIECE, .payload = bytes};
	struct mqlocal_piece v;

	(void)state;
	assert_int_equal(mqlocal_decode_piece(&f, &v), MQI_E_PROTOCOL);
	f.payload_len = MQFRAME_PIECE + 1;
	assert_int_equal(mqlocal_decode_piece(&f, &v), MQI_E_PROTOCOL);
	f.payload_len = MQFRAME_PIECE;
	assert_int_equal(mqlocal_decode_piece(&f, &v), MQI_OK);
	assert_int_equal(v.len, MQFRAME_PIECE);
}

static void
test_puts_ok_holds_one_to_its_maximum_of_ids(void **state)
{
	static const uint8_t ids[(MQLOCAL_PUTS_OK_MAX + 1) * 4];
	struct mqframe f = {.type = MQLOCAL_PUTS_OK, .payload = ids};
	struct mqlocal_puts_ok v;

	(void)state;
	assert_int_equal(mqlocal_decode_puts_ok(&f, &v), MQI_E_PROTOCOL);
	for (f.payload_len = 4; f.payload_len <= sizeof(ids) - 4;
	     f.payload_len += 4) {
		assert_int_equal(mqlocal_decode_puts_ok(&f, &v), MQI_OK);
		assert_int_equal(v.n, f.payload_len / 4);
		assert_ptr_equal(v.ids, ids);
	}
	assert_int_equal(mqlocal_decode_puts_ok(&f, &v), MQI_E_PROTOCOL);
}

/* Strings at their full length have room for their NUL. */
static void
test_strings_of_full_length_come_back(void **state)
{
	struct fixture *f = *state;
	struct mqlocal_result v = {.reason = 1};
	struct mqlocal_result w;
	struct mqframe frame;

	memset(v.text, 't', sizeof(v.text) - 1);
	mqlocal_encode_result(&f->buf, 1, &v);
	frame = parse(f->buf.data, f->buf.len);
	assert_int_equal(mqlocal_decode_result(&frame, &w), MQI_OK);
	assert_string_equal(w.text, v.text);
}

/* An encoder that meets a full buffer leaves its err, and no half frame
 * counts. */
static void
test_encode_into_a_full_buffer_sets_err(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < n_local_samples; i++) {
		size_t whole;

		(void)encoded(f, &local_samples[i]);
		whole = f->buf.len;
		for (size_t max = 1; max < whole; max++) {
			struct mqbuf b;

			mqbuf_init(&b, max);
			local_samples[i].encode(&b);
			assert_int_equal(b.err, MQI_E_TOO_BIG);
			mqbuf_fini(&b);
		}
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_encode_gives_golden_bytes_which_come_back),
	    TEST(test_every_type_has_a_sample_and_a_name),
	    TEST(test_decode_refuses_each_truncation),
	    TEST(test_decode_refuses_bytes_after_the_end),
	    TEST(test_decode_refuses_unknown_flags),
	    TEST(test_decode_of_another_type_fails_and_leaves_its_output),
	    TEST(test_decode_refuses_values_out_of_range),
	    TEST(test_decode_takes_values_at_their_limits),
	    TEST(test_decode_stream_ok_refuses_too_many_incarnations),
	    TEST(test_decode_hello_of_a_later_version_ignores_what_it_adds),
	    TEST(test_put_body_is_inline_up_to_a_piece),
	    TEST(test_an_empty_body_is_inline),
	    TEST(test_decode_piece_refuses_nothing_and_too_much),
	    TEST(test_puts_ok_holds_one_to_its_maximum_of_ids),
	    TEST(test_strings_of_full_length_come_back),
	    TEST(test_encode_into_a_full_buffer_sets_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

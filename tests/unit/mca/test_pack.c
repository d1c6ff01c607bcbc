/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pack.c - mca/pack.c: what is packed comes out as it was, is shorter or
 * left as it is, and nothing comes out beyond what was promised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "mca/pack.h"

static const enum mqcompress all[] = {
    MQCOMPRESS_ZLIBFAST, MQCOMPRESS_ZLIBHIGH, MQCOMPRESS_LZ4FAST};

/* n PIECE frames of text, or of noise. */
static void
add_frames(struct mqbuf *b, unsigned n, uint32_t len, bool noise)
{
	static uint8_t data[MQFRAME_PIECE];
	uint64_t seed = 7;

	for (uint32_t i = 0; i < len; i++)
		data[i] =
		    noise ? (uint8_t)mqrand_next(&seed)
			  : (uint8_t)((uint32_t) "message "[i % 8] + i / 500);
	for (unsigned i = 0; i < n; i++)
		mqchan_encode_piece(
		    b, &(struct mqchan_piece){.data = data, .len = len});
}

/* Opens what is PACKED, copies what is not. */
static enum mqi_err
unpack(struct pack *p, const struct mqbuf *in, struct mqbuf *out)
{
	size_t at = 0, used;
	struct mqframe f;

	while (at < in->len) {
		const uint8_t *raw;
		struct mqchan_packed v;

		assert_int_equal(
		    mqframe_parse(in->data + at, in->len - at, &f, &used),
		    MQFRAME_OK);
		if (f.type == MQCHAN_PACKED) {
			enum mqi_err err = mqchan_decode_packed(&f, &v);

			if (err == MQI_OK)
				err = pack_open(p, &v, &raw);
			if (err != MQI_OK)
				return err;
			mqbuf_put(out, raw, v.raw_len);
		} else {
			mqbuf_put(out, in->data + at, used);
		}
		at += used;
	}
	return MQI_OK;
}

static void
round_trip(enum mqcompress how, unsigned n, uint32_t len, bool noise)
{
	struct pack *a = pack_new(how), *b = pack_new(how);
	struct mqbuf frames, packed, out;

	mqbuf_init(&frames, 64u << 20);
	mqbuf_init(&packed, 64u << 20);
	mqbuf_init(&out, 64u << 20);
	for (unsigned twice = 0; twice < 2; twice++) {
		mqbuf_reset(&frames);
		mqbuf_reset(&packed);
		mqbuf_reset(&out);
		add_frames(&frames, n, len, noise);
		assert_int_equal(
		    pack_frames(a, frames.data, frames.len, &packed), MQI_OK);
		assert_true(packed.len <= frames.len);
		if (!noise && frames.len > 1000)
			assert_true(packed.len < frames.len / 2);
		assert_int_equal(unpack(b, &packed, &out), MQI_OK);
		assert_int_equal(out.len, frames.len);
		assert_memory_equal(out.data, frames.data, out.len);
	}
	mqbuf_fini(&frames);
	mqbuf_fini(&packed);
	mqbuf_fini(&out);
	pack_free(a);
	pack_free(b);
}

static void
test_frames_come_out_as_they_were(void **state)
{
	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		round_trip(all[i], 1, 1, false);
		round_trip(all[i], 300, 1000, false);
		round_trip(all[i], 300, 1000, true);
		round_trip(all[i], 20, MQFRAME_PIECE, false);
		round_trip(all[i], 9, MQFRAME_PIECE, true);
	}
}

/* Any byte changed: it is refused, or what comes out has the length that was
 * promised (the body's own CRC judges it then). */
static void
test_damage_is_refused_or_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		struct pack *p = pack_new(all[i]);
		struct mqbuf frames, packed, out;
		unsigned refused = 0;

		mqbuf_init(&frames, 1u << 20);
		mqbuf_init(&packed, 1u << 20);
		mqbuf_init(&out, 1u << 20);
		add_frames(&frames, 3, 700, false);
		assert_int_equal(
		    pack_frames(p, frames.data, frames.len, &packed), MQI_OK);
		for (size_t at = MQFRAME_HEADER; at < packed.len; at++) {
			packed.data[at] ^= 0x55;
			mqbuf_reset(&out);
			if (unpack(p, &packed, &out) != MQI_OK)
				refused++;
			else
				assert_int_equal(out.len, frames.len);
			packed.data[at] ^= 0x55;
		}
		assert_true(refused > 5);
		mqbuf_fini(&frames);
		mqbuf_fini(&packed);
		mqbuf_fini(&out);
		pack_free(p);
	}
}

static void
test_what_expands_to_another_length_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(all); i++) {
		struct pack *p = pack_new(all[i]);
		struct mqbuf frames, packed;
		struct mqchan_packed v;
		const uint8_t *raw;
		struct mqframe f;
		size_t used;

		mqbuf_init(&frames, 1u << 20);
		mqbuf_init(&packed, 1u << 20);
		add_frames(&frames, 100, 2000, false);
		assert_int_equal(
		    pack_frames(p, frames.data, frames.len, &packed), MQI_OK);
		assert_int_equal(
		    mqframe_parse(packed.data, packed.len, &f, &used),
		    MQFRAME_OK);
		assert_int_equal(mqchan_decode_packed(&f, &v), MQI_OK);
		assert_int_equal(pack_open(p, &v, &raw), MQI_OK);
		v.raw_len--; /* a bomb: more than it says */
		assert_int_equal(pack_open(p, &v, &raw), MQI_E_PROTOCOL);
		v.raw_len += 2;
		assert_int_equal(pack_open(p, &v, &raw), MQI_E_PROTOCOL);
		v.raw_len--;
		v.algorithm =
		    v.algorithm == 1 ? 2 : 1; /* not what was agreed */
		assert_int_equal(pack_open(p, &v, &raw), MQI_E_PROTOCOL);
		mqbuf_fini(&frames);
		mqbuf_fini(&packed);
		pack_free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames_come_out_as_they_were),
	    cmocka_unit_test(test_damage_is_refused_or_harmless),
	    cmocka_unit_test(test_what_expands_to_another_length_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pack.c - mca/pack.c on any bytes: the first one chooses the way, the
 * rest is a PACKED frame's payload; then the same bytes are packed and opened.
 *
 * Promises: nothing comes out beyond the length that the frame names; what is
 * packed comes out as it was.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "mca/pack.h"

static void
open_any(struct pack *p, const uint8_t *data, size_t size)
{
	const struct mqframe f = {.type = MQCHAN_PACKED,
	    .payload = data,
	    .payload_len = (uint32_t)size};
	struct mqchan_packed v;
	const uint8_t *raw;
	uint8_t last;

	if (mqchan_decode_packed(&f, &v) != MQI_OK)
		return;
	MQ_INVARIANT(v.raw_len <= MQCHAN_MAX_RAW);
	v.algorithm = (uint8_t)pack_how(p);
	if (pack_open(p, &v, &raw) == MQI_OK)
		memcpy(&last, raw + v.raw_len - 1, 1); /* all of it is there */
}

static void
there_and_back(struct pack *p, const uint8_t *data, size_t size)
{
	struct mqbuf frames, packed;
	struct mqframe f;
	size_t used;

	mqbuf_init(&frames, MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD);
	mqbuf_init(&packed, MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD);
	mqchan_encode_piece(&frames,
	    &(struct mqchan_piece){.data = data, .len = (uint32_t)size});
	MQ_INVARIANT(
	    pack_frames(p, frames.data, frames.len, &packed) == MQI_OK);
	MQ_INVARIANT(packed.len <= frames.len);
	MQ_INVARIANT(
	    mqframe_parse(packed.data, packed.len, &f, &used) == MQFRAME_OK &&
	    used == packed.len);
	if (f.type == MQCHAN_PACKED) {
		struct mqchan_packed v;
		const uint8_t *raw;

		MQ_INVARIANT(mqchan_decode_packed(&f, &v) == MQI_OK);
		MQ_INVARIANT(pack_open(p, &v, &raw) == MQI_OK);
		MQ_INVARIANT(v.raw_len == frames.len);
		MQ_INVARIANT(memcmp(raw, frames.data, frames.len) == 0);
	}
	mqbuf_fini(&frames);
	mqbuf_fini(&packed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack *p;

	if (size < 2 || size > MQFRAME_PIECE)
		return 0;
	p = pack_new((enum mqcompress)(1 + data[0] % 3));
	MQ_INVARIANT(p != NULL);
	open_any(p, data + 1, size - 1);
	there_and_back(p, data + 1, size - 1);
	pack_free(p);
	return 0;
}

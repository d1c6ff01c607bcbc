/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_frame.c - proto/frame.c on a stream of any bytes, arriving in pieces.
 *
 * Promises: a frame lies within what was given; whether it is whole depends on
 * nothing behind it; made again from its parts it has the same bytes.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "proto/frame.h"

static void
check_frame(const uint8_t *data, const struct mqframe *f, size_t used)
{
	struct mqframe again;
	struct mqbuf b;
	size_t start, used_again;

	MQ_INVARIANT(used == MQFRAME_HEADER + f->payload_len);
	MQ_INVARIANT(f->payload == data + MQFRAME_HEADER);
	MQ_INVARIANT(
	    mqframe_parse(data, used - 1, &again, &used_again) == MQFRAME_MORE);
	mqbuf_init(&b, MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD);
	start = mqframe_begin(&b, f->type, f->flags, f->id);
	mqbuf_put(&b, f->payload, f->payload_len);
	mqframe_end(&b, start, 0);
	MQ_INVARIANT(!b.err && b.len == used);
	MQ_INVARIANT(memcmp(b.data, data, used) == 0);
	mqbuf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pos = 0;

	for (;;) {
		struct mqframe f;
		size_t used = 0;
		enum mqframe_result r =
		    mqframe_parse(data + pos, size - pos, &f, &used);

		if (r != MQFRAME_OK)
			return 0;
		MQ_INVARIANT(used <= size - pos);
		check_frame(data + pos, &f, used);
		pos += used;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_local.c - every decoder of proto/local*.c, chosen by the type in the
 * input: a frame's header, whose length is not looked at, and payload.
 *
 * Promise: what a decoder accepts, its encoder makes again byte by byte; only
 * what a later version adds to its hellos is not kept.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "tests/unit/proto/recode.h"

#define OUT_MAX (2u * MQFRAME_MAX_PAYLOAD)

static bool
is_later_hello(const struct mqframe *f)
{
	struct mqlocal_client_hello w;
	struct mqlocal_hello v;

	return (mqlocal_decode_hello(f, &v) == MQI_OK &&
		   v.version_max > MQLOCAL_VERSION) ||
	       (mqlocal_decode_client_hello(f, &w) == MQI_OK &&
		   w.version_max > MQLOCAL_VERSION);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqframe f;
	struct mqbuf out;

	if (size < MQFRAME_HEADER ||
	    size > MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD)
		return 0;
	f = (struct mqframe){
	    .type = mqbuf_get_u16(data + 4),
	    .flags = mqbuf_get_u16(data + 6),
	    .id = mqbuf_get_u32(data + 8),
	    .payload = data + MQFRAME_HEADER,
	    .payload_len = (uint32_t)(size - MQFRAME_HEADER),
	};
	mqbuf_init(&out, OUT_MAX);
	if (recode_frame(&f, &out) == MQI_OK && !is_later_hello(&f)) {
		MQ_INVARIANT(!out.err && out.len == size);
		MQ_INVARIANT(mqbuf_get_u32(out.data) == f.payload_len);
		MQ_INVARIANT(memcmp(out.data + 4, data + 4, size - 4) == 0);
	}
	mqbuf_fini(&out);
	return 0;
}

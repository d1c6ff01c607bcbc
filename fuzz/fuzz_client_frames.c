/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_client_frames.c - what a remote client sends, before its agent lets it
 * through to the queue manager.
 *
 * Promises: what passes is the stream, frame by frame, without BEATs; each
 * frame of it is one that a client may send; how the bytes were cut on their
 * way changes nothing.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "mca/client_frames.h"

#define MAX_MSG 100000u

/* Feeds data in steps of at most `step` more bytes; what passed is in out. */
static bool
run(const uint8_t *data, size_t size, size_t step, struct mqbuf *out)
{
	struct client_flow f = {.left = 0};
	size_t pos = 0, have = 0, n = 0;
	enum mqi_err reason;
	char why[128];

	for (;;) {
		switch (client_frames_up(
		    &f, data + pos, have - pos, MAX_MSG, &n, &reason, why)) {
		case CLIENT_STEP_MORE:
			MQ_INVARIANT(have - pos < CLIENT_FRAMES_HEAD);
			if (have == size)
				return true;
			have = size - have < step ? size : have + step;
			break;
		case CLIENT_STEP_PASS:
			MQ_INVARIANT(n > 0 && n <= have - pos);
			mqbuf_put(out, data + pos, n);
			pos += n;
			break;
		case CLIENT_STEP_BEAT:
			MQ_INVARIANT(n == MQFRAME_HEADER);
			pos += n;
			break;
		case CLIENT_STEP_ORDER:
			MQ_INVARIANT(false);
			break;
		case CLIENT_STEP_BAD:
			MQ_INVARIANT(reason != MQI_OK && why[0] != '\0');
			return false;
		}
	}
}

static void
check_passed(const struct mqbuf *out)
{
	struct mqframe f;
	size_t pos = 0, used;

	while (pos < out->len && mqframe_parse(out->data + pos, out->len - pos,
				     &f, &used) == MQFRAME_OK) {
		MQ_INVARIANT(
		    (f.type >= MQLOCAL_OPEN && f.type <= MQLOCAL_PING) ||
		    f.type == MQLOCAL_OPEN_AS ||
		    f.type == MQLOCAL_OPEN_SELECT ||
		    f.type == MQLOCAL_BROWSE_UNLOCK ||
		    (f.type >= MQLOCAL_OPEN_TOPIC &&
			f.type <= MQLOCAL_UNSUBSCRIBE));
		MQ_INVARIANT(f.type != MQLOCAL_PUT ||
			     (f.flags & MQLOCAL_PUT_PASS_CONTEXT) == 0);
		pos += used;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqbuf whole, cut;
	struct client_flow down = {.left = 0};
	size_t pos = 0, n = 0;
	bool good;

	if (size == 0)
		return 0;
	mqbuf_init(&whole, size + 1);
	mqbuf_init(&cut, size + 1);
	good = run(data, size, size, &whole);
	MQ_INVARIANT(run(data, size, 1 + data[0] % 16u, &cut) == good);
	MQ_INVARIANT(
	    whole.len == cut.len &&
	    (cut.len == 0 || memcmp(whole.data, cut.data, cut.len) == 0));
	check_passed(&whole);
	mqbuf_fini(&whole);
	mqbuf_fini(&cut);
	for (;;) {
		enum client_step s = client_frames_down(
		    &down, &down.gets, data + pos, size - pos, &n);

		if (s != CLIENT_STEP_PASS && s != CLIENT_STEP_ORDER)
			return 0;
		MQ_INVARIANT(n > 0 && n <= size - pos);
		pos += n;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mqsc.c - any bytes as an MQSC script: each line is fed, each event is
 * taken, and each command survives its own bytes.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "admin/mqsc.h"

static void
round_trip(const struct mqctl_command *c)
{
	struct mqctl_command back;
	struct mqbuf b;

	mqbuf_init(&b, 1u << 20);
	mqctl_encode_command(&b, c);
	MQ_INVARIANT(b.err == MQI_OK);
	MQ_INVARIANT(mqctl_decode_command(b.data, b.len, &back) == MQI_OK);
	MQ_INVARIANT(back.attrs.n == c->attrs.n);
	MQ_INVARIANT(strcmp(back.name, c->name) == 0);
	mqctl_command_fini(&back);
	mqbuf_fini(&b);
}

static void
drain(struct mqsc *m)
{
	struct mqctl_command c;
	struct mqsc_error e;
	enum mqsc_event ev;

	while ((ev = mqsc_next(m, &c, &e)) != MQSC_NONE) {
		if (ev == MQSC_COMMAND) {
			round_trip(&c);
			mqctl_command_fini(&c);
		} else if (ev == MQSC_ERROR) {
			MQ_INVARIANT(e.line > 0 && e.column > 0);
			MQ_INVARIANT(e.text[0] != '\0');
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	const char *end = p + size;
	struct mqsc *m = mqsc_new();

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);

		mqsc_feed(m, p, n);
		/* events may also wait */
		if ((n & 1) != 0)
			drain(m);
		p += n + (nl != NULL);
	}
	mqsc_finish(m);
	drain(m);
	m = mqsc_free(m);
	return 0;
}

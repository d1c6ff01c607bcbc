/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ctl.c - the bytes of commands, of lists and of sets of attributes,
 * chosen by the input's first byte.
 *
 * Promise: a command or list that is accepted is made again byte by byte; a
 * set of attributes that is accepted is made again as one that means the same.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "proto/attr.h"
#include "proto/ctl.h"

#define OUT_MAX (1u << 20)

static void
try_command(const uint8_t *data, size_t size)
{
	struct mqctl_command c;
	struct mqbuf out;

	if (mqctl_decode_command(data, size, &c) != MQI_OK)
		return;
	mqbuf_init(&out, OUT_MAX);
	mqctl_encode_command(&out, &c);
	MQ_INVARIANT(out.err == MQI_OK && out.len == size);
	MQ_INVARIANT(memcmp(out.data, data, size) == 0);
	mqbuf_fini(&out);
	mqctl_command_fini(&c);
}

static void
try_list(const uint8_t *data, size_t size)
{
	struct mqctl_list l;
	struct mqreader r;
	struct mqbuf out;

	mqreader_init(&r, data, size);
	if (mqctl_decode_list(&r, &l) != MQI_OK)
		return;
	size_t used = size - mqreader_left(&r);
	mqbuf_init(&out, OUT_MAX);
	mqctl_encode_list(&out, &l);
	MQ_INVARIANT(out.err == MQI_OK && out.len == used);
	MQ_INVARIANT(memcmp(out.data, data, used) == 0);
	mqbuf_fini(&out);
	mqctl_list_fini(&l);
}

static void
try_attrs(enum mqattr_object type, const uint8_t *data, size_t size)
{
	struct mqattr_set *set = NULL;
	struct mqattr_set *again = NULL;
	const struct mqattr_def *d = NULL;
	struct mqbuf out;

	if (mqattr_decode(type, data, size, &set) != MQI_OK)
		return;
	mqbuf_init(&out, OUT_MAX);
	mqattr_encode(set, &out);
	MQ_INVARIANT(out.err == MQI_OK);
	MQ_INVARIANT(mqattr_decode(type, out.data, out.len, &again) == MQI_OK);
	while ((d = mqattr_next(type, d)) != NULL)
		MQ_INVARIANT(strcmp(mqattr_text(set, d->id),
				 mqattr_text(again, d->id)) == 0);
	mqbuf_fini(&out);
	(void)mqattr_set_free(set);
	(void)mqattr_set_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned kind = data[0];
	if (kind == 0)
		try_command(data + 1, size - 1);
	else if (kind == 1)
		try_list(data + 1, size - 1);
	else if (kind - 1 <= MQATTR_OBJECT_MAX)
		try_attrs((enum mqattr_object)(kind - 1), data + 1, size - 1);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.c - names of message compression (compress.h).
 *
 * Neighbours: the queue manager judges a COMPMSG by it, mca/pack.c compresses.
 */
#include "base/compress.h"

#include <string.h>
#include <strings.h>

#define END 0xffu /* of a list as a number */

static const char *const names[] = {
#define MQCOMPRESS_NAME(number, name) [number] = #name,
    MQCOMPRESS_MAP(MQCOMPRESS_NAME)
#undef MQCOMPRESS_NAME
};

const char *
mqcompress_name(enum mqcompress c)
{
	MQ_PRE((size_t)c < MQ_ARRAY_LEN(names));
	return names[c];
}

static bool
has(const struct mqcompress_list *l, uint8_t c)
{
	return memchr(l->all, c, l->n) != NULL;
}

static bool
add(struct mqcompress_list *l, const char *name, size_t len)
{
	for (uint8_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
		if (strlen(names[i]) != len ||
		    strncasecmp(names[i], name, len) != 0)
			continue;
		if (has(l, i))
			return false;
		l->all[l->n++] = i;
		return true;
	}
	return false;
}

bool
mqcompress_parse(const char *text, struct mqcompress_list *ret)
{
	struct mqcompress_list l = {.n = 0};
	const char *between = ", ";

	for (;;) {
		size_t len;

		text += strspn(text, between);
		len = strcspn(text, between);
		if (len == 0)
			break;
		if (!add(&l, text, len))
			return false;
		text += len;
	}
	if (l.n == 0)
		l.all[l.n++] = MQCOMPRESS_NONE;
	*ret = l;
	return true;
}

enum mqcompress
mqcompress_choose(const struct mqcompress_list *sender,
    const struct mqcompress_list *receiver)
{
	for (uint32_t i = 0; i < sender->n; i++)
		if (sender->all[i] < MQ_ARRAY_LEN(names) &&
		    has(receiver, sender->all[i]))
			return (enum mqcompress)sender->all[i];
	return MQCOMPRESS_NONE;
}

uint64_t
mqcompress_encode(const struct mqcompress_list *l)
{
	uint64_t v = 0;

	for (uint32_t i = MQCOMPRESS_MAX; i-- > 0;)
		v = v << 8 | (i < l->n ? l->all[i] : END);
	return v;
}

void
mqcompress_decode(uint64_t v, struct mqcompress_list *ret)
{
	ret->n = 0;
	for (; ret->n < MQCOMPRESS_MAX && (v & 0xff) != END; v >>= 8)
		ret->all[ret->n++] = (uint8_t)(v & 0xff);
}

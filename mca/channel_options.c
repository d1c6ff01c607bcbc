/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_options.c - OPTIONS: what an end tells beyond its HELLO (channel.h).
 *
 * A table says for each number which field it is and how it is written.  A
 * number that the table does not have is skipped: a newer partner has more to
 * say.  One whose length does not fit its kind is refused.
 */
#include <stddef.h>
#include <string.h>

#include "mca/channel.h"

/* A number of 1, 2, 4 or 8 bytes, or a text. */
enum option_kind { OPTION_NUMBER, OPTION_TEXT };

struct option_row {
	uint16_t number;
	enum option_kind kind;
	uint16_t size; /* of the field */
	size_t offset;
};

#define FIELD_SIZE(field) sizeof(((struct channel_options *)0)->field)
#define NUMBER(name, field)                                 \
	{                                                   \
		MQCHAN_OPTION_##name, OPTION_NUMBER,        \
		    (uint16_t)FIELD_SIZE(field),            \
		    offsetof(struct channel_options, field) \
	}
#define TEXT(name, field)                                   \
	{                                                   \
		MQCHAN_OPTION_##name, OPTION_TEXT,          \
		    (uint16_t)FIELD_SIZE(field),            \
		    offsetof(struct channel_options, field) \
	}

/* in order of number */
static const struct option_row option_rows[] = {
    NUMBER(PURPOSE, purpose),
    TEXT(PRODUCT, product),
    NUMBER(BATCHINT, batch_interval_ms),
    NUMBER(BATCHLIM, batch_limit_kb),
    NUMBER(HELD_BYTES, held_bytes),
    NUMBER(HELD_MSGS, held_msgs),
    NUMBER(COMPMSG, compmsg),
    NUMBER(NPM_FAST, npm_fast),
};

_Static_assert(MQ_ARRAY_LEN(option_rows) <= MQCHAN_MAX_OPTIONS, "options");

void
channel_options_init(struct channel_options *o)
{
	memset(o, 0, sizeof(*o));
}

static const struct option_row *
find_row(uint16_t number)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(option_rows); i++) {
		if (option_rows[i].number == number)
			return &option_rows[i];
	}
	return NULL;
}

static uint64_t
read_number(const void *field, uint16_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)field;
	case 2:
		return *(const uint16_t *)field;
	case 4:
		return *(const uint32_t *)field;
	default:
		return *(const uint64_t *)field;
	}
}

static void
write_number(void *field, uint16_t size, uint64_t v)
{
	switch (size) {
	case 1:
		*(uint8_t *)field = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)v;
		break;
	default:
		*(uint64_t *)field = v;
		break;
	}
}

void
channel_options_send(const struct channel_options *o, struct mqbuf *ret)
{
	uint8_t numbers[MQ_ARRAY_LEN(option_rows)][8];
	struct mqchan_options all = {.n = 0};

	for (size_t i = 0; i < MQ_ARRAY_LEN(option_rows); i++) {
		const struct option_row *row = &option_rows[i];
		const char *field = (const char *)o + row->offset;
		struct mqchan_option *out = &all.all[all.n++];

		out->number = row->number;
		if (row->kind == OPTION_TEXT) {
			out->data = field;
			out->len = (uint16_t)strnlen(field, row->size - 1u);
			continue;
		}
		mqbuf_set_u64(numbers[i], read_number(field, row->size));
		out->data = numbers[i]; /* little-endian: its first bytes */
		out->len = row->size;
	}
	mqchan_encode_options(ret, &all);
}

enum mqi_err
channel_options_take(const struct mqframe *f, struct channel_options *ret)
{
	struct mqchan_options all;
	enum mqi_err err = mqchan_decode_options(f, &all);

	for (uint32_t i = 0; err == MQI_OK && i < all.n; i++) {
		const struct mqchan_option *in = &all.all[i];
		const struct option_row *row = find_row(in->number);
		uint8_t bytes[8] = {0};
		char *field;

		if (row == NULL)
			continue;
		field = (char *)ret + row->offset;
		if (row->kind == OPTION_TEXT) {
			if (in->len >= row->size ||
			    memchr(in->data, 0, in->len) != NULL)
				return MQI_E_PROTOCOL;
			memcpy(field, in->data, in->len);
			field[in->len] = 0;
			continue;
		}
		if (in->len != row->size)
			return MQI_E_PROTOCOL;
		memcpy(bytes, in->data, in->len);
		write_number(field, row->size, mqbuf_get_u64(bytes));
	}
	return err;
}

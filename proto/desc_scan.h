/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc_scan.h - the table of the descriptor's fields and the check that every
 * function of desc.h begins with.  For desc*.c only.  Pure; thread-safe.
 */
#ifndef MQ_PROTO_DESC_SCAN_H
#define MQ_PROTO_DESC_SCAN_H

#include "proto/desc.h"

#define DESC_VERSION 1u
#define DESC_HEADER 12u /* version, reserved, length, bitmap */

/* The number is the field's bit: never renumber. */
enum desc_field {
	DESC_REPORT = 0,
	DESC_MSG_TYPE = 1,
	DESC_EXPIRY = 2,
	DESC_FEEDBACK = 3,
	DESC_ENCODING = 4,
	DESC_CCSID = 5,
	DESC_FORMAT = 6,
	DESC_PRIORITY = 7,
	DESC_PERSISTENCE = 8,
	DESC_MSG_ID = 9,
	DESC_CORREL_ID = 10,
	DESC_BACKOUT_COUNT = 11,
	DESC_REPLY_TO_Q = 12,
	DESC_REPLY_TO_QMGR = 13,
	DESC_USER_IDENTIFIER = 14,
	DESC_ACCOUNTING_TOKEN = 15,
	DESC_APPL_IDENTITY_DATA = 16,
	DESC_PUT_APPL_TYPE = 17,
	DESC_PUT_APPL_NAME = 18,
	DESC_PUT_TIME = 19, /* put date and time, ms since 1970 GMT */
	DESC_APPL_ORIGIN_DATA = 20,
	DESC_GROUP_ID = 21,
	DESC_MSG_SEQ_NUMBER = 22,
	DESC_OFFSET = 23,
	DESC_MSG_FLAGS = 24,
	DESC_ORIGINAL_LENGTH = 25,
	DESC_NOT_BEFORE = 26,
	DESC_N_FIELDS = 27,
};

enum desc_kind {
	DESC_U8,
	DESC_I8,
	DESC_U32,
	DESC_I32,
	DESC_U64,
	DESC_BYTES, /* exactly size bytes; default: zeros */
	DESC_STR,   /* u8 length, then at most size bytes; default: none */
};

/* A number's range and default; they all fit. */
struct desc_entry {
	uint8_t kind;    /* enum desc_kind */
	uint8_t size;    /* bytes; of a string, the most it may have */
	uint16_t offset; /* in struct mqi_md (not used for PUT_TIME) */
	int64_t min;
	int64_t max;
	int64_t def;
};

extern const struct desc_entry mqdesc_table[DESC_N_FIELDS];

#define DESC_EXT_PROPS 1u
#define DESC_EXT_ROUTE 2u
#define DESC_EXT_SKIPPABLE 0x8000u
#define DESC_EXT_HEADER 4u

/* What a checked descriptor has where. */
struct desc_scan {
	uint64_t present;
	const uint8_t *at[DESC_N_FIELDS]; /* only of present fields */
	const uint8_t *exts;              /* the first extension's header */
	const uint8_t *end;
	const uint8_t *props; /* the extension's bytes, or NULL */
	const uint8_t *route; /* the extension's bytes, or NULL */
	uint16_t props_len;
	uint16_t n_props;
	size_t names_len; /* bytes of all property names, each with a NUL */
};

/* Checks every byte.  Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_scan(
    const void *data, size_t len, struct desc_scan *ret);

/* The value of a present number. */
int64_t mqdesc_number(enum desc_field field, const uint8_t *at);

/* len: a multiple of 8, as ids and tokens are */
static inline bool
mqdesc_is_zero(const uint8_t *p, size_t len)
{
	uint64_t any = 0;

	for (size_t i = 0; i < len; i += sizeof(any))
		any |= mqbuf_get_u64(p + i);
	return any == 0;
}

static inline bool
mqdesc_has(const struct desc_scan *s, enum desc_field field)
{
	return s->present & MQ_BIT(field);
}

/* One property of a checked extension. */
struct desc_prop {
	uint8_t type; /* enum mqi_prop_type */
	uint16_t name_len;
	uint16_t value_len;
	const uint8_t *name;
	const uint8_t *value;
};

/* Reads the next property; false at a byte that is not as it should be. */
bool mqdesc_next_prop(struct mqreader *r, struct desc_prop *ret);

/* Whether a property may be called so: 1 or more bytes, no controls or
 * blanks. */
bool mqdesc_prop_name_is_valid(const uint8_t *name, size_t len);

#endif

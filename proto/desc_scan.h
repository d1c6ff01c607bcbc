/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc_scan.h - the table of the descriptor's fields and the check that every
 * function of desc.h begins with.  For desc*.c and selector*.c only.  Pure;
 * thread-safe.
 */
#ifndef MQ_PROTO_DESC_SCAN_H
#define MQ_PROTO_DESC_SCAN_H

#include "base/clock.h"
#include "proto/desc.h"

#define DESC_VERSION 1u
#define DESC_HEADER 12u /* version, reserved, length, bitmap */

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
	uint16_t offset; /* in struct mqi_md (PUT_TIME: not its whole place) */
	int64_t min;
	int64_t max;
	int64_t def;
};

#define DESC_NUMBER(kind_, size_, member, min_, max_, def_)               \
	{                                                                 \
		.kind = (kind_), .size = (size_),                         \
		.offset = offsetof(struct mqi_md, member), .min = (min_), \
		.max = (max_), .def = (def_),                             \
	}
#define DESC_NUMBER_U32(member, def_) \
	DESC_NUMBER(DESC_U32, 4, member, 0, UINT32_MAX, def_)
#define DESC_ID(member)                                       \
	{                                                     \
		.kind = DESC_BYTES,                           \
		.size = sizeof(((struct mqi_md *)0)->member), \
		.offset = offsetof(struct mqi_md, member),    \
	}
#define DESC_STRING(member)                                       \
	{                                                         \
		.kind = DESC_STR,                                 \
		.size = sizeof(((struct mqi_md *)0)->member) - 1, \
		.offset = offsetof(struct mqi_md, member),        \
	}
#define DESC_MAX_MS ((int64_t)MQCLOCK_MAX_MS)

/* X(bit, NAME, entry), in the order of the bits.  Never renumber.  PUT_TIME
 * is put_date and put_time, ms since 1970 GMT. */
#define DESC_FIELD_MAP(X)                                                      \
	X(0, REPORT, DESC_NUMBER_U32(report, 0))                               \
	X(1, MSG_TYPE,                                                         \
	    DESC_NUMBER(DESC_U32, 4, msg_type, 1, 999999999, MQI_MT_DATAGRAM)) \
	X(2, EXPIRY,                                                           \
	    DESC_NUMBER(                                                       \
		DESC_I32, 4, expiry, 1, INT32_MAX, MQI_EXPIRY_UNLIMITED))      \
	X(3, FEEDBACK, DESC_NUMBER_U32(feedback, 0))                           \
	X(4, ENCODING, DESC_NUMBER_U32(encoding, 546))                         \
	X(5, CCSID, DESC_NUMBER_U32(ccsid, 0))                                 \
	X(6, FORMAT, DESC_STRING(format))                                      \
	X(7, PRIORITY,                                                         \
	    DESC_NUMBER(DESC_I8, 1, priority, 0, MQI_MAX_PRIORITY,             \
		MQI_PRIORITY_AS_Q_DEF))                                        \
	X(8, PERSISTENCE,                                                      \
	    DESC_NUMBER(DESC_U8, 1, persistence, MQI_PERSISTENCE_NO,           \
		MQI_PERSISTENCE_YES, MQI_PERSISTENCE_AS_Q_DEF))                \
	X(9, MSG_ID, DESC_ID(msg_id))                                          \
	X(10, CORREL_ID, DESC_ID(correl_id))                                   \
	X(11, BACKOUT_COUNT, DESC_NUMBER_U32(backout_count, 0))                \
	X(12, REPLY_TO_Q, DESC_STRING(reply_to_q))                             \
	X(13, REPLY_TO_QMGR, DESC_STRING(reply_to_qmgr))                       \
	X(14, USER_IDENTIFIER, DESC_STRING(user_identifier))                   \
	X(15, ACCOUNTING_TOKEN, DESC_ID(accounting_token))                     \
	X(16, APPL_IDENTITY_DATA, DESC_STRING(appl_identity_data))             \
	X(17, PUT_APPL_TYPE, DESC_NUMBER_U32(put_appl_type, 0))                \
	X(18, PUT_APPL_NAME, DESC_STRING(put_appl_name))                       \
	X(19, PUT_TIME, DESC_NUMBER(DESC_U64, 8, put_date, 0, DESC_MAX_MS, 0)) \
	X(20, APPL_ORIGIN_DATA, DESC_STRING(appl_origin_data))                 \
	X(21, GROUP_ID, DESC_ID(group_id))                                     \
	X(22, MSG_SEQ_NUMBER, DESC_NUMBER_U32(msg_seq_number, 1))              \
	X(23, OFFSET, DESC_NUMBER_U32(offset, 0))                              \
	X(24, MSG_FLAGS, DESC_NUMBER_U32(msg_flags, 0))                        \
	X(25, ORIGINAL_LENGTH,                                                 \
	    DESC_NUMBER(                                                       \
		DESC_I32, 4, original_length, INT32_MIN, INT32_MAX, -1))       \
	X(26, NOT_BEFORE,                                                      \
	    DESC_NUMBER(DESC_U64, 8, not_before_ms, 0, DESC_MAX_MS, 0))

enum desc_field {

#define DESC_ENUM(bit, name, entry) DESC_##name = (bit),
	DESC_FIELD_MAP(DESC_ENUM)
#undef DESC_ENUM
	    DESC_N_FIELDS,
};

/* Here and not in one place, so that the compiler knows an entry where it
 * knows the field: code for each field is made by DESC_FIELD_MAP. */
static const struct desc_entry mqdesc_table[DESC_N_FIELDS] = {
#define DESC_ENTRY(bit, name, entry) [DESC_##name] = entry,
    DESC_FIELD_MAP(DESC_ENTRY)
#undef DESC_ENTRY
};

#define DESC_EXT_PROPS 1u
#define DESC_EXT_ROUTE 2u
#define DESC_EXT_SKIPPABLE 0x8000u
#define DESC_EXT_DEADLINE 0x8020u /* u64 */
#define DESC_EXT_DEADLINE_LEN 8u
#define DESC_EXT_HEADER 4u

/* What a checked descriptor has where. */
struct desc_scan {
	uint64_t present;
	const uint8_t *at[DESC_N_FIELDS]; /* only of present fields */
	const uint8_t *exts;              /* the first extension's header */
	const uint8_t *end;
	const uint8_t *props;    /* the extension's bytes, or NULL */
	const uint8_t *route;    /* the extension's bytes, or NULL */
	const uint8_t *deadline; /* the same */
	uint16_t props_len;
	uint16_t n_props;
	size_t names_len; /* bytes of all property names, each with a NUL */
};

/* Checks every byte.  Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_scan(
    const void *data, size_t len, struct desc_scan *ret);

/* The value of a present number. */
static inline int64_t
mqdesc_number(enum desc_field field, const uint8_t *at)
{
	switch ((enum desc_kind)mqdesc_table[field].kind) {
	case DESC_U8:
		return *at;
	case DESC_I8:
		return (int8_t)*at;
	case DESC_U32:
		return mqbuf_get_u32(at);
	case DESC_I32:
		return (int32_t)mqbuf_get_u32(at);
	case DESC_U64:
		return (int64_t)mqbuf_get_u64(at);
	case DESC_BYTES:
	case DESC_STR:
		break;
	}
	MQ_UNREACHABLE();
}

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

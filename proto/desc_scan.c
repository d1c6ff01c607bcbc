/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc_scan.c - the check of foreign bytes against the table of the
 * descriptor's fields.  docs/formats/descriptor.md shows it for people.
 *
 * Neighbours: desc.c (read, stamp), desc_md.c (encode, decode).
 * Rules: the fields present stand in the order of their bits; a field at its
 * default is left out, so that a descriptor has one encoding; numbers are
 * within their range; strings hold no NUL; each known extension comes at most
 * once; an unknown one must be skippable; the lengths add up.
 * Happy path: one pass, which notes where each field is; nothing is copied or
 * allocated.
 * Failure: MQI_E_MD, and nothing has been written.
 */
#include "proto/desc_scan.h"

#include <string.h>

/* The bytes of a field that begins at p, 0 if it is not as it should be.
 * field: a constant. */
static MQ_ALWAYS_INLINE size_t
check_known(enum desc_field field, const uint8_t *p, size_t left)
{
	const struct desc_entry *e = &mqdesc_table[field];
	int64_t v;

	if (e->kind == DESC_STR) {
		if (left == 0 || p[0] == 0 || p[0] > e->size || p[0] > left - 1)
			return 0;
		return memchr(p + 1, '\0', p[0]) ? 0 : 1u + p[0];
	}
	if (left < e->size)
		return 0;
	if (e->kind == DESC_BYTES)
		return mqdesc_is_zero(p, e->size) ? 0 : e->size;
	v = mqdesc_number(field, p);
	return v < e->min || v > e->max || v == e->def ? 0 : e->size;
}

static inline size_t
check_field(enum desc_field field, const uint8_t *p, size_t left)
{
	switch (field) {
#define CHECK(bit, name, entry) \
	case DESC_##name:       \
		return check_known(DESC_##name, p, left);
		DESC_FIELD_MAP(CHECK)
#undef CHECK
	case DESC_N_FIELDS:
		break;
	}
	MQ_UNREACHABLE();
}

bool
mqdesc_prop_name_is_valid(const uint8_t *name, size_t len)
{
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] == 0x7f)
			return false;
	}
	return true;
}

/* Bytes of a value of this type, -1 if a u16 before it tells. */
static int
prop_size(uint8_t type)
{
	switch (type) {
	case MQI_PROP_NULL:
		return 0;
	case MQI_PROP_BOOLEAN:
		return 1;
	case MQI_PROP_INT64:
	case MQI_PROP_FLOAT64:
		return 8;
	default:
		return -1;
	}
}

bool
mqdesc_next_prop(struct mqreader *r, struct desc_prop *ret)
{
	int size;

	ret->type = mqreader_u8(r);
	if (ret->type > MQI_PROP_STRING)
		return false;
	ret->name_len = mqreader_u16(r);
	ret->name = mqreader_bytes(r, ret->name_len);
	size = prop_size(ret->type);
	ret->value_len = size < 0 ? mqreader_u16(r) : (uint16_t)size;
	ret->value = mqreader_bytes(r, ret->value_len);
	if (r->err || !mqdesc_prop_name_is_valid(ret->name, ret->name_len))
		return false;
	return ret->type != MQI_PROP_BOOLEAN || ret->value[0] <= 1;
}

static bool
check_props(const uint8_t *p, uint16_t len, struct desc_scan *s)
{
	struct desc_prop prop;
	struct mqreader r;
	uint16_t n;

	if (s->props || len > MQI_MAX_PROPS_LEN)
		return false;
	mqreader_init(&r, p, len);
	n = mqreader_u16(&r);
	if (n == 0)
		return false;
	for (uint16_t i = 0; i < n; i++) {
		if (!mqdesc_next_prop(&r, &prop))
			return false;
		s->names_len += prop.name_len + 1u;
	}
	s->props = p;
	s->props_len = len;
	s->n_props = n;
	return mqreader_done(&r) == MQI_OK;
}

/* u32 hops, then two strings: u8 length, bytes */
static bool
check_route(const uint8_t *p, uint16_t len, struct desc_scan *s)
{
	uint16_t pos = 4;

	if (s->route)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		if (pos >= len || p[pos] > MQI_NAME_LEN ||
		    p[pos] > len - pos - 1 || memchr(p + pos + 1, '\0', p[pos]))
			return false;
		pos = (uint16_t)(pos + 1u + p[pos]);
	}
	s->route = p;
	return pos == len;
}

static bool
check_deadline(const uint8_t *p, uint16_t len, struct desc_scan *s)
{
	if (s->deadline || len != DESC_EXT_DEADLINE_LEN)
		return false;
	s->deadline = p;
	return true;
}

static bool
check_exts(struct desc_scan *s)
{
	const uint8_t *p = s->exts;

	while (p < s->end) {
		size_t left = (size_t)(s->end - p);
		uint16_t tag, len;
		bool ok;

		if (left < DESC_EXT_HEADER)
			return false;
		tag = mqbuf_get_u16(p);
		len = mqbuf_get_u16(p + 2);
		if (len > left - DESC_EXT_HEADER)
			return false;
		p += DESC_EXT_HEADER;
		if (tag == DESC_EXT_PROPS)
			ok = check_props(p, len, s);
		else if (tag == DESC_EXT_ROUTE)
			ok = check_route(p, len, s);
		else if (tag == DESC_EXT_DEADLINE)
			ok = check_deadline(p, len, s);
		else
			ok = tag & DESC_EXT_SKIPPABLE;
		if (!ok)
			return false;
		p += len;
	}
	return true;
}

enum mqi_err
mqdesc_scan(const void *data, size_t len, struct desc_scan *ret)
{
	const uint8_t *p = data, *end = p + len;
	uint64_t bits;

	if (len < DESC_HEADER || len > MQDESC_MAX || p[0] != DESC_VERSION ||
	    p[1] != 0 || mqbuf_get_u16(p + 2) != len)
		return MQI_E_MD;
	bits = mqbuf_get_u64(p + 4);
	if (bits >> DESC_N_FIELDS)
		return MQI_E_MD;
	ret->present = bits;
	p += DESC_HEADER;
	for (; bits; bits &= bits - 1) {
		enum desc_field field = (enum desc_field)__builtin_ctzll(bits);
		size_t n = check_field(field, p, (size_t)(end - p));

		if (n == 0)
			return MQI_E_MD;
		ret->at[field] = p;
		p += n;
	}
	ret->exts = p;
	ret->end = end;
	ret->props = NULL;
	ret->route = NULL;
	ret->deadline = NULL;
	ret->n_props = 0;
	ret->names_len = 0;
	return check_exts(ret) ? MQI_OK : MQI_E_MD;
}

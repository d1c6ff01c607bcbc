/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc_md.c - the descriptor of applications (struct mqi_md) to bytes and
 * back, and its defaults.
 *
 * Neighbours: libmq encodes what is put and decodes what was got; desc_scan.c
 * has the table and checks bytes.
 * Invariants: what encode accepts, the check accepts; decode after encode
 * gives the same fields (dates to the hundredth of a second).
 * Happy path: encode notes each field that is not at its default in the
 * bitmap, which it writes last; decode fills in defaults, then what is there.
 * Failure: encode takes back what it has appended; decode leaves *ret_md.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/desc_scan.h"

void
mqi_md_init(struct mqi_md *md)
{
	*md = (struct mqi_md){
	    .msg_type = MQI_MT_DATAGRAM,
	    .expiry = MQI_EXPIRY_UNLIMITED,
	    .encoding = (uint32_t)mqdesc_table[DESC_ENCODING].def,
	    .priority = MQI_PRIORITY_AS_Q_DEF,
	    .persistence = MQI_PERSISTENCE_AS_Q_DEF,
	    .msg_seq_number = 1,
	    .original_length = -1,
	};
}

/* ---- encode ---- */

/* The value of a number; false if the put date and time are not one. */
static MQ_ALWAYS_INLINE bool
get_number(const struct mqi_md *md, enum desc_field field, int64_t *ret)
{
	const struct desc_entry *e = &mqdesc_table[field];
	const uint8_t *member = (const uint8_t *)md + e->offset;
	int32_t i32;
	uint32_t u32;
	uint64_t u64;

	if (field == DESC_PUT_TIME) {
		if (!md->put_date[0] && !md->put_time[0]) {
			*ret = 0;
			return true;
		}
		if (!memchr(md->put_date, '\0', sizeof(md->put_date)) ||
		    !memchr(md->put_time, '\0', sizeof(md->put_time)) ||
		    !mqclock_parse_mq_date(md->put_date, md->put_time, &u64))
			return false;
		*ret = (int64_t)u64;
	} else if (e->kind == DESC_U64) {
		memcpy(&u64, member, sizeof(u64));
		*ret = u64 > INT64_MAX ? INT64_MAX : (int64_t)u64;
	} else if (e->kind == DESC_U32) {
		memcpy(&u32, member, sizeof(u32));
		*ret = u32;
	} else { /* small ones are int32_t in the struct */
		memcpy(&i32, member, sizeof(i32));
		*ret = i32;
	}
	return true;
}

static enum mqi_err
range_error(enum desc_field field)
{
	switch (field) {
	case DESC_MSG_TYPE:
		return MQI_E_MSG_TYPE;
	case DESC_EXPIRY:
		return MQI_E_EXPIRY;
	case DESC_PRIORITY:
		return MQI_E_PRIORITY;
	case DESC_PERSISTENCE:
		return MQI_E_PERSISTENCE;
	default:
		return MQI_E_MD;
	}
}

/* Where the fields are written; the first thing that is wrong. */
struct fields {
	uint8_t *p;
	uint64_t present;
	enum mqi_err err;
};

/* Writes a number that is not its default. */
static MQ_ALWAYS_INLINE void
put_number(struct fields *f, const struct mqi_md *md, enum desc_field field)
{
	const struct desc_entry *e = &mqdesc_table[field];
	int64_t v;

	if (!get_number(md, field, &v)) {
		f->err = f->err == MQI_OK ? MQI_E_MD : f->err;
		return;
	}
	if (v == e->def)
		return;
	if (v < e->min || v > e->max) {
		f->err = f->err == MQI_OK ? range_error(field) : f->err;
		return;
	}
	f->present |= MQ_BIT(field);
	if (e->size == 1)
		*f->p = (uint8_t)v;
	else if (e->size == 4)
		mqbuf_set_u32(f->p, (uint32_t)v);
	else
		mqbuf_set_u64(f->p, (uint64_t)v);
	f->p += e->size;
}

static void
put_string(struct fields *f, const char *str, enum desc_field field)
{
	size_t max = mqdesc_table[field].size, len = strnlen(str, max + 1);

	if (len > max) {
		f->err = f->err == MQI_OK ? MQI_E_MD : f->err;
		return;
	}
	f->present |= MQ_BIT(field);
	*f->p++ = (uint8_t)len;
	memcpy(f->p, str, len);
	f->p += len;
}

/* Writes a field that is not at its default; field: a constant. */
static MQ_ALWAYS_INLINE void
put_field(struct fields *f, const struct mqi_md *md, enum desc_field field)
{
	const struct desc_entry *e = &mqdesc_table[field];
	const uint8_t *member = (const uint8_t *)md + e->offset;

	if (e->kind == DESC_STR) {
		if (*member != '\0')
			put_string(f, (const char *)member, field);
	} else if (e->kind != DESC_BYTES) {
		put_number(f, md, field);
	} else if (!mqdesc_is_zero(member, e->size)) {
		f->present |= MQ_BIT(field);
		memcpy(f->p, member, e->size);
		f->p += e->size;
	}
}

static enum mqi_err
put_prop_value(const struct mqi_prop *prop, struct mqbuf *out)
{
	uint64_t bits;

	switch (prop->type) {
	case MQI_PROP_NULL:
		return MQI_OK;
	case MQI_PROP_BOOLEAN:
		mqbuf_put_u8(out, prop->value.boolean != 0);
		return MQI_OK;
	case MQI_PROP_INT64:
		mqbuf_put_u64(out, (uint64_t)prop->value.int64);
		return MQI_OK;
	case MQI_PROP_FLOAT64:
		memcpy(&bits, &prop->value.float64, sizeof(bits));
		mqbuf_put_u64(out, bits);
		return MQI_OK;
	case MQI_PROP_BYTES:
	case MQI_PROP_STRING:
		if (prop->value.bytes.len > MQI_MAX_PROPS_LEN)
			return MQI_E_TOO_BIG;
		mqbuf_put_u16(out, (uint16_t)prop->value.bytes.len);
		mqbuf_put(out, prop->value.bytes.data, prop->value.bytes.len);
		return MQI_OK;
	}
	return MQI_E_PROPERTY_TYPE;
}

static enum mqi_err
put_prop(const struct mqi_prop *prop, struct mqbuf *out)
{
	size_t len;

	if ((unsigned)prop->type > MQI_PROP_STRING)
		return MQI_E_PROPERTY_TYPE;
	if (!prop->name)
		return MQI_E_PROPERTY_NAME;
	len = strnlen(prop->name, MQI_MAX_PROPS_LEN + 1u);
	if (len > MQI_MAX_PROPS_LEN)
		return MQI_E_TOO_BIG;
	if (!mqdesc_prop_name_is_valid((const uint8_t *)prop->name, len))
		return MQI_E_PROPERTY_NAME;
	mqbuf_put_u8(out, (uint8_t)prop->type);
	mqbuf_put_u16(out, (uint16_t)len);
	mqbuf_put(out, prop->name, len);
	return put_prop_value(prop, out);
}

static enum mqi_err
put_props(const struct mqi_md *md, struct mqbuf *out)
{
	size_t start = out->len;

	if (md->n_props == 0)
		return MQI_OK;
	/* each takes more than a byte */
	if (!md->props || md->n_props > MQI_MAX_PROPS_LEN)
		return md->props ? MQI_E_TOO_BIG : MQI_E_MD;
	mqbuf_put_u16(out, DESC_EXT_PROPS);
	mqbuf_put_u16(out, 0);
	mqbuf_put_u16(out, (uint16_t)md->n_props);
	for (size_t i = 0; i < md->n_props && !out->err; i++) {
		enum mqi_err err = put_prop(&md->props[i], out);

		if (err)
			return err;
		if (out->len - start - DESC_EXT_HEADER > MQI_MAX_PROPS_LEN)
			return MQI_E_TOO_BIG;
	}
	if (!out->err)
		mqbuf_set_u16(out->data + start + 2,
		    (uint16_t)(out->len - start - DESC_EXT_HEADER));
	return MQI_OK;
}

enum mqi_err
mqdesc_encode(const struct mqi_md *md, struct mqbuf *out)
{
	/* no field is longer here than in the struct */
	uint8_t fields[sizeof(*md)], *data;
	struct fields f = {.p = fields};
	size_t start = out->len, n;
	enum mqi_err err;

#define PUT(bit, name, entry) put_field(&f, md, DESC_##name);
	DESC_FIELD_MAP(PUT)
#undef PUT
	n = (size_t)(f.p - fields);
	data = f.err ? NULL : mqbuf_reserve(out, DESC_HEADER + n);
	if (!data)
		return f.err ? f.err : out->err;
	memcpy(data + DESC_HEADER, fields, n);
	mqbuf_commit(out, DESC_HEADER + n);
	err = put_props(md, out);
	if (!err)
		err = out->err;
	if (err) {
		out->len = start;
		return err;
	}
	n = out->len - start;
	MQ_INVARIANT(n <= MQDESC_MAX);
	data = out->data + start;
	data[0] = DESC_VERSION;
	data[1] = 0;
	mqbuf_set_u16(data + 2, (uint16_t)n);
	mqbuf_set_u64(data + 4, f.present);
	return MQI_OK;
}

/* ---- decode ---- */

static MQ_ALWAYS_INLINE void
fill_number(struct mqi_md *md, enum desc_field field, const uint8_t *at)
{
	const struct desc_entry *e = &mqdesc_table[field];
	uint8_t *p = (uint8_t *)md + e->offset;
	int64_t v = mqdesc_number(field, at);
	uint32_t u32 = (uint32_t)v;

	if (field == DESC_PUT_TIME)
		mqclock_mq_date((uint64_t)v * 1000, md->put_date, md->put_time);
	else if (e->kind == DESC_U64)
		memcpy(p, &v, sizeof(v));
	else
		memcpy(p, &u32, sizeof(u32));
}

/* field: a constant */
static MQ_ALWAYS_INLINE void
fill_known(struct mqi_md *md, enum desc_field field, const uint8_t *at)
{
	const struct desc_entry *e = &mqdesc_table[field];
	uint8_t *p = (uint8_t *)md + e->offset;

	if (e->kind == DESC_BYTES) {
		memcpy(p, at, e->size);
	} else if (e->kind == DESC_STR) {
		memcpy(p, at + 1, at[0]);
		p[at[0]] = '\0';
	} else {
		fill_number(md, field, at);
	}
}

static void
fill_field(struct mqi_md *md, enum desc_field field, const uint8_t *at)
{
	switch (field) {
#define FILL(bit, name, entry)                   \
	case DESC_##name:                        \
		fill_known(md, DESC_##name, at); \
		break;
		DESC_FIELD_MAP(FILL)
#undef FILL
	case DESC_N_FIELDS:
		MQ_UNREACHABLE();
	}
}

static void
fill_prop_value(struct mqi_prop *prop, const struct desc_prop *d)
{
	uint64_t bits;

	switch (prop->type) {
	case MQI_PROP_NULL:
		break;
	case MQI_PROP_BOOLEAN:
		prop->value.boolean = d->value[0];
		break;
	case MQI_PROP_INT64:
		prop->value.int64 = (int64_t)mqbuf_get_u64(d->value);
		break;
	case MQI_PROP_FLOAT64:
		bits = mqbuf_get_u64(d->value);
		memcpy(&prop->value.float64, &bits, sizeof(bits));
		break;
	case MQI_PROP_BYTES:
	case MQI_PROP_STRING:
		prop->value.bytes.data = d->value;
		prop->value.bytes.len = d->value_len;
		break;
	}
}

/* One allocation: the array, then the names with their NULs. */
static enum mqi_err
decode_props(const struct desc_scan *s, struct mqi_prop **ret)
{
	struct mqi_prop *props;
	struct mqreader r;
	char *name;

	props = calloc(1, s->n_props * sizeof(*props) + s->names_len);
	if (!props)
		return MQI_E_NO_MEMORY;
	name = (char *)(props + s->n_props);
	mqreader_init(&r, s->props, s->props_len);
	(void)mqreader_u16(&r);
	for (uint16_t i = 0; i < s->n_props; i++) {
		struct desc_prop d;
		bool ok = mqdesc_next_prop(&r, &d);

		MQ_INVARIANT(ok);
		memcpy(name, d.name, d.name_len);
		props[i].name = name;
		props[i].type = (enum mqi_prop_type)d.type;
		fill_prop_value(&props[i], &d);
		name += d.name_len + 1u;
	}
	*ret = props;
	return MQI_OK;
}

enum mqi_err
mqdesc_check(const void *data, size_t len, bool *ret_allocates)
{
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);

	if (!err)
		*ret_allocates = s.props != NULL;
	return err;
}

enum mqi_err
mqdesc_decode(const void *data, size_t len, struct mqi_md *ret_md)
{
	struct mqi_prop *props = NULL;
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);

	if (!err && s.props)
		err = decode_props(&s, &props);
	if (err)
		return err;
	mqi_md_init(ret_md);
	for (uint64_t bits = s.present; bits; bits &= bits - 1) {
		enum desc_field field = (enum desc_field)__builtin_ctzll(bits);

		fill_field(ret_md, field, s.at[field]);
	}
	ret_md->props = props;
	ret_md->n_props = s.n_props;
	return MQI_OK;
}

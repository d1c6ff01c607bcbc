/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc.c - what a queue manager does with a descriptor: look at it and stamp
 * it, on the path of every message.
 *
 * Neighbours: desc_scan.c checks the bytes first; the engine calls.
 * Invariants: nothing is allocated but the room in `out`; what the stamp does
 * not touch is carried along byte by byte, unknown extensions included; what
 * is written would pass the check again.
 * Happy path of a stamp: masks of the fields that it sets and clears, a walk
 * over those, copying the old bytes between them, then the extensions.
 * Failure: MD for bad bytes, TOO_BIG and NO_MEMORY; out is as before then.
 */
#include "proto/desc.h"

#include <string.h>

#include "base/clock.h"
#include "proto/desc_scan.h"

/* u8 length, and MQTRACE_FORMAT */
static const uint8_t trace_format[8] = {7, 'S', 'L', 'T', 'R', 'A', 'C', 'E'};

/* more than all that a stamp can add to a descriptor */
#define STAMP_ROOM 384u

/* Copies u8 length and bytes to a string; returns what comes after. */
static const uint8_t *
copy_name(const uint8_t *p, char ret[MQI_NAME_LEN + 1])
{
	memcpy(ret, p + 1, p[0]);
	ret[p[0]] = '\0';
	return p + 1 + p[0];
}

static int64_t
number_or_default(const struct desc_scan *s, enum desc_field field)
{
	if (!mqdesc_has(s, field))
		return mqdesc_table[field].def;
	return mqdesc_number(field, s->at[field]);
}

/* Copies an id, zeros if it is not there; returns whether it is. */
static bool
id_or_zeros(
    const struct desc_scan *s, enum desc_field field, uint8_t ret[MQI_ID_LEN])
{
	if (mqdesc_has(s, field)) {
		memcpy(ret, s->at[field], MQI_ID_LEN);
		return true;
	}
	memset(ret, 0, MQI_ID_LEN);
	return false;
}

enum mqi_err
mqdesc_read(const void *data, size_t len, struct mqdesc_info *ret_info)
{
	struct mqdesc_info *i = ret_info;
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);
	int64_t persistence;

	if (err)
		return err;
	persistence = number_or_default(&s, DESC_PERSISTENCE);
	i->persistent = persistence == MQI_PERSISTENCE_YES;
	i->persistence_as_q_def = persistence == MQI_PERSISTENCE_AS_Q_DEF;
	i->priority = (int8_t)number_or_default(&s, DESC_PRIORITY);
	i->expiry = (int32_t)number_or_default(&s, DESC_EXPIRY);
	i->deadline_ms = s.deadline ? mqbuf_get_u64(s.deadline) : 0;
	i->not_before_ms = (uint64_t)number_or_default(&s, DESC_NOT_BEFORE);
	i->put_time_ms = (uint64_t)number_or_default(&s, DESC_PUT_TIME);
	i->msg_type = (uint32_t)number_or_default(&s, DESC_MSG_TYPE);
	i->is_trace =
	    i->msg_type != MQI_MT_REPORT && mqdesc_has(&s, DESC_FORMAT) &&
	    s.at[DESC_FORMAT][0] == trace_format[0] && /* as long */
	    memcmp(s.at[DESC_FORMAT], trace_format, sizeof(trace_format)) == 0;
	i->report = (uint32_t)number_or_default(&s, DESC_REPORT);
	i->backout_count = (uint32_t)number_or_default(&s, DESC_BACKOUT_COUNT);
	i->has_msg_id = id_or_zeros(&s, DESC_MSG_ID, i->msg_id);
	i->has_correl_id = id_or_zeros(&s, DESC_CORREL_ID, i->correl_id);
	(void)id_or_zeros(&s, DESC_GROUP_ID, i->group_id);
	i->reply_unresolved = mqdesc_has(&s, DESC_REPLY_TO_Q) &&
			      !mqdesc_has(&s, DESC_REPLY_TO_QMGR);
	if (i->reply_unresolved)
		(void)copy_name(s.at[DESC_REPLY_TO_Q], i->reply_to_q);
	i->has_route = s.route != NULL;
	i->route.hops = 0;
	i->route.queue[0] = '\0';
	i->route.qmgr[0] = '\0';
	if (s.route) {
		i->route.hops = mqbuf_get_u32(s.route);
		(void)copy_name(
		    copy_name(s.route + 4, i->route.queue), i->route.qmgr);
	}
	return MQI_OK;
}

enum mqi_err
mqdesc_user(const void *data, size_t len, char ret_user[MQDESC_USER_LEN + 1])
{
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);

	ret_user[0] = '\0';
	if (err == MQI_OK && mqdesc_has(&s, DESC_USER_IDENTIFIER)) {
		const uint8_t *p = s.at[DESC_USER_IDENTIFIER];

		memcpy(ret_user, p + 1, p[0]);
		ret_user[p[0]] = '\0';
	}
	return err;
}

/* ---- stamp ---- */

/* The values that a stamp sets, and the bits of those fields. */
struct stamp_set {
	uint64_t set;   /* written from here */
	uint64_t clear; /* at their default: left out */
	const struct mqdesc_stamp *stamp;
	uint32_t report;
	uint8_t user_len;
	uint8_t appl_name_len;
};

static void
set_or_clear(struct stamp_set *t, enum desc_field field, bool is_default)
{
	if (is_default)
		t->clear |= MQ_BIT(field);
	else
		t->set |= MQ_BIT(field);
}

static void
plan_context(struct stamp_set *t, uint64_t kept)
{
	const struct mqdesc_stamp *st = t->stamp;

	if (!(kept & MQ_BIT(DESC_PUT_TIME)))
		set_or_clear(t, DESC_PUT_TIME, st->put_time_ms == 0);
	if (st->user && !(kept & MQ_BIT(DESC_USER_IDENTIFIER))) {
		t->user_len = (uint8_t)strnlen(
		    st->user, mqdesc_table[DESC_USER_IDENTIFIER].size);
		set_or_clear(t, DESC_USER_IDENTIFIER, t->user_len == 0);
	}
	if (st->appl_name && !(kept & MQ_BIT(DESC_PUT_APPL_NAME))) {
		t->appl_name_len = (uint8_t)strnlen(
		    st->appl_name, mqdesc_table[DESC_PUT_APPL_NAME].size);
		set_or_clear(t, DESC_PUT_APPL_NAME, t->appl_name_len == 0);
		t->set |= MQ_BIT(DESC_PUT_APPL_TYPE);
	}
}

static void
plan_stamp(struct stamp_set *t, const struct desc_scan *s,
    const struct mqdesc_stamp *st)
{
	MQ_PRE(st->priority >= 0 && st->priority <= MQI_MAX_PRIORITY);
	MQ_PRE(st->put_time_ms <= MQCLOCK_MAX_MS);
	MQ_PRE(st->expiry >= MQI_EXPIRY_UNLIMITED);
	t->stamp = st;
	t->set = MQ_BIT(DESC_PRIORITY) | MQ_BIT(DESC_PERSISTENCE);
	t->clear = 0;
	t->report = (uint32_t)number_or_default(s, DESC_REPORT);
	if ((t->report & st->drop_reports) != 0) {
		t->report &= ~st->drop_reports;
		set_or_clear(t, DESC_REPORT, t->report == 0);
	}
	if (st->set_msg_id)
		set_or_clear(t, DESC_MSG_ID,
		    mqdesc_is_zero(st->msg_id, sizeof(st->msg_id)));
	set_or_clear(t, DESC_BACKOUT_COUNT, st->backout_count == 0);
	if (st->expiry != 0)
		set_or_clear(
		    t, DESC_EXPIRY, st->expiry == MQI_EXPIRY_UNLIMITED);
	if (st->reply_to_q) {
		set_or_clear(t, DESC_REPLY_TO_Q, st->reply_to_q[0] == '\0');
		set_or_clear(
		    t, DESC_REPLY_TO_QMGR, st->reply_to_qmgr[0] == '\0');
	}
	plan_context(t, st->keep_context ? s->present : 0);
}

static uint8_t *
write_str(uint8_t *p, const char *str, uint8_t len)
{
	*p++ = len;
	memcpy(p, str, len);
	return p + len;
}

static uint8_t *
write_name(uint8_t *p, const char *name)
{
	size_t len = strlen(name);

	MQ_PRE(len <= MQI_NAME_LEN);
	return write_str(p, name, (uint8_t)len);
}

/* Writes a field that the stamp sets. */
static uint8_t *
write_set(uint8_t *p, enum desc_field field, const struct stamp_set *t)
{
	const struct mqdesc_stamp *st = t->stamp;

	switch (field) {
	case DESC_REPORT:
		mqbuf_set_u32(p, t->report);
		return p + sizeof(uint32_t);
	case DESC_EXPIRY:
		mqbuf_set_u32(p, (uint32_t)st->expiry);
		return p + sizeof(uint32_t);
	case DESC_PRIORITY:
		*p = (uint8_t)st->priority;
		return p + 1;
	case DESC_PERSISTENCE:
		*p = st->persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
		return p + 1;
	case DESC_MSG_ID:
		memcpy(p, st->msg_id, MQI_ID_LEN);
		return p + MQI_ID_LEN;
	case DESC_BACKOUT_COUNT:
		mqbuf_set_u32(p, st->backout_count);
		return p + sizeof(uint32_t);
	case DESC_REPLY_TO_Q:
		return write_name(p, st->reply_to_q);
	case DESC_REPLY_TO_QMGR:
		return write_name(p, st->reply_to_qmgr);
	case DESC_USER_IDENTIFIER:
		return write_str(p, st->user, t->user_len);
	case DESC_PUT_APPL_TYPE:
		mqbuf_set_u32(p, MQDESC_APPL_UNIX);
		return p + sizeof(uint32_t);
	case DESC_PUT_APPL_NAME:
		return write_str(p, st->appl_name, t->appl_name_len);
	case DESC_PUT_TIME:
		mqbuf_set_u64(p, st->put_time_ms);
		return p + sizeof(uint64_t);
	default:
		MQ_UNREACHABLE();
	}
}

/* Where the field is in the old bytes, or would be. */
static const uint8_t *
place_of(const struct desc_scan *s, unsigned field)
{
	uint64_t from = s->present >> field;

	return from ? s->at[field + (unsigned)__builtin_ctzll(from)] : s->exts;
}

/* The old bytes between the fields that are set or cleared are copied whole. */
static uint8_t *
write_fields(uint8_t *p, const struct desc_scan *s, const struct stamp_set *t)
{
	const uint8_t *from = place_of(s, 0);

	for (uint64_t bits = t->set | t->clear; bits; bits &= bits - 1) {
		unsigned field = (unsigned)__builtin_ctzll(bits);
		size_t n = (size_t)(place_of(s, field) - from);

		if (n > 0) {
			memcpy(p, from, n);
			p += n;
		}
		from = place_of(s, field + 1);
		if (t->set & MQ_BIT(field))
			p = write_set(p, (enum desc_field)field, t);
	}
	memcpy(p, from, (size_t)(s->exts - from));
	return p + (s->exts - from);
}

static uint8_t *
write_route(uint8_t *p, const struct mqdesc_route *r)
{
	size_t queue_len = strnlen(r->queue, sizeof(r->queue));
	size_t qmgr_len = strnlen(r->qmgr, sizeof(r->qmgr));

	MQ_PRE(queue_len <= MQI_NAME_LEN && qmgr_len <= MQI_NAME_LEN);
	mqbuf_set_u16(p, DESC_EXT_ROUTE);
	mqbuf_set_u16(p + 2, (uint16_t)(4 + 1 + queue_len + 1 + qmgr_len));
	mqbuf_set_u32(p + 4, r->hops);
	p = write_str(p + 8, r->queue, (uint8_t)queue_len);
	return write_str(p, r->qmgr, (uint8_t)qmgr_len);
}

static uint8_t *
write_deadline(uint8_t *p, uint64_t deadline_ms)
{
	mqbuf_set_u16(p, DESC_EXT_DEADLINE);
	mqbuf_set_u16(p + 2, DESC_EXT_DEADLINE_LEN);
	mqbuf_set_u64(p + DESC_EXT_HEADER, deadline_ms);
	return p + DESC_EXT_HEADER + DESC_EXT_DEADLINE_LEN;
}

/* The old extensions but those that are replaced; then the new ones. */
static uint8_t *
write_exts(uint8_t *p, const struct desc_scan *s, const struct mqdesc_stamp *st)
{
	const uint8_t *at = s->exts;

	while (at < s->end) {
		const uint8_t *bytes = at + DESC_EXT_HEADER;
		size_t n = DESC_EXT_HEADER + mqbuf_get_u16(at + 2);

		if (bytes != s->deadline &&
		    (bytes != s->route || st->keep_route)) {
			memcpy(p, at, n);
			p += n;
		}
		at += n;
	}
	if (st->deadline_ms != 0)
		p = write_deadline(p, st->deadline_ms);
	return st->keep_route || !st->route ? p : write_route(p, st->route);
}

enum mqi_err
mqdesc_stamp(const void *data, size_t len, const struct mqdesc_stamp *stamp,
    struct mqbuf *out)
{
	struct desc_scan s;
	struct stamp_set t = {0};
	enum mqi_err err = mqdesc_scan(data, len, &s);
	uint8_t *start, *p;
	size_t n;

	if (err)
		return err;
	plan_stamp(&t, &s, stamp);
	start = mqbuf_reserve(out, len + STAMP_ROOM);
	if (!start)
		return out->err;
	p = write_fields(start + DESC_HEADER, &s, &t);
	p = write_exts(p, &s, stamp);
	n = (size_t)(p - start);
	MQ_INVARIANT(n <= len + STAMP_ROOM);
	if (n > MQDESC_MAX)
		return MQI_E_TOO_BIG;
	start[0] = DESC_VERSION;
	start[1] = 0;
	mqbuf_set_u16(start + 2, (uint16_t)n);
	mqbuf_set_u64(start + 4, (s.present & ~t.clear) | t.set);
	mqbuf_commit(out, n);
	return MQI_OK;
}

enum mqi_err
mqdesc_set_life(void *data, size_t len, int32_t expiry, uint64_t deadline_ms)
{
	uint8_t *p = data;
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);

	MQ_PRE(expiry > 0);
	if (err)
		return err;
	if (mqdesc_has(&s, DESC_EXPIRY))
		mqbuf_set_u32(p + (s.at[DESC_EXPIRY] - p), (uint32_t)expiry);
	if (s.deadline)
		mqbuf_set_u64(p + (s.deadline - p), deadline_ms);
	return MQI_OK;
}

/* ---- stamped again ---- */

static uint16_t
field_place(const struct desc_scan *s, enum desc_field field, const void *data)
{
	return mqdesc_has(s, field)
		   ? (uint16_t)(s->at[field] - (const uint8_t *)data)
		   : 0;
}

enum mqi_err
mqdesc_find(const void *data, size_t len, struct mqdesc_places *ret)
{
	struct desc_scan s;
	enum mqi_err err = mqdesc_scan(data, len, &s);

	if (err)
		return err;
	ret->msg_id = field_place(&s, DESC_MSG_ID, data);
	ret->put_time = field_place(&s, DESC_PUT_TIME, data);
	return MQI_OK;
}

void
mqdesc_restamp(void *data, const struct mqdesc_places *places,
    const uint8_t msg_id[MQI_ID_LEN], uint64_t put_time_ms)
{
	uint8_t *p = data;

	MQ_PRE(places->msg_id != 0 && places->put_time != 0);
	MQ_PRE(put_time_ms != 0 && put_time_ms <= MQCLOCK_MAX_MS);
	memcpy(p + places->msg_id, msg_id, MQI_ID_LEN);
	mqbuf_set_u64(p + places->put_time, put_time_ms);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growable byte buffer with a maximum, a bounded reader, and
 * explicit little-endian encoding.  A buffer belongs to one thread.
 *
 * Writers never fail at each step: the first append that would pass the
 * maximum or finds no memory sets `err`, and everything after it is ignored;
 * the caller checks once at the end.  Readers do the same: a read past the end
 * sets `err` and yields zeros.
 */
#ifndef MQ_BASE_BUF_H
#define MQ_BASE_BUF_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct mqbuf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;
	enum mqi_err err; /* MQI_OK, MQI_E_NO_MEMORY or MQI_E_TOO_BIG */
};

void mqbuf_init(struct mqbuf *b, size_t max);
void mqbuf_fini(struct mqbuf *b);  /* also a zeroed one */
void mqbuf_reset(struct mqbuf *b); /* empty, no error; memory is kept */

/* Room for n more bytes at the end, or NULL with err set.  The bytes count as
 * written only after mqbuf_commit(). */
static inline void *mqbuf_reserve(struct mqbuf *b, size_t n);
static inline void mqbuf_commit(struct mqbuf *b, size_t n);
void mqbuf_consume(struct mqbuf *b, size_t n); /* drops the first n bytes */

void mqbuf_put(struct mqbuf *b, const void *data, size_t len);
void mqbuf_put_zeros(struct mqbuf *b, size_t len);
void mqbuf_put_u8(struct mqbuf *b, uint8_t v);
void mqbuf_put_u16(struct mqbuf *b, uint16_t v);
void mqbuf_put_u32(struct mqbuf *b, uint32_t v);
void mqbuf_put_u64(struct mqbuf *b, uint64_t v);
/* u16 length, then the bytes */
void mqbuf_put_str16(struct mqbuf *b, const char *s);
/* u32 length, then the bytes */
void mqbuf_put_bytes32(struct mqbuf *b, const void *data, size_t len);
/* Overwrites 4 bytes at an offset already written. */
void mqbuf_patch_u32(struct mqbuf *b, size_t offset, uint32_t v);

void *mqbuf_reserve_more(struct mqbuf *b, size_t n); /* what may fail */

static inline void *
mqbuf_reserve(struct mqbuf *b, size_t n)
{
	if (b->err == MQI_OK && b->data && n <= b->cap - b->len)
		return b->data + b->len;
	return mqbuf_reserve_more(b, n);
}

static inline void
mqbuf_commit(struct mqbuf *b, size_t n)
{
	if (b->err)
		return;
	MQ_PRE(n <= b->cap - b->len);
	b->len += n;
}

struct mqreader {
	const uint8_t *p;
	const uint8_t *end;
	enum mqi_err err; /* MQI_OK or MQI_E_PROTOCOL */
};

void mqreader_init(struct mqreader *r, const void *data, size_t len);
size_t mqreader_left(const struct mqreader *r);
uint8_t mqreader_u8(struct mqreader *r);
uint16_t mqreader_u16(struct mqreader *r);
uint32_t mqreader_u32(struct mqreader *r);
uint64_t mqreader_u64(struct mqreader *r);
/* n bytes where they stand, or NULL with err set. */
const void *mqreader_bytes(struct mqreader *r, size_t n);
/* Copies n bytes; zeros on error. */
void mqreader_copy(struct mqreader *r, void *dst, size_t n);
/* u16 length and that many bytes into dst, NUL-terminated; an error if they do
 * not fit in cap - 1 or hold a NUL. */
void mqreader_str16(struct mqreader *r, char *dst, size_t cap);
/* u32 length and that many bytes where they stand. */
const void *mqreader_bytes32(struct mqreader *r, size_t *ret_len);
/* MQI_OK if nothing failed and everything was read, else MQI_E_PROTOCOL. */
MQ_MUST_CHECK enum mqi_err mqreader_done(const struct mqreader *r);

/* Little-endian values at any alignment, read and written in place. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define MQBUF_LE16(v) __builtin_bswap16(v)
#define MQBUF_LE32(v) __builtin_bswap32(v)
#define MQBUF_LE64(v) __builtin_bswap64(v)
#else
#define MQBUF_LE16(v) (v)
#define MQBUF_LE32(v) (v)
#define MQBUF_LE64(v) (v)
#endif

static inline uint16_t
mqbuf_get_u16(const void *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return MQBUF_LE16(v);
}

static inline uint32_t
mqbuf_get_u32(const void *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return MQBUF_LE32(v);
}

static inline uint64_t
mqbuf_get_u64(const void *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return MQBUF_LE64(v);
}

static inline void
mqbuf_set_u16(void *p, uint16_t v)
{
	v = MQBUF_LE16(v);
	__builtin_memcpy(p, &v, sizeof(v));
}

static inline void
mqbuf_set_u32(void *p, uint32_t v)
{
	v = MQBUF_LE32(v);
	__builtin_memcpy(p, &v, sizeof(v));
}

static inline void
mqbuf_set_u64(void *p, uint64_t v)
{
	v = MQBUF_LE64(v);
	__builtin_memcpy(p, &v, sizeof(v));
}

#endif

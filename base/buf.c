/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - the growable buffer that frames, records and descriptors are written
 * into, and the bounded reader that they are read with.
 *
 * Neighbours: everything that makes or takes bytes.
 * Invariants: len <= cap <= max; data is NULL exactly when cap is 0; once err
 * is set nothing is written any more.
 * Happy path: reserve, write, commit; memory doubles, so that n appends cost
 * O(n) copies.
 * Failure: NO_MEMORY or TOO_BIG stay in err until mqbuf_reset(); a reader's
 * PROTOCOL stays for good.
 */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256u

void
mqbuf_init(struct mqbuf *b, size_t max)
{
	*b = (struct mqbuf){.max = max};
}

void
mqbuf_fini(struct mqbuf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

void
mqbuf_reset(struct mqbuf *b)
{
	b->len = 0;
	b->err = MQI_OK;
}

/* Makes cap at least `need`, which is within max. */
static bool
buf_grow(struct mqbuf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	uint8_t *data;

	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	data = realloc(b->data, cap);
	if (!data) {
		b->err = MQI_E_NO_MEMORY;
		return false;
	}
	b->data = data;
	b->cap = cap;
	MQ_POST(b->cap >= need && b->cap <= b->max);
	return true;
}

void *
mqbuf_reserve_more(struct mqbuf *b, size_t n)
{
	if (b->err)
		return NULL;
	MQ_INVARIANT(b->len <= b->cap && b->cap <= b->max);
	if (n > b->max - b->len) {
		b->err = MQI_E_TOO_BIG;
		return NULL;
	}
	/* so that the answer is not NULL even for no bytes */
	if (!b->data && b->max == 0) {
		b->err = MQI_E_TOO_BIG;
		return NULL;
	}
	if ((!b->data || n > b->cap - b->len) && !buf_grow(b, b->len + n))
		return NULL;
	return b->data + b->len;
}

void
mqbuf_consume(struct mqbuf *b, size_t n)
{
	MQ_PRE(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

void
mqbuf_put(struct mqbuf *b, const void *data, size_t len)
{
	void *p;

	if (len == 0)
		return;
	p = mqbuf_reserve(b, len);
	if (!p)
		return;
	memcpy(p, data, len);
	b->len += len;
}

void
mqbuf_put_zeros(struct mqbuf *b, size_t len)
{
	void *p;

	if (len == 0)
		return;
	p = mqbuf_reserve(b, len);
	if (!p)
		return;
	memset(p, 0, len);
	b->len += len;
}

void
mqbuf_put_u8(struct mqbuf *b, uint8_t v)
{
	uint8_t *p = mqbuf_reserve(b, sizeof(v));

	if (!p)
		return;
	*p = v;
	b->len += sizeof(v);
}

void
mqbuf_put_u16(struct mqbuf *b, uint16_t v)
{
	uint8_t *p = mqbuf_reserve(b, sizeof(v));

	if (!p)
		return;
	mqbuf_set_u16(p, v);
	b->len += sizeof(v);
}

void
mqbuf_put_u32(struct mqbuf *b, uint32_t v)
{
	uint8_t *p = mqbuf_reserve(b, sizeof(v));

	if (!p)
		return;
	mqbuf_set_u32(p, v);
	b->len += sizeof(v);
}

void
mqbuf_put_u64(struct mqbuf *b, uint64_t v)
{
	uint8_t *p = mqbuf_reserve(b, sizeof(v));

	if (!p)
		return;
	mqbuf_set_u64(p, v);
	b->len += sizeof(v);
}

void
mqbuf_put_str16(struct mqbuf *b, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT16_MAX) {
		if (!b->err)
			b->err = MQI_E_TOO_BIG;
		return;
	}
	mqbuf_put_u16(b, (uint16_t)len);
	mqbuf_put(b, s, len);
}

void
mqbuf_put_bytes32(struct mqbuf *b, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		if (!b->err)
			b->err = MQI_E_TOO_BIG;
		return;
	}
	mqbuf_put_u32(b, (uint32_t)len);
	mqbuf_put(b, data, len);
}

void
mqbuf_patch_u32(struct mqbuf *b, size_t offset, uint32_t v)
{
	if (b->err)
		return;
	MQ_PRE(b->len >= sizeof(v) && offset <= b->len - sizeof(v));
	mqbuf_set_u32(b->data + offset, v);
}

void
mqreader_init(struct mqreader *r, const void *data, size_t len)
{
	static const uint8_t nothing[1];

	/* so that a pointer to no bytes is never NULL: NULL is the error */
	r->p = data ? data : nothing;
	r->end = r->p + (data ? len : 0);
	r->err = data || len == 0 ? MQI_OK : MQI_E_PROTOCOL;
}

size_t
mqreader_left(const struct mqreader *r)
{
	return (size_t)(r->end - r->p);
}

const void *
mqreader_bytes(struct mqreader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err)
		return NULL;
	if (n > mqreader_left(r)) {
		r->err = MQI_E_PROTOCOL;
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t
mqreader_u8(struct mqreader *r)
{
	const uint8_t *p = mqreader_bytes(r, sizeof(uint8_t));

	return p ? *p : 0;
}

uint16_t
mqreader_u16(struct mqreader *r)
{
	const uint8_t *p = mqreader_bytes(r, sizeof(uint16_t));

	return p ? mqbuf_get_u16(p) : 0;
}

uint32_t
mqreader_u32(struct mqreader *r)
{
	const uint8_t *p = mqreader_bytes(r, sizeof(uint32_t));

	return p ? mqbuf_get_u32(p) : 0;
}

uint64_t
mqreader_u64(struct mqreader *r)
{
	const uint8_t *p = mqreader_bytes(r, sizeof(uint64_t));

	return p ? mqbuf_get_u64(p) : 0;
}

void
mqreader_copy(struct mqreader *r, void *dst, size_t n)
{
	const void *p = mqreader_bytes(r, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

void
mqreader_str16(struct mqreader *r, char *dst, size_t cap)
{
	size_t len = mqreader_u16(r);
	const char *p;

	MQ_PRE(cap > 0);
	dst[0] = '\0';
	p = mqreader_bytes(r, len);
	if (!p)
		return;
	if (len >= cap || memchr(p, '\0', len)) {
		r->err = MQI_E_PROTOCOL;
		return;
	}
	memcpy(dst, p, len);
	dst[len] = '\0';
}

const void *
mqreader_bytes32(struct mqreader *r, size_t *ret_len)
{
	size_t len = mqreader_u32(r);
	const void *p = mqreader_bytes(r, len);

	*ret_len = p ? len : 0;
	return p;
}

enum mqi_err
mqreader_done(const struct mqreader *r)
{
	if (r->err)
		return r->err;
	return r->p == r->end ? MQI_OK : MQI_E_PROTOCOL;
}

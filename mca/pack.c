/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.c - compression of messages on a channel (pack.h), by zlib and LZ4.
 *
 * Neighbours: channel.c packs what it sends and opens what it hears;
 * base/compress.c has the names.
 *
 * Each PACKED frame stands for itself: up to MQCHAN_MAX_RAW bytes of whole
 * frames, so many small messages are compressed together and a piece of a large
 * one alone.  What does not become shorter is sent as it is.
 *
 * Invariants: nothing is expanded beyond the length that the frame promises,
 * which is bounded: a few bytes cannot become a flood.
 *
 * Failure: bytes that do not expand to exactly what was promised are
 * MQI_E_PROTOCOL, and end the channel.
 */
#include "mca/pack.h"

#include <lz4.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

#define FAST_LEVEL 1
#define HIGH_LEVEL 9
#define WORTH 64u /* shorter runs of frames are sent as they are */

struct pack {
	enum mqcompress how;
	bool deflating;
	bool inflating;
	z_stream deflate;
	z_stream inflate;
	uint8_t *lz4;     /* LZ4's state */
	struct mqbuf buf; /* what was compressed, or opened, last */
};

struct pack *
pack_new(enum mqcompress how)
{
	struct pack *p = calloc(1, sizeof(*p));

	MQ_PRE(how != MQCOMPRESS_NONE);
	if (p == NULL)
		return NULL;
	p->how = how;
	mqbuf_init(&p->buf, (size_t)2 * MQCHAN_MAX_RAW);
	return p;
}

struct pack *
pack_free(struct pack *p)
{
	if (p == NULL)
		return NULL;
	if (p->deflating)
		(void)deflateEnd(&p->deflate);
	if (p->inflating)
		(void)inflateEnd(&p->inflate);
	free(p->lz4);
	mqbuf_fini(&p->buf);
	free(p);
	return NULL;
}

enum mqcompress
pack_how(const struct pack *p)
{
	return p->how;
}

/* ---- compressing ---- */

/* The length of what is in buf then; 0: it does not fit in cap bytes. */
static size_t
squeeze_lz4(struct pack *p, const uint8_t *raw, size_t len, size_t cap)
{
	if (p->lz4 == NULL)
		p->lz4 = mqmem_alloc((size_t)LZ4_sizeofState());
	return (size_t)LZ4_compress_fast_extState(p->lz4, (const char *)raw,
	    (char *)p->buf.data, (int)len, (int)cap, 1);
}

static size_t
squeeze_zlib(struct pack *p, const uint8_t *raw, size_t len, size_t cap)
{
	z_stream *z = &p->deflate;
	int level = p->how == MQCOMPRESS_ZLIBHIGH ? HIGH_LEVEL : FAST_LEVEL;
	int rc = p->deflating ? deflateReset(z) : deflateInit(z, level);

	if (rc != Z_OK)
		return 0;
	p->deflating = true;
	z->next_in = (Bytef *)(uintptr_t)raw;
	z->avail_in = (uInt)len;
	z->next_out = p->buf.data;
	z->avail_out = (uInt)cap;
	return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

/* One run of whole frames. */
static enum mqi_err
pack_run(struct pack *p, const uint8_t *raw, size_t len, struct mqbuf *ret)
{
	struct mqchan_packed v = {
	    .algorithm = (uint8_t)p->how, .raw_len = (uint32_t)len};
	size_t n = 0;

	mqbuf_reset(&p->buf);
	if (mqbuf_reserve(&p->buf, len) == NULL)
		return MQI_E_NO_MEMORY;
	/* it must become shorter, its own frame counted */
	if (len >= WORTH && p->how == MQCOMPRESS_LZ4FAST)
		n = squeeze_lz4(p, raw, len, len - MQCHAN_PACKED_HEAD);
	else if (len >= WORTH)
		n = squeeze_zlib(p, raw, len, len - MQCHAN_PACKED_HEAD);
	if (n == 0) {
		mqbuf_put(ret, raw, len);
		return ret->err;
	}
	v.data = p->buf.data;
	v.len = (uint32_t)n;
	mqchan_encode_packed(ret, &v);
	return ret->err;
}

enum mqi_err
pack_frames(
    struct pack *p, const uint8_t *frames, size_t len, struct mqbuf *ret)
{
	enum mqi_err err = MQI_OK;
	size_t from = 0, at = 0;

	while (at < len && err == MQI_OK) {
		size_t n = MQFRAME_HEADER + mqbuf_get_u32(frames + at);

		MQ_PRE(n <= len - at);
		if (at > from && at + n - from > MQCHAN_MAX_RAW) {
			err = pack_run(p, frames + from, at - from, ret);
			from = at;
		}
		at += n;
	}
	if (err == MQI_OK && at > from)
		err = pack_run(p, frames + from, at - from, ret);
	return err;
}

/* ---- opening ---- */

static bool
open_lz4(struct pack *p, const struct mqchan_packed *v)
{
	int n = LZ4_decompress_safe(
	    v->data, (char *)p->buf.data, (int)v->len, (int)v->raw_len);

	return n >= 0 && (uint32_t)n == v->raw_len;
}

static bool
open_zlib(struct pack *p, const struct mqchan_packed *v)
{
	z_stream *z = &p->inflate;
	int rc = p->inflating ? inflateReset(z) : inflateInit(z);

	if (rc != Z_OK)
		return false;
	p->inflating = true;
	z->next_in = (Bytef *)(uintptr_t)v->data;
	z->avail_in = v->len;
	z->next_out = p->buf.data;
	z->avail_out = v->raw_len;
	return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_in == 0 &&
	       z->avail_out == 0;
}

enum mqi_err
pack_open(struct pack *p, const struct mqchan_packed *v, const uint8_t **ret)
{
	bool good;

	if (v->algorithm != p->how)
		return MQI_E_PROTOCOL;
	MQ_PRE(v->raw_len <= MQCHAN_MAX_RAW);
	mqbuf_reset(&p->buf);
	if (mqbuf_reserve(&p->buf, v->raw_len) == NULL)
		return MQI_E_NO_MEMORY;
	good = p->how == MQCOMPRESS_LZ4FAST ? open_lz4(p, v) : open_zlib(p, v);
	if (!good)
		return MQI_E_PROTOCOL;
	*ret = p->buf.data;
	return MQI_OK;
}

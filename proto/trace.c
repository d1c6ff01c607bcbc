/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - the bytes of a trace-route message's body (trace.h).
 *
 * Neighbours: the engine adds a hop at each put; mqadmin makes the first body
 * and shows what came back.
 * Invariant: what is added to a good body is a good body.
 */
#include "proto/trace.h"

#include <string.h>

static const uint8_t magic[4] = {'S', 'L', 'T', 'R'};

#define VERSION 1u
#define HEADER 8u /* magic, u16 version, u16 hops */

static void
put_name(struct mqbuf *b, const char *s)
{
	size_t n = strlen(s);

	MQ_PRE(n <= MQI_NAME_LEN);
	mqbuf_put_u8(b, (uint8_t)n);
	mqbuf_put(b, s, n);
}

static void
put_header(struct mqbuf *b, uint16_t n)
{
	mqbuf_put(b, magic, sizeof(magic));
	mqbuf_put_u16(b, VERSION);
	mqbuf_put_u16(b, n);
}

void
mqtrace_begin(struct mqbuf *out)
{
	put_header(out, 0);
}

/* Each hop begins with its length, so that later ones may have more. */
static void
put_hop(struct mqbuf *b, const struct mqtrace_hop *h)
{
	size_t n = 8 + 1 + 5 + strlen(h->qmgr) + strlen(h->queue) +
		   strlen(h->to_qmgr) + strlen(h->put_on) + strlen(h->channel);

	mqbuf_put_u16(b, (uint16_t)n);
	mqbuf_put_u64(b, h->time_ms);
	mqbuf_put_u8(b, h->what);
	put_name(b, h->qmgr);
	put_name(b, h->queue);
	put_name(b, h->to_qmgr);
	put_name(b, h->put_on);
	put_name(b, h->channel);
}

static void
get_name(struct mqreader *r, char *ret, size_t max)
{
	uint8_t n = mqreader_u8(r);
	const void *p = mqreader_bytes(r, n);

	if (r->err == MQI_OK && (n > max || memchr(p, '\0', n) != NULL))
		r->err = MQI_E_PROTOCOL;
	if (r->err != MQI_OK)
		return;
	memcpy(ret, p, n);
	ret[n] = '\0';
}

static enum mqi_err
get_hop(struct mqreader *whole, struct mqtrace_hop *ret)
{
	uint16_t n = mqreader_u16(whole);
	const void *p = mqreader_bytes(whole, n);
	struct mqreader r;

	if (whole->err != MQI_OK)
		return whole->err;
	mqreader_init(&r, p, n);
	memset(ret, 0, sizeof(*ret));
	ret->time_ms = mqreader_u64(&r);
	ret->what = mqreader_u8(&r);
	get_name(&r, ret->qmgr, MQI_NAME_LEN);
	get_name(&r, ret->queue, MQI_NAME_LEN);
	get_name(&r, ret->to_qmgr, MQI_NAME_LEN);
	get_name(&r, ret->put_on, MQI_NAME_LEN);
	get_name(&r, ret->channel, MQI_CHANNEL_NAME_LEN);
	return r.err;
}

enum mqi_err
mqtrace_decode(
    const void *body, size_t len, struct mqtrace_hop *ret, uint32_t *ret_n)
{
	enum mqi_err err = MQI_OK;
	struct mqreader r;
	uint16_t n;

	if (len < HEADER || len > MQTRACE_MAX_BODY ||
	    memcmp(body, magic, sizeof(magic)) != 0)
		return MQI_E_PROTOCOL;
	mqreader_init(&r, body, len);
	(void)mqreader_u32(&r);
	if (mqreader_u16(&r) != VERSION)
		return MQI_E_PROTOCOL;
	n = mqreader_u16(&r);
	if (n > MQTRACE_MAX_HOPS)
		return MQI_E_PROTOCOL;
	for (uint16_t i = 0; i < n && err == MQI_OK; i++)
		err = get_hop(&r, &ret[i]);
	if (err == MQI_OK)
		err = mqreader_done(&r);
	if (err == MQI_OK)
		*ret_n = n;
	return err;
}

enum mqi_err
mqtrace_add(const void *body, size_t len, const struct mqtrace_hop *hop,
    struct mqbuf *out)
{
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	uint32_t n = 0;
	enum mqi_err err = mqtrace_decode(body, len, hops, &n);

	if (err != MQI_OK)
		return err;
	if (n == MQTRACE_MAX_HOPS || len + MQTRACE_MAX_HOP > MQTRACE_MAX_BODY)
		return MQI_E_TOO_BIG;
	put_header(out, (uint16_t)(n + 1));
	mqbuf_put(out, (const uint8_t *)body + HEADER, len - HEADER);
	put_hop(out, hop);
	return out->err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.c - ALPN of a TLS ClientHello (RFC 8446, 4.1.2 and 5.1).
 *
 *   record      u8 22, u16 0x03xx, u16 length, bytes; several may follow each
 *               other
 *   handshake   u8 1, u24 length, then
 *   ClientHello u16 version, 32 bytes, u8+ session, u16+ suites, u8+
 *               compression, u16+ extensions
 *   extension   u16 type, u16+ bytes; 16 is ALPN: u16+ list of u8+ names
 *
 * Big-endian; "u8+" is a length and so many bytes.  Neighbours: the listener
 * (mca/arrival.c) peeks the bytes; fuzz_client_hello.c.
 *
 * Failure: bytes that no ClientHello begins with, and lengths that lead out
 * of what holds them, are NOT_TLS at once; OpenSSL would refuse them too.
 */
#include "proto/client_hello.h"

#include <string.h>

#define RECORD_HEADER 5u
#define RECORD_MAX 16384u
#define HANDSHAKE_HEADER 4u
#define EXTENSION_ALPN 16u

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static uint32_t
take(struct cursor *c, unsigned bytes)
{
	uint32_t v = 0;

	if ((size_t)(c->end - c->p) < bytes) {
		c->bad = true;
		return 0;
	}
	for (; bytes > 0; bytes--)
		v = v << 8 | *c->p++;
	return v;
}

/* What a length of so many bytes leads. */
static struct cursor
take_part(struct cursor *c, unsigned length_bytes)
{
	uint32_t len = take(c, length_bytes);
	struct cursor part = {c->p, c->p, false};

	if (c->bad || (size_t)(c->end - c->p) < len) {
		c->bad = part.bad = true;
		return part;
	}
	part.end = c->p += len;
	return part;
}

/* Puts the handshake bytes of the records together; false: not TLS. */
static bool
join_records(const uint8_t *data, size_t len, uint8_t *ret, size_t *ret_len)
{
	size_t n, have = 0;

	while (len > 0) {
		if (data[0] != 0x16 || (len > 1 && data[1] != 0x03))
			return false;
		if (len < RECORD_HEADER)
			break;
		n = (size_t)data[3] << 8 | data[4];
		if (n == 0 || n > RECORD_MAX)
			return false;
		data += RECORD_HEADER;
		len -= RECORD_HEADER;
		if (n > len)
			n = len;
		memcpy(ret + have, data, n);
		have += n;
		data += n;
		len -= n;
		/* whatever comes behind the ClientHello is nobody's yet */
		if (have >= HANDSHAKE_HEADER &&
		    have - HANDSHAKE_HEADER >=
			((size_t)ret[1] << 16 | (size_t)ret[2] << 8 | ret[3]))
			break;
	}
	*ret_len = have;
	return true;
}

static void
read_alpn(struct cursor list, struct mq_alpn *ret)
{
	while (list.p < list.end) {
		const uint8_t *start = list.p;
		struct cursor name = take_part(&list, 1);
		size_t n = (size_t)(name.end - start);

		if (list.bad)
			return;
		if (n > sizeof(ret->list) - ret->len)
			continue;
		memcpy(ret->list + ret->len, start, n);
		ret->len += n;
	}
}

/* The body of the ClientHello; false: malformed. */
static bool
read_body(struct cursor c, struct mq_alpn *ret)
{
	struct cursor extensions, extension, list;

	(void)take(&c, 2);
	if (c.end - c.p < 32)
		return false;
	c.p += 32;
	(void)take_part(&c, 1);
	(void)take_part(&c, 2);
	(void)take_part(&c, 1);
	if (!c.bad && c.p == c.end)
		return true; /* before TLS 1.2 there may be none */
	extensions = take_part(&c, 2);
	while (!c.bad && !extensions.bad && extensions.p < extensions.end) {
		uint32_t type = take(&extensions, 2);

		extension = take_part(&extensions, 2);
		if (extensions.bad)
			return false;
		if (type != EXTENSION_ALPN)
			continue;
		list = take_part(&extension, 2);
		if (extension.bad)
			return false;
		read_alpn(list, ret);
	}
	return !c.bad && !extensions.bad;
}

enum mq_client_hello
mq_client_hello_parse(const uint8_t *data, size_t len, struct mq_alpn *ret)
{
	uint8_t joined[MQ_CLIENT_HELLO_MAX];
	struct cursor c = {joined, joined, false};
	struct mq_alpn alpn = {.len = 0};
	size_t have = 0, want;

	if (len > MQ_CLIENT_HELLO_MAX)
		len = MQ_CLIENT_HELLO_MAX;
	if (!join_records(data, len, joined, &have))
		return MQ_CLIENT_HELLO_NOT_TLS;
	if (have > 0 && joined[0] != 1)
		return MQ_CLIENT_HELLO_NOT_TLS;
	if (have < HANDSHAKE_HEADER)
		return MQ_CLIENT_HELLO_MORE;
	want = (size_t)joined[1] << 16 | (size_t)joined[2] << 8 | joined[3];
	if (want > MQ_CLIENT_HELLO_MAX - HANDSHAKE_HEADER - RECORD_HEADER)
		return MQ_CLIENT_HELLO_NOT_TLS;
	if (have - HANDSHAKE_HEADER < want)
		return len == MQ_CLIENT_HELLO_MAX ? MQ_CLIENT_HELLO_NOT_TLS
						  : MQ_CLIENT_HELLO_MORE;
	c.p = joined + HANDSHAKE_HEADER;
	c.end = c.p + want;
	if (!read_body(c, &alpn))
		return MQ_CLIENT_HELLO_NOT_TLS;
	*ret = alpn;
	return MQ_CLIENT_HELLO_OK;
}

bool
mq_alpn_has(const struct mq_alpn *a, const char *protocol)
{
	size_t len = strlen(protocol), i = 0;

	for (; i < a->len; i += 1u + a->list[i])
		if (a->list[i] == len &&
		    memcmp(a->list + i + 1, protocol, len) == 0)
			return true;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlh.c - the bytes of MQDLH (dlh.h has the table).
 *
 * The receiver puts the header in front of a body that it cannot deliver;
 * mqadmin and applications read it back.  Encoding cannot fail: longer strings
 * than a field do not exist in the struct.  Decoding checks identifier,
 * version and length, and takes the rest as it is.
 */
#include "proto/dlh.h"

#include <string.h>

#include "base/buf.h"

#define DLH_VERSION 1u

static void
pad(uint8_t *p, const char *s, size_t len)
{
	size_t n = strnlen(s, len);

	memset(p, ' ', len);
	memcpy(p, s, n);
}

static void
cut(char *s, const uint8_t *p, size_t len)
{
	size_t n = len;

	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\0'))
		n--;
	memcpy(s, p, n);
	memset(s + n, 0, len + 1 - n);
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void
mqdlh_encode(const struct mqdlh *h, uint8_t ret[MQDLH_LEN])
{
	pad(ret, "DLH", 4);
	put_u32(ret + 4, DLH_VERSION);
	put_u32(ret + 8, h->reason);
	pad(ret + 12, h->queue, 48);
	pad(ret + 60, h->qmgr, 48);
	put_u32(ret + 108, h->encoding);
	put_u32(ret + 112, h->ccsid);
	pad(ret + 116, h->format, 8);
	put_u32(ret + 124, h->put_appl_type);
	pad(ret + 128, h->put_appl_name, 28);
	pad(ret + 156, h->put_date, 8);
	pad(ret + 164, h->put_time, 8);
}

enum mqi_err
mqdlh_decode(const void *data, size_t len, struct mqdlh *ret)
{
	const uint8_t *p = data;

	if (len < MQDLH_LEN || memcmp(p, "DLH ", 4) != 0 ||
	    mqbuf_get_u32(p + 4) != DLH_VERSION)
		return MQI_E_PROTOCOL;
	ret->reason = mqbuf_get_u32(p + 8);
	cut(ret->queue, p + 12, 48);
	cut(ret->qmgr, p + 60, 48);
	ret->encoding = mqbuf_get_u32(p + 108);
	ret->ccsid = mqbuf_get_u32(p + 112);
	cut(ret->format, p + 116, 8);
	ret->put_appl_type = mqbuf_get_u32(p + 124);
	cut(ret->put_appl_name, p + 128, 28);
	cut(ret->put_date, p + 156, 8);
	cut(ret->put_time, p + 164, 8);
	return MQI_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_hello.h - the one thing that is read of TLS outside of OpenSSL: which
 * protocols (ALPN, RFC 7301) a ClientHello offers, so that a listener can give
 * the connection, unread, to whom it is for.  Pure; thread-safe.
 */
#ifndef MQ_PROTO_CLIENT_HELLO_H
#define MQ_PROTO_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A ClientHello, with its record headers, must fit in so many bytes. */
#define MQ_CLIENT_HELLO_MAX 16384u

enum mq_client_hello {
	MQ_CLIENT_HELLO_MORE,    /* not whole yet */
	MQ_CLIENT_HELLO_OK,      /* whole: the offer, which may be empty */
	MQ_CLIENT_HELLO_NOT_TLS, /* it cannot become one */
};

struct mq_alpn {
	uint8_t list[256]; /* as sent: length and bytes of each; what is longer
			      is not for us and left out */
	size_t len;
};

enum mq_client_hello mq_client_hello_parse(
    const uint8_t *data, size_t len, struct mq_alpn *ret);
bool mq_alpn_has(const struct mq_alpn *a, const char *protocol);

#endif

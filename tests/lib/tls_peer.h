/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_peer.h - the other end of a TLS connection, spoken by hand, well or
 * badly: bytes out, and whole frames in.  It believes whatever certificate it
 * is shown.
 *
 * What cannot fail dies (proc.h).  Reads and writes wait TLS_PEER_LIMIT_S.
 */
#ifndef MQ_TESTS_TLS_PEER_H
#define MQ_TESTS_TLS_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

#define TLS_PEER_LIMIT_S 20

struct tls_peer {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	size_t len;
	size_t used; /* by the frame that was given last */
	uint8_t buf[MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD];
};

struct tls_peer_opts {
	const char *alpn;
	const char *dir;  /* of cert.pem and key.pem; NULL: none */
	const char *from; /* our address; NULL: any */
	int version;      /* TLS1_2_VERSION; 0: any */
	/* as of a slow line; 0: the kernel's */
	int recv_buf; /* SO_RCVBUF */
	int mss;      /* TCP_MAXSEG */
};

/* A TCP connection to 127.0.0.1(port). */
int tls_peer_knock(int port, const struct tls_peer_opts *opts);
/* And TLS on it. */
struct tls_peer *tls_peer_connect(int port, const struct tls_peer_opts *opts);
/* Takes one that was accepted.  NULL: its TLS failed. */
struct tls_peer *tls_peer_answer(int fd, const struct tls_peer_opts *opts);
/* Whether all of it was taken. */
bool tls_peer_say(struct tls_peer *p, const void *data, size_t len);
/* The next frame, which stays until the next call.  False: it ended before. */
bool tls_peer_hear(struct tls_peer *p, struct mqframe *ret);
/* Closes it as it is. */
void tls_peer_free(struct tls_peer *p);

#endif

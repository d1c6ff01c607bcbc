/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_peer.c - TLS by hand (tls_peer.h), with OpenSSL on a blocking socket.
 *
 * Neighbours: tls/ca makes the certificates; proto/frame.c cuts what comes.
 * Failure: a step that no partner can make fail aborts the test; everything
 * else is false or NULL, and OpenSSL's queue of errors is left empty.
 */
#include "tests/lib/tls_peer.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/lib/proc.h"

static void
must(bool ok, const char *what)
{
	if (!ok)
		proc_die(NULL, what);
}

static struct sockaddr_in
address(const char *host, int port)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	must(inet_pton(AF_INET, host, &sin.sin_addr) == 1, host);
	return sin;
}

static void
set_patience(int fd)
{
	struct timeval limit = {.tv_sec = TLS_PEER_LIMIT_S};

	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ==
		     0 &&
		 setsockopt(
		     fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0,
	    "timeouts");
}

static void
set_int(int fd, int level, int name, int v)
{
	must(v == 0 || setsockopt(fd, level, name, &v, sizeof(v)) == 0,
	    "a socket option");
}

int
tls_peer_knock(int port, const struct tls_peer_opts *opts)
{
	struct sockaddr_in sin = address("127.0.0.1", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0, "socket");
	set_patience(fd);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, opts->recv_buf);
	set_int(fd, IPPROTO_TCP, TCP_MAXSEG, opts->mss);
	if (opts->from != NULL) {
		struct sockaddr_in own = address(opts->from, 0);

		must(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0,
		    opts->from);
	}
	must(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0, "connect");
	return fd;
}

static void
use_certificate(SSL_CTX *ctx, const char *dir)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.4000s/cert.pem", dir);
	must(SSL_CTX_use_certificate_chain_file(ctx, path) == 1, path);
	(void)snprintf(path, sizeof(path), "%.4000s/key.pem", dir);
	must(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1,
	    path);
}

static int
believe(int ok, X509_STORE_CTX *v)
{
	(void)ok;
	(void)v;
	return 1;
}

/* As server: the one protocol that is spoken here. */
static int
choose(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
    const unsigned char *offered, unsigned len, void *arg)
{
	const char *alpn = arg;

	(void)ssl;
	if (len != strlen(alpn) + 1 || memcmp(offered + 1, alpn, len - 1) != 0)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = offered + 1;
	*ret_len = offered[0];
	return SSL_TLSEXT_ERR_OK;
}

static struct tls_peer *
peer_new(int fd, bool server, const struct tls_peer_opts *opts)
{
	struct tls_peer *p = calloc(1, sizeof(*p));

	must(p != NULL, "no memory");
	p->fd = fd;
	p->ctx =
	    SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	must(p->ctx != NULL, "SSL_CTX_new");
	if (opts->dir != NULL)
		use_certificate(p->ctx, opts->dir);
	if (opts->version != 0)
		must(SSL_CTX_set_max_proto_version(p->ctx, opts->version) == 1,
		    "version");
	if (server) {
		SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, believe);
		SSL_CTX_set_alpn_select_cb(p->ctx, choose, (void *)opts->alpn);
	}
	p->ssl = SSL_new(p->ctx);
	must(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1, "SSL_new");
	return p;
}

struct tls_peer *
tls_peer_connect(int port, const struct tls_peer_opts *opts)
{
	struct tls_peer *p = peer_new(tls_peer_knock(port, opts), false, opts);
	size_t n = strlen(opts->alpn);
	unsigned char alpn[64];

	must(n < sizeof(alpn), opts->alpn);
	alpn[0] = (unsigned char)n;
	memcpy(alpn + 1, opts->alpn, n);
	must(SSL_set_alpn_protos(p->ssl, alpn, (unsigned)n + 1) == 0, "alpn");
	must(SSL_connect(p->ssl) == 1, "the TLS handshake");
	return p;
}

struct tls_peer *
tls_peer_answer(int fd, const struct tls_peer_opts *opts)
{
	struct tls_peer *p;

	set_patience(fd);
	p = peer_new(fd, true, opts);
	if (SSL_accept(p->ssl) == 1)
		return p;
	tls_peer_free(p);
	return NULL;
}

bool
tls_peer_say(struct tls_peer *p, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t at = 0;
	int n = 1;

	while (at < len && n > 0) {
		size_t left = len - at;

		n = SSL_write(
		    p->ssl, bytes + at, left > INT_MAX ? INT_MAX : (int)left);
		at += n > 0 ? (size_t)n : 0;
	}
	ERR_clear_error();
	return at == len;
}

bool
tls_peer_hear(struct tls_peer *p, struct mqframe *ret)
{
	memmove(p->buf, p->buf + p->used, p->len - p->used);
	p->len -= p->used;
	p->used = 0;
	while (mqframe_parse(p->buf, p->len, ret, &p->used) != MQFRAME_OK) {
		int n = SSL_read(
		    p->ssl, p->buf + p->len, (int)(sizeof(p->buf) - p->len));

		ERR_clear_error();
		p->used = 0;
		if (n <= 0)
			return false;
		p->len += (size_t)n;
	}
	return true;
}

void
tls_peer_free(struct tls_peer *p)
{
	(void)close(p->fd);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	ERR_clear_error();
	free(p);
}

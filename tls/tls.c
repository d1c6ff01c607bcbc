/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c - connections over a BIO of two buffers: what came from the network
 * goes into one, what is to go to it comes out of the other.
 *
 * The agents' loops (mca/link.c) own the sockets.  Since nothing here touches
 * one, WANT_READ only ever means "not enough bytes yet", and a write never
 * waits.  The error queue is emptied before each call and read right after it,
 * and OpenSSL's words are put into `why` in one place (mqtls_why).
 *
 * Happy path: feed, handshake until done, then read and write; pending bytes
 * are taken after each step.  Failure: a partner without a certificate, with
 * an expired or foreign one, with another ALPN, or with bytes that are not
 * TLS: the error and the alert that tells the partner, which the caller should
 * still take and send.  A stream that ends without the closing alert is
 * reported as such by the caller, who sees the socket end.
 */
#include "tls/tls.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tls/tls_ctx.h"
#include "tls/tls_name.h"

#define ALPN_MAX 64u
#define BUFFER_MAX ((size_t)1024 * 1024 * 1024)
#define BUFFER_KEEP 131072u

struct mqtls_conn {
	SSL *ssl;
	struct mqbuf in; /* from the network, not taken by OpenSSL yet */
	size_t in_at;
	struct mqbuf out; /* for the network */
	size_t out_at;    /* of which so much has left */
	size_t keep;      /* memory that an empty one of the two keeps */
	bool server;
	bool shaken;
	uint8_t alpn[ALPN_MAX + 1];      /* length, then the bytes */
	char refused[MQTLS_SUBJECT_LEN]; /* subject of a refused partner */
	char why[MQTLS_WHY_LEN];
};

/* ---- the BIO ---- */

/* So many bytes of the buffer are done with. */
static void
consume(struct mqbuf *b, size_t *at, size_t n, size_t keep)
{
	*at += n;
	if (*at < b->len) {
		/* moved seldom, so that it costs little */
		if (*at < b->len / 2)
			return;
		mqbuf_consume(b, *at);
	} else if (b->cap > keep) {
		mqbuf_fini(b);
	} else {
		mqbuf_reset(b);
	}
	*at = 0;
}

static int
bio_write(BIO *bio, const char *data, size_t len, size_t *ret_done)
{
	struct mqtls_conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	mqbuf_put(&c->out, data, len);
	if (c->out.err != MQI_OK)
		return 0;
	*ret_done = len;
	return 1;
}

static int
bio_read(BIO *bio, char *data, size_t len, size_t *ret_done)
{
	struct mqtls_conn *c = BIO_get_data(bio);
	size_t n = c->in.len - c->in_at;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (n > len)
		n = len;
	memcpy(data, c->in.data + c->in_at, n);
	consume(&c->in, &c->in_at, n, c->keep);
	*ret_done = n;
	return 1;
}

static long
bio_ctrl(BIO *bio, int what, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return what == BIO_CTRL_FLUSH;
}

static int
bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *bio_method;

static void
make_bio_method(void)
{
	BIO_METHOD *m =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");

	if (m != NULL && BIO_meth_set_write_ex(m, bio_write) == 1 &&
	    BIO_meth_set_read_ex(m, bio_read) == 1 &&
	    BIO_meth_set_ctrl(m, bio_ctrl) == 1 &&
	    BIO_meth_set_create(m, bio_create) == 1)
		bio_method = m;
	else
		BIO_meth_free(m);
}

/* NULL: no memory. */
static BIO *
bio_new(struct mqtls_conn *c)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	(void)pthread_once(&once, make_bio_method);
	if (bio_method == NULL)
		return NULL;
	bio = BIO_new(bio_method);
	if (bio != NULL)
		BIO_set_data(bio, c);
	return bio;
}

/* ---- connections ---- */

/* Keeps the name of a partner whose certificate does not verify: OpenSSL
 * forgets the certificate. */
static int
on_verify(int ok, X509_STORE_CTX *v)
{
	SSL *ssl =
	    X509_STORE_CTX_get_ex_data(v, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct mqtls_conn *c = SSL_get_app_data(ssl);
	X509 *cert = X509_STORE_CTX_get0_cert(v);

	if (!ok &&
	    (cert == NULL || mqtls_name_text(X509_get_subject_name(cert),
				 c->refused, sizeof(c->refused)) != MQI_OK))
		(void)snprintf(c->refused, sizeof(c->refused), "?");
	return ok;
}

/* Server: takes our protocol if it is among those offered. */
static int
choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
    const unsigned char *offered, unsigned offered_len, void *arg)
{
	const struct mqtls_conn *c = SSL_get_app_data(ssl);
	unsigned i = 0;

	(void)arg;
	while (i < offered_len && i + 1u + offered[i] <= offered_len) {
		if (offered[i] == c->alpn[0] &&
		    memcmp(offered + i + 1, c->alpn + 1, c->alpn[0]) == 0) {
			*ret = offered + i + 1;
			*ret_len = offered[i];
			return SSL_TLSEXT_ERR_OK;
		}
		i += 1u + offered[i];
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

enum mqi_err
mqtls_conn_new(struct mqtls_ctx *ctx, bool server, const char *alpn,
    struct mqtls_conn **ret_conn)
{
	struct mqtls_conn *c = calloc(1, sizeof(*c));
	size_t alpn_len = strlen(alpn);
	BIO *bio;

	MQ_PRE(alpn_len > 0 && alpn_len <= ALPN_MAX);
	if (c == NULL)
		return MQI_E_NO_MEMORY;
	ERR_clear_error();
	c->server = server;
	c->keep = BUFFER_KEEP;
	c->alpn[0] = (uint8_t)alpn_len;
	memcpy(c->alpn + 1, alpn, alpn_len);
	mqbuf_init(&c->in, BUFFER_MAX);
	mqbuf_init(&c->out, BUFFER_MAX);
	c->ssl = SSL_new(ctx->ssl);
	bio = bio_new(c);
	if (c->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		SSL_free(c->ssl);
		free(c);
		return MQI_E_NO_MEMORY;
	}
	SSL_set_bio(c->ssl, bio, bio);
	(void)SSL_set_app_data(c->ssl, c);
	SSL_set_verify(c->ssl,
	    SSL_VERIFY_PEER | (server && ctx->partner_optional
				      ? 0
				      : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
	    on_verify);
	if (server) {
		SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_alpn, NULL);
		SSL_set_accept_state(c->ssl);
	} else {
		SSL_set_connect_state(c->ssl);
		if (SSL_set_alpn_protos(
			c->ssl, c->alpn, (unsigned)alpn_len + 1) != 0)
			return mqtls_conn_free(c),
			       MQI_E_SSL_INITIALIZATION_ERROR;
	}
	*ret_conn = c;
	return MQI_OK;
}

struct mqtls_conn *
mqtls_conn_free(struct mqtls_conn *c)
{
	if (c != NULL) {
		SSL_free(c->ssl);
		mqbuf_fini(&c->in);
		mqbuf_fini(&c->out);
		free(c);
	}
	return NULL;
}

void
mqtls_save_memory(struct mqtls_conn *c)
{
	c->keep = 0;
	(void)SSL_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
}

const char *
mqtls_error(const struct mqtls_conn *c)
{
	return c->why;
}

enum mqi_err
mqtls_feed(struct mqtls_conn *c, const void *data, size_t len)
{
	mqbuf_put(&c->in, data, len);
	return c->in.err;
}

size_t
mqtls_unread(const struct mqtls_conn *c)
{
	return c->in.len - c->in_at;
}

size_t
mqtls_pending(const struct mqtls_conn *c)
{
	return c->out.len - c->out_at;
}

const void *
mqtls_output(const struct mqtls_conn *c, size_t *ret_len)
{
	*ret_len = mqtls_pending(c);
	return *ret_len > 0 ? c->out.data + c->out_at : NULL;
}

void
mqtls_sent(struct mqtls_conn *c, size_t n)
{
	MQ_PRE(n <= mqtls_pending(c));
	if (n > 0)
		consume(&c->out, &c->out_at, n, c->keep);
}

size_t
mqtls_take(struct mqtls_conn *c, void *buf, size_t cap)
{
	size_t n = mqtls_pending(c);

	if (n > cap)
		n = cap;
	if (n > 0)
		memcpy(buf, c->out.data + c->out_at, n);
	mqtls_sent(c, n);
	return n;
}

/* Also the alerts by which the partner refuses ours. */
static bool
is_about_certificate(int reason)
{
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return true;
	default:
		return false;
	}
}

/* The one place where OpenSSL's result of a call becomes ours.  OK: it only
 * wants more bytes. */
static enum mqi_err
result(struct mqtls_conn *c, int rc, const char *what)
{
	enum mqi_err err;
	long verify;

	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return MQI_OK;
	case SSL_ERROR_ZERO_RETURN:
		(void)snprintf(c->why, sizeof(c->why),
		    "%s: the partner closed the connection", what);
		return MQI_E_CLIENT_EXIT_ERROR;
	default:
		break;
	}
	verify = SSL_get_verify_result(c->ssl);
	if (!c->shaken && verify != X509_V_OK) {
		X509 *cert = SSL_get0_peer_certificate(c->ssl);
		char who[MQTLS_SUBJECT_LEN] = "?";

		if (cert != NULL && mqtls_name_text(X509_get_subject_name(cert),
					who, sizeof(who)) != MQI_OK)
			(void)snprintf(who, sizeof(who), "?");
		(void)snprintf(c->why, sizeof(c->why),
		    "the partner's certificate is refused: %s (%.256s)",
		    X509_verify_cert_error_string(verify), c->refused);
		ERR_clear_error();
		return MQI_E_CERTIFICATE;
	}
	err = is_about_certificate(ERR_GET_REASON(ERR_peek_error()))
		  ? MQI_E_CERTIFICATE
		  : MQI_E_CLIENT_EXIT_ERROR;
	mqtls_why(c->why, what);
	return err;
}

enum mqi_err
mqtls_handshake(struct mqtls_conn *c, bool *ret_done)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	int rc;

	if (c->shaken) {
		*ret_done = true;
		return MQI_OK;
	}
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc != 1) {
		enum mqi_err err = result(c, rc, "the TLS handshake failed");

		if (err == MQI_OK)
			*ret_done = false;
		return err;
	}
	SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
	if (alpn_len != c->alpn[0] ||
	    memcmp(alpn, c->alpn + 1, alpn_len) != 0) {
		(void)snprintf(c->why, sizeof(c->why),
		    "the partner does not speak %s", (char *)c->alpn + 1);
		return MQI_E_CLIENT_EXIT_ERROR;
	}
	c->shaken = true;
	*ret_done = true;
	return MQI_OK;
}

enum mqi_err
mqtls_read(struct mqtls_conn *c, void *buf, size_t cap, size_t *ret_len,
    bool *ret_closed)
{
	size_t done = 0;
	int rc;

	MQ_PRE(c->shaken);
	ERR_clear_error();
	rc = SSL_read_ex(c->ssl, buf, cap, &done);
	if (rc != 1) {
		bool closed =
		    SSL_get_error(c->ssl, rc) == SSL_ERROR_ZERO_RETURN;
		enum mqi_err err =
		    closed ? MQI_OK
			   : result(c, rc, "TLS broke on the connection");

		if (err != MQI_OK)
			return err;
		*ret_closed = closed;
		*ret_len = 0;
		return MQI_OK;
	}
	*ret_closed = false;
	*ret_len = done;
	return MQI_OK;
}

enum mqi_err
mqtls_write(struct mqtls_conn *c, const void *data, size_t len)
{
	const uint8_t *p = data;

	MQ_PRE(c->shaken);
	while (len > 0) {
		size_t done = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_write_ex(c->ssl, p, len, &done);
		if (rc != 1) {
			enum mqi_err err =
			    result(c, rc, "TLS broke on the connection");

			/* a memory BIO takes everything */
			return err != MQI_OK ? err : MQI_E_CLIENT_EXIT_ERROR;
		}
		p += done;
		len -= done;
	}
	return MQI_OK;
}

void
mqtls_close(struct mqtls_conn *c)
{
	ERR_clear_error();
	if (c->shaken && SSL_shutdown(c->ssl) < 0)
		ERR_clear_error();
}

bool
mqtls_has_peer(const struct mqtls_conn *c)
{
	MQ_PRE(c->shaken);
	return SSL_get0_peer_certificate(c->ssl) != NULL;
}

enum mqi_err
mqtls_peer(const struct mqtls_conn *c, struct mqtls_cert *ret)
{
	X509 *cert = SSL_get0_peer_certificate(c->ssl);

	MQ_PRE(c->shaken);
	return cert != NULL ? mqtls_cert_read(cert, ret) : MQI_E_CERTIFICATE;
}

enum mqi_err
mqtls_peer_again(
    const struct mqtls_conn *c, const struct mqtls_ctx *fresh, char *ret_why)
{
	MQ_PRE(c->shaken);
	return mqtls_peer_recheck(fresh, c->ssl, c->server, ret_why);
}

enum mqi_err
mqtls_peer_match(const struct mqtls_conn *c, const char *pattern,
    bool *ret_match, char *ret_why)
{
	X509 *cert = SSL_get0_peer_certificate(c->ssl);

	MQ_PRE(c->shaken);
	if (cert == NULL) {
		(void)snprintf(
		    ret_why, MQTLS_WHY_LEN, "the partner has no certificate");
		return MQI_E_CERTIFICATE;
	}
	return mqtls_name_match(
	    X509_get_subject_name(cert), pattern, ret_match, ret_why);
}

const char *
mqtls_cipher(const struct mqtls_conn *c)
{
	return SSL_get_cipher_name(c->ssl);
}

const char *
mqtls_version(const struct mqtls_conn *c)
{
	return SSL_get_version(c->ssl);
}

bool
mqtls_looks_like_tls(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len >= 3 && p[0] == 0x16 && p[1] == 0x03;
}

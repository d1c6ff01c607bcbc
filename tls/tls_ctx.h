/* SPDX-License-Identifier: Apache-2.0 */
/* tls_ctx.h - what the files of tls/ share; nobody else includes it. */
#ifndef MQ_TLS_TLS_CTX_H
#define MQ_TLS_TLS_CTX_H

#include <openssl/ssl.h>

#include "tls/tls.h"

struct mqtls_ctx {
	SSL_CTX *ssl;
	bool partner_optional; /* as in mqtls_opts */
};

/* "what: OpenSSL's reasons", from the thread's error queue, which is emptied.
 * why holds MQTLS_WHY_LEN bytes. */
void mqtls_why(char *why, const char *what);
/* Fills ret from a certificate.  Errors: CERTIFICATE, TOO_BIG. */
MQ_MUST_CHECK enum mqi_err mqtls_cert_read(X509 *cert, struct mqtls_cert *ret);
/* Looks at a live connection's partner by another context. */
MQ_MUST_CHECK enum mqi_err mqtls_peer_recheck(
    const struct mqtls_ctx *ctx, SSL *ssl, bool is_client, char *ret_why);

#endif

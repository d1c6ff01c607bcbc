/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - TLS with certificates on both sides, as bytes in and bytes out:
 * no descriptor, no clock but OpenSSL's for validity.  The only code beside
 * tls_ca.c and tls_name.c that knows OpenSSL.
 *
 * A context holds a private authority, a certificate and its key, from the PEM
 * files of one directory (a queue manager's SSLKEYR):
 *
 *   ca.pem    the authority's certificates; nothing else is trusted
 *   cert.pem  our certificate, then intermediate ones
 *   key.pem   its key, unencrypted, readable by the owner alone
 *   crl.pem   optional: revocation lists, then needed for every issuer
 *
 * A directory may hold further certificates: LABEL.cert.pem and LABEL.key.pem
 * are those of CERTLABL(LABEL).
 *
 * A connection holds a reference to its context, so a context may be replaced
 * (reloaded) while connections live.  Each object belongs to one thread at a
 * time.  Nothing blocks.
 */
#ifndef MQ_TLS_TLS_H
#define MQ_TLS_TLS_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cipher.h"

#define MQTLS_WHY_LEN 512u     /* buffer for a sentence */
#define MQTLS_SUBJECT_LEN 257u /* identity, with its NUL */

struct mqtls_ctx;
struct mqtls_conn;

struct mqtls_opts {
	const char *label;   /* CERTLABL; NULL or "": cert.pem and key.pem */
	const char *ciphers; /* SSLCIPH (base/cipher.h); NULL or "": TLS 1.3 */
	/* A server: a partner that shows no certificate is let in; one that it
	 * shows must still be good. */
	bool partner_optional;
	/* A client: it shows none if cert.pem and key.pem are both missing.
	 * Then mqtls_ctx_cert() and mqtls_ctx_until() are not for it. */
	bool own_optional;
};

/* opts NULL: all defaults.  Errors: CERTIFICATE (missing, unreadable, mode,
 * key does not fit, chain does not verify against ca.pem, expired),
 * SSL_INITIALIZATION_ERROR (an SSLCIPH that is not known, too).  ret_why
 * (MQTLS_WHY_LEN bytes) gets the sentence on a failure. */
MQ_MUST_CHECK enum mqi_err mqtls_ctx_new(const char *dir,
    const struct mqtls_opts *opts, char *ret_why, struct mqtls_ctx **ret_ctx);
struct mqtls_ctx *mqtls_ctx_free(struct mqtls_ctx *ctx); /* NULL */

struct mqtls_cert {
	char subject[MQTLS_SUBJECT_LEN]; /* "CN=QM2,O=Example" */
	char issuer[MQTLS_SUBJECT_LEN];
	char serial[64];
	int64_t not_before; /* seconds since 1970 */
	int64_t not_after;
};

/* Our own certificate. */
void mqtls_ctx_cert(const struct mqtls_ctx *ctx, struct mqtls_cert *ret);
/* When the first of the lists of revocations is no longer good: from then on
 * nobody is let in.  0: there is none, or none says. */
int64_t mqtls_ctx_crl_until(const struct mqtls_ctx *ctx);
/* When a connection with this partner must end: the earlier not_after of its
 * certificate and ours.  partner NULL: it has none. */
int64_t mqtls_ctx_until(
    const struct mqtls_ctx *ctx, const struct mqtls_cert *partner);

/* alpn: the one protocol spoken; a partner that offers another is refused.
 * Errors: SSL_INITIALIZATION_ERROR, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqtls_conn_new(struct mqtls_ctx *ctx, bool server,
    const char *alpn, struct mqtls_conn **ret_conn);
struct mqtls_conn *mqtls_conn_free(struct mqtls_conn *c); /* NULL */

/* There are many like it: buffers are given back whenever they are empty. */
void mqtls_save_memory(struct mqtls_conn *c);

/* Gives bytes that came from the network.  Errors: NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqtls_feed(
    struct mqtls_conn *c, const void *data, size_t len);

/* How many of them TLS has not taken yet; fewer than a record of at most 16,640
 * bytes if mqtls_read() has given nothing. */
size_t mqtls_unread(const struct mqtls_conn *c);

/* Bytes for the network: how many there are, and takes up to cap of them. */
size_t mqtls_pending(const struct mqtls_conn *c);
size_t mqtls_take(struct mqtls_conn *c, void *buf, size_t cap);
/* The same without a copy: where they are, until the next call, and that so
 * many of them have left. */
const void *mqtls_output(const struct mqtls_conn *c, size_t *ret_len);
void mqtls_sent(struct mqtls_conn *c, size_t n);

/* Goes on with the handshake; *ret_done tells whether it is over on our side
 * (a client learns only from its first read that it was refused).
 * Errors: CERTIFICATE (the partner's), CLIENT_EXIT_ERROR (anything else). */
MQ_MUST_CHECK enum mqi_err mqtls_handshake(
    struct mqtls_conn *c, bool *ret_done);

/* Reads what has been decrypted; *ret_len 0: nothing more yet.
 * *ret_closed: the partner ended its side cleanly.
 * Errors: CLIENT_EXIT_ERROR, CERTIFICATE (the partner refused ours). */
MQ_MUST_CHECK enum mqi_err mqtls_read(struct mqtls_conn *c, void *buf,
    size_t cap, size_t *ret_len, bool *ret_closed);

/* Encrypts all of data.  Errors: CLIENT_EXIT_ERROR. */
MQ_MUST_CHECK enum mqi_err mqtls_write(
    struct mqtls_conn *c, const void *data, size_t len);

/* Queues the clean end of our side. */
void mqtls_close(struct mqtls_conn *c);

/* Whether the partner has shown a certificate; after the handshake. */
bool mqtls_has_peer(const struct mqtls_conn *c);
/* That certificate.  Errors: CERTIFICATE (there is none), TOO_BIG. */
MQ_MUST_CHECK enum mqi_err mqtls_peer(
    const struct mqtls_conn *c, struct mqtls_cert *ret);
/* Whether a context that was loaded since would still let the partner in, its
 * revocations included; of one without a certificate its options say that.
 * Errors: CERTIFICATE, with the sentence. */
MQ_MUST_CHECK enum mqi_err mqtls_peer_again(
    const struct mqtls_conn *c, const struct mqtls_ctx *fresh, char *ret_why);
/* Whether it fits an SSLPEER pattern (base/dn.h). */
MQ_MUST_CHECK enum mqi_err mqtls_peer_match(const struct mqtls_conn *c,
    const char *pattern, bool *ret_match, char *ret_why);
/* "TLS_AES_256_GCM_SHA384" */
const char *mqtls_cipher(const struct mqtls_conn *c);
/* "TLSv1.3" */
const char *mqtls_version(const struct mqtls_conn *c);

/* The sentence of the last failure; "" if none.  Valid until the next call. */
const char *mqtls_error(const struct mqtls_conn *c);

/* Whether data begins as a TLS ClientHello does (for a line in the log). */
bool mqtls_looks_like_tls(const void *data, size_t len);

#endif

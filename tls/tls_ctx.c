/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ctx.c - contexts: what is trusted, who we are, and what is allowed.
 *
 * TLS 1.3 alone, unless SSLCIPH asks for 1.2; no tickets, no resumption, no
 * early data, no renegotiation, no compression: each connection proves both
 * certificates afresh.  Only the directory's ca.pem is trusted,
 * never the system's store.  Our own chain is verified when it is loaded, so
 * that an expired or foreign certificate is found by its owner, with a
 * sentence, and not by the partner.
 *
 * Happy path: mode of the key, load, check key, verify own chain.  Failure:
 * CERTIFICATE with the file and OpenSSL's words in the caller's buffer.
 */
#include "tls/tls_ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/name.h"
#include "tls/tls_name.h"

#define MAX_CERT_LIST 32768L /* bytes of a partner's chain */

void
mqtls_why(char *why, const char *what)
{
	size_t used = (size_t)snprintf(why, MQTLS_WHY_LEN, "%s", what);
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		const char *reason = ERR_reason_error_string(code);

		if (used >= MQTLS_WHY_LEN)
			continue;
		used += (size_t)snprintf(why + used, MQTLS_WHY_LEN - used,
		    ": %s", reason != NULL ? reason : "unknown error");
	}
}

static int64_t
asn1_seconds(const ASN1_TIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;

	if (epoch == NULL || ASN1_TIME_diff(&days, &seconds, epoch, t) != 1)
		days = seconds = 0;
	ASN1_TIME_free(epoch);
	return (int64_t)days * 86400 + seconds;
}

enum mqi_err
mqtls_cert_read(X509 *cert, struct mqtls_cert *ret)
{
	struct mqtls_cert v = {0};
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = bn != NULL ? BN_bn2hex(bn) : NULL;
	enum mqi_err err;

	(void)snprintf(
	    v.serial, sizeof(v.serial), "%s", hex != NULL ? hex : "?");
	OPENSSL_free(hex);
	BN_free(bn);
	err = mqtls_name_text(
	    X509_get_subject_name(cert), v.subject, sizeof(v.subject));
	if (err == MQI_OK)
		err = mqtls_name_text(
		    X509_get_issuer_name(cert), v.issuer, sizeof(v.issuer));
	if (err != MQI_OK)
		return err;
	v.not_before = asn1_seconds(X509_get0_notBefore(cert));
	v.not_after = asn1_seconds(X509_get0_notAfter(cert));
	*ret = v;
	return MQI_OK;
}

void
mqtls_ctx_cert(const struct mqtls_ctx *ctx, struct mqtls_cert *ret)
{
	enum mqi_err err =
	    mqtls_cert_read(SSL_CTX_get0_certificate(ctx->ssl), ret);

	MQ_POST(err == MQI_OK); /* it was read when it was loaded */
}

int64_t
mqtls_ctx_until(const struct mqtls_ctx *ctx, const struct mqtls_cert *partner)
{
	struct mqtls_cert own;

	mqtls_ctx_cert(ctx, &own);
	if (partner == NULL || own.not_after < partner->not_after)
		return own.not_after;
	return partner->not_after;
}

/* What SSLCIPH lets in. */
static bool
set_ciphers(SSL_CTX *c, const struct mqcipher *lets)
{
	int min = lets->tls12 != NULL ? TLS1_2_VERSION : TLS1_3_VERSION;
	int max = lets->tls13 != NULL ? TLS1_3_VERSION : TLS1_2_VERSION;

	return SSL_CTX_set_min_proto_version(c, min) == 1 &&
	       SSL_CTX_set_max_proto_version(c, max) == 1 &&
	       (lets->tls13 == NULL ||
		   SSL_CTX_set_ciphersuites(c, lets->tls13) == 1) &&
	       (lets->tls12 == NULL ||
		   SSL_CTX_set_cipher_list(c, lets->tls12) == 1);
}

static SSL_CTX *
new_ssl_ctx(const struct mqcipher *lets)
{
	SSL_CTX *c = SSL_CTX_new(TLS_method());

	if (c == NULL)
		return NULL;
	SSL_CTX_set_security_level(c, 2);
	SSL_CTX_set_options(c,
	    SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	/* a read goes on behind a record that is not data: what follows it is
	 * in our buffer, and no socket will tell of it */
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
				SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(
	    c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(c, 4);
	SSL_CTX_set_max_cert_list(c, MAX_CERT_LIST);
	if (!set_ciphers(c, lets) ||
	    SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") != 1 ||
	    SSL_CTX_set_num_tickets(c, 0) != 1 ||
	    SSL_CTX_set_max_early_data(c, 0) != 1 ||
	    X509_VERIFY_PARAM_set_flags(
		SSL_CTX_get0_param(c), X509_V_FLAG_X509_STRICT) != 1) {
		SSL_CTX_free(c);
		return NULL;
	}
	return c;
}

/* The key is secret: others must not be able to read it. */
static enum mqi_err
check_key_file(const char *path, char *why)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "%.400s: %s", path, strerror(errno));
		return MQI_E_CERTIFICATE;
	}
	if ((st.st_mode & 077) != 0) {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "%.400s: its mode is %04o, but others must have no "
		    "access (0600)",
		    path, (unsigned)st.st_mode & 07777);
		return MQI_E_CERTIFICATE;
	}
	return MQI_OK;
}

static enum mqi_err
refuse(char *why, const char *path, const char *what)
{
	char text[MQTLS_WHY_LEN];

	(void)snprintf(text, sizeof(text), "%.400s: %s", path, what);
	mqtls_why(why, text);
	return MQI_E_CERTIFICATE;
}

static enum mqi_err
load_crl(SSL_CTX *c, const char *path, char *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	X509_LOOKUP *lookup;
	struct stat st;

	/* a link to nothing is a list that cannot be read, not none */
	if (lstat(path, &st) != 0 && errno == ENOENT)
		return MQI_OK;
	lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	if (lookup == NULL ||
	    X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
		return refuse(why, path, "no revocation list can be read");
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c),
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return MQI_OK;
}

/* Verifies a chain by what is trusted here, revocations included; 0 or
 * OpenSSL's number.  purpose: "ssl_client", "ssl_server" or NULL. */
static int
verify(SSL_CTX *c, X509 *cert, STACK_OF(X509) * chain, const char *purpose)
{
	X509_STORE_CTX *v = X509_STORE_CTX_new();
	int result = X509_V_ERR_OUT_OF_MEM;

	if (v != NULL && X509_STORE_CTX_init(
			     v, SSL_CTX_get_cert_store(c), cert, chain) == 1) {
		if (purpose != NULL)
			(void)X509_STORE_CTX_set_default(v, purpose);
		(void)X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(v),
		    X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(c)));
		result = X509_verify_cert(v) == 1 ? X509_V_OK
						  : X509_STORE_CTX_get_error(v);
	}
	X509_STORE_CTX_free(v);
	ERR_clear_error();
	return result;
}

/* Verifies our own chain as a partner will. */
static enum mqi_err
verify_own(SSL_CTX *c, const char *path, char *why)
{
	STACK_OF(X509) *chain = NULL;
	int result;

	(void)SSL_CTX_get0_chain_certs(c, &chain);
	result = verify(c, SSL_CTX_get0_certificate(c), chain, NULL);
	if (result == X509_V_OK)
		return MQI_OK;
	return refuse(why, path, X509_verify_cert_error_string(result));
}

enum mqi_err
mqtls_peer_recheck(
    const struct mqtls_ctx *ctx, SSL *ssl, bool is_client, char *ret_why)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	int result;

	if (cert == NULL && is_client && ctx->partner_optional)
		return MQI_OK;
	if (cert == NULL) {
		(void)snprintf(ret_why, MQTLS_WHY_LEN,
		    "the partner has shown no certificate");
		return MQI_E_CERTIFICATE;
	}
	result = verify(ctx->ssl, cert, SSL_get_peer_cert_chain(ssl),
	    is_client ? "ssl_client" : "ssl_server");
	if (result == X509_V_OK)
		return MQI_OK;
	(void)snprintf(ret_why, MQTLS_WHY_LEN,
	    "the partner's certificate is refused: %s",
	    X509_verify_cert_error_string(result));
	return MQI_E_CERTIFICATE;
}

/* The earliest next update of the lists that are loaded; 0: none has one. */
int64_t
mqtls_ctx_crl_until(const struct mqtls_ctx *ctx)
{
	STACK_OF(X509_OBJECT) *all =
	    X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx->ssl));
	int64_t until = 0;

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509_CRL *crl =
		    X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));
		const ASN1_TIME *next =
		    crl != NULL ? X509_CRL_get0_nextUpdate(crl) : NULL;
		int64_t t = next != NULL ? asn1_seconds(next) : 0;

		if (t != 0 && (until == 0 || t < until))
			until = t;
	}
	return until;
}

static bool
is_missing(const char *path)
{
	struct stat st;

	return lstat(path, &st) != 0 && errno == ENOENT;
}

/* Our own certificate and its key. */
static enum mqi_err
load_own(SSL_CTX *c, const char *cert, const char *key, char *why)
{
	enum mqi_err err = check_key_file(key, why);
	struct mqtls_cert own;

	if (err != MQI_OK)
		return err;
	if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return refuse(why, cert, "no certificate can be read");
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return refuse(why, key,
		    ERR_GET_REASON(ERR_peek_last_error()) ==
			    X509_R_KEY_VALUES_MISMATCH
			? "the key is not the certificate's"
			: "no key can be read");
	if (SSL_CTX_check_private_key(c) != 1)
		return refuse(why, key, "the key is not the certificate's");
	if (mqtls_cert_read(SSL_CTX_get0_certificate(c), &own) != MQI_OK)
		return refuse(
		    why, cert, "its subject is longer than 256 bytes");
	return MQI_OK;
}

static enum mqi_err
load(SSL_CTX *c, const char *dir, const char *label, bool own_optional,
    char *why)
{
	char *ca = NULL, *cert = NULL, *key = NULL, *crl = NULL;
	const char *dot = label[0] != '\0' ? "." : "";
	enum mqi_err err = MQI_E_NO_MEMORY;
	bool has_own;

	if (asprintf(&ca, "%s/ca.pem", dir) < 0 ||
	    asprintf(&cert, "%s/%s%scert.pem", dir, label, dot) < 0 ||
	    asprintf(&key, "%s/%s%skey.pem", dir, label, dot) < 0 ||
	    asprintf(&crl, "%s/crl.pem", dir) < 0)
		goto out;
	has_own = !own_optional || !is_missing(cert) || !is_missing(key);
	err = MQI_OK;
	if (SSL_CTX_load_verify_file(c, ca) != 1)
		err = refuse(why, ca, "no authority's certificate can be read");
	if (err == MQI_OK && has_own)
		err = load_own(c, cert, key, why);
	if (err == MQI_OK) {
		SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(ca));
		err = load_crl(c, crl, why);
	}
	if (err == MQI_OK && has_own)
		err = verify_own(c, cert, why);
out:
	free(ca);
	free(cert);
	free(key);
	free(crl);
	return err;
}

/* Reads the options.  Errors: SSL_INITIALIZATION_ERROR, CERTIFICATE. */
static enum mqi_err
read_opts(const struct mqtls_opts *opts, struct mqcipher *ret_lets,
    const char **ret_label, char *why)
{
	const char *ciphers =
	    opts != NULL && opts->ciphers != NULL ? opts->ciphers : "";

	*ret_label = opts != NULL && opts->label != NULL ? opts->label : "";
	if (!mqcipher_find(ciphers, ret_lets)) {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "SSLCIPH(%.64s) is not known", ciphers);
		return MQI_E_SSL_INITIALIZATION_ERROR;
	}
	if ((*ret_label)[0] != '\0' && !mqname_is_label(*ret_label)) {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "CERTLABL(%.64s) cannot be part of a file's name",
		    *ret_label);
		return MQI_E_CERTIFICATE;
	}
	return MQI_OK;
}

enum mqi_err
mqtls_ctx_new(const char *dir, const struct mqtls_opts *opts, char *ret_why,
    struct mqtls_ctx **ret_ctx)
{
	struct mqtls_ctx *ctx;
	struct mqcipher lets;
	const char *label;
	enum mqi_err err = read_opts(opts, &lets, &label, ret_why);

	if (err != MQI_OK)
		return err;
	ctx = calloc(1, sizeof(*ctx));
	if (ctx == NULL) {
		(void)snprintf(ret_why, MQTLS_WHY_LEN, "no memory");
		return MQI_E_NO_MEMORY;
	}
	ERR_clear_error();
	ctx->ssl = new_ssl_ctx(&lets);
	if (ctx->ssl == NULL) {
		mqtls_why(ret_why, "TLS cannot be set up");
		free(ctx);
		return MQI_E_SSL_INITIALIZATION_ERROR;
	}
	ctx->partner_optional = opts != NULL && opts->partner_optional;
	err = load(
	    ctx->ssl, dir, label, opts != NULL && opts->own_optional, ret_why);
	if (err != MQI_OK) {
		mqtls_ctx_free(ctx);
		return err;
	}
	*ret_ctx = ctx;
	return MQI_OK;
}

struct mqtls_ctx *
mqtls_ctx_free(struct mqtls_ctx *ctx)
{
	if (ctx != NULL) {
		SSL_CTX_free(ctx->ssl);
		free(ctx);
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ca.c - makes a private authority and certificates (tls_ca.h).
 *
 * The extensions are those that X509_V_FLAG_X509_STRICT asks for: basic
 * constraints and key usage marked critical, key identifiers on both.  An end
 * certificate is good for both sides of a connection, since a queue manager
 * dials and answers.  Files are created exclusively, keys with mode 0600, so
 * that neither an old key is overwritten nor a new one readable for a moment.
 *
 * Failure: a sentence with OpenSSL's words or errno's, and what was written so
 * far stays, so that nothing of the user's is removed.
 */
#include "tls/tls_ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/name.h"
#include "tls/tls_ctx.h"

#define SERIAL_LEN 20 /* bytes */
#define BACKDATE 300  /* seconds, for clocks that differ */
#define SAN_MAX 2048

static enum mqi_err
fail_ssl(char *why, const char *what)
{
	mqtls_why(why, what);
	return MQI_E_SSL_INITIALIZATION_ERROR;
}

static enum mqi_err
make_dir(const char *dir, char *why)
{
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return MQI_OK;
	(void)snprintf(why, MQTLS_WHY_LEN, "%.400s: %s", dir, strerror(errno));
	return MQI_E_IO;
}

/* Creates dir/name for writing; it must not exist. */
static enum mqi_err
create(const char *dir, const char *name, mode_t mode, char *why, FILE **ret)
{
	enum mqi_err err = MQI_E_IO;
	char *path = NULL;
	FILE *f = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return MQI_E_NO_MEMORY;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f == NULL) {
		err = errno == EEXIST ? MQI_E_EXISTS : MQI_E_IO;
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "%.400s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	} else {
		*ret = f;
		err = MQI_OK;
	}
	free(path);
	return err;
}

/* The files of one issued certificate. */
struct names {
	char key[MQNAME_LABEL_LEN + 16];
	char cert[MQNAME_LABEL_LEN + 16];
};

static bool
is_there(const char *dir, const char *name)
{
	char *path = NULL;
	bool there =
	    asprintf(&path, "%s/%s", dir, name) >= 0 && access(path, F_OK) == 0;

	free(path);
	return there;
}

/* A key must not come to lie beside another one's certificate. */
static enum mqi_err
nothing_is_there(const char *dir, const struct names *n, bool label, char *why)
{
	/* several labels share one authority's certificate */
	const char *const names[] = {n->key, n->cert, "ca.pem"};
	size_t count = MQ_ARRAY_LEN(names) - (label ? 1 : 0);
	enum mqi_err err = MQI_OK;

	for (size_t i = 0; i < count && err == MQI_OK; i++) {
		if (!is_there(dir, names[i]))
			continue;
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "%.300s/%s: is there already", dir, names[i]);
		err = MQI_E_EXISTS;
	}
	return err;
}

static enum mqi_err
finish(FILE *f, bool written, const char *name, char *why)
{
	bool flushed = fflush(f) == 0 && fsync(fileno(f)) == 0;

	if (fclose(f) != 0 || !flushed || !written) {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "%s cannot be written", name);
		return MQI_E_IO;
	}
	return MQI_OK;
}

static enum mqi_err
write_key(const char *dir, const char *name, EVP_PKEY *key, char *why)
{
	FILE *f;
	enum mqi_err err = create(dir, name, 0600, why, &f);

	if (err != MQI_OK)
		return err;
	return finish(f,
	    PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1,
	    name, why);
}

static enum mqi_err
write_cert(const char *dir, const char *name, X509 *cert, char *why)
{
	FILE *f;
	enum mqi_err err = create(dir, name, 0644, why, &f);

	if (err != MQI_OK)
		return err;
	return finish(f, PEM_write_X509(f, cert) == 1, name, why);
}

static FILE *
open_read(const char *dir, const char *name)
{
	char *path = NULL;
	FILE *f = NULL;

	if (asprintf(&path, "%s/%s", dir, name) >= 0)
		f = fopen(path, "re");
	free(path);
	return f;
}

static bool
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_LEN];
	BIGNUM *bn = NULL;
	bool ok = false;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	if (bn != NULL)
		ok =
		    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return ok;
}

static bool
add_name(X509_NAME *name, const char *field, const char *value)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
		   (const unsigned char *)value, -1, -1, 0) == 1;
}

/* A certificate with everything but issuer, extensions and signature. */
static X509 *
new_cert(EVP_PKEY *key, const char *cn, const char *org, int days)
{
	X509 *cert = X509_new();
	bool ok =
	    cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_serial(cert) && X509_set_pubkey(cert, key) == 1 &&
	    add_name(X509_get_subject_name(cert), "CN", cn) &&
	    (org == NULL || add_name(X509_get_subject_name(cert), "O", org)) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert),
		days > 0 ? -BACKDATE : -86400L * (1 - days)) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * days) != NULL;

	if (!ok) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

enum mqi_err
mqtls_ca_init(const char *dir, const char *name, unsigned days, char *ret_why)
{
	enum mqi_err err = make_dir(dir, ret_why);
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;

	if (err != MQI_OK)
		return err;
	ERR_clear_error();
	key = EVP_EC_gen("P-256");
	if (key != NULL)
		cert = new_cert(key, name, NULL, (int)days);
	if (cert == NULL ||
	    X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
	    !add_ext(cert, cert, NID_basic_constraints,
		"critical,CA:TRUE,pathlen:0") ||
	    !add_ext(
		cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_ext(cert, cert, NID_subject_key_identifier, "hash") ||
	    !add_ext(cert, cert, NID_authority_key_identifier, "keyid") ||
	    X509_sign(cert, key, EVP_sha256()) == 0) {
		err = fail_ssl(
		    ret_why, "the authority's certificate cannot be made");
		goto out;
	}
	err = write_key(dir, "ca.key", key, ret_why);
	if (err == MQI_OK)
		err = write_cert(dir, "ca.pem", cert, ret_why);
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

static enum mqi_err
load_ca(const char *dir, X509 **ret_cert, EVP_PKEY **ret_key, char *why)
{
	FILE *c = open_read(dir, "ca.pem");
	FILE *k = open_read(dir, "ca.key");
	X509 *cert = c != NULL ? PEM_read_X509(c, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key =
	    k != NULL ? PEM_read_PrivateKey(k, NULL, NULL, NULL) : NULL;
	enum mqi_err err = MQI_OK;

	if (cert == NULL || key == NULL ||
	    X509_check_private_key(cert, key) != 1) {
		char what[MQTLS_WHY_LEN];

		(void)snprintf(what, sizeof(what),
		    "%.400s holds no authority (ca.pem and its ca.key)", dir);
		mqtls_why(why, what);
		X509_free(cert);
		EVP_PKEY_free(key);
		err = MQI_E_CERTIFICATE;
	} else {
		*ret_cert = cert;
		*ret_key = key;
	}
	if (c != NULL)
		(void)fclose(c);
	if (k != NULL)
		(void)fclose(k);
	return err;
}

/* "DNS:a,IP:b"; false if it is too long or a name holds a comma. */
static bool
alt_names(const struct mqtls_issue *issue, char *san, size_t cap)
{
	size_t used = 0;

	for (unsigned i = 0; i < 2 * MQTLS_CA_MAX_NAMES; i++) {
		bool is_ip = i >= MQTLS_CA_MAX_NAMES;
		const char *v =
		    is_ip ? issue->ip[i - MQTLS_CA_MAX_NAMES] : issue->dns[i];

		if (v == NULL)
			continue;
		if (strchr(v, ',') != NULL || v[0] == '\0')
			return false;
		used += (size_t)snprintf(san + used, cap - used, "%s%s:%s",
		    used > 0 ? "," : "", is_ip ? "IP" : "DNS", v);
		if (used >= cap)
			return false;
	}
	return true;
}

static bool
sign_issued(X509 *cert, const char *san, X509 *ca, EVP_PKEY *ca_key)
{
	return X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	       add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	       add_ext(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
	       add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
	       add_ext(cert, ca, NID_authority_key_identifier, "keyid") &&
	       (san[0] == '\0' ||
		   add_ext(cert, ca, NID_subject_alt_name, san)) &&
	       X509_sign(cert, ca_key, EVP_sha256()) != 0;
}

static enum mqi_err
write_issued(const struct mqtls_issue *issue, EVP_PKEY *key, X509 *cert,
    X509 *ca, char *why)
{
	const char *dir = issue->out_dir;
	bool label = issue->label != NULL;
	const char *dot = label ? "." : "";
	struct names n;
	enum mqi_err err;

	(void)snprintf(n.key, sizeof(n.key), "%s%skey.pem",
	    label ? issue->label : "", dot);
	(void)snprintf(n.cert, sizeof(n.cert), "%s%scert.pem",
	    label ? issue->label : "", dot);
	err = make_dir(dir, why);
	if (err == MQI_OK)
		err = nothing_is_there(dir, &n, label, why);
	if (err == MQI_OK)
		err = write_key(dir, n.key, key, why);
	if (err == MQI_OK)
		err = write_cert(dir, n.cert, cert, why);
	if (err == MQI_OK && !(label && is_there(dir, "ca.pem")))
		err = write_cert(dir, "ca.pem", ca, why);
	return err;
}

enum mqi_err
mqtls_ca_issue(const struct mqtls_issue *issue, char *ret_why)
{
	EVP_PKEY *ca_key = NULL, *key = NULL;
	X509 *ca = NULL, *cert = NULL;
	char san[SAN_MAX] = "";
	enum mqi_err err;

	ERR_clear_error();
	err = load_ca(issue->ca_dir, &ca, &ca_key, ret_why);
	if (err != MQI_OK)
		return err;
	if (!alt_names(issue, san, sizeof(san)) ||
	    (issue->label != NULL && !mqname_is_label(issue->label))) {
		(void)snprintf(ret_why, MQTLS_WHY_LEN,
		    "the DNS names, addresses or label are not valid");
		err = MQI_E_INVAL;
		goto out;
	}
	key = EVP_EC_gen("P-256");
	if (key != NULL)
		cert = new_cert(key, issue->name, issue->org, issue->days);
	if (cert == NULL || !sign_issued(cert, san, ca, ca_key))
		err = fail_ssl(ret_why, "the certificate cannot be made");
	else
		err = write_issued(issue, key, cert, ca, ret_why);
out:
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return err;
}

/* ---- revocations ---- */

/* The list that there is, or an empty one. */
static enum mqi_err
load_list(const char *dir, X509 *ca, X509_CRL **ret, char *why)
{
	FILE *f = open_read(dir, "crl.pem");
	X509_CRL *crl;

	if (f != NULL) {
		crl = PEM_read_X509_CRL(f, NULL, NULL, NULL);
		(void)fclose(f);
	} else if (is_there(dir, "crl.pem")) {
		crl = NULL;
	} else {
		crl = X509_CRL_new();
		if (crl != NULL &&
		    (X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
			X509_CRL_set_issuer_name(
			    crl, X509_get_subject_name(ca)) != 1)) {
			X509_CRL_free(crl);
			crl = NULL;
		}
	}
	if (crl == NULL) {
		mqtls_why(why, "crl.pem cannot be read");
		return MQI_E_CERTIFICATE;
	}
	*ret = crl;
	return MQI_OK;
}

static enum mqi_err
add_revoked(X509_CRL *crl, X509 *ca, const char *path, char *why)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	X509_REVOKED *entry = NULL, *old = NULL;
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	enum mqi_err err = MQI_E_CERTIFICATE;

	if (f != NULL)
		(void)fclose(f);
	if (cert == NULL) {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "%.400s: no certificate can be read", path);
	} else if (X509_verify(cert, X509_get0_pubkey(ca)) != 1) {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "%.400s: is not of this authority", path);
	} else if (X509_CRL_get0_by_cert(crl, &old, cert) != 0) {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "%.400s: is revoked already", path);
		err = MQI_E_EXISTS;
	} else if ((entry = X509_REVOKED_new()) == NULL || now == NULL ||
		   X509_REVOKED_set_serialNumber(
		       entry, X509_get_serialNumber(cert)) != 1 ||
		   X509_REVOKED_set_revocationDate(entry, now) != 1 ||
		   X509_CRL_add0_revoked(crl, entry) != 1) {
		X509_REVOKED_free(entry);
		err = fail_ssl(why, "the list cannot be made");
	} else {
		err = MQI_OK;
	}
	ERR_clear_error();
	ASN1_TIME_free(now);
	X509_free(cert);
	return err;
}

static bool
sign_list(X509_CRL *crl, EVP_PKEY *key, unsigned days)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, -BACKDATE);
	ASN1_TIME *next = X509_gmtime_adj(NULL, 86400L * (long)days);
	bool ok = now != NULL && next != NULL &&
		  X509_CRL_set1_lastUpdate(crl, now) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, next) == 1 &&
		  X509_CRL_sort(crl) == 1 &&
		  X509_CRL_sign(crl, key, EVP_sha256()) != 0;

	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	return ok;
}

/* Replaces dir/crl.pem whole. */
static enum mqi_err
write_list(const char *dir, X509_CRL *crl, char *why)
{
	char *path = NULL, *fresh = NULL;
	enum mqi_err err = MQI_E_NO_MEMORY;
	FILE *f;

	if (asprintf(&path, "%s/crl.pem", dir) < 0 ||
	    asprintf(&fresh, "%s/crl.pem.new", dir) < 0)
		goto out;
	(void)unlink(fresh); /* of a run that was cut off */
	err = create(dir, "crl.pem.new", 0644, why, &f);
	if (err == MQI_OK)
		err =
		    finish(f, PEM_write_X509_CRL(f, crl) == 1, "crl.pem", why);
	if (err == MQI_OK && rename(fresh, path) != 0) {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "%.400s: %s", path, strerror(errno));
		err = MQI_E_IO;
	}
out:
	free(path);
	free(fresh);
	return err;
}

enum mqi_err
mqtls_ca_revoke(const char *dir, const char *cert, unsigned days, char *ret_why,
    unsigned *ret_n)
{
	X509 *ca = NULL;
	EVP_PKEY *key = NULL;
	X509_CRL *crl = NULL;
	enum mqi_err err;

	ERR_clear_error();
	err = load_ca(dir, &ca, &key, ret_why);
	if (err != MQI_OK)
		return err;
	err = load_list(dir, ca, &crl, ret_why);
	if (err == MQI_OK && cert != NULL)
		err = add_revoked(crl, ca, cert, ret_why);
	if (err == MQI_OK && !sign_list(crl, key, days))
		err = fail_ssl(ret_why, "the list cannot be signed");
	if (err == MQI_OK)
		err = write_list(dir, crl, ret_why);
	if (err == MQI_OK) {
		int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));

		*ret_n = n > 0 ? (unsigned)n : 0;
	}
	X509_CRL_free(crl);
	X509_free(ca);
	EVP_PKEY_free(key);
	return err;
}

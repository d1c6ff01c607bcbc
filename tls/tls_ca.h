/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ca.h - a private authority for a start: `mqadmin tls`.
 *
 * An authority is a directory with ca.pem, ca.key (mode 0600) and, once it has
 * revoked something, crl.pem; what it issues is a directory as tls.h describes
 * it.  Keys are P-256, serial numbers 159 random bits.  Nothing that exists is
 * ever overwritten, but for the list of revocations, which is replaced whole.
 * Every failure leaves a sentence in ret_why (MQTLS_WHY_LEN bytes).
 */
#ifndef MQ_TLS_TLS_CA_H
#define MQ_TLS_TLS_CA_H

#include "tls/tls.h"

#define MQTLS_CA_MAX_NAMES 16u

/* Makes dir if needed (mode 0700).  Errors: EXISTS, IO, INVAL (the name),
 * SSL_INITIALIZATION_ERROR. */
MQ_MUST_CHECK enum mqi_err mqtls_ca_init(
    const char *dir, const char *name, unsigned days, char *ret_why);

struct mqtls_issue {
	const char *ca_dir;
	const char *out_dir; /* made if needed, mode 0700 */
	const char *label;   /* CERTLABL, or NULL: cert.pem and key.pem */
	const char *name;    /* CN: 1..64 bytes */
	const char *org;     /* O, or NULL */
	int days;            /* may be negative: expired already, for tests */
	const char *dns[MQTLS_CA_MAX_NAMES]; /* up to the first NULL */
	const char *ip[MQTLS_CA_MAX_NAMES];
};

/* Writes ca.pem (with a label: unless it is there), cert.pem and key.pem.
 * Errors: as mqtls_ca_init(), and CERTIFICATE (the authority's files). */
MQ_MUST_CHECK enum mqi_err mqtls_ca_issue(
    const struct mqtls_issue *issue, char *ret_why);

/* Adds the certificate in the PEM file cert (NULL: none, the list is only
 * renewed) to the authority's list of revocations, dir/crl.pem, which is good
 * for so many days from now.  *ret_n tells how many it holds.
 * Errors: IO, CERTIFICATE (the files; not of this authority), EXISTS (it is
 * revoked already), SSL_INITIALIZATION_ERROR. */
MQ_MUST_CHECK enum mqi_err mqtls_ca_revoke(const char *dir, const char *cert,
    unsigned days, char *ret_why, unsigned *ret_n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_name.c - the names in certificates, as text (tls_name.h).
 *
 * Neighbours: base/dn.c compares that text with patterns.
 *
 * Failure: a name that would need a NUL, or more room than there is, is an
 * error and never cut.
 */
#include "tls/tls_name.h"

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/dn.h"
#include "tls/tls.h"

enum mqi_err
mqtls_name_text(const struct X509_name_st *name, char *ret, size_t cap)
{
	const unsigned long flags =
	    (XN_FLAG_RFC2253 & ~XN_FLAG_DN_REV) | ASN1_STRFLGS_UTF8_CONVERT;
	BIO *bio = BIO_new(BIO_s_mem());
	enum mqi_err err = MQI_E_CERTIFICATE;
	char *data;
	long len;

	if (bio == NULL)
		return MQI_E_NO_MEMORY;
	if (X509_NAME_print_ex(
		bio, name, 0, flags & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0)
		goto out;
	len = BIO_get_mem_data(bio, &data);
	if (len < 0 || memchr(data, '\0', (size_t)len) != NULL)
		goto out;
	if ((size_t)len >= cap) {
		err = MQI_E_TOO_BIG;
		goto out;
	}
	memcpy(ret, data, (size_t)len);
	ret[len] = '\0';
	err = MQI_OK;
out:
	BIO_free(bio);
	return err;
}

enum mqi_err
mqtls_name_match(const struct X509_name_st *name, const char *pattern,
    bool *ret_match, char *ret_why)
{
	char text[MQTLS_SUBJECT_LEN];
	enum mqi_err err = mqtls_name_text(name, text, sizeof(text));

	if (err != MQI_OK) {
		(void)snprintf(ret_why, MQTLS_WHY_LEN,
		    "the certificate's name cannot be read: %s",
		    mqi_strerror(err));
		return err;
	}
	return mqdn_match(pattern, text, ret_match, ret_why);
}

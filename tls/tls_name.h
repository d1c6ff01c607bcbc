/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_name.h - the names in certificates, as text, and against patterns
 * (base/dn.h).  Pure; thread-safe.  Inside tls/ only.
 */
#ifndef MQ_TLS_TLS_NAME_H
#define MQ_TLS_TLS_NAME_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct X509_name_st;

/* The subject as RFC 4514 has it, but in the order of the certificate.
 * Errors: TOO_BIG, CERTIFICATE. */
MQ_MUST_CHECK enum mqi_err mqtls_name_text(
    const struct X509_name_st *name, char *ret, size_t cap);

/* Errors: ATTRIBUTE (the pattern), CERTIFICATE, TOO_BIG; the sentence in
 * ret_why (MQTLS_WHY_LEN bytes). */
MQ_MUST_CHECK enum mqi_err mqtls_name_match(const struct X509_name_st *name,
    const char *pattern, bool *ret_match, char *ret_why);

#endif

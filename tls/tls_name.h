/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_name.h - distinguished names: as text, and SSLPEER patterns.
 *
 * A pattern is IBM's: "CN=QM2,O=Example,OU=*": each attribute must be in the
 * subject with that value; '*' as the last character of a value stands for any
 * rest, as the first for any beginning.  Values may be in double quotes, and
 * a backslash takes the next character as it is.  Case counts.  Several OU or
 * DC: each must be matched by one of the subject's.
 * Pure; thread-safe.  Inside tls/ only, but for mqtls_name_check().
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

/* Errors: ATTRIBUTE (the pattern; the sentence in ret_why). */
MQ_MUST_CHECK enum mqi_err mqtls_name_match(const struct X509_name_st *name,
    const char *pattern, bool *ret_match, char *ret_why);

/* Whether a pattern can be read.  Errors: ATTRIBUTE. */
MQ_MUST_CHECK enum mqi_err mqtls_name_check(const char *pattern, char *ret_why);

#endif

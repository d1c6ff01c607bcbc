/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cipher.h - the names that SSLCIPH may have, and what each lets in.
 *
 *   blank, ANY_TLS13, ANY_TLS13_OR_HIGHER   TLS 1.3, any suite
 *   a TLS 1.3 suite                         that one
 *   ANY_TLS12_OR_HIGHER                     TLS 1.3 or 1.2, any suite
 *   ANY_TLS12                               TLS 1.2, any suite
 *   a TLS 1.2 CipherSpec, by IBM's or IANA's name   that one
 *
 * Only suites with forward secrecy and authenticated encryption are known.
 * Pure; thread-safe; the strings are constant.
 */
#ifndef MQ_BASE_CIPHER_H
#define MQ_BASE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define MQCIPHER_NAME_LEN 64u /* bytes of an SSLCIPH */
#define MQCIPHER_ANY_TLS12_OR_HIGHER "ANY_TLS12_OR_HIGHER"

struct mqcipher {
	const char *tls13; /* OpenSSL's list; NULL: not TLS 1.3 */
	const char *tls12; /* OpenSSL's list; NULL: not TLS 1.2 */
};

/* Case does not count.  False: there is no such name. */
MQ_MUST_CHECK bool mqcipher_find(const char *sslciph, struct mqcipher *ret);
/* Whether a connection with this suite (OpenSSL's name) fits. */
bool mqcipher_fits(const struct mqcipher *c, const char *suite);

#endif

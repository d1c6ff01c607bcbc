/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cipher.c - the names that SSLCIPH may have (cipher.h).
 *
 * Neighbours: the queue manager checks a channel's SSLCIPH here when it is
 * defined, tls/tls_ctx.c sets contexts up by it, and a receiver, which learns
 * the channel's name only after the handshake, compares what was negotiated.
 *
 * The CipherSpecs of IBM MQ that are missing have no forward secrecy (RSA key
 * exchange) or no authenticated encryption (CBC): they are refused by name.
 */
#include "base/cipher.h"

#include <string.h>
#include <strings.h>

#define ALL_TLS13                                        \
	"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:" \
	"TLS_CHACHA20_POLY1305_SHA256"
#define ALL_TLS12                                                    \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

static const struct {
	const char *name;
	struct mqcipher lets;
} names[] = {
    {"", {ALL_TLS13, NULL}},
    {"ANY_TLS13", {ALL_TLS13, NULL}},
    {"ANY_TLS13_OR_HIGHER", {ALL_TLS13, NULL}},
    {MQCIPHER_ANY_TLS12_OR_HIGHER, {ALL_TLS13, ALL_TLS12}},
    {"ANY_TLS12", {NULL, ALL_TLS12}},
    {"TLS_AES_256_GCM_SHA384", {"TLS_AES_256_GCM_SHA384", NULL}},
    {"TLS_AES_128_GCM_SHA256", {"TLS_AES_128_GCM_SHA256", NULL}},
    {"TLS_CHACHA20_POLY1305_SHA256", {"TLS_CHACHA20_POLY1305_SHA256", NULL}},
    {"ECDHE_ECDSA_AES_256_GCM_SHA384", {NULL, "ECDHE-ECDSA-AES256-GCM-SHA384"}},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	{NULL, "ECDHE-ECDSA-AES256-GCM-SHA384"}},
    {"ECDHE_ECDSA_AES_128_GCM_SHA256", {NULL, "ECDHE-ECDSA-AES128-GCM-SHA256"}},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	{NULL, "ECDHE-ECDSA-AES128-GCM-SHA256"}},
    {"ECDHE_RSA_AES_256_GCM_SHA384", {NULL, "ECDHE-RSA-AES256-GCM-SHA384"}},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	{NULL, "ECDHE-RSA-AES256-GCM-SHA384"}},
    {"ECDHE_RSA_AES_128_GCM_SHA256", {NULL, "ECDHE-RSA-AES128-GCM-SHA256"}},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	{NULL, "ECDHE-RSA-AES128-GCM-SHA256"}},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	{NULL, "ECDHE-ECDSA-CHACHA20-POLY1305"}},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	{NULL, "ECDHE-RSA-CHACHA20-POLY1305"}},
};

bool
mqcipher_find(const char *sslciph, struct mqcipher *ret)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i].name, sslciph) == 0) {
			*ret = names[i].lets;
			return true;
		}
	}
	return false;
}

static bool
is_among(const char *list, const char *suite)
{
	size_t len = strlen(suite);

	while (list != NULL) {
		if (strncmp(list, suite, len) == 0 &&
		    (list[len] == ':' || list[len] == '\0'))
			return true;
		list = strchr(list, ':');
		list = list != NULL ? list + 1 : NULL;
	}
	return false;
}

bool
mqcipher_fits(const struct mqcipher *c, const char *suite)
{
	return is_among(c->tls13, suite) || is_among(c->tls12, suite);
}

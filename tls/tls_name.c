/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_name.c - distinguished names as text, and SSLPEER patterns (tls_name.h).
 *
 * A pattern is cut into (attribute, value) parts; each part looks for an
 * attribute of its kind in the subject whose value fits.  The subject's values
 * are converted to UTF-8 first, and one that holds a NUL never fits: it is a
 * forger's trick to end a name early.
 *
 * Happy path: every part finds its attribute.  Failure: a pattern that cannot
 * be read gives ATTRIBUTE with a sentence, so that it is never taken as one
 * that lets everybody in.
 */
#include "tls/tls_name.h"

#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tls/tls.h"

#define VALUE_MAX 256u

struct part {
	int nid;
	bool any_start; /* '*' first */
	bool any_end;   /* '*' last */
	char value[VALUE_MAX];
	size_t len;
};

static const struct {
	const char *key;
	int nid;
} keys[] = {
    {"CN", NID_commonName},
    {"O", NID_organizationName},
    {"OU", NID_organizationalUnitName},
    {"DC", NID_domainComponent},
    {"C", NID_countryName},
    {"L", NID_localityName},
    {"ST", NID_stateOrProvinceName},
    {"SP", NID_stateOrProvinceName},
    {"S", NID_stateOrProvinceName},
    {"STREET", NID_streetAddress},
    {"PC", NID_postalCode},
    {"T", NID_title},
    {"UID", NID_userId},
    {"USERID", NID_userId},
    {"MAIL", NID_pkcs9_emailAddress},
    {"E", NID_pkcs9_emailAddress},
    {"SERIALNUMBER", NID_serialNumber},
    {"DNQ", NID_dnQualifier},
};

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

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static enum mqi_err
parse_key(const char **pp, struct part *part, char *why)
{
	const char *p = skip_blanks(*pp);
	size_t len = strcspn(p, "= \t,");
	const char *eq = skip_blanks(p + len);

	if (len == 0 || *eq != '=') {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "SSLPEER: an attribute and '=' are expected at '%.40s'", p);
		return MQI_E_ATTRIBUTE;
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++) {
		if (strlen(keys[i].key) == len &&
		    strncasecmp(keys[i].key, p, len) == 0) {
			part->nid = keys[i].nid;
			*pp = skip_blanks(eq + 1);
			return MQI_OK;
		}
	}
	(void)snprintf(why, MQTLS_WHY_LEN,
	    "SSLPEER: the attribute '%.*s' is not known", (int)len, p);
	return MQI_E_ATTRIBUTE;
}

static enum mqi_err
parse_value(const char **pp, struct part *part, char *why)
{
	const char *p = *pp;
	bool quoted = *p == '"';
	size_t plain = 0; /* length up to the last character that is no blank */

	p += quoted ? 1 : 0;
	if (*p == '*') {
		part->any_start = true;
		p++;
	}
	for (; *p != '\0' && *p != (quoted ? '"' : ','); p++) {
		bool literal = *p == '\\' && p[1] != '\0';

		p += literal ? 1 : 0;
		if (part->len + 1 >= sizeof(part->value)) {
			(void)snprintf(why, MQTLS_WHY_LEN,
			    "SSLPEER: a value is longer than %u bytes",
			    VALUE_MAX - 1);
			return MQI_E_ATTRIBUTE;
		}
		part->value[part->len++] = *p;
		part->any_end = !literal && *p == '*';
		if (quoted || literal || (*p != ' ' && *p != '\t'))
			plain = part->len;
	}
	if (quoted && *p != '"') {
		(void)snprintf(
		    why, MQTLS_WHY_LEN, "SSLPEER: a double quote is missing");
		return MQI_E_ATTRIBUTE;
	}
	p += quoted ? 1 : 0;
	part->len = plain;
	if (plain > 0 && part->value[plain - 1] == '*' && part->any_end)
		part->len--;
	*pp = skip_blanks(p);
	return MQI_OK;
}

/* Reads the next part; *ret_more tells whether there is another. */
static enum mqi_err
parse_part(const char **pp, struct part *part, bool *ret_more, char *why)
{
	enum mqi_err err;

	memset(part, 0, sizeof(*part));
	err = parse_key(pp, part, why);
	if (err == MQI_OK)
		err = parse_value(pp, part, why);
	if (err != MQI_OK)
		return err;
	if (part->len == 0 && !part->any_start && !part->any_end) {
		(void)snprintf(why, MQTLS_WHY_LEN, "SSLPEER: a value is empty");
		return MQI_E_ATTRIBUTE;
	}
	*ret_more = **pp == ',' || **pp == ';';
	if (!*ret_more && **pp != '\0') {
		(void)snprintf(why, MQTLS_WHY_LEN,
		    "SSLPEER: a comma is expected at '%.40s'", *pp);
		return MQI_E_ATTRIBUTE;
	}
	*pp += *ret_more ? 1 : 0;
	return MQI_OK;
}

static bool
value_fits(const struct part *part, const unsigned char *v, size_t len)
{
	if (memchr(v, '\0', len) != NULL || len < part->len)
		return false;
	if (part->any_start && part->any_end)
		return part->len == 0 ||
		       memmem(v, len, part->value, part->len) != NULL;
	if (part->any_start)
		return memcmp(v + len - part->len, part->value, part->len) == 0;
	if (!part->any_end && len != part->len)
		return false;
	return memcmp(v, part->value, part->len) == 0;
}

static bool
part_fits(const struct part *part, const X509_NAME *name)
{
	bool fits = false;
	int i = -1;

	while (!fits &&
	       (i = X509_NAME_get_index_by_NID(name, part->nid, i)) >= 0) {
		const ASN1_STRING *s =
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
		unsigned char *utf8 = NULL;
		int len = ASN1_STRING_to_UTF8(&utf8, s);

		if (len < 0)
			continue;
		fits = value_fits(part, utf8, (size_t)len);
		OPENSSL_free(utf8);
	}
	return fits;
}

enum mqi_err
mqtls_name_match(const struct X509_name_st *name, const char *pattern,
    bool *ret_match, char *ret_why)
{
	const char *p = pattern;
	bool match = true, more = true;
	struct part part;

	while (more) {
		enum mqi_err err = parse_part(&p, &part, &more, ret_why);

		if (err != MQI_OK)
			return err;
		match = match && (name == NULL || part_fits(&part, name));
	}
	*ret_match = match;
	return MQI_OK;
}

enum mqi_err
mqtls_name_check(const char *pattern, char *ret_why)
{
	bool match;

	return mqtls_name_match(NULL, pattern, &match, ret_why);
}

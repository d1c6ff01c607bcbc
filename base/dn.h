/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dn.h - distinguished names as text, and the patterns for them that SSLPEER
 * and SSLCERTI hold.
 *
 * A name is as RFC 4514 writes it, in any order: "CN=QM2,OU=Payments,O=A\, B";
 * '+' between attributes counts as a comma.
 *
 * A pattern is IBM's: "CN=QM2,O=Example,OU=*": each attribute must be in the
 * name with that value; '*' as the last character of a value stands for any
 * rest, as the first for any beginning.  Values may be in double quotes, and
 * a backslash takes the next character as it is.  Case of values counts.
 * Several OU or DC: each must be matched by one of the name's.
 *
 * Pure; thread-safe.  ret_why (MQDN_WHY_LEN bytes) gets a sentence.
 */
#ifndef MQ_BASE_DN_H
#define MQ_BASE_DN_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define MQDN_MAX 256u /* bytes of a name or pattern */
#define MQDN_WHY_LEN 256u

/* Whether the text can be read as a pattern.  Errors: ATTRIBUTE. */
MQ_MUST_CHECK enum mqi_err mqdn_check(const char *pattern, char *ret_why);

/* Errors: ATTRIBUTE (the pattern or the name cannot be read), so that neither
 * is ever taken for one that fits. */
MQ_MUST_CHECK enum mqi_err mqdn_match(
    const char *pattern, const char *name, bool *ret_match, char *ret_why);

/* Which of two valid patterns is more specific, as IBM MQ has it: negative, a;
 * positive, b; 0, neither.  The attributes are looked at in the order
 * SERIALNUMBER, MAIL, UID, CN, T, OU, DC, O, STREET, L, ST, PC, C, DNQ: to have
 * it is more specific than not, then to have no '*', then to be longer. */
int mqdn_compare(const char *a, const char *b);

#endif

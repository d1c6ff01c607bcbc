/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress.h - the names that COMPMSG may have, in order of preference.
 * Pure; thread-safe; the strings are constant.
 */
#ifndef MQ_BASE_COMPRESS_H
#define MQ_BASE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Sent between partners: never renumbered.  X(number, NAME) */
#define MQCOMPRESS_MAP(X) \
	X(0, NONE)        \
	X(1, ZLIBFAST)    \
	X(2, ZLIBHIGH)    \
	X(3, LZ4FAST)

enum mqcompress {

#define MQCOMPRESS_ENUM(number, name) MQCOMPRESS_##name = number,
	MQCOMPRESS_MAP(MQCOMPRESS_ENUM)
#undef MQCOMPRESS_ENUM
};

#define MQCOMPRESS_MAX 8u       /* of a list */
#define MQCOMPRESS_TEXT_LEN 64u /* bytes of a COMPMSG */

struct mqcompress_list {
	uint32_t n; /* 1..MQCOMPRESS_MAX; a blank text is NONE */
	uint8_t all[MQCOMPRESS_MAX];
};

/* Names with commas or blanks between them, none twice; case does not count.
 * False: that is not such a list. */
MQ_MUST_CHECK bool mqcompress_parse(
    const char *text, struct mqcompress_list *ret);
/* The first of the sender's that the receiver accepts; if there is none, NONE.
 * Numbers that are not known are never chosen. */
enum mqcompress mqcompress_choose(const struct mqcompress_list *sender,
    const struct mqcompress_list *receiver);
const char *mqcompress_name(enum mqcompress c);
/* A list as a number: a byte for each, the first one lowest, then 255.  0 is
 * NONE alone.  Any number can be read: what is not known is chosen by nobody.
 */
uint64_t mqcompress_encode(const struct mqcompress_list *l);
void mqcompress_decode(uint64_t v, struct mqcompress_list *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector.h - selectors: which messages an application wants, said as a
 * condition of SQL-92 over properties and the fields of the descriptor.
 * docs/selectors.md is the language.
 *
 * A selector is parsed once into a program of bounded size, which is run on
 * the bytes of descriptors without allocation.  Logic has three values; a
 * message fits if the selector is true for it.
 *
 * Both the text and the descriptors are foreign bytes, and checked.
 * Thread-safe: a parsed selector is never changed.
 */
#ifndef MQ_PROTO_SELECTOR_H
#define MQ_PROTO_SELECTOR_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define MQSELECTOR_TEXT_MAX 10240u /* bytes, as IBM's */
#define MQSELECTOR_OPS_MAX 1024u   /* names, literals and operators */
#define MQSELECTOR_NESTING_MAX 64u /* of parentheses, NOT and signs */
#define MQSELECTOR_STACK_MAX 128u  /* values under way at once */
#define MQSELECTOR_LIKES_MAX 32u
/* of a pattern with _, between two % */
#define MQSELECTOR_WILD_MAX 64u

struct mqselector;

struct mqselector_error {
	uint32_t pos;   /* byte of the text, from 1; behind its end: the end */
	char text[256]; /* a sentence, with the position */
};

enum mqselector_truth {
	MQSELECTOR_FALSE,
	MQSELECTOR_UNKNOWN,
	MQSELECTOR_TRUE,
};

/* What is known of a message. */
struct mqselector_msg {
	const void *desc;
	size_t desc_len;
	uint32_t backout_count; /* which is not in the descriptor yet */
};

/* Parses len bytes.  *ret is the caller's, for mqselector_free().
 * *ret_error is written on a failure only.
 * Errors: SELECTOR_SYNTAX_ERROR, SELECTION_STRING_ERROR (empty, too long, or
 * with a NUL), SELECTOR_LIMIT, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqselector_parse(const char *text, size_t len,
    struct mqselector **ret, struct mqselector_error *ret_error);

struct mqselector *mqselector_free(struct mqselector *s); /* NULL */

/* Bytes of memory that it takes. */
size_t mqselector_size(const struct mqselector *s);

/* About how long it takes to run it on a descriptor of that length, in some
 * nanoseconds. */
uint32_t mqselector_cost(const struct mqselector *s, size_t desc_len);

/* UNKNOWN for a descriptor that is not as it should be. */
enum mqselector_truth mqselector_run(
    const struct mqselector *s, const struct mqselector_msg *msg);

static inline bool
mqselector_fits(const struct mqselector *s, const struct mqselector_msg *msg)
{
	return mqselector_run(s, msg) == MQSELECTOR_TRUE;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector_lex.c - the tokens of a selector.
 *
 * Neighbours: selector.c parses them.
 * Invariants: every token lies within the text and is at least one byte long
 * but the last; numbers are read here, strings are only found.
 * Failure: fault, a constant sentence, and where.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/selector_int.h"

#define NUMBER_MAX 63u /* characters of a number */

static const struct {
	const char *word;
	enum sel_token token;
} keywords[] = {
    {"AND", SEL_TOK_AND},
    {"BETWEEN", SEL_TOK_BETWEEN},
    {"ESCAPE", SEL_TOK_ESCAPE},
    {"FALSE", SEL_TOK_FALSE},
    {"IN", SEL_TOK_IN},
    {"IS", SEL_TOK_IS},
    {"LIKE", SEL_TOK_LIKE},
    {"NOT", SEL_TOK_NOT},
    {"NULL", SEL_TOK_NULL},
    {"OR", SEL_TOK_OR},
    {"TRUE", SEL_TOK_TRUE},
};

static const char *const token_names[] = {
    [SEL_TOK_END] = "the end",
    [SEL_TOK_NAME] = "a name",
    [SEL_TOK_STRING] = "a string",
    [SEL_TOK_BYTES] = "a byte string",
    [SEL_TOK_INT] = "a number",
    [SEL_TOK_REAL] = "a number",
    [SEL_TOK_EQ] = "=",
    [SEL_TOK_NE] = "<>",
    [SEL_TOK_LT] = "<",
    [SEL_TOK_LE] = "<=",
    [SEL_TOK_GT] = ">",
    [SEL_TOK_GE] = ">=",
    [SEL_TOK_PLUS] = "+",
    [SEL_TOK_MINUS] = "-",
    [SEL_TOK_TIMES] = "*",
    [SEL_TOK_OVER] = "/",
    [SEL_TOK_OPEN] = "(",
    [SEL_TOK_CLOSE] = ")",
    [SEL_TOK_COMMA] = ",",
    [SEL_TOK_AND] = "AND",
    [SEL_TOK_BETWEEN] = "BETWEEN",
    [SEL_TOK_ESCAPE] = "ESCAPE",
    [SEL_TOK_FALSE] = "FALSE",
    [SEL_TOK_IN] = "IN",
    [SEL_TOK_IS] = "IS",
    [SEL_TOK_LIKE] = "LIKE",
    [SEL_TOK_NOT] = "NOT",
    [SEL_TOK_NULL] = "NULL",
    [SEL_TOK_OR] = "OR",
    [SEL_TOK_TRUE] = "TRUE",
};

const char *
mqsel_token_name(enum sel_token token)
{
	return token_names[token];
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Bytes of characters beyond ASCII are letters. */
static bool
begins_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '$' || (unsigned char)c >= 0x80;
}

static bool
is_in_name(char c)
{
	return begins_name(c) || is_digit(c) || c == '.';
}

/* The character n bytes on, NUL behind the end. */
static char
peek(const struct sel_lex *l, size_t n)
{
	return l->to + n < l->len ? l->text[l->to + n] : '\0';
}

static bool
fault(struct sel_lex *l, const char *why)
{
	l->fault = why;
	return false;
}

static bool
read_name(struct sel_lex *l)
{
	size_t n;

	while (is_in_name(peek(l, 0)))
		l->to++;
	n = l->to - l->from;
	l->token = SEL_TOK_NAME;
	for (unsigned i = 0; i < MQ_ARRAY_LEN(keywords); i++) {
		if (strlen(keywords[i].word) == n &&
		    strncasecmp(keywords[i].word, l->text + l->from, n) == 0)
			l->token = keywords[i].token;
	}
	return true;
}

static bool
read_string(struct sel_lex *l)
{
	l->token = SEL_TOK_STRING;
	for (l->to++; l->to < l->len; l->to++) {
		if (l->text[l->to] != '\'')
			continue;
		if (peek(l, 1) != '\'') {
			l->to++;
			return true;
		}
		l->to++;
	}
	return fault(l, "a string begins here that has no end");
}

static bool
read_bytes(struct sel_lex *l)
{
	size_t digits = 0;

	l->token = SEL_TOK_BYTES;
	if (peek(l, 1) != '0' || (peek(l, 2) | 0x20) != 'x')
		return fault(l,
		    "a byte string is written \"0x...\"; a string stands "
		    "between single quotes");
	for (l->to += 3; is_hex(peek(l, 0)); l->to++)
		digits++;
	if (peek(l, 0) != '"' || digits % 2 != 0)
		return fault(l,
		    "a byte string has pairs of hexadecimal digits and ends "
		    "with a quote");
	l->to++;
	return true;
}

static bool
read_hex(struct sel_lex *l)
{
	uint64_t v = 0;

	l->token = SEL_TOK_INT;
	l->to += 2;
	if (!is_hex(peek(l, 0)))
		return fault(l, "hexadecimal digits are expected behind 0x");
	for (; is_hex(peek(l, 0)); l->to++) {
		char c = peek(l, 0);

		if (v >> 60 != 0)
			return fault(l, "a number of 64 bits is expected");
		v = v << 4 |
		    (uint64_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	l->u.i = v;
	return true;
}

/* Goes over digits, a fraction and an exponent; whether it is no integer. */
static bool
skip_number(struct sel_lex *l)
{
	bool real = false;
	size_t sign;

	while (is_digit(peek(l, 0)))
		l->to++;
	if (peek(l, 0) == '.') {
		real = true;
		for (l->to++; is_digit(peek(l, 0));)
			l->to++;
	}
	sign = peek(l, 1) == '+' || peek(l, 1) == '-' ? 1 : 0;
	if ((peek(l, 0) | 0x20) == 'e' && is_digit(peek(l, 1 + sign))) {
		real = true;
		for (l->to += 1 + sign; is_digit(peek(l, 0));)
			l->to++;
	}
	return real;
}

static bool
read_number(struct sel_lex *l)
{
	char digits[NUMBER_MAX + 1];
	bool real;
	size_t n;

	if (peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x')
		return read_hex(l);
	real = skip_number(l);
	n = l->to - l->from;
	if (n > NUMBER_MAX)
		return fault(l, "a number has at most 63 characters");
	memcpy(digits, l->text + l->from, n);
	digits[n] = '\0';
	errno = 0;
	if (real) {
		l->token = SEL_TOK_REAL;
		l->u.f = strtod(digits, NULL);
	} else {
		l->token = SEL_TOK_INT;
		l->u.i = strtoull(digits, NULL, 10);
		if (errno != 0)
			return fault(l, "a number of 64 bits is expected");
	}
	/* Java's suffixes */
	if (!real && (peek(l, 0) | 0x20) == 'l')
		l->to++;
	else if (real &&
		 ((peek(l, 0) | 0x20) == 'f' || (peek(l, 0) | 0x20) == 'd'))
		l->to++;
	if (is_in_name(peek(l, 0)))
		return fault(l, "a number is not written so");
	return true;
}

static bool
read_sign(struct sel_lex *l)
{
	static const char one[] = "+-*/(),=";

	static const enum sel_token tokens[] = {SEL_TOK_PLUS, SEL_TOK_MINUS,
	    SEL_TOK_TIMES, SEL_TOK_OVER, SEL_TOK_OPEN, SEL_TOK_CLOSE,
	    SEL_TOK_COMMA, SEL_TOK_EQ};

	char c = peek(l, 0), next = peek(l, 1);
	const char *at = c != '\0' ? strchr(one, c) : NULL;

	l->to++;
	if (at != NULL) {
		l->token = tokens[at - one];
		return true;
	}
	if (c == '!' && next == '=')
		return fault(l, "\"not equal\" is written <>");
	if (c != '<' && c != '>')
		return fault(l, "this character means nothing here");
	l->to += next == '=' || (c == '<' && next == '>') ? 1 : 0;
	if (next == '=')
		l->token = c == '<' ? SEL_TOK_LE : SEL_TOK_GE;
	else if (c == '<' && next == '>')
		l->token = SEL_TOK_NE;
	else
		l->token = c == '<' ? SEL_TOK_LT : SEL_TOK_GT;
	return true;
}

bool
mqsel_next(struct sel_lex *l)
{
	char c;

	while (l->to < l->len && is_blank(l->text[l->to]))
		l->to++;
	l->from = l->to;
	l->token = SEL_TOK_END;
	if (l->to == l->len)
		return true;
	c = peek(l, 0);
	if (begins_name(c))
		return read_name(l);
	if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
		return read_number(l);
	if (c == '\'')
		return read_string(l);
	if (c == '"')
		return read_bytes(l);
	return read_sign(l);
}

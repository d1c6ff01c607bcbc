/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector_int.h - the program of a selector, and its tokens.  For selector*.c
 * only.  Thread-safe.
 */
#ifndef MQ_PROTO_SELECTOR_INT_H
#define MQ_PROTO_SELECTOR_INT_H

#include "proto/desc_scan.h"
#include "proto/selector.h"

/* ---- the program: postfix, on a stack of values ---- */

enum sel_code {
	SEL_NUMBER, /* u.i */
	SEL_REAL,   /* u.f */
	SEL_BOOLEAN,
	SEL_STRING, /* at, len */
	SEL_BYTES,
	SEL_PROP,  /* a property: at, len */
	SEL_FIELD, /* n: index of sel_names */
	SEL_EQ,
	SEL_NE,
	SEL_LT,
	SEL_LE,
	SEL_GT,
	SEL_GE,
	SEL_BETWEEN, /* takes three */
	SEL_IN,      /* len literals follow, which are not run */
	SEL_LIKE,    /* len segments follow, the parts of a pattern between its
			%, which are not run */
	SEL_SEGMENT, /* at, len; a NUL stands for any character; n: has some */
	SEL_IS_NULL,
	SEL_NOT,
	SEL_AND,
	SEL_OR,
	SEL_SKIP_FALSE, /* past len operations if the top is false */
	SEL_SKIP_TRUE,
	SEL_ADD,
	SEL_SUB,
	SEL_MUL,
	SEL_DIV,
	SEL_NEGATE,
};

struct sel_op {
	uint8_t code; /* enum sel_code */
	uint8_t n;
	uint16_t len;
	uint32_t at; /* in pool */

	union {
		int64_t i;
		double f;
	} u;
};

struct sel_sizes {
	uint16_t ops;
	uint16_t names; /* SEL_PROP and SEL_FIELD */
	uint16_t likes;
	uint16_t wild; /* segments with any character */
	uint32_t pool; /* bytes */
};

struct mqselector {
	struct sel_sizes n;
	const char *pool; /* behind ops */
	struct sel_op ops[];
};

/* ---- names of what is not a property ---- */

/* What is known of a value's type when it is parsed. */
enum sel_type {
	SEL_T_ANY, /* of a property */
	SEL_T_BOOLEAN,
	SEL_T_NUMBER,
	SEL_T_STRING,
	SEL_T_BYTES,
};

enum sel_view {
	SEL_V_PLAIN,    /* the field as it is */
	SEL_V_ID,       /* "ID:" and hexadecimal digits; null if zeros */
	SEL_V_MODE,     /* PERSISTENT, NON_PERSISTENT */
	SEL_V_MS,       /* of the put; null if there is none */
	SEL_V_DATE,     /* YYYYMMDD */
	SEL_V_TIME,     /* HHMMSSTH */
	SEL_V_BACKOUTS, /* of the message, not of its descriptor */
	SEL_V_DELIVERY, /* those and one */
};

struct sel_name {
	const char *name;
	uint8_t field; /* enum desc_field */
	uint8_t view;  /* enum sel_view */
	uint8_t type;  /* enum sel_type */
};

/* The index of a name, -1 if there is none. */
int mqsel_find_name(const char *name, size_t len);
const struct sel_name *mqsel_name(unsigned index);

/* ---- tokens: selector_lex.c ---- */

enum sel_token {
	SEL_TOK_END,
	SEL_TOK_NAME,
	SEL_TOK_STRING, /* of the text, with its quotes */
	SEL_TOK_BYTES,  /* "0x..." */
	SEL_TOK_INT,    /* u.i, without a sign */
	SEL_TOK_REAL,
	SEL_TOK_EQ,
	SEL_TOK_NE,
	SEL_TOK_LT,
	SEL_TOK_LE,
	SEL_TOK_GT,
	SEL_TOK_GE,
	SEL_TOK_PLUS,
	SEL_TOK_MINUS,
	SEL_TOK_TIMES,
	SEL_TOK_OVER,
	SEL_TOK_OPEN,
	SEL_TOK_CLOSE,
	SEL_TOK_COMMA,
	/* keywords */
	SEL_TOK_AND,
	SEL_TOK_BETWEEN,
	SEL_TOK_ESCAPE,
	SEL_TOK_FALSE,
	SEL_TOK_IN,
	SEL_TOK_IS,
	SEL_TOK_LIKE,
	SEL_TOK_NOT,
	SEL_TOK_NULL,
	SEL_TOK_OR,
	SEL_TOK_TRUE,
};

struct sel_lex {
	const char *text;
	size_t len;
	/* the token under way */
	enum sel_token token;
	size_t from;
	size_t to; /* the next one begins here, or behind blanks */

	union {
		uint64_t i;
		double f;
	} u;

	const char *fault; /* why there is none, or NULL */
};

/* Reads the next token; false: fault says what stands at `from`. */
bool mqsel_next(struct sel_lex *l);
/* For a person: "AND", "a name". */
const char *mqsel_token_name(enum sel_token token);

#endif

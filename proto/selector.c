/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector.c - parses a selector into a program.
 *
 *   or       := and { OR and }
 *   and      := not { AND not }
 *   not      := NOT not | test
 *   test     := sum [ compare sum | IS [NOT] NULL | [NOT] BETWEEN sum AND sum
 *             | [NOT] IN ( literal {, literal} )
 *             | [NOT] LIKE string [ESCAPE string] ]
 *   sum      := product { (+|-) product }
 *   product  := sign { (*|/) sign }
 *   sign     := (+|-) sign | literal | name | ( or )
 *
 * Neighbours: selector_lex.c gives tokens, selector_eval.c runs the program.
 * Invariants: the program, its texts, the parser's own depth and the stack
 * that the program will need are bounded while they grow.  Each part knows
 * its type as far as it can be known, so that what could never be true is
 * refused here and not met as a queue that never gives anything.
 * Failure: the first thing that is wrong, with its place; nothing is left
 * allocated.
 */
#include "proto/selector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/selector_int.h"

/* What a part of the text has become. */
struct part {
	size_t from; /* where it begins in the text */
	enum sel_type type;
};

struct parser {
	struct sel_lex lex;
	struct mqselector_error *error;
	enum mqi_err err;
	unsigned depth;
	unsigned stack; /* values at this point */
	struct sel_sizes n;
	struct sel_op ops[MQSELECTOR_OPS_MAX];
	char pool[MQSELECTOR_TEXT_MAX];
};

static bool parse_or(struct parser *p, struct part *ret);

/* ---- errors: each returns false ---- */

MQ_PRINTF(4, 5)

static bool
fail(struct parser *p, enum mqi_err err, size_t pos, const char *format, ...)
{
	struct mqselector_error *e = p->error;
	va_list args;
	int n;

	p->err = err;
	e->pos = (uint32_t)pos + 1;
	n = snprintf(e->text, sizeof(e->text), "selector, at %u: ", e->pos);
	va_start(args, format);
	(void)vsnprintf(e->text + n, sizeof(e->text) - (size_t)n, format, args);
	va_end(args);
	return false;
}

static bool
fail_expected(struct parser *p, const char *what)
{
	size_t len = p->lex.to - p->lex.from;

	if (p->lex.token == SEL_TOK_END || p->lex.token == SEL_TOK_STRING)
		return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, p->lex.from,
		    "%s is expected, not %s", what,
		    mqsel_token_name(p->lex.token));
	return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, p->lex.from,
	    "%s is expected, not %.*s", what, (int)(len > 40 ? 40 : len),
	    p->lex.text + p->lex.from);
}

static bool
fail_limit(struct parser *p, const char *what, unsigned limit)
{
	return fail(p, MQI_E_SELECTOR_LIMIT, p->lex.from,
	    "there are too many %s: at most %u", what, limit);
}

static const char *
type_name(enum sel_type type)
{
	static const char *const names[] = {
	    [SEL_T_ANY] = "a property",
	    [SEL_T_BOOLEAN] = "a condition",
	    [SEL_T_NUMBER] = "a number",
	    [SEL_T_STRING] = "a string",
	    [SEL_T_BYTES] = "a byte string",
	};

	return names[type];
}

static bool
need(struct parser *p, const struct part *a, enum sel_type type)
{
	if (a->type == type || a->type == SEL_T_ANY)
		return true;
	return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, a->from,
	    "%s is expected, and this is %s", type_name(type),
	    type_name(a->type));
}

/* ---- tokens ---- */

static bool
advance(struct parser *p)
{
	if (mqsel_next(&p->lex))
		return true;
	return fail(
	    p, MQI_E_SELECTOR_SYNTAX_ERROR, p->lex.from, "%s", p->lex.fault);
}

static bool
expect(struct parser *p, enum sel_token token)
{
	if (p->lex.token != token)
		return fail_expected(p, mqsel_token_name(token));
	return advance(p);
}

static bool
enter(struct parser *p)
{
	if (++p->depth > MQSELECTOR_NESTING_MAX)
		return fail_limit(
		    p, "parts within each other", MQSELECTOR_NESTING_MAX);
	return true;
}

/* ---- the program ---- */

/* takes, gives: values of the stack. */
static struct sel_op *
emit(struct parser *p, enum sel_code code, unsigned takes, unsigned gives)
{
	struct sel_op *op = &p->ops[p->n.ops];

	if (p->n.ops == MQSELECTOR_OPS_MAX) {
		(void)fail_limit(
		    p, "names, literals and operators", MQSELECTOR_OPS_MAX);
		return NULL;
	}
	MQ_INVARIANT(p->stack >= takes);
	p->stack += gives;
	p->stack -= takes;
	if (p->stack > MQSELECTOR_STACK_MAX) {
		(void)fail_limit(p, "unfinished parts", MQSELECTOR_STACK_MAX);
		return NULL;
	}
	p->n.ops++;
	memset(op, 0, sizeof(*op));
	op->code = (uint8_t)code;
	return op;
}

/* An operation on what is on the stack, with one result. */
static bool
operate(struct parser *p, enum sel_code code, unsigned takes)
{
	return emit(p, code, takes, 1) != NULL;
}

/* The pool never has more bytes than the text, which its parts come from. */
static void
keep_byte(struct parser *p, char c)
{
	MQ_INVARIANT(p->n.pool < sizeof(p->pool));
	p->pool[p->n.pool++] = c;
}

static void
keep_name(struct parser *p, struct sel_op *op)
{
	op->at = p->n.pool;
	op->len = (uint16_t)(p->lex.to - p->lex.from);
	for (size_t i = p->lex.from; i < p->lex.to; i++)
		keep_byte(p, p->lex.text[i]);
}

/* The string of the token, without its quotes. */
static void
keep_string(struct parser *p, struct sel_op *op)
{
	op->at = p->n.pool;
	for (size_t i = p->lex.from + 1; i < p->lex.to - 1; i++) {
		keep_byte(p, p->lex.text[i]);
		if (p->lex.text[i] == '\'')
			i++;
	}
	op->len = (uint16_t)(p->n.pool - op->at);
}

static unsigned
hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0')
			: (unsigned)((c | 0x20) - 'a') + 10;
}

static void
keep_bytes(struct parser *p, struct sel_op *op)
{
	const char *t = p->lex.text;

	op->at = p->n.pool;
	for (size_t i = p->lex.from + 3; i < p->lex.to - 1; i += 2)
		keep_byte(
		    p, (char)(hex_digit(t[i]) << 4 | hex_digit(t[i + 1])));
	op->len = (uint16_t)(p->n.pool - op->at);
}

/* ---- literals and names ---- */

static bool
keep_number(struct parser *p, struct sel_op *op, bool negative)
{
	uint64_t v = p->lex.u.i;

	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, p->lex.from,
		    "a number of 64 bits with a sign is expected");
	op->u.i = (int64_t)(negative ? -v : v);
	return true;
}

/* Whether the token begins a literal, its code and type. */
static bool
literal_kind(
    const struct parser *p, enum sel_code *ret_code, enum sel_type *ret_type)
{
	static const struct {
		enum sel_token token;
		enum sel_code code;
		enum sel_type type;
	} kinds[] = {
	    {SEL_TOK_STRING, SEL_STRING, SEL_T_STRING},
	    {SEL_TOK_BYTES, SEL_BYTES, SEL_T_BYTES},
	    {SEL_TOK_INT, SEL_NUMBER, SEL_T_NUMBER},
	    {SEL_TOK_REAL, SEL_REAL, SEL_T_NUMBER},
	    {SEL_TOK_TRUE, SEL_BOOLEAN, SEL_T_BOOLEAN},
	    {SEL_TOK_FALSE, SEL_BOOLEAN, SEL_T_BOOLEAN},
	};

	for (unsigned i = 0; i < MQ_ARRAY_LEN(kinds); i++) {
		if (p->lex.token == kinds[i].token) {
			*ret_code = kinds[i].code;
			*ret_type = kinds[i].type;
			return true;
		}
	}
	return false;
}

/* The token is a literal; gives: 1 on the stack, 0 data. */
static bool
parse_literal(
    struct parser *p, bool negative, unsigned gives, enum sel_type *ret_type)
{
	enum sel_code code;
	struct sel_op *op;

	if (!literal_kind(p, &code, ret_type))
		return fail_expected(p, "a literal");
	if (negative && *ret_type != SEL_T_NUMBER)
		return fail_expected(p, "a number");
	op = emit(p, code, 0, gives);
	if (op == NULL)
		return false;
	if (code == SEL_STRING)
		keep_string(p, op);
	else if (code == SEL_BYTES)
		keep_bytes(p, op);
	else if (code == SEL_REAL)
		op->u.f = negative ? -p->lex.u.f : p->lex.u.f;
	else if (code == SEL_BOOLEAN)
		op->u.i = p->lex.token == SEL_TOK_TRUE;
	else if (!keep_number(p, op, negative))
		return false;
	return advance(p);
}

/* Those that begin so and are no names of the table mean nothing. */
static bool
name_is_reserved(const char *name, size_t len)
{
	static const char *const jms[] = {"JMSReplyTo", "JMSDestination",
	    "JMSExpiration", "JMSRedelivered", "JMSDeliveryTime"};

	for (unsigned i = 0; i < MQ_ARRAY_LEN(jms); i++) {
		if (strlen(jms[i]) == len && memcmp(jms[i], name, len) == 0)
			return true;
	}
	return len >= 5 && memcmp(name, "Root.", 5) == 0;
}

static bool
parse_name(struct parser *p, struct part *ret)
{
	const char *name = p->lex.text + p->lex.from;
	size_t len = p->lex.to - p->lex.from;
	int index = mqsel_find_name(name, len);
	struct sel_op *op;

	if (index < 0 && name_is_reserved(name, len))
		return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, p->lex.from,
		    "%.*s is nothing that can be selected by",
		    (int)(len > 60 ? 60 : len), name);
	op = emit(p, index < 0 ? SEL_PROP : SEL_FIELD, 0, 1);
	if (op == NULL)
		return false;
	p->n.names++;
	if (index < 0) {
		ret->type = SEL_T_ANY;
		keep_name(p, op);
	} else {
		ret->type = (enum sel_type)mqsel_name((unsigned)index)->type;
		op->n = (uint8_t)index;
	}
	return advance(p);
}

/* ---- arithmetic ---- */

static bool
parse_primary(struct parser *p, struct part *ret)
{
	enum sel_code code;

	ret->from = p->lex.from;
	if (p->lex.token == SEL_TOK_OPEN) {
		size_t from = ret->from;

		if (!enter(p) || !advance(p) || !parse_or(p, ret) ||
		    !expect(p, SEL_TOK_CLOSE))
			return false;
		ret->from = from;
		p->depth--;
		return true;
	}
	if (p->lex.token == SEL_TOK_NAME)
		return parse_name(p, ret);
	if (literal_kind(p, &code, &ret->type))
		return parse_literal(p, false, 1, &ret->type);
	return fail_expected(p, "a name, a literal or (");
}

static bool
parse_sign(struct parser *p, struct part *ret)
{
	bool minus = p->lex.token == SEL_TOK_MINUS;
	size_t from = p->lex.from;
	struct part part;

	if (!minus && p->lex.token != SEL_TOK_PLUS)
		return parse_primary(p, ret);
	if (!enter(p) || !advance(p))
		return false;
	ret->from = from;
	ret->type = SEL_T_NUMBER;
	if (minus &&
	    (p->lex.token == SEL_TOK_INT || p->lex.token == SEL_TOK_REAL)) {
		if (!parse_literal(p, true, 1, &ret->type))
			return false;
	} else if (!parse_sign(p, &part) || !need(p, &part, SEL_T_NUMBER) ||
		   (minus && !operate(p, SEL_NEGATE, 1))) {
		return false;
	}
	p->depth--;
	return true;
}

/* A row of operations of the same rank on numbers. */
static bool
parse_row(struct parser *p, struct part *ret, enum sel_token one,
    enum sel_code one_code, enum sel_token other, enum sel_code other_code,
    bool (*operand)(struct parser *, struct part *))
{
	struct part right;

	if (!operand(p, ret))
		return false;
	while (p->lex.token == one || p->lex.token == other) {
		enum sel_code code =
		    p->lex.token == one ? one_code : other_code;

		if (!need(p, ret, SEL_T_NUMBER) || !advance(p) ||
		    !operand(p, &right) || !need(p, &right, SEL_T_NUMBER) ||
		    !operate(p, code, 2))
			return false;
		ret->type = SEL_T_NUMBER;
	}
	return true;
}

static bool
parse_product(struct parser *p, struct part *ret)
{
	return parse_row(
	    p, ret, SEL_TOK_TIMES, SEL_MUL, SEL_TOK_OVER, SEL_DIV, parse_sign);
}

static bool
parse_sum(struct parser *p, struct part *ret)
{
	return parse_row(p, ret, SEL_TOK_PLUS, SEL_ADD, SEL_TOK_MINUS, SEL_SUB,
	    parse_product);
}

/* ---- tests ---- */

static bool
parse_compare(struct parser *p, struct part *left)
{
	enum sel_code code =
	    (enum sel_code)(p->lex.token - SEL_TOK_EQ + SEL_EQ);
	size_t from = p->lex.from;
	struct part right;

	if (!advance(p) || !parse_sum(p, &right))
		return false;
	if (code != SEL_EQ && code != SEL_NE) {
		if (left->type == SEL_T_STRING || right.type == SEL_T_STRING ||
		    left->type == SEL_T_BYTES || right.type == SEL_T_BYTES)
			return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, from,
			    "strings are compared by = and <> only");
		if (!need(p, left, SEL_T_NUMBER) ||
		    !need(p, &right, SEL_T_NUMBER))
			return false;
	} else if (left->type != right.type && left->type != SEL_T_ANY &&
		   right.type != SEL_T_ANY) {
		return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, right.from,
		    "%s is never equal to %s", type_name(left->type),
		    type_name(right.type));
	}
	return operate(p, code, 2);
}

static bool
parse_is(struct parser *p)
{
	bool not ;

	if (!advance(p))
		return false;
	not = p->lex.token == SEL_TOK_NOT;
	if (not &&!advance(p))
		return false;
	if (p->lex.token != SEL_TOK_NULL)
		return fail_expected(p, not ? "NULL" : "NULL or NOT NULL");
	return advance(p) && operate(p, SEL_IS_NULL, 1) &&
	       (!not || operate(p, SEL_NOT, 1));
}

static bool
parse_between(struct parser *p, const struct part *left)
{
	struct part low, high;

	return need(p, left, SEL_T_NUMBER) && advance(p) &&
	       parse_sum(p, &low) && need(p, &low, SEL_T_NUMBER) &&
	       expect(p, SEL_TOK_AND) && parse_sum(p, &high) &&
	       need(p, &high, SEL_T_NUMBER) && operate(p, SEL_BETWEEN, 3);
}

static bool
parse_in_item(struct parser *p, const struct part *left)
{
	bool minus = p->lex.token == SEL_TOK_MINUS;
	struct part item = {.from = p->lex.from};

	if (minus && !advance(p))
		return false;
	if (!parse_literal(p, minus, 0, &item.type))
		return false;
	if (left->type == item.type || left->type == SEL_T_ANY)
		return true;
	return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, item.from,
	    "%s is never equal to %s", type_name(left->type),
	    type_name(item.type));
}

static bool
parse_in(struct parser *p, const struct part *left)
{
	struct sel_op *op;

	if (!advance(p) || !expect(p, SEL_TOK_OPEN))
		return false;
	op = emit(p, SEL_IN, 1, 1);
	if (op == NULL)
		return false;
	for (;;) {
		if (!parse_in_item(p, left))
			return false;
		op->len++;
		if (p->lex.token != SEL_TOK_COMMA)
			break;
		if (!advance(p))
			return false;
	}
	if (p->lex.token != SEL_TOK_CLOSE)
		return fail_expected(p, ", or )");
	return advance(p);
}

/* ---- LIKE ---- */

/* The character at *i of the token's string, and over its second quote. */
static char
string_char(const struct sel_lex *string, size_t *i)
{
	char c = string->text[*i];

	*i += c == '\'' ? 2 : 1;
	return c;
}

/* Begins a segment, at the pool's end. */
static struct sel_op *
begin_segment(struct parser *p, struct sel_op *like)
{
	struct sel_op *seg = emit(p, SEL_SEGMENT, 0, 0);

	if (seg != NULL) {
		seg->at = p->n.pool;
		like->len++;
	}
	return seg;
}

static bool
end_segment(struct parser *p, const struct sel_lex *pattern, struct sel_op *seg)
{
	seg->len = (uint16_t)(p->n.pool - seg->at);
	if (seg->n == 0)
		return true;
	p->n.wild++;
	if (seg->len > MQSELECTOR_WILD_MAX)
		return fail(p, MQI_E_SELECTOR_LIMIT, pattern->from,
		    "a pattern with _ has at most %u bytes between two %%",
		    MQSELECTOR_WILD_MAX);
	return true;
}

/* Cuts the pattern at its %. */
static bool
cut_pattern(struct parser *p, const struct sel_lex *pattern, int escape)
{
	struct sel_op *like = &p->ops[p->n.ops - 1];
	struct sel_op *seg = begin_segment(p, like);
	size_t i = pattern->from + 1, end = pattern->to - 1;

	while (seg != NULL && i < end) {
		size_t at = i;
		char c = string_char(pattern, &i);

		if (c == escape) {
			if (i < end)
				c = string_char(pattern, &i);
			else
				c = '\0';
			if (c != '%' && c != '_' && c != escape)
				return fail(p, MQI_E_SELECTOR_SYNTAX_ERROR, at,
				    "behind the escape character stands %%, _ "
				    "or itself");
			keep_byte(p, c);
		} else if (c == '%') {
			if (!end_segment(p, pattern, seg))
				return false;
			while (
			    i < end && pattern->text[i] == '%' && escape != '%')
				i++;
			seg = begin_segment(p, like);
		} else {
			if (c == '_')
				seg->n = 1;
			keep_byte(p, c == '_' ? '\0' : c);
		}
	}
	return seg != NULL && end_segment(p, pattern, seg);
}

/* One character of ASCII; *ret: -1 if there is no ESCAPE. */
static bool
parse_escape(struct parser *p, int *ret)
{
	size_t i;

	*ret = -1;
	if (p->lex.token != SEL_TOK_ESCAPE)
		return true;
	if (!advance(p))
		return false;
	i = p->lex.from + 1;
	if (p->lex.token != SEL_TOK_STRING || i == p->lex.to - 1)
		return fail_expected(p, "one character in quotes");
	*ret = (unsigned char)string_char(&p->lex, &i);
	if (i != p->lex.to - 1 || *ret >= 0x80)
		return fail_expected(p, "one character of ASCII in quotes");
	return advance(p);
}

static bool
parse_like(struct parser *p, const struct part *left)
{
	struct sel_lex pattern;
	int escape;

	if (!need(p, left, SEL_T_STRING) || !advance(p))
		return false;
	if (p->lex.token != SEL_TOK_STRING)
		return fail_expected(p, "a pattern in quotes");
	pattern = p->lex;
	if (++p->n.likes > MQSELECTOR_LIKES_MAX)
		return fail_limit(p, "LIKE", MQSELECTOR_LIKES_MAX);
	return advance(p) && parse_escape(p, &escape) &&
	       operate(p, SEL_LIKE, 1) && cut_pattern(p, &pattern, escape);
}

/* ---- conditions ---- */

/* What may stand behind NOT as well. */
static bool
parse_set(struct parser *p, const struct part *left)
{
	bool not = p->lex.token == SEL_TOK_NOT;

	if (not &&!advance(p))
		return false;
	switch (p->lex.token) {
	case SEL_TOK_BETWEEN:
		if (!parse_between(p, left))
			return false;
		break;
	case SEL_TOK_IN:
		if (!parse_in(p, left))
			return false;
		break;
	case SEL_TOK_LIKE:
		if (!parse_like(p, left))
			return false;
		break;
	default:
		return fail_expected(p, "BETWEEN, IN or LIKE");
	}
	return !not || operate(p, SEL_NOT, 1);
}

static bool
parse_test(struct parser *p, struct part *ret)
{
	if (!parse_sum(p, ret))
		return false;
	switch (p->lex.token) {
	case SEL_TOK_EQ:
	case SEL_TOK_NE:
	case SEL_TOK_LT:
	case SEL_TOK_LE:
	case SEL_TOK_GT:
	case SEL_TOK_GE:
		if (!parse_compare(p, ret))
			return false;
		break;
	case SEL_TOK_IS:
		if (!parse_is(p))
			return false;
		break;
	case SEL_TOK_NOT:
	case SEL_TOK_BETWEEN:
	case SEL_TOK_IN:
	case SEL_TOK_LIKE:
		if (!parse_set(p, ret))
			return false;
		break;
	default:
		return true;
	}
	ret->type = SEL_T_BOOLEAN;
	return true;
}

static bool
parse_not(struct parser *p, struct part *ret)
{
	size_t from = p->lex.from;

	if (p->lex.token != SEL_TOK_NOT)
		return parse_test(p, ret);
	if (!enter(p) || !advance(p) || !parse_not(p, ret) ||
	    !need(p, ret, SEL_T_BOOLEAN) || !operate(p, SEL_NOT, 1))
		return false;
	ret->from = from;
	ret->type = SEL_T_BOOLEAN;
	p->depth--;
	return true;
}

/* Conditions joined by AND or OR, which leave out what changes nothing. */
static bool
parse_joined(struct parser *p, struct part *ret, enum sel_token token,
    enum sel_code code, enum sel_code skip,
    bool (*operand)(struct parser *, struct part *))
{
	struct part right;

	if (!operand(p, ret))
		return false;
	while (p->lex.token == token) {
		struct sel_op *op;
		unsigned at;

		if (!need(p, ret, SEL_T_BOOLEAN) || !advance(p))
			return false;
		op = emit(p, skip, 0, 0);
		at = p->n.ops;
		if (op == NULL || !operand(p, &right) ||
		    !need(p, &right, SEL_T_BOOLEAN) || !operate(p, code, 2))
			return false;
		op->len = (uint16_t)(p->n.ops - at);
		ret->type = SEL_T_BOOLEAN;
	}
	return true;
}

static bool
parse_and(struct parser *p, struct part *ret)
{
	return parse_joined(
	    p, ret, SEL_TOK_AND, SEL_AND, SEL_SKIP_FALSE, parse_not);
}

static bool
parse_or(struct parser *p, struct part *ret)
{
	return parse_joined(
	    p, ret, SEL_TOK_OR, SEL_OR, SEL_SKIP_TRUE, parse_and);
}

/* ---- the whole ---- */

static bool
parse_all(struct parser *p)
{
	const char *text = p->lex.text;
	size_t len = p->lex.len;
	struct part whole;

	if (len > MQSELECTOR_TEXT_MAX)
		return fail(p, MQI_E_SELECTION_STRING_ERROR,
		    MQSELECTOR_TEXT_MAX, "the text has at most %u bytes",
		    MQSELECTOR_TEXT_MAX);
	if (memchr(text, '\0', len) != NULL)
		return fail(p, MQI_E_SELECTION_STRING_ERROR, strnlen(text, len),
		    "the text may not have a NUL");
	if (!advance(p))
		return false;
	if (p->lex.token == SEL_TOK_END)
		return fail(p, MQI_E_SELECTION_STRING_ERROR, 0,
		    "the text has no condition");
	if (!parse_or(p, &whole))
		return false;
	if (p->lex.token != SEL_TOK_END)
		return fail_expected(p, "an operator or the end");
	MQ_INVARIANT(p->stack == 1);
	return need(p, &whole, SEL_T_BOOLEAN);
}

/* A copy that is as large as it needs to be. */
static struct mqselector *
pack(const struct parser *p)
{
	size_t ops_len = p->n.ops * sizeof(struct sel_op);
	struct mqselector *s = malloc(sizeof(*s) + ops_len + p->n.pool);
	char *pool;

	if (s == NULL)
		return NULL;
	s->n = p->n;
	memcpy(s->ops, p->ops, ops_len);
	pool = (char *)s->ops + ops_len;
	memcpy(pool, p->pool, p->n.pool);
	s->pool = pool;
	return s;
}

enum mqi_err
mqselector_parse(const char *text, size_t len, struct mqselector **ret,
    struct mqselector_error *ret_error)
{
	struct parser *p = malloc(sizeof(*p));
	struct mqselector *s;
	enum mqi_err err;

	if (p == NULL) {
		ret_error->pos = 0;
		ret_error->text[0] = '\0';
		return MQI_E_NO_MEMORY;
	}
	/* but its arrays */
	memset(p, 0, offsetof(struct parser, ops));
	p->lex.text = text;
	p->lex.len = len;
	p->error = ret_error;
	if (parse_all(p)) {
		s = pack(p);
		if (s != NULL)
			*ret = s;
		else
			p->err = MQI_E_NO_MEMORY;
	}
	err = p->err;
	free(p);
	return err;
}

struct mqselector *
mqselector_free(struct mqselector *s)
{
	free(s);
	return NULL;
}

size_t
mqselector_size(const struct mqselector *s)
{
	return sizeof(*s) + s->n.ops * sizeof(struct sel_op) + s->n.pool;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_selector_random.c - random conditions on random messages: what
 * proto/selector*.c says of them is what a reader of the standard would say.
 *
 * A condition is made as a tree, which is written out as a text in one of many
 * ways, and judged as a tree, straight from the message's properties.
 * MQ_SEED=n repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "proto/desc.h"
#include "proto/selector.h"

#define RUNS 4000u
#define MESSAGES 8u
#define NODES 64u
#define N_PROPS 8u

enum type { NOTHING, TRUTH, WHOLE, REAL, TEXT };

struct val {
	enum type type;
	int64_t i; /* of TRUTH too */
	double f;
	char text[64];
};

enum shape {
	LITERAL,
	PROPERTY,
	PRIORITY,
	FORMAT,
	NEGATIVE,
	CALCULATE,
	COMPARE,
	BETWEEN,
	IN,
	LIKE,
	IS_NULL,
	NOT,
	AND,
	OR,
};

struct node {
	enum shape shape;
	unsigned op; /* which operator, or property */
	bool not ;
	struct val v;
	struct node *a, *b, *c; /* IN: a row of literals from b by their b */
};

struct message {
	struct val props[N_PROPS];
	int priority;
	char format[9];
};

static uint64_t state;
static struct node nodes[NODES];
static unsigned n_nodes;

static unsigned
pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % n);
}

/* ---- making ---- */

static const char *const words[] = {"", "a", "ab", "b", "aab", "it's", "a%b",
    "_", "\xc3\xa4",
    ("a\xc3\xa4"
     "b"),
    "MQSTR", "bab"};

static struct val
random_value(enum type type)
{
	static const int64_t wholes[] = {0, 1, 2, 3, -1, 7, 9, 100,
	    INT64_C(4611686018427387904), INT64_MAX, -INT64_MAX};
	struct val v = {.type = type};

	v.i = type == TRUTH ? (int64_t)pick(2)
			    : wholes[pick(MQ_ARRAY_LEN(wholes))];
	v.f = (double)((int)pick(21) - 10) / 4;
	strcpy(v.text, words[pick(MQ_ARRAY_LEN(words))]);
	return v;
}

static struct node *
new_node(enum shape shape)
{
	struct node *n;

	assert_true(n_nodes < NODES);
	n = &nodes[n_nodes++];
	memset(n, 0, sizeof(*n));
	n->shape = shape;
	return n;
}

static bool
is_crowded(void)
{
	return n_nodes > NODES - 24;
}

static struct node *
make_literal(enum type type)
{
	struct node *n = new_node(LITERAL);

	n->v = random_value(type);
	return n;
}

static struct node *
make_property(void)
{
	struct node *n = new_node(PROPERTY);

	n->op = pick(N_PROPS);
	return n;
}

static struct node *
make_number(unsigned depth)
{
	struct node *n;

	switch (is_crowded() || depth == 0 ? pick(4) : pick(7)) {
	case 0:
		return make_literal(WHOLE);
	case 1:
		return make_literal(REAL);
	case 2:
		return make_property();
	case 3:
		return new_node(PRIORITY);
	case 4:
		n = new_node(NEGATIVE);
		n->a = make_number(depth - 1);
		return n;
	default:
		n = new_node(CALCULATE);
		n->op = pick(4);
		n->a = make_number(depth - 1);
		n->b = make_number(depth - 1);
		return n;
	}
}

static struct node *
make_text(void)
{
	switch (pick(4)) {
	case 0:
		return make_literal(TEXT);
	case 1:
		return new_node(FORMAT);
	default:
		return make_property();
	}
}

static struct node *
make_in(void)
{
	struct node *n = new_node(IN);
	struct node *last = n;
	enum type type = pick(2) ? WHOLE : TEXT;

	n->a = type == WHOLE ? make_number(1) : make_text();
	for (unsigned i = 0; i <= pick(4); i++) {
		last->b =
		    make_literal(type == WHOLE && pick(3) == 0 ? REAL : type);
		last = last->b;
	}
	return n;
}

static struct node *
make_test(void)
{
	struct node *n;

	switch (pick(7)) {
	case 0:
		n = new_node(COMPARE);
		n->op = pick(2); /* = and <> */
		n->a = make_text();
		n->b = make_text();
		return n;
	case 1:
		n = new_node(BETWEEN);
		n->a = make_number(1);
		n->b = make_number(1);
		n->c = make_number(1);
		break;
	case 2:
		n = make_in();
		break;
	case 3:
		n = new_node(LIKE);
		n->a = make_text();
		n->op = pick(2); /* with ESCAPE */
		for (unsigned i = 0, max = pick(6); i < max; i++)
			strcat(n->v.text, (const char *[]){"a", "b", "%", "_",
					      "'", "\xc3\xa4"}[pick(6)]);
		break;
	case 4:
		n = new_node(IS_NULL);
		n->a = pick(2) ? make_number(1) : make_text();
		break;
	case 5:
		return pick(3) ? make_property() : make_literal(TRUTH);
	default:
		n = new_node(COMPARE);
		n->op = pick(6);
		n->a = make_number(2);
		n->b = make_number(2);
		return n;
	}
	n->not = pick(3) == 0;
	return n;
}

static struct node *
make_condition(unsigned depth)
{
	struct node *n;

	if (depth == 0 || is_crowded() || pick(4) == 0)
		return make_test();
	n = new_node((enum shape)(NOT + (int)pick(3)));
	n->a = make_condition(depth - 1);
	if (n->shape != NOT)
		n->b = make_condition(depth - 1);
	return n;
}

/* ---- writing ---- */

static char text[8192];

static void
put(const char *s)
{
	assert_true(strlen(text) + strlen(s) < sizeof(text));
	strcat(text, s);
}

static void
put_word(const char *s)
{
	char word[16];
	bool lower = pick(2);

	put(pick(4) ? " " : " \t\n");
	strcpy(word, s);
	for (char *p = word; lower && *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	put(word);
	put(" ");
}

static void
put_quoted(const char *s)
{
	put("'");
	for (; *s; s++)
		put((char[]){*s, *s == '\'' ? '\'' : '\0', '\0'});
	put("'");
}

static void
write_literal(const struct val *v)
{
	char buf[64];

	switch (v->type) {
	case TRUTH:
		put_word(v->i ? "TRUE" : "FALSE");
		return;
	case WHOLE:
		(void)snprintf(buf, sizeof(buf),
		    v->i >= 0 && pick(2) ? "0x%llx" : "%lld", (long long)v->i);
		break;
	case REAL:
		(void)snprintf(
		    buf, sizeof(buf), pick(2) ? "%.3f" : "%.4e", v->f);
		break;
	default:
		put_quoted(v->text);
		return;
	}
	put(buf);
}

/* A pattern, of which a part is written with an escape that changes nothing or
 * takes its meaning away. */
static void
write_pattern(const struct node *n)
{
	char buf[160] = "";

	for (const char *p = n->v.text; *p; p++) {
		/* with ESCAPE, % and _ are themselves */
		if (n->op && (*p == '%' || *p == '_'))
			strcat(buf, "!");
		strcat(buf, (char[]){*p, '\0'});
	}
	put_quoted(buf);
	if (n->op) {
		put_word("ESCAPE");
		put("'!'");
	}
}

static void write_node(const struct node *n);

static void
write_part(const struct node *n)
{
	put("(");
	write_node(n);
	put(")");
}

static void
write_row(const struct node *n)
{
	put_word("IN");
	put("(");
	for (const struct node *i = n->b; i != NULL; i = i->b) {
		write_literal(&i->v);
		put(i->b != NULL ? " , " : ")");
	}
}

static void
write_test(const struct node *n)
{
	static const char *const signs[] = {"=", "<>", "<", "<=", ">", ">="};

	write_part(n->a);
	if (n->not &&n->shape != IS_NULL)
		put_word("NOT");
	switch (n->shape) {
	case COMPARE:
		put(signs[n->op]);
		write_part(n->b);
		return;
	case BETWEEN:
		put_word("BETWEEN");
		write_part(n->b);
		put_word("AND");
		write_part(n->c);
		return;
	case IN:
		write_row(n);
		return;
	case LIKE:
		put_word("LIKE");
		write_pattern(n);
		return;
	default:
		put_word("IS");
		if (n->not )
			put_word("NOT");
		put_word("NULL");
	}
}

static void
write_node(const struct node *n)
{
	static const char *const signs[] = {"+", "-", "*", "/"};
	char buf[8];

	switch (n->shape) {
	case LITERAL:
		write_literal(&n->v);
		return;
	case PROPERTY:
		(void)snprintf(buf, sizeof(buf), "p%u", n->op);
		put(buf);
		return;
	case PRIORITY:
		put(pick(2) ? "JMSPriority" : "Root.MQMD.Priority");
		return;
	case FORMAT:
		put("Root.MQMD.Format");
		return;
	case NEGATIVE:
		put("-");
		write_part(n->a);
		return;
	case CALCULATE:
		write_part(n->a);
		put(signs[n->op]);
		write_part(n->b);
		return;
	case NOT:
		put_word("NOT");
		write_part(n->a);
		return;
	case AND:
	case OR:
		write_part(n->a);
		put_word(n->shape == AND ? "AND" : "OR");
		write_part(n->b);
		return;
	default:
		write_test(n);
	}
}

/* ---- judging ---- */

static struct val judge(const struct node *n, const struct message *m);

static struct val
truth(int t) /* -1: unknown */
{
	struct val v = {.type = t < 0 ? NOTHING : TRUTH, .i = t};

	return v;
}

static int
truth_of(const struct val *v)
{
	return v->type == TRUTH ? (int)v->i : -1;
}

static bool
is_number(const struct val *v)
{
	return v->type == WHOLE || v->type == REAL;
}

static double
number(const struct val *v)
{
	return v->type == WHOLE ? (double)v->i : v->f;
}

static struct val
calculate(unsigned op, const struct val *a, const struct val *b)
{
	struct val v = {.type = WHOLE};
	__int128 x = a->i, y = b->i, z;

	if (!is_number(a) || !is_number(b) || (op == 3 && number(b) == 0))
		return truth(-1);
	if (a->type == WHOLE && b->type == WHOLE) {
		z = op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : x / y;
		v.i = (int64_t)z;
		if (v.i == z)
			return v;
	}
	v.type = REAL;
	v.f = op == 0   ? number(a) + number(b)
	      : op == 1 ? number(a) - number(b)
	      : op == 2 ? number(a) * number(b)
			: number(a) / number(b);
	return v;
}

static void
trim(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == ' ')
		s[--n] = '\0';
}

static int
compare(unsigned op, struct val a, struct val b)
{
	double x = number(&a), y = number(&b);
	int c;

	if (a.type == NOTHING || b.type == NOTHING)
		return -1;
	if (is_number(&a) && is_number(&b)) {
		if (a.type == WHOLE && b.type == WHOLE)
			c = a.i < b.i ? -1 : a.i > b.i;
		else
			c = x < y ? -1 : x > y;
	} else if (a.type != b.type || op > 1) {
		return 0;
	} else if (a.type == TRUTH) {
		c = a.i != b.i;
	} else {
		c = strcmp(a.text, b.text);
	}
	return op == 0   ? c == 0
	       : op == 1 ? c != 0
	       : op == 2 ? c < 0
	       : op == 3 ? c <= 0
	       : op == 4 ? c > 0
			 : c >= 0;
}

static bool
is_like(const char *pattern, const char *s, bool plain)
{
	if (*pattern == '\0')
		return *s == '\0';
	if (*pattern == '%' && !plain)
		return is_like(pattern + 1, s, plain) ||
		       (*s != '\0' && is_like(pattern, s + 1, plain));
	if (*s == '\0')
		return false;
	if (*pattern == '_' && !plain)
		return is_like(pattern + 1,
		    s + ((unsigned char)*s == 0xc3 ? 2 : 1), plain);
	return *pattern == *s && is_like(pattern + 1, s + 1, plain);
}

static int
least(int a, int b) /* false, unknown, true are 0, -1, 1 */
{
	return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : 1;
}

static int
greatest(int a, int b)
{
	return a == 1 || b == 1 ? 1 : a < 0 || b < 0 ? -1 : 0;
}

static int
judge_test(const struct node *n, const struct message *m)
{
	struct val a = judge(n->a, m);
	int t = 0;

	switch (n->shape) {
	case COMPARE:
		return compare(n->op, a, judge(n->b, m));
	case BETWEEN:
		t = least(compare(5, a, judge(n->b, m)),
		    compare(3, a, judge(n->c, m)));
		break;
	case IN:
		for (const struct node *i = n->b; i != NULL; i = i->b)
			t = greatest(t, compare(0, a, i->v));
		break;
	case LIKE:
		t = a.type == NOTHING ? -1
		    : a.type != TEXT  ? 0
				      : is_like(n->v.text, a.text, n->op);
		break;
	default:
		t = a.type == NOTHING;
	}
	return n->not &&t >= 0 ? !t : t;
}

static struct val
judge(const struct node *n, const struct message *m)
{
	struct val a, b, v = {.type = WHOLE};
	int t;

	switch (n->shape) {
	case LITERAL:
		return n->v;
	case PROPERTY:
		return m->props[n->op];
	case PRIORITY:
		v.i = m->priority;
		return v;
	case FORMAT:
		v.type = TEXT;
		strcpy(v.text, m->format);
		return v;
	case NEGATIVE:
		a = judge(n->a, m);
		return calculate(1, &v, &a);
	case CALCULATE:
		a = judge(n->a, m);
		b = judge(n->b, m);
		return calculate(n->op, &a, &b);
	case NOT:
		a = judge(n->a, m);
		t = truth_of(&a);
		return truth(t < 0 ? t : !t);
	case AND:
	case OR:
		a = judge(n->a, m);
		b = judge(n->b, m);
		return truth((n->shape == AND ? least : greatest)(
		    truth_of(&a), truth_of(&b)));
	default:
		return truth(judge_test(n, m));
	}
}

/* ---- messages ---- */

static void
encode(const struct message *m, struct mqbuf *b)
{
	static const char *const names[N_PROPS] = {
	    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};
	struct mqi_prop props[N_PROPS];
	struct mqi_md md;
	size_t n = 0;

	mqi_md_init(&md);
	for (unsigned i = 0; i < N_PROPS; i++) {
		const struct val *v = &m->props[i];
		struct mqi_prop *p = &props[n];

		if (v->type == NOTHING && i % 2 == 0)
			continue; /* as one that says so */
		n++;
		p->name = names[i];
		p->type = v->type == NOTHING ? MQI_PROP_NULL
			  : v->type == TRUTH ? MQI_PROP_BOOLEAN
			  : v->type == WHOLE ? MQI_PROP_INT64
			  : v->type == REAL  ? MQI_PROP_FLOAT64
					     : MQI_PROP_STRING;
		if (v->type == REAL)
			p->value.float64 = v->f;
		else if (v->type == WHOLE)
			p->value.int64 = v->i;
		else if (v->type == TRUTH)
			p->value.boolean = (int)v->i;
		else {
			p->value.bytes.data = v->text;
			p->value.bytes.len = strlen(v->text);
		}
	}
	md.props = props;
	md.n_props = n;
	md.priority = m->priority;
	strcpy(md.format, m->format);
	mqbuf_reset(b);
	assert_int_equal(mqdesc_encode(&md, b), MQI_OK);
}

static void
random_message(struct message *m)
{
	for (unsigned i = 0; i < N_PROPS; i++)
		m->props[i] = random_value((enum type)pick(TEXT + 1));
	m->priority = (int)pick(10);
	strcpy(m->format, words[pick(MQ_ARRAY_LEN(words))]);
	trim(m->format);
}

static void
run_one(struct mqbuf *b)
{
	struct mqselector_error e = {.pos = 0};
	struct mqselector *s = NULL;
	struct node *n;

	n_nodes = 0;
	text[0] = '\0';
	n = make_condition(4);
	write_node(n);
	if (mqselector_parse(text, strlen(text), &s, &e) != MQI_OK)
		fail_msg("%s: %s", text, e.text);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct mqselector_msg msg = {.backout_count = 0};
		enum mqselector_truth t;
		struct message m;
		struct val v;

		random_message(&m);
		encode(&m, b);
		msg.desc = b->data;
		msg.desc_len = b->len;
		t = mqselector_run(s, &msg);
		v = judge(n, &m);
		if ((int)t != (truth_of(&v) < 0      ? MQSELECTOR_UNKNOWN
				  : truth_of(&v) > 0 ? MQSELECTOR_TRUE
						     : MQSELECTOR_FALSE))
			fail_msg("%s: %d, not %d", text, (int)t, truth_of(&v));
	}
	(void)mqselector_free(s);
}

static void
test_random_conditions_are_judged_as_their_trees(void **unused)
{
	const char *seed = getenv("MQ_SEED");
	struct mqbuf b;

	(void)unused;
	if (seed != NULL)
		state = strtoull(seed, NULL, 10);
	else
		mqrand_bytes(&state, 4);
	state |= 1;
	(void)fprintf(stderr, "MQ_SEED=%llu\n", (unsigned long long)state);
	mqbuf_init(&b, MQDESC_MAX);
	for (unsigned i = 0; i < RUNS; i++)
		run_one(&b);
	mqbuf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_conditions_are_judged_as_their_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

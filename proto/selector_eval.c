/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector_eval.c - a selector's program, run on the bytes of a descriptor.
 *
 * Neighbours: selector.c makes programs; desc_scan.c checks the bytes.
 * Invariants: nothing is allocated; a program's stack was measured when it was
 * made; the time is bounded by mqselector_cost().
 * Types: a value is null, a boolean, a number, a string or bytes.  What
 * compares two that are not alike is false; what takes a null, or a value of
 * a type that it cannot take, is unknown (which is the null of booleans).
 */
#include <math.h>
#include <string.h>

#include "proto/selector_int.h"

#define ID_TEXT_LEN (3u + 2u * MQI_ID_LEN)

enum kind { K_NULL, K_BOOLEAN, K_INT, K_REAL, K_STRING, K_BYTES };

struct value {
	enum kind kind;
	bool blanks; /* a string whose trailing blanks mean nothing */
	uint32_t len;

	union {
		int64_t i;
		double f;
		const uint8_t *p;
	} u;
};

/* A message while a program runs on it. */
struct run {
	const struct mqselector *s;
	const struct mqselector_msg *msg;
	struct desc_scan scan;
	/* texts that are not in the descriptor as such */
	char ids[3][ID_TEXT_LEN]; /* message, correlation, group */
	char date[9];
	char time[9];
	unsigned top; /* values on the stack */
	struct value stack[MQSELECTOR_STACK_MAX];
};

/* ---- names ---- */

static const struct sel_name names[] = {
#define MD(name, field, type)                                              \
	{                                                                  \
		"Root.MQMD." name, DESC_##field, SEL_V_PLAIN, SEL_T_##type \
	}
    {"JMSMessageID", DESC_MSG_ID, SEL_V_ID, SEL_T_STRING},
    {"JMSCorrelationID", DESC_CORREL_ID, SEL_V_ID, SEL_T_STRING},
    {"JMSPriority", DESC_PRIORITY, SEL_V_PLAIN, SEL_T_NUMBER},
    {"JMSTimestamp", DESC_PUT_TIME, SEL_V_MS, SEL_T_NUMBER},
    {"JMSDeliveryMode", DESC_PERSISTENCE, SEL_V_MODE, SEL_T_STRING},
    {"JMSXUserID", DESC_USER_IDENTIFIER, SEL_V_PLAIN, SEL_T_STRING},
    {"JMSXAppID", DESC_PUT_APPL_NAME, SEL_V_PLAIN, SEL_T_STRING},
    {"JMSXDeliveryCount", DESC_BACKOUT_COUNT, SEL_V_DELIVERY, SEL_T_NUMBER},
    {"JMSXGroupID", DESC_GROUP_ID, SEL_V_ID, SEL_T_STRING},
    {"JMSXGroupSeq", DESC_MSG_SEQ_NUMBER, SEL_V_PLAIN, SEL_T_NUMBER},
    MD("Report", REPORT, NUMBER),
    MD("MsgType", MSG_TYPE, NUMBER),
    MD("Expiry", EXPIRY, NUMBER),
    MD("Feedback", FEEDBACK, NUMBER),
    MD("Encoding", ENCODING, NUMBER),
    MD("CodedCharSetId", CCSID, NUMBER),
    MD("Format", FORMAT, STRING),
    MD("Priority", PRIORITY, NUMBER),
    MD("Persistence", PERSISTENCE, NUMBER),
    MD("MsgId", MSG_ID, BYTES),
    MD("CorrelId", CORREL_ID, BYTES),
    {"Root.MQMD.BackoutCount", DESC_BACKOUT_COUNT, SEL_V_BACKOUTS,
	SEL_T_NUMBER},
    MD("ReplyToQ", REPLY_TO_Q, STRING),
    MD("ReplyToQMgr", REPLY_TO_QMGR, STRING),
    MD("UserIdentifier", USER_IDENTIFIER, STRING),
    MD("AccountingToken", ACCOUNTING_TOKEN, BYTES),
    MD("ApplIdentityData", APPL_IDENTITY_DATA, STRING),
    MD("PutApplType", PUT_APPL_TYPE, NUMBER),
    MD("PutApplName", PUT_APPL_NAME, STRING),
    {"Root.MQMD.PutDate", DESC_PUT_TIME, SEL_V_DATE, SEL_T_STRING},
    {"Root.MQMD.PutTime", DESC_PUT_TIME, SEL_V_TIME, SEL_T_STRING},
    MD("ApplOriginData", APPL_ORIGIN_DATA, STRING),
    MD("GroupId", GROUP_ID, BYTES),
    MD("MsgSeqNumber", MSG_SEQ_NUMBER, NUMBER),
    MD("Offset", OFFSET, NUMBER),
    MD("MsgFlags", MSG_FLAGS, NUMBER),
    MD("OriginalLength", ORIGINAL_LENGTH, NUMBER),
#undef MD
};

int
mqsel_find_name(const char *name, size_t len)
{
	for (unsigned i = 0; i < MQ_ARRAY_LEN(names); i++) {
		if (strlen(names[i].name) == len &&
		    memcmp(names[i].name, name, len) == 0)
			return (int)i;
	}
	return -1;
}

const struct sel_name *
mqsel_name(unsigned index)
{
	MQ_PRE(index < MQ_ARRAY_LEN(names));
	return &names[index];
}

/* ---- values ---- */

static struct value
null_value(void)
{
	return (struct value){.kind = K_NULL};
}

static struct value
int_value(int64_t i)
{
	return (struct value){.kind = K_INT, .u.i = i};
}

static struct value
real_value(double f)
{
	return (struct value){.kind = K_REAL, .u.f = f};
}

static struct value
text_value(enum kind kind, const void *p, size_t len)
{
	return (struct value){.kind = kind, .len = (uint32_t)len, .u.p = p};
}

static struct value
truth_value(enum mqselector_truth t)
{
	if (t == MQSELECTOR_UNKNOWN)
		return null_value();
	return (struct value){.kind = K_BOOLEAN, .u.i = t == MQSELECTOR_TRUE};
}

static enum mqselector_truth
truth_of(const struct value *v)
{
	if (v->kind != K_BOOLEAN)
		return MQSELECTOR_UNKNOWN;
	return v->u.i != 0 ? MQSELECTOR_TRUE : MQSELECTOR_FALSE;
}

static enum mqselector_truth
claim(bool is_true)
{
	return is_true ? MQSELECTOR_TRUE : MQSELECTOR_FALSE;
}

static struct value
prop_value(const struct desc_prop *p)
{
	uint64_t bits;
	double f;

	switch ((enum mqi_prop_type)p->type) {
	case MQI_PROP_NULL:
		return null_value();
	case MQI_PROP_BOOLEAN:
		return truth_value(claim(p->value[0] != 0));
	case MQI_PROP_BYTES:
		return text_value(K_BYTES, p->value, p->value_len);
	case MQI_PROP_INT64:
		return int_value((int64_t)mqbuf_get_u64(p->value));
	case MQI_PROP_FLOAT64:
		bits = mqbuf_get_u64(p->value);
		memcpy(&f, &bits, sizeof(f));
		return real_value(f);
	case MQI_PROP_STRING:
		break;
	}
	return text_value(K_STRING, p->value, p->value_len);
}

static struct value
load_prop(const struct run *r, const struct sel_op *op)
{
	const char *name = r->s->pool + op->at;
	struct desc_prop p;
	struct mqreader rd;

	if (r->scan.props == NULL)
		return null_value();
	mqreader_init(&rd, r->scan.props, r->scan.props_len);
	for (uint16_t n = mqreader_u16(&rd); n > 0; n--) {
		MQ_INVARIANT(mqdesc_next_prop(&rd, &p));
		if (p.name_len == op->len && memcmp(p.name, name, op->len) == 0)
			return prop_value(&p);
	}
	return null_value();
}

/* ---- fields ---- */

static struct value
load_plain(const struct run *r, enum desc_field field)
{
	static const uint8_t zeros[32];
	const struct desc_entry *e = &mqdesc_table[field];
	bool has = mqdesc_has(&r->scan, field);
	const uint8_t *at = has ? r->scan.at[field] : zeros;
	struct value v;

	switch ((enum desc_kind)e->kind) {
	case DESC_BYTES:
		return text_value(K_BYTES, at, e->size);
	case DESC_STR:
		v = text_value(K_STRING, at + 1, at[0]);
		v.blanks = true;
		return v;
	default:
		return int_value(has ? mqdesc_number(field, at) : e->def);
	}
}

static struct value
load_id(struct run *r, enum desc_field field)
{
	static const char digits[] = "0123456789abcdef";
	char *text = r->ids[field == DESC_MSG_ID      ? 0
			    : field == DESC_CORREL_ID ? 1
						      : 2];
	const uint8_t *id = r->scan.at[field];

	if (!mqdesc_has(&r->scan, field))
		return null_value();
	memcpy(text, "ID:", 3);
	for (unsigned i = 0; i < MQI_ID_LEN; i++) {
		text[3 + 2 * i] = digits[id[i] >> 4];
		text[4 + 2 * i] = digits[id[i] & 15];
	}
	return text_value(K_STRING, text, ID_TEXT_LEN);
}

static struct value
load_time(struct run *r, enum sel_view view)
{
	int64_t ms;

	if (!mqdesc_has(&r->scan, DESC_PUT_TIME))
		return view == SEL_V_MS ? null_value()
					: text_value(K_STRING, "", 0);
	ms = mqdesc_number(DESC_PUT_TIME, r->scan.at[DESC_PUT_TIME]);
	if (view == SEL_V_MS)
		return int_value(ms);
	mqclock_mq_date((uint64_t)ms * 1000, r->date, r->time);
	return text_value(K_STRING, view == SEL_V_DATE ? r->date : r->time, 8);
}

static struct value
load_mode(const struct run *r)
{
	struct value v = load_plain(r, DESC_PERSISTENCE);

	if (v.u.i == MQI_PERSISTENCE_AS_Q_DEF)
		return null_value();
	return v.u.i == MQI_PERSISTENCE_YES
		   ? text_value(K_STRING, "PERSISTENT", 10)
		   : text_value(K_STRING, "NON_PERSISTENT", 14);
}

static struct value
load_field(struct run *r, unsigned index)
{
	const struct sel_name *n = mqsel_name(index);

	switch ((enum sel_view)n->view) {
	case SEL_V_PLAIN:
		break;
	case SEL_V_ID:
		return load_id(r, (enum desc_field)n->field);
	case SEL_V_MODE:
		return load_mode(r);
	case SEL_V_MS:
	case SEL_V_DATE:
	case SEL_V_TIME:
		return load_time(r, (enum sel_view)n->view);
	case SEL_V_BACKOUTS:
		return int_value(r->msg->backout_count);
	case SEL_V_DELIVERY:
		return int_value((int64_t)r->msg->backout_count + 1);
	}
	return load_plain(r, (enum desc_field)n->field);
}

/* ---- comparing ---- */

static bool
is_number(const struct value *v)
{
	return v->kind == K_INT || v->kind == K_REAL;
}

static double
as_real(const struct value *v)
{
	return v->kind == K_INT ? (double)v->u.i : v->u.f;
}

static uint32_t
trimmed(const struct value *v)
{
	uint32_t n = v->len;

	while (n > 0 && v->u.p[n - 1] == ' ')
		n--;
	return n;
}

static bool
is_same_text(const struct value *a, const struct value *b)
{
	bool blanks = a->blanks || b->blanks;
	uint32_t n = blanks ? trimmed(a) : a->len;

	return n == (blanks ? trimmed(b) : b->len) &&
	       (n == 0 || memcmp(a->u.p, b->u.p, n) == 0);
}

/* <0, 0, >0, or 2: neither, as with what is not a number. */
static int
order(const struct value *a, const struct value *b)
{
	if (a->kind == K_INT && b->kind == K_INT)
		return (a->u.i > b->u.i) - (a->u.i < b->u.i);
	if (isnan(as_real(a)) || isnan(as_real(b)))
		return 2;
	return (as_real(a) > as_real(b)) - (as_real(a) < as_real(b));
}

static bool
holds(enum sel_code code, int c)
{
	switch (code) {
	case SEL_EQ:
		return c == 0;
	case SEL_NE:
		return c != 0;
	case SEL_LT:
		return c < 0;
	case SEL_LE:
		return c <= 0;
	case SEL_GT:
		return c == 1;
	default:
		return c == 0 || c == 1;
	}
}

static enum mqselector_truth
compare(enum sel_code code, const struct value *a, const struct value *b)
{
	bool same;

	if (a->kind == K_NULL || b->kind == K_NULL)
		return MQSELECTOR_UNKNOWN;
	if (is_number(a) && is_number(b))
		return claim(holds(code, order(a, b)));
	if (a->kind != b->kind || (code != SEL_EQ && code != SEL_NE))
		return MQSELECTOR_FALSE;
	same = a->kind == K_BOOLEAN ? a->u.i == b->u.i : is_same_text(a, b);
	return claim(same == (code == SEL_EQ));
}

static enum mqselector_truth
both(enum mqselector_truth a, enum mqselector_truth b)
{
	return a < b ? a : b;
}

static enum mqselector_truth
either(enum mqselector_truth a, enum mqselector_truth b)
{
	return a > b ? a : b;
}

/* ---- LIKE ---- */

/* Where the character that begins at p ends. */
static const uint8_t *
char_end(const uint8_t *p, const uint8_t *end)
{
	p++;
	while (p < end && (*p & 0xc0) == 0x80)
		p++;
	return p;
}

/* Where the segment ends if it stands at p, else NULL. */
static const uint8_t *
segment_at(const char *seg, size_t len, const uint8_t *p, const uint8_t *end)
{
	for (size_t i = 0; i < len; i++) {
		if (p == end)
			return NULL;
		if (seg[i] == '\0')
			p = char_end(p, end);
		else if ((uint8_t)seg[i] == *p)
			p++;
		else
			return NULL;
	}
	return p;
}

/* The same from its end; returns where it begins. */
static const uint8_t *
segment_before(
    const char *seg, size_t len, const uint8_t *begin, const uint8_t *p)
{
	while (len > 0) {
		if (p == begin)
			return NULL;
		p--;
		len--;
		if (seg[len] == '\0') {
			while (p > begin && (*p & 0xc0) == 0x80)
				p--;
		} else if ((uint8_t)seg[len] != *p) {
			return NULL;
		}
	}
	return p;
}

/* The end of the first place that has the segment. */
static const uint8_t *
segment_find(const struct sel_op *seg, const char *bytes, const uint8_t *p,
    const uint8_t *end)
{
	const uint8_t *at;

	if (seg->len == 0)
		return p;
	if (seg->n == 0) {
		at = memmem(p, (size_t)(end - p), bytes, seg->len);
		return at != NULL ? at + seg->len : NULL;
	}
	while (p < end) {
		at = segment_at(bytes, seg->len, p, end);
		if (at != NULL)
			return at;
		p = char_end(p, end);
	}
	return NULL;
}

static bool
is_like(const struct run *r, const struct sel_op *op, const struct value *v)
{
	const struct sel_op *seg = op + 1, *last = op + op->len;
	const uint8_t *p = v->u.p, *end = p + v->len;
	const char *pool = r->s->pool;

	if (op->len == 1)
		return segment_at(pool + seg->at, seg->len, p, end) == end;
	p = segment_at(pool + seg->at, seg->len, p, end);
	if (p == NULL)
		return false;
	end = segment_before(pool + last->at, last->len, p, end);
	if (end == NULL)
		return false;
	for (seg++; seg < last && p != NULL; seg++)
		p = segment_find(seg, pool + seg->at, p, end);
	return p != NULL;
}

static enum mqselector_truth
like(const struct run *r, const struct sel_op *op, const struct value *v)
{
	if (v->kind == K_NULL)
		return MQSELECTOR_UNKNOWN;
	return claim(v->kind == K_STRING && is_like(r, op, v));
}

/* ---- arithmetic ---- */

static bool
whole(enum sel_code code, int64_t a, int64_t b, int64_t *ret)
{
	switch (code) {
	case SEL_ADD:
		return !__builtin_add_overflow(a, b, ret);
	case SEL_SUB:
		return !__builtin_sub_overflow(a, b, ret);
	case SEL_MUL:
		return !__builtin_mul_overflow(a, b, ret);
	default:
		if (a == INT64_MIN && b == -1)
			return false;
		*ret = a / b;
		return true;
	}
}

static struct value
calculate(enum sel_code code, const struct value *a, const struct value *b)
{
	double x, y;
	int64_t i;

	if (!is_number(a) || !is_number(b))
		return null_value();
	x = as_real(a);
	y = as_real(b);
	if (code == SEL_DIV && y == 0)
		return null_value();
	/* whole numbers that grow too large go on as others */
	if (a->kind == K_INT && b->kind == K_INT &&
	    whole(code, a->u.i, b->u.i, &i))
		return int_value(i);
	switch (code) {
	case SEL_ADD:
		return real_value(x + y);
	case SEL_SUB:
		return real_value(x - y);
	case SEL_MUL:
		return real_value(x * y);
	default:
		return real_value(x / y);
	}
}

static struct value
negate(const struct value *v)
{
	struct value zero = int_value(0);

	if (v->kind == K_REAL)
		return real_value(-v->u.f);
	return calculate(SEL_SUB, &zero, v);
}

/* ---- the run ---- */

static struct value
literal(const struct run *r, const struct sel_op *op)
{
	switch ((enum sel_code)op->code) {
	case SEL_NUMBER:
		return int_value(op->u.i);
	case SEL_REAL:
		return real_value(op->u.f);
	case SEL_BOOLEAN:
		return truth_value(claim(op->u.i != 0));
	case SEL_STRING:
		return text_value(K_STRING, r->s->pool + op->at, op->len);
	case SEL_BYTES:
		return text_value(K_BYTES, r->s->pool + op->at, op->len);
	default:
		MQ_UNREACHABLE();
	}
}

static enum mqselector_truth
is_in(const struct run *r, const struct sel_op *op, const struct value *v)
{
	enum mqselector_truth t = MQSELECTOR_FALSE;

	for (uint16_t i = 1; i <= op->len && t != MQSELECTOR_TRUE; i++) {
		struct value item = literal(r, op + i);

		t = either(t, compare(SEL_EQ, v, &item));
	}
	return t;
}

/* Takes what the operation needs from the stack, and puts its result there;
 * returns how many operations behind it are not run. */
static unsigned
step(struct run *r, const struct sel_op *op)
{
	struct value *v = r->stack + r->top; /* behind the last one */
	enum sel_code code = (enum sel_code)op->code;

	switch (code) {
	case SEL_PROP:
		*v = load_prop(r, op);
		r->top++;
		return 0;
	case SEL_FIELD:
		*v = load_field(r, op->n);
		r->top++;
		return 0;
	case SEL_IS_NULL:
		v[-1] = truth_value(claim(v[-1].kind == K_NULL));
		return 0;
	case SEL_NEGATE:
		v[-1] = negate(&v[-1]);
		return 0;
	case SEL_NOT:
		v[-1] = truth_value((enum mqselector_truth)(
		    MQSELECTOR_TRUE - truth_of(&v[-1])));
		return 0;
	case SEL_LIKE:
		v[-1] = truth_value(like(r, op, &v[-1]));
		return op->len;
	case SEL_IN:
		v[-1] = truth_value(is_in(r, op, &v[-1]));
		return op->len;
	case SEL_SKIP_FALSE:
		return truth_of(&v[-1]) == MQSELECTOR_FALSE ? op->len : 0;
	case SEL_SKIP_TRUE:
		return truth_of(&v[-1]) == MQSELECTOR_TRUE ? op->len : 0;
	case SEL_BETWEEN:
		v[-3] = truth_value(both(compare(SEL_GE, &v[-3], &v[-2]),
		    compare(SEL_LE, &v[-3], &v[-1])));
		r->top -= 2;
		return 0;
	case SEL_AND:
		v[-2] = truth_value(both(truth_of(&v[-2]), truth_of(&v[-1])));
		break;
	case SEL_OR:
		v[-2] = truth_value(either(truth_of(&v[-2]), truth_of(&v[-1])));
		break;
	case SEL_EQ:
	case SEL_NE:
	case SEL_LT:
	case SEL_LE:
	case SEL_GT:
	case SEL_GE:
		v[-2] = truth_value(compare(code, &v[-2], &v[-1]));
		break;
	case SEL_ADD:
	case SEL_SUB:
	case SEL_MUL:
	case SEL_DIV:
		v[-2] = calculate(code, &v[-2], &v[-1]);
		break;
	default:
		*v = literal(r, op);
		r->top++;
		return 0;
	}
	r->top--;
	return 0;
}

enum mqselector_truth
mqselector_run(const struct mqselector *s, const struct mqselector_msg *msg)
{
	struct run r;

	r.s = s;
	r.msg = msg;
	r.top = 0;
	if (mqdesc_scan(msg->desc, msg->desc_len, &r.scan) != MQI_OK)
		return MQSELECTOR_UNKNOWN;
	for (unsigned i = 0; i < s->n.ops; i++)
		i += step(&r, &s->ops[i]);
	MQ_INVARIANT(r.top == 1);
	return truth_of(&r.stack[0]);
}

uint32_t
mqselector_cost(const struct mqselector *s, size_t desc_len)
{
	uint32_t units = (uint32_t)(desc_len / 16 + 1);

	return s->n.ops * 8u + units * (8u + s->n.names * 4u + s->n.likes * 4u +
					   s->n.wild * 64u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checker.c - the history, and the verdict on it.
 *
 * A history holds messages (one put each), units, and deliveries.  A verdict
 * takes four passes over it, for an instant:
 *   1. drained messages: known, whole, once, and in order;
 *   2. each message's put and removals: what is certain, what is possible;
 *   3. each unit of unknown outcome: "done" and "not done" are both tried; a
 *      unit that fits neither is torn, one that fits with messages missing
 *      charges them to their queues;
 *   4. what is missing on a queue must be covered by the lone gets that were
 *      cut off there: one message each.
 *
 * Invariants: numbers of messages, units and gets index their arrays and are
 * never reused.  Failure modes: a history beyond the limit aborts the test.
 */
#include "tests/lib/checker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define LIMIT (1u << 22)
#define MAX_PRINTED 10

struct span {
	uint64_t begin, end;
	enum checker_outcome outcome;
};

struct msg {
	struct span put;
	uint32_t unit;
	uint32_t seq; /* of its putter */
	uint8_t putter, queue;
	bool persistent;
	/* of the verdict under way */
	uint8_t drained, gone, maybe_gone;
	bool may_exist, must_exist;
	bool returned; /* delivered once and put back: order is free */
};

struct unit {
	struct span end;
	unsigned puts_here, puts_missing, gets_here, gets_missing;
	unsigned missing_puts_on[CHECKER_QUEUES];
	unsigned missing_gets_on[CHECKER_QUEUES];
};

enum how { LONE, IN_UNIT, AHEAD };

struct get {
	struct span call; /* AHEAD: acknowledgement */
	uint32_t id;
	uint32_t unit; /* AHEAD: the window */
	uint8_t getter, queue;
	bool by_id; /* says nothing of the order */
	enum how how;
};

#define VECTOR(type)             \
	struct {                 \
		type *at;        \
		uint32_t n, cap; \
	}

struct checker {
	pthread_mutex_t lock;
	const _Atomic uint64_t *clock;
	uint32_t seqs[CHECKER_CLIENTS];
	uint32_t windows[CHECKER_CLIENTS]; /* closed ones */
	bool free_order[CHECKER_QUEUES];
	VECTOR(struct msg) msgs;
	VECTOR(struct unit) units;
	VECTOR(struct get) gets;
	/* of the verdict under way */
	struct checker_report report;
	uint64_t at;
	unsigned missing[CHECKER_QUEUES], covered[CHECKER_QUEUES];
	unsigned printed;
	bool verbose;
};

static void *
grow(void *at, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return at;
	MQ_INVARIANT(*cap < LIMIT);
	*cap = *cap ? *cap * 2 : 1024;
	at = realloc(at, *cap * size);
	MQ_INVARIANT(at != NULL);
	return at;
}

/* A zeroed element at the end; its index. */
#define APPEND(v)                                                 \
	((v).at = grow((v).at, (v).n, &(v).cap, sizeof(*(v).at)), \
	    memset(&(v).at[(v).n], 0, sizeof(*(v).at)), (v).n++)

struct checker *
checker_new(const _Atomic uint64_t *clock)
{
	struct checker *c = calloc(1, sizeof(*c));

	MQ_INVARIANT(c != NULL);
	pthread_mutex_init(&c->lock, NULL);
	c->clock = clock;
	/* number 0 stands for none */
	(void)APPEND(c->msgs);
	(void)APPEND(c->units);
	(void)APPEND(c->gets);
	return c;
}

struct checker *
checker_free(struct checker *c)
{
	if (!c)
		return NULL;
	pthread_mutex_destroy(&c->lock);
	free(c->msgs.at);
	free(c->units.at);
	free(c->gets.at);
	free(c);
	return NULL;
}

void
checker_free_order(struct checker *c, unsigned queue)
{
	c->free_order[queue] = true;
}

/* ---- what clients tell ---- */

static void
span_begin(const struct checker *c, struct span *s)
{
	s->begin = c->clock ? *c->clock : 1;
	s->end = UINT64_MAX;
}

static void
span_end(const struct checker *c, struct span *s, enum checker_outcome outcome)
{
	s->end = c->clock ? *c->clock : 1;
	s->outcome = outcome;
}

static enum checker_outcome
span_at(const struct span *s, uint64_t at)
{
	if (s->begin == 0 || s->begin > at || s->outcome == CHECKER_NOT_DONE)
		return CHECKER_NOT_DONE;
	if (s->end > at || s->outcome == CHECKER_OPEN)
		return CHECKER_UNKNOWN;
	return s->outcome;
}

uint32_t
checker_unit_begin(struct checker *c)
{
	pthread_mutex_lock(&c->lock);
	uint32_t unit = APPEND(c->units);
	pthread_mutex_unlock(&c->lock);
	return unit;
}

void
checker_unit_ending(struct checker *c, uint32_t unit)
{
	pthread_mutex_lock(&c->lock);
	span_begin(c, &c->units.at[unit].end);
	pthread_mutex_unlock(&c->lock);
}

void
checker_unit_end(struct checker *c, uint32_t unit, enum checker_outcome outcome)
{
	pthread_mutex_lock(&c->lock);
	span_end(c, &c->units.at[unit].end, outcome);
	pthread_mutex_unlock(&c->lock);
}

uint32_t
checker_put_begin(struct checker *c, unsigned putter, unsigned queue,
    bool persistent, uint32_t unit)
{
	MQ_PRE(putter < CHECKER_CLIENTS && queue < CHECKER_QUEUES);
	pthread_mutex_lock(&c->lock);
	uint32_t id = APPEND(c->msgs);
	struct msg *m = &c->msgs.at[id];
	m->unit = unit;
	m->seq = ++c->seqs[putter];
	m->putter = (uint8_t)putter;
	m->queue = (uint8_t)queue;
	m->persistent = persistent;
	span_begin(c, &m->put);
	pthread_mutex_unlock(&c->lock);
	return id;
}

void
checker_put_end(struct checker *c, uint32_t id, enum checker_outcome outcome)
{
	pthread_mutex_lock(&c->lock);
	span_end(c, &c->msgs.at[id].put, outcome);
	pthread_mutex_unlock(&c->lock);
}

uint32_t
checker_get_begin(
    struct checker *c, unsigned getter, unsigned queue, uint32_t unit)
{
	MQ_PRE(getter < CHECKER_CLIENTS && queue < CHECKER_QUEUES);
	pthread_mutex_lock(&c->lock);
	uint32_t get = APPEND(c->gets);
	struct get *g = &c->gets.at[get];
	g->how = unit ? IN_UNIT : LONE;
	g->unit = unit;
	g->getter = (uint8_t)getter;
	g->queue = (uint8_t)queue;
	span_begin(c, &g->call);
	pthread_mutex_unlock(&c->lock);
	return get;
}

void
checker_get_by_id(struct checker *c, uint32_t get)
{
	pthread_mutex_lock(&c->lock);
	c->gets.at[get].by_id = true;
	pthread_mutex_unlock(&c->lock);
}

void
checker_get_end(
    struct checker *c, uint32_t get, uint32_t id, enum checker_outcome outcome)
{
	pthread_mutex_lock(&c->lock);
	c->gets.at[get].id = id;
	span_end(c, &c->gets.at[get].call, outcome);
	pthread_mutex_unlock(&c->lock);
}

void
checker_ahead_got(
    struct checker *c, unsigned getter, unsigned queue, uint32_t id)
{
	pthread_mutex_lock(&c->lock);
	struct get *g = &c->gets.at[APPEND(c->gets)];
	g->how = AHEAD;
	g->unit = c->windows[getter] + 1;
	g->getter = (uint8_t)getter;
	g->queue = (uint8_t)queue;
	g->id = id;
	pthread_mutex_unlock(&c->lock);
}

void
checker_ahead_acking(struct checker *c, unsigned getter, uint32_t id)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	/* this one, and all before it of the getter that are not acknowledged
	 */
	for (uint32_t i = c->gets.n - 1; i > 0; i--) {
		struct get *g = &c->gets.at[i];
		if (g->how != AHEAD || g->getter != getter)
			continue;
		if (g->call.begin)
			break;
		found = found || g->id == id;
		if (found)
			span_begin(c, &g->call);
	}
	pthread_mutex_unlock(&c->lock);
}

void
checker_ahead_flushed(struct checker *c, unsigned getter)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = c->gets.n - 1; i > 0; i--) {
		struct get *g = &c->gets.at[i];
		if (g->how != AHEAD || g->getter != getter || !g->call.begin)
			continue;
		if (g->call.outcome != CHECKER_OPEN)
			break;
		span_end(c, &g->call, CHECKER_DONE);
	}
	pthread_mutex_unlock(&c->lock);
}

void
checker_ahead_closed(struct checker *c, unsigned getter)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = c->gets.n - 1; i > 0; i--) {
		struct get *g = &c->gets.at[i];
		if (g->how != AHEAD || g->getter != getter)
			continue;
		if (g->call.outcome != CHECKER_OPEN)
			break;
		if (g->call.begin) {
			g->call.outcome = CHECKER_UNKNOWN;
			continue;
		}
		span_begin(c, &g->call);
		span_end(c, &g->call, CHECKER_NOT_DONE);
	}
	c->windows[getter]++;
	pthread_mutex_unlock(&c->lock);
}

/* ---- bodies ---- */

static uint64_t
next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
checker_fill(uint32_t id, void *body, size_t len)
{
	unsigned char *p = body;
	uint32_t head[4] = {0x4b434843u, id, (uint32_t)len, ~id};
	uint64_t state = id;

	MQ_PRE(len >= CHECKER_BODY_MIN);
	memcpy(p, head, sizeof(head));
	for (size_t i = sizeof(head); i < len; i += 8) {
		uint64_t v = next(&state);
		memcpy(p + i, &v, len - i < 8 ? len - i : 8);
	}
}

uint32_t
checker_identify(const void *body, size_t len)
{
	const unsigned char *p = body;
	uint32_t head[4];

	if (len < sizeof(head))
		return 0;
	memcpy(head, p, sizeof(head));
	if (head[0] != 0x4b434843u || head[2] != len || head[3] != ~head[1])
		return 0;
	uint64_t state = head[1];
	for (size_t i = sizeof(head); i < len; i += 8) {
		uint64_t v = next(&state);
		if (memcmp(p + i, &v, len - i < 8 ? len - i : 8) != 0)
			return 0;
	}
	return head[1];
}

/* ---- the verdict ---- */

static void
fault(struct checker *c, const char *what, const struct msg *m)
{
	if (!c->verbose || c->printed++ >= MAX_PRINTED)
		return;
	fprintf(stderr, "checker: %s: message %u", what,
	    (unsigned)(m - c->msgs.at));
	fprintf(stderr,
	    " (putter %u, its put %u, queue %u, unit %u, %spersistent, put "
	    "%u, drained %u, gone %u, maybe %u)\n",
	    m->putter, m->seq, m->queue, m->unit, m->persistent ? "" : "non-",
	    (unsigned)span_at(&m->put, c->at), m->drained, m->gone,
	    m->maybe_gone);
}

static enum checker_outcome
unit_at(const struct checker *c, uint32_t unit)
{
	return span_at(&c->units.at[unit].end, c->at);
}

static enum checker_outcome
put_at(const struct checker *c, const struct msg *m)
{
	enum checker_outcome put = span_at(&m->put, c->at);

	if (!m->unit || put == CHECKER_NOT_DONE)
		return put;
	/* a put cut off in a unit that was committed cannot be: the unit's
	 * outcome decides */
	return unit_at(c, m->unit);
}

static enum checker_outcome
get_at(const struct checker *c, const struct get *g)
{
	return g->how == IN_UNIT ? unit_at(c, g->unit)
				 : span_at(&g->call, c->at);
}

static void
judge_drained(
    struct checker *c, const struct checker_drained *drained, size_t n)
{
	uint32_t last[CHECKER_QUEUES][CHECKER_CLIENTS] = {{0}};

	for (size_t i = 0; i < n; i++) {
		uint32_t id = drained[i].id;
		if (id == 0 || id >= c->msgs.n) {
			c->report.unexpected++;
			if (c->verbose)
				fprintf(stderr, "checker: a body that nobody "
						"put\n");
			continue;
		}
		struct msg *m = &c->msgs.at[id];
		m->drained++;
		if (m->queue != drained[i].queue) {
			c->report.unexpected++;
			fault(c, "on another queue", m);
			continue;
		}
		uint32_t *seen = &last[m->queue][m->putter];
		if (m->seq <= *seen && m->drained == 1) {
			c->report.disorder++;
			fault(c, "out of order", m);
		}
		*seen = m->seq;
	}
}

static void
judge_gets(struct checker *c)
{
	for (uint32_t i = 1; i < c->gets.n; i++) {
		struct get *g = &c->gets.at[i];
		enum checker_outcome out = get_at(c, g);
		struct msg *m = &c->msgs.at[g->id];
		if (g->id == 0) {
			/* one that came back empty took nothing */
			if (g->how == LONE && out == CHECKER_UNKNOWN &&
			    g->call.outcome != CHECKER_DONE) {
				c->covered[g->queue]++;
				c->report.unknown_gets++;
			}
			continue;
		}
		if (out == CHECKER_DONE) {
			m->gone++;
			c->report.delivered++;
		} else if (out == CHECKER_UNKNOWN) {
			m->maybe_gone++;
			c->report.unknown_gets++;
		}
	}
}

/* Nobody has it, nobody may have it, and it was acknowledged. */
static bool
is_missing(const struct msg *m)
{
	return m->must_exist && m->drained + m->gone + m->maybe_gone == 0;
}

/* What each message's put says, with what was seen of it. */
static void
judge_msgs(struct checker *c)
{
	for (uint32_t i = 1; i < c->msgs.n; i++) {
		struct msg *m = &c->msgs.at[i];
		enum checker_outcome put = put_at(c, m);
		unsigned seen = m->drained + m->gone;
		m->may_exist = put != CHECKER_NOT_DONE;
		m->must_exist = put == CHECKER_DONE && m->persistent;
		if (put == CHECKER_DONE)
			c->report.acked++;
		if (put == CHECKER_UNKNOWN)
			c->report.unknown_puts++;
		if (seen > 0 && !m->may_exist) {
			c->report.unexpected++;
			fault(c, "seen, but it was not put", m);
		}
		if (seen > 1) {
			c->report.doubled++;
			fault(c, "seen more than once", m);
		}
		if (is_missing(m))
			c->missing[m->queue]++;
		if (m->unit && put == CHECKER_UNKNOWN) {
			struct unit *u = &c->units.at[m->unit];
			if (seen)
				u->puts_here++;
			else if (m->persistent && !m->maybe_gone) {
				u->puts_missing++;
				u->missing_puts_on[m->queue]++;
			}
		}
	}
}

/* Messages that somebody may have got: each is here or it is not. */
static void
judge_maybe_got(struct checker *c)
{
	/* per getter: a window in which one that may be gone is here */
	uint32_t present[CHECKER_CLIENTS] = {0};

	for (uint32_t i = 1; i < c->gets.n; i++) {
		struct get *g = &c->gets.at[i];
		struct msg *m = &c->msgs.at[g->id];
		if (!g->id || get_at(c, g) != CHECKER_UNKNOWN)
			continue;
		bool here = m->drained + m->gone > 0;
		if (g->how == IN_UNIT) {
			struct unit *u = &c->units.at[g->unit];
			if (here)
				u->gets_here++;
			else if (m->must_exist && m->maybe_gone == 1) {
				u->gets_missing++;
				u->missing_gets_on[m->queue]++;
			}
		}
		if (g->how != AHEAD)
			continue;
		/* acknowledgements are cumulative: what is gone is a prefix */
		if (here)
			present[g->getter] = g->unit;
		else if (present[g->getter] == g->unit && m->must_exist &&
			 m->maybe_gone == 1) {
			c->missing[m->queue]++;
			fault(c, "gone, but an earlier one is not", m);
		}
	}
}

/* How many messages more would be lost if these were missing, too: some may
 * be in the hands of gets that were cut off. */
static unsigned
excess(const struct checker *c, const unsigned missing_on[CHECKER_QUEUES])
{
	unsigned n = 0;

	for (unsigned q = 0; q < CHECKER_QUEUES; q++) {
		unsigned room = c->covered[q] > c->missing[q]
				    ? c->covered[q] - c->missing[q]
				    : 0;
		n += missing_on[q] > room ? missing_on[q] - room : 0;
	}
	return n;
}

/* Of a unit that may be done and may be not: what explains more. */
static bool
is_rather_done(const struct checker *c, const struct unit *u)
{
	unsigned done = excess(c, u->missing_puts_on);
	unsigned undone = excess(c, u->missing_gets_on);

	return done != undone ? done < undone
			      : u->puts_missing <= u->gets_missing;
}

static void
judge_units(struct checker *c)
{
	for (uint32_t i = 1; i < c->units.n; i++) {
		struct unit *u = &c->units.at[i];
		if (unit_at(c, i) != CHECKER_UNKNOWN)
			continue;
		c->report.unknown_units++;
		bool can_be_done = u->gets_here == 0;
		bool can_be_undone = u->puts_here == 0;
		if (!can_be_done && !can_be_undone) {
			c->report.torn++;
			if (c->verbose)
				fprintf(stderr,
				    "checker: unit %u is torn: %u of its puts "
				    "are seen and %u of its gets undone\n",
				    i, u->puts_here, u->gets_here);
			continue;
		}
		bool done =
		    can_be_done && (!can_be_undone || is_rather_done(c, u));
		for (unsigned q = 0; q < CHECKER_QUEUES; q++)
			c->missing[q] += done ? u->missing_puts_on[q]
					      : u->missing_gets_on[q];
		if (c->verbose && (done ? u->puts_missing : u->gets_missing))
			fprintf(stderr,
			    "checker: unit %u, %s, misses messages\n", i,
			    done ? "done" : "not done");
	}
}

/* Each getter sees each putter's messages in order, but for those that were
 * put back in between. */
static void
judge_order(struct checker *c)
{
	uint32_t last[CHECKER_CLIENTS][CHECKER_QUEUES][CHECKER_CLIENTS] = {
	    {{0}}};

	for (uint32_t i = 1; i < c->gets.n; i++) {
		struct get *g = &c->gets.at[i];
		struct msg *m = &c->msgs.at[g->id];
		if (!g->id || g->by_id ||
		    (g->call.begin && g->call.begin > c->at))
			continue;
		uint32_t *seen = &last[g->getter][m->queue][m->putter];
		if (m->seq <= *seen && !m->returned &&
		    !c->free_order[m->queue]) {
			c->report.disorder++;
			fault(c, "delivered out of order", m);
		}
		if (m->seq > *seen)
			*seen = m->seq;
		if (get_at(c, g) != CHECKER_DONE)
			m->returned = true;
	}
}

static void
judge_missing(struct checker *c)
{
	for (unsigned q = 0; q < CHECKER_QUEUES; q++) {
		if (c->missing[q] <= c->covered[q])
			continue;
		c->report.lost += c->missing[q] - c->covered[q];
		for (uint32_t i = 1; i < c->msgs.n; i++) {
			struct msg *m = &c->msgs.at[i];
			if (m->queue == q && is_missing(m))
				fault(c, "missing", m);
		}
	}
}

static void
verdict_reset(struct checker *c, uint64_t at, bool verbose)
{
	memset(&c->report, 0, sizeof(c->report));
	memset(c->missing, 0, sizeof(c->missing));
	memset(c->covered, 0, sizeof(c->covered));
	c->at = at;
	c->verbose = verbose;
	c->printed = 0;
	for (uint32_t i = 0; i < c->msgs.n; i++) {
		struct msg *m = &c->msgs.at[i];
		m->drained = m->gone = m->maybe_gone = 0;
		m->may_exist = m->must_exist = m->returned = false;
	}
	for (uint32_t i = 0; i < c->units.n; i++) {
		struct span end = c->units.at[i].end;
		memset(&c->units.at[i], 0, sizeof(c->units.at[i]));
		c->units.at[i].end = end;
	}
}

bool
checker_judge(struct checker *c, uint64_t at,
    const struct checker_drained *drained, size_t n, bool verbose,
    struct checker_report *ret_report)
{
	struct checker_report *r = &c->report;

	verdict_reset(c, at, verbose);
	r->drained = (unsigned)n;
	judge_drained(c, drained, n);
	judge_gets(c);
	judge_msgs(c);
	judge_maybe_got(c);
	judge_units(c);
	judge_order(c);
	judge_missing(c);
	*ret_report = *r;
	return !(
	    r->lost || r->doubled || r->unexpected || r->torn || r->disorder);
}

void
checker_print(const struct checker_report *r, const char *what)
{
	printf("%s: acknowledged %u, delivered %u, still queued %u; unknown: "
	       "puts %u, units %u, gets %u; lost %u, doubled %u, unexpected "
	       "%u, torn %u, out of order %u\n",
	    what, r->acked, r->delivered, r->drained, r->unknown_puts,
	    r->unknown_units, r->unknown_gets, r->lost, r->doubled,
	    r->unexpected, r->torn, r->disorder);
	fflush(stdout);
}

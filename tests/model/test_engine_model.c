/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_model.c - random histories: the engine, on a store whose every
 * step is held back at random, against the reference model (model.c).
 *
 * Puts, gets that wait or name an id, selectors, units, read-ahead, sessions
 * that end, replies that are not sent, crashes between any two steps; windows,
 * units and bounds are tiny, so that every path is walked.  engine_check() runs
 * after each step.  Each history prints its seed when it fails; MQ_SEED=n runs
 * one, MQ_STEPS its length, MQ_HISTORIES how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "tests/model/model.h"
#include "tests/unit/engine/rig.h"

#define SESSIONS 4u
#define OBSERVER 7u
#define ASKS 65536u
#define LONG_BODY 200000u
#define UNITS_OPEN 4u

enum ask_kind {
	ASK_NONE,
	ASK_PUT,
	ASK_GET,
	ASK_BROWSE,
	ASK_COMMIT,
	ASK_BACKOUT,
	ASK_ACK,
};

struct ask {
	enum ask_kind kind;
	unsigned session;
	unsigned queue;
	unsigned unit;
	unsigned msg;
	uint64_t token;
	uint32_t options;
	uint8_t id[MQI_ID_LEN];
};

struct history {
	struct rig rig;
	struct model model;
	struct ask asks[ASKS];
	uint64_t random;
	uint32_t handles[SESSIONS][MODEL_QUEUES];
	bool connected[SESSIONS];
	bool ahead[SESSIONS][MODEL_QUEUES];
	uint64_t last_token[SESSIONS][MODEL_QUEUES];
	uint32_t cursor[SESSIONS]; /* replies seen */
	unsigned units[SESSIONS][UNITS_OPEN];
	/* what a handle selects by, -1: nothing; and what messages have */
	int selects[SESSIONS][MODEL_QUEUES];
	int priorities[MODEL_MSGS];
	bool watches[SESSIONS][MODEL_QUEUES];
	char *body;
};

static struct history *h;

/* MQ_TRACE=1 says what happens to each message. */
#define TRACE(...)                                          \
	do {                                                \
		if (getenv("MQ_TRACE") != NULL)             \
			(void)fprintf(stderr, __VA_ARGS__); \
	} while (0)

static unsigned
roll(unsigned n)
{
	return (unsigned)(mqrand_next(&h->random) % n);
}

static void
msg_id_of(unsigned n, uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = 1;
	ret[1] = (uint8_t)n;
	ret[2] = (uint8_t)(n >> 8);
}

static void
correl_id_of(unsigned n, uint8_t ret[MQI_ID_LEN])
{
	memset(ret, 0, MQI_ID_LEN);
	ret[0] = 2;
	ret[1] = (uint8_t)(n % 7);
}

/* ---- selectors ---- */

#define SELECTORS 4

static const char *const selectors[SELECTORS] = {
    "JMSPriority = 0", "JMSPriority <> 1", "JMSPriority > 1", "absent = 5"};

static bool
is_selected(int selector, int priority)
{
	const bool fits[SELECTORS] = {
	    priority == 0, priority != 1, priority > 1, false};

	return selector < 0 || fits[selector];
}

static uint32_t
open_selecting(unsigned s, const char *name, uint32_t options, int selector)
{
	uint32_t id = ++h->rig.last_id;
	struct mqlocal_open_select v = {.options = options};
	struct rig_reply *k;

	strcpy(v.object, name);
	if (selector < 0) {
		engine_open(
		    h->rig.e, h->rig.sessions[s].s, id, name, "", options);
	} else {
		strcpy(v.selector, selectors[selector]);
		engine_open_select(h->rig.e, h->rig.sessions[s].s, id, &v);
	}
	k = rig_reply(&h->rig, s, id);
	assert_non_null(k);
	assert_int_equal(k->r.kind, ENGINE_OPENED);
	return k->r.handle;
}

/* ---- sessions ---- */

static void
connect_session(unsigned s)
{
	static const char *const names[] = {"Q0", "Q1", "Q2"};

	rig_connect(&h->rig, s);
	h->connected[s] = true;
	for (unsigned q = 0; q < MODEL_QUEUES; q++) {
		h->selects[s][q] = roll(3) == 0 ? (int)roll(SELECTORS) : -1;
		h->watches[s][q] = false;
		h->handles[s][q] = open_selecting(s, names[q],
		    MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_BROWSE,
		    h->selects[s][q]);
		h->ahead[s][q] = false;
		h->last_token[s][q] = 0;
	}
	memset(h->units[s], 0, sizeof(h->units[s]));
}

static unsigned
outstanding_gets(unsigned s)
{
	unsigned n = 0;

	for (uint32_t id = 1; id <= h->rig.last_id; id++) {
		if (h->asks[id].kind == ASK_GET && h->asks[id].session == s &&
		    h->asks[id].unit == 0)
			n++;
	}
	return n;
}

static void
forget_asks(unsigned s)
{
	for (uint32_t id = 1; id <= h->rig.last_id; id++) {
		if (h->asks[id].session == s)
			h->asks[id].kind = ASK_NONE;
	}
	rig_forget_replies(&h->rig, s);
	h->cursor[s] = 0;
}

/* ---- answers ---- */

static void
on_message(unsigned s, const struct rig_reply *k)
{
	struct ask *a = &h->asks[k->r.id & 0xffffu];
	unsigned n, q;

	assert_true(k->len >= 8);
	n = (unsigned)strtoul((const char *)k->data, NULL, 10);
	TRACE("%u: message %u id %x handle %u token %u reason %d\n", s, n,
	    k->r.id, k->r.handle, (unsigned)k->r.token, (int)k->r.reason);
	if (k->r.id == 0 || k->r.id >= UINT32_C(0x80000000)) {
		for (q = 0; q < MODEL_QUEUES; q++) {
			if (h->handles[s][q] == k->r.handle)
				break;
		}
		assert_true(is_selected(h->selects[s][q], h->priorities[n]));
		assert_true(k->r.token > h->last_token[s][q]);
		h->last_token[s][q] = k->r.token;
		model_got_ahead(&h->model, n, q, s, k->r.token);
		return;
	}
	assert_true(is_selected(h->selects[s][a->queue], h->priorities[n]));
	if (a->kind == ASK_BROWSE) {
		/* it may have gone since, but it was visible once */
		assert_true(
		    h->model.msgs[n].state != MODEL_IN_UNIT ||
		    h->model.units[h->model.msgs[n].unit].state != UNIT_OPEN);
		a->kind = ASK_NONE;
		return;
	}
	assert_int_equal(a->kind, ASK_GET);
	if (a->unit != 0)
		h->model.units[a->unit].gets--;
	a->kind = ASK_NONE;
	if ((a->options & MQI_GET_MATCH_MSG_ID) != 0) {
		uint8_t id[MQI_ID_LEN];

		msg_id_of(n, id);
		assert_memory_equal(id, a->id, MQI_ID_LEN);
	}
	if ((a->options & MQI_GET_MATCH_CORREL_ID) != 0) {
		uint8_t id[MQI_ID_LEN];

		correl_id_of(n, id);
		assert_memory_equal(id, a->id, MQI_ID_LEN);
	}
	if (k->r.reason != MQI_E_TRUNCATED)
		model_got(&h->model, n, a->queue, s, a->unit, k->index);
}

static void
on_answer(unsigned s, const struct rig_reply *k)
{
	struct ask *a = &h->asks[k->r.id & 0xffffu];
	struct ask was = *a;

	if (k->r.kind == ENGINE_MESSAGE) {
		on_message(s, k);
		return;
	}
	if (k->r.id == 0 || k->r.kind == ENGINE_OPENED)
		return;
	TRACE("%u: answer %x reason %d msg %u unit %u\n", s, k->r.id,
	    (int)k->r.reason, was.msg, was.unit);
	a->kind = ASK_NONE;
	switch (was.kind) {
	case ASK_PUT:
		assert_int_equal(k->r.reason, MQI_OK);
		model_put_done(&h->model, was.msg, true);
		break;
	case ASK_GET:
		assert_true(k->r.reason == MQI_E_NO_MSG_AVAILABLE ||
			    k->r.reason == MQI_E_NO_MSG_UNDER_CURSOR ||
			    k->r.reason == MQI_E_CANCELLED);
		if (was.unit != 0)
			h->model.units[was.unit].gets--;
		break;
	case ASK_BROWSE:
		assert_true(k->r.reason == MQI_E_NO_MSG_AVAILABLE ||
			    k->r.reason == MQI_E_NO_MSG_UNDER_CURSOR);
		break;
	case ASK_COMMIT:
		assert_int_equal(k->r.reason, MQI_OK);
		model_commit_done(&h->model, was.unit);
		break;
	case ASK_ACK:
		assert_int_equal(k->r.reason, MQI_OK);
		model_ack_done(&h->model, s, was.queue, was.token);
		break;
	default:
		assert_int_equal(k->r.reason, MQI_OK);
		break;
	}
}

static void
see_replies(void)
{
	for (unsigned s = 0; s < SESSIONS; s++) {
		struct rig_session *rs = &h->rig.sessions[s];
		bool all = true;

		for (uint32_t i = h->cursor[s]; i < rs->n_replies; i++) {
			struct rig_reply *k = rs->replies[i];

			if (k->taken)
				continue;
			if (k->r.kind == ENGINE_MESSAGE && !k->whole) {
				all = false;
				continue;
			}
			k->taken = true;
			on_answer(s, k);
		}
		if (all) {
			rig_forget_replies(&h->rig, s);
			h->cursor[s] = 0;
		}
		if (rs->s != NULL)
			model_sent(&h->model, s, rs->given - rs->n_unsent);
	}
}

/* ---- what happens ---- */

static unsigned
pick_unit(unsigned s)
{
	unsigned i;

	if (roll(3) != 0)
		return 0;
	i = roll(UNITS_OPEN);
	if (h->units[s][i] == 0)
		h->units[s][i] = model_unit_new(&h->model, s);
	return h->units[s][i];
}

static void
do_put(unsigned s)
{
	unsigned q = roll(MODEL_QUEUES);
	unsigned unit = pick_unit(s);
	int priority = (int)roll(3);
	bool persistent = roll(4) != 0;
	uint32_t len = 8 + (roll(40) == 0 ? roll(LONG_BODY) : roll(120));
	uint8_t msg_id[MQI_ID_LEN], correl_id[MQI_ID_LEN];
	struct rig_put p = {.handle = h->handles[s][q],
	    .unit = unit,
	    .priority = priority,
	    .persistence = persistent,
	    .body = h->body,
	    .len = len,
	    .msg_id = msg_id,
	    .correl_id = correl_id};
	char head[16];
	unsigned n;
	uint32_t id;

	/* the second queue is FIFO */
	n = model_put(&h->model, q, s, unit, q == 1 ? 0 : priority, persistent);
	h->priorities[n] = priority;
	(void)snprintf(head, sizeof(head), "%08u", n);
	memset(h->body, 'a' + (int)(n % 26), len);
	memcpy(h->body, head, 8);
	msg_id_of(n, msg_id);
	correl_id_of(n, correl_id);
	id = rig_ask_put(&h->rig, s, &p);
	TRACE("%u: put %u on %u unit %u prio %d len %u%s\n", s, n, q, unit,
	    priority, len, persistent ? "" : " np");
	h->asks[id] = (struct ask){
	    .kind = ASK_PUT, .session = s, .queue = q, .unit = unit, .msg = n};
}

static void
do_get(unsigned s)
{
	unsigned q = roll(MODEL_QUEUES);
	unsigned unit = pick_unit(s);
	struct mqlocal_get get = {
	    .handle = h->handles[s][q], .unit = unit, .max_len = UINT32_MAX};
	struct ask a = {
	    .kind = ASK_GET, .session = s, .queue = q, .unit = unit};
	uint32_t id = h->rig.last_id + 1;

	if (h->ahead[s][q])
		return;
	if (roll(10) == 0 && h->model.n_msgs > 0) {
		get.options |= MQI_GET_MATCH_MSG_ID;
		msg_id_of(1 + roll(h->model.n_msgs), get.msg_id);
		memcpy(a.id, get.msg_id, MQI_ID_LEN);
	} else if (roll(6) == 0) {
		get.options |= MQI_GET_MATCH_CORREL_ID;
		correl_id_of(roll(7), get.correl_id);
		memcpy(a.id, get.correl_id, MQI_ID_LEN);
	}
	if (roll(8) == 0) {
		get.max_len = 8;
		if (roll(2) == 0)
			get.options |= MQI_GET_ACCEPT_TRUNCATED;
	}
	if (roll(3) == 0)
		get.wait_ms = roll(2) == 0 ? MQI_WAIT_FOREVER : 50;
	a.options = get.options;
	h->asks[id] = a;
	if (unit != 0)
		h->model.units[unit].gets++;
	TRACE("%u: get %x on %u unit %u options %x wait %d max %u\n", s, id, q,
	    unit, get.options, (int)get.wait_ms, get.max_len);
	(void)rig_ask_get(&h->rig, s, &get);
}

static void
do_browse(unsigned s)
{
	unsigned q = roll(MODEL_QUEUES);
	struct mqlocal_get get = RIG_GET(h->handles[s][q]);
	uint32_t id = h->rig.last_id + 1;

	h->asks[id] =
	    (struct ask){.kind = ASK_BROWSE, .session = s, .queue = q};
	if (roll(5) == 0 && !h->ahead[s][q]) {
		h->asks[id].kind = ASK_GET;
		get.options = MQI_GET_UNDER_CURSOR;
	} else {
		get.options =
		    roll(8) == 0 ? MQI_GET_BROWSE_FIRST : MQI_GET_BROWSE_NEXT;
		get.wait_ms = roll(4) == 0 ? 50 : 0;
	}
	if (roll(4) == 0) {
		get.options |= MQI_GET_MATCH_CORREL_ID;
		correl_id_of(roll(7), get.correl_id);
	}
	if (h->asks[id].kind == ASK_GET)
		get.options = MQI_GET_UNDER_CURSOR;
	TRACE("%u: browse %x on %u options %x\n", s, id, q, get.options);
	(void)rig_ask_get(&h->rig, s, &get);
}

static void
do_end_unit(unsigned s)
{
	unsigned i = roll(UNITS_OPEN);
	unsigned unit = h->units[s][i];
	uint32_t id;

	if (unit == 0 || h->model.units[unit].gets > 0)
		return;
	h->units[s][i] = 0;
	id = ++h->rig.last_id;
	TRACE("%u: end unit %u: %x\n", s, unit, id);
	h->asks[id] = (struct ask){.session = s, .unit = unit};
	if (roll(3) != 0) {
		h->asks[id].kind = ASK_COMMIT;
		model_commit(&h->model, unit);
		engine_commit(h->rig.e, h->rig.sessions[s].s, id, unit);
	} else {
		h->asks[id].kind = ASK_BACKOUT;
		model_backout(&h->model, unit);
		engine_backout(h->rig.e, h->rig.sessions[s].s, id, unit);
	}
}

/* Read-ahead begins, ends, or acknowledges what has come. */
static void
do_ahead(unsigned s)
{
	unsigned q = roll(MODEL_QUEUES);
	struct engine_session *es = h->rig.sessions[s].s;
	uint32_t id = ++h->rig.last_id;

	if (!h->ahead[s][q] || roll(12) == 0) {
		/* gets and read-ahead do not mix on a handle */
		for (uint32_t i = 1; i < id; i++) {
			if (h->asks[i].kind == ASK_GET &&
			    h->asks[i].session == s && h->asks[i].queue == q)
				return;
		}
		h->asks[id] = (struct ask){.kind = ASK_BACKOUT, .session = s};
		if (h->ahead[s][q])
			model_ahead_ended(&h->model, s, q);
		h->ahead[s][q] = !h->ahead[s][q];
		TRACE("%u: ahead %d on %u handle %u\n", s, h->ahead[s][q], q,
		    h->handles[s][q]);
		engine_consume(h->rig.e, es, id, h->handles[s][q],
		    h->ahead[s][q] ? 1 + roll(6) : 0, 100 + roll(500));
		return;
	}
	if (h->last_token[s][q] == 0)
		return;
	h->asks[id] = (struct ask){.kind = ASK_ACK,
	    .session = s,
	    .queue = q,
	    .token = h->last_token[s][q] - roll(2)};
	model_acked(&h->model, s, q, h->asks[id].token);
	TRACE("%u: ack on %u token %u: %x\n", s, q, (unsigned)h->asks[id].token,
	    id);
	engine_ack(h->rig.e, es, id, h->handles[s][q], h->asks[id].token);
}

/* Somebody begins or ends to watch. */
static void
do_watch(unsigned s)
{
	unsigned q = roll(MODEL_QUEUES);
	uint32_t id = ++h->rig.last_id;

	h->asks[id] = (struct ask){.kind = ASK_BACKOUT, .session = s};
	h->watches[s][q] = !h->watches[s][q];
	TRACE("%u: watch %d on %u\n", s, h->watches[s][q], q);
	engine_watch(h->rig.e, h->rig.sessions[s].s, id, h->handles[s][q],
	    h->watches[s][q]);
}

static void
do_disconnect(unsigned s)
{
	TRACE("%u: disconnect\n", s);
	model_session_end(&h->model, s, outstanding_gets(s));
	rig_disconnect(&h->rig, s);
	h->connected[s] = false;
	forget_asks(s);
}

static void
do_store_step(void)
{
	switch (roll(5)) {
	case 0:
		(void)store_mem_make_durable(h->rig.store);
		break;
	case 1:
		(void)store_mem_apply(h->rig.store);
		break;
	case 2:
		(void)store_mem_read_load(h->rig.store);
		break;
	case 3:
		(void)store_mem_answer_load(h->rig.store);
		break;
	default:
		rig_poll(&h->rig);
		break;
	}
}

static void
do_request(unsigned s)
{
	if (roll(100) == 0) {
		do_watch(s);
		return;
	}
	switch (roll(12)) {
	case 10:
	case 11:
		do_browse(s);
		break;
	case 0:
	case 1:
	case 2:
	case 3:
		do_put(s);
		break;
	case 4:
	case 5:
	case 6:
		do_get(s);
		break;
	case 7:
	case 8:
		do_end_unit(s);
		break;
	default:
		do_ahead(s);
		break;
	}
}

/* ---- looks ---- */

static void
release_all(void)
{
	for (unsigned s = 0; s < SESSIONS; s++)
		h->rig.sessions[s].hold_sent = false;
	rig_settle(&h->rig);
	/* removals that nobody waits for go after 10 ms */
	rig_advance_ms(&h->rig, 11);
	see_replies();
}

static void
look_by_id(uint32_t handle)
{
	unsigned n = 1 + roll(h->model.n_msgs);
	struct mqlocal_get get = RIG_GET(handle);
	struct rig_reply *k;
	uint32_t id;
	bool there;

	get.options = MQI_GET_BROWSE_FIRST | MQI_GET_MATCH_MSG_ID;
	msg_id_of(n, get.msg_id);
	id = rig_ask_get(&h->rig, OBSERVER, &get);
	rig_settle(&h->rig);
	k = rig_reply(&h->rig, OBSERVER, id);
	assert_non_null(k);
	there = h->model.msgs[n].seen;
	/* of this queue or another */
	if (k->r.kind == ENGINE_MESSAGE)
		assert_true(there);
}

static void
look_queue(struct model_look *l, unsigned q, const char *name)
{
	struct mqlocal_get get = RIG_GET(0);
	uint32_t handle = 0;

	assert_int_equal(
	    rig_open(&h->rig, OBSERVER, name, MQI_OO_BROWSE, &handle), MQI_OK);
	get.handle = handle;
	get.options = MQI_GET_BROWSE_FIRST;
	for (;;) {
		uint32_t id = rig_ask_get(&h->rig, OBSERVER, &get);
		struct rig_reply *k;

		rig_settle(&h->rig);
		k = rig_reply(&h->rig, OBSERVER, id);
		assert_non_null(k);
		if (k->r.kind != ENGINE_MESSAGE) {
			assert_int_equal(k->r.reason, MQI_E_NO_MSG_AVAILABLE);
			break;
		}
		model_look(&h->model, l,
		    (unsigned)strtoul((const char *)k->data, NULL, 10), q,
		    k->r.u.message.backout_count);
		get.options = MQI_GET_BROWSE_NEXT;
		rig_forget_replies(&h->rig, OBSERVER);
	}
	if (h->model.n_msgs > 0)
		look_by_id(handle);
}

/* What is selected of a queue is all that fits. */
static void
look_selecting(unsigned q, const char *name)
{
	int selector = (int)roll(SELECTORS);
	struct mqlocal_get get =
	    RIG_GET(open_selecting(OBSERVER, name, MQI_OO_BROWSE, selector));
	unsigned found = 0;

	get.options = MQI_GET_BROWSE_NEXT;
	for (;; found++) {
		uint32_t id = rig_ask_get(&h->rig, OBSERVER, &get);
		struct rig_reply *k;
		unsigned n;

		rig_settle(&h->rig);
		k = rig_reply(&h->rig, OBSERVER, id);
		assert_non_null(k);
		if (k->r.kind != ENGINE_MESSAGE)
			break;
		n = (unsigned)strtoul((const char *)k->data, NULL, 10);
		assert_true(h->model.msgs[n].seen);
		assert_true(is_selected(selector, h->priorities[n]));
		rig_forget_replies(&h->rig, OBSERVER);
	}
	for (unsigned n = 1; n <= h->model.n_msgs; n++) {
		const struct model_msg *m = &h->model.msgs[n];

		found -= m->seen && m->queue == q &&
			 is_selected(selector, h->priorities[n]);
	}
	assert_int_equal(found, 0);
}

static void
look(bool after_crash)
{
	static const char *const names[] = {"Q0", "Q1", "Q2"};
	struct model_look l;

	TRACE("look%s\n", after_crash ? " after a crash" : "");
	release_all();
	if (!after_crash)
		model_all_durable(&h->model);
	rig_connect(&h->rig, OBSERVER);
	model_look_begin(&h->model, &l);
	for (unsigned q = 0; q < MODEL_QUEUES; q++)
		look_queue(&l, q, names[q]);
	for (unsigned q = 0; q < MODEL_QUEUES; q++)
		look_selecting(q, names[q]);
	if (after_crash)
		model_crash_look_end(&h->model);
	else
		model_look_end(&h->model);
	rig_disconnect(&h->rig, OBSERVER);
	rig_forget_replies(&h->rig, OBSERVER);
}

static void
do_crash(void)
{
	unsigned gets = 0;

	for (unsigned s = 0; s < SESSIONS; s++) {
		gets += outstanding_gets(s);
		forget_asks(s);
		h->connected[s] = false;
		h->rig.sessions[s].hold_sent = false;
	}
	model_crash(&h->model, gets);
	rig_crash(&h->rig, roll(3));
	look(true);
}

/* ---- histories ---- */

static void
step(void)
{
	unsigned what = roll(1000);
	unsigned s = roll(SESSIONS);

	if (!h->connected[s] && engine_accepts(h->rig.e)) {
		connect_session(s);
	} else if (what < 450 && engine_accepts(h->rig.e)) {
		do_request(s);
	} else if (what < 800) {
		do_store_step();
	} else if (what < 960) {
		if (roll(4) == 0)
			h->rig.mono_us += roll(20000);
		rig_turn(&h->rig);
	} else if (what < 980) {
		h->rig.sessions[s].hold_sent = roll(2) == 0;
	} else if (what < 990) {
		do_disconnect(s);
	} else if (what < 995) {
		look(false);
	} else if (what < 998) {
		do_crash();
	}
	engine_check(h->rig.e);
	see_replies();
}

static void
run_history(uint64_t seed, unsigned steps)
{
	struct engine_config config = {.np_bytes = 3000};

	h = mqmem_alloc(sizeof(*h));
	h->random = seed;
	h->body = mqmem_alloc(LONG_BODY + 256);
	config.window_rows = 2 + roll(14);
	config.window_bytes = 200 + roll(2000);
	config.unit_bytes = 200 + roll(1000);
	config.out_bytes = 500 + roll(5000);
	rig_start(&h->rig, &config);
	rig_define(&h->rig, MQATTR_QLOCAL, "Q0", NULL);
	rig_define(&h->rig, MQATTR_QLOCAL, "Q1", "MSGDLVSQ=FIFO", NULL);
	rig_define(&h->rig, MQATTR_QLOCAL, "Q2", NULL);
	rig_advance_ms(&h->rig, 11);
	store_mem_set_automatic(h->rig.store, false);
	for (unsigned i = 0; i < steps && h->model.n_msgs < 4000 &&
			     h->rig.last_id < ASKS - 5000;
	     i++)
		step();
	look(false);
	rig_stop(&h->rig);
	free(h->body);
	free(h);
}

static unsigned
from_env(const char *name, unsigned dflt)
{
	const char *v = getenv(name);

	return v != NULL ? (unsigned)strtoul(v, NULL, 10) : dflt;
}

/* Histories that found something once. */
static void
test_histories_that_found_faults(void **state)
{
	static const struct {
		uint32_t seed;
		unsigned steps;
	} found[] = {{2, 5000}, {5, 5000}, {9, 5000}, {31, 5000}, {5257, 8000}};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(found); i++) {
		(void)fprintf(stderr, "MQ_SEED=%u MQ_STEPS=%u\n",
		    (unsigned)found[i].seed, found[i].steps);
		run_history(found[i].seed, found[i].steps);
	}
}

static void
test_histories(void **state)
{
	unsigned n = from_env("MQ_HISTORIES", 40);
	unsigned steps = from_env("MQ_STEPS", 4000);
	uint64_t seed = from_env("MQ_SEED", 0);

	(void)state;
	if (seed != 0)
		n = 1;
	else
		mqrand_bytes(&seed, 4);
	for (unsigned i = 0; i < n; i++) {
		(void)fprintf(stderr, "MQ_SEED=%u\n", (unsigned)(seed + i));
		run_history((uint32_t)(seed + i), steps);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_histories_that_found_faults),
	    cmocka_unit_test(test_histories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

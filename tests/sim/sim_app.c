/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_app.c - applications of the simulation (sim.h).
 *
 * A putter puts bursts of single messages, several under way at once, and
 * units over several queues, which it commits or backs out; its queue may be
 * on another queue manager.  A getter takes its own queue's messages one by
 * one, in units that also put ("moves"), or by read-ahead with
 * acknowledgements.  Each tells the checker of every call before and after
 * it.  When one is killed or its queue manager goes, what was under way stays
 * unknown.
 *
 * A message carries its id as correlation id, so that empty ones have one too.
 * A queue with one getter must show it each putter's order; for that a killed
 * getter comes back only after its old session's end.
 */
#include <string.h>

#include "base/mem.h"
#include "proto/desc.h"
#include "tests/sim/sim.h"

#define ASKS 16u
/* what of a putter is not persistent has an order of its own */
#define NP_PUTTER 8u

enum app_role { APP_PUTTER, APP_LONE, APP_UNIT, APP_AHEAD };

enum ask_kind {
	ASK_NONE,
	ASK_OPEN,
	ASK_PUT,
	ASK_GET,
	ASK_END,     /* commit or back out */
	ASK_CONSUME, /* begin */
	ASK_ENOUGH,  /* end of read-ahead */
	ASK_ACK,
};

struct ask {
	enum ask_kind kind;
	uint32_t id;
	uint32_t ref; /* message or get of the checker; queue of an open */
};

struct sim_app {
	struct sim *sim;
	unsigned index;
	enum app_role role;
	struct sim_qm *qm;
	unsigned queue; /* a getter's */
	struct sim_conn *conn;
	uint32_t out[SIM_QUEUES];
	uint32_t in;
	unsigned opened;
	bool ready; /* all is open */
	struct ask asks[ASKS];
	unsigned n_asks;
	unsigned left; /* of the burst or unit */
	bool in_unit;
	uint32_t unit; /* the engine's */
	uint32_t checker_unit;
	bool empty; /* the unit's last get found nothing */
	bool backing_out;
	bool ahead;
	uint32_t ahead_last; /* message that came last */
	uint64_t ahead_token;
	/* the message that comes in pieces */
	uint32_t part_id;
	struct mqbuf part;
	struct mqbuf part_desc;
	uint32_t part_len;
	uint32_t part_request;
	uint64_t part_token;
};

static const char body_of_small[CHECKER_BODY_MIN] = "small message!!";

/* ---- messages ---- */

static uint32_t
new_message(struct sim_app *a, unsigned queue, bool persistent, uint32_t unit)
{
	struct sim *s = a->sim;
	unsigned putter = a->index + (persistent ? 0 : NP_PUTTER);
	uint32_t id =
	    checker_put_begin(s->checker, putter, queue, persistent, unit);
	uint32_t len = 0;

	switch (sim_roll(s, 20)) {
	case 0:
		len = sim_roll(s, CHECKER_BODY_MIN);
		break;
	case 1:
		len = CHECKER_BODY_MIN +
		      sim_roll(s, s->big ? SIM_BODY - 16 : 3000);
		break;
	default:
		len = CHECKER_BODY_MIN + sim_roll(s, 400);
		break;
	}
	MQ_INVARIANT(id < SIM_MSGS);
	s->lens[id] = len;
	s->queues[id] = (uint8_t)queue;
	s->n_msgs = id + 1;
	return id;
}

struct mqref *
sim_describe(uint32_t id, bool persistent)
{
	struct mqref *desc;
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	md.persistence = persistent ? MQI_PERSISTENCE_YES : MQI_PERSISTENCE_NO;
	memcpy(md.correl_id, &id, sizeof(id));
	mqbuf_init(&b, MQDESC_MAX);
	MQ_INVARIANT(mqdesc_encode(&md, &b) == MQI_OK);
	desc = mqref_copy(b.data, b.len);
	mqbuf_fini(&b);
	return desc;
}

uint32_t
sim_identify(struct sim *s, const void *desc, uint32_t desc_len,
    const void *body, uint32_t len)
{
	struct mqdesc_info info;
	uint32_t id = 0;

	if (mqdesc_read(desc, desc_len, &info) != MQI_OK) {
		sim_fail(s, "a descriptor cannot be read");
		return 0;
	}
	memcpy(&id, info.correl_id, sizeof(id));
	if (id == 0 || id >= s->n_msgs || len != s->lens[id] ||
	    (len < CHECKER_BODY_MIN ? memcmp(body, body_of_small, len) != 0
				    : checker_identify(body, len) != id)) {
		sim_fail(s, "message %u came with %u other bytes", id, len);
		return 0;
	}
	return id;
}

/* ---- asking ---- */

static void
note_ask(struct sim_app *a, enum ask_kind kind, uint32_t id, uint32_t ref)
{
	MQ_PRE(a->n_asks < ASKS);
	a->asks[a->n_asks++] = (struct ask){.kind = kind, .id = id, .ref = ref};
}

static struct ask
take_ask(struct sim_app *a, uint32_t id)
{
	for (unsigned i = 0; i < a->n_asks; i++) {
		struct ask k = a->asks[i];

		if (k.id == id) {
			a->asks[i] = a->asks[--a->n_asks];
			return k;
		}
	}
	return (struct ask){.kind = ASK_NONE};
}

static void
ask_put(struct sim_app *a, unsigned queue)
{
	struct sim *s = a->sim;
	bool persistent = sim_roll(s, 6) != 0;
	uint32_t id =
	    new_message(a, queue, persistent, a->in_unit ? a->checker_unit : 0);
	struct sim_request q = {.handle = a->out[queue],
	    .unit = a->in_unit ? a->unit : 0,
	    .desc = sim_describe(id, persistent)};
	uint32_t len = s->lens[id];
	uint8_t *body = mqmem_alloc(len + CHECKER_BODY_MIN);

	if (len < CHECKER_BODY_MIN)
		memcpy(body, body_of_small, sizeof(body_of_small));
	else
		checker_fill(id, body, len);
	SIM_TRACE(s, "app %u puts %u on Q%u, %u bytes%s, unit %u", a->index, id,
	    queue, len, persistent ? "" : ", np", q.unit);
	note_ask(a, ASK_PUT, sim_conn_ask_put(a->conn, &q, body, len), id);
	free(body);
}

static void
ask_get(struct sim_app *a)
{
	static const int64_t waits[] = {0, 0, 20, 100};
	struct sim *s = a->sim;
	struct sim_request q = {.kind = SIM_GET};
	uint32_t get = checker_get_begin(
	    s->checker, a->index, a->queue, a->in_unit ? a->checker_unit : 0);

	q.get.handle = a->in;
	q.get.unit = a->in_unit ? a->unit : 0;
	q.get.max_len = UINT32_MAX;
	q.get.wait_ms = waits[sim_roll(s, MQ_ARRAY_LEN(waits))];
	note_ask(a, ASK_GET, sim_conn_ask(a->conn, &q), get);
}

static void
ask_simple(struct sim_app *a, enum ask_kind kind, struct sim_request *q)
{
	note_ask(a, kind, sim_conn_ask(a->conn, q), 0);
}

static void
begin_unit(struct sim_app *a)
{
	a->in_unit = true;
	a->empty = false;
	a->unit++;
	a->checker_unit = checker_unit_begin(a->sim->checker);
}

static void
end_unit(struct sim_app *a)
{
	struct sim_request q = {.unit = a->unit};

	a->left = 0;
	a->backing_out = sim_roll(a->sim, 4) == 0;
	q.kind = a->backing_out ? SIM_BACKOUT : SIM_COMMIT;
	checker_unit_ending(a->sim->checker, a->checker_unit);
	SIM_TRACE(a->sim, "app %u ends unit %u: %s", a->index, a->checker_unit,
	    a->backing_out ? "backout" : "commit");
	ask_simple(a, ASK_END, &q);
}

/* ---- answers ---- */

/* Reasons that a seed without room, or with shallow queues, leads to. */
static bool
is_expected(const struct sim *s, enum mqi_err reason)
{
	switch (reason) {
	case MQI_OK:
		return true;
	case MQI_E_Q_FULL:
		return s->shallow;
	case MQI_E_STORAGE_MEDIUM_FULL:
	case MQI_E_BACKED_OUT:
		return s->rates.room > 0;
	default:
		return false;
	}
}

static void
unit_ended(struct sim_app *a, enum mqi_err reason)
{
	enum checker_outcome out = CHECKER_DONE;

	a->in_unit = false;
	if (reason != MQI_OK || a->backing_out)
		out = CHECKER_NOT_DONE;
	checker_unit_end(a->sim->checker, a->checker_unit, out);
	if (!is_expected(a->sim, reason) || reason == MQI_E_Q_FULL)
		sim_fail(a->sim, "app %u: a unit ends with %s", a->index,
		    mqi_strerror(reason));
}

static void
put_answered(struct sim_app *a, uint32_t msg, enum mqi_err reason)
{
	checker_put_end(a->sim->checker, msg,
	    reason == MQI_OK ? CHECKER_DONE : CHECKER_NOT_DONE);
	if (!is_expected(a->sim, reason))
		sim_fail(a->sim, "app %u: put of %u: %s", a->index, msg,
		    mqi_strerror(reason));
}

static void
message_came(struct sim_app *a, uint32_t request, uint64_t token, uint32_t msg)
{
	struct checker *c = a->sim->checker;
	struct ask k;

	if (a->role == APP_AHEAD) {
		if (token == 0)
			return; /* its window ended before its last piece */
		SIM_TRACE(a->sim, "app %u reads %u ahead", a->index, msg);
		checker_ahead_got(c, a->index, a->queue, msg);
		a->ahead_last = msg;
		a->ahead_token = token;
		return;
	}
	k = take_ask(a, request);
	MQ_INVARIANT(k.kind == ASK_GET);
	SIM_TRACE(a->sim, "app %u gets %u, unit %u", a->index, msg,
	    a->in_unit ? a->checker_unit : 0);
	checker_get_end(c, k.ref, msg, CHECKER_DONE);
}

static void
on_message(struct sim_app *a, const struct sim_reply *r)
{
	uint32_t desc_len = r->r.u.message.desc_len;
	const uint8_t *data = r->data->data;
	uint32_t len = r->r.u.message.body_len;

	if (r->r.u.message.inlined) {
		message_came(a, r->r.id, r->r.token,
		    sim_identify(a->sim, data, desc_len, data + desc_len, len));
		return;
	}
	mqbuf_reset(&a->part);
	mqbuf_reset(&a->part_desc);
	mqbuf_put(&a->part_desc, data, desc_len);
	a->part_len = len;
	a->part_request = r->r.id;
	a->part_token = r->r.token;
}

static void
on_piece(struct sim_app *a, const struct sim_reply *r)
{
	if (r->r.id != a->part_request) {
		sim_fail(
		    a->sim, "app %u: a piece of another message", a->index);
		return;
	}
	mqbuf_put(&a->part, r->data->data, r->r.u.piece.len);
	if (a->part.len < a->part_len)
		return;
	message_came(a, a->part_request, a->part_token,
	    sim_identify(a->sim, a->part_desc.data, (uint32_t)a->part_desc.len,
		a->part.data, (uint32_t)a->part.len));
}

static void
opened(struct sim_app *a, const struct ask *k, const struct sim_reply *r)
{
	if (r->r.reason != MQI_OK) {
		sim_fail(a->sim, "app %u: open of Q%u: %s", a->index, k->ref,
		    mqi_strerror(r->r.reason));
		return;
	}
	if (k->ref == SIM_QUEUES)
		a->in = r->r.handle;
	else
		a->out[k->ref] = r->r.handle;
}

static void
get_answered(struct sim_app *a, uint32_t get, enum mqi_err reason)
{
	a->empty = true;
	checker_get_end(a->sim->checker, get, 0, CHECKER_DONE);
	if (reason != MQI_E_NO_MSG_AVAILABLE)
		sim_fail(
		    a->sim, "app %u: get: %s", a->index, mqi_strerror(reason));
}

static void
on_answer(struct sim_app *a, const struct sim_reply *r)
{
	struct ask k = take_ask(a, r->r.id);
	enum mqi_err reason = r->r.reason;

	switch (k.kind) {
	case ASK_OPEN:
		opened(a, &k, r);
		return;
	case ASK_PUT:
		put_answered(a, k.ref, reason);
		return;
	case ASK_GET:
		get_answered(a, k.ref, reason);
		return;
	case ASK_END:
		unit_ended(a, reason);
		return;
	case ASK_ACK:
		SIM_TRACE(a->sim, "app %u is answered: acknowledged", a->index);
		checker_ahead_flushed(a->sim->checker, a->index);
		break;
	case ASK_ENOUGH:
		a->part_token = 0;
		checker_ahead_closed(a->sim->checker, a->index);
		a->ahead = false;
		break;
	default:
		break;
	}
	if (reason != MQI_OK)
		sim_fail(a->sim, "app %u: request %d: %s", a->index,
		    (int)k.kind, mqi_strerror(reason));
}

static void
on_reply(void *arg, const struct sim_reply *r)
{
	switch (r->r.kind) {
	case ENGINE_MESSAGE:
		on_message(arg, r);
		break;
	case ENGINE_PIECE:
		on_piece(arg, r);
		break;
	default:
		on_answer(arg, r);
		break;
	}
}

/* Of what was under way nothing more is heard. */
static void
forget(struct sim_app *a)
{
	a->conn = NULL;
	a->n_asks = a->opened = a->left = 0;
	a->in_unit = a->ready = false;
	if (a->ahead)
		checker_ahead_closed(a->sim->checker, a->index);
	a->ahead = false;
}

static void
on_closed(void *arg)
{
	struct sim_app *a = arg;

	SIM_TRACE(a->sim, "app %u is cut off", a->index);
	forget(a);
}

/* ---- what each does next ---- */

static void
app_connect(struct sim_app *a)
{
	static const struct sim_conn_events ev = {
	    .reply = on_reply, .closed = on_closed};
	static const struct engine_identity who = {
	    .user = "owner", .app_name = "app", .is_owner = true};

	if (a->sim->healing && a->role == APP_PUTTER)
		return;
	if (!sim_conn_lingers(a->qm, a))
		a->conn = sim_conn_new(a->qm, &who, &ev, a);
}

/* Opens everything that it may use, one after another. */
static void
app_open(struct sim_app *a)
{
	unsigned q = a->opened++;
	struct sim_request r = {.kind = SIM_OPEN, .options = MQI_OO_OUTPUT};

	if (q == SIM_QUEUES) {
		if (a->role == APP_PUTTER)
			return;
		r.options = MQI_OO_INPUT_SHARED;
	}
	(void)snprintf(
	    r.object, sizeof(r.object), "Q%u", q == SIM_QUEUES ? a->queue : q);
	if (q < SIM_QUEUES)
		(void)snprintf(r.qmgr, sizeof(r.qmgr), "%s",
		    a->sim->qms[q % a->sim->n_qms].name);
	note_ask(a, ASK_OPEN, sim_conn_ask(a->conn, &r), q);
}

static void
putter_step(struct sim_app *a)
{
	struct sim *s = a->sim;
	unsigned spare = SIM_MSGS - s->n_msgs;

	if (a->left > 0) {
		a->left--;
		ask_put(a, sim_roll(s, SIM_QUEUES));
		return;
	}
	if (a->n_asks > 0)
		return;
	if (a->in_unit) {
		end_unit(a);
		return;
	}
	if (s->healing || spare < 500 || sim_roll(s, 12) != 0)
		return;
	if (sim_roll(s, 3) == 0)
		begin_unit(a);
	a->left = 1 + sim_roll(s, 6);
}

static void
unit_getter_step(struct sim_app *a)
{
	struct sim *s = a->sim;

	if (a->n_asks > 0)
		return;
	if (!a->in_unit) {
		if ((s->healing && a->empty) || sim_roll(s, 6) != 0)
			return;
		begin_unit(a);
		a->left = 1 + sim_roll(s, 5);
	} else if (a->left == 0 || a->empty) {
		end_unit(a);
		return;
	} else {
		a->left--;
	}
	if (!s->healing && sim_roll(s, 5) == 0)
		ask_put(a, sim_roll(s, SIM_QUEUES));
	else
		ask_get(a);
}

static void
ahead_step(struct sim_app *a)
{
	struct sim *s = a->sim;
	struct sim_request q = {.handle = a->in};

	if (a->n_asks > 0)
		return;
	if (!a->ahead) {
		q.kind = SIM_CONSUME;
		q.max_msgs = 1 + sim_roll(s, 12);
		q.max_bytes = 1000 + sim_roll(s, 100000);
		SIM_TRACE(s, "app %u begins to read ahead", a->index);
		a->ahead = true;
		a->ahead_last = 0;
		ask_simple(a, ASK_CONSUME, &q);
	} else if (sim_roll(s, 40) == 0) {
		SIM_TRACE(s, "app %u ends its read-ahead", a->index);
		q.kind = SIM_CONSUME;
		ask_simple(a, ASK_ENOUGH, &q);
	} else if (a->ahead_last != 0 && sim_roll(s, 3) == 0) {
		q.kind = SIM_ACK;
		q.number = a->ahead_token;
		checker_ahead_acking(s->checker, a->index, a->ahead_last);
		SIM_TRACE(
		    s, "app %u acknowledges up to %u", a->index, a->ahead_last);
		a->ahead_last = 0;
		ask_simple(a, ASK_ACK, &q);
	}
}

void
sim_app_step(struct sim_app *a)
{
	struct sim *s = a->sim;

	if (a->conn == NULL) {
		app_connect(a);
		return;
	}
	if (!sim_conn_read(a->conn, sim_roll(s, 6)))
		return;
	while (a->opened <= SIM_QUEUES)
		app_open(a);
	a->ready = a->ready || a->n_asks == 0;
	if (!a->ready)
		return;
	switch (a->role) {
	case APP_PUTTER:
		putter_step(a);
		break;
	case APP_LONE:
		if (a->n_asks == 0 && sim_roll(s, 4) == 0)
			ask_get(a);
		break;
	case APP_UNIT:
		unit_getter_step(a);
		break;
	case APP_AHEAD:
		ahead_step(a);
		break;
	}
}

void
sim_app_kill(struct sim_app *a)
{
	if (a->conn == NULL)
		return;
	SIM_TRACE(a->sim, "app %u is killed", a->index);
	sim_conn_drop(a->conn);
	forget(a);
	a->sim->kills++;
}

void
sim_app_crash(struct sim_app *a, const struct sim_qm *host)
{
	if (a->qm == host)
		sim_app_kill(a);
}

bool
sim_app_is_idle(const struct sim_app *a)
{
	if (a->conn == NULL)
		return a->role == APP_PUTTER && !sim_conn_lingers(a->qm, a);
	return !a->in_unit && a->left == 0 &&
	       (a->n_asks == 0 || a->role != APP_PUTTER);
}

struct sim_app *
sim_app_at(struct sim *s, unsigned i)
{
	return &s->apps[i];
}

void
sim_apps_init(struct sim *s)
{
	unsigned n_getters[SIM_QUEUES] = {0};

	s->n_apps = 4 + sim_roll(s, SIM_APPS - 3);
	s->apps = mqmem_array(SIM_APPS, sizeof(*s->apps));
	for (unsigned i = 0; i < s->n_apps; i++) {
		struct sim_app *a = &s->apps[i];

		a->sim = s;
		a->index = i;
		mqbuf_init(&a->part, SIZE_MAX);
		mqbuf_init(&a->part_desc, SIZE_MAX);
		if (i < 2 || sim_roll(s, 3) == 0) {
			a->role = APP_PUTTER;
			a->qm = &s->qms[sim_roll(s, s->n_qms)];
			continue;
		}
		a->role = APP_LONE + sim_roll(s, 3);
		a->queue = sim_roll(s, SIM_QUEUES);
		a->qm = &s->qms[a->queue % s->n_qms];
		if (++n_getters[a->queue] > 1)
			s->free_order[a->queue] = true;
	}
	sim_apps_retell(s);
}

void
sim_apps_retell(struct sim *s)
{
	for (unsigned q = 0; q < SIM_QUEUES; q++) {
		if (s->free_order[q])
			checker_free_order(s->checker, q);
	}
}

void
sim_apps_fini(struct sim *s)
{
	for (unsigned i = 0; s->apps != NULL && i < s->n_apps; i++) {
		mqbuf_fini(&s->apps[i].part);
		mqbuf_fini(&s->apps[i].part_desc);
	}
	free(s->apps);
	s->apps = NULL;
}

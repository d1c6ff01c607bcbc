/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_agent.c - channel agents of the simulation (sim.h): the machines of
 * mca/sender.c and mca/receiver.c, driven as mca/run_sender.c and
 * run_receiver.c drive them, on simulated links.
 *
 * A link is two pipes of bytes.  What one end writes stays in its pipe until
 * the other reads some of it, in pieces of any length.  While the two hosts
 * are parted nothing moves; a lost link carries nothing for ever, and only
 * heartbeats tell; a closed one gives what it holds (or a part) and then its
 * end.
 *
 * An agent that dies leaves its local connection to be closed, and its link
 * closed or lost.  One that waits for an answer is on the stack: it is only
 * marked, and taken away when its call has returned.
 */
#include "tests/sim/sim_agent.h"

#include <string.h>

#include "base/mem.h"

void
sim_identity(unsigned index, char ret[CHANNEL_IDENTITY_LEN])
{
	(void)snprintf(ret, CHANNEL_IDENTITY_LEN, "CN=QM%u", index + 1);
}

static struct channel *
machine(struct sim_agent *a)
{
	return a->sends ? &a->s.c : &a->r.c;
}

static uint64_t
now_ms(const struct sim_agent *a)
{
	return a->sim->now_us / 1000;
}

/* ---- links ---- */

static struct sim_link *
link_new(struct sim *s, unsigned from, unsigned to)
{
	struct sim_link *l = mqmem_alloc(sizeof(*l));

	l->qms[0] = from;
	l->qms[1] = to;
	mqbuf_init(&l->to[0], SIZE_MAX);
	mqbuf_init(&l->to[1], SIZE_MAX);
	TAILQ_INSERT_TAIL(&s->links, l, link);
	return l;
}

static void
link_free(struct sim *s, struct sim_link *l)
{
	TAILQ_REMOVE(&s->links, l, link);
	mqbuf_fini(&l->to[0]);
	mqbuf_fini(&l->to[1]);
	free(l);
}

static unsigned
end_of(const struct sim_agent *a)
{
	return a->sends ? 0 : 1;
}

/* The agent is gone from its end; some of what it wrote may be lost. */
static void
link_leave(struct sim_agent *a, bool clean)
{
	struct sim_link *l = a->wire;
	unsigned me = end_of(a);
	struct mqbuf *out;

	if (l == NULL)
		return;
	a->wire = NULL;
	l->end[me] = NULL;
	l->closed[me] = true;
	out = &l->to[1 - me];
	if (!clean) {
		out->len = sim_roll(a->sim, (unsigned)out->len + 1);
		l->lost = l->lost || sim_roll(a->sim, 3) == 0;
	}
	if (l->end[1 - me] == NULL)
		link_free(a->sim, l);
}

static bool
link_is_dead(const struct sim *s, const struct sim_link *l)
{
	return l->lost || s->parted[l->qms[0]][l->qms[1]];
}

void
sim_link_cut_any(struct sim *s)
{
	struct sim_link *l;
	unsigned n = 0;

	TAILQ_FOREACH (l, &s->links, link)
		n++;
	if (n == 0)
		return;
	n = sim_roll(s, n);
	TAILQ_FOREACH (l, &s->links, link) {
		if (n-- == 0)
			break;
	}
	l->lost = true;
	s->cuts++;
	SIM_TRACE(s, "a link from %u to %u is lost", l->qms[0], l->qms[1]);
	for (unsigned i = 0; i < 2; i++) {
		if (l->end[i] != NULL && l->end[i]->begun && !l->end[i]->busy &&
		    sim_roll(s, 2) == 0)
			channel_cut(machine(l->end[i]), MQI_E_CONNECTION_BROKEN,
			    "the link is cut");
	}
}

static void
link_write(struct sim_agent *a)
{
	struct channel *c = machine(a);
	struct mqbuf *pipe;

	if (a->wire == NULL || c->out.len == 0)
		return;
	pipe = &a->wire->to[1 - end_of(a)];
	if (!a->wire->lost)
		mqbuf_put(pipe, c->out.data, c->out.len);
	channel_drained(c);
}

static void
link_read(struct sim_agent *a)
{
	struct sim_link *l = a->wire;
	struct mqbuf *in = &l->to[end_of(a)];
	uint8_t *data;
	size_t n;

	if (link_is_dead(a->sim, l))
		return;
	if (in->len == 0) {
		if (l->closed[1 - end_of(a)])
			channel_cut(machine(a), MQI_E_CONNECTION_BROKEN,
			    "the partner is gone");
		return;
	}
	if (!a->sends && !receiver_wants_input(&a->r))
		return;
	n = 1 + sim_roll(
		    a->sim, sim_roll(a->sim, 3) == 0 ? 100 : CHANNEL_INPUT_MAX);
	if (n > in->len)
		n = in->len;
	data = mqmem_alloc(n);
	memcpy(data, in->data, n);
	mqbuf_consume(in, n);
	if (a->sends)
		sender_input(&a->s, data, n);
	else
		receiver_input(&a->r, data, n);
	free(data);
}

/* ---- the connection to the queue manager ---- */

static void
on_stream_message(struct sim_agent *a, const struct sim_reply *r)
{
	const struct sender_msg m = {.number = r->r.token,
	    .previous = r->r.u.message.previous,
	    .desc = r->data->data,
	    .desc_len = r->r.u.message.desc_len,
	    .body_crc = r->r.u.message.body_crc,
	    .body_len = r->r.u.message.body_len};

	sender_message(&a->s, &m);
	if (r->r.u.message.inlined && m.body_len > 0)
		sender_piece(&a->s, r->data->data + m.desc_len, m.body_len);
}

static void
on_reply(void *arg, const struct sim_reply *r)
{
	struct sim_agent *a = arg;

	if (r->r.id != 0 && r->r.id == a->waits_for) {
		a->answered = true;
		a->answer = *r;
		if (r->stream != NULL)
			a->stream = *r->stream;
		return;
	}
	if (!a->sends)
		sim_recv_reply(a, r);
	else if (r->r.kind == ENGINE_MESSAGE)
		on_stream_message(a, r);
	else if (r->r.kind == ENGINE_PIECE)
		sender_piece(&a->s, r->data->data, r->r.u.piece.len);
}

static void
on_closed(void *arg)
{
	struct sim_agent *a = arg;

	a->conn = NULL;
	a->doomed = true;
}

enum mqi_err
sim_agent_call(struct sim_agent *a, const struct sim_request *q)
{
	enum mqi_err err = MQI_E_CONNECTION_BROKEN;
	bool was_busy = a->busy;

	if (a->conn == NULL || a->doomed)
		return err;
	a->busy = true;
	a->answered = false;
	a->waits_for = sim_conn_ask(a->conn, q);
	while (!a->answered && !a->doomed && !a->sim->failed) {
		sim_step(a->sim);
		if (a->conn != NULL)
			(void)sim_conn_read(a->conn, 1 + sim_roll(a->sim, 4));
	}
	a->busy = was_busy;
	a->waits_for = 0;
	if (a->answered && !a->doomed)
		err = a->answer.r.reason;
	return err;
}

/* ---- the sender's requests ---- */

static enum mqi_err
io_bind(void *arg, const uint8_t qmid[16], const char *identity)
{
	struct sim_agent *a = arg;
	struct sim_request q = {.kind = SIM_STREAM_BIND, .handle = a->handle};

	memcpy(q.qmid, qmid, 16);
	(void)snprintf(q.qmgr, sizeof(q.qmgr), "%s", identity);
	return sim_agent_call(a, &q);
}

static enum mqi_err
io_credit(void *arg, uint64_t after, uint32_t max_msg_len)
{
	struct sim_agent *a = arg;
	struct sim_request q = {.kind = SIM_STREAM_CREDIT,
	    .handle = a->handle,
	    .max_msgs = 1 + sim_roll(a->sim, 30),
	    .max_bytes = 1000 + sim_roll(a->sim, 500000),
	    .number = after};

	(void)max_msg_len;
	if (a->conn == NULL)
		return MQI_E_CONNECTION_BROKEN;
	(void)sim_conn_ask(a->conn, &q);
	return MQI_OK;
}

static enum mqi_err
io_ack(void *arg, uint64_t number)
{
	struct sim_agent *a = arg;
	struct sim_request q = {
	    .kind = SIM_STREAM_ACK, .handle = a->handle, .number = number};

	if (a->conn == NULL)
		return MQI_E_CONNECTION_BROKEN;
	SIM_TRACE(a->sim, "%s: the partner has %llu", a->qm->name,
	    (unsigned long long)number);
	(void)sim_conn_ask(a->conn, &q);
	return MQI_OK;
}

static void
copy_stream(const struct mqlocal_stream_ok *ok, struct sender_stream *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->history.stream, ok->stream, 16);
	ret->history.n_incarnations = ok->n_incarnations;
	for (uint32_t i = 0; i < ok->n_incarnations; i++) {
		memcpy(ret->history.incarnations[i].id, ok->incarnations[i].id,
		    16);
		ret->history.incarnations[i].first = ok->incarnations[i].first;
	}
	ret->acked = ok->acked;
	ret->handed = ok->handed;
	memcpy(ret->bound_qmid, ok->bound_qmid, 16);
	(void)snprintf(ret->bound_identity, sizeof(ret->bound_identity), "%s",
	    ok->bound_identity);
	ret->bound_acked = ok->bound_acked;
}

/* ---- life ---- */

static struct sim_agent *
agent_new(struct sim_qm *qm, unsigned peer, bool sends)
{
	static const struct sim_conn_events ev = {
	    .reply = on_reply, .closed = on_closed};
	static const struct engine_identity who = {.user = "owner",
	    .app_name = "mca",
	    .is_owner = true,
	    .is_agent = true,
	    .channel = SIM_CHANNEL};
	struct sim_agent *a = mqmem_alloc(sizeof(*a));

	a->sim = qm->sim;
	a->qm = qm;
	a->peer = peer;
	a->sends = sends;
	TAILQ_INIT(&a->units);
	TAILQ_INIT(&a->puts);
	a->conn = sim_conn_new(qm, &who, &ev, a);
	TAILQ_INSERT_TAIL(&qm->sim->agents, a, link);
	qm->sim->n_agents++;
	return a;
}

static void
agent_free(struct sim_agent *a, bool clean)
{
	struct sim *s = a->sim;

	if (a->conn != NULL)
		sim_conn_drop(a->conn);
	a->conn = NULL;
	link_leave(a, clean);
	if (a->begun && a->sends)
		sender_fini(&a->s);
	if (a->begun && !a->sends)
		sim_recv_fini(a);
	TAILQ_REMOVE(&s->agents, a, link);
	s->n_agents--;
	free(a);
}

void
sim_agent_kill(struct sim_agent *a)
{
	SIM_TRACE(a->sim, "%s: a %s is killed", a->qm->name,
	    a->sends ? "sender" : "receiver");
	a->sim->kills++;
	a->doomed = true;
	if (!a->busy)
		agent_free(a, false);
}

void
sim_agent_crash(struct sim_agent *a, const struct sim_qm *host)
{
	if (a->qm == host)
		sim_agent_kill(a);
}

struct sim_agent *
sim_agent_next(const struct sim_agent *a)
{
	return TAILQ_NEXT(a, link);
}

bool
sim_agent_sends(const struct sim *s, unsigned from, unsigned to)
{
	const struct sim_agent *a;

	TAILQ_FOREACH (a, &s->agents, link) {
		if (a->sends && a->qm->index == from && a->peer == to)
			return true;
	}
	return false;
}

struct sim_agent *
sim_agent_any(struct sim *s)
{
	struct sim_agent *a = TAILQ_FIRST(&s->agents);

	if (a == NULL)
		return NULL;
	for (unsigned i = sim_roll(s, s->n_agents); i > 0; i--)
		a = TAILQ_NEXT(a, link);
	return a;
}

void
sim_agent_def(const struct sim_agent *a, struct channel_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->channel, sizeof(ret->channel), "%s", SIM_CHANNEL);
	(void)snprintf(ret->qmgr, sizeof(ret->qmgr), "%s", a->qm->name);
	memcpy(ret->qmid, a->qm->qmid, 16);
	ret->heartbeat_ms = 1000;
	ret->batch_size = 1 + sim_roll(a->sim, 50);
	ret->max_msg_len = SIM_BODY + 1000;
}

/* ---- the sender's start ---- */

static void
fill_sender_def(const struct sim_agent *a, struct sender_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	sim_agent_def(a, &ret->def);
	sim_identity(a->peer, ret->identity);
	ret->disc_ms = sim_roll(a->sim, 2) ? 0 : 3000;
}

static enum mqi_err
open_stream(struct sim_agent *a, struct sender_stream *ret)
{
	struct sim_request q = {.kind = SIM_STREAM_OPEN};
	enum mqi_err err;

	(void)snprintf(
	    q.object, sizeof(q.object), "%s", a->sim->qms[a->peer].name);
	err = sim_agent_call(a, &q);
	if (err != MQI_OK)
		return err;
	a->handle = a->answer.r.handle;
	copy_stream(&a->stream, ret);
	return MQI_OK;
}

static enum mqi_err
io_hello(
    void *arg, const struct mqchan_hello *h, struct sender_def *ret, char *text)
{
	(void)h;
	(void)text;
	fill_sender_def(arg, ret);
	return MQI_OK;
}

static enum mqi_err
io_open(void *arg, struct sender_stream *ret, char *text)
{
	(void)text;
	return open_stream(arg, ret);
}

static const struct sender_io io = {.hello = io_hello,
    .open = io_open,
    .bind = io_bind,
    .credit = io_credit,
    .ack = io_ack};

static struct sender_io
io_of(struct sim_agent *a)
{
	struct sender_io own = io;

	own.arg = a;
	return own;
}

/* ---- who calls ---- */

/* The listener at the other end starts the agent that is called. */
static void
answer(struct sim_agent *a)
{
	struct sender_io own = io_of(a);

	if (a->sends)
		sender_init_accepted(&a->s, &own, now_ms(a));
	else
		sim_recv_init(a);
	a->begun = true;
}

static bool
dial(struct sim_agent *a)
{
	struct sim *s = a->sim;
	struct sim_qm *there = &s->qms[a->peer];
	unsigned me = end_of(a);
	struct sim_agent *b;

	if (s->parted[a->qm->index][a->peer] || !sim_qm_is_up(there))
		return false;
	a->dialled = true;
	a->wire = a->sends ? link_new(s, a->qm->index, a->peer)
			   : link_new(s, a->peer, a->qm->index);
	b = agent_new(there, a->qm->index, !a->sends);
	b->wire = a->wire;
	a->wire->end[me] = a;
	a->wire->end[1 - me] = b;
	answer(b);
	s->channels++;
	return true;
}

static void
sender_start(struct sim_agent *a)
{
	const struct sender_io own = io_of(a);
	struct sender_stream stream;
	struct sender_def def;
	enum mqi_err err = open_stream(a, &stream);

	if (err != MQI_OK || !dial(a)) {
		if (err != MQI_OK)
			a->qm->work[a->peer] = true; /* tried again */
		agent_free(a, false);
		return;
	}
	fill_sender_def(a, &def);
	sender_init(&a->s, &def, &stream, &own, now_ms(a));
	a->begun = true;
	SIM_TRACE(
	    a->sim, "%s: a sender to QM%u runs", a->qm->name, a->peer + 1);
}

void
sim_agent_start_sender(struct sim_qm *qm, unsigned to)
{
	struct sim_agent *a = agent_new(qm, to, true);

	if (a->conn == NULL) {
		agent_free(a, false);
		return;
	}
	qm->work[to] = false;
	sender_start(a);
}

void
sim_agent_start_requester(struct sim_qm *qm, unsigned from)
{
	struct sim_agent *a = agent_new(qm, from, false);

	if (a->conn == NULL || !dial(a)) {
		agent_free(a, false);
		return;
	}
	sim_recv_init(a);
	a->begun = true;
	SIM_TRACE(
	    a->sim, "%s: a requester from QM%u runs", a->qm->name, from + 1);
}

bool
sim_agent_requests(const struct sim_qm *qm, unsigned from)
{
	const struct sim_agent *a;

	TAILQ_FOREACH (a, &qm->sim->agents, link) {
		if (!a->sends && a->dialled && a->qm == qm && a->peer == from)
			return true;
	}
	return false;
}

static void
finish(struct sim_agent *a)
{
	const struct channel *c = machine(a);

	SIM_TRACE(a->sim, "%s: a %s ends: %s %s", a->qm->name,
	    a->sends ? "sender" : "receiver", mqi_strerror(c->reason), c->text);
	if (c->reason == MQI_E_NOT_CURRENT ||
	    c->reason == MQI_E_CHANNEL_INDOUBT ||
	    c->reason == MQI_E_POSITION_MOVED ||
	    c->reason == MQI_E_UNEXPECTED || c->reason == MQI_E_PROTOCOL)
		sim_fail(a->sim, "%s: a %s ends: %s: %s", a->qm->name,
		    a->sends ? "sender" : "receiver", mqi_strerror(c->reason),
		    c->text);
	link_write(a);
	agent_free(a, true);
}

void
sim_agent_step(struct sim_agent *a)
{
	struct sim *s = a->sim;

	if (a->busy || !a->begun)
		return;
	a->busy = true;
	if (a->conn != NULL && !a->doomed)
		(void)sim_conn_read(a->conn, sim_roll(s, 6));
	if (!a->doomed && sim_roll(s, 4) != 0)
		link_read(a);
	if (!a->doomed && sim_roll(s, 4) == 0) {
		if (a->sends)
			sender_tick(&a->s, now_ms(a));
		else
			receiver_tick(&a->r, now_ms(a));
	}
	if (!a->doomed && !a->sends)
		receiver_pump(&a->r);
	a->busy = false;
	if (a->doomed)
		agent_free(a, false);
	else if (channel_state(machine(a)) == CHANNEL_ENDED)
		finish(a);
	else if (sim_roll(s, 3) != 0)
		link_write(a);
}

void
sim_agents_fini(struct sim *s)
{
	struct sim_agent *a;

	while ((a = TAILQ_FIRST(&s->agents)) != NULL) {
		a->busy = false;
		agent_free(a, false);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver.c - the receiving end of a channel: its frames (receiver.h).
 *
 * Neighbours: mca/run_receiver.c drives it with a link and an agent's
 * connection; receiver_unit.c puts what arrives here; sender.c is its partner.
 *
 * Invariants: a message is whole and its CRC-32C right before it is put;
 * messages follow each other without a gap, each naming its predecessor; what
 * is at or below the position is skipped and acknowledged again; the position
 * must belong to the stream's history, or nothing is taken.
 *
 * Happy path: HELLO (the definition is looked up and the certificate checked),
 * STREAM (the position is opened, which fences older holders), RESUME, then
 * MSG and PIECE.
 *
 * Failure modes: whatever the partner does wrong ends the channel with a
 * sentence that says what; the queue manager's failures do too, and nothing is
 * lost, since the sender keeps what was not acknowledged.
 */
#include "mca/receiver.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

static unsigned long long
ull(uint64_t v)
{
	return v;
}

static void
init(struct receiver *r, enum channel_end end, const struct receiver_io *io,
    uint64_t now_ms)
{
	memset(r, 0, sizeof(*r));
	channel_init(&r->c, MQCHAN_ROLE_RECEIVER, end, now_ms);
	r->io = *io;
	TAILQ_INIT(&r->arrived);
	TAILQ_INIT(&r->units);
	r->mem = msgmem_new();
}

void
receiver_init(struct receiver *r, const struct receiver_io *io, uint64_t now_ms)
{
	init(r, CHANNEL_ACCEPTED, io, now_ms);
}

void
receiver_init_dialled(struct receiver *r, const struct receiver_def *def,
    const struct receiver_io *io, uint64_t now_ms)
{
	init(r, CHANNEL_DIALLED, io, now_ms);
	r->def = *def;
	r->c.def = def->def;
	channel_send_hello(&r->c);
}

void
receiver_fini(struct receiver *r)
{
	struct receiver_msg *m;

	receiver_units_fini(r);
	while ((m = TAILQ_FIRST(&r->arrived)) != NULL) {
		TAILQ_REMOVE(&r->arrived, m, link);
		receiver_msg_free(m);
	}
	r->current = receiver_msg_free(r->current);
	r->mem = msgmem_free(r->mem);
	channel_fini(&r->c);
}

/* ---- binding ---- */

static enum mqi_err
judge_hello(void *arg, char *text)
{
	struct receiver *r = arg;
	enum mqi_err err = r->io.hello(r->io.arg, &r->c.partner, &r->def, text);

	r->c.def = r->def.def;
	return err;
}

static void
on_greeting(struct receiver *r, const struct mqframe *f)
{
	if (channel_greet(&r->c, f, judge_hello, r) &&
	    r->c.end == CHANNEL_DIALLED)
		channel_move(&r->c, CHANNEL_REQUESTING);
}

static void
on_stream(struct receiver *r, const struct mqframe *f)
{
	struct mqchan_resume resume = {0};
	struct receiver_position pos = {0};
	enum mqi_err err;

	if (mqchan_decode_stream(f, &r->stream) != MQI_OK) {
		channel_unexpected(&r->c, f);
		return;
	}
	err = r->io.position_open(
	    r->io.arg, r->c.partner.qmid, r->stream.stream, &pos);
	if (err != MQI_OK) {
		channel_fail(&r->c, err, 0, 0,
		    "queue manager %s cannot open the position for %s: %s",
		    r->c.def.qmgr, r->def.identity, mqi_strerror(err));
		return;
	}
	if (pos.position > 0 &&
	    !channel_position_fits(&r->stream, pos.position, pos.incarnation)) {
		char hex[33];

		channel_hex(pos.incarnation, hex);
		channel_fail(&r->c, MQI_E_NOT_CURRENT,
		    r->stream.incarnations[r->stream.n_incarnations - 1].first,
		    pos.position,
		    "the position here is %llu of incarnation %s, which is "
		    "not in the stream's history: %s was restored from a "
		    "backup or copied",
		    ull(pos.position), hex, r->c.partner.qmgr);
		return;
	}
	r->position = r->tail = r->put_to = pos.position;
	r->c.stats.last_number = r->c.stats.current_number = pos.position;
	resume.position = pos.position;
	memcpy(resume.incarnation, pos.incarnation, 16);
	mqchan_encode_resume(&r->c.out, &resume);
	channel_move(&r->c, CHANNEL_RUNNING);
}

/* ---- messages ---- */

static void
message_arrived(struct receiver *r, struct receiver_msg *m)
{
	uint32_t crc = mqcrc32c(0, m->body, m->body_len);

	MQ_PRE(m->got == m->body_len);
	if (crc != m->crc) {
		channel_fail(&r->c, MQI_E_PROTOCOL, m->number, r->position,
		    "the body of message %llu arrived with CRC %08x instead "
		    "of %08x",
		    ull(m->number), crc, m->crc);
		receiver_msg_free(m);
		return;
	}
	r->tail = r->c.stats.current_number = m->number;
	r->held += receiver_msg_bytes(m);
	r->n_held++;
	r->arrived_bytes += receiver_msg_bytes(m);
	if (r->n_arrived++ == 0)
		r->gather_ms = r->c.now_ms;
	r->c.stats.msgs++;
	r->c.stats.bytes += m->body_len;
	TAILQ_INSERT_TAIL(&r->arrived, m, link);
}

static struct receiver_msg *
new_msg(struct receiver *r, const struct mqchan_msg *v,
    const struct mqdesc_info *info)
{
	struct receiver_msg *m =
	    receiver_msg_new(r->mem, v->desc, v->desc_len, v->body_len);

	if (m == NULL)
		return NULL;
	m->crc = v->body_crc;
	m->number = v->number;
	m->previous = v->previous;
	m->persistent = info->persistent;
	if (info->has_route)
		m->route = info->route;
	if (info->deadline_ms != 0) /* it was late already */
		m->expires_ms = 1;
	else if (info->expiry != MQI_EXPIRY_UNLIMITED)
		m->expires_ms = r->c.now_ms + (uint64_t)info->expiry * 100;
	return m;
}

/* A message that is here already: sent again after an acknowledgement was
 * lost, or while it is under way. */
static void
skip_duplicate(struct receiver *r, const struct mqchan_msg *v)
{
	if (!mqchan_is_inline(v->desc_len, v->body_len))
		r->skip = v->body_len;
	if (v->number <= r->position)
		mqchan_encode_ack(
		    &r->c.out, &(struct mqchan_ack){.number = r->position});
}

static void
on_msg(struct receiver *r, const struct mqframe *f)
{
	struct mqdesc_info info;
	struct receiver_msg *m;
	struct mqchan_msg v;

	if (r->current != NULL || r->skip > 0 ||
	    mqchan_decode_msg(f, &v) != MQI_OK ||
	    v.body_len > r->c.def.max_msg_len) {
		channel_unexpected(&r->c, f);
		return;
	}
	if (v.number <= r->tail) {
		skip_duplicate(r, &v);
		return;
	}
	if (v.previous != r->tail) {
		channel_fail(&r->c, MQI_E_PROTOCOL, v.previous, r->tail,
		    "message %llu follows %llu, but the last one here is %llu",
		    ull(v.number), ull(v.previous), ull(r->tail));
		return;
	}
	if (mqdesc_read(v.desc, v.desc_len, &info) != MQI_OK) {
		channel_fail(&r->c, MQI_E_PROTOCOL, v.number, r->position,
		    "the descriptor of message %llu cannot be read",
		    ull(v.number));
		return;
	}
	m = new_msg(r, &v, &info);
	if (m == NULL) {
		channel_fail(&r->c, MQI_E_NO_MEMORY, v.number, r->position,
		    "no memory for message %llu of %u bytes", ull(v.number),
		    v.body_len);
		return;
	}
	if (mqchan_is_inline(v.desc_len, v.body_len)) {
		memcpy(m->body, v.body, v.body_len);
		m->got = v.body_len;
		message_arrived(r, m);
	} else {
		r->current = m;
	}
}

static void
on_piece(struct receiver *r, const struct mqframe *f)
{
	struct receiver_msg *m = r->current;
	uint32_t left = m != NULL ? m->body_len - m->got : r->skip;
	struct mqchan_piece v;

	/* full, but for the last one */
	if (mqchan_decode_piece(f, &v) != MQI_OK || left == 0 ||
	    v.len != (left < MQFRAME_PIECE ? left : MQFRAME_PIECE)) {
		channel_unexpected(&r->c, f);
		return;
	}
	if (m == NULL) {
		r->skip -= v.len;
		return;
	}
	memcpy(m->body + m->got, v.data, v.len);
	m->got += v.len;
	if (m->got == m->body_len) {
		r->current = NULL;
		message_arrived(r, m);
	}
}

static void
on_close(struct receiver *r, const struct mqframe *f)
{
	struct mqchan_close v;

	if (mqchan_decode_close(f, &v) != MQI_OK)
		channel_unexpected(&r->c, f);
	else if (v.reason == MQI_E_CALLS_BACK &&
		 channel_state(&r->c) == CHANNEL_REQUESTING)
		channel_cut(&r->c, MQI_E_CALLS_BACK, "the partner calls back");
	else
		receiver_stop(r);
}

static void
on_frame(void *arg, const struct mqframe *f)
{
	struct receiver *r = arg;
	enum channel_state state = channel_state(&r->c);
	bool binding = channel_is_binding(&r->c);

	if (state == CHANNEL_STOPPING)
		return; /* it stays at the sender */
	if (f->type == MQCHAN_CLOSE)
		on_close(r, f);
	else if (f->type == MQCHAN_HELLO || f->type == MQCHAN_OPTIONS)
		on_greeting(r, f);
	else if (f->type == MQCHAN_STREAM && binding && r->c.greeted &&
		 r->c.theirs.purpose == MQCHAN_PURPOSE_MESSAGES)
		on_stream(r, f);
	else if (f->type == MQCHAN_MSG && !binding)
		on_msg(r, f);
	else if (f->type == MQCHAN_PIECE && !binding)
		on_piece(r, f);
	else
		channel_unexpected(&r->c, f);
}

void
receiver_input(struct receiver *r, const void *data, size_t len)
{
	channel_input(&r->c, data, len, on_frame, r);
	receiver_pump(r);
}

void
receiver_tick(struct receiver *r, uint64_t now_ms)
{
	channel_tick(&r->c, now_ms, receiver_wants_input(r));
	if (r->n_held == 0)
		msgmem_trim(r->mem);
	receiver_pump(r);
}

uint64_t
receiver_due(const struct receiver *r)
{
	uint64_t due = channel_due(&r->c, receiver_wants_input(r));

	uint64_t own = UINT64_MAX;

	if (channel_state(&r->c) == CHANNEL_PAUSED)
		return r->retry_at_ms < due ? r->retry_at_ms : due;
	if (r->n_arrived > 0 && r->c.theirs.batch_interval_ms > 0)
		own = r->gather_ms + r->c.theirs.batch_interval_ms;
	/* one that is over waits for something else */
	return own > r->c.now_ms && own < due ? own : due;
}

enum channel_substate
receiver_substate(const struct receiver *r)
{
	const struct receiver_unit *u = TAILQ_FIRST(&r->units);

	if (channel_state(&r->c) == CHANNEL_BINDING && r->c.greeted)
		return CHANNEL_AT_RESYNCH;
	if (channel_state(&r->c) == CHANNEL_PAUSED)
		return CHANNEL_AT_MQPUT;
	if (u != NULL)
		return u->state == RECEIVER_PUTTING ? CHANNEL_AT_MQPUT
						    : CHANNEL_AT_ENDBATCH;
	return r->c.beat_open ? CHANNEL_AT_HEARTBEAT : CHANNEL_AT_RECEIVE;
}

void
receiver_stop(struct receiver *r)
{
	enum channel_state state = channel_state(&r->c);

	if (state == CHANNEL_ENDED || state == CHANNEL_STOPPING)
		return;
	channel_move(&r->c, CHANNEL_STOPPING);
	receiver_pump(r);
}

bool
receiver_wants_input(const struct receiver *r)
{
	return r->held < RECEIVER_HELD_BYTES && r->n_held < RECEIVER_HELD_MSGS;
}

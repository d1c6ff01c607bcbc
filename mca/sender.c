/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.c - the sending end of a channel (sender.h).
 *
 * Neighbours: mca/run_sender.c drives it with a link and an agent's
 * connection; sender_aside.c has what is too long; receiver.c is its partner.
 *
 * Invariants: nothing of the stream, not even its id, is shown before the
 * stream is bound to the partner's QMID; the partner's position is compared
 * with the stream's history before the first message leaves, and a mismatch
 * ends the channel with both sides in the text, never with a skip; numbers
 * leave in ascending order, each naming the one before it on this connection,
 * the first one the partner's position; what is set aside is named by none;
 * nothing is acknowledged to the queue manager that the partner has not
 * acknowledged.
 *
 * Happy path: HELLO, HELLO, bind, STREAM, RESUME, credit, then MSG and PIECE
 * as the queue manager delivers them, many in flight, and ACKs back.
 *
 * Failure modes: everything ends the channel; the queue manager keeps what was
 * not acknowledged, and the next sender sends it again after asking where the
 * partner stands.
 */
#include "mca/sender.h"

#include <mq/mqi_err.h>
#include <stdio.h>
#include <string.h>

#define STOP_MS 5000u /* wait for acknowledgements */

static unsigned long long
ull(uint64_t v)
{
	return v;
}

static void
init(struct sender *s, enum channel_end end, const struct sender_io *io,
    uint64_t now_ms)
{
	memset(s, 0, sizeof(*s));
	channel_init(&s->c, MQCHAN_ROLE_SENDER, end, now_ms);
	s->io = *io;
	s->busy_ms = now_ms;
	mqbuf_init(&s->desc, MQCHAN_MAX_DESC);
	mqbuf_init(&s->chunk, MQFRAME_PIECE);
}

static void
set_stream(struct sender *s, const struct sender_stream *stream)
{
	s->stream = *stream;
	s->acked = s->sent = stream->acked;
	(void)snprintf(s->c.stands, sizeof(s->c.stands),
	    "acknowledged %llu, handed out %llu", ull(stream->acked),
	    ull(stream->handed));
}

void
sender_init(struct sender *s, const struct sender_def *def,
    const struct sender_stream *stream, const struct sender_io *io,
    uint64_t now_ms)
{
	init(s, CHANNEL_DIALLED, io, now_ms);
	s->def = *def;
	s->c.def = def->def;
	set_stream(s, stream);
	channel_send_hello(&s->c);
}

void
sender_init_accepted(
    struct sender *s, const struct sender_io *io, uint64_t now_ms)
{
	init(s, CHANNEL_ACCEPTED, io, now_ms);
}

void
sender_fini(struct sender *s)
{
	sender_aside_fini(s);
	channel_fini(&s->c);
	mqbuf_fini(&s->desc);
	mqbuf_fini(&s->chunk);
}

/* ---- binding ---- */

static bool
open_stream(struct sender *s)
{
	char text[CHANNEL_TEXT_LEN] = "";
	struct sender_stream stream;
	enum mqi_err err = s->io.open(s->io.arg, &stream, text);

	if (err != MQI_OK) {
		channel_fail(&s->c, err, 0, 0, "%s", text);
		return false;
	}
	set_stream(s, &stream);
	return true;
}

static bool
bind_stream(struct sender *s)
{
	struct sender_stream *st = &s->stream;
	char is[33], was[33];
	enum mqi_err err;

	if (memcmp(st->bound_qmid, s->c.partner.qmid, 16) == 0 &&
	    strcmp(st->bound_identity, s->def.identity) == 0)
		return true;
	err = s->io.bind(s->io.arg, s->c.partner.qmid, s->def.identity);
	if (err == MQI_OK) {
		if (memcmp(st->bound_qmid, s->c.partner.qmid, 16) != 0)
			st->bound_acked = st->acked;
		return true;
	}
	channel_hex(s->c.partner.qmid, is);
	channel_hex(st->bound_qmid, was);
	channel_fail(&s->c, err, st->acked, 0,
	    "the stream belongs to queue manager %s (%.100s) and cannot be "
	    "bound to %s (%.100s): %s",
	    was, st->bound_identity, is, s->def.identity, mqi_strerror(err));
	return false;
}

static void
on_greeted(struct sender *s)
{
	if (s->c.theirs.purpose != MQCHAN_PURPOSE_MESSAGES)
		return; /* it says what it wants */
	if (s->def.calls_back) {
		s->called_back = true;
		channel_close(
		    &s->c, MQI_E_CALLS_BACK, "the partner is called back");
		return;
	}
	if (s->c.end == CHANNEL_ACCEPTED && !open_stream(s))
		return;
	if (!bind_stream(s))
		return;
	mqchan_encode_stream(&s->c.out, &s->stream.history);
	s->asked = true;
}

static enum mqi_err
judge_hello(void *arg, char *text)
{
	struct sender *s = arg;
	enum mqi_err err = s->io.hello(s->io.arg, &s->c.partner, &s->def, text);

	s->c.def = s->def.def;
	return err;
}

/* Whether the partner's position is one that our own history can have led to;
 * else what is wrong.  What was acknowledged before the stream was bound to it
 * it need not have; since then, its own acknowledgements say what it has. */
static const char *
judge(const struct sender *s, const struct mqchan_resume *r)
{
	const struct sender_stream *st = &s->stream;
	uint64_t least = st->acked > st->bound_acked ? st->acked : 0;

	if (r->position == 0)
		return least == 0
			   ? NULL
			   : "the partner does not know the stream, but has "
			     "acknowledged messages of it: its store was "
			     "restored or "
			     "replaced";
	if (!channel_position_fits(&st->history, r->position, r->incarnation))
		return "the partner's position was numbered in an incarnation "
		       "that is not in this stream's history: this store was "
		       "restored from a backup or copied";
	if (r->position > st->handed)
		return "the partner's position is beyond what was handed out: "
		       "this store was restored from a backup or copied";
	if (r->position < least)
		return "the partner's position is behind what it has "
		       "acknowledged: its store was restored from a backup";
	return NULL;
}

static void
on_resume(struct sender *s, const struct mqframe *f)
{
	struct mqchan_resume r;
	enum mqi_err err = MQI_OK;
	const char *wrong;

	if (!s->asked || mqchan_decode_resume(f, &r) != MQI_OK) {
		channel_unexpected(&s->c, f);
		return;
	}
	wrong = judge(s, &r);
	if (wrong != NULL) {
		char inc[33];

		channel_hex(r.incarnation, inc);
		channel_fail(&s->c, MQI_E_NOT_CURRENT, s->stream.acked,
		    r.position,
		    "%s; partner %s: position %llu, incarnation %s; here: "
		    "acknowledged %llu, handed out %llu",
		    wrong, s->c.partner.qmgr, ull(r.position), inc,
		    ull(s->stream.acked), ull(s->stream.handed));
		return;
	}
	s->sent = r.position;
	s->c.stats.last_number = s->c.stats.current_number = r.position;
	if (r.position > s->acked) {
		s->acked = r.position;
		err = s->io.ack(s->io.arg, r.position);
	}
	if (err == MQI_OK)
		err = s->io.credit(s->io.arg, s->acked, s->c.def.max_msg_len);
	if (err != MQI_OK) {
		channel_cut(&s->c, err, "the stream cannot be read: %s",
		    mqi_strerror(err));
		return;
	}
	channel_move(&s->c, CHANNEL_RUNNING);
	s->busy_ms = s->c.now_ms;
}

/* ---- running ---- */

static void
on_ack(struct sender *s, const struct mqframe *f)
{
	struct mqchan_ack a;
	enum mqi_err err;

	if (mqchan_decode_ack(f, &a) != MQI_OK) {
		channel_unexpected(&s->c, f);
		return;
	}
	if (a.number > s->sent) {
		channel_fail(&s->c, MQI_E_PROTOCOL, s->sent, a.number,
		    "the partner acknowledges message %llu, but the last one "
		    "sent is %llu",
		    ull(a.number), ull(s->sent));
		return;
	}
	if (a.number <= s->acked)
		return;
	s->acked = a.number;
	s->c.stats.last_number = a.number;
	s->c.stats.batches++;
	s->busy_ms = s->c.now_ms;
	err = s->io.ack(s->io.arg, a.number);
	if (err != MQI_OK)
		channel_cut(&s->c, err,
		    "the queue manager takes no acknowledgement: %s",
		    mqi_strerror(err));
}

static void
on_close(struct sender *s, const struct mqframe *f)
{
	struct mqchan_close cl;

	if (mqchan_decode_close(f, &cl) != MQI_OK) {
		channel_unexpected(&s->c, f);
		return;
	}
	if (s->c.theirs.purpose != MQCHAN_PURPOSE_MESSAGES)
		channel_close(&s->c, MQI_OK, "the partner has its answer");
	else
		channel_cut(&s->c, MQI_E_CHANNEL_NOT_AVAILABLE,
		    "the partner closed the channel: %s",
		    mqi_strerror((enum mqi_err)cl.reason));
}

static void
on_frame(void *arg, const struct mqframe *f)
{
	struct sender *s = arg;
	bool binding = channel_is_binding(&s->c);

	if (f->type == MQCHAN_CLOSE) {
		on_close(s, f);
	} else if (f->type == MQCHAN_HELLO || f->type == MQCHAN_OPTIONS) {
		if (channel_greet(&s->c, f, judge_hello, s))
			on_greeted(s);
	} else if (f->type == MQCHAN_RESUME && binding) {
		on_resume(s, f);
	} else if (f->type == MQCHAN_ACK && !binding) {
		on_ack(s, f);
	} else {
		channel_unexpected(&s->c, f);
	}
}

static void
check_stopped(struct sender *s)
{
	if (channel_state(&s->c) != CHANNEL_STOPPING || s->in_body)
		return;
	if ((s->acked >= s->sent && s->aside_state < SENDER_PUTTING) ||
	    s->c.now_ms - s->stop_ms >= STOP_MS)
		channel_close(&s->c, MQI_OK, "stopped");
}

void
sender_input(struct sender *s, const void *data, size_t len)
{
	channel_input(&s->c, data, len, on_frame, s);
	check_stopped(s);
}

/* The body is whole in the chunk, or in the pieces that were sent. */
static void
finish_message(struct sender *s)
{
	if (mqchan_is_inline(s->msg.desc_len, s->msg.body_len)) {
		if (s->msg.body == NULL)
			s->msg.body = s->chunk.data;
		s->msg.desc = s->desc.data;
		mqchan_encode_msg(&s->c.out, &s->msg);
	}
	s->in_body = false;
	s->sent = s->msg.number;
	s->c.stats.current_number = s->sent;
	s->c.stats.msgs++;
	s->c.stats.bytes += s->msg.body_len;
	s->busy_ms = s->c.now_ms;
	check_stopped(s);
}

void
sender_message(struct sender *s, const struct sender_msg *m)
{
	if (channel_state(&s->c) != CHANNEL_RUNNING)
		return; /* it stays on its queue */
	MQ_PRE(!s->in_body);
	if (s->aside_state != SENDER_NONE) {
		channel_fail(&s->c, MQI_E_UNEXPECTED, m->number, s->sent,
		    "message %llu comes while another one is put elsewhere",
		    ull(m->number));
		return;
	}
	MQ_PRE(m->number > s->sent && m->number > s->acked);
	MQ_PRE(m->desc_len > 0 && m->desc_len <= MQCHAN_MAX_DESC);
	if (m->previous > s->sent && m->previous > s->acked) {
		channel_fail(&s->c, MQI_E_UNEXPECTED, m->previous, s->sent,
		    "message %llu follows %llu, but the last one sent is %llu",
		    ull(m->number), ull(m->previous), ull(s->sent));
		return;
	}
	if (m->body_len > s->c.def.max_msg_len) {
		sender_aside_begin(s, m);
		return;
	}
	s->msg = (struct mqchan_msg){.number = m->number,
	    .previous = s->sent,
	    .body_crc = m->body_crc,
	    .body_len = m->body_len,
	    .desc = m->desc,
	    .desc_len = m->desc_len};
	s->left = m->body_len;
	s->in_body = true;
	mqbuf_reset(&s->desc);
	mqbuf_reset(&s->chunk);
	if (mqchan_is_inline(m->desc_len, m->body_len))
		mqbuf_put(&s->desc, m->desc, m->desc_len);
	else
		mqchan_encode_msg(&s->c.out, &s->msg);
	if (s->left == 0)
		finish_message(s);
}

static void
send_chunk(struct sender *s)
{
	mqchan_encode_piece(
	    &s->c.out, &(struct mqchan_piece){.data = s->chunk.data,
			   .len = (uint32_t)s->chunk.len});
	mqbuf_reset(&s->chunk);
}

void
sender_piece(struct sender *s, const void *data, uint32_t len)
{
	bool whole = mqchan_is_inline(s->msg.desc_len, s->msg.body_len);
	const uint8_t *p = data;

	if (channel_state(&s->c) == CHANNEL_ENDED)
		return;
	if (s->aside_state == SENDER_COMING)
		sender_aside_piece(s, data, len);
	if (!s->in_body)
		return;
	MQ_PRE(len <= s->left);
	s->left -= len;
	if (whole && len == s->msg.body_len) {
		s->msg.body = data; /* all at once: no copy */
		len = 0;
	}
	while (len > 0) {
		uint32_t room = MQFRAME_PIECE - (uint32_t)s->chunk.len;
		uint32_t n = len < room ? len : room;

		mqbuf_put(&s->chunk, p, n);
		p += n;
		len -= n;
		if (!whole && s->chunk.len == MQFRAME_PIECE)
			send_chunk(s);
	}
	if (s->left > 0)
		return;
	if (!whole && s->chunk.len > 0)
		send_chunk(s);
	finish_message(s);
}

void
sender_tick(struct sender *s, uint64_t now_ms)
{
	channel_tick(&s->c, now_ms, true);
	if (s->acked < s->sent || s->in_body || s->aside_state != SENDER_NONE)
		s->busy_ms = now_ms;
	if (channel_state(&s->c) == CHANNEL_RUNNING && s->def.disc_ms > 0 &&
	    now_ms - s->busy_ms >= s->def.disc_ms)
		channel_close(&s->c, MQI_OK, "nothing to send for DISCINT");
	check_stopped(s);
	sender_pump(s);
}

uint64_t
sender_due(const struct sender *s)
{
	uint64_t due = channel_due(&s->c, true), own = UINT64_MAX;

	if (channel_state(&s->c) == CHANNEL_STOPPING)
		own = s->stop_ms + STOP_MS;
	else if (channel_state(&s->c) == CHANNEL_RUNNING &&
		 s->def.disc_ms > 0 && s->acked >= s->sent && !s->in_body)
		own = s->busy_ms + s->def.disc_ms;
	return own < due ? own : due;
}

enum channel_substate
sender_substate(const struct sender *s)
{
	if (channel_is_binding(&s->c))
		return s->asked ? CHANNEL_AT_RESYNCH : CHANNEL_AT_RECEIVE;
	if (s->c.beat_open)
		return CHANNEL_AT_HEARTBEAT;
	return s->acked < s->sent ? CHANNEL_AT_ENDBATCH : CHANNEL_AT_MQGET;
}

void
sender_stop(struct sender *s)
{
	enum channel_state state = channel_state(&s->c);

	if (state == CHANNEL_ENDED || state == CHANNEL_STOPPING)
		return;
	s->stop_ms = s->c.now_ms;
	channel_move(&s->c, CHANNEL_STOPPING);
	check_stopped(s);
}

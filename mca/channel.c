/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c - the common half of sender.c and receiver.c (channel.h).
 *
 * States move only along the table below; a move that it does not have is our
 * own mistake and aborts.  Whatever ends a channel goes through end_with(): the
 * first reason counts, later ones are consequences.
 *
 * Happy path: HELLO and OPTIONS both ways within CHANNEL_HELLO_MS, frames to
 * the end's own handler, a heartbeat when nothing was sent for the negotiated
 * interval. Failure modes: a frame that cannot be parsed or does not belong
 * here (ERROR to the partner, then the end), silence for two intervals (the
 * link is dead), the partner's ERROR (its reason and text become ours).
 */
#include "mca/channel.h"

#include <mq/mqi_err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One frame: a partner cannot make us keep more. */
#define IN_MAX (MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD)
/* Far above the driver's high-water mark: one turn's worth of frames. */
#define OUT_MAX ((size_t)1024 * 1024 * 1024)

/* How often the partner's silence is forgiven while nothing is read. */
#define NOT_READING_MS 100u

static const struct mqsm_state states[] = {
    [CHANNEL_BINDING] = {"BINDING",
	MQ_BIT(CHANNEL_REQUESTING) | MQ_BIT(CHANNEL_RUNNING) |
	    MQ_BIT(CHANNEL_STOPPING) | MQ_BIT(CHANNEL_ENDED)},
    [CHANNEL_REQUESTING] = {"REQUESTING", MQ_BIT(CHANNEL_RUNNING) |
					      MQ_BIT(CHANNEL_STOPPING) |
					      MQ_BIT(CHANNEL_ENDED)},
    [CHANNEL_RUNNING] = {"RUNNING", MQ_BIT(CHANNEL_PAUSED) |
					MQ_BIT(CHANNEL_STOPPING) |
					MQ_BIT(CHANNEL_ENDED)},
    [CHANNEL_PAUSED] = {"PAUSED", MQ_BIT(CHANNEL_RUNNING) |
				      MQ_BIT(CHANNEL_STOPPING) |
				      MQ_BIT(CHANNEL_ENDED)},
    [CHANNEL_STOPPING] = {"STOPPING", MQ_BIT(CHANNEL_ENDED)},
    [CHANNEL_ENDED] = {"ENDED", 0},
};

void
channel_init(struct channel *c, enum mqchan_role role, enum channel_end end,
    uint64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	mqsm_init(&c->sm, states, MQ_ARRAY_LEN(states), CHANNEL_BINDING);
	c->role = role;
	c->end = end;
	channel_options_init(&c->theirs);
	mqbuf_init(&c->in, IN_MAX);
	mqbuf_init(&c->out, OUT_MAX);
	mqbuf_init(&c->packed, OUT_MAX);
	c->now_ms = c->started_ms = c->heard_ms = c->sent_ms = now_ms;
}

void
channel_fini(struct channel *c)
{
	mqbuf_fini(&c->in);
	mqbuf_fini(&c->out);
	mqbuf_fini(&c->packed);
	c->pack = pack_free(c->pack);
}

enum channel_state
channel_state(const struct channel *c)
{
	return (enum channel_state)c->sm.current;
}

const char *
channel_state_name(const struct channel *c)
{
	return mqsm_name(&c->sm);
}

const char *
channel_substate_name(enum channel_substate substate)
{
	static const char *const names[] = {
	    [CHANNEL_AT_NOTHING] = "",
	    [CHANNEL_AT_NETCONNECT] = "NETCONNECT",
	    [CHANNEL_AT_SSLHANDSHK] = "SSLHANDSHK",
	    [CHANNEL_AT_RECEIVE] = "RECEIVE",
	    [CHANNEL_AT_RESYNCH] = "RESYNCH",
	    [CHANNEL_AT_MQGET] = "MQGET",
	    [CHANNEL_AT_MQPUT] = "MQPUT",
	    [CHANNEL_AT_SEND] = "SEND",
	    [CHANNEL_AT_ENDBATCH] = "ENDBATCH",
	    [CHANNEL_AT_HEARTBEAT] = "HEARTBEAT",
	};

	MQ_PRE((size_t)substate < MQ_ARRAY_LEN(names));
	return names[substate];
}

void
channel_move(struct channel *c, enum channel_state next)
{
	mqsm_move(&c->sm, next);
}

bool
channel_is_binding(const struct channel *c)
{
	enum channel_state state = channel_state(c);

	return state == CHANNEL_BINDING || state == CHANNEL_REQUESTING;
}

static void
end_with(struct channel *c, enum mqi_err reason, const char *text)
{
	if (channel_state(c) == CHANNEL_ENDED)
		return;
	c->reason = reason;
	(void)snprintf(
	    c->text, sizeof(c->text), "%.*s", (int)sizeof(c->text) - 1, text);
	channel_move(c, CHANNEL_ENDED);
}

void
channel_fail(struct channel *c, enum mqi_err reason, uint64_t sender_position,
    uint64_t receiver_position, const char *fmt, ...)
{
	struct mqchan_error e = {.reason = reason,
	    .sender_position = sender_position,
	    .receiver_position = receiver_position};
	va_list ap;

	MQ_PRE(reason != MQI_OK);
	if (channel_state(c) == CHANNEL_ENDED)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	mqchan_encode_error(&c->out, &e);
	end_with(c, reason, e.text);
}

void
channel_unexpected(struct channel *c, const struct mqframe *f)
{
	channel_fail(c, MQI_E_PROTOCOL, 0, 0,
	    "%s: a frame of type %u (%s), %u bytes, is damaged or not allowed "
	    "in this state",
	    channel_state_name(c), f->type, mqchan_type_name(f->type),
	    f->payload_len);
}

void
channel_cut(struct channel *c, enum mqi_err reason, const char *fmt, ...)
{
	char text[CHANNEL_TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	end_with(c, reason, text);
}

void
channel_close(struct channel *c, enum mqi_err reason, const char *text)
{
	if (channel_state(c) == CHANNEL_ENDED)
		return;
	mqchan_encode_close(&c->out, &(struct mqchan_close){.reason = reason});
	end_with(c, MQI_OK, text);
}

void
channel_send_hello(struct channel *c)
{
	struct mqchan_hello h = {
	    .version_min = MQCHAN_VERSION_MIN,
	    .version_max = MQCHAN_VERSION,
	    .features = MQCHAN_FEATURES,
	    .role = (uint8_t)c->role,
	    .heartbeat_ms = c->def.heartbeat_ms,
	    .batch_size = c->def.batch_size,
	    .max_msg_len = c->def.max_msg_len,
	};

	memcpy(h.channel, c->def.channel, sizeof(h.channel));
	memcpy(h.qmgr, c->def.qmgr, sizeof(h.qmgr));
	memcpy(h.qmid, c->def.qmid, sizeof(h.qmid));
	mqchan_encode_hello(&c->out, &h);
}

/* Versions and role. */
static bool
take_hello(struct channel *c, const struct mqframe *f)
{
	struct mqchan_hello h;

	if (mqchan_decode_hello(f, &h) != MQI_OK) {
		channel_unexpected(c, f);
		return false;
	}
	if (h.version_min > MQCHAN_VERSION ||
	    h.version_max < MQCHAN_VERSION_MIN) {
		channel_fail(c, MQI_E_VERSION, 0, 0,
		    "the partner speaks versions %u to %u, this end %u to %u",
		    h.version_min, h.version_max, MQCHAN_VERSION_MIN,
		    MQCHAN_VERSION);
		return false;
	}
	if (h.role == c->role) {
		channel_fail(c, MQI_E_CHANNEL_CONFIG, 0, 0,
		    "both ends of channel %s are %s", h.channel,
		    h.role == MQCHAN_ROLE_SENDER ? "senders" : "receivers");
		return false;
	}
	c->partner = h;
	c->has_hello = true;
	return true;
}

static bool
partner_is_ours(struct channel *c)
{
	const struct mqchan_hello *p = &c->partner;
	char hex[33];

	channel_hex(p->qmid, hex);
	if (strcmp(p->channel, c->def.channel) != 0) {
		channel_fail(c, MQI_E_UNKNOWN_CHANNEL, 0, 0,
		    "the partner answers for channel %s", p->channel);
		return false;
	}
	if (memcmp(p->qmid, c->def.qmid, 16) == 0) {
		channel_fail(c, MQI_E_NOT_CURRENT, 0, 0,
		    "the partner %s has this queue manager's own id %s: it "
		    "is this one, or a copy of its disk",
		    p->qmgr, hex);
		return false;
	}
	return true;
}

static uint32_t
lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Brings def to what counts for both. */
static void
negotiate(struct channel *c)
{
	if (c->partner.heartbeat_ms > c->def.heartbeat_ms)
		c->def.heartbeat_ms = c->partner.heartbeat_ms;
	c->def.batch_size = lower(c->def.batch_size, c->partner.batch_size);
	c->def.max_msg_len = lower(c->def.max_msg_len, c->partner.max_msg_len);
}

static void
partner_error(struct channel *c, const struct mqchan_error *e)
{
	bool both = e->reason == (uint32_t)MQI_E_NOT_CURRENT;

	channel_cut(c, (enum mqi_err)e->reason,
	    "the partner ended the channel: %u %s: %.300s%s%s", e->reason,
	    mqi_err_name((enum mqi_err)e->reason), e->text,
	    both && c->stands[0] != '\0' ? "; here: " : "",
	    both ? c->stands : "");
}

static bool
greet_hello(struct channel *c, const struct mqframe *f, channel_judge_fn judge,
    void *arg)
{
	char text[CHANNEL_TEXT_LEN] = "";
	enum mqi_err err = MQI_OK;

	if (!take_hello(c, f))
		return false;
	if (c->end == CHANNEL_ACCEPTED)
		err = judge(arg, text);
	if (err != MQI_OK) {
		channel_fail(c, err, 0, 0, "%s", text);
		return false;
	}
	if (!partner_is_ours(c))
		return false;
	if (c->end == CHANNEL_ACCEPTED)
		channel_send_hello(c);
	negotiate(c);
	if ((c->partner.features & MQCHAN_FEATURE_OPTIONS) != 0)
		channel_options_send(&c->def.options, &c->out);
	else
		c->greeted = true;
	return c->greeted;
}

/* What both ends' COMPMSG let them agree on. */
static bool
agree_pack(struct channel *c)
{
	bool sends = c->role == MQCHAN_ROLE_SENDER;
	struct mqcompress_list own, theirs;
	enum mqcompress how;

	mqcompress_decode(c->def.options.compmsg, &own);
	mqcompress_decode(c->theirs.compmsg, &theirs);
	how = sends ? mqcompress_choose(&own, &theirs)
		    : mqcompress_choose(&theirs, &own);
	if (how == MQCOMPRESS_NONE)
		return true;
	c->pack = pack_new(how);
	if (c->pack == NULL)
		channel_fail(
		    c, MQI_E_NO_MEMORY, 0, 0, "no memory to compress messages");
	return c->pack != NULL;
}

bool
channel_greet(struct channel *c, const struct mqframe *f,
    channel_judge_fn judge, void *arg)
{
	if (c->greeted) {
		channel_unexpected(c, f);
		return false;
	}
	if (!c->has_hello)
		return greet_hello(c, f, judge, arg);
	if (channel_options_take(f, &c->theirs) != MQI_OK) {
		channel_unexpected(c, f);
		return false;
	}
	c->greeted = true;
	return agree_pack(c);
}

/* A frame that both ends treat alike; false: it is the end's own. */
static bool
common_frame(struct channel *c, const struct mqframe *f)
{
	struct mqchan_error e;

	switch (f->type) {
	case MQCHAN_HEARTBEAT:
		if (mqchan_decode_empty(f) != MQI_OK)
			channel_unexpected(c, f);
		else
			mqchan_encode_empty(&c->out, MQCHAN_HEARTBEAT_ACK);
		return true;
	case MQCHAN_HEARTBEAT_ACK:
		if (mqchan_decode_empty(f) != MQI_OK)
			channel_unexpected(c, f);
		c->beat_open = false;
		return true;
	case MQCHAN_ERROR:
		if (mqchan_decode_error(f, &e) != MQI_OK) {
			channel_unexpected(c, f);
			return true;
		}
		partner_error(c, &e);
		return true;
	default:
		return false;
	}
}

static size_t take_frames(struct channel *c, const uint8_t *data, size_t len,
    channel_frame_fn fn, void *arg);

/* The frames in a PACKED one. */
static void
take_packed(
    struct channel *c, const struct mqframe *f, channel_frame_fn fn, void *arg)
{
	const uint8_t *raw = NULL;
	struct mqchan_packed v;
	enum mqi_err err = MQI_E_PROTOCOL;

	if (c->pack != NULL && c->role == MQCHAN_ROLE_RECEIVER &&
	    !channel_is_binding(c) && !c->in_packed)
		err = mqchan_decode_packed(f, &v);
	if (err == MQI_OK)
		err = pack_open(c->pack, &v, &raw);
	if (err == MQI_E_NO_MEMORY) {
		channel_cut(c, err, "no memory for the partner's bytes");
		return;
	}
	if (err != MQI_OK) {
		channel_unexpected(c, f);
		return;
	}
	c->stats.raw_bytes += v.raw_len;
	c->stats.packed_bytes += f->payload_len;
	c->in_packed = true;
	if (take_frames(c, raw, v.raw_len, fn, arg) != v.raw_len &&
	    channel_state(c) != CHANNEL_ENDED)
		channel_unexpected(c, f); /* they are not whole */
	c->in_packed = false;
}

/* Cuts data into frames as far as they are whole; returns how far. */
static size_t
take_frames(struct channel *c, const uint8_t *data, size_t len,
    channel_frame_fn fn, void *arg)
{
	size_t used, at = 0;
	struct mqframe f;

	while (channel_state(c) != CHANNEL_ENDED) {
		enum mqframe_result r =
		    mqframe_parse(data + at, len - at, &f, &used);

		if (r == MQFRAME_MORE)
			break;
		if (r == MQFRAME_BAD) {
			channel_fail(c, MQI_E_PROTOCOL, 0, 0,
			    "a frame's length is beyond the limit of %u bytes",
			    MQFRAME_MAX_PAYLOAD);
			break;
		}
		at += used;
		if (f.type == MQCHAN_PACKED)
			take_packed(c, &f, fn, arg);
		else if (!common_frame(c, &f))
			fn(arg, &f);
	}
	return at;
}

/* How many bytes of data belong to the frame that has begun. */
static size_t
rest_of_frame(const struct channel *c, size_t len)
{
	size_t want = MQFRAME_HEADER;

	if (c->in.len >= MQFRAME_HEADER)
		want += mqbuf_get_u32(c->in.data);
	return want - c->in.len < len ? want - c->in.len : len;
}

void
channel_input(struct channel *c, const void *data, size_t len,
    channel_frame_fn fn, void *arg)
{
	const uint8_t *p = data;
	size_t n;

	MQ_PRE(len <= CHANNEL_INPUT_MAX);
	if (len > 0) {
		c->heard_ms = c->now_ms;
		c->wire.received_bytes += len;
		c->wire.received_buffers++;
	}
	/* what is whole is taken where it is; only a frame that comes in
	 * parts is copied together */
	while (c->in.len > 0 && len > 0 && channel_state(c) != CHANNEL_ENDED) {
		n = rest_of_frame(c, len);
		mqbuf_put(&c->in, p, n);
		p += n;
		len -= n;
		mqbuf_consume(
		    &c->in, take_frames(c, c->in.data, c->in.len, fn, arg));
	}
	if (c->in.len == 0 && channel_state(c) != CHANNEL_ENDED) {
		n = take_frames(c, p, len, fn, arg);
		mqbuf_put(&c->in, p + n, len - n);
	}
	if (c->in.err != MQI_OK)
		channel_cut(c, c->in.err, "no memory for the partner's bytes");
}

void
channel_tick(struct channel *c, uint64_t now_ms, bool reading)
{
	uint64_t interval = c->def.heartbeat_ms;

	MQ_PRE(now_ms >= c->now_ms);
	c->now_ms = now_ms;
	if (channel_state(c) == CHANNEL_ENDED)
		return;
	if (!reading)
		c->heard_ms = now_ms;
	if (channel_is_binding(c)) {
		if (now_ms - c->started_ms >= CHANNEL_HELLO_MS)
			channel_fail(c, MQI_E_CHANNEL_NOT_AVAILABLE, 0, 0,
			    "the channel did not start within %u s",
			    CHANNEL_HELLO_MS / 1000);
		return;
	}
	if (interval == 0)
		return;
	if (now_ms - c->heard_ms > 2 * interval) {
		channel_cut(c, MQI_E_CONNECTION_BROKEN,
		    "nothing was heard from the partner for %llu ms",
		    (unsigned long long)(now_ms - c->heard_ms));
		return;
	}
	if (now_ms - c->sent_ms >= interval && c->out.len == 0) {
		mqchan_encode_empty(&c->out, MQCHAN_HEARTBEAT);
		c->beat_open = true;
	}
}

uint64_t
channel_due(const struct channel *c, bool reading)
{
	uint64_t interval = c->def.heartbeat_ms, dead, beat;

	if (channel_state(c) == CHANNEL_ENDED)
		return UINT64_MAX;
	if (channel_is_binding(c))
		return c->started_ms + CHANNEL_HELLO_MS;
	if (!reading)
		return c->now_ms + NOT_READING_MS;
	if (interval == 0)
		return UINT64_MAX;
	dead = c->heard_ms + 2 * interval + 1;
	beat = c->sent_ms + interval;
	return dead < beat ? dead : beat;
}

void
channel_pack(struct channel *c)
{
	struct mqbuf packed = c->packed;
	enum mqi_err err;

	if (c->pack == NULL || c->role != MQCHAN_ROLE_SENDER ||
	    channel_is_binding(c) || c->out.len == 0)
		return;
	mqbuf_reset(&packed);
	err = pack_frames(c->pack, c->out.data, c->out.len, &packed);
	c->packed = c->out;
	c->out = packed;
	c->stats.raw_bytes += c->packed.len;
	c->stats.packed_bytes += c->out.len;
	if (err != MQI_OK)
		channel_cut(c, err, "messages cannot be compressed: %s",
		    mqi_strerror(err));
}

void
channel_drained(struct channel *c)
{
	if (c->out.len > 0) {
		c->sent_ms = c->now_ms;
		c->wire.sent_bytes += c->out.len;
		c->wire.sent_buffers++;
	}
	mqbuf_reset(&c->out);
}

bool
channel_position_fits(const struct mqchan_stream *stream, uint64_t position,
    const uint8_t incarnation[16])
{
	for (uint32_t i = 0; i < stream->n_incarnations; i++) {
		const struct mqchan_incarnation *inc = &stream->incarnations[i];
		bool last = i + 1 == stream->n_incarnations;

		if (memcmp(inc->id, incarnation, 16) == 0)
			return position >= inc->first &&
			       (last || position < inc[1].first);
	}
	return false;
}

const uint8_t *
channel_incarnation_of(const struct mqchan_stream *stream, uint64_t number)
{
	const uint8_t *id = NULL;

	for (uint32_t i = 0; i < stream->n_incarnations &&
			     stream->incarnations[i].first <= number;
	     i++)
		id = stream->incarnations[i].id;
	return id;
}

void
channel_hex(const uint8_t id[16], char ret[33])
{
	for (unsigned i = 0; i < 16; i++)
		(void)snprintf(ret + (size_t)2 * i, 3, "%02x", id[i]);
}

bool
channel_is_zero(const uint8_t id[16])
{
	static const uint8_t zeros[16];

	return memcmp(id, zeros, 16) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_frames.c - the table of frames that a remote client may send, and
 * what is looked at in them (client_frames.h).
 *
 * Neighbours: client.c moves the bytes; local.h has the frames.
 *
 * Invariants.  Each type that exists has its case, without a default, so that
 * a new one must be decided on here before the program compiles.  Nothing of a
 * frame passes before all that is looked at of it has been seen and was good.
 *
 * Refused: what only agents send (streams, statuses), a put that keeps
 * somebody else's context, commands, a body longer than the channel takes, and
 * positions whose partner is called as queue managers' positions are: a client
 * could make a channel skip messages.
 */
#include "mca/client_frames.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WHY_LEN 128u
#define PUT_HEAD 16u /* handle, unit, checksum, length */
#define QMID_TEXT_LEN 32u

enum rule {
	RULE_REFUSE,
	RULE_PASS,
	RULE_PUT,
	RULE_GET,
	RULE_CLOSE,
	RULE_UNSUBSCRIBE,
	RULE_CONSUME,
	RULE_WATCH,
	RULE_POSITION_OPEN,
	RULE_UNIT_POSITION,
	RULE_BEAT,
};

static enum rule
rule_of(enum mqlocal_type type)
{
	switch (type) {
	case MQLOCAL_OPEN:
	case MQLOCAL_OPEN_AS: /* the user must have the right */
	case MQLOCAL_OPEN_SELECT:
	case MQLOCAL_OPEN_TOPIC:
	case MQLOCAL_SUBSCRIBE:
	case MQLOCAL_PIECE:
	case MQLOCAL_CANCEL_GET:
	case MQLOCAL_COMMIT:
	case MQLOCAL_BACKOUT:
	case MQLOCAL_INQUIRE:
	case MQLOCAL_ACK:
	case MQLOCAL_PING:
	case MQLOCAL_BROWSE_UNLOCK:
		return RULE_PASS;
	case MQLOCAL_GET:
		return RULE_GET;
	case MQLOCAL_CLOSE:
		return RULE_CLOSE;
	case MQLOCAL_UNSUBSCRIBE:
		return RULE_UNSUBSCRIBE;
	case MQLOCAL_CONSUME:
		return RULE_CONSUME;
	case MQLOCAL_WATCH:
		return RULE_WATCH;
	case MQLOCAL_PUT:
		return RULE_PUT;
	case MQLOCAL_POSITION_OPEN:
		return RULE_POSITION_OPEN;
	case MQLOCAL_UNIT_POSITION:
		return RULE_UNIT_POSITION;
	case MQLOCAL_BEAT:
		return RULE_BEAT;
	/* once, at the start, and not passed as they are */
	case MQLOCAL_HELLO:
	case MQLOCAL_CLIENT_HELLO:
	/* an administrator's */
	case MQLOCAL_COMMAND:
	/* agents' */
	case MQLOCAL_STREAM_OPEN:
	case MQLOCAL_STREAM_ACK:
	case MQLOCAL_STREAM_CREDIT:
	case MQLOCAL_STREAM_BIND:
	case MQLOCAL_STREAM_LIMIT:
	case MQLOCAL_STREAM_REMOVE:
	case MQLOCAL_AGENT_STATUS:
	/* a server's */
	case MQLOCAL_CLIENT_OK:
	case MQLOCAL_HELLO_OK:
	case MQLOCAL_ERROR:
	case MQLOCAL_RESULT:
	case MQLOCAL_OPEN_OK:
	case MQLOCAL_PUT_OK:
	case MQLOCAL_MESSAGE:
	case MQLOCAL_INQUIRE_OK:
	case MQLOCAL_READY:
	case MQLOCAL_POSITION:
	case MQLOCAL_COMMAND_ROW:
	case MQLOCAL_STREAM_OK:
	case MQLOCAL_AGENT_ORDER:
	case MQLOCAL_PUTS_OK:
		return RULE_REFUSE;
	}
	return RULE_REFUSE;
}

/* ---- what is waited for ---- */

static void
wait_end(struct client_waits *w, uint32_t id)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->ids[i] == id)
			w->ids[i--] = w->ids[--w->n];
}

static void
wait_begin(struct client_waits *w, uint32_t id)
{
	wait_end(w, id);
	if (w->n < CLIENT_WAITS_MAX)
		w->ids[w->n++] = id;
	else
		w->many = true;
}

bool
client_frames_waiting(const struct client_flow *up)
{
	return up->gets.n > 0 || up->gets.many || up->handles.n > 0 ||
	       up->handles.many;
}

/* f has its whole payload, but for a that of a GET.  False: it cannot be
 * decoded. */
static bool
note_wait(struct client_flow *w, const struct mqframe *f, enum rule rule)
{
	struct mqlocal_consume consume;
	struct mqlocal_watch watch;
	struct mqlocal_close close;
	struct mqlocal_unsubscribe end;
	uint32_t handle;
	bool on = false;

	switch (rule) {
	case RULE_GET:
		wait_begin(&w->gets, f->id);
		return true;
	case RULE_CLOSE:
		if (mqlocal_decode_close(f, &close) != MQI_OK)
			return false;
		handle = close.handle;
		break;
	case RULE_UNSUBSCRIBE:
		if (mqlocal_decode_unsubscribe(f, &end) != MQI_OK)
			return false;
		handle = end.handle;
		break;
	case RULE_CONSUME:
		if (mqlocal_decode_consume(f, &consume) != MQI_OK)
			return false;
		handle = consume.handle;
		on = consume.max_msgs > 0;
		break;
	case RULE_WATCH:
		if (mqlocal_decode_watch(f, &watch) != MQI_OK)
			return false;
		handle = watch.handle;
		on = watch.on != 0;
		break;
	default:
		return true;
	}
	if (on)
		wait_begin(&w->handles, handle);
	else
		wait_end(&w->handles, handle);
	return true;
}

/* ---- what is looked at ---- */

static bool
is_qmid(const char *partner)
{
	size_t n = 0;

	while (isxdigit((unsigned char)partner[n]))
		n++;
	return n == QMID_TEXT_LEN && partner[n] == '\0';
}

/* f has its whole payload. */
static bool
position_is_good(const struct mqframe *f, enum rule rule)
{
	struct mqlocal_position_open open;
	struct mqlocal_unit_position unit;

	if (rule == RULE_POSITION_OPEN)
		return mqlocal_decode_position_open(f, &open) == MQI_OK &&
		       open.identity[0] == '\0' && !is_qmid(open.partner);
	return mqlocal_decode_unit_position(f, &unit) == MQI_OK &&
	       !is_qmid(unit.partner);
}

static bool
put_is_good(const struct mqframe *f, uint32_t max_msg_len,
    struct client_flow *w, enum mqi_err *ret_reason, char *why)
{
	uint32_t len;

	if ((f->flags & MQLOCAL_PUT_PASS_CONTEXT) != 0) {
		(void)snprintf(
		    why, WHY_LEN, "a client may not pass a context on");
		*ret_reason = MQI_E_NOT_AUTHORIZED;
		return false;
	}
	len = mqbuf_get_u32(f->payload + 12);
	if (len > max_msg_len) {
		(void)snprintf(why, WHY_LEN,
		    "a message of %u bytes: the channel takes %u", len,
		    max_msg_len);
		*ret_reason = MQI_E_MSG_TOO_BIG_FOR_CHANNEL;
		return false;
	}
	w->msgs++;
	w->bytes += len;
	return true;
}

/* Bytes of the payload that a rule looks at. */
static uint32_t
seen_by(enum rule rule, uint32_t payload_len)
{
	switch (rule) {
	case RULE_PUT:
		return PUT_HEAD;
	case RULE_CLOSE:
	case RULE_UNSUBSCRIBE:
	case RULE_CONSUME:
	case RULE_WATCH:
	case RULE_POSITION_OPEN:
	case RULE_UNIT_POSITION:
		return payload_len;
	case RULE_GET:
	case RULE_REFUSE:
	case RULE_PASS:
	case RULE_BEAT:
		break;
	}
	return 0;
}

/* The header at data; payload is what there is of it. */
static struct mqframe
head_of(const uint8_t *data)
{
	return (struct mqframe){.payload_len = mqbuf_get_u32(data),
	    .type = mqbuf_get_u16(data + 4),
	    .flags = mqbuf_get_u16(data + 6),
	    .id = mqbuf_get_u32(data + 8),
	    .payload = data + MQFRAME_HEADER};
}

/* What passes now of what there is. */
static enum client_step
pass(struct client_flow *f, size_t len, size_t *ret_n)
{
	*ret_n = len < f->left ? len : f->left;
	f->left -= *ret_n;
	return CLIENT_STEP_PASS;
}

enum client_step
client_frames_up(struct client_flow *f, const uint8_t *data, size_t len,
    uint32_t max_msg_len, size_t *ret_n, enum mqi_err *ret_reason,
    char *ret_why)
{
	struct mqframe fr;
	enum rule rule;
	uint32_t seen;

	if (f->left > 0)
		return len == 0 ? CLIENT_STEP_MORE : pass(f, len, ret_n);
	if (len < MQFRAME_HEADER)
		return CLIENT_STEP_MORE;
	fr = head_of(data);
	rule = rule_of((enum mqlocal_type)fr.type);
	*ret_reason = MQI_E_PROTOCOL;
	(void)snprintf(ret_why, WHY_LEN, "a client may not send frame %s (%u)",
	    mqlocal_type_name(fr.type), fr.type);
	seen = seen_by(rule, fr.payload_len);
	if (rule == RULE_REFUSE || fr.payload_len > MQFRAME_MAX_PAYLOAD ||
	    seen > fr.payload_len || seen > CLIENT_FRAMES_HEAD - MQFRAME_HEADER)
		return CLIENT_STEP_BAD;
	if (len < MQFRAME_HEADER + seen)
		return CLIENT_STEP_MORE;
	if (rule == RULE_BEAT) {
		*ret_n = MQFRAME_HEADER;
		return mqlocal_decode_empty(&fr) == MQI_OK ? CLIENT_STEP_BEAT
							   : CLIENT_STEP_BAD;
	}
	if (rule == RULE_PUT &&
	    !put_is_good(&fr, max_msg_len, f, ret_reason, ret_why))
		return CLIENT_STEP_BAD;
	if ((rule == RULE_POSITION_OPEN || rule == RULE_UNIT_POSITION) &&
	    !position_is_good(&fr, rule)) {
		(void)snprintf(ret_why, WHY_LEN,
		    "a client may not use this partner's positions");
		*ret_reason = MQI_E_NOT_AUTHORIZED;
		return CLIENT_STEP_BAD;
	}
	if (!note_wait(f, &fr, rule)) {
		(void)snprintf(ret_why, WHY_LEN, "frame %s is malformed",
		    mqlocal_type_name(fr.type));
		return CLIENT_STEP_BAD;
	}
	f->frames++;
	f->left = MQFRAME_HEADER + fr.payload_len;
	return pass(f, len, ret_n);
}

enum client_step
client_frames_down(struct client_flow *f, struct client_waits *gets,
    const uint8_t *data, size_t len, size_t *ret_n)
{
	struct mqframe fr;

	if (f->left > 0)
		return len == 0 ? CLIENT_STEP_MORE : pass(f, len, ret_n);
	if (len < MQFRAME_HEADER)
		return CLIENT_STEP_MORE;
	fr = head_of(data);
	if (fr.payload_len > MQFRAME_MAX_PAYLOAD)
		return CLIENT_STEP_BAD;
	if (fr.type == MQLOCAL_AGENT_ORDER) {
		if (len < MQFRAME_HEADER + fr.payload_len)
			return CLIENT_STEP_MORE;
		*ret_n = MQFRAME_HEADER + fr.payload_len;
		return CLIENT_STEP_ORDER;
	}
	if (fr.type == MQLOCAL_MESSAGE)
		f->msgs++;
	if (fr.type == MQLOCAL_MESSAGE || fr.type == MQLOCAL_RESULT)
		wait_end(gets, fr.id);
	f->frames++;
	f->left = MQFRAME_HEADER + fr.payload_len;
	return pass(f, len, ret_n);
}

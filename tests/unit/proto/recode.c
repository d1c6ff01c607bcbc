/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recode.c - every pair of decode and encode functions of proto/local.h,
 * chosen by the frame's type.
 *
 * Neighbours: test_local.c and fuzz/fuzz_local.c, which compare the bytes.
 */
#include "tests/unit/proto/recode.h"

#define CASE(TYPE, name)                                       \
	case MQLOCAL_##TYPE: {                                 \
		struct mqlocal_##name v;                       \
                                                               \
		err = mqlocal_decode_##name(f, &v);            \
		if (!err)                                      \
			mqlocal_encode_##name(out, f->id, &v); \
		return err;                                    \
	}

static enum mqi_err
recode_put(const struct mqframe *f, struct mqbuf *out)
{
	struct mqlocal_put v;
	enum mqi_err err = mqlocal_decode_put(f, &v);

	if (err)
		return err;
	mqlocal_encode_put(out, f->id, &v);
	if (v.body)
		mqbuf_put(out, v.body, v.body_len);
	return MQI_OK;
}

static enum mqi_err
recode_message(const struct mqframe *f, struct mqbuf *out)
{
	struct mqlocal_message v;
	enum mqi_err err = mqlocal_decode_message(f, &v);

	if (err)
		return err;
	mqlocal_encode_message(out, f->id, &v);
	if (v.body)
		mqbuf_put(out, v.body, v.sent_len);
	return MQI_OK;
}

static enum mqi_err
recode_piece(const struct mqframe *f, struct mqbuf *out)
{
	struct mqlocal_piece v;
	enum mqi_err err = mqlocal_decode_piece(f, &v);

	if (err)
		return err;
	mqlocal_encode_piece(out, f->id, &v);
	mqbuf_put(out, v.data, v.len);
	return MQI_OK;
}

static enum mqi_err
recode_unit(const struct mqframe *f, struct mqbuf *out)
{
	struct mqlocal_unit v;
	enum mqi_err err = mqlocal_decode_unit(f, &v);

	if (!err)
		mqlocal_encode_unit(out, f->type, f->id, &v);
	return err;
}

static enum mqi_err
recode_empty(const struct mqframe *f, struct mqbuf *out)
{
	enum mqi_err err = mqlocal_decode_empty(f);

	if (!err)
		mqlocal_encode_empty(out, f->type, f->id);
	return err;
}

enum mqi_err
recode_frame(const struct mqframe *f, struct mqbuf *out)
{
	enum mqi_err err;

	switch (f->type) {
		CASE(HELLO, hello)
		CASE(HELLO_OK, hello_ok)
		CASE(CLIENT_HELLO, client_hello)
		CASE(CLIENT_OK, client_ok)
		CASE(ERROR, error)
		CASE(RESULT, result)
		CASE(OPEN, open)
		CASE(OPEN_AS, open_as)
		CASE(OPEN_SELECT, open_select)
		CASE(OPEN_TOPIC, open_topic)
		CASE(SUBSCRIBE, subscribe)
		CASE(UNSUBSCRIBE, unsubscribe)
		CASE(BROWSE_UNLOCK, browse_unlock)
		CASE(OPEN_OK, open_ok)
		CASE(CLOSE, close)
		CASE(INQUIRE, inquire)
		CASE(INQUIRE_OK, inquire_ok)
		CASE(PUT_OK, put_ok)
		CASE(PUTS_OK, puts_ok)
		CASE(GET, get)
		CASE(CONSUME, consume)
		CASE(ACK, ack)
		CASE(WATCH, watch)
		CASE(READY, ready)
		CASE(POSITION_OPEN, position_open)
		CASE(POSITION, position)
		CASE(UNIT_POSITION, unit_position)
		CASE(STREAM_OPEN, stream_open)
		CASE(STREAM_OK, stream_ok)
		CASE(STREAM_BIND, stream_bind)
		CASE(STREAM_ACK, stream_ack)
		CASE(STREAM_CREDIT, stream_credit)
		CASE(STREAM_LIMIT, stream_limit)
		CASE(STREAM_REMOVE, stream_remove)
	case MQLOCAL_PUT:
		return recode_put(f, out);
	case MQLOCAL_MESSAGE:
		return recode_message(f, out);
	case MQLOCAL_PIECE:
		return recode_piece(f, out);
	case MQLOCAL_COMMIT:
	case MQLOCAL_BACKOUT:
		return recode_unit(f, out);
	case MQLOCAL_BEAT:
	case MQLOCAL_PING:
	case MQLOCAL_CANCEL_GET:
		return recode_empty(f, out);
	default:
		return MQI_E_FUNCTION_NOT_SUPPORTED;
	}
}

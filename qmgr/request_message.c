/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_message.c - requests that move messages: PUT, PIECE, GET, CANCEL_GET,
 * CONSUME, ACK.
 *
 * Neighbours: dispatch.c calls these; the engine answers.
 * Invariants: descriptor and body are given to the engine where they stand in
 * the session's input; it copies what it keeps.
 * Happy path: decode, call.
 * Failure: wrong bytes, and pieces that were not announced, are PROTOCOL.
 */
#include "proto/local.h"
#include "qmgr/dispatch.h"
#include "qmgr/qmgr_impl.h"

enum mqi_err
request_put(struct session *s, const struct mqframe *f)
{
	struct mqlocal_put v;
	struct engine_put put;
	enum mqi_err err = mqlocal_decode_put(f, &v);

	if (err != MQI_OK)
		return err;
	put = (struct engine_put){
	    .handle = v.handle,
	    .unit = v.unit,
	    .flags = v.flags,
	    .body_crc = v.body_crc,
	    .body_len = v.body_len,
	    .desc = v.desc,
	    .desc_len = v.desc_len,
	    .body = v.body,
	};
	/* context is passed on by agents, not made up by applications */
	if (!s->is_agent || s->is_client)
		put.flags &= (uint16_t)~MQLOCAL_PUT_PASS_CONTEXT;
	if (!s->takes_puts_ok)
		put.flags &= (uint16_t)~MQLOCAL_PUT_BRIEF;
	return engine_put(s->qm->engine, s->engine, f->id, &put);
}

enum mqi_err
request_piece(struct session *s, const struct mqframe *f)
{
	struct mqlocal_piece v;
	enum mqi_err err = mqlocal_decode_piece(f, &v);

	if (err != MQI_OK)
		return err;
	return engine_put_piece(s->qm->engine, s->engine, f->id, v.data, v.len);
}

enum mqi_err
request_get(struct session *s, const struct mqframe *f)
{
	struct mqlocal_get v;
	enum mqi_err err = mqlocal_decode_get(f, &v);

	if (err == MQI_OK)
		engine_get(s->qm->engine, s->engine, f->id, &v);
	return err;
}

enum mqi_err
request_cancel_get(struct session *s, const struct mqframe *f)
{
	if (f->payload_len != 0)
		return MQI_E_PROTOCOL;
	engine_cancel_get(s->qm->engine, s->engine, f->id);
	return MQI_OK;
}

enum mqi_err
request_consume(struct session *s, const struct mqframe *f)
{
	struct mqlocal_consume v;
	enum mqi_err err = mqlocal_decode_consume(f, &v);

	if (err == MQI_OK)
		engine_consume(s->qm->engine, s->engine, f->id, v.handle,
		    v.max_msgs, v.max_bytes);
	return err;
}

enum mqi_err
request_ack(struct session *s, const struct mqframe *f)
{
	struct mqlocal_ack v;
	enum mqi_err err = mqlocal_decode_ack(f, &v);

	if (err == MQI_OK)
		engine_ack(s->qm->engine, s->engine, f->id, v.handle, v.token);
	return err;
}

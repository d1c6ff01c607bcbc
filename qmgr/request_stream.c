/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_stream.c - what a sender asks of its transmission queue: STREAM_OPEN,
 * STREAM_BIND, STREAM_ACK, STREAM_CREDIT, STREAM_LIMIT, STREAM_REMOVE.
 *
 * Neighbours: dispatch.c lets agents alone through; the engine answers.
 * Happy path: decode, call.
 * Failure: wrong bytes are PROTOCOL; everything else is the engine's answer.
 */
#include "proto/local.h"
#include "qmgr/dispatch.h"
#include "qmgr/qmgr_impl.h"

enum mqi_err
request_stream_open(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_open v;
	enum mqi_err err = mqlocal_decode_stream_open(f, &v);

	if (err == MQI_OK)
		engine_stream_open(s->qm->engine, s->engine, f->id, v.queue);
	return err;
}

enum mqi_err
request_stream_bind(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_bind v;
	enum mqi_err err = mqlocal_decode_stream_bind(f, &v);

	if (err == MQI_OK)
		engine_stream_bind(s->qm->engine, s->engine, f->id, v.handle,
		    v.qmid, v.identity);
	return err;
}

enum mqi_err
request_stream_ack(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_ack v;
	enum mqi_err err = mqlocal_decode_stream_ack(f, &v);

	if (err == MQI_OK)
		engine_stream_ack(s->qm->engine, s->engine, v.handle, v.number);
	return err;
}

enum mqi_err
request_stream_credit(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_credit v;
	enum mqi_err err = mqlocal_decode_stream_credit(f, &v);

	if (err == MQI_OK)
		engine_stream_credit(s->qm->engine, s->engine, v.handle,
		    v.max_msgs, v.max_bytes, v.after);
	return err;
}

enum mqi_err
request_stream_limit(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_limit v;
	enum mqi_err err = mqlocal_decode_stream_limit(f, &v);

	if (err == MQI_OK)
		engine_stream_limit(
		    s->qm->engine, s->engine, v.handle, v.max_msg_len);
	return err;
}

enum mqi_err
request_stream_remove(struct session *s, const struct mqframe *f)
{
	struct mqlocal_stream_remove v;
	enum mqi_err err = mqlocal_decode_stream_remove(f, &v);

	if (err == MQI_OK)
		engine_stream_remove(s->qm->engine, s->engine, f->id, &v);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_object.c - requests on handles: OPEN, OPEN_AS, OPEN_SELECT,
 * OPEN_TOPIC, SUBSCRIBE, UNSUBSCRIBE, CLOSE, INQUIRE, WATCH.
 *
 * Neighbours: dispatch.c calls these; the engine answers.
 * Happy path: decode, call.
 * Failure: wrong bytes are PROTOCOL; everything else is the engine's answer.
 */
#include "proto/local.h"
#include "qmgr/dispatch.h"
#include "qmgr/qmgr_impl.h"

enum mqi_err
request_open(struct session *s, const struct mqframe *f)
{
	struct mqlocal_open v;
	enum mqi_err err = mqlocal_decode_open(f, &v);

	if (err == MQI_OK)
		engine_open(s->qm->engine, s->engine, f->id, v.object, v.qmgr,
		    v.options);
	return err;
}

enum mqi_err
request_open_as(struct session *s, const struct mqframe *f)
{
	struct mqlocal_open_as v;
	enum mqi_err err = mqlocal_decode_open_as(f, &v);

	if (err == MQI_OK)
		engine_open_as(s->qm->engine, s->engine, f->id, v.object,
		    v.qmgr, v.options, v.user);
	return err;
}

enum mqi_err
request_open_select(struct session *s, const struct mqframe *f)
{
	struct mqlocal_open_select v;
	enum mqi_err err = mqlocal_decode_open_select(f, &v);

	if (err == MQI_OK)
		engine_open_select(s->qm->engine, s->engine, f->id, &v);
	return err;
}

enum mqi_err
request_open_topic(struct session *s, const struct mqframe *f)
{
	struct mqlocal_open_topic v;
	enum mqi_err err = mqlocal_decode_open_topic(f, &v);

	if (err == MQI_OK)
		engine_open_topic(s->qm->engine, s->engine, f->id, &v);
	return err;
}

enum mqi_err
request_subscribe(struct session *s, const struct mqframe *f)
{
	struct mqlocal_subscribe v;
	enum mqi_err err = mqlocal_decode_subscribe(f, &v);

	if (err == MQI_OK)
		engine_subscribe(s->qm->engine, s->engine, f->id, &v);
	return err;
}

enum mqi_err
request_unsubscribe(struct session *s, const struct mqframe *f)
{
	struct mqlocal_unsubscribe v;
	enum mqi_err err = mqlocal_decode_unsubscribe(f, &v);

	if (err == MQI_OK)
		engine_unsubscribe(s->qm->engine, s->engine, f->id, v.handle);
	return err;
}

enum mqi_err
request_browse_unlock(struct session *s, const struct mqframe *f)
{
	struct mqlocal_browse_unlock v;
	enum mqi_err err = mqlocal_decode_browse_unlock(f, &v);

	if (err == MQI_OK)
		engine_browse_unlock(s->qm->engine, s->engine, f->id, v.handle);
	return err;
}

enum mqi_err
request_close(struct session *s, const struct mqframe *f)
{
	struct mqlocal_close v;
	enum mqi_err err = mqlocal_decode_close(f, &v);

	if (err == MQI_OK)
		engine_close(s->qm->engine, s->engine, f->id, v.handle);
	return err;
}

enum mqi_err
request_inquire(struct session *s, const struct mqframe *f)
{
	struct mqlocal_inquire v;
	enum mqi_err err = mqlocal_decode_inquire(f, &v);

	if (err == MQI_OK)
		engine_inquire(s->qm->engine, s->engine, f->id, v.handle);
	return err;
}

enum mqi_err
request_watch(struct session *s, const struct mqframe *f)
{
	struct mqlocal_watch v;
	enum mqi_err err = mqlocal_decode_watch(f, &v);

	if (err == MQI_OK)
		engine_watch(
		    s->qm->engine, s->engine, f->id, v.handle, v.on != 0);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_unit.c - units of work and positions: COMMIT, BACKOUT, POSITION_OPEN,
 * UNIT_POSITION.
 *
 * Neighbours: dispatch.c calls these; the engine answers.
 * Happy path: decode, call.
 * Failure: wrong bytes are PROTOCOL; everything else is the engine's answer.
 */
#include "proto/local.h"
#include "qmgr/dispatch.h"
#include "qmgr/qmgr_impl.h"

enum mqi_err
request_commit(struct session *s, const struct mqframe *f)
{
	struct mqlocal_unit v;
	enum mqi_err err = mqlocal_decode_unit(f, &v);

	if (err == MQI_OK)
		engine_commit(s->qm->engine, s->engine, f->id, v.unit);
	return err;
}

enum mqi_err
request_backout(struct session *s, const struct mqframe *f)
{
	struct mqlocal_unit v;
	enum mqi_err err = mqlocal_decode_unit(f, &v);

	if (err == MQI_OK)
		engine_backout(s->qm->engine, s->engine, f->id, v.unit);
	return err;
}

enum mqi_err
request_position_open(struct session *s, const struct mqframe *f)
{
	struct mqlocal_position_open v;
	enum mqi_err err = mqlocal_decode_position_open(f, &v);

	if (err == MQI_OK)
		engine_position_open(s->qm->engine, s->engine, f->id, &v);
	return err;
}

enum mqi_err
request_unit_position(struct session *s, const struct mqframe *f)
{
	struct mqlocal_unit_position v;
	enum mqi_err err = mqlocal_decode_unit_position(f, &v);

	if (err == MQI_OK)
		engine_unit_position(s->qm->engine, s->engine, f->id, &v);
	return err;
}

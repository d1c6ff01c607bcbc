/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.c - conditional positions: puts that can be repeated.
 *
 * Neighbours: the queue manager keeps the position and moves it in the same
 * unit of work as the messages that it stands for; call.c carries the
 * requests.
 *
 * After UNKNOWN_OUTCOME of a commit, opening the position again tells: it
 * stands at `to` (done) or at `from` (not done).
 */
#include <stdio.h>
#include <string.h>

#include "libmq/conn.h"

static enum mqi_err
take_position(struct mqcall *call, const struct mqframe *f)
{
	struct mqlocal_position v;
	enum mqi_err err = mqlocal_decode_position(f, &v);

	if (err == MQI_OK)
		*(struct mqlocal_position *)call->out = v;
	return err;
}

enum mqi_err
mqposition_open(mqi_conn *c, const struct mqlocal_position_open *v,
    struct mqlocal_position *ret)
{
	struct mqcall call;
	enum mqi_err err;
	size_t mark;

	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = mqcall_begin(c, &call, MQREQ_READS, MQLOCAL_POSITION);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	call.take = take_position;
	call.out = ret;
	mark = c->out.next.len;
	mqlocal_encode_position_open(&c->out.next, call.req.id, v);
	err = mqcall_end(c, &call, mark);
	return mqconn_leave(c, err, call.text);
}

enum mqi_err
mqi_position_open(mqi_conn *conn, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t *ret_position)
{
	struct mqlocal_position_open v;
	struct mqlocal_position pos = {0};
	enum mqi_err err;

	if (conn == NULL || partner == NULL || stream == NULL ||
	    ret_position == NULL)
		return MQI_E_INVAL;
	if (partner[0] == '\0' || strlen(partner) > MQI_NAME_LEN)
		return mqlib_fail(conn, MQI_E_OBJECT_NAME, NULL);
	memset(&v, 0, sizeof(v));
	(void)snprintf(v.partner, sizeof(v.partner), "%s", partner);
	memcpy(v.stream, stream, sizeof(v.stream));
	err = mqposition_open(conn, &v, &pos);
	if (err == MQI_OK)
		*ret_position = pos.position;
	return err;
}

enum mqi_err
mqi_unit_position(mqi_unit *unit, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t from, uint64_t to)
{
	struct mqlocal_unit_position v;
	struct mqcall call;
	enum mqi_err err;
	mqi_conn *c;
	size_t mark;

	if (unit == NULL || partner == NULL || stream == NULL || to <= from ||
	    partner[0] == '\0' || strlen(partner) > MQI_NAME_LEN)
		return MQI_E_INVAL;
	memset(&v, 0, sizeof(v));
	(void)snprintf(v.partner, sizeof(v.partner), "%s", partner);
	memcpy(v.stream, stream, sizeof(v.stream));
	v.unit = unit->number;
	v.from = from;
	v.to = to;
	c = unit->conn;
	err = mqconn_enter(c);
	if (err != MQI_OK)
		return err;
	err = mqunit_check(c, unit);
	if (err == MQI_OK)
		err = mqcall_begin(c, &call, MQREQ_IN_UNIT, MQLOCAL_RESULT);
	if (err != MQI_OK)
		return mqconn_leave(c, err, NULL);
	mark = c->out.next.len;
	mqlocal_encode_unit_position(&c->out.next, call.req.id, &v);
	unit->used = true;
	err = mqcall_end(c, &call, mark);
	if (err == MQI_OK)
		unit->succeeded = true;
	else if (unit->failed == MQI_OK)
		unit->failed = err; /* never commit without it */
	return mqconn_leave(c, err, call.text);
}

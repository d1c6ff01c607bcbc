/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c - the table of requests.
 *
 * Neighbours: session.c cuts the stream into frames; request_*.c carry them
 * out.
 * Invariants: a handler sees only frames whose id, and whose sender, fit the
 * table; what a request asks is checked by the engine, not here.
 * Happy path: look up, check, call.
 * Failure: an unknown type, or an id where none or one is needed, is a broken
 * client: PROTOCOL.  An agent's request from an application is answered
 * NOT_AUTHORIZED, or passed over if it has no answer.
 */
#include "qmgr/dispatch.h"

#include "proto/local.h"
#include "qmgr/session.h"

struct request {
	enum mqi_err (*handle)(struct session *s, const struct mqframe *f);
	bool no_id; /* may have id 0: it is never answered, or only then */
	bool agent_only;
};

static const struct request requests[] = {
    [MQLOCAL_OPEN] = {request_open, false, false},
    [MQLOCAL_CLOSE] = {request_close, false, false},
    [MQLOCAL_PUT] = {request_put, false, false},
    [MQLOCAL_PIECE] = {request_piece, false, false},
    [MQLOCAL_GET] = {request_get, false, false},
    [MQLOCAL_CANCEL_GET] = {request_cancel_get, false, false},
    [MQLOCAL_COMMIT] = {request_commit, false, false},
    [MQLOCAL_BACKOUT] = {request_backout, false, false},
    [MQLOCAL_INQUIRE] = {request_inquire, false, false},
    [MQLOCAL_CONSUME] = {request_consume, false, false},
    [MQLOCAL_ACK] = {request_ack, true, false},
    [MQLOCAL_WATCH] = {request_watch, false, false},
    [MQLOCAL_POSITION_OPEN] = {request_position_open, false, false},
    [MQLOCAL_UNIT_POSITION] = {request_unit_position, false, false},
    [MQLOCAL_PING] = {request_ping, false, false},
    [MQLOCAL_COMMAND] = {request_command, false, false},
    [MQLOCAL_STREAM_OPEN] = {request_stream_open, false, true},
    [MQLOCAL_STREAM_ACK] = {request_stream_ack, true, true},
    [MQLOCAL_STREAM_CREDIT] = {request_stream_credit, true, true},
    [MQLOCAL_STREAM_BIND] = {request_stream_bind, false, true},
    [MQLOCAL_AGENT_STATUS] = {request_agent_status, true, true},
};

enum mqi_err
dispatch(struct session *s, const struct mqframe *f, const char **ret_why)
{
	const struct request *r;
	enum mqi_err err;

	if (f->type >= MQ_ARRAY_LEN(requests) ||
	    requests[f->type].handle == NULL) {
		*ret_why = "a frame's type is unknown, or not a request";
		return MQI_E_PROTOCOL;
	}
	r = &requests[f->type];
	if (f->id == 0 && !r->no_id) {
		*ret_why = "a request has the id 0";
		return MQI_E_PROTOCOL;
	}
	if (r->agent_only && !s->is_agent) {
		if (f->id != 0)
			session_send_result(s, f->id, MQI_E_NOT_AUTHORIZED,
			    "only channel agents may ask this");
		return MQI_OK;
	}
	err = r->handle(s, f);
	if (err != MQI_OK)
		*ret_why = "a frame cannot be decoded, or does not belong "
			   "where it stands";
	return err;
}

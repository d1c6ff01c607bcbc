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

	enum { ALL, AGENTS, AGENTS_AND_CLIENTS } from;
};

static const struct request requests[] = {
    [MQLOCAL_OPEN] = {request_open, false, ALL},
    [MQLOCAL_OPEN_AS] = {request_open_as, false, ALL},
    [MQLOCAL_OPEN_SELECT] = {request_open_select, false, ALL},
    [MQLOCAL_OPEN_TOPIC] = {request_open_topic, false, ALL},
    [MQLOCAL_SUBSCRIBE] = {request_subscribe, false, ALL},
    [MQLOCAL_UNSUBSCRIBE] = {request_unsubscribe, false, ALL},
    [MQLOCAL_BROWSE_UNLOCK] = {request_browse_unlock, false, ALL},
    [MQLOCAL_CLOSE] = {request_close, false, ALL},
    [MQLOCAL_PUT] = {request_put, false, ALL},
    [MQLOCAL_PIECE] = {request_piece, false, ALL},
    [MQLOCAL_GET] = {request_get, false, ALL},
    [MQLOCAL_CANCEL_GET] = {request_cancel_get, false, ALL},
    [MQLOCAL_COMMIT] = {request_commit, false, ALL},
    [MQLOCAL_BACKOUT] = {request_backout, false, ALL},
    [MQLOCAL_INQUIRE] = {request_inquire, false, ALL},
    [MQLOCAL_CONSUME] = {request_consume, false, ALL},
    [MQLOCAL_ACK] = {request_ack, true, ALL},
    [MQLOCAL_WATCH] = {request_watch, false, ALL},
    [MQLOCAL_POSITION_OPEN] = {request_position_open, false, ALL},
    [MQLOCAL_UNIT_POSITION] = {request_unit_position, false, ALL},
    [MQLOCAL_PING] = {request_ping, false, ALL},
    [MQLOCAL_COMMAND] = {request_command, false, ALL},
    [MQLOCAL_STREAM_OPEN] = {request_stream_open, false, AGENTS},
    [MQLOCAL_STREAM_ACK] = {request_stream_ack, true, AGENTS},
    [MQLOCAL_STREAM_CREDIT] = {request_stream_credit, true, AGENTS},
    [MQLOCAL_STREAM_BIND] = {request_stream_bind, false, AGENTS},
    [MQLOCAL_STREAM_LIMIT] = {request_stream_limit, true, AGENTS},
    [MQLOCAL_STREAM_REMOVE] = {request_stream_remove, false, AGENTS},
    [MQLOCAL_AGENT_STATUS] = {request_agent_status, true, AGENTS_AND_CLIENTS},
};

/* What an application elsewhere asks is passed on by its agent, which tells how
 * it is itself. */
static bool
may_ask(const struct session *s, const struct request *r)
{
	if (r->from == AGENTS)
		return s->is_agent && !s->is_client;
	return r->from == ALL || s->is_agent;
}

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
	if (!may_ask(s, r)) {
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

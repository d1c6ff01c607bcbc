/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.c - synchronous requests: one frame out, one frame back.
 *
 * The caller begins the call (which gives it an id), appends its frame to
 * out.next, and ends it, which sends, waits for the answer and returns the
 * result.  A RESULT frame is a failure, or the success of requests that have
 * no answer of their own.  If the connection is lost, the result is what that
 * means for the request (enum mqreq_effect).
 */
#include "libmq/conn.h"

#include <string.h>

_Static_assert(sizeof(((struct mqlocal_result *)0)->text) <= MQLIB_TEXT_LEN,
    "a result's text fits");

enum mqi_err
mqcall_result(const struct mqframe *f, char *text, uint64_t *ret_token,
    enum mqi_err *ret_reason)
{
	struct mqlocal_result res;
	enum mqi_err err;

	if (f->type != MQLOCAL_RESULT)
		return MQI_E_PROTOCOL;
	err = mqlocal_decode_result(f, &res);
	if (err != MQI_OK)
		return MQI_E_PROTOCOL;
	if (text != NULL)
		memcpy(text, res.text, strlen(res.text) + 1);
	if (ret_token != NULL)
		*ret_token = res.token;
	*ret_reason = (enum mqi_err)res.reason;
	return MQI_OK;
}

static enum mqi_err
call_answer(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost)
{
	struct mqcall *call = MQ_CONTAINER_OF(r, struct mqcall, req);
	enum mqi_err err = MQI_OK, reason = lost;

	if (f == NULL) {
		mqreq_finish(c, r, reason);
		return MQI_OK;
	}
	if (f->type == MQLOCAL_RESULT) {
		err = mqcall_result(f, call->text, NULL, &reason);
		if (err == MQI_OK && reason == MQI_OK &&
		    call->want != MQLOCAL_RESULT)
			err = MQI_E_PROTOCOL;
	} else if (f->type == call->want) {
		reason = MQI_OK;
		if (call->take != NULL)
			err = call->take(call, f);
	} else {
		err = MQI_E_PROTOCOL;
	}
	/* a frame that may not come leaves the request to the loss of the
	 * connection, which is what its sender has earned */
	if (err == MQI_OK)
		mqreq_finish(c, r, reason);
	return err;
}

enum mqi_err
mqcall_begin(
    mqi_conn *c, struct mqcall *call, enum mqreq_effect effect, uint16_t want)
{
	if (c->agent != NULL && c->agent->in_callback)
		return MQI_E_BUSY;
	memset(call, 0, offsetof(struct mqcall, text));
	call->text[0] = '\0';
	call->want = want;
	call->req.effect = effect;
	call->req.answer = call_answer;
	return mqreq_add(c, &call->req);
}

enum mqi_err
mqcall_end(mqi_conn *c, struct mqcall *call, size_t mark)
{
	enum mqi_err err;

	err = mqwire_queued(c, mark, &call->req);
	if (err != MQI_OK)
		return err;
	mqwire_wait(c, &call->req);
	return call->req.err;
}

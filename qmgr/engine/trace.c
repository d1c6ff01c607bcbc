/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - trace-route messages (proto/trace.h): each put adds a hop to the
 * body, and a copy of it goes to the reply-to queue as a report.
 *
 * Neighbours: put.c asks here and puts what comes back, all in the unit of the
 * put, if there is one; report.c finds the report's way.
 * Invariant: what is no trace-route body is an ordinary message's.
 * Failure: without a way to the reply-to queue, or the right to put there,
 * there is no report, and the trace goes on; at the end of its way it is then
 * simply gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/report.h"
#include "proto/trace.h"
#include "qmgr/engine/engine_int.h"

static void
trace_hop(const struct handle *h, struct mqtrace_hop *ret)
{
	const struct engine *e = h->s->e;

	memset(ret, 0, sizeof(*ret));
	ret->time_ms = e->wall_us / 1000;
	ret->what = h->route.is_remote ? MQTRACE_SENT : MQTRACE_ARRIVED;
	memcpy(ret->qmgr, e->config.name, sizeof(ret->qmgr));
	memcpy(ret->queue, h->route.resolved_name, sizeof(ret->queue));
	memcpy(ret->to_qmgr, h->route.resolved_qmgr, sizeof(ret->to_qmgr));
	(void)snprintf(
	    ret->put_on, sizeof(ret->put_on), "%s", h->q->object->name);
	memcpy(ret->channel, h->s->who.channel, sizeof(ret->channel));
}

static bool
trace_report(const struct handle *h, const struct mqbuf *body,
    struct queue **ret_queue, uint8_t *ret_rank, struct msg *ret_msg)
{
	struct engine *e = h->s->e;
	const struct mqreport_why why = {
	    .option = MQI_RO_ACTIVITY,
	    .feedback = MQI_FB_ACTIVITY,
	    .qmgr = e->config.name,
	    .reply_qmgr = e->config.name,
	    .wall_ms = e->wall_us / 1000,
	};
	struct report r = {
	    .e = e, .body = body->data, .body_len = (uint32_t)body->len};
	struct mqreport wish;
	enum mqi_err err;

	mqbuf_init(&r.desc, MQDESC_MAX);
	err = mqreport_make(
	    e->scratch.data, e->scratch.len, r.body_len, &why, &r.desc, &wish);
	if (err == MQI_OK && !wish.wanted)
		err = MQI_E_MISSING_REPLY_TO_Q;
	if (err == MQI_OK && !authorize_report(h, &wish.to))
		err = MQI_E_NOT_AUTHORIZED;
	if (err == MQI_OK)
		err = report_find(&r, &wish.to);
	if (err == MQI_OK)
		err = report_stamp(&r, ret_msg, ret_rank);
	mqbuf_fini(&r.desc);
	if (err != MQI_OK)
		return false;
	*ret_queue = queue_by_id(e, r.route.queue->id);
	ret_msg->body_id = engine_next_number(e);
	return true;
}

enum mqi_err
trace_make(struct handle *h, const struct engine_put *req,
    struct mqbuf *ret_body, bool *ret_report, struct queue **ret_queue,
    uint8_t *ret_rank, struct msg *ret_msg)
{
	struct mqtrace_hop hop;
	enum mqi_err err;

	trace_hop(h, &hop);
	err = mqtrace_add(req->body, req->body_len, &hop, ret_body);
	if (err == MQI_OK)
		*ret_report =
		    trace_report(h, ret_body, ret_queue, ret_rank, ret_msg);
	return err;
}

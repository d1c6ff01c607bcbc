/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_chstatus.c - DISPLAY CHSTATUS: channels that are not inactive, and with
 * SAVED where streams stand.
 *
 * Neighbours: agents_status.c keeps what agents tell, about once a second; what
 * the engine knows itself of a transmission queue is of this moment.
 *
 * Invariants: as ctl_status.c; a channel has no field that means nothing for
 * its type.
 *
 * Failure: UNKNOWN_OBJECT when nothing matched: a channel that is inactive has
 * no status.
 */
#include <stdio.h>
#include <string.h>

#include "qmgr/agents.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

static const char *const chstatus_keywords[] = {"CHANNEL", "CHLTYPE", "BATCHES",
    "BATCHSZ", "BUFSRCVD", "BUFSSENT", "BYTES", "BYTSRCVD", "BYTSSENT",
    "CHSTADA", "CHSTATI", "COMPMSG", "COMPRATE", "CONNAME", "CURMSGS",
    "CURSEQNO", "ERROR", "HBINT", "INDOUBT", "JOBNAME", "KAINT", "LOCLADDR",
    "LONGRTS", "LSTMSGDA", "LSTMSGTI", "LSTSEQNO", "MCASTAT", "MCAUSER",
    "MONCHL", "MSGS", "NETTIME", "NPMSPEED", "RETRYIN", "RPRODUCT", "RQMNAME",
    "SECPROT", "SHORTRTS", "SSLCERTI", "SSLCIPH", "SSLPEER", "STATUS",
    "STOPREQ", "SUBSTATE", "XBATCHSZ", "XMITQ", "XQMSGSA", "XQTIME", "ALL",
    NULL};
static const char *const saved_keywords[] = {"CHANNEL", "CHLTYPE", "CURSEQNO",
    "INDOUBT", "LSTSEQNO", "RQMID", "SSLPEER", "STREAM", "XMITQ", "ALL",
    "SAVED", NULL};

/* A walk over agents, with the first failure kept. */
struct walk {
	struct ctl *c;
	enum mqi_err err;
};

/* ---- current status ---- */

/* A channel that is shown. */
struct shown {
	const struct agents_info *info;
	bool moves; /* messages; else it is for applications */
	bool sends;
	bool dials;
	struct engine_stream_status stream; /* of one that sends */
};

static bool
type_is(const struct agents_info *info, const char *type)
{
	return strcmp(info->chltype, type) == 0;
}

static void
look_at(const struct ctl *c, const struct agents_info *info, struct shown *ret)
{
	struct engine_stream_status *st = &ret->stream;

	memset(ret, 0, sizeof(*ret));
	ret->info = info;
	ret->moves = !type_is(info, "SVRCONN");
	ret->sends = info->xmitq[0] != '\0';
	ret->dials = ret->moves && !type_is(info, "RCVR");
	if (!ret->sends ||
	    engine_stream_status(c->engine, info->xmitq, st) != MQI_OK)
		return;
	if (strcmp(st->sender, info->name) == 0)
		return;
	/* another channel may have it just now */
	st->in_flight = 0;
	memset(&st->on_queue_us, 0, sizeof(st->on_queue_us));
	memset(&st->batch, 0, sizeof(st->batch));
}

/* What is monitored: of the last few and of many; blank while there is none. */
static void
show_average(struct ctl_row *r, const char *keyword, const struct mqaverage *a)
{
	char text[64] = "";

	if (a->n > 0)
		(void)snprintf(
		    text, sizeof(text), "%.0f,%.0f", a->few, a->many);
	ctl_row_text(r, keyword, text);
}

static void
show_wire(struct ctl_row *r, const struct agents_info *info)
{
	ctl_row_uint(r, "BATCHES", info->batches);
	ctl_row_uint(r, "BATCHSZ", info->batch_size);
	ctl_row_uint(r, "BUFSRCVD", info->received_buffers);
	ctl_row_uint(r, "BUFSSENT", info->sent_buffers);
	ctl_row_uint(r, "BYTES", info->bytes);
	ctl_row_uint(r, "BYTSRCVD", info->received_bytes);
	ctl_row_uint(r, "BYTSSENT", info->sent_bytes);
}

static void
show_a_to_k(struct ctl_row *r, const struct shown *s)
{
	const struct agents_info *info = s->info;

	if (s->moves)
		show_wire(r, info);
	else
		ctl_row_uint(r, "BYTES", info->bytes);
	ctl_row_time(r, "CHSTADA", "CHSTATI", info->started_ms);
	if (s->moves) {
		ctl_row_text(r, "COMPMSG",
		    info->compmsg[0] != '\0' ? info->compmsg : "NONE");
		ctl_row_uint(r, "COMPRATE", info->comprate);
	}
	ctl_row_text(r, "CONNAME", info->conname);
	if (s->moves) {
		ctl_row_uint(r, "CURMSGS",
		    s->sends ? s->stream.in_flight : info->current_msgs);
		ctl_row_uint(r, "CURSEQNO", info->current_number);
	}
	ctl_row_text(r, "ERROR", info->error);
	ctl_row_uint(r, "HBINT", info->heartbeat_s);
	if (s->moves)
		ctl_row_text(r, "INDOUBT", s->stream.in_doubt ? "YES" : "NO");
	ctl_row_uint(r, "JOBNAME", (uint64_t)info->pid);
	if (s->moves)
		ctl_row_uint(r, "KAINT", info->keep_alive_s);
}

static void
show_l_to_r(struct ctl_row *r, const struct shown *s)
{
	const struct agents_info *info = s->info;

	ctl_row_text(r, "LOCLADDR", info->local_address);
	if (s->dials)
		ctl_row_uint(r, "LONGRTS", info->long_retries_left);
	ctl_row_time(r, "LSTMSGDA", "LSTMSGTI", info->last_msg_ms);
	if (s->moves)
		ctl_row_uint(r, "LSTSEQNO", info->last_number);
	ctl_row_text(r, "MCASTAT", info->is_alive ? "RUNNING" : "NOT RUNNING");
	ctl_row_text(r, "MCAUSER", info->user);
	if (s->moves)
		ctl_row_text(r, "MONCHL", info->monitor);
	ctl_row_uint(r, "MSGS", info->msgs);
	if (s->moves) {
		show_average(r, "NETTIME", &info->rtt_us);
		ctl_row_text(r, "NPMSPEED", info->npm_speed);
	}
	if (s->dials)
		ctl_row_uint(r, "RETRYIN", (info->retry_in_ms + 999) / 1000);
	if (s->moves) {
		ctl_row_text(r, "RPRODUCT", info->product);
		ctl_row_text(r, "RQMNAME", info->partner_qmgr);
	}
}

/* IBM MQ's word for a version of TLS. */
static const char *
security_protocol(const char *version)
{
	if (strcmp(version, "TLSv1.3") == 0)
		return "TLSV13";
	return strcmp(version, "TLSv1.2") == 0 ? "TLSV12" : "";
}

static void
show_s_to_z(struct ctl_row *r, const struct shown *s)
{
	const struct agents_info *info = s->info;

	ctl_row_text(r, "SECPROT", security_protocol(info->protocol));
	if (s->dials)
		ctl_row_uint(r, "SHORTRTS", info->short_retries_left);
	ctl_row_text(r, "SSLCERTI", info->issuer);
	ctl_row_text(r, "SSLCIPH", info->cipher);
	ctl_row_text(r, "SSLPEER", info->partner_name);
	ctl_row_text(r, "STATUS", info->state);
	ctl_row_text(r, "STOPREQ", info->stop_asked ? "YES" : "NO");
	if (!s->moves)
		return;
	ctl_row_text(r, "SUBSTATE", info->substate);
	show_average(r, "XBATCHSZ", s->sends ? &s->stream.batch : &info->unit);
	if (!s->sends)
		return;
	ctl_row_text(r, "XMITQ", info->xmitq);
	ctl_row_uint(r, "XQMSGSA", s->stream.waiting);
	show_average(r, "XQTIME", &s->stream.on_queue_us);
}

static void
show_channel(void *arg, const struct agents_info *info)
{
	struct shown s;
	struct ctl_row r;
	struct walk *w = arg;

	if (w->err != MQI_OK || !ctl_matches(w->c->cmd->name, info->name) ||
	    !ctl_may_see(w->c, info->name))
		return;
	look_at(w->c, info, &s);
	ctl_row_begin(&r);
	ctl_row_text(&r, "CHANNEL", info->name);
	ctl_row_text(&r, "CHLTYPE", info->chltype);
	show_a_to_k(&r, &s);
	show_l_to_r(&r, &s);
	show_s_to_z(&r, &s);
	w->err = ctl_status_row(w->c, &r, 2);
}

/* ---- saved status: where streams stand, channels running or not ---- */

static enum mqi_err
show_saved_sender(struct ctl *c, const struct engine_object *o)
{
	struct engine_stream_status st;
	struct ctl_row r;
	const char *queue = mqattr_text(o->attrs, MQATTR_ID_XMITQ);
	if (engine_stream_status(c->engine, queue, &st) != MQI_OK)
		return MQI_OK; /* it has no transmission queue yet */
	ctl_row_begin(&r);
	ctl_row_text(&r, "CHANNEL", o->name);
	ctl_row_text(&r, "CHLTYPE", mqattr_text(o->attrs, MQATTR_ID_CHLTYPE));
	ctl_row_uint(&r, "CURSEQNO", st.handed);
	ctl_row_text(&r, "INDOUBT", st.in_doubt ? "YES" : "NO");
	ctl_row_uint(&r, "LSTSEQNO", st.acked);
	ctl_row_hex16(&r, "RQMID", st.bound_qmid);
	ctl_row_text(&r, "SSLPEER", st.bound_identity);
	ctl_row_hex16(&r, "STREAM", st.stream);
	ctl_row_text(&r, "XMITQ", queue);
	return ctl_status_row(c, &r, 2);
}

/* A position belongs to a partner's stream, not to a channel's name. */
static void
show_saved_position(void *arg, const struct record_position *p)
{
	struct ctl_row r;
	struct walk *w = arg;
	if (w->err != MQI_OK)
		return;
	ctl_row_begin(&r);
	ctl_row_text(&r, "CHANNEL", "");
	ctl_row_text(&r, "CHLTYPE", "RCVR");
	ctl_row_uint(&r, "LSTSEQNO", p->position);
	ctl_row_text(&r, "RQMID", p->partner);
	ctl_row_text(&r, "SSLPEER", p->identity);
	ctl_row_hex16(&r, "STREAM", p->stream);
	w->err = ctl_status_row(w->c, &r, 2);
}

static enum mqi_err
saved_status(struct ctl *c)
{
	struct walk w = {c, ctl_status_wanted(c, saved_keywords)};
	const struct engine_object *o = NULL;
	while (w.err == MQI_OK &&
	       (o = engine_object_next(c->engine, MQATTR_CHANNEL, o)) != NULL)
		if (ctl_matches(c->cmd->name, o->name) &&
		    ctl_may_see(c, o->name) &&
		    mqattr_set_has(o->attrs, MQATTR_ID_XMITQ))
			w.err = show_saved_sender(c, o);
	/* these belong to no channel */
	if (w.err == MQI_OK && strcmp(c->cmd->name, "*") == 0 &&
	    engine_may(c->engine, c->who, AUTHORITY_QMGR, qmgr_name(c->qm),
		AUTHORITY_DSP))
		engine_each_position(c->engine, show_saved_position, &w);
	return ctl_status_end(c, w.err, ": nothing is saved");
}

enum mqi_err
ctl_chstatus(struct ctl *c)
{
	if (ctl_option(c, "SAVED") != NULL)
		return saved_status(c);
	struct walk w = {c, ctl_status_wanted(c, chstatus_keywords)};
	if (w.err == MQI_OK)
		agents_each_channel(qmgr_agents(c->qm), show_channel, &w);
	return ctl_status_end(c, w.err, ": an inactive channel has none");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_status.c - DISPLAY of what is going on: QSTATUS, CHSTATUS, LSSTATUS and
 * QMSTATUS.
 *
 * Neighbours: ctl.c calls these; the engine knows queues, agents.h channels
 * and listeners, qmgr.h the process.
 *
 * Invariants: a row begins with name and type; the rest is in order of
 * keyword; a keyword asked for must be one that the view has.
 *
 * Happy path: check the keywords asked for, walk, match, emit.  Failure:
 * UNKNOWN_OBJECT when nothing matched (a channel that is inactive has no
 * status), ATTRIBUTE for a wrong keyword.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "qmgr/agents.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"
#include "qmgr/scrub.h"

static const char *const qstatus_keywords[] = {"QUEUE", "TYPE", "BYTES",
    "CURDEPTH", "DAMAGED", "IPPROCS", "LGETDATE", "LGETTIME", "LPUTDATE",
    "LPUTTIME", "MSGAGE", "OPPROCS", "UNCOM", "ALL", NULL};
static const char *const chstatus_keywords[] = {"CHANNEL", "CHLTYPE", "BATCHES",
    "BATCHSZ", "BUFSRCVD", "BUFSSENT", "BYTES", "BYTSRCVD", "BYTSSENT",
    "CHSTADA", "CHSTATI", "COMPMSG", "COMPRATE", "CONNAME", "ERROR", "HBINT",
    "JOBNAME", "LONGRTS", "LSTMSGDA", "LSTMSGTI", "LSTSEQNO", "MSGS", "RETRYIN",
    "RPRODUCT", "RQMNAME", "SHORTRTS", "SSLCERTI", "SSLCIPH", "SSLPEER",
    "STATUS", "STOPREQ", "XMITQ", "ALL", NULL};
static const char *const saved_keywords[] = {"CHANNEL", "CHLTYPE", "CURSEQNO",
    "INDOUBT", "LSTSEQNO", "RQMID", "SSLPEER", "STREAM", "XMITQ", "ALL",
    "SAVED", NULL};
static const char *const lsstatus_keywords[] = {"LISTENER", "ERROR", "PID",
    "PORT", "STARTDA", "STARTTI", "STATUS", "ALL", NULL};
static const char *const qmstatus_keywords[] = {"QMNAME", "CONNS", "CURRLOG",
    "DATPATH", "PID", "QMID", "RECLOG", "SCRUBDA", "SCRUBFND", "SCRUBTI",
    "STARTDA", "STARTTI", "STATUS", "ALL", NULL};

/* A walk over agents, with the first failure kept. */
struct walk {
	struct ctl *c;
	enum mqi_err err;
};

/* Drops what was not asked for, but never the first n_head pairs. */
static void
row_filter(const struct ctl *c, struct ctl_row *r, uint32_t n_head)
{
	const struct mqctl_list *asked = &c->cmd->attrs;
	struct mqctl_list kept;
	bool saved = mqctl_list_get(asked, "SAVED") != NULL;
	if (asked->n == saved || (c->cmd->flags & MQCTL_ALL))
		return;
	mqctl_list_init(&kept);
	for (uint32_t i = 0; i < r->list.n && r->err == MQI_OK; i++) {
		const struct mqctl_pair *p = &r->list.pairs[i];
		if (i < n_head || mqctl_list_get(asked, p->keyword) != NULL)
			r->err = mqctl_list_add(&kept, p->keyword, p->value);
	}
	mqctl_list_fini(&r->list);
	r->list = kept;
}

static enum mqi_err
finish(struct ctl *c, enum mqi_err err, const char *why)
{
	if (err == MQI_OK && c->n_rows == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT, "%s(%s) not found%s",
		    mqctl_noun_name(c->cmd->noun), c->cmd->name, why);
	return err;
}

/* ---- queues ---- */

static enum mqi_err
show_queue(struct ctl *c, const struct engine_object *o)
{
	struct engine_queue_status st;
	struct ctl_row r;
	enum mqi_err err = engine_queue_status(c->engine, o->name, &st);
	if (err != MQI_OK)
		return err;
	ctl_row_begin(&r);
	ctl_row_text(&r, "QUEUE", o->name);
	ctl_row_text(&r, "TYPE", "QUEUE");
	ctl_row_uint(&r, "BYTES", st.bytes);
	ctl_row_uint(&r, "CURDEPTH", st.depth);
	ctl_row_text(&r, "DAMAGED", st.damaged ? "YES" : "NO");
	ctl_row_uint(&r, "IPPROCS", st.open_input);
	ctl_row_time(&r, "LGETDATE", "LGETTIME", st.last_get_ms);
	ctl_row_time(&r, "LPUTDATE", "LPUTTIME", st.last_put_ms);
	ctl_row_uint(&r, "MSGAGE", st.oldest_age_ms / 1000);
	ctl_row_uint(&r, "OPPROCS", st.open_output);
	ctl_row_uint(&r, "UNCOM", st.uncommitted);
	row_filter(c, &r, 2);
	return ctl_row_end(c, &r);
}

enum mqi_err
ctl_qstatus(struct ctl *c)
{
	enum mqi_err err = ctl_only_options(c, qstatus_keywords);
	const struct engine_object *o = NULL;
	while (err == MQI_OK &&
	       (o = engine_object_next(c->engine, MQATTR_QLOCAL, o)) != NULL)
		if (ctl_matches(c->cmd->name, o->name) &&
		    ctl_may_see(c, o->name))
			err = show_queue(c, o);
	return finish(c, err, ": only local queues have one");
}

/* ---- channels and listeners ---- */

static void
show_channel(void *arg, const struct agents_info *info)
{
	struct ctl_row r;
	struct walk *w = arg;
	if (w->err != MQI_OK || !ctl_matches(w->c->cmd->name, info->name) ||
	    !ctl_may_see(w->c, info->name))
		return;
	ctl_row_begin(&r);
	ctl_row_text(&r, "CHANNEL", info->name);
	ctl_row_text(&r, "CHLTYPE", info->chltype);
	ctl_row_uint(&r, "BATCHES", info->batches);
	ctl_row_uint(&r, "BATCHSZ", info->batch_size);
	ctl_row_uint(&r, "BUFSRCVD", info->received_buffers);
	ctl_row_uint(&r, "BUFSSENT", info->sent_buffers);
	ctl_row_uint(&r, "BYTES", info->bytes);
	ctl_row_uint(&r, "BYTSRCVD", info->received_bytes);
	ctl_row_uint(&r, "BYTSSENT", info->sent_bytes);
	ctl_row_time(&r, "CHSTADA", "CHSTATI", info->started_ms);
	ctl_row_text(
	    &r, "COMPMSG", info->compmsg[0] != '\0' ? info->compmsg : "NONE");
	ctl_row_uint(&r, "COMPRATE", info->comprate);
	ctl_row_text(&r, "CONNAME", info->conname);
	ctl_row_text(&r, "ERROR", info->error);
	ctl_row_uint(&r, "HBINT", info->heartbeat_s);
	ctl_row_uint(&r, "JOBNAME", (uint64_t)info->pid);
	ctl_row_uint(&r, "LONGRTS", info->long_retries_left);
	ctl_row_time(&r, "LSTMSGDA", "LSTMSGTI", info->last_msg_ms);
	ctl_row_uint(&r, "LSTSEQNO", info->last_number);
	ctl_row_uint(&r, "MSGS", info->msgs);
	ctl_row_uint(&r, "RETRYIN", (info->retry_in_ms + 999) / 1000);
	ctl_row_text(&r, "RPRODUCT", info->product);
	ctl_row_text(&r, "RQMNAME", info->partner_qmgr);
	ctl_row_uint(&r, "SHORTRTS", info->short_retries_left);
	ctl_row_text(&r, "SSLCERTI", info->issuer);
	ctl_row_text(&r, "SSLCIPH", info->cipher);
	ctl_row_text(&r, "SSLPEER", info->partner_name);
	ctl_row_text(&r, "STATUS", info->state);
	ctl_row_text(&r, "STOPREQ", info->stop_asked ? "YES" : "NO");
	ctl_row_text(&r, "XMITQ", info->xmitq);
	row_filter(w->c, &r, 2);
	w->err = ctl_row_end(w->c, &r);
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
	row_filter(c, &r, 2);
	return ctl_row_end(c, &r);
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
	row_filter(w->c, &r, 2);
	w->err = ctl_row_end(w->c, &r);
}

static enum mqi_err
saved_status(struct ctl *c)
{
	struct walk w = {c, ctl_only_options(c, saved_keywords)};
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
	return finish(c, w.err, ": nothing is saved");
}

enum mqi_err
ctl_chstatus(struct ctl *c)
{
	if (ctl_option(c, "SAVED") != NULL)
		return saved_status(c);
	struct walk w = {c, ctl_only_options(c, chstatus_keywords)};
	if (w.err == MQI_OK)
		agents_each_channel(qmgr_agents(c->qm), show_channel, &w);
	return finish(c, w.err, ": an inactive channel has none");
}

static void
show_listener(void *arg, const struct agents_info *info)
{
	struct ctl_row r;
	struct walk *w = arg;
	if (w->err != MQI_OK || !ctl_matches(w->c->cmd->name, info->name) ||
	    !ctl_may_see(w->c, info->name))
		return;
	ctl_row_begin(&r);
	ctl_row_text(&r, "LISTENER", info->name);
	ctl_row_text(&r, "ERROR", info->error);
	ctl_row_uint(&r, "PID", (uint64_t)info->pid);
	ctl_row_uint(&r, "PORT", info->port);
	ctl_row_time(&r, "STARTDA", "STARTTI", info->started_ms);
	ctl_row_text(&r, "STATUS", info->state);
	row_filter(w->c, &r, 1);
	w->err = ctl_row_end(w->c, &r);
}

enum mqi_err
ctl_lsstatus(struct ctl *c)
{
	struct walk w = {c, ctl_only_options(c, lsstatus_keywords)};
	if (w.err == MQI_OK)
		agents_each_listener(qmgr_agents(c->qm), show_listener, &w);
	return finish(c, w.err, "");
}

/* ---- the queue manager ---- */

enum mqi_err
ctl_qmstatus(struct ctl *c)
{
	struct scrub_status scrubbed;
	struct ctl_row r;
	enum mqi_err err = ctl_only_options(c, qmstatus_keywords);
	if (err != MQI_OK)
		return err;
	ctl_row_begin(&r);
	ctl_row_text(&r, "QMNAME", qmgr_name(c->qm));
	ctl_row_uint(&r, "CONNS", qmgr_sessions(c->qm));
	ctl_row_uint(&r, "CURRLOG", engine_batches_durable(c->engine));
	ctl_row_text(&r, "DATPATH", qmgr_dir(c->qm));
	ctl_row_uint(&r, "PID", (uint64_t)getpid());
	ctl_row_hex16(&r, "QMID", engine_qmid(c->engine));
	ctl_row_uint(&r, "RECLOG", engine_batches_applied(c->engine));
	qmgr_scrubbed(c->qm, &scrubbed);
	ctl_row_time(&r, "SCRUBDA", "SCRUBTI", scrubbed.ended_ms);
	ctl_row_uint(&r, "SCRUBFND", scrubbed.findings);
	ctl_row_time(&r, "STARTDA", "STARTTI", qmgr_started_ms(c->qm));
	ctl_row_text(
	    &r, "STATUS", qmgr_is_stopping(c->qm) ? "STOPPING" : "RUNNING");
	row_filter(c, &r, 1);
	return ctl_row_end(c, &r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_status.c - DISPLAY of what is going on: QSTATUS, LSSTATUS and QMSTATUS.
 *
 * Neighbours: ctl.c calls these; ctl_chstatus.c has channels; the engine knows
 * queues, agents.h listeners, qmgr.h the process.
 *
 * Invariants: a row begins with name and type; the rest is in order of
 * keyword; a keyword asked for must be one that the view has.
 *
 * Happy path: check the keywords asked for, walk, match, emit.  Failure:
 * UNKNOWN_OBJECT when nothing matched, ATTRIBUTE for a wrong keyword.
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

void
ctl_status_filter(const struct ctl *c, struct ctl_row *r, uint32_t n_head)
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

enum mqi_err
ctl_status_end(struct ctl *c, enum mqi_err err, const char *why)
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
	ctl_status_filter(c, &r, 2);
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
	return ctl_status_end(c, err, ": only local queues have one");
}

/* ---- listeners ---- */

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
	ctl_status_filter(w->c, &r, 1);
	w->err = ctl_row_end(w->c, &r);
}

enum mqi_err
ctl_lsstatus(struct ctl *c)
{
	struct walk w = {c, ctl_only_options(c, lsstatus_keywords)};
	if (w.err == MQI_OK)
		agents_each_listener(qmgr_agents(c->qm), show_listener, &w);
	return ctl_status_end(c, w.err, "");
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
	ctl_status_filter(c, &r, 1);
	return ctl_row_end(c, &r);
}

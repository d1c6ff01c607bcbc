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
#include "qmgr/ctl_where.h"
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

/* Of TPSTATUS: who shows it looks at it. */
static bool
names_object(const char *keyword)
{
	return strcasecmp(keyword, "TOPICSTR") == 0;
}

/* A value is a condition (WHERE), or names what the keyword must be. */
static bool
takes_value(const char *keyword)
{
	return names_object(keyword) || strcasecmp(keyword, "TYPE") == 0 ||
	       strcasecmp(keyword, "CONNAME") == 0 ||
	       strcasecmp(keyword, "XMITQ") == 0;
}

static bool
is_among(const char *const *keywords, const char *keyword)
{
	while (*keywords != NULL && strcasecmp(*keywords, keyword) != 0)
		keywords++;
	return *keywords != NULL;
}

enum mqi_err
ctl_status_wanted(struct ctl *c, const char *const *keywords)
{
	const char *noun = mqctl_noun_name(c->cmd->noun);

	for (uint32_t i = 0; i < c->cmd->attrs.n; i++) {
		const struct mqctl_pair *p = &c->cmd->attrs.pairs[i];
		const char *keyword = p->keyword;
		struct ctl_where w;

		if (strcasecmp(keyword, "WHERE") == 0) {
			enum mqi_err err = ctl_where_parse(c, p->value, &w);

			if (err != MQI_OK)
				return err;
			keyword = w.keyword;
		} else if (p->value[0] != '\0' && !takes_value(keyword)) {
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s takes no value in DISPLAY: use WHERE", keyword);
		}
		if (!is_among(keywords, keyword))
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s is not a parameter of DISPLAY %s", keyword,
			    noun);
	}
	return MQI_OK;
}

/* Whether the row is as every condition says. */
static bool
row_fits(struct ctl *c, const struct ctl_row *r)
{
	for (uint32_t i = 0; i < c->cmd->attrs.n; i++) {
		const struct mqctl_pair *p = &c->cmd->attrs.pairs[i];
		struct ctl_where w = {.op = CTL_WHERE_EQ, .value = p->value};
		const char *value;

		if (p->value[0] == '\0' || names_object(p->keyword))
			continue;
		(void)snprintf(w.keyword, sizeof(w.keyword), "%s", p->keyword);
		if (strcasecmp(p->keyword, "WHERE") == 0 &&
		    ctl_where_parse(c, p->value, &w) != MQI_OK)
			return false;
		value = mqctl_list_get(&r->list, w.keyword);
		if (value == NULL || !ctl_where_fits(&w, value))
			return false;
	}
	return true;
}

/* Drops what was not asked for, but never the first n_head pairs. */
static void
row_narrow(const struct ctl *c, struct ctl_row *r, uint32_t n_head)
{
	const struct mqctl_list *asked = &c->cmd->attrs;
	struct mqctl_list kept;
	uint32_t n = 0;

	for (uint32_t i = 0; i < asked->n; i++) {
		const struct mqctl_pair *p = &asked->pairs[i];

		n +=
		    p->value[0] == '\0' && strcasecmp(p->keyword, "SAVED") != 0;
	}
	if (n == 0 || (c->cmd->flags & MQCTL_ALL))
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
ctl_status_row(struct ctl *c, struct ctl_row *r, uint32_t n_head)
{
	if (r->err == MQI_OK && !row_fits(c, r)) {
		mqctl_list_fini(&r->list);
		return MQI_OK;
	}
	row_narrow(c, r, n_head);
	return ctl_row_end(c, r);
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
	return ctl_status_row(c, &r, 2);
}

enum mqi_err
ctl_qstatus(struct ctl *c)
{
	enum mqi_err err = ctl_status_wanted(c, qstatus_keywords);
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
	w->err = ctl_status_row(w->c, &r, 1);
}

enum mqi_err
ctl_lsstatus(struct ctl *c)
{
	struct walk w = {c, ctl_status_wanted(c, lsstatus_keywords)};
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
	enum mqi_err err = ctl_status_wanted(c, qmstatus_keywords);
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
	return ctl_status_row(c, &r, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_pubsub.c - DISPLAY of what goes on with publications: SBSTATUS, TPSTATUS
 * and PUBSUB.
 *
 * Neighbours: ctl.c calls these; the engine knows subscriptions and topics.
 *
 * Invariants: a row begins with what it is about; the rest is in order of
 * keyword; a keyword asked for must be one that the view has.
 *
 * Happy path: check the keywords asked for, walk, emit.  Failure:
 * UNKNOWN_OBJECT when nothing matched, TOPIC_STRING_ERROR, ATTRIBUTE.
 */
#include <string.h>

#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

static const char *const sbstatus_keywords[] = {"SUB", "ACTIVE", "LMSGDATE",
    "LMSGTIME", "NUMMSGS", "RESMDATE", "RESMTIME", "SUBTYPE", "SUBUSER",
    "TOPICSTR", "ALL", NULL};
static const char *const tpstatus_keywords[] = {"TOPICSTR", "ADMIN", "DEFPRTY",
    "DEFPSIST", "DURSUB", "MDURMDL", "MNDURMDL", "NPMSGDLV", "PMSGDLV", "PUB",
    "PUBCOUNT", "RETAINED", "SUB", "SUBCOUNT", "USEDLQ", "ALL", NULL};
static const char *const pubsub_keywords[] = {"QMNAME", "PUBCOUNT", "RETAINED",
    "STATUS", "SUBCOUNT", "TPCOUNT", "ALL", NULL};

static const char *
yes_no(bool v)
{
	return v ? "YES" : "NO";
}

/* ---- subscriptions ---- */

static enum mqi_err
show_sub(struct ctl *c, const struct engine_object *o)
{
	struct engine_sub_status st;
	struct ctl_row r;
	engine_sub_status(c->engine, o, &st);
	ctl_row_begin(&r);
	ctl_row_text(&r, "SUB", o->name);
	ctl_row_text(&r, "ACTIVE", yes_no(st.active));
	ctl_row_time(&r, "LMSGDATE", "LMSGTIME", st.last_msg_ms);
	ctl_row_uint(&r, "NUMMSGS", st.n_msgs);
	ctl_row_time(&r, "RESMDATE", "RESMTIME", st.resumed_ms);
	ctl_row_text(&r, "SUBTYPE", mqattr_text(o->attrs, MQATTR_ID_SUBTYPE));
	ctl_row_text(&r, "SUBUSER", mqattr_text(o->attrs, MQATTR_ID_SUBUSER));
	ctl_row_text(&r, "TOPICSTR", mqattr_text(o->attrs, MQATTR_ID_TOPICSTR));
	return ctl_status_row(c, &r, 1);
}

enum mqi_err
ctl_sbstatus(struct ctl *c)
{
	enum mqi_err err = ctl_status_wanted(c, sbstatus_keywords);
	const struct engine_object *o = NULL;
	while (err == MQI_OK &&
	       (o = engine_object_next(c->engine, MQATTR_SUB, o)) != NULL)
		if (ctl_matches(c->cmd->name, o->name))
			err = show_sub(c, o);
	return ctl_status_end(c, err, ": only durable subscriptions have one");
}

/* ---- topics ---- */

struct topics {
	struct ctl *c;
	enum mqi_err err;
};

static void
show_topic(void *arg, const struct engine_topic_status *st)
{
	static const char *const guarantees[] = {"ALL", "ALLDUR", "ALLAVAIL"};
	struct topics *t = arg;
	struct ctl_row r;
	if (t->err != MQI_OK)
		return;
	ctl_row_begin(&r);
	ctl_row_text(&r, "TOPICSTR", st->topic);
	ctl_row_text(&r, "ADMIN", st->admin);
	ctl_row_uint(&r, "DEFPRTY", (uint64_t)st->priority);
	ctl_row_text(&r, "DEFPSIST", yes_no(st->persistent));
	ctl_row_text(&r, "DURSUB", yes_no(st->durable));
	ctl_row_text(&r, "MDURMDL", st->durable_model);
	ctl_row_text(&r, "MNDURMDL", st->ndurable_model);
	ctl_row_text(&r, "NPMSGDLV", guarantees[st->npmsg]);
	ctl_row_text(&r, "PMSGDLV", guarantees[st->pmsg]);
	ctl_row_text(&r, "PUB", st->pub ? "ENABLED" : "DISABLED");
	ctl_row_uint(&r, "PUBCOUNT", st->n_publishers);
	ctl_row_text(&r, "RETAINED", yes_no(st->retained));
	ctl_row_text(&r, "SUB", st->sub ? "ENABLED" : "DISABLED");
	ctl_row_uint(&r, "SUBCOUNT", st->n_subs);
	ctl_row_text(&r, "USEDLQ", yes_no(st->use_dlq));
	t->err = ctl_status_row(t->c, &r, 1);
}

enum mqi_err
ctl_tpstatus(struct ctl *c)
{
	const char *topic = ctl_option(c, "TOPICSTR");
	struct topics t = {.c = c};
	enum mqi_err err = ctl_status_wanted(c, tpstatus_keywords);
	if (err == MQI_OK)
		err = engine_topics(c->engine, topic, show_topic, &t);
	if (err == MQI_E_TOPIC_STRING_ERROR)
		return ctl_fail(
		    c, err, "TPSTATUS needs a topic string or a pattern");
	if (err == MQI_OK)
		err = t.err;
	if (err == MQI_OK && c->n_rows == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT,
		    "no topic that is known fits %.200s", topic);
	return err;
}

/* ---- all of it ---- */

enum mqi_err
ctl_pubsub(struct ctl *c)
{
	struct engine_pubsub_status st;
	enum mqi_err err = ctl_status_wanted(c, pubsub_keywords);
	struct ctl_row r;
	if (err != MQI_OK)
		return err;
	engine_pubsub_status(c->engine, &st);
	ctl_row_begin(&r);
	ctl_row_text(&r, "QMNAME", qmgr_name(c->qm));
	ctl_row_uint(&r, "PUBCOUNT", st.n_publications);
	ctl_row_uint(&r, "RETAINED", st.n_retained);
	ctl_row_text(&r, "STATUS", "ACTIVE");
	ctl_row_uint(&r, "SUBCOUNT", st.n_subs);
	ctl_row_uint(&r, "TPCOUNT", st.n_topics);
	return ctl_status_row(c, &r, 1);
}

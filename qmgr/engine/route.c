/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - name resolution, in IBM MQ's order.
 *
 * Given the queue manager's name and the object's name that a program opened:
 *
 *  1. The queue manager's name.  Blank or our own: local.  A remote definition
 *     of that name with RNAME blank is a queue-manager alias: its RQMNAME
 *     replaces the name (and its XMITQ, if any, is taken); that is done once,
 *     and if the result is our own name, resolution goes on locally.  A local
 *     transmission queue of that name leads there; else the default
 *     transmission queue; else 2087.
 *  2. The object's name, if local.  A local queue; an alias (one hop, to a
 *     local queue or a remote definition); a remote definition, which leads to
 *     RNAME at RQMNAME.
 *  3. The transmission queue of a remote name: the one named, else the local
 *     queue called like the remote queue manager, else the default one.
 *
 * Output may end at a transmission queue; input, browse and inquire need a
 * local queue.  Nothing is changed and nothing is allocated here.
 */
#include "qmgr/engine/route.h"

#include <string.h>

#include "base/name.h"

#define LOCAL_ONLY                                     \
	(MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED | \
	    MQI_OO_INPUT_EXCLUSIVE | MQI_OO_BROWSE | MQI_OO_INQUIRE)

struct resolver {
	const struct object_table *t;
	const char *own;
	uint32_t options;
	struct route out;
};

static void
set_name(char dst[MQI_NAME_LEN + 1], const char *src)
{
	MQ_PRE(strlen(src) <= MQI_NAME_LEN);
	strcpy(dst, src);
}

static bool
is_xmitq(const struct engine_object *q)
{
	return q->type == MQATTR_QLOCAL &&
	       mqattr_is(q->attrs, MQATTR_ID_USAGE, "XMITQ");
}

/* The reasons for a transmission queue that is missing, not local, or not one:
 * they differ for a named one and for the default one. */
struct xmitq_errs {
	enum mqi_err unknown, type, usage;
};

static const struct xmitq_errs errs_named = {
    MQI_E_UNKNOWN_XMIT_Q, MQI_E_XMIT_Q_TYPE, MQI_E_XMIT_Q_USAGE};
static const struct xmitq_errs errs_default = {
    MQI_E_UNKNOWN_DEF_XMIT_Q, MQI_E_DEF_XMIT_Q_TYPE, MQI_E_DEF_XMIT_Q_USAGE};

static enum mqi_err
take_xmitq(struct resolver *r, const char *name, const struct xmitq_errs *errs)
{
	const struct engine_object *q = object_find_queue(r->t, name);

	if (q == NULL)
		return errs->unknown;
	if (q->type != MQATTR_QLOCAL)
		return errs->type;
	if (!is_xmitq(q))
		return errs->usage;
	r->out.queue = q;
	return MQI_OK;
}

/* Step 3: the message goes to queue at qmgr; named is the XMITQ attribute of
 * the definition that led here, or "". */
static enum mqi_err
to_remote(
    struct resolver *r, const char *queue, const char *qmgr, const char *named)
{
	const struct engine_object *qm_obj, *same;
	const char *def;

	if ((r->options & LOCAL_ONLY) != 0)
		return MQI_E_OPTION_NOT_VALID_FOR_TYPE;
	r->out.is_remote = true;
	set_name(r->out.to.queue, queue);
	set_name(r->out.to.qmgr, qmgr);
	r->out.to.hops = 0;
	set_name(r->out.resolved_name, queue);
	set_name(r->out.resolved_qmgr, qmgr);
	if (named[0] != '\0')
		return take_xmitq(r, named, &errs_named);
	same = object_find_queue(r->t, qmgr);
	if (same != NULL && is_xmitq(same)) {
		r->out.queue = same;
		return MQI_OK;
	}
	qm_obj = object_find(r->t, MQATTR_QMGR, r->own);
	def = qm_obj == NULL ? ""
			     : mqattr_text(qm_obj->attrs, MQATTR_ID_DEFXMITQ);
	if (def[0] == '\0')
		return MQI_E_UNKNOWN_REMOTE_Q_MGR;
	return take_xmitq(r, def, &errs_default);
}

static enum mqi_err
to_local(struct resolver *r, const struct engine_object *q)
{
	r->out.queue = q;
	set_name(r->out.resolved_name, q->name);
	set_name(r->out.resolved_qmgr, r->own);
	return MQI_OK;
}

/* A queue-manager alias: a remote definition of that name, RNAME blank. */
static enum mqi_err
qmgr_alias(
    struct resolver *r, const char *qmgr, const struct engine_object **ret)
{
	const struct engine_object *def =
	    object_find(r->t, MQATTR_QREMOTE, qmgr);

	*ret = NULL;
	if (def == NULL)
		return MQI_OK;
	if (mqattr_text(def->attrs, MQATTR_ID_RNAME)[0] != '\0')
		return MQI_E_REMOTE_Q_NAME;
	*ret = def;
	return MQI_OK;
}

static bool
is_own(const struct resolver *r, const char *qmgr)
{
	return qmgr[0] == '\0' || strcmp(qmgr, r->own) == 0;
}

/* A local definition of a queue elsewhere.  One that points back at this queue
 * manager must name a local queue, so that no chain can go round. */
static enum mqi_err
remote_definition(struct resolver *r, const struct engine_object *def)
{
	const char *rname = mqattr_text(def->attrs, MQATTR_ID_RNAME);
	const char *rqm = mqattr_text(def->attrs, MQATTR_ID_RQMNAME);
	const char *named = mqattr_text(def->attrs, MQATTR_ID_XMITQ);
	const struct engine_object *q;

	if (rname[0] == '\0')
		return MQI_E_UNKNOWN_OBJECT;
	if (!is_own(r, rqm) || named[0] != '\0')
		return to_remote(r, rname, rqm, named);
	q = object_find(r->t, MQATTR_QLOCAL, rname);
	if (q == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	return to_local(r, q);
}

static enum mqi_err
alias(struct resolver *r, const struct engine_object *def)
{
	const char *target = mqattr_text(def->attrs, MQATTR_ID_TARGET);
	const struct engine_object *q = object_find_queue(r->t, target);

	if (q == NULL)
		return MQI_E_UNKNOWN_ALIAS_TARGET;
	switch (q->type) {
	case MQATTR_QLOCAL:
		return to_local(r, q);
	case MQATTR_QREMOTE:
		return remote_definition(r, q);
	default:
		return MQI_E_ALIAS_TARGET;
	}
}

/* Step 2. */
static enum mqi_err
local_name(struct resolver *r, const char *object)
{
	const struct engine_object *q = object_find_queue(r->t, object);

	if (q == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	r->out.opened = q;
	r->out.judged = q;
	switch (q->type) {
	case MQATTR_QLOCAL:
		return to_local(r, q);
	case MQATTR_QALIAS:
		return alias(r, q);
	case MQATTR_QREMOTE:
		return remote_definition(r, q);
	default:
		/* a model queue: only an open by its name makes something */
		return MQI_E_UNKNOWN_OBJECT;
	}
}

enum mqi_err
route_resolve(const struct object_table *t, const char *own, const char *object,
    const char *qmgr, uint32_t options, struct route *ret)
{
	struct resolver r = {.t = t, .own = own, .options = options};
	const struct engine_object *qm_alias;
	const char *named = "";
	enum mqi_err err;

	if (!mqname_is_valid(object, MQI_NAME_LEN))
		return MQI_E_OBJECT_NAME;
	if (qmgr[0] != '\0' && !mqname_is_valid(qmgr, MQI_NAME_LEN))
		return MQI_E_OBJECT_Q_MGR_NAME;
	if (!is_own(&r, qmgr)) {
		err = qmgr_alias(&r, qmgr, &qm_alias);
		if (err != MQI_OK)
			return err;
		if (qm_alias != NULL) {
			const char *rqm =
			    mqattr_text(qm_alias->attrs, MQATTR_ID_RQMNAME);
			named = mqattr_text(qm_alias->attrs, MQATTR_ID_XMITQ);
			r.out.opened = qm_alias;
			qmgr = rqm;
		}
	}
	if (is_own(&r, qmgr) && named[0] == '\0')
		err = local_name(&r, object);
	else
		err = to_remote(&r, object, qmgr, named);
	if (err != MQI_OK)
		return err;
	if (r.out.opened == NULL)
		r.out.opened = r.out.queue;
	if (r.out.judged == NULL)
		r.out.judged = r.out.queue;
	MQ_POST(r.out.queue != NULL && r.out.queue->type == MQATTR_QLOCAL);
	*ret = r.out;
	return MQI_OK;
}

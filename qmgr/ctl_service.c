/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_service.c - START and STOP SERVICE, DISPLAY SVSTATUS.
 *
 * Neighbours: ctl.c calls these; services.h runs the programs.  Who may define
 * a service has programs run as the queue manager's owner: the table in ctl.c
 * asks for CHG on the queue manager.
 *
 * Failure: STATE, UNKNOWN_OBJECT, ATTRIBUTE, RESOURCE_PROBLEM, each with a
 * sentence.
 */
#include <stdio.h>
#include <string.h>

#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"
#include "qmgr/services.h"

static const char *const svstatus_keywords[] = {
    "SERVICE", "ERROR", "PID", "STARTDA", "STARTTI", "STATUS", "ALL", NULL};

static enum mqi_err
result(struct ctl *c, enum mqi_err err, const char *state, const char *command)
{
	const char *name = c->cmd->name;

	switch (err) {
	case MQI_E_STATE:
		if (c->cmd->flags & MQCTL_IGNSTATE)
			return MQI_OK;
		return ctl_fail(c, err, "SERVICE(%s) %s", name, state);
	case MQI_E_UNKNOWN_OBJECT:
		return ctl_fail(c, err, "SERVICE(%s) not found", name);
	case MQI_E_ATTRIBUTE:
		return ctl_fail(c, err,
		    "SERVICE(%s) has no %sCMD, or its %sARG cannot be read",
		    name, command, command);
	case MQI_E_RESOURCE_PROBLEM:
		return ctl_fail(
		    c, err, "too many processes of services run: try again");
	case MQI_E_Q_MGR_STOPPING:
		return ctl_fail(c, err, "the queue manager is stopping");
	default:
		return err;
	}
}

static enum mqi_err
no_options(struct ctl *c)
{
	static const char *const none[] = {NULL};

	return ctl_only_options(c, none);
}

enum mqi_err
ctl_start_service(struct ctl *c)
{
	enum mqi_err err = no_options(c);

	if (err != MQI_OK)
		return err;
	return result(c, services_start(qmgr_services(c->qm), c->cmd->name),
	    "runs already", "START");
}

enum mqi_err
ctl_stop_service(struct ctl *c)
{
	enum mqi_err err = no_options(c);

	if (err != MQI_OK)
		return err;
	return result(c, services_stop(qmgr_services(c->qm), c->cmd->name),
	    "does not run", "STOP");
}

/* A walk, with the first failure kept. */
struct walk {
	struct ctl *c;
	enum mqi_err err;
};

static void
show(void *arg, const struct services_info *info)
{
	struct walk *w = arg;
	struct ctl_row r;

	if (w->err != MQI_OK || !ctl_matches(w->c->cmd->name, info->name) ||
	    !ctl_may_see(w->c, info->name))
		return;
	ctl_row_begin(&r);
	ctl_row_text(&r, "SERVICE", info->name);
	ctl_row_text(&r, "ERROR", info->error);
	ctl_row_uint(&r, "PID", (uint64_t)info->pid);
	ctl_row_time(&r, "STARTDA", "STARTTI", info->started_ms);
	ctl_row_text(&r, "STATUS", info->state);
	w->err = ctl_status_row(w->c, &r, 1);
}

enum mqi_err
ctl_svstatus(struct ctl *c)
{
	struct walk w = {c, ctl_status_wanted(c, svstatus_keywords)};

	if (w.err == MQI_OK)
		services_each(qmgr_services(c->qm), show, &w);
	if (w.err == MQI_OK && c->n_rows == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT,
		    "SVSTATUS(%s) not found: only a SERVER has one",
		    c->cmd->name);
	return w.err;
}

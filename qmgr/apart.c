/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apart.c - agents as our children, or started for us elsewhere (apart.h).
 *
 * Neighbours: agents.c and pings.c start them here; process.c is what they are
 * to those; mca/run_serve.c is at the other end; request_ctl.c brings what it
 * tells, session.c its end.
 *
 * Invariants.  With agents apart nothing is forked.  At most one session
 * serves; each process on the list runs in its hands.  Which process a session
 * belongs to is the kernel's word (SO_PEERCRED) about id and user, and an agent
 * does nothing before its id is known here.
 *
 * Happy path: start, started, go, ended.
 *
 * Failure: nobody serves: the start fails, with a sentence that says what to
 * do, and is tried again as any other; at once when somebody comes.  Who
 * serves goes: all that it ran counts as ended, and their sessions are closed,
 * so that none holds what the next one needs.  Who serves and does nothing, for
 * 10 s after a start or 5 s after SIGKILL, is sent away, so that another one
 * may come.
 */
#include "qmgr/apart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr/qmgr_impl.h"

#define NOBODY_SERVES                                                          \
	"agents are run apart (qm.ini, Agents: Apart=1), and no mca serve is " \
	"connected: it is to be started"

TAILQ_HEAD(process_list, process);

struct apart {
	struct qmgr *qm;
	bool on;
	struct session *session; /* that serves; NULL: none */
	struct process_list all;
	uint32_t last_id;
};

struct apart *
apart_new(struct qmgr *qm, bool on)
{
	struct apart *a = mqmem_alloc(sizeof(*a));

	a->qm = qm;
	a->on = on;
	TAILQ_INIT(&a->all);
	return a;
}

struct apart *
apart_free(struct apart *a)
{
	if (a == NULL)
		return NULL;
	MQ_PRE(TAILQ_EMPTY(&a->all) && a->session == NULL);
	free(a);
	return NULL;
}

bool
apart_is_on(const struct apart *a)
{
	return a->on;
}

bool
apart_is_user(const struct apart *a, unsigned uid)
{
	return a->session != NULL && a->session->peer.uid == uid;
}

/* ---- orders ---- */

struct pair {
	const char *keyword;
	const char *value;
};

static void
order(struct apart *a, const char *what, const struct process *p,
    const struct pair *pairs, size_t n)
{
	struct mqctl_list list;
	enum mqi_err err;
	char id[16];

	(void)snprintf(id, sizeof(id), "%u", p->id);
	mqctl_list_init(&list);
	err = mqctl_list_add(&list, "order", what);
	if (err == MQI_OK)
		err = mqctl_list_add(&list, "id", id);
	for (size_t i = 0; i < n && err == MQI_OK; i++)
		err = mqctl_list_add(&list, pairs[i].keyword, pairs[i].value);
	MQ_INVARIANT(err == MQI_OK); /* a few short words */
	session_order_list(a->session, &list);
	mqctl_list_fini(&list);
}

static void
on_kill(struct process *p, int signum)
{
	struct apart *a = p->where;
	char text[16];

	turn_begin(a->qm);
	if (signum == 0) {
		session_refuse(a->session, MQI_E_STATE,
		    "mca serve does not do what it is told");
		return;
	}
	(void)snprintf(text, sizeof(text), "%d", signum);
	order(a, "signal", p, &(struct pair){"signal", text}, 1);
}

static enum mqi_err
start_elsewhere(struct apart *a, struct process *p, const char *verb,
    const char *name, const char **ret_why)
{
	const struct pair what[] = {{"mode", verb}, {"name", name}};

	process_start_elsewhere(p, on_kill);
	p->where = a;
	if (a->session == NULL) {
		*ret_why = NOBODY_SERVES;
		process_end_elsewhere(p, 127, 0);
		return MQI_E_CHANNEL_NOT_AVAILABLE;
	}
	p->id = ++a->last_id;
	TAILQ_INSERT_TAIL(&a->all, p, link);
	order(a, "start", p, what, MQ_ARRAY_LEN(what));
	return MQI_OK;
}

enum mqi_err
apart_start(struct apart *a, const char *mca, struct process *p,
    const char *verb, const char *name, const char **ret_why)
{
	const struct qmgr *qm = a->qm;
	const char *argv[] = {mca, verb, "--qmgr", qm->name, "--root",
	    qm->dir.root,
	    strcmp(verb, "listener") == 0 ? "--listener" : "--channel", name,
	    "--log", qm->log_json ? "json" : "text", NULL};

	if (a->on)
		return start_elsewhere(a, p, verb, name, ret_why);
	return process_start(p, (char *const *)(uintptr_t)argv, ret_why);
}

/* ---- what it tells ---- */

static long long
number(const struct mqctl_list *l, const char *key)
{
	const char *text = mqctl_list_get(l, key);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

/* NULL: we have never ordered it, or it has ended. */
static struct process *
find(const struct apart *a, const char *id_text)
{
	unsigned long id = strtoul(id_text, NULL, 10);
	struct process *p;

	TAILQ_FOREACH (p, &a->all, link)
		if (p->id == id)
			return p;
	return NULL;
}

static void
take_started(struct apart *a, struct process *p, const struct mqctl_list *l)
{
	long long pid = number(l, "pid");

	if (process_pid(p) != 0 || pid <= 0 || pid > INT32_MAX)
		return;
	process_is(p, (int)pid, a->session->peer.uid);
	order(a, "go", p, NULL, 0);
}

static void
take_ended(struct apart *a, struct process *p, const struct mqctl_list *l)
{
	const char *line = mqctl_list_get(l, "line");
	long long status = number(l, "status"), sig = number(l, "signal");

	TAILQ_REMOVE(&a->all, p, link);
	if (p->line != NULL)
		(void)snprintf(
		    p->line, p->line_len, "%s", line != NULL ? line : "");
	process_end_elsewhere(p, status >= 0 && status <= 255 ? status : 255,
	    sig >= 0 && sig <= 64 ? (int)sig : 0);
}

static void
take_serve(struct apart *a, struct session *s)
{
	if (!a->on) {
		session_refuse(s, MQI_E_STATE,
		    "agents are not run apart: qm.ini has no Agents: Apart=1");
		return;
	}
	if (!s->is_agents_own) {
		session_refuse(s, MQI_E_NOT_AUTHORIZED,
		    "who acts for others runs no agents");
		return;
	}
	if (a->session != NULL) {
		session_refuse(
		    s, MQI_E_STATE, "another mca serve is connected already");
		return;
	}
	s->serves = true;
	a->session = s;
	mqlog(MQLOG_INFO, "apart.begin",
	    "process %d of user %u starts the agents", (int)s->peer.pid,
	    (unsigned)s->peer.uid);
	agents_try_again(a->qm->agents);
}

bool
apart_status(
    struct apart *a, struct session *s, const struct mqctl_list *status)
{
	const char *started = mqctl_list_get(status, "started");
	const char *ended = mqctl_list_get(status, "ended");
	const char *id = started != NULL ? started : ended;
	struct process *p;

	if (mqctl_list_get(status, "serve") != NULL) {
		if (!s->serves)
			take_serve(a, s);
		return true;
	}
	if (id == NULL)
		return false;
	/* nobody else has a say */
	p = s->serves ? find(a, id) : NULL;
	if (p == NULL)
		return true;
	if (started != NULL)
		take_started(a, p, status);
	else
		take_ended(a, p, status);
	return true;
}

void
apart_gone(struct apart *a, const struct session *s)
{
	struct process *p;

	MQ_PRE(a->session == s);
	a->session = NULL;
	if (a->qm->state.current == QMGR_RUNNING)
		mqlog(MQLOG_WARN, "apart.gone",
		    "process %d of user %u, which ran the agents, is gone",
		    (int)s->peer.pid, (unsigned)s->peer.uid);
	while ((p = TAILQ_FIRST(&a->all)) != NULL) {
		TAILQ_REMOVE(&a->all, p, link);
		process_end_elsewhere(p, PROCESS_LOST, 0);
	}
}

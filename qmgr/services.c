/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services.c - SERVICE objects (services.h).
 *
 * Neighbours: ctl_service.c starts, stops and shows them; process.c runs them;
 * service_command.c makes their arguments and opens their files; the engine
 * has the definitions.
 * Invariants: a service is an entry here once it was started; a SERVER's entry
 * has at most one run; each process is a run, and at most RUNS_MAX are alive.
 * Happy path: CONTROL(QMGR) starts it, the queue manager's end stops it.
 * Failure: a SERVER that ends otherwise than by status 0 is started again
 * after a second, five times, and then every 30 seconds, until it is stopped
 * or has run for a minute;
 * the log says of every end how it was.  If the queue manager is killed, its
 * services run on, and the next start knows nothing of them.
 */
#include "qmgr/services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr/process.h"
#include "qmgr/qmgr_impl.h"
#include "qmgr/service_command.h"

#define RUNS_MAX 256u
#define FAST_RETRIES 5u
#define FAST_RETRY_MS 1000u
#define SLOW_RETRY_MS 30000u
#define LONG_RUN_MS 60000u /* it did well before */

enum service_state { STOPPED, RUNNING, STOPPING, RETRYING };

static const char *const state_names[] = {
    "STOPPED", "RUNNING", "STOPPING", "RETRYING"};

struct run;

struct service {
	TAILQ_ENTRY(service) link; /* in order of name */
	struct services *owner;
	char name[MQI_NAME_LEN + 1];
	enum service_state state;
	struct run *run; /* a SERVER's */
	unsigned failures;
	uv_timer_t retry;
	uint64_t started_ms;
	char error[256];
};

/* A process. */
struct run {
	TAILQ_ENTRY(run) link;
	struct services *owner;
	struct service *service; /* of a SERVER, until it is forgotten */
	bool is_stop;            /* a STOPCMD */
	bool left;               /* it runs on without us */
	char name[MQI_NAME_LEN + 1];
	struct process process;
};

struct services {
	struct qmgr *qm;
	char *install;
	bool stopping;
	unsigned n_runs;
	TAILQ_HEAD(, service) services;
	TAILQ_HEAD(, run) runs;
};

static void on_ended(void *arg, int64_t status, int sig);
static void on_retry(uv_timer_t *t);

struct services *
services_new(struct qmgr *qm, const char *install)
{
	struct services *s = mqmem_alloc(sizeof(*s));

	s->qm = qm;
	s->install = mqmem_strdup(install);
	TAILQ_INIT(&s->services);
	TAILQ_INIT(&s->runs);
	return s;
}

static struct service *
service_find(const struct services *s, const char *name)
{
	struct service *v;

	TAILQ_FOREACH (v, &s->services, link)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static struct service *
service_get(struct services *s, const char *name)
{
	struct service *v = service_find(s, name);

	if (v != NULL)
		return v;
	v = mqmem_alloc(sizeof(*v));
	v->owner = s;
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	uv_timer_init(&s->qm->loop, &v->retry);
	v->retry.data = v;
	TAILQ_INSERT_TAIL(&s->services, v, link);
	return v;
}

static void
on_service_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
service_free(struct service *v)
{
	MQ_PRE(v->run == NULL);
	TAILQ_REMOVE(&v->owner->services, v, link);
	uv_close((uv_handle_t *)&v->retry, on_service_closed);
}

struct services *
services_free(struct services *s)
{
	struct service *v;

	if (s == NULL)
		return NULL;
	MQ_PRE(TAILQ_EMPTY(&s->runs));
	while ((v = TAILQ_FIRST(&s->services)) != NULL)
		service_free(v);
	free(s->install);
	free(s);
	return NULL;
}

static const struct engine_object *
definition(const struct services *s, const char *name)
{
	return engine_object_find(s->qm->engine, MQATTR_SERVICE, name);
}

static bool
is_server(const struct engine_object *o)
{
	return mqattr_is(o->attrs, MQATTR_ID_SERVTYPE, "SERVER");
}

/* ---- processes ---- */

static void
run_log(const struct run *r, enum mqlog_level level, const char *event,
    const char *text)
{
	struct mqlog_line l;

	mqlog_begin(&l, level, event);
	mqlog_str(&l, "service", r->name);
	if (process_pid(&r->process) != 0)
		mqlog_int(&l, "pid", process_pid(&r->process));
	if (text != NULL)
		mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

static void
on_run_closed(uv_handle_t *h)
{
	struct process *p = h->data;

	free(MQ_CONTAINER_OF(p, struct run, process));
}

/* Starts STARTCMD or STOPCMD.  Errors: ATTRIBUTE (there is none),
 * RESOURCE_PROBLEM; a program that cannot be run has ended at once. */
static enum mqi_err
run_start(struct services *s, const struct engine_object *o, bool is_stop,
    struct service *service)
{
	struct service_inserts inserts = {.qmgr = s->qm->name,
	    .service = o->name,
	    .install = s->install,
	    .root = s->qm->dir.root,
	    .dir = s->qm->dir.path};
	struct service_command c;
	struct run *r;
	const char *why;
	enum mqi_err err;

	if (s->n_runs >= RUNS_MAX)
		return MQI_E_RESOURCE_PROBLEM;
	if (is_stop && service != NULL)
		inserts.server_pid = process_pid(&service->run->process);
	err = service_command_make(o->attrs, is_stop, &inserts, &c);
	if (err != MQI_OK)
		return err;
	r = mqmem_alloc(sizeof(*r));
	r->owner = s;
	r->is_stop = is_stop;
	(void)snprintf(r->name, sizeof(r->name), "%s", o->name);
	process_init(&r->process, &s->qm->loop, on_ended, r);
	r->process.detached = true;
	r->process.fds[0] = c.out_fd;
	r->process.fds[1] = c.err_fd;
	TAILQ_INSERT_TAIL(&s->runs, r, link);
	s->n_runs++;
	if (!is_stop && service != NULL) {
		r->service = service;
		service->run = r;
	}
	if (c.why[0] != '\0')
		run_log(r, MQLOG_WARN, "service.output", c.why);
	if (process_start(&r->process, c.args.argv, &why) == MQI_OK)
		run_log(r, MQLOG_INFO,
		    is_stop ? "service.stop_command" : "service.started", NULL);
	else
		run_log(r, MQLOG_ERROR, "service.start_failed", why);
	if (is_stop) /* it may not keep the queue manager from ending */
		process_end(&r->process, PROCESS_ORDERED);
	service_command_fini(&c);
	return MQI_OK;
}

/* A SERVER's process is gone. */
static void
server_ended(struct service *v, bool failed)
{
	bool again = failed && v->state == RUNNING && !v->owner->stopping;
	uint64_t now_ms = mqclock_wall_us() / 1000;

	if (v->started_ms != 0 && now_ms > v->started_ms + LONG_RUN_MS)
		v->failures = 0;
	v->run = NULL;
	v->started_ms = 0;
	v->state = again ? RETRYING : STOPPED;
	if (!again)
		return;
	v->failures++;
	uv_timer_start(&v->retry, on_retry,
	    v->failures <= FAST_RETRIES ? FAST_RETRY_MS : SLOW_RETRY_MS, 0);
}

static void
on_ended(void *arg, int64_t status, int sig)
{
	struct run *r = arg;
	struct services *s = r->owner;
	bool failed = status != 0 || sig != 0;
	char text[128];

	turn_begin(s->qm);
	if (sig != 0)
		(void)snprintf(text, sizeof(text),
		    "its process was ended by signal %d", sig);
	else
		(void)snprintf(text, sizeof(text),
		    "its process ended with status %d", (int)status);
	if (!r->left)
		run_log(
		    r, failed ? MQLOG_WARN : MQLOG_INFO, "service.ended", text);
	if (r->service != NULL) {
		(void)snprintf(r->service->error, sizeof(r->service->error),
		    "%s", failed ? text : "");
		server_ended(r->service, failed);
	}
	TAILQ_REMOVE(&s->runs, r, link);
	s->n_runs--;
	process_close(&r->process, on_run_closed);
}

/* ---- servers ---- */

static enum mqi_err
server_start(struct service *v, const struct engine_object *o)
{
	enum mqi_err err = run_start(v->owner, o, false, v);

	if (err != MQI_OK)
		return err;
	v->state = RUNNING;
	v->started_ms = mqclock_wall_us() / 1000;
	return MQI_OK;
}

static void
on_retry(uv_timer_t *t)
{
	struct service *v = t->data;
	const struct engine_object *o;

	turn_begin(v->owner->qm);
	if (v->state != RETRYING || v->owner->stopping)
		return;
	o = definition(v->owner, v->name);
	v->state = STOPPED;
	if (o == NULL || !is_server(o))
		return;
	if (server_start(v, o) != MQI_OK) {
		v->state = RETRYING;
		uv_timer_start(&v->retry, on_retry, SLOW_RETRY_MS, 0);
	}
}

/* Its STOPCMD gets 5 s; without one it is told by a signal. */
static void
server_stop(struct service *v, const struct engine_object *o)
{
	bool asked = o != NULL && run_start(v->owner, o, true, v) == MQI_OK;

	v->state = STOPPING;
	process_end(&v->run->process, asked ? PROCESS_ORDERED : PROCESS_TERM);
}

/* ---- commands ---- */

enum mqi_err
services_start(struct services *s, const char *name)
{
	const struct engine_object *o = definition(s, name);
	struct service *v;

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (s->stopping)
		return MQI_E_Q_MGR_STOPPING;
	v = service_find(s, name);
	if (v != NULL && v->state != STOPPED && v->state != RETRYING)
		return MQI_E_STATE;
	if (!is_server(o))
		return run_start(s, o, false, NULL);
	v = service_get(s, name);
	uv_timer_stop(&v->retry);
	v->state = STOPPED;
	v->failures = 0;
	return server_start(v, o);
}

enum mqi_err
services_stop(struct services *s, const char *name)
{
	const struct engine_object *o = definition(s, name);
	struct service *v = service_find(s, name);

	if (o == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	/* it may have been a SERVER */
	if ((v == NULL || v->state == STOPPED) && !is_server(o))
		return run_start(s, o, true, NULL);
	if (v == NULL || v->state == STOPPED || v->state == STOPPING)
		return MQI_E_STATE;
	if (v->state == RETRYING) {
		uv_timer_stop(&v->retry);
		v->state = STOPPED;
	} else {
		server_stop(v, o);
	}
	return MQI_OK;
}

bool
services_in_use(const struct services *s, const char *name)
{
	const struct service *v = service_find(s, name);

	return v != NULL && v->state != STOPPED;
}

void
services_deleted(struct services *s, const char *name)
{
	struct service *v = service_find(s, name);

	if (v != NULL)
		service_free(v);
}

void
services_each(const struct services *s, services_info_fn fn, void *arg)
{
	const struct engine_object *o = NULL;

	while ((o = engine_object_next(s->qm->engine, MQATTR_SERVICE, o)) !=
	       NULL) {
		const struct service *v = service_find(s, o->name);
		struct services_info info = {
		    .name = o->name, .state = "STOPPED", .error = ""};

		if (!is_server(o) && (v == NULL || v->state == STOPPED))
			continue;
		if (v != NULL) {
			info.state = state_names[v->state];
			info.started_ms = v->started_ms;
			info.error = v->error;
			if (v->run != NULL)
				info.pid = process_pid(&v->run->process);
		}
		fn(arg, &info);
	}
}

/* ---- the queue manager's life ---- */

void
services_begin(struct services *s)
{
	const struct engine_object *o = NULL;
	enum mqi_err err;

	while ((o = engine_object_next(s->qm->engine, MQATTR_SERVICE, o)) !=
	       NULL) {
		if (mqattr_is(o->attrs, MQATTR_ID_CONTROL, "MANUAL"))
			continue;
		err = services_start(s, o->name);
		if (err != MQI_OK)
			mqlog(MQLOG_ERROR, "service.start_failed",
			    "service %s cannot be started: %s", o->name,
			    mqi_strerror(err));
	}
}

static bool
stops_with_us(const struct services *s, const struct service *v)
{
	const struct engine_object *o = definition(s, v->name);

	return o != NULL && mqattr_is(o->attrs, MQATTR_ID_CONTROL, "QMGR");
}

void
services_stop_all(struct services *s)
{
	struct service *v;
	struct run *r, *next;

	if (s->stopping)
		return;
	s->stopping = true;
	TAILQ_FOREACH (v, &s->services, link) {
		uv_timer_stop(&v->retry);
		if (v->state == RUNNING && stops_with_us(s, v))
			server_stop(v, definition(s, v->name));
		else if (v->state == RETRYING)
			v->state = STOPPED;
	}
	for (r = TAILQ_FIRST(&s->runs); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->is_stop ||
		    (r->service != NULL && r->service->state == STOPPING))
			continue;
		r->left = true;
		process_leave(&r->process);
	}
}

bool
services_have_ended(const struct services *s)
{
	return TAILQ_EMPTY(&s->runs);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_fakes.c - see ctl_fakes.h.  Channels that run are those called RUNS*;
 * objects that agents use are those called BUSY*.
 */
#include "tests/unit/qmgr/ctl_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmgr/agents.h"
#include "qmgr/engine/object.h"
#include "qmgr/pings.h"
#include "qmgr/qmgr.h"
#include "qmgr/scrub.h"
#include "qmgr/services.h"

struct ctl_fakes ctl_fakes;
static struct object_table *table;
static uint64_t last_id;
static const uint8_t qmid[16] = {0xab, 1};

void
ctl_fakes_init(void)
{
	memset(&ctl_fakes, 0, sizeof(ctl_fakes));
	ctl_fakes.who = (struct engine_identity){
	    .user = "alice", .app_name = "test", .is_owner = true};
	ctl_fakes.may_name = "";
	table = object_table_new();
}

void
ctl_fakes_fini(void)
{
	free(ctl_fakes.reply);
	table = object_table_free(table);
}

/* Never looked into. */
struct qmgr *
ctl_fakes_qmgr(void)
{
	return (struct qmgr *)(void *)&ctl_fakes;
}

struct engine_session *
ctl_fakes_session(void)
{
	return (struct engine_session *)(void *)&ctl_fakes;
}

static void
asked(const char *what, const char *name)
{
	size_t used = strlen(ctl_fakes.asked);
	(void)snprintf(ctl_fakes.asked + used, sizeof(ctl_fakes.asked) - used,
	    "%s%s%s;", what, *name != '\0' ? " " : "", name);
}

/* ---- qmgr.h ---- */

const char *
qmgr_name(const struct qmgr *qm)
{
	(void)qm;
	return "QM1";
}

const char *
qmgr_dir(const struct qmgr *qm)
{
	(void)qm;
	return "/dir";
}

struct engine *
qmgr_engine(struct qmgr *qm)
{
	return (struct engine *)(void *)qm;
}

struct pings *
qmgr_pings(const struct qmgr *qm)
{
	return (struct pings *)(void *)(uintptr_t)qm;
}

/* Nobody may ping here: an answer would come later. */
enum mqi_err
pings_start(struct pings *ps, struct engine_session *s, uint32_t id,
    const char *mode, const char *channel, const struct pings_then *then)
{
	(void)ps;
	(void)s;
	(void)id;
	asked(mode, channel);
	if (then != NULL)
		ctl_fakes.then = *then;
	return MQI_E_RESOURCE_PROBLEM;
}

struct agents *
qmgr_agents(struct qmgr *qm)
{
	return (struct agents *)(void *)qm;
}

const char *
qmgr_user(const struct qmgr *qm)
{
	(void)qm;
	return "mqm";
}

unsigned
qmgr_sessions(const struct qmgr *qm)
{
	(void)qm;
	return 3;
}

uint64_t
qmgr_started_ms(const struct qmgr *qm)
{
	(void)qm;
	return 86400000;
}

void
qmgr_scrubbed(const struct qmgr *qm, struct scrub_status *ret)
{
	(void)qm;
	*ret = (struct scrub_status){.ended_ms = 172800000, .findings = 3};
}

bool
qmgr_is_stopping(const struct qmgr *qm)
{
	(void)qm;
	return false;
}

void
qmgr_stop(struct qmgr *qm, bool immediate)
{
	(void)qm;
	asked("stop qmgr", immediate ? "immediate" : "quiesce");
}

/* ---- agents.h ---- */

static enum mqi_err
start_or_stop(const char *what, enum mqattr_object type, const char *name,
    bool state_if_runs)
{
	if (object_find(table, type, name) == NULL)
		return type == MQATTR_CHANNEL ? MQI_E_UNKNOWN_CHANNEL
					      : MQI_E_UNKNOWN_OBJECT;
	if ((strncmp(name, "RUNS", 4) == 0) == state_if_runs)
		return MQI_E_STATE;
	asked(what, name);
	return MQI_OK;
}

void
agents_refresh(struct agents *a)
{
	(void)a;
	asked("refresh", "agents");
}

void
agents_refresh_listeners(struct agents *a)
{
	(void)a; /* a notice, which changes nothing here */
}

enum mqi_err
agents_start_channel(struct agents *a, const char *name)
{
	(void)a;
	return start_or_stop("start channel", MQATTR_CHANNEL, name, true);
}

enum mqi_err
agents_stop_channel(struct agents *a, const char *name,
    enum agents_stop_mode mode, bool inactive)
{
	static const char *const modes[] = {
	    "quiesce channel", "force channel", "terminate channel"};
	(void)a;
	asked("inactive", inactive ? "yes" : "no");
	return start_or_stop(modes[mode], MQATTR_CHANNEL, name, false);
}

enum mqi_err
agents_stop_instances(struct agents *a, const char *name, const char *conname,
    const char *qmgr, enum agents_stop_mode mode)
{
	(void)a;
	(void)mode;
	asked("conname", conname);
	asked("qmgr", qmgr);
	return start_or_stop("stop instances", MQATTR_CHANNEL, name, false);
}

enum mqi_err
agents_start_listener(struct agents *a, const char *name)
{
	(void)a;
	return start_or_stop("start listener", MQATTR_LISTENER, name, true);
}

enum mqi_err
agents_stop_listener(struct agents *a, const char *name)
{
	(void)a;
	return start_or_stop("stop listener", MQATTR_LISTENER, name, false);
}

void
agents_channel_deleted(struct agents *a, const char *name)
{
	(void)a;
	asked("channel deleted", name);
}

void
agents_listener_deleted(struct agents *a, const char *name)
{
	(void)a;
	asked("listener deleted", name);
}

bool
agents_channel_in_use(const struct agents *a, const char *name)
{
	(void)a;
	return strncmp(name, "BUSY", 4) == 0;
}

bool
agents_listener_in_use(const struct agents *a, const char *name)
{
	return agents_channel_in_use(a, name);
}

void
agents_each_channel(const struct agents *a, agents_info_fn fn, void *arg)
{
	(void)a;
	struct agents_info info = {.name = "A.B",
	    .state = "RETRYING",
	    .chltype = "SDR",
	    .xmitq = "X",
	    .msgs = 7,
	    .retry_in_ms = 1500,
	    .error = "refused"};
	fn(arg, &info);
	(void)snprintf(info.name, sizeof(info.name), "C.D");
	(void)snprintf(info.substate, sizeof(info.substate), "MQGET");
	(void)snprintf(info.monitor, sizeof(info.monitor), "HIGH");
	mqaverage_add(&info.rtt_us, 77);
	(void)snprintf(info.protocol, sizeof(info.protocol), "TLSv1.2");
	info.state = "RUNNING";
	info.is_alive = true;
	fn(arg, &info);
}

void
agents_each_listener(const struct agents *a, agents_info_fn fn, void *arg)
{
	(void)a;
	struct agents_info info = {
	    .name = "L", .state = "RUNNING", .chltype = "", .port = 1414};
	fn(arg, &info);
}

/* ---- services.h ---- */

struct services *
qmgr_services(struct qmgr *qm)
{
	return (struct services *)(void *)qm;
}

enum mqi_err
services_start(struct services *s, const char *name)
{
	(void)s;
	return start_or_stop("start service", MQATTR_SERVICE, name, true);
}

enum mqi_err
services_stop(struct services *s, const char *name)
{
	(void)s;
	return start_or_stop("stop service", MQATTR_SERVICE, name, false);
}

bool
services_in_use(const struct services *s, const char *name)
{
	(void)s;
	return strncmp(name, "BUSY", 4) == 0;
}

void
services_deleted(struct services *s, const char *name)
{
	(void)s;
	asked("service deleted", name);
}

void
services_each(const struct services *s, services_info_fn fn, void *arg)
{
	(void)s;
	fn(arg, &(struct services_info){
		    .name = "S", .state = "RUNNING", .pid = 7, .error = "e"});
}

/* ---- engine.h ---- */

/* Who is not the owner has what ctl_fakes.may says, on names that begin as
 * ctl_fakes.may_name. */
bool
engine_may(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights)
{
	(void)e;
	(void)type;
	return who->is_owner || ((rights & ~ctl_fakes.may) == 0 &&
				    strncmp(name, ctl_fakes.may_name,
					strlen(ctl_fakes.may_name)) == 0);
}

/* Everybody is in the group "staff". */
bool
engine_record_is_of(
    struct engine *e, const char *user, const struct mqattr_set *record)
{
	(void)e;
	return strcmp(mqattr_text(record, MQATTR_ID_ENTITY),
		   mqattr_is(record, MQATTR_ID_ENTTYPE, "GROUP") ? "staff"
								 : user) == 0;
}

void
engine_authority_changed(struct engine *e)
{
	(void)e;
	asked("authority", "changed");
}

enum mqi_err
engine_authorize(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights, char *ret_why,
    size_t why_len)
{
	if (engine_may(e, who, type, name, rights))
		return MQI_OK;
	(void)snprintf(ret_why, why_len, "%s: %s(%s)",
	    authority_right_name((enum authority_right)rights),
	    authority_type_name(type), name);
	return MQI_E_NOT_AUTHORIZED;
}

const uint8_t *
engine_qmid(const struct engine *e)
{
	(void)e;
	return qmid;
}

uint64_t
engine_batches_durable(const struct engine *e)
{
	(void)e;
	return 12;
}

uint64_t
engine_batches_applied(const struct engine *e)
{
	(void)e;
	return 9;
}

void
engine_checkpoint(struct engine *e)
{
	(void)e;
	asked("checkpoint", "12");
}

const struct engine_identity *
engine_session_identity(const struct engine_session *s)
{
	(void)s;
	return &ctl_fakes.who;
}

const struct engine_object *
engine_object_find(
    const struct engine *e, enum mqattr_object type, const char *name)
{
	(void)e;
	return object_find(table, type, name);
}

const struct engine_object *
engine_object_next(const struct engine *e, enum mqattr_object type,
    const struct engine_object *prev)
{
	(void)e;
	return object_next(table, type, prev);
}

enum mqi_err
engine_object_set(struct engine *e, enum mqattr_object type, const char *name,
    const struct mqattr_set *attrs, uint64_t *ret_pos)
{
	(void)e;
	const struct engine_object *o;
	struct mqattr_set *copy = mqattr_set_copy(attrs);
	enum mqi_err err = object_set(table, type, name, ++last_id, copy, &o);
	if (err != MQI_OK)
		mqattr_set_free(copy);
	else
		*ret_pos = 42;
	return err;
}

enum mqi_err
engine_object_delete(struct engine *e, enum mqattr_object type,
    const char *name, bool purge, uint64_t *ret_pos)
{
	(void)e;
	if (ctl_fakes.queue_open)
		return MQI_E_OBJECT_IN_USE;
	if (ctl_fakes.depth > 0 && type == MQATTR_QLOCAL && !purge)
		return MQI_E_Q_NOT_EMPTY;
	object_delete(table, type, name);
	*ret_pos = 43;
	return MQI_OK;
}

enum mqi_err
engine_sub_prepare(
    struct engine *e, struct mqattr_set *attrs, char *ret_why, size_t why_len)
{
	(void)e;
	if (mqattr_text(attrs, MQATTR_ID_DEST)[0] != '\0')
		return MQI_OK;
	(void)snprintf(ret_why, why_len, "DEST is required");
	return MQI_E_ATTRIBUTE;
}

void
engine_sub_status(const struct engine *e, const struct engine_object *o,
    struct engine_sub_status *ret)
{
	(void)e;
	(void)o;
	*ret = (struct engine_sub_status){.active = true, .n_msgs = 7};
}

void
engine_pubsub_status(const struct engine *e, struct engine_pubsub_status *ret)
{
	(void)e;
	*ret = (struct engine_pubsub_status){.n_subs = 3, .n_retained = 2};
}

enum mqi_err
engine_topics(
    struct engine *e, const char *pattern, engine_topic_fn fn, void *ctx)
{
	(void)e;
	if (pattern == NULL)
		return MQI_E_TOPIC_STRING_ERROR;
	fn(ctx, &(struct engine_topic_status){.topic = pattern,
		    .admin = "T",
		    .pmsg = 1,
		    .npmsg = 2,
		    .durable_model = "D",
		    .ndurable_model = "N",
		    .pub = true});
	return MQI_OK;
}

void
engine_sub_started(struct engine *e, const char *name)
{
	(void)e;
	(void)name;
}

enum mqi_err
engine_topic_clear(struct engine *e, const char *topic, uint64_t *ret_pos)
{
	(void)e;
	asked("clear", topic);
	*ret_pos = 45;
	return MQI_OK;
}

void
engine_sub_keep(struct mqattr_set *attrs, const struct mqattr_set *old)
{
	(void)attrs;
	(void)old;
}

enum mqi_err
engine_queue_clear(struct engine *e, const char *name, uint64_t *ret_pos)
{
	(void)e;
	if (object_find(table, MQATTR_QLOCAL, name) == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (ctl_fakes.queue_open)
		return MQI_E_OBJECT_IN_USE;
	asked("clear", name);
	*ret_pos = 44;
	return MQI_OK;
}

enum mqi_err
engine_queue_status(
    const struct engine *e, const char *name, struct engine_queue_status *ret)
{
	(void)e;
	(void)name;
	memset(ret, 0, sizeof(*ret));
	ret->depth = ctl_fakes.depth;
	ret->open_input = 2;
	ret->last_put_ms = 86400000;
	return MQI_OK;
}

enum mqi_err
engine_stream_resolve(
    struct engine *e, const char *queue, bool commit, uint64_t *ret_pos)
{
	(void)e;
	if (ctl_fakes.queue_open)
		return MQI_E_OBJECT_IN_USE;
	asked(commit ? "commit" : "backout", queue);
	*ret_pos = 45;
	return MQI_OK;
}

enum mqi_err
engine_stream_reset(struct engine *e, const char *queue, uint64_t *ret_pos)
{
	(void)e;
	asked("reset", queue);
	*ret_pos = 46;
	return MQI_OK;
}

enum mqi_err
engine_stream_status(
    const struct engine *e, const char *queue, struct engine_stream_status *ret)
{
	(void)e;
	memset(ret, 0, sizeof(*ret));
	if (object_find(table, MQATTR_QLOCAL, queue) == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	ret->acked = 5;
	ret->handed = 9;
	ret->in_doubt = !ctl_fakes.no_doubt;
	ret->stream[0] = 0x1a;
	ret->bound_qmid[15] = 2;
	(void)snprintf(
	    ret->bound_identity, sizeof(ret->bound_identity), "CN=QM2");
	(void)snprintf(ret->sender, sizeof(ret->sender), "C.D");
	ret->in_flight = 4;
	mqaverage_add(&ret->on_queue_us, 1500);
	mqaverage_add(&ret->batch, 10);
	mqaverage_add(&ret->batch, 21);
	ret->waiting = 30;
	return MQI_OK;
}

void
engine_each_position(const struct engine *e, engine_position_fn fn, void *arg)
{
	struct record_position p = {.partner = "QM0", .position = 77};
	(void)e;
	fn(arg, &p);
	for (unsigned i = 1; i <= ctl_fakes.partners; i++) {
		p = (struct record_position){
		    .position = 70 + i, .stream = {0x5a}, .identity = "CN=QM1"};
		(void)snprintf(p.partner, sizeof(p.partner), "%032x", i);
		fn(arg, &p);
	}
}

enum mqi_err
engine_position_forget(struct engine *e, const char *partner,
    const uint8_t stream[16], uint64_t number, uint64_t *ret_pos)
{
	(void)e;
	(void)stream;
	(void)number;
	if (ctl_fakes.queue_open)
		return MQI_E_OBJECT_IN_USE;
	asked("forget", partner);
	*ret_pos = 47;
	return MQI_OK;
}

void
engine_reply_external(struct engine *e, struct engine_session *s, uint32_t id,
    uint64_t pos, struct mqref *bytes)
{
	(void)e;
	(void)s;
	(void)id;
	free(ctl_fakes.reply);
	ctl_fakes.reply = malloc(bytes->len);
	memcpy(ctl_fakes.reply, bytes->data, bytes->len);
	ctl_fakes.reply_len = bytes->len;
	ctl_fakes.reply_pos = pos;
	ctl_fakes.n_replies++;
}

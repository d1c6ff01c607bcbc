/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.c - who the client is, what it speaks, and whom it wants.
 *
 * Neighbours: session.c hands over the first frame; principal.c names users;
 * agents.c is told of agents; the engine gets the identity, and knows who may
 * connect.
 * Invariants: the user is the kernel's word (SO_PEERCRED); only an agent may
 * speak on behalf of another, and never of the owner.
 * Happy path: HELLO is answered by HELLO_OK and the session is open.
 * Failure: not a HELLO, another magic, no common version, another queue
 * manager's name, a user without authority, a channel that is stopped: the
 * reason goes back in ERROR.
 */
#include "qmgr/hello.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proto/local.h"
#include "qmgr/principal.h"
#include "qmgr/qmgr_impl.h"
#include "qmgr/session.h"

static enum mqi_err
hello_check(const struct session *s, const struct mqframe *f,
    struct mqlocal_hello *ret, const char **ret_why)
{
	static char why[160];

	*ret_why = why;
	if (f->type != MQLOCAL_HELLO) {
		(void)snprintf(why, sizeof(why),
		    "the first frame is %s (%u) instead of HELLO",
		    mqlocal_type_name(f->type), f->type);
		return MQI_E_PROTOCOL;
	}
	if (f->payload_len < 4 || mqbuf_get_u32(f->payload) != MQLOCAL_MAGIC) {
		*ret_why = "HELLO has the wrong magic number";
		return MQI_E_PROTOCOL;
	}
	if (mqlocal_decode_hello(f, ret) != MQI_OK) {
		*ret_why = "HELLO cannot be decoded";
		return MQI_E_PROTOCOL;
	}
	if (ret->version_min > MQLOCAL_VERSION ||
	    ret->version_max < MQLOCAL_VERSION_MIN) {
		(void)snprintf(why, sizeof(why),
		    "the client speaks versions %u to %u, the queue manager "
		    "%u to %u",
		    ret->version_min, ret->version_max, MQLOCAL_VERSION_MIN,
		    MQLOCAL_VERSION);
		return MQI_E_VERSION;
	}
	if (strcmp(ret->qmgr, s->qm->name) != 0) {
		*ret_why = "the client asks for another queue manager";
		return MQI_E_Q_MGR_NAME;
	}
	if (s->qm->state.current != QMGR_RUNNING) {
		*ret_why = NULL;
		return MQI_E_Q_MGR_QUIESCING;
	}
	return MQI_OK;
}

static void
hello_answer(struct session *s, const struct mqlocal_hello *h)
{
	struct qmgr *qm = s->qm;
	const struct engine_object *o =
	    engine_object_find(qm->engine, MQATTR_QMGR, qm->name);
	struct mqlocal_hello_ok v = {
	    .version = h->version_max < MQLOCAL_VERSION ? h->version_max
							: MQLOCAL_VERSION,
	    .features =
		h->features &
		(MQLOCAL_FEATURE_PUTS_OK | MQLOCAL_FEATURE_OPEN_AS |
		    MQLOCAL_FEATURE_BOUND_ACKED | MQLOCAL_FEATURE_SELECT |
		    MQLOCAL_FEATURE_PUBSUB | MQLOCAL_FEATURE_UNLOCK),
	    .max_msg_len = (uint32_t)mqattr_int(o->attrs, MQATTR_ID_MAXMSGL),
	};

	(void)snprintf(v.qmgr, sizeof(v.qmgr), "%s", qm->name);
	memcpy(v.qmid, engine_qmid(qm->engine), sizeof(v.qmid));
	memcpy(v.incarnation, qm->incarnation, sizeof(v.incarnation));
	mqbuf_reset(&qm->scratch);
	mqlocal_encode_hello_ok(&qm->scratch, 0, &v);
	session_send_scratch(s);
}

/* A session on behalf of nobody: the process's own user. */
static void
hello_peer(const struct session *s, struct engine_identity *who)
{
	const struct qmgr *qm = s->qm;

	who->is_owner = s->is_owners;
	if (who->is_owner) {
		(void)snprintf(who->user, sizeof(who->user), "%s",
		    s->peer.uid == 0 ? "root" : qm->user);
		return;
	}
	principal_user(s->peer.uid, who->user);
	principal_group(s->peer.gid, who->group);
}

/* An agent that speaks for a user: who it is itself counts no more. */
static enum mqi_err
hello_on_behalf(const struct session *s, const char *user,
    struct engine_identity *who, const char **ret_why)
{
	if (turn_engine_ops.is_owner(s->qm, user)) {
		*ret_why = "an agent may not act for the owner of the queue "
			   "manager";
		return MQI_E_NOT_AUTHORIZED;
	}
	who->is_owner = false;
	who->group[0] = '\0';
	(void)snprintf(who->user, sizeof(who->user), "%s", user);
	return MQI_OK;
}

/* A channel for applications: what an agent may do beyond its user's rights is
 * not for who speaks through it. */
static bool
hello_is_for_client(const struct session *s, const struct mqlocal_hello *h)
{
	const struct engine_object *o =
	    engine_object_find(s->qm->engine, MQATTR_CHANNEL, h->channel);

	return h->is_agent != 0 && h->user[0] != '\0' && o != NULL &&
	       mqattr_is(o->attrs, MQATTR_ID_CHLTYPE, "SVRCONN");
}

/* Who the client is, and whether it may be here. */
static enum mqi_err
hello_identify(const struct session *s, const struct mqlocal_hello *h,
    struct engine_identity *who, const char **ret_why)
{
	static char why[500];
	struct engine *e = s->qm->engine;
	uint32_t needs = AUTHORITY_CONNECT;
	enum mqi_err err = MQI_OK;

	hello_peer(s, who);
	(void)snprintf(who->app_name, sizeof(who->app_name), "%s", h->app_name);
	if (h->is_agent != 0) {
		*ret_why = why;
		err = engine_authorize(e, who, AUTHORITY_QMGR, s->qm->name,
		    AUTHORITY_SYSTEM, why, sizeof(why));
		who->is_agent = true;
		(void)snprintf(
		    who->channel, sizeof(who->channel), "%s", h->channel);
		(void)snprintf(
		    who->address, sizeof(who->address), "%s", h->address);
		/* the right to be an agent is more than to connect */
		if (h->user[0] == '\0')
			needs = 0;
		else if (err == MQI_OK)
			err = hello_on_behalf(s, h->user, who, ret_why);
	}
	if (err == MQI_OK && needs != 0) {
		*ret_why = why;
		err = engine_authorize(e, who, AUTHORITY_QMGR, s->qm->name,
		    needs, why, sizeof(why));
	}
	return err;
}

static void
hello_open(struct session *s, const struct engine_identity *who)
{
	s->engine = engine_session_new(s->qm->engine, s, who);
	session_greeted(s);
	mqsm_move(&s->state, SESSION_OPEN);
}

enum mqi_err
hello_take(struct session *s, const struct mqframe *f, const char **ret_why)
{
	struct engine_identity who = {.is_owner = false};
	struct mqlocal_hello h;
	enum mqi_err err;

	err = hello_check(s, f, &h, ret_why);
	if (err != MQI_OK)
		return err;
	(void)snprintf(s->app_name, sizeof(s->app_name), "%s", h.app_name);
	err = hello_identify(s, &h, &who, ret_why);
	if (err != MQI_OK)
		return err;
	if (h.is_agent != 0) {
		(void)snprintf(s->channel, sizeof(s->channel), "%s", h.channel);
		err = agents_attach(s->qm->agents, s, s->peer.pid, &h);
		if (err != MQI_OK) {
			*ret_why = NULL;
			return err;
		}
		s->is_agent = true;
		s->is_agents_own = h.user[0] == '\0' && h.channel[0] == '\0';
	}
	s->takes_puts_ok = (h.features & MQLOCAL_FEATURE_PUTS_OK) != 0;
	s->takes_bound_acked = (h.features & MQLOCAL_FEATURE_BOUND_ACKED) != 0;
	s->is_client = hello_is_for_client(s, &h);
	who.is_agent = s->is_agent && !s->is_client;
	hello_open(s, &who);
	hello_answer(s, &h);
	return MQI_OK;
}

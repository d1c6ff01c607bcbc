/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.c - who the client is, what it speaks, and whom it wants.
 *
 * Neighbours: session.c hands over the first frame; agents.c is told of
 * agents; the engine gets the identity.
 * Invariants: the user is the kernel's word (SO_PEERCRED), and only an agent
 * may speak on behalf of another.
 * Happy path: HELLO is answered by HELLO_OK and the session is open.
 * Failure: not a HELLO, another magic, no common version, another queue
 * manager's name, a channel that is stopped: the reason goes back in ERROR.
 */
#include "qmgr/hello.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proto/local.h"
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
	    .features = h->features & MQLOCAL_FEATURE_PUTS_OK,
	    .max_msg_len = (uint32_t)mqattr_int(o->attrs, MQATTR_ID_MAXMSGL),
	};

	(void)snprintf(v.qmgr, sizeof(v.qmgr), "%s", qm->name);
	memcpy(v.qmid, engine_qmid(qm->engine), sizeof(v.qmid));
	memcpy(v.incarnation, qm->incarnation, sizeof(v.incarnation));
	mqbuf_reset(&qm->scratch);
	mqlocal_encode_hello_ok(&qm->scratch, 0, &v);
	session_send_scratch(s);
}

static void
hello_open(struct session *s, const struct mqlocal_hello *h)
{
	struct engine_identity who = {.is_owner = true};
	const char *user = s->peer.uid == 0 ? "root" : s->qm->user;

	who.is_agent = s->is_agent;
	if (s->is_agent) {
		if (h->user[0] != '\0')
			user = h->user;
		(void)snprintf(
		    who.channel, sizeof(who.channel), "%s", h->channel);
		(void)snprintf(
		    who.address, sizeof(who.address), "%s", h->address);
	}
	(void)snprintf(who.user, sizeof(who.user), "%s", user);
	(void)snprintf(who.app_name, sizeof(who.app_name), "%s", h->app_name);
	s->engine = engine_session_new(s->qm->engine, s, &who);
	TAILQ_REMOVE(&s->qm->sessions.awaiting, s, hello_link);
	mqsm_move(&s->state, SESSION_OPEN);
}

enum mqi_err
hello_take(struct session *s, const struct mqframe *f, const char **ret_why)
{
	struct mqlocal_hello h;
	enum mqi_err err;

	err = hello_check(s, f, &h, ret_why);
	if (err != MQI_OK)
		return err;
	(void)snprintf(s->app_name, sizeof(s->app_name), "%s", h.app_name);
	if (h.is_agent != 0) {
		(void)snprintf(s->channel, sizeof(s->channel), "%s", h.channel);
		err = agents_attach(
		    s->qm->agents, s, s->peer.pid, h.channel, h.address);
		if (err != MQI_OK) {
			*ret_why = NULL;
			return err;
		}
		s->is_agent = true;
	}
	s->takes_puts_ok = (h.features & MQLOCAL_FEATURE_PUTS_OK) != 0;
	hello_open(s, &h);
	hello_answer(s, &h);
	return MQI_OK;
}

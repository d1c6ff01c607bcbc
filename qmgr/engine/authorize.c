/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authorize.c - whether a session may do what it asks, and the refusal: a line
 * in the log that names who, what, which right and which record, and the
 * command that would give it; a sentence for the caller.
 *
 * Neighbours: session.c asks at each open; put.c and trace.c ask for a message
 * that wants a report; the daemon asks when a session begins and for
 * each command; authority_judge.c knows the records.
 * Invariants: the owner may do everything, but on behalf of another user nobody
 * is the owner.  Handles once opened are not asked about again.
 * Happy path: the verdict allows it.
 * Failure: NOT_AUTHORIZED.  Lines in the log are bounded, so that nobody fills
 * the disk by asking: what is left out is counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "qmgr/engine/engine_int.h"

void
authorize_begin(struct engine *e)
{
	e->authority = authority_new(e->objects, e->ops->groups, e->ctx);
}

void
engine_authority_changed(struct engine *e)
{
	authority_forget(e->authority);
}

static void
judge(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights,
    struct authority_verdict *ret)
{
	struct authority_question q = {.user = who->user,
	    .group = who->group,
	    .type = type,
	    .name = name,
	    .rights = rights};

	authority_judge(e->authority, &q, ret);
}

bool
engine_may(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights)
{
	struct authority_verdict v;

	if (who->is_owner)
		return true;
	judge(e, who, type, name, rights, &v);
	return v.allowed;
}

bool
engine_record_is_of(
    struct engine *e, const char *user, const struct mqattr_set *record)
{
	return authority_is_of(e->authority, user, "", record);
}

/* ---- refusals ---- */

static bool
log_has_room(struct engine *e)
{
	uint64_t left_out;

	if (!mqloglimit_allows(&e->refusals, e->mono_us, &left_out))
		return false;
	if (left_out > 0)
		mqlog(MQLOG_WARN, "authority.refused",
		    "%" PRIu64 " more refusals have no line here", left_out);
	return true;
}

static void
describe_rule(const struct authority_verdict *v, char *ret, size_t len)
{
	char gives[AUTHORITY_TEXT_LEN];

	if (v->profile[0] == '\0') {
		(void)snprintf(ret, len, "no authority record matches");
		return;
	}
	authority_text(v->gives, gives);
	(void)snprintf(ret, len, "PROFILE(%s) %s(%s) gives %s", v->profile,
	    v->is_group ? "GROUP" : "PRINCIPAL", v->entity, gives);
}

struct refusal {
	const char *object;
	const char *missing;
	const char *rule;
	const char *remedy;
};

static void
log_refusal(struct engine *e, const struct engine_identity *who,
    const struct refusal *r)
{
	struct mqlog_line l;

	if (!log_has_room(e))
		return;
	mqlog_begin(&l, MQLOG_WARN, "authority.refused");
	mqlog_str(&l, "user", who->user);
	if (who->app_name[0] != '\0')
		mqlog_str(&l, "app", who->app_name);
	if (who->channel[0] != '\0')
		mqlog_str(&l, "channel", who->channel);
	mqlog_str(&l, "object", r->object);
	mqlog_str(&l, "missing", r->missing);
	mqlog_str(&l, "rule", r->rule);
	mqlog_str(&l, "remedy", r->remedy);
	mqlog_end(&l);
}

enum mqi_err
engine_authorize(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights, char *ret_why,
    size_t why_len)
{
	struct authority_verdict v;
	char missing[AUTHORITY_TEXT_LEN], object[80], rule[448], remedy[512];

	if (who->is_owner)
		return MQI_OK;
	judge(e, who, type, name, rights, &v);
	if (v.allowed)
		return MQI_OK;
	authority_text(rights & ~v.rights, missing);
	(void)snprintf(
	    object, sizeof(object), "%s(%s)", authority_type_name(type), name);
	describe_rule(&v, rule, sizeof(rule));
	(void)snprintf(remedy, sizeof(remedy),
	    "SET AUTHREC PROFILE('%s') OBJTYPE(%s) PRINCIPAL('%s') "
	    "AUTHADD(%s)",
	    name, authority_type_name(type), who->user, missing);
	log_refusal(e, who, &(struct refusal){object, missing, rule, remedy});
	(void)snprintf(ret_why, why_len,
	    "user %s has no authority %s on %s: "
	    "%s",
	    who->user, missing, object, rule);
	return MQI_E_NOT_AUTHORIZED;
}

/* ---- opens ---- */

static uint32_t
rights_of_options(uint32_t options)
{
	uint32_t rights = 0;

	if ((options & (MQI_OO_INPUT_AS_Q_DEF | MQI_OO_INPUT_SHARED |
			   MQI_OO_INPUT_EXCLUSIVE)) != 0)
		rights |= AUTHORITY_GET;
	if ((options & MQI_OO_BROWSE) != 0)
		rights |= AUTHORITY_BROWSE;
	if ((options & MQI_OO_OUTPUT) != 0)
		rights |= AUTHORITY_PUT;
	if ((options & MQI_OO_INQUIRE) != 0)
		rights |= AUTHORITY_INQ;
	return rights;
}

static bool
is_system(const char *name)
{
	return strncmp(name, "SYSTEM.", 7) == 0;
}

/* The queue manager's own agent, for a partner and no user: it may put to
 * every queue but the system's. */
static enum mqi_err
check_partner(
    const struct engine_session *s, const struct route *r, uint32_t options)
{
	if ((options & MQI_OO_OUTPUT) == 0 || s->who.channel[0] == '\0')
		return MQI_OK;
	return is_system(r->opened->name) || is_system(r->queue->name)
		   ? MQI_E_NOT_AUTHORIZED
		   : MQI_OK;
}

enum mqi_err
authorize_open(struct engine_session *s, const struct engine_identity *who,
    const struct route *r, uint32_t options, char *ret_why, size_t why_len)
{
	uint32_t rights = rights_of_options(options);

	/* an agent needs it for what can be put nowhere else */
	if (session_dead_letters(s, r, options))
		rights &= ~(uint32_t)AUTHORITY_PUT;
	else if (who->is_owner && check_partner(s, r, options) != MQI_OK)
		return MQI_E_NOT_AUTHORIZED;
	return engine_authorize(s->e, who, AUTHORITY_QUEUE, r->judged->name,
	    rights, ret_why, why_len);
}

enum mqi_err
authorize_alternate(struct engine_session *s, const char *user,
    struct engine_identity *ret_who, char *ret_why, size_t why_len)
{
	const struct engine_ops *ops = s->e->ops;
	enum mqi_err err = engine_authorize(s->e, &s->who, AUTHORITY_QMGR,
	    s->e->config.name, AUTHORITY_ALTUSR, ret_why, why_len);

	if (err != MQI_OK)
		return err;
	*ret_who = s->who;
	(void)snprintf(ret_who->user, sizeof(ret_who->user), "%s", user);
	ret_who->group[0] = '\0';
	if (ops->is_owner != NULL && ops->is_owner(s->e->ctx, user)) {
		if (s->who.is_owner)
			return MQI_OK;
		(void)snprintf(ret_why, why_len,
		    "the queue manager's owner is nobody's alternate user");
		return MQI_E_NOT_AUTHORIZED;
	}
	ret_who->is_owner = false;
	return MQI_OK;
}

/* ---- reports ---- */

static void
identity_of_handle(const struct handle *h, struct engine_identity *ret)
{
	const struct engine *e = h->s->e;

	*ret = h->s->who;
	if (h->alternate == NULL)
		return;
	(void)snprintf(ret->user, sizeof(ret->user), "%s", h->alternate);
	ret->group[0] = '\0';
	ret->is_owner = ret->is_owner && e->ops->is_owner != NULL &&
			e->ops->is_owner(e->ctx, h->alternate);
}

bool
authorize_report(const struct handle *h, const struct mqdesc_route *to)
{
	struct engine *e = h->s->e;
	const char *name = to->queue;
	struct engine_identity who;
	char why[AUTHORITY_TEXT_LEN];
	struct route route;

	identity_of_handle(h, &who);
	if (route_resolve(e->objects, e->config.name, to->queue, to->qmgr,
		MQI_OO_OUTPUT, &route) == MQI_OK)
		return authorize_open(h->s, &who, &route, MQI_OO_OUTPUT, why,
			   sizeof(why)) == MQI_OK;
	/* what does not exist yet may be there when the report is put */
	if (to->qmgr[0] != '\0' && strcmp(to->qmgr, e->config.name) != 0)
		name = to->qmgr;
	return engine_authorize(e, &who, AUTHORITY_QUEUE, name, AUTHORITY_PUT,
		   why, sizeof(why)) == MQI_OK;
}

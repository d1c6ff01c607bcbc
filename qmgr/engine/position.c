/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.c - conditional positions: a number kept durably under (partner,
 * stream), which a unit of work moves with its other effects or not at all.
 *
 * Opening a position raises its fence, durably before the answer leaves: every
 * older holder's commit then fails FENCED.  A commit succeeds only if the
 * position still stands where the unit says.  So a put is repeated safely: the
 * holder asks where the position stands and goes on from there.
 *
 * A stream that was first seen under one certificate identity is refused under
 * another (NOT_CURRENT).  Positions of one certificate, of one user, or of one
 * partner of the owner's, are bounded; a row goes only by a person's command,
 * with POSITION's fence 0.  Fences of one key rise nevertheless: a new row
 * begins above every forgotten one of this run, and no holder outlives a run.
 *
 * Whose a position is stands in its identity: a certificate's name, which only
 * agents give; "user:NAME" of the user whose application made it; none, of the
 * owner's applications.  Applications touch no position of a certificate, nor
 * of another user, and make none under a name that partners have (32
 * hexadecimal digits), so that they can stand in no partner's way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

#define USER_PREFIX "user:" /* no certificate's name begins so */
#define IDENTITY_LEN 257u

static const uint8_t no_incarnation[16];

static void
position_key(
    struct position_id *key, const char *partner, const uint8_t stream[16])
{
	memset(key, 0, sizeof(*key));
	memcpy(key->partner, partner, strlen(partner));
	memcpy(key->stream, stream, sizeof(key->stream));
}

static struct position *
position_find(
    const struct engine *e, const char *partner, const uint8_t stream[16])
{
	struct position_id key;
	struct position *p;

	position_key(&key, partner, stream);
	HASH_FIND(hh, e->positions, &key, sizeof(key), p);
	return p;
}

static struct position *
position_new(struct engine *e, const char *partner, const uint8_t stream[16])
{
	struct position *p = mqmem_alloc(sizeof(*p));

	position_key(&p->key, partner, stream);
	strcpy(p->state.partner, p->key.partner);
	memcpy(p->state.stream, stream, sizeof(p->state.stream));
	HASH_ADD(hh, e->positions, key, sizeof(p->key), p);
	return p;
}

static void
position_write(struct engine *e, uint32_t unit, struct position *p)
{
	record_encode_position(batch_room(e, 512), unit, &p->state);
	p->pos = batch_appended(e);
}

void
position_catalog(struct engine *e, const struct record_position *v)
{
	struct position *p = position_find(e, v->partner, v->stream);

	if (p == NULL)
		p = position_new(e, v->partner, v->stream);
	p->state = *v;
}

/* A certificate is proved, a partner's name only claimed: so one certificate
 * can neither take all room under ever new names nor another's. */
static bool
position_is_full(
    const struct engine *e, const char *partner, const char *identity)
{
	const struct position *p;
	unsigned n = 0;

	for (p = e->positions; p != NULL; p = p->hh.next) {
		if (strcmp(p->state.identity, identity) == 0 &&
		    (identity[0] != '\0' ||
			strcmp(p->state.partner, partner) == 0))
			n++;
	}
	return n >= ENGINE_MAX_POSITIONS;
}

/* The stream's certificate, and its incarnation if the holder names one. */
static bool
position_is_of(
    const struct position *p, const struct mqlocal_position_open *req)
{
	const uint8_t *known = p->state.incarnation;

	if (strcmp(p->state.identity, req->identity) != 0)
		return false;
	return memcmp(req->incarnation, no_incarnation, 16) == 0 ||
	       memcmp(known, no_incarnation, 16) == 0 ||
	       memcmp(req->incarnation, known, 16) == 0;
}

/* Whose the positions are that the session opens without a certificate. */
static void
position_own_identity(const struct engine_session *s, char *ret, size_t len)
{
	ret[0] = '\0';
	if (!s->who.is_owner)
		(void)snprintf(ret, len, USER_PREFIX "%s", s->who.user);
}

static bool
position_is_allowed(const struct engine_session *s, const char *identity)
{
	char own[IDENTITY_LEN];

	if (s->who.is_owner)
		return true;
	position_own_identity(s, own, sizeof(own));
	if (strcmp(identity, own) == 0)
		return true;
	return s->who.is_agent && identity[0] != '\0' &&
	       strncmp(identity, USER_PREFIX, strlen(USER_PREFIX)) != 0;
}

static bool
is_partners_name(const char *partner)
{
	return strlen(partner) == 32 &&
	       strspn(partner, "0123456789abcdef") == 32;
}

/* Before anything is looked at: what the session may ask at all. */
static enum mqi_err
position_check_open(const struct engine_session *s, const struct position *p,
    const struct mqlocal_position_open *req)
{
	if (req->partner[0] == '\0')
		return MQI_E_OBJECT_NAME;
	if (!position_is_allowed(s, req->identity) ||
	    (p != NULL && !position_is_allowed(s, p->state.identity)) ||
	    (p == NULL && !s->who.is_agent && is_partners_name(req->partner)))
		return MQI_E_NOT_AUTHORIZED;
	if (p == NULL)
		return position_is_full(s->e, req->partner, req->identity)
			   ? MQI_E_RESOURCE_PROBLEM
			   : MQI_OK;
	return position_is_of(p, req) ? MQI_OK : MQI_E_NOT_CURRENT;
}

void
engine_position_open(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_position_open *asked)
{
	struct engine_reply r = {.kind = ENGINE_POSITION, .id = id};
	struct position *p = position_find(e, asked->partner, asked->stream);
	struct mqlocal_position_open mine = *asked;
	const struct mqlocal_position_open *req = &mine;
	enum mqi_err err;

	if (mine.identity[0] == '\0')
		position_own_identity(s, mine.identity, sizeof(mine.identity));
	err = position_check_open(s, p, req);
	if (err != MQI_OK) {
		reply_error(s, id, 0, err);
		return;
	}
	if (p == NULL) {
		p = position_new(e, req->partner, req->stream);
		strcpy(p->state.identity, req->identity);
		p->state.fence = e->last_fence;
	}
	p->state.fence++;
	p->holder = s;
	position_write(e, 0, p);
	r.u.position.position = p->state.position;
	r.u.position.fence = p->state.fence;
	memcpy(r.u.position.incarnation, p->state.incarnation, 16);
	reply_at(s, &r, p->pos);
}

enum mqi_err
position_check(
    struct engine_session *s, const struct mqlocal_unit_position *req)
{
	const struct position *p =
	    position_find(s->e, req->partner, req->stream);

	if (p == NULL || !position_is_allowed(s, p->state.identity))
		return MQI_E_FENCED;
	if (req->fence != 0 ? req->fence != p->state.fence : p->holder != s)
		return MQI_E_FENCED;
	return p->state.position == req->from ? MQI_OK : MQI_E_POSITION_MOVED;
}

void
position_move(struct engine_session *s, uint32_t unit,
    const struct mqlocal_unit_position *req)
{
	struct position *p = position_find(s->e, req->partner, req->stream);

	MQ_PRE(p != NULL && p->state.position == req->from);
	p->state.position = req->to;
	if (memcmp(req->incarnation, no_incarnation, 16) != 0)
		memcpy(p->state.incarnation, req->incarnation, 16);
	position_write(s->e, unit, p);
}

enum mqi_err
engine_position_forget(struct engine *e, const char *partner,
    const uint8_t stream[16], uint64_t number, uint64_t *ret_pos)
{
	struct position *p = position_find(e, partner, stream);

	if (p == NULL)
		return MQI_E_UNKNOWN_OBJECT;
	if (p->holder != NULL)
		return MQI_E_OBJECT_IN_USE;
	if (p->state.position != number)
		return MQI_E_POSITION_MOVED;
	if (e->last_fence < p->state.fence)
		e->last_fence = p->state.fence;
	p->state.fence = 0;
	p->state.position = 0;
	position_write(e, 0, p);
	*ret_pos = p->pos;
	HASH_DEL(e->positions, p);
	free(p);
	return MQI_OK;
}

void
position_forget_holder(struct engine_session *s)
{
	struct position *p;

	for (p = s->e->positions; p != NULL; p = p->hh.next) {
		if (p->holder == s)
			p->holder = NULL;
	}
}

void
position_free_all(struct engine *e)
{
	struct position *p, *next;

	HASH_ITER (hh, e->positions, p, next) {
		HASH_DEL(e->positions, p);
		free(p);
	}
}

void
engine_each_position(const struct engine *e, engine_position_fn fn, void *arg)
{
	for (const struct position *p = e->positions; p != NULL; p = p->hh.next)
		fn(arg, &p->state);
}

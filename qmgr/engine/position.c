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
 * another (NOT_CURRENT).  Positions of one certificate, or of one partner
 * without, are bounded; a row goes only by a person's command.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"

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

void
engine_position_open(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_position_open *req)
{
	struct engine_reply r = {.kind = ENGINE_POSITION, .id = id};
	struct position *p = position_find(e, req->partner, req->stream);

	if (req->partner[0] == '\0') {
		reply_error(s, id, 0, MQI_E_OBJECT_NAME);
		return;
	}
	if (p == NULL && position_is_full(e, req->partner, req->identity)) {
		reply_error(s, id, 0, MQI_E_RESOURCE_PROBLEM);
		return;
	}
	if (p != NULL && !position_is_of(p, req)) {
		reply_error(s, id, 0, MQI_E_NOT_CURRENT);
		return;
	}
	if (p == NULL) {
		p = position_new(e, req->partner, req->stream);
		strcpy(p->state.identity, req->identity);
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

	if (p == NULL)
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

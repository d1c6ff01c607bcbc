/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_position.c - RESET CHANNEL at the end that takes messages: the position
 * kept of one stream of a partner is forgotten.
 *
 * Neighbours: ctl_control.c has the command; engine/position.c the positions,
 * which belong to partners' streams and not to channels: so who resets one
 * needs CTRL on the queue manager, too.
 *
 * Invariant: nothing is forgotten but by the number that is kept, typed by who
 * has seen it.  What the partner has acknowledged from here it knows itself: a
 * stream of which anything is acknowledged is refused by its own sender when
 * it is new here, until a person has decided there.
 *
 * Failure: OBJECT_TYPE, ATTRIBUTE, UNKNOWN_OBJECT, OBJECT_IN_USE,
 * POSITION_MOVED, NOT_AUTHORIZED; each sentence says what is kept.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

struct choice {
	const char *stream;  /* as typed */
	const char *partner; /* "": whichever has it */
	unsigned n;
	struct record_position found; /* the last of n */
};

static void
hex16(const uint8_t id[16], char ret[33])
{
	for (unsigned i = 0; i < 16; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", id[i]);
}

static void
choose(void *arg, const struct record_position *p)
{
	struct choice *choice = arg;
	char hex[33];

	hex16(p->stream, hex);
	/* others are those of applications */
	if (strlen(p->partner) != 32 || strcasecmp(hex, choice->stream) != 0 ||
	    (choice->partner[0] != '\0' &&
		strcasecmp(p->partner, choice->partner) != 0))
		return;
	choice->found = *p;
	choice->n++;
}

/* Finds the one that is meant. */
static enum mqi_err
find_position(struct ctl *c, struct choice *ret)
{
	const char *stream = ctl_option(c, "STREAM");
	const char *partner = ctl_option(c, "RQMID");

	if (stream == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "CHANNEL(%s) takes messages: STREAM says of which stream "
		    "the position is forgotten; DISPLAY CHSTATUS(*) SAVED "
		    "shows them",
		    c->cmd->name);
	ret->stream = stream;
	ret->partner = partner != NULL ? partner : "";
	ret->n = 0;
	engine_each_position(c->engine, choose, ret);
	if (ret->n == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT,
		    "no position is kept of STREAM(%.64s)", stream);
	if (ret->n > 1)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%u partners have STREAM(%.64s): RQMID says which", ret->n,
		    stream);
	return MQI_OK;
}

/* Whether it is the number that a person has seen. */
static enum mqi_err
check_number(struct ctl *c, const struct record_position *p)
{
	const char *text = ctl_option(c, "LSTSEQNO");
	unsigned long long number;
	char *end;

	if (text != NULL) {
		errno = 0;
		number = strtoull(text, &end, 10);
		if (errno == 0 && text[0] >= '0' && text[0] <= '9' &&
		    *end == '\0' && number == p->position)
			return MQI_OK;
	}
	return ctl_fail(c, MQI_E_POSITION_MOVED,
	    "messages up to %" PRIu64 " of this stream of %s (%.100s) have "
	    "arrived: say LSTSEQNO(%" PRIu64 ") to forget it",
	    p->position, p->partner, p->identity, p->position);
}

enum mqi_err
ctl_reset_position(struct ctl *c, const struct engine_object *o)
{
	const char *type = mqattr_text(o->attrs, MQATTR_ID_CHLTYPE);
	const struct record_position *p;
	struct choice choice;
	enum mqi_err err;

	if (strcmp(type, "RCVR") != 0 && strcmp(type, "RQSTR") != 0)
		return ctl_fail(c, MQI_E_OBJECT_TYPE,
		    "CHANNEL(%s) carries no stream", c->cmd->name);
	if (!engine_may(c->engine, c->who, AUTHORITY_QMGR, qmgr_name(c->qm),
		AUTHORITY_CTRL))
		return ctl_fail(c, MQI_E_NOT_AUTHORIZED,
		    "positions belong to partners, not to channels: CTRL on "
		    "the queue manager is needed");
	err = find_position(c, &choice);
	if (err == MQI_OK)
		err = check_number(c, &choice.found);
	if (err != MQI_OK)
		return err;
	p = &choice.found;
	err = engine_position_forget(
	    c->engine, p->partner, p->stream, p->position, &c->pos);
	if (err == MQI_E_OBJECT_IN_USE)
		return ctl_fail(c, err,
		    "a receiver takes messages of this stream: stop it first");
	if (err != MQI_OK)
		return err;
	(void)snprintf(c->text, sizeof(c->text),
	    "the position %" PRIu64 " is forgotten: what the partner still "
	    "has of that stream would come anew; RESOLVE CHANNEL there says "
	    "what has arrived",
	    p->position);
	return MQI_OK;
}

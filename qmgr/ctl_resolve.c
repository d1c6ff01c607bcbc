/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_resolve.c - RESOLVE CHANNEL: a person ends the doubt about messages that
 * were sent and not acknowledged, after the partner was asked if it can be.
 *
 * Neighbours: ctl.c calls it; pings.h has a process (`mca ask`) ask the partner
 * that the stream is bound to, which fences whoever still receives there: its
 * answer is final.  That process hands the answer to the engine as an
 * acknowledgement before it ends, so what is in doubt here afterwards the
 * partner has not.  engine.h resolves the stream.
 *
 * Invariants: what the partner says that it has is never sent again by BACKOUT;
 * what it says that it has not is not given up by COMMIT, but with FORCE.  A
 * partner that cannot be asked, or whose answer does not fit the stream's
 * history, hinders nobody: the answer says so.
 *
 * Failure: ATTRIBUTE, OBJECT_TYPE, UNKNOWN_CHANNEL, OBJECT_IN_USE,
 * CHANNEL_INDOUBT.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "qmgr/ctl_int.h"
#include "qmgr/pings.h"
#include "qmgr/qmgr.h"

static enum mqi_err
no_such(const char *channel, char *text)
{
	(void)snprintf(text, PINGS_TEXT_LEN, "CHANNEL(%s) not found", channel);
	return MQI_E_UNKNOWN_CHANNEL;
}

static void
say_what_became(const struct pings_then *what, const char *said,
    const struct engine_stream_status *st, char *text)
{
	const char *gap = said[0] != '\0' ? "; " : "";

	if (what->commit)
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "%.300s%smessages up to number %" PRIu64
		    " count as delivered",
		    said, gap, st->handed);
	else
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "%.300s%smessages after number %" PRIu64
		    " are sent again, to whomever the queue is bound next",
		    said, gap, st->acked);
}

/* said: of the partner, or why it was not asked. */
static enum mqi_err
resolve(struct engine *e, const struct pings_then *what, bool asked,
    const char *said, char *text, uint64_t *ret_pos)
{
	const struct engine_object *o =
	    engine_object_find(e, MQATTR_CHANNEL, what->channel);
	struct engine_stream_status st = {.acked = 0};
	enum mqi_err err;

	if (o == NULL)
		return no_such(what->channel, text);
	if (strcmp(mqattr_text(o->attrs, MQATTR_ID_XMITQ), what->queue) != 0) {
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "CHANNEL(%s) was altered meanwhile: try again",
		    what->channel);
		return MQI_E_STATE;
	}
	(void)!engine_stream_status(e, what->queue, &st);
	if (asked && what->commit && st.in_doubt && !st.is_sending &&
	    !what->force) {
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "%.300s: those after it, up to %" PRIu64
		    ", would be lost; START CHANNEL sends them, FORCE counts "
		    "them as delivered all the same",
		    said, st.handed);
		return MQI_E_CHANNEL_INDOUBT;
	}
	err = engine_stream_resolve(e, what->queue, what->commit, ret_pos);
	if (err == MQI_OK)
		say_what_became(what, said, &st, text);
	else if (err == MQI_E_OBJECT_IN_USE)
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "CHANNEL(%s) runs: stop it first", what->channel);
	else
		(void)snprintf(text, PINGS_TEXT_LEN,
		    "XMITQ(%s) of CHANNEL(%s): %s", what->queue, what->channel,
		    mqi_strerror(err));
	return err;
}

/* The process has ended. */
static enum mqi_err
answered(struct engine *e, const struct pings_then *what, enum mqi_err reason,
    char *text, uint64_t *ret_pos)
{
	char said[PINGS_TEXT_LEN];

	if (reason == MQI_OK)
		(void)snprintf(said, sizeof(said), "%s", text);
	else
		(void)snprintf(said, sizeof(said),
		    "the partner could not be asked (%.260s)", text);
	return resolve(e, what, reason == MQI_OK, said, text, ret_pos);
}

/* Whether there is a partner who may know; why not goes to said. */
static bool
can_ask(const struct ctl *c, const struct engine_object *o, const char *queue,
    char *said)
{
	static const uint8_t nobody[16];
	struct engine_stream_status st;

	said[0] = '\0';
	if (engine_stream_status(c->engine, queue, &st) != MQI_OK ||
	    !st.in_doubt || st.is_sending ||
	    memcmp(st.bound_qmid, nobody, sizeof(nobody)) == 0)
		return false;
	if (mqattr_set_has(o->attrs, MQATTR_ID_CONNAME) &&
	    mqattr_text(o->attrs, MQATTR_ID_CONNAME)[0] != '\0')
		return true;
	(void)snprintf(said, PINGS_TEXT_LEN,
	    "the partner could not be asked (it calls, the channel has no "
	    "CONNAME)");
	return false;
}

static enum mqi_err
take_action(struct ctl *c, struct pings_then *what)
{
	static const char *const options[] = {"ACTION", NULL};
	enum mqi_err err = ctl_only_options(c, options);
	const char *action = ctl_option(c, "ACTION");

	if (err != MQI_OK)
		return err;
	if (action == NULL)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "ACTION(COMMIT) or ACTION(BACKOUT) is required");
	what->commit = strcasecmp(action, "COMMIT") == 0;
	if (!what->commit && strcasecmp(action, "BACKOUT") != 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "ACTION(%.64s) is not valid: it must be COMMIT, BACKOUT",
		    action);
	what->force = (c->cmd->flags & MQCTL_FORCE) != 0;
	(void)snprintf(
	    what->channel, sizeof(what->channel), "%.20s", c->cmd->name);
	return MQI_OK;
}

enum mqi_err
ctl_resolve_channel(struct ctl *c)
{
	struct pings_then what = {.fn = answered};
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_CHANNEL, c->cmd->name);
	enum mqi_err err = take_action(c, &what);
	char said[PINGS_TEXT_LEN];

	_Static_assert(sizeof(c->text) >= PINGS_TEXT_LEN, "text");
	if (err != MQI_OK)
		return err;
	if (o == NULL)
		return no_such(c->cmd->name, c->text);
	if (!mqattr_set_has(o->attrs, MQATTR_ID_XMITQ))
		return ctl_fail(c, MQI_E_OBJECT_TYPE,
		    "CHANNEL(%s) is not a sender or server", c->cmd->name);
	(void)snprintf(what.queue, sizeof(what.queue), "%s",
	    mqattr_text(o->attrs, MQATTR_ID_XMITQ));
	if (!can_ask(c, o, what.queue, said))
		return resolve(c->engine, &what, false, said, c->text, &c->pos);
	err = pings_start(
	    qmgr_pings(c->qm), c->session, c->id, "ask", c->cmd->name, &what);
	c->later = err == MQI_OK;
	if (err == MQI_E_RESOURCE_PROBLEM)
		return ctl_fail(c, err,
		    "%u partners are being asked: try again", PINGS_MAX);
	return err;
}

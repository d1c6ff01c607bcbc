/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_display.c - DISPLAY of objects: queues of any type, channels, listeners,
 * namelists, processes, services and the queue manager.
 *
 * Neighbours: ctl.c calls ctl_display(); rows go to it by ctl_row_end();
 * mqadmin lays them out.
 *
 * Invariants: objects come in order of name, whatever their type; a row begins
 * with name and type, then come attributes in order of keyword; a keyword asked
 * for that no type shown has is an error that names it; an object that has
 * none of an attribute leaves it out.
 *
 * Happy path: parse what is wanted, walk the objects of the noun's types side
 * by side, match name and filter, emit.  Failure: UNKNOWN_OBJECT when nothing
 * matched, ATTRIBUTE for a wrong keyword or filter.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "qmgr/ctl_int.h"
#include "qmgr/ctl_where.h"
#include "qmgr/qmgr.h"

#define MAX_TYPES 4

struct wanted {
	enum mqattr_object types[MAX_TYPES];
	size_t n_types;
	bool all;
	bool ids[MQATTR_MAX + 1];
	const char *type; /* TYPE(...): of queue, or CHLTYPE; NULL: any */
	struct ctl_where where;
	enum mqattr filter; /* its keyword */
};

/* ---- what is wanted ---- */

static void
want_types(struct wanted *w, enum mqctl_noun noun)
{
	if (noun == MQCTL_QUEUE) {
		w->types[0] = MQATTR_QLOCAL;
		w->types[1] = MQATTR_QALIAS;
		w->types[2] = MQATTR_QREMOTE;
		w->types[3] = MQATTR_QMODEL;
		w->n_types = 4;
	} else {
		w->types[0] = ctl_noun_type(noun);
		w->n_types = 1;
	}
}

static const struct mqattr_def *
find_any(const struct wanted *w, const char *keyword)
{
	for (size_t i = 0; i < w->n_types; i++) {
		const struct mqattr_def *d = mqattr_find(w->types[i], keyword);
		if (d != NULL)
			return d;
	}
	return NULL;
}

static enum mqi_err
no_such_attribute(struct ctl *c, const char *keyword)
{
	return ctl_fail(c, MQI_E_ATTRIBUTE, "%s is not an attribute of %s",
	    keyword, mqctl_noun_name(c->cmd->noun));
}

static enum mqi_err
want_filter(struct ctl *c, struct wanted *w, const char *text)
{
	enum mqi_err err = ctl_where_parse(c, text, &w->where);
	const struct mqattr_def *d;

	if (err != MQI_OK)
		return err;
	d = find_any(w, w->where.keyword);
	if (d == NULL)
		return no_such_attribute(c, w->where.keyword);
	w->filter = d->id;
	return MQI_OK;
}

static enum mqi_err
want_pair(struct ctl *c, struct wanted *w, const struct mqctl_pair *p)
{
	bool is_type = strcasecmp(p->keyword, "TYPE") == 0 ||
		       strcasecmp(p->keyword, "QTYPE") == 0 ||
		       strcasecmp(p->keyword, "CHLTYPE") == 0;
	if (strcasecmp(p->keyword, "WHERE") == 0)
		return want_filter(c, w, p->value);
	if (strcasecmp(p->keyword, "ALL") == 0 && *p->value == '\0') {
		w->all = true;
		return MQI_OK;
	}
	if (is_type) {
		if (*p->value != '\0' && strcasecmp(p->value, "ALL") != 0)
			w->type = p->value;
		return MQI_OK; /* always shown */
	}
	const struct mqattr_def *d = find_any(w, p->keyword);
	if (d == NULL)
		return no_such_attribute(c, p->keyword);
	if (*p->value != '\0')
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "%s takes no value in DISPLAY: use WHERE", p->keyword);
	w->ids[d->id] = true;
	return MQI_OK;
}

static enum mqi_err
want(struct ctl *c, struct wanted *w)
{
	enum mqi_err err = MQI_OK;
	memset(w, 0, sizeof(*w));
	want_types(w, c->cmd->noun);
	for (uint32_t i = 0; i < c->cmd->attrs.n && err == MQI_OK; i++)
		err = want_pair(c, w, &c->cmd->attrs.pairs[i]);
	bool any = false;
	for (size_t i = 0; i <= MQATTR_MAX; i++)
		any = any || w->ids[i];
	if (!any || (c->cmd->flags & MQCTL_ALL))
		w->all = true;
	return err;
}

/* ---- values ---- */

static unsigned
count_names(const struct mqattr_set *set)
{
	const char *p = mqattr_text(set, MQATTR_ID_NAMES);
	unsigned n = *p != '\0';

	for (; *p != '\0'; p++)
		n += *p == ',';
	return n;
}

/* What the object's set does not hold: buf is used. */
static const char *
live_value(const struct ctl *c, const struct engine_object *o, enum mqattr id,
    char buf[40])
{
	struct engine_queue_status st;
	if (id == MQATTR_ID_QMNAME)
		return qmgr_name(c->qm);
	if (id == MQATTR_ID_QMID) {
		const uint8_t *qmid = engine_qmid(c->engine);
		for (size_t i = 0; i < 16; i++)
			(void)snprintf(buf + 2 * i, 3, "%02x", qmid[i]);
		return buf;
	}
	if (id == MQATTR_ID_NAMCOUNT) {
		(void)snprintf(buf, 40, "%u", count_names(o->attrs));
		return buf;
	}
	if (engine_queue_status(c->engine, o->name, &st) != MQI_OK)
		return "";
	uint64_t v = id == MQATTR_ID_CURDEPTH  ? st.depth
		     : id == MQATTR_ID_IPPROCS ? st.open_input
					       : st.open_output;
	(void)snprintf(buf, 40, "%" PRIu64, v);
	return buf;
}

static const char *
value_of(const struct ctl *c, const struct engine_object *o, enum mqattr id,
    char buf[40])
{
	switch (id) {
	case MQATTR_ID_QMNAME:
	case MQATTR_ID_QMID:
	case MQATTR_ID_CURDEPTH:
	case MQATTR_ID_IPPROCS:
	case MQATTR_ID_OPPROCS:
	case MQATTR_ID_NAMCOUNT:
		return live_value(c, o, id, buf);
	default:
		return mqattr_text(o->attrs, id);
	}
}

static bool
passes_filter(
    const struct ctl *c, const struct wanted *w, const struct engine_object *o)
{
	char buf[40];
	if (w->where.op == CTL_WHERE_NONE)
		return true;
	const struct mqattr_def *d = mqattr_def(o->type, w->filter);
	if (d == NULL || !mqattr_set_has(o->attrs, w->filter))
		return false;
	const char *value = value_of(c, o, w->filter, buf);
	if (w->where.op == CTL_WHERE_LK || w->where.op == CTL_WHERE_NL)
		return ctl_where_fits(&w->where, value);
	if (d->kind != MQATTR_INT)
		return ctl_where_compares(w->where.op,
		    d->kind == MQATTR_NAME ? strcmp(value, w->where.value)
					   : strcasecmp(value, w->where.value));
	int64_t a = mqattr_number(d, value);
	int64_t b = mqattr_number(d, w->where.value);
	return ctl_where_compares(w->where.op, a < b ? -1 : a > b);
}

static bool
passes_type(const struct wanted *w, const struct engine_object *o)
{
	if (w->type == NULL)
		return true;
	const char *type = o->type == MQATTR_CHANNEL
			       ? mqattr_text(o->attrs, MQATTR_ID_CHLTYPE)
			       : mqattr_object_name(o->type);
	return strcasecmp(w->type, type) == 0;
}

/* ---- rows ---- */

static void
row_head(struct ctl_row *r, const struct engine_object *o, const char *name)
{
	switch (o->type) {
	case MQATTR_QMGR:
		ctl_row_text(r, "QMNAME", name);
		break;
	case MQATTR_CHANNEL:
		ctl_row_text(r, "CHANNEL", name);
		ctl_row_text(
		    r, "CHLTYPE", mqattr_text(o->attrs, MQATTR_ID_CHLTYPE));
		break;
	case MQATTR_LISTENER:
	case MQATTR_NAMELIST:
	case MQATTR_PROCESS:
	case MQATTR_SERVICE:
	case MQATTR_TOPIC:
	case MQATTR_SUB:
		ctl_row_text(r, mqattr_object_name(o->type), name);
		break;
	case MQATTR_AUTHREC: /* ctl_authrec.c */
	case MQATTR_CHLAUTH: /* ctl_chlauth.c */
		break;
	case MQATTR_QLOCAL:
	case MQATTR_QALIAS:
	case MQATTR_QREMOTE:
	case MQATTR_QMODEL:
		ctl_row_text(r, "QUEUE", name);
		ctl_row_text(r, "TYPE", mqattr_object_name(o->type));
		break;
	}
}

static enum mqi_err
show(struct ctl *c, const struct wanted *w, const struct engine_object *o)
{
	char buf[40];
	struct ctl_row r;
	ctl_row_begin(&r);
	row_head(&r, o, o->name);
	const struct mqattr_def *d = NULL;
	while ((d = mqattr_next(o->type, d)) != NULL) {
		if (d->id == MQATTR_ID_QMNAME || d->id == MQATTR_ID_CHLTYPE ||
		    !mqattr_set_has(o->attrs, d->id) ||
		    !(w->all || w->ids[d->id]))
			continue;
		ctl_row_text(&r, d->keyword, value_of(c, o, d->id, buf));
	}
	return ctl_row_end(c, &r);
}

/* The first in order of name among the walks of each type, and on. */
static const struct engine_object *
next_by_name(const struct ctl *c, const struct wanted *w,
    const struct engine_object *heads[MAX_TYPES])
{
	size_t first = w->n_types;
	for (size_t i = 0; i < w->n_types; i++)
		if (heads[i] != NULL &&
		    (first == w->n_types ||
			strcmp(heads[i]->name, heads[first]->name) < 0))
			first = i;
	if (first == w->n_types)
		return NULL;
	const struct engine_object *o = heads[first];
	heads[first] = engine_object_next(c->engine, w->types[first], o);
	return o;
}

/* The queue manager has attributes before it was ever altered. */
static enum mqi_err
show_qmgr(struct ctl *c, const struct wanted *w)
{
	const struct engine_object *o =
	    engine_object_find(c->engine, MQATTR_QMGR, qmgr_name(c->qm));
	if (o != NULL)
		return show(c, w, o);
	struct engine_object blank = {
	    .type = MQATTR_QMGR, .attrs = mqattr_set_new(MQATTR_QMGR)};
	(void)snprintf(blank.name, sizeof(blank.name), "%s", qmgr_name(c->qm));
	enum mqi_err err = show(c, w, &blank);
	mqattr_set_free(blank.attrs);
	return err;
}

enum mqi_err
ctl_display(struct ctl *c)
{
	struct wanted w;
	const struct engine_object *heads[MAX_TYPES];
	const struct engine_object *o;
	enum mqi_err err = want(c, &w);
	if (err != MQI_OK)
		return err;
	if (c->cmd->noun == MQCTL_QMGR)
		return show_qmgr(c, &w);
	for (size_t i = 0; i < w.n_types; i++)
		heads[i] = engine_object_next(c->engine, w.types[i], NULL);
	while ((o = next_by_name(c, &w, heads)) != NULL && err == MQI_OK)
		if (ctl_matches(c->cmd->name, o->name) &&
		    ctl_may_see(c, o->name) && passes_type(&w, o) &&
		    passes_filter(c, &w, o))
			err = show(c, &w, o);
	if (err == MQI_OK && c->n_rows == 0)
		return ctl_fail(c, MQI_E_UNKNOWN_OBJECT, "%s(%s) not found",
		    mqctl_noun_name(c->cmd->noun), c->cmd->name);
	return err;
}

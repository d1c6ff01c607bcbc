/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_where.c - the condition of a DISPLAY (ctl_where.h).
 *
 * Neighbours: ctl_display.c compares attributes by their kind; ctl_status.c
 * what status shows.
 */
#include "qmgr/ctl_where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum mqi_err
ctl_where_parse(struct ctl *c, const char *text, struct ctl_where *ret)
{
	static const char *const ops[] = {
	    "", "LT", "GT", "EQ", "NE", "LE", "GE", "LK", "NL"};
	char op[3];
	int used = 0;

	ret->op = CTL_WHERE_NONE;
	if (sscanf(text, "%31s %2s %n", ret->keyword, op, &used) != 2 ||
	    used == 0)
		return ctl_fail(c, MQI_E_ATTRIBUTE,
		    "WHERE(%.64s) is not valid: it must be a keyword, one of "
		    "LT GT EQ NE LE GE LK NL, and a value",
		    text);
	for (size_t i = 1; i < MQ_ARRAY_LEN(ops); i++) {
		if (strcasecmp(ops[i], op) == 0)
			ret->op = (enum ctl_where_op)i;
	}
	if (ret->op == CTL_WHERE_NONE)
		return ctl_fail(
		    c, MQI_E_ATTRIBUTE, "%s is not an operator of WHERE", op);
	ret->value = text + used;
	return MQI_OK;
}

bool
ctl_where_compares(enum ctl_where_op op, int order)
{
	switch (op) {
	case CTL_WHERE_LT:
		return order < 0;
	case CTL_WHERE_GT:
		return order > 0;
	case CTL_WHERE_EQ:
		return order == 0;
	case CTL_WHERE_NE:
		return order != 0;
	case CTL_WHERE_LE:
		return order <= 0;
	case CTL_WHERE_GE:
		return order >= 0;
	case CTL_WHERE_NONE:
	case CTL_WHERE_LK:
	case CTL_WHERE_NL:
		break;
	}
	return false;
}

static bool
is_number(const char *text, long long *ret)
{
	char *end = NULL;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

bool
ctl_where_fits(const struct ctl_where *w, const char *value)
{
	long long a, b;

	if (w->op == CTL_WHERE_LK || w->op == CTL_WHERE_NL)
		return ctl_matches(w->value, value) == (w->op == CTL_WHERE_LK);
	if (is_number(value, &a) && is_number(w->value, &b))
		return ctl_where_compares(w->op, a < b ? -1 : a > b);
	return ctl_where_compares(w->op, strcasecmp(value, w->value));
}

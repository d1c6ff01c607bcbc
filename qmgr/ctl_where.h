/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_where.h - the condition of a DISPLAY: WHERE(KEYWORD OP value).
 * Pure, but for the sentence of a failure.
 */
#ifndef MQ_QMGR_CTL_WHERE_H
#define MQ_QMGR_CTL_WHERE_H

#include "qmgr/ctl_int.h"

enum ctl_where_op {
	CTL_WHERE_NONE,
	CTL_WHERE_LT,
	CTL_WHERE_GT,
	CTL_WHERE_EQ,
	CTL_WHERE_NE,
	CTL_WHERE_LE,
	CTL_WHERE_GE,
	CTL_WHERE_LK, /* like; a trailing * */
	CTL_WHERE_NL,
};

struct ctl_where {
	enum ctl_where_op op;
	char keyword[32];
	const char *value; /* points into the text */
};

/* Errors: ATTRIBUTE: it is no condition; whether the keyword exists is the
 * caller's. */
MQ_MUST_CHECK enum mqi_err ctl_where_parse(
    struct ctl *c, const char *text, struct ctl_where *ret);
/* order: of what an object has against the condition's value, for operators
 * other than LK and NL. */
bool ctl_where_compares(enum ctl_where_op op, int order);
/* Whether a shown value fits: as numbers if both are. */
bool ctl_where_fits(const struct ctl_where *w, const char *value);

#endif

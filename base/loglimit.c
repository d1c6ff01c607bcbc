/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loglimit.c - how many lines of one kind the log gets (loglimit.h).
 *
 * A window begins with its first line, and lasts until a line after its end
 * begins the next one.
 */
#include "base/loglimit.h"

bool
mqloglimit_allows(struct mqloglimit *l, uint64_t now_us, uint64_t *ret_left_out)
{
	*ret_left_out = 0;
	if (l->lines > 0 && now_us - l->since_us >= MQLOGLIMIT_US) {
		*ret_left_out = l->left_out;
		l->lines = 0;
		l->left_out = 0;
	}
	if (l->lines == 0)
		l->since_us = now_us;
	if (l->lines >= MQLOGLIMIT_LINES) {
		l->left_out++;
		return false;
	}
	l->lines++;
	return true;
}

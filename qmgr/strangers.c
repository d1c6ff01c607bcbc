/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strangers.c - how many sessions users other than the owner have.
 *
 * Neighbours: session.c counts here; turn.c has the loop.
 * Invariants: a user is in the table exactly while it has sessions, so the
 * table is no larger than their number.
 * Happy path: begin, greeted, end.
 * Failure: one too many is refused with a sentence that says of what.
 */
#include "qmgr/strangers.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"

struct stranger {
	UT_hash_handle hh;
	uid_t uid;
	unsigned n;
	unsigned n_awaiting;
};

void
strangers_init(struct strangers *t, unsigned max_sessions)
{
	memset(t, 0, sizeof(*t));
	t->max = max_sessions - max_sessions / 4; /* the rest is the owner's */
}

static struct stranger *
find(struct strangers *t, uid_t uid)
{
	struct stranger *u;

	HASH_FIND(hh, t->users, &uid, sizeof(uid), u);
	return u;
}

bool
strangers_begin(struct strangers *t, uid_t uid, const char **ret_why)
{
	struct stranger *u = find(t, uid);

	if (u == NULL) {
		u = mqmem_alloc(sizeof(*u));
		u->uid = uid;
		HASH_ADD(hh, t->users, uid, sizeof(u->uid), u);
	}
	u->n++;
	u->n_awaiting++;
	t->n++;
	t->n_awaiting++;
	if (u->n_awaiting > STRANGERS_AWAITING)
		*ret_why = "the user has too many connections without a HELLO";
	else if (t->n_awaiting > STRANGERS_ALL_AWAITING)
		*ret_why = "there are too many connections without a HELLO";
	else if (u->n > t->max / 2)
		*ret_why = "the user has as many connections as one may have";
	else if (t->n > t->max)
		*ret_why = "other users than the owner have as many "
			   "connections as they may have";
	else
		return true;
	return false;
}

void
strangers_greeted(struct strangers *t, uid_t uid)
{
	struct stranger *u = find(t, uid);

	MQ_PRE(u != NULL && u->n_awaiting > 0);
	u->n_awaiting--;
	t->n_awaiting--;
}

void
strangers_end(struct strangers *t, uid_t uid, bool greeted)
{
	struct stranger *u = find(t, uid);

	if (!greeted)
		strangers_greeted(t, uid);
	MQ_PRE(u != NULL && u->n > 0);
	t->n--;
	if (--u->n > 0)
		return;
	MQ_INVARIANT(u->n_awaiting == 0);
	HASH_DEL(t->users, u);
	free(u);
}

bool
strangers_log(struct strangers *t, uint64_t now_ms, unsigned *ret_left_out)
{
	*ret_left_out = 0;
	if (t->lines == 0 || now_ms - t->since_ms >= STRANGERS_LOG_MS) {
		*ret_left_out = t->left_out;
		t->since_ms = now_ms;
		t->lines = 0;
		t->left_out = 0;
	}
	if (t->lines < STRANGERS_LOG_LINES) {
		t->lines++;
		return true;
	}
	t->left_out++;
	return false;
}

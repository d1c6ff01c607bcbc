/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.c - a receiver's open queues (target.h).
 *
 * Messages come in runs for the same queue, so the last one is tried first,
 * then a scan of a small array; when it is full, the handle that was used
 * least recently is closed.  Puts are executed in order, so closing a handle
 * with puts under way does them no harm.
 *
 * A failed put makes all handles be forgotten, since the next one is for the
 * first message of what was taken back, and not for the one that failed: an
 * object that was defined or altered meanwhile is then seen by its next
 * attempt.
 */
#include "mca/target.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "libmq/agent.h"

static bool
is_it(const struct target *t, const char *queue, const char *qmgr,
    const char *user, bool dead)
{
	return t->handle != NULL && t->dead == dead &&
	       strcmp(t->queue, queue) == 0 && strcmp(t->qmgr, qmgr) == 0 &&
	       strcmp(t->user, user) == 0;
}

static struct target *
find(struct targets *t, const char *queue, const char *qmgr, const char *user,
    bool dead)
{
	if (t->last != NULL && is_it(t->last, queue, qmgr, user, dead))
		return t->last;
	for (unsigned i = 0; i < TARGET_MAX; i++) {
		if (is_it(&t->all[i], queue, qmgr, user, dead))
			return &t->all[i];
	}
	return NULL;
}

static void
close_one(struct target *t)
{
	/* puts report their own failures */
	(void)mqi_close(t->handle);
	t->handle = NULL;
}

/* A place for a new one. */
static struct target *
make_room(struct targets *t)
{
	struct target *oldest = &t->all[0];

	for (unsigned i = 0; i < TARGET_MAX; i++) {
		if (t->all[i].handle == NULL)
			return &t->all[i];
		if (t->all[i].used < oldest->used)
			oldest = &t->all[i];
	}
	close_one(oldest);
	return oldest;
}

enum mqi_err
targets_get(struct targets *t, mqi_conn *conn, const char *queue,
    const char *qmgr, const char *user, bool dead, mqi_queue **ret_handle)
{
	struct target *it = find(t, queue, qmgr, user, dead);

	if (it == NULL) {
		bool own = user[0] == '\0';
		const struct mqi_open_opts opts = {
		    .options = MQI_OO_OUTPUT |
			       (own ? 0 : MQI_OO_ALTERNATE_USER_AUTHORITY),
		    .alternate_user = own ? NULL : user};
		mqi_queue *handle = NULL;
		enum mqi_err err =
		    dead ? mqagent_open_dead_letter(conn, queue, qmgr, &handle)
			 : mqi_open_with(conn, queue, qmgr, &opts, &handle);

		if (err != MQI_OK)
			return err;
		it = make_room(t);
		it->handle = handle;
		it->dead = dead;
		(void)snprintf(it->queue, sizeof(it->queue), "%s", queue);
		(void)snprintf(it->qmgr, sizeof(it->qmgr), "%s", qmgr);
		(void)snprintf(it->user, sizeof(it->user), "%s", user);
	}
	it->used = ++t->count;
	t->last = it;
	*ret_handle = it->handle;
	return MQI_OK;
}

void
targets_forget(struct targets *t)
{
	for (unsigned i = 0; i < TARGET_MAX; i++) {
		if (t->all[i].handle != NULL)
			close_one(&t->all[i]);
	}
}

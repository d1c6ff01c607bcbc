/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - the queues that a receiver puts on: open handles, kept for the
 * next message, at most TARGET_MAX of them.  Main thread only.
 */
#ifndef MQ_MCA_TARGET_H
#define MQ_MCA_TARGET_H

#include <mq/mqi.h>

#define TARGET_MAX 64u

struct target {
	char queue[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
	char user[MQI_USER_LEN + 1];
	bool dead;
	mqi_queue *handle; /* NULL: free */
	uint64_t used;     /* when, by count */
};

struct targets {
	struct target all[TARGET_MAX];
	struct target *last;
	uint64_t count;
};

/* A handle that is open for output with the rights of user, or "": the
 * connection's own.  dead: it is the dead-letter queue, for what can be put
 * nowhere else.  Blocks for the round trip if it is new.
 * Errors: as mqi_open_with(). */
MQI_CHECK enum mqi_err targets_get(struct targets *t, mqi_conn *conn,
    const char *queue, const char *qmgr, const char *user, bool dead,
    mqi_queue **ret_handle);
/* Closes all, so that the next messages resolve their names anew. */
void targets_forget(struct targets *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - what is measured of the channel that sends from a transmission
 * queue, and how old a message is.  Pure; loop thread.
 */
#ifndef MQ_QMGR_ENGINE_MONITOR_H
#define MQ_QMGR_ENGINE_MONITOR_H

#include <stdbool.h>

#include "base/average.h"

struct engine;
struct msg;

struct monitor {
	uint32_t every; /* one message of so many; 0: nothing */
	uint32_t n;     /* messages handed out */
	struct mqaverage on_queue_us;
	struct mqaverage batch; /* messages acknowledged at once */
};

/* How old a message is; false: not known.  *ret_here: that is how long it has
 * been at this queue manager. */
bool msg_age(const struct engine *e, const struct msg *m, uint64_t *ret_us,
    bool *ret_here);
void monitor_begin(
    struct monitor *m, const struct engine *e, const char *channel);
void monitor_handed(
    struct monitor *m, const struct engine *e, const struct msg *msg);
void monitor_acked(struct monitor *m, uint32_t n_msgs);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c - what is measured of a channel that sends, if its MONCHL or the
 * queue manager's says so: how long messages were on its transmission queue,
 * and how many the partner acknowledges at once.
 *
 * Neighbours: stream.c calls at each message that it hands out and at each
 * acknowledgement; admin.c shows it.
 *
 * Invariants: how much is measured is decided when the sender opens the
 * stream; without MONCHL a message costs one comparison.  Times are those of
 * the queue manager's own clock, which does not jump.
 *
 * Failure: of a message that the store has brought back only its descriptor
 * knows when it was put.  One that another queue manager has put says nothing
 * of its time here, and is not counted.
 */
#include <string.h>

#include "qmgr/engine/engine_int.h"

/* Of so many messages, one is measured. */
#define EVERY_HIGH 1u
#define EVERY_MEDIUM 8u
#define EVERY_LOW 64u

const char *
engine_channel_monitor(const struct engine *e, const char *channel)
{
	const struct engine_object *o =
	    object_find(e->objects, MQATTR_CHANNEL, channel);
	const char *all = mqattr_text(e->qmgr->attrs, MQATTR_ID_MONCHL);
	const char *own = "QMGR";

	if (strcmp(all, "NONE") == 0 || o == NULL ||
	    !mqattr_set_has(o->attrs, MQATTR_ID_MONCHL))
		return "OFF";
	own = mqattr_text(o->attrs, MQATTR_ID_MONCHL);
	return strcmp(own, "QMGR") == 0 ? all : own;
}

void
monitor_begin(struct monitor *m, const struct engine *e, const char *channel)
{
	const char *level = engine_channel_monitor(e, channel);

	memset(m, 0, sizeof(*m));
	if (strcmp(level, "HIGH") == 0)
		m->every = EVERY_HIGH;
	else if (strcmp(level, "MEDIUM") == 0)
		m->every = EVERY_MEDIUM;
	else if (strcmp(level, "LOW") == 0)
		m->every = EVERY_LOW;
}

bool
msg_age(const struct engine *e, const struct msg *m, uint64_t *ret_us,
    bool *ret_here)
{
	uint64_t now_ms = e->wall_us / 1000;
	struct mqdesc_info info;

	*ret_here = true;
	if (m->put_us != 0) {
		*ret_us = e->clock_us - m->put_us;
		return true;
	}
	if (m->data == NULL ||
	    mqdesc_read(m->data->data, m->desc_len, &info) != MQI_OK ||
	    info.put_time_ms == 0)
		return false;
	*ret_here = info.route.hops <= 1;
	*ret_us =
	    now_ms > info.put_time_ms ? (now_ms - info.put_time_ms) * 1000 : 0;
	return true;
}

void
monitor_handed(struct monitor *m, const struct engine *e, const struct msg *msg)
{
	uint64_t age_us;
	bool here;

	if (m->every == 0 || m->n++ % m->every != 0)
		return;
	if (msg_age(e, msg, &age_us, &here) && here)
		mqaverage_add(&m->on_queue_us, age_us);
}

void
monitor_acked(struct monitor *m, uint32_t n_msgs)
{
	if (m->every != 0 && n_msgs > 0)
		mqaverage_add(&m->batch, n_msgs);
}

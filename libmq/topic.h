/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic.h - what handle.c needs of a handle that stands for a topic or a
 * subscription.  Under the connection's lock.
 */
#ifndef MQ_LIBMQ_TOPIC_H
#define MQ_LIBMQ_TOPIC_H

#include "libmq/conn.h"

struct mqtopic;

/* The request that opens it; free(3) it with the handle. */
void mqtopic_encode(const struct mqtopic *t, struct mqbuf *out, uint32_t id);
/* It is open: the next time it is opened again. */
void mqtopic_opened(struct mqtopic *t);

#endif

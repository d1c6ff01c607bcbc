/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - the body of a trace-route message (format MQTRACE_FORMAT): where
 * each queue manager on its way has put it.  docs/formats/trace.md has the
 * table.
 *
 * Foreign bytes: everything is checked.  Pure; thread-safe.
 */
#ifndef MQ_PROTO_TRACE_H
#define MQ_PROTO_TRACE_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>

#include "base/buf.h"

#define MQTRACE_FORMAT "SLTRACE"
#define MQTRACE_MAX_HOPS 64u
#define MQTRACE_MAX_HOP 256u /* bytes of one, or more */
#define MQTRACE_MAX_BODY (8u + MQTRACE_MAX_HOPS * MQTRACE_MAX_HOP)

enum mqtrace_what {
	MQTRACE_SENT = 1,    /* put on a transmission queue */
	MQTRACE_ARRIVED = 2, /* it was for this queue, and went no further */
};

struct mqtrace_hop {
	uint64_t time_ms; /* wall, since 1970 GMT */
	uint8_t what;     /* enum mqtrace_what, or a later one's */
	char qmgr[MQI_NAME_LEN + 1];
	char queue[MQI_NAME_LEN + 1];           /* where the message is going */
	char to_qmgr[MQI_NAME_LEN + 1];         /* at this queue manager */
	char put_on[MQI_NAME_LEN + 1];          /* the local queue */
	char channel[MQI_CHANNEL_NAME_LEN + 1]; /* it came by; "": a program */
};

/* A body without hops. */
void mqtrace_begin(struct mqbuf *out);
/* Appends the body with one more hop.  Errors: PROTOCOL (the body is none),
 * TOO_BIG (no more hops), NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqtrace_add(const void *body, size_t len,
    const struct mqtrace_hop *hop, struct mqbuf *out);
/* ret: MQTRACE_MAX_HOPS of them.  Errors: PROTOCOL. */
MQ_MUST_CHECK enum mqi_err mqtrace_decode(
    const void *body, size_t len, struct mqtrace_hop *ret, uint32_t *ret_n);

#endif

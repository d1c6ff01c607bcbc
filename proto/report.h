/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - report messages: what a message's report options ask for when it
 * cannot be delivered or has expired, and the descriptor of the answer.
 *
 * Pure; thread-safe; allocates only the buffer that it is given.
 */
#ifndef MQ_PROTO_REPORT_H
#define MQ_PROTO_REPORT_H

#include <mq/mqi_err.h>

#include "proto/desc.h"

#define MQREPORT_SOME 100u /* bytes of the body that _WITH_DATA carries */
/* put_appl_type of what a queue manager makes: MQAT_QMGR */
#define MQREPORT_APPL_QMGR 7u

struct mqreport_why {
	uint32_t option;   /* MQI_RO_EXCEPTION, _EXPIRATION or _ACTIVITY */
	uint32_t feedback; /* MQI_FB_ or a reason */
	const char *qmgr;  /* who makes the report */
	/* where an answer goes if the message names no queue manager */
	const char *reply_qmgr;
	uint64_t wall_ms;
};

struct mqreport {
	bool wanted;            /* the rest but discard is valid */
	bool discard;           /* the message asks to be discarded */
	struct mqdesc_route to; /* the reply-to queue; hops 0 */
	uint32_t data_len;      /* so many bytes of the body, from its start */
};

/* Reads a message's descriptor.  If a report is wanted, appends the report's
 * descriptor to out.  None is wanted of a report, or without a reply-to queue.
 * Errors: MD, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqreport_make(const void *desc, size_t desc_len,
    uint32_t body_len, const struct mqreport_why *why, struct mqbuf *out,
    struct mqreport *ret);

#endif

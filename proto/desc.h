/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc.h - the message descriptor's bytes, the same on the local socket, in
 * the journal, in LMDB and between queue managers.
 *
 * Layout (desc.c holds the table): u8 version, u8 reserved, u16 whole length,
 * u64 bitmap of the fields present, the present fields in order of their bit,
 * then extensions (u16 tag, u16 length, bytes) to the end.  A field at its
 * default costs its bit.  An extension whose tag has the top bit set may be
 * skipped, and is kept, by those who do not know it; any other unknown one is
 * an error.  At most MQDESC_MAX bytes.
 *
 * These are foreign bytes: every function checks all of them.  Pure;
 * thread-safe; allocates only where said.
 */
#ifndef MQ_PROTO_DESC_H
#define MQ_PROTO_DESC_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/buf.h"

#define MQDESC_MAX 32768u
/* put_appl_type of messages whose context is stamped: MQAT_UNIX */
#define MQDESC_APPL_UNIX 6u

/* Where a message on a transmission queue is going. */
struct mqdesc_route {
	char queue[MQI_NAME_LEN + 1]; /* "": the name is the qmgr's business */
	char qmgr[MQI_NAME_LEN + 1];
	uint32_t hops; /* queue managers passed so far */
};

/* What the engine looks at, without a copy of the rest. */
struct mqdesc_info {
	bool persistent; /* resolved; false if AS_Q_DEF */
	bool persistence_as_q_def;
	int8_t priority; /* -1: as queue default */
	bool is_trace;   /* by its format, a trace-route message; no report */
	bool has_route;
	bool has_correl_id;
	bool has_msg_id;
	bool reply_unresolved; /* a reply-to queue without a queue manager:
				  then reply_to_q is filled */
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint8_t group_id[MQI_ID_LEN];
	int32_t expiry; /* tenths of a second, -1 unlimited */
	/* when it expires, by the clock of the queue manager that has it; 0:
	 * never, or not known.  Between queue managers: not 0 if it has expired
	 * already. */
	uint64_t deadline_ms;
	uint64_t not_before_ms;
	uint64_t put_time_ms; /* put_date and put_time; 0: it has none */
	uint32_t msg_type;
	uint32_t report;
	uint32_t backout_count;
	struct mqdesc_route route;
	char reply_to_q[MQI_NAME_LEN + 1];
};

/* What the queue manager fills in when it takes a message. */
struct mqdesc_stamp {
	bool set_msg_id;
	uint8_t msg_id[MQI_ID_LEN];
	int8_t priority;
	bool persistent;
	uint64_t put_time_ms;  /* put_date and put_time; since 1970 GMT */
	const char *user;      /* NULL: leave as it is; 12 bytes kept */
	const char *appl_name; /* NULL: leave as it is; 28 bytes kept; else
				  put_appl_type becomes MQDESC_APPL_UNIX */
	/* the route is replaced: NULL removes it */
	const struct mqdesc_route *route;
	bool keep_route;   /* leave the route as it is; route is ignored */
	bool keep_context; /* leave time, user and appl_name as they are if the
			      message has them (agents pass context on) */
	const char
	    *reply_to_q; /* NULL: leave as it is, and reply_to_qmgr too */
	const char *reply_to_qmgr;
	uint32_t backout_count;
	uint64_t deadline_ms; /* 0: none; what was there is replaced */
	int32_t expiry;       /* 0: leave as it is; else tenths of a second that
				 remain, or MQI_EXPIRY_UNLIMITED */
	uint32_t drop_reports; /* taken from the report options: MQI_RO_ */
};

/* Appends to out.  Errors: MSG_TYPE, EXPIRY, PRIORITY, PERSISTENCE (out of
 * range), MD (another field's value that cannot be held: a string without its
 * NUL, a date that does not exist), PROPERTY_NAME, PROPERTY_TYPE, TOO_BIG (of
 * properties, or from the buffer), NO_MEMORY (from the buffer). */
MQ_MUST_CHECK enum mqi_err mqdesc_encode(
    const struct mqi_md *md, struct mqbuf *out);

/* Fills *ret_md; a route and unknown extensions have no place there.
 * ret_md->props is a malloc'd array (one free(3)) that points
 * into itself and into data, or NULL.  Errors: MD, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqdesc_decode(
    const void *data, size_t len, struct mqi_md *ret_md);

/* Would decode succeed?  *ret_allocates: only if there is memory; else it
 * will.  Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_check(
    const void *data, size_t len, bool *ret_allocates);

/* Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_read(
    const void *data, size_t len, struct mqdesc_info *ret_info);

#define MQDESC_USER_LEN 12

/* The user that the message carries; "" if none.  Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_user(
    const void *data, size_t len, char ret_user[MQDESC_USER_LEN + 1]);

/* Appends to out the descriptor with the stamp applied; skippable extensions
 * are carried along.  Errors: MD, TOO_BIG. */
MQ_MUST_CHECK enum mqi_err mqdesc_stamp(const void *data, size_t len,
    const struct mqdesc_stamp *stamp, struct mqbuf *out);

/* Whether a descriptor has an expiry or asks for reports, by a look at its
 * bitmap. */
static inline bool
mqdesc_asks(const void *data, size_t len)
{
	return len >= 12 && (mqbuf_get_u64((const uint8_t *)data + 4) & 5) != 0;
}

/* Sets what a descriptor has of both, in place: expiry, in tenths of a second
 * from 1, and deadline.  Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_set_life(
    void *data, size_t len, int32_t expiry, uint64_t deadline_ms);

/* Where a stamped descriptor has what differs from one message to the next;
 * 0: nowhere. */
struct mqdesc_places {
	uint16_t msg_id;
	uint16_t put_time;
};

/* Errors: MD. */
MQ_MUST_CHECK enum mqi_err mqdesc_find(
    const void *data, size_t len, struct mqdesc_places *ret);
/* Sets both, in a descriptor that has both.  put_time_ms is not 0, msg_id not
 * all zero: fields at their default are left out. */
void mqdesc_restamp(void *data, const struct mqdesc_places *places,
    const uint8_t msg_id[MQI_ID_LEN], uint64_t put_time_ms);

#endif

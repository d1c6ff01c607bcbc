/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - the part of engine_int.h for what the queue manager does with
 * messages by itself: it drops them when they have expired, moves them when
 * they come back too often, and tells of them.  Loop thread only.
 */
#ifndef MQ_ENGINE_REPORT_H
#define MQ_ENGINE_REPORT_H

#include "qmgr/engine/engine_int.h"

/* ---- expire.c ---- */

/* The queue manager's clock goes on. */
void expire_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us);
/* When a message put now expires. */
uint64_t expire_deadline(const struct engine *e, int32_t expiry);
/* Marks the stamped message in e->scratch, which expires: no report. */
MQ_MUST_CHECK enum mqi_err expire_report_nothing(
    struct engine *e, int32_t expiry, struct stamp_result *stamped);
/* It must not be given to anybody any more. */
bool expire_is_due(const struct entry *x);
/* Removes it, and puts the report that it asks for.  Offers nothing. */
void expire_drop(struct entry *x);
/* As queue_find(), without what has expired, which is removed on the way. */
enum find_result expire_find(struct queue *q, struct place after,
    const struct getter *g, const struct find_span *extra,
    struct entry **ret_entry, struct place *ret_from);
/* A message's bytes with what remains of its expiry; NULL: as they are. */
struct mqref *expire_dated(
    const struct engine *e, const struct msg *m, size_t len, bool is_stream);

/* ---- poison.c ---- */

/* It has come back so often that nobody should get it again. */
bool poison_is_due(const struct entry *x);
/* Moves it away, if there is a place.  Offers nothing. */
bool poison_move(struct entry *x);

/* ---- report.c ---- */

/* A report as it is put. */
struct report {
	struct engine *e;
	struct route route;
	struct mqbuf desc;
	const uint8_t *body; /* of the message that it is about */
	uint32_t body_len;
	uint8_t header[MQDLH_LEN];
	uint32_t header_len; /* MQDLH_LEN: a dead letter */
	/* made */
	uint8_t rank;
	struct msg m;
};

/* The report about m that the option asks for, ready for one of the two calls
 * below; false: there is none.  m's descriptor must be in memory. */
bool report_make(struct engine *e, const struct msg *m, uint32_t option,
    uint32_t feedback, struct report *ret);
/* The same for its arrival, or its delivery, if it asks to be told. */
bool report_arrival(struct engine *e, struct msg *m, struct report *ret);
bool report_delivery(struct engine *e, const struct msg *m, struct report *ret);
/* The same for a copy of m, which is on q, as a dead letter.  False also if it
 * is too long for one piece. */
bool report_dead_letter(
    struct queue *q, const struct msg *m, enum mqi_err why, struct report *ret);
/* The same, of what could not be put on a queue of that name. */
bool report_dead_copy(struct engine *e, const char *queue, const struct msg *m,
    enum mqi_err why, struct report *ret);
/* A message that the queue manager itself puts on a local queue, or, if that
 * does not take it, on the dead-letter queue; false: neither does. */
bool report_own(struct queue *q, const struct mqi_md *md, const void *body,
    uint32_t len, struct report *ret);
/* What a batch must have room for. */
size_t report_room(const struct report *r);
/* Puts it; cause: the position of what it tells of.  NULL is allowed. */
void report_put(struct report *r, uint64_t cause);
/* Puts it in a unit of work that has room for it. */
void report_put_in(struct report *r, struct unit *u);

/* Finds a queue that takes it.  Errors: route_resolve()'s, PUT_INHIBITED,
 * Q_FULL, MSG_TOO_BIG_FOR_Q, STORAGE_MEDIUM_FULL, NOT_AUTHORIZED. */
enum mqi_err report_find(struct report *r, const struct mqdesc_route *to);
/* The message to be put on what was found.  Errors: MD, NO_MEMORY, TOO_BIG. */
enum mqi_err report_stamp(struct report *r, struct msg *m, uint8_t *ret_rank);
/* What was put there is offered at the turn's end. */
void report_offer_later(struct queue *q, struct place place);
void report_flush(struct engine *e);
void report_free_all(struct engine *e);

/* ---- trace.c ---- */

/* A trace-route message, whose stamped descriptor is e->scratch: adds where it
 * is put to its body and makes the report about that, if there is a way.
 * *ret_body: the new body; *ret_report: whether m, for q at rank, is to be put.
 * Errors: PROTOCOL (the body is none: an ordinary message), TOO_BIG,
 * NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err trace_make(struct handle *h,
    const struct engine_put *req, struct mqbuf *ret_body, bool *ret_report,
    struct queue **ret_queue, uint8_t *ret_rank, struct msg *ret_msg);

#endif

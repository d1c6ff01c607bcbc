/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checker.h - the strict judge of a history of calls (design, section 8).
 *
 * Clients tell it of each call before and after; then, when everything that
 * is left on the queues has been drained, it is asked whether what was seen
 * can be explained.  Each put, unit of work and get is done, not done or
 * unknown.  An acknowledged persistent message must be seen exactly once, or
 * still be queued, or be in the set of one unknown get, commit or window of
 * acknowledgements.  A unit is whole or not at all.  The order of each putter
 * on each queue holds.  Nothing unexpected appears.
 *
 * Time: every call is stamped at its begin and end from *clock, if there is
 * one (the recorder's trace_seq).  A verdict for an instant P takes calls that
 * ended by P with their result, those begun after P as never made, and those
 * between as unknown: so one history judges many images of the disk.
 *
 * Thread-safe but for checker_new(), checker_free() and checker_judge().
 */
#ifndef MQ_TESTS_CHECKER_H
#define MQ_TESTS_CHECKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKER_QUEUES 8
#define CHECKER_CLIENTS 16
#define CHECKER_NOW UINT64_MAX
#define CHECKER_BODY_MIN 16u /* bytes */

enum checker_outcome {
	CHECKER_OPEN = 0, /* not ended yet: unknown */
	CHECKER_DONE,
	CHECKER_NOT_DONE,
	CHECKER_UNKNOWN,
};

struct checker;

struct checker *checker_new(const _Atomic uint64_t *clock);
struct checker *checker_free(struct checker *c); /* NULL */

/* Getters of this queue need not see order: windows of read-ahead come back
 * to it.  (What is drained is in order all the same.) */
void checker_free_order(struct checker *c, unsigned queue);

/* ---- what clients tell; ids and units are numbers from 1 ---- */

uint32_t checker_unit_begin(struct checker *c);
/* Before commit or back out is called. */
void checker_unit_ending(struct checker *c, uint32_t unit);
void checker_unit_end(
    struct checker *c, uint32_t unit, enum checker_outcome outcome);

/* Before a put; unit 0: by itself.  Returns the message's id. */
uint32_t checker_put_begin(struct checker *c, unsigned putter, unsigned queue,
    bool persistent, uint32_t unit);
void checker_put_end(
    struct checker *c, uint32_t id, enum checker_outcome outcome);

/* The bytes of message id: fills len >= CHECKER_BODY_MIN. */
void checker_fill(uint32_t id, void *body, size_t len);
/* The id in a body; 0 if any byte is not what checker_fill() wrote. */
uint32_t checker_identify(const void *body, size_t len);

/* Before a get outside units. Returns a number for checker_get_end(). */
uint32_t checker_get_begin(
    struct checker *c, unsigned getter, unsigned queue, uint32_t unit);
/* The get asks for one message by its id: it may overtake. */
void checker_get_by_id(struct checker *c, uint32_t get);
/* id: the message that came, 0 none; UNKNOWN: the call was cut off. */
void checker_get_end(
    struct checker *c, uint32_t get, uint32_t id, enum checker_outcome outcome);

/* Read-ahead: a message came; it is acknowledged; a flush has returned OK. */
void checker_ahead_got(
    struct checker *c, unsigned getter, unsigned queue, uint32_t id);
void checker_ahead_acking(struct checker *c, unsigned getter, uint32_t id);
void checker_ahead_flushed(struct checker *c, unsigned getter);
/* The handle is gone: what was not acknowledged is on its queue again; of what
 * was acknowledged and not flushed nothing will be known. */
void checker_ahead_closed(struct checker *c, unsigned getter);

/* ---- the verdict ---- */

struct checker_drained {
	uint32_t id; /* 0: a body that checker_identify() refused */
	unsigned queue;
};

struct checker_report {
	/* faults */
	unsigned lost, doubled, unexpected, torn, disorder;
	/* sizes */
	unsigned acked, delivered, drained, unknown_puts, unknown_units,
	    unknown_gets;
};

/* Judges the history at instant `at` with what was drained afterwards, in the
 * order of each queue.  Prints the first faults if `verbose`.  True: none. */
bool checker_judge(struct checker *c, uint64_t at,
    const struct checker_drained *drained, size_t n, bool verbose,
    struct checker_report *ret_report);
void checker_print(const struct checker_report *r, const char *what);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - how much a sender may have in flight: sized by the round trip and
 * the rate that its acknowledgements show.
 *
 * Pure: numbers, bytes and times in, a size out.  One thread.
 */
#ifndef MQ_MCA_WINDOW_H
#define MQ_MCA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MIN_BYTES 4194304u
#define WINDOW_MAX_BYTES 67108864u /* 5 times 100 ms at 1 Gbit/s */
#define WINDOW_MAX_MSGS 65536u
#define WINDOW_ROUNDS 8u        /* whose fastest counts */
#define WINDOW_RTT_US 10000000u /* a round trip is believed so long */

struct window {
	uint32_t bytes; /* of bodies, that may be in flight */
	uint32_t max_bytes;
	uint32_t max_msgs;
	uint64_t sent; /* bytes, since the connection began */
	/* The round: from the message that was marked to its acknowledgement.
	 */
	bool marked;
	uint64_t mark;      /* its number */
	uint64_t mark_us;   /* when it left */
	uint64_t mark_sent; /* `sent` before it */
	/* the round before: when it ended, and `mark_sent` of it; 0: none */
	uint64_t last_us;
	uint64_t last_sent;
	uint64_t rates[WINDOW_ROUNDS]; /* bytes per second, of rounds */
	uint32_t n_rounds;
	uint64_t rtt_us; /* the shortest; 0: not known yet */
	uint64_t rtt_at_us;
	uint32_t longer;  /* rounds since a round trip that was like it */
	uint32_t probing; /* rounds to go with the smallest window */
};

/* The partner holds that much at most; 0: it does not say. */
void window_init(
    struct window *w, uint64_t partner_bytes, uint32_t partner_msgs);
/* A message begins to leave.  now_us is looked at only while
 * window_wants_mark(). */
void window_sent(
    struct window *w, uint64_t number, uint32_t body_len, uint64_t now_us);
/* Everything up to number is durable at the partner.  True: the size is
 * another now. */
bool window_acked(struct window *w, uint64_t number, uint64_t now_us);
/* Messages that may be in flight. */
uint32_t window_msgs(const struct window *w);

static inline bool
window_wants_mark(const struct window *w)
{
	return !w->marked;
}

#endif

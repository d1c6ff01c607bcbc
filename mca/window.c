/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - the size of a sender's window (window.h).
 *
 * A pipe is full when as much is in flight as leaves it in one round trip.  So
 * the window is twice the product of the fastest of the last rounds and the
 * shortest round trip, which doubles it in every round until the rate does not
 * rise any more: 4 MiB become 32 in three round trips.  A round trip is
 * measured to the acknowledgement, so the partner's flush is part of it.
 *
 * A window that is larger than the pipe makes a queue, and a queue makes round
 * trips longer: the shortest one is believed for WINDOW_RTT_US; then there are
 * PROBE_ROUNDS with a window of PROBE_BYTES: the first lets the queue go, and
 * what is measured in the last counts.  The same happens, not more often than
 * every AGAIN_US, when no round of WINDOW_ROUNDS was less than LONGER times as
 * long: the way may have changed.
 *
 * Invariants: 0 < bytes <= max_bytes, which is what the partner holds at most;
 * a message that is longer than the window travels alone (the queue manager
 * sees to that).  Nothing here can fail.
 */
#include "mca/window.h"

#include <string.h>

#include "base/check.h"

#define PROBE_ROUNDS 2u
#define PROBE_BYTES 262144u
#define LONGER 4u
#define AGAIN_US 1000000u
#define MSG_BYTES 256u /* a window of smaller messages is counted by them */

static uint32_t
lower(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

void
window_init(struct window *w, uint64_t partner_bytes, uint32_t partner_msgs)
{
	memset(w, 0, sizeof(*w));
	w->max_bytes = WINDOW_MAX_BYTES;
	w->max_msgs = WINDOW_MAX_MSGS;
	if (partner_bytes > 0)
		w->max_bytes = lower(partner_bytes, w->max_bytes);
	if (partner_msgs > 0)
		w->max_msgs = lower(partner_msgs, w->max_msgs);
	w->bytes = lower(WINDOW_MIN_BYTES, w->max_bytes);
}

uint32_t
window_msgs(const struct window *w)
{
	uint32_t n = w->bytes / MSG_BYTES;

	return lower(n > 0 ? n : 1, w->max_msgs);
}

void
window_sent(
    struct window *w, uint64_t number, uint32_t body_len, uint64_t now_us)
{
	if (!w->marked) {
		w->marked = true;
		w->mark = number;
		w->mark_us = now_us;
		w->mark_sent = w->sent;
	}
	w->sent += body_len;
}

/* Bytes per second of the fastest of the last rounds. */
static uint64_t
fastest(const struct window *w)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < WINDOW_ROUNDS; i++)
		if (w->rates[i] > best)
			best = w->rates[i];
	return best;
}

/* What left in the round before has arrived in this one. */
static void
note_rate(struct window *w, uint64_t now_us)
{
	uint64_t bytes = w->mark_sent - w->last_sent;

	if (w->last_us != 0 && now_us > w->last_us)
		w->rates[w->n_rounds++ % WINDOW_ROUNDS] =
		    bytes * 1000000 / (now_us - w->last_us);
	w->last_us = now_us;
	w->last_sent = w->mark_sent;
}

static bool
is_old(const struct window *w, uint64_t now_us)
{
	uint64_t age = now_us - w->rtt_at_us;

	return age >= WINDOW_RTT_US ||
	       (age >= AGAIN_US && w->longer >= WINDOW_ROUNDS);
}

static void
note_rtt(struct window *w, uint64_t now_us)
{
	uint64_t rtt = now_us > w->mark_us ? now_us - w->mark_us : 1;
	bool true_one = w->probing > 0 && --w->probing == 0;

	w->longer = rtt < LONGER * w->rtt_us ? 0 : w->longer + 1;
	if (w->rtt_us == 0 || rtt <= w->rtt_us || true_one) {
		w->rtt_us = rtt;
		w->rtt_at_us = now_us;
		w->probing = 0;
	} else if (w->probing == 0 && is_old(w, now_us)) {
		w->probing = PROBE_ROUNDS;
		w->longer = 0;
	}
}

/* Twice what is in flight when the pipe is full. */
static uint64_t
wanted(const struct window *w)
{
	double bytes = 2e-6 * (double)fastest(w) * (double)w->rtt_us;

	if (w->probing > 0)
		return PROBE_BYTES;
	if (bytes < WINDOW_MIN_BYTES)
		return WINDOW_MIN_BYTES;
	return bytes < WINDOW_MAX_BYTES ? (uint64_t)bytes : WINDOW_MAX_BYTES;
}

bool
window_acked(struct window *w, uint64_t number, uint64_t now_us)
{
	uint32_t before = w->bytes;

	if (!w->marked || number < w->mark)
		return false;
	w->marked = false;
	note_rate(w, now_us);
	note_rtt(w, now_us);
	w->bytes = lower(wanted(w), w->max_bytes);
	return w->bytes != before;
}

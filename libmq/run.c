/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - runs of memory that read-ahead messages are cut from.
 *
 * Neighbours: get.c makes and frees messages.
 *
 * A message got is beyond what malloc(3) keeps per thread, and a window of
 * them freed at once makes it give memory back to the kernel, only to fault
 * it in again for the next window: that was a tenth of a busy client.
 *
 * Invariants.  A run counts the users that it has: one for each piece cut
 * from it and, while it is the current one, so many more (HELD) that it
 * cannot get to none.  So a piece costs one atomic operation, when it is
 * freed.  Runs without users are kept for the next, about KEEP at most, until
 * the connection ends: anybody pushes to the list, only the connection takes
 * from it, and the whole of it.  There is no lock, which a child of fork(2)
 * might find taken for ever.
 *
 * The connection and each run with users hold the mqruns; the last to let go
 * frees it and what is kept.
 *
 * The price: a message that is kept for long keeps its whole run.  So a run
 * is small, and large messages have memory of their own.
 */
#include "libmq/run.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

#define RUN_BYTES ((size_t)32 << 10)
#define PIECE_MAX (RUN_BYTES / 4)
#define KEEP 32u
#define HELD ((uint32_t)1 << 30)
#define ALIGN ((size_t)16)

/* AddressSanitizer shall see each message by itself. */
#if defined(__SANITIZE_ADDRESS__)
static const bool no_runs = true;
#else
static const bool no_runs = false;
#endif

struct mqrun {
	struct mqruns *owner;
	struct mqrun *next; /* kept */
	_Atomic uint32_t users;
	uint32_t n;  /* pieces cut */
	size_t used; /* bytes */
	_Alignas(16) uint8_t data[];
};

struct mqruns {
	_Atomic uint32_t holders;
	_Atomic uint32_t n_kept;
	struct mqrun *_Atomic kept;
	/* the connection's */
	struct mqrun *spare; /* taken from kept */
	struct mqrun *now;
};

struct mqruns *
mqruns_new(void)
{
	struct mqruns *rs = calloc(1, sizeof(*rs));

	if (rs != NULL)
		rs->holders = 1;
	return rs;
}

static void
free_list(struct mqrun *run)
{
	struct mqrun *next;

	for (; run != NULL; run = next) {
		next = run->next;
		free(run);
	}
}

static void
let_go_of(struct mqruns *rs)
{
	if (atomic_fetch_sub(&rs->holders, 1) > 1)
		return;
	free_list(rs->kept);
	free(rs);
}

/* Nobody uses it any more. */
static void
give_back(struct mqrun *run)
{
	struct mqruns *rs = run->owner;

	if (rs->n_kept < KEEP) {
		rs->n_kept++;
		run->next = rs->kept;
		while (
		    !atomic_compare_exchange_weak(&rs->kept, &run->next, run))
			;
	} else {
		free(run);
	}
	let_go_of(rs);
}

static void
drop_users(struct mqrun *run, uint32_t n)
{
	uint32_t before =
	    atomic_fetch_sub_explicit(&run->users, n, memory_order_acq_rel);

	MQ_INVARIANT(before >= n);
	if (before == n)
		give_back(run);
}

void
mqrun_unref(struct mqrun *run)
{
	drop_users(run, 1);
}

/* The current run gets no more pieces. */
static void
let_go(struct mqruns *rs)
{
	struct mqrun *run = rs->now;

	rs->now = NULL;
	if (run != NULL)
		drop_users(run, HELD - run->n);
}

static bool
take_new(struct mqruns *rs)
{
	struct mqrun *run;

	if (rs->spare == NULL)
		rs->spare = atomic_exchange(&rs->kept, NULL);
	run = rs->spare;
	if (run != NULL) {
		rs->spare = run->next;
		rs->n_kept--;
	} else {
		run = malloc(sizeof(*run) + RUN_BYTES);
		if (run == NULL)
			return false;
		run->owner = rs;
	}
	rs->holders++;
	atomic_store_explicit(&run->users, HELD, memory_order_relaxed);
	run->n = 0;
	run->used = 0;
	rs->now = run;
	return true;
}

void *
mqruns_get(struct mqruns *rs, size_t size, struct mqrun **ret_run)
{
	struct mqrun *run;
	void *piece;

	if (size > PIECE_MAX || no_runs)
		return NULL;
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	if (rs->now != NULL && rs->now->used + size > RUN_BYTES)
		let_go(rs);
	if (rs->now == NULL && !take_new(rs))
		return NULL;
	run = rs->now;
	piece = run->data + run->used;
	run->used += size;
	run->n++;
	*ret_run = run;
	return piece;
}

void
mqruns_free(struct mqruns *rs)
{
	if (rs == NULL)
		return;
	rs->n_kept += KEEP; /* no more are kept */
	let_go(rs);
	free_list(rs->spare);
	free_list(atomic_exchange(&rs->kept, NULL));
	let_go_of(rs);
}

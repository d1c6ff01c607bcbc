/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.h - a crash-faithful store in memory, for tests and simulation.
 * It has no threads.  Each step that a real store takes by itself is held back
 * until the test takes it, or happens at once in automatic mode; what a step
 * has to say is said by the next poll().
 *
 *	submit -> make_durable -> apply
 *	load   -> read_load    -> answer_load
 *
 * A load shows the batches that were applied at its read_load, however many
 * are applied before its answer_load.  As with every store, a load is never
 * answered before applied(as_of) has been said.
 *
 * All on one thread.  s is always one made by store_mem_new().
 */
#ifndef MQ_STORE_MEM_H
#define MQ_STORE_MEM_H

#include "qmgr/store/store.h"

/* Empty.  automatic: every step at once. */
struct store *store_mem_new(bool automatic);
/* Turning it on takes all steps that are waiting. */
void store_mem_set_automatic(struct store *s, bool automatic);

/* Each takes one step of the oldest that waits for it; false: none does. */
bool store_mem_make_durable(struct store *s);
bool store_mem_apply(struct store *s); /* a durable batch */
bool store_mem_read_load(struct store *s);
bool store_mem_answer_load(struct store *s); /* one that was read */

struct store_mem_counts {
	unsigned undurable; /* batches */
	unsigned unapplied; /* durable ones */
	unsigned unread;    /* loads */
	unsigned unanswered;
	unsigned events; /* for the next poll() */
};

struct store_mem_counts store_mem_counts(const struct store *s);

/* What power cut and restart leave: the durable batches, and the first `extra`
 * of those that are not.  s is gone, its loads are dropped; the store returned
 * has the same mode. */
struct store *store_mem_crash(struct store *s, unsigned extra);

/* The next poll() says failed(err, why), and the store is dead. */
void store_mem_fail(struct store *s, enum mqi_err err, const char *why);
void store_mem_set_room(struct store *s, bool has_room);
/* What is read of the body from now on is damaged; false: no such body. */
bool store_mem_damage(struct store *s, uint64_t body_id);
/* The message at key is gone, but still counted, like after a lost page. */
bool store_mem_lose(struct store *s, const struct record_key *key);
/* Bodies held, with or without a place: to see that nothing leaks. */
uint64_t store_mem_bodies(const struct store *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_store.h - the store of a simulated queue manager: the real journal,
 * recovery and checkpoint on a simulated disk, in front of a stand-in for
 * LMDB.  Each step is taken by the simulation.  One thread.
 */
#ifndef TESTS_SIM_SIM_STORE_H
#define TESTS_SIM_SIM_STORE_H

#include "tests/sim/sim.h"

/* Closed. */
struct store *sim_store_new(struct sim *sim, const char *name);
/* Opens it: recovery.  False: it was cut off by a power cut of its own, or
 * sim_fail() has been told. */
bool sim_store_open(struct store *s);
/* The process dies, or, with power, its host: in the middle of whatever the
 * seed says. */
void sim_store_crash(struct store *s, bool power);

/* Each takes one step of the oldest that waits for it; false: none does. */
bool sim_store_make_durable(struct store *s);
bool sim_store_apply(struct store *s);
bool sim_store_read_load(struct store *s);
bool sim_store_answer_load(struct store *s);
/* Something waits to be told by poll(). */
bool sim_store_has_news(const struct store *s);
void sim_store_set_room(struct store *s, bool has_room);
/* The next batch's flush will fail, and so the store; or not any more. */
void sim_store_fail_flush(struct store *s, bool on);

uint64_t sim_store_durable(const struct store *s); /* batch */
uint64_t sim_store_bodies(const struct store *s);

#endif

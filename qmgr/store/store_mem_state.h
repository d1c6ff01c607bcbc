/* SPDX-License-Identifier: Apache-2.0 */
/* store_mem_state.h - what the store in memory holds (store_mem.c): the effect
 * of records, and answers to loads.  One thread. */
#ifndef MQ_STORE_MEM_STATE_H
#define MQ_STORE_MEM_STATE_H

#include "qmgr/store/store_impl.h"

struct mem_state;

struct mem_state *mem_state_new(void);
struct mem_state *mem_state_free(struct mem_state *st); /* NULL */
MQ_MUST_CHECK enum mqi_err mem_state_apply(
    struct mem_state *st, const struct store_batch *b, struct store_why *why);
/* What a start does: staged pieces, removed messages and non-persistent ones
 * go. */
void mem_state_restart(struct mem_state *st);
enum mqi_err mem_state_catalog(
    struct mem_state *st, const struct store_catalog *c);
/* Fills in the answer, but for as_of. */
void mem_state_load(struct mem_state *st, struct store_load *l);

bool mem_state_damage(struct mem_state *st, uint64_t body_id);
bool mem_state_lose(struct mem_state *st, const struct record_key *key);
uint64_t mem_state_bodies(const struct mem_state *st);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hand.h - looks into a store that is closed through LMDB itself, and changes
 * it.  Everything that a test does not expect fails it.
 */
#ifndef MQ_TESTS_STORE_HAND_H
#define MQ_TESTS_STORE_HAND_H

#include <lmdb.h>

#include "tests/unit/store/harness.h"

struct hand {
	MDB_env *env;
	MDB_txn *txn;
};

struct hand hand_open(const struct harness *h);
MDB_dbi hand_table(struct hand *x, const char *name); /* makes it */
void hand_close(struct hand *x);                      /* commits */

size_t hand_entries(const struct harness *h, const char *table);

/* ---- messages whose ids are made as the queue manager makes them ---- */

void hand_made_id(uint8_t id[MQI_ID_LEN], uint64_t body_id);
/* "descriptor" and "body", put into the batch that is filling. */
void hand_put_made(struct harness *h, struct record_key key, uint64_t body_id);
/* How many rows of the queue, behind `after` unless it is NULL, have the
 * message id that was made with the body. */
uint32_t hand_found(struct harness *h, uint64_t queue, uint64_t body_id,
    const struct record_key *after);

#endif

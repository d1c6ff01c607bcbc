/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_impl.h - what the implementations of store.h share: the rule of which
 * records of a batch take effect, and the making of answers.  Each call
 * belongs to the caller's thread.
 */
#ifndef MQ_STORE_IMPL_H
#define MQ_STORE_IMPL_H

#include "proto/frame.h"
#include "qmgr/store/store.h"

#define STORE_WHY_MAX 256u

/* Why a store cannot go on: the first reason stays. */
struct store_why {
	enum mqi_err err;
	char text[STORE_WHY_MAX];
};

/* Keeps the reason and returns err. */
enum mqi_err store_fail(struct store_why *why, enum mqi_err err,
    const char *fmt, ...) MQ_PRINTF(3, 4);

/* One record that takes effect, and its bytes in the batch. */
typedef enum mqi_err store_apply_fn(
    void *ctx, const struct record *r, const uint8_t *bytes);

/*
 * store_walk - gives the records of a batch that take effect to apply, in
 * order: those of no unit, STAGE, those of units that the batch commits, and
 * every COMMIT and ROLLBACK.  Records of units that are not ended within the
 * batch are passed over.  Errors: STORE_FORMAT (also PREPARE, which has no
 * meaning to any store yet), OBJECT_DAMAGED, and what apply returns.
 */
MQ_MUST_CHECK enum mqi_err store_walk(const struct store_batch *b,
    store_apply_fn *apply, void *ctx, struct store_why *why);
/* The same for records whose checksums apply looks at, where they matter. */
MQ_MUST_CHECK enum mqi_err store_walk_unchecked(const struct store_batch *b,
    store_apply_fn *apply, void *ctx, struct store_why *why);

/* A zeroed row at the end of the answer. */
struct store_row *store_load_add_row(struct store_load *l);

/* The key of the record "epoch" among META records: u64, little-endian. */
bool store_meta_epoch(const struct record_meta *v, uint64_t *ret_epoch);

/* How many pieces the body of a staged message has, without piece 0. */
static inline uint32_t
store_body_pieces(uint32_t body_len)
{
	return (
	    uint32_t)(((uint64_t)body_len + MQFRAME_PIECE - 1) / MQFRAME_PIECE);
}

#endif
